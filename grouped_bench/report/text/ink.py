"""Weight and colour of words on a terminal; `click.echo` leaves them out of a pipe."""

import re

import click

_VERDICT = re.compile(r"\b(faster|slower|undecided)\b(?!.*\b(?:faster|slower|undecided)\b)")


def strong(text: str) -> str:
    """What is to be read first."""
    return click.style(text, bold=True)


def good(text: str) -> str:
    """A winner."""
    return click.style(text, fg="green")


def bad(text: str) -> str:
    """What is slower than as it is."""
    return click.style(text, fg="red")


def warning(text: str) -> str:
    """What limits the rest."""
    return click.style(text, fg="yellow")


def faint(text: str) -> str:
    """What is open, or said beside."""
    return click.style(text, dim=True)


def verdict(line: str) -> str:
    """The line of a table with its last verdict in colour."""
    return _VERDICT.sub(lambda match: _OF_VERDICT[match[1]](match[1]), line)


_OF_VERDICT = {"faster": good, "slower": bad, "undecided": faint}

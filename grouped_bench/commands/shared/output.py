"""A command's answer on standard output, whose reader may have closed it; exit codes, and errors of usage."""

import os
import shutil
import sys

import click

OK, FAILED, REFUSED, INCONCLUSIVE, INTERRUPTED = 0, 1, 2, 3, 130
RUN_FORMATS = ("table", "markdown", "csv", "json")


_WIDTH, _WIDEST = 80, 120
# What COLUMNS may ask for: with less no table can be read, and with more no sentence.
_LEAST_ASKED, _MOST_ASKED = 40, 400


def terminal_width() -> int:
    """Columns for text that fills a line: COLUMNS, else those of the terminal, up to _WIDEST; _WIDTH in a pipe."""
    return _asked_width() or (min(_WIDEST, _columns()) if sys.stdout.isatty() else _WIDTH)


def help_width() -> int:
    """Columns for help, which is written for _WIDTH: COLUMNS, else no more than the terminal has."""
    return _asked_width() or min(_WIDTH, _columns())


def _asked_width() -> int | None:
    """COLUMNS within reason, also in a pipe; None where it is not set."""
    asked = os.environ.get("COLUMNS", "")
    if not asked.isdecimal() or not int(asked[:9]):
        return None
    return max(_LEAST_ASKED, min(_MOST_ASKED, int(asked[:9])))


def _columns() -> int:
    return shutil.get_terminal_size((_WIDTH, 24)).columns


def is_plain() -> bool:
    """Whether a terminal asks for text without colour."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def drop_output() -> None:
    """Send what is left to nowhere: Python would complain again when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def usage_error(rule: str, *, received: str, remedy: str) -> click.UsageError:
    """An error of options or arguments that do not go together, in the words of a `GroupedBenchError`.

    Args:
        rule: a sentence without its full stop: what must hold.
        received: what was given instead.
        remedy: a sentence without its full stop: what to do.
    """
    return click.UsageError(f"{rule}. Received: {received}. {remedy}.")


def say(text: str) -> None:
    """Write `text`; a reader who has had enough of it changes no exit code."""
    try:
        click.echo(text, nl=not text.endswith("\n"))
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()

"""A command's answer on standard output, whose reader may have closed it; exit codes, and errors of usage."""

import os
import sys

import click

OK, FAILED, REFUSED, INCONCLUSIVE, INTERRUPTED = 0, 1, 2, 3, 130
RUN_FORMATS = ("table", "markdown", "csv", "json")


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

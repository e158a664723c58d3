"""The command `grouped-bench`: options into library calls, results into exit codes, and nothing else."""

import errno
import importlib
import pkgutil
import sys
from typing import NoReturn

import click

from grouped_bench import __version__, commands
from grouped_bench.commands.output import INTERRUPTED, OK, REFUSED, drop_output
from grouped_bench.errors import CutShortError, GroupedBenchError


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    try:
        code = cli.main(prog_name="grouped-bench", standalone_mode=False)
        sys.stdout.flush()
    except GroupedBenchError as error:
        code = _refuse(str(error))
        code = INTERRUPTED if isinstance(error, CutShortError) else code
    except click.ClickException as error:
        path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "grouped-bench"
        told = error.format_message()
        code = _refuse(f"{told}{'' if told.endswith(('.', '?')) else '.'} Try `{path} --help`.")
    except (click.Abort, KeyboardInterrupt):
        click.echo("grouped-bench: interrupted", err=True)
        code = INTERRUPTED
    except SystemExit:
        code = OK  # outside standalone mode click leaves only where its own writing meets a closed pipe
    except BrokenPipeError:
        drop_output()
        code = OK  # the reader has had enough
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO, errno.EBADF):
            raise
        drop_output()
        code = _refuse(f"The answer must reach standard output. Received: {error.strerror}. Send it elsewhere.")
    sys.exit(code if isinstance(code, int) else OK)


def _refuse(message: str) -> int:
    click.echo(f"grouped-bench: {' '.join(message.split())}", err=True)
    return REFUSED


@click.group(no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(__version__, prog_name="grouped-bench")
def cli() -> None:
    """Find the best way to compute a convolution on this machine.

    Measure with `run`, choose a variant with `advise`, and learn with `explain`
    why it takes its time.

    \b
    Examples:
      grouped-bench run --groups 1,8,32 --channels 128 --pass training
      grouped-bench advise --channels 128 --groups 32 --pass training --measure
      grouped-bench explain --channels 128 --groups 32 --pass training
    """


def _add_commands() -> None:
    """Every module here that has a command of its own name is one of `grouped-bench`."""
    for module in pkgutil.iter_modules(commands.__path__):
        if module.name != "main":
            found = vars(importlib.import_module(f"{commands.__name__}.{module.name}")).values()
            for command in found:
                if isinstance(command, click.Command) and command.name == module.name:
                    cli.add_command(command)


_add_commands()

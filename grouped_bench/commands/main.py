"""The command `grouped-bench`: options into library calls, results into exit codes, and nothing else."""

import errno
import importlib
import pkgutil
import sys
from typing import NoReturn

import click

from grouped_bench import __version__, commands
from grouped_bench.commands.shared.output import INTERRUPTED, OK, REFUSED, drop_output, help_width, is_plain
from grouped_bench.errors import CutShortError, GroupedBenchError

# The commands by purpose, the first to type first; one that is named nowhere comes last.
PURPOSES = {
    "Measure": ("run", "plan"),
    "Use the answer": ("advise", "optimize", "explain", "show", "report", "query"),
    "Watch for regressions": ("compare", "baseline", "history"),
    "See what learns better": ("learn",),
    "Keep many runs": ("compact", "publish"),
    "Know your machine and your choices": ("doctor", "list"),
}


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    try:
        code = cli.main(
            prog_name="grouped-bench",
            standalone_mode=False,
            color=False if is_plain() else None,
            terminal_width=help_width() - 2,  # a margin, as click has it
        )
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


class ByPurpose(click.Group):
    """A group whose help lists the commands by purpose, with their whole first sentences."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A section a purpose."""
        named = {name for names in PURPOSES.values() for name in names}
        others = tuple(name for name in self.list_commands(ctx) if name not in named)
        for purpose, names in {**PURPOSES, "Other": others}.items():
            found = [(name, self.get_command(ctx, name)) for name in names]
            told = [(name, command.get_short_help_str(limit=200)) for name, command in found if command]
            if told:
                with formatter.section(purpose):
                    formatter.write_dl(told)


@click.group(
    cls=ByPurpose,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="grouped-bench")
@click.pass_context
def cli(context: click.Context) -> None:
    """Find the fastest way to compute a convolution on this machine.

    \b
    Start with one of these:
      grouped-bench run                                       a first look, 90 s
      grouped-bench run --model net.keras --pass training     your own network
      grouped-bench run --groups 32 --channels 128            one layer
      grouped-bench advise latest                             what to use, as code
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _add_commands() -> None:
    """Every module below here that has a command of its own name is one of `grouped-bench`."""
    for module in pkgutil.walk_packages(commands.__path__, f"{commands.__name__}."):
        if module.name != __name__:
            found = vars(importlib.import_module(module.name)).values()
            name = module.name.rpartition(".")[2]
            for command in found:
                if isinstance(command, click.Command) and command.name == name:
                    cli.add_command(command)


_add_commands()

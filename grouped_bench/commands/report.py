"""`grouped-bench report`: one page of runs, and their figures as files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from grouped_bench.commands.shared.options import looks_option
from grouped_bench.commands.shared.output import OK, usage_error
from grouped_bench.units import counted

if TYPE_CHECKING:
    from grouped_bench.report.drawing.files import SavedFigure

_PAGE = "report.html"
# A page of more would be too large to open, and its figures to read.
_MOST_TASKS = 20_000
_OPTIONS = {"names": "--figure", "formats": "--figure-format"}


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("-o", "--output", help="Page to write.  [default: report.html; none with --figure]")
@click.option("--figures", metavar="DIR", help="Also write each figure into this folder, as SVG, PNG and PDF.")
@click.option(
    "--figure", "names", metavar="NAME", multiple=True, help="Write this figure alone, such as latency; repeatable."
)
@click.option("--figure-format", "formats", metavar="LIST", help="Of svg, png and pdf.  [default: svg,png,pdf]")
@click.option("--width", metavar="LENGTH", help="Width of each figure in mm, cm or in, such as 85mm for a column.")
@click.option("--captions", is_flag=True, help="Write titles and notes into NAME.txt instead of into the figure.")
@click.option("--where", metavar="EXPR", help="Draw the tasks that satisfy this, such as 'groups > 1'.")
@click.option("--out", default="results", show_default=True, help="Where run ids and `latest` are looked up.")
@looks_option
def report(runs: tuple[str, ...], output: str | None, figures: str | None, out: str, **how: Any) -> int:
    """Write one HTML page of runs, and their figures.

    The page holds findings, an explorer, figures and tables, and loads nothing
    from elsewhere. RUN is a Parquet file, a folder of runs, a run id, or `latest`.

    \b
    Examples:
      grouped-bench report latest -o report.html --figures figures
      grouped-bench report latest --figures paper --figure latency --width 85mm
    """
    import grouped_bench as gb
    from grouped_bench.store.files.object_store import refuse_store
    from grouped_bench.store.runs import check_writable

    given = {name: value for name, value in how.items() if value not in (None, False, ())}
    if figures is None and given:
        name = next(_OPTIONS.get(name, f"--{name}") for name in given)
        raise usage_error(f"{name} must go with --figures", received="no --figures", remedy="Name a folder for figures")
    page = output or (None if how["names"] else _PAGE)
    loaded, count = gb.load_newest(list(runs), out, _MOST_TASKS)
    if len(loaded) < count:
        told = f"Shown: the newest {len(loaded):,} of {counted(count, 'run')}, of each machine in turn."
        click.echo(f"{told} `grouped-bench query` reads all.", err=True)
    if page:
        refuse_store(page, "Pages")
        check_writable(Path(page).parent)
    for one in gb.write_figures(loaded, figures, **given) if figures is not None else ():
        click.echo(_told(one), err=not one.paths)
    if page:
        click.echo(f"Wrote {gb.write_report(loaded, page, of=count)}")
    return OK


def _told(one: "SavedFigure") -> str:
    """`Wrote figures/latency.svg, .png, .pdf`, or why there is no such figure."""
    if not one.paths:
        return f"No figure {one.name}: {one.reason}."
    first, *others = one.paths
    return f"Wrote {', '.join([str(first), *(path.suffix for path in others)])}"

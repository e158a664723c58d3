"""`grouped-bench report`: one page of runs."""

import click

from grouped_bench.commands.options import looks_option
from grouped_bench.commands.output import OK


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("-o", "--output", default="report.html", show_default=True, help="Page to write.")
@click.option("--figures", metavar="DIR", help="Also write each figure into this folder, as SVG and PNG.")
@click.option("--out", default="results", show_default=True, help="Where run ids and `latest` are looked up.")
@looks_option
def report(runs: tuple[str, ...], output: str, figures: str | None, out: str) -> int:
    """Write one HTML page of runs.

    The page holds findings, an explorer, figures and tables, and loads nothing
    from elsewhere. RUN is a Parquet file, a folder of runs, a run id, or `latest`.

    \b
    Example:
      grouped-bench report latest -o report.html --figures figures
    """
    import grouped_bench as gb

    click.echo(f"Wrote {gb.write_report(gb.load_all(list(runs), out), output, figures)}")
    return OK

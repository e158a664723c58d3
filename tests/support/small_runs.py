"""Runs as the library gives them to commands."""

from pathlib import Path

from frames import frame, metadata

from grouped_bench.api import runs


def small(**columns):
    """A frame of two tasks."""
    return frame(groups=[4], channels=[64], passes=["training"], variants=["regular", "grouped"], **columns)


def result(made=None, *, page=True, **facts):
    """The run of a frame, which is in no file."""
    path = Path("results/m/run.parquet")
    made = small() if made is None else made
    return runs.Run(made, metadata(**facts), path, path.with_suffix(".html") if page else None)

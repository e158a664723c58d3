"""The record: the schema of a run, its journal, and the Parquet files made from it."""

from pathlib import Path

DEFAULT_OUT = Path("results")

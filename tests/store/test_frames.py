"""The frame of a run: what pandas can do with it, and the columns that no file holds."""

import pandas as pd
import pyarrow.parquet as pq
import pytest
from frames import frame, metadata

from grouped_bench.analyse.rows import case_title, plain
from grouped_bench.store import schema
from grouped_bench.store.runs import as_written, read_run, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two sizes and two group counts, each by two variants; one task has no first call, and one a flag."""
    one, two = (frame(groups=[1, 8], channels=[64], passes=["training"], variants=["regular", "grouped"]) for _ in "ab")
    two["size"], two["kernel_size"] = [(14, 7)] * 4, [(3, 1)] * 4
    made = pd.concat([one, two], ignore_index=True)
    made["first_calls_s"] = [[0.5, None, 0.1], [], *[[0.3]] * 6]
    made["flags"] = [["unstable"], *[[]] * 7]
    return write_run(made, metadata(), tmp_path_factory.mktemp("runs") / "run.parquet")


@pytest.fixture
def read(run):
    return read_run(run)[0]


def test_the_file_holds_no_derived_column(run):
    assert tuple(pq.read_schema(run).names) == schema.NAMES


def test_the_case_is_the_heading_of_the_tables(read):
    assert read["case"].tolist() == [case_title(row) for row in plain(read)]
    assert read["case"].nunique() == 4
    assert read["case"][0] == "Conv2D 64→64 k3x3 on 28x28 groups 1 batch 8 training"


def test_lists_that_are_one_thing_can_be_grouped_pivoted_and_told_apart(read):
    names = ["size", "kernel_size", "stride", "dilation", "flags"]
    assert len(read[names].drop_duplicates()) == 3
    assert read.groupby("size")["latency_s"].count().to_dict() == {(14, 7): 4, (28, 28): 4}
    assert all(type(extent) is int for extents in read["size"] for extent in extents)
    assert read.pivot_table("latency_s", "size", "variant").shape == (2, 2)
    assert read.pivot_table("latency_s", "case", "variant").shape == (4, 2)
    assert read.loc[read["size_text"] == "14x7", "kernel_size_text"].tolist() == ["3x1"] * 4


def test_series_have_one_number_beside_them_and_nulls_are_null(read):
    assert read["first_call_s"].tolist()[:1] + read["first_call_s"].tolist()[2:] == [0.3] * 7
    assert pd.isna(read["first_call_s"][1])
    assert set(zip(read["visits"], read["processes"], strict=True)) == {(6, 3)}
    assert [str(read[name].dtype) for name in ("first_call_s", "visits", "processes")] == ["float64", "Int64", "Int64"]


def test_a_frame_is_the_same_written_or_read(read, run):
    assert as_written(read, metadata(), run)[0].equals(read)
    again = write_run(read, metadata(), run.with_name("again.parquet"))
    assert pq.read_table(again).equals(pq.read_table(run))


def test_an_empty_run_has_the_columns(run, tmp_path):
    empty = read_run(write_run(frame().head(0), metadata(), tmp_path / "run.parquet"))[0]
    assert tuple(empty.columns) == schema.FRAME_NAMES

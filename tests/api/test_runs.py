"""A run as people hold it: under the types of a file whatever its rules were, and with what is made from it at hand."""

from pathlib import Path

import pytest

import grouped_bench as gb
from grouped_bench.analyse.statistics import derive
from grouped_bench.store.schema import FRAME_NAMES

OLDER = Path(__file__).parent / "older.parquet"


@pytest.fixture(scope="module")
def run():
    return gb.load(OLDER)


def test_a_frame_that_is_judged_again_has_the_types_of_one_that_was_read(run, monkeypatch):
    monkeypatch.setattr(derive, "by_present_rules", lambda frame, metadata, path: (frame, metadata))
    read = gb.load(OLDER).frame
    assert tuple(run.frame.columns) == FRAME_NAMES
    assert run.frame.dtypes.equals(read.dtypes)
    assert {type(flags) for flags in run.frame["flags"]} == {tuple}
    assert read["latency_s"].dtype == float


def test_samples_and_findings_are_made_once(run):
    assert run.samples is run.samples
    assert run.findings is run.findings
    assert len(run.samples) > 1000
    assert set(run.samples["case"]) <= set(run.frame["case"])

"""A run as people hold it: under the types of a file whatever its rules were, and with what is made from it at hand."""

from pathlib import Path

import pytest
from frames import frame, metadata

import grouped_bench as gb
from grouped_bench.analyse.statistics import derive
from grouped_bench.store.runs import write_run
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


# Many runs


def stored(folder, machine, *names, groups=(1, 4)):
    """Runs of a machine, of so many tasks each."""
    for name in names:
        rows = frame(groups=groups, channels=(64,), passes=("training",), run_id=name, machine=machine)
        write_run(rows, metadata(run_id=name, machine=machine), folder / machine / f"{name}.parquet")
    return len(rows)


def test_of_many_runs_the_newest_of_each_machine_are_taken_in_turn(tmp_path):
    tasks = stored(tmp_path, "a-2", "1", "2", "3", "4")
    stored(tmp_path, "b-2", "0", "5")
    found, count = gb.load_newest([str(tmp_path)], tmp_path, most=3 * tasks)
    assert count == 6
    assert [run.path.stem for run in found] == ["3", "4", "5"]
    assert len(gb.load_newest([str(tmp_path)], tmp_path, most=1)[0]) == 1
    assert len(gb.load_newest([str(tmp_path)], tmp_path, most=10**6)[0]) == 6


def test_a_page_of_some_says_of_how_many(tmp_path):
    tasks = stored(tmp_path, "a-2", "1", "2", "3")
    found, count = gb.load_newest([str(tmp_path)], tmp_path, most=2 * tasks)
    text = gb.write_report(found, tmp_path / "page.html", of=count).read_text()
    assert "the newest of each machine, of 3 runs in all" in text
    assert "of 3 runs in all" not in gb.write_report(found, tmp_path / "page.html").read_text()


def test_a_machine_with_many_new_runs_leaves_room_for_another(tmp_path):
    tasks = stored(tmp_path, "a-2", "2", "3", "4", "5")
    stored(tmp_path, "b-2", "0", "1")
    assert [run.path.stem for run in gb.load_newest([str(tmp_path)], tmp_path, most=2 * tasks)[0]] == ["1", "5"]

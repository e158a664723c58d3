"""`grouped-bench history`: a folder of runs in, steps out, and no verdict in the exit code."""

import functools
import json

import pytest
from histories import commit, runs, written

import grouped_bench as gb


@pytest.fixture
def call(call, elsewhere):
    """Runs `history` in an empty working directory; returns exit code, stdout and stderr."""
    return functools.partial(call, "history")


@pytest.fixture
def folder(tmp_path):
    made = runs(24, {"regular": {0: 2.0}, "grouped": {0: 30.0, 12: 31.8}})
    written(made[:10], tmp_path / "results")
    written(made[10:], tmp_path / "results" / "deeper" / "still")
    return tmp_path / "results"


def test_a_folder_of_files_in_any_depth_is_a_history(call, folder):
    code, out, err = call("results")
    assert (code, err) == (0, "")
    assert out.startswith("24 runs of 24 commits")
    assert f"{commit(11)['id'][:10]}..{commit(12)['id'][:10]}" in out


def test_six_runs_show_what_became_ten_times_slower_and_nothing_else(tmp_path):
    made = runs(6, {"regular": {0: 2.0, 3: 20.0}, "grouped": {0: 30.0, 3: 300.0}, "split_sum": {0: 4.0}})
    written(made, tmp_path)
    past = gb.history(tmp_path)
    assert {series.columns["variant"] for series, _ in past.steps} == {"regular", "grouped"}
    for _, step in past.steps:
        assert (step.before.commit.id, step.after.commit.id) == (commit(2)["id"], commit(3)["id"])
        assert step.ratio.low < 10 < step.ratio.high < 11


def test_formats_and_where(call, folder):
    code, out, _ = call("results", "--format", "json", "--where", "variant == 'grouped'")
    told = json.loads(out)
    assert code == 0
    assert [one["variant"] for one in told["series"]] == ["grouped"]
    assert told["runs"][0]["commit"] == commit(0)
    code, out, _ = call("results", "--format", "markdown")
    assert (code, out.count("\n| grouped, ")) == (0, 1)


def test_a_copy_of_a_run_is_no_run_more(call, folder):
    file = next(folder.rglob("*.parquet"))
    (folder / "copy").mkdir()
    (folder / "copy" / file.name).write_bytes(file.read_bytes())
    (folder / "copy" / "renamed.parquet").write_bytes(file.read_bytes())
    code, out, _ = call("results", "--format", "json")
    told = json.loads(out)
    assert code == 0
    assert len(told["runs"]) == len(told["series"][0]["points"]) == 24


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere",), "The folder of runs must exist. Received: nowhere."),
        (("empty",), "has no runs"),
        (("results", "--where", "x =="), "--where takes column names"),
        (("results", "--format", "csv"), "Invalid value for '--format'"),
        ((), "Missing argument 'FOLDER'"),
    ],
)
def test_refusals_are_one_line_and_exit_2(call, folder, words, said, tmp_path):
    (tmp_path / "empty").mkdir()
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_file_that_is_no_run_is_named(call, folder):
    (folder / "odd.parquet").write_text("odd")
    code, _, err = call("results")
    assert code == 2
    assert "odd.parquet" in err


def test_help_has_an_example(call):
    code, out, _ = call("--help")
    assert code == 0
    assert "grouped-bench history results" in out
    assert max(map(len, out.splitlines())) <= 80

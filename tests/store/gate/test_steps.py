"""The file of a project's steps: what is written is read, and any other file is refused in words."""

import json

import pytest

from grouped_bench.errors import OutputError, RunError
from grouped_bench.store.gate.steps import StepRow, read_steps, write_steps

FACTS = {"schema": 1, "run_id": "one", "machine": "here", "stopped_by": "visits"}
ROW = {
    "name": "whole step", "group": "train:step", "samples_s": [[0.1, None], [0.2, 0.3]],
    "reference_s": [[0.1, 0.1], [0.1, 0.1]], "visit_process": [0, 1], "visit_stolen": [0.0, None],
    "visit_throttled": [None, None], "first_calls_s": [1.0, 2.0],
}  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "here" / "one.steps.json"


def test_what_is_written_is_read(path):
    write_steps(path, FACTS, [StepRow(**ROW)])
    assert read_steps(path) == ([StepRow(**ROW)], FACTS)


def test_a_folder_that_takes_no_file_is_refused_in_words(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="must be writable"):
        write_steps(tmp_path / "file" / "one.steps.json", FACTS, [])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"samples_s": [[0.1, None]]}, "unlike length"),
        ({"samples_s": [[0.1], [0.2, 0.3]]}, "unlike rounds"),
        ({"samples_s": [[-0.1, None], [0.2, 0.3]]}, "samples_s"),
        ({"samples_s": [["x", None], [0.2, 0.3]]}, "samples_s"),
        ({"visit_stolen": [2.0, None]}, "visit_stolen"),
        ({"status": "fine"}, "status fine"),
        ({"name": ""}, "name"),
        ({"more": 1}, "more"),
        ({"params": -1}, "params"),
    ],
)
def test_a_row_that_no_run_has_is_refused(change, told, path):
    path.parent.mkdir()
    path.write_text(json.dumps({**FACTS, "steps": [{**ROW, **change}]}))
    with pytest.raises(RunError, match=told):
        read_steps(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "Expecting value"),
        ("[]", "no table"),
        ("{}", "schema"),
        (json.dumps({**FACTS, "machine": 3, "steps": []}), "machine"),
        (json.dumps(FACTS), "steps"),
        (json.dumps({**FACTS, "steps": [ROW, ROW]}), "twice"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_a_file_of_another_kind_is_refused(content, told, path):
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(RunError, match=told):
        read_steps(path)
    with pytest.raises(RunError, match="no such file"):
        read_steps(path.with_name("none.steps.json"))

"""Files of trainings: what is written is read, and what others wrote is refused in words."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from trainings import STUDY, facts, training, trainings

from grouped_bench.errors import OutputError, RunError
from grouped_bench.store import learning
from grouped_bench.store.runs import find_runs
from grouped_bench.store.schema import METADATA_KEY


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "machine" / f"20260101-000000-abcd{learning.SUFFIX}"
    learning.write(found, trainings({}, 2), facts())
    return found


def test_what_is_written_is_read(tmp_path):
    made = [*trainings({"g4": 0.01}, 3), training("g4", 7, None)]
    learning.write(tmp_path / "a.learning.parquet", made, facts())
    assert learning.read(tmp_path / "a.learning.parquet") == (made, json.loads(json.dumps(facts())))


def test_the_study_is_what_it_was(path):
    assert learning.study_of(learning.read(path)[1]) == STUDY


def test_columns_have_units_and_meanings():
    assert all(one.meaning for one in learning.COLUMNS)
    assert {one.unit for one in learning.COLUMNS} == {"", "s", "B"}


def test_a_run_is_found_by_file_id_and_latest(path, tmp_path):
    later = path.with_name(f"20270101-000000-abcd{learning.SUFFIX}")
    learning.write(later, trainings({}, 1), facts())
    assert learning.find(str(path), tmp_path) == path
    assert learning.find("20260101-000000-abcd", tmp_path) == path
    assert learning.find("latest", tmp_path) == later


@pytest.mark.parametrize("name", ["latest", "20250101-000000-abcd", "nothing.parquet"])
def test_what_is_not_there_is_said(name, tmp_path):
    with pytest.raises(RunError, match=r"must be a file, a run id, or latest"):
        learning.find(name, tmp_path)


def test_trainings_are_no_run_of_a_sweep(path, tmp_path):
    with pytest.raises(RunError, match="has no runs"):
        find_runs("latest", tmp_path)


def damaged(change):
    """A file whose rows, columns or facts were changed."""

    def write(path):
        rows, told = [learning.dataclasses.asdict(one) for one in trainings({}, 1)], facts()
        schema = pa.schema([(one.name, one.type) for one in learning.COLUMNS])
        rows, told, schema = change(rows, told, schema)
        table = pa.Table.from_pylist(rows, schema=schema.with_metadata({METADATA_KEY: json.dumps(told).encode()}))
        pq.write_table(table, path)

    return write


def with_row(**values):
    return damaged(lambda rows, told, schema: ([rows[0] | values, *rows[1:]], told, schema))


def with_facts(**values):
    return damaged(lambda rows, told, schema: (rows, told | values, schema))


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda path: path.write_bytes(b"PAR1 nothing PAR1"), "Parquet"),
        (lambda path: pq.write_table(pa.table({"a": [1]}), path), ""),
        (with_row(accuracy=1.5), "a share beyond 0 to 1"),
        (with_row(accuracy=float("nan")), "a share beyond 0 to 1"),
        (with_row(training_s=float("inf")), "not finite"),
        (with_row(training_s=-1.0), "not finite"),
        (with_row(status="fine"), "an unknown status"),
        (with_row(phase="other"), "an unknown status or phase"),
        (with_row(network=None), "an unknown status or phase"),
        (with_row(seed=-1), "a count below 0"),
        (with_row(accuracy=None), "an accuracy is missing"),
        (with_facts(learning=99), "another version"),
        (with_facts(study={}), "no study"),
        (with_facts(study=facts()["study"] | {"networks": []}), "a comparison of a network that is not there"),
        (damaged(lambda rows, told, schema: (rows, told, schema.remove(0))), "other columns"),
    ],
)
def test_what_is_no_learning_run_is_refused(write, reason, tmp_path):
    path = tmp_path / "a.learning.parquet"
    write(path)
    with pytest.raises(RunError, match=r"must be one that `grouped-bench learn` wrote.*" + reason):
        learning.read(path)


def test_a_folder_that_takes_no_file_is_said(tmp_path):
    (tmp_path / "full").write_text("")
    with pytest.raises(OutputError, match="must be writable"):
        learning.write(tmp_path / "full" / "a.learning.parquet", [], facts())

"""Runs as files: what is written is read again, foreign files are refused in words, no reader sees half a file."""

import json
import os
import re
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from frames import frame, metadata
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grouped_bench.errors import OutputError, RunError
from grouped_bench.report.run import tables
from grouped_bench.store import checks, runs, schema
from grouped_bench.store.runs import find_runs, read_run, write_run

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NULLABLE = ("latency_s", "speedup", "peak_memory_bytes", "multiplicity", "label", "reason", "energy_j", "cardinality")

PEAK = {"backend": "tensorflow", "device": "cpu", "dtype": "float32", "flops_per_s": 1e11, "bytes_per_s": 1e10}


def small(**columns):
    return frame(groups=[4], channels=[64], passes=["training"], variants=["regular", "grouped"], **columns)


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    return write_run(small(), metadata(), tmp_path_factory.mktemp("run") / "run.parquet").read_bytes()


@pytest.fixture
def run(content, tmp_path):
    path = tmp_path / "run.parquet"
    path.write_bytes(content)
    return path


def refusal(path):
    with pytest.raises(RunError) as caught:
        read_run(path)
    return str(caught.value)


def rewrite(path, table=None, facts=None):
    """The run at `path` with another table, or other bytes as its metadata."""
    table = pq.read_table(path) if table is None else table
    facts = json.dumps(metadata()).encode() if facts is None else facts
    pq.write_table(table.replace_schema_metadata({schema.METADATA_KEY: facts}), path)


# Written and read again


def test_plain_pandas_reads_a_run(run):
    read = pd.read_parquet(run)
    assert tuple(read.columns) == schema.NAMES
    assert read["variant"].tolist() == ["regular", "grouped"]
    assert read["size"][0].tolist() == [28, 28]
    assert read["started_at"].dtype == "datetime64[us, UTC]"


def test_every_column_is_compressed_with_zstd_under_the_schema(run):
    file = pq.ParquetFile(run)
    group = file.metadata.row_group(0)
    assert {group.column(i).compression for i in range(group.num_columns)} == {"ZSTD"}
    assert file.schema_arrow.equals(schema.arrow_schema())


def test_a_run_has_one_key_of_metadata(run):
    (key,) = (key for key in pq.read_schema(run).metadata if not key.startswith(b"ARROW"))
    assert key == b"grouped_bench"
    assert read_run(run)[1] == metadata()


def test_nulls_stay_null_and_are_never_zero(tmp_path):
    made = small(**dict.fromkeys(NULLABLE), samples_s=None)
    path = write_run(made, metadata(), tmp_path / "run.parquet")
    table = pq.read_table(path)
    for name in (*NULLABLE, "samples_s", "reference_s", "width"):
        assert table[name].to_pylist() == [None, None], name
    read = read_run(path)[0]
    assert read[list(NULLABLE)].isna().all(axis=None)
    assert read["peak_memory_bytes"].dtype == read["params"].dtype == "Int64"


@pytest.mark.parametrize("null", [None, np.nan, pd.NA, pd.NaT])
def test_every_way_in_which_pandas_says_null_is_one_null(null, tmp_path):
    made = small().astype(object)
    made[list(NULLABLE)] = null
    table = pq.read_table(write_run(made, metadata(), tmp_path / "run.parquet"))
    assert [table[name].null_count for name in NULLABLE] == [2] * len(NULLABLE)


SAMPLES = [[[0.1, None], [None], []], [[0.2, 0.3], [0.4], []]]


def test_nested_samples_survive_with_their_nulls(tmp_path):
    made = small()
    made["samples_s"] = SAMPLES
    path = write_run(made, metadata(), tmp_path / "run.parquet")
    assert pq.read_table(path)["samples_s"].to_pylist() == SAMPLES
    visits = read_run(path)[0]["samples_s"][0]
    assert [list(visit) for visit in visits[1:]] == [[pytest.approx(np.nan, nan_ok=True)], []]


def test_a_run_that_was_read_can_be_written_again_as_it_was(tmp_path):
    made = small(label=None, latency_s=None)
    made["samples_s"] = SAMPLES
    first = write_run(made, metadata(), tmp_path / "first.parquet")
    second = write_run(*read_run(first), tmp_path / "second.parquet")
    assert pq.read_table(second).equals(pq.read_table(first))
    assert read_run(second)[1] == read_run(first)[1]


def test_frames_with_and_without_values_are_read_under_equal_types(tmp_path):
    full = read_run(write_run(small(), metadata(), tmp_path / "full.parquet"))[0]
    empty = read_run(write_run(small().iloc[:0], metadata(), tmp_path / "empty.parquet"))[0]
    integers = [column.name for column in schema.COLUMNS if column.type == pa.int64()]
    assert (full.dtypes[integers] == "Int64").all()
    assert (empty.dtypes[integers] == "Int64").all()


def test_a_run_of_more_rows_than_are_written_at_once_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "_ROWS_AT_ONCE", 2)
    many = pd.concat([small()] * 3, ignore_index=True).assign(params=list(range(3 * len(small()))))
    frame, facts = read_run(write_run(many, metadata(), tmp_path / "many.parquet"))
    assert frame["params"].tolist() == many["params"].tolist()
    assert facts == metadata()


def test_runs_are_the_same_where_every_value_and_fact_is(run):
    made, facts = read_run(run)
    assert runs.are_same((made, facts), read_run(run))
    assert runs.are_same((small(), metadata()), (made, facts))
    assert not runs.are_same((made, facts), (made, {**facts, "seed": -1}))
    assert not runs.are_same((made, facts), (made.assign(params=1), facts))
    assert not runs.are_same((made, facts), (made.iloc[::-1], facts))


# Whole or not at all


def half(where, schema, **_):
    Path(where).write_bytes(b"PAR1 and then")
    raise OSError(28, "No space left on device")


def interrupted(where, schema, **_):
    Path(where).write_bytes(b"PAR1 and then")
    raise KeyboardInterrupt


def test_a_failed_write_leaves_the_old_file_and_nothing_else(run, content, monkeypatch):
    monkeypatch.setattr(runs.pq, "ParquetWriter", half)
    with pytest.raises(OutputError) as caught:
        write_run(small(), metadata(), run)
    assert str(caught.value).startswith("The file of a run must be writable. Received: ")
    assert str(caught.value).endswith("run.parquet (No space left on device). Free disk space, or name another folder.")
    assert run.read_bytes() == content
    assert [file.name for file in run.parent.iterdir()] == ["run.parquet"]


def test_an_interrupted_write_leaves_no_file_of_its_own(run, content, monkeypatch):
    monkeypatch.setattr(runs.pq, "ParquetWriter", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_run(small(), metadata(), run)
    assert run.read_bytes() == content
    assert [file.name for file in run.parent.iterdir()] == ["run.parquet"]


def test_a_run_is_on_disk_before_it_takes_its_name(monkeypatch, tmp_path):
    path = tmp_path / "run.parquet"
    steps = []
    replace = Path.replace

    def synchronise(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            steps.append("name synchronised")
            return
        steps.append("synchronised")
        assert not path.exists()
        assert os.fstat(descriptor).st_size > 10_000

    def rename(source, target):
        steps.append("named")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", synchronise)
    monkeypatch.setattr(Path, "replace", rename)
    write_run(small(), metadata(), path)
    assert steps == ["synchronised", "named", "name synchronised"]
    assert [file.name for file in tmp_path.iterdir()] == ["run.parquet"]


def test_what_is_half_written_is_no_run_to_find(run, monkeypatch):
    found = []

    def look(where, schema, **_):
        Path(where).write_bytes(b"PAR1")
        found.extend(find_runs(str(run.parent), run.parent))
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(runs.pq, "ParquetWriter", look)
    with pytest.raises(OutputError):
        write_run(small(), metadata(), run.with_name("new.parquet"))
    assert found == [run]


def test_a_file_in_the_place_of_the_folder_is_refused_in_words(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError) as caught:
        write_run(small(), metadata(), tmp_path / "out" / "machine" / "run.parquet")
    assert "The file of a run must be writable. Received: " in str(caught.value)
    assert (tmp_path / "out").read_text() == "a file"


# Refused


def damaged(run, name, value, place=1):
    """The run with one value of the column `name` replaced."""
    table = pq.read_table(run)
    values = table[name].to_pylist()
    values[place] = value
    field = table.schema.field(name)
    rewrite(run, table.set_column(table.column_names.index(name), field, pa.array(values, field.type)))
    return refusal(run)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("status", "fine", "status fine"),
        ("variant", None, "variant is null"),
        ("size", [], "size has 0 to 2 extents"),
        ("size", [28, 0], "size holds 0"),
        ("stride", [1, 1, 1, 1], "stride has 2 to 4 extents"),
        ("groups", -1, "groups holds -1"),
        ("started_at", 2**62, "started_at is outside the years 1970 to 9999"),
        ("latency_s", -1.0, "latency_s holds -1.0"),
        ("latency_s", 0.0, "latency_s holds 0.0"),
        ("latency_s", 1e-320, "latency_s holds 1e-320"),
        ("relative_error", float("nan"), "relative_error holds nan"),
        ("latency_s", float("inf"), "latency_s holds inf"),
        ("speedup", float("nan"), "speedup holds nan"),
        ("samples_s", [[1.0], [0.0]], "samples_s holds 0.0"),
        ("samples_s", [[-1.0]], "samples_s holds -1.0"),
        ("label", "x" * 10_001, "label holds a text of 10,001 characters"),
        ("flags", ["x" * 10_001], "flags holds a text of 10,001 characters"),
    ],
)
def test_values_that_no_run_has_are_refused_in_words(name, value, told, run):
    assert damaged(run, name, value) == (
        f"A run must contain what `grouped-bench run` writes. Received: {run.name}: {told}. "
        "Measure the run again, and do not use that file."
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("relative_error", float("inf")), ("speedup_low", 3e-17), ("speedup_high", float("inf")), ("speedup_low", 0.0)],
)
def test_values_to_which_noise_and_wrong_results_may_lead_are_read_and_shown(name, value, run):
    table = pq.read_table(run)
    field = table.schema.field(name)
    rewrite(run, table.set_column(table.column_names.index(name), field, pa.array([1.0, value], field.type)))
    frame, facts = read_run(run)
    assert frame[name].tolist() == [1.0, value]
    assert "grouped" in tables.render(frame, [facts])


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"environment": []}, "environment in the metadata: Input should be a valid dictionary"),
        ({"skipped": [3]}, "skipped.0 in the metadata: Input should be a valid dictionary"),
        ({"command": "rm"}, "command in the metadata: Input should be a valid list"),
        ({"peaks": {}}, "peaks in the metadata: Input should be a valid list"),
        ({"peaks": [PEAK | {"flops_per_s": 1e300}]}, "peaks.0.flops_per_s in the metadata: Input should be less than"),
        ({"peaks": [PEAK | {"device": 3}]}, "peaks.0.device in the metadata: Input should be a valid string"),
        ({"run_id": 3}, "run_id in the metadata: Input should be a valid string"),
        ({"environment": json.loads('{"a":' * 50 + "1" + "}" * 50)}, "metadata nested more than 40 deep"),
    ],
)
def test_facts_of_another_shape_are_refused_in_words(facts, told, run):
    rewrite(run, facts=json.dumps(metadata() | facts).encode())
    assert told in refusal(run)


@pytest.mark.parametrize(("limit", "noun"), [("MOST_ROWS", "rows"), ("MOST_BYTES", "bytes")])
def test_a_file_too_large_is_refused_before_it_is_read(limit, noun, run, monkeypatch):
    monkeypatch.setattr(checks, limit, 1)
    monkeypatch.setattr(pq.ParquetFile, "read", lambda self: pytest.fail("read"))
    assert re.search(rf"[\d,]+ {noun}, at most 1 are read", refusal(run))


@pytest.mark.parametrize("junk", [b"", b"PAR1", b"PAR1" * 5, b"not parquet", b"\x00" * 1000])
def test_what_is_no_parquet_file_is_refused_in_words(junk, tmp_path):
    path = tmp_path / "x.parquet"
    path.write_bytes(junk)
    told = refusal(path)
    assert told.startswith(f"A run must be a readable Parquet file. Received: {str(path)[:40]}")
    assert "x.parq" in told
    assert told.endswith(". Name a file that `grouped-bench run` wrote.")


@pytest.mark.parametrize("name", [".", "none.parquet"])
def test_what_is_no_file_is_refused_in_words(name, tmp_path):
    assert refusal(tmp_path / name).startswith("A run must be a readable Parquet file. Received: ")


def test_a_foreign_parquet_file_is_refused_in_words(tmp_path):
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "x.parquet")
    assert refusal(tmp_path / "x.parquet") == (
        f"The file of a run must carry metadata of grouped-bench. Received: {tmp_path / 'x.parquet'}, "
        "without readable metadata. Name a file that `grouped-bench run` wrote."
    )


@pytest.mark.parametrize(
    "facts",
    [
        b"",
        b"not json",
        b"\xff",
        b"[]",
        b"3",
        b"{}",
        b'{"schema": "1"}',
        b'{"schema": null}',
        b"[" * 10_000,
        b"9" * 5000,
    ],
)
def test_metadata_that_cannot_be_read_is_refused_in_words(facts, run):
    rewrite(run, facts=facts)
    assert "The file of a run must carry metadata of grouped-bench. Received: " in refusal(run)


def test_a_newer_schema_is_refused_with_the_way_out(run):
    rewrite(run, facts=b'{"schema": 2}')
    assert refusal(run) == (
        f"The schema of a file must be at most 1 for this version. Received: {run} with schema 2. "
        "Upgrade grouped-bench."
    )


def test_an_older_schema_is_read(run):
    rewrite(run, facts=b'{"schema": 0}')
    assert read_run(run)[1] == {"schema": 0}


def test_columns_that_came_later_are_null_where_a_file_lacks_them(run):
    rewrite(run, pq.read_table(run).drop_columns(list(schema.LATER)))
    frame, _ = read_run(run)
    assert tuple(frame.columns) == schema.FRAME_NAMES
    assert frame[list(schema.LATER)].isna().all(axis=None)
    assert frame["variant"].tolist() == ["regular", "grouped"]


def test_a_later_column_of_another_type_is_named(run):
    table = pq.read_table(run).drop_columns(["visit_stolen"])
    rewrite(run, table.append_column("visit_stolen", pa.array(["a", "b"])))
    assert "visit_stolen missing or of another type" in refusal(run)


@pytest.mark.parametrize("name", ["run_id", "samples_s", "flags"])
def test_a_missing_column_is_named(name, run):
    rewrite(run, pq.read_table(run).drop_columns([name]))
    assert refusal(run) == (
        "A run must have the columns of `grouped-bench list columns`, each of its type. "
        f"Received: {run.name}: {name} missing or of another type. Name a file that `grouped-bench run` wrote."
    )


def test_a_column_of_another_type_is_named(run):
    table = pq.read_table(run)
    index = table.column_names.index("params")
    rewrite(run, table.set_column(index, "params", table["params"].cast(pa.string())))
    assert "params missing or of another type" in refusal(run)


def test_a_column_that_stands_there_twice_is_named(run):
    table = pq.read_table(run)
    rewrite(run, table.append_column("status", table["variant"]))
    assert "status missing or of another type" in refusal(run)


def test_columns_of_others_are_left_out(run):
    rewrite(run, pq.read_table(run).append_column("extra", pa.array([1, 2])))
    assert tuple(read_run(run)[0].columns) == schema.FRAME_NAMES


def test_the_name_of_a_folder_is_no_column(run):
    folder = run.parent / "variant=x"
    folder.mkdir()
    assert read_run(run.rename(folder / "run.parquet"))[0]["variant"].tolist() == ["regular", "grouped"]


@patient
@given(junk=st.binary(max_size=200), framed=st.booleans())
def test_arbitrary_bytes_raise_nothing_but_run_errors(junk, framed, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "arbitrary.parquet"
    path.write_bytes(b"PAR1" + junk + len(junk).to_bytes(4, "little") + b"PAR1" if framed else junk)
    assert refusal(path)


@patient
@given(data=st.data())
def test_a_damaged_run_is_read_or_refused(data, content, tmp_path_factory):
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.parquet"
    path.write_bytes(damaged[: data.draw(st.sampled_from([len(content), len(content) // 2]))])
    try:
        read, facts = read_run(path)
    except RunError as error:
        assert str(error).isprintable()
        return
    assert tuple(read.columns) == schema.FRAME_NAMES
    assert isinstance(facts["schema"], int)


# Found


@pytest.fixture
def results(tmp_path):
    """Two machines' runs under `results`, and what else may lie there."""
    names = ("b-2/20261123-010000-aaaa", "a-4/20261123-020000-bbbb", "b-2/20261123-030000-cccc")
    for name in names:
        path = tmp_path / "results" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        for other in (path, path.with_suffix(".html"), path.with_suffix(".journal"), path.with_name(f".{path.name}.7")):
            other.touch()
    return tmp_path / "results"


def stems(name, out):
    return [path.stem[-4:] for path in find_runs(str(name), out)]


def test_a_file_is_itself(results):
    path = results / "b-2" / "20261123-010000-aaaa.parquet"
    assert find_runs(str(path), Path("nowhere")) == [path]


def test_a_folder_is_all_of_its_runs_oldest_first(results):
    assert stems(results, Path("nowhere")) == ["aaaa", "bbbb", "cccc"]
    assert stems(results / "b-2", Path("nowhere")) == ["aaaa", "cccc"]


def test_a_run_id_is_looked_up_under_out(results):
    assert stems("20261123-020000-bbbb", results) == ["bbbb"]


def test_latest_is_the_newest_under_out_or_in_the_folder_before_it(results):
    assert stems("latest", results) == ["cccc"]
    assert stems("latest", results / "a-4") == ["bbbb"]
    assert stems(results / "latest", Path("nowhere")) == ["cccc"]
    assert stems(results / "a-4" / "latest", results) == ["bbbb"]


@pytest.mark.parametrize("name", ["nope", "20261123", "latest.parquet", "a\0b", "x" * 5000, "*"])
def test_an_unknown_run_is_refused_with_what_there_is(name, results):
    with pytest.raises(RunError) as caught:
        find_runs(name, results)
    assert caught.value.received == name
    assert str(caught.value).startswith(
        "A run must be a Parquet file, a folder of runs, a run id, or latest. Received: "
    )
    assert "Name one of the 3 runs in " in str(caught.value)
    assert str(caught.value).endswith(", or another folder for the output.")


@pytest.mark.parametrize("out", ["empty", "nowhere", "file", "x" * 5000])
def test_latest_of_nothing_is_refused(out, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="has no runs"):
        find_runs("latest", tmp_path / out)


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(RunError, match="has no runs"):
        find_runs(str(tmp_path), tmp_path)

"""Many runs in few files: queries answer as from the runs themselves, whatever became of these since."""

import itertools
import os

import pyarrow.parquet as pq
import pytest
from frames import frame, metadata
from machines import recorded

import grouped_bench as gb
from grouped_bench.analyse.statistics.derive import RULES, RULES_NOW
from grouped_bench.errors import OutputError, RunError
from grouped_bench.store.files import compaction
from grouped_bench.store.files.compaction import MANIFEST, TASKS, Manifest
from grouped_bench.store.runs import find_runs, write_run

pytest.importorskip("duckdb")
QUESTIONS = (
    "select * from tasks order by run_id, groups, variant",
    "select run_id, machine, started_at, seconds, space, stopped_by, file from runs order by run_id",
    "select run_id, variant, sum(seconds) as s, count(*) as n from samples group by all order by all",
)


def put(folder, name, *, groups=(1, 4), older=False, seed=1):
    """A run in a folder; an older one has neither identity nor rules on record."""
    rows = frame(groups=groups, channels=(64,), passes=("training",), run_id=name, seed=seed)
    facts = metadata(run_id=name)
    if not older:
        control = {**facts["control"], RULES: 0.01}
        facts |= {**recorded(), "machine": rows["machine"].iloc[0], "control": control}
    return write_run(rows, facts, folder / "machine" / f"{name}.parquet")


@pytest.fixture
def out(tmp_path):
    for number, name in enumerate("abc"):
        put(tmp_path, name, seed=number, older=name == "c")
    return tmp_path


def answers(out, *runs):
    return [gb.query(sql, [str(run) for run in runs], out=out).to_pylist() for sql in QUESTIONS]


def parts(out):
    return sorted(path.name for path in out.glob(f"*{TASKS}"))


def test_queries_answer_as_from_the_runs(out):
    before = answers(out)
    made = gb.compact(out)
    assert (made.runs, made.tasks, made.left_out) == (3, len(before[0]), ())
    assert parts(out) == [part.name for part in made.parts] == ["0001.tasks.parquet"]
    assert answers(out) == before


def test_compacted_tasks_are_read_from_the_large_file(out):
    gb.compact(out)
    for path in find_runs(str(out), out):
        state = path.stat()
        path.write_bytes(b"X" * state.st_size)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert len(gb.query(QUESTIONS[0], out=out)) > 0


def test_what_is_new_changed_or_removed_since_is_seen(out):
    gb.compact(out)
    put(out, "d", seed=7)
    put(out, "a", groups=(1, 8), seed=8)
    (out / "machine" / "b.parquet").unlink()
    found = answers(out)
    assert {row["run_id"] for row in found[1]} == {"a", "c", "d"}
    assert {row["groups"] for row in found[0] if row["run_id"] == "a"} == {1, 8}
    (out / MANIFEST).unlink()
    assert answers(out) == found


def test_some_of_the_runs_are_asked_alone(out):
    gb.compact(out)
    assert {row["run_id"] for row in answers(out, "b")[0]} == {"b"}
    assert {row["run_id"] for row in answers(out, out / "machine" / "a.parquet", "b")[0]} == {"a", "b"}


def test_compacting_again_writes_what_is_new_alone(out, monkeypatch):
    monkeypatch.setattr(compaction, "_ROWS", 1)
    monkeypatch.setattr(compaction.compact, "__kwdefaults__", {"least": 1})
    gb.compact(out)
    assert len(parts(out)) == 3  # each large enough after one run
    first = {name: (out / name).stat().st_mtime_ns for name in parts(out)}
    put(out, "d", seed=9)
    (out / "machine" / "a.parquet").unlink()
    expected = answers(out)
    made = gb.compact(out)
    assert made.runs == 3
    kept = [name for name in parts(out) if first.get(name) == (out / name).stat().st_mtime_ns]
    assert len(kept) == 2
    assert len(parts(out)) == 3
    assert answers(out) == expected


@pytest.mark.parametrize("change", [lambda table: table.replace_schema_metadata(), lambda table: table.drop(["part"])])
def test_a_manifest_of_another_kind_does_not_count(out, change):
    gb.compact(out)
    before = answers(out)
    pq.write_table(change(pq.read_table(out / MANIFEST)), out / MANIFEST)
    assert Manifest.read(out, RULES_NOW) is None
    assert answers(out) == before


def test_other_rules_and_a_damaged_manifest_do_not_count(out):
    gb.compact(out)
    assert Manifest.read(out, "others") is None
    assert Manifest.read(out, RULES_NOW) is not None
    before = answers(out)
    (out / MANIFEST).write_bytes(b"PAR1")
    assert answers(out) == before


@pytest.mark.parametrize("lose", [lambda part: part.unlink(), lambda part: part.write_bytes(b"junk")])
def test_a_large_file_that_is_gone_or_damaged_is_no_loss(out, lose):
    gb.compact(out)
    before = answers(out)
    lose(out / parts(out)[0])
    assert answers(out) == before


def test_a_run_that_cannot_be_read_is_left_out_and_named(out):
    (out / "machine" / "bad.parquet").write_bytes(b"no Parquet")
    made = gb.compact(out)
    assert made.runs == 3
    assert made.left_out == ("machine/bad.parquet: A run must be a readable Parquet file",)


def test_a_large_file_and_the_manifest_are_no_runs(out):
    before = [path.name for path in find_runs(str(out), out)]
    gb.compact(out)
    assert [path.name for path in find_runs(str(out), out)] == before
    assert len(gb.load_all([str(out)])) == 3


@pytest.mark.parametrize("at", range(3))
def test_an_interrupt_at_any_point_leaves_a_store_that_answers(out, at, monkeypatch):
    before = answers(out)
    calls = itertools.count()

    class Dying(pq.ParquetWriter):
        def write_table(self, *given, **more):
            if next(calls) == at:
                raise KeyboardInterrupt
            super().write_table(*given, **more)

    monkeypatch.setattr(compaction.pq, "ParquetWriter", Dying)
    monkeypatch.setattr(compaction, "_ROWS", 1)
    with pytest.raises(KeyboardInterrupt):
        gb.compact(out)
    assert answers(out) == before
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


def test_what_cannot_be_compacted_is_refused(tmp_path, out):
    (tmp_path / "empty").mkdir()
    told = {"machine/a.parquet": "is no folder", "empty": "has none", "nowhere": "is not there"}
    for name, reason in told.items():
        with pytest.raises(RunError, match=f"{name}, which {reason}. Name a folder of runs"):
            gb.compact(tmp_path / name)


def test_a_folder_that_cannot_be_written_is_named(out, monkeypatch):
    def full(*given, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compaction.pq, "ParquetWriter", full)
    with pytest.raises(OutputError, match="No space left"):
        gb.compact(out)
    assert parts(out) == []

"""SQL over runs: what the views hold, that nothing else is read or written, and what is refused."""

import json
import shutil
import subprocess
import sys

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from checkout import importing
from frames import frame, metadata
from machines import recorded

import grouped_bench as gb
from grouped_bench.analyse.statistics.derive import RULES
from grouped_bench.errors import GroupedBenchError, RunError, SpaceError, UnavailableError
from grouped_bench.report.text import records
from grouped_bench.store import schema
from grouped_bench.store.runs import find_runs, write_run

duckdb = pytest.importorskip("duckdb")


@pytest.fixture
def out(tmp_path):
    """Two runs: three cohorts, and one of another machine."""
    first = frame(groups=(1, 4, 32), channels=(64,), passes=("training",), run_id="a")
    second = frame(groups=(4,), channels=(64,), passes=("training",), run_id="b", machine="other-8", seed=2)
    for made, name in ((first, "a"), (second, "b")):
        place = made["machine"].iloc[0]
        facts = metadata(run_id=name, machine=place)
        if name == "b":  # as it is written now, so that its file is read as it is
            facts |= {**recorded(), "machine": place, "control": {**facts["control"], RULES: 0.01}}
        write_run(made, facts, tmp_path / place / f"{name}.parquet")
    return tmp_path


def rows(sql, *runs, out):
    return gb.query(sql, runs, out=out).to_pylist()


def test_tasks_are_those_of_the_runs(out):
    found = gb.query("select * from tasks", out=out).to_pandas()
    loaded = pd.concat([run.frame for run in gb.load_all([str(out)])])
    assert len(found) == len(loaded)
    assert set(schema.NAMES) - set(schema.RAW) | {"visits"} == set(found.columns)
    both = found.merge(loaded, on=["run_id", "variant", "groups"])
    assert len(both) == len(found)
    # As an older run's facts imply them.
    for name in ("machine", "in_force", "speedup", "speedup_low", "latency_low_s", "verdict"):
        ours, theirs = both[f"{name}_x"], both[f"{name}_y"]
        assert ((ours == theirs) | (ours.isna() & theirs.isna())).all(), name


def test_the_best_variant_of_each_case_and_machine_is_one_query(out):
    best = rows(
        "select machine, groups, arg_min(variant, latency_s) as best from tasks where status = 'ok' and "
        "computes = 'grouped' and pass = 'training' group by all order by all",
        out=out,
    )
    assert [(one["groups"], one["best"]) for one in best if one["groups"] > 1] == [
        (4, "grouped_native"), (32, "grouped_native"), (4, "grouped_native"),
    ]  # fmt: skip
    assert len({one["machine"] for one in best}) == 2


def test_samples_are_a_row_each(out):
    run = gb.load(out / "other-8" / "b.parquet")
    found = gb.query("select * from samples where run_id = 'b'", out=out).to_pandas()
    own = run.samples
    assert len(found) == len(own)
    assert found["seconds"].sum() == pytest.approx(own["seconds"].sum())
    assert found["visit"].min() == found["round"].min() == 0


def test_a_run_that_lies_in_two_places_is_there_twice_as_it_is_loaded(out):
    for name in "ab":
        file = next(out.rglob(f"{name}.parquet"))
        shutil.copy(file, file.with_name(f"{name}-again.parquet"))
    assert rows("select count(*) as n from tasks", out=out) == [{"n": 40}]
    assert len(gb.load_all([str(out)])) == len(rows("select * from runs", out=out)) == 4


def test_a_round_that_was_sat_out_is_no_sample(out):
    made = frame(groups=(4,), channels=(64,), passes=("training",), variants=("regular",), run_id="c")
    made["samples_s"] = [[[0.1, None, 0.3]]]
    made["reference_s"] = [[[0.01, 0.01, None]]]
    made["visit_process"] = [[0]]
    made["visit_stolen"] = made["visit_throttled"] = [[0.0]]
    write_run(made, metadata(run_id="c"), out / "c.parquet")
    found = rows("select visit, round, seconds, reference_seconds from samples where run_id = 'c'", out=out)
    assert found == [
        {"visit": 0, "round": 0, "seconds": 0.1, "reference_seconds": 0.01},
        {"visit": 0, "round": 2, "seconds": 0.3, "reference_seconds": None},
    ]


def test_runs_are_a_row_each_with_their_file(out):
    found = {one["run_id"]: one for one in rows("select * from runs", out=out)}
    assert set(found) == {"a", "b"}
    assert found["b"]["file"] == str(out / "other-8" / "b.parquet")
    assert found["a"]["stopped_by"] == "settled"
    assert found["a"]["seconds"] == 61.0
    assert found["a"]["started_at"].isoformat().startswith("2026-11-23T01:22:33")


def test_only_the_runs_that_are_named_are_asked(out):
    assert rows("select distinct run_id from tasks", "b", out=out) == [{"run_id": "b"}]
    assert rows("select distinct run_id from tasks", str(out / "other-8"), out=out) == [{"run_id": "b"}]


def test_a_column_that_came_after_a_file_is_null(out):
    path = next(out.rglob("a.parquet"))
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(list(schema.LATER)), path)
    found = rows("select run_id, layout, env, threads from tasks where run_id = 'a' limit 1", out=out)
    assert found == [{"run_id": "a", "layout": None, "env": None, "threads": None}]
    assert rows("select max(choice) as c from tasks", "a", out=out) == [{"c": None}]  # no file has it


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_text('/etc/hostname')",
        "select * from read_parquet('{other}')",
        "select * from '{other}'",
        "select * from glob('/etc/*')",
        "select * from read_csv('https://example.org/a.csv')",
        "select * from out",  # a variable of this process
    ],
)
def test_nothing_else_is_read(sql, out, tmp_path_factory):
    other = tmp_path_factory.mktemp("elsewhere") / "other.parquet"
    pq.write_table(pa.table({"secret": [1]}), other)
    with pytest.raises(SpaceError):
        gb.query(sql.format(other=other), out=out)


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("copy (select 1) to '{file}'", "COPY"),
        ("drop view tasks", "DROP"),
        ("create table t as select 1", "CREATE"),
        ("attach '/tmp/x.db'", "ATTACH"),
        ("install httpfs", "LOAD"),
        ("set memory_limit = '9GB'", "SET"),
        ("select 1; select 2", "SELECT, SELECT"),
        ("", "nothing"),
        ("-- a remark", "nothing"),
    ],
)
def test_what_is_no_single_select_is_refused_and_nothing_written(sql, kind, out):
    file = next(out.rglob("a.parquet"))
    before = file.read_bytes()
    with pytest.raises(SpaceError, match=f"A query must be one SELECT. Received: {kind}"):
        gb.query(sql.format(file=file), out=out)
    assert file.read_bytes() == before
    assert sorted(path.name for path in out.rglob("*.*")) == ["a.parquet", "b.parquet"]


@pytest.mark.parametrize("sql", ["select nope from tasks", "select from where", "selct 1", "select 1/'a'"])
def test_what_duckdb_refuses_is_one_line_with_an_example(sql, out):
    with pytest.raises(SpaceError) as caught:
        gb.query(sql, out=out)
    assert str(caught.value).endswith(
        "Write it like `select * from tasks limit 5`; `describe tasks` lists the columns."
    )
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_run_is_refused(out):
    (out / "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(RunError, match="A run must be a readable Parquet file"):
        gb.query("select 1 from tasks", out=out)


def test_runs_that_have_not_ended_are_left_out(out, tmp_path_factory):
    (out / "c.journal").write_text("{}")
    assert len(rows("select * from runs", out=out)) == 2
    alone = tmp_path_factory.mktemp("alone")
    shutil.copy(out / "c.journal", alone)
    assert [path.suffix for path in find_runs(str(alone), alone)] == [".journal"]
    with pytest.raises(RunError, match="A query takes runs that have ended"):
        gb.query("select 1", out=alone)


def test_without_the_library_the_way_to_it_is_told(out, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    with pytest.raises(UnavailableError, match=r"Install it with `pip install 'grouped-bench\[query\]'`"):
        gb.query("select 1", out=out)


# As text


TABLE = pa.table({"name": ["a", None], "size": [[1, 2], None], "seconds": [0.25, None]})


def test_each_format_has_all_rows():
    assert records.render(TABLE, "csv") == '"name","size","seconds"\n"a","[1, 2]",0.25\n,,\n'
    assert json.loads(records.render(TABLE, "json")) == {
        "schema": 1,
        "rows": [{"name": "a", "size": [1, 2], "seconds": 0.25}, {"name": None, "size": None, "seconds": None}],
    }
    text = records.render(TABLE, "table")
    assert "—" in text
    assert "a" in text.splitlines()[2]


def test_a_long_answer_is_cut_and_says_so():
    text = records.render(pa.table({"n": list(range(130))}), "table")
    assert text.endswith("30 more rows: --format csv writes all.")
    assert records.render(pa.table({"n": pa.array([], pa.int64())}), "table") == "No row."


def test_columns_of_one_name_are_all_there():
    table = pa.table([pa.array([1]), pa.array([2])], names=["n", "n"])
    assert json.loads(records.render(table, "json"))["rows"] == [{"n": 1, "n:1": 2}]
    taken = pa.table([pa.array([one]) for one in (1, 2, 3)], names=["a", "a", "a:1"])
    assert json.loads(records.render(taken, "json"))["rows"] == [{"a": 1, "a:2": 2, "a:1": 3}]
    alike = pa.table([pa.array([one]) for one in (1, 2)], names=["x:y", "x:y"])
    assert list(json.loads(records.render(alike, "json"))["rows"][0].values()) == [1, 2]


def test_numbers_stay_numbers_and_what_is_none_is_null(out):
    sql = "select sum(groups) as n, 1.5 as d, 'nan'::double as x, 1 / 0 as i, interval 1 day as span from tasks"
    found = gb.query(sql, out=out)
    (row,) = json.loads(records.render(found, "json"))["rows"]
    assert (row["n"], row["d"], row["x"], row["i"]) == (205, 1.5, None, None)
    assert records.render(found, "csv").splitlines()[1].startswith("205,1.5,")


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_table_fits_the_terminal(width, out):
    text = records.render(gb.query("select * from tasks limit 3", out=out), "table", width)
    assert max(map(len, text.splitlines())) <= width


# The command


def test_the_command_prints_and_writes(out, call, tmp_path_factory):
    code, told, _ = call("query", "select run_id, count(*) as n from tasks group by all order by all", "--out", out)
    assert code == 0
    assert [word for word in told.split() if "-" not in word] == ["run_id", "n", "a", "15", "b", "5"]
    folder = tmp_path_factory.mktemp("rows")
    file = folder / "rows.parquet"
    words = ("query", "select * from tasks", "--out", out, "--format", "parquet")
    assert call(*words, "--output", file)[0] == 0
    assert pq.read_table(file).num_rows == 20
    code, _, error = call(*words)
    assert (code, "Try `grouped-bench query --help`" in error) == (2, True)
    code, _, error = call(*words, "--output", folder / "nowhere" / "x.parquet")
    assert (code, error.startswith("grouped-bench: The output must be a writable file.")) == (2, True)


def test_no_run_is_written_over_and_nothing_put_among_them(out, call):
    file = next(out.rglob("a.parquet"))
    before = file.read_bytes()
    for output in (file, out / "rows.parquet"):
        code, _, error = call("query", "select 1 as a", "--out", out, "--format", "parquet", "--output", output)
        assert (code, "--output must not lie among the runs" in error) == (2, True)
    code, _, error = call("query", "select 1 as a", "--out", out, "--output", out.parent / "x.parquet")
    assert (code, "must go with --format parquet" in error) == (2, True)
    assert file.read_bytes() == before
    assert len(list(out.rglob("*.parquet"))) == 2


def test_a_table_is_a_file_with_all_its_lines(out, call, tmp_path_factory):
    file = tmp_path_factory.mktemp("rows") / "rows.txt"
    code, told, error = call("query", "select 1 as a", "--out", out, "--output", file)
    assert (code, told, error) == (0, "", f"Wrote {file}: 1 row.\n")
    assert file.read_text().split() == ["a", "---", "1"]
    assert file.read_text().endswith("\n")


@pytest.mark.parametrize("after_s", [0.0, 4.0])
def test_an_interrupt_ends_a_query(after_s, out):
    """DuckDB computes in a call that Python's own handling of signals would wait for."""
    code = f"""
import _thread
import signal
import threading

import grouped_bench.api.store.query as module

signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs the tests may ignore it
answered = module._rows_of

def begun(store, sql):
    threading.Timer({after_s}, _thread.interrupt_main).start()
    return answered(store, sql)

module._rows_of = begun
try:
    sql = "select count(*) from range(1000000) a, range(1000000) b where a.range * b.range = 7"
    module.query(sql, out={str(out)!r})
except KeyboardInterrupt:
    print("ended")
"""
    words = [sys.executable, "-c", code]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, env=importing(), check=False)
    assert ran.stdout == "ended\n", ran.stderr


def test_too_much_memory_is_said_as_that(out, monkeypatch):
    monkeypatch.setattr("grouped_bench.api.store.query.MEMORY", "20MB")
    with pytest.raises(SpaceError, match="A query must do with 20MB of memory"):
        gb.query("select list(range) as all_of_them from range(50000000)", out=out)


def test_what_is_not_there_is_told_with_what_is_alike(out):
    with pytest.raises(SpaceError, match="latency_s"):
        gb.query("select latency from tasks", out=out)


def test_a_file_of_another_kind_is_no_unfinished_run(out):
    other = out.parent / "page.html"
    other.write_text("<html>")
    with pytest.raises(RunError, match="A run must be a readable Parquet file"):
        gb.query("select 1", [str(other)], out=out)


def test_a_span_of_time_is_text(out):
    found = gb.query("select interval '1 day 02:03:04' as span, interval 2 month as months", out=out)
    (row,) = json.loads(records.render(found, "json"))["rows"]
    assert row == {"span": "1 day 2:03:04", "months": "2 months 0:00:00"}


def test_every_error_is_one_of_ours(out):
    for sql in ("select * from samples where", "values (1)", "from tasks select run_id", "describe tasks"):
        try:
            gb.query(sql, out=out)
        except GroupedBenchError as error:
            assert error.remedy

"""Baselines: small files with the verdicts of the whole run, never replaced, listed and pruned by commit."""

import json
import shutil
import subprocess
from pathlib import Path

import machines
import pandas as pd
import pyarrow.parquet as pq
import pytest
from drawn import COMMIT, OTHER, drawn, of_commit, saved, verdicts

import grouped_bench as gb
from grouped_bench.analyse.compare.compare import REGRESSION, UNCHANGED
from grouped_bench.errors import OutputError, RunError, SpaceError
from grouped_bench.report import baselines as telling
from grouped_bench.store.runs import read_run, to_table
from grouped_bench.units import format_bytes

pytestmark = pytest.mark.usefixtures("elsewhere")
LOOK = {
    **{"variant": "grouped", "case": "c", "setting": "s", "status": "ok", "reason": None, "latency_s": 1.0},
    **{"call_s": 1.0, "flops_per_s": 1.0, "bytes_per_s": 1.0, "peak": None, "share_of_peak": None},
    **{"share_of_bandwidth": None, "primitives": [], "instructions": [], "kernels": [], "causes": ["x" * 1000]},
}
THIRD = "c" * 40
MACHINE = "amd-epyc-2"


def run(run_id="r1", commit=COMMIT, moment=1, seed=1, *, slower=None, folder="runs", machine=MACHINE, **facts):
    """The file of a run with 30 rounds a visit."""
    made = drawn(seed, slower=slower, processes=6).assign(machine=machine)
    for name in ("samples_s", "reference_s"):
        made[name] = [[visit * 5 for visit in visits] for visits in made[name]]
    return saved(made, Path(folder), run_id, **of_commit(commit, moment, machine=machine, **facts))


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


# Saving


def test_a_baseline_is_named_by_machine_commit_and_run():
    paths = [
        *(run(), run("r2", OTHER), run("r3", dirty=True), run("r4", machine="other")),
        saved(drawn(1), Path("runs"), "r5"),
    ]
    made = gb.save_baselines([str(path) for path in paths], "kept")
    told = ["amd-epyc-2/aaaaaaaaaaaa/r1", "amd-epyc-2/bbbbbbbbbbbb/r2", "amd-epyc-2/aaaaaaaaaaaa-changed/r3"]
    told += ["other/aaaaaaaaaaaa/r4", "amd-epyc-2/no-commit/r5"]
    assert [path.as_posix() for path in made] == [f"kept/{name}.parquet" for name in told]
    assert names("kept") == sorted(f"{name}.parquet" for name in told)


def test_it_holds_one_round_a_visit_and_says_so():
    path = run(explanations=[LOOK])
    (made,) = gb.save_baselines([str(path)])
    (frame, facts), (whole, all_facts) = read_run(made), read_run(path)
    assert made.parts[0] == "baselines"
    assert [[len(visit) for visit in visits] for visits in frame["samples_s"]] == [[1] * 6] * 4
    assert facts == {name: value for name, value in all_facts.items() if name != "explanations"} | {"thinned": 1}
    rest = [name for name in whole.columns if name not in ("samples_s", "reference_s")]
    assert len(frame) == len(whole)
    order = ["groups", "variant"]
    pd.testing.assert_frame_equal(
        frame[rest].sort_values(order, ignore_index=True), whole[rest].sort_values(order, ignore_index=True)
    )


def test_it_is_several_times_smaller():
    path = run(explanations=[LOOK])
    (made,) = gb.save_baselines([str(path)])
    assert 3 * made.stat().st_size < path.stat().st_size


def test_its_rows_do_not_stand_in_the_order_of_the_run():
    path = run()
    frame, facts = read_run(path)
    shutil.copy(path, "r1.parquet")
    (first,) = gb.save_baselines(["r1.parquet"], "a")
    shuffled = saved(frame.iloc[::-1], Path("shuffled"), "r1", **{k: v for k, v in facts.items() if k != "run_id"})
    (second,) = gb.save_baselines([str(shuffled)], "b")
    assert first.read_bytes() == second.read_bytes()
    assert read_run(first)[0]["variant"].tolist() == ["grouped", "regular"] * 2


def test_more_rounds_are_kept_where_that_is_asked():
    path = run()
    for samples, found in ((3, 3), (30, 30), (100, 30)):
        (made,) = gb.save_baselines([str(path)], f"kept{samples}", samples=samples)
        frame, facts = read_run(made)
        assert {len(visit) for visits in frame["reference_s"] for visit in visits} == {found}
        assert facts["thinned"] == samples
    with pytest.raises(SpaceError, match="must be between 1 and"):
        gb.save_baselines([str(path)], samples=0)


def test_a_baseline_of_a_baseline_is_itself():
    (first,) = gb.save_baselines([str(run())], "a")
    (again,) = gb.save_baselines([str(first)], "b", samples=5)
    assert first.read_bytes() == again.read_bytes()


def test_compare_says_the_same_of_a_folder_of_baselines_as_of_the_runs():
    older = run("r0", OTHER, 1, 1, slower={"grouped": 2.0})
    base = [run("r1", COMMIT, 2, 2), run("r2", COMMIT, 3, 3)]
    head = run("r3", THIRD, 4, 4, slower={"grouped": 1.1}, folder="head")
    elsewhere = run("r9", THIRD, 9, 9, machine="other")
    gb.save_baselines([str(path) for path in (older, *base, elsewhere)])
    before, after = gb.compare("runs", head), gb.compare("baselines", head)
    assert [facts["run_id"] for facts in after.base.runs] == ["r1", "r2"]
    assert after.base.left_out == before.base.left_out == 2
    assert verdicts(after) == verdicts(before) == [UNCHANGED, REGRESSION] * 2
    (kept,) = gb.save_baselines([str(head)], "kept")
    assert sorted(verdicts(gb.compare("baselines", kept))) == sorted(verdicts(before))


def test_what_is_there_stays_and_nothing_else_of_that_name_replaces_it():
    path, other = run(), run(folder="others", seed=2)
    (made,) = gb.save_baselines([str(path)])
    before = made.stat()
    assert gb.save_baselines([str(path)]) == [made]
    assert made.stat().st_mtime_ns == before.st_mtime_ns
    for again in ({"names": [str(other)]}, {"names": [str(path)], "samples": 2}):
        with pytest.raises(OutputError, match="must not replace another baseline"):
            gb.save_baselines(**again)
    changed = run(folder="changed", seed=1, stopped_by="budget")
    with pytest.raises(OutputError, match="must not replace"):
        gb.save_baselines([str(changed)])
    assert made.stat().st_mtime_ns == before.st_mtime_ns


def test_files_of_one_run_become_one_baseline_and_are_refused_where_they_differ():
    path, copy = run(), run(folder="copies")
    (kept,) = gb.save_baselines([str(path)], "kept")
    assert [one.as_posix() for one in gb.save_baselines([str(path), str(copy), str(kept)], "to")] == [
        f"to/{MACHINE}/{COMMIT[:12]}/r1.parquet"
    ]
    for other in (run(folder="others", seed=2), run(folder="stopped", stopped_by="budget")):
        for names_ in ([path, other], [other, path, copy]):
            with pytest.raises(
                OutputError, match=r"must not replace another baseline of the same run\..*Name one file"
            ):
                gb.save_baselines([str(name) for name in names_])
    assert not Path("baselines").exists()


def test_a_run_measured_side_by_side_with_another_is_no_baseline():
    run("r0")
    half = run(side_by_side={"role": "base", "partner": "r2"})
    for name in ("latest", str(half), "runs"):
        with pytest.raises(
            RunError, match=r"A baseline must come from a run that was measured alone\. .*grouped-bench run --preset ci"
        ):
            gb.save_baselines([name], out="runs")
    assert not Path("baselines").exists()


def test_nothing_is_written_unless_all_can_be():
    good = run()
    Path("broken.parquet").write_bytes(b"PAR1")
    journal = Path("x.journal")
    journal.write_text("{}")
    empty = saved(drawn(1).iloc[:0], Path("runs"), "empty")
    hostile = saved(drawn(1).assign(machine="../../up"), Path("runs"), "hostile")
    named = saved(drawn(1), Path("runs"), "-rf")
    Path("file").touch()
    for names_, told in (
        ([good, "nope"], "A run must be a Parquet file"),
        ([good, "broken.parquet"], "readable Parquet file"),
        ([good, journal], "A baseline must come from a finished run"),
        ([good, empty], "A baseline must come from a run with tasks"),
        ([good, hostile], "must be usable as file names. Received: ../../up"),
        ([good, named], "must be usable as file names. Received: -rf"),
    ):
        with pytest.raises(RunError, match=told):
            gb.save_baselines([str(name) for name in names_])
    with pytest.raises(OutputError, match="The output folder must be writable"):
        gb.save_baselines([str(good)], "file/below")
    assert not Path("baselines").exists()


def test_branches_that_add_baselines_merge():
    """As git merges them: no two runs share a file, and no file tells of others."""

    def git(*words):
        who = ("-c", "user.name=n", "-c", "user.email=e@e", "-c", "init.defaultBranch=main")
        subprocess.run(["git", *who, *words], check=True, capture_output=True)

    git("init")
    git("commit", "--allow-empty", "-m", "first")
    runs = {"one": run("r1", COMMIT), "two": run("r2", COMMIT)}
    for branch, path in runs.items():
        git("checkout", "-b", branch, "main")
        gb.save_baselines([str(path)])
        git("add", "baselines")
        git("commit", "-m", branch)
    git("merge", "one")
    assert [one.facts["run_id"] for one in gb.baselines("baselines")] == ["r1", "r2"]


# Listing


def test_runs_are_listed_by_machine_and_from_the_oldest():
    for run_id, moment, machine in (("r1", 3, "m2"), ("r2", 2, "m1"), ("r3", 1, "m2"), ("r4", 9, "m1")):
        run(run_id, moment=moment, machine=machine)
    gb.save_baselines(["runs"])
    found = gb.baselines("baselines")
    assert [(one.machine, one.facts["run_id"]) for one in found] == [
        *(("m1", "r2"), ("m1", "r4"), ("m2", "r3"), ("m2", "r1")),
    ]
    first = found[0].to_dict()
    assert first == {
        "machine": "m1",
        "commit": {"id": COMMIT, "date": "2026-11-22T00:00:00+00:00", "dirty": False},
        **{"run_id": "r2", "started_at": "2026-11-23T01:02:00+00:00", "tasks": 4, "rounds": 1},
        "bytes": found[0].path.stat().st_size,
        "file": f"baselines/m1/{COMMIT[:12]}/r2.parquet",
    }
    assert json.loads(telling.render([first], "json")) == {"schema": 1, "baselines": [first]}


def test_the_table_tells_commit_date_tasks_and_size():
    run("r1", dirty=True)
    saved(drawn(1), Path("runs"), "r2")
    lines = telling.render([one.to_dict() for one in gb.baselines("runs")], "table").splitlines()
    assert lines[0] == MACHINE
    assert lines[1].split() == ["commit", "date", "tasks", "size", "rounds", "run"]
    size = format_bytes(Path("runs/r1.parquet").stat().st_size).split()
    assert lines[3].split() == [f"{COMMIT[:10]}+", "2026-11-23", "4", *size, "all", "r1"]
    assert lines[4].split()[:3] == ["—", "2026-11-23", "4"]


def test_each_machine_has_its_table():
    run("r1", machine="one")
    run("r2", machine="two")
    text = telling.render([one.to_dict() for one in gb.baselines("runs")], "table")
    assert [table.splitlines()[0] for table in text.split("\n\n")] == ["one", "two"]
    narrow = telling.render([one.to_dict() for one in gb.baselines("runs")], "table", 40)
    assert max(map(len, narrow.splitlines())) <= 40


def test_a_folder_without_baselines_is_refused():
    Path("empty").mkdir()
    with pytest.raises(RunError, match="The folder of baselines must exist"):
        gb.baselines("nope")
    with pytest.raises(RunError, match="A folder of baselines must contain a Parquet file"):
        gb.baselines("empty")
    Path("empty/x.parquet").write_bytes(b"PAR1")
    with pytest.raises(RunError, match="readable Parquet file"):
        gb.baselines("empty")


# Pruning


@pytest.fixture
def kept():
    """Two machines: three commits on one, the oldest measured again last, and one on the other."""
    for run_id, commit, moment, *machine in (
        *(("r1", COMMIT, 1), ("r2", OTHER, 2), ("r3", OTHER, 3), ("r4", THIRD, 4), ("r5", COMMIT, 5)),
        *(("r6", COMMIT, 0, "other"), ("r7", OTHER, 6)),
    ):
        run(run_id, commit, moment, machine=machine[0] if machine else MACHINE, dirty=run_id == "r7")
    gb.save_baselines(["runs"])


def ids(found):
    return [one.facts["run_id"] for one in found]


@pytest.mark.parametrize(
    ("keep", "removed"),
    [(1, ["r1", "r2", "r3", "r4", "r5"]), (2, ["r2", "r3", "r4"]), (3, ["r2", "r3"]), (4, []), (99, [])],
)
def test_the_newest_commits_of_each_machine_stay(keep, removed, kept):
    assert ids(gb.prune_baselines("baselines", keep, dry=True)) == removed
    assert len(names("baselines")) == 7
    assert ids(gb.prune_baselines("baselines", keep)) == removed
    assert sorted(ids(gb.baselines("baselines"))) == [f"r{n}" for n in range(1, 8) if f"r{n}" not in removed]
    assert gb.prune_baselines("baselines", keep) == []


def test_two_machines_of_one_name_keep_as_many_commits_each():
    ours, theirs = machines.machine(), machines.machine(sizes=(("l2_bytes", 2**20), ("l3_bytes", 2**26)))
    for number in range(6):
        who = theirs if number < 3 else ours  # the newer commits were all measured on one of them
        run(f"r{number}", str(number) * 40, number, identity=who.to_facts())
    gb.save_baselines(["runs"])
    assert {one.machine for one in gb.baselines("baselines")} == {MACHINE}
    assert gb.prune_baselines("baselines", 3) == []
    assert ids(gb.prune_baselines("baselines", 2)) == ["r0", "r3"]
    head = run("head", "d" * 40, 20, folder="head", identity=theirs.to_facts())
    assert [facts["run_id"] for facts in gb.compare("baselines", head).base.runs] == ["r2"]


def test_what_compare_takes_is_never_pruned(kept):
    head = run("head", THIRD, 9, folder="head")
    before = gb.compare("baselines", head)
    gb.prune_baselines("baselines", 1)
    assert gb.compare("baselines", head).base.runs == before.base.runs


def test_folders_that_pruning_empties_go_too(kept):
    gb.prune_baselines("baselines", 1)
    assert sorted(path.name for path in Path("baselines/amd-epyc-2").iterdir()) == [f"{OTHER[:12]}-changed"]


def test_a_run_with_all_its_samples_is_never_removed(kept):
    shutil.copy("runs/r1.parquet", "baselines/r1.parquet")
    before = names("baselines")
    for folder in ("runs", "baselines"):
        with pytest.raises(RunError, match="A folder to prune must contain only baselines"):
            gb.prune_baselines(folder, 1)
    assert names("baselines") == before


def test_what_cannot_be_removed_is_said(kept, monkeypatch):
    monkeypatch.setattr(Path, "unlink", lambda path: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    with pytest.raises(OutputError, match=r"r2.parquet \(Permission denied\)"):
        gb.prune_baselines("baselines", 3)


def test_pruning_is_told_file_by_file(kept):
    found = [one.to_dict() for one in gb.prune_baselines("baselines", 3, dry=True)]
    lines = telling.pruned(found, dry=True).splitlines()
    assert lines[0] == f"baselines/amd-epyc-2/{OTHER[:12]}/r2.parquet would be removed"
    assert lines[-1].startswith("2 baselines would be removed, ")
    assert telling.pruned([], dry=False) == "0 baselines removed, 0 B."


# The file


def test_a_compact_file_has_the_schema_of_a_run():
    (made,) = gb.save_baselines([str(run())])
    table = pq.read_table(made)
    assert table.schema.equals(to_table(read_run(made)[0]).schema, check_metadata=False)
    assert pd.read_parquet(made)["variant"].tolist() == ["grouped", "regular"] * 2


@pytest.mark.parametrize("rounds", [0, -1, "1", 1.5, True, 2**40])
def test_a_number_of_rounds_that_is_none_is_refused(rounds):
    with pytest.raises(RunError, match="thinned in the metadata"):
        read_run(run(thinned=rounds))

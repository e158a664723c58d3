"""Sides found by name, thresholds read, like compared with like."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from drawn import COMMIT, OTHER, drawn, of_commit, saved, verdicts
from frames import frame, metadata

import grouped_bench as gb
from grouped_bench.analyse.compare.basis import BOTH, MIXED, NORMALISED, RAW
from grouped_bench.analyse.compare.compare import (
    DEFAULTS,
    IMPROVEMENT,
    INCONCLUSIVE,
    REGRESSION,
    UNCHANGED,
)
from grouped_bench.analyse.compare.side_selection import (
    BASE_ITSELF,
    COPY,
    HEAD_ITSELF,
    NO_CHANGES,
    NO_COMMIT,
    OF_HEAD,
    OTHER_STATE,
    OTHER_TERMS,
    LeftOut,
)
from grouped_bench.api.gate import compare, sides
from grouped_bench.api.gate.baselines import save_baselines
from grouped_bench.errors import RunError, SpaceError
from grouped_bench.store.runs import read_facts

pytestmark = pytest.mark.usefixtures("elsewhere")


def ids(taken):
    return [facts["run_id"] for facts in taken.runs]


def commits(folder, *runs):
    """Runs (id, commit, minute, seed) in a folder, with two processes each."""
    for run_id, commit, minute, seed, *slower in runs:
        made = drawn(seed, processes=2, slower=dict.fromkeys(["grouped"], *slower) if slower else None)
        saved(made, folder, run_id, **of_commit(commit, minute))
    return folder


# Sides


def test_files_run_ids_and_latest(tmp_path):
    saved(drawn(1), tmp_path / "results" / "m", "20261123-010000-aaaa")
    head = saved(drawn(2, slower={"grouped": 1.1}), tmp_path / "results" / "m", "20261123-020000-bbbb")
    for names in (
        ("20261123-010000-aaaa", "latest"),
        ("20261123-010000-aaaa", head),
        (head.with_stem("20261123-010000-aaaa"), "latest"),
    ):
        found = gb.compare(*names)
        assert (ids(found.base), ids(found.head)) == (["20261123-010000-aaaa"], ["20261123-020000-bbbb"])
        assert (found.verdict, verdicts(found)) == (REGRESSION, [UNCHANGED, REGRESSION] * 2)
    assert gb.compare("latest", "20261123-010000-aaaa").verdict == IMPROVEMENT


def test_a_folder_stands_for_the_runs_of_its_newest_commit(tmp_path):
    base = commits(tmp_path / "base", ("b1", OTHER, 1, 1), ("b2", COMMIT, 2, 2), ("b3", COMMIT, 3, 3))
    head = commits(tmp_path / "head", ("h1", OTHER, 4, 4, 1.1), ("h2", OTHER, 5, 5, 1.1))
    found = compare.compare(base, head)
    assert (ids(found.base), found.base.left_out, found.base.commit) == (["b2", "b3"], 1, COMMIT)
    assert found.base.others == (LeftOut("b1.parquet", OF_HEAD),)
    assert (ids(found.head), found.head.left_out) == (["h1", "h2"], 0)
    assert verdicts(found) == [UNCHANGED, REGRESSION] * 2  # which neither run alone has the processes for
    assert compare.compare(base / "b2.parquet", head / "h1.parquet").verdict == INCONCLUSIVE


def test_a_folder_on_both_sides_is_its_newest_commit_against_the_one_before(tmp_path):
    runs = (("r1", OTHER, 1, 1), ("r2", OTHER, 2, 2), ("r3", COMMIT, 3, 3, 1.1), ("r4", COMMIT, 4, 4, 1.1))
    folder = commits(tmp_path / "all", *runs)
    found = compare.compare(folder, folder)
    assert (ids(found.base), ids(found.head)) == (["r1", "r2"], ["r3", "r4"])
    assert verdicts(found) == [UNCHANGED, REGRESSION] * 2


def refused(folder, head):
    """Whether the folder holds nothing to compare head with."""
    with pytest.raises(RunError, match="The base folder must contain a run of a commit other than head's") as told:
        compare.compare(folder, head)
    return folder.name in str(told.value)


def test_a_folder_as_base_is_never_of_the_commit_of_head(tmp_path):
    runs = (("a", OTHER, 1, 1), ("b1", COMMIT, 2, 2), ("b2", COMMIT, 3, 3))
    results = commits(tmp_path / "results", *runs)
    for head in ("latest", results / "b2.parquet", results / "b1.parquet"):
        assert ids(compare.compare(results, head, out=results).base) == ["a"]
    kept = commits(tmp_path / "kept", *runs[1:])
    assert refused(kept, results / "b2.parquet")
    assert refused(kept, kept)
    assert ids(compare.compare(kept / "b1.parquet", kept / "b2.parquet").base) == ["b1"]


@pytest.mark.parametrize("facts", [of_commit(COMMIT, 1), of_commit(COMMIT, 1, dirty=True), {}])
def test_a_folder_as_base_is_never_head_itself(facts, tmp_path):
    (tmp_path / "alone").mkdir()
    head = saved(drawn(1), tmp_path / "alone", "head", **facts)
    (kept,) = save_baselines([str(head)], tmp_path / "kept")
    assert refused(tmp_path / "alone", head)
    assert refused(tmp_path / "kept", head)
    assert refused(tmp_path / "alone", kept)
    for names in ((head, head), (head, kept), (kept, tmp_path / "alone")):
        assert ids(compare.compare(*names).base) == ["head"]


def test_changes_of_a_commit_are_compared_with_it(tmp_path):
    folder = commits(tmp_path / "all", ("a", OTHER, 1, 1), ("b", COMMIT, 2, 2))
    head = saved(drawn(3), folder, "c", **of_commit(COMMIT, 3, dirty=True))
    assert ids(compare.compare(folder, head).base) == ["b"]


# Uncommitted work, and what names no commit


def work(folder, name, *, seed, count=3, slower=None, **facts):
    """A folder of runs of two processes each, with these facts."""
    for number in range(count):
        began = {"started_at": f"2026-11-23T01:0{number}:00+00:00"}
        saved(drawn(seed + number, processes=2, slower=slower), folder, f"{name}{number}", **facts, **began)
    return folder


def changes(digest, name=COMMIT):
    told = {"id": name, "date": "2026-11-22T00:00:00+00:00", "dirty": True}
    return {"commit": told if digest is None else {**told, "changes": digest}}


def test_runs_of_the_same_uncommitted_changes_are_pooled(tmp_path):
    base = work(tmp_path / "base", "b", seed=1, **changes("c" * 64))
    head = work(tmp_path / "head", "h", seed=10, slower={"grouped": 1.1}, **changes("d" * 64))
    saved(drawn(20, processes=2), head, "h9", **changes("e" * 64), started_at="2026-11-22T01:00:00+00:00")
    found = gb.compare(base, head)
    assert (ids(found.base), ids(found.head)) == (["b0", "b1", "b2"], ["h0", "h1", "h2"])
    assert verdicts(found) == [UNCHANGED, REGRESSION] * 2
    assert [(one.name, one.why) for one in found.head.others] == [("h9.parquet", OTHER_STATE)]


def test_a_folder_as_base_is_never_of_the_changes_of_head(tmp_path):
    folder = work(tmp_path / "all", "a", seed=1, **changes("c" * 64))
    work(folder, "b", seed=10, **changes("d" * 64))
    head = saved(drawn(20), folder, "head", **changes("d" * 64))
    found = gb.compare(folder, head)
    assert ids(found.base) == ["a0", "a1", "a2"]
    assert {(one.name, one.why) for one in found.base.others} == {
        ("head.parquet", HEAD_ITSELF), *((f"b{number}.parquet", OF_HEAD) for number in range(3))
    }  # fmt: skip


@pytest.mark.parametrize(("facts", "why"), [({}, NO_COMMIT), (changes(None), NO_CHANGES)])
def test_runs_that_do_not_tell_their_state_are_pooled_where_the_user_says_so(facts, why, tmp_path):
    base = work(tmp_path / "base", "b", seed=1, **facts)
    head = work(tmp_path / "head", "h", seed=10, slower={"grouped": 1.1}, **facts)
    alone = gb.compare(base, head)
    assert (ids(alone.base), ids(alone.head), alone.verdict) == (["b2"], ["h2"], INCONCLUSIVE)
    assert [(one.name, one.why) for one in alone.base.others] == [("b0.parquet", why), ("b1.parquet", why)]
    found = gb.compare(base, head, as_one=True)
    assert (found.base.left_out, found.head.left_out) == (0, 0)
    assert verdicts(found) == [UNCHANGED, REGRESSION] * 2


def test_what_was_measured_otherwise_is_never_pooled(tmp_path):
    base = work(tmp_path / "base", "b", seed=1)
    saved(drawn(9, processes=2), base, "b9", started_at="2020-01-01T00:00:00+00:00", control={"threads": 1})
    found = gb.compare(base, work(tmp_path / "head", "h", seed=10), as_one=True)
    assert ids(found.base) == ["b0", "b1", "b2"]
    assert [(one.name, one.why) for one in found.base.others] == [("b9.parquet", OTHER_TERMS)]


def test_as_one_a_base_may_be_of_the_commit_of_head_but_not_head(tmp_path):
    base = commits(tmp_path / "base", ("b1", COMMIT, 1, 1), ("b2", OTHER, 2, 2))
    head = saved(drawn(3), base, "head", **of_commit(COMMIT, 3))
    found = gb.compare(base, head, as_one=True)
    assert (ids(found.base), found.base.others) == (["b1", "b2"], (LeftOut("head.parquet", HEAD_ITSELF),))
    assert ids(gb.compare(base, head).base) == ["b2"]


# The same run, and few of base's tasks


def test_a_run_compared_with_itself_shows_nothing(tmp_path):
    run = saved(drawn(1), tmp_path / "a", "run")
    (kept,) = save_baselines([str(run)], tmp_path / "kept")
    for pair in ((run, run), (run, kept), (kept, tmp_path / "a")):
        found = gb.compare(*pair)
        assert (found.comparison.is_same_run, found.verdict) == (True, INCONCLUSIVE)
    found = gb.compare(run, saved(drawn(1), tmp_path, "equal"))
    assert (found.comparison.is_same_run, found.verdict) == (False, UNCHANGED)


def test_a_folder_as_head_is_without_base(tmp_path):
    head = commits(tmp_path / "head", ("h1", COMMIT, 1, 1), ("h2", COMMIT, 2, 2), ("h3", COMMIT, 3, 3))
    found = gb.compare(head / "h2.parquet", head)
    assert (ids(found.base), ids(found.head)) == (["h2"], ["h1", "h3"])
    assert found.head.others == (LeftOut("h2.parquet", BASE_ITSELF),)
    assert not found.comparison.is_same_run


def test_a_head_with_less_than_half_of_the_tasks_of_base_decides_nothing_unless_allowed(tmp_path):
    base = saved(drawn(1, groups=range(1, 16)), tmp_path, "base")
    for count, verdict in ((1, INCONCLUSIVE), (7, INCONCLUSIVE), (8, UNCHANGED)):
        head = saved(drawn(2, groups=range(1, count + 1)), tmp_path, "head")
        assert gb.compare(base, head).verdict == verdict
        assert gb.compare(base, head, allow_gone=True).verdict == UNCHANGED
        assert gb.compare(head, base).verdict == UNCHANGED
    worse = saved(drawn(2, groups=[1], slower={"grouped": 1.1}), tmp_path, "worse")
    assert gb.compare(base, worse).verdict == REGRESSION
    none = saved(drawn(2, groups=[20]), tmp_path, "none")
    assert gb.compare(base, none, allow_gone=True).verdict == INCONCLUSIVE


# Another version of what a task does not use


def of_libraries(**versions):
    environment = metadata()["environment"]
    return {"environment": {**environment, "libraries": {**environment["libraries"], **versions}}}


@pytest.mark.parametrize(
    ("changed", "basis", "found"),
    [
        ({"jax": "0.9", "torch": "3", "numpy": "9.9", "pandas": "9"}, NORMALISED, [UNCHANGED] * 4),
        ({"keras": "9.9"}, RAW, [REGRESSION] * 4),
    ],
)
def test_a_slower_machine_is_no_regression_where_an_unused_library_changed(changed, basis, found, tmp_path):
    base = saved(drawn(1, load=0.0), tmp_path, "base", **of_libraries())
    head = saved(drawn(2, load=0.0, machine=1.3), tmp_path, "head", **of_libraries(**changed))
    told = gb.compare(base, head)
    assert (told.comparison.basis, verdicts(told)) == (basis, found)


def test_each_backend_of_a_run_has_the_basis_that_its_libraries_allow(tmp_path):
    def run(seed, machine, **versions):
        made = [drawn(seed + turn, load=0.0, machine=machine, groups=[4], backend=name) for turn, name in
                enumerate(("tensorflow", "jax"))]  # fmt: skip
        return saved(pd.concat(made), tmp_path, f"run{seed}", **of_libraries(**versions))

    told = gb.compare(run(1, 1.0), run(5, 1.3, jaxlib="0.9", jax="0.9"))
    assert told.comparison.basis == MIXED
    assert [(task.head.columns["backend"], task.basis, task.verdict) for task in told.comparison.tasks] == [
        *[("tensorflow", NORMALISED, UNCHANGED)] * 2,
        *[("jax", RAW, REGRESSION)] * 2,
    ]


def test_a_run_and_its_baseline_are_one_run(tmp_path):
    base = commits(tmp_path / "base", ("b1", COMMIT, 1, 1), ("b2", COMMIT, 2, 2))
    head = commits(tmp_path / "head", ("h1", OTHER, 3, 3))
    for samples, folder in ((1, "a"), (3, "z")):
        save_baselines([str(base / "b1.parquet"), str(base / "b2.parquet")], base / folder, samples=samples)
    shutil.copy(base / "b1.parquet", base / "copy.parquet")
    found = compare.compare(base, head)
    assert (ids(found.base), found.base.left_out) == (["b1", "b2"], 0)
    assert not any("thinned" in facts for facts in found.base.runs)
    assert {len(task.base.latencies) for task in found.comparison.tasks} == {4}
    assert [file.facts.get("thinned") for file in sides._runs(str(base / "a"), base).files] == [1, 1]
    assert ids(compare.compare("b1", head, out=base).base) == ["b1"]


def test_of_two_baselines_of_a_run_the_one_with_more_rounds_is_taken(tmp_path):
    runs = commits(tmp_path / "runs", ("b", COMMIT, 1, 1))
    for samples, folder in ((1, "1"), (3, "3"), (2, "2")):
        save_baselines([str(runs)], tmp_path / "kept" / folder, samples=samples)
    (file,) = sides._runs(str(tmp_path / "kept"), tmp_path).files
    assert file.facts["thinned"] == 3


@pytest.mark.parametrize("other", [{"seed": 2}, {"stopped_by": "budget"}])
def test_two_files_of_one_run_that_differ_are_refused(other, tmp_path):
    head, base = saved(drawn(9), tmp_path, "head"), Path("base")
    facts = of_commit(COMMIT, 1)
    first = saved(drawn(1), base / "a", "run", **facts)
    saved(drawn(other.pop("seed", 1)), base / "b", "run", **facts, **other)
    told = r"Files of one run must be identical. Received: base/./run.parquet and base/./run.parquet, which differ"
    with pytest.raises(RunError, match=told):
        compare.compare(base, head)
    assert compare.compare(first, head).verdict == UNCHANGED


def test_base_is_of_the_machine_of_head_where_it_can_be(tmp_path):
    folder = tmp_path / "base"
    saved(drawn(1), folder, "here", **of_commit(OTHER, 1, machine="amd-epyc-2"))
    saved(drawn(2), folder, "there", **of_commit(COMMIT, 2, machine="other"))
    head = saved(drawn(3), tmp_path, "head", machine="amd-epyc-2")
    assert ids(compare.compare(folder, head).base) == ["here"]
    head = saved(drawn(3), tmp_path, "head", machine="third")
    assert ids(compare.compare(folder, head).base) == ["there"]


def test_runs_that_name_each_other_are_paired(tmp_path):
    base = saved(drawn(1), tmp_path, "a", side_by_side={"role": "base", "partner": "b"})
    head = saved(drawn(1), tmp_path, "b", side_by_side={"role": "head", "partner": "a"})
    other = saved(drawn(1), tmp_path, "c", side_by_side={"role": "head", "partner": "x"})
    assert compare.compare(base, head).comparison.basis == BOTH
    assert compare.compare(base, other).comparison.basis == NORMALISED


def test_a_run_that_is_not_there_or_cannot_be_read_is_refused(tmp_path):
    path = saved(drawn(1), tmp_path, "a")
    with pytest.raises(RunError, match="Received: nope"):
        compare.compare(path, "nope")
    (tmp_path / "folder").mkdir()
    saved(drawn(1), tmp_path / "folder", "a")
    (tmp_path / "folder" / "b.parquet").write_bytes(b"PAR1")
    with pytest.raises(RunError, match="readable Parquet file"):
        compare.compare(path, tmp_path / "folder")


def test_the_facts_of_a_run_are_those_of_its_file(tmp_path):
    path = saved(drawn(1), tmp_path, "a")
    assert read_facts(path) == metadata(run_id="a")
    with pytest.raises(RunError):
        read_facts(saved(drawn(1), tmp_path, "b", peaks="high"))


# Benchmarks of pytest-benchmark


def benchmarks(folder, *files, **told_of_commit):
    """Files of one benchmark each as pytest-benchmark writes them: median in seconds, or None where it failed."""
    folder.mkdir(parents=True)
    for number, (seconds, commit) in enumerate(files):
        stats = {"stats": None, "has_error": True} if seconds is None else {"stats": {"median": seconds}}
        told = {
            "machine_info": {"cpu": {"brand_raw": "A", "count": 2}},
            "commit_info": {"id": commit, "time": "2026-11-22T00:00:00+00:00", "dirty": False} | told_of_commit,
            "benchmarks": [{"fullname": "bench/test_a.py::test_a", "group": None, "params": None, **stats}],
            "datetime": f"2026-11-23T01:{number:02}:00+00:00",
        }
        (folder / f"{folder.name}{number}.json").write_text(json.dumps(told))
    return folder


def test_benchmarks_are_compared_file_by_file_or_folder_by_folder(tmp_path):
    base = benchmarks(tmp_path / "base", (9.0, OTHER), *((1 + number / 1000, COMMIT) for number in range(4)))
    head = benchmarks(tmp_path / "head", *((1.1 + number / 1000, OTHER) for number in range(4)))
    found = compare.compare(base, head)
    assert (ids(found.base), found.base.left_out) == (["base1", "base2", "base3", "base4"], 1)
    assert (ids(found.head), found.verdict) == (["head0", "head1", "head2", "head3"], REGRESSION)
    assert compare.compare(base / "base1.json", head / "head0.json").verdict == INCONCLUSIVE


def test_a_benchmark_that_worked_and_now_fails_is_a_regression(tmp_path):
    base = benchmarks(tmp_path / "base", (1.0, COMMIT), (1.0, COMMIT), (1.0, COMMIT))
    head = benchmarks(tmp_path / "head", (1.0, OTHER), (None, OTHER), (1.0, OTHER))
    assert compare.compare(base, head / "head0.json").verdict == INCONCLUSIVE
    assert verdicts(compare.compare(base, head), "status") == [REGRESSION]


def test_a_folder_of_benchmarks_as_base_is_never_of_the_commit_of_head_nor_head_itself(tmp_path):
    folder = benchmarks(tmp_path / "all", (1.0, OTHER), (1.0, COMMIT), (1.0, COMMIT))
    for head in (folder, folder / "all1.json"):
        assert ids(compare.compare(folder, head).base) == ["all0"]
    assert refused(benchmarks(tmp_path / "same", (1.0, COMMIT)), folder / "all1.json")
    untold = benchmarks(tmp_path / "untold", (1.0, None), (1.0, None))
    assert ids(compare.compare(untold, untold / "untold1.json").base) == ["untold0"]
    assert ids(compare.compare(folder / "all1.json", folder / "all1.json").base) == ["all1"]


def test_files_of_benchmarks_that_share_a_name_are_not_one(tmp_path):
    base, head = (benchmarks(tmp_path / name / "1", (1.0, commit)) for name, commit in (("b", OTHER), ("h", COMMIT)))
    assert ids(compare.compare(base, head).base) == ids(compare.compare(base, head).head) == ["10"]


def repeated(folder, seconds, commit, count, **told):
    return benchmarks(folder, *((seconds + number / 1000, commit) for number in range(count)), **told)


@pytest.mark.parametrize("count", [3, 15])
@pytest.mark.parametrize(
    ("commit", "told", "why"),
    [("unversioned", {"time": None}, NO_COMMIT), (COMMIT, {"dirty": True}, NO_CHANGES)],
)
def test_benchmarks_of_no_known_state_are_pooled_where_the_user_says_so(count, commit, told, why, tmp_path):
    base, head = (repeated(tmp_path / name, at, commit, count, **told) for name, at in (("base", 1.0), ("head", 1.2)))
    alone = gb.compare(base, head)
    assert (alone.verdict, alone.base.left_out) == (INCONCLUSIVE, count - 1)
    assert {one.why for one in alone.base.others} == {why}
    found = gb.compare(base, head, as_one=True)
    assert (found.verdict, len(found.base.runs), found.base.left_out) == (REGRESSION, count, 0)


def test_benchmarks_of_the_same_uncommitted_changes_are_pooled(tmp_path):
    base = repeated(tmp_path / "base", 1.0, COMMIT, 3, dirty=True, changes="c" * 64)
    head = repeated(tmp_path / "head", 1.2, COMMIT, 3, dirty=True, changes="d" * 64)
    found = gb.compare(base, head)
    assert (found.verdict, found.base.left_out, found.head.left_out) == (REGRESSION, 0, 0)


def test_copies_of_a_file_of_benchmarks_are_one(tmp_path):
    base, head = (repeated(tmp_path / name, at, COMMIT, 1) for name, at in (("base", 1.0), ("head", 1.2)))
    for number in (1, 2):
        shutil.copy(head / "head0.json", head / f"copy{number}.json")
    found = gb.compare(base / "base0.json", head)
    assert (len(found.head.runs), found.verdict) == (1, INCONCLUSIVE)
    assert [(one.name, one.why) for one in found.head.others] == [("copy2.json", COPY), ("head0.json", COPY)]
    shutil.copy(base / "base0.json", tmp_path / "other.json")
    assert gb.compare(base / "base0.json", tmp_path / "other.json").comparison.is_same_run


@pytest.mark.parametrize("turn", [1, -1])
def test_runs_and_benchmarks_are_not_compared(tmp_path, turn):
    sides = [benchmarks(tmp_path / "base", (1.0, COMMIT)), saved(drawn(1), tmp_path, "run")]
    with pytest.raises(RunError, match="must both be"):
        compare.compare(*sides[::turn])


def test_a_folder_of_runs_may_hold_json_besides(tmp_path):
    saved(drawn(1), tmp_path / "folder", "a")
    (tmp_path / "folder" / "answer.json").write_text("{}")
    assert compare.compare(tmp_path / "folder", saved(drawn(1), tmp_path, "b")).verdict == UNCHANGED


# Thresholds


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ([], {}),
        (["5%"], {"latency": "5%"}),
        (["3%", "memory=off"], {"latency": "3%", "memory": "off"}),
        (["latency = 3% , first_call=50%"], {"latency": "3%", "first_call": "50%"}),
        (["5%", "latency=7%"], {"latency": "7%"}),
        (["off"], {"latency": "off"}),
    ],
)
def test_thresholds_are_read(texts, found):
    assert compare.thresholds_of(texts) == found


def limits(**given):
    return {name: compare._limit(name, value) for name, value in given.items()}


def test_a_threshold_is_a_share_or_off():
    given = {"latency": "5%", "memory": 0.1, "first_call": "off", "params": None, "status": "0%"}
    assert limits(**given) == {"latency": 0.05, "memory": 0.1, "first_call": None, "params": None, "status": 0.0}
    assert limits(latency="0.05", memory="150%", first_call=0) == {"latency": 0.05, "memory": 1.5, "first_call": 0}


@pytest.mark.parametrize(
    "given",
    [
        *({"speed": "5%"}, {"latency": "5"}, {"latency": 5}, {"latency": "-5%"}, {"latency": ""}, {"latency": "x"}),
        *({"latency": float("nan")}, {"latency": "5 %%"}, {"memory": "2000%"}, {"status": "5%"}, {"latency": True}),
        *({"latency": -0.05}, {"latency": []}),
    ],
)  # fmt: skip
def test_other_thresholds_are_refused(given):
    with pytest.raises(SpaceError):
        compare.compare("none", "none", thresholds=given)


@pytest.mark.parametrize("text", ["", "=5%", "5%,", "memory=", ",", "="])
def test_text_that_is_no_threshold_is_refused(text):
    with pytest.raises(SpaceError, match="threshold"):
        compare.thresholds_of([text])


def test_thresholds_reach_the_comparison(tmp_path):
    base, head = saved(drawn(1), tmp_path, "a"), saved(drawn(2, slower={"grouped": 1.1}), tmp_path, "b")
    found = compare.compare(base, head, thresholds={"latency": "15%", "memory": "off"})
    assert found.verdict == UNCHANGED
    assert dict(found.comparison.thresholds) == {**DEFAULTS, "latency": 0.15, "memory": None}


def test_an_empty_run_has_nothing_in_common(tmp_path):
    empty = saved(frame().iloc[:0], tmp_path, "empty")
    assert compare.compare(empty, empty).verdict == INCONCLUSIVE

"""The words that every format of a comparison shares."""

import dataclasses

import pytest
from drawn import CHANGES, COMMIT, OTHER, change, drawn, judged, of_commit
from frames import HOSTILE, fail

from grouped_bench.analyse.compare.compare import Change, Comparison, compare
from grouped_bench.analyse.compare.measurements import Measurement, of_frames
from grouped_bench.analyse.compare.side_selection import COPY, NO_COMMIT, OTHER_STATE, Judgement, LeftOut, Taken
from grouped_bench.analyse.statistics.stats import Interval
from grouped_bench.report.comparison import words


def failed(made, status="error", reason="it fell over"):
    return fail(made, made["variant"] == "grouped", status, reason)


# How it was judged


def test_the_rules_are_told():
    told = words.rules(judged(drawn(1), drawn(2), {"memory": 0.1, "params": None}).comparison.thresholds)
    assert told == (
        "Judged, with the allowed worsening: status, latency 5%, memory 10% if over 1 MiB. "
        "Reported only: first call, params."
    )  # fmt: skip
    every = dict.fromkeys(("status", "latency", "memory", "first_call", "params"))
    assert words.rules(every).startswith("Judged, with the allowed worsening: nothing.")


def test_the_basis_is_that_of_latencies_if_there_are_any():
    assert words.basis(judged(drawn(1), drawn(2)).comparison).startswith("Latencies normalised: each latency")
    none = judged(drawn(1, groups=[4]), drawn(2, groups=[8])).comparison
    assert words.basis(none) == "Latencies: no task was measured on both sides."


def test_backends_that_are_compared_in_several_ways_are_told_apart():
    sides = [
        of_frames([drawn(seed, backend="tensorflow"), drawn(seed + 2, backend="jax"), drawn(seed + 4, backend="torch")])
        for seed in (1, 2)
    ]
    assert words.basis(compare(*sides, changed=["libraries.jax"])) == (
        "Latencies of tensorflow graph and torch graph normalised: each latency is divided by that of the reference "
        "workload beside it. Latencies of jax graph raw: libraries.jax changed, also for the reference workload, so a "
        "slower machine shows as a change."
    )
    assert words.basis(compare(*sides, changed=["libraries.numpy"])).startswith("Latencies normalised: each latency")


# A change


def line(found, metric, place=0):
    return words.line(found.comparison.tasks[place], change(found, metric, place))


def test_a_latency_has_the_digits_that_its_ratio_earned():
    sharp = line(judged(drawn(1, load=0.0), drawn(2, load=0.0, slower={"regular": 1.1})), "latency")
    assert sharp.base.startswith("1.0") and len(sharp.base) >= len("1.00 ms")
    assert "× [" in sharp.ratio
    coarse = line(judged(drawn(1), drawn(2, processes=2)), "latency")
    assert coarse.ratio in ("1.0×", "0.99×")
    assert len(coarse.base) <= len("0.99 ms")


def test_counts_statuses_and_what_is_not_known():
    found = judged(drawn(1), failed(drawn(2)))
    assert (line(found, "status", 1).base, line(found, "status", 1).head) == ("ok", "error")
    assert line(found, "status", 1).notes == ("it fell over",)
    assert line(found, "params").ratio == "1.00×"
    assert line(found, "memory").base == "9.00 MiB"
    unread = judged(drawn(1).assign(peak_memory_bytes=None), drawn(2).assign(memory_source="resident"))
    assert (line(unread, "memory").base, line(unread, "memory").head) == ("—", "~9.00 MiB")
    assert line(unread, "memory").ratio == ""


def test_reasons_that_many_share_stand_below_and_not_at_each():
    found = judged(drawn(1), drawn(2, processes=2))
    assert line(found, "latency").notes == ()
    (told,) = words.remedies(found)
    assert told.startswith("Undecided in 4 tasks: fewer than 3 processes on a side. Measure longer (--least-visits 24")


def test_an_unstable_latency_says_where_and_why():
    made = drawn(2)
    made["flags"] = [["unstable", "stolen_cpu", "throttled"]] * 4
    found = judged(drawn(1), made)
    assert line(found, "latency").notes == ("unstable in head: stolen_cpu, throttled",)
    assert line(found, "memory").notes == ()
    assert words.unstable(found.comparison) == "Unstable: the machine changed speed during 4 tasks."
    assert words.unstable(judged(drawn(1), drawn(2)).comparison) is None


# What is shown


def metrics(found, *, everything, place=1):
    return [one.metric for one in words.told_changes(found.comparison.tasks[place], everything=everything)]


def test_what_is_unchanged_is_shown_with_everything_alone():
    found = judged(drawn(1), drawn(2, slower={"grouped": 1.1}))
    assert metrics(found, everything=False) == ["latency"]
    assert metrics(found, everything=False, place=0) == []
    assert metrics(found, everything=True) == ["latency", "memory", "first_call"]
    assert [words.is_notable(task) for task in found.comparison.tasks] == [False, True] * 2


def test_a_status_that_changed_without_a_verdict_is_shown():
    found = judged(failed(drawn(1)), failed(drawn(2), "oom"))
    assert metrics(found, everything=False) == ["status"]
    assert words.is_notable(found.comparison.tasks[1])
    assert not words.is_notable(found.comparison.tasks[0])
    same = judged(failed(drawn(1)), failed(drawn(2)))
    assert metrics(same, everything=False) == metrics(same, everything=True) == ["status"], "it failed on both sides"
    unsupported = judged(failed(drawn(1), "unsupported"), failed(drawn(2), "unsupported"))
    assert metrics(unsupported, everything=False) == metrics(unsupported, everything=True) == []


# What to do


def remedies(found):
    return [told.split(": ", 1)[1] for told in words.remedies(found)]


def test_what_to_do_goes_with_what_is_missing():
    wide = judged(drawn(1, noise=0.04, processes=4), drawn(2, noise=0.04, processes=4, slower={"grouped": 1.1}))
    assert "its interval is not" in remedies(wide)[0]
    assert "doctor" in remedies(wide)[0]
    missed = judged(drawn(1), failed(drawn(2), "interrupted"))
    assert remedies(missed) == ["a run did not reach it (interrupted). Give the run a larger --budget."]
    elsewhere = judged(drawn(1), drawn(2, reference=False).assign(machine="other"))
    assert remedies(elsewhere)[0].endswith("Measure both on one machine.")
    assert remedies(judged(drawn(1), drawn(2))) == []


def test_no_advice_is_given_twice():
    """Of two reasons that have it in common."""
    few = drawn(2, processes=2)
    wide = drawn(2, noise=0.04, processes=4, slower={"grouped": 1.1})
    is_few = few["variant"] == "regular"
    made = wide.assign(
        **{name: few[name].where(is_few, wide[name]) for name in ("samples_s", "reference_s", "visit_process")}
    )
    told = words.remedies(judged(drawn(1, noise=0.04, processes=4), made))
    assert len(told) == 2
    assert "\n".join(told).count("Measure longer") == 1
    assert "\n".join(told).count("doctor") == 1


def test_files_that_tell_nothing_of_their_state_are_asked_about():
    found = judged(drawn(1), drawn(2, processes=2))
    others = (LeftOut("a", NO_COMMIT), LeftOut("b", OTHER_STATE))
    untold = dataclasses.replace(found, base=Taken(found.base.runs, others))
    assert remedies(untold) == [
        "fewer than 3 processes on a side. 1 file left out: what was measured is not recorded. "
        "If all files of a folder repeat one side, add --as-one."
    ]
    other = dataclasses.replace(found, base=Taken(found.base.runs, others[1:]))
    assert "Measure longer" in remedies(other)[0]


def test_a_comparison_that_shows_nothing_says_what_to_do():
    found = judged(drawn(1, groups=[4, 8, 16]), drawn(2, groups=[4]))
    assert words.remedies(found) == ["4 tasks of base are gone. If that is intended, add --allow-gone."]
    few = judged(drawn(1), drawn(2, processes=2))
    same = dataclasses.replace(few, comparison=dataclasses.replace(few.comparison, is_same_run=True))
    assert words.remedies(same) == ["A run compared with itself shows nothing. Name two runs."]


def test_more_visits_of_pairs_are_asked_of_the_one_command_that_makes_them():
    noisy = [drawn(1, noise=0.04, processes=4), drawn(2, noise=0.04, processes=4, slower={"grouped": 1.1})]
    few = [drawn(1, processes=2), drawn(2, processes=2)]
    for sides in (noisy, few):
        for reference in (True, False):
            made = [side if reference else side.assign(reference_s=None) for side in sides]
            for paired in (True, False):
                told = remedies(judged(*made, paired=paired))[0]
                assert ("Measure longer (--visits 30 --budget 20m)." in told) == paired
                longer = "Measure longer (--least-visits 24 --visits 48 --budget 15m), or put several runs per side "
                assert (longer in told) != paired


def benchmark(name, group=None):
    return Measurement({"name": name, "group": group, "machine": "m", "params": {}}, "ok")


def test_benchmarks_are_run_again():
    few = Change("latency", 1.0, 1.0, "inconclusive", 1.0, "fewer than 3 processes on a side")
    tasks = (words.Compared(benchmark("a"), benchmark("a"), (few,)),)
    (told,) = words.remedies(Judgement(Comparison(tasks, (), (), {}, {}), Taken(({},)), Taken(({},))))
    assert "Run the benchmarks at least three times per side" in told


# Names


def test_tasks_are_named_by_variant_case_and_setting():
    task = judged(drawn(1), drawn(2)).comparison.tasks[1].head
    assert words.full_name(task) == (
        "grouped of Conv2D 64→64 k3x3 on 28x28 groups 4 batch 8 inference, tensorflow graph on cpu"
    )
    assert words.full_name(benchmark("test_a", "store")) == "test_a (store)"
    assert words.titles(benchmark("test_a")) == ("benchmarks", "")


def test_tasks_of_one_case_are_named_together():
    gone = judged(failed(drawn(1)), drawn(2, groups=[8])).comparison.gone
    assert words.names(gone) == [
        f"Conv2D 64→64 k3x3 on 28x28 groups {groups} batch 8 inference, tensorflow graph on cpu: "
        "regular, grouped (error)"
        for groups in (4, 32)
    ]


# Runs and their environment


def test_the_runs_of_a_side_are_told():
    one, two = of_commit(COMMIT, run_id="one"), of_commit(COMMIT, run_id="two")
    assert words.taken("base", Taken((one,))) == "base: run one of commit aaaaaaaaaa"
    assert words.taken("head", Taken((one, two))) == "head: 2 runs (one, two) of commit aaaaaaaaaa"
    assert words.taken("head", Taken(({"run_id": HOSTILE},))).isprintable()
    dirty = of_commit(OTHER, dirty=True, run_id="x")
    assert words.taken("head", Taken((dirty,))) == "head: run x, with uncommitted changes"
    many = tuple({"run_id": str(number)} for number in range(9))
    assert words.taken("head", Taken(many)).startswith("head: 9 runs (0, 1, 2, 3, 4, 5 and 3 more)")


def test_runs_of_the_same_changes_and_those_taken_as_one_are_told():
    changes = tuple(of_commit(OTHER, dirty=True, changes=CHANGES, run_id=name) for name in "xy")
    assert words.taken("base", Taken(changes)) == "base: 2 runs (x, y), with uncommitted changes (digest cccccccccc)"
    assert words.taken("base", Taken(changes[:1])) == "base: run x, with uncommitted changes (digest cccccccccc)"
    untold = ({"run_id": "x"}, of_commit(OTHER, dirty=True, run_id="y"))
    assert words.taken("base", Taken(untold)) == "base: 2 runs (x, y), with uncommitted changes, as one side (--as-one)"
    assert words.taken("base", Taken(untold[:1])) == "base: run x"


def test_what_was_left_out_is_told_with_the_reason():
    others = (LeftOut("a.json", NO_COMMIT), LeftOut("b.json", OTHER_STATE), LeftOut("c.json", NO_COMMIT))
    assert words.taken("head", Taken(({"run_id": "x"},), others)) == (
        "head: run x; 3 others left out: a.json, c.json (no commit is recorded); "
        "b.json (of another commit, or of other uncommitted changes)"
    )
    many = tuple(LeftOut(f"{number}.json", COPY) for number in range(14))
    assert words.taken("head", Taken(({"run_id": "x"},), many)).endswith(
        "14 others left out: 0.json, 1.json, 2.json and 11 more (a copy of another file)"
    )
    assert words.taken("head", Taken(({"run_id": "x"},), (LeftOut(HOSTILE, COPY),))).isprintable()


def test_the_facts_in_which_the_sides_differ():
    found = judged(drawn(1), drawn(2), facts=({"machine": "a"}, {"machine": "b"}))
    assert words.differences(found) == [("machine", "a", "b")]
    assert words.differences(judged(drawn(1), drawn(2))) == []
    runs = [{"run_id": name, "machine": machine} for name, machine in zip("abcd", "xyyx", strict=True)]
    comparison = found.comparison
    assert words.differences(Judgement(comparison, Taken(tuple(runs[:2])), Taken(tuple(runs[2:])))) == []
    assert words.differences(Judgement(comparison, Taken(tuple(runs[:2])), Taken(tuple(runs[2:3])))) == [
        ("machine", "x or y", "y")
    ]


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Change("latency", 1.0, 1.0, "", Interval(1.105, 1.102, 1.108)), "1.105× [1.102–1.108]"),
        (Change("latency", 1.0, 1.0, "", 1.1049), "1.1×"),
        (Change("memory", 1, 1, "", 1.1049), "1.10×"),
        (Change("status", "ok", "oom", ""), ""),
    ],
)
def test_a_ratio_has_the_digits_that_it_earned(found, text):
    assert words.ratio(found) == text

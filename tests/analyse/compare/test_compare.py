"""Base against head on seeded runs whose true answers are known."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from drawn import change, drawn, judged, verdicts
from frames import fail

from grouped_bench.analyse.compare.basis import BOTH, MIXED, NORMALISED, PAIRED, RAW
from grouped_bench.analyse.compare.compare import (
    DEFAULTS,
    IMPROVEMENT,
    INCONCLUSIVE,
    NOT_JUDGED,
    REGRESSION,
    UNCHANGED,
    compare,
    worst,
)
from grouped_bench.analyse.compare.measurements import of_frames

SLOWER = {"grouped": 1.10}


def slowed(by, **how):
    """Head `by` times as slow in one variant of two."""
    return judged(drawn(1, **how), drawn(2, slower={"grouped": by}, **how))


def where(made, variant="grouped"):
    return made["variant"] == variant


def failed(made, status="error", reason="it fell over"):
    return fail(made, where(made), status, reason)


def with_first_calls(made, seconds):
    return made.assign(first_calls_s=[np.array(seconds)] * len(made))


# Latency


def test_ten_per_cent_is_a_regression_at_five():
    found = slowed(1.10)
    assert verdicts(found) == [UNCHANGED, REGRESSION] * 2
    assert found.verdict == REGRESSION
    ratio = change(found, "latency", 1).ratio
    assert ratio.low < 1.10 < ratio.high
    assert ratio.low > 1.05


def test_two_per_cent_is_none():
    found = slowed(1.02)
    assert verdicts(found) == [UNCHANGED] * 4
    assert found.verdict == UNCHANGED


def test_ten_per_cent_among_noise_in_few_processes_is_not_decided():
    found = slowed(1.10, noise=0.04, processes=4)
    assert verdicts(found)[1::2] == [INCONCLUSIVE] * 2
    assert found.verdict == INCONCLUSIVE


def test_faster_by_more_than_the_threshold_is_an_improvement():
    found = judged(drawn(1, slower=SLOWER), drawn(2))
    assert verdicts(found) == [UNCHANGED, IMPROVEMENT] * 2
    assert found.verdict == IMPROVEMENT


def test_a_machine_slower_for_all_changes_nothing():
    found = judged(drawn(1), drawn(2, machine=1.2))
    assert found.comparison.basis == NORMALISED
    assert verdicts(found) == [UNCHANGED] * 4
    both = judged(drawn(1), drawn(2, machine=1.2, slower=SLOWER))
    assert verdicts(both) == [UNCHANGED, REGRESSION] * 2


def test_visits_that_were_not_calm_count_beside_a_reference_alone():
    processes = 8
    stolen = [0.0 if number < processes // 2 else 0.5 for number in range(processes)]

    def disturbed(seed, **more):
        """Where the processor was stolen everything took twice as long, the reference too where there is one."""
        made = drawn(seed, load=0.0, processes=processes, **more)
        twice = [1.0 if share == 0 else 2.0 for share in stolen]
        held = {
            name: [[[value * by for value in visit] for visit, by in zip(one, twice, strict=True)] if one else None
                   for one in made[name]]
            for name in ("samples_s", "reference_s")
        }  # fmt: skip
        return made.assign(**held, visit_stolen=[stolen] * len(made))

    beside = judged(drawn(1, load=0.0), disturbed(2))
    alone = judged(drawn(1, load=0.0, reference=False), disturbed(2, reference=False))
    assert verdicts(beside) == verdicts(alone) == [UNCHANGED] * 4
    widths = [np.log(change(one, "latency").ratio.high / change(one, "latency").ratio.low) for one in (beside, alone)]
    assert widths[0] < 0.8 * widths[1]  # of eight processes and of four


@pytest.mark.parametrize("sides", [(False, False), (True, False), (False, True)])
def test_without_a_reference_a_slower_machine_shows(sides):
    base, head = (drawn(seed, machine=1 + 0.2 * seed, load=0.0, reference=has) for seed, has in enumerate(sides))
    found = judged(base, head)
    assert found.comparison.basis == RAW
    assert "shows as a change" in found.comparison.why
    assert verdicts(found) == [REGRESSION] * 4


def test_latencies_beside_unlike_references_are_not_set_against_each_other():
    base = drawn(1, load=0.0, reference_name="grouped")
    found = judged(base, drawn(2, machine=1.2, load=0.0))
    assert (found.comparison.basis, verdicts(found)) == (RAW, [REGRESSION] * 4)
    assert "4 of 4 tasks lack a common reference workload" in found.comparison.why
    elsewhere = judged(base, drawn(2).assign(machine="other"))
    assert (elsewhere.comparison.basis, verdicts(elsewhere)) == (NORMALISED, [INCONCLUSIVE] * 4)
    one = base.assign(reference=[None if number else "grouped" for number in range(len(base))])
    assert "1 of 4 tasks lack" in judged(one, drawn(2)).comparison.why


def test_what_slows_the_reference_too_is_not_hidden_by_it():
    base, head = (of_frames([drawn(seed, machine=machine, load=0.0)]) for seed, machine in ((1, 1.0), (2, 1.2)))
    assert compare(base, head).verdict == UNCHANGED
    found = compare(base, head, changed=["threads"])
    assert (found.basis, found.verdict) == (RAW, REGRESSION)
    assert found.why.startswith("threads changed")


def test_what_slows_one_backend_takes_the_reference_from_its_tasks_alone():
    backends = (("tensorflow", "graph"), ("torch", "compile"), ("torch", "eager"))
    base, head = (
        of_frames([
            drawn(seed + number, machine=machine, load=0.0, groups=[4], backend=backend, execution=execution)
            for number, (backend, execution) in enumerate(backends)
        ])
        for seed, machine in ((1, 1.0), (5, 1.2))
    )  # fmt: skip
    for changed, slower in (
        ([], []),
        (["libraries.jax", "libraries.numpy"], []),
        (["libraries.torch"], ["torch compile", "torch eager"]),
        (["system.python"], ["torch eager"]),
        (["libraries.keras"], ["tensorflow graph", "torch compile", "torch eager"]),
    ):
        found = compare(base, head, changed=changed)
        assert [place for place, basis in found.bases.items() if basis.name == RAW] == slower
        assert found.basis == (RAW if len(slower) == 3 else MIXED if slower else NORMALISED)
        assert sum(task.verdict == REGRESSION for task in found.tasks) == 2 * len(slower)
        assert all(task.basis == found.bases[f"{task.head.columns['backend']} {task.head.columns['execution']}"].name
                   for task in found.tasks)  # fmt: skip
    assert compare(base, head, changed=["libraries.torch"]).why == (
        "tensorflow graph normalised: each latency is divided by that of the reference workload beside it; torch "
        "compile, torch eager raw: libraries.torch changed, also for the reference workload, so a slower machine shows "
        "as a change"
    )


def test_where_nothing_worked_nothing_is_shown():
    failing = [fail(made := drawn(seed), made["status"] == "ok", "error", "no memory") for seed in (1, 2)]
    assert judged(*failing).verdict == INCONCLUSIVE
    assert judged(*failing, {"latency": None}).verdict == UNCHANGED
    assert judged(drawn(1), failing[1]).verdict == REGRESSION


def test_another_version_has_another_reference():
    found = judged(drawn(1, load=0.0), drawn(2, machine=1.2, load=0.0, backend_version="9.9"))
    assert (found.comparison.basis, verdicts(found)[0]) == (RAW, REGRESSION)
    assert "the version of the backend and its reference workload differ" in found.comparison.why


def test_other_machines_are_compared_by_their_reference_alone():
    head = drawn(2, machine=3.0).assign(machine="other")
    found = judged(drawn(1), head)
    assert found.comparison.basis == NORMALISED
    assert found.comparison.why.startswith("the machines differ")
    assert verdicts(found) == [UNCHANGED] * 4
    assert "another version" in judged(drawn(1), head.assign(backend_version="9.9")).comparison.why
    without = judged(drawn(1, reference=False), head)
    assert without.comparison.basis == NORMALISED
    assert verdicts(without) == [INCONCLUSIVE] * 4
    assert "reference" in change(without, "latency").reason


@pytest.mark.parametrize("short", ["base", "head"])
def test_fewer_than_three_processes_decide_nothing(short):
    base, head = (drawn(seed, processes=2 if side == short else 8) for seed, side in enumerate(("base", "head")))
    found = judged(base, head)
    assert verdicts(found) == [INCONCLUSIVE] * 4
    assert "fewer than 3 processes" in change(found, "latency").reason
    assert change(found, "latency").ratio == pytest.approx(1, abs=0.01)


def test_repetitions_of_one_commit_decide_together():
    few = [[drawn(seed, processes=2, slower=slower) for seed in seeds] for seeds, slower in
           ((range(4), None), (range(4, 8), SLOWER))]  # fmt: skip
    assert verdicts(judged(few[0][0], few[1][0])) == [INCONCLUSIVE] * 4
    assert verdicts(judged(*few)) == [UNCHANGED, REGRESSION] * 2


def test_intervals_are_wider_the_more_tasks_are_compared():
    few, many = (judged(*(drawn(seed, groups=groups) for seed in (1, 2))) for groups in ([4], range(1, 65)))
    widths = [np.log(change(one, "latency").ratio.high / change(one, "latency").ratio.low) for one in (few, many)]
    assert widths[1] > 1.3 * widths[0]


def test_twins_raise_no_alarm_however_many_there_are():
    """Two hundred tasks, of 1 % of noise, at a threshold of 0: at most one run in twenty is wrong of any."""
    alarms = 0
    for seed in range(20):
        base, head = (drawn(2 * seed + side, groups=range(1, 101), noise=0.01, processes=5) for side in (0, 1))
        alarms += REGRESSION in verdicts(judged(base, head, {"latency": 0.0}))
    assert alarms <= 3


def test_a_first_call_that_is_judged_too_widens_the_latency():
    base, head = drawn(1), drawn(2)
    alone, both = (change(judged(base, head, limits), "latency").ratio for limits in ({}, {"first_call": 0.5}))
    assert both.high - both.low > alone.high - alone.low


def test_side_by_side_the_machine_is_the_same_for_both():
    """The load of a visit is that of its pair, and there is no reference."""
    base = drawn(1, reference=False, load=0.3)
    head = base.assign(samples_s=[[[1.10 * value for value in visit] for visit in row] for row in base["samples_s"]])
    assert verdicts(judged(base, head)) == [INCONCLUSIVE] * 4
    found = judged(base, head, paired=True)
    assert found.comparison.basis == PAIRED
    assert verdicts(found) == [REGRESSION] * 4


def test_side_by_side_and_beside_a_reference_the_moment_does_not_matter_either():
    """What befalls single visits, of one side and not of the other, befalls the reference too."""
    base, head = drawn(1, load=0.3), drawn(2, load=0.3, slower=SLOWER)
    found = judged(base, head, paired=True)
    assert found.comparison.basis == BOTH
    assert verdicts(found) == [UNCHANGED, REGRESSION] * 2
    plain = [one.assign(reference_s=None) for one in (base, head)]
    assert verdicts(judged(*plain, paired=True)) != verdicts(found)
    assert judged(base, head.assign(backend_version="9.9"), paired=True).comparison.basis == PAIRED


def test_a_threshold_of_its_own():
    assert verdicts(judged(drawn(1), drawn(2, slower=SLOWER), {"latency": 0.15})) == [UNCHANGED] * 4
    found = judged(drawn(1), drawn(2, slower=SLOWER), {"latency": None})
    assert verdicts(found) == [NOT_JUDGED] * 4
    assert change(found, "latency", 1).ratio.estimate == pytest.approx(1.1, abs=0.01)
    assert found.verdict == UNCHANGED


# Status


def test_what_worked_and_now_fails_is_a_regression():
    found = judged(drawn(1), failed(drawn(2)))
    assert verdicts(found, "status") == [UNCHANGED, REGRESSION] * 2
    assert change(found, "status", 1).reason == "it fell over"
    assert len(verdicts(found)) == 2
    assert found.verdict == REGRESSION


def test_what_failed_and_now_works_is_an_improvement():
    found = judged(failed(drawn(1)), drawn(2))
    assert verdicts(found, "status") == [UNCHANGED, IMPROVEMENT] * 2
    assert found.verdict == IMPROVEMENT


def test_what_fails_otherwise_is_unchanged():
    assert judged(failed(drawn(1)), failed(drawn(2), "oom")).verdict == UNCHANGED


@pytest.mark.parametrize("sides", [("base",), ("head",), ("base", "head")])
def test_what_a_run_did_not_come_to_is_not_decided(sides):
    base, head = (
        failed(drawn(seed), "interrupted") if side in sides else drawn(seed)
        for seed, side in ((1, "base"), (2, "head"))
    )
    found = judged(base, head)
    assert verdicts(found, "status") == [UNCHANGED, INCONCLUSIVE] * 2
    assert found.verdict == INCONCLUSIVE


def test_a_status_is_told_where_it_is_not_judged():
    found = judged(drawn(1), failed(drawn(2)), {"status": None})
    assert verdicts(found, "status") == [NOT_JUDGED] * 4
    assert found.verdict == UNCHANGED


# Memory, first calls, parameters


def memory(before, after, base="allocator", head="allocator", **how):
    frames = [
        drawn(seed).assign(peak_memory_bytes=pd.Series([size] * 4, dtype="Int64"), memory_source=source)
        for seed, size, source in ((1, before, base), (2, after, head))
    ]
    frames[1] = frames[1].assign(**how)
    return change(judged(*frames), "memory")


MIB = 2**20


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (100 * MIB, 106 * MIB, REGRESSION),
        (100 * MIB, 105 * MIB, UNCHANGED),
        (106 * MIB, 100 * MIB, IMPROVEMENT),
        (MIB, 2 * MIB, UNCHANGED),  # readings repeat within so much
        (MIB, 2 * MIB + 1, REGRESSION),
        (0, 2 * MIB, REGRESSION),
    ],
)
def test_memory_beyond_its_threshold(before, after, verdict):
    assert memory(before, after).verdict == verdict


@pytest.mark.parametrize("source", ["allocator", "compiler", "resident"])
def test_memory_of_another_machine_is_judged_where_a_backend_counts_it(source):
    assert memory(100 * MIB, 200 * MIB, source, source).verdict == REGRESSION
    found = memory(100 * MIB, 200 * MIB, source, source, machine="other")
    assert found.verdict == (NOT_JUDGED if source == "resident" else REGRESSION)
    assert found.ratio == 2.0
    assert (found.reason == "measured on another machine") == (source == "resident")


def test_memory_of_two_sources_or_of_none_is_not_judged():
    found = memory(100 * MIB, 200 * MIB, "allocator", "resident")
    assert (found.verdict, found.ratio) == (NOT_JUDGED, None)
    assert "cannot be compared" in found.reason
    assert memory(None, 200 * MIB).verdict == NOT_JUDGED
    assert memory(100 * MIB, None).reason == "not read on both sides"


def test_first_calls_are_told_and_judged_where_asked():
    base, head = with_first_calls(drawn(1), [1.0, 1.01, 0.99]), with_first_calls(drawn(2), [2.0, 2.02, 1.98])
    told = change(judged(base, head), "first_call")
    assert (told.verdict, told.base, told.head) == (NOT_JUDGED, 1.0, 2.0)
    assert told.ratio.estimate == pytest.approx(2, abs=0.01)
    assert verdicts(judged(base, head, {"first_call": 0.5}), "first_call") == [REGRESSION] * 4
    elsewhere = change(judged(base, head.assign(machine="other"), {"first_call": 0.5}), "first_call")
    assert (elsewhere.verdict, elsewhere.reason) == (NOT_JUDGED, "measured on another machine")
    few = change(judged(base, with_first_calls(drawn(2), [2.0]), {"first_call": 0.5}), "first_call")
    assert few.verdict == INCONCLUSIVE and few.ratio == pytest.approx(2, abs=0.01)
    none = change(judged(base, with_first_calls(drawn(2), []), {"first_call": 0.5}), "first_call")
    assert (none.verdict, none.ratio, none.head) == (NOT_JUDGED, None, None)


def test_one_parameter_more_is_a_regression():
    base, head = drawn(1), drawn(2)
    found = judged(base, head.assign(params=head["params"] + 1))
    assert verdicts(found, "params") == [REGRESSION] * 4
    assert verdicts(judged(base, head.assign(params=head["params"] - 1)), "params") == [IMPROVEMENT] * 4
    assert verdicts(judged(base, head.assign(params=head["params"] + 1), {"params": 0.1}), "params") == [UNCHANGED] * 4


# The whole


def test_new_and_gone_tasks_are_told_apart_and_judged_not():
    found = judged(drawn(1, groups=[4, 8]), failed(drawn(2, groups=[4, 32]))).comparison
    assert {one.columns["groups"] for one in found.gone} == {8}
    assert {(one.columns["groups"], one.status) for one in found.new} == {(32, "ok"), (32, "error")}
    assert {one.head.columns["groups"] for one in found.tasks} == {4}


def test_too_few_tasks_of_base_are_not_decided_unless_that_is_allowed():
    base = drawn(1, groups=[1, 2, 4, 8], variants=["regular"])
    for count, verdict in ((1, INCONCLUSIVE), (2, UNCHANGED)):
        found = judged(base, drawn(2, groups=[1, 2, 4, 8][:count], variants=["regular"])).comparison
        assert (found.covers_too_little, found.verdict) == (verdict == INCONCLUSIVE, verdict)
        assert dataclasses.replace(found, allow_gone=True).verdict == UNCHANGED
    assert judged(drawn(1, groups=[1]), drawn(2, groups=[1, 2, 4, 8])).verdict == UNCHANGED
    worse = judged(base, drawn(2, groups=[1], variants=["regular"], slower={"regular": 1.1}))
    assert worse.verdict == REGRESSION


def test_nothing_in_common_is_not_decided():
    found = judged(drawn(1, groups=[4]), drawn(2, groups=[8]))
    assert (found.comparison.tasks, found.verdict) == ((), INCONCLUSIVE)


def test_a_regression_outweighs_what_is_not_decided():
    base, head = drawn(1), failed(drawn(2))
    head.loc[where(head, "regular"), "status"] = "interrupted"
    found = judged(base, head)
    assert set(verdicts(found, "status")) == {REGRESSION, INCONCLUSIVE}
    assert found.verdict == REGRESSION
    assert worst([IMPROVEMENT, INCONCLUSIVE, UNCHANGED]) == INCONCLUSIVE
    assert worst([NOT_JUDGED, UNCHANGED, IMPROVEMENT]) == IMPROVEMENT
    assert worst([]) == UNCHANGED


def test_a_run_with_itself_is_unchanged():
    made = drawn(1)
    found = judged(made, made)
    assert found.verdict == UNCHANGED
    assert dict(found.comparison.thresholds) == dict(DEFAULTS)


def test_intervals_that_rule_nothing_out_decide_nothing():
    made = drawn(1, noise=0.1, load=0.5)
    found = judged(made, made)
    assert (found.verdict, found.comparison.rules_nothing_out) == (INCONCLUSIVE, True)
    assert set(verdicts(found, "latency")) == {UNCHANGED}
    unjudged = judged(made, made, {"latency": None})
    assert (unjudged.verdict, unjudged.comparison.rules_nothing_out) == (UNCHANGED, False)

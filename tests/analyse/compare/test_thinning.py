"""Runs with fewer rounds a visit: the same medians, so the same verdicts."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
from drawn import drawn, judged
from frames import fail

from grouped_bench.analyse.compare import thinning
from grouped_bench.analyse.compare.measurements import of_frames
from grouped_bench.analyse.history import history
from grouped_bench.analyse.statistics import tasks
from grouped_bench.analyse.statistics.stats import Interval
from grouped_bench.errors import RunError
from grouped_bench.report.comparison import words

NAN = float("nan")


def thinned(samples, reference, most):
    return thinning._visit(np.array(samples, dtype=float), np.array(reference, dtype=float), most)


def medians(samples, reference):
    """Median latency of a visit and median of its log ratios, as `analyse.tasks` takes them."""
    kept = [None if value is None or np.isnan(value) else value for value in samples]
    beside = [None if value is None or np.isnan(value) else value for value in reference]
    visit = [tasks.Visit(0)]
    found = (tasks.latencies([kept], visit), tasks.log_ratios([kept], [beside], visit))
    return [one[0].value if one else None for one in found]


def random_visit(random):
    """A visit of up to 40 rounds, of which the variant or the reference sat some out."""
    rounds = int(random.integers(1, 40))
    samples, reference = np.exp(random.normal(-6, 0.3, (2, rounds)))
    for values in (samples, reference):
        values[random.random(rounds) < random.choice([0.0, 0.3, 0.9, 1.0], p=[0.5, 0.3, 0.15, 0.05])] = NAN
    return samples, reference


def test_any_visit_keeps_its_medians():
    random = np.random.default_rng(7)
    seen = set()
    for _ in range(3000):
        samples, reference = random_visit(random)
        most = int(random.integers(1, 8))
        kept, beside = thinned(samples, reference, most)
        assert len(kept) == len(beside) == min(most, len(samples))
        before, after = medians(samples, reference), medians(kept, beside)
        seen.add(tuple(value is None for value in before))
        assert [value is None for value in after] == [value is None for value in before]
        both = [(a, b) for a, b in zip(before, after, strict=True) if a is not None]
        assert all(a == pytest.approx(b, rel=1e-14, abs=1e-14) for a, b in both)
    assert len(seen) == 3  # both, the latency alone, none


def test_one_round_is_the_medians_themselves():
    kept, beside = thinned([3.0, 1.0, 2.0, 9.0, 4.0], [1.0, 1.0, 1.0, 9.0, 1.0], 1)
    assert kept == [3.0]
    assert beside == [pytest.approx(3.0 / 2.0, rel=1e-15)]


def test_rounds_are_taken_evenly_from_those_that_both_were_in():
    samples = [1.0, NAN, 3.0, 4.0, NAN, 6.0, 7.0, 8.0]
    kept, _ = thinned(samples, [1.0, 1.0, NAN, 1.0, 1.0, 1.0, 1.0, 1.0], 3)
    assert np.array(kept) / kept[1] == pytest.approx(np.array([1.0, 6.0, 8.0]) / 6.0)


def test_a_visit_of_so_many_rounds_or_fewer_stays_as_it_was():
    assert thinned([1.0, NAN, 2.5], [1.0, 2.0, NAN], 3) == ([1.0, None, 2.5], [1.0, 2.0, None])
    kept = thinned([5.0, 1.0, 2.5, 4.0], [1.0, 2.0, 1.5, 1.0], 3)
    assert thinned(*kept, 3) == kept


def test_rounds_that_a_variant_sat_out_still_line_up():
    assert thinned([NAN, NAN, 2.0, NAN], [1.0] * 4, 3)[0] == [2.0, None, None]
    assert thinned([NAN] * 4, [1.0] * 4, 2) == ([None, None], [None, None])


def rough(seed, **how):
    """A run whose visits have 23 rounds, some sat out, a few disturbed."""
    made, random = drawn(seed, processes=7, groups=[8], **how), np.random.default_rng(seed)
    columns = {"samples_s": [], "reference_s": []}
    for samples, reference in zip(made["samples_s"], made["reference_s"], strict=True):
        # Rounds come in a random order; a slow tail makes mean and median differ.
        spread = np.exp(random.normal(0, 0.1, (len(samples), 23)) + random.exponential(0.1, (len(samples), 23)))
        missing = random.random(spread.shape) < 0.1
        own = np.median(samples, axis=1, keepdims=True) * spread
        columns["samples_s"].append(np.where(missing, NAN, own).tolist())
        noise = np.exp(random.normal(0, 0.02, spread.shape))
        beside = None if reference is None else np.median(reference, axis=1, keepdims=True) * spread * noise
        columns["reference_s"].append(None if beside is None else beside.tolist())
    stolen = [np.where(random.random(7) < 0.2, 0.5, 0.0) for _ in range(len(made))]
    return made.assign(**columns, visit_stolen=stolen)


def figures(change):
    """The figures of a latency: base, head, ratio, ends of its interval, as far as there are any."""
    ratio = dataclasses.astuple(change.ratio) if isinstance(change.ratio, Interval) else (change.ratio,)
    return [value for value in (change.base, change.head, *ratio) if value is not None]


def same(one, other):
    """Whether two comparisons say the same, up to the last digits of a float."""
    assert (one.comparison.verdict, one.comparison.basis) == (other.comparison.verdict, other.comparison.basis)
    for before, after in zip(one.comparison.tasks, other.comparison.tasks, strict=True):
        for a, b in zip(before.changes, after.changes, strict=True):
            assert (a.metric, a.verdict, a.reason) == (b.metric, b.verdict, b.reason)
            if a.metric == "latency":
                assert figures(b) == pytest.approx(figures(a), rel=1e-12)
            assert words.line(before, a) == words.line(after, b)


def test_compare_gives_the_verdicts_of_the_whole_runs():
    """Draws of all that is told apart: slower, faster or neither, other machines, with a reference or without."""
    verdicts = set()
    factors = (0.85, 0.95, 1.0, 1.03, 1.05, 1.06, 1.1, 1.3)
    for seed, (factor, machine, reference) in enumerate(itertools.product(factors * 2, (1.0, 1.4), (True, False))):
        base = rough(2 * seed, reference=reference)
        head = rough(2 * seed + 1, reference=reference, machine=machine, slower={"grouped": factor})
        if machine != 1.0:
            head = head.assign(machine="other")
        if seed % 5 == 0:
            head = fail(head, head["variant"] == "regular", "oom", "too much")
        whole = judged(base, head)
        verdicts |= {change.verdict for task in whole.comparison.tasks for change in task.changes}
        most = (1, 4)[seed % 2]
        same(whole, judged(thinning.thin(base, most), head))
        same(whole, judged(base, thinning.thin(head, most)))
        pair = [base, rough(seed + 1000, reference=reference)]
        same(judged(pair, head), judged([thinning.thin(one, 1) for one in pair], thinning.thin(head, 1)))
    assert verdicts == {"regression", "inconclusive", "improvement", "unchanged", "not judged"}


def test_history_finds_what_it_found():
    runs = [rough(seed).assign(run_id=f"r{seed}") for seed in range(4)]
    facts = [{"run_id": f"r{seed}"} for seed in range(4)]
    before, after = (
        history.of_frame(pd.concat(of_all, ignore_index=True), facts)
        for of_all in (runs, [thinning.thin(one, 1) for one in runs])
    )
    for one, other in zip(before.series, after.series, strict=True):
        for a, b in zip(one.points, other.points, strict=True):
            assert (b.seconds, b.low, b.high) == pytest.approx((a.seconds, a.low, a.high), rel=1e-12)


def test_nothing_else_changes():
    made = rough(1)
    found = thinning.thin(made, 1)
    rest = [name for name in made.columns if name not in ("samples_s", "reference_s")]
    pd.testing.assert_frame_equal(found[rest], made[rest])
    assert list(found.columns) == list(made.columns)
    assert {len(visit) for visits in found["samples_s"] for visit in visits} == {1}
    assert {len(visit) for visits in made["samples_s"] for visit in visits} == {23}


def test_tasks_without_samples_and_runs_without_tasks_stay():
    made = rough(1, reference=False)
    assert thinning.thin(made, 1)["reference_s"].tolist() == [None] * len(made)
    empty = made.assign(samples_s=pd.Series([None] * len(made), dtype=object))
    assert thinning.thin(empty, 1)["samples_s"].tolist() == [None] * len(made)
    assert thinning.thin(made.iloc[:0], 1).empty


def test_a_run_that_does_not_line_up_is_refused():
    made = rough(1)
    torn = made.assign(reference_s=[visits[:-1] for visits in made["reference_s"]])
    with pytest.raises(RunError, match="must have matching lengths"):
        thinning.thin(torn, 1)
    with pytest.raises(RunError, match="must have matching lengths"):
        of_frames([torn])

"""Samples, calibration and balanced rounds, on a clock that only work moves."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from fake_clock import FakeClock

from grouped_bench.measure import rounds


def nothing(_):
    pass


def visit(costs, *, seed=0, iterations=None, clock=None):
    clock = clock or FakeClock()
    turns = []
    samples, warm_up = rounds.run_rounds(
        {name: clock.work(cost) for name, cost in costs.items()},
        nothing,
        iterations or dict.fromkeys(costs, 1),
        costs,
        np.random.default_rng(seed),
        mark=turns.append,
        clock=clock,
    )
    return samples, warm_up, turns


@pytest.mark.parametrize("iterations", [1, 7])
def test_a_sample_is_seconds_an_iteration(iterations):
    clock = FakeClock()
    assert rounds.time_sample(clock.work(0.25), nothing, iterations, clock) == pytest.approx(0.25)


def test_a_sample_ends_when_the_device_has_finished():
    clock = FakeClock()
    queued = []

    def returns_at_once():
        queued.append(0.5)

    def synchronise(_):
        clock.now += sum(queued)
        queued.clear()

    assert rounds.time_sample(returns_at_once, synchronise, 3, clock) == pytest.approx(0.5)


def test_the_clock_costs_at_most_a_thousandth_of_a_calibrated_sample():
    clock = FakeClock(reading=2e-7)
    workload = clock.work(2e-6)
    iterations, _, _ = rounds.calibrate(workload, nothing, clock)
    assert rounds.time_sample(workload, nothing, iterations, clock) == pytest.approx(2e-6, rel=1e-3)


@pytest.mark.parametrize("cost", [1e-7, 1e-5, 1e-3, 0.004, 0.02, 3.0])
def test_calibration_reaches_the_sample_length_or_one_call(cost):
    clock = FakeClock()
    iterations, sample_s, spent = rounds.calibrate(clock.work(cost), nothing, clock)
    assert iterations == max(1, round(rounds.SAMPLE_S / cost))
    assert sample_s == pytest.approx(iterations * cost)
    assert spent == pytest.approx(clock.now)


def test_a_dear_workload_is_warmed_up_by_one_call():
    clock = FakeClock()
    rounds.calibrate(clock.work(2.0), nothing, clock)
    assert clock.now == pytest.approx(2.0)


@pytest.mark.parametrize(("cost", "calls"), [(1e-5, 8), (0.3, 3), (5.0, 1)])
def test_calls_that_fit_into_a_second(cost, calls):
    clock = FakeClock()
    assert rounds.calls_within(1.0, clock.work(cost), nothing, most=8, clock=clock) == calls


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8])
def test_orders_are_balanced_for_position_and_predecessor(count):
    block = count * (2 if count % 2 else 1)
    orders = rounds.balanced_orders(count, 3 * block, np.random.default_rng(0))
    assert all(sorted(order) == list(range(count)) for order in orders)
    for start in range(0, len(orders), block):
        part = orders[start : start + block]
        for position in range(count):
            assert set(Counter(order[position] for order in part).values()) == {block // count}
        follows = Counter(pair for order in part for pair in pairwise(order))
        assert len(follows) == count * (count - 1)
        assert len(set(follows.values())) <= 1


def test_orders_are_drawn_anew():
    first, second = (rounds.balanced_orders(5, 20, np.random.default_rng(seed)) for seed in (1, 2))
    assert first != second


def test_every_variant_is_sampled_once_a_round():
    samples, _, turns = visit({"a": 0.01, "b": 0.02, "c": 0.03})
    count = len(samples["a"])
    assert count >= rounds.LEAST_ROUNDS
    assert {name: len(values) for name, values in samples.items()} == dict.fromkeys("abc", count)
    assert samples["b"] == pytest.approx([0.02] * count)
    timed = turns[3:]
    assert all(sorted(timed[start : start + 3]) == ["a", "b", "c"] for start in range(0, len(timed), 3))


def test_a_dear_variant_takes_part_in_one_round_and_is_null_in_the_others():
    samples, _, _ = visit({"fast": 0.005, "dear": 2.0})
    present = [value for value in samples["dear"] if value is not None]
    assert present == [pytest.approx(2.0)]
    assert len(samples["dear"]) == len(samples["fast"]) > 1
    assert None not in samples["fast"]


def test_dear_variants_meet_in_one_round():
    for seed in range(9):
        samples, _, _ = visit({"fast": 0.005, "dear": 2.0, "dearer": 3.0}, seed=seed)
        assert [value is None for value in samples["dear"]] == [value is None for value in samples["dearer"]]


def test_the_round_of_a_dear_variant_changes_with_the_seed():
    places = {visit({"fast": 0.005, "dear": 2.0}, seed=seed)[0]["dear"].index(pytest.approx(2.0)) for seed in range(9)}
    assert len(places) > 1


def test_only_dear_variants_make_one_round():
    samples, _, _ = visit({"slow": 1.0, "slower": 2.0})
    assert samples == {"slow": [1.0], "slower": [2.0]}


def test_warm_up_is_counted_apart():
    clock = FakeClock()
    samples, warm_up, _ = visit({"a": 0.03, "b": 0.04}, clock=clock)
    assert warm_up == pytest.approx(0.07)
    assert clock.now == pytest.approx(warm_up + sum(map(sum, samples.values())))


def test_samples_of_unequal_length_are_not_told_apart_by_a_slow_first_call():
    """Every switch of workload costs 50 µs: twins timed over one and over four calls must still be equal."""
    clock, last = FakeClock(), [""]

    def twin(name):
        def workload():
            clock.now += 0.001 + (0.00005 if last[0] != name else 0)
            last[0] = name

        return workload

    samples, warm_up = rounds.run_rounds(
        {"a": twin("a"), "b": twin("b")},
        nothing,
        {"a": 1, "b": 4},
        {"a": 0.001, "b": 0.004},
        np.random.default_rng(0),
        clock=clock,
    )
    assert np.median(samples["a"]) == pytest.approx(np.median(samples["b"]), rel=1e-9)
    assert warm_up > 0.001 * (len(samples["a"]) + len(samples["b"]))


def test_a_slowing_machine_leaves_ratios_alone():
    """Both variants slow down by the same factor from round to round; the ratio of a round does not move far."""
    clock = FakeClock()

    def drifting(cost):
        def workload():
            clock.now += cost * (1 + clock.now)

        return workload

    samples, _ = rounds.run_rounds(
        {"a": drifting(0.01), "b": drifting(0.01)},
        nothing,
        {"a": 1, "b": 1},
        {"a": 0.01, "b": 0.01},
        np.random.default_rng(0),
        clock=clock,
    )
    ratios = np.array(samples["a"]) / np.array(samples["b"])
    assert max(samples["a"]) / min(samples["a"]) > 1.15
    assert np.median(ratios) == pytest.approx(1, abs=0.011)

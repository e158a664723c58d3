"""Steps of known series: found where they are, of the size they have, and none where there is none."""

import math

import numpy as np
import pytest

from grouped_bench.analyse.history import change_points


def series(levels, spread=0.01, seed=1):
    """Logarithms around the levels, which are (runs, ratio)."""
    random = np.random.default_rng(seed)
    return np.concatenate([random.normal(math.log(ratio), spread, runs) for runs, ratio in levels])


def places(logs, count=1):
    return [shift.place for shift in change_points.find(logs, count)]


def test_a_step_is_found_at_its_first_run_with_an_interval_that_holds_its_ratio():
    (shift,) = change_points.find(series([(30, 1.0), (20, 1.05)]))
    assert shift.place == 30
    assert 1.03 < shift.ratio.low < 1.05 < shift.ratio.high < 1.07
    assert shift.ratio.estimate == pytest.approx(1.05, abs=0.01)


def test_several_steps_are_found_up_and_down():
    logs = series([(20, 1.0), (20, 1.05), (20, 0.98), (20, 1.03)])
    assert places(logs) == [20, 40, 60]
    assert [shift.ratio.estimate > 1 for shift in change_points.find(logs)] == [True, False, True]


def test_mirrored_series_have_mirrored_steps():
    logs = series([(20, 1.0), (25, 1.06)])
    (up,), (down,) = change_points.find(logs), change_points.find(-logs)
    assert up.place == down.place
    assert up.ratio.estimate == pytest.approx(1 / down.ratio.estimate)
    assert up.ratio.low == pytest.approx(1 / down.ratio.high)


@pytest.mark.parametrize("off", [math.log(1.1), math.log(1.5), -math.log(1.3), 5.0, 400.0])
def test_one_run_that_is_off_is_no_step_nor_two(off):
    for place in (0, 1, 20, 38, 39):
        logs = series([(40, 1.0)])
        logs[place] += off
        assert places(logs) == []
    logs[20:22] += off
    assert places(logs) == []


def test_a_run_that_is_off_does_not_move_a_step_nor_its_ratio():
    logs = series([(25, 1.0), (25, 1.05)], seed=2)
    (clean,) = change_points.find(logs)
    logs[[23, 27, 40]] += (0.1, 0.1, -0.1)
    (shift,) = change_points.find(logs)
    assert abs(shift.place - 25) <= 1
    assert shift.ratio.estimate == pytest.approx(clean.ratio.estimate, abs=0.01)


def test_three_runs_at_another_level_can_be_a_step_and_fewer_runs_in_all_cannot():
    assert places(series([(30, 1.0), (3, 1.2)])) == [30]
    assert places(series([(3, 1.0), (2, 9.0)])) == []
    assert places([]) == places([0.0]) == []


def test_series_without_any_noise_are_no_trouble():
    assert places([0.5] * 30) == []
    assert places([0.5] * 15 + [0.6] * 15) == [15]
    assert places([0.5] * 15 + [0.5004] * 15) == []
    assert places([0.5] * 20 + [0.9] * 2 + [0.5] * 20) == places([0.5] * 30 + [0.9] * 2) == []


def test_a_slow_drift_is_no_step():
    """All of it is as large as a step of 5 % is, and no twenty runs differ by more than their noise."""
    found = [places(series([(200, 1.0)], 0.015, seed) + np.linspace(0, 0.05, 200)) for seed in range(20)]
    assert sum(map(len, found)) <= 2


def test_the_more_series_are_looked_at_the_surer_a_step_must_be():
    logs = series([(20, 1.0), (20, 1.03)], 0.013, 3)
    assert len(places(logs)) == 1
    assert places(logs, 10_000) == []


def test_scale_and_unit_change_nothing():
    logs = series([(30, 1.0), (20, 1.05)])
    (one,), (other,) = change_points.find(logs), change_points.find(logs + 7)
    assert one.place == other.place
    assert one.ratio.estimate == pytest.approx(other.ratio.estimate)


@pytest.mark.parametrize("count", [1, 40])
def test_three_runs_on_either_side_show_a_twofold_step(count):
    import history

    assert history.found_between(3, 1.0, 500, count) >= history.FOUND_DOUBLED


@pytest.mark.parametrize(("before", "after"), [(3, 4), (4, 3), (3, 9), (3, 10), (10, 3), (50, 3)])
def test_three_runs_on_one_side_do_too(before, after):
    found = [places(series([(before, 1.0), (after, 2.0)], seed=seed), 40) for seed in range(50)]
    assert sum(one == [before] for one in found) >= 48


def test_few_runs_show_two_steps():
    assert places(series([(3, 1.0), (3, 2.0), (3, 1.0)])) == [3, 6]
    assert places(series([(4, 1.0), (4, 3.0), (4, 9.0)]), 40) == [4, 8]


@pytest.mark.parametrize(
    ("world", "most"), [("even", 0), ("heavy-tailed", 0), ("outliers", 0), ("drift", 0), ("dependent", 1)]
)
def test_short_histories_without_a_step_have_none(world, most):
    """In 1,000 runs, of 4,000 at each length."""
    import history

    assert all(history.false_in_short(world, runs, 4000 // runs, 1) <= most for runs in (6, 12, 24))


def test_where_neighbours_are_alike_a_step_is_less_sure():
    """The values on either side are the same in both histories, in another order."""
    random = np.random.default_rng(1)
    sides = [np.sort(random.normal(level, 0.01, 100)) for level in (0.0, 0.2)]
    (free,) = change_points.find(np.concatenate([random.permutation(side) for side in sides]))
    (alike,) = change_points.find(np.concatenate([np.concatenate([side[::2], side[1::2][::-1]]) for side in sides]))
    assert (free.place, alike.place) == (100, pytest.approx(100, abs=1))
    assert math.log(alike.ratio.high / alike.ratio.low) > 1.5 * math.log(free.ratio.high / free.ratio.low)


@pytest.mark.parametrize("world", ["even", "heavy-tailed", "outliers"])
def test_steps_of_simulated_histories_are_found_within_one_run_and_none_besides(world):
    """What bench/history.py counts at length: here 450 steps and 60,000 runs a world."""
    import history

    found = history.counted(world, 150, 1)
    assert (found["found"]["of"], found["of_runs"]) == (450, 60_000)
    assert found["found"]["share"] >= history.FOUND
    assert found["false"] <= history.FALSE / 4
    assert found["held"]["share"] >= 0.95


@pytest.mark.parametrize("world", ["drift", "dependent"])
def test_where_runs_depend_on_time_or_on_each_other_false_steps_are_rare_too(world):
    import history

    found = history.counted(world, 100, 1)
    assert found["found"]["share"] >= 0.9
    assert found["false"] <= history.FALSE


def test_among_forty_series_as_many_are_found():
    import history

    found = history.counted("heavy-tailed", 40, history.TOGETHER[1])
    assert found["found"]["share"] >= history.FOUND
    assert found["false_steps"] == 0

"""Variances of few processes, moderated by those of all pairs, on draws whose truth is known."""

import numpy as np
import pytest

from grouped_bench.analyse.statistics.moderation import Prior, ProcessLogs, fit


def drawn(deviation, freedom, pairs, processes, seed=0):
    """Variances as Smyth's model has them: inverse chi-square around a typical one."""
    rng = np.random.default_rng(seed)
    true = deviation**2 * freedom / rng.chisquare(freedom, pairs)
    return true * rng.chisquare(processes - 1, pairs) / (processes - 1)


def three(variance, centre, sampling=0.0):
    """Three processes whose logarithms have this variance and mean."""
    return ProcessLogs(centre + np.sqrt(variance) * np.array([-1.0, 0.0, 1.0]), sampling)


@pytest.mark.parametrize("deviation", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("freedom", [1.0, 3.0, 10.0])
def test_the_prior_is_that_which_the_variances_were_drawn_from(deviation, freedom):
    found = fit([three(one, 1.0) for one in drawn(deviation, freedom, 400, 3)])
    assert found.variance**0.5 == pytest.approx(deviation, rel=0.25)
    assert found.freedom == pytest.approx(freedom, rel=0.5)


def test_the_deviation_of_twins_is_smaller_where_the_run_says_so():
    near, far = drawn(0.01, 5.0, 60, 3), drawn(0.08, 5.0, 60, 3, seed=1)
    found = fit([*(three(one, 0.0) for one in near), *(three(one, 1.0) for one in far)])
    assert found.at(0.0) ** 0.5 == pytest.approx(0.01, rel=0.4)
    assert found.at(2.0) ** 0.5 == pytest.approx(0.08, rel=0.3)
    alike = fit([three(one, place // 60) for place, one in enumerate(drawn(0.08, 5.0, 120, 3))])
    assert alike.at(0.0) > alike.at(2.0) / 2


def test_without_pairs_it_is_that_of_earlier_runs_and_few_pairs_move_it_little():
    usual = fit([])
    assert 0.03 < usual.variance**0.5 < 0.15
    assert usual.freedom < 4
    assert fit([three(1e-12, 1.0)] * 2).variance > usual.variance / 100


def test_a_moderated_variance_lies_between_its_own_and_the_prior_s():
    prior = Prior(0.01, 0.0, 4.0)
    assert prior.moderated(three(0.04, 1.0)) == (pytest.approx((4 * 0.01 + 2 * 0.04) / 6), 6)
    assert prior.moderated(three(0.0, 1.0))[0] == pytest.approx(4 * 0.01 / 6, rel=1e-3)


def test_a_pair_with_a_far_larger_variance_keeps_its_own():
    assert Prior(0.01, 0.0, 4.0).moderated(three(1.0, 1.0)) == (1.0, 2)


def test_what_few_rounds_explain_makes_no_pair_an_outlier_and_no_other_pair_unsure():
    """Beside a busy program three rounds of a slow call scatter as hundreds of a quick one do not."""
    prior = Prior(0.0025, 0.0, 4.0)
    assert prior.moderated(three(0.1, 3.0)) == (pytest.approx(0.1), 2)
    variance, freedom = prior.moderated(three(0.1, 3.0, sampling=0.1))
    assert (variance, freedom) == (pytest.approx((4 * 0.1025 + 2 * 0.1) / 6), 6)
    quick = [three(one, 1.0) for one in drawn(0.05, 5.0, 40, 3)]
    slow = [three(one, 3.0, 0.1) for one in 0.1 * np.random.default_rng(2).chisquare(2, 40) / 2]
    assert fit([*quick, *slow]).at(1.0) ** 0.5 == pytest.approx(0.05, rel=0.4)
    unexplained = fit([*quick, *(three(one.logs.var(ddof=1), 3.0) for one in slow)])
    assert unexplained.freedom < fit([*quick, *slow]).freedom / 2


def test_moderated_intervals_cover_as_they_say_from_three_processes():
    rng, covered, trials = np.random.default_rng(1), 0, 100
    from scipy import special

    for seed in range(trials):
        prior = fit([three(one, 1.0) for one in drawn(0.05, 5.0, 40, 3, seed)])
        true = 0.05**2 * 5.0 / rng.chisquare(5.0, 40)
        values = rng.normal(1.0, np.sqrt(true)[:, None], (40, 3))
        for own in values:
            variance, freedom = prior.moderated(ProcessLogs(own))
            half = special.stdtrit(freedom, 0.975) * np.sqrt(variance / 3)
            covered += abs(float(np.mean(own)) - 1.0) <= half
    assert 0.93 <= covered / (40 * trials) <= 0.97

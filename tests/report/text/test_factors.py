"""Factors: one way to write how many times as fast."""

import math

import pytest

from grouped_bench.report.text.factors import compared, factor


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (57.3, "57× faster"),
        (1 / 33, "33× slower"),
        (1 / 1323, "1,300× slower"),
        (347, "350× faster"),
        (1 / 1.02, "1.02× slower"),
        (1.426, "1.43× faster"),
        (2.6, "2.6× faster"),
        (0.5, "2.0× slower"),
        (9.94, "9.9× faster"),
        (9.96, "10× faster"),
        (1.996, "2.0× faster"),
        (1.0, "equal"),
        (1.004, "equal"),
        (0.996, "equal"),
        (3e6, "3,000,000× faster"),
        (3e300, "3e+300× faster"),
        (0, "—"),
        (-1, "—"),
        (math.nan, "—"),
        (math.inf, "—"),
    ],
)
def test_a_factor_is_1_or_more_and_says_which_way(value, told):
    assert factor(value) == told


@pytest.mark.parametrize(
    ("ratio", "told"),
    [
        ((2.6, 1.6, 4.1), "2.6× [1.6–4.1] faster"),
        ((1 / 33, 1 / 36, 1 / 30), "33× [30–36] slower"),
        ((1.1, 0.926, 1.3), "1.10× [0.93–1.30] faster"),
        ((0.5, 0.25, 100), "2.0× [0.01–4.0] slower"),
        ((1.0, 0.97, 1.03), "equal [0.97–1.03]"),
        ((3, 0, math.inf), "3.0× [0.0–∞] faster"),
        ((0.5, 0, 1), "2.0× [1.0–∞] slower"),
        ((3, 2, None), "3.0× faster"),
    ],
)
def test_an_interval_is_in_the_sense_of_the_word(ratio, told):
    assert factor(*ratio) == told


def test_a_factor_is_told_beside_what_it_is_compared_with():
    assert compared("grouped", 57, 50, 60) == "57× [50–60] faster than grouped"
    assert compared("grouped", 0.5) == "2.0× slower than grouped"
    assert compared("grouped", 1, 0.97, 1.03) == "equal to grouped [0.97–1.03]"

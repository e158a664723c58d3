"""A plan and a list as text: what a line holds, how wide it is, and the same as JSON."""

import json

import pytest

import grouped_bench as gb
from grouped_bench.harness.inspect.estimate import estimate, to_dict
from grouped_bench.harness.plan import make_plan
from grouped_bench.report.plans import listing, render
from grouped_bench.space.axes import Control
from grouped_bench.space.space import Space

LONG = "a long label, " * 5


def planned(space):
    made = make_plan(space)
    return to_dict(made, estimate(made, Control(), {}))


@pytest.fixture
def plan():
    tables = [{"groups": [1, 3], "multiplicity": 4, "label": LONG}, {"groups": [5, 7], "rank": 3, "size": [2**20]}]
    tables += [{"groups": [3], "channels": "64:32"}, {"groups": 4, "rank": 3, "padding": "valid"}]
    return planned(Space(cases=tables))


def test_no_line_is_wider_than_a_terminal(plan):
    assert max(map(len, render(plan, "table").splitlines())) <= 80


def test_the_headline_counts_and_says_that_the_time_is_the_least(plan):
    headline = " ".join(render(plan, "table").split("\n\n")[0].split())
    assert headline.startswith("2 cohorts, 10 tasks, 4 cases left out. About 1:2")
    assert "if no implementation is slow (--try finds out)." in headline
    assert headline.endswith("The largest task needs at least 77.6 MiB.")
    largest = 4 * 64 * (8 * 28**3 + 8 * 26**3 + 27 * 64)  # input, output and weights of the dense one
    assert largest == pytest.approx(77.6 * 2**20, rel=1e-3)


@pytest.mark.parametrize(
    ("measured", "tried", "words"),
    [
        (10, 0, "About 0:30, by runs on this machine for 10 of 10 tasks. The largest"),
        (4, 6, "About 0:30, by runs on this machine for 4 and a first call of 6 of 10 tasks. The largest"),
        (4, 0, "by runs on this machine for 4 of 10 tasks, if no other implementation is slow (--try finds out)."),
    ],
)
def test_the_headline_says_on_what_the_time_rests(measured, tried, words, plan):
    plan["estimate"] |= {"seconds": 30.0, "measured": measured, "tried": tried}
    assert words in " ".join(render(plan, "table").split("\n\n")[0].split())


def test_a_cohort_is_a_title_and_a_line_a_task(plan):
    text = render(plan, "table")
    title, _, rest = text.split("\n\n")[1].partition("\n  variant ")
    assert " ".join(title.split()) == (
        "Conv2D 64→64 k3x3 on 28x28 groups 1 batch 8 inference, tensorflow graph on cpu (4 ×): " + LONG.strip()
    )
    assert [line.split()[0] for line in rest.splitlines()[2:]] == [
        "regular", "grouped", "grouped_native", "split_sum", "split_concat"
    ]  # fmt: skip
    assert "  regular         dense         36.9 k   231 M       3.20 MiB" in rest.splitlines()


def test_reasons_are_told_once_with_their_number(plan):
    _, _, left_out = render(plan, "table").partition("Left out:\n")
    assert left_out.splitlines() == [
        "  2 × 3 groups do not divide 64 input channels",
        "  1 × 5 groups do not divide 64 input channels",
        "  1 × 7 groups do not divide 64 input channels",
    ]


def test_the_same_case_hot_and_cold_are_two_titles():
    titles = render(planned(Space(cache=["hot", "cold"])), "table").split("\n\n")[1:]
    assert ["cold cache" in " ".join(title.split()) for title in titles] == [False, True]


def test_nothing_is_said_of_skips_where_there_are_none():
    assert "Left out" not in render(planned(Space()), "table")


def test_json_is_the_plan_itself(plan):
    assert json.loads(render(plan, "json")) == json.loads(json.dumps(plan))


def test_a_listing_wraps_its_last_column():
    text = listing(
        [{"name": "a", "unit": "", "meaning": "word " * 40}, {"name": "bcd", "unit": "", "meaning": "short"}]
    )
    lines = text.splitlines()
    assert lines[0].split() == ["name", "unit", "meaning"]
    assert max(map(len, lines)) <= 80
    assert lines[-1].split() == ["bcd", "short"]
    assert text.count("word") == 40


def test_a_listing_whose_last_column_would_be_narrow_folds_the_others_into_it():
    row = {"name": "a", "type": "t" * 30, "unit": "", "scope": "s" * 20, "meaning": "word " * 20}
    lines = listing([row]).splitlines()
    assert lines[0].split() == ["name", "meaning"]
    assert max(map(len, lines)) <= 80
    assert f"({'t' * 30}, {'s' * 20})" in " ".join(" ".join(lines).split())
    assert listing([row], width=120).splitlines()[0].split() == list(row)


def test_an_empty_listing_says_so():
    assert listing([]) == "None."


@pytest.mark.parametrize("what", ["variants", "presets", "backends", "columns"])
def test_what_there_is_to_list_fits_a_terminal(what):
    assert max(map(len, listing(gb.catalogue(what)).splitlines())) <= 80

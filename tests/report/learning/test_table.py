"""A learning run in words: sentences, tables, JSON, in any width."""

import json
import re

import click
import pytest
from trainings import facts, responses, training, trainings

from grouped_bench.analyse.statistics.stats import Interval
from grouped_bench.report.learning import sentences, table
from grouped_bench.report.text import cells

CLEAR = trainings({"g4": 0.05, "wide": -0.05}, 9)


@pytest.fixture
def told():
    return sentences.findings(CLEAR, facts())


def test_what_is_better_is_said_with_its_interval_its_cost_and_its_seeds(told):
    (found,) = [one for one in told if "g4" in one]
    assert found.startswith("With 0.70× the parameters and 0.65× the MACs, ")
    assert "g4 reaches 4." in found or "g4 reaches 5." in found
    assert found.endswith("more than dense (6 seeds).")


def test_what_is_worse_is_said_as_less(told):
    (found,) = [one for one in told if "wide" in one]
    low, high = (float(word.strip("[]")) for word in found.split("points ")[1].split(" less")[0].split(" to "))
    assert 0 < low < high
    assert "less than dense" in found


def test_as_well_is_said_as_more_or_as_less():
    found = sentences.findings(trainings({"g4": -0.001, "wide": 0.001}, 12, spread=0.0005), facts())
    (less,) = [one for one in found if "g4" in one]
    (more,) = [one for one in found if "wide" in one]
    assert re.search(r"g4 learns as well as dense, within 0\.5 points: 0\.1 points \[.*\] less, \d+ seeds\.$", less)
    assert re.search(r"wide learns as well as dense, within 0\.5 points: 0\.1 points \[.*\] more, \d+ seeds\.$", more)


def test_the_largest_difference_is_the_headline():
    found = trainings({"g4": 0.02, "wide": -0.08}, 9, spread=0.002)
    assert "wide" in sentences.headline(found, facts())


def test_equal_costs_are_said():
    one, other = (next(one for one in CLEAR if one.network == name) for name in ("g4", "dense"))
    assert sentences.at_equal(one, one) == "at equal parameters and MACs"
    assert sentences.at_equal(one, other) == ""


def test_what_is_equivalent_is_said_as_that():
    found = sentences.findings(trainings({}, 20, spread=0.0005), facts())
    assert all("learns as well as dense, within 0.5 points" in one for one in found[:2])
    assert sentences.headline(trainings({}, 20, spread=0.0005), facts()) == (
        "No network learns better: 2 of 2 comparisons are equivalent."
    )


def test_too_few_seeds_say_what_is_missing():
    found = trainings({}, 4)
    assert all("undecided, 4 of at least 6 seeds" in one for one in sentences.findings(found, facts()))
    assert sentences.headline(found, facts()) == "No comparison is decided: 4 seeds of at least 6 were trained."


def test_what_stays_open_is_said_with_its_interval():
    found = sentences.findings(trainings({}, 6, spread=0.08), facts())
    assert all("is undecided after 6 seeds" in one for one in found)


def test_a_network_that_failed_is_said():
    found = [*CLEAR, training("g4", 9, None)]
    assert any(
        "undecided" in one and "1 of 10 trainings of g4 failed" in one for one in sentences.findings(found, facts())
    )
    assert "diverged, the loss is no number any more" in table.render(found, facts(), "table")


def test_time_that_differs_at_equal_macs_is_said():
    same = [
        training(name, seed, 0.8, seconds=taken) for name, taken in (("g4", 9.0), ("dense", 2.0)) for seed in range(6)
    ]
    same = [*same, *(training("wide", seed, 0.8) for seed in range(6))]
    assert not any("At equal MACs" in one for one in sentences.findings(same, facts()))


def test_filters_that_grew_together_are_said():
    kept = {"g4": {"before": responses(4, inside=0.1), "after": responses(4, inside=0.9)}}
    found = sentences.findings(CLEAR, facts(responses=kept))[-1]
    assert found.startswith("Of g4, filters of one group are ")
    assert "before training" in found


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        (Interval(0.012, 0.004, 0.02), "1.2 points [0.4 to 2.0]"),
        (Interval(-0.012, -0.02, 0.0), "−1.2 points [−2.0 to 0.0]"),
        (Interval(0.0001, -0.0004, 0.0004), "0.0 points [0.0 to 0.0]"),
    ],
)
def test_points(interval, words):
    assert sentences.points(interval) == words


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_too_wide(width):
    text = table.render(CLEAR, facts(stopped_by="budget"), "table", width)
    assert max(map(cells.display_width, click.unstyle(text).splitlines())) <= width


def test_the_answer_comes_first_and_the_tables_last():
    lines = table.render(CLEAR, facts(), "table").splitlines()
    assert "reaches" in lines[0]
    assert len([line for line in lines if "reaches" in line]) == 2
    assert lines.index("Networks") < lines.index("Comparisons") < lines.index("Beside what was published")
    assert any("5% of runs" in line for line in lines)


def test_markdown_has_a_table_for_each():
    text = table.render(CLEAR, facts(), "markdown")
    assert text.count("|---|") >= 3 or text.count("| --- |") >= 3
    assert "**Networks**" in text


def test_json_says_all():
    found = json.loads(table.render(CLEAR, facts(), "json"))
    assert found["schema"] == 1
    assert [one["name"] for one in found["networks"]] == ["dense", "g4", "wide"]
    assert [one["verdict"] for one in found["comparisons"]] == ["better", "worse"]
    assert [one["direction"] for one in found["published"]] == ["opposite", "opposite"]
    assert found["comparisons"][0]["difference"]["low"] > 0


def test_names_that_a_stranger_gave_are_no_control_characters():
    told = facts()
    told["data"]["name"] = "\x1b[31mred"
    assert "\x1b" not in table.render(CLEAR, told, "markdown")

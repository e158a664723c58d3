"""Accuracy beside advice: of as many groups as the case has, apart from the ranking, and said where there is none."""

import json

import pytest
from trainings import facts, trainings

from grouped_bench.analyse.advise.advice import Advice, question
from grouped_bench.analyse.learning.summary import most_groups, of_groups
from grouped_bench.report.advice import formats
from grouped_bench.report.learning.accuracy import accuracy_json, accuracy_sheet
from grouped_bench.space.case import Setting
from grouped_bench.space.learning import Network, NetworkPart
from grouped_bench.space.studies import STUDIES

MADE = trainings({"g4": 0.05}, 9), facts()


def advice(groups):
    network = Network("n", (NetworkPart("convolution", 8), NetworkPart("convolution", 8, groups=groups)))
    case = [case for _, case in network.stages((12, 1))][1]
    return Advice(question(case, Setting("tensorflow", "graph", "cpu")), abstains="nothing is known")


def test_comparisons_with_a_dense_network_are_found():
    assert [one.comparison.network for one in of_groups(*MADE, 4)] == ["g4", "wide"]
    assert of_groups(*MADE, 8) == of_groups(*MADE, 1) == []


@pytest.mark.parametrize(
    ("study", "name", "groups"),
    [
        ("shuffle-mini", "g8 shuffled", 8),
        ("shuffle-mini", "dense", 1),
        ("resnext-mini", "C=16", 16),
        ("deep-roots-mini", "root 8", 8),
        ("deep-roots-mini", "tree 16", 16),
    ],
)
def test_the_groups_of_a_network(study, name, groups):
    assert most_groups(STUDIES[study].network(name)) == groups


def test_a_row_for_each_comparison():
    sheet = accuracy_sheet(*MADE, [4, 8])
    assert [row[:3] for row in sheet.rows] == [("4", "g4", "dense"), ("4", "wide", "dense")]
    assert sheet.rows[0][4] == "better"
    assert sheet.notes[0] == "The run has no comparison of 8 groups with a dense network."
    assert "no part of the ranking" in sheet.notes[1]


def test_advice_says_it_apart_and_after_all_else():
    bare = formats.render([advice(4)], "table", "grouped-bench advise")
    whole = formats.render([advice(4)], "table", "grouped-bench advise", 80, MADE)
    assert whole.startswith(bare)
    assert "Accuracy that small networks reached" in whole.removeprefix(bare)


def test_advice_without_a_run_has_none():
    (one,) = json.loads(formats.render([advice(4)], "json", "grouped-bench advise"))["advice"]
    assert one["accuracy"] is None


def test_json_has_it_beside_the_options():
    (one,) = json.loads(formats.render([advice(4)], "json", "grouped-bench advise", 80, MADE))["advice"]
    assert one["accuracy"] == accuracy_json(*MADE, 4)
    assert [found["verdict"] for found in one["accuracy"]] == ["better", "equivalent"]
    assert one["options"] == []

"""The summary of bench/forms.py: best exact variants by side, their ratios, and what is slower than a split."""

from dataclasses import replace

import forms
import pytest
from frames import frame

from grouped_bench.analyse.rows import extended, plain


def rows(**latencies):
    """Rows of one case: latency by side and variant."""
    found = []
    for side, costs in latencies.items():
        made = frame(groups=[4], channels=[64], variants=["regular", *["grouped"] * len(costs)])
        table = plain(made)[: 1 + len(costs)]
        for row, (name, latency) in zip(table[1:], costs.items(), strict=True):
            changed = replace(row, variant=name, computes="grouped", latency_s=latency)
            found.append(extended(forms.FormTask, changed, preset="quick", side=side.replace("_", " ")))
    return found


def test_ratios_are_of_the_best_exact_variants_of_each_side():
    measured = rows(
        oneDNN_off={"split_concat": 0.04, "composed": 0.02},
        oneDNN_on={"split_concat": 0.02, "grouped_native": 0.008},
        jax={"split_concat": 0.01, "composed": 0.02},
        torch={"grouped_native": 0.01},
    )
    found = forms.summary(measured)
    (one,) = found["cases"]
    assert {side: best["variant"] for side, best in one["best"].items()} == {
        "oneDNN off": "composed", "oneDNN on": "grouped_native", "jax": "split_concat", "torch": "grouped_native",
    }  # fmt: skip
    assert found["means"]["oneDNN off over oneDNN on, all"]["mean"] == pytest.approx(2.5)
    assert found["means"]["jax over torch, quick"]["mean"] == pytest.approx(1)
    assert [target["met"] for target in found["targets"]] == [False, True, False]
    assert found["slower"] == [(one["case"], "jax")]
    assert found["gains"]["oneDNN off"] == {"over_split": pytest.approx(2), "cases": 1, "best": {"composed": 1}}


def test_what_was_not_measured_is_null_and_no_target():
    found = forms.summary(rows(jax={"split_concat": 0.01, "composed": 0.005}))
    assert [target["met"] for target in found["targets"]] == [None, None, True]
    assert found["gains"]["torch"] == {"over_split": None, "cases": 0, "best": {}}

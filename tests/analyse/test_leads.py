"""One rule for every claim that names a winner: findings, the network's table and advice cannot disagree."""

import itertools

import numpy as np
import pytest
from frames import frame

from grouped_bench.analyse.advise.advice import question
from grouped_bench.analyse.advise.measured import from_measured
from grouped_bench.analyse.answer import answers
from grouped_bench.analyse.leads import is_clearly_faster, leader
from grouped_bench.analyse.network.parts import own_variant
from grouped_bench.analyse.rows import by_function, cohorts, plain
from grouped_bench.space.case import Case, Setting

VARIANTS = ["regular", "grouped", "grouped_native", "split_concat"]


def drawn(seed):
    """A network of two layers whose latencies, intervals, verdicts and flags are drawn."""
    rng = np.random.default_rng(seed)
    made = frame(groups=[4, 32], channels=[64], passes=["training"], variants=VARIANTS, multiplicity=3)
    count = len(made)
    latency, width = rng.lognormal(0, 0.3, count) * 1e-3, rng.uniform(1.0, 1.3, count)
    base = np.where(
        made["groups"] == 4, *(latency[(made["variant"] == "regular") & (made["groups"] == g)][0] for g in (4, 32))
    )
    low, high = base / latency / width, base / latency * width
    verdict = np.select([low > 1, high < 1, width < 1.05], ["faster", "slower", "equivalent"], "undecided").astype(
        object
    )
    dense = (made["variant"] == "regular").to_numpy()
    found = {"speedup": base / latency, "speedup_low": low, "speedup_high": high, "verdict": verdict}
    columns = {name: np.where(dense, None, values) for name, values in found.items()}
    flags = [["unstable"] if rng.random() < 0.1 else [] for _ in range(count)]
    ends = {"latency_low_s": latency / width**0.5, "latency_high_s": latency * width**0.5}
    return plain(made.assign(latency_s=latency, **ends, **columns, flags=flags))


@pytest.mark.parametrize("seed", range(60))
def test_no_two_answers_on_one_case_disagree(seed):
    rows = drawn(seed)
    (answer,) = answers(rows)
    lines = {line.own.groups: line for line in answer.lines}
    for cohort in cohorts(rows):
        same = next(some for some in by_function(cohort.rows) if some[0].computes == "grouped")
        first, line = leader(same), lines[cohort.groups]
        own = next(row for row in same if row.variant == own_variant(row))
        if first is not None:
            assert line.best is (None if first is own else first)
            asked = question(Case.from_columns(first), Setting.from_columns(first))
            advice = from_measured(asked, cohort.rows)
            assert advice is None or (advice.best.variant == first.variant and not advice.ties)
        if line.best is not None:
            assert is_clearly_faster(line.best, own) and not is_clearly_faster(own, line.best)


def test_the_draws_have_what_there_is_to_disagree_on():
    found = [leader(some) for seed in range(60) for cohort in cohorts(drawn(seed)) for some in by_function(cohort.rows)]
    assert 20 < sum(one is not None for one in found) < len(found) - 20


def test_a_pair_asked_alone_is_told_by_its_latencies():
    rows = {row.variant: row for row in drawn(0) if row.groups == 4}
    order = sorted(rows.values(), key=lambda row: row.seconds)
    for first, second in itertools.pairwise(order):
        assert is_clearly_faster(first, second) <= is_clearly_faster(first, second, alone=True)

"""Which pictures a run needs: one for each kind of run, and no figure that says what another one says."""

import pandas as pd
import pytest
from frames import fail, frame

from grouped_bench.analyse.answer import answers
from grouped_bench.analyse.pictures import RANKING, SAVINGS, WINNERS, first_picture, telling
from grouped_bench.analyse.rows import plain


def small(**options):
    return frame(**{"groups": [8], "channels": [64], "passes": ["training"], **options})


def undecided(made):
    return made.assign(speedup_low=0.1, speedup_high=10.0, latency_low_s=1e-6, latency_high_s=10.0)


@pytest.mark.parametrize(
    "made, expected",
    [
        (small(groups=[1, 8], multiplicity=2), SAVINGS),
        (undecided(small(groups=[1, 8], multiplicity=2)), SAVINGS),
        (small(groups=[4, 8]), WINNERS),
        (small(), RANKING),
        (pd.concat([small(), small(backend="jax")]), RANKING),
        (undecided(small(groups=[4, 8])), RANKING),
        (undecided(small(groups=[2, 4, 8, 16, 32])), WINNERS),
        (small(variants=["regular", "grouped_native"]), None),
        (fail(small(), small()["groups"] > 0, "oom", None), None),
    ],
)
def test_each_kind_of_run_has_its_own_first_picture(made, expected):
    assert first_picture([answer for answer in answers(plain(made)) if answer.lines]) == expected


def test_latency_against_groups_needs_three_group_counts_of_one_shape():
    assert "latency" in telling(plain(small(groups=[1, 4, 8])))
    assert "latency" not in telling(plain(small(groups=[1, 8])))
    apart = pd.concat([small(groups=[1]), small(groups=[4], channels=[128]), small(groups=[8], channels=[256])])
    assert "latency" not in telling(plain(apart))


def test_a_heat_map_needs_groups_by_channels():
    assert "speedup" in telling(plain(small(groups=[4, 8], channels=[64, 128])))
    assert "speedup" not in telling(plain(small(groups=[4, 8])))
    diagonal = pd.concat([small(groups=[4], channels=[64]), small(groups=[8], channels=[128])])
    assert "speedup" not in telling(plain(diagonal))


def test_a_crossover_needs_a_verdict_that_turns():
    made = small(groups=[2, 8])
    assert "crossover" not in telling(plain(made))
    turning = (made["variant"] == "grouped_native") & (made["groups"] == 2)
    assert "crossover" in telling(plain(made.assign(verdict=made["verdict"].mask(turning, "slower"))))


def test_savings_against_theory_need_shapes_that_differ_in_more_than_groups():
    assert "theory" in telling(plain(small(groups=[2, 4, 8], channels=[64, 128, 256])))
    assert "theory" not in telling(plain(small(groups=[2, 4, 8])))
    backends = [small(groups=[2, 4, 8], backend=name) for name in ("tensorflow", "jax", "torch")]
    assert "theory" not in telling(plain(pd.concat(backends)))


def test_the_tradeoff_needs_memory_that_is_known_closely():
    assert "tradeoff" in telling(plain(small()))
    assert "tradeoff" not in telling(plain(small(memory_source="resident")))

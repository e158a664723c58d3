"""Blocks from the options to the page: cases, plans, refusals, the pair with the bottleneck, tables and figures."""

import json

import numpy as np
import pandas as pd
import pytest
from cases import GRAPH, make_block, make_case
from click.testing import CliRunner
from frames import frame
from visit_records import SHARED, noisy, visit

from grouped_bench import variants
from grouped_bench.analyse.rows import plain
from grouped_bench.analyse.statistics.derive import derive
from grouped_bench.analyse.statistics.pairs import Verdicts
from grouped_bench.api import runs
from grouped_bench.commands import main
from grouped_bench.errors import SpaceError
from grouped_bench.harness.plan import Cohort, Plan, make_plan
from grouped_bench.harness.sweep.cohort_state import Standing
from grouped_bench.report.drawing import registry
from grouped_bench.report.drawing.registry import Drawable
from grouped_bench.report.figures.latency import latency
from grouped_bench.report.figures.speedup import speedup
from grouped_bench.report.findings.findings import findings
from grouped_bench.report.page import html
from grouped_bench.report.run.tables import render
from grouped_bench.space.axes import Control
from grouped_bench.space.case import Case
from grouped_bench.space.space import Space
from grouped_bench.store.rows import make_rows
from grouped_bench.store.runs import read_run, write_run

FOUR = ("bottleneck", "resnext_concat", "resnext_grouped", "resnext_sum")
SPEED = {"bottleneck": 1.0, "resnext_concat": 2.0, "resnext_grouped": 0.25, "resnext_sum": 1.0}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cardinality": None}, "a block needs a cardinality and a width"),
        ({"groups": 2}, "blocks take a cardinality, and groups 1"),
        ({"out_channels": 16}, "a skip connection needs channels in = out"),
        ({"stride": (2, 1)}, "a skip connection needs stride 1"),
        ({"padding": "valid"}, "a skip connection needs padding same"),
        ({"bias": True}, "blocks are normalised and take no bias"),
        ({"size": (6,)}, "size 6 has 1 extent, rank 2 needs 2"),
        (
            {"cardinality": 2**24, "width": 2**24},
            "more than 1e+17 multiply-accumulates or elements, which no machine can hold",
        ),
    ],
)
def test_a_block_without_sense_says_why(changes, reason):
    assert Case(**{**vars(make_block()), **changes}).problem() == reason


@pytest.mark.parametrize("changes", [{}, {"dilation": 2}, {"kernel_size": 4}, {"rank": 3}, {"cardinality": 1}])
def test_a_block_at_the_edge_of_sense_has_no_problem(changes):
    assert make_block(**changes).problem() is None


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "ResNeXt block 8, 2×3, k3x3 on 6x6 batch 2 training"),
        ({"rank": 1, "dtype": "bfloat16"}, "1D ResNeXt block 8, 2×3, k3 on 6 batch 2 training bfloat16"),
    ],
)
def test_the_title_of_a_block_names_its_paths(changes, text):
    assert make_block(**changes).title() == text


def test_a_block_survives_its_columns():
    block = make_block()
    assert Case.from_columns(block.to_columns()) == block
    assert (block.baseline, make_case().baseline) == ("bottleneck", "regular")
    assert (block.inner_channels, make_case().inner_channels) == (6, 0)


def test_paths_have_defaults_in_blocks_and_layers_have_none():
    layer, block = (point.case for point in Space(scope="layer,block").points())
    assert (layer.scope, layer.cardinality, layer.width) == ("layer", None, None)
    assert (block.scope, block.cardinality, block.width) == ("block", 32, 4)


def test_a_space_of_both_scopes_multiplies_each_by_its_own_axes():
    space = Space(scope="layer,block", cardinality=[1, 8], width=[4, 64])
    assert [point.case.scope for point in space.points()] == ["layer"] + ["block"] * 4
    plan = make_plan(space)
    assert [len(cohort.variants) for cohort in plan.cohorts] == [5, 4, 4, 4, 4]
    assert plan.pairs == 4 + 4 * 3


def test_all_stands_for_every_variant_of_the_scope():
    layer, block = make_plan(Space(scope="layer,block", variant="all")).cohorts
    assert (layer.variants[0], set(layer.variants)) == ("regular", set(variants.names()))
    assert block.variants == ("bottleneck", "resnext_concat", "resnext_grouped", "resnext_native", "resnext_sum")


def test_the_baseline_of_a_block_stands_first_and_makes_pairs():
    plan = make_plan(Space(scope="block", variant="resnext_sum,bottleneck"))
    assert plan.cohorts[0].variants == ("bottleneck", "resnext_sum")
    assert (plan.pairs, make_plan(Space(scope="block", variant="resnext_sum")).pairs) == (1, 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            "--cardinality 8",
            "`cardinality` must go with scope block. Received: cardinality 8 with scope layer. "
            'Leave it out, or add --scope block (scope = "block" in TOML and Python).',
        ),
        ("--width 4", "`width` must go with scope block. Received: width 4 with scope layer. "),
        ("--preset quick --width 4", "quick.toml [[case]] 1: `width` must go with scope block. "),
        (
            "--scope block --variant regular",
            "a variant must have the scope of its case. Received: regular, a variant of scope layer, for scope "
            "block. Use "
            "one of bottleneck, resnext_concat, resnext_grouped, resnext_native, resnext_sum, or all.",
        ),
        ("--variant all,resnext_sum", "Received: resnext_sum, a variant of scope block, for scope layer. Use one of "),
        ("--scope layer,block --variant regular", "Received: regular, a variant of scope layer, for scope block. "),
        ("--scope block --groups 4", "blocks take a cardinality, and groups 1. Change the axis named in the reason."),
        ("--scope block --channels 3:64", "a skip connection needs channels in = out. Change "),
        ("--scope block --stride 2", "a skip connection needs stride 1. Change "),
        ("--scope block --padding valid", "a skip connection needs padding same. Change "),
        ("--scope block --bias", "blocks are normalised and take no bias. Change "),
        ("--scope path", "`scope` takes layer (one convolution) or block (a residual block). Received: path. "),
        ("--scope block --cardinality 0", "`cardinality` takes positive integers: the paths of a block. Received: 0. "),
    ],
)
def test_what_is_no_block_is_refused_in_words_with_exit_2(options, words, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["grouped-bench", "plan", *options.split()])
    with pytest.raises(SystemExit) as caught:
        main.main()
    told = capsys.readouterr()
    assert caught.value.code == 2
    assert told.out == ""
    assert words in told.err


def test_the_plan_of_a_block_has_its_axes_and_counts():
    words = ["plan", "--scope", "block", "--channels", "256", "--size", "56", "--batch-size", "1", "--format", "json"]
    made = json.loads(CliRunner().invoke(main.cli, words).stdout)
    split, dense = made["tasks"][1], made["tasks"][0]
    expected = {"scope": "block", "cardinality": 32, "width": 4, "groups": 1, "in_channels": 256, "out_channels": 256}
    assert {key: split[key] for key in expected} == expected
    assert (split["variant"], split["computes"], split["params"]) == ("resnext_sum", "resnext", 70_144)
    assert (dense["variant"], dense["computes"], dense["params"]) == ("bottleneck", "bottleneck", 212_992)


def records(block_only=False):
    rng = np.random.default_rng(0)
    cohorts = [dict.fromkeys(FOUR, 0.02)] if block_only else [{"regular": 0.02, "grouped": 0.01}, SPEED]
    for number in range(8):
        for cohort, latencies in enumerate(cohorts):
            speeds = {name: 0.02 / SPEED.get(name, 2.0 if name == "grouped" else 1.0) for name in latencies}
            yield visit(number % 3, {name: noisy(rng, s) for name, s in speeds.items()}, cohort=cohort)


@pytest.fixture(scope="module")
def derived():
    """A run of one layer and one block, with verdicts."""
    cohorts = (Cohort(make_case(), GRAPH, ("regular", "grouped")), Cohort(make_block(), GRAPH, FOUR))
    rows = make_rows([{**task, **SHARED} for task in Plan(cohorts, ()).numbered()], records(), "not reached")
    made = frame().iloc[:0].reindex(range(len(rows)))
    for name in made.columns:
        made[name] = np.array([None] * len(rows), dtype=object)
        for number, row in enumerate(rows):
            made.at[number, name] = row[name]
    return derive(made, 0.03)


def test_every_block_is_paired_with_its_bottleneck(derived):
    found = derived.set_index("variant")
    assert found.loc["bottleneck", "verdict"] is None
    assert dict(found.loc[["resnext_concat", "resnext_grouped", "resnext_sum", "grouped"], "verdict"]) == {
        "resnext_concat": "faster",
        "resnext_grouped": "slower",
        "resnext_sum": "equivalent",
        "grouped": "faster",
    }
    assert found.loc["resnext_concat", "speedup"] == pytest.approx(2, rel=0.01)


def test_a_standing_settles_blocks_against_the_bottleneck():
    standing = Standing(0, Cohort(make_block(), GRAPH, FOUR), Verdicts(3, 0.03), Control())
    for record in records(block_only=True):
        standing.absorb({**record, "seconds": 1.0, "visit_seconds": 0.5, "start_seconds": 0.5, "built": {
            name: {**built, "verify_s": 0.0} for name, built in record["built"].items()
        }})  # fmt: skip
    assert set(standing.pairs) == set(FOUR) - {"bottleneck"}
    assert standing.pairs["resnext_concat"].verdict == "faster"
    assert standing.active == []


def test_a_run_of_blocks_is_written_and_read_again(derived, tmp_path):
    write_run(derived, {"run_id": "r", "schema": 1}, tmp_path / "r.parquet")
    read, _ = read_run(tmp_path / "r.parquet")
    assert read["cardinality"].isna().tolist() == [True] * 2 + [False] * 4
    assert [row["width"] for row in plain(read)] == [None, None, 3, 3, 3, 3]


def test_tables_and_findings_name_the_block_and_its_baseline(derived, tmp_path):
    text = render(derived, [{"run_id": "r"}], format="markdown")
    assert "### ResNeXt block 8, 2×3, k3x3 on 6x6 batch 2 training" in text
    assert text.count("baseline") >= 2
    assert "computes resnext, macs " in render(derived, [{"run_id": "r"}])
    page = html.write(derived, [{"run_id": "r"}], tmp_path / "page.html").read_text()
    assert page.count('<th scope="col">computes</th><th scope="col">macs</th>') == 1
    told = "\n".join(finding.text for finding in findings(derived))
    assert (
        "resnext_grouped (Keras groups=) is 4.0× [3.9–4.1] slower than bottleneck, with less arithmetic (2 paths"
        in told
    )
    assert "Grouping beats the bottleneck block: 2.0× [1.9–2.1] faster at best (resnext_concat, 2 paths" in told


def test_figures_count_paths_where_there_are_no_groups(derived):
    blocks = derived[derived["scope"] == "block"]
    sketch = latency(Drawable(plain(blocks)), "Latency against groups")
    assert {axes.get_xlabel() for axes in sketch.figure.axes} == {"cardinality"}
    assert "at 2 paths" in sketch.alt
    assert "block" in sketch.figure.get_suptitle()
    words = speedup(Drawable(plain(blocks)), "Speed-up").alt
    assert "at 2 paths and 8 channels)" in words
    without = {figure.name for figure in registry.draw(derived) if figure.reason}
    assert without <= {"memory", "crossover", "roofline", "first_call", "history"}


def test_blocks_of_equal_cost_are_one_line_and_others_a_panel_a_width(derived):
    block = derived[derived["scope"] == "block"]
    table = pd.concat([block.assign(cardinality=c, width=d) for c, d in ((1, 64), (8, 14), (32, 4))])
    (axes,) = latency(Drawable(plain(table)), "Latency").figure.axes
    assert axes.get_xlabel() == "cardinality (width 64, 14, 4)"
    product = pd.concat([block.assign(cardinality=c, width=d) for c in (1, 8) for d in (4, 64)])
    panels = latency(Drawable(plain(product)), "Latency").figure.axes
    assert [axes.get_title() for axes in panels] == ["width 4", "width 64"]


def test_blocks_of_one_path_are_twins(derived):
    alone = derived[derived["scope"] == "block"].assign(cardinality=1)
    told = "\n".join(finding.text for finding in findings(alone))
    assert "With one path, the bottleneck and the resnext function are the same: of 3 comparisons, " in told


def test_a_space_from_python_may_hold_both_scopes_in_tables():
    space = Space(cases=[{"groups": 4}, {"scope": "block", "cardinality": 8}])
    planned, _ = runs.plan_run(space, channels=32)
    assert [(c.case.scope, c.case.groups, c.case.cardinality) for c in planned.cohorts] == [
        ("layer", 4, None),
        ("block", 1, 8),
    ]
    with pytest.raises(SpaceError, match=r"\[\[case\]\] 1: `cardinality"):
        space.replace(cardinality=4)

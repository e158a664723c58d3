"""The screen that ends a run: 15 lines at 80 columns that say what is fastest, by how much, and what to do next."""

from pathlib import Path

import click
import pandas as pd
import pytest
from frames import HOSTILE, fail, frame, metadata

from grouped_bench.report.run.answer import MOST_LINES, of_run
from grouped_bench.report.run.next_steps import Next
from grouped_bench.report.text.cells import display_width

FILE = Path("results/m/run.parquet")
SOURCE = {"source": "net.keras", "cases": [], "control": {}}
FACTS = {"space": SOURCE, "visits": 381, "time": {"total_s": 366.0}}


def lines(made, *, width=80, after=None, **facts):
    return [click.unstyle(line) for line in of_run(made, metadata(**{**FACTS, **facts}), width=width, after=after)]


def training(**options):
    return frame(passes=["training"], **options)


def network(count=2, **options):
    made = training(groups=[1, 32], channels=[128], **options)
    layers = [
        made.assign(multiplicity=3, label=f"layer {number}", size=[[28 + number] * 2] * 10) for number in range(count)
    ]
    return pd.concat(layers, ignore_index=True)


def test_a_network_is_told_layer_by_layer_and_as_a_whole():
    assert lines(network(), after=Next(FILE, page=False)) == [
        "net.keras · training · batch 8 · tensorflow 2.21 graph · 2 CPUs",
        "",
        "layer       as it is  best form       time   faster",
        "layer 0 ×3  15 s      grouped_native  18 ms  850× [820–890]",
        "layer 1 ×3  15 s      grouped_native  18 ms  850× [820–890]",
        "2 more layers: nothing to gain (290 ms together)",
        "",
        "96× faster convolutions: 31.0 s → 324 ms a training step.",
        "Took 6:06, 381 visits.",
        "",
        "Next: grouped-bench advise latest --code > fast_layers.py",
        "      grouped-bench show latest",
        "Wrote results/m/run.parquet",
    ]


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize(
    "made",
    [
        network(),
        network(count=12),
        frame(),
        frame(groups=[2, 4, 8, 16, 32]),
        pd.concat([frame(backend=name) for name in ("tensorflow", "jax", "torch")], ignore_index=True),
        pd.concat([network(execution=name) for name in ("graph", "xla")], ignore_index=True),
        training(groups=[4], channels=[64]),
        training(speedup=None, verdict=None, latency_s=None),
        training(flags=["unstable", "stolen_cpu", HOSTILE]),
        fail(training(), training()["variant"] == "grouped_native", "crashed", HOSTILE),
        training(status="crashed"),
        training(label=HOSTILE, multiplicity=1),
    ],
    ids=range(12),
)
def test_an_answer_fits_on_a_screen(made, width):
    page = Next(FILE, Path("results"), page=True)
    told = lines(made, width=width, after=page)
    assert len(told) <= MOST_LINES + (2 if width < 80 else 0)
    assert all(line.isprintable() for line in told)
    paths = [line for line in told if line.startswith(("Page: ", "Wrote "))]
    assert len(paths) == 2
    assert max(display_width(line) for line in told if line not in paths) <= width


def test_a_single_case_is_told_form_by_form():
    told = lines(training(groups=[4], channels=[64]), after=Next(FILE, page=False))
    assert told[0] == "Conv2D 64→64 k3x3 on 28x28 groups 4 batch 8 training · tensorflow 2.21 graph"
    assert told[2:6] == [
        "form            time     against Keras' groups=",
        "grouped_native  5.21 ms  31× [29–32] faster",
        "split_concat    6.90 ms  23× [22–24] faster",
        "grouped         160 ms   as it is",
    ]
    assert told[7].startswith("grouped_native is 31× faster than Keras' groups= (160 ms → 5.21 ms a call).")


def test_colour_says_which_way_a_form_goes():
    made = training(groups=[4], channels=[64], variants=["regular", "grouped", "grouped_native", "split_concat"])
    made.loc[made["variant"] == "split_concat", ["speedup", "speedup_low", "speedup_high"]] = [0.01, 0.009, 0.011]
    told = {click.unstyle(line).split("  ")[0]: line for line in of_run(made, metadata(**FACTS))}
    assert told["grouped_native"].startswith("\x1b[32m")
    assert told["split_concat"].startswith("\x1b[31m")
    assert told["grouped"].startswith("grouped")


def test_a_sweep_of_many_cases_tells_the_greatest_gains_and_counts_the_others():
    told = lines(training(groups=[2, 4, 8, 16, 32], channels=[32, 64, 128]))
    assert told[2].split() == ["case", "as", "it", "is", "best", "form", "time", "faster"]
    assert told[3].startswith("64→64 groups 32 ") or told[3].startswith("128→128 groups 32 ") or "groups 32" in told[3]
    assert told[-4].endswith(" more cases: faster too")
    assert told[-2] == "grouped_native beats Keras' groups= in all 15 cases, by 10× to 850×."


def test_several_settings_are_told_a_line_each_the_best_first():
    slow = training(groups=[2, 4, 8, 32], backend="jax", execution="xla")
    slow["latency_s"] *= 3
    told = lines(pd.concat([slow, training(groups=[2, 4, 8, 32])], ignore_index=True))
    assert told[0] == "net.keras · training · batch 8 · jax, tensorflow · 2 CPUs"
    assert told[2].split() == ["setting", "best", "total", "faster", "in", "the", "best", "form", "faster"]
    assert told[3].startswith("tensorflow graph  91 ms       8 of 8 cases  grouped_native  850×")
    assert told[4].startswith("jax xla           270 ms      8 of 8 cases  grouped_native  850×")


def test_what_is_open_is_told_with_its_bound():
    made = training(groups=[4], channels=[64, 128], variants=["regular", "grouped", "grouped_native"])
    other = made["variant"] == "grouped_native"
    made.loc[other, ["speedup", "speedup_low", "speedup_high"]] = [0.1, 0.07, 0.2]
    told = lines(made)
    assert told[3].split()[-4:] == ["undecided,", "up", "to", "2.7×"]
    assert told[6] == "No winner in 2 cases: no form is clearly faster than Keras' groups=."


def test_one_visit_gives_a_guess_and_no_winner():
    bare = dict.fromkeys(("speedup", "speedup_low", "speedup_high", "latency_low_s", "latency_high_s"))
    told = lines(training(groups=[4], channels=[64], verdict=None, **bare))
    assert told[3] == "grouped_native  5.21 ms  about 31× faster"
    assert told[7].startswith("Too few visits to be sure: grouped_native is about 31× faster than Keras'")


def test_warnings_say_what_would_help():
    off = "InvalidArgumentError: filter_size does not have enough elements, requested 147456, got 4608"
    made = training(in_force='{"onednn": false}')
    made = fail(made, (made["variant"] == "grouped_native") & (made["groups"] > 1), "unsupported", off)
    assert "! grouped_native cannot run in 4 cases. Try TF_ENABLE_ONEDNN_OPTS=1" in lines(made)
    on = training(env="TF_ENABLE_ONEDNN_OPTS=1", in_force='{"onednn": true}')
    both = lines(pd.concat([made.assign(env="TF_ENABLE_ONEDNN_OPTS=0"), on], ignore_index=True))
    assert "! grouped_native cannot run in 4 cases without TF_ENABLE_ONEDNN_OPTS=1" in both
    busy = lines(training(flags=["unstable", "stolen_cpu"]))
    assert "! busy machine: 30 of 30 tasks disturbed (stolen cpu)" in busy
    assert not any("!" in line for line in lines(training(flags=["unstable", "not_settled"])))
    made = fail(training(), training()["variant"] == "split_sum", "timeout", None)
    assert "! no figure for 6 of 30 tasks (6 timeout): split_sum" in lines(made)


def test_one_case_in_several_environments_is_named_in_the_title():
    made = training(groups=[32], channels=[64])
    both = pd.concat([made.assign(env="A=0"), made.assign(env="A=1")], ignore_index=True)
    assert lines(both)[0].startswith("Conv2D 64→64 k3x3 on 28x28 groups 32 batch 8 training · ")


def test_an_unfinished_run_is_resumed_first():
    told = lines(network(), after=Next(FILE, Path("results"), page=False), stopped_by="user", finished=False)
    assert "Took 6:06, 381 visits; interrupted." in told
    assert told[-4] == "Next: grouped-bench run --resume run"


def test_blocks_are_told_against_the_one_with_keras_groups():
    made = training(groups=[1], channels=[256], variants=["regular", "grouped", "grouped_native"]).assign(
        scope="block", cardinality=32, width=4, computes=["bottleneck", "resnext", "resnext"]
    )
    made["variant"] = ["bottleneck", "resnext_grouped", "resnext_native"]
    made.loc[1, ["speedup", "speedup_low", "speedup_high"]] = [0.1, 0.09, 0.11]
    told = lines(made, after=Next(FILE))
    assert any("resnext_native" in line and "10×" in line and line.endswith("faster") for line in told)
    assert not any("advise" in line for line in told)  # which knows layers alone
    alone = " ".join(lines(made.head(2)))
    assert "Nothing to compare: the block with Keras' groups= was measured alone" in alone


def test_without_keras_own_form_nothing_is_compared():
    told = " ".join(
        lines(training(variants=["regular", "split_concat"], groups=[8]).assign(speedup=0.5, verdict="slower"))
    )
    assert "Nothing to compare: Keras' own form was not measured in any case." in told

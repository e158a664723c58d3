"""The answer of a run: what each case takes as it is, and changes that are claimed only where they are sure."""

import pandas as pd
import pytest
from frames import fail, frame

from grouped_bench.analyse.answer import BEST, FASTER, OPEN, answers
from grouped_bench.analyse.network.parts import own_variant, parts
from grouped_bench.analyse.rows import plain
from grouped_bench.store.schema import Task


def network(**options):
    chosen = {"groups": [1, 4, 32], "channels": [64], "passes": ["training"], **options}
    made = frame(**chosen)
    made["multiplicity"] = made["groups"]
    made["label"] = [f"layer {groups}" for groups in made["groups"]]
    return made


def of(made):
    (found,) = answers(plain(made))
    return {line.own.groups: line for line in found.lines}, found


def latency(made, groups, variant):
    return float(made[(made["groups"] == groups) & (made["variant"] == variant)]["latency_s"].iloc[0])


def test_a_layer_has_the_time_of_its_own_variant_as_often_as_it_stands_there():
    made = network()
    lines, found = of(made)
    assert lines[1].seconds == pytest.approx(latency(made, 1, "regular"))
    assert lines[4].seconds == pytest.approx(4 * latency(made, 4, "grouped"))
    assert found.seconds == pytest.approx(sum(line.seconds for line in lines.values()))
    assert [line.own.groups for line in found.lines] == [32, 4, 1]


def test_a_change_is_to_the_fastest_of_the_same_function():
    made = network()
    lines, found = of(made)
    assert {groups: line.best and line.best.variant for groups, line in lines.items()} == {
        1: None,
        4: "grouped_native",
        32: "grouped_native",
    }
    saved = 32 * (latency(made, 32, "grouped") - latency(made, 32, "grouped_native"))
    assert lines[32].saved.value == pytest.approx(saved, rel=0.1)
    assert found.saved == pytest.approx(sum(line.saved.value for line in lines.values()))
    assert found.gain.value == pytest.approx(found.seconds / found.after)
    assert found.gain.low <= found.gain.value <= found.gain.high


def test_the_gain_of_all_layers_holds_at_the_ends_of_each():
    _, found = of(network())
    worst = sum(line.seconds / line.gain.low for line in found.lines)
    assert found.gain.low == pytest.approx(found.seconds / worst)
    blurred = network().assign(speedup_low=None)
    assert of(blurred)[1].gain.low in (None, 1.0)


def test_a_faster_way_to_compute_another_function_is_no_change():
    made = network(variants=["regular", "grouped", "split_sum"])
    made.loc[made["variant"] == "split_sum", ["latency_s", "speedup", "speedup_low", "speedup_high"]] = [1e-6, 9, 9, 9]
    assert of(made)[0][4].best is None


def test_with_one_group_every_variant_is_the_same_function():
    made = network(groups=[1])
    assert of(made)[0][1].best is None
    quick = made["variant"] == "grouped_native"
    made.loc[quick, ["speedup", "speedup_low", "speedup_high"]] = [2.0, 1.9, 2.1]
    made.loc[quick, "latency_s"] /= 2
    made.loc[quick, "verdict"] = "faster"
    assert of(made)[0][1].best.variant == "grouped_native"


def test_leads_within_the_noise_are_not_claimed_and_the_case_is_open():
    made = network(groups=[4])
    assert of(made)[0][4].state == FASTER
    blurred = of(made.assign(speedup_low=0.1, speedup_high=9.0))[0][4]
    assert (blurred.best, blurred.state) == (None, OPEN)
    assert blurred.at_most == pytest.approx(90)
    assert (blurred.gain.value, blurred.saved.value) == (1.0, 0.0)


def test_what_a_moved_machine_leaves_of_an_interval_is_claimed():
    made = network(groups=[4])
    moved = made.assign(flags=[["unstable", "stolen_cpu"]] * len(made))
    assert of(moved)[0][4].best.variant == "grouped_native"


def test_where_no_other_form_can_be_faster_the_own_one_is_the_best():
    assert of(network(groups=[1], variants=["regular"]))[0][1].state == BEST
    made = network(groups=[4], variants=["regular", "grouped", "split_concat"])
    made.loc[made["variant"] == "split_concat", ["speedup", "speedup_low", "speedup_high"]] = [0.01, 0.009, 0.011]
    made.loc[made["variant"] == "split_concat", ["latency_s", "verdict"]] = [1.0, "slower"]
    assert of(made)[0][4].state == BEST


def test_without_a_baseline_latencies_decide():
    made = network(groups=[4], variants=["grouped", "grouped_native"], speedup=None, speedup_low=None)
    made["speedup_high"] = None
    assert of(made)[0][4].best.variant == "grouped_native"
    assert of(made.assign(latency_high_s=1.0))[0][4].best is None


def test_a_layer_without_its_own_time_is_in_no_sum():
    made = network()
    made = fail(made, (made["groups"] == 32) & (made["variant"] == "grouped"), "timeout", "slow")
    lines, found = of(made)
    (gone,) = found.unmeasured
    assert (gone.variant, gone.status, 32 in lines) == ("grouped", "timeout", False)
    assert found.seconds == pytest.approx(lines[1].seconds + lines[4].seconds)
    (never,) = [row for row in of(network(variants=["regular"]))[1].unmeasured if row.groups == 4]
    assert never.variant == "regular"


def test_cases_of_a_sweep_are_sorted_by_their_gain_and_batches_stand_together():
    made = frame(groups=[4, 32], channels=[64], passes=["training"])
    other = made.assign(batch_size=1)
    (found,) = answers(plain(made) + plain(other))
    assert not found.is_network
    gains = [line.gain.value for line in found.lines]
    assert len(gains) == 4 and gains == sorted(gains, reverse=True)
    assert {line.times for line in found.lines} == {1}
    assert answers([]) == []


def test_passes_and_batches_are_networks_of_their_own():
    rows = plain(network(passes=["inference", "training"]))
    assert [found.first.pass_ for found in answers(rows)] == ["inference", "training"]
    assert len(parts(rows)) == 2


def test_the_own_variant_of_a_layer_is_that_of_keras():
    rows = [Task(groups=groups) for groups in (None, 1, 2)]
    assert [own_variant(row) for row in rows] == ["regular", "regular", "grouped"]


def test_a_depthwise_layer_has_the_time_of_the_depthwise_operation():
    made = network(groups=[64], variants=["regular", "grouped", "grouped_native"])
    made = made.replace({"variant": {"grouped_native": "depthwise_sum"}})
    (as_grouped,) = of(made.assign(in_use="grouped"))[0].values()
    assert as_grouped.seconds == pytest.approx(64 * latency(made, 64, "grouped"))
    assert as_grouped.best.variant == "depthwise_sum"
    (as_depthwise,) = of(made.assign(in_use="depthwise_sum"))[0].values()
    assert as_depthwise.seconds == pytest.approx(64 * latency(made, 64, "depthwise_sum"))
    assert as_depthwise.best is None
    (left_out,) = of(made[made["variant"] == "regular"].assign(in_use="depthwise_sum"))[1].unmeasured
    assert left_out.variant == "regular"


def test_blocks_are_compared_with_the_one_that_has_keras_groups_and_are_no_network():
    made = frame(groups=[8], channels=[64], passes=["training"], variants=["grouped", "grouped_native"])
    renamed = {"grouped": "resnext_grouped", "grouped_native": "resnext_native"}
    blocks = made.assign(scope="block", computes="resnext", cardinality=8, groups=1, multiplicity=2)
    blocks["variant"] = blocks["variant"].replace(renamed)
    of_layers, of_blocks = answers(plain(pd.concat([made, blocks])))
    assert not of_blocks.is_network
    (line,) = of_blocks.lines
    assert line.own.variant == "resnext_grouped"
    assert line.best is not None
    assert line.best.variant == "resnext_native"
    assert of_layers.lines[0].own.variant == "grouped"

"""A network by its layers: shares that add up, and changes that are claimed only where they are sure."""

import pytest
from frames import fail, frame

from grouped_bench.analyse.network import networks, own_variant, parts
from grouped_bench.analyse.rows import plain
from grouped_bench.store.schema import Task


def network(**options):
    chosen = {"groups": [1, 4, 32], "channels": [64], "passes": ["training"], **options}
    made = frame(**chosen)
    made["multiplicity"] = made["groups"]
    made["label"] = [f"layer {groups}" for groups in made["groups"]]
    return made


def of(made):
    (found,) = networks(plain(made))
    return {layer.row["groups"]: layer for layer in found.layers}, found


def latency(made, groups, variant):
    return float(made[(made["groups"] == groups) & (made["variant"] == variant)]["latency_s"].iloc[0])


def test_a_layer_has_the_time_of_its_own_variant_as_often_as_it_stands_there():
    made = network()
    layers, found = of(made)
    assert layers[1].seconds == pytest.approx(latency(made, 1, "regular"))
    assert layers[4].seconds == pytest.approx(4 * latency(made, 4, "grouped"))
    assert found.seconds == pytest.approx(sum(layer.seconds for layer in layers.values()))
    assert sum(layer.share for layer in layers.values()) == pytest.approx(1)
    assert [layer.row["groups"] for layer in found.layers] == [32, 4, 1]


def test_a_change_is_to_the_fastest_of_the_same_function():
    made = network()
    layers, _ = of(made)
    assert (layers[4].faster, layers[32].faster) == ("grouped_native", "grouped_native")
    saved = 32 * (latency(made, 32, "grouped") - latency(made, 32, "grouped_native"))
    assert layers[32].saved_s == pytest.approx(saved)


def test_a_faster_way_to_compute_another_function_is_no_change():
    made = network(variants=["regular", "grouped", "split_sum"])
    made.loc[made["variant"] == "split_sum", ["latency_s", "speedup", "speedup_low", "speedup_high"]] = [1e-6, 9, 9, 9]
    assert of(made)[0][4].faster is None


def test_with_one_group_every_variant_is_the_same_function():
    made = network(groups=[1])
    quick = made["variant"] == "grouped_native"
    made.loc[quick, "latency_s"] /= 2
    assert of(made)[0][1].faster is None
    made.loc[quick, "verdict"] = "faster"
    assert of(made)[0][1].faster == "grouped_native"


def test_leads_within_the_noise_and_of_unstable_rows_are_not_claimed():
    made = network(groups=[4])
    blurred = made.assign(speedup_low=0.1, speedup_high=9.0)
    assert of(blurred)[0][4].faster is None
    moved = made.assign(flags=[["unstable"] if variant == "grouped_native" else [] for variant in made["variant"]])
    assert of(moved)[0][4].faster is None
    own = made.assign(flags=[["unstable"] if variant == "grouped" else [] for variant in made["variant"]])
    assert (of(own)[0][4].faster, of(own)[0][4].problem) == (None, "unstable")


def test_without_a_baseline_latencies_tell():
    made = network(groups=[4], variants=["grouped", "grouped_native"], speedup=None, speedup_low=None)
    made["speedup_high"] = None
    assert of(made)[0][4].faster == "grouped_native"
    assert of(made.assign(latency_high_s=1.0))[0][4].faster is None


def test_a_layer_without_its_own_time_is_in_no_sum():
    made = network()
    made = fail(made, (made["groups"] == 32) & (made["variant"] == "grouped"), "timeout", "slow")
    layers, found = of(made)
    gone = layers[32]
    assert (gone.seconds, gone.share, gone.saved_s, gone.problem) == (None, None, None, "grouped timeout")
    assert found.seconds == pytest.approx(layers[1].seconds + layers[4].seconds)
    assert layers[1].share + layers[4].share == pytest.approx(1)
    assert of(network(variants=["regular"]))[0][4].problem == "grouped not in the plan"


def test_a_run_without_multiplicities_is_no_network():
    assert networks(plain(frame())) == []
    assert networks([]) == []


def test_passes_and_batches_are_networks_of_their_own():
    rows = plain(network(passes=["inference", "training"]))
    assert [found.layers[0].row["pass"] for found in networks(rows)] == ["inference", "training"]
    assert len(parts(rows)) == 2


def test_the_own_variant_of_a_layer_is_that_of_keras():
    rows = [Task(groups=groups) for groups in (None, 1, 2)]
    assert [own_variant(row) for row in rows] == ["regular", "regular", "grouped"]


def test_a_depthwise_layer_has_the_time_of_the_depthwise_operation():
    made = network(groups=[64], variants=["regular", "grouped", "grouped_native"])
    made = made.replace({"variant": {"grouped_native": "depthwise_sum"}})
    (as_grouped,) = of(made.assign(in_use="grouped"))[0].values()
    assert as_grouped.seconds == pytest.approx(64 * latency(made, 64, "grouped"))
    assert as_grouped.faster == "depthwise_sum"
    (as_depthwise,) = of(made.assign(in_use="depthwise_sum"))[0].values()
    assert as_depthwise.seconds == pytest.approx(64 * latency(made, 64, "depthwise_sum"))
    assert as_depthwise.faster is None
    (left_out,) = of(made[made["variant"] == "regular"].assign(in_use="depthwise_sum"))[0].values()
    assert (left_out.seconds, left_out.problem) == (None, "depthwise_sum not in the plan")

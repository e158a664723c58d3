"""Blocks: every variant against the reference, the three forms of ResNeXt against each other, the paper's figures."""

import dataclasses

import numpy as np
import pytest
from cases import make_block
from conformance import compute, held

from grouped_bench import variants
from grouped_bench.harness.plan import make_plan
from grouped_bench.measure import verify
from grouped_bench.space.counts import block_counts
from grouped_bench.space.space import Space
from grouped_bench.variants.blocks import resnext_sum

pytestmark = pytest.mark.long
NAMES = variants.names("block")
FORMS = ("resnext_sum", "resnext_concat", "resnext_grouped", "resnext_native")
# C, d, parameters of table 2 of arXiv 1611.05431, exact
TABLE_2 = [(1, 64, 69_632), (2, 40, 69_760), (4, 24, 69_888), (8, 14, 71_456), (32, 4, 70_144)]


def built(name, case, backend):
    layer = variants.get(name).layer(case, backend)
    layer.build(case.input_shape)
    return layer


def test_every_variant_of_a_block_is_held_to_an_equivalence():
    assert {name: variants.get(name).computes for name in NAMES} == {
        "bottleneck": "bottleneck",
        **dict.fromkeys(FORMS, "resnext"),
    }
    assert NAMES[0] == "bottleneck"


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("pass_", ["inference", "training"])
def test_the_three_forms_agree_on_output_and_every_gradient(rank, pass_, backend):
    """With mapped weights (a) ≡ (b) ≡ (c): far closer than one channel or path in the wrong place would allow."""
    case = make_block(rank=rank, size=5, cardinality=3, width=2, pass_=pass_)
    first, *others = [held(name, case, backend) for name in FORMS]
    assert len(first) == (11 if pass_ == "training" else 1)
    for other in filter(None, others):
        for left, right in zip(first, other, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-4 * np.abs(left).max())


@pytest.mark.parametrize("name", NAMES)
def test_with_one_path_every_variant_is_the_bottleneck(name, backend):
    case = make_block(cardinality=1, width=6)
    for left, right in zip(held("bottleneck", case, backend), held(name, case, backend), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-4 * np.abs(left).max())


def test_with_two_paths_the_bottleneck_is_another_function(backend):
    case = make_block()
    assert variants.get("bottleneck").function(case).key != variants.get("resnext_sum").function(case).key
    assert variants.get("bottleneck").counts(case).params > variants.get("resnext_sum").counts(case).params


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cache", ["hot", "cold"])
def test_every_execution_computes_the_same(name, execution, cache, backend):
    held(name, make_block(), backend, execution, cache=cache)
    compute(name, make_block(pass_="inference"), backend, execution, cache=cache)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "shape",
    [
        {"dilation": 2, "size": 7},
        {"kernel_size": 2},
        {"kernel_size": 1},
        {"data_format": "channels_first"},
        {"rank": 1, "size": 9, "batch_size": 3},
    ],
    ids=str,
)
def test_every_legal_shape_is_held_to_the_reference(name, shape, backend):
    held(name, make_block(**shape), backend)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "mixed_bfloat16", "mixed_float16"])
def test_low_precision_stays_within_its_tolerance(name, dtype, backend):
    case = make_block(channels=16, cardinality=4, width=4, size=8, dtype=dtype)
    if held(name, case, backend) is None:
        held(name, dataclasses.replace(case, pass_="inference"), backend)


def test_float16_turns_rectifiers_over_and_is_let_pass(backend):
    """At this size the largest error of the input's gradient is near its largest value, though the result is right."""
    case = make_block(channels=64, cardinality=8, width=4, size=14, batch_size=4, dtype="float16")
    y, dx, *_ = compute("resnext_grouped", case, backend)
    exact = compute("resnext_grouped", dataclasses.replace(case, dtype="float32"), backend)
    assert np.abs(y - exact[0]).max() < 0.02 * np.abs(exact[0]).max()
    assert np.abs(dx - exact[1]).max() > 0.05 * np.abs(exact[1]).max()


@pytest.mark.parametrize("name", ["resnext_sum", "resnext_concat"])
@pytest.mark.parametrize("kind", [0, 1, 3])
def test_paths_in_the_wrong_order_are_caught(name, kind, backend, monkeypatch):
    """Exchange one array (reduce kernel, its scale, middle kernel) of two paths: it must not pass."""
    variant = type(variants.get(name))
    straight, path = variant.to_layer, {"resnext_sum": 7, "resnext_concat": 6}[name]

    def exchanged(self, weights, case):
        values = straight(self, weights, case)
        values[kind], values[kind + path] = values[kind + path], values[kind]
        return values

    monkeypatch.setattr(variant, "to_layer", exchanged)
    with pytest.raises(AssertionError, match=f"{name} on .*: relative error"):
        compute(name, make_block(channels=16, cardinality=4, width=4, size=8), backend)


@pytest.mark.parametrize("name", ["resnext_sum", "resnext_concat"])
def test_gradients_mapped_back_to_the_wrong_path_are_caught(name, backend, monkeypatch):
    variant = type(variants.get(name))
    straight, path = variant.from_layer, {"resnext_sum": 7, "resnext_concat": 6}[name]

    def exchanged(self, values, case):
        values = list(values)
        values[3], values[3 + path] = values[3 + path], values[3]
        return straight(self, values, case)

    monkeypatch.setattr(variant, "from_layer", exchanged)
    with pytest.raises(AssertionError, match="middle kernel gradient: relative error"):
        compute(name, make_block(channels=16, cardinality=4, width=4, size=8), backend)


def test_a_normalisation_before_the_sum_is_another_function_and_caught(backend, monkeypatch):
    """In form (a) the last normalisation comes after the sum: without it, no weights make the forms agree."""
    straight = resnext_sum.block_layer

    def normalised_first(case, paths, join, closing):
        (last,) = closing
        layer = straight(case, paths, lambda outputs: join([last(output) for output in outputs]), [])
        layer.pieces = [*layer.pieces, last]
        return layer

    monkeypatch.setattr(resnext_sum, "block_layer", normalised_first)
    with pytest.raises(AssertionError, match="relative error"):
        compute("resnext_sum", make_block(), backend)


@pytest.mark.parametrize("name", NAMES)
def test_weights_survive_the_way_to_the_layer_and_back(name):
    case = make_block(cardinality=3)
    variant = variants.get(name)
    weights = variant.function(case).draw(0)
    back = variant.from_layer(variant.to_layer(weights, case), case)
    assert list(back) == list(weights)
    for key, values in weights.items():
        np.testing.assert_array_equal(back[key], values)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_variables_stand_in_the_order_in_which_they_are_mapped(name, data_format, backend):
    case = make_block(cardinality=3, data_format=data_format)
    variant = variants.get(name)
    values = variant.to_layer(variant.function(case).draw(0), case)
    shapes = [tuple(variable.shape) for variable in built(name, case, backend).trainable_variables]
    assert shapes == [value.shape for value in values]


def statistics(layer, backend):
    return [backend.to_numpy(variable.value) for variable in layer.non_trainable_variables]


def test_training_calls_repeat_themselves_though_statistics_move(execution, backend):
    problem = verify.make_problem(make_block(), 0)
    layer = built("resnext_grouped", problem.case, backend)
    x, upstream = (backend.array(values, "float32") for values in (problem.x, problem.upstream))
    step, before = backend.step(layer, x, upstream, execution), statistics(layer, backend)
    first, second = ([backend.to_numpy(tensor) for tensor in step()] for _ in range(2))
    for left, right in zip(first, second, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)
    assert len(before) == 6  # a mean and a variance of each of three normalisations
    for left, right in zip(before, statistics(layer, backend), strict=True):
        # A step of JAX returns what its layer's variables become, and leaves them.
        assert bool(np.abs(left - right).max() > 0) is (backend.name != "jax")


def test_inference_leaves_the_moving_statistics_alone(backend):
    case = make_block(pass_="inference")
    layer = built("resnext_sum", case, backend)
    before = statistics(layer, backend)
    backend.step(layer, backend.array(verify.make_problem(case, 0).x, "float32"), None, backend.executions[0])()
    for left, right in zip(before, statistics(layer, backend), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_counted_parameters_are_those_of_the_built_layer(name, rank, backend):
    case = make_block(rank=rank, cardinality=4)
    counts, layer = variants.get(name).counts(case), built(name, case, backend)
    assert counts.params_total == layer.count_params()
    normalised = sum(int(np.prod(v.shape)) for v in layer.variables if v.name != "kernel")
    assert counts.params == layer.count_params() - normalised


@pytest.mark.parametrize(("cardinality", "width", "params"), TABLE_2)
def test_table_2_of_the_paper(cardinality, width, params):
    block = make_block(channels=256, cardinality=cardinality, width=width, size=56, batch_size=1, pass_="inference")
    counts = block_counts(block, cardinality)
    assert counts.params == params == cardinality * (256 * width + 9 * width**2 + width * 256)
    assert counts.macs == params * 56 * 56
    assert counts.macs == pytest.approx(0.22e9, rel=0.02)  # the paper's FLOPs, which are multiply-adds
    assert counts.params_total == params + 4 * (2 * cardinality * width + 256)


def test_counts_of_a_block_by_hand():
    block = make_block(channels=8, cardinality=2, width=3, size=6, batch_size=2, pass_="inference")
    grouped, dense = block_counts(block, 2), block_counts(block, 1)
    assert grouped.params == 8 * 6 + 9 * 3 * 6 + 6 * 8
    assert dense.params == 8 * 6 + 9 * 6 * 6 + 6 * 8
    assert grouped.min_bytes == 4 * (2 * 2 * 36 * 8 + grouped.params_total)
    training = block_counts(dataclasses.replace(block, pass_="training"), 2)
    assert (training.macs, training.min_bytes) == (3 * grouped.macs, 2 * grouped.min_bytes)


def test_the_preset_is_table_2():
    plan = make_plan(Space.preset("resnext-table2"))
    grouped = [row for row in plan.to_columns() if row["variant"] == "resnext_grouped"]
    for pass_ in ("inference", "training"):
        rows = [row for row in grouped if row["pass"] == pass_]
        assert [(row["cardinality"], row["width"], row["params"]) for row in rows] == TABLE_2
        assert {(row["in_channels"], row["out_channels"], row["batch_size"], row["size"]) for row in rows} == {
            (256, 256, 1, (56, 56))
        }
    assert [c.variants[0] for c in plan.cohorts] == ["bottleneck"] * 10

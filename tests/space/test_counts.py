"""Analytic counts: the worked examples of the papers, and every rule on its own."""

import dataclasses

import pytest
from cases import case

from grouped_bench import variants
from grouped_bench.space.counts import convolution_counts


def point(**changes):
    """One pixel, one 1x1 tap, one image: every count can be done in the head."""
    ones = dict.fromkeys(("size", "kernel_size", "stride", "dilation"), (1, 1))
    return case(batch_size=1, in_channels=6, out_channels=4, groups=2, **(ones | changes))


@pytest.mark.parametrize(("groups", "weights"), [(1, 614_400), (2, 307_200)])
def test_the_second_layer_of_alexnet(groups, weights):
    conv2 = case(in_channels=96, out_channels=256, groups=2, kernel_size=(5, 5), size=(27, 27), batch_size=1)
    counts = convolution_counts(conv2, groups)
    assert counts.params == counts.params_total == weights
    assert counts.macs == weights * 27 * 27


def test_sixty_maps_in_four_groups_are_fifteen_maps_to_sixty_four_each():
    layer = case(in_channels=60, out_channels=256, groups=4)
    part = case(in_channels=15, out_channels=64, groups=1)
    whole, quarter = convolution_counts(layer, 4), convolution_counts(part, 1)
    assert layer.kernel_shape(4) == (3, 3, 15, 256)
    assert (whole.params, whole.macs) == (4 * quarter.params, 4 * quarter.macs)
    assert convolution_counts(layer, 1).params == 4 * whole.params


def test_training_is_the_forward_pass_and_two_gradients():
    forward, training = (convolution_counts(case(pass_=pass_), 4) for pass_ in ("inference", "training"))
    assert training.macs == 3 * forward.macs
    assert training.min_bytes == 2 * forward.min_bytes  # each tensor, and its gradient
    assert training.params == forward.params


def test_padding_counts_as_work():
    same, valid = (convolution_counts(case(padding=padding), 4) for padding in ("same", "valid"))
    assert same.macs * 26 * 26 == valid.macs * 28 * 28


def test_a_batch_multiplies_work_but_not_parameters():
    one, eight = (convolution_counts(case(batch_size=batch), 4) for batch in (1, 8))
    assert (eight.macs, eight.params) == (8 * one.macs, one.params)


def test_a_bias_is_parameters_and_bytes_but_no_work():
    without, with_bias = (convolution_counts(case(bias=bias), 4) for bias in (False, True))
    assert with_bias.params == without.params + 128
    assert with_bias.min_bytes == without.min_bytes + 128 * 4
    assert with_bias.macs == without.macs


@pytest.mark.parametrize(
    ("dtype", "groups", "least"),
    [
        ("float32", 1, 4 * (6 + 4) + 4 * 24),
        ("float32", 2, 4 * (6 + 4) + 4 * 12),
        ("bfloat16", 2, 2 * (6 + 4) + 2 * 12),
        ("float16", 2, 2 * (6 + 4) + 2 * 12),
        ("mixed_bfloat16", 2, 2 * (6 + 4) + 4 * 12),
        ("mixed_float16", 2, 2 * (6 + 4) + 4 * 12),
    ],
)
def test_every_tensor_counts_once_in_its_own_dtype(dtype, groups, least):
    assert convolution_counts(point(dtype=dtype), groups).min_bytes == least


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_the_data_format_changes_no_count(data_format):
    assert convolution_counts(case(data_format=data_format), 4) == convolution_counts(case(), 4)


GROUPS_OF = {"dense": 1, "grouped": 4, "channel_shuffle": 4}
CONVOLUTIONS = [name for name in variants.names() if variants.get(name).computes in GROUPS_OF]


def test_every_variant_is_counted_here():
    assert {*variants.names()} - {*CONVOLUTIONS} == {"depthwise_separable"}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_variants_count_the_function_that_they_compute(name):
    variant = variants.get(name)
    counted, own = variant.counts(case()), convolution_counts(case(), GROUPS_OF[variant.computes])
    # Zeros off the diagonal are multiplied like other numbers: its arithmetic is that of the dense function.
    expected = dataclasses.replace(own, macs=convolution_counts(case(), 1).macs) if name == "block_diagonal" else own
    assert counted == expected


def test_with_one_group_all_convolutions_count_the_same():
    twin = dataclasses.replace(case(), groups=1)
    assert len({variants.get(name).counts(twin) for name in CONVOLUTIONS}) == 1


def test_the_blocks_of_alexnet_cost_the_dense_arithmetic_and_half_the_parameters():
    conv2 = case(in_channels=96, out_channels=256, groups=2, kernel_size=(5, 5), size=(27, 27), batch_size=1)
    counts = variants.get("block_diagonal").counts(conv2)
    assert (counts.params, counts.macs) == (307_200, 614_400 * 27 * 27)


def test_a_separable_layer_of_mobilenet():
    """The first of MobileNet's (Howard et al. 2017, arXiv 1704.04861, table 1): 3x3 on 112x112x32, then 1x1 to 64."""
    first = case(in_channels=32, out_channels=64, groups=1, size=(112, 112), batch_size=1)
    counts = variants.get("depthwise_separable").counts(first)
    assert counts.params == counts.params_total == 3 * 3 * 32 + 32 * 64
    assert counts.macs == 112 * 112 * 32 * (3 * 3 + 64)
    assert counts.min_bytes == 4 * (112 * 112 * (32 + 64) + counts.params)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_a_separable_layer_counts_training_bias_and_dtype_as_others_do(dtype):
    count, layer = variants.get("depthwise_separable").counts, case(dtype=dtype)
    forward, training = (count(dataclasses.replace(layer, pass_=pass_)) for pass_ in ("inference", "training"))
    assert (training.macs, training.min_bytes) == (3 * forward.macs, 2 * forward.min_bytes)
    with_bias = count(dataclasses.replace(layer, pass_="inference", bias=True))
    assert (with_bias.params, with_bias.macs) == (forward.params + 128, forward.macs)
    assert with_bias.min_bytes == forward.min_bytes + 128 * 4


def test_a_separable_layer_does_not_heed_groups():
    count = variants.get("depthwise_separable").counts
    assert count(case(groups=4)) == count(case(groups=1))

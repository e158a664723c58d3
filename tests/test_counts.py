"""Analytic counts: the worked examples of the papers, and every rule on its own."""

import dataclasses

import pytest
from test_case import case

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


@pytest.mark.parametrize("name", variants.names())
def test_variants_count_the_function_that_they_compute(name):
    variant = variants.get(name)
    assert variant.computes in ("dense", "grouped")
    assert variant.counts(case()) == convolution_counts(case(), {"dense": 1, "grouped": 4}[variant.computes])


def test_with_one_group_all_variants_count_the_same():
    twin = dataclasses.replace(case(), groups=1)
    assert len({variants.get(name).counts(twin) for name in variants.names()}) == 1

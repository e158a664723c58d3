"""Every variant of the registry against the float64 reference and against its equals, on the real backend."""

import dataclasses

import numpy as np
import pytest
from cases import make_case
from conformance import compute, held
from expected import refusal, unless_refused
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from grouped_bench import variants
from grouped_bench.harness.plan import make_plan
from grouped_bench.measure import verify
from grouped_bench.measure.workbench import Workbench
from grouped_bench.space.case import Setting
from grouped_bench.space.space import Space
from grouped_bench.variants.base import REGISTRY, parts_layer
from grouped_bench.variants.block import chain_layer
from grouped_bench.variants.layers import channel_shuffle
from grouped_bench.variants.layers.channel_shuffle import shuffled
from grouped_bench.variants.reference import convolution, functions
from grouped_bench.variants.reference.block import convolve
from grouped_bench.variants.reference.block_functions import STAGES, stage_case

pytestmark = pytest.mark.long
EXACT = {
    "dense": ("regular", "split_sum"),
    "grouped": (
        *("grouped", "grouped_native", "split_concat", "block_diagonal", "batched_matmul", "shifted_matmul"),
        *("stacked_planes", "group_parallel", "merged_groups", "depthwise_sum", "composed"),
    ),
    "depthwise_separable": ("depthwise_separable",),
    "channel_shuffle": ("channel_shuffle",),
}
# All that one device can compute; test_group_parallel.py has two.
NAMES = [name for name in variants.names() if name != "group_parallel"]
CONVOLUTIONS = [name for name in NAMES if name in EXACT["dense"] + EXACT["grouped"]]


def supported(name, case, backend):
    """Whether a variant has an operation for the case at all, on one device."""
    if name == "depthwise_sum" and backend.name == "tensorflow":
        return case.rank < 3 and case.data_format == "channels_last"
    return name != "group_parallel" and not (name == "depthwise_separable" and case.rank == 3)


def test_every_variant_is_held_to_an_equivalence():
    assert {name: variants.get(name).computes for name in variants.names()} == {
        name: function for function, names in EXACT.items() for name in names
    }


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(("function", "like"), [("dense", "split_sum"), ("grouped", "split_concat")])
def test_a_reference_workload_in_parts_computes_what_its_variants_do(function, like, rank, backend, monkeypatch):
    class Reference(type(variants.get(like))):
        def layer(self, case, backend):
            return parts_layer(case, lambda x, kernel: backend.convolution(x, kernel, case), function)

    assert Reference.in_parts
    monkeypatch.setitem(REGISTRY, like, Reference())
    compute(like, make_case(rank=rank, groups=2), backend)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_reference_workload_of_a_block_is_its_three_convolutions(groups, backend):
    case = next(iter(make_plan(Space(scope="block", channels=8, cardinality=2, width=2, size=5)).cohorts)).case
    stages, rng = [stage_case(case, stage, groups) for stage in STAGES], np.random.default_rng(0)
    layer = chain_layer(stages, lambda stage, x, kernel: backend.convolution(x, kernel, stage))
    layer.build(case.input_shape)
    x = expected = rng.standard_normal(case.input_shape)
    for stage, variable in zip(stages, layer.trainable_variables, strict=True):
        kernel = rng.standard_normal(variable.shape)
        variable.assign(backend.array(kernel, "float32"))
        expected = convolve(expected, kernel, stage)
    (found,) = backend.step(layer, backend.array(x, "float32"), None, backend.executions[0])()
    np.testing.assert_allclose(backend.to_numpy(found), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("function", ["dense", "grouped"])
def test_variants_of_one_function_agree_on_output_and_gradients(function, rank, bias, backend):
    case = make_case(rank=rank, groups=2, bias=bias)
    found = {name: held(name, case, backend) for name in EXACT[function] if supported(name, case, backend)}
    first, *others = found.values()
    assert len(first) == 3 + bias
    for other in filter(None, others):
        for left, right in zip(first, other, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-4 * np.abs(left).max())


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_legal_cases_agree_with_the_reference(data, backend):
    case = data.draw(
        st.builds(
            make_case,
            rank=st.integers(1, 3),
            groups=st.sampled_from([1, 2, 4]),
            channels=st.sampled_from([(4, 4), (4, 8), (8, 4)]),
            size=st.integers(4, 7),
            kernel_size=st.integers(1, 3),
            stride=st.integers(1, 2),
            dilation=st.integers(1, 2),
            padding=st.sampled_from(["same", "valid"]),
            bias=st.booleans(),
        )
    )
    # Frameworks refuse both together, each in its own operations.
    assume(case.problem() is None and (max(case.stride) == 1 or max(case.dilation) == 1))
    for name in NAMES:
        if supported(name, case, backend):
            held(name, case, backend)


@pytest.mark.parametrize("name", ["shifted_matmul", "batched_matmul"])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_what_needs_no_convolution_takes_strides_with_dilation(name, padding, backend):
    held(name, make_case(groups=2, size=11, stride=2, dilation=3, padding=padding), backend)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cache", ["hot", "cold"])
def test_every_execution_computes_the_same(name, execution, cache, backend):
    held(name, make_case(groups=2), backend, execution, cache=cache)
    compute(name, make_case(groups=2, pass_="inference"), backend, execution, cache=cache)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rank", [1, 3])
def test_cold_calls_compute_the_same_in_every_rank(name, rank, backend):
    case = make_case(rank=rank, groups=2, bias=True)
    if supported(name, case, backend):
        held(name, case, backend, cache="cold")
        held(name, dataclasses.replace(case, pass_="inference", dtype="mixed_bfloat16"), backend, cache="cold")
        held(name, dataclasses.replace(case, dtype="mixed_bfloat16"), backend, "eager", cache="cold")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "mixed_bfloat16", "mixed_float16"])
def test_low_precision_stays_within_its_tolerance(name, dtype, backend):
    case = make_case(groups=2, dtype=dtype, bias=True)
    if held(name, case, backend) is None:
        held(name, dataclasses.replace(case, pass_="inference"), backend)


@pytest.mark.parametrize("name", NAMES)
def test_channels_first_computes_the_same(name, backend):
    held(name, make_case(groups=2, data_format="channels_first", channels=(4, 16), bias=True), backend)


@pytest.mark.parametrize("name", NAMES)
def test_causal_padding_computes_the_same(name, backend):
    held(name, make_case(rank=1, groups=2, padding="causal", dilation=2), backend)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_one_group_is_the_dense_function(name, backend):
    case = make_case(groups=1)
    for left, right in zip(held("regular", case, backend), held(name, case, backend), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("bias", [False, True])
def test_counted_parameters_are_those_of_the_built_layer(name, rank, bias, backend):
    case = make_case(rank=rank, groups=4, channels=(8, 16), bias=bias)
    if name == "depthwise_separable" and rank == 3:
        return  # which test_the_separable_convolution_has_no_rank_3 holds
    layer = variants.get(name).layer(case, backend)
    layer.build(case.input_shape)
    assert variants.get(name).counts(case).params == layer.count_params()


def test_the_raw_3d_grouped_op_is_refused_and_named_unsupported(backend, on_tensorflow):
    words = "same depth" if backend.facts()["onednn"] else r"filter \(2\) must match last dimension of input \(4\)"
    with pytest.raises(Exception, match=words) as caught:
        compute("grouped_native", make_case(rank=3, groups=2, pass_="inference"), backend)
    assert backend.status_of(caught.value) == "unsupported"


@pytest.mark.onednn(True)
@pytest.mark.parametrize("name", NAMES)
def test_with_onednn_every_variant_trains_what_its_own_operation_has(name, backend):
    """What the other class refuses is refused for want of oneDNN, not for a fault of ours."""
    assert held(name, make_case(groups=2), backend) is not None


@pytest.mark.onednn(False)
def test_without_onednn_the_frameworks_own_operation_does_not_train(backend, on_tensorflow):
    assert not backend.facts()["onednn"]
    assert refusal("grouped_native", make_case(groups=2), backend, "graph")
    assert held("grouped_native", make_case(groups=2), backend) is None
    assert held("grouped_native", make_case(groups=2), backend, "xla") is not None


def test_the_separable_convolution_has_no_rank_3(backend):
    with pytest.raises(NotImplementedError, match="Keras has no SeparableConv3D and no DepthwiseConv3D"):
        variants.get("depthwise_separable").layer(make_case(rank=3), backend)


def test_a_separable_convolution_with_causal_padding_reads_nothing_ahead(backend):
    """Keras' own layer has no causal padding."""
    case = make_case(rank=1, padding="causal", dilation=2, data_format="channels_first", pass_="inference")
    compute("depthwise_separable", case, backend)


@pytest.mark.parametrize("name", ["block_diagonal", "batched_matmul", "shifted_matmul", "stacked_planes"])
@pytest.mark.parametrize(
    "changes",
    [
        {"kernel_size": 1, "stride": 3, "size": 7},  # a stride that leaves inputs unread
        {"rank": 3, "data_format": "channels_first", "stride": 2, "bias": True},
        {"rank": 1, "data_format": "channels_first", "padding": "causal", "dilation": 2},
        {"groups": 8, "channels": (8, 8)},  # depthwise
        {"kernel_size": 5, "size": 3},  # a kernel larger than the input
    ],
    ids=lambda changes: " ".join(map(str, changes)),
)
def test_matmuls_and_blocks_reach_the_corners_of_the_space(name, changes, backend):
    held(name, make_case(**changes), backend)


def test_the_dense_kernel_is_zero_off_its_blocks(backend):
    import keras

    case = make_case(groups=2, channels=(4, 6))
    kernel = np.random.default_rng(0).standard_normal(case.kernel_shape(2)).astype(np.float32)
    layer = variants.get("block_diagonal").layer(case, backend)
    dense = keras.ops.convert_to_numpy(layer.dense(keras.ops.convert_to_tensor(kernel)))
    np.testing.assert_array_equal(dense[..., :2, :3], kernel[..., :3])
    np.testing.assert_array_equal(dense[..., 2:, 3:], kernel[..., 3:])
    assert not dense[..., :2, 3:].any()
    assert not dense[..., 2:, :3].any()


def test_the_shuffle_deals_the_channels_of_each_group_out(backend):
    import keras

    case = make_case(groups=2, channels=(4, 6), size=1, batch_size=1, kernel_size=1)
    channels = np.arange(6.0).reshape(case.output_shape)  # 0, 1, 2 of the first group, 3, 4, 5 of the second
    dealt = keras.ops.convert_to_numpy(shuffled(keras.ops.convert_to_tensor(channels), case))
    assert dealt.ravel().tolist() == [0, 3, 1, 4, 2, 5]


@pytest.mark.onednn(True)  # which alone has the gradient
@pytest.mark.parametrize("wrong", ["output", "kernel gradient"])
def test_a_shuffle_that_is_left_out_is_caught(wrong, backend, monkeypatch):
    """In the output; and in the gradient, where the check itself has to undo it."""
    monkeypatch.setattr(channel_shuffle, "shuffled", lambda images, case: images)
    if wrong == "kernel gradient":
        whole = functions._HeldConvolution.errors
        monkeypatch.setattr(functions._HeldConvolution, "errors", lambda *given: {wrong: whole(*given)[wrong]})
    with pytest.raises(AssertionError, match=f"{wrong}: relative error"):
        compute("channel_shuffle", make_case(groups=2), backend)


def test_groups_on_devices_need_two(backend, on_tensorflow):
    with pytest.raises(NotImplementedError) as caught:
        compute("group_parallel", make_case(), backend)
    assert str(caught.value) == "group_parallel needs two devices; there is one: cpu:0"
    assert backend.status_of(caught.value) == "unsupported"


def test_a_wrong_group_order_is_caught(backend, monkeypatch):
    """Break one variant: groups concatenated in reverse must not pass for the grouped function."""
    variant = type(variants.get("split_concat"))
    straight = variant.to_layer
    monkeypatch.setattr(variant, "to_layer", lambda self, weights, case: straight(self, weights, case)[::-1])
    with pytest.raises(AssertionError, match=r"split_concat on .*: relative error"):
        compute("split_concat", make_case(groups=2), backend)


@pytest.mark.onednn(True)  # which alone has channels first
def test_a_bias_on_the_wrong_axis_is_caught(backend, on_tensorflow):
    """Keras 3.15 adds a channels_first bias along the last spatial axis when that is as long as the bias.

    When this test fails, Keras has mended it, and bench/README.md should say so.
    """
    case = make_case(rank=1, groups=1, channels=(4, 8), size=8, data_format="channels_first", bias=True)
    with pytest.raises(AssertionError, match="relative error"):
        compute("regular", case, backend, "eager")


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_inputs_are_exact_in_their_dtype(dtype, backend):
    case = make_case(dtype=dtype)
    x = verify.make_problem(case, 0).x
    np.testing.assert_array_equal(backend.to_numpy(backend.array(x, dtype)), x)


@pytest.mark.onednn(True)  # which alone has the gradient
def test_reference_and_layer_use_the_same_axis_order(backend):
    """A case whose every extent differs, so that no exchange of axes can hide."""
    case = make_case(rank=2, groups=2, channels=(4, 6), batch_size=3)
    case = type(case)(**{**case.__dict__, "size": (5, 7), "kernel_size": (3, 2), "stride": (1, 2)})
    y, dx, dkernel = compute("grouped_native", case, backend)
    assert (y.shape, dx.shape, dkernel.shape) == ((3, 5, 4, 6), (3, 5, 7, 4), (3, 2, 2, 6))
    assert convolution.channels_last(y, case) is not None


@pytest.mark.parametrize("name", variants.names())
@pytest.mark.parametrize("pass_", ["inference", "training"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_counts_agree_with_independent_ones(name, pass_, rank, backend):
    """Bytes with the tensors that a call reads and returns; multiply-accumulates with PyTorch's own counter."""
    case = make_case(rank=rank, groups=2, pass_=pass_, bias=True)
    if not supported(name, case, backend):
        pytest.skip("the variant has no such operation")
    bench = Workbench(case, Setting(backend.name, backend.executions[0], "cpu"), 0, backend)
    counts, operands = variants.get(name).counts(case), bench._operands(name)
    step = bench._hot_step(name, operands)
    outputs = unless_refused(step, name, case, backend)
    if outputs is None:
        return
    moved = [*operands.tensors(), *outputs]
    assert sum(4 * int(np.prod(tensor.shape)) for tensor in moved) == counts.min_bytes
    # PyTorch 2.13 counts the weight gradient of a grouped convolution as if it were dense.
    if backend.name == "torch" and (pass_ == "inference" or variants.get(name).computes == "dense"):
        assert pytorchs_count(step) == 2 * counts.macs


def pytorchs_count(step):
    """Floating-point operations of a call as PyTorch counts those of each operator."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    class Counter(TorchDispatchMode):  # FlopCounterMode refuses torch.autograd.grad
        total = 0

        def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
            count = flop_registry.get(function._overloadpacket)
            if count is None:
                with self:
                    parts = function.decompose(*arguments, **(keywords or {}))
                if parts is not NotImplemented:
                    return parts
            result = function(*arguments, **(keywords or {}))
            self.total += count(*arguments, **(keywords or {}), out_val=result) if count else 0
            return result

    with Counter() as counter:
        step()
    return counter.total

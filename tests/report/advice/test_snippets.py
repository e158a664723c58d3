"""The layers that are printed to be pasted: run as they stand, and held to the float64 reference."""

import ast
import dataclasses
import itertools
import re

import numpy as np
import pytest
from cases import make_block, make_case
from expected import unless_refused

from grouped_bench import backends, variants
from grouped_bench.measure import verify
from grouped_bench.report.advice.snippets import snippet
from grouped_bench.space.choices import Composition, Form, forms

NAMES = ("regular", "grouped", "grouped_native", "split_concat", "split_sum")
MATMULS = ("block_diagonal", "batched_matmul", "shifted_matmul", "merged_groups", "depthwise_sum", "composed")
# No output of channels first is as long as its bias: Keras 3.15 would add it along the wrong axis.
CASES = {
    "1D": make_case(rank=1, size=9),
    "2D": make_case(rank=2),
    "3D": make_case(rank=3, size=4),
    "stride": make_case(stride=2, size=7),
    "stride on even extents": make_case(stride=2, size=8),
    "dilation": make_case(dilation=2, size=8),
    "valid": make_case(padding="valid", kernel_size=2),
    "causal": make_case(rank=1, padding="causal", dilation=2, size=9),
    "bias": make_case(bias=True),
    "bias of 1D": make_case(rank=1, bias=True, padding="valid"),
    "bias of 3D": make_case(rank=3, size=4, bias=True),
    "even kernel": make_case(kernel_size=4, size=7),
    "1x1": make_case(kernel_size=1),
    "many groups": make_case(groups=8, channels=(8, 16)),
    "mixed": make_case(dtype="mixed_bfloat16", bias=True),
    "channels first": make_case(data_format="channels_first"),
    "channels first with a bias": make_case(data_format="channels_first", bias=True, stride=2, size=9),
    "channels first of 1D": make_case(rank=1, data_format="channels_first", bias=True, size=9),
    "channels first, causal": make_case(rank=1, padding="causal", data_format="channels_first", size=9),
    "channels first of 3D": make_case(rank=3, size=5, data_format="channels_first", bias=True),
}


def run(code):
    """The layer of the code, which sees nothing of ours."""
    names = {"__name__": "pasted"}
    exec(compile(code, "pasted.py", "exec"), names)
    return names["layer"]


def has_code(name, case):
    """Keras has no depthwise convolution of three spatial axes."""
    return not (name == "depthwise_sum" and case.rank == 3)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("name", NAMES + MATMULS)
def test_the_printed_layer_is_the_variant(name, case, backend):
    if not has_code(name, case):
        pytest.skip("no such operation there, and no advice either")
    variant, problem = variants.get(name), verify.make_problem(case, 3)
    layer, own = run(snippet(name, case, backend.name, backend.executions[0])), variant.layer(case, backend)
    for one in (layer, own):
        one.build(case.input_shape)
    assert [tuple(v.shape) for v in layer.trainable_variables] == [tuple(v.shape) for v in own.trainable_variables]
    values = variant.to_layer(problem.weights(variant.function(case)), case)
    for variable, value in zip(layer.trainable_variables, values, strict=True):
        variable.assign(backend.array(value, case.variable_dtype))
    x, upstream = (backend.array(array, case.compute_dtype) for array in (problem.x, problem.upstream))
    # XLA has all of Keras' operations on a processor; without it TensorFlow lacks channels first of some.
    execution = "xla" if backend.name == "tensorflow" and case.data_format == "channels_first" else None
    step = backend.step(layer, x, upstream, execution or backend.executions[0])
    outputs = unless_refused(step, name, case, backend, execution)
    if outputs is None:
        return
    error, where = verify.relative_error(list(outputs), problem, variant, backend)
    assert error <= verify.tolerance(case, variant, where), f"{where} off by {error}"


@pytest.mark.parametrize("name", ["grouped_native", *MATMULS])
def test_the_printed_layer_takes_the_place_of_keras_own(name, backend):
    import keras

    case = make_case(bias=True)
    layer = run(snippet(name, case, backend.name, backend.executions[0]))
    own = keras.layers.Conv2D(case.out_channels, 3, groups=case.groups, padding="same")
    x = np.random.default_rng(0).standard_normal(case.input_shape).astype("float32")
    for one in (layer, own):
        one.build(case.input_shape)
    layer.set_weights(own.get_weights())
    np.testing.assert_allclose(backend.to_numpy(layer(x)), backend.to_numpy(own(x)), atol=1e-5)
    again = type(layer).from_config({**layer.get_config(), "activation": "relu"})
    again.build(case.input_shape)
    again.set_weights(own.get_weights())
    np.testing.assert_allclose(backend.to_numpy(again(x)), np.maximum(backend.to_numpy(own(x)), 0), atol=1e-5)


@pytest.mark.parametrize("name", ["split_concat", "split_sum"])
def test_a_printed_layer_of_branches_can_be_made_again_from_its_config(name, backend):
    case = make_case(bias=True)
    layer = run(snippet(name, case, backend.name, backend.executions[0]))
    again = type(layer).from_config(layer.get_config())
    again.build(case.input_shape)
    layer.build(case.input_shape)
    assert [tuple(v.shape) for v in again.weights] == [tuple(v.shape) for v in layer.weights]


@pytest.mark.parametrize("name", NAMES + MATMULS)
@pytest.mark.parametrize("of", ["tensorflow", "jax", "torch"])
def test_the_code_is_plain_and_narrow(name, of):
    for case in (case for case in CASES.values() if has_code(name, case)):
        code = snippet(name, case, of, backends.get(of).executions[0])
        ast.parse(code)
        assert max(map(len, code.splitlines())) <= 80
        assert "grouped_bench" not in code
        assert "\n\n\n\n" not in code
        assert re.search(r"\nlayer = [^\n]*\(\n(    [^\n]*\n)*\)\Z", code)
        assert all(line == line.rstrip() for line in code.splitlines())


def test_the_code_says_how_a_model_must_be_compiled_for_the_figures_to_hold():
    case = make_case()
    assert "jit_compile=False" in snippet("grouped_native", case, "tensorflow", "graph")
    assert "jit_compile=True" in snippet("grouped_native", case, "tensorflow", "xla")
    assert "KERAS_BACKEND=torch" in snippet("grouped_native", case, "torch", "eager")


@pytest.mark.parametrize(
    "name",
    [
        *("group_parallel", "channel_shuffle", "mine", "../../report.html", "parts", "layer"),
        *(
            "base.jinja",
            "parts.jinja",
            "forms",
            "composed.tensorflow",
            "forms.jinja",
            "grouped_native.tensorflow",
            "grouped_native.torch",
        ),
    ],
)
def test_what_has_no_code_to_paste_has_none(name):
    assert snippet(name, make_case(), "tensorflow", "graph") is None


@pytest.mark.parametrize(
    "columns",
    [
        {"padding": 'same"); import os; ("'},
        {"data_format": "channels_last\nimport os"},
        {"dtype": "float32'); import os"},
        {"groups": 3},
    ],
)
def test_text_from_a_record_does_not_become_code(columns):
    case = dataclasses.replace(make_case(), **columns)
    assert snippet("grouped", case, "tensorflow", "graph") is None
    assert snippet("grouped", make_case(), "tensorflow\nimport os", "graph") is None
    assert "import os" not in snippet("grouped", make_case(), "tensorflow", "graph\nimport os")


def test_a_block_has_no_code():
    assert snippet("grouped", make_block(), "tensorflow", "graph") is None


def check_printed(name, choice, case, backend):
    """The printed layer, held to the float64 reference; its code."""
    code = snippet(name, case, backend.name, backend.executions[0], choice)
    ast.parse(code)
    assert max(map(len, code.splitlines())) <= 80
    variant, problem = variants.get(name).with_choice(choice), verify.make_problem(case, 3)
    layer = run(code)
    layer.build(case.input_shape)
    layer.kernel.assign(backend.array(problem.weights(variant.function(case))["kernel"], "float32"))
    upstream = None if problem.upstream is None else backend.array(problem.upstream, case.compute_dtype)
    outputs = backend.step(layer, backend.array(problem.x, case.compute_dtype), upstream, backend.executions[0])()
    error, where = verify.relative_error(list(outputs), problem, variant, backend)
    assert error <= verify.tolerance(case, variant, where), f"{where} off by {error}"
    return code


@pytest.mark.parametrize("merged", [1, 2, 4, 8])
def test_merged_groups_are_printed_with_the_number_that_was_chosen(merged, backend):
    code = check_printed("merged_groups", f"m={merged}", make_case(groups=8, channels=(8, 16)), backend)
    assert f"blocks = self.groups // {merged}\n" in code
    assert "guess" not in code


@pytest.mark.parametrize("case", [make_case(groups=4, channels=(8, 16)), make_case(rank=1, groups=4, padding="causal")])
def test_a_composition_is_printed_with_its_forms(case, backend):
    first, second, *others = forms(case)
    compositions = [Composition(second, one, other) for one, other in itertools.pairwise(others)]
    for found in compositions:
        if backend.name == "tensorflow" or not any(form.compiled for form in found.forms):
            code = check_printed("composed", str(found), case, backend)
            assert "guess" not in code
        else:
            assert snippet("composed", case, backend.name, backend.executions[0], str(found)) is None
    forward = dataclasses.replace(case, pass_="inference")
    for form in (first, second, others[0]):
        assert "class Composed(" not in check_printed("composed", f"forward={form}", forward, backend)


@pytest.mark.parametrize("place", range(3))
def test_a_composition_with_the_frameworks_own_operation_is_printed(place, backend):
    """Its gradient is of the forms that have one everywhere."""
    case = make_case(groups=4, channels=(8, 16), bias=False)
    parts = [Form("batched_matmul"), Form("merged_groups", "m=2"), Form("depthwise_sum")]
    parts[place] = Form("grouped_native")
    code = snippet("composed", case, backend.name, backend.executions[0], str(Composition(*parts)))
    assert "def grouped_native(self, inputs, kernel):" in code
    compile(code, "pasted.py", "exec")
    if place == 0:
        check_printed("composed", str(Composition(*parts)), case, backend)


def test_without_a_choice_the_code_says_that_it_is_a_guess():
    code = snippet("merged_groups", make_case(groups=8, channels=(8, 16)), "tensorflow", "graph")
    assert "blocks = self.groups // 8\n" in code
    assert "# The choice is a guess: `grouped-bench advise --measure` searches it." in code


@pytest.mark.parametrize(
    "choice", ["forward=mine", "forward=merged_groups(m=3)", "forward=batched_matmul+xla\nimport os"]
)
def test_a_composition_that_is_none_prints_nothing(choice):
    assert snippet("composed", make_case(groups=8, channels=(8, 16)), "tensorflow", "graph", choice) is None


@pytest.mark.parametrize("choice", ["m=3", "m=0", "m=4\nimport os", "m=4 ", "forward=grouped_native"])
def test_a_choice_that_is_none_of_the_case_prints_nothing(choice):
    case = make_case(groups=8, channels=(8, 16))
    assert snippet("merged_groups", case, "tensorflow", "graph", choice) is None

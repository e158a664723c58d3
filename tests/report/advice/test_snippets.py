"""The layers that are printed to be pasted: the source of what is measured, run and held to the float64 reference."""

import ast
import dataclasses
import inspect
import itertools
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from cases import make_block, make_case
from checkout import importing
from expected import unless_refused

from grouped_bench import backends, variants
from grouped_bench.measure import verify
from grouped_bench.report.advice.snippets import snippet
from grouped_bench.space.choices import Composition, Form, forms

NAMES = ("regular", "grouped", "grouped_native", "split_concat", "split_sum")
OTHERS = ("block_diagonal", "batched_matmul", "shifted_matmul", "merged_groups", "depthwise_sum", "composed")
MATMULS = (*OTHERS, "stacked_planes")
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


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("name", NAMES + MATMULS)
def test_the_printed_layer_is_the_variant(name, case, backend):
    if name == "depthwise_sum" and case.rank == 3 and backend.name == "tensorflow":
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
    assert verify.Judge(problem, backend).judged(outputs, variant)[1] is None


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
    backend = backends.named(of)
    for case, choice in itertools.product(CASES.values(), choices_of(name, backend)):
        if choice and case.groups < 4:
            continue
        code = snippet(name, case, of, backend.executions[0], choice)
        ast.parse(code)
        assert max(map(len, code.splitlines())) <= 80
        assert "grouped_bench" not in code
        assert "\n\n\n\n" not in code
        assert re.search(r"\nlayer = [^\n]*\(\n(    [^\n]*\n)*\)\Z", code)
        assert all(line == line.rstrip() for line in code.splitlines())


# The source of what is measured


EXACT = [name for name in variants.names() if variants.get(name).computes in ("dense", "grouped")]
FRAMEWORKS = ("tensorflow", "jax", "torch")


def sources(found, seen):
    """Sources of the classes and functions of ours of which `found` is made, itself included."""
    if id(found) in seen or not getattr(found, "__module__", "").startswith("grouped_bench"):
        return
    seen.add(id(found))
    yield textwrap.dedent(inspect.getsource(found))
    if isinstance(found, type):
        methods = [one for one in vars(found).values() if inspect.isfunction(one)]
        reached = [*found.__bases__, *itertools.chain.from_iterable(map(held, methods))]
    else:
        reached = held(found)
    for one in reached:
        yield from sources(one, seen)


def held(function):
    """What a function holds of the scope that it was defined in, lists of it opened."""
    for cell in function.__closure__ or ():
        values = cell.cell_contents
        for value in values if isinstance(values, list) else [values]:
            yield from value if isinstance(value, tuple) else [value]


def choices_of(name, backend):
    """No choice, and of a composition some of forms that differ."""
    if name != "composed":
        return [None]
    mixed = "forward=merged_groups(m=2) input=grouped_native kernel=batched_matmul"
    compiled = "forward=merged_groups(m=2)+xla input=shifted_matmul kernel=depthwise_sum"
    return [None, mixed, *([compiled] if backend.compiles_parts else [])]


def configs(layer):
    """What a layer, or each of its branches, was made with, but for its name."""
    return [{**one.get_config(), "name": None} for one in getattr(layer, "branches", [layer])]


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("name", EXACT)
def test_what_is_printed_is_the_source_of_what_is_measured(name, rank, backend):
    case = make_case(rank=rank, groups=4, channels=(8, 16), bias=True)
    for choice in choices_of(name, backend):
        code = snippet(name, case, backend.name, backend.executions[0], choice)
        if name == "group_parallel" and not backend.placement_code:
            assert code is None
            continue
        layer = variants.get(name).with_choice(choice).layer(case, backend)
        found = list(sources(type(layer), set()))
        assert all(source in code for source in found)
        assert code.count("\nclass ") == sum(source.startswith("class ") for source in found)
        assert len(found) >= {"regular": 0, "grouped": 0, "split_sum": 1, "split_concat": 1}.get(name, 2)
        assert f"layer = {'' if found else 'keras.layers.'}{type(layer).__name__}(\n" in code
        assert configs(layer) == configs(run(code))


@pytest.mark.parametrize("of", FRAMEWORKS)
@pytest.mark.parametrize("name", EXACT)
def test_every_exact_variant_is_printed_for_every_backend(name, of):
    """All but the one that needs several devices, which TensorFlow alone has in a step."""
    code = snippet(name, make_case(), of, backends.named(of).executions[0])
    assert (code is None) == (name == "group_parallel" and of != "tensorflow")
    uses_framework = {"tensorflow": "import tensorflow as tf", "jax": "import jax", "torch": "import torch"}
    if name == "grouped_native":
        assert [one for one, line in uses_framework.items() if f"{line}\n" in code] == [of]


def test_printing_imports_no_framework():
    """A report is rendered on a machine that has none."""
    lines = [
        "import sys; from cases import make_case; from grouped_bench import variants",
        "from grouped_bench.report.advice.snippets import snippet",
        f"told = [snippet(name, make_case(), of, '') for name in {EXACT} for of in {FRAMEWORKS}]",
        "assert sum(one is not None for one in told) > 30; print(*sys.modules)",
    ]
    words = [sys.executable, "-c", "\n".join(lines)]
    run = subprocess.run(words, capture_output=True, text=True, check=True, env=importing())
    assert not {"keras", *FRAMEWORKS} & set(run.stdout.split())


def test_a_variant_whose_layer_is_not_that_of_its_code_is_not_printed(registry):
    class Another(type(variants.get("regular"))):
        name = "another"

        def layer(self, case, backend):
            return super().layer(case, backend)

    registry["another"] = Another()
    assert snippet("another", make_case(), "tensorflow", "graph") is None
    Another.code = lambda self, case, backend: ()
    assert "Conv2D(" in snippet("another", make_case(), "tensorflow", "graph")


@pytest.mark.parametrize("text", ['"); import os; ("', "a\nimport os", "a'b\\", "\ud800"])
def test_a_text_among_the_arguments_stays_a_text(text, registry):
    class Another(type(variants.get("regular"))):
        name = "another"

        def arguments(self, case):
            return {**super().arguments(case), "one": text, "all": [{text: (text,)}]}

    registry["another"] = Another()
    code = snippet("another", make_case(), "tensorflow", "graph")
    call = ast.parse(code).body[-1].value
    found = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    assert (found["one"], found["all"]) == (text, [{text: (text,)}])


# How it is printed


def test_the_code_says_how_a_model_must_be_compiled_for_the_figures_to_hold():
    case = make_case()
    assert "jit_compile=False" in snippet("grouped_native", case, "tensorflow", "graph")
    assert "jit_compile=True" in snippet("grouped_native", case, "tensorflow", "xla")
    assert "KERAS_BACKEND=torch" in snippet("grouped_native", case, "torch", "eager")


@pytest.mark.parametrize(
    "name",
    [
        *("channel_shuffle", "depthwise_separable", "bottleneck", "mine", "../../report.html", "layer"),
        *("grouped_native.tensorflow", "grouped_native.torch", "grouped\nimport os", ""),
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
        {"rank": "2D()\nimport os; keras.layers.Conv2"},
        {"rank": 4, "size": (5,) * 4, **dict.fromkeys(("kernel_size", "stride", "dilation"), (1,) * 4)},
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
    assert verify.Judge(problem, backend).judged(outputs, variant)[1] is None
    return code


def test_a_printed_composition_can_be_made_again_from_its_config(backend):
    case = make_case(groups=4, channels=(8, 16), bias=True)
    choice = "forward=merged_groups(m=2) input=batched_matmul kernel=shifted_matmul"
    layer = run(snippet("composed", case, backend.name, backend.executions[0], choice))
    again = type(layer).from_config(layer.get_config())
    for one in (layer, again):
        one.build(case.input_shape)
    again.set_weights(layer.get_weights())
    x = np.random.default_rng(0).standard_normal(case.input_shape).astype("float32")
    np.testing.assert_array_equal(backend.to_numpy(layer(x)), backend.to_numpy(again(x)))


@pytest.mark.parametrize("merged", [1, 2, 4, 8])
def test_merged_groups_are_printed_with_the_number_that_was_chosen(merged, backend):
    code = check_printed("merged_groups", f"m={merged}", make_case(groups=8, channels=(8, 16)), backend)
    assert f"    merged={merged},\n" in code
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
    assert "class NativeGroupedConv(KernelConv):" in code
    compile(code, "pasted.py", "exec")
    if place == 0:
        check_printed("composed", str(Composition(*parts)), case, backend)


def test_without_a_choice_the_code_says_that_it_is_a_guess():
    code = snippet("merged_groups", make_case(groups=8, channels=(8, 16)), "tensorflow", "graph")
    assert "    merged=8,\n" in code
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

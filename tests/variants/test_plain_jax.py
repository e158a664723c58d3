"""Code in plain JAX and Flax: the function of the case, by the program that was measured."""

import ast
import collections
import re

import numpy as np
import pytest
from cases import make_case

from grouped_bench import variants
from grouped_bench.measure import verify
from grouped_bench.variants.plain_jax import flax_layer, plain

NAMES = ("regular", "grouped", "grouped_native", "split_concat")
CASES = {
    "1D": make_case(rank=1, size=9),
    "2D": make_case(),
    "3D": make_case(rank=3, size=4),
    "bias": make_case(bias=True),
    "stride": make_case(stride=2, size=8),
    "dilation": make_case(dilation=2, size=8),
    "valid": make_case(padding="valid", kernel_size=2),
    "causal": make_case(rank=1, padding="causal", dilation=2, size=9),
    "many groups": make_case(groups=8, channels=(8, 16)),
    "channels first with a bias": make_case(data_format="channels_first", bias=True),
}
_INSTRUCTION = re.compile(r"= (\S+) ([\w-]+)\(")
_DETAIL = re.compile(r"(?:window|feature_group_count|dim_labels|slice|dimensions)=(?:\{[^}]*\}|\S+)")


@pytest.fixture
def jax(backend):
    if backend.name != "jax":
        pytest.skip("code of JAX")
    import jax

    return jax


def run(code, name):
    names = {"__name__": "pasted"}
    exec(compile(code, "pasted.py", "exec"), names)
    return names[name]


def operands(case, variant, backend):
    """Input and reference weights, of the function that the variant computes."""
    problem = verify.make_problem(case, 3)
    weights = problem.weights(variants.get(variant).function(case)).values()
    return problem, [backend.array(one, "float32") for one in (problem.x, *weights)]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("name", NAMES)
def test_the_function_is_that_of_the_variant(name, case, backend, jax):
    """Output and gradients, held to float64 as a variant's are."""
    convolution, variant = run(plain(name, case), "convolution"), variants.get(name)
    problem, given = operands(case, name, backend)
    outputs, back = jax.vjp(convolution, *given)
    dx, *of_weights = back(backend.array(problem.upstream, "float32"))
    shapes = variant.function(case).shapes()
    values = variant.to_layer(dict(zip(shapes, map(np.asarray, of_weights), strict=True)), case)
    made = [backend.array(value, "float32") for value in values]
    assert verify.Judge(problem, backend).judged([outputs, dx, *made], variant)[1] is None


def instructions(compiled):
    """What a program does, whatever its parts are called: shape, kind and details, with how often."""
    found = collections.Counter()
    for line in compiled.as_text().splitlines():
        if (named := _INSTRUCTION.search(line)) and named[2] not in ("parameter", "tuple"):
            found[named[1], named[2], *_DETAIL.findall(line.partition("metadata=")[0])] += 1
    return found


@pytest.mark.parametrize("pass_", ["inference", "training"])
@pytest.mark.parametrize("name", NAMES)
def test_xla_compiles_it_to_the_program_of_the_layer_that_was_measured(name, pass_, backend, jax):
    case = make_case(groups=4, channels=(8, 16), size=12)
    convolution = run(plain(name, case), "convolution")
    variant, (problem, (x, kernel)) = variants.get(name), operands(case, name, backend)
    layer = variant.layer(case, backend)
    layer.build(case.input_shape)
    weights = [backend.array(value, "float32") for value in variant.to_layer({"kernel": np.asarray(kernel)}, case)]

    def of_layer(x, weights):
        return layer.stateless_call(weights, [], x)[0]

    def of_function(x, weights):
        whole = jax.numpy.concatenate(weights, axis=-1) if name == "split_concat" else weights[0]
        return convolution(x, whole)

    def step(function):
        if pass_ == "inference":
            return lambda x, weights, dy: function(x, weights)
        return lambda x, weights, dy: jax.vjp(function, x, weights)[1](dy)

    dy = backend.array(problem.upstream, "float32")
    first, second = (
        instructions(jax.jit(step(one)).lower(x, weights, dy).compile()) for one in (of_layer, of_function)
    )
    assert any("conv" in kind or "custom-call" in kind or "fusion" in kind for _, kind, *_ in first)
    assert first == second
    other = "regular" if name != "regular" else "grouped"
    _, given = operands(case, other, backend)
    another = jax.jit(run(plain(other, case), "convolution"))
    assert instructions(another.lower(*given).compile()) != first


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("name", NAMES[:3])
def test_the_layer_of_flax_is_that_of_the_variant(name, case, backend, jax):
    linen = pytest.importorskip("flax.linen")
    code = flax_layer(name, case)
    if case.data_format == "channels_first":
        assert code is None
        return
    layer = run(code, "layer")
    assert isinstance(layer, linen.Conv)
    _, (x, kernel, *bias) = operands(case, name, backend)
    outputs = layer.apply({"params": {"kernel": kernel, **({"bias": bias[0]} if bias else {})}}, x)
    expected = run(plain(name, case), "convolution")(x, kernel, *bias)
    np.testing.assert_allclose(np.asarray(outputs), np.asarray(expected), atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_code_is_plain_and_narrow(name):
    for case in CASES.values():
        for code in filter(None, (plain(name, case), flax_layer(name, case))):
            ast.parse(code)
            assert max(map(len, code.splitlines())) <= 80
            assert "keras" not in code


def test_what_has_no_such_form_is_not_printed():
    assert plain("merged_groups", make_case()) is None
    assert plain("grouped", make_case(dtype="mixed_bfloat16")) is None
    assert flax_layer("split_concat", make_case()) is None
    assert flax_layer("grouped", make_case(dtype="bfloat16")) is None

"""What a variant computes, held to the float64 reference."""

import functools

from expected import unless_refused

from grouped_bench import variants
from grouped_bench.backends.base import Operands
from grouped_bench.measure import verify


def compute(name, case, backend, execution=None, seed=0, cache="hot"):
    """Outputs of the variant `name` as NumPy arrays, gradients of weights in the reference's shape.

    With a cold cache they are those of the last of two copies.
    """
    execution = execution or backend.executions[0]
    variant, problem = variants.get(name), verify.make_problem(case, seed)
    layer = variant.layer(case, backend)
    layer.build(case.input_shape)
    values = variant.to_layer(problem.weights(variant.function(case)), case)
    weights = tuple(backend.array(value, case.variable_dtype) for value in values)
    for variable, weight in zip(layer.trainable_variables, weights, strict=True):
        variable.assign(weight)
    upstream = None if problem.upstream is None else backend.array(problem.upstream, case.compute_dtype)
    operands = Operands(weights, backend.array(problem.x, case.compute_dtype), upstream)
    if cache == "cold":
        first, last = backend.copied_steps(layer, backend.copies(operands, 2), execution)
        first()
        outputs = last()
    else:
        outputs = backend.step(layer, operands.inputs, upstream, execution)()
    _, wrong = verify.Judge(problem, backend).judged(outputs, variant)
    assert wrong is None, f"{name} on {case.title()}: {wrong}"
    arrays = [backend.to_numpy(tensor) for tensor in outputs]
    if case.pass_ == "inference":
        return arrays
    return [*arrays[:2], *variant.from_layer(arrays[2:], case).values()]


def held(name, case, backend, execution=None, cache="hot"):
    """Outputs as `compute` gives them; None where this class refuses the variant as it must, which is asserted.

    Tests that ask the same share one answer, since compiling takes the time. A test that breaks a variant calls
    `compute`.
    """
    return _held(name, case, backend, execution or backend.executions[0], cache)


@functools.cache
def _held(name, case, backend, execution, cache):
    return unless_refused(lambda: compute(name, case, backend, execution, cache=cache), name, case, backend, execution)

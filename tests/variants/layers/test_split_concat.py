"""`split_concat` with many groups and a bias, whose gradient TensorFlow's graph once gave to other groups."""

import pytest
from cases import make_case

from grouped_bench import variants
from grouped_bench.measure import verify


@pytest.mark.parametrize("name", ["split_concat", "split_sum"])
def test_many_groups_with_a_bias_have_the_right_gradients(name, backend):
    case = make_case(groups=32, channels=(128, 128), size=7, bias=True)
    variant, problem = variants.get(name), verify.make_problem(case, 1)
    layer = variant.layer(case, backend)
    layer.build(case.input_shape)
    values = variant.to_layer(problem.weights(variant.function(case)), case)
    for variable, value in zip(layer.trainable_variables, values, strict=True):
        variable.assign(backend.array(value, case.variable_dtype))
    x, upstream = (backend.array(array, case.compute_dtype) for array in (problem.x, problem.upstream))
    outputs = backend.step(layer, x, upstream, backend.executions[0])()
    assert verify.Judge(problem, backend).judged(outputs, variant)[1] is None

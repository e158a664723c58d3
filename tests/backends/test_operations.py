"""Seconds of a call by kind of operation: there where a framework tells, and of what was really called."""

import numpy as np
import pytest
from cases import make_case

from grouped_bench import variants


def test_the_operations_of_a_step_are_told(backend):
    if backend.name == "jax":
        pytest.skip("JAX does not tell")
    case = make_case(channels=(8, 8), groups=1, size=16)
    layer = variants.get("regular").layer(case, backend)
    layer.build(case.input_shape)
    x = backend.array(np.ones(case.input_shape, "float32"), "float32")
    found = backend.operations(backend.step(layer, x, None, backend.executions[0]))
    assert any("conv" in kind.lower() for kind in found), found
    assert all(seconds >= 0 for seconds in found.values())
    assert not any("depthwise" in kind.lower() for kind in found)

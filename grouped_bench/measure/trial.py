"""Code to paste, run once as its reader will run it: built, called, its gradients taken for training, and checked."""

from typing import Any

import numpy as np

from grouped_bench import variants
from grouped_bench.backends.base import Backend
from grouped_bench.measure import verify
from grouped_bench.space.case import Case, Setting
from grouped_bench.space.facts import Json
from grouped_bench.variants.base import Variant
from grouped_bench.variants.torch_modules import in_layout


def try_code(
    backend: Backend, case: Case, setting: Setting, code: str, variant: str | None = None, choice: str | None = None
) -> Json:
    """An empty answer, once `code`, which ends in `layer = …`, has worked for the case in the setting.

    Args:
        backend: loaded.
        case: what the layer computes.
        setting: where it is to run.
        code: the code.
        variant, choice: whose code it is, so that its values are checked; None, or not known here, for none.

    Raises:
        Whatever the code or the framework raises, and ValueError for an output of a wrong shape or without a number.
    """
    names: Json = {"__name__": "pasted"}
    case, layout = setting.laid_out(case), setting.layout
    exec(compile(code, "pasted.py", "exec"), names)
    layer, problem = names["layer"], verify.make_problem(case, seed=0)
    found = variants.find(variant) if variant else None
    known = in_layout(found.with_choice(choice), layout) if found is not None else None
    with backend.on(setting.device):
        if layout is not None:
            layer = backend.plain_layer(layer, layout)
        layer.build(case.input_shape)
        if known is not None:
            _assign(backend, layer, known, problem)
        inputs, upstream = (
            None if one is None else backend.laid_out(backend.array(one, case.compute_dtype), layout)
            for one in (problem.x, problem.upstream)
        )
        outputs = list(backend.step(layer, inputs, upstream, setting.execution)())
        backend.synchroniser(setting.device)(outputs[0])
        shape = tuple(map(int, outputs[0].shape))
        if shape != case.output_shape:
            raise ValueError(f"an output of shape {shape} for {case.output_shape}")
        if not all(np.isfinite(backend.to_numpy(tensor)).all() for tensor in outputs):
            raise ValueError("an output or a gradient that is not finite")
        if known is None:
            return {}
        _, wrong = verify.Judge(problem, backend).judged(outputs, known)
    return {"status": "incorrect", "reason": wrong} if wrong else {}


def _assign(backend: Backend, layer: Any, variant: Variant, problem: verify.Problem) -> None:
    """Give the layer the reference weights."""
    values = variant.to_layer(problem.weights(variant.function(problem.case)), problem.case)
    for variable, value in zip(layer.trainable_variables, values, strict=True):
        variable.assign(backend.array(value, problem.case.variable_dtype))

"""Code to paste, run once as its reader will run it: built, called and, for training, its gradients taken."""

import numpy as np

from grouped_bench.backends.base import Backend
from grouped_bench.measure.verify import make_problem
from grouped_bench.space.case import Case, Setting
from grouped_bench.space.facts import Json


def try_code(backend: Backend, case: Case, setting: Setting, code: str) -> Json:
    """An empty answer, once `code`, which ends in `layer = …`, has worked for the case in the setting.

    Raises:
        Whatever the code or the framework raises, and ValueError for an output of a wrong shape or without a number.
    """
    names: Json = {"__name__": "pasted"}
    exec(compile(code, "pasted.py", "exec"), names)
    layer, problem = names["layer"], make_problem(case, seed=0)
    with backend.on(setting.device):
        layer.build(case.input_shape)
        inputs = backend.array(problem.x, case.compute_dtype)
        upstream = None if problem.upstream is None else backend.array(problem.upstream, case.compute_dtype)
        output, *gradients = backend.step(layer, inputs, upstream, setting.execution)()
        backend.synchroniser(setting.device)(output)
        shape = tuple(map(int, output.shape))
        if shape != case.output_shape:
            raise ValueError(f"an output of shape {shape} for {case.output_shape}")
        if not all(np.isfinite(backend.to_numpy(tensor)).all() for tensor in (output, *gradients)):
            raise ValueError("an output or a gradient that is not finite")
    return {}

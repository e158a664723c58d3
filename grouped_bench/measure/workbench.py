"""The workloads of one cohort in one process: built on shared inputs, verified, then timed round by round."""

import functools
import gc
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from grouped_bench import variants
from grouped_bench.backends.base import Backend, Step, Tensor
from grouped_bench.measure import memory, rounds, verify
from grouped_bench.space.case import DTYPE_BYTES, Case, Setting

Reply = dict[str, Any]
LONGEST_REASON = 400
_POOL_FACTOR = 64


class Workbench:
    """One cohort's workloads.

    Args:
        case, setting: what is computed, where and how.
        seed: of inputs and weights, the same for every process of a run.
        backend: a loaded backend.
        mark: told the variant whose turn it is, so that a crash or a hang has a name.
    """

    def __init__(self, case: Case, setting: Setting, seed: int, backend: Backend, mark: Callable[[str], None]) -> None:
        self.case, self.setting, self.backend, self.mark = case, setting, backend, mark
        self.seed = seed
        self.steps: dict[str, Step] = {}
        self.iterations: dict[str, int] = {}
        self.sample_seconds: dict[str, float] = {}

    @functools.cached_property
    def problem(self) -> verify.Problem:
        """Shared inputs and reference weights; made at first use, so that running out of memory has a task."""
        return verify.make_problem(self.case, self.seed)

    @functools.cached_property
    def tensors(self) -> tuple[Tensor, Tensor | None]:
        """Input and, for training, upstream gradient on the device."""
        dtype, upstream = self.case.compute_dtype, self.problem.upstream
        x = self.backend.array(self.problem.x, dtype)
        return x, None if upstream is None else self.backend.array(upstream, dtype)

    @functools.cached_property
    def synchronise(self) -> Callable[[], None]:
        """Waits for the device."""
        return self.backend.synchroniser(self.setting.device)

    def build(self, names: list[str], iterations: dict[str, int], *, check: bool) -> Reply:
        """Build, call once, check where asked, and warm up each variant; what fails is told by variant."""
        start = rounds.read_clock()
        inputs = self._attempt(self._draw_inputs)
        inputs_s = rounds.read_clock() - start
        if "status" in inputs:
            return {"built": {}, "failed": dict.fromkeys(names, inputs), "inputs_s": inputs_s}
        built: Reply = {}
        failed: Reply = {}
        for name in names:
            self.mark(name)
            result = self._attempt(functools.partial(self._build_one, name, iterations.get(name), check=check))
            (failed if "status" in result else built)[name] = result
            if "status" in result:
                self.steps.pop(name, None)
        return {"built": built, "failed": failed, "inputs_s": inputs_s}

    def visit(self, names: list[str], seed: int) -> Reply:
        """One visit's samples by variant and round, or the variant that failed in it."""
        current = [names[0]]

        def mark(name: str) -> None:
            current[0] = name
            self.mark(name)

        def timed() -> Reply:
            gc.collect()
            gc.disable()
            try:
                samples, warm_up = rounds.run_rounds(
                    {name: self.steps[name] for name in names},
                    self.synchronise,
                    self.iterations,
                    self.sample_seconds,
                    np.random.default_rng(seed),
                    mark=mark,
                )
            finally:
                gc.enable()
            return {"samples": samples, "warm_up_s": warm_up}

        with self.backend.on(self.setting.device):
            result = self._attempt(timed)
        return {"samples": {}, "failed": {current[0]: result}} if "status" in result else result

    def peak_memory(self, name: str) -> Reply:
        """Peak bytes of one warmed-up call of `name` and their source; both None where nothing can tell."""
        self.mark(name)

        def read() -> Reply:
            self.backend.reserve(_POOL_FACTOR * variants.get(name).counts(self.case).min_bytes)
            step, layer = self._make_step(name)
            step()
            made = [_bytes(output) for output in step()]
            self.synchronise()
            held = [_bytes(t) for t in (*self.tensors, *layer.trainable_variables) if t is not None]
            peak, source = memory.peak_bytes(self.backend, step, self.setting.device, held, made)
            return {"peak_bytes": peak, "source": source}

        with self.backend.on(self.setting.device):
            return self._attempt(read)

    def _draw_inputs(self) -> Reply:
        """Make the tensors before the first trace, so that no first call pays for them or for the device's context."""
        with self.backend.on(self.setting.device):
            return {"inputs": len(self.tensors)}

    def _build_one(self, name: str, iterations: int | None, *, check: bool) -> Reply:
        variant, clock = variants.get(name), rounds.read_clock
        with self.backend.on(self.setting.device):
            start = clock()
            step, _ = self._make_step(name)
            outputs = list(step())
            self.synchronise()
            result: Reply = {"first_call_s": clock() - start, "verify_s": 0.0}
            if check:
                start = clock()
                error, where = verify.relative_error(outputs, self.problem, variant, self.backend)
                result |= {"relative_error": error, "verify_s": clock() - start}
                limit = verify.tolerance(self.case, variant)
                if not error <= limit:
                    reason = f"{where}: relative error {error:.2g} against the float64 reference, {limit:.2g} allowed"
                    return {"status": "incorrect", "reason": reason, "relative_error": error}
            del outputs
            found, sample_s, spent = rounds.calibrate(step, self.synchronise)
        self.steps[name] = step
        self.iterations[name] = iterations or found
        self.sample_seconds[name] = sample_s / found * self.iterations[name]
        return {**result, "iterations": self.iterations[name], "warm_up_s": spent}

    def _make_step(self, name: str) -> tuple[Step, Any]:
        variant, case = variants.get(name), self.case
        layer = variant.layer(case, self.backend)
        layer.build(case.input_shape)
        values = variant.to_layer(self.problem.weights(variant.groups(case)), case)
        for variable, value in zip(layer.trainable_variables, values, strict=True):
            variable.assign(self.backend.array(value, case.variable_dtype))
        step = self.backend.step(layer, *self.tensors, self.setting.execution)
        return step, layer

    def _attempt(self, action: Callable[[], Reply]) -> Reply:
        """What `action` returns, or its exception as a status and a reason: a failing task is a finding."""
        try:
            return action()
        except Exception as error:
            return {"status": self.backend.status_of(error), "reason": reason_of(error)}


def reason_of(error: BaseException) -> str:
    """The telling part of an exception's message, on one line."""
    lines = [line.strip() for line in str(error).splitlines()]
    telling = [line for line in lines if line and not line.startswith(_NOISE)]
    return f"{type(error).__name__}: {' '.join(telling)}"[:LONGEST_REASON]


_NOISE = ("Graph execution error", "Detected at node", "File ", "<stack", "Arguments received by")


def _bytes(tensor: Any) -> int:
    """Bytes of a tensor or variable of any backend."""
    name = getattr(tensor.dtype, "name", str(tensor.dtype)).removeprefix("torch.")
    return math.prod(map(int, tensor.shape)) * DTYPE_BYTES[name]

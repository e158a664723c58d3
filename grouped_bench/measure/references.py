"""Reference workloads: what is timed beside the variants to tell the machine's speed from theirs."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from grouped_bench import variants
from grouped_bench.backends.base import Step
from grouped_bench.measure import rounds
from grouped_bench.measure.outcomes import attempt
from grouped_bench.space.case import Case
from grouped_bench.variants.base import grouped_layer

# One fixed workload, or the framework's own operation of the case at hand, which feels the machine as its variants do.
MACHINE, CASE = ("machine", "case")
_OF_MACHINE = f"{rounds.REFERENCE})"
_FIXED = Case(
    rank=2, batch_size=4, in_channels=64, out_channels=64, groups=1, size=(14, 14), kernel_size=(3, 3), stride=(1, 1),
    dilation=(1, 1), padding="same", bias=False, dtype="float32", data_format="channels_last", pass_="inference",
)  # fmt: skip
# Of a variant's sample: enough to see the machine's speed, which every round tells again.
_SHARE_OF_A_SAMPLE = 0.5


class References:
    """The reference workloads of a workbench, each made at first use.

    Args:
        bench: the workbench whose backend, case and setting they share, and whose steps they join.
    """

    def __init__(self, bench: Any) -> None:
        self._bench = bench
        self._made: dict[str, bool] = {}

    def of_variants(self, names: Iterable[str], kind: str) -> dict[str, str]:
        """The name of the reference workload for each function that the variants `names` compute.

        Of kind `machine` all have the fixed one. Nothing where none can be made, for which no variant is to blame.
        """
        functions = dict.fromkeys(variants.get(name).computes for name in names)
        found = {function: self._of(function) if kind == CASE else self._of_machine() for function in functions}
        return {function: name for function, name in found.items() if name is not None}

    def _of(self, function: str) -> str | None:
        case = self._bench.case
        if case.scope != "layer" or function not in ("dense", "grouped"):
            return self._of_machine()
        own = dataclasses.replace(case, groups=1) if function == "dense" else case
        name = f"{rounds.REFERENCE} {function})"
        if self._ready(name, lambda: self._operation(own)) and self._bench.sample_seconds[name] <= rounds.DEAR_S:
            return name
        # A dear one would take its turn in one round only.
        return self._of("dense") if function == "grouped" else self._of_machine()

    def _of_machine(self) -> str | None:
        return _OF_MACHINE if self._ready(_OF_MACHINE, self._fixed, _SHARE_OF_A_SAMPLE) else None

    def _ready(self, name: str, make: Callable[[], Step], share: float = 1.0) -> bool:
        """Whether the workload is among the steps, or could be made and now is."""
        if name not in self._made:
            made = attempt(self._bench.backend, lambda: self._join(name, make(), share))
            self._made[name] = "status" not in made
        return self._made[name]

    def _join(self, name: str, step: Step, share: float) -> dict[str, Any]:
        bench = self._bench
        iterations, sample_s, _ = rounds.calibrate(step, bench.synchronise)
        fewer = max(1, round(iterations * share))
        bench.steps[name], bench.iterations[name] = step, fewer
        bench.sample_seconds[name] = sample_s * fewer / iterations
        return {"iterations": fewer}

    def _fixed(self) -> Step:
        """The backend's own dense convolution of one fixed shape, called without compiling anything."""
        backend, rng = self._bench.backend, np.random.default_rng(0)
        shapes = (_FIXED.input_shape, _FIXED.kernel_shape(1))
        x, kernel = (backend.array(rng.standard_normal(shape, dtype=np.float32), "float32") for shape in shapes)
        return lambda: (backend.convolution(x, kernel, _FIXED),)

    def _operation(self, case: Case) -> Step:
        """The backend's own convolution of the case and its pass, compiled as the variants are."""
        bench = self._bench
        layer = grouped_layer(case, lambda inputs, kernel: bench.backend.convolution(inputs, kernel, case))
        layer.build(case.input_shape)
        step: Step = bench.backend.step(layer, *bench.tensors, bench.setting.execution)
        return step

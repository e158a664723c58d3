"""Reference workloads, timed beside the variants to separate the machine's speed from theirs."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from grouped_bench import variants
from grouped_bench.backends.base import Step
from grouped_bench.measure import rounds
from grouped_bench.measure.attempt import attempt
from grouped_bench.space.case import Case
from grouped_bench.space.facts import Json
from grouped_bench.variants.base import Variant, grouped_layer, parts_layer
from grouped_bench.variants.block import chain_layer
from grouped_bench.variants.reference.block_functions import STAGES, stage_case

# One fixed workload, or the framework's own operation of the case at hand, which feels the machine as its variants do.
MACHINE, CASE = ("machine", "case")
_OF_MACHINE = f"{rounds.REFERENCE})"
_FIXED = Case(
    rank=2, batch_size=4, in_channels=64, out_channels=64, groups=1, size=(14, 14), kernel_size=(3, 3), stride=(1, 1),
    dilation=(1, 1), padding="same", bias=False, dtype="float32", data_format="channels_last", pass_="inference",
)  # fmt: skip
# Of a variant's sample: enough to see the machine's speed, which every round shows again.
_SHARE_OF_A_SAMPLE = 0.5


def kind_of(name: str) -> str:
    """What the reference workload of this name is: `machine`, or the operation that it stands for."""
    return name.removeprefix(rounds.REFERENCE).removesuffix(")").strip() or MACHINE


class References:
    """The reference workloads of a workbench, each made at first use.

    Args:
        bench: the workbench whose backend, case and setting they share, and whose steps they join.
    """

    def __init__(self, bench: Any) -> None:
        self._bench = bench
        self._made: dict[str, bool] = {}

    def of_variants(self, names: Iterable[str], kind: str) -> dict[str, str]:
        """The name of the reference workload of each of the variants `names`.

        Of kind `machine` all have the fixed one. A variant has none where none can be made, for which it is not to
        blame.
        """
        found = {name: self._of(variants.get(name)) if kind == CASE else self._of_machine() for name in names}
        return {name: reference for name, reference in found.items() if reference is not None}

    def _of(self, variant: Variant) -> str | None:
        """The case's own operation that is most like the variant; another's where it cannot be made or is dear."""
        for kind, make in self._alike(variant):
            name = f"{rounds.REFERENCE} {kind})"
            # A dear one would take its turn in one round only.
            if self._ready(name, make) and self._bench.sample_seconds[name] <= rounds.DEAR_S:
                return name
        return self._of_machine()

    def _alike(self, variant: Variant) -> Sequence[tuple[str, Callable[[], Step]]]:
        """Kinds of operations and what makes each, the one most like the variant first."""
        case, computes = self._bench.case, variant.computes
        if case.scope == "block":
            groups = {"bottleneck": 1, "resnext": case.cardinality or 1}
            return [(computes, functools.partial(self._block, groups[computes]))] if computes in groups else []
        if computes not in ("dense", "grouped"):
            return []
        parts = [(f"{computes} in parts", functools.partial(self._in_parts, computes))] if variant.in_parts else []
        whole = [
            (function, functools.partial(self._whole, function)) for function in dict.fromkeys((computes, "dense"))
        ]
        return parts + whole

    def _of_machine(self) -> str | None:
        return _OF_MACHINE if self._ready(_OF_MACHINE, self._fixed, _SHARE_OF_A_SAMPLE) else None

    def _ready(self, name: str, make: Callable[[], Step], share: float = 1.0) -> bool:
        """Whether the workload is among the steps, or could be made and now is."""
        if name not in self._made:
            made = attempt(self._bench.backend, lambda: self._join(name, make(), share))
            self._made[name] = "status" not in made
        return self._made[name]

    def _join(self, name: str, step: Step, share: float) -> Json:
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

    def _whole(self, function: str) -> Step:
        """The backend's own convolution of the case."""
        case = dataclasses.replace(self._bench.case, groups=1) if function == "dense" else self._bench.case
        return self._step(grouped_layer(case, functools.partial(self._convolve, case)))

    def _in_parts(self, function: str) -> Step:
        """One for each group."""
        case = self._bench.case
        return self._step(parts_layer(case, functools.partial(self._convolve, case), function))

    def _block(self, groups: int) -> Step:
        """The three of a block, without what lies between them."""
        stages = [stage_case(self._bench.case, stage, groups) for stage in STAGES]
        return self._step(chain_layer(stages, self._convolve))

    def _convolve(self, case: Case, inputs: Any, kernel: Any) -> Any:
        return self._bench.backend.convolution(inputs, kernel, case)

    def _step(self, layer: Any) -> Step:
        """The case's pass through the layer, compiled as the variants are."""
        bench = self._bench
        layer.build(bench.case.input_shape)
        step: Step = bench.backend.step(layer, *bench.tensors, bench.setting.execution)
        return step

"""Variants that are others again. A host runs this file.

`twin_N` is the dense layer as it is, `slower_P` the dense layer P % slower, `VARIANT_slower_P` another one.

Injected around the compiled step, as TensorFlow sees nothing of it: after each call a busy wait for the share of
what that very call took, so that the truth is known whatever the weather. Not after the untimed call that precedes a
sample: in a wait the framework's threads settle, and the call after it would be quicker by up to half of the share.
A wait many times as long as the call follows every call: whether one precedes the sample depends on that wait.
"""

import time
from pathlib import Path
from typing import Any

from grouped_bench.backends.tensorflow import BACKEND
from grouped_bench.measure import rounds
from grouped_bench.variants.base import Variant, variant
from grouped_bench.variants.layers.grouped_native import GroupedNative
from grouped_bench.variants.layers.regular import Regular
from grouped_bench.variants.layers.split_concat import SplitConcat

PATH = str(Path(__file__).resolve())
TWINS = tuple(f"twin_{number}" for number in range(1, 5))
SLOWER = {f"slower_{percent}": percent / 100 for percent in (1, 2, 5, 10)}
# Ratios to be told beside another program, 1 and others.
KNOWN = {"known_1": 0.0, "known_1.05": 0.05, "known_1.5": 0.5, "known_3": 2.0, "known_30": 29.0}
MANY = 5.0
# Of each variant that a gate is tried on, what stands for it after a slow-down.
GATED_SHARE = 0.10
GATED = {base.name: (base, f"{base.name}_slower_10") for base in (Regular, GroupedNative, SplitConcat)}


class Turns:
    """Which of the steps was called last."""

    last: Any = None


def slowed(step: Any, share: float) -> Any:
    """`step` with a busy wait of `share` of its own duration after each call that is timed."""

    def call() -> Any:
        start = time.perf_counter()
        outputs = step()
        now = time.perf_counter()
        if share >= MANY or Turns.last is call or now - start >= rounds.PRIMED_S:
            until = now + share * (now - start)
            while now < until:
                now = time.perf_counter()
        Turns.last = call
        return outputs

    return call


def noted(step: Any) -> Any:
    """`step`, which says that it was called."""

    def call() -> Any:
        Turns.last = call
        return step()

    return call


def register(called: str, share: float, base: type[Variant] = Regular) -> None:
    """Register `base` as `called`, `share` slower."""

    class Injected(base):
        name = called
        summary = f"{base.name} again, {share:.0%} slower" if share else f"{base.name} again"

        def layer(self, case: Any, backend: Any) -> Any:
            layer = super().layer(case, backend)
            layer.slow_down = share
            return layer

    variant(Injected)


def _step(layer: Any, *rest: Any, **options: Any) -> Any:
    step = _plain_step(layer, *rest, **options)
    share = getattr(layer, "slow_down", 0.0)
    return slowed(step, share) if share else noted(step)


_plain_step, BACKEND.step = BACKEND.step, _step
for _name, _share in {**dict.fromkeys(TWINS, 0.0), **SLOWER, **KNOWN}.items():
    register(_name, _share)
for _base, _name in GATED.values():
    register(_name, GATED_SHARE, _base)

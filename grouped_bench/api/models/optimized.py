"""What `optimize` found, and the models that it stands for."""

import dataclasses
import functools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from grouped_bench.analyse.advise.optimized import LayerChange, Lead, Move, Whole
    from grouped_bench.analyse.estimate import Estimate
    from grouped_bench.space.case import Setting


@dataclasses.dataclass(frozen=True)
class Optimized:
    """What `optimize` found.

    Args:
        source: what was optimised, as it is named to a person.
        changes: the grouped convolutions, each distinct one once, the greatest saving first.
        whole: both networks as they were timed; None where no layer is changed, or the copy is refused.
        refusal: why there is no copy, or none that may be written; None where it is faster.
        notes: what is left out, and what else to know, in sentences.
        setting: where and how it was optimised.
        saved_as: `file`, `builtin` or `layers`: what the copy consists of.
        leads: what a step takes in other settings, each by one process, the fastest first.
        moves: where a step of the copy spends more time or less, the greatest change first; empty where the network
            saves what its layers promise.
        layers: source of the module to import before the copy is loaded; empty where it needs none.
        path: of the copy; None where none was written.
    """

    source: str
    changes: "tuple[LayerChange, ...]"
    whole: "Whole | None"
    refusal: str | None
    notes: tuple[str, ...] = ()
    setting: "Setting | None" = None
    saved_as: str = "file"
    leads: "tuple[Lead, ...]" = ()
    moves: "tuple[Move, ...]" = ()
    layers: str = ""
    path: Path | None = None
    _given: Any = dataclasses.field(default=None, repr=False)
    _making: str = dataclasses.field(default="", repr=False)
    _folds: tuple[str, ...] = dataclasses.field(default=(), repr=False)

    @property
    def is_faster(self) -> bool:
        """Whether the copy was shown to be faster."""
        return self.whole is not None and self.whole.verdict == "faster" and self.refusal is None

    @property
    def speedup(self) -> "Estimate":
        """How many times as fast the copy is; 1 without one."""
        from grouped_bench.analyse.estimate import Estimate

        return self.whole.speedup if self.whole and self.is_faster else Estimate(1.0, 1.0, 1.0)

    @property
    def step_s(self) -> float:
        """Seconds of a step of the better of both networks; infinite where none was timed."""
        if self.whole is None:
            return math.inf
        return (self.whole.after if self.is_faster else self.whole.before).seconds.value

    @property
    def table(self) -> "pd.DataFrame":
        """The layers, one a row: what each was and is, and what that saves."""
        import pandas as pd

        from grouped_bench.report.optimization import records

        return pd.DataFrame(records(self))

    @functools.cached_property
    def model(self) -> Any:
        """The copy as a Keras model of this process, with the weights of the original; that itself without a copy.

        It is not compiled.
        """
        from grouped_bench.measure.models.copies import replaced

        own = self._original()
        return replaced(own, self._making, self._folds) if self.is_faster else own

    def restore(self) -> Any:
        """The original, not compiled, with the weights that `model` has now."""
        from grouped_bench.measure.models.copies import same_state, unchanged
        from grouped_bench.variants.models import folding
        from grouped_bench.variants.models.built_in import restored

        own, _ = restored(self.model)
        found = unchanged(self._original())
        if self._folds:
            folding.give_back(own, found)
        else:
            same_state(own, found)
        return found

    def _original(self) -> Any:
        import keras

        is_file = isinstance(self._given, str)
        return keras.models.load_model(self._given, compile=False) if is_file else self._given

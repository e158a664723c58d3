"""What a variant must say: its function, its layer, its counts, and how it takes the reference weights."""

import copy
import dataclasses
import functools
import operator
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self

import numpy as np

from grouped_bench.backends.base import Backend
from grouped_bench.backends.code import Arguments, Code, define_layer, written
from grouped_bench.errors import VariantError
from grouped_bench.space.case import LONGEST_NAME, NAME_PATTERN, Case
from grouped_bench.space.counts import Counts, convolution_counts
from grouped_bench.variants.palette import MARKERS
from grouped_bench.variants.reference.convolution import Weights
from grouped_bench.variants.reference.functions import Convolution, Function

PassPart = Literal["all", "forward", "input"]


class Chooser(Protocol):
    """What a search asks of the machine, for one variant in one case, setting and pass."""

    def fastest(self, choices: Sequence[str], *, part: PassPart = "all") -> str:
        """The fastest of `choices`, the likeliest first, by a few calls each.

        Args:
            choices: those that fail are left out.
            part: of the pass, that is timed: all of it, `forward` alone, or forward and the gradient of the `input`.

        Raises what the first choice raised where all fail.
        """


class Variant:
    """One way to compute a convolution, or a block where `scope` says so.

    `computes` names the function, so that only variants of the same function are ranked as exact: `dense` is the
    convolution over all input channels, `grouped` the one over its groups. `in_parts` says that it makes a convolution
    for each group, as its reference workload of the case then does. `choice` is one of `choices`: the variant as
    `with_choice` made it.

    `gloss` says in a few words of a sentence how it computes. `colour` (`#rrggbb`) and `marker` (one of
    `palette.MARKERS`) are those of every figure; what a variant does not say of these follows from its name.
    """

    scope: ClassVar[str] = "layer"
    in_parts: ClassVar[bool] = False
    name: ClassVar[str]
    summary: ClassVar[str]
    computes: ClassVar[str]
    gloss: ClassVar[str | None] = None
    colour: ClassVar[str | None] = None
    marker: ClassVar[str | None] = None
    choice: str | None = None

    def __init_subclass__(cls) -> None:
        # What tells a variant from others is not inherited.
        for word in ("gloss", "colour", "marker"):
            setattr(cls, word, vars(cls).get(word))

    def choices(self, case: Case) -> tuple[str, ...]:
        """What the variant leaves open, the likeliest first; empty where it is computed in one way only.

        The first process of a cohort chooses for all of them. Without a choice the first of these holds.
        """
        return ()

    def choose(self, case: Case, trials: Chooser) -> str:
        """The fastest of `choices` on this machine."""
        return trials.fastest(self.choices(case))

    def with_choice(self, choice: str | None) -> Self:
        """The same variant, computed as `choice` says."""
        made = copy.copy(self)
        made.choice = choice
        return made

    def function(self, case: Case) -> Function:
        """What is computed: unless a variant says otherwise, the convolution that `computes` names."""
        return Convolution(case, case.groups if self.computes == "grouped" else 1)

    def counts(self, case: Case) -> Counts:
        """Analytic parameters, MACs and minimum bytes."""
        return convolution_counts(case, case.groups if self.computes == "grouped" else 1)

    def layer(self, case: Case, backend: Backend) -> Any:
        """A Keras layer, not yet built, that maps `case.input_shape` to `case.output_shape`.

        A variant says what it is by `code`, which can be printed, or here.
        """
        return define_layer(self.code(case, backend), case.rank, self.arguments(case))

    def code(self, case: Case, backend: Backend) -> Code:
        """The steps that define the layer's class, whose bodies `advise` prints; () where it is Keras' own.

        Raises NotImplementedError where there is no such layer.
        """
        raise NotImplementedError(f"{self.name} has a layer and no code")

    def module_code(self, case: Case) -> Code:
        """The same of a module of `torch.nn`, which is called with the arguments of its convolutions.

        Raises NotImplementedError where there is none.
        """
        raise NotImplementedError(f"{self.name} has no form of torch.nn")

    @property
    def has_module(self) -> bool:
        """Whether it has such a module, so that it can be measured in a layout of PyTorch's own.

        Not where a class below the one of `module_code` computes in another way.
        """
        home = _home(type(self), "module_code")
        others = (_home(type(self), "code"), _home(type(self), "layer"))
        return home is not Variant and all(issubclass(home, one) for one in others)

    def has_layout(self, layout: str | None) -> bool:
        """Whether it can be measured in a layout; None is that of Keras, which every variant has."""
        return layout is None or self.has_module

    def arguments(self, case: Case) -> Arguments:
        """What the class is called with: the arguments of Keras' convolutions, in their order."""
        return {
            "filters": case.out_channels,
            "kernel_size": case.kernel_size,
            "groups": case.groups,
            "strides": case.stride,
            "dilation_rate": case.dilation,
            "padding": case.padding,
            "data_format": case.data_format,
            "use_bias": case.bias,
            "dtype": case.dtype,
        }

    def printed(self, case: Case, backend: Backend) -> "Printed | None":
        """The layer as it may be printed; None where a class below the one of `code` makes another layer."""
        if not issubclass(_home(type(self), "code"), _home(type(self), "layer")):
            return None
        return Printed(self.code(case, backend), case.rank, self.arguments(case))

    @property
    def keeps_weights(self) -> bool:
        """Whether its layer has the weights of Keras' own, so that one takes the place of the other in a checkpoint."""
        return self.computes in _FUNCTIONS and type(self).to_layer is Variant.to_layer

    def to_layer(self, weights: Weights, case: Case) -> list[np.ndarray]:
        """The reference weights as the values of the layer's trainable variables, in their order."""
        return list(weights.values())

    def from_layer(self, values: list[np.ndarray], case: Case) -> Weights:
        """Values (or gradients) of the layer's trainable variables as reference weights."""
        return dict(zip(self.function(case).shapes(), values, strict=True))


@dataclasses.dataclass(frozen=True)
class Printed:
    """A layer that stands alone: the steps that define its class, its rank, and what the class is called with."""

    code: Code
    rank: int
    arguments: Arguments

    def text(self) -> str:
        """The code to paste, which ends in `layer = …`."""
        return written(self.code, self.rank, self.arguments)


REGISTRY: dict[str, Variant] = {}
ALL = "all"
_FUNCTIONS = ("dense", "grouped")


def variant(cls: type[Variant]) -> type[Variant]:
    """Register a subclass of `Variant`: it joins every sweep, check, table and figure.

    Raises:
        VariantError: the class lacks what a variant says of itself, or another variant has its name.
    """
    _refuse_incomplete(cls)
    taken = type(REGISTRY[cls.name]) if cls.name in REGISTRY else cls
    # The same class, made anew: its file was run or its notebook's cell executed once more.
    if (origin(taken), taken.__qualname__) != (origin(cls), cls.__qualname__):
        both = " and ".join(f"{one.__qualname__} in {Path(origin(one)).name}" for one in (taken, cls))
        raise VariantError(
            "The name of a variant must be unique",
            received=f"{cls.name} for both {both}",
            remedy="Give yours another name",
        )
    REGISTRY[cls.name] = cls()
    return cls


def origin(cls: type[Variant]) -> str:
    """The file that a variant's class stands in; its module's name where that has none, as in a notebook."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return str(Path(file).resolve()) if file else cls.__module__


def _refuse_incomplete(cls: Any) -> None:
    if not (isinstance(cls, type) and issubclass(cls, Variant)):
        raise VariantError(
            "@variant takes a subclass of Variant", received=cls, remedy="Derive the class from grouped_bench.Variant"
        )
    for word in ("name", "summary", "computes"):
        said = getattr(cls, word, None)
        if not (isinstance(said, str) and said.strip()):
            raise VariantError(
                "A variant must have a name, a summary, and a word for what it computes, each a text",
                received=f"{cls.__name__} with {word} = {said!r}"
                if said is not None
                else f"{cls.__name__} without {word}",
                remedy=f'Write {word} = "…" in the class',
            )
    if not re.fullmatch(NAME_PATTERN, cls.name) or cls.name == ALL or len(cls.name) > LONGEST_NAME:
        raise VariantError(
            f"The name of a variant must be at most {LONGEST_NAME} letters, digits and _.-, and not `{ALL}`",
            received=cls.name,
            remedy="Give it another name",
        )
    _refuse_looks(cls)
    _refuse_own_truth(cls)
    # What the base can only tell of functions that it knows.
    own = ("function", "counts") if cls.computes not in _FUNCTIONS else ()
    lacking = [word for word in own if getattr(cls, word) is getattr(Variant, word)]
    if cls.code is Variant.code and cls.layer is Variant.layer:
        lacking.insert(0, "code")
    if lacking:
        raise VariantError(
            "A variant must have the method code(case, backend) or layer(case, backend) and, unless it computes dense "
            "or grouped, function(case) and counts(case)",
            received=f"{cls.__name__}, which computes {cls.computes}, without {', '.join(lacking)}",
            remedy=f"Write {lacking[0]}() in the class",
        )


def _refuse_own_truth(cls: type[Variant]) -> None:
    """Refuse another's function or counts under a name that has both: what is compared must be the same."""
    package = __name__.partition(".")[0]
    homes = {word: _home(cls, word).__module__.partition(".")[0] for word in ("function", "counts")}
    own = [word for word, home in homes.items() if home != package]
    if cls.computes in _FUNCTIONS and own:
        raise VariantError(
            f"A variant that computes {cls.computes} must have the function and the counts of all that do",
            received=f"{cls.__name__} with {own[0]}() of its own",
            remedy=f"Remove {own[0]}(), or write another word in computes",
        )


def _refuse_looks(cls: type[Variant]) -> None:
    """Refuse what no figure could draw and no sentence hold."""
    rules: dict[str, tuple[str, Callable[[str], object]]] = {
        "gloss": ("a few words in one line", lambda said: 0 < len(said) <= LONGEST_NAME and said.isprintable()),
        "colour": ("written #rrggbb", lambda said: re.fullmatch("#[0-9a-fA-F]{6}", said)),
        "marker": (f"one of {' '.join(MARKERS)}", lambda said: said in MARKERS),
    }
    for word, (rule, holds) in rules.items():
        said = getattr(cls, word)
        if said is not None and not (isinstance(said, str) and holds(said)):
            raise VariantError(
                f"The {word} of a variant must be {rule}",
                received=f"{cls.__name__} with {word} = {said!r}",
                remedy=f"Write another {word} or none in the class",
            )


def _home(cls: type[Variant], method: str) -> type:
    """The class that a method is of."""
    return next(one for one in cls.__mro__ if method in vars(one))


def keras_convolution(case: Case, *, filters: int, groups: int = 1, bias: bool) -> Any:
    """Keras' Conv1D, Conv2D or Conv3D with the case's geometry and dtype, not yet built.

    Args:
        case: its geometry, dtype and data format; not its channels.
        filters: output channels.
        groups: of the convolution.
        bias: whether it has one.
    """
    import keras

    convolution = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)[case.rank - 1]
    return convolution(
        filters,
        case.kernel_size,
        strides=case.stride,
        dilation_rate=case.dilation,
        padding=case.padding,
        data_format=case.data_format,
        groups=groups,
        use_bias=bias,
        dtype=case.dtype,
    )


def grouped_layer(case: Case, convolve: Callable[[Any, Any], Any]) -> Any:
    """A layer of one grouped kernel (*k, Cin/G, Cout) and, where the case has one, a bias.

    Args:
        case: its geometry and dtype.
        convolve: the output without bias, from the input and the kernel in the dtype of the arithmetic.
    """
    import keras

    class GroupedLayer(keras.layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.kernel = self.add_weight(shape=case.kernel_shape(case.groups), name="kernel")
            self.bias = self.add_weight(shape=(case.out_channels,), name="bias") if case.bias else None

        def call(self, inputs: Any) -> Any:
            outputs = convolve(inputs, keras.ops.cast(self.kernel, self.compute_dtype))
            if self.bias is None:
                return outputs
            return outputs + keras.ops.reshape(keras.ops.cast(self.bias, self.compute_dtype), bias_shape(case))

    return GroupedLayer(dtype=case.dtype)


def parts_layer(case: Case, convolve: Callable[[Any, Any], Any], function: str) -> Any:
    """A layer of a kernel for each group and no bias, whose outputs are joined to the function `dense` or `grouped`.

    Args:
        case: its geometry and dtype.
        convolve: the output of a part, from its input and its kernel in the dtype of the arithmetic.
        function: `dense` sums the outputs of all groups, `grouped` concatenates them.
    """
    import keras

    outputs = case.out_channels if function == "dense" else case.out_channels // case.groups
    shape = (*case.kernel_size, case.in_channels // case.groups, outputs)

    class PartsLayer(keras.layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.kernels = [self.add_weight(shape=shape, name=f"kernel_{group}") for group in range(case.groups)]

        def call(self, inputs: Any) -> Any:
            parts = keras.ops.split(inputs, case.groups, axis=case.channel_axis)
            kernels = [keras.ops.cast(kernel, self.compute_dtype) for kernel in self.kernels]
            made = [convolve(part, kernel) for part, kernel in zip(parts, kernels, strict=True)]
            if function == "dense":
                return functools.reduce(operator.add, made)
            return keras.ops.concatenate(made, axis=case.channel_axis)

    return PartsLayer(dtype=case.dtype)


def bias_shape(case: Case) -> tuple[int, ...]:
    """The shape in which a bias broadcasts over the output."""
    shape = [1] * (case.rank + 2)
    shape[case.channel_axis] = case.out_channels
    return tuple(shape)

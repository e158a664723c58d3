"""The source of a module that puts layers in the place of Keras' own: their classes, and the functions that do it."""

import dataclasses
import textwrap
from collections.abc import Iterable, Sequence

from grouped_bench.backends.code import KERAS_DEPTHWISE, Arguments, Source, literal
from grouped_bench.space.case import BASELINE, Case
from grouped_bench.space.choices import DEPTHWISE
from grouped_bench.space.facts import Json
from grouped_bench.variants.base import REGISTRY, Printed
from grouped_bench.variants.definitions import define_kernel_conv, define_kernel_depthwise_conv, depthwise
from grouped_bench.variants.layers.grouped_native import define_native_grouped_conv
from grouped_bench.variants.models import built_in
from grouped_bench.variants.models.replacing import REPLACING
from grouped_bench.variants.models.stand_ins import GUARDED, STAND_IN

WIDTH = 80
_REGISTERED = '@keras.saving.register_keras_serializable(package="grouped_bench")'
# Keras' own layers have been made before.
_UNCHANGED = "def replace_layers(model):\n    return model\n"
# Stands for a space where no line may break.
_GLUE = "\0"
_FORMS = """# For each layer to replace: what it must be; the size of its input; the class
# that takes its place; the arguments that only this class has.
FORMS = [
"""


@dataclasses.dataclass(frozen=True)
class Substitute:
    """A layer of Keras' and what takes its one.

    Args:
        case: what the layer computes.
        keras: the variant that it is.
        printed: the layer for its one.
        comment: what to say of it, printable.
    """

    case: Case
    keras: str
    printed: Printed
    comment: str


def module_source(substitutes: Sequence[Substitute], remarks: Iterable[str]) -> str:
    """The module without its docstring.

    Args:
        substitutes: the layers.
        remarks: what to say below them, a line each, printable.
    """
    source = Source()
    names = _classes(source, substitutes, _REGISTERED)
    return _with_forms(source, substitutes, names, remarks)


@dataclasses.dataclass(frozen=True)
class StandIns:
    """Layers that stand in for Keras' own in a saved model: the module to import beside it, and the one that makes it.

    `layers` holds their classes alone; it is empty where they need no module. `making` has `replace_layers`.
    """

    layers: str
    making: str


def of_package(substitutes: Sequence[Substitute], choices: Sequence[str]) -> StandIns:
    """The module for layers of `grouped_bench.layers`.

    Args:
        substitutes: the layers.
        choices: of each the `implementation`.
    """
    source = Source()
    ranks = sorted({f"GroupedConv{one.case.rank}D" for one in substitutes})
    source.put(f"from grouped_bench.layers import {', '.join(ranks)}")
    forms = "".join(
        _form(one, f"GroupedConv{one.case.rank}D", {"implementation": choice})
        for one, choice in zip(substitutes, choices, strict=True)
    )
    return StandIns("", _with_table(source, forms, ()))


def of_keras(substitutes: Sequence[Substitute], names: Sequence[str]) -> StandIns:
    """The module for Keras' own layers alone.

    Args:
        substitutes: the layers.
        names: of each the variant, one of `built_in.FORMS`.
    """
    forms = [(traits_of(one), one.case.size, name) for one, name in zip(substitutes, names, strict=True)]
    start = f"from {built_in.__name__} import {built_in.replacer.__name__}"
    return StandIns("", f"{start}\n\nreplace_layers = {built_in.replacer.__name__}({literal(forms)})\n")


def stand_ins(substitutes: Sequence[Substitute], *, guarded: bool) -> StandIns:
    """The modules, without docstrings, of layers that all have the weights of Keras' own.

    Args:
        substitutes: the layers.
        guarded: whether the backend refuses on some machines what it computes on others, so that Keras' own convolution
            must be at hand.
    """
    if not any(one.printed.code for one in substitutes):
        return StandIns("", _UNCHANGED)
    source = Source()
    registered = source.add(STAND_IN, rank=1)
    guard = source.add(GUARDED, rank=1) if guarded and any(map(_may_be_refused, substitutes)) else None
    names = _classes(source, substitutes, f"@{registered}")
    for definition in (define_kernel_conv, define_kernel_depthwise_conv) if guard else ():
        for name in source.written_as(definition):
            source.decorate(name, f"@{guard}")
    layers = f"{source}\n"
    return StandIns(layers, _with_forms(source, substitutes, names, ()))


def _classes(source: Source, substitutes: Sequence[Substitute], decorators: str) -> list[str]:
    """The name of the class of each layer, once all classes are written."""
    names = [_class(source, one) for one in substitutes]
    for name in dict.fromkeys(names):
        source.decorate(name, decorators)
    return names


def _may_be_refused(one: Substitute) -> bool:
    """Whether a machine may lack it: convolutions with groups, and channels that come first."""
    last = one.printed.code[-1] if one.printed.code else None
    return last is define_native_grouped_conv or one.case.data_format == "channels_first"


def _class(source: Source, one: Substitute) -> str:
    code, rank = one.printed.code, one.printed.rank
    return source.add(depthwise(code), rank, KERAS_DEPTHWISE) if one.keras == DEPTHWISE else source.add(code, rank)


def _with_forms(source: Source, substitutes: Sequence[Substitute], names: Sequence[str], remarks: Iterable[str]) -> str:
    forms = "".join(_form(one, name, _own(one)) for one, name in zip(substitutes, names, strict=True))
    return _with_table(source, forms, remarks)


def _with_table(source: Source, forms: str, remarks: Iterable[str]) -> str:
    source.put(f"{_FORMS}{forms}]\n{''.join(map(comment, remarks))}".rstrip("\n"))
    source.add(REPLACING, rank=1)
    return f"{source}\n"


def comment(text: str, indent: int = 0) -> str:
    """Printable text as lines of a comment."""
    start = f"{' ' * indent}# "
    return "".join(f"{line}\n" for line in textwrap.wrap(text, WIDTH, initial_indent=start, subsequent_indent=start))


def _form(one: Substitute, name: str, arguments: Json) -> str:
    lines = [*_table(traits_of(one)), f"{literal(one.case.size)},", f"{name},", *_table(arguments)]
    return comment(one.comment, 4) + "\n".join(["    (", *(f"        {line}" for line in lines), "    ),", ""])


def traits_of(one: Substitute) -> Json:
    """What `replacing.define_traits` finds of the layer."""
    case = one.case
    return {
        "channels": (case.in_channels, case.out_channels),
        "groups": 1 if one.keras == BASELINE else case.groups,
        "kernel_size": case.kernel_size,
        "strides": case.stride,
        "dilation_rate": case.dilation,
        "padding": case.padding,
        "use_bias": case.bias,
        "data_format": case.data_format,
        "dtype": case.dtype,
        **({"depthwise": True} if one.keras == DEPTHWISE else {}),
    }


def _table(values: Json) -> list[str]:
    """A dict as lines that break between its items."""
    items = (f"{literal(name)}: {literal(value)}".replace(" ", _GLUE) for name, value in values.items())
    lines = textwrap.wrap(f"{{{', '.join(items)}}},", WIDTH - 8, subsequent_indent=" ", break_long_words=False)
    return [line.replace(_GLUE, " ") for line in lines]


def _own(one: Substitute) -> Json:
    """Those arguments of the layer that Keras' has not, or has otherwise."""
    keras: Arguments = REGISTRY[one.keras].arguments(one.case)
    return {name: value for name, value in one.printed.arguments.items() if keras.get(name) != value}

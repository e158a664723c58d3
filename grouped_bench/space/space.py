"""A space: named values to sweep, from keyword arguments, a TOML file or a preset, under one validation."""

import dataclasses
import itertools
import math
import re
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from grouped_bench.errors import SpaceError, shown
from grouped_bench.space import variables
from grouped_bench.space.axes import (
    AXIS_NAMES,
    DEFAULT_PATHS,
    DEFAULT_VARIANTS,
    OPTION_AXES,
    Axes,
    Control,
    validate,
)
from grouped_bench.space.case import Case
from grouped_bench.space.facts import Json
from grouped_bench.space.published import Published, validate_published
from grouped_bench.units import counted

MOST_POINTS = 100_000
LARGEST_FILE = 4 * 2**20
_CASE_AXES = (
    *("rank", "pass_", "groups", "channels", "kernel_size", "stride", "dilation", "padding", "size"),
    *("batch_size", "dtype", "data_format", "bias", "cardinality", "width"),
)
# What tomllib says of a key or table that is there twice.
_TWICE = re.compile(r"overwrite a value|twice|Duplicate")
# Where one of these is replaced, a case is no longer the one of which figures were published.
_SHAPE_AXES = {"rank", "groups", "channels", "kernel_size", "stride", "dilation", "padding", "size"}


@dataclasses.dataclass(frozen=True)
class Point:
    """One case of a space with the settings and variants it is to be swept over."""

    case: Case
    variants: tuple[str, ...]
    backends: tuple[str, ...]
    executions: tuple[str, ...] | None
    devices: tuple[str, ...]
    caches: tuple[str, ...]
    layouts: tuple[str, ...]
    envs: tuple[str | None, ...]
    threads: tuple[int | None, ...]
    multiplicity: int | None
    label: str | None
    in_use: str | None = None
    only: str | None = None
    names_variants: bool = False


class Space:
    """The union of one or more products of axes.

    Args:
        cases: tables of axes, each a product of its own; the other arguments are their defaults.
        control: controls that the space brings along (see `Control`), weaker than those given to a run.
        published: figures from elsewhere that a report shows beside its own (see `Published`).
        left_out: what the space stands for and does not hold, in words: layers of a network.
        source: how errors name the space.
        network: axes that a network brings along, weaker than any that is given; the variants of its cases are all that
            it may have, and no choice of the user's. None for what is no network.
        **axes: values of an axis, a scalar, a list or a comma list; `passes` stands for `pass`.

    Raises:
        SpaceError: an unknown axis, a value that breaks its rule, or more than 100,000 points.

    Example:
        >>> Space(groups=[1, 4, 32], channels=[128], passes=["training"])
    """

    def __init__(
        self,
        *,
        cases: list[Json] | None = None,
        control: Json | None = None,
        published: list[Json] | None = None,
        left_out: list[str] | None = None,
        source: str = "Space",
        network: Json | None = None,
        **axes: Any,
    ) -> None:
        if "passes" in axes:
            axes["pass"] = axes.pop("passes")
        _refuse_malformed(cases, control, source)
        self._own = [{**axes, **case} for case in cases] if cases else [axes]
        self.network = network
        self.tables = [{**(network or {}), **table} for table in self._own]
        self.source = source
        self.control = dict(control or {})
        where = f"{source} [control]" if control else source
        validate(Control, self.control, where)
        self.products = [
            _product(table, f"{source} [[case]] {number}" if cases else source)
            for number, table in enumerate(self.tables, 1)
        ]
        labels = [product.label for product in self.products]
        self.published = validate_published([] if published is None else published, labels, source)
        self.left_out = _texts(left_out, source)
        points = sum(_count(product) for product in self.products)
        if points > MOST_POINTS:
            raise SpaceError(
                f"{source}: a space must have at most {MOST_POINTS:,} points",
                received=counted(points, "point"),
                remedy="Give some axis fewer values, or split the space into several runs",
            )

    @classmethod
    def from_toml(cls, path: str | Path) -> "Space":
        """The space in the TOML file at `path`: axes, `[[case]]` tables and a `[control]` table."""
        path = Path(path)
        try:
            with path.open("rb") as file:
                content = file.read(LARGEST_FILE + 1)  # not more: a device has no size to ask for, and no end
            if len(content) > LARGEST_FILE:
                raise SpaceError(
                    f"A space file must be at most {LARGEST_FILE // 2**20} MiB",
                    received=str(path),
                    remedy="Name a TOML file of axes",
                )
            text = content.decode("utf-8")
        except (OSError, ValueError) as error:
            raise SpaceError(
                "A space file must be a readable UTF-8 file",
                received=f"{getattr(error, 'strerror', None) or error}: {path}",
                remedy="Name a TOML file of axes",
            ) from None
        return cls._from_text(text, path.name)

    @classmethod
    def preset(cls, name: str) -> "Space":
        """The preset called `name`."""
        if name not in preset_names():
            raise SpaceError("A preset must be known", received=name, remedy=f"Use one of {', '.join(preset_names())}")
        return cls._from_text((_presets() / f"{name}.toml").read_text(encoding="utf-8"), f"{name}.toml")

    @classmethod
    def _from_text(cls, text: str, source: str) -> "Space":
        try:
            table = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            if _TWICE.search(str(error)):
                raise SpaceError(
                    f"{source} must give each key and table once",
                    received=_line(text, str(error)),
                    remedy="Leave one out; several values of a key are a list",
                ) from None
            raise SpaceError(
                f"{source} must be valid TOML",
                received=str(error) or "tables nested too deep",
                remedy="Correct that line",
            ) from None
        cases, control, published = (table.pop(name, None) for name in ("case", "control", "published"))
        table.pop("about", None)
        _refuse_unknown(table, source)
        return cls(cases=cases, control=control, published=published, source=source, **table)

    def replace(self, **axes: Any) -> "Space":
        """This space with the given axes put in place of its own in every case."""
        if "passes" in axes:
            axes["pass"] = axes.pop("passes")
        validate(Axes, axes, "options")
        tables = [{**table, **axes} for table in self._own]
        if _SHAPE_AXES & set(axes):  # another case than the network's
            tables = [{name: value for name, value in table.items() if name != "in_use"} for table in tables]
        published = [] if _SHAPE_AXES & set(axes) else _plain(self.published)
        network = self._network_beside(axes)
        if network is not None and "variant" in axes:  # which are the user's choice then
            tables, network = [{**network, **table} for table in tables], None
        return Space(
            cases=tables, control=self.control, published=published, left_out=self.left_out, source=self.source,
            network=network,
        )  # fmt: skip

    def _network_beside(self, axes: Json) -> Json | None:
        """What a network brings along, beside axes that are given: its layout is of its own backend."""
        if self.network is None or "backend" not in axes:
            return self.network
        chosen = validate(Axes, {"backend": axes["backend"]}, "options").backend
        return self.network if chosen == (self.network.get("backend"),) else {}

    def points(self) -> Iterator[Point]:
        """Every case of every product, in order, legal or not."""
        scoped = ((product, scope) for product in self.products for scope in product.scope)
        for product, scope in scoped:
            for values in itertools.product(*(_values(product, axis, scope) for axis in _CASE_AXES)):
                yield Point(
                    case=_case(dict(zip(_CASE_AXES, values, strict=True)), scope),
                    variants=_values(product, "variant", scope),
                    backends=product.backend,
                    executions=product.execution,
                    devices=product.device,
                    caches=product.cache,
                    layouts=product.layout,
                    envs=_envs(product),
                    threads=product.threads or (None,),
                    multiplicity=product.multiplicity,
                    label=product.label,
                    in_use=product.in_use,
                    only=product.only,
                    names_variants=product.variant is not None and self.network is None,
                )

    def to_dict(self) -> Json:
        """The space as plain values, for the record."""
        more = {"published": _plain(self.published), "left_out": self.left_out}
        told = {name: value for name, value in more.items() if value}
        told |= {} if self.network is None else {"network": self.network}
        return {"source": self.source, "cases": self._own, "control": self.control, **told}


def preset_names() -> list[str]:
    """Names of the presets that ship with the package."""
    return sorted(file.name.removesuffix(".toml") for file in _presets().iterdir() if file.name.endswith(".toml"))


def preset_about(name: str) -> str:
    """The sentence in which a preset says what it reproduces."""
    return str(tomllib.loads((_presets() / f"{name}.toml").read_text(encoding="utf-8"))["about"])


def _line(text: str, problem: str) -> str:
    """The line of `text` at which a problem with its TOML was found, by what was said of it: the last, if none."""
    lines, found = text.rstrip("\n").split("\n"), re.search(r"line (\d+)", problem)
    number = int(found[1]) if found else len(lines)
    return f"line {number}: {lines[number - 1].strip()}"


def _texts(left_out: Any, source: str) -> list[str]:
    texts = [] if left_out is None else left_out
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise SpaceError(f"{source}: `left_out` takes a list of texts", received=texts, remedy="Give a list of texts")
    return list(texts)


def _plain(published: tuple[Published, ...]) -> list[Json]:
    return [one.model_dump(exclude_none=True) for one in published]


def _presets() -> Any:
    return resources.files("grouped_bench.space") / "presets"


def _refuse_malformed(cases: Any, control: Any, source: str) -> None:
    well_formed = cases is None or (isinstance(cases, list) and all(isinstance(case, dict) for case in cases))
    if not well_formed or not isinstance(control, dict | None):
        raise SpaceError(
            f"{source}: the cases must be a list of tables, and the controls one table",
            received={"case": cases, "control": control},
            remedy="Write [[case]] and [control] above their keys in TOML",
        )


def _refuse_unknown(table: Json, source: str) -> None:
    for key, value in table.items():
        if key not in AXIS_NAMES:
            raise SpaceError(
                f"{source}: every key must be known",
                received=f"{shown(key)} = {shown(value)}",
                remedy=f"Use an axis ({', '.join(OPTION_AXES)}), [[case]], [[published]] or [control]",
            )


def _product(table: Json, source: str) -> Axes:
    product = validate(Axes, table, source)
    for axis in DEFAULT_PATHS:
        if getattr(product, axis) is not None and "block" not in product.scope:
            raise SpaceError(
                f"{source}: `{axis}` must go with scope block",
                received=f"{axis} {shown(table[axis])} with scope layer",
                remedy='Leave it out, or add --scope block (scope = "block" in TOML and Python)',
            )
    return product


def _values(product: Axes, axis: str, scope: str) -> tuple[Any, ...]:
    """The values of `axis` for cases of `scope`; (None,) where the scope has no such axis, or nothing was given."""
    if axis in DEFAULT_PATHS and scope != "block":
        return (None,)
    defaults = {"variant": DEFAULT_VARIANTS[scope], **DEFAULT_PATHS}
    values: tuple[Any, ...] = getattr(product, axis) or defaults.get(axis, (None,))
    return values


def _envs(product: Axes) -> tuple[str | None, ...]:
    """Every combination of the environment's values; (None,) where it is left as it is."""
    return tuple(variables.combinations(product.env)) if product.env else (None,)


def _count(product: Axes) -> int:
    axes = (*_CASE_AXES, "variant", "backend", "device", "execution", "cache", "layout", "threads")
    envs = math.prod(map(len, (product.env or {}).values()))
    return envs * sum(math.prod(len(_values(product, axis, scope)) for axis in axes) for scope in product.scope)


def _case(values: Json, scope: str) -> Case:
    rank = values["rank"]
    for axis in ("size", "kernel_size", "stride", "dilation"):
        extents = values[axis]
        values[axis] = extents * rank if len(extents) == 1 else extents
    values["in_channels"], values["out_channels"] = values.pop("channels")
    return Case(**values, scope=scope)

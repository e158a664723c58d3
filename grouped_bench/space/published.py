"""Figures that others published for what a space reproduces, shown beside those of a run."""

import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from grouped_bench.errors import SpaceError, shown
from grouped_bench.space.axes import Name

MOST_PUBLISHED = 200


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("not finite")
    return value


Text = Annotated[str, Field(strict=True, min_length=1, max_length=200)]
Number = Annotated[float, Field(strict=True), AfterValidator(_finite)]


class Published(BaseModel):
    """One figure from elsewhere, and which of a run's own stands beside it. Each field's description is its rule.

    Without `ours` no run has such a figure: an accuracy, or a time on hardware that is not here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    what: Text = Field(description="takes the name of the figure, of at most 200 characters")
    value: Number = Field(description="takes a number")
    source: Text = Field(description="takes the citation, of at most 200 characters")
    unit: Annotated[str, Field(strict=True, max_length=40)] = Field(
        "", description="takes a text of at most 40 characters"
    )
    label: Text | None = Field(None, description="takes the label of a case; without it, the figure is of all cases")
    ours: Literal["params", "macs", "speedup"] | None = Field(
        None, description="takes params, macs (of one image, forward) or speedup"
    )
    variant: Name | None = Field(
        None, description="takes a variant; without it, each case counts as Keras computes it, grouped or dense"
    )
    over_label: Text | None = Field(None, description="takes the label of the case that the speedup is relative to")
    over_variant: Name | None = Field(None, description="takes the variant that the speedup is relative to")


def validate_published(tables: Any, labels: Iterable[str | None], source: str) -> tuple[Published, ...]:
    """The `[[published]]` tables of a space whose cases have `labels`; SpaceError states the first broken rule."""
    if not isinstance(tables, list | tuple) or len(tables) > MOST_PUBLISHED:
        raise SpaceError(
            f"{source}: published figures must be a list of at most {MOST_PUBLISHED} tables",
            received=tables,
            remedy="Write [[published]] above the keys of each in TOML",
        )
    labels = list(labels)
    return tuple(_validated(table, labels, f"{source} [[published]] {n}") for n, table in enumerate(tables, 1))


def recorded_published(space: Any) -> list[Published]:
    """The published figures in the record of a space, without what no run writes there."""
    tables = space.get("published") if isinstance(space, dict) else None
    found = []
    for table in tables[:MOST_PUBLISHED] if isinstance(tables, list) else ():
        try:
            found.append(Published.model_validate(table))
        except ValidationError:
            continue
    return found


def _validated(table: Any, labels: list[str | None], source: str) -> Published:
    try:
        made = Published.model_validate(table)
    except ValidationError as error:
        raise _refusal(table, str((*error.errors()[0]["loc"], "")[0]), source) from None
    unknown = {made.label, made.over_label} - {None, *labels}
    if unknown:
        raise SpaceError(
            f"{source}: a label must be that of a case",
            received=", ".join(map(str, unknown)),
            remedy="Use the label of a case, or leave it out",
        )
    if (made.ours == "speedup") != bool(made.over_label or made.over_variant):
        raise SpaceError(
            f"{source}: a speedup, and no other figure, must name over_label or over_variant",
            received=made.what,
            remedy="Correct that table",
        )
    return made


def _refusal(table: Any, key: str, source: str) -> SpaceError:
    """The error of a table whose `key` breaks its rule."""
    remedy = f"Use the keys {', '.join(Published.model_fields)}"
    if not isinstance(table, dict):
        return SpaceError(f"{source}: a published figure must be a table", received=table, remedy=remedy)
    field = Published.model_fields.get(key)
    if field is None:
        received = f"{shown(key)} = {shown(table.get(key))}"
        return SpaceError(f"{source}: every key must be known", received=received, remedy=remedy)
    return SpaceError(f"{source}: `{key}` {field.description}", received=table.get(key, "nothing"), remedy=remedy)

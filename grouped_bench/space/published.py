"""Figures that others have published of what a space reproduces: what a run's own figures are shown beside."""

import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from grouped_bench.errors import SpaceError
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

    what: Text = Field(description="takes a text of at most 200 characters that says what the figure is")
    value: Number = Field(description="takes a number")
    source: Text = Field(description="takes the citation, of at most 200 characters")
    unit: Annotated[str, Field(strict=True, max_length=40)] = Field("", description="takes a text of at most 40")
    label: Text | None = Field(None, description="takes the label of a case; without it all cases are meant")
    ours: Literal["params", "macs", "speedup"] | None = Field(
        None, description="takes params, macs (of one image, forward) or speedup"
    )
    variant: Name | None = Field(
        None, description="takes a variant; without it each case counts as Keras has it, with groups or without"
    )
    over_label: Text | None = Field(None, description="takes the label of the case that a speedup is over")
    over_variant: Name | None = Field(None, description="takes the variant that a speedup is over")

    def problem(self, labels: Iterable[str | None]) -> str | None:
        """Why the table makes no sense in a space with these labels, or None."""
        for name in {self.label, self.over_label} - {None, *labels}:
            return f"there is no case with the label {name}"
        over = self.over_label or self.over_variant
        if (self.ours == "speedup") != bool(over):
            return "a speedup, and nothing else, is over another label or variant"
        return None


def validate_published(tables: Any, labels: Iterable[str | None], source: str) -> tuple[Published, ...]:
    """The `[[published]]` tables of a space whose cases have `labels`; SpaceError tells the first broken rule."""
    if not isinstance(tables, list | tuple) or len(tables) > MOST_PUBLISHED:
        raise SpaceError(
            f"{source}: published figures are a list of at most {MOST_PUBLISHED} tables",
            received=tables,
            remedy="In TOML, write [[published]] above the keys of each",
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
        key = str((*error.errors()[0]["loc"], "")[0])
        field = Published.model_fields.get(key)
        rule = f"`{key}` {field.description}" if field else f"there is no key `{key}`" if key else "is no table"
        received = table.get(key, "nothing") if isinstance(table, dict) else table
        known = ", ".join(Published.model_fields)
        raise SpaceError(f"{source}: {rule}", received=received, remedy=f"The keys are {known}") from None
    problem = made.problem(labels)
    if problem:
        raise SpaceError(f"{source}: {problem}", received=made.what, remedy="Mend that table")
    return made

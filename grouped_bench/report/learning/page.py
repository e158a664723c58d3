"""The page of a learning run: one file that loads nothing and runs no script."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from grouped_bench.analyse.learning.verdicts import LEAST_SEEDS, LOOKS, MARGIN
from grouped_bench.report.drawing.night import night_rules
from grouped_bench.report.drawing.svg import Drawn
from grouped_bench.report.learning.figures import drawings
from grouped_bench.report.learning.sentences import POINTS, headline, others
from grouped_bench.report.learning.table import how, sheets
from grouped_bench.report.page.drawings import NARROW, inline
from grouped_bench.report.page.html import environment, put
from grouped_bench.report.text import cells
from grouped_bench.space.facts import Facts
from grouped_bench.store.learning import TUNING, Training, study_of

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


@dataclasses.dataclass(frozen=True)
class _Placed:
    """A figure and its SVG inside HTML."""

    drawn: Drawn
    picture: Markup


def page(trainings: Sequence[Training], facts: Facts) -> str:
    """The whole page as HTML text."""
    wide = [_Placed(one, inline(one)) for one in drawings(trainings, facts)]
    narrow = [_Placed(one, inline(one)) for one in drawings(trainings, facts, NARROW, "-narrow")]
    return (
        environment()
        .get_template("learning.html.jinja")
        .render(
            policy=_POLICY,
            question=study_of(facts).question,
            run_id=cells.clean(facts["run_id"]),
            how=how(trainings, facts),
            headline=headline(trainings, facts),
            findings=others(trainings, facts),
            sheets=sheets(trainings, facts),
            wide=wide,
            narrow=narrow,
            night=Markup(night_rules("".join(one.picture for one in (*wide, *narrow)), ".drawn ")),
            method=_method(trainings, facts),
        )
    )


def write(trainings: Sequence[Training], facts: Facts, path: Path) -> Path:
    """Write the page to `path` in one step, and return it. Raises OutputError."""
    return put(page(trainings, facts), path)


def _method(trainings: Sequence[Training], facts: Facts) -> list[str]:
    study = study_of(facts)
    tuned = sorted({one.learning_rate for one in trainings if one.phase == TUNING})
    carriers = sorted({one["carrier"][0] for one in facts["carriers"].values()})
    found = [
        f"Each training: {study.epochs} epochs of {study.examples:,} examples at most, {study.batch_size} a batch, by "
        "stochastic gradient descent with Nesterov's momentum 0.9; the learning rate falls to 0 on half a cosine.",
        f"Each network got the best of the learning rates {', '.join(f'{one:g}' for one in tuned)}, by its accuracy on "
        "validation examples.",
        "A seed fixes the weights and the order of examples. All networks are trained from the same seeds and tested "
        "on the same examples.",
        f"Differences are looked at after {', '.join(map(str, LOOKS[:-1]))} and {LOOKS[-1]} seeds, {LEAST_SEEDS} at "
        "least. Student's t on paired differences; the error of 5% is divided among all comparisons and looks.",
        f"Equivalent: the interval lies within ±{100 * MARGIN:g} {POINTS}.",
        "A training takes as long as its epochs, each by the median of those after the first.",
    ]
    if carriers:
        found.append(f"Layers in groups are computed by what was fastest here: {', '.join(carriers)}.")
    return [cells.clean(one) for one in found]

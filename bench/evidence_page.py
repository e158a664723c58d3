"""The page of `results/evidence`, made from what the measuring scripts kept there; every figure is read from a file."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import evidence
import evidence_figures as drawing
import jinja2
from matplotlib.figure import Figure

from grouped_bench.space.studies import STUDIES
from grouped_bench.store.files.temporary import replace

TEMPLATE = Path(__file__).with_name("evidence.md.jinja")
# In what scripts asked and in files that are kept.
_PARTED_PERCENT = re.compile(r"(?<=[0-9]) %")
_BLANK_LINES = re.compile(r"\n{3,}")


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A figure of what was kept under a name, and the words for who cannot see it."""

    alt: str
    draw: Callable[[evidence.Findings], Figure]


@dataclasses.dataclass(frozen=True)
class Question:
    """A question, the commands that answer it and the figures of their answers, by the name each is kept under."""

    title: str
    commands: dict[str, str]
    figures: dict[str, Drawing] = dataclasses.field(default_factory=dict)


QUESTIONS = (
    Question("Is the procedure right where the truth is known?", {"simulated": "simulated.py"}),
    Question(
        "Does it see differences that are not there?",
        {"twins": "twins.py", "twins-hog": "twins.py --hog", "twins-broken": "twins.py --broken"},
    ),
    Question("What is left to be said on a busy machine?", {"hog": "hog.py"}),
    Question(
        "How do other tools do on such twins?",
        {"peers": "peers.py", "peers-hog": "peers.py --hog"},
        {
            "peers": Drawing("Error of each comparison of identical twins, by tool", drawing.peer_errors),
            "peers-hog": Drawing("Error of each comparison beside the hog, by tool", drawing.peer_errors),
        },
    ),
    Question(
        "Does it see the differences that are there, and how soon?",
        {"power": "power.py"},
        {"power": Drawing("Share of injected slow-downs found against seconds a pair", drawing.power_curve)},
    ),
    Question("Are known durations recovered?", {"truth": "truth.py"}),
    Question("Is time spent where the variance is?", {"design": "design.py"}),
    Question("Does the budget hold?", {"budget": "budget.py"}),
    Question("Does it matter whether the cache is hot?", {"cache": "cache.py"}),
    Question("Are differences between environments seen, and only where there are some?", {"env-axis": "env_axis.py"}),
    Question(
        "Is there a fast exact form where the framework's own operation is not?",
        {"forms": "forms.py", "forms-inference": "forms.py --pass inference"},
    ),
    Question(
        "Is one exact variant on TensorFlow as fast as the best of every framework?",
        {"across": "across.py", "across-1": "across.py --threads 1"},
    ),
    Question(
        "Where does the time of a grouped convolution go on TensorFlow and on PyTorch?",
        {"parts": "parts.py", "parts-1": "parts.py --threads 1"},
    ),
    Question(
        "How much faster does `optimize` make a network?",
        {f"optimized-{name}": f"optimized.py {name}" for name in ("ConvNeXtTiny", "ResNeXt50", "ResNeXt50-224")},
    ),
    Question(
        "Is a compiler, another framework or blind splitting faster than `optimize`?",
        {f"alternatives-{name}": f"alternatives.py {name}" for name in ("ResNeXt50", "ConvNeXtTiny")},
    ),
    Question("Does `optimize` decide alike each time?", {"repeats": "repeats.py"}),
    Question(
        "What does `optimize` gain on networks of keras.applications, and is it ever wrong?",
        {
            "applications-tensorflow": "applications.py",
            "applications-jax": "applications.py MobileNetV3Small MobileNetV2 EfficientNetV2B0 --backend jax",
        },
    ),
    Question("What does a layer that chooses add to a call?", {"dispatch": "dispatch.py"}),
    Question("Does a gate at 5% stay silent, and does it see 10%?", {"gate": "gate.py"}),
    Question(
        "Does a gate of a project of one's own stay silent, and does it see what is slower?", {"project": "project.py"}
    ),
    Question("Do base and head at the same moment tell more than in turn?", {"duet": "duet.py"}),
    Question("Does a baseline say what its run says?", {"baselines": "baselines.py"}),
    Question("Are steps in a history found where they are, and only there?", {"history": "history.py"}),
    Question("What does it cost to follow the advice on a case that was not measured?", {"advice": "advice.py"}),
    Question("Is a network read right?", {"architectures": "architectures.py"}),
    Question("Can a plan be believed?", {"plans": "plans.py"}),
    Question("Does a fleet answer what one machine answers, and lose nothing?", {"fleet": "fleet.py"}),
    Question("Do queries over large stores take seconds?", {"queries": "queries.py"}),
    Question("What does a call cost before it computes anything?", {"calls": "calls.py"}),
    Question("What does a page cost, and how soon is it usable?", {"pages": "pages.py"}),
    Question("What does the measuring itself cost?", {"overhead": "overhead.py"}),
    Question(
        "Do groups learn better, at equal cost?",
        {f"learning-{name}": f"learning.py {name}" for name in STUDIES},
    ),
    Question("Is a network ever found to learn better than itself?", {"learning-same": "learning.py --same"}),
    Question("What was tried to fool it?", {"fooled": "fooled.py"}),
    Question("Can the memory figures be trusted?", {"memory": "memory.py"}),
)


def write(folder: Path = evidence.EVIDENCE) -> None:
    """`folder`/README.md, and the figures beside the findings they are drawn from, in place of those that were there.

    Nothing where nothing was kept.
    """
    machines: dict[str, dict[str, evidence.Findings]] = {}
    for entry in evidence.load_all(folder):
        machines.setdefault(entry["machine"], {})[entry["name"]] = entry
    if not machines:
        return
    for older in [*folder.glob("*/*.svg"), *folder.glob("*/*.png")]:
        older.unlink()
    for machine, kept in machines.items():
        for question in QUESTIONS:
            for name, figure in question.figures.items():
                if name in kept:
                    drawing.save(figure.draw(kept[name]["findings"]), folder / machine / f"{name}.svg")
    replace(folder / "README.md", page(machines).encode())


def page(machines: dict[str, dict[str, evidence.Findings]]) -> str:
    """The page as Markdown; a figure that the template wants and a file lacks is an error, never a blank."""
    surroundings = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    surroundings.filters |= {"shown": evidence.shown, "given": evidence.given, "signed": evidence.signed}
    surroundings.filters["extract"] = lambda key, table: table[key]
    names: dict[str, Any] = {"machines": machines, "questions": QUESTIONS}
    text = surroundings.from_string(TEMPLATE.read_text(encoding="utf-8")).render(names)
    return _PARTED_PERCENT.sub("%", _BLANK_LINES.sub("\n\n", text)).strip() + "\n"

"""The card of a published data set: what is in it, how it is read, and what it cannot say."""

import json
from collections.abc import Sequence

from grouped_bench import __version__
from grouped_bench.space.facts import Facts
from grouped_bench.store.schema import COLUMNS, Task
from grouped_bench.units import counted

LICENCE = "CC-BY-4.0"
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def render(runs: Sequence[tuple[Sequence[Task], Facts]]) -> str:
    """The card in Markdown, with the front matter that hubs of data sets read.

    Args:
        runs: plain rows and facts of each.
    """
    tasks = sum(len(rows) for rows, _ in runs)
    size = next((name for most, name in _SIZES if tasks < most), "n>1M")
    return "\n".join(
        [
            "---",
            f"license: {LICENCE.lower()}",
            "pretty_name: Latency of convolutions, grouped and dense",
            "tags: [benchmark, convolution, grouped-convolution, latency]",
            f"size_categories: [{size}]",
            "configs:",
            "  - config_name: default",
            "    data_files: data/*/*.parquet",
            "---",
            "",
            "# Latency of convolutions, grouped and dense",
            "",
            f"{counted(tasks, 'task')} in {counted(len(runs), 'run')}, measured by grouped-bench {__version__}. "
            "A task is one implementation of one convolution in one setting. Each row has its latency, memory and "
            "parameters, every sample, and its verdict against the baseline of its case.",
            "",
            "```python",
            "import pandas as pd",
            "",
            'tasks = pd.read_parquet("data")',
            "```",
            "",
            "## Machines",
            "",
            "| machine | runs | tasks | class | libraries |",
            "|---|--:|--:|---|---|",
            *_machines(runs),
            "",
            "## Columns",
            "",
            "| column | type | unit | meaning |",
            "|---|---|---|---|",
            *(f"| `{one.name}` | {one.type} | {one.unit} | {_cell(one.meaning)} |" for one in COLUMNS),
            "",
            "Each file's metadata holds, as JSON under `grouped_bench`, the facts of its run: environment, space, "
            "controls, seed and skipped cases.",
            "",
            "## What it cannot say",
            "",
            "- Compare rows of one case and one run. Latencies of different machines, or of different runs, differ by "
            "more than what was measured.",
            "- A row whose status is not `ok` has no latency, and its reason says why. Leave such rows out of means.",
            "- A verdict `undecided` is no sign that two implementations are equally fast.",
            "",
            "## Licence",
            "",
            f"{LICENCE} (https://creativecommons.org/licenses/by/4.0/). Cite grouped-bench with its version, and name "
            "the machine.",
            "",
        ]
    )


def _machines(runs: Sequence[tuple[Sequence[Task], Facts]]) -> list[str]:
    found: dict[tuple[str, str, str], list[int]] = {}
    for rows, facts in runs:
        environment = facts["environment"]
        libraries = environment.get("libraries", {})
        names = [f"{name} {libraries[name]}" for name in ("tensorflow", "jax", "torch", "keras") if libraries.get(name)]
        key = str(facts["machine"]), _class(rows, environment), ", ".join(names)
        found.setdefault(key, []).append(len(rows))
    return [
        f"| `{machine}` | {len(counts)} | {sum(counts)} | {kind} | {libraries} |"
        for (machine, kind, libraries), counts in sorted(found.items())
    ]


def _class(rows: Sequence[Task], environment: Facts) -> str:
    """Whether oneDNN was on for TensorFlow, in one environment or in each of several; a dash where no run says."""
    known = {json.loads(row.in_force).get("onednn") for row in rows if row.backend == "tensorflow" and row.in_force}
    known = known or {environment.get("backend", {}).get("tensorflow", {}).get("onednn")}
    told = [f"oneDNN {word}" for value, word in ((True, "on"), (False, "off")) if value in known]
    return " and ".join(told) or "—"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")

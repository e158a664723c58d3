"""The house's walls: which module may import which, who reads the clock, and what a worker needs."""

import ast
import dataclasses
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import grouped_bench

ROOT = Path(grouped_bench.__file__).parent
PACKAGE = ROOT.name
# As the guide for contributors draws it. A module imports from its own line and from those above it.
LINES = (
    ("errors", "units"),
    ("space",),
    ("backends",),
    ("variants",),
    ("measure",),
    ("store",),
    ("analyse",),
    ("report",),
    ("harness",),
    ("layers",),
    ("api",),
    ("commands",),
    ("__main__",),
)
LINE_OF = {part: number for number, line in enumerate(LINES) for part in line}
ON_A_MACHINE_WITHOUT_BACKENDS = ("analyse", "report")
MEASURING = ("backends", "measure", "harness", "variants")
# A report has the looks and the source of what was measured, which it prints; no variant imports a framework at import.
PRINTED = "variants"
FRAMEWORKS = {"tensorflow", "keras", "jax", "jaxlib", "torch"}
FOREIGN_INTERPRETER = ("measure", "variants", "backends", "space.case", "space.choices", "space.counts")
# Of the parent, or asked where it is there.
OPTIONAL = {
    "measure.machine.environment": {"psutil"},
    "measure.machine.available_memory": {"psutil"},
    "measure.machine.gpu": {"pynvml"},
    # Of the networks that are read.
    "measure.models.reading.keras_files": {"h5py"},
    "measure.models.reading.onnx_networks": {"onnx"},
    "measure.models.reading.torch_networks": {"torchvision"},
}
CLOCKS = {
    *("time", "time_ns", "perf_counter", "perf_counter_ns", "monotonic", "monotonic_ns", "process_time"),
    *("process_time_ns", "thread_time", "thread_time_ns", "clock_gettime", "clock_gettime_ns"),
}
DATES = {"now", "utcnow", "today"}


@dataclasses.dataclass(frozen=True)
class Import:
    """One imported name: the module it comes from, as far as the file system tells, and where it is imported."""

    module: str
    top: bool

    @property
    def root(self):
        return self.module.partition(".")[0]

    @property
    def part(self):
        """The part of this package that it belongs to; None for other packages and for `grouped_bench` itself."""
        words = self.module.split(".")
        return words[1] if words[0] == PACKAGE and len(words) > 1 else None


@cache
def modules():
    """Source of every module, by its name without the package's."""
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.rglob("*.py")}
    return {name.removesuffix(".__init__"): path.read_text(encoding="utf-8") for path, name in names.items()}


def imports(source):
    """Every import of `source`; those for type checkers only are no imports of the running program."""
    tree = ast.parse(source)
    skipped = {
        id(n) for test in ast.walk(tree) if _is_type_checking(test) for part in test.body for n in ast.walk(part)
    }
    inside = {id(n) for f in ast.walk(tree) if _is_function(f) for n in ast.walk(f)}
    for node in ast.walk(tree):
        if id(node) not in skipped:
            for module in _imported(node):
                yield Import(module, top=id(node) not in inside)


def _is_function(node):
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def _is_type_checking(node):
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _imported(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative imports hide where they lead"
        return [_home(node.module, alias.name) for alias in node.names]
    return []


def _home(module, name):
    """Where `from module import name` leads: to a module of ours, to the home of a lazy name, or to `module`."""
    if module == PACKAGE and name in grouped_bench.__all__:
        return grouped_bench._home(name)
    folder = ROOT.parent.joinpath(*module.split("."))
    ours = module.partition(".")[0] == PACKAGE and ((folder / f"{name}.py").exists() or (folder / name).is_dir())
    return f"{module}.{name}" if ours else module


def part_of(name):
    return name.partition(".")[0]


# The rules: each takes a module's name and source, and gives what breaks it.


def upward(name, source):
    own = LINE_OF[part_of(name)]
    return [
        i.module for i in imports(source) if i.part and i.part not in name.split(".")[:1] and not LINE_OF[i.part] < own
    ]


def measuring(name, source):
    if part_of(name) not in ON_A_MACHINE_WITHOUT_BACKENDS:
        return []
    allowed = {PRINTED} if part_of(name) == "report" else set()
    return [i.module for i in imports(source) if i.part in set(MEASURING) - allowed]


def frameworks_at_top(name, source):
    return [i.module for i in imports(source) if i.top and i.root in FRAMEWORKS]


def clocks(name, source):
    """Uses of a clock, imported, called or passed on. `datetime.now` names a run and is asked once."""
    found = [i.module for i in imports(source) if i.root in ("time", "timeit")]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            found += [f"time.{node.attr}"] * (owner == "time" and node.attr in CLOCKS)
            found += [f"datetime.{node.attr}"] * (owner.endswith(("datetime", "date")) and node.attr in DATES)
    allowed = {"measure.rounds": ("time", "time.perf_counter"), "harness.session": ("datetime.now",)}
    return [use for use in found if use not in allowed.get(name, ())]


def foreign(name, source):
    """Imports that an interpreter with the standard library, NumPy and a backend does not have."""
    if not any(name == part or name.startswith(f"{part}.") for part in FOREIGN_INTERPRETER):
        return []
    known = {*sys.stdlib_module_names, "numpy", PACKAGE}
    known |= OPTIONAL.get(name, set())
    return [i.module for i in imports(source) if i.root not in known and (i.top or i.root not in FRAMEWORKS)]


RULES = (upward, measuring, frameworks_at_top, clocks, foreign)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps_the_rule(rule):
    broken = {name: rule(name, source) for name, source in modules().items() if name != "__init__"}
    assert {name: found for name, found in broken.items() if found} == {}


@pytest.mark.parametrize(
    ("rule", "name", "source", "found"),
    [
        (upward, "space.case", "from grouped_bench.harness import plan", ["grouped_bench.harness.plan"]),
        (upward, "errors", "from grouped_bench.units import parse_share", ["grouped_bench.units"]),
        (upward, "measure.worker", "def f():\n    import grouped_bench.store.rows", ["grouped_bench.store.rows"]),
        (upward, "api.runs", "from grouped_bench import commands, report", ["grouped_bench.commands"]),
        (upward, "harness.session", "from grouped_bench.commands import explain", ["grouped_bench.commands.explain"]),
        (
            upward,
            "commands.explain",
            "from grouped_bench import api\nfrom grouped_bench.commands.shared.options import case_options",
            [],
        ),
        (
            upward,
            "store.rows",
            "from grouped_bench.measure import rounds\nfrom grouped_bench.store import schema",
            [],
        ),
        (upward, "harness.sweep", "from grouped_bench import Space, Run", ["grouped_bench.api.runs"]),
        (upward, "space.axes", "if TYPE_CHECKING:\n    from grouped_bench import api", []),
        (
            measuring,
            "report.page.html",
            "def f():\n    from grouped_bench.harness.plan import Plan",
            ["grouped_bench.harness.plan"],
        ),
        (measuring, "analyse.stats", "from grouped_bench import measure, space", ["grouped_bench.measure"]),
        (measuring, "report.drawing.style", "from grouped_bench import variants", []),
        (measuring, "analyse.rows", "from grouped_bench import variants", ["grouped_bench.variants"]),
        (measuring, "harness.sweep", "from grouped_bench import measure", []),
        (frameworks_at_top, "backends.x", "import tensorflow.keras as k", ["tensorflow.keras"]),
        (frameworks_at_top, "variants.x", "class A:\n    from keras import layers", ["keras"]),
        (frameworks_at_top, "variants.x", "try:\n    import torch\nexcept ImportError:\n    pass", ["torch"]),
        (frameworks_at_top, "variants.x", "def f():\n    import jax", []),
        (clocks, "harness.sweep", "import time", ["time"]),
        (clocks, "harness.sweep", "from time import perf_counter as now", ["time"]),
        (clocks, "measure.rounds", "import time\nstart = time.monotonic()", ["time.monotonic"]),
        (clocks, "measure.rounds", "import time\nread = time.perf_counter", []),
        (clocks, "store.runs", "import datetime\ndatetime.datetime.now()", ["datetime.now"]),
        (
            clocks,
            "store.runs",
            "from datetime import datetime as d\nfrom datetime import datetime\ndatetime.now()",
            ["datetime.now"],
        ),
        (clocks, "harness.progress", "moment.now", []),
        (clocks, "harness.session", "import datetime\ndatetime.date.today()", ["datetime.today"]),
        (clocks, "harness.session", "import datetime\ndatetime.datetime.now(datetime.UTC)", []),
        (foreign, "measure.worker", "import psutil, json, numpy.linalg", ["psutil"]),
        (foreign, "space.case", "def f():\n    from pydantic import Field", ["pydantic"]),
        (foreign, "variants.base", "import keras", ["keras"]),
        (foreign, "variants.base", "def f():\n    import keras", []),
        (foreign, "measure.machine.environment", "import psutil, pandas", ["pandas"]),
        (foreign, "space.axes", "import pydantic", []),
    ],
)
def test_the_rule_sees_what_breaks_it(rule, name, source, found):
    assert rule(name, source) == found


def test_every_part_of_the_package_has_its_line():
    assert {part_of(name) for name in modules()} - {"__init__"} == set(LINE_OF)
    assert len(modules()) > 40


def test_no_library_call_is_hidden_by_a_part_of_its_name():
    assert not set(grouped_bench.__all__) & {part_of(name) for name in modules()}


def test_a_relative_import_is_refused():
    with pytest.raises(AssertionError, match="relative"):
        list(imports("from . import sibling"))


# What a worker needs, followed from module to module


def packages_of(name):
    """`measure.worker` as itself and the packages that Python imports before it."""
    words = name.split(".")
    return [".".join(words[: number + 1]) for number in range(len(words))]


def closure(start, sources):
    """Modules of this package that importing `start`, and every function in them, leads to."""
    found, todo = set(), [start, "__init__"]
    while todo:
        name = todo.pop()
        if name in found or name not in sources:
            continue
        found.add(name)
        todo += packages_of(name)
        # The package's own `__getattr__` imports by name; type checkers alone read the imports that it shows.
        todo += [module.removeprefix(f"{PACKAGE}.") for module in (i.module for i in imports(sources[name]) if i.part)]
    return found


@cache
def worker():
    """What the host process runs: the worker's imports, and the backends and variants that it loads by name."""
    sources = modules()
    by_name = [name for name in sources if part_of(name) in ("backends", "variants")]
    return frozenset().union(*(closure(name, sources) for name in ("measure.worker", *by_name)))


def test_the_worker_needs_only_the_standard_library_numpy_and_a_framework():
    known = {*sys.stdlib_module_names, "numpy", PACKAGE}
    needed = {(name, i.root) for name in worker() for i in imports(modules()[name]) if i.root not in known}
    needed -= {("measure.machine.gpu", "pynvml")}  # asked where it is there
    assert {root for _, root in needed} <= FRAMEWORKS
    own = {name for name in modules() if part_of(name) in ("backends", "variants")}
    # Asked about a model of Keras'.
    models = {f"measure.models.{name}" for name in ("whole_model", "copies", "learning.networks", "learning.training")}
    assert {name for name, _ in needed} <= own | models


def test_the_worker_does_not_lead_to_what_it_does_without():
    assert not {"measure.machine.environment", "measure.machine.available_memory"} & worker()
    assert not {part_of(name) for name in worker()} & {
        "store",
        "analyse",
        "report",
        "harness",
        "api",
        "commands",
    }


def test_the_worker_leads_to_what_it_does_with():
    assert {
        "measure.rounds",
        "measure.memory",
        "backends.tensorflow",
        "variants.layers.split_sum",
        "space.case",
    } <= worker()


def test_a_need_is_found_behind_two_imports():
    sources = {
        "measure.worker": "from grouped_bench.measure import rounds",
        "measure.rounds": "def f():\n    from grouped_bench.units import parse_share",
        "units": "import pandas",
        "store": "",
    }
    assert closure("measure.worker", sources) == {"measure.worker", "measure.rounds", "units"}


def test_the_worker_loads_nothing_else_in_a_fresh_interpreter():
    code = "import sys, numpy.random; before = set(sys.modules); {}; print(*set(sys.modules) - before)"
    load = "from grouped_bench.measure import worker; from grouped_bench import variants; variants.names()"
    run = subprocess.run([sys.executable, "-c", code.format(load)], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert loaded - {*sys.stdlib_module_names, "numpy"} == {PACKAGE}

"""Variants of a user's own: the README's example, files, packages, and every way in which they are refused."""

import importlib
import inspect
import json
import os
import re
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import numpy as np
import pytest
from cases import make_case
from checkout import ROOT, importing
from frames import IN_FORCE, frame, metadata
from killed_runs import fake_host as host_without_mine
from machines import machine, recorded

import grouped_bench as gb
from grouped_bench import variants
from grouped_bench.analyse.rows import plain
from grouped_bench.api import plan, runs
from grouped_bench.commands import main
from grouped_bench.errors import RunError, VariantError
from grouped_bench.harness.plan import make_plan
from grouped_bench.harness.processes import interrupts, probing
from grouped_bench.harness.processes.probing import Probe
from grouped_bench.measure import worker
from grouped_bench.report.advice import formats
from grouped_bench.report.drawing.style import mark_of
from grouped_bench.report.findings import claims
from grouped_bench.report.page.html import page
from grouped_bench.store.runs import write_run
from grouped_bench.variants import plugins
from grouped_bench.variants.base import Variant, origin

pytestmark = pytest.mark.usefixtures("elsewhere")
README = ROOT / "grouped_bench" / "variants" / "README.md"
MINE = """
import grouped_bench as gb
from grouped_bench.variants.layers.regular import Regular

@gb.variant
class Mine(Regular):
    name = "mine"
    summary = "the dense layer once more"
"""
TINY = {"groups": 2, "channels": 8, "size": 5, "batch_size": 1}


def fake_host(name, files, *, env, padding, threads, tf32, python):
    host = host_without_mine(name, files, env=env, padding=padding, threads=threads, tf32=tf32, python=python)
    host.costs = {**host.costs, "grouped_native": 1e-3, "mine": 1e-2}
    return host


@pytest.fixture(autouse=True)
def as_before(registry):
    """The registry is left as it was."""
    return registry


@pytest.fixture
def mine(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    return file


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """Runs have fake hosts; a folder for them."""
    monkeypatch.setattr(probing, "Host", fake_host)
    return tmp_path / "out"


def run(out, *files, **more):
    space = gb.Space(**TINY, variant=["regular", "mine"])
    return gb.run(space, out=out, files=files, seed=3, **{"visits": 8, "page": False, **more})


def refused(action, *arguments, **keywords):
    with pytest.raises(VariantError) as caught:
        action(*arguments, **keywords)
    return str(caught.value)


# The README's example, in a run of its own


@pytest.mark.onednn(True)  # the example trains by the framework's own operation
def test_the_example_of_the_readme_runs(tmp_path):
    (block,) = re.findall(r"<!-- own variant -->\n```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    folder = tmp_path / "a folder"
    folder.mkdir()
    (folder / "cut_kernel.py").write_text(block)
    program = [sys.executable, "-c", "import grouped_bench.commands.main as cli; cli.main()", "run", "--format", "json"]
    words = ["--import", str(folder / "cut_kernel.py"), "--variant", "regular,grouped_native,cut_kernel"]
    shape = ["--groups", "2", "--channels", "8", "--size", "5", "--batch-size", "1", "--pass", "inference,training"]
    short = ["--visits", "3", "--no-memory", "--no-report", "--quiet", "--out", str(tmp_path / "out")]
    done = subprocess.run([*program, *words, *shape, *short], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tasks = json.loads(done.stdout)["tasks"]
    assert [(task["variant"], task["status"]) for task in tasks if task["variant"] == "cut_kernel"] == [
        ("cut_kernel", "ok")
    ] * 2
    assert all(task["relative_error"] < 1e-5 for task in tasks)
    made = gb.load("latest", tmp_path / "out")
    assert "cut_kernel.py" in made.metadata["environment"]["command"]
    assert list(made.metadata["environment"]["imports"]) == ["cut_kernel.py"]
    assert "a folder" not in json.dumps(made.metadata)


# Files


def test_a_file_is_known_to_the_parent_by_name_and_counts(mine):
    planned, _ = runs.plan_run(gb.Space(**TINY, variant=["mine"]), files=[mine])
    assert [task["variant"] for task in planned.to_columns()] == ["mine"]
    assert "mine" in variants.names()
    assert "mine" in runs.plan_run(gb.Space(**TINY, variant="all"))[0].variants


def test_all_takes_what_a_file_brings_and_the_default_does_not(mine):
    assert "mine" not in runs.plan_run(gb.Space(**TINY), files=[mine])[0].variants
    assert "mine" in runs.plan_run(gb.Space(**TINY, variant="all"), files=mine)[0].variants  # one path, not a list


def test_a_file_that_is_edited_and_run_again_replaces_its_variant(mine):
    variants.import_files([mine])
    mine.write_text(MINE.replace("once more", "twice more"))
    variants.import_files([mine])
    assert variants.get("mine").summary == "the dense layer twice more"


def test_one_file_may_use_what_another_registers_and_is_run_once(mine, tmp_path, capsys):
    second = tmp_path / "second.py"
    second.write_text("from grouped_bench import variants\nprint(variants.get('mine').name)")
    assert variants.import_files([mine, second, str(second)]) == (str(mine), str(second))
    assert capsys.readouterr() == ("", "mine\n")  # stdout is the answer's


def test_a_file_imports_no_framework_in_the_parent(mine):
    code = (
        "import sys, grouped_bench as gb; "
        f"gb.plan_run(gb.Space(variant='all'), files=[{str(mine)!r}]); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"tensorflow", "keras", "jax", "torch"} & set(loaded)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            "x = 1\n1 / 0",
            "mine.py, line 2: ZeroDivisionError: division by zero. Correct it; `python mine.py` shows the whole error.",
        ),
        ("def f(:", "mine.py: SyntaxError: invalid syntax (mine.py, line 1). Correct it; "),
        (
            "import no_such_module",
            "mine.py, line 1: ModuleNotFoundError: No module named 'no_such_module'. Correct it; ",
        ),
        ("raise BaseException('odd')", "mine.py, line 1: BaseException: odd. Correct it; "),
    ],
)
def test_a_file_that_raises_is_told_with_its_line(mine, source, told):
    mine.write_text(source)
    assert refused(variants.import_files, [mine]).startswith(
        f"A file of variants must run without an error. Received: {told}"
    )


@pytest.mark.parametrize(
    "source",
    [
        "import sys\nsys.exit()",
        "import os\nos._exit(0)",
        "from os import _exit\n_exit(0)",
        "import os\nos.abort()",
        "import os, sys\nos.execl(sys.executable, sys.executable, '--version')",
    ],
)
def test_a_file_that_ends_the_process_is_refused(mine, source):
    """From a terminal: what is not caught leaves no other trace than an exit code, 0 for most of these."""
    mine.write_text(source)
    command = [sys.executable, "-m", "grouped_bench", "plan", "--groups", "2", "--import", str(mine)]
    ran = subprocess.run(command, env=importing(), capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        "grouped-bench: A file of variants must not end the process that imports it. Received: mine.py, line 2, which "
        "exits. Put what the file does as a program under `if __name__ == '__main__':`.\n"
    )


def test_what_a_file_forks_may_end_and_so_may_this_process_afterwards(mine):
    before = os._exit, os.execve
    mine.write_text("import os\nchild = os.fork()\nif not child: os._exit(7)\nassert os.waitpid(child, 0)[1] == 7 << 8")
    variants.import_files([mine])
    assert (os._exit, os.execve) == before


@pytest.mark.parametrize(
    "source",
    [
        "gb.run(gb.Space(groups=2))",
        "gb.doctor()",
        "gb.explain(gb.Space(groups=2))",
        "gb.catalogue('devices')",
        "from grouped_bench.harness.lock import alone\nwith alone(print, wait=True): pass",
    ],
)
def test_a_file_that_measures_while_it_is_imported_is_refused(mine, source, elsewhere):
    mine.write_text(f"import grouped_bench as gb\n{source}")
    assert refused(variants.import_files, [mine]) == (
        "A file of variants must not measure while it is imported. Received: mine.py, which starts a measurement. "
        "Put what the file does as a program under `if __name__ == '__main__':`."
    )
    assert [path.name for path in elsewhere.iterdir()] == ["mine.py"]
    plugins.refuse_while_importing()  # which is over


def test_a_package_that_exits_is_refused(monkeypatch):
    entry = SimpleNamespace(name="theirs", value="theirs:Theirs", dist=None, load=sys.exit)
    monkeypatch.setattr(plugins, "_entry_points", lambda: (entry,))
    assert refused(plugins.load_packages).startswith("An entry point of a package in grouped_bench.variants must load.")


def test_a_file_that_is_not_there_is_told(tmp_path):
    assert refused(variants.import_files, [tmp_path]).startswith("A file of variants must be a readable Python file.")
    told = refused(variants.import_files, ["nowhere.py"])
    assert told.endswith("nowhere.py: No such file or directory. Name a file that registers variants.")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("(Regular)", ""), "@variant takes a subclass of Variant. Received: <class "),
        (('"mine"', '"grouped"'), "The name of a variant must be unique. Received: grouped for both Grouped in grou"),
        (('name = "mine"', "name = 3"), "each a text. Received: Mine with name = 3. Write name = "),
        (('"mine"', '"a,b"'), "The name of a variant must be at most 80 letters, digits and _.-, and not `all`"),
        (('"mine"', '"all"'), "not `all`. Received: all. Give it another name."),
        (("(Regular)", "(gb.Variant)"), "Received: Mine without computes. Write computes = "),
        (("(Regular):", "(gb.Variant):\n    computes = 'dense'"), "Received: Mine, which computes dense, without "),
        (("(Regular):", "(Regular):\n    computes = 'else'"), "computes else, without function, counts. Write fun"),
        (("(Regular):", "(Regular):\n    colour = 'red'"), "The colour of a variant must be written #rrggbb. Rece"),
        (("(Regular):", "(Regular):\n    colour = 3"), "Received: Mine with colour = 3. Write another colour or none"),
        (("(Regular):", "(Regular):\n    marker = 'oo'"), "The marker of a variant must be one of o s ^ "),
        (("(Regular):", "(Regular):\n    gloss = 'a\\nb'"), "The gloss of a variant must be a few words in one line. "),
    ],
)  # fmt: skip
def test_a_class_that_is_no_variant_is_told(mine, change, told):
    mine.write_text(MINE.replace(*change))
    before = dict(variants.REGISTRY)
    assert told in refused(variants.import_files, [mine])
    assert before == variants.REGISTRY


def test_two_files_cannot_share_a_name(mine, tmp_path):
    (tmp_path / "theirs.py").write_text(MINE)
    assert refused(variants.import_files, [mine, tmp_path / "theirs.py"]) == (
        "The name of a variant must be unique. Received: mine for both Mine in mine.py and Mine in theirs.py. "
        "Give yours another name."
    )


# Its looks, its words and its code

LOOKS = """    gloss = "as anyone would"
    colour, marker = "#123456", "h"
"""
CUT = '''
import grouped_bench as gb

@gb.variant
class CutKernel(gb.Variant):
    name = "mine"
    summary = "one kernel, cut into its groups at every call"
    computes = "grouped"

    def code(self, case, backend):
        return (define_cut_kernel_conv,)

def define_cut_kernel_conv(Conv):
    import keras

    class CutKernelConv(Conv):
        """Keras' layer, with its weights, by a convolution for each group."""

        def call(self, inputs):
            kernels = keras.ops.split(self.kernel, self.groups, axis=-1)
            parts = keras.ops.split(inputs, self.groups, axis=-1)
            outputs = [
                keras.ops.conv(part, kernel, self.strides, self.padding)
                for part, kernel in zip(parts, kernels)
            ]
            return keras.ops.concatenate(outputs, axis=-1)

    return CutKernelConv
'''


def rows(variant):
    """Rows in which `variant` takes the place of the framework's own grouped convolution, and is the fastest."""
    made = frame()
    return made.assign(variant=made["variant"].replace("grouped_native", variant))


def row(variant):
    return next(one for one in plain(rows(variant)) if one.variant == variant)


def test_a_variant_has_the_looks_and_the_words_that_it_says(mine):
    mine.write_text(MINE + LOOKS)
    variants.import_files([mine])
    mark = mark_of(row("mine"))
    assert (mark.colour, mark.shape) == ("#123456", "h")
    assert claims._glossed(row("mine")) == "mine (as anyone would)"


def test_what_a_variant_does_not_say_follows_from_its_name_and_not_from_the_class_above_it(mine):
    unknown = mark_of(row("mine"))
    variants.import_files([mine])
    assert mark_of(row("mine")) == unknown
    assert (unknown.colour, unknown.shape) != (variants.get("regular").colour, variants.get("regular").marker)
    assert claims._glossed(row("mine")) == "mine"
    mine.write_text(MINE + LOOKS.replace(', marker = "#123456", "h"', ' = "#123456"'))
    variants.import_files([mine])
    assert (mark_of(row("mine")).colour, mark_of(row("mine")).shape) == ("#123456", unknown.shape)


def test_a_page_has_the_colour_of_a_variant(mine):
    assert "#123456" not in page(rows("mine"), [metadata()])
    mine.write_text(MINE + LOOKS)
    variants.import_files([mine])
    assert "#123456" in page(rows("mine"), [metadata()])


@pytest.fixture
def advised(mine, tmp_path, monkeypatch):
    """Advice on a case in which `mine`, a variant of a file, was the fastest here, and the code that was tried."""
    asked = []

    class Tried:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def begin(self, keys):
            pass

        def probe(self, setting):
            return Probe({"cpu:0": ""}, {}, {}, "3.11", "2.21.0", IN_FORCE)

        def problem(self, case, setting, paste):
            asked.append(paste.code)

    monkeypatch.setattr("grouped_bench.harness.inspect.here.Trials", lambda progress: Tried())
    monkeypatch.setattr("grouped_bench.harness.inspect.here.machine_of", lambda *given: machine())
    facts = metadata(**recorded(machine()))
    slug = machine().slug
    write_run(rows("mine").assign(machine=slug), facts, tmp_path / "results/m" / f"{facts['run_id']}.parquet")
    space = gb.Space(channels=128, groups=32, size=28, batch_size=8, passes="training")
    mine.write_text(CUT)
    return lambda **more: (gb.advise(space, out=tmp_path / "results", **more), asked)


def test_the_code_of_a_file_is_advised_and_printed(advised, mine):
    (found,), asked = advised(files=[mine])
    assert found.best.variant == "mine"
    text = formats.render([found], "table", "grouped-bench advise")
    code = text[text.index("# Measured in execution graph") :]
    assert asked == [code]
    body = CUT[CUT.index("    class CutKernelConv") : CUT.index("    return CutKernelConv")]
    assert textwrap.dedent(body).strip() in code
    assert "Conv = keras.layers.Conv2D\n\n\nclass CutKernelConv(Conv):" in code
    assert "layer = CutKernelConv(\n    128,\n    (3, 3),\n    groups=32,\n" in code
    assert "grouped_bench" not in code


def test_without_its_file_a_variant_has_no_code(advised):
    (found,), asked = advised()
    assert (found.best.variant, asked) == ("mine", [])
    assert "There is no code to paste for mine" in " ".join(
        formats.render([found], "table", "grouped-bench advise").split()
    )


def test_the_printed_code_of_a_file_is_what_is_measured(mine, backend):
    mine.write_text(CUT)
    variants.import_files([mine])
    case = make_case(groups=2, channels=(4, 8))
    names = {}
    exec(variants.printed("mine", case, backend.name).text(), names)
    layers = names["layer"], variants.get("mine").layer(case, backend)
    x = np.random.default_rng(0).standard_normal(case.input_shape).astype("float32")
    for layer in layers:
        layer.build(case.input_shape)
    layers[0].set_weights(layers[1].get_weights())
    pasted, own = (backend.to_numpy(layer(x)) for layer in layers)
    np.testing.assert_array_equal(pasted, own)
    assert inspect.getsource(type(layers[1]).call) in CUT


def test_measuring_advice_tries_the_variants_of_a_file(advised, mine, monkeypatch):
    asked = []
    monkeypatch.setattr("grouped_bench.api.advise.run", lambda space, **given: asked.append((space, given)) or 1 / 0)
    monkeypatch.setattr("grouped_bench.analyse.advise.advice.Advice.is_settled", False)
    with pytest.raises(ZeroDivisionError):
        advised(files=[mine], measure=True)
    ((space, given),) = asked
    assert given["files"] == (str(mine),)
    assert "mine" in make_plan(space).variants


@pytest.mark.parametrize("command", ["show", "report"])
def test_the_looks_of_a_file_reach_a_report(command, call, mine, monkeypatch):
    mine.write_text(MINE + LOOKS)
    for name in ("load_all", "load_newest"):
        monkeypatch.setattr(runs, name, lambda *given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        monkeypatch.setattr(sys, "argv", ["grouped-bench", command, "latest", "--import", str(mine)])
        main.main()
    assert variants.get("mine").colour == "#123456"


# A run


def test_a_run_keeps_absolute_paths_to_itself(fake, mine, monkeypatch):
    monkeypatch.chdir(mine.parent)
    made = run(fake, "mine.py", command=["grouped-bench", "run", "--import", str(mine)])
    assert set(made.frame["variant"]) == {"regular", "mine"}
    environment = made.metadata["environment"]
    assert environment["command"] == ["grouped-bench", "run", "--import", "mine.py"]
    assert re.fullmatch("[0-9a-f]{16}", environment["imports"]["mine.py"])
    assert str(mine.parent) not in json.dumps(made.metadata)
    assert str(mine.parent).encode() not in made.path.read_bytes()


def test_hosts_get_the_files_that_the_parent_ran(mine, tmp_path, monkeypatch):
    started = []

    def host(name, files, *, env, padding, threads, tf32, python):
        started.append((name, files))
        return fake_host(name, files, env=env, padding=padding, threads=threads, tf32=tf32, python=python)

    monkeypatch.setattr(probing, "Host", host)
    monkeypatch.chdir(mine.parent)
    run(tmp_path / "out", "mine.py")
    assert started == [("tensorflow", (str(mine),))]


def test_a_host_runs_its_files_before_it_forks(mine, monkeypatch):
    ran = []
    monkeypatch.setattr(variants, "import_files", ran.append)
    monkeypatch.setattr(worker.socket, "socket", lambda fileno: None)
    monkeypatch.setattr(worker.gc, "freeze", lambda: None)
    monkeypatch.setattr(worker, "_send", lambda control, message: (_ for _ in ()).throw(EOFError))
    with pytest.raises(EOFError):
        worker.main(["tensorflow", "3", "0", "own", str(mine)])
    assert ran == [[str(mine)]]


@pytest.fixture
def cut_short(fake, mine, monkeypatch):
    """A run with a file of its own that the user interrupted after three visits."""
    asked = iter([False] * 3)
    monkeypatch.setattr(interrupts.Interrupts, "__call__", lambda self: next(asked, True))
    made = run(fake, mine)
    monkeypatch.setattr(interrupts.Interrupts, "__call__", lambda self: False)
    variants.REGISTRY.pop("mine")  # as in a process of its own
    assert made.metadata["stopped_by"] == "user"
    return fake


def test_a_run_goes_on_with_its_files(cut_short, mine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path.parent)
    resumed = gb.resume("latest", out=cut_short, page=False, files=[mine])
    assert set(resumed.frame["status"]) == {"ok"}
    assert set(resumed.frame["variant"]) == {"regular", "mine"}


@pytest.mark.parametrize(
    ("files", "told"),
    [(["other.py"], "files other.py, which were mine.py"), ([], "files none, which were mine.py")],
)
def test_a_run_does_not_go_on_with_other_files(cut_short, files, told):
    with pytest.raises(RunError, match=rf"A resumed run must keep its options\. Received: {told}\."):
        gb.resume("latest", out=cut_short, files=files)


def test_a_run_does_not_go_on_with_a_file_that_has_changed(cut_short, mine):
    mine.write_text(MINE.replace("once more", "twice more"))
    with pytest.raises(RunError) as caught:
        gb.resume("latest", out=cut_short)
    assert str(caught.value) == (
        "A resumed run must use the variant files with which it began. Received: mine.py, changed since. "
        "Restore what changed, or start a new run."
    )


def test_a_run_whose_file_is_gone_says_so(cut_short, mine):
    mine.unlink()
    assert "mine.py: No such file or directory" in refused(gb.resume, "latest", out=cut_short)


def test_files_that_differ_between_runs_are_told(fake, mine):
    from grouped_bench.analyse.environment.differences import differences

    first = run(fake, mine).metadata
    mine.write_text(MINE + "# changed\n")
    second = run(fake, mine).metadata
    without = gb.run(gb.Space(**TINY), out=fake, visits=8, page=False).metadata
    assert [one.fact for one in differences([first, second])] == ["imports.mine.py"]
    assert differences([first, without]) == []


# What a worker cannot know


def notebook_variant():
    from grouped_bench.variants.layers.regular import Regular

    @gb.variant
    class Mine(Regular):
        name = "mine"
        summary = "made in a cell"

    return Mine


def test_a_variant_that_this_process_alone_knows_is_planned_and_not_run(fake):
    cls = notebook_variant()
    space = gb.Space(**TINY, variant=["regular", "mine"])
    assert runs.plan_run(space)[0].tasks == 2
    assert refused(gb.run, space, out=fake) == (
        "Every variant must be loadable by the processes that measure. Received: mine, which only this process knows "
        f"({cls.__qualname__} in {__name__}). Put it in a file, and name the file with --import FILE, or files=[…] "
        f"in Python."
    )
    assert not fake.exists()


def test_a_variant_that_no_run_asks_for_is_no_hindrance(fake):
    notebook_variant()
    assert "mine" not in set(gb.run(gb.Space(**TINY), out=fake, visits=8, page=False).frame["variant"])


def test_a_cell_that_is_run_again_replaces_its_variant():
    first, second = notebook_variant(), notebook_variant()
    assert first is not second
    assert type(variants.get("mine")) is second


def test_a_notebook_has_no_file():
    assert origin(type("Cell", (Variant,), {"__module__": "no_such_module"})) == "no_such_module"


def test_what_a_file_imports_is_known_when_it_is_run_again(fake, mine, tmp_path, monkeypatch):
    """The class comes from a module that is imported once a process."""
    (tmp_path / "my_modules_variant.py").write_text(MINE)
    mine.write_text("import my_modules_variant")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        for _ in range(2):
            assert "mine" in set(run(fake, mine).frame["variant"])
    finally:
        sys.modules.pop("my_modules_variant")


# Packages


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package `my_package` of one module; a function that writes its source and its entry point."""
    monkeypatch.syspath_prepend(tmp_path / "site")

    def install(source, value):
        (tmp_path / "site" / "my_package").mkdir(parents=True)
        (tmp_path / "site" / "my_package" / "__init__.py").write_text("")
        (tmp_path / "site" / "my_package" / "fast.py").write_text(source)
        info = tmp_path / "site" / "my_package-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[grouped_bench.variants]\nfast = {value}\n")
        importlib.invalidate_caches()

    plugins._entry_points.cache_clear()
    yield install
    plugins._entry_points.cache_clear()
    for name in [name for name in sys.modules if name.startswith("my_package")]:
        del sys.modules[name]


@pytest.mark.parametrize("value", ["my_package.fast", "my_package.fast:Mine"])
def test_a_package_brings_its_variants(package, value, fake):
    package(MINE, value)
    plugins.load_packages()
    assert variants.get("mine").summary == "the dense layer once more"
    assert set(run(fake).frame["variant"]) == {"regular", "mine"}  # a host loads it by itself


def test_a_class_without_a_decorator_is_registered(package):
    package(MINE.replace("@gb.variant\n", ""), "my_package.fast:Mine")
    plugins.load_packages()
    assert variants.get("mine").name == "mine"


def test_every_process_loads_packages(package, tmp_path):
    package(MINE, "my_package.fast")
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); from grouped_bench import variants; "
    found = subprocess.run(
        [sys.executable, "-c", code + "print(*variants.names())"], capture_output=True, text=True, check=True
    )
    assert "mine" in found.stdout.split()


def test_a_package_that_cannot_be_loaded_is_told(package):
    package("1 / 0", "my_package.fast")
    assert refused(plugins.load_packages) == (
        "An entry point of a package in grouped_bench.variants must load. Received: fast = my_package.fast: "
        "ZeroDivisionError: division by zero. Repair or uninstall my-package."
    )


# From the command line


@pytest.mark.parametrize("command", ["run", "plan"])
def test_files_reach_the_library(command, call, monkeypatch):
    made, home = [], {"plan": plan, "run": runs}[command]
    monkeypatch.setattr(home, command, lambda space, **given: made.append((space, given)) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        monkeypatch.setattr(sys, "argv", ["grouped-bench", command, "--import", "a.py", "--import", "b.py"])
        main.main()
    ((space, given),) = made
    assert given["files"] == ("a.py", "b.py")
    assert space.source == "quick.toml"


def test_list_names_variants_of_a_file(call, mine):
    code, out, err = call("list", "variants", "--import", str(mine))
    assert (code, err) == (0, "")
    assert "the dense layer once more" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("list", "presets", "--import", "a.py"), "--import must go with `list variants`. Received: list presets. "),
        (("plan", "--import", "a.py"), "A file of variants must be a readable Python file. Received: "),
        (("plan", "--import", "bad.py"), "A file of variants must run without an error. Received: bad.py, line 1: Z"),
        (("run", "--import", "bad.py"), "A file of variants must run without an error. Received: bad.py, line 1: Z"),
    ],
)  # fmt: skip
def test_refusals_are_one_line_and_exit_2(words, told, call, tmp_path):
    (tmp_path / "bad.py").write_text("1 / 0")
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert err.startswith(f"grouped-bench: {told}")
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bad.py"]

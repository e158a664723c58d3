"""The command line: the library calls that a command stands for, its exit codes, its one line of refusal."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from checkout import importing
from frames import fail, frame, metadata
from killed_runs import fake_host
from small_runs import result, small

from grouped_bench.analyse.advise.advice import Advice, Option
from grouped_bench.api import advise, catalogue, explain, layer_code, network, plan, runs
from grouped_bench.api.store import compact
from grouped_bench.commands import main
from grouped_bench.commands.shared import output
from grouped_bench.errors import CutShortError, HostError, NotUploadedError, OutputError, UnavailableError
from grouped_bench.harness.processes import probing
from grouped_bench.report import explanation, plans
from grouped_bench.report.advice import formats
from grouped_bench.report.advice.module import LayerCode
from grouped_bench.report.drawing.files import SavedFigure
from grouped_bench.report.run import answer, tables
from grouped_bench.report.text.cells import display_width
from grouped_bench.space.axes import OPTION_AXES, Control
from grouped_bench.space.space import Space
from grouped_bench.store import schema
from grouped_bench.store.files.compaction import Compaction
from grouped_bench.store.runs import write_run

pytestmark = pytest.mark.usefixtures("elsewhere")
COMMANDS = (
    "doctor",
    "run",
    "plan",
    "publish",
    "compact",
    "show",
    "report",
    "explain",
    "list",
    "advise",
    "optimize",
    "compare",
    "history",
    "baseline",
    "learn",
    "query",
)
# What a command calls of the library.
CALLS = {"run": (runs, "run"), "plan": (plan, "plan")}
COSTLY = ("tensorflow", "keras", "pandas", "scipy", "matplotlib", "pyarrow")
FRAMEWORKS = ("tensorflow", "keras", "jax", "torch")


@pytest.fixture
def calls(monkeypatch):
    """Replaces library functions; `made` holds the calls of them in order, as (name, positional, keyword)."""
    made = []

    def replace(module, name, answer):
        def stand_in(*positional, **keywords):
            made.append((name, positional, keywords))
            if isinstance(answer, BaseException):
                raise answer
            return answer

        monkeypatch.setattr(module, name, stand_in)

    replace.made = made
    return replace


@pytest.fixture
def saved(elsewhere):
    return write_run(small(), metadata(), elsewhere / "results" / "m" / "run.parquet")


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# What a command stands for


def test_run_without_options_is_the_preset_quick(call, calls):
    calls(runs, "run", result())
    code, out, _ = call("run")
    ((_, (space,), keywords),) = calls.made
    assert code == 0
    assert space.to_dict() == Space.preset("quick").to_dict()
    assert keywords == {"quiet": False}
    assert out.endswith("Wrote results/m/run.parquet\n")


def test_run_ends_with_its_answer_and_what_to_do_next(call, calls, elsewhere):
    calls(runs, "run", result())
    out = call("run")[1].splitlines()
    assert len(out) <= answer.MOST_LINES
    assert out[-3:] == [
        "Next: grouped-bench show latest",
        f"Page: {(elsewhere / 'results' / 'm' / 'run.html').as_uri()}",
        "Wrote results/m/run.parquet",
    ]
    assert "Next: grouped-bench show latest --out there\n" in call("run", "--out", "there")[1]
    calls(runs, "run", result(page=False))
    assert not any("Page: " in line for line in call("run", "--no-report")[1].splitlines())


def test_run_prints_every_table_where_asked(call, calls):
    calls(runs, "run", result())
    calls(tables, "render", "the table")
    _, out, _ = call("run", "--quiet", "--tables")
    _, (name, (made, facts), keywords) = calls.made
    assert name == "render"
    assert made.equals(small())
    assert (facts, keywords["format"]) == ([metadata()], "table")
    assert out.splitlines()[0] == "the table"
    assert out.endswith("Wrote results/m/run.parquet\n")


def test_a_page_is_opened_where_asked(call, calls, elsewhere, monkeypatch):
    calls(runs, "run", result())
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or len(opened) == 1)
    assert call("run", "--open")[2] == ""
    assert opened == [(elsewhere / "results" / "m" / "run.html").as_uri()]
    assert "No browser could be opened." in call("run", "--open")[2]


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_a_terminal_gets_colour_unless_it_asks_for_none(environment, coloured, call, calls, monkeypatch):
    calls(runs, "run", result())
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert "\x1b" not in call("run")[1]
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda stream=None, color=None: color is False)
    assert ("\x1b" in call("run")[1]) == coloured


def test_flags_of_run_reach_the_library(call, calls):
    calls(runs, "run", result(page=False))
    _, out, _ = call("run", "--out", "there", "--seed", "7", "--no-memory", "--no-report", "--quiet", "--groups", "4")
    keywords = calls.made[0][2]
    expected = {"out": "there", "seed": 7, "memory": False, "page": False, "quiet": True, "groups": "4"}
    assert keywords == expected
    assert out.count("Wrote ") == 1


def test_a_run_is_resumed_with_its_own_space_unless_one_is_named(call, calls):
    calls(runs, "resume", result())
    how = {"out": "there", "quiet": False, "wait": True}
    call("run", "--resume", "latest", "--out", "there", "--wait", "--visits", "7")
    call("run", "--resume", "latest", "--out", "there", "--wait", "--preset", "resnext50", "--force", "--seed", "3")
    call("run", "--resume", "latest", "--out", "there", "--wait", "--groups", "4")
    (_, first, given), (_, second, repeated), (_, third, axes) = calls.made
    assert first == second == third == ("latest",)
    assert given == {"space": None, "visits": "7", **how}
    assert repeated.pop("space").source == "resnext50.toml"
    assert repeated == {"force": True, "seed": 3, **how}
    assert axes.pop("space").source == "options"
    assert axes == {"groups": "4", **how}


def test_a_resumed_run_without_a_page_names_none_unless_it_is_to_be_opened(call, calls, monkeypatch):
    calls(runs, "resume", result(page=False))
    assert "Page: " not in call("run", "--resume", "latest")[1]
    code, _, err = call("run", "--resume", "latest", "--format", "json")
    assert (code, err) == (0, "Wrote results/m/run.parquet\n")
    monkeypatch.setattr("webbrowser.open", lambda address: True)
    call("run", "--resume", "latest", "--open")
    assert [keywords.get("page") for _, _, keywords in calls.made] == [None, None, True]


@pytest.mark.parametrize("axis", OPTION_AXES)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_an_axis_starts_from_the_defaults_unless_a_preset_or_file_is_given(command, axis, call, calls):
    calls(*CALLS[command], KeyboardInterrupt())
    value = {"bias": True, "env": ("A=1,2",)}.get(axis, "1,2")
    words = [f"--{axis.replace('_', '-')}", *([] if axis == "bias" else ["A=1,2"] if axis == "env" else ["1,2"])]
    Path("my.toml").write_text("groups = 4")
    call(command, *words)
    call(command, *words, "--preset", "resnext50")
    call(command, *words, "--space", "my.toml")
    sources = [positional[0].source for _, positional, _ in calls.made]
    assert sources == ["options", "resnext50.toml", "my.toml"]
    name = "passes" if axis == "pass" else axis
    assert all(keywords[name] == value for _, _, keywords in calls.made)


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_model_is_a_space_whose_axes_are_replaced(command, call, calls):
    space = Space(cases=[{"label": "c"}], left_out=["Left out: 1 × Conv2DTranspose (up): a reason"], source="net.keras")
    calls(network, "network", space)
    calls(*CALLS[command], OutputError("A rule", received="this", remedy="Mend it"))
    words = ("--model", "net.keras", "--input-shape", "8,8,3", "--pass", "training", "--backend", "tensorflow, other")
    err = call(command, *words)[2]
    (name, positional, keywords), (_, (used,), given) = calls.made
    assert (name, positional, keywords) == ("network", ("net.keras", "8,8,3"), {"backend": "tensorflow"})
    assert used is space
    assert given["passes"] == "training"
    assert err.splitlines()[0] == "Left out: 1 × Conv2DTranspose (up): a reason"


@pytest.mark.parametrize("control", [name.replace("_", "-") for name in Control.model_fields])
def test_a_control_alone_leaves_the_preset_quick(control, call, calls):
    calls(plan, "plan", KeyboardInterrupt())
    call("plan", f"--{control}", "3")
    ((_, (space,), keywords),) = calls.made
    assert space.source == "quick.toml"
    assert keywords == {control.replace("-", "_"): "3", "first_calls": False, "out": "results", "quiet": False}


def test_plan_renders_the_plan_and_measures_nothing(call, calls):
    calls(plans, "render", "the plan")
    calls(runs, "run", AssertionError("measured"))
    assert call("plan", "--groups", "1,4", "--visits", "7", "--format", "json") == (0, "the plan\n", "")
    ((_, (made, format_, width), _),) = calls.made
    assert width == 80
    assert format_ == "json"
    assert {task["groups"] for task in made["tasks"]} == {1, 4}


def test_explain_renders_looks_at_the_case_that_its_options_name(call, calls, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    calls(explanation, "render", "the looks")
    calls(explain, "explain", [{"variant": "grouped"}])
    words = ("--groups", "32", "--pass", "training", "--threads", "1", "--import", "my.py", "--format", "json")
    assert call("explain", *words) == (0, "the looks\n", "")
    (_, (space,), given), (_, shown, _) = calls.made
    assert space.source == "options"
    assert given == {"groups": "32", "passes": "training", "threads": "1", "files": ("my.py",), "quiet": False}
    assert shown == ([{"variant": "grouped"}], "json", 100)


def test_a_run_is_asked_to_explain(call, calls):
    calls(runs, "run", result())
    calls(runs, "resume", result())
    call("run", "--explain")
    call("run", "--resume", "latest", "--explain")
    assert [keywords["explain"] for _, _, keywords in calls.made] == [True, True]


def test_show_renders_the_runs_that_it_names(call, calls, saved):
    calls(tables, "render", "the table")
    words = ("--by", "groups", "--sort", "latency", "--where", "groups > 1", "--format", "csv", "--out", "there")
    assert call("show", str(saved), str(saved), *words) == (0, "the table\n", "")
    ((_, (made, facts), keywords),) = calls.made
    assert (len(made), facts) == (2, [metadata()])
    asked = {"by": "groups", "sort": "latency", "where": "groups > 1", "format": "csv"}
    assert keywords == {**asked, "width": 80, "styled": True}


def test_show_begins_with_the_answer_of_one_whole_run(call, saved):
    first = answer.of_run(small(), metadata())
    assert call("show", "run")[1].splitlines()[: len(first)] == [click.unstyle(line) for line in first]
    assert call("show", "run", "--sort", "latency")[1].startswith(
        "Conv2D 64→64 k3x3 on 28x28 groups 4 batch 8 training\n"
    )


def test_show_looks_for_runs_under_out(call, calls):
    calls(runs, "load_all", [result(), result()])
    call("show", "latest", "a", "--out", "there")
    assert calls.made == [("load_all", (["latest", "a"], "there"), {})]


def test_advise_asks_the_library_and_tells_its_answer(call, calls):
    answered = [Advice(None, basis="measured", options=(Option("regular", *[None] * 5, 0),))]
    calls(advise, "advise", answered)
    calls(formats, "render", "the advice")
    words = ("--groups", "4,8", "--pass", "training", "--computes", "dense", "--measure", "--out", "there", "--quiet")
    assert call("advise", "a", "b", *words, "--format", "json") == (0, "the advice\n", "")
    (name, (space, runs), keywords), (_, given, _) = calls.made
    assert (name, space.source, runs) == ("advise", "options", ("a", "b"))
    how = {"out": "there", "files": (), "measure": True, "budget": None, "wait": False, "quiet": True}
    assert keywords == {"groups": "4,8", "passes": "training", "computes": "dense", **how}
    asked = f"grouped-bench advise a b {' '.join(words)} --format json"
    assert given == (answered, "json", asked, 80, None)
    call("advise", "latest")
    (name, (space, runs), keywords), _ = calls.made[2:]
    assert (space, runs, keywords["measure"]) == (None, ("latest",), False)


@pytest.mark.parametrize(
    ("words", "is_case", "code"),
    [(("--groups", "4"), True, 3), (("latest",), False, 0), (("latest", "--pass", "training"), False, 0)],
)
def test_advise_prints_a_module_alone_and_notes_beside_it(words, is_case, code, call, calls):
    made = LayerCode("import keras\n", ("Replaced: 1 of 2 layers.", "No advice"), (True, False))
    calls(layer_code, "layer_code", made)
    found = call("advise", *words, "--code", "--variant", "grouped_native")
    assert found == (code, "import keras\n", "Replaced: 1 of 2 layers.\nNo advice\n")
    ((_, (space, _), keywords),) = calls.made
    assert (space is not None, keywords["variant"]) == (is_case, "grouped_native")
    assert keywords["command"] == f"grouped-bench advise {' '.join(words)} --code --variant grouped_native"


def test_advise_prints_the_code_of_what_runs_advise_or_of_what_is_named(call, saved, monkeypatch):
    monkeypatch.setattr("grouped_bench.harness.inspect.here.Here._why_not", lambda *given: (None, True))
    monkeypatch.setattr("grouped_bench.harness.inspect.trials.Trials.problem", lambda *given: None)
    monkeypatch.setattr("grouped_bench.harness.inspect.trials.Trials.probe", lambda *given: True)
    write_run(frame(), metadata(run_id="whole"), saved.with_name("whole.parquet"))
    code, out, err = call("advise", "whole", "--code", "--pass", "training")
    assert (code, err) == (0, "Replaced: 4 of 6 layers.\n")
    assert out.count("        NativeGroupedConv,\n") == 4
    compile(out, "layers.py", "exec")
    code, out, err = call("advise", "whole", "--code")
    assert (code, out) == (2, "")
    assert "must have one pass. Received: inference, training. Choose one, such as --pass training" in err
    asked = ("advise", "--groups", "16", "--code", "--variant")
    code, out, err = call(*asked, "split_concat")
    assert (code, err) == (0, "Replaced: 1 of 1 layer.\n")
    assert "        SplitConcatConv,\n" in out
    monkeypatch.setattr("grouped_bench.harness.inspect.trials.Trials.problem", lambda *given: "error: no")
    monkeypatch.setattr(
        "grouped_bench.harness.inspect.trials.Trials.probe", lambda *given: SimpleNamespace(in_force={})
    )
    code, out, err = call(*asked, "split_concat")
    assert code == 3
    assert "SplitConcatConv" in out
    assert "its code fails here: error: no" in err
    monkeypatch.setattr("grouped_bench.harness.inspect.trials.Trials.probe", lambda *given: None)
    code, out, err = call(*asked, "split_concat")
    assert (code, "not tried here, where tensorflow does not start" in err) == (0, True)
    code, out, err = call(*asked, "grouped")
    assert (code, err, out.count("FORMS = [\n]")) == (0, "Replaced: 0 of 1 layer.\n", 1)
    pytest.importorskip("jax")
    code, out, err = call(*asked, "group_parallel", "--backend", "jax")
    assert (code, out) == (3, "")
    assert "group_parallel has no code for the case" in err


def test_advise_exits_3_where_what_was_asked_for_stays_open(call, saved, monkeypatch):
    monkeypatch.setattr("grouped_bench.harness.inspect.here.Here._why_not", lambda *given: (None, True))
    monkeypatch.setattr("grouped_bench.harness.inspect.trials.Trials.problem", lambda *given: None)
    asked = ("advise", "--channels", "64", "--pass", "training")
    assert call(*asked, "--groups", "4")[0] == 3  # one variant of the function is no choice
    write_run(frame(), metadata(run_id="whole"), saved.with_name("whole.parquet"))
    code, out, err = call(*asked, "--groups", "4", "whole")
    assert (code, err) == (0, "")
    assert out.startswith("Conv2D 64→64 k3x3 on 28x28 groups 4 batch 8 training\n")
    assert max(map(len, out.splitlines())) <= 80
    assert call(*asked, "--groups", "4,64", "whole")[0] == 3
    code, out, err = call(*asked, "--groups", "64", "whole")
    assert (code, err) == (3, "")
    assert "No advice: groups 64 is outside the measured range" in out
    assert call("advise", "whole")[0] == 0
    code, out, _ = call("advise", "run", "--format", "json")
    assert code == 3
    assert json.loads(out)["advice"][0]["code"] is None


def test_advise_without_any_run_abstains_and_says_what_to_do(call):
    code, out, err = call("advise", "--groups", "4")
    assert (code, err) == (3, "")
    assert "an estimate needs three measured cases" in out
    assert "--measure" in out


def test_report_writes_one_page_for_the_runs_that_it_names(call, calls):
    found = [result()]
    calls(runs, "load_newest", (found, 1))
    calls(runs, "write_report", Path("page.html"))
    saved = [SavedFigure("latency", (Path("d/latency.svg"), Path("d/latency.pdf"))), SavedFigure("memory", (), "none")]
    calls(runs, "write_figures", saved)
    answer = call("report", "a", "b", "-o", "page.html", "--figures", "d", "--out", "there")
    assert answer == (0, "Wrote d/latency.svg, .pdf\nWrote page.html\n", "No figure memory: none.\n")
    assert calls.made == [
        ("load_newest", (["a", "b"], "there", 20_000), {}),
        ("write_figures", (found, "d"), {}),
        ("write_report", (found, "page.html"), {"of": 1}),
    ]


def test_figures_for_a_paper_need_no_page(call, calls):
    calls(runs, "load_newest", ([], 0))
    calls(runs, "write_figures", [SavedFigure("latency", (Path("d/latency.pdf"),))])
    words = ("--figure", "latency", "--figure", "speedup", "--figure-format", "pdf", "--width", "85mm", "--captions")
    answer = call("report", "latest", "--figures", "d", *words, "--where", "groups > 1")
    assert answer == (0, "Wrote d/latency.pdf\n", "")
    ((_, _, _), (_, given, how)) = calls.made
    assert given == ([], "d")
    asked = {"names": ("latency", "speedup"), "formats": "pdf", "width": "85mm", "captions": True}
    assert how == {**asked, "where": "groups > 1"}


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("--figure", "latency"), "--figure"),
        (("--width", "85mm"), "--width"),
        (("--captions",), "--captions"),
        (("--figure-format", "pdf"), "--figure-format"),
    ],
)
def test_what_says_how_figures_are_needs_their_folder(words, option, call):
    code, out, err = call("report", "latest", *words)
    assert (code, out) == (2, "")
    assert f"{option} must go with --figures. Received: no --figures. Name a folder for figures." in err


def test_a_page_that_cannot_be_written_leaves_no_figures(call, saved, elsewhere):
    (elsewhere / "file").write_text("in the way")
    code, _, err = call("report", "latest", "-o", "file/page.html", "--figures", "drawings")
    assert (code, (elsewhere / "drawings").exists()) == (2, False)
    assert "must be writable" in err


def test_the_defaults_of_report_are_those_of_its_help(call, calls):
    calls(runs, "load_newest", ([], 0))
    calls(runs, "write_report", Path("report.html"))
    call("report", "latest")
    assert calls.made == [
        ("load_newest", (["latest"], "results", 20_000), {}),
        ("write_report", ([], "report.html"), {"of": 0}),
    ]


def test_a_run_that_was_not_uploaded_is_shown_before_it_is_said(call, calls):
    refused = NotUploadedError("A rule", received="it is dead", remedy="Upload it with `this`")
    refused.run = result()
    calls(runs, "run", refused)
    code, out, err = call("run", "--format", "csv")
    assert code == 130
    assert out.startswith("run_id,")
    assert err.endswith("grouped-bench: A rule. Received: it is dead. Upload it with `this`.\n")


def test_compact_names_what_it_leaves_out_and_exits_1(call, calls, tmp_path):
    calls(compact, "compact", Compaction(2, 30, (), ("a.parquet: A rule",)))
    told = "Wrote 0 files of 0 B in results: 2 runs with 30 tasks.\n"
    assert call("compact") == (1, told, "Left out: a.parquet: A rule\n")
    calls(compact, "compact", Compaction(2, 30, (), ()))
    assert call("compact", "there") == (0, told.replace("results", "there"), "")


@pytest.mark.parametrize("words", [("report", "run", "-o"), ("query", "select 1", "--output")])
def test_what_is_made_of_runs_is_not_written_to_a_store(words, call, saved):
    code, _, err = call(*words, "s3://lab/page")
    assert code == 2
    assert "must be written to a local path. Received: s3://lab/page. Name a local path." in err


def test_report_of_many_runs_says_which_it_shows(call, calls):
    calls(runs, "load_newest", ([result()], 12))
    calls(runs, "write_report", Path("report.html"))
    told = "Shown: the newest 1 of 12 runs, of each machine in turn. `grouped-bench query` reads all.\n"
    assert call("report", "results") == (0, "Wrote report.html\n", told)


@pytest.mark.parametrize("what", ["variants", "presets", "backends", "devices", "columns"])
def test_list_shows_the_rows_of_the_catalogue(what, call, calls):
    rows = [{"name": "a", "about": "b"}]
    calls(catalogue, "catalogue", rows)
    assert call("list", what) == (0, plans.listing(rows) + "\n", "")
    code, out, _ = call("list", what, "--format", "json")
    assert (code, json.loads(out)) == (0, {"schema": 1, what: rows})
    assert calls.made == [("catalogue", (what, ()), {})] * 2


# What comes out


def test_the_answers_for_programs_parse(call, saved):
    code, out, err = call("show", "run", "--format", "json")
    assert (code, err) == (0, "")
    shown = json.loads(out)
    assert shown["schema"] == 1
    assert set(shown["tasks"][0]) == set(schema.FRAME_NAMES) - set(schema.RAW)
    planned = json.loads(call("plan", "--groups", "1,3", "--format", "json")[1])
    assert set(planned) == {"schema", "tasks", "skipped", "estimate"}
    listed = json.loads(call("list", "columns", "--format", "json")[1])
    assert [row["name"] for row in listed["columns"]] == list(schema.FRAME_NAMES)


@pytest.mark.parametrize("format_", ["markdown", "csv", "json"])
def test_stdout_carries_the_answer_alone_when_a_program_reads_it(format_, call, calls):
    calls(runs, "run", result())
    _, out, err = call("run", "--format", format_)
    assert "Wrote" not in out
    assert err == "Wrote results/m/run.parquet\nWrote results/m/run.html\n"
    assert format_ != "json" or json.loads(out)["schema"] == 1


def test_a_page_and_figures_are_written_where_asked(call, saved, elsewhere):
    code, out, err = call("report", "latest", "-o", "page.html", "--figures", "drawings")
    assert code == 0
    assert "Wrote drawings/latency.svg, .png, .pdf\n" in out
    assert out.endswith("\nWrote page.html\n")
    assert "No figure roofline: this run did not measure the machine's peak.\n" in err
    assert (elsewhere / "page.html").read_text(encoding="utf-8").startswith("<!")
    assert {path.suffix for path in (elsewhere / "drawings").iterdir()} == {".svg", ".png", ".pdf"}


# Width


@pytest.mark.parametrize("columns", [40, 60, 130])
def test_columns_are_respected_in_a_pipe(columns, call, saved, monkeypatch):
    monkeypatch.setattr("grouped_bench.harness.inspect.here.Here._why_not", lambda *given: (None, True))
    monkeypatch.setattr("grouped_bench.harness.inspect.trials.Trials.problem", lambda *given: None)
    write_run(frame(), metadata(run_id="whole"), saved.with_name("whole.parquet"))
    call("baseline", "save", "whole")
    monkeypatch.setenv("COLUMNS", str(columns))
    widest = {}
    for words in (
        *(
            ("show", "whole"),
            ("show", "run", "--sort", "latency"),
            ("plan", "--groups", "3,4"),
            ("compare", "run", "whole"),
        ),
        *(("advise", "whole"), ("advise", "whole", "--groups", "4,64", "--channels", "64", "--pass", "training")),
        *(("history", "results"), ("list", "columns"), ("list", "variants"), ("baseline", "list")),
    ):
        code, out, err = call(*words)
        assert (code in (0, 3), err) == (True, "")
        lines = [line for line in out.splitlines() if not line.startswith("  grouped-bench ")]  # a command to copy
        widest[" ".join(words)] = max(map(display_width, lines))
    assert {words: width for words, width in widest.items() if width > columns} == {}
    assert columns < 80 or sum(width > 80 for width in widest.values()) > 5


@pytest.mark.parametrize(
    ("columns", "width", "of_help"),
    [
        *(("60", 60, 60), ("7", 40, 40), ("٣", 40, 40), ("9999", 400, 400), ("9" * 5000, 400, 400)),
        *((name, 80, 80) for name in ("", "0", "-5", "x", "1.5", "²")),
    ],
)
def test_columns_are_taken_within_reason(columns, width, of_help, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    assert (output.terminal_width(), output.help_width()) == (width, of_help)


@pytest.mark.parametrize(("of_terminal", "width", "of_help"), [(60, 60, 60), (100, 100, 80), (300, 120, 80)])
def test_a_terminal_without_columns_says_its_width(of_terminal, width, of_help, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(output.shutil, "get_terminal_size", lambda fallback: os.terminal_size((of_terminal, 24)))
    assert (output.terminal_width(), output.help_width()) == (width, of_help)
    monkeypatch.setenv("COLUMNS", "200")
    assert (output.terminal_width(), output.help_width()) == (200, 200)


@pytest.mark.parametrize("columns", [60, 120])
def test_help_takes_the_columns_that_are_asked_for(columns, call, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    told = call("run", "--help")[1].partition("What to measure")[2].splitlines()  # examples above stand as they are
    assert columns - 12 < max(map(len, told)) <= columns


# Exit codes


@pytest.mark.parametrize(("words", "code"), [((), 0), (("--strict",), 1)])
def test_a_failed_task_fails_a_strict_run_only(words, code, call, calls):
    made = small()
    calls(runs, "run", result(fail(made, made["variant"] == "grouped", "unsupported", "no")))
    assert call("run", *words)[0] == code


@pytest.mark.parametrize(
    ("statuses", "words", "code", "told"),
    [
        (("interrupted", "interrupted"), (), 1, "Nothing was measured: the budget ended before the first figure. "),
        (("unsupported", "interrupted"), (), 1, "Nothing was measured: "),
        (("unsupported", "oom"), (), 0, "Nothing could be measured here: 1 unsupported, 1 oom. That is a finding; "),
        (("unsupported", "oom"), ("--strict",), 1, "Nothing could be measured here: "),
        (("ok", "interrupted"), (), 0, ""),
    ],
)
def test_a_run_that_measured_nothing_says_so_and_exits_1(statuses, words, code, told, call, calls):
    made = small()
    for variant, status in zip(made["variant"], statuses, strict=True):
        made = fail(made, made["variant"] == variant, status, None) if status != "ok" else made
    calls(runs, "run", result(made, stopped_by="budget", time={"total_s": 7.0}))
    found, out, err = call("run", *words)
    assert (found, err) == (code, "")
    out = " ".join(out.split())
    assert told in out
    assert ("Nothing was" in out or "Nothing could" in out) == bool(told)
    assert ("Set a longer --budget; starting took 0:07." in out) == (code == 1 and not words)
    found, out, err = call("run", *words, "--format", "json")
    assert (found, json.loads(out)["schema"]) == (code, 1)
    assert told in err
    assert err.count("\n") == 2 + bool(told)


def test_a_budget_that_ends_before_the_first_visit_exits_1(call, monkeypatch):
    monkeypatch.setattr(probing, "Host", fake_host)
    words = ("run", "--groups", "2", "--channels", "8", "--size", "5", "--variant", "regular,grouped", "--quiet")
    assert call(*words, "--visits", "3")[0] == 0
    code, out, err = call(*words, "--budget", "2s")
    assert (code, err) == (1, "")
    assert "Nothing was measured: the budget ended before the first figure." in out


def test_a_strict_run_without_failures_is_fine(call, calls):
    calls(runs, "run", result())
    assert call("run", "--strict")[0] == 0


def test_an_interrupted_run_keeps_what_it_measured_and_exits_130(call, calls):
    calls(runs, "run", result(stopped_by="user"))
    code, out, err = call("run", "--strict")
    assert code == 130
    assert "Wrote results/m/run.parquet" in out
    assert err.splitlines()[-1] == (
        "Interrupted: what was measured is kept in the file above. Resume with `grouped-bench run --resume run`."
    )


def test_a_run_that_was_cut_short_exits_130_and_says_how_to_go_on(call, calls):
    calls(runs, "run", CutShortError("A rule", received="a full disk", remedy="Go on with `this`"))
    assert call("run") == (130, "", "grouped-bench: A rule. Received: a full disk. Go on with `this`.\n")


@pytest.mark.parametrize("words", [("run",), ("plan",), ("show", "a"), ("report", "a")])
def test_ctrl_c_exits_130_without_a_traceback(words, call, calls):
    for home, name in ((runs, "run"), (plan, "plan"), (runs, "load_all"), (runs, "load_newest")):
        calls(home, name, KeyboardInterrupt())
    code, out, err = call(*words)
    assert (code, out) == (130, "")
    assert err.strip() == "grouped-bench: interrupted"


def test_a_reader_that_has_had_enough_is_no_error():
    code = (
        "import sys; from grouped_bench.api import catalogue; from grouped_bench.commands.main import main; "
        "sys.argv[1:] = ['list', 'columns', '--format', 'json']; "
        "catalogue.catalogue = lambda *asked: [{'name': 'x' * 1_000_000}]; main()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


@pytest.mark.parametrize(
    "error",
    [
        OutputError("A disk is full", received="results", remedy="Make room"),
        UnavailableError("A device must be there", received="--device gpu", remedy="Use cpu:0"),
        HostError("The backend must start", received="its last words:\nTraceback\n  line", remedy="Mend it"),
    ],
)
def test_an_error_of_a_run_is_one_line_and_exit_2(error, call, calls):
    calls(runs, "run", error)
    code, out, err = call("run")
    assert (code, out) == (2, "")
    assert err == f"grouped-bench: {' '.join(str(error).split())}\n"


def test_an_error_of_our_own_is_not_told_as_the_users(calls, monkeypatch):
    calls(runs, "run", ZeroDivisionError("a defect"))
    monkeypatch.setattr(sys, "argv", ["grouped-bench", "run"])
    with pytest.raises(ZeroDivisionError):
        main.main()


REFUSED = [
    (("nope",), "No such command 'nope'. Try `grouped-bench --help`."),
    (("--nope",), "No such option '--nope'. Try `grouped-bench --help`."),
    (("run", "--nope"), "No such option '--nope'. (Did you mean one of: "),
    (("run", "extra"), "Got unexpected extra argument (extra). Try `grouped-bench run --help`."),
    (("run", "--groups"), "Option '--groups' requires an argument."),
    (("run", "--seed", "-1"), "--seed must be an integer from 0 to 2,147,483,647. Received: -1. Write it like --seed "),
    (("run", "--seed", "abc"), "--seed must be an integer from 0 to 2,147,483,647. Received: abc. Write it like --s"),
    (("run", "--seed", "1e3"), "Received: 1e3. Write it like --seed 7. Try `grouped-bench run --help`."),
    (("run", "--seed", "9" * 400), "--seed must be an integer from 0 to 2,147,483,647. Received: 99999999999999999999"),
    (("run", "--format", "xml"), "Invalid value for '--format': 'xml' is not one of 'table', 'markdown', 'csv', "),
    (("run", "--groups", "0"), "options: `groups` takes positive integers. Received: 0. Write it like --groups "),
    (("run", "--size", "134217732"), "options: `size` must be at most 16,777,216. Received: 134217732. Write it like "),
    (("run", "--size", "16777216", "--rank", "3", "--channels", "1048576"), ": more than 1e+17 multiply-accumulates"),
    (("run", "--size", "28x"), "options: `size` takes positive integers, or one extent per spatial axis, such as "),
    (("run", "--groups", "3"), "3 groups do not divide 64 input channels. Change the axis named in the reason."),
    (("run", "--variant", "nope"), "A variant must be known. Received: nope. Use one of regular, batched_matmul, "),
    (("run", "--backend", "nope"), "A backend must be known. Received: nope. Use one of "),
    (("run", "--execution", "nope"), "`execution` must be one that a chosen backend has. Received: nope. Use one of "),
    (("run", "--device", "tpu"), "options: `device` takes cpu, gpu, or an indexed device such as gpu:1. Received: "),
    (("run", "--preset", "nope"), "A preset must be known. Received: nope. Use one of alexnet-groups, "),
    (("run", "--preset", "quick", "--space", "a"), "A space must come from one option. Received: --preset and --"),
    (("plan", "--preset", "quick", "--model", "a"), "A space must come from one option. Received: --preset and --"),
    (("run", "--open", "--no-report"), "--open must go with a page. Received: --no-report. Leave one of them out."),
    (("run", "--input-shape", "8,8,3"), "Received: no --model. Name a network with --model. Try `grouped-bench run "),
    (("run", "--model", "none.keras"), "of Keras or PyTorch. Received: No such file or directory: none.keras. "),
    (("plan", "--model", "binary"), "Received: another ending: binary. Name a file of one of these kinds."),
    (("plan", "--model", "keras.applications:A", "--input-shape", "8x8"), "An input shape must be 1 to 4 integers "),
    (("plan", "--model", "binary.keras", "--backend", "nope"), "A backend must be known. Received: nope. Use one of "),
    (("run", "--space", "none.toml"), "A space file must be a readable UTF-8 file. Received: No such file or "),
    (("run", "--space", "bad.toml"), "bad.toml must be valid TOML. Received: Invalid value (at end of document). "),
    (("run", "--space", "binary"), "A space file must be a readable UTF-8 file. Received: 'utf-8' codec can't decode"),
    (("run", "--budget", "0s"), "options: `budget` takes a duration above zero, up to 8784h. Received: 0s. Write "),
    (("run", "--budget", "9" * 400), "options: `budget` takes a duration above zero, up to 8784h. Received: 99999999"),
    (("run", "--batch-size", "0"), "options: `batch_size` takes positive integers. Received: 0. Write it like --batch"),
    (("run", "--groups", ""), "options: `groups` takes positive integers. Received: ''. Write it like --groups 1,2,4,"),
    (("run", "--cache", "warm"), "options: `cache` takes hot or cold: whether calls find their inputs and weights "),
    (("run", "--threads", "0"), "options: `threads` takes positive integers up to 1024: the threads "),
    (("run", "--memory-limit", "8GB"), "options: `memory_limit` takes a size of at least 1 byte, up to 1024TiB. "),
    (("run", "--resume", "none"), "A run to resume must be unfinished, named by its journal, its run id, or latest. "),
    (("run", "--margin", "3"), "options: `margin` takes a share between 0 and 1. Received: 3. Write it like --margin "),
    (
        ("run", "--groups", "4", "--out", "binary"),
        "The output folder must be writable. Received: binary (not a folder). Name another",
    ),
    (("run", "--groups", "1\n2\x1b[31m"), "Received: 1\\n2\\x1b[31m. Write it like "),
    (("run", "--groups", "\udcff"), "Received: \\udcff. Write it like "),
    (("plan", "--size", ",".join(map(str, range(1, 20_002)))), "at most 100,000 points. Received: 100,005 points."),
    (("show",), "Missing argument 'RUN...'. Try `grouped-bench show --help`."),
    (("show", "none"), "A run must be a Parquet file, a folder of runs, a run id, or latest. Received: none. Name "),
    (("show", "latest"), "Received: latest. Name another folder for the output; results has no runs."),
    (("show", "binary"), "A run must be a readable Parquet file. Received: binary ("),
    (("report", "binary"), "A run must be a readable Parquet file. Received: binary ("),
    (("advise",), "`advise` takes a case or runs. Received: neither. Give a case, such as "),
    (("advise", "--groups", "0"), "options: `groups` takes positive integers. Received: 0. Write it like --groups 1,"),
    (("advise", "--groups", "3"), "3 groups do not divide 64 input channels. Change the axis named in the reason."),
    (("advise", "--groups", "3,4"), "Every case must be a valid convolution: 3 groups do not divide 64 input "),
    (("advise", "--scope", "block"), "No such option '--scope'."),
    (("advise", "--computes", "sparse"), "'sparse' is not one of 'grouped', 'dense'. Try `grouped-bench advise"),
    (("advise", "--groups", "4", "--variant", "grouped"), "--variant must go with --code. Received: no --code. Give "),
    (("advise", "--groups", "4", "--code", "--format", "json"), "--code takes no format. Received: --format json. "),
    (("advise", "--groups", "4", "--code", "--variant", "regular", "--measure"), "--variant takes no measurement. "),
    (("advise", "--groups", "4", "--code", "--variant", "none"), "A variant must be known. Received: none. Use one "),
    (("advise", "--groups", "4", "--code", "--variant", "channel_shuffle"), "which computes channel_shuffle. Name "),
    (("advise", "--groups", "4", "--code", "--batch-size", "1,8"), "must have one batch size. Received: 1, 8. Choose"),
    (("advise", "--groups", "4", "--budget", "long"), "options: `budget` takes a duration above zero, up to 8784h. "),
    (("advise", "none"), "A run must be a Parquet file, a folder of runs, a run id, or latest. Received: none. Name "),
    (("advise", "binary", "--groups", "4"), "A run must be a readable Parquet file. Received: binary ("),
    (("list",), "Missing argument '{variants|presets|backends|devices|columns}'."),
    (("list", "nope"), "'nope' is not one of 'variants', 'presets', 'backends', 'devices', 'columns'."),
]  # fmt: skip


@pytest.mark.parametrize(("words", "told"), REFUSED, ids=[" ".join(words)[:40] for words, _ in REFUSED])
def test_what_cannot_be_done_is_one_line_exit_2_and_nothing_written(words, told, call, elsewhere):
    (elsewhere / "bad.toml").write_text("groups = ")
    (elsewhere / "binary").write_bytes(b"\xff\xfe\x00")
    (elsewhere / "binary.keras").write_bytes(b"\xff\xfe\x00")
    before = files(elsewhere)
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert told in err
    assert err.startswith("grouped-bench: ")
    assert err.count("\n") == 1
    assert err[:-1].isprintable()
    assert files(elsewhere) == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("show", "run", "--where", "groups >"), "--where takes column names"),
        (("show", "run", "--by", "nope"), "--by takes a column other than the raw samples. Received: nope."),
        (("show", "run", "--sort", "samples_s"), "--sort takes a column other than the raw samples."),
        (("report", "run", "-o", "none/page.html"), "Received: none/page.html (No such file or directory)."),
        (("report", "run", "-o", "results"), "Received: results (Is a directory)."),
        (("report", "run", "--figures", "results/m/run.parquet"), "The folder of figures must be writable."),
    ],
)
def test_a_run_that_can_be_read_does_not_excuse_the_rest(words, told, call, saved, elsewhere):
    before = files(elsewhere)
    code, out, err = call(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert told in err
    assert files(elsewhere) == before


# Help


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command, call):
    code, out, _ = call(command, "--help")
    assert code == 0
    assert "Example" in out
    assert f"grouped-bench {command}" in out
    assert max(map(len, out.splitlines())) <= 80


def test_the_commands_are_those_that_work(call):
    assert set(main.cli.commands) == set(COMMANDS)
    assert {name for names in main.PURPOSES.values() for name in names} == set(COMMANDS)
    out = call("--help")[1]
    assert all(f"\n  {command} " in out for command in COMMANDS)
    listed = out[out.index("Measure:") :]
    assert "…" not in listed
    assert "..." not in listed
    assert call() == (0, out, "")


def test_a_command_of_no_purpose_is_listed_too(call, monkeypatch):
    monkeypatch.setattr(main, "PURPOSES", {"Measure": ("run",)})
    out = call("--help")[1]
    assert out.index("Measure:\n  run ") < out.index("Other:\n  advise ")


def test_the_options_of_run_stand_in_groups(call):
    out = call("run", "--help")[1]
    titles = ["What to measure", "Axes", "How closely", "The command itself"]
    places = [out.index(f"\n{title}") for title in titles]
    assert places == sorted(places)
    assert out.index("--preset") < places[1] < out.index("--groups LIST") < places[2] < out.index("--budget D")
    assert places[3] < out.index("--tables")


@pytest.mark.parametrize("axis", OPTION_AXES)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_every_axis_is_an_option_with_its_default_told(command, axis, call):
    out = " ".join(call(command, "--help")[1].split())
    assert f"--{axis.replace('_', '-')} " in out
    assert out.count("[default: ") >= len(OPTION_AXES) - 1 + len(Control.model_fields)


def test_the_rule_of_an_axis_is_told_as_it_is_to_be_typed(call):
    out = " ".join(call("plan", "--help")[1].split())
    assert "positive integers, or IN:OUT [default: 64]" in out
    assert "1, 2 or 3 (Conv1D, Conv2D, Conv3D) [default: 2]" in out
    assert "same, valid, or (rank 1 only) causal [default: same]" in out
    assert "such as 10m. [default: none]" in out


def test_the_version_is_told(call):
    assert call("--version") == (0, "grouped-bench, version 0.1.0\n", "")


def test_the_package_runs_as_the_command(call):
    for words in (("--version",), ("list", "presets"), ("plan", "--groups", "3")):
        asked = [sys.executable, "-m", "grouped_bench", *words]
        ran = subprocess.run(asked, env=importing(), capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stdout, ran.stderr) == call(*words)


def test_a_run_of_the_package_is_recorded_as_one_of_the_command(monkeypatch):
    seen = []
    monkeypatch.setattr(main, "main", lambda: seen.append(list(sys.argv)))
    monkeypatch.setattr(sys, "argv", ["/somewhere/grouped_bench/__main__.py", "run", "--quiet"])
    runpy.run_module("grouped_bench", run_name="__main__")
    assert seen == [["grouped-bench", "run", "--quiet"]]


# What a command costs


def loaded(code):
    """Names of the costly modules that a fresh interpreter has loaded after `code`."""
    told = f"import sys\ntry:\n    {code}\nexcept SystemExit: pass\nprint('\\n', *sys.modules, sep=' ')"
    run = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert not run.stderr
    modules = set(run.stdout.splitlines()[-1].split())
    assert "grouped_bench" in modules
    return modules & {*COSTLY, *FRAMEWORKS}


def command(*words):
    given = [str(word) for word in words]
    return f"import sys; sys.argv[1:] = {given}; from grouped_bench.commands.main import main; main()"


@pytest.mark.parametrize(
    "code",
    ["import grouped_bench", command("--help"), command("run", "--help"), "import grouped_bench; grouped_bench.Space"],
)
def test_help_and_import_load_nothing_costly(code):
    assert loaded(code) == set()


def test_what_is_loaded_would_be_seen():
    assert loaded("import grouped_bench, scipy") == {"scipy"}


@pytest.mark.parametrize("words", [("plan", "--preset", "quick"), ("list", "variants"), ("list", "backends")])
def test_planning_and_listing_load_no_framework(words):
    assert loaded(command(*words)) & {*FRAMEWORKS, "matplotlib"} == set()


def test_show_and_report_load_no_framework(saved, elsewhere):
    assert loaded(command("show", saved)) & set(FRAMEWORKS) == set()
    assert loaded(command("report", saved, "-o", elsewhere / "page.html")) & set(FRAMEWORKS) == set()
    assert (elsewhere / "page.html").exists()


def test_a_full_standard_output_is_said_in_one_line():
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", "from grouped_bench.commands.main import main; main()", "list", "columns"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 2
    assert ended.stderr.startswith("grouped-bench: The answer must reach standard output. Received: No space left")


def test_a_reader_who_has_gone_still_gets_the_exit_code_and_the_way_on(tmp_path):
    """As `run | tee log` leaves it after Ctrl-C, which ends tee first."""
    script = (
        "import sys, small_runs, grouped_bench.api.runs as runs, grouped_bench.commands.main as main\n"
        "runs.run = lambda *_, **__: small_runs.result(stopped_by='user', finished=False)\n"
        "sys.argv = ['grouped-bench', 'run', '--no-report']\n"
        "main.main()\n"
    )
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(
        [sys.executable, "-c", script], stdout=write, stderr=subprocess.PIPE, text=True, check=False, env=importing()
    )
    os.close(write)
    assert ended.returncode == 130
    assert ended.stderr == (
        "Interrupted: what was measured is kept in the file above. Resume with `grouped-bench run --resume run`.\n"
    )

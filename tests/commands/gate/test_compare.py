"""`grouped-bench compare`: exit codes, formats, files, refusals."""

import functools
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from drawn import drawn, loaded, saved
from frames import fail

import grouped_bench as gb
from grouped_bench.analyse.compare.compare import DEFAULTS
from grouped_bench.api.gate import compare
from grouped_bench.space.space import Space
from grouped_bench.store.gate.steps import StepRow, write_steps

pytestmark = pytest.mark.usefixtures("elsewhere")
MAIN = "from grouped_bench.commands.main import main; main()"


@pytest.fixture
def call(call):
    """Runs `compare`; returns exit code, stdout and stderr."""
    return functools.partial(call, "compare")


@pytest.fixture
def runs(tmp_path):
    """Files of runs by name: what head may be against base."""
    base, head = drawn(1), drawn(2)
    kinds = {
        "base": base,
        "same": head,
        "slow": drawn(2, slower={"grouped": 1.1}),
        "broken": fail(head, head["variant"] == "grouped", "crashed", "signal 11"),
        "cut": fail(head, head["variant"] == "grouped", "interrupted", "the budget ended"),
        "few": drawn(2, processes=2),
        "gone": head[:1],
    }
    return {name: saved(made, tmp_path / "runs", name) for name, made in kinds.items()}


@pytest.mark.parametrize(
    ("base", "head", "code", "told"),
    [
        ("base", "base", 3, "Inconclusive"),
        ("base", "gone", 3, "Inconclusive"),
        ("base", "same", 0, "No regression"),
        ("base", "slow", 1, "Regression"),
        ("slow", "base", 0, "No regression"),
        ("base", "broken", 1, "Regression"),
        ("broken", "base", 0, "No regression"),
        ("base", "cut", 3, "Inconclusive"),
        ("base", "few", 3, "Inconclusive"),
    ],
)
def test_the_exit_code_is_the_verdict(base, head, code, told, call, runs):
    found = call(runs[base], runs[head])
    assert (found[0], found[2]) == (code, "")
    assert found[1].startswith(f"{told}: ")


def test_thresholds_reach_the_library(call, runs, monkeypatch):
    assert call(runs["base"], runs["slow"], "--threshold", "15%")[0] == 0
    assert call(runs["base"], runs["slow"], "--threshold", "memory=1%,latency=15%")[0] == 0
    assert call(runs["base"], runs["slow"], "--threshold", "15%", "--threshold", "3%")[0] == 1
    assert call(runs["base"], runs["broken"], "--threshold", "status=off")[0] == 0
    monkeypatch.setattr(compare, "compare", lambda *names, **how: (_ for _ in ()).throw(KeyboardInterrupt))
    assert call(runs["base"], runs["slow"])[0] == 130


def test_one_run_of_the_command_gives_every_format(call, runs):
    files = ["answer.txt", "answer.md", "there/answer.json", "junit.xml"]
    Path("there").mkdir()
    code, out, _ = call(runs["base"], runs["slow"], *(word for file in files for word in ("--save", file)))
    assert code == 1
    texts = [Path(file).read_text() for file in files]
    assert texts[0] == out
    assert texts[1].startswith("**Regression: ")
    assert loaded(texts[2])["verdict"] == "regression"
    assert ElementTree.fromstring(texts[3]).get("failures") == "2"
    for format_, text in zip(("markdown", "json", "junit"), texts[1:], strict=True):
        assert call(runs["base"], runs["slow"], "--format", format_) == (1, text, "")


def test_a_run_and_itself_are_called_one_run_first(call, runs):
    code, out, _ = call(runs["base"], runs["base"])
    assert (code, out.splitlines()[0]) == (3, "Inconclusive: base and head are the same run.")
    assert "A run compared with itself shows nothing. Name two runs." in out
    code, out, _ = call(runs["base"], runs["base"], "--format", "json")
    assert (code, loaded(out)["same_run"]) == (3, True)


def test_a_head_that_lacks_most_tasks_is_said_first_and_may_be_allowed(call, runs):
    code, out, _ = call(runs["base"], runs["gone"])
    assert (code, out.splitlines()[0]) == (3, "Inconclusive: head has only 1 of base's 4 tasks.")
    assert "3 tasks of base are gone. If that is intended, add --allow-gone." in out
    code, out, _ = call(runs["base"], runs["gone"], "--allow-gone")
    assert (code, out.splitlines()[0]) == (0, "No regression in 1 of 4 tasks; 3 are gone.")


def test_files_that_name_no_commit_are_named_and_taken_as_one_side_where_asked(call, tmp_path):
    for side, seed, slower in (("b", 1, None), ("h", 5, {"grouped": 1.1})):
        for number in range(3):
            saved(drawn(seed + number, processes=2, slower=slower), Path(side), f"{side}{number}")
    code, out, _ = call("b", "h")
    told = " ".join(out.split())
    assert code == 3
    assert told.startswith("Inconclusive: 0 of 4 tasks decided. ")
    assert "base: run b2, on amd-epyc-2; 2 others left out: b0.parquet, b1.parquet (no commit is recorded)" in told
    assert "4 files left out: what was measured is not recorded. If all files of a folder repeat one side, add" in told
    code, out, _ = call("b", "h", "--as-one")
    told = " ".join(out.split())
    assert (code, "left out" in told) == (1, False)
    assert "base: 3 runs (b0, b1, b2), as one side (--as-one), on amd-epyc-2" in told


def test_a_key_that_occurs_twice_is_one_line_with_the_file_and_the_key(call):
    for name in ("a.json", "b.json"):
        Path(name).write_text('{"benchmarks": [], "machine_info": {}, "datetime": "2026-11-23", "datetime": "x"}')
    code, _, err = call("a.json", "b.json")
    assert (code, err.count("\n")) == (2, 1)
    assert 'Received: a.json with "datetime" twice.' in err or 'Received: b.json with "datetime" twice.' in err


def test_all_shows_what_is_unchanged(call, runs):
    assert "unchanged" not in call(runs["base"], runs["same"])[1]
    assert call(runs["base"], runs["same"], "--all")[1].count("unchanged") == 8


def test_runs_are_looked_up_under_out(call, runs):
    assert call("base", "slow", "--out", "runs")[0] == 1
    assert call("base", "slow")[0] == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("base",), "`compare` takes BASE and HEAD, or --base-python and --head-python. Received: BASE. Give one of"),
        ((), "Received: none of them. Give one of the two pairs; for your own code, --step with --base-path"),
        (
            ("base", "slow", "--base-python", "a", "--head-python", "b"),
            "Received: BASE, HEAD, --base-python, --head-python.",
        ),
        (("--base-python", sys.executable), "Received: --base-python."),
        (
            ("--base-python", "base", "--head-python", "slow"),
            "An interpreter must be an executable program. Received: base",
        ),
        (("--base-python", "a", "--head-python", "b", "--threshold", "5"), "share such as 5% or 0.05"),
        (("--base-python", sys.executable, "--head-python", sys.executable, "--groups", "x"), "`groups` takes"),
        (
            ("base", "slow", "--groups", "4"),
            "--groups must go with --base-python and --head-python. Received: BASE and HEAD, which are measured "
            "already.",
        ),
        (("base", "slow", "--no-memory"), "--no-memory must go with --base-python"),
        (("base", "slow", "--space", "x.toml"), "--space must go with --base-python"),
        (("base", "slow", "--import", "x.py"), "--import must go with --base-python"),
        (("base", "slow", "--pass", "training"), "--pass must go with --base-python"),
        (("base", "slow", "--rerun"), "--rerun must go with --base-python"),
        (
            ("base", "slow", "--step", "train:step"),
            "--step train:step must go with folders or interpreters of base and head. Received: BASE, HEAD.",
        ),
        (
            ("base", "slow", "--base-path", "."),
            "--base-path and --head-path must go with --step or --model MODULE:FUNCTION",
        ),
        (
            ("--step", "train:step"),
            "must go with folders or interpreters of base and head. Received: none. Give --base-path",
        ),
        (("--base-path", ".", "--head-path", "."), "must go with --step or --model MODULE:FUNCTION"),
        (
            ("--base-python", "a", "--head-python", "b", "--base-path", "."),
            "--base-path and --head-path must go with --step or --model MODULE:FUNCTION",
        ),
        (("--base-path", "base", "--step", "train:step"), "--base-path and --head-path must be folders"),
        (
            ("--base-path", ".", "--step", "train"),
            "--step must name a function as MODULE:FUNCTION, in letters, digits, _ and dots. Received: train.",
        ),
        (("--base-path", ".", "--step", "a:b", "--model", "a:b"), "--step and --model must not be given together"),
        (("--base-path", ".", "--step", "a:b", "--groups", "2"), "--groups must not go with --step"),
        (("base", "slow", "--wait"), "--wait must go with --base-python"),
        (("base", "nope"), "A run must be a Parquet file, a folder of runs, a run id, or latest. Received: nope."),
        (("base", "none.json"), "Base and head must both be runs, both be files of steps"),
        (("base", "\x1b[31m" * 99), "Received: \\x1b[31m"),
        (("base", "slow", "--threshold", "5"), "share such as 5% or 0.05, at most 1000%, or off. Received: 5."),
        (
            ("base", "slow", "--threshold", "speed=5%"),
            "of status, latency, memory, first_call, params. Received: speed.",
        ),
        (("base", "slow", "--threshold", "5%,"), "A threshold must be a share, or METRIC=SHARE."),
        (
            ("base", "slow", "--threshold", "latency=off,memory=off,params=off,status=off"),
            "At least one metric must be judged",
        ),
        (("base", "slow", "--threshold", "status=5%"), "The threshold of status must be 0% or off"),
        (("base", "slow", "--format", "html"), "'html' is not one of 'table', 'markdown', 'json', 'junit'."),
        (("base", "slow", "--save", "answer"), "A file name must end in one of .txt, .md, .json, .xml"),
        (("base", "slow", "--save", "a.md", "--save", "base/x.md"), "The output folder must be writable."),
    ],
)
def test_what_cannot_be_done_is_one_line_exit_2_and_nothing_written(words, told, call, runs):
    for name in ("base", "slow"):
        runs[name].rename(name)
    before = sorted(Path().rglob("*"))
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert told in err
    assert err.startswith("grouped-bench: ") and err.count("\n") == 1 and err[:-1].isprintable()
    assert sorted(Path().rglob("*")) == before


def test_a_folder_with_head_alone_is_no_base(call, tmp_path):
    head = saved(drawn(1), tmp_path / "alone", "head")
    code, out, err = call("alone", head)
    assert (code, out) == (2, "")
    assert (
        "The base folder must contain a run of a commit other than head's. Received: alone, which contains only head"
        in err
    )


def test_help_tells_the_thresholds_that_hold(call):
    told = "".join(call("--help")[1].split())
    defaults = ",".join(
        f"{name}={'off' if DEFAULTS[name] is None else f'{DEFAULTS[name]:.0%}'}"
        for name in ("latency", "memory", "first_call", "params", "status")
    )
    assert f"[default:{defaults}]" in told


def test_help_tells_the_controls_of_preset_ci(call):
    told, control = " ".join(call("--help")[1].split()), Space.preset("ci").control
    words = " ".join(
        f"--{name.replace('_', '-')} {control[name]}" for name in ("visits", "visit_time", "reference", "budget")
    )
    assert f"`ci`, not the defaults below: {words}." in told


def test_a_reader_who_has_gone_still_gets_the_exit_code(runs):
    """As `compare | head -1` leaves it under pipefail."""
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(
        [sys.executable, "-c", MAIN, "compare", runs["base"], runs["slow"]],
        stdout=write, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(write)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_comparing_loads_no_framework(runs):
    code = (
        f"import sys; sys.argv[1:] = ['compare', {str(runs['base'])!r}, {str(runs['slow'])!r}]\n"
        "from grouped_bench.commands.main import main\ntry: main()\nexcept SystemExit: print('\\n', *sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(ran.stdout.splitlines()[-1].split())
    assert "grouped_bench.api.gate.compare" in modules
    assert modules & {"tensorflow", "keras", "jax", "torch", "matplotlib"} == set()


def test_two_interpreters_are_measured_and_compared(call, runs, monkeypatch):
    asked = []

    def run_both(*sides, **how):
        asked.append((*sides, how))
        return [gb.load(runs[name]) for name in ("base", "slow")]

    monkeypatch.setattr(compare, "run_both", run_both)
    pythons = ("--base-python", "a/bin/python", "--head-python", "b/bin/python")
    code, out, err = call(*pythons, "--visits", "7", "--no-memory", "--quiet", "--save", "answer.json")
    assert (code, out.startswith("Regression: ")) == (1, True)
    assert err == f"Wrote {runs['base']}\nWrote {runs['slow']}\n"
    assert loaded(Path("answer.json").read_text())["verdict"] == "regression"
    *sides, space, how = asked.pop()
    assert (sides, space) == (["a/bin/python", "b/bin/python"], None)  # for which `run_both` has its preset
    assert how == {"out": "results", "quiet": True, "visits": "7", "memory": False}
    call(*pythons, "--groups", "8", "--wait", "--out", "there")
    *_, space, how = asked.pop()
    assert space.source == "options"
    assert how == {"out": "there", "quiet": False, "wait": True, "groups": "8"}


def test_what_was_measured_until_an_interrupt_is_told_with_exit_130(call, monkeypatch, tmp_path):
    made = [saved(drawn(seed), tmp_path, name, stopped_by="user") for seed, name in ((1, "a"), (2, "b"))]
    monkeypatch.setattr(compare, "run_both", lambda *sides, **how: [gb.load(path) for path in made])
    code, out, err = call("--base-python", "a", "--head-python", "b")
    assert (code, out.startswith("No regression: ")) == (130, True)
    assert err.endswith("kept in the files above.\n")


@pytest.fixture
def steps(monkeypatch, tmp_path):
    """What `step_both` was asked for; it finds head slower by what is given, each time."""
    asked, slower = [], []

    def measure(function, **options):
        asked.append((function, options))
        made = []
        for side, factor in (("base", 1.0), ("head", slower.pop(0))):
            number, other = len(asked), {"base": "head", "head": "base"}[side]
            again = options.get("again")
            half = {"role": side, "partner": f"{other}{number}"}
            half |= {"rerun_of": again.runs[side == "head"]} if again else {}
            facts = {"schema": 1, "run_id": f"{side}{number}", "machine": "here", "stopped_by": "visits",
                     "side_by_side": half, "started_at": f"2026-01-0{number}T00:00:00+00:00"}  # fmt: skip
            samples = [[0.01 * factor * (1 + 0.001 * visit)] * 4 for visit in range(6)]
            row = StepRow(
                name="whole step", group=function, samples_s=samples, reference_s=[[0.001] * 4] * 6,
                visit_process=list(range(6)), visit_stolen=[0.0] * 6, visit_throttled=[None] * 6,
            )  # fmt: skip
            made.append(tmp_path / f"{side}{number}.steps.json")
            write_steps(made[-1], facts, [row])
        return tuple(made)

    monkeypatch.setattr(gb, "step_both", measure, raising=False)
    return asked, slower


SIDES = ("--base-path", ".", "--head-path", ".")


def test_a_step_of_a_project_is_measured_in_both_folders_and_judged(call, steps):
    asked, slower = steps
    slower.append(1.2)
    code, out, err = call(*SIDES, "--step", "train:step", "--visits", "6")
    assert code == 1
    assert "whole step" in out and "train:step" in out
    assert err.count("Wrote ") == 2
    [(function, options)] = asked
    assert (function, options["kind"], options["base_path"], options["visits"]) == ("train:step", "step", ".", "6")
    assert options["base_python"] == options["head_python"] == sys.executable


def test_a_factory_of_a_model_is_told_from_a_network(call, steps):
    asked, slower = steps
    slower.append(1.0)
    assert call(*SIDES, "--model", "nets:build", "--batch-size", "4")[0] == 0
    [(function, options)] = asked
    assert (function, options["kind"], options["batch_size"]) == ("nets:build", "model", "4")
    assert "model" not in options


def test_what_is_worse_is_measured_once_more_where_asked(call, steps):
    asked, slower = steps
    slower += [1.07, 0.93]  # a moment that was the machine's, not head's
    code, _, err = call(*SIDES, "--step", "train:step", "--rerun")
    assert code != 1
    assert "Measuring 1 task once more." in err
    assert asked[1][1]["again"].steps == ("whole step",)
    slower.append(1.0)
    assert call(*SIDES, "--step", "train:step", "--rerun")[0] == 0
    assert len(asked) == 3
    slower += [1.2, 1.2]
    assert call(*SIDES, "--step", "train:step", "--rerun")[0] == 1

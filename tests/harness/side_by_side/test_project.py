"""A project's steps on two sides: who is asked for what, what ends it, what the files hold."""

import dataclasses
import itertools
import json
import re

import pytest
from fake_clock import FakeClock

import grouped_bench as gb
from grouped_bench.analyse.compare.again import Again
from grouped_bench.errors import CutShortError, SpaceError, UnavailableError
from grouped_bench.harness.processes.projects import ProjectSide
from grouped_bench.harness.processes.workers import TaskFailedError
from grouped_bench.harness.side_by_side import project
from grouped_bench.harness.side_by_side.project_request import names_function, request_of
from grouped_bench.report.comparison import table
from grouped_bench.report.comparison.headline import headline
from grouped_bench.report.comparison.words import cautions
from grouped_bench.store.gate.steps import read_steps

STEP_S, LAYER_S, START_S = 0.01, 0.004, 2.0


class Processes:
    """What processes of both sides answer, by seeded costs on a fake clock; keeps what they were asked for."""

    def __init__(self, costs=None, *, faults=None, files=("base/train.py", "head/train.py")):
        self.clock, self.asked = FakeClock(), []
        self.costs = costs or {"base": {"whole step": STEP_S}, "head": {"whole step": STEP_S}}
        self.faults, self.files = faults or {}, dict(zip(("base", "head"), files, strict=True))
        self.noise = itertools.cycle([1.0, 1.004, 0.997, 1.001])

    def __call__(self, side, limits, request):
        self.asked.append((side.python, request))
        self.clock.now += START_S
        fault = self.faults.get((side.python, request["op"]))
        if callable(fault):
            fault = fault(request)
        if isinstance(fault, Exception):
            raise fault
        answer = getattr(self, "_" + request["op"])(side.python, request) | (fault or {})
        if "steps" in answer:
            answer["steps"] = {name: one for name, one in answer["steps"].items() if name not in answer["failed"]}
        return answer

    def _survey(self, side, request):
        parts = {
            name: {"params": 7, "count": 2, "is_whole": name.startswith("whole"), "label": None}
            for name in self.costs[side]
        }
        return {
            "parts": parts, "left_out": [], "file": self.files[side], "libraries": {"numpy": "2.0"}, "python": "3.12.1",
            "backend": {"onednn": True}, "version": "2.20",
        }  # fmt: skip

    def _in_force(self, side, request):
        return {"onednn": True, "flags": {}, "seconds": 1.0}

    def _visit(self, side, request):
        parts = request["parts"]
        samples = {name: [self.costs[side][name] * next(self.noise) for _ in range(4)] for name in parts}
        self.clock.now += sum(map(sum, samples.values()))
        shared = {"reference": [0.001] * 4, "first_call_s": 0.5, "stolen": 0.0, "throttled": None}
        steps = {
            name: {**shared, "samples": made, "iterations": request["iterations"].get(name, 3)}
            for name, made in samples.items()
        }
        return {"steps": steps, "failed": {}}

    def _memory(self, side, request):
        return {"peaks": {name: {"peak_bytes": 4096, "source": "allocator"} for name in request["parts"]}}

    def ops(self, side=None):
        return [request["op"] for asked, request in self.asked if side in (None, asked)]


@pytest.fixture
def measure(tmp_path):
    """Measures both sides by fake processes, and returns the files of base and head."""

    def run(processes, kind="step", **options):
        given = {"out": tmp_path / "out", "visits": 6, "seed": 5, **options}
        request = request_of("train:step", kind, given)
        return project.carry_out_steps(request, (ProjectSide("base"), ProjectSide("head")), processes, processes.clock)

    return run


def rows(path):
    return {row.name: row for row in read_steps(path)[0]}


def test_both_sides_have_every_visit_and_name_each_other(measure):
    processes = Processes()
    base, head = measure(processes)
    facts = [read_steps(path)[1] for path in (base, head)]
    for one, other, role in ((*facts, "base"), (*facts[::-1], "head")):
        assert one["side_by_side"] == {"role": role, "partner": other["run_id"]}
        assert (one["stopped_by"], one["finished"]) == ("visits", True)
        assert one["environment"]["system"]["python"] == "3.12.1"
    assert [rows(path)["whole step"].visit_process for path in (base, head)] == [list(range(6))] * 2
    assert processes.ops("base").count("visit") == processes.ops("head").count("visit") == 6


def test_sides_take_turns_in_drawn_order(measure):
    processes = Processes()
    measure(processes, visits=30)
    visits = [side for side, request in processes.asked if request["op"] == "visit"]
    turns = {tuple(visits[place : place + 2]) for place in range(0, len(visits), 2)}
    assert turns == {("base", "head"), ("head", "base")}


def test_both_sides_of_a_turn_share_the_seed_and_the_calls_of_a_sample(measure):
    processes = Processes()
    measure(processes)
    visits = [request for _, request in processes.asked if request["op"] == "visit"]
    assert all(one["seed"] == other["seed"] for one, other in zip(visits[::2], visits[1::2], strict=True))
    assert visits[0]["iterations"] == {}
    assert all(request["iterations"] == {"whole step": 3} for request in visits[1:])


@pytest.mark.parametrize(("slower", "verdict"), [(1.0, "unchanged"), (1.2, "regression"), (0.8, "improvement")])
def test_compare_judges_what_was_measured_in_pairs(slower, verdict, measure):
    base, head = measure(Processes({"base": {"whole step": STEP_S}, "head": {"whole step": slower * STEP_S}}))
    found = gb.compare(base, head)
    assert [task.verdict for task in found.comparison.tasks] == [verdict]
    assert found.comparison.basis == "paired and normalised"


def test_a_model_whose_layers_are_others_is_judged_by_its_whole_step(measure):
    layers = {f"Conv2D {size}": LAYER_S for size in range(4)}
    old = {"whole step, training": STEP_S, **layers}
    new = {"whole step, training": 1.3 * STEP_S, **{f"{name}x": LAYER_S for name in layers}}
    found = gb.compare(*measure(Processes({"base": old, "head": new}), kind="model")).comparison
    assert found.verdict == "regression"
    assert (len(found.new), len(found.gone)) == (4, 4)
    told = headline(found)
    assert told.startswith("Regression: 1 of 1 task is slower by more than 5%. Whole step: training 10 ms → 13 ms, 1.3")


def test_steps_that_are_worse_are_measured_again_alone(measure, monkeypatch):
    old = {"whole step, training": STEP_S, "Conv2D 3": LAYER_S}
    processes = Processes({"base": old, "head": {**old, "Conv2D 3": 1.2 * LAYER_S}})
    first = measure(processes, kind="model")
    again = Again.of(gb.compare(*first))
    assert again.steps == ("Conv2D 3",)
    request = request_of("train:step", "model", {"out": first[0].parent.parent, "visits": 6})
    request = dataclasses.replace(request, only=again.steps, rerun_of=again.runs)
    second = project.carry_out_steps(request, (ProjectSide("base"), ProjectSide("head")), processes, processes.clock)
    assert list(rows(second[0])) == ["Conv2D 3"]
    found = gb.compare([first[0], second[0]], [first[1], second[1]]).comparison
    assert found.verdict == "regression"
    assert {task.head.columns["name"]: len(task.head.latencies) for task in found.tasks} == {
        "whole step, training": 6,
        "Conv2D 3": 12,
    }


def test_what_both_sides_have_is_timed_before_what_one_has_alone_and_the_whole_last(measure):
    whole, shared = {"whole step, training": STEP_S}, {"Dense 3": LAYER_S}
    processes = Processes({"base": {**whole, "Conv2D 3": LAYER_S, **shared}, "head": {**whole, **shared}})
    measure(processes, kind="model")
    orders = {side: request["parts"] for side, request in processes.asked if request["op"] == "visit"}
    assert orders == {
        "base": ["Dense 3", "Conv2D 3", "whole step, training"],
        "head": ["Dense 3", "whole step, training"],
    }


def test_memory_is_read_once_a_side_and_of_the_whole_alone(measure):
    costs = {"whole step, training": STEP_S, "Conv2D 3": LAYER_S}
    processes = Processes({"base": costs, "head": costs})
    base, _ = measure(processes, kind="model")
    assert processes.ops("base").count("memory") == 1
    assert rows(base)["whole step, training"].peak_memory_bytes == 4096
    assert rows(base)["Conv2D 3"].peak_memory_bytes is None
    processes = Processes()
    measure(processes, memory=False)
    assert "memory" not in processes.ops()


def test_the_budget_ends_it_after_three_visits_at_least(measure):
    base, _ = measure(Processes(), visits=50, budget="25s")
    facts, row = read_steps(base)[1], rows(base)["whole step"]
    assert facts["stopped_by"] == "budget"
    assert 3 <= len(row.samples_s) < 8
    base, head = measure(Processes(), visits=50, budget="1s")
    assert len(rows(base)["whole step"].samples_s) == 3
    assert "The budget ended the measurement early." in cautions(gb.compare(base, head))[0]


def test_a_step_that_fails_in_head_is_a_regression_and_the_others_go_on(measure):
    costs = {"whole step, training": STEP_S, "Conv2D 3": LAYER_S}
    failed = {"failed": {"Conv2D 3": {"status": "oom", "reason": "no memory in /a/secret/place"}}}
    processes = Processes({"base": costs, "head": costs}, faults={("head", "visit"): failed})
    base, head = measure(processes, kind="model")
    assert (rows(head)["Conv2D 3"].status, rows(head)["Conv2D 3"].reason) == ("oom", "no memory in place")
    assert len(rows(head)["whole step, training"].samples_s) == 6
    asked = [request["parts"] for side, request in processes.asked if (side, request["op"]) == ("head", "visit")]
    assert asked[-1] == ["whole step, training"]
    assert gb.compare(base, head).verdict == "regression"


def test_a_process_that_dies_in_a_steps_turn_is_that_steps_failure(measure):
    costs = {"whole step, training": STEP_S, "Conv2D 3": LAYER_S}
    died = TaskFailedError("part-0", "crashed", "SIGSEGV")
    faults = {("head", "visit"): lambda request: died if "Conv2D 3" in request["parts"] else None}
    _, head = measure(Processes({"base": costs, "head": costs}, faults=faults), kind="model")
    assert rows(head)["Conv2D 3"].status == "crashed"
    assert len(rows(head)["whole step, training"].samples_s) == 5


def test_a_process_that_dies_before_any_step_is_the_failure_of_all(measure):
    died = TaskFailedError("train:step", "timeout", "not finished within 60 s")
    base, head = measure(Processes(faults={("head", "visit"): died}))
    assert rows(head)["whole step"].status == "timeout"
    assert len(rows(base)["whole step"].samples_s) == 6
    assert gb.compare(base, head).verdict == "regression"


def test_what_is_in_force_is_told_without_folders_or_why_it_is_unknown(measure):
    told = {"onednn": True, "flags": {"XLA_FLAGS": "--xla_dump_to=/home/me/dump"}, "seconds": 1.0}
    costs = {"whole step, training": STEP_S}
    died = TaskFailedError("train:step", "crashed", "unknown flag")
    faults = {("base", "in_force"): told, ("head", "in_force"): died}
    files = measure(Processes({"base": costs, "head": costs}, faults=faults), kind="model")
    base, head = (read_steps(path)[1]["environment"]["in_force"]["tensorflow"] for path in files)
    assert base == {"onednn": True, "flags": {"XLA_FLAGS": "--xla_dump_to=dump"}}
    assert head == {"failed": "unknown flag"}


def test_memory_that_cannot_be_read_takes_nothing_away(measure):
    died = TaskFailedError("train:step", "oom", "killed")
    base, head = measure(Processes(faults={("head", "memory"): died}))
    assert rows(head)["whole step"].peak_memory_bytes is None
    assert gb.compare(base, head).verdict == "unchanged"


def test_a_side_without_the_function_is_refused_by_name(measure):
    refusal = SpaceError("MODULE must be importable", received="no train", remedy="Install it")
    with pytest.raises(SpaceError, match=r"MODULE must be importable.*no train, in head"):
        measure(Processes(faults={("head", "survey"): refusal}))


def test_an_interpreter_that_cannot_do_it_is_named(measure):
    died = TaskFailedError("train:step", "crashed", "exit code 1: No module named 'numpy'")
    with pytest.raises(UnavailableError, match="The interpreter of base must have NumPy") as told:
        measure(Processes(faults={("base", "survey"): died}))
    assert "No module named 'numpy'" in str(told.value)


def test_two_sides_that_import_one_file_are_told(measure, capsys):
    one = measure(Processes(files=("here/train.py", "here/train.py")))
    assert "Base and head import the same file: here/train.py" in capsys.readouterr().err
    assert cautions(gb.compare(*one)) == ["Base and head import the same file, so they are the same code."]
    measure(Processes())
    assert "same file" not in capsys.readouterr().err


class _Stops:
    """Asks for an end at the nth question."""

    def __init__(self, number):
        self.left = number

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Nothing to put back."""

    def __call__(self):
        self.left -= 1
        return self.left < 0


def test_an_interrupt_keeps_what_was_measured(measure, monkeypatch):
    monkeypatch.setattr(project, "interrupts", lambda: _Stops(4))
    base, head = measure(Processes())
    assert read_steps(base)[1]["stopped_by"] == "user"
    assert sorted(len(rows(path)["whole step"].samples_s) for path in (base, head)) == [1, 2]
    found = gb.compare(base, head)
    assert found.verdict == "inconclusive"
    assert cautions(found) == ["The measurement was cut short: a file is not finished."]


def test_an_interrupt_before_the_first_visit_leaves_nothing(measure, monkeypatch, tmp_path):
    monkeypatch.setattr(project, "interrupts", lambda: _Stops(0))
    with pytest.raises(CutShortError):
        measure(Processes())
    assert not list((tmp_path / "out").rglob("*.json"))


def test_what_is_measured_is_on_disk_after_every_visit(measure, tmp_path):
    there = []

    def look(request):
        there.append([len(json.loads(path.read_text())["steps"][0]["samples_s"]) for path in files()])

    def files():
        return sorted((tmp_path / "out").rglob("*.json"))

    measure(Processes(faults={("base", "visit"): look, ("head", "visit"): look}))
    assert [sum(counts) for counts in there] == list(range(12))


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("no weights at /home/me/w.h5, got 3/4", "no weights at w.h5, got 3/4"),
        ("got 3/4 of [a/b], see http://x.org/y", "got 3/4 of [a/b], see http://x.org/y"),
        ("broken [red]markup[/red]", "broken [red]markup[/red]"),
        ("in '/tmp/a b/c.py'", "in 'a b/c.py'"),
    ],
)
def test_of_a_reason_the_folders_are_left_out_and_nothing_else(reason, kept, measure):
    failed = {"failed": {"whole step": {"status": "error", "reason": reason}}}
    _, head = measure(Processes(faults={("head", "visit"): failed}))
    assert rows(head)["whole step"].reason == kept


def test_why_a_step_fails_on_both_sides_is_shown(measure):
    failed = {"failed": {"whole step": {"status": "error", "reason": "ValueError: always bad"}}}
    found = gb.compare(*measure(Processes(faults={("base", "visit"): failed, ("head", "visit"): failed})))
    told = table.render(found, "table")
    assert told.startswith("Inconclusive: no task worked on both sides.")
    assert "ValueError: always bad" in told and "Unchanged" not in told
    assert "ValueError: always bad" in table.render(found, "markdown")


def test_a_run_is_found_by_its_id(measure, tmp_path):
    base, head = measure(Processes())
    names = [read_steps(path)[1]["run_id"] for path in (base, head)]
    assert gb.compare(*names, out=tmp_path / "out").comparison.basis == "paired and normalised"
    with pytest.raises(gb.GroupedBenchError, match="A run must be"):
        gb.compare("none", names[1], out=tmp_path / "nowhere")


def test_layers_of_one_side_are_listed_with_their_times_and_names(measure):
    old = {"whole step, training": STEP_S, "Conv2D 3": LAYER_S}
    processes = Processes({"base": old, "head": {"whole step, training": STEP_S, "Conv2D 5": 2 * LAYER_S}})
    told = table.render(gb.compare(*measure(processes, kind="model")), "table")
    assert re.search(r"New, only in head: 1 task\n  2 × 8\.0. ms: Conv2D 5\n", told)
    assert re.search(r"Gone, only in base: 1 task\n  2 × 4\.0. ms: Conv2D 3\n", told)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("train:step", True),
        ("my.package.nets:build", True),
        ("nets:Factory.make", True),
        ("keras.applications:ResNet50", False),
        ("timm:resnet50", False),
        ("model.keras", False),
        ("C:\\model.keras", False),
        ("a b:c", False),
    ],
)
def test_which_texts_name_a_function(text, is_one):
    assert names_function(text) is is_one


@pytest.mark.parametrize(
    ("function", "kind", "options", "told"),
    [
        ("train", "step", {}, "--step must name a function as MODULE:FUNCTION"),
        ("train:step", "step", {"batch_size": "4"}, "--batch-size must not go with --step"),
        ("train:step", "step", {"groups": "4"}, "--groups must not go with --step"),
        ("nets:build", "model", {"groups": "4"}, "--groups must not go with --model"),
        ("nets:build", "model", {"reference": "case"}, "--reference must not go with --model"),
        ("nets:build", "model", {"batch_size": "4,8"}, "A model must be compared in one setting"),
        ("nets:build", "model", {"passes": "sideways"}, "inference or training"),
        ("nets:build", "model", {"input_shape": "a"}, "An input shape must"),
        ("nets:build", "model", {"visits": "0"}, "visits"),
    ],
)
def test_what_does_not_belong_to_a_project_is_refused(function, kind, options, told):
    with pytest.raises(SpaceError, match=told):
        request_of(function, kind, options)


def test_a_model_is_timed_in_both_passes_unless_asked_otherwise():
    assert request_of("nets:build", "model", {}).subject.passes == ("inference", "training")
    assert request_of("nets:build", "model", {"passes": "training"}).subject.passes == ("training",)
    assert request_of("nets:build", "model", {"input_shape": "8,8,3"}).subject.input_shape == (8, 8, 3)
    assert request_of("train:step", "step", {}).control.visits == 10

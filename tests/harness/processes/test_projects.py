"""Real processes of a project: a step of NumPy alone, a Keras model with its layers, and everything that goes wrong."""

import sys
import textwrap

import pytest

from grouped_bench.errors import SpaceError
from grouped_bench.harness.processes.projects import ProjectSide, ask
from grouped_bench.harness.processes.workers import Limits, TaskFailedError

STEPS = """
    import atexit, os, sys, time
    import numpy as np

    print("importing is noisy")
    matrix = np.ones((50, 50))

    def step():
        return matrix @ matrix

    def prepared():
        made = np.ones((1000, 1000))
        calls = []
        def inner():
            calls.append(1)
            return {"made": [made + 1.0], "calls": len(calls)}
        return inner

    def here():
        return os.getcwd(), "grouped_bench" in sys.modules

    def fails():
        raise ValueError("not today")

    def dies():
        os.kill(os.getpid(), 9)

    def hangs():
        time.sleep(60)

    def lazy():
        return (one for one in range(3))

    async def awaited():
        return 3

    def nested():
        return lambda: lambda: 3

    def future():
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(1)
        return lambda: pool.submit(time.sleep, 0.05)

    def leaves():
        sys.exit(0)

    def needs(argument):
        return argument

    number = 3
"""
MODEL = """
    import keras
    from keras import layers

    class Gated(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], shape[-1]))
        def call(self, inputs):
            return inputs * keras.ops.sigmoid(keras.ops.matmul(inputs, self.kernel))

    def build():
        inputs = keras.Input((8, 8, 4))
        x = layers.Conv2D(4, 3, padding="same")(inputs)
        x = layers.BatchNormalization()(x)
        x = layers.Conv2D(4, 3, padding="same")(x)
        x = layers.Conv2D(4, 3, padding="same", dilation_rate=2)(x)
        x = Gated()(x)
        x = layers.Add()([x, inputs])
        return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.first = layers.Dense(5)
        def call(self, inputs):
            return self.first(inputs)

    def subclassed():
        return Own()

    def two_inputs():
        inputs = [keras.Input((4,)), keras.Input((4,))]
        return keras.Model(inputs, layers.Add()(inputs))

    def words():
        inputs = keras.Input((6,), dtype="int32")
        return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(layers.Embedding(100, 8)(inputs))))

    def none():
        return 3

    def raises():
        raise RuntimeError("no weights")

    def needs(width):
        return width

    made = build()
"""
LIMITS = Limits(60.0)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "steps.py").write_text(textwrap.dedent(STEPS))
    (tmp_path / "nets.py").write_text(textwrap.dedent(MODEL))
    return tmp_path


@pytest.fixture
def step(folder):
    """What a process answers about a function of `steps`."""
    return lambda name, op="survey", limits=LIMITS, **more: _ask(folder, {"name": f"steps:{name}"}, op, limits, **more)


@pytest.fixture
def model(folder, request):
    backend = request.config.getoption("--backend")
    execution = {"tensorflow": "graph", "jax": "xla", "torch": "eager"}[backend]

    def asked(name, op="survey", **more):
        own = {"passes": ("inference", "training"), **more.pop("subject", {})}
        subject = {"name": f"nets:{name}", "backend": backend, "execution": execution, "batch_size": 2, **own}
        return _ask(folder, subject, op, LIMITS, **more)

    return asked


def _ask(folder, subject, op, limits, **more):
    whole = {"backend": None, "execution": "", "device": "cpu", "passes": (), "batch_size": 1, "input_shape": None}
    request = {"op": op, "subject": {**whole, **subject}, "variants": ["the project"], **more}
    return ask(ProjectSide(sys.executable, folder), limits, request)


def visit(asked, name, *parts, **more):
    return asked(name, "visit", parts=list(parts), seed=3, visit_s=0.01, iterations={}, **more)


def test_a_survey_says_what_there_is_and_where_from(step, folder):
    told = step("step")
    assert told["parts"] == {"whole step": {"params": None, "count": 1, "is_whole": True, "label": None}}
    assert told["file"] == str(folder / "steps.py")
    assert "numpy" in told["libraries"]


def test_a_step_is_timed_beside_a_reference(step):
    told = visit(step, "step", "whole step")
    found = told["steps"]["whole step"]
    assert len(found["samples"]) == len(found["reference"]) >= 3
    assert min(found["samples"] + found["reference"]) > 0
    assert found["first_call_s"] > 0
    assert found["iterations"] >= 1
    assert told["failed"] == {}


def test_what_a_function_prepares_is_timed_and_not_the_preparation(step):
    told = visit(step, "prepared", "whole step")
    assert told["failed"] == {}
    read = step("prepared", "memory", parts=["whole step"])["peaks"]["whole step"]
    assert read["source"] == "resident"
    assert 0.9 * 8e6 < read["peak_bytes"] < 1.5 * 8e6


def test_the_module_is_that_of_its_folder_which_is_current(step, folder):
    told = visit(step, "here", "whole step", limits=LIMITS)
    assert told["failed"] == {}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nowhere", "no function"),
        ("number", "a int"),
    ],
)
def test_what_is_no_function_is_refused(name, told, step):
    with pytest.raises(SpaceError, match=told):
        step(name)


def test_a_module_that_is_not_there_is_refused_with_the_way_out(folder):
    with pytest.raises(SpaceError, match="No module named 'nosteps'") as told:
        _ask(folder, {"name": "nosteps:step"}, "survey", LIMITS)
    assert "--base-path" in str(told.value)


def test_a_module_that_fails_or_exits_while_it_is_imported_is_refused(folder):
    (folder / "broken.py").write_text("raise RuntimeError('half a module')")
    (folder / "leaving.py").write_text("raise SystemExit(0)")
    for name, told in (("broken", "half a module"), ("leaving", "SystemExit")):
        with pytest.raises(SpaceError, match=told):
            _ask(folder, {"name": f"{name}:step"}, "survey", LIMITS)


@pytest.mark.parametrize(
    ("name", "told"),
    [("lazy", "a generator"), ("awaited", "something to await"), ("nested", "a function that returns a function")],
)
def test_what_computes_nothing_yet_is_refused(name, told, step):
    with pytest.raises(SpaceError, match=told):
        step(name)


def test_a_future_is_waited_for_and_what_prepares_it_is_not_timed(step):
    assert min(visit(step, "future", "whole step")["steps"]["whole step"]["samples"]) >= 0.05


def test_a_module_called_as_one_of_pythons_is_no_hindrance(step, folder):
    for name in ("json", "socket", "platform"):
        (folder / f"{name}.py").write_text("raise RuntimeError('the wrong one')")
    assert visit(step, "step", "whole step")["failed"] == {}


def test_the_way_out_of_an_import_error_is_of_its_kind(folder):
    (folder / "broken.py").write_text("import nosuchthing")
    with pytest.raises(SpaceError, match="shows the whole error"):
        _ask(folder, {"name": "broken:step"}, "survey", LIMITS)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("fails", "ValueError: not today"),
        ("needs", "TypeError: needs() missing"),
        ("leaves", "it ends the process: SystemExit"),
    ],
)
def test_a_step_that_raises_is_an_outcome(name, told, step):
    answer = visit(step, name, "whole step")
    assert answer["steps"] == {}
    assert answer["failed"]["whole step"]["status"] == "error"
    assert told in answer["failed"]["whole step"]["reason"]


def test_a_step_that_dies_is_told_by_its_name(step):
    with pytest.raises(TaskFailedError) as told:
        visit(step, "dies", "whole step")
    assert (told.value.variant, told.value.status) == ("part-0", "crashed")
    assert told.value.reason == "SIGKILL while sampling: importing is noisy"


def test_a_step_that_hangs_is_ended(step):
    with pytest.raises(TaskFailedError) as told:
        visit(step, "hangs", "whole step", limits=Limits(1.0))
    assert (told.value.variant, told.value.status) == ("part-0", "timeout")


def test_an_interpreter_without_numpy_says_so(folder, tmp_path):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    python.chmod(0o755)
    subject = {"name": "steps:step", "backend": None, "execution": "", "device": "cpu", "passes": (),
               "batch_size": 1, "input_shape": None}  # fmt: skip
    with pytest.raises(TaskFailedError) as told:
        ask(ProjectSide(str(python), folder), LIMITS, {"op": "survey", "subject": subject, "variants": ["x"]})
    assert told.value.status == "crashed"


WHOLES = ["whole step, inference", "whole step, training"]
CONVOLUTION, DILATED = "Conv2D 3x3x4x4 on 8x8x4", "Conv2D 3x3x4x4 on 8x8x4 dilation 2x2"
GATED, DENSE = "Gated 4x4 on 8x8x4", "Dense 256x3 on 256"


def test_a_model_has_its_whole_step_and_each_kind_of_layer_with_a_kernel(model):
    told = model("build")
    layers = [
        f"{name}, {pass_}" for name in (CONVOLUTION, DILATED, GATED, DENSE) for pass_ in ("inference", "training")
    ]
    assert list(told["parts"]) == WHOLES + layers
    assert [told["parts"][f"{name}, training"]["count"] for name in (CONVOLUTION, DILATED)] == [2, 1]
    assert told["parts"][WHOLES[0]]["params"] == 3 * 148 + 16 + 16 + 771
    assert told["parts"][WHOLES[0]]["is_whole"]
    assert not told["parts"][f"{GATED}, training"]["is_whole"]
    assert told["left_out"] == []


def test_the_whole_and_its_layers_are_timed_in_both_passes(model):
    parts = [*WHOLES, f"{CONVOLUTION}, training", f"{GATED}, training"]
    told = visit(model, "build", *parts)
    assert told["failed"] == {}
    assert list(told["steps"]) == parts
    assert all(min(one for one in made["samples"] if one) > 0 for made in told["steps"].values())


def test_memory_of_the_whole_step_counts_its_weights(model):
    peaks = model("build", "memory", parts=WHOLES)["peaks"]
    assert all(one["peak_bytes"] > 4 * 1247 and one["source"] != "resident" for one in peaks.values())
    assert peaks[WHOLES[1]]["peak_bytes"] > peaks[WHOLES[0]]["peak_bytes"]


def test_a_model_of_a_class_of_its_own_is_built_for_the_shape_that_is_given(model):
    with pytest.raises(SpaceError, match="An input shape must give every extent"):
        model("subclassed")
    told = model("subclassed", subject={"input_shape": (7,), "passes": ("inference",)})
    assert list(told["parts"]) == ["whole step, inference", "Dense 7x5 on 7, inference"]


def test_integers_are_given_where_they_are_wanted(model):
    told = visit(model, "words", "whole step, inference", "Embedding 100x8 on 6, inference")
    assert told["failed"] == {}
    assert len(told["steps"]) == 2


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("two_inputs", "one input and one output"),
        ("none", "must return a Keras model.*which returns int"),
        ("raises", "which raises RuntimeError: no weights"),
        ("needs", "which raises TypeError: .*'width'"),
    ],
)
def test_what_is_no_model_of_one_input_is_refused(name, told, model):
    with pytest.raises(SpaceError, match=told):
        model(name)


def test_a_model_of_the_module_is_taken_as_it_is(model):
    assert WHOLES[0] in model("made")["parts"]


def test_a_shape_that_a_model_does_not_take_is_refused_without_escapes(model):
    with pytest.raises(SpaceError, match="Give it like --input-shape") as told:
        model("build", subject={"input_shape": (7, 7)})
    assert "\x1b" not in str(told.value)


def test_a_layer_that_is_not_there_any_more_is_an_outcome(model):
    told = visit(model, "build", "Conv2D of yesterday")
    assert told["failed"]["Conv2D of yesterday"]["status"] == "error"

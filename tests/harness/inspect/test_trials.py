"""Code to paste, run where it would be pasted: what works, what the environment refuses, what is no layer."""

import re

import pytest
from cases import make_case

from grouped_bench.harness.inspect.trials import Paste, Trials
from grouped_bench.harness.progress import Progress
from grouped_bench.report.advice.snippets import snippet
from grouped_bench.space.case import Setting

CASE = make_case(groups=4, channels=(8, 8), size=5)
NATIVE = Paste(snippet("grouped_native", CASE, "tensorflow", "graph"), "grouped_native")
SETTINGS = {onednn: Setting("tensorflow", "graph", "cpu", env=f"TF_ENABLE_ONEDNN_OPTS={onednn}") for onednn in (0, 1)}


@pytest.fixture(scope="module")
def trials():
    with Trials(Progress(quiet=True)) as made:
        yield made


def test_what_trains_in_one_environment_is_refused_in_the_other_in_its_own_words(trials):
    assert trials.problem(CASE, SETTINGS[1], NATIVE) is None
    assert trials.problem(CASE, SETTINGS[0], NATIVE).startswith("unsupported: InvalidArgumentError: ")
    assert trials.probe(SETTINGS[1]).facts["onednn"] is True
    assert trials.probe(SETTINGS[0]).facts["onednn"] is False


def test_inference_needs_no_gradient(trials):
    case = make_case(groups=4, channels=(8, 8), size=5, pass_="inference")
    assert trials.problem(case, SETTINGS[0], NATIVE) is None


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("layer = ", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("", "KeyError: 'layer'"),
        ("import keras\nlayer = keras.layers.Conv2D(3, 1)", "an output of shape (2, 6, 6, 3) for"),
        ("import keras\nlayer = keras.layers.Lambda(lambda x: x * float('nan'))", "not finite"),
        ("import os\nos._exit(3)", "crashed: "),
    ],
)
def test_what_is_no_such_layer_is_told(trials, code, told):
    case = make_case(groups=4, channels=(8, 8), pass_="inference")
    assert told in trials.problem(case, SETTINGS[1], Paste(code))


@pytest.mark.parametrize(("name", "choice"), [("split_concat", None), ("merged_groups", "m=2")])
def test_wrong_values_are_told(trials, name, choice):
    case = make_case(groups=4, channels=(8, 8), size=5, bias=True)
    code = snippet(name, case, "tensorflow", "graph", choice)
    assert trials.problem(case, SETTINGS[1], Paste(code, name, choice)) is None
    wrong = code.replace("return self.activation(outputs)", "return 2 * outputs")
    assert wrong != code
    told = trials.problem(case, SETTINGS[1], Paste(wrong, name, choice))
    assert re.fullmatch(r"incorrect: .*: relative error 1 against the float64 reference, .* allowed", told)
    assert trials.problem(case, SETTINGS[1], Paste(wrong, "of a file that is not here")) is None


def test_a_backend_that_cannot_start_is_a_reason():
    with Trials(Progress(quiet=True)) as made:
        setting = Setting("tensorflow", "graph", "cpu", env="PYTHONHOME=/nowhere")
        assert made.probe(setting) is None
        assert made.problem(CASE, setting, NATIVE).startswith("The backend tensorflow must start: ")

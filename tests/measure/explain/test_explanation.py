"""What a call printed, gathered: the quickest call's primitives, each kind once."""

import contextlib
import os
import types

import pytest
from onednn_log import TENSORFLOW

from grouped_bench.measure import rounds
from grouped_bench.measure.explain import explanation


@pytest.fixture
def bench():
    """A workbench whose step prints TENSORFLOW's lines, as C would, more of them at each call."""
    printed = []

    def step():
        printed.append(made.log)
        os.write(1, "".join(printed).encode())

    backend = types.SimpleNamespace(on=lambda device: contextlib.nullcontext(), kernels=lambda step, device: [])
    made = types.SimpleNamespace(
        log=TENSORFLOW,
        backend=backend,
        setting=types.SimpleNamespace(device="cpu"),
        hot_step=lambda name: step,
        synchronise=lambda outputs: None,
    )
    return made


@pytest.fixture
def clean_environment(monkeypatch):
    for name in ("ONEDNN_VERBOSE", "XLA_FLAGS"):
        monkeypatch.setenv(name, "before")


@pytest.mark.parametrize(("seconds", "times"), [([0.2, 0.1, 0.3], 3), ([0.1, 0.2, 0.3], 2), ([0.3, 0.3, 0.1], 4)])
def test_the_quickest_call_is_told(seconds, times, bench, clean_environment, monkeypatch):
    """The first call, which is not timed, prints once, the first timed one twice."""
    left = iter(seconds)
    monkeypatch.setattr(rounds, "calls_within", lambda *how, **more: len(seconds))
    monkeypatch.setattr(rounds, "time_sample", lambda step, *how: (step(), next(left))[1])
    answer = explanation.explain(bench, "grouped_native")
    assert answer["logged_s"] == 0.1
    assert answer["primitive_counts"] == {"reorder": times, "convolution": times}
    assert answer["primitive_seconds"] == pytest.approx(
        {"reorder": times * 200.928e-6, "convolution": times * 382.812e-6}
    )
    first, second = answer["primitives"]
    assert (first["kind"], first["count"], first["propagation"]) == ("convolution", times, "forward_training")
    assert second["implementation"] == "jit:uni"
    assert answer["instructions"] == answer["kernels"] == []


def test_the_libraries_are_told_what_to_log_beside_what_the_user_told_them(bench, clean_environment, monkeypatch):
    monkeypatch.setattr(rounds, "calls_within", lambda *how, **more: 1)
    explanation.explain(bench, "grouped_native")
    assert os.environ["ONEDNN_VERBOSE"] == "profile_exec"
    assert os.environ["XLA_FLAGS"].startswith("before --xla_dump_to=")


def test_output_goes_where_it_went_before(bench, clean_environment, monkeypatch, capfd):
    monkeypatch.setattr(rounds, "calls_within", lambda *how, **more: 1)
    explanation.explain(bench, "grouped_native")
    os.write(1, b"afterwards")
    assert capfd.readouterr().out == "afterwards"


def test_reference_implementations_are_summed_apart(bench, clean_environment, monkeypatch):
    monkeypatch.setattr(rounds, "calls_within", lambda *how, **more: 1)
    bench.log = TENSORFLOW.replace("jit:avx512_core", "ref:any")
    assert set(explanation.explain(bench, "grouped_native")["primitive_seconds"]) == {"reorder", "ref"}

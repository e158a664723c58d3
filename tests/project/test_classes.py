"""Tests that need a class of processor run in it, whatever runs them and whatever the machine is."""

import os
import subprocess
import sys

import pytest
from checkout import TESTS, importing
from classes import ATEN, ISA, ONEDNN

FILE = """
import os, pytest

@pytest.fixture(scope="module")
def value():
    return os.environ["TF_ENABLE_ONEDNN_OPTS"]

def test_by_default(value):
    assert value == "1"

@pytest.mark.onednn(False)
@pytest.mark.parametrize("name", ["a", "b/c [d]::e"])
def test_off(value, name):
    assert value == "0"

@pytest.mark.onednn(False)
def test_skips(value):
    pytest.skip("why not")

@pytest.mark.onednn(False)
def test_fails(value):
    assert value == "of another class"
"""


@pytest.mark.onednn(False)
def test_a_marker_turns_onednn_off():
    assert os.environ[ONEDNN] == "0"


@pytest.mark.onednn(True)
def test_a_marker_turns_onednn_on():
    assert os.environ[ONEDNN] == "1"


@pytest.mark.isa("AVX2")
def test_a_marker_limits_the_instruction_set():
    assert (os.environ[ISA], os.environ[ATEN]) == ("AVX2", "avx2")


@pytest.fixture
def run(tmp_path):
    (tmp_path / "test_them.py").write_text(FILE)

    def run(*words, **variables):
        given = {name: value for name, value in importing().items() if name not in (ONEDNN, ISA, ATEN)}
        given |= {"PYTHONPATH": f"{given['PYTHONPATH']}{os.pathsep}{TESTS}", "PYTEST_PLUGINS": "conftest"}
        command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(tmp_path), "-rs", "--color=no"]
        ended = subprocess.run(
            [*command, *words], cwd=tmp_path, env=given | variables, capture_output=True, text=True, check=False
        )
        return ended.stdout + ended.stderr

    return run


def test_what_becomes_of_a_test_elsewhere_is_told_as_if_it_were_here(run):
    told = run("-n", "2", "--dist", "loadfile", "test_them.py")
    assert "1 failed, 3 passed, 1 skipped" in told
    assert "why not" in told
    assert "in a process with TF_ENABLE_ONEDNN_OPTS=0" in told
    assert "assert '0' == 'of another class'" in told


def test_one_test_alone_runs_in_its_class(run):
    assert "1 passed" in run("test_them.py::test_off[a]")


def test_a_class_that_was_asked_for_leaves_out_what_needs_another(run):
    told = run("--onednn", "1", "test_them.py", **{ONEDNN: "0"})
    assert "1 passed, 4 deselected" in told

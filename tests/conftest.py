"""Settings for every test."""

import os
import sys
import tempfile

import classes
import numpy as np
import pytest
from hypothesis import settings

from grouped_bench import backends, variants
from grouped_bench.backends.tensorflow import BACKEND
from grouped_bench.commands import main
from grouped_bench.harness import lock
from grouped_bench.variants.base import REGISTRY

# A deadline is a real duration, and the suite must pass on a loaded machine.
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")


def pytest_addoption(parser):
    parser.addoption("--backend", default="tensorflow", help="the backend that tests of real layers use")
    parser.addoption(
        "--onednn", choices=("0", "1"), help="run in this class only, and leave out what needs the other; 1 unless set"
    )
    parser.addoption("--isa", help="the most that oneDNN and PyTorch may use, such as AVX2")


def pytest_configure(config):
    """Every test process plays a class, set before a framework is imported: the processor does not choose it."""
    for marker, words in classes.MARKERS.items():
        config.addinivalue_line("markers", f"{marker}: {words}")
    onednn, isa = config.getoption("onednn"), config.getoption("isa")
    os.environ.update(classes.variables(onednn=onednn, isa=isa))
    os.environ.setdefault(classes.ONEDNN, "1")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    if config.getoption("onednn") or config.getoption("isa"):
        left = [item for item in items if not classes.here(classes.needed(item))]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]
    items[:] = classes.sent_elsewhere(classes.longest_first(items), config)


@pytest.fixture(scope="session")
def backend(request):
    """The real backend, loaded once: a process holds one."""
    loaded = backends.load(request.config.getoption("--backend"))
    with pytest.MonkeyPatch.context() as patch:
        if loaded.name == "jax":
            _draw_weights_without_xla(patch)
        yield loaded


def _draw_weights_without_xla(patch):
    """Keras draws a layer's weights by a program that XLA compiles for each shape, which takes as long as the layer's.

    Tests assign weights of their own.
    """
    import keras

    def draw(self, shape, dtype=None):
        values = np.random.default_rng(0).uniform(-0.1, 0.1, shape).astype("float32")
        return keras.ops.convert_to_tensor(values, dtype or "float32")

    patch.setattr(keras.initializers.VarianceScaling, "__call__", draw)


def pytest_generate_tests(metafunc):
    """A test that takes the backend and an execution runs with each that it has."""
    if {"backend", "execution"} <= set(metafunc.fixturenames):
        backend = backends.get(metafunc.config.getoption("--backend"))
        metafunc.parametrize("execution", backend.executions)


@pytest.fixture
def on_tensorflow(backend):
    """Skips the test on another backend."""
    if backend.name != "tensorflow":
        pytest.skip("a finding about TensorFlow")


@pytest.fixture
def registry():
    """Leaves variants and the backend as they were before the test ran a file that registers variants."""
    variants.names()
    before = dict(REGISTRY)
    yield REGISTRY
    REGISTRY.clear()
    REGISTRY.update(before)
    vars(BACKEND).pop("step", None)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs the command line; returns exit code, stdout and stderr."""

    def run_command(*words):
        monkeypatch.setattr(sys, "argv", ["grouped-bench", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main.main()
        return left.value.code, *capsys.readouterr()

    return run_command


@pytest.fixture(scope="session", autouse=True)
def own_place(tmp_path_factory):
    """A folder for temporary files of the tests' own, and the lock: no run of the user's stops them, nor they it."""
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", str(folder))
        patch.setenv(lock.VARIABLE, str(folder.with_name("lock")))
        patch.delenv("COLUMNS", raising=False)
        yield

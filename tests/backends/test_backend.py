"""What every backend must do beyond computing the right numbers; run for each with `pytest --backend NAME`."""

import dataclasses

import numpy as np
import pytest
from cases import make_case
from checkout import ROOT

from grouped_bench import backends
from grouped_bench.backends.base import Operands
from grouped_bench.harness.processes.hosts import Host
from grouped_bench.harness.processes.workers import Limits
from grouped_bench.measure import cold
from grouped_bench.measure.workbench import Workbench
from grouped_bench.space.case import Setting

SOURCES = {"tensorflow": "allocator", "jax": "compiler", "torch": "counted"}
LARGE = make_case(groups=8, channels=(128, 128), size=28, batch_size=4)
HELD = 4 * (4 * 28 * 28 * 128 * 2 + 3 * 3 * 16 * 128)
THREADS = {"tensorflow": "intra_op_threads", "jax": "threads", "torch": "threads"}


@pytest.fixture(scope="module")
def name(request):
    return request.config.getoption("--backend")


@pytest.fixture(scope="module")
def host(name):
    made = Host(name, threads=1)
    yield made
    made.close()


@pytest.fixture
def ask(host):
    """Asks a new worker for something about `case`."""
    workers = []

    def ask(op, *variants, case=LARGE, **more):
        setting = Setting(host._backend, backends.get(host._backend).executions[0], "cpu")
        columns = {"case": case.to_columns(), "setting": dataclasses.asdict(setting), "seed": 0}
        workers.append(host.fork(Limits(120)))
        return workers[-1].ask({"op": op, **columns, "variants": list(variants), **more})

    yield ask
    for worker in workers:
        worker.close()


def workbench(backend, execution, **more):
    return Workbench(make_case(groups=2), Setting(backend.name, execution, "cpu", **more), 0, backend)


def test_the_processor_is_a_device_and_the_set_up_is_told(ask, name):
    answer = ask("probe", "probe")
    assert answer["devices"][0] == {"name": "cpu:0", "model": ""}
    assert answer["facts"]["keras"]
    assert answer["facts"][THREADS[name]] == 1
    assert answer["facts"]["usable_processors"] >= 1


@pytest.mark.onednn(True)  # which alone trains grouped_native
def test_a_host_tells_its_version_and_a_worker_measures(host, ask, name):
    assert host.version == backends.get(name).version()
    answer = ask("build", "regular", "grouped_native", iterations={}, check=True)
    assert answer["failed"] == {}
    assert max(built["relative_error"] for built in answer["built"].values()) < 1e-5


def test_peaks_are_rates_and_what_cannot_be_computed_says_why(ask):
    answer = ask("peaks", "peaks", device="cpu", dtype="float32")
    assert answer["flops_per_s"] > answer["bytes_per_s"] > 1e6
    assert ask("peaks", "peaks", device="cpu", dtype="complex999")["status"] in ("unsupported", "error")


@pytest.mark.onednn(True)
def test_what_ran_in_a_call_is_told(ask, name):
    answer = ask("explain", "grouped_native", case=make_case(groups=2, channels=(32, 32)))
    ran = {one["kind"] for one in answer["primitives"]} | {one["kind"] for one in answer["instructions"]}
    assert "convolution" in ran
    assert sum(answer["primitive_counts"].values()) >= len(answer["primitives"]) > 0
    if name == "jax":
        assert all(one["macs"] > 0 for one in answer["instructions"])
    else:
        passes = {one["propagation"] for one in answer["primitives"] if one["kind"] == "convolution"}
        assert passes == {"forward_training", "backward_data", "backward_weights"}
        assert answer["primitive_counts"]["convolution"] == 3
        assert answer["instructions"] == []
    operators = {one["name"] for one in answer["kernels"]}
    assert operators == set() if name != "torch" else "aten::mkldnn_convolution" in operators


def test_what_xla_made_of_keras_own_groups_is_told(ask, name):
    if name == "torch":
        pytest.skip("Keras on PyTorch has no XLA")
    answer = ask("explain", "grouped", case=make_case(groups=4, channels=(8, 8)))
    dilated = [one for one in answer["instructions"] if one["lhs_dilate"]]
    assert [one["lhs_dilate"] for one in dilated] == ["1x1x4"]
    assert dilated[0]["macs"] == 4 * 2 * 6 * 6 * 8 * 9 * 2


def test_a_look_that_fails_says_why(ask):
    answer = ask("explain", "grouped_native", case=make_case(groups=2, dtype="odd"))
    assert answer["status"] in ("unsupported", "error") and "odd" in answer["reason"]


def test_a_call_that_computes_nothing_takes_time(ask):
    assert ask("empty", "regular")["call_s"] > 0


def test_memory_is_told_and_holds_what_must_live_at_once(ask, name):
    forward = dataclasses.replace(LARGE, pass_="inference")  # in which no class of processor needs much more
    first, again = (ask("memory", "grouped_native", case=forward) for _ in range(2))
    assert first["source"] == SOURCES[name]
    assert HELD <= first["peak_bytes"] <= 2 * HELD
    assert first["peak_bytes"] == pytest.approx(again["peak_bytes"], rel=0.03)


def test_arrays_are_the_frameworks_own(backend):
    values = np.ones((4, 4), np.float32)
    with backend.on("cpu"):
        tensor = backend.array(values, "float32")
    values[:] = 2
    np.testing.assert_array_equal(backend.to_numpy(tensor), np.ones((4, 4)))


def test_an_array_is_there_when_it_is_given(backend):
    """JAX queues a call whose inputs are still being copied, and every call behind it."""
    with backend.on("cpu"):
        tensor = backend.array(np.ones(2**24, np.float32), "float32")
    assert getattr(tensor, "is_ready", lambda: True)()


def test_calls_on_the_processor_end_with_their_work(backend, execution):
    bench = workbench(backend, execution)
    with backend.on("cpu"):
        step = bench._hot_step("regular", bench._operands("regular"))
        outputs = step()
    assert backend.synchroniser("cpu") is backends.base.nothing
    if backend.name == "jax":
        assert all(output.is_ready() for output in outputs)


def scaled(backend, operands, number):
    """Copies of a cold call, its weights and upstream gradient multiplied."""
    if backend.name == "tensorflow":
        import tensorflow as tf

        weights = tuple(tf.Variable(number * weight) for weight in operands.weights)
    else:
        weights = tuple(number * weight for weight in operands.weights)
    return Operands(weights, operands.inputs, number * operands.upstream)


def test_successive_cold_calls_read_different_copies(backend, execution, monkeypatch):
    copy = type(backend).copies

    def numbered(self, operands, count):
        return [scaled(self, one, number) for number, one in enumerate(copy(self, operands, count), 1)]

    monkeypatch.setattr(cold, "copies_needed", lambda sizes, device: 4)
    monkeypatch.setattr(type(backend), "copies", numbered)
    with backend.on("cpu"):
        step = workbench(backend, execution, cache="cold")._step_maker("split_concat")()
        first, *others = [[backend.to_numpy(tensor) for tensor in step()] for _ in range(5)]
    for number, (y, dx, *dweights) in zip((2, 3, 4, 1), others, strict=True):
        np.testing.assert_allclose(y, number * first[0], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(dx, number**2 * first[1], rtol=1e-4, atol=1e-3)
        for gradient, alone in zip(dweights, first[2:], strict=True):
            np.testing.assert_allclose(gradient, number * alone, rtol=1e-4, atol=1e-3)


def test_a_cold_step_that_reads_the_layers_own_weights_is_found_incorrect(backend, execution, monkeypatch):
    monkeypatch.setattr(cold, "copies_needed", lambda sizes, device: 2)
    whole = type(backend).copied_steps

    def forgetful(self, layer, copies, execution):
        step = self.step(layer, copies[0].inputs, copies[0].upstream, execution)
        whole(self, layer, copies, execution)
        # A step of JAX reads what the layer held when it was made.
        return [self.step(layer, copies[0].inputs, copies[0].upstream, execution) if self.name == "jax" else step]

    monkeypatch.setattr(type(backend), "copied_steps", forgetful)
    failed = workbench(backend, execution, cache="cold").build(["regular"], {}, check=True)["failed"]
    assert failed["regular"]["status"] == "incorrect"
    assert "non-finite" in failed["regular"]["reason"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotImplementedError("no"), "unsupported"),
        (ValueError("no"), "unsupported"),
        (MemoryError(), "oom"),
        (RuntimeError("something else"), "error"),
    ],
)
def test_what_an_exception_stands_for(error, status, backend):
    assert backend.status_of(error) == status


def test_the_frameworks_own_words_for_a_lack_of_memory(backend):
    """Asked for more than any machine has."""
    with pytest.raises(Exception) as caught, backend.on("cpu"):
        if backend.name == "tensorflow":
            import tensorflow as tf

            tf.zeros([2**20, 2**20, 64])
        elif backend.name == "jax":
            import jax.numpy as jnp

            jnp.zeros([2**20, 2**20, 64])
        else:
            import torch

            torch.empty([2**20, 2**20, 64])
    assert backend.status_of(caught.value) == "oom"


def test_this_file_and_the_conformance_tests_run_for_every_backend():
    """The commands of tox name each backend that there is."""
    told = (ROOT / "tox.ini").read_text()
    assert "every_backend = tests/backends/test_backend.py tests/variants/test_conformance.py" in told
    for other in backends.names():
        assert other == "tensorflow" or f"--backend {other} {{[base]every_backend}}" in told

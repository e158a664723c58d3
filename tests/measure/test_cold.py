"""Cold calls: how many copies they rotate among, that each reads its own, and what is too small for them."""

import dataclasses
import os

import numpy as np
import pytest
from cases import GRAPH, make_case

import grouped_bench as gb
from grouped_bench.backends.base import Operands
from grouped_bench.measure import cold
from grouped_bench.measure.workbench import Workbench
from grouped_bench.report.run import tables

KIB = 2**10
CASE = make_case(groups=2, channels=(8, 8), bias=True)
READ = 4 * (2 * 6 * 6 * 8 + 2 * 6 * 6 * 8 + 3 * 3 * 8 * 8 + 8)  # input, upstream gradient, dense weights, bias


@pytest.fixture
def caches(monkeypatch):
    """Sets the size of a last-level cache and their number."""

    def hold(size, count=1):
        monkeypatch.setattr(cold, "last_level_cache_bytes", lambda: size)
        monkeypatch.setattr(cold, "last_level_caches", lambda: count)

    return hold


def workbench(backend, execution="graph", cache="cold", case=CASE):
    return Workbench(case, dataclasses.replace(GRAPH, execution=execution, cache=cache), 0, backend)


@pytest.mark.parametrize(
    ("size", "count", "device", "copies"),
    [
        (32 * KIB, 1, "cpu", 64),
        (32 * KIB, 4, "cpu:0", 256),
        (32 * KIB + 1, 1, "cpu", 65),
        (100, 1, "cpu", 2),
        (None, 8, "cpu", 128 * KIB),
        (32 * KIB, 1, "gpu", 128 * KIB),
    ],
)
def test_copies_fill_the_last_level_caches_twice(size, count, device, copies, caches, monkeypatch):
    """A call reads 600 + 424 bytes."""
    caches(size, count)
    monkeypatch.setattr(cold, "MOST_TENSORS", 2 * 128 * KIB)
    assert cold.copies_needed([600, 424], device) == copies


def test_a_call_that_reads_too_little_is_refused_in_words(caches):
    caches(32 * 2**20)
    assert cold.copies_needed([3356, 3356], "cpu") == 9999
    with pytest.raises(cold.TooSmallError) as caught:
        cold.copies_needed([3355, 3354], "cpu")
    assert str(caught.value) == (
        "a cold cache takes at most 20,000 tensors, and calls that read 6,709 bytes in 2 tensors need 10,003 copies of "
        "each; give the case a larger batch, size or number of channels"
    )


def test_a_variant_that_reads_too_little_is_unsupported_and_the_others_go_on(backend, caches, monkeypatch):
    caches(4 * READ)
    monkeypatch.setattr(cold, "MOST_TENSORS", 4 * 8 + 1)
    answer = workbench(backend).build(["regular", "split_sum"], {}, check=True)
    assert list(answer["built"]) == ["regular"]
    failure = answer["failed"]["split_sum"]
    assert failure["status"] == "unsupported"
    assert failure["reason"].startswith("TooSmallError: a cold cache takes at most 33 tensors, and calls that read")
    assert len(failure["reason"]) < 300


def test_calls_take_the_copies_in_turn():
    step = cold.Rotation([lambda: "a", lambda: "b", lambda: "c"])
    assert [step() for _ in range(7)] == list("abcabca")


def addresses(operands):
    """Where the tensors are, of weights in TensorFlow's variables too."""
    tensors = [*(weight.value() for weight in operands.weights), *operands.arguments()]
    return {np.asarray(memoryview(tensor)).ctypes.data for tensor in tensors}


def test_successive_calls_read_different_memory(execution, backend, caches, monkeypatch):
    """Weights and upstream gradient of each copy are multiplied by its number, which its outputs show."""
    import tensorflow as tf

    caches(2 * READ)
    made, copy = [], type(backend).copies

    def numbered(self, operands, count):
        made.extend(copy(self, operands, count))
        return [
            Operands(tuple(tf.Variable(number * weight) for weight in c.weights), c.inputs, number * c.upstream)
            for number, c in enumerate(made, 1)
        ]

    monkeypatch.setattr(type(backend), "copies", numbered)
    step = workbench(backend, execution)._step_maker("regular")()
    assert len(made) == 4
    assert len(set.union(*map(addresses, made))) == 4 * 4
    first, *others = [[backend.to_numpy(tensor) for tensor in step()] for _ in range(5)]
    for number, (y, dx, *dweights) in zip((2, 3, 4, 1), others, strict=True):
        np.testing.assert_allclose(y, number * first[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(dx, number**2 * first[1], rtol=1e-4, atol=1e-4)
        for gradient, alone in zip(dweights, first[2:], strict=True):
            np.testing.assert_allclose(gradient, number * alone, rtol=1e-4, atol=1e-4)


def test_a_hot_cache_and_the_memory_of_a_cold_one_make_no_copies(backend, monkeypatch):
    monkeypatch.setattr(type(backend), "copies", None)
    assert workbench(backend, cache="hot").build(["regular"], {}, check=True)["failed"] == {}
    assert workbench(backend).peak_memory("regular")["peak_bytes"] > 0


def test_a_run_tells_hot_and_cold_apart_and_computes_in_the_threads_that_were_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "2")  # which TensorFlow heeds more than what is configured
    space = gb.Space(channels=64, size=14, batch_size=2, variant="regular,split_sum", cache="hot,cold")
    run = gb.run(space, out=tmp_path, visits=1, threads=1, memory=False)
    assert run.frame["status"].tolist() == ["ok"] * 4
    assert run.frame["cache"].tolist() == ["hot", "hot", "cold", "cold"]
    assert tables.render(run.frame, [run.metadata]).count("cold cache") == 1
    facts = run.metadata["environment"]["backend"]["tensorflow"]
    assert (facts["intra_op_threads"], facts["inter_op_threads"]) == (1, 1)
    assert facts["usable_processors"] == len(os.sched_getaffinity(0))
    assert run.frame["threads"].tolist() == [1] * 4

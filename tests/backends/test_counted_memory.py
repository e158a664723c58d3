"""Memory that a framework counts, in each class of processor: TensorFlow with and without oneDNN, and PyTorch."""

import dataclasses
import os
import subprocess
import sys

import pytest
from cases import make_case
from checkout import FAULTY_VARIANTS

from grouped_bench import backends
from grouped_bench.errors import UnavailableError
from grouped_bench.harness.processes.hosts import Host
from grouped_bench.harness.processes.workers import Limits
from grouped_bench.space.case import Setting

KIB, MIB = 2**10, 2**20
# The environment of a class, and the source of its memory.
CLASSES = {
    "tensorflow with oneDNN": ("tensorflow", {"TF_ENABLE_ONEDNN_OPTS": "1"}, "allocator"),
    "tensorflow without oneDNN": ("tensorflow", {"TF_ENABLE_ONEDNN_OPTS": "0"}, "allocator"),
    "torch": ("torch", {"ATEN_CPU_CAPABILITY": "default"}, "counted"),
}
SMALL = make_case(groups=4, channels=(16, 16), size=6, batch_size=1)
BRANCHES = make_case(groups=8, channels=(32, 32), size=12, batch_size=2)
TRAINED = "grouped"  # by XLA on TensorFlow, where its own op has no gradients without oneDNN

# Frees a block of less than 2 MiB between two that stay, and asks for one of 1 MiB, which would be given all of it.
GAP = """
import os
from grouped_bench import backends
from grouped_bench.backends import pool
backend = backends.load("tensorflow")
backend.count_memory()
def block(kib):
    return pool._block(4 * kib)
block(64 * 1024)
first, gap, last = block(8), block(1536), block(8)
del gap
def size(kib):
    before = pool.taken("CPU:0")
    made = block(kib)
    return (pool.taken("CPU:0") - before) // 1024
print(size(1024))
for room in (256 * 2**20, 2**60):
    with pool.exact(room, "CPU:0"):
        print(size(1024), size(1536), size(8))
print(size(1024))
"""


@pytest.fixture(scope="module", params=CLASSES)
def played(request):
    """A host in a class, and the source of its memory."""
    name, variables, source = CLASSES[request.param]
    try:
        backends.get(name)
    except UnavailableError as missing:
        pytest.skip(str(missing))
    with pytest.MonkeyPatch.context() as patched:
        for variable, value in variables.items():
            patched.setenv(variable, value)
        host = Host(name, [FAULTY_VARIANTS])
    yield host, name, source
    host.close()


@pytest.fixture
def ask(played):
    """Asks a new worker for something about `case`."""
    host, name, _ = played
    workers = []

    def ask(op, variant, case, execution=None, **more):
        setting = Setting(name, execution or backends.get(name).executions[0], "cpu")
        columns = {"case": case.to_columns(), "setting": dataclasses.asdict(setting), "seed": 0}
        workers.append(host.fork(Limits(120)))
        return workers[-1].ask({"op": op, **columns, "variants": [variant], **more})

    yield ask
    for worker in workers:
        if not worker.ended:
            worker.close()


@pytest.mark.parametrize("mib", [64, 8, 1])
def test_known_tensors_are_counted_within_2_percent(mib, ask, played):
    """Half of it is input and held, half is output and allocated by the call."""
    case = make_case(
        groups=1, channels=(16, 16), kernel_size=1, size=64, batch_size=2 * mib, pass_="inference"
    )  # 256 KiB an image
    assert case.batch_size * 64 * 64 * 16 * 4 == mib * MIB / 2
    answer = ask("memory", "doubles", case)
    assert answer["peak_bytes"] == pytest.approx(mib * MIB, rel=0.02)
    assert answer["source"] == played[2]


@pytest.mark.parametrize("case", [SMALL, BRANCHES], ids=["small", "branches"])
@pytest.mark.parametrize("variant", ["regular", "split_concat", "split_sum", TRAINED])
def test_tensors_of_some_kib_are_counted_too_and_alike_in_every_process(variant, case, ask, played, request):
    readings = [ask("memory", variant, case) for _ in range(2)]
    assert {reading["source"] for reading in readings} == {played[2]}
    first, again = (reading["peak_bytes"] for reading in readings)
    # Where parts of a step overlap, its memory differs from process to process: without oneDNN of any variant.
    overlaps = variant.startswith("split") or (case is BRANCHES and "without oneDNN" in request.node.name)
    assert overlaps or abs(first - again) <= max(0.03 * first, 64 * KIB)
    assert first > 4 * (2 * case.batch_size * case.size[0] ** 2 * (case.in_channels + case.out_channels))


def test_every_execution_is_counted(ask, played):
    _, name, source = played
    least = 4 * 2 * SMALL.size[0] ** 2 * (SMALL.in_channels + SMALL.out_channels)
    for execution in backends.get(name).executions:
        if execution != "compile":  # which needs a compiler
            answer = ask("memory", "split_concat", SMALL, execution)
            assert answer["source"] == source
            assert answer["peak_bytes"] > least


def test_what_is_timed_keeps_the_frameworks_own_allocator(ask, played):
    timed = ask("build", "tells_its_allocator", SMALL, iterations={}, check=True)["failed"]["tells_its_allocator"]
    counted = ask("memory", "tells_its_allocator", SMALL)
    again = ask("build", "tells_its_allocator", SMALL, iterations={}, check=True)["failed"]["tells_its_allocator"]
    assert "the variable is None" in timed["reason"]
    assert "the variable is None" in again["reason"]
    assert f"the variable is {'1' if played[1] == 'tensorflow' else 'None'}" in counted["reason"]


def test_a_block_that_would_be_handed_out_whole_is_not_where_memory_is_read():
    """With room of its own, and where there is less of it than was asked for."""
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}
    ran = subprocess.run([sys.executable, "-c", GAP], capture_output=True, text=True, check=True, env=environment)
    before, *within, after = map(int, ran.stdout.split())
    assert 1024 < before == after < 2048
    assert within == 2 * [1024, 1536, 8]

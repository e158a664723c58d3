"""Real hosts and workers on TensorFlow: every way in which a task can end, and memory that is told truly."""

import dataclasses
import errno
import os
import re
import signal
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
from cases import GRAPH, make_case
from checkout import FAULTY_VARIANTS

import grouped_bench as gb
from grouped_bench.errors import HostError, UnavailableError
from grouped_bench.harness.processes import ipc, workers
from grouped_bench.harness.processes.hosts import Host
from grouped_bench.harness.processes.workers import Limits, TaskFailedError
from grouped_bench.measure.rounds import read_clock
from grouped_bench.store.files.temporary import TemporaryFolder

MIB = 2**20


@pytest.fixture(scope="module")
def host():
    host = Host("tensorflow", [FAULTY_VARIANTS])
    yield host
    host.close()


@pytest.fixture
def fork(host):
    workers = []

    def fork(task_timeout=120.0, memory_bytes=None):
        workers.append(host.fork(Limits(task_timeout, memory_bytes)))
        return workers[-1]

    yield fork
    for worker in workers:
        if not worker.ended:
            worker.close()


def request(op, *variants, case=None, setting=GRAPH, **more):
    case = case or make_case(groups=2)
    columns = {"case": case.to_columns(), "setting": dataclasses.asdict(setting), "seed": 0}
    return {"op": op, **columns, "variants": list(variants), **more}


def build(*variants, **more):
    return request("build", *variants, iterations={}, check=True, **more)


@pytest.mark.onednn(True)  # which alone trains grouped_native
def test_a_worker_builds_checks_and_samples(fork):
    worker = fork()
    answer = worker.ask(build("regular", "grouped_native"))
    assert answer["failed"] == {}
    assert answer["built"]["regular"]["relative_error"] < 1e-5
    assert answer["built"]["regular"]["iterations"] >= 1
    answer = worker.ask(request("visit", "regular", "grouped_native", rounds=None))
    samples = answer["samples"]
    assert set(samples) == {"regular", "grouped_native"}
    assert len(samples["regular"]) == len(samples["grouped_native"]) == len(answer["reference"]) >= 3
    assert all(sample > 0 for sample in samples["regular"] + answer["reference"])
    assert 0 <= answer["stolen"] <= 1
    assert "beside" not in answer
    answer = worker.ask(request("visit", "regular", "grouped_native", rounds=5, reference="case"))
    assert set(answer["samples"]) == {"regular", "grouped_native"}
    assert answer["beside"] == {"regular": "dense", "grouped_native": "grouped"}
    assert {name: len(made) for name, made in answer["reference"].items()} == dict.fromkeys(
        answer["beside"].values(), 5
    )
    assert all(sample > 0 for made in answer["reference"].values() for sample in made)
    assert len(worker.ask(request("visit", "regular", rounds=5))["samples"]["regular"]) == 5


def test_what_there_is_no_time_to_build_is_left_out_and_the_rest_is_sampled(fork):
    worker = fork()
    answer = worker.ask(build("regular", "split_sum", within_s=0.0))
    assert (set(answer["built"]), answer["failed"], answer["spoilt"]) == ({"regular"}, {}, False)
    assert set(worker.ask(request("visit", "regular", rounds=3))["samples"]) == {"regular"}
    assert set(fork().ask(build("regular", "split_sum", within_s=600.0))["built"]) == {"regular", "split_sum"}


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("raises", "error", "RuntimeError: no such layer with a second line"),
        ("unpicklable", "error", "OddError: whose message cannot be had: ValueError"),
        ("poisons", "error", "RuntimeError: the device is lost"),
        ("runs_out", "oom", "MemoryError: 64 GiB wanted"),
        ("lies", "incorrect", "relative error 0.01 against the float64 reference"),
    ],
)
def test_a_failing_variant_is_told(name, status, reason, fork):
    answer = fork().ask(build("regular", name, "split_sum"))
    assert answer["failed"][name]["status"] == status
    assert reason in answer["failed"][name]["reason"]
    spoilt = status in ("oom", "error")
    assert answer["spoilt"] is spoilt
    assert set(answer["built"]) == {"regular", *([] if spoilt else ["split_sum"])}


@pytest.mark.onednn(True)  # test_refusals.py has the words of both classes
def test_the_refusal_of_the_raw_3d_op_is_unsupported(fork):
    answer = fork().ask(build("grouped_native", case=make_case(rank=3, groups=2)))
    failure = answer["failed"]["grouped_native"]
    assert failure["status"] == "unsupported"
    assert "same depth" in failure["reason"]


@pytest.mark.onednn(False)
def test_without_onednn_grouped_native_does_not_train_and_is_unsupported(fork):
    answer = fork().ask(build("regular", "grouped_native"))
    assert set(answer["built"]) == {"regular"}
    assert answer["failed"]["grouped_native"]["status"] == "unsupported"
    # Of the two gradients either may come first.
    told = "filter_size does not have enough elements|Gradients for grouped convolutions are not supported on CPU"
    assert re.search(told, answer["failed"]["grouped_native"]["reason"])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("leaves", "exit code 7 while compiling: .*last words"),
        ("segfaults", "SIGSEGV while compiling"),
        ("aborts", "SIGABRT while compiling: .*terminate called"),
        ("illegal", "SIGILL while compiling"),
        ("shouts", "exit code 3 while compiling: .*these are the last words$"),
    ],
)
def test_a_dead_worker_is_told_with_its_variant_and_last_words(name, reason, fork):
    with pytest.raises(TaskFailedError) as caught:
        fork().ask(build("regular", name))
    assert (caught.value.variant, caught.value.status) == (name, "crashed")
    assert re.match(reason, caught.value.reason)


def test_a_worker_that_the_kernel_killed_for_memory_is_oom(fork, monkeypatch):
    worker = fork()
    monkeypatch.setattr(workers, "kernel_oom_kills", lambda: 10**6)
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(TaskFailedError) as caught:
        worker.ask(build("regular"))
    told = "killed by the kernel for lack of memory while starting"
    assert (caught.value.status, caught.value.reason) == ("oom", told)


def test_a_worker_that_someone_killed_is_crashed(fork):
    worker = fork()
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(TaskFailedError) as caught:
        worker.ask(build("regular"))
    assert (caught.value.variant, caught.value.status) == ("regular", "crashed")
    assert caught.value.reason.startswith("SIGKILL")


@pytest.mark.parametrize("name", ["hangs", "spins"])
def test_a_hanging_worker_is_ended(name, fork):
    worker = fork(task_timeout=5.0)
    with pytest.raises(TaskFailedError) as caught:
        worker.ask(build("group_parallel", name))  # the first is refused at once, so its turn is short
    assert (caught.value.variant, caught.value.status) == (name, "timeout")
    assert caught.value.reason == "not finished within 5 s while compiling"
    with pytest.raises(ProcessLookupError):
        os.kill(worker.pid, 0)


def test_a_worker_ends_with_the_time_of_its_run(host):
    """Not as a failure of its own: the reason says what it was doing."""
    host.fork(Limits(60.0, deadline=read_clock() + 60.0)).ask(build("regular"))
    worker = host.fork(Limits(60.0, deadline=read_clock() + 4.0))
    with pytest.raises(TaskFailedError) as caught:
        worker.ask(build("group_parallel", "hangs"))
    assert (caught.value.variant, caught.value.status) == ("hangs", "interrupted")
    assert caught.value.reason == "the budget ended while compiling"
    assert worker.ended


def test_a_hanging_worker_takes_its_children_along(fork, monkeypatch):
    worker, said = fork(task_timeout=5.0), []
    monkeypatch.setattr(workers, "tail", lambda file, tail=ipc.tail: said.append(tail(file)) or said[-1])
    with pytest.raises(TaskFailedError):
        worker.ask(build("spawns"))
    (child,) = re.findall(r"child (\d+)", said[-1])
    assert not psutil.pid_exists(int(child)) or psutil.Process(int(child)).status() == psutil.STATUS_ZOMBIE


def test_a_worker_that_holds_too_much_memory_is_ended(fork):
    with pytest.raises(TaskFailedError) as caught:
        fork(memory_bytes=2**30).ask(build("regular", "hoards"))
    assert (caught.value.variant, caught.value.status) == ("hoards", "oom")
    assert re.fullmatch(r"ended while it held [\d.]+ GiB: --memory-limit is 1.00 GiB", caught.value.reason), (
        caught.value.reason
    )


def test_a_worker_is_ended_before_the_machine_swaps(fork, monkeypatch):
    left = iter([*[8 * 2**30] * 5, *[100 * MIB] * 99])
    monkeypatch.setattr(workers, "memory_left", lambda: next(left))
    with pytest.raises(TaskFailedError) as caught:
        fork().ask(build("regular", "hangs"))
    assert caught.value.status == "oom"
    assert re.fullmatch(r"ended while it held .*iB: the machine had 100 MiB of memory left", caught.value.reason)


def test_what_a_worker_prints_takes_no_more_than_so_much_room(tmp_path):
    with (tmp_path / "printed").open("w+b") as printed:
        printed.write(b"x" * (ipc._MOST_PRINTED_BYTES + MIB))
        printed.flush()
        ipc.bound(printed)
        printed.write(b"\nlast words\n")
        printed.flush()
        assert os.fstat(printed.fileno()).st_blocks * 512 < MIB
        assert ipc.tail(printed).endswith("last words")


def test_a_host_leaves_no_file_behind():
    folder = Path(tempfile.gettempdir())
    before = set(folder.iterdir())
    host = Host("tensorflow")
    host.fork(Limits(60.0)).ask(build("regular", "split_sum"))
    (own,) = set(folder.iterdir()) - before
    os.close(host._folder.descriptor)  # as if this process had been killed: the host still holds its folder
    host._folder.descriptor = -1
    with TemporaryFolder():
        assert own.exists()
    host.close()
    assert set(folder.iterdir()) == before


def test_a_host_that_was_killed_starts_again_and_its_workers_are_gone():
    host = Host("tensorflow")
    try:
        worker = host.fork(Limits(60.0))
        os.kill(host._process.pid, signal.SIGKILL)
        with pytest.raises(HostError):
            worker.ask(build("regular"))
        worker.close()
        with pytest.raises(HostError):
            host.fork(Limits(60.0))
        host.restart()
        assert set(host.fork(Limits(60.0)).ask(build("regular"))["built"]) == {"regular"}
    finally:
        host.close()


def test_a_variant_that_fails_during_a_visit_is_named(fork):
    eager = dataclasses.replace(GRAPH, execution="eager")
    worker = fork()
    answer = worker.ask(build("regular", "breaks_later", setting=eager))
    while not answer["failed"]:
        answer = {"failed": {}} | worker.ask(request("visit", "regular", "breaks_later", rounds=None))
    assert "worn out" in answer["failed"]["breaks_later"]["reason"]


def test_the_probe_finds_the_cpu_and_the_facts(fork):
    answer = fork().ask({"op": "probe", "variants": ["probe"]})
    assert "cpu:0" in [device["name"] for device in answer["devices"]]
    assert answer["facts"]["keras"]


def peak(fork, name, case):
    answer = fork().ask(request("memory", name, case=case))
    assert "status" not in answer, answer
    return answer["peak_bytes"], answer["source"]


def test_a_64_mib_tensor_is_recovered_within_2_percent(fork):
    within, source = peak(fork, "allocates_64_mib", make_case(groups=1, pass_="inference"))
    assert source == "allocator"
    assert within == pytest.approx(64 * MIB, rel=0.02)


@pytest.mark.onednn(True)  # which alone trains grouped_native
def test_inputs_weights_and_outputs_are_part_of_the_peak(fork):
    case = make_case(groups=8, channels=(128, 128), size=28, batch_size=4, pass_="training")
    first, source = peak(fork, "grouped_native", case)
    again, source = peak(fork, "grouped_native", case)
    assert (again, source) == (pytest.approx(first, rel=0.01), "allocator")
    held = 4 * (2 * 4 * 28 * 28 * 128 * 2 + 2 * 3 * 3 * 16 * 128)
    assert held <= first <= 1.1 * held


def test_a_resident_set_sees_a_64_mib_tensor_where_the_allocator_keeps_no_statistics(monkeypatch, tmp_path):
    """As TensorFlow's own does for the processor, where oneDNN is off."""
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    # When the interpreter starts: no file of variants may do so.
    (tmp_path / "sitecustomize.py").write_text(
        "from grouped_bench.backends.tensorflow import TensorFlow\nTensorFlow.count_memory = lambda self: None\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    plain = Host("tensorflow", [FAULTY_VARIANTS])
    try:
        case = make_case(groups=1, pass_="inference")
        within, source = peak(lambda: plain.fork(Limits(60.0)), "allocates_64_mib", case)
    finally:
        plain.close()
    assert source == "resident"
    assert within == pytest.approx(64 * MIB, rel=0.02)


def test_a_host_that_cannot_start_says_why(tmp_path, monkeypatch):
    (tmp_path / "keras.py").write_text("raise ImportError('a Keras that fails')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    with pytest.raises(HostError, match=r"The backend tensorflow must start.*a Keras that fails"):
        Host("tensorflow")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        # Without its own packages, as a virtual environment in which nothing was installed.
        (
            f'exec {sys.executable} -S "$@"',
            "An interpreter that measures must have its backend, Keras and NumPy. "
            "Received: {python} has no tensorflow. Install it with `{python} -m pip install tensorflow`.",
        ),
        (
            "echo no Python; exit 1",
            "The backend tensorflow must start in {python}. Received: no Python. "
            "Try `KERAS_BACKEND=tensorflow {python} -c 'import keras'`.",
        ),
    ],
)
def test_another_interpreter_that_cannot_start_is_named(words, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    python = Path("python")
    python.write_text(f"#!/bin/sh\n{words}\n")
    python.chmod(0o755)
    with pytest.raises(HostError) as caught:
        Host("tensorflow", python="./python")
    assert str(caught.value) == told.format(python="./python")


def test_a_host_whose_file_of_variants_fails_says_so_in_words(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("raise ImportError('a variant file that fails')")
    with pytest.raises(HostError) as caught:
        Host("tensorflow", [str(broken)])
    assert str(caught.value) == (
        "A file of variants must run without an error. Received: broken.py, line 1: ImportError: a variant file that "
        "fails. Correct it; `python broken.py` shows the whole error."
    )


def test_a_whole_run_ends_every_task_in_an_outcome(tmp_path, registry):
    space = gb.Space(
        groups=2,
        channels=[8],
        size=[6],
        batch_size=[1],
        variant=["regular", "poisons", "raises", "grouped_native", "leaves", "lies", "hoards"],
    )
    run = gb.run(space, out=tmp_path, seed=1, files=(FAULTY_VARIANTS,), visits=3, memory_limit="1GiB", page=False)
    outcome = run.frame.set_index("variant")["status"].to_dict()
    assert outcome == {
        "regular": "ok",
        "grouped_native": "ok",
        "raises": "error",
        "poisons": "error",
        "leaves": "crashed",
        "lies": "incorrect",
        "hoards": "oom",
    }
    rows = run.frame.set_index("variant")
    assert len(set(rows.loc["grouped_native", "visit_process"])) == 3
    assert rows.loc["lies", "relative_error"] == pytest.approx(0.01, rel=0.2)
    assert rows.loc[["raises", "leaves", "lies"], "latency_s"].isna().all()
    assert list(tmp_path.rglob("*.journal")) == []


def test_a_missing_device_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(UnavailableError, match=r"Received: gpu:7\. Use one of cpu:0"):
        gb.run(gb.Space(device="gpu:7"), out=tmp_path / "results")
    assert list(tmp_path.iterdir()) == []


def test_a_machine_without_descriptors_is_told_in_words(host, monkeypatch):
    def refuse():
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("grouped_bench.harness.processes.hosts.scratch", refuse)
    with pytest.raises(HostError) as caught:
        host.fork(Limits(60))
    assert str(caught.value) == (
        "The machine must allow a host to fork a worker. Received: Too many open files. Free memory, processes or "
        "open files, or raise their limits."
    )
    with pytest.raises(HostError, match="must allow a host to start"):
        Host("tensorflow")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a part of a file back")
def test_what_is_written_while_a_worker_is_bound_stays(monkeypatch):
    monkeypatch.setattr(os, "ftruncate", lambda *_: pytest.fail("the end may be written just now"))
    with ipc.scratch() as printed:
        os.write(printed.fileno(), b"x" * (ipc._MOST_PRINTED_BYTES + 2**20) + b"\nlast words\n")
        ipc.bound(printed)
        assert os.fstat(printed.fileno()).st_blocks * 512 < 2**20
        assert ipc.tail(printed).endswith("last words")

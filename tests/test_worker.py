"""Real hosts and workers on TensorFlow: every way in which a task can end, and memory that is told truly."""

import dataclasses
import os
import re
import signal
from pathlib import Path

import pytest
from cases import GRAPH, make_case

import grouped_bench as gb
from grouped_bench.errors import HostError, UnavailableError
from grouped_bench.harness import hosts
from grouped_bench.harness.hosts import Host, TaskFailedError

FAULTS = str(Path(__file__).with_name("faulty_variants.py"))
MIB = 2**20


@pytest.fixture(scope="module")
def host():
    host = Host("tensorflow", [FAULTS])
    yield host
    host.close()


@pytest.fixture
def fork(host):
    workers = []

    def fork(task_timeout=120.0):
        workers.append(host.fork(task_timeout))
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
    assert len(worker.ask(request("visit", "regular", rounds=5))["samples"]["regular"]) == 5


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("raises", "error", "RuntimeError: no such layer with a second line"),
        ("runs_out", "oom", "MemoryError: 64 GiB wanted"),
        ("lies", "incorrect", "relative error 0.01 against the float64 reference"),
    ],
)
def test_a_failing_variant_is_told_and_the_others_go_on(name, status, reason, fork):
    answer = fork().ask(build("regular", name, "split_sum"))
    assert set(answer["built"]) == {"regular", "split_sum"}
    assert answer["failed"][name]["status"] == status
    assert reason in answer["failed"][name]["reason"]


def test_the_refusal_of_the_raw_3d_op_is_unsupported(fork):
    answer = fork().ask(build("grouped_native", case=make_case(rank=3, groups=2)))
    failure = answer["failed"]["grouped_native"]
    assert failure["status"] == "unsupported"
    assert "same depth" in failure["reason"]


@pytest.mark.parametrize(("name", "reason"), [("leaves", "exit code 7: .*last words"), ("segfaults", "SIGSEGV")])
def test_a_dead_worker_is_told_with_its_variant_and_last_words(name, reason, fork):
    with pytest.raises(TaskFailedError) as caught:
        fork().ask(build("regular", name))
    assert (caught.value.variant, caught.value.status) == (name, "crashed")
    assert re.match(reason, caught.value.reason)


def test_a_worker_that_the_kernel_killed_for_memory_is_oom(fork, monkeypatch):
    worker = fork()
    monkeypatch.setattr(hosts, "kernel_oom_kills", lambda: 10**6)
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(TaskFailedError) as caught:
        worker.ask(build("regular"))
    assert (caught.value.status, caught.value.reason) == ("oom", "killed by the kernel for lack of memory")


def test_a_worker_that_someone_killed_is_crashed(fork):
    worker = fork()
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(TaskFailedError) as caught:
        worker.ask(build("regular"))
    assert (caught.value.variant, caught.value.status) == ("regular", "crashed")
    assert caught.value.reason.startswith("SIGKILL")


def test_a_hanging_worker_is_ended(fork):
    worker = fork(task_timeout=15.0)
    with pytest.raises(TaskFailedError) as caught:
        worker.ask(build("regular", "hangs"))
    assert (caught.value.variant, caught.value.status) == ("hangs", "timeout")
    assert caught.value.reason == "no end within 15 s"
    with pytest.raises(ProcessLookupError):
        os.kill(worker.pid, 0)


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


def test_inputs_weights_and_outputs_are_part_of_the_peak(fork):
    case = make_case(groups=8, channels=(128, 128), size=28, batch_size=4, pass_="training")
    first, source = peak(fork, "grouped_native", case)
    assert (first, source) == (peak(fork, "grouped_native", case)[0], "allocator")
    held = 4 * (2 * 4 * 28 * 28 * 128 * 2 + 2 * 3 * 3 * 16 * 128)
    assert held <= first <= 1.1 * held


def test_tensors_too_small_for_the_allocator_come_from_the_resident_set(fork):
    size, source = peak(fork, "regular", make_case(groups=1, channels=(16, 16), size=14, pass_="inference"))
    assert source == "resident"
    assert 0 < size < MIB


def test_a_resident_set_sees_a_64_mib_tensor_where_the_allocator_keeps_no_statistics(monkeypatch):
    """Without oneDNN TensorFlow's CPU allocator counts nothing."""
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    plain = Host("tensorflow", [FAULTS])
    try:
        case = make_case(groups=1, pass_="inference")
        within, source = peak(lambda: plain.fork(60), "allocates_64_mib", case)
    finally:
        plain.close()
    assert source == "resident"
    assert within == pytest.approx(64 * MIB, rel=0.02)


def test_a_host_that_cannot_start_says_why(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("raise ImportError('a variant file that fails')")
    with pytest.raises(HostError, match=r"The backend tensorflow must start.*a variant file that fails"):
        Host("tensorflow", [str(broken)])


def test_a_whole_run_ends_every_task_in_an_outcome(tmp_path, monkeypatch):
    import faulty_variants  # noqa: F401  (registers them here too, for the plan)

    space = gb.Space(
        groups=2,
        channels=[8],
        size=[6],
        batch_size=[1],
        variant=["regular", "grouped_native", "raises", "leaves", "lies"],
    )
    run = gb.run(space, out=tmp_path, seed=1, files=(FAULTS,), visits=3, page=False)
    outcome = run.frame.set_index("variant")["status"].to_dict()
    assert outcome == {
        "regular": "ok",
        "grouped_native": "ok",
        "raises": "error",
        "leaves": "crashed",
        "lies": "incorrect",
    }
    rows = run.frame.set_index("variant")
    assert (
        rows.loc["grouped_native", "visit_process"].tolist() == [0, 1, 2]
        or len(set(rows.loc["grouped_native", "visit_process"])) == 3
    )
    assert rows.loc["lies", "relative_error"] == pytest.approx(0.01, rel=0.2)
    assert rows.loc[["raises", "leaves", "lies"], "latency_s"].isna().all()
    assert list(tmp_path.rglob("*.journal")) == []


def test_a_missing_device_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(UnavailableError, match=r"Received: --device gpu:7\. Use one of cpu:0"):
        gb.run(gb.Space(device="gpu:7"), out=tmp_path / "results")
    assert list(tmp_path.iterdir()) == []

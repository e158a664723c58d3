"""SLURM as an engine, by submitit's executor for one machine: jobs connect, answer, and are missed when they end."""

import os
import signal
import socket
import sys
import time
from multiprocessing.connection import Client

import psutil
import pytest

import grouped_bench as gb
from grouped_bench.errors import UnavailableError
from grouped_bench.harness.fleet.slurm_engine import SlurmEngine
from grouped_bench.harness.sweep.visits import LostError

pytest.importorskip("submitit")
SPACE = {"groups": [1, 2], "channels": 8, "size": [6, 7], "variant": "regular,split_sum"}


# Once, where signals were ignored and much ran beside it, a job neither connected nor ended, and a test waited for it.
asked = pytest.mark.skipif(
    "GROUPED_BENCH_JOBS" not in os.environ, reason="real jobs run where GROUPED_BENCH_JOBS is set"
)


@pytest.fixture
def engine(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    made = SlurmEngine("local:2")
    yield made
    made.close()


@asked
@pytest.mark.long
def test_a_run_by_jobs_finds_what_a_run_here_finds(tmp_path):
    options = {"visits": 3, "page": False, "peaks": False, "memory": False}
    made = gb.run(gb.Space(**SPACE), out=tmp_path, executor="slurm", address="local:2", **options)
    here = gb.run(gb.Space(**SPACE), out=tmp_path / "here", **options)
    assert (made.frame["status"] == "ok").all()
    assert made.metadata["fleet"]["executor"] == "slurm"
    assert set(made.frame["in_force"]) == set(here.frame["in_force"])


@asked
def test_jobs_answer_until_they_end_and_leave_nothing_behind(engine, tmp_path):
    first, second = engine.nodes("cpu")
    assert "refused" in first.call({"op": "open", "version": "0.0.1", "files": {}})
    jobs = [one for one in psutil.Process().children(recursive=True) if "submitit" in " ".join(one.cmdline())]
    second.end()
    with pytest.raises(LostError, match=r"A node must answer while it measures\. Received: job"):
        second.call({"op": "open"})
    engine.close()
    assert all(not job.is_running() or job.status() == psutil.STATUS_ZOMBIE for job in jobs)
    assert not list(tmp_path.glob(".grouped-bench-*"))


@asked
def test_a_job_that_is_queued_again_comes_back_as_another_node(engine):
    """As after SLURM needed its machine for another."""
    engine.nodes("cpu")
    assert engine.late() == []
    again = engine._executor.submit(engine._job.checkpoint().function)
    found = []
    while not found and not again.done():
        found = engine.late()
        time.sleep(0.1)
    (node,) = found
    assert node.title == "job 3"
    engine._jobs.append(again)


@asked
def test_a_stranger_is_not_taken_for_a_job(engine):
    with socket.create_connection(engine._listener.address) as stranger:
        stranger.sendall(b"hello")
    with pytest.raises(Exception, match="digest"):
        Client(engine._listener.address, authkey=b"another")
    assert len(engine.nodes("cpu")) == 2


@asked
def test_jobs_that_end_before_they_connect_are_told_by_what_they_said(engine, monkeypatch):
    monkeypatch.setattr("grouped_bench.harness.fleet.slurm_engine.Job", Broken)
    with pytest.raises(UnavailableError, match=r"A job of SLURM must start\. Received:.*no such library"):
        engine.nodes("cpu")


class Broken:
    def __init__(self, *told):
        pass

    def __call__(self):
        sys.stderr.write("no such library\n")
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("address", [None, "", "0", "many", "4:gpu:more", "local:", "99999"])
def test_an_address_that_is_no_number_of_jobs_is_refused(address):
    with pytest.raises(UnavailableError, match="--address must be the number of SLURM's jobs"):
        SlurmEngine(address)


def test_without_slurm_it_says_what_is_missing(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UnavailableError, match="Received: no command sbatch"):
        SlurmEngine("4:gpu")
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(UnavailableError, match=r"pip install 'grouped-bench\[slurm\]'"):
        SlurmEngine("local:2")

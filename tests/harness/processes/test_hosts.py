"""Real hosts under several environments: what each is given, how long that is, and what becomes of one that dies."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import grouped_bench as gb
from grouped_bench.errors import UnavailableError
from grouped_bench.harness.plan import make_plan
from grouped_bench.harness.processes.hosts import RefusedHost
from grouped_bench.harness.processes.probing import hosts_of, probed
from grouped_bench.harness.progress import Progress
from grouped_bench.space.axes import Control
from grouped_bench.space.case import HostKey
from grouped_bench.space.space import Space

EXPLAIN = (sys.executable, "-c", "from grouped_bench.commands.main import main; main()", "explain", "--quiet")
TINY = {"groups": 2, "channels": 8, "size": 5, "batch_size": 1, "variant": "regular,grouped"}


def environment_of(host):
    entries = Path(f"/proc/{host._process.pid}/environ").read_bytes().split(b"\0")
    return dict(entry.decode().partition("=")[::2] for entry in entries if entry)


def length(environment):
    return sum(len(name) + len(value) + 2 + 8 for name, value in environment.items())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_each_host_gets_its_values_in_an_environment_of_one_length(monkeypatch):
    monkeypatch.setenv("SET_BEFORE", "yes")
    envs = ["TF_ENABLE_ONEDNN_OPTS=0,1", "SET_BEFORE=,a much longer value"]
    plan = make_plan(Space(**TINY, env=envs))
    with hosts_of(plan, Control(), (), Progress(quiet=True)) as hosts:
        probes = probed(plan, Control(), hosts)
        found = {key: environment_of(host) for key, host in hosts.items()}
    assert len(found) == 4
    assert len({length(one) for one in found.values()}) == 1
    assert "SET_BEFORE" not in found[HostKey("tensorflow", "TF_ENABLE_ONEDNN_OPTS=0 SET_BEFORE=")]
    given = found[HostKey("tensorflow", "TF_ENABLE_ONEDNN_OPTS=1 SET_BEFORE='a much longer value'")]
    assert (given["SET_BEFORE"], given["TF_ENABLE_ONEDNN_OPTS"]) == ("a much longer value", "1")
    assert [probe.facts["onednn"] for probe in probes.values()] == [False] * 2 + [True] * 2
    assert next(iter(probes.values())).unread == ("SET_BEFORE",)


def test_a_value_that_kills_the_process_costs_its_own_tasks_alone(tmp_path):
    pytest.importorskip("jax")
    flags = "--xla_no_such_flag=1"
    space = Space(**TINY, backend="jax", env={"XLA_FLAGS": ["", flags]})
    run = gb.run(space, out=tmp_path, visits=1, memory=False, page=False)
    assert run.frame["status"].tolist() == ["ok", "ok", "unsupported", "unsupported"]
    assert run.frame["reason"].tolist()[2].startswith(f"jax does not start with XLA_FLAGS={flags}: ")


def test_where_no_value_lets_the_process_live_the_run_is_refused():
    pytest.importorskip("jax")
    plan = make_plan(Space(**TINY, backend="jax", env={"XLA_FLAGS": ["--xla_no_such_flag=1"]}))
    with pytest.raises(UnavailableError), hosts_of(plan, Control(), (), Progress(quiet=True)) as hosts:
        assert not any(isinstance(host, RefusedHost) for host in hosts.values())
        probed(plan, Control(), hosts)


def test_explain_looks_under_each_value(tmp_path):
    words = ["--groups", "4", "--channels", "8", "--size", "5", "--batch-size", "1", "--pass", "training"]
    made = subprocess.run(
        [*EXPLAIN, *words, "--variant", "grouped_native", "--env", "TF_ENABLE_ONEDNN_OPTS=0,1", "--format", "json"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    looks = json.loads(made.stdout)["explanations"]
    assert [(look["task"]["env"], look["status"]) for look in looks] == [
        ("TF_ENABLE_ONEDNN_OPTS=0", "unsupported"),
        ("TF_ENABLE_ONEDNN_OPTS=1", "ok"),
    ]

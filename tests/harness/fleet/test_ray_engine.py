"""Ray as an engine, for real: a cluster of nodes on this machine measures what a run here measures."""

import json
import sys
import threading
import time

import psutil
import pytest

import grouped_bench as gb
from grouped_bench.errors import UnavailableError
from grouped_bench.harness.fleet.ray_engine import RayEngine

pytestmark = pytest.mark.long
SPACE = {"groups": [1, 2], "channels": 8, "size": [6, 7], "variant": "regular,split_sum"}
OPTIONS = {"visits": 3, "page": False, "peaks": False, "memory": False}


@pytest.fixture
def ray():
    return pytest.importorskip("ray")


def processes(name):
    return [one for one in psutil.Process().children(recursive=True) if one.name() == name]


def test_a_node_that_is_killed_leaves_its_work_to_the_others(ray, tmp_path):
    """And what is in force there is what is in force here, whatever Ray has set."""

    def kill():
        while not any(path.stat().st_size > 20_000 for path in tmp_path.rglob("*.journal")):
            time.sleep(0.1)
        next(one for one in processes("raylet") if "--head" not in one.cmdline()).kill()

    threading.Thread(target=kill, daemon=True).start()
    made = gb.run(gb.Space(**SPACE), out=tmp_path, executor="ray", address="local:3", **OPTIONS)
    here = gb.run(gb.Space(**SPACE), out=tmp_path / "here", **OPTIONS)
    assert (made.frame["status"] == "ok").all()
    assert len(made.frame) == 8
    told = made.metadata["fleet"]
    assert [node["put_back"] for node in told["nodes"]] == [["OMP_NUM_THREADS"]] * 3
    assert set(made.frame["in_force"]) == set(here.frame["in_force"])
    assert made.metadata["environment"]["command"] == here.metadata["environment"]["command"]
    assert "192." not in json.dumps(made.metadata)
    assert not processes("raylet")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:1", "A cluster of Ray must answer at --address. Received: 127.0.0.1:1"),
        ("nowhere", "A cluster of Ray must answer at --address. Received: nowhere"),
        ("local:0", "--address takes local:N"),
    ],
)
def test_an_address_that_nobody_answers_is_refused_in_words(ray, address, words):
    with pytest.raises(UnavailableError, match=words):
        RayEngine(address)


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UnavailableError, match=r"pip install 'grouped-bench\[ray\]'"):
        RayEngine(None)

"""An engine in a process of its own: its end is that of no run, and what it prints reaches no answer."""

import pytest
from checkout import TESTS
from killed_runs import SPACE

import grouped_bench as gb
from grouped_bench.errors import CutShortError, UnavailableError
from grouped_bench.harness import request
from grouped_bench.harness.fleet import engine_process

OPTIONS = {"seed": 3, "visits": 4, "page": False, "peaks": False, "executor": "fake"}


@pytest.fixture
def out(monkeypatch, tmp_path):
    monkeypatch.setitem(engine_process.ENGINES, "fake", "fleets:ChildEngine")
    monkeypatch.setattr(request, "EXECUTORS", ("local", "fake"))
    monkeypatch.setenv("PYTHONPATH", str(TESTS / "support"), prepend=":")
    return tmp_path


def test_a_run_is_made_there(out, capfd):
    made = gb.run(gb.Space(**SPACE), out=out, **OPTIONS)
    assert made.frame["status"].isin(["ok", "unsupported"]).all()
    assert len(made.metadata["fleet"]["nodes"]) == 2
    assert made.others == ()
    told = capfd.readouterr()
    assert (told.out, "engine says" in told.err) == ("", False)


def test_a_lost_node_leaves_its_work_to_the_other(out):
    made = gb.run(gb.Space(**SPACE), out=out, address="loses", **OPTIONS)
    assert made.frame["status"].isin(["ok", "unsupported"]).all()
    assert made.metadata["moved"] >= 1


def test_an_engine_that_dies_ends_the_run_which_others_take_up(out):
    with pytest.raises(CutShortError, match=r"its process ended \(exit code 7\).*grouped-bench run --resume"):
        gb.run(gb.Space(**SPACE), out=out, address="dies", **OPTIONS)
    made = gb.resume("latest", out=out)
    assert made.frame["status"].isin(["ok", "unsupported"]).all()
    assert made.metadata["resumed"]


@pytest.mark.parametrize(
    ("address", "words"),
    [("nowhere", "An engine must answer. Received: nowhere"), ("broken", "must start.*RuntimeError: no such engine")],
)
def test_an_engine_that_cannot_start_is_refused_and_nothing_is_written(address, words, out):
    with pytest.raises(UnavailableError, match=words):
        gb.run(gb.Space(**SPACE), out=out, address=address, **OPTIONS)
    assert not list(out.rglob("*.journal"))

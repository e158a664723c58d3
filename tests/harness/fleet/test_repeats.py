"""Some cohorts on several devices of a class: each has a run of its own, and the run says how much they differ."""

import dataclasses
import math
import threading

import pytest
from fake_clock import FakeClock
from fake_hosts import FakeHost
from fleets import FakeEngine, FakeNode
from killed_runs import COSTS, REFUSED, SPACE, Quick

import grouped_bench as gb
from grouped_bench.analyse.environment.devices import devices_of
from grouped_bench.analyse.rows import plain
from grouped_bench.errors import SpaceError, UnavailableError
from grouped_bench.harness.fleet import fleet, repeats
from grouped_bench.harness.processes import probing
from grouped_bench.harness.request import RunRequest
from grouped_bench.report.findings.findings import of_rows
from grouped_bench.report.run.beside.devices import device_findings, device_sheets
from grouped_bench.store.runs import read_run

_OPENING = threading.Lock()


class Device(FakeNode):
    """A node on which one variant takes so many times as long."""

    def __init__(self, title, factor=1.0, lives=None):
        super().__init__(title, lives)
        self.factor = factor

    def call(self, message):
        if message["op"] != "open":
            return super().call(message)
        with _OPENING:
            probing.Host = self._host
            return super().call(message)

    def _host(self, name, files, **_):
        host = FakeHost(FakeClock(), {**COSTS, "grouped": COSTS["grouped"] * self.factor}, spread=0.02, faults=REFUSED)
        host.worker = Quick
        return host


@pytest.fixture
def out(monkeypatch, tmp_path):
    monkeypatch.setattr(probing, "Host", probing.Host)  # put back
    return tmp_path


def request(out, count, **more):
    options = {"out": out, "seed": 3, "visits": 3, "page": False, "peaks": False, "executor": "ray"}
    return RunRequest.of(gb.Space(**SPACE), {**options, "repeat_devices": count, **more})


def measured(out, *factors, count=3):
    engine = FakeEngine(*[Device(f"node {number}", factor) for number, factor in enumerate(factors)])
    (written,) = fleet.carry_out(request(out, count), engine)
    return written


def test_each_device_has_a_run_of_its_own_and_the_run_names_them(out):
    written = measured(out, 1.0, 1.0, 1.0)
    told = written.metadata["devices"]
    assert len(written.others) == len(told["nodes"]) == len(told["runs"]) == 3
    for one, node in zip(written.others, told["nodes"], strict=True):
        frame, facts = read_run(one.path)
        assert facts["repeats"] == {"of": written.metadata["run_id"], "node": node}
        assert (
            len(frame["case"].unique() if "case" in frame else {row["case"] for row in plain(frame)}) == repeats.SAMPLE
        )
    assert len({one.metadata["run_id"] for one in written.others}) == 3
    assert not list(out.rglob("*.journal"))
    assert read_run(written.path)[1]["devices"] == told


def test_equal_devices_differ_by_noise_and_unequal_ones_by_what_they_do(out):
    same = devices_of(measured(out / "same", 1.0, 1.0, 1.0).metadata)
    apart = devices_of(measured(out / "apart", 1.0, 1.3, 1.7).metadata)
    assert same.deviation < 0.02
    # One of two variants differs, by logarithms 0, 0.26 and 0.53.
    assert 0.1 < apart.deviation < 0.3


def test_a_verdict_that_does_not_hold_for_the_class_is_shown_as_such(out):
    written = measured(out, 1.0, 3.0, 9.0)
    rows = plain(written.frame)
    (sheet,) = device_sheets(rows, [written.metadata])
    assert sheet.headers[-2:] == ("in the run", "for the class")
    grouped = [row for row in sheet.rows if row[0] == "grouped"]
    assert {row[-1] for row in grouped} == {"undecided"}
    (finding,) = device_findings(rows, [written.metadata])
    assert finding.text in [one.text for one in of_rows(rows, [written.metadata])]
    assert "hold for the class" in finding.text


def test_all_verdicts_hold_where_devices_are_equal(out):
    written = measured(out, 1.0, 1.0, 1.0)
    (finding,) = device_findings(plain(written.frame), [written.metadata])
    decided = len(finding.rows)
    assert decided > 0
    assert f"{decided} of {decided} decided verdicts hold for the class." in finding.text


def test_fewer_devices_than_asked_are_compared_and_said(out, capsys):
    written = measured(out, 1.0, 1.0, count=5)
    assert len(written.metadata["devices"]["nodes"]) == 2
    assert "has 2 devices, which are compared" in capsys.readouterr().err


def test_one_device_is_refused_before_anything_is_measured(out):
    engine = FakeEngine(Device("node 1"))
    with pytest.raises(UnavailableError, match="must find two devices of one class"):
        fleet.carry_out(request(out, 2), engine)
    assert "visit" not in engine.made[0].calls
    assert not list(out.rglob("*.*"))


def test_a_device_that_is_lost_meanwhile_is_left_out_and_named(out, capsys, monkeypatch):
    lost = []
    alone = repeats._alone

    def losing(asked, whole, one, *rest):
        if not lost:
            lost.append(one.name)
            one.node.end()
        return alone(asked, whole, one, *rest)

    monkeypatch.setattr(repeats, "_alone", losing)
    written = measured(out, 1.0, 1.0, 1.0)
    assert len(written.metadata["devices"]["nodes"]) == 2
    assert f"Not compared: {lost[0]}" in capsys.readouterr().err
    assert not list(out.rglob("*.journal"))


def test_a_device_that_was_lost_in_the_run_is_not_asked_again(out, capsys):
    engine = FakeEngine(Device("node 1", lives=1), Device("node 2"), Device("node 3"))
    (written,) = fleet.carry_out(request(out, 3), engine)
    assert len(written.metadata["left"]) == 1
    assert len(written.metadata["devices"]["nodes"]) == 2
    assert written.metadata["left"][0]["node"] not in written.metadata["devices"]["nodes"]
    assert "Not compared" not in capsys.readouterr().err


def test_the_sample_is_spread_over_the_plan(out):
    plan = request(out, 2).plan
    many = dataclasses.replace(plan, cohorts=tuple(c for _ in range(5) for c in plan.cohorts))
    assert len(repeats.sample(many).cohorts) == repeats.SAMPLE
    assert repeats.sample(many).cohorts[0] == many.cohorts[0]
    few = dataclasses.replace(plan, cohorts=plan.cohorts[:2])
    assert repeats.sample(few).cohorts == few.cohorts


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"executor": "local"}, "must go with a fleet"),
        ({"repeat_devices": 1}, "must be an integer from 2 to 64"),
        ({"repeat_devices": True}, "must be an integer from 2 to 64"),
    ],
)
def test_what_makes_no_sense_is_refused(out, options, told):
    with pytest.raises(SpaceError, match=told):
        request(out, 3, **options)


def test_a_run_without_it_says_nothing_of_devices(out):
    engine = FakeEngine(Device("node 1"), Device("node 2"))
    (written,) = fleet.carry_out(request(out, None), engine)
    assert "devices" not in written.metadata
    assert list(device_sheets(plain(written.frame), [written.metadata])) == []
    assert math.isfinite(written.metadata["time"]["total_s"])

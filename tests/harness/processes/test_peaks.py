"""The peaks of a run: which are read, what becomes of one that cannot be, and how they travel with the run."""

import pytest
from fake_clock import FakeClock
from fake_hosts import FakeHost, FakeWorker
from killed_runs import begin, fake_host

import grouped_bench as gb
from grouped_bench.analyse.environment.differences import differences
from grouped_bench.errors import HostError
from grouped_bench.harness.plan import make_plan
from grouped_bench.harness.processes import probing
from grouped_bench.harness.processes.peaks import read_peaks
from grouped_bench.harness.processes.workers import TaskFailedError
from grouped_bench.space.axes import Control
from grouped_bench.space.case import HostKey

PLAN = make_plan(
    gb.Space(groups=[1, 2], channels=[8], dtype=["float32", "float16", "mixed_float16"], device=["cpu", "gpu"])
)
RATES = {"flops_per_s": 1e11, "bytes_per_s": 1e10}


class Failing(FakeWorker):
    """A worker that fails on float16 with what its host holds."""

    def _peaks(self, request):
        self.host.clock.now += 1.0
        if request["dtype"] == "float16" and self.host.faults:
            raise self.host.faults
        return super()._peaks(request)


def host(faults=None):
    made = FakeHost(FakeClock(), {})
    made.worker, made.faults = Failing, faults
    made.restarts = []
    made.restart = lambda: made.restarts.append(1)
    return made


def read(made, **control):
    return read_peaks(PLAN, {HostKey("tensorflow"): made}, Control(**control), clock=lambda: made.clock.now)


def keys(peaks):
    return [(one["backend"], one["device"], one["dtype"]) for one in peaks]


def test_each_backend_device_and_dtype_has_its_peaks():
    made = host()
    found = read(made)
    assert set(keys(found)) == {
        ("tensorflow", device, dtype) for device in ("cpu", "gpu") for dtype in ("float32", "float16", "mixed_float16")
    }
    assert all({name: one[name] for name in RATES} == RATES for one in found)
    # Mixed policies compute in what others hold, which is read once.
    assert [(r["device"], r["dtype"]) for r in made.requests] == [
        (device, dtype) for dtype in ("float32", "float16") for device in ("cpu", "gpu")
    ]
    assert made.alive == 0


@pytest.mark.parametrize(
    ("fault", "restarts"),
    [
        (TaskFailedError("peaks", "crashed", "SIGILL"), 0),
        (HostError("A host must live", received="silence", remedy="Try again"), 2),
    ],
)
def test_what_cannot_be_read_is_left_out(fault, restarts):
    made = host(fault)
    assert {dtype for _, _, dtype in keys(read(made))} == {"float32"}
    assert len(made.restarts) == restarts


def test_a_worker_that_says_why_it_cannot_is_left_out():
    class Refusing(FakeWorker):
        def _peaks(self, request):
            return {"status": "unsupported", "reason": "no float16"}

    made = host()
    made.worker = Refusing
    assert read(made) == []


def test_peaks_take_no_more_than_their_share_of_the_budget():
    assert keys(read(host(), budget=20.0)) == [("tensorflow", "cpu", "float32")]
    assert len(read(host(), budget=400.0)) == 6
    assert read(host(), budget=19.0) == []


def test_a_run_holds_its_peaks_and_they_are_no_difference_between_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(probing, "Host", fake_host)
    made = begin(tmp_path, visits=6)
    where = {"backend": "tensorflow", "env": None, "threads": None, "device": "cpu"}
    expected = [{**where, "dtype": "float32", **RATES}]
    assert made.metadata["peaks"] == gb.load(made.path).metadata["peaks"] == expected
    assert made.metadata["time"]["peaks_s"] >= 0
    other = {**made.metadata, "peaks": []}
    assert differences([made.metadata, other]) == []


def test_a_run_that_is_gone_on_with_keeps_the_peaks_with_which_it_began(cut_short, monkeypatch):
    slower = {"flops_per_s": 1.0, "bytes_per_s": 1.0}
    monkeypatch.setattr(FakeWorker, "_peaks", lambda self, request: slower)
    made = gb.resume("latest", out=cut_short, page=False)
    assert [one["flops_per_s"] for one in made.metadata["peaks"]] == [1e11]

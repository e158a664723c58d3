"""Looks asked of hosts: joined with peaks, of the ends of a run's cohorts, and of tasks that fail on the way."""

import json

import pytest
from fake_clock import FakeClock
from fake_hosts import FakeHost, FakeWorker, crash
from killed_runs import SPACE, fake_host
from looks import cohort

import grouped_bench as gb
from grouped_bench.backends.torch import kernels_of
from grouped_bench.errors import HostError, SpaceError
from grouped_bench.harness.inspect.explain import Explainer
from grouped_bench.harness.processes import probing
from grouped_bench.space.axes import Control
from grouped_bench.space.case import HostKey
from grouped_bench.space.space import Space
from grouped_bench.store.journal import Journal

PEAK = {"backend": "tensorflow", "device": "cpu", "dtype": "float32", "flops_per_s": 1e11, "bytes_per_s": 1e10}
COSTS = {"regular": 0.01, "split_concat": 0.02, "grouped": 1.0}


def explainer(host=None, peaks=(PEAK,)):
    made = host or FakeHost(FakeClock(), COSTS, spread=1e-9)
    made.restart = lambda: None
    return Explainer({HostKey("tensorflow"): made}, Control(), 0, peaks)


def looks(made, *variants):
    return {one["variant"]: one for one in made.cohort(cohort(variants=variants))}


def test_a_look_joins_what_ran_with_counts_and_peaks():
    one = looks(explainer(), "regular", "split_concat")["split_concat"]
    assert one["status"] == "ok" and one["reason"] is None
    assert one["latency_s"] == pytest.approx(0.02, rel=1)
    assert one["macs"] == 3 * 8 * 28 * 28 * 128 * 9 * 4
    assert one["flops_per_s"] == pytest.approx(2 * one["macs"] / one["latency_s"])
    assert one["share_of_peak"] == pytest.approx(one["flops_per_s"] / 1e11)
    assert one["share_of_bandwidth"] == pytest.approx(one["min_bytes"] / one["latency_s"] / 1e10)
    assert one["peak"] == {"flops_per_s": 1e11, "bytes_per_s": 1e10}
    assert (one["call_s"], one["case"]) == (0.0002, "Conv2D 128→128 k3x3 on 28x28 groups 32 batch 8 training")
    assert one["primitives"][0]["count"] == 96
    assert one["causes"] == [
        "A call runs 96 convolutions for its 32 groups, each with its own launch and small operands."
    ]
    assert json.loads(json.dumps(one))["task"]["groups"] == 32


def test_without_a_peak_of_its_own_a_look_has_no_shares():
    one = looks(explainer(peaks=[PEAK | {"dtype": "float16"}]), "regular")["regular"]
    assert one["peak"] is one["share_of_peak"] is one["share_of_bandwidth"] is None
    assert one["flops_per_s"] > 0


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        (crash("grouped"), "crashed", "SIGSEGV"),
        ({"status": "unsupported", "reason": "not here"}, "unsupported", "not here"),
        (
            HostError("A host must live", received="silence", remedy="Wait"),
            "crashed",
            "the host process ended: silence",
        ),
    ],
)
def test_a_variant_that_fails_says_its_status_and_reason_and_the_others_go_on(fault, status, reason):
    found = looks(explainer(FakeHost(FakeClock(), COSTS, faults={"grouped": fault})), "grouped", "regular")
    failed = found["grouped"]
    assert (failed["status"], failed["reason"], failed["latency_s"]) == (status, reason, None)
    assert failed["primitives"] == failed["causes"] == [] and failed["primitive_seconds"] == {}
    assert found["regular"]["status"] == "ok"


def test_a_look_that_cannot_be_had_says_so():
    class Silent(FakeWorker):
        def _explain(self, request):
            return {"status": "error", "reason": "no log"}

        _empty = _explain

    host = FakeHost(FakeClock(), COSTS)
    host.worker = Silent
    one = looks(explainer(host), "regular")["regular"]
    assert (one["status"], one["reason"], one["call_s"]) == ("error", "no log", None)


@pytest.fixture
def fake(monkeypatch, tmp_path):
    monkeypatch.setattr(probing, "Host", fake_host)
    return tmp_path


def run(out, **more):
    return gb.run(gb.Space(**SPACE), out=out, seed=3, visits=6, page=False, **more)


def test_a_run_looks_into_the_slowest_and_the_fastest_of_each_cohort(fake):
    made = run(fake, explain=True)
    found = [(one["task"]["groups"], one["task"]["size"][0], one["variant"]) for one in made.metadata["explanations"]]
    assert len(found) == 12  # of six cohorts
    for place in range(0, 12, 2):
        assert found[place][:2] == found[place + 1][:2]
        # split_sum costs 3 % more than regular, in samples that vary by more.
        assert found[place][2] in ("split_sum", "regular") and found[place + 1][2] == "grouped"
    first, latency = made.metadata["explanations"][0], made.frame.set_index(["groups", "variant"])["latency_s"]
    assert first["latency_s"] in latency[first["task"]["groups"], first["variant"]].to_list()
    assert made.metadata["time"]["explain_s"] >= 0


def test_a_run_that_was_not_asked_looks_into_nothing(fake):
    assert "explanations" not in run(fake).metadata


def test_a_run_that_is_gone_on_with_may_be_asked(fake, monkeypatch):
    monkeypatch.setattr(Journal, "remove", Journal.close)
    path = run(fake).path
    path.unlink()
    assert gb.resume("latest", out=fake, page=False, explain=True).metadata["explanations"]


def test_an_interrupt_ends_the_looks_and_keeps_the_run():
    asked = []
    made = explainer()
    frame = _frame(["regular", "grouped"], cohorts=3)

    def stop():
        asked.append(1)
        return len(asked) > 1

    cohorts = [cohort(variants=["regular", "grouped"])] * 3
    found = list(made.ends(cohorts, frame, [0, 0, 1, 1, 2, 2], stop=stop))
    assert [one["variant"] for one in found] == ["grouped", "regular"]


def test_a_cohort_with_one_ok_task_has_one_look_and_one_without_has_none():
    frame = _frame(["regular", "grouped"], cohorts=2)
    frame.loc[[1, 2, 3], "status"] = "oom"
    frame.loc[[1, 2, 3], "latency_s"] = None
    cohorts = [cohort(variants=["regular", "grouped"])] * 2
    found = list(explainer().ends(cohorts, frame, [0, 0, 1, 1], stop=lambda: False))
    assert [one["variant"] for one in found] == ["regular"]


def _frame(variants, cohorts):
    import pandas as pd

    rows = [
        {"variant": name, "status": "ok", "choice": None, "latency_s": COSTS[name]}
        for _ in range(cohorts)
        for name in variants
    ]
    return pd.DataFrame(rows)


def test_more_than_one_case_is_refused_with_the_way_out():
    with pytest.raises(SpaceError) as caught:
        gb.explain(Space(source="options"), groups="1,2")
    assert str(caught.value) == (
        "`explain` takes one case. Received: 2 cases: Conv2D 64→64 k3x3 on 28x28 groups 1 batch 8 inference; Conv2D "
        "64→64 "
        "k3x3 on 28x28 groups 2 batch 8 inference. Give one value to each axis except variant, backend, "
        "execution, device and cache."
    )


def test_one_case_is_looked_at_in_each_of_its_settings(fake):
    found = gb.explain(Space(source="options"), groups=2, channels=8, variant="regular,grouped", cache="hot,cold")
    assert [(one["variant"], one["task"]["cache"]) for one in found] == [
        (name, cache) for cache in ("hot", "cold") for name in ("regular", "grouped")
    ]
    assert all(one["peak"] for one in found)


class Event:
    """What torch.profiler's `key_averages` gives for one name."""

    def __init__(self, key, count, micro):
        self.key, self.count, self.self_device_time_total = key, count, micro


def test_of_a_profile_what_took_time_on_the_gpu_are_the_kernels():
    events = [
        Event("cudaLaunchKernel", 4, 0.0),
        Event("sm90_xmma_fprop_implicit_gemm_f32f32_tf32f32_f32_nhwckrsc_nhwc", 1, 151.5),
        Event("Memcpy HtoD (Pageable -> Device)", 2, 3),
        Event("cudaDeviceSynchronize", 1, 0),
    ]
    found = [(one.name, one.count, one.seconds) for one in kernels_of(events)]
    assert found == [(events[1].key, 1, pytest.approx(151.5e-6)), (events[2].key, 2, pytest.approx(3e-6))]

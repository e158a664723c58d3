"""What no machine can compute is told, by its peaks and by what honest variants reach; and what is honest is left."""

import pytest

import grouped_bench as gb
from grouped_bench.analyse.rows import is_ok, plain
from grouped_bench.analyse.statistics.limits import IMPLAUSIBLE, implausible
from grouped_bench.harness.processes.peaks import best_of
from grouped_bench.report.findings.findings import findings

pytestmark = pytest.mark.usefixtures("registry")
PLACE = {"backend": "tensorflow", "env": None, "threads": None, "device": "cpu:0", "dtype": "float32"}
PEAK = {**PLACE, "flops_per_s": 1e11, "bytes_per_s": 1e10}


def row(variant="regular", seconds=1e-3, macs=10**7, **changed):
    """With these figures 2e10 operations a second."""
    figures = {"latency_s": seconds, "macs": macs, "min_bytes": 10**6, "cache": "hot"}
    return {**PLACE, "variant": variant, "status": "ok", **figures, **changed}


def told(rows, peaks):
    return implausible(rows, peaks, {"regular"})


@pytest.mark.parametrize(
    ("seconds", "is_impossible"),
    [(1e-3, False), (1e-4, False), (8.1e-5, False), (7.9e-5, True), (1e-6, True)],
)
def test_more_than_the_peak_and_fast_algorithms_allow_is_impossible(seconds, is_impossible):
    assert told([row(), row("mine", seconds)], [PEAK]) == [False, is_impossible]


def test_where_a_peak_was_measured_badly_what_our_variants_reach_is_the_limit():
    slow = {**PEAK, "flops_per_s": 9e8}
    assert told([row(), row("mine", 9e-4), row("mine", 3.9e-4)], [slow]) == [False, False, True]
    assert told([row(), row("mine", 3.9e-4)], []) == [False, True]
    assert told([row("mine", 1e-9)], []) == [False], "nothing is known"


def test_less_than_half_an_empty_call_is_impossible():
    peak = {**PEAK, "call_s": 2e-4}
    found = told([row(), row("mine", 1.1e-4, macs=10), row("mine", 0.9e-4, macs=10)], [peak])
    assert found == [False, False, True]


@pytest.mark.parametrize(
    ("cache", "size", "is_impossible"),
    [("cold", 24 * 10**6, False), ("cold", 26 * 10**6, True), ("hot", 26 * 10**6, False)],
)
def test_a_cold_call_that_moves_more_than_the_bandwidth_allows_is_impossible(cache, size, is_impossible):
    mine = row("mine", 1e-3, cache=cache, min_bytes=size)
    assert told([row(cache=cache), mine], [PEAK]) == [False, is_impossible]
    reached = row(cache="cold", min_bytes=12 * 10**6)
    assert told([reached, mine], [PEAK]) == [False, False], "a variant of ours moves nearly as much"


def test_another_setting_and_what_failed_set_no_limit():
    others = [row(device="gpu:0", seconds=1e-6), row(status="incorrect", seconds=None)]
    assert told([*others, row("mine", 1e-7)], [{**PEAK, "dtype": "float16"}]) == [False] * 3


def test_an_impossible_variant_has_a_latency_and_no_verdict_and_is_not_ranked(tmp_path, monkeypatch):
    from killed_runs import fake_host

    from grouped_bench.harness.processes import probing

    def host(*given, **more):
        made = fake_host(*given, **more)
        made.costs = {**made.costs, "regular": 1e-3, "mine": 1e-9}
        return made

    monkeypatch.setattr(probing, "Host", host)
    (tmp_path / "mine.py").write_text(
        "import grouped_bench as gb\nfrom grouped_bench.variants.layers.regular import Regular\n\n@gb.variant\n"
        "class Mine(Regular):\n    name = 'mine'\n    summary = 'too good'\n"
    )
    space = gb.Space(groups=2, channels=8, size=5, batch_size=1, variant=["regular", "mine"])
    run = gb.run(space, out=tmp_path / "out", files=[tmp_path / "mine.py"], seed=3, visits=8, page=False)
    made = {one.variant: one for one in plain(run.frame)}
    assert IMPLAUSIBLE in made["mine"].flags
    assert made["mine"].latency_s is not None
    assert made["mine"].verdict is None
    assert not is_ok(made["mine"])
    assert is_ok(made["regular"])
    text = "\n".join(one.text for one in findings(run.frame, [run.metadata]))
    assert "Not ranked: mine, faster than this machine can compute it in 1 task." in text
    assert "faster than regular" not in text


def test_of_two_readings_of_the_peaks_the_better_ones_are_kept():
    early = {**PEAK, "flops_per_s": 9e8, "call_s": 3e-4}
    late = {**PEAK, "bytes_per_s": 5e9, "call_s": 2e-4}
    other = {**PEAK, "dtype": "float16"}
    assert best_of([early, other, late]) == [{**PEAK, "call_s": 2e-4}, other]
    assert best_of([]) == []

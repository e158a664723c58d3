"""What the measuring scripts make of visits: when a pair was settled, what it had cost, and who was narrower sooner."""

import math
import time

import pytest
from cases import GRAPH, make_case
from scipy import special

from grouped_bench.harness.plan import Cohort
from grouped_bench.space.axes import Control

COHORT = Cohort(make_case(groups=1), GRAPH, ("regular", "slower_5", "twin_1"))


@pytest.fixture
def visits(registry):
    import visits

    return visits


def records(ratios, *, seconds=1.0, fixed=0.1):
    """A visit for each of `ratios`, a process each, in which `slower_5` takes so many times the baseline."""
    return [
        {"process": process, "seconds": seconds, "time": {"start_s": fixed}, "start_seconds": 0.3, "visit_seconds": 0.6,
         "stolen": 0.0, "throttled": 0.0, "failed": {},
         "built": {name: {"iterations": 1, "verify_s": 0.0} for name in ("regular", "slower_5")},
         "samples": {"regular": [0.001] * 5, "slower_5": [0.001 * ratio] * 5, "twin_1": [0.001] * 5}}
        for process, ratio in enumerate(ratios)
    ]  # fmt: skip


def test_a_pair_pays_for_the_start_and_its_share_of_the_rest(visits):
    first, second = records([1.05, 1.05])
    del second["samples"]["twin_1"]
    assert visits.seconds_of([first], "slower_5") == pytest.approx(0.1 + 0.9 * 2 / 3)
    assert visits.seconds_of([first, second], "slower_5") == pytest.approx(0.1 + 0.9 * 2 / 3 + 1.0)
    assert visits.seconds_of([first, second], "twin_1") == pytest.approx(0.1 + 0.9 * 2 / 3)


def test_a_pair_stands_where_a_run_of_its_own_would_have_stopped(visits):
    made = records([1.05, 1.051, 1.049, 1.052, 1.048, 1.05, 1.05, 1.05])
    stand = visits.stand(made, COHORT, "slower_5", Control(margin=0.005, precision=0.0025))
    assert (stand.verdict, stand.settled) == ("slower", True)
    assert stand.speedup == pytest.approx(1 / 1.05, rel=1e-3)
    assert stand.seconds == pytest.approx(visits.seconds_of(made[:6], "slower_5"))


def test_a_pair_without_an_answer_is_undecided(visits):
    stand = visits.stand(records([1.05, 1.02]), COHORT, "slower_5", Control())
    assert (stand.verdict, stand.settled) == ("undecided", False)


def test_width_is_students_over_processes(visits):
    logs = [0.01, 0.02, 0.03]
    found = visits.ratio_width(records([math.exp(log) for log in logs]), "slower_5")
    assert found == pytest.approx(4.302653 * 0.01 / math.sqrt(3), rel=1e-5)
    assert visits.ratio_width(records([1.0, 1.1]), "slower_5") is None


def test_a_design_is_as_narrow_no_sooner_than_a_run_may_stop(visits):
    import design

    made = records([1.05, 1.05001] * 4)
    pair = design.pair(COHORT, "slower_5", 0.01, 20.0, made)
    assert (pair["visits"], pair["reached"], pair["ours_s"], pair["ratio"]) == (3, True, 3.0, 0.15)
    never = design.pair(COHORT, "slower_5", 0.0, 20.0, made)
    assert (never["visits"], never["reached"], never["ratio"]) == (8, False, 0.4)


def test_welchs_width():
    import design

    freedom = 2 * 0.05**2 / (0.01**2 + 0.04**2)
    expected = special.stdtrit(freedom, 0.975) * math.sqrt((0.01 + 0.04) / 3)
    assert design.welch_width([0.0, 0.1, 0.2], [1.0, 1.2, 1.4]) == pytest.approx(expected)


def test_what_is_not_found_counts_as_never_found(registry):
    import power

    trials = [
        {"found_s": seconds, "estimate": 0.05, "verdict": "slower", "default_verdict": "slower"}
        for seconds in (4.0, 9.0, 12.0, None)
    ]
    level = power.level(0.05, trials)
    assert [within["share"] for within in level["within"]] == [0.25, 0.5, 0.75, 0.75]
    assert level["median_s"] == 10.5


def test_a_slowed_step_takes_so_much_longer_as_it_took(registry, monkeypatch):
    import injected

    now = [0.0]

    def tick():
        now[0] += 1e-4
        return now[0]

    def step():
        now[0] += 2.0
        return "outputs"

    monkeypatch.setattr(time, "perf_counter", tick)
    assert injected.slowed(step, 0.05)() == "outputs"
    assert now[0] == pytest.approx(2.1, abs=1e-3)


def test_the_untimed_call_after_another_steps_is_not_slowed(registry, monkeypatch):
    import injected

    now = [0.0]

    def step():
        now[0] += 0.01

    def read():
        now[0] += 1e-6
        return now[0]

    monkeypatch.setattr(time, "perf_counter", read)
    slower, plain = injected.slowed(step, 0.10), injected.noted(step)
    taken = []
    for call in (slower, slower, slower, plain, slower, slower):
        before = now[0]
        call()
        taken.append(round(now[0] - before, 4))
    assert taken == [0.01, 0.011, 0.011, 0.01, 0.01, 0.011]


def test_a_wait_so_long_that_no_call_precedes_the_sample_follows_every_call(registry, monkeypatch):
    """A call of 1 ms and a wait of 29 are timed without a call before: after another step it waits all the same."""
    import injected

    now = [0.0]

    def step():
        now[0] += 0.001

    def read():
        now[0] += 1e-7
        return now[0]

    monkeypatch.setattr(time, "perf_counter", read)
    slower, plain = injected.slowed(step, 29.0), injected.noted(step)
    plain()
    before = now[0]
    slower()
    assert now[0] - before == pytest.approx(0.03, rel=0.01)


@pytest.mark.parametrize(
    ("peaks", "repeatable", "possible"),
    [([5, 5], True, True), ([1, 1.06], True, False), ([1, 1.07], False, False), ([3, 3], True, False),
     ([5, 5.1], True, True), ([5, 5.2], False, True),
     ([100, 102.9], True, True), ([100, 103.1], False, True), ([5, None], False, True), ([None, None], None, None)],
)  # fmt: skip
def test_readings_are_judged_by_3_percent_or_64_kib_and_by_what_must_live(peaks, repeatable, possible):
    import memory

    judged = memory.judged([None if peak is None else int(peak * 2**20) for peak in peaks], 4 * 2**20)
    assert (judged["repeatable"], judged["possible"]) == (repeatable, possible)


def test_a_claim_is_a_verdict_of_ours_and_a_large_error_of_a_peers(registry):
    import peers

    results = [
        {"log_ratio": log, "verdict": verdict, "process_s": 9.0, "import_s": 4.0}
        for log, verdict in ((0.06, "equivalent"), (0.01, "faster"), (-0.07, "undecided"))
    ]
    assert peers.summary("ours", results)["claims"] == 1
    assert peers.summary("pytest", results)["claims"] == 2


def test_a_task_is_good_where_its_memory_was_counted_and_repeats():
    import memory

    tasks = [
        {"class": "PyTorch", "shape": shape, "status": status, "source": source, "repeatable": repeatable}
        for shape, status, source, repeatable in (
            ("quick", "ok", "counted", True), ("quick", "ok", "counted", False), ("quick", "ok", "resident", True),
            ("quick", "ok", "counted", True), ("quick", "unsupported", None, None), ("small", "ok", "counted", True),
        )
    ]  # fmt: skip
    assert memory.share_counted(tasks, "PyTorch") == 2 / 4
    assert memory.share_counted(tasks, "TensorFlow without") is None

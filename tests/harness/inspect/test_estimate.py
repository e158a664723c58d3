"""What a run will take: by counts, by what runs on this machine recorded, and by first calls."""

import dataclasses

import pytest
from killed_runs import SPACE, begin, fake_host

import grouped_bench as gb
from grouped_bench.errors import UnavailableError
from grouped_bench.harness import lock
from grouped_bench.harness.inspect.estimate import Known, estimate, key_of, known_of
from grouped_bench.harness.plan import make_plan
from grouped_bench.harness.processes import probing
from grouped_bench.layers.choice import runs_here
from grouped_bench.report import plans
from grouped_bench.space.axes import Control
from grouped_bench.space.space import Space


def plan(**axes):
    return make_plan(Space(**axes))


def seconds(made, known, **control):
    return estimate(made, Control.model_validate(control), known).seconds


def known(made, **of):
    """The same of every task, or of the variants that `of` names."""
    told = of or dict.fromkeys(made.variants, Known(0.2, 0.01, 9))
    return {key_of(c, name): told[name] for c in made.cohorts for name in c.variants if name in told}


def test_of_counts_alone_it_grows_with_the_work_and_stops_at_the_budget():
    small, large = plan(), plan(channels=[64, 128])
    assert 0 < seconds(small, {}) < seconds(large, {})
    assert seconds(large, {}, budget="7s") == 7.0
    assert estimate(large, Control(), {}).measured == estimate(large, Control(), {}).tried == 0


def test_the_memory_is_that_of_the_largest_task_as_far_as_it_is_known():
    made = plan(channels=[64, 128], variant="regular")
    least = 4 * (2 * 8 * 28 * 28 * 128 + 9 * 128 * 128)
    assert estimate(made, Control(), {}).peak_bytes == least
    small, large = made.cohorts
    read = {
        key_of(small, "regular"): Known(0.1, 0.01, 9, 3 * least),
        key_of(large, "regular"): Known(0.1, 0.01, 9, least),
    }
    assert estimate(made, Control(), read).peak_bytes == 3 * least
    of_small = small.counts("regular").min_bytes
    times = {key_of(small, "regular"): Known(0.1, 0.01, 9, 2 * of_small)}
    assert estimate(made, Control(), times).peak_bytes == 2 * least  # as many times the least


def test_a_slow_implementation_is_reckoned_with():
    """Keras' groups= takes 3 s a call where its counts promise a millisecond."""
    made = plan(groups=32, channels=128, variant="regular,grouped", passes="training")
    slow = known(made, grouped=Known(4.0, 3.0, 6), regular=Known(0.3, 0.05, 6))
    assert seconds(made, slow) > 6 * (4.0 + 3.0)
    assert seconds(made, slow) > 2 * seconds(made, {})


def test_the_visits_are_those_of_the_recorded_run_within_those_of_this_one():
    made = plan(variant="regular")
    few, many = (known(made, regular=Known(0.2, 0.01, count)) for count in (4, 20))
    assert seconds(made, many) > 3 * seconds(made, few) - 2 * seconds(plan(variant="regular"), few, visits=1)
    assert seconds(made, many, visits=4) == seconds(made, few, visits=4)
    assert seconds(made, few, visits=24, least_visits=20) == seconds(made, many)


def test_another_task_is_not_taken_for_it():
    made, other = plan(variant="regular", env={"A": ["0"]}), plan(variant="regular")
    assert seconds(made, known(other, regular=Known(9.0, 9.0, 9))) == seconds(made, {})


# Runs and first calls, of fake workloads


def of_each(name, found):
    """The different values of a field among the tasks that can run."""
    return {getattr(told, name) for told in found.values() if told is not None}


@pytest.fixture
def fake(tmp_path, monkeypatch):
    monkeypatch.setattr(probing, "Host", fake_host)
    return tmp_path


def test_what_a_run_recorded_is_what_a_plan_of_it_tells(fake):
    """Also in the process that made the run."""
    before = gb.plan(Space(**SPACE), out=fake)["estimate"]
    assert (before["measured"], before["tried"], before["failed"]) == (0, 0, 0)
    run = begin(fake)
    after = gb.plan(Space(**SPACE), out=fake)["estimate"]
    ok = run.frame["status"] == "ok"
    assert after["measured"] == ok.sum() > 0
    assert after["failed"] == (run.frame["status"] == "unsupported").sum() > 0
    assert after["peak_bytes"] >= run.frame.loc[ok, "peak_memory_bytes"].max()
    assert of_each("visits", known_of(runs_here(str(fake)))) == {8}
    assert gb.plan(Space(**SPACE), out=fake / "elsewhere")["estimate"] == before


@pytest.mark.parametrize(("stopped_by", "visits"), [("settled", 8), ("visits", 8), ("budget", None), ("user", None)])
def test_the_visits_of_a_run_that_ended_early_are_not_what_a_task_takes(stopped_by, visits, fake):
    begin(fake)
    ((rows, facts),) = runs_here(str(fake))
    found = known_of([(rows, {**facts, "stopped_by": stopped_by})])
    assert of_each("visits", found) == {visits}
    assert of_each("is_recorded", found) == {True}


def test_the_same_run_again_is_said_to_take_what_it_took(fake):
    """Whatever took its time besides calls, and of another plan the same share of it."""
    begin(fake)
    ((rows, facts),) = runs_here(str(fake))
    facts = {name: fact for name, fact in facts.items() if name != "resumed"} | {"stopped_by": "settled"}
    made, control = make_plan(Space(**SPACE)), {"visits": 8}
    usual = seconds(made, known_of([(rows, facts | {"time": {}})]), **control)
    for took in (0.5 * usual, 2 * usual):
        found = known_of([(rows, facts | {"time": {"total_s": took + 7.0, "explain_s": 7.0}})])
        assert seconds(made, found, **control) == pytest.approx(took)
    far = known_of([(rows, facts | {"time": {"total_s": 1000 * usual}})])
    assert of_each("pace", far) == {4.0}
    parts = known_of([(rows, facts | {"time": {"total_s": 2 * usual}, "resumed": [{"at": 1.0, "torn": 0}]})])
    assert of_each("pace", parts) == {1.0}


def test_the_newest_of_several_runs_counts(fake):
    run = begin(fake)
    ((rows, facts),) = runs_here(str(fake))
    newest = [dataclasses.replace(row, started_at="9999", latency_s=7.0) for row in rows if row.latency_s]
    assert of_each("call_s", known_of([(newest, facts), (rows, facts)])) == {7.0}
    assert run.frame["latency_s"].max() < 7.0


def test_what_no_run_has_is_called_once_and_what_fails_is_no_longer_open(fake):
    told = gb.plan(Space(**SPACE), out=fake, first_calls=True)
    works = [task for task in told["tasks"] if task["variant"] != "split_concat"]
    refused = len(told["tasks"]) - len(works)
    estimate = told["estimate"]
    assert (estimate["measured"], estimate["tried"], estimate["failed"]) == (0, len(works), refused)
    text = " ".join(plans.render(told, "table").split())
    assert f"{refused} tasks cannot run here. The largest" in text
    assert "implementation is slow" not in text
    begin(fake)
    again = gb.plan(Space(**SPACE), out=fake, first_calls=True)["estimate"]
    assert (again["measured"], again["tried"], again["failed"]) == (len(works), 0, refused)


def test_calls_wait_for_no_other_run(fake, monkeypatch):
    monkeypatch.setenv(lock.VARIABLE, str(fake / "lock"))
    with lock.alone(lambda _: None, wait=False), pytest.raises(UnavailableError):
        gb.plan(Space(**SPACE), out=fake, first_calls=True)

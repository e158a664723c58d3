"""A learning run: what workers are asked, what the file holds after any end, and what ends it."""

import dataclasses
import json

import numpy as np
import pytest
from fake_clock import FakeClock
from trainings import CLASSES, SHAPE, STUDY, responses

from grouped_bench import backends
from grouped_bench.errors import CutShortError, HostError, OutputError, RunError
from grouped_bench.harness.learning.learning_run import LearningRun, LearnRequest
from grouped_bench.harness.learning.study import RATES
from grouped_bench.harness.learning.workers import backend_seconds
from grouped_bench.harness.progress import Progress
from grouped_bench.measure.models.learning.data import Examples
from grouped_bench.store import learning as store

TRAINING_S = 3.0
FOUND = {"libraries": {"numpy": "2"}, "python": "3.12", "in_force": {"onednn": True}}


def examples(seed=0):
    rng = np.random.default_rng(seed)
    x = {name: rng.normal(size=(12, *SHAPE)).astype(np.float32) for name in ("train", "validation", "test")}
    return Examples(x, {name: np.arange(12, dtype=np.int32) % CLASSES for name in x})


class Workers:
    """What workers answer, by seeded accuracies on a fake clock; keeps what they were asked."""

    def __init__(self, gains=None, *, spread=0.004, faults=None):
        self.clock, self.asked, self.held = FakeClock(), [], []
        self.gains, self.spread, self.faults = gains or {}, spread, faults or {}

    def __call__(self, *requests, held=None):
        self.asked += requests
        self.held.append(held)
        answers = []
        for request in requests:
            answers.append(self._answer(request))
            if answers[-1].get("failed"):
                break
        return answers

    def _answer(self, request):
        if request["op"] == "build":
            (name,) = request["variants"]
            failed = name == self.faults.get("variant")
            return {"built": {} if failed else {name: {"choice": "m=2"}}, "failed": {name: {}} if failed else {}}
        if request["op"] == "visit":
            (name,) = request["variants"]
            return {"samples": {name: [None, 0.002 if name == "merged_groups" else 0.003]}}
        if request["what"] == "memory":
            return {"peak_bytes": 4096}
        self.clock.now += TRAINING_S
        return self._trained(request["network"]["name"], request["recipe"])

    def _trained(self, name, recipe):
        fault = self.faults.get((name, recipe["seed"]))
        if fault:
            return fault
        rng = np.random.default_rng([recipe["seed"], *name.encode()])
        accuracy = (
            0.8 + self.gains.get(name, 0.0) + float(rng.normal(0, self.spread)) - abs(recipe["learning_rate"] - 0.2)
        )
        found = {
            **{"accuracy": accuracy, "validation_accuracy": accuracy, "losses": [1.0, 0.5]},
            **{"validation_losses": [1.1, 0.6], "training_s": 2.0, "first_epoch_s": 1.0, "stolen": 0.0},
        }
        kept = {"before": responses(1), "after": responses(4)}
        return found | ({"responses": kept} if recipe["responses"] else {})

    def trained(self):
        return [
            (one["network"]["name"], one["recipe"]["seed"], one["recipe"]["learning_rate"])
            for one in self.asked
            if one["op"] == "learn" and one["what"] == "train"
        ]


@pytest.fixture
def learn(tmp_path):
    """Makes a run with fake workers; with `stop` after so many answers, `resumed` from a file."""

    def made(workers, *, budget=None, seeds=20, stop=None, resumed=None, study=STUDY, given=None):
        request = LearnRequest(study, "digits", tmp_path, "tensorflow", seeds, budget)
        asked = 0

        def stopped():
            nonlocal asked
            asked += 1
            return stop is not None and asked > stop

        with Progress(quiet=True) as progress:
            run = LearningRun(
                request, workers, given or examples(), "examples.npz", progress, stopped, workers.clock, workers.clock()
            )
            run.begin(FOUND, "2.21.0", resumed)
            run.go()
        return run

    return made


def test_all_is_trained_until_every_comparison_has_its_verdict(learn):
    workers = Workers({"g4": 0.1, "wide": -0.1})
    made, facts = store.read(learn(workers).path)
    assert (facts["stopped_by"], facts["finished"]) == ("settled", True)
    assert len(made) == 3 * (len(RATES) + 6)
    assert {one.learning_rate for one in made if one.phase == store.SEED} == {0.2}


def test_trainings_of_one_network_are_of_one_worker_that_stays(learn):
    workers = Workers({"g4": 0.1, "wide": -0.1})
    learn(workers)
    assert {name for name in workers.held if name} == {"dense", "g4", "wide"}


def test_the_fastest_variant_computes_the_layers_in_groups(learn):
    run = learn(Workers({"g4": 0.1, "wide": -0.1}))
    assert [one["carrier"] for one in run.facts["carriers"].values()] == 2 * [["merged_groups", "m=2"]]


def test_a_variant_that_fails_computes_nothing(learn):
    workers = Workers({"g4": 0.1, "wide": -0.1}, faults={"variant": "merged_groups"})
    run = learn(workers)
    assert not {one["carrier"][0] for one in run.facts["carriers"].values()} & {"merged_groups"}
    assert all("merged_groups" not in one["seconds"] for one in run.facts["carriers"].values())


def test_carriers_take_no_more_than_their_share_of_the_budget(learn):
    class Slow(Workers):
        def _answer(self, request):
            self.clock.now += 20.0 if request["op"] == "visit" else 0.0
            return super()._answer(request)

    assert len(learn(Slow(spread=0.08), budget=200.0).facts["carriers"]) == 1


def test_what_is_trained_is_asked_with_its_carriers(learn):
    workers = Workers({"g4": 0.1, "wide": -0.1})
    run = learn(workers)
    asked = next(one for one in workers.asked if one["op"] == "learn")
    assert set(asked["carriers"]) == set(run.facts["carriers"])
    json.dumps(workers.asked)


def test_memory_and_responses_are_kept(learn):
    made, facts = store.read(learn(Workers({"g4": 0.1, "wide": -0.1})).path)
    assert {one.peak_memory_bytes for one in made} == {4096}
    assert set(facts["responses"]) == {"dense", "g4"}


def test_a_place_that_takes_no_file_is_noticed_before_anything_is_asked(learn, tmp_path, monkeypatch):
    def full(*arguments):
        raise OutputError("The file must be writable", received="a full disk", remedy="Free space")

    monkeypatch.setattr(store, "write", full)
    workers = Workers()
    with pytest.raises(OutputError, match="a full disk"):
        learn(workers)
    assert workers.asked == []


def test_seeds_end_the_run(learn):
    run = learn(Workers(spread=0.08), seeds=7)
    assert run.facts["stopped_by"] == "seeds"
    assert max(one.seed for one in run.trainings if one.phase == store.SEED) == 6


def test_the_budget_ends_the_run_and_what_there_is_is_kept(learn):
    run = learn(Workers(spread=0.08), budget=60.0)
    made, facts = store.read(run.path)
    assert facts["stopped_by"] == "budget"
    assert 60 - 2 * TRAINING_S <= facts["seconds"] <= 60
    assert len(made) == facts["seconds"] / TRAINING_S


@pytest.mark.parametrize(
    ("budget", "first", "last"),
    [
        (None, "at least 1:18 left · tuning 1/9", "at least 0:21 left · 26 trainings"),
        (60.0, "0:57 left · tuning 1/9", ""),
    ],
)
def test_progress_says_what_is_left(learn, monkeypatch, budget, first, last):
    """9 trainings for rates and 18 until the first look, of 3 s each; or what is left of the budget."""
    said = []
    monkeypatch.setattr(Progress, "say", lambda self, text, share=None: said.append((text, share)))
    learn(Workers({"g4": 0.1, "wide": -0.1}), budget=budget)
    told = [(text, share) for text, share in said if "left" in text]
    assert told[0][0].startswith(first)
    assert told[-1][0].startswith(last)
    assert all(0 < share < 1 for _, share in told)


def test_a_training_that_fails_is_a_row_and_ends_its_comparison(learn):
    fault = {"status": "oom", "reason": "no memory"}
    run = learn(Workers({"g4": 0.1, "wide": -0.1}, faults={("g4", 2): fault}))
    (failed,) = [one for one in run.trainings if one.status != "ok"]
    assert (failed.status, failed.reason, failed.accuracy) == ("oom", "oom: no memory", None)


def test_a_training_that_diverges_says_so(learn):
    fault = {"diverged": True, "losses": [3.0], "validation_losses": []}
    run = learn(Workers({"g4": 0.1, "wide": -0.1}, faults={("g4", 2): fault}))
    (failed,) = [one for one in run.trainings if one.status != "ok"]
    assert (failed.status, failed.losses) == ("diverged", (3.0,))


@pytest.mark.parametrize("stop", [0, 1, 5, 14, 20])
def test_what_was_interrupted_goes_on_and_ends_the_same(learn, stop):
    whole, first = Workers({"g4": 0.1, "wide": -0.1}), Workers({"g4": 0.1, "wide": -0.1})
    wanted = {(one.network, one.phase, one.seed, one.learning_rate): one.accuracy for one in learn(whole).trainings}
    # Carriers ask whether to stop too.
    part = learn(first, stop=stop + 2 + 1)
    assert part.facts["stopped_by"] == "user"
    assert not part.facts["finished"]
    second = Workers({"g4": 0.1, "wide": -0.1})
    run = learn(second, resumed=part.path)
    found = {(one.network, one.phase, one.seed, one.learning_rate): one.accuracy for one in store.read(run.path)[0]}
    assert (found, run.path) == (wanted, part.path)
    assert not {*first.trained()} & {*second.trained()}


def test_a_kill_loses_the_training_in_flight_alone(learn, tmp_path):
    class Killed(Workers):
        def _answer(self, request):
            if len(self.trained()) > 15:
                raise SystemExit
            return super()._answer(request)

    workers = Killed({"g4": 0.1, "wide": -0.1})
    with pytest.raises(SystemExit):
        learn(workers)
    (path,) = tmp_path.rglob("*.parquet")
    assert len(store.read(path)[0]) == 15
    second = Workers({"g4": 0.1, "wide": -0.1})
    assert len(learn(second, resumed=path).trainings) == 3 * (len(RATES) + 6)
    assert len(second.trained()) == 3 * (len(RATES) + 6) - 15


def test_an_interrupt_before_the_first_training_leaves_nothing(learn, tmp_path):
    with pytest.raises(CutShortError, match="Run it again"):
        learn(Workers(), stop=0)
    assert list(tmp_path.rglob("*.parquet")) == []


def test_a_run_goes_on_with_its_own_examples_only(learn):
    part = learn(Workers(), stop=6)
    with pytest.raises(RunError, match="another data"):
        learn(Workers(), resumed=part.path, given=examples(seed=1))


def test_a_run_goes_on_with_its_own_networks_only(learn):
    part = learn(Workers(), stop=6)
    with pytest.raises(RunError, match="another study"):
        learn(Workers(), resumed=part.path, study=dataclasses.replace(STUDY, epochs=1))


class Backends:
    """Hosts of backends that train in so many seconds, or answer something else."""

    def __init__(self, answers):
        self.answers, self.asked = answers, []

    def __call__(self, name):
        self.asked.append(name)
        if isinstance(self.answers[name], Exception):
            raise self.answers[name]
        return _Host(self.answers[name])


class _Host:
    def __init__(self, answer):
        self.answer = answer

    def __enter__(self):
        return lambda *requests: [self.answer]

    def __exit__(self, *_):
        return None


def timed_backends(monkeypatch, answers, installed):
    for name in backends.names():
        monkeypatch.setattr(backends.named(name), "installed", lambda name=name: name in installed)
    hosts = Backends(answers)
    with Progress(quiet=True) as progress:
        return backend_seconds(STUDY, "examples.npz", progress, hosts), hosts.asked


def test_the_backends_are_timed_by_a_short_training(monkeypatch):
    answers = {"jax": {"training_s": 9.0}, "tensorflow": {"training_s": 3.0}, "torch": {"training_s": 6.0}}
    found, _ = timed_backends(monkeypatch, answers, answers)
    assert found == {"jax": 3.0, "tensorflow": 1.0, "torch": 2.0}


def test_a_backend_that_fails_is_left_out(monkeypatch):
    answers = {
        **{"jax": {"status": "error", "reason": "no"}, "tensorflow": {"training_s": 3.0}},
        "torch": HostError("It must start", received="nothing", remedy="Install it"),
    }
    found, asked = timed_backends(monkeypatch, answers, answers)
    assert (found, asked) == ({"tensorflow": 1.0}, ["jax", "tensorflow", "torch"])


def test_where_there_is_one_backend_nothing_is_timed(monkeypatch):
    assert timed_backends(monkeypatch, {}, {"tensorflow"}) == ({}, [])

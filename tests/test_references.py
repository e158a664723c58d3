"""Which workload is timed beside a variant, and what stands in where it cannot be."""

import dataclasses
from types import SimpleNamespace

import pytest
from cases import GRAPH, make_case

from grouped_bench.measure import references, rounds
from grouped_bench.measure.references import References

OF_MACHINE, DENSE, GROUPED = "(reference)", "(reference dense)", "(reference grouped)"
VARIANTS = ["regular", "grouped", "grouped_native", "split_concat"]


class Backend:
    """Makes steps that are the case they compute, and refuses those of the groups in `refused`."""

    def __init__(self, refused=(), without_fixed=False):
        self.refused, self.without_fixed, self.made = refused, without_fixed, []

    def array(self, values, dtype):
        if self.without_fixed:
            raise ValueError("no memory")
        return values

    def step(self, layer, inputs, upstream, execution):
        if layer.case.groups in self.refused:
            raise ValueError("not here")
        self.made.append((layer.case.groups, execution))
        return lambda: layer.case

    def status_of(self, error):
        return "error"


def grouped_layer(case, call):
    return SimpleNamespace(case=case, build=lambda shape: None)


@pytest.fixture
def make(monkeypatch):
    """References on a fake backend; `seconds` is the sample's of the case's own operation by its groups."""

    def made(backend=None, *, seconds=None, case=None):
        durations = seconds or {}

        def calibrate(step, synchronise):
            case = step() if step.__closure__ and "layer" in step.__code__.co_freevars else None
            return 10, durations.get(case and case.groups, 0.01), 0.0

        monkeypatch.setattr(rounds, "calibrate", calibrate)
        monkeypatch.setattr(references, "grouped_layer", grouped_layer)
        bench = SimpleNamespace(
            backend=backend or Backend(), case=case or make_case(groups=4), setting=GRAPH, tensors=(None, None),
            synchronise=None, steps={}, iterations={}, sample_seconds={},
        )  # fmt: skip
        return References(bench), bench

    return made


def test_the_machines_is_one_for_all_and_half_as_long(make):
    made, bench = make()
    assert made.of_variants(VARIANTS, "machine") == {"dense": OF_MACHINE, "grouped": OF_MACHINE}
    assert (bench.iterations, bench.sample_seconds) == ({OF_MACHINE: 5}, {OF_MACHINE: 0.005})
    assert bench.backend.made == []


def test_a_case_has_one_of_its_own_for_each_function_made_once_and_as_the_variants_are(make):
    made, bench = make()
    for _ in range(2):
        assert made.of_variants(VARIANTS, "case") == {"dense": DENSE, "grouped": GROUPED}
    assert sorted(bench.backend.made) == [(1, "graph"), (4, "graph")]
    assert bench.steps[DENSE]() == dataclasses.replace(bench.case, groups=1)
    assert bench.steps[GROUPED]() == bench.case
    assert bench.iterations == {DENSE: 10, GROUPED: 10}
    assert all(rounds.is_reference(name) for name in bench.steps)


def test_only_functions_that_are_measured_have_one(make):
    made, bench = make()
    assert made.of_variants(["regular"], "case") == {"dense": DENSE}
    assert list(bench.steps) == [DENSE]


def test_blocks_and_other_functions_have_the_machines(make):
    made, _ = make()
    assert made.of_variants(["depthwise_separable"], "case") == {"depthwise_separable": OF_MACHINE}
    made, _ = make(case=SimpleNamespace(scope="block", groups=4))
    assert made.of_variants(VARIANTS, "case") == {"dense": OF_MACHINE, "grouped": OF_MACHINE}


@pytest.mark.parametrize(
    ("refused", "seconds", "expected"),
    [
        ((4,), {}, {"dense": DENSE, "grouped": DENSE}),
        ((1,), {}, {"dense": OF_MACHINE, "grouped": GROUPED}),
        ((1, 4), {}, {"dense": OF_MACHINE, "grouped": OF_MACHINE}),
        ((), {4: 2 * rounds.DEAR_S}, {"dense": DENSE, "grouped": DENSE}),
        ((), {1: 2 * rounds.DEAR_S, 4: 2 * rounds.DEAR_S}, {"dense": OF_MACHINE, "grouped": OF_MACHINE}),
    ],
    ids=["no grouped", "no dense", "neither", "dear grouped", "both dear"],
)
def test_what_cannot_be_made_or_is_dear_is_stood_in_for(make, refused, seconds, expected):
    made, _ = make(Backend(refused), seconds=seconds)
    assert made.of_variants(VARIANTS, "case") == expected


@pytest.mark.parametrize("kind", ["machine", "case"])
def test_without_any_variants_are_measured_all_the_same(make, kind):
    made, bench = make(Backend(refused=(1, 4), without_fixed=True))
    assert made.of_variants(VARIANTS, kind) == {}
    assert bench.steps == {}

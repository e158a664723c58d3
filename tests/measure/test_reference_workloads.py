"""Which workload is timed beside a variant, and what stands in where it cannot be."""

import dataclasses
from types import SimpleNamespace

import pytest
from cases import GRAPH, make_case

from grouped_bench.harness.plan import make_plan
from grouped_bench.measure import reference_workloads, rounds
from grouped_bench.measure.reference_workloads import References, kind_of
from grouped_bench.space.space import Space
from grouped_bench.variants.reference.block_functions import STAGES, stage_case

OF_MACHINE, DENSE, GROUPED = "(reference)", "(reference dense)", "(reference grouped)"
BOTTLENECK, RESNEXT = "(reference bottleneck)", "(reference resnext)"
SUMMED, JOINED = "(reference dense in parts)", "(reference grouped in parts)"
VARIANTS = ["regular", "grouped", "grouped_native", "split_sum", "split_concat"]
OWN = {"regular": DENSE, "grouped": GROUPED, "grouped_native": GROUPED, "split_sum": SUMMED, "split_concat": JOINED}


class Backend:
    """Makes steps that tell their layer's kind, and refuses the kinds in `refused`."""

    def __init__(self, refused=(), without_fixed=False):
        self.refused, self.without_fixed, self.made = refused, without_fixed, []

    def array(self, values, dtype):
        if self.without_fixed:
            raise ValueError("no memory")
        return values

    def step(self, layer, inputs, upstream, execution):
        if layer.kind in self.refused:
            raise ValueError("not here")
        self.made.append((layer.kind, execution))
        return lambda: layer

    def status_of(self, error):
        return "error"


def layer(kind, case):
    return SimpleNamespace(kind=kind, case=case, build=lambda shape: None)


def grouped_layer(case, convolve):
    return layer(GROUPED if case.groups > 1 else DENSE, case)


def parts_layer(case, convolve, function):
    return layer({"dense": SUMMED, "grouped": JOINED}[function], case)


def chain_layer(stages, convolve):
    return layer(RESNEXT if stages[1].groups > 1 else BOTTLENECK, stages)


@pytest.fixture
def make(monkeypatch):
    """References on a fake backend; `seconds` are the samples' of each kind."""

    def made(backend=None, *, seconds=None, case=None):
        def calibrate(step, synchronise):
            kind = step().kind if "layer" in step.__code__.co_freevars else OF_MACHINE
            return 10, (seconds or {}).get(kind, 0.01), 0.0

        monkeypatch.setattr(rounds, "calibrate", calibrate)
        monkeypatch.setattr(reference_workloads, "grouped_layer", grouped_layer)
        monkeypatch.setattr(reference_workloads, "parts_layer", parts_layer)
        monkeypatch.setattr(reference_workloads, "chain_layer", chain_layer)
        bench = SimpleNamespace(
            backend=backend or Backend(), case=case or make_case(groups=4), setting=GRAPH, tensors=(None, None),
            synchronise=None, steps={}, iterations={}, sample_seconds={},
        )  # fmt: skip
        return References(bench), bench

    return made


def test_the_machines_is_one_for_all_and_half_as_long(make):
    made, bench = make()
    assert made.of_variants(VARIANTS, "machine") == dict.fromkeys(VARIANTS, OF_MACHINE)
    assert (bench.iterations, bench.sample_seconds) == ({OF_MACHINE: 5}, {OF_MACHINE: 0.005})
    assert bench.backend.made == []


def test_a_variant_has_the_cases_own_operation_that_is_like_it_made_once_and_as_the_variants_are(make):
    made, bench = make()
    for _ in range(2):
        assert made.of_variants(VARIANTS, "case") == OWN
    assert bench.backend.made == [(kind, "graph") for kind in (DENSE, GROUPED, SUMMED, JOINED)]
    assert bench.steps[DENSE]().case == dataclasses.replace(bench.case, groups=1)
    assert all(bench.steps[kind]().case == bench.case for kind in (GROUPED, SUMMED, JOINED))
    assert set(bench.iterations.values()) == {10}
    assert all(rounds.is_reference(name) for name in bench.steps)


def test_a_reference_workload_tells_what_it_is():
    assert [kind_of(name) for name in (OF_MACHINE, DENSE, JOINED)] == ["machine", "dense", "grouped in parts"]


def test_only_what_is_measured_has_one(make):
    made, bench = make()
    assert made.of_variants(["regular"], "case") == {"regular": DENSE}
    assert list(bench.steps) == [DENSE]


def test_functions_that_no_operation_of_the_framework_has_are_set_beside_the_machines(make):
    made, _ = make()
    assert made.of_variants(["depthwise_separable"], "case") == {"depthwise_separable": OF_MACHINE}


def test_blocks_have_the_three_convolutions_of_their_function(make):
    case = next(iter(make_plan(Space(scope="block", channels=8, cardinality=4, width=2)).cohorts)).case
    made, bench = make(case=case)
    names = ["bottleneck", "resnext_concat", "resnext_grouped"]
    assert made.of_variants(names, "case") == {name: BOTTLENECK if name == names[0] else RESNEXT for name in names}
    for kind, groups in ((BOTTLENECK, 1), (RESNEXT, 4)):
        assert bench.steps[kind]().case == [stage_case(case, stage, groups) for stage in STAGES]


DEAR = 2 * rounds.DEAR_S


@pytest.mark.parametrize(
    ("missing", "others"),
    [
        ([GROUPED], {"grouped": DENSE, "grouped_native": DENSE}),
        ([JOINED], {"split_concat": GROUPED}),
        ([JOINED, GROUPED], {"grouped": DENSE, "grouped_native": DENSE, "split_concat": DENSE}),
        ([SUMMED], {"split_sum": DENSE}),
        ([SUMMED, DENSE], {"split_sum": OF_MACHINE, "regular": OF_MACHINE}),
        ([DENSE, GROUPED, SUMMED, JOINED], dict.fromkeys(VARIANTS, OF_MACHINE)),
    ],
)
def test_what_cannot_be_made_or_is_dear_is_stood_in_for(make, missing, others):
    for made, _ in (make(Backend(missing)), make(seconds=dict.fromkeys(missing, DEAR))):
        assert made.of_variants(VARIANTS, "case") == OWN | others


@pytest.mark.parametrize("kind", ["machine", "case"])
def test_without_any_variants_are_measured_all_the_same(make, kind):
    made, bench = make(Backend([DENSE, GROUPED, SUMMED, JOINED], without_fixed=True))
    assert made.of_variants(VARIANTS, kind) == {}
    assert bench.steps == {}

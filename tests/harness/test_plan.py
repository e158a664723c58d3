"""Plans: which cohorts a space stands for, what is left out and why, and the keys of its JSON."""

import itertools
import json

import pytest

from grouped_bench import backends, variants
from grouped_bench.errors import SpaceError, UnavailableError
from grouped_bench.harness.inspect.estimate import estimate, to_dict
from grouped_bench.harness.plan import make_plan
from grouped_bench.space.axes import Control
from grouped_bench.space.space import Space

FIVE = ("regular", "grouped", "grouped_native", "split_concat", "split_sum")
BLOCKS = ("bottleneck", "resnext_concat", "resnext_grouped", "resnext_native", "resnext_sum")
TASK_KEYS = {
    *(
        "backend",
        "execution",
        "device",
        "cache",
        "env",
        "threads",
        "layout",
        "scope",
        "variant",
        "computes",
        "rank",
        "pass",
        "dtype",
    ),
    *("data_format", "padding", "bias", "batch_size", "in_channels", "out_channels", "groups", "cardinality", "width"),
    *("size", "kernel_size", "stride", "dilation", "multiplicity", "label", "in_use"),
    *("params", "params_total", "macs", "min_bytes"),
}


def plan(**axes):
    return make_plan(Space(**axes))


def told(made):
    return to_dict(made, estimate(made, Control(), {}))


def test_a_cohort_holds_every_variant_of_one_case_and_setting():
    axes = {"groups": (1, 4), "execution": ("graph", "xla"), "device": ("cpu", "gpu:1"), "cache": ("hot", "cold")}
    made = plan(**axes)
    found = [(c.case.groups, c.setting.execution, c.setting.device, c.setting.cache) for c in made.cohorts]
    assert found == list(itertools.product(*axes.values()))
    assert {c.variants[0] for c in made.cohorts} == {"regular"}
    assert all(set(c.variants) == set(FIVE) for c in made.cohorts)
    assert made.tasks == 16 * 5


@pytest.mark.parametrize("variant", ["all", ["all"], ["grouped", "all"]])
def test_all_stands_for_every_variant(variant):
    assert plan(variant=variant).cohorts[0].variants == tuple(variants.names())


@pytest.mark.parametrize(
    ("variant", "pairs"),
    [("all", len(variants.names()) - 1), ("grouped,regular", 1), ("regular", 0), ("grouped,split_concat", 0)],
)
def test_pairs_are_those_with_a_baseline(variant, pairs):
    assert plan(variant=variant).pairs == pairs
    assert plan(variant=variant, groups=[1, 4]).pairs == 2 * pairs


def test_the_baseline_stands_first_wherever_it_was_typed():
    assert plan(variant="split_sum,regular,grouped").cohorts[0].variants == ("regular", "split_sum", "grouped")


@pytest.mark.parametrize("executions", [("graph", "xla"), ("eager", "graph")])
def test_the_execution_is_the_first_of_its_backend_unless_given(executions, monkeypatch):
    monkeypatch.setattr(type(backends.get("tensorflow")), "executions", executions)
    assert [cohort.setting.execution for cohort in plan().cohorts] == [executions[0]]


def test_a_case_without_sense_is_left_out_with_its_reason():
    made = plan(groups=[1, 3], device=["cpu", "gpu"])
    assert [cohort.case.groups for cohort in made.cohorts] == [1, 1]
    assert [(skip.cohort.case.groups, skip.reason) for skip in made.skipped] == [
        (3, "3 groups do not divide 64 input channels")
    ] * 2


def test_a_space_of_nothing_but_senseless_cases_is_refused():
    with pytest.raises(SpaceError) as caught:
        plan(groups=[3, 5])
    assert str(caught.value) == (
        "Space: at least one of 2 cases must be valid. "
        "Received: Conv2D 64→64 k3x3 on 28x28 groups 3 batch 8 inference: 3 groups do not divide 64 input channels. "
        "Change the axis named in the reason."
    )


@pytest.mark.parametrize("variant", ["nope", "regular,nope", "all,nope", "base", "reference"])
def test_an_unknown_variant_is_refused_with_those_there_are(variant):
    known = ", ".join((*variants.names(), *variants.names("block")))
    with pytest.raises(UnavailableError) as caught:
        plan(variant=variant)
    assert str(caught.value) == (
        f"A variant must be known. Received: {variant.rpartition(',')[2]}. Use one of {known}, or all."
    )


@pytest.mark.parametrize("backend", ["nope", "base", "tensorflow,nope"])
def test_an_unknown_backend_is_refused_with_those_there_are(backend):
    with pytest.raises(UnavailableError) as caught:
        plan(backend=backend)
    received = backend.rpartition(",")[2]
    assert str(caught.value) == (
        f"A backend must be known. Received: {received}. Use one of {', '.join(backends.names())}."
    )


def test_a_backend_without_its_framework_is_told_and_not_replaced(monkeypatch):
    monkeypatch.setattr(type(backends.get("tensorflow")), "module", "no_such_framework")
    with pytest.raises(UnavailableError) as caught:
        plan()
    assert str(caught.value) == (
        "The framework of the backend tensorflow must be installed. Received: no module no_such_framework. "
        "Install it with `pip install no_such_framework`."
    )


@pytest.mark.parametrize("execution", ["nope", "graph,nope"])
def test_an_unknown_execution_is_refused_with_those_there_are(execution):
    with pytest.raises(SpaceError) as caught:
        plan(execution=execution)
    assert str(caught.value) == (
        "`execution` must be one that a chosen backend has. Received: nope. Use one of graph, xla, eager of tensorflow."
    )


def test_a_case_of_two_tables_is_one_cohort_of_both():
    tables = [
        {"variant": "grouped", "multiplicity": 2, "label": "a"},
        {"groups": 4},
        {"variant": "regular,grouped", "multiplicity": 3, "label": "b"},
        {"variant": "split_sum", "label": "a"},
    ]
    united, other = make_plan(Space(cases=tables)).cohorts
    assert (united.variants, united.multiplicity, united.label) == (("regular", "grouped", "split_sum"), 5, "a; b")
    assert (other.case.groups, other.variants[0], other.multiplicity, other.label) == (4, "regular", None, None)


def test_the_json_of_a_plan_has_the_keys_of_the_contract():
    made = json.loads(json.dumps(told(plan(groups=[1, 3], variant="regular,grouped")), allow_nan=False))
    assert set(made) == {"schema", "tasks", "skipped", "estimate"}
    assert made["schema"] == 1
    assert [set(task) for task in made["tasks"]] == [TASK_KEYS] * 2
    assert [set(skip) for skip in made["skipped"]] == [TASK_KEYS | {"reason"}]
    assert set(made["estimate"]) == {"seconds", "peak_bytes", "measured", "tried", "failed"}


def test_a_task_of_the_json_says_what_it_is_and_costs():
    (made,) = plan(groups=4, variant="grouped", multiplicity=3, label="x").to_columns()
    expected = {"backend": "tensorflow", "execution": "graph", "device": "cpu", "cache": "hot", "scope": "layer"}
    expected |= {"variant": "grouped", "computes": "grouped", "groups": 4, "size": (28, 28), "pass": "inference"}
    expected |= {"cardinality": None, "width": None, "multiplicity": 3, "label": "x"}
    expected |= {"params": 9 * 16 * 64, "params_total": 9 * 16 * 64, "macs": 8 * 28 * 28 * 9 * 16 * 64}
    assert made | expected == made


def test_a_skip_counts_nothing():
    (skip,) = plan(groups=[1, 3]).skipped
    nothing = {"variant": None, "computes": None, "params": None, "params_total": None, "macs": None, "min_bytes": None}
    assert skip.to_columns() | nothing == skip.to_columns()

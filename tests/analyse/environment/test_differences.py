"""In which facts runs differ: what counts, what does not, what nobody knows, and what a stranger may record."""

import copy
import json

import pytest
from frames import metadata

from grouped_bench.analyse.environment.differences import Absent, certain_changes, differences, slows_alike


def run(**sections):
    """The facts of a run whose sections of the environment are overwritten by `sections`."""
    facts = copy.deepcopy(metadata())
    for name, section in sections.items():
        facts["environment"].setdefault(name, {}).update(section)
    return facts


def found(*runs):
    return {one.fact: one.values for one in differences(runs)}


def nested(depth, make):
    value = 1
    for _ in range(depth):
        value = make(value)
    return value


@pytest.mark.parametrize(
    ("sections", "fact", "values"),
    [
        ({"backend": {"tensorflow": {"onednn": False}}}, "backend.tensorflow.onednn", (True, False)),
        ({"variables": {"TF_ENABLE_ONEDNN_OPTS": "0"}}, "variables.TF_ENABLE_ONEDNN_OPTS", ("1", "0")),
        ({"variables": {"XLA_FLAGS": ""}}, "variables.XLA_FLAGS", (Absent.NOT_SET, "")),
        ({"libraries": {"keras": "3.14.0"}}, "libraries.keras", ("3.15.1", "3.14.0")),
        ({"libraries": {"jax": "0.7.0"}}, "libraries.jax", (Absent.NOT_INSTALLED, "0.7.0")),
        ({"processor": {"governor": "powersave"}}, "processor.governor", (Absent.NOT_RECORDED, "powersave")),
        ({"processor": {"cores": None}}, "processor.cores", (2, Absent.UNKNOWN)),
        ({"processor": {"cores": True}}, "processor.cores", (2, True)),
        ({"memory": {"total_bytes": 4 * 2**30}}, "memory.total_bytes", (8 * 2**30, 4 * 2**30)),
        ({"limits": {"cgroup_cpu": "max 100000"}}, "limits.cgroup_cpu", (Absent.NOT_RECORDED, "max 100000")),
    ],
)
def test_runs_that_differ_in_a_fact_say_so_and_in_no_other(sections, fact, values):
    base = run(backend={"tensorflow": {"onednn": True}})
    other = run(**{"backend": {"tensorflow": {"onednn": True}}, **sections})
    assert found(base, other) == {fact: values}
    assert found(other, base) == {fact: values[::-1]}


def test_equal_runs_and_a_single_run_differ_in_nothing():
    assert not differences([])
    assert not differences([run()])
    assert not differences([run(), run(), run()])


@pytest.mark.parametrize(
    ("threads", "value"), [(4, 4), (None, Absent.NOT_SET), (Absent.NOT_RECORDED, Absent.NOT_RECORDED)]
)
def test_threads_are_compared_and_an_older_run_is_told_as_such(threads, value):
    told = {} if threads is Absent.NOT_RECORDED else {"threads": threads}
    assert found(run() | {"control": {"threads": 2}}, run() | {"control": told}) == {"threads": (2, value)}
    assert not found(run() | {"control": told}, run() | {"control": told})


@pytest.mark.parametrize(("key", "fact"), [("machine", "machine"), ("version", "grouped-bench")])
def test_machine_and_version_are_compared(key, fact):
    assert found(run(), run() | {key: "another"}) == {fact: (metadata()[key], "another")}


@pytest.mark.parametrize(
    "sections",
    [
        {"processor": {"load_average": [9.0, 1.0, 1.0]}},
        {"memory": {"total_bytes": 8 * 2**30 + 4096}},
        {"processor": {"flags": ["fma", "avx2"]}},
    ],
)
def test_what_changes_no_answer_is_no_difference(sections):
    facts = run(**sections) | {"started_at": "2027-01-01T00:00:00Z", "seed": 2, "run_id": "another"}
    facts["environment"]["command"] = ["grouped-bench", "show"]
    assert not found(run(processor={"load_average": [0.1, 0.1, 0.1]}), facts)


def test_what_no_run_tells_is_no_difference():
    assert not found(run(processor={"governor": None}), run(), run(processor={"governor": None}))


def test_not_telling_is_a_difference_that_is_not_certain_and_stands_last():
    told = differences([run(), run(processor={"governor": "powersave"}, variables={"XLA_FLAGS": "-x"})])
    assert [(one.fact, one.is_certain) for one in told] == [
        ("variables.XLA_FLAGS", True),
        ("processor.governor", False),
    ]


def test_two_that_differ_are_certain_whatever_a_third_does_not_tell():
    runs = [run(), *(run(processor={"governor": name}) for name in ("performance", "powersave"))]
    (one,) = differences(runs)
    assert (one.is_certain, one.values) == (True, (Absent.NOT_RECORDED, "performance", "powersave"))


def test_of_lists_only_what_not_all_hold_is_told():
    runs = [run(processor={"flags": flags}) for flags in (["avx2", "fma", "avx512f"], ["avx2", "fma"], None)]
    assert found(*runs) == {"processor.flags not in every run": (("avx512f",), (), Absent.UNKNOWN)}
    assert found(runs[1], runs[2]) == {"processor.flags": (("avx2", "fma"), Absent.UNKNOWN)}


def test_lists_of_facts_are_compared_fact_by_fact():
    runs = [run(cards={"seen": [{"name": "A"}, {"driver": driver}]}) for driver in ("580.1", "590.2")]
    assert found(*runs) == {"cards.seen.1.driver": ("580.1", "590.2")}


def test_a_backend_that_a_run_did_not_use_has_nothing_to_differ_in():
    jax = run()
    jax["environment"]["backend"] = {"jax": {"precision": "high"}}
    assert not found(run(), jax)
    other = run(backend={"tensorflow": {"onednn": False}})
    assert found(run(backend={"tensorflow": {"onednn": True}}), other, jax) == {
        "backend.tensorflow.onednn": (True, False, Absent.NOT_USED)
    }
    assert found(run(), run(backend={"tensorflow": {"tf32": True, "onednn": True, "threads": None}})) == {
        "backend.tensorflow.tf32": (Absent.NOT_RECORDED, True)
    }


@pytest.mark.parametrize(
    "environment",
    [
        *(None, [], "x", 3, {}, {"processor": "x"}, {"variables": [1]}, {"processor": {"flags": {"a": [{}]}}}),
        {"": {"": None}, "machine": {"a": 1}, "a.b": 1, "a": {"b": 2}},
        {"memory": {"total_bytes": 10**400, "swap_bytes": float("nan")}, "x_bytes": float("inf"), "y_bytes": True},
        {"backend": {"tensorflow": 7, "\ud800": [None, [1, [2]], {"x": float("nan")}]}},
        nested(900, lambda inner: {"a": inner}),
        {"x": nested(900, lambda inner: [inner])},
    ],
)
def test_any_metadata_can_be_compared(environment):
    odd = {"environment": environment, "control": [], "machine": {"x": []}}
    # As a file gives them: equal, and not the same objects.
    again = json.loads(json.dumps(odd)) if environment != odd else odd
    assert not differences([odd, again])
    assert "processor.model" in found(odd, run())


def test_an_empty_record_differs_from_another_in_what_that_tells():
    assert found({}, run())["processor.model"] == (Absent.NOT_RECORDED, "AMD EPYC 7B13")
    assert not any(one.is_certain for one in differences([{}, run()]))


def test_certain_changes_are_those_that_two_runs_recorded():
    other = copy.deepcopy(run(libraries={"keras": "3.16.0"}, variables={"OMP_NUM_THREADS": "1"}))
    other["seed"], other["environment"]["processor"]["governor"] = 2, "powersave"
    assert set(certain_changes([run(), other])) == {"libraries.keras", "variables.OMP_NUM_THREADS"}
    assert certain_changes([metadata(control={"threads": number}) for number in (1, 2)]) == ["threads"]
    assert certain_changes([run(), run()]) == []


# Who feels a change of a fact, of tensorflow, jax and torch, each compiled.
FELT = {
    "threads": "tensorflow jax torch",
    "libraries.keras": "tensorflow jax torch",
    "libraries.tensorflow": "tensorflow",
    "libraries.jax": "jax",
    "libraries.jaxlib": "jax",
    "libraries.torch": "torch",
    "variables.OMP_NUM_THREADS": "tensorflow jax torch",
    "variables.ONEDNN_MAX_CPU_ISA": "tensorflow jax torch",
    "variables.TF_ENABLE_ONEDNN_OPTS": "tensorflow",
    "variables.XLA_FLAGS": "tensorflow jax",
    "variables.JAX_PLATFORMS": "jax",
    "variables.TORCH_LOGS": "torch",
    "variables.ATEN_CPU_CAPABILITY": "torch",
    "backend.tensorflow.onednn": "tensorflow",
    "in_force.torch.threads": "torch",
    "in_force.jax.flags.XLA_FLAGS": "jax",
    **dict.fromkeys(("libraries.numpy", "libraries.pandas", "system.python", "system.kernel", "machine"), ""),
    **dict.fromkeys(("processor.governor", "grouped-bench", "librariesx.keras"), ""),
}


@pytest.mark.parametrize(("fact", "backends"), FELT.items())
def test_a_change_is_felt_by_the_backends_that_use_what_changed(fact, backends):
    compiled = {"tensorflow": "graph", "jax": "xla", "torch": "compile"}
    assert [name for name, how in compiled.items() if slows_alike(fact, name, how)] == backends.split()


def test_the_interpreter_slows_what_runs_step_by_step():
    assert slows_alike("system.python", "torch", "eager")
    assert not slows_alike("libraries.numpy", "torch", "eager")


@pytest.mark.parametrize("fact", ["libraries.numpy", "libraries.torch", "variables.TF_X", "in_force.jax.threads"])
def test_what_slows_a_benchmark_of_an_unknown_backend_is_not_known(fact):
    assert slows_alike(fact, None, None)
    assert slows_alike("system.python", None, None)
    assert not slows_alike("libraries.pandas", None, None)

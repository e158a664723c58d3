"""What the doctor finds in given facts, and how it says so."""

import json

import click
import pytest
from machines import machine

from grouped_bench.commands import main
from grouped_bench.harness.inspect import doctor
from grouped_bench.report import plans

AVX512 = "Intel AVX-512 with Intel DL Boost and bfloat16 support"
ZEN4, ZEN3 = machine(), machine(model="1", instruction_sets=("avx2", "fma"))
FIT = {
    "processor": {"usable": 4, "logical": 4, "governor": "performance"},
    "limits": {"cgroup_cpu": None},
    "libraries": {"tensorflow": "2.21.0"},
    "load": 0.1,
    "stolen": 0.0,
    "free_bytes": 8 * 2**30,
    "swapped_bytes": 0,
    "backend": {"onednn": True},
    "in_force": {"onednn": True, "onednn_isa": AVX512, "threads": {"tensorflow": 4}, "flags": {}},
    "machine": ZEN4,
    "others": 0.0,
    "throttled": 0.0,
    "spread": 1.05,
    "variables": {"TF_CPP_MIN_LOG_LEVEL": "2"},
}


def graded(**changes):
    return {check.name: check for check in doctor.checks({**FIT, **changes})}


def processor(**changes):
    return {"processor": {**FIT["processor"], **changes}}


def test_a_quiet_machine_is_good_in_everything():
    assert {check.grade for check in graded().values()} == {doctor.GOOD}


@pytest.mark.parametrize(
    ("changes", "name", "grade", "remedy"),
    [
        ({"load": 1.5}, "load", "poor", "Stop other programs"),
        ({"load": 4.0}, "load", "unfit", "Stop other programs"),
        ({"stolen": 0.05}, "stolen time", "poor", "not shared"),
        ({"stolen": 0.3}, "stolen time", "unfit", "not shared"),
        (processor(governor="powersave"), "governor", "poor", "cpupower"),
        ({"limits": {"cgroup_cpu": "50000 100000"}}, "processor limit", "unfit", "Raise the container's limit to 4"),
        ({"free_bytes": 2**30}, "memory", "unfit", "Free 2 GiB"),
        ({"swapped_bytes": 2**20}, "swap", "poor", "swapoff"),
        ({"backend": {"onednn": False}}, "oneDNN", "poor", "Set TF_ENABLE_ONEDNN_OPTS=1"),
        ({"in_force": {"failed": "Unknown flag in XLA_FLAGS: -x"}}, "in force", "poor", "Unset what it refuses"),
        ({"others": 0.2}, "other programs", "poor", "`top` names them"),
        ({"others": 0.5}, "other programs", "unfit", "Stop other programs"),
        ({"throttled": 0.5}, "throttling", "unfit", "Raise the quota"),
        ({"spread": 1.5}, "speed", "poor", "Fix the clock"),
        ({"spread": 1.9}, "speed", "unfit", "not shared"),
        ({"variables": {"XLA_FLAGS": "x"}}, "variables", "poor", "Unset XLA_FLAGS"),
    ],
)
def test_what_is_wrong_is_graded_with_its_remedy(changes, name, grade, remedy):
    check = graded(**changes)[name]
    assert check.grade == grade
    assert remedy in check.remedy
    assert doctor.Diagnosis((check,), None).fit == (grade != "unfit")


@pytest.mark.parametrize(
    ("where", "variable", "remedy"),
    [
        (ZEN3, None, "Set TF_ENABLE_ONEDNN_OPTS=1"),
        (ZEN3, "0", "Set TF_ENABLE_ONEDNN_OPTS=1"),
        (ZEN4, "0", "Unset TF_ENABLE_ONEDNN_OPTS, or set it to 1"),
        (None, "0", "Set TF_ENABLE_ONEDNN_OPTS=1"),
        (ZEN3, "1", "Use a build of TensorFlow that has oneDNN"),
    ],
)
def test_what_turns_onednn_on_depends_on_why_it_is_off(where, variable, remedy):
    variables = {} if variable is None else {"TF_ENABLE_ONEDNN_OPTS": variable}
    check = graded(machine=where, variables=variables, backend={"onednn": False})["oneDNN"]
    assert check.remedy == remedy


@pytest.mark.parametrize(
    ("isa", "noted"),
    [
        ("Intel AVX2", True),
        (AVX512, False),
        ("Intel AVX10.1/512", False),
        ("AArch64 SVE (256 bits)", False),
        (None, False),
    ],
)
def test_bfloat16_is_noted_where_onednn_has_none(isa, noted):
    check = graded(in_force={"onednn_isa": isa})["oneDNN"]
    assert (check.grade, "no bfloat16" in check.found) == ("good", noted)


def test_the_class_and_what_is_in_force_are_told():
    found = graded(machine=ZEN3, in_force={"xla_isa": "AVX2", "threads": {"xla": 2}, "flags": {"XLA_FLAGS": "-x"}})
    assert found["machine"].found == f"{ZEN3.slug}, oneDNN off by default"
    assert found["in force"].found == "XLA AVX2, 2 threads of xla, XLA_FLAGS=-x"


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        (processor(governor=None), "governor"),
        ({"stolen": None}, "stolen time"),
        ({"backend": {}}, "oneDNN"),
        ({"in_force": {}}, "in force"),
        ({"machine": None}, "machine"),
        ({"others": None}, "other programs"),
        ({"throttled": None}, "throttling"),
        ({"spread": None}, "speed"),
    ],
)
def test_what_cannot_be_read_is_unknown_and_does_not_condemn(changes, name):
    check = graded(**changes)[name]
    assert check.grade == "unknown"
    assert doctor.Diagnosis((check,), None).fit


def test_a_quota_of_all_processors_is_no_limit():
    assert graded(limits={"cgroup_cpu": "400000 100000"})["processor limit"].grade == "good"
    assert graded(limits={"cgroup_cpu": "max 100000"})["processor limit"].grade == "good"


def test_the_table_fits_80_columns_and_tells_remedy_and_difference():
    found = doctor.Diagnosis(tuple(graded(load=9.0).values()), 0.0123).to_dict()
    text = click.unstyle(plans.diagnosis(found, "table"))
    assert max(map(len, text.splitlines())) <= 80
    assert "good    stolen time: " in text
    assert "load: Stop other programs" in text
    assert "1.2%, measured on identical layers" in text
    assert text.endswith("This machine is not fit to measure on.")


def test_json_carries_the_checks():
    found = json.loads(plans.diagnosis(doctor.Diagnosis(tuple(graded().values()), None).to_dict(), "json"))
    assert (found["schema"], found["fit"], found["smallest_difference"]) == (1, True, None)
    assert found["checks"][0].keys() == {"name", "grade", "found", "remedy"}


@pytest.mark.parametrize(("facts", "code"), [({}, 0), ({"load": 9.0}, 1)])
def test_the_exit_code_says_whether_the_machine_is_fit(facts, code, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "diagnose", lambda: doctor.Diagnosis(tuple(graded(**facts).values()), None))
    assert main.cli.main(["doctor"], standalone_mode=False) == code
    assert "This machine is" in capsys.readouterr().out

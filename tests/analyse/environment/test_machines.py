"""When what was measured somewhere is evidence elsewhere, and what is said where it is not."""

import json

import pytest
from frames import IN_FORCE, frame, metadata
from machines import ZEN4_SETS, machine, older, recorded

from grouped_bench.analyse.environment import machines
from grouped_bench.analyse.environment.machines import BASE_AND_HEAD, are_alike, machine_differences, why_elsewhere
from grouped_bench.report.page.html import page
from grouped_bench.report.run.tables import render
from grouped_bench.store.identity import identity_of, of_gpu

HERE = machine()
ZEN3 = machine(model="1", instruction_sets=("avx2", "fma"))


@pytest.mark.parametrize(
    ("there", "told"),
    [
        (HERE, []),
        (None, ["what decides its kernels was not recorded there"]),
        (machine(name="AMD EPYC 7763"), ["AMD EPYC 7763 there and AMD EPYC here"]),
        (machine(model="97"), ["model was 97 there and is 17 here"]),
        (machine(count=4), ["4 processors there and 2 here"]),
        (
            ZEN3,
            ["zen3 there and zen4 here", "avx, avx512_bf16, avx512_vnni and 5 more only here",
             "model was 1 there and is 17 here"],
        ),
        (machine(system="Darwin"), ["Darwin there and Linux here"]),
        (
            machine(sizes=(("l2_bytes", 2**20),)),
            ["caches was l2 1048576 B there and is l2 1048576 B and l3 33554432 B here"],
        ),
        (of_gpu({"name": "H", "compute_capability": "9.0", "memory_bytes": 1}, 1, None),
         ["GPUs compute there, a processor here"]),
    ],
)  # fmt: skip
def test_machines_differ_in_words(there, told):
    assert machine_differences(there, HERE) == told


def test_of_two_machines_of_which_nothing_is_told_nothing_is_said():
    assert machine_differences(None, None) == ["what decides its kernels was not recorded"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"usable": 4}, ["4 processors there and 2 here"]),
        ({"cache": None}, ["a cache was not recorded"]),
        ({"cache": 2**24}, ["caches was l3 16777216 B there and is l2 1048576 B and l3 33554432 B here"]),
        ({"flags": [*ZEN4_SETS, "avx_vnni"]}, ["zen5 there and zen4 here", "avx_vnni only there"]),
    ],
)
def test_an_older_run_is_of_this_machine_where_all_that_it_recorded_says_so(changes, told):
    assert machine_differences(identity_of(older(**changes)), HERE) == told


def test_an_older_run_whose_flags_do_not_tell_its_microarchitecture_is_of_another_machine():
    there = identity_of(older(flags=ZEN3.instruction_sets))
    words = ["the microarchitecture there was not recorded, and its instruction sets do not determine it"]
    assert machine_differences(there, ZEN3) == words


def test_runs_without_identity_are_alike_by_name_alone_where_neither_has_one():
    assert are_alike({"machine": "a"}, {"machine": "a"})
    assert not are_alike({"machine": "a"}, {"machine": "b"})
    assert not are_alike({"machine": HERE.slug}, recorded())
    assert are_alike(older(), recorded())
    assert not are_alike(recorded(ZEN3), recorded())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"tf32": False}, None),
        ({"onednn": False}, "oneDNN was off there and is on here"),
        (
            {"onednn_isa": "Intel AVX-512"},
            "oneDNN's instruction set was Intel AVX-512 there and is Intel AVX2 here",
        ),
        (
            {"threads": {"tensorflow": 1}},
            "the number of threads was 1 tensorflow there and is 2 tensorflow, 2 xla here",
        ),
        ({"flags": {"XLA_FLAGS": "-x"}}, "XLA_FLAGS was -x there and is not set here"),
    ],
)
def test_evidence_is_of_the_same_machine_with_the_same_in_force(change, reason):
    assert why_elsewhere(HERE, HERE, json.dumps({**IN_FORCE, **change}), IN_FORCE) == reason


@pytest.mark.parametrize("text", [None, "", "x", "[1]", '{"failed": "no"}'])
def test_what_was_in_force_and_is_not_known_is_no_evidence(text):
    assert why_elsewhere(HERE, HERE, text, IN_FORCE) == "what was in force there was not recorded"


def test_what_an_older_run_does_not_tell_is_not_held_against_it():
    told = '{"flags": {}, "onednn": true}'
    assert why_elsewhere(identity_of(older()), HERE, told, IN_FORCE) is None
    limited = {**IN_FORCE, "flags": {"ONEDNN_MAX_CPU_ISA": "AVX2"}}
    words = "ONEDNN_MAX_CPU_ISA was not set there and is AVX2 here"
    assert why_elsewhere(identity_of(older()), HERE, told, limited) == words


def test_another_machine_is_told_before_what_is_in_force():
    reason = why_elsewhere(ZEN3, HERE, None, IN_FORCE)
    assert reason.startswith("another machine: zen3 there and zen4 here")


def test_where_may_be_base_and_head():
    assert machine_differences(machine(count=4), HERE, BASE_AND_HEAD) == ["4 processors in base and 2 in head"]


def test_each_machine_is_named_with_its_class_once():
    told = machines.classes([recorded(), recorded(), recorded(ZEN3), {"machine": "m"}, {}])
    assert told == [
        f"{HERE.slug}, oneDNN on by default",
        f"{ZEN3.slug}, oneDNN off by default",
        "m",
    ]


def test_page_and_table_name_the_class_of_the_machine():
    made, off = frame(machine=ZEN3.slug), metadata(**recorded(ZEN3))
    assert f"Measured on {ZEN3.slug}, oneDNN off by default." in " ".join(render(made, [off]).split())
    assert "AMD EPYC (zen3, avx2), 2 processors, oneDNN off by default" in page(made, [off])
    assert machines.of_known_class([metadata()]) == []  # an older run may not tell

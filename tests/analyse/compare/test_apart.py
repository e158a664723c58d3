"""Sides of other machines, or with other kernels in force: named first, normalised, or not judged in words."""

import json

import pytest
from drawn import COMMIT, OTHER, drawn, of_commit, saved
from frames import IN_FORCE, fail, metadata
from machines import machine, older, recorded

from grouped_bench.analyse.compare.apart import OTHER_KERNELS, apart
from grouped_bench.analyse.compare.basis import NORMALISED, RAW
from grouped_bench.analyse.compare.compare import INCONCLUSIVE, REGRESSION, UNCHANGED
from grouped_bench.api.gate import compare
from grouped_bench.report.comparison import headline, table, words

ZEN3 = machine(model="1", instruction_sets=("avx2", "fma"))
ZEN5 = machine(family="26", model="2")
OFF = {**IN_FORCE, "onednn": False}


def facts(found=None, in_force=IN_FORCE, **more):
    environment = {**metadata()["environment"], "in_force": {"tensorflow": in_force}}
    return {**recorded(found or machine()), "environment": environment, **more}


def compared(tmp_path, base, head, *, slower=None, made=None):
    """Base and head as runs with these facts, head some of its variants slower."""
    sides = [(drawn(1), base), (drawn(2, slower=slower) if made is None else made, head)]
    paths = [
        saved(one.assign(machine=told["machine"]), tmp_path, f"run-{number}", **told)
        for number, (one, told) in enumerate(sides)
    ]
    return compare.compare(*paths)


def latencies(judgement):
    return {
        change.verdict for task in judgement.comparison.tasks for change in task.changes if change.metric == "latency"
    }


def test_alike_sides_are_not_apart(tmp_path):
    found = compared(tmp_path, facts(), facts())
    assert found.comparison.apart == ()
    assert headline.warning(found.comparison) is None
    assert "[!WARNING]" not in table.render(found, "markdown")


def test_another_machine_with_the_same_kernels_is_normalised_and_named_first(tmp_path):
    found = compared(tmp_path, facts(ZEN5), facts(), slower={"grouped": 1.1})
    assert (found.comparison.basis, found.verdict) == (NORMALISED, REGRESSION)
    told = headline.headline(found.comparison)
    assert told.startswith("Other machines: zen5 in base and zen4 in head; ")
    assert told.endswith("Regression: 2 of 4 tasks are slower by more than 5%.")


def test_what_another_machines_other_kernels_computed_is_not_judged(tmp_path):
    found = compared(tmp_path, facts(ZEN3, OFF), facts(), slower={"grouped": 3.0})
    assert (found.verdict, latencies(found)) == (INCONCLUSIVE, {INCONCLUSIVE})
    told = headline.headline(found.comparison)
    assert told.startswith("Other machines: oneDNN was off in base and is on in head; zen3 in base and zen4 in head;")
    [remedy] = words.remedies(found)
    assert remedy.startswith(f"Undecided in 4 tasks: {OTHER_KERNELS}. Measure both on one machine.")


def test_what_works_on_one_machine_alone_is_no_regression(tmp_path):
    made = drawn(2)
    made = fail(made, made["variant"] == "grouped", "unsupported", "Gradients … not supported on CPU")
    found = compared(tmp_path, facts(), facts(ZEN3, OFF), made=made)
    assert found.verdict == INCONCLUSIVE
    statuses = {change.verdict for task in found.comparison.tasks for change in task.changes if change.base == "ok"}
    assert statuses == {UNCHANGED, INCONCLUSIVE}
    assert compared(tmp_path / "same", facts(), facts(), made=made).verdict == REGRESSION


def test_on_one_machine_other_kernels_are_named_and_judged_raw(tmp_path):
    found = compared(tmp_path, facts(), facts(in_force=OFF), slower={"grouped": 2.0})
    assert (found.comparison.basis, found.verdict) == (RAW, REGRESSION)
    assert headline.headline(found.comparison).startswith(
        "Other kernels: oneDNN was on in base and is off in head. Regression: "
    )


def test_more_threads_of_another_machine_are_named_and_refuse_nothing():
    found = apart(facts(machine(count=4), {**IN_FORCE, "threads": {"tensorflow": 4}}), facts())
    assert found.words[0].startswith("the number of threads was 4 tensorflow in base")
    assert not found.refused


def test_where_what_was_in_force_is_not_recorded_the_class_tells():
    found = apart(recorded(ZEN3), recorded())
    assert found.refused == {"tensorflow"}
    assert found.words[0] == "oneDNN off by default in base and oneDNN on by default in head"
    assert not apart(recorded(ZEN5), recorded()).refused


def test_xlas_target_is_another_where_its_highest_instruction_set_is():
    sides = [{"environment": {"in_force": {"jax": {"xla_isa": isa, "flags": {}}}}} for isa in ("avx512f avx2", "avx2")]
    base, head = ({**recorded(at), **side} for at, side in zip((ZEN5, machine()), sides, strict=True))
    assert apart(base, head).refused == {"jax"}
    other = {"environment": {"in_force": {"jax": {"xla_isa": "avx512f avxvnni avx2", "flags": {}}}}}
    assert not apart(base, {**head, **other}).refused


def test_a_backend_with_the_same_kernels_is_judged(tmp_path):
    """Of two that a run measured, one alone has others."""
    told = [{"tensorflow": one, "torch": {"instruction_set": "AVX2", "flags": {}}} for one in (OFF, IN_FORCE)]
    base, head = (
        {**recorded(at), "environment": {**metadata()["environment"], "in_force": one}}
        for at, one in zip((ZEN5, machine()), told, strict=True)
    )
    assert apart(base, head).refused == {"tensorflow"}
    both = [drawn(seed, backend="torch") for seed in (1, 2)]
    paths = [
        saved(one.assign(machine=told["machine"]), tmp_path, name, **told)
        for name, one, told in zip("ab", both, (base, head), strict=True)
    ]
    assert latencies(compare.compare(*paths)) == {UNCHANGED}


def test_an_older_run_of_the_same_machine_is_not_elsewhere(tmp_path):
    base = metadata(**older())
    found = compared(tmp_path, {name: base[name] for name in ("machine", "environment")}, facts())
    assert not found.comparison.is_elsewhere
    assert "machines differ" not in found.comparison.why


def test_a_folder_of_baselines_gives_those_of_heads_machine(tmp_path):
    folder = tmp_path / "base"
    for name, at, minute in (("there", ZEN3, 5), ("here", machine(), 1)):
        saved(drawn(1, machine=1.0).assign(machine=at.slug), folder, name, **facts(at), **of_commit(OTHER, minute))
    head = saved(drawn(2).assign(machine=machine().slug), tmp_path, "head", **facts(), **of_commit(COMMIT, 9))
    assert [one["run_id"] for one in compare.compare(folder, head).base.runs] == ["here"]


def test_runs_with_other_things_in_force_are_not_pooled(tmp_path):
    folder = tmp_path / "base"
    for name, in_force, minute in (("off", OFF, 1), ("on", IN_FORCE, 2)):
        told = facts(in_force=in_force, **of_commit(OTHER, minute))
        saved(drawn(minute).assign(machine=machine().slug), folder, name, **told)
    head = saved(drawn(3).assign(machine=machine().slug), tmp_path, "head", **facts(), **of_commit(COMMIT, 9))
    assert [one["run_id"] for one in compare.compare(folder, head).base.runs] == ["on"]


@pytest.mark.parametrize("format_", ["table", "markdown", "json", "junit"])
def test_every_format_names_the_classes_and_what_sets_the_sides_apart(format_, tmp_path):
    text = table.render(compared(tmp_path, facts(ZEN3, OFF), facts()), format_, width=1000)
    for word in ("Other machines: oneDNN was off in base and is on in head", ZEN3.slug, "oneDNN off by default"):
        assert word in text
    if format_ == "markdown":
        assert text.startswith("> [!WARNING]\n> Other machines: ")
        assert f"Measured on {ZEN3.slug}, oneDNN off by default; {machine().slug}, oneDNN on by default." in text
    if format_ == "json":
        assert json.loads(text)["apart"][0] == "oneDNN was off in base and is on in head"

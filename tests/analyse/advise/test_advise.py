"""Advice: known truths, what it rests on, and where it says nothing."""

import dataclasses
import importlib.util
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from advice import kept_rows, left_out
from frames import HOSTILE, IN_FORCE, fail, frame, metadata, true_speedup
from machines import machine, recorded

import grouped_bench as gb
from grouped_bench.analyse.advise.advice import COSTLY, MEASURED, Advice, Option, leaders, question
from grouped_bench.analyse.advise.advise import advise, questions, sensible, without
from grouped_bench.analyse.advise.kriging import estimate, outside, within_reach
from grouped_bench.analyse.estimate import Estimate
from grouped_bench.analyse.rows import plain
from grouped_bench.api import runs
from grouped_bench.api.advise import questions_of
from grouped_bench.errors import RunError, SpaceError
from grouped_bench.harness.inspect.here import looked_at
from grouped_bench.harness.processes.probing import Probe
from grouped_bench.report.advice import formats as telling
from grouped_bench.report.advice.text import code_of
from grouped_bench.space.case import Case, Setting
from grouped_bench.space.space import Space
from grouped_bench.store import identity
from grouped_bench.store.runs import write_run

HERE = machine()

SETTING = Setting("tensorflow", "graph", "cpu", "hot")
MANY = (2, 4, 8, 16, 32)
ASKED = "grouped-bench advise --groups 32"


def case_of(groups=32, channels=128, **changed):
    shape = {"rank": 2, "batch_size": 8, "size": (28, 28), "kernel_size": (3, 3), "stride": (1, 1)}
    rest = {"dilation": (1, 1), "padding": "same", "bias": False, "dtype": "float32", "data_format": "channels_last"}
    made = Case(in_channels=channels, out_channels=channels, groups=groups, pass_="training", **shape, **rest)
    return dataclasses.replace(made, **changed)


def ask(made, computes=None, setting=SETTING, **case):
    return advise(question(case_of(**case), setting, computes), plain(made))


def many(**columns):
    return frame(groups=MANY, channels=(64, 128, 256), passes=("training",), **columns)


def latencies(made, where, times):
    """A copy in which the latencies `where` are so many times as long."""
    made = made.copy()
    for name in ("latency_s", "latency_low_s", "latency_high_s"):
        made.loc[where, name] *= times
    for name in ("speedup", "speedup_low", "speedup_high"):
        made.loc[where, name] /= times
    return made


def uncertain(made, share):
    """A copy with intervals of so much to either side."""
    made = made.copy()
    for name in ("latency", "speedup"):
        value = made["latency_s" if name == "latency" else name]
        low, high = (f"{name}_low_s", f"{name}_high_s") if name == "latency" else (f"{name}_low", f"{name}_high")
        made[low], made[high] = value * (1 - share), value * (1 + share)
    return made


# Of the very case


@pytest.mark.parametrize("groups", [4, 32])
def test_the_fastest_variant_that_was_measured_is_advised(groups):
    found = ask(frame(), groups=groups)
    assert (found.basis, found.best.variant, found.ties, found.at_most) == ("measured", "grouped_native", (), 0)
    assert found.best.over_regular.value == pytest.approx(true_speedup("grouped_native", groups), rel=0.01)
    over = true_speedup("grouped_native", groups) / true_speedup("grouped", groups)
    assert found.best.over_grouped.value == pytest.approx(over, rel=0.01)
    assert found.best.over_grouped.low < over < found.best.over_grouped.high
    assert found.best.params == 9 * 128 * 128 // groups
    assert found.regular.params == 9 * 128 * 128
    assert {row["variant"] for row in found.evidence} == {
        "regular",
        "grouped",
        "grouped_native",
        "split_sum",
        "split_concat",
    }
    assert found.is_settled


def test_variants_of_another_function_are_never_ranked():
    made = latencies(frame(), frame()["variant"] == "split_sum", 0.001)
    assert ask(made).best.variant == "grouped_native"
    assert [option.variant for option in ask(made, "dense").options] == ["split_sum", "regular"]


def test_keras_own_layer_is_advised_where_nothing_is_told_from_it():
    made = uncertain(frame(), 0.1)
    made = latencies(made, (made["variant"] == "grouped_native") & (made["groups"] == 32), 32**0.6 / (0.3 / 32) * 0.99)
    made = fail(made, made["variant"] == "split_concat", "error", "no")
    found = ask(made)
    assert found.best.variant == "grouped"
    assert found.ties == ("grouped_native",)
    assert 0.1 < found.at_most < 0.5


def test_with_one_group_the_plain_layer_is_advised():
    found = ask(frame(), groups=1)
    assert (found.best.variant, found.ties) == ("regular", ("split_sum",))


def test_a_lead_that_the_intervals_do_not_show_is_a_tie():
    found = ask(uncertain(frame(), 0.6))
    assert found.best.variant == "grouped_native"
    assert found.ties == ("split_concat",)
    assert found.at_most > COSTLY
    assert not found.is_settled


def test_without_intervals_nothing_is_said_of_the_cost():
    made = frame(latency_low_s=None, latency_high_s=None, speedup_low=None, speedup_high=None)
    found = ask(made)
    assert found.at_most is None
    assert len(found.ties) == 2


def test_the_narrower_interval_counts():
    made = frame()
    made["speedup_low"], made["speedup_high"] = 1e-6, 1e6
    found = ask(made)
    assert found.ties == ()
    assert found.best.over_regular.low > 7


@pytest.mark.parametrize("status", ["unsupported", "oom", "crashed", "incorrect", "timeout", "error"])
def test_what_failed_is_not_advised(status):
    made = frame()
    found = ask(fail(made, made["variant"] == "grouped_native", status, "why"))
    assert found.best.variant == "split_concat"
    assert dict(found.left_out)["grouped_native"] == f"{status}: why"


def test_what_a_moved_machine_leaves_of_an_interval_is_evidence():
    made = frame(channels=(128,), groups=(32,))
    found = ask(made.assign(flags=[["unstable", "stolen_cpu"]] * len(made)))
    assert found.best.variant == ask(made).best.variant == "grouped_native"
    assert found.left_out == ()
    wide = made.assign(speedup_low=0.001, speedup_high=999.0, latency_low_s=1e-6, latency_high_s=9.0)
    assert "split_concat" in ask(wide).ties


def test_the_newest_run_with_intervals_counts():
    old = frame(run_id="old", started_at=pd.Timestamp("2026-11-01T00:00:00Z"))
    new = latencies(frame(run_id="new"), frame()["variant"] == "split_concat", 0.01)
    assert ask(pd.concat([new, old])).best.variant == "split_concat"
    assert {row["run_id"] for row in ask(pd.concat([new, old])).evidence} == {"new"}
    without_intervals = new.assign(latency_low_s=None, latency_high_s=None)
    assert {row["run_id"] for row in ask(pd.concat([without_intervals, old])).evidence} == {"old"}


# From neighbours


def test_neighbours_tell_what_they_were_drawn_around():
    made = many()
    rows = without(question(case_of(groups=8), SETTING), plain(made))
    found = advise(question(case_of(groups=8), SETTING), rows)
    assert (found.basis, found.best.variant, found.ties) == ("neighbours", "grouped_native", ())
    assert found.best.over_regular.value == pytest.approx(8**0.6, rel=0.05)
    assert found.best.over_regular.low < 8**0.6 < found.best.over_regular.high
    over_grouped = 8**0.6 / (0.3 / 8)
    assert found.best.over_grouped.value == pytest.approx(over_grouped, rel=0.05)
    assert found.best.over_grouped.low < over_grouped < found.best.over_grouped.high
    for figure, true in ((found.best.latency, 0.048 / 8**0.6), (found.best.memory, 7 * 2**20)):
        assert figure.low < true < figure.high
        assert figure.value == pytest.approx(true, rel=0.25)
    assert found.best.params == 9 * 128 * 16
    assert not found.is_settled


def test_what_failed_nearby_is_not_advised_and_what_was_interrupted_is():
    made = without(question(case_of(groups=8), SETTING), plain(many()))
    native = [replace(row, status="unsupported") if is_native(row, 16) else row for row in made]
    found = advise(question(case_of(groups=8), SETTING), native)
    assert found.best.variant == "split_concat"
    assert dict(found.left_out)["grouped_native"].startswith("nearby unsupported")
    stopped = [replace(row, status="interrupted") if is_native(row, 16) else row for row in made]
    assert advise(question(case_of(groups=8), SETTING), stopped).best.variant == "grouped_native"


def is_native(row, groups):
    return row["variant"] == "grouped_native" and row["groups"] == groups and row["in_channels"] == 128


def test_unstable_neighbours_are_none():
    made = without(question(case_of(groups=8), SETTING), plain(many()))
    assert (
        advise(question(case_of(groups=8), SETTING), [replace(row, flags=("unstable",)) for row in made]).best is None
    )


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ({"groups": 64}, "groups 64 is outside the measured range, 2 to 32"),
        ({"batch_size": 16}, "batch size 16 is outside the measured range, 8"),
        ({"size": (56, 56)}, "output positions 3136 is outside the measured range, 784"),
        ({"stride": (2, 2), "size": (56, 56)}, "stride 4 is outside the measured range, 1"),
        ({"dilation": (2, 2)}, "dilation 4 is outside the measured range, 1"),
        ({"pass_": "inference"}, "found: 0"),
        ({"dtype": "bfloat16"}, "found: 0"),
        ({"data_format": "channels_first"}, "found: 0"),
        ({"bias": True}, "found: 0"),
        ({"padding": "valid"}, "found: 0"),
        ({"rank": 1, "size": (784,), "kernel_size": (9,), "stride": (1,), "dilation": (1,)}, "found: 0"),
        (
            {"groups": 1},
            "an estimate needs three measured cases of one group in this setting, pass and format; found: 0",
        ),
    ],
)
def test_outside_of_what_was_measured_it_abstains(case, why):
    found = ask(frame(groups=MANY, channels=(64, 128), passes=("training",)), **{"groups": 8, **case})
    assert found.best is None
    assert why in found.abstains


@pytest.mark.parametrize(
    "setting",
    [
        Setting("jax", "graph", "cpu", "hot"),
        Setting("tensorflow", "xla", "cpu", "hot"),
        Setting("tensorflow", "graph", "gpu", "hot"),
        Setting("tensorflow", "graph", "cpu", "cold"),
    ],
)
def test_another_setting_is_no_evidence(setting):
    assert ask(many(), setting=setting).best is None


def test_too_few_neighbours_are_none():
    made = frame(groups=(4, 16), channels=(128,), passes=("training",))
    assert "found: 2" in ask(made, groups=8).abstains


def test_a_shape_far_from_all_others_is_out_of_reach():
    corners = [case_of(groups=g, batch_size=b, channels=c) for g, b, c in ((2, 1, 64), (64, 256, 64), (64, 1, 2048))]
    corners += [case_of(groups=2, batch_size=256, channels=2048)]
    assert "differs by" in outside(case_of(groups=8, batch_size=16, channels=256), corners)
    assert within_reach(case_of(groups=8), [case_of(groups=16), case_of(groups=1, batch_size=1024)]) == [True, False]


def test_a_choice_that_could_cost_much_is_left_open_and_one_that_could_not_is_made():
    rng = np.random.default_rng(1)

    def noisy(spread):
        rows = without(question(case_of(groups=8), SETTING), plain(many()))
        same = {"split_concat": 1.0, "grouped_native": 1.0}
        base = {(r["groups"], r["in_channels"]): r["latency_s"] for r in rows if r["variant"] == "regular"}

        def drawn(row):
            return base[row.groups, row.in_channels] * np.exp(spread * rng.standard_normal())

        rows = [row for row in rows if row.variant in (*same, "regular")]
        return [replace(row, latency_s=drawn(row)) if row.variant in same else row for row in rows]

    found = advise(question(case_of(groups=8), SETTING), noisy(1.0))
    assert found.best is None
    assert "do not separate" in found.abstains
    found = advise(question(case_of(groups=8), SETTING), noisy(0.01))
    assert found.best is not None
    assert len(found.ties) == 1
    assert found.at_most <= COSTLY


def test_a_variant_that_few_neighbours_have_is_told_and_not_ranked():
    made = without(question(case_of(groups=8), SETTING), plain(many()))
    rare = [row for row in made if row["variant"] != "split_concat" or row["groups"] == 16]
    found = advise(question(case_of(groups=8), SETTING), [row for row in rare if row["in_channels"] != 64])
    assert dict(found.left_out)["split_concat"] == "measured at 2 of 9 neighbours, but an estimate needs three"


def test_the_estimate_of_a_plane_is_inside_of_its_interval_and_of_a_constant_is_exact():
    known = [case_of(groups=g, channels=c) for g in MANY for c in (64, 128, 256)]
    asked = case_of(groups=8, channels=128, batch_size=8)
    assert estimate(asked, known, [3.0] * len(known)) == Estimate(*[pytest.approx(3.0)] * 3)
    values = [case.groups**0.5 for case in known]
    found = estimate(asked, known, values)
    assert found.low < 8**0.5 < found.high
    assert found.high / found.low < 2
    assert estimate(asked, known[:2], values[:2]) is None


# Of several group counts


def test_the_least_is_told_by_intervals_that_do_not_meet():
    found = [ask(frame(), groups=groups) for groups in (4, 32)]
    assert [one.question.case.groups for one in leaders(found, lambda one: one.best.latency)] == [32]
    wide = [ask(uncertain(frame(), 0.7), groups=groups) for groups in (4, 32)]
    assert len(leaders(wide, lambda one: one.best.latency)) == 2
    assert len(leaders(found, lambda one: one.best.memory)) == 2
    unknown = Advice(found[0].question, abstains="no")
    assert leaders([*found, unknown], lambda one: one.best and one.best.latency) == []


# Held to the committed runs


def inside():
    return [one for one in left_out(kept_rows()) if one.spanned]


def test_the_advice_of_the_committed_runs_without_the_case_itself_costs_little():
    regrets = [one.regret(one.pick) for one in inside() if one.pick and one.pick not in one.unsure]
    assert len(regrets) >= 30
    assert None not in regrets  # a variant that does not work there is never advised
    assert float(np.median(regrets)) <= 0.05
    assert max(regrets) <= 0.25


def test_the_advice_abstains_on_at_most_a_fifth_of_the_cases_inside():
    every = inside()
    assert len(every) >= 35
    assert sum(one.pick is None for one in every) / len(every) <= 0.2


# The library call


class Setup:
    """This machine as a test makes it up: what is in force by the value of the environment, and what fails here."""

    def __init__(self):
        self.machine, self.in_force, self.fails, self.asked, self.starts = machine(), {None: IN_FORCE}, {}, [], True
        self.begun = []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def begin(self, keys):
        self.begun += [key.env for key in keys]

    def probe(self, setting):
        self.asked.append(setting)
        if not self.starts or setting.env not in self.in_force:
            return None
        return Probe({"cpu:0": "", "gpu:0": "H200"}, {}, {}, "3.11", "2.21.0", self.in_force[setting.env])

    def problem(self, case, setting, paste):
        found = (word for word in self.fails if word in paste.code)
        return self.fails.get(next(found, None))


@pytest.fixture
def setup(monkeypatch):
    made = Setup()
    monkeypatch.setattr("grouped_bench.harness.inspect.here.Trials", lambda progress: made)
    monkeypatch.setattr("grouped_bench.harness.inspect.here.machine_of", lambda *given: made.machine)
    return made


@pytest.fixture
def here(tmp_path, setup):
    def save(made, name, at=HERE, **control):
        facts = metadata(run_id=name, control=control, **recorded(at))
        return write_run(made.assign(run_id=name, machine=at.slug), facts, tmp_path / "results/m" / f"{name}.parquet")

    save(frame(), "20261123-012233-ab12")
    save.out = tmp_path / "results"
    return save


def shape(**axes):
    return Space(channels=[128], passes=["training"], **axes)


def in_environments(off, on, speedup):
    """A run with `env` TF_X=0, where all is as in `frame()`, and TF_X=1, so many times as fast."""
    slow = frame(env="TF_X=0", in_force=json.dumps(off))
    fast = latencies(frame(env="TF_X=1", in_force=json.dumps(on)), [True] * len(slow), 1 / speedup)
    return pd.concat([slow, fast], ignore_index=True)


def test_the_runs_of_the_folder_are_asked(here):
    (found,) = gb.advise(shape(groups=[32]), out=here.out)
    assert (found.best.variant, found.tried) == ("grouped_native", True)
    (found,) = gb.advise(shape(groups=[32]), out=here.out / "nothing")
    assert found.abstains
    with pytest.raises(RunError):
        gb.advise(shape(groups=[32]), ["nope"], out=here.out)


def test_runs_in_other_threads_are_evidence_for_these_alone(here):
    later = pd.Timestamp("2026-11-25", tz="UTC")  # or the other run would be asked anyway
    flags = json.dumps({"onednn": True, "flags": {}})
    single = latencies(frame(threads=1, in_force=flags), frame()["variant"] == "split_concat", 0.001)
    here(single.assign(started_at=later), "20261124-000000-0000")
    (found,) = gb.advise(shape(groups=[32]), out=here.out)
    assert found.best.variant == "grouped_native"
    (found,) = gb.advise(shape(groups=[32]), ["20261124-000000-0000"], out=here.out)
    assert found.why_elsewhere == "1 thread there and all threads here"
    (found,) = gb.advise(shape(groups=[32], threads=1), out=here.out)
    assert found.best.variant == "split_concat"


def test_runs_in_another_precision_are_no_evidence_unless_named(here):
    rounded = latencies(frame(), frame()["variant"] == "split_concat", 0.001)
    here(rounded, "20261124-000000-0000", tf32="on")
    (found,) = gb.advise(shape(groups=[32]), out=here.out)
    assert found.best.variant == "grouped_native"
    (found,) = gb.advise(shape(groups=[32]), ["20261124-000000-0000"], out=here.out)
    assert found.best.variant == "split_concat"


def test_another_machine_is_no_evidence_and_alone_it_is_no_advice(here, setup):
    other = machine(count=4)
    here(latencies(frame(), frame()["variant"] == "split_concat", 0.01), "20261124-000000-0000", at=other)
    (found,) = gb.advise(shape(groups=[32]), out=here.out)
    assert (found.best.variant, found.evidence[0]["machine"]) == ("grouped_native", HERE.slug)
    (found,) = gb.advise(shape(groups=[32]), ["20261124-000000-0000"], out=here.out)
    assert (found.elsewhere, found.answers, found.is_settled, found.tried) == (True, False, False, False)
    lines = told([found], "table").splitlines()
    first = f"Not measured here, only on {other.slug}: another machine: 4 processors there and 2 here."
    assert " ".join(lines[:3]).startswith(first)
    assert not any(line.startswith(("Use ", "Code to paste")) for line in lines)
    assert lines[-1] == f"  {ASKED} --measure"
    (one,) = json.loads(told([found], "json"))["advice"]
    assert (one["elsewhere"], one["use"], one["code"], one["next"]) == (True, None, None, f"{ASKED} --measure")


def test_what_was_measured_here_and_not_decided_is_not_told_from_elsewhere(here):
    here(frame(), "20261124-000000-0000", at=machine(count=4))
    here(fail(frame(), frame()["variant"] != "regular", "timeout", "slow"), "20261123-012233-ab12")
    (found,) = gb.advise(shape(groups=[32]), out=here.out)
    assert (found.elsewhere, found.answers) == (False, False)


def test_what_was_measured_with_other_kernels_in_force_is_elsewhere(here, setup):
    setup.in_force = {None: {**IN_FORCE, "onednn": False}}
    (found,) = gb.advise(shape(groups=[32]), out=here.out)
    assert found.why_elsewhere == "oneDNN was on there and is off here"
    off = json.dumps({**IN_FORCE, "onednn": False})
    here(latencies(frame(in_force=off), frame()["variant"] == "split_concat", 0.001), "20261122-000000-0000")
    (found,) = gb.advise(shape(groups=[32]), out=here.out)
    assert (found.best.variant, found.elsewhere) == ("split_concat", False)


def test_of_another_machine_the_rows_are_those_of_what_was_in_force_last(here, setup):
    setup.machine = machine(count=8)
    later, off = pd.Timestamp("2026-11-25", tz="UTC"), json.dumps({**IN_FORCE, "onednn": False})
    last = latencies(frame(in_force=off, started_at=later), frame()["variant"] == "split_concat", 0.001)
    here(last, "20261125-000000-0000")
    (found,) = gb.advise(shape(groups=[32]), out=here.out)
    assert (found.best.variant, found.elsewhere) == ("split_concat", True)


def test_no_backend_is_started_for_the_runs_of_another_machine(here, setup):
    setup.machine = machine(count=8)
    (found,) = gb.advise(shape(groups=[32]), out=here.out)
    assert (found.elsewhere, setup.asked) == (True, [])


def test_a_backend_that_does_not_start_here_makes_its_runs_those_of_elsewhere(here, setup):
    setup.starts = False
    (found,) = gb.advise(shape(groups=[32]), out=here.out)
    assert found.why_elsewhere == "tensorflow does not start here"


def test_a_variant_whose_code_fails_here_is_not_advised_and_the_next_one_is(here, setup):
    words = "unsupported: InvalidArgumentError: filter_size does not have enough elements, requested 147456, got 4608"
    setup.fails = {"tf.nn.convolution": words}
    setup.in_force = {None: IN_FORCE}
    (found,) = gb.advise(shape(groups=[32]), out=here.out)
    assert (found.best.variant, found.tried) == ("split_concat", True)
    name, why = found.left_out[0]
    assert (name, why.startswith("its code fails here: ")) == ("grouped_native", True)
    assert words.partition(": ")[2] in why
    setup.fails |= {"SplitConcat": "error: no"}
    (found,) = gb.advise(shape(groups=[32]), out=here.out)
    assert (found.best.variant, found.is_settled) == ("grouped", False)
    assert [name for name, _ in found.left_out] == ["grouped_native", "split_concat"]
    assert "Certainty: measured; no other variant works here." in " ".join(told([found]).split())
    setup.fails |= {"keras.layers.Conv2D(": "error: no"}
    (found,) = gb.advise(shape(groups=[32]), out=here.out)
    assert (found.best, found.kept_open) == (None, "failures")
    assert found.abstains == "none of 3 measured variants of this function works here"


def test_an_environment_that_is_faster_by_its_interval_is_the_advice(here, setup):
    off = {**IN_FORCE, "onednn": False}
    setup.in_force = {None: off, "TF_X=1": IN_FORCE}
    here(in_environments(off, IN_FORCE, 5), "20261124-000000-0000")
    (found,) = gb.advise(shape(groups=[32]), ["20261124-000000-0000"], out=here.out)
    assert (found.best.variant, found.alternative.env) == ("grouped_native", "TF_X=1")
    assert found.alternative.over.value == pytest.approx(5)
    assert setup.begun == [None, "TF_X=1"]  # at once, since each takes seconds
    text = " ".join(told([found], "table").split())
    assert "Set TF_X=1 before importing TensorFlow, and use grouped_native: " in text
    assert re.search(r"5\.0× \[4\.8–5\.2\] faster than the best without it\. Without it, use grouped_native: ", text)
    assert text.count("to paste") == text.count("Code to paste: ") == 1  # the same code serves both
    (one,) = json.loads(told([found], "json"))["advice"]
    assert (one["environment"]["env"], one["environment"]["use"]) == ("TF_X=1", "grouped_native")
    assert one["environment"]["over"]["value"] == pytest.approx(5)


def test_two_codes_are_pasted_where_the_environments_differ_in_the_best(here, setup):
    off = {**IN_FORCE, "onednn": False}
    setup.in_force = {None: off, "TF_X=1": IN_FORCE}
    made = in_environments(off, IN_FORCE, 5)
    native = made["variant"] == "grouped_native"
    here(fail(made, native & (made["env"] == "TF_X=0"), "unsupported", "no"), "20261124-000000-0000")
    (found,) = gb.advise(shape(groups=[32]), ["20261124-000000-0000"], out=here.out)
    assert (found.best.variant, found.alternative.advice.best.variant) == ("split_concat", "grouped_native")
    text = told([found], "table")
    first, second = text.index("Code to paste with TF_X=1:"), text.index("Code to paste without it:")
    assert first < text.index("class NativeGroupedConv(") < second < text.index("class SplitConcatConv(")


def test_an_environment_that_may_not_be_faster_is_not_mentioned(here, setup):
    off = {**IN_FORCE, "onednn": False}
    setup.in_force = {None: off, "TF_X=1": IN_FORCE}
    here(in_environments(off, IN_FORCE, 1.02), "20261124-000000-0000")
    (found,) = gb.advise(shape(groups=[32]), ["20261124-000000-0000"], out=here.out)
    assert (found.best.variant, found.alternative) == ("grouped_native", None)


def test_an_environment_in_which_the_code_fails_is_not_advised(here, setup, monkeypatch):
    off = {**IN_FORCE, "onednn": False}
    setup.in_force = {None: off, "TF_X=1": IN_FORCE}
    here(in_environments(off, IN_FORCE, 5), "20261124-000000-0000")
    monkeypatch.setattr(setup, "problem", lambda case, setting, paste: "crashed: no" if setting.env else None)
    (found,) = gb.advise(shape(groups=[32]), ["20261124-000000-0000"], out=here.out)
    assert found.alternative is None
    assert found.left_out[0] == ("grouped_native with TF_X=1", "its code fails here: crashed: no")


def test_without_a_case_every_layer_of_the_runs_is_answered(here):
    found = gb.advise(None, ["latest"], out=here.out)
    assert [one.basis for one in found] == ["measured"] * 12


def test_a_layer_that_was_measured_in_several_environments_is_one_question(here, setup):
    off = {**IN_FORCE, "onednn": False}
    setup.in_force = {None: off, "TF_X=1": IN_FORCE}
    here(in_environments(off, IN_FORCE, 5), "20261124-000000-0000")
    found = gb.advise(None, ["20261124-000000-0000"], out=here.out)
    assert [one.alternative.env for one in found if one.question.case.groups > 1] == ["TF_X=1"] * 8
    text = " ".join(told(found, "table").split())
    assert "with TF_X=1 grouped_native, " in text


def test_blocks_are_refused(here):
    with pytest.raises(SpaceError, match="`advise` takes layers"):
        gb.advise(Space(scope=["block"]), out=here.out)


@pytest.fixture
def measures(monkeypatch):
    """Measured are 64 groups, on this machine; the spaces and options that were asked for."""
    asked = []

    def measure(space, **how):
        asked.append((space, how))
        made = frame(groups=(64,), channels=(128,), passes=("training",), run_id="new")
        return runs.Run(made, {"run_id": "new", **recorded()}, Path("new.parquet"))

    monkeypatch.setattr("grouped_bench.api.advise.run", measure)
    return asked


def test_what_is_open_is_measured_where_asked_and_nothing_else(here, measures):
    found = gb.advise(shape(groups=[32, 64]), out=here.out, measure=True)
    ((space, how),) = measures
    (point,) = space.points()
    assert point.case == case_of(groups=64)
    assert point.variants[:2] == ("regular", "grouped")
    tried = {"regular", "grouped", "grouped_native", "split_concat", "block_diagonal", "merged_groups"}
    assert set(point.variants) == {*tried, "depthwise_sum"}
    assert point.envs == (None,)  # of which none changes anything here
    assert (how["budget"], how["page"]) == (60, False)
    assert [one.basis for one in found] == ["measured"] * 2
    assert {row["run_id"] for row in found[1].evidence} == {"new"}
    gb.advise(shape(groups=[32]), out=here.out, measure=True)
    assert len(measures) == 1
    gb.advise(shape(groups=[2]), out=here.out, measure=True)
    assert set(next(iter(measures[1][0].points())).variants) == tried  # of wide groups each channel alone is too many


def test_values_of_the_environment_that_change_something_are_measured_too(here, setup, measures, monkeypatch):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    off = {**IN_FORCE, "onednn": False}
    setup.in_force |= {"TF_ENABLE_ONEDNN_OPTS=0": off, "TF_ENABLE_ONEDNN_OPTS=1": IN_FORCE}
    gb.advise(shape(groups=[64]), out=here.out, measure=True)
    ((space, how),) = measures
    (point,) = space.points()
    assert point.envs == ("TF_ENABLE_ONEDNN_OPTS=", "TF_ENABLE_ONEDNN_OPTS=0")
    assert how["budget"] == 120


def test_an_environment_that_is_asked_for_is_measured_alone(here, setup, measures):
    setup.in_force["TF_X=1"] = IN_FORCE
    gb.advise(shape(groups=[64], env="TF_X=1"), out=here.out, measure=True)
    (point,) = measures[0][0].points()
    assert point.envs == ("TF_X=1",)


@pytest.mark.parametrize(
    ("status", "kept_open", "after"),
    [("interrupted", "time", f"{ASKED} --measure --budget 5m"), ("timeout", "failures", None)],
)
def test_after_a_measurement_nobody_is_asked_to_measure_again(here, monkeypatch, status, kept_open, after):
    def measure(space, **how):
        made = frame(groups=(64,), channels=(128,), passes=("training",), run_id="new")
        made = fail(made, made["variant"] != "regular", status, None)
        return runs.Run(made, {"run_id": "new", **recorded()}, Path("new.parquet"))

    monkeypatch.setattr("grouped_bench.api.advise.run", measure)
    (found,) = gb.advise(shape(groups=[64]), out=here.out, measure=True)
    assert (found.answers, found.kept_open, found.measured_s) == (False, kept_open, 60)
    (one,) = json.loads(telling.render([found], "json", f"{ASKED} --measure"))["advice"]
    assert one["next"] == after
    text = telling.render([found], "table", f"{ASKED} --measure")
    assert "Measure what is missing" not in text
    assert "grouped_native: " + status in text


def test_the_only_variant_that_works_is_an_answer_and_what_else_there_is_stays_worth_a_measurement():
    made = frame()
    found = ask(fail(made, made["variant"].isin(["grouped_native", "split_concat"]), "unsupported", "no"))
    assert (found.best.variant, found.ties, found.is_settled) == ("grouped", (), False)
    stopped = ask(fail(made, made["variant"].isin(["grouped_native", "split_concat"]), "interrupted", None))
    assert (stopped.best, stopped.kept_open) == (None, "time")


def test_one_group_needs_no_choice(here, measures):
    made = frame(groups=(1,), channels=(128,), variants=["regular"], passes=("training",))
    here(made, "20261123-012233-ab12")
    (found,) = gb.advise(shape(groups=[1]), out=here.out, measure=True)
    assert (found.best.variant, found.is_settled, measures) == ("regular", True, [])
    assert "no other variant was tried" in words([found])


def test_the_time_for_a_measurement_can_be_given(here, measures):
    (found,) = gb.advise(shape(groups=[64]), out=here.out, measure=True, budget="5m")
    assert (measures[0][1]["budget"], found.measured_s) == (300, 300)
    with pytest.raises(SpaceError, match="`budget` takes a duration"):
        gb.advise(shape(groups=[64]), out=here.out, budget="long")


def test_layers_of_runs_are_chosen_by_what_they_agree_in(here):
    pytest.importorskip("jax")
    asked = gb.advise(None, ["latest"], out=here.out, passes="training", batch_size="8")
    assert {one.question.case.pass_ for one in asked} == {"training"}
    assert len(asked) == 6
    assert gb.advise(None, ["latest"], out=here.out, backend="jax") == []


def test_a_network_s_own_variant_is_the_plain_one(here):
    (asked,) = questions(plain(frame(groups=(64,), channels=(64,), passes=("training",), in_use="depthwise_sum")))
    assert (asked.keras, asked.in_use) == ("depthwise_sum", "depthwise_sum")


def test_this_machine_is_asked_for_real():
    setting = Setting("tensorflow", "graph", "cpu", env="TF_ENABLE_ONEDNN_OPTS=0")
    rows = plain(frame(in_force=json.dumps({"onednn": True, "flags": {}})))
    machines = {row["run_id"]: identity.here() for row in rows}
    with looked_at(machines, quiet=True) as here:
        found = here.sort(setting, rows)
        assert here.changes(setting, "TF_ENABLE_ONEDNN_OPTS=1")
        assert not here.changes(setting, "TF_ENABLE_ONEDNN_OPTS=0")
    assert [why for why, _ in found.elsewhere] == ["oneDNN was on there and is off here"]


# How it is told


def told(found, format="table"):
    text = telling.render(found, format, ASKED)
    assert format == "json" or max(map(len, text.splitlines())) <= 80
    return text


def words(found):
    return " ".join(told(found).split())


def test_one_advice_says_what_by_how_much_how_sure_at_what_cost_and_on_what_it_rests():
    text = words([ask(frame())])
    assert "Use grouped_native: " in text
    assert "8.0× [7.8–8.2] faster than regular (Keras' dense layer, another function)" in text
    assert "860× [820–890] faster than grouped (Keras' groups=)" in text
    assert "grouped 5.12 s ±2% 110× slower — 7.00 MiB" in text
    assert "Certainty: measured with 2 other variants of the same function; it is the fastest, and" in text
    assert "Cost: 7.00 MiB of memory, 4.61 k parameters; regular takes 11.0 MiB and 147 k." in text
    assert "Evidence: run 20261123-012233-ab12 (5 rows), with tensorflow 2.21.0." in text
    assert "class NativeGroupedConv(KernelConv):" in text


def test_a_long_case_and_a_tiny_ratio_are_told_in_their_width():
    shape = {"rank": 3, "size": (112,) * 3, "kernel_size": (3,) * 3, "stride": (2,) * 3, "dilation": (1,) * 3}
    long = {**shape, "dtype": "mixed_bfloat16", "data_format": "channels_first", "batch_size": 128, "bias": True}
    asked = [question(case_of(groups=groups, channels=1024, **long), SETTING) for groups in (4, 32)]
    text = words([Advice(one, abstains="no") for one in asked])
    assert text.count("bias") == text.count("batch 128") == 1
    slow = latencies(frame(), frame()["computes"] == "grouped", 2000)
    assert "another function)" in words([ask(slow)])


def test_with_one_group_nothing_is_called_another_function():
    assert "another function" not in words([ask(frame(), "grouped", groups=1)])


def test_advice_from_neighbours_says_so():
    asked = question(case_of(groups=8), SETTING)
    text = words([advise(asked, without(asked, plain(many())))])
    assert "not measured, but estimated from 14 neighbours" in text
    assert "Nearest: Conv2D " in text


def test_an_abstention_says_why_and_what_to_do():
    text = words([ask(frame(), groups=64)])
    assert "Use " not in text
    assert f"Measure what is missing: {ASKED} --measure" in text


def test_group_counts_are_a_table_and_three_sentences():
    text = told([ask(frame(), groups=groups) for groups in (1, 4, 32)])
    assert "Least latency: 32 groups." in text
    assert "Least memory: undecided between groups 4 and 32." in text
    assert "Least parameters: 32 groups." in text
    found = json.loads(told([ask(frame(), groups=groups) for groups in (1, 4, 32)], "json"))
    assert found["least"]["latency"] == [32]
    assert [one["use"] for one in found["advice"]] == ["regular", "grouped_native", "grouped_native"]
    assert "layer = NativeGroupedConv(" in found["advice"][1]["code"]


def test_a_whole_run_is_told_case_by_case_and_what_is_open_with_its_reason():
    rows = plain(frame())
    found = [advise(one, rows) for one in questions(rows)]
    found += [ask(frame(), groups=64), ask(frame(), groups=8, batch_size=16)]
    text = words(found)
    assert text.count("faster than regular") == 8
    assert text.count("No advice for 1 case: ") == 2


@pytest.mark.parametrize(
    "numbers", [{"groups": 0}, {"groups": 7}, {"batch_size": 0}, {"in_channels": 0}, {"min_bytes": 0}, {"rank": 3}]
)
def test_numbers_of_a_foreign_record_that_make_no_case_are_no_evidence(numbers):
    sound = plain(many())
    odd = [replace(row, **numbers) for row in sound if row["groups"] == 16]
    assert sensible([*odd, *sound]) == sound


def test_a_run_of_numbers_that_make_no_case_is_no_crash(here):
    here(frame(groups=(4,), channels=(128,), run_id="odd").assign(batch_size=0), "odd")
    assert len(gb.advise(None, ["odd"], out=here.out)) == 0
    (found,) = gb.advise(shape(groups=[32]), out=here.out)
    assert found.best.variant == "grouped_native"


def test_text_from_a_foreign_record_is_shown_and_not_obeyed():
    made = frame(run_id=HOSTILE, backend_version=HOSTILE, machine=HOSTILE)
    made = fail(made, made["variant"] == "grouped", "error", HOSTILE)
    text = told([ask(made)])
    assert "\x1b" not in text
    json.loads(told([ask(made)], "json"))
    made["variant"] = made["variant"].replace("grouped_native", HOSTILE)
    text = told([ask(made)])
    assert "There is no code to paste" in text
    assert "\x1b" not in told([ask(made), ask(made, groups=4)])


NEEDS_TORCH = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="no PyTorch")


@NEEDS_TORCH
@pytest.mark.parametrize(
    ("options", "layouts"),
    [
        ({"backend": "torch"}, ["contiguous"]),
        ({"backend": "torch", "layout": "keras"}, [None]),
        ({"backend": "torch", "layout": "channels_last,keras"}, ["channels_last", None]),
        ({"backend": "tensorflow,torch"}, [None, None]),
        ({}, [None]),
    ],
)
def test_who_asks_for_pytorch_has_its_own_modules(options, layouts):
    asked = questions_of(Space(source="options"), [], None, options)
    assert [one.setting.layout for one in asked] == layouts


@NEEDS_TORCH
@pytest.mark.parametrize(
    ("space", "layouts"),
    [
        (Space(backend="torch"), {"contiguous"}),
        (Space(backend="torch", layout="channels_last"), {"channels_last"}),
        (Space(backend="torch", dtype="mixed_bfloat16"), {None}),
        (Space.preset("resnext50"), {None}),  # whose variants are named
    ],
)
def test_a_space_that_says_more_keeps_what_it_says(space, layouts):
    asked = questions_of(space, [], None, {"backend": "torch"})
    assert {one.setting.layout for one in asked} == layouts


@NEEDS_TORCH
def test_code_of_pytorch_is_what_is_pasted():
    asked = questions_of(Space(source="options"), [], None, {"backend": "torch", "groups": 4})[0]
    found = Advice(asked, MEASURED, options=(Option("grouped", Estimate(0.001), None, None, None, False, 9),))
    assert code_of(found) == "import torch\n\nlayer = torch.nn.Conv2d(64, 64, 3, padding=1, groups=4, bias=False)"


@NEEDS_TORCH
def test_the_code_of_all_layers_is_of_keras_and_says_so():
    with pytest.raises(SpaceError, match="must be of layers of Keras"):
        gb.layer_code(Space(source="options"), [], variant="split_concat", backend="torch", layout="contiguous")

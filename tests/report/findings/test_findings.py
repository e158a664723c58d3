"""Findings: sentences against frames whose answers are known."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from frames import HOSTILE, fail, frame, metadata

from grouped_bench.analyse.crossings import FROM, NEVER, OPEN, crossings, settled
from grouped_bench.analyse.leads import is_clearly_faster
from grouped_bench.analyse.rows import is_baseline, is_ok, plain
from grouped_bench.report.findings.findings import MOST_FINDINGS, counts, findings
from grouped_bench.report.findings.sentences import in_cases
from grouped_bench.report.text.crossings import in_words

NOTES = (
    "Not measured: ",
    "Undecided: ",
    "Busy machine: ",
    "Other flags: ",
    "are the same: of",
    "Out of memory",
)


def said(made, facts=()):
    return "\n".join(finding.text for finding in findings(made, facts))


def training(**options):
    return frame(passes=["training"], **options)


def claims(made):
    return [one for one in findings(made) if not any(note in one.text for note in NOTES)]


def only(made, words):
    (found,) = [one for one in findings(made) if words in one.text]
    return found


def test_the_best_form_is_told_with_its_gain_over_keras_and_how_often():
    found = only(training(), "than Keras' groups=")
    assert found.text == (
        "grouped_native is 850× [820–890] faster than Keras' groups= (32 groups, 128→128). "
        "It is clearly faster in all 4 cases."
    )
    assert {(row["variant"], row["groups"]) for row in found.rows} == {
        (name, groups) for name in ("grouped", "grouped_native") for groups in (4, 32)
    }


def on(backend, factor, **options):
    made = training(**{"groups": [4, 32], "channels": [64], **options}).assign(backend=backend)
    names = [name for name in made.columns if name.startswith("latency")]
    return made.assign(**{name: made[name] * factor for name in names})


def test_backends_are_compared_where_several_have_the_case():
    made = pd.concat([on("tensorflow", 1.0), on("torch", 0.5), on("jax", 3.0)], ignore_index=True)
    found = only(made, "Fastest backend")
    assert re.fullmatch(
        r"Fastest backend: torch in 2 of 2 cases\. At most torch is 2\.0\d*× \[[\d.]+–[\d.]+\] faster than tensorflow "
        r"\(grouped_native, .*\)\.",
        found.text,
    )
    assert {row["backend"] for row in found.rows} == {"torch", "tensorflow"}


def test_backends_that_are_about_as_fast_are_not_ranked():
    assert "Fastest backend" not in said(pd.concat([on("tensorflow", 1.0), on("torch", 1.01)], ignore_index=True))
    assert "Fastest backend" not in said(on("tensorflow", 1.0))


def test_where_backends_win_differently_both_are_counted_and_what_is_open():
    fast = on("torch", 0.5, groups=[4])
    slow = on("torch", 2.0, groups=[32])
    same = on("torch", 1.0, groups=[8])
    ours = on("tensorflow", 1.0, groups=[4, 8, 32])
    text = only(pd.concat([ours, fast, slow, same], ignore_index=True), "Fastest backend").text
    assert "torch in 1 and tensorflow in 1 of 3 cases; 1 open." in text or (
        "tensorflow in 1 and torch in 1 of 3 cases; 1 open." in text
    )


def test_where_grouping_pays_is_told_with_its_best():
    found = only(training(), "Grouping beats")
    assert found.text == (
        "Grouping beats the dense layer in all 4 cases: 8.0× [7.8–8.2] faster at best (grouped_native, 32 groups, "
        "64→64)."
    )
    assert len(found.rows) == 4


def test_a_slow_down_is_called_one_whatever_it_saves():
    found = only(training(), "grouped (Keras groups=)")
    assert found.text == (
        "grouped (Keras groups=) is 110× [100–110] slower than regular, with less arithmetic (32 groups, 64→64). "
        "It is slower in 4 of 6 cases."
    )
    assert {row["variant"] for row in found.rows} == {"grouped"}


def test_a_variant_that_saves_nothing_and_is_slower_is_told_so():
    assert (
        "split_sum (one convolution per group, summed) is 1.25× [1.23–1.28] slower than regular (4 groups, 64→64). It "
        "is slower in 4 of 6 cases."
    ) in said(training())


def test_the_largest_effect_is_told_first_whichever_way_it_goes():
    found = claims(training())
    effects = [one.effect for one in found]
    assert effects == sorted(effects, reverse=True)
    assert ["faster" if "] faster " in one.text else "slower" for one in found[:3]] == ["faster", "slower", "faster"]
    assert found[1].effect == pytest.approx(np.log(0.98 * 320 / 3 / 0.98 / 1.02))


def test_where_no_way_is_faster_grouping_pays_in_none():
    text = said(training(variants=["regular", "grouped"]))
    assert "Grouping does not beat the dense layer in any of 4 cases." in text


@pytest.mark.parametrize(
    ("count", "total", "words"),
    [
        (1, 1, ""),
        (2, 2, " in both cases"),
        (4, 4, " in all 4 cases"),
        (2, 4, " in 2 of 4 cases"),
        (0, 4, " in none of 4 cases"),
    ],
)
def test_a_part_of_the_cases_is_said_in_words(count, total, words):
    assert in_cases(count, total) == words


def test_one_case_in_which_no_way_is_faster_is_told():
    assert "Grouping does not beat the dense layer." in said(
        training(groups=[4], channels=[64], variants=["regular", "grouped"])
    )


def test_one_open_way_leaves_a_cohort_open():
    made = training(groups=[4], variants=["regular", "grouped", "split_concat"])
    made.loc[made["variant"] == "split_concat", "verdict"] = "undecided"
    text = said(made)
    assert "Grouping" not in text
    made.loc[(made["variant"] == "split_concat") & (made["in_channels"] == 64), "verdict"] = "slower"
    assert "Grouping does not beat the dense layer in any of 2 cases. Open: 1 case." in said(made)


def test_a_baseline_that_leads_is_not_called_a_finding():
    assert "dense function in" not in said(training())


def test_leads_within_the_noise_are_not_called_clear():
    made = training(groups=[4], channels=[64])
    alike = made["variant"].isin(["grouped_native", "split_concat"])
    for name, value in (("speedup", 2.0), ("speedup_low", 1.8), ("speedup_high", 2.2)):
        made.loc[alike, name] = value
    assert "Grouping beats the dense layer" in said(made)


def test_a_lead_needs_intervals_and_verdicts():
    rows = {row["variant"]: row for row in plain(training(groups=[4], channels=[64]))}
    native, concat, base, total = (rows[name] for name in ("grouped_native", "split_concat", "regular", "split_sum"))
    assert is_clearly_faster(native, concat)
    assert is_clearly_faster(native, base)
    assert is_clearly_faster(base, total)
    assert not is_clearly_faster(replace(native, speedup_low=None), concat)
    assert not is_clearly_faster(replace(native, speedup_low=1.9), replace(concat, speedup_high=2.0))
    assert not is_clearly_faster(replace(native, verdict="equivalent"), replace(concat, verdict="equivalent"))
    assert not is_clearly_faster(base, replace(total, verdict="equivalent"))
    assert not is_clearly_faster(replace(native, verdict="equivalent"), base)


def undecided(**columns):
    return training(verdict="undecided", speedup_low=0.001, speedup_high=1000.0, **columns)


def test_everything_undecided_gives_no_claim():
    found = findings(undecided(groups=[4, 32]))
    assert found[0].text == "No comparison has a decided verdict yet. Latencies are in the table."
    assert "Undecided: 16 of 16 comparisons with the baseline." in found[-1].text
    assert len(found[-1].rows) == 16
    assert all("×" not in one.text for one in found)


def test_a_busy_machine_is_told_with_its_causes():
    found = only(training(flags=["unstable", "throttled"]), "Busy machine")
    assert found.text == (
        "Busy machine: 30 of 30 tasks disturbed, so that their intervals are wider. Causes: 30 throttled."
    )
    assert len(found.rows) == 30


def test_rows_that_failed_win_nothing_and_are_counted_by_reason():
    made = training()
    made = fail(made, made["variant"] == "grouped_native", "incorrect", "off")
    text = said(fail(made, made["variant"] == "split_sum", "timeout", None))
    assert text.startswith("split_concat is 430× [410–440] faster than Keras' groups=")
    assert "grouped_native" not in text
    assert "Not measured: 12 of 30 tasks. Reasons: 6 timeout; 6 incorrect, off." in text


def test_many_reasons_are_counted_and_cut():
    made = training(groups=[4], channels=[64])
    reasons = ["a", "a", "b", "c", "d " * 200]
    made = made.assign(status="crashed", reason=reasons)
    (first, failed) = findings(made)
    assert first.text == "Nothing was measured, so there are no findings."
    assert failed.text == "Not measured: 5 of 5 tasks. Reasons: 5 crashed, a (2), b (1), c (1), 1 more reason."


def test_memory_decides_where_one_way_runs_out_and_another_does_not():
    made = training(groups=[4, 32], channels=[64])
    made = fail(made, (made["variant"] == "split_sum") & (made["groups"] == 32), "oom", "too large")
    made = fail(made, made["variant"] == "grouped", "predicted_oom", None)
    assert (
        "Out of memory where other variants of the same function fit: grouped in 2 cases and split_sum in 1 case."
    ) in said(made)
    everything = training(groups=[4], channels=[64])
    assert "Out of memory" not in said(fail(everything, everything["computes"] == "grouped", "oom", None))


def with_memory(variant, size, source="allocator", **options):
    made = training(groups=[4], channels=[64], **options)
    made.loc[made["variant"] == variant, "peak_memory_bytes"] = size
    made.loc[made["variant"] == variant, "memory_source"] = source
    return made


def test_the_fastest_that_takes_more_memory_is_told_unless_it_was_read_coarsely():
    told = (
        "The fastest variant is not the leanest in 1 case: grouped_native takes more memory than split_concat, 2.0×: "
    )
    assert told + "10.0 MiB against 5.00 MiB (4 groups)." in said(with_memory("grouped_native", 10 * 2**20))
    assert "leanest" not in said(with_memory("grouped_native", 5 * 2**20 + 9000))
    assert "leanest" not in said(with_memory("grouped_native", 10 * 2**20, "resident"))
    assert "leanest" not in said(with_memory("grouped_native", 10 * 2**20).assign(memory_source="resident"))


def test_equal_time_and_unequal_memory_is_told():
    made = with_memory("split_sum", 18 * 2**20)
    made.loc[made["variant"] == "split_sum", "verdict"] = "equivalent"
    found = only(made, "equivalent in time")
    assert found.text == (
        "split_sum and regular are equivalent in time in 1 case, but split_sum takes more memory, 2.0×: 18.0 MiB "
        "against 9.00 MiB (4 groups)."
    )
    assert {row["variant"] for row in found.rows} == {"regular", "split_sum"}


# Cross-overs


def crossing_of(verdicts, **failures):
    made = training(groups=[2, 4, 8], channels=[64], variants=["regular", "grouped"])
    made.loc[made["variant"] == "grouped", "verdict"] = verdicts
    (found,) = crossings(plain(made))
    return found


@pytest.mark.parametrize(
    ("verdicts", "kind", "groups", "words"),
    [
        (["slower", "faster", "faster"], FROM, 4, "with 4 groups or more in 1 shape"),
        (["equivalent", "slower", "faster"], FROM, 8, "with 8 groups or more in 1 shape"),
        (["undecided", "faster", "faster"], FROM, 4, "with 4 groups or more (open below that) in 1 shape"),
        (["faster", "faster", "faster"], FROM, 2, "with 2 groups or more (the fewest tried) in 1 shape"),
        (["faster", "undecided", "faster"], FROM, 8, "with 8 groups or more (open below that) in 1 shape"),
        (["faster", "faster", "slower"], NEVER, None, "not even with 8 groups in 1 shape"),
        (["faster", "faster", "undecided"], OPEN, None, "open in 1 shape"),
        ([None, None, None], OPEN, None, "open in 1 shape"),
    ],
)
def test_a_crossing_is_no_more_than_the_verdicts_say(verdicts, kind, groups, words):
    found = crossing_of(verdicts)
    assert (found.kind, found.groups, in_words([found])) == (kind, groups, words)


def test_a_failed_end_leaves_a_crossing_open():
    made = training(groups=[2, 8], channels=[64], variants=["regular", "split_concat"])
    last = (made["groups"] == 8) & (made["variant"] == "split_concat")
    assert crossings(plain(fail(made, last, "oom", None)))[0].kind == OPEN


def test_from_where_on_grouping_is_faster_is_told_by_shape():
    assert (
        "Faster than regular: grouped_native with 4 groups or more (the fewest tried) in 2 shapes; "
        "split_concat with 4 groups or more (the fewest tried) in 2 shapes."
    ) in said(training(groups=[4, 32], variants=["regular", "grouped_native", "split_concat"]))


def test_runs_are_not_joined_to_one_crossing():
    both = pd.concat([training(groups=[4]), training(groups=[32], run_id="b")])
    assert crossings(plain(both)) == []
    assert "the fewest tried" not in said(both, [metadata(), metadata(run_id="b")])


# Parts


def test_a_claim_names_the_pass_and_backend_in_which_it_is_largest():
    made = frame()
    made.loc[made["pass"] == "inference", "verdict"] = "undecided"
    text = said(made)
    assert "Grouping beats the dense layer in 4 of 8 cases: 8.0× [7.8–8.2] faster" in text
    assert "(grouped_native, 32 groups, 64→64, training). Open: 4 cases." in text
    both = pd.concat([training(), training(backend="jax", verdict="undecided")])
    assert "(grouped_native, 32 groups, 64→64, tensorflow). Open: 4 cases." in said(both)


def test_several_runs_are_told_together_and_each_claim_names_its_run():
    both = pd.concat([training(run_id="a"), training(run_id="b", speedup_high=100.0)])
    text = said(both, [metadata(run_id="a"), metadata(run_id="b")])
    assert "Grouping beats the dense layer in all 8 cases" in text
    assert "64→64, run a)" in text


def test_no_more_is_told_than_can_be_read():
    made = pd.concat([
        training(backend=f"b{number}", speedup=2.0 + number, speedup_low=1.9 + number, speedup_high=2.1 + number)
        for number in range(9)
    ])  # fmt: skip
    made = fail(made, made["variant"] == "split_sum", "timeout", None)
    made.loc[made["groups"] == 32, "verdict"] = "undecided"
    found = findings(made)
    assert len(found) == MOST_FINDINGS
    assert any(one.text.startswith("Not measured: ") for one in found)
    assert any(one.text.startswith("Undecided: ") for one in found)


def network(**columns):
    return training(groups=[1, 32], channels=[128]).assign(multiplicity=3, label="conv", **columns)


def test_the_total_of_a_network_is_a_finding():
    found = only(network(), "convolutions")
    assert found.text == ("6 convolutions are 96× [95–96] faster in their best forms: 15.5 s → 162 ms a training step.")
    assert {row["variant"] for row in found.rows} == {"grouped", "grouped_native"}
    assert "than Keras' groups=" not in said(network())


def test_blocks_are_told_by_paths_and_their_own_baseline():
    made = training(groups=[1], channels=[256], variants=["regular", "split_sum", "grouped_native"])
    made["variant"] = made["variant"].replace(
        {"regular": "bottleneck", "split_sum": "resnext_sum", "grouped_native": "resnext_native"}
    )
    made = made.assign(scope="block", computes=["bottleneck", "resnext", "resnext"], macs=[400, 200, 200])
    made.loc[1:, ["speedup", "speedup_low", "speedup_high"]] = [[0.5, 0.45, 0.55], [1.5, 1.4, 1.6]]
    made.loc[1:, "verdict"] = ["slower", "faster"]
    split = pd.concat([made.assign(cardinality=c, width=w) for c, w in ((2, 40), (32, 4))])
    text = said(split)
    assert (
        "Grouping beats the bottleneck block in both cases: 1.50× [1.40–1.60] faster at best (resnext_native, 2 paths)."
    ) in text
    assert (
        "is 2.0× [1.8–2.2] slower than bottleneck, with less arithmetic (2 paths). It is slower in both cases." in text
    )
    assert "Faster than bottleneck: resnext_native with 2 paths or more (the fewest tried) in 1 shape." in text
    assert "group" not in text


def test_null_groups_are_in_no_claim_on_groups():
    text = said(training(groups=[4], channels=[64]).assign(groups=pd.NA))
    assert "Grouping beats" not in text
    assert "fastest form" not in text
    assert "or more" not in text


def test_one_cohort_speaks_for_itself():
    text = said(training(groups=[4], channels=[64]))
    assert "Grouping beats the dense layer: 2.3× [2.3–2.3] faster at best (grouped_native, 4 groups)." in text
    assert "Faster than" not in text


def test_no_claim_rests_on_a_row_that_does_not_carry_it():
    """Verdicts, flags, statuses and intervals drawn at random, with latencies that tempt."""
    for seed in range(40):
        random = np.random.default_rng(seed)
        made = frame(groups=[1, 2, 8], channels=[64], seed=seed)
        made["verdict"] = random.choice(["faster", "slower", "equivalent", "undecided"], len(made))
        made["verdict"] = made["verdict"].where(made["variant"] != "regular", None)
        made["flags"] = [["unstable"] if moved else [] for moved in random.random(len(made)) < 0.2]
        made["latency_s"] = random.exponential(1e-3, len(made))
        made = fail(made, pd.Series(random.random(len(made)) < 0.2), "error", "no")
        for claim in claims(made):
            assert all(map(is_ok, claim.rows)), (seed, claim.text)
            if "than Keras' groups=" not in claim.text:
                assert all(is_baseline(row) or settled(row) for row in claim.rows), (seed, claim.text)
            assert claim.rows or "×" not in claim.text
            if "Grouping beats" in claim.text:
                assert any(row["verdict"] == "faster" for row in claim.rows)


# What is not claimed


def test_with_one_group_all_are_one_function():
    text = said(training(groups=[1]))
    assert "of 8 comparisons, 8 equivalent." in text
    assert "fastest" not in text


def test_other_flags_are_told():
    assert "Other flags: 30 memory_failed." in said(training(flags=["memory_failed"]))


def test_nothing_measured_and_no_verdicts():
    made = training()
    assert [f.text for f in findings(made.head(0))] == ["Nothing was measured, so there are no findings."]
    bare = training(variants=["grouped"]).assign(verdict=None, speedup=None)
    assert [f.text for f in findings(bare)] == [
        "There are no verdicts, since nothing was compared: the run has no regular. Latencies are in the table; "
        "`--variant` adds what to compare with."
    ]


def test_a_missing_baseline_and_null_latencies_are_no_crash():
    alone = training(variants=["grouped", "grouped_native"], speedup=None, verdict=None)
    assert "grouped_native is 850× [820–890] faster" in said(alone)  # by latencies whose intervals do not meet
    assert "faster" not in said(alone.assign(latency_low_s=None))
    assert "than Keras' groups=" not in said(training(latency_s=None))
    assert "25%" not in said(training(macs=None))


def test_hostile_names_stay_on_one_line():
    made = training(groups=[4], channels=[64])
    made["variant"] = made["variant"].replace("grouped_native", HOSTILE)
    assert all(finding.text.isprintable() for finding in findings(made))


def test_counts_tell_each_run_and_how_it_stopped():
    rows = plain(pd.concat([training(), training(run_id="b")]))
    lines = counts(rows, [metadata(), metadata(run_id="b", stopped_by="budget", skipped=[])])
    assert lines[0] == "60 tasks in 12 cohorts: 60 ok."
    assert lines[-1] == "Run b stopped when its budget was spent."
    assert counts([], [{}]) == ["0 tasks.", "The run does not say how it stopped."]
    assert counts([], [{"finished": False, "stopped_by": None}])[-1] == "The run is not finished."


# Trends


def dilated(variant, factor, **changes):
    """A run in which `variant` takes `factor` times as long with dilation 2 as with 1."""
    made = training(groups=[4], channels=[64])
    apart = made.assign(dilation=[(2, 2)] * len(made), **changes)
    for name in ("latency_s", "latency_low_s", "latency_high_s"):
        apart[name] = apart[name].where(apart["variant"] != variant, apart[name] * factor)
    return pd.concat([made, apart], ignore_index=True)


def test_time_that_grows_along_an_axis_where_work_does_not_is_told():
    found = only(dilated("grouped_native", 6.0), "dilation 2x2 than")
    assert re.fullmatch(
        r"grouped_native is 6\.\d× \[5\.\d–6\.\d\] slower with dilation 2x2 than with dilation 1x1, "
        r"for as much arithmetic\.",
        found.text,
    )
    assert [row.dilation for row in found.rows] == [(2, 2), (1, 1)]
    assert np.log(5.5) < found.effect < np.log(6.0)


def test_fewer_channels_a_group_that_take_longer_are_told_with_the_groups():
    found = only(training(channels=[64]), "than with 4 groups")
    assert found.text.startswith("grouped is 8")
    assert "slower with 32 groups than with 4 groups, for less arithmetic." in found.text
    assert "than with 1 group" not in said(training())  # without groups it is another function


@pytest.mark.parametrize("factor", [1.0, 1.3])
def test_time_that_hardly_grows_is_no_trend(factor):
    assert "than with dilation" not in said(dilated("grouped_native", factor))


def test_more_time_for_more_work_is_no_trend():
    made = dilated("grouped_native", 6.0)
    made["macs"] = made["macs"].where(made["dilation"].map(max) == 1, made["macs"] + 1)
    assert "than with dilation" not in said(made)


def test_what_differs_in_its_setting_too_is_no_trend():
    assert "than with dilation" not in said(dilated("grouped_native", 6.0, execution="xla"))

"""Findings: sentences against frames whose answers are known."""

import pandas as pd
from frames import HOSTILE, fail, frame, metadata

from grouped_bench.report.findings import counts, findings, lead_is_clear
from grouped_bench.report.rows import plain


def said(made):
    return "\n".join(finding.text for finding in findings(made))


def training(**options):
    return frame(passes=["training"], **options)


def test_the_fastest_of_a_function_is_named_with_the_reach_of_its_speedup():
    text = said(training())
    assert (
        "In 4 of 4 cohorts with more than one group the fastest way measured to compute the grouped function "
        "was grouped_native, by a clear lead in 4. "
        "Its speed-up over regular ran from 2.30× to 8.00× (4 faster)."
    ) in text


def test_where_the_baseline_is_always_fastest_no_speedup_is_claimed_for_its_function():
    assert "the dense function was" not in said(training())


def test_a_variant_slower_than_the_baseline_is_told_with_its_worst_and_interval():
    assert (
        "grouped (Keras groups=; grouped function) was slower than regular in 4 of 6 cohorts, "
        "at worst 107× [105–109] its time at 32 groups."
    ) in said(training())


def test_leads_within_the_noise_are_not_called_clear():
    made = training(groups=[4], channels=[64])
    alike = made["variant"].isin(["grouped_native", "split_concat"])
    for name, value in (("speedup", 2.0), ("speedup_low", 1.8), ("speedup_high", 2.2)):
        made.loc[alike, name] = value
    assert "by a clear lead in 0" in said(made)


def test_a_lead_without_intervals_is_not_clear():
    row = plain(training())[2]
    assert not lead_is_clear({**row, "speedup_low": None}, {**row, "speedup_high": None})
    assert lead_is_clear({**row, "speedup_low": 2.0}, {**row, "speedup_high": 1.9})


def test_undecided_counts_as_neither_and_is_told():
    made = training().assign(verdict="undecided")
    text = said(made)
    assert "slower than" not in text
    assert "faster)" not in text
    assert "24 of 24 comparisons with the baseline stayed undecided" in text


def test_rows_that_failed_win_nothing():
    made = training()
    text = said(fail(made, made["variant"] == "grouped_native", "incorrect", "off"))
    assert "grouped function was split_concat" in text
    assert "grouped_native" not in text


def test_passes_are_told_apart():
    text = said(frame())
    assert "inference: In 4 of 4" in text
    assert "training: In 4 of 4" in text
    assert "of 8 cohorts" not in text


def test_with_one_group_all_are_one_function():
    text = said(training(groups=[1]))
    assert "of 8 comparisons there, 8 equivalent." in text
    assert "fastest" not in text


def test_unstable_tasks_are_told_with_their_causes_and_nothing_is_claimed_of_them():
    made = training()
    moved = made["variant"] == "grouped"
    made["flags"] = [["unstable", "stolen_cpu"] if m else [] for m in moved]
    text = said(made)
    assert (
        "The machine moved under 6 of 30 tasks, which are unstable: nothing is claimed of their speed-ups. "
        "Causes: 6 stolen_cpu."
    ) in text
    assert "was slower than" not in text.replace("split_sum (a convolution a group, summed; dense function) was", "")
    closing = "\n".join(counts(plain(made), [metadata()]))
    assert "Against the baseline: 8 faster, 4 slower, 6 equivalent, 6 unstable." in closing


def test_an_unstable_row_has_no_clear_lead():
    first, second = plain(training(groups=[4], channels=[64]))[2], plain(training(groups=[4], channels=[64]))[4]
    assert lead_is_clear({**first, "speedup_low": 3.0}, {**second, "speedup_high": 2.0})
    assert not lead_is_clear({**first, "speedup_low": 3.0, "flags": ("unstable",)}, {**second, "speedup_high": 2.0})


def test_other_flags_are_told():
    assert "Flags of tasks besides: 30 memory_failed." in said(training(flags=["memory_failed"]))


def test_nothing_measured_and_no_verdicts():
    made = training()
    assert [f.text for f in findings(made.head(0))] == ["Nothing was measured, so there is nothing to find."]
    assert findings(fail(made, made["groups"] > 0, "crashed", None)) == findings(made.head(0))
    bare = training(variants=["grouped"]).assign(verdict=None, speedup=None)
    assert [f.text for f in findings(bare)] == [
        "No verdict was reached: nothing can be said beyond the latencies in the tables."
    ]


def test_a_missing_baseline_and_null_latencies_are_no_crash():
    assert "fastest" in said(training(variants=["grouped", "grouped_native"], speedup=None, verdict=None))
    assert "fastest" not in said(training(latency_s=None))


def test_hostile_names_stay_on_one_line():
    made = training(groups=[4], channels=[64])
    made["variant"] = made["variant"].replace("grouped_native", HOSTILE)
    assert all(finding.text.isprintable() for finding in findings(made))


def test_counts_tell_each_run_and_how_it_stopped():
    rows = plain(pd.concat([training(), training(run_id="b")]))
    lines = counts(rows, [metadata(), metadata(run_id="b", stopped_by="budget", skipped=[])])
    assert lines[0] == "60 tasks in 12 cohorts: 60 ok."
    assert lines[-1] == "Run b stopped when the budget was spent."
    assert counts([], [{}]) == ["0 tasks.", "The run does not say how it stopped."]
    assert counts([], [{"finished": False, "stopped_by": None}])[-1] == "The run is not finished."

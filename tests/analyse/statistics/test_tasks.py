"""From samples to the statistics of a task, and the same again from the file."""

import numpy as np
import pandas as pd
import pytest
from cases import GRAPH, make_case
from visit_records import SHARED, noisy, visit

from grouped_bench.analyse.statistics import tasks
from grouped_bench.analyse.statistics.derive import derive
from grouped_bench.analyse.statistics.stability import Visit
from grouped_bench.harness.plan import Cohort, Plan
from grouped_bench.store.rows import make_rows
from grouped_bench.store.runs import read_run, write_run
from grouped_bench.store.schema import NAMES


def frame_of(records, variants=("regular", "grouped", "split_sum")):
    plan = Plan((Cohort(make_case(), GRAPH, variants),), ())
    rows = make_rows([{**task, **SHARED} for task in plan.numbered()], records, "not reached")
    return derive(pd.DataFrame(rows, columns=list(NAMES), dtype=object), 0.03).set_index("variant")


def test_latency_and_speedup_of_known_samples():
    rng = np.random.default_rng(0)
    records = []
    for number in range(8):
        weather = 1 + number / 4  # the machine slows down to a third of its speed; ratios must not notice
        records.append(
            visit(number % 3, {"regular": noisy(rng, 0.02 * weather), "grouped": noisy(rng, 0.005 * weather)})
        )
    frame = frame_of(records, ("regular", "grouped"))
    assert frame.loc["grouped", "speedup"] == pytest.approx(4, rel=0.01)
    assert frame.loc["grouped", "verdict"] == "faster"
    # Three processes that agree to a per cent, where those of other runs differ by 7 %.
    assert 3.4 < frame.loc["grouped", "speedup_low"] < 4 < frame.loc["grouped", "speedup_high"] < 4.6
    assert frame.loc["regular", "latency_s"] == pytest.approx(0.02 * (1 + 3.5 / 4), rel=0.01)
    assert frame.loc["regular", "verdict"] is None


def went(*processes, stolen=0.0):
    return [Visit(process, stolen) for process in processes]


def numbers(values):
    return [value.value for value in values]


def test_a_ratio_uses_only_rounds_that_both_took_part_in():
    ratios = tasks.log_ratios([[1.0, 1.0, 9.0]], [[0.5, 0.5, None]], went(0))
    assert numbers(ratios) == [pytest.approx(np.log(2))]


def test_a_visit_that_a_variant_sat_out_is_left_out():
    found = tasks.latencies([[1.0, 3.0], [None, None], [5.0, None]], went(0, 1, 2))
    assert numbers(found) == [2.0, 5.0]
    assert [value.visit.process for value in found] == [0, 2]
    ratios = tasks.log_ratios([[1.0], [1.0]], [[None], [2.0]], went(0, 1))
    assert numbers(ratios) == [pytest.approx(np.log(0.5))]


def test_disturbed_visits_count_only_while_fewer_than_three_processes_made_calm_ones():
    calm, disturbed = went(0, 1, 2), went(3, 4, 5, stolen=0.4)
    for visits, expected in (
        (calm + disturbed, calm),
        (calm[:2] + disturbed, calm[:2] + disturbed),
        ([calm[0]] * 3 + disturbed, [calm[0]] * 3 + disturbed),
        (disturbed, disturbed),
    ):
        values = [tasks.Value(1.0, visit) for visit in visits]
        assert [value.visit for value in tasks.counted(values)] == expected


def test_what_stolen_time_did_to_a_ratio_is_not_told_of_the_calm_machine():
    """Alone the variant is twice as fast; where another program takes a processor, no faster at all."""
    rng, records = np.random.default_rng(0), []
    for number in range(16):
        disturbed = number % 2 == 1
        latency = 0.02 if disturbed else 0.01
        samples = {"regular": noisy(rng, 0.02), "grouped": noisy(rng, latency)}
        records.append(visit(number, samples, stolen=0.5 if disturbed else 0.01))
    frame = frame_of(records, ("regular", "grouped"))
    assert frame.loc["grouped", "speedup"] == pytest.approx(2, rel=0.01)
    assert frame.loc["grouped", "latency_s"] == pytest.approx(0.01, rel=0.01)
    assert frame.loc["grouped", "flags"] == []
    assert len(frame.loc["grouped", "samples_s"]) == 16


def test_a_task_that_never_met_a_calm_machine_is_unstable():
    rng = np.random.default_rng(0)
    records = [
        visit(n, {"regular": noisy(rng, 0.02), "grouped": noisy(rng, 0.01)}, stolen=0.5 if n > 1 else 0.0)
        for n in range(8)
    ]
    frame = frame_of(records, ("regular", "grouped"))
    assert frame.loc["grouped", "flags"] == ["unstable", "stolen_cpu"]
    assert frame.loc["grouped", "speedup"] == pytest.approx(2, rel=0.01)


def test_a_ratio_is_no_steadier_than_its_baseline():
    rng = np.random.default_rng(0)
    falling = np.exp(np.linspace(0.3, 0, 12))
    records = [
        visit(n, {"regular": list(0.02 * falling * np.exp(rng.normal(0, 0.01, 12))), "grouped": noisy(rng, 0.01, 12)})
        for n in range(8)
    ]
    frame = frame_of(records, ("regular", "grouped"))
    assert frame.loc["regular", "flags"] == frame.loc["grouped", "flags"] == ["unstable", "not_settled"]
    # The ratio is that of the middle of a visit, and at its end one tenth less.
    assert frame.loc["grouped", "verdict"] == "faster"
    assert frame.loc["grouped", "speedup_low"] < 2 < frame.loc["grouped", "speedup_high"]


def test_flags_of_other_origin_stay():
    frame = frame_of([visit(n, {"regular": [1.0]}) for n in range(4)], ("regular",)).reset_index()
    frame["flags"] = [["memory_failed", "unstable"]]
    assert derive(frame, 0.03)["flags"][0] == ["memory_failed"]


def test_failed_tasks_have_no_figures_and_no_verdict():
    failed = {"grouped": {"status": "crashed", "reason": "SIGSEGV"}}
    records = [visit(0, {"regular": [1.0], "grouped": [1.0], "split_sum": [2.0]})]
    records += [visit(n, {"regular": [1.0], "split_sum": [2.0]}, failed if n == 1 else None) for n in range(1, 7)]
    frame = frame_of(records)
    assert frame.loc["grouped", "status"] == "crashed"
    for column in ("latency_s", "speedup", "verdict"):
        assert frame.loc["grouped", column] is None
    assert frame.loc["split_sum", "speedup"] == pytest.approx(0.5)


def test_without_an_ok_baseline_there_are_no_verdicts():
    failed = {"regular": {"status": "oom", "reason": "too large"}}
    records = [visit(0, {"grouped": [1.0], "split_sum": [2.0]}, failed)]
    records += [visit(n, {"grouped": [1.0], "split_sum": [2.0]}) for n in range(1, 8)]
    frame = frame_of(records)
    assert frame["verdict"].isna().all()
    assert frame.loc["grouped", "latency_s"] == 1.0


def test_every_statistic_is_derived_again_from_the_file(tmp_path):
    rng = np.random.default_rng(0)
    records = [
        visit(n % 3, {"regular": noisy(rng, 0.02), "grouped": [None, *noisy(rng, 0.3, 1), None, None, None]})
        for n in range(7)
    ]
    frame = frame_of(records).reset_index()
    path = write_run(frame[list(NAMES)], {"schema": 1}, tmp_path / "run.parquet")
    stored, _ = read_run(path)
    blank = stored.astype(object)
    columns = ["latency_s", "latency_low_s", "latency_high_s", "speedup", "speedup_low", "speedup_high", "verdict"]
    blank[columns] = None
    blank["flags"] = [[]] * len(blank)
    again = derive(blank, 0.03)
    for column in columns:
        assert [None if pd.isna(v) else v for v in again[column]] == [
            None if pd.isna(v) else v for v in stored[column]
        ], column

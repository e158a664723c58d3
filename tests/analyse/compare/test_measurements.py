"""What a side knows of each task: runs pooled, failures kept, foreign records refused."""

import numpy as np
import pandas as pd
import pytest
from drawn import drawn
from frames import fail, frame

from grouped_bench.analyse.compare.measurements import of_benchmarks, of_frames
from grouped_bench.errors import RunError


def one(*frames):
    """The only task of a side."""
    (found,) = of_frames(frames).values()
    return found


def small(**columns):
    return frame(groups=[4], channels=[64], passes=["inference"], variants=["grouped"], **columns)


def with_cell(made, name, value):
    made = made.copy()
    made[name] = pd.Series([value] * len(made), dtype=object)
    return made


def test_a_row_is_a_task_with_a_value_a_visit():
    found = one(drawn(1, groups=[4], variants=["grouped"]))
    assert (len(found.latencies), len(found.relative), len(found.first_calls)) == (8, 8, 8)
    assert found.columns["variant"] == "grouped" and found.columns["size"] == (28, 28)
    assert (found.memory_source, found.params) == ("allocator", 9216)
    assert "samples_s" not in found.columns


def test_relative_is_the_latency_over_the_reference_in_the_same_rounds():
    made = drawn(1, groups=[4], variants=["grouped"], noise=0.0, load=1.0)
    relative = [value.value for value in one(made).relative]
    assert np.allclose(relative, np.log(1e-3 / 1e-3), atol=1e-9)
    assert np.std(np.log([value.value for value in one(made).latencies])) > 0.5


def test_tasks_are_told_apart_by_case_setting_and_variant():
    made = pd.concat([frame(), frame(backend="jax", execution="xla"), frame(device="gpu")], ignore_index=True)
    assert len(of_frames([made])) == len(made)


def test_runs_of_one_side_are_repetitions_and_their_processes_stay_apart():
    found = one(small(), small())
    assert len(found.latencies) == 12
    assert len({value.visit.process for value in found.latencies}) == 6
    assert len(found.first_calls) == 6


def test_a_failure_in_one_run_is_not_lost():
    made = small()
    failed = fail(made, made["status"] == "ok", "oom", "too much")
    for frames in ([made, failed], [failed, made], [made, failed, made]):
        assert (one(*frames).status, one(*frames).reason) == ("oom", "too much")


def test_a_run_that_did_not_come_to_a_task_says_nothing_of_it():
    made = small()
    missed = fail(made, made["status"] == "ok", "interrupted", "the budget ended")
    assert one(made, missed).status == one(missed, made).status == "ok"
    assert len(one(made, missed, made).latencies) == 12
    assert one(missed, missed).status == "interrupted"
    failed = fail(made, made["status"] == "ok", "oom", None)
    assert one(missed, failed).status == "oom"


def test_a_run_without_a_reference_takes_it_from_its_side():
    assert one(*[drawn(seed, groups=[4], variants=["grouped"]) for seed in (1, 2)]).relative
    mixed = [drawn(seed, groups=[4], variants=["grouped"], reference=seed == 1) for seed in (1, 2)]
    assert one(*mixed).relative == ()


def test_memory_is_the_median_of_what_one_source_tells():
    readings = [small(peak_memory_bytes=size) for size in (3, 100, 5)]
    assert one(*readings).memory_bytes == 5
    assert one(small(peak_memory_bytes=None, memory_source=None), *readings).memory_source == "allocator"
    mixed = one(*readings, small(peak_memory_bytes=9000, memory_source="resident"))
    assert (mixed.memory_bytes, mixed.memory_source) == (5, "allocator")


def test_flags_of_all_runs_are_kept_once():
    found = one(with_cell(small(), "flags", ["unstable", "throttled"]), with_cell(small(), "flags", ["unstable"]))
    assert found.flags == ("unstable", "throttled")


def test_nulls_of_lists_are_no_values():
    found = one(with_cell(with_cell(small(), "first_calls_s", np.array([0.4, np.nan])), "flags", None))
    assert (found.first_calls, found.flags) == ((0.4,), ())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("visit_process", [0, 1]),
        ("visit_process", None),
        ("visit_process", [0, 1, 2, 3, 4, None]),
        ("visit_stolen", [0.0]),
        ("visit_throttled", [0.0] * 7),
        ("reference_s", [[1.0] * 4] * 5),
        ("reference_s", [[1.0] * 4] * 5 + [[1.0]]),
        ("reference_s", [[1.0] * 4] * 5 + [None]),
        ("samples_s", [[1.0] * 4] * 5 + [None]),
    ],
)
def test_lists_that_do_not_line_up_are_refused(name, value):
    of_frames([with_cell(small(), "visit_stolen", [0.0] * 6)])
    with pytest.raises(RunError, match="must have matching lengths"):
        of_frames([with_cell(small(), name, value)])


def test_what_was_not_measured_needs_no_samples():
    made = with_cell(small(), "samples_s", None)
    assert one(fail(made, made["status"] == "ok", "oom", None)).latencies == ()
    assert one(made).latencies == ()


def benchmark(name, seconds, reference=None):
    return {"name": name, "group": "g", "machine": "m", "params": {}, "median_s": seconds, "reference_s": reference}


def test_each_file_of_benchmarks_is_a_process():
    files = [[benchmark("a", 1.0), benchmark("b", 2.0)], [benchmark("a", 3.0)]]
    found = of_benchmarks(files)
    assert set(found) == {("a",), ("b",)}
    assert [(value.value, value.visit.process) for value in found[("a",)].latencies] == [(1.0, 0), (3.0, 1)]
    assert found[("a",)].columns == {"name": "a", "group": "g", "machine": "m", "params": {}}
    assert found[("a",)].relative == ()


def test_a_benchmark_without_figures_in_one_file_has_failed():
    found = of_benchmarks([[benchmark("a", 1.0), benchmark("b", 1.0)], [benchmark("b", 1.0)]], ["a", "c"])
    assert {key: one.status for key, one in found.items()} == {("a",): "error", ("b",): "ok", ("c",): "error"}
    assert found[("a",)].columns["group"] == "g"
    assert found[("c",)].reason == "it ended without figures"


def test_benchmarks_beside_a_reference_are_relative_to_it():
    (found,) = of_benchmarks([[benchmark("a", 2.0, 1.0)], [benchmark("a", 4.0, 2.0)]]).values()
    assert [value.value for value in found.relative] == pytest.approx([np.log(2)] * 2)

"""What the explorer gets: every row and column of the record, packed small, and nothing else."""

import base64
import gzip
import json
import re

import numpy as np
import pytest
from frames import HOSTILE, fail, frame

from grouped_bench.analyse.rows import extended, plain
from grouped_bench.report.drawing import style
from grouped_bench.report.drawing.points import Saving
from grouped_bench.report.findings.findings import Finding
from grouped_bench.report.page import explorer
from grouped_bench.store import schema
from grouped_bench.variants.palette import MARKERS


def record_of(made, told=()):
    return explorer.record(made, plain(made), told)


def values(found, name):
    (column,) = [column for column in found["columns"] if column["name"] == name]
    return column["values"] if "values" in column else [column["distinct"][place] for place in column["places"]]


def small(**options):
    return frame(**{"groups": [1, 8], "channels": [64], "passes": ["training"], **options})


def test_every_column_but_the_raw_ones_has_a_value_for_every_row():
    made = small()
    found = record_of(made)
    recorded = [n for n in schema.NAMES if n not in schema.RAW]
    assert [column["name"] for column in found["columns"]] == [explorer.CASE, explorer.SETTING, *recorded]
    assert all(len(values(found, column["name"])) == len(made) for column in found["columns"])
    assert values(found, "variant") == made["variant"].tolist()
    assert values(found, "groups") == made["groups"].tolist()
    assert values(found, "latency_s") == pytest.approx(made["latency_s"].tolist(), rel=1e-5)
    assert found["total"] == len(made)


def test_lists_are_texts_or_one_number_that_says_what_it_is():
    found = record_of(small())
    assert set(values(found, "size")) == {"28x28"}
    assert set(values(found, "first_calls_s")) == {0.4}
    assert set(values(found, "visit_process")) == {6}
    summaries = {column["name"]: column["summary"] for column in found["columns"] if column["summary"]}
    assert summaries["first_calls_s"] == "median"
    assert summaries["visit_process"] == "number of visits"


def test_extents_go_by_their_numbers_and_nulls_come_last():
    made = small()
    made["size"] = [(7, 7), (28, 28), (112, 112)] * 3 + [None]
    (column,) = [column for column in record_of(made)["columns"] if column["name"] == "size"]
    assert column["distinct"] == ["7x7", "28x28", "112x112", None]


def test_many_distinct_numbers_stand_as_they_are():
    made = small()
    made["latency_s"] = np.linspace(1, 2, len(made))
    (few,) = [column for column in record_of(made)["columns"] if column["name"] == "latency_s"]
    assert "distinct" in few
    long = frame(groups=[2], channels=range(2, 500, 2))
    (many,) = [column for column in record_of(long)["columns"] if column["name"] == "latency_s"]
    assert len(many["values"]) == len(long)


def test_what_was_measured_of_a_failed_task_is_no_answer():
    made = small()
    found = record_of(fail(made, made["variant"] == "grouped", "incorrect", "off"))
    for name in ("latency_s", "speedup", "verdict", "peak_memory_bytes"):
        assert [
            value for value, variant in zip(values(found, name), made["variant"], strict=True) if variant == "grouped"
        ] == [None] * 2
    assert values(found, "status").count("incorrect") == 2
    assert values(found, "reason").count("off") == 2


def test_every_row_has_its_case_and_its_setting_and_cases_go_by_the_time_of_their_own_form():
    made = small(passes=["inference", "training"])
    found = {column["name"]: column for column in record_of(made)["columns"]}
    assert found["case"]["distinct"] == ["1 group", "8 groups"]
    assert found["setting"]["distinct"] == ["inference", "training"]
    assert values({"columns": [found["case"]]}, "case")[:6] == ["1 group"] * 5 + ["8 groups"]
    made.loc[(made["variant"] == "regular") & (made["groups"] == 1), "latency_s"] = 100.0
    (case,) = [column for column in record_of(made)["columns"] if column["name"] == "case"]
    assert case["distinct"] == ["8 groups", "1 group"]


def test_columns_are_titled_in_words_without_their_units():
    titles = {column["name"]: column["title"] for column in record_of(small())["columns"]}
    assert titles["latency_s"] == "latency"
    assert titles["peak_memory_bytes"] == "peak memory"
    assert titles["speedup"] == "speed-up over the baseline"
    assert titles["batch_size"] == "batch size"


def test_a_variant_has_the_colour_it_has_everywhere():
    made = small()
    found = record_of(made)["marks"]
    assert set(found) == set(made["variant"])
    assert all(found[row["variant"]][0] == style.mark_of(row).colour for row in plain(made))
    assert all(re.fullmatch("#[0-9a-f]{6}", by_night) for _, _, by_night in found.values())


def test_every_shape_of_a_mark_has_its_like():
    assert {*MARKERS, *style._SHAPES} == set(explorer._SHAPES)


def test_samples_come_back_to_a_per_mille_of_their_median():
    made = small()
    made["samples_s"] = [[[1e-3, 1.1e-3, float("nan")], [0.9e-3]]] * len(made)
    found = record_of(made)["samples"]
    assert found["kept"] is None
    assert found["rows"][0] == [1e-3, [0, 100], [-100]]


@pytest.mark.parametrize("samples", [None, [], [[]], [[0.0]], [[float("nan")]]])
def test_no_samples_are_none(samples):
    made = small()
    made["samples_s"] = [samples] * len(made)
    assert record_of(made)["samples"]["rows"] == [None] * len(made)


def test_many_samples_are_thinned_to_quantiles_and_say_so(monkeypatch):
    made = small()
    made["samples_s"] = [[list(np.linspace(1, 2, 50)), list(np.linspace(2, 3, 51)[1:])]] * len(made)
    monkeypatch.setattr(explorer, "MOST_SAMPLES", 5 * len(made))
    found = record_of(made)["samples"]
    assert found["kept"] == 5
    assert found["rows"][0] == [pytest.approx(2.01, abs=0.01), pytest.approx([-500, -250, 0, 250, 500], abs=10)]
    monkeypatch.setattr(explorer, "MOST_SAMPLES", 4 * len(made))
    assert record_of(made)["samples"] == {"kept": 0, "rows": []}


def test_rows_beyond_what_a_page_holds_are_counted(monkeypatch):
    monkeypatch.setattr(explorer, "MOST_ROWS", 3)
    found = record_of(small())
    assert len(values(found, "variant")) == len(found["samples"]["rows"]) == 3
    assert found["total"] == 10


def test_a_finding_has_its_rows_as_stretches(monkeypatch):
    made = small()
    rows = plain(made)
    told = [Finding("none"), Finding("some", (rows[7], rows[1], extended(Saving, rows[2], saving=2), rows[0]))]
    assert explorer.record(made, rows, told)["findings"] == [[], [0, 2, 7, 7]]
    monkeypatch.setattr(explorer, "MOST_ROWS", 3)
    assert explorer.record(made, rows, told)["findings"] == [[], [0, 2]]


def test_what_is_packed_is_the_same_each_time_and_has_no_letters_that_act():
    made = small(machine=HOSTILE, label=HOSTILE)
    packed = explorer.packed_record(made, plain(made), [])
    assert packed == explorer.packed_record(made, plain(made), [])
    assert packed.isascii()
    assert not set("<>&'\"") & set(packed)
    found = json.loads(gzip.decompress(base64.b64decode(packed)))
    assert "\x1b" not in values(found, "label")[0]


def test_an_empty_frame_is_no_crash():
    found = record_of(frame().head(0))
    assert found["total"] == 0
    assert found["samples"] == {"kept": None, "rows": []}

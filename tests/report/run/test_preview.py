"""What a run shows of itself in a notebook and a terminal: little, the answer first, and no active content."""

import re

import pandas as pd
import pytest
from frames import HOSTILE, fail, frame, metadata

from grouped_bench.api.runs import Run
from grouped_bench.report.run.preview import preview
from grouped_bench.report.text.cells import display_width

BLOCKS = {"scope": "block", "cardinality": 2, "width": 4, "computes": "resnext"}


def run(made, **facts):
    return Run(made, metadata(**facts), "run.parquet")


def many():
    return frame(groups=[1, 2, 4, 8, 16, 32], channels=[64, 128, 256])


def test_the_headline_is_first_and_a_case_has_one_line(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    text = repr(run(frame(groups=[8], channels=[64], passes=["training"])))
    first = " ".join(text.splitlines()[:2])
    assert first.startswith("Run 20261123-012233-ab12: 5 tasks in 1 case. Training, tensorflow graph on cpu: ")
    assert "is" in first
    assert re.search(
        r"^Conv2D 64→64 k3x3 on 28x28 groups 8 batch 8 training +grouped [\d.]+ .?s +grouped_native", text, re.M
    )
    assert "samples" in text.splitlines()[-1]


def test_lines_are_named_by_what_differs_and_the_rest_are_counted():
    sheet = preview(many(), metadata())
    assert len(sheet.rows) == 8
    assert {row[0].count("groups") for row in sheet.rows} == {1}
    assert not any("28x28" in row[0] for row in sheet.rows)
    assert sheet.notes[0] == "28 more cases not shown."
    named = frame(groups=[8], channels=[64], passes=["training"], label="conv3_block1")
    assert preview(named, metadata()).rows[0][0] == "conv3_block1"


@pytest.mark.parametrize(
    "made",
    [
        frame().head(0),
        pd.DataFrame(),
        many(),
        frame(groups=[1], channels=[64]).assign(**BLOCKS),
        fail(many(), many()["groups"] > 0, "oom", HOSTILE),
        pd.concat([many().assign(env=f"A{i}={'long' * 20}") for i in range(5)], ignore_index=True),
        pd.concat([many().assign(backend=f"backend{i}", label=HOSTILE * 3, variant=HOSTILE) for i in range(5)]),
    ],
)
@pytest.mark.parametrize("facts", [metadata(), {}, {"run_id": HOSTILE}])
@pytest.mark.parametrize("columns", [80, 100, 200])
def test_any_run_is_shown_in_twenty_lines_of_text_or_a_small_table(columns, made, facts, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = Run(made, facts, "run.parquet")
    lines = repr(shown).splitlines()
    assert 3 <= len(lines) <= 20
    assert max(map(display_width, lines)) <= min(columns, 120)
    html = shown._repr_html_()
    assert len(html) < 20_000
    assert html.count("<tr>") <= 9
    assert "<script" not in html
    assert repr(shown).replace("\n", "").isprintable()


def test_tasks_stand_for_cases_where_nothing_is_known_of_those():
    made = frame(groups=[1], channels=[64], passes=["training"]).assign(**BLOCKS)
    sheet = preview(fail(made, made.index == 0, "oom", "too large"), metadata())
    assert sheet.headers == ("case", "variant", "latency", "speed-up")
    assert sheet.rows[-1][1:] == ("regular", "oom", "")


def test_findings_are_sentences():
    found = run(frame(groups=[8], channels=[64])).findings
    assert found
    assert all(isinstance(one, str) and one.isprintable() and one.endswith(".") for one in found)

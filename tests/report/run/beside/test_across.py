"""Machines beside each other, in words: a table, a finding, and nothing where there is one machine."""

import dataclasses
import math

import pytest
from kinds import FAST_NATIVE, FAST_SPLIT, tasks

from grouped_bench.report.drawing.registry import Drawable
from grouped_bench.report.findings.findings import of_rows
from grouped_bench.report.page.first_screen import first_screen
from grouped_bench.report.run.beside.across import across_findings, across_sheets
from grouped_bench.report.run.sheets import sheets
from grouped_bench.report.text.sheet import lines

APART = [*tasks(FAST_NATIVE), *tasks(FAST_SPLIT, "avx2-2", run="b")]
FAILING = [*tasks(FAST_NATIVE), *tasks(FAST_SPLIT, "avx2-2", run="b", failed=("grouped_native",))]
ALIKE = [*tasks(FAST_NATIVE), *tasks(FAST_NATIVE, "avx2-2", run="b")]


def test_the_table_has_a_column_a_kind_and_says_what_a_choice_costs_elsewhere():
    (sheet,) = across_sheets(APART)
    assert sheet.headers == ("case", "best on A", "best on B", "used elsewhere")
    assert sheet.title == "Across machines. A: amx-2; B: avx2-2"
    (row,) = sheet.rows
    assert row[1:3] == ("grouped_native", "split_concat")
    assert row[3] == "A on B: 20× [19–21] slower"


def test_what_does_not_run_is_said_first():
    (sheet,) = across_sheets(FAILING)
    assert sheet.rows[0][3] == "A on B: unsupported; B on A: 4.0× [3.8–4.2] slower"


@pytest.mark.parametrize("rows", [ALIKE, tasks(FAST_NATIVE)])
def test_what_is_the_same_everywhere_or_on_one_machine_has_no_table(rows):
    assert across_sheets(rows) == []


def test_cases_that_are_the_same_everywhere_are_counted():
    others = [dataclasses.replace(row, batch_size=1) for row in ALIKE]
    (sheet,) = across_sheets([*APART, *others])
    assert len(sheet.rows) == 1
    assert sheet.rows[0][0] == "batch 8 training"
    assert "The same form is best wherever it was measured in 1 other case." in sheet.notes


def test_environments_of_one_machine_are_called_so():
    on, off = tasks(FAST_NATIVE, onednn=True), tasks(FAST_SPLIT, onednn=False)
    (sheet,) = across_sheets([*on, *off])
    assert sheet.title == "Across environments. A: oneDNN on; B: oneDNN off"
    assert sheet.rows[0][0] == "Conv2D 64→64 k3x3 on 28x28 groups 8 batch 8 training"
    told = "grouped_native, the best with oneDNN on, is 20× [19–21] slower than the best with oneDNN off, in "
    assert told in across_findings([*on, *off])[0].text


def test_the_finding_names_the_dearest_choice_and_claims_its_least_cost():
    (finding,) = across_findings(APART)
    assert finding.text.startswith(
        "The best form depends on where it runs in 1 of 1 case. grouped_native, the best on amx-2, is 20× [19–21] "
        "slower than the best on avx2-2, in "
    )
    assert math.exp(finding.effect) == pytest.approx(19.2, rel=0.02)
    assert (
        "What is best does not run elsewhere in 1 case: grouped_native is unsupported on avx2-2."
        in across_findings(FAILING)[0].text
    )
    assert across_findings(ALIKE)[0].text == "The best form is the same wherever it was measured in 1 of 1 case."
    assert across_findings(tasks(FAST_NATIVE)) == []


def test_it_stands_in_tables_findings_and_on_the_first_screen():
    facts = [{"run_id": "a"}, {"run_id": "b"}]
    assert sheets(APART, facts)[0].title.startswith("Across machines")
    (text,) = (one.text for one in across_findings(APART))
    assert text in [one.text for one in of_rows(APART)]
    assert first_screen(Drawable(APART, facts)).across == text
    assert first_screen(Drawable(tasks(FAST_NATIVE), facts[:1])).across is None


def test_the_table_fits_a_terminal():
    (sheet,) = across_sheets(APART)
    assert all(len(line) <= 80 for line in lines(sheet, 80))

"""Sheets: networks and published figures in the table, in Markdown and on the page, escaped and never too wide."""

import pandas as pd
import pytest
from frames import HOSTILE, fail, frame, metadata

from grouped_bench.analyse.rows import plain
from grouped_bench.report.page import html
from grouped_bench.report.run import tables
from grouped_bench.report.run.sheets import sheets
from grouped_bench.report.text.cells import display_width
from grouped_bench.report.text.sheet import lines

PUBLISHED = [
    {"what": "parameters of both layers", "value": 25.0e6, "source": "Somebody 2012, table 1", "ours": "params"},
    {
        **{"what": "speed-up over dense", "value": 0.794, "source": "Issue 1", "label": "c", "ours": "speedup"},
        **{"variant": "grouped_native", "over_variant": "regular"},
    },
    {"what": "top-1 error", "value": 22.2, "unit": "%", "source": "Somebody 2012, table 3"},
    {"what": "batches", "value": 2451, "unit": "/s", "source": "Somebody 2018"},
]


def made(**options):
    chosen = {"groups": [1, 4], "channels": [64], "passes": ["training"], **options}
    return frame(**chosen).assign(multiplicity=2, label="c")


def facts(**space):
    return metadata(space={"source": "net", "cases": [], "control": {}, **space})


def told(frame_, *of):
    return sheets(plain(frame_), list(of) or [facts(published=PUBLISHED)])


def test_a_network_is_a_row_a_layer_and_what_changing_it_saves():
    sheet = told(made())[0]
    assert sheet.title == "Share of the convolutions' time: training, batch 8, tensorflow graph on cpu"
    assert [row[4:6] for row in sheet.rows] == [("grouped", "grouped_native"), ("regular", "—")]
    assert sum(float(row[3].removesuffix("%")) for row in sheet.rows) == pytest.approx(100, abs=1)
    assert sheet.notes[0] == (
        "4 convolutions: 344 ms in total, a sum of medians. The faster variants would save 310 ms in 1 row, 90%."
    )


def test_rows_without_a_time_are_told():
    missing = fail(made(), made()["variant"] == "grouped", "timeout", "slow")
    sheet = told(missing)[0]
    assert ("c", "2", "—", "—", "grouped timeout", "—", "—") in sheet.rows
    assert "Without a time: 1 row, excluded from the sum and the shares." in sheet.notes
    assert "Without a time: 2 rows" in " ".join(told(fail(made(), made()["groups"] > 0, "oom", None))[0].notes)
    blurred = told(made().assign(speedup_low=0.01, speedup_high=99.0, verdict="undecided"))[0]
    assert "No measured change would make it clearly faster." in blurred.notes[0]


def test_a_change_on_a_busy_machine_is_claimed_where_its_interval_is_clear():
    sheet = told(made().assign(flags=[["unstable", "stolen_cpu"]] * 10))[0]
    assert "The faster variants would save" in sheet.notes[0]


def test_a_depthwise_layer_stands_in_brackets():
    assert "(grouped)" in [row[4] for row in told(made(groups=[1, 64]))[0].rows]
    assert "In brackets" in " ".join(told(made(groups=[1, 64]))[0].notes)
    assert told(made(groups=[4, 64]))[0].notes[0].count(" and ") == 1
    assert "in 1 row, " in told(made(groups=[4, 64]))[0].notes[0]
    assert "in 1 bracketed row, " in told(made(groups=[4, 64]))[0].notes[0]
    assert "In brackets" not in " ".join(told(made())[0].notes)


def test_a_layer_whose_own_operation_was_measured_has_no_brackets():
    depthwise = made(groups=[64]).replace({"variant": {"grouped_native": "depthwise_sum"}})
    sheet = told(depthwise.assign(in_use="depthwise_sum"))[0]
    assert [row[4] for row in sheet.rows] == ["depthwise_sum"]
    assert "bracket" not in " ".join(sheet.notes).lower()


def test_published_figures_stand_beside_ours():
    sheet = told(made())[1]
    assert sheet.title == "Published and measured figures"
    first, second, third, fourth = sheet.rows
    assert first == ("parameters of both layers", "all", "25.0 M", "92.2 k", "Somebody 2012, table 1")
    assert second[2] == "0.794×"
    assert second[3].endswith("× (training, batch 8, tensorflow graph on cpu)")
    assert third[2:4] == ("22.2%", "not measured here")
    assert fourth[2:4] == ("2451/s", "not measured here")


def test_what_a_network_leaves_out_stands_below_it():
    sheet = told(made(), facts(left_out=["Left out: 1 × Conv2DTranspose (up): a reason", "\x1b[31m"]))[0]
    assert sheet.notes[-2:] == ("Left out: 1 × Conv2DTranspose (up): a reason", "\\x1b[31m")


@pytest.mark.parametrize("space", [None, {}, {"published": 3}, {"published": [{}]}, {"left_out": 3}])
def test_a_run_of_before_or_of_a_stranger_has_no_sheets(space):
    assert told(frame(), metadata(space=space)) == []
    assert told(frame(), {}) == []


def test_runs_are_kept_apart():
    two = [facts(published=PUBLISHED[:1]), {**facts(), "run_id": "other"}]
    both = pd.concat([made(), made(run_id="other")], ignore_index=True)
    titles = [sheet.title for sheet in told(both, *two) if not sheet.title.startswith("Side by side")]
    assert [title.rpartition(", run ")[2] for title in titles] == [
        "20261123-012233-ab12", "20261123-012233-ab12", "other"
    ]  # fmt: skip


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_asked(width):
    rows = made().assign(label="a long name of a layer " * 4)
    for sheet in told(rows):
        found = lines(sheet, width)
        assert max(map(display_width, found)) <= width
    assert any("grouped_native" in line for line in lines(told(rows)[0], width))


def test_the_table_and_markdown_hold_the_sheets_of_whole_runs_only():
    known = [facts(published=PUBLISHED)]
    for format_ in ("table", "markdown"):
        text = tables.render(made(), known, format=format_)
        assert text.count("Share of the convolutions' time") == text.count("Published and measured figures") == 1
        some = tables.render(made(), known, format=format_, where="groups > 1")
        assert "Share of" not in some
        assert "Published" not in some


def hostile():
    table = {"what": HOSTILE[:150], "value": 1.0, "source": HOSTILE[:150], "unit": "<b>", "label": HOSTILE[:150]}
    return made().assign(label=HOSTILE, run_id="x"), facts(published=[table], left_out=[HOSTILE])


def test_hostile_texts_stay_texts():
    rows, known = hostile()
    page = html.page(fail(rows, rows["groups"] > 0, "oom", None), [known])
    section = page.partition('id="cases"')[2].partition("</section>")[0]
    assert "<script" not in section and "<b>" not in section
    assert "&lt;script&gt;" in section
    text = tables.render(rows, [known], format="markdown")
    assert "<script" not in text
    assert "\x1b" not in text + tables.render(rows, [known])


def test_the_page_has_a_section_only_where_there_is_something_to_say():
    failed = fail(made(), made()["groups"] > 0, "oom", None)  # no figures: quick
    page = html.page(failed, [facts(published=PUBLISHED)])
    assert page.index('id="findings"') < page.index("<caption>Published and measured") < page.index('<h2 id="explore"')
    assert '<h2 id="cases">Layers</h2>' in page
    assert "published" not in page.partition(">Space<")[2].partition("</table>")[0]
    assert "<caption>Published" not in html.page(fail(frame(), frame()["groups"] > 0, "oom", None), [metadata()])

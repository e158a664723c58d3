"""Figures: each is drawn or says why not, from the right points, the same way every time."""

import xml.etree.ElementTree as ET

import pandas as pd
import pytest
from frames import HOSTILE, fail, frame

from grouped_bench.errors import OutputError
from grouped_bench.report import figures, heat
from grouped_bench.report.marks import mark_of
from grouped_bench.report.panels import FAMILY, MOST_PANELS, NothingToDrawError, split
from grouped_bench.report.points import pareto, positive, with_savings
from grouped_bench.report.rows import plain


def small(**options):
    return frame(**{"groups": [1, 8], "channels": [64], "passes": ["training"], **options})


def sketch(name, made):
    title, draw = figures.REGISTRY[name]
    return draw(plain(made), title)


@pytest.fixture(scope="module")
def drawn():
    return {figure.name: figure for figure in figures.draw(frame(groups=[1, 8], channels=[64]))}


def test_every_registered_figure_is_drawn_with_its_words(drawn):
    assert set(drawn) == set(figures.REGISTRY) >= {"latency", "speedup", "memory", "tradeoff", "theory"}
    for figure in drawn.values():
        assert figure.svg
        assert not figure.reason
        assert figure.alt.startswith(figure.title)
        assert {"inference", "training"} <= set(figure.alt.replace(":", "").split())


def test_svg_has_real_text_and_ids_of_its_own(drawn):
    ids = set()
    for figure in drawn.values():
        root = ET.fromstring(figure.svg)
        texts = "".join(root.itertext())
        assert "grouped_native" in texts
        mine = {element.get("id") for element in root.iter() if element.get("id")}
        assert not mine & ids
        ids |= mine
        links = {element.get("{http://www.w3.org/1999/xlink}href", "data:") for element in root.iter()}
        assert {link.removeprefix("#") for link in links if not link.startswith("data:")} <= mine


def test_drawing_twice_gives_the_same_bytes():
    made = small(groups=[1])
    assert figures.draw(made) == figures.draw(made)


@pytest.mark.parametrize(
    "made",
    [
        frame().head(0),
        pd.DataFrame(),
        fail(small(), small()["groups"] > 0, "oom", "too large"),
        small(latency_s=None, speedup=None, peak_memory_bytes=None, params=None),
    ],
)
def test_nothing_to_draw_gives_reasons(made):
    for figure in figures.draw(made):
        assert figure.reason
        assert (figure.svg, figure.alt) == ("", "")


def test_one_task_or_no_baseline_draws_what_it_can():
    one = {figure.name: figure for figure in figures.draw(small(groups=[1], variants=["grouped"]))}
    assert one["latency"].svg
    assert one["tradeoff"].svg
    assert "baseline" in one["theory"].reason


def test_failed_rows_are_not_points():
    made = small()
    rows = plain(fail(made, made["variant"] == "grouped", "incorrect", None))
    assert "grouped" not in {row["variant"] for row in positive(rows, "latency_s")}
    assert "grouped" not in {row["variant"] for row in with_savings(rows)}


def test_nulls_are_left_out_and_counted_not_drawn_as_zero():
    made = small()
    made.loc[made["variant"] == "grouped", "peak_memory_bytes"] = pd.NA
    figure = sketch("memory", made).figure
    assert "Not shown: 2 measured tasks" in figure.legends[0].get_title().get_text()
    assert figure.axes[0].get_ylim()[0] > 2**20


def test_pareto_front_on_known_points():
    points = [(1, 9.0), (2, 5.0), (2, 4.0), (3, 4.0), (4, 6.0), (5, 1.0), (6, 1.0)]
    front = pareto([{"params": params, "latency_s": latency} for params, latency in points])
    assert [(row["params"], row["latency_s"]) for row in front] == [(1, 9.0), (2, 4.0), (5, 1.0)]


def test_savings_are_against_the_baseline_of_the_same_cohort():
    savings = {(row["variant"], row["groups"]): row["saving"] for row in with_savings(plain(small()))}
    assert savings[("grouped", 8)] == 8
    assert savings[("split_sum", 8)] == 1
    assert ("regular", 8) not in savings


@pytest.mark.parametrize("name", figures.REGISTRY)
def test_hot_and_cold_of_one_run_are_two_panels(name):
    both = pd.concat([small(), small(cache="cold")])
    alone, together = sketch(name, small()), sketch(name, both)
    assert together.alt.count("hot cache") == together.alt.count("cold cache") > 0
    assert "cache" not in alone.alt
    titles = [axes.get_title().replace("\n", " ") for axes in together.figure.axes]
    assert sum("cold cache" in title for title in titles) == sum("hot cache" in title for title in titles) > 0


def test_unlike_things_are_never_in_one_panel():
    made = pd.concat([frame(groups=[1, 8]), frame(groups=[1], rank=1), small(run_id="other")])
    panels = split(plain(made), FAMILY, most=99)
    assert len(panels.shown) == 4 + 4 + 1
    for panel in panels.shown:
        assert len({(row["pass"], row["rank"], row["in_channels"], row["run_id"]) for row in panel.rows}) == 1
    assert len({panel.title for panel in panels.shown}) == len(panels.shown)


def test_panels_are_limited_and_say_so_and_every_pass_keeps_its_place():
    panels = split(plain(frame(groups=[1, 2], channels=[16, 32, 48, 64, 80, 96])), FAMILY)
    assert len(panels.shown) == MOST_PANELS
    assert panels.left_out == f"{MOST_PANELS} of 12 panels shown, those with the most points"
    assert {panel.rows[0]["pass"] for panel in panels.shown} == {"inference", "training"}


def test_lines_join_only_one_variant_in_the_order_of_groups():
    figure = sketch("latency", small(groups=[8, 1, 4])).figure
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 3 and line.get_linestyle() != "None"]
    assert len(lines) == 5
    for line in lines:
        assert list(line.get_xdata()) == sorted(line.get_xdata())
    assert figure.axes[0].get_xscale() == figure.axes[0].get_yscale() == "log"


def test_a_variant_has_one_mark_whether_we_know_it_or_not():
    row = {"variant": "regular", "computes": "dense"}
    unknown = [mark_of({**row, "variant": name}) for name in ("mine", "theirs", "mine")]
    assert unknown[0] == unknown[2] != unknown[1]
    known = [mark_of({**row, "variant": name}) for name in ("regular", "grouped", "grouped_native", "split_sum")]
    assert len({(mark.colour, mark.shape) for mark in known}) == 4
    assert mark_of({**row, "computes": "grouped"}).line != mark_of(row).line
    assert not mark_of({**row, "variant": "_mine"}).label.startswith("_")


def test_heat_map_claims_no_more_than_the_verdict():
    made = small(groups=[8], variants=["regular", "grouped_native", "split_concat", "split_sum", "grouped"])
    made.loc[made["variant"] == "split_concat", "verdict"] = "undecided"
    made = fail(made, made["variant"] == "split_sum", "oom", None)
    figure, alt = heat.speedup(plain(made), "title")
    cells = {place.get_title().split()[0]: place for place in figure.axes if place.get_title()}
    assert cells["split_concat"].texts[0].get_text() == "2.3× ?"
    assert cells["split_concat"].patches[0].get_facecolor()[:3] == pytest.approx((0.894,) * 3, abs=0.01)
    assert cells["split_sum"].texts[0].get_text() == "oom"
    assert cells["split_sum"].patches[0].get_hatch()
    red, _, blue, _ = cells["grouped"].patches[0].get_facecolor()
    assert red > blue
    red, _, blue, _ = cells["grouped_native"].patches[0].get_facecolor()
    assert blue > red
    assert "regular" not in cells
    assert "1 undecided" in alt


def test_hostile_names_stay_text():
    made = small(groups=[8])
    made["variant"] = made["variant"].replace({"grouped": HOSTILE, "split_sum": '_id="x"'})
    drawn = figures.draw(made)
    for figure in drawn:
        tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(figure.svg).iter()}
        assert "script" not in tags
        assert "\x1b" not in figure.svg + figure.alt
    assert 'id="x"' in "".join(ET.fromstring(drawn[0].svg).itertext())


def test_save_writes_svg_and_png(tmp_path):
    made = small(groups=[8], peak_memory_bytes=None)
    paths = figures.save(made, tmp_path / "new" / "folder")
    assert {path.name for path in paths} >= {"latency.svg", "latency.png", "theory.png"}
    assert not {path.name for path in paths} & {"memory.svg", "memory.png"}
    assert set((tmp_path / "new" / "folder").iterdir()) == set(paths)
    assert (tmp_path / "new/folder/latency.png").read_bytes().startswith(b"\x89PNG")


def test_save_says_where_it_cannot_write(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"folder that can be written.*Received: .*file.*--figures"):
        figures.save(small(), tmp_path / "file" / "folder")


def test_nothing_to_draw_is_told_by_column():
    with pytest.raises(NothingToDrawError, match="latency_s"):
        positive([], "latency_s")

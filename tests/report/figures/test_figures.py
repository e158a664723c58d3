"""Figures: each is drawn or says why not, from the right points, the same way every time."""

import itertools
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from frames import HOSTILE, fail, frame

from grouped_bench import variants
from grouped_bench.analyse.rows import FAMILY, plain
from grouped_bench.report.drawing import registry
from grouped_bench.report.drawing.panels import MOST_PANELS, NothingToDrawError, split
from grouped_bench.report.drawing.points import pareto, positive, thinned, unbeaten, with_first_calls, with_savings
from grouped_bench.report.drawing.registry import Drawable
from grouped_bench.report.drawing.style import mark_of
from grouped_bench.report.figures.roofline import with_peaks
from grouped_bench.report.figures.speedup import speedup
from grouped_bench.store.schema import Task


def small(**options):
    return frame(**{"groups": [1, 8], "channels": [64], "passes": ["training"], **options})


def peaks(run_id="20261123-012233-ab12", **changes):
    """Run-wide facts with a measured peak."""
    peak = {"backend": "tensorflow", "device": "cpu", "dtype": "float32", "flops_per_s": 1.2e11, "bytes_per_s": 9e9}
    return {"run_id": run_id, "peaks": [{**peak, **changes}]}


def sketch(name, made):
    one = registry.registered()[name]
    return one.draw(Drawable(plain(made), [peaks()]), one.title)


@pytest.fixture(scope="module")
def drawn():
    """All but the history, which one run has none of: test_history.py draws it."""
    found = registry.draw(frame(groups=[1, 2, 8], channels=[64]), [peaks()])
    return {figure.name: figure for figure in found if figure.name != "history"}


def test_every_registered_figure_is_drawn_with_its_words(drawn):
    assert {*drawn, "history"} == set(registry.registered()) >= {"latency", "speedup", "roofline"}
    for figure in drawn.values():
        assert figure.svg
        assert not figure.reason
        assert figure.alt.startswith(figure.title)
        assert {"inference", "training"} <= set(re.findall(r"\w+", figure.alt))


def test_svg_has_real_text_and_ids_of_its_own(drawn):
    ids = set()
    for figure in drawn.values():
        root = ET.fromstring(figure.svg)
        texts = "".join(root.itertext())
        assert "grouped_native" in texts
        sizes = [float(size) for size in re.findall(r"font(?:-size)?: *([\d.]+)px", figure.svg)]
        assert sizes
        assert min(sizes) >= 7
        mine = {element.get("id") for element in root.iter() if element.get("id")}
        assert not mine & ids
        ids |= mine
        links = {element.get("{http://www.w3.org/1999/xlink}href", "data:") for element in root.iter()}
        assert {link.removeprefix("#") for link in links if not link.startswith("data:")} <= mine


def test_drawing_twice_gives_the_same_bytes():
    made = small(groups=[1])
    assert registry.draw(made) == registry.draw(made)


@pytest.mark.parametrize(
    "made",
    [
        frame().head(0),
        pd.DataFrame(),
        fail(small(), small()["groups"] > 0, "oom", "too large"),
        small(latency_s=None, speedup=None, peak_memory_bytes=None, params=None, first_calls_s=None, verdict=None),
    ],
)
def test_nothing_to_draw_gives_reasons(made):
    for figure in registry.draw(made):
        assert figure.reason
        assert (figure.svg, figure.alt) == ("", "")


def test_one_task_or_no_baseline_draws_what_it_can():
    one = {figure.name: figure for figure in registry.draw(small(groups=[1], variants=["grouped"]))}
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
    front = pareto([Task(params=params, latency_s=latency, flags=()) for params, latency in points])
    assert [(row["params"], row["latency_s"]) for row in front] == [(1, 9.0), (2, 4.0), (5, 1.0)]


def test_savings_are_against_the_baseline_of_the_same_cohort():
    savings = {(row["variant"], row["groups"]): row["saving"] for row in with_savings(plain(small()))}
    assert savings[("grouped", 8)] == 8
    assert savings[("split_sum", 8)] == 1
    assert ("regular", 8) not in savings


@pytest.mark.parametrize("name", [name for name in registry.registered() if name != "history"])
def test_hot_and_cold_of_one_run_are_two_panels(name):
    made = small(groups=[1, 2, 8])
    both = pd.concat([made, made.assign(cache="cold")])
    alone, together = sketch(name, made), sketch(name, both)
    assert together.alt.count("hot cache") == together.alt.count("cold cache") > 0
    assert "cache" not in alone.alt
    titles = [(axes.get_title() or axes.get_title(loc="left")).replace("\n", " ") for axes in together.figure.axes]
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
    assert panels.left_out == f"{MOST_PANELS} of 12 panels shown: those with the most points of each backend and pass"
    assert {panel.rows[0]["pass"] for panel in panels.shown} == {"inference", "training"}


def test_lines_join_only_one_variant_in_the_order_of_groups():
    figure = sketch("latency", small(groups=[8, 1, 4])).figure
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 3 and line.get_linestyle() != "None"]
    assert len(lines) == 5
    for line in lines:
        assert list(line.get_xdata()) == sorted(line.get_xdata())
    assert figure.axes[0].get_xscale() == figure.axes[0].get_yscale() == "log"


def test_a_variant_has_one_mark_whether_we_know_it_or_not():
    row = Task(variant="regular", computes="dense")
    unknown = [mark_of(replace(row, variant=name)) for name in ("mine", "theirs", "mine")]
    assert unknown[0] == unknown[2] != unknown[1]
    known = [mark_of(replace(row, variant=name)) for name in ("regular", "grouped", "grouped_native", "split_sum")]
    assert len({(mark.colour, mark.shape) for mark in known}) == 4
    assert mark_of(replace(row, computes="grouped")).line != mark_of(row).line
    assert not mark_of(replace(row, variant="_mine")).label.startswith("_")


def test_heat_map_claims_no_more_than_the_verdict():
    made = small(groups=[8], channels=[64, 128])
    unsure = made["variant"] == "split_concat"
    made.loc[unsure, "verdict"], made.loc[unsure, "speedup_low"] = "undecided", 0.9
    made = fail(made, made["variant"] == "split_sum", "oom", None)
    drawn = speedup(Drawable(plain(made)), "title")
    figure, alt = drawn.figure, drawn.alt
    cells = {place.get_title().split()[0]: place for place in figure.axes if place.get_title()}
    assert cells["split_concat"].texts[0].get_text() == "2.3× ?"
    opacities = {name: cells[name].patches[0].get_facecolor()[3] for name in ("split_concat", "grouped_native")}
    assert 0 < opacities["split_concat"] < opacities["grouped_native"]
    assert cells["split_sum"].texts[0].get_text() == "oom"
    assert cells["split_sum"].patches[0].get_hatch()
    red, _, blue, _ = cells["grouped"].patches[0].get_facecolor()
    assert red > blue
    red, _, blue, _ = cells["grouped_native"].patches[0].get_facecolor()
    assert blue > red
    assert "regular" not in cells
    assert "2 undecided" in alt


def test_with_one_number_of_channels_variants_stand_down_the_heat_map_of_every_backend():
    made = pd.concat([small(backend=name) for name in ("tensorflow", "jax", "torch")])
    drawn = speedup(Drawable(plain(made)), "title")
    figure, alt = drawn.figure, drawn.alt
    titled = [place for place in figure.axes if place.get_title()]
    assert [place.get_title() for place in titled] == ["tensorflow", "jax", "torch"]
    names = [label.get_text() for label in titled[0].get_yticklabels()]
    assert names == ["split_sum", "grouped", "grouped_native", "split_concat"]
    alone = speedup(Drawable(plain(small())), "title").figure.axes[0]
    assert [label.get_text() for label in alone.get_yticklabels()] == names
    assert "0.037× (grouped at 8 groups and 64 channels) to 3.48× (grouped_native at 8 groups" in alt


# Which panels


def test_each_backend_gets_its_turn():
    many = [frame(groups=[1, 8], channels=[16, 32, 48, 64]) for _ in range(3)]
    backends = ("tensorflow", "jax", "torch")
    made = pd.concat([one.assign(backend=name) for one, name in zip(many, backends, strict=True)])
    panels = split(plain(made), FAMILY)
    kinds = [(panel.rows[0]["backend"], panel.rows[0]["pass"]) for panel in panels.shown]
    assert sorted(kinds) == sorted((name, pass_) for name in backends for pass_ in ("inference", "training"))
    fuller = frame(groups=[1, 2, 4, 8], channels=[16, 32])
    few = split(plain(pd.concat([fuller, made[made["backend"] != "tensorflow"]])), FAMILY, most=3)
    assert {panel.rows[0]["backend"] for panel in few.shown} == set(backends)


# Marks


def test_every_registered_variant_has_a_mark_of_its_own():
    marks = looks(*variants.names(), *variants.names("block"))
    assert None not in itertools.chain(*marks)
    assert len(set(marks)) == len(marks)
    layers = [colour for colour, _ in looks(*variants.names())]
    assert len(set(layers)) == len(layers)


def looks(*names):
    return [(variants.get(name).colour, variants.get(name).marker) for name in names]


def linear(colour):
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(light):
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(light, 0, 1) / [0.9505, 1, 1.089]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


# Machado, Oliveira and Fernandes 2009, severity 1.
SIGHTS = {
    "full": np.eye(3),
    "protanopia": np.array([[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]]),
    "deuteranopia": np.array([[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]]),
}


@pytest.mark.parametrize("sight", SIGHTS)
def test_colours_of_layers_differ_and_stand_out_whatever_the_eyes(sight):
    seen = {name: lab(SIGHTS[sight] @ linear(variants.get(name).colour)) for name in variants.names()}
    for first, second in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[first] - seen[second]) > 9, (first, second)
    for colour, _ in looks(*variants.names(), *variants.names("block")):
        assert 1.05 / (linear(colour) @ [0.2126, 0.7152, 0.0722] + 0.05) >= 3


# Cross-overs


def lanes_of(made):
    (place,) = [place for place in sketch("crossover", made).figure.axes if place.get_yticklabels()]
    return place


def test_a_lane_shows_the_verdict_at_each_number_of_groups():
    made = small(groups=[2, 4, 8], variants=["regular", "grouped_native"])
    native = made["variant"] == "grouped_native"
    made.loc[native, "verdict"] = ["undecided", "slower", "faster"]
    place = lanes_of(made)
    assert [text.get_text() for text in place.texts] == ["?"]
    points = {line.get_xdata()[0]: line for line in place.lines if len(line.get_xdata()) == 1}
    assert points[4].get_markerfacecolor() == "white"
    assert points[8].get_markerfacecolor() == mark_of(plain(made)[1]).colour
    (run,) = [line for line in place.lines if len(line.get_xdata()) == 2]
    assert list(run.get_xdata()) == [8, 8]
    assert "grouped_native with 8 groups or more in 1 shape" in sketch("crossover", made).alt


def test_a_cross_over_needs_a_decided_verdict_at_two_numbers_of_groups():
    for made in (small(groups=[1, 8]), small(groups=[2, 8], verdict="undecided")):
        with pytest.raises(NothingToDrawError, match="decided verdict"):
            sketch("crossover", made)


# The roof


def test_a_point_stands_where_its_counts_and_latency_put_it_under_the_roof():
    made = small(groups=[8], variants=["grouped"], latency_s=1e-3, macs=50_000_000, min_bytes=10_000_000)
    found = sketch("roofline", made)
    place = found.figure.axes[0]
    (point,) = [line for line in place.lines if line.get_marker() == "s"]
    assert (point.get_xdata()[0], point.get_ydata()[0]) == (10, 100)
    (roof,) = [line for line in place.lines if line.get_color() == "black"]
    low, ridge, _ = roof.get_xdata()
    assert ridge == pytest.approx(120 / 9)
    assert list(roof.get_ydata()) == pytest.approx([low * 9, 120, 120])
    dashed = [line for line in place.lines if line.get_linestyle() == "--"]
    shares = [np.divide(line.get_ydata(), roof.get_ydata()) for line in dashed]
    assert 0 < len(shares) <= 3
    assert [tuple(share) for share in shares] == [pytest.approx((x, x, x)) for x in (0.1, 0.01, 0.001)[: len(shares)]]
    assert [text.get_text() for text in place.texts] == ["10%", "1%", "0.1%"][: len(shares)]
    assert "110% of it (grouped at 8 groups)" in found.alt  # 100 of 90 GFLOP/s


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"peaks": None},
        {"peaks": [None, 3, "x"]},
        {"peaks": {"backend": "tensorflow"}},
        peaks(flops_per_s=None),
        peaks(flops_per_s="1e11"),
        peaks(flops_per_s=float("nan")),
        peaks(flops_per_s=float("inf")),
        peaks(bytes_per_s=-1.0),
        peaks(bytes_per_s=0),
        peaks(bytes_per_s=True),
        peaks(bytes_per_s=10**400),
        peaks(dtype="bfloat16"),
        peaks(device="gpu"),
        peaks(backend=["tensorflow"]),
        peaks(run_id="another"),
    ],
)
def test_a_peak_that_is_none_or_another_draws_no_roof(facts):
    (found,) = [one for one in registry.draw(small(groups=[8], channels=[64]), [facts]) if one.name == "roofline"]
    assert found.reason == "this run did not measure the machine's peak"


def test_a_policy_of_mixed_precision_stands_under_the_roof_recorded_for_it():
    rows = plain(small(dtype="mixed_bfloat16"))
    assert with_peaks(rows, [peaks(dtype="mixed_bfloat16")])[0].peak_flops_per_s == 1.2e11
    assert with_peaks(rows, [peaks(dtype="bfloat16")]) == []


# Costs


def test_nothing_unbeaten_is_beaten_in_all_three():
    rows = [
        Task(params=p, latency_s=s, peak_memory_bytes=m) for p, s, m in [(1, 9, 9), (2, 8, 9), (2, 8, 10), (3, 9, 8)]
    ]
    assert unbeaten(rows) == [rows[0], rows[1], rows[3]]


def test_memory_stands_beside_parameters_and_coarse_readings_do_not():
    made = small(channels=[64])
    axes = sketch("tradeoff", made).figure.axes
    assert [place.get_xlabel() for place in axes] == ["parameters", "peak memory"]
    assert len(sketch("tradeoff", made.assign(memory_source="resident")).figure.axes) == 1
    some = pd.concat([made, made.assign(backend="torch", memory_source="resident")])
    figure = sketch("tradeoff", some).figure
    assert len(figure.axes) == 2
    assert f"Not shown: {len(made)} tasks of cases whose memory" in figure.legends[0].get_title().get_text()


def test_first_calls_are_medians_with_their_ends():
    row = with_first_calls(plain(small(groups=[8])))[0]
    assert (row["first_call_s"], row["first_call_low_s"], row["first_call_high_s"]) == (0.4, 0.4, 0.5)


def test_titles_say_what_is_counted():
    blocks = small(groups=[1]).assign(scope="block", cardinality=2)
    titles = {figure.name: figure.title for figure in registry.draw(blocks)}
    assert titles["latency"] == "Latency against cardinality"
    assert titles["crossover"] == "Smallest cardinality at which grouping is faster"
    mixed = pd.concat([blocks, small(groups=[1])])
    assert registry.worded("Latency against groups", plain(mixed)) == "Latency against groups"


def test_a_crowd_of_variants_is_drawn_and_named_up_to_a_point():
    made = pd.concat([small(groups=[8], variants=["grouped"]).assign(variant=f"own{i}") for i in range(40)])
    figure = sketch("latency", made).figure
    assert len(figure.legends[0].get_texts()) == 24
    assert "16 more variants not named below" in figure.legends[0].get_title().get_text()
    assert len([line for line in figure.axes[0].lines if line.get_marker() not in ("_", "None", "|")]) >= 40


@pytest.mark.parametrize("end", [0.0, 5e-324, 1.7e308, float("inf")])
def test_intervals_without_end_leave_the_points_to_be_seen(end):
    made = small(groups=[2, 8])
    for name in ("latency_low_s", "latency_high_s", "speedup_low", "speedup_high"):
        made[name] = end
    drawn = [figure for figure in registry.draw(made, [peaks()]) if figure.name != "history"]
    assert all(figure.svg for figure in drawn)
    low, high = sketch("latency", made).figure.axes[0].get_ylim()
    assert high / low < 1e12


# Many rows


def test_many_points_are_thinned_and_said_to_be():
    made = plain(small(groups=[1]))
    rows = [replace(row, latency_s=1.0 + i) for i in range(400) for row in made]
    shown, note = thinned(rows, always=[rows[-1]])
    assert len(shown) <= 601
    assert any(row is rows[-1] for row in shown)
    assert "600 points per panel" in note
    assert thinned(rows[:600]) == (rows[:600], "")


def test_hostile_names_stay_text():
    made = small(groups=[4, 8])
    made["variant"] = made["variant"].replace({"split_concat": HOSTILE, "split_sum": '_id="x"'})
    drawn = [figure for figure in registry.draw(made, [peaks()]) if figure.name != "history"]
    assert all(figure.svg for figure in drawn)
    for figure in drawn:
        tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(figure.svg).iter()}
        assert "script" not in tags
        assert "\x1b" not in figure.svg + figure.alt
    (latency,) = [figure for figure in drawn if figure.name == "latency"]
    assert 'id="x"' in "".join(ET.fromstring(latency.svg).itertext())


def test_nothing_to_draw_is_told_by_column():
    with pytest.raises(NothingToDrawError, match="latency_s"):
        positive([], "latency_s")

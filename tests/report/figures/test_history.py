"""The figure of a history: a panel a task, its points, levels and steps, in words too."""

import re

import numpy as np
import pytest
from frames import HOSTILE
from histories import joined, run, runs

from grouped_bench import variants
from grouped_bench.analyse.history.history import of_enough
from grouped_bench.analyse.rows import plain
from grouped_bench.report.drawing.panels import NothingToDrawError
from grouped_bench.report.drawing.registry import Drawable, draw, save
from grouped_bench.report.figures.history import history
from grouped_bench.report.page.html import page

STEPPED = {"regular": {0: 2.0}, "grouped": {0: 30.0, 12: 31.8}}


def sketch(made):
    frame, facts = joined(made)
    return history(Drawable(plain(frame), facts, of_enough(frame, facts)), "Latency over runs")


@pytest.fixture(scope="module")
def stepped():
    return sketch(runs(24, STEPPED))


def panel(made, variant):
    return next(place for place in made.figure.axes if place.get_title().startswith(variant))


def points(place):
    return max(place.lines, key=lambda line: len(line.get_xdata()))


def test_a_task_with_a_step_comes_first_in_its_own_colour(stepped):
    titles = [place.get_title() for place in stepped.figure.axes]
    assert titles == ["grouped", "regular (dense)"]
    for place, name in zip(stepped.figure.axes, ("grouped", "regular"), strict=True):
        line = points(place)
        assert len(line.get_xdata()) == 24
        assert (line.get_color(), line.get_marker()) == (variants.get(name).colour, variants.get(name).marker)


def test_a_step_is_marked_between_its_runs_with_how_much(stepped):
    place = panel(stepped, "grouped")
    (words,) = [text.get_text() for text in place.texts]
    assert re.fullmatch(r"\+[56]\.\d%", words)
    upright = [line for line in place.lines if len(set(line.get_xdata())) == 1]
    assert [line.get_xdata()[0] for line in upright] == [11.5]
    assert not panel(stepped, "regular").texts


def test_levels_lie_between_the_steps(stepped):
    levels = [line for line in panel(stepped, "grouped").lines if line.get_zorder() == 3]
    ends = [tuple(np.round(line.get_xdata(), 1)) for line in levels]
    heights = [line.get_ydata()[0] for line in levels]
    assert ends == [(-0.4, 11.4), (11.6, 23.4)]
    assert heights[1] / heights[0] == pytest.approx(1.06, abs=0.01)
    assert len([line for line in panel(stepped, "regular").lines if line.get_zorder() == 3]) == 1


def test_a_run_has_its_interval_as_far_as_the_axis_goes(stepped):
    place = panel(stepped, "grouped")
    (bars,) = place.collections
    assert len(bars.get_segments()) == 24
    low, high = place.get_ylim()
    ends = np.array([[segment[:, 1].min(), segment[:, 1].max()] for segment in bars.get_segments()])
    assert (ends[:, 0] < ends[:, 1]).all()
    assert low <= ends.min() <= ends.max() <= high


def test_runs_are_named_by_commit_and_date_the_first_and_the_last_among_them(stepped):
    ticks = [text.get_text() for text in stepped.figure.axes[-1].get_xticklabels()]
    assert len(ticks) == 5
    assert all(re.fullmatch(r"[0-9a-f]{10}\n2026-01-\d\d", text) for text in ticks)
    assert (ticks[0][11:], ticks[-1][11:]) == ("2026-01-01", "2026-01-24")


def test_words_tell_each_task_and_step(stepped):
    assert stepped.alt.startswith("Latency over runs. Conv2D 64→64")
    found = re.search(
        r"grouped: 24 runs, [\d.]+ ms at first and [\d.]+ ms at last; "
        r"[56]\.\d% slower \[[\d.]+–[\d.]+\] at [0-9a-f]{10}\.",
        stepped.alt,
    )
    assert found
    assert re.search(r"regular \(dense\): 24 runs, .*; no step\.$", stepped.alt)


def test_below_four_runs_of_a_task_there_is_no_figure():
    frame, facts = joined(runs(3, STEPPED))
    assert of_enough(frame, facts) is None
    with pytest.raises(NothingToDrawError, match="at least 4 runs of one machine"):
        sketch(runs(3, STEPPED))
    made = [*runs(3, {"regular": {0: 2.0}}), run(3, {"grouped": 30.0})]
    with pytest.raises(NothingToDrawError, match="no task was measured by at least"):
        sketch(made)
    assert sketch(runs(4, {"regular": {0: 2.0}})).alt


def test_twelve_panels_are_drawn_those_with_steps_first_and_the_rest_counted(monkeypatch):
    monkeypatch.setattr("grouped_bench.report.figures.history.MOST_PANELS", 2)
    made = sketch(runs(24, {"regular": {0: 2.0}, "split_sum": {0: 2.2}, "grouped": {0: 30.0, 12: 31.8}}))
    assert [place.get_title() for place in made.figure.axes] == ["grouped", "regular (dense)"]
    assert "2 of 3 tasks shown, those with steps first" in made.alt
    assert "2 of 3 tasks shown" in made.figure.legends[0].get_title().get_text()


def test_raw_latencies_say_so():
    raw = sketch(runs(6, {"regular": {0: 2.0}}, reference=False))
    assert raw.figure.axes[0].get_title() == "regular, raw"
    assert "Raw: not divided by a reference workload" in raw.figure.legends[0].get_title().get_text()
    assert "Raw" not in sketch(runs(6, {"regular": {0: 2.0}})).figure.legends[0].get_title().get_text()


def test_noise_of_a_thousandth_does_not_fill_the_panel():
    place = sketch(runs(8, {"regular": {0: 2.0}}, spread=1e-4)).figure.axes[0]
    low, high = place.get_ylim()
    assert high / low > 1.06


def test_runs_that_are_orders_of_magnitude_apart_are_drawn():
    place = sketch(runs(6, {"regular": {0: 2.0}}, spread=8)).figure.axes[0]
    low, high = place.get_ylim()
    assert np.isfinite((low, high)).all()
    assert all(low <= end <= high for segment in place.collections[0].get_segments() for end in segment[:, 1])
    assert len(points(place).get_xdata()) == 6


def test_words_of_steps_that_are_near_stand_in_rows():
    made = sketch(runs(40, {"regular": {0: 2.0, 20: 2.2, 25: 2.0}}, spread=0.002))
    texts = made.figure.axes[0].texts
    assert len(texts) == 2
    assert texts[0].xyann[1] != texts[1].xyann[1]


def test_where_runs_are_many_no_line_joins_them():
    many, few = sketch(runs(61, {"regular": {0: 2.0}})), sketch(runs(8, {"regular": {0: 2.0}}))
    assert points(many.figure.axes[0]).get_linestyle() == "None"
    assert points(few.figure.axes[0]).get_linestyle() != "None"


def test_the_page_lists_the_steps_beside_the_figure_and_draws_the_same_twice():
    frame, facts = joined(runs(24, STEPPED))
    text = page(frame, facts)
    found = re.search(r'<h3 id="figure-history">Latency over runs</h3>\s*<ul id="steps">\s*<li>(.*?)</li>', text, re.S)
    assert re.match(
        r"grouped, Conv2D .* on amd-epyc-2: [56]\.\d% slower \[.*\] at [0-9a-f]{10}\.\.[0-9a-f]{10}", found[1]
    )
    assert '<a href="#figure-history">Steps between runs</a>' in text
    drawn = [next(one for one in draw(frame, facts) if one.name == "history").svg for _ in range(2)]
    assert drawn[0] == drawn[1] != ""


def test_a_page_without_steps_has_no_list_of_them():
    text = page(*joined(runs(5, {"regular": {0: 2.0}})))
    assert 'id="figure-history"' in text
    assert 'id="steps"' not in text
    assert "Steps between runs" not in text


def test_only_so_many_steps_are_listed_and_the_rest_counted(monkeypatch):
    from grouped_bench.report.page import html

    monkeypatch.setattr(html, "_MOST_STEPS", 1)
    text = page(*joined(runs(40, {"regular": {0: 2.0, 12: 2.2, 26: 2.0}})))
    steps = re.search(r'<ul id="steps">(.*?)</ul>\s*<p>(.*?)</p>', text, re.S)
    assert steps[1].count("<li>") == 1
    assert steps[2].startswith("1 more step:")


def test_hostile_names_stay_text():
    frame, facts = joined(runs(24, {HOSTILE: {0: 2.0, 12: 2.2}}))
    text = page(frame, facts)
    assert "<script>alert" not in text
    assert "\x1b" not in text


def test_the_figure_is_saved_with_the_others(tmp_path):
    saved = {one.name: one.paths for one in save(*_args(runs(4, {"regular": {0: 2.0}}), tmp_path))}
    assert {path.name for path in saved["history"]} == {"history.svg", "history.png", "history.pdf"}


def _args(made, folder):
    frame, facts = joined(made)
    return frame, folder, facts

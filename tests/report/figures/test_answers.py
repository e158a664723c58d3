"""The figures of the first screen: rows of what matters most, on axes of what is shown, with the claims of the text."""

import dataclasses

import matplotlib
import pandas as pd
import pytest
from frames import fail, frame

from grouped_bench.analyse.estimate import Estimate
from grouped_bench.analyse.rows import plain
from grouped_bench.report.drawing.night import INK, PAPER, by_night, night_rules
from grouped_bench.report.drawing.panels import NothingToDrawError
from grouped_bench.report.drawing.registry import Drawable, drawn, registered
from grouped_bench.report.drawing.tints import gain_text, tint


def network(count=3, **options):
    """A network of `count` layers with groups and one without; the widest saves most."""
    made = frame(groups=[1, 8], channels=[64 * (1 + place) for place in range(count)], passes=["training"], **options)
    made["multiplicity"] = 2
    made["label"] = [
        f"conv {groups} of {channels}" for groups, channels in zip(made["groups"], made["in_channels"], strict=True)
    ]
    return made


def sketch(name, made, width=8.0):
    with matplotlib.rc_context({"figure.figsize": (width, 6.0)}):
        return registered()[name].draw(Drawable(plain(made)), "title")


def labels(place):
    return [text.get_text() for text in place.get_yticklabels()]


def test_the_greatest_saving_is_the_first_row_and_the_rest_is_one():
    figure = sketch("savings", network(20)).figure
    (place,) = figure.axes
    names = labels(place)
    assert names[0] == "conv 8 of 1280 ×2"
    assert len(names) == 16
    assert names[-1] == "25 more layers"
    assert "390" not in names
    low, high = place.get_xlim()
    assert high / low < 1e7


def test_a_dot_says_the_factor_of_the_headline_and_an_open_one_is_hollow():
    made = network(1)
    told = [text.get_text() for text in sketch("savings", made).figure.axes[0].texts]
    assert any(text.endswith("×") for text in told)
    made = made.assign(speedup_low=1e-3, speedup_high=1e3, latency_low_s=1e-6, latency_high_s=1e3)
    place = sketch("savings", made).figure.axes[0]
    assert "undecided" in [text.get_text() for text in place.texts]
    assert "white" in [line.get_markerfacecolor() for line in place.lines]


def test_every_environment_is_a_panel_on_one_scale():
    made = pd.concat([network(2, env=env) for env in ("A=0", "A=1")])
    figure = sketch("savings", made).figure
    assert [place.get_title(loc="left").partition(":")[0] for place in figure.axes] == ["A=0", "A=1"]
    assert len({place.get_xlim() for place in figure.axes}) == 1


def test_every_measured_cell_of_the_map_has_a_colour_and_the_winner_a_frame():
    made = frame(groups=[4, 8], channels=[64], passes=["training"])
    made = fail(made, (made["variant"] == "split_concat") & (made["groups"] == 4), "unsupported", "no such kernel")
    place = sketch("winners", made).figure.axes[0]
    assert [text.get_text() for text in place.get_xticklabels()] == ["Keras", "grouped_native", "split_concat"]
    assert labels(place) == ["8 groups", "4 groups"]
    coloured = [patch for patch in place.patches if patch.get_facecolor()[3] > 0]
    assert len(coloured) == 5
    framed = [patch for patch in place.patches if patch.get_linewidth() > 1]
    assert len(framed) == 2
    assert "fails" in [text.get_text() for text in place.texts]


def test_a_map_in_a_hand_has_fewer_columns():
    made = frame(groups=[4, 8], channels=[64], passes=["training"])
    many = pd.concat([made, *(made[made["variant"] == "split_concat"].assign(variant=f"other_{n}") for n in range(20))])
    wide, narrow = (len(sketch("winners", many, width).figure.axes[0].get_xticklabels()) for width in (8.0, 4.0))
    assert 3 < narrow < wide < 12


def test_a_ranking_takes_turns_among_settings_and_shows_the_own_form_in_grey():
    made = pd.concat(
        [frame(groups=[4, 8, 16], channels=[64], passes=["training"], backend=name) for name in ("jax", "torch")]
    )
    figure = sketch("ranking", made).figure
    assert [place.get_title(loc="left")[:5].strip(", ") for place in figure.axes] == ["jax", "jax", "torch", "torch"]
    assert labels(figure.axes[0]) == ["grouped_native", "split_concat", "grouped"]
    assert figure.axes[0].get_xscale() == "log"


@pytest.mark.parametrize("name", ["savings", "winners", "ranking"])
def test_without_keras_own_form_there_is_nothing_to_compare(name):
    with pytest.raises(NothingToDrawError, match="Keras' own form was not measured"):
        sketch(name, frame(groups=[8], channels=[64], variants=["regular", "grouped_native"]))


def test_tints_fade_with_size_and_doubt_and_no_tint_is_none():
    sure, small, doubtful = (tint(Estimate(*ends))[3] for ends in ((8, 7, 9), (1.1, 1.05, 1.2), (8, 0.5, 90)))
    assert sure > small > 0
    assert sure > doubtful > 0
    assert tint(Estimate(0.1, 0.05, 0.2))[:3] != tint(Estimate(10, 5, 20))[:3]


@pytest.mark.parametrize(
    "ends, text",
    [
        ((5.0, 4.9, 5.1), "▲ 5.0×"),
        ((0.2, 0.19, 0.21), "▼ 5.0×"),
        ((30, 10, 90), "▲ 30×"),
        ((1.1, 0.5, 2.4), "▲ 1.1× ?"),
        ((1.01, 0.99, 1.03), "≈"),
        ((2.0, None, None), "▲ 2.0× ?"),
    ],
)
def test_a_factor_in_a_cell_is_never_below_one(ends, text):
    assert gain_text(Estimate(*ends)) == text


def test_by_night_greys_change_places_and_dark_colours_become_lighter():
    assert (by_night("#ffffff"), by_night("#000000")) == (PAPER, INK)
    assert by_night("#332288") > "#332288"
    assert by_night("#56b4e9") == "#56b4e9"


def test_a_drawing_brings_its_colours_by_night_and_keeps_those_by_day():
    figure = registered()["savings"]
    svg = drawn(figure, Drawable(plain(network())), titled=True).svg
    assert svg.count("prefers-color-scheme: dark") == 1
    assert "fill: #8a8a8a" in svg
    rules = night_rules(svg, ".drawn ")
    assert '.drawn [style*="fill: #8a8a8a"]{fill:' in rules


def test_a_title_stands_in_the_drawing_or_above_it():
    one = dataclasses.replace(registered()["savings"], title="Some title")
    record = Drawable(plain(network()))
    assert "Some title" in drawn(one, record).svg
    assert "Some title" not in drawn(one, record, titled=False).svg

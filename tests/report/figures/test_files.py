"""Figures as files: which are written, in which formats, how wide, and with which words."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from frames import HOSTILE, frame

from grouped_bench.api import runs
from grouped_bench.errors import OutputError, SpaceError
from grouped_bench.report.drawing import registry
from grouped_bench.report.drawing.files import FORMATS, Print, print_of
from grouped_bench.units import parse_length

POINTS_AN_INCH = 72


def small(**options):
    return frame(**{"groups": [1, 8], "channels": [64], "passes": ["training"], **options})


def save(folder, made=None, names=("latency",), **how):
    (found,) = registry.save(small() if made is None else made, folder, names=names, how=Print(**how))
    return {path.suffix[1:]: path.read_bytes() for path in found.paths}


def texts(svg):
    return [text.text for text in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def inches(svg):
    return float(re.search(r'width="([\d.]+)pt"', svg.decode())[1]) / POINTS_AN_INCH


def test_every_figure_that_has_something_to_show_is_written_in_every_format(tmp_path):
    saved = {one.name: one for one in registry.save(small(peak_memory_bytes=None), tmp_path / "new" / "folder")}
    assert set(saved) == set(registry.registered())
    assert {path.suffix[1:] for path in saved["latency"].paths} == {*FORMATS}
    assert saved["memory"].paths == ()
    assert saved["memory"].reason == "no task with status ok has peak_memory_bytes and groups"
    assert set((tmp_path / "new" / "folder").iterdir()) == {path for one in saved.values() for path in one.paths}


def test_the_files_are_of_their_formats_and_the_same_each_time(tmp_path):
    one, two = save(tmp_path), save(tmp_path)
    assert one == two
    assert one["png"].startswith(b"\x89PNG")
    assert one["pdf"].startswith(b"%PDF")
    assert b"/Subtype /Type0" in one["pdf"]  # text by fonts, not by shapes
    assert b"/Subtype /Type3" not in one["pdf"]
    assert "grouped_native (grouped)" in "".join(texts(one["svg"]))


def test_figures_and_formats_can_be_chosen(tmp_path):
    found = registry.save(small(), tmp_path, names=["speedup", "latency", "speedup"], how=Print(("pdf",)))
    assert [one.name for one in found] == ["speedup", "latency"]
    assert {path.name for path in tmp_path.iterdir()} == {"speedup.pdf", "latency.pdf"}


@pytest.mark.parametrize("name", [*registry.registered()])
@pytest.mark.parametrize("width", ["60mm", "85mm", "7in"])
def test_every_figure_has_the_width_that_was_asked_for(name, width, tmp_path):
    if name in ("history", "roofline"):
        pytest.skip("one run without peaks has none")
    made = small(groups=[2, 4, 8], channels=[64, 128])
    svg = save(tmp_path, made, [name], formats=("svg",), inches=parse_length(width))["svg"]
    assert inches(svg) == pytest.approx(parse_length(width), abs=0.01)


def test_in_a_column_panels_stand_below_each_other():
    made, one = small(channels=[64, 128], passes=["training", "inference"]), registry.registered()["latency"]
    heights = []
    for how in (Print(), Print(inches=3.3)):
        with registry.matplotlib.rc_context(how.style):
            figure = one.draw(registry.Drawable(registry.plain(made)), one.title).figure
        spots = [place.get_subplotspec() for place in figure.axes]
        heights.append((max(s.colspan.stop for s in spots), max(s.rowspan.stop for s in spots)))
    assert heights == [(2, 2), (1, 4)]


@pytest.mark.parametrize("name", ["latency", "speedup", "crossover"])
def test_captions_stand_beside_the_figure(name, tmp_path):
    made = small(groups=[2, 8])
    plain, bare = save(tmp_path, made, [name]), save(tmp_path, made, [name], captions=True)
    caption = bare["txt"].decode()
    title = registry.registered()[name].title
    assert caption.startswith(f"{title}. ")
    assert "\n\nAlternative text: " in caption
    assert title in "".join(texts(plain["svg"]))
    words = "".join(texts(bare["svg"]))
    assert title not in words
    assert "float32" not in words
    note = {"latency": "95% intervals", "speedup": "Blue: faster", "crossover": "Hollow: slower"}[name]
    assert note in caption
    assert note not in words
    assert "grouped_native" in words


def test_a_variant_called_like_its_function_is_named_once(tmp_path):
    words = texts(save(tmp_path)["svg"])
    assert "grouped" in words
    assert "grouped (grouped)" not in words
    assert "split_concat (grouped)" in words


def test_hostile_names_are_written(tmp_path):
    made = small()
    made["variant"] = made["variant"].replace({"grouped": HOSTILE})
    found = save(tmp_path, made, captions=True, inches=3.3)
    assert set(found) == {*FORMATS, "txt"}
    assert b"\x1b" not in found["txt"] + found["svg"]


# What cannot be written


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"folder of figures must be writable.*Received: .*file.*Name another folder"):
        registry.save(small(), tmp_path / "file" / "folder")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["latency", "none"], r"A figure must be one of .*latency, .*Received: none\. Choose one of them"),
        (["latency", "history"], r"must have something to draw\. Received: history: no task was measured by at least"),
    ],
)
def test_a_figure_that_cannot_be_drawn_is_refused_before_any_is_written(names, words, tmp_path):
    with pytest.raises(SpaceError, match=words):
        registry.save(small(), tmp_path / "new", names=names)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("formats", ["", "svg,eps", "PDF", ["gif"], []])
def test_an_unknown_format_is_refused(formats):
    with pytest.raises(SpaceError, match=r"A format of figures must be one of svg, png, pdf. Received"):
        print_of(formats, None, captions=False)


@pytest.mark.parametrize("width", ["85", "39mm", "501mm", "nan", "wide", 85, "1e3mm", ""])
def test_an_unusable_width_is_refused(width):
    with pytest.raises(SpaceError, match=r"must be a length from 40mm to 500mm. Received: .*Write it with its unit"):
        print_of("svg", width, captions=False)


def test_what_a_user_asks_for_reaches_the_files(tmp_path):
    run = runs.Run(small(), {}, Path("run.parquet"))
    (found,) = runs.write_figures([run], tmp_path, names=["latency"], formats="svg", width="60mm", where="groups == 8")
    svg = found.paths[0].read_bytes()
    assert inches(svg) == pytest.approx(60 / 25.4, abs=0.01)
    assert {"8", "1"} & set(texts(svg)) == {"8"}

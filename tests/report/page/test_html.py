"""The page: complete, self-contained, and deaf to what a stranger writes into a record."""

import base64
import gzip
import hashlib
import itertools
import re

import numpy as np
import pandas as pd
import pytest
from frames import HOSTILE, fail, frame, metadata
from html_reader import Reader
from machines import recorded

from grouped_bench import Run
from grouped_bench.analyse.pictures import telling
from grouped_bench.analyse.rows import plain
from grouped_bench.errors import OutputError
from grouped_bench.report.drawing.registry import registered
from grouped_bench.report.findings.findings import Finding
from grouped_bench.report.page import html as pages
from grouped_bench.report.page import scripts
from grouped_bench.report.page.html import page, write


def small(**options):
    return frame(**{"groups": [1, 8], "channels": [64], "passes": ["training"], **options})


@pytest.fixture(scope="module")
def text():
    made = fail(small(), (small()["variant"] == "split_sum") & (small()["groups"] == 8), "oom", "needs 12 GiB")
    return page(made, [metadata()])


@pytest.fixture(scope="module")
def hostile():
    made = small(groups=[8])
    for name in ("variant", "machine", "label", "device_name", "backend"):
        made[name] = [f"{HOSTILE}{i}" for i in range(len(made))]
    made = fail(made, made.index == 0, HOSTILE, HOSTILE)
    facts = {
        "run_id": HOSTILE,
        "machine": HOSTILE,
        "command": [HOSTILE],
        "environment": {HOSTILE: {"a": HOSTILE}},
    }
    return page(made, [{**facts, "skipped": [{"reason": HOSTILE}], "stopped_by": HOSTILE, "time": {HOSTILE: 1.0}}])


def without_scripts(text):
    return re.sub(r"<script\b.*?</script>", "", text, flags=re.DOTALL)


def test_csp_and_nothing_loaded_or_run(text, hostile):
    for each in (text, hostile):
        reader = Reader(each)
        (policy,) = [meta["content"] for meta in reader.all("meta") if "http-equiv" in meta]
        allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
        assert allowed.pop("script-src") == f"{hash_of(scripts.own())} {hash_of(scripts.library())}"
        nothing = dict.fromkeys(("default-src", "base-uri", "form-action"), "'none'")
        assert allowed == {**nothing, "style-src": "'unsafe-inline'", "img-src": "data:"}
        assert not reader.all("link", "iframe", "object", "embed", "img", "base", "form")
        for _, attributes in reader.tags:
            assert not [name for name in attributes if name.startswith("on")]
            links = [attributes[name] for name in ("src", "href", "xlink:href") if name in attributes]
            assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
        assert not re.search(r"url\((?!#)|@import|https?:", without_scripts(each))


def hash_of(script):
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def test_a_page_has_our_script_as_it_is_and_else_only_packed_data(text, hostile):
    for each in (text, hostile):
        found = re.findall(r"<script([^>]*)>(.*?)</script>", each, re.DOTALL)
        data = [attributes for attributes, _ in found[:-1]]
        assert data == [f' type="application/octet-stream" id="{name}"' for name in ("record", "library")]
        assert all(re.fullmatch(r"[A-Za-z0-9+/=]+", content) for _, content in found[:-1])
        assert found[-1] == ("", scripts.own())
        assert each.count("<script") == 3


def test_what_is_packed_unpacks_to_what_the_policy_admits(text):
    (packed,) = re.findall(r'id="library">(.*?)<', text)
    assert gzip.decompress(base64.b64decode(packed)).decode() == scripts.library()


def test_hostile_text_stays_text(hostile):
    assert "<script>alert" not in hostile
    assert "&lt;script&gt;" in hostile
    assert "\x1b" not in hostile


def test_ids_are_unique_and_links_lead_somewhere(text):
    reader = Reader(text)
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [link["href"] for link in reader.all("a")]
    assert len(targets) >= 8
    inside = {target.removeprefix("#") for target in targets if not target.startswith("#explore?")}
    assert inside <= set(ids)


def test_contents_stand_in_order(text):
    names = re.findall(r'<h2[^>]* id="([\w-]+)"', text)
    assert names == ["answer", "cases", "explore", "memory", "tables", "left-out", "environment", "method", "glossary"]
    levels = [int(level) for level in re.findall(r"<h([1-6])\b", text)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_what_a_reader_needs_is_there(text):
    for words in (
        "Grouping beats the dense layer",
        "needs 12 GiB",
        "3 groups do not divide 64 input channels",
        "processor.model",
        "AMD EPYC 7B13",
        "visits per task",
        "margin of equivalence",
        "peak_memory_bytes",
        "8.00 GiB",
        "49%",
    ):
        assert words in text, words


def test_the_class_of_the_machine_and_what_was_in_force_are_told():
    facts = metadata(**recorded())
    text = page(fail(small(), small()["groups"] > 0, "oom", None), [facts])
    for words in ("oneDNN on by default", "in_force.tensorflow.onednn_isa", "Intel AVX2"):
        assert words in text, words


def of_two(first, second):
    """The page of two runs without any row that was measured: quick, since it draws nothing."""
    made = pd.concat([small(groups=[8], run_id=facts["run_id"]) for facts in (first, second)], ignore_index=True)
    return page(fail(made, made["groups"] == 8, "oom", None), [first, second])


def test_a_page_of_runs_that_differ_says_so_before_anything_else():
    first, second = metadata(run_id="first"), metadata(run_id="second")
    second["environment"]["backend"]["tensorflow"]["onednn"] = False
    second["environment"]["variables"]["XLA_FLAGS"] = HOSTILE
    text = of_two(first, second)
    before, _, after = text.partition('<h2 id="differences">Differences between the runs</h2>')
    assert '<a href="#differences">' in before
    assert re.findall(r'<h2[^>]*id="([\w-]+)"', before) == ["answer"]
    told, _, _ = after.partition("</section>")
    assert "These runs differ in facts that can change an answer" in told
    assert '<th scope="col">fact</th><th scope="col">first</th><th scope="col">second</th>' in told
    assert '<th scope="row">backend.tensorflow.onednn</th><td class="name">yes</td><td class="name">no</td>' in told
    assert (
        '<th scope="row">variables.XLA_FLAGS</th><td class="name">not set</td><td class="name">&lt;script&gt;' in told
    )
    assert told.count("<tr>") == 3
    assert Reader(text).all("a")[0] == {"href": "#differences"}


def test_a_page_of_equal_runs_or_of_one_says_nothing_of_differences(text):
    equal = of_two(metadata(run_id="first"), metadata(run_id="second"))
    assert "ifferences" not in equal
    assert "ifferences" not in text


def test_a_page_shows_only_so_many_facts_and_counts_the_rest():
    odd = metadata(run_id="odd")
    odd["environment"]["x"] = {f"fact{number}": number for number in range(100)}
    text = of_two(metadata(), odd)
    assert "40 more facts not shown." in text
    assert text.count('<td class="name">not recorded</td>') == 60


def test_tables_and_figures_can_be_read_by_ear(text):
    reader = Reader(text)
    assert reader.all("html") == [{"lang": "en"}]
    assert text.count("<table>") == len(re.findall("<caption[ >]", text)) > 0
    assert all(cell.get("scope") in ("row", "col") for cell in reader.all("th"))
    drawn = reader.all("svg")
    shown = telling(plain(small()))
    assert len(drawn) >= 2  # the first picture, on a screen and in a hand
    assert {name for name in registered() if f'id="figure-{name}"' in text} - {"winners"} <= set(shown)
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in drawn)


def test_a_measured_peak_of_the_run_reaches_the_figures(text):
    peak = {"backend": "tensorflow", "device": "cpu", "dtype": "float32", "flops_per_s": 1.2e11, "bytes_per_s": 9e9}
    assert 'id="figure-roofline"' not in text
    assert "roof of 120 GFLOP/s and 9.0 GB/s" in page(small(), [{**metadata(), "peaks": [peak]}])


def test_a_report_with_figures_has_the_roofline_of_a_run_that_measured_its_peak(tmp_path):
    peak = {"backend": "tensorflow", "device": "cpu", "dtype": "float32", "flops_per_s": 1.2e11, "bytes_per_s": 9e9}
    run = Run(small(), {**metadata(), "peaks": [peak]}, tmp_path / "run.parquet")
    page = run.report(tmp_path / "page.html", tmp_path / "figures")
    assert "roof of" in page.read_text(encoding="utf-8")
    assert (tmp_path / "figures" / "roofline.png").exists()


def test_dark_light_print_and_narrow_are_provided_for(text):
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert 'name="viewport"' in text
    before_tables = re.findall(r"<div class=\"(?:scroll|rows)\"[^>]*>\s*<table>", text)
    assert len(before_tables) == text.count("<table>")


@pytest.mark.parametrize("facts", [[], [{}], [{"environment": None, "time": {"total_s": 0}, "control": {"x": None}}]])
def test_missing_facts_and_empty_frames_are_no_crash(facts):
    empty = page(frame().head(0), facts)
    assert "Nothing was measured" in empty
    assert "<svg" not in empty


def test_cohorts_have_ids_and_only_so_many_have_tables_of_their_own(monkeypatch):
    made = small(groups=[2, 4, 8])
    made = fail(made, made["groups"] > 0, "oom", None)  # no figures: quick
    text = page(made, [])
    assert re.findall(r'id="cohort-(\d+)"', text) == ["1", "2", "3"]
    assert "Here are the first" not in text
    monkeypatch.setattr(pages, "_MOST_TABLES", 2)
    monkeypatch.setattr(pages, "_MOST_FAILURES", 4)
    text = page(made, [])
    assert re.findall(r'id="cohort-(\d+)"', text) == ["1", "2"]
    assert "These are the first 2 of 3 cohorts" in text
    assert "11 more tasks not shown; the table under" in text


def test_a_page_of_a_thousand_tasks_has_at_most_2_mb():
    made = frame(groups=[1, 2, 4, 8, 16], channels=range(32, 672, 32))
    noise = np.random.default_rng(1).lognormal(0, 0.05, (len(made), 8, 5))
    made["samples_s"] = [(value * part).tolist() for value, part in zip(made["latency_s"], noise, strict=True)]
    assert len(made) == 1000
    assert len(page(made, [metadata()]).encode()) <= 2_000_000


def test_a_finding_links_to_the_rows_it_rests_on(monkeypatch):
    made = fail(small(groups=[8]), small(groups=[8])["groups"] == 8, "oom", None)
    told = [Finding("All is lost."), Finding("These were.", tuple(plain(made)[1:3]))]
    monkeypatch.setattr(pages.findings, "of_rows", lambda *_: told)
    reader = Reader(page(made, []))
    assert [link["href"] for link in reader.all("a") if "?" in link["href"]] == ["#explore?finding=2"]
    assert {"finding-1", "finding-2"} <= {item.get("id") for item in reader.all("li")}


def test_a_failed_row_is_in_no_ranking():
    made = small(groups=[8])
    text = page(fail(made, made["variant"] == "grouped_native", "incorrect", "off by 3 %"), [])
    assert "incorrect: off by 3 %" in text
    assert "3.48×" not in text


def test_write_is_the_page_in_one_step(tmp_path):
    made = small(groups=[8])
    made = fail(made, made["groups"] == 8, "oom", None)  # no figures: quick
    path = write(made, [metadata()], tmp_path / "report.html")
    assert path.read_text(encoding="utf-8") == page(made, [metadata()])
    assert list(tmp_path.iterdir()) == [path]


def test_write_says_where_it_cannot(tmp_path):
    with pytest.raises(OutputError, match=r"writable folder. Received: .*report.html.*Create the folder"):
        write(small().head(0), [], tmp_path / "missing" / "report.html")
    assert not list(tmp_path.iterdir())

"""What the repository keeps of reference runs: little, all of it shown, and drawn again by one command."""

import re
import shutil
import subprocess

import pytest
from checkout import ROOT
from frames import frame, metadata
from machines import recorded

import grouped_bench as gb
from grouped_bench.store.runs import write_run

MOST_BYTES = 8 * 2**20
_LINK = re.compile(r"\]\(([^)#:]+)\)")


@pytest.fixture(scope="module")
def tracked():
    """Every file that Git tracks."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no clone")
    told = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {ROOT / name for name in told.split("\0") if name}


@pytest.fixture(scope="module")
def kept(tracked):
    return {path for path in tracked if path.is_relative_to(ROOT / "results")}


def linked(page):
    return {(page.parent / target).resolve() for target in _LINK.findall(page.read_text(encoding="utf-8"))}


def test_the_results_are_light(kept):
    assert sum(path.stat().st_size for path in kept) < MOST_BYTES


def test_what_is_kept_is_shown_and_what_is_shown_is_kept(tracked, kept):
    pages = {path for path in tracked if path.suffix == ".md"}
    shown = {path for page in pages for path in linked(page) if path.is_relative_to(ROOT / "results")}
    assert {path for path in shown if not path.is_dir()} | {ROOT / "results" / "published.txt"} == kept


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A folder with one reference run, and what an older shape kept of it."""
    import publish

    for name, path in {"RESULTS": "", "PUBLISHED": "published.txt", "EXAMPLE": "page.html"}.items():
        monkeypatch.setattr(publish, name, tmp_path / path)
    facts = metadata(**recorded())
    facts["environment"] |= {"command": ["grouped-bench", "run"]}
    facts["environment"]["processor"] |= {"usable": 2}
    path = write_run(frame(groups=[1, 4, 8], channels=[64, 128]), facts, tmp_path / facts["machine"] / "run.parquet")
    (tmp_path / "published.txt").write_text(f"{path.relative_to(tmp_path)}\n")
    path.with_suffix("").mkdir()
    for older in (path.with_suffix(".html"), path.with_suffix("") / "latency.png"):
        older.touch()
    return tmp_path


def test_one_command_brings_the_folder_to_its_shape(results):
    import publish

    publish.write_page([gb.load(path) for path in publish.published()])
    files = {path for path in results.rglob("*") if path.is_file()}
    assert files == linked(results / "README.md") | {results / "README.md", results / "published.txt"}
    drawn = {path.stem for path in files if path.suffix == ".svg"}
    assert {"winners", "latency", "speedup", "tradeoff"} <= drawn <= set(publish.FIGURES)
    assert "<svg" in (results / "page.html").read_text()
    assert [path for path in files if path.suffix == ".html"] == [results / "page.html"]


def test_a_reference_run_writes_no_page(results, monkeypatch):
    import publish

    asked = []

    def run(space, **options):
        asked.append(options)
        return gb.load(publish.published()[0])

    monkeypatch.setattr(gb, "run", run)
    publish.measure(["quick"])
    assert [options["page"] for options in asked] == [False]

"""`grouped-bench baseline`: what its commands stand for, exit codes, refusals; who else reads a baseline."""

import json
from pathlib import Path

import pytest
from drawn import COMMIT, OTHER, drawn, of_commit, saved

from grouped_bench.api.gate import baselines

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def runs():
    for number, commit in enumerate((OTHER, COMMIT), 1):
        saved(drawn(number), Path("results/m"), f"2026112{number}-010000-aaaa", **of_commit(commit, number))


def test_saving_listing_pruning_and_comparing(call, runs):
    assert call("baseline", "save", "results", "--to", "b") == (
        0,
        f"Baseline b/amd-epyc-2/{OTHER[:12]}/20261121-010000-aaaa.parquet\n"
        f"Baseline b/amd-epyc-2/{COMMIT[:12]}/20261122-010000-aaaa.parquet\n",
        "",
    )
    code, out, _ = call("baseline", "list", "b")
    assert (code, len(out.splitlines())) == (0, 5)
    told = json.loads(call("baseline", "list", "b", "--format", "json")[1])
    assert [one["commit"]["id"] for one in told["baselines"]] == [OTHER, COMMIT]
    assert call("compare", "b", "latest")[0] == 0
    code, out, _ = call("baseline", "prune", "b", "--keep", 1, "--dry-run")
    assert (code, out.splitlines()[-1].startswith("1 baseline would be removed, ")) == (0, True)
    assert len(list(Path("b").rglob("*.parquet"))) == 2
    assert call("baseline", "prune", "b", "--keep", 1)[0] == 0
    assert [path.stem for path in Path("b").rglob("*.parquet")] == ["20261122-010000-aaaa"]


def test_options_reach_the_library(call, monkeypatch):
    made = []
    monkeypatch.setattr(baselines, "save_baselines", lambda *names, **how: made.append((names, how)) or [])
    monkeypatch.setattr(baselines, "prune_baselines", lambda *names, **how: made.append((names, how)) or [])
    monkeypatch.setattr(baselines, "baselines", lambda *names: made.append((names, {})) or [])
    assert call("baseline", "save", "latest", "x")[0] == 0
    assert call("baseline", "save", "latest", "--to", "b", "--samples", 3, "--out", "o")[0] == 0
    assert call("baseline", "list")[0] == 0
    assert call("baseline", "prune", "--keep", 5)[0] == 0
    assert made == [
        ((("latest", "x"), "baselines"), {"samples": 1, "out": "results"}),
        ((("latest",), "b"), {"samples": 3, "out": "o"}),
        (("baselines",), {}),
        (("baselines", 5), {"dry": False}),
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "Missing command"),
        (("save",), "Missing argument 'RUN...'"),
        (("save", "nope"), "A run must be a Parquet file, a folder of runs, a run id, or latest. Received: nope."),
        (
            ("save", "latest", "--samples", "0"),
            "--samples must be an integer from 1 to 2,147,483,647. Received: 0. Write it like --samples 5. ",
        ),
        (
            ("save", "latest", "--samples", "all"),
            "must be an integer from 1 to 2,147,483,647. Received: all. ",
        ),
        (("list", "nope"), "The folder of baselines must exist. Received: nope. Name an existing folder."),
        (("list", "results", "--format", "csv"), "'csv' is not one of"),
        (("prune", "results"), "Missing option '--keep'"),
        (("prune", "results", "--keep", "0"), "--keep must be an integer from 1 to 2,147,483,647. Received: 0. Write "),
        (("prune", "results", "--keep", "1"), "A folder to prune must contain only baselines"),
    ],
)
def test_what_cannot_be_done_is_one_line_exit_2_and_nothing_changed(words, told, call, runs):
    before = sorted(Path().rglob("*"))
    code, out, err = call("baseline", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert told in err
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize("name", ["save", "list", "prune"])
def test_every_command_has_help_with_an_example(name, call):
    code, out, _ = call("baseline", name, "--help")
    assert code == 0
    assert f"grouped-bench baseline {name}" in out
    assert max(map(len, out.splitlines())) <= 80


def test_show_report_and_history_read_a_baseline_and_say_what_it_is(call, runs):
    call("baseline", "save", "results", "--to", "b")
    told = "is a baseline: it keeps 1 round per visit and the medians of all, but not how samples spread."
    code, out, _ = call("show", "b")
    assert code == 0
    assert " ".join(out.split()).count(told) == 2
    assert told not in " ".join(call("show", "results")[1].split())
    assert call("report", "b", "-o", "page.html")[0] == 0
    assert told in Path("page.html").read_text()
    assert call("history", "b") == call("history", "results")

"""The steps of a history as text: what is told of each, what git takes, and what is left out."""

import json
import re

import pytest
from frames import HOSTILE
from histories import commit, joined, run, runs

from grouped_bench.analyse.history.history import of_frame
from grouped_bench.analyse.statistics.stats import Interval
from grouped_bench.api.gate.history import history_of
from grouped_bench.errors import SpaceError
from grouped_bench.report import history
from grouped_bench.report.text import cells

STEPPED = {"regular": {0: 2.0}, "grouped": {0: 30.0, 12: 31.8}}
OLD, NEW = commit(11)["id"][:10], commit(12)["id"][:10]


def render(made, format="table", where=None):
    return history.render(history_of(*joined(made), where=where), format)


@pytest.fixture(scope="module")
def stepped():
    return runs(24, STEPPED)


def test_a_step_is_told_with_range_dates_and_by_how_much(stepped):
    text = render(stepped)
    assert text.startswith("24 runs of 24 commits, 2026-01-01 to 2026-01-24, ordered by commit date.")
    assert f"\n{OLD}..{NEW}  2026-01-12 to 2026-01-13\n" in text
    found = re.search(r"\n  (\d\.\d)% slower \[(\d\.\d)–(\d\.\d)\]  [\d.]+ ms → [\d.]+ ms for 12 runs\n", text)
    assert float(found[2]) < 6.0 < float(found[3])
    assert "\n    grouped, Conv2D 64→64" in text
    assert "2 tasks: 1 with steps, 1 without, 0 with fewer than 6 runs." in text
    assert text.endswith(f"\n\n  git log --oneline {OLD}..{NEW}\n  git bisect start {NEW} {OLD}\n")


@pytest.mark.parametrize(
    ("ratio", "told"),
    [
        (Interval(1.051, 1.042, 1.06), "5.1% slower [4.2–6.0]"),
        (Interval(0.949, 0.94, 0.958), "5.1% faster [4.2–6.0]"),
        (Interval(3.0, 2.9, 3.1), "200.0% slower [190.0–210.0]"),
    ],
)
def test_by_how_much_is_of_the_level_before(ratio, told):
    assert history.by_how_much(ratio) == told


def test_tasks_that_step_at_one_place_stand_together_the_newest_first():
    made = runs(40, {"regular": {0: 2.0, 26: 2.2}, "grouped": {0: 30.0, 12: 33.0, 26: 36.3}}, spread=0.002)
    text = render(made)
    ranges = re.findall(r"^[0-9a-f]{10}\.\.[0-9a-f]{10}", text, re.M)
    assert ranges == [f"{commit(before)['id'][:10]}..{commit(before + 1)['id'][:10]}" for before in (25, 11)]
    newest = text.split(ranges[1])[0]
    assert newest.count("% slower") == 2
    assert f"git bisect start {commit(26)['id'][:10]}" in text


def test_no_line_is_wider_than_a_terminal():
    made = runs(24, {HOSTILE: {0: 2.0}, "grouped": {0: 30.0, 12: 33.0}})
    made += runs(24, {HOSTILE: {0: 2.0, 9: 2.4}}, told=False)
    for _, facts in made[12:]:
        facts["environment"]["libraries"] = {HOSTILE: HOSTILE}
    text = render(made)
    assert max(map(cells.display_width, text.splitlines())) <= 80
    assert text.replace("\n", "").isprintable()


def test_hostile_names_are_text_in_markdown():
    text = render(runs(24, {HOSTILE: {0: 2.0, 12: 2.4}}), "markdown")
    assert "<script" not in text
    assert "\x1b" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1


def test_markdown_calls_nobody_and_links_to_nothing():
    made = runs(24, {"@all https://x GH-1": {0: 2.0, 12: 2.4}}, told=False)
    for number, (_, facts) in enumerate(made):
        facts["environment"] = {"variables": {"TF_X": "@octocat" if number < 12 else "www.x.example"}}
    text = render(made, "markdown")
    assert not re.search(r"@\w|://|www\.|GH-1", text)
    assert all(name in text.replace("<!-- -->", "") for name in ("@all https://x GH-1", "@octocat", "www.x.example"))


def test_markdown_has_a_row_a_step(stepped):
    text = render(stepped, "markdown")
    header, _rule, row = [line for line in text.splitlines() if line.startswith("|")]
    assert header == "| task | machine | ratio | from | to | for runs | between |"
    assert f"{OLD}..{NEW} (2026-01-12 to 2026-01-13)" in row
    assert row.startswith("| grouped, Conv2D")


def test_json_has_runs_series_and_steps(stepped):
    told = json.loads(render(stepped, "json"))
    assert told["schema"] == 1
    assert [one["commit"] for one in told["runs"]] == [commit(number) for number in range(24)]
    (step,) = told["steps"]
    series = told["series"][step["series"]]
    assert (series["variant"], series["groups"], series["pass"]) == ("grouped", 4, "training")
    assert series["basis"] == "normalised"
    assert [point["run_id"] for point in series["points"]] == [one["run_id"] for one in told["runs"]]
    assert all(point["low_s"] < point["latency_s"] < point["high_s"] for point in series["points"])
    assert (step["before"], step["after"]) == (told["runs"][11]["run_id"], told["runs"][12]["run_id"])
    assert step["ratio_low"] < 1.06 < step["ratio_high"]
    assert (step["runs"], step["same_commit"], step["changed"]) == (12, False, [])


def test_what_else_changed_is_told_in_each_form(stepped):
    made = [(one, {**facts, "environment": {**facts["environment"]}}) for one, facts in stepped]
    for _, facts in made[12:]:
        facts["environment"]["libraries"] = {"tensorflow": "2.22.0", "keras": "3.15.1"}
    sentence = "Also changed: libraries.tensorflow 2.21.0, then 2.22.0."
    assert sentence in render(made)
    assert sentence in render(made, "markdown")
    changed = json.loads(render(made, "json"))["steps"][0]["changed"]
    assert changed == [{"fact": "libraries.tensorflow", "values": ["2.21.0", "2.22.0"]}]
    assert sentence not in render(stepped)


def test_a_commit_with_changes_is_marked_and_one_commit_points_to_the_machine():
    made = runs(24, STEPPED)
    made[12][1]["commit"] = commit(12, dirty=True)
    text = render(made)
    assert f"With uncommitted changes: {NEW}+." in text
    assert f"{OLD}..{NEW} " in text  # as git takes it
    for _, facts in made[11:13]:
        facts["commit"] = commit(11)
    text = render(made)
    assert f"{OLD} to {OLD}  2026-01-12\n" in text
    assert "check the machine first." in text
    assert "git log" not in text


def test_without_commits_runs_are_named():
    made = runs(24, STEPPED, told=False)
    text = render(made)
    opening = " ".join(text.partition("\n\n")[0].split())
    assert opening == "24 runs, 2026-01-01 to 2026-01-24, without a commit, ordered by their start."
    assert f"{made[11][1]['run_id']} to {made[12][1]['run_id']}" in text
    assert "git log" not in text


def test_what_is_not_looked_at_is_counted():
    made = runs(8, {"regular": {0: 2.0}}) + [run(number, {"grouped": 30.0}, reference=False) for number in range(8, 12)]
    made[7][1]["side_by_side"] = {"id": "x"}
    text = " ".join(render(made).split())
    assert "2 tasks: 0 with steps, 1 without, 1 with fewer than 6 runs." in text
    assert "Latencies of 1 task are raw" in text
    assert "Left out: 1 run measured as one side of a comparison" in text


def test_only_tasks_for_which_where_holds_are_looked_at(stepped):
    text = render(stepped, where="variant == 'regular'")
    assert "1 task: 0 with steps, 1 without" in text
    assert "24 runs" in text
    with pytest.raises(SpaceError, match="--where"):
        render(stepped, where="nonsense ==")


@pytest.mark.parametrize(
    ("format", "told"),
    [
        ("table", "No task satisfies groups > 9999, in 24 runs.\n"),
        ("markdown", "No task satisfies groups &gt; 9999, in 24 runs.\n"),
    ],
)
def test_where_no_task_is_left_that_is_all_that_is_said(stepped, format, told):
    assert render(stepped, format, where="groups > 9999") == told


def test_an_expression_that_holds_for_no_task_keeps_to_a_terminal_and_json_has_none(stepped):
    long = " and ".join(["groups > 9999"] * 12)
    assert max(map(len, render(stepped, where=long).splitlines())) <= 80
    found = json.loads(render(stepped, "json", where="groups > 9999"))
    assert (found["runs"], found["series"], found["steps"]) == ([], [], [])


def test_of_runs_without_a_commit_or_a_latency_no_count_is_made_up():
    made = runs(6, STEPPED)
    made[0][1]["commit"] = None
    assert "6 runs of 5 commits" in render(made) and "1 of them without a commit, ordered by start." in render(made)
    made[1][1]["commit"] = None
    assert "2 of them without a commit, ordered by start." in render(made)
    assert render(made[:1]).startswith("1 run, 2026-01-01, without a commit.\n")
    failed = [(one.assign(status="crashed", samples_s=None, reference_s=None), facts) for one, facts in made]
    text = render(failed)
    assert "No task has a latency." in text and "fewer than" not in text


def test_sentences_are_what_the_table_says(stepped):
    (sentence,) = history.sentences(of_frame(*joined(stepped)))
    assert re.match(
        rf"grouped, Conv2D .* on amd-epyc-2: 5\.\d% slower \[.*\] at {OLD}\.\.{NEW}, for 12 runs\.$", sentence
    ) or re.match(rf"grouped, .*: 6\.\d% slower \[.*\] at {OLD}\.\.{NEW}, for 12 runs\.$", sentence)

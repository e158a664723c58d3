"""A comparison as a table of eighty columns, and as the file that its name asks for."""

import pytest
from drawn import drawn, judged
from frames import HOSTILE, fail

from grouped_bench.errors import OutputError, SpaceError
from grouped_bench.report.comparison import table
from grouped_bench.report.text.cells import display_width

SLOWER = {"grouped": 1.1}


def told(found, **how):
    text = table.render(found, "table", **how)
    assert all(line == line.rstrip() and display_width(line) <= 80 for line in text.splitlines())
    assert all(c.isprintable() or c == "\n" for c in text)
    return text


def words(found, **how):
    return " ".join(told(found, **how).split())


def test_the_verdict_comes_first_then_the_environment_then_the_runs_and_rules():
    text = told(judged(drawn(1), drawn(2, slower=SLOWER), facts=({"machine": "a"}, {"machine": "b"})))
    parts = [
        "Regression: 2 of 4 tasks are slower by more than 5%.\n\n",
        "Base and head differ in facts that can change an answer:\n  machine: a in base; b in head\n\n",
        "base: run old, on a\nhead: run new, on b\nLatencies normalised: ",
        "Judged, with the allowed worsening: status, latency 5%",
        "\n\nConv2D 64→64 k3x3 on 28x28 groups 4 batch 8 inference\ntensorflow graph on cpu\n",
        "\n\nUnchanged: 2 tasks (--all shows them).\n",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places) and places[0] == 0


def test_what_is_not_ruled_out_stands_below_the_verdict():
    text = told(judged(*(drawn(seed, groups=[4], variants=["grouped"], noise=0.06) for seed in (1, 3))))
    verdict, still_open = " ".join(text.split("\n\n")[0].split()).split(". ", 1)
    assert verdict == "Inconclusive: 0 of 1 task decided; the one task is not shown to be slower by more than 5%"
    assert still_open == ("In 1 task a slow-down of more than 5% cannot be ruled out: its interval reaches beyond it.")


def test_tasks_that_changed_stand_under_their_case_with_ratio_interval_and_verdict():
    lines = told(judged(drawn(1), drawn(2, slower=SLOWER))).splitlines()
    rows = [line.split() for line in lines if line.endswith("regression")]
    assert [row[:2] for row in rows] == [["grouped", "latency"]] * 2
    assert all(row[-3].endswith("×") and row[-2].startswith("[1.0") for row in rows)
    assert not any(line.split()[:1] == ["regular"] for line in lines)


def test_unchanged_tasks_are_shown_on_request():
    text = told(judged(drawn(1), drawn(2)), everything=True)
    assert text.count("unchanged") == 4 * 2
    assert text.count("not judged") == 4
    assert "Unchanged:" not in text


def test_why_it_failed_stands_below_the_row():
    made = drawn(2)
    text = told(judged(drawn(1), fail(made, made["variant"] == "grouped", "crashed", "signal 11 in " + "x " * 400)))
    assert " ".join(text.split()).count("grouped status ok crashed regression") == 2
    assert "\n    signal 11 in x x" in text and "…" in text


def test_new_and_gone_tasks_are_named():
    text = words(judged(drawn(1, groups=[4, 8]), drawn(2, groups=[4, 16])))
    assert "New, only in head: 2 tasks Conv2D 64→64 k3x3 on 28x28 groups 16" in text
    assert "Gone, only in base: 2 tasks Conv2D 64→64 k3x3 on 28x28 groups 8" in text
    assert text.count("regular, grouped") == 2


def test_long_lists_end_with_their_number_unless_all_is_wanted():
    many = judged(drawn(1, groups=[4]), drawn(2, groups=range(5, 65), processes=3))
    assert "and those of 40 more cases (--all)" in words(many)
    assert "more (--all)" not in words(many, everything=True)
    slow = [drawn(seed, groups=range(1, 121), variants=["grouped"], slower=by) for seed, by in ((1, None), (2, SLOWER))]
    text = words(judged(*slow))
    assert text.count(" regression ") == 100 and "20 more tasks like these (--all shows them)." in text
    facts = [{"environment": {"variables": {f"V{n}": side for n in range(20)}}} for side in "ab"]
    assert "and 8 more facts (--format json)" in words(judged(drawn(1), drawn(2), facts=facts))


def test_what_to_do_ends_the_table():
    text = words(judged(drawn(1), drawn(2, processes=2)))
    assert "Undecided in 4 tasks: fewer than 3 processes on a side. Measure longer (--least-visits 24" in text


def test_a_long_name_stands_above_its_row():
    name = "test_" + "very_" * 30 + "long"
    base, head = (drawn(seed, slower=slower) for seed, slower in ((1, None), (2, SLOWER)))
    for made in (base, head):
        made["variant"] = made["variant"].replace("grouped", name)
    lines = told(judged(base, head)).splitlines()
    (place, *_) = [number for number, line in enumerate(lines) if line.startswith("  test_very")]
    rows = lines[place : place + 4]
    assert name in "".join(row.strip() for row in rows)
    assert any(row.split()[:1] == ["latency"] and row.endswith("regression") for row in rows)


def test_hostile_text_is_shown_and_keeps_to_its_width():
    made = drawn(2).assign(backend=HOSTILE, device=HOSTILE, label=HOSTILE)
    made["variant"] = made["variant"].replace("grouped", HOSTILE)
    base = made.assign(samples_s=drawn(1)["samples_s"], reference_s=drawn(1)["reference_s"])
    failed = fail(made, made["variant"] == HOSTILE, "crashed", HOSTILE)
    facts = ({"machine": HOSTILE, "commit": HOSTILE}, {"environment": {HOSTILE: HOSTILE}})
    for everything in (True, False):
        assert "x1b" in told(judged(base, failed, facts=facts), everything=everything)
        assert "x1b" in told(judged(base, drawn(1), facts=facts), everything=everything)


@pytest.mark.parametrize(
    ("name", "format"), [("a.txt", "table"), ("b/c.md", "markdown"), ("d.e.json", "json"), ("f.xml", "junit")]
)
def test_the_name_of_a_file_tells_its_format(name, format):
    assert table.format_of(name) == format


@pytest.mark.parametrize("name", ["", "answer", "a.html", ".md", "a.MD"])
def test_other_names_tell_none(name):
    with pytest.raises(SpaceError, match=r"must end in one of \.txt, \.md, \.json, \.xml"):
        table.format_of(name)


def test_an_answer_is_put_in_place_of_the_one_before(tmp_path):
    path = tmp_path / "there" / "answer.md"
    table.save("é\n", path)
    table.save("new\n", path)
    assert path.read_text() == "new\n"
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(OutputError, match="must be writable"):
        table.save("x", path / "below.md")
    with pytest.raises(OutputError, match="must be writable"):
        table.save("x", tmp_path)

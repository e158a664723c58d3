"""A comparison for a pull request, for programs and for CI systems: whole, short enough, and nothing in it acts."""

import dataclasses
import re
from xml.etree import ElementTree

import pytest
from drawn import COMMIT, drawn, judged, loaded, of_commit
from frames import HOSTILE, fail

from grouped_bench.analyse.compare.compare import compare
from grouped_bench.analyse.compare.measurements import Measurement
from grouped_bench.analyse.compare.side_selection import NO_COMMIT, OTHER_STATE, Judgement, LeftOut, Taken
from grouped_bench.analyse.statistics.stability import Visit
from grouped_bench.analyse.statistics.tasks import Value
from grouped_bench.report.comparison import exports

SLOWER = {"grouped": 1.1}


def failed(made, status="crashed", reason="signal 11"):
    return fail(made, made["variant"] == "grouped", status, reason)


def everything():
    """A comparison with every kind of task: regression, undecided, improved, unchanged, new, gone."""
    variants = ["regular", "grouped", "split_sum", "grouped_native"]
    base, head = (
        drawn(seed, groups=groups, variants=variants, slower=slower)
        for seed, groups, slower in ((1, [4, 8], {"split_sum": 1.1}), (2, [4, 16], {"grouped": 1.1}))
    )
    few = head["variant"] == "grouped_native"
    for name in ("samples_s", "reference_s", "visit_process"):
        head[name] = [row[:2] if short else row for row, short in zip(head[name], few, strict=True)]
    return judged(base, head, facts=({"machine": "a"}, {"machine": "b", **of_commit(COMMIT, 3)}))


def hostile():
    made = drawn(2).assign(backend=HOSTILE, device=HOSTILE, label=HOSTILE)
    made["variant"] = made["variant"].replace("grouped", HOSTILE)
    facts = ({"machine": HOSTILE, "commit": HOSTILE}, {"environment": {HOSTILE: HOSTILE}})
    return [
        judged(made, fail(made, made["variant"] == HOSTILE, "crashed", HOSTILE), facts=facts),
        judged(made, drawn(1), facts=facts),
    ]


# Markdown


def test_a_comment_has_the_verdict_first_then_a_short_table_then_the_rest_folded():
    text = exports.markdown(everything())
    lines = text.splitlines()
    assert lines[0] == "**Regression: 1 of 4 tasks is slower by more than 5%; 1 is undecided; 1 is better.**"
    short, _, rest = text.partition("<details>")
    rows = [line for line in short.splitlines() if line.startswith("| ") and "---" not in line]
    assert rows[0] == "| task | metric | base | head | head / base | verdict |"
    assert [row.split(" | ")[-1] for row in rows[1:]] == ["regression |", "improvement |", "inconclusive |"]
    titles = re.findall("<details><summary>(.*)</summary>\n\n", "<details>" + rest)
    assert titles == [
        *("4 tasks new, only in head", "4 tasks gone, only in base", "All tasks (4)"),
        *("1 difference between the environments", "How it was judged"),
    ]
    assert text.count("<details>") == text.count("\n\n</details>\n") == 5
    assert "| machine | a | b |" in rest and "unchanged" in rest
    assert "of commit aaaaaaaaaa" in rest
    assert text.endswith("\n") and not text.endswith("\n\n")


def test_a_comment_of_nothing_new_is_a_sentence_and_folds():
    short = exports.markdown(judged(drawn(1), drawn(2))).partition("<details>")[0]
    verdict = "**No regression: none of 4 tasks is shown to be slower by more than 5%.**"
    assert short == f"{verdict}\n\nMeasured on amd-epyc-2.\n\n"


def unclear():
    """A task of which nobody knows whether it is slower."""
    return judged(*(drawn(seed, groups=[4], variants=["grouped"], noise=0.06) for seed in (1, 3)))


def test_what_is_not_ruled_out_stands_below_the_verdict_and_is_counted_in_json():
    short = exports.markdown(unclear()).partition("<details>")[0]
    assert short.splitlines()[4:] == [
        "In 1 task a slow-down of more than 5% cannot be ruled out: its interval reaches beyond it.", "",
        "Measure longer (--least-visits 24 --visits 48 --budget 15m), or put several runs per side into a folder. "
        "\\`grouped-bench doctor\\` shows the smallest difference that this machine can detect.", ""
    ]  # fmt: skip
    found = loaded(exports.as_json(unclear()))
    assert (found["verdict"], found["open"]) == ("inconclusive", 1)
    assert loaded(exports.as_json(judged(drawn(1), drawn(2))))["open"] == 0


def test_what_to_do_stands_outside_the_folds():
    short = exports.markdown(judged(drawn(1), drawn(2, processes=2)))
    before = short.rpartition("Undecided in 4 tasks")[0]
    assert before.count("<details>") == before.count("</details>")
    assert "Undecided in 4 tasks: fewer than 3 processes" in short


def test_a_comment_keeps_to_what_a_forge_takes_and_says_what_it_leaves_out():
    base, head = (drawn(seed, groups=range(1, 601), processes=3, slower=by) for seed, by in ((1, None), (2, SLOWER)))
    text = exports.markdown(judged(base, head, {"latency": 0.0}))
    assert 40_000 < len(text) <= 60_000
    counts = [int(count.replace(",", "")) for count in re.findall(r"\n([\d,]+) more rows: see", text)]
    assert len(counts) == 2
    rows = len(re.findall(r"^\| \w+ of ", text, re.MULTILINE))
    assert rows - 30 + counts[1] == 1200 * 3


def named(numbers, character, seconds):
    """Benchmarks with names of three hundred such characters."""
    found = {}
    for number in numbers:
        columns = dict.fromkeys(("name", "group"), f"{number}{character * 300}")
        values = tuple(Value(seconds * (1 + process / 1000), Visit(process)) for process in range(4))
        found[number] = Measurement({**columns, "machine": "m"}, "ok", latencies=values)
    return found


def told_of(character, side, number):
    """Facts of a run that has such an id, and sixty variables like it."""
    text = character * 300
    variables = {f"TF_{n}{text}": side + text for n in range(60)}
    return {"run_id": f"{number}{text}", "environment": {"variables": variables}}


@pytest.mark.parametrize("character", ["<", "&", "@", "x"])
def test_a_comment_of_long_names_keeps_to_it_too(character):
    found = compare(named(range(120), character, 1.0), named([*range(60), *range(200, 260)], character, 1.2))
    sides = [Taken(tuple(told_of(character, side, number) for number in range(5))) for side in "ab"]
    text = exports.markdown(Judgement(found, *sides))
    assert 30_000 < len(text) <= 60_000
    assert text.startswith("**Regression: 60 of 60 tasks are slower by more than 5%.**")
    short, all_of_them = text.partition("<details>")[0], text.partition("All tasks (60)")[2]
    for part in (short, all_of_them):
        left_out = sum(map(int, re.findall(r"\n(\d+) more rows: see", part)))
        assert part.count("| regression") + left_out == 60
    assert all(part in text for part in ("\n- base: 5 runs", "\n- head: 5 runs", "\n- Judged, with the"))
    names = text.partition("60 tasks gone")[2].partition("</details>")[0]
    assert names.count("\n- ") + int(re.search(r"\n(\d+) more cases: see", names)[1]) == 60
    assert text.count("<details>") == text.count("\n\n</details>\n") == 5


def test_nothing_in_a_comment_acts():
    for found in hostile():
        text = exports.markdown(found)
        assert all(c.isprintable() or c == "\n" for c in text)
        assert "<script" not in text and "`*" not in text.replace("\\`\\*", "")
        rows = [line for line in text.splitlines() if line.startswith("| ")]
        assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} <= {7, 4}
        assert set(re.findall(r"</?\w+", text)) <= {"<details", "<summary", "</summary", "</details"}


def test_a_name_in_a_comment_calls_nobody():
    made = drawn(1)
    made["variant"] = made["variant"].replace("grouped", "@everyone")
    assert "@everyone" not in exports.markdown(judged(made, drawn(2)))


# JSON


def test_json_tells_all_of_it():
    found = loaded(exports.as_json(everything()))
    assert set(found) == {
        *("schema", "verdict", "headline", "open", "basis", "why", "thresholds", "differences"),
        *("apart", "base", "head", "tasks", "new", "gone", "same_run", "decided", "undecided"),
    }
    assert (found["schema"], found["verdict"], found["basis"]) == (1, "regression", "normalised")
    assert found["thresholds"]["latency"] == 0.05 and found["thresholds"]["first_call"] is None
    assert found["differences"] == [{"fact": "machine", "base": "a", "head": "b"}]
    assert found["head"] == {
        "runs": [
            {
                **{"run_id": "new", "machine": "b", "class": None},
                **{"started_at": "2026-11-23T01:03:00+00:00", "commit": COMMIT},
            }
        ],
        "left_out": 0,
        "others": [],
    }
    assert (found["same_run"], found["decided"], found["undecided"]) == (False, 3, 1)
    assert {task["basis"] for task in found["tasks"]} == {"normalised"}
    by_variant = {task["variant"]: task for task in found["tasks"]}
    assert {name: task["verdict"] for name, task in by_variant.items()} == {
        "regular": "unchanged", "grouped": "regression", "split_sum": "improvement", "grouped_native": "inconclusive"
    }  # fmt: skip
    grouped = {one["metric"]: one for one in by_variant["grouped"]["changes"]}
    latency = grouped["latency"]
    assert set(latency) == {"metric", "base", "head", "ratio", "low", "high", "verdict", "reason"}
    assert 1.05 < latency["low"] < latency["ratio"] < latency["high"]
    assert (grouped["memory"]["ratio"], grouped["memory"]["low"]) == (1.0, None)
    assert (by_variant["grouped"]["groups"], by_variant["grouped"]["size"]) == (4, [28, 28])
    assert {task["groups"] for task in found["new"]} == {16}
    assert {task["status"] for task in found["gone"]} == {"ok"}


def test_json_names_the_files_that_were_left_out():
    found = judged(drawn(1), drawn(2))
    others = (LeftOut("a.json", NO_COMMIT), LeftOut("b.json", OTHER_STATE))
    told = loaded(exports.as_json(dataclasses.replace(found, head=Taken(found.head.runs, others))))
    assert (told["base"]["left_out"], told["base"]["others"], told["head"]["left_out"]) == (0, [], 2)
    assert told["head"]["others"] == [
        {"file": "a.json", "why": "no commit is recorded"},
        {"file": "b.json", "why": "of another commit, or of other uncommitted changes"},
    ]


def test_json_of_hostile_text_is_json():
    for found in hostile():
        text = exports.as_json(found)
        assert text.isascii() and "\x1b" not in text
        assert HOSTILE in {task["variant"] for task in (*loaded(text)["tasks"], *loaded(text)["gone"])}


# JUnit


def checked(text):
    """The suite of a JUnit file, held to what the schemas of Jenkins, Surefire and GitLab's reader have in common."""
    root = ElementTree.fromstring(text)
    assert root.tag == "testsuites"
    (suite,) = root
    assert suite.tag == "testsuite" and suite.attrib["name"]
    assert [child.tag for child in suite][:1] == ["properties"]
    cases = suite[1:]
    assert {child.tag for child in cases} <= {"testcase"}
    for case in cases:
        assert {"classname", "name"} <= set(case.attrib) <= {"classname", "name", "time"}
        assert all(case.attrib.values()) and float(case.get("time", "0")) >= 0
        assert [child.tag for child in case] in (["failure"], ["skipped"], ["system-out"])
        assert all(set(child.attrib) <= {"message", "type"} for child in case)
    for name, tag in (("tests", "testcase"), ("failures", "failure"), ("skipped", "skipped"), ("errors", "error")):
        assert int(suite.get(name)) == int(root.get(name)) == len(list(root.iter(tag)))
    assert len({(case.get("classname"), case.get("name")) for case in cases}) == len(cases)
    return suite


def ends(suite):
    return {case.get("name"): case[0].tag for case in suite.findall("testcase")}


def test_a_regression_fails_and_what_is_not_decided_new_or_gone_is_skipped():
    suite = checked(exports.junit(everything()))
    found = [case for case in suite.findall("testcase") if "groups 4 " in case.get("classname")]
    assert {case.get("name"): case[0].tag for case in found} == {
        f"{variant} {metric}": "system-out"
        for variant in ("regular", "grouped", "split_sum", "grouped_native")
        for metric in ("status", "latency", "memory", "params")
    } | {"grouped latency": "failure", "grouped_native latency": "skipped"}
    failure = suite.find("testcase[@name='grouped latency']/failure")
    assert failure.get("type") == "regression"
    assert failure.get("message").startswith("latency regression: 2.") and "× [" in failure.get("message")
    assert failure.text.startswith("grouped of Conv2D 64→64")
    assert {case[0].get("message") for case in suite.findall("testcase") if case.get("name").endswith(" task")} == {
        "new, only in head", "gone, only in base"
    }  # fmt: skip
    times = {case.get("name"): case.get("time") for case in found}
    assert re.fullmatch(r"0\.002\d{6}", times["grouped latency"]) and times["grouped memory"] is None


def test_a_task_that_fails_now_is_a_failure_with_its_reason():
    suite = checked(exports.junit(judged(drawn(1, groups=[4]), failed(drawn(2, groups=[4])))))
    assert ends(suite)["grouped status"] == "failure"
    assert "crashed in head; signal 11" in suite.find("testcase/failure").get("message")
    assert "grouped latency" not in ends(suite)


def test_what_is_not_judged_is_no_test():
    suite = checked(exports.junit(judged(drawn(1, groups=[4]), drawn(2, groups=[4]), {"latency": None})))
    assert set(ends(suite)) == {f"{v} {m}" for v in ("regular", "grouped") for m in ("status", "memory", "params")}


def test_the_facts_stand_in_properties():
    suite = checked(exports.junit(everything()))
    facts = {one.get("name"): one.get("value") for one in suite.iter("property")}
    assert set(facts) == {"verdict", "base", "head", "basis", "thresholds", "differs: machine"}
    assert facts["verdict"].startswith("Regression: 1 of 4 tasks")


@pytest.mark.parametrize("place", [0, 1])
def test_hostile_text_leaves_valid_xml(place):
    text = exports.junit(hostile()[place])
    checked(text)
    assert all(c.isprintable() or c == "\n" for c in text)


def test_characters_that_xml_has_no_room_for_are_shown_as_escapes():
    odd = "".join(map(chr, [0, 1, 0x1B, 0x7F, 0x85, 0xFFFE, 0xFFFF, 0x202E])) + "]]><&'\""
    made = drawn(1)
    made["variant"] = made["variant"].replace("grouped", odd)
    suite = checked(exports.junit(judged(made, failed(made, reason=odd).assign(status="crashed", reason=odd))))
    assert any("\\ufffe" in case.get("name") and "]]><&'\"" in case.get("name") for case in suite.findall("testcase"))

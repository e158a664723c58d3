"""Tables: what fits, what is ranked, what is null, and what a stranger's text may not do."""

import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import replace

import click
import numpy as np
import pandas as pd
import pytest
from frames import HOSTILE, fail, frame, metadata

from grouped_bench.analyse.rows import plain
from grouped_bench.errors import SpaceError
from grouped_bench.report.run.tables import render
from grouped_bench.report.run.where import select
from grouped_bench.report.text.cells import display_width, latency, ratio, speedup
from grouped_bench.store import schema


def table(made, **options):
    return render(made, [metadata()], **options)


def one_cohort(**options):
    return frame(groups=[8], channels=[64], passes=["training"], **options)


def order(text):
    names = ("regular", "split_sum", "grouped_native", "grouped", "split_concat")
    text, _, _ = text.partition("\nFindings\n")
    return [line.split()[0] for line in text.splitlines() if line.split()[:1] and line.split()[0] in names]


def hostile():
    made = frame(groups=[1, 8], channels=[64])
    for name in ("variant", "computes", "machine", "label", "device", "run_id"):
        made[name] = [f"{HOSTILE}{i}" if i % 2 else f"漢字{HOSTILE}" for i in range(len(made))]
    return fail(made, made.index % 4 == 0, "crashed", HOSTILE)


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("by", [None, "groups", "variant", "pass", "size"])
def test_no_line_is_wider_than_asked(by, width):
    for made in (frame(), hostile()):
        lines = table(made, by=by, width=width).splitlines()
        assert max(map(display_width, lines)) <= width


def test_default_table_keeps_every_measure_in_80_columns():
    text = table(one_cohort())
    assert {"latency", "against", "baseline", "memory", "params"} <= set(text.split())
    assert "grouped_native" in text
    assert "Left out" not in text


def test_a_factor_is_at_least_one_and_says_which_way():
    made = one_cohort().assign(verdict=[None, "slower", "slower", "faster", "undecided"])
    told = dict(re.findall(r"^  (\w+) +\S+ ms(?: ±\d%)? +(.+?)  ", table(made), re.MULTILINE))
    assert told["grouped_native"] == "3.5× [3.4–3.6] faster"
    assert told["grouped"] == "27× [26–27] slower"
    assert told["split_concat"] == "undecided [2.3–2.3]"
    assert told["regular"] == "baseline"
    made["speedup_low"], made["speedup_high"] = 1e-6, 3e6
    assert re.search(r"split_concat +\S+ ms ±\d% undecided$", table(made), re.MULTILINE)


def test_a_table_has_colour_where_asked():
    text = table(one_cohort(), styled=True)
    assert click.unstyle(text) == table(one_cohort())
    assert "\x1b[31mslower\x1b[0m" in text
    assert "\x1b[32mfaster\x1b[0m" in text


def test_variants_of_one_function_stand_together_fastest_first():
    text = table(one_cohort())
    assert order(text) == ["grouped_native", "split_concat", "grouped", "regular", "split_sum"]
    assert text.index("computes grouped") < text.index("grouped_native") < text.index("computes dense")


def test_failed_rows_are_below_with_status_and_reason_and_never_ranked():
    made = one_cohort()
    made = fail(made, made["variant"] == "grouped_native", "incorrect", "off by 3 %")
    text = table(made)
    assert order(text)[0] == "split_concat"
    assert order(text)[-1] == "grouped_native"
    assert "grouped_native  incorrect\n  off by 3 %" in text
    assert "3.48×" not in text  # its speed-up is in the frame, and no figure


@pytest.mark.parametrize("output", ["table", "markdown"])
def test_nulls_are_dashes_and_never_zero(output):
    made = one_cohort(latency_s=None, latency_low_s=None, latency_high_s=None, speedup=None)
    made = made.assign(verdict=None, peak_memory_bytes=pd.NA, params=pd.NA)
    rows = [line for line in table(made, format=output).splitlines() if "split_concat" in line or "split\\_" in line]
    assert rows
    for row in rows:
        assert "—" in row
        assert "0" not in row.split()


def test_json_is_valid_and_nulls_are_null():
    made = one_cohort(speedup=float("nan"), latency_s=float("inf"), peak_memory_bytes=None)
    told = json.loads(table(made, format="json"), parse_constant=pytest.fail)
    assert told["schema"] == 1
    for task in told["tasks"]:
        assert set(task) == set(schema.FRAME_NAMES) - set(schema.RAW)
        assert (task["speedup"], task["latency_s"], task["peak_memory_bytes"]) == (None, None, None)
        assert (task["kernel_size"], task["groups"]) == ([3, 3], 8)
        assert task["started_at"] == "2026-11-23T01:22:33+00:00"


def test_integers_stay_integers_where_nulls_made_a_column_float():
    made = one_cohort()
    made["params"] = [4608.0, np.nan, 4608.0, 4608.0, 4608.0]
    assert [row["params"] for row in plain(made)] == [4608, None, 4608, 4608, 4608]
    assert isinstance(plain(made)[0]["params"], int)


def test_csv_has_one_value_a_cell():
    made = one_cohort(flags=["unstable", "stolen_cpu"], visit_stolen=[0.1, 0.2, None, 0.1, 0.1, 0.1])
    rows = list(csv.DictReader(io.StringIO(table(made, format="csv"))))
    lists = {name for name in schema.NAMES if name.startswith("visit_")} | {"first_calls_s", *schema.RAW}
    assert set(schema.NAMES) - set(rows[0]) == lists
    assert (rows[0]["kernel_size"], rows[0]["bias"], rows[0]["cardinality"]) == ("3x3", "false", "")
    assert (rows[0]["first_call_s"], rows[0]["visits"], rows[0]["processes"]) == ("0.4", "6", "3")
    assert (rows[0]["case"], rows[0]["flags"]) == (
        "Conv2D 64→64 k3x3 on 28x28 groups 8 batch 8 training",
        "unstable,stolen_cpu",
    )
    read = pd.read_csv(io.StringIO(table(made, format="csv")))
    times = [name for name in read if name.endswith("_s")]
    assert all(read[name].dtype == float for name in times)


def test_by_case_the_settings_of_a_case_stand_together():
    made = pd.concat([frame(groups=[8, 4], channels=[64], passes=["training"], env=env) for env in (None, "A=1")])
    lines = table(made, by="case", width=120).splitlines()
    heading = lines.index("case Conv2D 64→64 k3x3 on 28x28 groups 8 batch 8 training")
    assert lines[heading + 1].split()[:4] == ["variant", "env", "computes", "latency"]
    assert sum(line.startswith("case Conv") for line in lines) == 2


@pytest.mark.parametrize("output", ["table", "markdown", "csv", "json"])
@pytest.mark.parametrize("by", [None, "label"])
def test_control_characters_never_reach_the_terminal(output, by):
    text = table(hostile(), format=output, by=by)
    assert not [c for c in text if not c.isprintable() and c != "\n"]


def test_markdown_escapes_markup():
    text = table(hostile(), format="markdown")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {9}


def test_by_groups_headings_and_rows_carry_what_tells_them_apart():
    text = table(frame(), by="groups", width=200)
    assert [line for line in text.splitlines() if line.startswith("groups ")] == [
        "groups 1",
        "groups 4",
        "groups 32",
    ]
    header = next(line for line in text.splitlines() if line.startswith("variant"))
    assert {"in_channels", "pass", "computes"} <= set(header.split())
    assert "groups" not in header.split()


def test_by_in_80_columns_carries_what_tells_rows_apart_between_them():
    lines = table(frame(groups=[8]), by="groups").splitlines()
    at = lines.index("in_channels 64, pass training, computes grouped")
    assert lines[at + 1].split()[0] == "grouped_native"


def test_labels_between_rows_are_whole_and_say_nothing_twice():
    conv3d = frame(groups=[8], channels=[64, 128], rank=3)
    made = pd.concat([frame(groups=[8, 32]), conv3d.assign(padding="valid", cache="cold", batch_size=16)])
    text = table(made, by="kernel_size")
    told = " ".join(text.split())
    label = (
        "batch_size 8, in_channels 128, groups 32, size 28x28, padding same, pass training, cache hot, computes dense"
    )
    assert label in told
    assert "rank" not in told
    assert "stride" not in told


def test_a_narrow_table_says_what_it_leaves_out():
    text = table(one_cohort(), width=70)
    assert "grouped_native" in text
    assert "Not shown for lack of width: memory and params." in text


@pytest.mark.parametrize(("sort", "first"), [("speedup", 64), ("latency", 64), ("macs", 64), ("params", 64)])
def test_sort_orders_rows_under_a_heading(sort, first):
    made = frame(groups=[8], passes=["training"], variants=["regular", "grouped"])
    column = {"latency": "latency_s"}.get(sort, sort)
    told = json.loads(table(made, sort=sort, format="json"))["tasks"]
    values = [task[column] for task in told]
    assert values == sorted(values, reverse=sort == "speedup")


def test_sort_puts_failed_rows_last_everywhere():
    made = frame()
    made = fail(made, made["variant"] == "grouped_native", "oom", None)
    statuses = [task["status"] for task in json.loads(table(made, sort="latency", format="json"))["tasks"]]
    assert statuses == sorted(statuses, key=lambda status: status != "ok")
    assert "oom" in statuses


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("groups > 1 and variant == 'grouped'", 8),
        ("pass == 'training'", 30),
        ("pass == 'pass'", 0),
        ("'pass' != pass", 60),
        ("variant in ('grouped', 'regular') and not groups == 1", 16),
        ("1 < groups < 32", 20),
        ("in_channels / groups >= 32", 30),
        ("cardinality == None", 60),
        ("cardinality > 0", 0),
        ("kernel_size == 3", 60),
        ("size != [28, 28]", 0),
        ("28 in size", 60),
        ("groups / 0 > 1", 0),
    ],
)
def test_where_selects(where, count):
    assert len(select(plain(frame()), where)) == count


@pytest.mark.parametrize(
    "where",
    [
        *(
            "__import__('os').system('true')",
            "variant.upper() == 'A'",
            "groups[0]",
            "lambda: 1",
            "[g for g in size]",
        ),
        *(
            "unknown > 1",
            "samples_s == 1",
            "groups ** 9 > 1",
            "f'{groups}' == '1'",
            "(x := 1)",
            "groups if 1 else 2",
        ),
        *(
            "",
            "groups >",
            "groups > 1; groups",
            "groups == 1j",
            "b'a' == variant",
            "~groups",
            "{1: 2}",
            "*groups",
        ),
        *(
            "groups > 'a'",
            "variant > 1",
            "variant * 9 == 'a'",
            "(" * 900 + "1" + ")" * 900,
            "groups > 1\x00",
            "groups > 1 or " * 200 + "groups > 1",
        ),
    ],
)
def test_where_refuses_everything_else_in_words(where):
    with pytest.raises(SpaceError) as caught:
        render(frame(groups=[1], channels=[64]), [], where=where)
    assert caught.value.rule.startswith("--where")
    assert caught.value.remedy


def test_where_is_checked_even_when_there_are_no_rows():
    with pytest.raises(SpaceError):
        render(frame().head(0), [], where="unknown == 1")


@pytest.mark.parametrize("options", [{"by": "samples_s"}, {"sort": "samples_s"}, {"sort": "x"}, {"format": "xml"}])
def test_unknown_options_are_refused_in_words(options):
    with pytest.raises(SpaceError, match=r"Received: .*\. "):
        table(frame(), **options)


def test_closing_lines_count_what_is_true():
    made = fail(
        frame(groups=[1, 8], channels=[64]),
        frame(groups=[1, 8], channels=[64])["variant"] == "grouped",
        "oom",
        None,
    )
    text = table(made)
    assert "20 tasks in 4 cohorts: 16 ok, 4 oom." in text
    assert "Against the baseline: 4 faster, 2 slower, 6 equivalent." in text
    assert "The run stopped when every verdict was settled." in text
    assert "The run skipped 1 case of its space, with reasons." in text
    assert "10 of 20 tasks" in table(made, where="groups == 8")


@pytest.mark.parametrize("output", ["table", "markdown"])
def test_memory_of_the_resident_set_is_marked_and_explained(output):
    made = one_cohort()
    assert "~" not in table(made, format=output)
    made["memory_source"] = ["resident"] + ["allocator"] * (len(made) - 1)
    text = table(made, format=output)
    assert text.count("~") == 2
    assert "~: memory read from the resident set" in " ".join(text.split())


@pytest.mark.parametrize("output", ["table", "markdown"])
def test_a_row_of_a_moved_machine_keeps_its_interval_and_its_verdict(output):
    made = frame(groups=[8], channels=[64], passes=["training"], variants=["regular", "grouped"])
    made["flags"] = [[], ["unstable", "speed_changed"]]
    text = table(made, format=output)
    row = next(line for line in text.splitlines() if "grouped " in line and "ms" in line)
    assert all(mark in row for mark in ("slower", "±", "["))


@pytest.mark.parametrize("output", ["csv", "json"])
def test_data_keeps_the_verdict_and_the_flags_of_an_unstable_row(output):
    made = frame(groups=[8], channels=[64], passes=["training"], variants=["regular", "grouped"])
    made["flags"] = [[], ["unstable", "speed_changed"]]
    text = table(made, format=output)
    assert "slower" in text
    assert "speed_changed" in text


@pytest.mark.parametrize("output", ["table", "markdown", "csv", "json"])
@pytest.mark.parametrize("facts", [[], [{}], [metadata()]])
def test_nothing_to_show_is_no_crash(output, facts):
    empty = frame().head(0)
    assert render(empty, facts, format=output)
    assert render(pd.DataFrame(), facts, format=output, by="groups", sort="latency")


FEW = ("grouped", "grouped_native", "regular")


@pytest.mark.parametrize("name", [name for name in schema.NAMES if name not in schema.RAW])
@pytest.mark.parametrize("output", ["table", "json"])
def test_any_column_groups_and_sorts_and_nulls_come_last(name, output):
    made = frame(groups=[1, 8], channels=[64], variants=FEW)
    made[name] = made[name].astype(object).mask(made["groups"] == 8, None)
    made["size"] = made["size"].where(made["pass"] == "training", None)
    text = table(made, by=name, sort=name, format=output)
    if output == "json":
        nulls = [task[name] is None for task in json.loads(text)["tasks"]]
        assert nulls == sorted(nulls) or name == "status"
    else:
        assert f"\n{name} —\n" in f"\n{text}"


def test_extents_and_times_are_headings_as_typed():
    made = frame(groups=[8], channels=[64], passes=["training"])
    made["size"] = [(28, 28), (7, 7), (14, 14), None, (28, 28)]
    headings = [line for line in table(made, by="size").splitlines() if line.startswith("size")]
    assert headings == ["size 7x7", "size 14x14", "size 28x28", "size —"]
    made["first_calls_s"] = [(0.4, None), (None, 0.4), (0.4, 0.5), (), None]
    headings = [line for line in table(made, by="first_calls_s").splitlines() if line.startswith("first_calls_s")]
    assert [line.removeprefix("first_calls_s ") for line in headings] == [
        *("none", "400 ms, 500 ms", "400 ms, —", "—, 400 ms", "—"),
    ]


# Findings


def test_findings_stand_above_the_closing_lines_and_fit():
    text = table(frame())
    tables, _, told = text.partition("\nFindings\n- ")
    assert "groups 32" in tables
    assert told.startswith("grouped_native is 850× [820–890] faster than Keras' groups=")
    assert told.index("Grouping beats") < told.index("60 tasks in 12 cohorts")
    assert max(map(display_width, table(frame(), width=60).splitlines())) <= 60


def test_json_tells_on_which_tasks_a_finding_rests():
    told = json.loads(table(frame(), format="json", sort="latency"))
    pays = next(one for one in told["findings"] if "Grouping beats" in one["text"])
    rows = [told["tasks"][place] for place in pays["tasks"]]
    assert {(row["variant"], row["pass"]) for row in rows} == {
        ("grouped_native", "inference"),
        ("grouped_native", "training"),
    }
    assert len(rows) == 8


def test_a_selection_keeps_only_findings_that_whole_cohorts_carry():
    told = table(frame(), where="variant == 'grouped'")
    assert "grouped (Keras groups=) is 110× [100–110] slower" in " ".join(told.split())
    assert "than Keras' groups=" not in told
    native = " ".join(table(frame(), where="variant == 'grouped_native' and groups == 32").split())
    assert "Grouping beats the dense layer in all 4 cases" in native
    assert "Findings" not in table(frame(), where="groups == 5")


def test_tables_and_findings_start_without_what_is_slow_to_start():
    imports = "from grouped_bench.api import runs; from grouped_bench.report.run import tables"
    code = f"import sys; {imports}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert not {"matplotlib", "scipy", "jinja2", "tensorflow"} & loaded
    assert "pandas" in loaded


def test_only_failed_rows_are_no_crash():
    made = frame(groups=[1], channels=[64], latency_s=None)
    assert "20" not in table(fail(made, made["groups"] == 1, "timeout", None)).split()


def test_one_wide_number_or_null_interval_is_written_with_what_is_known():
    row = plain(one_cohort())[2]
    assert latency(replace(row, latency_s=3.714e-3, latency_low_s=None)) == "3.7 ms"
    assert latency(replace(row, latency_s=3.714e-3, latency_low_s=3.64e-3, latency_high_s=3.79e-3)) == "3.71 ms ±2%"
    assert speedup(replace(row, speedup=7.02, speedup_low=6.8, speedup_high=7.2)) == "7.02× [6.80–7.20]"


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (1.2, 1.004, 1.4, "1.2× [1.004–1.4]"),
        (0.95, 0.9, 0.9996, "0.950× [0.900–0.9996]"),
        (1.0, 1.0, 1.0, "1.0× [1.0–1.0]"),
        (0.00937, 0.0092, 0.0096, "0.0094× [0.0092–0.0096]"),
        (1.2, 0.011, 130.0, "1.2× [0.01–130.0]"),
    ],
)
def test_an_end_is_never_rounded_across_the_verdict(value, low, high, text):
    assert ratio(value, low, high) == text


def test_runs_are_told_apart():
    both = pd.concat([one_cohort(), one_cohort(run_id="second")])
    text = table(both)
    assert sum(line.startswith("Conv2D 64→64") for line in text.splitlines()) == 2
    assert "run second" in text


# Runs whose environments differ


def with_environment(run_id, **changes):
    facts = metadata(run_id=run_id)
    facts["environment"]["backend"] = {"tensorflow": {"onednn": True, "intra_op_threads": 0, **changes}}
    return facts


def shown(*facts, **options):
    return render(pd.concat([one_cohort(run_id=one["run_id"]) for one in facts]), list(facts), **options)


def test_runs_that_differ_in_what_can_change_an_answer_say_so_first():
    facts = [with_environment("first"), with_environment("second", onednn=False, intra_op_threads=4)]
    assert shown(*facts).splitlines()[:4] == [
        "These runs differ in facts that can change an answer; run 1 is first and run 2",
        "is second:",
        "  backend.tensorflow.onednn: yes in run 1; no in run 2",
        "  backend.tensorflow.intra_op_threads: 0 in run 1; 4 in run 2",
    ]
    told, _, tables = shown(*facts, format="markdown").partition("### Findings\n\n- ")
    assert "\n\n### Conv2D" in tables
    assert told == (
        "### These runs differ in facts that can change an answer\n\n"
        "| fact | first | second |\n| --- | --- | --- |\n"
        "| backend.tensorflow.onednn | yes | no |\n"
        "| backend.tensorflow.intra_op_threads | 0 | 4 |\n\n"
    )
    assert json.loads(shown(*facts, format="json"))["differences"] == [
        {
            "fact": fact,
            "values": [{"run_id": "first", "value": first}, {"run_id": "second", "value": second}],
        }
        for fact, first, second in (
            ("backend.tensorflow.onednn", "yes", "no"),
            ("backend.tensorflow.intra_op_threads", "0", "4"),
        )
    ]


@pytest.mark.parametrize("output", ["table", "markdown", "csv"])
def test_equal_runs_and_single_ones_say_nothing_of_differences(output):
    for facts in ([with_environment("a"), with_environment("b")], [with_environment("a")]):
        assert "differ" not in shown(*facts, format=output)


def test_json_tells_differences_of_several_runs_only():
    assert set(json.loads(shown(with_environment("a"), format="json"))) == {"schema", "tasks", "findings"}
    equal = json.loads(shown(with_environment("a"), with_environment("b"), format="json"))
    assert equal["differences"] == []


def test_values_are_told_once_and_what_is_not_known_is_said():
    facts = [with_environment("a", tf32=True), with_environment("b", tf32=True), with_environment("c", tf32=None)]
    assert "  backend.tensorflow.tf32: yes in runs 1 and 2; unknown in run 3\n" in shown(*facts)
    told = shown(facts[0], with_environment("d"))
    assert told.startswith("These runs may differ in facts that can change an answer; run 1 is a and run 2\nis d:\n")
    assert "  backend.tensorflow.tf32: yes in run 1; not recorded in run 2\n" in told


def test_a_variable_that_is_set_to_nothing_and_bytes_are_written_for_people():
    first, second = with_environment("a"), with_environment("b")
    second["environment"]["variables"]["XLA_FLAGS"] = ""
    second["environment"]["memory"]["total_bytes"] = 4 * 2**30
    text = shown(first, second)
    assert "variables.XLA_FLAGS: not set in run 1; empty in run 2" in text
    assert "memory.total_bytes: 8.00 GiB in run 1; 4.00 GiB in run 2" in text


def test_a_long_value_is_cut_and_keeps_its_run():
    first, second = with_environment("a"), with_environment("b")
    second["environment"]["variables"]["XLA_FLAGS"] = "--xla_flag=1 " * 99
    told, _, _ = shown(first, second).partition("Conv2D")
    assert "… in run 2" in " ".join(told.split())
    assert len(told.splitlines()) < 8


@pytest.mark.parametrize("width", [40, 80])
def test_differences_of_strangers_fit_and_do_nothing(width):
    facts = [with_environment(f"{HOSTILE}{number}") for number in range(3)]
    for number, one in enumerate(facts):
        one["environment"]["backend"]["tensorflow"][HOSTILE] = f"漢字{HOSTILE}{number}" * 9
        one["environment"]["processor"]["flags"] = [f"flag{number * 100 + i}" for i in range(99)]
        one["environment"]["x"] = {f"fact{i}": number for i in range(200)}
        one["environment"]["huge_bytes"] = 10**400 + number
    text = shown(*facts, width=width)
    assert max(map(display_width, text.splitlines())) <= width
    assert not [c for c in text if not c.isprintable() and c != "\n"]
    assert "  and 142 more facts\n" in text
    assert "in run 3" in text
    marked = shown(*facts, format="markdown")
    assert "<script" not in marked
    assert marked.partition("142 more facts not shown.")[0].count("\n| ") == 62
    assert len(json.loads(shown(*facts, format="json"))["differences"]) == 202


def test_sorted_rows_of_several_cases_stand_in_one_table_and_name_their_case_by_a_number():
    made = frame(groups=[2], channels=[64], passes=["inference", "training"])
    lines = table(made, by="groups", sort="latency", width=60).splitlines()
    assert lines[0] == "groups 2"
    assert lines[1].split()[:2] == ["#", "variant"]
    rows, legend = lines[3:13], lines[13:17]
    assert [row.split()[0] for row in rows] == ["1", "1", "2", "2", "3", "3", "4", "4", "1", "3"]
    assert [line.split()[0] for line in legend] == ["1", "2", "3", "4"]
    assert legend[0] == "1 pass inference, computes grouped"
    assert lines[17] == ""

"""Tasks under several environments, as tables and findings say it."""

import pandas as pd
from frames import HOSTILE, fail, frame

from grouped_bench.analyse.rows import plain
from grouped_bench.report.findings.findings import of_rows
from grouped_bench.report.run.beside.surroundings import environment_findings, environment_sheets, families

OFF, ON = "TF_X=0", "TF_X=1"


def small(env, **columns):
    shape = {"groups": (4,), "channels": (64,), "passes": ("training",), "variants": ("regular", "grouped_native")}
    return frame(**shape, env=env, **columns)


def judged(made, speedup, low, high, verdict):
    return made.assign(env_speedup=speedup, env_speedup_low=low, env_speedup_high=high, env_verdict=verdict)


def rows(*frames):
    return plain(pd.concat(frames, ignore_index=True))


def test_one_environment_has_no_table_and_no_finding():
    assert families(rows(small(None))) == families(rows(small(ON))) == []
    assert environment_sheets(rows(small(ON))) == environment_findings(rows(small(ON))) == []


def test_a_table_names_the_environments_once_and_tells_factor_and_verdict():
    (sheet,) = environment_sheets(rows(small(OFF), judged(small(ON), 5.1, 4.0, 6.4, "faster")))
    assert sheet.title.endswith("tensorflow graph on cpu. A: TF_X=0; B: TF_X=1")
    assert [row[:2] for row in sheet.rows] == [(v, e) for v in ("regular", "grouped_native") for e in "AB"]
    assert [row[3:] for row in sheet.rows] == [("—", "—"), ("5.1× [4.0–6.4] faster", "faster")] * 2


def test_what_all_environments_share_is_left_out_of_their_names():
    made = rows(small("A=1 TF_X=0"), judged(small("A=1 TF_X=1"), 1.0, 0.9, 1.1, "undecided"))
    assert environment_sheets(made)[0].title.endswith("A: TF_X=0; B: TF_X=1")
    made = rows(small(None, threads=1), judged(small(None, threads=2), 1.0, 0.9, 1.1, "undecided"))
    assert environment_sheets(made)[0].title.endswith("A: 1 thread; B: 2 threads")


def test_the_largest_sure_gain_is_the_finding_and_what_runs_in_one_alone_another():
    off = fail(small(OFF), small(OFF)["variant"] == "grouped_native", "unsupported", "no")
    on = judged(small(ON), [2.0, None], [1.5, None], [2.6, None], ["faster", None])
    told = [finding.text for finding in environment_findings(rows(off, on))]
    gained = "Largest gain: regular, 2.0× [1.5–2.6] faster in "
    assert told[0].startswith(f"TF_X=1 against TF_X=0, in 1 task: 1 faster. {gained}")
    assert told[1] == "Only TF_X=1 supports grouped_native, in 1 task."


def test_what_a_moved_machine_leaves_of_an_interval_is_claimed():
    on = judged(small(ON), 5.0, 4.0, 6.0, "faster").assign(flags=[["unstable"]] * 2)
    (finding,) = environment_findings(rows(small(OFF), on))
    assert finding.text.startswith("TF_X=1 against TF_X=0, in 2 tasks: 2 faster.")


def test_a_variable_that_is_not_read_is_told_once():
    facts = {"environment": {"unread": {"tensorflow": ["FOO", "BAR"]}}}
    told = [finding.text for finding in of_rows(rows(small(ON)), [facts, facts])]
    expected = "tensorflow does not read FOO, BAR: none of its libraries mentions the name."
    assert told.count(expected) == 1


def test_hostile_values_are_shown_without_harm():
    sheets = environment_sheets(rows(small(f"A='{HOSTILE}"), small("A=1")))
    assert "\x1b" not in sheets[0].title

"""What a page says first: what it is of, the answer with the greatest effect, the code, the cause, true warnings."""

import re

import pandas as pd
from frames import HOSTILE, fail, frame, metadata
from machines import recorded

from grouped_bench.analyse.rows import case_title, plain
from grouped_bench.report.drawing.registry import Drawable
from grouped_bench.report.page.first_screen import disturbed, first_screen
from grouped_bench.report.page.heading import heading


def small(**options):
    return frame(**{"groups": [4, 8], "channels": [64], "passes": ["training"], **options})


def screen(rows, *facts):
    return first_screen(Drawable(rows, facts))


def titled(made, *facts):
    return heading(plain(made), facts)


def test_a_page_is_called_by_what_was_convolved_when_with_what_and_where():
    one = titled(small(groups=[8]), metadata(**recorded(), started_at="2026-11-24T01:22:33Z"))
    assert one.title == "Conv2D 64→64, 8 groups, kernel 3x3, on 28x28, batch 8 · training"
    assert one.facts[:2] == ("TensorFlow 2.21.0", "Keras 3.15.1")
    assert "24 November 2026, 1:01 min" in one.facts
    assert any("processor" in fact for fact in one.facts)
    assert one.commands == ("grouped-bench run --groups 1,4,32",)


def test_a_sweep_is_called_by_its_cases_and_a_preset_by_its_name():
    assert titled(small(), metadata()).title == "2 cases of Conv2D · training"
    assert titled(small(), metadata()).facts[0] == "64 channels, 4 and 8 groups, kernel 3x3, on 28x28, batch 8"
    named = metadata(space={"source": "quick.toml", "cases": []})
    assert titled(small(), named).title == "quick: 2 cases · training"
    network = small().assign(multiplicity=1)
    assert titled(network, metadata(space={"source": "some/resnext50.toml"})).title == "resnext50 · training · batch 8"


def test_a_heading_of_nothing_or_of_a_strangers_facts_is_no_crash():
    assert titled(frame().head(0)).title == "Nothing measured"
    strange = titled(small(machine=HOSTILE), {"space": [HOSTILE], "environment": None, "started_at": HOSTILE})
    assert "\x1b" not in "".join([strange.title, *strange.facts, *strange.commands])


def test_the_setting_with_the_greatest_sure_effect_comes_first_and_the_others_follow():
    slow = small(backend="jax")
    for name in ("speedup", "speedup_low", "speedup_high"):
        slow.loc[slow["variant"] == "grouped", name] = 0.9
    found = screen(plain(pd.concat([slow, small()])))
    assert found.setting == "tensorflow"
    assert found.headline is not None
    assert found.headline.action is not None
    ((setting, effect),) = found.others
    assert setting == "jax"
    assert "Keras' groups=" in effect


def test_numbers_and_their_units_stay_on_one_line():
    found = screen(plain(small(groups=[8])))
    assert found.headline is not None
    assert re.search("\\d\N{NO-BREAK SPACE}m?s", found.headline.effect)
    assert not re.search(r"\d m?s\b", found.headline.effect)


def test_the_code_of_a_network_replaces_its_layers():
    code = screen(plain(small().assign(multiplicity=2, label="conv2: grouped"))).code
    assert code is not None
    assert code.count("def replace_layers(") == 1
    assert code.count("class NativeGroupedConv(") == 1
    assert "# conv2: grouped: grouped_native, " in code and " faster, measured" in code
    compile(code, "code", "exec")
    nothing = small(variants=["regular", "grouped"]).assign(multiplicity=2)
    assert screen(plain(nothing)).code is None
    depthwise = small().assign(multiplicity=2, in_use="split_concat")
    assert screen(plain(depthwise)).code is None


def test_the_code_is_of_every_case_that_changes_each_under_its_name():
    code = screen(plain(small())).code
    assert code is not None
    assert code.count("layer = ") == 2
    assert code.count("class NativeGroupedConv(") == 1
    names = [line for line in code.splitlines() if line.startswith("# Conv2D")]
    assert names == [f"# Conv2D 64→64 k3x3 on 28x28 groups {groups} batch 8 training" for groups in (8, 4)]
    compile(code, "code", "exec")
    assert screen(plain(small(variants=["regular", "grouped"]))).code is None


def test_a_cause_is_that_of_the_case_that_gains_most():
    row = next(row for row in plain(small()) if row.variant == "grouped" and row.groups == 8)
    look = {"variant": "grouped", "case": case_title(row), "causes": ["It convolves over zeros."]}
    other = {**look, "case": "another", "causes": ["Something else."]}
    elsewhere = {**look, "setting": "jax xla on cpu", "causes": ["Something else."]}
    here = {**look, "setting": "tensorflow graph on cpu"}
    found = screen(plain(small()), metadata(explanations=[other, elsewhere, here]))
    assert found.causes == (("grouped", "It convolves over zeros."),)


def test_a_busy_machine_is_told_where_it_was_busy_often():
    made = small()
    assert disturbed(plain(made)) is None
    made["flags"] = [["unstable", "stolen_cpu"]] * 3 + [[]] * (len(made) - 3)
    assert disturbed(plain(made)) == (
        "Busy machine: other programs took processor time, in 3 of 10 tasks. Intervals are wider for it."
    )
    made["flags"] = [["unstable", "stolen_cpu"]] + [[]] * (len(made) - 1)
    assert disturbed(plain(made)) is None


def test_where_keras_own_form_failed_there_is_no_headline():
    made = small()
    found = screen(plain(fail(made, made["variant"] == "grouped", "oom", None)))
    assert found.headline is None
    assert found.code is None

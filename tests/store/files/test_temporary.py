"""Files and folders that end with their process: what a killed one left is removed, what a live one has is not."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from checkout import importing

from grouped_bench.store.files import temporary
from grouped_bench.store.files.temporary import TemporaryFolder, beside, new_file, replace

WRITING = """
import sys
from pathlib import Path
from grouped_bench.store.files.temporary import TemporaryFolder, new_file
made = TemporaryFolder() if sys.argv[1] == "folder" else new_file(Path(sys.argv[1]))
print(made.name, flush=True)
input()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, which is also that for temporary files."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@contextlib.contextmanager
def elsewhere(what):
    """Another process that has made what it was asked for, and the path of that."""
    command = [sys.executable, "-c", WRITING, str(what)]
    with subprocess.Popen(
        command, env=importing(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def kill(process):
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_process_left_goes_with_the_next(kind, folder):
    what = "folder" if kind == "folder" else folder / "page.html"
    with elsewhere(what) as (live, kept), elsewhere(what) as (killed, left):
        if kind == "folder":
            (left / "of_tensorflow.py").write_text("")
        kill(killed)
        assert {kept, left} == set(folder.iterdir())
        if kind == "folder":
            with TemporaryFolder() as made:
                assert {kept, Path(made)} == set(folder.iterdir())
        else:
            replace(folder / "page.html", b"all of it")
            assert {kept, folder / "page.html"} == set(folder.iterdir())
        kill(live)
    replace(folder / "other", b"")
    assert kept not in set(folder.iterdir())


def test_a_folder_stays_while_a_process_lives_that_got_its_descriptor(folder):
    made = TemporaryFolder()
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[made.descriptor]) as child:
        os.close(made.descriptor)  # as if this process had been killed
        made.descriptor = -1
        replace(folder / "a", b"")
        assert Path(made.name).exists()
        kill(child)
    replace(folder / "a", b"")
    assert not Path(made.name).exists()


def test_what_is_not_ours_stays(folder, monkeypatch):
    names = (
        "grouped-bench-6a7u23ss",
        ".report.html.ab12",
        ".grouped-bench.short",
        "x.grouped-bench.12345678",
        "a.journal",
    )
    for name in names:
        (folder / name).touch()
    link = folder / "grouped-bench.12345678"
    link.symlink_to(folder / names[0])
    replace(folder / "page", b"")
    assert {path.name for path in folder.iterdir()} == {*names, link.name, "page"}
    another = folder / ".grouped-bench.12345678-page.part"
    another.touch()
    with monkeypatch.context() as patched:
        patched.setattr(temporary.os, "getuid", lambda: another.stat().st_uid + 1)
        replace(folder / "page", b"")
    assert another.exists()
    replace(folder / "page", b"")
    assert not another.exists()


def test_what_was_removed_before_it_was_locked_is_made_again(folder, monkeypatch):
    locked, removed = temporary._locked, []

    def late(descriptor, name):
        if not removed:
            removed.append(name)
            path = Path(name)
            path.rmdir() if path.is_dir() else path.unlink()
        return locked(descriptor, name)

    monkeypatch.setattr(temporary, "_locked", late)
    with TemporaryFolder() as made:
        assert [Path(made)] == list(folder.iterdir())
    removed.clear()
    with new_file(folder / "a") as file:
        assert [Path(file.name)] == list(folder.iterdir())
        assert file.name != removed[0]


def test_a_file_takes_its_place_whole_or_not_at_all(folder):
    (folder / "page").write_bytes(b"before")
    with pytest.raises(ZeroDivisionError), beside(folder / "page") as fresh:
        fresh.write_bytes(b"half")
        raise ZeroDivisionError
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("page", b"before")]
    replace(folder / "page", b"after")
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("page", b"after")]


def test_a_file_on_its_way_is_taken_for_no_run(folder):
    for name in ("a.journal", "a.parquet"):
        with new_file(folder / name):
            assert not [*folder.rglob("*.journal"), *folder.rglob("*.parquet")]


@pytest.mark.parametrize("name", ["none/page", ".", ".."])
def test_a_place_that_can_have_no_file_raises_and_leaves_none(name, folder):
    (folder / "in").mkdir()
    with pytest.raises(OSError):
        replace(folder / "in" / name, b"")
    assert [folder / "in"] == list(folder.rglob("*"))


def test_the_longest_name_is_short_enough(folder):
    replace(folder / ("ä" * 120 + ".html"), b"")
    assert len(list(folder.iterdir())) == 1

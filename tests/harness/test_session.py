"""Real runs on a machine that is in the way: a full disk, folders that refuse, signals, a closed pipe."""

import datetime
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from killed_runs import SPACE, fake_host

import grouped_bench as gb
from grouped_bench.harness import session
from grouped_bench.harness.processes import probing

COMMAND = [sys.executable, "-c", "import grouped_bench.commands.main as cli; cli.main()"]
SMALL = ["run", "--groups", "2", "--channels", "8", "--size", "5", "--no-report"]


def grouped_bench(*words, before=(), **environment):
    """Exit code, stdout and stderr of the command line in a process of its own."""
    ended = subprocess.run(
        [*before, *COMMAND, *words], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.returncode, ended.stdout, ended.stderr


@pytest.fixture
def mounted(tmp_path):
    """Mounts a small file system of its own in a folder, where the machine allows it."""
    folder = tmp_path / "small"
    folder.mkdir()

    def mount(*options):
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("mounting needs the right to")
        return folder

    yield mount
    subprocess.run(["umount", str(folder)], capture_output=True, check=False)


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_disk_that_fills_up_keeps_what_was_measured_and_the_run_can_be_gone_on_with(mounted):
    out = mounted("size=64k")
    code, printed, told = grouped_bench(*SMALL, "--visits", "12", "--out", str(out))
    (journal,) = out.rglob("*.journal")
    assert (code, printed) == (130, "")
    assert told.strip() == (
        "grouped-bench: A visit's record must reach the disk before the next visit. Received: "
        f"{journal.name} (No space left on device). Correct that, then resume with "
        f"`grouped-bench run --resume {journal.stem} --out {out}`."
    )
    before = gb.load(str(journal)).metadata["visits"]
    assert before >= 1
    subprocess.run(["mount", "-o", "remount,size=16m", str(out)], check=True)
    code, printed, _ = grouped_bench("run", "--resume", journal.stem, "--no-report", "--out", str(out))
    assert code == 0
    whole = gb.load("latest", out)
    assert set(whole.frame["status"]) == {"ok"}
    assert whole.metadata["visits"] > before
    assert files(out) == [f"{journal.stem}.parquet"]


@pytest.mark.parametrize("room", ["size=4k", "ro"])
def test_a_folder_without_room_or_right_is_refused_and_nothing_written(mounted, room):
    out = mounted(room)
    code, printed, told = grouped_bench(*SMALL, "--out", str(out))
    assert (code, printed) == (2, "")
    assert len(told.strip().splitlines()) == 1
    assert "No space left on device" in told or "Read-only" in told or "no permission" in told, told
    assert files(out) == []


def test_a_run_needs_neither_a_home_nor_shared_memory(tmp_path):
    without = []
    if (
        shutil.which("unshare")
        and not subprocess.run(["unshare", "-m", "umount", "/dev/shm"], capture_output=True, check=False).returncode
    ):
        without = ["unshare", "-m", "sh", "-c", 'umount /dev/shm && exec "$@"', "sh"]
    code, printed, told = grouped_bench(
        *SMALL[:-1], "--visits", "6", "--out", str(tmp_path), before=without, HOME="/nonexistent"
    )
    assert code == 0, told
    assert printed.startswith("Conv2D 8→8 k3x3 on 5x5 groups 2 batch 8 inference")
    assert told == ""
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".parquet", ".html"}


@pytest.mark.parametrize("sent", [[signal.SIGINT], [signal.SIGTERM], [signal.SIGINT, signal.SIGINT]])
def test_signals_end_a_run_that_can_be_gone_on_with(sent, tmp_path):
    # A shell's job in the background ignores SIGINT, and so would what it starts. One variant alone never settles here.
    command = ["env", "--default-signal=INT", *COMMAND, *SMALL, "--variant", "regular"]
    command += ["--visits", "1000", "--precision", "0.01%", "--out", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        while not any(path.read_bytes().count(b"\n") > 2 for path in tmp_path.rglob("*.journal")):
            assert run.poll() is None
        for one in sent:
            run.send_signal(one)
        printed, told = run.communicate()
    (journal,) = tmp_path.rglob("*.journal")
    go_on = f"`grouped-bench run --resume {journal.stem} --out {tmp_path}`."
    assert run.returncode == 130
    assert "Traceback" not in told
    assert told.splitlines()[-1].endswith(go_on)
    assert gb.load(str(journal)).metadata["visits"] >= 1
    # Twice at the same instant may be seen once: then the visit was finished and the file written.
    if "Wrote" in printed:
        assert "Finishing the visit; once more ends it at once." in told
        assert f"Interrupted: what was measured is kept in the file above. Resume with {go_on}" in told
        assert files(tmp_path) == [journal.name, f"{journal.stem}.parquet"]
    else:
        assert f"A run must end before it is written. Received: an interrupt. Resume with {go_on}" in told


def test_a_reader_that_leaves_early_costs_neither_the_file_nor_a_traceback(tmp_path):
    command = [*COMMAND, *SMALL, "--visits", "3", "--out", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        run.stdout.close()
        told = run.stderr.read()
    assert (run.returncode, told) == (0, "")
    assert len(files(tmp_path)) == 1


def test_a_clock_that_steps_back_loses_no_run(tmp_path, monkeypatch):
    monkeypatch.setattr(probing, "Host", fake_host)
    hours = iter([12, 11, 11])

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 11, 24, next(hours), tzinfo=tz)

    monkeypatch.setattr(session.datetime, "datetime", Clock)
    made = [gb.run(gb.Space(**SPACE), out=tmp_path, visits=3, page=False) for _ in range(3)]
    assert len({run.path for run in made}) == 3
    assert len(files(tmp_path)) == 3
    assert all(run.metadata["time"]["total_s"] > 0 for run in made)
    assert all(re.match(r"20261124-1[12]0000-", run.path.name) for run in made)


def test_a_folder_for_temporary_files_that_is_missing_is_no_matter(tmp_path):
    code, _, told = grouped_bench("plan", "--groups", "2", TMPDIR=str(tmp_path / "none"))
    assert (code, told) == (0, "")
    assert Path.cwd().exists()

"""Runs that are cut short and gone on with: nothing is lost, nothing measured twice, nothing mixed."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time

import pytest
from checkout import SUPPORT, importing
from killed_runs import SPACE, VISITS, Counted, begin, fake_host, outcome

import grouped_bench as gb
from grouped_bench.errors import CutShortError, OutputError, RunError, UnavailableError
from grouped_bench.harness import lock, session
from grouped_bench.harness.processes import interrupts, probing
from grouped_bench.harness.request import RunRequest
from grouped_bench.store.journal import Journal, read_journal

KILLS = 100


def journal_of(out):
    (path,) = out.rglob("*.journal")
    return path


@pytest.mark.long
def test_killed_at_100_random_instants_a_run_loses_at_most_the_visit_in_flight(tmp_path):
    command = [sys.executable, str(SUPPORT / "killed_runs.py"), str(tmp_path), str(KILLS), "1"]
    ended = subprocess.run(command, env=importing(), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    found = json.loads(ended.stdout)
    lost = [count for one in found["runs"] for count in one["lost"]]
    assert len(lost) == KILLS
    # One more than was promised may have reached the disk, never one fewer.
    assert set(lost) <= {0, -1}
    for one in found["runs"]:
        assert one["tasks"] == found["whole"]["tasks"]
        assert one["memory"] == found["whole"]["memory"]
        statuses = [status for _, _, status in one["tasks"]]
        assert [count > 0 for count in one["visits"]] == [status == "ok" for status in statuses]
        assert max(one["visits"]) <= VISITS
    # The instants were spread over the runs, not all at their beginnings.
    assert sum(count > 0 for one in found["runs"] for count in one["there"]) > KILLS / 2
    assert found["left_over"] == []


def test_the_count_of_promises_would_show_a_record_that_never_came(tmp_path):
    """A journal that says a record is kept and has not kept it: what the test above must see."""

    class Forgetful(Counted):
        def append(self, record):
            if record.get("kind") != "memory":
                super().append(record)
            else:
                Counted.returned[:8] = (int.from_bytes(Counted.returned[:8], "little") + 1).to_bytes(8, "little")

    Counted.returned[:8] = bytes(8)
    journal = Forgetful(tmp_path / "a.journal", dict.fromkeys(_HEADER, 0))
    journal.append({"kind": "memory"})
    journal.close()
    promised = int.from_bytes(Counted.returned[:8], "little") - 1
    assert promised - len(read_journal(tmp_path / "a.journal")[1]) == 1


_HEADER = ("schema", "version", "run_id", "machine", "started_at", "space", "control", "seed", "tasks", "order")


@pytest.mark.parametrize("share", [n / 12 for n in range(1, 12)])
def test_a_journal_torn_anywhere_is_gone_on_with(fake, share, monkeypatch):
    monkeypatch.setattr(Journal, "remove", Journal.close)
    whole = begin(fake)
    expected = outcome(fake)
    content = journal_of(fake).read_bytes()
    header = content.index(b"\n") + 1
    cut = header + int(share * (len(content) - header))
    monkeypatch.undo()
    monkeypatch.setattr(probing, "Host", fake_host)
    whole.path.unlink()
    journal_of(fake).write_bytes(content[:cut])
    torn = content[cut - 1 : cut] != b"\n"
    resumed = gb.resume(whole.path.stem, out=fake, page=False)
    assert resumed.path == whole.path
    made = outcome(fake)
    assert [part["torn"] for part in made["resumed"]] == [torn]
    assert made["tasks"] == expected["tasks"]
    assert made["memory"] == expected["memory"]
    assert not list(fake.rglob("*.journal"))


def test_a_run_cut_short_says_what_stopped_it_and_how_to_go_on(fake, monkeypatch):
    monkeypatch.setattr(Counted, "append", lambda self, record: _refuse_after(self, record, Counted.returned))
    monkeypatch.setattr(session, "Journal", Counted)
    Counted.returned[:8] = bytes(8)
    with pytest.raises(CutShortError) as caught:
        begin(fake)
    run_id = journal_of(fake).stem
    assert str(caught.value) == (
        "A visit's record must reach the disk. Received: a full disk. Correct that, then resume with "
        f"`grouped-bench run --resume {run_id} --out {fake}`."
    )


def _refuse_after(journal, record, count):
    if int.from_bytes(count[:8], "little") == 4:
        raise OutputError("A visit's record must reach the disk", received="a full disk", remedy="Make room")
    Journal.append(journal, record)
    count[:8] = (int.from_bytes(count[:8], "little") + 1).to_bytes(8, "little")


def test_a_run_that_ends_before_its_first_record_leaves_nothing(fake, monkeypatch):
    def die(self, limits):
        if self.forked > 0:
            raise KeyboardInterrupt
        self.forked += 1
        return self.worker(self)

    monkeypatch.setattr("fake_hosts.FakeHost.fork", die)
    with pytest.raises(KeyboardInterrupt):
        begin(fake)
    assert not [path for path in fake.rglob("*") if path.is_file()]


def test_what_was_measured_before_is_in_the_file(cut_short):
    before = read_journal(journal_of(cut_short))[1]
    assert len(before) == 5
    resumed = gb.resume("latest", out=cut_short, page=False)
    frame = resumed.frame
    for record in before:
        rows = frame[(frame["variant"].isin(record["samples"]))]
        for _, row in rows.iterrows():
            if list(record["samples"][row["variant"]]) in [list(visit) for visit in row["samples_s"]]:
                break
        else:
            pytest.fail("a record's samples are not in the file")
    assert resumed.metadata["finished"]
    assert resumed.metadata["resumed"][0]["torn"] is False


def test_options_may_be_repeated(cut_short):
    space = gb.Space(**SPACE)
    gb.resume("latest", out=cut_short, page=False, space=space, visits=VISITS, seed=3, memory=True)


def half(out, **options):
    """A run that its user stopped after its first record."""
    with pytest.MonkeyPatch.context() as patch:
        stops = iter([False])
        patch.setattr(session, "interrupts", lambda: contextlib.nullcontext(lambda: next(stops, True)))
        begin(out, **options)


@pytest.mark.parametrize("begun", [{"page": False}, {"page": True}])
def test_a_resumed_run_keeps_whether_it_has_a_page(fake, begun):
    half(fake, **begun)
    pages = list(fake.rglob("*.html"))
    assert bool(pages) == begun["page"]
    for page in pages:
        page.unlink()
    resumed = gb.resume("latest", out=fake)
    assert list(fake.rglob("*.html")) == ([resumed.page] if begun["page"] else [])
    assert (resumed.page is not None) == begun["page"]


@pytest.mark.parametrize("asked", [False, True])
def test_a_resumed_run_has_a_page_where_that_is_asked_for(fake, asked):
    half(fake, page=not asked)
    for page in fake.rglob("*.html"):
        page.unlink()
    assert (gb.resume("latest", out=fake, page=asked).page is not None) == asked
    assert bool(list(fake.rglob("*.html"))) == asked


def test_a_resumed_run_is_explained_as_it_was_asked(cut_short):
    (journal,) = cut_short.rglob("*.journal")
    header = read_journal(journal)[0]
    assert (header["order"]["page"], header["order"]["explain"]) == (False, False)
    for given, found in (({}, False), ({"explain": True}, True)):
        assert RunRequest.again(header, None, given).explain == found
    header["order"] |= {"explain": True}
    assert RunRequest.again(header, None, {}).explain
    assert not RunRequest.again(header, None, {"explain": False}).explain
    del header["order"]["explain"], header["order"]["page"]  # as an earlier version wrote it
    earlier = RunRequest.again(header, None, {})
    assert (earlier.page, earlier.explain) == (True, False)


@pytest.mark.parametrize(
    ("options", "received"),
    [
        ({"visits": 9}, "visits 9, which was 8"),
        ({"seed": 4}, "seed 4, which was 3"),
        ({"memory": False}, "memory False, which was True"),
        ({"force": True}, "force True, which was False"),
        ({"memory_limit": "8GiB"}, "memory_limit 8589934592, which was None"),
        ({"groups": 2}, "a plan of 8 tasks instead of 24"),
        ({"space": gb.Space(groups=4)}, "a plan of 5 tasks instead of 24"),
    ],
)
def test_other_options_are_refused(cut_short, options, received):
    before = journal_of(cut_short).read_bytes()
    with pytest.raises(RunError) as caught:
        gb.resume("latest", out=cut_short, page=False, **options)
    assert str(caught.value) == (
        f"A resumed run must keep its options. Received: {received}. Leave that option out, or start a new run."
    )
    assert journal_of(cut_short).read_bytes() == before


@pytest.mark.parametrize(
    ("fact", "now", "received"),
    [
        ("version", "0.0.9", "grouped-bench: 0.0.9 then, "),
        ("machine", "another-4", "machine: another-4 then, "),
    ],
)
def test_another_version_or_machine_is_refused(cut_short, fact, now, received):
    path = journal_of(cut_short)
    header, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(json.dumps({**json.loads(header), fact: now}).encode() + b"\n" + rest)
    before = path.read_bytes()
    with pytest.raises(RunError) as caught:
        gb.resume("latest", out=cut_short, page=False)
    assert str(caught.value).startswith(
        f"A run must be resumed in the environment in which it began. Received: {received}"
    )
    assert str(caught.value).endswith(" now. Restore it, or start a new run.")
    assert path.read_bytes() == before


def test_a_variable_that_steers_the_backend_is_refused(cut_short, monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    with pytest.raises(RunError, match=r"variables.TF_ENABLE_ONEDNN_OPTS: .* then, 0 now"):
        gb.resume("latest", out=cut_short, page=False)


@pytest.mark.parametrize("name", ["latest", "20260101-000000-abcd", "there/is/none"])
def test_what_has_no_journal_cannot_be_resumed(fake, name):
    begin(fake)
    with pytest.raises(RunError) as caught:
        gb.resume(name, out=fake)
    assert str(caught.value).startswith(
        f"A run to resume must be unfinished, named by its journal, its run id, or latest. Received: {name}. "
    )


def test_a_run_that_goes_on_is_read_as_unfinished(cut_short):
    path = journal_of(cut_short)
    for name in (str(path), path.stem, "latest", str(cut_short)):
        found = gb.load(name, cut_short)
        assert {"ok", "interrupted"} <= set(found.frame["status"])
        assert found.frame["latency_s"].notna().any()
        assert not found.metadata["finished"]
        assert found.metadata["visits"] == 5
        assert set(found.frame["run_id"]) == {path.stem}
    whole = gb.resume("latest", out=cut_short, page=False)
    assert gb.load("latest", cut_short).path == whole.path


# Interrupts


class Signals:
    """Handlers as `signal` would keep them."""

    def __init__(self):
        self.handlers = dict.fromkeys(interrupts._SIGNALS, signal.SIG_DFL)

    def signal(self, one, handler):
        before, self.handlers[one] = self.handlers[one], handler
        return before


@pytest.fixture
def signals(monkeypatch):
    kept = Signals()
    monkeypatch.setattr(interrupts.signal, "signal", kept.signal)
    monkeypatch.setattr(interrupts.signal, "getsignal", lambda one: kept.handlers[one])
    return kept


@pytest.mark.parametrize("one", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_asks_and_the_second_ends_at_once(signals, one, capfd):
    with interrupts.interrupts() as asked:
        assert not asked()
        signals.handlers[one](one, None)
        assert asked()
        with pytest.raises(KeyboardInterrupt):
            signals.handlers[one](one, None)
    assert signals.handlers[one] is signal.SIG_DFL
    assert capfd.readouterr().err == "\nFinishing the visit; once more ends it at once.\n"


def test_a_signal_that_is_ignored_stays_so(signals):
    """As `nohup` has it."""
    signals.handlers[signal.SIGHUP] = signal.SIG_IGN
    with interrupts.interrupts():
        assert signals.handlers[signal.SIGHUP] is signal.SIG_IGN


def test_an_interrupted_run_has_a_file_and_can_be_gone_on_with(fake, monkeypatch):
    asked = iter([False] * 4 + [True] * 99)
    monkeypatch.setattr(interrupts.Interrupts, "__call__", lambda self: next(asked))
    made = begin(fake)
    assert (made.metadata["stopped_by"], made.metadata["finished"]) == ("user", False)
    assert made.metadata["visits"] == 4
    assert "interrupted" in set(made.frame["status"])
    monkeypatch.setattr(interrupts.Interrupts, "__call__", lambda self: False)
    whole = gb.resume(made.path.stem, out=fake, page=False)
    assert whole.path == made.path
    assert whole.metadata["finished"]
    assert not list(fake.rglob("*.journal"))


@pytest.mark.parametrize("asked", [False, True])
def test_a_page_that_is_interrupted_leaves_the_run_and_says_so(fake, monkeypatch, asked):
    def stop(*_, **more):
        raise KeyboardInterrupt

    answers = iter([False] * 4 + [asked] * 9999)
    monkeypatch.setattr(interrupts.Interrupts, "__call__", lambda self: next(answers))
    monkeypatch.setattr("grouped_bench.report.page.html.write", stop)
    with pytest.raises(CutShortError) as caught:
        begin(fake, page=True)
    path = next(fake.rglob("*.parquet"))
    told = str(caught.value)
    assert told.startswith(
        f"The page of a run must be written without an interrupt; the run is {'kept' if asked else 'complete'} in "
        f"{path}. "
    )
    go_on = f"grouped-bench run --resume {path.stem} --out {fake}" if asked else f"grouped-bench report {path}"
    assert told.endswith(f"with `{go_on}`.")


def test_an_interrupt_after_the_file_is_written_names_what_is_there(fake, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(session, "as_written", stop)
        with pytest.raises(CutShortError) as caught:
            begin(fake)
    assert str(caught.value).endswith(f"`grouped-bench run --resume {journal_of(fake).stem} --out {fake}`.")
    whole = gb.resume("latest", out=fake, page=False)
    assert whole.metadata["finished"]
    assert "interrupted" not in set(whole.frame["status"])


# One run at a time


def test_a_second_run_is_refused_or_waits(fake):
    with contextlib.ExitStack() as held:
        held.enter_context(lock.alone(print, wait=False))
        with pytest.raises(UnavailableError) as caught:
            begin(fake)
        assert str(caught.value) == (
            "A run must have the machine to itself. Received: another run that is measuring. "
            "Wait for it with --wait, or wait=True in Python."
        )
        assert not fake.exists()
        waiting = "import grouped_bench.harness.lock as l\nwith l.alone(print, wait=True): print('mine')"
        with subprocess.Popen([sys.executable, "-u", "-c", waiting], stdout=subprocess.PIPE, text=True) as second:
            assert second.stdout.readline() == f"{lock.WAITING}\n"
            held.close()
            assert second.stdout.readline() == "mine\n"


def test_a_run_that_waited_holds_the_lock():
    with contextlib.ExitStack() as held:
        held.enter_context(lock.alone(print, wait=False))
        with lock.alone(lambda _: held.close(), wait=True), pytest.raises(UnavailableError):
            held.enter_context(lock.alone(print, wait=False))


@pytest.fixture
def places(monkeypatch, tmp_path):
    """The lock is in one of two folders of the test's own."""
    monkeypatch.delenv(lock.VARIABLE)
    folders = (tmp_path / "first", tmp_path / "second")
    for folder in folders:
        folder.mkdir()
    monkeypatch.setattr(lock, "FOLDERS", folders)
    return folders


def test_a_lock_that_cannot_be_made_is_told_in_words(places):
    for folder in places:
        folder.rmdir()
        folder.touch()
    with pytest.raises(UnavailableError) as caught, lock.alone(print, wait=False):
        pass
    first, second = places
    assert str(caught.value).startswith(f"The lock of this machine must be in {first} or {second}. Received: ")
    assert str(caught.value).endswith(". Make one of these folders writable.")


@pytest.mark.parametrize("name", ["TMPDIR", "HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "TEMP"])
def test_no_variable_but_its_own_moves_the_lock(name, tmp_path):
    told = "import grouped_bench.harness.lock as l\nprint(*l.lock_files())"
    variables = {key: value for key, value in importing(**{name: str(tmp_path)}).items() if key != lock.VARIABLE}
    ran = subprocess.run([sys.executable, "-c", told], env=variables, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == [f"{folder}/grouped-bench-{os.getuid()}.lock" for folder in lock.FOLDERS]


def test_the_lock_is_where_every_run_of_the_user_looks_first(places):
    first, second = places
    with lock.alone(print, wait=False), pytest.raises(UnavailableError), lock.alone(print, wait=False):
        pass
    assert len(list(first.iterdir())) == 1
    assert not list(second.iterdir())


@pytest.mark.parametrize("what", ["link", "pipe", "another user's"])
def test_what_another_put_in_the_place_of_the_lock_holds_nothing_up(what, places, monkeypatch):
    (taken, other), stat = lock.lock_files(), os.fstat
    if what == "link":
        taken.symlink_to(taken.with_name("elsewhere"))
    elif what == "pipe":
        os.mkfifo(taken)
    else:
        taken.touch()
        foreign = taken.stat().st_ino

        def fstat(descriptor):
            found = list(stat(descriptor)[:10])
            found[4] += found[1] == foreign  # the user of that file
            return os.stat_result(found)

        monkeypatch.setattr(lock.os, "fstat", fstat)
    with lock.alone(print, wait=False):
        assert other.exists()
    assert not taken.with_name("elsewhere").exists()


def test_the_lock_ends_with_its_owner():
    holding = "import grouped_bench.harness.lock as l\nwith l.alone(print, wait=False): print('mine'); input()"
    with subprocess.Popen(
        [sys.executable, "-u", "-c", holding], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout.readline() == "mine\n"
        with pytest.raises(UnavailableError), lock.alone(print, wait=False):
            pass
        owner.kill()
        owner.wait()
        with lock.alone(print, wait=False):
            pass


# A real sweep


@pytest.mark.long
@pytest.mark.parametrize("records", [1, 4, 9])
def test_a_real_sweep_that_is_killed_is_gone_on_with(tmp_path, records):
    command = [sys.executable, "-c", "import grouped_bench.commands.main as cli; cli.main()", "run"]
    options = ["--groups", "2", "--channels", "8", "--size", "5", "--visits", "6", "--out", str(tmp_path)]
    running_ = subprocess.Popen([*command, *options], start_new_session=True, stdout=subprocess.DEVNULL)
    while running_.poll() is None:
        if sum(path.read_bytes().count(b"\n") for path in tmp_path.rglob("*.journal")) > records:
            os.killpg(running_.pid, signal.SIGKILL)
            break
        time.sleep(0.002)
    assert running_.wait() == -signal.SIGKILL
    unfinished = gb.load("latest", tmp_path)
    assert unfinished.metadata["visits"] >= 1
    ended = subprocess.run(
        [*command, "--resume", "latest", "--out", str(tmp_path), "--no-report"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    whole = gb.load("latest", tmp_path)
    assert set(whole.frame["status"]) == {"ok"}
    assert len(whole.frame) == 5
    assert len(whole.metadata["resumed"]) == 1
    assert not list(tmp_path.rglob("*.journal"))


def test_the_hosts_of_a_killed_run_end_with_it(tmp_path):
    """A host ends when its socket closes, and its workers with it."""
    holding = "from grouped_bench.harness.processes.hosts import *\nh = Host('tensorflow'); w = h.fork(Limits(60))\n"
    holding += "print(h._process.pid, w.pid); input()"
    with subprocess.Popen(
        [sys.executable, "-u", "-c", holding], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        pids = [int(word) for word in owner.stdout.readline().split()]
        watched = [os.pidfd_open(pid) for pid in pids]
        owner.kill()
        for one in watched:
            assert select.select([one], [], [], 60)[0]
            os.close(one)

"""The journal: on disk record by record, readable when torn, and honest when the disk is full."""

import errno
import os
from pathlib import Path

import pytest

from grouped_bench.errors import OutputError, RunError, UnavailableError
from grouped_bench.store.journal import KIND, Journal, read_journal, resume_command

NAMES = ("schema", "version", "run_id", "machine", "started_at", "space", "control", "seed", "tasks", "order")
HEADER = {"kind": KIND, **dict.fromkeys(NAMES, 1)}


@pytest.fixture
def journal(tmp_path):
    made = Journal(tmp_path / "machine" / "run.journal", HEADER)
    yield made
    made.close()


def test_what_was_appended_is_read_again_in_order(journal):
    records = [{"kind": "visit", "samples": {"regular": [0.1, None]}}, {"kind": "memory", "reason": "héllo\nworld"}]
    for record in records:
        journal.append(record)
    assert read_journal(journal.path) == (HEADER, records, False)


def test_each_record_is_whole_in_the_file_before_it_is_synchronised(monkeypatch, tmp_path):
    path = tmp_path / "run.journal"
    seen = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append(next(tmp_path.iterdir()).read_bytes().count(b"\n")))
    journal = Journal(path, HEADER)
    assert seen == [1, 1]  # the file, then its name in the folder
    journal.append({"visit": 1})
    journal.append({"visit": 2})
    assert seen == [1, 1, 2, 3]
    journal.close()


def test_the_file_that_is_synchronised_is_the_journal(monkeypatch, journal):
    found = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: found.append(os.fstat(descriptor).st_ino))
    journal.append({})
    assert found == [journal.path.stat().st_ino]


@pytest.mark.parametrize("cut", [1, 5])
def test_a_torn_last_record_is_dropped_and_told(journal, cut):
    journal.append({"visit": 1})
    journal.append({"visit": 2})
    content = journal.path.read_bytes()
    journal.path.write_bytes(content[:-cut])
    assert read_journal(journal.path) == (HEADER, [{"visit": 1}], True)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"schema": 1',
        b"not json\n",
        b"\xff\n",
        b"[1]\n",
        b'{"a": 1}\n3\n',
        b'{"kind": "grouped-bench journal"}\n',
    ],
)
def test_what_is_no_journal_is_refused_in_words(content, tmp_path):
    path = tmp_path / "x.journal"
    path.write_bytes(content)
    with pytest.raises(RunError) as caught:
        read_journal(path)
    assert str(caught.value) == (
        "A journal must have one JSON object a line, the first of them its header. Received: x.journal. "
        "Measure the run again."
    )


def test_a_journal_that_is_gone_on_with_drops_a_torn_record_from_the_file(journal):
    journal.append({"visit": 1})
    journal.append({"visit": 2})
    journal.close()
    journal.path.write_bytes(journal.path.read_bytes()[:-3])
    again = Journal.reopen(journal.path, HEADER)
    again.append({"visit": 3})
    again.close()
    assert read_journal(journal.path) == (HEADER, [{"visit": 1}, {"visit": 3}], False)


def test_a_header_that_the_disk_refuses_leaves_no_journal(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OutputError, match="No space left on device"):
        Journal(tmp_path / "run.journal", HEADER)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_is_told_in_words_and_leaves_the_earlier_records(journal, monkeypatch, call):
    journal.append({"visit": 1})

    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (journal._file, "write")), refuse)
    with pytest.raises(OutputError) as caught:
        journal.append({"visit": 2})
    assert str(caught.value) == (
        "A visit's record must reach the disk before the next visit. "
        "Received: run.journal (No space left on device). Free disk space, or name another folder for the output."
    )
    assert read_journal(journal.path)[1][:1] == [{"visit": 1}]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_device_that_is_full_is_told_in_words(journal):
    with Path("/dev/full").open("wb") as full:
        journal._file, file = full, journal._file
        with pytest.raises(OutputError, match="No space left on device"):
            journal.append({"visit": 1})
        journal._file = file
        # Closing would try once more to write what the device refused.
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


def test_a_file_in_the_place_of_the_folder_is_refused_in_words(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError) as caught:
        Journal(tmp_path / "out" / "run.journal", HEADER)
    assert str(caught.value).startswith("The output folder must be writable. Received: ")
    assert str(caught.value).endswith("out (File exists). Name another folder for the output.")


def test_no_journal_is_written_over(journal):
    with pytest.raises(OutputError, match="File exists"):
        Journal(journal.path, {"schema": 2})
    assert read_journal(journal.path)[0] == HEADER


def test_a_journal_has_one_writer(journal):
    with pytest.raises(UnavailableError) as caught:
        Journal.reopen(journal.path, HEADER)
    assert str(caught.value) == (
        "A journal must have one writer. Received: run.journal, which a run is writing. Wait until that run ends."
    )
    journal.close()
    Journal.reopen(journal.path, HEADER).close()


@pytest.mark.parametrize(
    ("path", "out", "words"),
    [
        ("results/m/a.parquet", "results", "--resume a"),
        ("there/m/a.journal", "there", "--resume a --out there"),
        ("else where/a.journal", "results", "--resume 'else where/a.journal'"),
    ],
)
def test_the_command_that_goes_on_finds_the_run(path, out, words):
    assert resume_command(Path(path), Path(out)) == f"grouped-bench run {words}"


def test_a_journal_that_is_done_with_goes_away(journal):
    journal.remove()
    assert list(journal.path.parent.iterdir()) == []

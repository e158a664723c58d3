"""Runs of fake workloads, whole and cut short."""

import pytest
from killed_runs import begin, fake_host

from grouped_bench.errors import CutShortError, OutputError
from grouped_bench.harness import session
from grouped_bench.harness.processes import probing
from grouped_bench.store.journal import Journal


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """Runs have fake hosts; a folder for them."""
    monkeypatch.setattr(probing, "Host", fake_host)
    return tmp_path / "out"


@pytest.fixture
def cut_short(fake, monkeypatch):
    """The folder of a run that ended after five records."""

    class Full(Journal):
        left = 6

        def append(self, record):
            Full.left -= 1
            if Full.left < 0:
                raise OutputError("The disk must have room", received="none", remedy="Make room")
            super().append(record)

    monkeypatch.setattr(session, "Journal", Full)
    with pytest.raises(CutShortError):
        begin(fake)
    monkeypatch.setattr(session, "Journal", Journal)
    return fake

"""A shorter soak of fake workloads; `python tests/support/soaking.py` is the long one."""

import mmap

import soaking

from grouped_bench.harness import session
from grouped_bench.store.journal import Journal


def test_a_long_run_holds_on_to_nothing(tmp_path):
    soaking.soak(20, tmp_path / "first")  # what is made once is there
    found = soaking.soak(600, tmp_path / "run")
    assert found["tasks"] == 600
    assert found["growth_over_the_second_half_mib"] < 8
    assert max(found["left_over"][name] for name in ("descriptors", "children", "temporary files")) <= 0
    assert found["files"] == [".parquet"]


def test_memory_that_grows_with_every_record_would_be_seen(tmp_path, monkeypatch):
    hoard, append = [], soaking.Watched.append

    def hoarding(self, record):
        hoard.append(mmap.mmap(-1, 2**17))  # pages of its own, which no memory that others freed can stand in for
        hoard[-1].write(b"x" * 2**17)
        append(self, record)

    monkeypatch.setattr(soaking.Watched, "append", hoarding)
    assert soaking.soak(200, tmp_path / "run")["growth_over_the_second_half_mib"] > 8
    assert session.Journal is Journal

"""Peak memory from readings of a fake allocator and a fake resident set."""

import types

import pytest

from grouped_bench.measure import memory

HELD, MADE = [1000, 200], [500]
SMALLEST = 300


def peak(readings, *, resident=(), device="cpu", calls=3, monkeypatch=None):
    allocator, growths = iter(readings), iter(resident)
    backend = types.SimpleNamespace(
        peak_memory=lambda step, device: next(allocator), smallest_counted_block=SMALLEST, memory_source="allocator"
    )
    if monkeypatch:
        monkeypatch.setattr(memory, "resident_growth", lambda step: next(growths))
    return memory.peak_bytes(backend, lambda: (), device, HELD, MADE, calls)


def test_it_is_the_mean_of_the_calls():
    assert peak([1600, 2400, 2000]) == (2000 + 200, "allocator")


def test_an_overlap_of_branches_that_is_rare_or_common_moves_it_by_its_share():
    """Between two processes in which 14 and 18 of 32 calls overlap, a rank may move by all of a branch."""
    fewer, more = [2000] * 18 + [2320] * 14, [2000] * 14 + [2320] * 18
    assert peak(fewer, calls=32) == (2140 + 200, "allocator")
    assert peak(more, calls=32) == (2180 + 200, "allocator")


def test_a_call_that_cannot_be_read_is_not_counted_as_zero():
    assert peak([2000, None, 2200]) == (2100 + 200, "allocator")


def test_of_many_readings_of_the_resident_set_it_is_what_nine_in_ten_stay_within(monkeypatch):
    """It may miss what a call takes; a rare reading must not decide, a common one must."""
    rare, common = [600] * 30 + [9000] * 2, [600] * 20 + [900] * 12
    assert peak([None] * 32, resident=rare, calls=32, monkeypatch=monkeypatch) == (600 + 1200, "resident")
    assert peak([None] * 99, resident=common, calls=99, monkeypatch=monkeypatch) == (900 + 1200, "resident")


def test_small_blocks_are_added_on_the_cpu_alone():
    assert peak([2000] * 3, device="gpu") == (2000, "allocator")


def test_without_an_allocator_the_resident_set_is_asked(monkeypatch):
    assert peak([None] * 3, resident=[600, 900, 700], monkeypatch=monkeypatch) == (900 + 1200, "resident")
    assert peak([None] * 3, resident=[600] * 3, device="gpu", monkeypatch=monkeypatch) == (None, None)


@pytest.mark.parametrize("resident", [[None] * 3, [0, 0, 0], [499, 100, 499]])
def test_less_than_what_must_live_at_once_is_no_reading(resident, monkeypatch):
    assert peak([None] * 3, resident=resident, monkeypatch=monkeypatch) == (None, None)
    assert peak([1500] * 3) == (1700, "allocator")
    assert peak([1499] * 3) == (None, None)

"""Peak memory from readings of a fake allocator and a fake resident set."""

import types

import pytest

from grouped_bench.measure import memory

HELD, MADE = [1000, 200], [500]
SMALLEST = 300


def peak(readings, *, resident=(), device="cpu", calls=3, monkeypatch=None):
    allocator, growths = iter(readings), iter(resident)
    backend = types.SimpleNamespace(peak_memory=lambda step, device: next(allocator), smallest_counted_block=SMALLEST)
    if monkeypatch:
        monkeypatch.setattr(memory, "resident_growth", lambda step: next(growths))
    return memory.peak_bytes(backend, lambda: (), device, HELD, MADE, calls)


def test_it_is_the_largest_of_a_few_calls():
    assert peak([1600, 2400, 2000]) == (2400 + 200, "allocator")


def test_of_many_calls_it_is_what_nine_in_ten_stay_within():
    """A rare overlap of branches must not decide, a common one must."""
    rare, common = [2000] * 30 + [9000] * 2, [2000] * 20 + [3000] * 12
    assert peak(rare, calls=32) == (2000 + 200, "allocator")
    assert peak(common, calls=32) == (3000 + 200, "allocator")


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

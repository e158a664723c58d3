"""Peak memory from readings of a fake allocator and a fake resident set."""

import types

import pytest

from grouped_bench.measure import memory

HELD, MADE = 1200, 500


def peak(readings, *, resident=(), device="cpu", calls=3, monkeypatch=None, settle=lambda: None):
    allocator, growths = iter(readings), iter(resident)

    def read(step, on, held):
        assert (on, held) == (device, HELD)
        return next(allocator)

    backend = types.SimpleNamespace(peak_memory=read, memory_source=lambda device: "allocator")
    if monkeypatch:
        monkeypatch.setattr(memory, "resident_growth", lambda step: next(growths))
    return memory.peak_bytes(backend, lambda: (), device, HELD, MADE, calls, settle)


def test_it_is_the_mean_of_the_calls():
    assert peak([1600, 2400, 2000]) == (2000, "allocator")


def test_an_overlap_of_branches_that_is_rare_or_common_moves_it_by_its_share():
    """Between two processes in which 14 and 18 of 32 calls overlap, a rank may move by all of a branch."""
    fewer, more = [2000] * 18 + [2320] * 14, [2000] * 14 + [2320] * 18
    first = [2000, 2320] * 2
    assert peak(first + fewer, calls=32) == (2140, "allocator")
    assert peak(first + more, calls=32) == (2180, "allocator")


def test_a_call_that_cannot_be_read_is_not_counted_as_zero():
    assert peak([2000, None, 2200]) == (2100, "allocator")


def test_calls_that_are_alike_are_read_no_oftener_than_it_takes_to_know_that():
    def settle():
        raise AssertionError("nothing overlaps, so nothing has to settle")

    assert peak([2000] * 4, calls=500, settle=settle) == (2000, "allocator")
    assert peak([2000] * 3 + [2400] + [2000] * 32, calls=500) == (2000, "allocator")
    with pytest.raises(StopIteration):
        peak([2000] * 3 + [2400] + [2000] * 31, calls=500)


def test_calls_that_differ_are_read_until_their_mean_is_sure():
    """Halves of 2000 and 2400 have a standard error of 200 / √n, and 0.4 % of their mean is 8.8."""
    enough = 518
    first, readings = [2000, 2400] * 2, [2000, 2400] * 400
    assert peak(first + readings[:enough], calls=800) == (2200, "allocator")
    with pytest.raises(StopIteration):
        peak(first + readings[: enough - 8], calls=800)
    assert peak(first + readings[:40], calls=40) == (2200, "allocator")


def test_of_many_readings_of_the_resident_set_it_is_what_nine_in_ten_stay_within(monkeypatch):
    """It may miss what a call takes; a rare reading must not decide, a common one must."""
    rare, common = [600] * 30 + [9000] * 2, [600] * 20 + [900] * 12
    assert peak([None] * 32, resident=rare, calls=32, monkeypatch=monkeypatch) == (600 + 1200, "resident")
    assert peak([None] * 99, resident=common, calls=99, monkeypatch=monkeypatch) == (900 + 1200, "resident")


def test_without_an_allocator_the_resident_set_is_asked(monkeypatch):
    assert peak([None] * 3, resident=[600, 900, 700], monkeypatch=monkeypatch) == (900 + 1200, "resident")
    assert peak([None] * 3, resident=[600] * 3, device="gpu", monkeypatch=monkeypatch) == (None, None)


@pytest.mark.parametrize("resident", [[None] * 3, [0, 0, 0], [499, 100, 499]])
def test_less_than_what_must_live_at_once_is_no_reading(resident, monkeypatch):
    assert peak([None] * 3, resident=resident, monkeypatch=monkeypatch) == (None, None)
    assert peak([1700] * 3) == (1700, "allocator")
    assert peak([1699] * 3) == (None, None)

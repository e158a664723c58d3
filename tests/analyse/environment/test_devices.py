"""Devices of one class: how much they differ is told from noise, and a verdict for the class holds on another one."""

import dataclasses
import math

import numpy as np
import pytest
from frames import frame

from grouped_bench.analyse.environment.devices import Devices, Repeated, devices_of, facts_of
from grouped_bench.analyse.rows import plain


def drawn(random, *, devices, comparisons, deviation, error):
    """What some devices measure of comparisons, whose speed-ups vary between them, and those of one more."""
    centres = random.normal(0, 0.5, comparisons)
    true = centres[:, None] + random.normal(0, deviation, (comparisons, devices + 1))
    seen = true[:, :-1] + random.normal(0, error, (comparisons, devices))
    found = tuple(
        Repeated(f"case {number}", "setting", "grouped", tuple(logs), (error,) * devices)
        for number, logs in enumerate(seen)
    )
    return Devices(tuple(map(str, range(devices))), found, 0.05), seen.mean(axis=1), true[:, -1]


@pytest.mark.parametrize("deviation", [0.0, 0.02, 0.1])
def test_the_deviation_between_devices_is_told_from_noise(deviation):
    random = np.random.default_rng(1)
    found = [drawn(random, devices=4, comparisons=12, deviation=deviation, error=0.02)[0].deviation for _ in range(300)]
    assert math.sqrt(np.mean(np.square(found))) == pytest.approx(deviation, rel=0.15, abs=0.008)


@pytest.mark.parametrize(("devices", "deviation"), [(2, 0.05), (3, 0.05), (3, 0.2), (8, 0.05)])
def test_another_device_lies_within_what_these_predict(devices, deviation):
    random = np.random.default_rng(2)
    inside = []
    for _ in range(300):
        found, means, other = drawn(random, devices=devices, comparisons=12, deviation=deviation, error=0.002)
        inside += list(np.abs(other - means) <= found.half + 0.004)
    assert np.mean(inside) >= 0.95


def task(speedup, low, high, verdict):
    row = plain(frame(groups=[8], channels=[64], passes=["training"], variants=["regular", "grouped"]))[1]
    return dataclasses.replace(row, speedup=speedup, speedup_low=low, speedup_high=high, verdict=verdict)


def alike(deviation):
    """Three devices whose speed-ups deviate by so much, without noise."""
    logs = (-deviation, 0.0, deviation)
    return Devices(("a", "b", "c"), tuple(Repeated(str(n), "", "v", logs, (0.0,) * 3) for n in range(4)), 0.05)


@pytest.mark.parametrize(
    ("deviation", "row", "verdict"),
    [
        (0.0, task(2.0, 1.9, 2.1, "faster"), "faster"),
        (0.02, task(2.0, 1.9, 2.1, "faster"), "faster"),
        (0.02, task(1.05, 1.02, 1.08, "faster"), "undecided"),
        (0.02, task(0.5, 0.48, 0.52, "slower"), "slower"),
        (0.02, task(0.97, 0.95, 0.99, "slower"), "undecided"),
        (0.0, task(1.0, 0.98, 1.02, "equivalent"), "equivalent"),
        (0.02, task(1.0, 0.98, 1.02, "equivalent"), "undecided"),
        (0.0, task(1.0, 0.5, 2.0, "undecided"), "undecided"),
    ],
)
def test_a_verdict_for_the_class_is_given_where_the_devices_allow_it(deviation, row, verdict):
    assert alike(deviation).verdict(row) == verdict


def test_what_is_recorded_is_read_again():
    frames = [frame(groups=[1, 8], channels=[64], passes=["training"], seed=seed) for seed in (1, 2, 3)]
    facts = facts_of(["a", "b", "c"], ["run 1", "run 2", "run 3"], frames)
    found = devices_of({"devices": facts, "control": {"margin": 0.05}})
    assert found.names == ("a", "b", "c")
    rows = [row for row in plain(frames[0]) if row.variant != "regular"]
    assert len(found.repeated) == len(rows)
    for one, row in zip(found.repeated, rows, strict=True):
        assert one.variant == row.variant
        assert one.logs[0] == pytest.approx(math.log(row.speedup), abs=0.1)


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"devices": None},
        {"devices": {"nodes": ["a"], "runs": ["1"], "ratios": []}},
        {"devices": {"nodes": ["a", "b"], "runs": ["1", "2"], "ratios": []}},
        {"devices": {"nodes": ["a", "b"], "runs": [], "ratios": [
            {"case": "", "setting": "", "variant": "", "logs": [0.1, None], "errors": [0.1, None]}]}},
        {"devices": {"nodes": ["a", "b"], "runs": [], "ratios": [
            {"case": "", "setting": "", "variant": "", "logs": [0.1], "errors": [0.1]}]}},
    ],
)  # fmt: skip
def test_too_little_is_nothing(facts):
    assert devices_of(facts) is None

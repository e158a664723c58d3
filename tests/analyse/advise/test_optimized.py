"""What the visits of a network and its copy say of both."""

import numpy as np
import pytest

from grouped_bench.analyse.advise.optimized import PROCESSES, judged


def visits(ratio, *, noise=0.01, stolen=0.0, seed=0):
    """Of each process three rounds, the copy `ratio` times as fast, with noise from process to process."""
    rng = np.random.default_rng(seed)
    told = []
    for _ in range(PROCESSES):
        original = rng.lognormal(0, 0.05, 3)
        faster = original / ratio * rng.lognormal(0, noise)
        samples = {"original": list(original), "faster": list(faster)}
        first = {"original": 3.0, "faster": 2.0}
        told.append({"samples": samples, "first_calls_s": first, "stolen": stolen, "throttled": 0.0})
    return told


def whole(ratio, **how):
    return judged(visits(ratio, **how), 0.03, {"error": 1e-6, "gradients": True}, (100, 90))


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(30, "faster"), (1.5, "faster"), (1.0, "equivalent"), (0.8, "slower"), (1.08, "faster")]
)
def test_the_verdict_is_that_of_the_ratio(ratio, verdict):
    found = whole(ratio, noise=0.005)
    assert found.verdict == verdict
    assert found.speedup.value == pytest.approx(ratio, rel=0.02)
    assert found.before.first_call_s == 3.0
    assert (found.before.peak_bytes, found.after.peak_bytes) == (100, 90)


def test_networks_that_are_alike_are_hardly_ever_called_faster():
    found = [whole(1.0, noise=0.1, seed=seed).verdict for seed in range(400)]
    assert found.count("faster") <= 8  # 2%; each interval is wrong on this side in 0.5%
    assert found.count("undecided") > 300


def test_what_a_load_may_hide_widens_the_interval():
    calm, loaded = whole(1.2), whole(1.2, stolen=0.6)
    assert loaded.speedup.low < calm.speedup.low
    assert calm.verdict == "faster"
    assert loaded.verdict == "undecided"
    assert whole(30, stolen=0.6).verdict == "faster"

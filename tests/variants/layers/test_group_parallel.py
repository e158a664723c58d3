"""`group_parallel` where there are two devices, and what is said of its place where there is one."""

import subprocess
import sys

import pytest
from cases import make_case
from checkout import SUPPORT, importing

from grouped_bench import backends, variants


@pytest.fixture(scope="module")
def told():
    """What `two_devices.py` found, by its first word."""
    run = subprocess.run(
        [sys.executable, SUPPORT / "two_devices.py"], env=importing(), capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return {line.split()[0]: line.split()[1:] for line in run.stdout.splitlines() if line}


def test_groups_are_dealt_out_over_the_devices(told):
    """The bias and the kernels of four groups; that the result is the grouped convolution, the program has checked."""
    assert told["weights"] == ["CPU:0", *["CPU:0", "CPU:1"] * 2]
    assert told["convolutions"] == ["CPU:0", "CPU:1"] * 2


def test_devices_are_those_of_the_kind_that_a_step_is_placed_on(told):
    assert told["devices"] == ["CPU:0", "CPU:1", "CPU:0"]


def test_xla_which_has_one_device_is_refused(told):
    reason = "NotImplementedError: XLA puts a step on one device; use the execution graph or eager"
    assert told["xla"] == ["unsupported", *reason.split()]  # without what Keras puts around it


def test_a_backend_that_cannot_spread_a_step_says_so():
    with pytest.raises(NotImplementedError, match="A step on jax uses one device"):
        variants.get("group_parallel").layer(make_case(), backends.named("jax"))

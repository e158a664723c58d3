"""Whether this machine is fit to measure on; behind `grouped-bench doctor`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grouped_bench.harness.inspect.doctor import Diagnosis


def doctor() -> "Diagnosis":
    """Check this machine, in under 30 seconds: its state, and the smallest difference that one pair would show here.

    Raises:
        HostError: no backend can start.
    """
    from grouped_bench.harness.inspect.doctor import diagnose

    return diagnose()

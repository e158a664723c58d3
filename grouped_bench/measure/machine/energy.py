"""Energy of a call, from the GPU's own counter or the processors'; None where no meter can be read."""

from collections.abc import Callable
from pathlib import Path

from grouped_bench.measure import rounds
from grouped_bench.measure.machine import gpu
from grouped_bench.measure.machine.processor import read
from grouped_bench.measure.rounds import Clock, Synchronise, Workload, read_clock

# Counters move some ten times a second or more often: over a second the error is a few per cent.
STRETCH_S = 1.0
_MOST_CALLS = 1_000_000
_ZONES = Path("/sys/class/powercap")


def joules_a_call(step: Workload, synchronise: Synchronise, device: str, clock: Clock = read_clock) -> float | None:
    """Joules of one call, idle power included, from STRETCH_S seconds of calls; None where no meter can be read.

    Args:
        step: the call.
        synchronise: waits until the device has finished.
        device: a GPU by its name, or `cpu` for all processors together.
        clock: seconds.
    """
    meter = meter_of(device)
    if meter() is None:
        return None
    calls = rounds.calls_within(STRETCH_S, step, synchronise, most=_MOST_CALLS, clock=clock)
    before = meter()
    rounds.time_sample(step, synchronise, calls, clock)
    after = meter()
    # A counter that has come to its end begins anew.
    return None if before is None or after is None or after <= before else (after - before) / calls


def meter_of(device: str) -> Callable[[], float | None]:
    """What reads the joules that `device` has used since some moment."""
    return _processor_joules if device.startswith("cpu") else lambda: gpu.joules(device)


def _processor_joules() -> float | None:
    """Joules of all processor packages (RAPL), as far as the system lets this user read them."""
    found = [read(zone / "energy_uj") for zone in sorted(_ZONES.glob("intel-rapl:?"))]
    return sum(int(one) for one in found if one) / 1e6 if found and all(found) else None

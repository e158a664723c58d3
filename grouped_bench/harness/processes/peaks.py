"""The peaks of every backend, device and dtype of a plan, each read in a worker of its own before the sweep."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

from grouped_bench.errors import HostError
from grouped_bench.harness.plan import Plan
from grouped_bench.harness.processes.slots import HostLike
from grouped_bench.harness.processes.workers import Limits, TaskFailedError
from grouped_bench.measure.rounds import Clock, read_clock
from grouped_bench.space.axes import Control
from grouped_bench.space.case import HostKey
from grouped_bench.space.facts import Json

# Where the budget is small, the sweep needs it more.
_SHARE_OF_BUDGET = 0.05
_USUAL_S = 1.0
_LONGEST_S = 10.0
_RATES = ("flops_per_s", "bytes_per_s")
# Seconds of a call that computes nothing.
_EMPTY = "call_s"


def read_peaks(
    plan: Plan, hosts: Mapping[HostKey, HostLike], control: Control, clock: Clock = read_clock
) -> list[Json]:
    """Operations and bytes a second by backend, environment, device and dtype as the plan names them.

    Peaks that cannot be read, or would take more than `_SHARE_OF_BUDGET` of the budget, are left out.

    Args:
        plan: whose devices and dtypes are read.
        hosts: a host for each backend and environment of the plan.
        control: the run's budget and memory limit.
        clock: seconds.
    """
    found: list[Json] = []
    end = math.inf if control.budget is None else clock() + _SHARE_OF_BUDGET * control.budget
    for (key, device, dtype), policies in _wanted(plan).items():
        if clock() + _USUAL_S > end:
            break
        request = {"op": "peaks", "device": device, "dtype": dtype, "variants": ["peaks"]}
        rates = _rates(hosts[key], Limits(_LONGEST_S, control.memory_limit), request)
        where = {**dataclasses.asdict(key), "device": device}
        found += [{**where, "dtype": policy, **rates} for policy in policies if rates]
    return found


def best_of(peaks: Sequence[Json]) -> list[Json]:
    """Of peaks that were read at several moments the best ones: what else the machine did can only lower them."""
    found: dict[str, Json] = {}
    for one in peaks:
        where = {name: value for name, value in one.items() if name not in (*_RATES, _EMPTY)}
        best = found.setdefault(repr(where), dict(one))
        best |= {name: max(best[name], one[name]) for name in _RATES}
        if _EMPTY in one:
            best[_EMPTY] = min(best.get(_EMPTY, one[_EMPTY]), one[_EMPTY])
    return list(found.values())


def _wanted(plan: Plan) -> dict[tuple[HostKey, str, str], list[str]]:
    """The dtype policies of the plan by host, device and the dtype in which they compute."""
    found: dict[tuple[HostKey, str, str], list[str]] = {}
    for cohort in plan.cohorts:
        key = (cohort.setting.host, cohort.setting.device, cohort.case.compute_dtype)
        policies = found.setdefault(key, [])
        if cohort.case.dtype not in policies:
            policies.append(cohort.case.dtype)
    return found


def _rates(host: HostLike, limits: Limits, request: Json) -> Json:
    """What a worker answers; nothing where it failed."""
    try:
        worker = host.fork(limits)
        answer = worker.ask(request)
        worker.close()
    except TaskFailedError:
        return {}
    except HostError:
        host.restart()
        return {}
    return {name: answer[name] for name in (*_RATES, _EMPTY) if name in answer} if "status" not in answer else {}

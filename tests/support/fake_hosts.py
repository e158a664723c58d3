"""A host and workers that measure nothing: seeded costs on a fake clock, and failures on demand."""

import numpy as np
from looks import primitive

from grouped_bench.harness.processes.workers import TaskFailedError

START_S, BUILD_S, MEMORY_S, SEARCH_S = 0.05, 0.2, 0.3, 0.7


class FakeHost:
    """Forks workers whose samples are `costs[variant]` times log-normal noise of the visit and of the round.

    `round_spread` is that of the round where it differs from the visit's. `worker` is the class that is forked.

    `choices` maps a variant to what its search, of SEARCH_S, finds.

    `faults` maps a variant to what happens when it is built: an exception, or a failure's dict.
    """

    def __init__(self, clock, costs, *, spread=0.01, round_spread=None, faults=None, rounds=5, seed=0, choices=None):
        self.clock, self.costs, self.spread, self.faults = clock, costs, spread, faults or {}
        self.choices = choices or {}
        self.rounds, self.rng = rounds, np.random.default_rng(seed)
        self.forked, self.alive, self.most_alive, self.requests = 0, 0, 0, []
        self.round_spread, self.worker = round_spread, FakeWorker
        self.disturbance = lambda: {"stolen": 0.0, "throttled": None}

    version, import_s = "1.0", 0.0

    def close(self):
        """End the host."""

    def fork(self, limits):
        self.limits = limits
        self.forked += 1
        self.alive += 1
        self.most_alive = max(self.most_alive, self.alive)
        self.clock.now += START_S
        return self.worker(self)


class FakeWorker:
    def __init__(self, host):
        self.host = host

    def ask(self, request):
        self.host.requests.append(request)
        return getattr(self, "_" + request["op"])(request)

    def begin(self, request):
        self.begun = request

    def answer(self):
        return self.ask(self.begun)

    def close(self):
        self.host.alive -= 1

    def _build(self, request):
        built, failed, searched = {}, {}, 0.0
        for name in request["variants"]:
            self.host.clock.now += BUILD_S
            fault = self.host.faults.get(name)
            if isinstance(fault, BaseException):
                self.host.alive -= 1
                raise fault
            if fault:
                failed[name] = fault
            else:
                built[name] = {
                    "first_call_s": BUILD_S,
                    "verify_s": 0.0,
                    "warm_up_s": 0.0,
                    "iterations": request["iterations"].get(name, 1),
                    **({"relative_error": 1e-7} if request["check"] else {}),
                    **self._chosen(name, request),
                }
                searched += built[name].get("search_s", 0.0)
        seconds = BUILD_S * len(request["variants"]) + searched
        return {"built": built, "failed": failed, "start_s": START_S, "inputs_s": 0.0, "seconds": seconds}

    def _chosen(self, name, request):
        if name not in self.host.choices:
            return {}
        known = request["choices"].get(name)
        self.host.clock.now += 0.0 if known else SEARCH_S
        choice = known or self.host.choices[name]
        return {"choice": choice, "macs": int(choice[2:]) * 1000, "search_s": 0.0 if known else SEARCH_S}

    def _visit(self, request):
        host, names = self.host, request["variants"]
        weather, rounds = np.exp(host.rng.normal(0, 0.2)), request["rounds"] or host.rounds
        spread = host.spread if host.round_spread is None else host.round_spread
        samples = {}
        for name in names:
            middle = host.costs[name] * weather * np.exp(host.rng.normal(0, host.spread))
            samples[name] = list(middle * np.exp(host.rng.normal(0, spread, rounds)))
            host.clock.now += sum(samples[name])
        seconds = sum(map(sum, samples.values()))
        reference = [0.001 * weather] * rounds
        return {"samples": samples, "reference": reference, "warm_up_s": 0.0, "seconds": seconds, **host.disturbance()}

    def _probe(self, request):
        found = {"devices": [{"name": "cpu:0", "model": None}], "facts": {"onednn": True}}
        return {**found, "libraries": {"numpy": "2.0"}, "python": "3.11.0"}

    def _in_force(self, request):
        return {"onednn": True, "onednn_isa": "Intel AVX2", "threads": {"tensorflow": 2}, "flags": {}}

    def _peaks(self, request):
        return {"flops_per_s": 1e11, "bytes_per_s": 1e10}

    def _empty(self, request):
        return {"call_s": 0.0002}

    def _explain(self, request):
        made = primitive(count=96 if request["variants"] == ["split_concat"] else 3, seconds=0.02)
        counts, seconds = {"convolution": made["count"]}, {"convolution": made["seconds"]}
        return {"logged_s": 0.03, "primitives": [made], "primitive_counts": counts, "primitive_seconds": seconds}

    def _memory(self, request):
        self.host.clock.now += MEMORY_S
        return {"peak_bytes": 1000, "source": "allocator"}


def crash(variant):
    return TaskFailedError(variant, "crashed", "SIGSEGV")

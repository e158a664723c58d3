"""An engine whose nodes are agents of this process: messages are text on their way, and nodes die on demand."""

import json
import os
import threading
import time

from killed_runs import fake_host

from grouped_bench.errors import UnavailableError
from grouped_bench.harness.fleet.agent import Agent
from grouped_bench.harness.fleet.ray_engine import RayAgent, RayEngine
from grouped_bench.harness.processes import probing
from grouped_bench.harness.sweep.visits import LostError


class FakeNode:
    """A node that is lost in a visit, once it has made `lives` of them.

    `changed` replaces facts of its machine; `busy` counts the visits of all nodes that are under way.
    """

    def __init__(self, title, lives=None, changed=None, agent=None):
        self.title, self.lives, self.changed = title, lives, changed or {}
        self.agent, self.is_lost, self.calls = agent or Agent(), False, []

    def call(self, message):
        self.calls.append(message["op"])
        visiting = message["op"] == "visit"
        if self.is_lost:
            raise self._loss()
        answer = json.loads(json.dumps(self.agent.handle(json.loads(json.dumps(message)))))
        if visiting and self.lives is not None:
            self.lives -= 1
            if self.lives < 0:
                self.is_lost = True
                raise self._loss()
        if "header" in answer:
            answer["header"] |= self.changed
        return answer

    def _loss(self):
        return LostError("A node must answer", received=f"{self.title} (gone)", remedy="Resume the run")

    def end(self):
        self.is_lost = True
        self.agent.close()


class FakeEngine:
    def __init__(self, *nodes):
        self.made, self.devices, self.coming = nodes, [], []

    def nodes(self, device):
        self.devices.append(device)
        return self.made

    def late(self):
        return [self.coming.pop()] if self.coming else []

    def close(self):
        """Nothing was started."""


class Meter:
    """How many at once are within its blocks, at most."""

    def __init__(self):
        self.now, self.most, self.lock = 0, 0, threading.Lock()

    def __enter__(self):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *told):
        with self.lock:
            self.now -= 1


class Dying(FakeNode):
    """A node whose engine ends with it."""

    def _loss(self):
        os._exit(7)


class ChildEngine(FakeEngine):
    """An engine for a process of its own, on fake hosts; the address says what happens to it."""

    def __init__(self, address):
        if address == "nowhere":
            raise UnavailableError("An engine must answer", received=address, remedy="Name another address")
        if address == "broken":
            raise RuntimeError("no such engine")
        probing.Host = fake_host
        print("what an engine says is not the answer's")
        kinds = {"dies": [Dying("node 1", 3)], "loses": [FakeNode("node 1", 3), FakeNode("node 2")]}
        super().__init__(*kinds.get(address, [FakeNode("node 1"), FakeNode("node 2")]))


class FakeRayAgent(RayAgent):
    """An agent on fake hosts, in a process that Ray has started."""

    def __init__(self, device):
        super().__init__(device)
        probing.Host = fake_host

    def _visit(self, message):
        time.sleep(0.05)  # as if something were measured
        return super()._visit(message)


class FakeRay(RayEngine):
    agent = FakeRayAgent

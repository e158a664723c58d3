"""Runs of fake workloads, killed from outside at random instants and gone on with; prints what became of them as JSON.

python tests/support/killed_runs.py FOLDER KILLS SEED
"""

import json
import mmap
import os
import random
import select
import signal
import struct
import sys
import traceback
from pathlib import Path

import numpy as np
from fake_clock import FakeClock
from fake_hosts import FakeHost, FakeWorker

import grouped_bench as gb
from grouped_bench.errors import RunError
from grouped_bench.harness import session
from grouped_bench.harness.processes import probing
from grouped_bench.store.journal import Journal, read_journal
from grouped_bench.store.runs import read_run

COSTS = {"regular": 0.01, "grouped": 0.001, "split_sum": 0.0103}
REFUSED = {"split_concat": {"status": "unsupported", "reason": "not here"}}
SPACE = {"groups": [2, 4, 8], "channels": 8, "size": [5, 6], "variant": [*COSTS, *REFUSED]}
VISITS = 8


class Quick(FakeWorker):
    """Tells no seconds of its fake clock, since the sweep reads a real one, and keeps no requests."""

    def ask(self, request):
        self.host.requests.clear()
        return super().ask(request) | {"seconds": 1e-6, "start_s": 0.0}


def fake_host(name, files, *, env, padding, threads, tf32, python):
    """A host of the fake workloads, on a clock of its own."""
    host = FakeHost(FakeClock(), COSTS, spread=0.05, faults=REFUSED)
    host.worker = Quick
    return host


class Counted(Journal):
    """A journal that counts the records whose `append` has returned, where another process can read it."""

    returned = mmap.mmap(-1, 8)

    def append(self, record):
        super().append(record)
        self.returned[:8] = struct.pack("q", struct.unpack("q", self.returned[:8])[0] + 1)


def begin(out, **more):
    """The run, begun under `out`."""
    return gb.run(gb.Space(**SPACE), out=out, seed=3, **{"visits": VISITS, "page": False, **more})


def run(out):
    """Begin the run under `out`, or go on with it."""
    if list(out.rglob("*.journal")):
        gb.resume("latest", out=out, page=False)
    else:
        begin(out)


def journal_size(out):
    """Bytes of the journal under `out`; 0 where there is none, or where it has just gone."""
    try:
        return sum(path.stat().st_size for path in out.rglob("*.journal"))
    except FileNotFoundError:
        return 0


def kill(child):
    """Kill a child and its group, or the child alone where it has not made its group yet."""
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(child, signal.SIGKILL)


def in_child(out, killed_at):
    """Run in a process group of its own, killed once the journal has `killed_at` bytes; whether it was."""
    child = os.fork()
    if not child:
        os.setsid()
        try:
            run(out)
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(1)
    ended = os.pidfd_open(child)
    while not select.select([ended], [], [], 0.0005)[0]:
        if journal_size(out) >= killed_at:
            kill(child)
            break
    os.close(ended)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in (0, -signal.SIGKILL):
        raise RuntimeError(f"a run ended with {code}")
    return code == -signal.SIGKILL


def outcome(out):
    """Of every task its names, status and number of visits, from the run's file."""
    frame, facts = read_run(next(out.rglob("*.parquet")))
    rows = frame[["groups", "variant", "status"]].astype(str).to_numpy().tolist()
    counts = [sum(not np.isnan(visit).all() for visit in made) for made in frame["samples_s"]]
    memory = frame["peak_memory_bytes"].notna().tolist()
    return {"tasks": rows, "visits": counts, "memory": memory, "resumed": facts.get("resumed", [])}


def killed_run(out, kills, rng, size):
    """A run killed up to `kills` times and gone on with to its end: what each time was there, and what was lost."""
    lost, there, records = [], [], 0
    while len(lost) < kills:
        Counted.returned[:8] = bytes(8)
        headers = int(not list(out.rglob("*.journal")))
        if not in_child(out, rng.uniform(size / 50, size)):
            break
        try:
            found = len(read_journal(next(out.rglob("*.journal")))[1])
        except (RunError, StopIteration):  # killed before there was a header: nothing was measured
            found = 0
        # What had been promised to be on disk, less what is there.
        lost.append(records + struct.unpack("q", Counted.returned[:8])[0] - headers - found)
        records = found
        there.append(found)
    while not list(out.rglob("*.parquet")) or list(out.rglob("*.journal")):
        in_child(out, float("inf"))
    return {"lost": lost, "there": there, **outcome(out)}


def main(folder, kills, seed):
    rng = random.Random(seed)
    probing.Host, session.Journal = fake_host, Counted
    whole = Path(folder) / "whole"
    sizes = []
    append = Counted.append
    Counted.append = lambda self, record: (append(self, record), sizes.append(journal_size(whole)))
    run(whole)
    Counted.append = append
    runs = []
    while (left := kills - sum(len(one["lost"]) for one in runs)) > 0:
        out = Path(folder) / str(len(runs))
        runs.append(killed_run(out, min(left, rng.randint(1, 5)), rng, sizes[-1]))
    print(json.dumps({"whole": outcome(whole), "runs": runs, "left_over": left_over(Path(folder))}))


def left_over(folder):
    """Files that are no run's."""
    return [str(path) for path in folder.rglob("*") if path.is_file() and path.suffix != ".parquet"]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

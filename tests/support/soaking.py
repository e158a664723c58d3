"""A long run, and what it holds on to: memory of the parent, descriptors, threads, processes and files.

python tests/support/soaking.py --tasks 5000          # fake workloads, some minutes
python tests/support/soaking.py --tasks 300 --real    # TensorFlow's
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import ClassVar

import killed_runs
import psutil

import grouped_bench as gb
from grouped_bench.harness import session
from grouped_bench.harness.processes import probing
from grouped_bench.store.journal import Journal

MIB = 2**20
VARIANTS = ("regular", "grouped", "split_sum", "split_concat")
FEW_VISITS = 3


class Watched(Journal):
    """A journal that tells after each record what the process holds."""

    seen: ClassVar[list[tuple[int, int, int]]] = []

    def append(self, record):
        super().append(record)
        process = psutil.Process()
        self.seen.append((process.memory_info().rss, process.num_fds(), process.num_threads()))


def space(tasks):
    """A space of at least so many tasks, each a small layer of its own shape."""
    cohorts = -(-tasks // len(VARIANTS))
    sizes = list(range(4, 4 + min(50, cohorts)))
    batches = list(range(1, 1 + -(-cohorts // len(sizes))))
    return gb.Space(groups=2, channels=8, size=sizes, batch_size=batches, variant=list(VARIANTS))


def soak(tasks, out, *, real=False, visits=6):
    """What a run of so many tasks held on to."""
    before = held()
    session.Journal, journal = Watched, session.Journal
    host = probing.Host
    if not real:
        probing.Host = killed_runs.fake_host
    Watched.seen.clear()
    try:
        run = gb.run(space(tasks), out=out, visits=visits, page=False, quiet=True, seed=1)
    finally:
        session.Journal, probing.Host = journal, host
    resident = [rss for rss, _, _ in Watched.seen]
    half = len(resident) // 2
    return {
        "tasks": len(run.frame),
        "ok": int((run.frame["status"] == "ok").sum()),
        "records": len(resident),
        "resident_mib": {
            "first": round(resident[0] / MIB, 1),
            "half": round(resident[half] / MIB, 1),
            "last": round(resident[-1] / MIB, 1),
            "most": round(max(resident) / MIB, 1),
            "with_the_whole_run_read": round(psutil.Process().memory_info().rss / MIB, 1),
        },
        "growth_over_the_second_half_mib": round((max(resident[half:]) - resident[half]) / MIB, 1),
        "most_descriptors": max(fds for _, fds, _ in Watched.seen),
        "left_over": {name: after - before[name] for name, after in held().items()},
        "files": sorted({path.suffix for path in Path(out).rglob("*") if path.is_file()}),
    }


def held():
    """Descriptors, threads, children and temporary files."""
    process = psutil.Process()
    return {
        "descriptors": process.num_fds(),
        "threads": process.num_threads(),
        "children": len(process.children(recursive=True)),
        "temporary files": len(list(Path(tempfile.gettempdir()).iterdir())),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--real", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = soak(given.tasks, folder, real=given.real, visits=FEW_VISITS if given.real else 6)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

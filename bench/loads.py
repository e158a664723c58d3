"""Other programs for a machine to be measured beside, each a process that ends with its parent.

python bench/loads.py KIND SEED
"""

import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

QUIET, BURSTS, FIFTH, STREAM, BURSTS_ON_ALL = KINDS = ("nothing", "bursts", "a fifth", "stream", "bursts on all")
ABOUT = {
    QUIET: "nothing of ours",
    BURSTS: "a process that keeps one processor busy for 0.5 to 3 s, then sleeps as long",
    FIFTH: "a process for each processor that is busy for 2 ms of every 10",
    BURSTS_ON_ALL: "a process for each processor, as of bursts",
    STREAM: "a process that copies 64 MiB again and again for 0.5 to 3 s, then sleeps as long",
}
_SPANS_S = (0.5, 3.0)
_SLICE_S, _PERIOD_S = 0.002, 0.01
_STREAM_BYTES = 2**26


@contextlib.contextmanager
def beside(kind: str, seed: int) -> Iterator[None]:
    """The load `kind` for as long as the block lasts."""
    count = {QUIET: 0, **dict.fromkeys((FIFTH, BURSTS_ON_ALL), os.cpu_count() or 1)}.get(kind, 1)
    processes = [subprocess.Popen([sys.executable, __file__, kind, str(seed + number)]) for number in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _spin(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def _copy(seconds: float) -> None:
    source, target = np.ones((2, _STREAM_BYTES // 8))
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        np.copyto(target, source)


def _load(kind: str, seed: int) -> None:
    spans, parent = random.Random(seed), os.getppid()
    while os.getppid() == parent:
        if kind == FIFTH:
            _spin(_SLICE_S)
            time.sleep(_PERIOD_S - _SLICE_S)
        else:
            (_copy if kind == STREAM else _spin)(spans.uniform(*_SPANS_S))
            time.sleep(spans.uniform(*_SPANS_S))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        _load(sys.argv[1], int(sys.argv[2]))

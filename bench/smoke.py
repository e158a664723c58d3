"""Smoke of the benchmarks: each runs once, and nothing is timed, so two run at a time, each with its own lock.

python bench/smoke.py     # exits 1 where one fails, and prints what it said
"""

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from grouped_bench.harness import lock

HERE = Path(__file__).resolve().parent
AT_A_TIME = 2
# Begun first, so that no other waits for them at the end.
LONGEST = ("alternatives", "project", "peers", "memory", "gate", "calls", "forms", "parts", "across")


def commands() -> dict[str, list[str]]:
    """By name each benchmark's command: those of pytest, the gate's own, and every script with the option --smoke."""
    scripts = sorted(path for path in HERE.glob("*.py") if "= evidence.parse(" in path.read_text())
    found = {path.stem: [str(path), "--smoke"] for path in scripts if path.stem != "smoke"}
    missing = [name for name in LONGEST if name not in found]
    if missing:
        sys.exit(f"no such benchmark: {', '.join(missing)}")
    return {
        **{name: found[name] for name in LONGEST},
        "pytest": ["-m", "pytest", str(HERE), "--benchmark-disable", "--quiet"],
        "own_gate": [str(HERE / "own_gate.py")],
        **found,
    }


def run(name: str, words: list[str]) -> bool:
    """Whether a benchmark ran; what it printed is shown where it did not."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run(
            [sys.executable, *words],
            env={**os.environ, "TMPDIR": folder, lock.VARIABLE: str(Path(folder, "lock"))},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    failed = f"exit {ended.returncode}\n{ended.stdout}" if ended.returncode else "ran"
    print(f"{name}: {failed} ({time.monotonic() - started:.0f} s)", flush=True)
    return not ended.returncode


def main() -> None:
    asked = commands()
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        ran = list(pool.map(run, asked, asked.values()))
    failed = [name for name, well in zip(asked, ran, strict=True) if not well]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()

"""The project's own gate: a run passes against its equal, and fails against one doctored to be slower, or to fail.

python bench/own_gate.py     # under a minute; exits 1 where an answer is wrong
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import grouped_bench as gb
from grouped_bench.store.runs import write_run

SPACE = gb.Space(groups=8, channels=32, size=14, batch_size=2, variant="regular,grouped_native,split_concat")
CONTROL = {"visits": 8, "least_visits": 8, "reference": "case"}
DOCTORED, SLOWER = "grouped_native", 4.0
# So wide that a busy machine leaves something decided.
THRESHOLD = "50%"
# What is done to the run in head's place, and the exit code that it must lead to.
ANSWERS = {"itself": 3, "equal": 0, "slower": 1, "faster": 0, "failing": 1, "cut short": 3}


def main() -> None:
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        run = gb.run(SPACE, out=folder, page=False, quiet=False, **CONTROL)
        for kind, expected in ANSWERS.items():
            head = run.path
            if kind != "itself":
                frame = doctored(run.frame, kind)
                facts = {**run.metadata, "run_id": kind}
                head = write_run(frame.assign(run_id=kind), facts, Path(folder) / f"{kind}.parquet")
            code, told = compare(run.path, head)
            print(f"{kind}: exit {code}, {expected} expected. {told}")
            if code != expected:
                wrong.append(kind)
    if wrong:
        sys.exit(f"the gate answers wrongly to: {', '.join(wrong)}")


def doctored(frame: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The run's tasks with one variant as `kind` says."""
    made, chosen = frame.copy(), frame["variant"] == DOCTORED
    if kind == "equal":
        return made
    if kind in ("slower", "faster"):
        factor = SLOWER if kind == "slower" else 1 / SLOWER
        made.loc[chosen, "samples_s"] = frame.loc[chosen, "samples_s"].map(
            lambda visits: [np.asarray(visit, float) * factor for visit in visits]
        )
        return made
    status, reason = ("crashed", "doctored") if kind == "failing" else ("interrupted", "doctored")
    return made.assign(status=made["status"].mask(chosen, status), reason=made["reason"].mask(chosen, reason))


def compare(base: Path, head: Path) -> tuple[int, str]:
    """Exit code of `grouped-bench compare`, and its first line."""
    command = [
        sys.executable,
        "-c",
        "from grouped_bench.commands.main import main; main()",
        "compare",
        str(base),
        str(head),
        f"--threshold={THRESHOLD}",
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return ended.returncode, (ended.stdout or ended.stderr).partition("\n")[0]


if __name__ == "__main__":
    main()

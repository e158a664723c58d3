"""Can a plan be believed? What `plan --try` says before a run, and `plan` after it, beside what the run took.

python bench/plans.py [PRESET ...] --save   # on a quiet machine; about 12 minutes for the three
"""

import json
import subprocess
import sys
import tempfile

import evidence

import grouped_bench as gb
from grouped_bench.measure.rounds import read_clock

PRESETS = ("quick", "ci", "tf-49147")
SMOKE = ["--groups", "2", "--channels", "8", "--size", "7", "--variant", "regular,split_sum", "--visits", "3"]
# Factors by which an estimate may be off, either way.
TIME_WITHIN, MEMORY_WITHIN = 1.5, 1.3


def main() -> None:
    parser = evidence.make_parser(__doc__)
    parser.add_argument("presets", nargs="*", default=PRESETS)
    given = evidence.parse(parser)
    found = measure([SMOKE] if given.smoke else [["--preset", name] for name in given.presets])
    for one in found["runs"]:
        told = ", ".join(f"{name} {one[name]['seconds']:.0f} s" for name in ("counted", "tried", "recorded"))
        print(f"{' '.join(one['options'])}: {one['run_s']:.0f} s; plan: {told}")
    evidence.conclude("plans", found, given)


def measure(spaces: list[list[str]]) -> evidence.Findings:
    """A plan, one with first calls, a run, and a plan after it, for each space."""
    found: evidence.Findings = {"runs": []}
    with evidence.as_far_as_it_goes(found):
        for options in spaces:
            evidence.say(f"plans and a run of {' '.join(options)}")
            with tempfile.TemporaryDirectory() as folder:
                found["runs"].append({"options": options, **_compared(options, folder)})
    runs = found["runs"]
    asked = [
        *(_factor(f"the time of {' '.join(one['options'])}, by {name}", one[name]["seconds"], one["run_s"], TIME_WITHIN)
          for one in runs for name in ("tried", "recorded")),
        *(_factor(f"the memory of {' '.join(one['options'])}, by tried", one["tried"]["peak_bytes"], one["peak_bytes"],
                  MEMORY_WITHIN) for one in runs),
    ]  # fmt: skip
    return {**found, "targets": asked}


def _compared(options: list[str], folder: str) -> evidence.Findings:
    counted, tried = _plan(options, folder), _plan([*options, "--try"], folder)
    start = read_clock()
    _call(["run", *options, "--out", folder, "--no-report"])
    run_s = read_clock() - start
    peaks = gb.load(folder).frame["peak_memory_bytes"].dropna()
    recorded = _plan(options, folder)
    return {
        "run_s": run_s,
        "peak_bytes": int(peaks.max()),
        "counted": counted,
        "tried": tried,
        "recorded": recorded,
    }


def _factor(asked: str, told: float, found: float, within: float) -> evidence.Findings:
    """The factor by which an estimate is off, 1 or more."""
    off = max(told / found, found / told)
    return evidence.target(f"{asked}, off by a factor of at most {within}", off, within, "×")


def _plan(options: list[str], folder: str) -> evidence.Findings:
    estimate: evidence.Findings = json.loads(_call(["plan", *options, "--out", folder, "--format", "json"]))["estimate"]
    return estimate


def _call(words: list[str]) -> str:
    """What the command prints."""
    code = "import grouped_bench.commands.main as cli; cli.main()"
    return subprocess.run(
        [sys.executable, "-c", code, *words, "--quiet"], check=True, stdout=subprocess.PIPE, text=True
    ).stdout


if __name__ == "__main__":
    main()

"""Peers: one convolution and its identical twin, compared by us, pytest-benchmark and torch.utils.benchmark.

30 comparisons by each tool, one after another in turn so that all meet the same weather; about 10 minutes.
A comparison is a fresh process with the tool's default settings. The peers give no verdict: a claim of theirs is a
ratio that is off by more than 5 %. Ours is a verdict `faster` or `slower`. The twins are the same: all are wrong.

torch.utils.benchmark needs `pip install torch`, which nothing else here does; without it, it is left out.

python bench/peers.py --save            # on a quiet machine
python bench/peers.py --hog --save      # while another process keeps one processor busy, on and off
"""

import importlib.metadata
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import evidence
import peer_steps

from grouped_bench.measure.rounds import read_clock

CLAIM = 0.05
STEPS = str(Path(peer_steps.__file__).resolve())
# Each tool under its name on the page, and the distribution that it comes with.
TOOLS = {"ours": "grouped-bench", "pytest": "pytest-benchmark", "torch": "torch.utils.benchmark"}
DISTRIBUTIONS = {**TOOLS, "torch": "torch"}
PROCESS_TIMEOUT_S = 300.0


def main() -> None:
    parser = evidence.make_parser(__doc__)
    parser.add_argument("--hog", action="store_true", help="beside a process that keeps one processor busy, on and off")
    parser.add_argument("--comparisons", type=int, default=30, help="of each tool, 30 unless given")
    parser.add_argument("--minutes", type=float, default=12.0, help="none begins later than this, 12 unless given")
    given = evidence.parse(parser)
    found = measure(comparisons=given.comparisons, minutes=given.minutes, hog=given.hog, smoke=given.smoke)
    for name, tool in found["tools"].items():
        if tool["comparisons"]:
            print(
                f"{name:24} sd {evidence.shown(tool['sd_log_ratio'], '%')}, worst {tool['worst']:.1%}, "
                f"{tool['claims']} claims, {tool['process_s']:.1f} s a comparison"
            )
    evidence.conclude("peers-hog" if given.hog else "peers", found, given)


def measure(
    *, comparisons: int = 30, minutes: float = 12.0, hog: bool = False, smoke: bool = False
) -> evidence.Findings:
    """What each tool said of the twins, and what it took."""
    found: evidence.Findings = {"hog": hog, "claim": CLAIM, "tools": {}, "targets": []}
    if importlib.util.find_spec("torch") is None:
        evidence.say("torch.utils.benchmark is left out: `pip install torch` brings it")
        tools = [tool for tool in TOOLS if tool != "torch"]
    else:
        tools = list(TOOLS)
    made: dict[str, list[dict[str, Any]]] = {tool: [] for tool in tools}
    start, comparisons = read_clock(), 1 if smoke else comparisons
    with evidence.as_far_as_it_goes(found), evidence.hogged(hog):
        for number, _ in evidence.in_time(range(comparisons), minutes, start, "comparisons"):
            for tool in tools:
                evidence.say(f"comparison {number + 1}/{comparisons}: {TOOLS[tool]}")
                made[tool].append(compare(tool, smoke=smoke))
    found["tools"] = {TOOLS[tool]: summary(tool, results) for tool, results in made.items()}
    return found


def compare(tool: str, *, smoke: bool) -> dict[str, Any]:
    """One comparison in a fresh process, and the seconds from its start to its end."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, STEPS, f"{tool}-smoke" if smoke and tool == "ours" else tool]
        if tool == "pytest":
            options = ["--quiet", "-p", "no:cacheprovider", f"--benchmark-json={report}"]
            command = [sys.executable, "-m", "pytest", STEPS, *options]
        start = read_clock()
        ended = subprocess.run(command, capture_output=True, text=True, timeout=PROCESS_TIMEOUT_S, check=False)
        seconds = read_clock() - start
        if ended.returncode:
            evidence.say(f"{TOOLS[tool]} failed: {(ended.stdout + ended.stderr).strip()[-2000:]}")
            ended.check_returncode()
        said = (
            peer_steps.from_report(json.loads(report.read_text()))
            if tool == "pytest"
            else json.loads(ended.stdout.splitlines()[-1])
        )
    return {**said, "process_s": seconds}


def summary(tool: str, results: list[dict[str, Any]]) -> evidence.Findings:
    """Error, claims and time of a tool's comparisons."""
    logs = [result["log_ratio"] for result in results]
    claims = sum(
        result["verdict"] in ("faster", "slower") if tool == "ours" else abs(result["log_ratio"]) > CLAIM
        for result in results
    )
    return {
        "version": importlib.metadata.version(DISTRIBUTIONS[tool]),
        "comparisons": len(results),
        "log_ratios": logs,
        "sd_log_ratio": statistics.stdev(logs) if len(logs) > 1 else None,
        "worst": max(map(abs, logs), default=None),
        "claims": claims,
        "undecided": sum(result["verdict"] == "undecided" for result in results) if tool == "ours" else None,
        "process_s": statistics.mean(result["process_s"] for result in results) if results else None,
        "without_import_s": (
            statistics.mean(result["process_s"] - result["import_s"] for result in results) if results else None
        ),
    }


if __name__ == "__main__":
    main()

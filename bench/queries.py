"""How long do queries over large stores take? 10,000,000 tasks in 100 files, and 10,000 runs; about 5 minutes.

Each query is the command as typed, in a process of its own. Its peak is that of its resident set.

python bench/queries.py --save
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import evidence
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import grouped_bench as gb
from grouped_bench.analyse.statistics.derive import RULES
from grouped_bench.harness.plan import make_plan
from grouped_bench.measure.rounds import read_clock
from grouped_bench.space.space import Space
from grouped_bench.store import identity
from grouped_bench.store.schema import METADATA_KEY, SCHEMA_VERSION, arrow_schema

TASKS, FILES, RUNS = 10_000_000, 100, 10_000
BEST = (
    "select machine, groups, in_channels, size, batch_size, arg_min(variant, latency_s) as best, min(latency_s) as s "
    "from tasks where status = 'ok' and computes = 'grouped' group by all order by all"
)
NEWEST = "select run_id, machine, started_at from runs order by started_at desc limit 20"
QUERY_S, QUERY_BYTES, LIST_S = 10.0, 2 * 2**30, 1.0


def main() -> None:
    given = evidence.parse(evidence.make_parser(__doc__))
    found = measure(*((20_000, 4, 20) if given.smoke else (TASKS, FILES, RUNS)))
    for one in found["queries"]:
        print(f"{one['what']}: {one['seconds']:.2f} s, {one['peak_bytes'] / 2**30:.2f} GiB, {one['rows']} rows")
    evidence.conclude("queries", found, given)


def measure(tasks: int, files: int, runs: int) -> evidence.Findings:
    """The query for the best variants over `tasks`, and the newest of `runs`."""
    found: evidence.Findings = {"tasks": tasks, "files": files, "runs": runs, "queries": []}
    with evidence.as_far_as_it_goes(found), tempfile.TemporaryDirectory() as folder:
        large, many = Path(folder, "large"), Path(folder, "many")
        for path, count, size in ((large, files, tasks // files), (many, runs, 10)):
            evidence.say(f"writing {count} runs of {size} tasks")
            path.mkdir()
            _write(path, count, size)
        empty = _timed("an empty one, which starts the command and DuckDB", "select 1", many / "0.parquet")
        best = _timed("best variant of each case and machine", BEST, large)
        newest = _timed("the newest runs", NEWEST, many)
        evidence.say(f"compacting {runs} runs")
        start = read_clock()
        made = gb.compact(many)
        found |= {"compact_s": read_clock() - start, "parts": len(made.parts), "compact_bytes": made.bytes}
        compacted = _timed("the newest runs, compacted", NEWEST, many)
        found["queries"] = [empty, best, newest, compacted]
        found["listed_s"] = newest["seconds"] - empty["seconds"]
        found["listed_compacted_s"] = compacted["seconds"] - empty["seconds"]
        found["disk_bytes"] = sum(file.stat().st_size for file in large.iterdir())
    best = found["queries"][1] if len(found["queries"]) > 1 else {"seconds": None, "peak_bytes": None}
    asked = [
        evidence.target(f"seconds of a query over {tasks:,} tasks", best["seconds"], QUERY_S, "s"),
        evidence.target("its memory", best["peak_bytes"], QUERY_BYTES, "B"),
        evidence.target(
            f"seconds to list {runs:,} compacted runs, beside the start", found.get("listed_compacted_s"), LIST_S, "s"
        ),
    ]
    return {**found, "targets": asked}


def _write(folder: Path, count: int, size: int) -> None:
    """`count` runs of `size` tasks: those of a sweep, with latencies drawn at random."""
    cohorts = make_plan(Space(groups=[2, 4, 8, 16, 32], channels=[64, 128, 256], size=[7, 14, 28, 56])).cohorts
    planned = [row for cohort in cohorts for row in map(cohort.to_columns, cohort.variants)]
    rng = np.random.default_rng(0)
    known = identity.here()
    machine_facts = known.to_facts() if known else None
    schema = arrow_schema()
    told = {"run_id": "", "machine": "", "backend_version": "2.21.0", "status": "ok"}
    columns = {
        name: [{**told, **planned[row % len(planned)]}.get(name) for row in range(size)]
        for name in schema.names
        if name != "started_at"
    }
    base = pa.table(
        {name: pa.array(values, schema.field(name).type) for name, values in columns.items()}
        | {"started_at": pa.array([0] * size, schema.field("started_at").type)}
    ).select(schema.names)
    for number in range(count):
        machine = f"machine-{number % 20}"
        made = base
        drawn = {
            "run_id": pa.array([str(number)] * size),
            "machine": pa.array([machine] * size),
            "latency_s": pa.array(rng.lognormal(-6, 1, size)),
        }
        for name, values in drawn.items():
            made = made.set_column(schema.get_field_index(name), schema.field(name), values)
        started = f"2026-11-{1 + number % 28:02}T00:00:00Z"
        facts = {"schema": SCHEMA_VERSION, "run_id": str(number), "machine": machine, "started_at": started,
                 "version": "0.1.0", "identity": machine_facts, "control": {RULES: 0.01}}  # fmt: skip
        metadata = {METADATA_KEY: json.dumps(facts).encode()}
        pq.write_table(made.cast(schema.with_metadata(metadata)), folder / f"{number}.parquet", compression="zstd")


def _timed(what: str, sql: str, runs: Path) -> evidence.Findings:
    """Seconds, peak and rows of one query."""
    evidence.say(what)
    code = "import grouped_bench.commands.main as cli; cli.main()"
    words = [sys.executable, "-c", code, "query", sql, str(runs), "--format", "json"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    start = read_clock()
    told = subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout
    seconds = read_clock() - start
    peak = max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 1024
    return {"what": what, "seconds": seconds, "peak_bytes": peak, "rows": len(json.loads(told)["rows"])}


if __name__ == "__main__":
    main()

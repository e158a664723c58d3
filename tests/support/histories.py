"""Runs over commits, made up: levels of each variant by run, the machine's weather in samples and reference alike."""

import datetime
import hashlib

import numpy as np
import pandas as pd
from frames import COMPUTES, frame, metadata

from grouped_bench.store.runs import write_run

REFERENCE_S = 2e-3
START = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
PROCESSES, ROUNDS = 4, 3
CASE = {"groups": [4], "channels": [64], "passes": ["training"]}


def commit(number, **changes):
    """The commit of a number, a day after the one before."""
    name = hashlib.sha1(str(number).encode()).hexdigest()
    return {"id": name, "date": (START + datetime.timedelta(days=number)).isoformat(), "dirty": False, **changes}


def run(number, variants, *, spread=0.003, weather=0.2, reference=True, told=True, seed=None, **facts):
    """Frame and facts of one run; `variants` maps each to its latency over the reference workload's."""
    random = np.random.default_rng(1000 + number if seed is None else seed)
    run_id = f"{START + datetime.timedelta(days=number):%Y%m%d-%H%M%S}-{number:04x}"
    known = [name if name in COMPUTES else "regular" for name in variants]
    made = frame(**CASE, variants=known, run_id=run_id).assign(variant=list(variants))
    machine = np.exp(random.normal(0, weather, (PROCESSES, 1)) + random.normal(0, weather))
    references = REFERENCE_S * machine * np.ones((PROCESSES, ROUNDS))
    samples = []
    for ratio in variants.values():
        own = np.exp(random.normal(0, spread) + random.normal(0, spread, (PROCESSES, ROUNDS)))
        samples.append((references * ratio * own).tolist())
    columns = {"samples_s": samples, "visit_process": [list(range(PROCESSES))] * len(made)}
    columns["reference_s"] = [references.tolist() if reference else None] * len(made)
    columns["started_at"] = [pd.Timestamp(START + datetime.timedelta(days=number))] * len(made)
    made = made.assign(**{name: pd.Series(values, made.index, dtype=object) for name, values in columns.items()})
    made["started_at"] = pd.to_datetime(made["started_at"], utc=True)
    facts = {"commit": commit(number) if told else None, **facts}
    return made, metadata(run_id=run_id, started_at=made["started_at"].iloc[0].isoformat(), **facts)


def runs(count, steps, **options):
    """So many runs; `steps` maps a variant to its ratios by the number of the first run with each."""
    made = []
    for number in range(count):
        ratios = {name: [size for at, size in sizes.items() if at <= number][-1] for name, sizes in steps.items()}
        made.append(run(number, ratios, **options))
    return made


def joined(made):
    """One frame of all, and the facts of each."""
    return pd.concat([one for one, _ in made], ignore_index=True), [facts for _, facts in made]


def written(made, folder):
    """The runs as files below `folder`."""
    return [write_run(one, facts, folder / "m" / f"{facts['run_id']}.parquet") for one, facts in made]

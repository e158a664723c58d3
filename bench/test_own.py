"""pytest-benchmark of the project's own work: planning, recording, analysing and reporting 1,000 tasks."""

import datetime
import json

import numpy as np
import pandas as pd
import pytest

from grouped_bench.analyse.statistics.derive import derive
from grouped_bench.harness.plan import make_plan
from grouped_bench.measure import rounds
from grouped_bench.report.page import html
from grouped_bench.report.run import tables
from grouped_bench.space.space import Space
from grouped_bench.store.rows import make_rows
from grouped_bench.store.runs import read_run, write_run
from grouped_bench.store.schema import NAMES

SPACE = Space(
    groups=[1, 2, 4, 8, 16],
    channels=[64, 128],
    size=[7, 14, 28, 56, 112],
    batch_size=[1, 8],
    passes="inference,training",
)
VISITS, ROUNDS = 8, 16
METADATA = {"schema": 1, "run_id": "bench"}


@pytest.fixture(scope="module")
def plan():
    return make_plan(SPACE)


@pytest.fixture(scope="module")
def frame(plan):
    """1,000 tasks with seeded samples."""
    rng = np.random.default_rng(0)
    records = [
        {
            "kind": "visit",
            "cohort": number,
            "process": visit % 3,
            "built": {v: {"first_call_s": 0.1, "relative_error": 0.0, "iterations": 4} for v in cohort.variants},
            "failed": {},
            "samples": {v: list(0.01 * np.exp(rng.normal(0, 0.1, ROUNDS))) for v in cohort.variants},
            "reference": list(0.001 * np.exp(rng.normal(0, 0.1, ROUNDS))),
            "stolen": 0.0,
            "throttled": 0.0,
        }
        for number, cohort in enumerate(plan.cohorts)
        for visit in range(VISITS)
    ]
    shared = {
        "run_id": "bench",
        "machine": "bench",
        "started_at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        "backend_version": "0",
        "device_name": "bench",
    }
    rows = make_rows([{**task, **shared} for task in plan.numbered()], records, "")
    assert len(rows) == 1000
    return pd.DataFrame(rows, columns=list(NAMES), dtype=object)


@pytest.fixture(scope="module")
def derived(frame):
    return derive(frame, 0.03)


@pytest.fixture(scope="module")
def sample():
    """Times a reference workload of some milliseconds: sorting, and text made and read, as all of this does."""
    values = np.random.default_rng(0).random(20_000)

    def work():
        return json.loads(json.dumps(np.sort(values).tolist()))

    return lambda: rounds.time_sample(work, lambda made: None, 1)


def test_plan(beside, sample):
    assert beside(lambda: make_plan(SPACE), sample).tasks == 1000


def test_analyse(beside, sample, frame):
    assert beside(lambda: derive(frame, 0.03), sample)["latency_s"].notna().all()


def test_write(beside, sample, derived, tmp_path):
    assert beside(lambda: write_run(derived, METADATA, tmp_path / "run.parquet"), sample).exists()


def test_read(beside, sample, derived, tmp_path):
    path = write_run(derived, METADATA, tmp_path / "run.parquet")
    assert len(beside(lambda: read_run(path), sample)[0]) == 1000


def test_show(beside, sample, derived):
    assert "1,000 tasks" in beside(lambda: tables.render(derived, [METADATA]), sample)


def test_report(beside, sample, derived):
    assert "</html>" in beside(lambda: html.page(derived, [METADATA]), sample, least=1)

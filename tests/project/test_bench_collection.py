"""The benchmarks in `bench/`: cheap to collect, one a variant and case of preset `ci`, and refused in words."""

import subprocess
import sys

import pytest
from checkout import ROOT

from grouped_bench import variants
from grouped_bench.harness.plan import make_plan, resolved
from grouped_bench.space.space import Space

FRAMEWORKS = {"tensorflow", "keras", "jax", "torch"}


@pytest.fixture(scope="module")
def collected():
    """Names of the benchmarks, and the modules that collecting them loads."""
    code = (
        "import sys, pytest; code = pytest.main(['bench', '--collect-only', '-q', '-p', 'no:cacheprovider'])\n"
        "print(*sys.modules); sys.exit(code)"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    *lines, modules = ended.stdout.splitlines()
    return [line for line in lines if "::" in line], set(modules.split())


def test_collecting_loads_no_framework(collected):
    assert collected[1] & {*FRAMEWORKS, "matplotlib.pyplot"} == set()
    assert "grouped_bench.harness.plan" in collected[1]


def test_every_variant_is_there_in_every_case_of_preset_ci(collected):
    names = [name.partition("test_variant[")[2].removesuffix("]") for name in collected[0] if "test_variant[" in name]
    cohorts = make_plan(resolved(Space.preset("ci"), {"variant": "all"})[0]).cohorts
    wanted = [name for cohort in cohorts for name in variants.names(cohort.case.scope)]
    assert sorted(name.partition("-")[0] for name in names) == sorted(wanted)
    assert len(set(names)) == len(names)


def test_an_ordinary_run_of_the_tests_collects_none_of_them():
    code = "import pytest; config = pytest.Config.fromdictargs({}, []); print(config.getini('testpaths'))"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert told.strip() == "['tests']"


def test_without_pytest_benchmark_that_is_said_in_one_line():
    words = ["-m", "pytest", "bench", "--collect-only", "-q", "-p", "no:benchmark"]
    ended = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert ended.stderr.strip() == (
        "ERROR: bench/ needs pytest-benchmark; install it with pip install pytest-benchmark"
    )

"""The real backend, loaded once; timing beside a reference; what the JSON tells besides: libraries, and what failed."""

import statistics

import pytest

from grouped_bench import backends
from grouped_bench.harness.facts.commit import read_commit
from grouped_bench.measure import rounds
from grouped_bench.measure.machine.versions import library_versions

# Below this, one call tells too little of how long a round takes.
_SHORT_S = 0.1
_FAILED = pytest.StashKey[list[str]]()


def pytest_configure(config):
    if not config.pluginmanager.hasplugin("benchmark"):
        raise pytest.UsageError("bench/ needs pytest-benchmark; install it with pip install pytest-benchmark")
    config.stash[_FAILED] = []


@pytest.fixture(scope="session")
def backend():
    return backends.load("tensorflow")


@pytest.fixture
def beside(benchmark, request):
    """`beside(call, sample)` times `call` by pytest-benchmark's own limits, and gives what it returns.

    Before each round `sample()` gives the seconds that a reference workload takes, or None where there is none; their
    median goes into `extra_info`, so that `grouped-bench compare` sees a machine that is slower today.
    """

    least_of_all = request.config.getoption("benchmark_min_rounds")

    def timed(call, sample, least=least_of_all):
        if benchmark.disabled:
            return benchmark(call)
        samples = []

        def once():
            start = rounds.read_clock()
            sample()
            call()
            return rounds.read_clock() - start

        round_s = once()
        if round_s < _SHORT_S:
            round_s = min(round_s, once(), once())
        count = max(least, int(float(request.config.getoption("benchmark_max_time")) / round_s))
        result = benchmark.pedantic(call, setup=lambda: samples.append(sample()), rounds=count)
        benchmark.extra_info["reference_s"] = None if None in samples else statistics.median(samples)
        return result

    return timed


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    if report.failed and "benchmark" in item.fixturenames:
        item.config.stash[_FAILED].append(item.nodeid)
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(machine_info):
    machine_info["libraries"] = library_versions()


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_commit_info(commit_info):
    """Uncommitted changes by their digest, so that `grouped-bench compare` sees which files repeat each other."""
    told = read_commit() or {}
    if commit_info.get("dirty") and "changes" in told:
        commit_info["changes"] = told["changes"]


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config, output_json):
    """pytest-benchmark leaves out what failed, which `grouped-bench compare` must not take for gone."""
    output_json["errors"] = list(dict.fromkeys(config.stash[_FAILED]))

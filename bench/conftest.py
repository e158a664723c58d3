"""The real backend, loaded once, and what the JSON tells besides: versions of libraries, and what failed."""

import pytest

from grouped_bench import backends
from grouped_bench.measure.libraries import library_versions

_FAILED = pytest.StashKey[list[str]]()


def pytest_configure(config):
    if not config.pluginmanager.hasplugin("benchmark"):
        raise pytest.UsageError("bench/ needs pytest-benchmark; install it with pip install pytest-benchmark")
    config.stash[_FAILED] = []


@pytest.fixture(scope="session")
def backend():
    return backends.load("tensorflow")


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
def pytest_benchmark_update_json(config, output_json):
    """pytest-benchmark leaves out what failed, which `grouped-bench compare` must not take for gone."""
    output_json["errors"] = list(dict.fromkeys(config.stash[_FAILED]))

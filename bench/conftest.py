"""The real backend, loaded once, for the benchmarks of the variants."""

import pytest

from grouped_bench import backends


@pytest.fixture(scope="session")
def backend():
    return backends.load("tensorflow")

"""The real backend, loaded once, for the benchmarks of the variants."""

import os

import pytest

from grouped_bench import backends


@pytest.fixture(scope="session")
def backend():
    backend = backends.get("tensorflow")
    os.environ.update(backend.variables)
    backend.load()
    return backend

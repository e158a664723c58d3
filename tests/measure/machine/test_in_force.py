"""What a process really uses, asked of real hosts: each variable that plays a lesser processor shows in it."""

import json

import pytest

from grouped_bench.harness.processes import probing
from grouped_bench.measure.machine import in_force as measuring
from grouped_bench.measure.machine.processor import told

WITH_AVX512 = "avx512f" in (told("flags") or "")
CLEARED = (*measuring.STEERING, "TF_ENABLE_ONEDNN_OPTS", "OMP_NUM_THREADS")


@pytest.fixture
def ask(monkeypatch):
    def ask(backend, **variables):
        for name in CLEARED:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return probing.probe_backend(backend).in_force

    return ask


@pytest.mark.parametrize("value", ["0", "1"])
def test_tensorflow_tells_whether_onednn_is_on(ask, value):
    told = ask("tensorflow", TF_ENABLE_ONEDNN_OPTS=value)
    assert told["onednn"] == (value == "1")
    assert told["onednn_isa"]  # of which Eigen's matrix product takes its kernel too
    assert set(told["threads"]) == {"tensorflow", "xla"}
    assert json.loads(json.dumps(told)) == told


def test_tensorflow_tells_what_limits_its_instruction_sets(ask):
    flag = "--xla_cpu_max_isa=AVX2"
    told = ask("tensorflow", ONEDNN_MAX_CPU_ISA="AVX2", XLA_FLAGS=flag)
    assert (told["onednn_isa"], told["xla_isa"]) == ("Intel AVX2", "AVX2")
    assert told["flags"] == {"ONEDNN_MAX_CPU_ISA": "AVX2", "XLA_FLAGS": flag}
    assert ask("tensorflow")["xla_isa"] == "native"


def test_pytorch_tells_its_capability_and_onednns(ask):
    lesser = ask("torch", ATEN_CPU_CAPABILITY="avx2", ONEDNN_MAX_CPU_ISA="AVX2", OMP_NUM_THREADS="1")
    assert (lesser["instruction_set"], lesser["onednn_isa"]) == ("AVX2", "Intel AVX2")
    assert (lesser["onednn"], lesser["threads"]) == (True, {"torch": 1})
    assert ask("torch", ATEN_CPU_CAPABILITY="default")["instruction_set"] not in ("AVX2", "AVX512")


@pytest.mark.skipif(not WITH_AVX512, reason="no flag makes a processor a better one")
def test_xla_tells_the_target_that_it_compiled_for(ask):
    assert "avx512f" in ask("jax")["xla_isa"].split()
    limited = ask("jax", XLA_FLAGS="--xla_cpu_max_isa=AVX2")
    assert "avx512f" not in limited["xla_isa"].split()
    assert "avx2" in limited["xla_isa"].split()


def test_a_flag_that_xla_refuses_is_told_and_ends_nothing_else(ask):
    told = ask("tensorflow", XLA_FLAGS="--xla_nonsense=/home/someone/x")
    assert set(told) == {"failed"}
    assert "Unknown flag in XLA_FLAGS: --xla_nonsense=x" in told["failed"]


def test_paths_in_flags_are_reduced_to_names(ask):
    told = ask("jax", XLA_FLAGS="--xla_dump_to=/tmp/someone/dump")
    assert told["flags"] == {"XLA_FLAGS": "--xla_dump_to=dump"}

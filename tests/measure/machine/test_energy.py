"""Energy of a call, from meters that a test can set; and what a GPU's library tells."""

import sys
import types

import pytest
from fake_clock import FakeClock

from grouped_bench.measure.machine import energy, gpu


@pytest.fixture
def nvml(monkeypatch):
    """A library that knows two GPUs; `state` holds what the asked one does."""
    state = {"millijoules": 0.0}
    library = types.SimpleNamespace(
        NVMLError=RuntimeError,
        NVML_CLOCK_SM=1,
        NVML_CLOCK_MEM=2,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: state.update(asked=index) or index,
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: state["millijoules"],
        nvmlDeviceGetName=lambda handle: b"A GPU",
        nvmlSystemGetDriverVersion=lambda: "580.1",
        nvmlDeviceGetMaxClockInfo=lambda handle, kind: 1980 if kind == 1 else 2619,
        nvmlDeviceGetEnforcedPowerLimit=lambda handle: 700_000,
        nvmlDeviceGetCudaComputeCapability=lambda handle: (9, 0),
        nvmlDeviceGetMemoryInfo=lambda handle: types.SimpleNamespace(total=80 * 2**30),
    )
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", library)
    return state


@pytest.fixture
def zones(monkeypatch, tmp_path):
    """Two processor packages with their counters."""
    for number in (0, 1):
        (tmp_path / f"intel-rapl:{number}").mkdir()
        (tmp_path / f"intel-rapl:{number}" / "energy_uj").write_text("0\n")
    (tmp_path / "intel-rapl:0:0").mkdir()  # a part of a package is in its package already
    monkeypatch.setattr(energy, "_ZONES", tmp_path)
    return tmp_path


def stretch(device, watts, tell, cost=0.01):
    """Joules of a call that takes `cost` seconds on a device of so many watts, whose meter `tell` sets."""
    clock = FakeClock()

    def step():
        clock.now += cost
        tell(watts * clock.now)

    return energy.joules_a_call(step, lambda _: None, device, clock)


def test_a_gpus_energy_is_that_of_its_counter(nvml):
    found = stretch("gpu:1", 300.0, lambda joules: nvml.update(millijoules=1e3 * joules))
    assert found == pytest.approx(3.0)
    assert nvml["asked"] == 1


def test_a_processors_energy_is_that_of_all_packages(zones):
    def tell(joules):
        for zone in ("intel-rapl:0", "intel-rapl:1"):
            (zones / zone / "energy_uj").write_text(f"{round(joules / 2 * 1e6)}\n")

    assert stretch("cpu", 40.0, tell) == pytest.approx(0.4, rel=1e-3)


def test_a_counter_that_began_anew_tells_nothing(zones):
    assert stretch("cpu", 40.0, lambda joules: None) is None


def test_where_no_meter_can_be_read_nothing_is_called(monkeypatch, tmp_path):
    monkeypatch.setattr(energy, "_ZONES", tmp_path)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    for device in ("cpu", "gpu"):
        assert energy.joules_a_call(pytest.fail, pytest.fail, device) is None


def test_one_package_that_may_not_be_read_leaves_no_sum(zones):
    (zones / "intel-rapl:1" / "energy_uj").unlink()
    assert energy.meter_of("cpu")() is None


def test_the_facts_of_a_gpu(nvml):
    assert gpu.facts("gpu") == {
        "name": "A GPU",
        "driver": "580.1",
        "clock_mhz": 1980,
        "memory_clock_mhz": 2619,
        "power_limit_w": 700.0,
        "memory_bytes": 80 * 2**30,
        "compute_capability": "9.0",
    }


def test_a_library_that_refuses_tells_nothing(nvml, monkeypatch):
    def refuse():
        raise RuntimeError

    monkeypatch.setattr(sys.modules["pynvml"], "nvmlInit", refuse)
    assert gpu.facts("gpu") is None
    assert gpu.clock_share("gpu") is None

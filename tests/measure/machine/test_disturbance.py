"""What disturbed a visit, read from files made here and a clock that stands still."""

import sys
import threading
import time
import types

import pytest

from grouped_bench.measure.machine import disturbance


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Two usable processors of three that tests move: wall and own seconds, ticks of work, seconds held back."""
    state = types.SimpleNamespace(wall=0.0, own=0.0, foreign=0, stat=tmp_path / "stat", group=tmp_path / "cpu.stat")
    monkeypatch.setattr(disturbance, "_STAT", state.stat)
    monkeypatch.setattr(disturbance, "cpu_groups", lambda: [tmp_path / "none", tmp_path])
    monkeypatch.setattr(disturbance, "processors", lambda: {0, 2})
    monkeypatch.setattr(disturbance, "read_clock", lambda: state.wall)
    used = types.SimpleNamespace
    monkeypatch.setattr(
        disturbance.resource, "getrusage", lambda who: used(ru_utime=state.own * 0.75, ru_stime=state.own * 0.25)
    )

    def ticks(user=0, nice=0, system=0, idle=0, iowait=0, irq=0, softirq=0, steal=0):
        ours = f"{user} {nice} {system} {idle} {iowait} {irq} {softirq} {steal} 0 0"
        foreign = f"cpu1 {state.foreign} 0 0 0 0 0 0 0 0 0"
        state.stat.write_text(f"cpu  1 1\ncpu0 {ours}\n{foreign}\ncpu2 0 0 0 0 0 0 0 0 0 0\ncpu21 9 9\nintr 5\n")

    state.ticks = ticks
    monkeypatch.setattr(disturbance.os, "sysconf", lambda name: 100)
    return state


def watched(system, *, seconds, own, ticks, device="cpu"):
    system.ticks(user=1000, idle=5000)
    watch = disturbance.Watch(device)
    system.wall, system.own = system.wall + seconds, system.own + own
    system.ticks(**ticks)
    return watch.stop()


def test_a_machine_of_ones_own_has_nothing_stolen(system):
    found = watched(system, seconds=2.0, own=3.0, ticks={"user": 1250, "system": 50, "idle": 5100})
    assert found["stolen"] == pytest.approx(0)


def test_the_work_of_others_is_a_share_of_the_processors_time(system):
    found = watched(system, seconds=2.0, own=2.0, ticks={"user": 1200, "nice": 100, "irq": 50, "softirq": 50})
    assert found["stolen"] == pytest.approx(2 / 4)


def test_work_on_processors_that_are_not_ours_steals_nothing(system):
    system.ticks(user=1000)
    watch = disturbance.Watch("cpu")
    system.wall, system.own, system.foreign = 2.0, 3.0, 200
    system.ticks(user=1300)
    assert watch.stop()["stolen"] == pytest.approx(0)


def test_what_a_hypervisor_takes_is_stolen(system):
    found = watched(system, seconds=2.0, own=1.0, ticks={"user": 1100, "steal": 40})
    assert found["stolen"] == pytest.approx(0.4 / 4)


def test_waiting_and_idling_are_no_work(system):
    found = watched(system, seconds=2.0, own=1.0, ticks={"user": 1100, "idle": 9000, "iowait": 900})
    assert found["stolen"] == pytest.approx(0)


def test_ticks_are_coarse_and_a_share_is_never_negative(system):
    assert watched(system, seconds=0.02, own=0.03, ticks={"user": 1000})["stolen"] == 0


@pytest.mark.parametrize("text", ["", "cpu 1 2\n", "cpu0 1 2\n", "cpu0 a b c d e f g h\n", f"cpu0{' 1' * 10}\n"])
def test_a_system_that_does_not_tell_gives_null(system, text):
    system.stat.write_text(text)
    assert disturbance.Watch("cpu").stop() == {"stolen": None, "throttled": None}
    system.stat.unlink()
    assert disturbance.Watch("cpu").stop()["stolen"] is None


@pytest.mark.parametrize(("key", "unit"), [("throttled_usec", 1e6), ("throttled_time", 1e9)])
def test_a_quota_that_holds_back_is_told_in_both_forms_of_control_groups(system, key, unit):
    system.group.write_text(f"nr_periods 5\n{key} {int(1 * unit)}\n")
    system.ticks()
    watch = disturbance.Watch("cpu")
    system.wall = 2.0
    system.group.write_text(f"nr_periods 9\n{key} {int(1.5 * unit)}\n")
    assert watch.stop()["throttled"] == pytest.approx(0.25)


def test_the_strictest_of_nested_groups_holds(system, tmp_path, monkeypatch):
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.setattr(disturbance, "cpu_groups", lambda: [inner, tmp_path])
    system.group.write_text("throttled_usec 0\n")
    (inner / "cpu.stat").write_text("throttled_usec 1000000\n")
    system.ticks()
    watch = disturbance.Watch("cpu")
    system.wall = 2.0
    (inner / "cpu.stat").write_text("throttled_usec 2000000\n")
    assert watch.stop()["throttled"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("clock", "throttled", "visible", "handle"),
    [
        (1980, 0.0, None, 1),
        (1400, 1.0, None, 1),
        (1400, 1.0, "3,5", 5),
        (1400, 1.0, "3, GPU-af", "GPU-af"),
        (1400, None, "3", ""),
    ],
)
def test_a_gpu_below_three_quarters_of_its_clock_is_throttled(system, monkeypatch, clock, throttled, visible, handle):
    asked = []
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    def by_uuid(name):
        asked.append(name)
        if not name:
            raise RuntimeError

    nvml = types.SimpleNamespace(
        NVMLError=RuntimeError,
        nvmlDeviceGetHandleByUUID=by_uuid,
        NVML_CLOCK_SM=1,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=asked.append,
        nvmlDeviceGetClockInfo=lambda handle, kind: clock,
        nvmlDeviceGetMaxClockInfo=lambda handle, kind: 1980,
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    system.ticks()
    assert disturbance.Watch("gpu:1").stop()["throttled"] == throttled
    assert asked == [handle]


def test_a_gpu_that_nothing_can_ask_is_null(system, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    system.ticks()
    assert disturbance.Watch("gpu").stop()["throttled"] is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_a_thread_that_works_in_the_turns_of_others_steals():
    """By real threads, whose time the system counts in hundredths of a second."""
    done = threading.Event()

    def work():
        while not done.is_set():
            sum(range(1000))

    thread = threading.Thread(target=work)
    before = disturbance._python_threads()
    thread.start()
    try:
        until = time.process_time() + 0.2
        while time.process_time() < until:
            time.sleep(0.01)
        assert disturbance._worked(before, disturbance._python_threads()) >= 0.1
    finally:
        done.set()
        thread.join()
    assert disturbance._worked(before, disturbance._python_threads()) < 0.1, "the main thread is none of them"


def test_what_threads_of_pythons_work_is_stolen(system, monkeypatch):
    readings = iter([{7: 1.0}, {7: 1.5, 8: 0.5}])
    monkeypatch.setattr(disturbance, "_python_threads", lambda: next(readings))
    found = watched(system, seconds=2.0, own=3.0, ticks={"user": 1300, "idle": 5100})
    assert found["stolen"] == pytest.approx(1 / 4)

"""What a run publishes about its machine: enough to explain an answer, no path, host name or secret."""

import json
import struct

import pytest

from grouped_bench.measure.machine import cgroups, environment, memory_speed, processor


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/home/someone/sweep.toml", "sweep.toml"),
        ("~/work/x.toml", "x.toml"),
        ("--space=/a/b/c.toml", "--space=c.toml"),
        ("../up/one", "one"),
        ("--groups", "--groups"),
        ("28x28", "28x28"),
        ("sub/folder/mine.py", "mine.py"),
        ("TF_FLAG=a/b:/c/d e/f", "TF_FLAG=b:d f"),
    ],
)
def test_paths_are_reduced_to_names(text, told):
    assert environment.without_paths(text) == told


def test_only_variables_that_change_an_answer_are_published(monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/home/someone/dump")
    monkeypatch.setenv("TF_VAR_password", "secret")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", "/home/someone/.terraformrc")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    facts = environment.describe(["/usr/bin/grouped-bench", "run", "--import=/home/someone b/x.py", "sub folder/y.py"])
    assert facts["variables"]["TF_ENABLE_ONEDNN_OPTS"] == "0"
    assert facts["variables"]["XLA_FLAGS"] == "--xla_dump_to=dump"
    told = json.dumps(facts)
    assert "secret" not in told
    assert "terraform" not in told
    assert "someone" not in told
    assert facts["command"] == ["grouped-bench", "run", "--import=x.py", "y.py"]


# What is read under /proc and /sys


def fill(folder, **files):
    """Files under `folder`, slashes in their names written as two underscores."""
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return folder


def caches(tmp_path, monkeypatch, *levels):
    monkeypatch.setattr(processor, "_CPU", tmp_path)
    for number, (level, size) in enumerate(levels):
        fill(tmp_path / f"cpu0/cache/index{number}", level=level, size=size)
    return processor.last_level_cache_bytes()


@pytest.mark.parametrize(
    ("levels", "size"),
    [
        ([("1", "32K"), ("3", "32768K"), ("2", "1024K")], 32 * 2**20),
        ([("1", "48K"), ("2", "2M")], 2 * 2**20),
        ([("1", "32K"), ("10", "16K")], 16 * 2**10),
        ([("1", "512")], 512),
        ([("1", "32K"), ("2", "")], 32 * 2**10),
        ([("x", "32K")], None),
        ([], None),
    ],
)
def test_the_last_level_is_the_highest(levels, size, tmp_path, monkeypatch):
    assert caches(tmp_path, monkeypatch, *levels) == size


@pytest.mark.parametrize(
    ("shared", "count"),
    [
        (["0-1", "0-1", "2-3", "2-3"], 2),
        (["0-3"] * 4, 1),
        (["0-1", "0-1", "2-3"], 1),
        ([], 1),
    ],
)
def test_last_level_caches_are_those_that_the_usable_processors_have(shared, count, tmp_path, monkeypatch):
    """Processors 0 and 1 are usable, and 3; each has a cache of level 2 of its own."""
    monkeypatch.setattr(processor, "_CPU", tmp_path)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 3}, raising=False)
    for number, list_ in enumerate(shared):
        for index, (level, who) in enumerate([("1", f"{number}"), ("10", list_), ("2", f"{number}"), ("x", "")]):
            fill(tmp_path / f"cpu{number}/cache/index{index}", level=level, shared_cpu_list=who)
    assert processor.last_level_caches() == count


NOTHING_TOLD = {"governor": None, "max_frequency_mhz": None, "smt": None, "turbo_off": None}


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, {}),
        ({"cpu0__cpufreq__scaling_governor": "powersave"}, {"governor": "powersave"}),
        ({"cpu0__cpufreq__scaling_max_freq": "3450000"}, {"max_frequency_mhz": 3450}),
        ({"cpu0__cpufreq__scaling_max_freq": "<unknown>"}, {}),
        ({"smt__control": "notsupported"}, {"smt": "notsupported"}),
        ({"intel_pstate__no_turbo": "1"}, {"turbo_off": True}),
        ({"intel_pstate__no_turbo": "0"}, {"turbo_off": False}),
        ({"cpufreq__boost": "1"}, {"turbo_off": False}),
        ({"cpufreq__boost": "0"}, {"turbo_off": True}),
    ],
)
def test_what_sets_the_clock_is_read_or_null(files, told, tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "_CPU", fill(tmp_path, **files))
    assert processor.speed_settings() == {**NOTHING_TOLD, **told}


V1 = "4:memory:/job\n3:cpuset:/\n1:cpu,cpuacct:/job\n0::/"
V2 = "0::/user/job"


@pytest.mark.parametrize(
    ("own", "files", "cpu", "memory"),
    [
        (V2, {}, None, None),
        (V2, {"user__job__cpu.max": "max 100000", "user__job__memory.max": "max"}, "max 100000", "max"),
        (V2, {"user__job__cpu.max": "50000 100000", "user__cpu.max": "max 100000"}, "50000 100000", None),
        (V2, {"user__job__cpu.max": "50000 200000", "user__cpu.max": "20000 50000"}, "50000 200000", None),
        (V2, {"user__job__cpu.max": "50000 100000", "user__cpu.max": "80000 200000"}, "80000 200000", None),
        (V2, {"user__job__memory.max": "max", "user__memory.max": "900", "memory.max": "1000"}, None, "900"),
        (V2, {"cpu.max": "50000 100000", "memory.max": "1000"}, "50000 100000", "1000"),
        (V2, {"cpu.max": "much", "memory.max": "-1"}, None, None),
        ("0::/../job", {"memory.max": "1000", "..__job__memory.max": "1"}, None, "1000"),
        (V1, {"cpu__job__cpu.cfs_quota_us": "50000", "cpu__job__cpu.cfs_period_us": "100000"}, "50000 100000", None),
        (V1, {"cpu__cpu.cfs_quota_us": "-1", "cpu__cpu.cfs_period_us": "100000"}, "max 100000", None),
        (V1, {"cpu__cpu.cfs_quota_us": "50000"}, None, None),
        (V1, {"cpu__cpu.cfs_quota_us": "50000", "cpu__cpu.cfs_period_us": "0"}, None, None),
        (V1, {"memory__memory.limit_in_bytes": "9223372036854771712"}, None, "max"),
        (V1, {"memory__job__memory.limit_in_bytes": "1000", "memory__memory.limit_in_bytes": "2000"}, None, "1000"),
        (V1, {"memory__other__memory.limit_in_bytes": "1000"}, None, None),
        ("nonsense", {"memory.max": "1000", "cpu.max": "1 1"}, None, None),
    ],
)
def test_the_strictest_limit_of_either_version_is_in_force(own, files, cpu, memory, tmp_path, monkeypatch):
    monkeypatch.setattr(cgroups, "_MOUNT", fill(tmp_path / "mount", **files))
    monkeypatch.setattr(cgroups, "_OWN", fill(tmp_path, own=own) / "own")
    assert (cgroups.cpu_limit(), cgroups.memory_limit()) == (cpu, memory)


def memory_device(size=16384, speed=3200, extended=0, length=0x5C, strings=b"DIMM A\0\0"):
    structure = bytearray(0x5C)
    structure[:4] = struct.pack("<BBH", 17, length, 1)
    structure[0x0C:0x0E] = struct.pack("<H", size)
    structure[0x15:0x17] = struct.pack("<H", 4800)  # what the module could do
    structure[0x20:0x22] = struct.pack("<H", speed)
    structure[0x58:0x5C] = struct.pack("<I", extended)
    return bytes(structure[:length]) + strings


BIOS = struct.pack("<BBH", 0, 6, 0) + b"\x01\x02" + b"Maker\x00" + b"\x00"
END = struct.pack("<BBH", 127, 4, 2) + b"\0\0"


@pytest.mark.parametrize(
    ("table", "speed"),
    [
        (BIOS + memory_device() + END, 3200),
        (BIOS + memory_device(speed=3200) + memory_device(speed=2933, strings=b"\0\0") + END, 2933),
        (memory_device() + memory_device(size=0, speed=0) + END, 3200),
        (memory_device() + memory_device(speed=0) + END, None),
        (memory_device(speed=0xFFFF, extended=70000), 70000),
        (memory_device(length=0x1B), None),
        (memory_device(length=2), None),
        (struct.pack("<BBH", 5, 2, 0) + memory_device() + END, None),  # where the next begins is not known
        (memory_device()[:0x18], None),
        (BIOS + END, None),
        (b"\x11", None),
        (b"", None),
    ],
)
def test_the_memory_is_as_fast_as_its_slowest_module(table, speed):
    assert memory_speed.slowest_module_mts(table) == speed


def test_a_table_that_cannot_be_read_tells_no_speed(tmp_path, monkeypatch):
    monkeypatch.setattr(memory_speed, "_TABLE", tmp_path / "DMI")
    assert memory_speed.memory_speed_mts() is None
    (tmp_path / "DMI").write_bytes(memory_device())
    assert memory_speed.memory_speed_mts() == 3200


@pytest.mark.parametrize(
    ("text", "flags", "virtual"),
    [
        ("flags\t\t: fpu avx2 hypervisor\n", ["avx2", "hypervisor"], True),
        ("flags\t\t: fpu avx2\n", ["avx2"], False),
        ("Features\t: fp asimd\n", ["asimd"], None),
        ("", None, None),
    ],
)
def test_what_the_system_does_not_tell_is_null(text, flags, virtual, tmp_path, monkeypatch):
    nowhere = tmp_path / "nowhere"
    for module, name in ((environment, "_NODES"), (environment, "_HUGE_PAGES"), (processor, "_CPU")):
        monkeypatch.setattr(module, name, nowhere)
    for module, name in ((cgroups, "_OWN"), (cgroups, "_MOUNT"), (memory_speed, "_TABLE")):
        monkeypatch.setattr(module, name, nowhere)
    monkeypatch.setattr(processor, "_CPUINFO", fill(tmp_path, cpuinfo=text) / "cpuinfo")
    facts = environment.describe([])
    assert (facts["processor"]["flags"], facts["system"]["virtual"]) == (flags, virtual)
    assert {name: facts["processor"][name] for name in NOTHING_TOLD} == NOTHING_TOLD
    assert facts["processor"]["last_level_cache_bytes"] is None
    unread = ("cgroup_limit", "numa_nodes", "transparent_huge_pages", "speed_mts")
    assert [facts["memory"][name] for name in unread] == [None] * 4
    assert facts["limits"] == {"cgroup_cpu": None}


def test_nodes_and_huge_pages_are_told(tmp_path, monkeypatch):
    (tmp_path / "nodes/node0").mkdir(parents=True)
    (tmp_path / "nodes/node12").mkdir()
    fill(tmp_path, nodes__online="0,12", enabled="always [madvise] never")
    monkeypatch.setattr(environment, "_NODES", tmp_path / "nodes")
    monkeypatch.setattr(environment, "_HUGE_PAGES", tmp_path / "enabled")
    memory = environment.describe([])["memory"]
    assert (memory["numa_nodes"], memory["transparent_huge_pages"]) == (2, "madvise")

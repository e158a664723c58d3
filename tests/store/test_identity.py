"""What names a machine: two that differ in what decides the kernels are never called alike."""

import dataclasses
import itertools

import pytest
from checkout import ROOT
from frames import frame, metadata
from machines import ZEN4_SETS, machine, older, recorded

from grouped_bench.errors import RunError
from grouped_bench.measure.machine import apple, environment, processor
from grouped_bench.store import identity
from grouped_bench.store.identity import OFF, ON, identity_of, of_gpu, of_processor
from grouped_bench.store.microarchitectures import by_number
from grouped_bench.store.runs import read_facts, read_run, write_run

AVX2 = ("avx", "avx2", "f16c", "fma")
GPU = {"name": "NVIDIA H200", "compute_capability": "9.0", "memory_bytes": 150_754_820_096}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (machine(), "amd-epyc-zen4-avx512-2"),
        (machine(model="1", instruction_sets=AVX2), "amd-epyc-zen3-avx2-2"),
        (machine(name="AMD EPYC 7763 64-Core Processor", model="1", count=4), "amd-epyc-7763-64-core-zen3-avx512-4"),
        (
            machine(name="Intel(R) Xeon(R) CPU @ 2.20GHz", vendor="GenuineIntel", family="6", model="143",
                    instruction_sets=("amx_tile", "avx512f")),
            "intel-xeon-sapphirerapids-amx-2",
        ),
        (
            machine(name="aarch64", vendor="0x41", family="8", model="0xd40", instruction_sets=("asimd", "sve")),
            "aarch64-neoverse-v1-sve-2",
        ),
        (machine(name="?", vendor=None, family=None, model=None), "unknown-avx512-2"),
        (of_gpu(GPU, 1, "Linux"), "nvidia-h200-sm90-1"),
    ],
)  # fmt: skip
def test_a_slug_tells_model_microarchitecture_instruction_set_and_count(found, words):
    told, _, digest = found.slug.rpartition("-")
    assert told == words
    assert len(digest) == 6


def test_machines_that_differ_in_any_fact_have_different_slugs():
    changed = [
        *(machine(**{name: "other"}) for name in ("name", "vendor", "family", "model", "system")),
        *(machine(instruction_sets=sets) for sets in itertools.combinations(ZEN4_SETS, len(ZEN4_SETS) - 1)),
        *(machine(sizes=(("l2_bytes", 2**20), ("l3_bytes", size))) for size in (2**24, 2**25 + 1)),
        machine(sizes=(("l3_bytes", 2**25),)),
        *(machine(count=count) for count in range(3, 200)),
    ]
    names = {one.slug for one in (machine(), *changed)}
    assert len(names) == len(changed) + 1
    assert machine().slug == dataclasses.replace(machine()).slug


@pytest.mark.parametrize(
    ("vendor", "family", "model", "sets", "name"),
    [
        ("AuthenticAMD", "23", "1", (), "zen1"),
        ("AuthenticAMD", "23", "49", (), "zen2"),
        ("AuthenticAMD", "25", "1", (), "zen3"),
        ("AuthenticAMD", "25", "33", (), "zen3"),
        ("AuthenticAMD", "25", "17", (), "zen4"),
        ("AuthenticAMD", "25", "160", (), "zen4"),
        ("AuthenticAMD", "26", "2", (), "zen5"),
        ("AuthenticAMD", "26", "80", (), "zen6"),
        ("AuthenticAMD", "99", "1", (), None),
        ("GenuineIntel", "6", "85", ("avx512f",), "skylake-avx512"),
        ("GenuineIntel", "6", "85", ("avx512f", "avx512_vnni"), "cascadelake"),
        ("GenuineIntel", "6", "106", (), "icelake"),
        ("GenuineIntel", "15", "106", (), None),
        ("0x41", "8", "0xd0c", (), "neoverse-n1"),
        ("0x41", "8", "none", (), None),
        ("Transmeta", "6", "85", (), None),
    ],
)
def test_numbers_tell_the_microarchitecture(vendor, family, model, sets, name):
    assert by_number(vendor, family, model, sets) == name


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (machine(), ON),
        (machine(model="1", instruction_sets=AVX2), OFF),
        (machine(instruction_sets=("avx2", "avx512f")), OFF),
        (machine(instruction_sets=("avx2", "avx_vnni")), ON),
        (machine(instruction_sets=("amx_tile",)), ON),
        (machine(instruction_sets=("avx512_vnni",), system="Darwin"), OFF),
        (machine(instruction_sets=AVX2, system="Windows"), ON),
        (machine(vendor="0x41", model="0xd40", instruction_sets=("sve",)), ON),
        (machine(vendor="0x41", model="0xd4f", instruction_sets=("sve2",)), OFF),
        (machine(system=None), None),
        (of_gpu(GPU, 1, "Linux"), None),
    ],
)
def test_the_class_is_what_tensorflow_does_by_itself(found, told):
    assert found.machine_class == told


def test_the_machine_at_hand_knows_itself():
    found = identity.here()
    assert identity_of({"identity": found.to_facts()}) == found
    assert not found.derived
    assert identity.name_here() == found.slug


def test_the_class_of_the_machine_at_hand_is_tensorflows_own(monkeypatch):
    """Held to TensorFlow: what it does where nothing is set."""
    from grouped_bench.harness.processes.probing import probe_backend

    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    assert probe_backend("tensorflow").in_force["onednn"] == identity.here().onednn_by_default


CPUINFO = {
    "amd": "processor: 0\nvendor_id: AuthenticAMD\ncpu family: 25\nmodel: 1\nmodel name: AMD EPYC 7763\nstepping: 1\n"
    "flags: fpu avx avx2 fma f16c sme smep\n\nprocessor: 1\nvendor_id: Other\n",
    "arm": "processor: 0\nFeatures: fp asimd sve i8mm bf16 sme\nCPU implementer: 0x41\nCPU architecture: 8\n"
    "CPU variant: 0x1\nCPU part: 0xd40\nCPU revision: 1\n",
}


def test_what_the_first_processor_tells_is_recorded(tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(CPUINFO["amd"])
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "cpuinfo")
    facts = environment.describe([])
    told = {name: facts["processor"][name] for name in ("vendor", "family", "model_number", "stepping")}
    assert told == {"vendor": "AuthenticAMD", "family": "25", "model_number": "1", "stepping": "1"}
    found = of_processor(facts)
    assert (found.microarchitecture, found.instruction_sets) == ("zen3", AVX2)
    stepped = of_processor({**facts, "processor": {**facts["processor"], "stepping": "2"}})
    assert stepped == found  # which decides no kernel


def test_arm_tells_itself_by_codes(tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(CPUINFO["arm"])
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "cpuinfo")
    found = of_processor(environment.describe([]))
    assert (found.vendor, found.model, found.microarchitecture) == ("0x41", "0xd40", "neoverse-v1")
    assert found.instruction_sets == ("asimd", "bf16", "i8mm", "sme", "sve")


MACS = {
    "arm": "machdep.cpu.brand_string: Apple M2\nhw.cpufamily: 3660830781\nhw.cpusubfamily: 2\nhw.l2cachesize: 4194304\n"
    "hw.l3cachesize: 0\nhw.optional.arm64: 1\nhw.optional.arm.FEAT_BF16: 1\nhw.optional.arm.FEAT_SME: 0\n",
    "intel": "machdep.cpu.brand_string: Intel(R) Core(TM) i7\nmachdep.cpu.vendor: GenuineIntel\nmachdep.cpu.family: 6\n"
    "machdep.cpu.model: 158\nmachdep.cpu.features: FPU FMA AVX1.0 F16C\nmachdep.cpu.leaf7_features: AVX2\n",
}


@pytest.mark.parametrize(
    ("text", "vendor", "microarchitecture", "sets", "sizes"),
    [
        ("arm", "Apple", None, ("asimd", "bf16"), (("l2_bytes", 4194304),)),
        ("intel", "GenuineIntel", "kabylake", AVX2, ()),
    ],
)
def test_macos_tells_itself_by_its_kernel(text, vendor, microarchitecture, sets, sizes, tmp_path, monkeypatch):
    """From what `sysctl` prints there; no Mac was asked."""
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "none")
    monkeypatch.setattr(processor, "_CPU", tmp_path / "none")
    monkeypatch.setattr(apple, "_told", lambda: apple.parse(MACS[text]))
    found = of_processor(environment.describe([]))
    told = (found.vendor, found.microarchitecture, found.instruction_sets, found.sizes)
    assert told == (vendor, microarchitecture, sets, sizes)


@pytest.mark.parametrize(
    "told",
    [None, {}, {**GPU, "compute_capability": None}, {**GPU, "memory_bytes": None}, {**GPU, "name": ""}],
)
def test_a_gpu_of_which_too_little_is_told_is_none(told):
    assert of_gpu(told, 1, "Linux") is None


# Runs made before


@pytest.mark.parametrize(
    ("changes", "microarchitecture"),
    [
        ({}, "zen4"),
        ({"flags": [*ZEN4_SETS, "avx_vnni"]}, "zen5"),
        ({"flags": [*ZEN4_SETS, "avx512_vp2intersect"]}, "zen5"),
        ({"flags": [*ZEN4_SETS, "avx512_fp16"]}, None),
        ({"flags": AVX2}, None),
        ({"name": "Intel Xeon", "flags": ["avx512f", "avx512_vnni"]}, "cascadelake"),
        ({"name": "Intel Xeon", "flags": ["avx512f", "avx512_vnni", "avx512_vbmi2"]}, None),
        ({"name": "Intel Xeon", "flags": ["avx512f", "amx_tile"]}, None),
        ({"name": "Something"}, None),
    ],
)
def test_flags_tell_an_older_runs_microarchitecture_or_do_not(changes, microarchitecture):
    found = identity_of(older(**changes))
    assert (found.derived, found.microarchitecture) == (True, microarchitecture)


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"environment": None},
        {"environment": {"processor": [1]}},
        {"environment": {"processor": {"model": "AMD EPYC", "usable": 2}}},
        {"environment": {"processor": {"model": "AMD EPYC", "flags": ["avx2"]}}},
        {"environment": {"processor": {"model": "AMD EPYC", "flags": ["avx2"], "usable": True}}},
        {"environment": {"processor": {"model": "AMD EPYC", "flags": [[]], "usable": 2}}},
        {**older(), "machine": "nvidia-h100-1", "environment": {**older()["environment"], "gpus": {"gpu:0": None}}},
    ],
)
def test_a_run_that_does_not_tell_has_no_identity_and_keeps_its_name(facts):
    assert identity_of(facts) is None
    assert identity.identified(facts) is facts


def test_an_older_run_is_read_under_the_name_that_its_flags_give_it(tmp_path):
    path = write_run(frame(in_force=None), metadata(**older()), tmp_path / "run.parquet")
    made, facts = read_run(path)
    assert facts["machine"] == read_facts(path)["machine"] == made["machine"].unique().item()
    assert facts["machine"].startswith("amd-epyc-zen4-avx512-2-")
    assert set(made["in_force"]) == {'{"flags": {}, "onednn": true}'}
    again = write_run(made, facts, tmp_path / "again.parquet")
    assert read_run(again)[1] == facts


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"onednn": False}, '{"flags": {}, "onednn": false}'),
        ({"ONEDNN_MAX_CPU_ISA": "AVX2"}, '{"flags": {"ONEDNN_MAX_CPU_ISA": "AVX2"}, "onednn": true}'),
        ({"onednn": None}, None),
    ],
)
def test_what_was_in_force_in_an_older_run_is_what_it_recorded(changes, told, tmp_path):
    made, _ = read_run(write_run(frame(in_force=None), metadata(**older(**changes)), tmp_path / "run.parquet"))
    assert set(made["in_force"].astype(object).where(made["in_force"].notna(), None)) == {told}


def test_what_an_older_run_of_pytorch_used_is_not_known(tmp_path):
    """Its own variable was not recorded."""
    facts = older()
    facts["environment"]["backend"] = {"torch": {"onednn": True}}
    made, _ = read_run(write_run(frame(in_force=None, backend="torch"), metadata(**facts), tmp_path / "run.parquet"))
    assert made["in_force"].isna().all()


def test_the_committed_runs_lie_under_the_name_of_their_machine():
    folder = ROOT / "results"
    runs = [folder / line for line in (folder / "published.txt").read_text().split()]
    assert runs
    assert [read_facts(path)["machine"] for path in runs] == [path.parent.name for path in runs]


@pytest.mark.parametrize(
    "changes",
    [{"count": 0}, {"count": "2"}, {"kind": "tpu"}, {"instruction_sets": []}, {"sizes": {"l3_bytes": -1}}],
)
def test_an_identity_that_no_run_records_is_refused(changes, tmp_path):
    told = recorded()
    facts = metadata(**{**told, "identity": {**told["identity"], **changes}})
    path = write_run(frame(), facts, tmp_path / "run.parquet")
    with pytest.raises(RunError, match="identity"):
        read_run(path)

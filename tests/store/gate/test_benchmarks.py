"""pytest-benchmark's JSON as it is written, and what is no such file, refused in words."""

import copy
import json
import math
import os

import pytest
from machines import machine

from grouped_bench.analyse.compare.side_selection import commit_of, why_left_out
from grouped_bench.errors import RunError
from grouped_bench.store.gate import json_file
from grouped_bench.store.gate.benchmarks import read_benchmarks

ZEN3 = machine(
    name="AMD EPYC 7763 64-Core Processor",
    model="1",
    instruction_sets=("avx2",),
    sizes=(("l2_bytes", 524288), ("l3_bytes", 33554432)),
)
# As pytest-benchmark 5 writes it, host name and all.
WRITTEN = {
    "machine_info": {
        **{"node": "secret-host", "processor": "", "machine": "x86_64", "python_compiler": "GCC 12.2.0"},
        **{"python_version": "3.12.1", "python_build": ["main", "May"], "release": "6.1", "system": "Linux"},
        "cpu": {
            **{"brand_raw": "AMD EPYC 7763 64-Core Processor", "count": 2, "arch": "X86_64", "flags": ["avx2", "fpu"]},
            **{"vendor_id_raw": "AuthenticAMD", "family": 25, "model": 1, "stepping": 1},
            **{"l2_cache_size": 524288, "l3_cache_size": 33554432},
        },
        "libraries": {"keras": "3.15.1"},
    },
    "commit_info": {
        **{"id": "a" * 40, "time": "2026-11-22T00:00:00+00:00", "author_time": "2026-11-21T00:00:00+00:00"},
        **{"dirty": False, "project": "p", "branch": "main"},
    },
    "benchmarks": [
        {
            **{"group": "a case", "name": "test_a[x]", "fullname": "bench/test_a.py::test_a[x]", "param": "x"},
            "params": {"name": "x", "cohort": "UNSERIALIZABLE[Cohort()]"},
            "extra_info": {"reference_s": 1e-3, "groups": 4, "label": None, "size": [14, 14]},
            "options": {"disable_gc": False, "timer": "perf_counter", "min_rounds": 5, "max_time": 1.0},
            "stats": {"min": 1e-3, "max": 3e-3, "median": 2e-3, "outliers": "1;2", "data": [1e-3, 2e-3, 3e-3]},
        },
        {
            "fullname": "bench/test_a.py::test_b",
            "group": None,
            "params": None,
            "extra_info": {},
            "stats": {"median": 1},
        },
    ],
    "datetime": "2026-11-23T01:22:33.123456+00:00",
    "version": "5.3.1",
}


def written(folder, content=WRITTEN, name="0001_base.json"):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def changed(*place, value):
    """What is written, with `value` at a place in it."""
    made = copy.deepcopy(WRITTEN)
    holder = made
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    return made


def without(*place):
    made = copy.deepcopy(WRITTEN)
    holder = made
    for key in place[:-1]:
        holder = holder[key]
    del holder[place[-1]]
    return made


def test_benchmarks_have_their_median_and_the_reference_beside_it(tmp_path):
    found, _ = read_benchmarks(written(tmp_path))
    shared = {"machine": ZEN3.slug}
    first = {"name": "bench/test_a.py::test_a[x]", "group": "a case", "median_s": 2e-3, "reference_s": 1e-3, **shared}
    second = {"name": "bench/test_a.py::test_b", "group": None, "median_s": 1.0, "reference_s": None, **shared}
    assert found == [{**first, "params": WRITTEN["benchmarks"][0]["params"]}, {**second, "params": None}]


def test_facts_are_those_of_a_run_and_hold_no_host_name(tmp_path):
    _, facts = read_benchmarks(written(tmp_path))
    assert facts == {
        "run_id": "0001_base",
        "machine": ZEN3.slug,
        "identity": ZEN3.to_facts(),
        "started_at": WRITTEN["datetime"],
        "commit": {"id": "a" * 40, "date": "2026-11-22T00:00:00+00:00", "dirty": False},
        "environment": {
            "processor": {
                **{"model": "AMD EPYC 7763 64-Core Processor", "logical": 2, "usable": 2, "flags": ["avx2", "fpu"]},
                **{"vendor": "AuthenticAMD", "family": 25, "model_number": 1},
                **{"l2_bytes": 524288, "l3_bytes": 33554432},
            },
            "system": {"python": "3.12.1", "kernel": "Linux"},
            "libraries": {"keras": "3.15.1", "pytest-benchmark": "5.3.1"},
        },
        "errors": [],
    }
    assert commit_of(facts) == "a" * 40
    assert why_left_out([facts, {**facts, "started_at": "2026-11-23T02:00:00+00:00"}]) == [None, None]


def test_a_machine_whose_instruction_sets_are_not_told_has_its_plain_name(tmp_path):
    _, facts = read_benchmarks(written(tmp_path, without("machine_info", "cpu", "flags")))
    assert (facts["machine"], facts["identity"]) == ("amd-epyc-7763-64-core-2", None)


def test_a_benchmark_without_figures_is_an_error_and_no_benchmark(tmp_path):
    for made in (changed("benchmarks", 1, "stats", value=None), changed("benchmarks", 1, "has_error", value=True)):
        found, facts = read_benchmarks(written(tmp_path, made))
        assert [one["name"] for one in found] == ["bench/test_a.py::test_a[x]"]
        assert facts["errors"] == ["bench/test_a.py::test_b"]
    made["errors"] = ["bench/test_a.py::test_c", "bench/test_a.py::test_b"]
    assert read_benchmarks(written(tmp_path, made))[1]["errors"] == [
        *("bench/test_a.py::test_b", "bench/test_a.py::test_c"),
    ]


@pytest.mark.parametrize(
    "told",
    [
        None,
        {},
        {"id": "unversioned", "time": None, "dirty": False},
        {"id": "unknown", "time": None, "dirty": False, "error": "CalledProcessError(128)"},
        {"id": "a" * 40, "time": "2026-11-22T00:00:00+00:00", "dirty": "no"},
        {"id": "a" * 40, "time": "2026-02-31T00:00:00+00:00", "dirty": False},
    ],
)
def test_what_git_did_not_tell_is_no_commit(told, tmp_path):
    assert read_benchmarks(written(tmp_path, changed("commit_info", value=told)))[1]["commit"] is None


def test_a_machine_that_is_not_told_has_no_name(tmp_path):
    for made in (without("machine_info", "cpu"), without("machine_info", "cpu", "count")):
        found, facts = read_benchmarks(written(tmp_path, made))
        assert facts["machine"] is found[0]["machine"] is None


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (("benchmarks",), {}, "benchmarks: Input should be a valid list"),
        (("benchmarks", 0), 3, "benchmarks.0: Input should be"),
        (("benchmarks", 0, "fullname"), None, "benchmarks.0.fullname: Input should be a valid string"),
        (("benchmarks", 0, "fullname"), "", "benchmarks.0.fullname: String should have"),
        (("benchmarks", 0, "fullname"), "x" * 10_001, "benchmarks.0.fullname: String should have at most 10000"),
        (("benchmarks", 0, "fullname"), "\ud800", "benchmarks.0.fullname: Input should be a valid string, unable"),
        (("benchmarks", 0, "fullname"), "bench/test_a.py::test_b", "a benchmark that occurs twice"),
        (("benchmarks", 0, "group"), [], "benchmarks.0.group: Input should be a valid string"),
        (("benchmarks", 0, "params"), "x", "benchmarks.0.params: Input should be a valid dictionary"),
        (("benchmarks", 0, "params"), {"a": json.loads("[" * 50 + "]" * 50)}, "nested more than 40 deep"),
        (("benchmarks", 0, "stats"), [], "benchmarks.0.stats: Input should be"),
        (("benchmarks", 0, "stats"), {}, "benchmarks.0.stats.median: Field required"),
        *(
            (("benchmarks", 0, "stats", "median"), value, "benchmarks.0.stats.median: Input should be")
            for value in (-1.0, 0, 0.0, 1e-300, 1e300, 10**18, math.nan, math.inf, "1.0", True, None, [])
        ),
        (("benchmarks", 0, "extra_info", "reference_s"), math.nan, "benchmarks.0.extra_info.reference_s: Input should"),
        (("benchmarks", 0, "extra_info"), [], "benchmarks.0.extra_info: Input should be"),
        (("benchmarks", 0, "extra_info", "reference_s"), -1.0, "benchmarks.0.extra_info.reference_s: Input should be"),
        (("benchmarks", 0, "extra_info", "reference_s"), "1", "benchmarks.0.extra_info.reference_s: Input should be"),
        (("machine_info",), None, "machine_info: Input should be"),
        (("machine_info", "cpu", "count"), 0, "machine_info.cpu.count: Input should be greater than 0"),
        (("machine_info", "cpu", "brand_raw"), 5, "machine_info.cpu.brand_raw: Input should be a valid string"),
        (("machine_info", "libraries"), {"keras": 3}, "machine_info.libraries.keras: Input should be a valid string"),
        (("datetime",), "yesterday", "datetime: Value error"),
        (("datetime",), 5, "datetime: Input should be a valid string"),
        (("errors",), "x", "errors: Input should be a valid list"),
        (("version",), 5, "version: Input should be a valid string"),
    ],
)  # fmt: skip
def test_what_pytest_benchmark_does_not_write_is_refused_in_words(place, value, told, tmp_path):
    with pytest.raises(RunError, match="must contain what pytest-benchmark writes") as refused:
        read_benchmarks(written(tmp_path, changed(*place, value=value)))
    assert f"Received: 0001_base.json: {told}" in str(refused.value)
    assert "pytest --benchmark-json FILE" in str(refused.value)


@pytest.mark.parametrize("place", [("machine_info",), ("datetime",), ("benchmarks",), ("benchmarks", 0, "stats")])
def test_what_is_always_written_must_be_there(place, tmp_path):
    with pytest.raises(RunError, match="Field required"):
        read_benchmarks(written(tmp_path, without(*place)))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "\ufeff{}",
        "[" * 100_000,
    ],
)
def test_what_is_no_json_is_refused_in_words(content, tmp_path):
    with pytest.raises(RunError, match="must be readable JSON of pytest-benchmark") as refused:
        read_benchmarks(written(tmp_path, content))
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("text", "found"),
    [("NaN", "nan"), ("-Infinity", "-inf"), ("1e999", "inf"), ("9" * 5000, "inf"), ("9" * 19, "1e+19"), ("0", "0")],
)
def test_a_number_beyond_its_limits_is_refused_with_both(text, found, tmp_path):
    content = json.dumps(WRITTEN).replace('"median": 0.002', f'"median": {text}', 1)
    with pytest.raises(RunError) as refused:
        read_benchmarks(written(tmp_path, content))
    assert (
        "Received: 0001_base.json: benchmarks.0.stats.median: Input should be a number of seconds from 1e-15 to 1e+15, "
        f"found {found}."
    ) in str(refused.value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 19, "-" + "9" * 5000])
def test_numbers_that_are_not_read_may_be_any(number, tmp_path):
    content = json.dumps(WRITTEN)
    for name in ('"groups": 4', '"max": 0.003', '"min_rounds": 5', '"stepping": 1'):
        assert name in content
        content = content.replace(name, f"{name.split(':')[0]}: {number}")
    assert read_benchmarks(written(tmp_path, content)) == read_benchmarks(written(tmp_path))


def test_parameters_that_json_has_no_number_for_are_words(tmp_path):
    found, _ = read_benchmarks(written(tmp_path, changed("benchmarks", 0, "params", value={"a": [math.nan, 1.0, 2]})))
    assert found[0]["params"] == {"a": ["nan", 1.0, 2]}


@pytest.mark.parametrize(
    ("place", "again", "key"),
    [
        ('"version": ', '"version": "1", "version": ', "version"),
        ('"median": 0.002', '"median": 1e-9, "median": 0.002', "median"),
        ('"groups": 4', '"groups": 5, "groups": 4', "groups"),  # though it is not read
        ('"groups": 4', '"gro\\u0075ps": 5, "groups": 4', "groups"),
        ('"groups": 4', '"\\u001b[31m": 5, "\\u001b[31m": 4', "\\x1b[31m"),
    ],
)
def test_a_key_that_occurs_twice_is_refused_by_name(place, again, key, tmp_path):
    content = json.dumps(WRITTEN)
    assert content.count(place) == 1
    with pytest.raises(RunError, match="A key of a JSON object must occur once") as refused:
        read_benchmarks(written(tmp_path, content.replace(place, again)))
    assert f'Received: 0001_base.json with "{key}" twice.' in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "kept"), [("c" * 64, True), ("c" * 63, False), ("C" * 64, False), (["layer.py"], False), (None, False)]
)
def test_a_digest_of_uncommitted_changes_is_read_and_nothing_else(changes, kept, tmp_path):
    told = {**WRITTEN["commit_info"], "dirty": True, "changes": changes}
    _, facts = read_benchmarks(written(tmp_path, changed("commit_info", value=told)))
    assert facts["commit"] == {
        **{"id": "a" * 40, "date": "2026-11-22T00:00:00+00:00", "dirty": True},
        **({"changes": changes} if kept else {}),
    }


@pytest.mark.parametrize("content", ["[]", "null", "5", '"x"', "{}", "[" * 50 + "]" * 50])
def test_other_json_is_refused_in_words(content, tmp_path):
    with pytest.raises(RunError, match="must contain what pytest-benchmark writes"):
        read_benchmarks(written(tmp_path, content))


def test_files_that_cannot_be_read_are_refused_in_words(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    with pytest.raises(RunError, match="no such file"):
        read_benchmarks(path)
    os.mkfifo(path)
    with pytest.raises(RunError, match="no such file"):
        read_benchmarks(path)
    path.unlink()
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(RunError, match="invalid start byte"):
        read_benchmarks(path)
    monkeypatch.setattr(json_file, "LARGEST_FILE", 100)
    with pytest.raises(RunError, match="bytes, at most 100 are read"):
        read_benchmarks(written(tmp_path))

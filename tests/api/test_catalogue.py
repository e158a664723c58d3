"""What `list` shows: every registry in full, without starting a framework unless devices are asked for."""

import json

import pytest

import grouped_bench as gb
from grouped_bench import backends, variants
from grouped_bench.harness.processes import probing
from grouped_bench.space.space import preset_about, preset_names
from grouped_bench.store.schema import IN_FRAME


@pytest.fixture
def probed(monkeypatch):
    """Two devices on whatever backend is asked, and the names that were."""
    asked = []

    def probe(name):
        asked.append(name)
        return probing.Probe({"cpu:0": "", "gpu:0": "NVIDIA H100"}, {}, {}, "3.11.0", "1.0")

    monkeypatch.setattr(probing, "probe_backend", probe)
    return asked


def test_every_variant_is_listed_the_baseline_of_each_scope_first():
    found = gb.catalogue("variants")
    assert [row["name"] for row in found] == variants.names() + variants.names("block")
    first = {"name": "regular", "scope": "layer", "computes": "dense"}
    assert found[0] == {**first, "summary": "Keras' dense convolution, the baseline"}
    first_block = found[len(variants.names())]
    assert (first_block["name"], first_block["scope"]) == ("bottleneck", "block")


def test_every_preset_is_listed_with_its_sentence():
    assert gb.catalogue("presets") == [{"name": name, "about": preset_about(name)} for name in preset_names()]


def test_every_backend_is_listed_with_version_and_executions():
    found = {row["name"]: row for row in gb.catalogue("backends")}
    assert list(found) == backends.names()
    assert found["tensorflow"]["executions"] == "graph, xla, eager"
    assert found["tensorflow"]["version"] == backends.get("tensorflow").version()


def test_a_missing_framework_is_listed_as_such_and_not_asked_for_devices(monkeypatch, probed):
    monkeypatch.setattr(type(backends.get("tensorflow")), "module", "no_such_framework")
    assert {"name": "tensorflow", "version": "not installed", "executions": ""} in gb.catalogue("backends")
    assert "tensorflow" not in {row["backend"] for row in gb.catalogue("devices")} | set(probed)


def test_devices_are_those_that_a_backend_sees(probed):
    found = [row for row in gb.catalogue("devices") if row["backend"] == "tensorflow"]
    assert [row["name"] for row in found] == ["cpu:0", "gpu:0"]
    assert found[1]["model"] == "NVIDIA H100"
    assert found[0]["model"]  # a framework that does not name its processor is helped out
    assert "tensorflow" in probed


def test_every_column_is_listed_with_type_unit_and_meaning():
    found = gb.catalogue("columns")
    assert [row["name"] for row in found] == [column.name for column in IN_FRAME]
    assert {
        "name": "min_bytes",
        "type": "int64",
        "unit": "B",
        "meaning": "traffic if every tensor of the pass is read or written once",
    } in found


@pytest.mark.parametrize("what", ["variants", "presets", "backends", "devices", "columns"])
def test_rows_are_texts_under_equal_keys(what, probed):
    found = gb.catalogue(what)
    assert len({tuple(row) for row in found}) == 1
    assert all(isinstance(text, str) for row in found for text in row.values())
    assert json.loads(json.dumps(found)) == found

"""The script that draws the page's charts: made by the build, carried by the wheel, and missed in words."""

import gzip
import importlib.metadata
import sys
import tomllib
import types

import pytest
from checkout import ROOT

from grouped_bench.errors import UnavailableError
from grouped_bench.report.page import vega


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The page's folder in a checkout that was not built."""
    monkeypatch.setattr(vega, "FOLDER", tmp_path)
    vega.packed.cache_clear()
    yield tmp_path
    vega.packed.cache_clear()


@pytest.fixture
def bundler(monkeypatch):
    """A bundler that puts a word before the snippet."""
    module = types.SimpleNamespace(javascript_bundle=lambda snippet: f"vega;{snippet}")
    monkeypatch.setitem(sys.modules, "vl_convert", module)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: f"of {name}")


SCRIPT = "(() => {vega;window.vegaEmbed = vegaEmbed;})();"


def test_a_build_names_its_script_by_the_bundler_and_drops_an_older_one(folder, bundler):
    (folder / "vega-0.1.js.gz").touch()
    path = vega.build()
    assert list(folder.iterdir()) == [path] == [folder / "vega-of vl-convert-python.js.gz"]
    assert gzip.decompress(path.read_bytes()).decode() == SCRIPT


def test_a_page_takes_what_was_built(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    (folder / "vega-1.js.gz").write_bytes(b"built")
    assert vega.packed() == b"built"


def test_a_checkout_that_was_not_built_asks_the_bundler(folder, bundler):
    assert gzip.decompress(vega.packed()).decode() == SCRIPT
    assert not list(folder.iterdir())


def test_a_script_that_cannot_be_made_is_refused_in_words(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(UnavailableError) as caught:
        vega.packed()
    assert str(caught.value) == (
        f"The script that draws the page's charts must be built. Received: no vega-*.js.gz in {folder}. "
        "Run `pip install -e .` in the checkout, or install a built package."
    )


def test_the_hook_names_the_script_to_the_wheel(bundler, folder, monkeypatch):
    """With a stand-in for Hatchling, which is there only while a package is built."""
    plugin = types.SimpleNamespace(BuildHookInterface=type("BuildHookInterface", (), {"root": folder.parent}))
    monkeypatch.setitem(sys.modules, "hatchling.builders.hooks.plugin.interface", plugin)
    build_data = {"artifacts": []}
    vega.get_build_hook()().initialize("standard", build_data)
    assert build_data["artifacts"] == [f"{folder.name}/vega-of vl-convert-python.js.gz"]


def test_a_wheel_carries_the_script():
    files = [path.name for path in importlib.metadata.files("grouped-bench")]
    if any(name.startswith("_editable") for name in files):
        pytest.skip("an editable installation has its files in the checkout")
    assert sum(name.startswith("vega-") and name.endswith(".js.gz") for name in files) == 1


def test_the_build_pins_the_bundler_and_the_package_does_not_need_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (pin,) = [line for line in project["build-system"]["requires"] if line.startswith("vl-convert-python")]
    assert pin.startswith("vl-convert-python==")
    assert not [line for line in project["project"]["dependencies"] if "vl-convert" in line]
    hook = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]
    assert (ROOT / hook["path"]).is_file()

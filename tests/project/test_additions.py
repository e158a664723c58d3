"""What one addition costs: a variant, preset, backend or figure is one file, a command its modules."""

import pytest
from click.testing import CliRunner
from frames import frame

import grouped_bench as gb
from grouped_bench import api, backends, commands, variants
from grouped_bench.commands import main
from grouped_bench.report import figures
from grouped_bench.report.drawing import registry
from grouped_bench.space import space
from grouped_bench.variants import base, layers

VARIANT = """
from grouped_bench.variants.base import variant
from grouped_bench.variants.layers.regular import Regular

@variant
class Added(Regular):
    name = "added"
    summary = "a variant that a test adds"
"""
BACKEND = """
from grouped_bench.backends.torch import Torch

class Added(Torch):
    name = "added"

BACKEND = Added()
"""
PRESET = """
about = "A preset that a test adds."
groups = [1, 2]
channels = [8]
"""
CALL = """
def added():
    return "an added answer"
"""
COMMAND = """
import click

@click.command()
def added():
    import grouped_bench as gb
    click.echo(gb.added())
    return 0
"""
FIGURE = """
from grouped_bench.report.drawing.against_groups import against_groups
from grouped_bench.report.drawing.registry import figure
from grouped_bench.report.drawing.svg import seconds

@figure("added", "An added figure", place=99)
def added(record, title):
    return against_groups(record.rows, title, "latency_s", label="latency", write=seconds)
"""


@pytest.fixture
def put(tmp_path, monkeypatch):
    """Puts one file into a folder of the package, as far as Python sees it."""

    def into(package, source):
        folder = tmp_path / package.__name__
        folder.mkdir()
        (folder / "added.py").write_text(source)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])

    return into


def listed(what):
    return {row["name"] for row in gb.catalogue(what)}


def test_a_variant_is_one_file(put):
    put(layers, VARIANT)
    variants._load.cache_clear()
    try:
        assert "added" in listed("variants")
        planned, _ = gb.plan_run(gb.Space(groups=2, channels=8, variant="all"))
        assert "added" in planned.variants
    finally:
        del base.REGISTRY["added"]


def test_a_backend_is_one_file(put):
    put(backends, BACKEND)
    assert "added" in listed("backends")
    assert "added" in backends.names()


def test_a_preset_is_one_file(tmp_path, monkeypatch):
    (tmp_path / "added.toml").write_text(PRESET)
    shipped = space._presets()

    class Both:
        def iterdir(self):
            return [*shipped.iterdir(), tmp_path / "added.toml"]

        def __truediv__(self, name):
            return tmp_path / name if name == "added.toml" else shipped / name

    monkeypatch.setattr(space, "_presets", Both)
    assert "added" in listed("presets")
    assert gb.plan_run(gb.Space.preset("added"))[0].tasks > 1


def test_a_figure_is_one_file(put):
    put(figures, FIGURE)
    registry._load.cache_clear()
    try:
        drawn = registry.draw(frame(groups=[1, 8], channels=[64]))
        assert [one.title for one in drawn if one.name == "added" and one.svg] == ["An added figure"]
        assert drawn[-1].name == "added"
    finally:
        del registry._REGISTRY["added"]
        registry._load.cache_clear()


def test_a_command_is_its_modules(put, monkeypatch):
    put(api, CALL)
    put(commands, COMMAND)
    monkeypatch.setattr(main.cli, "commands", dict(main.cli.commands))
    main._add_commands()
    ran = CliRunner().invoke(main.cli, ["added"])
    assert ran.output == "an added answer\n"
    assert "added" in CliRunner().invoke(main.cli, ["--help"]).output


def test_every_call_of_the_library_is_exported():
    for name in gb.__all__:
        assert getattr(gb, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(gb, "noth" + "ing")

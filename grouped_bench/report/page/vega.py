"""Vega, Vega-Lite and Vega-Embed, which draw the page's charts, as one packed script.

The script is made when the package is built, because the bundler, vl-convert-python, takes 84 MB. Hatchling loads this
file by its path (see pyproject.toml), so nothing of the package is imported at its top.
"""

import functools
import gzip
import importlib.metadata
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
_BUNDLER = "vl-convert-python"
# The version is the bundler's, which pyproject.toml pins.
_NAME = "vega-{}.js.gz"
_SNIPPET = "window.vegaEmbed = vegaEmbed;"


@functools.cache
def packed() -> bytes:
    """The script, compressed: as it was built, or bundled now where a checkout was not built and the bundler is there.

    Raises:
        UnavailableError: neither is there.
    """
    from grouped_bench.errors import UnavailableError

    built = next(FOLDER.glob(_NAME.format("*")), None)
    if built is not None:
        return built.read_bytes()
    try:
        return _bundled()
    except ModuleNotFoundError:
        raise UnavailableError(
            "The script that draws the page's charts must be built",
            received=f"no {_NAME.format('*')} in {FOLDER}",
            remedy="Run `pip install -e .` in the checkout, or install a built package",
        ) from None


def build() -> Path:
    """Put the script into FOLDER, in the place of an older one; its path."""
    for older in FOLDER.glob(_NAME.format("*")):
        older.unlink()
    path = FOLDER / _NAME.format(importlib.metadata.version(_BUNDLER))
    path.write_bytes(_bundled())
    return path


def _bundled() -> bytes:
    import vl_convert

    script = f"(() => {{{vl_convert.javascript_bundle(_SNIPPET)}}})();"
    return gzip.compress(script.encode(), mtime=0)


def get_build_hook() -> type:
    """The hook that Hatchling asks this file for: it runs `build` for a wheel and for an editable installation."""
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    class VegaHook(BuildHookInterface):  # type: ignore[misc]  # Hatchling is not installed where types are checked
        def initialize(self, _: str, build_data: dict[str, Any]) -> None:
            # Git ignores the script, so a wheel takes it only where it is named.
            build_data["artifacts"].append(build().relative_to(self.root).as_posix())

    return VegaHook

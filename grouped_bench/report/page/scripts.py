"""The scripts of a page: our own, the compressed library of its charts, and the policy that admits no other."""

import base64
import functools
import gzip
import hashlib
import importlib.resources

from grouped_bench.report.page import vega

# In the order in which each needs those before it.
_OWN = ("record.js", "state.js", "filters.js", "table.js", "chart.js", "pins.js", "explorer.js", "copy.js")
_POLICY = (
    "default-src 'none'; script-src {}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
)


@functools.cache
def own() -> str:
    """Our script, readable; it stands in a scope of its own."""
    folder = importlib.resources.files("grouped_bench.report.page") / "templates"
    parts = [(folder / name).read_text(encoding="utf-8") for name in _OWN]
    return '"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n"


@functools.cache
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, which the page unpacks when it first draws a chart."""
    return gzip.decompress(vega.packed()).decode()


@functools.cache
def packed_library() -> str:
    """`library`, packed."""
    return base64.b64encode(vega.packed()).decode("ascii")


@functools.cache
def policy() -> str:
    """The page's Content-Security-Policy: these two scripts by their hashes, and nothing from anywhere."""
    return _POLICY.format(" ".join(map(_hash, (own(), library()))))


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"

"""Versions of the libraries that take part in a measurement, in this interpreter."""

import importlib.metadata

LIBRARIES = ("tensorflow", "keras", "jax", "jaxlib", "torch", "numpy", "scipy", "pandas", "pyarrow")


def library_versions() -> dict[str, str]:
    """Versions of the installed libraries that take part in a measurement."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions

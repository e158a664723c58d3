"""Where the files of this checkout are, and how another process finds them."""

import os
from pathlib import Path

SUPPORT = Path(__file__).resolve().parent
TESTS = SUPPORT.parent
ROOT = TESTS.parent
FAULTY_VARIANTS = str(SUPPORT / "faulty_variants.py")


def importing(**variables):
    """This process's environment with the package and the tests' helpers on the path, for another process."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(SUPPORT), str(ROOT))), **variables}

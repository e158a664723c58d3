"""The classes of processors that the tests play, and tests that run in a process of the class they need.

A framework reads these variables once, so a process has one class. A test says by a marker that it needs another one;
then a child process of pytest runs it, with all of its file that need the same.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
# What limits the kernels of oneDNN, and those of PyTorch beside it.
ISA, ATEN = "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY"
MARKERS = {
    "onednn(on)": "runs in a process in which TensorFlow has oneDNN on, or off",
    "isa(name)": "runs in a process whose libraries use no more than this instruction set, such as AVX2",
    "long": "takes long and tests nothing that the version of Python decides: begun first, and left out on other ones",
}


def variables(*, onednn=None, isa=None):
    """The environment of a class, of which nothing is said where an argument is None."""
    asked = {} if onednn is None else {ONEDNN: str(int(onednn))}
    return asked if isa is None else {**asked, ISA: isa, ATEN: isa.lower()}


def needed(item):
    """The variables that the markers of a test set."""
    found = {name: item.get_closest_marker(name) for name in ("onednn", "isa")}
    return variables(**{name: marker.args[0] for name, marker in found.items() if marker})


def here(asked):
    """Whether this process has these variables."""
    return all(os.environ.get(name) == value for name, value in asked.items())


def longest_first(items):
    """The tests, those of files with long ones before the others, so that none of them is waited for at the end."""
    long = {item.path for item in items if item.get_closest_marker("long")}
    return sorted(items, key=lambda item: item.path not in long)


class Elsewhere(pytest.Item):
    """A test in a process of the class that it needs."""

    def __init__(self, *, test, group, **given):
        super().__init__(**given)
        self.test, self.group, self.own_markers = test, group, test.own_markers
        self.keywords.update({marker.name: marker for marker in test.iter_markers()})

    def runtest(self):
        failed, skipped, told = self.group.outcome(self)
        if skipped is not None:
            pytest.skip(skipped)
        if failed:
            pytest.fail(f"in a process with {self.group}:\n{told}", pytrace=False)

    def reportinfo(self):
        return self.test.reportinfo()


class Group:
    """Tests of a file that need one class, run by one child process when the first of them is asked for."""

    def __init__(self, asked, config):
        self.asked, self.config, self.items, self._outcomes = asked, config, [], None

    def __str__(self):
        return " ".join(f"{name}={value}" for name, value in self.asked.items())

    def outcome(self, item):
        """Whether a test failed, why it was skipped or None, and what was printed."""
        if self._outcomes is None:
            self._outcomes = self._run()
        return self._outcomes.get(item.name, (True, None, f"{item.nodeid} did not run there"))

    def _run(self):
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.xml"
            command = [sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", f"--junitxml={report}"]
            command += ["--backend", self.config.getoption("backend"), "--rootdir", str(self.config.rootpath)]
            run = subprocess.run(
                [*command, *(item.nodeid for item in self.items)],
                cwd=self.config.rootpath,
                env={**_without_xdist(os.environ), **self.asked},
                capture_output=True,
                text=True,
                check=False,
            )
            if not report.exists():
                return dict.fromkeys((item.name for item in self.items), (True, None, run.stdout + run.stderr))
            return {case.get("name"): _outcome(case) for case in ElementTree.parse(report).iter("testcase")}


def _without_xdist(environment):
    """The environment of a child that is no worker of xdist's."""
    return {
        name: value for name, value in environment.items() if not name.startswith(("PYTEST_XDIST", "PYTEST_CURRENT"))
    }


def _outcome(case):
    skipped, failures = case.find("skipped"), [*case.findall("failure"), *case.findall("error")]
    told = "\n".join(failure.text or "" for failure in failures)
    return bool(failures), None if skipped is None else skipped.get("message"), told


def sent_elsewhere(items, config):
    """The tests, with a stand-in for each that needs another class than this process has."""
    groups = {}

    def placed(item):
        asked = needed(item)
        if here(asked):
            return item
        group = groups.setdefault((item.path, *asked.items()), Group(asked, config))
        group.items.append(item)
        return Elsewhere.from_parent(item.parent, name=item.name, nodeid=item.nodeid, test=item, group=group)

    return [placed(item) for item in items]

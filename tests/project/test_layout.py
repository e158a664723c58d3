"""Where files lie: tests in the folders of what they test, and no folder of the package too long to be read at once."""

import ast
from collections import Counter
from pathlib import PurePath

import pytest
from checkout import ROOT, TESTS

PACKAGE = ROOT / "grouped_bench"
MOST_ENTRIES, MOST_TESTS = 14, 20
# A file for each thing registered, however many there are.
REGISTRIES = ("layers", "blocks", "figures", "presets", "templates")
# What a folder says of itself.
NO_ENTRIES = ("__init__.py", "README.md", "py.typed")
# What tests the repository rather than a part of the package, and what tests share.
OTHERS = ("project", "support")


def files(folder):
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def folders(paths):
    return {parent for path in paths for parent in path.parents}


def files_of_tests():
    return {path for path in files(TESTS) if path.match("test_*.py")}


def crowded(paths):
    """Folders of the package that hold too much, of files by their paths in it."""
    entries = {each for path in paths if path.name not in NO_ENTRIES for each in (path, *path.parents[:-1])}
    counts = Counter(entry.parent for entry in entries)
    return {str(folder) for folder, count in counts.items() if count > MOST_ENTRIES and folder.name not in REGISTRIES}


def strays(tests, package):
    """Tests that lie in no folder of the package, and are of no other kind."""
    return {str(path) for path in tests if path.parent not in package and path.parts[0] not in OTHERS}


def imported_tests(source):
    """Modules of tests that a source imports: what two tests need is in `support`."""
    nodes = list(ast.walk(ast.parse(source)))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return [name for name in names if name.rpartition(".")[2].startswith("test_")]


def test_no_folder_of_the_package_is_crowded():
    assert crowded(files(PACKAGE)) == set()


def test_tests_lie_in_the_folders_of_the_package():
    assert strays(files_of_tests(), folders(files(PACKAGE))) == set()


def test_no_folder_of_tests_is_crowded():
    counts = Counter(path.parent for path in files_of_tests())
    assert {str(folder): count for folder, count in counts.items() if count > MOST_TESTS} == {}


def test_no_test_is_imported():
    sources = [*TESTS.rglob("*.py"), *(ROOT / "bench").glob("*.py")]
    assert len(sources) > len(files_of_tests()) > 100
    found = {str(path.relative_to(ROOT)): imported_tests(path.read_text(encoding="utf-8")) for path in sources}
    assert {path: names for path, names in found.items() if names} == {}


# That each rule sees what breaks it


def paths(folder, count, *more):
    return {PurePath(folder, name) for name in (*(f"{number}.py" for number in range(count)), *more)}


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (paths("report", 15), {"report"}),
        (paths("report/page", 14, "__init__.py", "README.md", "py.typed"), set()),
        (paths("report/page", 14, "deeper/__init__.py", "deeper/a.py", "deeper/b.py"), {"report/page"}),
        (paths("", 13, "report/page/a.py"), set()),
        (paths("", 14, "report/page/a.py"), {"."}),
        (paths("variants/layers", 20) | paths("report/page/templates", 20), set()),
        (paths("layers/more", 15), {"layers/more"}),
    ],
)
def test_a_crowded_folder_is_seen(made, found):
    assert crowded(made) == found


@pytest.mark.parametrize(
    ("path", "stray"),
    [
        ("store/test_runs.py", False),
        ("test_plan.py", False),
        ("project/test_layout.py", False),
        ("stores/test_runs.py", True),
        ("store/older/test_runs.py", True),
        ("store/project/test_runs.py", True),
    ],
)
def test_a_stray_test_is_seen(path, stray):
    package = folders({PurePath("store/runs.py"), PurePath("plan.py")})
    assert bool(strays({PurePath(path)}, package)) is stray


def test_an_imported_test_is_seen():
    source = "import test_a, os\nfrom tests.store.test_b import c\nfrom frames import test_d\ndef f(): import test_e"
    assert imported_tests(source) == ["test_a", "test_e", "tests.store.test_b"]

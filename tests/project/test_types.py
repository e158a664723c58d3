"""What crosses borders has a type of its own: one name for one type, and few dictionaries that may hold anything."""

import ast
import collections
import re

import pytest
from checkout import ROOT

PACKAGE = ROOT / "grouped_bench"
MOST_LOOSE, MOST_CALLS = 20, 3
LOOSE = "dict[str, Any]"


def sources():
    """Syntax trees by the module's path in the package."""
    return {str(p.relative_to(PACKAGE)): ast.parse(p.read_text(encoding="utf-8")) for p in PACKAGE.rglob("*.py")}


def types(tree):
    """Names of the types that a module defines: classes, and aliases written like them."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None else ():
            if isinstance(target, ast.Name) and re.fullmatch(r"[A-Z][a-z]\w*", target.id):
                yield target.id


def doubled(trees):
    """Public types with several homes, with these."""
    homes = collections.defaultdict(set)
    for path, tree in trees.items():
        for name in types(tree):
            if not name.startswith("_"):
                homes[name].add(path)
    return {name: sorted(found) for name, found in homes.items() if len(found) > 1}


def loose(trees):
    """Places whose signature has a dictionary of anything."""
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                given = [*node.args.args, *node.args.kwonlyargs]
                notes = [one.annotation for one in given if one.annotation] + ([node.returns] if node.returns else [])
                found = sum(ast.unparse(note).replace("'", "").count(LOOSE) for note in notes)
                yield from [f"{path}:{node.lineno} {node.name}"] * found


def calls(tree):
    """The calls of the library that a command makes."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    return [ast.unparse(node.func) for node in nodes if ast.unparse(node.func.value) == "gb"]


def test_no_type_name_has_two_homes():
    assert doubled(sources()) == {}


def test_few_signatures_take_a_dictionary_of_anything():
    assert len(list(loose(sources()))) <= MOST_LOOSE


def test_a_command_makes_few_calls_of_the_library():
    found = {path: calls(tree) for path, tree in sources().items() if path.startswith("commands/")}
    assert {path: names for path, names in found.items() if len(names) > MOST_CALLS} == {}
    assert sum(map(len, found.values())) > 10


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ("class Look: pass", "Look = dict", {"Look": ["a.py", "b.py"]}),
        ("class Look: pass", "class _Look: pass", {}),
        ("Row: type = dict", "class Row: pass", {"Row": ["a.py", "b.py"]}),
        ("LIMIT = 1", "LIMIT = 1", {}),
        ("def f():\n    class Look: pass", "class Look: pass", {}),
    ],
)
def test_a_doubled_name_is_seen(one, other, found):
    assert doubled({"a.py": ast.parse(one), "b.py": ast.parse(other)}) == found


def test_a_loose_signature_and_a_call_are_seen():
    tree = ast.parse(
        "async def f(a: list[dict[str, Any]], *, b: 'dict[str, Any] | None') -> dict[str, Any]: gb.run(gb.load(a))"
    )
    assert list(loose({"a.py": tree})) == ["a.py:1 f"] * 3
    assert calls(tree) == ["gb.run", "gb.load"]

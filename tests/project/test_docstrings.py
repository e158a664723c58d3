"""Parameters are documented: a public function with three or more says what they are."""

import ast
import re
from pathlib import Path

import grouped_bench

ROOT = Path(grouped_bench.__file__).parent
LEAST_PARAMETERS, LEAST_SHARE = 3, 0.8
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def parameters(function):
    """Names of the parameters that a caller passes by name or place."""
    arguments = function.args
    given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [argument.arg for argument in given if argument.arg not in ("self", "cls")]


def asked(source):
    """The public functions and methods of `source` that must document their parameters."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, FUNCTIONS)]
    return [f for f in functions if not f.name.startswith("_") and len(parameters(f)) >= LEAST_PARAMETERS]


def is_documented(function):
    """Whether the docstring has a section on the parameters, or names all of them but one."""
    told, names = ast.get_docstring(function) or "", parameters(function)
    named = sum(re.search(rf"\b{name}\b", told) is not None for name in names)
    return "Args:" in told or named >= len(names) - 1


def lacking(sources):
    """Number of functions that must document their parameters, and where those are that do not."""
    every = [(where, function) for where, source in sources.items() for function in asked(source)]
    silent = [f"{where}:{function.lineno} {function.name}" for where, function in every if not is_documented(function)]
    return len(every), silent


def test_parameters_are_documented():
    sources = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sorted(ROOT.rglob("*.py"))}
    count, silent = lacking(sources)
    assert count > 100, "the rule finds the package's functions"
    assert len(silent) <= (1 - LEAST_SHARE) * count, f"{len(silent)} of {count} are silent:\n" + "\n".join(silent)


def test_a_silent_function_is_found():
    source = '''
class Thing:
    def silent(self, one, two, three):
        """Says what it does."""

    def in_words(self, one, two, *, three):
        """`one` and `two`."""

    def by_part_of_a_word(self, one, two, three):
        """The number one, in twos and threes."""

    def _private(self, one, two, three): ...

def in_a_section(first, second, third):
    """Does it.

    Args:
        first, second, third: what it takes.
    """

def few(first, second): ...
'''
    assert lacking({"thing.py": source}) == (4, ["thing.py:3 silent", "thing.py:9 by_part_of_a_word"])

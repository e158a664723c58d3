"""Code that stands alone: functions whose calls define what is measured, and whose bodies are printed to be pasted.

A definition is such a function: it imports what it needs, defines one class or function, and returns it. Its
parameters are names that steps before it defined; `Conv` is Keras' convolution of the rank. So what is printed cannot
differ from what is measured, and is printed without importing a framework.
"""

import ast
import functools
import inspect
import itertools
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Definition = Callable[..., Any]
# What a class is called with.
Arguments = Mapping[str, Any]
# A step defines something, or assigns values to names.
Code = tuple[Definition | dict[str, Any], ...]

# Layers that `Conv` may be, with a place for the rank.
KERAS_CONV, KERAS_DEPTHWISE = "keras.layers.Conv{}D", "keras.layers.DepthwiseConv{}D"
TORCH_CONV = "torch.nn.Conv{}d"
_CONV = "Conv"


class Defined(str):
    """In a value that a step assigns: the name of what a step before it defined."""

    __slots__ = ()
    __repr__ = str.__str__


def define(code: Code, **names: Any) -> Any:
    """What the last step of `code` defines; `Conv` itself where there is no step.

    Args:
        code: definitions, each with the names of those that it needs before it.
        names: what stands before the first.
    """
    defined = names.get(_CONV)
    for step in code:
        if isinstance(step, dict):
            names |= {name: _resolved(value, names) for name, value in step.items()}
        else:
            defined = step(**{name: names[name] for name in _needs(step)})
            names[defined.__name__] = defined
    return defined


def define_layer(code: Code, rank: int, arguments: Arguments) -> Any:
    """The layer of the class that `code` defines, or of Keras' own where it defines none.

    Args:
        code: the steps that define the class.
        rank: number of spatial axes, 1 to 3.
        arguments: of the class, by name.
    """
    import keras

    conv = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)[rank - 1]
    return define(code, **{_CONV: conv})(**arguments)


def written(code: Code, rank: int, arguments: Arguments) -> str:
    """The same as text: imports, what the steps define and assign, and `layer = …`.

    Args:
        code: the steps that define the layer's class.
        rank: number of spatial axes, 1 to 3.
        arguments: of the class, by name; the first two are written without it, and what Keras takes by itself is not.
    """
    source = Source()
    name, ones = source.add(code, rank), (1,) * rank
    usual = {"groups": 1, "strides": ones, "dilation_rate": ones, "use_bias": True, "dtype": "float32"}
    source.put(f"layer = {called(name, arguments, usual, positional=2)}")
    return str(source)


class Source:
    """Several codes as one text. A step is written once; where its name is taken by another, it gets a new one.

    Args:
        framework: the import of the framework that the layers are of.
    """

    def __init__(self, framework: str = "import keras") -> None:
        self._imports = {framework}
        self._texts: list[tuple[str, bool]] = []
        self._written: dict[Any, dict[str, str]] = {}
        self._ranks: dict[str, int] = {}

    def add(self, code: Code, rank: int, kind: str = KERAS_CONV) -> str:
        """Write what is new of `code`, and give the name of what its last step defines; that of `Conv` without a step.

        Args:
            code: steps as `define` takes them.
            rank: number of spatial axes of `Conv`, 1 to 3.
            kind: the layers that `Conv` is one of.
        """
        names: dict[str, str] = {}
        name = conv = kind.format(rank)
        if any(_CONV in _needs(step) for step in code if callable(step)):
            code = ({_CONV: Defined(conv)}, *code)
        for step in code:
            if callable(step):
                name = self._define(step, rank, names)
            else:
                self._assign(step, rank, names)
        return name

    def written_as(self, definition: Definition) -> list[str]:
        """The names of what `definition` defines, one for each rank or choice for which it was written."""
        return [name for key, made in self._written.items() if key[0] is definition for name in made.values()]

    def put(self, text: str) -> None:
        """Write `text`, which defines nothing that a step needs."""
        self._texts.append((text, False))

    def decorate(self, name: str, line: str) -> None:
        """Write `line` above the class `name`."""
        before = re.compile(rf"^(?=class {name}\b)", re.MULTILINE)
        self._texts = [(before.sub(lambda _: f"{line}\n", text), defines) for text, defines in self._texts]

    def __str__(self) -> str:
        return _sorted(self._imports) + _spaced(self._texts)

    def _define(self, step: Definition, rank: int, names: dict[str, str]) -> str:
        """Write a definition, its name added to `names`, which are those of what it needs."""
        imported, text, name = _body(step)
        key = (step, *(names.get(need, need) for need in _needs(step)))
        if key not in self._written:
            self._written[key] = {name: self._free(name, rank)}
            self._imports.update(imported)
            self._texts.append((_renamed(text, {**names, **self._written[key]}, (name, *_needs(step))), True))
        names |= self._written[key]
        return names[name]

    def _assign(self, step: dict[str, Any], rank: int, names: dict[str, str]) -> None:
        values = {key: literal(_called_anew(value, names)) for key, value in step.items()}
        key = tuple(values.items())
        if key not in self._written:
            self._written[key] = {name: self._free(name, rank) for name in values}
            lines = (f"{self._written[key][name]} = {text}" for name, text in values.items())
            self._texts.append(("\n".join(lines), False))
        names |= self._written[key]

    def _free(self, name: str, rank: int) -> str:
        """`name`; where it is taken, with the rank, or with a number where that is the same."""
        first = self._ranks.get(name)
        if first is not None:
            numbered = (f"{name}_{number}" for number in itertools.count(2))
            tries = itertools.chain([f"{name}{rank}D"] * (first != rank), numbered)
            name = next(one for one in tries if one not in self._ranks)
        self._ranks[name] = rank
        return name


def name_of(code: Code) -> str:
    """The name of what the last step of `code` defines."""
    (*_, last) = code
    assert callable(last)
    return _body(last)[-1]


def _renamed(text: str, names: Mapping[str, str], used: Iterable[str]) -> str:
    """A definition in which `used` names are those of `names`; attributes keep theirs."""
    for name in used:
        if names.get(name, name) != name:
            text = re.sub(rf"(?<![\w.]){name}(?!\w)", names[name], text)
    return text


def _called_anew(value: Any, names: Mapping[str, str]) -> Any:
    """A value in which what is `Defined` has the name that it was written under."""
    if isinstance(value, Defined):
        return Defined(names.get(value, value))
    return type(value)(_called_anew(one, names) for one in value) if isinstance(value, (list, tuple)) else value


def _needs(definition: Definition) -> tuple[str, ...]:
    return tuple(inspect.signature(definition).parameters)


def _resolved(value: Any, names: Mapping[str, Any]) -> Any:
    if isinstance(value, Defined):
        return names[value]
    return type(value)(_resolved(one, names) for one in value) if isinstance(value, (list, tuple)) else value


@functools.cache
def _body(definition: Definition) -> tuple[tuple[str, ...], str, str]:
    """The imports of a definition, the code between them and its last line, and the name that it returns there."""
    source = textwrap.dedent(inspect.getsource(definition))
    lines, (function,) = source.splitlines(), ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    last = function.body[-1]
    assert isinstance(last, ast.Return)
    assert isinstance(last.value, ast.Name)
    imports = [node for node in function.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    docstring = function.body[:1] if ast.get_docstring(function) else []
    start = max((node.end_lineno or 0 for node in (*docstring, *imports)), default=function.body[0].lineno - 1)
    body = textwrap.dedent("\n".join(lines[start : last.lineno - 1])).strip("\n")
    return tuple(map(ast.unparse, imports)), body, last.value.id


def _spaced(texts: Iterable[tuple[str, bool]]) -> str:
    """Texts below each other, two blank lines around those that define something, else one."""
    found, before = "", False
    for text, defines in texts:
        found += ("\n\n\n" if defines or before else "\n\n") + text
        before = defines
    return found


def _sorted(imports: set[str]) -> str:
    """Imports in their usual order: the standard library's, a blank line, others."""
    own = sorted(line for line in imports if _root(line) in sys.stdlib_module_names)
    others = sorted(line for line in imports if _root(line) not in sys.stdlib_module_names)
    return "\n\n".join("\n".join(lines) for lines in (own, others) if lines)


def _root(line: str) -> str:
    return line.split()[1].partition(".")[0]


def literal(value: Any) -> str:
    """A value as code, a list with a line for each of its own. Whatever a text holds, it stays a text."""
    if isinstance(value, list):
        return "[\n" + "".join(f"    {literal(one)},\n" for one in value) + "]"
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' * (len(value) == 1)})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(name)}: {literal(one)}" for name, one in value.items()) + "}"
    return json.dumps(value) if isinstance(value, str) and not isinstance(value, Defined) else repr(value)


def called(name: str, arguments: Arguments, usual: Arguments, positional: int) -> str:
    """The call of `name`, with an argument a line.

    Args:
        name: what is called.
        arguments: by name, in their order.
        usual: values that are left out.
        positional: how many of the first are not named.
    """
    every = list(arguments.items())
    given = [literal(value) for _, value in every[:positional]]
    others = ((name, value) for name, value in every[positional:] if name not in usual or usual[name] != value)
    given += [f"{name}={literal(value)}" for name, value in others]
    return f"{name}(" + "".join(f"\n    {argument}," for argument in given) + "\n)"

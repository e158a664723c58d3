"""The expression of `--where`: a few safe forms of Python over the columns of a row."""

import ast
import functools
import io
import operator
import tokenize
from collections.abc import Callable, Sequence
from typing import Any

from grouped_bench.errors import SpaceError
from grouped_bench.store import schema
from grouped_bench.store.schema import Task

NAMES = tuple(name for name in schema.FRAME_NAMES if name not in schema.RAW)

_PASS = "_pass_"  # `pass` is a keyword of Python and a column of ours
_LONGEST = 2000
_RULE = "--where takes column names, constants, comparisons, and/or/not, in and arithmetic"
_REMEDY = "Write it like: groups > 1 and variant == 'grouped'"
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    **{ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Is: operator.eq, ast.IsNot: operator.ne},
    **{ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge},
    **{ast.In: lambda item, box: item in box, ast.NotIn: lambda item, box: item not in box},
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    **{ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul},
    **{ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod},
}


def select(rows: Sequence[Task], where: str | None) -> list[Task]:
    """The rows for which the expression `where` holds; all of them when it is None.

    A null compares with nothing but None, a list with one number holds when it holds for every entry.

    Raises:
        SpaceError: the expression cannot be read, or compares a column with a value of another type.
    """
    if where is None:
        return list(rows)
    tree = _parse(where)
    try:
        return [row for row in rows if _value(tree, row)]
    except (TypeError, RecursionError) as problem:
        raise SpaceError(
            "--where must compare a column with a value of its own type",
            received=f"{where} ({problem})",
            remedy="Quote text and leave numbers bare, as in: groups == 8 and variant == 'grouped'",
        ) from None


def _parse(where: str) -> ast.expr:
    try:
        tree = ast.parse(_named(where), mode="eval").body
        _check(tree)
    except (SyntaxError, ValueError, tokenize.TokenError, RecursionError, MemoryError):
        raise SpaceError(_RULE, received=where, remedy=_REMEDY) from None
    return tree


def _named(where: str) -> str:
    """`where` with the name `pass` under one that Python can parse; string literals stay as they are."""
    if len(where) > _LONGEST:
        raise SyntaxError("too long")
    readline = io.StringIO(where.strip()).readline
    tokens = [token for token in tokenize.generate_tokens(readline) if token.type != tokenize.COMMENT]
    return tokenize.untokenize(
        (token.type, _PASS if token.type == tokenize.NAME and token.string == "pass" else token.string)
        for token in tokens
    ).strip()


def _check(node: ast.expr) -> None:
    """Refuse, before any row is seen, whatever is not on the short list."""
    match node:
        case ast.Name(id=name):
            if _column(name) not in NAMES:
                _refuse_name(name)
        case ast.Constant(value=str() | int() | float() | None):
            pass
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.BoolOp(values=parts):
            for part in parts:
                _check(part)
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.UAdd(), operand=operand):
            _check(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            _check(left)
            _check(right)
        case ast.Compare(left=left, comparators=parts):
            for part in (left, *parts):
                _check(part)
        case _:
            raise SyntaxError(type(node).__name__)


def _refuse_name(name: str) -> None:
    raise SpaceError(
        "--where takes columns other than the raw samples",
        received=name,
        remedy="List the columns with `grouped-bench list columns`, and put text in quotes",
    )


def _value(node: ast.expr, row: Task) -> Any:
    found: Any = None
    match node:
        case ast.Name(id=name):
            found = row[_column(name)]
        case ast.Constant(value=value):
            found = value
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            found = tuple(_value(part, row) for part in parts)
        case ast.BoolOp(op=ast.And(), values=parts):
            found = all(_value(part, row) for part in parts)
        case ast.BoolOp(values=parts):
            found = any(_value(part, row) for part in parts)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            found = not _value(operand, row)
        case ast.UnaryOp(op=op, operand=operand):
            sign = -1 if isinstance(op, ast.USub) else 1
            found = _arithmetic(operator.mul, sign, _value(operand, row))
        case ast.BinOp(left=left, op=op, right=right):
            found = _arithmetic(_ARITHMETIC[type(op)], _value(left, row), _value(right, row))
        case ast.Compare(left=left, ops=ops, comparators=parts):
            values = [_value(part, row) for part in (left, *parts)]
            pairs = zip(ops, values, values[1:], strict=False)
            found = all(_compare(op, first, second) for op, first, second in pairs)
    return found


def _compare(op: ast.cmpop, left: Any, right: Any) -> bool:
    compare = _COMPARISONS[type(op)]
    if isinstance(op, (ast.In, ast.NotIn)):
        return right is not None and compare(left, right)
    if isinstance(op, (ast.Eq, ast.NotEq, ast.Is, ast.IsNot)) and (left is None or right is None):
        return compare(left, right)
    if left is None or right is None:
        return False
    if isinstance(left, tuple) != isinstance(right, tuple):
        return _each(op, left, right)
    if isinstance(left, str) != isinstance(right, str):
        raise TypeError(f"{left!r} and {right!r}")
    return compare(left, right)


def _each(op: ast.cmpop, left: Any, right: Any) -> bool:
    """Extents against one number: `size >= 28` asks it of every spatial axis."""
    pairs = [(part, right) for part in left] if isinstance(left, tuple) else [(left, part) for part in right]
    answer = functools.partial(_compare, op)
    found = [answer(first, second) for first, second in pairs]
    return any(found) if isinstance(op, (ast.NotEq, ast.IsNot)) else all(found)


def _arithmetic(apply: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """Numbers only, so that no text or list can be blown up; null with anything is null."""
    if left is None or right is None:
        return None
    if not all(isinstance(value, (int, float)) for value in (left, right)):
        raise TypeError(f"arithmetic on {left!r} and {right!r}")
    try:
        return apply(left, right)
    except (ZeroDivisionError, OverflowError):
        return None


def _column(name: str) -> str:
    return "pass" if name == _PASS else name

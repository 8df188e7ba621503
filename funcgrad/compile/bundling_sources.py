"""The syntax trees of functions and classes, found in the source of their modules."""

import ast
import functools
import inspect
import textwrap
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

__all__ = ["class_tree", "function_tree", "variables_of"]


@functools.lru_cache(maxsize=64)
def _module_tree(file: str) -> ast.Module:
    with open(file, encoding="utf-8") as stream:
        return ast.parse(stream.read())


def function_tree(function: FunctionType) -> ast.FunctionDef | ast.Lambda:
    """The syntax tree of a function or lambda; shared, so it must be copied before it is changed.

    Raises:
        LookupError: if the source is not there, or is another one by now.
    """
    code = function.__code__
    found = [
        node
        for node in ast.walk(_module_tree(code.co_filename))
        if isinstance(node, ast.FunctionDef | ast.Lambda) and _may_be(node, code)
    ]
    if len(found) > 1:
        found = [min(found, key=_length)] if code.co_name == "<lambda>" else found
    if len(found) != 1:
        raise LookupError(f"{function.__qualname__} is not in {code.co_filename}")
    return found[0]


def _may_be(node: ast.FunctionDef | ast.Lambda, code: CodeType) -> bool:
    if isinstance(node, ast.FunctionDef):
        first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
        return node.name == code.co_name and first == code.co_firstlineno
    if code.co_name != "<lambda>" or node.lineno != code.co_firstlineno:
        return False
    begin = node.body.lineno, node.body.col_offset
    end = node.body.end_lineno, node.body.end_col_offset
    places = list(_places(code))
    if not places:
        return False
    low, high = min(place[:2] for place in places), max(place[2:] for place in places)
    return begin <= low and high <= end


def _places(code: CodeType) -> Iterator[tuple[int, int, int, int]]:
    """Where the instructions of a body stand: lines and columns, of characters in bytes."""
    for line, end_line, column, end_column in code.co_positions():
        if line is None or end_line is None or column is None or end_column is None:
            continue
        if (column, end_column) != (0, 0):
            yield line, column, end_line, end_column


def _length(node: ast.AST) -> int:
    return len(ast.dump(node))


def class_tree(kind: type) -> ast.ClassDef:
    """The syntax tree of a class."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    if not isinstance(node, ast.ClassDef):
        raise LookupError(f"{kind.__qualname__} is not a class in its source")
    return node


def variables_of(function: FunctionType) -> dict[str, Any]:
    """What the names in a function mean that are not its own: closure before globals."""
    known = dict(function.__globals__)
    cells = function.__closure__ or ()
    for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
        known[name] = cell.cell_contents
    return known

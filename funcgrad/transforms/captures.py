"""Traced values in the closures of functions: found, and exchanged for others.

A function that reads a traced value from its closure is given another one by a copy of it with
other closure cells. The cells of functions that it calls from its closure, default arguments,
`partial` and bound methods are followed; globals and attributes of objects are not.
"""

import functools
from collections.abc import Callable
from types import CellType, FunctionType, MethodType
from typing import Any

from funcgrad import tree
from funcgrad.core.tracer import Tracer
from funcgrad.errors import PytreeError

__all__ = ["replaced"]


def replaced(fun: Callable[..., Any], replace: Callable[[Any], Any]) -> Callable[..., Any]:
    """The function with other traced values in its closure.

    Args:
        fun: any callable.
        replace: gives for a traced value the one to take its place; itself, to leave it.

    Returns:
        A copy of `fun`; `fun` itself if there is nothing to replace.
    """
    search = _Search(replace)
    return search.exchanged(fun) if search.reaches(fun) else fun


class _Search:
    """One walk through closures; every function and cell is visited once."""

    def __init__(self, replace: Callable[[Any], Any]) -> None:
        self.replace = replace
        self.found: dict[int, bool] = {}
        self.copies: dict[int, Any] = {}
        self.alive: list[Any] = []  # identities are those of living objects

    def reaches(self, x: Any) -> bool:
        """Whether a value is traced and to be replaced, or leads to one that is."""
        if isinstance(x, Tracer):
            return self._new(x) is not x
        key = id(x)
        if key not in self.found:
            self.alive.append(x)
            self.found[key] = False  # what a function that contains itself finds on the way
            self.found[key] = any(map(self.reaches, _parts(x)))
        return self.found[key]

    def _new(self, x: Tracer) -> Any:
        if id(x) not in self.copies:
            self.alive.append(x)
            self.copies[id(x)] = self.replace(x)
        return self.copies[id(x)]

    def exchanged(self, x: Any) -> Any:
        """The value with what it leads to replaced."""
        if isinstance(x, Tracer):
            return self._new(x)
        if not self.reaches(x):
            return x
        if id(x) not in self.copies:
            if isinstance(x, FunctionType):
                return self._function(x)
            self.copies[id(x)] = self._other(x)
        return self.copies[id(x)]

    def _other(self, x: Any) -> Any:
        if type(x) is functools.partial:
            args = map(self.exchanged, x.args)
            keywords = {name: self.exchanged(value) for name, value in x.keywords.items()}
            return functools.partial(self.exchanged(x.func), *args, **keywords)
        if isinstance(x, MethodType):
            return MethodType(self.exchanged(x.__func__), self.exchanged(x.__self__))
        leaves, structure = tree.flatten(x)
        return tree.unflatten(structure, map(self.exchanged, leaves))

    def _function(self, x: FunctionType) -> FunctionType:
        cells = x.__closure__ or ()
        changed = [_is_full(cell) and self.reaches(cell.cell_contents) for cell in cells]
        closure = tuple(
            CellType() if flag else cell for cell, flag in zip(cells, changed, strict=True)
        )
        copy = FunctionType(x.__code__, x.__globals__, x.__name__, x.__defaults__, closure)
        self.copies[id(x)] = copy  # before the cells are filled: one may hold the function itself
        functools.update_wrapper(copy, x)
        del copy.__wrapped__  # type: ignore[attr-defined]  # it is a copy, and wraps nothing
        copy.__kwdefaults__ = x.__kwdefaults__
        for cell, new, flag in zip(cells, closure, changed, strict=True):
            if flag:
                new.cell_contents = self.exchanged(cell.cell_contents)
        if x.__defaults__ is not None:
            copy.__defaults__ = tuple(map(self.exchanged, x.__defaults__))
        if x.__kwdefaults__ is not None:
            copy.__kwdefaults__ = {k: self.exchanged(v) for k, v in x.__kwdefaults__.items()}
        return copy


def _is_full(cell: CellType) -> bool:
    try:
        return cell.cell_contents is cell.cell_contents
    except ValueError:  # a variable that is not assigned yet
        return False


def _parts(x: Any) -> list[Any]:
    """What a value leads to."""
    if isinstance(x, FunctionType):
        cells = [cell.cell_contents for cell in x.__closure__ or () if _is_full(cell)]
        return [*cells, *(x.__defaults__ or ()), *(x.__kwdefaults__ or {}).values()]
    if type(x) is functools.partial:
        return [x.func, *x.args, *x.keywords.values()]
    if isinstance(x, MethodType):
        return [x.__func__, x.__self__]
    try:
        leaves, structure = tree.flatten(x)
    except PytreeError:  # a list that holds itself
        return []
    return [] if structure is tree.LEAF else leaves

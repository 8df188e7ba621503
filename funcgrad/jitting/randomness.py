"""Forbidden draws: has a function, while it was recorded, drawn from a generator with a state?

The numbers would be constants of its program, the same on every call. So the states of generators
are compared before and after: those of NumPy and of Python that everyone shares, and those of the
generators that are found through the arguments, the closure, default arguments, globals that the
code names, attributes of objects, and other functions reached so.

A generator that the function makes anew from a seed draws the same on every call, compiled or not.
One that it makes without a seed (`np.random.default_rng()`) is not seen here, and neither are one
deeper than `DEPTH`, or behind `MOST` other values. A draw by another thread from a shared generator
while the function is recorded is taken for one of the function's.
"""

import random
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, TypeAlias

import numpy as np

from funcgrad.core.tracer import Tracer
from funcgrad.errors import RandomnessError

__all__ = ["Snapshot", "snapshot"]

DEPTH = 8
"""How many steps it is at most from the function to a generator."""
MOST = 2000
"""How many values are looked at, at most."""

Label: TypeAlias = str | tuple[Any, ...]
"""What a value is called, in parts: it is written when a generator is found."""

Reached: TypeAlias = tuple[Any, Label, int]
"""A value, what it is called, and how many steps away it is."""

_LEGACY = "numpy.random.mtrand"
_OWN = frozenset({"funcgrad", "numpy"})
_PLAIN = frozenset(
    {
        int, float, complex, bool, str, bytes, type(None), type(...), range, slice,
        np.ndarray, np.float64, np.float32, np.int64, np.dtype, np.ufunc,
        BuiltinFunctionType, CodeType, GetSetDescriptorType, MemberDescriptorType, ModuleType,
    }
)  # fmt: skip
"""Types of values that lead to nothing."""
_WRAPPED = ("fun", "_fun", "func", "__wrapped__", "args", "keywords")
"""Where funcgrad's own callable objects keep the function that they stand for."""


class Snapshot:
    """The states of generators at one time.

    Args:
        fun: the function that is going to be recorded.
        found: the generators, each with what it is called.
    """

    __slots__ = ("_fun", "_had_numpy", "_states")

    def __init__(self, fun: Callable[..., Any], found: Iterable[tuple[Any, str]]) -> None:
        self._fun = fun
        self._had_numpy = _LEGACY in sys.modules
        self._states = [(generator, label, _state(generator)) for generator, label in found]

    def check(self, name: str) -> None:
        """Compare the states of now.

        Args:
            name: of the transform, for the message.

        Raises:
            RandomnessError: if one is another one.
        """
        moved = [label for generator, label, before in self._states if _state(generator) != before]
        if not self._had_numpy and _LEGACY in sys.modules and not _is_fresh():
            moved.append(_SHARED_NUMPY)
        if moved:
            fun = getattr(self._fun, "__name__", type(self._fun).__name__)
            raise RandomnessError(
                f"{name}: {fun} drew random numbers from {' and '.join(moved)} while it was "
                "recorded. They would be constants of the program, the same on every call. Give it "
                "a key as an argument and draw with funcgrad.random, as in "
                "funcgrad.random.normal(key, shape), or draw outside and pass the numbers."
            )


_SHARED_NUMPY = "the shared generator of np.random"
_SHARED_PYTHON = "the shared generator of Python's random"


def snapshot(
    fun: Callable[..., Any], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
) -> Snapshot:
    """Note the states of all generators that a function may draw from.

    Args:
        fun: the function.
        args: its positional arguments.
        kwargs: its keyword arguments.
    """
    found: dict[int, tuple[Any, str]] = {}
    legacy = sys.modules.get(_LEGACY)
    if legacy is not None:
        shared = legacy._rand
        found[id(shared)] = (shared, _SHARED_NUMPY)
        found[id(shared._bit_generator)] = (shared._bit_generator, _SHARED_NUMPY)
    python: Any = getattr(random, "_inst", None)
    if python is not None:
        found[id(python)] = (python, _SHARED_PYTHON)
    for generator, label in _generators(fun, args, kwargs or {}):
        found.setdefault(id(generator), (generator, label))
    if legacy is not None:  # the state of its bit generator is part of its own
        del found[id(shared._bit_generator)]
    return Snapshot(fun, found.values())


# --- states -----------------------------------------------------------------------------------


def _state(generator: Any) -> Any:
    """What changes when numbers are drawn."""
    if isinstance(generator, random.Random):
        return generator.getstate()
    bits = getattr(generator, "bit_generator", None)
    if bits is not None:  # a Generator
        return _frozen(bits.state)
    if hasattr(generator, "_bit_generator"):  # a RandomState, which has a spare normal number
        return _frozen(generator.get_state(legacy=False))
    return _frozen(generator.state)


def _frozen(state: Any) -> Any:
    if isinstance(state, dict):
        return tuple((key, _frozen(value)) for key, value in state.items())
    return state.tobytes() if isinstance(state, np.ndarray) else state


def _is_fresh() -> bool:
    """Whether the shared generator of NumPy stands where a new one stands."""
    shared: Any = sys.modules[_LEGACY]._rand
    states = [one.get_state(legacy=False) for one in (shared, np.random.RandomState())]
    places = [(state["state"].get("pos"), state["has_gauss"]) for state in states]
    return places[0] == places[1]


# --- what a function reaches ------------------------------------------------------------------


def _generators(
    fun: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Iterator[tuple[Any, str]]:
    """The generators that a function reaches, each with what it is called."""
    kinds: tuple[type, ...] = (random.Random,)
    if _LEGACY in sys.modules:
        kinds += (np.random.Generator, np.random.RandomState, np.random.BitGenerator)
    home = _root(fun)
    seen: set[int] = set()
    waiting: deque[Reached] = deque([(fun, "", 0)])  # first come the shortest ways
    waiting.extend((arg, f"argument {i}", 1) for i, arg in enumerate(args))
    waiting.extend((arg, f"argument {name!r}", 1) for name, arg in kwargs.items())
    while waiting and len(seen) < MOST:
        value, label, depth = waiting.popleft()
        kind = type(value)
        if kind in _PLAIN or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, kinds):
            if not isinstance(value, random.SystemRandom):  # which has no state
                yield value, f"{_written(label)} ({kind.__name__})"
        elif depth < DEPTH:
            for inner, name in _parts(value, label, kind, home):
                if type(inner) not in _PLAIN:
                    waiting.append((inner, name, depth + 1))
                    if len(waiting) >= MOST:
                        break


def _written(label: Label) -> str:
    """A label as text; between brackets stands a key."""
    if isinstance(label, str):
        return label
    head, *parts = label
    keyed = len(parts) == 3 and parts[0] == "["
    return _written(head) + "".join([parts[0], repr(parts[1]), "]"] if keyed else map(str, parts))


def _parts(value: Any, label: Label, kind: type, home: str) -> Iterable[tuple[Any, Label]]:
    """What a value leads to, and what that is called."""
    if kind is FunctionType:
        return _of_function(value, home)
    if kind is MethodType:
        return (value.__self__, "self"), (value.__func__, label)
    if kind is staticmethod or kind is classmethod:
        return ((value.__func__, label),)
    if kind is property:
        return ((value.fget, label),)
    if isinstance(value, dict):
        return ((item, (label, "[", key, "]")) for key, item in value.items())
    if isinstance(value, tuple | list | set | frozenset):
        return ((item, (label, "[", i, "]")) for i, item in enumerate(value))
    if isinstance(value, Tracer | np.ndarray | np.generic):
        return ()
    if isinstance(value, type):
        return _of_class(value, label, home)
    return _of_object(value, label, home)


def _of_function(fun: FunctionType, home: str) -> Iterator[tuple[Any, Label]]:
    """Closure, default arguments, attributes, and the globals that the code names."""
    code, scope = fun.__code__, fun.__globals__
    yield from ((value, name) for name, value in fun.__dict__.items())
    if fun.__defaults__:
        optional = code.co_varnames[: code.co_argcount][-len(fun.__defaults__) :]
        yield from zip(fun.__defaults__, optional, strict=True)
    if fun.__kwdefaults__:
        yield from ((value, name) for name, value in fun.__kwdefaults__.items())
    for name, cell in zip(code.co_freevars, fun.__closure__ or (), strict=True):
        try:
            yield cell.cell_contents, name
        except ValueError:  # it is empty
            continue
    if _is_foreign(scope.get("__name__", ""), scope.get("__file__"), home):
        return
    names = set(_names(code))
    for name in names:
        if name in scope:
            value = scope[name]
            if type(value) is ModuleType:
                yield from _of_module(value, names, home)
            else:
                yield value, name


def _names(code: CodeType) -> Iterator[str]:
    """Names of globals and attributes in the code, and in that of functions inside of it."""
    yield from code.co_names
    for constant in code.co_consts:
        if type(constant) is CodeType:
            yield from _names(constant)


def _of_module(module: ModuleType, names: set[str], home: str) -> Iterator[tuple[Any, Label]]:
    """Of a module of the user's: what the code may read from it."""
    scope = vars(module)
    if not _is_foreign(module.__name__, scope.get("__file__"), home):
        for name in names:
            if name in scope:
                yield scope[name], f"{module.__name__}.{name}"


def _of_object(value: Any, label: Label, home: str) -> Iterator[tuple[Any, Label]]:
    """Attributes of an object, and methods of its class."""
    cls = type(value)
    if _root(cls) in _OWN or cls.__module__ == "functools":
        for name in _WRAPPED:
            inner = getattr(value, name, None)
            if inner is not None:
                yield inner, label
        return
    before = (label, ".") if label else ("",)
    attributes = getattr(value, "__dict__", None)
    if isinstance(attributes, dict):
        yield from ((inner, (*before, name)) for name, inner in attributes.items())
    for base in cls.__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            yield getattr(value, name, None), (*before, name)
    yield from _of_class(cls, label or cls.__name__, home)


def _of_class(cls: type, label: Label, home: str) -> Iterator[tuple[Any, Label]]:
    """Attributes and methods of a class of the user's, and of those it is derived from."""
    for base in cls.__mro__:
        module = sys.modules.get(base.__module__)
        if not _is_foreign(base.__module__, getattr(module, "__file__", None), home):
            yield from ((inner, (label, ".", name)) for name, inner in base.__dict__.items())


def _root(value: Any) -> str:
    """The package in which a function or class is defined."""
    return str(getattr(value, "__module__", None) or "").partition(".")[0]


def _is_foreign(module: Any, file: Any, home: str) -> bool:
    """Whether a module is neither the user's nor of the package of the function."""
    root = str(module).partition(".")[0]
    if root in _OWN or (root in sys.stdlib_module_names and root != "__main__"):
        return True
    return root != home and isinstance(file, str) and "site-packages" in file

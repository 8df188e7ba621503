"""What code reads and writes by name, and what objects hold."""

import dis
import functools
import sys
from collections.abc import Iterator
from types import CodeType, MemberDescriptorType, ModuleType
from typing import Any

__all__ = [
    "attribute_names",
    "class_attributes",
    "global_names",
    "is_users",
    "is_users_module",
    "stored_attributes",
    "stored_names",
]

_LIBRARIES = frozenset({"funcgrad", "numpy", *sys.stdlib_module_names}) - {"__main__"}


def _is_library(module: str | None) -> bool:
    return (module or "").split(".", 1)[0] in _LIBRARIES


def is_users(x: Any) -> bool:
    """Whether a value is an object of a class that is neither Python's, NumPy's nor ours."""
    return not isinstance(x, type | ModuleType) and not _is_library(type(x).__module__)


def is_users_module(x: Any) -> bool:
    """Whether a value is a module, or a class, with names that programs bind again."""
    if isinstance(x, ModuleType):
        return not _is_library(x.__name__)
    return isinstance(x, type) and not _is_library(x.__module__)


def class_attributes(cls: type) -> Iterator[str]:
    """Names of plain values in a class and those above it, and of slots; methods are left out."""
    seen: set[str] = set()
    for one in cls.__mro__:
        if _is_library(one.__module__):
            continue
        for name, value in vars(one).items():
            if name in seen or name[:2] == "__":
                continue
            seen.add(name)
            if isinstance(value, MemberDescriptorType) or not hasattr(type(value), "__get__"):
                yield name


@functools.lru_cache(maxsize=1024)
def global_names(code: CodeType) -> tuple[str, ...]:
    """Names of globals that the code reads, also in functions and comprehensions inside of it."""
    names: dict[str, None] = {}
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            names[str(instruction.argval)] = None
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names.update(dict.fromkeys(global_names(constant)))
    return tuple(names)


@functools.lru_cache(maxsize=4096)
def _named_by(code: CodeType, operations: frozenset[str]) -> frozenset[str]:
    """What some instructions name, also in functions and comprehensions inside of the code."""
    names = {
        str(instruction.argval)
        for instruction in dis.get_instructions(code)
        if instruction.opname in operations
    }
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _named_by(constant, operations)
    return frozenset(names)


_STORED = frozenset({"STORE_GLOBAL", "STORE_DEREF", "DELETE_GLOBAL"})
_SET = frozenset({"STORE_ATTR", "DELETE_ATTR"})
_READ = frozenset({"LOAD_ATTR", "LOAD_METHOD"})


def stored_names(code: CodeType) -> frozenset[str]:
    """Names of globals and free variables that the code assigns to."""
    return _named_by(code, _STORED)


def stored_attributes(code: CodeType) -> frozenset[str]:
    """Names of attributes that the code assigns to."""
    return _named_by(code, _SET)


def attribute_names(code: CodeType) -> frozenset[str]:
    """Names of attributes that the code reads."""
    return _named_by(code, _READ)

"""Functions of funcgrad as source text that needs nothing but NumPy.

A bundle is given functions, and holds the source of these, of the functions and classes that they
use, and of the constants in them, ordered so that it can be executed from top to bottom. Floats are
written so that no bit is lost.
"""

import ast
import builtins
import functools
import inspect
import itertools
import keyword
import math
from collections.abc import Callable, Iterable
from types import FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any, Literal

import numpy as np

from funcgrad.compile.bundling_rewriting import rewritten, written_literal
from funcgrad.compile.bundling_sources import class_tree, function_tree, variables_of
from funcgrad.compile.bundling_substitutes import EXPRESSIONS, SUBSTITUTES
from funcgrad.core.primitive import Primitive
from funcgrad.core.protocols import DISPATCH

__all__ = ["Bundle", "array_text"]

_TAKEN = frozenset({*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "np", "math"})
_SHORT = 16
"""Arrays of at most so many elements are written as lists."""


class Bundle:
    """Source text of functions and constants, under names of its own.

    Args:
        taken: names that are in use elsewhere.
        fresh: gives out names that are free, if others get names there, too.

    Attributes:
        taken: names that are in use.
    """

    def __init__(
        self, taken: Iterable[str] = (), fresh: Callable[[str], str] | None = None
    ) -> None:
        self.taken = {*_TAKEN, *taken}
        self._free = fresh
        self._names: dict[int, str] = {}
        self._kept: list[Any] = []  # so that identities stay those of one object
        self._texts: dict[str, str] = {}
        self._numbers: dict[str, str] = {}
        self._dispatched = {
            id(function): key for key, function in DISPATCH.items() if callable(key)
        }

    # --- what is asked for ------------------------------------------------------------------

    def function(self, function: Callable[..., Any], name: str) -> str:
        """An expression for a function: a name in the bundle, or NumPy's own name of it.

        Raises:
            LookupError: if its source is not known, or needs what NumPy does not have.
        """
        known = self._names.get(id(function))
        text = known or _public_name(_original(function, self._dispatched))
        return text or self._define(_original(function, self._dispatched), name, asked=True)

    def constant(self, value: Any, name: str) -> str:
        """An expression for a value: a literal, or a name in the bundle."""
        return self._named(value, name)

    def text(self) -> str:
        """The definitions, in an order in which they can be executed."""
        texts = [text.strip("\n") for text in self._texts.values()]
        lines = []
        for text, after in itertools.pairwise([*texts, ""]):
            spaced = any(one.startswith(("def ", "class ")) for one in (text, after))
            lines.append(text + ("\n\n\n" if spaced and after else "\n"))
        return "".join(lines)

    def fresh(self, name: str) -> str:
        """A name that nothing else has."""
        stem = "".join(letter if letter.isalnum() else "_" for letter in name) or "value"
        stem = f"_{stem}" if stem[0].isdigit() else stem
        found, number = stem if self._free is None else self._free(stem), 1
        while self._free is None and found in self.taken:
            number += 1
            found = f"{stem}_{number}"
        self.taken.add(found)
        return found

    # --- how values are written -------------------------------------------------------------

    def _named(self, value: Any, hint: str) -> str:
        known = self._names.get(id(value))
        if known is not None:
            return known
        text = _simple(value)
        if text is not None:
            return self._number(text, hint) if type(value) in (int, float) else text
        value = _original(value, self._dispatched)
        text = _public_name(value)
        if text is not None:
            return text
        known = self._names.get(id(value))
        return self._define(value, hint) if known is None else known

    def _number(self, text: str, hint: str) -> str:
        """A number: by its name, if that is the name of a constant."""
        if not hint.isupper():
            return text
        key = f"{hint} = {text}"
        if key not in self._numbers:
            name = self._numbers[key] = self.fresh(hint)
            self._texts[name] = f"{name} = {text}"
        return self._numbers[key]

    def _item(self, value: Any, name: str) -> str:
        """A part of a collection."""
        return _simple(value) or self._named(value, name)

    def _define(self, value: Any, hint: str, *, asked: bool = False) -> str:
        """Give a value a name, by default its own, and write it down."""
        if isinstance(value, FunctionType):
            hint = value.__name__ if value.__name__.isidentifier() and not asked else hint
        elif isinstance(value, type):
            if issubclass(value, BaseException):
                return next(base.__name__ for base in value.__mro__ if _is_builtin(base))
            hint = value.__name__
        elif _substitute(value) is not None:
            hint = value.__name__
        name = self.fresh(hint)
        self._names[id(value)] = name
        self._kept.append(value)
        text = self._definition(value, name)
        same = text.removeprefix(f"{name} = ")
        if same in self.taken:  # another name of what is there
            self._names[id(value)] = same
            self.taken.discard(name)
            return same
        self._texts[name] = text
        return name

    def _definition(self, value: Any, name: str) -> str:
        """The statements that give a name its value; what they need is defined before."""
        substitute = _substitute(value)
        if substitute is not None:
            return _renamed(substitute, name)
        if isinstance(value, FunctionType):
            return self._function(value, name)
        if isinstance(value, type):
            return self._class(value, name)
        if isinstance(value, functools.partial):
            function = self._named(value.func, f"{name}_function")
            first = [self._named(arg, f"{name}_{i}") for i, arg in enumerate(value.args)]
            first += [f"{key}={self._named(arg, key)}" for key, arg in value.keywords.items()]
            return f"def {name}(*args):\n    return {function}({', '.join([*first, '*args'])})\n"
        if hasattr(value, "cache_info"):
            remembered = self._named(functools.cache, "cache")
            return f"{self._function(value.__wrapped__, name)}\n\n{name} = {remembered}({name})"
        if isinstance(value, MethodType):
            return f"{name} = {self._named(value.__self__, name)}.{value.__name__}"
        text = self._collection(value, name)
        if text is not None:
            return f"{name} = {text}"
        return self._instance(value, name)

    def _collection(self, value: Any, name: str) -> str | None:
        if isinstance(value, np.ndarray):
            return array_text(value)
        if isinstance(value, dict | MappingProxyType):
            pairs = [f"{self._item(k, name)}: {self._item(v, name)}" for k, v in value.items()]
            return f"{{{', '.join(pairs)}}}"
        if isinstance(value, tuple | list | frozenset | set):
            items = [self._item(item, name) for item in value]
            if isinstance(value, frozenset | set):
                return f"frozenset([{', '.join(sorted(items))}])"
            if isinstance(value, list):
                return f"[{', '.join(items)}]"
            return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
        return None

    def _function(self, function: FunctionType, name: str) -> str:
        if not function.__module__.startswith("funcgrad."):
            raise LookupError(f"{function.__qualname__} of {function.__module__}")
        known = variables_of(function)
        tree = rewritten(
            function_tree(function),
            known,
            lambda value, hint: self._named(value, _hint(name, hint)),
        )
        self._give_defaults(tree.args, function)
        if isinstance(tree, ast.Lambda):
            same = _forwarded(tree)
            if same is not None:
                return f"{name} = {same}"
            tree = ast.FunctionDef(name, tree.args, [ast.Return(tree.body)], [], lineno=1)
        tree.name = name
        return _renamed(ast.unparse(ast.fix_missing_locations(tree)), name)

    def _give_defaults(self, arguments: ast.arguments, function: FunctionType) -> None:
        """Defaults by value: their names mean what they did when the function was made."""
        values = function.__defaults__ or ()
        arguments.defaults = [written_literal(self._named(value, "default")) for value in values]
        given = function.__kwdefaults__ or {}
        arguments.kw_defaults = [
            written_literal(self._named(given[one.arg], "default")) if one.arg in given else None
            for one in arguments.kwonlyargs
        ]

    def _class(self, kind: type, name: str) -> str:
        if not kind.__module__.startswith("funcgrad."):
            raise LookupError(f"{kind.__qualname__} of {kind.__module__}")
        module = inspect.getmodule(kind)
        known = {**vars(module), kind.__name__: kind}
        tree = rewritten(
            class_tree(kind), known, lambda value, hint: self._named(value, _hint(name, hint))
        )
        tree.name = name
        return ast.unparse(ast.fix_missing_locations(tree))

    def _instance(self, value: Any, name: str) -> str:
        """An object by its attributes."""
        kind = type(value)
        if not kind.__module__.startswith("funcgrad."):
            raise LookupError(f"{name}, a {kind.__name__}")
        attributes = dict(getattr(value, "__dict__", {}))
        for slot in getattr(kind, "__slots__", ()):
            if hasattr(value, slot):
                attributes[slot] = getattr(value, slot)
        lines = [f"{name} = object.__new__({self._named(kind, kind.__name__)})"]
        for attribute, part in attributes.items():
            lines.append(f"{name}.{attribute} = {self._written(part, f'{name}_{attribute}')}")
        return "\n".join(lines)

    def _written(self, value: Any, name: str) -> str:
        """As `_named`, but what has no name yet is written in place."""
        if id(value) not in self._names and isinstance(value, np.ndarray | tuple | list | dict):
            text = self._collection(value, name)
            if text is not None:
                return text
        return self._named(value, name)


def _hint(owner: str, name: str) -> str:
    """A name for what a function calls `name`: short ones say nothing elsewhere."""
    return f"{owner}_{name}" if name in ("value", "function", "f", "kernel") else name


def _substitute(value: Any) -> str | None:
    return next((text for key, text in SUBSTITUTES.items() if key is value), None)


def _is_builtin(kind: Any) -> bool:
    return getattr(builtins, getattr(kind, "__name__", ""), None) is kind


def _renamed(text: str, name: str) -> str:
    """A definition under another name, which it may call itself by."""
    tree = ast.parse(text)
    (definition,) = tree.body
    old = definition.name  # type: ignore[attr-defined]  # a function or a class
    if old == name:
        return text.rstrip("\n") + "\n"
    definition.name = name  # type: ignore[attr-defined]  # a def
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == old:
            node.id = name
    return ast.unparse(tree) + "\n"


def _forwarded(tree: ast.Lambda) -> str | None:
    """`f` of `lambda x: f(x)`."""
    body, arguments = tree.body, tree.args
    plain = not (arguments.posonlyargs or arguments.kwonlyargs or arguments.vararg)
    if isinstance(body, ast.Call) and isinstance(body.func, ast.Name) and plain:
        passed = [one.id for one in body.args if isinstance(one, ast.Name)]
        same = passed == [one.arg for one in arguments.args] and len(passed) == len(body.args)
        if same and not body.keywords and body.func.id not in passed:
            return body.func.id
    return None


def _original(value: Any, dispatched: dict[int, Any]) -> Any:
    """What computes the value where a function only decides who does."""
    if isinstance(value, Primitive):
        return value.value
    return dispatched.get(id(value), value)


# --- literals ---------------------------------------------------------------------------------


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(float(value))
    return "math.nan" if math.isnan(value) else "math.inf" if value > 0 else "-math.inf"


def _simple(value: Any) -> str | None:
    """A value that is written where it stands."""
    kind = type(value)
    if value is None or value is Ellipsis or kind in (bool, int, str, bytes):
        return repr(value)
    if kind is float:
        return _number(value)
    if kind is complex:
        return f"complex({_number(value.real)}, {_number(value.imag)})"
    if kind is slice:
        bounds = [_simple(bound) for bound in (value.start, value.stop, value.step)]
        return None if None in bounds else f"slice({', '.join(map(str, bounds))})"
    if isinstance(value, np.dtype):
        return f'np.dtype("{value.str if value.byteorder not in "=|" else value.name}")'
    if isinstance(value, np.generic) and value.dtype.kind in "biufc":
        return f"np.{value.dtype.name}({_simple(value.item())})"
    if kind is tuple and len(value) <= 4:  # longer ones get a name
        items = [_simple(item) for item in value]
        if None not in items:
            return f"({', '.join(map(str, items))}{',' if len(items) == 1 else ''})"
    return None


def _is_readable(array: np.ndarray[Any, Any]) -> bool:
    """Whether the text of its numbers gives them back: complex ones lose the sign of a zero."""
    if array.dtype.kind not in "biufc" or not np.isfinite(array).all():
        return False
    parts = (array.real, array.imag) if array.dtype.kind == "c" else ()
    return not any(np.any((part == 0) & np.signbit(part)) for part in parts)


def array_text(array: np.ndarray[Any, Any]) -> str:
    """An array as an expression that gives each of its bits back."""
    dtype = array.dtype
    name = f"np.{dtype.name}" if dtype.isnative else repr(dtype.str)
    if array.size <= _SHORT and _is_readable(array):
        if array.shape == ():
            return f"np.array({array.item()!r}, {name})"
        if array.size:
            return f"np.array({array.tolist()!r}, {name})"
    if not array.size:
        return f"np.empty({array.shape}, {name})"
    order: Literal["F", "C"] = "F" if array.flags.fnc else "C"
    hexadecimal = array.tobytes(order).hex()
    lines = [hexadecimal[i : i + 88] for i in range(0, len(hexadecimal), 88)]
    text = "\n".join(f'    "{line}"' for line in lines)
    ending = ', order="F"' if order == "F" else ""
    return f"np.frombuffer(bytes.fromhex(\n{text}\n), {name}).reshape({array.shape}{ending})"


_PLACES: tuple[tuple[str, Any], ...] = (
    ("np", np),
    ("np.linalg", np.linalg),
    ("np.fft", np.fft),
    ("np.random", np.random),
    ("np.lib.stride_tricks", np.lib.stride_tricks),
    ("np.exceptions", np.exceptions),
    ("math", math),
)


def _public_name(value: Any) -> str | None:
    """The name that NumPy, math or Python has for a function, class or module."""
    if isinstance(value, ModuleType):
        return next((name for name, module in _PLACES if module is value), None)
    text = next((text for key, text in EXPRESSIONS.items() if key is value), None)
    if text is not None:
        return text
    name = getattr(value, "__name__", None)
    if not isinstance(name, str):
        return None
    owner = getattr(value, "__self__", None)
    if isinstance(owner, np.ufunc):
        return f"np.{owner.__name__}.{name}"
    for place, module in _PLACES:
        if getattr(module, name, None) is value:
            return f"{place}.{name}"
    return name if _is_builtin(value) else _numpy_path(value, name)


def _numpy_path(value: Any, name: str) -> str | None:
    """Of a function in one of NumPy's further public modules."""
    first, *parts = [*str(getattr(value, "__module__", "")).split("."), name]
    owner: Any = np
    for part in parts:
        owner = None if part.startswith("_") else getattr(owner, part, None)
    return ".".join(["np", *parts]) if first == "numpy" and owner is value else None

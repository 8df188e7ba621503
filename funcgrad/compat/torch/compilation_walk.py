"""What a compiled function reads besides its arguments: modules, closures, globals, their contents.

The walk starts at the function and follows closure cells, default arguments, the globals that its
code names, the functions that are found there, modules with their parameters, buffers and
attributes, and containers and objects of the user's. Tensors on the way become inputs of the
program; everything else is compared by identity at each call. What has changed is looked at again,
and numbers, texts and the like that are equal count as the same.
"""

import functools
import random
import sys
from collections import OrderedDict, deque
from collections.abc import Sequence
from operator import is_
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from funcgrad.compat.torch.compilation_held import OWN
from funcgrad.compat.torch.dtypes import Size, device, dtype
from funcgrad.compat.torch.mersenne import Generator
from funcgrad.compat.torch.nn.modules.hooks import GLOBAL
from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.jitting.reading import global_names, stored_names

__all__ = ["CONSTANTS", "Reach", "Same"]

CONSTANTS = frozenset(
    {
        bool,
        bytes,
        complex,
        device,
        dtype,
        float,
        int,
        range,
        Size,
        slice,
        str,
        type(None),
        type(...),
    }
)
"""Types whose values are compared as such."""

MOST = 20_000
"""So many values are looked at."""

MANY_OBJECTS = "it reaches too many objects"

SMALL = 1 << 16
"""NumPy arrays of at most so many bytes are compared."""

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_PASSIVE = frozenset(
    {
        "_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks",
        "_load_state_dict_post_hooks", "_forward_hooks_with_kwargs",
        "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs",
        "_compiled_call_impl",
    }
)  # fmt: skip
"""Attributes of modules that a call does not read, or reads only where there are hooks."""

_UNCALLED = frozenset(
    {"__del__", "__init__", "__init_subclass__", "__new__", "__repr__", "__str__"}
)
_NOTHING = object()


class Same:
    """Stands for an object in a key: equal to itself only."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


class Reach:
    """What some functions and objects reach, as it is now.

    Attributes:
        roots: these functions and objects.
        tensors: the tensors, each once.
        key: everything else; equal keys mean the same program.
        number: of the key, among those of the compiled function.
        reason: why this cannot be compiled, if it cannot.
    """

    __slots__ = (
        "__weakref__",
        "_arrays", "_cells", "_dicts", "_hooks", "_names", "_sequences", "_sets", "key", "number",
        "reason", "roots", "tensors",
    )  # fmt: skip

    def __init__(self, roots: Sequence[Any]) -> None:
        self.roots = tuple(roots)
        self.tensors: list[Tensor] = []
        self.reason = ""
        self.number = -1
        self._dicts: list[tuple[dict[Any, Any], tuple[Any, ...], tuple[Any, ...]]] = []
        self._hooks: list[Any] = []
        self._names: list[tuple[Any, str, Any, Any]] = []
        self._cells: list[tuple[CellType, Any]] = []
        self._sequences: list[tuple[Any, tuple[Any, ...]]] = []
        self._sets: list[tuple[Any, frozenset[Any]]] = []
        self._arrays: list[tuple[np.ndarray[Any, Any], bytes]] = []
        self.key = _Walk(self).all()
        if self.reason == MANY_OBJECTS:  # which would take long to compare
            self._dicts, self._names, self._cells = [], [], []
            self._sequences, self._sets, self._arrays = [], [], []
            self.tensors = []

    def unchanged(self) -> bool:
        """Whether everything is the same object as before."""
        for found, _, values in self._dicts:
            if len(found) != len(values) or not all(map(is_, found.values(), values)):
                return False
        if any(self._hooks) or GLOBAL.any:
            return False
        for scope, name, value, _ in self._names:
            if scope.get(name, _NOTHING) is not value:
                return False
        for cell, value in self._cells:
            if _content(cell) is not value:
                return False
        for sequence, items in self._sequences:
            if len(sequence) != len(items) or not all(map(is_, sequence, items)):
                return False
        if any(found != items for found, items in self._sets):
            return False
        return all(array.tobytes() == content for array, content in self._arrays)

    def restore(self) -> None:
        """Undo what has been done to containers, attributes and variables."""
        for found, keys, values in self._dicts:
            if list(found) != list(keys) or not all(map(is_, found.values(), values)):
                found.clear()
                found.update(zip(keys, values, strict=True))
        for hooks in self._hooks:
            hooks.clear()
        for name_of in self._names:
            _restore_name(*name_of)
        for cell, value in self._cells:
            if _content(cell) is not value:
                cell.cell_contents = value
        for sequence, items in self._sequences:
            if len(sequence) != len(items) or not all(map(is_, sequence, items)):
                sequence.clear()
                sequence.extend(items)
        for members, before in self._sets:
            members.clear()
            members.update(before)
        for array, content in self._arrays:
            if array.flags.writeable:
                array[...] = np.frombuffer(content, array.dtype).reshape(array.shape)


class _Walk:
    """One walk; each method returns what stands for its value in the key."""

    def __init__(self, reach: Reach) -> None:
        self.reach = reach
        self.seen: dict[int, int] = {}
        self.kept: list[Any] = []
        self.tensors: dict[int, int] = {}
        self.names: set[str] = {"forward"}
        self.scopes: list[Any] = []
        """Classes and modules of the user's, of which the names that occur in code are read."""

        self.read: set[tuple[int, str]] = set()

    def all(self) -> Any:
        """The key of all roots."""
        if GLOBAL.any:
            self.reach.reason = "there are hooks of all modules"
        tokens = [self.value(root) for root in self.reach.roots]
        count = -1
        while count != len(self.read):  # code that is found names further things
            count = len(self.read)
            tokens += [self.scope(scope) for scope in list(self.scopes)]
        return tuple(tokens)

    def value(self, x: Any) -> Any:
        """What stands for any value."""
        cls = type(x)
        if cls in CONSTANTS:
            return (cls, repr(x)) if cls in (float, complex, slice) else (cls, x)
        if isinstance(x, Tensor):
            return self.tensor(x)
        found = self.seen.get(id(x))
        if found is not None:
            return ("seen", found)
        self.seen[id(x)] = len(self.seen)
        self.kept.append(x)
        if len(self.seen) > MOST:
            self.reach.reason = MANY_OBJECTS
            return Same(x)
        for kind, method in _METHODS:
            if isinstance(x, kind):
                return method(self, x)
        return self.object(x)

    def sequence(self, x: Any) -> Any:
        """A list, tuple or deque by its items."""
        if not isinstance(x, tuple):
            self.reach._sequences.append((x, tuple(x)))
        return (Same(type(x)), *map(self.value, list(x)))

    def members(self, x: Any) -> Any:
        """A set by its members."""
        if isinstance(x, set):
            self.reach._sets.append((x, frozenset(x)))
        return (Same(type(x)), *map(self.value, list(x)))

    def method(self, x: MethodType) -> Any:
        """A method by its function and its object."""
        return ("method", self.value(x.__func__), self.value(x.__self__))

    def partial(self, x: functools.partial[Any]) -> Any:
        """A function with some arguments by both."""
        return ("partial", *map(self.value, (x.func, x.args, x.keywords)))

    def tensor(self, x: Tensor) -> Any:
        """A number for each tensor."""
        found = self.tensors.get(id(x))
        if found is None:
            found = self.tensors[id(x)] = len(self.reach.tensors)
            self.reach.tensors.append(x)
            own = vars(x)
            if not own.keys() <= OWN:
                extras = [name for name in own if name not in OWN]
                self.reach._names += [(own, name, own[name], None) for name in extras]
                return ("tensor", found, Same(type(x)), *(self.value(own[n]) for n in extras))
        return ("tensor", found, Same(type(x)))

    def dictionary(self, x: dict[Any, Any]) -> Any:
        """A dictionary by its keys and values."""
        self.reach._dicts.append((x, tuple(x), tuple(x.values())))
        return (
            Same(type(x)),
            *(
                (key if isinstance(key, str | int | float | tuple) else Same(key), self.value(item))
                for key, item in list(x.items())
            ),
        )

    def module(self, x: Module) -> Any:
        """A module by its class, attributes, parameters, buffers and inner modules."""
        own = vars(x)
        self.reach._dicts.append((own, tuple(own), tuple(own.values())))
        tokens: list[Any] = ["module", self.cls(type(x))]
        for name, item in list(own.items()):
            if name in _PASSIVE:
                continue
            if name in _HOOKS:
                if item:
                    self.reach.reason = "a module has hooks"
                    self.value(item)
                else:
                    self.reach._hooks.append(item)
            elif isinstance(item, dict | OrderedDict) and not item:
                if name not in ("_parameters", "_buffers", "_modules"):
                    tokens.append(name)
                self.reach._hooks.append(item)
            else:
                tokens.append((name, self.value(item)))
        return tuple(tokens)

    def array(self, x: np.ndarray[Any, Any]) -> Any:
        """A small array by what it holds."""
        if x.nbytes > SMALL or x.dtype.hasobject:
            self.reach.reason = "it reads a NumPy array"
            return Same(x)
        content = x.tobytes()
        self.reach._arrays.append((x, content))
        return ("array", x.shape, str(x.dtype), content)

    def function(self, x: FunctionType) -> Any:
        """A function by its code and what that reads."""
        followed = getattr(x, "_torchdynamo_orig_callable", None)
        if followed is not None:
            return ("compiled", self.value(followed))
        if _is_library(x.__module__) and not x.__closure__:
            return Same(x)
        tokens: list[Any] = [Same(x.__code__)]
        for cell in x.__closure__ or ():
            content = _content(cell)
            self.reach._cells.append((cell, content))
            tokens.append("empty" if content is _NOTHING else self.value(content))
        tokens += [self.value(item) for item in x.__defaults__ or ()]
        if x.__kwdefaults__:
            tokens.append(self.value(x.__kwdefaults__))
        if not _is_library(x.__module__):
            self.code(x.__code__)
            for name in {**dict.fromkeys(global_names(x.__code__)),
                         **dict.fromkeys(stored_names(x.__code__))}:  # fmt: skip
                if name not in x.__code__.co_freevars:
                    tokens.append((name, self.named(x.__globals__, name)))
        return tuple(tokens)

    def code(self, code: CodeType) -> None:
        """Note the names that code uses."""
        self.names.update(code.co_names)
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self.code(constant)

    def named(self, scope: dict[str, Any], name: str) -> Any:
        """A global variable."""
        value = scope.get(name, _NOTHING)
        self.reach._names.append((scope, name, value, None))
        return None if value is _NOTHING else self.value(value)

    def cls(self, x: type) -> Any:
        """A class, and those of the user's that it is derived from."""
        for one in x.__mro__:
            if not _is_library(one.__module__) and one not in self.scopes:
                self.scopes.append(one)
        return Same(x)

    def scope(self, scope: Any) -> Any:
        """What code reads of a class or module of the user's."""
        own = vars(scope)
        tokens: list[Any] = []
        for name in list(own):
            special = isinstance(scope, type) and name[:2] == "__" and callable(own[name])
            if not (name in self.names or (special and name not in _UNCALLED)):
                continue
            if (id(scope), name) in self.read:
                continue
            self.read.add((id(scope), name))
            value = own[name]
            self.reach._names.append((own, name, value, scope))
            tokens += [(name, self.value(part)) for part in _functions(value)]
        return tuple(tokens)

    def object(self, x: Any) -> Any:
        """Anything else: an object of a class of the user's by its attributes."""
        cls = type(x)
        if isinstance(x, type):
            return self.cls(x)
        if isinstance(x, ModuleType):
            if not _is_library(x.__name__) and x not in self.scopes:
                self.scopes.append(x)
            return Same(x)
        if isinstance(x, property | staticmethod | classmethod):
            return tuple(self.value(part) for part in _functions(x))
        if isinstance(x, random.Random) or (
            hasattr(cls, "__next__") and not isinstance(x, Generator)
        ):
            self.reach.reason = f"it reaches a {cls.__name__}, which goes on at each call"
            return Same(x)
        if _is_library(cls.__module__):
            return Same(x)
        tokens: list[Any] = [self.cls(cls)]
        own = getattr(x, "__dict__", None)
        if isinstance(own, dict):
            tokens.append(self.dictionary(own))
        for one in cls.__mro__:
            slots = one.__dict__.get("__slots__", ())
            tokens += [
                (name, self.value(getattr(x, name)))
                for name in ((slots,) if isinstance(slots, str) else slots)
                if hasattr(x, name) and name not in ("__dict__", "__weakref__")
            ]
        return tuple(tokens)


def _restore_name(scope: Any, name: str, value: Any, owner: Any) -> None:
    """Bind a global variable, or the name of a class or module, as it was."""
    if scope.get(name, _NOTHING) is value:
        return
    if value is _NOTHING:
        del scope[name]
    elif owner is None:
        scope[name] = value
    else:
        setattr(owner, name, value)


_METHODS: tuple[tuple[Any, Any], ...] = (
    (Module, _Walk.module),
    (dict, _Walk.dictionary),
    ((list, tuple, deque), _Walk.sequence),
    ((set, frozenset), _Walk.members),
    (np.ndarray, _Walk.array),
    (FunctionType, _Walk.function),
    (MethodType, _Walk.method),
    (functools.partial, _Walk.partial),
)


def _functions(value: Any) -> list[Any]:
    """The functions of a property or method, or the value itself."""
    if isinstance(value, property):
        return [part for part in (value.fget, value.fset) if part is not None]
    if isinstance(value, staticmethod | classmethod):
        return [value.__func__]
    return [value]


@functools.lru_cache(maxsize=4096)
def _is_library(name: str | None) -> bool:
    """Whether a module is one of Python's, NumPy's or of this package."""
    root = (name or "").partition(".")[0]
    return root in ("funcgrad", "numpy", "torch") or (
        root in sys.stdlib_module_names and root != "__main__"
    )


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a variable that is not assigned yet
        return _NOTHING

"""What a function reads besides its arguments: closure cells, default arguments, its own globals.

These are compared by identity at each call, so that a function is recorded again when one of them
is bound to something else. Arrays among them are not constants of the program: while the function
is recorded, a copy of it reads tracers in their place, so whatever is computed from them is
computed anew at each call. Functions in closures are followed, those that are found through globals
are not. Attributes of objects are compared too, of objects in them as well, and attributes of
modules and classes that the function names; what is computed from arrays among them alone is
computed when the function is recorded.
"""

import ast
import functools
from collections.abc import Callable, Iterator
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from funcgrad.core.tracer import Tracer
from funcgrad.jitting.reading import (
    attribute_names,
    class_attributes,
    global_names,
    is_users,
    is_users_module,
    stored_attributes,
    stored_names,
)

__all__ = ["Closure", "Wrapper"]

LEAVES = 256
"""Containers of more leaves are compared by their own identity only."""

FROZEN = 1 << 20
"""Arrays of at most so many bytes together are compared by their contents where they must be."""

ATTRIBUTES = 64
"""So many attributes of an object are compared."""

OBJECTS = 32
"""So many objects are looked into, one through the attributes of another."""

MISSING = object()

DEPTH = 16
"""Containers that are nested deeper, too."""

_CONTAINERS = (dict, list, tuple)
_OWN = ("funcgrad", "numpy")
_ASKING = frozenset({"isinstance", "type"})


class Wrapper:
    """A callable object of funcgrad that stands for a function in its attribute `fun`."""

    __slots__ = ()
    fun: Callable[..., Any]


class Site:
    """A place where a function reads a value.

    Attributes:
        name: as the function calls it.
        read: text that reads it again, from `owner`.
        owner: a cell, the globals, a function or a container.
        value: what was found there.
    """

    __slots__ = ("name", "owner", "read", "value")

    def __init__(self, name: str, owner: Any, read: str, value: Any) -> None:
        self.name = name
        self.owner = owner
        self.read = read
        self.value = value


class Closure:
    """The values that a function reads, as they are now.

    Args:
        fun: the function.
        frozen: whether its arrays are read as they are, and compared by their contents: for a
            function that does with them what tracers cannot do.

    Attributes:
        sites: the places that are compared.
        written: the places that the function itself writes to.
        traced: whether there is a traced value among them.
        unchanged: tells whether all is as it was.
        asks_types: whether it may treat arrays and tracers differently.
        arrays: the arrays, by identity, and their names.
    """

    __slots__ = (
        "_contents",
        "arrays",
        "asks_types",
        "frozen",
        "fun",
        "sites",
        "traced",
        "unchanged",
        "written",
    )

    def __init__(self, fun: Callable[..., Any], *, frozen: bool = False) -> None:
        self.fun = fun
        self.frozen = frozen
        self.sites: list[Site] = []
        self.written: list[Site] = []
        self.traced = self.asks_types = False
        self.arrays: dict[int, tuple[np.ndarray[Any, Any], str]] = {}
        walk = _Walk(self)
        walk.function(fun)
        self.traced = walk.traced
        same = self.unchanged = _comparison(self.sites)
        self._contents = [(a, a.tobytes()) for a, _ in self.arrays.values()] if frozen else []
        if frozen:
            contents = self._contents
            self.unchanged = lambda: same() and all(a.tobytes() == was for a, was in contents)

    def note_array(self, array: np.ndarray[Any, Any], name: str) -> None:
        """An array that is to be read through a tracer."""
        self.arrays.setdefault(id(array), (array, name))

    @property
    def can_freeze(self) -> bool:
        """Whether there are arrays, few enough to compare them at each call."""
        size = sum(array.nbytes for array, _ in self.arrays.values())
        return not self.frozen and 0 < size <= FROZEN

    def lifted(self, lift: Callable[[np.ndarray[Any, Any], str], Any]) -> Callable[..., Any]:
        """A copy of the function that reads `lift(array, name)` in place of its arrays."""
        if self.frozen or not self.arrays:
            return self.fun
        copy: Callable[..., Any] = _Copy(self.arrays, lift).of(self.fun)
        return copy

    def changed(self) -> list[str]:
        """What the function has assigned to since then."""
        names = []
        for site in self.written:
            if site.read == "{}.cell_contents":
                now = site.owner.cell_contents
            else:
                now = site.owner.get(ast.literal_eval(site.read[3:-1]))
            if now is not site.value:
                names.append(site.name)
        return list(dict.fromkeys(names))

    def difference(self, before: "Closure") -> str:
        """What has changed since then, for people."""
        old = {(site.name, site.read): site.value for site in before.sites}
        changed = [
            site.name
            for site in self.sites
            if old.get((site.name, site.read), site) is not site.value
        ]
        names = ", ".join(dict.fromkeys(changed)) or "what it reads"
        return f"{names} of its closure or globals is bound to something else"

    def same_as(self, other: "Closure") -> bool:
        """Whether it reads the same objects."""
        if self.frozen != other.frozen or [was for _, was in self._contents] != [
            was for _, was in other._contents
        ]:
            return False
        return len(self.sites) == len(other.sites) and all(
            a.value is b.value and a.owner is b.owner and a.read == b.read
            for a, b in zip(self.sites, other.sites, strict=True)
        )


def _comparison(sites: list[Site]) -> Callable[[], bool]:
    """A function that tells whether all sites still hold the same objects."""
    if not sites:
        return lambda: True
    namespace: dict[str, Any] = {}
    tests = []
    for number, site in enumerate(sites):
        namespace[f"o{number}"] = site.owner
        namespace[f"v{number}"] = site.value
        same = "==" if site.read.startswith("len(") else "is"
        tests.append(f"{site.read.format(f'o{number}')} {same} v{number}")
    source = "def unchanged():\n    try:\n        return " + " and ".join(tests)
    source += "\n    except (KeyError, IndexError, ValueError, AttributeError, TypeError):\n"
    source += "        return False\n"
    exec(compile(source, "<funcgrad closure>", "exec"), namespace)  # written above
    found: Callable[[], bool] = namespace["unchanged"]
    return found


def is_array(x: Any) -> bool:
    """Whether a value is a plain array of numbers, in memory or in a file."""
    return type(x) in (np.ndarray, np.memmap) and x.dtype.kind in "biufc"


class _Walk:
    """One walk through a function and what it reaches."""

    def __init__(self, closure: Closure) -> None:
        self.closure = closure
        self.traced = False
        self.reader: Any = None
        self.seen: set[int] = set()
        self.objects: dict[int, Any] = {}

    def function(self, fun: Any) -> None:
        """Note what a callable reads."""
        if id(fun) in self.seen:
            return
        self.seen.add(id(fun))
        if isinstance(fun, Wrapper):
            self.function(fun.fun)
        elif isinstance(fun, functools.partial):
            for value in (*fun.args, *fun.keywords.values()):
                self.inside(value, "an argument of partial")
            self.function(fun.func)
        elif isinstance(fun, MethodType):
            self.function(fun.__func__)
            self.attributes(fun.__self__, "self", fun.__func__)
        elif isinstance(fun, FunctionType):
            if _is_own(fun):
                for cell in fun.__closure__ or ():
                    if _is_full(cell):
                        self.inside(cell.cell_contents, "an argument")
            else:
                self.users(fun)
        else:
            called: Any = vars(type(fun)).get("__call__")
            if isinstance(called, FunctionType):  # an object of the user's
                self.users(called)
                self.attributes(fun, "self", called)

    def attributes(self, x: Any, name: str, fun: Any) -> None:
        """Note the attributes of an object of the user's, but those that the function sets."""
        if isinstance(x, type | ModuleType):
            self.named(x, name, fun)
        if not is_users(x) or id(x) in self.objects or len(self.objects) >= OBJECTS:
            return
        self.objects[id(x)] = x
        stored = stored_attributes(fun.__code__) if isinstance(fun, FunctionType) else frozenset()
        found = getattr(x, "__dict__", None)
        held = found if isinstance(found, dict) else {}
        for key in held:
            if key in stored:
                where = f"{name}.{key}"
                self.closure.written.append(Site(where, held, f"{{}}[{key!r}]", held[key]))
        keys = [key for key in held if key not in stored]
        inside = [
            (f"{name}.{key}{''.join(path)}", leaf)
            for key in keys[:ATTRIBUTES]
            for path, leaf in self.places(f"{name}.{key}", held, f"{{}}[{key!r}]", held[key])
        ]
        for key in class_attributes(type(x)):
            if key not in held and key not in stored and len(inside) < ATTRIBUTES:
                inside += self.attribute(x, f"{name}.{key}", key)
        for where, leaf in inside:
            self.attributes(leaf, where, fun)

    def attribute(self, x: Any, name: str, key: str) -> list[tuple[str, Any]]:
        """Note one attribute that is found otherwise than in an object's own dict."""
        value = getattr(x, key, MISSING)
        if value is MISSING or not key.isidentifier():
            return []
        parts = self.places(name, x, f"{{}}.{key}", value)
        return [(f"{name}{''.join(path)}", leaf) for path, leaf in parts]

    def named(self, x: Any, name: str, fun: Any) -> None:
        """Note what a function reads of a module or a class of the user's: plain values."""
        if not is_users_module(x) or not isinstance(fun, FunctionType) or id(x) in self.objects:
            return
        self.objects[id(x)] = x
        stored = stored_attributes(fun.__code__)
        plain = vars(x) if isinstance(x, ModuleType) else frozenset(class_attributes(x))
        for key in sorted(attribute_names(fun.__code__).intersection(plain) - stored):
            if callable(getattr(x, key, None)):
                continue
            for where, leaf in self.attribute(x, f"{name}.{key}", key):
                self.attributes(leaf, where, fun)

    def users(self, fun: FunctionType) -> None:
        """Note what a function of the user's reads."""
        if not _ASKING.isdisjoint(global_names(fun.__code__)):
            self.closure.asks_types = True
        stored = stored_names(fun.__code__)
        self.reader = fun
        for name, cell in zip(fun.__code__.co_freevars, fun.__closure__ or (), strict=True):
            if _is_full(cell) and name not in stored:
                self.site(name, cell, "{}.cell_contents", cell.cell_contents)
            elif _is_full(cell):
                self.closure.written.append(
                    Site(name, cell, "{}.cell_contents", cell.cell_contents)
                )
        for number, value in enumerate(fun.__defaults__ or ()):
            self.site("a default argument", fun, f"{{}}.__defaults__[{number}]", value)
        for name, value in (fun.__kwdefaults__ or {}).items():
            self.site(name, fun, f"{{}}.__kwdefaults__[{name!r}]", value)
        for name in global_names(fun.__code__):
            if name in fun.__globals__ and name in stored:
                found = fun.__globals__
                self.closure.written.append(Site(name, found, f"{{}}[{name!r}]", found[name]))
            elif name in fun.__globals__:
                value = fun.__globals__[name]
                if isinstance(value, ModuleType | type):
                    self.named(value, name, fun)
                else:
                    self.site(name, fun.__globals__, f"{{}}[{name!r}]", value, is_global=True)

    def site(
        self, name: str, owner: Any, read: str, value: Any, *, is_global: bool = False
    ) -> None:
        """Note a place and what it holds."""
        for path, leaf in self.places(name, owner, read, value):
            self.leaf(leaf, f"{name}{'_'.join(_words(path))}", follow=not is_global)
            if not isinstance(leaf, Tracer | Wrapper | functools.partial | MethodType):
                self.attributes(leaf, name, self.reader)

    def places(
        self, name: str, owner: Any, read: str, value: Any
    ) -> list[tuple[tuple[str, ...], Any]]:
        """Note a place, and those inside of the container that it holds; these are returned."""
        sites = self.closure.sites
        sites.append(Site(name, owner, read, value))
        for where, length in _lengths(value):
            sites.append(Site(f"len({name})", owner, f"len({read}{where})", length))
        parts = _parts(value)
        for path, leaf in parts:
            if path:
                where = "".join(path)
                sites.append(Site(f"{name}{where}", owner, f"{read}{where}", leaf))
        return parts

    def inside(self, value: Any, name: str) -> None:
        """Look into a value that cannot be bound to something else."""
        for _, leaf in _parts(value):
            self.leaf(leaf, name, follow=True)

    def leaf(self, leaf: Any, name: str, *, follow: bool) -> None:
        """Note one value."""
        if isinstance(leaf, Tracer):
            self.traced = self.traced or leaf.owner.open
        elif is_array(leaf):
            self.closure.note_array(leaf, name)
        elif follow and callable(leaf):
            self.function(leaf)


def _is_own(fun: FunctionType) -> bool:
    return (fun.__globals__.get("__name__") or "").split(".", 1)[0] in _OWN


def _is_full(cell: CellType) -> bool:
    try:
        return cell.cell_contents is cell.cell_contents
    except ValueError:  # a variable that is not assigned yet
        return False


def _words(path: tuple[str, ...]) -> Iterator[str]:
    for part in path:
        word = part.strip("[]'\"")
        yield "_" + word if word.isalnum() else ""


def _parts(value: Any) -> list[tuple[tuple[str, ...], Any]]:
    """Leaves of a container of Python's with the text that leads to each; else the value."""
    found: list[tuple[tuple[str, ...], Any]] = []
    if type(value) in _CONTAINERS and _collect(value, (), found, []):
        return found
    return [((), value)]


def _lengths(value: Any) -> list[tuple[str, int]]:
    """Of a container and those inside of it the text that leads to each, and its length."""
    lengths: list[tuple[str, int]] = []
    if type(value) in _CONTAINERS and _collect(value, (), [], lengths):
        return lengths
    return []


def _collect(
    value: Any,
    path: tuple[str, ...],
    leaves: list[tuple[tuple[str, ...], Any]],
    lengths: list[tuple[str, int]],
) -> bool:
    """Walk a container; whether it is small, and its keys are simple."""
    if type(value) not in _CONTAINERS:
        leaves.append((path, value))
        return len(leaves) <= LEAVES
    lengths.append(("".join(path), len(value)))
    if len(value) > LEAVES or len(path) > DEPTH:
        return False
    if type(value) is dict and not all(type(key) in (str, int) for key in value):
        return False
    items = value.items() if type(value) is dict else enumerate(value)
    return all(_collect(item, (*path, f"[{key!r}]"), leaves, lengths) for key, item in items)


class _Copy:
    """Copies of functions that read tracers in place of some arrays."""

    def __init__(
        self,
        arrays: dict[int, tuple[np.ndarray[Any, Any], str]],
        lift: Callable[[np.ndarray[Any, Any], str], Any],
    ) -> None:
        self.arrays = arrays
        self.lift = lift
        self.tracers: dict[int, Any] = {}
        self.copies: dict[int, Any] = {}

    def of(self, x: Any) -> Any:
        """A copy of a value, or the value itself if nothing in it is to be exchanged."""
        if id(x) in self.copies:
            return self.copies[id(x)]
        if is_array(x):
            return self.array(x)
        if isinstance(x, Wrapper):
            fun = self.of(x.fun)
            return x if fun is x.fun else fun
        if isinstance(x, functools.partial):
            args = tuple(map(self.of, x.args))
            keywords = {name: self.of(value) for name, value in x.keywords.items()}
            return functools.partial(self.of(x.func), *args, **keywords)
        if isinstance(x, MethodType):
            fun = self.of(x.__func__)
            return x if fun is x.__func__ else MethodType(fun, x.__self__)
        if isinstance(x, FunctionType):
            return self.function(x)
        return self.container(x)

    def array(self, x: np.ndarray[Any, Any]) -> Any:
        """The tracer of an array."""
        found = self.arrays.get(id(x))
        if found is None:
            return x
        if id(x) not in self.tracers:
            self.tracers[id(x)] = self.lift(x, found[1])
        return self.tracers[id(x)]

    def container(self, x: Any) -> Any:
        """A container with other leaves."""
        if type(x) not in _CONTAINERS or _parts(x) == [((), x)]:
            return x
        items = x.values() if type(x) is dict else x
        new = list(map(self.of, items))
        if all(a is b for a, b in zip(new, items, strict=True)):
            return x
        return dict(zip(x, new, strict=True)) if type(x) is dict else type(x)(new)

    def function(self, x: FunctionType) -> FunctionType:
        """A function with other cells, default arguments and globals."""
        self.copies[id(x)] = x  # what a function that reads itself finds on the way
        own = _is_own(x)
        stored = stored_names(x.__code__)
        names = x.__code__.co_freevars
        cells = []
        for name, cell in zip(names, x.__closure__ or (), strict=True):
            if _is_full(cell) and name not in stored:
                new = self.of(cell.cell_contents)
                cell = cell if new is cell.cell_contents else CellType(new)
            cells.append(cell)
        defaults = None if x.__defaults__ is None else tuple(map(self.of, x.__defaults__))
        keywords = {key: self.of(value) for key, value in (x.__kwdefaults__ or {}).items()}
        changed: dict[str, Any] = {}
        if not own:
            for name in global_names(x.__code__):
                value = x.__globals__.get(name)
                if name not in stored and not callable(value):
                    new = self.of(value)
                    if new is not value:
                        changed[name] = new
        copy = FunctionType(
            x.__code__,
            {**x.__globals__, **changed} if changed else x.__globals__,
            x.__name__,
            defaults,
            tuple(cells),
        )
        functools.update_wrapper(copy, x)
        del copy.__wrapped__  # type: ignore[attr-defined]  # it is a copy, and wraps nothing
        copy.__kwdefaults__ = keywords or None
        same_cells = all(a is b for a, b in zip(cells, x.__closure__ or (), strict=True))
        same_defaults = all(
            a is b for a, b in zip(defaults or (), x.__defaults__ or (), strict=True)
        ) and all(keywords[key] is value for key, value in (x.__kwdefaults__ or {}).items())
        if same_cells and same_defaults and not changed:
            return x
        self.copies[id(x)] = copy
        return copy

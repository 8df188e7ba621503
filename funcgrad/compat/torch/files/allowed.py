"""What a file that is loaded with `weights_only` may name and call, and with which arguments.

Nothing else is ever called. A class that a user adds by `add_safe_globals` is called with whatever
the file gives it: the user vouches for it.
"""

import _codecs
from collections import Counter, OrderedDict
from collections.abc import Callable
from functools import cache
from typing import Any

from funcgrad.compat.torch import _tensor, _utils
from funcgrad.compat.torch.conversion import LEGACY_TYPES
from funcgrad.compat.torch.dtypes import DTYPES, Size, device, dtype
from funcgrad.compat.torch.files.names import path_of
from funcgrad.compat.torch.files.pickling import RefusedError, get_layout
from funcgrad.compat.torch.nn.parameter import Parameter
from funcgrad.compat.torch.storage import STORAGE_TYPES, TypedStorage, UntypedStorage
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["USER", "Keys", "allowed", "build", "call", "create", "user_allowed"]

USER: list[Any] = []
"""What `add_safe_globals` was given."""

KEY_PARTS = 100
"""So many parts a key of a dictionary may have: tuples of tuples can take for ever to hash."""

KEYS_ALIKE = 64
"""So many different keys of a file may have one hash: a search among n of them takes n steps."""

OWN_HASH = 2**61 - 1
"""Integers below hash to themselves; multiples of it all to zero."""

LONG_TEXT = 1024

_REBUILDERS = {
    name: getattr(_utils, name)
    for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3",
                 "_rebuild_parameter", "_rebuild_parameter_with_state",
                 "_rebuild_meta_tensor_no_storage", "_rebuild_device_tensor_from_numpy")
}  # fmt: skip


@cache
def allowed() -> dict[str, Any]:
    """Everything a file may name by itself."""
    return {
        "collections.OrderedDict": OrderedDict,
        "collections.Counter": Counter,
        "builtins.set": set,
        "builtins.bytearray": bytearray,
        "builtins.complex": complex,
        "_codecs.encode": _codecs.encode,
        "torch.Size": Size,
        "torch.device": device,
        "torch.Tensor": Tensor,
        "torch.nn.parameter.Parameter": Parameter,
        "torch.storage.TypedStorage": TypedStorage,
        "torch.storage.UntypedStorage": UntypedStorage,
        "torch.serialization._get_layout": get_layout,
        "torch._tensor._rebuild_from_type_v2": _tensor._rebuild_from_type_v2,
        **{f"torch._utils.{name}": function for name, function in _REBUILDERS.items()},
        **{f"torch.{name}": kind for name, kind in DTYPES.items()},
        **{f"torch.{name}": kind for name, kind in STORAGE_TYPES.items()},
        **{f"torch.{name}": kind for name, kind in LEGACY_TYPES.items()},
    }


def user_allowed() -> dict[str, Any]:
    """What the user allows, by the names it may have in files."""
    found = {}
    for entry in USER:
        if isinstance(entry, tuple):
            thing, name = entry
            found[name] = thing
            continue
        found[f"{entry.__module__}.{entry.__qualname__}"] = entry
        path = path_of(entry)
        if path is not None:
            found[".".join(path)] = entry
    return found


# --- calls --------------------------------------------------------------------------------------


class Keys:
    """What all keys of dictionaries and sets of a file cost.

    Hashing and comparing keys must not take longer than a multiple of the file's length, which a
    file with keys of equal hashes, or with the same long key again and again, could ask for.

    Args:
        length: the length of the file.
    """

    def __init__(self, length: int) -> None:
        self.left = 2 * length + 10_000
        self._first: dict[int, Any] = {}
        self._more: dict[int, list[Any]] = {}

    def check(self, key: Any) -> None:
        """Refuse keys that cannot be hashed, or not in reasonable time.

        Raises:
            RefusedError: in these cases.
        """
        kind = type(key)
        if (kind is str and len(key) < LONG_TEXT) or (kind is int and -OWN_HASH < key < OWN_HASH):
            return
        waiting = [key]
        seen = 0
        while waiting:
            one = waiting.pop()
            seen += 1
            if isinstance(one, tuple | frozenset):
                waiting.extend(one)
            elif isinstance(one, str | bytes):
                self.left -= len(one) // LONG_TEXT
            if seen + len(waiting) > KEY_PARTS:
                raise RefusedError("a key of a dictionary or a set consists of too many parts")
        self.left -= seen // 2
        if self.left < 0:
            raise RefusedError("the keys of dictionaries and sets are longer than the file allows")
        try:
            place = hash(key)
        except TypeError as error:
            raise RefusedError(f"a key of a dictionary or a set is of an {error}") from None
        first = self._first.setdefault(place, key)
        if first is not key and first != key:
            more = self._more.setdefault(place, [])
            if key not in more:
                more.append(key)
            if len(more) >= KEYS_ALIKE:
                raise RefusedError("very many keys of dictionaries or sets have the same hash")


def _checked_list(args: tuple[Any, ...], what: str) -> list[Any]:
    if not args:
        return []
    if len(args) > 1 or type(args[0]) is not list:
        raise RefusedError(f"{what} is made of a list")
    return args[0]


def _set(keys: Keys, *args: Any) -> set[Any]:
    items = _checked_list(args, "a set")
    for item in items:
        keys.check(item)
    return set(items)


def _ordered_dict(keys: Keys, *args: Any) -> OrderedDict[Any, Any]:
    pairs = _checked_list(args, "an OrderedDict")
    for pair in pairs:
        if type(pair) not in (list, tuple) or len(pair) != 2:
            raise RefusedError("an OrderedDict is made of pairs")
        keys.check(pair[0])
    return OrderedDict(pairs)


def _counter(*args: Any) -> Counter[Any]:
    if not args:
        return Counter()
    if len(args) > 1 or type(args[0]) is not dict:
        raise RefusedError("a Counter is made of a dictionary")
    counts = args[0].values()
    if not all(type(count) in (int, float, bool) for count in counts):
        raise RefusedError("a Counter counts with numbers")
    return Counter(args[0])


def _encode(*args: Any) -> bytes:
    if len(args) != 2 or type(args[0]) is not str or args[1] not in ("latin1", "latin-1"):
        raise RefusedError("text may be encoded as latin1 only")
    try:
        return args[0].encode("latin1")
    except UnicodeEncodeError:
        raise RefusedError("bytes are not written as latin1") from None


def _bytearray(*args: Any) -> bytearray:
    if len(args) == 2:
        return bytearray(_encode(*args))
    if args and (len(args) > 1 or type(args[0]) is not bytes):
        raise RefusedError("a bytearray is made of bytes")
    return bytearray(*args)


def _complex(*args: Any) -> complex:
    if len(args) > 2 or not all(type(part) in (float, int) for part in args):
        raise RefusedError("a complex number is made of two numbers")
    try:
        return complex(*args)
    except OverflowError:
        raise RefusedError("a complex number is made of an integer that is too large") from None


def _size(*args: Any) -> Size:
    if not args:
        return Size()
    lengths = args[0]
    if len(args) > 1 or type(lengths) not in (tuple, list):
        raise RefusedError("a Size is made of a tuple")
    if not all(type(length) is int for length in lengths):
        raise RefusedError("a Size is made of integers")
    return Size(lengths)


def _device(*args: Any) -> device:
    index = args[1] if len(args) == 2 else None
    if not 0 < len(args) < 3 or type(args[0]) is not str or type(index) not in (int, type(None)):
        raise RefusedError("a device is made of its type and its number")
    if len(args[0]) > 50 or not args[0].isprintable() or not -1 <= (index or 0) < 2**31:
        raise RefusedError("a device has a name or a number that no device has")
    return device(args[0], index)


def _of_type(func: Any, new_type: Any, args: Any, state: Any) -> Any:
    if func not in _REBUILDERS.values() or type(args) is not tuple:
        raise RefusedError("a tensor of a class is made by a function that makes tensors")
    known = new_type in (Tensor, Parameter) or _is_users(new_type)
    if not known or not issubclass(new_type, Tensor):
        raise RefusedError("a tensor is of an allowed class of tensors")
    return _tensor._rebuild_from_type_v2(func, new_type, args, state)


def _constructors() -> dict[Any, Callable[..., Any]]:
    return {
        Counter: _counter,
        bytearray: _bytearray,
        complex: _complex,
        Size: _size,
        device: _device,
        _codecs.encode: _encode,
        get_layout: get_layout,
        _tensor._rebuild_from_type_v2: _of_type,
        **{function: function for function in _REBUILDERS.values()},
    }


CONSTRUCTORS = _constructors()
"""How what a file may name is called: functions that check their arguments."""

OF_KEYS: dict[Any, Callable[..., Any]] = {OrderedDict: _ordered_dict, set: _set}
"""The same, of functions that check keys."""


def _is_users(thing: Any) -> bool:
    return any(thing is known for known in user_allowed().values())


def shown(thing: Any) -> str:
    """A short text: a file may hold what would take forever to print."""
    if isinstance(thing, type):
        return repr(thing)
    if type(thing) in (int, str, float, bool, type(None), dtype):
        return repr(thing)[:100] if not isinstance(thing, int) or abs(thing) < 2**64 else "an int"
    return getattr(thing, "__name__", None) or f"an object of {type(thing)}"


def call(function: Any, args: Any, keys: Keys) -> Any:
    """REDUCE: the call of an allowed function.

    Args:
        function: the function.
        args: its arguments.
        keys: the keys of the file.

    Raises:
        RefusedError: if it is not allowed, or not with these arguments.
    """
    if type(args) is not tuple:
        raise RefusedError(f"a function is called with a tuple, not with {type(args)}")
    if isinstance(function, type) and function in OF_KEYS:
        return OF_KEYS[function](keys, *args)
    checked = CONSTRUCTORS.get(function) if _hashable(function) else None
    if checked is None:
        if not _is_users(function):
            raise RefusedError(f"Trying to call reduce for unrecognized function {shown(function)}")
        return function(*args)
    try:
        return checked(*args)
    except TypeError:
        raise RefusedError(
            f"{shown(function)} cannot be called with what the file gives it"
        ) from None


def _hashable(thing: Any) -> bool:
    return isinstance(thing, type) or callable(thing)


def create(cls: Any, args: Any) -> Any:
    """NEWOBJ: an object of an allowed class.

    Raises:
        RefusedError: if it is not allowed.
    """
    if cls in (OrderedDict, Counter, set, complex) if isinstance(cls, type) else False:
        if args != ():
            raise RefusedError(f"{shown(cls)} is created without arguments")
        return cls()
    if cls is Parameter and args == ():
        return Parameter()
    if not isinstance(cls, type) or not _is_users(cls) or type(args) is not tuple:
        raise RefusedError(f"Trying to create new object for unrecognized class {shown(cls)}")
    return cls.__new__(cls, *args)


def build(thing: Any, state: Any) -> None:
    """BUILD: attributes of an object.

    Raises:
        RefusedError: if it may have none, or not these.
    """
    kind = type(thing)
    if kind is OrderedDict:
        # NumPy believes an object with `__array_interface__` wherever its memory is said to be.
        if type(state) is not dict or not all(type(name) is str for name in state):
            raise RefusedError("the state of an OrderedDict is a dictionary of its attributes")
        for name in state:
            if name.startswith("__") or hasattr(OrderedDict, name):
                raise RefusedError(f"the state of an OrderedDict may not replace {name!r}")
        thing.__dict__.update(state)
        return
    if not _is_users(kind):
        raise RefusedError(
            "Can only build Tensor, Parameter, OrderedDict or types allowlisted via "
            f"`add_safe_globals`, but got {kind}"
        )
    restore = getattr(thing, "__setstate__", None)
    if restore is not None:
        restore(state)
    else:
        thing.__dict__.update(state)

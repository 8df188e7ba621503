"""The unpickler of `weights_only`: its own interpreter of the few opcodes that weights need.

It imports nothing, looks nothing up by attribute, and calls only what
`funcgrad.compat.torch.files.allowed` checks. Time and memory are bounded by the length of the file.
"""

import pickle
import struct
import warnings
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, TypeAlias

from funcgrad.compat.torch.files.allowed import (
    Keys,
    allowed,
    build,
    call,
    create,
    user_allowed,
)
from funcgrad.compat.torch.files.pickling import RefusedError

__all__ = ["WeightsUnpickler", "documented", "global_names", "modern_name"]

BLOCKED = frozenset({"sys", "os", "posix", "nt"})
"""Modules of which not even the user may allow anything."""

HINT = (
    "Weights only load failed. By default, `torch.load` reads with `weights_only=True`: tensors "
    "and plain containers, and nothing that runs code. Re-running `torch.load` with `weights_only` "
    "set to `False` will likely succeed, but it can result in arbitrary code execution. Do it only "
    "if you got the file from a trusted source."
)
HINTS = (
    "Weights only load failed. This file can still be loaded, to do so you have two options, do "
    "those steps only if you trust the source of the checkpoint.\n"
    "\t(1) Re-running `torch.load` with `weights_only` set to `False` will likely succeed, but it "
    "can result in arbitrary code execution. Do it only if you got the file from a trusted "
    "source.\n"
    "\t(2) Alternatively, to load with `weights_only=True`, follow the steps of the following "
    "error message."
)
SEE = (
    "Check the documentation of torch.load to learn more about types accepted by default with "
    "weights_only https://pytorch.org/docs/stable/generated/torch.load.html."
)


class _NotAllowedError(RefusedError):
    """A name outside the list, which the user may add to it."""


class _BlockedError(RefusedError):
    """A name of a module that nothing may be allowed of."""


def documented(error: RefusedError) -> str:
    """The message of `pickle.UnpicklingError` for a pickle that is not loaded."""
    if isinstance(error, _BlockedError):
        return f"{HINT}\n\n{error}\n\n{SEE}"
    if isinstance(error, _NotAllowedError):
        return f"{HINTS}\n\tWeightsUnpickler error: {error}\n\n{SEE}"
    return f"{HINT}\nWeightsUnpickler error: {error}\n\n{SEE}"


def modern_name(module: str, name: str) -> str:
    """The dotted name of a global, where Python 2 names are those of protocols up to 2."""
    if (module, name) in NAME_MAPPING:
        module, name = NAME_MAPPING[module, name]
    elif module in IMPORT_MAPPING:
        module = IMPORT_MAPPING[module]
    return f"{module}.{name}"


class WeightsUnpickler:
    """One pickle in a run of bytes.

    Args:
        data: the bytes.
        start: where the pickle begins.
        load_storage: makes the storage of a persistent id.

    Attributes:
        at: the next byte; after `load`, the first one behind the pickle.
    """

    def __init__(
        self, data: bytes | memoryview, load_storage: Callable[[Any], Any], start: int = 0
    ) -> None:
        self.data = data
        self.at = start
        self.load_storage = load_storage
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.left = 2 * len(data) + 10_000
        self.keys = Keys(len(data))
        self.warned = False
        self.allowed = allowed()
        self.user = user_allowed()

    def load(self) -> Any:
        """What the pickle holds.

        Raises:
            pickle.UnpicklingError: if it is broken, or asks for more than weights.
            EOFError: if it ends too early.
        """
        try:
            while True:
                opcode = self.take(1)[0]
                if opcode == _STOP:
                    return self.pop()
                run = OPCODES.get(opcode)
                if run is None:
                    raise RefusedError(f"\n\nUnsupported operand {opcode}")
                run(self)
        except RefusedError as error:
            raise pickle.UnpicklingError(documented(error)) from None

    # --- bytes and stack ------------------------------------------------------------------

    def take(self, count: int) -> bytes:
        """The next bytes."""
        end = self.at + count
        if end > len(self.data):
            raise EOFError("Ran out of input: the pickle is truncated")
        found = bytes(self.data[self.at : end])
        self.at = end
        return found

    def spend(self, args: Any) -> None:
        """Count what a call copies: each value of an honest pickle is copied once or twice.

        Without that, few bytes could ask again and again for copies of one long value.
        """
        self.left -= _length(args)
        if self.left < 0:
            raise RefusedError("the pickle copies much more than it holds")

    def line(self) -> str:
        """The text up to the end of a line."""
        part = bytes(self.data[self.at : self.at + 1000])
        length = part.find(b"\n")
        if length < 0:
            raise EOFError("Ran out of input: the pickle is truncated")
        self.at += length + 1
        return _text(part[:length])

    def number(self, layout: struct.Struct) -> Any:
        """A number in binary form."""
        return layout.unpack(self.take(layout.size))[0]

    def pop(self) -> Any:
        """The last value."""
        if not self.stack:
            raise RefusedError("the pickle takes from an empty stack")
        return self.stack.pop()

    def top(self, kind: str) -> Any:
        """The last value, which stays."""
        if not self.stack:
            raise RefusedError(f"{kind} without anything on the stack")
        return self.stack[-1]

    def since_mark(self) -> list[Any]:
        """The values since the last mark."""
        if not self.marks:
            raise RefusedError("the pickle goes back to a mark that it never set")
        found = self.stack
        self.stack = self.marks.pop()
        return found

    # --- what opcodes do ------------------------------------------------------------------

    def proto(self) -> None:
        """The protocol that the pickle was written with."""
        protocol = self.take(1)[0]
        if protocol != 2 and not self.warned:
            self.warned = True
            warnings.warn(
                f"Detected pickle protocol {protocol} in the checkpoint, which was not the default "
                "pickle protocol used by `torch.load` (2). The weights_only Unpickler might not "
                "support all instructions implemented by this protocol.",
                UserWarning,
                stacklevel=2,
            )

    def find(self) -> None:
        """GLOBAL: a type, a class or a function from the list."""
        module, name = self.line(), self.line()
        if not (module + name).isprintable():  # the message of an error must not steer a terminal
            raise RefusedError(f"the name {module!a}, {name!a} is no name of Python")
        if module in BLOCKED or modern_name(module, name).rpartition(".")[0] in BLOCKED:
            raise _BlockedError(
                f"Trying to load unsupported GLOBAL {module}.{name} whose module {module} is "
                "blocked."
            )
        path = modern_name(module, name)
        found = self.allowed.get(path)
        if found is None:
            found = self.user.get(path) or self.user.get(f"{module}.{name}")
        if found is None:
            short = path.removeprefix("builtins.")
            raise _NotAllowedError(
                f"Unsupported global: GLOBAL {short} was not an allowed global by default. Please "
                f"use `torch.serialization.add_safe_globals([{short}])` or the "
                f"`torch.serialization.safe_globals([{short}])` context manager to allowlist this "
                "global if you trust this class/function."
            )
        self.stack.append(found)

    def new(self) -> None:
        """NEWOBJ: an object of a class from the list."""
        args = self.pop()
        self.stack.append(create(self.pop(), args))

    def reduce(self) -> None:
        """REDUCE: the result of a function from the list."""
        args = self.pop()
        self.spend(args)
        self.stack.append(call(self.pop(), args, self.keys))

    def build(self) -> None:
        """BUILD: give attributes."""
        state = self.pop()
        self.spend((state,))
        build(self.top("BUILD"), state)

    def persistent(self) -> None:
        """BINPERSID: a storage that lies beside the pickle."""
        given = self.pop()
        if type(given) is not tuple:
            raise RefusedError(
                f"\n\npersistent_load id must be tuple or int, but got {type(given)}"
            )
        self.spend(given)
        self.stack.append(self.load_storage(given))

    def remember(self, place: int) -> None:
        """Keep the last value."""
        self.memo[place] = self.top("PUT")

    def recall(self, place: int) -> None:
        """A value that was kept."""
        if place not in self.memo:
            raise RefusedError(f"the pickle asks for value {place}, which it did not keep")
        self.stack.append(self.memo[place])

    def append(self, items: list[Any]) -> None:
        """Values at the end of a list."""
        target = self.top("APPEND")
        if type(target) is not list:
            raise RefusedError(f"\n\nCan only append to lists, but got {type(target)}")
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        """Keys and values of a dictionary."""
        target = self.top("SETITEM")
        if type(target) not in (dict, OrderedDict, Counter):
            raise RefusedError(
                "\n\nCan only SETITEM for dict, collections.OrderedDict, collections.Counter, but "
                f"got {type(target)}"
            )
        if len(items) % 2:
            raise RefusedError("a dictionary gets a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.keys.check(key)
            target[key] = value

    def mark(self) -> None:
        """MARK: a new stack on the old one."""
        self.marks.append(self.stack)
        self.stack = []

    def tuple_of(self, count: int) -> None:
        """A tuple of the last values."""
        if len(self.stack) < count:
            raise RefusedError("the pickle takes from an empty stack")
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.stack.append(items)

    def two(self) -> list[Any]:
        """A key and its value."""
        value = self.pop()
        return [self.pop(), value]


def _length(thing: Any) -> int:
    """The length of a value, and of the values in it where it is a short tuple."""
    if not isinstance(thing, tuple | list | dict | set | str | bytes | bytearray):
        return 0
    if isinstance(thing, tuple) and len(thing) < 10:
        return len(thing) + sum(map(_inner_length, thing))
    return len(thing)


def _inner_length(thing: Any) -> int:
    if isinstance(thing, tuple) and len(thing) < 10:
        return sum(len(one) for one in thing if isinstance(one, dict | list | tuple | str))
    return _length(thing)


def _text(data: bytes, errors: str = "strict") -> str:
    try:
        return data.decode("utf-8", errors)
    except UnicodeDecodeError:
        raise RefusedError("the pickle has a text that is not UTF-8") from None


_STOP = pickle.STOP[0]
_Run: TypeAlias = Callable[[WeightsUnpickler], None]
_BYTE, _UINT16, _INT32 = struct.Struct("<B"), struct.Struct("<H"), struct.Struct("<i")
_UINT32, _DOUBLE = struct.Struct("<I"), struct.Struct(">d")


def _pushing(make: Callable[[WeightsUnpickler], Any]) -> _Run:
    def run(pickle: WeightsUnpickler) -> None:
        made = make(pickle)  # which may go back to an older stack
        pickle.stack.append(made)

    return run


OPCODES: dict[int, _Run] = {
    pickle.PROTO[0]: WeightsUnpickler.proto,
    pickle.GLOBAL[0]: WeightsUnpickler.find,
    pickle.NEWOBJ[0]: WeightsUnpickler.new,
    pickle.REDUCE[0]: WeightsUnpickler.reduce,
    pickle.BUILD[0]: WeightsUnpickler.build,
    pickle.BINPERSID[0]: WeightsUnpickler.persistent,
    pickle.MARK[0]: WeightsUnpickler.mark,
    pickle.APPEND[0]: lambda p: p.append([p.pop()]),
    pickle.APPENDS[0]: lambda p: p.append(p.since_mark()),
    pickle.SETITEM[0]: lambda p: p.set_items(p.two()),
    pickle.SETITEMS[0]: lambda p: p.set_items(p.since_mark()),
    pickle.BINPUT[0]: lambda p: p.remember(p.number(_BYTE)),
    pickle.LONG_BINPUT[0]: lambda p: p.remember(p.number(_UINT32)),
    pickle.BINGET[0]: lambda p: p.recall(p.number(_BYTE)),
    pickle.LONG_BINGET[0]: lambda p: p.recall(p.number(_UINT32)),
    pickle.TUPLE1[0]: lambda p: p.tuple_of(1),
    pickle.TUPLE2[0]: lambda p: p.tuple_of(2),
    pickle.TUPLE3[0]: lambda p: p.tuple_of(3),
    pickle.TUPLE[0]: _pushing(lambda p: tuple(p.since_mark())),
    pickle.EMPTY_TUPLE[0]: _pushing(lambda _: ()),
    pickle.EMPTY_LIST[0]: _pushing(lambda _: []),
    pickle.EMPTY_DICT[0]: _pushing(lambda _: {}),
    pickle.EMPTY_SET[0]: _pushing(lambda _: set()),
    pickle.NONE[0]: _pushing(lambda _: None),
    pickle.NEWTRUE[0]: _pushing(lambda _: True),
    pickle.NEWFALSE[0]: _pushing(lambda _: False),
    pickle.BININT[0]: _pushing(lambda p: p.number(_INT32)),
    pickle.BININT1[0]: _pushing(lambda p: p.number(_BYTE)),
    pickle.BININT2[0]: _pushing(lambda p: p.number(_UINT16)),
    pickle.BINFLOAT[0]: _pushing(lambda p: p.number(_DOUBLE)),
    pickle.LONG1[0]: _pushing(
        lambda p: int.from_bytes(p.take(p.number(_BYTE)), "little", signed=True)
    ),
    pickle.BINUNICODE[0]: _pushing(lambda p: _text(p.take(p.number(_UINT32)), "surrogatepass")),
    pickle.SHORT_BINSTRING[0]: _pushing(lambda p: _text(p.take(p.number(_BYTE)))),
}
"""What each opcode does; every other opcode is refused."""


def global_names(data: bytes) -> list[str]:
    """Names of all globals of a pickle that are neither allowed nor added by the user.

    Raises:
        pickle.UnpicklingError: if it takes names from its stack, where they can be hidden.
    """
    # pickletools is a large module that loading does not need
    import pickletools  # noqa: PLC0415  # for messages only

    known = {**allowed(), **user_allowed()}
    found: dict[str, None] = {}
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in ("STACK_GLOBAL", "EXT1", "EXT2", "EXT4"):
            raise pickle.UnpicklingError(
                f"Unsupported operand {ord(opcode.code)}: the names of a pickle of protocol 4 "
                "cannot be listed without running it"
            )
        if opcode.name in ("GLOBAL", "INST"):
            module, _, name = str(argument).partition(" ")
            path = modern_name(module, name)
            if path not in known and f"{module}.{name}" not in known:
                found[path.removeprefix("builtins.")] = None
    return sorted(found)

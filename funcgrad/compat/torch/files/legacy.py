"""Files as PyTorch wrote them before version 1.6: pickles in a row, then the storages."""

import io
import pickle
import struct
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad.compat.torch.files.archive import Reading, storage_id, swapped
from funcgrad.compat.torch.files.pickling import Collected, RefusedError, pickled, unpickled
from funcgrad.compat.torch.files.unpickling import WeightsUnpickler, documented
from funcgrad.compat.torch.files.zipping import write_all
from funcgrad.compat.torch.storage import TypedStorage, UntypedStorage, from_bfloat16

__all__ = ["load_legacy", "save_legacy"]

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
SHORT = "The file might be corrupted."


def save_legacy(
    thing: Any, open_stream: Callable[[], Any], pickle_module: Any, protocol: int
) -> None:
    """Write an object as PyTorch did before version 1.6."""
    collected = Collected(legacy=True)
    content = pickled(thing, collected, pickle_module, protocol)
    system = {
        "protocol_version": PROTOCOL,
        "little_endian": sys.byteorder == "little",
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    with open_stream() as stream:
        for head in (MAGIC, PROTOCOL, system):
            write_all(stream, pickle.dumps(head, protocol))
        write_all(stream, content)
        write_all(stream, pickle.dumps(sorted(collected.storages), protocol))
        for key in sorted(collected.storages):
            data = collected.storages[key].content()
            write_all(stream, struct.pack("=q", data.size // collected.units[key]))
            write_all(stream, memoryview(data))


class _File:
    """A whole file in memory, and how far it has been read."""

    def __init__(self, data: bytes, reading: Reading) -> None:
        self.data = data
        self.reading = reading
        self.at = 0

    def plain(self) -> Any:
        """The next pickle, of plain values."""
        reader = WeightsUnpickler(self.data, _no_storage, self.at)
        found = reader.load()
        self.at = reader.at
        return found

    def take(self, count: int) -> bytes:
        """The next bytes."""
        end = self.at + count
        if end > len(self.data):
            raise RuntimeError(
                f"unexpected EOF, expected {end - len(self.data)} more bytes. {SHORT}"
            )
        found = self.data[self.at : end]
        self.at = end
        return found


def _no_storage(_given: Any) -> Any:
    raise RefusedError("a storage is named where there is none")


def load_legacy(stream: Any, reading: Reading) -> Any:
    """What a file of the old format holds.

    Raises:
        RuntimeError: if it is none, or is broken.
    """
    start = stream.tell()
    data = stream.read()
    if not data:
        raise EOFError("Ran out of input")
    file = _File(data, reading)
    if not reading.weights_only and data[:1] != pickle.PROTO:
        raise pickle.UnpicklingError(f"invalid load key, {data[:1].decode('latin1')!r}.")
    magic = file.plain() if _starts_with_number(data) else None
    if type(magic) is not int or magic != MAGIC:
        _check_pickle(data, reading)
        raise RuntimeError("Invalid magic number; corrupt file?")
    if file.plain() != PROTOCOL:
        raise RuntimeError("Invalid protocol version")
    system = file.plain()
    little = system.get("little_endian", True) if isinstance(system, dict) else True
    storages = _Storages(len(data) - file.at, reading)
    if reading.weights_only:
        unpickler = WeightsUnpickler(data, storages, file.at)
        result = unpickler.load()
        file.at = unpickler.at
    else:
        pickles = io.BytesIO(data)
        pickles.seek(file.at)
        result = unpickled(pickles, storages, reading.pickle_module, reading.options)
        file.at = pickles.tell()
    storages.fill(file, file.plain(), "big" if little is False else "little")
    stream.seek(start + file.at)
    return result


def _starts_with_number(data: bytes) -> bool:
    return data[:1] == pickle.PROTO and data[2:3] == pickle.LONG1


def _check_pickle(data: bytes, reading: Reading) -> None:
    """Say what is wrong with a file that is no file of PyTorch, if it is no pickle either."""
    if data[:1] == pickle.PROTO:
        return
    if reading.weights_only:
        text = f"\n\nUnsupported operand {data[0]}: this is no file that torch.save wrote"
        raise pickle.UnpicklingError(documented(RefusedError(text)))


class _Storages:
    """Storages that the pickle refers to; their bytes come behind it."""

    def __init__(self, length: int, reading: Reading) -> None:
        self.left = length
        self.reading = reading
        self.found: dict[str, Any] = {}
        self.sizes: dict[str, tuple[int, int]] = {}
        self.kinds: dict[str, Any] = {}

    def __call__(self, given: Any) -> Any:
        if not self.reading.weights_only and given and given[0] == "module":
            return given[1]  # a class, with its source at the time
        kind, key, location, count, unit = storage_id(given, 6)
        storage = self.found.get(key)
        if storage is None:
            self.left -= count * unit
            if self.left < 0:
                raise RuntimeError(f"{SHORT} a storage is larger than the file")
            empty = UntypedStorage.of(np.zeros(count * unit, np.uint8))
            empty.pending = []
            storage = self.reading.restore(empty, location)
            storage = self.found[key] = getattr(storage, "_untyped", storage)
            self.sizes[key] = count, unit
            self.kinds[key] = kind
        if given[5] is not None:
            storage = _part(storage, kind, given[5])
        return TypedStorage(wrap_storage=storage, dtype=kind)

    def fill(self, file: _File, keys: Any, byteorder: str) -> None:
        """Read the bytes of all storages, in the order of their keys."""
        if type(keys) is not list or not all(type(key) is str for key in keys):
            raise RuntimeError(f"{SHORT} the list of storages is broken")
        if set(keys) != set(self.found) or len(keys) != len(self.found):
            raise RuntimeError(f"{SHORT} the list of storages is not that of the pickle")
        for key in keys:
            count, unit = self.sizes[key]
            (told,) = struct.unpack("=q", file.take(8))
            if told != count:
                raise RuntimeError(f"storage has wrong byte size: expected {count * unit} got "
                                   f"{told * unit}")  # fmt: skip
            data = np.frombuffer(file.take(count * unit), np.uint8)
            if byteorder != sys.byteorder:
                data = swapped(data, self.kinds[key])
            _fill(self.found[key], data)


def _part(storage: UntypedStorage, kind: Any, view: Any) -> UntypedStorage:
    """A storage of the oldest files that is part of another one."""
    unit = kind.itemsize
    if type(view) is not tuple or len(view) != 3 or not all(type(n) is int for n in view[1:]):
        raise RefusedError("the part of a storage is described by other numbers")
    _, first, count = view
    if first < 0 or count < 0 or (first + count) * unit > storage.nbytes() or storage._wide:
        raise RuntimeError(f"{SHORT} a part of a storage lies outside of it")
    return UntypedStorage.of(storage.content()[first * unit : (first + count) * unit])


def _fill(storage: UntypedStorage, data: Any) -> None:
    if storage.device.type == "meta":
        return
    if storage._wide:
        storage._array[...] = from_bfloat16(data.view(np.uint16))
    else:
        storage.content()[...] = data
    for change in storage.pending or ():
        change()
    storage.pending = None

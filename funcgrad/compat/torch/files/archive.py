"""Files of PyTorch: a zip archive of one pickle and of the storages that it refers to."""

import io
import mmap
import sys
import warnings
from collections.abc import Callable
from typing import IO, Any, NamedTuple

import numpy as np

from funcgrad.compat.torch.files.pickling import Collected, RefusedError, pickled, unpickled
from funcgrad.compat.torch.files.unpickling import WeightsUnpickler
from funcgrad.compat.torch.files.zipping import ALIGNMENT, ZipReader, ZipWriter
from funcgrad.compat.torch.storage import STORAGE_TYPES, UINT8, TypedStorage, UntypedStorage

__all__ = ["Reading", "load_zip", "save_zip", "storage_id", "swapped"]

NO_SCRIPT = (
    "Cannot use ``weights_only=True`` with TorchScript archives passed to ``torch.load``: they "
    "hold programs. This layer cannot run them with ``weights_only=False`` either."
)
NEWEST = 10
"""The last version of archives that PyTorch reads."""


class Reading(NamedTuple):
    """How a file is read.

    Attributes:
        weights_only: whether nothing but weights is accepted.
        restore: brings a storage to the location that the file names.
        pickle_module: what unpickles, where it is not weights only.
        options: arguments of its unpickler.
        byteorder: "little" or "big" where the file does not say it.
        checked: whether checksums are held against the bytes.
    """

    weights_only: bool
    restore: Callable[[Any, str], Any]
    pickle_module: Any
    options: dict[str, Any]
    byteorder: str
    checked: bool


def save_zip(
    thing: Any,
    open_stream: Callable[[], Any],
    root: str,
    pickle_module: Any,
    protocol: int,
    *,
    name_byteorder: bool = True,
    checked: bool = True,
) -> None:
    """Write an object; the file is only opened when its pickle is there."""
    collected = Collected()
    content = pickled(thing, collected, pickle_module, protocol)
    with open_stream() as stream:
        writer = ZipWriter(stream, root, checked)
        writer.write("data.pkl", content)
        writer.write(".format_version", b"1")
        writer.write(".storage_alignment", str(ALIGNMENT).encode())
        if name_byteorder:
            writer.write("byteorder", sys.byteorder.encode())
        for key, storage in collected.storages.items():
            writer.write(f"data/{key}", storage.content())
        writer.write("version", b"3\n")
        writer.write(".data/serialization_id", _identity(writer))
        writer.close()


def _identity(writer: ZipWriter) -> bytes:
    """Two numbers of 20 digits: one of the names of all records, one of their checksums."""
    found = []
    for words in (writer.names, writer.checksums):
        number = 0xCBF29CE484222325
        for byte in repr(words).encode():
            number = (number ^ byte) * 0x100000001B3 % 2**64
        found.append(f"{number:020}")
    return "".join(found).encode()


def storage_id(given: tuple[Any, ...], length: int) -> tuple[Any, str, str, int, int]:
    """The parts of a persistent id: type, key, location, elements, bytes of an element.

    Raises:
        RefusedError: if they are no such id.
    """
    if len(given) != length or given[0] != "storage":
        raise RefusedError("the persistent id of a storage has other parts")
    _, named, key, location, count = given[:5]
    if type(key) is not str or type(location) is not str or type(count) is not int or count < 0:
        raise RefusedError("the persistent id of a storage has parts of other types")
    if not (key + location).isprintable():
        raise RefusedError("the persistent id of a storage has a text that cannot be printed")
    if named is UntypedStorage:
        return UINT8, key, location, count, 1
    if not isinstance(named, type) or named not in STORAGE_TYPES.values():
        raise RefusedError(
            "the persistent id of a storage names something that is no type of storages"
        )
    kind = named.kind  # type: ignore[attr-defined]  # a type of storages
    return kind, key, location, count, kind.itemsize


def swapped(data: Any, kind: Any) -> Any:
    """Bytes of elements of a type, in the other order."""
    unit = kind.to_real().itemsize
    return data if unit == 1 else data.view(f"u{unit}").byteswap().view(np.uint8)


class _Storages:
    """The storages of an archive, read when the pickle asks for them."""

    def __init__(self, reader: ZipReader, reading: Reading, mapped: Any) -> None:
        self.reader = reader
        self.reading = reading
        self.mapped = mapped
        self.byteorder = reading.byteorder
        if "byteorder" in reader:
            self.byteorder = bytes(reader.read("byteorder")).decode("latin1")
            if self.byteorder not in ("little", "big"):
                raise ValueError(f"Unknown endianness type: {self.byteorder[:20]}")
        self.found: dict[str, Any] = {}

    def __call__(self, given: Any) -> Any:
        kind, key, location, count, unit = storage_id(given, 5)
        storage = self.found.get(key)
        if storage is None:
            data = self._bytes(f"data/{key}", count, unit)
            if self.byteorder != sys.byteorder:
                data = swapped(data, kind)
            storage = self.reading.restore(UntypedStorage.of(data), location)
            storage = self.found[key] = getattr(storage, "_untyped", storage)
        return TypedStorage(wrap_storage=storage, dtype=kind)

    def _bytes(self, name: str, count: int, unit: int) -> Any:
        entry = self.reader.record(name)
        if entry.size != count * unit:
            raise RuntimeError(
                f"record size ({entry.size} bytes) does not match expected size ({count * unit} "
                f"bytes = {count} elements * {unit} bytes/element)"
                if count < 2**63
                else f"record size ({entry.size} bytes) does not match expected size"
            )
        if self.mapped is None or entry.method or not entry.size:
            return self.reader.read(name)
        return np.frombuffer(self.mapped, np.uint8, entry.size, self.reader.place(entry))


def load_zip(stream: IO[bytes], reading: Reading, mapping: Any = None) -> Any:
    """What an archive holds.

    Args:
        stream: the file.
        reading: how it is read.
        mapping: access of a memory map of the file, where the storages are to stay in it.

    Raises:
        RuntimeError: if it is broken.
    """
    reader = ZipReader(stream, reading.checked)
    if "constants.pkl" in reader:
        raise RuntimeError(NO_SCRIPT)
    if "version" not in reader:
        raise RuntimeError('Expected hasRecord("version") to be true, but got false.')
    version = bytes(reader.read("version")).strip()
    if not version.isdigit() or len(version) > 3 or int(version) > NEWEST:
        raise RuntimeError(
            f"Attempted to read a PyTorch file with version {version[:20].decode('latin1')}, but "
            f"the maximum supported version for reading is {NEWEST}."
        )
    mapped = None if mapping is None else mmap.mmap(stream.fileno(), 0, access=mapping)
    storages = _Storages(reader, reading, mapped)
    content = reader.pickle() if reading.weights_only else bytes(reader.read("data.pkl"))
    if reading.weights_only:
        if reading.options:
            warnings.warn(
                "pickle_load_args only works if `weights_only=False`.", UserWarning, stacklevel=3
            )
        return WeightsUnpickler(content, storages).load()
    return unpickled(io.BytesIO(content), storages, reading.pickle_module, reading.options)

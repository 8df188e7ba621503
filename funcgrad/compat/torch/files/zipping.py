"""The zip archives that PyTorch writes: records stored at multiples of 64 bytes, and checked.

The reader believes nothing: sizes, places, names and checksums are all held against the file before
memory is taken for them.
"""

import struct
import zlib
from typing import IO, Any, NamedTuple, NoReturn

import numpy as np

__all__ = ["ALIGNMENT", "ZipReader", "ZipWriter", "corrupted", "write_all"]

ALIGNMENT = 64
LARGE = 0xFFFFFFFF
"""Sizes and places from here on are written in 64 bits."""

LOCAL = struct.Struct("<4sHHHHHIIIHH")
CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
END = struct.Struct("<4sHHHHIIH")
END64 = struct.Struct("<4sQHHIIQQQQ")
LOCATOR64 = struct.Struct("<4sIQI")

TEXT, DESCRIBED, ENCRYPTED = 0x800, 0x8, 0x2041
INFLATED_MOST = 2**26
"""So many bytes may come out of compressed records however small they are."""

PICKLE_MOST, PICKLE_RATIO = 2**17, 32
"""So many bytes may come out of a compressed pickle, or so many times what it takes in the file.

Each of its bytes can ask for an object of hundreds of bytes; those of weights shrink to a quarter.
"""


class Record(NamedTuple):
    """An entry of the directory."""

    name: str
    method: int
    crc: int
    stored: int
    size: int
    at: int


def corrupted(why: str) -> NoReturn:
    """Raise the error for a file that is no sound archive.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError(
        f"PytorchStreamReader failed reading zip archive: {why}. There is a high likelihood that "
        "your checkpoint file is corrupted: it was not saved properly, was transferred "
        "incorrectly, or was modified after saving."
    )


def write_all(stream: Any, data: Any) -> None:
    """Write all of some bytes: a file without a buffer may take fewer at once.

    Raises:
        OSError: if the file takes no more.
    """
    count = stream.write(data)
    if type(count) is not int or count == len(data):  # some files do not tell it
        return
    view = memoryview(data)
    while 0 < count < len(view):
        view = view[count:]
        count = stream.write(view) or 0
    if count != len(view):
        raise OSError(f"the file took {count} bytes of {len(view)}")


class ZipWriter:
    """Writes records one after the other; `close` writes the directory.

    Args:
        stream: where to write.
        root: folder that all names stand in.
        checked: whether checksums are computed.
    """

    def __init__(self, stream: IO[bytes], root: str, checked: bool = True) -> None:
        self.stream = stream
        self.root = root
        self.checked = checked
        self.at = 0
        self.directory: list[bytes] = []
        self.names: list[str] = []
        self.checksums: list[int] = []

    def _put(self, data: Any) -> None:
        write_all(self.stream, data)
        self.at += len(data)

    def write(self, name: str, data: Any) -> None:
        """One record: bytes, or an array of uint8."""
        path = f"{self.root}/{name}".encode()
        view = memoryview(data).cast("B")
        size, start = len(view), self.at
        crc = zlib.crc32(view) if self.checked else 0
        large = size >= LARGE
        sizes = struct.pack("<HHQQ", 1, 16, size, size) if large else b""
        gap = -(start + LOCAL.size + len(path) + len(sizes) + 4) % ALIGNMENT
        padding = b"FB" + struct.pack("<H", gap) + b"Z" * gap
        flags = TEXT | (DESCRIBED if size else 0)
        told = LARGE if large else 0
        extra = sizes + padding
        self._put(
            LOCAL.pack(b"PK\3\4", 0, flags, 0, 0, 0, 0, told, told, len(path), len(extra))
            + path
            + extra
        )
        self._put(view)
        if size:
            self._put(struct.pack("<4sIQQ" if large else "<4sIII", b"PK\7\x08", crc, size, size))
        self._enter(path, flags, crc, size, start)
        self.names.append(name)
        self.checksums.append(crc)

    def _enter(self, path: bytes, flags: int, crc: int, size: int, start: int) -> None:
        wide = [number for number in (size, size, start) if number >= LARGE]
        extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        told, place = min(size, LARGE), min(start, LARGE)
        self.directory.append(
            CENTRAL.pack(b"PK\1\2", 0, 0, flags, 0, 0, 0, crc, told, told, len(path), len(extra),
                         0, 0, 0, 0, place) + path + extra
        )  # fmt: skip

    def close(self) -> None:
        """Write the directory."""
        start, entries = self.at, b"".join(self.directory)
        self._put(entries)
        count, end = len(self.directory), self.at
        length = end - start
        self._put(END64.pack(b"PK\6\6", 44, 0x31E, 45, 0, 0, count, count, length, start))
        self._put(LOCATOR64.pack(b"PK\6\7", 0, end, 1))
        few = min(count, 0xFFFF)
        self._put(END.pack(b"PK\5\6", 0, 0, few, few, min(length, LARGE), min(start, LARGE), 0))


class ZipReader:
    """Reads the records of an archive.

    Args:
        stream: the file; it can be sought.
        checked: whether checksums are held against the records.

    Attributes:
        root: folder that all names stand in.
        records: by name, without that folder.

    Raises:
        RuntimeError: if the archive is broken.
    """

    def __init__(self, stream: IO[bytes], checked: bool = True) -> None:
        self.stream = stream
        stream.seek(0, 2)
        self.length = stream.tell()
        self.records: dict[str, Record] = {}
        self.root = ""
        entries = self._directory()
        self.checked = checked and any(entry.crc for entry in entries)
        swollen = sum(entry.size for entry in entries if entry.method)
        if swollen > max(INFLATED_MOST, 100 * self.length):
            corrupted(f"its packed records would swell to {swollen} bytes")
        last = 0
        for entry in sorted(entries, key=lambda entry: entry.at):
            if entry.at < last:
                corrupted("two records overlap")
            last = entry.at + LOCAL.size + len(entry.name.encode()) + entry.stored
            self._enter(entry)

    def _at(self, place: int, count: int) -> bytes:
        if not 0 <= place <= self.length - count:
            corrupted("it refers to bytes outside the file")
        self.stream.seek(place)
        data = self.stream.read(count)
        if len(data) != count:
            corrupted("the file ends too early")
        return data

    def _directory(self) -> list[Record]:
        tail_length = min(self.length, END.size + 0xFFFF)
        tail = self._at(self.length - tail_length, tail_length)
        place = tail.rfind(b"PK\5\6")
        if place < 0 or len(tail) - place < END.size:
            corrupted("failed finding central directory")
        end = self.length - tail_length + place
        _, disk, _, _, count, size, start, comment = END.unpack_from(tail, place)
        if comment != len(tail) - place - END.size or disk not in (0, 0xFFFF):
            corrupted("failed finding central directory")
        if end >= LOCATOR64.size:
            mark, _, wide, _ = LOCATOR64.unpack(self._at(end - LOCATOR64.size, LOCATOR64.size))
            if mark == b"PK\6\7":
                *_, count, size, start = self._end64(wide)
                end = wide
        if start + size != end:
            corrupted("invalid header or archive is corrupted")
        data = self._at(start, size)
        entries, at = [], 0
        for _ in range(count):
            entry, at = self._entry(data, at, start)
            entries.append(entry)
        if at != size:
            corrupted("invalid header or archive is corrupted")
        return entries

    def _end64(self, place: int) -> tuple[Any, ...]:
        found = END64.unpack(self._at(place, END64.size))
        if found[0] != b"PK\6\6":
            corrupted("invalid header or archive is corrupted")
        return found

    def _entry(self, data: bytes, at: int, limit: int) -> tuple[Record, int]:
        if at + CENTRAL.size > len(data):
            corrupted("invalid header or archive is corrupted")
        (mark, _, _, flags, method, _, _, crc, stored, size, name_length, extra_length,
         comment, _, _, _, place) = CENTRAL.unpack_from(data, at)  # fmt: skip
        at += CENTRAL.size
        name = data[at : at + name_length]
        extra = data[at + name_length : at + name_length + extra_length]
        at += name_length + extra_length + comment
        if mark != b"PK\1\2" or at > len(data):
            corrupted("invalid header or archive is corrupted")
        size, stored, place = _wide(extra, size, stored, place)
        if flags & ENCRYPTED or method not in (0, 8):
            corrupted("a record is encrypted or packed in a way that PyTorch does not write")
        if place + LOCAL.size + name_length + stored > limit or (method == 0 and stored != size):
            corrupted("a record is larger than the file")
        try:
            text = name.decode("utf-8")
        except UnicodeDecodeError:
            corrupted("a record has a name that is not UTF-8")
        return Record(text, method, crc, stored, size, place), at

    def _enter(self, entry: Record) -> None:
        root, slash, name = entry.name.partition("/")
        if not slash:
            raise RuntimeError(f"file in archive is not in a subdirectory: {entry.name[:100]!r}")
        if self.root and root != self.root:
            raise RuntimeError(
                f"file in archive is not in a subdirectory {self.root[:100]}/: {entry.name[:100]!r}"
            )
        strange = {"..", "", "."} & set(entry.name.removesuffix("/").split("/"))
        if strange or "\\" in name or "\0" in name:
            corrupted(f"the name {entry.name[:100]!r} is a path that PyTorch does not write")
        if name in self.records:
            corrupted(f"there are two records of the name {entry.name[:100]!r}")
        self.root = root
        self.records[name] = entry

    def __contains__(self, name: str) -> bool:
        return name in self.records

    def record(self, name: str) -> Record:
        """The directory's entry of a name.

        Raises:
            RuntimeError: if there is none.
        """
        found = self.records.get(name)
        if found is None:
            raise RuntimeError(
                f"PytorchStreamReader failed locating file {name[:100]}: file not found. There is "
                "a high likelihood that your checkpoint file is corrupted: it was not saved "
                "properly, was transferred incorrectly, or was modified after saving."
            )
        return found

    def place(self, entry: Record) -> int:
        """Where the bytes of a record begin."""
        found = LOCAL.unpack(self._at(entry.at, LOCAL.size))
        mark, method, name_length, extra_length = found[0], found[3], found[9], found[10]
        name = self._at(entry.at + LOCAL.size, name_length)
        if mark != b"PK\3\4" or name != entry.name.encode() or method != entry.method:
            corrupted(f"the record {entry.name[:100]!r} differs from its entry in the directory")
        start: int = entry.at + LOCAL.size + name_length + extra_length
        if start + entry.stored > self.length:
            corrupted("a record is larger than the file")
        return start

    def read(self, name: str) -> Any:
        """The bytes of a record, as an array of uint8."""
        entry = self.record(name)
        start = self.place(entry)
        if entry.method == 0:
            data: Any = np.empty(entry.size, np.uint8)
            self.stream.seek(start)
            _fill(self.stream, data)
        else:
            data = self._inflated(entry, start)
        if self.checked and zlib.crc32(data) != entry.crc:
            corrupted(f"the checksum (CRC-32) of {entry.name[:100]!r} does not fit its bytes")
        return data

    def pickle(self) -> bytes:
        """The bytes of the pickle, if they are not much more than it takes in the file."""
        entry = self.record("data.pkl")
        if entry.method and entry.size > max(PICKLE_MOST, PICKLE_RATIO * entry.stored):
            corrupted(f"its packed pickle would swell from {entry.stored} to {entry.size} bytes")
        return bytes(self.read("data.pkl"))

    def _inflated(self, entry: Record, start: int) -> Any:
        unpacker = zlib.decompressobj(-15)
        try:
            data = unpacker.decompress(self._at(start, entry.stored), entry.size + 1)
        except zlib.error:
            corrupted(f"the record {entry.name[:100]!r} cannot be unpacked")
        if len(data) != entry.size:
            corrupted(f"the record {entry.name[:100]!r} has not the size that the directory tells")
        return np.frombuffer(bytearray(data), np.uint8)


def _wide(extra: bytes, *numbers: int) -> tuple[int, ...]:
    """Numbers of a directory entry, those of 64 bits taken from its extra field."""
    wide = [number == LARGE for number in numbers]
    at = 0
    while any(wide) and at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            if length != 8 * sum(wide) or at + 4 + length > len(extra):
                corrupted("invalid header or archive is corrupted")
            found = iter(struct.unpack_from(f"<{sum(wide)}Q", extra, at + 4))
            return tuple([next(found) if w else n for w, n in zip(wide, numbers, strict=True)])
        at += 4 + length
    return numbers


def _fill(stream: Any, data: Any) -> None:
    """Read the bytes of an array."""
    view = memoryview(data)
    while len(view):
        if hasattr(stream, "readinto"):
            count = stream.readinto(view)
        else:
            part = stream.read(len(view))
            count = len(part)
            view[:count] = part
        if not count:
            corrupted("the file ends too early")
        view = view[count:]

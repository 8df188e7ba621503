"""`torch.serialization`: `save` and `load` in PyTorch's file format, both ways."""

import mmap as memory_maps
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from funcgrad.compat.torch.dtypes import layout
from funcgrad.compat.torch.files.allowed import USER
from funcgrad.compat.torch.files.archive import Reading, load_zip, save_zip
from funcgrad.compat.torch.files.legacy import load_legacy, save_legacy
from funcgrad.compat.torch.files.locations import (
    PACKAGES,
    default_restore_location,
    location_tag,
    restorer,
)
from funcgrad.compat.torch.files.pickling import get_layout
from funcgrad.compat.torch.files.replacing import replacing
from funcgrad.compat.torch.files.unpickling import global_names
from funcgrad.compat.torch.files.zipping import ZipReader
from funcgrad.compat.torch.registry import expose

__all__ = [
    "LoadEndianness",
    "SourceChangeWarning",
    "add_safe_globals",
    "clear_safe_globals",
    "default_restore_location",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "location_tag",
    "register_package",
    "safe_globals",
    "save",
    "set_crc32_options",
    "set_default_load_endianness",
    "set_default_mmap_options",
]

DEFAULT_PROTOCOL = 2
MAP_SHARED = getattr(memory_maps, "MAP_SHARED", 1)
MAP_PRIVATE = getattr(memory_maps, "MAP_PRIVATE", 2)


class SourceChangeWarning(Warning):
    """The source of a class has changed since it was saved (files of the old format)."""


class LoadEndianness(Enum):
    """Order of the bytes in files that do not name it."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


class _Options:
    """What the `set_` functions of this module change."""

    endianness: LoadEndianness | None = None
    mmap_flags: int = MAP_PRIVATE
    checksums = True


OPTIONS = _Options()

# --- saving -------------------------------------------------------------------------------------


def save(
    obj: object,
    f: Any,
    pickle_module: Any = pickle,
    pickle_protocol: int = DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Write tensors, modules, and containers of them to a file that PyTorch can read too.

    Tensors that share memory share it when they are loaded. A file at a path is replaced only when
    the new one is complete.

    Args:
        obj: what to write.
        f: a path, or a binary file opened for writing.
        pickle_module: what writes the objects around the tensors.
        pickle_protocol: the version of pickles; `load` reads 2 with `weights_only`.

    Example:
        >>> import io
        >>> import funcgrad.compat.torch as torch
        >>> file = io.BytesIO()
        >>> torch.save({"weight": torch.ones(2)}, file)
        >>> torch.load(io.BytesIO(file.getvalue()))
        {'weight': tensor([1., 1.])}
    """
    root = "archive"
    if _is_path(f):
        path = Path(os.fsdecode(f))
        if not path.parent.exists():
            raise RuntimeError(f"Parent directory {path.parent} does not exist.")
        if _use_new_zipfile_serialization and path.stem.isascii() and path.stem.strip("."):
            root = path.stem

        def opened() -> AbstractContextManager[Any]:
            return replacing(path)

    else:
        if not hasattr(f, "write"):
            raise AttributeError(
                "expected 'f' to be string, path, or a file-like object with a 'write' attribute"
            )

        def opened() -> AbstractContextManager[Any]:
            return nullcontext(f)

    if not _use_new_zipfile_serialization:
        save_legacy(obj, opened, pickle_module, pickle_protocol)
        return
    save_zip(
        obj,
        opened,
        root,
        pickle_module,
        pickle_protocol,
        name_byteorder=not _disable_byteorder_record,
        checked=OPTIONS.checksums,
    )


def _is_path(f: Any) -> bool:
    return isinstance(f, str | os.PathLike)


# --- loading ------------------------------------------------------------------------------------


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read what `save`, or PyTorch's, has written.

    By default nothing but tensors and plain containers is read, and nothing in the file is run:
    only a list of types may be named. With `weights_only=False` a file may run any code.

    Args:
        f: a path, or a binary file that can be sought.
        map_location: where storages go: a device, a dictionary of devices, or a function of a
            storage and of the device in the file.
        pickle_module: what reads the objects around the tensors, if not weights only.
        weights_only: whether to refuse everything that could run code.
        mmap: whether storages stay in the file until they are used; their checksums are then not
            looked at.
        pickle_load_args: for the unpickler, if not weights only.

    Raises:
        pickle.UnpicklingError: if the file asks for more than weights, or is broken.
        RuntimeError: if the file is broken, or asks for a GPU.
        EOFError: if the file is empty or ends too early.
    """
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    only = pickle_module is None if weights_only is None else bool(weights_only)
    if mmap and not _is_path(f):
        raise ValueError("f must be a file path in order to use the mmap argument")
    if not only:
        pickle_load_args.setdefault("encoding", "utf-8")
    reading = Reading(
        weights_only=only,
        restore=restorer(map_location),
        pickle_module=pickle_module or pickle,
        options=pickle_load_args,
        byteorder=_byteorder(),
        checked=OPTIONS.checksums,
    )
    shared = bool(mmap) and OPTIONS.mmap_flags == MAP_SHARED
    with _opened(f, "r+b" if shared else "rb") as stream:
        if not _is_zip(stream):
            if mmap:
                raise RuntimeError(
                    "mmap can only be used with files saved with "
                    "`torch.save(_use_new_zipfile_serialization=True)`. Please save your "
                    "checkpoint with that, or load it without mmap."
                )
            return load_legacy(stream, reading)
        access = memory_maps.ACCESS_WRITE if shared else memory_maps.ACCESS_COPY
        return load_zip(stream, reading, access if mmap else None)


def _opened(f: Any, mode: str) -> AbstractContextManager[Any]:
    if _is_path(f):
        return Path(os.fsdecode(f)).open(mode)
    for name in ("seek", "tell", "read", "readline"):
        if not hasattr(f, name):
            raise AttributeError(
                f"'{type(f).__name__}' object has no attribute '{name}'. You can only torch.load "
                "from a file that is seekable. Please pre-load the data into a buffer like "
                "io.BytesIO and try to load from it instead."
            )
    return nullcontext(f)


def _is_zip(stream: IO[bytes]) -> bool:
    start = stream.tell()
    head = stream.read(4)
    stream.seek(start)
    return head == b"PK\3\4"


def _byteorder() -> str:
    found = OPTIONS.endianness
    if found is LoadEndianness.BIG:
        return "big"
    return sys.byteorder if found is LoadEndianness.NATIVE else "little"


# --- what files may name ------------------------------------------------------------------------


def add_safe_globals(safe_globals: Sequence[Any]) -> None:
    """Let files that are loaded with `weights_only` name and call these classes or functions.

    Args:
        safe_globals: the classes or functions, or pairs of one with its full name in files.
    """
    USER.extend(entry for entry in safe_globals if entry not in USER)


def get_safe_globals() -> list[Any]:
    """What `add_safe_globals` was given."""
    return list(USER)


def clear_safe_globals() -> None:
    """Forget what `add_safe_globals` was given."""
    USER.clear()


@contextmanager
def _allowing(safe_globals: Sequence[Any]) -> Iterator[None]:
    before = list(USER)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        USER[:] = before


class safe_globals:
    """Let files name and call these classes or functions, within a block.

    Args:
        safe_globals: as for `add_safe_globals`.
    """

    def __init__(self, safe_globals: Sequence[Any]) -> None:
        self.safe_globals = safe_globals

    def __enter__(self) -> None:
        self._block = _allowing(self.safe_globals)
        self._block.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._block.__exit__(kind, error, traceback)


def get_unsafe_globals_in_checkpoint(f: Any) -> list[str]:
    """Names in a file that `weights_only` does not allow; nothing in it is run.

    Raises:
        pickle.UnpicklingError: if it is a pickle in which names can be hidden.
    """
    with _opened(f, "rb") as stream:
        if not _is_zip(stream):
            raise ValueError("Expected input to be a checkpoint returned by torch.save")
        return global_names(ZipReader(stream, OPTIONS.checksums).pickle())


# --- settings -----------------------------------------------------------------------------------


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Set the order of bytes in files that do not name it."""
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    OPTIONS.endianness = endianness


def get_default_load_endianness() -> LoadEndianness | None:
    """The order of bytes in files that do not name it."""
    return OPTIONS.endianness


class set_default_mmap_options:
    """Set whether a file that is loaded with `mmap` is private (the default) or written to.

    Args:
        flags: `mmap.MAP_PRIVATE` or `mmap.MAP_SHARED`.
    """

    def __init__(self, flags: int) -> None:
        if flags not in (MAP_PRIVATE, MAP_SHARED):
            raise ValueError(
                "Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE "
                f"or mmap.MAP_SHARED, but got {flags}"
            )
        self._before = OPTIONS.mmap_flags
        OPTIONS.mmap_flags = flags

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        OPTIONS.mmap_flags = self._before


def get_default_mmap_options() -> int:
    """Whether a file that is loaded with `mmap` is private or written to."""
    return OPTIONS.mmap_flags


def set_crc32_options(compute_crc32: bool) -> None:
    """Set whether `save` writes checksums, and `load` holds them against the bytes."""
    OPTIONS.checksums = bool(compute_crc32)


def get_crc32_options() -> bool:
    """Whether `save` writes checksums."""
    return OPTIONS.checksums


def register_package(
    priority: int,
    tagger: Callable[[Any], str | None],
    deserializer: Callable[[Any, str], Any],
) -> None:
    """Enter functions that name the location of a storage, and that bring one there.

    Args:
        priority: functions of lower numbers are asked first.
        tagger: gives the location of a storage, or None.
        deserializer: gives the storage at a location, or None.
    """
    PACKAGES.append((priority, tagger, deserializer))
    PACKAGES.sort(key=lambda entry: entry[0])


def _get_layout(name: Any) -> layout:
    """The layout that a file names."""
    return get_layout(name)  # type: ignore[no-any-return]  # a layout


expose("save", save, method=False)
expose("load", load, method=False)

"""Pickles as PyTorch writes them: its names for the layer's classes, storages beside the pickle."""

import copyreg
import io
import pickle
from types import FunctionType
from typing import Any, ClassVar

from funcgrad.compat.torch.dtypes import Size, device, dtype, layout, memory_format
from funcgrad.compat.torch.files.names import find, path_of
from funcgrad.compat.torch.mersenne import Generator
from funcgrad.compat.torch.nn.parameter import Parameter
from funcgrad.compat.torch.registry import MODULES
from funcgrad.compat.torch.storage import STORAGE_TYPES, UINT8, TypedStorage, UntypedStorage
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["Collected", "RefusedError", "get_layout", "pickled", "unpickled"]

DIFFERENT_TYPES = (
    "Cannot save multiple tensors or storages that view the same data as different types"
)


class RefusedError(Exception):
    """Why a pickle is not loaded; becomes `pickle.UnpicklingError`."""


class Collected:
    """The storages that a pickle refers to, each once.

    Attributes:
        storages: by key, in order.
        units: bytes of an element of each.
        legacy: whether ids are those of files before PyTorch 1.6.
    """

    def __init__(self, legacy: bool = False) -> None:
        self.storages: dict[str, UntypedStorage] = {}
        self.units: dict[str, int] = {}
        self.legacy = legacy
        self._keys: dict[int, str] = {}
        self._kinds: dict[int, Any] = {}

    def identify(self, thing: Any) -> Any:
        """The persistent id of a storage; None for everything else."""
        if isinstance(thing, TypedStorage):
            untyped, kind = thing.untyped(), thing.dtype
            named: Any = STORAGE_TYPES[f"{kind.legacy}Storage"]
        elif isinstance(thing, UntypedStorage):
            untyped, kind, named = thing, UINT8, UntypedStorage
        else:
            return None
        if untyped.device.type == "meta":
            return None
        at = untyped.data_ptr()
        if at and self._kinds.setdefault(at, kind) is not kind:
            raise RuntimeError(DIFFERENT_TYPES)
        key = self._keys.get(id(untyped._array))
        if key is None:
            key = self._keys[id(untyped._array)] = str(len(self._keys))
            self.storages[key] = untyped
            self.units[key] = kind.itemsize
        count = untyped.nbytes() // self.units[key]
        if self.legacy:
            return "storage", named, key, "cpu", count, None
        return "storage", named, key, "cpu", count


def get_layout(name: Any) -> Any:
    """The layout that a file names."""
    found = MODULES["torch"].get(name.removeprefix("torch.")) if type(name) is str else None
    if not isinstance(found, layout):
        raise RuntimeError("A file names a layout that is not there")
    return found


def _reduce_generator(generator: Generator) -> tuple[Any, ...]:
    state = find("torch", "from_numpy")(generator.get_state())
    return Generator, (device("cpu"),), (generator.initial_seed(), None, state)


def _reduce_device(where: device) -> tuple[Any, ...]:
    kind = where.type.encode().decode()  # a text of its own, as PyTorch's: pickles say so
    return device, (kind,) if where.index is None else (kind, where.index)


def _reduce_layout(given: layout) -> tuple[Any, ...]:
    return find("torch.serialization", "_get_layout"), (repr(given),)


def _refuse(thing: Any) -> Any:
    raise TypeError(f"cannot pickle {type(thing).__name__!r} object")


_REDUCTIONS: dict[Any, Any] = {
    dtype: lambda kind: kind.name,
    Size: lambda size: (Size, (tuple(size),)),
    device: _reduce_device,
    layout: _reduce_layout,
    memory_format: _refuse,
    Generator: _reduce_generator,
}


# The pickler written in Python: the one in C cannot be told under which name to write a class.
_Base: Any = pickle._Pickler


class _Pickler(_Base):  # type: ignore[misc]  # not described to type checkers
    dispatch: ClassVar[dict[Any, Any]] = dict(_Base.dispatch)

    def __init__(self, stream: Any, protocol: int, collected: Collected) -> None:
        super().__init__(stream, protocol)
        self.persistent_id = collected.identify
        table = copyreg.dispatch_table | _REDUCTIONS
        self.dispatch_table = {kind: table[kind] for kind in table if kind not in _CLASSES}

    def save_global(self, thing: Any, name: str | None = None) -> None:
        path = path_of(thing)
        if path is None or "." in path[1]:
            if "<locals>" in getattr(thing, "__qualname__", ""):
                raise AttributeError(f"Can't pickle local object {thing.__qualname__!r}")
            super().save_global(thing, name)
            return
        if self.proto >= 4:
            self.save(path[0])
            self.save(path[1])
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{path[0]}\n{path[1]}\n".encode())
        self.memoize(thing)

    dispatch[FunctionType] = save_global


_CLASSES = (type(Tensor), type(Parameter))
"""Classes of classes that have their own way into Python's pickles: here they are named."""


def pickled(thing: Any, collected: Collected, pickle_module: Any, protocol: int) -> bytes:
    """The pickle of an object; its storages are collected."""
    stream = io.BytesIO()
    if pickle_module is pickle:
        pickler: Any = _Pickler(stream, protocol, collected)
    else:

        class Other(pickle_module.Pickler):  # type: ignore[misc]  # of the user's module
            def reducer_override(self, thing: Any) -> Any:
                if isinstance(thing, type) and thing.__module__.partition(".")[0] == "torch":
                    path = path_of(thing)  # which this pickler would look up in PyTorch
                    if path is not None:
                        return find, path
                override = getattr(super(), "reducer_override", None)
                return NotImplemented if override is None else override(thing)

            def persistent_id(self, thing: Any) -> Any:
                return collected.identify(thing)

        pickler = Other(stream, protocol)
    pickler.dump(thing)
    return stream.getvalue()


def unpickled(stream: Any, load_storage: Any, pickle_module: Any, options: dict[str, Any]) -> Any:
    """What a pickle holds; whatever code it names is run."""

    class Unpickler(pickle_module.Unpickler):  # type: ignore[misc]  # perhaps the user's
        def find_class(self, module: str, name: str) -> Any:
            if module == "torch" or module.startswith("torch."):
                return find(module, name)
            return super().find_class(module, name)

        def persistent_load(self, given: Any) -> Any:
            try:
                return load_storage(given)
            except RefusedError as error:
                raise pickle.UnpicklingError(str(error)) from None

    return Unpickler(stream, **options).load()

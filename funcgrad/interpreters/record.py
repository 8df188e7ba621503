"""Recording: compute each value, and append one record to the Wengert list.

A piecewise constant primitive leaves no record: its result is a value of the transform around this
one. Plain arrays that a record keeps are protected against later changes: small ones are copied,
larger ones are fingerprinted and compared at the sweep (`Recording.check_unchanged`).
"""

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from typing_extensions import override

from funcgrad.core.foreign import NATIVE, is_chunked, snapshot
from funcgrad.core.modes import MODES
from funcgrad.core.primitive import Primitive
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import Trace, Tracer, bind, leaked, next_id
from funcgrad.core.wengert import Partials, Record
from funcgrad.errors import MutatedArrayError

__all__ = ["SMALL", "RecordTracer", "Recording", "position_of"]

SMALL = 4096
"""Plain arrays of at most so many bytes are copied when a record keeps them."""

_SPREAD = 4
"""A copy takes so many times the memory of its elements at most."""

WHOLE = 32768
"""Plain arrays of at most so many bytes are compared whole; it takes no longer than sampling."""

SAMPLES = 256
new = object.__new__


class RecordTracer(Tracer):
    """A value that is being recorded, and its position in the Wengert list."""

    __slots__ = ("index",)
    index: int
    owner: "Recording"

    @property
    @override
    def made_by(self) -> Primitive | None:
        record = self.owner.records[self.index]
        return None if record is None else record[0]

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs:  # the shortest way for `array * tracer`
            implementation = DISPATCH.get(ufunc)
            if implementation is not None:
                return implementation(*args)
        return super().__array_ufunc__(ufunc, method, *args, **kwargs)


class _Closed(Sequence[Any]):
    """Stands for the records of a closed trace: any use raises `LeakedTracerError`."""

    __slots__ = ("transform",)

    def __init__(self, trace: Trace) -> None:
        self.transform = trace.transform

    def __len__(self) -> NoReturn:
        raise leaked(self.transform)

    def __getitem__(self, _index: Any) -> NoReturn:
        raise leaked(self.transform)

    def append(self, _record: Any) -> NoReturn:
        """Raise, as everything else."""
        raise leaked(self.transform)


def position_of(record: Record, records: Sequence[Any]) -> int:
    """Where a record is that was appended while another thread appended to the same list.

    A record once appended stays where it is, so looking there tells whether the position is right,
    without a lock.
    """
    index = len(records) - 1
    while records[index] is not record:
        index -= 1
    return index


def fingerprint(array: np.ndarray[Any, Any], whole: bool) -> bytes:
    """The elements, or (of a large array) a sample of them, as bytes."""
    if whole or array.nbytes <= WHOLE:
        return array.tobytes()
    flat = array.reshape(-1) if array.flags.forc and array.flags.c_contiguous else array.flat
    step = (array.size // SAMPLES) | 1
    sample: np.ndarray[Any, Any] = flat[::step]
    return sample.tobytes()


def _copied(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A copy of a view, laid out as it is: sums of products depend on that in their last bits."""
    steps, size = array.strides, array.itemsize
    if array.flags.forc or not array.size or any(s < 0 or s % size for s in steps):
        return np.array(array)
    span = sum((n - 1) * s for n, s in zip(array.shape, steps, strict=True)) // size + 1
    if span > _SPREAD * array.size:
        return np.array(array)
    memory = np.lib.stride_tricks.as_strided(array, (span,), (size,)).copy()
    return np.ndarray(array.shape, array.dtype, memory, strides=steps)


def is_unchanged(array: np.ndarray[Any, Any], before: bytes) -> bool:
    """Whether an array still has its fingerprint, compared as it was taken: whole or a sample."""
    return fingerprint(array, len(before) == array.nbytes) == before


class Recording(Trace):
    """The trace of reverse mode: `records` is the Wengert list."""

    __slots__ = ("expands", "guarded", "notes", "parts", "records")
    records: Any
    guarded: dict[int, tuple[np.ndarray[Any, Any], bytes]]
    parts: dict[int, int]
    """Positions of values that x[key] was taken of; see `funcgrad.primitives.slicing`."""
    expands: bool
    """Whether there are checkpoints or notes; see `funcgrad.interpreters.sweep.expanded`."""
    notes: Any
    """The origins of the records, where a program is written; see `funcgrad.interpreters.notes`."""

    def __init__(self, transform: str) -> None:
        self.id = next_id()  # as Trace.__init__, without the call
        self.open = True
        self.transform = transform
        self.records = []
        self.guarded = {}
        self.parts = {}
        self.expands = False
        self.notes = None

    def input(self, value: Any) -> RecordTracer:
        """A tracer for one differentiated argument."""
        tracer = new(RecordTracer)
        tracer.value = value
        tracer.owner = self
        tracer.index = len(self.records)
        self.records.append(None)
        return tracer

    def close(self) -> list[Record | None]:
        """End the trace and hand out its Wengert list."""
        self.open = False
        records: list[Record | None] = self.records
        self.records = _Closed(self)
        return records

    @override
    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        values: list[Any] = []
        active: list[bool] = []
        parents: list[int] = []
        constants: list[Any] = []
        for arg in args:
            if type(arg) is RecordTracer and arg.owner is self:
                parents.append(arg.index)
                values.append(arg.value)
                active.append(True)
            else:
                values.append(arg)
                active.append(False)
                if isinstance(arg, np.ndarray) or (type(arg) not in NATIVE and is_chunked(arg)):
                    constants.append(arg)
        out = bind(primitive, *values, **params)
        if primitive.vjp is None:
            return out
        pull, residuals = primitive.vjp(out, values, tuple(active), params)
        if constants and residuals is not None:
            residuals = self._protect(residuals, constants)
        return self.push(primitive, parents, pull, residuals, out)

    def append(self, record: Record) -> int:
        """Append one record, and say where it is."""
        records = self.records
        records.append(record)
        index: int = len(records) - 1
        return index if records[index] is record else position_of(record, records)

    def push(
        self, primitive: Primitive, parents: Sequence[int], pull: Any, residuals: Any, out: Any
    ) -> Any:
        """Append one record; its tracer, or a tuple of tracers for several results."""
        index = self.append(
            (primitive, parents[0] if len(parents) == 1 else tuple(parents), pull, residuals)
        )
        if type(out) is not tuple:
            return self._tracer(out, index)
        results = []
        for position, item in enumerate(out):
            if _is_inexact(item):
                at = self.append((primitive, index, item_pull(position), None))
                results.append(self._tracer(item, at))
            else:
                results.append(item)
        return tuple(results)

    def _tracer(self, value: Any, index: int) -> RecordTracer:
        tracer = new(RecordTracer)
        tracer.value = value
        tracer.owner = self
        tracer.index = index
        return tracer

    def capture(self, array: Any) -> Any:
        """The array as a record may keep it: a copy of a small one, a guarded large one."""
        if not isinstance(array, np.ndarray):
            return snapshot(array)
        if array.nbytes <= SMALL:
            made = np.array(array) if array.base is None else _copied(array)
            MODES.note_copy(made, array)
            return made
        return self.guard(array)

    def guard(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Remember a fingerprint of a large plain array, and compare it at every further use."""
        before = self.guarded.get(id(array))
        if before is None:
            self.guarded[id(array)] = (array, fingerprint(array, MODES.compare_everything))
        elif not is_unchanged(*before):
            self._refuse_mutated(array)
        return array

    def _protect(self, residuals: Any, constants: list[Any]) -> Any:
        if type(residuals) is tuple:
            return tuple(self._protect(residual, constants) for residual in residuals)
        if any(residuals is c for c in constants):
            return self.capture(residuals)
        return residuals

    def check_unchanged(self) -> None:
        """Raise `MutatedArrayError` if a guarded array is not what it was when recorded."""
        for array, before in self.guarded.values():
            if not is_unchanged(array, before):
                self._refuse_mutated(array)

    def _refuse_mutated(self, array: np.ndarray[Any, Any]) -> NoReturn:
        raise MutatedArrayError(
            f"{self.transform}: an array of shape {array.shape} and dtype {array.dtype} was "
            "changed in place after an operation had recorded it. The gradient would be computed "
            "from the new contents. Make a new array (a = a + b in place of a += b), or pass "
            "a.copy()."
        )


def _is_inexact(value: Any) -> bool:
    dtype = getattr(value, "dtype", None)
    return type(value) is float or (dtype is not None and dtype.kind in "fc")


class _Item:
    """Pull of one result of several: puts its cotangent into the tuple's."""

    __slots__ = ("position",)

    def __init__(self, position: int) -> None:
        self.position = position

    def __call__(self, ct: Any, _residuals: Any) -> Partials:
        return Partials({self.position: ct})


_ITEM_PULLS = tuple(_Item(position) for position in range(16))


def item_pull(position: int) -> _Item:
    """The pull of result number `position` of a record with several results."""
    return _ITEM_PULLS[position] if position < len(_ITEM_PULLS) else _Item(position)

"""x[key] of a recording tracer, without detours, and in linear time for any number of slices.

The first part taken of a value is recorded as one `index`. From the second on there is a further
record between the value and its parts, whose cotangent is a `PartsCotangent`: it adds the
cotangents of all parts into one array in place, where the plain chain rule would add an array of
the whole value's size for each of them.

    a = x[0]; b = x[1]; c = x[2]        x ← a        x ← all parts ← b, c
"""

from types import EllipsisType, NoneType
from typing import Any

import numpy as np

from funcgrad.core.tracer import Tracer
from funcgrad.core.wengert import Record
from funcgrad.interpreters.record import Recording, RecordTracer
from funcgrad.primitives.indexing import (
    add_at,
    gather_p,
    getitem,
    index_p,
    scatter_add,
    unindex,
    unindex_all,
)
from funcgrad.primitives.keys import encode, is_plain_slice

__all__ = ["PartsCotangent", "common_of", "first_part", "sum_of_parts"]

_ONE = frozenset({int, NoneType, EllipsisType})
_PLAIN_CT = frozenset({np.ndarray, np.float64, np.float32, np.complex128, np.complex64, np.float16})
new = object.__new__


class PartsCotangent:
    """The sum of the cotangents of parts of one value; owned by one sweep, changed in place.

    It starts as one part; `+` adds the parts of another one. A key is a static key, a mask, or an
    integer array along the first axis.
    """

    __slots__ = ("ct", "key", "shape", "total", "traced")
    ct: Any
    key: Any
    shape: tuple[int, ...]
    total: np.ndarray[Any, Any] | None
    traced: list[tuple[Any, Any]] | None

    def __add__(self, other: "PartsCotangent") -> "PartsCotangent":
        if self.ct is not None:
            self._take(self.key, self.ct)
            self.ct = None
        self._take(other.key, other.ct)
        return self

    def _take(self, key: Any, ct: Any) -> None:
        if type(ct) not in _PLAIN_CT:
            self.traced = [] if self.traced is None else self.traced
            self.traced.append((key, ct))
            return
        total = self.total
        if total is None:
            self.total = total = np.zeros(self.shape, ct.dtype)
        if type(key) is np.ndarray and key.dtype.kind != "b":
            add_at(total, (key,), ct)
        else:
            total[key] += ct

    def dense(self) -> Any:
        """The sum as one value of the whole shape."""
        if self.ct is not None:
            self._take(self.key, self.ct)
        if self.traced is None:
            return self.total
        total: Any = self.total
        rows: list[tuple[Any, Any]] = []
        for key, ct in self.traced:
            if type(key) is not np.ndarray:
                rows.append((key, ct))
                continue
            total = self._with(total, rows)
            rows = []
            part = _scatter(ct, key, self.shape)
            total = part if total is None else total + part
        return self._with(total, rows)

    def _with(self, total: Any, rows: list[tuple[Any, Any]]) -> Any:
        """A sum to which parts are added in turn."""
        if not rows:
            return total
        if total is not None:
            rows = [(..., total), *rows]
        keys = tuple(encode(k if type(k) is tuple else (k,)) for k, _ct in rows)
        return unindex_all([ct for _k, ct in rows], keys, self.shape)


def _scatter(ct: Any, key: Any, shape: tuple[int, ...]) -> Any:
    return scatter_add(ct, np.nonzero(key) if key.dtype.kind == "b" else (key,), shape, 0)


def _pull(ct: Any, residuals: Any) -> Any:
    """The cotangent of a value from that of one part."""
    key, shape = residuals
    if type(key) is np.ndarray:
        return _scatter(ct, key, shape)
    if type(ct) in _PLAIN_CT:
        full = np.zeros(shape, ct.dtype)
        full[key] = ct
        return full
    return unindex(ct, key if type(key) is tuple else (key,), shape)


def _pull_part(ct: Any, residuals: Any) -> PartsCotangent:
    """The cotangent of the record of all parts from that of one part."""
    part = new(PartsCotangent)
    part.key, part.shape = residuals
    part.ct = ct
    part.total = part.traced = None
    return part


def _pull_parts(ct: PartsCotangent, _residuals: Any) -> Any:
    """The cotangent of a value from that of the record of all its parts."""
    return ct.dense()


def sum_of_parts(ct: Any, shape: tuple[int, ...]) -> PartsCotangent:
    """A sum of cotangents of parts that is known as one value of the whole shape."""
    return _pull_part(ct, (..., shape))


def first_part(record: Record, parent: int) -> Record:
    """The record of a part that is none of all parts of a value, but the first one."""
    primitive, _, _, residuals = record
    return primitive, parent, _pull, residuals


def common_of(trace: Recording, parent: int) -> tuple[int, int]:
    """The record of all parts of a value, which is made if there is none.

    Returns:
        Its position, and how many parts (at most two) had been taken before.
    """
    before = trace.parts.get(parent)
    if before is not None and before >= 0:
        return before, 2
    common = trace.parts[parent] = trace.append((index_p, parent, _pull_parts, None))
    return common, 0 if before is None else 1


def _is_static(key: Any) -> bool:
    for part in key:
        kind = type(part)
        if kind not in _ONE and (kind is not slice or not is_plain_slice(part)):
            return False
    return True


def record_part(x: RecordTracer, key: Any) -> Any:
    """`x[key]`, recorded directly for static keys and for one plain index array or mask."""
    value = x.value
    kind = type(key)
    primitive = index_p
    if type(value) is not np.ndarray and not isinstance(value, Tracer):
        return getitem(x, key)
    if kind is tuple:
        if not _is_static(key):
            return getitem(x, key)
    elif kind is slice:
        if not is_plain_slice(key):
            return getitem(x, key)
    elif kind is np.ndarray and key.ndim and key.dtype.kind in "iub":
        primitive = gather_p
    elif kind not in _ONE:
        return getitem(x, key)
    part = value[key]
    owner = x.owner
    if primitive is gather_p:
        key = owner.capture(key)
    tracer = new(RecordTracer)
    tracer.value = part
    tracer.owner = owner
    parent = x.index
    parts = owner.parts
    common = parts.get(parent)
    if common is None:
        parts[parent] = -1
        tracer.index = owner.append((primitive, parent, _pull, (key, value.shape)))
    else:
        if common < 0:
            common = owner.append((index_p, parent, _pull_parts, None))
            parts[parent] = common
        tracer.index = owner.append((primitive, common, _pull_part, (key, value.shape)))
    return tracer


setattr(RecordTracer, "__getitem__", record_part)  # noqa: B010  # a special method, set on the class

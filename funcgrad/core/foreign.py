"""Arrays of other libraries as values: what the engine needs beyond NumPy's protocols.

A value may be anything that speaks NEP 13 and NEP 18, has `shape` and `dtype`, and takes `x[key]`.
The rules compute with it through `np.*`, so its library computes, where and when it wants to. Here
stands the little that the protocols cannot say, most of it for arrays that are cut into chunks and
computed later (dask): how a result is cut where it is larger than what it is made of, and that
nothing may be computed while the derivative is only being built.
"""

import copy
import functools
import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.core.primitive import Primitive
from funcgrad.core.protocols import ArrayLike
from funcgrad.errors import UnsupportedFunctionError, user_line

__all__ = [
    "NATIVE",
    "add_chunkwise",
    "any_seen",
    "apply",
    "as_array",
    "cast",
    "cut_as",
    "duplicate",
    "each_element",
    "is_chunked",
    "is_foreign",
    "likeness_of",
    "snapshot",
    "spread_like",
    "take_chunkwise",
    "take_points",
    "zeros_beside",
    "zeros_of",
]

NATIVE = frozenset(
    {np.ndarray, float, int, complex, bool, np.float64, np.float32, np.complex128, np.int64}
)
"""The usual types of values that are NumPy's or Python's, for a quick look."""


def is_foreign(x: Any) -> bool:
    """Whether a plain value is an array of another library that speaks NumPy's protocols."""
    return (
        type(x) not in NATIVE
        and hasattr(x, "__array_function__")
        and hasattr(x, "dtype")
        and not isinstance(x, np.ndarray | np.generic | ArrayLike)
    )


def as_array(x: Any) -> Any:
    """`np.asarray(x)`, but foreign arrays stay what they are."""
    return x if is_foreign(x) else np.asarray(x)


def cast(x: Any, dtype: Any) -> Any:
    """An array in another dtype: by the method, which dask has, or by the function."""
    return x.astype(dtype) if hasattr(x, "astype") else np.astype(x, dtype)


def any_seen(mask: Any) -> bool:
    """`np.any(mask)`, where an error depends on it; a foreign mask is not looked at."""
    return not is_foreign(mask) and bool(np.any(mask))


def duplicate(x: Any, order: Any = "K") -> Any:
    """`np.copy(x)`; the elements of a dask array cannot be changed, so they are not copied."""
    return snapshot(x) if is_chunked(x) else np.copy(x, order)


def is_chunked(x: Any) -> bool:
    """Whether an array is a dask collection: cut into chunks, and computed later."""
    return hasattr(type(x), "__dask_graph__") and hasattr(x, "chunks")


def likeness_of(x: Any) -> Any:
    """What is needed to make arrays of the same kind, and not the array itself.

    `None` for plain values, the lengths of the chunks for a dask array, else an empty array.
    """
    if type(x) in NATIVE or not is_foreign(x):
        return None
    return x.chunks if is_chunked(x) else np.empty_like(x, shape=(0,))


def zeros_of(like: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Zeros of the kind of `likeness_of` some array."""
    if not isinstance(like, tuple):
        return np.zeros_like(like, shape=shape, dtype=dtype)
    chunks = like if _lengths(like) == shape else "auto"
    return _dask().zeros(shape, dtype=dtype, chunks=chunks)


def spread_like(x: Any, shape: tuple[int, ...], like: Any) -> Any:
    """`np.broadcast_to(x, shape)`, cut along the new axes as `likeness_of` some array says.

    Left alone, dask makes one chunk of a repeated value, as large as the data that it meets.
    """
    if not isinstance(like, tuple) or _lengths(like) != shape:
        return np.broadcast_to(x, shape)
    own = _chunks(x)
    lead = len(shape) - len(own)
    chunks = tuple(
        new if i < lead or len(own[i - lead]) == sum(own[i - lead]) == 1 else own[i - lead]
        for i, new in enumerate(like)
    )
    return _dask().broadcast_to(x, shape, chunks=chunks)


def zeros_beside(x: Any, axis: int, length: int) -> Any:
    """Zeros of some length along an axis, and like x along the others."""
    shape = (*x.shape[:axis], length, *x.shape[axis + 1 :])
    if not is_chunked(x):
        return np.zeros_like(x, shape=shape)
    longest = max(1, *x.chunks[axis])
    whole, rest = divmod(length, longest)
    along = (longest,) * whole + ((rest,) if rest or not whole else ())
    return _dask().zeros(shape, x.dtype, chunks=(*x.chunks[:axis], along, *x.chunks[axis + 1 :]))


def _chunks(x: Any) -> tuple[tuple[int, ...], ...]:
    """The lengths of the chunks; an array in one piece is one chunk."""
    return x.chunks if is_chunked(x) else tuple((n,) for n in np.shape(x))


def _lengths(chunks: Any) -> tuple[int, ...]:
    return tuple(map(sum, chunks))


def _dask() -> Any:
    """The module `dask.array`: who has an array of it has imported it."""
    return sys.modules["dask.array"]


def each_element(name: str, function: Any, x: Any) -> Any:
    """A function of one number that NumPy does not have, of a foreign array.

    Raises:
        UnsupportedFunctionError: unless it is a dask array, whose chunks are NumPy's.
    """
    if is_chunked(x):
        return _dask().map_blocks(function, x, dtype=x.dtype, meta=x._meta)
    raise UnsupportedFunctionError(
        f"{name}: called with a value of type {type(x).__name__} at {user_line()}. It is not a "
        "function of NumPy, so NumPy's protocols do not reach the library of the value. Write it "
        "with functions of NumPy, or convert the value to a NumPy array."
    )


# --- index arrays -----------------------------------------------------------------------------


def take_points(x: Any, idx: Sequence[Any], lead: int) -> Any:
    """Elements of a dask array at several plain index arrays behind `lead` axes."""
    points = x.vindex[(slice(None),) * lead + tuple(idx)]
    rank = idx[0].ndim
    return np.moveaxis(points, tuple(range(rank)), tuple(range(lead, lead + rank)))


def take_chunkwise(x: Any, idx: Sequence[Any], lead: int) -> Any:
    """Elements at one dask array of indices: from a plain table, chunk by chunk."""
    if len(idx) == 1 and isinstance(x, np.ndarray):
        rest = x.shape[lead + 1 :]
        chunks = (*((n,) for n in x.shape[:lead]), *idx[0].chunks, *((n,) for n in rest))
        new = [*range(lead), *range(lead + idx[0].ndim, lead + idx[0].ndim + len(rest))]
        rows = list(range(lead, lead + idx[0].ndim))
        return _dask().blockwise(
            _taken, tuple(range(lead + idx[0].ndim + len(rest))), idx[0], tuple(rows),
            table=x, lead=lead, new_axes={i: chunks[i] for i in new}, dtype=x.dtype,
            meta=np.empty((0,) * len(chunks), x.dtype), concatenate=True,
        )  # fmt: skip
    if len(idx) == 1 and is_chunked(x) and idx[0].ndim == 1:
        return x[(slice(None),) * lead + (idx[0],)]
    raise UnsupportedFunctionError(
        f"x[i] with {len(idx)} index arrays, of which one is a dask array, at {user_line()}. dask "
        "takes one dask array of one axis. Use plain index arrays (i.compute()), or a comparison "
        "and np.where in place of the index."
    )


def _taken(idx: Any, *, table: Any, lead: int) -> Any:
    return table[(slice(None),) * lead + (idx,)]


def add_chunkwise(ct: Any, idx: Sequence[Any], shape: tuple[int, ...], lead: int) -> Any:
    """Zeros of a shape with `ct` added at one dask array of indices: a sum over its chunks."""
    if len(idx) != 1:
        raise UnsupportedFunctionError(
            f"the derivative of x[i, j], where an index is a dask array, at {user_line()}. Its "
            "places are not known before it is computed. Use one index array, or plain ones."
        )
    (rows,) = idx
    rank = rows.ndim
    front = tuple(range(rank))
    moved = np.moveaxis(_dask().asarray(ct), tuple(range(lead, lead + rank)), front)
    behind = (*shape[:lead], *shape[lead + 1 :])
    moved = moved.rechunk((*rows.chunks, *moved.chunks[rank:]))
    axes = tuple(range(rank + 1, rank + 1 + len(behind)))
    parts = _dask().blockwise(
        _added, (*front, rank, *axes), moved, (*front, *axes), rows, front, length=shape[lead],
        rank=rank, new_axes={rank: shape[lead]}, dtype=ct.dtype,
        adjust_chunks=dict.fromkeys(front, 1), meta=np.empty((0,) * moved.ndim + (0,), ct.dtype),
    )  # fmt: skip
    return np.moveaxis(np.sum(parts, axis=front), 0, lead)


def _added(ct: Any, rows: Any, *, length: int, rank: int) -> Any:
    """The contribution of one chunk, with axes of length 1 for those of the indices."""
    full = np.zeros((length, *ct.shape[rank:]), ct.dtype)
    np.add.at(full, rows, ct)
    return full.reshape((1,) * rank + full.shape)


def snapshot(x: Any) -> Any:
    """The array as a record may keep it: `x[i] = v` of dask gives the object another content."""
    return copy.copy(x) if type(x) not in NATIVE and is_chunked(x) else x


def cut_as(x: Any, like: Any) -> Any:
    """A dask array in chunks like those of another, if that is one."""
    if type(like) in NATIVE or not is_chunked(like) or not is_chunked(x):
        return x
    return x if x.chunks == like.chunks else x.rechunk(like.chunks)


def apply(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
    """The value of a primitive of plain operands, of which some are foreign.

    Raises:
        UnsupportedFunctionError: if it needs a function that dask lacks. (dask itself would warn,
            compute all chunks into the memory of this process, and go on with plain arrays.)
    """
    kinds = [type(arg).__name__ for arg in args if is_foreign(arg)]
    if not kinds:
        return primitive.value(*args, **params)
    try:
        out = primitive.value(*[_strict(arg) for arg in args], **params)
    except Exception as error:
        error.add_note(
            f"in {primitive} at {user_line()}, of a value of type {kinds[0]}: funcgrad calls "
            "NumPy's functions, and the library of the value computes them"
        )
        raise
    return tuple(map(_usual, out)) if isinstance(out, tuple | list) else _usual(out)


def _strict(x: Any) -> Any:
    """A dask array that raises where dask would compute; other values as they are."""
    if not is_chunked(x):
        return x
    if any(math.isnan(n) for n in x.shape):
        raise UnsupportedFunctionError(
            f"an operation on a dask array of shape {x.shape}, at {user_line()}. The lengths of "
            "its chunks are not known, and derivatives need shapes. Call x.compute_chunk_sizes() "
            "first."
        )
    kind: Any = type(x)
    return _strict_class(kind)(x.dask, x.name, x.chunks, meta=x)


def _usual(x: Any) -> Any:
    """A result, which may be an operand itself, without the strictness."""
    base = getattr(type(x), "_strict_kind_of", None)
    return x if base is None else base(x.dask, x.name, x.chunks, meta=x)


@functools.cache
def _strict_class(base: Any) -> Any:
    """A subclass of dask's array whose `__array_function__` refuses what dask lacks."""

    def __array_function__(  # noqa: N807  # the name of the protocol
        self: Any, function: Any, types: Any, args: Any, kwargs: Any
    ) -> Any:
        if not _implements(function):
            raise UnsupportedFunctionError(
                f"{function.__module__}.{function.__name__}: called with a dask array at "
                f"{user_line()}. dask does not have it, and would compute the whole array in this "
                "process. Write it with functions that dask has (docs/other_arrays.md lists "
                "them), or call x.compute() first if the array is small."
            )
        return base.__array_function__(self, function, types, args, kwargs)

    members = {"__array_function__": __array_function__, "__slots__": (), "_strict_kind_of": base}
    return type(base.__name__, (base,), members)


def _implements(function: Any) -> bool:
    """Whether dask has a NumPy function; it looks for the name, then into a table of its own."""
    module = _dask()
    if function in module.core._HANDLED_FUNCTIONS:
        return True
    for name in function.__module__.split(".")[1:]:
        module = getattr(module, name, None)
    found = getattr(module, function.__name__, None)
    return found is not None and found is not function

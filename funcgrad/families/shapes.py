"""Shapes, ranks and dtypes of cotangents: what all families share.

These helpers work on arrays and tracers alike; the branches on `np.ndarray` only save time.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.core.foreign import is_foreign, zeros_of
from funcgrad.core.modes import MODES
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import Tracer, plain_value, unknown_likeness
from funcgrad.core.wengert import Aval
from funcgrad.errors import ObjectArrayError, user_line
from funcgrad.interpreters.stage import StageTracer

__all__ = [
    "align",
    "as_operand",
    "cast_like",
    "dtype_of",
    "fit",
    "fitter",
    "folded_axes",
    "has_own_operators",
    "in_front",
    "is_complex",
    "joined",
    "masked",
    "negative_axes",
    "one_like",
    "product_to",
    "rank_of",
    "shape_of",
    "sum_over",
    "unbroadcast",
    "zeros_like",
]


_BITS: dict[str, np.dtype[Any]] = {"d": np.dtype(np.int64), "f": np.dtype(np.int32)}
SMALL_SIZE = 1024


def shape_of(x: Any) -> tuple[int, ...]:
    """Shape of an array, a tracer or a Python number."""
    shape: tuple[int, ...] = getattr(x, "shape", ())
    return shape


def rank_of(x: Any) -> int:
    """Number of axes of an array, a tracer or a Python number."""
    return len(getattr(x, "shape", ()))


def dtype_of(x: Any) -> np.dtype[Any] | None:
    """Dtype; `None` for a Python number, which is weak."""
    return getattr(plain_value(x), "dtype", None)


def is_complex(x: Any) -> bool:
    """Whether a value is complex."""
    dtype = getattr(x, "dtype", None)
    return isinstance(x, complex) if dtype is None else dtype.kind == "c"


_AS_THEY_ARE = frozenset(
    {np.ndarray, float, int, complex, bool, np.float64, np.float32, np.complex128, np.int64}
)


def as_operand(x: Any) -> Any:
    """Lists and other array-likes become arrays; arrays, tracers and numbers stay.

    A nested list with traced values in it becomes a traced value, as `funcgrad.numpy.array` of it.

    Raises:
        ObjectArrayError: for masked arrays and matrices, whose operators mean something else, and
            for what is no number.
    """
    if type(x) in _AS_THEY_ARE or isinstance(x, Tracer | np.generic):
        return x
    if isinstance(x, np.ndarray):
        if has_own_operators(x):
            raise ObjectArrayError(
                f"a {type(x).__name__} next to a traced value at {user_line()}. Its operators do "
                "not mean what those of arrays mean, so the derivative would be wrong. Use "
                "np.where with a mask, or np.asarray(x)."
            )
        return x.view(np.ndarray)
    if hasattr(x, "__array_ufunc__") or hasattr(x, "__array_function__"):
        return x
    array = joined(x)
    if array is not x:
        return array
    array = np.asarray(x)
    if array.dtype.kind in "OSUVMm":
        raise ObjectArrayError(
            f"an operand of type {type(x).__name__} next to a traced value at {user_line()}. "
            f"NumPy makes an array of dtype {array.dtype} of it, and funcgrad computes with "
            "numbers only. Use a number or a numeric array."
        )
    return array


def joined(x: Any) -> Any:
    """A nested list with traced values in it as one traced value; anything else as it is."""
    if isinstance(x, list | tuple) and _holds_tracer(x):
        return DISPATCH[np.stack]([as_operand(item) for item in x])
    return x


def _holds_tracer(items: Any) -> bool:
    return any(
        isinstance(item, Tracer) or (isinstance(item, list | tuple) and _holds_tracer(item))
        for item in items
    )


def has_own_operators(x: np.ndarray[Any, Any]) -> bool:
    """Whether operators of an array mean something else: of masked arrays and matrices."""
    return any(kind.__name__ in ("MaskedArray", "matrix") for kind in type(x).__mro__)


def zeros_like(x: Any, shape: tuple[int, ...] | None = None, dtype: Any = None) -> Any:
    """Zeros, as a value that belongs to no transform."""
    shape = shape_of(x) if shape is None else shape
    unknown = unknown_likeness(x)
    if unknown is not None:
        return unknown.owner.zeros(shape, dtype or dtype_of(x) or x.dtype)
    value = plain_value(x)
    if isinstance(value, Aval):
        if value.like is not None:
            return zeros_of(value.like, shape, value.dtype if dtype is None else dtype)
        return np.zeros(shape, value.dtype if dtype is None else dtype)[()]
    if isinstance(value, float | int | complex) or np.isscalar(value):
        return np.zeros(shape, np.result_type(value) if dtype is None else dtype)[()]
    return np.zeros_like(value, shape=shape, dtype=dtype)


def one_like(value: Any) -> Any:
    """The cotangent that a sweep begins with: of the dtype and the library of the value."""
    unknown = unknown_likeness(value)
    if unknown is not None:  # then no rule of the sweep computes
        return unknown.owner.zeros((), dtype_of(value) or np.float64)
    if not hasattr(value, "dtype"):
        return np.float64(1)
    one = value.dtype.type(1)
    return zeros_like(value) + one if is_foreign(plain_value(value)) else one


def folded_axes(full: tuple[int, ...], shape: tuple[int, ...]) -> tuple[tuple[int, ...], bool]:
    """The axes along which an operand of a shape was broadcast, and whether none of them stays."""
    rank, inner = len(full), len(shape)
    lead = tuple(range(-rank, -inner)) if inner else tuple(range(-rank, 0))
    if full[rank - inner :] == shape and inner:
        return lead, True
    stretched = tuple(i - inner for i in range(inner) if full[i + rank - inner] != shape[i])
    return (*lead, *stretched), False


def unbroadcast(ct: Any, shape: tuple[int, ...]) -> Any:
    """Sum a cotangent over the axes along which its operand of this shape was broadcast."""
    full = shape_of(ct)
    if full == shape:
        return ct
    if type(ct) is np.ndarray:
        axes, whole = folded_axes(full, shape)
        out = sum_over(ct, None, axes)
        return out if whole else np.reshape(out, shape)
    if MODES.staging and _is_written(ct):
        return DISPATCH["fold"](ct, shape)
    rank, inner = len(full), len(shape)
    lead = tuple(range(-rank, -inner)) if inner else tuple(range(-rank, 0))
    if lead:
        ct = DISPATCH[np.sum](ct, axis=lead)
        full = full[rank - inner :]
    stretched = tuple(i - inner for i in range(inner) if full[i] != shape[i])
    return DISPATCH[np.sum](ct, axis=stretched, keepdims=True) if stretched else ct


def _is_written(x: Any) -> bool:
    """Whether a value stands for a plain array in a program that is being written."""
    if isinstance(x, StageTracer):
        x = x.value
    return type(x) is np.ndarray


def sum_over(a: Any, b: Any, axes: tuple[int, ...]) -> Any:
    """Σ a, or Σ a·b, over (negative) axes of plain arrays of one shape.

    `einsum` needs a third of the time of `add.reduce` on short or strided axes, and no memory for
    the product, but sums one by one. So float32 sums of more than 4096 terms are left to NumPy,
    which adds in pairs along the last axis of memory; along others it sums one by one too, and the
    error is that of `np.sum`.
    """
    count = 1
    for axis in axes:
        count *= a.shape[axis]
    if (
        a.size < 2 * SMALL_SIZE
        or a.dtype.char not in _BITS
        or (count > 4096 and a.dtype.itemsize < 8)
    ):
        only = axes[0] if len(axes) == 1 else axes
        return np.add.reduce(a if b is None else a * b, axis=only)
    rank = a.ndim
    letters = list(range(rank))
    kept = [i for i in letters if i - rank not in axes]
    if b is None:
        return np.einsum(a, letters, kept)
    return np.einsum(a, letters, b, letters, kept)


def product_to(a: Any, b: Any, shape: tuple[int, ...]) -> Any:
    """`unbroadcast(a * b, shape)`, without forming the product where it need not be."""
    if (
        type(a) is np.ndarray
        and type(b) is np.ndarray
        and a.shape == b.shape != shape
        and a.dtype is b.dtype
    ):
        return np.reshape(sum_over(a, b, folded_axes(a.shape, shape)[0]), shape)
    if (
        MODES.staging
        and _is_written(a)
        and _is_written(b)
        and shape_of(a) == shape_of(b) != shape
        and dtype_of(a) == dtype_of(b)
    ):
        return DISPATCH["fold product"](a, b, shape)
    return unbroadcast(a * b, shape)


def cast_like(ct: Any, dtype: np.dtype[Any]) -> Any:
    """A cotangent in the dtype of its operand; of a real operand it is the real part."""
    found = ct.dtype
    if found == dtype:
        return ct
    if found.kind == "c" and dtype.kind != "c":
        ct = DISPATCH[np.real](ct)
        if ct.dtype == dtype:
            return ct
    return DISPATCH[np.astype](ct, dtype)


def fit(ct: Any, shape: tuple[int, ...], dtype: np.dtype[Any] | None) -> Any:
    """A cotangent summed to the shape, and cast to the dtype, of its operand."""
    if shape_of(ct) != shape:
        ct = unbroadcast(ct, shape)
    return ct if dtype is None or ct.dtype is dtype else cast_like(ct, dtype)


def fitter(operand: Any, out: Any) -> Callable[[Any], Any] | None:
    """What brings a cotangent of `out` to the operand's shape and dtype; `None` if nothing."""
    shape, dtype = shape_of(operand), dtype_of(operand)
    if shape == shape_of(out) and (dtype is None or dtype == dtype_of(out)):
        return None
    return lambda ct: fit(ct, shape, dtype)


def masked(mask: Any, ct: Any) -> Any:
    """`np.where(mask, ct, 0)`: unlike a product, it lets no inf or nan through where mask is False.

    On large plain arrays the selection is a product of integers, mask times the bits of `ct`,
    which does not depend on branch prediction (11 µs against 230 µs for 65,536 elements).
    """
    if (
        type(ct) is np.ndarray
        and type(mask) is np.ndarray
        and mask.size > SMALL_SIZE
        and ct.ndim == mask.ndim
        and all(n in (1, m) for n, m in zip(ct.shape, mask.shape, strict=True))
    ):
        bits = _BITS.get(ct.dtype.char)
        if bits is not None and mask.dtype == np.bool_:
            out: np.ndarray[Any, Any] = np.empty(mask.shape, ct.dtype)
            np.multiply(mask, ct.view(bits), out.view(bits))
            return out
    return np.where(mask, ct, 0)


def negative_axes(axis: Any, rank: int) -> tuple[int, ...]:
    """An axis argument (`None`, an int or a tuple) as sorted negative axes.

    Raises:
        numpy.exceptions.AxisError: for an axis out of range.
        ValueError: for an axis that occurs twice.
    """
    if axis is None:
        return tuple(range(-rank, 0))
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    normal = sorted(negative_axis(a, rank) for a in axes)
    if len(set(normal)) != len(normal):
        raise ValueError("duplicate value in 'axis'")
    return tuple(normal)


def negative_axis(axis: Any, rank: int) -> int:
    """One axis as a negative number."""
    number: int = axis.__index__()
    if not -rank <= number < rank:
        raise np.exceptions.AxisError(number, rank)
    return number if number < 0 else number - rank


def align(batched: Sequence[bool], values: Sequence[Any], rank: int | None = None) -> list[Any]:
    """Give all batched operands one rank behind the batch axis, so that they broadcast."""
    ranks = [rank_of(v) - b for v, b in zip(values, batched, strict=True)]
    target = max(ranks) if rank is None else rank
    aligned = []
    for value, flag, own in zip(values, batched, ranks, strict=True):
        if flag and own != target:
            shape = shape_of(value)
            value = DISPATCH[np.reshape](value, shape[:1] + (1,) * (target - own) + shape[1:])
        aligned.append(value)
    return aligned


def in_front(size: int, value: Any, batched: bool) -> Any:
    """The value with the batch axis in front, repeated if it has none."""
    return value if batched else DISPATCH[np.broadcast_to](value, (size, *shape_of(value)))

"""Questions whose answers carry no derivative: shapes, dtypes, comparisons, truth, text."""

from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import Tracer, bind, plain_value
from funcgrad.errors import user_line
from funcgrad.families.batching import aligned, same_call
from funcgrad.families.elementwise import constant_call
from funcgrad.families.shapes import as_operand, negative_axes, rank_of, shape_of
from funcgrad.primitives.calls import as_shape
from funcgrad.primitives.indexing import nonzero
from funcgrad.primitives.joining import stack
from funcgrad.primitives.plain import implements_traced, refuse_out
from funcgrad.primitives.reduction import axes_of
from funcgrad.primitives.structural import as_condition, astype, imag, ravel, reshape

__all__ = ["all_", "any_", "argwhere", "count_nonzero", "flatnonzero", "isclose"]

# --- shapes and dtypes ------------------------------------------------------------------------


@implements_traced(np.shape)
def shape(a: Any) -> tuple[int, ...]:
    """`numpy.shape`."""
    return shape_of(as_operand(a))


@implements_traced(np.ndim)
def ndim(a: Any) -> int:
    """`numpy.ndim`."""
    return rank_of(as_operand(a))


@implements_traced(np.size)
def size(a: Any, axis: Any = None) -> int:
    """`numpy.size`."""
    lengths = shape_of(as_operand(a))
    number = 1
    for one in negative_axes(axis, len(lengths)):
        number *= lengths[one]
    return number


def _type_of(x: Any) -> Any:
    """What stands for a value in questions of type: its dtype, a Python number for a weak one."""
    if not isinstance(x, Tracer):
        return x
    value = plain_value(x)
    return getattr(value, "dtype", value)


@implements_traced(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> np.dtype[Any]:
    """`numpy.result_type`."""
    return np.result_type(*map(_type_of, arrays_and_dtypes))


@implements_traced(np.can_cast)
def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    """`numpy.can_cast`."""
    return np.can_cast(np.result_type(_type_of(from_)), np.result_type(_type_of(to)), casting)


@implements_traced(np.min_scalar_type)
def min_scalar_type(a: Any, /) -> np.dtype[Any]:
    """`numpy.min_scalar_type`."""
    return np.min_scalar_type(plain_value(a))


@implements_traced(np.common_type)
def common_type(*arrays: Any) -> Any:
    """`numpy.common_type`."""
    return np.common_type(*(np.empty(0, a.dtype) for a in map(as_operand, arrays)))


@implements_traced(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    """`numpy.iscomplexobj`."""
    return bool(as_operand(x).dtype.kind == "c")


@implements_traced(np.isrealobj)
def isrealobj(x: Any) -> bool:
    """`numpy.isrealobj`."""
    return not iscomplexobj(x)


@implements_traced(np.iscomplex)
def iscomplex(x: Any) -> Any:
    """`numpy.iscomplex`: where the imaginary part is not zero."""
    return imag(as_operand(x)) != 0


@implements_traced(np.isreal)
def isreal(x: Any) -> Any:
    """`numpy.isreal`: where the imaginary part is zero."""
    return imag(as_operand(x)) == 0


def _real_only(name: str, x: Any) -> Any:
    if x.dtype.kind == "c":
        raise TypeError(
            f"{name}: a value of dtype {x.dtype} at {user_line()}. Complex numbers have no sign. "
            "Use np.isinf(x), or ask of np.real(x) and np.imag(x)."
        )
    return x


@implements_traced(np.isposinf)
def isposinf(x: Any, out: Any = None) -> Any:
    """`numpy.isposinf`."""
    refuse_out("isposinf", out)
    return _real_only("isposinf", x) == np.inf


@implements_traced(np.isneginf)
def isneginf(x: Any, out: Any = None) -> Any:
    """`numpy.isneginf`."""
    refuse_out("isneginf", out)
    return _real_only("isneginf", x) == -np.inf


# --- truth ------------------------------------------------------------------------------------

all_p: Primitive = constant_call(
    "all", lambda x, *, axis, keepdims: np.all(x, axis=axis, keepdims=keepdims), same_call
)
any_p: Primitive = constant_call(
    "any", lambda x, *, axis, keepdims: np.any(x, axis=axis, keepdims=keepdims), same_call
)


def _truth(function: Any, primitive: Any, neutral: bool) -> Callable[..., Any]:
    def of_elements(
        a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
    ) -> Any:
        refuse_out(function.__name__, out)
        a = as_condition(a)
        if where is not True:
            a = np.where(where, a, neutral)
        keep = keepdims is True or keepdims == 1
        return bind(primitive, a, axis=axes_of(axis, rank_of(a)), keepdims=keep)

    of_elements.__name__ = function.__name__
    of_elements.__doc__ = f"`numpy.{function.__name__}`."
    return implements_traced(function)(of_elements)


all_ = _truth(np.all, all_p, neutral=True)
any_ = _truth(np.any, any_p, neutral=False)


@implements_traced(np.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """`numpy.count_nonzero`."""
    return np.sum(astype(as_operand(a) != 0, np.intp), axis=axis, keepdims=keepdims)


@implements_traced(np.flatnonzero)
def flatnonzero(a: Any) -> Any:
    """`numpy.flatnonzero`."""
    return nonzero(ravel(as_operand(a)))[0]


@implements_traced(np.argwhere)
def argwhere(a: Any) -> Any:
    """`numpy.argwhere`."""
    a = as_operand(a)
    if rank_of(a) == 0:
        return argwhere(reshape(a, (1,)))[:, :0]
    return stack(nonzero(a), -1)


# --- comparisons ------------------------------------------------------------------------------

isclose_p: Primitive = constant_call(
    "isclose",
    lambda a, b, rtol, atol, *, equal_nan: np.isclose(a, b, rtol, atol, equal_nan),
    aligned,
)


@implements_traced(np.isclose)
def isclose(a: Any, b: Any, rtol: Any = 1.0e-5, atol: Any = 1.0e-8, equal_nan: bool = False) -> Any:
    """`numpy.isclose`."""
    return bind(isclose_p, *map(as_operand, (a, b, rtol, atol)), equal_nan=bool(equal_nan))


def _answer(x: Any) -> Any:
    """A Python truth value, unless the answer differs along a batch axis."""
    return x if isinstance(x, Tracer) else bool(x)


@implements_traced(np.allclose)
def allclose(
    a: Any, b: Any, rtol: Any = 1.0e-5, atol: Any = 1.0e-8, equal_nan: bool = False
) -> Any:
    """`numpy.allclose`."""
    return _answer(np.all(isclose(a, b, rtol, atol, equal_nan)))


@implements_traced(np.array_equal)
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """`numpy.array_equal`."""
    a1, a2 = as_operand(a1), as_operand(a2)
    return shape_of(a1) == shape_of(a2) and _all_equal(a1, a2, equal_nan)


@implements_traced(np.array_equiv)
def array_equiv(a1: Any, a2: Any) -> Any:
    """`numpy.array_equiv`: equal where broadcast against each other."""
    a1, a2 = as_operand(a1), as_operand(a2)
    try:
        np.broadcast_shapes(shape_of(a1), shape_of(a2))
    except ValueError:
        return False
    return _all_equal(a1, a2, equal_nan=False)


def _all_equal(a1: Any, a2: Any, equal_nan: bool) -> Any:
    same = a1 == a2
    if equal_nan:
        same = same | ((a1 != a1) & (a2 != a2))  # noqa: PLR0124  # true of NaN only
    return _answer(np.all(same))


# --- text and memory --------------------------------------------------------------------------


def _on_plain(function: Any) -> Callable[..., Any]:
    """The function itself, of the values below all transforms."""

    def on_values(*args: Any, **kwargs: Any) -> Any:
        return function(*map(plain_value, args), **kwargs)

    on_values.__name__ = function.__name__
    on_values.__doc__ = f"`numpy.{function.__name__}` of the plain value."
    return implements_traced(function)(on_values)


for _function in (
    np.array2string,
    np.array_repr,
    np.array_str,
    np.may_share_memory,
    np.shares_memory,
):
    _on_plain(_function)

# --- positions --------------------------------------------------------------------------------

unravel_index_p: Primitive = constant_call(
    "unravel_index",
    lambda indices, *, shape, order: np.unravel_index(indices, shape, order),
    same_call,
)
ravel_multi_index_p: Primitive = constant_call(
    "ravel_multi_index",
    lambda *indices, dims, mode, order: np.ravel_multi_index(indices, dims, mode, order),
    aligned,
)


@implements_traced(np.unravel_index)
def unravel_index(indices: Any, shape: Any, order: Any = "C") -> tuple[Any, ...]:
    """`numpy.unravel_index`."""
    found: tuple[Any, ...] = bind(
        unravel_index_p, as_operand(indices), shape=as_shape(shape), order=order
    )
    return found


@implements_traced(np.ravel_multi_index)
def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: Any = "C") -> Any:
    """`numpy.ravel_multi_index`."""
    mode = mode if isinstance(mode, str) else tuple(mode)
    operands = [as_operand(one) for one in multi_index]
    return bind(ravel_multi_index_p, *operands, dims=as_shape(dims), mode=mode, order=order)


# --- bits -------------------------------------------------------------------------------------

packbits_p: Primitive = constant_call(
    "packbits", lambda x, *, axis, bitorder: np.packbits(x, axis, bitorder), same_call
)
unpackbits_p: Primitive = constant_call(
    "unpackbits",
    lambda x, *, axis, count, bitorder: np.unpackbits(x, axis, count, bitorder),
    same_call,
)


def _bits_of(name: str, a: Any, axis: Any, kinds: str) -> tuple[Any, int]:
    a = as_operand(a)
    if a.dtype.kind not in kinds:
        raise TypeError(
            f"{name}: the array has dtype {a.dtype}. Bits belong to integers, which have no "
            "derivative. Use x > 0, x.astype(np.uint8), or stop_gradient(x).view(np.uint8)."
        )
    return (ravel(a), -1) if axis is None else (a, negative_axes(axis, rank_of(a))[0])


@implements_traced(np.packbits)
def packbits(a: Any, /, axis: int | None = None, bitorder: Any = "big") -> Any:
    """`numpy.packbits`."""
    a, axis = _bits_of("packbits", a, axis, "biu")
    return bind(packbits_p, a, axis=axis, bitorder=bitorder)


@implements_traced(np.unpackbits)
def unpackbits(
    a: Any, /, axis: int | None = None, count: int | None = None, bitorder: Any = "big"
) -> Any:
    """`numpy.unpackbits`."""
    a, axis = _bits_of("unpackbits", a, axis, "u")
    return bind(unpackbits_p, a, axis=axis, count=count, bitorder=bitorder)


def _positions_of(function: Any, by_shape: Callable[..., Any]) -> None:
    """Enter a function of an array of which only the shape is read."""

    def of_shape(arr: Any, k: int = 0) -> Any:
        if function is not np.diag_indices_from and rank_of(arr) != 2:
            raise ValueError("input array must be 2-d")
        return by_shape(shape_of(arr), k)

    of_shape.__name__ = function.__name__
    of_shape.__doc__ = f"`numpy.{function.__name__}`."
    implements_traced(function)(of_shape)


_positions_of(np.tril_indices_from, lambda shape, k: np.tril_indices(shape[-2], k, shape[-1]))
_positions_of(np.triu_indices_from, lambda shape, k: np.triu_indices(shape[-2], k, shape[-1]))
_positions_of(
    np.diag_indices_from, lambda shape, _k: np.diag_indices_from(np.broadcast_to(0, shape))
)

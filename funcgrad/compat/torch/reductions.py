"""Extrema and order statistics: values over all elements, or with their places along one axis.

A reduction over several axes shares the derivative evenly among ties; one along a single axis gives
it to the element whose index it returns.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.compilation_breaks import known
from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.dims import check_dim
from funcgrad.compat.torch.entering import enter
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.quick import choice_result, is_quick, primitive_result
from funcgrad.compat.torch.registry import MODULES
from funcgrad.compat.torch.returns import return_type
from funcgrad.compat.torch.sums import axes_of
from funcgrad.compat.torch.tensor import Tensor, holder
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.tracer import plain_value

__all__ = ["along", "check_not_empty", "chosen", "lined"]


# --- what is shared ---------------------------------------------------------------------------


def check_not_empty(name: str, x: Tensor, dim: Any, *, as_given: bool = False) -> None:
    """Refuse to look for an extremum where there is no element."""
    shape = x._value.shape
    if dim is None:
        if not x._value.size:
            raise RuntimeError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify "
                "the reduction dim with the 'dim' argument."
            )
        return
    for axis in axes_of(dim, len(shape)) or range(-len(shape), 0):
        if not shape[axis]:
            shown = dim if as_given and isinstance(dim, int) else axis + len(shape)
            raise IndexError(f"{name}(): Expected reduction dim {shown} to have non-zero size.")


def check_real(x: Tensor, word: str) -> None:
    """Refuse complex tensors, whose elements have no order."""
    if x._value.dtype.kind == "c":
        raise NotImplementedError(f"\"{word}\" not implemented for '{x.dtype.legacy}'")


def lined(x: Any) -> Any:
    """A value with at least one axis."""
    return x if x.ndim else fnp.reshape(x, (1,))


def along(x: Any, places: Any, axis: int) -> Any:
    """Elements at given places along an axis; the places have the axis too."""
    return fnp.take_along_axis(x, places, axis)


def chosen(x: Any, places: Any, axis: int, keepdim: bool) -> tuple[Any, Any]:
    """The elements at one place along an axis, and the places, as int64.

    Args:
        x: values, with one axis at least.
        places: their places, the axis kept with length 1.
        axis: a negative number.
        keepdim: whether the axis stays.
    """
    values = along(x, places, axis)
    if not keepdim:
        values, places = fnp.squeeze(values, axis), fnp.squeeze(places, axis)
    return values, fnp.asarray(places, np.int64)[()] if isinstance(
        places, np.ndarray | np.generic
    ) else places


def selection(find: Callable[..., Any]) -> Callable[..., Any]:
    """The function (values, indices) along an axis of `find(x, axis, **params) -> places`."""

    def function(x: Any, *, dim: int, keepdim: bool, **params: Any) -> Any:
        if x.ndim:
            return chosen(x, find(x, dim, **params), dim, keepdim)
        line = lined(x)
        values, places = chosen(line, find(line, -1, **params), -1, keepdim=False)
        return values, places

    return function


def negative_dim(dim: int, ndim: int) -> int:
    """An axis as a negative number."""
    return check_dim(dim, ndim) - (ndim or 1)


# --- max and min ------------------------------------------------------------------------------


def _first(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, axis: function(x, axis=axis, keepdims=True)


def _reduction(function: Callable[..., Any]) -> Callable[..., Any]:
    def value(x: Any, *, axes: Any = None, keepdim: bool = False) -> Any:
        return function(x, axis=axes, keepdims=keepdim)

    return value


_EXTREMA = {"max": (fnp.max, fnp.argmax, "maximum"), "min": (fnp.min, fnp.argmin, "minimum")}


def _extremum(name: str) -> Callable[..., Any]:
    function, place, of_two = _EXTREMA[name]
    word, primitive = name.capitalize(), PRIMITIVES[name]
    all_op = Op(f"{word}Backward1", _reduction(function))
    returns = return_type(name, "values indices")
    dim_op = Op(f"{word}Backward0", selection(_first(place)), returns=returns)

    def entered(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
        if isinstance(dim, Tensor):
            if keepdim is not False:
                raise TypeError(f"{name}(): argument 'dim' (position 1) must be int, not Tensor")
            other = dim
        if other is not None:
            return MODULES["torch"][of_two](input, other)
        if isinstance(dim, tuple | list):
            raise TypeError(
                f"{name}() received an invalid combination of arguments - got "
                f"({type(dim).__name__}), but expected one of:\n * ()\n * (Tensor other)\n"
                " * (int dim, bool keepdim = False)\n"
            )
        if dim is not None and input._value.dtype.kind == "c":
            raise RuntimeError(f"{name}(): does not support complex input")
        check_real(input, f"{name}_all")
        if dim is None:
            check_not_empty(name, input, None)
            if is_quick(input):
                params = {"axis": tuple(range(-input.ndim, 0)), "keepdims": False}
                return primitive_result(all_op.cls, all_op.name, primitive, input, params)
            return all_op(input)
        where = negative_dim(dim, input.ndim)
        check_not_empty(name, input, dim)
        if is_quick(input) and input._value.ndim:
            places = place(input._value, axis=where, keepdims=True)
            pair = choice_result(dim_op.cls, dim_op.name, input, places, where, keepdim)
            return returns(*pair)
        return dim_op(input, dim=where, keepdim=keepdim)

    entered.__doc__ = f"The {name}imum of all elements, along an axis, or of two tensors each."
    return entered


enter("max", _extremum("max"))
enter("min", _extremum("min"))


def _spread_extremum(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    op = Op(f"{name.capitalize()}Backward0", _reduction(function))

    def entered(input: Tensor, dim: Any = (), keepdim: bool = False) -> Any:
        check_real(input, f"{name[1:]}_values_cpu")
        axes = axes_of(dim, input.ndim)
        check_not_empty(name, input, None if axes is None else dim, as_given=True)
        return op(input, axes=axes, keepdim=keepdim)

    entered.__doc__ = f"The {name[1:]}imum over any axes; ties share the derivative."
    return entered


enter("amax", _spread_extremum("amax", fnp.max))
enter("amin", _spread_extremum("amin", fnp.min))


def _both(x: Any, *, axes: Any, keepdim: bool) -> Any:
    return fnp.min(x, axis=axes, keepdims=keepdim), fnp.max(x, axis=axes, keepdims=keepdim)


_aminmax_op = Op("AminmaxBackward0", _both, returns=return_type("aminmax", "min max"))


@enter("aminmax")
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """Minimum and maximum, of all elements or along an axis."""
    check_real(input, "aminmax_cpu")
    axes = axes_of(dim, input.ndim)
    if not input._value.size and axes is None:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no "
            "identity."
        )
    check_not_empty("aminmax", input, dim)
    return _aminmax_op(input, axes=axes, keepdim=keepdim)


def _place(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def value(x: Any, *, dim: Any, keepdim: bool) -> Any:
        found = function(lined(x), axis=dim, keepdims=keepdim)
        if not x.ndim:
            return fnp.reshape(found, ())
        return found

    op = Op(None, value)

    def entered(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
        kind = input._value.dtype.kind
        if kind in "bc":
            word = "bool" if kind == "b" else "complex"
            raise RuntimeError(f"{name}(): does not support {word} input")
        if dim is None and not input._value.size:
            raise IndexError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0."
            )
        where = None if dim is None else negative_dim(dim, input.ndim)
        check_not_empty(name, input, dim)
        return op(input, dim=where, keepdim=keepdim)

    entered.__doc__ = f"Where the {name[3:]}imum is: its index, int64."
    return entered


enter("argmax", _place("argmax", fnp.argmax))
enter("argmin", _place("argmin", fnp.argmin))


# --- order statistics -------------------------------------------------------------------------


def _order(x: Any, axis: int) -> Any:
    """Places in ascending order, NaN last, ties in their order."""
    return fnp.argsort(x, axis=axis, stable=True)


def _slice(x: Any, axis: int, start: Any, stop: Any) -> Any:
    return x[(..., slice(start, stop), *(slice(None),) * (-axis - 1))]


def _kth(x: Any, axis: int, *, k: int) -> Any:
    return _slice(_order(x, axis), axis, k - 1, k)


def _middle(x: Any, axis: int) -> Any:
    """The place of the lower median; of a NaN, where there is one."""
    n = x.shape[axis]
    at = _slice(_order(x, axis), axis, (n - 1) // 2, (n - 1) // 2 + 1)
    if plain_value(x).dtype.kind != "f":
        return at
    missing = fnp.isnan(x)
    first = fnp.argmax(missing, axis=axis, keepdims=True)
    return fnp.where(fnp.any(missing, axis=axis, keepdims=True), first, at)


def _nan_middle(x: Any, axis: int) -> Any:
    """The place of the lower median of what is not NaN."""
    count = fnp.sum(~fnp.isnan(x), axis=axis, keepdims=True)
    return along(_order(x, axis), fnp.maximum((count - 1) // 2, 0), axis)


def _of_all(find: Callable[..., Any]) -> Callable[..., Any]:
    """The statistic of all elements together."""

    def value(x: Any) -> Any:
        flat = fnp.reshape(x, (-1,))
        if not flat.shape[0]:
            return fnp.sum(flat) * x.dtype.type(np.nan)
        found = along(flat, find(flat, -1), -1)[0]
        if x.dtype.kind != "f":
            return found
        kept = (flat <= found) | fnp.isnan(found)  # the largest of these; ties share it
        return fnp.max(fnp.where(kept, flat, x.dtype.type(-np.inf)))

    return value


def _median(name: str, find: Callable[..., Any], node: str) -> Callable[..., Any]:
    all_op = Op(f"{node}Backward0", _of_all(find))
    returns = return_type(name, "values indices")
    dim_op = Op(f"{node}Backward1", selection(find), returns=returns)

    def entered(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
        if input._value.dtype.kind in "bc":
            word = "median_cpu" if dim is None else "median_out"
            raise NotImplementedError(f"\"{word}\" not implemented for '{input.dtype.legacy}'")
        if dim is None:
            return all_op(input)
        where = negative_dim(dim, input.ndim)
        check_not_empty("median", input, dim)
        return dim_op(input, dim=where, keepdim=keepdim)

    entered.__doc__ = "The middle element in order (the lower of two)."
    return entered


enter("median", _median("median", _middle, "Median"))
enter("nanmedian", _median("nanmedian", lambda x, axis: _nan_middle(x, axis), "Nanmedian"))

_kthvalue_op = Op(
    "KthvalueBackward0", selection(_kth), returns=return_type("kthvalue", "values indices")
)


@enter("kthvalue")
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The k-th smallest element along an axis."""
    where = negative_dim(dim, input.ndim)
    n = input._value.shape[where] if input.ndim else 1
    if not 1 <= k <= n:
        raise RuntimeError(
            f"kthvalue(): selected number k out of range for dimension {where + (input.ndim or 1)}"
        )
    return _kthvalue_op(input, dim=where, keepdim=keepdim, k=k)


def _most_frequent(x: Any, axis: int) -> Any:
    """The last place of the smallest of the most frequent elements."""
    order = _order(x, axis)
    ordered = fnp.moveaxis(along(x, order, axis), axis, -1)
    n = ordered.shape[-1]
    counts = fnp.sum(ordered[..., :, None] == ordered[..., None, :], axis=-1)
    best = fnp.argmax(counts, axis=-1, keepdims=True)
    value = fnp.take_along_axis(ordered, best, -1)
    places = fnp.where(fnp.moveaxis(x, axis, -1) == value, np.arange(n), -1)
    return fnp.moveaxis(fnp.max(places, axis=-1, keepdims=True), -1, axis)


_mode_op = Op(
    "ModeBackward0", selection(_most_frequent), returns=return_type("mode", "values indices")
)


@enter("mode")
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The most frequent element along an axis; the smallest of several."""
    check_real(input, "mode_cpu")
    where = negative_dim(dim, input.ndim)
    check_not_empty("mode", input, dim)
    return _mode_op(input, dim=where, keepdim=keepdim)


# --- quantiles --------------------------------------------------------------------------------

unsqueeze_op = Op("UnsqueezeBackward1", lambda x: fnp.expand_dims(x, 0), linear=True)
transpose_op = Op("TransposeBackward1", lambda x: fnp.swapaxes(x, 0, -1), linear=True)
squeeze_op = Op("SqueezeBackward4", lambda x: fnp.squeeze(x, -1), linear=True)
INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(name: str, *, skips_nan: bool) -> Callable[..., Any]:
    def entered(
        input: Any,
        q: Any,
        dim: int | None = None,
        keepdim: bool = False,
        *,
        interpolation: str = "linear",
    ) -> Any:
        if input.dtype.name not in ("float32", "float64"):
            raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
        if interpolation not in INTERPOLATIONS:
            raise RuntimeError(
                f"{name}() interpolation must be one of linear, lower, higher, midpoint or "
                f"nearest, but got {interpolation}"
            )
        q = _wanted(name, input, q)
        if not input._value.size:
            raise RuntimeError(f"{name}() input tensor must be non-empty")
        shape = list(input._value.shape)
        if dim is None:
            ordered = input.flatten().sort(-1)[0]
            kept = [1] * len(shape) if keepdim else []
        else:
            where = check_dim(dim, len(shape))
            kept = [1 if i == where else n for i, n in enumerate(shape) if keepdim or i != where]
            if where < len(shape) - 1:
                ordered = input.unsqueeze(-1).transpose(where, -1).sort(-1)[0]
            else:
                ordered = input.flatten().sort(-1)[0] if not shape else input.sort(-1)[0]
        ordered = ordered.view(*kept, ordered._value.shape[-1])
        lower, upper, weight = _ranks(ordered, q, interpolation, skips_nan)
        found = ordered.gather(-1, lower)
        if upper is not None:
            found = found.lerp(ordered.gather(-1, upper), weight)
        if q.ndim:
            found = transpose_op(unsqueeze_op(found))
        return squeeze_op(found)

    entered.__doc__ = "The element that a part q of all is not above, interpolated in the order."
    return entered


def _wanted(name: str, input: Any, q: Any) -> Any:
    """The quantiles as a tensor of the input's type."""
    if not isinstance(q, Tensor):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q:g}")
        return made(np.asarray(q, input._value.dtype))
    if q.dtype is not input.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if q.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    values = known(q._value)
    if not np.all((values >= 0) & (values <= 1)):
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    return q


def _ranks(ordered: Any, q: Any, interpolation: str, skips_nan: bool) -> tuple[Any, Any, Any]:
    """Places below and above each quantile, and the weight of the one above."""
    values = ordered._value
    kept_in = values.dtype
    shares = np.atleast_1d(known(q._value)).reshape((1,) * (values.ndim - 1) + (-1,))
    missing = fnp.isnan(values)
    if skips_nan:
        there = fnp.sum(~missing, axis=-1, keepdims=True)
        ranks = fnp.astype(fnp.maximum(there - 1, 0), kept_in) * shares
    else:
        last = np.full((*values.shape[:-1], 1), values.shape[-1] - 1, kept_in)
        ranks = fnp.where(fnp.any(missing, axis=-1, keepdims=True), last, shares * last)
    table: dict[str, Any] = {"lower": fnp.floor, "higher": fnp.ceil, "nearest": fnp.round}
    rounding = table.get(interpolation)
    if rounding is not None:
        return holder(fnp.astype(rounding(ranks), np.int64)), None, None
    below, above = fnp.floor(ranks), fnp.ceil(ranks)
    weight = ranks - below
    if interpolation == "midpoint":
        weight = fnp.where(above == below, kept_in.type(0), kept_in.type(0.5))
    places = (holder(fnp.astype(part, np.int64)) for part in (below, above))
    return next(places), next(places), holder(weight)


enter("quantile", _quantile("quantile", skips_nan=False))
enter("nanquantile", _quantile("nanquantile", skips_nan=True))

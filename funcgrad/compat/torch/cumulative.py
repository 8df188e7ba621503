"""Running sums, products and extrema along an axis; differences and areas."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.dims import check_dim
from funcgrad.compat.torch.dtypes import dtype
from funcgrad.compat.torch.entering import enter
from funcgrad.compat.torch.op import BFLOAT16, Op
from funcgrad.compat.torch.reductions import along, check_real, lined, negative_dim
from funcgrad.compat.torch.registry import MODULES
from funcgrad.compat.torch.returns import return_type
from funcgrad.compat.torch.state import SETTINGS
from funcgrad.compat.torch.sums import in_type
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.primitives.cumulative import scan

__all__ = ["cumsum", "diff", "trapezoid"]

# --- running sums and products ----------------------------------------------------------------


def _accumulation(function: Callable[..., Any]) -> Callable[..., Any]:
    def value(x: Any, *, dim: int, kept_in: Any) -> Any:
        if kept_in is None and x.dtype.kind in "biu":
            kept_in = np.dtype(np.int64)
        if kept_in is not None and x.dtype != kept_in:
            x = x.astype(kept_in)
        half = x.dtype == np.float16
        line = lined(x.astype(np.float32) if half else x)
        out = fnp.reshape(function(line, axis=dim if x.ndim else -1), x.shape)
        return out if out.dtype == x.dtype else out.astype(x.dtype)

    return value


_cumsum_op = Op("CumsumBackward0", _accumulation(fnp.cumsum), linear=True)
_cumprod_op = Op("CumprodBackward0", _accumulation(fnp.cumprod))


def _accumulated(op: Op, input: Tensor, dim: int, kind: dtype | None) -> Tensor:
    if kind is not None and (kind is BFLOAT16 or input._dtype is not None):
        input, kind = in_type(input, kind), None
    where = negative_dim(dim, input.ndim)
    return op(input, dim=where, kept_in=None if kind is None else kind.numpy)  # type: ignore[no-any-return]  # a tensor


@enter("cumsum", inplace=True)
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """yᵢ = Σₖ≤ᵢ xₖ."""
    return _accumulated(_cumsum_op, input, dim, dtype)


@enter("cumprod", inplace=True)
def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """yᵢ = Πₖ≤ᵢ xₖ."""
    return _accumulated(_cumprod_op, input, dim, dtype)


# --- running extrema --------------------------------------------------------------------------


def _latest(x: Any, axis: int, better: Any) -> Any:
    """The last place, up to each one, at which the running extremum was met; NaN stays."""
    met = (x == better.accumulate(x, axis=axis)) | (x != x)  # noqa: PLR0124  # NaN
    numbers = np.arange(x.shape[axis]).reshape(-1, *(1,) * (-axis - 1))
    return np.maximum.accumulate(fnp.where(met, numbers, 0), axis=axis)


def _running(name: str, better: Any) -> Callable[..., Any]:
    def value(x: Any, *, dim: int) -> Any:
        line = lined(x)
        places = _latest(line, dim, better) if line.size else np.zeros(line.shape, np.int64)
        values = along(line, places, dim)
        return fnp.reshape(values, x.shape), fnp.reshape(places, x.shape)

    returns = return_type(name, "values indices")
    op = Op(f"{name.capitalize()}Backward0", value, returns=returns)

    def entered(input: Tensor, dim: int) -> Any:
        check_real(input, f"{name}_cpu")
        return op(input, dim=negative_dim(dim, input.ndim))

    entered.__doc__ = f"The {name[3:]}imum so far, and the last place where it was met."
    return entered


enter("cummax", _running("cummax", np.maximum))
enter("cummin", _running("cummin", np.minimum))


def _logcumsumexp(x: Any, *, dim: int) -> Any:
    """log Σₖ≤ᵢ exp(xₖ): running sums of exponentials in log₂ n steps."""
    line = lined(x)
    if x.dtype.kind == "c":
        top = fnp.max(fnp.real(line), axis=dim, keepdims=True)
        out = fnp.log(fnp.cumsum(fnp.exp(line - top), axis=dim)) + top
    else:
        wide = line.astype(np.float32) if x.dtype == np.float16 else line
        (out,) = scan(lambda a, b: (fnp.logaddexp(a[0], b[0]),), (wide,), dim)
    return fnp.reshape(out if out.dtype == x.dtype else out.astype(x.dtype), x.shape)


_logcumsumexp_op = Op("LogcumsumexpBackward0", _logcumsumexp)


@enter("logcumsumexp")
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """yᵢ = log Σₖ≤ᵢ exp(xₖ)."""
    if input.dtype.category < 2:
        raise NotImplementedError(
            f"\"logcumsumexp_out_cpu\" not implemented for '{input.dtype.legacy}'"
        )
    result: Tensor = _logcumsumexp_op(input, dim=negative_dim(dim, input.ndim))
    if result._value is input._value or getattr(result._value, "base", None) is not None:
        result._value = np.array(result._value)[()]  # a single element is shown as it is
    return result


# --- differences and areas --------------------------------------------------------------------


@enter("diff")
def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """The n-th differences xᵢ₊₁ - xᵢ along an axis."""
    if not input.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    where = check_dim(dim, input.ndim)
    if n and (prepend is not None or append is not None):
        parts = [part for part in (prepend, input, append) if part is not None]
        input = MODULES["torch"]["cat"](parts, where)
    if n == 0:
        return input.clone()
    n = min(n, input._value.shape[where])
    for _ in range(n):
        length = input._value.shape[where]
        behind = input.narrow(where, 1, length - 1)
        before = input.narrow(where, 0, length - 1)
        is_bool = input.dtype.name == "bool"
        input = MODULES["torch"]["logical_xor"](behind, before) if is_bool else behind - before
    return input


times_op = Op("MulBackward1", lambda x, *, factor: x * factor, promote="float", linear=True)
over_op = Op("DivBackward1", lambda x, *, factor: x / factor, promote="float", linear=True)


def _pairs(y: Any, where: int) -> Any:
    n = y._value.shape[where]
    return y.narrow(where, 1, n - 1) + y.narrow(where, 0, n - 1)


def trapezoid(y: Any, x: Any = None, *, dx: Any = 1, dim: int = -1) -> Any:
    """∫ y dx by the trapezoidal rule along an axis."""
    where = check_dim(dim, y.ndim)
    if x is not None:
        return over_op((_pairs(y, where) * _widths(x, y, where)).sum(where), factor=2.0)
    if not y._value.shape[where]:
        return y.sum(where)
    ends = y.select(where, 0) + y.select(where, -1)
    inside = y.sum(where) - times_op(ends, factor=0.5)
    return times_op(inside, factor=float(dx))


def _widths(x: Any, y: Any, where: int) -> Any:
    if x.ndim == 1:
        if x.numel() != y._value.shape[where]:
            raise RuntimeError("trapezoid: There must be one `x` value for each sample point")
        shape = [1] * y.ndim
        shape[where] = -1
        x = x.view(shape)
    while x.ndim < y.ndim:
        x = x.unsqueeze(0)
    return diff(x, dim=where)


def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = 1, dim: int = -1) -> Any:
    """The same, from the first place to each later one."""
    where = check_dim(dim, y.ndim)
    if x is None:
        return times_op(_pairs(y, where), factor=float(dx) / 2.0).cumsum(where)
    return over_op((_pairs(y, where) * _widths(x, y, where)).cumsum(where), factor=2.0)


enter(("trapezoid", "trapz"), trapezoid, method=False)
enter("cumulative_trapezoid", cumulative_trapezoid, method=False)


@enter("gradient", method=False)
def gradient(input: Any, *, spacing: Any = None, dim: Any = None, edge_order: int = 1) -> Any:
    """Slopes by central differences inside, one-sided ones of order `edge_order` at the ends."""
    spacing = 1 if spacing is None else spacing
    if input.dtype.category < 2:
        input = input.to(SETTINGS.default_dtype)
    several = isinstance(dim, tuple | list)
    dims = list(range(input.ndim)) if dim is None else list(dim) if several else [dim]
    dims = [check_dim(one, input.ndim) for one in dims]
    spaces: Sequence[Any] = (
        list(spacing) if isinstance(spacing, tuple | list) else [spacing] * len(dims)
    )
    if len(spaces) != len(dims):
        raise RuntimeError(
            f"torch.gradient expected spacing to be unspecified, a scalar, or a list of length "
            f"{len(dims)}, but got a list of length {len(spaces)}"
        )
    for one in dims:
        if input._value.shape[one] < edge_order + 1:
            raise RuntimeError(
                "torch.gradient expected each dimension size to be at least edge_order+1"
            )
    return tuple(
        _gradient_op(input, space, axis=axis, edge_order=edge_order)
        if isinstance(space, Tensor)
        else _even_gradient(input, axis, space, edge_order)
        for axis, space in zip(dims, spaces, strict=True)
    )


def _even_gradient(x: Any, axis: int, step: Any, edge_order: int) -> Any:
    """The slopes where the places are equally far apart."""
    n = x._value.shape[axis]

    def part(start: int, length: int = 1) -> Any:
        return x.narrow(axis, start, length)

    def weighted(start: int, factor: float) -> Any:
        return times_op(part(start), factor=factor)

    if edge_order == 1:
        first, last = part(1) - part(0), part(n - 1) - part(n - 2)
    else:
        first = weighted(0, -1.5) + weighted(1, 2.0) - weighted(2, 0.5)
        last = weighted(n - 3, 0.5) - weighted(n - 2, 2.0) + weighted(n - 1, 1.5)
    inside = over_op(part(2, n - 2) - part(0, n - 2), factor=step)
    parts = (over_op(first, factor=step), over_op(inside, factor=2), over_op(last, factor=step))
    return MODULES["torch"]["cat"](parts, axis)


def _gradient(x: Any, spacing: Any, *, axis: int, edge_order: int) -> Any:
    kept_in = x.dtype if x.dtype.kind in "fc" else np.dtype(np.float32)
    x = x if x.dtype == kept_in else x.astype(kept_in)
    result = fnp.gradient(x, spacing, axis=axis, edge_order=edge_order)
    return result if result.dtype == kept_in else result.astype(kept_in)


_gradient_op = Op("CatBackward0", _gradient)

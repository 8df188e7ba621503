"""Sums, means, products and what is made of them: variances, softmax, log-sum-exp."""

import warnings
from collections.abc import Callable
from math import isfinite
from math import prod as product_of
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad import nn
from funcgrad.compat.torch.arguments import outside
from funcgrad.compat.torch.compilation_breaks import as_one, takes_blocks
from funcgrad.compat.torch.dims import check_dim, wrap_dims
from funcgrad.compat.torch.dtypes import dtype
from funcgrad.compat.torch.entering import enter
from funcgrad.compat.torch.node import node_class
from funcgrad.compat.torch.op import BFLOAT16, Op
from funcgrad.compat.torch.quick import is_quick, linear_result, primitive_result, reduction_rule
from funcgrad.compat.torch.state import SETTINGS, STATE
from funcgrad.compat.torch.summation import sum_of
from funcgrad.compat.torch.tensor import METHODS, PLAIN, Tensor
from funcgrad.primitives.fused import log_softmax_p, softmax_p

__all__ = ["axes_of", "in_type", "is_finite", "mean", "softmax", "sum_"]


def axes_of(dim: Any, ndim: int) -> tuple[int, ...] | None:
    """Axes to reduce as negative numbers; `None` for all, which an empty list means too."""
    if dim is None:
        return None
    dims = wrap_dims(dim, ndim)
    return tuple(one - ndim for one in sorted(dims)) if dims and ndim else None


def in_type(x: Tensor, kind: dtype | None) -> Tensor:
    """The tensor in the type asked for, if any."""
    return x if kind is None or x.dtype is kind else METHODS["to"](x, kind)


# --- sum and mean -----------------------------------------------------------------------------


def total(x: Any, axes: tuple[int, ...] | None, keepdim: bool) -> Any:
    """Σ x, of plain values in PyTorch's order; float16 is added as float32."""
    if type(x) is np.ndarray and x.dtype.char in "fF":
        return sum_of(x, axes, keepdims=keepdim)
    if x.dtype == np.float16:
        wide = fnp.sum(x.astype(np.float32), axis=axes, keepdims=keepdim)
        return wide.astype(np.float16)
    return fnp.sum(x, axis=axes, keepdims=keepdim)


def _converted(x: Any, kept_in: Any) -> Any:
    return x if kept_in is None or x.dtype == kept_in else x.astype(kept_in)


def _sum(x: Any, *, axes: Any, keepdim: bool, kept_in: Any) -> Any:
    if kept_in is None and x.dtype.kind in "biu":
        kept_in = np.dtype(np.int64)
    x = _converted(x, kept_in)
    out = total(x, axes, keepdim)
    return out if out.dtype == x.dtype else out.astype(x.dtype)


def _mean(x: Any, *, axes: Any, keepdim: bool, kept_in: Any) -> Any:
    x = _converted(x, kept_in)
    shape = x.shape
    count = product_of(shape) if axes is None else product_of(shape[one] for one in axes)
    with np.errstate(invalid="ignore", divide="ignore"):
        if x.dtype == np.float16:
            wide = fnp.sum(x.astype(np.float32), axis=axes, keepdims=keepdim) / np.float32(count)
            return wide.astype(np.float16)
        return total(x, axes, keepdim) / x.dtype.type(count)


_SUMS = (Op("SumBackward0", _sum, linear=True), Op("SumBackward1", _sum, linear=True))
_MEANS = (Op("MeanBackward0", _mean, linear=True), Op("MeanBackward1", _mean, linear=True))
_SUM0, _SUM1 = node_class("SumBackward0"), node_class("SumBackward1")
_MEAN0, _MEAN1 = node_class("MeanBackward0"), node_class("MeanBackward1")
_add: Any = np.add.reduce


def sum_(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Σ input over the axes `dim`, or over all.

    Args:
        input: a tensor.
        dim: an axis, or a list of them.
        keepdim: whether reduced axes stay, with length 1.
        dtype: type to add in; integers are added as int64 by default.
    """
    v = input._value
    if type(v) in PLAIN and dtype is None and input._dtype is None and v.ndim:
        char = v.dtype.char
        if char in "fd":
            axes = None if dim is None else axes_of(dim, v.ndim)
            if type(keepdim) is not bool:
                raise _not_bool("sum", keepdim)
            z = (
                sum_of(v, axes, keepdims=keepdim)
                if char == "f"
                else _add(v, axis=axes, keepdims=keepdim)
            )
            rule = reduction_rule(v.shape, axes, keepdim, None)
            return linear_result(_SUM0 if dim is None else _SUM1, "sum", input, z, rule)
    if STATE.compiling is not None and takes_blocks(v):
        return STATE.compiling.block(sum_, (input, dim, keepdim), {"dtype": dtype})  # type: ignore[no-any-return]  # a tensor
    return _general("sum", _SUMS, input, dim, keepdim, dtype)


def mean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """(Σ input) / n over the axes `dim`, or over all; see `sum`."""
    v = input._value
    if type(v) in PLAIN and dtype is None and input._dtype is None and v.ndim and v.size:
        char = v.dtype.char
        if char in "fd":
            if dim is None:
                axes, count = None, v.size
            else:
                axes = axes_of(dim, v.ndim)
                count = v.size if axes is None else product_of([v.shape[i] for i in axes])
            if type(keepdim) is not bool:
                raise _not_bool("mean", keepdim)
            z = (
                sum_of(v, axes, keepdims=keepdim)
                if char == "f"
                else _add(v, axis=axes, keepdims=keepdim)
            )
            z = z / v.dtype.type(count)
            rule = reduction_rule(v.shape, axes, keepdim, count)
            return linear_result(_MEAN0 if dim is None else _MEAN1, "mean", input, z, rule)
    if STATE.compiling is not None and takes_blocks(v):
        return STATE.compiling.block(mean, (input, dim, keepdim), {"dtype": dtype})  # type: ignore[no-any-return]  # a tensor
    kind = dtype or input.dtype
    if kind.category < 2:
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {kind.legacy}"
        )
    return _general("mean", _MEANS, input, dim, keepdim, dtype)


def _not_bool(name: str, keepdim: Any) -> TypeError:
    kind = type(keepdim).__name__
    return TypeError(f"{name}(): argument 'keepdim' (position 2) must be bool, not {kind}")


def _general(
    name: str, ops: tuple[Op, Op], input: Tensor, dim: Any, keepdim: bool, kind: Any
) -> Tensor:
    if type(keepdim) is not bool:
        raise _not_bool(name, keepdim)
    if kind is not None and (kind is BFLOAT16 or input._dtype is not None):
        input, kind = in_type(input, kind), None
    kept_in = None if kind is None else kind.numpy
    op = ops[dim is not None]
    return op(  # type: ignore[no-any-return]  # a tensor
        input, axes=axes_of(dim, input.ndim), keepdim=keepdim, kept_in=kept_in
    )


enter("sum", sum_)
enter("mean", mean)


def _nansum(x: Any, *, axes: Any, keepdim: bool, kept_in: Any) -> Any:
    x = _converted(x, kept_in)
    if x.dtype.kind in "fc":
        x = fnp.where(fnp.isnan(x), x.dtype.type(0), x)
    return _sum(x, axes=axes, keepdim=keepdim, kept_in=kept_in)


_nansums = (Op("NansumBackward0", _nansum), Op("NansumBackward0", _nansum))


@enter("nansum")
def nansum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Σ of what is not NaN."""
    if input.dtype.is_complex:
        raise RuntimeError("nansum on CPU does not support complex inputs")
    return _general("nansum", _nansums, input, dim, keepdim, dtype)


@enter("nanmean")
def nanmean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Mean of what is not NaN."""
    if input.dtype.category < 2:
        raise RuntimeError(
            "nanmean(): expected input to have floating point or complex dtype but got "
            f"{input.dtype.legacy}"
        )
    there: Any = sum_(_holds_number(input.detach()), dim, keepdim)
    return nansum(input, dim, keepdim, dtype=dtype) / there


_holds_number = Op(None, lambda x: ~fnp.isnan(x))


# --- products ---------------------------------------------------------------------------------


def _prod(x: Any, *, axes: Any, keepdim: bool, kept_in: Any) -> Any:
    if kept_in is None and x.dtype.kind in "biu":
        kept_in = np.dtype(np.int64)
    x = _converted(x, kept_in)
    out = fnp.prod(x, axis=axes, keepdims=keepdim)
    return out if out.dtype == x.dtype else out.astype(x.dtype)


_prods = (Op("ProdBackward0", _prod), Op("ProdBackward1", _prod))


@enter("prod")
def prod(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Π input over one axis, or over all."""
    if isinstance(dim, tuple | list):
        raise TypeError(
            "prod() received an invalid combination of arguments - got "
            f"({type(dim).__name__}), but expected one of:\n * (*, torch.dtype dtype = None)\n"
            " * (int dim, bool keepdim = False, *, torch.dtype dtype = None)\n"
        )
    return _general("prod", _prods, input, dim, keepdim, dtype)


# --- variances --------------------------------------------------------------------------------


def _squares(x: Any) -> Any:
    return fnp.real(x * fnp.conjugate(x)) if x.dtype.kind == "c" else x * x


def _moments(
    x: Any, *, axes: Any, keepdim: bool, correction: float, root: bool, with_mean: bool
) -> Any:
    half = x.dtype == np.float16
    kept_in = x.dtype
    if half:
        x = x.astype(np.float32)
    count = product_of(x.shape) if axes is None else product_of(x.shape[one] for one in axes)
    with np.errstate(invalid="ignore", divide="ignore"):
        average = total(x, axes, keepdim) / x.dtype.type(count) if with_mean else None
        if count <= correction:  # NumPy divides by zero, PyTorch by max(0, n - correction) too
            squares = _squares(x - fnp.sum(x, axis=axes, keepdims=True) / x.dtype.type(count))
            spread = fnp.sum(squares, axis=axes, keepdims=keepdim)
            spread = spread / spread.dtype.type(0)
            spread = fnp.sqrt(spread) if root else spread
        else:
            function = fnp.std if root else fnp.var
            spread = function(x, axis=axes, ddof=correction, keepdims=keepdim)
    if half:
        spread = spread.astype(kept_in)
        average = None if average is None else average.astype(kept_in)
    return (spread, average) if with_mean else spread


_var_op, _std_op = Op("VarBackward0", _moments), Op("StdBackward0", _moments)
_var_mean_op, _std_mean_op = Op("VarMeanBackward0", _moments), Op("StdMeanBackward0", _moments)
FREEDOM = (
    "(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor "
    "(input numel divided by output numel)."
)


def _spread(name: str, op: Op, root: bool, with_mean: bool) -> Callable[..., Any]:
    def function(
        input: Tensor,
        dim: Any = None,
        unbiased: Any = None,
        keepdim: bool = False,
        *,
        correction: Any = None,
    ) -> Any:
        if isinstance(dim, bool):  # (input, unbiased)
            dim, unbiased = None, dim
        if input.dtype.category < 2:
            what = "std and var" if not with_mean else name
            raise RuntimeError(f"{what} only support floating point and complex dtypes")
        if correction is None:
            correction = 1 if unbiased is None or unbiased else 0
        axes = axes_of(dim, input.ndim)
        shape = input._value.shape
        count = product_of(shape) if axes is None else product_of(shape[one] for one in axes)
        if count <= correction:
            warnings.warn(name + FREEDOM, UserWarning, stacklevel=outside())
        return op(input, axes=axes, keepdim=keepdim, correction=correction, root=root,
                  with_mean=with_mean)  # fmt: skip

    function.__doc__ = f"`torch.{name}`: spread around the mean, Σ |x - x̄|² / (n - correction)."
    return function


enter("var", _spread("var", _var_op, root=False, with_mean=False))
enter("std", _spread("std", _std_op, root=True, with_mean=False))
enter("var_mean", _spread("var_mean", _var_mean_op, root=False, with_mean=True), method=False)
enter("std_mean", _spread("std_mean", _std_mean_op, root=True, with_mean=True), method=False)


# --- counting and logic -----------------------------------------------------------------------

_count_op = Op(None, lambda x, *, axes: fnp.asarray(fnp.count_nonzero(x, axis=axes), np.int64)[()])


@enter("count_nonzero")
def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """How many elements are not zero."""
    return _count_op(input, axes=axes_of(dim, input.ndim))  # type: ignore[no-any-return]  # a tensor


def _logic(function: Callable[..., Any]) -> Callable[..., Any]:
    def value(x: Any, *, axes: Any, keepdim: bool) -> Any:
        found = function(x, axis=axes, keepdims=keepdim)
        return found.astype(np.uint8) if x.dtype == np.uint8 else found

    op = Op(None, value)

    def entered(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
        return op(input, axes=axes_of(dim, input.ndim), keepdim=keepdim)  # type: ignore[no-any-return]  # a tensor

    return entered


enter("all", _logic(fnp.all))
enter("any", _logic(fnp.any))


# --- exponential sums -------------------------------------------------------------------------


def _in_floats(x: Any, function: Callable[[Any], Any]) -> Any:
    """Compute float16 as float32, as PyTorch does, and round the result."""
    if x.dtype == np.float16:
        return function(x.astype(np.float32)).astype(np.float16)
    return function(x)


def _logsumexp(x: Any, *, axes: Any, keepdim: bool) -> Any:
    if x.dtype.kind == "c":
        top = fnp.max(fnp.real(x), axis=axes, keepdims=True)
        shifted = fnp.sum(fnp.exp(x - top), axis=axes, keepdims=True)
        out = fnp.log(shifted) + top
        return out if keepdim else fnp.squeeze(out, axes) if axes else fnp.reshape(out, ())
    x = x if x.dtype.kind == "f" else x.astype(SETTINGS.default_dtype.numpy)
    with np.errstate(divide="ignore"):
        return _in_floats(x, lambda x: nn.logsumexp(x, axis=axes, keepdims=keepdim))


_logsumexp_op = Op("LogsumexpBackward0", _logsumexp)


@enter("logsumexp")
def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """log Σ exp(input) over the axes `dim`."""
    return _logsumexp_op(input, axes=axes_of(dim, input.ndim), keepdim=keepdim)  # type: ignore[no-any-return]  # a tensor


enter("logsumexp", logsumexp, module="special")


def is_finite(x: Any) -> bool:
    """Whether Σ x² is finite, so that no element is infinite or NaN."""
    return isfinite(np.vdot(x, x))


def _normaliser(function: Callable[..., Any]) -> Callable[..., Any]:
    # Where infinite logits have a limit the core gives it; PyTorch gives NaN.
    def value(x: Any, *, dim: int) -> Any:
        if x.ndim == 0:
            return value(fnp.reshape(x, (1,)), dim=0).reshape(())
        found = _in_floats(x, lambda x: function(x, axis=dim))
        if not x.shape[dim]:
            return found
        top = fnp.max(x, axis=dim, keepdims=True)
        # A factor, so that the derivative is NaN too.
        return found * fnp.where(fnp.isfinite(top), found.dtype.type(1), found.dtype.type(np.nan))

    return value


_softmax_op = Op("SoftmaxBackward0", _normaliser(nn.softmax))
_log_softmax_op = Op("LogSoftmaxBackward0", _normaliser(nn.log_softmax))


_NORMALISERS = {"softmax": softmax_p, "log_softmax": log_softmax_p}


@as_one
def _normalised(name: str, op: Op, input: Tensor, dim: int, kind: dtype | None) -> Tensor:
    input = in_type(input, kind)
    where = check_dim(dim, input.ndim)
    if is_quick(input) and input._value.size and input._value.ndim and is_finite(input._value):
        primitive = _NORMALISERS[name]
        axis = (where - input._value.ndim,)
        return primitive_result(op.cls, op.name, primitive, input, {"axis": axis})
    if input.dtype.category != 2:
        last = "lastdim_" if where == max(input.ndim - 1, 0) else ""
        raise NotImplementedError(
            f"\"{name}_{last}kernel_impl\" not implemented for '{input.dtype.legacy}'"
        )
    return op(input, dim=where - max(input.ndim, 1))  # type: ignore[no-any-return]  # a tensor


def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """exp(input) / Σ exp(input) over one axis."""
    return _normalised("softmax", _softmax_op, input, dim, dtype)


def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """log(softmax(input))."""
    return _normalised("log_softmax", _log_softmax_op, input, dim, dtype)


enter("softmax", softmax)
enter("log_softmax", log_softmax)
enter("softmax", softmax, module="special")
enter("log_softmax", log_softmax, module="special")

"""Norms and distances."""

import warnings
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.arguments import outside
from funcgrad.compat.torch.decompositions import svd_op
from funcgrad.compat.torch.dims import check_dim
from funcgrad.compat.torch.entering import enter
from funcgrad.compat.torch.op import BFLOAT16, Op
from funcgrad.compat.torch.products import mm
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.sums import axes_of, in_type
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["cov", "matrix_norm", "norm", "vector_norm"]

# --- norms ------------------------------------------------------------------------------------


def _vector_norm(x: Any, *, order: float, axes: Any, keepdim: bool, kept_in: Any = None) -> Any:
    """(Σ |x|ᵖ)^(1/p); the largest or smallest |x| for p = ±∞, the number of x ≠ 0 for p = 0."""
    if kept_in is not None:
        x = x.astype(kept_in)
    if not x.ndim:
        return fnp.reshape(
            _vector_norm(fnp.reshape(x, (1,)), order=order, axes=None, keepdim=False), ()
        )
    if x.dtype == np.float16:
        wide = _vector_norm(x.astype(np.float32), order=order, axes=axes, keepdim=keepdim)
        return wide.astype(np.float16)
    real = np.zeros((), x.dtype).real.dtype
    if -np.inf < order < 0:
        return _negative_norm(x, real.type(order), axes, keepdim)
    out = fnp.linalg.vector_norm(x, axis=axes, keepdims=keepdim, ord=order)
    return out if out.dtype == real else out.astype(real)


def _negative_norm(x: Any, order: Any, axes: Any, keepdim: bool) -> Any:
    """The same for p < 0: 0, with derivative 0, if an element is 0."""
    zero = x == 0
    sizes = fnp.power(fnp.where(zero, order.dtype.type(1), fnp.abs(x)), order)
    total = fnp.sum(sizes, axis=axes, keepdims=keepdim)
    found = fnp.power(total, order.dtype.type(1) / order)
    return fnp.where(fnp.any(zero, axis=axes, keepdims=keepdim), order.dtype.type(0), found)


_norm_op = Op("LinalgVectorNormBackward0", _vector_norm)


def check_inexact(name: str, x: Tensor) -> None:
    """Refuse integers."""
    if x.dtype.category < 2:
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {x.dtype.legacy}"
        )


def vector_norm(
    x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Any:
    """The norm of order `ord` of the elements along axes, or of all."""
    check_inexact("linalg.vector_norm", x)
    axes = axes_of(dim, x.ndim)
    kept_in = None
    if dtype is not None and dtype is not x.dtype:
        if dtype is BFLOAT16 or x._dtype is not None:
            x = in_type(x, dtype)
        else:
            kept_in = dtype.numpy
    return _norm_op(x, order=float(ord), axes=axes, keepdim=keepdim, kept_in=kept_in)


def matrix_norm(
    A: Any,
    ord: Any = "fro",
    dim: Any = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Any:
    """The norm of matrices: of Frobenius, nuclear, or of order ±1, ±2, ±∞."""
    if A.ndim < 2:
        raise RuntimeError(
            "linalg.matrix_norm: The input tensor A must have at least 2 dimensions."
        )
    check_inexact("linalg.matrix_norm", A)
    A = in_type(A, dtype)
    row, column = (check_dim(one, A.ndim) for one in dim)
    if row == column:
        raise RuntimeError("linalg.matrix_norm: dims must be different. Got (0, 0)")
    if ord == "fro":
        return vector_norm(A, 2, (row, column), keepdim)
    if ord == "nuc" or ord in (2, -2):
        kept = [i for i in range(A.ndim) if i not in (row, column)]
        values = svd_op(A.permute([*kept, row, column]), full=False)[1]
        order = [*kept, row, column]
        reduce = values.sum if ord == "nuc" else values.amax if ord > 0 else values.amin
        out = reduce(-1, keepdim)
        if keepdim:
            out = out.unsqueeze(-1).permute([order.index(i) for i in range(A.ndim)])
        return out
    if isinstance(ord, str) or ord not in (1, -1, np.inf, -np.inf):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    if abs(ord) == np.inf:
        row, column = column, row
    sums = vector_norm(A, 1, row, keepdim)
    if not keepdim and row < column:
        column -= 1
    return sums.amax(column, keepdim) if ord > 0 else sums.amin(column, keepdim)


def norm(
    A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Any:
    """A vector norm of all elements or along one axis, else a matrix norm."""
    several = isinstance(dim, tuple | list)
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    matrices = (len(dim) == 2 if several else False) if dim is not None else A.ndim != 1
    if matrices or isinstance(ord, str):
        where = (-2, -1) if dim is None else dim
        if dim is None and A.ndim > 2:
            raise RuntimeError(
                "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got "
                f"{A.ndim}D."
            )
        return matrix_norm(A, ord, where, keepdim, dtype=dtype)
    return vector_norm(A, ord, dim, keepdim, dtype=dtype)


enter("vector_norm", vector_norm, module="linalg")
enter("matrix_norm", matrix_norm, module="linalg")
enter("norm", norm, module="linalg")


@enter("norm")
def torch_norm(
    input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Any:
    """The norm of all elements, or along axes; "nuc" sums singular values."""
    if p == "nuc":
        return matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    order = 2 if p in ("fro", None) else p
    return vector_norm(input, order, dim, keepdim, dtype=dtype)


_frobenius_op = Op("NormBackward1", _vector_norm)
_OLD = (
    "at::{}_norm is deprecated and it is just left for JIT compatibility. It will be removed in a "
    "future PyTorch release. Please use `linalg.{}` instead"
)


@expose("nuclear_norm", method=False)
def nuclear_norm(input: Any, dim: Any = (-2, -1), keepdim: bool = False) -> Any:
    """The sum of the singular values of matrices."""
    replaced = "matrix_norm(A, 'nuc', dim, keepdim)"
    warnings.warn(_OLD.format("nuclear", replaced), UserWarning, stacklevel=outside())
    return matrix_norm(input, "nuc", dim, keepdim)


@expose("frobenius_norm", method=False)
def frobenius_norm(input: Any, dim: Any, keepdim: bool = False) -> Any:
    """√(Σ |x|²) along one axis or two, or (without axes) of all elements."""
    replaced = "vector_norm(A, 2., dim, keepdim)"
    warnings.warn(_OLD.format("frobenius", replaced), UserWarning, stacklevel=outside())
    axes = (dim,) if isinstance(dim, int) else tuple(dim)
    if len(axes) > 2:
        raise RuntimeError(
            f"Expected at most 2 dimensions, but got {len(axes)} dimensions instead."
        )
    check_inexact("frobenius_norm", input)
    places = tuple(check_dim(axis, input.ndim) for axis in axes) or None
    return _frobenius_op(input, order=2.0, axes=places, keepdim=keepdim)


# --- distances --------------------------------------------------------------------------------


def _distance(x: Any, y: Any, *, order: float) -> Any:
    return _vector_norm(fnp.ravel(x - y), order=order, axes=None, keepdim=False)


_dist_op = Op("DistBackward0", _distance, promote="same")


@enter("dist")
def dist(input: Tensor, other: Tensor, p: Any = 2) -> Any:
    """The norm of the difference."""
    return _dist_op(input, other, order=float(p))


def _all_distances(x: Any, y: Any, *, order: float) -> Any:
    difference = x[..., :, None, :] - y[..., None, :, :]
    if not difference.shape[-1]:
        return fnp.sum(difference, axis=-1)
    return _vector_norm(difference, order=order, axes=-1, keepdim=False)


_cdist_op = Op("CdistBackward0", _all_distances)


@enter("cdist", method=False)
def cdist(x1: Any, x2: Any, p: Any = 2.0, compute_mode: str = "") -> Any:
    """The norms of the differences of each row of one matrix with each row of the other."""
    for name, x in (("X1", x1), ("X2", x2)):
        if x.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.ndim}D")
    if x1._value.shape[-1] != x2._value.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {x1._value.shape[-1]} X2: "
            f"{x2._value.shape[-1]}"
        )
    return _cdist_op(x1, x2, order=float(p))


def _renorm(x: Any, *, order: float, dim: int, limit: float) -> Any:
    """Slices of a norm above the limit are scaled down to it."""
    others = tuple(i for i in range(x.ndim) if i != dim)
    size = x.dtype.type(1) * fnp.linalg.vector_norm(x, axis=others, keepdims=True, ord=order)
    large = size > limit
    scale = fnp.where(large, x.dtype.type(limit) / (fnp.where(large, size, 1) + 1e-7), 1)
    return x * scale.astype(x.dtype)


_renorm_op = Op("RenormBackward0", _renorm)


@enter("renorm", inplace=True)
def renorm(input: Any, p: Any, dim: int, maxnorm: Any) -> Any:
    """Slices along an axis, those of a norm above `maxnorm` scaled down to it."""
    return _renorm_op(input, order=float(p), dim=check_dim(dim, input.ndim), limit=float(maxnorm))


# --- covariances ------------------------------------------------------------------------------


@enter("cov")
def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """The covariances of variables, one a row, over observations, one a column."""
    if input.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    rows = input.view(1, -1) if input.ndim < 2 else input
    weights = fweights
    if aweights is not None:
        weights = aweights if fweights is None else fweights * aweights
    count: Any = rows._value.shape[1]
    if weights is None:
        average = rows.sum(1) / count
        free: Any = count - correction
    else:
        total = weights.sum()
        average = (rows * weights).sum(1) / total
        if aweights is None:
            free = total - correction
        else:
            squares = (weights * aweights).sum() / total
            free = total - correction * squares
    if rows.dtype.category < 2:
        rows = rows.float()
    centred = rows - average.unsqueeze(1)
    turned = (centred if weights is None else centred * weights).t()
    if turned.dtype.is_complex:
        turned = turned.conj()
    limit = max(free, 0) if not isinstance(free, Tensor) else free
    return (mm(centred, turned) / limit).squeeze()


@enter("corrcoef")
def corrcoef(input: Any) -> Any:
    """Covariances divided by standard deviations, in [-1, 1]."""
    covariances = cov(input)
    if not covariances.ndim:
        return covariances / covariances
    deviations = covariances.diagonal().sqrt()
    scaled = covariances / deviations.view(-1, 1) / deviations.view(1, -1)
    return scaled if scaled.dtype.is_complex else scaled.clip(-1, 1)

"""numpy.linalg: pseudo-inverses, least squares, ranks, condition numbers, tensor equations."""

import inspect
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.core.tracer import bind, plain_value
from funcgrad.errors import BatchedValueError, user_line
from funcgrad.families.batching import aligned, same_call
from funcgrad.families.elementwise import constant_call
from funcgrad.families.shapes import as_operand, rank_of, shape_of
from funcgrad.families.smooth import smooth
from funcgrad.primitives.decompositions import eigh
from funcgrad.primitives.linalg import (
    adjoint,
    inexact_matrices,
    inv,
    real_dtype,
    solve,
    square_matrices,
)
from funcgrad.primitives.norms import norm
from funcgrad.primitives.plain import as_scalar, implements_traced
from funcgrad.primitives.singular_values import svd, svdvals
from funcgrad.primitives.structural import astype, reshape, swapaxes, transpose, where

__all__ = ["pinv"]

_NoValue = inspect.signature(np.linalg.pinv).parameters["rtol"].default

# --- pseudo-inverse ---------------------------------------------------------------------------
#
# NOTE. A⁺ = V S⁺ Uᴴ, where S⁺ inverts the singular values s above a limit (they are kept) and is 0
# for the others (d, dropped). The number of kept ones is constant for small changes. With W = Uᴴ Ȧ
# V the tangent has three parts (G. H. Golub and V. Pereyra, SIAM J. Numer. Anal. 10, 1973, is the
# case of d = 0):
#
#     between kept values         -A⁺ Ȧ A⁺
#     between kept and dropped    (sᵢ conj(Wᵢⱼ) + dⱼ Wⱼᵢ) / (sᵢ (sᵢ² - dⱼ²)) at vⱼ uᵢᴴ,
#                                 (sᵢ conj(Wⱼᵢ) + dⱼ Wᵢⱼ) / (sᵢ (sᵢ² - dⱼ²)) at vᵢ uⱼᴴ
#     beyond the thin U and V     (1 - V Vᴴ) Ȧᴴ A⁺ᴴ A⁺ + A⁺ A⁺ᴴ Ȧᴴ (1 - U Uᴴ)
#
# Only kept and dropped values are ever compared, so equal ones do no harm.


def _pinv_value(a: Any, limit: Any, *, hermitian: bool) -> Any:
    """With singular values up to `limit` times the largest left out; `limit` is (..., 1, 1)."""
    lead = np.broadcast_shapes(a.shape[:-2], limit.shape[:-2])
    if lead != a.shape[:-2]:  # NumPy has no more limits than matrices
        a = np.broadcast_to(a, (*lead, *a.shape[-2:]))
    return np.linalg.pinv(a, rcond=limit[..., 0, 0], hermitian=hermitian)


def _pinv_jvp(p: Any, a: Any, limit: Any, t: Any, _limit_dot: Any, *, hermitian: bool) -> Any:
    """The three parts of the note."""
    m, n = shape_of(a)[-2:]
    if hermitian:
        t = (t + adjoint(t)) / 2
        values, u = eigh(a)
        s, v = np.abs(values), u * np.expand_dims(where(values < 0, -1, 1), -2)
    else:
        u, s, vh = svd(a, False)
        v = adjoint(vh)
    uh, vh = adjoint(u), adjoint(v)
    largest = np.max(s, axis=-1, keepdims=True, initial=0)
    kept = s > limit[..., 0] * largest
    w = np.matmul(np.matmul(uh, t), v)
    keep = np.expand_dims(where(kept, s, 1), -1)
    drop = np.expand_dims(where(kept, 0, s), -2)
    mixed = np.logical_and(np.expand_dims(kept, -1), np.logical_not(np.expand_dims(kept, -2)))
    weight = where(mixed, 1 / where(mixed, keep * (keep * keep - drop * drop), 1), 0)
    turned = adjoint(w)  # at (j, i): conj(Wᵢⱼ)
    low = swapaxes(weight * keep, -1, -2) * turned + swapaxes(weight * drop, -1, -2) * w
    high = weight * keep * turned + weight * drop * w
    total = np.matmul(np.matmul(v, low + high), uh) - np.matmul(np.matmul(p, t), p)
    if m > n:
        rest = np.matmul(np.matmul(p, adjoint(p)), adjoint(t))
        total = total + rest - np.matmul(np.matmul(rest, u), uh)
    if n > m:
        rest = np.matmul(adjoint(t), np.matmul(adjoint(p), p))
        total = total + rest - np.matmul(v, np.matmul(vh, rest))
    return total


pinv_p = smooth("pinv", _pinv_value, _pinv_jvp, batch=aligned, analytic=False)


def _stacked(limit: Any) -> Any:
    """A limit for each matrix, with two axes for the matrix."""
    limit = as_operand(limit)
    return (limit if hasattr(limit, "dtype") else np.asarray(limit))[..., None, None]


@implements_traced(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = _NoValue) -> Any:
    """`numpy.linalg.pinv`, of Moore and Penrose.

    The derivative is that at constant rank: where a singular value crosses the limit (`rcond` or
    `rtol` times the largest), the pseudo-inverse jumps. Of a matrix whose rank is not full it is
    right for the directions that keep the rank.
    """
    if rcond is None:
        rcond = 1e-15 if rtol is _NoValue else rtol
    elif rtol is not _NoValue:
        raise ValueError("`rtol` and `rcond` can't be both set.")
    a = square_matrices(a) if hermitian else inexact_matrices(a)
    shape = shape_of(a)
    if rcond is None:
        rcond = max(shape[-2:]) * float(np.finfo(a.dtype).eps)
    if 0 in shape[-2:]:
        return np.zeros((*shape[:-2], shape[-1], shape[-2]), a.dtype)
    return bind(pinv_p, a, _stacked(rcond), hermitian=bool(hermitian))


# --- least squares ----------------------------------------------------------------------------


@implements_traced(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Any, Any, Any, Any]:
    """`numpy.linalg.lstsq`: x = A⁺ b, Σ |b - A x|², the rank, and the singular values.

    The derivative of x is that of `pinv`: right for full rank, overdetermined or not, and along
    directions that keep the rank for others. The rank is a constant.
    """
    a, b = as_operand(a), as_operand(b)
    vector = rank_of(b) == 1
    for x, axes in ((a, rank_of(a)), (b, rank_of(b) + vector)):
        if axes != 2:
            raise np.linalg.LinAlgError(
                f"{rank_of(x)}-dimensional array given. Array must be two-dimensional"
            )
    (m, n), rows = shape_of(a), shape_of(b)[0]
    if m != rows:
        raise np.linalg.LinAlgError("Incompatible dimensions")
    if np.float16 in (a.dtype, b.dtype):
        raise TypeError("array type float16 is unsupported in linalg")
    kind = np.result_type(a.dtype, b.dtype, np.float32 if _is_single(a, b) else np.float64)
    double = np.result_type(kind, np.float64)  # NumPy computes in double precision too
    a, b = astype(a, double), astype(b, double)
    eps = float(np.finfo(double).eps)
    limit: Any = eps * max(m, n) if rcond is None else rcond
    limit = where(limit < 0, eps, limit) if hasattr(limit, "shape") else limit
    columns = np.expand_dims(b, -1) if vector else b
    x = np.matmul(pinv(a, limit), columns)
    rank: Any = matrix_rank(a, rtol=limit) if a.size else np.int64(0)
    residuals = np.zeros(0, real_dtype(b))
    if _has_full_rank(rank, n) and m > n:
        rest = columns - np.matmul(a, x)
        residuals = np.sum(np.real(np.conjugate(rest) * rest), axis=-2)
    real = np.zeros((), kind).real.dtype
    return (
        astype(x[..., 0] if vector else x, kind),
        astype(residuals, real),
        astype(rank, np.int32),
        astype(svdvals(a), real),
    )


def _is_single(*arrays: Any) -> bool:
    return all(x.dtype in (np.float32, np.complex64) for x in arrays)


def _has_full_rank(rank: Any, n: int) -> bool:
    full = plain_value(rank) == n
    if bool(np.any(full)) != bool(np.all(full)):
        raise BatchedValueError(
            f"vmap: np.linalg.lstsq at {user_line()} has residuals for some of the examples only, "
            "those whose matrix has full rank. They would not fit into one array. Drop the "
            "dependent columns, or map with a Python loop."
        )
    return bool(np.all(full))


# --- ranks and condition numbers --------------------------------------------------------------


def _rank_value(a: Any, limit: Any, *, relative: bool, hermitian: bool) -> Any:
    limits: Any = {"rtol" if relative else "tol": limit[..., 0, 0]}
    return np.linalg.matrix_rank(a, hermitian=hermitian, **limits)


_rank_p = constant_call("matrix_rank", _rank_value, aligned)


@implements_traced(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """`numpy.linalg.matrix_rank`; its derivative is zero."""
    if rtol is not None and tol is not None:
        raise ValueError("`tol` and `rtol` can't be both set.")
    a = as_operand(A)
    if rank_of(a) < 2:
        return astype(np.any(a != 0), np.int64)
    relative = tol is None
    if relative and rtol is None:
        kind = a.dtype if a.dtype.kind in "fc" else np.dtype(np.float64)
        rtol = max(shape_of(a)[-2:]) * float(np.finfo(kind).eps)
    limit = _stacked(rtol if relative else tol)
    return bind(_rank_p, a, limit, relative=relative, hermitian=bool(hermitian))


_infinite_p = constant_call(
    "infinite_cond", lambda a, *, p: np.isinf(np.linalg.cond(a, p)), same_call
)


@implements_traced(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """`numpy.linalg.cond`, of all orders; for a singular matrix infinite, with derivative zero."""
    x = inexact_matrices(x)
    if 0 in shape_of(x)[-2:]:
        raise np.linalg.LinAlgError("cond is not defined on empty arrays")
    if p is None or p in (2, -2):
        s = svdvals(x)
        first, last = (s[..., 0], s[..., -1]) if p != -2 else (s[..., -1], s[..., 0])  # an order
        found = first / where(last == 0, 1, last)
        return as_scalar(where(last == 0, np.inf, found))
    x = square_matrices(x)
    infinite = bind(_infinite_p, x, p=p)
    eye = np.eye(shape_of(x)[-1], dtype=x.dtype)
    regular = where(infinite[..., None, None], eye, x)
    found = norm(regular, p, axis=(-2, -1)) * norm(inv(regular), p, axis=(-2, -1))
    return as_scalar(where(infinite, np.inf, found))


# --- tensor equations -------------------------------------------------------------------------


@implements_traced(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """`numpy.linalg.tensorinv`: the inverse for `tensordot(a, b, ind)`."""
    a = as_operand(a)
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    shape = shape_of(a)
    columns = math.prod(shape[ind:])
    return reshape(inv(reshape(a, (columns, -1))), shape[ind:] + shape[:ind])


@implements_traced(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Sequence[int] | None = None) -> Any:
    """`numpy.linalg.tensorsolve`: the x with `tensordot(a, x, x.ndim) == b`."""
    a, b = as_operand(a), as_operand(b)
    rank = rank_of(a)
    if axes is not None:
        order = list(range(rank))
        for axis in axes:
            order.remove(axis)
            order.insert(rank, axis)
        a = transpose(a, order)
    shape = shape_of(a)[rank_of(b) :]
    size = math.prod(shape)
    if a.size != size * size:
        raise np.linalg.LinAlgError(
            "Input arrays must satisfy the requirement "
            "prod(a.shape[b.ndim:]) == prod(a.shape[:b.ndim])"
        )
    return reshape(solve(reshape(a, (size, size)), reshape(b, (-1,))), shape)

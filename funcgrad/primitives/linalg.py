"""numpy.linalg: inverse, linear systems, determinants, Cholesky factors, powers.

Matrices are the last two axes. Derivatives follow M. B. Giles, "Collected matrix derivative results
for forward and reverse mode algorithmic differentiation" (2008), unless a rule says otherwise.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from funcgrad.core.primitive import Pull
from funcgrad.core.tracer import bind
from funcgrad.families.batching import aligned, same_call
from funcgrad.families.shapes import (
    as_operand,
    cast_like,
    is_complex,
    rank_of,
    shape_of,
    unbroadcast,
)
from funcgrad.families.smooth import smooth
from funcgrad.primitives.plain import implements_traced
from funcgrad.primitives.structural import astype, reshape, swapaxes

__all__ = ["cholesky", "det", "inv", "matrix_power", "slogdet", "solve"]


def adjoint(x: Any) -> Any:
    """The conjugate transpose of the last two axes."""
    turned = swapaxes(x, -1, -2)
    return np.conjugate(turned) if is_complex(x) else turned


def _matrices(a: Any) -> Any:
    """An operand of floating-point square matrices, or NumPy's error."""
    a = as_operand(a)
    shape = shape_of(a)
    if len(shape) < 2:
        raise np.linalg.LinAlgError(
            f"{len(shape)}-dimensional array given. Array must be at least two-dimensional"
        )
    if shape[-1] != shape[-2]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    return a if a.dtype.kind in "fc" else astype(a, np.float64)


def _trace_of_product(a: Any, b: Any) -> Any:
    """tr(a b)."""
    return np.sum(swapaxes(a, -1, -2) * b, axis=(-2, -1))


def _on_matrices(x: Any) -> Any:
    """A number for each matrix, with two axes to broadcast against it."""
    return np.expand_dims(x, (-2, -1))


# --- inverse and linear systems ---------------------------------------------------------------

inv_p = smooth(
    "inv",
    np.linalg.inv,
    lambda y, _x, t: -np.matmul(np.matmul(y, t), y),
    batch=same_call,
)


def _solve_jvp(x: Any, a: Any, _b: Any, a_dot: Any, b_dot: Any) -> Any:
    """A ẋ = ḃ - Ȧ x."""
    return bind(solve_p, a, b_dot - np.matmul(a_dot, x))


def _solve_vjp(
    out: Any, args: Sequence[Any], active: tuple[bool, ...], params: dict[str, Any]
) -> tuple[Pull | None, Any]:
    """Aᵀ w = ct; the cotangents are w for b, and -w xᵀ for A."""
    del params
    a, b = args
    shapes, dtypes = (shape_of(a), shape_of(b)), (a.dtype, b.dtype)

    def pull(ct: Any, residuals: Any) -> Any:
        a, x = residuals
        w = bind(solve_p, swapaxes(a, -1, -2), ct)
        parts = []
        if active[0]:
            parts.append((-np.matmul(w, swapaxes(x, -1, -2)), 0))
        if active[1]:
            parts.append((w, 1))
        fitted = tuple(cast_like(unbroadcast(part, shapes[i]), dtypes[i]) for part, i in parts)
        return fitted if len(fitted) > 1 else fitted[0]

    return pull, (a, out if active[0] else None)


solve_p = smooth(
    "solve",
    np.linalg.solve,
    _solve_jvp,
    batch=aligned,
    vjp=_solve_vjp,
    linear=((False, True),),
)


@implements_traced(np.linalg.inv)
def inv(a: Any) -> Any:
    """`numpy.linalg.inv`."""
    return bind(inv_p, _matrices(a))


@implements_traced(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    """`numpy.linalg.solve`; `b` is a vector only if it has one axis, as in NumPy 2."""
    a, b = _matrices(a), as_operand(b)
    if rank_of(b) == 0:
        raise ValueError("solve: b has no axes. It is a vector or a matrix. Use b / a.")
    if b.dtype.kind not in "fc":
        b = astype(b, a.dtype)
    if rank_of(b) == 1:
        return bind(solve_p, a, reshape(b, (-1, 1)))[..., 0]
    return bind(solve_p, a, b)


@implements_traced(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    """`numpy.linalg.matrix_power`: by repeated squaring; negative powers of the inverse."""
    a = as_operand(a)
    shape = shape_of(a)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    exponent = n.__index__()
    if exponent < 0:
        a, exponent = inv(a), -exponent
    if exponent == 0:
        return np.zeros_like(a) + np.eye(shape[-1], dtype=a.dtype)
    if exponent == 3:  # NumPy's order of multiplication
        return np.matmul(np.matmul(a, a), a)
    square = result = None
    while exponent > 0:
        square = a if square is None else np.matmul(square, square)
        exponent, bit = divmod(exponent, 2)
        if bit:
            result = square if result is None else np.matmul(result, square)
    return result


# --- determinants -----------------------------------------------------------------------------
#
# NOTE. d det(A) = tr(adj(A) dA), and the adjugate is a polynomial in A, so it exists where A⁻¹ does
# not. With A = U S Vᴴ it is det(U Vᴴ) V adj(S) Uᴴ, where adj(S) holds the products of all singular
# values but one. Its own derivative in the direction E = U F Vᴴ is det(U Vᴴ) V G Uᴴ, with
#
#     Gᵢᵢ = Σ_{k≠i} Pᵢₖ Fₖₖ,   Gᵢⱼ = -Pᵢⱼ Fᵢⱼ,   Pᵢⱼ = the product of all singular values but i, j.
#
# Both are exact at every rank. Derivatives of the third and higher orders use A⁻¹, and raise
# LinAlgError where A is singular.


def _products_of_others(s: Any) -> Any:
    """Πₖ≠ᵢ sₖ along the last axis, without division."""
    ones = np.ones_like(s[..., :1])
    before = np.cumprod(np.concatenate([ones, s[..., :-1]], axis=-1), axis=-1)
    behind = np.cumprod(np.concatenate([ones, s[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    return before * behind


def _adjugate_value(a: Any) -> Any:
    if a.shape[-1] == 0:
        return a.copy()
    try:
        inverse = np.linalg.inv(a)
    except np.linalg.LinAlgError:
        inverse = None
    if inverse is not None:
        condition = np.linalg.norm(a, 1, axis=(-2, -1)) * np.linalg.norm(inverse, 1, axis=(-2, -1))
        if np.all(condition < np.finfo(a.dtype).eps ** (-1 / 3)):  # as exact, and much faster
            return np.linalg.det(a)[..., None, None] * inverse
    u, s, vh = np.linalg.svd(a)
    adjugate = (adjoint(vh) * _products_of_others(s)[..., None, :]) @ adjoint(u)
    return adjugate * _phase(u, vh)


def _phase(u: Any, vh: Any) -> Any:
    """det(U Vᴴ), to broadcast against matrices."""
    return (np.linalg.slogdet(u)[0] * np.linalg.slogdet(vh)[0])[..., None, None]


def _adjugate_dot_value(a: Any, e: Any) -> Any:
    n = a.shape[-1]
    if n == 0:
        return np.zeros_like(e)
    u, s, vh = np.linalg.svd(a)
    v, uh = adjoint(vh), adjoint(u)
    eye = np.eye(n, dtype=bool)
    pairs = _products_of_others(np.where(eye, 1, s[..., None, :]))
    f = uh @ e @ v
    diagonal = np.diagonal(f, axis1=-2, axis2=-1)
    on = (np.where(eye, 0, pairs) @ diagonal[..., None])[..., 0]
    g = np.where(eye, on[..., None, :], -pairs * f)
    return (v @ g @ uh) * _phase(u, vh)


def _third(a: Any, e: Any, t: Any) -> Any:
    """The second derivative of adj at a regular A in the directions E and T."""
    b = inv(a)
    be, bt = np.matmul(b, e), np.matmul(b, t)
    tr_e, tr_t = (_on_matrices(np.einsum("...ii", m)) for m in (be, bt))
    tr_et = _on_matrices(_trace_of_product(be, bt))
    beb, btb = np.matmul(be, b), np.matmul(bt, b)
    inner = (
        (tr_t * tr_e - tr_et) * b
        - tr_t * beb
        - tr_e * btb
        + np.matmul(bt, beb)
        + np.matmul(be, btb)
    )
    return _on_matrices(det(a)) * inner


def _adjugate_dot_jvp(_out: Any, a: Any, e: Any, a_dot: Any, e_dot: Any) -> Any:
    return bind(adjugate_dot_p, a, e_dot) + _third(a, e, a_dot)


def _adjugate_dot_vjp(
    out: Any, args: Sequence[Any], active: tuple[bool, ...], params: dict[str, Any]
) -> tuple[Pull | None, Any]:
    """The derivatives of det are symmetric forms: each is its own transpose, up to that of ct."""
    del out, params
    dtypes = [arg.dtype for arg in args]

    def pull(ct: Any, residuals: Any) -> Any:
        a, e = residuals
        turned = swapaxes(ct, -1, -2)
        parts = []
        if active[0]:
            parts.append((_third(a, e, turned), 0))
        if active[1]:
            parts.append((bind(adjugate_dot_p, a, turned), 1))
        fitted = tuple(cast_like(swapaxes(part, -1, -2), dtypes[i]) for part, i in parts)
        return fitted if len(fitted) > 1 else fitted[0]

    return pull, (args[0], args[1] if active[0] else None)


adjugate_dot_p = smooth(
    "adjugate_dot",
    _adjugate_dot_value,
    _adjugate_dot_jvp,
    batch=aligned,
    vjp=_adjugate_dot_vjp,
    linear=((False, True),),
)
adjugate_p = smooth(
    "adjugate",
    _adjugate_value,
    lambda _out, a, t: bind(adjugate_dot_p, a, t),
    batch=same_call,
)
det_p = smooth(
    "det",
    np.linalg.det,
    lambda _out, a, t: _trace_of_product(bind(adjugate_p, a), t),
    batch=same_call,
)


@implements_traced(np.linalg.det)
def det(a: Any) -> Any:
    """`numpy.linalg.det`; its first and second derivatives are right at singular matrices too."""
    return bind(det_p, _matrices(a))


class SlogdetResult(NamedTuple):
    """What `slogdet` returns."""

    sign: Any
    logabsdet: Any


def _slogdet_jvp(out: tuple[Any, Any], a: Any, t: Any) -> tuple[Any, Any]:
    """The logarithm of det has the tangent w = tr(A⁻¹ Ȧ): Re w the logarithm, Im w the phase."""
    w = _trace_of_product(inv(a), t)
    if not is_complex(a):
        return None, w
    return out[0] * (1j * np.imag(w)), np.real(w)


slogdet_p = smooth(
    "slogdet", lambda a: tuple(np.linalg.slogdet(a)), _slogdet_jvp, batch=same_call, analytic=False
)


@implements_traced(np.linalg.slogdet)
def slogdet(a: Any) -> SlogdetResult:
    """`numpy.linalg.slogdet`; the sign of a real matrix has derivative zero."""
    return SlogdetResult(*bind(slogdet_p, _matrices(a)))


# --- Cholesky ---------------------------------------------------------------------------------


def _cholesky_jvp(factor: Any, _a: Any, t: Any) -> Any:
    """L̇ = L Φ(L⁻¹ Ȧ L⁻ᴴ), where Φ takes the lower triangle and half of the diagonal."""
    n = shape_of(factor)[-1]
    half = np.tril(np.ones((n, n))) - 0.5 * np.eye(n)
    inverse = inv(factor)
    middle = np.matmul(np.matmul(inverse, (t + adjoint(t)) / 2), adjoint(inverse))
    return np.matmul(factor, middle * half.astype(_real_dtype(factor)))


def _real_dtype(x: Any) -> Any:
    return np.zeros((), x.dtype).real.dtype


cholesky_p = smooth("cholesky", np.linalg.cholesky, _cholesky_jvp, batch=same_call, analytic=False)


@implements_traced(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """`numpy.linalg.cholesky`.

    NumPy reads one triangle of a Hermitian matrix; the derivative is that of the function of
    (A + Aᴴ) / 2, so that the gradient is Hermitian.
    """
    a = _matrices(a)
    if not upper:
        return bind(cholesky_p, a)
    return adjoint(bind(cholesky_p, adjoint(a)))


# --- numpy.linalg's names for functions of the main namespace -----------------------------------


@implements_traced(np.linalg.trace)
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """`numpy.linalg.trace`: over the last two axes."""
    return np.trace(x, offset=offset, axis1=-2, axis2=-1, dtype=dtype)


@implements_traced(np.linalg.diagonal)
def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """`numpy.linalg.diagonal`: of the last two axes."""
    return np.diagonal(x, offset=offset, axis1=-2, axis2=-1)

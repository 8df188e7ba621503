"""numpy.linalg: singular values and vectors, QR.

Matrices are the last two axes. For the tangents see M. B. Giles, "Collected matrix derivative
results for forward and reverse mode algorithmic differentiation" (2008), §3.2; for equal singular
values, and for what is determined only up to a gauge, the note in `funcgrad.primitives.spectra`.
"""

from typing import Any, NamedTuple

import numpy as np

from funcgrad.core.tracer import bind, plain_value
from funcgrad.errors import GaugeError, UnsupportedFunctionError, user_line
from funcgrad.families.shapes import is_complex, shape_of
from funcgrad.primitives.decompositions import eigh, eigvalsh
from funcgrad.primitives.linalg import adjoint, inexact_matrices, real_dtype, square_matrices
from funcgrad.primitives.plain import implements_traced
from funcgrad.primitives.spectra import (
    are_equal,
    diagonal,
    grounded,
    infinite,
    inverse_gaps,
    inverse_or_pole,
    levels_of,
    rounding,
    row_of,
    shared,
    spectral,
    split,
    turning,
)
from funcgrad.primitives.structural import where

__all__ = ["qr", "qr_p", "svd", "svd_p", "svdvals", "svdvals_p"]

# --- singular values --------------------------------------------------------------------------


def _is_zero(s: Any, size: int) -> Any:
    return s <= rounding(s, size)


def _svd_value(a: Any, *, full: bool, levels: int) -> Any:
    u, s, vh = np.linalg.svd(a, full_matrices=full)
    if levels:
        size = max(a.shape[-2:])
        s = split(s, are_equal(s, size, levels), levels, "np.linalg.svd", zero=_is_zero(s, size))
    return u, s, vh


def _svd_jvp(out: Any, a: Any, t: Any, *, full: bool, levels: int) -> tuple[Any, Any, Any]:
    """The tangents, from Uᴴ Ȧ V = H + K, H Hermitian and K anti-Hermitian, of thin U and V.

    Ṡ = diag H,  U̇ = U (E ∘ H + G ∘ K) + (1 - U Uᴴ) Ȧ V S⁻¹,      Eᵢⱼ = 1 / (sⱼ - sᵢ),
    V̇ = V (E ∘ H - G ∘ K) + (1 - V Vᴴ) Ȧᴴ U S⁻¹,                  Gᵢⱼ = 1 / (sⱼ + sᵢ).
    """
    (all_u, s, all_vh), t = out, grounded(t)
    m, n = shape_of(a)[-2:]
    k = min(m, n)
    u, v = all_u[..., :, :k], adjoint(all_vh[..., :k, :])
    equal = are_equal(s, max(m, n), levels) if levels else np.eye(k, dtype=bool)
    zero = _is_zero(s, max(m, n)) if levels else np.zeros(k, bool)
    both = np.logical_and(np.expand_dims(zero, -1), np.expand_dims(zero, -2))
    w = np.matmul(np.matmul(adjoint(u), t), v)
    sums = np.expand_dims(s, -2) + np.expand_dims(s, -1)
    even = inverse_gaps(s, equal) * ((w + adjoint(w)) / 2)
    odd = inverse_or_pole(sums, both) * ((w - adjoint(w)) / 2)
    u_dot, v_dot = np.matmul(u, even + odd), np.matmul(v, even - odd)
    inverse = np.expand_dims(inverse_or_pole(s, zero), -2)
    if m > k:
        tv = np.matmul(t, v)
        u_dot = u_dot + (tv - np.matmul(u, np.matmul(adjoint(u), tv))) * inverse
    if n > k:
        tu = np.matmul(adjoint(t), u)
        v_dot = v_dot + (tu - np.matmul(v, np.matmul(adjoint(v), tu))) * inverse
    if is_complex(u) and k:
        real, real_dot = (v, v_dot) if m >= n else (u, u_dot)
        angle = turning(real, real_dot, row_of(real, 0), equal)
        u_dot, v_dot = u_dot - u * angle, v_dot - v * angle
    s_dot = np.real(diagonal(w))
    if full:
        u_dot = _completed(u_dot, u, all_u[..., :, k:], t, levels)
        v_dot = _completed(v_dot, v, adjoint(all_vh[..., k:, :]), adjoint(t), levels)
    return u_dot, s_dot, adjoint(v_dot)


svd_p = spectral("svd", _svd_value, _svd_jvp)


def _completed(moved: Any, basis: Any, rest: Any, t: Any, levels: int) -> Any:
    """The tangents of a whole orthonormal basis [Q, Q₂]: Q̇₂ = -Q Q̇ᴴ Q₂.

    Q₂ is determined up to a rotation. An arbitrary one, infinitely fast, is part of its tangent,
    and cancels where Q₂ enters the function by Q₂ Q₂ᴴ only.
    """
    count = shape_of(rest)[-1]
    if not count:
        return moved
    rest_dot = -np.matmul(basis, np.matmul(adjoint(moved), rest))
    if levels and (count > 1 or is_complex(rest)):
        # Q₂ (z rᴴ - r zᴴ) / ε for a fixed r and a z that depends on Ȧ
        rng, kind = np.random.default_rng(0), real_dtype(rest)
        mixed = np.matmul(t, rng.normal(size=(shape_of(t)[-1], 1)).astype(kind))
        z, r = np.matmul(adjoint(rest), mixed), rng.normal(size=(count, 1)).astype(kind)
        turned = np.matmul(rest, z) * r.T - np.matmul(rest, r) * adjoint(z)
        pole = infinite(levels, kind, "np.linalg.svd (or qr) with all vectors")
        rest_dot = rest_dot + turned * pole
    return np.concatenate([moved, rest_dot], axis=-1)


def _svdvals_value(a: Any, *, levels: int) -> Any:
    s = np.linalg.svd(a, compute_uv=False)
    if levels > 1:
        size = max(a.shape[-2:])
        s = split(
            s, are_equal(s, size, levels), levels, "np.linalg.svdvals", zero=_is_zero(s, size)
        )
    return s


def _svdvals_jvp(s: Any, a: Any, t: Any, *, levels: int) -> Any:
    """ṡ = Re diag(Uᴴ Ȧ V), shared evenly among equal values, and 0 for those that are zero."""
    t = grounded(t)
    u, _, vh = bind(svd_p, a, full=False, levels=levels)
    parts = np.real(np.sum(np.conjugate(u) * np.matmul(t, adjoint(vh)), axis=-2))
    size = max(shape_of(a)[-2:])
    if levels == 1:
        parts = shared(parts, are_equal(s, size, levels))
    return parts if levels > 1 else where(_is_zero(s, size), 0, parts)


svdvals_p = spectral("svdvals", _svdvals_value, _svdvals_jvp)


class SVDResult(NamedTuple):
    """What `svd` returns."""

    U: Any
    S: Any
    Vh: Any


@implements_traced(np.linalg.svd)
def svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """`numpy.linalg.svd`: A = U diag(S) Vᴴ.

    For equal or zero singular values the derivative is right to all orders if the function does
    not depend on which vectors were computed, and `GaugeError` otherwise; the same holds for the
    vectors that `full_matrices` adds. The phases of complex vectors are NumPy's: the first row of
    V is real, of a matrix with more columns than rows that of U.
    """
    if hermitian:
        return _svd_of_hermitian(square_matrices(a), compute_uv)
    a = inexact_matrices(a)
    if not compute_uv:
        return bind(svdvals_p, a, levels=levels_of(a))
    return SVDResult(*bind(svd_p, a, full=bool(full_matrices), levels=levels_of(a)))


def _svd_of_hermitian(a: Any, compute_uv: bool) -> Any:
    """|λ| in descending order, with the vectors, and the signs in Vᴴ."""
    if not compute_uv:
        return np.sort(np.abs(eigvalsh(a)), axis=-1)[..., ::-1]
    values, vectors = eigh(a)
    order = np.argsort(np.abs(values), axis=-1)[..., ::-1]
    values = np.take_along_axis(values, order, axis=-1)
    u = np.take_along_axis(vectors, np.expand_dims(order, -2), axis=-1)
    signs = np.expand_dims(np.sign(values), -2)
    return SVDResult(u, np.abs(values), adjoint(u * signs))


@implements_traced(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    """`numpy.linalg.svdvals`; as |x| at 0, a singular value that is zero has derivative zero."""
    x = inexact_matrices(x)
    return bind(svdvals_p, x, levels=levels_of(x))


# --- QR ---------------------------------------------------------------------------------------


def _qr_value(a: Any, *, complete: bool, levels: int) -> Any:
    del levels
    q, r = np.linalg.qr(a, "complete" if complete else "reduced")
    return q, r


def _qr_jvp(out: Any, _a: Any, t: Any, *, complete: bool, levels: int) -> tuple[Any, Any]:
    """With B = Qᴴ Ȧ R⁻¹ and Ω skew, of B's lower triangle: Ṙ = (B - Ω) R, Q̇ = Ȧ R⁻¹ - Q (B - Ω).

    For more columns than rows, Q and the first columns of R come from the first columns of A, and
    the rest of R is Qᴴ times those that are left. The diagonal of R stays real.
    """
    (all_q, all_r), t = out, grounded(t)
    n = shape_of(all_r)[-1]
    k = min(shape_of(all_q)[-2], n)
    q, r = all_q[..., :, :k], all_r[..., :k, :]
    square = r[..., :, :k]
    _check_independent(plain_value(square))
    scaled = np.matmul(t[..., :, :k], np.linalg.inv(square))
    turned = np.matmul(adjoint(q), scaled)
    below = np.tril(turned, -1)
    skew = below - adjoint(below)
    if is_complex(turned):
        eye = np.eye(k, dtype=real_dtype(turned))
        skew = skew + np.expand_dims(np.imag(diagonal(turned)), -1) * eye * 1j
    upper = turned - skew
    q_dot = scaled - np.matmul(q, upper)
    r_dot = np.matmul(upper, square)
    if n > k:
        rest = np.matmul(adjoint(q), t[..., :, k:]) - np.matmul(skew, r[..., :, k:])
        r_dot = np.concatenate([r_dot, rest], axis=-1)
    if complete:
        q_dot = _completed(q_dot, q, all_q[..., :, k:], t, levels)
        below = np.zeros((shape_of(all_q)[-1] - k, n), r_dot.dtype)
        r_dot = np.concatenate(
            [r_dot, np.broadcast_to(below, (*shape_of(r_dot)[:-2], *below.shape))], axis=-2
        )
    return q_dot, r_dot


def _check_independent(r: Any) -> None:
    """Refuse a triangular factor of columns that are dependent, but for rounding."""
    if not isinstance(r, np.ndarray) or not r.size:
        return
    pivots = np.abs(diagonal(r))
    limit = np.max(np.abs(r), axis=(-2, -1)) * (10 * r.shape[-1] * float(np.finfo(r.dtype).eps))
    if not np.all(np.min(pivots, axis=-1) > limit):
        raise GaugeError(
            f"np.linalg.qr: the first {r.shape[-1]} columns are linearly dependent, at "
            f"{user_line()}. The directions of Q for the dependent ones are arbitrary, so they "
            "have no derivative. Reorder or drop columns, or use np.linalg.svd or pinv."
        )


qr_p = spectral("qr", _qr_value, _qr_jvp)


class QRResult(NamedTuple):
    """What `qr` returns."""

    Q: Any
    R: Any


@implements_traced(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """`numpy.linalg.qr`: A = Q R, where the columns of A have to be independent.

    Of a matrix with fewer rows than columns, those of its first square block. The vectors that the
    mode `"complete"` adds are arbitrary: a function that depends on them by more than the projector
    on them all is a `GaugeError`. The mode `"raw"` gives out the Householder vectors in LAPACK's
    own layout, and has no derivative here.
    """
    a = inexact_matrices(a)
    if mode == "raw":
        raise UnsupportedFunctionError(
            f"qr: mode='raw' of a traced value at {user_line()}. It returns LAPACK's Householder "
            "vectors, whose layout is not differentiated. Use mode='reduced' or 'complete'."
        )
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"Unrecognized mode '{mode}'")
    rows, columns = shape_of(a)[-2:]
    complete = mode == "complete" and rows > columns
    q, r = bind(qr_p, a, complete=complete, levels=levels_of(a))
    return r if mode == "r" else QRResult(q, r)

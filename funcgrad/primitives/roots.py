"""Roots of polynomials: eigenvalues of the companion matrix, differentiated as simple roots.

From p(r) = 0 follows ṙ = -ṗ(r) / p'(r), where ṗ is the polynomial of the tangents. Coefficients
that are zero in front or at the end count too: the roots of ε x³ + q, but for one, move with ε.
"""

from typing import Any

import numpy as np

from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import bind, plain_value
from funcgrad.errors import MultipleRootError, user_line
from funcgrad.families.batching import same_call
from funcgrad.families.shapes import as_operand, cast_like, rank_of, shape_of
from funcgrad.families.smooth import smooth
from funcgrad.primitives.plain import implements_traced
from funcgrad.primitives.polynomials import vander_p
from funcgrad.primitives.structural import astype, reshape

__all__ = ["roots"]


def _roots_value(p: Any) -> Any:
    """Of the polynomial along the last axis."""
    if p.ndim == 1:
        return np.roots(p)
    n = p.shape[-1]
    rows = p.reshape(-1, n)
    if np.any(rows[:, 0] == 0):
        raise ValueError(
            f"roots: a batch of {len(rows)} polynomials, where a leading coefficient is zero. The "
            "polynomials have different numbers of roots. Cut the zeros off, or use a loop."
        )
    zeros = np.argmax(rows[:, ::-1] != 0, axis=-1)  # roots at 0, which stand behind the others
    found = {
        count: _companion_roots(rows[zeros == count, : n - count]) for count in np.unique(zeros)
    }
    out = np.zeros((len(rows), n - 1), np.result_type(*found.values()))
    for count, part in found.items():
        out[zeros == count, : n - 1 - count] = part
    return out.reshape(*p.shape[:-1], n - 1)


def _companion_roots(p: Any) -> Any:
    count, n = p.shape
    if n < 2:
        return np.zeros((count, 0))
    companion = np.zeros((count, n - 1, n - 1), p.dtype)
    companion[:, np.arange(1, n - 1), np.arange(n - 2)] = 1
    companion[:, 0, :] = -p[:, 1:] / p[:, :1]
    return np.linalg.eigvals(companion)


def _roots_jvp(r: Any, p: Any, t: Any) -> Any:
    n = shape_of(p)[-1]
    _check_simple(plain_value(r), plain_value(p))
    powers = bind(vander_p, r, n=n, increasing=False)
    exponents = np.arange(n - 1, 0, -1, dtype=np.zeros((), p.dtype).real.dtype)
    slopes = np.matmul(powers[..., 1:], (p[..., :-1] * exponents)[..., None])[..., 0]
    return cast_like(-np.matmul(powers, t[..., None])[..., 0] / slopes, r.dtype)


def _check_simple(r: Any, p: Any) -> None:
    """Raise if a root is nearer to another one than its rounding error, eps Σ|pₖ rᵏ| / |p'(r)|."""
    n, count = p.shape[-1], r.shape[-1]
    if count < 2:
        return
    powers = _vander(r, n)
    slopes = np.abs(powers[..., 1:] @ (p[..., :-1] * np.arange(n - 1, 0, -1))[..., None])[..., 0]
    terms = (np.abs(powers) @ np.abs(p)[..., None])[..., 0]
    gaps = np.abs(r[..., :, None] - r[..., None, :])
    gaps[..., np.arange(count), np.arange(count)] = np.inf
    nearest = gaps.min(axis=-1)
    if np.any(10 * n * np.finfo(r.dtype).eps * terms >= nearest * slopes):
        raise MultipleRootError(
            f"roots: the polynomial of degree {count} at {user_line()} has roots that are equal "
            f"within rounding, the nearest {np.min(nearest):.1e} apart. Multiple roots have no "
            "derivative: they split with infinite speed. Differentiate the coefficients or "
            "np.polyval instead, or use stop_gradient(p)."
        )


def _vander(r: Any, n: int) -> Any:
    return vander_p.value(r, n=n, increasing=False)


roots_p: Primitive = smooth("roots", _roots_value, _roots_jvp, batch=same_call)


@implements_traced(np.roots)
def roots(p: Any) -> Any:
    """`numpy.roots`: complex, unless all are real; of simple roots ṙ = -ṗ(r) / p'(r)."""
    p = as_operand(p.coeffs if isinstance(p, np.poly1d) else p)
    p = reshape(p, (1,)) if rank_of(p) == 0 else p
    if rank_of(p) != 1:
        raise ValueError("Input must be a rank-1 array.")
    return bind(roots_p, p if p.dtype.kind in "fc" else astype(p, np.float64))

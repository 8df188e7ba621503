"""Matrix decompositions with derivatives: singular values, eigenvalues, QR, pseudo-inverse.

Their primitives are known to this layer only. For the tangents see M. B. Giles, "Collected matrix
derivative results for forward and reverse mode algorithmic differentiation" (2008), §3, and for the
pseudo-inverse G. H. Golub and V. Pereyra, SIAM J. Numer. Anal. 10 (1973), 413-432.
"""

from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.returns import return_type
from funcgrad.core.primitive import PRIMITIVES, Primitive
from funcgrad.core.tracer import Tracer, bind, plain_value
from funcgrad.families.batching import same_call
from funcgrad.families.smooth import smooth
from funcgrad.primitives.linalg import adjoint
from funcgrad.primitives.norms import thin_svd_p

__all__ = ["eig_op", "eigh_op", "pinv_op", "private", "qr_op", "svd_op"]


def private(primitive: Primitive) -> Primitive:
    """Take a primitive out of the core's registry, whose laws speak of NumPy's functions only."""
    return PRIMITIVES.pop(primitive.name)


def _diagonal(x: Any) -> Any:
    return fnp.einsum("...ii->...i", x)


def _as_diagonal(x: Any) -> Any:
    return x[..., None] * np.eye(x.shape[-1], dtype=x.dtype)


def _inverse_gaps(values: Any) -> Any:
    """1 / (λⱼ - λᵢ), and 0 for i = j."""
    n = values.shape[-1]
    gaps = values[..., None, :] - values[..., :, None] + np.eye(n, dtype=values.dtype)
    return fnp.reciprocal(gaps) * (1 - np.eye(n, dtype=values.dtype))


# --- singular values --------------------------------------------------------------------------


def _svd(a: Any, *, full: bool) -> tuple[Any, Any, Any]:
    """U, S, Vᴴ; the columns of U and V beyond min(m, n) are constants."""
    if not isinstance(a, Tracer):
        return tuple(np.linalg.svd(a, full_matrices=full))  # type: ignore[return-value]  # three
    u, s, vh = bind(thin_svd_p, a)
    m, n = a.shape[-2:]
    if full and m != n:
        whole_u, _, whole_vh = np.linalg.svd(plain_value(a))
        k = min(m, n)
        u = fnp.concatenate([u, whole_u[..., :, k:]], axis=-1) if m > k else u
        vh = fnp.concatenate([vh, whole_vh[..., k:, :]], axis=-2) if n > k else vh
    return u, s, vh


svd_op = Op("LinalgSvdBackward0", _svd, returns=return_type("linalg_svd", "U S Vh"))

# --- eigenvalues ------------------------------------------------------------------------------


def _eigh_value(a: Any, *, lower: bool) -> Any:
    return tuple(np.linalg.eigh(a, "L" if lower else "U"))


def _eigh_jvp(out: tuple[Any, Any], _a: Any, t: Any, *, lower: bool) -> tuple[Any, Any]:
    """λ̇ = diag(Vᴴ Ȧ V), V̇ = V (Vᴴ Ȧ V / (λⱼ - λᵢ)), of the Hermitian part of Ȧ."""
    del lower
    values, vectors = out
    t = (t + adjoint(t)) / 2
    turned = fnp.matmul(fnp.matmul(adjoint(vectors), t), vectors)
    moved = fnp.matmul(vectors, turned * _inverse_gaps(values).astype(turned.dtype))
    return fnp.real(_diagonal(turned)), moved


eigh_p = private(smooth("eigh", _eigh_value, _eigh_jvp, batch=same_call, analytic=False))
eigh_op = Op(
    "LinalgEighBackward0",
    lambda a, *, lower: bind(eigh_p, a, lower=lower),
    returns=return_type("linalg_eigh", "eigenvalues eigenvectors"),
)


def _eig_value(a: Any) -> Any:
    kind = np.result_type(a.dtype, np.complex64)
    values, vectors = np.linalg.eig(a)
    return values.astype(kind), vectors.astype(kind)


def _eig_jvp(out: tuple[Any, Any], _a: Any, t: Any) -> tuple[Any, Any]:
    """λ̇ = diag(V⁻¹ Ȧ V), V̇ = V (V⁻¹ Ȧ V / (λⱼ - λᵢ)), less what changes the norms."""
    values, vectors = out
    turned = fnp.linalg.solve(vectors, fnp.matmul(t.astype(vectors.dtype), vectors))
    moved = fnp.matmul(vectors, turned * _inverse_gaps(values))
    growth = fnp.real(_diagonal(fnp.matmul(adjoint(vectors), moved)))
    return _diagonal(turned), moved - vectors * growth[..., None, :]


eig_p = private(smooth("eig", _eig_value, _eig_jvp, batch=same_call, analytic=False))
eig_op = Op(
    "LinalgEigBackward0",
    lambda a: bind(eig_p, a),
    returns=return_type("linalg_eig", "eigenvalues eigenvectors"),
)

# --- QR ---------------------------------------------------------------------------------------


def _qr_jvp(out: tuple[Any, Any], _a: Any, t: Any) -> tuple[Any, Any]:
    """With B = Qᴴ Ȧ R⁻¹ and Ω skew, of B's lower triangle: Ṙ = (B - Ω) R, Q̇ = Ȧ R⁻¹ - Q (B - Ω).

    For more columns than rows, Q and the first columns of R come from the first columns of A, and
    the rest of R is Qᴴ times those that are left.
    """
    q, r = out
    k, n = r.shape[-2:]
    square = r[..., :, :k]
    inverse = fnp.linalg.inv(square)
    scaled = fnp.matmul(t[..., :, :k], inverse)
    turned = fnp.matmul(adjoint(q), scaled)
    below = fnp.tril(turned, -1)
    skew = below - adjoint(below)
    if turned.dtype.kind == "c":
        skew = skew + 1j * _as_diagonal(fnp.imag(_diagonal(turned)))
        skew = skew.astype(turned.dtype)
    upper = turned - skew
    q_dot = scaled - fnp.matmul(q, upper)
    r_dot = fnp.matmul(upper, square)
    if n > k:
        rest = fnp.matmul(adjoint(q), t[..., :, k:]) - fnp.matmul(skew, r[..., :, k:])
        r_dot = fnp.concatenate([r_dot, rest], axis=-1)
    return q_dot, r_dot


qr_p = private(
    smooth("qr", lambda a: tuple(np.linalg.qr(a)), _qr_jvp, batch=same_call, analytic=False)
)


def _other_qr_value(a: Any, *, mode: str) -> Any:
    if mode == "r":
        return np.empty((0,), a.dtype), np.linalg.qr(a, "r")
    return tuple(np.linalg.qr(a, "complete"))


def _no_qr_derivative(_out: Any, _a: Any, _t: Any, *, mode: str) -> Any:
    raise RuntimeError(
        "linalg_qr_backward: The derivative of linalg.qr depends on Q, which is not computed when "
        "mode='r'. Please use linalg.qr(A, mode='reduced')"
        if mode == "r"
        else "The QR decomposition is not differentiable when mode='complete' and nrows > ncols"
    )


other_qr_p = private(
    smooth("other_qr", _other_qr_value, _no_qr_derivative, batch=same_call, analytic=False)
)


def _qr(a: Any, *, mode: str) -> Any:
    if mode == "reduced" or (mode == "complete" and a.shape[-2] <= a.shape[-1]):
        return bind(qr_p, a)
    return bind(other_qr_p, a, mode=mode)


qr_op = Op("LinalgQrBackward0", _qr, returns=return_type("linalg_qr", "Q R"))

# --- pseudo-inverse ---------------------------------------------------------------------------


def _pinv_value(a: Any, *, rtol: float, hermitian: bool) -> Any:
    return np.linalg.pinv(a, rtol=rtol, hermitian=hermitian)


def _pinv_jvp(p: Any, a: Any, t: Any, *, rtol: float, hermitian: bool) -> Any:
    """Ṗ = -P Ȧ P + P Pᴴ Ȧᴴ (1 - A P) + (1 - P A) Ȧᴴ Pᴴ P."""
    del rtol, hermitian
    turned, t_turned = adjoint(p), adjoint(t)
    first = -fnp.matmul(fnp.matmul(p, t), p)
    second = fnp.matmul(fnp.matmul(p, turned), t_turned)
    third = fnp.matmul(t_turned, fnp.matmul(turned, p))
    return (
        first
        + second - fnp.matmul(fnp.matmul(second, a), p)
        + third - fnp.matmul(p, fnp.matmul(a, third))
    )  # fmt: skip


pinv_p = private(smooth("pinv", _pinv_value, _pinv_jvp, batch=same_call, analytic=False))
pinv_op = Op(
    "LinalgPinvBackward0",
    lambda a, *, rtol, hermitian: bind(pinv_p, a, rtol=rtol, hermitian=hermitian),
)


def lstsq(a: Any, b: Any, *, rtol: float, vector: bool, residuals: bool) -> tuple[Any, Any]:
    """x = A⁺ b, the shortest of the vectors that minimise ‖A x - b‖, and Σ |A x - b|²."""
    p = bind(pinv_p, a, rtol=rtol, hermitian=False)
    x = fnp.matmul(p, b[..., None])[..., 0] if vector else fnp.matmul(p, b)
    if not residuals:
        return x, np.empty((0,), a.dtype.char.lower())  # of a real type
    rest = fnp.matmul(a, x) - b
    return x, fnp.sum(fnp.real(rest * fnp.conjugate(rest)), axis=-2)


lstsq_op = Op("LinalgLstsqBackward0", lstsq)

"""Matrix decompositions as operations on tensors, on the core's primitives.

Where a derivative does not exist, PyTorch's answer is NaN or its own error, and so it is here: the
core's treatment of equal eigenvalues is switched off by `levels=0`.
"""

from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.compilation_breaks import known
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.returns import return_type
from funcgrad.compat.torch.unlisted import unlisted
from funcgrad.core.tracer import Tracer, bind
from funcgrad.primitives.decompositions import eig_p, eigh_p
from funcgrad.primitives.singular_values import qr_p, svd_p

__all__ = ["eig_op", "eigh_op", "lstsq_op", "pinv_op", "qr_op", "svd_op"]


# --- singular values --------------------------------------------------------------------------


def _svd(a: Any, *, full: bool) -> tuple[Any, Any, Any]:
    """U, S, Vᴴ; for derivatives the columns of U and V beyond min(m, n) are constants."""
    if not isinstance(a, Tracer):
        return tuple(np.linalg.svd(a, full_matrices=full))  # type: ignore[return-value]  # three
    u, s, vh = bind(svd_p, a, full=False, levels=0)
    m, n = a.shape[-2:]
    if full and m != n:
        whole_u, _, whole_vh = np.linalg.svd(known(a))
        k = min(m, n)
        u = fnp.concatenate([u, whole_u[..., :, k:]], axis=-1) if m > k else u
        vh = fnp.concatenate([vh, whole_vh[..., k:, :]], axis=-2) if n > k else vh
    return u, s, vh


svd_op = Op("LinalgSvdBackward0", _svd, returns=return_type("linalg_svd", "U S Vh"), copies=True)

# --- eigenvalues ------------------------------------------------------------------------------

eigh_op = Op(
    "LinalgEighBackward0",
    lambda a, *, lower: bind(eigh_p, a, lower=lower, levels=0),
    returns=return_type("linalg_eigh", "eigenvalues eigenvectors"),
)


def _eig(a: Any) -> tuple[Any, Any]:
    """Eigenvalues and eigenvectors, complex whatever they are."""
    kind = np.result_type(a.dtype, np.complex64)
    values, vectors = bind(eig_p, a, levels=0)
    return fnp.astype(values, kind), fnp.astype(vectors, kind)


eig_op = Op(
    "LinalgEigBackward0", _eig, returns=return_type("linalg_eig", "eigenvalues eigenvectors")
)

# --- QR ---------------------------------------------------------------------------------------


def _other_qr_value(a: Any, *, mode: str) -> Any:
    if mode == "r":
        return np.empty((0,), a.dtype), np.linalg.qr(a, "r")
    return tuple(np.linalg.qr(a, "complete"))


def _refused(_out: Any, _a: Any, _t: Any, *, mode: str) -> Any:
    raise RuntimeError(
        "linalg_qr_backward: The derivative of linalg.qr depends on Q, which is not computed when "
        "mode='r'. Please use linalg.qr(A, mode='reduced')"
        if mode == "r"
        else "The QR decomposition is not differentiable when mode='complete' and nrows > ncols"
    )


_other_qr = unlisted("other_qr", _other_qr_value, _refused, leading=True)
"""The modes whose derivative PyTorch refuses."""


def _qr(a: Any, *, mode: str) -> Any:
    if mode == "reduced" or (mode == "complete" and a.shape[-2] <= a.shape[-1]):
        return bind(qr_p, a, complete=False, levels=0)
    return _other_qr(a, mode=mode)


qr_op = Op("LinalgQrBackward0", _qr, returns=return_type("linalg_qr", "Q R"))

# --- pseudo-inverse ---------------------------------------------------------------------------


def _pinv(a: Any, *, rtol: float, hermitian: bool) -> Any:
    """The derivative of PyTorch is that of the general pseudo-inverse, also for Hermitian A."""
    plain = known(a)
    if hermitian and np.array_equal(plain, np.conj(np.swapaxes(plain, -1, -2))):
        hermitian = False
    return fnp.linalg.pinv(a, rtol=rtol, hermitian=hermitian)


pinv_op = Op("LinalgPinvBackward0", _pinv)


def _lstsq(a: Any, b: Any, *, rtol: float, vector: bool, residuals: bool) -> tuple[Any, Any]:
    """x = A⁺ b, the shortest of the vectors that minimise ‖A x - b‖, and Σ |A x - b|²."""
    p = fnp.linalg.pinv(a, rtol=rtol)
    x = fnp.matmul(p, b[..., None])[..., 0] if vector else fnp.matmul(p, b)
    if not residuals:
        return x, np.empty((0,), a.dtype.char.lower())  # of a real type
    rest = fnp.matmul(a, x) - b
    return x, fnp.sum(fnp.real(rest * fnp.conjugate(rest)), axis=-2)


lstsq_op = Op("LinalgLstsqBackward0", _lstsq)

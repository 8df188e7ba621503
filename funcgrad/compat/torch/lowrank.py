"""Singular values of a matrix of low rank, from its product with a few random vectors.

N. Halko, P. G. Martinsson and J. A. Tropp, SIAM Rev. 53 (2011), 217-288, algorithms 4.4 and 5.1.
"""

from typing import Any

from funcgrad.compat.torch.entering import enter
from funcgrad.compat.torch.registry import MODULES

__all__ = ["pca_lowrank", "svd_lowrank"]

TORCH, LINALG = MODULES["torch"], MODULES["linalg"]
"""The functions of `torch` and `torch.linalg`, by name; filled before they are called."""


def _basis(a: Any, q: int, rounds: int) -> Any:
    """Q with q orthonormal columns that nearly span the range of A."""
    start = TORCH["randn"](a.shape[-1], q, dtype=a.dtype)
    found = LINALG["qr"](a @ start)[0]
    for _ in range(rounds):
        found = LINALG["qr"](a.mH @ found)[0]
        found = LINALG["qr"](a @ found)[0]
    return found


def svd_lowrank(A: Any, q: int | None = 6, niter: int | None = 2, M: Any = None) -> Any:
    """U, S, V of a matrix of about rank q.

    Args:
        A: (..., m, n).
        q: somewhat more than the rank.
        niter: rounds of iteration; each improves the subspace.
        M: (..., m, n), subtracted from A first.
    """
    a = A if M is None else A - TORCH["broadcast_to"](M, tuple(A.shape))
    wide = a.shape[-2] < a.shape[-1]
    tall = a.mH if wide else a
    basis = _basis(tall, 6 if q is None else q, 2 if niter is None else niter)
    u, s, vh = LINALG["svd"](basis.mH @ tall, full_matrices=False)
    left, right = basis @ u, vh.mH
    return (right, s, left) if wide else (left, s, right)


def pca_lowrank(A: Any, q: int | None = None, center: bool = True, niter: int = 2) -> Any:
    """Principal components of the rows of a matrix: U, S, V of the centred matrix."""
    m, n = A.shape[-2:]
    count = min(6, m, n) if q is None else q
    if not 0 <= count <= min(m, n):
        raise ValueError(
            f"q(={count}) must be non-negative integer and not greater than min(m, n)={min(m, n)}"
        )
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, count, niter)


enter("svd_lowrank", svd_lowrank, method=False)
enter("pca_lowrank", pca_lowrank, method=False)

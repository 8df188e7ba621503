"""Decompositions, least squares and the rest of linear algebra: tables of functions and points.

Vectors of decompositions are compared by what does not depend on their signs or phases, and
triangles of Hermitian matrices by functions of (A + Aᴴ) / 2, as JAX reads both triangles.
"""

from typing import Any

import numpy as np

from tests.oracles.points import ZM, M, T, Table, definite, draw, drawz, hermitian, well

__all__ = ["DECOMPOSITIONS", "EIGENVALUES"]

ZW, TALL, ZTALL = drawz(3, 3) + 3 * np.eye(3), draw(4, 3), drawz(4, 3)
GRADED = np.diag([1.0, -2.0, 4.0]) + draw(3, 3) / 5
STACK = definite(2, 3, 3)


def half(xp: Any, a: Any) -> Any:
    """The Hermitian part."""
    return (a + xp.conj(xp.swapaxes(a, -1, -2))) / 2


def of_eigenvalues(xp: Any, a: Any) -> Any:
    """A matrix function by eigenvalues, V exp(λ) Vᴴ."""
    w, v = xp.linalg.eigh(half(xp, a))
    return (v * xp.exp(w / 4)[..., None, :]) @ xp.conj(xp.swapaxes(v, -1, -2))


def projector(xp: Any, a: Any) -> Any:
    """On the eigenvectors of the two largest eigenvalues."""
    v = xp.linalg.eigh(half(xp, a))[1][..., 1:]
    return v @ xp.conj(xp.swapaxes(v, -1, -2))


def of_singular_values(xp: Any, a: Any) -> Any:
    """U f(s) Vᴴ, and the singular values."""
    u, s, vh = xp.linalg.svd(a, full_matrices=False)
    return (u * (s**3 / (1 + s))[..., None, :]) @ vh, s


def low_rank(xp: Any, a: Any) -> Any:
    """The nearest matrix of rank 2."""
    u, s, vh = xp.linalg.svd(a, full_matrices=False)
    return (u[..., :2] * s[..., None, :2]) @ vh[..., :2, :]


def polar(xp: Any, a: Any) -> Any:
    """The nearest matrix with orthonormal columns."""
    u, _, vh = xp.linalg.svd(a, full_matrices=False)
    return u @ vh


def projector_of_columns(xp: Any, a: Any) -> Any:
    """On the space of the columns, by QR."""
    q = xp.linalg.qr(a)[0]
    return q @ xp.conj(xp.swapaxes(q, -1, -2))


def squares_of_r(xp: Any, a: Any) -> Any:
    """|R|², which has no signs."""
    return xp.abs(xp.linalg.qr(a)[1]) ** 2


def whitened(xp: Any, x: Any) -> Any:
    """Rows with the unit matrix as covariance, nearly."""
    apart = x - xp.mean(x, axis=1, keepdims=True)
    w, v = xp.linalg.eigh(apart @ apart.T + np.eye(len(x)))
    return v @ (v.T @ apart / xp.sqrt(w)[:, None])


DECOMPOSITIONS: Table = {
    "eigvalsh": (lambda xp, a: xp.linalg.eigvalsh(half(xp, a)), GRADED),
    "eigvalsh upper": (lambda xp, a: xp.linalg.eigvalsh(half(xp, a), UPLO="U"), GRADED),
    "eigvalsh stack": (lambda xp, a: xp.linalg.eigvalsh(half(xp, a)), STACK),
    "eigvalsh complex": (lambda xp, a: xp.linalg.eigvalsh(half(xp, a)), hermitian(3)),
    "eigh values": (lambda xp, a: xp.linalg.eigh(half(xp, a))[0], GRADED),
    "eigh function": (of_eigenvalues, GRADED),
    "eigh function stack": (of_eigenvalues, STACK),
    "eigh function complex": (of_eigenvalues, hermitian(3)),
    "eigh projector": (projector, GRADED),
    "eigh projector complex": (projector, hermitian(3)),
    "eigh moduli of vectors": (
        lambda xp, a: xp.abs(xp.linalg.eigh(half(xp, a), "U")[1]) ** 2,
        hermitian(3),
    ),
    "whitening": (whitened, M),
    "svd function": (of_singular_values, TALL),
    "svd function wide": (of_singular_values, M),
    "svd function square": (of_singular_values, well(3, 3)),
    "svd function stack": (of_singular_values, T),
    "svd function complex": (of_singular_values, ZTALL),
    "svd function complex wide": (of_singular_values, ZM),
    "svd function complex square": (of_singular_values, ZW),
    "svd of low rank": (low_rank, M),
    "svd of low rank complex": (low_rank, ZTALL),
    "svd polar": (polar, TALL),
    "svd polar complex": (polar, ZTALL),
    "svd full square": (
        lambda xp, a: (lambda u, s, vh: (u * s**2) @ u.T + vh.T @ (s[:, None] * vh))(
            *xp.linalg.svd(a)
        ),
        well(3, 3),
    ),
    "svd values only": (lambda xp, a: xp.linalg.svd(a, compute_uv=False), T),
    "svd hermitian": (
        lambda xp, a: xp.linalg.svd(half(xp, a), compute_uv=False, hermitian=True),
        GRADED,
    ),
    "svdvals stack": (lambda xp, a: xp.linalg.svdvals(a) ** 2, T),
    "qr projector": (projector_of_columns, TALL),
    "qr projector complex": (projector_of_columns, ZTALL),
    "qr squares of R": (squares_of_r, TALL),
    "qr squares of R stack": (squares_of_r, well(2, 3, 3)),
    "qr squares of R complex": (squares_of_r, ZTALL),
    "qr product": (lambda xp, a: (lambda q, r: q @ (r**2).T)(*xp.linalg.qr(a)), well(3, 3)),
    "qr R": (lambda xp, a: abs(xp.linalg.qr(a, mode="r")), TALL),
    "qr signs left": (lambda xp, a: tuple(xp.linalg.qr(a)), well(3, 3)),
    "pinv": (lambda xp, a: xp.linalg.pinv(a), TALL),
    "pinv wide": (lambda xp, a: xp.linalg.pinv(a), M),
    "pinv stack": (lambda xp, a: xp.linalg.pinv(a), T),
    "pinv complex": (lambda xp, a: xp.linalg.pinv(a), ZTALL),
    "pinv complex wide": (lambda xp, a: xp.linalg.pinv(a), ZM),
    "pinv rtol": (lambda xp, a: xp.linalg.pinv(a, rtol=1e-6), well(3, 3)),
    "pinv hermitian": (lambda xp, a: xp.linalg.pinv(half(xp, a), hermitian=True), GRADED),
    "pinv times": (lambda xp, a, b: xp.linalg.pinv(a) @ b, TALL, draw(4)),
    "lstsq": (lambda xp, a, b: xp.linalg.lstsq(a, b)[0], TALL, draw(4)),
    "lstsq of columns": (lambda xp, a, b: xp.linalg.lstsq(a, b)[0], TALL, draw(4, 2)),
    "lstsq wide": (lambda xp, a, b: xp.linalg.lstsq(a, b)[0], M, draw(3)),
    "lstsq square": (lambda xp, a, b: xp.linalg.lstsq(a, b)[0], well(3, 3), draw(3)),
    "lstsq complex": (lambda xp, a, b: xp.linalg.lstsq(a, b)[0], ZTALL, drawz(4)),
    "lstsq residuals": (
        lambda xp, a, b: (xp.linalg.lstsq(a, b)[1], xp.linalg.lstsq(a, b)[3]),
        TALL,
        draw(4, 2),
    ),
    "cond": (lambda xp, a: xp.linalg.cond(a), well(3, 3)),
    "cond of a rectangle": (lambda xp, a: xp.linalg.cond(a), TALL),
    "cond stack": (lambda xp, a: xp.linalg.cond(a), well(2, 3, 3)),
    **{
        f"cond {p}": (lambda xp, a, p=p: xp.linalg.cond(a, p), well(3, 3))
        for p in (1, -1, 2, -2, np.inf, -np.inf, "fro")
    },
    "cond complex": (lambda xp, a: xp.linalg.cond(a, "fro") + xp.linalg.cond(a), ZW),
    "tensorsolve": (
        lambda xp, a, b: xp.linalg.tensorsolve(a, b),
        well(6, 6).reshape(2, 3, 6),
        draw(2, 3),
    ),
    "tensorsolve axes": (
        lambda xp, a, b: xp.linalg.tensorsolve(a, b, axes=(0,)),
        np.moveaxis(well(6, 6).reshape(2, 3, 2, 3), 2, 0).reshape(2, 2, 3, 3),
        draw(2, 3),
    ),
    "tensorinv": (lambda xp, a: xp.linalg.tensorinv(a), well(6, 6).reshape(2, 3, 6)),
    "tensorinv of one index": (
        lambda xp, a: xp.linalg.tensorinv(a, 1),
        well(4, 4).reshape(4, 2, 2),
    ),
    **{
        f"matrix_power {n}": (lambda xp, a, n=n: xp.linalg.matrix_power(a, n) / 50, well(2, 3, 3))
        for n in (0, 1, 2, 5, -1, -3)
    },
    "matrix_power of a complex inverse": (lambda xp, a: xp.linalg.matrix_power(a, -2), ZW),
    **{
        f"norm of matrices {order}": (
            lambda xp, a, order=order: xp.linalg.norm(a, order, axis=(1, 2)),
            T,
        )
        for order in (1, -1, 2, -2, np.inf, -np.inf, "fro", "nuc")
    },
    **{
        f"norm of vectors {order}": (
            lambda xp, a, order=order: xp.linalg.norm(a, order, axis=1, keepdims=True),
            T,
        )
        for order in (0, 1, 2, 3, -1, -2.5, 0.5, np.inf, -np.inf)
    },
    **{
        f"norm of complex matrices {order}": (
            lambda xp, a, order=order: xp.linalg.norm(a, order),
            ZM,
        )
        for order in (1, -1, 2, np.inf, -np.inf, "fro", "nuc")
    },
    **{
        f"norm of complex vectors {order}": (
            lambda xp, a, order=order: xp.linalg.norm(a, order, axis=0),
            ZM,
        )
        # JAX's largest modulus is not always among the moduli that its derivative compares with.
        for order in (1, 2, 3, -1, -2.5)
    },
    "vector_norm of all": (lambda xp, x: xp.linalg.vector_norm(x, ord=3), T),
    "vector_norm axes": (
        lambda xp, x: xp.linalg.vector_norm(x, axis=(0, 2), keepdims=True, ord=1.5),
        T,
    ),
    "matrix_norm nuc": (lambda xp, x: xp.linalg.matrix_norm(x, ord="nuc", keepdims=True), T),
    "multi_dot of four": (
        lambda xp, a, b, c, d: xp.linalg.multi_dot([a, b, c, d]),
        draw(3),
        M,
        draw(4, 2),
        draw(2, 3),
    ),
    "multi_dot complex": (
        lambda xp, a, b, c: xp.linalg.multi_dot([a, b, c]),
        drawz(2, 3),
        ZM,
        drawz(4),
    ),
    "linalg.matmul": (lambda xp, a, b: xp.linalg.matmul(a, b), T, draw(4, 2)),
    "linalg.matrix_transpose": (lambda xp, a: xp.linalg.matrix_transpose(a) ** 2, ZM),
    "linalg.diagonal offset": (lambda xp, a: xp.linalg.diagonal(a, offset=-1) ** 2, T),
    "log-density": (
        lambda xp, a, x: (
            x @ xp.linalg.inv(half(xp, a)) @ x
            + xp.linalg.slogdet(half(xp, a))[1]
            + xp.sum(xp.log(xp.linalg.eigvalsh(half(xp, a))))
        ),
        definite(3, 3),
        draw(3),
    ),
}

# JAX has no second derivatives of these: they need those of eigenvectors.
EIGENVALUES: Table = {
    "eigvals": (lambda xp, a: xp.sort_complex(xp.linalg.eigvals(a)), GRADED),
    "eigvals in pairs": (
        lambda xp, a: xp.sort_complex(xp.linalg.eigvals(a)),
        np.array([[1.0, -2.0, 0.3], [1.5, 0.5, 0.2], [0.1, 0.4, 3.0]]),
    ),
    "eigvals complex": (lambda xp, a: xp.sort_complex(xp.linalg.eigvals(a)), ZW),
    "eigvals stack": (lambda xp, a: xp.sum(xp.linalg.eigvals(a) ** 3, axis=-1), drawz(2, 3, 3)),
    "spectral radius": (lambda xp, a: xp.max(xp.abs(xp.linalg.eigvals(a))), ZW),
    "roots": (
        lambda xp, p: xp.sort_complex(xp.roots(p) + 0j),
        np.array([1.0, -6.0, 11.0, -5.0, 0.5]),
    ),
    "roots in pairs": (lambda xp, p: xp.sort_complex(xp.roots(p)), np.array([1.0, 2.0, 5.0, 7.0])),
    "roots complex": (lambda xp, p: xp.sort_complex(xp.roots(p)), drawz(4) + 1),
    "poly of a matrix": (lambda xp, a: xp.real(xp.poly(a)), GRADED),
    "poly of a complex matrix": (lambda xp, a: xp.poly(a), ZW),
}

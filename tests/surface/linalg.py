"""Samples of NumPy's functions: linalg.

Matrices are drawn with singular values and eigenvalues that are apart, so that the roundings of
single precision are not magnified, and difference quotients stay on one side of everything.
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.surface.calls import Rng, call, one_of, some
from tests.surface.sample import Generator, Sample, axis_of, draw, shape

__all__ = ["GENERATORS"]

LOOSE = {"rounding": 300.0}
"""Inverses, and vectors of values that are apart by a tenth of the largest."""

DTYPES = (np.float64, np.float32, np.complex128, np.complex64)
ORDERS: tuple[Any, ...] = (None, 1, -1, 2, -2, np.inf, -np.inf, "fro", "nuc")


def _dtype(rng: Rng) -> Any:
    return one_of(rng, *DTYPES)


def _lead(rng: Rng) -> tuple[int, ...]:
    return shape(rng, 0, 2, 2)


def _adjoint(xp: Any, a: Any) -> Any:
    return xp.conj(xp.swapaxes(a, -1, -2))


def _hermitian(xp: Any, a: Any) -> Any:
    """The part of a matrix that decompositions of Hermitian ones differentiate."""
    return (a + _adjoint(xp, a)) / 2


def matrices(
    rng: Rng, m: int, n: int, lead: tuple[int, ...] | None = None, kind: Any = None
) -> Any:
    """Matrices with singular values near 1, 2, 3, …."""
    kind = _dtype(rng) if kind is None else kind
    lead = _lead(rng) if lead is None else lead
    k = min(m, n)
    q = np.linalg.qr(draw(rng, (*lead, m, m), _wide(kind)))[0][..., :, :k]
    p = np.linalg.qr(draw(rng, (*lead, n, n), _wide(kind)))[0][..., :k, :]
    values = np.arange(1, k + 1) + rng.uniform(-0.2, 0.2, (*lead, k))
    return np.asarray(q @ (values[..., None] * p), kind)


def _wide(kind: Any) -> Any:
    return np.result_type(kind, np.float64)


def _sizes(rng: Rng) -> tuple[int, int]:
    m, n = (int(one) for one in rng.integers(1, 5, 2))
    return m, n


def _square(rng: Rng, **options: Any) -> Any:
    n = int(rng.integers(1, 5))
    return matrices(rng, n, n, **options)


def _spectrum(rng: Rng) -> Any:
    """Square matrices X diag(λ) X⁻¹ with distinct eigenvalues; those of some real ones complex."""
    n, kind, lead = int(rng.integers(1, 5)), _dtype(rng), _lead(rng)
    wide = _wide(kind)
    values = np.zeros((*lead, n, n), wide)
    steps = np.arange(n) + rng.uniform(0.8, 1.2, (*lead, n))
    values[..., np.arange(n), np.arange(n)] = steps
    if np.dtype(kind).kind == "f" and n >= 2 and rng.random() < 0.5:
        values[..., 0, 1], values[..., 1, 0] = 1.0, -2.0
    basis = np.eye(n) + 0.3 * draw(rng, (*lead, n, n), wide, -1, 1)
    return np.asarray(basis @ values @ np.linalg.inv(basis), kind)


def _of_matrix(name: str, draw_matrix: Callable[[Rng], Any]) -> Generator:
    return lambda rng: call(f"linalg.{name}", draw_matrix(rng), laws=LOOSE)


def _of_hermitian(label: str, a: Any, function: Callable[[Any, Any], Any]) -> Sample:
    """A function of the Hermitian part of a matrix."""
    return Sample(label, lambda xp, a: function(xp, _hermitian(xp, a)), (a,), rounding=300.0)


def _hermitian_matrices(rng: Rng) -> Any:
    """Matrices whose Hermitian parts have the eigenvalues near 1, 2, …, some of them negative."""
    n, kind, lead = int(rng.integers(1, 5)), _dtype(rng), _lead(rng)
    q = np.linalg.qr(draw(rng, (*lead, n, n), _wide(kind)))[0]
    values = np.arange(1, n + 1) * rng.choice([-1, 1], n) + rng.uniform(-0.2, 0.2, (*lead, n))
    return np.asarray((q * values[..., None, :]) @ np.conj(np.swapaxes(q, -1, -2)), kind)


def _eigh(name: str) -> Generator:
    def generator(rng: Rng) -> Sample:
        options = some(rng, UPLO=lambda: one_of(rng, "L", "U", "u"))
        return _of_hermitian(
            f"linalg.{name}(h, {options})",
            _hermitian_matrices(rng),
            lambda xp, h: getattr(xp.linalg, name)(h, **options),
        )

    return generator


def _cholesky(rng: Rng) -> Sample:
    a, options = _square(rng), some(rng, upper=lambda: True)
    return _of_hermitian(
        f"linalg.cholesky(a aᴴ + h, {options})",
        a,
        lambda xp, h: xp.linalg.cholesky(h @ h + xp.eye(h.shape[-1], dtype=h.dtype), **options),
    )


def _svd(rng: Rng) -> Sample:
    if rng.random() < 0.25:
        vectors = bool(rng.random() < 0.5)
        return _of_hermitian(
            f"linalg.svd(h, hermitian=True, compute_uv={vectors})",
            _hermitian_matrices(rng),
            lambda xp, h: xp.linalg.svd(h, hermitian=True, compute_uv=vectors),
        )
    a = matrices(rng, *_sizes(rng))
    kind = one_of(rng, "thin", "values", "full")
    if kind == "full":
        return Sample("linalg.svd(a), projectors", _all_of_svd, (a,), rounding=300.0)
    options = {"full_matrices": False} if kind == "thin" else {"compute_uv": False}
    return call("linalg.svd", a, laws=LOOSE, **options)


def _all_of_svd(xp: Any, a: Any) -> Any:
    """What is determined of the full decomposition: of the last vectors, the projector on them."""
    u, s, vh = xp.linalg.svd(a)
    k = s.shape[-1]
    rest, rest_h = u[..., :, k:], vh[..., k:, :]
    return (
        u[..., :, :k], s, vh[..., :k, :], rest @ _adjoint(xp, rest), _adjoint(xp, rest_h) @ rest_h
    )  # fmt: skip


def _qr(rng: Rng) -> Sample:
    a, mode = matrices(rng, *_sizes(rng)), one_of(rng, "reduced", "r", "complete", None)
    if mode != "complete":
        return call("linalg.qr", a, laws=LOOSE, **({} if mode is None else {"mode": mode}))
    return Sample("linalg.qr(a, complete), projector", _all_of_qr, (a,), rounding=300.0)


def _all_of_qr(xp: Any, a: Any) -> Any:
    q, r = xp.linalg.qr(a, "complete")
    k = min(a.shape[-2:])
    return q[..., :, :k], q[..., :, k:] @ _adjoint(xp, q[..., :, k:]), r


def _pinv(rng: Rng) -> Sample:
    options = one_of(rng, {}, {"rcond": 1e-4}, {"rtol": None}, {"rtol": 1e-3})
    kind = one_of(rng, "any", "cut", "rank", "hermitian")
    if kind == "hermitian":
        return _of_hermitian(
            f"linalg.pinv(h, hermitian=True, {options})",
            _hermitian_matrices(rng),
            lambda xp, h: xp.linalg.pinv(h, hermitian=True, **options),
        )
    if kind == "rank":
        a, b = matrices(rng, 4, 2), matrices(rng, 2, 3, (), np.float64)
        return Sample(
            "linalg.pinv(a @ b, rcond=1e-4)",
            lambda xp, a: xp.linalg.pinv(a @ b.astype(a.dtype), rcond=1e-4),
            (a,),
            rounding=300.0,
        )
    a = matrices(rng, *_sizes(rng))
    if kind == "cut":  # between singular values, for each matrix its own
        limits = rng.uniform(0.35, 0.4, a.shape[:-2])
        return call("linalg.pinv", a, limits if rng.random() < 0.5 else 0.375, laws=LOOSE)
    return call("linalg.pinv", a, laws=LOOSE, **options)


def _lstsq(rng: Rng) -> Sample:
    (m, n), kind = _sizes(rng), _dtype(rng)
    b = draw(rng, one_of(rng, (m,), (m, 1), (m, 2)), kind)
    options = some(rng, rcond=lambda: one_of(rng, 1e-6, -1, None))
    if rng.random() < 0.3:
        left, right = matrices(rng, m, 1, (), kind), matrices(rng, 1, n, (), kind)
        return Sample(
            "linalg.lstsq(a @ b, c, rcond=1e-4)",
            lambda xp, a, b, c: xp.linalg.lstsq(a @ b, c, rcond=1e-4),
            (left, right, b),
            rounding=1000.0,
        )
    return call("linalg.lstsq", (matrices(rng, m, n, (), kind), b), laws=LOOSE, **options)


def _cond(rng: Rng) -> Sample:
    order = one_of(rng, *ORDERS)
    a = matrices(rng, *_sizes(rng)) if order in (None, 2, -2) else _square(rng)
    return call("linalg.cond", a, *(() if order is None else (order,)), laws=LOOSE)


def _inv(rng: Rng) -> Sample:
    return call("linalg.inv", _square(rng), laws=LOOSE)


def _solve(rng: Rng) -> Sample:
    a = _square(rng)
    n, lead = a.shape[-1], a.shape[:-2]
    right = one_of(rng, (n,), (n, 2), (*lead, n, 1), (*lead[1:], n, 3))
    return call("linalg.solve", (a, draw(rng, right, a.dtype)), laws=LOOSE)


def _slogdet(rng: Rng) -> Sample:
    return call("linalg.slogdet", _square(rng), laws=LOOSE)


def _matrix_power(rng: Rng) -> Sample:
    return call("linalg.matrix_power", _square(rng) / 2, int(rng.integers(-3, 7)), laws=LOOSE)


def _multi_dot(rng: Rng) -> Sample:
    sizes = [int(n) for n in rng.integers(1, 5, int(rng.integers(3, 6)))]
    kind = _dtype(rng)
    shapes: list[tuple[int, ...]] = list(itertools.pairwise(sizes))
    if rng.random() < 0.3:
        shapes[0] = shapes[0][1:]
    if rng.random() < 0.3:
        shapes[-1] = shapes[-1][:1]
    return Sample(
        f"linalg.multi_dot of {shapes}",
        lambda xp, *xs: xp.linalg.multi_dot(list(xs)),
        tuple(draw(rng, one, kind) for one in shapes),
        rounding=20.0,
    )


def _tensorinv(rng: Rng) -> Sample:
    kind = _dtype(rng)
    whole, ind = one_of(rng, ((6, 2, 3), 1), ((2, 3, 6), 2), ((2, 2, 4), 2), ((2, 3, 3, 2), 2))
    n = int(np.prod(whole[:ind]))
    a = matrices(rng, n, n, (), kind).reshape(whole)
    return call("linalg.tensorinv", a, laws=LOOSE, **({} if ind == 2 else {"ind": ind}))


def _tensorsolve(rng: Rng) -> Sample:
    kind = _dtype(rng)
    n, left = one_of(rng, (6, (2, 3)), (4, (4,)), (4, (2, 2)))
    a = matrices(rng, n, n, (), kind)
    b = draw(rng, left, kind)
    if rng.random() < 0.4:
        moved = a.T.reshape((n, *left))
        return call("linalg.tensorsolve", (moved, b), laws=LOOSE, axes=(0,))
    return call("linalg.tensorsolve", (a.reshape((*left, n)), b), laws=LOOSE)


def _norm(rng: Rng) -> Sample:
    keep = some(rng, keepdims=lambda: True)
    kind = one_of(rng, "vector", "matrix", "all")
    if kind == "all":
        return call("linalg.norm", draw(rng, shape(rng, 1, 3), _dtype(rng)), laws=LOOSE, **keep)
    if kind == "matrix":
        a = matrices(rng, *_sizes(rng))
        axes = (-2, -1) if rng.random() < 0.7 else (-1, -2)
        order = one_of(rng, *ORDERS)
        return call("linalg.norm", a, order, laws=LOOSE, axis=axes, **keep)
    x = draw(rng, shape(rng, 1, 3), _dtype(rng), 0.5, 2.0)
    order = one_of(rng, None, 0, 1, 2, 3, -1, 0.5, 2.5, np.inf, -np.inf)
    axis = axis_of(rng, x.ndim, none=False)
    return call("linalg.norm", x, order, laws=LOOSE, axis=axis, **keep)


def _vector_norm(rng: Rng) -> Sample:
    x = draw(rng, shape(rng, 1, 3), _dtype(rng), 0.5, 2.0)
    options = some(
        rng,
        axis=lambda: axis_of(rng, x.ndim, many=True),
        keepdims=lambda: True,
        ord=lambda: one_of(rng, 0, 1, 3, -1, 0.5, np.inf, -np.inf),
    )
    return call("linalg.vector_norm", x, laws=LOOSE, **options)


def _matrix_norm(rng: Rng) -> Sample:
    options = some(rng, keepdims=lambda: True, ord=lambda: one_of(rng, *ORDERS[1:]))
    return call("linalg.matrix_norm", matrices(rng, *_sizes(rng)), laws=LOOSE, **options)


GENERATORS: dict[str, Generator] = {
    "linalg.cholesky": _cholesky,
    "linalg.cond": _cond,
    "linalg.det": _of_matrix("det", _square),
    "linalg.eig": _of_matrix("eig", _spectrum),
    "linalg.eigh": _eigh("eigh"),
    "linalg.eigvals": _of_matrix("eigvals", _spectrum),
    "linalg.eigvalsh": _eigh("eigvalsh"),
    "linalg.inv": _inv,
    "linalg.lstsq": _lstsq,
    "linalg.matrix_norm": _matrix_norm,
    "linalg.matrix_power": _matrix_power,
    "linalg.multi_dot": _multi_dot,
    "linalg.norm": _norm,
    "linalg.pinv": _pinv,
    "linalg.qr": _qr,
    "linalg.slogdet": _slogdet,
    "linalg.solve": _solve,
    "linalg.svd": _svd,
    "linalg.svdvals": _of_matrix("svdvals", lambda rng: matrices(rng, *_sizes(rng))),
    "linalg.tensorinv": _tensorinv,
    "linalg.tensorsolve": _tensorsolve,
    "linalg.vector_norm": _vector_norm,
}

"""Differences, integrals, convolution, interpolation and polynomials: a table."""

from typing import Any

import numpy as np

from tests.oracles.points import ZM, M, N, T, Table, V, W, Z, draw, drawz

__all__ = ["SIGNALS"]

KNOTS = np.array([-1.5, -0.4, 0.3, 1.1, 1.9])
QUERIES = np.array([[-1.2, 0.1, -2.3], [0.9, 1.5, 2.4]])
STEPS, PLACES = draw(4, low=0.5, high=1.5), np.array([0.0, 0.4, 1.5, 1.9])
ANGLES = np.array([0.5, 3.0, -2.9, -1.0, 2.5, 9.5, 8.0])
ABSCISSAE = np.array([-1.0, -0.3, 0.2, 0.7, 1.4, 2.0])
ORDINATES = draw(6)
U, P, Q = draw(5), np.array([1.5, -0.7, 0.4]), np.array([2.0, 0.5])


def divided(xp: Any, u: Any, v: Any) -> Any:
    """Quotient and remainder, which JAX fills with zeros in front."""
    quotient, remainder = xp.polydiv(u, v)
    return quotient, remainder[1 - v.shape[0] :]


SIGNALS: Table = {
    **{
        f"{name} {mode}": (
            lambda xp, x, y, name=name, mode=mode: getattr(xp, name)(x, y, mode),
            V,
            P,
        )
        for name in ("convolve", "correlate")
        for mode in ("full", "same", "valid")
    },
    **{
        f"{name} {mode} of a longer second": (
            lambda xp, x, y, name=name, mode=mode: getattr(xp, name)(x, y, mode),
            Q,
            V,
        )
        for name in ("convolve", "correlate")
        for mode in ("full", "same", "valid")
    },
    **{
        f"{name} {mode} complex": (
            lambda xp, x, y, name=name, mode=mode: getattr(xp, name)(x, y, mode),
            Z,
            drawz(3),
        )
        for name in ("convolve", "correlate")
        for mode in ("full", "same", "valid")
    },
    "convolve real and complex": (lambda xp, x, y: xp.convolve(x, y), V, drawz(2)),
    "convolve with itself": (lambda xp, x: xp.convolve(x, xp.convolve(x, x)), P),
    "interp": (lambda xp, x, k, f: xp.interp(x, k, f), QUERIES, KNOTS, V),
    "interp ends": (
        lambda xp, x, k, f: xp.interp(x, k, f, left=0.5, right=-1.0),
        QUERIES,
        KNOTS,
        V,
    ),
    "interp period": (
        lambda xp, x, k, f: xp.interp(x, k, f, period=4.0),
        QUERIES + 3.0,
        KNOTS,
        V,
    ),
    "interp unordered period": (
        lambda xp, x, k, f: xp.interp(x, k, f, period=4.0),
        QUERIES[0],
        KNOTS[[2, 0, 4, 1, 3]] + np.array([0, 4, 0, -4, 0]),
        V,
    ),
    "interp complex": (lambda xp, x, f: xp.interp(x, KNOTS, f), QUERIES[0], Z),
    "interp at a number": (lambda xp, x, f: xp.interp(x, KNOTS, f) ** 2, np.array(0.7), V),
    "unwrap": (lambda xp, p: xp.unwrap(p), ANGLES),
    "unwrap axis": (lambda xp, p: xp.unwrap(p, axis=0) ** 2, draw(4, 3, low=-9, high=9)),
    "unwrap period": (lambda xp, p: xp.unwrap(p, period=1.3), ANGLES),
    "unwrap discont": (lambda xp, p: xp.unwrap(p, discont=4.0), ANGLES),
    "trapezoid of rows": (lambda xp, y, x: xp.trapezoid(y, x), M, PLACES),
    "trapezoid full": (
        lambda xp, y, x: xp.trapezoid(y, x, axis=0),
        M,
        np.cumsum(np.abs(N), 0),
    ),
    "trapezoid complex": (lambda xp, y, x: xp.trapezoid(y, x), ZM, PLACES),
    "diff complex": (lambda xp, x: xp.diff(x, axis=0) ** 2, ZM),
    "diff with ends": (
        lambda xp, x, a, b: xp.diff(x, 2, 1, prepend=a, append=b),
        M,
        draw(3, 1),
        draw(3, 2),
    ),
    "ediff1d ends": (
        lambda xp, x, a, b: xp.ediff1d(x, to_end=a, to_begin=b),
        M,
        draw(2),
        draw(1),
    ),
    "gradient of all axes": (lambda xp, x: tuple(xp.gradient(x)), draw(3, 4)),
    "gradient of some axes": (
        lambda xp, x: tuple(xp.gradient(x, 0.5, 2.0, axis=(0, 2))),
        draw(3, 2, 3),
    ),
    "gradient of complex numbers": (lambda xp, x: xp.gradient(x, 0.5), Z),
    "polyval": (lambda xp, p, x: xp.polyval(p, x), P, M),
    "polyval complex": (lambda xp, p, x: xp.polyval(p, x), drawz(4), Z),
    "polyadd": (lambda xp, p, q: xp.polyadd(p, q), P, Q),
    "polysub": (lambda xp, p, q: xp.polysub(p, q), Q, U),
    "polymul": (lambda xp, p, q: xp.polymul(p, q), P, U),
    "polymul complex": (lambda xp, p, q: xp.polymul(p, q), drawz(3), drawz(4)),
    "polydiv": (divided, U, P),
    "polydiv complex": (divided, drawz(4), drawz(2) + 1),
    "polyder": (lambda xp, p: xp.polyder(p), U),
    "polyder twice": (lambda xp, p: xp.polyder(p, 2) ** 2, U),
    "polyint": (lambda xp, p: xp.polyint(p), P),
    "polyint with constants": (
        lambda xp, p, k: xp.polyint(p, 2, k=k),
        P,
        Q,
    ),
    "poly": (lambda xp, z: xp.poly(z), U),
    "poly complex": (lambda xp, z: xp.poly(z), drawz(4)),
    "vander": (lambda xp, x: xp.vander(x), P),
    "vander increasing": (lambda xp, x: xp.vander(x, 5, increasing=True), P),
    "vander complex": (lambda xp, x: xp.vander(x, 3), drawz(3)),
    "polyfit": (lambda xp, x, y: xp.polyfit(x, y, 2), ABSCISSAE, ORDINATES),
    "polyfit of columns": (lambda xp, x, y: xp.polyfit(x, y, 1), ABSCISSAE, draw(6, 2)),
    "polyfit by weights": (
        lambda xp, x, y, w: xp.polyfit(x, y, 2, w=w),
        ABSCISSAE,
        ORDINATES,
        draw(6, low=0.5, high=2),
    ),
    "polyfit complex": (lambda xp, x, y: xp.polyfit(x, y, 2), ABSCISSAE, drawz(6)),
    "polyfit cov": (
        lambda xp, x, y: tuple(xp.polyfit(x, y, 1, cov=True)),
        ABSCISSAE,
        ORDINATES,
    ),
    # I₀″(0) = 1/2, and JAX says 0.
    "i0": (lambda xp, x: xp.i0(x), np.array([-7.5, -1.2, 0.4, 3.0, 9.0])),
    "linspace": (lambda xp, a, b: xp.linspace(a, b, 4), draw(3), draw(3, seed=1)),
    "linspace step": (
        lambda xp, a, b: xp.linspace(a, b, 4, endpoint=False, retstep=True, axis=1),
        draw(3),
        draw(3, seed=1),
    ),
    "logspace": (lambda xp, a, b: xp.logspace(a, b, 4, base=3.0), draw(2), draw(2, seed=1)),
    "geomspace": (
        lambda xp, a, b: xp.geomspace(a, b, 4),
        draw(2, low=0.5, high=2),
        draw(2, low=3, high=9),
    ),
    "cross of planes": (lambda xp, a, b: xp.cross(a, b), draw(4, 3), drawz(4, 3)),
    "smoothed maxima": (
        lambda xp, x, k: xp.max(xp.convolve(xp.tanh(x), k, "same")) * xp.trapezoid(x),
        W,
        P,
    ),
    "heat equation": (
        lambda xp, x: x + 0.1 * xp.gradient(xp.gradient(x, axis=1), axis=1),
        T[0],
    ),
}

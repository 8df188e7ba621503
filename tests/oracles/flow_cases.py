"""Loops, branches and recomputation: a table of functions and points.

What JAX differentiates forward only, and mapping, is in tests/oracles/mapping_cases.py.
"""

from typing import Any

import numpy as np

from tests.oracles.points import ZM, M, T, Table, V, Z, definite, draw, drawz, well

__all__ = ["FLOW"]

SERIES, MOTION = draw(4, 2), well(2, 2) / 4


def recurrence(xp: Any, w: Any, h: Any, xs: Any) -> tuple[Any, Any]:
    """A recurrent network; its states, and the last one."""

    def step(h: Any, x: Any) -> tuple[Any, Any]:
        h = xp.tanh(w @ h + x)
        return h, xp.sum(h**2)

    return xp.control.scan(step, h, xs)


def backwards(xp: Any, c: Any, xs: Any) -> Any:
    """A scan from the end, on trees."""

    def step(carry: Any, x: Any) -> Any:
        total, product = carry["total"] + x["a"] * x["b"][0], carry["product"] * x["b"][0]
        return {"total": total, "product": product}, (total * product, {"p": product})

    start = {"total": c, "product": c * 0 + 1}
    return xp.control.scan(step, start, {"a": xs, "b": (xs[::-1],)}, reverse=True)


def kalman(xp: Any, a: Any, r: Any, ys: Any) -> Any:
    """Log-likelihood of measurements of the first coordinate."""

    def step(carry: Any, y: Any) -> Any:
        mean, cov = carry
        mean, cov = a @ mean, a @ cov @ a.T + 0.3 * np.eye(2)
        variance = cov[0, 0] + xp.exp(r)
        gain, miss = cov[:, 0] / variance, y - mean[0]
        return (mean + gain * miss, cov - xp.outer(gain, cov[0])), (
            -0.5 * (xp.log(variance) + miss**2 / variance)
        )

    return xp.sum(xp.control.scan(step, (xp.zeros(2), xp.zeros((2, 2)) + np.eye(2)), ys)[1])


def affine(first: Any, second: Any) -> Any:
    """One affine map after another."""
    return first[0] * second[0], second[0] * first[1] + second[1]


def layers(xp: Any, ws: Any, x: Any) -> Any:
    """A network of layers that keep nothing."""
    layer = xp.control.checkpoint(lambda w, x: xp.tanh(w @ x) + x)
    for i in range(ws.shape[0]):
        x = layer(ws[i], x)
    return x


def scanned_layers(xp: Any, ws: Any, x: Any) -> Any:
    """The same as a scan over recomputed steps."""
    step = xp.control.checkpoint(lambda x, w: (xp.tanh(w @ x) + x, xp.sum(x * x)))
    return xp.control.scan(step, x, ws)


def steepest(xp: Any, a: Any, b: Any) -> Any:
    """Steepest descent for a x = b, twenty steps."""
    return xp.control.fori_loop(0, 20, lambda _, x: x - 0.1 * (a @ x - b), xp.zeros(3) + 0 * b)


WEIGHTS = draw(3, 2, 2)

FLOW: Table = {
    "scan": (recurrence, draw(2, 2), draw(2), SERIES),
    "scan reverse of trees": (backwards, draw(), V),
    "scan of complex numbers": (
        lambda xp, z, zs: xp.control.scan(lambda c, x: (c * x + 1, xp.abs(c) * x), z, zs),
        drawz(),
        Z,
    ),
    "scan without inputs": (
        lambda xp, x: xp.control.scan(lambda c, _: (xp.sin(c), c * x), x, None, length=5),
        V,
    ),
    "scan of rows of a matrix": (
        lambda xp, m: xp.control.scan(lambda c, row: (c * 0.5 + row, c @ row), m[0], m),
        M,
    ),
    "scan of a scan": (
        lambda xp, x, t: xp.control.scan(
            lambda c, m: xp.control.scan(lambda d, row: (xp.tanh(d + row), d * row), c, m), x, t
        ),
        draw(4),
        T,
    ),
    "scan with unused inputs": (
        lambda xp, x, y: xp.control.scan(lambda c, x: (c + 1.0, x * x), xp.zeros(()), (x, y)[0]),
        V,
        draw(),
    ),
    "scan of a filter": (kalman, MOTION, np.array(-0.5), draw(5)),
    **{
        f"cond {chosen}": (
            lambda xp, x, y, chosen=chosen: xp.control.cond(
                chosen, lambda x, y: x * y, lambda x, y: xp.sin(x) + y**2, x, y
            ),
            V,
            draw(5, seed=1),
        )
        for chosen in (True, False)
    },
    "cond by a value": (
        lambda xp, x: xp.control.cond(x[0] > x[1], lambda x: x * x[0], lambda x: xp.exp(x), x),
        V,
    ),
    "cond of closures and trees": (
        lambda xp, x, s: xp.control.cond(
            xp.sum(x) > 0, lambda: {"a": x * s, "b": s}, lambda: {"a": x - s, "b": s**2}
        ),
        V,
        draw(),
    ),
    **{
        f"switch {index}": (
            lambda xp, x, index=index: xp.control.switch(
                index, [xp.sin, lambda x: x**3, lambda x: 2 * x - x[0]], x
            ),
            V,
        )
        for index in (-1, 0, 1, 2, 5)
    },
    "fori_loop": (
        lambda xp, x: xp.control.fori_loop(0, 6, lambda i, y: 0.5 * (y + x / y) + 0 * i, x),
        draw(4, low=0.5, high=4),
    ),
    "fori_loop by index": (
        lambda xp, x: xp.control.fori_loop(1, 5, lambda i, y: y * xp.cos(y) + i * x, x),
        V,
    ),
    "fori_loop of trees": (
        lambda xp, x, z: xp.control.fori_loop(
            0, 3, lambda i, c: (c[0] * x, c[1] + z * c[0][0]), (x, z)
        ),
        V,
        drawz(),
    ),
    "fori_loop of updates": (
        lambda xp, x: xp.control.fori_loop(
            1, 5, lambda i, c: (xp.at(c[0])[i].set(c[0][i - 1] * c[1][i]), c[1]), (x, x)
        ),
        V,
    ),
    "fori_loop without steps": (lambda xp, x: xp.control.fori_loop(3, 3, lambda i, y: y * x, x), V),
    "steepest descent": (steepest, definite(3, 3), draw(3)),
    "map": (lambda xp, x: xp.control.map(lambda row: xp.outer(row, row) @ row, x), M),
    "map of trees": (
        lambda xp, x, y: xp.control.map(lambda p: {"s": p[0] @ p[1], "e": xp.exp(p[0])}, (x, y)),
        M,
        draw(3, 4, seed=1),
    ),
    "map of complex numbers": (lambda xp, z: xp.control.map(lambda r: xp.abs(r) * r[0], z), ZM),
    "associative_scan of sums": (
        lambda xp, x: xp.control.associative_scan(lambda a, b: a + b, x) ** 2,
        V,
    ),
    "associative_scan of products": (
        lambda xp, x: xp.control.associative_scan(lambda a, b: a * b, x, axis=1, reverse=True),
        M,
    ),
    "associative_scan of affine maps": (
        lambda xp, a, b: xp.control.associative_scan(affine, (a, b)),
        draw(7),
        draw(7, seed=1),
    ),
    "associative_scan of matrices": (
        lambda xp, a: xp.control.associative_scan(lambda a, b: a @ b, a),
        drawz(5, 2, 2),
    ),
    "checkpoint": (layers, WEIGHTS, draw(2)),
    "checkpoint in a scan": (scanned_layers, WEIGHTS, draw(2)),
    "checkpoint of names": (
        lambda xp, x, w: xp.control.checkpoint(
            lambda x, w: xp.sin(xp.control.checkpoint_name(w @ x, "product")) * x,
            policy=xp.control.checkpoint_policies.save_only_these_names("product"),
        )(x, w),
        draw(3),
        well(3, 3),
    ),
    "checkpoint of a checkpoint": (
        lambda xp, z: xp.control.checkpoint(
            lambda z: xp.control.remat(lambda z: xp.abs(z) * z**2)(xp.exp(z)) * z
        )(z),
        Z,
    ),
}

"""Padding, joining, choosing and placing: a table of functions and points."""

import numpy as np

from tests.oracles.points import (
    COLUMNS,
    DM,
    DT,
    MASK,
    ORDER,
    ROWS,
    ZM,
    ZN,
    D,
    M,
    N,
    T,
    Table,
    V,
    W,
    Z,
    draw,
    drawz,
)

__all__ = ["ARRANGEMENTS"]

PADDED = ("edge", "reflect", "symmetric", "wrap", "linear_ramp", "maximum", "minimum", "mean")
CHOSEN = np.array([[0, 1, 2, 1], [2, 2, 0, 0], [1, 0, 1, 2]])
ONCE = np.array([[3, 0], [1, 2], [0, 2]])

ARRANGEMENTS: Table = {
    **{
        f"pad {mode} of unequal widths": (
            lambda xp, x, mode=mode: xp.pad(x, ((1, 2), (0, 3)), mode=mode) ** 2,
            DM,
        )
        for mode in (*PADDED, "median")
    },
    **{
        f"pad {mode} several times around": (
            lambda xp, x, mode=mode: xp.pad(x, (7, 6), mode=mode) * xp.arange(18.0),
            V,
        )
        for mode in ("reflect", "symmetric", "wrap", "edge")
    },
    **{
        f"pad {mode} of complex numbers": (
            lambda xp, x, mode=mode: xp.pad(x, 2, mode=mode) ** 2,
            ZM,
        )
        for mode in ("edge", "reflect", "symmetric", "wrap", "linear_ramp", "mean")
    },
    "pad reflect odd": (lambda xp, x: xp.pad(x, 2, "reflect", reflect_type="odd"), M),
    "pad symmetric odd": (lambda xp, x: xp.pad(x, 2, "symmetric", reflect_type="odd"), M),
    "pad linear_ramp ends": (
        lambda xp, x: xp.pad(
            x, ((1, 2), (3, 1)), "linear_ramp", end_values=((1.0, 2.0), (0.5, 3.0))
        ),
        M,
    ),
    "pad mean of some": (lambda xp, x: xp.pad(x, 1, "mean", stat_length=2), M),
    "pad maximum of some": (
        lambda xp, x: xp.pad(x, 2, "maximum", stat_length=((2, 1), (1, 3))),
        DM,
    ),
    "pad minimum of some": (lambda xp, x: xp.pad(x, 1, "minimum", stat_length=2), DM),
    "pad median of some": (lambda xp, x: xp.pad(x, 1, "median", stat_length=3), DM),
    "pad with values": (
        lambda xp, x, v: xp.pad(x, 1, constant_values=v),
        M,
        np.array(0.3),
    ),
    "insert several": (lambda xp, x, v: xp.insert(x, np.array([0, 2, 2]), v, axis=1), M, draw(3)),
    "insert flat": (lambda xp, x, v: xp.insert(x, np.array([5, -1]), v), M, draw(2)),
    "insert a slice": (lambda xp, x, v: xp.insert(x, slice(0, 3, 2), v, axis=0), M, draw(2, 4)),
    "insert complex": (lambda xp, x, v: xp.insert(x, 1, v, axis=1), ZM, drawz(3)),
    "delete one": (lambda xp, x: xp.delete(x, -2, axis=0), M),
    "delete flat": (lambda xp, x: xp.delete(x, np.array([0, 5, 7])), M),
    "delete a slice": (lambda xp, x: xp.delete(x, slice(0, 4, 2), axis=1), ZM),
    "delete by mask": (lambda xp, x: xp.delete(x, np.array([True, False, True]), axis=0), M),
    "append flat": (lambda xp, x, y: xp.append(x, y), M, V),
    "append complex": (lambda xp, x, y: xp.append(x, y, axis=1), M, drawz(3, 2)),
    "apply_along_axis": (
        lambda xp, x: xp.apply_along_axis(lambda v: xp.sum(v**2) * v[0], 1, x),
        T,
    ),
    "apply_along_axis to arrays": (
        lambda xp, x: xp.apply_along_axis(lambda v: xp.outer(v[:2], v), 0, x),
        M,
    ),
    "apply_along_axis with arguments": (
        lambda xp, x: xp.apply_along_axis(lambda v, k: xp.convolve(v, k, "same"), -1, x, W[:2]),
        M,
    ),
    "apply_over_axes": (lambda xp, x: xp.apply_over_axes(xp.sum, x**2, [0, 2]), T),
    "apply_over_axes of maxima": (lambda xp, x: xp.apply_over_axes(xp.max, x, (1, -1)), DT),
    "choose of three": (lambda xp, x, y, z: xp.choose(CHOSEN, [x, y, z]), M, N, draw(4)),
    "choose clip": (lambda xp, x, y: xp.choose(CHOSEN, [x, y], mode="clip"), M, N),
    "choose wrap": (lambda xp, x, y: xp.choose(CHOSEN - 1, [x, y], mode="wrap"), ZM, ZN),
    "select default": (lambda xp, x, y: xp.select([MASK, M > 0], [x, x * y], y), M, N),
    "select complex": (lambda xp, x, y: xp.select([MASK, M > 0], [x, y], 0.5), ZM, M),
    "piecewise default": (
        lambda xp, x: xp.piecewise(x, [x < -1, x > 1], [-1.0, lambda v: v**2, xp.sin]),
        D,
    ),
    "piecewise with an argument": (
        lambda xp, x, a: xp.piecewise(x, [x > 0], [lambda v, a: v * a, lambda v, a: v - a], a),
        DM,
        np.array(1.3),
    ),
    "extract": (lambda xp, x: xp.extract(MASK, x) ** 2, M),
    "compress flat": (lambda xp, x: xp.compress(np.array([0, 1, 1, 0, 1], bool), x), M),
    "trim_zeros": (lambda xp, x: xp.trim_zeros(x) ** 2, np.array([0.0, 0.0, 1.5, 0.0, -2.0, 0.0])),
    "put": (lambda xp, x, v: xp.put(x, COLUMNS, v, inplace=False) * x, M, draw(3)),
    "put fewer values": (
        lambda xp, x, v: xp.put(x, np.array([1, 3, 5, 7]), v, inplace=False),
        M,
        draw(2),
    ),
    "put clip": (
        lambda xp, x, v: xp.put(x, np.array([2, 99]), v, mode="clip", inplace=False),
        M,
        draw(2),
    ),
    "place": (lambda xp, x, v: xp.place(x, MASK, v, inplace=False) * x, M, draw(4)),
    "fill_diagonal": (
        lambda xp, x, v: xp.fill_diagonal(x, v, inplace=False) ** 2,
        M,
        np.array(0.7),
    ),
    "fill_diagonal by a vector": (
        lambda xp, x, v: xp.fill_diagonal(x, v, inplace=False) ** 2,
        M,
        draw(3),
    ),
    "put_along_axis": (
        lambda xp, x, v: xp.put_along_axis(x, ONCE, v, axis=1, inplace=False) * x,
        M,
        draw(3, 2),
    ),
    "put_along_axis of one value": (
        lambda xp, x, v: xp.put_along_axis(x, ORDER[:1, :1], v, axis=0, inplace=False) * x,
        draw(4, 1),
        np.array(0.7),
    ),
    "take fill": (lambda xp, x: xp.take(x, ROWS, axis=0, mode="clip") ** 2, ZM),
    "take flat wrap": (lambda xp, x: xp.take(x, np.array([[-15, 40]]), mode="wrap"), M),
    "resize shorter": (lambda xp, x: xp.resize(x, (2, 3)) ** 2, M),
    "tile of a number": (lambda xp, x: xp.tile(x, (2, 3)), np.array(0.7)),
    "repeat axis": (lambda xp, x: xp.repeat(x, 3, axis=-1) ** 2, ZM),
    "roll complex": (lambda xp, x: xp.roll(x, -1, axis=1) * x, ZM),
    "flip axes": (lambda xp, x: xp.flip(x, (0, 2)) * x, T),
    "rot90 axes": (lambda xp, x: xp.rot90(x, -1, axes=(2, 0)), T),
    "split complex": (lambda xp, x: tuple(xp.split(x, 2, axis=1)), ZM),
    "dsplit": (lambda xp, x: tuple(xp.dsplit(x, [1, 3])), T),
    "block of ranks": (
        lambda xp, x, y, s: xp.block([[x], [y], [s * y]]),
        M,
        draw(4),
        np.array(2.0),
    ),
    "concat": (lambda xp, x, y: xp.concat([x, y], axis=-1), M, ZN),
    "stack complex": (lambda xp, x, y: xp.stack([x, y], axis=1), M, ZN),
    "full_like of a value": (lambda xp, x, v: xp.full_like(x, v) * x, M, np.array(0.7)),
    "fromfunction": (lambda xp, a: xp.fromfunction(lambda i, j: a * i + j**2 * a, (3, 2)), draw()),
    "diag complex": (lambda xp, z: xp.diag(z, -1), Z),
    "diagonal of axes": (lambda xp, x: xp.diagonal(x, -1, 1, 2) ** 2, T),
    "tril complex": (lambda xp, x: xp.tril(x, 1) ** 2, ZM),
    "trace complex": (lambda xp, x: xp.trace(x, -1) ** 2, ZM),
    "meshgrid sparse": (
        lambda xp, x, y: tuple(xp.meshgrid(x, y, indexing="ij", sparse=True)),
        V,
        draw(3),
    ),
    "ix_": (lambda xp, x: x[xp.ix_(np.array([2, 0]), np.array([1, 1, 3]))], ZM),
    "nonzero": (lambda xp, x: x[np.nonzero(MASK)] ** 2, M),
}

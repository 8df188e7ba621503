"""Methods of ufuncs: a table of functions and points."""

import numpy as np

from tests.oracles.points import DM, DT, ZM, D, M, N, T, Table, V, W, Z, draw, drawz

__all__ = ["REDUCERS"]

POSITIVE, POSITIVES = draw(5, low=0.5, high=1.8), draw(3, 4, low=0.6, high=1.6)
STARTS = np.array([0, 2, 3])

REDUCERS: Table = {
    **{
        f"{name}.reduce keepdims": (
            lambda xp, x, name=name: getattr(xp, name).reduce(x, axis=0, keepdims=True) ** 2,
            DM,
        )
        for name in ("add", "multiply", "maximum", "minimum", "logaddexp", "logaddexp2")
    },
    **{
        f"{name}.reduce of all": (
            lambda xp, x, name=name: getattr(xp, name).reduce(x, axis=None) * x,
            DT,
        )
        for name in ("add", "multiply", "maximum", "minimum", "logaddexp", "logaddexp2")
    },
    **{
        f"{name}.accumulate of rows": (
            lambda xp, x, name=name: xp.ufunc(name).accumulate(x, axis=1) ** 2,
            DM,
        )
        for name in ("add", "multiply", "maximum", "minimum", "subtract", "logaddexp", "logaddexp2")
    },
    # Along the first axis: along the last, NumPy's own power.reduce and arctan2.reduce are wrong on
    # processors with AVX-512 (of 2, 3 and 2 they say 2**2).
    **{
        f"{name}.{method} of positive numbers": (
            lambda xp, x, name=name, method=method: getattr(xp.ufunc(name), method)(x, axis=0),
            POSITIVES,
        )
        for name in ("subtract", "divide", "power", "float_power", "arctan2", "hypot")
        for method in ("reduce", "accumulate")
    },
    **{
        f"{name}.{method} complex": (
            lambda xp, x, name=name, method=method: getattr(xp.ufunc(name), method)(x, axis=0),
            ZM,
        )
        for name in ("add", "multiply", "subtract", "divide")
        for method in ("reduce", "accumulate")
    },
    **{
        f"{name}.outer": (
            lambda xp, x, y, name=name: xp.ufunc(name).outer(x, y),
            POSITIVE,
            draw(2, 2, low=-1, high=-0.2),
        )
        for name in (
            "subtract",
            "divide",
            "power",
            "arctan2",
            "hypot",
            "maximum",
            "logaddexp",
            "copysign",
        )
    },
    "multiply.outer complex": (lambda xp, x, y: xp.ufunc("multiply").outer(x, y), Z, drawz(2)),
    "logaddexp.reduce where": (
        lambda xp, x: xp.logaddexp.reduce(x, axis=1, initial=-1.0, where=M > -1),
        N,
    ),
    "add.reduce where": (lambda xp, x: xp.add.reduce(x, axis=(0, 2), where=T > 0, initial=2.0), T),
    "multiply.reduce where": (lambda xp, x: xp.multiply.reduce(x, axis=1, where=M > 0), N),
    "maximum.reduce initial": (lambda xp, x: xp.maximum.reduce(x, axis=1, initial=0.2), DM),
    "add.reduceat of rows": (lambda xp, x: xp.add.reduceat(x, STARTS, axis=1) ** 2, M),
    "multiply.reduceat": (lambda xp, x: xp.ufunc("multiply").reduceat(x, STARTS), V),
    "maximum.reduceat": (lambda xp, x: xp.ufunc("maximum").reduceat(x, STARTS), D),
    "logaddexp.reduceat": (lambda xp, x: xp.ufunc("logaddexp").reduceat(x, STARTS), W),
}

"""Every quadrant and sign, ties, and ends of intervals: where funcgrad and JAX agree nonetheless.

Points where they differ are in `tests.oracles.cases.CONVENTIONS`.
"""

import numpy as np

from tests.oracles.points import Table, draw

__all__ = ["KINKS"]

TIED_X, TIED_Y = np.array([[1.0, 2.0], [-0.5, 0.0]]), np.array([[1.0, -3.0], [-0.5, 4.0]])
ANY_SIGN = np.array([2.3, -2.3, 0.4, -0.4, 5.7, -5.7])
DIVISORS = np.array([[1.1], [-1.1], [0.7]])
EDGES = np.array([-7.0, -1.0, 0.0, 0.5, 1.0, 6.0, 7.0])
REPEATED = np.array([[1.5, -0.5, 1.5, 0.25], [2.0, 2.0, 2.0, 2.0], [0.0, 3.0, 0.0, -1.0]])

KINKS: Table = {
    "maximum of equal operands": (lambda xp, x, y: xp.maximum(x, y) ** 2, TIED_X, TIED_Y),
    "minimum of equal operands": (lambda xp, x, y: xp.minimum(x, y) ** 2, TIED_X, TIED_Y),
    "maximum with a number": (lambda xp, x: xp.maximum(x, 0.0) * x, EDGES),
    "maximum of itself": (lambda xp, x: xp.maximum(x, x), EDGES),
    "logaddexp of equal operands": (lambda xp, x, y: xp.logaddexp(x, y), TIED_X, TIED_Y),
    "ties of max over all": (lambda xp, x: xp.max(x) * x, REPEATED),
    "ties of min": (lambda xp, x: xp.min(x, axis=1, keepdims=True) * x, REPEATED),
    "ties of amax over axes": (
        lambda xp, x: xp.amax(xp.stack([x, x[::-1]]), axis=(0, 2)),
        REPEATED,
    ),
    "ties of ptp": (lambda xp, x: xp.ptp(x, axis=1), REPEATED),
    "two ties of maximum.accumulate": (
        lambda xp, x: xp.maximum.accumulate(x, axis=1),
        REPEATED[:, [1, 0, 3, 2]][::2],
    ),
    "ties of sort": (lambda xp, x: xp.sort(x, axis=1) * xp.arange(4.0), REPEATED),
    "ties of norm inf": (lambda xp, x: xp.linalg.norm(x, np.inf, axis=1), REPEATED),
    "remainder of any signs": (lambda xp, x, y: xp.remainder(x, y), ANY_SIGN, DIVISORS),
    "fmod of any signs": (lambda xp, x, y: xp.fmod(x, y), ANY_SIGN, DIVISORS),
    "divmod of any signs": (lambda xp, x, y: xp.divmod(x, y), ANY_SIGN, DIVISORS),
    "copysign of any signs": (lambda xp, x, y: xp.copysign(x, y), ANY_SIGN, DIVISORS),
    "fabs of any signs": (lambda xp, x: xp.fabs(x), ANY_SIGN),
    "cbrt of any signs": (lambda xp, x: xp.cbrt(x), ANY_SIGN),
    "hypot of any signs": (lambda xp, x, y: xp.hypot(x, y), ANY_SIGN, DIVISORS),
    "arctan2 in every quadrant": (lambda xp, y, x: xp.arctan2(y, x), ANY_SIGN, DIVISORS),
    "arctan2 on the axes": (
        lambda xp, y, x: xp.arctan2(y, x),
        np.array([0.0, 1.0, 0.0, -2.0]),
        np.array([1.5, 0.0, -2.0, 0.0]),
    ),
    "integer powers of any signs": (
        lambda xp, x: x ** np.array([[0], [1], [2], [3], [-1], [-3]]),
        ANY_SIGN,
    ),
    "whole powers of any signs": (
        lambda xp, x: x ** np.array([[0.0], [1.0], [2.0], [3.0], [-1.0], [-3.0]]),
        ANY_SIGN,
    ),
    "powers of zero": (lambda xp, x: x ** np.array([2.0, 3.0, 4.0]), np.zeros(3)),
    "exponents of zero": (lambda xp, y: 0.0**y, np.array([1.0, 2.0, 0.5])),
    "reciprocal of any signs": (lambda xp, x: xp.reciprocal(x) + 1 / x + x**-1, ANY_SIGN),
    "sinc at 0": (lambda xp, x: xp.sinc(x), np.array([0.0, 0.5, -1.0, 2.0])),
    "where beside a pole": (
        lambda xp, x: xp.where(x > 0, xp.log(xp.where(x > 0, x, 1.0)), x),
        EDGES,
    ),
    "relu at 0": (lambda xp, x: xp.nn.relu(x), EDGES),
    "relu6 at its ends": (lambda xp, x: xp.nn.relu6(x), EDGES),
    "hard_tanh at its ends": (lambda xp, x: xp.nn.hard_tanh(x), EDGES),
    "elu at 0": (lambda xp, x, a: xp.nn.elu(x, a), EDGES, np.array([[0.5], [2.0]])),
    "selu at 0": (lambda xp, x: xp.nn.selu(x), EDGES),
    "leaky_relu at 0": (lambda xp, x: xp.nn.leaky_relu(x), EDGES),
    "leaky_relu at 0 of slopes": (
        lambda xp, x, a: xp.nn.leaky_relu(x, a),
        EDGES,
        np.array([[0.3], [-0.5], [2.0]]),
    ),
    "silu gelu softplus at 0": (
        lambda xp, x: xp.nn.silu(x) + xp.nn.gelu(x) + xp.nn.softplus(x) + xp.nn.sigmoid(x),
        EDGES,
    ),
    "arcsines near their ends": (
        lambda xp, x: (xp.arcsin(x), xp.arccos(x), xp.arctanh(x)),
        np.array([0.999999, -0.999999, 1 - 1e-9]),
    ),
    "small arguments": (
        lambda xp, x: (xp.expm1(x), xp.log1p(x), xp.tanh(x), xp.arcsinh(x)),
        np.array([1e-9, -1e-9, 1e-4, -1e-4]),
    ),
    "analytic functions beyond their cuts": (
        lambda xp, z: xp.arcsin(z) + xp.arccos(z) * xp.arctanh(z) + xp.sqrt(z) + xp.log(z),
        np.array([2.0 + 0.5j, -2.0 + 0.5j, 2.0 - 0.5j, -2.0 - 0.5j, -0.3 + 1e-3j]),
    ),
    "complex powers in every quadrant": (
        lambda xp, z, w: z**w + z**2 + z**0.5 + z**-1,
        np.array([1.0 + 0.5j, -1.0 + 0.5j, 1.0 - 0.5j, -1.0 - 0.5j]),
        draw(4) + 1j * draw(4, seed=1),
    ),
    "angle in every quadrant": (
        lambda xp, z: xp.angle(z) * xp.abs(z),
        np.array([1.0 + 0.5j, -1.0 + 0.5j, 1.0 - 0.5j, -1.0 - 0.5j]),
    ),
}

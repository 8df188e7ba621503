"""Calls that reach the primitives of ufunc methods and of special functions of two operands.

See tests/laws/structured_cases.py.
"""

from typing import Any

import numpy as np

from funcgrad.primitives import special_functions as sf

__all__ = ["CALLS"]

_RNG = np.random.default_rng(3)
X = _RNG.uniform(0.5, 1.5, (3, 4))
Z = X + 1j * _RNG.uniform(0.5, 1.5, (3, 4))
SIGNED = X * _RNG.choice([-1, 1], (3, 4))
LINE = _RNG.uniform(0.5, 1.5, 5)

CALLS: list[Any] = [
    (lambda x: np.subtract.reduce(x, axis=1), (X,)),
    (lambda x: np.divide.reduce(x), (Z,)),
    (lambda x: np.power.reduce(x, axis=0), (X.astype(np.float32),)),
    (lambda x: np.arctan2.reduce(x), (LINE,)),
    (lambda x: np.float_power.accumulate(x, axis=-1), (X,)),
    (lambda x: np.divide.accumulate(x, axis=0), (Z,)),
    (lambda x: np.logaddexp.accumulate(x), (LINE.astype(np.float32),)),
    (lambda x: np.hypot.reduce(x, axis=1), (SIGNED,)),
    (lambda x: np.hypot.reduce(x, axis=None, keepdims=True), (SIGNED.astype(np.float32),)),
    (lambda x: np.floor_divide.reduceat(x, [0, 2]), (LINE,)),
    (sf.entr, (X,)),
    (lambda x: sf.scaled_bessel_i(x, 0), (X,)),
    (lambda x: sf.scaled_bessel_i(x, 2), (X.astype(np.float32),)),
    (lambda q: sf.zeta(2.5, q), (X,)),
    (lambda q: sf.zeta(np.array([2, 3, 4, 5]), q), (X,)),
    (lambda x: sf.gammainc(2.5, x), (X,)),
    (lambda x: sf.gammaincc(0.7, x), (X,)),
    (lambda x: sf.gamma_density(1.7, x), (X,)),
]

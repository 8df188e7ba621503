"""Special functions of statistics and physics: a table of functions and points."""

import numpy as np

from tests.oracles.points import Table, draw

__all__ = ["SPECIAL"]

WIDE = np.array([-3.0, -0.7, -0.1, 0.2, 1.1, 4.5])
UNIT = np.array([0.02, 0.2, 0.5, 0.7, 0.99])
ABOVE = np.array([0.3, 0.9, 2.0, 3.7, 8.0])
ORDERS = np.array([0.4, 1.0, 2.5, 3.0, 7.0])

SPECIAL: Table = {
    "erfinv": (lambda xp, x: xp.special.erfinv(x), 2 * UNIT - 1),
    "erfcx": (lambda xp, x: xp.special.erfcx(x), WIDE),
    "ndtri": (lambda xp, p: xp.special.ndtri(p), UNIT),
    "log_ndtr": (lambda xp, x: xp.special.log_ndtr(x), WIDE),
    "entr": (lambda xp, x: xp.special.entr(x), ABOVE),
    "i0e": (lambda xp, x: xp.special.i0e(x), WIDE),
    "i1e": (lambda xp, x: xp.special.i1e(x), WIDE),
    "zeta": (lambda xp, q: xp.special.zeta(2.5, q), ABOVE),
    "zeta of each exponent": (lambda xp, q: xp.special.zeta(1 + ORDERS, q), ABOVE),
    "gammainc": (lambda xp, x: xp.special.gammainc(ORDERS, x), ABOVE),
    "gammaincc": (lambda xp, x: xp.special.gammaincc(ORDERS, x), ABOVE),
    "gammainc of one number": (lambda xp, x: xp.special.gammainc(1.7, x) ** 2, draw(low=0.5)),
}

"""Values of special functions in plain NumPy: arrays in, arrays out, no derivatives.

Every function keeps the shape and the floating dtype of its argument, computes in float64, never
touches its input and gives no floating-point warnings. In float64 the results are at most 4 units
in the last place (ulp) from the exact values, except where a docstring says otherwise; in float32
and float16 they are rounded once.
"""

from funcgrad.special_values.airy import airy_ai
from funcgrad.special_values.bessel import bessel_i, scaled_bessel_i
from funcgrad.special_values.bessel_jy import j0, j1, y0, y1
from funcgrad.special_values.bessel_k import k0, k0e, k1, k1e
from funcgrad.special_values.error_function import erf, erfc
from funcgrad.special_values.incomplete_gamma import gamma_density, gammainc, gammaincc
from funcgrad.special_values.log_gamma import lgamma
from funcgrad.special_values.logistic import expit
from funcgrad.special_values.normal_tails import erfcx, erfinv, log_ndtr, ndtri
from funcgrad.special_values.psi import digamma
from funcgrad.special_values.psi_derivatives import polygamma, trigamma
from funcgrad.special_values.zeta import zeta

__all__ = [
    "airy_ai",
    "bessel_i",
    "digamma",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "expit",
    "gamma_density",
    "gammainc",
    "gammaincc",
    "j0",
    "j1",
    "k0",
    "k0e",
    "k1",
    "k1e",
    "lgamma",
    "log_ndtr",
    "ndtri",
    "polygamma",
    "scaled_bessel_i",
    "trigamma",
    "y0",
    "y1",
    "zeta",
]

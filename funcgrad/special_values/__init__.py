"""Values of special functions in plain NumPy: arrays in, arrays out, no derivatives.

Every function keeps the shape and the floating dtype of its argument, computes in float64, never
touches its input and gives no floating-point warnings. In float64 the results are at most 4 units
in the last place (ulp) from the exact values, except where a docstring says otherwise; in float32
and float16 they are rounded once.
"""

from funcgrad.special_values.error_function import erf, erfc
from funcgrad.special_values.log_gamma import lgamma
from funcgrad.special_values.logistic import expit
from funcgrad.special_values.psi import digamma
from funcgrad.special_values.psi_derivatives import polygamma, trigamma

__all__ = ["digamma", "erf", "erfc", "expit", "lgamma", "polygamma", "trigamma"]

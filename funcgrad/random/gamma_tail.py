"""How a gamma number moves with its parameter, so that its distribution function keeps its value.

The distribution function is P(a, x) = xᵃ e⁻ˣ / Γ(a + 1) · V(a, x), and 1 - P has W in the place of
V. A number x(a) of which P(a, x(a)) does not change has, as F(x; a) in M. Figurnov, S. Mohamed,
A. Mnih, "Implicit reparameterization gradients" (2018),

    d log x / da = - ∂ₐP / (x ∂ₓP) = (R (log x - ψ(a + 1)) + ∂ₐR) / a,   R = -V or W.

So the derivatives of R by a are all that is needed. Those by log x follow from
∂R / ∂(log x) = -a - (a - x) R, and with them every derivative of every order.
"""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from funcgrad.core.tracer import bind
from funcgrad.families.batching import aligned
from funcgrad.families.smooth import smooth
from funcgrad.primitives.special import digamma
from funcgrad.special_values.evaluation import evaluate_pairs

__all__ = ["gamma_tail", "log_slope"]

Doubles = NDArray[np.float64]

SERIES = 100.0
"""Parameters up to which the power series has few terms."""
STEPS = 10_000
EXPONENT = 42.0
"""exp of minus this much is below rounding."""


def gamma_tail_value(a: Any, log_x: Any, *, order: int) -> Any:
    """The derivative by a of some order of -V where x < a + 1, else of W."""
    return evaluate_pairs("gamma_tail", functools.partial(_tail, order=order), a, log_x)


def _tail(a: Doubles, log_x: Doubles, order: int) -> Doubles:
    x = np.exp(log_x)
    below = x < a + 1
    large = a > SERIES
    out = np.full_like(x, np.nan)
    for chosen, evaluate in (
        (below & ~large, _series),
        (below & large, functools.partial(_integral, sign=-1.0)),
        (x >= a + 1, functools.partial(_integral, sign=1.0)),
    ):
        if chosen.any():
            out[chosen] = evaluate(a[chosen], x[chosen], order)
    return out


def _series(a: Doubles, x: Doubles, order: int) -> Doubles:
    """-V: V = Σ xⁿ / ((a + 1) … (a + n)) (DLMF 8.7.1), with its derivatives by a.

    A term T follows t by (a + n) T = x t, so its k-th derivative from (a + n) Tₖ + k Tₖ₋₁ = x tₖ.
    """
    terms = [np.ones_like(x)] + [np.zeros_like(x)] * order
    total = terms[order]
    for n in range(1, STEPS):
        below = np.zeros_like(x)
        for k, term in enumerate(terms):
            terms[k] = below = (x * term - k * below) / (a + n)
        total = total + terms[order]
        if n > 2 and not (np.abs(terms[order]) > 1e-17 * np.abs(total)).any():
            break
    return -total


@functools.cache
def _gauss() -> tuple[Doubles, Doubles]:
    """Nodes and weights of Gauss and Legendre's quadrature on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(64)
    return (1 + nodes) / 2, weights / 2


def _integral(a: Doubles, x: Doubles, order: int, sign: float) -> Doubles:
    """±a ∫ (1 ± v)ᵃ⁻¹ e⁻⁺ˣᵛ dv over v > 0 (up to 1 for minus), with its derivatives by a.

    They have powers of log(1 ± v) in the integrand. The integral ends where e⁻⁴² is left of it.
    """
    b = np.maximum(a - 1, 0.0)
    if sign > 0:
        c = x - b
        square, linear = b + 2 * c, 2 * c - 2 * EXPONENT
        end = (np.sqrt(linear**2 + 8 * EXPONENT * square) - linear) / (2 * square)
    else:
        c = b - x
        end = np.minimum((np.sqrt(c * c + 2 * EXPONENT * b) - c) / b, 1 - 1e-9)
    nodes, weights = _gauss()
    v = sign * end[:, None] * nodes
    logs = np.log1p(v)
    density = np.exp((a - 1)[:, None] * logs - x[:, None] * v)
    integral = end * ((density * logs**order) @ weights)
    out = a * integral
    if order:
        out = out + order * (end * ((density * logs ** (order - 1)) @ weights))
    signed: Doubles = sign * out
    return signed


def _jvp(out: Any, a: Any, log_x: Any, a_dot: Any, log_x_dot: Any, *, order: int) -> Any:
    by_log_x = (np.exp(log_x) - a) * out
    if order == 0:
        by_log_x = by_log_x - a
    else:
        by_log_x = by_log_x - order * gamma_tail(a, log_x, order - 1) - (order == 1)
    return a_dot * gamma_tail(a, log_x, order + 1) + log_x_dot * by_log_x


gamma_tail_p = smooth(
    "gamma_tail",
    gamma_tail_value,
    _jvp,
    batch=aligned,
    domain=((0.2, 4.0), (-1.0, 1.0)),
    analytic=False,
)


def gamma_tail(a: Any, log_x: Any, order: int) -> Any:
    """∂ₐᵏR(a, x): of -V where x < a + 1, else of W."""
    return bind(gamma_tail_p, a, log_x, order=order)


def log_slope(a: Any, log_x: Any) -> Any:
    """d log x / da of a gamma number of rate 1, at the same P(a, x)."""
    shift = log_x - digamma(a + 1)
    return (gamma_tail(a, log_x, 0) * shift + gamma_tail(a, log_x, 1)) / a

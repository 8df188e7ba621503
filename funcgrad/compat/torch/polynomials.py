"""Orthogonal polynomials of `torch.special`, by their three-term recurrences.

As in PyTorch they have values and no derivatives: a result never requires grad.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.outputs import binary, unary
from funcgrad.compat.torch.registry import expose

__all__: list[str] = []

Start = Callable[[Any], Any]
Next = Callable[[Any, Any, Any, int], Any]


def _polynomial(first: Start, step: Next) -> Callable[[Any, Any], Any]:
    """p_n(x), with p₀ = 1, p₁ = first(x) and p_{k+1} = step(x, p_k, p_{k-1}, k); 0 for n < 0."""

    def value(x: Any, n: Any) -> Any:
        shape = np.broadcast_shapes(np.shape(x), np.shape(n))
        x, n = np.asarray(x, np.result_type(x, n)), np.trunc(np.asarray(n))
        before, now = np.ones_like(x), np.asarray(first(x))
        kind = x.dtype.type
        found = np.where(n == 0, kind(1), np.where(n == 1, now, kind(0)))
        highest = int(np.max(n, initial=0))
        with np.errstate(over="ignore", invalid="ignore"):
            for k in range(1, highest):
                before, now = now, np.asarray(step(x, now, before, k))
                found = np.where(n == k + 1, now, found)
        return np.broadcast_to(found, shape).astype(x.dtype)[()]

    return value


def _chebyshev(x: Any, now: Any, before: Any, _k: int) -> Any:
    return 2 * x * now - before


def _shifted(first: Start) -> Callable[[Any, Any], Any]:
    """A Chebyshev polynomial of 2 x - 1, so that [0, 1] stands for [-1, 1]."""
    inner = _polynomial(first, _chebyshev)
    return lambda x, n: inner(2 * x - 1, n)


_CHEBYSHEV: dict[str, Start] = {
    "t": lambda x: x,
    "u": lambda x: 2 * x,
    "v": lambda x: 2 * x - 1,
    "w": lambda x: 2 * x + 1,
}

_POLYNOMIALS = {
    "hermite_polynomial_h": _polynomial(
        lambda x: 2 * x, lambda x, now, before, k: 2 * (x * now - k * before)
    ),
    "hermite_polynomial_he": _polynomial(
        lambda x: x, lambda x, now, before, k: x * now - k * before
    ),
    "laguerre_polynomial_l": _polynomial(
        lambda x: 1 - x, lambda x, now, before, k: ((2 * k + 1 - x) * now - k * before) / (k + 1)
    ),
    "legendre_polynomial_p": _polynomial(
        lambda x: x, lambda x, now, before, k: ((2 * k + 1) * x * now - k * before) / (k + 1)
    ),
    **{f"chebyshev_polynomial_{k}": _polynomial(p, _chebyshev) for k, p in _CHEBYSHEV.items()},
    **{f"shifted_chebyshev_polynomial_{k}": _shifted(p) for k, p in _CHEBYSHEV.items()},
}

for _name, _value in _POLYNOMIALS.items():
    _op = Op(None, _value, promote="float", name=_name)
    expose(_name, binary(_name, _op, numbers="xy"), method=False, module="special")


def _sinc(x: Any) -> Any:
    """sin(x) / x, 1 at 0 and 0 at ±∞."""
    x = np.asarray(x)
    with np.errstate(invalid="ignore"):
        found = np.sinc(x / np.pi)
    return np.where(np.isinf(x), 0, found).astype(x.dtype)[()]


expose(
    "spherical_bessel_j0",
    unary("spherical_bessel_j0", Op(None, _sinc, promote="float", name="spherical_bessel_j0")),
    method=False,
    module="special",
)

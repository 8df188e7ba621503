"""Functions to differentiate and where: what record_jax.py records and test_recorded_jax.py reads.

A case is written once, as a function of a namespace `xp` (`tests.oracles.namespaces`) and arrays.
Points are away from kinks and ties, except in `CONVENTIONS`, where funcgrad and JAX are known to
differ.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.oracles.arranging_cases import ARRANGEMENTS
from tests.oracles.array_cases import INDEXING, REDUCTIONS, STRUCTURE
from tests.oracles.decomposition_cases import DECOMPOSITIONS, EIGENVALUES
from tests.oracles.flow_cases import FLOW
from tests.oracles.fourier_cases import FOURIER
from tests.oracles.kink_cases import KINKS
from tests.oracles.matrix_cases import CONTRACTIONS, LINALG
from tests.oracles.nn_cases import NN
from tests.oracles.points import (
    DM,
    MASK,
    ROWS,
    M,
    N,
    T,
    Table,
    V,
    W,
    Z,
    draw,
    drawz,
    well,
)
from tests.oracles.reducer_cases import REDUCERS
from tests.oracles.signal_cases import SIGNALS
from tests.oracles.special_cases import SPECIAL
from tests.oracles.statistics_cases import STATISTICS

__all__ = ["CASES", "CONVENTIONS", "Case", "Convention"]


@dataclass(frozen=True)
class Case:
    """A function and a point.

    Attributes:
        name: unique.
        call: `call(xp, *args)` is an array or a pytree of arrays.
        args: floating-point arrays.
        rtol: allowed relative error; larger than 1e-9 only with a reason beside the case.
        twice: whether JAX has second derivatives.
    """

    name: str
    call: Callable[..., Any]
    args: tuple[Any, ...]
    rtol: float = 1e-9
    twice: bool = True


@dataclass(frozen=True)
class Convention:
    """A point where a derivative is a matter of convention, and funcgrad's differs from JAX's.

    Attributes:
        name: unique.
        call: as in a case; the gradient of its sum is compared.
        args: the point.
        gradient: funcgrad's, by the first argument (the convention is explained in the docs).
    """

    name: str
    call: Callable[..., Any]
    args: tuple[Any, ...]
    gradient: Any


# --- ufuncs -----------------------------------------------------------------------------------

# Interval in which the function is smooth, and whether complex points are compared too.
UNARY: dict[str, tuple[float, float, bool]] = {
    "sin": (-4, 4, True),
    "cos": (-4, 4, True),
    "tan": (-1.4, 1.4, True),
    "arcsin": (-0.95, 0.95, True),
    "arccos": (-0.95, 0.95, True),
    "arctan": (-3, 3, True),
    "sinh": (-3, 3, True),
    "cosh": (-3, 3, True),
    "tanh": (-3, 3, True),
    "arcsinh": (-3, 3, True),
    "arccosh": (1.1, 4, False),
    "arctanh": (-0.9, 0.9, True),
    "exp": (-3, 3, True),
    "exp2": (-3, 3, True),
    "expm1": (-3, 3, True),
    "log": (0.1, 5, True),
    "log2": (0.1, 5, True),
    "log10": (0.1, 5, True),
    "log1p": (-0.9, 4, True),
    "sqrt": (0.1, 5, True),
    "cbrt": (0.1, 5, False),
    "square": (-3, 3, True),
    "reciprocal": (0.2, 3, True),
    "negative": (-3, 3, True),
    "positive": (-3, 3, True),
    "conjugate": (-3, 3, True),
    "absolute": (-3, -0.1, True),
    "fabs": (0.1, 3, False),
    "deg2rad": (-180, 180, False),
    "rad2deg": (-3, 3, False),
    "radians": (-180, 180, False),
    "degrees": (-3, 3, False),
    "sinc": (0.1, 3, False),
    "sign": (0.1, 3, False),
    "floor": (0.1, 0.9, False),
    "ceil": (0.1, 0.9, False),
    "trunc": (0.1, 0.9, False),
    "rint": (0.6, 0.9, False),
    "real": (-3, 3, True),
    "imag": (-3, 3, True),
    "angle": (0.1, 3, True),
    "nan_to_num": (-3, 3, False),
}

# Intervals of both operands, and whether complex points are compared too.
BINARY: dict[str, tuple[float, float, float, float, bool]] = {
    "add": (-3, 3, -3, 3, True),
    "subtract": (-3, 3, -3, 3, True),
    "multiply": (-3, 3, -3, 3, True),
    "divide": (-3, 3, 0.3, 3, True),
    "power": (0.2, 3, -2, 2, True),
    "float_power": (0.2, 3, -2, 2, True),
    "remainder": (0.1, 0.9, 1, 1.5, False),
    "fmod": (2.1, 2.9, -1.05, -0.99, False),
    "floor_divide": (0.1, 0.9, 1, 1.5, False),
    "arctan2": (0.3, 3, -3, 3, False),
    "hypot": (0.3, 3, -3, 3, False),
    "logaddexp": (-3, 3, -3, 3, False),
    "logaddexp2": (-3, 3, -3, 3, False),
    "maximum": (-3, 0, 0.1, 3, False),
    "minimum": (-3, 0, 0.1, 3, False),
    "fmax": (-3, 0, 0.1, 3, False),
    "fmin": (-3, 0, 0.1, 3, False),
    "copysign": (0.1, 3, -3, -0.1, False),
    "heaviside": (0.1, 3, 0.1, 3, False),
}


def ufuncs() -> Iterator[Case]:
    """Each ufunc on real and complex arrays, broadcasting, and with Python scalars."""
    for seed, (name, (low, high, analytic)) in enumerate(UNARY.items()):

        def unary(xp: Any, x: Any, name: str = name) -> Any:
            return getattr(xp, name)(x)

        yield Case(name, unary, (draw(5, low=low, high=high, seed=seed),))
        if analytic:
            yield Case(f"{name} complex", unary, (drawz(5, seed=seed),))
    for seed, (name, (a, b, c, d, analytic)) in enumerate(BINARY.items()):

        def binary(xp: Any, x: Any, y: Any, name: str = name) -> Any:
            return getattr(xp, name)(x, y)

        x, y = draw(2, 3, low=a, high=b, seed=seed), draw(2, 3, low=c, high=d, seed=50 + seed)
        yield Case(name, binary, (x, y))
        yield Case(f"{name} broadcast", binary, (x[:, :1], y[0]))
        if analytic:
            yield Case(f"{name} complex", binary, (drawz(2, 3, seed=seed), drawz(3, seed=seed)))
            yield Case(f"{name} real and complex", binary, (x, drawz(3, seed=seed)))


OPERATORS: Table = {
    "scalars": (lambda xp, x: 2 / x + 3 * x - x / 4 + 1 - (-x), M),
    "x ** 0": (lambda xp, x: x**0, np.array([0.0, 1.5, -2.0])),
    "x ** 1": (lambda xp, x: x**1, np.array([0.0, 1.5, -2.0])),
    "x ** 2": (lambda xp, x: x**2, np.array([0.0, 1.5, -2.0])),
    "x ** 3": (lambda xp, x: x**3, np.array([0.0, 1.5, -2.0])),
    "x ** -2": (lambda xp, x: x**-2, np.array([0.5, 1.5, -2.0])),
    "x ** 2.5": (lambda xp, x: x**2.5, draw(4, low=0.1, high=3)),
    "2 ** x": (lambda xp, x: 2.0**x, V),
    "complex ** 3": (lambda xp, z: z**3, Z),
    "complex ** x": (lambda xp, z, x: z**x, Z, V),
    "% and //": (lambda xp, x: (x % 0.7) * (x // 0.7), np.array([0.5, 1.0, -1.2])),
    "abs": (lambda xp, x: abs(x), DM),
    "divmod": (lambda xp, x: xp.divmod(x, 0.7), np.array([0.5, 1.0, -1.2])),
    "modf": (lambda xp, x: xp.modf(x)[0] * x, np.array([0.5, 1.3, -1.2])),
    "ldexp": (lambda xp, x: xp.ldexp(x, np.array([1, -2, 3])), draw(3)),
    "frexp": (lambda xp, x: xp.frexp(x)[0], np.array([0.6, 1.3, -5.2])),
    "shared operand": (lambda xp, x: x * x + xp.sin(x) * x - x / (2 + x * x), M),
    "real part of complex": (lambda xp, z: z.real**2 - z.imag * z.real, Z),
    "conj": (lambda xp, z: z * xp.conj(z) + z.conj(), Z),
    "modulus squared": (lambda xp, z: xp.abs(z) ** 2, Z),
    "arccosh complex": (lambda xp, z: xp.arccosh(z), np.abs(Z.real) + 0.1 + 1j * Z.imag),
    "to complex": (lambda xp, x: xp.exp(1j * x) * (1 + 2j), V),
    "from polar": (lambda xp, r, a: r * xp.exp(1j * a), V, W),
    "cast to complex": (lambda xp, x: x.astype(complex) * 1j, V),
    "real_if_close": (lambda xp, x: xp.real(x + 0j), V),
}

# --- pytrees ----------------------------------------------------------------------------------

PYTREES: Table = {
    "two results": (lambda xp, x, y: (x * y, xp.sum(x) + y), M, draw(4)),
    "dictionary": (lambda xp, x, y: {"b": [x @ y, x * 2], "a": (y,)}, M, draw(4)),
    "unused argument": (lambda xp, x, y: x * 2, M, draw(4)),
    "constant result": (lambda xp, x: (x * x, xp.zeros(3)), M),
    "result is argument": (lambda xp, x, y: (x, y, x), V, W),
}

# --- composed functions -----------------------------------------------------------------------


def newton(xp: Any, a: Any) -> Any:
    """Square roots by Newton's method: a loop whose derivative goes through every step."""
    y = a
    for _ in range(6):
        y = 0.5 * (y + a / y)
    return y


def pendulum(xp: Any, state: Any) -> Any:
    """A damped pendulum after ten steps of Euler's method."""
    for _ in range(10):
        angle, speed = state[0], state[1]
        state = state + 0.1 * xp.stack([speed, -xp.sin(angle) - 0.1 * speed])
    return state


def kernel(xp: Any, x: Any, scale: Any) -> Any:
    """A Gaussian kernel matrix."""
    differences = x[:, None, :] - x[None, :, :]
    return xp.exp(-xp.sum(differences**2, axis=-1) / (2 * scale**2))


def attention(xp: Any, q: Any, k: Any, v: Any) -> Any:
    """Scaled dot-product attention that sees no later place."""
    scores = q @ xp.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    seen = np.tri(q.shape[-2], k.shape[-2], dtype=bool)
    return xp.nn.softmax(xp.where(seen, scores, -1e9)) @ v


def layer_norm(xp: Any, x: Any, scale: Any, shift: Any) -> Any:
    """Rows of mean 0 and variance 1, scaled and shifted."""
    apart = x - xp.mean(x, axis=-1, keepdims=True)
    return apart / xp.sqrt(xp.var(x, axis=-1, keepdims=True) + 1e-5) * scale + shift


def kalman(xp: Any, a: Any, q: Any, r: Any, measured: Any) -> Any:
    """Log-likelihood of measurements of the first coordinate by a Kalman filter."""
    mean, cov, total = xp.zeros(2), np.eye(2), 0.0
    for y in measured:
        mean, cov = a @ mean, a @ cov @ a.T + xp.exp(q) * np.eye(2)
        variance = cov[0, 0] + xp.exp(r)
        gain, miss = cov[:, 0] / variance, y - mean[0]
        total = total - 0.5 * (xp.log(variance) + miss**2 / variance)
        mean, cov = mean + gain * miss, cov - xp.outer(gain, cov[0])
    return total


def runge_kutta(xp: Any, state: Any, rates: Any) -> Any:
    """Predators and prey after five steps of the classical Runge-Kutta method."""

    def slope(y: Any) -> Any:
        return xp.stack([y[0] * (rates[0] - y[1]), y[1] * (y[0] - rates[1])])

    h = 0.2
    for _ in range(5):
        k1 = slope(state)
        k2 = slope(state + h / 2 * k1)
        k3 = slope(state + h / 2 * k2)
        k4 = slope(state + h * k3)
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return state


def mixture(xp: Any, x: Any, weights: Any, centres: Any, log_widths: Any) -> Any:
    """Log-likelihood of points by a mixture of Gaussians."""
    z = (x[:, None] - centres) * xp.exp(-log_widths)
    return xp.sum(xp.nn.logsumexp(xp.nn.log_softmax(weights) - log_widths - z**2 / 2, axis=1))


def resonances(xp: Any, z: Any, poles: Any) -> Any:
    """The modulus of a sum of complex resonances, in decibels."""
    response = xp.sum(1 / (1j * z[:, None] - poles), axis=1)
    return 20 * xp.log10(xp.abs(response)) + xp.angle(response)


COMPOSED: Table = {
    "attention": (attention, draw(2, 3, 2), draw(2, 3, 2, seed=1), draw(2, 3, 4)),
    "layer_norm": (layer_norm, M, draw(4), draw(4, seed=1)),
    "kalman": (kalman, well(2, 2) / 4, np.array(-1.0), np.array(-0.5), draw(5)),
    "runge_kutta": (runge_kutta, np.array([1.2, 0.8]), np.array([1.1, 0.7])),
    "mixture": (mixture, V, draw(3), draw(3, seed=1), draw(3, low=-0.5, high=0.5)),
    "resonances": (resonances, draw(4, low=0.5, high=2), -0.3 - np.abs(drawz(3).real) + 1j),
    "newton": (newton, draw(4, low=0.5, high=4)),
    "pendulum": (pendulum, np.array([0.5, -0.2])),
    "kernel": (kernel, draw(4, 2), draw(low=0.5, high=1.5)),
    "convolution": (
        lambda xp, x, k: xp.stack([xp.sum(x[i : i + 3] * k[::-1]) for i in range(3)]),
        V,
        draw(3),
    ),
    "standardise": (lambda xp, x: (x - xp.mean(x, 0)) / (xp.std(x, 0) + 0.1), M),
    "rosenbrock": (lambda xp, x: xp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2), V),
    "complex product": (
        lambda xp, z, w: xp.real(xp.sum(z * xp.conj(w)) * xp.exp(z[0])),
        Z,
        Z[::-1],
    ),
    "not holomorphic": (lambda xp, z: xp.conj(z) * z**2 + xp.abs(z) * z.imag, Z),
}


HX, HM, HZ = np.float32(V), np.float32(M), np.complex64(Z)
HALVES: Table = {
    "float32 and Python scalars": (lambda xp, x: xp.sin(2.0 * x) / 3 + xp.where(x > 0, x, 1), HX),
    "float32 and float64": (lambda xp, x, y: xp.exp(x) * y, HX, W),
    "float32 and complex128": (lambda xp, x, z: x * z, HX, Z),
    "float32 means": (lambda xp, x: xp.mean(x, 0) + xp.std(x, 0) + xp.var(x) + xp.prod(x, 0), HM),
    "float32 matrix products": (lambda xp, a, b: xp.dot(a, a.T) @ b[:3], HM, W),
    "float32 rows": (lambda xp, x: x[ROWS] ** 2 + xp.cumsum(x, axis=1)[:, :1], HM),
    "float32 updates": (lambda xp, x, v: xp.at(x)[ROWS].add(v) * x, HM, np.float32(N[0])),
    "float32 solve": (lambda xp, a, b: xp.linalg.solve(a, b), np.float32(well(3, 3)), HX[:3]),
    "float32 softmax": (lambda xp, x: xp.nn.softmax(x) * xp.nn.gelu(x), HX),
    "cast to float64 and back": (lambda xp, x: (x.astype(np.float64) ** 2).astype(np.float32), HX),
    "complex64": (lambda xp, z: xp.abs(z) + xp.exp(z) * z.imag, HZ),
    "float32 spectrum": (lambda xp, x: xp.fft.rfft(x, 6, norm="ortho") ** 2, HM),
    "complex64 spectrum": (lambda xp, z: (xp.fft.ifft(z), xp.fft.irfft(z, 7)), HZ),
    "float32 eigenvalues": (lambda xp, x: xp.linalg.eigvalsh(x @ x.T + np.eye(3, dtype="f")), HM),
    "float32 singular values": (lambda xp, x: xp.linalg.norm(x, "nuc") * xp.linalg.pinv(x), HM),
    "float32 least squares": (lambda xp, x: xp.linalg.lstsq(x.T, x[0] + 1)[0], HM),
    "float32 quantiles": (lambda xp, x: (xp.quantile(x, 0.3, axis=1), xp.median(x)), HM),
    # NumPy's own result is float64 if no dtype is given.
    "float32 covariance": (lambda xp, x: xp.cov(x, dtype="f") * xp.corrcoef(x, dtype="f"), HM),
    "float32 signals": (
        lambda xp, x, k: (xp.convolve(x, k, "same"), xp.correlate(x, k), xp.trapezoid(x)),
        HX,
        HX[:3],
    ),
    "float32 polynomials": (lambda xp, p, x: xp.polyval(p, x) * xp.poly(x)[:4], HX[:3], HX[:4]),
    "float32 scan": (lambda xp, x: xp.control.scan(lambda c, r: (c * r, c + r), x[0], x), HM),
    "float32 loop": (lambda xp, x: xp.control.fori_loop(0, 4, lambda i, y: y * x + 1, x), HX),
    "float32 padding": (lambda xp, x: xp.pad(x, 2, "reflect") * 0.5 + xp.pad(x, 2, "mean"), HM),
}
# JAX adds halves up in float32 and rounds once, NumPy rounds each sum: three digits.
HALF_M, HALF_N, HALF_T = (np.float16(x / 4) for x in (M, N, T))
QUARTERS: Table = {
    "float16 means": (lambda xp, x: xp.mean(x, 0) * xp.tanh(x) + xp.sum(x), np.float16(M / 4)),
    "float16 products": (
        lambda xp, x, y: x @ y / 2 + 0.5 * x[:, :1],
        np.float16(M),
        np.float16(N.T),
    ),
    "float16 mean of all": (lambda xp, x: xp.mean(x) * x, HALF_M),
    "float16 mean over axes": (lambda xp, x: xp.mean(x, (0, 2), keepdims=True) * x, HALF_T),
    "float16 mean where": (lambda xp, x: xp.mean(x, 0, where=MASK), HALF_M),
    "float16 sums": (lambda xp, x: (xp.sum(x, (0, -1)), xp.sum(x * x), x.sum(1)), HALF_T),
    "float16 running sums": (lambda xp, x: xp.cumsum(x, 1) * x + xp.cumprod(x + 1, 0), HALF_M),
    "float16 prod": (lambda xp, x: xp.prod(x + 1, 1) + xp.prod(x + 1), HALF_M),
    "float16 spread": (lambda xp, x: xp.var(x, 0) * 4 + xp.std(x, 0, ddof=1), HALF_M),
    "float16 extrema": (lambda xp, x: xp.max(x, 0) * xp.min(x, 1)[:, None], np.float16(DM / 2)),
    "float16 dot": (lambda xp, x, y: xp.dot(x, y) * xp.sum(x), HALF_M[0], HALF_N[0]),
    "float16 stacked products": (lambda xp, x, y: x @ y, HALF_T, HALF_N.T),
    "float16 einsum": (lambda xp, x, y: xp.einsum("bij,kj->bk", x, y), HALF_T, HALF_N),
    "float16 and Python scalars": (lambda xp, x: 2.5 * x / 3 + 1 - x**2 + 2.0**x, HALF_M),
    "float16 and float32": (lambda xp, x, y: xp.exp(x) * y, HALF_M, HM),
    "float16 functions": (lambda xp, x: xp.exp(x) * xp.sin(x) + xp.sqrt(x + 2), HALF_M),
    "float16 softmax": (lambda xp, x: xp.nn.softmax(x, 0) + xp.nn.log_softmax(x), HALF_M),
    "float16 activations": (
        lambda xp, x: xp.nn.gelu(x) + xp.nn.silu(x) + xp.nn.elu(x, 0.5),
        HALF_M,
    ),
    "float16 indexing": (lambda xp, x: x[ROWS] * xp.at(x)[1].set(0.5)[:1], HALF_M),
}


def tables() -> Iterator[Case]:
    """The cases of all tables above."""
    structured = (STRUCTURE, INDEXING, CONTRACTIONS, LINALG)
    surface = (FOURIER, DECOMPOSITIONS, STATISTICS, SIGNALS, ARRANGEMENTS, REDUCERS, SPECIAL, FLOW)
    for table in (OPERATORS, REDUCTIONS, *structured, NN, KINKS, PYTREES, COMPOSED, *surface):
        for name, (call, *args) in table.items():
            yield Case(name, call, tuple(args))
    for name, (call, *args) in EIGENVALUES.items():
        yield Case(name, call, tuple(args), twice=False)
    for name, (call, *args) in HALVES.items():
        # Dtypes are compared here, and numbers to what seven digits leave.
        yield Case(name, call, tuple(args), rtol=1e-4)
    for name, (call, *args) in QUARTERS.items():
        yield Case(name, call, tuple(args), rtol=1e-2)


CASES = [*ufuncs(), *tables()]

ZERO, ONES, LEFT = np.zeros(2), np.ones(2), np.array([-0.5 + 0.3j, -1.2 - 0.7j])
CONVENTIONS = [
    # The subgradient of least norm, where JAX takes one side or divides zero by zero.
    Convention("abs at 0", lambda xp, x: xp.abs(x), (ZERO,), ZERO),
    Convention("norm of zeros", lambda xp, x: xp.linalg.norm(x), (ZERO,), ZERO),
    Convention("std of equal values", lambda xp, x: xp.std(x), (np.ones(2),), ZERO),
    Convention("arctan2 at the origin", lambda xp, x: xp.arctan2(x, ZERO), (ZERO,), ZERO),
    Convention("hypot at the origin", lambda xp, x: xp.hypot(x, x), (ZERO,), ZERO),
    # Ties are split evenly; JAX gives fmax and fmin of equal operands to the second one, and halves
    # what came before at each tie of a running maximum.
    Convention("fmax of equal operands", lambda xp, x: xp.fmax(x, ONES), (ONES,), ONES / 2),
    Convention("fmin of equal operands", lambda xp, x: xp.fmin(x, ONES), (ONES,), ONES / 2),
    Convention(
        "three ties of maximum.accumulate",
        lambda xp, x: xp.maximum.accumulate(x),
        (np.ones(3),),
        np.array([1 + 1 / 2 + 1 / 3, 1 / 2 + 1 / 3, 1 / 3]),
    ),
    # The slope of sin(πx)/(πx) is -π²x/3 near 0; JAX divides what is left of a cancellation by x².
    Convention(
        "sinc near 0",
        lambda xp, x: xp.sinc(x),
        (np.array([1e-9, -1e-6]),),
        np.array([1e-9, -1e-6]) * (-(np.pi**2) / 3),
    ),
    # The value is x itself at both edges; JAX splits the derivative with the edge.
    Convention(
        "clip at its edges", lambda xp, x: xp.clip(x, 0.0, 1.0), (np.array([0.0, 1.0]),), np.ones(2)
    ),
    # 1/(√(z−1) √(z+1)); JAX takes the other root of z² − 1 in the left half-plane.
    Convention(
        "arccosh in the left half-plane",
        lambda xp, z: xp.real(xp.arccosh(z)),
        (LEFT,),
        1 / (np.sqrt(LEFT - 1) * np.sqrt(LEFT + 1)),
    ),
    # sign(x + iy) = (x + iy)/r turns with z: ∂(x/r)/∂x − i ∂(x/r)/∂y = (y² + ixy)/r³. JAX says 0.
    Convention(
        "sign of complex numbers",
        lambda xp, z: xp.real(xp.sign(z)),
        (LEFT,),
        (LEFT.imag**2 + 1j * LEFT.real * LEFT.imag) / np.abs(LEFT) ** 3,
    ),
    # I₀″ = (I₀ + I₂) / 2; JAX says 0.
    Convention(
        "second derivative of i0 at 0",
        lambda xp, x: xp.control.jvp(xp.i0, (x,), (ONES,))[1],
        (ZERO,),
        ONES / 2,
    ),
    # The smaller one of equal eigenvalues, with its share of each direction; JAX's derivative is
    # along the vector that it found.
    Convention(
        "equal eigenvalues",
        lambda xp, a: xp.linalg.eigvalsh(a)[0],
        (np.eye(2),),
        np.eye(2) / 2,
    ),
    # The subgradient of least norm, where JAX takes U Vᴴ of the vectors that it found.
    Convention(
        "nuclear norm of zeros",
        lambda xp, a: xp.linalg.norm(a, "nuc"),
        (np.zeros((2, 2)),),
        np.zeros((2, 2)),
    ),
]

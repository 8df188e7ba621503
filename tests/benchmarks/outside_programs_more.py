"""Programs as users of NumPy write them: filters, fits, simulations, one layer of a network."""

from functools import partial
from typing import Any

import numpy as np

from tests.benchmarks.outside_programs import ADBENCH, program
from tests.benchmarks.workload import Data, Workload

__all__ = ["PROGRAMS"]


# Kalman filter: a point with position and velocity in the plane, its position is measured.


def kalman_data(steps: int) -> Data:
    """Logarithms of the variances of motion (2,) and measurement (2,); A, H, measurements."""
    rng = np.random.default_rng(30)
    motion = np.eye(4) + np.diag([0.1, 0.1], 2)
    return Data(
        params=(np.array([-2.0, -1.0]), np.array([-1.0, -0.5])),
        constants=(motion, np.eye(2, 4), np.eye(4), rng.normal(size=(steps, 2))),
    )


def kalman(xp: Any, motion: Any, noise: Any, A: Any, H: Any, eye: Any, measured: Any) -> Any:
    """Negative log-likelihood of measurements, up to a constant."""
    variances = xp.exp(motion)
    Q = eye * xp.stack([variances[0], variances[0], variances[1], variances[1]])
    R = (H @ H.T) * xp.exp(noise)
    mean, P = eye[0] * 0.0, eye
    total = 0.0
    for z in measured:
        mean, P = A @ mean, A @ P @ A.T + Q
        S = H @ P @ H.T + R
        v = z - H @ mean
        solved = xp.linalg.solve(S, v)
        total = total + 0.5 * (xp.linalg.slogdet(S)[1] + v @ solved)
        gain = xp.linalg.solve(S, H @ P)
        mean = mean + v @ gain
        P = P - (H @ P).T @ gain
    return total


# A block of a transformer, by einsum.


def block_data(batch: int, length: int, width: int, heads: int) -> Data:
    """Matrices of attention and of two layers, gains; input and target (batch, length, width)."""
    rng = np.random.default_rng(31)

    def normal(*shape: int, scale: float = 1.0) -> Any:
        return (rng.normal(size=shape) * scale).astype(np.float32)

    each, scale = width // heads, width**-0.5
    mask = np.triu(np.full((length, length), -1e9, np.float32), 1)
    return Data(
        params=(
            *(normal(width, heads, each, scale=scale) for _ in range(3)),
            normal(heads, each, width, scale=scale),
            normal(width, 4 * width, scale=scale),
            normal(4 * width, width, scale=scale / 2),
            1 + normal(2, width, scale=0.1),
        ),
        constants=(normal(batch, length, width), normal(batch, length, width), mask),
    )


def block(
    xp: Any, q: Any, k: Any, v: Any, o: Any, up: Any, down: Any, gains: Any, x: Any, y: Any, m: Any
) -> Any:
    """Mean squared error of x + attention(norm(x)), then + layers(norm(…)), against y."""

    def norm(x: Any, gain: Any) -> Any:
        centred = x - xp.mean(x, axis=-1, keepdims=True)
        variance = xp.mean(centred * centred, axis=-1, keepdims=True)
        return centred / xp.sqrt(variance + 1e-5) * gain

    h = norm(x, gains[0])
    queries, keys, values = (xp.einsum("btd,dhk->bhtk", h, w) for w in (q, k, v))
    scores = xp.einsum("bhtk,bhsk->bhts", queries, keys) * q.shape[2] ** -0.5 + m
    weights = xp.exp(scores - xp.amax(scores, -1, keepdims=True))
    weights = weights / xp.sum(weights, axis=-1, keepdims=True)
    mixed = xp.einsum("bhts,bhsk->bhtk", weights, values)
    x = x + xp.einsum("bhtk,hkd->btd", mixed, o)
    h = norm(x, gains[1]) @ up
    h = 0.5 * h * (1.0 + xp.tanh(0.7978845608 * (h + 0.044715 * h * h * h)))
    error = x + h @ down - y
    return xp.mean(error * error)


# Gravity.


def bodies_data(n: int) -> Data:
    """Places (n, 3); masses (n,)."""
    rng = np.random.default_rng(32)
    return Data(params=(rng.normal(size=(n, 3)),), constants=(rng.uniform(0.5, 1.5, n),))


def bodies(xp: Any, places: Any, masses: Any) -> Any:
    """Potential energy with softened distances: -½ Σ mᵢ mⱼ / √(|xᵢ - xⱼ|² + ε)."""
    difference = places[:, None] - places[None, :]
    squares = xp.sum(difference * difference, axis=-1) + 1e-2
    return -0.5 * xp.sum(masses[:, None] * masses / xp.sqrt(squares))


# Diffusion of heat on a torus.


def heat_data(n: int) -> Data:
    """First temperatures and conductivities (n, n); measured temperatures at the end."""
    rng = np.random.default_rng(33)
    shape = (n, n)
    return Data(
        params=(rng.normal(size=shape), rng.uniform(0.1, 1.0, shape)),
        constants=(rng.normal(size=shape),),
    )


def heat(xp: Any, u: Any, k: Any, measured: Any) -> Any:
    """Mean squared error after ten explicit steps."""
    for _ in range(10):
        around = xp.roll(u, 1, 0) + xp.roll(u, -1, 0) + xp.roll(u, 1, 1) + xp.roll(u, -1, 1)
        u = u + 0.2 * k * (around - 4.0 * u)
    error = u - measured
    return xp.mean(error * error)


# Gaussian process.


def process_data(n: int, d: int) -> Data:
    """Log length scales (d,), log signal and noise; points (n, d), values (n,), identity."""
    rng = np.random.default_rng(34)
    X = rng.uniform(-2, 2, (n, d))
    return Data(
        params=(np.full(d, 0.1), np.array(0.2), np.array(-1.0)),
        constants=(X, np.sin(X.sum(axis=1)) + rng.normal(size=n) * 0.1, np.eye(n)),
    )


def process(xp: Any, scales: Any, signal: Any, noise: Any, X: Any, y: Any, eye: Any) -> Any:
    """Negative log marginal likelihood, up to a constant."""
    scaled = X / xp.exp(scales)
    norms = xp.sum(scaled * scaled, axis=1)
    squares = norms[:, None] + norms - 2.0 * (scaled @ scaled.T)
    K = xp.exp(2.0 * signal - 0.5 * squares) + xp.exp(2.0 * noise) * eye
    L = xp.linalg.cholesky(K)
    half = xp.linalg.solve(L, y)
    return 0.5 * xp.sum(half * half) + xp.sum(xp.log(xp.sum(L * eye, axis=1)))


# An Asian option by simulation.


def asian_data(paths: int, steps: int) -> Data:
    """Spot, rate, volatility; normal numbers (paths, steps)."""
    rng = np.random.default_rng(35)
    params = (np.array(100.0), np.array(0.03), np.array(0.2))
    return Data(params=params, constants=(rng.normal(size=(paths, steps)),))


def asian(xp: Any, spot: Any, rate: Any, sigma: Any, normal: Any) -> Any:
    """Price of a call on the mean of a path; the strike is 100, the time a year."""
    h = 1.0 / normal.shape[1]
    growth = (rate - 0.5 * sigma * sigma) * h + sigma * h**0.5 * normal
    mean = xp.mean(spot * xp.exp(xp.cumsum(growth, 1)), axis=1)
    gain = mean - 100.0
    return xp.exp(-rate) * xp.mean(xp.where(gain > 0.0, gain, 0.0))


# Polynomials through ragged data, with a robust loss chosen for each curve as Python does.


def curves_data(curves: int) -> Data:
    """Coefficients of each curve, of different lengths; abscissae and ordinates likewise."""
    rng = np.random.default_rng(36)
    sizes = [int(n) for n in rng.integers(4, 60, curves)]
    coefficients = tuple(rng.normal(size=2 + number % 5) for number in range(curves))
    xs = tuple(rng.uniform(-1, 1, n) for n in sizes)
    return Data(params=coefficients, constants=(*xs, *(rng.normal(size=n) for n in sizes)))


def curves(xp: Any, *arguments: Any) -> Any:
    """Σ over curves of mean squared error, or of its root where that is large."""
    count = len(arguments) // 3
    total = 0.0
    for coefficients, x, y in zip(
        arguments[:count], arguments[count : 2 * count], arguments[2 * count :], strict=True
    ):
        value = coefficients[len(coefficients) - 1]
        for degree in reversed(range(len(coefficients) - 1)):
            value = value * x + coefficients[degree]
        error = value - y
        square = xp.mean(error * error)
        total = total + (2.0 * xp.sqrt(square) - 1.0 if square > 1.0 else square)
    return total


# A recurrent network with gates.


def gru_data(steps: int, batch: int, inputs: int, hidden: int) -> Data:
    """Weights of inputs and states, biases, for three gates; sequence, first state, targets."""
    rng = np.random.default_rng(37)
    return Data(
        params=(
            rng.normal(size=(3, inputs, hidden)) * 0.3,
            rng.normal(size=(3, hidden, hidden)) * 0.2,
            np.zeros((3, hidden)),
        ),
        constants=(
            rng.normal(size=(steps, batch, inputs)),
            np.zeros((batch, hidden)),
            rng.normal(size=(batch, hidden)),
        ),
    )


def gru(xp: Any, W: Any, U: Any, b: Any, sequence: Any, h: Any, target: Any) -> Any:
    """Mean squared distance of the last state from a target."""
    for x in sequence:
        reset = 1.0 / (1.0 + xp.exp(-(x @ W[0] + h @ U[0] + b[0])))
        update = 1.0 / (1.0 + xp.exp(-(x @ W[1] + h @ U[1] + b[1])))
        new = xp.tanh(x @ W[2] + (reset * h) @ U[2] + b[2])
        h = (1.0 - update) * new + update * h
    error = h - target
    return xp.mean(error * error)


# Poisson regression.


def poisson_data(n: int, d: int) -> Data:
    """Weights (d,), bias; rows (n, d), counts (n,)."""
    rng = np.random.default_rng(38)
    X = rng.normal(size=(n, d)) * 0.3
    counts = rng.poisson(2.0, n).astype(np.float64)
    return Data(params=(rng.normal(size=d) * 0.3, np.array(0.1)), constants=(X, counts))


def poisson(xp: Any, w: Any, b: Any, X: Any, counts: Any) -> Any:
    """Mean of exp(η) - y η for η = X w + b, and a ridge."""
    eta = X @ w + b
    return xp.mean(xp.exp(eta) - counts * eta) + 0.01 * xp.sum(w * w)


PRACTICE = (
    program(
        "kalman",
        "likelihood by a Kalman filter, 4 states, 50 measurements",
        kalman,
        partial(kalman_data, 50),
        partial(kalman_data, 3),
    ),
    program(
        "block",
        "block of a transformer, 4 × 64 × 64, 4 heads, float32",
        block,
        partial(block_data, 4, 64, 64, 4),
        partial(block_data, 2, 3, 4, 2),
        tolerance=5e-3,
    ),
    program(
        "n-body",
        "energy of 300 bodies",
        bodies,
        partial(bodies_data, 300),
        partial(bodies_data, 4),
    ),
    program(
        "heat",
        "heat equation, 128 × 128, 10 steps",
        heat,
        partial(heat_data, 128),
        partial(heat_data, 4),
    ),
    program(
        "gaussian process",
        "marginal likelihood of a Gaussian process, 200 points",
        process,
        partial(process_data, 200, 3),
        partial(process_data, 5, 2),
        tolerance=1e-6,
    ),
    program(
        "asian option",
        "Asian option, 20,000 paths of 25 steps",
        asian,
        partial(asian_data, 20_000, 25),
        partial(asian_data, 5, 3),
    ),
    program(
        "curves",
        "12 polynomials through ragged data, branches on values",
        curves,
        partial(curves_data, 12),
        partial(curves_data, 3),
        params=lambda count: count // 3,
    ),
    program(
        "gru",
        "GRU, 40 steps, 32 hidden, batch 8",
        gru,
        partial(gru_data, 40, 8, 16, 32),
        partial(gru_data, 3, 2, 3, 4),
    ),
    program(
        "poisson",
        "Poisson regression, 50,000 × 30",
        poisson,
        partial(poisson_data, 50_000, 30),
        partial(poisson_data, 9, 3),
    ),
)

PROGRAMS: dict[str, Workload] = {workload.name: workload for workload in ADBENCH + PRACTICE}
"""All programs outside of the benchmark, by name."""

"""W7a, W7b and W8: Hessian, Hessian-vector product and Jacobian."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.workload import Data, Workload

Array = NDArray[Any]


def rosenbrock_point(n: int) -> Data:
    """A point (n,)."""
    return Data(params=(np.random.default_rng(5).normal(size=n),))


def rosenbrock_point_and_vector(n: int) -> Data:
    """A point (n,) and a vector (n,)."""
    rng = np.random.default_rng(5)
    return Data(params=(rng.normal(size=n),), constants=(rng.normal(size=n),))


def rosenbrock(xp: Any, x: Any) -> Any:
    """Σ 100 (x_{i+1} - x_i²)² + (1 - x_i)²."""
    a = x[1:] - x[:-1] * x[:-1]
    b = 1.0 - x[:-1]
    return xp.sum(100.0 * (a * a) + b * b)


def rosenbrock_bands(x: Array) -> tuple[Array, Array]:
    """The Hessian's diagonal (n,) and off-diagonal (n - 1,)."""
    diagonal = np.full(len(x), 200.0)
    diagonal[0] = 0.0
    head = x[:-1]
    diagonal[:-1] += 1200 * head * head - 400 * x[1:] + 2
    return diagonal, -400 * head


def rosenbrock_hessian(x: Array) -> Array:
    """A tridiagonal matrix (n, n)."""
    n = len(x)
    diagonal, off = rosenbrock_bands(x)
    H = np.zeros((n, n))
    entries = H.ravel()
    entries[:: n + 1] = diagonal
    entries[1 :: n + 1] = off
    entries[n :: n + 1] = off
    return H


def rosenbrock_hvp(x: Array, v: Array) -> Array:
    """H v from the two bands."""
    diagonal, off = rosenbrock_bands(x)
    Hv = diagonal * v
    Hv[:-1] += off * v[1:]
    Hv[1:] += off * v[:-1]
    return Hv


def layer_data(n: int) -> Data:
    """A point (n,) and two matrices (n, n)."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=n) * 0.5
    return Data(params=(x,), constants=(rng.normal(size=(n, n)) / 10, rng.normal(size=(n, n)) / 10))


def layer(xp: Any, x: Any, A: Any, B: Any) -> Any:
    """R^n → R^n: tanh(A x) ∘ sin(B x) + x²."""
    return xp.tanh(A @ x) * xp.sin(B @ x) + x * x


def layer_jacobian(x: Array, A: Array, B: Array) -> Array:
    """diag((1 - t²) s) A + diag(t c) B + 2 diag(x), with t = tanh A x, s, c = sin, cos B x."""
    t, u = np.tanh(A @ x), B @ x
    J: Array = ((1 - t * t) * np.sin(u))[:, None] * A
    J += (t * np.cos(u))[:, None] * B
    J.ravel()[:: len(x) + 1] += 2 * x
    return J


SECOND_ORDER = (
    Workload(
        name="W7a",
        title="Hessian of Rosenbrock, n = 200",
        data=partial(rosenbrock_point, 200),
        small=partial(rosenbrock_point, 6),
        loss=rosenbrock,
        hand=rosenbrock_hessian,
        task="hessian",
    ),
    Workload(
        name="W7b",
        title="Hessian-vector product of Rosenbrock, n = 100,000",
        data=partial(rosenbrock_point_and_vector, 100_000),
        small=partial(rosenbrock_point_and_vector, 6),
        loss=rosenbrock,
        hand=rosenbrock_hvp,
        task="hvp",
    ),
    Workload(
        name="W8",
        title="Jacobian 100 × 100",
        data=partial(layer_data, 100),
        small=partial(layer_data, 5),
        loss=layer,
        hand=layer_jacobian,
        task="jacobian",
    ),
)

"""Functions whose derivatives are sparse, for tests."""

from typing import Any

import numpy as np

__all__ = ["chain", "grid_energy", "neighbours", "rosenbrock"]


def rosenbrock(x: Any) -> Any:
    """Σ 100 (x_{i+1} - x_i²)² + (1 - x_i)²: a tridiagonal Hessian."""
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def neighbours(x: Any) -> Any:
    """x_i x_{i+1}: two entries in a row."""
    return x[1:] * x[:-1]


def chain(x: Any) -> Any:
    """Each three neighbours together: five bands."""
    return np.sum(np.sin(x[:-2] * x[1:-1]) * x[2:]) + np.sum(x**4)


def grid_energy(u: Any) -> Any:
    """Differences of neighbours on a grid (n, m), and a potential: five bands for each point."""
    return (
        np.sum((u[1:] - u[:-1]) ** 2) + np.sum((u[:, 1:] - u[:, :-1]) ** 2) + np.sum(np.exp(-u * u))
    )

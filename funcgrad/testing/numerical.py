"""Numerical derivatives of plain NumPy functions, which choose their own step and know their error.

Central differences under Richardson extrapolation always; the complex step
f'(x) v = Im f(x + i h v) / h, h → 0 (J. N. Lyness and C. B. Moler, SIAM J. Numer. Anal. 4, 1967),
which has no cancellation, in every entry of the output where f is analytic. That is not taken on
trust: the two have to agree to within the error of the differences.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from funcgrad import tree
from funcgrad.testing.extrapolation import central_limit, noise_level
from funcgrad.testing.line import Line, Vector, dtype_of, is_differentiable

__all__ = [
    "LineDerivative",
    "Method",
    "NumericalDerivative",
    "differentiate",
    "numerical_jvp",
    "numerical_vjp",
]

Method = Literal["auto", "differences"]

# Small enough that h² is nothing beside 1, large enough that h is no subnormal number in complex64.
IMAGINARY_STEP = 1e-20
# The slope over many stairs is known better than to this part of itself; float16 makes it 0.015.
MAX_STAIR_ERROR = 0.1


@dataclass(frozen=True, slots=True)
class NumericalDerivative:
    """A derivative and how far it may be from the truth.

    Attributes:
        value: a pytree.
        error: its estimated absolute error, entry by entry: the same structure; ∞ where there is
            no derivative.
    """

    value: Any
    error: Any


@dataclass(frozen=True, slots=True)
class LineDerivative:
    """φ'(0) of a line, each field of shape (m,).

    Attributes:
        value: φ'(0).
        error: its estimated error.
        noise: the rounding noise of φ.
        scale: the size of φ / t nearby: what counts as a small error.
        doubt: how large the slope over many jumps may be, where φ is constant nearby and jumps
            further out; 0 elsewhere. The derivative is 0 then, unless they are rounding errors.
    """

    value: Vector
    error: Vector
    noise: Vector
    scale: Vector
    doubt: Vector


def numerical_jvp(
    f: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    method: Method = "auto",
    largest_step: float | None = None,
) -> NumericalDerivative:
    """Directional derivative: (x, v) ↦ ∂f(x) v = d/dt f(x + t v) at t = 0, t real.

    Args:
        f: a function of pytrees that returns a pytree; plain NumPy, no tracing takes place.
        primals: x, a sequence with one pytree per argument of f.
        tangents: v, of the same structure and shapes. Complex where x is complex; f need not be
            holomorphic, the derivative is the real-linear one.
        method: `"differences"` never calls f with complex numbers in place of real ones.
        largest_step: the t to start from, in units of v; by default from the size of x.

    Returns:
        The derivative, of the structure of f's output, and its estimated error.

    Example:
        >>> import numpy as np
        >>> derivative = numerical_jvp(np.exp, (np.array([0.0, 1.0]),), (np.array([1.0, 2.0]),))
        >>> derivative.value
        array([1.        , 5.43656366])
        >>> bool(np.all(derivative.error < 1e-12))
        True
    """
    line = Line(f, primals, tangents)
    result = differentiate(line, method=method, largest_step=largest_step)
    error = np.maximum(result.error, result.doubt)
    return NumericalDerivative(line.unflat(result.value), line.unflat(error))


def numerical_vjp(
    f: Callable[..., Any],
    primals: Sequence[Any],
    cotangent: Any,
    *,
    method: Method = "auto",
    largest_step: float | None = None,
) -> NumericalDerivative:
    """Transposed derivative: (x, ct) ↦ ∂f(x)ᵀ ct, one directional derivative for each number in x.

    For complex numbers transposition does not conjugate: of a real f and ct = 1 this is the
    gradient ∂u/∂x − i ∂u/∂y.

    Args:
        f: a function of pytrees that returns a pytree.
        primals: x, a sequence with one pytree per argument of f.
        cotangent: ct, of the structure and shapes of f's output.
        method: as in `numerical_jvp`.
        largest_step: as in `numerical_jvp`.

    Returns:
        A tuple with one pytree for each argument, and the estimated errors in the same form. An
        integer leaf gets zeros.

    Example:
        >>> import numpy as np
        >>> numerical_vjp(np.multiply, (2.0, 3.0), 1.0).value
        (array(3.), array(2.))
    """
    leaves, structure = tree.flatten(tuple(primals))
    gradients, errors = [], []
    for number, leaf in enumerate(leaves):
        dtype = np.dtype(np.complex128 if dtype_of(leaf).kind == "c" else np.float64)
        gradient = np.zeros(np.shape(leaf), dtype)
        error = np.zeros(np.shape(leaf))
        if is_differentiable(leaf):
            for index in np.ndindex(np.shape(leaf)):
                for unit in (1.0, 1j) if dtype.kind == "c" else (1.0,):
                    tangents = [np.zeros(np.shape(x), dtype_of(x)) for x in leaves]
                    tangents[number][index] = unit
                    line = Line(paired(f, cotangent), primals, tree.unflatten(structure, tangents))
                    partial = differentiate(line, method=method, largest_step=largest_step)
                    gradient[index] += partial.value[0].real * np.conj(unit)
                    error[index] += max(partial.error[0], partial.doubt[0])
        gradients.append(gradient)
        errors.append(error)
    return NumericalDerivative(
        tree.unflatten(structure, gradients), tree.unflatten(structure, errors)
    )


def paired(f: Callable[..., Any], cotangent: Any) -> Callable[..., Any]:
    """X ↦ Re Σ ct · f(x), the number whose gradient is ∂f(x)ᵀ ct.

    The real part is left out where ct is real: the complex step reads the imaginary part.
    """
    weights = tree.leaves(cotangent)
    is_complex = any(dtype_of(weight).kind == "c" for weight in weights)

    def scalar(*primals: Any) -> Any:
        total: Any = 0.0
        for weight, y in zip(weights, tree.leaves(f(*primals)), strict=True):
            if is_differentiable(y):
                total = total + np.sum(np.asarray(weight) * y)
        return np.real(total) if is_complex else total

    return scalar


def differentiate(
    line: Line, *, method: Method = "auto", largest_step: float | None = None
) -> LineDerivative:
    """φ'(0), by central differences and, where they confirm it, the complex step.

    Args:
        line: φ.
        method: `"differences"` leaves the complex step out.
        largest_step: the first step of the differences.

    Returns:
        The derivative of every component of φ.
    """
    noise = noise_level(line)
    differences = central_limit(line, noise.level, largest_step)
    value, error = differences.value, differences.error
    if method == "auto" and line.is_real and value.size:
        exact, exact_error = complex_step(line, noise.level)
        with np.errstate(all="ignore"):
            agrees = np.abs(exact - value) <= 10 * (error + exact_error)
            is_better = agrees & (exact_error < error) & ~noise.is_staircase
        value, error = np.where(is_better, exact, value), np.where(is_better, exact_error, error)
    slope = np.abs(value)
    with np.errstate(all="ignore"):
        # Over many small stairs of rounding errors the slope can be told, over a few jumps not.
        is_rounded = error < MAX_STAIR_ERROR * slope
        has_jumps = noise.is_staircase & ~is_rounded
    # Zero and the slope over many stairs of rounding errors are equally good answers.
    doubt = np.where(has_jumps, np.nan_to_num(slope + error), 0.0)
    error = np.where(noise.is_staircase, np.maximum(error, slope), error)
    # But between jumps that lead nowhere φ is constant.
    value = np.where(has_jumps, 0.0, value)
    error = np.where(has_jumps, 2 * noise.least / noise.flat, error)
    level = np.where(has_jumps, noise.least, noise.level)
    return LineDerivative(np.asarray(value), error, level, differences.scale, doubt)


def complex_step(line: Line, noise: Vector) -> tuple[Vector, Vector]:
    """Im φ(i h) / h and the rounding error to expect of it; error ∞ where φ(i h) is not φ(0)."""
    h = IMAGINARY_STEP * line.position / line.speed
    there = line.imaginary(h)
    value = there.imag / h
    with np.errstate(all="ignore"):
        error = 8 * line.eps * np.abs(value) + 8 * noise * line.speed / max(line.position, 1.0)
        is_same_branch = np.abs(there.real - line.origin) <= 8 * noise + 8 * line.eps * np.abs(
            line.origin
        )
    return value, np.where(is_same_branch & np.isfinite(value), error, np.inf)

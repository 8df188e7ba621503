"""numpy.linalg: eigenvalues and eigenvectors.

Matrices are the last two axes. For the tangents see M. B. Giles, "Collected matrix derivative
results for forward and reverse mode algorithmic differentiation" (2008), §3.1; for equal
eigenvalues, and for what is determined only up to a gauge, the note in
`funcgrad.primitives.spectra`.
"""

from typing import Any, NamedTuple

import numpy as np

from funcgrad.core.tracer import bind, plain_value
from funcgrad.errors import DefectiveMatrixError, user_line
from funcgrad.families.shapes import is_complex, shape_of
from funcgrad.primitives.linalg import adjoint, square_matrices
from funcgrad.primitives.plain import implements_traced
from funcgrad.primitives.spectra import (
    are_equal,
    diagonal,
    grounded,
    inverse_gaps,
    levels_of,
    row_of,
    shared,
    spectral,
    split,
    turning,
)

__all__ = ["eig", "eig_p", "eigh", "eigh_p", "eigvals", "eigvals_p", "eigvalsh", "eigvalsh_p"]


# --- Hermitian matrices -----------------------------------------------------------------------


def _eigh_value(a: Any, *, lower: bool, levels: int) -> Any:
    values, vectors = np.linalg.eigh(a, "L" if lower else "U")
    if levels:
        equal = are_equal(values, a.shape[-1], levels)
        values = split(values, equal, levels, "np.linalg.eigh")
    return values, vectors


def _eigh_jvp(out: Any, _a: Any, t: Any, *, lower: bool, levels: int) -> tuple[Any, Any]:
    """λ̇ = diag(Vᴴ Ȧ V), V̇ = V (E ∘ Vᴴ Ȧ V) with Eᵢⱼ = 1 / (λⱼ - λᵢ)."""
    values, vectors = out
    n, t = shape_of(vectors)[-1], grounded(t)
    equal = are_equal(values, n, levels) if levels else np.eye(n, dtype=bool)
    turned = np.matmul(np.matmul(adjoint(vectors), (t + adjoint(t)) / 2), vectors)
    moved = np.matmul(vectors, turned * inverse_gaps(values, equal))
    if is_complex(vectors) and n:
        place = row_of(vectors, 0 if lower else n - 1)
        moved = moved - vectors * turning(vectors, moved, place, equal)
    return np.real(diagonal(turned)), moved


eigh_p = spectral("eigh", _eigh_value, _eigh_jvp)


def _eigvalsh_value(a: Any, *, lower: bool, levels: int) -> Any:
    values = np.linalg.eigvalsh(a, "L" if lower else "U")
    if levels > 1:
        equal = are_equal(values, a.shape[-1], levels)
        values = split(values, equal, levels, "np.linalg.eigvalsh")
    return values


def _eigvalsh_jvp(values: Any, a: Any, t: Any, *, lower: bool, levels: int) -> Any:
    """λ̇ = diag(Vᴴ Ȧ V), shared evenly among equal eigenvalues."""
    t = grounded(t)
    _, vectors = bind(eigh_p, a, lower=lower, levels=levels)
    moved = np.matmul((t + adjoint(t)) / 2, vectors)
    parts = np.real(np.sum(np.conjugate(vectors) * moved, axis=-2))
    if levels != 1:
        return parts
    return shared(parts, are_equal(values, shape_of(a)[-1], levels))


eigvalsh_p = spectral("eigvalsh", _eigvalsh_value, _eigvalsh_jvp)


class EighResult(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Any
    eigenvectors: Any


def _is_lower(uplo: str) -> bool:
    if uplo.upper() not in ("L", "U"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    return uplo.upper() == "L"


@implements_traced(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> EighResult:  # NumPy's name
    """`numpy.linalg.eigh`: A = V diag(λ) Vᴴ.

    NumPy reads one triangle of a Hermitian matrix; the derivative is that of the function of
    (A + Aᴴ) / 2, so that the gradient is Hermitian. For equal eigenvalues it is right to all
    orders if the function does not depend on which eigenvectors were computed, and an error
    otherwise (see the module `funcgrad.primitives.spectra`). The phases of complex eigenvectors
    are NumPy's: the first component is real (for `UPLO="U"` the last).
    """
    a, lower = square_matrices(a), _is_lower(UPLO)
    return EighResult(*bind(eigh_p, a, lower=lower, levels=levels_of(a)))


@implements_traced(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:  # NumPy's name
    """`numpy.linalg.eigvalsh`; the derivative of equal eigenvalues is shared evenly."""
    a, lower = square_matrices(a), _is_lower(UPLO)
    return bind(eigvalsh_p, a, lower=lower, levels=levels_of(a))


# --- square matrices --------------------------------------------------------------------------


def _eig_value(a: Any, *, levels: int) -> Any:
    values, vectors = np.linalg.eig(a)
    if levels:
        values = split(values, _eig_equal(values, a.shape[-1], levels), levels, "np.linalg.eig")
    return values, vectors


def _eig_equal(values: Any, n: int, levels: int) -> Any:
    """Eigenvalues of non-normal matrices have larger errors, some hundred times larger."""
    return are_equal(values, 10_000 * n, levels)


def _eig_jvp(out: Any, _a: Any, t: Any, *, levels: int) -> tuple[Any, Any]:
    """λ̇ = diag(V⁻¹ Ȧ V), V̇ = V (E ∘ V⁻¹ Ȧ V) and what keeps lengths and phases."""
    values, vectors = out
    n, t = shape_of(vectors)[-1], grounded(t)
    _check_basis(plain_value(vectors))
    equal = _eig_equal(values, n, levels) if levels else np.eye(n, dtype=bool)
    turned = np.linalg.solve(vectors, np.matmul(t, vectors))
    moved = np.matmul(vectors, turned * inverse_gaps(values, equal))
    growth = np.sum(np.real(np.conjugate(vectors) * moved), axis=-2, keepdims=True)
    moved = moved - vectors * growth
    if is_complex(vectors) and n:
        place = np.expand_dims(np.argmax(np.abs(vectors), axis=-2), -2)
        moved = moved - vectors * turning(vectors, moved, place, equal)
    return diagonal(turned), moved


def _check_basis(vectors: Any) -> None:
    """Refuse eigenvectors that are dependent, but for rounding."""
    if not isinstance(vectors, np.ndarray) or not vectors.size:
        return
    limit = float(np.finfo(vectors.dtype).eps) ** -0.5
    found = np.linalg.cond(vectors)
    if not np.all(found < limit):
        raise DefectiveMatrixError(
            f"np.linalg.eig: the matrix of eigenvectors has the condition number "
            f"{np.max(found):.1e}, at {user_line()}. The matrix is defective (or nearly so): it "
            "has too few eigenvectors, and its eigenvalues are not differentiable. Use a smooth "
            "function of the matrix itself, such as np.trace(np.linalg.matrix_power(a, k)) for the "
            "sum of λᵏ, or a matrix with distinct eigenvalues."
        )


eig_p = spectral("eig", _eig_value, _eig_jvp, analytic=True)


def _eigvals_value(a: Any, *, levels: int) -> Any:
    if not levels:
        return np.linalg.eigvals(a)
    values = np.linalg.eig(a)[0]  # in the order of the vectors that the derivative needs
    if levels > 1:
        values = split(values, _eig_equal(values, a.shape[-1], levels), levels, "np.linalg.eigvals")
    return values


def _eigvals_jvp(values: Any, a: Any, t: Any, *, levels: int) -> Any:
    """λ̇ = diag(V⁻¹ Ȧ V), shared evenly among equal eigenvalues."""
    t = grounded(t)
    _, vectors = bind(eig_p, a, levels=levels)
    _check_basis(plain_value(vectors))
    parts = diagonal(np.linalg.solve(vectors, np.matmul(t, vectors)))
    if levels != 1:
        return parts
    return shared(parts, _eig_equal(values, shape_of(a)[-1], levels))


eigvals_p = spectral("eigvals", _eigvals_value, _eigvals_jvp, analytic=True)


class EigResult(NamedTuple):
    """What `eig` returns."""

    eigenvalues: Any
    eigenvectors: Any


@implements_traced(np.linalg.eig)
def eig(a: Any) -> EigResult:
    """`numpy.linalg.eig`: A V = V diag(λ).

    An eigenvector is determined up to a factor. NumPy's (LAPACK's) has length 1, and its largest
    component is real, and so has the one whose derivative is computed: Re vᴴ v̇ = 0, and the
    phase of the largest component stays. A function that does not depend on the factor has the
    same derivative for every such condition. For equal eigenvalues the derivative is right if the
    function does not depend on which eigenvectors were computed, and `GaugeError` otherwise; for
    a matrix with too few eigenvectors it is `DefectiveMatrixError`. As in NumPy, the results of
    real matrices are real if all eigenvalues are (in `vmap`, of all examples).
    """
    a = square_matrices(a)
    return EigResult(*bind(eig_p, a, levels=levels_of(a)))


@implements_traced(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    """`numpy.linalg.eigvals`; the derivative of equal eigenvalues is shared evenly."""
    a = square_matrices(a)
    return bind(eigvals_p, a, levels=levels_of(a))

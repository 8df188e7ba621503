"""numpy.linalg: inverse, linear systems, determinants, Cholesky factors, powers.

Matrices are the last two axes. Derivatives follow M. B. Giles, "Collected matrix derivative results
for forward and reverse mode algorithmic differentiation" (2008), unless a rule says otherwise.
"""

import functools
import itertools
import string
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from funcgrad.core.foreign import is_foreign
from funcgrad.core.primitive import Primitive, Pull, register
from funcgrad.core.tracer import bind
from funcgrad.families.batching import aligned, batch_rule, same_call
from funcgrad.families.shapes import (
    as_operand,
    cast_like,
    is_complex,
    rank_of,
    shape_of,
    unbroadcast,
)
from funcgrad.families.smooth import smooth
from funcgrad.primitives.plain import implements_traced
from funcgrad.primitives.structural import astype, reshape, swapaxes

__all__ = [
    "adjoint",
    "cholesky",
    "det",
    "inexact_matrices",
    "inv",
    "matrix_power",
    "real_dtype",
    "slogdet",
    "solve",
    "square_matrices",
]


def adjoint(x: Any) -> Any:
    """The conjugate transpose of the last two axes."""
    turned = swapaxes(x, -1, -2)
    return np.conjugate(turned) if is_complex(x) else turned


def square_matrices(a: Any) -> Any:
    """An operand of floating-point square matrices, or NumPy's error."""
    a = as_operand(a)
    shape = shape_of(a)
    if len(shape) < 2:
        raise np.linalg.LinAlgError(
            f"{len(shape)}-dimensional array given. Array must be at least two-dimensional"
        )
    if shape[-1] != shape[-2]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    return a if a.dtype.kind in "fc" else astype(a, np.float64)


def inexact_matrices(a: Any) -> Any:
    """An operand of floating-point matrices, or NumPy's error."""
    a = as_operand(a)
    if rank_of(a) < 2:
        raise np.linalg.LinAlgError(
            f"{rank_of(a)}-dimensional array given. Array must be at least two-dimensional"
        )
    return a if a.dtype.kind in "fc" else astype(a, np.float64)


def _trace_of_product(a: Any, b: Any) -> Any:
    """tr(a b)."""
    return np.sum(swapaxes(a, -1, -2) * b, axis=(-2, -1))


# --- inverse and linear systems ---------------------------------------------------------------

inv_p = smooth(
    "inv",
    np.linalg.inv,
    lambda y, _x, t: -np.matmul(np.matmul(y, t), y),
    batch=same_call,
)


def _solve_jvp(x: Any, a: Any, _b: Any, a_dot: Any, b_dot: Any) -> Any:
    """A ẋ = ḃ - Ȧ x."""
    return bind(solve_p, a, b_dot - np.matmul(a_dot, x))


def _solve_vjp(
    out: Any, args: Sequence[Any], active: tuple[bool, ...], params: dict[str, Any]
) -> tuple[Pull | None, Any]:
    """Aᵀ w = ct; the cotangents are w for b, and -w xᵀ for A."""
    del params
    a, b = args
    shapes, dtypes = (shape_of(a), shape_of(b)), (a.dtype, b.dtype)

    def pull(ct: Any, residuals: Any) -> Any:
        a, x = residuals
        w = bind(solve_p, swapaxes(a, -1, -2), ct)
        parts = []
        if active[0]:
            parts.append((-np.matmul(w, swapaxes(x, -1, -2)), 0))
        if active[1]:
            parts.append((w, 1))
        fitted = tuple(cast_like(unbroadcast(part, shapes[i]), dtypes[i]) for part, i in parts)
        return fitted if len(fitted) > 1 else fitted[0]

    return pull, (a, out if active[0] else None)


solve_p = smooth(
    "solve",
    np.linalg.solve,
    _solve_jvp,
    batch=aligned,
    vjp=_solve_vjp,
    linear=((False, True),),
)


@implements_traced(np.linalg.inv)
def inv(a: Any) -> Any:
    """`numpy.linalg.inv`."""
    return bind(inv_p, square_matrices(a))


@implements_traced(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    """`numpy.linalg.solve`; `b` is a vector only if it has one axis, as in NumPy 2."""
    a, b = square_matrices(a), as_operand(b)
    if rank_of(b) == 0:
        raise ValueError("solve: b has no axes. It is a vector or a matrix. Use b / a.")
    if b.dtype.kind not in "fc":
        b = astype(b, np.result_type(a.dtype, np.float64))
    if rank_of(b) == 1:
        return bind(solve_p, a, reshape(b, (-1, 1)))[..., 0]
    return bind(solve_p, a, b)


@implements_traced(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    """`numpy.linalg.matrix_power`: by repeated squaring; negative powers of the inverse."""
    a = as_operand(a)
    shape = shape_of(a)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    exponent = n.__index__()
    if exponent < 0:
        a, exponent = inv(a), -exponent
    if exponent == 0:
        return np.zeros_like(a) + np.eye(shape[-1], dtype=a.dtype)
    if exponent == 3:  # NumPy's order of multiplication
        return np.matmul(np.matmul(a, a), a)
    square = result = None
    while exponent > 0:
        square = a if square is None else np.matmul(square, square)
        exponent, bit = divmod(exponent, 2)
        if bit:
            result = square if result is None else np.matmul(result, square)
    return result


# --- determinants -----------------------------------------------------------------------------
#
# NOTE. d det(A) = tr(adj(A) dA), and the adjugate is a polynomial in A, so it has derivatives of
# all orders also where A⁻¹ does not exist. With A = U S Vᴴ and Eₘ = U Fₘ Vᴴ, the derivative of det
# of order k in the directions E₁, ..., Eₖ is
#
#     det(U Vᴴ) Σ_i P(i₁, ..., iₖ) Σ_σ sgn(σ) Πₘ Fₘ[iₘ, i_σ(m)]
#
# over all indices i and all permutations σ of k numbers, where P is the product of all singular
# values but those at the indices, and 0 if two indices are equal. It is exact at every rank. If A
# is far from singular, A⁻¹ serves as well, and is much faster:
#
#     det(A) Σ_σ sgn(σ) Π_cycles tr(Πₘ A⁻¹ Eₘ)
#
# The primitive `adjugate` with the operands A, E₁, ..., Eₖ₋₁ is the matrix M for which this is
# tr(M Eₖ). The form is symmetric in its directions, so each transpose is the primitive again.


def _permutations(count: int) -> Iterator[tuple[int, list[list[int]]]]:
    """Sign and cycles of each permutation; the last number ends the first cycle."""
    for image in itertools.permutations(range(count)):
        left = set(range(count))
        cycles = []
        while left:
            last = max(left)
            cycle = [image[last]]
            while cycle[-1] != last:
                cycle.append(image[cycle[-1]])
            left.difference_update(cycle)
            cycles.append(cycle)
        yield (-1) ** (count - len(cycles)), cycles


def _adjugate_value(a: Any, *directions: Any) -> Any:
    n, order = a.shape[-1], len(directions) + 1
    if order > n:
        return np.zeros(np.broadcast_shapes(*(x.shape for x in (a, *directions))), a.dtype)
    if is_foreign(a):  # nothing is computed to find out how well the inverse is conditioned
        return _by_singular_values(a, directions)
    try:
        inverse = np.linalg.inv(a)
    except np.linalg.LinAlgError:
        return _by_singular_values(a, directions)
    condition = np.linalg.norm(a, 1, axis=(-2, -1)) * np.linalg.norm(inverse, 1, axis=(-2, -1))
    if np.all(condition < np.finfo(a.dtype).eps ** (-1 / 3 / order)):  # its powers cancel
        return _by_inverse(a, inverse, directions)
    return _by_singular_values(a, directions)


def _by_inverse(a: Any, inverse: Any, directions: Sequence[Any]) -> Any:
    factors = [inverse @ e for e in directions]
    total: Any = 0
    for sign, (first, *others) in _permutations(len(directions) + 1):
        term = functools.reduce(np.matmul, [*(factors[m] for m in first[:-1]), inverse])
        for cycle in others:
            product = functools.reduce(np.matmul, [factors[m] for m in cycle])
            term = term * np.trace(product, axis1=-2, axis2=-1)[..., None, None]
        total = total + sign * term
    return np.linalg.det(a)[..., None, None] * total


def _by_singular_values(a: Any, directions: Sequence[Any]) -> Any:
    order = len(directions) + 1
    u, s, vh = np.linalg.svd(a)
    uh, v = adjoint(u), adjoint(vh)
    operands = [_products_of_others(s, order), *(uh @ e @ v for e in directions)]
    letters = string.ascii_letters[:order]
    total: Any = 0
    for sign, cycles in _permutations(order):
        after = {m: cycle[i - len(cycle) + 1] for cycle in cycles for i, m in enumerate(cycle)}
        pairs = [f"...{letters[m]}{letters[after[m]]}" for m in range(order)]
        inputs = ",".join(["..." + letters, *pairs[:-1]])
        if after[order - 1] != order - 1:
            total = total + sign * _einsum(f"{inputs}->...{pairs[-1][:2:-1]}", operands)
        else:
            diagonal = _einsum(f"{inputs}->...{letters[-1]}", operands)
            total = total + sign * (diagonal[..., None] * np.eye(s.shape[-1], dtype=s.dtype))
    phase = np.linalg.slogdet(u)[0] * np.linalg.slogdet(vh)[0]
    return v @ total @ uh * phase[..., None, None]


def _einsum(subscripts: str, operands: Sequence[Any]) -> Any:
    return np.einsum(subscripts, *operands, optimize=len(operands) > 2)


def _products_of_others(s: Any, order: int) -> Any:
    """P of the note, without division: `(..., n)` to `(..., n, n, ...)`, with `order` indices."""
    n = s.shape[-1]
    given = [np.arange(n).reshape((n,) + (1,) * (order - 1 - m)) for m in range(order)]
    taken = functools.reduce(np.logical_or, (i == given[-1] for i in given[:-1]), np.False_)
    twice = functools.reduce(
        np.logical_or, (i == j for i, j in itertools.combinations(given, 2)), np.False_
    )
    rest = np.where(taken, 1, np.reshape(s, s.shape[:-1] + (1,) * (order - 1) + (n,)))
    ones = np.ones_like(rest[..., :1])
    before = np.cumprod(np.concatenate([ones, rest[..., :-1]], axis=-1), axis=-1)
    behind = np.cumprod(np.concatenate([ones, rest[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    return np.where(twice, 0, before * behind)


def _adjugate_jvp(
    _out: Any, args: Sequence[Any], dots: Sequence[Any], _params: dict[str, Any]
) -> Any:
    a, *directions = args
    a_dot, *e_dots = dots
    total = None if a_dot is None else bind(adjugate_p, *args, a_dot)
    for m, e_dot in enumerate(e_dots):
        if e_dot is not None:
            part = bind(adjugate_p, a, *directions[:m], *directions[m + 1 :], e_dot)
            total = part if total is None else total + part
    return total


def _adjugate_vjp(
    _out: Any, args: Sequence[Any], active: tuple[bool, ...], _params: dict[str, Any]
) -> tuple[Pull | None, Any]:
    shapes, dtypes = [shape_of(arg) for arg in args], [arg.dtype for arg in args]
    count = sum(active)

    def pull(ct: Any, residuals: Any) -> Any:
        turned = swapaxes(ct, -1, -2)
        parts = []
        for i, flag in enumerate(active):
            if flag:
                others = residuals if i == 0 else (*residuals[:i], *residuals[i + 1 :])
                part = swapaxes(bind(adjugate_p, *others, turned), -1, -2)
                parts.append(cast_like(unbroadcast(part, shapes[i]), dtypes[i]))
        return tuple(parts) if count > 1 else parts[0]

    unread = active.index(True) if count == 1 else 0  # a direction does not read itself
    return pull, tuple(None if i and i == unread else arg for i, arg in enumerate(args))


adjugate_p: Primitive = register(
    Primitive(
        name="adjugate",
        value=_adjugate_value,
        family="smooth",
        jvp=_adjugate_jvp,
        vjp=_adjugate_vjp,
        batch=batch_rule(aligned, lambda: adjugate_p),
        linear_in=lambda active: not active[0] and sum(active) == 1,
    )
)
det_p = smooth(
    "det",
    np.linalg.det,
    lambda _out, a, t: _trace_of_product(bind(adjugate_p, a), t),
    batch=same_call,
)


@implements_traced(np.linalg.det)
def det(a: Any) -> Any:
    """`numpy.linalg.det`; its derivatives of all orders are right at singular matrices too."""
    return bind(det_p, square_matrices(a))


class SlogdetResult(NamedTuple):
    """What `slogdet` returns."""

    sign: Any
    logabsdet: Any


def _slogdet_jvp(out: tuple[Any, Any], a: Any, t: Any) -> tuple[Any, Any]:
    """The logarithm of det has the tangent w = tr(A⁻¹ Ȧ): Re w the logarithm, Im w the phase."""
    w = _trace_of_product(inv(a), t)
    if not is_complex(a):
        return None, w
    return out[0] * (1j * np.imag(w)), np.real(w)


slogdet_p = smooth(
    "slogdet", lambda a: tuple(np.linalg.slogdet(a)), _slogdet_jvp, batch=same_call, analytic=False
)


@implements_traced(np.linalg.slogdet)
def slogdet(a: Any) -> SlogdetResult:
    """`numpy.linalg.slogdet`; the sign of a real matrix has derivative zero."""
    return SlogdetResult(*bind(slogdet_p, square_matrices(a)))


# --- Cholesky ---------------------------------------------------------------------------------


def _half_lower(factor: Any) -> Any:
    """What Φ multiplies with: 1 below the diagonal, and 1/2 on it."""
    n = shape_of(factor)[-1]
    return (np.tril(np.ones((n, n))) - 0.5 * np.eye(n)).astype(real_dtype(factor))


def _cholesky_jvp(factor: Any, _a: Any, t: Any) -> Any:
    """L̇ = L Φ(L⁻¹ Ȧ L⁻ᴴ), where Φ takes the lower triangle and half of the diagonal."""
    inverse = inv(factor)
    middle = np.matmul(np.matmul(inverse, (t + adjoint(t)) / 2), adjoint(inverse))
    return np.matmul(factor, middle * _half_lower(factor))


def _cholesky_vjp(
    out: Any, _args: Sequence[Any], _active: tuple[bool, ...], _params: dict[str, Any]
) -> tuple[Pull, Any]:
    """The transpose of the Hermitian part of L⁻ᴴ Φᵀ(ctᵀ L) L⁻¹."""

    def pull(ct: Any, factor: Any) -> Any:
        inverse = inv(factor)
        middle = np.matmul(swapaxes(ct, -1, -2), factor) * _half_lower(factor).T
        whole = np.matmul(np.matmul(adjoint(inverse), middle), inverse)
        return swapaxes((whole + adjoint(whole)) / 2, -1, -2)

    return pull, out


def real_dtype(x: Any) -> Any:
    """The dtype of the real part of a value."""
    return np.zeros((), x.dtype).real.dtype


cholesky_p = smooth(
    "cholesky",
    np.linalg.cholesky,
    _cholesky_jvp,
    batch=same_call,
    vjp=_cholesky_vjp,
    analytic=False,
)


@implements_traced(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """`numpy.linalg.cholesky`.

    NumPy reads one triangle of a Hermitian matrix; the derivative is that of the function of
    (A + Aᴴ) / 2, so that the gradient is Hermitian.
    """
    a = square_matrices(a)
    if not upper:
        return bind(cholesky_p, a)
    return adjoint(bind(cholesky_p, adjoint(a)))


# --- numpy.linalg's names for functions of the main namespace -----------------------------------


@implements_traced(np.linalg.trace)
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """`numpy.linalg.trace`: over the last two axes."""
    return np.trace(x, offset=offset, axis1=-2, axis2=-1, dtype=dtype)


@implements_traced(np.linalg.diagonal)
def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """`numpy.linalg.diagonal`: of the last two axes."""
    return np.diagonal(x, offset=offset, axis1=-2, axis2=-1)

"""Polynomials as vectors of coefficients, the highest power first: values, products, roots, fits.

Where the length of a result depends on values (zeros in front are cut off), a batch keeps what any
of its examples needs.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.core.primitive import Primitive, Pull
from funcgrad.core.tracer import bind, plain_value
from funcgrad.errors import BatchedValueError
from funcgrad.families.batching import aligned, same_call
from funcgrad.families.elementwise import constant_call
from funcgrad.families.shapes import (
    as_operand,
    cast_like,
    is_complex,
    rank_of,
    shape_of,
    unbroadcast,
)
from funcgrad.families.smooth import smooth
from funcgrad.primitives.plain import implements_traced, unshared
from funcgrad.primitives.signal import convolve_p, convolved
from funcgrad.primitives.structural import astype, concatenate, real, reshape

__all__ = ["poly", "polyfit", "polyval", "vander"]


def _coefficients(p: Any) -> Any:
    """A vector of coefficients; those of a `numpy.poly1d`."""
    p = as_operand(p.coeffs if isinstance(p, np.poly1d) else p)
    return reshape(p, (1,)) if rank_of(p) == 0 else p


def _check_vectors(*polynomials: Any) -> None:
    if any(rank_of(p) != 1 for p in polynomials):
        raise ValueError("Polynomial must be 1d only.")


def _like_poly1d(result: Any, *operands: Any) -> Any:
    """The result as a `numpy.poly1d` where one of the operands is one."""
    return np.poly1d(result) if any(isinstance(p, np.poly1d) for p in operands) else result


def _leading(absent: Any) -> int:
    """How many coefficients in front are absent; all but the last at most.

    The mask may be that of a batch: then of those that are absent in all examples.
    """
    last = shape_of(absent)[0] - 1
    present = np.append(~absent[:last], True)
    try:
        return int(np.argmax(present))
    except BatchedValueError:
        rows = np.reshape(plain_value(present), (-1, last + 1))
        return int(np.argmax(rows.any(axis=0)))


def _holds(answer: Any) -> bool:
    """A decision; for a batch whether it holds for all examples."""
    try:
        return bool(answer)
    except BatchedValueError:
        return bool(np.all(plain_value(answer)))


# --- sums and products ------------------------------------------------------------------------


def _aligned(a1: Any, a2: Any) -> tuple[Any, Any]:
    """Both with as many coefficients."""
    missing = shape_of(a2)[0] - shape_of(a1)[0]
    if missing > 0:
        a1 = concatenate([np.zeros(missing, a1.dtype), a1])
    elif missing < 0:
        a2 = concatenate([np.zeros(-missing, a2.dtype), a2])
    return a1, a2


@implements_traced(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    """`numpy.polyadd`."""
    left, right = _aligned(_coefficients(a1), _coefficients(a2))
    return _like_poly1d(left + right, a1, a2)


@implements_traced(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    """`numpy.polysub`."""
    left, right = _aligned(_coefficients(a1), _coefficients(a2))
    return _like_poly1d(left - right, a1, a2)


@implements_traced(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    """`numpy.polymul`: without zeros in front, on which the other coefficients depend all the same.

    (ε x + 1)(x + 2) = ε x² + (1 + 2 ε) x + 2 has two coefficients where ε is 0.
    """
    left, right = _coefficients(a1), _coefficients(a2)
    _check_vectors(left, right)
    start = _leading(left == 0) + _leading(right == 0)
    return _like_poly1d(convolved(left, right, "full")[start:], a1, a2)


# --- division ---------------------------------------------------------------------------------


def _divided(u: Any, v: Any) -> tuple[Any, Any]:
    """The first coefficients of the power series u / v, and what rounding leaves of u there.

    Σⱼ vⱼ qₖ₋ⱼ = uₖ, in the order of NumPy's operations; along the last axis.
    """
    lead = np.broadcast_shapes(u.shape[:-1], v.shape[:-1])
    count, m = u.shape[-1], v.shape[-1]
    rest = np.array(np.broadcast_to(u, (*lead, count)), np.result_type(u, v))
    q = np.empty_like(rest)
    scale = 1.0 / v[..., 0]
    for k in range(count):  # each coefficient needs those before it
        q[..., k] = scale * rest[..., k]
        stop = min(k + m, count)
        rest[..., k:stop] -= q[..., k, None] * v[..., : stop - k]
    return q, rest


def _quotient_jvp(q: Any, u: Any, v: Any, u_dot: Any, v_dot: Any) -> Any:
    """v q̇ = u̇ - v̇ q."""
    return bind(quotient_p, u_dot - convolved(q, v_dot, "full")[..., : shape_of(u)[-1]], v)


def _quotient_vjp(
    out: Any, args: Sequence[Any], active: tuple[bool, ...], params: dict[str, Any]
) -> tuple[Pull | None, Any]:
    """With w, the quotient of ct from behind: w for u, and -Σₗ wₗ₊ⱼ qₗ for vⱼ."""
    del params
    shapes, dtypes = [shape_of(arg) for arg in args], [arg.dtype for arg in args]

    def pull(ct: Any, residuals: Any) -> Any:
        v, q = residuals
        w = bind(quotient_p, ct[..., ::-1], v)[..., ::-1]
        parts = []
        if active[0]:
            parts.append((w, 0))
        if active[1]:
            tail = np.zeros_like(w, shape=(*shape_of(w)[:-1], shapes[1][-1] - 1))
            longer = concatenate([w, tail], axis=-1)
            parts.append((-bind(convolve_p, longer, q[..., ::-1], mode="valid"), 1))
        fitted = tuple(cast_like(unbroadcast(part, shapes[i]), dtypes[i]) for part, i in parts)
        return fitted if len(fitted) > 1 else fitted[0]

    return pull, (args[1], out if active[1] else None)


quotient_p: Primitive = smooth(
    "quotient",
    lambda u, v: _divided(u, v)[0],
    _quotient_jvp,
    batch=aligned,
    vjp=_quotient_vjp,
    linear=((True, False),),
)


rounding_p = constant_call("quotient_rounding", lambda u, v: _divided(u, v)[1], aligned)


@implements_traced(np.polydiv)
def polydiv(u: Any, v: Any) -> tuple[Any, Any]:
    """`numpy.polydiv`: u = q v + r; what is at most 1e-8 in front of r is cut off.

    (In single precision, rounding may leave more than that where r should be zero.)
    """
    dividend, divisor = _coefficients(u) + 0.0, _coefficients(v) + 0.0
    _check_vectors(dividend, divisor)
    dtype = np.result_type(dividend.dtype, divisor.dtype)
    count = shape_of(dividend)[0] - shape_of(divisor)[0] + 1
    if count > 0:
        parts = dividend[:count], divisor[:count]
        q = bind(quotient_p, *parts)
        tail = dividend[count:] - convolved(q, divisor, "full")[count:]
        rest = concatenate([bind(rounding_p, *parts), tail])
    else:
        q, rest = np.zeros(1, dtype), astype(dividend, dtype)
    rest = rest[_leading(np.isclose(rest, 0, rtol=1e-14)) :]
    return _like_poly1d(q, u, v), _like_poly1d(rest, u, v)


# --- calculus ---------------------------------------------------------------------------------


@implements_traced(np.polyder)
def polyder(p: Any, m: Any = 1) -> Any:
    """`numpy.polyder`: the m-th derivative."""
    if int(m) < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    y = as_operand(p.coeffs if isinstance(p, np.poly1d) else p)
    for _ in range(int(m)):
        y = y[:-1] * np.arange(shape_of(y)[0] - 1, 0, -1)
    return _like_poly1d(y, p)


@implements_traced(np.polyint)
def polyint(p: Any, m: Any = 1, k: Any = None) -> Any:
    """`numpy.polyint`: the m-th integral, with the constants k of integration."""
    m = int(m)
    if m < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    constants = _coefficients(np.zeros(m) if k is None else k)
    if shape_of(constants)[0] == 1 and m > 1:
        constants = constants * np.ones(m)
    if shape_of(constants)[0] < m:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    y = as_operand(p.coeffs if isinstance(p, np.poly1d) else p)
    for i in range(m):
        y = concatenate([y / np.arange(shape_of(y)[0], 0, -1), constants[i : i + 1]])
    return _like_poly1d(y, p)


@implements_traced(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """`numpy.polyval`: Σₖ pₖ xⁿ⁻ᵏ, by Horner's rule; of a `poly1d` x a polynomial."""
    p = as_operand(p.coeffs if isinstance(p, np.poly1d) else p)
    if isinstance(x, np.poly1d):
        y: Any = 0
    else:
        x = as_operand(x)
        y = np.zeros_like(x)
    for i in range(shape_of(p)[0]):
        y = y * x + p[i]
    return y


# --- powers -----------------------------------------------------------------------------------


def _vander_value(x: Any, *, n: int, increasing: bool) -> Any:
    """The powers of each element along a new last axis; 0⁰ = 1."""
    if type(x) is np.ndarray and x.ndim == 1:
        return np.vander(x, n, increasing)
    column = x[..., None]
    rows = np.broadcast_to(column, (*x.shape, max(n - 1, 0)))
    powers = np.cumprod(np.concatenate([np.ones_like(column), rows], axis=-1), axis=-1)[..., :n]
    return powers if increasing else powers[..., ::-1]


def _vander_jvp(powers: Any, _x: Any, t: Any, *, n: int, increasing: bool) -> Any:
    """(xᵏ)˙ = k xᵏ⁻¹ ẋ."""
    if n == 0:
        return powers
    zero = np.zeros_like(powers, shape=(*shape_of(powers)[:-1], 1))
    exponents = np.arange(1, n, dtype=np.zeros((), powers.dtype).real.dtype)
    if increasing:
        slopes = concatenate([zero, powers[..., :-1] * exponents], axis=-1)
    else:
        slopes = concatenate([powers[..., 1:] * exponents[::-1], zero], axis=-1)
    return slopes * t[..., None]


vander_p = smooth("vander", _vander_value, _vander_jvp, batch=same_call)


@implements_traced(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """`numpy.vander`: the powers xⁿ⁻¹, ..., x, 1 of each element."""
    x = as_operand(x)
    if rank_of(x) != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    n = shape_of(x)[0] if N is None else N.__index__()
    return bind(vander_p, astype(x, np.promote_types(x.dtype, int)), n=n, increasing=increasing)


# --- from roots -------------------------------------------------------------------------------


def _from_roots(z: Any) -> Any:
    """Coefficients of Π (x - zᵢ) along the last axis, by a binary tree of products."""
    count = shape_of(z)[-1]
    factors = np.stack([np.ones_like(z), -z], axis=-1)
    while (rows := shape_of(factors)[-2]) > 1:
        if rows % 2:
            one = np.zeros_like(factors, shape=(*shape_of(factors)[:-2], 1, shape_of(factors)[-1]))
            one = one + np.eye(1, shape_of(one)[-1], shape_of(one)[-1] - 1, dtype=one.dtype)
            factors = concatenate([factors, one], axis=-2)
        factors = convolved(factors[..., ::2, :], factors[..., 1::2, :], "full")
    return factors[..., 0, -(count + 1) :]


def _real_if_paired(coefficients: Any, z: Any) -> Any:
    """The real part, if complex roots come with their conjugates."""
    if is_complex(z) and _holds(np.all(np.sort(z) == np.sort(np.conjugate(z)))):
        return real(coefficients)
    return coefficients


def _characteristic_value(a: Any) -> Any:
    if a.ndim == 2:
        return np.poly(a)
    z = np.linalg.eigvals(a)
    return _real_if_paired(_from_roots(z), z)


def _characteristic_jvp(c: Any, a: Any, t: Any) -> Any:
    """ċₖ = -tr(Mₖ Ȧ), where Mₖ₊₁ = A Mₖ + cₖ and M₁ = 1 (Faddeev and Le Verrier).

    It needs no eigenvectors, so it is right for repeated eigenvalues; the price is n products.
    """
    n = shape_of(a)[-1]
    eye = np.eye(n, dtype=a.dtype)
    m: Any = eye
    parts = []
    for k in range(1, n + 1):
        parts.append(-np.einsum("...ij,...ji->...", m, t))
        if k < n:
            m = np.matmul(a, m) + c[..., k, None, None] * eye
    moved = np.stack([np.zeros_like(parts[0]), *parts], axis=-1)
    return cast_like(moved, c.dtype)


characteristic_p = smooth(
    "characteristic_polynomial",
    _characteristic_value,
    _characteristic_jvp,
    batch=same_call,
)


@implements_traced(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """`numpy.poly`: the polynomial with these roots, or det(x - A) of a square matrix."""
    z = as_operand(seq_of_zeros)
    z = reshape(z, (1,)) if rank_of(z) == 0 else z
    shape = shape_of(z)
    if len(shape) == 2 and shape[0] == shape[1] != 0:
        if z.dtype.kind not in "fc":
            z = astype(z, np.float64)
        return bind(characteristic_p, z)
    if len(shape) != 1:
        raise ValueError("input must be 1d or non-empty square 2d array.")
    if shape == (0,):
        return 1.0
    z = astype(z, np.dtype(np.mintypecode(z.dtype.char)))
    return unshared(_real_if_paired(_from_roots(z), z))


# --- least squares ----------------------------------------------------------------------------


@implements_traced(np.polyfit)
def polyfit(
    x: Any,
    y: Any,
    deg: Any,
    rcond: float | None = None,
    full: bool = False,
    w: Any = None,
    cov: Any = False,
) -> Any:
    """`numpy.polyfit`: p that minimises Σ |wᵢ (p(xᵢ) - yᵢ)|²; differentiable by x, y and w."""
    order = int(deg) + 1
    x, y = as_operand(x) + 0.0, as_operand(y) + 0.0
    _check_fit(x, y, deg)
    count = shape_of(x)[0]
    if rcond is None:
        rcond = count * np.finfo(x.dtype).eps
    powers, values = vander(x, order), y
    if w is not None:
        w = as_operand(w) + 0.0
        if rank_of(w) != 1:
            raise TypeError("expected a 1-d array for weights")
        if shape_of(w)[0] != count:
            raise TypeError("expected w and y to have the same length")
        powers = _weighted(powers, w[:, None])
        values = _weighted(values, w[:, None] if rank_of(y) == 2 else w)
    scale = np.sqrt(np.sum(powers * powers, axis=0))
    powers = powers / scale
    c, residuals, rank, s = np.linalg.lstsq(powers, values, rcond)
    c = c / (scale[:, None] if rank_of(y) == 2 else scale)
    if np.any(plain_value(rank) != order) and not full:
        message = "Polyfit may be poorly conditioned"
        warnings.warn(message, np.exceptions.RankWarning, stacklevel=4)
    if full:
        return c, residuals, rank, s, rcond
    if not cov:
        return c
    base = np.linalg.inv(np.matmul(powers.T, powers)) / (scale[:, None] * scale)
    if cov == "unscaled":
        factor: Any = 1
    elif count <= order:
        raise ValueError(
            "the number of data points must exceed order to scale the covariance matrix"
        )
    else:
        factor = residuals / (count - order)
    return c, (base if rank_of(y) == 1 else base[:, :, None]) * factor


def _weighted(x: Any, w: Any) -> Any:
    """The product in the dtype of x, as NumPy's in-place one."""
    if is_complex(w) and not is_complex(x):
        raise TypeError(
            "polyfit: complex weights of real data. The products would be complex. Pass their "
            "moduli, or complex x and y."
        )
    return astype(x * w, x.dtype)


def _check_fit(x: Any, y: Any, deg: Any) -> None:
    if deg < 0:
        raise ValueError("expected deg >= 0")
    if rank_of(x) != 1:
        raise TypeError("expected 1D vector for x")
    if x.size == 0:
        raise TypeError("expected non-empty vector for x")
    if rank_of(y) not in (1, 2):
        raise TypeError("expected 1D or 2D array for y")
    if shape_of(x)[0] != shape_of(y)[0]:
        raise TypeError("expected x and y to have same length")

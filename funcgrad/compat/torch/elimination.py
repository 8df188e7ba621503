"""Gaussian elimination, P A = L U, and products of Householder reflections.

The order of the rows is found on plain values and is a constant; the elimination in that order is
made of operations that the core differentiates.
"""

from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.compilation_breaks import known
from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.entering import enter
from funcgrad.compat.torch.linalg import check_matrices
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.registry import MODULES
from funcgrad.compat.torch.returns import return_type
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import Tensor, plain_array

__all__ = ["householder_product", "lu", "lu_factor", "lu_solve"]

TORCH = MODULES["torch"]


# --- elimination --------------------------------------------------------------------------------


def _pivots(a: Any, pivot: bool) -> Any:
    """For each step of the elimination the row that is taken: (..., min(m, n)), from 0."""
    a = np.array(a)
    m, n = a.shape[-2:]
    count = min(m, n)
    found = np.empty((*a.shape[:-2], count), np.int64)
    flat, rows = a.reshape(int(np.prod(a.shape[:-2])), m, n), found.reshape(-1, count)
    with np.errstate(all="ignore"):
        for matrix, row in zip(flat, rows, strict=True):
            for k in range(count):
                row[k] = best = k + int(np.argmax(_size(matrix[k:, k]))) if pivot else k
                matrix[[k, best]] = matrix[[best, k]]
                if matrix[k, k]:
                    factors = matrix[k + 1 :, k] / matrix[k, k]
                    matrix[k + 1 :] -= np.outer(factors, matrix[k])
    return found


def _size(x: Any) -> Any:
    """|x|; of complex numbers |Re x| + |Im x|, by which LAPACK chooses pivots."""
    return np.abs(x.real) + np.abs(x.imag)


def _order(pivots: Any, m: int) -> Any:
    """The order of the rows after the exchanges that pivots (from 0) stand for."""
    order = np.broadcast_to(np.arange(m), (*pivots.shape[:-1], m)).copy()
    if not order.size:
        return order
    flat, rows = order.reshape(-1, m), pivots.reshape(-1, pivots.shape[-1])
    for one, exchanges in zip(flat, rows, strict=True):
        for k, best in enumerate(exchanges):
            one[[k, best]] = one[[best, k]]
    return order


def _eliminated(a: Any) -> Any:
    """L below the diagonal and U on and above it, of matrices whose rows are in order."""
    m, n = a.shape[-2:]
    for k in range(min(m, n)):
        row = a[..., k : k + 1, :]
        head = row[..., k : k + 1]
        column = a[..., k + 1 :, k : k + 1]
        # A zero pivot after the search means that the column is zero already.
        column = column / fnp.where(head == 0, 1, head)
        rest = a[..., k + 1 :, k + 1 :] - column * row[..., k + 1 :]
        lower = fnp.concatenate([a[..., k + 1 :, :k], column, rest], axis=-1)
        a = fnp.concatenate([a[..., : k + 1, :], lower], axis=-2)
    return a


def _packed(a: Any, *, order: Any) -> Any:
    return _eliminated(fnp.take_along_axis(a, order[..., None], axis=-2))


def _parts(packed: Any) -> tuple[Any, Any]:
    """L with ones on its diagonal, and U."""
    m, n = packed.shape[-2:]
    k = min(m, n)
    ones = np.eye(m, k, dtype=packed.dtype)
    return fnp.tril(packed[..., :, :k], -1) + ones, fnp.triu(packed[..., :k, :])


_factor_op = Op("LinalgLuFactorExBackward0", _packed)
_lu_op = Op("LinalgLuBackward0", lambda a, *, order: _parts(_packed(a, order=order)))
_unpack_op = Op("LuUnpackBackward0", _parts, linear=True)

_return_lu = return_type("linalg_lu", "P L U")
_return_factor = return_type("linalg_lu_factor", "LU pivots")
_return_factor_ex = return_type("linalg_lu_factor_ex", "LU pivots info")
_return_unpack = return_type("lu_unpack", "P L U")
_return_with_info = return_type("_lu_with_info", "LU pivots info")


def _permutation(order: Any, kind: Any) -> Tensor:
    """P of A = P L U."""
    eye = np.eye(order.shape[-1], dtype=kind.numpy)
    return made(np.swapaxes(eye[order], -1, -2).copy(), kind)


def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> Any:
    """L and U in one matrix, the exchanges of rows (from 1), and the first zero pivot, if any."""
    if A.dim() < 2:
        raise RuntimeError(
            "torch.lu_factor: Expected tensor with 2 or more dimensions. Got size: "
            f"{list(A.shape)} instead"
        )
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")
    found = _pivots(known(A._value), pivot)
    packed = _factor_op(A, order=_order(found, A.shape[-2]))
    diagonal = np.diagonal(known(packed._value), axis1=-2, axis2=-1)
    zero = diagonal == 0
    info = np.where(zero.any(-1), zero.argmax(-1) + 1 if zero.shape[-1] else 0, 0)
    if check_errors and info.any():
        raise _zero(int(info.max()))
    exchanges = made((found + 1).astype(np.int32))
    return _return_factor_ex(packed, exchanges, made(np.asarray(info, np.int32)))


def _zero(place: int) -> RuntimeError:
    return RuntimeError(
        f"torch.linalg.lu_factor: U[{place},{place}] is zero and using it on lu_solve would result "
        "in a division by zero. If you still want to perform the factorization, consider calling "
        "linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)"
    )


def lu_factor(A: Tensor, *, pivot: bool = True) -> Any:
    """L and U in one matrix, and the exchanges of rows (from 1)."""
    packed, exchanges, info = lu_factor_ex(A, pivot=pivot)
    places = plain_array(info, "lu_factor")
    if places.any():
        raise _zero(int(places.max()))
    return _return_factor(packed, exchanges)


def lu(A: Tensor, *, pivot: bool = True) -> Any:
    """P, L and U with A = P L U."""
    check_matrices("linalg.lu", A, square=False)
    if not pivot:
        raise RuntimeError("linalg.lu: LU without pivoting is not implemented on the CPU")
    order = _order(_pivots(known(A._value), pivot), A.shape[-2])
    lower, upper = _lu_op(A, order=order)
    return _return_lu(_permutation(order, A.dtype), lower, upper)


def old_lu(A: Tensor, pivot: bool = True, get_infos: bool = False, out: Any = None) -> Any:
    """As `torch.linalg.lu_factor`; zero pivots are no error."""
    del out
    packed, exchanges, info = lu_factor_ex(A, pivot=pivot)
    return _return_with_info(packed, exchanges, info) if get_infos else (packed, exchanges)


def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> Any:
    """P, L and U of a factorisation in one matrix; empty what is not asked for."""
    nothing = made(np.empty(0, LU_data.dtype.numpy), LU_data.dtype)
    lower = upper = permutation = nothing
    if unpack_data:
        lower, upper = _unpack_op(LU_data)
    if unpack_pivots:
        order = _order(plain_array(LU_pivots, "lu_unpack") - 1, LU_data.shape[-2])
        permutation = _permutation(order, LU_data.dtype)
    return _return_unpack(permutation, lower, upper)


def _solved(packed: Any, b: Any, *, order: Any, left: bool, adjoint: bool) -> Any:
    """X of A X = B (or X A = B) for A (or Aᴴ) = P L U."""
    if not left:
        flipped = fnp.conj(fnp.swapaxes(b, -1, -2))
        found = _solved(packed, flipped, order=order, left=True, adjoint=not adjoint)
        return fnp.conj(fnp.swapaxes(found, -1, -2))
    lower, upper = _parts(packed)
    shape = np.broadcast_shapes(packed.shape[:-2], b.shape[:-2])
    b = fnp.broadcast_to(b, (*shape, *b.shape[-2:]))
    order = np.broadcast_to(order, (*shape, order.shape[-1]))
    solve = fnp.linalg.solve
    if not adjoint:
        return solve(upper, solve(lower, fnp.take_along_axis(b, order[..., None], axis=-2)))
    first = solve(fnp.conj(fnp.swapaxes(upper, -1, -2)), b)
    found = solve(fnp.conj(fnp.swapaxes(lower, -1, -2)), first)
    return fnp.take_along_axis(found, np.argsort(order, -1)[..., None], axis=-2)


_solve_op = Op("LinalgLuSolveBackward0", _solved, promote="same")


def lu_solve(
    LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False
) -> Tensor:
    """The solution of A X = B, of a factorisation of A."""
    check_matrices("torch.linalg.lu_solve", LU)
    order = _order(plain_array(pivots, "lu_solve") - 1, LU.shape[-1])
    return _solve_op(LU, B, order=order, left=left, adjoint=adjoint)  # type: ignore[no-any-return]  # a tensor


def old_lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """As `torch.linalg.lu_solve`, with its arguments in another order."""
    return lu_solve(LU_data, LU_pivots, b)


def _back_substituted(b: Any, a: Any, *, upper: bool, transpose: bool, unit: bool) -> Any:
    a = fnp.triu(a, int(unit)) if upper else fnp.tril(a, -int(unit))
    if unit:
        a = a + np.eye(a.shape[-1], dtype=a.dtype)
    return fnp.linalg.solve(fnp.swapaxes(a, -1, -2) if transpose else a, b)


_triangular_op = Op("TriangularSolveBackward0", _back_substituted, promote="same")
_triangular = return_type("triangular_solve", "solution cloned_coefficient")


def triangular_solve(
    input: Tensor,
    A: Tensor,
    upper: bool = True,
    transpose: bool = False,
    unitriangular: bool = False,
) -> Any:
    """The solution of A X = B for a triangular matrix, and a copy of the matrix."""
    check_matrices("triangular_solve", A)
    found = _triangular_op(input, A, upper=upper, transpose=transpose, unit=unitriangular)
    return _triangular(found, TORCH["clone"](A))


# --- Householder reflections --------------------------------------------------------------------


def _reflected(v: Any, tau: Any) -> Any:
    """The first n columns of H₁ H₂ ... with Hᵢ = 1 - τᵢ vᵢ vᵢᴴ, the v as columns of a matrix."""
    m, n = v.shape[-2:]
    lead = np.broadcast_shapes(v.shape[:-2], tau.shape[:-1])
    found: Any = np.broadcast_to(np.eye(m, n, dtype=v.dtype), (*lead, m, n))
    lower = fnp.tril(v, -1) + np.eye(m, n, dtype=v.dtype)
    for k in range(tau.shape[-1] - 1, -1, -1):
        one = lower[..., :, k : k + 1]
        across = fnp.matmul(fnp.conj(fnp.swapaxes(one, -1, -2)), found)
        found = found - tau[..., None, k : k + 1] * (one * across)
    return found


_householder_op = Op("LinalgHouseholderProductBackward0", _reflected)


def householder_product(A: Tensor, tau: Tensor) -> Tensor:
    """The first n columns of the product of n or fewer Householder reflections."""
    check_matrices("torch.linalg.householder_product", A, square=False)
    if A.shape[-2] < A.shape[-1]:
        raise RuntimeError(
            "torch.linalg.householder_product: input.shape[-2] must be greater than or equal to "
            "input.shape[-1]"
        )
    return _householder_op(A, tau)  # type: ignore[no-any-return]  # a tensor


def _multiplied(v: Any, tau: Any, other: Any, *, left: bool, transpose: bool) -> Any:
    """Q C, Qᴴ C, C Q or C Qᴴ, for the whole Q = H₁ H₂ ..., one reflection after the other."""
    if not left:
        turned = fnp.conj(fnp.swapaxes(other, -1, -2))
        found = _multiplied(v, tau, turned, left=True, transpose=not transpose)
        return fnp.conj(fnp.swapaxes(found, -1, -2))
    lower = fnp.tril(v, -1) + np.eye(*v.shape[-2:], dtype=v.dtype)
    count = tau.shape[-1]
    for k in range(count) if transpose else range(count - 1, -1, -1):
        one, factor = lower[..., :, k : k + 1], tau[..., None, k : k + 1]
        across = fnp.matmul(fnp.conj(fnp.swapaxes(one, -1, -2)), other)
        other = other - (fnp.conj(factor) if transpose else factor) * (one * across)
    return other


_ormqr_op = Op("OrmqrBackward0", _multiplied)


def ormqr(
    input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False
) -> Tensor:
    """The product of a matrix and the whole Q that Householder reflections make."""
    check_matrices("torch.ormqr", input, square=False)
    return _ormqr_op(input, tau, other, left=left, transpose=transpose)  # type: ignore[no-any-return]  # a tensor


_geqrf = return_type("geqrf", "a tau")


def geqrf(input: Tensor) -> Any:
    """The QR decomposition as LAPACK gives it: R with the reflections below it, and their τ."""
    if input._requires and STATE.grad:
        raise RuntimeError("the derivative for 'geqrf' is not implemented.")
    below, tau = np.linalg.qr(plain_array(input, "geqrf"), mode="raw")
    return _geqrf(made(np.swapaxes(below, -1, -2).copy(), input.dtype), made(np.array(tau)))


enter("lu", lu, module="linalg")
enter("lu_factor", lu_factor, module="linalg")
enter("lu_factor_ex", lu_factor_ex, module="linalg")
enter("lu_solve", lu_solve, module="linalg")
enter("lu_solve", old_lu_solve)
enter("lu", old_lu)
enter("lu_unpack", lu_unpack, method=False)
enter("triangular_solve", triangular_solve)
enter("householder_product", householder_product, module="linalg")
enter("orgqr", householder_product)
enter("geqrf", geqrf)
enter("ormqr", ormqr)

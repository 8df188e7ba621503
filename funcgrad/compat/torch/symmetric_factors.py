"""torch.linalg.ldl_factor and ldl_solve: P A Pᵀ = L D Lᵀ of symmetric or Hermitian matrices.

J. R. Bunch and L. Kaufman, Math. Comp. 31 (1977), 163-179, in the layout of LAPACK's sytrf: D has
blocks of 1 or 2 rows, and L's unit diagonal is not stored. PyTorch has no derivative of it.
"""

from typing import Any, NoReturn

import numpy as np

from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.entering import enter
from funcgrad.compat.torch.linalg import check_matrices
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.returns import return_type
from funcgrad.compat.torch.tensor import Tensor, plain_array
from funcgrad.compat.torch.unlisted import unlisted

__all__ = ["ldl_factor", "ldl_factor_ex", "ldl_solve"]

ALPHA = (1 + 17**0.5) / 8
"""The ratio of pivots at which two elimination steps may grow as much as one of a 2 × 2 block."""


def _size(x: Any) -> Any:
    """|x|; of complex numbers |Re x| + |Im x|, by which LAPACK chooses pivots."""
    return np.abs(x.real) + np.abs(x.imag)


def _choose(a: Any, k: int) -> tuple[int, int]:
    """The row that comes next, and how many rows its block of D has."""
    here = _size(a[k, k])
    below = _size(a[k + 1 :, k])
    column = below.max(initial=0)
    if here >= ALPHA * column:
        return k, 1
    best = k + 1 + int(below.argmax())
    row = max(_size(a[best, k:best]).max(), _size(a[best + 1 :, best]).max(initial=0))
    if here >= ALPHA * column * (column / row):
        return k, 1
    if _size(a[best, best]) >= ALPHA * row:
        return best, 1
    return best, 2


def _exchange(a: Any, first: int, second: int, hermitian: bool) -> None:
    """Swap two rows and columns of the lower triangle that is left, first < second."""
    a[second + 1 :, [first, second]] = a[second + 1 :, [second, first]]
    between = slice(first + 1, second)
    column, row = a[between, first].copy(), a[second, between].copy()
    if hermitian:
        column, row = column.conj(), row.conj()
        a[second, first] = a[second, first].conj()
    a[between, first], a[second, between] = row, column
    a[[first, second], [first, second]] = a[[second, first], [second, first]]


def _factored(a: Any, hermitian: bool) -> tuple[Any, Any, int]:
    """L and D in one lower triangle, the exchanges (from 1), and the first pivot that is zero."""
    a = np.tril(a)
    n = len(a)
    pivots = np.zeros(n, np.int32)
    zero = k = 0
    while k < n:
        if not max(_size(a[k, k]), _size(a[k + 1 :, k]).max(initial=0)) > 0:
            zero, pivots[k] = zero or k + 1, k + 1
            k += 1
            continue
        taken, count = _choose(a, k)
        last = k + count - 1
        if taken != last:
            _exchange(a, last, taken, hermitian)
            if count == 2:
                a[[k + 1, taken], k] = a[[taken, k + 1], k]
        rest = slice(k + count, None)
        block = _block(a, k, count, hermitian)
        left = a[rest, k : k + count].copy()
        found = np.linalg.solve(block.T, left.T).T
        a[rest, rest] -= np.tril(found @ (left.conj() if hermitian else left).T)
        a[rest, k : k + count] = found
        pivots[k : k + count] = taken + 1 if count == 1 else -(taken + 1)
        k += count
    return a, pivots, zero


def _block(a: Any, k: int, count: int, hermitian: bool) -> Any:
    """A block of D, whole."""
    if count == 1:
        return (
            a[k : k + 1, k : k + 1].real.astype(a.dtype) if hermitian else a[k : k + 1, k : k + 1]
        )
    low = a[k + 1, k]
    return np.array([[a[k, k], low.conj() if hermitian else low], [low, a[k + 1, k + 1]]])


def _divided(b: Any, block: Any) -> Any:
    """D⁻¹ B for one block of D; infinite where it is singular."""
    with np.errstate(all="ignore"):
        if len(block) == 1:
            return b / block
        (p, q), (r, s) = block
        return np.array([[s, -q], [-r, p]]) @ b / (p * s - q * r)


def _solved(a: Any, pivots: Any, b: Any, hermitian: bool) -> Any:
    """A⁻¹ B, by the factors."""
    b = b.copy()
    n = len(a)
    steps = []
    k = 0
    while k < n:
        count = 1 if pivots[k] > 0 else 2
        steps.append((k, count))
        last, taken = k + count - 1, abs(int(pivots[k])) - 1
        b[[last, taken]] = b[[taken, last]]
        b[k + count :] -= a[k + count :, k : k + count] @ b[k : k + count]
        b[k : k + count] = _divided(b[k : k + count], _block(a, k, count, hermitian))
        k += count
    for k, count in reversed(steps):
        turned = a[k + count :, k : k + count].T
        b[k : k + count] -= (turned.conj() if hermitian else turned) @ b[k + count :]
        last, taken = k + count - 1, abs(int(pivots[k])) - 1
        b[[last, taken]] = b[[taken, last]]
    return b


def _each(a: Any, *, hermitian: bool) -> tuple[Any, Any, Any]:
    """Of a stack of matrices."""
    factors, pivots = np.empty(a.shape, a.dtype), np.empty(a.shape[:-1], np.int32)
    info = np.empty(a.shape[:-2], np.int32)
    for place in np.ndindex(a.shape[:-2]):
        factors[place], pivots[place], info[place] = _factored(a[place], hermitian)
    return factors, pivots, info


def _refused(_out: Any, _a: Any, _t: Any, *, hermitian: bool) -> NoReturn:
    raise RuntimeError("the derivative for 'linalg_ldl_factor_ex' is not implemented.")


_factor_op = Op("NotImplemented", unlisted("ldl_factor", _each, _refused, leading=True))
_return = return_type("linalg_ldl_factor", "LD pivots")
_return_ex = return_type("linalg_ldl_factor_ex", "LD pivots info")


def ldl_factor_ex(A: Tensor, *, hermitian: bool = False, check_errors: bool = False) -> Any:
    """L and D in one lower triangle, the exchanges of rows, and the first zero pivot, if any."""
    check_matrices("torch.linalg.ldl_factor_ex", A)
    factors, pivots, info = _factor_op(A, hermitian=hermitian)
    zero = int(plain_array(info, "ldl_factor").max(initial=0))
    if check_errors and zero:
        raise RuntimeError(f"torch.linalg.ldl_factor_ex: the pivot {zero} is zero.")
    return _return_ex(factors, pivots, info)


def ldl_factor(A: Tensor, *, hermitian: bool = False) -> Any:
    """L and D in one lower triangle, and the exchanges of rows; a zero pivot is an error."""
    factors, pivots, _ = ldl_factor_ex(A, hermitian=hermitian, check_errors=True)
    return _return(factors, pivots)


def ldl_solve(LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False) -> Tensor:
    """The solution of A X = B, of a factorisation of A."""
    check_matrices("torch.linalg.ldl_solve", LD)
    a, exchanges, b = (plain_array(x, "ldl_solve") for x in (LD, pivots, B))
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a = np.broadcast_to(a, (*lead, *a.shape[-2:]))
    exchanges = np.broadcast_to(exchanges, (*lead, exchanges.shape[-1]))
    found = np.array(np.broadcast_to(b, (*lead, *b.shape[-2:])))
    for place in np.ndindex(lead):
        found[place] = _solved(a[place], exchanges[place], found[place], hermitian)
    return made(found, B.dtype)


enter("ldl_factor", ldl_factor, module="linalg")
enter("ldl_factor_ex", ldl_factor_ex, module="linalg")
enter("ldl_solve", ldl_solve, module="linalg")

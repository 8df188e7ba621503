"""torch.linalg and the matrix functions of the main namespace."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.compilation_breaks import known
from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.decompositions import (
    eig_op,
    eigh_op,
    lstsq_op,
    pinv_op,
    qr_op,
    svd_op,
)
from funcgrad.compat.torch.entering import enter
from funcgrad.compat.torch.norms import check_inexact, matrix_norm
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.registry import MODULES
from funcgrad.compat.torch.returns import return_type
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["LinAlgError", "check_matrices", "det", "inv", "solve"]


class _LinAlgError(RuntimeError):
    """A matrix for which an operation has no result."""


_LinAlgError.__module__ = "torch._C"
LinAlgError = _LinAlgError
MODULES.setdefault("linalg", {})["LinAlgError"] = LinAlgError
_return = return_type

# --- checks -----------------------------------------------------------------------------------


def check_matrices(name: str, x: Any, *, square: bool = True, inexact: bool = True) -> None:
    """Refuse what are no (square) matrices of floating-point numbers."""
    shape = tuple(x._value.shape)
    if len(shape) < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")
    if square and shape[-1] != shape[-2]:
        raise RuntimeError(
            f"{name}: A must be batches of square matrices, but they are {shape[-2]} by "
            f"{shape[-1]} matrices"
        )
    if inexact:
        check_inexact(name, x)


def _batches(x: Tensor) -> Any:
    values = known(x._value)
    count = math.prod(values.shape[:-2])
    return values.reshape(count, *values.shape[-2:]), values.ndim > 2


def _guarded(
    function: Callable[[], Any], name: str, x: Tensor, reason: Callable[[Any], str]
) -> Any:
    """Call a function; say in PyTorch's words for which matrix of a batch it failed, and why."""
    try:
        return function()
    except np.linalg.LinAlgError:
        matrices, several = _batches(x)
        for number, matrix in enumerate(matrices):
            why = reason(matrix)
            if why:
                where = f"(Batch element {number}): " if several else ""
                raise LinAlgError(f"{name}: {where}{why}") from None
        raise


def _zero_pivot(matrix: Any) -> int:
    """The number, from 1, of the first pivot that is zero in Gaussian elimination; 0 for none."""
    a = np.array(matrix)
    for k in range(len(a)):
        best = k + int(np.argmax(np.abs(a[k:, k])))
        if a[best, k] == 0:
            return k + 1
        a[[k, best]] = a[[best, k]]
        a[k + 1 :] -= np.outer(a[k + 1 :, k] / a[k, k], a[k])
    return 0


def _singular(matrix: Any) -> str:
    pivot = _zero_pivot(matrix)
    return pivot and (  # type: ignore[return-value]  # 0 is no reason
        f"The diagonal element {pivot} is zero, the inversion could not be completed because the "
        "input matrix is singular."
    )


def _minor(matrix: Any) -> int:
    """The order of the first leading minor that is not positive, or 0."""
    for order in range(1, len(matrix) + 1):
        try:
            np.linalg.cholesky(matrix[:order, :order])
        except np.linalg.LinAlgError:
            return order
    return 0


def _indefinite(matrix: Any) -> str:
    order = _minor(matrix)
    if not order:
        return ""
    return (
        "The factorization could not be completed because the input is not "
        f"positive-definite (the leading minor of order {order} is not positive-definite)."
    )


# --- determinants and inverses ----------------------------------------------------------------

_det_op = Op("LinalgDetBackward0", fnp.linalg.det)
_slogdet_op = Op(
    "LinalgSlogdetBackward0",
    lambda a: tuple(fnp.linalg.slogdet(a)),
    returns=_return("linalg_slogdet", "sign logabsdet"),
)
_old_slogdet = _return("slogdet", "sign logabsdet")
_inv_op = Op("LinalgInvExBackward0", fnp.linalg.inv)


def det(A: Any) -> Any:
    """The determinant of square matrices."""
    check_matrices("linalg.det", A)
    return _det_op(A)


def slogdet(A: Any) -> Any:
    """The sign of the determinant, and the logarithm of its size."""
    check_matrices("linalg.slogdet", A)
    return _slogdet_op(A)


def torch_slogdet(input: Any) -> Any:
    """The older name."""
    return _old_slogdet(*slogdet(input))


@enter("logdet")
def logdet(input: Any) -> Any:
    """The logarithm of the determinant; NaN where that is negative."""
    check_matrices("linalg.slogdet", input)
    sign, size = _slogdet_op(input)
    if input.dtype.is_complex:
        return sign.log() + size
    return MODULES["torch"]["where"](sign == -1, float("nan"), size)


def inv(A: Any) -> Any:
    """The inverse of square matrices."""
    check_matrices("linalg.inv", A)
    return _guarded(lambda: _inv_op(A), "linalg.inv", A, _singular)


_inv_ex = _return("linalg_inv_ex", "inverse info")
_cholesky_ex = _return("linalg_cholesky_ex", "L info")


def inv_ex(A: Any, *, check_errors: bool = False) -> Any:
    """The inverse, and 0, or the number of the first pivot that is zero."""
    check_matrices("linalg.inv_ex", A)
    lead = A._value.shape[:-2]
    matrices, _ = _batches(A)
    info = np.array([_zero_pivot(one) for one in matrices], np.int32).reshape(lead)
    return _inv_ex(inv(A), made(info))


enter(("det",), det)
enter("det", det, module="linalg")
enter("slogdet", torch_slogdet)
enter("slogdet", slogdet, module="linalg")
enter("inverse", inv)
enter("inv", inv, module="linalg")
enter("inv_ex", inv_ex, module="linalg")

# --- linear systems ---------------------------------------------------------------------------


def _solve(a: Any, b: Any, *, left: bool, vector: bool) -> Any:
    if vector:
        return fnp.linalg.solve(a, b[..., None])[..., 0]
    if left:
        return fnp.linalg.solve(a, b)
    turned = fnp.linalg.solve(fnp.swapaxes(a, -1, -2), fnp.swapaxes(b, -1, -2))
    return fnp.swapaxes(turned, -1, -2)


_solve_op = Op("LinalgSolveExBackward0", _solve)


def solve(A: Any, B: Any, *, left: bool = True) -> Any:
    """The solution X of A X = B, or of X A = B."""
    check_matrices("linalg.solve", A)
    if A.dtype is not B.dtype:
        raise RuntimeError(
            "linalg.solve: Expected A and B to have the same dtype, but found A of type "
            f"{A.dtype.legacy} and B of type {B.dtype.legacy} instead"
        )
    shape, other = tuple(A._value.shape), tuple(B._value.shape)
    vector = len(other) == 1 or (len(shape) - 1 == len(other) and other == shape[:-1])
    try:
        return _solve_op(A, B, left=left, vector=vector)
    except np.linalg.LinAlgError:
        raise LinAlgError(
            "torch.linalg.solve: The solver failed because the input matrix is singular."
        ) from None


_solve_ex = _return("linalg_solve_ex", "result info")


def solve_ex(A: Any, B: Any, *, left: bool = True, check_errors: bool = False) -> Any:
    """The solution, and 0."""
    return _solve_ex(solve(A, B, left=left), made(np.zeros(A._value.shape[:-2], np.int32)))


def _triangle(a: Any, upper: bool, unit: bool) -> Any:
    if unit:
        eye = np.eye(a.shape[-1], dtype=a.dtype)
        return (fnp.triu(a, 1) if upper else fnp.tril(a, -1)) + eye
    return fnp.triu(a) if upper else fnp.tril(a)


def _solve_triangular(a: Any, b: Any, *, upper: bool, left: bool, unit: bool) -> Any:
    return _solve(_triangle(a, upper, unit), b, left=left, vector=False)


_solve_triangular_op = Op("LinalgSolveTriangularBackward0", _solve_triangular)


def solve_triangular(
    A: Any, B: Any, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Any:
    """The solution of A X = B (or X A = B) for a triangular matrix A."""
    check_matrices("linalg.solve_triangular", A)
    return _solve_triangular_op(A, B, upper=upper, left=left, unit=unitriangular)


_lstsq = _return("linalg_lstsq", "solution residuals rank singular_values")


def lstsq(A: Any, B: Any, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """The X that minimises ‖A X - B‖, with residuals, rank and singular values."""
    check_matrices("linalg.lstsq", A, square=False)
    a = known(A._value)
    m, n = a.shape[-2:]
    limit = float(np.finfo(a.dtype).eps) * max(m, n) if rcond is None else float(rcond)
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(B._value.shape) == a.shape[:-1])
    rank = np.linalg.matrix_rank(a, rtol=limit)
    ranked = driver not in (None, "gelsy")
    full = m > n and bool(np.all(rank == n)) and not vector and ranked
    solution, rests = lstsq_op(A, B, rtol=limit, vector=vector, residuals=full)
    ranks = np.asarray([] if driver == "gels" else rank, np.int64)
    values = (
        np.linalg.svd(a, compute_uv=False)
        if driver in ("gelsd", "gelss")
        else np.empty((0,), a.dtype.char.lower())  # of a real type
    )
    return _lstsq(solution, rests, made(ranks), made(values))


enter("solve", solve, module="linalg")
enter("solve_ex", solve_ex, module="linalg")
enter("solve_triangular", solve_triangular, module="linalg")
enter("lstsq", lstsq, module="linalg")

# --- Cholesky ---------------------------------------------------------------------------------

_cholesky_op = Op(
    "LinalgCholeskyExBackward0", lambda a, *, upper: fnp.linalg.cholesky(a, upper=upper)
)
_old_cholesky_op = Op("CholeskyBackward0", lambda a, *, upper: fnp.linalg.cholesky(a, upper=upper))


def cholesky(A: Any, *, upper: bool = False) -> Any:
    """The triangular factor L of A = L Lᴴ (or U of Uᴴ U)."""
    check_matrices("linalg.cholesky", A)
    return _guarded(lambda: _cholesky_op(A, upper=upper), "linalg.cholesky", A, _indefinite)


def cholesky_ex(A: Any, *, upper: bool = False, check_errors: bool = False) -> Any:
    """The triangular factor, and 0; or nan, and the order of the first minor that is not > 0."""
    try:
        factor, orders = cholesky(A, upper=upper), np.zeros(A._value.shape[:-2], np.int32)
    except LinAlgError:
        if check_errors:
            raise
        orders = np.array([_minor(one) for one in _batches(A)[0]], np.int32)
        orders = orders.reshape(A._value.shape[:-2])
        wrong = made(np.asarray(orders != 0)[..., None, None])
        unit: Any = made(np.eye(A._value.shape[-1], dtype=A._value.dtype))
        factor = cholesky(A.masked_fill(wrong, 0) + unit * wrong, upper=upper)
        factor = factor.masked_fill(wrong, np.nan)
    return _cholesky_ex(factor, made(orders))


@enter("cholesky")
def torch_cholesky(input: Any, upper: bool = False) -> Any:
    """The older name."""
    check_matrices("cholesky", input)
    return _guarded(lambda: _old_cholesky_op(input, upper=upper), "cholesky", input, _indefinite)


def _product_of(factor: Any, upper: bool) -> Any:
    factor = _triangle(factor, upper, False)
    turned = fnp.swapaxes(factor, -1, -2)
    turned = fnp.conjugate(turned) if factor.dtype.kind == "c" else turned
    return fnp.matmul(turned, factor) if upper else fnp.matmul(factor, turned)


_cholesky_inverse_op = Op(
    "CholeskyInverseBackward0", lambda a, *, upper: fnp.linalg.inv(_product_of(a, upper))
)
_cholesky_solve_op = Op(
    "CholeskySolveBackward0", lambda b, a, *, upper: fnp.linalg.solve(_product_of(a, upper), b)
)


@enter("cholesky_inverse")
def cholesky_inverse(input: Any, upper: bool = False) -> Any:
    """(L Lᴴ)⁻¹."""
    check_matrices("cholesky_inverse", input)
    return _cholesky_inverse_op(input, upper=upper)


@enter("cholesky_solve")
def cholesky_solve(input: Any, input2: Any, upper: bool = False) -> Any:
    """(L Lᴴ)⁻¹ B."""
    return _cholesky_solve_op(input, input2, upper=upper)


enter("cholesky", cholesky, module="linalg")
enter("cholesky_ex", cholesky_ex, module="linalg")

# --- decompositions ---------------------------------------------------------------------------

_svd_of_torch, _qr_of_torch = _return("svd", "U S V"), _return("qr", "Q R")


def svd(A: Any, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """U, S and Vᴴ with A = U diag(S) Vᴴ."""
    check_matrices("linalg.svd", A, square=False)
    return svd_op(A, full=full_matrices)


def svdvals(A: Any, *, driver: str | None = None) -> Any:
    """The singular values, the largest first."""
    check_matrices("linalg.svd", A, square=False)
    return svd_op(A, full=False)[1]


@enter("svd")
def torch_svd(input: Any, some: bool = True, compute_uv: bool = True) -> Any:
    """U, S and V with A = U diag(S) Vᴴ."""
    check_matrices("linalg.svd", input, square=False)
    u, s, vh = svd_op(input, full=not some)
    return _svd_of_torch(u, s, vh.mH)


def qr(A: Any, mode: str = "reduced") -> Any:
    """Q with orthonormal columns and R upper triangular, with A = Q R."""
    check_matrices("linalg.qr", A, square=False)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', "
            "or 'complete'"
        )
    return qr_op(A, mode=mode)


@enter("qr")
def torch_qr(input: Any, some: bool = True) -> Any:
    """The older name."""
    return _qr_of_torch(*qr(input, "reduced" if some else "complete"))


def eigh(A: Any, UPLO: str = "L") -> Any:
    """Eigenvalues in ascending order, and eigenvectors, of Hermitian matrices."""
    check_matrices("linalg.eigh", A)
    return eigh_op(A, lower=UPLO.upper() == "L")


def eigvalsh(A: Any, UPLO: str = "L") -> Any:
    """Eigenvalues of Hermitian matrices in ascending order."""
    check_matrices("linalg.eigh", A)
    return eigh_op(A, lower=UPLO.upper() == "L")[0]


def eig(A: Any) -> Any:
    """Eigenvalues and eigenvectors, complex."""
    check_matrices("linalg.eig", A)
    return eig_op(A)


def eigvals(A: Any) -> Any:
    """Eigenvalues, complex."""
    check_matrices("linalg.eigvals", A)
    return eig_op(A)[0]


enter("svd", svd, module="linalg")
enter("svdvals", svdvals, module="linalg")
enter("qr", qr, module="linalg")
enter("eigh", eigh, module="linalg")
enter("eigvalsh", eigvalsh, module="linalg")
enter("eig", eig, module="linalg")
enter("eigvals", eigvals, module="linalg")


def pinv(
    A: Any, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Any:
    """The pseudo-inverse of Moore and Penrose."""
    kind = A.dtype
    if A.ndim < 2 or kind.category < 2:
        raise RuntimeError(
            f"linalg.pinv({kind.legacy}{{{list(A._value.shape)}}}): expected a tensor with 2 or "
            "more dimensions of float, double, cfloat or cdouble types"
        )
    limit = rtol if rtol is not None else rcond
    if limit is None:
        limit = float(np.finfo(A._value.dtype).eps) * max(A._value.shape[-2:])
    if atol is not None:
        largest = np.linalg.svd(known(A._value), compute_uv=False).max(initial=0.0)
        limit = max(float(atol) / float(largest or 1), 0.0 if rtol is None else float(rtol))
    return pinv_op(A, rtol=float(limit), hermitian=hermitian)


enter("pinv", pinv, module="linalg")


@enter("pinverse")
def pinverse(input: Any, rcond: float = 1e-15) -> Any:
    """The older name."""
    return pinv(input, rtol=rcond)


def _each(bound: Any) -> Any:
    """A bound for each matrix, with an axis for its singular values."""
    if bound is None:
        return None
    array = np.asarray(known(bound._value) if isinstance(bound, Tensor) else bound)
    return array[..., None] if array.ndim else array


def matrix_rank(
    A: Any, *, atol: Any = None, rtol: Any = None, tol: Any = None, hermitian: bool = False
) -> Any:
    """How many singular values are not negligible."""
    check_matrices("linalg.matrix_rank", A, square=False)
    array = known(A._value)
    values = np.linalg.svd(array, compute_uv=False)
    absolute, relative = _each(tol if tol is not None else atol), _each(rtol)
    if relative is None:
        negligible = np.finfo(array.dtype).eps * max(array.shape[-2:])
        relative = negligible if absolute is None else np.where(absolute > 0, 0.0, negligible)
    largest = relative * values.max(-1, keepdims=True, initial=0)
    bound = largest if absolute is None else np.maximum(absolute, largest)
    return made(np.asarray((values > bound).sum(-1), np.int64))


def cond(A: Any, p: Any = None) -> Any:
    """The condition number: the norm times that of the inverse."""
    if p in (None, 2, -2):
        check_matrices("linalg.cond", A, square=False)
        values = svd_op(A, full=False)[1]
        first, last = values.narrow(-1, 0, 1), values.narrow(-1, values._value.shape[-1] - 1, 1)
        return (last / first if p == -2 else first / last).squeeze(-1)
    check_matrices("linalg.cond", A)
    return matrix_norm(A, p) * matrix_norm(inv(A), p)


enter("matrix_rank", matrix_rank, module="linalg")
enter("cond", cond, module="linalg")

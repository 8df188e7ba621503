"""numpy.linalg: eigenvalues, singular values, QR, and what depends on arbitrary choices."""

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import DefectiveMatrixError, GaugeError, UnsupportedFunctionError
from funcgrad.testing import numerical_jvp

sys.path.insert(0, str(Path(__file__).parent))
from checking import normal  # test files are no package

DTYPES = [np.float64, np.complex128]


def adjoint(x: Any) -> Any:
    return np.conj(np.swapaxes(x, -1, -2))


def hermitian(x: Any) -> Any:
    return (x + adjoint(x)) / 2


def unitary(n: int, dtype: Any, seed: int = 3) -> Any:
    return np.linalg.qr(normal(n, n, seed=seed, dtype=dtype))[0]


def with_eigenvalues(values: Any, dtype: Any) -> Any:
    v = unitary(len(values), dtype)
    return hermitian((v * np.array(values)) @ adjoint(v))


def with_singular_values(values: Any, m: int, n: int, dtype: Any) -> Any:
    k = min(m, n)
    return (unitary(m, dtype)[:, :k] * np.array(values)) @ adjoint(unitary(n, dtype, 4)[:, :k])


def second_difference(f: Any, a: Any, s: Any, t: Any) -> Any:
    """∂²f(A)[S, T], of fourth order in the step."""

    def quotient(h: float) -> Any:
        ends = [f(a + x * s + y * t) for x, y in ((h, h), (h, -h), (-h, h), (-h, -h))]
        return (ends[0] - ends[1] - ends[2] + ends[3]) / (4 * h * h)

    return (4 * quotient(1e-3) - quotient(2e-3)) / 3


def check_smooth(f: Callable[[Any], Any], a: Any, *, symmetric: bool) -> None:
    """First derivatives in both modes, second ones in all four orders of modes, by differences."""
    s, t = (normal(*a.shape, seed=seed, dtype=a.dtype) for seed in (11, 12))
    if symmetric:
        s, t = hermitian(s), hermitian(t)
    gradient = fg.grad(f)
    slope = numerical_jvp(f, (a,), (t,), method="differences", largest_step=1e-2).value
    assert fg.jvp(f, (a,), (t,))[1] == pytest.approx(slope, rel=1e-7, abs=1e-7)
    assert np.sum(gradient(a) * t).real == pytest.approx(slope, rel=1e-7, abs=1e-7)

    expected = second_difference(f, a, s, t)
    found = [
        np.sum(fg.jvp(gradient, (a,), (t,))[1] * s).real,
        np.sum(fg.grad(lambda a: np.sum(np.real(gradient(a) * t)))(a) * s).real,
        np.sum(fg.grad(lambda a: fg.jvp(f, (a,), (t,))[1])(a) * s).real,
        fg.jvp(lambda a: fg.jvp(f, (a,), (t,))[1], (a,), (s,))[1],
    ]
    # Differences of second order with steps of 1e-3 have 9 digits.
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found, found[0], rtol=1e-9, atol=1e-9)


# --- equal eigenvalues ------------------------------------------------------------------------

SPECTRA = [(1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 2.0, 2.0), (0.5, 0.5, 0.5, 2.0), (1.0, 2.0, 3.0, 4.0)]


def weight(dtype: Any) -> Any:
    return hermitian(normal(4, 4, seed=8, dtype=dtype))


def of_eigh(f: Any) -> Any:
    """Re tr(C V f(λ) Vᴴ)."""

    def function(a: Any) -> Any:
        values, v = np.linalg.eigh(a)
        return np.sum(np.real(weight(a.dtype) * ((v * f(values)) @ adjoint(v)).T))

    return function


def square_root_twice(a: Any) -> Any:
    for _ in range(2):
        values, v = np.linalg.eigh(a)
        a = (v * np.sqrt(values)) @ adjoint(v)
    return np.sum(np.real(weight(a.dtype) * a.T))


FUNCTIONS_OF_HERMITIAN: dict[str, Any] = {
    "exponential": of_eigh(np.exp),
    "whitening": of_eigh(lambda values: 1 / np.sqrt(values)),
    "trace of the sine": lambda a: np.sum(np.sin(np.linalg.eigvalsh(a))),
    "sum of cubes": lambda a: np.sum(np.linalg.eigh(a)[0] ** 3),
    "product of eigenvalues": lambda a: np.prod(np.linalg.eigvalsh(a)),
    "decomposed twice": square_root_twice,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("values", SPECTRA)
@pytest.mark.parametrize("name", FUNCTIONS_OF_HERMITIAN)
def test_functions_of_eigenvalues_are_right_where_some_are_equal(
    name: str, values: Any, dtype: Any
) -> None:
    check_smooth(FUNCTIONS_OF_HERMITIAN[name], with_eigenvalues(values, dtype), symmetric=True)


@pytest.mark.parametrize("name", FUNCTIONS_OF_HERMITIAN)
def test_functions_of_eigenvalues_are_right_at_the_unit_matrix(name: str) -> None:
    check_smooth(FUNCTIONS_OF_HERMITIAN[name], np.eye(4), symmetric=True)


def test_the_derivative_of_an_exponential_at_the_unit_matrix_is_e_times_the_identity() -> None:
    def exponential(a: Any) -> Any:
        values, v = np.linalg.eigh(a)
        return (v * np.exp(values)) @ v.T

    t = hermitian(normal(3, 3))
    for found in (
        fg.jvp(exponential, (np.eye(3),), (t,))[1],
        fg.linearize(exponential, np.eye(3))[1](t),
        fg.vjp(exponential, np.eye(3))[1](t)[0],
        np.tensordot(fg.jacfwd(exponential)(np.eye(3)), t, 2),
        np.tensordot(fg.jacrev(exponential)(np.eye(3)), t, 2),
    ):
        assert type(found) is np.ndarray
        np.testing.assert_allclose(found, np.e * t, rtol=1e-13, atol=1e-13)


def test_the_third_derivative_at_equal_eigenvalues_is_that_of_the_power() -> None:
    def cube(a: Any) -> Any:
        values, v = np.linalg.eigh(a)
        return np.sum(weight(a.dtype) * ((v * values**3) @ v.T))

    a, t = np.eye(4), hermitian(normal(4, 4, seed=5))

    def along(f: Any) -> Any:
        return lambda a: fg.jvp(f, (a,), (t,))[1]

    expected = 6 * np.sum(weight(a.dtype) * np.linalg.matrix_power(t, 3))
    assert along(along(along(cube)))(a) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_projector_on_all_vectors_of_an_eigenvalue_is_differentiated(dtype: Any) -> None:
    def projected(a: Any) -> Any:
        v = np.linalg.eigh(a)[1][:, :2]
        return np.sum(np.real(weight(a.dtype) * (v @ adjoint(v)).T))

    check_smooth(projected, with_eigenvalues((1.0, 1.0, 2.0, 3.0), dtype), symmetric=True)


def test_a_batch_may_mix_equal_and_distinct_eigenvalues() -> None:
    f = FUNCTIONS_OF_HERMITIAN["whitening"]
    stack = np.stack([np.eye(4), with_eigenvalues((1.0, 2.0, 3.0, 4.0), np.float64)])
    expected = np.stack([fg.grad(f)(a) for a in stack])
    np.testing.assert_allclose(fg.vmap(fg.grad(f))(stack), expected, rtol=1e-12, atol=1e-12)
    summed = fg.grad(lambda stack: np.sum(fg.vmap(f)(stack)))(stack)
    np.testing.assert_allclose(summed, expected, rtol=1e-12, atol=1e-12)
    hessians = np.stack([fg.hessian(f)(a) for a in stack])
    np.testing.assert_allclose(fg.vmap(fg.hessian(f))(stack), hessians, rtol=1e-10, atol=1e-10)


def test_single_precision_stays_single_at_equal_eigenvalues() -> None:
    f = FUNCTIONS_OF_HERMITIAN["exponential"]
    a = np.eye(4, dtype=np.float32)
    gradient, hessian = fg.grad(f)(a), fg.hessian(f)(a)
    assert gradient.dtype == hessian.dtype == np.float32
    np.testing.assert_allclose(gradient, fg.grad(f)(np.eye(4)), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(hessian, fg.hessian(f)(np.eye(4)), rtol=1e-4, atol=1e-4)


def test_a_program_is_right_at_equal_eigenvalues_whatever_it_was_recorded_at() -> None:
    f = FUNCTIONS_OF_HERMITIAN["exponential"]
    distinct = with_eigenvalues((1.0, 2.0, 3.0, 4.0), np.float64)
    program = fg.make_program(f)(distinct)
    expected = fg.grad(f)(np.eye(4))
    np.testing.assert_allclose(fg.grad(program)(np.eye(4)), expected, rtol=1e-12, atol=1e-12)
    program = fg.make_program(fg.grad(f))(distinct)
    np.testing.assert_allclose(program(np.eye(4)), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("gap", 10.0 ** np.arange(-16, -3))
def test_close_eigenvalues_cost_no_more_digits_than_they_must(gap: float) -> None:
    """Against the exponential of block matrices, whose corners are its derivatives."""
    a, t = np.eye(4) + gap * hermitian(normal(4, 4)), hermitian(normal(4, 4, seed=5))
    none = np.zeros((4, 4))
    blocks = np.block([[a, t, none], [none, a, t], [none, none, a]])
    whole = sum(np.linalg.matrix_power(blocks, k) / math.factorial(k) for k in range(40))
    f = FUNCTIONS_OF_HERMITIAN["exponential"]
    first = np.sum(weight(a.dtype) * whole[:4, 4:8])
    second = 2 * np.sum(weight(a.dtype) * whole[:4, 8:])
    assert fg.jvp(f, (a,), (t,))[1] == pytest.approx(first, rel=1e-6)
    # Where a gap is neither taken for zero nor wide: rounding over the square of 1e-6.
    assert np.sum(fg.jvp(fg.grad(f), (a,), (t,))[1] * t) == pytest.approx(second, rel=1e-3)


def test_equal_eigenvalues_share_a_derivative_evenly() -> None:
    found = fg.grad(lambda a: np.linalg.eigvalsh(a)[0])(np.eye(3))
    np.testing.assert_allclose(found, np.eye(3) / 3, atol=1e-15)
    found = fg.grad(lambda a: np.linalg.eigvals(a)[0])(np.eye(3))
    np.testing.assert_allclose(found, np.eye(3) / 3, atol=1e-15)
    found = fg.grad(lambda a: np.linalg.norm(a, 2))(2 * np.eye(3))
    np.testing.assert_allclose(found, np.eye(3) / 3, atol=1e-15)


def test_python_may_ask_for_eigenvalues_that_are_equal() -> None:
    def f(a: Any) -> Any:
        values = np.linalg.eigvalsh(a)
        return np.sum(values**2) if values[0] > 0 and np.all(values == values[0]) else 0 * values[0]

    np.testing.assert_allclose(fg.hessian(f)(np.eye(2)).reshape(4, 4) @ [1, 0, 0, 3], [2, 0, 0, 6])


# --- dependence on the gauge ------------------------------------------------------------------


def first_vectors(a: Any) -> Any:
    return np.sum(normal(4, 4) * np.linalg.eigh(a)[1].real)


EQUAL = with_eigenvalues((1.0, 1.0, 2.0, 3.0), np.float64)
DIRECTION = hermitian(normal(4, 4, seed=9))


@pytest.mark.parametrize(
    "call",
    [
        lambda: fg.grad(first_vectors)(EQUAL),
        lambda: fg.jvp(first_vectors, (EQUAL,), (DIRECTION,)),
        lambda: fg.hessian(first_vectors)(EQUAL),
        lambda: fg.vmap(fg.grad(first_vectors))(np.stack([EQUAL, DIRECTION])),
        lambda: fg.linearize(first_vectors, EQUAL)[1](DIRECTION),
        lambda: fg.grad(lambda a: np.sum(np.linalg.eig(a)[1].real ** 3))(EQUAL),
        lambda: fg.jvp(np.linalg.eigh, (EQUAL,), (DIRECTION,)),
    ],
)
def test_vectors_of_equal_eigenvalues_are_an_error_that_names_the_line(call: Any) -> None:
    with pytest.raises(GaugeError, match=r"np\.linalg\.eig.*test_decompositions\.py:\d+.*Use a "):
        call()


def test_vectors_of_distinct_eigenvalues_next_to_equal_ones_are_differentiated() -> None:
    def last(a: Any) -> Any:
        v = np.linalg.eigh(a)[1][:, 3]
        return np.sum(normal(4, 4) * np.outer(v, v))

    check_smooth(last, EQUAL, symmetric=True)


TALL = normal(4, 2)


COMPLETE = [lambda a: np.linalg.svd(a)[0], lambda a: np.linalg.qr(a, "complete")[0]]


@pytest.mark.parametrize("factor", COMPLETE)
def test_vectors_that_complete_a_basis_are_an_error_unless_they_make_a_projector(
    factor: Any,
) -> None:
    def rest(a: Any) -> Any:
        return factor(a)[:, 2:]

    t = normal(4, 2, seed=5)
    with pytest.raises(GaugeError, match=r"with all vectors at .*test_decompositions\.py"):
        fg.grad(lambda a: np.sum(rest(a) ** 3))(TALL)
    with pytest.raises(GaugeError, match="with all vectors"):
        fg.jvp(lambda a: np.sum(rest(a) ** 3), (TALL,), (t,))
    check_smooth(lambda a: np.sum((rest(a) @ rest(a).T) ** 3), TALL, symmetric=False)


def test_a_derivative_of_the_first_vectors_does_not_mind_that_there_are_more() -> None:
    found = fg.grad(lambda a: np.sum(np.linalg.svd(a)[0][:, :2] ** 3))(TALL)
    expected = fg.grad(lambda a: np.sum(np.linalg.svd(a, False)[0] ** 3))(TALL)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


# --- singular values --------------------------------------------------------------------------


def of_svd(f: Any) -> Any:
    """Re tr(C U f(S) Vᴴ)."""

    def function(a: Any) -> Any:
        u, s, vh = np.linalg.svd(a, full_matrices=False)
        return np.sum(np.real(normal(*a.shape, seed=8, dtype=a.dtype) * ((u * f(s)) @ vh)))

    return function


def even_of_svd(a: Any) -> Any:
    """Of Aᴴ A, by all right vectors."""
    _, s, vh = np.linalg.svd(a)
    k = s.shape[-1]
    first, rest = vh[:k], vh[k:]
    whole = (adjoint(first) * np.cosh(s)) @ first + adjoint(rest) @ rest
    c = hermitian(normal(*whole.shape, seed=8, dtype=a.dtype))
    return np.sum(np.real(c * whole.T))


RANKS = [(2, 2, 2), (2, 2, 1), (3, 2, 1), (2, 2, 0), (2, 0, 0), (0, 0, 0)]
SMOOTH_EVERYWHERE: dict[str, Any] = {
    "reconstruction": of_svd(lambda s: s),
    "odd function": of_svd(np.sinh),
    "even function": even_of_svd,
    "sum of squares": lambda a: np.sum(np.linalg.svdvals(a) ** 2),
    "sum of fourth powers": lambda a: np.sum(np.linalg.svd(a)[1] ** 4),
}
OF_FULL_RANK: dict[str, Any] = {
    "polar factor": of_svd(np.ones_like),
    "pseudo-inverse": of_svd(lambda s: 1 / s),
    "nuclear norm": lambda a: np.linalg.norm(a, "nuc"),
    "pinv": lambda a: np.sum(np.real(normal(*a.shape[::-1], dtype=a.dtype) * np.linalg.pinv(a))),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("m", "n"), [(3, 3), (4, 3), (3, 4)])
@pytest.mark.parametrize("values", RANKS)
@pytest.mark.parametrize("name", SMOOTH_EVERYWHERE)
def test_smooth_functions_of_singular_values_are_right_where_some_are_equal_or_zero(
    name: str, values: Any, m: int, n: int, dtype: Any
) -> None:
    a = with_singular_values(values, m, n, dtype)
    check_smooth(SMOOTH_EVERYWHERE[name], a, symmetric=False)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("m", "n"), [(3, 3), (4, 3), (3, 4)])
@pytest.mark.parametrize("values", [(2, 2, 2), (2, 2, 1)])
@pytest.mark.parametrize("name", OF_FULL_RANK)
def test_functions_at_full_rank_are_right_where_singular_values_are_equal(
    name: str, values: Any, m: int, n: int, dtype: Any
) -> None:
    check_smooth(OF_FULL_RANK[name], with_singular_values(values, m, n, dtype), symmetric=False)


def test_a_singular_value_of_zero_has_the_derivative_of_the_absolute_value() -> None:
    found = fg.grad(lambda a: np.sum(np.linalg.svdvals(a)))(np.diag([2.0, 0.0]))
    np.testing.assert_allclose(found, np.diag([1.0, 0.0]), atol=1e-15)


# --- square matrices --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("values", SPECTRA)
def test_functions_of_eig_are_right_where_eigenvalues_are_equal(values: Any, dtype: Any) -> None:
    x = normal(4, 4, seed=2, dtype=dtype)
    a = (x * np.array(values)) @ np.linalg.inv(x)

    def exponential(a: Any) -> Any:
        values, v = np.linalg.eig(a)
        return np.sum(np.real(normal(4, 4) * ((v * np.exp(values)) @ np.linalg.inv(v))))

    check_smooth(exponential, a, symmetric=False)
    check_smooth(lambda a: np.sum(np.real(np.linalg.eigvals(a) ** 3)), a, symmetric=False)


def test_eigenvectors_keep_their_length_and_the_phase_of_their_largest_component() -> None:
    a, t = normal(4, 4), normal(4, 4, seed=1)
    (_, v), (_, v_dot) = fg.jvp(np.linalg.eig, (a,), (t,))
    assert v.dtype.kind == "c"
    np.testing.assert_allclose(np.sum(np.conj(v) * v_dot, axis=0).real, 0, atol=1e-13)
    largest = np.argmax(np.abs(v), axis=0), np.arange(4)
    np.testing.assert_allclose(v_dot[largest].imag, 0, atol=1e-13)


def test_real_eigenvalues_of_a_real_matrix_stay_real() -> None:
    a = np.diag([1.0, 2.0, 3.0]) + 0.1 * normal(3, 3)
    assert fg.vjp(np.linalg.eigvals, a)[0].dtype == np.float64
    assert fg.jvp(np.linalg.eig, (a,), (a,))[1][1].dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("function", [np.linalg.eigvals, lambda a: np.linalg.eig(a)[0]])
def test_a_matrix_with_too_few_eigenvectors_is_an_error(function: Any, n: int, dtype: Any) -> None:
    block = np.asarray(np.eye(n) + np.eye(n, k=1), dtype)
    with pytest.raises(DefectiveMatrixError, match=r"condition number .*test_decomp.*Use a smooth"):
        fg.grad(lambda a: np.sum(np.abs(function(a)) ** 2))(block)


# --- QR ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_diagonal_of_r_stays_real(dtype: Any) -> None:
    a, t = (normal(4, 3, seed=seed, dtype=dtype) for seed in (1, 2))
    r_dot = fg.jvp(lambda a: np.linalg.qr(a)[1], (a,), (t,))[1]
    np.testing.assert_allclose(np.diag(r_dot).imag, 0, atol=1e-14)
    np.testing.assert_allclose(np.tril(r_dot, -1), 0, atol=1e-14)


def test_qr_of_dependent_columns_is_an_error() -> None:
    with pytest.raises(GaugeError, match=r"first 2 columns are linearly dependent.*or use np"):
        fg.grad(lambda a: np.sum(np.linalg.qr(a)[0]))(np.ones((3, 2)))


def test_qr_of_dependent_columns_behind_a_regular_block_is_differentiated() -> None:
    a = np.concatenate([np.eye(2), np.ones((2, 2))], axis=1) + normal(2, 4) * 0.1
    check_smooth(lambda a: np.sum(np.linalg.qr(a)[1] ** 3), a, symmetric=False)


def test_the_raw_mode_of_qr_is_refused_with_the_reason() -> None:
    with pytest.raises(UnsupportedFunctionError, match=r"Householder.*Use mode='reduced'"):
        fg.grad(lambda a: np.sum(np.linalg.qr(a, mode="raw")[0]))(np.eye(2))


def test_unknown_options_are_numpys_errors() -> None:
    with pytest.raises(ValueError, match="Unrecognized mode 'full'"):
        fg.grad(lambda a: np.sum(np.linalg.qr(a, mode="full")[0]))(np.eye(2))
    with pytest.raises(ValueError, match="UPLO"):
        fg.grad(lambda a: np.sum(np.linalg.eigvalsh(a, "X")))(np.eye(2))


# --- shapes -----------------------------------------------------------------------------------

EMPTY: dict[str, tuple[Any, tuple[int, ...]]] = {
    "eigh": (lambda a: np.linalg.eigh(a)[1], (0, 0)),
    "eigvalsh": (np.linalg.eigvalsh, (2, 0, 0)),
    "eig": (lambda a: np.linalg.eig(a)[0], (0, 0)),
    "eigvals": (np.linalg.eigvals, (0, 3, 3)),
    "svd": (lambda a: np.linalg.svd(a)[0], (3, 0)),
    "thin svd": (lambda a: np.linalg.svd(a, full_matrices=False)[2], (0, 3)),
    "svdvals": (np.linalg.svdvals, (0, 3)),
    "qr": (lambda a: np.linalg.qr(a)[1], (3, 0)),
    "qr of no rows": (lambda a: np.linalg.qr(a)[1], (0, 3)),
    "complete qr": (lambda a: np.linalg.qr(a, mode="complete")[0], (3, 0)),
    "pinv": (np.linalg.pinv, (3, 0)),
    "lstsq": (lambda a: np.linalg.lstsq(a, np.ones(3))[0], (3, 0)),
    "det": (np.linalg.det, (0, 0)),
    "inv": (np.linalg.inv, (2, 0, 0)),
    "cholesky": (np.linalg.cholesky, (0, 0)),
    "norm": (np.linalg.norm, (0, 2)),
}


@pytest.mark.parametrize("dtype", [np.float64, np.complex64])
@pytest.mark.parametrize(("function", "shape"), EMPTY.values(), ids=EMPTY.keys())
def test_empty_matrices_have_empty_derivatives(function: Any, shape: Any, dtype: Any) -> None:
    a = np.zeros(shape, dtype)
    plain = function(a)
    out, pull = fg.vjp(function, a)
    assert np.shape(out) == np.shape(plain)
    assert out.dtype == plain.dtype
    (ct,) = pull(np.ones_like(plain))
    assert ct.shape == shape
    assert ct.dtype == dtype
    out_dot = fg.jvp(function, (a,), (a,))[1]
    assert np.shape(out_dot) == np.shape(plain)

"""torch.linalg.ldl_factor and ldl_solve, and products with Householder reflections."""

from typing import Any

import numpy as np
import pytest

import funcgrad.compat.torch as layer


def matrix(n: int, *, hermitian: bool, seed: int = 0, complex_: bool = True) -> Any:
    """A stack of two matrices, the second with a zero diagonal, which asks for 2 × 2 blocks."""
    rng = np.random.default_rng([seed, n])
    a = rng.normal(size=(2, n, n))
    if complex_:
        a = a + 1j * rng.normal(size=a.shape)
    a = a + np.swapaxes(a.conj() if hermitian else a, -1, -2)
    a[1, range(n), range(n)] = 0
    return a


@pytest.mark.parametrize("complex_", [False, True])
@pytest.mark.parametrize("hermitian", [False, True])
@pytest.mark.parametrize("n", [2, 5, 8])
def test_the_factors_solve_the_system(n: int, hermitian: bool, complex_: bool) -> None:
    a = matrix(n, hermitian=hermitian, complex_=complex_)
    b = np.random.default_rng(1).normal(size=(2, n, 3)).astype(a.dtype)
    factors, pivots = layer.linalg.ldl_factor(layer.from_numpy(a), hermitian=hermitian)
    assert pivots.dtype is layer.int32
    assert (pivots.numpy() < 0).any()
    found = layer.linalg.ldl_solve(factors, pivots, layer.from_numpy(b), hermitian=hermitian)
    np.testing.assert_allclose(a @ found.numpy(), b, rtol=1e-8, atol=1e-8)


def test_only_the_lower_triangle_is_read_and_written() -> None:
    a = matrix(4, hermitian=False)
    factors = layer.linalg.ldl_factor(layer.from_numpy(a)).LD.numpy()
    np.testing.assert_array_equal(np.triu(factors, 1), 0)
    low = layer.linalg.ldl_factor(layer.from_numpy(np.tril(a))).LD.numpy()
    np.testing.assert_array_equal(factors, low)


def test_a_zero_pivot_is_reported_and_an_error_of_the_checking_form() -> None:
    zeros = layer.zeros(2, 2)
    assert layer.linalg.ldl_factor_ex(zeros).info.item() == 1
    with pytest.raises(RuntimeError, match="pivot 1 is zero"):
        layer.linalg.ldl_factor_ex(zeros, check_errors=True)
    with pytest.raises(RuntimeError, match="pivot 1 is zero"):
        layer.linalg.ldl_factor(zeros)


def test_the_derivative_is_refused_in_pytorchs_words() -> None:
    a = layer.from_numpy(matrix(3, hermitian=False)).requires_grad_(True)
    factors = layer.linalg.ldl_factor(a).LD
    assert factors.requires_grad
    with pytest.raises(RuntimeError, match="'linalg_ldl_factor_ex' is not implemented"):
        factors.abs().sum().backward()


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("left", [False, True])
def test_ormqr_multiplies_with_the_whole_q(left: bool, transpose: bool) -> None:
    rng = np.random.default_rng(2)
    a = rng.normal(size=(5, 3)) + 1j * rng.normal(size=(5, 3))
    c = rng.normal(size=(5, 5)) + 1j * rng.normal(size=(5, 5))
    q = np.linalg.qr(a, "complete")[0]
    q = q.conj().T if transpose else q
    below, tau = layer.geqrf(layer.from_numpy(a))
    found = layer.ormqr(below, tau, layer.from_numpy(c), left, transpose).numpy()
    np.testing.assert_allclose(found, q @ c if left else c @ q, rtol=1e-12, atol=1e-12)


@pytest.mark.oracle
@pytest.mark.parametrize("complex_", [False, True])
@pytest.mark.parametrize("hermitian", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_factors_and_exchanges_are_pytorchs(seed: int, hermitian: bool, complex_: bool) -> None:
    torch = pytest.importorskip("torch")
    a = matrix(1 + seed, hermitian=hermitian, seed=seed, complex_=complex_)
    expected = torch.linalg.ldl_factor_ex(torch.from_numpy(a), hermitian=hermitian)
    found = layer.linalg.ldl_factor_ex(layer.from_numpy(a), hermitian=hermitian)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-9, atol=1e-12)

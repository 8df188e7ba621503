"""Products with identity matrices become products with vectors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import funcgrad as fg
from funcgrad.compile.passes import forward, optimised
from tests.compile.passes.sameness import names, recorded

N = 6
RNG = np.random.default_rng(3)
A, B = RNG.normal(size=(2, N, N))
X, Y = RNG.normal(size=(2, N))
E = np.eye(N)

CASES: dict[str, tuple[Callable[[Any, Any], Any], str, int]] = {
    "(E v) w": (lambda v, w: (E * v) * w @ A, "matmul", 0),
    "w (E v)": (lambda v, w: w * (v * E) @ A, "matmul", 0),
    "(E v) / w": (lambda v, w: ((E * v) / w) @ A, "matmul", 0),
    "-(E v)": (lambda v, w: -(E * v) @ (A * w), "matmul", 0),
    "E v + E w": (lambda v, w: (E * v + E * w) @ A, "matmul", 0),
    "E v - E w": (lambda v, w: (E * v - E * w) @ A, "matmul", 0),
    "A (E v)": (lambda v, w: (A * w) @ (E * v), "matmul", 0),
    "w (E v)  of vectors": (lambda v, w: w @ (E * v), "matmul", 0),
    "(E v) w  of vectors": (lambda v, w: (E * v) @ w, "matmul", 0),
    "E B": (lambda v, w: E @ (A * v) + w, "matmul", 0),
    "A E": (lambda v, w: (A * v) @ E + w, "matmul", 0),
    "a sum over rows": (lambda v, w: np.sum(E * np.sin(v), axis=0) * w, "sum", 0),
    "a sum over columns": (lambda v, w: np.sum(E * np.sin(v), axis=1) * w, "sum", 0),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_identity_matrices_leave_products(name: str, dtype: Any):
    f, operation, count = CASES[name]
    v, w = X.astype(dtype), Y.astype(dtype)
    program = recorded(f, v, w)
    after, _ = optimised(program)
    assert operation in names(program)
    if dtype is np.float64:  # a float64 identity makes the results of float32 float64 ones
        assert names(after).count(operation) == count
    for found, wanted in zip(after.evaluate(v, w), program.evaluate(v, w), strict=True):
        assert found.dtype == wanted.dtype
        assert found.shape == wanted.shape
        assert_allclose(found, wanted, rtol=1e-13, atol=1e-13)
    assert names(optimised(program, exact=True)[0]).count(operation) > 0


def residuals(x: Any) -> Any:
    return np.tanh(A @ x) * np.exp(x) - np.sin(x) / (2.0 + np.cos(B @ x))


@pytest.mark.parametrize("made", [fg.jacfwd, fg.jacrev, lambda f: fg.vmap(fg.jacfwd(f))])
def test_jacobians_are_right_with_and_without(made: Any):
    x = np.stack([X, Y]) if made not in (fg.jacfwd, fg.jacrev) else X
    program = recorded(made(residuals), x)
    for exact in (True, False):
        (found,) = forward(program, exact=exact)[0].evaluate(x)
        assert_allclose(found, made(residuals)(x), rtol=1e-12, atol=1e-13)


def test_a_jacobian_by_columns_needs_no_product_of_matrices():
    program = recorded(fg.jacfwd(residuals), X)
    matrices = [
        e
        for e in optimised(program)[0].equations
        if e.primitive.name == "matmul" and len(e.results[0].shape) == 2
    ]
    assert not matrices
    assert_allclose(fg.jit(fg.jacfwd(residuals))(X), fg.jacfwd(residuals)(X), rtol=1e-12)


@pytest.mark.parametrize(
    "matrix",
    [np.eye(N)[:, ::-1], np.eye(N, k=1), 2 * np.eye(N), np.eye(N, N + 1), np.ones((N, N))],
    ids=["reversed", "beside", "twice", "wider", "ones"],
)
def test_other_matrices_are_left_alone(matrix: Any):
    f = lambda v, w: (matrix * v[0]) @ np.ones((matrix.shape[1], 2)) + w[0]
    program = recorded(f, X, Y)
    after, _ = optimised(program)
    assert "matmul" in names(after)
    assert_allclose(after.evaluate(X, Y)[0], f(X, Y), rtol=1e-14)


def test_an_array_of_the_users_is_no_identity_matrix_for_good():
    held = np.eye(3)
    f = fg.jit(lambda x: held @ x)
    x = np.arange(9.0).reshape(3, 3)
    assert_allclose(f(x), x)
    held[0, 1] = 5.0
    assert_allclose(f(x), held @ x)


HESSIANS: dict[str, Callable[[Any], Any]] = {
    "1 / x": lambda x: np.sum(np.reciprocal(x)),
    "(1 / x)²": lambda x: np.sum(np.reciprocal(x) * np.reciprocal(x)) * 0.5,
    "mean of 1 / x": lambda x: np.mean(np.reciprocal(x)),
    "cos x / x": lambda x: np.sum(np.cos(x) / x),
    "log(1 / (1 + exp -x))": lambda x: np.sum(np.log(np.reciprocal(1 + np.exp(-x)))),
    "x¹ᐟ³ exp(-x)": lambda x: np.sum(np.cbrt(x) * np.exp(-x)),
}


@pytest.mark.parametrize("n", [2, 3, 20])
@pytest.mark.parametrize("name", HESSIANS)
def test_hessians_where_signs_and_diagonals_are_moved_in_one_equation_are_right(name: str, n: int):
    hessian = fg.hessian(HESSIANS[name])
    compiled = fg.jit(hessian)
    for x in (np.linspace(0.5, 2.0, n), np.linspace(0.3, 0.9, n)):
        assert_allclose(compiled(x), hessian(x), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", HESSIANS)
def test_what_passes_add_for_one_equation_has_numbers_of_its_own(name: str):
    after, _ = forward(recorded(fg.hessian(HESSIANS[name]), X + 5.0))
    made = [v.number for e in after.equations for v in e.results]
    assert len(made) == len(set(made))

"""sparse_jacobian and sparse_hessian: the entries of jacobian and hessian."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import funcgrad as fg
from funcgrad import tree
from funcgrad.errors import (
    ArgumentSelectionError,
    CallableError,
    InputDtypeError,
    NonScalarOutputError,
    OutputDtypeError,
    SparsityError,
)
from funcgrad.sparse.derivatives import (
    hessian_sparsity,
    jacobian_sparsity,
    sparse_hessian,
    sparse_jacobian,
)
from funcgrad.sparse.matrix import SparseMatrix
from funcgrad.sparse.pattern import Pattern
from funcgrad.testing.programs import GeneratedProgram
from funcgrad.testing.strategies import programs
from tests.sparse.functions import chain, grid_energy, neighbours, rosenbrock

x = np.random.default_rng(0).normal(size=6)
params = {"a": x[:3], "b": [x.reshape(2, 3), 2.0]}


def is_matrix(value: Any) -> bool:
    return isinstance(value, SparseMatrix)


def assert_same(sparse: Any, dense: Any, rtol: float = 1e-12) -> None:
    """The same nesting, dtypes and numbers; blocks have one axis for each leaf."""
    matrices = tree.leaves(sparse, is_leaf=is_matrix)
    arrays, structure = tree.flatten(dense)
    assert tree.structure(sparse, is_leaf=is_matrix) == structure
    for matrix, array in zip(matrices, arrays, strict=True):
        assert matrix.dtype == array.dtype
        whole = matrix.todense()
        np.testing.assert_allclose(whole, np.reshape(array, whole.shape), rtol=rtol, atol=1e-13)


def assert_close(sparse: Any, dense: Any) -> None:
    """The same numbers, up to rounding errors of the largest of them."""
    matrices = tree.leaves(sparse, is_leaf=is_matrix)
    for matrix, array in zip(matrices, tree.leaves(dense), strict=True):
        whole = matrix.todense()
        largest = float(np.max(np.abs(array), initial=1.0))
        np.testing.assert_allclose(whole, np.reshape(array, whole.shape), 1e-7, 1e-10 * largest)


JACOBIANS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = {
    "bands": (neighbours, (x,), {}),
    "full": (np.cumsum, (x,), {}),
    "scalar argument": (lambda t: np.array([1.0, 2.0]) * t, (2.0,), {}),
    "scalar argument and result": (np.sin, (2.0,), {}),
    "scalar result": (rosenbrock, (x,), {}),
    "one element": (np.exp, (x[:1],), {}),
    "no elements": (np.sin, (x[:0],), {}),
    "no results": (lambda x: x[:0] * 2.0, (x,), {}),
    "constant": (lambda x: np.ones(3), (x,), {}),
    "float32": (lambda x: x[1:] ** 2 - x[:-1], (x.astype(np.float32),), {}),
    "a matrix as argument": (lambda u: np.sin(u[1:]), (x.reshape(3, 2),), {}),
    "two arguments": (lambda x, y: x * y[:3], (x[:3], x), {"argnums": (0, 1)}),
    "the second argument": (lambda x, y: x * y[:3], (x[:3], x), {"argnums": 1}),
    "a tuple of one": (lambda x, y: x * y[:3], (x[:3], x), {"argnums": (0,)}),
    "a negative position": (lambda x, y: x * y[:3], (x[:3], x), {"argnums": -1}),
    "pytrees": (lambda p: {"u": p["a"] * p["b"][0][1], "v": p["b"][1] * p["a"][0]}, (params,), {}),
    "holomorphic": (lambda z: z[1:] ** 2 * z[:-1], (x + 1j,), {"holomorphic": True}),
    "a scan": (lambda x: fg.scan(lambda c, a: (a, c * a), 1.0, x)[1], (x,), {}),
    "a compiled function": (fg.jit(lambda x: np.diff(x) ** 2), (x,), {}),
    "a branch": (lambda x: fg.cond(x[0] > 0, np.sin, np.cumsum, x), (x,), {}),
    "sorted": (lambda x: np.sort(x) ** 2, (x,), {}),
    "a Python loop": (lambda x: np.stack([x[i] * x[i - 1] for i in range(len(x))]), (x,), {}),
}


@pytest.mark.parametrize("name", JACOBIANS)
@pytest.mark.parametrize("method", ["auto", "forward", "reverse"])
def test_a_sparse_jacobian_has_the_entries_of_the_dense_one(name: str, method: str) -> None:
    fun, args, options = JACOBIANS[name]
    dense = {"forward": fg.jacfwd, "reverse": fg.jacrev, "auto": fg.jacobian}[method]
    rtol = 1e-5 if name == "float32" else 1e-12
    assert_same(
        sparse_jacobian(fun, method=method, **options)(*args), dense(fun, **options)(*args), rtol
    )


HESSIANS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = {
    "three bands": (rosenbrock, (x,), {}),
    "five bands": (chain, (x,), {}),
    "a grid": (grid_energy, (x.reshape(2, 3),), {}),
    "linear": (np.sum, (x,), {}),
    "scalar": (lambda t: t**3, (2.0,), {}),
    "one element": (lambda x: np.sum(x**3), (x[:1],), {}),
    "no elements": (lambda x: np.sum(x**3), (x[:0],), {}),
    "float32": (lambda x: np.sum(x[1:] ** 2 * x[:-1]), (x.astype(np.float32),), {}),
    "pytrees": (lambda p: np.sum(p["a"] * p["b"][0][1]) * p["b"][1] ** 2, (params,), {}),
    "two arguments": (lambda x, y: np.sum(x * y[:3] ** 2), (x[:3], x), {"argnums": (0, 1)}),
    "a tuple of one": (lambda x, y: np.sum(x**2 * y[:3]), (x[:3], x), {"argnums": (0,)}),
    "holomorphic": (lambda z: np.sum(z[1:] ** 2 * z[:-1]), (x + 1j,), {"holomorphic": True}),
    "an arrow": (lambda x: np.sum(x[1:] ** 2) * x[0] + x[0] ** 3, (x,), {}),
}


@pytest.mark.parametrize("name", HESSIANS)
def test_a_sparse_hessian_has_the_entries_of_the_dense_one(name: str) -> None:
    fun, args, options = HESSIANS[name]
    rtol = 1e-5 if name == "float32" else 1e-12
    assert_same(sparse_hessian(fun, **options)(*args), fg.hessian(fun, **options)(*args), rtol)


@st.composite
def sums_of_pieces(draw: st.DrawFn) -> Callable[[Any], Any]:
    """Sums of products of elementwise functions of gathered elements."""
    pieces = draw(
        st.lists(
            st.tuples(
                st.lists(st.integers(0, 5), min_size=1, max_size=4),
                st.lists(st.integers(0, 5), min_size=1, max_size=1),
                st.sampled_from([np.sin, np.exp, np.square, np.tanh]),
            ),
            min_size=1,
            max_size=4,
        )
    )

    def fun(x: Any) -> Any:
        return sum(np.sum(f(x[np.array(i)]) * x[np.array(j)]) for i, j, f in pieces)

    return fun


@settings(max_examples=40)
@given(sums_of_pieces())
def test_hessians_of_random_sums_of_pieces_are_the_dense_ones(fun: Callable[[Any], Any]) -> None:
    assert_same(sparse_hessian(fun)(x), fg.hessian(fun)(x), rtol=1e-10)


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=3), min_size=1, max_size=8))
def test_jacobians_of_random_gathers_are_the_dense_ones(rows: list[list[int]]) -> None:
    def fun(x: Any) -> Any:
        return np.stack([np.prod(np.sin(x[np.array(row)])) for row in rows])

    found = sparse_jacobian(fun)(x)
    assert_same(found, fg.jacobian(fun)(x), rtol=1e-10)
    assert found.nnz == sum(len(set(row)) for row in rows)


@settings(max_examples=25)
@given(programs())
def test_derivatives_of_random_programs_are_the_dense_ones(program: GeneratedProgram) -> None:
    def fun(*xs: Any) -> Any:
        return program.function(np, *xs)

    def total(*xs: Any) -> Any:
        return np.sum(np.sin(fun(*xs)))

    xs = program.inputs
    every = tuple(range(len(xs)))
    jacobian = sparse_jacobian(fun, every).prepare(*xs)
    hessian = sparse_hessian(total, every).prepare(*xs)
    for point in (xs, tuple(0.5 * x + 0.25 for x in xs)):  # the same structure for other values
        assert_close(jacobian(*point), fg.jacobian(fun, every)(*point))
        assert_close(hessian(*point), fg.hessian(total, every)(*point))


def test_auxiliary_results_are_passed_on() -> None:
    matrix, aux = sparse_jacobian(lambda x: (x * 2.0, {"s": x.sum()}), has_aux=True)(x)
    np.testing.assert_array_equal(matrix.values, np.full(6, 2.0))
    assert aux == {"s": x.sum()}
    _, aux = sparse_hessian(lambda x: (rosenbrock(x), x[0]), has_aux=True)(x)
    assert aux == x[0]


def test_keyword_arguments_are_passed_on() -> None:
    def fun(x: Any, *, factor: Any, name: str) -> Any:
        return x * factor if name == "times" else x

    derivative = sparse_jacobian(fun)
    np.testing.assert_array_equal(derivative(x, factor=2.0, name="times").values, np.full(6, 2.0))
    np.testing.assert_array_equal(derivative(x, factor=3.0, name="times").values, np.full(6, 3.0))
    np.testing.assert_array_equal(derivative(x, factor=3.0, name="none").values, np.ones(6))


def test_structure_is_tight_for_stencils() -> None:
    assert hessian_sparsity(rosenbrock)(np.ones(50)).nnz == 3 * 50 - 2
    assert hessian_sparsity(chain)(np.ones(50)).nnz == 5 * 50 - 6
    assert hessian_sparsity(grid_energy)(np.ones((7, 9))).nnz == 63 + 2 * (6 * 9 + 7 * 8)
    assert jacobian_sparsity(neighbours)(np.ones(50)).nnz == 2 * 49


def test_structure_is_that_of_all_leaves_together() -> None:
    pattern = jacobian_sparsity(lambda p: [p["a"] ** 2, p["b"][1] * p["a"][:1]])(params)
    assert pattern == Pattern.of([0, 1, 2, 3, 3], [0, 1, 2, 0, 9], (4, 10))


def test_a_rule_of_the_user_decides_about_structure() -> None:
    @fg.custom_jvp
    def rounded(x: Any) -> Any:
        return np.round(x)

    rounded.defjvp(lambda primals, tangents: (np.round(primals[0]), tangents[0]))
    assert_same(sparse_jacobian(rounded)(x), np.eye(6))

    @fg.custom_vjp
    def double(x: Any) -> Any:
        return 2.0 * x

    double.defvjp(lambda x: (2.0 * x, None), lambda _, ct: (np.cumsum(ct),))
    assert_same(sparse_jacobian(double)(x), fg.jacrev(double)(x))


def test_one_infinite_derivative_leaves_the_other_entries_alone() -> None:
    with np.errstate(divide="ignore"):
        found = sparse_jacobian(np.sqrt)(np.array([0.0, 4.0]))
    np.testing.assert_array_equal(found.values, [np.inf, 0.25])


# --- given structure and method ---------------------------------------------------------------


def test_a_given_structure_may_be_larger_than_needed() -> None:
    derivative = sparse_jacobian(neighbours, structure=np.ones((5, 6)))
    assert derivative(x).nnz == 30
    assert_same(derivative(x), fg.jacobian(neighbours)(x))


def test_half_of_a_symmetric_structure_is_enough() -> None:
    upper = np.triu(fg.hessian(rosenbrock)(x))
    assert_same(sparse_hessian(rosenbrock, structure=upper)(x), fg.hessian(rosenbrock)(x))


def test_a_given_structure_that_lacks_entries_is_refused() -> None:
    with pytest.raises(SparsityError, match=r"derivative of cumsum is another one .* in 5 rows"):
        sparse_jacobian(np.cumsum, structure=np.eye(6))(x)


def test_unchecked_structure_is_the_users_word() -> None:
    found = sparse_jacobian(np.cumsum, structure=np.eye(6), check=False)(x)
    assert found.nnz == 6


def test_a_structure_of_another_shape_is_refused() -> None:
    with pytest.raises(SparsityError, match=r"sparse_jacobian: structure is that of a matrix of"):
        sparse_jacobian(neighbours, structure=np.eye(6))(x)


def test_a_hessian_that_is_not_symmetric_is_found_entry_by_entry() -> None:
    @fg.custom_vjp
    def odd(x: Any) -> Any:
        return x[0] * np.sum(x[1:])

    def backward(x: Any, ct: Any) -> Any:
        return (ct * np.concatenate([np.sum(x[1:])[None], 2.0 * x[0] * np.ones(5)]),)

    odd.defvjp(lambda x: (odd(x), x), backward)
    expected = np.zeros((6, 6))
    expected[0, 1:] = 1.0
    expected[1:, 0] = 2.0
    assert_same(sparse_jacobian(fg.grad(lambda x: odd(x)))(x), expected)
    assert_same(sparse_hessian(lambda x: odd(x))(x), expected)


def test_the_method_of_fewer_products_is_chosen() -> None:
    full_row = sparse_jacobian(lambda x: np.concatenate([x, x.sum()[None]])).prepare(x)
    full_column = sparse_jacobian(lambda x: x * x[0]).prepare(x)
    assert (full_row.mode, full_row.colours) == ("reverse", 2)
    assert (full_column.mode, full_column.colours) == ("forward", 2)


# --- errors -----------------------------------------------------------------------------------


MISTAKES: dict[str, tuple[type[Exception], str, Callable[[], Any]]] = {
    "a result in place of a function": (
        CallableError, "takes a function", lambda: sparse_jacobian(x)
    ),
    "an unknown method": (
        ArgumentSelectionError, "method='both'", lambda: sparse_jacobian(np.sin, method="both")
    ),
    "no such argument": (
        ArgumentSelectionError, "argnums=1", lambda: sparse_jacobian(np.sin, 1)(x)
    ),
    "integers": (
        InputDtypeError, "argument 0 has dtype int64", lambda: sparse_jacobian(np.sin)(np.arange(3))
    ),
    "complex arguments": (
        OutputDtypeError, "argument 0 has dtype complex128, with holomorphic=False",
        lambda: sparse_jacobian(np.sin)(x + 1j),
    ),
    "real arguments": (
        OutputDtypeError, "argument 0 has dtype float64, with holomorphic=True",
        lambda: sparse_jacobian(np.sin, holomorphic=True)(x),
    ),
    "complex results": (
        OutputDtypeError, "returned dtype complex128", lambda: sparse_jacobian(lambda x: x * 1j)(x)
    ),
    "booleans as results": (
        OutputDtypeError, "returned dtype bool", lambda: sparse_jacobian(lambda x: x > 0)(x)
    ),
    "the Hessian of an array": (
        NonScalarOutputError, r"^sparse_hessian: sin returned shape \(6,\), but a Hessian is",
        lambda: sparse_hessian(np.sin)(x),
    ),
    "no results": (
        SparsityError, "returned a pytree without arrays",
        lambda: sparse_jacobian(lambda x: {})(x),
    ),
    "no arguments": (
        SparsityError, "selected arguments, a pytree without", lambda: sparse_hessian(np.sum)([])
    ),
    "text": (
        InputDtypeError, r"argument 0\['a'\] has", lambda: jacobian_sparsity(len)({"a": "text"})
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_named(name: str) -> None:
    error, message, call = MISTAKES[name]
    with pytest.raises(error, match=message):
        call()

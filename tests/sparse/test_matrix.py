"""SparseMatrix: values and where they stand."""

from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad import tree
from funcgrad.errors import SparsityError
from funcgrad.sparse.matrix import SparseMatrix
from funcgrad.sparse.pattern import Pattern

dense = np.array([[0.0, 2.0, 0.0], [3.0, 0.0, -1.0]])
matrix = SparseMatrix(np.array([2.0, 3.0, -1.0]), Pattern.of_dense(dense))


def test_a_matrix_has_the_attributes_of_an_array() -> None:
    assert matrix.shape == (2, 3)
    assert matrix.dtype == np.float64
    assert matrix.nnz == 3
    assert matrix.rows.tolist() == [0, 1, 1]
    assert matrix.columns.tolist() == [1, 0, 2]
    assert repr(matrix) == "<SparseMatrix of 2 x 3, 3 entries of float64>"


def test_a_dense_matrix_holds_the_values_and_zeros() -> None:
    np.testing.assert_array_equal(matrix.todense(), dense)


def test_products_with_vectors_and_matrices_are_those_of_the_dense_one() -> None:
    rng = np.random.default_rng(0)
    for other in (rng.normal(size=3), rng.normal(size=(3, 4))):
        np.testing.assert_allclose(matrix @ other, dense @ other, rtol=1e-15)


def test_products_from_the_left_are_those_of_the_dense_one() -> None:
    rng = np.random.default_rng(0)
    for other in (rng.normal(size=2), rng.normal(size=(4, 2))):
        np.testing.assert_allclose(other @ matrix, other @ dense, rtol=1e-15)
    with pytest.raises(SparsityError, match="a vector or a matrix of 2 columns"):
        np.ones(3) @ matrix


def test_numbers_signs_and_sums_change_the_values_alone() -> None:
    for found, expected in (
        (matrix * 2.0, dense * 2.0),
        (np.float64(2.0) * matrix, dense * 2.0),
        (np.array(2.0) * matrix, dense * 2.0),
        (matrix / 4, dense / 4),
        (-matrix, -dense),
        (matrix + 3.0 * matrix, 4.0 * dense),
        (matrix - 3.0 * matrix, -2.0 * dense),
    ):
        assert found.pattern is matrix.pattern
        np.testing.assert_array_equal(found.todense(), expected)


def test_the_transpose_and_the_diagonal_are_those_of_the_dense_one() -> None:
    np.testing.assert_array_equal(matrix.T.todense(), dense.T)
    assert matrix.T.rows.tolist() == [0, 1, 2]
    full = np.arange(1.0, 7.0).reshape(2, 3)
    for array in (full, full.T, dense):
        pattern = Pattern.of_dense(array)
        sparse = SparseMatrix(array[pattern.rows, pattern.columns], pattern)
        np.testing.assert_array_equal(sparse.diagonal(), np.diagonal(array))


def test_derivatives_and_batches_go_through_transposes_numbers_and_diagonals() -> None:
    square = Pattern.of([0, 0, 1], [0, 1, 1], (2, 2))

    def total(v: Any) -> Any:
        m = SparseMatrix(v, square)
        return np.sum((np.ones(2) @ (v[0] * m.T)) * (m + m).diagonal())

    def by_dense(v: Any) -> Any:
        m = SparseMatrix(v, square).todense()
        return np.sum((np.ones(2) @ (v[0] * m.T)) * np.diagonal(m + m))

    v = np.array([2.0, 3.0, 5.0])
    np.testing.assert_allclose(fg.grad(total)(v), fg.grad(by_dense)(v), rtol=1e-15)
    batch = np.stack([v, -v, 2.0 * v])
    found = fg.vmap(fg.grad(total))(batch)
    np.testing.assert_allclose(found, fg.vmap(fg.grad(by_dense))(batch), rtol=1e-15)


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (lambda m: m @ m, "@"),
        (lambda m: m * np.ones(3), r"\*"),
        (lambda m: m - dense, "-"),
        (lambda m: dense - m, "-"),
        (lambda m: m + 1.0, r"\+"),
        (lambda m: m + m.T.T.T, r"\+"),
        (lambda m: 1.0 / m, "/"),
        (lambda m: m**2, r"\*\*"),
        (lambda m: m == dense, "=="),
        (lambda m: m[0], r"\[\]"),
        (bool, r"bool\(\)"),
        (np.sum, "numpy.sum"),
        (lambda m: np.linalg.solve(m, np.ones(2)), "numpy.linalg.solve"),
        (lambda m: SparseMatrix(np.ones((2, 3)), m.pattern) @ np.ones(3), "@: a batch"),
    ],
)
def test_other_operations_say_how_to_do_them(operation: Any, name: str) -> None:
    with pytest.raises(SparsityError, match=rf"^{name}.*todense\(\)"):
        operation(matrix)


def test_matrices_of_scipy_do_not_mix_with_these() -> None:
    pytest.importorskip("scipy.sparse")
    other = matrix.to_scipy()
    for operation in (lambda: matrix @ other.T, lambda: other.T @ matrix, lambda: other + matrix):
        with pytest.raises(SparsityError, match=r"to_scipy\(\)"):
            operation()


@pytest.mark.parametrize("shape", [(2,), (2, 3), (), (3, 1, 1)])
def test_a_product_needs_as_many_rows_as_there_are_columns(shape: tuple[int, ...]) -> None:
    with pytest.raises(SparsityError, match=r"@: a sparse matrix of shape \(2, 3\) and an array"):
        matrix @ np.ones(shape)


@pytest.mark.parametrize("kind", ["coo", "csr", "csc"])
def test_a_matrix_of_scipy_holds_the_same(kind: str) -> None:
    pytest.importorskip("scipy.sparse")
    found = matrix.to_scipy(kind)
    assert found.format == kind
    np.testing.assert_array_equal(found.toarray(), dense)


def test_scipy_gets_no_traced_values() -> None:
    def fun(values: Any) -> Any:
        return SparseMatrix(values, matrix.pattern).to_scipy()

    with pytest.raises(SparsityError, match="outside of transforms"):
        fg.grad(fun)(matrix.values)


def test_a_matrix_never_becomes_an_array_without_notice() -> None:
    with pytest.raises(SparsityError, match=r"numpy.asarray.* takes 6 elements. Write .todense"):
        np.asarray(matrix)
    with pytest.raises(SparsityError, match=r"function that calls it, at .*test_matrix.py"):
        np.exp(matrix)


def test_a_matrix_is_a_pytree_of_its_values() -> None:
    (leaf,), structure = tree.flatten(matrix)
    assert leaf is matrix.values
    ((path, _),) = tree.leaves_with_path(matrix)
    assert tree.keystr(path) == ".values"
    double = tree.map(lambda v: 2.0 * v, matrix)
    np.testing.assert_array_equal(double.todense(), 2.0 * dense)
    assert tree.structure(double) == structure


def test_derivatives_go_through_dense_matrices_and_products() -> None:
    weights = np.arange(6.0).reshape(2, 3)

    def by_dense(values: Any) -> Any:
        return np.sum(SparseMatrix(values, matrix.pattern).todense() * weights)

    def by_product(values: Any) -> Any:
        return np.sum(SparseMatrix(values, matrix.pattern) @ weights.T)

    np.testing.assert_array_equal(fg.grad(by_dense)(matrix.values), [1.0, 3.0, 5.0])
    expected = [weights.sum(axis=0)[j] for j in matrix.columns]
    np.testing.assert_array_equal(fg.grad(by_product)(matrix.values), expected)


def test_a_batch_of_matrices_becomes_a_batch_of_dense_ones() -> None:
    values = np.stack([matrix.values, 2.0 * matrix.values])
    batch = SparseMatrix(values, matrix.pattern)
    np.testing.assert_array_equal(batch.todense(), [dense, 2.0 * dense])
    mapped = fg.vmap(lambda m: m.todense())(batch)
    np.testing.assert_array_equal(mapped, [dense, 2.0 * dense])

    def total(v: Any) -> Any:
        return np.sum(SparseMatrix(v, matrix.pattern).todense() ** 2)

    np.testing.assert_array_equal(fg.grad(total)(values), 2.0 * values)

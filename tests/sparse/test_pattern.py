"""Patterns: sets of entries."""

import numpy as np
import pytest

from funcgrad.errors import SparsityError
from funcgrad.sparse.pattern import Pattern, as_pattern


def test_entries_are_sorted_by_row_then_column_and_counted_once() -> None:
    pattern = Pattern.of([2, 0, 0, 2], [1, 3, 0, 1], (3, 4))
    assert pattern.rows.tolist() == [0, 0, 2]
    assert pattern.columns.tolist() == [0, 3, 1]
    assert pattern.nnz == 3


def test_a_pattern_and_its_matrix_of_booleans_are_the_same_set() -> None:
    matrix = np.random.default_rng(0).random((5, 7)) < 0.4
    np.testing.assert_array_equal(Pattern.of_dense(matrix).todense(), matrix)


def test_the_transposed_pattern_is_sorted_too() -> None:
    matrix = np.random.default_rng(1).random((6, 4)) < 0.5
    assert Pattern.of_dense(matrix).transposed == Pattern.of_dense(matrix.T)


def test_a_symmetric_pattern_has_both_entries_of_each_pair() -> None:
    pattern = Pattern.of([0, 2], [1, 2], (3, 3)).symmetric
    assert pattern == Pattern.of([0, 1, 2], [1, 0, 2], (3, 3))
    assert pattern.symmetric is pattern


def test_union_and_subset_are_those_of_sets() -> None:
    a = Pattern.of([0], [1], (2, 2))
    b = Pattern.of([1], [0], (2, 2))
    assert a | b == Pattern.of([0, 1], [1, 0], (2, 2))
    assert a <= a | b
    assert not a | b <= a
    assert not a <= Pattern.of([0], [1], (2, 3))


def test_indptr_says_where_each_row_begins() -> None:
    assert Pattern.of([0, 2, 2], [0, 0, 1], (4, 2)).indptr().tolist() == [0, 1, 1, 3, 3]


def test_equal_patterns_have_equal_hashes() -> None:
    a, b = (Pattern.of([0, 1], [1, 0], (2, 2)) for _ in range(2))
    assert a == b
    assert hash(a) == hash(b)
    assert a != Pattern.of([0, 1], [1, 1], (2, 2))


def test_the_arrays_cannot_be_written_to() -> None:
    rows = np.array([0, 1])
    pattern = Pattern.of(rows, rows, (2, 2))
    with pytest.raises(ValueError, match="read-only"):
        pattern.rows[0] = 1
    rows[0] = 1
    assert pattern.rows.tolist() == [0, 1]


def test_empty_matrices_have_patterns() -> None:
    for shape in ((0, 0), (3, 0), (0, 3)):
        pattern = Pattern.of([], [], shape)
        assert pattern.nnz == 0
        assert pattern.density == 1.0
        assert pattern.transposed.shape == shape[::-1]
        assert pattern.indptr().size == shape[0] + 1


def test_density_is_the_share_of_the_entries() -> None:
    assert Pattern.diagonal(4).density == 0.25


def test_a_large_pattern_is_drawn_in_blocks() -> None:
    first, *lines = str(Pattern.diagonal(640)).splitlines()
    assert first == "Pattern of 640 x 640, 640 entries, 10 x 10 for each character"
    assert len(lines) == 64
    assert lines[3] == "..." + "*" + "." * 60


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ([0, 3], [0, 0], "Pattern.of: row 3 of a matrix of 3 rows and 2 columns"),
        ([0], [-1], "Pattern.of: column -1 of a matrix"),
        ([0, 1], [0], "Pattern.of: 2 rows and 1 columns"),
    ],
)
def test_entries_outside_of_the_matrix_are_refused(
    rows: list[int], columns: list[int], message: str
) -> None:
    with pytest.raises(SparsityError, match=message):
        Pattern.of(rows, columns, (3, 2))


def test_only_a_matrix_has_a_pattern() -> None:
    with pytest.raises(SparsityError, match=r"an array of shape \(2,\)"):
        Pattern.of_dense([1.0, 0.0])


def test_users_give_patterns_matrices_and_matrices_of_scipy() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    matrix = np.array([[0.0, 2.0], [1.0, 0.0]])
    expected = Pattern.of_dense(matrix)
    for given in (
        expected,
        matrix,
        matrix != 0,
        sparse.csr_array(matrix),
        sparse.csc_matrix(matrix),
    ):
        assert as_pattern("test", given, (2, 2)) == expected


def test_a_given_structure_has_the_shape_of_the_derivative() -> None:
    with pytest.raises(SparsityError, match=r"of shape \(2, 2\), but the derivative has shape \(3"):
        as_pattern("sparse_jacobian", np.eye(2), (3, 2))

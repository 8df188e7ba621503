"""Unique elements, set operations and membership: values, derivatives, refusals."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from funcgrad import errors, grad, jacfwd, jvp, make_program, vmap
from tests.primitives.checking import check, normal

X = np.array([3.0, 1.0, 2.0, 5.0, 4.0])
NEWER = np.lib.NumpyVersion(np.__version__) >= "2.3.0"

# --- unique -----------------------------------------------------------------------------------


def test_the_gradient_through_unique_is_never_zero():
    w = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    gradient = grad(lambda x: np.sum(np.unique(x) * w))(X)
    np.testing.assert_array_equal(gradient, [3, 1, 2, 5, 4])


def test_of_equal_elements_the_first_one_gets_the_derivative():
    x = np.array([2.0, 1.0, 2.0, 1.0, 1.0])
    gradient = grad(lambda x: np.sum(np.unique(x) * np.array([10.0, 20.0])))(x)
    np.testing.assert_array_equal(gradient, [20, 10, 0, 0, 0])


def test_unique_elements_times_their_counts_are_the_sum():
    x = np.array([2.0, 1.0, 2.0])

    def total(x: Any) -> Any:
        values, counts = np.unique(x, return_counts=True)
        return np.sum(values * counts)

    assert total(x) == 5.0
    np.testing.assert_array_equal(grad(total)(x), [2, 1, 0])


def test_the_inverse_of_unique_puts_the_elements_back():
    def back(x: Any) -> Any:
        values, inverse = np.unique(x, return_inverse=True)
        return values[inverse]

    np.testing.assert_array_equal(jacfwd(back)(X), np.eye(5))


def test_places_and_counts_are_plain_numbers():
    seen = []

    def f(x: Any) -> Any:
        values, *rest = np.unique(x, True, True, True)
        seen.extend(rest)
        return np.sum(values)

    grad(f)(X)
    for one, expected in zip(seen, np.unique(X, True, True, True)[1:], strict=True):
        assert type(one) is np.ndarray
        np.testing.assert_array_equal(one, expected)


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_unique_rows_and_columns(axis: Any):
    check(lambda x: np.unique(x * x, axis=axis), normal(3, 4), batch=False)
    x = np.array([[1.0, 2.0], [0.0, 3.0], [1.0, 2.0]])
    rows = jvp(lambda x: np.unique(x, axis=0), (x,), (x + 1,))
    np.testing.assert_array_equal(rows[0], [[0, 3], [1, 2]])
    np.testing.assert_array_equal(rows[1], [[1, 4], [2, 3]])


def test_unique_elements_of_complex_numbers_and_of_single_precision():
    check(np.unique, normal(4, dtype=complex), batch=False)
    x = X.astype(np.float32)
    assert grad(lambda x: np.sum(np.unique(x)))(x).dtype == np.float32


@pytest.mark.parametrize("equal_nan", [True, False])
@pytest.mark.parametrize("in_order", [True, False])
def test_nan_is_one_element_or_many(equal_nan: bool, in_order: bool):
    x = np.array([np.nan, 2.0, np.nan, 1.0])
    options: dict[str, Any] = {"equal_nan": equal_nan}
    if NEWER:
        options["sorted"] = in_order
    value, moved = jvp(lambda x: np.unique(x, **options), (x,), (np.arange(4.0),))
    np.testing.assert_array_equal(value, np.unique(x, **options))
    assert moved[list(value).index(1.0)] == 3.0
    assert moved[list(value).index(2.0)] == 1.0


def test_no_elements_have_no_unique_ones():
    gradient = grad(lambda x: np.sum(np.unique(x)))(np.zeros((0, 3)))
    assert gradient.shape == (0, 3)


KINDS = (np.unique_all, np.unique_counts, np.unique_inverse)


@pytest.mark.parametrize("function", KINDS)
def test_the_standards_functions_return_its_named_tuples(function: Any):
    kinds = []

    def f(x: Any) -> Any:
        found = function(x)
        kinds.append(type(found))
        return np.sum(found.values * np.arange(1.0, 6.0))

    np.testing.assert_array_equal(grad(f)(X), [3, 1, 2, 5, 4])
    assert kinds == [type(function(X))]


def test_unique_values_carry_derivatives_whatever_their_order():
    value, moved = jvp(np.unique_values, (X,), (10 * X,))
    np.testing.assert_array_equal(np.sort(value), [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(moved, 10 * value)


# --- two sets ---------------------------------------------------------------------------------

A, B = np.array([4.0, 1.0, 3.0, 1.0]), np.array([5.0, 3.0, 1.0])
PAIRS: dict[str, tuple[Callable[..., Any], Any, Any]] = {
    # (function, value, tangents for 10, 20, 30, 40 of A and 1, 2, 3 of B)
    "union1d": (np.union1d, [1, 3, 4, 5], [20, 30, 10, 1]),
    "intersect1d": (np.intersect1d, [1, 3], [20, 30]),
    "setdiff1d": (np.setdiff1d, [4], [10]),
    "setxor1d": (np.setxor1d, [4, 5], [10, 1]),
}


@pytest.mark.parametrize("name", PAIRS)
def test_elements_of_a_set_operation_move_with_their_first_occurrence(name: str):
    function, value, tangent = PAIRS[name]
    dots = (np.array([10.0, 20.0, 30.0, 40.0]), np.array([1.0, 2.0, 3.0]))
    found, moved = jvp(function, (A, B), dots)
    np.testing.assert_array_equal(found, value)
    np.testing.assert_array_equal(moved, tangent)


@pytest.mark.parametrize("name", PAIRS)
def test_operands_of_several_axes_are_flattened(name: str):
    function = PAIRS[name][0]
    x = A.reshape(2, 2)
    gradient = grad(lambda x: np.sum(function(x, B)))(x)
    np.testing.assert_array_equal(gradient.ravel(), grad(lambda x: np.sum(function(x, B)))(A))


@pytest.mark.parametrize("name", PAIRS)
def test_empty_sets(name: str):
    function = PAIRS[name][0]
    none = np.zeros(0)
    for args in ((A, none), (none, B), (none, none)):
        value, _ = jvp(function, args, args)
        np.testing.assert_array_equal(value, function(*args))


def test_places_of_common_elements_are_numpys():
    found = []
    f = lambda x: found.append(np.intersect1d(x, B, return_indices=True)[1:]) or np.sum(x)
    grad(f)(A)
    for one, other in zip(found[0], np.intersect1d(A, B, return_indices=True)[1:], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", [*PAIRS, "unique"])
def test_vmap_refuses_results_whose_shape_depends_on_values(name: str):
    function = PAIRS[name][0] if name in PAIRS else lambda a, _b: np.unique(a)
    with pytest.raises(errors.BatchedValueError, match="shape depends on values"):
        vmap(lambda a: function(a, B))(np.stack([A, A + 1]))


def test_a_program_with_unique_keeps_a_guard_on_its_shape():
    program = make_program(lambda x: np.unique(x) * 2)(X)
    np.testing.assert_array_equal(program.evaluate(X + 1)[0], 2 * np.unique(X + 1))
    with pytest.raises(errors.FuncgradError):
        program.evaluate(np.array([1.0, 1.0, 2.0, 3.0, 4.0]))


# --- membership -------------------------------------------------------------------------------


@pytest.mark.parametrize("invert", [False, True])
def test_membership_is_a_constant_factor(invert: bool):
    x = np.array([[1.0, 2.0], [3.0, np.nan]])
    f = lambda x: np.where(np.isin(x, B, invert=invert), x, 0)
    gradient = grad(lambda x: np.nansum(f(x)))(x)
    expected = np.isin(x, B, invert=invert) & ~np.isnan(x)
    np.testing.assert_array_equal(gradient, expected)


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)])
def test_each_example_of_a_batch_has_its_own_elements_or_members(axes: Any):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 5, (3, 4, 2)) * 1.0
    members = rng.integers(0, 5, (3, 2, 2)) * 1.0
    x[0, 0, 0] = members[0, 0, 0] = np.nan
    args = [a if axis == 0 else a[0] for a, axis in zip((x, members), axes, strict=True)]
    for invert in (False, True):
        f = lambda x, m, invert=invert: np.isin(x, m, invert=invert)
        expected = [
            f(*(a[i] if axis == 0 else a for a, axis in zip(args, axes, strict=True)))
            for i in range(3)
        ]
        np.testing.assert_array_equal(vmap(f, axes)(*args), np.stack(expected))


def test_nothing_is_member_of_empty_sets():
    found = vmap(np.isin, (None, 0))(X, np.zeros((2, 0)))
    np.testing.assert_array_equal(found, np.zeros((2, 5), bool))

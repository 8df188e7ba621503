"""put, place, copyto and their kin: refused in place, and as functions that return the result."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad import errors
from tests.primitives.checking import normal

X = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
V = np.array([7.0, 8.0])
MASK = np.array([[False, True, False], [True, False, True]])
ALONG = np.array([[0], [2]])
NAMES = ["copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"]

# What each function does with an array and values; `more` is inplace=False where there is such.
CALLS: dict[str, Callable[..., Any]] = {
    "copyto": lambda f, x, v, **more: f(x, v[:1], where=MASK, **more),
    "fill_diagonal": lambda f, x, v, **more: f(x, v, **more),
    "place": lambda f, x, v, **more: f(x, MASK, v, **more),
    "put": lambda f, x, v, **more: f(x, [0, -1], v, **more),
    "put_along_axis": lambda f, x, v, **more: f(x, ALONG, v[:, None], 1, **more),
    "putmask": lambda f, x, v, **more: f(x, MASK, v, **more),
}
RESULTS = {
    "copyto": [[1, 7, 3], [7, 5, 7]],
    "fill_diagonal": [[7, 2, 3], [4, 8, 6]],
    "place": [[1, 7, 3], [8, 5, 7]],
    "put": [[7, 2, 3], [4, 5, 8]],
    "put_along_axis": [[7, 2, 3], [4, 5, 8]],
    "putmask": [[1, 8, 3], [8, 5, 8]],
}


def functional(name: str) -> Callable[[Any, Any], Any]:
    return lambda x, v: CALLS[name](getattr(fnp, name), x, v, inplace=False)


def traced(f: Callable[..., Any], *args: Any) -> Any:
    return fg.vjp(f, *args)[0]


@pytest.mark.parametrize("name", NAMES)
def test_the_functional_version_returns_what_the_other_leaves(name: str) -> None:
    x = X.copy()
    assert CALLS[name](getattr(np, name), x, V) is None
    np.testing.assert_array_equal(x, RESULTS[name])
    np.testing.assert_array_equal(functional(name)(X, V), RESULTS[name], strict=False)
    np.testing.assert_array_equal(traced(functional(name), X, V), RESULTS[name])
    assert X[0, 0] == 1.0
    assert X[0, 1] == 2.0


@pytest.mark.parametrize("name", NAMES)
def test_each_element_of_the_result_has_one_source(name: str) -> None:
    by_x, by_v = fg.grad(lambda x, v: np.sum(functional(name)(x, v)), (0, 1))(X, V)
    kept = np.equal(RESULTS[name], X)
    np.testing.assert_array_equal(by_x, kept)
    assert by_v.sum() == np.sum(~kept)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "call",
    [lambda f, x: f(x, V), lambda f, x: f(X, x[0, :2]), lambda f, x: f(X.copy(), x[0, :2])],
    ids=["into a traced value", "of a traced value", "of it into a copy"],
)
def test_the_function_in_place_names_the_functional_one(name: str, call: Any) -> None:
    with pytest.raises(errors.FuncgradError) as caught:
        fg.vjp(lambda x: call(lambda x, v: CALLS[name](getattr(np, name), x, v), x), X)
    named = f"Use a = funcgrad.numpy.{name}(" in str(caught.value)
    # NumPy does not ask the values of fill_diagonal whose function it is: it only converts them.
    assert named or (name == "fill_diagonal" and "funcgrad.numpy.at(a)" in str(caught.value))
    assert "test_replacing.py" in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_in_place_is_refused_with_the_reason(name: str) -> None:
    for more in ({}, {"inplace": True}):
        with pytest.raises(errors.TracerAssignmentError) as caught:
            CALLS[name](getattr(fnp, name), X, V, **more)
        assert f"{name}: inplace=True" in str(caught.value)
        assert "nothing changes" in str(caught.value)
        assert f"a = funcgrad.numpy.{name}(" in str(caught.value)


@pytest.mark.parametrize("method", ["fill", "put", "sort", "partition", "resize", "setfield"])
def test_methods_that_change_an_array_name_a_function(method: str) -> None:
    with pytest.raises(
        errors.TracerAssignmentError, match=rf"{method} of a traced .* Use (np|x)\."
    ):
        fg.grad(lambda x: getattr(x, method)(0, 1.0))(X)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_dtypes_are_kept(name: str, dtype: Any) -> None:
    out, pull = fg.vjp(functional(name), X.astype(dtype), V.astype(dtype))
    assert out.dtype == dtype
    assert [part.dtype for part in pull(np.ones_like(out))] == [dtype, dtype]


@pytest.mark.parametrize("name", NAMES)
def test_a_python_number_takes_the_dtype_of_the_array(name: str) -> None:
    numbers = {"put_along_axis": (ALONG, 5, 1), "copyto": (5,), "fill_diagonal": (5,)}
    args = numbers.get(name, (MASK, 5) if name != "put" else ([0], 5))
    out = traced(lambda x: getattr(fnp, name)(x, *args, inplace=False), X.astype(np.float32))
    assert out.dtype == np.float32
    assert np.any(out == 5.0)


@pytest.mark.parametrize("name", NAMES)
def test_values_that_the_dtype_cannot_hold_are_refused(name: str) -> None:
    with pytest.raises(TypeError, match=f"{name}: values of dtype complex128.* derivative would"):
        fg.vjp(lambda v: functional(name)(X, v), V + 1j)


def test_the_last_of_several_values_for_a_position_wins() -> None:
    slope = fg.grad(lambda v: fnp.put(np.zeros(2), [1, 1, 1], v, inplace=False)[1])(normal(3))
    np.testing.assert_array_equal(slope, [0.0, 0.0, 1.0])


def test_values_are_repeated_and_their_derivatives_add_up() -> None:
    x, v = np.zeros(5), np.array([1.0, 2.0])
    out, pull = fg.vjp(lambda v: fnp.put(x, [0, 1, 2, 3, 4], v, inplace=False), v)
    np.testing.assert_array_equal(out, [1, 2, 1, 2, 1])
    np.testing.assert_array_equal(pull(np.ones(5))[0], [3.0, 2.0])
    out = traced(lambda v: fnp.place(x, np.ones(5, bool), v, inplace=False), v)
    np.testing.assert_array_equal(out, [1, 2, 1, 2, 1])


@pytest.mark.parametrize("mode", ["wrap", "clip"])
def test_put_brings_positions_into_range_by_the_mode(mode: Any) -> None:
    expected = np.arange(4.0)
    np.put(expected, [-6, 9], [10.0, 20.0], mode)
    x, v = np.arange(4.0), np.array([10.0, 20.0])
    np.testing.assert_array_equal(
        traced(lambda v: fnp.put(x, [-6, 9], v, mode, inplace=False), v), expected
    )


def test_a_position_out_of_range_is_an_error() -> None:
    with pytest.raises(IndexError, match="out of bounds"):
        fg.vjp(lambda v: fnp.put(np.zeros(4), [4], v, inplace=False), V)
    with pytest.raises(IndexError):
        fnp.put(np.zeros(4), [4], V, inplace=False)


@pytest.mark.parametrize("wrap", [False, True])
def test_a_tall_matrix_has_one_diagonal_or_many(wrap: bool) -> None:
    expected = np.zeros((7, 2))
    np.fill_diagonal(expected, 3.0, wrap)
    f = lambda v: fnp.fill_diagonal(np.zeros((7, 2)), v, wrap, inplace=False)
    np.testing.assert_array_equal(traced(f, 3.0), expected)
    assert fg.grad(lambda v: np.sum(f(v)))(3.0) == np.count_nonzero(expected)


@pytest.mark.parametrize(
    ("shape", "message"), [((3,), "at least 2-d"), ((2, 2, 3), "must be of equal length")]
)
def test_an_array_without_a_diagonal_is_an_error(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fg.vjp(lambda x: fnp.fill_diagonal(x, 1.0, inplace=False), np.zeros(shape))


def test_no_values_do_nothing_or_are_an_error_as_in_numpy() -> None:
    none = np.zeros(0)
    np.testing.assert_array_equal(traced(lambda x: fnp.putmask(x, MASK, none, inplace=False), X), X)
    np.testing.assert_array_equal(
        traced(lambda x: fnp.place(x, MASK & False, none, inplace=False), X), X
    )
    with pytest.raises(ValueError, match="Cannot insert from an empty array!"):
        fg.vjp(lambda x: fnp.place(x, MASK, none, inplace=False), X)


@pytest.mark.parametrize("name", ["place", "putmask"])
def test_a_mask_of_another_size_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match=r"the mask has shape \(3,\), the array \(2, 3\)"):
        fg.vjp(lambda x: getattr(fnp, name)(x, MASK[0], V, inplace=False), X)


@pytest.mark.parametrize("name", ["place", "putmask", "copyto"])
def test_each_example_may_have_a_mask_of_its_own(name: str) -> None:
    xs, vs = normal(3, 2, 3), normal(3, 1)

    def f(x: Any, v: Any) -> Any:
        if name == "copyto":
            return fnp.copyto(x, v, where=x > 0, inplace=False)
        return getattr(fnp, name)(x, x > 0, v, inplace=False)

    expected = np.stack([f(x, v) for x, v in zip(xs, vs, strict=True)])
    np.testing.assert_array_equal(fg.vmap(f)(xs, vs), expected)


def test_each_example_may_have_indices_of_its_own() -> None:
    xs, ids = normal(3, 4), np.array([[0, 1], [3, 3], [-1, 2]])

    def f(x: Any, i: Any) -> Any:
        return fnp.put(x, i, x[:2] * 2, inplace=False)

    expected = np.stack([f(x, i) for x, i in zip(xs, ids, strict=True)])
    np.testing.assert_array_equal(fg.vmap(f)(xs, ids), expected)

    def g(x: Any, i: Any) -> Any:
        return fnp.put_along_axis(x, i, x[:2] * 2, 0, inplace=False)

    expected = np.stack([g(x, i) for x, i in zip(xs, ids, strict=True)])
    np.testing.assert_array_equal(fg.vmap(g)(xs, ids), expected)


def test_an_infinite_element_that_is_replaced_has_the_derivative_zero() -> None:
    x = np.array([[np.inf, 1.0], [1.0, np.nan]])
    slope = fg.grad(lambda x: np.sum(fnp.fill_diagonal(x, 0.0, inplace=False) ** 2))(x)
    np.testing.assert_array_equal(slope, [[0.0, 2.0], [2.0, 0.0]])


def test_copyto_obeys_the_casting_rule() -> None:
    with pytest.raises(TypeError, match="The rule 'no' forbids the cast"):
        fg.vjp(lambda v: fnp.copyto(X.astype(np.float32), v, "no", inplace=False), X)
    out = traced(lambda v: fnp.copyto(X.astype(np.float32), v, inplace=False), X)
    assert out.dtype == np.float32

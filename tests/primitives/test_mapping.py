"""vectorize, apply_along_axis and pad with a function: one call for all rows, or one for each."""

from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad import errors
from tests.primitives.checking import check, normal

# --- vectorize --------------------------------------------------------------------------------


def scaled(x: Any, y: Any, k: Any = 2.0) -> Any:
    return x * y * k


def test_a_function_of_scalars_is_called_once_for_all_elements() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(np.shape(x))
        return np.sin(x)

    x = normal(3, 4)
    np.testing.assert_array_equal(fg.grad(lambda x: np.sum(fnp.vectorize(f)(x)))(x), np.cos(x))
    assert calls == [()]


def test_a_function_that_branches_is_called_for_each_element() -> None:
    f = fnp.vectorize(lambda x: x * x if x > 0 else -x)
    x = np.array([[1.0, -2.0], [-3.0, 4.0]])
    np.testing.assert_array_equal(f(x), [[1, 2], [3, 16]])
    np.testing.assert_array_equal(fg.grad(lambda x: np.sum(f(x)))(x), [[2, -1], [-1, 8]])
    hessian = fg.jvp(fg.grad(lambda x: np.sum(f(x))), (x,), (np.ones((2, 2)),))[1]
    np.testing.assert_array_equal(hessian, [[2, 0], [0, 2]])


def test_plain_arguments_go_through_numpy() -> None:
    f = fnp.vectorize(lambda x: 1 if x > 0 else 0)
    np.testing.assert_array_equal(f([-1.0, 2.0]), [0, 1], strict=True)
    assert f([-1.0, 2.0]).dtype == np.vectorize(lambda x: int(x > 0))([-1.0, 2.0]).dtype


def test_arguments_broadcast_and_keywords_are_mapped_too() -> None:
    x, y, k = normal(3, 1), normal(4), normal(3, 4)
    check(lambda x, y: fnp.vectorize(scaled)(x, y) if x.ndim else x, x, y)
    out = fg.vjp(lambda k: fnp.vectorize(scaled)(x, y, k=k), k)[0]
    np.testing.assert_array_equal(out, scaled(x, y, k))


def test_excluded_arguments_are_passed_as_they_are() -> None:
    def poly(p: Any, x: Any) -> Any:
        out = 0.0
        for c in p:
            out = out * x + c
        return out

    p, x = np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0])
    f = fnp.vectorize(poly, excluded=[0])
    np.testing.assert_array_equal(fg.grad(lambda p: f(p, x).sum())(p), [1.0, 1.0, 2.0])
    f = fnp.vectorize(poly, excluded={"p"})
    np.testing.assert_array_equal(fg.grad(lambda x: f(p=p, x=x).sum())(x), [2.0, 4.0])


def test_a_signature_names_core_axes() -> None:
    dot = fnp.vectorize(np.dot, signature="(n),(n)->()")
    a, b = normal(2, 1, 3), normal(4, 3)
    np.testing.assert_allclose(fg.vjp(dot, a, b)[0], np.sum(a * b, -1), rtol=1e-14)
    check(lambda a, b: fnp.vectorize(np.dot, signature="(n),(n)->()")(a, b), a, b, exact=False)


def test_several_results_are_a_tuple() -> None:
    f = fnp.vectorize(lambda x: (x * x, -x), otypes="ff")
    x = normal(3)
    first, second = fg.vjp(f, x)[0]
    assert first.dtype == second.dtype == np.float32
    np.testing.assert_array_equal(second, (-x).astype(np.float32))


def test_it_is_a_decorator_with_and_without_options() -> None:
    @fnp.vectorize
    def f(x: Any) -> Any:
        """Docs."""
        return x * x

    @fnp.vectorize(signature="(n)->()")
    def g(x: Any) -> Any:
        return np.sum(x * x)

    assert (f.__name__, f.__doc__) == ("f", "Docs.")
    x = normal(2, 3)
    np.testing.assert_array_equal(fg.grad(lambda x: np.sum(f(x)))(x), 2 * x)
    np.testing.assert_array_equal(fg.grad(lambda x: np.sum(g(x)))(x), 2 * x)


def test_a_traced_value_that_the_function_closes_over_is_differentiated() -> None:
    assert fg.grad(lambda k: np.sum(fnp.vectorize(lambda x: k * x)(np.arange(4.0))))(2.0) == 6.0


def test_no_elements_give_no_results() -> None:
    assert fg.vjp(fnp.vectorize(lambda x: x * x), np.zeros((0, 3)))[0].shape == (0, 3)


@pytest.mark.parametrize(
    ("signature", "shapes", "message"),
    [
        ("(n),(n)->()", [(3,), (4,)], "inconsistent size for core dimension 'n': 4 vs 3"),
        ("(n),(n)->()", [(3,), ()], "does not have enough dimensions"),
        ("(n)->()", [(3,), (3,)], "expected 1, got 2"),
    ],
)
def test_arguments_that_do_not_fit_the_signature_are_an_error(
    signature: str, shapes: Any, message: str
) -> None:
    f = fnp.vectorize(lambda *_args: 1.0, signature=signature)
    with pytest.raises((ValueError, TypeError), match=message):
        fg.vjp(f, *map(np.ones, shapes))


def test_numpys_own_names_the_replacement() -> None:
    with pytest.raises(errors.TracerArrayConversionError, match=r"vectorize of\s+funcgrad\.numpy"):
        fg.grad(lambda x: np.sum(np.vectorize(np.sin)(x)))(np.ones(2))


def test_a_branch_on_what_an_outer_vmap_maps_is_an_error() -> None:
    f = fnp.vectorize(lambda x: x if x > 0 else -x)
    with pytest.raises(errors.BatchedValueError, match=r"np\.where"):
        fg.vmap(f)(normal(2, 3))


# --- apply_along_axis, pad --------------------------------------------------------------------


def test_apply_along_axis_calls_the_function_once_unless_it_branches() -> None:
    calls = []

    def f(line: Any) -> Any:
        calls.append(line.shape)
        return line * line[0]

    x = normal(5, 3)
    fg.grad(lambda x: np.sum(np.apply_along_axis(f, 1, x)))(x)
    assert calls == [(3,)]
    check(lambda x: np.apply_along_axis(lambda v: v if v[0] > 0 else 2 * v, 0, x), x, batch=False)


def test_apply_along_axis_takes_results_that_are_lists() -> None:
    check(lambda x: np.apply_along_axis(lambda v: [v[0], v[1] * v[2]], -1, x), normal(2, 3))


def pad_with(value: Any) -> Any:
    def padder(line: Any, width: Any, _axis: int, _options: Any) -> Any:
        if isinstance(line, np.ndarray):
            line[: width[0]] = value
            line[len(line) - width[1] :] = value
            return None
        line = line.at[: width[0]].set(value)
        return line.at[len(line) - width[1] :].set(value)

    return padder


def test_pad_takes_a_function_that_returns_the_padded_line() -> None:
    x = normal(2, 3)
    out = fg.vjp(lambda x: np.pad(x, (1, 2), pad_with(5.0)), x)[0]
    np.testing.assert_array_equal(out, np.pad(x, (1, 2), pad_with(5.0)))
    slope = fg.grad(lambda v: np.sum(fnp.pad(x * v, ((0, 1), (2, 0)), pad_with(v))))(1.0)
    assert slope == pytest.approx(np.sum(x[:, :]) + 9)


def test_pad_with_a_function_that_changes_the_line_says_what_to_write() -> None:
    def padder(line: Any, width: Any, _axis: int, _options: Any) -> None:
        line[: width[0]] = 1.0

    with pytest.raises(errors.TracerAssignmentError, match=r"\.at\[i\]\.set"):
        fg.grad(lambda x: np.sum(np.pad(x, 1, padder)))(np.ones(3))
    with pytest.raises(ValueError, match="Return the padded line"):
        fg.grad(lambda x: np.sum(np.pad(x, 1, lambda *_args: None)))(np.ones(3))

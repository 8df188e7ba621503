"""Constructors of funcgrad.numpy that hold traced values, and the names it has from NumPy."""

from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad import errors

X = np.array([1.0, 2.0])


def traced(f: Any, *args: Any) -> Any:
    return fg.vjp(f, *args)[0]


# --- arange -----------------------------------------------------------------------------------

ENDS = [(0.5, 3.2, 0.3), (2.0, -1.0, -0.7), (1, 4, 0.25), (0.0, 1.0, 0.1), (3.0, 1.0, 0.5)]


@pytest.mark.parametrize("ends", ENDS)
def test_arange_of_traced_ends_is_numpys_bit_for_bit(ends: Any) -> None:
    for i in range(3):

        def f(x: Any, i: int = i) -> Any:
            return fnp.arange(*ends[:i], x, *ends[i + 1 :])

        np.testing.assert_array_equal(traced(f, float(ends[i])), np.arange(*ends), strict=True)


def test_arange_of_one_traced_end_starts_at_zero() -> None:
    np.testing.assert_array_equal(traced(fnp.arange, 3.5), np.arange(3.5), strict=True)
    np.testing.assert_array_equal(traced(lambda x: fnp.arange(x, 6.0), 2.5), np.arange(2.5, 6.0))


def test_arange_is_differentiated_by_start_and_step_and_not_by_stop() -> None:
    by_start, by_stop, by_step = fg.jacrev(fnp.arange, (0, 1, 2))(1.0, 2.0, 0.25)
    np.testing.assert_array_equal(by_start, [1, 1, 1, 1])
    np.testing.assert_array_equal(by_stop, [0, 0, 0, 0])
    np.testing.assert_array_equal(by_step, [0, 1, 2, 3])


@pytest.mark.parametrize("dtype", [np.float32, np.complex128, int])
def test_arange_takes_a_dtype(dtype: Any) -> None:
    found = traced(lambda x: fnp.arange(x, 9.0, 2.0, dtype), 1.0)
    np.testing.assert_array_equal(found, np.arange(1.0, 9.0, 2.0, dtype), strict=True)


def test_the_length_of_arange_must_be_the_same_for_all_examples() -> None:
    with pytest.raises(errors.BatchedValueError):
        fg.vmap(lambda x: fnp.arange(0.0, x, 1.0))(np.array([1.0, 5.0]))


# --- arrays -----------------------------------------------------------------------------------

PLAIN: dict[str, tuple[Any, str]] = {
    "array": (lambda x: np.array([x[0], 1.0]), "funcgrad.numpy.asarray"),
    "asarray": (np.asarray, "funcgrad.numpy.asarray"),
    "asanyarray": (np.asanyarray, "funcgrad.numpy.asarray"),
    "ascontiguousarray": (np.ascontiguousarray, "funcgrad.numpy.asarray"),
    "asfortranarray": (np.asfortranarray, "funcgrad.numpy.asarray"),
    "asarray_chkfinite": (np.asarray_chkfinite, "funcgrad.numpy.asarray"),
    "full": (lambda x: np.full(3, x[0]), "full, arange, select and vectorize of funcgrad.numpy"),
    "arange": (lambda x: np.arange(x[0]), "full, arange, select and vectorize of funcgrad.numpy"),
}


@pytest.mark.parametrize("name", PLAIN)
def test_what_numpy_does_not_dispatch_names_the_replacement(name: str) -> None:
    f, advice = PLAIN[name]
    with pytest.raises(errors.TracerArrayConversionError) as caught:
        fg.grad(lambda x: np.sum(f(x)))(X)
    assert advice in str(caught.value)
    assert callable(getattr(fnp, name))


def test_lists_may_be_nested_and_hold_numbers_beside_traced_values() -> None:
    def f(x: Any) -> Any:
        return fnp.array([[x[0], 2], (3.0, x[1] * x[1])])

    np.testing.assert_array_equal(traced(f, X), [[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(fg.jacfwd(f)(X)[1, 1], [0.0, 4.0])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_asarray_chkfinite_refuses_what_is_not_finite(bad: float) -> None:
    with pytest.raises(ValueError, match="must not contain infs or NaNs"):
        fg.vjp(fnp.asarray_chkfinite, np.array([1.0, bad]))
    np.testing.assert_array_equal(traced(fnp.asarray_chkfinite, X), X)


def test_a_scalar_becomes_a_vector_where_numpy_makes_it_one() -> None:
    assert traced(fnp.ascontiguousarray, 2.0).shape == np.ascontiguousarray(2.0).shape
    assert traced(fnp.asfortranarray, 2.0).shape == np.asfortranarray(2.0).shape


def test_a_filled_array_may_be_rebound_in_place() -> None:
    def f(v: Any) -> Any:
        out = fnp.full((2, 2), v)
        out += 1.0
        return np.sum(out * out)

    assert fg.grad(f)(2.0) == 24.0


# --- names ------------------------------------------------------------------------------------

FILES = {
    "fromfile", "fromregex", "genfromtxt", "load", "loadtxt", "memmap", "save", "savetxt", "savez",
    "savez_compressed",
}  # fmt: skip
ABOUT_NUMPY = {"__version__", "get_include", "info", "show_config", "show_runtime", "test"}
WITH_OWN_OPERATORS = {"asmatrix", "bmat", "matrix", "poly1d", "recarray", "record"}


def test_every_name_of_numpy_is_here_but_files_modules_and_matrices() -> None:
    modules = {name for name in np.__all__ if isinstance(getattr(np, name), type(np))}
    lacking = {name for name in np.__all__ if not hasattr(fnp, name)}
    assert lacking - modules == FILES | ABOUT_NUMPY | WITH_OWN_OPERATORS


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("save", "numpy.save can be used on plain arrays, or on stop_gradient(x)."),
        ("ma", "numpy.ma is a module of plain arrays. Use it as it is."),
        ("matrix", "Their operators do not mean what those of arrays mean. Use plain arrays."),
        ("sine", "Neither has numpy."),
    ],
)
def test_a_name_that_is_not_here_says_what_to_do(name: str, advice: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(fnp, name)
    assert str(caught.value) == f"funcgrad.numpy has no {name!r}. {advice}"


def test_helpers_are_numpys_own() -> None:
    assert fnp.isdtype is np.isdtype
    assert fnp.bool is np.bool
    assert fnp.result_type(np.float32, 1.0) == np.float32
    assert list(fnp.mask_indices(2, fnp.triu)[0]) == [0, 0, 1]

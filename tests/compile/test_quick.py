"""Faster spellings give the bits of the plain ones."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from funcgrad.compile.quick import MANY, OFTEN, drop, keep, select
from tests.jitting.alike import exact_jit

DTYPES = (np.float32, np.float64, np.int32, np.int64, np.complex64)
ODD = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.5, -2.5, 1e-310])


def _values(dtype: Any, seed: int) -> NDArray[Any]:
    """Numbers of all kinds, in memory of their own."""
    with np.errstate(all="ignore"):
        return np.random.default_rng(seed).choice(ODD, MANY).astype(dtype)


def _mask() -> NDArray[np.bool_]:
    return np.random.default_rng(2).uniform(size=MANY) < 0.5


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("into", ["new", "x", "y", "other"])
def test_select_has_the_bits_of_where(dtype: Any, into: str) -> None:
    x, y, mask = _values(dtype, 0), _values(dtype, 1), _mask()
    expected = np.where(mask, x, y)
    out = {"new": None, "x": x, "y": y, "other": np.empty_like(x)}[into]
    result = select(mask, x, y, out)
    assert result.dtype == expected.dtype
    assert result.tobytes() == expected.tobytes()
    assert out is None or result is out


@pytest.mark.parametrize("dtype", DTYPES)
def test_select_takes_numbers_without_axes(dtype: Any) -> None:
    x, number, mask = _values(dtype, 0), np.array(-3, dtype), _mask()
    assert select(mask, x, number).tobytes() == np.where(mask, x, number).tobytes()
    assert select(mask, number, x, x.copy()).tobytes() == np.where(mask, number, x).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_keep_and_drop_have_the_bits_of_where_with_zero(dtype: Any) -> None:
    x, mask, zero = _values(dtype, 0), _mask(), np.zeros((), dtype)
    assert keep(mask, x).tobytes() == np.where(mask, x, zero).tobytes()
    assert drop(mask, x).tobytes() == np.where(mask, zero, x).tobytes()
    assert keep(mask, x).dtype == drop(mask, x).dtype == x.dtype


def _source(fun: Any, *args: Any) -> str:
    jitted = exact_jit(fun)
    for _ in range(2):
        result = jitted(*args)
    expected = fun(*args)
    assert result.tobytes() == expected.tobytes()
    assert (result.dtype, result.strides) == (expected.dtype, expected.strides)
    return str(jitted.source(*args))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("fun", "helper"),
    [
        (lambda x: np.where(x > 0, np.sin(x), 0.0), "keep("),
        (lambda x: np.where(x > 0, 0.0, np.sin(x)), "drop("),
        (lambda x: np.where(x > 0, np.sin(x), np.cos(x)), "select("),
        (lambda x: np.where(x > 0, np.sin(x), 0.5), "select("),
    ],
    ids=["keep", "drop", "select", "number"],
)
def test_large_arrays_are_chosen_from_by_bits(dtype: Any, fun: Any, helper: str) -> None:
    x = np.linspace(-1, 1, MANY, dtype=dtype)
    assert helper in _source(fun, x)


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: np.where(x > 0, np.sin(x), -0.0),
        lambda x: np.where(x > 0, np.sin(x), np.inf),
        lambda x: np.where(x > 0, x > 1, True),
        lambda x: np.where(x > 0, x, 0),
        lambda x: np.where((x > 0)[0], x, 0.0),
        lambda x: np.where(x > 0, 1e300, x),
        lambda x: np.where(x > 0, x + 0j, 0.0),
    ],
)
@pytest.mark.parametrize("n", [3, MANY])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_choices_stay_what_they_are(fun: Any, n: int, dtype: Any) -> None:
    x = (np.linspace(-2, 2, n) * 3).astype(dtype)
    with np.errstate(over="ignore"):
        _source(fun, x)


def test_small_arrays_are_chosen_from_in_place() -> None:
    source = _source(lambda x: np.where(x > 0, np.sin(x), np.cos(x)), np.linspace(-1, 1, 5))
    assert "np.putmask(" in source


def test_what_the_user_still_has_is_not_written_to() -> None:
    def f(x: Any) -> Any:
        y = np.cos(x)
        return np.stack([np.where(x > 0, np.sin(x), y), y])

    _source(f, np.linspace(-1, 1, 5))
    _source(f, np.linspace(-1, 1, MANY))


def test_numbers_beside_arrays_are_arrays_without_axes() -> None:
    source = _source(lambda x: (x > 0.25) & (x * 3.0 <= 1), np.linspace(-1, 1, 500))
    assert "np.array(0.25, np.float64)" in source
    assert "x > c_0_25" in source


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_a_number_is_compared_as_the_array_would(dtype: Any) -> None:
    x = np.array([0.1, 0.2, 3], dtype)
    for number in (0.1, 0.2, 3, 2**40, 1e300):
        with np.errstate(over="ignore"):  # NumPy warns that 1e300 is no float32
            _source(lambda x, n=number: (x == n) | (x < n), x)


def test_an_array_that_is_broadcast_often_is_broadcast_once() -> None:
    def f(h: Any, b: Any) -> Any:
        h = h @ np.eye(3)  # now its layout is known
        for _ in range(OFTEN):
            h = np.tanh(h + b)
        return h

    h, b = np.linspace(-1, 1, 12).reshape(4, 3), np.array([0.1, -0.2, 0.3])
    assert _source(f, h, b).count("np.broadcast_to(b, (4, 3)).copy()") == 1


def test_an_array_that_is_broadcast_twice_is_left_as_it_is() -> None:
    def f(h: Any, b: Any) -> Any:
        return np.tanh(h @ np.eye(3) + b) - b

    h, b = np.linspace(-1, 1, 12).reshape(4, 3), np.array([0.1, -0.2, 0.3])
    assert ".copy()" not in _source(f, h, b)

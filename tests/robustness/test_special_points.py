"""Gradients where formulas divide by zero, meet ties, or have nothing to compute; no warnings."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg

NAN, INF = np.nan, np.inf
ZEROS = np.zeros(4)
EXPONENTS = np.array([0.0, 1.0, 2.0, 3.0])

# name: function, where, gradient
POINTS: dict[str, tuple[Callable[..., Any], Any, Any]] = {
    "x**0 at 0": (lambda x: x**0, 0.0, 0.0),
    "x**0.0 at 0": (lambda x: x**0.0, 0.0, 0.0),
    "x**1 at 0": (lambda x: x**1, 0.0, 1.0),
    "x**2 at 0": (lambda x: x**2, 0.0, 0.0),
    "x**-1": (lambda x: x**-1, 2.0, -0.25),
    "x**-2 at -2": (lambda x: x**-2, -2.0, 0.25),
    "x**3 at -2": (lambda x: x**3, -2.0, 12.0),
    "float_power": (lambda x: np.float_power(x, 3), -2.0, 12.0),
    "x**integers at 0": (lambda x: np.sum(x ** np.arange(4)), 0.0, 1.0),
    "array to integers at 0": (lambda x: np.sum(x ** np.arange(4)), ZEROS, np.array([0, 1, 0, 0])),
    "array to floats at 0": (lambda x: np.sum(x**EXPONENTS), ZEROS, np.array([0, 1, 0, 0])),
    "array to floats at -1": (lambda x: np.sum(x**EXPONENTS), -np.ones(4), np.array([0, 1, -2, 3])),
    "0**x at 1": (lambda x: 0.0**x, 1.0, 0.0),
    "0**x at 0": (lambda x: 0.0**x, 0.0, 0.0),
    "x**x at 2": (lambda x: x**x, 2.0, 4 * (np.log(2) + 1)),
    "abs at 0": (abs, 0.0, 0.0),
    "sign at 0": (np.sign, 0.0, 0.0),
    "maximum at a tie": (lambda x: np.maximum(x, 0.0), 0.0, 0.5),
    "maximum of itself": (lambda x: np.maximum(x, x), 1.0, 1.0),
    "minimum of itself": (lambda x: np.minimum(x, x) * 3, 1.0, 3.0),
    "max at a tie": (np.max, np.array([1.0, 3.0, 3.0]), np.array([0.0, 0.5, 0.5])),
    "clip at its edges": (
        lambda x: np.sum(np.clip(x, 0.0, 1.0)),
        np.array([-1.0, 0.0, 0.5, 1.0, 2.0]),
        np.array([0.0, 1.0, 1.0, 1.0, 0.0]),
    ),
    "norm at 0": (np.linalg.norm, np.zeros(3), np.zeros(3)),
    "std of equal values": (np.std, np.ones(3), np.zeros(3)),
    "prod with a zero": (np.prod, np.array([0.0, 2.0, 3.0]), np.array([6.0, 0.0, 0.0])),
    "prod with two zeros": (np.prod, np.array([0.0, 0.0, 3.0]), np.zeros(3)),
    "cumprod with a zero": (
        lambda x: np.sum(np.cumprod(x)),
        np.array([2.0, 0.0, 3.0]),
        np.array([1.0, 8.0, 0.0]),
    ),
    "hypot at 0": (lambda x: np.hypot(x, x), 0.0, 0.0),
    "arctan2 at 0": (lambda x: np.arctan2(x, 0.0), 0.0, 0.0),
    "sinc at 0": (np.sinc, 0.0, 0.0),
    "remainder of a negative number": (lambda x: np.mod(x, 3.0), -1.5, 1.0),
    "remainder by a number": (lambda y: 7.5 % y, 2.0, -3.0),
    "remainder by a negative number": (lambda y: 1.5 % y, -1.0, 2.0),
    "fmod by a number": (lambda y: np.fmod(-1.5, y), 1.0, 1.0),
    "floor division": (lambda x: x // 2.0 * x, 7.5, 3.0),
    "where hides nan": (
        lambda x: np.sum(np.where(x > 0, x * 2, 0.0)),
        np.array([NAN, 1.0, -1.0, INF]),
        np.array([0.0, 2.0, 0.0, 2.0]),
    ),
    "double where": (
        lambda x: np.sum(np.where(x > 0, np.sqrt(np.where(x > 0, x, 1.0)), 0.0)),
        np.array([0.0, 4.0]),
        np.array([0.0, 0.25]),
    ),
    "infinite sum": (np.sum, np.array([INF, 1.0]), np.ones(2)),
    "logsumexp of -inf": (fg.nn.logsumexp, np.array([-INF, 0.0]), np.array([0.0, 1.0])),
    "nansum": (np.nansum, np.array([NAN, 1.0]), np.array([0.0, 1.0])),
    "nanmean": (np.nanmean, np.array([NAN, 1.0, 2.0]), np.array([0.0, 0.5, 0.5])),
    "nanmax": (np.nanmax, np.array([NAN, 1.0, 2.0]), np.array([0.0, 0.0, 1.0])),
    "nanstd": (np.nanstd, np.array([NAN, 1.0, 3.0]), np.array([0.0, -0.5, 0.5])),
    "nanprod": (np.nanprod, np.array([NAN, 2.0, 3.0]), np.array([0.0, 3.0, 2.0])),
    "nancumsum": (lambda x: np.nancumsum(x)[-1], np.array([NAN, 1.0]), np.array([0.0, 1.0])),
    "a boolean result": (lambda x: x > 1, 2.0, 0.0),
    "an index as result": (np.argmax, np.arange(3.0), np.zeros(3)),
}
points = pytest.mark.parametrize("name", POINTS)


@points
def test_reverse_mode(name: str) -> None:
    f, x, expected = POINTS[name]
    found = fg.grad(f)(x)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert np.shape(found) == np.shape(x)


@points
def test_forward_mode_and_linearize(name: str) -> None:
    f, x, expected = POINTS[name]
    x_dot = np.ones_like(x) if np.ndim(x) else 1.0
    moved = fg.jvp(f, (x,), (x_dot,))[1]
    pushed = fg.linearize(f, x)[1](x_dot)
    if moved.dtype == fg.float0:
        assert not np.any(expected)
        return
    np.testing.assert_allclose(moved, np.sum(expected), atol=1e-12)
    np.testing.assert_allclose(pushed, np.sum(expected), atol=1e-12)


@points
def test_mapped(name: str) -> None:
    f, x, expected = POINTS[name]
    np.testing.assert_allclose(fg.vmap(fg.grad(f))(np.stack([x, x]))[1], expected, atol=1e-12)


TWO: dict[str, tuple[Callable[..., Any], tuple[float, float], tuple[float, float]]] = {
    "x**y at (0, 0)": (lambda x, y: x**y, (0.0, 0.0), (0.0, 0.0)),
    "x**y at (0, 1)": (lambda x, y: x**y, (0.0, 1.0), (1.0, 0.0)),
    "x**y at (0, 2)": (lambda x, y: x**y, (0.0, 2.0), (0.0, 0.0)),
    "x % y at (-1.5, 1)": (lambda x, y: x % y, (-1.5, 1.0), (1.0, 2.0)),
    "fmod at (-1.5, 1)": (np.fmod, (-1.5, 1.0), (1.0, 1.0)),
    "maximum at a tie": (np.maximum, (2.0, 2.0), (0.5, 0.5)),
    "hypot at 0": (np.hypot, (0.0, 0.0), (0.0, 0.0)),
    "arctan2 at 0": (np.arctan2, (0.0, 0.0), (0.0, 0.0)),
    "product of one value": (lambda x, y: x * y, (3.0, 3.0), (3.0, 3.0)),
}


@pytest.mark.parametrize("name", TWO)
def test_two_arguments(name: str) -> None:
    f, at, expected = TWO[name]
    assert fg.grad(f, (0, 1))(*at) == expected
    assert fg.jacfwd(f, (0, 1))(*at) == expected


SECOND: dict[str, tuple[Callable[..., Any], float, float]] = {
    "x**0": (lambda x: x**0, 0.0, 0.0),
    "x**1": (lambda x: x**1, 0.0, 0.0),
    "x**2": (lambda x: x**2, 0.0, 2.0),
    "x**2.0": (lambda x: x**2.0, 0.0, 2.0),
    "x**float64(2)": (lambda x: np.power(x, np.float64(2)), 0.0, 2.0),
    "x**3 at -1": (lambda x: x**3, -1.0, -6.0),
    "abs": (lambda x: abs(x) * x, 0.0, 0.0),
    "relu": (lambda x: fg.nn.relu(x) ** 2, 1.0, 2.0),
}


@pytest.mark.parametrize("name", SECOND)
def test_second_derivatives(name: str) -> None:
    f, x, expected = SECOND[name]
    assert fg.grad(fg.grad(f))(x) == expected
    assert fg.hessian(f)(x) == expected
    assert fg.hvp(f, (x,), (1.0,)) == expected


def test_second_derivatives_of_powers_in_an_array() -> None:
    found = fg.hessian(lambda x: np.sum(x**EXPONENTS))(ZEROS)
    np.testing.assert_array_equal(found, np.diag([0.0, 0.0, 2.0, 0.0]))


# --- nan and inf flow through ---------------------------------------------------------------------

FLOWING: dict[str, tuple[Callable[..., Any], Any, Any]] = {
    "sin of nan": (
        lambda x: np.sum(np.sin(x)),
        np.array([NAN, 0.0, 1.0]),
        np.array([NAN, 1.0, np.cos(1.0)]),
    ),
    "square root of 0": (np.sqrt, 0.0, INF),
    "log of 0": (np.log, 0.0, INF),
    "square root of -1": (np.sqrt, -1.0, NAN),
    "1 / 0": (lambda x: 1 / x, 0.0, -INF),
    "x**-1 at 0": (lambda x: x**-1, 0.0, -INF),
    "max of nan": (np.max, np.array([NAN, 1.0]), np.array([1.0, 0.0])),
    "0 / 0": (lambda x: x / x, 0.0, NAN),
    "overflow": (np.exp, 1e4, INF),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own, for the values
@pytest.mark.parametrize("name", FLOWING)
def test_nan_and_inf_are_no_errors(name: str) -> None:
    f, x, expected = FLOWING[name]
    found = fg.grad(f)(x)
    if name == "max of nan":
        assert np.shape(found) == (2,)
        return
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", [n for n in POINTS if "nan" not in n and "inf" not in n])
def test_no_floating_point_error_is_raised_on_the_way(name: str) -> None:
    f, x, expected = POINTS[name]
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        np.testing.assert_allclose(fg.grad(f)(x), expected, atol=1e-12)


# --- nothing to compute ---------------------------------------------------------------------------

EMPTY: dict[str, Callable[..., Any]] = {
    "sum": np.sum,
    "sin": lambda x: np.sum(np.sin(x) * x),
    "prod": np.prod,
    "slice": lambda x: np.sum(x[:0]),
    "reshape": lambda x: np.sum(x.reshape(0, 3)),
    "concatenate": lambda x: np.sum(np.concatenate([x, x])),
    "stack": lambda x: np.sum(np.stack([x, x])),
    "cumsum": lambda x: np.sum(np.cumsum(x) + np.cumprod(x)),
    "sort": lambda x: np.sum(np.sort(x)),
    "dot": lambda x: np.dot(x, x),
    "outer": lambda x: np.sum(np.outer(x, x)),
    "matmul": lambda x: np.sum(x[:, None] @ x[None]) + np.sum(x[None] @ x[:, None]),
    "einsum": lambda x: np.einsum("i,i", x, x),
    "norm": np.linalg.norm,
    "where": lambda x: np.sum(np.where(x > 0, x, 0.0)),
    "mask": lambda x: np.sum(x[x > 0]),
    "index": lambda x: np.sum(x[np.array([], int)]),
    "max with initial": lambda x: np.max(x, initial=0.0),
    "repeat": lambda x: np.sum(np.repeat(x, 2) + np.tile(x, 2)),
    "pad": lambda x: np.sum(np.pad(x, 1)),
    "diff": lambda x: np.sum(np.diff(x)),
    "power": lambda x: np.sum(x**2 + x**x),
    "maximum": lambda x: np.sum(np.maximum(x, 0) + np.clip(x, 0, 1)),
    "nn": lambda x: np.sum(fg.nn.relu(x) + fg.nn.gelu(x)),
    "roll": lambda x: np.sum(np.roll(x, 1)),
    "std of rows": lambda x: np.sum(np.std(x.reshape(0, 3), axis=1)),
    "split": lambda x: sum(np.sum(part) for part in np.split(x, 1)),
}


@pytest.mark.parametrize("name", EMPTY)
def test_empty_arrays_have_empty_gradients(name: str) -> None:
    x = np.zeros(0)
    for found in (
        fg.grad(EMPTY[name])(x),
        fg.vjp(EMPTY[name], x)[1](1.0)[0],
        fg.jacfwd(EMPTY[name])(x),
        fg.hvp(EMPTY[name], (x,), (x,)),
    ):
        assert found.shape == (0,)
    assert fg.jvp(EMPTY[name], (x,), (x,))[1] == 0.0
    assert fg.linearize(EMPTY[name], x)[1](x) == 0.0


def test_empty_axes_keep_their_shapes() -> None:
    x = np.zeros((0, 3))
    assert fg.grad(lambda x: np.sum(np.sum(x, axis=0) ** 2))(x).shape == (0, 3)
    np.testing.assert_array_equal(
        fg.grad(lambda w: np.sum(x @ w))(np.ones((3, 2))), np.zeros((3, 2))
    )
    assert fg.jacrev(np.sin)(np.zeros(0)).shape == (0, 0)
    assert fg.hessian(np.sum)(np.zeros(0)).shape == (0, 0)
    assert fg.vmap(np.sin)(x).shape == (0, 3)
    assert fg.vmap(fg.grad(np.sum))(x).shape == (0, 3)
    assert fg.grad(lambda p: np.sum(p["a"]))({"a": np.zeros(0), "b": []})["a"].shape == (0,)

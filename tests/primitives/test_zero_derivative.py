"""Functions whose derivative is zero, each inside an expression that is differentiated."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from funcgrad import errors, grad, jvp, vmap
from funcgrad.primitives.reasons import ZERO
from tests.primitives.checking import check

# No element, and no difference of two, is near a number at which one of the functions jumps.
X = np.array([[0.31, -1.62, 2.17, 0.84], [-0.43, 1.38, -2.71, 0.15], [1.93, -0.17, 0.62, -1.29]])
EDGES = np.array([-1.0, 0.0, 1.0])


def whole(x: Any) -> Any:
    return np.floor(np.abs(x) * 3).astype(np.int64)


# A factor, to be broadcast against x.
FACTORS: dict[str, Callable[[Any], Any]] = {
    "all": lambda x: np.all(x > -1.4, axis=0),
    "allclose": lambda x: np.allclose(x, x + 1e-12),
    "any": lambda x: np.any(x > 1.5, axis=0),
    "argmax": lambda x: np.argmax(x, axis=0),
    "argmin": lambda x: np.argmin(x, axis=1, keepdims=True),
    "argpartition": lambda x: np.argpartition(x, 1, axis=1)[:, 1:2],
    "argsort": lambda x: np.argsort(x, axis=0),
    "argwhere": lambda x: np.argwhere(x > 0)[1, 1],
    "around": lambda x: np.around(x),
    "array_equal": lambda x: np.array_equal(x, x + 0.0),
    "array_equiv": lambda x: np.array_equiv(x, x[None]),
    "bitwise_and": lambda x: np.bitwise_and(whole(x), 3),
    "bitwise_count": lambda x: np.bitwise_count(whole(x)),
    "bitwise_invert": lambda x: np.bitwise_invert(whole(x)),
    "bitwise_left_shift": lambda x: np.bitwise_left_shift(whole(x), 2),
    "bitwise_not": lambda x: np.bitwise_not(whole(x)),
    "bitwise_or": lambda x: np.bitwise_or(whole(x), 1),
    "bitwise_right_shift": lambda x: np.bitwise_right_shift(whole(x), 1),
    "bitwise_xor": lambda x: np.bitwise_xor(whole(x), 5),
    "ceil": np.ceil,
    "count_nonzero": lambda x: np.count_nonzero(x > 0, axis=0),
    "digitize": lambda x: np.digitize(x, EDGES),
    "empty_like": lambda x: np.full_like(np.empty_like(x), 3.0),
    "equal": lambda x: np.equal(x, x[::-1]),
    "fix": np.fix,
    "flatnonzero": lambda x: np.flatnonzero(x > 0)[2],
    "floor": np.floor,
    "floor_divide": lambda x: np.floor_divide(x, 0.4),
    "gcd": lambda x: np.gcd(whole(x), 6),
    "greater": lambda x: x > 0.5,
    "greater_equal": lambda x: x >= x[::-1],
    "heaviside": lambda x: np.heaviside(x, 0.5),
    "invert": lambda x: np.invert(x > 0),
    "isclose": lambda x: np.isclose(x, np.round(x), atol=0.3),
    "iscomplex": lambda x: 2 - np.iscomplex(x),
    "isfinite": np.isfinite,
    "isin": lambda x: np.isin(np.floor(x), [0.0, 1.0]),
    "isinf": lambda x: 2.0 - np.isinf(x),
    "isnan": lambda x: np.where(np.isnan(np.log(np.where(x > 0, x, np.nan))), 1.0, 2.0),
    "isneginf": lambda x: 2.0 - np.isneginf(x),
    "isposinf": lambda x: 2.0 - np.isposinf(x),
    "isreal": np.isreal,
    "lcm": lambda x: np.lcm(whole(x), 4),
    "left_shift": lambda x: np.left_shift(whole(x), 1),
    "less": lambda x: np.less(x, 0.5),
    "less_equal": lambda x: x <= 0.5,
    "lexsort": lambda x: np.lexsort((x[0], np.floor(x[1]))),
    "linalg.matrix_rank": lambda x: np.linalg.matrix_rank(x),
    "logical_and": lambda x: np.logical_and(x > 0, x < 1),
    "logical_not": lambda x: np.logical_not(x > 0),
    "logical_or": lambda x: np.logical_or(x > 1, x < -1),
    "logical_xor": lambda x: np.logical_xor(x > 1, x > -1),
    "nanargmax": lambda x: np.nanargmax(x, axis=0),
    "nanargmin": lambda x: np.nanargmin(x),
    "nonzero": lambda x: np.nonzero(x > 0)[1][0:1] + 1,
    "not_equal": lambda x: np.not_equal(x, x[::-1]),
    "ones_like": np.ones_like,
    "packbits": lambda x: np.packbits(x > 0, axis=1),
    "ravel_multi_index": lambda x: np.ravel_multi_index((np.argmax(x, 0), np.argmin(x, 0)), (3, 3)),
    "right_shift": lambda x: whole(x) >> 1,
    "rint": np.rint,
    "round": lambda x: np.round(x, 1),
    "searchsorted": lambda x: np.searchsorted(EDGES, x),
    "sign": np.sign,
    "signbit": np.signbit,
    "spacing": lambda x: np.spacing(x) * 2.0**50,
    "trunc": np.trunc,
    "unpackbits": lambda x: np.unpackbits(np.packbits(x > 0, axis=1), axis=1, count=4),
    "unravel_index": lambda x: np.unravel_index(np.argmax(x, axis=1), (2, 2))[1][:, None],
    "zeros_like": np.zeros_like,
}
SHAPE_BY_VALUE = {"argwhere", "flatnonzero", "nonzero"}


def test_every_function_with_derivative_zero_is_tried_here():
    assert set(FACTORS) == {name for name in ZERO if _exists(name)}


def _exists(name: str) -> bool:
    return hasattr(np.linalg, name.removeprefix("linalg.")) or hasattr(np, name)


@pytest.mark.parametrize("name", FACTORS)
def test_a_function_with_derivative_zero_is_a_factor_like_any_number(name: str):
    factor = FACTORS[name]
    check(lambda x: np.sin(x) * x * factor(x) + x, X, batch=name not in SHAPE_BY_VALUE)


@pytest.mark.parametrize("name", FACTORS)
def test_the_factor_counts_as_a_constant_in_the_gradient(name: str):
    factor = FACTORS[name]
    expected = np.broadcast_to(3 * X**2 * factor(X), X.shape)
    np.testing.assert_allclose(grad(lambda x: np.sum(x**3 * factor(x)))(X), expected, rtol=1e-13)


@pytest.mark.parametrize("name", sorted(SHAPE_BY_VALUE))
def test_vmap_refuses_a_result_whose_shape_depends_on_values(name: str):
    with pytest.raises(errors.BatchedValueError, match="shape depends on values"):
        vmap(lambda x: np.sum(x * FACTORS[name](x)))(np.stack([X, X]))


# Elements chosen by what has no derivative.
CHOICES: dict[str, Callable[[Any], Any]] = {
    "x[argsort(x)]": lambda x: x[0][np.argsort(x[0])],
    "x[argmax(x)]": lambda x: np.ravel(x)[np.argmax(x)],
    "x[lexsort]": lambda x: x[:, np.lexsort((x[0], x[1]))],
    "where(isnan(x), 0, x)": lambda x: np.where(np.isnan(x), 0, x) * x,
    "where(x > 0, x², -x)": lambda x: np.where(x > 0, x * x, -x),
    "x[searchsorted]": lambda x: x[np.searchsorted(EDGES, x[0]) % 3],
    "take(x, digitize)": lambda x: np.take(x[0], np.digitize(x, EDGES)),
    "x - floor(x)": lambda x: (x - np.floor(x)) ** 2,
    "x.at[argmax].set": lambda x: np.where(x == np.max(x), 0, x) * x,
    "steps of x": lambda x: np.exp(x) * np.round(x / 0.5) * 0.5,
}


@pytest.mark.parametrize("name", CHOICES)
def test_elements_chosen_by_position_or_mask_carry_their_derivatives(name: str):
    check(CHOICES[name], X)


def test_elements_chosen_by_a_mask_carry_their_derivatives():
    check(lambda x: x[np.nonzero(x > 0)] ** 2, X, batch=False)
    check(lambda x: x[x > 0] ** 2, X, batch=False)


@pytest.mark.parametrize("f", [np.floor, np.sign, np.rint, np.ones_like, np.isnan, np.zeros_like])
def test_the_derivative_of_the_function_alone_is_zero_in_both_modes(f: Callable[[Any], Any]):
    np.testing.assert_array_equal(grad(lambda x: np.sum(f(x) * 1.0))(X), np.zeros_like(X))
    np.testing.assert_array_equal(jvp(lambda x: f(x) * 1.0, (X,), (X,))[1], np.zeros_like(X))

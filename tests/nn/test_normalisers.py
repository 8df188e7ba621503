"""Softmax, log_softmax and logsumexp: recorded values, identities, extremes, masks and weights."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from funcgrad import errors, grad, jvp, nn, vjp
from funcgrad.transforms.vmap import vmap
from tests.nn.oracle import INPUTS, ORACLE
from tests.primitives.checking import check

INF = np.inf
X, B, WHERE = INPUTS["x"], INPUTS["b"], INPUTS["where"]
SMALL = np.array([[0.3, -1.2, 2.0, 0.1], [1.1, 0.4, -0.6, 0.2], [-2.0, 0.9, 0.0, 1.5]])

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "softmax 0": lambda x: nn.softmax(x, 0),
    "softmax -1": nn.softmax,
    "softmax (0, 1)": lambda x: nn.softmax(x, (0, 1)),
    "softmax where": lambda x: nn.softmax(x, where=WHERE),
    "log_softmax -1": nn.log_softmax,
    "logsumexp None": nn.logsumexp,
    "logsumexp 0": lambda x: nn.logsumexp(x, axis=0),
    "logsumexp 1 b": lambda x: nn.logsumexp(x, 1, b=B),
    "logsumexp 1 keepdims": lambda x: nn.logsumexp(x, 1, keepdims=True),
    "logsumexp 1 where": lambda x: nn.logsumexp(x, 1, where=WHERE),
}
over_functions = pytest.mark.parametrize("name", FUNCTIONS)


@over_functions
def test_value_and_gradient_are_those_recorded_from_jax(name: str) -> None:
    recorded = ORACLE["arrays"][name]
    out, pullback = vjp(FUNCTIONS[name], X)
    np.testing.assert_allclose(out, recorded["value"], rtol=1e-12, atol=1e-14)
    ct = np.cos(np.arange(out.size, dtype=float)).reshape(out.shape)
    np.testing.assert_allclose(pullback(ct)[0], recorded["gradient"], rtol=1e-11, atol=1e-14)


@over_functions
def test_every_mode_and_second_order_agree_with_differences(name: str) -> None:
    # The last layout of elements decides how NumPy sums: equal up to rounding.
    check(FUNCTIONS[name], SMALL, exact=False)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@over_functions
def test_dtype_is_kept(name: str, dtype: Any) -> None:
    x = SMALL.astype(dtype)
    f = (
        FUNCTIONS[name]
        if name != "logsumexp 1 b"
        else lambda x: nn.logsumexp(x, 1, b=B.astype(dtype))
    )
    out, pullback = vjp(f, x)
    assert out.dtype == f(x).dtype == dtype
    assert pullback(out)[0].dtype == dtype
    assert jvp(f, (x,), (x,))[1].dtype == dtype
    tolerance = 10 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(
        np.asarray(out, np.float64), f(x.astype(np.float64)), rtol=tolerance, atol=tolerance
    )


def test_softmax_sums_to_one_and_is_exp_of_log_softmax() -> None:
    for axis in (0, 1, (0, 1), None):
        y = nn.softmax(X, axis)
        np.testing.assert_allclose(y.sum(axis=axis), np.ones(y.sum(axis=axis).shape), rtol=1e-14)
        np.testing.assert_allclose(np.exp(nn.log_softmax(X, axis)), y, rtol=1e-12, atol=1e-300)


def test_the_gradient_of_logsumexp_is_softmax() -> None:
    for x in (SMALL, SMALL[0], 1000 * SMALL, -1000 + SMALL):
        np.testing.assert_allclose(grad(nn.logsumexp)(x), nn.softmax(x, axis=None), rtol=1e-13)


def test_the_hessian_of_logsumexp_is_the_covariance_of_the_softmax() -> None:
    x = SMALL[0]
    p = nn.softmax(x)
    rows = [vjp(grad(nn.logsumexp), x)[1](row)[0] for row in np.eye(4)]
    np.testing.assert_allclose(np.stack(rows), np.diag(p) - np.outer(p, p), rtol=1e-12, atol=1e-16)


def test_nothing_overflows_at_large_arguments() -> None:
    x = np.array([1e3, -1e3, 1e3])
    np.testing.assert_array_equal(nn.softmax(x), [0.5, 0, 0.5])
    np.testing.assert_allclose(nn.log_softmax(x), [-np.log(2), -2e3 - np.log(2), -np.log(2)])
    assert nn.logsumexp(x) == 1e3 + np.log(2)
    ct = np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(vjp(nn.softmax, x)[1](ct)[0], [-0.75, 0, 0.75])
    np.testing.assert_allclose(vjp(nn.log_softmax, x)[1](ct)[0], [-2.5, 2, 0.5])
    np.testing.assert_array_equal(grad(lambda x: nn.softmax(x)[0])(np.float32(x)), [0.25, 0, -0.25])


def test_minus_infinity_takes_no_part() -> None:
    x = np.array([-INF, 0.3, 0.1])
    np.testing.assert_array_equal(nn.softmax(x), [0, *nn.softmax(x[1:])])
    np.testing.assert_array_equal(nn.log_softmax(x), [-INF, *nn.log_softmax(x[1:])])
    assert nn.logsumexp(x) == nn.logsumexp(x[1:])
    np.testing.assert_array_equal(grad(nn.logsumexp)(x), [0, *nn.softmax(x[1:])])
    np.testing.assert_array_equal(
        vjp(nn.softmax, x)[1](np.array([5.0, 1.0, 2.0]))[0],
        [0, *vjp(nn.softmax, x[1:])[1](np.array([1.0, 2.0]))[0]],
    )


def test_infinite_maxima_share_evenly() -> None:
    rows = np.array([[INF, 1.0, 2.0], [INF, INF, 0.0], [-INF, -INF, -INF]])
    np.testing.assert_array_equal(nn.softmax(rows)[:2], [[1, 0, 0], [0.5, 0.5, 0]])
    np.testing.assert_allclose(nn.softmax(rows)[2], 1 / 3)
    np.testing.assert_array_equal(nn.logsumexp(rows, axis=1), [INF, INF, -INF])
    np.testing.assert_array_equal(
        vjp(lambda x: nn.logsumexp(x, axis=1), rows)[1](np.ones(3))[0], nn.softmax(rows)
    )


def test_nan_stays_nan() -> None:
    x = np.array([[np.nan, 1.0], [0.0, 0.0]])
    for f in (nn.softmax, nn.log_softmax):
        assert np.isnan(f(x)[0]).all()
        assert np.isfinite(f(x)[1]).all()
    assert np.isnan(nn.logsumexp(x))


def test_masked_elements_get_no_probability_and_no_derivative() -> None:
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    where = np.array([[True, False, True], [False, False, False]])
    out, pullback = vjp(lambda x: nn.softmax(x, where=where), x)
    np.testing.assert_allclose(out, [[1 / (1 + np.e**2), 0, 1 / (1 + np.e**-2)], [0, 0, 0]])
    gradient = pullback(np.array([[1.0, INF, 0.0], [1.0, 2.0, 3.0]]))[0]
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient[~where], 0)
    np.testing.assert_array_equal(nn.log_softmax(x, where=where)[~where], -INF)
    np.testing.assert_array_equal(nn.logsumexp(x, axis=1, where=where)[1], -INF)


def test_logsumexp_with_negative_weights_gives_the_sign() -> None:
    a, b = np.array([1.0, 2.0]), np.array([1.0, -1.0])
    value, sign = nn.logsumexp(a, b=b, return_sign=True)
    np.testing.assert_allclose(value, np.log(np.e**2 - np.e))
    assert sign == -1
    assert np.isnan(nn.logsumexp(a, b=b))
    check(lambda a, b: nn.logsumexp(a, b=b, return_sign=True)[0], a, b, exact=False)
    value, sign = nn.logsumexp(a, b=np.zeros(2), return_sign=True)
    assert value == -INF
    assert sign == 0


def test_logsumexp_by_its_weights() -> None:
    check(lambda a, b: nn.logsumexp(a, 1, b=b, keepdims=True), SMALL, B, exact=False)
    np.testing.assert_allclose(
        grad(lambda b: nn.logsumexp(np.array([1e3, 1e3]), b=b))(np.array([1.0, 3.0])), 0.25
    )


def test_empty_and_zero_dimensional_inputs() -> None:
    assert nn.softmax(np.zeros((2, 0))).shape == (2, 0)
    assert nn.log_softmax(np.zeros((0, 3))).shape == (0, 3)
    np.testing.assert_array_equal(nn.logsumexp(np.zeros((2, 0)), axis=1), [-INF, -INF])
    assert nn.logsumexp(1.5) == 1.5
    assert grad(nn.logsumexp)(1.5) == 1.0
    assert nn.softmax(np.float32(3), axis=None) == 1
    with pytest.raises(np.exceptions.AxisError):
        nn.softmax(1.0)
    with pytest.raises(np.exceptions.AxisError):
        grad(lambda x: nn.softmax(x, axis=2).sum())(SMALL)


@pytest.mark.parametrize("axis", [0, 1, -1, (0, -1), None])
@pytest.mark.parametrize("f", [nn.softmax, nn.log_softmax, nn.logsumexp])
def test_vmap_is_a_loop(f: Callable[..., Any], axis: Any) -> None:
    stack = np.stack([SMALL, 2 * SMALL, -SMALL])
    expected = np.stack([f(x, axis) for x in stack])
    np.testing.assert_allclose(vmap(lambda x: f(x, axis))(stack), expected, rtol=1e-14)
    gradient = vmap(grad(lambda x: (f(x, axis) ** 2).sum()))(stack)
    looped = [grad(lambda x: (f(x, axis) ** 2).sum())(x) for x in stack]
    np.testing.assert_allclose(gradient, np.stack(looped), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("f", [nn.softmax, nn.log_softmax, nn.logsumexp])
def test_complex_numbers_are_refused(f: Callable[..., Any]) -> None:
    with pytest.raises(errors.InputDtypeError, match="real numbers only"):
        f(np.array([1j]))
    with pytest.raises(errors.InputDtypeError, match="real numbers only"):
        vjp(f, np.array([1j]))


def test_integers_and_lists_are_taken() -> None:
    np.testing.assert_array_equal(nn.softmax([0, 0]), [0.5, 0.5])
    np.testing.assert_allclose(nn.logsumexp([0, 0]), np.log(2))

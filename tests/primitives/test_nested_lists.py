"""Lists that hold traced values are arrays, as lists of numbers are for NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.errors import ObjectArrayError, TracerArrayConversionError

X = np.array([1.5, -0.7, 2.2])
MASK = np.array([True, False])

Call = Callable[[Any, Any], Any]


def _put(xp: Any, values: Any) -> Any:
    """`put`, which changes its argument in NumPy, and returns the result here."""
    a = np.ones(4)
    if xp is fnp:
        return fnp.put(a, [0, 2], values, inplace=False)
    np.put(a, [0, 2], values)
    return a


LISTS: dict[str, Call] = {
    "sum": lambda xp, x: xp.sum([t**2 for t in x]),
    "sum of rows": lambda xp, x: xp.sum([x, [1.0, 2.0, x[0]]], axis=0),
    "sum of tuples": lambda xp, x: xp.sum(((x[0], 1.0), (x[1], x[2])), axis=1),
    "mean": lambda xp, x: xp.mean([x[0], 3]),
    "max": lambda xp, x: xp.max([x[0], x[2], 0.5]),
    "sin": lambda xp, x: xp.sin([x[0], 1.0]),
    "add": lambda xp, x: xp.add([x[0], 1.0], [2.0, x[1]]),
    "matmul": lambda xp, x: xp.matmul([[x[0], 1.0], [x[1], x[2]]], [1.0, x[0]]),
    "where": lambda xp, x: xp.where(MASK, [x[0], x[1]], 0.0),
    "clip": lambda xp, x: xp.clip([x[0], x[1]], 0.0, 1.0),
    "modf": lambda xp, x: xp.modf([x[0], x[1]])[0],
    "divmod": lambda xp, x: xp.divmod([x[0], x[2]], 0.4)[1],
    "reshape": lambda xp, x: xp.reshape([[x[0], 1.0], [x[1], x[2]]], 4),
    "squeeze": lambda xp, x: xp.squeeze([[x[0]], [x[1]]]),
    "transpose": lambda xp, x: xp.transpose([[x[0], 1.0, 2.0], [x[1], x[2], 3.0]]),
    "flip": lambda xp, x: xp.flip([[x[0], 1.0], [x[1], x[2]]], 0),
    "diag": lambda xp, x: xp.diag([x[0], x[1]]),
    "real": lambda xp, x: xp.real([x[0] * 1j, x[1] + 0j]),
    "polyval": lambda xp, x: xp.polyval([x[0], 1.0], 2.0),
    "interp": lambda xp, x: xp.interp([0.2, 0.6], [0.0, 1.0], [x[0], x[1]]),
    "trapezoid": lambda xp, x: xp.trapezoid([x[0], x[1], x[2]], [0.0, 1.0, 3.0]),
    "cross": lambda xp, x: xp.cross([x[0], x[1], 1.0], [1.0, x[2], x[0]]),
    "det": lambda xp, x: xp.linalg.det([[x[0], 1.0], [1.0, x[1]]]),
    "solve": lambda xp, x: xp.linalg.solve([[x[0], 1.0], [1.0, x[1]]], [x[2], 1.0]),
    "norm": lambda xp, x: xp.linalg.norm([x[0], x[1]]),
    "rfft": lambda xp, x: xp.abs(xp.fft.rfft([x[0], x[1], 0.5, x[2]])),
    "concatenate": lambda xp, x: xp.concatenate([x, [x[0]]]),
    "hstack": lambda xp, x: xp.hstack([x, [x[0], 1.0]]),
    "block": lambda xp, x: xp.block([[x[:2], x[2:]], [1.0, x[:1], x[1]]]),
    "select": lambda xp, x: xp.select([MASK, ~MASK], [[x[0], 1.0], [2.0, x[1]]]),
    "put": lambda xp, x: _put(xp, [[x[0]], [x[2]]]),
    "append": lambda xp, x: xp.append(x, [x[0], 2.0]),
}
DISPATCHED: dict[str, Call] = {  # another argument is traced, so NumPy asks it
    "dot": lambda xp, x: xp.dot(x[:2], [x[0], 1.0]),
    "outer": lambda xp, x: xp.outer(x, [x[0], 1.0]),
    "where": lambda xp, x: xp.where(MASK, [x[0], x[1]], x[2]),
    "add": lambda xp, x: xp.add([x[0], 1.0, 2.0], x),
    "concatenate": lambda xp, x: xp.concatenate([x, [x[0]]]),
    "polyval": lambda xp, x: xp.polyval([x[0], 1.0], x),
    "interp": lambda xp, x: xp.interp(x, [0.0, 3.0], [x[0], x[1]]),
    "insert": lambda xp, x: xp.insert(x, 1, [x[2], 4.0]),
    "operator": lambda _xp, x: x * [x[0], 1.0, x[2]],
    "solve": lambda xp, x: xp.linalg.solve(xp.diag(x[:2]), [x[2], 1.0]),
}


def agrees_with_numpy(call: Call, xp: Any) -> None:
    """Value, dtype and Jacobian: NumPy's own with plain numbers, and its difference quotients."""
    value, slopes = call(np, X), fg.jacfwd(lambda x: call(xp, x))(X)
    found, pull = fg.vjp(lambda x: call(xp, x), X)
    np.testing.assert_allclose(found, value, rtol=1e-14)
    assert found.dtype == np.asarray(value).dtype
    step = 1e-6
    for i, e in enumerate(np.eye(3) * step):
        quotient = (np.asarray(call(np, X + e)) - call(np, X - e)) / (2 * step)
        # rounding of the values / step, about 1e-10
        np.testing.assert_allclose(slopes[..., i], quotient, rtol=1e-7, atol=1e-8)
    ct = np.cos(np.arange(np.size(value), dtype=float)).reshape(np.shape(value))
    np.testing.assert_allclose(pull(ct)[0], np.tensordot(ct, slopes, ct.ndim), rtol=1e-12)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_traced_values_is_an_array_for_funcgrad_numpy(name: str):
    agrees_with_numpy(LISTS[name], fnp)


@pytest.mark.parametrize("xp", [np, fnp], ids=["np", "fnp"])
@pytest.mark.parametrize("name", DISPATCHED)
def test_a_list_beside_a_traced_value_is_an_array(name: str, xp: Any):
    agrees_with_numpy(DISPATCHED[name], xp)


@pytest.mark.parametrize("name", ["sum", "det", "transpose"])
def test_a_list_under_vmap_is_an_array_of_each_example(name: str):
    batch = np.stack([X, X + 0.3, -X])
    found = fg.vmap(lambda x: LISTS[name](fnp, x))(batch)
    np.testing.assert_allclose(found, [LISTS[name](np, x) for x in batch], rtol=1e-14)


def test_single_precision_numbers_in_a_list_stay_single_precision():
    found, _ = fg.vjp(lambda x: fnp.sum([x[0], x[1]]), X.astype(np.float32))
    assert found.dtype == np.float32


def test_numpy_does_not_look_into_the_list_of_some_functions_and_says_so():
    with pytest.raises(TracerArrayConversionError, match=r"funcgrad\.numpy\.asarray"):
        fg.grad(lambda x: LISTS["det"](np, x))(X)


def test_a_ragged_list_is_refused():
    with pytest.raises(ValueError, match="same shape"):
        fg.grad(lambda x: fnp.sum([x, [x[0]]]))(X)


def test_an_object_in_the_list_is_refused():
    with pytest.raises(ObjectArrayError):
        fg.grad(lambda x: fnp.sum([x[0], None]))(X)

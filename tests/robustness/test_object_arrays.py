"""Object arrays that hold traced values: right through their elements, or an error; never zero."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import ObjectArrayError
from tests.robustness.modes import DERIVATIVES, TRACED, X, central, line_of

modes = pytest.mark.parametrize("mode", TRACED)


def filled(x: Any) -> Any:
    """An object array filled by assignment, which asks nobody."""
    z = np.empty(3, object)
    for i in range(3):
        z[i] = x[i]
    return z


RIGHT: dict[str, Callable[..., Any]] = {
    "sum": lambda x: filled(x).sum(),
    "np.sum": lambda x: np.sum(filled(x) ** 2),
    "times number": lambda x: (2.0 * filled(x) * 3.0).sum(),
    "times array": lambda x: (filled(x) * np.arange(3.0)).sum(),
    "dot": lambda x: filled(x).dot(filled(x)),
    "matmul": lambda x: filled(x) @ np.array([1.0, 2.0, 3.0]),
    "prod": lambda x: np.prod(filled(x)),
    "cumsum": lambda x: np.cumsum(filled(x))[1] ** 2,
    "concatenate": lambda x: (np.concatenate([filled(x), filled(x)]) ** 2).sum(),
    "reshape": lambda x: filled(x).reshape(3, 1).T[0, 1] * 3.0,
    "outer": lambda x: np.outer(filled(x), filled(x)).sum(),
    "absolute": lambda x: np.abs(filled(-x)).sum(),
    "power": lambda x: (filled(x) ** 3).sum(),
    "tolist": lambda x: np.sum(np.stack(filled(x).tolist()) ** 2),
    "in place": lambda x: np.add.accumulate(filled(x))[2],
    "norm": lambda x: np.linalg.norm(filled(x)),
    "einsum": lambda x: np.einsum("i,i", filled(x), filled(x)),
    "frompyfunc": lambda x: np.frompyfunc(lambda v: v * v, 1, 1)(filled(x)).sum(),
}


@pytest.mark.parametrize("mode", DERIVATIVES)
@pytest.mark.parametrize("name", RIGHT)
def test_the_elements_of_an_object_array_keep_their_derivatives(mode: str, name: str) -> None:
    f = RIGHT[name]
    np.testing.assert_allclose(DERIVATIVES[mode](f), central(f), atol=1e-6)


BRANCHING: dict[str, Callable[..., Any]] = {
    "max": lambda x: filled(x).max() * 2.0,
    "sort": lambda x: np.sort(filled(x))[0] ** 2,
    "where": lambda x: np.where(filled(x) > 1, filled(x) * 2.0, 0.0).sum(),
    "clip": lambda x: np.clip(filled(x), 0.6, 1.5).sum(),
    "maximum": lambda x: np.maximum(filled(x), 1.0).sum(),
}


@pytest.mark.parametrize("mode", ["grad", "jvp", "linearize", "program"])
@pytest.mark.parametrize("name", BRANCHING)
def test_comparisons_of_elements_keep_their_derivatives(mode: str, name: str) -> None:
    f = BRANCHING[name]
    np.testing.assert_allclose(DERIVATIVES[mode](f), central(f), atol=1e-6)


REFUSED: dict[str, Callable[..., Any]] = {
    "object + traced": lambda x: (filled(x) + x).sum(),
    "traced + object": lambda x: (x + filled(x)).sum(),
    "ufunc": lambda x: np.multiply(x, filled(x)).sum(),
    "matmul": lambda x: filled(x) @ x,
    "dot": lambda x: np.dot(x, filled(x)),
    "concatenate": lambda x: np.sum(np.concatenate([filled(x), x])),
    "stack": lambda x: np.sum(np.stack([x, filled(x)])),
    "where": lambda x: np.sum(np.where(np.ones(3, bool), x, filled(x))),
    "None inside": lambda x: np.sum(x * np.array([1.0, None, 2.0])),
    "text": lambda x: np.sum(x * np.array(["a", "b", "c"])),
    "times": lambda x: np.sum(x * np.array([1, 2, 3], "m8[s]")),
    "maximum": lambda x: np.sum(np.maximum(filled(x), x)),
    "masked": lambda x: np.sum(x * np.ma.array(X, mask=[0, 1, 0])),
    "matrix": lambda x: np.sum(np.eye(3).view(np.matrix) * x),
}


@modes
@pytest.mark.parametrize("name", REFUSED)
def test_an_object_array_next_to_a_traced_value_is_refused_at_its_line(
    mode: str, name: str
) -> None:
    f = REFUSED[name]
    with pytest.raises(ObjectArrayError) as caught:
        TRACED[mode](f)
    assert line_of(f) in str(caught.value)


RAISING: dict[str, Callable[..., Any]] = {
    "sin": lambda x: np.sin(filled(x)).sum(),
    "exp": lambda x: np.exp(filled(x)).sum(),
    "sqrt": lambda x: np.sqrt(filled(x)).sum(),
    "mean": lambda x: filled(x).mean(),
    "var": lambda x: filled(x).var(),
    "vectorize": lambda x: np.vectorize(lambda v: v * v)(filled(x)).sum(),
    "masked on the left": lambda x: np.sum(np.ma.array(X, mask=[0, 1, 0]) * x),
}


@modes
@pytest.mark.parametrize("name", RAISING)
def test_what_asks_the_elements_for_more_raises(mode: str, name: str) -> None:
    with pytest.raises((TypeError, ValueError)):
        TRACED[mode](RAISING[name])


@modes
@pytest.mark.parametrize(
    "convert",
    [
        lambda z: z.astype(float),
        lambda z: np.asarray(z, dtype=float),
        lambda z: np.array(z, dtype=complex),
        lambda z: np.fromiter(z, float),
    ],
)
def test_an_object_array_does_not_become_numeric(mode: str, convert: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        TRACED[mode](lambda x: convert(filled(x)).sum())


@modes
def test_an_object_array_as_a_result_is_refused(mode: str) -> None:
    with pytest.raises((TypeError, ValueError)):
        TRACED[mode](lambda x: filled(x) * 2.0)


def test_an_object_array_that_outlives_its_transform_holds_closed_values() -> None:
    kept: list[Any] = []
    fg.grad(lambda x: (kept.append(filled(x)), np.sum(x))[1])(X)
    with pytest.raises(fg.errors.LeakedTracerError):
        kept[0].sum()

"""dask arrays as values: the derivative is lazy, right, and no larger than its parts.

While a derivative is built the scheduler raises, so nothing can be computed. What dask does with
functions that it lacks (it warns, and computes everything in this process) would fail the tests
too, as every warning does.
"""

import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.errors import MutatedArrayError, UnsupportedFunctionError
from tests.values.agreement import CALLS, TRANSFORMS, agree, transformed
from tests.values.test_foreign import PROGRAMS, W, X, Y

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")


def chunked(x: Any) -> Any:
    """A dask array, cut in half along each axis."""
    x = np.asarray(x)
    return da.from_array(x, chunks=tuple(max(1, (n + 1) // 2) for n in x.shape))


class ComputedError(Exception):
    """Something was computed that should have stayed lazy."""


def refuse(*_args: Any, **_kwargs: Any) -> Any:
    raise ComputedError


@contextmanager
def lazily() -> Iterator[None]:
    with dask.config.set(scheduler=refuse):
        yield


def computed(x: Any) -> Any:
    return dask.compute(x, scheduler="synchronous")[0]


# --- every call -------------------------------------------------------------------------------

LACKING = (
    "dask does not have it",  # argsort, partition, det, slogdet, ...: funcgrad says so
    "all returned NotImplemented",  # methods of ufuncs: accumulate, reduce, reduceat
    "Dask's reshape only supports",  # chunks that would have to be cut anew
    "unexpected keyword argument",  # svd(compute_uv=)
    "perform lu decomposition",  # inv, solve: of square chunks of one matrix
    "perform cholesky decomposition",
)
"""What the errors say where dask lacks a function, or knows it for other chunks only."""

SUPPORTED = 110
"""At least so many of the calls work; a new refusal has to be noticed."""


def attempt(name: str, transform: str) -> Any:
    """The leaves, computed; or the error, if it is one of dask's that says what is lacking."""
    try:
        with lazily():
            found = transformed(CALLS[name], transform, chunked)
    except (TypeError, ValueError, NotImplementedError) as error:
        if not any(words in str(error) for words in LACKING):
            raise
        return error
    return found


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("name", CALLS)
def test_a_transform_is_lazy_and_right_or_says_what_dask_lacks(name: str, transform: str) -> None:
    found = attempt(name, transform)
    if isinstance(found, Exception):
        said = [str(error) for error in (found, *getattr(found, "__notes__", ()))]
        assert any("dask" in words.lower() or "Array" in words for words in said)
        return
    expected = transformed(CALLS[name], transform, lambda x: x)
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, da.Array) or not np.any(other)
    agree(computed(found), expected, CALLS[name][1])


def test_most_of_the_calls_work() -> None:
    works = [name for name in CALLS if not isinstance(attempt(name, "gradient"), Exception)]
    assert len(works) >= SUPPORTED


OF_DASK = {
    "labels": lambda x, y: fg.grad(
        lambda w: fg.nn.softmax_cross_entropy(x * w, (y > 0).astype(int))
    )(W),
    "special functions": lambda x, y: fg.grad(
        lambda x: np.sum(fg.nn.erf(x) * fg.nn.gelu(x) + fg.nn.lgamma(x**2 + 1))
    )(x),
    "a plain table at lazy indices": lambda x, y: fg.grad(
        lambda table: np.sum(fnp.asarray(table)[(y > 0).astype(int)] * y[:, None])
    )(np.ones((2, 4))),
    "columns at lazy indices": lambda x, y: fg.grad(
        lambda table: np.sum(table[:, (y > 0).astype(int)] * y)
    )(np.ones((4, 2))),
    "lazy indices of two axes": lambda x, y: fg.grad(
        lambda table: np.sum(table[(x > 0).astype(int)] * x)
    )(np.ones(2)),
    "a lazy table at lazy indices": lambda x, y: fg.grad(
        lambda table: np.sum(table[(x[:, 0] > 0).astype(int)] * y)
    )(y[:4]),
}


@pytest.mark.parametrize("name", [*PROGRAMS, *OF_DASK])
def test_a_program_of_dask_arrays_is_that_of_plain_arrays(name: str) -> None:
    program = (PROGRAMS | OF_DASK)[name]
    with lazily():
        found = fg.tree.leaves(program(chunked(X), chunked(Y)))
    agree(computed(found), fg.tree.leaves(program(X, Y)))
    assert all(isinstance(leaf, da.Array) for leaf in found)


@pytest.mark.parametrize(
    "mix",
    [
        lambda x, w: x * w,
        lambda x, w: w * x,
        lambda x, w: np.multiply(x, w),
        lambda x, w: np.multiply(w, x),
        lambda x, w: w - x,
        lambda x, w: x / w,
        lambda x, w: x ** w[:1],
        lambda x, w: x @ w,
        lambda x, w: w @ x.T,
        lambda x, w: np.dot(x, w),
        lambda x, w: np.concatenate([x, w[None]]),
        lambda x, w: np.where(x > 1, w, x),
    ],
)
def test_operators_between_dask_arrays_and_traced_values_work_in_either_order(mix: Any) -> None:
    def slope(x: Any) -> Any:
        return fg.grad(lambda w: np.sum(mix(x, w) ** 2))(W)

    with lazily():
        found = slope(chunked(np.abs(X)))
    assert isinstance(found, da.Array)
    agree([computed(found)], [slope(np.abs(X))])


# --- how much it takes ------------------------------------------------------------------------

LOSSES = {
    "least squares": lambda w, x, y: np.mean((x @ w - y) ** 2),
    "logistic": lambda w, x, y: np.mean(np.logaddexp(0, x @ w) - y * (x @ w)),
    "negated sum": lambda w, x, y: np.sum(-(x * w)),
    "means of columns": lambda w, x, y: np.sum(np.mean(x * w, axis=0) ** 2) + np.sum(y**2),
    "deviation": lambda w, x, y: np.std(x * w) + np.max(x @ w),
    "cross-entropy": lambda w, x, y: fg.nn.bce_with_logits(x @ w, y > 0),
    "slices": lambda w, x, y: np.sum(x[1:] * w * x[:-1]) + np.sum(y[::2] ** 2),
    "norm": lambda w, x, y: np.linalg.norm(x * w) + np.sum(np.where(y > 0, y, 0)),
}


def largest_chunk(x: Any) -> int:
    """Bytes of the largest array that computing x makes."""
    sizes: list[int] = []

    class Sizes(dask.callbacks.Callback):  # type: ignore[misc, name-defined]  # dask is untyped
        def _posttask(self, *args: Any) -> None:
            result = args[1]
            if isinstance(result, np.ndarray):
                spread = result[tuple(slice(1) if s == 0 else slice(None) for s in result.strides)]
                sizes.append(spread.nbytes)

    with Sizes():
        dask.persist(x, scheduler="synchronous", optimize_graph=False)
    return max(sizes)


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_as_large_as_the_data_is_made_or_sent(name: str) -> None:
    rng = da.random.default_rng(0)
    rows = 40_000
    x = rng.standard_normal((rows, 5), chunks=(rows // 20, 5))
    y = rng.standard_normal(rows, chunks=rows // 20)
    with lazily():
        value, slopes = fg.value_and_grad(LOSSES[name], (0, 1, 2))(np.ones(5), x, y)
        graphs = [dict(one.__dask_graph__()) for one in dask.optimize(value, *slopes)]
    assert len(pickle.dumps(graphs)) < x.nbytes / 4
    assert slopes[1].chunks == x.chunks
    for one in (value, *slopes):
        assert largest_chunk(one) <= 4 * x.nbytes / 20


# --- errors -----------------------------------------------------------------------------------


def test_a_function_that_dask_lacks_is_refused_by_name_and_line() -> None:
    with pytest.raises(UnsupportedFunctionError) as caught, lazily():
        fg.grad(lambda x: np.sum(np.linalg.det(x)))(chunked(X[:3]))
    message = str(caught.value)
    assert message.startswith("numpy.linalg.det: called with a dask array at ")
    assert "test_dask.py" in message
    assert "x.compute()" in message


def test_an_array_whose_chunks_have_unknown_lengths_is_refused() -> None:
    y = chunked(Y)
    with pytest.raises(UnsupportedFunctionError, match="compute_chunk_sizes"), lazily():
        fg.grad(lambda y: np.sum(y**2))(y[y > 0])


def test_a_lazy_mask_is_refused_as_an_index() -> None:
    with pytest.raises(UnsupportedFunctionError, match=r"np\.where\(mask, x, 0\)"), lazily():
        fg.grad(lambda y: np.sum(y[y > 0]))(chunked(Y))


def test_two_lazy_indices_are_refused() -> None:
    x, i = chunked(X), chunked(np.array([0, 1]))
    with pytest.raises(UnsupportedFunctionError, match="2 index arrays"), lazily():
        fg.grad(lambda x: np.sum(x[i, i]))(x)


def test_an_if_on_a_lazy_value_computes_it_as_everywhere_in_dask() -> None:
    def f(x: Any) -> Any:
        return np.sum(x) if np.sum(x) > 0 else -np.sum(x)

    with dask.config.set(scheduler="synchronous"):
        slope = fg.grad(f)(chunked(-np.abs(X)))
    agree([computed(slope)], [np.full(X.shape, -1.0)])


def test_float_of_a_traced_lazy_value_is_refused_before_anything_is_computed() -> None:
    with pytest.raises(fg.errors.DroppedDerivativeError), lazily():
        fg.grad(lambda x: float(np.sum(x)))(chunked(X))


def test_a_dask_array_may_be_assigned_to_after_it_was_recorded() -> None:
    x = chunked(X)
    out, pull = fg.vjp(lambda w: x @ w, W)
    x[0] = 100.0
    agree(computed([out, *pull(chunked(Y))]), [X @ W, Y @ X])


def test_a_plain_array_beside_dask_ones_is_guarded_as_ever() -> None:
    weights = np.random.default_rng(0).normal(size=(3, 5000))
    _, pull = fg.vjp(lambda x: x @ weights, chunked(X))
    weights += 1
    with pytest.raises(MutatedArrayError):
        pull(np.ones((6, 5000)))


def test_functions_of_plain_dask_arrays_are_dasks() -> None:
    with lazily():
        total = fnp.sum(fnp.exp(chunked(X)), axis=0)
    assert isinstance(total, da.Array)
    agree([computed(total)], [np.sum(np.exp(X), axis=0)])


def test_warnings_of_dask_are_left_as_they_are() -> None:
    before = list(warnings.filters)
    fg.grad(lambda x: np.sum(x**2))(chunked(X))
    assert list(warnings.filters) == before

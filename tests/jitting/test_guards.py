"""Python control flow on values inside jit is right on every call."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import PathLimitWarning
from tests.jitting.alike import (
    exact_jit,
    outcome,
    require_alike,
    require_jit_is_eager,
    require_same,
)

X = np.array([1.0, -2.0, 3.0])


def branch(x: Any) -> Any:
    return x * x if x > 0 else -x


def halvings(x: Any) -> Any:
    count = 0
    while np.sum(x) > 1:
        x = x / 2
        count += 1
    return x, count


def factorial(n: Any) -> Any:
    return 1.0 if n <= 0 else n * factorial(n - 1)


def early(x: Any) -> Any:
    for step in range(100):
        x = x / 2
        if x < 1:
            return x, step
    return x


def refusing(x: Any) -> Any:
    y = x * 2
    if np.sum(y) > 10:
        raise ValueError("too large")
    return y


def caught(x: Any) -> Any:
    try:
        if x > 1:
            raise KeyError
        y = 1 / x
    except KeyError:
        y = x
    return y


def structured(x: Any) -> Any:
    return x if x[0] > 0 else (np.sum(x), {"a": x})


VECTORS = [(X,), (-X,), (X * 0.1,), (X + 5,), (X,)]
CALLS: dict[str, tuple[Callable[..., Any], Sequence[Sequence[Any]]]] = {
    "branch": (branch, [(3.0,), (-2.0,), (0.0,), (np.nan,), (np.inf,), (4.0,)]),
    "while": (halvings, [(X,), (X + 20,), (X * 0,), (X + 3,), (X,)]),
    "recursion": (factorial, [(3.0,), (2.0,), (5.0,), (3.0,), (0.0,)]),
    "break": (early, [(100.0,), (3.0,), (1e6,), (0.5,), (100.0,)]),
    "raise": (refusing, [(X,), (X + 9,), (X - 1,), (X + 9,)]),
    "except": (caught, [(2.0,), (0.5,), (3.0,), (0.25,)]),
    "structure": (structured, VECTORS),
    "mask": (lambda x: x[x > 0], VECTORS),
    "sum of mask": (lambda x: np.sum(x[x > 0]) * x, VECTORS),
    "nonzero": (lambda x: np.nonzero(x > 0)[0], VECTORS),
    "unique": (lambda x: np.unique(np.round(x)), [(X,), (X * 0,), (X * 0.4,)]),
    "argwhere": (lambda x: np.argwhere(x > 0), VECTORS),
    "int": (lambda x: x * int(x), [(3.5,), (2.5,), (3.7,), (0.0,)]),
    "range": (lambda n: [i * n for i in range(n)], [(3,), (0,), (2,), (3,)]),
    "slice": (lambda x, n: x[:n] + n, [(X, 2), (X, 0), (X, -1), (X, 2)]),
    "index": (lambda x, n: x[n] * np.zeros(n), [(X, 2), (X, 0), (X, 1), (X, 2)]),
    "truth": (lambda x, y: (x or y, x and y, not x), [(1.0, 5.0), (0.0, 1.0), (np.nan, 2.0)]),
    "in": (lambda x: x * 2 if x in (1, 2, 3) else x, [(1,), (5,), (2,), (3,)]),
    "min and max": (lambda x, y: min(x, y) + max(x, y), [(1.0, 2.0), (2.0, 1.0)]),
    "filter": (lambda x: [v for v in x if v > 0], VECTORS),
    "dict": (lambda d: {k: v for k, v in d.items() if v > 0}, [({"a": 1.0, "b": -2.0},)]),
    "divmod": (lambda n, m: divmod(n, m), [(7, 3), (8, 3), (7, -3)]),
    "item": (lambda x: x.item() * 2, [(np.array(2.0),), (np.array(3.0),)]),
    "tolist": (lambda x: x.tolist() if x[0] > 0 else x, VECTORS[:3]),
    "any and all": (lambda x: np.any(x > 2) + 2.0 * np.all(x > 0), VECTORS),
}


@pytest.mark.parametrize("name", CALLS)
def test_each_call_takes_its_own_way(name: str):
    f, calls = CALLS[name]
    require_jit_is_eager(f, *calls, max_traces=40, dead=True)


@pytest.mark.parametrize(
    "transform", [fg.grad, fg.value_and_grad, fg.hessian, lambda f: lambda x: fg.jvp(f, (x,), (x,))]
)
@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(x * x) if np.sum(x) > 0 else np.sum(np.sin(x)),
        lambda x: np.sum(np.prod(x[x > 0]) * x),
        lambda x: np.sum(halvings(x)[0] ** 2),
    ],
)
def test_derivatives_take_the_way_of_their_point(transform: Any, f: Any):
    plain, inside, outside = transform(f), transform(exact_jit(f)), exact_jit(transform(f))
    for x in (X, -X, X + 5, X * 0.1, X, -X):
        wanted = outcome(plain, x)
        for g in (inside, outside):
            require_alike(outcome(g, x), wanted, dead=True)


def test_vmap_of_a_branch_on_a_batched_value_is_refused_as_without_jit():
    plain, compiled = outcome(fg.vmap(branch), X), outcome(fg.vmap(exact_jit(branch)), X)
    assert plain.error is not None
    assert str(compiled.error) == str(plain.error)


def test_vmap_of_a_branch_on_a_common_value_takes_its_way():
    def f(x: Any, n: Any) -> Any:
        return x**2 if n > 0 else -x

    compiled = fg.vmap(exact_jit(f), in_axes=(0, None))
    for n in (1, -1, 2, -3):
        require_same(compiled(X, n), fg.vmap(f, in_axes=(0, None))(X, n))


@pytest.mark.parametrize("values", [(-0.0, 0.0, -0.0), (np.nan, 1.0, np.nan), (np.inf, -np.inf)])
def test_float_of_a_value_tells_zeros_and_nans_apart(values: Sequence[float]):
    f = exact_jit(lambda x: np.copysign(1.0, float(x)) + (float(x) != float(x)))
    for _ in range(2):
        for x in values:
            require_same(
                f(np.float64(x)),
                np.copysign(1.0, x) + (x != x),  # noqa: PLR0124  # nan
            )
    assert f.cache_info().recordings == len(set(map(repr, values)))


def test_complex_of_a_value_tells_signs_of_zeros_apart():
    def f(z: Any) -> Any:
        return np.copysign(1, complex(z).imag) * np.copysign(1, complex(z).real)

    require_jit_is_eager(
        f, *((np.complex128(complex(a, b)),) for a in (0.0, -0.0) for b in (0.0, -0.0, np.nan))
    )


def test_every_path_is_recorded_once():
    f = exact_jit(branch)
    for x in (1.0, -1.0, 2.0, -2.0, 3.0):
        f(x)
    assert f.cache_info().recordings == 2
    assert f.cache_info().paths == 2


def test_too_many_paths_warn_once_and_name_the_line():
    f = exact_jit(lambda x: x * int(x), max_traces=3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        results = [f(float(n)) for n in range(10)]
    assert results == [float(n * n) for n in range(10)]
    assert [w.category for w in caught] == [PathLimitWarning]
    assert "x * int(x)" in str(caught[0].message)
    assert "test_guards.py" in str(caught[0].message)


def test_after_too_many_paths_derivatives_are_right_too():
    def f(x: Any) -> Any:
        return np.sum(x) if np.sum(x) > 5 else np.sum(x * x) if np.sum(x) > 0 else -np.sum(x)

    compiled = exact_jit(f, max_traces=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PathLimitWarning)
        for x in (X, X + 5, -X, X + 5, X):
            require_same(compiled(x), f(x))
            require_same(fg.grad(compiled)(x), fg.grad(f)(x))
            require_same(exact_jit(fg.grad(compiled))(x), fg.grad(f)(x))


def test_an_exception_leaves_what_was_compiled_as_it_was():
    f = exact_jit(refusing)
    require_same(f(X), X * 2)
    for _ in range(2):
        with pytest.raises(ValueError, match="too large"):
            f(X + 9)
        with pytest.raises(ValueError, match="too large"):
            fg.grad(lambda x: np.sum(f(x)))(X + 9)
    require_same(f(X), X * 2)
    require_same(fg.grad(lambda x: np.sum(f(x)))(X), np.full(3, 2.0))


def test_a_function_that_is_not_the_same_twice_is_recorded_anew():
    """What is recorded may differ from call to call; the newest recording is used."""
    factor = {"now": [1.0]}

    class Reader:
        def read(self) -> float:
            return factor["now"][0]

    reader = Reader()

    def f(x: Any) -> Any:
        y = x * reader.read()
        return y if np.sum(y) > 0 else -y

    compiled = exact_jit(f)
    require_same(compiled(X), X)
    factor["now"][0] = 3.0
    require_same(compiled(-X), X * 3.0)
    assert compiled(X).shape == (3,)

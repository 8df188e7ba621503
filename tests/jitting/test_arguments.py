"""Arguments and results of jitted functions: pytrees, static values, kinds, and wrong ones."""

import collections
import copy
import dataclasses
import functools
import inspect
import itertools
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import (
    ArgumentSelectionError,
    FuncgradError,
    OutputDtypeError,
    StaticArgumentError,
)
from tests.jitting.alike import outcome, require_alike, require_jit_is_eager, require_same

X = np.array([1.0, 2.0, 3.0])
Point = collections.namedtuple("Point", "a b")


# --- kinds of arguments -----------------------------------------------------------------------

KINDS = [
    X,
    X.astype(np.float32),
    X.astype(np.float16),
    X.astype(np.longdouble),
    X.astype(">f8"),
    X + 1j,
    np.array([1, 2, 3]),
    np.array([1, 2, 3], np.uint8),
    np.array([True, False, True]),
    np.array(2.0),
    np.array(2),
    np.zeros((0, 3)),
    np.zeros((1, 1)),
    np.float64(2.0),
    np.float32(2.0),
    np.int8(2),
    np.bool_(True),
    np.complex64(1 + 2j),
    2.0,
    2,
    True,
    1 + 2j,
    10**30,
    -0.0,
]
NUMBERS = [2.0, 3, True, False, 1 + 2j, np.float32(1.5), np.int64(3), np.float64(0.5)]
NOT_NUMPY = {complex, np.float64}
"""np.float64 is a float, so complex takes it by itself; tracers let NumPy take it."""
NUMBER_OPERATIONS: list[Callable[[Any, Any], Any]] = [
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * y,
    lambda x, y: x / y,
    lambda x, y: x**2,
    lambda x, y: (x == y, x != y),
    lambda x, y: -x + abs(x) * 2,
    lambda x, y: (x * 2) * np.ones(2, np.float32),
    lambda x, y: (x + y) * np.float32(2),
    lambda x, y: (x == y) + (x != y) + 1,
    lambda x, y: (np.add(x, y), np.sin(x)),
    lambda x, y: [x, y, x],
]


def test_functions_of_all_kinds_of_arguments_one_after_another():
    def f(x: Any) -> Any:
        return x * 2, x + x, x == x, abs(x)  # noqa: PLR0124  # nan

    compiled = fg.jit(f)
    for _ in range(2):
        for x in KINDS:
            require_alike(outcome(compiled, x), outcome(f, x), repr(x))


@pytest.mark.parametrize("number", range(len(NUMBER_OPERATIONS)))
def test_operators_of_numbers_are_those_of_python_and_numpy(number: int):
    f = NUMBER_OPERATIONS[number]
    compiled = fg.jit(f)
    for x, y in itertools.product(NUMBERS, NUMBERS):
        if {type(x), type(y)} == NOT_NUMPY:
            continue
        wanted = outcome(f, x, y)
        for _ in range(2):
            require_alike(outcome(compiled, x, y), wanted, f"{x!r} {y!r}")


def test_large_integers_do_not_overflow():
    f = fg.jit(lambda n: n * n)
    assert [f(10**10), f(10**10), f(3)] == [10**20, 10**20, 9]


def test_division_of_numbers_by_zero_raises_as_python_does():
    f = fg.jit(lambda x, y: x / y)
    assert f(1.0, 2.0) == 0.5
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            f(1.0, 0.0)
    assert f(1.0, 4.0) == 0.25


@pytest.mark.parametrize(
    "bad",
    [
        "abc",
        b"abc",
        object(),
        np.array(["a"]),
        np.array([1, "a"], dtype=object),
        np.ma.masked_array([1.0, 2.0], [False, True]),
        np.datetime64("2020-01-01"),
        np.array([1, 1], "m8[s]"),
        np.array([(1, 2.0)], dtype="i4,f8"),
        {1, 2},
        slice(1),
        range(3),
        ...,
        iter([1.0]),
    ],
    ids=lambda bad: type(bad).__name__,
)
def test_wrong_arguments_are_refused_and_nothing_is_broken(bad: Any):
    f = fg.jit(lambda x: np.sum(x * 2))
    for _ in range(2):
        with pytest.raises(FuncgradError) as caught:
            f(bad)
        assert str(caught.value).count(". ") >= 1
    require_same(f(X), np.sum(X * 2))
    require_same(f(X), np.sum(X * 2))


def test_the_argument_is_named():
    f = fg.jit(lambda first, second: first["a"])
    with pytest.raises(StaticArgumentError, match=r"'first'\['a'\] is a str"):
        f({"a": "text"}, X)


def test_missing_arguments_are_an_ordinary_error():
    f = fg.jit(lambda x, y: x)
    for args, kwargs in (((X,), {}), ((X, X, X), {}), ((X,), {"z": 1})):
        with pytest.raises(TypeError, match="argument"):
            f(*args, **kwargs)
    require_same(f(X, X), X)


@pytest.mark.parametrize(
    "result", ["abc", np.sin, np.array(["a"]), {"a": object()}], ids=["str", "ufunc", "array", "in"]
)
def test_results_that_are_no_numbers_are_refused(result: Any):
    f = fg.jit(lambda x: (x, result))
    for _ in range(2):
        with pytest.raises(OutputDtypeError, match="jit"):
            f(X)


# --- pytrees ----------------------------------------------------------------------------------


@dataclasses.dataclass
class Pair:
    a: Any
    b: Any


fg.tree.register_dataclass(Pair)


def test_pytrees_in_and_out():
    def f(t: Any) -> Any:
        first, rest = t["p"].a, t["list"]
        return {"z": first * 2, "a": [t["p"].b, None, (rest[0],)], "pair": Pair(first, rest[1])}

    given = {"p": Point(X, 2.0), "list": [X * 3, 1], "none": None}
    compiled = fg.jit(f)
    for _ in range(3):
        found, wanted = compiled(given), f(given)
        require_same(found, wanted)
        assert type(found["pair"]) is Pair


def test_the_order_of_keys_does_not_matter():
    f = fg.jit(lambda d: d["a"] - d["b"])
    for _ in range(2):
        require_same(f({"a": X, "b": X * 2}), -X)
        require_same(f({"b": X * 2, "a": X}), -X)
    assert f.cache_info().recordings == 1


@pytest.mark.parametrize(
    "given",
    [
        {1: X, 2: X},
        {(1, 2): X},
        collections.OrderedDict(b=X, a=X * 2),
        Point(X, Point(1.0, None)),
        [X, [X, []], ()],
        (),
        None,
        Pair(X, 2.0),
    ],
    ids=lambda given: type(given).__name__,
)
def test_containers_go_through(given: Any):
    compiled = fg.jit(lambda t: fg.tree.map(lambda x: x * 2, t))
    for _ in range(2):
        found = compiled(given)
        require_same(found, fg.tree.map(lambda x: x * 2, given))
        assert type(found) is type(given)


def test_functions_without_arguments_or_results():
    w = np.ones(3)
    f, g = fg.jit(lambda: w * 2), fg.jit(lambda x: None)
    for _ in range(2):
        require_same(f(), w * 2)
        assert g(X) is None


def test_constants_are_returned():
    require_jit_is_eager(lambda x: (1, 2.0, True, 1j, np.float32(3), np.arange(3)), (X,))


def test_keyword_and_variable_arguments():
    def f(*args: Any, **kwargs: Any) -> Any:
        return sum(args) + sum(kwargs.values())

    compiled = fg.jit(f)
    for _ in range(2):
        for args, kwargs in (
            ((1.0, 2.0), {}),
            ((1.0, 2.0), {"c": X}),
            ((1.0,), {"c": X, "d": 2.0}),
            ((1.0,), {"d": X, "c": 2.0}),
            ((1.0, 2.0, 3.0), {}),
        ):
            require_same(compiled(*args, **kwargs), f(*args, **kwargs))


def test_partial_may_be_overridden():
    f = fg.jit(functools.partial(lambda x, k: x * k, k=2.0))
    for _ in range(2):
        require_same(f(X), X * 2)
        require_same(f(X, k=3.0), X * 3)


# --- static arguments -------------------------------------------------------------------------


def raised(x: Any, n: Any = 2, *, mode: Any = "power") -> Any:
    return x**n if mode == "power" else x * n


@pytest.mark.parametrize("options", [{"static_argnums": 1}, {"static_argnames": "n"}])
def test_static_arguments_by_position_and_by_name(options: Any):
    f = fg.jit(lambda x, n: x**n if type(n) is int else x, **options)
    for _ in range(2):
        require_same(f(X, 2), X**2)
        require_same(f(X, 3), X**3)
        require_same(f(X, n=3), X**3)
        require_same(f(n=2, x=X), X**2)
    assert f.cache_info().recordings <= 4


def test_static_names_with_defaults():
    f = fg.jit(raised, static_argnames=("n", "mode"))
    for _ in range(2):
        require_same(f(X), X**2)
        require_same(f(X, 3), X**3)
        require_same(f(X, mode="times"), X * 2)
        require_same(f(X, 3, mode="times"), X * 3)
        require_same(fg.grad(lambda x: np.sum(f(x, 3)))(X), 3 * X**2)
        require_same(fg.vmap(lambda x: f(x, 3))(X), X**3)


@pytest.mark.parametrize(
    "values",
    [
        (True, 1, 1.0),
        (0.0, -0.0),
        ((True,), (1,), (1.0,)),
        ("a", "b"),
        (None, 0, False),
        (1, 1 + 0j),
    ],
)
def test_static_values_are_told_apart(values: Any):
    f = fg.jit(lambda x, n: x + len(repr(n)), static_argnums=1)
    for _ in range(2):
        for value in values:
            require_same(f(X, value), X + len(repr(value)))


def test_functions_may_be_static():
    f = fg.jit(lambda g, x: g(x), static_argnums=0)
    for g in (np.sin, np.cos, np.sin):
        require_same(f(g, X), g(X))


@pytest.mark.parametrize("value", [[1], X, {}], ids=["list", "array", "dict"])
def test_static_values_need_a_hash(value: Any):
    f = fg.jit(lambda x, n: x, static_argnums=1)
    with pytest.raises(StaticArgumentError, match="'n'"):
        f(X, value)
    require_same(f(X, 1), X)


@pytest.mark.parametrize(
    "options",
    [
        {"max_traces": 0},
        {"max_traces": "many"},
        {"threads": 0},
        {"threads": "all"},
        {"backend": "c"},
        {"static_argnums": 5},
        {"static_argnums": "n"},
        {"static_argnames": 3},
        {"static_argnames": "other"},
    ],
)
def test_wrong_options_are_refused(options: Any):
    with pytest.raises(ArgumentSelectionError, match="jit"):
        fg.jit(lambda x, n: x, **options)


@pytest.mark.parametrize("fun", [3, "f", X], ids=["int", "str", "array"])
def test_only_functions_are_compiled(fun: Any):
    with pytest.raises(FuncgradError, match="jit"):
        fg.jit(fun)


# --- the function as an object ----------------------------------------------------------------


@fg.jit
def decorated(x: float) -> float:
    """Twice x."""
    return x * 2


def plain(x: Any) -> Any:
    return x * 3


wrapped = fg.jit(plain)


def test_it_looks_like_the_function():
    assert decorated.__name__ == "decorated"
    assert decorated.__doc__ == "Twice x."
    assert str(inspect.signature(decorated)) == "(x: float) -> float"


@pytest.mark.parametrize("f", [decorated, wrapped], ids=["decorated", "wrapped"])
def test_it_can_be_copied(f: Any):
    for g in (copy.copy(f), copy.deepcopy(f)):
        require_same(g(X), f(X))


def test_a_wrapped_function_can_be_pickled():
    again = pickle.loads(pickle.dumps(wrapped))
    require_same(again(X), wrapped(X))


def test_what_was_compiled_can_be_forgotten():
    f = fg.jit(lambda x: x * 2)
    f(X)
    assert f.cache_info().recordings == 1
    f.cache_clear()
    assert f.cache_info().recordings == 0
    require_same(f(X), X * 2)


def test_attributes_of_a_static_argument_are_compared():
    class Model:
        def __init__(self) -> None:
            self.w = np.ones(3)
            self.is_positive = True

    @functools.partial(fg.jit, static_argnums=0)
    def predict(model: Any, x: Any) -> Any:
        total = np.sum(model.w * x)
        return total if model.is_positive else -total

    model, x = Model(), np.array([1.0, 2.0, 3.0])
    assert [predict(model, x) for _ in range(3)] == [6.0, 6.0, 6.0]
    model.w = np.zeros(3)
    assert predict(model, x) == 0.0
    model.w = np.full(3, 2.0)
    assert predict(model, x) == 12.0
    model.is_positive = False
    assert [predict(model, x) for _ in range(2)] == [-12.0, -12.0]


def test_items_of_a_list_in_an_attribute_are_compared():
    class Model:
        def __init__(self) -> None:
            self.layers = [np.ones(3)]

        def total(self, x: Any) -> Any:
            return np.sum(self.layers[0] * x)

    model, x = Model(), np.ones(3)
    compiled = fg.jit(model.total)
    assert compiled(x) == 3.0
    model.layers[0] = np.zeros(3)
    assert compiled(x) == 0.0

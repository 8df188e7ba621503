"""eval_shape: shapes and dtypes, and what cannot be told without values."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import ControlFlowError, LeakedTracerError, UnknownValueError
from funcgrad.transforms.branches import cond, switch
from funcgrad.transforms.loops import fori_loop, while_loop
from funcgrad.transforms.scan import associative_scan, scan
from funcgrad.transforms.shapes import ShapeDtypeStruct, eval_shape

Shape = ShapeDtypeStruct
M = np.random.default_rng(0).normal(size=(3, 3))


def outline(x: Any) -> Any:
    return fg.tree.map(lambda y: Shape(np.shape(y), np.asarray(y).dtype), x)


FUNCTIONS: dict[str, Any] = {
    "matmul": lambda x: x @ x[0],
    "tree": lambda x: {"a": x.sum(), "b": [x > 0, None, 1, 2.0]},
    "inverse": np.linalg.inv,
    "cholesky": lambda x: np.linalg.cholesky(x @ x.T + np.eye(3)),
    "solve": lambda x: np.linalg.solve(x, x[0]),
    "division": lambda x: np.log(x) / (x - x),
    "gradient": fg.grad(lambda x: np.sum(np.sqrt(x * x) ** 3)),
    "gradient of det": fg.grad(lambda x: np.linalg.det(x @ x.T + np.eye(3))),
    "jacobian": fg.jacfwd(lambda x: x @ x),
    "hessian": fg.hessian(lambda x: np.sum(np.sin(x) ** 2)),
    "vmap": fg.vmap(lambda x: np.outer(x, x)),
    "scan": lambda x: scan(lambda c, r: (c @ x, (r, c[0])), x, x),
    "scan of vectors": lambda x: scan(lambda c, _: (c, c * 2), x[0], length=7),
    "while": lambda x: while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] @ x), (0, x)),
    "cond": lambda x: cond(np.sum(x) > 0, lambda: x[0], lambda: x[1]),
    "switch": lambda x: switch(np.argmax(x), [lambda: x, lambda: x.T]),
    "fori": lambda x: fori_loop(0, 9, lambda i, y: y @ x + i, x),
    "fori of a traced number": lambda x: fori_loop(0, np.argmax(x), lambda i, y: y + i, x),
    "associative_scan": lambda x: associative_scan(np.multiply, x),
    "closure": lambda x: np.where(x > 0, M, 0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.filterwarnings("error")
def test_shapes_and_dtypes_are_those_of_the_result(name: str, dtype: Any) -> None:
    f, x = FUNCTIONS[name], M.astype(dtype)
    with np.errstate(all="ignore"):
        expected = outline(f(x))
    assert eval_shape(f, x) == expected
    assert eval_shape(f, Shape((3, 3), dtype)) == expected


def test_python_numbers_stay_weak() -> None:
    f = lambda x, k: x * k  # a formula
    assert eval_shape(f, Shape((2,), np.float32), 2.0) == Shape((2,), np.float32)
    assert eval_shape(f, Shape((2,), np.float32), k=2) == Shape((2,), np.float32)
    assert eval_shape(f, 1, 2) == Shape((), int)


def test_nothing_of_the_size_of_the_arrays_is_kept() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.stack([np.sin(x * i) for i in range(5)]), axis=0)

    tracemalloc.start()
    try:
        found = eval_shape(f, Shape((1000, 100), float))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == Shape((1000, 100), float)
    assert peak < 8 * 800_000  # the stack of five, and its sum, for a moment


def test_it_works_inside_of_other_transforms() -> None:
    def f(x: Any) -> Any:
        shape = eval_shape(lambda y: np.outer(y, y), x).shape
        return np.sum(x) * shape[0]

    np.testing.assert_array_equal(fg.grad(f)(np.ones(4)), [4.0] * 4)
    np.testing.assert_array_equal(fg.vmap(f)(np.ones((2, 4))), [16.0, 16.0])


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: x[x > 0], "nonzero, whose result has a shape that depends on values"),
        (lambda x: np.unique(x), "unique"),
        (lambda x: x if x[0, 0] > 0 else -x, r"bool\(\) of a value at .*test_eval_shape.py"),
        (lambda x: np.zeros(int(x.sum())), r"int\(\) of a value"),
        (lambda x: range(np.argmax(x)), "use as an integer index of a value"),
        (lambda x: float(x[0, 0]), r"float\(\) of a value"),
        (lambda x: x[0, 0].item(), ".item"),
    ],
)
def test_a_question_for_a_value_says_what_to_write(f: Any, message: str) -> None:
    with pytest.raises(UnknownValueError, match=message):
        eval_shape(f, M)


def test_a_stand_in_that_leaks_is_refused() -> None:
    kept: list[Any] = []
    eval_shape(lambda x: kept.append(x) or x, M)
    with pytest.raises(LeakedTracerError):
        kept[0] + 1


def test_arguments_and_results_are_arrays() -> None:
    with pytest.raises(ControlFlowError, match=r"args\[0\]\['a'\] is a str"):
        eval_shape(lambda x: x, {"a": "b"})
    with pytest.raises(ControlFlowError, match="a result is a str"):
        eval_shape(lambda x: "b", 1.0)


def test_a_shape_struct_is_normalised() -> None:
    struct = Shape([np.int64(2), 3], "float32")  # type: ignore[arg-type]  # users write this
    assert struct == Shape((2, 3), np.float32)
    assert (struct.ndim, struct.size) == (2, 6)
    assert repr(struct) == "ShapeDtypeStruct(shape=(2, 3), dtype=float32)"
    assert len({struct, Shape((2, 3), np.float32)}) == 1

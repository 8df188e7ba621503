"""`x += y` on a traced value makes a new one; where NumPy would change another array, it raises."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import TracerAssignmentError
from tests.robustness.modes import line_of

fnp = fg.numpy
A = np.arange(1.0, 13.0).reshape(3, 4)
RUNS: dict[str, Callable[[Callable[..., Any]], Any]] = {
    "grad": lambda f: fg.grad(lambda a: np.sum(f(a)))(A),
    "jvp": lambda f: fg.jvp(f, (A,), (A,)),
    "vmap": lambda f: fg.vmap(f)(A[None]),
    "linearize": lambda f: fg.linearize(f, A),
    "make_program": lambda f: fg.make_program(f)(A),
    "grad of grad": lambda f: fg.grad(lambda a: np.sum(fg.grad(lambda b: np.sum(f(b)))(a)))(A),
}
runs = pytest.mark.parametrize("run", RUNS)

VIEWS: dict[str, Callable[[Any], Any]] = {
    "row": lambda a: a[0],
    "all": lambda a: a[:],
    "ellipsis": lambda a: a[...],
    "slices": lambda a: a[0:2, 1],
    "new axis": lambda a: a[None],
    "part of a part": lambda a: a[:, 0][0:1],
    "T": lambda a: a.T,
    "mT": lambda a: a.mT,
    "transpose": lambda a: np.transpose(a, (1, 0)),
    "reshape": lambda a: a.reshape(-1),
    "ravel": lambda a: a.ravel(),
    "swapaxes": lambda a: a.swapaxes(0, 1),
    "moveaxis": lambda a: np.moveaxis(a, 0, 1),
    "expand_dims": lambda a: np.expand_dims(a, 0),
    "squeeze": lambda a: a[None].squeeze(),
    "broadcast_to": lambda a: np.broadcast_to(a, (2, 3, 4)),
    "flip": np.flip,
    "rot90": np.rot90,
    "diagonal": np.diagonal,
    "split": lambda a: np.split(a, 3)[0],
    "iteration": lambda a: next(iter(a)),
    "unpacking": lambda a: (lambda first, *_rest: first)(*a),
    "atleast_3d": np.atleast_3d,
}
COPIES: dict[str, Callable[[Any], Any]] = {
    "sum": lambda a: a + 0.0,
    "copy": np.copy,
    "method copy": lambda a: a.copy(),
    "flatten": lambda a: a.flatten(),
    "astype": lambda a: a.astype(float),
    "index array": lambda a: a[[0, 1]],
    "mixed index": lambda a: a[0, [0, 1]],
    "take": lambda a: np.take(a, 0, axis=0),
    "roll": lambda a: np.roll(a, 1, axis=0),
    "tile": lambda a: np.tile(a, (2, 2)),
    "repeat": lambda a: np.repeat(a, 2, axis=0),
    "diag": lambda a: np.diag(a[0]),
    "meshgrid": lambda a: np.meshgrid(a[0], a[1])[0],
    "concatenate": lambda a: np.concatenate([a]),
    "stack": lambda a: np.stack([a, a]),
    "kron": lambda a: np.kron(a, a),
    "outer": lambda a: np.outer(a, a),
    "inner": lambda a: np.inner(a, a),
    "tensordot": lambda a: np.tensordot(a, a, ([1], [1])),
    "matmul": lambda a: a @ a.T,
    "cross": lambda a: np.cross(a[:, :3], a[::-1, :3]),
    "solve": lambda a: np.linalg.solve(np.eye(3), a[:, 0]),
    "full": lambda a: fnp.full((2, 3), a[0, 0]),
    "full_like": lambda a: np.full_like(a, a[0, 0]),
    "resize": lambda a: np.resize(a, (5, 4)),
    "pad": lambda a: np.pad(a, 1),
    "reduction": lambda a: np.sum(a, axis=0),
    "reduction of length one": lambda a: np.max(a[None], axis=0),
    "where": lambda a: np.where(a > 2, a, 0.0),
    "sort": lambda a: np.sort(a, axis=0),
    "update": lambda a: fnp.at(a)[0].set(1.0),
    "update of a column": lambda a: fnp.at(a)[:, 1].add(1.0),
    "stop_gradient": fg.stop_gradient,
}


def test_the_table_of_views_is_that_of_numpy() -> None:
    for make in VIEWS.values():
        a = A.copy()
        assert np.shares_memory(make(a), a)
    for make in COPIES.values():
        a = A.copy()
        assert not np.shares_memory(make(a), a)


@runs
@pytest.mark.parametrize("name", VIEWS)
def test_an_update_of_a_view_raises(run: str, name: str) -> None:
    def update(a: Any) -> Any:
        view = VIEWS[name](a)
        view += 1.0
        return view

    with pytest.raises(TracerAssignmentError, match=r"x \+= y, where x is a view"):
        RUNS[run](update)


@runs
@pytest.mark.parametrize("name", COPIES)
def test_an_update_of_a_copy_rebinds(run: str, name: str) -> None:
    def update(a: Any) -> Any:
        copied = COPIES[name](a)
        copied += 1.0
        copied *= 2.0
        return copied

    RUNS[run](update)


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_that_was_updated_has_the_right_gradient(name: str) -> None:
    def update(a: Any) -> Any:
        copied = COPIES[name](a)
        copied += 1.0
        copied *= 2.0
        return np.sum(copied)

    expected = fg.grad(lambda a: np.sum((COPIES[name](a) + 1.0) * 2.0))(A)
    np.testing.assert_allclose(fg.grad(update)(A), expected)


@runs
@pytest.mark.parametrize(
    ("symbol", "code"),
    [(s, f"row {s} 2.0") for s in ("+=", "-=", "*=", "/=", "**=", "%=", "//=")]
    + [("+=", "a[0] += 1.0"), ("+=", "a.T += 1.0"), ("+=", "a[0][1:] += 1.0")],
)
def test_every_operator_and_spelling_raises(run: str, symbol: str, code: str) -> None:
    body = compile(f"row = a[0]\n{code}", "model.py", "exec")

    def f(a: Any) -> Any:
        names = {"a": a}
        exec(body, names)
        return names["row"]

    with pytest.raises(TracerAssignmentError) as caught:
        RUNS[run](f)
    method = {"+=": "add", "-=": "subtract", "*=": "multiply", "/=": "divide", "**=": "power"}
    update = f"a = a.at[idx].{method.get(symbol, 'set')}("
    for part in (f"x {symbol} y", "model.py:2", update, f"x = x {symbol[:-1]} y"):
        assert part in str(caught.value)


@runs
def test_rebinding_leaves_the_old_value_alone(run: str) -> None:
    def f(a: Any) -> Any:
        b = a
        b += 1.0
        b -= 0.5
        b /= 2.0
        b **= 2
        b @= np.eye(4)
        assert b is not a
        return np.sum(b) + 0.0 * np.sum(a)

    RUNS[run](f)


def test_rebinding_has_the_gradient_of_what_it_says() -> None:
    def f(a: Any) -> Any:
        b = a
        b -= 1.0
        b /= 2.0
        b **= 2
        return np.sum(b) + np.sum(a)

    np.testing.assert_allclose(fg.grad(f)(A), (A - 1) / 2 + 1)

    def powers(a: Any) -> Any:
        y = a
        for _ in range(5):
            y *= a
        return np.sum(y)

    np.testing.assert_allclose(fg.grad(powers)(A), 6 * A**5)


def test_numbers_taken_of_an_array_can_be_updated() -> None:
    """A NumPy scalar is no view."""

    def f(a: Any) -> Any:
        first = a[0, 0]
        first += 1.0
        return first**2

    assert fg.grad(f)(A)[0, 0] == 2 * (A[0, 0] + 1)


def test_the_line_of_the_update_is_named() -> None:
    f = lambda a: [row.__iadd__(1.0) for row in a]  # one line, which is named
    with pytest.raises(TracerAssignmentError) as caught:
        fg.grad(f)(A)
    assert line_of(f) in str(caught.value)


def test_updates_with_at_work_on_arrays_and_traced_values_alike() -> None:
    def f(a: Any) -> Any:
        b = fnp.at(a)[0].add(1.0)
        z = fnp.at(np.zeros(4))[1:3].set(b[0, :2])
        return np.sum(b**2) + np.sum(z**3)

    def expected(a: Any) -> Any:
        b = a.copy()
        b[0] += 1.0
        slope = 2 * b
        slope[0, :2] += 3 * b[0, :2] ** 2
        return slope

    np.testing.assert_allclose(fg.grad(f)(A), expected(A))

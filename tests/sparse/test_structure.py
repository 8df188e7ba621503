"""Structures are as tight as users of NumPy expect: exactly the entries that are not zero."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.compile.passes import optimised
from funcgrad.errors import SparsityError
from funcgrad.sparse import structure_sets
from funcgrad.sparse.pattern import Pattern
from funcgrad.sparse.structure import jacobian_pattern
from tests.sparse.structure_checks import KINDS, gradient_of_squares, nonzero, structure_of


def draw(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape)


EXACT = [kind for kind in KINDS if kind != "staged"]
"""Where the arrays that a function reads are constants."""

X, M, P, U = draw(9), draw(4, 5), draw(5, 3), draw(5, 6)
TRIDIAGONAL = 2 * np.eye(9) - np.eye(9, k=1) - np.eye(9, k=-1)
DIFFERENCES = np.array([1.0, -2.0, 1.0])
COUNT = np.arange(9)

Function = Callable[..., Any]
TIGHT: dict[str, tuple[Function, tuple[Any, ...]]] = {
    "rosenbrock": (lambda x: 10 * (x[1:] - x[:-1] ** 2) + (1 - x[:-1]), (X,)),
    "poisson": (
        lambda u: (
            4 * u[1:-1, 1:-1] - u[2:, 1:-1] - u[:-2, 1:-1] - u[1:-1, 2:] - u[1:-1, :-2]
            + u[1:-1, 1:-1] ** 3
        ),
        (U,),
    ),
    "roll": (lambda x: np.roll(x, 1) * x, (X,)),
    "second differences": (lambda x: np.diff(x, n=2) ** 2, (X,)),
    "gradient": (lambda x: np.gradient(x) * x, (X,)),
    "zeros around": (lambda x: np.pad(x, 2)[:-2] * np.pad(x, 2)[2:], (X,)),
    "periodic": (lambda x: np.pad(x, 2, mode="wrap")[4:] * x, (X,)),
    "convolve": (lambda x: np.convolve(x, DIFFERENCES) * 2, (X,)),
    "convolve with zeros": (lambda x: np.convolve(x, np.array([3, 0, 1.0]), "same") * x, (X,)),
    "cumsum": (lambda x: np.cumsum(x), (X,)),
    "triangle": (lambda m: np.triu(m) * m, (M,)),
    "kron": (lambda m: np.kron(np.eye(2), m), (M,)),
    "diagonal matrix": (lambda x: np.diag(x) @ np.sin(x), (X,)),
    "tridiagonal matrix": (lambda x: TRIDIAGONAL @ np.sin(x), (X,)),
    "from the left": (lambda x: np.sin(x) @ np.triu(TRIDIAGONAL), (X,)),
    "einsum": (lambda m: np.einsum("ij,jk->ik", np.eye(4), m) * m, (M,)),
    "diagonal of einsum": (lambda x: np.einsum("ii,i->i", x.reshape(3, 3), x[:3]), (X,)),
    "rows": (lambda m: fg.nn.softmax(m, axis=-1), (M,)),
    "examples": (fg.vmap(lambda r: np.linalg.solve(np.outer(r, r) + np.eye(5), r)), (M,)),
    "cross": (lambda a: np.cross(a, DIFFERENCES), (P,)),
    "blocks": (lambda x: np.matmul(x.reshape(3, 3, 1), x.reshape(3, 1, 3)), (X,)),
    "add": (lambda x: fnp.at(x)[1:4].add(x[5:8]) ** 2, (X,)),
    "set": (lambda x: fnp.at(x)[1:-1].set(x[2:] * x[:-2]), (X,)),
    "where": (lambda x: np.where(COUNT < 4, x, x[::-1] ** 2), (X,)),
    "mask": (lambda x: (COUNT < 4) * x[::-1] * x, (X,)),
    "stack": (lambda x: np.stack([x[:-1] * x[1:], x[1:]], axis=-1), (X,)),
    "concatenate": (lambda x: np.concatenate([x**2, [x[0] * x[1]], x[2:]]), (X,)),
    "interp": (lambda x: np.interp(x, np.arange(-3.0, 4.0), np.arange(7.0) ** 2), (X,)),
    "coefficients": (lambda x: np.polyval(x[:3], x[3:]), (X,)),
    "trapezoid": (lambda x: np.trapezoid(x.reshape(3, 3) ** 2, axis=1), (X,)),
    "repeat": (lambda x: np.repeat(x, 2) ** 2, (X,)),
    "common parameters": (lambda x: np.exp(-x[0] * COUNT[:7]) * x[1] - x[2:], (X,)),
    "distances": (lambda x: np.abs(x[1:] - x[:-1]), (X,)),
    "two arguments": (lambda a, b: np.cross(a, b)[:, 0], (P, P[::-1].copy())),
    "python numbers": (lambda x, y: np.sin(x * y) * np.ones(3), (2.0, 3.0)),
    "products of length one": (
        lambda x: np.stack([np.einsum("i,i->", x[:1], np.zeros(1)), x[1]]),
        (X,),
    ),
    "powers": (lambda x: x[:3] ** np.array([0, 1, 2]) + x[3:6] ** 2.0, (np.abs(X),)),
    "many sums": (lambda x: np.stack([np.sum(x[: i % 9]) for i in range(30)]), (X,)),
    "many long sums": (
        lambda u: np.stack([np.sum(u.reshape(-1)[i : i + 14]) ** 2 for i in range(15)]) * u[0, 0],
        (U,),
    ),
    "a cell": (lambda x: sum((x[i] * x[i + 1] - x[i]) ** 2 for i in range(8)), (X,)),
    "two results": (lambda x: (x[:3] ** 2, {"b": x[4]}), (X,)),
    "single precision": (lambda x: x[1:] * x[:-1], (X.astype(np.float32),)),
    "complex": (lambda x: np.real(x[1:] * np.conj(x[:-1])), (X + 1j,)),
}  # fmt: skip


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("name", TIGHT)
def test_the_structure_of_a_jacobian_is_tight(name: str, kind: str) -> None:
    fun, args = TIGHT[name]
    np.testing.assert_array_equal(structure_of(kind, fun, args), nonzero(fun, args))


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("name", [name for name in TIGHT if name != "two arguments"])
def test_the_structure_of_a_hessian_is_tight(name: str, kind: str) -> None:
    fun, args = TIGHT[name]
    gradient = gradient_of_squares(fun, len(args))
    np.testing.assert_array_equal(structure_of(kind, gradient, args), nonzero(gradient, args))


INDICES = np.array([0, 3, 3, 1]), np.array([1, 2, 0, 4])


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize(
    ("fun", "args"),
    [
        (lambda x: (x[INDICES[0]] - x[INDICES[1]]) ** 2, (X,)),
        (lambda p: p[INDICES[0]] * p[INDICES[1]], (P,)),
        (lambda x: fnp.at(x)[INDICES[0]].add(x[INDICES[1]]), (X,)),
        (lambda x: fnp.at(x)[INDICES[0]].set(x[INDICES[1]]), (X,)),
        (lambda m: np.take_along_axis(m, INDICES[0][:, None] % 5, axis=1) * m[:, :1], (M,)),
        (lambda x: np.add.reduceat(x**2, np.array([0, 2, 5, 7])), (X,)),
    ],
)
def test_index_arrays_are_known(kind: str, fun: Function, args: tuple[Any, ...]) -> None:
    np.testing.assert_array_equal(structure_of(kind, fun, args), nonzero(fun, args))


def test_arrays_of_a_compiled_function_may_change_so_their_contents_do_not_count() -> None:
    indices = np.array([0, 1])
    program = fg.jit(lambda x: x[indices]).program(np.ones(3))
    assert jacobian_pattern(program).nnz == 6


def test_an_index_array_among_the_inputs_is_not_known() -> None:
    program = fg.make_program(lambda x, i: x[i])(np.ones(3), np.array([2]))
    np.testing.assert_array_equal(jacobian_pattern(program).todense(), [[1, 1, 1, 0]])


def test_only_tracked_inputs_are_columns_in_their_order() -> None:
    program = fg.make_program(lambda x, y, z: (x * z, y))(np.ones(2), np.ones(1), np.ones(2))
    found = jacobian_pattern(program, (2, 1)).todense()
    np.testing.assert_array_equal(found, [[1, 0, 0], [0, 1, 0], [0, 0, 1]])


def test_integers_have_rows_and_columns_without_entries() -> None:
    program = fg.make_program(lambda x, k: (x * k, k, x > 0, np.floor(x)))(
        np.ones(2), np.array([3, 4])
    )
    assert jacobian_pattern(program) == Pattern.of([0, 1], [0, 1], (8, 4))


def test_what_is_constant_has_no_entries() -> None:
    def f(x: Any) -> Any:
        stopped = fg.stop_gradient(x) + np.sign(x) + np.round(x) + x.astype(int)
        return stopped * np.ones(3), np.zeros(2), np.argmax(x) * 1.0

    assert jacobian_pattern(fg.make_program(f)(np.ones(3))).nnz == 0


@pytest.mark.parametrize("shape", [(), (0,), (1,), (0, 3)])
def test_scalars_and_empty_arrays(shape: tuple[int, ...]) -> None:
    x = np.ones(shape)
    program = fg.make_program(lambda x: (np.sin(x), np.sum(x), np.reshape(x, -1)))(x)
    size = x.size
    assert jacobian_pattern(program) == Pattern.of(
        [*range(size), *[size] * size, *range(size + 1, 2 * size + 1)],
        [*range(size)] * 3,
        (2 * size + 1, size),
    )


def test_a_program_without_inputs_has_no_columns() -> None:
    program = fg.make_program(lambda: np.ones(2))()
    assert jacobian_pattern(program) == Pattern.of([], [], (2, 0))


def test_too_many_entries_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure_sets, "LARGEST", 20)
    program = fg.make_program(lambda x: np.cumsum(x) * np.sum(x))(np.ones(9))
    with pytest.raises(SparsityError, match=r"of shape \(9, 9\), has too many entries"):
        jacobian_pattern(program)


def test_more_entries_than_a_limit_are_refused() -> None:
    program = fg.make_program(lambda x: (x[1:] * x[:-1], np.sum(x)))(np.ones(9))
    assert jacobian_pattern(program, limit=25).nnz == 25
    with pytest.raises(SparsityError, match="too many entries"):
        jacobian_pattern(program, limit=24)


def test_memory_is_in_proportion_to_the_entries() -> None:
    def f(x: Any) -> Any:
        return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    program = optimised(fg.make_program(fg.grad(f))(np.zeros(100_000)))[0]
    tracemalloc.start()
    pattern = jacobian_pattern(program)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pattern.nnz == 299_998
    assert peak < 100 * pattern.nnz


def test_results_that_depend_on_everything_on_the_way_take_no_square_of_memory() -> None:
    def f(x: Any) -> Any:
        shares = x / np.sum(x)
        return np.sum(shares * np.roll(shares, 1))

    program = fg.make_program(f)(np.ones(20_000))
    assert jacobian_pattern(program).nnz == 20_000


@pytest.mark.parametrize(
    ("fun", "entries"),
    [
        (lambda x: np.concatenate([x**2, np.sum(x**3)[None]]), 2 * 50_000),
        (lambda x: np.concatenate([np.roll(x, 1) * x, (x @ x)[None]]), 3 * 50_000),
        (fg.grad(lambda x: x[0] * np.sum(x[1:] ** 2)), 3 * 50_000 - 3),
    ],
)
def test_one_full_row_among_many_short_ones_is_written_down(fun: Any, entries: int) -> None:
    program = optimised(fg.make_program(fun)(np.ones(50_000)))[0]
    assert jacobian_pattern(program).nnz == entries

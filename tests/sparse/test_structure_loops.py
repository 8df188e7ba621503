"""Structures of programs with loops, branches, and functions with rules of their own."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.core.program import Program
from funcgrad.sparse import structure_loops
from funcgrad.sparse.structure import jacobian_pattern
from tests.sparse.structure_checks import nonzero, structure_of

Function = Callable[..., Any]

X = np.random.default_rng(0).normal(size=6)
M = np.random.default_rng(1).normal(size=(4, 5))
U = np.random.default_rng(2).normal(size=16)


def neighbours(x: Any) -> Any:
    return fg.fori_loop(0, x.size - 1, lambda i, s: s + (x[i] * x[i + 1]) ** 2, 0.0)


def observations(x: Any) -> Any:
    pairs = np.array([0, 3, 3, 1]), np.array([1, 2, 0, 4])  # made here: its contents are known

    def step(total: Any, pair: Any) -> Any:
        i, j = pair
        return total + (x[i] - x[j]) ** 2 * x[i], None

    return fg.scan(step, 0.0, pairs)[0]


def of_rows(m: Any) -> Any:
    return fg.scan(lambda s, r: (s + np.sum(r[1:] * r[:-1]) ** 2, None), 0.0, m)[0]


def heat(u: Any) -> Any:
    def step(_: Any, u: Any) -> Any:
        return fnp.at(u)[1:-1].add(0.1 * (u[2:] - 2 * u[1:-1] + u[:-2]))

    return fg.fori_loop(0, 3, step, u)


SUMS: dict[str, tuple[Function, Any]] = {
    "neighbours": (neighbours, X),
    "gradient of neighbours": (fg.grad(neighbours), X),
    "gradient of observations": (fg.grad(observations), X),
    "gradient of rows": (fg.grad(of_rows), M),
    "map": (lambda x: fg.map(lambda r: np.sin(r) * r, x), X),
    "gradient of map": (fg.grad(lambda x: np.sum(fg.map(lambda r: np.sin(r) * r, x))), X),
    "columns": (lambda m: fg.scan(lambda s, r: (s + r * r, r[1:] * r[:-1]), np.ones(5), m)[1].T, M),
    "two sums": (lambda m: fg.scan(lambda s, r: (s + r * r + r[::-1], None), np.ones(5), m)[0], M),
    "kept": (lambda m: fg.scan(lambda s, r: (s, r * s), m[0] ** 2, m[1:]), M),
    "constants": (
        lambda m: fg.scan(lambda s, r: (s + fg.stop_gradient(r), None), np.zeros(5), m)[0] * m[0],
        M,
    ),
    "parts": (
        lambda m: fg.scan(lambda s, r: (s + np.pad(r[:2], (0, 3)), None), np.zeros(5), m)[0] * m[0],
        M,
    ),
    "wide sum": (lambda m: fg.scan(lambda s, r: (s + r[0] * r[1], None), np.ones(3), m)[0], M),
}
"""Loops whose steps are only joined by sums."""

STATES: dict[str, tuple[Function, Any]] = {
    "scan": (lambda x: fg.scan(lambda c, r: (c * 0.5 + r, c * r), 1.0, x)[1], X),
    "backwards": (lambda x: fg.scan(lambda c, r: (c + r, c * r), 1.0, x, reverse=True)[1], X),
    "gradient of scan": (
        fg.grad(lambda x: np.sum(fg.scan(lambda c, r: (c * 0.5 + r, c * r), 1.0, x)[1])),
        X,
    ),
    "heat": (heat, U),
    "gradient of heat": (fg.grad(lambda u: np.sum(heat(u) ** 2)), U),
}
"""Loops whose steps take values from the ones before."""


@pytest.mark.parametrize("name", [*SUMS, *STATES])
def test_short_loops_are_walked_step_by_step(name: str) -> None:
    fun, x = {**SUMS, **STATES}[name]
    np.testing.assert_array_equal(structure_of("staged", fun, [x]), nonzero(fun, [x]))


@pytest.fixture
def long_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every loop counts as a long one."""
    monkeypatch.setattr(structure_loops, "STEPS", 0)
    monkeypatch.setattr(structure_loops, "FEW_STEPS", 0)


@pytest.mark.usefixtures("long_loops")
@pytest.mark.parametrize("name", SUMS)
def test_long_loops_of_sums_are_as_tight(name: str) -> None:
    fun, x = SUMS[name]
    np.testing.assert_array_equal(structure_of("staged", fun, [x]), nonzero(fun, [x]))


@pytest.mark.usefixtures("long_loops")
@pytest.mark.parametrize("name", [*SUMS, *STATES])
@pytest.mark.parametrize("at_once", [True, False])
def test_long_loops_keep_all_entries(
    name: str, at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not at_once:
        monkeypatch.setattr(structure_loops, "AT_ONCE", -1)
    fun, x = {**SUMS, **STATES}[name]
    assert not np.any(nonzero(fun, [x]) & ~structure_of("staged", fun, [x]))


def test_a_loop_of_many_steps_is_one_operation_each() -> None:
    n = 20_000
    program = fg.jit(fg.grad(neighbours)).program(np.ones(n))
    assert jacobian_pattern(program).nnz == 3 * n - 2


def test_a_state_that_spreads_for_long_covers_everything_in_the_end() -> None:
    def shifted(x: Any) -> Any:
        return fg.fori_loop(0, 40_000, lambda _, u: np.roll(u, 1) * 1.0 + np.zeros(50), x)

    program = fg.jit(shifted).program(np.ones(50))
    assert jacobian_pattern(program).nnz == 2500


def chosen(x: Any) -> Any:
    return fg.cond(x[0] > 0, lambda x: np.sin(x), lambda x: x[::-1] * 2.0, x)


def test_a_choice_has_the_entries_of_both_branches() -> None:
    wanted = nonzero(chosen, [np.abs(X)]) | nonzero(chosen, [-np.abs(X)])
    np.testing.assert_array_equal(structure_of("staged", chosen, [X]), wanted)
    assert wanted.sum() == 12


def test_a_loop_that_waits_holds_after_any_number_of_steps() -> None:
    def f(x: Any) -> Any:
        return fg.while_loop(lambda u: np.sum(u) < 3, lambda u: np.roll(u, 1) + 1, x)

    assert structure_of("staged", f, [X]).all()
    g = lambda x: fg.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] * x), (0, x))[1]
    np.testing.assert_array_equal(structure_of("staged", g, [X]), np.eye(6, dtype=bool))


def test_a_checkpoint_has_the_entries_of_its_function() -> None:
    f = fg.grad(fg.checkpoint(lambda x: np.sum(np.sin(x) * x[::-1])))
    for kind in ("simplified", "staged"):
        np.testing.assert_array_equal(structure_of(kind, f, [X]), nonzero(f, [X]))


@fg.custom_vjp
def straight_through(x: Any) -> Any:
    return np.floor(x)


straight_through.defvjp(lambda x: (np.floor(x), None), lambda _, ct: (ct,))


@fg.custom_jvp
def sine(x: Any) -> Any:
    return np.sin(x)


@sine.defjvp
def _sine_jvp(primals: Any, tangents: Any) -> Any:
    return np.sin(primals[0]), np.cos(primals[0]) * tangents[0]


@fg.custom_vjp
def opaque(x: Any) -> Any:
    return x * 1.0


opaque.defvjp(
    lambda x: (x * 1.0, x), lambda x, ct: (ct * 2.0 if float(np.sum(x)) > 0 else ct[::-1],)
)


@pytest.mark.parametrize("fun", [straight_through, sine])
def test_rules_of_the_users_own_decide_where_there_are_some(fun: Function) -> None:
    program = fg.make_program(lambda x: fun(x) * 2)(X)
    assert any(item.primitive.family == "custom" for item in program.equations)
    np.testing.assert_array_equal(jacobian_pattern(program).todense(), np.eye(6, dtype=bool))


def test_a_rule_that_reads_values_may_do_anything() -> None:
    program: Program = fg.make_program(lambda x: opaque(x) * 2)(X)
    assert jacobian_pattern(program).nnz == 36


def test_numbers_of_python_are_followed() -> None:
    program = fg.jit(lambda a, b, x: (a * b + 1) * x).program(2.0, 3.0, np.ones(2))
    np.testing.assert_array_equal(jacobian_pattern(program).todense(), [[1, 1, 1, 0], [1, 1, 0, 1]])

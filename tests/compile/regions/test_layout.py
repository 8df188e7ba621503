"""Values of long columns and short rows, turned; and sums of what is never there as an array."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.compile.regions.context import Context
from funcgrad.compile.regions.layout import turned
from funcgrad.compile.regions.layout_sums import shorter_sums
from funcgrad.compile.regions.table import Region, over_program
from funcgrad.core.program import Program, Variable

PASSES = [Region("sums", shorter_sums), Region("layout", turned)]
RNG = np.random.default_rng(0)
K, N, D = 5, 700, 6
POINTS, CENTRES = RNG.normal(size=(N, D)), RNG.normal(size=(K, D))
MATRICES, WEIGHTS = RNG.normal(size=(K, D, D)), RNG.uniform(0.5, 1.5, (K, N))


def distances(points: Any, centres: Any, matrices: Any, weights: Any) -> Any:
    moved = points - centres[:, None]
    turned_ = moved @ np.swapaxes(matrices, 1, 2)
    return np.sum(weights * np.sqrt(1.0 + np.sum(turned_ * turned_, axis=2)))


def farthest(points: Any, centres: Any, matrices: Any, weights: Any) -> Any:
    moved = np.where(points > centres[:, None], points - centres[:, None], 0.5)
    top = np.max(np.abs(moved), axis=-1, keepdims=True)
    return np.mean(moved / top, axis=1), np.sum(moved * weights[..., None], axis=(0, 2))


def kept(points: Any, centres: Any, matrices: Any, weights: Any) -> Any:
    """Some of the values are results."""
    moved = (points - centres[:, None]) * weights[..., None]
    return moved, np.tanh(moved), np.sum(moved, axis=2), np.swapaxes(moved, 1, 2)


def read_elsewhere(points: Any, centres: Any, matrices: Any, weights: Any) -> Any:
    moved = (points - centres[:, None]) * weights[..., None]
    lengths = np.sum(moved * moved, axis=2)
    order = np.argmax(lengths, axis=1)
    return np.cumsum(moved, axis=1)[:, -1], moved[:, ::100], moved.reshape(K * N, D)[order]


def summed_leads(points: Any, centres: Any, matrices: Any, weights: Any) -> Any:
    moved = (points - centres[:, None]) * weights[..., None]
    total = np.sum(moved, axis=0)
    return np.sum(total * total, axis=-1), np.sum(moved, axis=(0, 1)), np.sum(moved)


def flat(points: Any, centres: Any, matrices: Any, weights: Any) -> Any:
    large = np.concatenate([points] * 4) @ matrices[0]
    scaled = large * centres[0] + weights[0, 0]
    return np.max(scaled, axis=1), np.sum(scaled, axis=-2), np.min(scaled, axis=(0, 1))


def of_two_lengths(points: Any, centres: Any, matrices: Any, weights: Any) -> Any:
    first = np.sum((points - centres[:, None]) ** 2, axis=2)
    second = np.sum((points[:500, :4] - centres[:, None, :4]) ** 2, axis=2)
    return np.sum(first[:, :500] * second), distances(points, centres, matrices, weights)


FUNCTIONS: list[Callable[..., Any]] = [
    distances, farthest, kept, read_elsewhere, summed_leads, flat, of_two_lengths,
    fg.value_and_grad(distances, argnums=(0, 1, 2, 3)),
    fg.grad(lambda *xs: np.sum(farthest(*xs)[0] ** 2) + np.sum(farthest(*xs)[1]), (0, 1, 3)),
    fg.grad(lambda *xs: np.sum(np.sin(summed_leads(*xs)[0])), (0, 1, 3)),
]  # fmt: skip
ARGUMENTS = (POINTS, CENTRES, MATRICES, WEIGHTS)


def program_of(f: Callable[..., Any], *args: Any) -> Program:
    program: Any = fg.make_program(f)(*args)
    return program if isinstance(program, Program) else program.program


def require_near(found: Any, expected: Any, factor: float = 2e4) -> None:
    for a, b in zip(fg.tree.leaves(found), fg.tree.leaves(expected), strict=True):
        assert type(a) is type(b)
        assert np.shape(a) == np.shape(b)
        assert np.result_type(a) == np.result_type(b)
        # Sums of thousands of terms in another order: a few units of the last place of the sum of
        # their absolute values, which is not small beside the largest result.
        scale = np.max(np.abs(b), initial=1.0)
        bound = factor * np.finfo(np.result_type(b)).eps * scale
        np.testing.assert_allclose(a, b, rtol=0, atol=bound)


@pytest.mark.parametrize("f", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_compiled_functions_compute_the_same(f: Any, dtype: Any) -> None:
    arguments = [x.astype(dtype) for x in ARGUMENTS]
    jitted = fg.jit(f)
    for _ in range(3):
        require_near(jitted(*arguments), f(*arguments))


@pytest.mark.parametrize("f", FUNCTIONS)
def test_programs_compute_the_same(f: Any) -> None:
    program = program_of(f, *ARGUMENTS)
    found = over_program(program, Context(), PASSES)
    for a, b in zip(found.evaluate(*ARGUMENTS), program.evaluate(*ARGUMENTS), strict=True):
        require_near(a, b)
    for old, new in zip(program.outputs, found.outputs, strict=True):
        assert old == new


@pytest.mark.parametrize("f", FUNCTIONS)
def test_exact_functions_are_left_alone(f: Any) -> None:
    program = program_of(f, *ARGUMENTS)
    assert over_program(program, Context(exact=True), PASSES).items == program.items


def test_distances_to_centres_are_turned() -> None:
    context = Context()
    found = over_program(program_of(distances, *ARGUMENTS), context, PASSES)
    large = [v.shape for e in found.equations for v in e.results if math.prod(v.shape) == K * N * D]
    assert large
    assert set(large) == {(K, D, N)}
    assert any("turned" in str(decision) for decision in context.decisions)


@pytest.mark.parametrize("shape", [(0, D), (1, D), (40, D), (N, 1), (N, 200)])
def test_short_columns_and_long_rows_stay(shape: tuple[int, int]) -> None:
    n, d = shape
    arguments = np.ones((n, d)), np.ones((K, d)), np.ones((K, d, d)), np.ones((K, n))
    program = program_of(distances, *arguments)
    assert over_program(program, Context(), [PASSES[1]]).items == program.items


def test_plain_elementwise_operations_are_not_worth_it() -> None:
    program = program_of(lambda x: np.exp(np.sin(x) * 2.0) + x, np.ones((4000, 8)))
    assert over_program(program, Context(), PASSES).items == program.items


def test_inputs_in_any_order_of_memory() -> None:
    jitted = fg.jit(fg.grad(distances, (0, 1, 2, 3)))
    expected = fg.grad(distances, (0, 1, 2, 3))(*ARGUMENTS)
    for points in (POINTS, np.asfortranarray(POINTS), POINTS[::-1][::-1], POINTS * 1.0):
        points.flags.writeable = False
        require_near(jitted(points, np.asfortranarray(CENTRES), *ARGUMENTS[2:]), expected)


def test_infinities_and_nans_stay_where_they_are() -> None:
    points = POINTS.copy()
    points[3, 2], points[5, 1], points[7] = np.inf, np.nan, 1e200
    arguments = points, *ARGUMENTS[1:]

    def f(points: Any, centres: Any, matrices: Any, weights: Any) -> Any:
        moved = points - centres[:, None]
        return np.sum(moved * weights[..., None], axis=2), np.sum(-moved, axis=2)

    with np.errstate(all="ignore"):
        for a, b in zip(fg.jit(f)(*arguments), f(*arguments), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_equations_with_settings_for_errors_stay() -> None:
    def f(points: Any, centres: Any, matrices: Any, weights: Any) -> Any:
        with np.errstate(over="raise"):
            return distances(points, centres, matrices, weights)

    program = program_of(f, *ARGUMENTS)
    assert over_program(program, Context(), PASSES).items == program.items


def test_a_sum_of_negatives_is_the_negative_of_a_sum() -> None:
    program = program_of(lambda x: np.sum(-np.sin(x), axis=1), np.ones((200, 100)))
    names = [e.primitive.name for e in over_program(program, Context(), PASSES).equations]
    assert names == ["sin", "sum", "negative"]


def test_squares_along_short_rows_are_summed_without_their_array() -> None:
    program = program_of(lambda x: np.sum(x * x, axis=-1), np.ones((4, 3000, 3)))
    found = over_program(program, Context(), [PASSES[0]])
    assert "multiply" not in [e.primitive.name for e in found.equations]
    x = RNG.normal(size=(4, 3000, 3))
    require_near(found.evaluate(x), program.evaluate(x), 10)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: (y := -x, np.sum(y, axis=1)),
        lambda x: (y := x * x, np.sum(y, axis=1), np.sum(y, axis=0)),
        lambda x: np.sum(x * 2.0, axis=1),
        lambda x: np.sum(x * x[0], axis=0),
    ],
)
def test_terms_that_others_read_stay(f: Any) -> None:
    program = program_of(f, np.ones((3000, 3)))
    assert over_program(program, Context(), [PASSES[0]]).items == program.items


def test_new_variables_have_numbers_of_their_own() -> None:
    context = Context()
    program = program_of(fg.grad(lambda *xs: of_two_lengths(*xs)[0]), *ARGUMENTS)
    found = over_program(program, context, PASSES)
    assert sum("turned" in str(decision) for decision in context.decisions) == 2
    numbers = [v.number for e in found.equations for v in e.results]
    assert len(set(numbers)) == len(numbers)
    known: set[int] = {v.number for v in found.inputs}
    for equation in found.equations:
        for operand in equation.operands:
            assert not isinstance(operand, Variable) or operand.number in known
        known.update(v.number for v in equation.results)

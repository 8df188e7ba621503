"""Random programs of loops and branches: every transform of them is that of the unrolled Python."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import funcgrad as fg
from funcgrad.errors import GuardError
from funcgrad.transforms.shapes import ShapeDtypeStruct, eval_shape
from tests.transforms.control_programs import PROGRAMS, Ours, Program, Python, run

SLOW_IS_FINE = settings(suppress_health_check=[HealthCheck.too_slow])
SEEDS = st.integers(0, 1000)


def rows(seed: int) -> Any:
    """Vectors whose first elements have both signs, so that examples go different ways."""
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (4, 3))


def scalar(program: Program, lib: Any) -> Any:
    return lambda x: np.sum(np.sin(run(program, x, lib)))


def same(found: Any, expected: Any) -> None:
    # Rounding only: the operations are the same, sums of cotangents come in another order.
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


@SLOW_IS_FINE
@given(PROGRAMS, SEEDS)
def test_the_value_and_the_gradient_are_those_of_plain_python(program: Program, seed: int) -> None:
    x = rows(seed)[0]
    same(run(program, x, Ours), run(program, x, Python))
    same(fg.grad(scalar(program, Ours))(x), fg.grad(scalar(program, Python))(x))


@SLOW_IS_FINE
@given(PROGRAMS, SEEDS)
def test_forward_mode_and_the_hessian_are_those_of_plain_python(
    program: Program, seed: int
) -> None:
    x, x_dot = rows(seed)[:2]
    ours, plain = scalar(program, Ours), scalar(program, Python)
    same(fg.jvp(ours, (x,), (x_dot,)), fg.jvp(plain, (x,), (x_dot,)))
    same(fg.hessian(ours)(x), fg.hessian(plain)(x))


@SLOW_IS_FINE
@given(PROGRAMS, SEEDS)
def test_vmap_is_the_loop_over_examples(program: Program, seed: int) -> None:
    xs = rows(seed)
    same(
        fg.vmap(lambda x: run(program, x, Ours))(xs),
        np.stack([run(program, x, Python) for x in xs]),
    )
    gradient = fg.grad(scalar(program, Python))
    expected = np.stack([gradient(x) for x in xs])
    same(fg.vmap(fg.grad(scalar(program, Ours)))(xs), expected)
    same(fg.grad(lambda xs: np.sum(fg.vmap(scalar(program, Ours))(xs)))(xs), expected)


@SLOW_IS_FINE
@given(PROGRAMS, SEEDS)
def test_vmap_of_vmap_is_the_loop_over_examples(program: Program, seed: int) -> None:
    xs, shifts = rows(seed), np.array([-0.5, 0.5])
    f = lambda shift, x: run(program, x + shift, Ours)  # a formula
    found = fg.vmap(fg.vmap(f, in_axes=(None, 0)), in_axes=(0, None))(shifts, xs)
    same(found, [[run(program, x + shift, Python) for x in xs] for shift in shifts])


@SLOW_IS_FINE
@given(PROGRAMS, SEEDS)
def test_vmap_of_the_hessian_is_the_loop_over_examples(program: Program, seed: int) -> None:
    xs = rows(seed)[:3]
    hessian = fg.hessian(scalar(program, Python))
    same(fg.vmap(fg.hessian(scalar(program, Ours)))(xs), np.stack([hessian(x) for x in xs]))


@SLOW_IS_FINE
@given(PROGRAMS, SEEDS, SEEDS)
def test_a_recorded_program_is_right_or_says_that_it_does_not_fit(
    program: Program, seed: int, other: int
) -> None:
    function = scalar(program, Ours)
    recorded = fg.make_program(fg.grad(function))(rows(seed)[0])
    same(recorded(rows(seed)[0]), fg.grad(function)(rows(seed)[0]))
    x = rows(other)[0]
    try:
        found = recorded(x)
    except GuardError:
        return
    same(found, fg.grad(function)(x))


@SLOW_IS_FINE
@given(PROGRAMS, SEEDS, SEEDS)
def test_a_recorded_program_of_a_batch_is_right_or_says_that_it_does_not_fit(
    program: Program, seed: int, other: int
) -> None:
    function = fg.vmap(fg.grad(scalar(program, Ours)))
    recorded = fg.make_program(function)(rows(seed))
    same(recorded(rows(seed)), function(rows(seed)))
    try:
        found = recorded(rows(other))
    except GuardError:
        return
    same(found, function(rows(other)))


@SLOW_IS_FINE
@given(PROGRAMS, SEEDS)
def test_eval_shape_finds_the_shape_without_values(program: Program, seed: int) -> None:
    x = rows(seed)[0]
    found = eval_shape(fg.grad(scalar(program, Ours)), x)
    assert found == ShapeDtypeStruct((3,), np.float64)
    assert eval_shape(fg.vmap(lambda x: run(program, x, Ours)), rows(seed)).shape == (4, 3)


@pytest.mark.parametrize("name", ["scan", "cond", "while", "fori", "switch"])
def test_each_form_is_among_the_random_programs(name: str) -> None:
    seen: set[str] = set()

    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(PROGRAMS)
    def collect(program: Program) -> None:
        seen.update(part for part in str(program).split("'") if part.isalpha())

    collect()
    assert name in seen

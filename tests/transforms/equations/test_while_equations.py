"""while_loop, and fori_loop with computed bounds, in compiled functions: one for all lengths."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import funcgrad as fg
from funcgrad.core.modes import MODES
from funcgrad.core.program import Guard
from funcgrad.errors import CarryError
from tests.jitting.alike import exact_jit
from tests.transforms.control_programs import PROGRAMS, Ours, run

UP = np.array([1.0, 2.0])
CALLS = [(UP,), (UP / 3,), (10 * UP,), (np.array([0.1, 0.2]),)]  # 2, 4, 0 and 12 steps
ROWS = np.stack([UP, UP / 3, 10 * UP, UP])
ROUNDING = 1e-13
"""The start of a loop that the body reads too: its cotangents are added in another order."""


def root(a: Any) -> Any:
    """√a by Newton's method, to be differentiated through the steps."""
    is_moving = lambda pair: abs(pair[0] - pair[1]) > 1e-12
    step = lambda pair: ((pair[0] + a / pair[0]) / 2, pair[0])
    return fg.while_loop(is_moving, step, (1.0, np.inf))[0]


def grown(x: Any) -> Any:
    """Steps until the sum has passed a bound that comes down."""
    return fg.while_loop(
        lambda s: np.sum(s[0]) < s[1],
        lambda s: (np.sin(s[0]) * x + s[0] * s[0] / 4 + 1, s[1] - 0.1),
        (x, 20.0),
    )[0]


def loss(x: Any) -> Any:
    return np.sum(grown(x) ** 2) / 1e3 + x[0]


def powers(n: Any, x: Any) -> Any:
    return fg.fori_loop(0, n, lambda i, v: np.sin(v) * x + i, x)


def same(found: Any, expected: Any, rtol: float = 0.0) -> None:
    """The same tree with the same types, dtypes, shapes and values."""
    assert fg.tree.structure(found) == fg.tree.structure(expected)
    for one, other in zip(fg.tree.leaves(found), fg.tree.leaves(expected), strict=True):
        assert type(one) is type(other)
        assert np.asarray(one).dtype == np.asarray(other).dtype
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)


def compiled_alike(
    f: Callable[..., Any], *calls: tuple[Any, ...], paths: int = 1, rtol: float = 0.0
) -> Any:
    """Check that the compiled function does the same, and in how many paths; that function."""
    compiled = exact_jit(f)
    for args in calls:
        expected = f(*args)
        same(compiled(*args), expected, rtol)
        same(compiled(*args), expected, rtol)
    assert compiled.cache_info().paths == paths
    return compiled


TRANSFORMED: dict[str, Any] = {
    "value": grown,
    "gradient": fg.grad(loss),
    "forward mode": lambda x: fg.jvp(grown, (x,), (np.cos(x),)),
    "hessian": fg.hessian(loss),
    "reverse over reverse": fg.jacrev(fg.grad(loss)),
    "forward over forward": fg.jacfwd(fg.jacfwd(loss)),
    "hvp": lambda x: fg.hvp(loss, (x,), (x * x,)),
    "batch": lambda x: fg.vmap(grown)(np.stack([x, 2 * x, x / 9])),
    "gradients of a batch": lambda x: fg.vmap(fg.grad(loss))(np.stack([x, 2 * x, x / 9])),
    "gradient of a batch": fg.grad(lambda x: np.sum(fg.vmap(loss)(np.stack([x, 2 * x, x / 9])))),
    "hessians of a batch": lambda x: fg.vmap(fg.hessian(loss))(np.stack([x, 2 * x])),
    "batch in a batch": lambda x: fg.vmap(
        lambda a: fg.vmap(lambda b: np.sum(grown(a + b)))(np.stack([x, x / 9]))
    )(np.stack([x, 2 * x, x / 9])),
}


@pytest.mark.parametrize("transformed", TRANSFORMED.values(), ids=TRANSFORMED.keys())
def test_one_program_serves_all_numbers_of_steps(transformed: Any) -> None:
    compiled_alike(transformed, *CALLS, rtol=ROUNDING)


@pytest.mark.parametrize("transformed", TRANSFORMED.values(), ids=TRANSFORMED.keys())
def test_a_program_recorded_with_no_step_is_that_of_many(transformed: Any) -> None:
    MODES.staging += 1
    try:
        program = fg.make_program(transformed)(10 * UP)
    finally:
        MODES.staging -= 1
    assert not any(isinstance(item, Guard) for item in program.items)
    for (x,) in CALLS:
        found = program.evaluate(x)
        for one, other in zip(found, fg.tree.leaves(transformed(x)), strict=True):
            np.testing.assert_allclose(one, other, rtol=ROUNDING, atol=ROUNDING)


def test_values_and_gradients_are_those_of_eager_mode_to_the_last_bit() -> None:
    numbers = [(np.float64(a),) for a in (4.0, 1.0, 1e6, 1e-3)]
    compiled_alike(root, *numbers)
    compiled_alike(fg.grad(root), *numbers)
    compiled_alike(grown, *CALLS)


def test_a_loop_that_runs_no_step_has_the_derivative_of_its_start() -> None:
    f = lambda x: fg.while_loop(lambda v: np.sum(v) < 0, np.sqrt, x * x)
    compiled_alike(fg.jacrev(f), (UP,), (3 * UP,))


def test_the_source_is_a_while_with_its_condition() -> None:
    f = lambda x: fg.while_loop(lambda s: s[0] < s[1], lambda s: (s[0] * s[0], s[1]), (x, 9.0))[0]
    source = exact_jit(f).source(np.float64(2.0))
    assert source.count("while ") == 1
    assert "break" not in source


@pytest.mark.filterwarnings("error")
def test_finished_examples_bring_in_no_warnings_and_no_nan() -> None:
    f = lambda x: fg.while_loop(lambda v: v > 1.0, lambda v: np.sqrt(v - 1), x)
    xs = np.array([0.25, 9.0, 1.0, 400.0])
    compiled_alike(fg.vmap(f), (xs,), (xs / 400,), (xs[::-1],))
    compiled_alike(fg.vmap(fg.grad(f)), (xs,), (xs / 400,), (xs[::-1],), rtol=1e-15)


def test_operands_that_all_examples_share_stay_one() -> None:
    f = fg.grad(lambda a, b: fg.while_loop(lambda s: s < 5, lambda s: s * b, a), (0, 1))
    compiled_alike(fg.vmap(f, (0, None)), (np.array([1.0, 4.0, 9.0]), np.float64(2.0)))


def test_a_condition_that_is_the_same_for_all_examples_stays_one() -> None:
    f = lambda a, n: fg.while_loop(
        lambda s: s[0] < n, lambda s: (s[0] + 1, s[1] * a + np.sin(s[1])), (0, a * 2)
    )[1]
    xs = np.array([1.0, 4.0, 9.0])
    batched = fg.vmap(fg.grad(f), (0, None))
    compiled_alike(batched, (xs, np.int64(3)), (xs, np.int64(0)), rtol=1e-14)


# --- fori_loop --------------------------------------------------------------------------------

NUMBERS = [(np.int64(n), UP) for n in (0, 1, 5, 3)]


def test_bounds_that_are_computed_need_no_further_path() -> None:
    compiled_alike(powers, *NUMBERS)
    compiled_alike(lambda n, x: fg.fori_loop(n, 6, lambda i, v: v * x + i, x), *NUMBERS)
    gradient = fg.grad(lambda n, x: np.sum(powers(n, 2 * x) ** 2), 1)
    compiled_alike(gradient, *NUMBERS, rtol=ROUNDING)


def test_bounds_may_differ_between_examples() -> None:
    xs = np.stack([UP, 2 * UP, UP / 3])
    for f in (powers, lambda n, x: fg.fori_loop(n, 6, lambda i, v: np.sin(v) * x + i, x)):
        compiled_alike(fg.vmap(f), (np.array([1, 2, 0]), xs), (np.array([7, 2, 3]), xs))


def test_the_number_of_a_step_gives_way_to_other_dtypes_as_a_python_number_does() -> None:
    x = UP.astype(np.float32)
    weak = lambda n, x: fg.fori_loop(0, n, lambda i, v: v * i + x, x)
    compiled_alike(weak, (np.int64(3), x), (np.int64(0), x))
    computed = lambda n, x: fg.fori_loop(0, n, lambda i, v: v * (i * 2 + 1) + x, x)
    compiled_alike(computed, (np.int64(3), x), (np.int64(2), x), paths=2)


def test_the_source_counts_with_a_python_number() -> None:
    source = exact_jit(powers).source(np.int64(3), UP)
    assert source.count("while ") == 1
    assert " += 1" in source


# --- what may be in a loop --------------------------------------------------------------------

CARRIES: dict[str, tuple[Any, list[Any]]] = {
    "integers": (
        lambda n: fg.while_loop(lambda s: s[0] > 0, lambda s: (s[0] // 2, s[1] + 1), (n, 0))[1],
        [np.int64(10), np.int64(0), np.int64(1000)],
    ),
    "truth values": (
        lambda x: fg.while_loop(lambda s: s[0], lambda s: (s[1] < 3, s[1] + x), (True, 0.0))[1],
        [np.float64(1.0), np.float64(0.3)],
    ),
    "pytrees": (
        fg.grad(
            lambda x: fg.while_loop(
                lambda s: s["a"] < 5,
                lambda s: {"a": s["a"] * s["b"][0], "b": (s["b"][0] + 1,)},
                {"a": x, "b": (2.0,)},
            )["a"]
        ),
        [np.float64(1.0), np.float64(4.0), np.float64(9.0)],
    ),
    "float32": (
        fg.grad(lambda x: fg.while_loop(lambda v: v < 9, lambda v: v * v * 1.5, x)),
        [np.float32(2.0), np.float32(1.1), np.float32(20.0)],
    ),
    "complex": (
        lambda z: fg.while_loop(lambda v: abs(v) < 9, lambda v: v * v + 1j, z),
        [np.complex128(2j), np.complex128(3.0), np.complex128(12.0)],
    ),
    "one value twice": (
        lambda x: fg.while_loop(lambda s: s[0] < 9, lambda s: (s[0] + s[1], s[1] * 2), (x, x)),
        [np.float64(1.0), np.float64(4.0)],
    ),
    "changing places": (
        lambda x: fg.while_loop(lambda s: s[0] < 9, lambda s: (s[1] + 1, s[0]), (x, 2 * x)),
        [np.float64(1.0), np.float64(4.0)],
    ),
}


@pytest.mark.parametrize(("f", "xs"), CARRIES.values(), ids=CARRIES.keys())
def test_carries_of_many_kinds_need_one_path(f: Any, xs: list[Any]) -> None:
    compiled_alike(f, *((x,) for x in xs))
    compiled_alike(f, *((x,) for x in reversed(xs)))


def test_a_choice_in_a_waiting_loop_in_a_scan_is_one_program() -> None:
    def step(c: Any, row: Any) -> Any:
        inner = fg.while_loop(
            lambda s: s[0] < 3,
            lambda s: (
                s[0] + 1,
                fg.cond(s[1] > 0, lambda v: np.sqrt(v) * row, lambda v: v + 1, s[1]),
            ),
            (0, c),
        )
        return inner[1], c * row

    f = lambda x: fg.scan(step, x, np.arange(4.0) + x)[0]
    compiled = compiled_alike(fg.grad(f), (np.float64(2.0),), (np.float64(-2.0),), rtol=1e-14)
    source = compiled.source(np.float64(2.0))
    assert "for " in source
    assert "while " in source
    assert "if " in source


def test_a_body_that_branches_on_a_value_is_unrolled() -> None:
    f = lambda x: fg.while_loop(lambda v: v < 5, lambda v: v + (1 if v > 2 else 2), x)
    compiled_alike(f, (np.float64(1.0),), (np.float64(4.0),), paths=2)


def test_a_step_of_another_shape_is_refused_as_in_eager_mode() -> None:
    f = exact_jit(lambda x: fg.while_loop(lambda v: np.sum(v) < 5, lambda v: np.stack([v, v]), x))
    with pytest.raises(CarryError, match="returned dtype float64 and shape"):
        f(np.float64(1.0))


def test_a_value_of_a_transform_around_the_compiled_function_keeps_its_derivative() -> None:
    def outer(z: Any) -> Any:
        return exact_jit(lambda x: fg.while_loop(lambda v: v < 9, lambda v: v * z, x))(
            np.float64(2)
        )

    assert fg.grad(outer)(3.0) == 2 * 2 * 3.0


def test_the_derivative_of_a_compiled_loop_is_compiled_for_all_lengths() -> None:
    inner = exact_jit(grown)
    total = lambda x: np.sum(inner(x) ** 2) / 1e3 + x[0]
    for (x,) in CALLS:
        same(fg.grad(total)(x), fg.grad(loss)(x), ROUNDING)


def test_memory_of_a_long_loop_without_derivative_does_not_grow() -> None:
    f = exact_jit(lambda n, x: fg.fori_loop(0, n, lambda i, v: np.sin(v) + x, x))
    source = f.source(np.int64(2), UP)
    assert "append" not in source


# --- random programs --------------------------------------------------------------------------


@given(PROGRAMS)
def test_random_programs_need_one_path_for_all_values(program: Any) -> None:
    one, other = np.array([0.3, -0.7, 1.1]), np.array([-0.9, 0.4, 0.2])
    rows = np.stack([one, other, -one, 2 * one])
    f = lambda x: run(program, x, Ours)
    total = lambda x: np.sum(f(x) ** 2)
    compiled_alike(f, (one,), (other,), rtol=1e-12)
    compiled_alike(fg.grad(total), (one,), (other,), rtol=1e-10)
    compiled_alike(fg.vmap(f), (rows,), (rows[::-1] * 1.2,), rtol=1e-12)
    compiled_alike(fg.vmap(fg.grad(total)), (rows,), (rows[::-1] * 1.2,), rtol=1e-10)

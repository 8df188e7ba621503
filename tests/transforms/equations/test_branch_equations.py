"""cond and switch in compiled functions: one equation for all ways, right on each of them."""

import functools
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import funcgrad as fg
from funcgrad.core.modes import MODES
from funcgrad.core.program import Guard, Program
from tests.jitting.alike import exact_jit

UP = np.array([1.0, 2.0, 0.5])
DOWN = np.array([-1.0, 0.25, -2.0])
ROWS = np.stack([UP, DOWN, 2 * UP, -UP])


def chosen(x: Any) -> Any:
    """Two ways that compute, and keep, different things."""
    return fg.cond(np.sum(x) > 0, lambda x: np.sqrt(x) * x, lambda x: np.sin(x) + x[0], x)


def loss(x: Any) -> Any:
    return np.sum(chosen(x) ** 2) + x[0]


def switched(i: Any, x: Any) -> Any:
    return fg.switch(i, [np.sin, np.exp, lambda x: x * x[::-1] * x], x)


@contextmanager
def staging() -> Iterator[None]:
    """As jit does while it records."""
    MODES.staging += 1
    try:
        yield
    finally:
        MODES.staging -= 1


def written(f: Callable[..., Any], *args: Any) -> Program:
    with staging():
        return fg.make_program(f)(*args)


def guards(program: Program) -> int:
    return sum(isinstance(item, Guard) for item in program.items)


def same(found: Any, expected: Any, rtol: float = 0.0) -> None:
    """The same tree with the same types, dtypes, shapes and values."""
    assert fg.tree.structure(found) == fg.tree.structure(expected)
    for one, other in zip(fg.tree.leaves(found), fg.tree.leaves(expected), strict=True):
        assert type(one) is type(other)
        assert np.asarray(one).dtype == np.asarray(other).dtype
        assert np.shape(one) == np.shape(other)
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


# --- as equations -----------------------------------------------------------------------------

TRANSFORMED: dict[str, Any] = {
    "value": chosen,
    "gradient": fg.grad(loss),
    "forward mode": lambda x: fg.jvp(chosen, (x,), (np.cos(x),)),
    "hessian": fg.hessian(loss),
    "reverse over reverse": fg.jacrev(fg.grad(loss)),
    "forward over forward": fg.jacfwd(fg.jacfwd(loss)),
    "hvp": lambda x: fg.hvp(loss, (x,), (x * x,)),
    "pullback": lambda x: fg.vjp(chosen, x)[1](np.cos(x))[0],
    "third derivative": lambda x: fg.grad(lambda y: fg.grad(lambda z: fg.grad(
        lambda w: loss(w * UP))(z))(y))(x[0]),
}  # fmt: skip


@pytest.mark.parametrize("transformed", TRANSFORMED.values(), ids=TRANSFORMED.keys())
def test_one_program_holds_both_ways_of_each_transform(transformed: Any) -> None:
    for recorded_with in (UP, DOWN):
        program = written(transformed, recorded_with)
        assert guards(program) == 0
        for x in (UP, DOWN, 3 * UP):
            for one, other in zip(program.evaluate(x), fg.tree.leaves(transformed(x)), strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-14)


def test_a_gradient_is_two_choices_by_one_index() -> None:
    program = written(fg.grad(loss), UP)
    choices = [item for item in program.equations if item.primitive.name == "switch"]
    assert len(choices) == 2
    assert choices[0].operands[0] is choices[1].operands[0]


def test_residuals_of_one_way_take_the_places_of_those_of_the_other() -> None:
    both = lambda x: np.sum(fg.cond(x[0] > 0, lambda: np.exp(x) * 2, lambda: np.exp(-x) * 3))
    forward = written(fg.grad(both), UP).equations
    results = next(item for item in forward if item.primitive.name == "switch").results
    assert len(results) == 2  # the value, and one place for either exponential


@pytest.mark.parametrize("transformed", TRANSFORMED.values(), ids=TRANSFORMED.keys())
def test_compiled_once_it_goes_both_ways(transformed: Any) -> None:
    compiled_alike(transformed, (UP,), (DOWN,), (UP,), rtol=1e-14)


def test_values_and_gradients_are_those_of_eager_mode_to_the_last_bit() -> None:
    compiled_alike(chosen, (UP,), (DOWN,))
    compiled_alike(fg.grad(loss), (UP,), (DOWN,))
    compiled_alike(fg.grad(lambda i, x: np.sum(switched(i, x) ** 3) + np.sum(x), 1), (1, UP))


def test_the_source_is_an_if_with_an_else() -> None:
    many = np.tile(UP, 200)  # few elements would be Python numbers
    source = "\n".join(line.split("  #")[0] for line in exact_jit(chosen).source(many).splitlines())
    assert source.count("    if ") == 1
    assert source.count("    else:") == 1
    assert source.count("np.sqrt") == source.count("np.sin") == 1


@pytest.mark.parametrize("i", [-3, 0, 1, 2, 7])
def test_an_index_out_of_range_counts_as_the_nearest(i: int) -> None:
    compiled = exact_jit(switched)
    compiled(np.int64(1), UP)
    same(compiled(np.int64(i), UP), switched(i, UP))
    assert compiled.cache_info().paths == 1
    assert compiled.source(np.int64(1), UP).count("elif") == 1


def test_an_exported_choice_runs_where_funcgrad_is_not(tmp_path: Any) -> None:
    module = tmp_path / "exported.py"
    module.write_text(fg.to_source(fg.grad(loss), UP))
    code = "import sys; sys.modules['funcgrad'] = None; import exported, numpy as np; "
    code += f"print(exported.loss(np.array({DOWN.tolist()})).tolist())"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == str(fg.grad(loss)(DOWN).tolist())


# --- batches ----------------------------------------------------------------------------------

BATCHED: dict[str, Any] = {
    "values": fg.vmap(chosen),
    "gradients": fg.vmap(fg.grad(loss)),
    "gradient of all": fg.grad(lambda x: np.sum(fg.vmap(loss)(x))),
    "hessians": fg.vmap(fg.hessian(loss)),
    "forward mode": lambda x: fg.jvp(fg.vmap(chosen), (x,), (np.cos(x),)),
    "twice": fg.vmap(lambda x: fg.vmap(lambda y: loss(abs(x) * y))(ROWS)),
    "one way for all": lambda x: fg.vmap(
        lambda y: fg.cond(x[0, 0] > 0, lambda: np.sin(y), lambda: y * y)
    )(x),
    "no axis in the result": lambda x: fg.vmap(
        lambda y: fg.cond(y[0] > 0, lambda: UP, lambda: DOWN)
    )(x),
}


@pytest.mark.parametrize("batched", BATCHED.values(), ids=BATCHED.keys())
def test_examples_that_go_different_ways_need_no_further_path(batched: Any) -> None:
    compiled_alike(batched, (ROWS,), (abs(ROWS),), (-abs(ROWS),), (ROWS[::-1],), rtol=1e-13)


def test_indices_that_differ_between_examples_clamp_too() -> None:
    compiled_alike(fg.vmap(switched), (np.array([0, 1, 2, 9]), ROWS), (np.array([-4] * 4), ROWS))


@pytest.mark.filterwarnings("error")
def test_no_branch_meets_values_of_examples_that_did_not_choose_it() -> None:
    root = lambda x: fg.cond(x > 0, lambda x: np.sqrt(x) + np.log(x), lambda x: 0.0 * x, x)
    xs = np.array([4.0, -1.0, 0.0, 1.0])
    compiled_alike(fg.vmap(fg.grad(root)), (xs,), (-abs(xs),), (abs(xs) + 1,))
    compiled_alike(fg.vmap(fg.hessian(root)), (xs,), (-abs(xs),), (abs(xs) + 1,), rtol=1e-14)


# --- what the other way is not asked ----------------------------------------------------------


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("x", [2.0, -2.0, 0.0])
def test_a_way_that_is_not_taken_gives_no_warnings_and_no_nan(x: float) -> None:
    f = lambda x: fg.cond(x > 0, lambda: np.sqrt(x) + np.log(x), lambda: x * 2)
    compiled_alike(fg.value_and_grad(f), (np.float64(x),), (np.float64(1.0),))


def test_callbacks_of_a_way_that_is_not_taken_are_not_called() -> None:
    calls: list[float] = []

    def root(x: float) -> float:
        calls.append(float(x))
        return math.sqrt(x)

    def rule(primals: Any, dots: Any) -> Any:
        return called(*primals), dots[0] / (2 * np.sqrt(primals[0]))

    def called(x: Any) -> Any:
        return fg.pure_callback(root, x, x, jvp=rule)

    f = lambda x: fg.cond(x > 0, lambda: called(x) * x, lambda: x * 1.0)
    compiled = exact_jit(fg.grad(f))
    assert compiled(np.float64(-2.0)) == np.float64(1.0)
    assert calls == []
    assert compiled(np.float64(4.0)) == 3.0
    assert set(calls) == {4.0}


def test_settings_of_numpy_errors_in_a_branch_hold_there() -> None:
    def quiet(x: Any) -> Any:
        with np.errstate(divide="ignore"):
            return 1 / x

    compiled = compiled_alike(
        lambda x: fg.cond(np.sum(x) > 0, lambda: quiet(x), lambda: x * 2), (UP,), (DOWN,)
    )
    assert compiled(np.array([0.0, 1.0, 1.0]))[0] == np.inf


# --- what cannot be one equation --------------------------------------------------------------


def factorial(n: Any) -> Any:
    return fg.cond(n > 0, lambda n: n * factorial(n - 1), lambda n: 0 * n + 1, n)


def fibonacci(n: Any) -> Any:
    return fg.cond(n > 1, lambda n: fibonacci(n - 1) + fibonacci(n - 2), lambda n: n * 1, n)


def test_recursion_through_a_branch_takes_a_path_for_each_depth() -> None:
    compiled_alike(factorial, (np.float64(5),), (np.float64(3),), paths=2)
    compiled_alike(fg.grad(factorial), (np.float64(5),), (np.float64(3),), paths=2)
    compiled_alike(fibonacci, (np.int64(7),), (np.int64(4),), paths=2)


FALLING_BACK: dict[str, tuple[Any, int]] = {
    "a number beside an array": (lambda x: fg.cond(x > 0, lambda: np.sqrt(x), lambda: 0.0), 2),
    "other structures": (lambda x: fg.cond(x > 0, lambda: {"a": x}, lambda: (x,)), 2),
    "other dtypes": (lambda x: fg.cond(x > 0, lambda: x, lambda: np.float32(1)), 2),
    "a branch on a value": (lambda x: fg.cond(x > 0, lambda: x if x > 1 else -x, lambda: x), 2),
    "a number asked for": (lambda x: fg.cond(x > 0, lambda: x * float(x), lambda: x * 1.0), 2),
    "a shape of values": (
        lambda x: fg.cond(x > 0, lambda: np.sum(UP[x > UP]), lambda: np.float64(1.0) * x),
        2,
    ),
}


@pytest.mark.parametrize(("f", "paths"), FALLING_BACK.values(), ids=FALLING_BACK.keys())
def test_what_differs_or_asks_for_values_takes_a_path_for_each_way(f: Any, paths: int) -> None:
    compiled_alike(f, (np.float64(2.0),), (np.float64(-2.0),), paths=paths)


def test_an_error_of_the_taken_way_reaches_the_user() -> None:
    def failing(_x: Any) -> Any:
        raise KeyError("mine")

    f = exact_jit(lambda x: fg.cond(x > 0, failing, lambda x: x, x))
    assert f(np.float64(-1.0)) == -1.0
    with pytest.raises(KeyError, match="mine"):
        f(np.float64(1.0))


def test_a_value_of_one_way_that_gets_into_the_other_is_not_mixed_up() -> None:
    kept: list[Any] = []

    def first(x: Any) -> Any:
        kept.append(np.sin(x))
        return kept[-1]

    f = lambda x: fg.cond(x > 0, first, lambda x: x + len(kept) * 0, x)
    compiled = exact_jit(f)
    same(compiled(np.float64(2.0)), np.sin(2.0))
    same(compiled(np.float64(-2.0)), np.float64(-2.0))


# --- what branches may be ---------------------------------------------------------------------


@fg.custom_vjp
def clipped(x: Any) -> Any:
    return x


clipped.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1.0, 1.0),))

KINDS: dict[str, tuple[Any, Any, Any]] = {
    "pytrees": (
        lambda x: fg.cond(
            x > 0, lambda: {"a": x, "b": (x * 2, UP)}, lambda: {"a": x * 3, "b": (-x, DOWN)}
        ),
        np.float64(2.0),
        np.float64(-2.0),
    ),
    "integers": (
        lambda x: fg.cond(x > 0, lambda: x + 1, lambda: x * 2),
        np.int32(2),
        np.int32(-2),
    ),
    "float32": (
        fg.grad(lambda x: fg.cond(x > 0, lambda: np.sin(x) * 0.5, lambda: x * 2)),
        np.float32(2),
        np.float32(-2),
    ),
    "complex": (
        lambda z: fg.cond(z.real > 0, lambda: np.exp(z), lambda: z * 2j),
        np.complex128(2 + 1j),
        np.complex128(-2 + 1j),
    ),
    "Python numbers": (
        lambda x: fg.cond(x > 0, lambda: 1.0, lambda: 0.0) * UP.astype(np.float32),
        np.float64(2.0),
        np.float64(-2.0),
    ),
    "Python numbers as arguments": (
        fg.grad(lambda x: fg.cond(x > 0, lambda x: x * x, lambda x: x * 3, x)),
        2.0,
        -2.0,
    ),
    "nothing": (
        lambda x: (fg.cond(x > 0, lambda: None, lambda: None), x + 1),
        np.float64(2.0),
        np.float64(-2.0),
    ),
    "the operand itself": (
        lambda x: fg.cond(np.sum(x) > 0, lambda x: x, lambda x: x * 1.0, x),
        UP,
        DOWN,
    ),
    "a gradient inside": (
        lambda x: fg.cond(
            x > 0, lambda: fg.grad(lambda y: np.sin(y) * x)(x), lambda: fg.grad(np.exp)(x)
        ),
        np.float64(2.0),
        np.float64(-2.0),
    ),
    "a vmap inside": (
        lambda x: fg.cond(
            x[0] > 0, lambda: fg.vmap(lambda y: np.sin(y) * x)(x), lambda: np.outer(x, x)
        ),
        UP,
        DOWN,
    ),
    "custom rules": (
        fg.grad(lambda x: fg.cond(x > 0, lambda: clipped(x) ** 2, lambda: x * 1.0)),
        np.float64(2.0),
        np.float64(-2.0),
    ),
    "a choice in a choice": (
        fg.grad(
            lambda x: fg.cond(
                x > 0,
                lambda: fg.cond(x > 1, np.sin, np.exp, x),
                lambda: fg.cond(x < -1, np.cos, lambda x: x * x, x) * x,
            )
        ),
        np.float64(2.0),
        np.float64(-0.5),
    ),
}


@pytest.mark.parametrize(("f", "one", "other"), KINDS.values(), ids=KINDS.keys())
def test_one_path_serves_both_ways_of_many_kinds(f: Any, one: Any, other: Any) -> None:
    compiled_alike(f, (one,), (other,))
    compiled_alike(f, (other,), (one,))


WAYS_TO_REACH: dict[str, Any] = {
    "operand": lambda x: fg.cond(x > 0, np.sqrt, np.sin, x),
    "closure": lambda x: fg.cond(x > 0, lambda: np.sqrt(x), lambda: np.sin(x)),
    "container": lambda x: (
        lambda box: fg.cond(x > 0, lambda: np.sqrt(box["x"][0]), lambda: np.sin(box["x"][0]))
    )({"x": [x]}),
    "default argument": lambda x: fg.cond(x > 0, lambda a=x: np.sqrt(a), lambda a=x: np.sin(a)),
    "partial": lambda x: fg.cond(
        x > 0, functools.partial(np.sqrt, x), functools.partial(np.sin, x)
    ),
}


@pytest.mark.parametrize("f", WAYS_TO_REACH.values(), ids=WAYS_TO_REACH.keys())
def test_a_traced_value_may_be_reached_in_any_way(f: Any) -> None:
    compiled_alike(fg.value_and_grad(f), (np.float64(4.0),), (np.float64(-2.0),))
    xs = np.array([4.0, -1.0])
    compiled_alike(fg.vmap(fg.grad(f)), (xs,), (abs(xs),), rtol=1e-15)


def test_a_value_of_a_transform_around_the_compiled_function_keeps_its_derivative() -> None:
    def outer(z: Any) -> Any:
        f = exact_jit(lambda x: fg.cond(x > 0, lambda: x * z, lambda: x + z))
        return f(np.float64(2.0)) * f(np.float64(-1.0))

    assert fg.grad(outer)(3.0) == 2 * (3.0 - 1) + 2 * 3.0


def test_an_array_of_an_attribute_is_read_where_it_is() -> None:
    class Model:
        w = UP.copy()

    model = Model()
    f = exact_jit(lambda x: fg.cond(np.sum(x) > 0, lambda: x * model.w, lambda: x + model.w))
    f(UP)
    model.w *= 3
    assert_array_equal(f(UP), UP * model.w)
    assert_array_equal(f(DOWN), DOWN + model.w)


def test_eager_mode_runs_the_chosen_function_only() -> None:
    def never(_x: Any) -> Any:
        raise AssertionError("this branch is not to run")

    assert fg.make_program(lambda x: fg.cond(x > 0, np.sqrt, never, x))(4.0).evaluate(9.0) == [3.0]


def test_the_derivative_of_a_compiled_choice_is_compiled_once() -> None:
    inner = exact_jit(chosen)
    total = lambda x: np.sum(inner(x) ** 2) + x[0]
    for x in (UP, DOWN):
        same(fg.grad(total)(x), fg.grad(loss)(x), rtol=1e-15)
        same(fg.vmap(inner)(ROWS), fg.vmap(chosen)(ROWS), rtol=1e-15)

"""Products of all steps at once give what they give step by step, but for rounding."""

import time
import warnings
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.compile.passes import optimised
from funcgrad.compile.regions.context import Context
from funcgrad.compile.regions.hoisting import NAME, hoisted
from funcgrad.compile.regions.table import Region, over_program
from funcgrad.core.program import Program
from tests.compile.regions.recurrent import STEPS, lstm, normal, rnn
from tests.compile.regions.threads import require_same_in_threads
from tests.jitting.alike import outcome, require_same

REGION = Region(NAME, hoisted)
ULPS = 4096
"""Products are added up in another order at each of the steps, and their errors are carried on."""


def gradient(f: Any, args: tuple[Any, ...]) -> Any:
    return fg.value_and_grad(f, argnums=tuple(range(len(args))))


def recorded(f: Any, args: tuple[Any, ...]) -> Program:
    program: Program = fg.make_program(f)(*args)
    return optimised(program)[0]


def count(program: Program, name: str) -> int:
    return sum(e.primitive.name == name for e in program.equations)


@pytest.mark.parametrize("name", STEPS)
def test_the_program_computes_the_same(name: str) -> None:
    f, shapes = STEPS[name]
    args = normal(shapes)
    program = recorded(gradient(f, args), args)
    after = over_program(program, Context(), [REGION])
    assert count(after, "matmul") < count(program, "matmul") or "ode" in name
    assert len(after.equations) < len(program.equations)
    require_same(after.evaluate(*args), program.evaluate(*args), name, ULPS)


@pytest.mark.parametrize("name", STEPS)
def test_an_exact_program_stays_as_it_is(name: str) -> None:
    f, shapes = STEPS[name]
    args = normal(shapes)
    program = recorded(gradient(f, args), args)
    assert over_program(program, Context(exact=True), [REGION]).items == program.items
    require_same(fg.jit(gradient(f, args), exact=True)(*args), gradient(f, args)(*args))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", STEPS)
def test_compiled_functions_compute_the_same(name: str, dtype: Any) -> None:
    f, shapes = STEPS[name]
    args = normal(shapes, dtype)
    whole = gradient(f, args)
    compiled, wanted = fg.jit(whole), whole(*args)
    for _ in range(3):
        require_same(compiled(*args), wanted, name, ULPS)
    more = tuple(0.7 * a for a in args)
    require_same(compiled(*more), whole(*more), name, ULPS)


@pytest.mark.parametrize("name", STEPS)
def test_arguments_may_lie_in_memory_in_any_order(name: str) -> None:
    f, shapes = STEPS[name]
    args = tuple(np.asfortranarray(a)[::-1] for a in normal(shapes))
    for a in args:
        a.flags.writeable = False
    whole = gradient(f, args)
    compiled, wanted = fg.jit(whole), whole(*args)
    for _ in range(2):
        require_same(compiled(*args), wanted, name, ULPS)


def test_complex_numbers_are_multiplied_at_once_too() -> None:
    def steps(W: Any, V: Any, xs: Any, h: Any) -> Any:
        for x in xs:
            h = x @ W + h @ V
        return fnp.sum(fnp.abs(h) ** 2)

    rng = np.random.default_rng(0)
    shapes = ((4, 5), (5, 5), (6, 3, 4), (3, 5))
    args = tuple(rng.normal(size=s) + 1j * rng.normal(size=s) for s in shapes)
    whole = fg.grad(steps, argnums=(0, 1, 2))
    compiled, wanted = fg.jit(whole), whole(*args)
    for _ in range(2):
        require_same(compiled(*args), wanted, "complex", ULPS)


def test_a_loop_has_one_product_of_all_inputs_and_one_for_each_gradient() -> None:
    args = normal(STEPS["rnn"][1])
    program = recorded(fg.grad(rnn, argnums=(0, 1, 2)), args)
    context = Context()
    after = over_program(program, context, [REGION])
    steps = 7
    assert count(program, "matmul") == 2 * steps + 2 * steps + steps - 1
    # The inputs, h Wh and its transpose at each step, three sums.
    assert count(after, "matmul") == 1 + steps + steps - 1 + 3
    texts = [d.text for d in context.decisions]
    assert any("matmul" in text and "7 times" in text for text in texts)
    assert any("as one product" in text for text in texts)


def test_an_lstm_adds_up_no_gradients_one_by_one() -> None:
    args = normal(STEPS["lstm"][1])
    program = recorded(fg.grad(lstm, argnums=(0, 1, 2)), args)
    after = over_program(program, Context(), [REGION])
    steps = 6
    assert count(program, "unbroadcast") + count(program, "sum") == steps
    assert count(after, "unbroadcast") + count(after, "sum") == 0
    assert count(after, "matmul") == 1 + steps + steps - 1 + 3


def test_a_program_that_is_the_same_for_all_inputs_is_done_once() -> None:
    f, shapes = STEPS["layers"]
    args = normal(shapes)
    after = over_program(recorded(fg.grad(f, argnums=(0, 1, 2)), args), Context(), [REGION])
    assert count(after, "matmul") == 6
    assert count(after, "tanh") == 1


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4])
def test_few_steps_compute_the_same(steps: int) -> None:
    args = normal(((4, 5), (5, 5), (5,), (steps, 3, 4), (3, 5)))
    whole = fg.grad(rnn, argnums=(0, 1, 2))
    compiled = fg.jit(whole)
    if steps:
        for _ in range(2):
            require_same(compiled(*args), whole(*args), str(steps), ULPS)


@pytest.mark.parametrize("rows", [0, 1])
def test_empty_batches_and_batches_of_one_compute_the_same(rows: int) -> None:
    args = normal(((4, 5), (5, 5), (5,), (6, rows, 4), (rows, 5)))
    whole = fg.grad(lambda *a: fnp.sum(rnn(*a[:4], a[4])) * 1.0, argnums=(0, 1, 2))
    for f in (whole, lambda *a: fnp.tanh(a[3][0] @ a[0]) @ a[1] + a[2]):
        compiled = fg.jit(f)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the mean of nothing
            for _ in range(2):
                require_same(compiled(*args), f(*args), str(rows), ULPS)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_infinities_and_nans_are_where_they_were(bad: float) -> None:
    args = normal(STEPS["rnn"][1])
    args[3][2, 1, 0] = bad
    whole = gradient(rnn, args)
    compiled = fg.jit(whole)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled(*args)
        found, wanted = compiled(*args), whole(*args)
    for a, b in zip(fg.tree.leaves(found), fg.tree.leaves(wanted), strict=True):
        assert np.array_equal(np.isnan(a), np.isnan(b))


def test_operations_under_errstate_stay_apart() -> None:
    def f(W: Any, xs: Any) -> Any:
        total = 0.0
        for x in xs:
            with np.errstate(over="raise"):
                total = total + fnp.sum(fnp.exp(x @ W))
        return total

    W, xs = normal(((4, 5), (6, 3, 4)))
    compiled = fg.jit(f)
    require_same(compiled(W, xs), f(W, xs), "errstate", ULPS)
    for x in (xs, 1e4 * xs):
        require_same(outcome(compiled, W, x).value, outcome(f, W, x).value, "errstate", ULPS)
        assert type(outcome(compiled, W, x).error) is type(outcome(f, W, x).error)


def test_values_of_steps_can_be_results() -> None:
    def f(Wx: Any, Wh: Any, b: Any, xs: Any, h: Any) -> Any:
        hs, parts = [], []
        for x in xs:
            parts.append(x @ Wx)
            h = fnp.tanh(parts[-1] + h @ Wh + b)
            hs.append(h)
        return hs, parts, fnp.sum(h)

    args = normal(STEPS["rnn"][1])

    def both(*args: Any) -> Any:
        value, pull, aux = fg.vjp(lambda *a: (f(*a)[2], f(*a)[:2]), *args, has_aux=True)
        return value, pull(np.float64(1.0)), aux

    for g in (f, both):
        compiled = fg.jit(g)
        compiled(*args)
        first, wanted = compiled(*args), g(*args)
        second = compiled(*(2 * a for a in args))
        require_same(first, wanted, "results", ULPS)
        arrays = [a for a in fg.tree.leaves((first, second, args)) if a.ndim]
        for i, a in enumerate(arrays):
            assert not any(np.shares_memory(a, b) for b in arrays[:i])


def test_one_array_may_be_several_arguments() -> None:
    W, b, xs, h = normal(((5, 5), (5,), (6, 3, 5), (3, 5)))
    whole = fg.grad(rnn, argnums=(0, 1, 2, 3, 4))
    compiled = fg.jit(whole)
    for _ in range(2):
        require_same(compiled(W, W, b, xs, xs[0]), whole(W, W, b, xs, xs[0]), "alias", ULPS)
        require_same(compiled(W, W, b, xs, h), whole(W, W, b, xs, h), "alias", ULPS)


def test_arrays_that_the_function_reads_elsewhere_may_change() -> None:
    W, xs = normal(((4, 5), (6, 3, 4)))

    def f(s: Any) -> Any:
        return [fnp.tanh(s * (x @ W)) for x in xs]

    compiled = fg.jit(f)
    for scale in (1.0, 2.0, 3.0):
        W *= scale
        require_same(compiled(0.3), f(0.3), "read elsewhere", ULPS)


def test_many_threads_may_call_one_function() -> None:
    args = normal(STEPS["lstm"][1])
    whole = gradient(lstm, args)
    compiled = fg.jit(whole)
    compiled(*args)
    inputs = [tuple(a * (1 + 0.01 * i) for a in args) for i in range(8)]
    require_same_in_threads(compiled, inputs, [whole(*a) for a in inputs], ULPS)


def test_time_is_linear_in_the_number_of_equations() -> None:
    def seconds(steps: int) -> float:
        args = normal(((4, 5), (5, 5), (5,), (steps, 3, 4), (3, 5)))
        program = recorded(fg.grad(rnn, argnums=(0, 1, 2)), args)
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            over_program(program, Context(), [REGION])
            best = min(best, time.process_time() - start)
        return best / len(program.equations)

    assert seconds(1600) < 4 * seconds(100)

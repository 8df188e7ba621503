"""Loops whose steps have less to do give what they gave before, but for rounding."""

from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.compile.regions.hoisting_loops import NAME
from tests.compile.regions.recurrent import LOOPS, normal, scanned
from tests.compile.regions.threads import require_same_in_threads
from tests.jitting.alike import require_same

ULPS = 4096
"""Products are added up in another order at each of the steps, and their errors are carried on."""


def gradient(f: Any, args: tuple[Any, ...]) -> Any:
    return fg.value_and_grad(f, argnums=tuple(range(len(args))))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", LOOPS)
def test_compiled_loops_compute_the_same(name: str, dtype: Any) -> None:
    f, shapes = LOOPS[name]
    args = normal(shapes, dtype)
    for g in (f, gradient(f, args)):
        compiled, wanted = fg.jit(g), g(*args)
        for _ in range(3):
            require_same(compiled(*args), wanted, name, ULPS)
        more = tuple(0.7 * a for a in args)
        require_same(compiled(*more), g(*more), name, ULPS)


@pytest.mark.parametrize("name", LOOPS)
def test_exact_loops_keep_every_bit(name: str) -> None:
    f, shapes = LOOPS[name]
    args = normal(shapes)
    compiled = fg.jit(gradient(f, args), exact=True)
    for _ in range(2):
        require_same(compiled(*args), gradient(f, args)(*args), name)


@pytest.mark.parametrize("name", LOOPS)
def test_arguments_may_lie_in_memory_in_any_order(name: str) -> None:
    f, shapes = LOOPS[name]
    args = tuple(np.asfortranarray(a)[::-1] for a in normal(shapes))
    for a in args:
        a.flags.writeable = False
    compiled, wanted = fg.jit(gradient(f, args)), gradient(f, args)(*args)
    for _ in range(2):
        require_same(compiled(*args), wanted, name, ULPS)


@pytest.mark.parametrize("name", LOOPS)
def test_other_derivatives_of_loops_are_the_same(name: str) -> None:
    f, shapes = LOOPS[name]
    args = normal(shapes)
    grad = fg.grad(f, argnums=(0, 1))
    batch = tuple(np.stack([a, 0.5 * a]) for a in args)
    for g, given in (
        (lambda *a: fg.jvp(f, a, a), args),
        (lambda *a: fg.jvp(grad, a, a), args),
        (fg.vmap(grad), batch),
        (lambda *a: fg.vmap(grad, in_axes=(None, *[0] * (len(a) - 1)))(args[0], *a[1:]), batch),
    ):
        compiled, wanted = fg.jit(g), g(*given)
        for _ in range(2):
            require_same(compiled(*given), wanted, name, ULPS)


def test_inputs_are_multiplied_before_the_loop_and_gradients_after_it() -> None:
    args = normal(LOOPS["rnn"][1])
    compiled = fg.jit(fg.grad(scanned, argnums=(0, 1, 2)))
    compiled(*args)
    lines = compiled.source(*args).splitlines()
    inside = [line for line in lines if line.startswith("        ")]
    assert sum("np.dot(" in line for line in inside) == 2  # h Wh, and its transpose
    assert sum("np.dot(" in line for line in lines) == 2 + 1 + 3
    assert not any("add.reduce" in line or "+=" in line for line in inside)
    assert "steps" in str(compiled.explain(*args))


def test_a_loop_without_carries_computes_nothing_step_by_step() -> None:
    W, xs = normal(LOOPS["mapped"][1])
    compiled = fg.jit(lambda W, xs: fg.scan(lambda c, x: (c, fnp.tanh(x @ W)), 0.0, xs)[1])
    compiled(W, xs)
    inside = [line for line in compiled.source(W, xs).splitlines() if line.startswith("        ")]
    assert not any("np." in line for line in inside)


def test_steps_of_numbers_alone_stay_whole() -> None:
    """`2 x` could be done for all steps before the loop: but the rest would be arrays then."""
    xs, h = normal(((9, 2), (2,)))

    def f(h: Any, xs: Any) -> Any:
        return fg.scan(lambda h, x: (fnp.sin(h * h + h) * 0.5 + 2.0 * x, h), h, xs)

    compiled = fg.jit(f)
    require_same(compiled(h, xs), f(h, xs), "numbers", ULPS)
    assert NAME not in str(compiled.explain(h, xs))


def test_what_would_be_read_in_slices_anyway_stays_in_the_loop() -> None:
    """A few Python numbers take less time than a slice of an array."""
    W, xs, h = normal(((30, 30), (9, 2), (30,)))

    def f(W: Any, xs: Any, h: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            small = fnp.sum(fnp.sin(x * 2.0) * h[:2])
            return fnp.tanh(h @ W) * small, small

        return fg.scan(step, h, xs)

    compiled = fg.jit(f)
    require_same(compiled(W, xs, h), f(W, xs, h), "small", ULPS)
    assert "before" not in str(compiled.explain(W, xs, h))
    wide = np.tile(xs, 300)

    def g(W: Any, xs: Any, h: Any) -> Any:
        return fg.scan(lambda h, x: (fnp.sum(x * 2.0) * h @ W, None), h, xs)

    compiled = fg.jit(g)
    require_same(compiled(W, wide, h), g(W, wide, h), "large", ULPS)
    assert "before" in str(compiled.explain(W, wide, h))


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_infinities_and_nans_are_where_they_were(bad: float) -> None:
    args = normal(LOOPS["rnn"][1])
    args[3][2, 1, 0] = bad
    whole = gradient(scanned, args)
    compiled = fg.jit(whole)
    with np.errstate(all="ignore"):
        compiled(*args)
        found, wanted = compiled(*args), whole(*args)
    for a, b in zip(fg.tree.leaves(found), fg.tree.leaves(wanted), strict=True):
        assert np.array_equal(np.isnan(a), np.isnan(b))


def test_results_have_memory_of_their_own() -> None:
    def f(Wx: Any, Wh: Any, b: Any, xs: Any, h: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            y = x @ Wx
            h = fnp.tanh(y + h @ Wh + b)
            return h, (h, y, h.T)

        return fg.scan(step, h, xs)

    args = normal(LOOPS["rnn"][1])
    compiled = fg.jit(f)
    compiled(*args)
    first, wanted = compiled(*args), f(*args)
    second = compiled(*(2 * a for a in args))
    require_same(first, wanted, "memory", ULPS)
    arrays = [a for a in fg.tree.leaves((first, second, args)) if a.ndim]
    for i, a in enumerate(arrays):
        assert not any(np.shares_memory(a, b) for b in arrays[:i])


def test_loops_of_both_kinds_can_follow_each_other() -> None:
    def f(Wx: Any, Wh: Any, b: Any, xs: Any, h: Any) -> Any:
        first = fnp.sin(h)
        total = scanned(Wx, Wh, b, xs, first)
        for x in xs:
            first = fnp.tanh(x @ Wx + first @ Wh + b)
        return total + fnp.sum(first * scanned(Wx, Wh, b, xs, first))

    args = normal(LOOPS["rnn"][1])
    compiled, wanted = fg.jit(gradient(f, args)), gradient(f, args)(*args)
    for _ in range(2):
        require_same(compiled(*args), wanted, "both", ULPS)


def test_many_threads_may_call_one_function() -> None:
    args = normal(LOOPS["lstm"][1])
    whole = gradient(LOOPS["lstm"][0], args)
    compiled = fg.jit(whole)
    compiled(*args)
    inputs = [tuple(a * (1 + 0.01 * i) for a in args) for i in range(8)]
    require_same_in_threads(compiled, inputs, [whole(*a) for a in inputs], ULPS)

"""Sums as products of stacks, stacks that are written part by part, cotangents that fade away."""

from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.compile.passes import optimised
from funcgrad.compile.regions.context import Context
from funcgrad.compile.regions.hoisting import NAME, hoisted
from funcgrad.compile.regions.stacking_fading import CHAIN, EVERY, FIRST, begun, faded, watched
from funcgrad.compile.regions.table import Region, over_program
from funcgrad.core.program import Program
from tests.compile.regions.recurrent import normal, rnn, scanned
from tests.jitting.alike import require_same

REGION = Region(NAME, hoisted)
ULPS = 4096
TINY = {np.float32: 1.1754944e-38, np.float64: 2.2250738585072014e-308}


def recorded(f: Any, *args: Any) -> Program:
    program: Program = fg.make_program(f)(*args)
    return optimised(program)[0]


def count(program: Program, name: str) -> int:
    return sum(e.primitive.name == name for e in program.equations)


# sums ------------------------------------------------------------------------------------------


def products(*arrays: Any) -> Any:
    half = len(arrays) // 2
    total = arrays[0].T @ arrays[half]
    for a, b in zip(arrays[1:half], arrays[half + 1 :], strict=True):
        total = total + a.T @ b
    return total


@pytest.mark.parametrize("terms", [2, 3, 4, 5, 9])
def test_a_sum_of_products_is_one_product_from_four_terms_on(terms: int) -> None:
    args = normal((*[(3, 4)] * terms, *[(3, 5)] * terms))
    program = recorded(products, *args)
    after = over_program(program, Context(), [REGION])
    assert count(after, "matmul") == (1 if terms >= 4 else terms)
    require_same(after.evaluate(*args), program.evaluate(*args), ulps=ULPS)
    compiled = fg.jit(products)
    for _ in range(2):
        require_same(compiled(*args), products(*args), ulps=ULPS)


def test_other_terms_of_a_sum_are_added_to_it() -> None:
    def f(c: Any, d: Any, *arrays: Any) -> Any:
        total = c + arrays[0].T @ arrays[1]
        for i in range(1, 6):
            total = (arrays[0] * i).T @ arrays[1] + total
            total = total + fnp.sin(d) if i == 3 else total
        return total, total * 2

    args = normal(((4, 5), (4, 5), (3, 4), (3, 5)))
    program = recorded(f, *args)
    after = over_program(program, Context(), [REGION])
    assert count(after, "matmul") == 1
    require_same(after.evaluate(*args), program.evaluate(*args), ulps=ULPS)


def test_sums_of_rows_and_of_outer_products_are_products_too() -> None:
    def f(*xs: Any) -> Any:
        rows, outer = fnp.sum(xs[0] * xs[0], axis=0), xs[0][0][:, None] * xs[0][1]
        for x in xs[1:]:
            rows = rows + fnp.sum(x * x, axis=0)
            outer = outer + x[0][:, None] * x[1]
        gradient = sum(x @ outer for x in xs[:4])
        return rows, outer, gradient

    args = normal(((3, 6),) * 6)
    program = recorded(f, *args)
    after = over_program(program, Context(), [REGION])
    assert count(after, "sum") == 0
    require_same(after.evaluate(*args), program.evaluate(*args), ulps=ULPS)


def test_a_term_that_is_read_elsewhere_stays() -> None:
    def f(*arrays: Any) -> Any:
        first = arrays[0].T @ arrays[1]
        total = first
        for i in range(2, 10, 2):
            total = total + arrays[i].T @ arrays[i + 1]
        return total, first

    args = normal(((3, 4), (3, 5)) * 5)
    program = recorded(f, *args)
    after = over_program(program, Context(), [REGION])
    assert count(after, "matmul") == 2
    require_same(after.evaluate(*args), program.evaluate(*args), ulps=ULPS)


def test_products_of_numbers_and_tiny_matrices_are_left_alone() -> None:
    args = normal((*[(2, 2)] * 6, *[(2, 2)] * 6))
    program = recorded(products, *args)
    assert over_program(program, Context(), [REGION]).items == program.items


# cotangents that fade away ---------------------------------------------------------------------


def chain(dtype: Any, scale: float, steps: int = 3 * CHAIN, size: float = 1.0) -> tuple[Any, ...]:
    """An RNN whose cotangents shrink by about `scale` at each step."""
    rng = np.random.default_rng(1)
    Wh = scale * np.linalg.qr(rng.normal(size=(12, 12)))[0]
    arrays = (0.01 * rng.normal(size=(5, 12)), Wh, np.zeros(12))
    rest = (0.01 * rng.normal(size=(steps, 8, 5)), size * rng.normal(size=(8, 12)))
    return tuple(np.asarray(a, dtype) for a in (*arrays, *rest))


def summed(Wx: Any, Wh: Any, b: Any, xs: Any, h: Any, ct: Any) -> Any:
    for x in xs:
        h = fnp.tanh(x @ Wx + h @ Wh + b)
    return fnp.sum(h * ct)


def summed_scan(Wx: Any, Wh: Any, b: Any, xs: Any, h: Any, ct: Any) -> Any:
    step = lambda h, x: (fnp.tanh(x @ Wx + h @ Wh + b), None)
    return fnp.sum(fg.scan(step, h, xs)[0] * ct)


BOTH = pytest.mark.parametrize("f", [summed, summed_scan])


@BOTH
@pytest.mark.parametrize(("dtype", "scale"), [(np.float32, 0.1), (np.float64, 1e-8)])
def test_gradients_of_chains_that_fade_away_are_the_same_but_for_tiny_numbers(
    f: Any, dtype: Any, scale: float
) -> None:
    args = (*chain(dtype, scale), dtype(1.0))
    gradient = fg.grad(f, argnums=(0, 1, 2, 3, 4))
    compiled = fg.jit(gradient)
    compiled(*args)
    source = compiled.source(*args)
    assert "faded(" in source or "watched(" in source
    for found, wanted in zip(compiled(*args), gradient(*args), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e8 * TINY[dtype])
    first = compiled(*args)[3][0]
    assert not first.any()
    exact = fg.jit(gradient, exact=True)
    exact(*args)
    require_same(exact(*args), gradient(*args))


@BOTH
def test_chains_that_do_not_fade_keep_all_their_numbers(f: Any) -> None:
    args = (*chain(np.float32, 0.9), np.float32(1.0))
    gradient = fg.grad(f, argnums=(0, 1, 2, 3, 4))
    compiled = fg.jit(gradient)
    compiled(*args)
    require_same(compiled(*args), gradient(*args), ulps=ULPS)


@BOTH
def test_a_chain_that_begins_with_tiny_numbers_keeps_them(f: Any) -> None:
    args = (*chain(np.float32, 0.5, steps=CHAIN + 8), np.float32(1e-26))
    gradient = fg.grad(f, argnums=(0, 1, 2, 3, 4))
    compiled = fg.jit(gradient)
    compiled(*args)
    for found, wanted in zip(compiled(*args), gradient(*args), strict=True):
        scale = np.max(np.abs(wanted))
        assert scale < 1e-25
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5 * scale)
    assert compiled(*args)[3][0].any()


@BOTH
@pytest.mark.parametrize("ct", [np.nan, np.inf, 1e30, 0.0])
def test_chains_of_special_numbers_compute_and_warn_as_before(f: Any, ct: float) -> None:
    args = (*chain(np.float32, 0.1), np.float32(ct))
    gradient = fg.grad(f, argnums=(0, 1, 2))
    compiled = fg.jit(gradient)
    with np.errstate(all="ignore"):
        compiled(*args)
        found, wanted = compiled(*args), gradient(*args)
    for a, b in zip(found, wanted, strict=True):
        assert np.array_equal(np.isnan(a), np.isnan(b))
    if ct == 1e30:
        with np.errstate(over="raise"):
            compiled(*args)


def test_values_that_are_no_cotangents_are_never_changed() -> None:
    def forward(alpha: Any, A: Any, weights: Any) -> Any:
        for w in weights:
            alpha = (alpha @ A) * w
        return fnp.log(fnp.sum(alpha)), alpha

    rng = np.random.default_rng(0)
    A = rng.uniform(size=(64, 64)).astype(np.float32) / 64
    weights = np.full((40, 64), 0.24, np.float32)
    alpha = np.ones((2, 64), np.float32)
    value = lambda *a: forward(*a)[0]
    for f in (forward, fg.value_and_grad(value, argnums=(1,))):
        compiled = fg.jit(f)
        compiled(alpha, A, weights)
        found, wanted = compiled(alpha, A, weights)[0], f(alpha, A, weights)[0]
        np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_a_look_makes_only_the_smallest_numbers_zeros() -> None:
    x = np.array([1e-20, 1e-30, 4e-35, -4e-35, 1e-38, 1e-45, 0.0, -1e-25] * 8, np.float32)
    state = begun(np.ones(4, np.float32))
    assert faded(np.full(64, 1e-5, np.float32), state) == state
    state = faded(x, state)
    kept = np.abs(x) > 0
    assert kept[:8].tolist() == [True, True, False, False, False, False, False, True]
    assert begun(np.full(64, 1e-20, np.float32)) == 0
    assert faded(x, 0) == 0
    assert faded(np.full(64, np.nan, np.float32), begun(np.ones(4, np.float32))) == 1


def test_a_loop_looks_at_one_in_so_many_cotangents() -> None:
    state, changed = watched(np.ones(64, np.float32), FIRST), []
    for _ in range(4 * EVERY):
        x = np.full(64, 1e-40, np.float32)
        state = watched(x, state)
        changed.append(not x.any())
    assert changed == [(i + 1) % EVERY == 0 for i in range(4 * EVERY)]
    assert watched(np.full(64, 1e-30, np.float32), FIRST) == 0
    assert watched(np.full(64, 1e-40, np.float32), 0) == 0


def test_short_chains_are_not_looked_at() -> None:
    args = normal(((4, 16), (16, 16), (16,), (CHAIN - 4, 8, 4), (8, 16)))
    for f in (rnn, scanned):
        compiled = fg.jit(fg.grad(f, argnums=(0, 1, 2)))
        compiled(*args)
        assert "fading" not in compiled.source(*args)

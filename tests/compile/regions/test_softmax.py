"""Simpler losses and layers: the same values and gradients but for rounding, with fewer steps."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.compile.passes import optimised
from funcgrad.compile.regions.context import Context
from funcgrad.compile.regions.softmax import simpler_losses
from funcgrad.compile.regions.softmax_kinks import KIND as PAST_KINK
from funcgrad.compile.regions.softmax_kinks import past_kink
from funcgrad.compile.regions.softmax_layers import KIND as NORMALISED
from funcgrad.compile.regions.softmax_layers import normalised
from funcgrad.compile.regions.table import Region, over_program
from funcgrad.core.program import Program
from funcgrad.testing.programs import GeneratedProgram
from funcgrad.testing.strategies import programs
from tests.compile.regions.threads import require_same_in_threads
from tests.jitting.alike import require_same

REGION = Region("softmax", simpler_losses)
ULPS = 1 << 12
"""Terms that cancel leave roundings of the largest of them."""


def recorded(f: Any, args: Sequence[Any]) -> Program:
    program: Program = fg.make_program(f)(*args)
    return optimised(program)[0]


def rewritten(program: Program, exact: bool = False) -> tuple[Program, str]:
    context = Context(exact=exact)
    after = over_program(program, context, [REGION])
    return after.pruned(), "\n".join(map(str, context.decisions))


def names(program: Program) -> list[str]:
    return [e.primitive.name for e in program.equations]


def array(*shape: int, dtype: Any = np.float64, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


# --- functions with something to simplify -----------------------------------------------------


def cross_entropy(z: Any, y: Any) -> Any:
    top = fnp.max(z, axis=1, keepdims=True)
    norm = top[:, 0] + fnp.log(fnp.sum(fnp.exp(z - top), axis=1))
    return fnp.mean(norm - fnp.sum(z * y, axis=1))


def over_columns(z: Any) -> Any:
    top = fnp.max(z, axis=0, keepdims=True)
    return fnp.sum(fnp.log(fnp.sum(fnp.exp(z - top), axis=0)) + top[0])


def over_both(z: Any) -> Any:
    top = fnp.max(z, axis=(1, 2), keepdims=True)
    return fnp.sum(fnp.log(fnp.sum(fnp.exp(z - top), axis=(1, 2))) + top[:, 0, 0])


def over_all(z: Any) -> Any:
    top = fnp.max(z)
    return top + fnp.log(fnp.sum(fnp.exp(z - top)))


def weights(z: Any) -> Any:
    e = fnp.exp(z - fnp.max(z, axis=-1, keepdims=True))
    return e / fnp.sum(e, axis=-1, keepdims=True)


def attention(q: Any, k: Any, v: Any) -> Any:
    out = weights(q @ fnp.swapaxes(k, -1, -2) * 0.3) @ v
    return fnp.mean(out * out)


def entropy(z: Any) -> Any:
    p = weights(z)
    return fnp.sum(p * fnp.log(p))


def softplus(z: Any, y: Any) -> Any:
    return fnp.mean(fnp.maximum(z, 0.0) - y * z + fnp.log1p(fnp.exp(-fnp.abs(z))))


def softplus_first(z: Any) -> Any:
    return fnp.sum(3.0 * (fnp.log1p(fnp.exp(-fnp.abs(z))) + fnp.maximum(z, 0.0)))


def softplus_weighted(z: Any, y: Any) -> Any:
    return fnp.sum(y * (fnp.maximum(z, 0.0) + fnp.log1p(fnp.exp(-fnp.abs(z)))))


def relu_layer(W: Any, x: Any) -> Any:
    h = fnp.maximum(x @ W, 0.0)
    return fnp.sum(fnp.sin(h))


def gram(A: Any, B: Any) -> Any:
    return (A.T @ B).T @ fnp.ones(A.shape[1])


def dense(W: Any, x: Any) -> Any:
    return fnp.sum(fnp.tanh(x @ W.T) ** 2)


def dot_product(A: Any, B: Any) -> Any:
    return fnp.sum(A * B), fnp.mean(A * A)


def scaled(A: Any, B: Any) -> Any:
    return fnp.tanh((A @ B.T) * 0.25)


def twice(z: Any) -> Any:
    return 0.3 * (z + z) + fnp.sin(z) * (z + z)


def grads(f: Callable[..., Any], *argnums: int) -> Callable[..., Any]:
    return fg.value_and_grad(f, argnums or 0)


CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...], str]] = {
    "cross-entropy": (grads(cross_entropy), (array(7, 5), array(7, 5, seed=1)), "maxima"),
    "over columns": (grads(over_columns), (array(6, 9),), "maxima"),
    "over two axes": (grads(over_both), (array(3, 4, 5),), "maxima"),
    "over all": (grads(over_all), (array(4, 6),), "maxima"),
    "attention": (
        grads(attention, 0, 1, 2),
        (array(3, 40, 8), array(3, 40, 8, seed=1), array(3, 40, 6, seed=2)),
        "divisions less",
    ),
    "entropy": (grads(entropy), (array(50, 60),), "maxima"),
    "softmax": (weights, (array(50, 60),), "in one step"),
    "binary cross-entropy": (grads(softplus), (array(33), array(33, seed=1)), "sigmoids"),
    "softplus, other order": (grads(softplus_first), (array(5, 7),), "sigmoids"),
    "weighted softplus": (grads(softplus_weighted), (array(33), array(33, seed=1)), ""),
    "relu": (grads(relu_layer, 0, 1), (array(20, 40), array(30, 20)), "max(x, 0)"),
    "transposed product": (gram, (array(9, 4), array(9, 5, seed=1)), "other order"),
    "dense layer": (grads(dense, 0, 1), (array(24, 16), array(64, 16)), "copied"),
    "scaled product": (scaled, (array(60, 8), array(70, 8)), "smaller operand"),
    "twice": (twice, (array(7, 3),), ""),
    "twice alone": (lambda z: 0.3 * (z + z), (array(7, 3),), "doubled"),
    "products of vectors": (dot_product, (array(60, 50), array(60, 50, seed=1)), ""),
}


@pytest.mark.parametrize("name", CASES)
def test_programs_compute_the_same_with_fewer_steps(name: str) -> None:
    f, args, told = CASES[name]
    program = recorded(f, args)
    after, decisions = rewritten(program)
    require_same(after.evaluate(*args), program.evaluate(*args), name, ULPS)
    assert told in decisions
    if told and told not in ("copied", "smaller operand"):
        assert len(after.equations) < len(program.equations)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_compiled_functions_compute_the_same(name: str, dtype: Any) -> None:
    f, args, _ = CASES[name]
    args = tuple(a.astype(dtype) for a in args)
    compiled, wanted = fg.jit(f), f(*args)
    for _ in range(3):
        require_same(compiled(*args), wanted, name, ULPS)
    for order in (np.asfortranarray, lambda a: np.ascontiguousarray(a[::-1])[::-1]):
        other = tuple(order(a) for a in args)
        require_same(compiled(*other), wanted, name, ULPS)


@pytest.mark.parametrize("name", CASES)
def test_exact_programs_stay_as_they_are(name: str) -> None:
    f, args, _ = CASES[name]
    program = recorded(f, args)
    assert over_program(program, Context(exact=True), [REGION]).items == program.items


@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan, 0.0, -0.0, 800.0, -800.0, 1e300])
@pytest.mark.parametrize("name", CASES)
def test_special_values(name: str, special: float) -> None:
    f, args, _ = CASES[name]
    for shape in ("some", "row", "all"):
        own = [a.copy() for a in args]
        flat = own[0].reshape(-1)
        flat[{"some": slice(3, None, 7), "row": slice(0, own[0].shape[-1]), "all": ...}[shape]] = (
            special
        )
        with np.errstate(all="ignore"):
            wanted = f(*own)
            compiled = fg.jit(f)
            compiled(*own)
            found = compiled(*own)
        for a, b in zip(fg.tree.leaves(found), fg.tree.leaves(wanted), strict=True):
            a, b = np.asarray(a), np.asarray(b)
            assert not np.any(np.isnan(a) & ~np.isnan(b)), shape
            both = np.isfinite(a) & np.isfinite(b)
            scale = np.max(np.abs(b), initial=1.0, where=np.isfinite(b))
            np.testing.assert_allclose(a[both], b[both], rtol=1e-9, atol=1e-12 * scale)
            assert np.array_equal(np.isposinf(b) & ~np.isposinf(a), np.zeros(b.shape, bool)), shape


# --- what vanishes, and what does not ----------------------------------------------------------


def kept_maximum(z: Any) -> Any:
    top = fnp.max(z, axis=1, keepdims=True)
    return fnp.sum(fnp.exp(z - top)) + fnp.sum(top)


def other_norm(z: Any) -> Any:
    top = fnp.max(z, axis=1, keepdims=True)
    e = fnp.exp(z - top)
    return fnp.sum(e * e / fnp.sum(e, axis=1, keepdims=True))


def other_axis(z: Any) -> Any:
    top = fnp.max(z, axis=0, keepdims=True)
    return fnp.sum(fnp.log(fnp.sum(fnp.exp(z - top), axis=1)))


def nearly(z: Any) -> Any:
    top = fnp.max(z, axis=1, keepdims=True)
    return fnp.sum(1.0001 * top[:, 0] + fnp.log(fnp.sum(fnp.exp(z - top), axis=1)))


@pytest.mark.parametrize("f", [kept_maximum, other_norm, other_axis, nearly])
def test_cotangents_that_do_not_vanish_are_kept(f: Any) -> None:
    z = array(6, 6)
    program = recorded(grads(f), (z,))
    _, decisions = rewritten(program)
    assert "maxima" not in decisions
    require_same(fg.jit(grads(f))(z), grads(f)(z), ulps=ULPS)


@pytest.mark.parametrize("seed", range(30))
def test_random_losses_of_softmax(seed: int) -> None:
    rng = np.random.default_rng(seed)
    z, y = array(8, 8, seed=seed), array(8, 8, seed=seed + 1)
    axis = int(rng.integers(2))
    scale, power = float(rng.normal()), int(rng.integers(1, 3))
    keep = bool(rng.integers(2))
    pick = int(rng.integers(4))

    def loss(z: Any, y: Any) -> Any:
        top = fnp.max(z, axis=axis, keepdims=True)
        e = fnp.exp((z - top) * scale)
        norm = fnp.sum(e, axis=axis, keepdims=True)
        if pick == 0:
            return fnp.sum((e / norm) ** power * y)
        if pick == 1:
            log_norm = fnp.log(norm) + (scale if keep else 1.0) * top
            return fnp.sum(log_norm) - fnp.sum(z * y)
        if pick == 2:
            p = e / norm
            return fnp.sum(fnp.sum(p * y, axis=axis) ** 2) + (fnp.sum(top) if keep else 0.0)
        return fnp.sum(fnp.tanh(z - top - fnp.log(norm)) * y)

    f = grads(loss, 0, 1)
    require_same(fg.jit(f)(z, y), f(z, y), f"seed {seed}", ULPS)
    program = recorded(f, (z, y))
    after, _ = rewritten(program)
    require_same(after.evaluate(z, y), program.evaluate(z, y), f"seed {seed}", ULPS)


@given(programs(), st.booleans())
def test_random_programs_keep_their_values(program: GeneratedProgram, of_gradient: bool) -> None:
    args = list(program.inputs)
    f = fg.value_and_grad(program, tuple(range(len(args)))) if of_gradient else program
    with np.errstate(all="ignore"):
        whole = recorded(f, args)
        after, _ = rewritten(whole)
        require_same(after.evaluate(*args), whole.evaluate(*args), str(whole), ULPS)


# --- the steps themselves ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_past_kink_is_the_two_choices_to_the_last_bit(dtype: Any) -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.5, 5e-324, 1e30], dtype)
    x, ct = np.meshgrid(x, np.concatenate([x, -x]))
    with np.errstate(all="ignore"):
        wanted = np.where(~(x <= 0), ct, np.where(x == 0, 0.5 * ct, 0))
        for a, b in ((x, ct), (x.T, ct.T), (np.asfortranarray(x), ct), (x[::-1], ct[::-1])):
            found = past_kink(a, b, np.empty(a.shape, bool), np.empty(a.shape, dtype))
            expected = np.where(~(a <= 0), b, np.where(a == 0, 0.5 * b, 0))
            assert found.dtype == dtype
            np.testing.assert_array_equal(found, expected)
            assert np.array_equal(np.signbit(found), np.signbit(expected))
    assert wanted.shape == x.shape


def test_relu_at_zero_has_half_a_slope() -> None:
    x = np.zeros((30, 20))
    W = array(20, 40)
    f = fg.jit(fg.grad(relu_layer))
    for _ in range(2):
        np.testing.assert_array_equal(f(W, x), fg.grad(relu_layer)(W, x))
    assert "past_kink" in f.source(W, x)


@pytest.mark.parametrize("axis", [-1, 0, (0, 1), 1])
@pytest.mark.parametrize("scale", [1.0, 100.0, 1e4, 0.0])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_normalised_is_softmax_with_and_without_a_maximum(
    axis: Any, scale: float, dtype: Any
) -> None:
    x = (array(40, 60, seed=3) * scale).astype(dtype)
    for own in (x, x.T, x[::-1, ::2], x - 500):
        e = np.exp(own.astype(np.float64) - np.max(own, axis=axis, keepdims=True))
        wanted = e / e.sum(axis=axis, keepdims=True)
        found = normalised(own, axis, np.empty(own.shape, dtype))
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(found, wanted, rtol=2000 * eps, atol=eps * 1e-2)


@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan])
def test_softmax_of_special_values_is_that_of_its_steps(special: float) -> None:
    x = array(40, 60)
    x[3, 5] = x[7] = special
    compiled = fg.jit(weights)
    with np.errstate(all="ignore"):
        for _ in range(2):
            np.testing.assert_array_equal(np.isnan(compiled(x)), np.isnan(weights(x)))
    assert "normalised" in compiled.source(x)


def test_warnings_of_the_steps_come() -> None:
    x = array(40, 60)
    x[7] = np.inf
    compiled = fg.jit(weights)
    for f in (weights, compiled, compiled):
        with pytest.warns(RuntimeWarning, match="invalid value"):
            f(x)


def test_errors_are_raised_and_the_function_goes_on() -> None:
    x = array(40, 60)
    bad = np.full_like(x, np.inf)
    compiled = fg.jit(weights)
    compiled(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(RuntimeWarning):
                compiled(bad)
    require_same(compiled(x), weights(x), ulps=ULPS)


def test_steps_under_errstate_are_left_alone() -> None:
    def f(z: Any) -> Any:
        with np.errstate(over="raise"):
            return weights(z)

    program = recorded(f, (array(50, 60),))
    after, _ = rewritten(program)
    assert NORMALISED not in [e.primitive for e in after.equations]


def test_what_others_read_is_still_computed() -> None:
    def f(z: Any) -> Any:
        top = fnp.max(z, axis=-1, keepdims=True)
        e = fnp.exp(z - top)
        norm = fnp.sum(e, axis=-1, keepdims=True)
        return e / norm, norm, top

    z = array(50, 60)
    require_same(fg.jit(f)(z), f(z), ulps=ULPS)
    after, _ = rewritten(recorded(f, (z,)))
    assert NORMALISED not in [e.primitive for e in after.equations]


def test_small_arrays_keep_their_steps() -> None:
    after, _ = rewritten(recorded(grads(relu_layer), (array(2, 3), array(4, 2))))
    assert PAST_KINK not in [e.primitive for e in after.equations]


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (1, 1), (1, 5), (5, 1)])
def test_empty_arrays_and_single_elements(shape: tuple[int, ...]) -> None:
    z = array(*shape)
    for f in (softplus_first, relu_sum, *([weights, over_columns] if z.size else [])):
        g = f if f is weights else grads(f)
        compiled = fg.jit(g)
        for _ in range(2):
            require_same(compiled(z), g(z), ulps=ULPS)


def relu_sum(z: Any) -> Any:
    return fnp.sum(fnp.maximum(z, 0.0) ** 2)


def test_many_threads_call_one_function() -> None:
    f, args, _ = CASES["attention"]
    compiled = fg.jit(f)
    compiled(*args)
    inputs = [(args[0] * (1 + i), *args[1:]) for i in range(4)]
    require_same_in_threads(compiled, inputs, [compiled(*own) for own in inputs], 0)


def test_long_sums_are_gone_through_without_deep_recursion() -> None:
    def loss(z: Any) -> Any:
        total = z
        for _ in range(3000):
            total = total + fnp.sin(z)
        top = fnp.max(total, axis=1, keepdims=True)
        return fnp.sum(fnp.log(fnp.sum(fnp.exp(total - top), axis=1)) + top[:, 0])

    z = array(2, 3)
    program = recorded(grads(loss), (z,))
    after, decisions = rewritten(program)
    assert "maxima" in decisions
    require_same(after.evaluate(z), program.evaluate(z), ulps=1 << 20)

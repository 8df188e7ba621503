"""Loops that stay Python numbers from step to step give what they gave as arrays."""

import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.compile.regions import scalars_loops
from tests.jitting.alike import outcome, require_alike, require_same

ULPS = 64
"""The functions of `math` round differently, and their errors are carried on."""

rng = np.random.default_rng(0)
XS = rng.normal(size=(11, 2))
H = np.array([0.3, -0.7])
TABLE = np.array([[0.2, 0.5], [-0.4, 0.1]])


def predators(rates: Any, y: Any, xs: Any) -> Any:
    def slope(y: Any) -> Any:
        meetings = y[0] * y[1]
        return fnp.stack([rates[0] * y[0] - meetings, 0.3 * meetings - rates[1] * y[1]])

    def step(state: Any, x: Any) -> Any:
        y, total = state
        k = slope(y)
        y = y + 0.1 * slope(y + 0.05 * k)
        return (y, total + fnp.sum((y - x) ** 2)), y

    (y, total), ys = fg.scan(step, (y, 0.0), xs)
    return total / 11 + fnp.sum(fnp.tanh(ys) * y)


def backwards(a: Any, h: Any, xs: Any) -> Any:
    step = lambda c, x: (fnp.sin(c * a) + x, (c, fnp.sum(c)))
    h, (hs, sums) = fg.scan(step, h, xs, reverse=True)
    return fnp.sum(h) + fnp.sum(hs * hs) + fnp.prod(sums)


def batch(a: Any, h: Any, xs: Any) -> Any:
    def one(h: Any) -> Any:
        return fg.scan(lambda c, x: (fnp.tanh(c * a + x), c * x), h, xs)

    h, hs = fg.vmap(one, out_axes=(0, 1))(fnp.stack([h, 2 * h, h * h]))
    return fnp.sum(h**2) + fnp.sum(hs[:, 2] * hs[:, 1])


def slices_of_last_axis(a: Any, h: Any, xs: Any) -> Any:
    def one(xs: Any) -> Any:
        return fg.scan(lambda c, x: (c * a[0] + fnp.cos(x), c), 0.5, xs)[1]

    return fnp.sum(fg.vmap(one, in_axes=1)(xs) * xs[:1].T) + fnp.sum(h)


def counted(a: Any, h: Any, xs: Any) -> Any:
    return fnp.sum(fg.fori_loop(3, 12, lambda i, c: c * a / i + xs[0], h))


def followed(a: Any, h: Any, xs: Any) -> Any:
    (p, q), qs = fg.scan(lambda c, x: ((c[1], c[0] * a + x), c[1]), (h, h * 2), xs)
    return fnp.sum(p * q) + fnp.sum(qs)


def unchanged(a: Any, h: Any, xs: Any) -> Any:
    (s, c, m), _ = fg.scan(
        lambda c, x: ((c[0], c[1] * c[0] + x @ c[2], c[2]), None), (a[0], h, TABLE), xs
    )
    return s + fnp.sum(c) + fnp.sum(m)


def matrices(a: Any, h: Any, xs: Any) -> Any:
    step = lambda c, x: (fnp.tanh(c @ TABLE + fnp.outer(x, a)), c.T)
    c, cs = fg.scan(step, fnp.outer(h, a), xs)
    return fnp.sum(c * cs[2]) + fnp.sum(cs[:, 0, 1])


def flags(a: Any, h: Any, xs: Any) -> Any:
    def step(c: Any, x: Any) -> Any:
        value, flag = c
        value = fnp.where(flag, value * a, value - x)
        return (value, value > x), (value, value < 0)

    (v, flag), (vs, negative) = fg.scan(step, (h, np.array([True, False])), xs)
    return fnp.sum(fnp.where(flag, v, vs[3])) + fnp.sum(fnp.where(negative, vs, 1.0))


def integers(a: Any, h: Any, xs: Any) -> Any:
    numbers = np.arange(22, dtype=np.int32).reshape(11, 2)
    step = lambda c, nx: (c * a + nx[0] * nx[1], None)
    return fnp.sum(fg.scan(step, h, (numbers, xs))[0])


def nested(a: Any, h: Any, xs: Any) -> Any:
    def outer(c: Any, x: Any) -> Any:
        c = fg.fori_loop(0, 5, lambda i, c: fnp.sin(c * a) + 0.1 * x, c)
        return c, c

    return fnp.sum(fg.scan(outer, h, xs)[1] ** 2)


def single(a: Any, h: Any, xs: Any) -> Any:
    step = lambda c, x: (c * a[:1] + x[1:], c)
    c, cs = fg.scan(step, h[:1], xs)
    return fnp.sum(c) + fnp.sum(cs**3)


def starting_from_zero(a: Any, h: Any, xs: Any) -> Any:
    step = lambda c, x: (c * 0.5 + x * a, c)
    return fnp.sum(fg.scan(step, np.zeros(2), xs)[1] * h)


Loop = Callable[[Any, Any, Any], Any]
LOOPS: dict[str, Loop] = {
    f.__name__: f
    for f in (
        predators, backwards, batch, slices_of_last_axis, counted, followed, unchanged, matrices,
        flags, integers, nested, single, starting_from_zero,
    )
}  # fmt: skip
A = np.array([1.1, 0.4])
ARGS = (A, H, XS)
ALL = (0, 1, 2)


def ways(f: Loop) -> list[Callable[..., Any]]:
    return [
        f,
        fg.value_and_grad(f, argnums=ALL),
        lambda *args: fg.jvp(f, args, args),
        lambda a, h, xs: fg.hessian(lambda h: f(a, h, xs))(h),
        lambda a, h, xs: fg.vmap(fg.grad(f), in_axes=(0, None, None))(fnp.stack([a, a / 2]), h, xs),
    ]


def said(jitted: Any, *args: Any) -> int:
    return str(jitted.explain(*args)).count("throughout")


@pytest.mark.parametrize("chunk", [4, 4096])
@pytest.mark.parametrize("name", LOOPS)
def test_loops_compute_the_same(name: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scalars_loops, "CHUNK", chunk)
    for f in ways(LOOPS[name]):
        jitted, wanted = fg.jit(f), f(*ARGS)
        for _ in range(2):
            require_same(jitted(*ARGS), wanted, name, ULPS)
        more = tuple(0.7 * x for x in ARGS)
        require_same(jitted(*more), f(*more), name, ULPS)


@pytest.mark.parametrize("name", LOOPS)
def test_loops_are_numbers_throughout(name: str) -> None:
    for f in ways(LOOPS[name])[:2]:
        jitted = fg.jit(f)
        jitted(*ARGS)
        assert said(jitted, *ARGS)


@pytest.mark.parametrize("name", LOOPS)
def test_exact_loops_keep_every_bit(name: str) -> None:
    for f in ways(LOOPS[name]):
        jitted, wanted = fg.jit(f, exact=True), f(*ARGS)
        for _ in range(2):
            require_same(jitted(*ARGS), wanted, name)


@pytest.mark.parametrize("name", LOOPS)
def test_arguments_may_lie_in_memory_in_any_order(name: str) -> None:
    f = fg.value_and_grad(LOOPS[name], argnums=ALL)
    args = tuple(np.asfortranarray(x)[::-1] for x in ARGS)
    for x in args:
        x.flags.writeable = False
    jitted = fg.jit(f)
    for _ in range(2):
        require_same(jitted(*args), f(*args), name, ULPS)


def test_both_ways_of_a_loop_are_one_cluster_each() -> None:
    """What a step of the reverse loop reads of slices alone is not worth to be done before it."""
    jitted = fg.jit(fg.value_and_grad(predators, argnums=(0, 1)))
    jitted(*ARGS)
    assert said(jitted, *ARGS) == 2
    lines = [line for line in jitted.source(*ARGS).splitlines() if line.startswith(" " * 12)]
    assert not any("np.multiply(" in line or "np.add(" in line for line in lines)


def test_a_step_makes_no_arrays() -> None:
    jitted = fg.jit(fg.grad(predators))
    jitted(*ARGS)
    lines = jitted.source(*ARGS).splitlines()
    inside = [
        line
        for line in lines
        if line.startswith(" " * 12) and not line.strip().startswith(("for ", "raise"))
    ]
    steps = [line for line in inside if " = " in line]
    assert len(steps) > 20
    calls = [line.split("#")[0] for line in steps]
    assert not any("tolist" in call or "empty" in call or "np." in call for call in calls)


def test_large_steps_stay_arrays() -> None:
    xs, h = rng.normal(size=(6, 40)), rng.normal(size=40)

    def f(h: Any, xs: Any) -> Any:
        return fg.scan(lambda c, x: (fnp.tanh(c + x), c), h, xs)

    jitted = fg.jit(f)
    require_same(jitted(h, xs), f(h, xs), "large", ULPS)
    assert not said(jitted, h, xs)


@pytest.mark.parametrize("dtype", [np.float32, np.complex128, np.int64])
def test_other_dtypes_stay_arrays(dtype: Any) -> None:
    h, xs = np.ones(2, dtype), np.arange(12).reshape(6, 2).astype(dtype)

    def f(h: Any, xs: Any) -> Any:
        return fg.scan(lambda c, x: (c * x + c, c - x), h, xs)

    jitted = fg.jit(f)
    for _ in range(2):
        require_same(jitted(h, xs), f(h, xs), "dtype", ULPS)
    assert not said(jitted, h, xs)


def growing(a: Any, h: Any, xs: Any) -> Any:
    step = lambda c, x: (c * c * a + fnp.log(fnp.exp(x)), 1.0 / c)
    return fg.scan(step, h, xs)


@pytest.mark.parametrize("bad", [0.0, -0.0, 1e3, 1e200, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("place", [0, 5, 10])
def test_what_is_not_finite_is_that_of_numpy(bad: float, place: int) -> None:
    xs = XS.copy()
    xs[place, 1] = bad
    jitted = fg.jit(growing)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jitted(*ARGS)
    for args in ((A, H, xs), (A, np.array([bad, 1.0]), XS), (np.array([1.0, bad]), H, XS)):
        require_alike(outcome(jitted, *args), outcome(growing, *args), repr(bad), ulps=ULPS)


def lost(start: Any) -> Any:
    def step(c: Any, x: Any) -> Any:
        c = 1.0 / (c * 1e300 * 1e300) + x
        y = np.where(c * 1e200 * 1e200 > 3.0, x, np.minimum(1e300 * c * 1e10, 2.0))
        return c, (y, np.maximum(c, 1.0))

    return fg.scan(step, start, XS)


def test_infinities_that_get_lost_warn_as_well() -> None:
    jitted = fg.jit(lost, exact=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jitted(H)
        assert said(jitted, H)
    for start in (H, np.array([1e-300, 1.0]), np.array([-1.0, 1e-320])):
        require_alike(outcome(jitted, start), outcome(lost, start), repr(start))


def test_an_error_that_numpy_is_told_to_raise_is_raised() -> None:
    jitted = fg.jit(growing)
    args = A, np.array([0.0, 1.0]), XS
    require_same(jitted(*ARGS), growing(*ARGS), "before", ULPS)
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        jitted(*args)
    require_same(jitted(*ARGS), growing(*ARGS), "after", ULPS)


def test_results_have_memory_of_their_own() -> None:
    def f(a: Any, h: Any, xs: Any) -> Any:
        step = lambda c, x: ((c[0] * a + x, c[0]), (c[0], c[1] * 2, x, fnp.sum(x)))
        return fg.scan(step, (h, h), xs)

    jitted = fg.jit(f)
    jitted(*ARGS)
    first, wanted = jitted(*ARGS), f(*ARGS)
    second = jitted(*(2 * x for x in ARGS))
    require_same(first, wanted, "memory", ULPS)
    arrays = [x for x in fg.tree.leaves((first, second, ARGS)) if np.ndim(x)]
    for i, x in enumerate(arrays):
        assert not any(np.shares_memory(x, y) for y in arrays[:i])
    for x in fg.tree.leaves(first):
        if np.ndim(x):
            assert x.flags.c_contiguous
            x[...] = np.nan
    require_same(jitted(*ARGS), wanted, "again", ULPS)


def test_an_array_of_the_closure_may_change() -> None:
    table = TABLE.copy()
    jitted = fg.jit(lambda h: fg.scan(lambda c, x: (c * table[0] + x, c), h, XS))
    jitted(H)
    table[0] = 2.0
    wanted = fg.scan(lambda c, x: (c * np.full(2, 2.0) + x, c), H, XS)
    require_same(jitted(H), wanted, "closure", ULPS)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5])
def test_few_steps_compute_the_same(length: int) -> None:
    f = fg.value_and_grad(backwards, argnums=ALL)
    args = A, H, XS[:length]
    jitted = fg.jit(f)
    for _ in range(2):
        require_same(jitted(*args), f(*args), str(length), ULPS)


@pytest.mark.parametrize("start", [0.5, np.float64(0.5), np.array(0.5)])
def test_numbers_of_any_type_may_be_carried(start: Any) -> None:
    def f(start: Any) -> Any:
        step = lambda c, x: ((c[0] * 2.0, c[0] + c[1], c[2]), c[1])
        return fg.scan(step, (start, start, start), XS[:, 0])

    jitted, wanted = fg.jit(f), f(start)
    for _ in range(2):
        require_same(jitted(start), wanted, repr(start), ULPS)


def test_many_threads_may_call_one_function() -> None:
    f = fg.value_and_grad(predators, argnums=ALL)
    jitted = fg.jit(f)
    jitted(*ARGS)
    inputs = [(A * (1 + 0.01 * i), H, XS) for i in range(8)]
    wanted = [f(*args) for args in inputs]
    found: list[Any] = [None] * len(inputs)

    def work(i: int) -> None:
        for _ in range(30):
            found[i] = jitted(*inputs[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for x, y in zip(found, wanted, strict=True):
        require_same(x, y, "threads", ULPS)

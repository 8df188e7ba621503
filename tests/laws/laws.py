"""The laws that every primitive keeps, each a function of a case that raises AssertionError."""

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

import funcgrad as fg
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import bind
from funcgrad.families.elementwise import Elementwise
from funcgrad.interpreters.batch import Batch, BatchTracer
from funcgrad.interpreters.stage import Stage
from funcgrad.testing import numerical_jvp
from tests.laws.case import Case

EPS = {np.dtype(np.float16): 1e-3, np.dtype(np.float32): 1.2e-7, np.dtype(np.float64): 2.3e-16}


def results(out: Any) -> list[Any]:
    """The inexact results as a list."""
    outs = out if isinstance(out, tuple) else (out,)
    return [o for o in outs if getattr(o, "dtype", np.dtype(type(o))).kind in "fc"]


def tolerance(*values: Any) -> float:
    """A few thousand roundings of the coarsest dtype among the values."""
    return 4000 * max(
        EPS[np.zeros((), np.asarray(v).dtype).real.dtype]
        for v in values
        if np.asarray(v).dtype.kind in "fc"
    )


def close(found: Any, expected: Any, tol: float, what: str) -> None:
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, f"{what}: shape {found.shape}, not {expected.shape}"
    scale = 1 + np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected))
    np.testing.assert_allclose(found, expected, rtol=tol, atol=tol * scale, err_msg=what)


def like(rng: np.random.Generator, x: Any) -> Any:
    """A random direction with the shape and dtype of x."""
    x = np.asarray(x)
    direction = rng.normal(size=x.shape)
    if x.dtype.kind == "c":
        direction = direction + 1j * rng.normal(size=x.shape)
    return direction.astype(x.dtype)


def float_results(f: Any) -> Any:
    """The function with its inexact results only."""
    return lambda *args: results(f(*args))


def traced_value_is_the_plain_value(case: Case) -> None:
    f, args = case.function()
    plain = results(f(*args))
    out, _ = fg.vjp(float_results(f), *args)
    for found, expected in zip(out, plain, strict=True):
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))
        assert np.asarray(found).dtype == np.asarray(expected).dtype


def derivatives_keep_shape_and_dtype(case: Case) -> None:
    f, args = case.function()
    g = float_results(f)
    out, pull = fg.vjp(g, *args)
    rng = np.random.default_rng(1)
    for ct, x in zip(pull([like(rng, o) for o in out]), args, strict=True):
        assert np.shape(ct) == np.shape(x)
        assert np.asarray(ct).dtype == np.asarray(x).dtype
        assert type(ct) is type(x), (type(ct), type(x))
    _, dots = fg.jvp(g, tuple(args), tuple(like(rng, x) for x in args))
    for dot, o in zip(dots, out, strict=True):
        assert np.shape(dot) == np.shape(o)
        assert np.asarray(dot).dtype == np.asarray(o).dtype


def jvp_is_the_difference_quotient(case: Case) -> None:
    f, args = case.function()
    if any(np.asarray(a).dtype not in (np.float64, np.complex128) for a in args):
        args = [np.asarray(a, np.complex128 if np.iscomplexobj(a) else np.float64) for a in args]
    rng = np.random.default_rng(2)
    dots = [like(rng, x) for x in args]
    _, found = fg.jvp(float_results(f), tuple(args), tuple(dots))
    expected = numerical_jvp(float_results(f), args, dots, largest_step=1e-2)
    for one, value, error in zip(found, expected.value, expected.error, strict=True):
        bound = 1e-7 * (1 + np.abs(value)) + 10 * error
        assert np.all(error < 1e-4 * (1 + np.abs(value))), f"no reliable quotient: {error}"
        assert np.all(np.abs(one - value) <= bound), f"jvp {one}, quotient {value} ± {error}"


def jvp_is_linear_in_the_tangent(case: Case) -> None:
    f, args = case.function()
    g = float_results(f)
    rng = np.random.default_rng(3)
    u, v = [like(rng, x) for x in args], [like(rng, x) for x in args]
    mixed = tuple((2 * a - b).astype(a.dtype) for a, b in zip(u, v, strict=True))
    at = tuple(args)
    du, dv, dm = (fg.jvp(g, at, tuple(t))[1] for t in (u, v, mixed))
    for a, b, m in zip(du, dv, dm, strict=True):
        close(m, 2 * a - b, tolerance(m, *args), "jvp(2u - v) = 2 jvp(u) - jvp(v)")


def vjp_is_the_adjoint_of_jvp(case: Case) -> None:
    f, args = case.function()
    g = float_results(f)
    rng = np.random.default_rng(4)
    dots = [like(rng, x) for x in args]
    out, moved = fg.jvp(g, tuple(args), tuple(dots))
    cts = [like(rng, o) for o in out]
    pulled = fg.vjp(g, *args)[1](cts)
    left = sum(np.sum(np.real(a * b)) for a, b in zip(cts, moved, strict=True))
    right = sum(np.sum(np.real(a * b)) for a, b in zip(pulled, dots, strict=True))
    size = sum(np.sum(np.abs(a * b)) for a, b in zip(cts, moved, strict=True))
    tol = tolerance(*args, *out)
    assert abs(left - right) <= tol * (1 + size), f"<ct, J t> = {left}, <Jᵀct, t> = {right}"


def forward_over_reverse_is_reverse_over_forward(case: Case) -> None:
    f, args = case.function()
    g = float_results(f)
    rng = np.random.default_rng(5)
    dots = tuple(like(rng, x) for x in args)
    weights = [like(rng, o) for o in g(*args)]

    def total(*xs: Any) -> Any:
        return sum(np.sum(np.real(w * o)) for w, o in zip(weights, g(*xs), strict=True))

    every = tuple(range(len(args)))
    _, forward = fg.jvp(fg.grad(total, every), tuple(args), dots)
    reverse = fg.grad(lambda *xs: fg.jvp(total, xs, dots)[1], every)(*args)
    for a, b in zip(forward, reverse, strict=True):
        close(a, b, 10 * tolerance(*args), "jvp of grad = grad of jvp")


def second_derivative_is_the_difference_quotient(case: Case) -> None:
    f, args = case.function()
    g = float_results(f)
    rng = np.random.default_rng(6)
    dots = tuple(like(rng, x) for x in args)
    weights = [like(rng, o) for o in g(*args)]

    def total(*xs: Any) -> Any:
        return sum(np.sum(np.real(w * o)) for w, o in zip(weights, g(*xs), strict=True))

    every = tuple(range(len(args)))
    gradient = fg.grad(total, every)
    _, found = fg.jvp(gradient, tuple(args), dots)
    expected = numerical_jvp(
        lambda *xs: gradient(*xs), args, dots, method="differences", largest_step=1e-2
    )
    for one, value, error in zip(found, expected.value, expected.error, strict=True):
        bound = 1e-6 * (1 + np.abs(value)) + 10 * error
        assert np.all(np.abs(one - value) <= bound), f"second {one}, quotient {value} ± {error}"


def batching_is_stacking(case: Case) -> None:
    """For each combination of batched operands, of three examples and of one."""
    count = len(case.args)
    for flags in itertools.product((True, False), repeat=count):
        if not any(flags) or any(flags[position] for position in case.alike):
            continue
        for size in (3, 1):
            _batching(case, flags, size)


def _batching(case: Case, flags: tuple[bool, ...], size: int) -> None:
    rng = np.random.default_rng(7)
    stacks = []
    for arg, flag in zip(case.args, flags, strict=True):
        x = np.asarray(arg)
        if not flag:
            stacks.append(arg)
        elif x.dtype.kind in "fc":
            scale = 1 + 0.02 * rng.uniform(size=(size,) + (1,) * x.ndim)
            stacks.append((x * scale).astype(x.dtype))
        else:
            stacks.append(np.stack([x] * size))
    trace = Batch("vmap", size)
    operands = [BatchTracer(stack, flag, trace) for stack, flag in zip(stacks, flags, strict=True)]
    found = bind(case.primitive, *operands, **case.params)
    trace.close()
    expected = [
        bind(
            case.primitive,
            *(s[i] if flag else s for s, flag in zip(stacks, flags, strict=True)),
            **case.params,
        )
        for i in range(size)
    ]
    many = isinstance(found, tuple)
    for position, one in enumerate(found if many else (found,)):
        rows = [row[position] if many else row for row in expected]
        assert one.batched
        stacked = np.stack([np.asarray(row) for row in rows])
        assert one.value.dtype == stacked.dtype
        close(one.value, stacked, tolerance(*_inexact(rows)), f"batched operands {flags}")


def batching_does_not_loop(case: Case) -> None:
    """The batching rule applies as many primitives to eleven examples as to three."""
    counts = []
    for size in (3, 11):
        stage = Stage("make_program")
        trace = Batch("vmap", size)
        operands = [
            BatchTracer(stage.input(np.stack([np.asarray(arg)] * size)), True, trace)
            if position not in case.alike
            else arg
            for position, arg in enumerate(case.args)
        ]
        bind(case.primitive, *operands, **case.params)
        counts.append(len(stage.items))
    assert counts[0] == counts[1], f"{counts[0]} equations for 3 examples, {counts[1]} for 11"


def _inexact(rows: list[Any]) -> list[Any]:
    found = [row for row in rows if np.asarray(row).dtype.kind in "fc"]
    return found or [np.float64(0)]


def pulls_written_out_are_the_derived_ones(case: Case) -> None:
    """Of an elementwise primitive: the fast reverse rule against the one derived from its rule."""
    table = getattr(case.primitive.vjp, "__self__", None)
    if not isinstance(table, Elementwise):
        return
    args = case.args
    out = case.primitive.value(*args, **case.params)
    ct = like(np.random.default_rng(8), out)
    letters = {"z": out, "x": args[0], "y": args[-1]}
    for active in itertools.product((True, False), repeat=len(args)):
        if not any(active):
            continue
        found = []
        for keep, pull in (table.pull(active), table._derive(active)):
            values = [letters[letter] for letter in keep]
            residuals = None if not values else values[0] if len(values) == 1 else tuple(values)
            part = ct if pull is None else pull(ct, residuals)
            found.append(part if isinstance(part, tuple) else (part,))
        for a, b in zip(*found, strict=True):
            close(a, b, tolerance(out), f"pull of {active}")


def program_gives_the_same(case: Case) -> None:
    f, args = case.function()
    if not args:
        return
    program = fg.make_program(float_results(f))(*args)
    hash(program)
    assert str(program)
    for found, expected in zip(program.evaluate(*args), results(f(*args)), strict=True):
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


def fast_path_is_the_general_path(case: Case) -> None:
    """What the specialised functions and operators record, against what `bind` records."""
    ufunc = getattr(np, case.name, None) or FAST_NAMES.get(case.name)
    fast = DISPATCH.get(ufunc)
    if fast is None:
        return
    count = len(case.args)
    for active in itertools.product((True, False), repeat=count):
        if not any(active) or not all(i in case.active for i in range(count) if active[i]):
            continue
        chosen = [arg for arg, flag in zip(case.args, active, strict=True) if flag]
        found, expected = (
            _value_and_pull(_filled(f, case.args, active), chosen)
            for f in (fast, lambda *args: bind(case.primitive, *args))
        )
        for a, b in zip(found, expected, strict=True):
            close(a, b, tolerance(*found), f"fast path, active {active}")
            assert np.asarray(a).dtype == np.asarray(b).dtype
    if case.args[0].dtype == np.float64:
        _numbers(case, fast)


FAST_NAMES = {"divide": np.true_divide}


def _filled(f: Any, args: Sequence[Any], active: Sequence[bool]) -> Any:
    def apply(*chosen: Any) -> Any:
        rest = iter(chosen)
        return f(*(next(rest) if flag else a for a, flag in zip(args, active, strict=True)))

    return apply


def _value_and_pull(f: Any, args: Sequence[Any]) -> list[Any]:
    out, pull = fg.vjp(f, *args)
    return [out, *pull(like(np.random.default_rng(9), out))]


def _numbers(case: Case, fast: Any) -> None:
    """Python numbers beside traced values, on either side, and one value in both places."""
    if len(case.args) == 1 or np.asarray(case.args[1]).dtype != np.float64:
        return
    x, y = case.args
    number_x, number_y = (float(np.ravel(a)[0]) if a.size else 0.5 for a in (x, y))
    general = functools.partial(bind, case.primitive)
    for f, g, args in (
        (lambda a: fast(a, number_y), lambda a: general(a, number_y), (x,)),
        (lambda b: fast(number_x, b), lambda b: general(number_x, b), (y,)),
        (lambda a: fast(a, a), lambda a: general(a, a), (np.abs(x) + 0.25,)),
    ):
        found, expected = _value_and_pull(f, args), _value_and_pull(g, args)
        for a, b in zip(found, expected, strict=True):
            close(a, b, tolerance(*found), "fast path, Python numbers")


def function_is_its_program(call: Any, args: Sequence[Any]) -> None:
    """A function of NumPy's, which may have a fast path, against its program, which has none."""
    program = fg.make_program(call)(*args)
    found, expected = (
        fg.vjp(f, *args)
        for f in (float_results(call), lambda *xs: results(tuple(program.evaluate(*xs))))
    )
    cts = [like(np.random.default_rng(10), o) for o in found[0]]
    for a, b in zip([*found[0], *found[1](cts)], [*expected[0], *expected[1](cts)], strict=True):
        if np.asarray(a).dtype.kind in "fc":
            close(a, b, tolerance(a), "function and program")

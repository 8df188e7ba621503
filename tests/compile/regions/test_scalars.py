"""Small arrays as Python numbers: the values are NumPy's, for all primitives and random programs.

Costs are such here that all that can be a cluster of numbers is one.
"""

import dataclasses
import threading
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import funcgrad as fg
from funcgrad.compile.emit import emit
from funcgrad.compile.load import load
from funcgrad.compile.naming import Names
from funcgrad.compile.passes import optimised
from funcgrad.compile.regions.context import Context, Segment
from funcgrad.compile.regions.costs import DEFAULT
from funcgrad.compile.regions.scalars import NUMBERS, OPERATIONS, as_numbers
from funcgrad.compile.regions.table import Region, over_program
from funcgrad.compile.writer import Writer
from funcgrad.core.program import Equation, Program
from funcgrad.core.tracer import bind
from funcgrad.jitting.scopes import JitScope
from funcgrad.testing.programs import GeneratedProgram
from funcgrad.testing.strategies import programs
from tests.compile.passes.sameness import everything, points, recorded, same_bits
from tests.laws.case import Case
from tests.laws.laws import results
from tests.laws.test_laws import CASES, SMOOTH

REGION = Region("numbers", as_numbers)
PAYS = dataclasses.replace(
    DEFAULT, ufunc=1e9, function=1e9, product=1e9, number=1.0, to_list=0.0, from_list=0.0
)


def compiled(
    program: Program, exact: bool = False, backend: str = "numpy", region: Region = REGION
) -> tuple[Any, str]:
    """The program written and compiled with clusters wherever there can be any; and its source."""
    names = Names()
    scope = JitScope(names)
    context = Context(exact=exact, backend=backend, costs=PAYS)
    after = over_program(program, context, [region])
    emitted = emit(
        names.fresh("compiled"),
        [after],
        Writer(scope, names, scratch=True),
        lambda _path, texts: f"[{', '.join(texts)}]",
        lambda _guard: "raise AssertionError",
    )
    return load(emitted.text, emitted.name, scope.namespace), emitted.text


def clusters(program: Program) -> list[Equation]:
    return [e for e in program.equations if e.primitive is NUMBERS]


def require_kept(
    program: Program, args: list[Any], tolerance: float = 1e-11, **backend: Any
) -> None:
    """Require the values of a program of its clusters, exact ones to the last bit."""
    whole = everything(program)
    for one, exact in ((whole, False), (whole, True), (optimised(program)[0], False)):
        run, text = compiled(one, exact, **backend)
        with np.errstate(all="ignore"):
            expected, found = one.evaluate(*args), run(*args)
        for x, y in zip(found, expected, strict=True):
            assert type(x) is type(y), text
            assert np.shape(x) == np.shape(y), text
            assert np.asarray(x).dtype == np.asarray(y).dtype, text
            if exact:
                assert same_bits(x, y), text
            else:
                require_close(x, y, tolerance, text)
            assert not any(np.may_share_memory(x, arg) for arg in args) or x is y


def require_close(x: Any, y: Any, tolerance: float, text: str) -> None:
    x, y = np.asarray(x), np.asarray(y)
    if y.dtype.kind != "f" or y.dtype.itemsize != 8:
        assert same_bits(x, y), text
        return
    np.testing.assert_array_equal(np.isnan(x), np.isnan(y), text)
    np.testing.assert_array_equal(np.where(np.isinf(y), x, 0), np.where(np.isinf(y), y, 0), text)
    usual = np.isfinite(y)
    scale = np.max(np.abs(y[usual]), initial=1.0)
    np.testing.assert_allclose(
        x[usual], y[usual], rtol=tolerance, atol=tolerance * scale, err_msg=text
    )


def followed(f: Any) -> Any:
    """The function, and an operation of each of its results: a cluster has two equations."""

    def two(*args: Any) -> Any:
        out = f(*args)
        outs = out if isinstance(out, tuple) else (out,)
        more = [_another(out) for out in outs]
        return (*outs, *more)

    return two


def _another(x: Any) -> Any:
    return np.logical_not(x) if x.dtype.kind == "b" else np.negative(x)


# --- laws -------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [case for case in CASES if case.args], ids=str)
def test_a_primitive(case: Case):
    f = followed(lambda *args: bind(case.primitive, *args, **case.params))
    require_kept(recorded(f, *case.args), list(case.args))


@pytest.mark.parametrize("case", SMOOTH, ids=str)
def test_derivatives_of_a_primitive(case: Case):
    f, args = case.function()
    dots = [np.ones_like(x) for x in args]
    half = len(args)
    g = lambda *xs: fg.jvp(lambda *ys: tuple(results(f(*ys))), xs[:half], xs[half:])
    require_kept(recorded(g, *args, *dots), [*args, *dots], 1e-9)


UNARY = (
    "negative", "absolute", "sign", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt",
    "cbrt", "square", "reciprocal", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh",
    "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "deg2rad", "rad2deg", "floor", "ceil", "trunc",
    "rint", "isnan", "isfinite", "isinf", "signbit", "fabs",
)  # fmt: skip
BINARY = (
    "add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "fmax", "fmin",
    "hypot", "arctan2", "logaddexp", "remainder", "floor_divide", "fmod", "copysign", "heaviside",
    "less", "less_equal", "greater", "greater_equal", "equal", "not_equal",
)  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_a_function_of_special_values(name: str):
    ufunc = getattr(np, name)
    for x in points():
        require_kept(recorded(followed(ufunc), x), [x])
        for one in np.ravel(x):  # alone none is hidden by another that is not finite
            require_kept(recorded(followed(ufunc), one), [one])


@pytest.mark.parametrize("name", BINARY)
def test_an_operation_of_special_values(name: str):
    ufunc = getattr(np, name)
    values = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.5, 2.5, -3.0, 1e300])
    program = recorded(followed(ufunc), np.ones(1), np.ones(1))
    run, text = compiled(program)
    assert "except NOT_FINITE" in text
    for x in values:
        for y in values:
            args = [np.array([x]), np.array([y])]
            with np.errstate(all="ignore"):
                for found, expected in zip(run(*args), program.evaluate(*args), strict=True):
                    require_close(found, expected, 1e-14, f"{name}({x}, {y})")


@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_special_values_that_only_comparisons_see(name: str):
    """Nothing in the results tells that something is not finite."""
    ufunc = getattr(np, name)
    values = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.5, 2.5, -3.0, 1e300])
    count = 1 if name in UNARY else 2

    def f(*args: Any) -> Any:
        y = np.where(ufunc(*args), ufunc(*args) * 1.0, 0.0)
        return (
            np.isnan(y),
            y > 1e-3,
            y < -1e-3,
            np.isinf(y),
            np.signbit(np.where(np.isnan(y), 1.0, y)),
        )

    program = recorded(f, *[np.ones(1)] * count)
    run, text = compiled(program)
    assert "except NOT_FINITE" in text
    for x in values:
        for y in values if count == 2 else values[:1]:
            args = [np.array([x]), np.array([y])][:count]
            with np.errstate(all="ignore"):
                expected, found = program.evaluate(*args), run(*args)
            assert found == expected, f"{name}({x}, {y})"


@given(program=programs(), order=st.sampled_from("CF"))
def test_random_programs(program: GeneratedProgram, order: str):
    inputs = [np.asarray(x, order=order) for x in program.inputs]
    every = tuple(range(len(inputs)))
    require_kept(recorded(fg.value_and_grad(program, every), *inputs), inputs)


@given(program=programs(dtype=np.float32, scalar=False))
def test_random_programs_of_single_precision(program: GeneratedProgram):
    inputs = list(program.inputs)
    plain = recorded(program, *inputs)
    run, _ = compiled(plain)
    for x, y in zip(run(*inputs), plain.evaluate(*inputs), strict=True):
        assert same_bits(x, y)


@given(program=programs(operations=6))
def test_second_derivatives_of_random_programs(program: GeneratedProgram):
    inputs = list(program.inputs)
    every = tuple(range(len(inputs)))
    require_kept(recorded(fg.hessian(program, every), *inputs), inputs, 1e-9)


@given(program=programs(operations=6), factor=st.sampled_from([0.0, -0.0, np.inf, np.nan, 1e300]))
def test_random_programs_far_from_where_they_were_recorded(
    program: GeneratedProgram, factor: float
):
    every = tuple(range(len(program.inputs)))
    gradient = recorded(fg.grad(program, every), *program.inputs)
    if not any(type(item).__name__ == "Guard" for item in gradient.items):
        with np.errstate(all="ignore"):
            far = [x * factor for x in program.inputs]
        run, text = compiled(gradient)
        with np.errstate(all="ignore"):
            expected, found = gradient.evaluate(*far), run(*far)
        for x, y in zip(found, expected, strict=True):
            assert type(x) is type(y)
            np.testing.assert_array_equal(np.isfinite(x), np.isfinite(y), text)


@given(program=programs())
def test_random_programs_through_jit(program: GeneratedProgram):
    inputs = list(program.inputs)
    every = tuple(range(len(inputs)))
    f = fg.value_and_grad(program, every)
    jitted, exact = fg.jit(f), fg.jit(f, exact=True)
    jitted(*inputs), exact(*inputs)
    for x, y in zip(fg.tree.leaves(jitted(*inputs)), fg.tree.leaves(exact(*inputs)), strict=True):
        assert type(x) is type(y)
        require_close(x, y, 1e-11, "")


# --- at work ----------------------------------------------------------------------------------


def rigid(q: Any, t: Any, p: Any, u: Any) -> Any:
    """The error of a point, rotated by a unit quaternion and projected, beside what was seen."""
    q = q / np.sqrt(np.sum(q * q))
    v = 2 * np.cross(q[1:], p)
    moved = p + q[0] * v + np.cross(q[1:], v) + t
    return np.sum((moved[:2] / moved[2] - u) ** 2)


def pose() -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=4), np.array([0.1, 0.2, 3.0]), rng.normal(size=3), rng.normal(size=2)]


def test_a_rotated_point_becomes_numbers():
    args = pose()
    f = fg.value_and_grad(rigid, (0, 1))
    jitted = fg.jit(f)
    jitted(*args)
    assert "isfinite(" in jitted.source(*args)
    assert any("numbers:" in text for text in jitted.explain(*args).decisions)
    for x, y in zip(fg.tree.leaves(jitted(*args)), fg.tree.leaves(f(*args)), strict=True):
        assert type(x) is type(y)
        require_close(x, y, 1e-13, "")


def test_exact_results_keep_their_bits():
    args = pose()
    f = fg.value_and_grad(rigid, (0, 1))
    jitted = fg.jit(f, exact=True)
    jitted(*args)
    for x, y in zip(fg.tree.leaves(jitted(*args)), fg.tree.leaves(f(*args)), strict=True):
        assert same_bits(x, y)


def test_numbers_of_a_loop_body():
    def f(x: Any) -> Any:
        step = lambda c, _: (np.sin(c * 1.5) * c + np.exp(-c) / (1 + c * c), c)
        return fg.scan(step, x, None, length=5)

    x = np.array([0.3, 0.7])
    jitted = fg.jit(f)
    jitted(x)
    for found, expected in zip(jitted(x), f(x), strict=True):
        require_close(found, expected, 1e-13, "")


def test_large_arrays_are_left_alone():
    program = recorded(lambda x: np.sin(np.cos(x * 2) + 1), np.ones(1000))
    context = Context()
    after = as_numbers(Segment(program.equations, frozenset({0})), context)
    assert list(after) == list(program.equations)
    assert not context.decisions


def test_what_does_not_pay_is_left_alone():
    """Two sums of sixteen elements are faster in NumPy."""
    program = recorded(lambda x, y: (x + y) + 1, np.ones(16), np.ones(16))
    assert not clusters(over_program(program, Context(), [REGION]))


def test_an_equation_at_the_edge_that_does_not_pay_stays_out():
    """The sum of 5 x 3 products is NumPy's, what follows on 3 elements is numbers."""
    f = lambda x, w: np.sin(np.cos(np.exp(np.tanh(x @ w) * 2) + 1) - 3)
    program = recorded(f, np.ones(5), np.ones((5, 3)))
    after = over_program(program, Context(), [REGION])
    assert after.equations[0].primitive.name == "matmul"
    assert len(clusters(after)) == 1


def test_too_many_operations_are_left_to_numpy():
    def f(x: Any) -> Any:
        for _ in range(OPERATIONS // 20):
            x = np.sin(x)
        return x

    program = recorded(f, np.ones(16))
    context = Context(costs=PAYS)
    assert not clusters(over_program(program, context, [REGION]))
    assert "too long" in str(context.decisions[0])


# --- what is not finite -----------------------------------------------------------------------


def overflowing(x: Any) -> Any:
    return np.exp(x * x) * x + np.log(x)


@pytest.mark.parametrize("value", [1e3, 0.0, -1.0])
def test_warnings_are_those_of_numpy(value: float):
    x = np.array([0.5, value])
    jitted = fg.jit(overflowing)
    jitted(np.array([0.5, 0.7]))
    assert "isfinite(" in jitted.source(x)
    with warnings.catch_warnings(record=True) as expected:
        warnings.simplefilter("always")
        y = overflowing(x)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        z = jitted(x)
    assert {str(w.message) for w in expected} == {str(w.message) for w in found} != set()
    np.testing.assert_array_equal(y, z)


def test_an_arm_that_is_not_taken_warns_as_in_numpy():
    def f(x: Any) -> Any:
        return np.where(x > 0, np.log(x), x * 2) * np.exp(x)

    x = np.array([0.0, 1.0])
    jitted = fg.jit(f)
    jitted(x + 1)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        found = jitted(x)
    np.testing.assert_allclose(found, [0.0, 0.0], atol=0)


def test_an_error_that_numpy_is_told_to_raise_is_raised():
    jitted = fg.jit(overflowing)
    jitted(np.array([0.5, 0.7]))
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        jitted(np.array([0.0, 1.0]))
    np.testing.assert_allclose(jitted(np.array([2.0])), overflowing(np.array([2.0])))


def test_python_numbers_divide_by_zero_as_in_python():
    f = lambda a, b: (a / b + a * a - b) * 2.0 + abs(a)
    jitted = fg.jit(f)
    assert jitted(1.0, 2.0) == f(1.0, 2.0)
    assert jitted(1.5, 2.0) == f(1.5, 2.0)
    with pytest.raises(ZeroDivisionError):
        jitted(1.0, 0.0)


# --- kinds of arguments -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "x",
    [
        np.linspace(0.1, 2, 6).reshape(2, 3),
        np.asfortranarray(np.linspace(0.1, 2, 6).reshape(2, 3)),
        np.linspace(0.1, 2, 6).reshape(2, 3)[::-1, ::-1],
        np.linspace(0.1, 2, 12).reshape(2, 6)[:, ::2],
        np.broadcast_to(np.array([0.5, 1.5, 2.5]), (2, 3)),
        np.ones((2, 0)),
        np.ones((1, 1)),
        np.float64(0.7),
        np.array(0.7),
        0.7,
        3,
        True,
        np.array([True, False]),
        np.array([1, 2, 3]),
        np.array([1.5, 2.5], np.float32),
    ],
    ids=lambda x: f"{type(x).__name__} {getattr(x, 'dtype', '')} {np.shape(x)}",
)
def test_kinds_of_arguments(x: Any):
    def f(x: Any) -> Any:
        y = np.exp(-(x * 0.5)) + np.sin(x) * x
        return y, np.sum(np.tanh(y)), np.where(y > 1, y, 0.5), y > 1, np.tanh(y) * x

    if isinstance(x, np.ndarray):
        x.flags.writeable = False
    jitted = fg.jit(f)
    jitted(x)
    for found, expected in zip(jitted(x), f(x), strict=True):
        assert type(found) is type(expected)
        assert np.asarray(found).dtype == np.asarray(expected).dtype
        rtol = 1e-6 if np.asarray(expected).dtype == np.float32 else 1e-14
        np.testing.assert_allclose(found, expected, rtol=rtol)


@pytest.mark.parametrize("join", [np.vdot, np.matmul, np.maximum, np.multiply, np.outer])
def test_operations_of_truth_values_keep_their_dtype(join: Any):
    f = lambda x: (join(x, x), np.sin(join(x, x) * 1.5) + np.cos(join(x, x) * 0.5))
    x = np.array([True, False, True])
    jitted = fg.jit(f)
    jitted(x)
    for found, expected in zip(jitted(x), f(x), strict=True):
        assert np.asarray(found).dtype == np.asarray(expected).dtype
        np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_arguments_that_share_memory():
    x = np.array([0.1, 0.2, 0.3])
    f = lambda x, y: (np.sin(x) * y + x, np.cos(y) - x)
    jitted = fg.jit(f)
    for args in ((x, x), (x, x[::-1])):
        jitted(*args)
        for found, expected in zip(jitted(*args), f(*args), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_an_array_of_the_closure_may_change():
    table = np.array([1.0, 2.0])
    jitted = fg.jit(lambda x: np.sin(x) * table + np.cos(table * x))
    x = np.array([0.5, 0.25])
    jitted(x)
    table *= 3
    np.testing.assert_allclose(jitted(x), np.sin(x) * table + np.cos(table * x), rtol=1e-15)


def test_results_have_memory_of_their_own():
    jitted = fg.jit(lambda x: (np.sin(x) * 2 + np.cos(x), np.exp(x) * np.tanh(x)))
    x = np.array([0.5, 0.25])
    jitted(x)
    first = jitted(x)
    kept = [y.copy() for y in first]
    jitted(x * 3)
    for y, z in zip(first, kept, strict=True):
        np.testing.assert_array_equal(y, z)
        assert y.flags.writeable
        y[...] = 0
    np.testing.assert_array_equal(jitted(x)[0], kept[0])


def test_names_of_functions_may_be_names_of_variables():
    def f(exp: Any, empty: Any) -> Any:
        pack_2d = np.exp(exp) * empty
        log = np.log(pack_2d) + exp
        return log * np.exp(log), pack_2d

    args = np.array([0.5, 0.25]), np.array([1.5, 2.5])
    jitted = fg.jit(f)
    jitted(*args)
    for found, expected in zip(jitted(*args), f(*args), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_many_threads_meet_the_first_overflow_together():
    jitted = fg.jit(overflowing)
    jitted(np.array([0.5, 0.7]))
    x = np.array([1e3, 0.5])
    with np.errstate(all="ignore"):
        expected = overflowing(x)
    wrong: list[Any] = []
    start = threading.Barrier(8)

    def call() -> None:
        start.wait()
        with np.errstate(all="ignore"):
            found = [jitted(x) for _ in range(50)]
        wrong.extend(y for y in found if not np.array_equal(y, expected))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_long_expressions_are_cut():
    def f(x: Any) -> Any:
        y = x
        for _ in range(400):
            y = 0.5 - (y - (x + y * 0.5))
        return y * 2, y

    x = np.array([0.5, 0.25])
    jitted = fg.jit(f)
    jitted(x)
    for found, expected in zip(jitted(x), f(x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)

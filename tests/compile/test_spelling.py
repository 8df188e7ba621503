"""The source of each equation computes what its primitive computes, to the last bit."""

import math
import timeit
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.compile.spelling import spelled, takes_out
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.program import Constant, Equation, Guard, Program, Variable
from funcgrad.core.tracer import bind
from tests.laws import laws
from tests.laws.case import Case
from tests.laws.test_laws import CASES

SIMPLE = (bool, int, float, complex, str, type(None))


class Namespace:
    """A scope whose names are bound in a dictionary."""

    def __init__(self) -> None:
        self.bound: dict[str, Any] = {"np": np, "math": math}

    def constant(self, value: Any) -> str:
        if type(value) in SIMPLE and repr(value)[-3:] not in ("nan", "inf", "nf)", "an)"):
            return f"({value!r})" if repr(value)[0] == "-" else repr(value)
        return self._bind("c", value)

    def helper(self, function: Callable[..., Any], name: str) -> str:
        assert name.isidentifier()
        return self._bind(name, function)

    def _bind(self, stem: str, value: Any) -> str:
        name, number = stem, 1
        while name in self.bound and self.bound[name] is not value:
            number += 1
            name = f"{stem}_{number}"
        self.bound[name] = value
        return name


def bits(x: Any) -> tuple[Any, ...]:
    """All that must be the same, NaN for NaN."""
    if isinstance(x, tuple):
        return tuple(map(bits, x))
    array = np.asarray(x)
    kept = np.where(np.isnan(array), np.nan, array) if array.dtype.kind in "fc" else array
    return type(x), array.dtype, array.shape, kept.astype(array.dtype).tobytes()


def outcome(run: Callable[[], Any]) -> tuple[Any, Any, set[Any]]:
    """The value or the error, and the kinds of warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            value, error = run(), None
        except Exception as raised:  # noqa: BLE001  # whatever it is, it must be the same
            value, error = None, type(raised)
    return value, error, {warning.category for warning in caught}


def source_of(equation: Equation, values: Sequence[Any], out: str | None = None) -> Any:
    """The text for an equation, with operands named as in a program, and its namespace."""
    scope = Namespace()
    names = []
    for i, (operand, value) in enumerate(zip(equation.operands, values, strict=True)):
        if isinstance(operand, Variable):
            names.append(f"x{i}")
            scope.bound[f"x{i}"] = value
        else:
            names.append(scope.constant(value))
    return spelled(equation, names, scope, out), scope.bound


def check(equation: Equation, values: Sequence[Any]) -> Any:
    """The value of an equation, after all ways to write it have been compared with it."""
    params = dict(equation.params)
    expected, error, warned = outcome(lambda: equation.primitive.value(*values, **params))
    text, namespace = source_of(equation, values)
    found, raised, told = outcome(lambda: eval(text, namespace))
    assert raised is error, f"{equation}: {text} raised {raised}, not {error}"
    if error is not None:
        return None
    if len(equation.results) == 1 and type(expected) is tuple:
        expected = expected[0]
    assert bits(found) == bits(expected), f"{equation}: {text} is {found}, not {expected}"
    assert told == warned, f"{equation}: {text} warned {told}, not {warned}"
    if takes_out(equation):
        assert type(expected) is np.ndarray
        text, namespace = source_of(equation, values, "memory")
        namespace["memory"] = memory = np.full(expected.shape, 7, expected.dtype)
        found, _, told = outcome(lambda: eval(text, namespace))
        assert found is memory, f"{text} did not use the memory"
        assert bits(found) == bits(expected), f"{equation}: {text} is {found}, not {expected}"
        assert told == warned
    return expected


def check_program(program: Program, args: Sequence[Any]) -> None:
    """Every equation, at the values that it has in the program."""
    values: dict[int, Any] = {v.number: a for v, a in zip(program.inputs, args, strict=True)}
    for item in program.items:
        if isinstance(item, Guard):
            continue
        operands = [o.value if isinstance(o, Constant) else values[o.number] for o in item.operands]
        out = check(item, operands)
        results = out if type(out) is tuple else (out,)
        values.update({v.number: r for v, r in zip(item.results, results, strict=True)})


def programs(case: Case) -> Iterator[tuple[Program, Sequence[Any]]]:
    """The case, its derivatives, and its batches."""
    everything = lambda *args: bind(case.primitive, *args, **case.params)
    if case.args:
        yield fg.make_program(everything)(*case.args), case.args
    if case.primitive.vjp is not None and case.active:
        f, args = case.function()
        g = laws.float_results(f)
        rng = np.random.default_rng(0)
        cts = [laws.like(rng, o) for o in g(*args)]
        dots = [laws.like(rng, x) for x in args]
        given = [*args, *cts]
        yield (
            fg.make_program(lambda *xs: fg.vjp(g, *xs[: len(args)])[1](list(xs[len(args) :])))(
                *given
            ),
            given,
        )
        given = [*args, *dots]
        yield (
            fg.make_program(
                lambda *xs: fg.jvp(g, tuple(xs[: len(args)]), tuple(xs[len(args) :]))[1]
            )(*given),
            given,
        )
    if not case.primitive.data_dependent and not case.alike and case.args:
        stacks = [np.stack([np.asarray(arg)] * 2) for arg in case.args]
        yield fg.make_program(fg.vmap(everything))(*stacks), stacks


@pytest.mark.parametrize("name", sorted(PRIMITIVES))
def test_source_computes_what_the_primitive_computes(name: str):
    for case in CASES:
        if case.name == name:
            for program, args in programs(case):
                check_program(program, args)


FOLDED = [
    ((3, 4), (4,)), ((3, 4), (1, 4)), ((3, 4), (3, 1)), ((3, 4), ()), ((70, 40), (40,)),
    ((70, 40), (70, 1)), ((70, 40), ()), ((50, 8, 9), (8, 1)), ((5000, 3), (3,)), ((0, 3), (3,)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.complex128])
@pytest.mark.parametrize(("full", "shape"), FOLDED)
def test_sums_over_broadcast_axes(full: Any, shape: Any, dtype: Any):
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=full).astype(dtype) for _ in range(2))
    params = {"shape": shape, "rank": len(full)}
    check_one(lambda x: bind(PRIMITIVES["unbroadcast"], x, **params), x)
    check_one(lambda x, y: bind(PRIMITIVES["product_unbroadcast"], x, y, **params), x, y)


def equation_of(f: Callable[..., Any], *args: Any) -> Equation:
    """The last equation of a function."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fg.make_program(f)(*args).equations[-1]


def check_one(f: Callable[..., Any], *args: Any) -> None:
    """A function of one operation, whose variables are its arguments in order."""
    equation = equation_of(f, *args)
    given = iter(args)
    check(
        equation,
        [o.value if isinstance(o, Constant) else next(given) for o in equation.operands],
    )


SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, np.inf, -np.inf, np.nan, 1e308, -1e-320, 3.0]
TWO = [name for name, p in PRIMITIVES.items() if p.family == "elementwise" and len(p.domain) == 2]
COMPARED = ["less", "greater_equal", "equal", "not_equal", "floor_divide"]
ONE = [
    name
    for name, p in PRIMITIVES.items()
    if isinstance(p.value, np.ufunc) and p.value.nin == 1 and "f->" in " ".join(p.value.types)
] + ["negative", "absolute"]


def numbers(kind: Any) -> list[Any]:
    with np.errstate(all="ignore"):
        return [kind(value) for value in SPECIAL]


@pytest.mark.parametrize("kind", [float, np.float64, np.float32, np.float16])
@pytest.mark.parametrize("name", sorted(ONE))
def test_functions_of_special_numbers(name: str, kind: Any):
    primitive = PRIMITIVES[name]
    for x in numbers(kind):
        check_one(lambda x: bind(primitive, x), x)
        check_one(lambda x: bind(primitive, x), np.asarray(x))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (float, float), (np.float64, np.float64), (np.float64, float), (float, np.float64),
        (np.float32, float), (np.float32, np.float64), (int, np.float64), (np.float32, int),
        (float, int),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", sorted({*TWO, *COMPARED} - {"ldexp", "leaky_relu"}))
def test_functions_of_two_special_numbers(name: str, left: Any, right: Any):
    primitive = PRIMITIVES[name]

    def of(kind: Any) -> list[Any]:
        return numbers(kind) if kind is not int else [0, 1, -1, 2, 3]

    for x in of(left):
        for y in of(right):
            try:
                check_one(lambda x, y: bind(primitive, x, y), x, y)
                check_one(lambda x: bind(primitive, x, y), x)  # noqa: B023
            except (ValueError, TypeError):  # of an integer, a negative power
                continue
            if type(x) in (float, np.float64, np.float32):
                check_one(lambda x: bind(primitive, x, y), np.full((2, 3), x))  # noqa: B023


@pytest.mark.parametrize("exponent", [2, 2.0, 3, -1, 0.5, 0, 1, 2.5, -2, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.complex128, np.int64])
def test_powers_by_numbers(dtype: Any, exponent: Any):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=5000) * 10.0 ** rng.integers(-3, 3, 5000)).astype(dtype)
    if dtype is np.complex128:
        x = x + 1j * x[::-1]
    if dtype is np.int64 and exponent in (-1, -2):
        return
    check_one(lambda x: x**exponent, x)
    power = PRIMITIVES["power"]
    check_one(lambda x: bind(power, x, exponent), x)
    if exponent is not True:
        for one in x[:500]:
            check_one(lambda x: bind(power, x, exponent), one)


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint8, np.bool_, np.complex128])
@pytest.mark.parametrize(
    "name", ["add", "subtract", "multiply", "divide", "negative", "less", "bitwise_and", "invert",
             "absolute", "maximum", "floor_divide", "remainder", "power", "square"]
)  # fmt: skip
def test_scalars_of_other_dtypes(name: str, dtype: Any):
    primitive = PRIMITIVES[name]
    count = 1 if name in ("negative", "invert", "absolute", "square") else 2
    values = [dtype(v) for v in (0, 1, 2, 100)]
    if dtype is np.int64:
        values.append(np.iinfo(np.int64).max + np.int64(0))
    if dtype is np.complex128:
        values += [0.3 + 1.7j * v for v in values]
    for x in values:
        for y in [*values, 3, True] if count == 2 else [None]:
            args = [x, y][:count]
            try:
                check_one(lambda *xs: bind(primitive, *xs), *args)
            except (TypeError, ValueError, OverflowError):
                continue


@pytest.mark.parametrize(
    ("function", "args", "text"),
    [
        (lambda x, y: x * y, (np.ones(3), 2.0), "x0 * x1"),
        (lambda x: -x, (np.ones(3),), "-x0"),
        (lambda x: np.tanh(x), (np.ones(3),), "np.tanh(x0)"),
        (lambda x: np.tanh(x), (np.float64(1),), "np.tanh(float(x0))"),
        (lambda x: np.sum(x, axis=0), (np.ones((3, 2)),), "np.add.reduce(x0, axis=0)"),
        (lambda x: np.sum(x), (np.ones((3, 2)),), "np.add.reduce(x0, axis=None)"),
        (lambda x: np.mean(x, axis=1), (np.ones((3, 2)),), "np.add.reduce(x0, axis=1) / 2"),
        (lambda x: x[:, None, 0], (np.ones((3, 2)),), "x0[:, None, 0]"),
        (lambda x: x[1:], (np.ones(3),), "x0[1:]"),
        (lambda x: x[::-1], (np.ones(3),), "x0[::-1]"),
        (lambda x: x[...], (np.ones(3),), "x0[...,]"),
        (lambda x: x.T, (np.ones((3, 2)),), "x0.T"),
        (lambda x: np.reshape(x, (2, 3)), (np.ones((3, 2)),), "x0.reshape(2, 3)"),
        (lambda x: np.transpose(x, (1, 0, 2)), (np.ones((3, 2, 1)),), "x0.transpose(1, 0, 2)"),
        (lambda x, y: x @ y, (np.ones((3, 2)), np.ones(2)), "np.dot(x0, x1)"),
        (lambda x: x.astype(np.float32), (np.ones(3),), "x0.astype(np.float32)"),
        (lambda m, x: np.where(m, x, 0.0), (np.ones(3, bool), np.ones(3)), "np.where(x0, x1, 0.0)"),
        (lambda x: np.concatenate([x, x]), (np.ones(3),), "np.concatenate((x0, x1), axis=0)"),
        (lambda x: fg.nn.relu(x), (np.ones(3),), "np.maximum(x0, 0)"),
        (lambda x, y: x > y, (np.ones(3), np.ones(3)), "x0 > x1"),
        (lambda x: np.linalg.inv(x), (np.eye(3),), "np.linalg.inv(x0)"),
        (lambda x: x**3, (np.ones(3),), "x0 ** 3"),
    ],
)  # fmt: skip
def test_source_reads_as_a_person_would_write_it(function: Any, args: Any, text: str):
    program = fg.make_program(function)(*args)
    equation = program.equations[-1]
    assert (
        source_of(
            equation, [None if isinstance(o, Variable) else o.value for o in equation.operands]
        )[0]
        == text
    )


def test_a_primitive_of_a_taken_name_is_not_mistaken_for_it():
    own = fg.core.primitive.Primitive("sin", lambda x: x + 1, "own", None, None, lambda *_: None)
    equation = equation_of(lambda x: bind(own, x), np.ones(3))
    assert bits(check(equation, [np.ones(3)])) == bits(np.full(3, 2.0))
    assert not takes_out(equation)


def test_writing_takes_a_few_microseconds():
    def model(x: Any, w: Any) -> Any:
        h = np.tanh(x @ w + 1.0)
        return np.mean((h[1:] * 2.0 - np.exp(h[:-1])) ** 2, axis=0).reshape(2, 2).T

    program = fg.make_program(model)(np.ones((5, 3)), np.ones((3, 4)))
    scope = Namespace()

    def write() -> None:
        for equation in program.equations:
            spelled(equation, ["x", "y"][: len(equation.operands)], scope)
            takes_out(equation)

    each = min(timeit.repeat(write, number=20, repeat=20)) / 20 / len(program.equations)
    assert each < 15e-6, f"{each * 1e6:.1f} µs"  # 3 µs on an idle machine

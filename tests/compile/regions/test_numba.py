"""Small arrays compiled by Numba: the values are NumPy's."""

import threading
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import funcgrad as fg
from funcgrad.compile.regions.cluster import program_of
from funcgrad.compile.regions.context import Context
from funcgrad.compile.regions.numba_backend import machine_code
from funcgrad.compile.regions.numba_clusters import KERNELS, in_machine_code
from funcgrad.compile.regions.numba_kernels import Kernel
from funcgrad.compile.regions.numba_unrolled import UnrolledKernel
from funcgrad.compile.regions.table import Region, over_program
from funcgrad.core.program import Equation, Program
from funcgrad.testing.programs import GeneratedProgram
from funcgrad.testing.strategies import programs
from tests.compile.passes.sameness import recorded, same_bits
from tests.compile.regions.test_scalars import (
    BINARY,
    PAYS,
    UNARY,
    compiled,
    followed,
    overflowing,
    pose,
    require_close,
    rigid,
)
from tests.laws.laws import results
from tests.laws.test_laws import SMOOTH

pytest.importorskip("numba")

REGION = Region("numba", in_machine_code)
NUMBA: dict[str, Any] = {"backend": "numba", "region": REGION}
NAMES = (
    "matmul", "sum", "mean", "max", "einsum", "index", "unindex", "concatenate", "stack",
    "scatter_add", "gather", "clip", "rows", "unbroadcast", "product_unbroadcast",
)  # fmt: skip
SMALL = [c for c in SMOOTH if c.name in NAMES and complex not in map(np.result_type, c.args)]


def clusters_of(program: Program) -> list[Equation]:
    after = over_program(program, Context(backend="numba", costs=PAYS), [REGION])
    return [e for e in after.equations if e.primitive is KERNELS]


def machine_code_of(equation: Equation) -> Any:
    """What the kernel of a cluster gives, also where that is not finite."""
    kernel = Kernel(program_of(equation), exact=False)
    inputs = program_of(equation).inputs
    run = machine_code(kernel.text(), kernel.name, kernel.namespace, inputs, kernel.filled)

    def call(*args: Any) -> list[Any]:
        filled = [np.empty(v.shape, v.dtype) for v in kernel.filled]
        run(*args, *filled)
        return filled

    return call


def require_same_results(f: Any, args: Any, tolerance: float = 1e-13, **options: Any) -> Any:
    """Require of a jitted function what the function gives; the jitted function."""
    jitted = fg.jit(f, backend="numba", **options)
    jitted(*args)
    for x, y in zip(fg.tree.leaves(jitted(*args)), fg.tree.leaves(f(*args)), strict=True):
        assert type(x) is type(y)
        require_close(x, y, tolerance, jitted.source(*args))
    return jitted


@pytest.mark.parametrize("names", [UNARY, BINARY], ids=["unary", "binary"])
def test_functions_of_special_values(names: tuple[str, ...]):
    """One kernel for each function would take half a second to compile."""
    values = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.5, 2.5, -3.0, 1e300, 5e-324]
    count = 1 if names is UNARY else 2

    def f(*args: Any) -> Any:
        own = [np.negative(x) for x in args]
        return [y for name in names for y in followed(getattr(np, name))(*own)]

    program = recorded(f, *[np.full(2, 0.5)] * count)
    kernel = clusters_of(program)[0]
    assert len(kernel.results) == len(program.outputs)
    run = machine_code_of(kernel)
    for x in values:
        for y in values if count == 2 else [0.0]:
            args = [np.array([x, 0.5]), np.array([y, 0.5])][:count]
            with np.errstate(all="ignore"):
                found, expected = run(*args), program.evaluate(*args)
            for i, output in enumerate(kernel.results):
                name = names[i // 2]
                place = program.outputs.index(output)
                require_close(found[i], expected[place], 1e-14, f"{name}({x}, {y})")


@pytest.mark.parametrize("case", SMALL[::4], ids=str)
def test_derivatives_of_a_primitive(case: Any):
    f, args = case.function()
    weights = [np.cos(np.arange(np.size(y), dtype=float)).reshape(np.shape(y)) for y in
               results(f(*args))]  # fmt: skip
    g = lambda *xs: sum(np.sum(w * y) for w, y in zip(weights, results(f(*xs)), strict=True))
    every = tuple(range(len(args)))
    program = recorded(fg.value_and_grad(g, every), *args)
    run, text = compiled(program, **NUMBA)
    for x, y in zip(run(*args), program.evaluate(*args), strict=True):
        assert np.asarray(x).dtype == np.asarray(y).dtype
        require_close(x, y, 1e-12, text)


@settings(max_examples=6)  # each one is compiled
@given(program=programs(operations=6))
def test_random_programs(program: GeneratedProgram):
    inputs = list(program.inputs)
    every = tuple(range(len(inputs)))
    gradient = recorded(fg.value_and_grad(program, every), *inputs)
    run, text = compiled(gradient, **NUMBA)
    for x, y in zip(run(*inputs), gradient.evaluate(*inputs), strict=True):
        assert type(x) is type(y)
        require_close(x, y, 1e-11, text)


def test_a_rotated_point():
    jitted = require_same_results(fg.value_and_grad(rigid, (0, 1)), pose())
    assert "kernel(" in jitted.source(*pose())
    assert any(text.startswith("numba: ") for text in jitted.explain(*pose()).decisions)


def test_exact_results_keep_their_bits():
    f = fg.value_and_grad(rigid, (0, 1))
    jitted = fg.jit(f, backend="numba", exact=True)
    jitted(*pose())
    for x, y in zip(fg.tree.leaves(jitted(*pose())), fg.tree.leaves(f(*pose())), strict=True):
        assert same_bits(x, y)


def network(x: Any, w: Any, b: Any) -> Any:
    """Broadcasting, products, transposes, sums over axes, joins and choices, on 40 elements."""
    hidden = np.tanh(x @ w + b)
    joined = np.concatenate([hidden.T, np.ones((1, hidden.shape[0]))], axis=0)
    scores = joined * np.sum(joined, axis=0) - np.max(joined, axis=1, keepdims=True)
    return np.sum(np.where(scores > 0, scores, 0.1 * scores)[::-1, 1:] ** 2) + np.mean(scores[0])


def arguments() -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(8, 3)), rng.normal(size=(3, 4)), rng.normal(size=4)]


def test_a_small_network():
    jitted = require_same_results(fg.value_and_grad(network, (1, 2)), arguments(), 1e-12)
    assert "kernel(" in jitted.source(*arguments())


def test_arguments_of_any_layout():
    x, w, b = arguments()
    jitted = fg.jit(network, backend="numba")
    expected = jitted(x, w, b)
    frozen = x.copy()
    frozen.flags.writeable = False
    wide = np.repeat(x, 2, axis=0)
    for other in (np.asfortranarray(x), frozen, wide[::2], x[::-1].copy()[::-1]):
        np.testing.assert_allclose(jitted(other, w, b), expected, rtol=1e-14)


@pytest.mark.parametrize("x", [0.7, 2, True, np.float64(0.7), np.array(0.7), np.ones((1, 1)),
                               np.array([True, False]), np.array([1, 2, 3]), np.ones((2, 0))],
                         ids=str)  # fmt: skip
def test_kinds_of_arguments(x: Any):
    def f(x: Any) -> Any:
        y = np.exp(-(x * 0.5)) + np.sin(x) * x
        return y, np.sum(np.tanh(y)), y > 1, np.tanh(y) * x

    jitted, plain = fg.jit(f, backend="numba"), fg.jit(f, exact=True)
    jitted(x), plain(x)
    for found, expected in zip(jitted(x), plain(x), strict=True):
        assert type(found) is type(expected)
        require_close(found, expected, 1e-14, "")


@pytest.mark.parametrize("size", [3, 30])
def test_an_array_of_the_closure_may_change(size: int):
    table = np.linspace(1.0, 2.0, size)
    f = lambda x: np.sin(x) * table + np.cos(table * x)
    jitted = fg.jit(f, backend="numba")
    jitted(0.5)
    assert "kernel(" in jitted.source(0.5)
    table *= 3
    np.testing.assert_allclose(jitted(0.5), f(0.5), rtol=1e-15)


def test_float32_and_large_arrays_are_numpys():
    for x in (np.ones(3, np.float32), np.ones(1000)):
        program = recorded(lambda x: np.sin(np.cos(x) * 2), x)
        context = Context(backend="numba")
        after = over_program(program, context, [REGION])
        assert not [e for e in after.equations if e.primitive is KERNELS]
        assert context.decisions


def test_without_the_backend_there_are_no_kernels():
    program = recorded(lambda x: np.sin(np.cos(x) * 2), np.ones(3))
    context = Context()
    assert over_program(program, context, [REGION]).equations == program.equations
    assert not context.decisions


@pytest.mark.parametrize("value", [1e3, 0.0, -1.0])
def test_warnings_are_those_of_numpy(value: float):
    x = np.array([0.5, value])
    jitted = fg.jit(overflowing, backend="numba")
    jitted(np.array([0.5, 0.7]))
    with warnings.catch_warnings(record=True) as expected:
        warnings.simplefilter("always")
        y = overflowing(x)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        z = jitted(x)
    assert {str(w.message) for w in expected} == {str(w.message) for w in found} != set()
    np.testing.assert_array_equal(y, z)


def test_python_numbers_divide_by_zero_as_in_python():
    f = lambda a, b: 1.0 / (a / b + a * a) + np.sin(a) * np.cos(b) * 2.0
    jitted = fg.jit(f, backend="numba")
    assert jitted(1.0, 2.0) == f(1.0, 2.0)
    np.testing.assert_allclose(jitted(1.5, 2.0), f(1.5, 2.0), rtol=1e-15)
    with pytest.raises(ZeroDivisionError):
        jitted(1.0, 0.0)


def test_what_numba_cannot_compile_is_numpys(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(UnrolledKernel, "text", lambda _self: "def kernel(*_): return undefined\n")
    f = lambda x: np.sin(x) * 2 + np.cos(x) * np.exp(x)
    x = np.array([0.5, 0.25])
    jitted = fg.jit(f, backend="numba")
    jitted(x)
    np.testing.assert_array_equal(jitted(x), f(x))
    assert any("left to NumPy" in text for text in jitted.explain(x).decisions)


def test_many_threads():
    jitted = fg.jit(overflowing, backend="numba")
    jitted(np.ones(2))
    xs = [np.array([0.1 * i + 0.1, 900.0 if i % 2 else 0.5]) for i in range(8)]
    with np.errstate(all="ignore"):
        expected = [overflowing(x) for x in xs]
    wrong: list[Any] = []

    def call(i: int) -> None:
        with np.errstate(all="ignore"):
            found = [jitted(xs[i]) for _ in range(50)]
        wrong.extend(y for y in found if not np.allclose(y, expected[i], rtol=1e-14))

    threads = [threading.Thread(target=call, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_unknown_backend_is_refused():
    with pytest.raises(fg.errors.ArgumentSelectionError, match="backend='fortran'"):
        fg.jit(np.sin, backend="fortran")


def test_a_missing_numba_is_reported_when_the_function_is_decorated(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ImportError, match=r"Install funcgrad\[numba\]"):
        fg.jit(np.sin, backend="numba")

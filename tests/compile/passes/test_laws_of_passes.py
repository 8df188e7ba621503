"""A program computes the same after the passes: for all primitives, and for random programs.

All that a program computes is an output here, so that each variable is compared: its bits, its kind
and how it lies in memory.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import funcgrad as fg
from funcgrad.compile.passes import PASSES, forward, optimised
from funcgrad.core.program import Program
from funcgrad.core.tracer import bind
from funcgrad.testing.programs import GeneratedProgram
from funcgrad.testing.strategies import programs
from tests.benchmarks.workload import Workload
from tests.benchmarks.workloads import WORKLOADS
from tests.compile.passes.sameness import everything, recorded, require_same
from tests.laws.case import Case
from tests.laws.laws import float_results, like, results
from tests.laws.test_laws import CASES, SMOOTH

Recorded = tuple[Program, list[Any]]


def require_kept(program: Program, args: list[Any]) -> None:
    """Require that all passes together keep all values, and the outputs alone too."""
    whole = everything(program)
    require_same(whole, forward(whole, exact=True)[0], args)
    require_same(program, optimised(program, exact=True)[0], args)


def weighted(f: Any, args: list[Any]) -> Any:
    """A number that depends on all inexact results."""
    rng = np.random.default_rng(0)
    weights = [like(rng, out) for out in results(f(*args))]
    return lambda *xs: sum(
        np.sum(np.real(w * out)) for w, out in zip(weights, results(f(*xs)), strict=True)
    )


@pytest.mark.parametrize("case", [case for case in CASES if case.args], ids=str)
def test_a_primitive(case: Case):
    f = lambda *args: bind(case.primitive, *args, **case.params)
    require_kept(recorded(f, *case.args), list(case.args))


@pytest.mark.parametrize("case", SMOOTH, ids=str)
def test_derivatives_of_a_primitive(case: Case):
    f, args = case.function()
    g = weighted(f, args)
    every = tuple(range(len(args)))
    gradient = recorded(fg.value_and_grad(g, every), *args)
    require_kept(gradient, args)
    for one in PASSES:
        if one.exact:
            whole = everything(gradient)
            require_same(whole, one.run(whole), args)
    dots = [like(np.random.default_rng(1), x) for x in args]
    half = len(args)
    pushed = recorded(lambda *xs: fg.jvp(float_results(f), xs[:half], xs[half:])[1], *args, *dots)
    require_kept(pushed, [*args, *dots])


BATCHED = [case for case in SMOOTH if not case.alike and case.second]


@pytest.mark.parametrize("case", BATCHED[::3], ids=str)
def test_gradients_of_batches_of_a_primitive(case: Case):
    f, args = case.function()
    stacks = [np.stack([x] * 3) for x in args]
    every = tuple(range(len(args)))
    mapped = recorded(fg.vmap(fg.grad(weighted(f, args), every)), *stacks)
    require_kept(mapped, stacks)


@given(program=programs(), order=st.sampled_from("CF"))
def test_random_programs(program: GeneratedProgram, order: str):
    inputs = [np.asarray(x, order=order) for x in program.inputs]
    every = tuple(range(len(inputs)))
    require_kept(recorded(fg.value_and_grad(program, every), *inputs), inputs)


@given(program=programs(dtype=np.float32, scalar=False))
def test_random_programs_of_single_precision(program: GeneratedProgram):
    inputs = list(program.inputs)
    dots = [np.ones_like(x) for x in inputs]
    pushed = recorded(lambda *xs: fg.jvp(program, xs, tuple(dots)), *inputs)
    require_kept(pushed, inputs)


@given(program=programs(operations=6))
def test_second_derivatives_of_random_programs(program: GeneratedProgram):
    inputs = list(program.inputs)
    every = tuple(range(len(inputs)))
    require_kept(recorded(fg.hessian(program, every), *inputs), inputs)


@given(program=programs(operations=6), factor=st.sampled_from([0.0, -0.0, np.inf, np.nan, 1e300]))
def test_random_programs_far_from_where_they_were_recorded(
    program: GeneratedProgram, factor: float
):
    """At zeros, infinities and nan the programs are the same too; no guard looks at values."""
    every = tuple(range(len(program.inputs)))
    gradient = recorded(fg.grad(program, every), *program.inputs)
    if not any(type(item).__name__ == "Guard" for item in gradient.items):
        with np.errstate(all="ignore"):
            far = [x * factor for x in program.inputs]
        require_kept(gradient, far)


@given(program=programs())
def test_each_pass_alone_keeps_random_programs(program: GeneratedProgram):
    inputs = list(program.inputs)
    every = tuple(range(len(inputs)))
    whole = everything(recorded(fg.value_and_grad(program, every), *inputs))
    for one in PASSES:
        if one.exact:
            require_same(whole, one.run(whole), inputs)


@given(program=programs())
def test_fast_math_is_right_up_to_rounding(program: GeneratedProgram):
    inputs = list(program.inputs)
    every = tuple(range(len(inputs)))
    gradient = recorded(fg.grad(program, every), *inputs)
    fast, _ = optimised(gradient, fast_math=True)
    expected, found = gradient.evaluate(*inputs), fast.evaluate(*inputs)
    scale = max([1.0, *(np.max(np.abs(y), initial=0.0) for y in expected)])
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12 * scale)


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS.keys())
def test_workloads(workload: Workload):
    data = workload.small()
    loss = lambda *args: workload.loss(np, *args)
    args = list(data.arguments)
    program = {
        "value and gradient": lambda: recorded(fg.value_and_grad(loss, data.argnums), *args),
        "hessian": lambda: recorded(fg.hessian(loss), *args),
        "jacobian": lambda: recorded(fg.jacobian(loss), *args),
        "hvp": lambda: recorded(lambda x, v: fg.jvp(fg.grad(loss), (x,), (v,))[1], *args),
    }[workload.task]()
    require_kept(program, args)
    after, _ = optimised(program, exact=True)
    assert len(after.equations) <= len(program.equations)

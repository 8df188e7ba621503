"""Random programs that branch, loop and select by values, under every transform.

They read an array and a number from their globals, which change between calls. With two paths at
most, compiled functions give up on most of them; they are right then, too.
"""

import linecache
import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import PathLimitWarning
from tests.jitting.alike import exact_jit

STEPS = (
    "{t} = np.sin({a}) * {b}",
    "if np.sum({a}) > {c}:\n    {t} = {a} * 2.0 + {b}\nelse:\n    {t} = np.cos({b})",
    "{t} = {a}\nwhile np.sum({t} * {t}) > 1 + {c} * {c}:\n    {t} = {t} * 0.6",
    "{t} = {a} * {b} + np.sum({a}[{a} > 0.1])",
    "{t} = {a} * 1.0\nfor i in range(int(np.argmax({b})) + 1):\n    {t} = np.tanh({t}) + 0.1 * i",
    "{t} = np.where({a} > {b}, {a}, {b} * 2)",
    "{t} = np.exp(-{a} * {a})",
    "{t} = {a}[::-1] - {b}",
    "if {a}[0] > {b}[1]:\n    return np.sum({a} * {b})\n{t} = np.cumsum({a})",
    "{t} = {a} @ np.outer({a}, {b})",
    "{t} = np.sort({a}) * W",
    "{t} = {a} * k + np.sin(W)",
)
BOTH = (0, 1)


def squared(f: Any) -> Any:
    return lambda *xs: sum(np.sum(g * g) for g in fg.grad(f, BOTH)(*xs))


TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "value": lambda f: f,
    "gradient": lambda f: fg.value_and_grad(f, BOTH),
    "jvp": lambda f: lambda *xs: fg.jvp(f, xs, tuple(x + 1 for x in xs)),
    "hessian": fg.hessian,
    "grad of grad": lambda f: fg.grad(squared(f), BOTH),
    "vmap": lambda f: lambda *xs: fg.vmap(fg.grad(lambda t: f(*xs) * t * t))(np.arange(3.0)),
}


def branching(seed: int) -> tuple[Callable[..., Any], dict[str, Any]]:
    """A program, and its globals."""
    rng = random.Random(seed)
    names, lines = ["x0", "x1"], ["def program(x0, x1):"]
    for number in range(rng.randrange(2, 8)):
        a, b, t, c = rng.choice(names), rng.choice(names), f"t{number}", rng.uniform(-1, 1)
        step = rng.choice(STEPS).format(a=a, b=b, t=t, c=f"{c:.2f}")
        lines += [f"    {line}" for line in step.splitlines()]
        names.append(t)
    lines.append(f"    return np.sum({names[-1]} * {names[-2]}) + np.sum({names[-3]})")
    source, file = "\n".join(lines) + "\n", f"<branching {seed}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    names_of: dict[str, Any] = {"np": np, "W": np.array([0.3, -0.2, 0.9]), "k": 1.5}
    exec(compile(source, file, "exec"), names_of)
    return names_of["program"], names_of


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("seed", range(12))
def test_branching_programs_are_right_in_every_call(seed: int, name: str):
    program, names = branching(seed)
    made = TRANSFORMS[name]
    plain = made(program)
    compiled = [
        exact_jit(plain, max_traces=50),
        made(exact_jit(program, max_traces=50)),
        made(exact_jit(program, max_traces=2)),
        fg.jit(plain, max_traces=50),
        made(fg.jit(program, max_traces=50)),
    ]
    rng = np.random.default_rng(seed)
    points = [(rng.normal(size=3), rng.normal(size=3)) for _ in range(4)]
    for number, point in enumerate((*points, *points)):
        if number == len(points):
            names["W"][:] *= 0.5
            names["k"] = 2.5
        wanted = plain(*point)
        for g in compiled:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PathLimitWarning)
                found = g(*point)
            pairs = zip(fg.tree.leaves(found), fg.tree.leaves(wanted), strict=True)
            for a, b in pairs:  # in another order, where a jitted function is a part of a sum
                np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)

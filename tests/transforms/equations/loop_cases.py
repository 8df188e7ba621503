"""Loops to be staged, and ways to stage them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

import funcgrad as fg
from funcgrad.core.modes import MODES
from funcgrad.core.program import Program
from funcgrad.transforms.equations.closed import Closed

RNG = np.random.default_rng(3)
W = RNG.normal(size=(3, 3))
XS = RNG.normal(size=(5, 3))
H = RNG.normal(size=3)
HS = RNG.normal(size=(4, 3))


@contextmanager
def keeping_loops() -> Iterator[None]:
    """Inside the context, loops over staged values stay equations."""
    MODES.staging += 1
    try:
        yield
    finally:
        MODES.staging -= 1


def kept(fun: Callable[..., Any], *args: Any) -> Program:
    """The program of a function, with loops as equations."""
    with keeping_loops():
        return fg.make_program(fun)(*args)


def unrolled(fun: Callable[..., Any], *args: Any) -> Program:
    """The program of a function, with the operations of all steps."""
    with (
        mock.patch("funcgrad.transforms.equations.loops_stage.staged_loop", return_value=None),
    ):
        return kept(fun, *args)


def computed(program: Program, *args: Any) -> list[Any]:
    """Results of a program, with the operations that compiled code does."""
    return Closed(program).run(fg.tree.leaves(args))


def loops(program: Program) -> list[Any]:
    """The loops of a program."""
    return [dict(e.params)["fun"] for e in program.equations if e.primitive.name == "scan"]


def assert_same(found: Any, expected: Any) -> None:
    """Equal to the last bit, with the same dtypes and shapes; the sign of zero is left out."""
    for a, b in zip(fg.tree.leaves(found), fg.tree.leaves(expected), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def recurrent(w: Any, xs: Any, h: Any) -> Any:
    """A recurrent network whose states are results too."""

    def step(h: Any, x: Any) -> Any:
        h = np.tanh(h @ w + x)
        return h, h * h

    h, ys = fg.scan(step, h, xs)
    return np.sum(h) + np.sum(np.sin(ys))


def gated(w: Any, xs: Any, h: Any) -> Any:
    """Two carries in a tuple, results in a dictionary, states that are read several times."""

    def step(state: Any, x: Any) -> Any:
        h, c = state
        keep = 1 / (1 + np.exp(-(h @ w + x)))
        new = np.tanh(h @ w.T * x)
        c = keep * c + new
        h = np.sin(h) * np.tanh(c)
        return (h, c), {"h": h, "x": x}

    (h, c), ys = fg.scan(step, (h + 0.5, h * 2.0), xs)
    return 2 * np.sum(h) + np.sum(c) + np.sum(ys["h"] ** 2) + np.sum(ys["x"])


def backwards(w: Any, xs: Any, h: Any) -> Any:
    """The last slice first."""

    def step(h: Any, x: Any) -> Any:
        h = np.tanh(h @ w) * np.sum(h) + x
        return h, h

    _, ys = fg.scan(step, h, xs, reverse=True)
    return np.sum(np.sin(ys))


def mapped(w: Any, xs: Any, h: Any) -> Any:
    """No carry, and a factor that is the same in all steps."""
    return np.sum(fg.map(lambda x: np.tanh(x @ w) * np.exp(h), xs))


def counting(w: Any, xs: Any, h: Any) -> Any:
    """An integer is carried along."""

    def step(state: Any, x: Any) -> Any:
        n, h = state
        return (n + 1, h * 0.5 + np.sin(x @ w) * n), (n, h[0])

    (n, h), (ns, ys) = fg.scan(step, (0, h), xs)
    return np.sum(h**2) + n + np.sum(ys * ns)


def nested(w: Any, xs: Any, h: Any) -> Any:
    """A loop in a loop."""

    def step(h: Any, x: Any) -> Any:
        c, ys = fg.scan(lambda c, v: (np.tanh(c * v + h), c * x), x + 0.5, w)
        return c, np.sum(ys, axis=0)

    h, ys = fg.scan(step, h, xs)
    return np.sum(h) + np.sum(ys**2)


def counted(w: Any, xs: Any, h: Any) -> Any:
    """A loop that counts, whose number is a factor."""
    return np.sum(fg.fori_loop(2, 6, lambda i, y: np.sin(y @ w) + xs[0] * i, h * 1.0))


def passed_on(w: Any, xs: Any, h: Any) -> Any:
    """Carries that change places, one that stays, slices that are results."""

    def step(state: Any, x: Any) -> Any:
        a, b, c = state
        return (b, a * c + x, c), (x, c, 1.0)

    (a, b, c), ys = fg.scan(step, (h * 1.0, h * 2.0, h * 3.0), xs @ w)
    return np.sum(a * b * c) + np.sum(ys[0] ** 2) + np.sum(ys[1]) + np.sum(ys[2])


CASES = [recurrent, gated, backwards, mapped, counting, nested, counted, passed_on]

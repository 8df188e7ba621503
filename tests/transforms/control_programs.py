"""Random programs of loops and branches, to be run with funcgrad's functions and with Python's."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from funcgrad.transforms.branches import cond, switch
from funcgrad.transforms.loops import fori_loop, while_loop
from funcgrad.transforms.scan import scan

Program = tuple[Any, ...]
"""`("op", number)`, or the name of a form, a number, and programs for its bodies."""

OPERATIONS: list[Callable[[Any], Any]] = [
    np.sin,
    lambda x: 0.9 * x + 0.3,
    lambda x: np.tanh(x * x),
    lambda x: x * np.mean(np.cos(x)),
    lambda x: x[::-1] * 1.1,
    lambda x: np.exp(-x * x) - x / 2,
]

LEAVES = st.tuples(st.just("op"), st.integers(0, len(OPERATIONS) - 1))


def _forms(inner: st.SearchStrategy[Program]) -> st.SearchStrategy[Program]:
    number = st.integers(0, 2)
    return st.one_of(
        st.tuples(st.just("scan"), number, st.booleans(), inner),
        st.tuples(st.just("cond"), st.sampled_from([-0.4, 0.0, 0.4]), inner, inner),
        st.tuples(st.just("while"), number, inner),
        st.tuples(st.just("fori"), number, inner),
        st.tuples(st.just("switch"), inner, inner, inner),
        st.tuples(st.just("then"), inner, inner),
    )


PROGRAMS: st.SearchStrategy[Program] = st.recursive(LEAVES, _forms, max_leaves=5)


class Ours:
    """The control flow of funcgrad."""

    scan = staticmethod(scan)
    cond = staticmethod(cond)
    switch = staticmethod(switch)
    while_loop = staticmethod(while_loop)
    fori_loop = staticmethod(fori_loop)


class Python:
    """The same in plain Python: what the functions mean."""

    @staticmethod
    def scan(f: Any, init: Any, xs: Any, reverse: bool) -> Any:
        carry, ys = init, []
        order = range(len(xs))
        for i in reversed(order) if reverse else order:
            carry, y = f(carry, xs[i])
            ys.append(y)
        return carry, np.stack(ys[::-1] if reverse else ys)

    @staticmethod
    def cond(pred: Any, a: Any, b: Any, *operands: Any) -> Any:
        return a(*operands) if pred else b(*operands)

    @staticmethod
    def switch(index: Any, branches: Any, *operands: Any) -> Any:
        return branches[min(max(int(index), 0), len(branches) - 1)](*operands)

    @staticmethod
    def while_loop(going: Any, body: Any, value: Any) -> Any:
        while going(value):
            value = body(value)
        return value

    @staticmethod
    def fori_loop(lower: int, upper: int, body: Any, value: Any) -> Any:
        for i in range(lower, upper):
            value = body(i, value)
        return value


def run(program: Program, x: Any, lib: Any) -> Any:
    """The value of a program at a vector, with the control flow of a library."""
    match program:
        case ("op", number):
            return OPERATIONS[number](x)
        case ("then", first, second):
            return run(second, run(first, x, lib), lib)
        case ("scan", number, reverse, body):
            xs = np.stack([x * (k + 1) for k in range(number + 1)])
            carry, ys = lib.scan(
                lambda c, row: (run(body, c, lib) + 0.1 * row, c * row), x, xs, reverse=reverse
            )
            return np.tanh(carry) + np.sin(np.sum(ys, axis=0))  # bounded, however deep
        case ("cond", threshold, one, other):
            # One branch takes its operand as such, the other one from its closure.
            return lib.cond(
                x[0] > threshold, lambda x: run(one, x, lib), lambda _: run(other, x, lib), x
            )
        case ("while", number, body):
            _, value = lib.while_loop(
                lambda state: (state[0] < 1 + number) & (np.sum(state[1]) > -0.2),
                lambda state: (state[0] + 1, run(body, state[1], lib) - 0.2 * x),
                (0, x),
            )
            return value
        case ("fori", number, body):
            return lib.fori_loop(0, number, lambda i, v: run(body, v, lib) + i * x / 8, x)
        case ("switch", *bodies):
            index = np.floor(3 * np.abs(np.sin(x[1]))).astype(int)
            return lib.switch(index, [lambda x, b=b: run(b, x, lib) for b in bodies], x)
    raise AssertionError(program)

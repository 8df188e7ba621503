"""Functions with many alike steps, none of which is a benchmark: for the laws of their passes."""

from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad as fg
import funcgrad.numpy as fnp

__all__ = ["LOOPS", "STEPS", "Case", "normal"]

Case = tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]
"""A scalar function, and the shapes of its arguments, all of which it is differentiated by."""


def normal(shapes: tuple[tuple[int, ...], ...], dtype: Any = np.float64) -> tuple[Any, ...]:
    """Arrays of moderate numbers."""
    rng = np.random.default_rng(len(shapes))
    return tuple((0.5 * rng.normal(size=shape)).astype(dtype) for shape in shapes)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + fnp.exp(-x))


def tanh_step(h: Any, x: Any, Wx: Any, Wh: Any, b: Any) -> Any:
    return fnp.tanh(x @ Wx + h @ Wh + b)


def lstm_step(state: Any, x: Any, W: Any, U: Any, b: Any) -> Any:
    h, c = state
    n = h.shape[-1]
    z = x @ W + h @ U + b
    i, f, o, g = (z[..., k * n : (k + 1) * n] for k in range(4))
    c = sigmoid(f) * c + sigmoid(i) * fnp.tanh(g)
    return sigmoid(o) * fnp.tanh(c), c


def gru_step(h: Any, x: Any, W: Any, U: Any, V: Any) -> Any:
    z = sigmoid(x @ W + h @ U)
    return (1 - z) * h + z * fnp.tanh(x @ V + (z * h) @ U)


# Python's loops --------------------------------------------------------------------------------


def rnn(Wx: Any, Wh: Any, b: Any, xs: Any, h: Any) -> Any:
    for x in xs:
        h = tanh_step(h, x, Wx, Wh, b)
    return fnp.mean(h * h)


def backwards(Wx: Any, Wh: Any, b: Any, xs: Any, h: Any) -> Any:
    for t in reversed(range(0, len(xs), 2)):
        h = tanh_step(h, xs[t], Wx, Wh, b)
    return fnp.mean(h * h)


def batch_first(Wx: Any, Wh: Any, b: Any, xs: Any, h: Any) -> Any:
    for t in range(xs.shape[1]):
        h = tanh_step(h, xs[:, t], Wx, Wh, b)
    return fnp.mean(h * h)


def lstm(W: Any, U: Any, b: Any, xs: Any, h: Any, c: Any) -> Any:
    for x in xs:
        h, c = lstm_step((h, c), x, W, U, b)
    return fnp.sum(h * h)


def gru(W: Any, U: Any, V: Any, xs: Any, h: Any) -> Any:
    total = 0.0
    for x in xs:
        h = gru_step(h, x, W, U, V)
        total = total + fnp.sum(h)
    return total


def linear_ode(A: Any, x: Any, u: Any) -> Any:
    for t in range(len(u)):
        x = x + 0.1 * (A @ x) + u[t]
    return fnp.sum(x**2)


def driven_ode(A: Any, B: Any, x: Any, u: Any) -> Any:
    for t in range(len(u)):
        x = x + 0.1 * (A @ x + B @ u[t])
    return fnp.sum(x**2)


def layers(W1: Any, b1: Any, W2: Any, *xs: Any) -> Any:
    total = 0.0
    for x in xs:
        total = total + fnp.sum((fnp.tanh(x @ W1 + b1) @ W2) ** 2)
    return total


def two_layers(Wx: Any, Wh: Any, V: Any, xs: Any, h: Any, g: Any) -> Any:
    for x in xs:
        h = fnp.tanh(x @ Wx + h @ Wh)
        g = fnp.tanh(h @ Wh + g @ V)
    return fnp.sum(g * g)


def outputs(Wx: Any, Wh: Any, V: Any, xs: Any, h: Any) -> Any:
    ys = []
    for x in xs:
        h = fnp.tanh(x @ Wx + h @ Wh)
        ys.append(h @ V)
    return fnp.sum(fnp.stack(ys) ** 3)


STEPS: dict[str, Case] = {
    "rnn": (rnn, ((4, 5), (5, 5), (5,), (7, 3, 4), (3, 5))),
    "rnn of vectors": (rnn, ((4, 6), (6, 6), (6,), (7, 4), (6,))),
    "every other step backwards": (backwards, ((4, 5), (5, 5), (5,), (11, 3, 4), (3, 5))),
    "batch first": (batch_first, ((4, 5), (5, 5), (5,), (3, 7, 4), (3, 5))),
    "lstm": (lstm, ((4, 20), (5, 20), (20,), (6, 3, 4), (3, 5), (3, 5))),
    "lstm of vectors": (lstm, ((4, 20), (5, 20), (20,), (6, 4), (5,), (5,))),
    "gru": (gru, ((4, 5), (5, 5), (4, 5), (6, 3, 4), (3, 5))),
    "linear ode": (linear_ode, ((6, 6), (6,), (9, 6))),
    "driven ode": (driven_ode, ((6, 6), (6, 5), (6,), (9, 5))),
    "layers": (layers, ((4, 6), (6,), (6, 5), *[(3, 4)] * 6)),
    "layers of vectors": (layers, ((4, 6), (6,), (6, 5), *[(4,)] * 6)),
    "two layers": (two_layers, ((4, 5), (5, 5), (5, 5), (6, 3, 4), (3, 5), (3, 5))),
    "outputs": (outputs, ((4, 5), (5, 5), (5, 6), (6, 3, 4), (3, 5))),
}
"""Python's loops."""

# scans -----------------------------------------------------------------------------------------


def scanned(Wx: Any, Wh: Any, b: Any, xs: Any, h: Any, *, reverse: bool = False) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = tanh_step(h, x, Wx, Wh, b)
        return h, h

    h, hs = fg.scan(step, h, xs, reverse=reverse)
    return fnp.mean(h * h) + fnp.sum(hs**3)


def scanned_backwards(*args: Any) -> Any:
    return scanned(*args, reverse=True)


def scanned_lstm(W: Any, U: Any, b: Any, xs: Any, h: Any, c: Any) -> Any:
    def step(state: Any, x: Any) -> Any:
        state = lstm_step(state, x, W, U, b)
        return state, fnp.sum(state[0])

    (h, c), sums = fg.scan(step, (h, c), xs)
    return fnp.sum(h * c) + fnp.sum(sums)


def scanned_ode(A: Any, x: Any, u: Any) -> Any:
    return fnp.sum(fg.scan(lambda x, u: (x + 0.1 * (A @ x) + u, None), x, u)[0] ** 2)


def sums(W: Any, b: Any, xs: Any) -> Any:
    def step(total: Any, x: Any) -> Any:
        return total + fnp.sum(fnp.tanh(x @ W + b) ** 2), x @ W

    total, ys = fg.scan(step, 0.0, xs)
    return total + fnp.sum(ys**3)


def mapped(W: Any, xs: Any) -> Any:
    return fnp.sum(fg.scan(lambda c, x: (c, fnp.tanh(x @ W)), 0.0, xs)[1] ** 2)


def counted(A: Any, B: Any, x: Any) -> Any:
    return fnp.sum(fg.fori_loop(0, 9, lambda i, x: fnp.tanh(x @ A + i * B @ A), x) ** 2)


def nested(Wx: Any, Wh: Any, xs: Any, h: Any) -> Any:
    def outer(h: Any, x: Any) -> Any:
        h = fg.scan(lambda h, _: (fnp.tanh(x @ Wx + h @ Wh), None), h, np.zeros(5))[0]
        return h, h

    h, hs = fg.scan(outer, h, xs)
    return fnp.sum(h * hs)


def there_and_back(W: Any, xs: Any, h: Any) -> Any:
    return fnp.sum(fg.scan(lambda h, x: (fnp.tanh(x + h @ W) @ W.T, None), h, xs)[0] ** 2)


LOOPS: dict[str, Case] = {
    "rnn": (scanned, ((4, 5), (5, 5), (5,), (7, 3, 4), (3, 5))),
    "rnn of vectors": (scanned, ((4, 6), (6, 6), (6,), (7, 4), (6,))),
    "few steps": (scanned, ((4, 5), (5, 5), (5,), (2, 3, 4), (3, 5))),
    "backwards": (scanned_backwards, ((4, 5), (5, 5), (5,), (7, 3, 4), (3, 5))),
    "lstm": (scanned_lstm, ((4, 20), (5, 20), (20,), (6, 3, 4), (3, 5), (3, 5))),
    "lstm of vectors": (scanned_lstm, ((4, 20), (5, 20), (20,), (6, 4), (5,), (5,))),
    "linear ode": (scanned_ode, ((6, 6), (6,), (9, 6))),
    "sums": (sums, ((4, 6), (6,), (7, 3, 4))),
    "mapped": (mapped, ((4, 6), (7, 3, 4))),
    "mapped vectors": (mapped, ((4, 6), (7, 4))),
    "counted": (counted, ((5, 5), (4, 5), (4, 5))),
    "nested": (nested, ((4, 5), (5, 5), (6, 3, 4), (3, 5))),
    "there and back": (there_and_back, ((5, 6), (7, 4, 6), (4, 5))),
}
"""Loops that are one equation."""

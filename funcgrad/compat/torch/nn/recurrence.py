"""Recurrent layers on plain arrays: the whole sequence, forwards and backwards.

Of x (total, m), weights W (k·n, m) and U (k·n, n) and the rows of `Steps`: the product with the
inputs is one for many steps, a step costs one product with the state, and the gradients of the
weights are products again, of what many steps leave. Steps are taken in groups whose intermediate
values fit into the cache. `forward` keeps what `backward` reads. The same functions as programs,
which the core can record, are in `funcgrad.compat.torch.nn.recorded_steps`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from funcgrad.compat.torch.nn.steps import Steps

__all__ = ["KERNELS", "Kernel", "Weights"]

GROUP = 1 << 16
"""So many elements of gates are in a group of steps."""


class Weights(NamedTuple):
    """The parameters of one direction of one layer.

    Attributes:
        w: of the inputs, (k·n, m).
        u: of the state, (k·n, n), or (k·n, p) with a projection.
        a: bias of the inputs, (k·n), or `None`.
        b: bias of the state, (k·n), or `None`.
        r: projection of the state, (p, n), or `None`.
    """

    w: Any
    u: Any
    a: Any
    b: Any
    r: Any


class Kernel(NamedTuple):
    """A kind of recurrent layer.

    Attributes:
        forward: `(x, h, c, weights, steps) -> (y, last states, kept)`.
        backward: `(kept, cts, x, h, c, weights, steps, wanted) -> cotangents` of x, h, c and the
            five weights; `wanted` says of each of these eight whether it is needed.
    """

    forward: Callable[..., tuple[Any, tuple[Any, ...], Any]]
    backward: Callable[..., tuple[Any, ...]]


class _Sums:
    """Cotangents of x, W, U and the biases, added up group by group.

    Attributes:
        wanted: which of x, h, c, W, U, a, b, r is needed.
        found: their cotangents.
    """

    __slots__ = ("found", "u", "w", "wanted", "x")

    def __init__(self, x: Any, weights: Weights, wanted: tuple[bool, ...]) -> None:
        self.x = x
        self.w = weights.w
        self.u = weights.u
        self.wanted = wanted
        self.found: list[Any] = [None] * 8
        if wanted[0]:
            self.found[0] = np.empty(x.shape, x.dtype)

    def add(
        self, of_input: Any, of_state: Any, before: Callable[[], Any], start: int, stop: int
    ) -> None:
        """Add a group.

        Args:
            of_input: cotangents of x Wᵀ, (stop - start, k·n).
            of_state: those of h Uᵀ; the same array where they are equal.
            before: gives the states before these rows.
            start: the first row.
            stop: the end of the rows.
        """
        wanted = self.wanted
        if wanted[0]:
            np.dot(of_input, self.w, self.found[0][start:stop])
        if wanted[3]:
            self.put(3, np.dot(of_input.T, self.x[start:stop]))
        if wanted[4]:
            self.put(4, np.dot(of_state.T, before()))
        if wanted[5]:
            self.put(5, of_input.sum(0))
        if wanted[6]:
            self.put(6, of_state.sum(0))

    def put(self, at: int, part: Any) -> None:
        """Add one cotangent."""
        if self.found[at] is None:
            self.found[at] = part
        else:
            self.found[at] += part


def _state_cotangent(ct: Any, h: Any) -> Any:
    """The cotangent of the last state, in memory of its own."""
    return np.zeros(h.shape, h.dtype) if ct is None else np.array(ct, order="C")


def _moved(previous: Any, count: int, first: Any) -> Any:
    """The states that go into a step of `count` rows, after one of fewer or more."""
    have = previous.shape[0]
    if count <= have:
        return previous if count == have else previous[:count]
    return np.concatenate((previous, first[have:count]))


# --- tanh and relu ----------------------------------------------------------------------------


def _simple(relu: bool) -> Kernel:
    """hₜ = φ(W xₜ + a + U hₜ₋₁ + b)."""

    def forward(x: Any, h: Any, _c: Any, weights: Weights, steps: Steps) -> tuple[Any, Any, Any]:
        y = np.dot(x, weights.w.T)
        if weights.a is not None:
            y += weights.a + weights.b
        u = np.ascontiguousarray(weights.u.T)
        product = np.empty((steps.batch, u.shape[1]), y.dtype)
        state = h
        dot, add, tanh, maximum = np.dot, np.add, np.tanh, np.maximum
        uniform = steps.uniform
        for start, stop in steps.rows:
            step = y[start:stop]
            if uniform:
                dot(state, u, product)
                add(step, product, step)
            else:
                step += dot(_moved(state, stop - start, h), u)
            if relu:
                maximum(step, 0, out=step)
            else:
                tanh(step, step)
            state = step
        return y, (steps.last(y),), y

    def backward(
        y: Any,
        cts: Any,
        x: Any,
        h: Any,
        _c: Any,
        weights: Weights,
        steps: Steps,
        wanted: tuple[bool, ...],
    ) -> tuple[Any, ...]:
        ct, ct_last = cts[:2]
        grad = np.empty_like(y) if relu else 1 - y * y
        off = y <= 0 if relu else None
        dh = _state_cotangent(ct_last, h)
        u = np.ascontiguousarray(weights.u)
        dot, multiply = np.dot, np.multiply
        for start, stop in reversed(steps.rows):
            state = dh[: stop - start]
            if ct is not None:
                state += ct[start:stop]
            step = grad[start:stop]
            if off is None:
                multiply(step, state, step)
            else:  # no product with 0: a cotangent may be infinite
                step[...] = state
                np.copyto(step, 0, where=off[start:stop])
            dot(step, u, state)
        sums = _Sums(x, weights, wanted)
        total = steps.total
        sums.add(grad, grad, lambda: steps.before(h, y, 0, total), 0, total)
        found = sums.found
        found[1] = dh
        return tuple(found)

    return Kernel(forward, backward)


# --- gates ------------------------------------------------------------------------------------


def _halved(weights: Weights, slope: Any) -> tuple[Any, Any]:
    """Wᵀ and Uᵀ with the columns of gates halved.

    σ(x) = ½ tanh(x/2) + ½, so one tanh does for all.
    """
    product = np.multiply
    return product(weights.w.T, slope, order="C"), product(weights.u.T, slope, order="C")


def _lstm_forward(
    x: Any, h: Any, c: Any, weights: Weights, steps: Steps
) -> tuple[Any, tuple[Any, Any], Any]:
    """i, f, o = σ(…), g = tanh(…), cₜ = f cₜ₋₁ + i g, hₜ = o tanh(cₜ), projected where asked."""
    n, dtype, batch = c.shape[1], x.dtype, steps.batch
    row = np.full(4 * n, 0.5, dtype)
    row[2 * n : 3 * n] = 1
    w, u = _halved(weights, row)
    bias = None if weights.a is None else (weights.a + weights.b) * row
    slopes = np.empty((batch, 4 * n), dtype)
    slopes[...] = row
    offsets = 1 - slopes
    gates = np.empty((steps.total, 4 * n), dtype)
    cells, y = (np.empty((steps.total, n), dtype) for _ in range(2))
    r = None if weights.r is None else np.ascontiguousarray(weights.r.T)
    shown = y if r is None else np.empty((steps.total, r.shape[1]), dtype)
    product = products = np.empty((batch, 4 * n), dtype)
    part = parts = np.empty((batch, n), dtype)
    slope, offset = slopes, offsets
    state, cell, uniform = h, c, steps.uniform
    add, dot, multiply, tanh = np.add, np.dot, np.multiply, np.tanh
    for first, end, group in steps.chunks(GROUP // (4 * n)):
        dot(x[first:end], w, gates[first:end])
        if bias is not None:
            gates[first:end] += bias
        for start, stop in group:
            if not uniform:
                count = stop - start
                state, cell = _moved(state, count, h), _moved(cell, count, c)
                product, part = products[:count], parts[:count]
                slope, offset = slopes[:count], offsets[:count]
            step, new, state_out = gates[start:stop], cells[start:stop], y[start:stop]
            dot(state, u, product)
            add(step, product, step)
            tanh(step, step)
            multiply(step, slope, step)
            add(step, offset, step)
            multiply(step[:, n : 2 * n], cell, new)
            multiply(step[:, :n], step[:, 2 * n : 3 * n], part)
            add(new, part, new)
            tanh(new, part)
            multiply(step[:, 3 * n :], part, state_out)
            state = state_out if r is None else dot(state_out, r, shown[start:stop])
            cell = new
    return shown, (steps.last(shown), steps.last(cells)), (gates, cells, y, shown)


def _lstm_factors(gates: Any, cells: Any, before: Any, grad: Any) -> tuple[Any, Any]:
    """What the cotangents of c (for i, f, g) and h (for o) are multiplied by, into `grad`.

    Returns:
        f, and ∂h/∂c.
    """
    n = cells.shape[1]
    i, f, g, o = (gates[:, k * n : (k + 1) * n] for k in range(4))
    multiply = np.multiply
    one = 1 - i
    one *= i
    multiply(one, g, grad[:, 0])
    np.subtract(1, f, one)
    one *= f
    multiply(one, before, grad[:, 1])
    multiply(g, g, one)
    np.subtract(1, one, one)
    multiply(one, i, grad[:, 2])
    bent = np.tanh(cells)
    np.subtract(1, o, one)
    one *= o
    multiply(one, bent, grad[:, 3])
    bent *= bent
    np.subtract(1, bent, bent)
    bent *= o
    return np.ascontiguousarray(f), bent


def _lstm_backward(
    kept: Any,
    cts: Any,
    x: Any,
    h: Any,
    c: Any,
    weights: Weights,
    steps: Steps,
    wanted: tuple[bool, ...],
) -> tuple[Any, ...]:
    gates, cells, y, shown = kept
    n, dtype = c.shape[1], gates.dtype
    ct, ct_h, ct_c = cts
    dh, dc = _state_cotangent(ct_h, h), _state_cotangent(ct_c, c)
    u, r = np.ascontiguousarray(weights.u), weights.r
    sums = _Sums(x, weights, wanted)
    multiply, dot = np.multiply, np.dot
    groups = steps.chunks(GROUP // (4 * n))
    room = np.empty((max(end - first for first, end, _ in groups), 4 * n), dtype)
    for first, end, group in reversed(groups):
        flat = room[: end - first]
        grad = flat.reshape(-1, 4, n)
        forget, through = _lstm_factors(
            gates[first:end], cells[first:end], steps.before(c, cells, first, end), grad
        )
        hidden = None if r is None else np.empty((end - first, h.shape[1]), dtype)
        for start, stop in reversed(group):
            count, at, to = stop - start, start - first, stop - first
            state, cell = dh[:count], dc[:count]
            if ct is not None:
                state += ct[start:stop]
            full = state
            if hidden is not None:
                hidden[at:to] = state
                full = dot(state, r)
            cell += multiply(full, through[at:to])
            step = grad[at:to]
            three, last = step[:, :3], step[:, 3]
            multiply(three, cell[:, None], three)
            multiply(last, full, last)
            multiply(cell, forget[at:to], cell)
            dot(flat[at:to], u, state)
        _add_group(sums, flat, flat, steps, h, shown, first, end)
        if hidden is not None and wanted[7]:
            sums.put(7, dot(hidden.T, y[first:end]))
    sums.found[1:3] = dh, dc
    return tuple(sums.found)


def _add_group(
    sums: _Sums, of_input: Any, of_state: Any, steps: Steps, h: Any, y: Any, first: int, end: int
) -> None:
    sums.add(of_input, of_state, lambda: steps.before(h, y, first, end), first, end)


def _gru_forward(
    x: Any, h: Any, _c: Any, weights: Weights, steps: Steps
) -> tuple[Any, tuple[Any], Any]:
    """r, z = σ(…), m = tanh(W x + a + r (U h + b)), hₜ = m + z (hₜ₋₁ - m)."""
    n, dtype, batch = h.shape[1], x.dtype, steps.batch
    row = np.full(3 * n, 0.5, dtype)
    row[2 * n :] = 1
    w, u = _halved(weights, row)
    of_input = of_state = None
    if weights.a is not None:
        of_input = weights.a * row
        of_input[: 2 * n] += weights.b[: 2 * n] * 0.5
        of_state = np.empty((batch, n), dtype)
        of_state[...] = weights.b[2 * n :]
    half = np.full((), 0.5, dtype)
    gates = np.empty((steps.total, 3 * n), dtype)
    inner, y = (np.empty((steps.total, n), dtype) for _ in range(2))
    product = products = np.empty((batch, 3 * n), dtype)
    state, uniform = h, steps.uniform
    add, dot, multiply, subtract, tanh = np.add, np.dot, np.multiply, np.subtract, np.tanh
    for first, end, group in steps.chunks(GROUP // (3 * n)):
        dot(x[first:end], w, gates[first:end])
        if of_input is not None:
            gates[first:end] += of_input
        for start, stop in group:
            if not uniform:
                state, product = _moved(state, stop - start, h), products[: stop - start]
            step, mine, new = gates[start:stop], inner[start:stop], y[start:stop]
            both, mixed = step[:, : 2 * n], step[:, 2 * n :]
            dot(state, u, product)
            add(both, product[:, : 2 * n], both)
            tanh(both, both)
            multiply(both, half, both)
            add(both, half, both)
            if of_state is None:
                mine[...] = product[:, 2 * n :]
            else:
                add(product[:, 2 * n :], of_state[: stop - start], mine)
            multiply(both[:, :n], mine, new)
            add(mixed, new, mixed)
            tanh(mixed, mixed)
            subtract(state, mixed, new)
            multiply(new, both[:, n:], new)
            add(new, mixed, new)
            state = new
    return y, (steps.last(y),), (gates, inner, y)


def _gru_backward(
    kept: Any,
    cts: Any,
    x: Any,
    h: Any,
    _c: Any,
    weights: Weights,
    steps: Steps,
    wanted: tuple[bool, ...],
) -> tuple[Any, ...]:
    gates, inner, y = kept
    n, dtype = h.shape[1], gates.dtype
    ct, ct_last = cts[:2]
    dh = _state_cotangent(ct_last, h)
    u = np.ascontiguousarray(weights.u)
    sums = _Sums(x, weights, wanted)
    multiply, dot = np.multiply, np.dot
    groups = steps.chunks(GROUP // (3 * n))
    room = np.empty((max(end - first for first, end, _ in groups), 3 * n), dtype)
    for first, end, group in reversed(groups):
        flat = room[: end - first]
        grad = flat.reshape(-1, 3, n)
        reset, update, m = (gates[first:end, k * n : (k + 1) * n] for k in range(3))
        states = steps.before(h, y, first, end)
        update = np.ascontiguousarray(update)
        free = 1 - update
        mixed = free * (1 - m * m)
        multiply(mixed, reset, grad[:, 2])
        multiply(grad[:, 2] * inner[first:end], 1 - reset, grad[:, 0])
        multiply((states - m) * update, free, grad[:, 1])
        for start, stop in reversed(group):
            at, to = start - first, stop - first
            state = dh[: stop - start]
            if ct is not None:
                state += ct[start:stop]
            step, part = grad[at:to], mixed[at:to]
            multiply(step, state[:, None], step)
            multiply(part, state, part)
            multiply(state, update[at:to], state)
            state += dot(flat[at:to], u)
        of_input = flat.copy()
        of_input[:, 2 * n :] = mixed
        _add_group(sums, of_input, flat, steps, h, y, first, end)
    sums.found[1] = dh
    return tuple(sums.found)


KERNELS = {
    "RNN_TANH": _simple(relu=False),
    "RNN_RELU": _simple(relu=True),
    "LSTM": Kernel(_lstm_forward, _lstm_backward),
    "GRU": Kernel(_gru_forward, _gru_backward),
}
"""Each kind by PyTorch's word for it."""

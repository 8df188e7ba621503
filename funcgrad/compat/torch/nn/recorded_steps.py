"""Recurrent layers as programs on any values: what the core records, maps and differentiates.

The equations of `funcgrad.compat.torch.nn.recurrence`, step by step.
"""

from typing import Any

import funcgrad.numpy as fnp
from funcgrad import nn
from funcgrad.compat.torch.nn.recurrence import Weights
from funcgrad.compat.torch.nn.steps import Steps

__all__ = ["gru_step", "lstm_parts", "lstm_step", "recorded_layer", "simple_step"]


def _product(x: Any, weight: Any, bias: Any) -> Any:
    out = fnp.matmul(x, fnp.swapaxes(weight, -1, -2))
    return out if bias is None else out + bias


def _gates(x: Any, count: int) -> list[Any]:
    n = x.shape[-1] // count
    return [x[..., k * n : (k + 1) * n] for k in range(count)]


def simple_step(mixed: Any, h: Any, weights: Weights, *, relu: bool) -> Any:
    """φ(mixed + U h + b)."""
    inner = mixed + _product(h, weights.u, weights.b)
    return nn.relu(inner) if relu else fnp.tanh(inner)


def lstm_parts(mixed: Any, h: Any, c: Any, weights: Weights) -> tuple[Any, Any]:
    """The next c, and the gate o."""
    i, f, g, o = _gates(mixed + _product(h, weights.u, weights.b), 4)
    return nn.sigmoid(f) * c + nn.sigmoid(i) * fnp.tanh(g), nn.sigmoid(o)


def lstm_step(mixed: Any, h: Any, c: Any, weights: Weights) -> tuple[Any, Any]:
    """The next h and c."""
    c, o = lstm_parts(mixed, h, c, weights)
    h = o * fnp.tanh(c)
    return (h if weights.r is None else _product(h, weights.r, None)), c


def gru_step(mixed: Any, h: Any, weights: Weights) -> Any:
    """The next h."""
    of_x, of_h = _gates(mixed, 3), _gates(_product(h, weights.u, weights.b), 3)
    r, z = (nn.sigmoid(x + y) for x, y in zip(of_x[:2], of_h[:2], strict=True))
    m = fnp.tanh(of_x[2] + r * of_h[2])
    return m + z * (h - m)


def _next(kind: str, mixed: Any, states: list[Any], weights: Weights) -> list[Any]:
    if kind == "LSTM":
        h, c = states
        return list(lstm_step(mixed, h, c, weights))
    if kind == "GRU":
        return [gru_step(mixed, states[0], weights)]
    return [simple_step(mixed, states[0], weights, relu=kind == "RNN_RELU")]


def recorded_layer(
    x: Any, h: Any, c: Any, *weights: Any, kind: str, steps: Steps
) -> tuple[Any, ...]:
    """States after all steps, and the last h (and c) of each sequence.

    Args:
        x: (steps, batch, m), or of sequences of several lengths (total, m).
        h: first states, (batch, n).
        c: first cells of an LSTM, else `None`.
        *weights: as `Weights` has them.
        kind: PyTorch's word for the kind of layer.
        steps: which rows belong to which step.
    """
    mine = Weights(*weights)
    mixed = _product(fnp.reshape(x, (steps.total, x.shape[-1])), mine.w, mine.a)
    first = [h] if c is None else [h, c]
    states = first
    results = []
    for start, stop in steps.rows:
        count = stop - start
        inside = states if count == steps.batch else [state[:count] for state in states]
        new = _next(kind, mixed[start:stop], inside, mine)
        results.append(new[0])
        states = (
            new
            if count == steps.batch
            else [
                fnp.concatenate((one, state[count:]))
                for one, state in zip(new, states, strict=True)
            ]
        )
    y = steps.joined(results)
    if len(x.shape) == 3:
        y = fnp.reshape(y, (*x.shape[:2], y.shape[-1]))
    return y, *states

"""Single steps of recurrent networks: `torch.rnn_tanh_cell` and its like.

Plain float32 and float64 take a step as one node (of an LSTM two); everything else takes it as a
recorded program.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.compilation_breaks import as_one, takes_blocks
from funcgrad.compat.torch.nn.common import scalar_name
from funcgrad.compat.torch.nn.recorded_steps import gru_step, lstm_parts, simple_step
from funcgrad.compat.torch.nn.recurrence import Weights
from funcgrad.compat.torch.nn.short import all_plain
from funcgrad.compat.torch.nn.short_several import short_results
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.transforms.custom import custom_vjp

__all__ = ["gru_cell", "lstm_cell", "rnn_relu_cell", "rnn_tanh_cell"]

BIASES = (4, 5)
"""Places of the biases among the operands x, h, w, u, a, b."""


def _mixed(x: Any, w: Any, a: Any) -> Any:
    out = fnp.matmul(x, fnp.swapaxes(w, -1, -2))
    return out if a is None else out + a


def _tanh(x: Any, h: Any, w: Any, u: Any, a: Any, b: Any) -> Any:
    return simple_step(_mixed(x, w, a), h, Weights(w, u, a, b, None), relu=False)


def _relu(x: Any, h: Any, w: Any, u: Any, a: Any, b: Any) -> Any:
    return simple_step(_mixed(x, w, a), h, Weights(w, u, a, b, None), relu=True)


def _gru(x: Any, h: Any, w: Any, u: Any, a: Any, b: Any) -> Any:
    return gru_step(_mixed(x, w, a), h, Weights(w, u, a, b, None))


def _lstm(x: Any, h: Any, w: Any, u: Any, a: Any, b: Any, c: Any) -> tuple[Any, Any]:
    """The next c, and the gate o."""
    return lstm_parts(_mixed(x, w, a), h, c, Weights(w, u, a, b, None))


def _shown(o: Any, c: Any) -> Any:
    return o * fnp.tanh(c)


def _alone(function: Any) -> Any:
    """A function of one result, as one of several."""

    def several(*values: Any) -> tuple[Any]:
        return (function(*values),)

    return several


tanh_op = Op("TanhBackward0", _tanh)
relu_op = Op("ReluBackward0", _relu)
gru_op = Op("AddBackward0", _gru)
lstm_op = Op("AddBackward0", _lstm)
shown_op = Op("MulBackward0", _shown)


def _weights_of(grad: Any, other: Any, values: Sequence[Any], mask: Sequence[bool]) -> list[Any]:
    """Cotangents of x, h, w, u, a, b from those of x Wᵀ and of h Uᵀ."""
    x, h, w, u = values[:4]
    bias = grad.sum(0) if mask[4] or (mask[5] and other is grad) else None
    return [
        np.dot(grad, w) if mask[0] else None,
        np.dot(other, u) if mask[1] else None,
        np.dot(grad.T, x) if mask[2] else None,
        np.dot(other.T, h) if mask[3] else None,
        bias,
        None if not mask[5] else other.sum(0) if other is not grad else bias,
    ]


def _gates(values: Sequence[Any]) -> Any:
    """x Wᵀ + a + h Uᵀ + b."""
    x, h, w, u, a, b = values[:6]
    out = np.dot(x, w.T)
    out += np.dot(h, u.T)
    if a is not None:
        out += a
        out += b
    return out


def _program(op: Op, relu: bool) -> Op:
    """The step as a program for `torch.compile`, to the last bit what the short way computes."""

    @custom_vjp
    def step(x: Any, h: Any, w: Any, u: Any, *biases: Any) -> Any:
        mixed = np.dot(x, w.T) + np.dot(h, u.T)
        for bias in biases:
            mixed = mixed + bias
        return np.maximum(mixed, 0) if relu else np.tanh(mixed)

    def forward(*values: Any) -> Any:
        y = step(*values)
        return y, (y, values)

    def backward(kept: Any, ct: Any) -> tuple[Any, ...]:
        y, values = kept
        grad = np.where(y <= 0, 0, ct) if relu else ct - ct * y * y
        mask = (True,) * 4 + (len(values) > 4,) * 2
        return tuple(_weights_of(grad, grad, values, mask)[: len(values)])

    step.defvjp(forward, backward)
    name = None if op.cls is None else op.cls.__name__
    return Op(name, lambda *values: step(*(value for value in values if value is not None)))


def _simple(op: Op, relu: bool) -> Any:
    program = _program(op, relu)
    several = _alone(op.function)
    cls = op.cls

    def backward(
        cts: Sequence[Any], y: Any, values: Sequence[Any], mask: Sequence[bool]
    ) -> list[Any]:
        ct = cts[0]
        grad = np.where(y <= 0, ct.dtype.type(0), ct) if relu else ct - ct * y * y
        return _weights_of(grad, grad, values, mask)

    def cell(operands: Sequence[Any]) -> Any:
        if not all_plain(*operands):
            exact = (
                takes_blocks(operands[0]._value)
                and len({one._value.dtype for one in operands if one is not None}) == 1
            )
            return program(*operands) if exact else op(*operands)
        inner = _gates([None if one is None else one._value for one in operands])
        y = np.maximum(inner, 0, out=inner) if relu else np.tanh(inner, inner)
        result = short_results(cls, op.name, operands, (y,), several, backward, y, BIASES)[0]
        if result._requires:  # its value is read by the pull
            result._node.saved += (result._cell, 0)
            result._node.rule.saved_values += (y,)
        return result

    return cell


def _lstm_backward(
    cts: Sequence[Any], gates: Any, values: Sequence[Any], mask: Sequence[bool]
) -> list[Any]:
    c = values[6]
    n = c.shape[1]
    i, f, g, o = (gates[:, k * n : (k + 1) * n] for k in range(4))
    ct, ct_o = cts
    grad = np.zeros_like(gates)
    if ct is not None:
        np.multiply(ct, g * i * (1 - i), grad[:, :n])
        np.multiply(ct, c * f * (1 - f), grad[:, n : 2 * n])
        np.multiply(ct, i * (1 - g * g), grad[:, 2 * n : 3 * n])
    if ct_o is not None:
        np.multiply(ct_o, o * (1 - o), grad[:, 3 * n :])
    of_c = None if not mask[6] else np.zeros_like(c) if ct is None else ct * f
    return [*_weights_of(grad, grad, values, mask), of_c]


@as_one
def _lstm_cell(operands: Sequence[Any]) -> tuple[Any, Any]:
    """The next h and c."""
    if not all_plain(*operands):
        c, o = lstm_op(*operands)
        return shown_op(o, c), c
    values = [None if one is None else one._value for one in operands]
    gates = _gates(values)
    n = gates.shape[1] // 4
    slope = _slope(n, gates.dtype.char)
    gates *= slope[0]
    np.tanh(gates, gates)
    gates *= slope[0]
    gates += slope[1]
    cell = gates[:, n : 2 * n] * values[6]
    cell += gates[:, :n] * gates[:, 2 * n : 3 * n]
    gate = gates[:, 3 * n :].copy()  # the user may write into what is returned
    c, o = short_results(
        lstm_op.cls, "Add", operands, (cell, gate), _lstm, _lstm_backward, gates, BIASES
    )
    bent = np.tanh(cell)
    h = short_results(
        shown_op.cls, "Mul", (o, c), (gate * bent,), _alone(_shown), _shown_backward, bent
    )[0]
    return h, c


@lru_cache(maxsize=64)
def _slope(n: int, kind: str) -> tuple[Any, Any]:
    """Factors and terms that make sigmoids of tanh: σ(x) = ½ tanh(x/2) + ½."""
    factor = np.full(4 * n, 0.5, kind)
    factor[2 * n : 3 * n] = 1
    return factor, 1 - factor


def _shown_backward(
    cts: Sequence[Any], bent: Any, values: Sequence[Any], mask: Sequence[bool]
) -> list[Any]:
    ct = cts[0]
    return [
        ct * bent if mask[0] else None,
        ct * values[0] * (1 - bent * bent) if mask[1] else None,
    ]


def _gru_backward(
    cts: Sequence[Any], kept: Any, values: Sequence[Any], mask: Sequence[bool]
) -> list[Any]:
    r, z, m, inner = kept
    h = values[1]
    ct = cts[0]
    of_m = ct * (1 - z) * (1 - m * m)
    of_z = ct * (h - m) * z * (1 - z)
    of_r = of_m * inner * r * (1 - r)
    grad = np.concatenate((of_r, of_z, of_m), 1)
    other = np.concatenate((of_r, of_z, of_m * r), 1)
    parts = _weights_of(grad, other, values, mask)
    if mask[1]:
        parts[1] += ct * z
    return parts


@as_one
def _gru_cell(operands: Sequence[Any]) -> Any:
    if not all_plain(*operands):
        return gru_op(*operands)
    values: list[Any] = [None if one is None else one._value for one in operands]
    x, h, w, u, a, b = values
    of_x, of_h = np.dot(x, w.T), np.dot(h, u.T)
    if a is not None:
        of_x += a
        of_h += b
    n = h.shape[1]
    both = of_x[:, : 2 * n] + of_h[:, : 2 * n]
    both *= 0.5
    np.tanh(both, both)
    both *= 0.5
    both += 0.5
    r, z, inner = both[:, :n], both[:, n:], of_h[:, 2 * n :]
    m = np.tanh(of_x[:, 2 * n :] + r * inner)
    y = h - m
    y *= z
    y += m
    return short_results(
        gru_op.cls, "Add", operands, (y,), _alone(_gru), _gru_backward, (r, z, m, inner), BIASES
    )[0]


# --- the functions of `torch` -----------------------------------------------------------------


def _checked(input: Any, hx: Any, w: Any, gates: int, which: int = 0) -> None:
    """Refuse an input or a state that does not fit the weights."""
    x, h, rows = input._value.shape, hx._value.shape, w._value.shape
    if not which and x[1] != rows[1]:
        raise RuntimeError(f"input has inconsistent input_size: got {x[1]} expected {rows[1]}")
    if x[0] != h[0]:
        raise RuntimeError(f"Input batch size {x[0]} doesn't match hidden{which} batch size {h[0]}")
    if h[1] * gates != rows[0]:
        raise RuntimeError(
            f"hidden{which} has inconsistent hidden_size: got {h[1]}, expected {rows[0] // gates}"
        )
    if which or input.dtype is w.dtype:
        return
    raise RuntimeError(
        f"mat1 and mat2 must have the same dtype, but got {scalar_name(input.dtype)} and "
        f"{scalar_name(w.dtype)}"
    )


def _named(name: str, gates: int, step: Any) -> Any:
    """The function of `torch` of this name."""

    def cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
        _checked(input, hx, w_ih, gates)
        return step((input, hx, w_ih, w_hh, b_ih, b_hh))

    cell.__name__ = name
    cell.__doc__ = "The next state of a recurrence."
    expose(name, cell, method=False)
    return cell


def lstm_cell(
    input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> tuple[Any, Any]:
    """The next (h, c) of an LSTM.

    Args:
        input: x, (batch, m).
        hx: (h, c), each (batch, n).
        w_ih: (4 n, m); the gates stand in the order i, f, g, o.
        w_hh: (4 n, n).
        b_ih: (4 n).
        b_hh: (4 n).
    """
    if isinstance(hx, Tensor):
        raise TypeError(
            "lstm_cell(): argument 'hx' (position 2) must be tuple of Tensors, not Tensor"
        )
    if len(hx) != 2:
        raise RuntimeError("lstm_cell expects two hidden states")
    for which, state in enumerate(hx):
        _checked(input, state, w_ih, 4, which)
    return _lstm_cell((input, hx[0], w_ih, w_hh, b_ih, b_hh, hx[1]))


rnn_tanh_cell = _named("rnn_tanh_cell", 1, _simple(tanh_op, relu=False))
rnn_relu_cell = _named("rnn_relu_cell", 1, _simple(relu_op, relu=True))
gru_cell = _named("gru_cell", 3, _gru_cell)
expose("lstm_cell", lstm_cell, method=False)

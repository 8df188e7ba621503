"""Recurrent layers: one node of the graph for a direction of a layer, and stacks of them.

Plain float32 and float64 take the short way of `funcgrad.compat.torch.nn.recurrence`; second
derivatives, traced values and other types take the layer as a recorded program.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from funcgrad.compat.torch.compilation_breaks import as_one
from funcgrad.compat.torch.joining import cat, stack
from funcgrad.compat.torch.nn.common import scalar_name
from funcgrad.compat.torch.nn.dropout import dropout as dropped
from funcgrad.compat.torch.nn.recorded_steps import recorded_layer
from funcgrad.compat.torch.nn.recurrence import KERNELS, Weights
from funcgrad.compat.torch.nn.short import all_plain
from funcgrad.compat.torch.nn.short_several import short_results
from funcgrad.compat.torch.nn.steps import Steps, steps_of
from funcgrad.compat.torch.node import node_class
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.reshaping import transpose_op
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import Tensor, holder

__all__ = ["recurrent"]

_NAMES = ("StackBackward0", "CatBackward0", "ViewBackward0", "MkldnnRnnLayerBackward0")
_OPS = {name: Op(name, recorded_layer) for name in _NAMES}
_CLASSES = {name: node_class(name) for name in _NAMES}
BIASES = (5, 6)
"""Places of the biases among the operands x, h, c, w, u, a, b, r: they are only added."""


def _backward(
    kind: str,
    steps: Steps,
    cts: Sequence[Any],
    kept: Any,
    values: tuple[Any, ...],
    mask: tuple[bool, ...],
) -> Sequence[Any]:
    """Cotangents of the operands of a layer."""
    x, h, c, *weights = values
    first, *rest = cts
    if first is not None and len(first.shape) == 3:
        first = first.reshape(steps.total, first.shape[-1])
    flat = x.reshape(steps.total, x.shape[-1])
    of_x, *others = KERNELS[kind].backward(
        kept, (first, *rest), flat, h, c, Weights(*weights), steps, mask
    )
    return (None if of_x is None else of_x.reshape(x.shape), *others)


@as_one
def _layer(
    kind: str,
    x: Tensor,
    states: Sequence[Tensor],
    weights: Sequence[Tensor | None],
    steps: Steps,
    name: str,
) -> Sequence[Tensor]:
    """One direction of one layer: the states after all steps, and the last ones.

    Args:
        kind: PyTorch's word.
        x: (steps, batch, m) or (total, m).
        states: the first h, and of an LSTM the first c: (batch, n).
        weights: w, u, a, b, r; `None` for those that are missing.
        steps: which rows belong to which step.
        name: of the node.
    """
    h, *rest = states
    operands = (x, h, rest[0] if rest else None, *weights)
    if not all_plain(*operands):  # type: ignore[arg-type]  # the first is a tensor
        return _OPS[name](*operands, kind=kind, steps=steps)  # type: ignore[no-any-return]  # tensors
    values: list[Any] = [None if one is None else one._value for one in operands]
    v, *others = values
    y, last, kept = KERNELS[kind].forward(
        v.reshape(steps.total, v.shape[-1]), *others[:2], Weights(*others[2:]), steps
    )
    if STATE.grad:
        y = y.copy()  # the node reads its own
    if len(v.shape) == 3:
        y = y.reshape(*v.shape[:2], y.shape[-1])
    return short_results(
        _CLASSES[name],
        name[:-9],
        operands,
        (y, *last),
        partial(recorded_layer, kind=kind, steps=steps),
        partial(_backward, kind, steps),
        kept,
        linear=BIASES,
    )


def recurrent(
    kind: str,
    x: Tensor,
    states: Sequence[Tensor],
    params: Sequence[Tensor | None],
    *,
    biases: bool,
    layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool = False,
    sizes: tuple[int, ...] | None = None,
) -> tuple[Any, list[Any]]:
    """A stack of recurrent layers: results of the last one, and the last states of all.

    Args:
        kind: PyTorch's word for the kind of layer.
        x: (steps, batch, m), with `batch_first` (batch, steps, m), of a packed sequence (total, m).
        states: the first h, and of an LSTM the first c: (layers · directions, batch, n).
        params: the weights of each direction of each layer in PyTorch's order.
        biases: whether these have biases.
        layers: number of layers.
        dropout: probability of a zero in what goes from a layer to the next.
        train: whether there is dropout.
        bidirectional: whether each layer also goes backwards.
        batch_first: of x.
        sizes: numbers of rows of the steps of a packed sequence.
    """
    directions = 1 + bidirectional
    every = len(params) // (layers * directions)  # 3 or 5 of them with projections
    for state in states:
        if state.dtype is not x.dtype:
            raise RuntimeError(
                f"mat1 and mat2 must have the same dtype, but got {scalar_name(state.dtype)} and "
                f"{scalar_name(x.dtype)}"
            )
    is_short = kind == "LSTM" and x.dtype.name == "float32" and every in (2, 4)
    turned = batch_first and sizes is None
    if turned:
        x = x.transpose(0, 1)  # type: ignore[attr-defined]  # entered
    if sizes is None:
        length, batch = x._value.shape[:2]
        if not length:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        sizes = (int(batch),) * int(length)
        name = "MkldnnRnnLayerBackward0" if is_short else "StackBackward0"
    else:
        name = "ViewBackward0" if is_short and sizes[0] == sizes[-1] else "CatBackward0"
    unbound = [_each(state) for state in states]
    last: list[Sequence[Tensor]] = []
    for layer in range(layers):
        results = []
        for direction in range(directions):
            number = layer * directions + direction
            y, *ends = _layer(
                kind,
                x,
                [one[number] for one in unbound],
                _arranged(params[number * every : (number + 1) * every], biases),
                steps_of(sizes, bool(direction)),
                name,
            )
            results.append(y)
            last.append(ends)
        x = results[0] if directions == 1 else cat(results, -1)
        if dropout and train and layer < layers - 1:
            x = dropped(x, dropout)
    if turned:
        x = x.transpose(0, 1) if kind == "LSTM" else transpose_op(x, a=0, b=1)  # type: ignore[attr-defined]  # entered
    return x, [stack([ends[at] for ends in last], 0) for at in range(len(states))]


def _each(state: Tensor) -> Sequence[Tensor]:
    """The states of each layer and direction."""
    value = state._value
    if type(value) is np.ndarray and not state._requires and state._dtype is None:
        parts = [holder(one) for one in value]
        for part in parts:
            part._cell = state._cell
        return parts
    return state.unbind(0)  # type: ignore[attr-defined,no-any-return]  # entered


def _arranged(params: Sequence[Tensor | None], biases: bool) -> tuple[Tensor | None, ...]:
    """w, u, a, b, r."""
    w, u, *rest = params
    a, b = (rest[0], rest[1]) if biases else (None, None)
    more = rest[2:] if biases else rest
    return w, u, a, b, more[0] if more else None


# --- the functions of `torch` -----------------------------------------------------------------


def _function(kind: str) -> Any:
    def layers(
        input: Any,
        hx: Any,
        params: Any,
        has_biases: Any,
        num_layers: Any,
        dropout: Any,
        train: Any,
        bidirectional: Any,
        batch_first: Any = False,
    ) -> Any:
        """A stack of recurrent layers; with sizes of the steps second, of a packed sequence."""
        sizes = None
        if isinstance(params, Tensor) or (kind == "LSTM" and isinstance(hx, Tensor)):
            sizes, hx, params = tuple(hx.tolist()), params, has_biases
            has_biases, num_layers, dropout, train, bidirectional = (
                num_layers, dropout, train, bidirectional, batch_first,
            )  # fmt: skip
        result, last = recurrent(
            kind,
            input,
            hx if kind == "LSTM" else [hx],
            params,
            biases=has_biases,
            layers=num_layers,
            dropout=dropout,
            train=train,
            bidirectional=bidirectional,
            batch_first=batch_first and sizes is None,
            sizes=sizes,
        )
        return result, *last

    layers.__name__ = kind.lower()
    return layers


for _kind in KERNELS:
    expose(_kind.lower(), _function(_kind), method=False)

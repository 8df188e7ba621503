"""The short way of functions of plain arrays: one node, which keeps what its pull reads.

That of a loss keeps the derivative of the loss. What a node needs to differentiate once is computed
with the value; what it needs to differentiate again, or to show its operands, is the operation
recorded anew.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad.compat.torch.node import Node
from funcgrad.compat.torch.recorded import RecordedRule, index_in
from funcgrad.compat.torch.state import STATE, next_sequence_number
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.interpreters.record import Recording

__all__ = [
    "SlopeRule",
    "all_plain",
    "are_plain",
    "short_loss",
    "short_result",
    "slope_times",
    "traced_pull",
]

new = object.__new__
_FAST = (np.dtype(np.float32), np.dtype(np.float64))

Pull = Callable[[Any, Any], Any]


def slope_times(ct: Any, slope: Any) -> Any:
    """ct · slope, the cotangent of the one active operand."""
    return ct * slope


def slope_both(ct: Any, slope: Any) -> Any:
    """±ct · slope, for a loss of the difference of two active operands."""
    part = ct * slope
    return part, -part


class SlopeRule:
    """Rule of a node that keeps what its pull multiplies by.

    Attributes:
        pull: `(ct, residuals) -> part`, or parts of the active operands.
        mask: which operands are active.
        function: of the operands' values; recorded anew where the pull is to be differentiated.
        operands: as a `RecordedRule` has them.
    """

    __slots__ = ("function", "mask", "operands", "pull")

    def __init__(
        self,
        pull: Pull,
        mask: tuple[bool, ...],
        function: Callable[..., Any],
        operands: tuple[Any, ...],
    ) -> None:
        self.pull = pull
        self.mask = mask
        self.function = function
        self.operands = operands

    def _recorded(self) -> RecordedRule:
        return RecordedRule(self.function, list(self.operands), self.mask, [None], True)

    def again(self, node: Node, ct: Any) -> Any:
        """As a recorded rule."""
        return self._recorded().again(node, ct)

    def saved_value(self, node: Node, name: str) -> Any:
        """As a recorded rule."""
        return self._recorded().saved_value(node, name)


def are_plain(x: Tensor, y: Tensor) -> bool:
    """Whether two tensors are plain arrays of one shape and one of the types float32, float64."""
    v, w = x._value, y._value
    return (
        type(v) is np.ndarray
        and type(w) is np.ndarray
        and v.shape == w.shape
        and v.dtype is w.dtype
        and v.dtype in _FAST
        and v.size > 0
        and x._dtype is None
        and y._dtype is None
        and not STATE.anomaly
        and not STATE.saved_hooks
    )


def all_plain(x: Tensor, *others: Tensor | None) -> bool:
    """Whether tensors are plain arrays of one of the types float32, float64."""
    v = x._value
    if type(v) is not np.ndarray or v.dtype not in _FAST or x._dtype is not None or not v.size:
        return False
    for y in others:
        if y is not None:
            w = y._value
            if type(w) is not np.ndarray or w.dtype is not v.dtype or y._dtype is not None:
                return False
            if not w.size:
                return False
    return not STATE.anomaly and not STATE.saved_hooks


def _kept(tensor: Tensor) -> tuple[Any, ...]:
    """An active operand, as a `RecordedRule` has it."""
    node, cell = tensor._node, tensor._cell
    return tensor._value, tensor if node is None else node, tensor._port, cell, cell[0]


def short_loss(
    cls: Any,
    name: str,
    tensors: tuple[Tensor, ...],
    value: Any,
    slope: Any,
    function: Callable[..., Any],
    pull: Pull | None = None,
) -> Tensor:
    """The tensor of a loss, with its node.

    Args:
        cls: class of the node.
        name: of the operation.
        tensors: its operands: one, or the two whose difference it is of.
        value: the loss.
        slope: its derivative by the (first) active operand, or what `pull` makes it of.
        function: of the operands' values.
        pull: by default ±ct · slope.
    """
    t: Tensor = new(Tensor)
    t._value = value
    t._cell = [0, name]
    mask = tuple([x._requires for x in tensors])
    if STATE.grad and True in mask:
        edges: list[Any] = []
        ports: list[int] = []
        operands: list[Any] = []
        saved: list[Any] = []
        for x in tensors:
            cell = x._cell
            saved += (cell, cell[0])
            if x._requires:
                kept = _kept(x)
                operands.append(kept)
                edges.append(kept[1])
                ports.append(kept[2])
            else:
                operands.append(x._value)
        if pull is None:
            pull = slope_times if len(edges) == 1 else slope_both
            if not mask[0]:
                slope = -slope
        node: Any = new(cls)
        node.rule = SlopeRule(pull, mask, function, tuple(operands))
        node.edges = tuple(edges)
        if any(ports):
            node.ports = tuple(ports)
        node.residuals = slope
        node.number = next_sequence_number()
        node.saved = tuple(saved)
        t._node = node
        t._requires = True
    return t


def short_result(
    cls: Any,
    name: str,
    operands: tuple[Tensor | None, ...],
    value: Any,
    function: Callable[..., Any],
    pull: Callable[[tuple[bool, ...]], Pull],
    residuals: Any = None,
    linear: tuple[int, ...] = (),
) -> Tensor:
    """The tensor of a function of several operands, with its node.

    Args:
        cls: class of the node.
        name: of the operation.
        operands: tensors of plain values; `None` for one that is left out.
        value: the result.
        function: of the operands' values.
        pull: of which operands are active: `(ct, residuals) -> part`, or parts of the active ones.
        residuals: what the pull reads.
        linear: numbers of the operands that are only added, so that their values do not matter.
    """
    t: Tensor = new(Tensor)
    t._value = value
    t._cell = [0, name]
    mask = tuple([x is not None and x._requires for x in operands])
    if not (STATE.grad and True in mask):
        return t
    edges: list[Any] = []
    ports: list[int] = []
    kept: list[Any] = []
    saved: list[Any] = []
    for i, x in enumerate(operands):
        if x is None:
            kept.append(None)
            continue
        cell = x._cell
        if i not in linear:
            saved += (cell, cell[0])
        if not x._requires:
            kept.append(x._value)
            continue
        entry = _kept(x)
        edges.append(entry[1])
        ports.append(entry[2])
        if i in linear:
            v = x._value
            entry = ((v.shape, v.dtype), *entry[1:4], None)
        kept.append(entry)
    node: Any = new(cls)
    node.rule = SlopeRule(pull(mask), mask, function, tuple(kept))
    node.edges = tuple(edges)
    if any(ports):
        node.ports = tuple(ports)
    node.residuals = residuals
    node.number = next_sequence_number()
    node.saved = tuple(saved)
    t._node = node
    t._requires = True
    return t


def traced_pull(
    function: Callable[..., Any], values: tuple[Any, ...], mask: tuple[bool, ...], ct: Any
) -> Any:
    """The parts of the active operands for a traced cotangent: the function's records, swept."""
    trace = Recording("torch")
    args = [trace.input(x) if flag else x for x, flag in zip(values, mask, strict=True)]
    try:
        out = function(*args)
    finally:
        records = trace.close()
    kept = [(x,) if flag else x for x, flag in zip(values, mask, strict=True)]
    return RecordedRule(function, kept, mask, [index_in(out, trace)], True).pull(ct, records)

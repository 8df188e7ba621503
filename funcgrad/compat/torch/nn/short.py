"""The short way of losses of plain arrays: one node, which keeps the derivative of the loss.

What the node needs to differentiate once is computed with the value; what it needs to differentiate
again, or to show its operands, is the operation recorded anew.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad.compat.torch.node import Node
from funcgrad.compat.torch.recorded import RecordedRule
from funcgrad.compat.torch.state import STATE, next_sequence_number
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["SlopeRule", "are_plain", "short_loss", "slope_times"]

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

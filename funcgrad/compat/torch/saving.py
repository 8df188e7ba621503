"""What nodes keep, given to the user's hooks: packed when recorded, unpacked in the sweep.

Also the user's lines that made a node, for anomaly detection. Both run only while the short ways of
`funcgrad.compat.torch.fast` are closed (`STATE.anomaly`).
"""

import linecache
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from funcgrad.compat.torch.ambient import AmbientTracer
from funcgrad.compat.torch.node import CAREFUL, FREED, Node
from funcgrad.compat.torch.recorded import DirectRule, RecordedRule
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import Tensor, holder, plain_array
from funcgrad.core.primitive import Primitive
from funcgrad.errors import user_line

__all__ = ["PackedRule", "pack_value", "user_trace"]

_HERE = str(Path(__file__).resolve().parents[2])


def user_trace() -> list[str]:
    """Lines of the user's program that lead here, as a traceback prints them."""
    lines: list[str] = []
    frame: Any = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(_HERE) and not code.co_filename.startswith("<frozen"):
            text = linecache.getline(code.co_filename, frame.f_lineno).strip()
            shown = f"    {text}\n" if text else ""
            lines.append(
                f'  File "{code.co_filename}", line {frame.f_lineno}, in {code.co_name}\n{shown}'
            )
        frame = frame.f_back
    return lines[::-1]


class Packed:
    """What a pack hook returned, the hook that makes a tensor of it again, its shape and type."""

    __slots__ = ("content", "dtype", "shape", "unpack")

    def __init__(self, content: Any, unpack: Callable[[Any], Any], value: Any) -> None:
        self.content = content
        self.unpack = unpack
        self.shape, self.dtype = value.shape, value.dtype

    def value(self) -> Any:
        """The values of the tensor."""
        tensor = self.unpack(self.content)
        if not isinstance(tensor, Tensor):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type(tensor).__name__}"
            )
        return plain_array(tensor, "numpy")


def pack_value(value: Any, operand: Any = None) -> Packed:
    """Give a value to the innermost pack hook.

    Args:
        value: what a node keeps.
        operand: the leaf that holds it, or its place in the graph as a traced value, if it is an
            operand of the node; otherwise the tensor is outside the graph.
    """
    pack, unpack = STATE.saved_hooks[-1]
    hooks, grad = STATE.saved_hooks, STATE.grad
    STATE.saved_hooks, STATE.grad = (), False
    try:
        given = value if operand is None else operand
        content = pack(given if isinstance(given, Tensor) else holder(given))
        return Packed(content, unpack, value)
    finally:
        STATE.saved_hooks, STATE.grad = hooks, grad


class PackedRule:
    """A rule whose residuals are packed.

    Attributes:
        inner: the rule of the node.
        mask: which operands are active.
    """

    __slots__ = ("inner", "mask")

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.mask = inner.mask

    def pull(self, ct: Any, residuals: Any) -> Any:
        """The pull on unpacked residuals."""
        return self.inner.pull(ct, _unpacked(residuals, {}))

    def again(self, node: Node, ct: Any) -> Any:
        """The recorded pull, on unpacked residuals and operands."""
        return self._opened(node, lambda rule: rule.again(node, ct))

    def saved_value(self, node: Node, name: str) -> Any:
        """An unpacked value."""
        return self._opened(node, lambda rule: rule.saved_value(node, name))

    def _opened(self, node: Node, function: Callable[[Any], Any]) -> Any:
        found: dict[int, Any] = {}
        before = node.residuals
        inner = self.inner
        rule = inner.inner if isinstance(inner, DirectRule) else inner
        try:
            if isinstance(rule, RecordedRule):
                operands = [_unpacked(operand, found) for operand in rule.operands]
                inner = RecordedRule(rule.function, operands, rule.mask, rule.results, rule.single)
            elif before is not FREED:
                node.residuals = _unpacked(before, found)
            return function(inner)
        finally:
            node.residuals = before


def _unpacked(kept: Any, found: dict[int, Any]) -> Any:
    if type(kept) is Packed:
        if id(kept) not in found:
            found[id(kept)] = kept.value()
        return found[id(kept)]
    if type(kept) is tuple:
        return tuple([_unpacked(item, found) for item in kept])
    if type(kept) is list:
        return [_unpacked(item, found) for item in kept]
    return kept


def _pack(kept: Any, packed: dict[int, Any], operands: dict[int, Any]) -> Any:
    """The same with packed values; of several, the last is packed first, as PyTorch does."""
    if isinstance(kept, np.ndarray | np.inexact):
        one = pack_value(kept, operands.get(id(kept)))
        packed[id(kept)] = (one, kept)
        return one
    if type(kept) is tuple:
        if len(kept) == 4 and isinstance(kept[0], Primitive):
            return (*kept[:3], _pack(kept[3], packed, operands))
        return tuple([_pack(item, packed, operands) for item in reversed(kept)])[::-1]
    if type(kept) is list:
        return [_pack(item, packed, operands) for item in kept]
    return kept


def _operands(rule: Any) -> dict[int, Any]:
    """The active operands of a recorded rule, leaves or traced values, by identity of the value."""
    if not isinstance(rule, RecordedRule):
        return {}
    found = {}
    for operand, flag in zip(rule.operands, rule.mask, strict=True):
        if flag and operand[4] is not None:
            value, target, port, cell, _ = operand
            leaf = isinstance(target, Tensor) and target._value is value
            found[id(value)] = target if leaf else AmbientTracer(value, target, port, cell)
    return found


def _replaced(operand: Any, packed: dict[int, Any]) -> Any:
    """An operand of a recorded rule, with its value packed if the residuals have it too."""
    if type(operand) is tuple:
        kept = operand[4] is not None  # else there are only a shape and a type
        return (_replaced(operand[0], packed), *operand[1:]) if kept else operand
    found = packed.get(id(operand))
    return operand if found is None else found[0]


def _made(node: Node) -> None:
    """What happens to a new node in careful mode."""
    if STATE.detecting:
        node.line = user_line()
        node._metadata = {"traceback_": user_trace()}
    if STATE.saved_hooks and node.rule is not None and node.residuals is not None:
        packed: dict[int, Any] = {}
        inner = node.rule
        recorded = inner.inner if isinstance(inner, DirectRule) else inner
        node.residuals = _pack(node.residuals, packed, _operands(recorded))
        if packed:
            if isinstance(recorded, RecordedRule):
                recorded.operands = [_replaced(x, packed) for x in recorded.operands]
                node.saved = ()
            node.rule = PackedRule(inner)


CAREFUL["made"] = _made

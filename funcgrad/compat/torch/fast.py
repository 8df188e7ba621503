"""The short way of the hottest operations: plain float32 and float64 values of one type.

A node made here keeps what the primitive's own pull reads (its letters "x", "y", "z": operands and
result), so a sweep costs no more than in the functional engine. Everything else takes the general
way of `funcgrad.compat.torch.op`, which gives the same results. So does what NumPy warns of, if the
user's filters make an error of it: the general way asks NumPy to be silent.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad.compat.torch.ambient import STEPWISE, AmbientTracer, connected
from funcgrad.compat.torch.node import Node
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.state import STATE, next_sequence_number
from funcgrad.compat.torch.tensor import PLAIN, Tensor, holder
from funcgrad.core.primitive import PRIMITIVES

__all__ = ["LetterRule", "fast_binary", "fast_unary"]

new = object.__new__
_FAST = (np.dtype(np.float32), np.dtype(np.float64))
_F32, _F64 = _FAST
_WORDS = {"x": ("self", "input"), "y": ("other", "exponent"), "z": ("result",)}


class LetterRule:
    """Rule of an elementwise node: the primitive's pull, and which values it reads.

    Attributes:
        pull: `(ct, residuals) -> part` or parts.
        letters: what the residuals are, of "xyz".
        mask: which operands are active.
    """

    __slots__ = ("letters", "mask", "pull")

    def __init__(self, letters: str, pull: Any, mask: tuple[bool, ...]) -> None:
        self.letters = letters
        self.pull = _identity if pull is None else pull
        self.mask = mask

    def again(self, node: Node, ct: Any) -> Any:
        """The same pull on residuals that have a graph."""
        letters = self.letters
        if not letters:
            return self.pull(ct, node.residuals)
        values = node.residuals if len(letters) > 1 else (node.residuals,)
        read = [
            self._traced(node, letter, value) for letter, value in zip(letters, values, strict=True)
        ]
        parts = self.pull(ct, tuple(read) if len(letters) > 1 else read[0])
        return connected(parts, read) if node.name() in STEPWISE else parts

    def _traced(self, node: Node, letter: str, value: Any) -> Any:
        if letter == "z":
            return AmbientTracer(value, node, 0, node.saved[2 * self.letters.index("z")])
        at = "xy".index(letter)
        if not self.mask[at]:
            return value
        edge = sum(self.mask[:at])
        port = 0 if node.ports is None else node.ports[edge]
        cell = node.saved[2 * self.letters.index(letter)]
        return AmbientTracer(value, node.edges[edge], port, cell)

    def saved_value(self, node: Node, name: str) -> Any:
        """A saved value by PyTorch's name for it."""
        for letter, words in _WORDS.items():
            if name in words and letter in self.letters:
                values = node.residuals if len(self.letters) > 1 else (node.residuals,)
                value = self._traced(node, letter, values[self.letters.index(letter)])
                return holder(value)
        raise AttributeError(f"'{node.name()}' object has no attribute '_saved_{name}'")


def _identity(ct: Any, _residuals: Any) -> Any:
    return ct


_NO_CELL: list[Any] = [0, None]
"""Stands for the cell of a number."""


def fast_unary(
    op: Op, primitive_name: str, general: Callable[..., Any] | None = None
) -> Callable[..., Any]:
    """The function of one operand: short where it can be, else the operation's general way.

    Args:
        op: the operation.
        primitive_name: the core's primitive that it is.
        general: `(input, *, out=None)`, for everything else; by default the operation itself.
    """
    primitive = PRIMITIVES[primitive_name]
    table: Any = primitive.vjp.__self__  # type: ignore[union-attr]  # an elementwise table
    letters, pull = table.pull((True,))
    rule = LetterRule(letters, pull, (True,))
    value_of = primitive.value
    cls: Any = op.cls
    keeps_x, keeps_z = letters == "x", letters == "z"
    name = op.name
    other_way: Callable[..., Any] = op if general is None else general
    if len(letters) > 1:
        return other_way

    def unary(input: Any, *, out: Any = None) -> Any:
        try:
            v = input._value
        except AttributeError:
            return other_way(input)
        if (
            type(v) not in PLAIN
            or input._dtype is not None
            or (v.dtype is not _F32 and v.dtype is not _F64)
            or out is not None
        ):
            return other_way(input) if out is None else other_way(input, out=out)
        try:
            z = value_of(v)
        except RuntimeWarning:
            return other_way(input)
        t = new(Tensor)
        t._value = z
        t._cell = cell = [0, name]
        if input._requires and STATE.grad:
            if STATE.anomaly:
                return other_way(input)
            node = new(cls)
            target = input._node
            node.edges = (input if target is None else target,)
            if input._port:
                node.ports = (input._port,)
            node.rule = rule
            node.number = next_sequence_number()
            if keeps_x:
                node.residuals = v
                saved = input._cell
                node.saved = (saved, saved[0])
            elif keeps_z:
                node.residuals = z
                node.saved = (cell, 0)
            else:
                node.residuals = None
            t._node = node
            t._requires = True
        return t

    return unary


def fast_binary(
    op: Op,
    primitive_name: str,
    symbol: Callable[[Any, Any], Any],
    general: Callable[..., Any] | None = None,
) -> Callable[..., Any]:
    """The function of two operands, at least one of them a tensor.

    Args:
        op: the operation.
        primitive_name: the core's primitive that it is.
        symbol: the same as an operator.
        general: `(input, other, *, out=None)`, for everything else; by default the operation.
    """
    primitive = PRIMITIVES[primitive_name]
    table: Any = primitive.vjp.__self__  # type: ignore[union-attr]  # an elementwise table
    rules = {}
    for mask in ((True, False), (False, True), (True, True)):
        letters, pull = table.pull(mask)
        rules[mask] = (letters, LetterRule(letters, pull, mask))
    (keep_x, rule_x), (keep_y, rule_y) = rules[True, False], rules[False, True]
    keep_xy, rule_xy = rules[True, True]
    cls: Any = op.cls
    name = op.name
    other_way: Callable[..., Any] = op if general is None else general

    def binary(input: Any, other: Any, *, out: Any = None) -> Any:
        if out is not None:
            return other_way(input, other, out=out)
        kind = type(other)
        if kind is float or kind is int:
            try:
                v = input._value
            except AttributeError:
                return other_way(input, other)
            if (
                type(v) not in PLAIN
                or input._dtype is not None
                or (v.dtype is not _F32 and v.dtype is not _F64)
            ):
                return other_way(input, other)
            try:
                z = symbol(v, other)
            except RuntimeWarning:
                return other_way(input, other)
            t = new(Tensor)
            t._value = z
            t._cell = cell = [0, name]
            if input._requires and STATE.grad:
                if STATE.anomaly:
                    return other_way(input, other)
                t._node = _node_of_one(
                    cls, input, rule_x, keep_x, v, other, z, input._cell, _NO_CELL, cell
                )
                t._requires = True
            return t
        kind = type(input)
        if kind is float or kind is int:
            v = other._value
            if (
                type(v) not in PLAIN
                or other._dtype is not None
                or (v.dtype is not _F32 and v.dtype is not _F64)
            ):
                return other_way(input, other)
            try:
                z = symbol(input, v)
            except RuntimeWarning:
                return other_way(input, other)
            t = new(Tensor)
            t._value = z
            t._cell = cell = [0, name]
            if other._requires and STATE.grad:
                if STATE.anomaly:
                    return other_way(input, other)
                t._node = _node_of_one(
                    cls, other, rule_y, keep_y, input, v, z, _NO_CELL, other._cell, cell
                )
                t._requires = True
            return t
        if not isinstance(input, Tensor) or not isinstance(other, Tensor):
            return other_way(input, other)
        v, w = input._value, other._value
        dtype = getattr(v, "dtype", None)
        if (
            type(v) not in PLAIN
            or type(w) not in PLAIN
            or dtype is not w.dtype
            or (dtype is not _F32 and dtype is not _F64)
            or input._dtype is not None
            or other._dtype is not None
        ):
            return other_way(input, other)
        try:
            z = symbol(v, w)
        except (ValueError, RuntimeWarning):
            return other_way(input, other)
        t = new(Tensor)
        t._value = z
        t._cell = cell = [0, name]
        by_x, by_y = input._requires, other._requires
        if (by_x or by_y) and STATE.grad:
            if STATE.anomaly:
                return other_way(input, other)
            if v.shape == w.shape:
                if not by_y:
                    node = _node_of_one(
                        cls, input, rule_x, keep_x, v, w, z, input._cell, other._cell, cell
                    )
                elif not by_x:
                    node = _node_of_one(
                        cls, other, rule_y, keep_y, v, w, z, input._cell, other._cell, cell
                    )
                else:
                    node = _node_of_two(cls, input, other, rule_xy, keep_xy, v, w, z, cell)
            else:
                mask = (by_x, by_y)
                fitted, residuals = table.broadcast(
                    np.asarray(z), np.asarray(v), np.asarray(w), mask
                )
                letters = rules[mask][0]
                rule = LetterRule(letters, fitted, mask)
                if by_x and by_y:
                    node = _node_of_two(cls, input, other, rule, letters, v, w, z, cell)
                else:
                    node = _node_of_one(
                        cls,
                        input if by_x else other,
                        rule,
                        letters,
                        v,
                        w,
                        z,
                        input._cell,
                        other._cell,
                        cell,
                    )
                node.residuals = residuals
            t._node = node
            t._requires = True
        return t

    return binary


def _node_of_one(
    cls: Any,
    x: Any,
    rule: LetterRule,
    letters: str,
    v: Any,
    w: Any,
    z: Any,
    cell_x: list[Any],
    cell_y: list[Any],
    cell_z: list[Any],
) -> Any:
    node = new(cls)
    target = x._node
    node.edges = (x if target is None else target,)
    if x._port:
        node.ports = (x._port,)
    node.rule = rule
    node.number = next_sequence_number()
    if not letters:
        node.residuals = None
    elif letters == "y":
        node.residuals = w
        if cell_y is not _NO_CELL:
            node.saved = (cell_y, cell_y[0])
    elif letters == "x":
        node.residuals = v
        if cell_x is not _NO_CELL:
            node.saved = (cell_x, cell_x[0])
    else:
        _keep(node, letters, v, w, z, cell_x, cell_y, cell_z)
    return node


def _node_of_two(
    cls: Any,
    x: Any,
    y: Any,
    rule: LetterRule,
    letters: str,
    v: Any,
    w: Any,
    z: Any,
    cell_z: list[Any],
) -> Any:
    node = new(cls)
    left, right = x._node, y._node
    node.edges = (x if left is None else left, y if right is None else right)
    if x._port or y._port:
        node.ports = (x._port, y._port)
    node.rule = rule
    node.number = next_sequence_number()
    if letters == "xy":
        node.residuals = (v, w)
        a, b = x._cell, y._cell
        node.saved = (a, a[0], b, b[0])
    elif letters:
        _keep(node, letters, v, w, z, x._cell, y._cell, cell_z)
    else:
        node.residuals = None
    return node


def _keep(
    node: Any,
    letters: str,
    v: Any,
    w: Any,
    z: Any,
    cell_x: list[Any],
    cell_y: list[Any],
    cell_z: list[Any],
) -> None:
    """Residuals and version cells in the order of the letters."""
    values = {"x": v, "y": w, "z": z}
    cells = {"x": cell_x, "y": cell_y, "z": cell_z}
    kept = tuple(values[letter] for letter in letters)
    node.residuals = kept if len(kept) > 1 else kept[0]
    node.saved = tuple(item for letter in letters for item in (cells[letter], cells[letter][0]))

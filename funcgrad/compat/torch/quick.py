"""The short way of sums, reshapes and products of plain tensors: nodes without a recording.

The rule of a linear operation holds shapes, and its node no residuals, so that such a graph can be
walked twice; the node of a product keeps the operands that its pull reads.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any, NoReturn

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.ambient import AmbientTracer, PrimitiveRule, is_saved
from funcgrad.compat.torch.node import Node, make_node
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import PLAIN, Tensor, holder
from funcgrad.core.primitive import Primitive
from funcgrad.primitives.reduction import SMALL_FILL, kept_shape, spread

__all__ = [
    "LinearRule",
    "OperandRule",
    "choice_result",
    "is_quick",
    "linear_result",
    "operand_result",
    "primitive_result",
    "reduction_rule",
    "reshape_rule",
]

new = object.__new__


class LinearRule:
    """Rule of a node that keeps no values.

    Attributes:
        pull: `(ct, None) -> cotangent` of the operand, also of traced cotangents.
        mask: `None`: every operand is active.
    """

    __slots__ = ("mask", "pull")

    def __init__(self, pull: Callable[[Any, Any], Any]) -> None:
        self.pull = pull
        self.mask = None

    def again(self, _node: Node, ct: Any) -> Any:
        """The pull does not ask whether the cotangent is traced."""
        return self.pull(ct, None)

    def saved_value(self, node: Node, name: str) -> NoReturn:
        """Nothing is saved."""
        raise AttributeError(f"'{node.name()}' object has no attribute '_saved_{name}'")


def is_quick(x: Any) -> bool:
    """Whether an argument is a tensor with plain float32 or float64 values."""
    return (
        isinstance(x, Tensor)
        and type(x._value) in PLAIN
        and x._dtype is None
        and x._value.dtype.char in "fd"
    )


def linear_result(cls: Any, name: str, x: Tensor, value: Any, rule: Any) -> Tensor:
    """The tensor of a linear function of `x`, with its node."""
    result: Tensor = new(Tensor)
    result._value = value
    result._cell = [0, name]
    if x._requires and STATE.grad:
        target = x._node
        result._node = make_node(
            cls, rule, (x if target is None else target,), (x._port,) if x._port else None, None, ()
        )
        result._requires = True
    return result


@lru_cache(maxsize=4096)
def reduction_rule(
    shape: tuple[int, ...], axes: tuple[int, ...] | None, keepdim: bool, divisor: int | None
) -> LinearRule:
    """Rule of a sum over (negative) axes, or over all, divided by a number: ct at every place."""
    count = prod(shape)
    lined = axes or ()
    kept = kept_shape(shape, lined)

    def pull(ct: Any, _residuals: Any) -> Any:
        if divisor is not None:
            ct = ct / ct.dtype.type(divisor)
        if type(ct) in PLAIN and count <= SMALL_FILL:
            full = np.empty(shape, ct.dtype)
            full[...] = ct if axes is None or keepdim else ct.reshape(kept)
            return full
        return spread(ct, shape, lined, keepdim or axes is None)

    return LinearRule(pull)


@lru_cache(maxsize=4096)
def reshape_rule(shape: tuple[int, ...]) -> LinearRule:
    """Rule of another shape: ct in the operand's."""

    def pull(ct: Any, _residuals: Any) -> Any:
        return ct.reshape(shape)

    return LinearRule(pull)


def primitive_result(
    cls: Any, name: str, primitive: Primitive, x: Tensor, params: dict[str, Any]
) -> Tensor:
    """The tensor of one primitive of the core, applied to one plain tensor, with its node."""
    v = x._value
    value = primitive.value(v, **params)
    result: Tensor = new(Tensor)
    result._value = value
    result._cell = cell = [0, name]
    if x._requires and STATE.grad:
        pull, residuals = primitive.vjp(value, (v,), _ONE, params)  # type: ignore[misc]  # it has one
        target = x if x._node is None else x._node
        own = x._cell
        args = [AmbientTracer(v, target, x._port, own)]
        saved: tuple[Any, ...] = ()
        if is_saved(v, residuals):
            saved = (own, own[0])
        if is_saved(value, residuals):
            saved = (*saved, cell, 0)
        result._node = make_node(
            cls,
            PrimitiveRule(primitive, params, args, _ONE, pull, value),
            (target,),
            (x._port,) if x._port else None,
            residuals,
            saved,
        )
        result._requires = True
    return result


def choice_result(
    cls: Any, name: str, x: Tensor, places: Any, axis: int, keepdim: bool
) -> tuple[Tensor, Tensor]:
    """The elements of a plain tensor at one place each along an axis, and the places.

    Args:
        cls: class of the node.
        name: what messages call the operation.
        x: the tensor.
        places: int64, with the axis of length 1.
        axis: a negative number.
        keepdim: whether the results have the axis.
    """
    v = x._value
    mask = np.arange(v.shape[axis]).reshape(-1, *(1,) * (-axis - 1)) == places
    values = np.take_along_axis(v, places, axis)
    dtype = v.dtype

    def pull(ct: Any, _residuals: Any) -> Any:
        return fnp.where(mask, ct if keepdim else fnp.expand_dims(ct, axis), dtype.type(0))

    if not keepdim:
        values, places = values.squeeze(axis)[()], places.squeeze(axis)[()]
    result = linear_result(cls, name, x, values, LinearRule(pull))
    if result._node is not None:
        result._node.residuals = places  # so that the graph counts as one with saved values
    return result, holder(places)


_ONE = (True,)


class OperandRule:
    """Rule of a node whose pull reads operands.

    Attributes:
        pull: `(ct, residuals) -> part`, or parts of the active operands; residuals are the kept
            operands' values, in a tuple if there are several.
        mask: which operands are active.
        kept: numbers of the operands that are kept.
        names: PyTorch's names of the operands.
    """

    __slots__ = ("kept", "mask", "names", "pull")

    def __init__(
        self,
        pull: Callable[[Any, Any], Any],
        mask: tuple[bool, ...],
        kept: tuple[int, ...],
        names: tuple[str, ...],
    ) -> None:
        self.pull = pull
        self.mask = mask
        self.kept = kept
        self.names = names

    def _values(self, node: Node) -> Sequence[Any]:
        return node.residuals if len(self.kept) > 1 else (node.residuals,)

    def _traced(self, node: Node, place: int) -> Any:
        """A kept operand, with its place in the graph if it is active."""
        value, number = self._values(node)[place], self.kept[place]
        if not self.mask[number]:
            return value
        edge = sum(self.mask[:number])
        port = 0 if node.ports is None else node.ports[edge]
        return AmbientTracer(value, node.edges[edge], port, node.saved[2 * place])

    def again(self, node: Node, ct: Any) -> Any:
        """The same pull on operands that have a graph."""
        if not self.kept:
            return self.pull(ct, None)
        read = tuple(self._traced(node, place) for place in range(len(self.kept)))
        return self.pull(ct, read if len(read) > 1 else read[0])

    def saved_value(self, node: Node, name: str) -> Any:
        """A kept operand by PyTorch's name for it."""
        for place, number in enumerate(self.kept):
            if self.names[number] == name:
                return holder(self._traced(node, place))
        raise AttributeError(f"'{node.name()}' object has no attribute '_saved_{name}'")


def operand_result(
    cls: Any, name: str, operands: Sequence[Tensor], value: Any, rules: dict[Any, OperandRule]
) -> Tensor:
    """The tensor of a function of plain tensors, with its node.

    Args:
        cls: class of the node.
        name: what messages call the operation.
        operands: of the function.
        value: the result.
        rules: for each combination of active operands.
    """
    result: Tensor = new(Tensor)
    result._value = value
    result._cell = [0, name]
    mask = tuple([x._requires for x in operands])
    if True in mask and STATE.grad:
        rule = rules[mask]
        active = [x for x in operands if x._requires]
        edges = tuple([x if x._node is None else x._node for x in active])
        ports = tuple([x._port for x in active]) if any(x._port for x in active) else None
        kept = rule.kept
        residuals: Any = None
        saved: tuple[Any, ...] = ()
        if len(kept) == 1:
            x = operands[kept[0]]
            cell = x._cell
            residuals, saved = x._value, (cell, cell[0])
        elif kept:
            residuals = tuple([operands[i]._value for i in kept])
            saved = tuple(
                [item for i in kept for item in (operands[i]._cell, operands[i]._cell[0])]
            )
        result._node = make_node(cls, rule, edges, ports, residuals, saved)
        result._requires = True
    return result

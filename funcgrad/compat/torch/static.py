"""Linear functions of plain tensors with static parameters: their derivative is recorded once.

What such a function does to a cotangent depends on the shapes, the type and the parameters alone,
so its rule is recorded at the first call with a signature and then shared by all nodes of it. The
nodes keep no values.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.compat.torch.node import Node, make_node
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.recorded import RecordedRule
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import Tensor, holder
from funcgrad.core.tracer import Tracer
from funcgrad.interpreters.record import Recording, RecordTracer

__all__ = ["DeferredRule", "SignatureRule", "Static", "deferred", "node_for"]

MOST = 4096
"""So many signatures of an operation are kept."""


class SignatureRule:
    """Rule of all nodes with one signature: the records of the function, without values.

    Attributes:
        mask: which operands are active.
    """

    __slots__ = ("_inner", "_pull", "_state", "mask")

    def __init__(
        self, function: Callable[..., Any], operands: Sequence[Any], mask: tuple[bool, ...]
    ) -> None:
        trace = Recording("torch")
        try:
            args = [
                trace.input(np.broadcast_to(np.zeros((), x.dtype), x.shape)) if active else x
                for x, active in zip(operands, mask, strict=True)
            ]
            out = function(*args)
        finally:
            records = trace.close()
        single = type(out) is not tuple
        results = [
            item.index if type(item) is RecordTracer and item.owner is trace else None
            for item in ((out,) if single else out)
        ]
        kept = [((x.shape, x.dtype),) for x in operands]
        self.mask = mask
        self._inner = RecordedRule(function, kept, mask, results, single)
        self._state: Any = records
        self._pull: Any = self._inner.pull
        count = sum(mask)
        if single and len(records) == count + 1 and results[0] == count:
            _, parents, pull, rest = records[-1]  # type: ignore[misc]  # a record
            if parents == (0 if count == 1 else tuple(range(count))):
                self._pull, self._state = pull or _identity, rest

    def pull(self, ct: Any, _residuals: Any) -> Any:
        """Cotangents of the active operands."""
        return self._pull(ct, self._state)

    def again(self, _node: Node, ct: Any) -> Any:
        """The same: there are no values that could have a graph."""
        return self._pull(ct, self._state)

    def saved_value(self, node: Node, name: str) -> Any:
        """Nothing is saved."""
        raise AttributeError(f"'{node.name()}' object has no attribute '_saved_{name}'")


class DeferredRule:
    """Rule of a linear function that is recorded when a cotangent arrives, not before.

    Attributes:
        mask: which operands are active.
    """

    __slots__ = ("_function", "_kinds", "mask")

    def __init__(
        self, function: Callable[..., Any], values: Sequence[Any], mask: tuple[bool, ...]
    ) -> None:
        self._function = function
        self._kinds = [(x.shape, x.dtype) for x in values]
        self.mask = mask

    def pull(self, ct: Any, _residuals: Any) -> Any:
        """Cotangents of the active operands."""
        values = [np.broadcast_to(np.zeros((), dtype), shape) for shape, dtype in self._kinds]
        return SignatureRule(self._function, values, self.mask).pull(ct, None)

    def again(self, _node: Node, ct: Any) -> Any:
        """The same: there are no values that could have a graph."""
        return self.pull(ct, None)

    def saved_value(self, node: Node, name: str) -> Any:
        """Nothing is saved."""
        raise AttributeError(f"'{node.name()}' object has no attribute '_saved_{name}'")


def deferred(op: Op, function: Callable[..., Any], operands: Sequence[Any]) -> Any:
    """Apply a linear function to plain tensors of one type; `None` if they are not."""
    values: list[Any] = []
    for x in operands:
        if not isinstance(x, Tensor) or x._dtype is not None:
            return None
        value = x._value
        if isinstance(value, Tracer) or (values and value.dtype is not values[0].dtype):
            return None
        values.append(value)
    result = holder(function(*values))
    mask = tuple([x._requires for x in operands])
    if STATE.grad and True in mask:
        result._cell[1] = op.name
        rule = DeferredRule(function, values, mask)
        result._node = node_for(op, rule, operands)
        result._requires = True
    return result


def node_for(op: Op, rule: Any, operands: Sequence[Tensor]) -> Node:
    """A node without values, with edges to the operands that require grad."""
    active = [x for x in operands if x._requires]
    ports = tuple([x._port for x in active])
    return make_node(
        op.cls,  # type: ignore[arg-type]  # these operations have one
        rule,
        tuple([x if x._node is None else x._node for x in active]),
        ports if any(ports) else None,
        None,
        (),
    )


def _identity(ct: Any, _residuals: Any) -> Any:
    return ct


class Static(Op):
    """An operation that is linear in all operands, with hashable parameters by name."""

    __slots__ = ("_rules",)

    def __init__(self, node: str, function: Callable[..., Any], *, promote: str = "") -> None:
        super().__init__(node, function, linear=True, promote=promote)
        self._rules: dict[Any, Any] = {}

    @override
    def __call__(self, *operands: Any, **params: Any) -> Any:
        """Apply it; plain tensors of one type go the short way."""
        values = []
        kind = None
        for x in operands:
            if not isinstance(x, Tensor) or x._dtype is not None:
                return super().__call__(*operands, **params)
            value = x._value
            if isinstance(value, Tracer) or (kind is not None and value.dtype is not kind):
                return super().__call__(*operands, **params)
            kind = value.dtype
            values.append(value)
        out = self.function(*values, **params)
        result = holder(out)
        mask = tuple([x._requires for x in operands])
        if STATE.grad and True in mask:
            result._cell[1] = self.name
            result._node = self.node_of(operands, values, mask, params)
            result._requires = True
        return result

    def node_of(
        self,
        operands: Sequence[Tensor],
        values: Sequence[Any],
        mask: tuple[bool, ...],
        params: dict[str, Any],
    ) -> Node:
        """A node with the rule of this signature."""
        key = (mask, *[(x.shape, x.dtype) for x in values], *params.values())
        rule = self._rules.get(key)
        if rule is None:
            if len(self._rules) >= MOST:
                self._rules.clear()
            rule = self._rules[key] = self.rule_of(values, mask, params)
        return node_for(self, rule, operands)

    def rule_of(self, values: Sequence[Any], mask: tuple[bool, ...], params: dict[str, Any]) -> Any:
        """The rule of a signature."""
        function = self.function
        return SignatureRule(lambda *xs: function(*xs, **params), values, mask)

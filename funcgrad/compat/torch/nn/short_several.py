"""The short way of functions of plain arrays with several results: one node for all of them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.compat.torch.nn.short import SlopeRule
from funcgrad.compat.torch.recorded import RecordedRule, index_in
from funcgrad.compat.torch.state import STATE, next_sequence_number
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.core.wengert import Partials
from funcgrad.interpreters.record import Recording

__all__ = ["short_results"]

new = object.__new__

Values = tuple[Any, ...]
Pull = Callable[[Sequence[Any], Any, Values, tuple[bool, ...]], Sequence[Any]]
"""`(cotangents of the results, residuals, operands, which are active) -> cotangents of these`; a
cotangent of a result is `None` where it is zero."""


class SeveralRule(SlopeRule):
    """Rule of a node with several results.

    Attributes:
        outputs: number of results.
        saved_values: of the operands whose memory must not change.
    """

    __slots__ = ("outputs", "saved_values")

    def __init__(
        self,
        backward: Pull,
        outputs: int,
        mask: tuple[bool, ...],
        function: Callable[..., Any],
        operands: tuple[Any, ...],
        values: Values,
        saved_values: Values,
    ) -> None:
        # The pull does not know the rule: in a cycle the graph would outlive its last user.
        pull = partial(_pulled, backward, outputs, mask, function, values)
        super().__init__(pull, mask, function, operands)
        self.outputs = outputs
        self.saved_values = saved_values

    @override
    def _recorded(self) -> RecordedRule:
        results = [None] * self.outputs
        return RecordedRule(self.function, list(self.operands), self.mask, results, False)


def _pulled(
    backward: Pull,
    outputs: int,
    mask: tuple[bool, ...],
    function: Callable[..., Any],
    values: Values,
    ct: Any,
    residuals: Any,
) -> Any:
    parts = ct if isinstance(ct, Partials) else {0: ct}
    if any(not isinstance(part, np.ndarray) for part in parts.values()):
        return _of_traced(function, values, mask, ct)
    cts = [parts.get(port) for port in range(outputs)]
    found = backward(cts, residuals, values, mask)
    active = [part for part, flag in zip(found, mask, strict=True) if flag]
    return tuple(active) if len(active) > 1 else active[0]


def _of_traced(
    function: Callable[..., Any], values: Values, mask: tuple[bool, ...], ct: Any
) -> Any:
    """The same of cotangents that a transform traces: the function's records, swept."""
    trace = Recording("torch")
    args = [trace.input(value) if flag else value for value, flag in zip(values, mask, strict=True)]
    try:
        outs = function(*args)
    finally:
        records = trace.close()
    kept = [(x,) if flag else x for x, flag in zip(values, mask, strict=True)]
    results = [index_in(out, trace) for out in outs]
    return RecordedRule(function, kept, mask, results, False).pull(ct, records)


def short_results(
    cls: Any,
    name: str,
    operands: Sequence[Tensor | None],
    results: Sequence[Any],
    function: Callable[..., Any],
    backward: Pull,
    residuals: Any,
    linear: tuple[int, ...] = (),
) -> list[Tensor]:
    """The tensors of a function of several operands and results, with their node.

    Args:
        cls: class of the node.
        name: of the operation.
        operands: tensors of plain values; `None` for one that is left out.
        results: the results, which are no residuals.
        function: of the operands' values, recorded where the pull is to be differentiated.
        backward: the pull.
        residuals: what it reads besides the operands.
        linear: numbers of the operands that are only added, so that their values do not matter.
    """
    made: list[Tensor] = []
    for value in results:
        t: Tensor = new(Tensor)
        t._value = value
        t._cell = [0, name]
        made.append(t)
    mask = tuple([x is not None and x._requires for x in operands])
    if not (STATE.grad and True in mask):
        return made
    edges: list[Any] = []
    ports: list[int] = []
    kept: list[Any] = []
    values: list[Any] = []
    saved: list[Any] = []
    arrays: list[Any] = []
    for at, x in enumerate(operands):
        if x is None:
            kept.append(None)
            values.append(None)
            continue
        cell, value = x._cell, x._value
        values.append(value)
        if at not in linear:
            saved += (cell, cell[0])
            arrays.append(value)
        if not x._requires:
            kept.append(value)
            continue
        target = x if x._node is None else x._node
        edges.append(target)
        ports.append(x._port)
        kept.append((value, target, x._port, cell, cell[0]))
    node: Any = new(cls)
    node.rule = SeveralRule(
        backward, len(made), mask, function, tuple(kept), tuple(values), tuple(arrays)
    )
    node.edges = tuple(edges)
    if any(ports):
        node.ports = tuple(ports)
    node.residuals = residuals
    node.number = next_sequence_number()
    node.saved = tuple(saved)
    node.outputs = len(made)
    for port, t in enumerate(made):
        t._node = node
        t._port = port
        t._requires = True
    return made

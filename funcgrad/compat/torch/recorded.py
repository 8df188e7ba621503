"""Rules of nodes that are recorded functions: their records, swept."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.compat.torch.ambient import STEPWISE, AmbientTracer, connected
from funcgrad.compat.torch.node import Node
from funcgrad.compat.torch.tensor import holder
from funcgrad.core.wengert import Partials
from funcgrad.interpreters.record import Recording, RecordTracer
from funcgrad.interpreters.sweep import sweep

__all__ = ["DirectRule", "RecordedRule", "index_in"]


class RecordedRule:
    """Rule of a node whose operation is a function: its recorded primitives, swept.

    Attributes:
        function: the function of the operands' values.
        operands: for each operand its value, or (value, target, port, cell, version) if active;
            an active one of which only shape and type matter has `None` for its value.
        mask: which operands are active.
        results: positions of the results in the records; `None` for one without derivative.
        single: whether there is one result, not in a tuple.
        others: version cells of the inactive operands and the versions they had.
    """

    __slots__ = ("count", "function", "mask", "operands", "others", "results", "single")

    def __init__(
        self,
        function: Callable[..., Any],
        operands: list[Any],
        mask: tuple[bool, ...],
        results: Sequence[int | None],
        single: bool,
    ) -> None:
        self.function = function
        self.operands = operands
        self.mask = mask
        self.results = results
        self.single = single
        self.count = sum(mask)
        self.others: tuple[Any, ...] = ()

    def pull(self, ct: Any, residuals: Any) -> Any:
        """Sweep the records."""
        return self._sweep(ct, residuals, self.results)

    def _sweep(self, ct: Any, records: list[Any], results: Sequence[int | None]) -> Any:
        cts: list[Any] = [None] * len(records)
        parts = ct if isinstance(ct, Partials) else {0: ct}
        for port, part in parts.items():
            at = results[port]
            if at is not None and part is not None:
                cts[at] = part if cts[at] is None else cts[at] + part
        count = self.count
        sweep(reversed(records[count:]), cts)
        if count == 1:
            return cts[0] if cts[0] is not None else _zero(self.operands[self.mask.index(True)])
        if any(part is None for part in cts[:count]):
            active = [x for x, flag in zip(self.operands, self.mask, strict=True) if flag]
            return tuple(
                _zero(x) if part is None else part for part, x in zip(cts, active, strict=False)
            )
        return tuple(cts[:count])

    def again(self, node: Node, ct: Any) -> Any:
        """Record the function once more, on operands that have a graph."""
        trace = Recording("torch")
        args: list[Any] = []
        for at in range(0, len(self.others), 2):
            _unchanged(*self.others[at : at + 2])
        for operand, flag in zip(self.operands, self.mask, strict=True):
            if not flag:
                args.append(operand)
                continue
            value, target, port, cell, version = operand
            if version is None:
                value = np.zeros(value[0], value[1])
                args.append(trace.input(value))
                continue
            _unchanged(cell, version)
            args.append(trace.input(AmbientTracer(value, target, port, cell)))
        try:
            out = self.function(*args)
        finally:
            records = trace.close()
        outs = (out,) if self.single else out
        parts = self._sweep(ct, records, [index_in(item, trace) for item in outs])
        if node.name() in STEPWISE:
            return connected(
                parts, [x.value for x, flag in zip(args, self.mask, strict=True) if flag]
            )
        return parts

    def saved_value(self, node: Node, name: str) -> Any:
        """An operand by PyTorch's name for it."""
        order = {"self": 0, "input": 0, "mat1": 0, "other": 1, "target": 1, "mat2": 1, "weight": 1}
        at = order.get(name)
        if at is None or at >= len(self.operands):
            raise AttributeError(f"'{node.name()}' object has no attribute '_saved_{name}'")
        operand = self.operands[at]
        if not self.mask[at]:
            return holder(operand)
        value, target, port, cell, version = operand
        if version is None:
            raise AttributeError(f"'{node.name()}' object has no attribute '_saved_{name}'")
        return holder(AmbientTracer(value, target, port, cell))


def _unchanged(cell: list[Any], version: int) -> None:
    """Refuse memory that was written to.

    Raises:
        RuntimeError: if it has another version.
    """
    if cell[0] != version:
        raise RuntimeError(
            "one of the variables needed for gradient computation has been modified by an inplace "
            f"operation: it is at version {cell[0]}; expected version {version} instead."
        )


def _zero(operand: Any) -> Any:
    value = operand[0]
    if type(value) is tuple:
        return np.zeros(value[0], value[1])
    return np.zeros(value.shape, value.dtype)


def index_in(out: Any, trace: Recording) -> int | None:
    """Where a result stands in a recording, if it does."""
    return out.index if type(out) is RecordTracer and out.owner is trace else None


class DirectRule:
    """Rule of a node that is one record: its pull without a sweep; else as a recorded rule."""

    __slots__ = ("inner", "mask", "pull")

    def __init__(self, inner: RecordedRule, pull: Any) -> None:
        self.inner = inner
        self.mask = inner.mask
        self.pull = _identity if pull is None else pull

    def again(self, node: Node, ct: Any) -> Any:
        """As a recorded rule."""
        return self.inner.again(node, ct)

    def saved_value(self, node: Node, name: str) -> Any:
        """As a recorded rule."""
        return self.inner.saved_value(node, name)


def _identity(ct: Any, _residuals: Any) -> Any:
    return ct

"""The nodes of the graph behind a tensor: what `grad_fn` shows.

A node is a record of the Wengert list that is linked to its parents in place of standing in a
list, so that Python frees what nobody holds. `funcgrad.compat.torch.sweeping` puts the reachable
ones in order and runs the sweep of `funcgrad.interpreters` over them.
"""

import weakref
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from typing_extensions import override

from funcgrad.compat.torch.state import STATE, next_sequence_number

__all__ = ["CAREFUL", "FREED", "AccumulateGrad", "Node", "Rule", "edge_of", "node_class"]


class Rule(Protocol):
    """How cotangents pass a node."""

    mask: Sequence[bool] | None
    """Which operands are active; `None` for all."""

    def pull(self, ct: Any, residuals: Any) -> Any:
        """Cotangent of the one active operand, or a tuple, from that of the result."""

    def again(self, node: "Node", ct: Any) -> Any:
        """The same on traced values, so that the result has a graph of its own."""


class _Freed:
    """Stands for residuals that a sweep has used up."""

    @override
    def __repr__(self) -> str:
        return "<freed>"


FREED = _Freed()

SECOND_TIME = (
    "Trying to backward through the graph a second time (or directly access saved tensors after "
    "they have already been freed). Saved intermediate values of the graph are freed when you call "
    ".backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the "
    "graph a second time or if you need to access saved tensors after calling backward."
)


class Node:
    """One operation of the graph.

    Attributes:
        rule: how cotangents pass.
        edges: for each active operand the node that made it, or the leaf tensor itself.
        ports: for each edge which result of that node it is; `None` when all are the first.
        residuals: what the pull reads.
        saved: version cells of the saved tensors and the versions they had: (cell, version, ...).
        number: place in the order of making.
        outputs: how many results there are.
        hooks: what to call on the way; `None` without hooks.
        line: where the user's program made it, in anomaly mode.
    """

    rule: Any
    edges: tuple[Any, ...]
    residuals: Any
    number: int
    ports: tuple[int, ...] | None = None
    saved: tuple[Any, ...] = ()
    outputs: int = 1
    hooks: Any = None
    line: str | None = None
    keeps: bool = False
    """Whether a sweep leaves the residuals: those of a linear operation, which are only shapes."""

    notes_result: bool = False
    """Whether the last of `saved` is a result (`funcgrad.compat.torch.keeping`)."""

    frees_late: bool = False
    """Whether what it keeps is read by the user's code, and so freed after the sweep."""

    _metadata: dict[str, Any] | None = None

    def name(self) -> str:
        """The name of its class."""
        return type(self).__name__

    @property
    def metadata(self) -> dict[str, Any]:
        """A dictionary for the user's own notes."""
        if self._metadata is None:
            self._metadata = {}
        return self._metadata

    @property
    def next_functions(self) -> tuple[tuple["Node | None", int], ...]:
        """The nodes of the operands, each with the number of the result used."""
        ports = self.ports or (0,) * len(self.edges)
        active = [
            (target if isinstance(target, Node) else accumulator(target), port)
            for target, port in zip(self.edges, ports, strict=True)
        ]
        mask = self.rule.mask
        if mask is None:
            return tuple(active)
        rest = iter(active)
        return tuple(next(rest) if flag else (None, 0) for flag in mask)

    @override
    def __repr__(self) -> str:
        return f"<{type(self).__name__} object at {id(self):#x}>"

    def release(self) -> None:
        """Let go what the pull reads."""
        self.residuals = FREED

    def _sequence_nr(self) -> int:
        return self.number

    def register_hook(self, hook: Any) -> Any:
        """Call `hook(grad_inputs, grad_outputs)` after this node; it may replace the inputs'."""
        return _hooks_of(self).add("after", hook)

    def register_prehook(self, hook: Any) -> Any:
        """Call `hook(grad_outputs)` before this node; it may replace them."""
        return _hooks_of(self).add("before", hook)


class AccumulateGrad(Node):
    """The end of the graph at a leaf: adds what arrives to `variable.grad`."""

    def __init__(self, variable: Any) -> None:
        self.variable = variable
        self.edges = ()
        self.residuals = None
        self.number = 2**64 - 1
        self.rule = _NO_RULE

    @override
    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"


def _saved(name: str) -> property:
    def value(self: Node) -> Any:
        """A saved tensor, as long as the graph is not freed."""
        if self.residuals is FREED:
            raise RuntimeError(SECOND_TIME)
        tensor = self.rule.saved_value(self, name)
        made = tensor._node
        return made.edges[0] if made is not None and made.name() == "AliasBackward0" else tensor

    return property(value)


for _name in ("self", "other", "result", "exponent", "input", "target", "weight", "mat1", "mat2"):
    setattr(Node, f"_saved_{_name}", _saved(_name))


class _NoRule:
    mask: Sequence[bool] = ()


_NO_RULE = _NoRule()


class Hooks:
    """Hooks of a node: dictionaries by place, each entry removable."""

    __slots__ = ("after", "before", "tensor")

    def __init__(self) -> None:
        self.before: dict[int, Any] = {}
        self.after: dict[int, Any] = {}
        self.tensor: dict[int, dict[int, Any]] = {}

    def add(self, place: str, hook: Any) -> "RemovableHandle":
        """Enter a hook."""
        return RemovableHandle(getattr(self, place), hook)

    def of_tensor(self, port: int) -> dict[int, Any]:
        """Hooks on the cotangent of one result, in order of entry."""
        return self.tensor.setdefault(port, {})


class RemovableHandle:
    """What registering a hook returns; `remove()` takes the hook away again."""

    next_id = 0

    def __init__(
        self, hooks: dict[int, Any], hook: Any = None, marks: Sequence[dict[int, bool]] = ()
    ) -> None:
        self.hooks = hooks
        self.marks = marks
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        hooks[self.id] = hook

    def remove(self) -> None:
        """Take the hook away, with what is noted of it; more than once is no error."""
        for table in (self.hooks, *self.marks):
            table.pop(self.id, None)

    def __enter__(self) -> "RemovableHandle":
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def _hooks_of(node: Node) -> Hooks:
    if node.hooks is None:
        node.hooks = Hooks()
    hooks: Hooks = node.hooks
    return hooks


def accumulator(leaf: Any) -> AccumulateGrad:
    """The node of a leaf: one object, as long as somebody holds it."""
    reference = leaf._accumulator
    node = None if reference is None else reference()
    if node is None:
        node = AccumulateGrad(leaf)
        leaf._accumulator = weakref.ref(node)
    return node


_CLASSES: dict[str, type[Node]] = {}


def node_class(name: str) -> type[Node]:
    """The class of nodes with this name."""
    found = _CLASSES.get(name)
    if found is None:
        found = _CLASSES[name] = type(name, (Node,), {"__module__": "torch.autograd"})
    return found


def edge_of(tensor: Any) -> Any:
    """What an edge to this tensor points to: its node, or the leaf itself."""
    node = tensor._node
    return tensor if node is None else node


def make_node(
    cls: type[Node],
    rule: Any,
    edges: tuple[Any, ...],
    ports: tuple[int, ...] | None,
    residuals: Any,
    saved: tuple[Any, ...],
) -> Node:
    """A node; in careful mode more is done with it (`funcgrad.compat.torch.saving`)."""
    node = object.__new__(cls)
    node.rule = rule
    node.edges = edges
    node.residuals = residuals
    node.number = next_sequence_number()
    if ports is not None:
        node.ports = ports
    if saved:
        node.saved = saved
    if STATE.anomaly:
        CAREFUL["made"](node)
    return node


CAREFUL: dict[str, Callable[[Node], None]] = {}
"""`{"made": ...}`: what is done with new nodes in careful mode."""

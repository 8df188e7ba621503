"""From the linked graph to the core's reverse sweep: collect, number, check, run, hand out."""

import itertools
import warnings
from collections.abc import Callable, Sequence
from operator import attrgetter
from sys import getrefcount
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.compat.torch.node import FREED, SECOND_TIME, AccumulateGrad, Node
from funcgrad.compat.torch.state import STATE
from funcgrad.core.tracer import plain_value
from funcgrad.core.wengert import Partials
from funcgrad.interpreters.record import item_pull
from funcgrad.interpreters.sweep import sweep

__all__ = ["Root", "in_order", "keep_unused", "popped", "run_backward", "shares"]

Root = tuple[Any, int, Any]
"""(node or leaf tensor, which of its results, cotangent)"""

_number = attrgetter("number")
next_task = itertools.count(1).__next__


class _Plan:
    """The reachable part of the graph, numbered.

    Position 0 takes cotangents nobody asked for; then come nodes in the order of their making. A
    node with several results has one more position for each. A leaf stands before the first node
    that uses it: so its gradient is handed out once it is complete, as in PyTorch, where hooks
    may see it.

    Attributes:
        order: nodes and leaves by position.
        partial: whether only what leads to some tensors is in it.
    """

    __slots__ = ("ends", "leaves", "nodes", "order", "partial", "places", "several", "size")

    def __init__(self, roots: Sequence[Root], wanted: set[Any] | None) -> None:
        nodes: dict[Node, None] = {}
        self.leaves: dict[int, Any] = {}
        stack: list[Any] = [root[0] for root in roots]
        leaves = self.leaves
        while stack:
            target = stack.pop()
            if not isinstance(target, Node):
                leaves[id(target)] = target
            elif target not in nodes:
                nodes[target] = None
                stack += target.edges
        self.nodes = sorted(nodes, key=_number)
        self.ends: set[int] = set()
        self.partial = wanted is not None
        if wanted is not None:
            self._keep(wanted)
        self.order = self._with_leaves()
        self.places: dict[int, int] = {}
        self.several: set[int] = set()
        size = 1
        for target in self.order:
            self.places[id(target)] = size
            size += 1
            if isinstance(target, Node) and target.outputs > 1:
                self.several.add(id(target))
                size += target.outputs
        self.size = size

    def _with_leaves(self) -> list[Any]:
        """The nodes, each behind the leaves that no earlier one uses."""
        order: list[Any] = []
        left = dict(self.leaves)
        for node in self.nodes:
            first = [left.pop(id(target), None) for target in reversed(node.edges)]
            order += [leaf for leaf in first if leaf is not None]
            order.append(node)
        return [*left.values(), *order]

    def _keep(self, wanted: set[Any]) -> None:
        """Leave out what does not lead to a wanted tensor or node; `ends` lead no further."""
        self.leaves = {key: leaf for key, leaf in self.leaves.items() if key in wanted}
        kept: set[int] = set(self.leaves)
        nodes = []
        for node in self.nodes:
            leads = False
            for target in node.edges:
                if id(target) in kept:
                    leads = True
                    break
            if leads or id(node) in wanted:
                kept.add(id(node))
                nodes.append(node)
                if not leads:
                    self.ends.add(id(node))
        self.nodes = nodes

    def reaches(self, node: Node) -> bool:
        """Whether a node, or the leaf of an accumulating one, is in the plan."""
        target = node.variable if isinstance(node, AccumulateGrad) else node
        return id(target) in self.places

    def place(self, target: Any, port: int) -> int:
        """Where the cotangent of a result is added."""
        found = self.places.get(id(target), 0)
        return found + 1 + port if id(target) in self.several else found


def run_backward(
    roots: Sequence[Root],
    *,
    retain_graph: bool,
    create_graph: bool,
    wanted: set[Any] | None = None,
    captures: Sequence[tuple[Any, int]] = (),
    deliver: Callable[[Any, Any], None] | None = None,
) -> list[Any]:
    """Carry cotangents from the roots to the leaves.

    Args:
        roots: where to start; cotangents are arrays, or traced values with `create_graph`.
        retain_graph: whether residuals are kept for another sweep.
        create_graph: whether cotangents are traced, and so have a graph of their own.
        wanted: identities of the leaves and nodes that lead to what is asked for; `None`: all.
        captures: results (target, port) whose cotangents are returned.
        deliver: `(leaf, cotangent)`, called for each leaf reached.

    Returns:
        The cotangents of `captures`; `None` where nothing arrived.

    Raises:
        RuntimeError: if the graph is freed already, or a saved tensor has been changed.
    """
    run = _Run(_Plan(roots, wanted), captures, create_graph, deliver)
    _check(run.plan.nodes, run.plan.ends)
    records, late = run.records(retain_graph)
    cts: list[Any] = [None] * run.plan.size
    for target, port, ct in roots:
        at = run.plan.place(target, port)
        cts[at] = ct if cts[at] is None else cts[at] + ct
    outer = (STATE.plan, STATE.task)
    STATE.plan, STATE.task = run.plan, next_task()
    try:
        with np.errstate(all="ignore"):
            sweep(popped(records), cts)
        for node in late:
            node.release()
    except BaseException:
        keep_unused(records)
        raise
    finally:
        STATE.plan, STATE.task = outer
    return [run.captured.get((id(target), port)) for target, port in captures]


class _Run:
    """One backward: its plan, what it returns, and how it hands out.

    Attributes:
        plan: the reachable part of the graph.
        captured: cotangents that are asked for, by place in the graph.
        asked: places that are asked for; `asked_nodes`, their nodes.
    """

    __slots__ = ("asked", "asked_nodes", "captured", "create_graph", "deliver", "plan")

    def __init__(
        self,
        plan: _Plan,
        captures: Sequence[tuple[Any, int]],
        create_graph: bool,
        deliver: Callable[[Any, Any], None] | None,
    ) -> None:
        self.plan = plan
        self.captured: dict[tuple[int, int], Any] = {}
        self.asked = {(id(target), port) for target, port in captures}
        self.asked_nodes = {key for key, _ in self.asked}
        self.create_graph = create_graph
        self.deliver = deliver

    def records(self, retain_graph: bool) -> tuple[list[Any], list[Node]]:
        """The nodes as records of the core's sweep, and those to be freed after it."""
        plan, create_graph = self.plan, self.create_graph
        places, several, ends = plan.places, plan.several, plan.ends
        records: list[Any] = []
        late: list[Node] = []
        for node in plan.order:
            if not isinstance(node, Node):
                arrival = _Arrival(node, self)
                records.append((arrival, (0,), arrival, None))
                continue
            if type(node) is AccumulateGrad:
                records.append((node, (0,), self._at_leaf(node), None))
                continue
            edges = node.edges
            parents: Any
            if node.ports is None and not several and len(edges) == 1:
                parents = places.get(id(edges[0]), 0)
            else:
                parents = self._parents(node)
            residuals = node.residuals
            pull = _Again(node) if create_graph else node.rule.pull
            if node.frees_late:
                residuals = node
                parents = parents if type(parents) is tuple else (parents,)
            end = id(node) in ends
            if end or node.hooks is not None or id(node) in self.asked_nodes or STATE.detecting:
                pull = _Hooked(node, None if end else pull, self)
                parents = parents if type(parents) is tuple else (parents,)
            if type(parents) is tuple and 0 in parents:  # what nobody asked for is of any shape
                pull = _dropping(pull, parents)
            records.append((node, parents, pull, residuals))
            if node.outputs > 1:
                own = places[id(node)]
                records.extend((node, own, item_pull(port), None) for port in range(node.outputs))
            if not (retain_graph or node.residuals is None or end or node.keeps):
                if node.frees_late or create_graph:
                    late.append(node)
                else:
                    node.residuals = FREED
        return records, late

    def _parents(self, node: Node) -> Any:
        place = self.plan.place
        edges, ports = node.edges, node.ports
        if ports is None:
            parents = tuple([place(target, 0) for target in edges])
        else:
            parents = tuple(map(place, edges, ports))
        return parents[0] if len(parents) == 1 else parents

    def _at_leaf(self, node: AccumulateGrad) -> Any:
        """Pull of the accumulating node itself, where an edge leads to it."""

        def pull(ct: Any, _residuals: Any) -> Any:
            if (id(node), 0) in self.asked:
                self.captured[id(node), 0] = ct
            if self.deliver is not None:
                self.deliver(node.variable, ct)
            return (None,)

        return pull


class _Arrival:
    """The pull of a leaf: hands out what arrived, in memory of its own."""

    __slots__ = ("leaf", "run")
    residuals = None

    def __init__(self, leaf: Any, run: _Run) -> None:
        self.leaf = leaf
        self.run = run

    @override
    def __repr__(self) -> str:
        return "AccumulateGrad"

    def __call__(self, ct: Any, _residuals: Any) -> Any:
        leaf, run = self.leaf, self.run
        # What only this frame holds is handed out as it is: 2 = the name and the argument.
        if type(ct) is np.ndarray and (getrefcount(ct) > 2 or shares(ct)):
            ct = np.array(ct)
        if run.deliver is None and leaf._hooks is not None:
            for function in in_order(leaf._hooks.of_tensor(0)):
                ct = function(ct, run.create_graph)
        if (id(leaf), 0) in run.asked:
            run.captured[id(leaf), 0] = ct
        if run.deliver is not None:
            run.deliver(leaf, ct)
        return (None,)


def _dropping(pull: Any, parents: tuple[int, ...]) -> Any:
    """The pull without the parts for position 0, which could not be added to one another."""

    def dropped(ct: Any, residuals: Any) -> Any:
        parts = zip(pull(ct, residuals), parents, strict=True)
        return tuple([part if at else None for part, at in parts])

    return dropped


def shares(view: Any) -> bool:
    """Whether somebody else may see the memory of an array, or it is only a part of some memory."""
    base = view.base
    if base is None:
        return False
    if type(base) is not np.ndarray or base.base is not None or base.size != view.size:
        return True
    # 3: the view, the name and the argument.
    return not view.flags.writeable or getrefcount(base) > 3


def popped(records: list[Any]) -> Any:
    """Latest first; records are let go once they are used, so their residuals are freed."""
    while records:
        yield records[-1]
        records.pop()


def keep_unused(records: list[Any]) -> None:
    """After an error: nodes that were not reached keep what their pull reads."""
    for node, _, _, residuals in records:
        if node.residuals is FREED and residuals is not node:
            node.residuals = residuals


def _check(nodes: Sequence[Node], ends: set[int]) -> None:
    """Refuse freed nodes, and saved tensors that were changed in place."""
    for node in reversed(nodes):
        if id(node) in ends:
            continue
        if node.residuals is FREED:
            raise RuntimeError(SECOND_TIME)
        saved = node.saved
        if saved:
            for i in range(0, len(saved), 2):
                if saved[i][0] != saved[i + 1]:
                    raise RuntimeError(_changed(node, i // 2, saved[i], saved[i + 1]))


def _changed(node: Node, which: int, cell: list[Any], version: int) -> str:
    shape, kind, name = describe_saved(node, which, cell)
    hint = (
        "Hint: enable anomaly detection to find the operation that failed to compute its gradient, "
        "with torch.autograd.set_detect_anomaly(True, check_nan=False)."
    )
    if node.line is not None:
        hint = f"Hint: the operation that needs it was recorded at {node.line}."
    return (
        "one of the variables needed for gradient computation has been modified by an inplace "
        f"operation: [torch.{kind}Tensor {shape}]{name and f'{name},'} is at version {cell[0]}; "
        f"expected version {version} instead. {hint}"
    )


def describe_saved(node: Node, which: int, cell: list[Any]) -> tuple[str, str, str]:
    """Shape, type word and maker of a saved tensor, for the message."""
    value = None
    entries = getattr(node, "_saved_tensors", None)
    if entries is not None:
        arrays = [entry[1] for entry in entries if entry is not None]
        found = arrays[which] if which < len(arrays) else None
        value = getattr(found, "_value", found)
    residuals = node.residuals if isinstance(node.residuals, tuple) else (node.residuals,)
    arrays = [item for item in residuals if isinstance(item, np.ndarray | np.generic)]
    arrays = getattr(node.rule, "saved_values", arrays)
    if which < len(arrays):
        value = arrays[which]
    kind = {"float64": "Double", "float32": "Float", "float16": "Half"}.get(
        str(getattr(value, "dtype", "float32")), "ComplexFloat"
    )
    shape = str(list(getattr(value, "shape", ())))
    name = cell[1]
    letters = getattr(node.rule, "letters", "")
    if which < len(letters) == len(node.saved) // 2 and letters[which] == "z":
        name = node.name().removesuffix("Backward0")
    elif node.notes_result and which == len(node.saved) // 2 - 1:
        name = node.name().removesuffix("Backward0").replace("Backward", "")
    elif name == "torch::autograd::CopySlices" and (
        value is None or isinstance(value.base, np.ndarray)
    ):
        name = "AsStrided"
    return shape, kind, f", which is output 0 of {name}" if name else ""


class _Again:
    """Pull of a node on traced cotangents."""

    __slots__ = ("node",)

    def __init__(self, node: Node) -> None:
        self.node = node

    def __call__(self, ct: Any, _residuals: Any) -> Any:
        return self.node.rule.again(self.node, ct)


class _Hooked:
    """A pull with the hooks of its node around it."""

    __slots__ = ("node", "pull", "run")

    def __init__(self, node: Node, pull: Any, run: _Run) -> None:
        self.node = node
        self.pull = pull
        self.run = run

    def __call__(self, ct: Any, residuals: Any) -> Any:
        node = self.node
        hooks = node.hooks
        parts = self._arrived(_split(ct, node.outputs))
        if self.pull is None:
            return (None,) * len(node.edges)
        if hooks is not None:
            for function in list(hooks.before.values()):
                parts = list(CALLS["before"](function, parts))
        joined = _join(parts, node.outputs)
        if joined is None:
            return (None,) * len(node.edges)
        result = (
            self._pulled(joined, residuals) if STATE.detecting else self.pull(joined, residuals)
        )
        ins = result if type(result) is tuple else (result,)
        if hooks is not None and hooks.after:
            for function in list(hooks.after.values()):
                ins = CALLS["after"](function, ins, parts, node.rule.mask)
        return ins

    def _arrived(self, parts: list[Any]) -> list[Any]:
        """Cotangents of the results after the tensors' hooks; those asked for are captured."""
        node, run = self.node, self.run
        if node.hooks is not None:
            for port, functions in node.hooks.tensor.items():
                for function in in_order(functions):
                    if parts[port] is not None:
                        parts[port] = function(parts[port], run.create_graph)
        for port, part in enumerate(parts):
            if (id(node), port) in run.asked:
                run.captured[id(node), port] = part
        return parts

    def _pulled(self, joined: Any, residuals: Any) -> Any:
        """The pull, with a warning that shows where the node was made if something is wrong."""
        try:
            result = self.pull(joined, residuals)
            if STATE.check_nan:
                _check_nan(self.node, result)
        except Exception:
            warnings.warn(_where_made(self.node), UserWarning, stacklevel=2)
            raise
        return result


def in_order(functions: dict[int, Any]) -> list[Any]:
    """Hooks in the order of entry, but the one that keeps the gradient last."""
    hooks = list(functions.values())
    if len(hooks) > 1:
        hooks.sort(key=lambda hook: getattr(hook, "keeps", False))
    return hooks


def _where_made(node: Node) -> str:
    lines = (node._metadata or {}).get("traceback_")
    if lines is None:
        return (
            f"Error detected in {node.name()}. No forward pass information available. Enable "
            "detect anomaly during forward pass for more information."
        )
    return (
        f"Error detected in {node.name()}. Traceback of forward call that caused the error:\n"
        f"{''.join(lines)}"
    )


CALLS: dict[str, Callable[..., Any]] = {}
"""How hooks of nodes are called with tensors; entered by `funcgrad.compat.torch.tensor`."""


def _split(ct: Any, outputs: int) -> list[Any]:
    if outputs == 1 and not isinstance(ct, Partials):
        return [ct]
    return [ct.get(port) for port in range(outputs)]


def _join(parts: Sequence[Any], outputs: int) -> Any:
    if outputs == 1:
        return parts[0]
    found = {port: part for port, part in enumerate(parts) if part is not None}
    return Partials(found) if found else None


def _check_nan(node: Node, result: Any) -> None:
    mask = node.rule.mask
    count = len(node.edges)
    numbers = range(count) if not mask else [i for i, flag in enumerate(mask) if flag]
    parts = result if isinstance(result, tuple) else (result,)
    for number, part in zip(numbers, parts, strict=False):
        plain = plain_value(part)
        if isinstance(plain, np.ndarray | np.generic) and np.any(np.isnan(plain)):
            made = "" if node.line is None else f" It was recorded at {node.line}."
            raise RuntimeError(
                f"Function '{node.name()}' returned nan values in its {number}th output.{made}"
            )

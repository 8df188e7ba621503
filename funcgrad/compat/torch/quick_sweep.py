"""The short way of `funcgrad.compat.torch.sweeping`: one root, and nothing to do on the way.

Graphs with hooks, several results of a node, nodes of the user's, or anything that is an error take
the general way, which does the same and more.
"""

from operator import attrgetter
from sys import getrefcount
from typing import Any

import numpy as np

from funcgrad.compat.torch.node import FREED, Node
from funcgrad.compat.torch.sweeping import keep_unused, popped, shares
from funcgrad.interpreters.sweep import sweep

__all__ = ["quick_backward"]

_number = attrgetter("number")


def quick_backward(
    root: Any, ct: Any, wanted: set[int] | None, retain_graph: bool
) -> dict[int, tuple[Any, Any]] | None:
    """Carry a cotangent from one node to the leaves.

    Args:
        root: where to start.
        ct: cotangent of its only result.
        wanted: identities of the leaves that are asked for; `None`: all.
        retain_graph: whether residuals are kept for another sweep.

    Returns:
        `{identity of a leaf: (leaf, cotangent in memory of its own)}`, or `None`, with nothing
        done, if the general way has to be taken.
    """
    if not isinstance(root, Node):
        return None
    nodes, leaves = _reachable(root)
    if wanted is not None and leaves.keys() != wanted:
        return None
    order = sorted(nodes, key=_number)
    records = _records(order, leaves)
    if records is None or order[-1] is not root:
        return None
    if not retain_graph:
        for node in order:
            if node.residuals is not None and not node.keeps:
                node.residuals = FREED
    cts: list[Any] = [None] * (len(leaves) + len(records))
    cts[-1] = ct
    del ct
    try:
        with np.errstate(all="ignore"):
            sweep(popped(records), cts)
    except BaseException:
        keep_unused(records)
        raise
    found: dict[int, tuple[Any, Any]] = {}
    for place, (key, leaf) in enumerate(leaves.items()):
        part = cts[place]
        cts[place] = None
        # What only this frame holds is handed out as it is: 2 = the name and the argument.
        if type(part) is np.ndarray and (getrefcount(part) > 2 or shares(part)):
            part = np.array(part)
        if part is not None:
            found[key] = (leaf, part)
    return found


def _reachable(root: Node) -> tuple[dict[Any, None], dict[int, Any]]:
    """Nodes and leaves that a node leads to."""
    nodes: dict[Any, None] = {root: None}
    leaves: dict[int, Any] = {}
    stack: list[Any] = [root]
    while stack:
        for target in stack.pop().edges:
            if not isinstance(target, Node):
                leaves[id(target)] = target
            elif target not in nodes:
                nodes[target] = None
                stack.append(target)
    return nodes, leaves


def _records(order: list[Any], leaves: dict[int, Any]) -> list[Any] | None:
    """The nodes as records of the core's sweep; `None` if one is not of the simple kind."""
    for leaf in leaves.values():
        if leaf._hooks is not None or leaf._accumulator is not None:
            return None
    places = {key: at for at, key in enumerate(leaves)}
    at = len(places)
    records: list[Any] = []
    for node in order:
        if (
            node.hooks is not None
            or node.ports is not None
            or node.outputs > 1
            or node.frees_late
            or node.residuals is FREED
        ):
            return None
        saved = node.saved
        if saved:
            for i in range(0, len(saved), 2):
                if saved[i][0] != saved[i + 1]:
                    return None
        edges = node.edges
        parents = (
            places[id(edges[0])]
            if len(edges) == 1
            else tuple([places[id(target)] for target in edges])
        )
        places[id(node)] = at
        at += 1
        records.append((node, parents, node.rule.pull, node.residuals))
    return records

"""Pictures of the graph behind a tensor."""

from collections.abc import Mapping
from typing import Any

from funcgrad.compat.torch.node import AccumulateGrad, Node, accumulator, edge_of
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.drawing.picture import Box, Picture

__all__ = ["make_dot", "print_graph"]

LEAF, OPERATION, RESULT = "#add8e6", "#d3d3d3", "#caff70"


DEEP = 40
"""Deeper lines are not indented further; they tell their depth."""


def _outputs(var: Any) -> list[Tensor]:
    tensors = [var] if isinstance(var, Tensor) else list(var)
    for tensor in tensors:
        if not tensor.requires_grad:
            raise RuntimeError(
                "make_dot: the tensor does not require grad, so there is no graph to draw. Compute "
                "it from a tensor with requires_grad=True, and not inside torch.no_grad()."
            )
    return tensors


def _names(params: Any) -> dict[int, str]:
    """Names of the leaves: what `params` says, else the tensor's own `name`."""
    items = params.items() if isinstance(params, Mapping) else params or ()
    return {id(tensor): str(name) for name, tensor in items}


def make_dot(
    var: Any, params: Any = None, show_attrs: bool = False, show_saved: bool = False
) -> Picture:
    """The graph that `var` was computed by, as a picture.

    Args:
        var: a tensor that requires grad, or several.
        params: names of leaf tensors: a mapping, or pairs (name, tensor).
        show_attrs: whether boxes tell the place of their node in the order of making.
        show_saved: whether boxes tell how many values their node keeps.

    Returns:
        A picture with `.dot` (DOT text), `.svg` and `.save("graph.svg")`; leaves are blue,
        operations grey, results green; arrows point from operands to results.

    Raises:
        RuntimeError: if `var` does not require grad.
    """
    plan = _Plan(_names(params), show_attrs, show_saved)
    for output in _outputs(var):
        target = edge_of(output)
        start = plan.box_of(target)
        plan.edges.append((start, len(plan.boxes)))
        plan.boxes.append(Box(_texts(plan.names.get(id(output)), output), RESULT))
    while plan.waiting:
        node = plan.waiting.pop()
        for edge in node.edges:
            target = edge.variable if isinstance(edge, AccumulateGrad) else edge
            plan.edges.append((plan.box_of(target), plan.numbers[id(node)]))
    return Picture(tuple(plan.boxes), tuple(dict.fromkeys(plan.edges)))


def _texts(name: str | None, tensor: Tensor) -> tuple[str, ...]:
    shape = f"({', '.join(map(str, tensor.shape))})"
    return (name, shape) if name else (shape,)


class _Plan:
    """Boxes and arrows so far, and nodes whose operands are still to be drawn."""

    def __init__(self, names: dict[int, str], show_attrs: bool, show_saved: bool) -> None:
        self.names = names
        self.show_attrs = show_attrs
        self.show_saved = show_saved
        self.boxes: list[Box] = []
        self.edges: list[tuple[int, int]] = []
        self.numbers: dict[int, int] = {}
        self.waiting: list[Node] = []

    def box_of(self, target: Any) -> int:
        """Number of the box of a node or leaf, which is drawn when first met."""
        key = id(target)
        if key not in self.numbers:
            self.numbers[key] = len(self.boxes)
            if isinstance(target, Tensor):
                name = self.names.get(key) or target.name
                self.boxes.append(Box(_texts(name, target), LEAF, "AccumulateGrad"))
            else:
                lines = [type(target).__name__]
                if self.show_attrs:
                    lines.append(f"made {target.number}")
                if self.show_saved and target.saved:
                    lines.append(f"saves {len(target.saved) // 2}")
                self.boxes.append(Box(tuple(lines), OPERATION, target.line or ""))
                self.waiting.append(target)
        return self.numbers[key]


def print_graph(var: Any, file: Any = None) -> None:
    """Print the graph behind a tensor as an indented tree.

    Args:
        var: a tensor that requires grad, or a node.
        file: where to print; standard output by default.
    """
    root = var if isinstance(var, Node) else var.grad_fn
    if root is None:
        root = accumulator(_outputs(var)[0])
    seen: set[int] = set()
    stack: list[tuple[Any, int]] = [(root, 0)]
    while stack:
        node, depth = stack.pop()
        again = id(node) in seen
        text = type(node).__name__
        if isinstance(node, AccumulateGrad):
            text += f" ({', '.join(map(str, node.variable.shape))})"
        place = "  " * depth if depth <= DEEP else f"{'  ' * DEEP}[{depth}] "
        print(place + text + (" (see above)" if again and node.edges else ""), file=file)
        if again:
            continue
        seen.add(id(node))
        below = [child for child, _ in node.next_functions if child is not None]
        stack += [(child, depth + 1) for child in reversed(below)]

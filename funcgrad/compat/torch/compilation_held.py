"""The tensors that a recorded function reads: traced values for the time of the recording."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from funcgrad.compat.torch.compilation_breaks import refuse
from funcgrad.compat.torch.levels import untracked
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.interpreters.record import RecordTracer

__all__ = ["OWN", "Held", "Write", "holding", "shares"]


@dataclass(frozen=True, slots=True)
class Write:
    """A result of the program that is written into an input tensor.

    Attributes:
        tensor: number of the input.
        place: of the result.
        versions: by how many its version rises.
    """

    tensor: int
    place: int
    versions: int


class Held:
    """Input tensors with traced values, and how they were before.

    Attributes:
        tensors: the inputs.
    """

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self.tensors = tensors
        self.places = {id(tensor): place for place, tensor in enumerate(tensors)}
        self.saved = [(x, dict(vars(x)), list(x._cell)) for x in tensors]
        self.relatives: dict[int, tuple[Tensor, dict[str, Any]]] = {}
        for tensor in tensors:
            self._note(tensor)

    def _note(self, tensor: Tensor) -> None:
        base = tensor if tensor._base is None else tensor._base
        views = [reference() for reference in base._views or ()]
        for one in (base, *views):
            if one is not None and one is not tensor and id(one) not in self.places:
                self.relatives.setdefault(id(one), (one, dict(vars(one))))
                if id(one) not in self.relatives:
                    self._note(one)

    def has(self, tensor: Tensor) -> bool:
        """Whether a tensor is an input, or one of its views or its base."""
        return id(tensor) in self.places or id(tensor) in self.relatives

    def place(self, tensor: Tensor) -> int | None:
        """The number of an input."""
        return self.places.get(id(tensor))

    def shown_by(self, view: Tensor) -> tuple[int, tuple[Any, ...]] | None:
        """The input that a tensor is a view of, and the steps to it; `None` if it is none."""
        base, path = view._base, view._path
        if base is None:
            return None
        place = self.place(base)
        if place is not None:
            return place, path
        for number, tensor in enumerate(self.tensors):
            steps = tensor._path
            if tensor._base is base and path[: len(steps)] == steps:
                return number, path[len(steps) :]
        if self.has(base):
            refuse("it returns a view of memory that is not among its inputs")
        return None

    def give(self, leaves: Sequence[Any]) -> None:
        """Let them hold other values, as leaves."""
        for tensor, leaf in zip(self.tensors, leaves, strict=False):
            own = vars(tensor)
            own["_value"], own["_requires"], own["_node"], own["_port"] = leaf, False, None, 0
            if tensor._views is not None:
                own["_views"] = list(tensor._views)

    def restore(self) -> None:
        """Give them back what they held."""
        for tensor, state, cell in self.saved:
            own = vars(tensor)
            own.clear()
            own.update(state)
            tensor._cell[:] = cell
        for tensor, state in self.relatives.values():
            own = vars(tensor)
            own.clear()
            own.update(state)

    def check_attributes(self) -> None:
        """Refuse new attributes of tensors, such as a gradient."""
        for tensor, state, _ in self.saved:
            for name, item in vars(tensor).items():
                if name not in _MANAGED and state.get(name) is not item:
                    refuse(f"it sets an attribute of a tensor ({name})")

    def writes(self, leaves: Sequence[Any], outs: list[Any]) -> Iterator[Write]:
        """The results that have to be written into inputs."""
        for place, (tensor, state, cell) in enumerate(self.saved):
            leaf, value = leaves[place], tensor._value
            versions = tensor._cell[0] - cell[0]
            if value is leaf:
                continue
            if isinstance(value, RecordTracer):  # written to under no_grad, it is still the leaf
                own = isinstance(leaf, RecordTracer) and leaf.owner is value.owner
                if not own or leaf.index != value.index:
                    refuse("it writes values with a graph into an input")
            if not versions or state.get("_node") is not None or self._is_shared(tensor, state):
                refuse("it writes into a tensor that shares its memory")
            if value.shape != leaf.shape or value.dtype != leaf.dtype:
                refuse("it changes the shape or type of a tensor")
            outs.append(untracked(value))
            yield Write(place, len(outs) - 1, versions)

    def _is_shared(self, tensor: Tensor, state: dict[str, Any]) -> bool:
        views = state.get("_views") or ()
        if state.get("_base") is not None or any(view() is not None for view in views):
            return True
        array = state["_value"]
        return any(
            other is not tensor and shares(array, own["_value"]) for other, own, _ in self.saved
        )


_MANAGED = frozenset(
    {"_value", "_cell", "_node", "_port", "_requires", "_base", "_path", "_shared", "_views"}
)


OWN = _MANAGED | {
    "_accumulator", "_dtype", "_given_tangent", "_grad", "_grad_dtype", "_hooks", "_inference",
    "_is_buffer", "_is_param", "_retains", "_sealed", "_tangent", "_where", "name", "persistent",
}  # fmt: skip
"""Attributes that are no attributes of the user's."""


def shares(x: Any, y: Any) -> bool:
    """Whether two values may be the same memory."""
    return type(x) is np.ndarray and type(y) is np.ndarray and np.may_share_memory(x, y)


@contextmanager
def holding(tensors: Sequence[Tensor], leaves: Sequence[Any]) -> Iterator[Held]:
    """Inside the context, these tensors hold these values."""
    held = Held(tensors)
    try:
        held.give(leaves)
        yield held
    finally:
        held.restore()

"""`torch.autograd.graph`: nodes, edges, hooks for saved tensors and for several tensors at once."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from funcgrad.compat.torch import saving
from funcgrad.compat.torch.autograd.anomaly import switch_careful
from funcgrad.compat.torch.autograd_core import GradientEdge
from funcgrad.compat.torch.node import Node, RemovableHandle, accumulator
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import Tensor

__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
    "user_trace",
]

user_trace = saving.user_trace


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """The place in the graph where the gradient of a tensor arrives."""
    if not tensor.requires_grad:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require "
            "gradients"
        )
    node = tensor.grad_fn
    if node is None:
        return GradientEdge(accumulator(tensor), 0)
    return GradientEdge(node, tensor.output_nr)


def increment_version(tensor: Any) -> None:
    """Say that the memory of a tensor, or of several, was changed without the layer's knowledge."""
    for one in (tensor,) if isinstance(tensor, Tensor) else tensor:
        one._cell[0] += 1


class saved_tensors_hooks:  # the public name
    """A context in which what nodes keep is packed when recorded, and unpacked in backward.

    Args:
        pack_hook: of a tensor; what it returns is kept in its place.
        unpack_hook: of that; it returns the tensor.
    """

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        if STATE.saving_forbidden is not None:
            raise RuntimeError(STATE.saving_forbidden)
        STATE.saved_hooks = (*STATE.saved_hooks, (self.pack_hook, self.unpack_hook))
        switch_careful()

    def __exit__(self, *_: object) -> None:
        STATE.saved_hooks = STATE.saved_hooks[:-1]
        switch_careful()


class save_on_cpu(saved_tensors_hooks):  # the public name
    """A context in which copies of what nodes keep are kept, here as everywhere on the CPU."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        del pin_memory, device_type
        super().__init__(_copied, _same)


def _copied(tensor: Any) -> Any:
    copy = tensor.detach()
    copy._value = np.array(copy._value)
    copy._cell = [0, None]
    return copy


def _same(tensor: Any) -> Any:
    return tensor


class allow_mutation_on_saved_tensors(saved_tensors_hooks):  # the public name
    """A context in which tensors that backward needs may be changed: it keeps copies of them."""

    def __init__(self) -> None:
        super().__init__(_copied, _same)


class disable_saved_tensors_hooks:  # the public name
    """A context in which setting hooks for saved tensors raises an error.

    Args:
        error_message: of that error.
    """

    def __init__(self, error_message: str) -> None:
        self.error_message = error_message

    def __enter__(self) -> None:
        if STATE.saved_hooks:
            raise RuntimeError(self.error_message)
        self.before = STATE.saving_forbidden
        STATE.saving_forbidden = self.error_message

    def __exit__(self, *_: object) -> None:
        STATE.saving_forbidden = self.before


class _Handles:
    """Handles of the hooks on several tensors, removed together."""

    def __init__(self, handles: Sequence[RemovableHandle]) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        """Take all the hooks away."""
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> "_Handles":
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def register_multi_grad_hook(
    tensors: Iterable[Any], fn: Callable[[Any], Any], *, mode: str = "all"
) -> _Handles:
    """Call a function when gradients of several tensors have been computed.

    Args:
        tensors: to watch.
        fn: with `mode="all"` called once in each backward with all gradients (`None` for tensors
            that got none); with `mode="any"` with the first of them.
        mode: "all" or "any".
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    watched = list(tensors)
    for tensor in watched:
        if not tensor.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    once = _Once(fn) if mode == "any" else _Together(watched, fn)
    return _Handles(
        [tensor.register_hook(once.of(number)) for number, tensor in enumerate(watched)]
    )


class _Once:
    """Calls the function with the first gradient of each backward."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.seen: int | None = None

    def of(self, _number: int) -> Callable[[Any], None]:
        """The hook of one tensor."""

        def hook(gradient: Any) -> None:
            task = STATE.task
            if task != self.seen:
                self.seen = task
                self.function(gradient)

        return hook


class _Together:
    """Calls the function when the last of the gradients that this backward computes is there."""

    def __init__(self, tensors: Sequence[Any], function: Callable[[Any], Any]) -> None:
        self.edges = [get_gradient_edge(tensor) for tensor in tensors]
        self.function = function
        self.task: int | None = None
        self.found: list[Any] = []
        self.missing = 0

    def of(self, number: int) -> Callable[[Any], None]:
        """The hook of one tensor."""

        def hook(gradient: Any) -> None:
            if STATE.task != self.task:
                self.task = STATE.task
                self.found = [None] * len(self.edges)
                self.missing = sum(STATE.reached(edge.node) for edge in self.edges)
            self.found[number] = gradient
            self.missing -= 1
            if not self.missing:
                self.function(self.found)
                self.task = None

        return hook

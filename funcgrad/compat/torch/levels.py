"""Open functional transforms of this thread, and what tensors inside them answer.

Each level is one run of `torch.func.grad` (and its like) or `vmap`. A level that records switches
recording on for its function; `no_grad` inside of it hides values from every level, as in PyTorch.
"""

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from funcgrad.compat.torch.ambient import AmbientTracer
from funcgrad.compat.torch.compilation_breaks import answered, refuse
from funcgrad.compat.torch.node import Node, make_node, node_class
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import METHODS, Tensor, holder, payload_of
from funcgrad.core.tracer import Trace, Tracer
from funcgrad.families.shapes import in_front
from funcgrad.interpreters.batch import Batch, BatchTracer
from funcgrad.interpreters.dual import DualTracer
from funcgrad.interpreters.record import RecordTracer
from funcgrad.interpreters.stage import StageTracer

__all__ = [
    "LEVELS",
    "MapLevel",
    "Watch",
    "check_batched",
    "incoming",
    "is_input",
    "is_tracking",
    "mapping",
    "outgoing",
    "recording",
    "strip_finished",
    "untracked",
    "watching",
    "with_values",
]


@dataclass(frozen=True, slots=True)
class MapLevel:
    """A run of `vmap`.

    Attributes:
        trace: of the batch.
        randomness: "error", "different" or "same".
    """

    trace: Batch
    randomness: str


@dataclass(slots=True)
class Watch:
    """What a function that is being differentiated writes of its values into tensors.

    A tensor made inside the function may hold traced values; it goes with the function. One that is
    still there afterwards was captured: it gets its old value back.

    Attributes:
        trace: of the transform.
        entries: tensors that hold values of the trace, what they held before, and how to tell
            their views.
    """

    trace: Any
    entries: list[Any] = field(default_factory=list)

    def note(self, tensor: Tensor, value: Any, show: Callable[[Tensor], None]) -> None:
        """Remember what a tensor held before the first traced value is written into it."""
        if _holds(value, self.trace) and not _holds(tensor._value, self.trace):
            old = (tensor._value, tensor._node, tensor._port, tensor._requires, tensor._cell[0])
            self.entries.append((weakref.ref(tensor), old, show))

    def undo(self) -> list[tuple[Tensor, Any]]:
        """Give the tensors that are still there their old values; these, and what they held."""
        found = []
        for reference, old, show in reversed(self.entries):
            tensor = reference()
            if tensor is not None and _holds(tensor._value, self.trace):
                found.append((tensor, tensor._value))
                tensor._value, tensor._node, tensor._port, tensor._requires, tensor._cell[0] = old
                show(tensor)
        self.entries.clear()
        return found


def _holds(value: Any, trace: Any) -> bool:
    while isinstance(value, Tracer):
        if value.owner is trace:
            return True
        value = value.value
    return False


class _Levels(threading.local):
    """Open levels, the innermost last."""

    grads: tuple[Trace, ...] = ()
    maps: tuple[MapLevel, ...] = ()
    watches: tuple[Watch, ...] = ()


LEVELS = _Levels()


@contextmanager
def recording(trace: Trace | None) -> Iterator[None]:
    """Run the user's function at a level that records; `None`: nothing is differentiated."""
    before, mode = LEVELS.grads, STATE.grad
    if trace is not None:
        LEVELS.grads = (*before, trace)
        STATE.grad = True
    try:
        yield
    finally:
        LEVELS.grads, STATE.grad = before, mode


@contextmanager
def watching(trace: Trace | None) -> Iterator[Watch]:
    """Note the writes of a function that is being differentiated; undo them if it raises."""
    watch, before = Watch(trace), LEVELS.watches
    if trace is not None:
        LEVELS.watches = (*before, watch)
    try:
        yield watch
    except BaseException:
        watch.undo()
        raise
    finally:
        LEVELS.watches = before


def is_input(value: Any) -> bool:
    """Whether a value is an argument of an open level that records: what PyTorch makes a leaf."""
    if not (LEVELS.grads or LEVELS.maps):
        return False
    while isinstance(value, Tracer):
        if isinstance(value, AmbientTracer):
            return isinstance(value.target, Tensor)
        if isinstance(value, RecordTracer) and value.owner in LEVELS.grads:
            records: Any = value.owner.records
            return value.owner.open and records[value.index] is None
        value = value.value
    return False


def check_batched(old: Any, new: Any, message: str = "") -> None:
    """Refuse to write values that differ between examples where there is one for all.

    Raises:
        RuntimeError: for these, with the message.
    """
    value = new
    while isinstance(value, Tracer):
        if isinstance(value, BatchTracer) and value.batched:
            own = old
            while isinstance(own, Tracer) and own.owner is not value.owner:
                own = own.value
            if not (isinstance(own, BatchTracer) and own.batched):
                raise RuntimeError(message or BATCHED)
        value = value.value


BATCHED = (
    "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor "
    "`other` in extra_args that has more elements than `self`. This happened due to `other` being "
    "vmapped over but `self` not being vmapped over in a vmap. Please try to use out-of-place "
    "operators instead of inplace arithmetic. If said operator is being called inside the PyTorch "
    "framework, please file a bug report instead."
)


@contextmanager
def mapping(trace: Batch, randomness: str) -> Iterator[None]:
    """Run the user's function at a level of vmap."""
    before = LEVELS.maps
    LEVELS.maps = (*before, MapLevel(trace, randomness))
    try:
        yield
    finally:
        LEVELS.maps = before


def untracked(value: Any) -> Any:
    """The value as a constant for every level that records: what `no_grad` leaves of it."""
    if not isinstance(value, Tracer):
        return value
    inner = untracked(value.value)
    if isinstance(value, RecordTracer | AmbientTracer):
        return inner
    if isinstance(value, BatchTracer):
        return BatchTracer(inner, value.batched, value.owner, value.made_by)
    if isinstance(value, DualTracer):
        return DualTracer(inner, untracked(value.tangent), value.owner, value.made_by)
    return value


def with_values(old: Any, new: Any) -> Any:
    """New values with the derivative of old ones: what a write under `no_grad` leaves.

    Raises:
        RuntimeError: if the new values differ between examples of a batch, and the old do not.
    """
    if isinstance(old, AmbientTracer):
        return AmbientTracer(new, old.target, old.port, old.cell)
    if isinstance(old, RecordTracer):
        tracer: RecordTracer = object.__new__(RecordTracer)
        tracer.value, tracer.owner, tracer.index = (
            with_values(old.value, new),
            old.owner,
            old.index,
        )
        return tracer
    same = isinstance(new, type(old)) and isinstance(new, Tracer) and new.owner is old.owner
    inner = new.value if same else new
    if isinstance(old, DualTracer):
        inner = with_values(old.value, inner)
        return DualTracer(inner, new.tangent, old.owner) if same else inner
    if isinstance(old, BatchTracer):
        batched = same and new.batched
        if batched and not old.batched:
            raise RuntimeError(
                "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists "
                "a Tensor `other` in extra_args that has more elements than `self`, under no_grad. "
                "Use the out-of-place version of the operation."
            )
        if old.batched and not batched:
            inner = in_front(old.owner.size, inner, False)
        return BatchTracer(with_values(old.value, inner), old.batched, old.owner)
    return new


def incoming(tensor: Tensor) -> Any:
    """The value of an argument as a transform takes it: with its graph, where that is recorded."""
    return payload_of(tensor) if STATE.grad else untracked(tensor._value)


def outgoing(value: Any, like: Tensor | None = None) -> Tensor:
    """A result of a transform as a tensor of the level around it."""
    return holder(value if STATE.grad else untracked(value), like)


FINISHED: dict[str, Callable[[Any], bool]] = {"is": lambda _value: False}
"""Whether a value belongs to a dual level that is over; entered by `autograd.forward_ad`."""


def strip_finished(tensor: Tensor) -> Any:
    """The value of a tensor; one of a dual level that is over becomes its primal for good."""
    value = tensor._value
    while isinstance(value, DualTracer) and FINISHED["is"](value):
        value = value.value
        if type(value) is AmbientTracer:
            whole = holder(value)
            tensor._node, tensor._port, tensor._requires = whole._node, whole._port, True
            value = value.value
        tensor._value = value
    return value


def is_tracking(value: Any) -> bool:
    """Whether the outermost transform of a value records it."""
    return isinstance(value, RecordTracer | AmbientTracer)


ITEM = (
    "vmap: It looks like you're calling .{what}() on a Tensor. We don't support vmap over calling "
    ".{what}() on a Tensor, please try to rewrite what you're doing with other operations. If "
    "error is occurring somewhere inside PyTorch internals, please file a bug report."
)
CONTROL_FLOW = (
    "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We "
    "don't support that yet, please file an issue at https://github.com/pytorch/pytorch/issues ."
)
STORAGE = "Cannot access data pointer of Tensor that doesn't have storage"


def _plain(value: Any, what: str) -> Any:
    """The plain value below every level, where it is one for all examples."""
    while isinstance(value, Tracer):
        if isinstance(value, BatchTracer) and value.batched:
            raise RuntimeError(_REFUSALS.get(what) or ITEM.format(what=what))
        if isinstance(value, StageTracer):
            return answered(value, what)
        value = value.value
    return value


def _constant(value: Any) -> Any:
    """The value without any derivative: `detach` hides it from every level."""
    if not isinstance(value, Tracer) or isinstance(value, StageTracer):
        return value
    inner = _constant(value.value)
    if isinstance(value, BatchTracer):
        return BatchTracer(inner, value.batched, value.owner, value.made_by)
    return inner


def _refuse_requires_grad() -> None:
    refuse("it changes requires_grad of a tensor")
    if LEVELS.grads or LEVELS.maps:
        raise RuntimeError(
            "You are attempting to call Tensor.requires_grad_() (or perhaps using "
            "torch.autograd.functional.* APIs) inside of a function being transformed by a "
            "functorch transform. This is unsupported, please attempt to use the functorch "
            "transforms (e.g. grad, vjp, jacrev, jacfwd, hessian) or call requires_grad_() outside "
            "of a function being transformed instead."
        )


_REFUSALS = {"bool": CONTROL_FLOW, "numpy": STORAGE, "tolist": STORAGE}


class _AliasRule:
    """Rule of a tensor that is a leaf under another name."""

    mask = None

    def pull(self, ct: Any, _residuals: Any) -> Any:
        """The cotangent itself."""
        return ct

    def again(self, _node: Node, ct: Any) -> Any:
        """The cotangent itself."""
        return ct

    def saved_value(self, node: Node, name: str) -> NoReturn:
        """Nothing is saved."""
        raise AttributeError(f"'{node.name()}' object has no attribute '_saved_{name}'")


_ALIAS_RULE = _AliasRule()


def _alias(leaf: Any) -> Node:
    return make_node(node_class("AliasBackward0"), _ALIAS_RULE, (leaf,), None, None, ())


METHODS["alias"] = _alias
METHODS["is_tracking"] = is_tracking
METHODS["plain"] = _plain
METHODS["constant"] = _constant
METHODS["refuse_requires_grad"] = _refuse_requires_grad
METHODS["refuse_recorded"] = refuse

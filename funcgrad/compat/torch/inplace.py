"""In-place operations: new values in old memory, a new node, and views that follow.

An in-place operation computes its result as any operation does, writes the values into the memory
of the tensor (so that views, and arrays that share it, see them), raises the version, and gives the
tensor the node of the result. Through a view, the base gets a node that puts the view's values into
its place (`CopySlices`), and every view of the base gets a new node on top of that.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.arguments import FAILURES, explained
from funcgrad.compat.torch.compilation_breaks import note_write, refuse
from funcgrad.compat.torch.dtypes import can_cast
from funcgrad.compat.torch.keeping import keep_before_write
from funcgrad.compat.torch.levels import LEVELS, check_batched, is_input, with_values
from funcgrad.compat.torch.node import Node, make_node, node_class
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.registry import IN_PLACE
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.static import SignatureRule
from funcgrad.compat.torch.tensor import METHODS, Tensor, holder
from funcgrad.core.tracer import Tracer

__all__ = [
    "MULTIPLE", "OF_FUNCTION", "attach", "before", "check_writable", "in_place", "overlaps",
    "overwrite", "write", "written",
]  # fmt: skip

LEAF = "a leaf Variable that requires grad is being used in an in-place operation."
VIEW_OF_LEAF = (
    "a view of a leaf Variable that requires grad is being used in an in-place operation."
)


NO_GRAD_VIEW = (
    "A view was created in no_grad mode and is being modified inplace with grad mode enabled. "
    "Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your "
    "code by moving both the view and the inplace either both inside the no_grad block (if you "
    "don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked)."
)
OF_FUNCTION = (
    "Output {port} of {name} is a view and is being modified inplace. This view was created inside "
    "a custom Function (or because an input was returned as-is) and the autograd logic to handle "
    "view+inplace would override the custom backward associated with the custom Function, leading "
    "to incorrect gradients. This behavior is forbidden. You can fix this by cloning the output of "
    "the custom Function."
)
MULTIPLE = (
    "Output {port} of {name} is a view and is being modified inplace. This view is the output of a "
    "function that returns multiple views. Such functions do not allow the output views to be "
    "modified inplace. You should replace the inplace operation by an out-of-place one."
)
OVERLAP = (
    "unsupported operation: more than one element of the written-to tensor refers to a single "
    "memory location. Please clone() the tensor before performing the operation."
)


def in_place(function: Callable[..., Any], name: str = "") -> Callable[..., Any]:
    """The variant of an operation that changes its first operand, and returns it."""

    def changing(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        try:
            check_writable(self)
            return overwrite(self, function(before(self, args), *args, **kwargs))
        except FAILURES as error:
            label = f"Tensor.{name}_" if isinstance(self, Tensor) else f"{name}_"
            found = explained(error, label, function, (self, *args), kwargs)
            if found is None:
                raise
            raise found from None

    changing.explains = True  # type: ignore[attr-defined]  # for `guard_all`
    changing.__name__ = f"{name}_"
    changing.__doc__ = f"In-place version of `{name}`."
    return changing


def before(tensor: Tensor, others: Sequence[Any] = ()) -> Tensor:
    """What a recorded operation that changes a tensor reads: its values in memory of their own."""
    if not STATE.grad or isinstance(tensor._value, Tracer):
        return tensor
    if not tensor._requires and not any(isinstance(x, Tensor) and x._requires for x in others):
        return tensor
    copied = holder(np.array(tensor._value), tensor)
    copied._node, copied._port, copied._requires = tensor._node, tensor._port, tensor._requires
    return copied


IN_PLACE["make"] = in_place


def check_writable(tensor: Tensor) -> None:
    """Refuse to change leaves that require grad, while operations are recorded.

    Raises:
        RuntimeError: for these, for views of them, and for views that stand for several.
    """
    if not STATE.grad:
        return
    base = tensor._base
    sealed = tensor._sealed or (base is not None and base._sealed)
    if sealed and tensor._node is not None:
        name = tensor._node.name().removesuffix("0").removesuffix("Backward")
        raise RuntimeError(sealed.format(port=tensor._port, name=name))
    if isinstance(tensor._value, Tracer) and is_input((tensor if base is None else base)._value):
        raise RuntimeError(LEAF if base is None else VIEW_OF_LEAF)
    if tensor._requires and tensor._node is None:
        raise RuntimeError(LEAF if base is None else VIEW_OF_LEAF)
    if base is None or not base._requires:
        return
    if base._node is None:
        raise RuntimeError(VIEW_OF_LEAF)
    if not tensor._requires:
        raise RuntimeError(NO_GRAD_VIEW)
    for step, _, port in tensor._path:
        if port is not None:
            name = step.op.cls.__name__.removesuffix("Backward0")
            raise RuntimeError(MULTIPLE.format(port=port, name=name))


def overwrite(tensor: Tensor, result: Tensor) -> Tensor:
    """Give a tensor the values, and the place in the graph, of a result.

    Raises:
        RuntimeError: if the result has another shape, or a type of a higher category.
    """
    kind, wanted = result.dtype, tensor.dtype
    if not can_cast(kind, wanted):
        raise RuntimeError(
            f"result type {kind.legacy} can't be cast to the desired output type {wanted.legacy}"
        )
    value = result._value
    if value.shape != tensor._value.shape:
        raise RuntimeError(
            f"output with shape {list(tensor._value.shape)} doesn't match the broadcast shape "
            f"{list(value.shape)}"
        )
    if kind is not wanted:
        result = CAST["to"](result, wanted)
        value = result._value
    if isinstance(value, Tracer) or isinstance(tensor._value, Tracer):
        _replace(tensor, result)
        return tensor
    array = tensor._array()
    if overlaps(array):
        raise RuntimeError(OVERLAP)
    note_write(array, tensor._cell)
    if tensor._node is not None or tensor._base is not None:
        keep_before_write(tensor)
    np.copyto(array, value)
    tensor._cell[0] += 1
    if not result._requires and tensor._requires and STATE.grad:
        result = constant_op(tensor, result)
    if result._requires:
        attach(tensor, result)
    return tensor


CAST: dict[str, Callable[..., Any]] = {}
"""`{"to": cast of a tensor to a type}`; entered by `funcgrad.compat.torch.conversion`."""


def attach(tensor: Tensor, result: Tensor) -> None:
    """The tensor is now what the result's node made; its base and other views follow."""
    base, node = tensor._base, result._node
    if base is None:
        tensor._cell[1] = None if node is None else node.name().removesuffix("Backward0")
        followed = not tensor._requires
        tensor._node, tensor._port, tensor._requires = node, result._port, True
        if tensor._retains is not None:
            METHODS["retain_again"](tensor)
        _renew_views(tensor, followed)
        return
    tensor._cell[1] = "torch::autograd::CopySlices"
    followed = not base._requires
    base._node, base._port, base._requires = _copy_slices(base, tensor, result), 0, True
    if base._retains is not None:
        METHODS["retain_again"](base)
    _renew_views(base, followed)
    if node is not None and tensor._node is None:
        _renew(tensor, base)


def write(tensor: Tensor, values: Any, node: Node | None) -> Tensor:
    """Write plain values, which a node (if any) has made from the tensor and others."""
    array = tensor._array()
    if overlaps(array):
        raise RuntimeError(OVERLAP)
    note_write(array, tensor._cell)
    keep_before_write(tensor)
    np.copyto(array, values, casting="unsafe")
    return written(tensor, node)


def written(tensor: Tensor, node: Node | None) -> Tensor:
    """Take note that new values, which a node (if any) has made, stand in a tensor's memory."""
    tensor._cell[0] += 1
    if node is not None:
        result = holder(tensor._value)
        result._node, result._requires = node, True
        attach(tensor, result)
    return tensor


def overlaps(array: Any) -> bool:
    """Whether several elements are the same memory."""
    return not array.flags.c_contiguous and any(
        step == 0 and length > 1 for step, length in zip(array.strides, array.shape, strict=True)
    )


def follow(value: Any, path: Sequence[Any]) -> Any:
    """What a view shows of an array that is laid out like its base."""
    for op, operands, port in path:
        value = op.function(value, *operands)
        if port is not None:
            value = value[port]
    return value


class CopySlicesRule:
    """Rule of a write through a view: the node of what was written, seen through the view.

    With V the view and f what was written from the view's old values (or from others alone),
    base ↦ base with f at V. The cotangent at V goes to f; the rest, and what f gives back for the
    old values, goes to the base.

    Attributes:
        mask: which operands are active: the base, then those of f without the view.
        inner: the node of f; `None` if its result stands as an operand by itself.
        first: whether f reads the view's old values.
        count: how many operands of f are active.
        path: the steps from the base to the view.
        order: axes of the base from the slowest to the fastest in memory; `None` in C order.
    """

    __slots__ = ("count", "first", "inner", "mask", "order", "path")

    def __init__(
        self, mask: tuple[bool, ...], inner: Node | None, first: bool, count: int, base: Tensor,
        path: Sequence[Any],
    ) -> None:  # fmt: skip
        self.mask = mask
        self.inner = inner
        self.first = first
        self.count = count
        self.path = path
        array = base._array()
        self.order: Any = None
        if not array.flags.c_contiguous:
            self.order = tuple(np.argsort([-step for step in array.strides], kind="stable"))

    def _laid_out(self, value: Any) -> Any:
        """A copy that lies in memory as the base does."""
        order = self.order
        if order is None:
            return np.array(value, order="C")
        found = np.empty([value.shape[axis] for axis in order], value.dtype)
        found = found.transpose(np.argsort(order))
        found[...] = value
        return found

    def pull(self, ct: Any, residuals: Any) -> Any:
        """Cotangents of the base and of the operands of what was written.

        A view of the parts of complex numbers shows the derivatives by them in the conjugate of a
        cotangent: the derivative by the imaginary part is minus the cotangent's imaginary part.
        """
        whole = self._laid_out(_conjugate(ct))
        seen = follow(whole, self.path)
        part = _conjugate(np.array(seen))
        inner = self.inner
        parts = (part,) if inner is None else _tupled(inner.rule.pull(part, residuals), self.count)
        seen[...] = 0
        if self.first:
            seen[...] += 0 if parts[0] is None else _conjugate(parts[0])
            parts = parts[1:]
        return self._joined(_conjugate(whole), parts)

    def _joined(self, whole: Any, parts: Any) -> Any:
        found = (whole, *parts) if self.mask[0] else tuple(parts)
        return found if len(found) > 1 else found[0]

    def again(self, node: Node, ct: Any) -> Any:
        """The same on traced values."""
        numbers = self._laid_out(np.arange(int(ct.size)).reshape(ct.shape))
        places = np.ascontiguousarray(follow(numbers, self.path))
        flat = np.reshape(ct, (-1,))
        part = np.reshape(flat[places.reshape(-1)], places.shape)
        inner = self.inner
        if inner is None:
            parts: Any = (part,)
        else:
            inner.residuals = node.residuals  # for good: the new graph may lead to its result
            parts = _tupled(inner.rule.again(inner, part), self.count)
        back: Any = 0
        if self.first:
            back = 0 if parts[0] is None else np.reshape(parts[0], (-1,))
            parts = parts[1:]
        whole = fnp.at(flat)[places.reshape(-1)].set(back)
        return self._joined(np.reshape(whole, ct.shape), parts)

    def saved_value(self, node: Node, name: str) -> Any:
        """Nothing is shown under PyTorch's names."""
        raise AttributeError(f"'{node.name()}' object has no attribute '_saved_{name}'")


def _conjugate(value: Any) -> Any:
    return np.conjugate(value) if value.dtype.kind == "c" else value


def _tupled(parts: Any, count: int) -> Any:
    return (parts,) if count == 1 and type(parts) is not tuple else parts


def _copy_slices(base: Tensor, view: Tensor, result: Tensor) -> Node:
    """The node of the base after a result was written through a view."""
    node = result._node
    alone = isinstance(node, Node) and node.outputs == 1 and not node.frees_late
    inner = node if alone else None
    own = (base._requires,)
    edges: tuple[Any, ...]
    ports: tuple[int, ...]
    if inner is not None and not _reads_first(inner, view):
        inner = None
    if inner is None:
        rest: tuple[bool, ...] = (True,)
        edges = (result if node is None else node,)
        ports, residuals, saved, first, count = (result._port,), None, (), False, 1
    else:
        edges, ports = inner.edges, inner.ports or (0,) * len(inner.edges)
        flags = _mask_of(inner)
        first, rest, count = flags[0], flags[1:], sum(flags)
        if first:
            edges, ports = edges[1:], ports[1:]
        residuals, saved = inner.residuals, inner.saved
        inner.residuals = None
    rule = CopySlicesRule(own + rest, inner, first, count, base, view._path)
    if base._requires:
        edges = (base if base._node is None else base._node, *edges)
        ports = (base._port, *ports)
    return make_node(
        node_class("CopySlices"), rule, edges, ports if any(ports) else None, residuals, saved
    )


def _mask_of(node: Node) -> tuple[bool, ...]:
    """Which operands of a node are active; a rule without a mask has no others."""
    mask = node.rule.mask
    return (True,) * len(node.edges) if mask is None else tuple(mask)


def _reads_first(inner: Node, view: Tensor) -> bool:
    """Whether a node is an operation on the view, so that it can be a part of the write's node."""
    if inner.hooks is not None or not inner.edges:
        return False
    mask = _mask_of(inner)
    if not mask[0]:
        return not view._requires
    port = 0 if inner.ports is None else inner.ports[0]
    return inner.edges[0] is view._node and port == view._port


constant_op = Op("CopyBackwards", lambda x, y: fnp.where(False, x, y), linear=True)


def _renew_views(base: Tensor, followed: bool) -> None:
    """Give the views of a tensor nodes on top of its new one.

    Views from inside `no_grad`, which do not follow a base that requires grad, stay as they are.
    """
    for reference in base._views or ():
        view = reference()
        if view is None or (view._requires and view._node is None):
            continue  # a view that is a leaf keeps its place
        if followed or view._requires:
            _renew(view, base)


def _renew(view: Tensor, base: Tensor) -> None:
    view._requires = base._requires
    view._port = 0
    view._node = None
    if base._requires:
        rule = _PathRule(view._path, base._value.shape, base._value.dtype)
        view._node = make_node(
            node_class("AsStridedBackward0"),
            rule,
            (base if base._node is None else base._node,),
            (base._port,) if base._port else None,
            None,
            (),
        )
        if view._retains is not None:
            METHODS["retain_again"](view)


class _PathRule:
    """Rule of a view whose base was written to: the steps to it, recorded when they are needed."""

    __slots__ = ("dtype", "mask", "path", "shape")

    def __init__(self, path: Sequence[Any], shape: tuple[int, ...], dtype: Any) -> None:
        self.path = path
        self.shape = shape
        self.dtype = dtype
        self.mask = (True,)

    def pull(self, ct: Any, _residuals: Any) -> Any:
        """The cotangent at its place in the base, zeros elsewhere."""
        base = np.broadcast_to(np.zeros((), self.dtype), self.shape)
        rule = SignatureRule(lambda x: follow(x, self.path), (base,), (True,))
        return rule.pull(ct, None)

    def again(self, _node: Node, ct: Any) -> Any:
        """The same on traced cotangents."""
        return self.pull(ct, None)

    def saved_value(self, node: Node, name: str) -> Any:
        """Nothing is saved."""
        raise AttributeError(f"'{node.name()}' object has no attribute '_saved_{name}'")


def _replace(tensor: Tensor, result: Tensor) -> None:
    """Inside a functional transform, values are immutable: tensor, base and views get new ones."""
    base = tensor._base
    if tensor._shared or (base is not None and base._shared):
        refuse("it writes into memory that a detached tensor shares")
    if STATE.compiling is not None and STATE.grad and not result.requires_grad:
        result = constant_op(tensor, result) if tensor.requires_grad else result
    check_batched(tensor._value, result._value)
    for watch in LEVELS.watches:
        watch.note(tensor if base is None else base, result._value, _follow_all)
    tensor._cell[0] += 1
    if base is None:
        _take_over(tensor, result)
        return
    _take_over(base, copy_slices_op(base, result, where=_places(tensor, base)))


def _take_over(tensor: Tensor, result: Tensor) -> None:
    """New values; the derivative stays that of the old ones where nothing is recorded."""
    if not STATE.grad and isinstance(tensor._value, Tracer):
        tensor._value = with_values(tensor._value, result._value)
    else:
        tensor._value = result._value
        tensor._node, tensor._port = result._node, result._port
        tensor._requires = result._requires
    _follow_all(tensor)


def _follow_all(tensor: Tensor) -> None:
    before, STATE.grad = STATE.grad, True  # views follow, derivative included
    try:
        _show_again(tensor)
    finally:
        STATE.grad = before


def _places(view: Tensor, base: Tensor) -> Any:
    """For each element of the view, its number in the base."""
    shape = base._value.shape
    return follow(np.arange(math.prod(shape)).reshape(shape), view._path)


def _write_at(base: Any, values: Any, *, where: Any) -> Any:
    flat = fnp.at(fnp.reshape(base, (-1,)))[where.reshape(-1)].set(fnp.reshape(values, (-1,)))
    return fnp.reshape(flat, base.shape)


copy_slices_op = Op("CopySlices", _write_at, linear=True)


def _show_again(base: Tensor) -> None:
    for reference in base._views or ():
        view = reference()
        if view is None:
            continue
        fresh: Any = base
        for op, operands, port in view._path:
            fresh = op(fresh, *operands)
            if port is not None:
                fresh = fresh[port]
        view._value, view._node, view._port = fresh._value, fresh._node, fresh._port
        view._requires = fresh._requires

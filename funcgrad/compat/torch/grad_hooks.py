"""Hooks on the gradients of tensors, and what may be assigned to `.grad`."""

import weakref
from collections.abc import Callable
from typing import Any

from funcgrad.compat.torch.autograd_core import as_gradient, conjugated, own
from funcgrad.compat.torch.compilation_breaks import refuse
from funcgrad.compat.torch.dtypes import Size
from funcgrad.compat.torch.node import Hooks, RemovableHandle
from funcgrad.compat.torch.rounding import round_to_bfloat16
from funcgrad.compat.torch.tensor import METHODS, Tensor, payload_of
from funcgrad.core.tracer import Tracer

__all__ = ["check_grad", "register_hook", "register_post_accumulate_grad_hook", "retain_grad"]


def _hooks_at(tensor: Tensor) -> Hooks:
    """Where hooks on the gradient of a tensor are kept: at its node, or on the leaf."""
    holder_of = tensor if tensor._node is None else tensor._node
    name = "_hooks" if tensor._node is None else "hooks"
    hooks = getattr(holder_of, name)
    if hooks is None:
        hooks = Hooks()
        setattr(holder_of, name, hooks)
    return hooks  # type: ignore[no-any-return]  # hooks


def register_hook(self: Tensor, hook: Callable[[Any], Any]) -> RemovableHandle:
    """Call `hook(grad)` whenever the gradient of this tensor is computed; it may replace it."""
    if not self._requires:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")

    kind = self._dtype

    def call(ct: Any, create_graph: bool) -> Any:
        given = as_gradient(ct)
        if kind is not None:
            given._dtype = kind
            if not isinstance(ct, Tracer):
                given._value = round_to_bfloat16(ct)[()]
        result = hook(given)
        if result is None:
            if not given._cell[0]:
                return ct
            result = given  # which the hook has changed in place
        if not isinstance(result, Tensor):
            raise TypeError(f"expected Variable, but hook returned '{type(result).__name__}'")
        if result.shape != given.shape:
            raise RuntimeError(
                f"hook '{getattr(hook, '__name__', hook)}' has changed the size of value"
            )
        if result.dtype is not given.dtype:
            raise RuntimeError(
                f"hook '{getattr(hook, '__name__', hook)}' has changed the type of value (was "
                f"torch.{given.dtype.legacy}Tensor got torch.{result.dtype.legacy}Tensor)"
            )
        return conjugated(payload_of(result) if create_graph else result._value)

    call.hook = hook  # type: ignore[attr-defined]  # named when the tensor is pickled
    return RemovableHandle(_hooks_at(self).of_tensor(self._port), call)


def register_post_accumulate_grad_hook(self: Tensor, hook: Callable[[Any], Any]) -> RemovableHandle:
    """Call `hook(tensor)` after the gradient was added to the `.grad` of this leaf."""
    if not self._requires:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if self._node is not None:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    return RemovableHandle(_hooks_at(self).after, hook)


def retain_grad(self: Tensor) -> None:
    """Keep the gradient of this interior tensor in its `.grad`."""
    if not self._requires:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if self._node is None or self._retains:
        return
    reference = weakref.ref(self)  # the node holds the hook, and the tensor holds the node

    def keep(ct: Any, create_graph: bool) -> Any:
        tensor = reference()
        if tensor is not None:
            new = as_gradient(own(ct), tensor)
            before = tensor._grad
            tensor._grad = new if before is None else before + new
        return ct

    keep.keeps = True  # type: ignore[attr-defined]  # such hooks are called last
    self._retains = RemovableHandle(_hooks_at(self).of_tensor(self._port), keep)


def _retain_again(self: Tensor) -> None:
    """After a write in place: keep the gradient of the new values, not that of the old ones."""
    keep = self._retains.hooks[self._retains.id]
    self._retains.remove()
    self._retains = RemovableHandle(_hooks_at(self).of_tensor(self._port), keep)


METHODS["retain_again"] = _retain_again


def check_grad(self: Tensor, value: Any) -> None:
    """Refuse gradients of the wrong kind, shape or type, in PyTorch's words."""
    refuse("it sets the gradient of a tensor")
    if value is None:
        return
    if not isinstance(value, Tensor):
        raise TypeError(
            "assigned grad expected to be a Tensor or None but got grad of type "
            f"{type(value).__name__}"
        )
    if value is self:
        raise RuntimeError("can't assign Variable as its own grad")
    wanted = self.dtype if self._grad_dtype == "own" else self._grad_dtype
    if wanted is not None and value.dtype is not wanted:
        raise RuntimeError(
            f"attempting to assign a gradient with dtype '{value.dtype.c_name}' to a tensor with "
            f"grad_dtype '{wanted.legacy}'. The gradient must match the tensor's grad_dtype "
            "(defaults to the tensor's dtype). You can set the tensor's grad_dtype attribute with "
            "a specific dtype, or None to allow any dtype. Set grad_dtype with caution. Diverging "
            "the dtypes of a tensor and its gradient may break downstream systems that assume they "
            "match."
        )
    if value._value.shape != self._value.shape:
        raise RuntimeError(
            f"attempting to assign a gradient of size '{list(Size(value._value.shape))}' to a "
            f"tensor of size '{list(Size(self._value.shape))}'. Please ensure that the gradient "
            "and the tensor are the same size"
        )


METHODS["check_grad"] = check_grad


Tensor.register_hook = register_hook  # type: ignore[attr-defined]  # as above
Tensor.register_post_accumulate_grad_hook = register_post_accumulate_grad_hook  # type: ignore[attr-defined]  # as above
Tensor.retain_grad = retain_grad  # type: ignore[attr-defined]  # as above
Tensor.retains_grad = property(lambda self: self._retains is not None)  # type: ignore[attr-defined]  # as above

"""`torch._tensor`: how tensors are pickled and copied."""

import copy
import copyreg
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from funcgrad.compat.torch._utils import (
    INTERNAL,
    _rebuild_meta_tensor_no_storage,
    _rebuild_parameter,
    _rebuild_parameter_with_state,
    _rebuild_tensor_v2,
    _rebuild_tensor_v3,
    set_state,
)
from funcgrad.compat.torch.files.names import find, path_of
from funcgrad.compat.torch.memory import root_of
from funcgrad.compat.torch.nn.parameter import Parameter
from funcgrad.compat.torch.node import RemovableHandle
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.storage import (
    STORAGE_TYPES,
    TypedStorage,
    copied,
    flat_view,
    place_of,
)
from funcgrad.compat.torch.tensor import METHODS, Tensor, plain_array
from funcgrad.compat.torch.views import strides_of

__all__ = ["attributes_of"]

_F = TypeVar("_F", bound=Callable[..., Any])

NO_DEEPCOPY = (
    "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at "
    "the moment.  Copy tensor.detach(), or use tensor.clone() inside the graph; a module may have "
    "such a tensor where torch.nn.utils.weight_norm was used."
)


def attributes_of(tensor: Tensor) -> dict[str, Any]:
    """What the user has set on a tensor."""
    return {name: value for name, value in vars(tensor).items() if name not in INTERNAL}


def _rebuild_from_type_v2(
    func: Callable[..., Any], new_type: Any, args: tuple[Any, ...], state: Any
) -> Any:
    """A tensor of a class, with attributes."""
    made = func(*args)
    if type(made) is not new_type:
        plain = made
        made = object.__new__(new_type)
        vars(made).update(vars(plain))
    restore = getattr(new_type, "__setstate__", None)
    if restore is not None:
        restore(made, state)
        return made
    return set_state(made, state)


def _reduce(self: Tensor, _protocol: Any = 2) -> Any:
    """The tensor as a call that makes it again."""
    _warn_of_hooks(self)
    function, args = _reduced(self)
    custom = getattr(type(self), "__getstate__", None)
    if custom is not None and custom is not getattr(object, "__getstate__", None):
        state: Any = custom(self)
    else:
        state = attributes_of(self) or None
    if type(self) is Tensor and state is None:
        return function, args
    return _rebuild_from_type_v2, (function, type(self), args, state)


def _reduced(self: Tensor) -> tuple[Any, tuple[Any, ...]]:
    kind = self.dtype
    if self.is_meta:
        shape = tuple(self.shape)
        return _rebuild_meta_tensor_no_storage, (kind, shape, strides_of(self), self._requires)
    plain_array(self, "numpy")
    storage, offset, size, stride = place_of(self)
    requires = bool(self._requires)
    if f"{kind.legacy}Storage" in STORAGE_TYPES:
        typed = TypedStorage(wrap_storage=storage, dtype=kind)
        return _rebuild_tensor_v2, (typed, offset, size, stride, requires, OrderedDict())
    return _rebuild_tensor_v3, (storage, offset, size, stride, requires, OrderedDict(), kind)


def _warn_of_hooks(tensor: Tensor) -> None:
    calls = tensor._hooks.tensor.get(0, {}) if tensor._hooks is not None else {}
    for call in calls.values():
        hook = getattr(call, "hook", call)
        if not getattr(hook, "__torch_unserializable__", False):
            warnings.warn(
                f"backward hook {hook!r} on tensor will not be serialized.  If this is expected, "
                "you can decorate the function with @torch.utils.hooks.unserializable_hook to "
                "suppress this warning",
                UserWarning,
                stacklevel=3,
            )


def unserializable_hook(f: _F) -> _F:
    """Mark a hook as one that need not be written into files: no warning is given of it."""
    f.__torch_unserializable__ = True  # type: ignore[attr-defined]  # a mark
    return f


expose("unserializable_hook", unserializable_hook, method=False, module="utils.hooks")
expose("RemovableHandle", RemovableHandle, method=False, module="utils.hooks")


def _reduce_parameter(parameter: Any) -> tuple[Any, ...]:
    """The parameter as a call that makes it again."""
    _warn_of_hooks(parameter)
    state = attributes_of(parameter)
    plain = object.__new__(Tensor)
    vars(plain).update(_value=parameter._array(), _cell=[0, None], _dtype=parameter._dtype)
    parts: tuple[Any, ...] = (plain, bool(parameter._requires), OrderedDict())
    if state:
        return _rebuild_parameter_with_state, (*parts, state)
    return _rebuild_parameter, parts


METHODS["reduce_parameter"] = _reduce_parameter


def _deepcopy(self: Tensor, memo: dict[int, Any]) -> Tensor:
    """A leaf with memory of its own; tensors that share memory share it afterwards."""
    if self._node is not None:
        raise RuntimeError(NO_DEEPCOPY)
    if id(self) in memo:
        return memo[id(self)]  # type: ignore[no-any-return]  # a tensor
    result: Any = object.__new__(type(self))
    memo[id(self)] = result
    result._value = _copied_value(self._array(), memo)
    result._cell = [0, None]
    result._requires = self._requires
    result._dtype = self._dtype
    if self._where is not None:
        result._where = self._where
    if self._grad is not None:
        result._grad = copy.deepcopy(self._grad, memo)
    for name, value in attributes_of(self).items():
        result.__dict__[name] = copy.deepcopy(value, memo)
    return result  # type: ignore[no-any-return]  # a tensor


def _copied_value(array: Any, memo: dict[int, Any]) -> Any:
    """The same part of the copy of its memory."""
    root = root_of(array)
    if root is array or not array.size or flat_view(root) is None or min(array.strides) < 0:
        return copied(root, memo) if root is array else np.array(array)
    flat = flat_view(copied(root, memo)).view(np.uint8)
    lowest, _ = np.lib.array_utils.byte_bounds(root)
    shift = array.__array_interface__["data"][0] - lowest
    return np.ndarray(array.shape, array.dtype, flat, shift, array.strides)


def _shallow(self: Tensor) -> Tensor:
    """A leaf that shares the memory."""
    result: Tensor = object.__new__(type(self))
    result._value = self._array()
    result._cell = self._cell
    result._requires = self._requires
    result._dtype = self._dtype
    vars(result).update(attributes_of(self))
    return result


def _class_named(module: str, name: str) -> Any:
    """The class of the layer that has this name in PyTorch."""
    return find(module, name)


def _reduce_class(cls: Any) -> Any:
    """A class of tensors for Python's own pickles, which cannot look into a module `torch`."""
    path = path_of(cls) if cls.__module__.partition(".")[0] == "torch" else None
    return cls.__qualname__ if path is None else (_class_named, path)


for _kind in (type(Tensor), type(Parameter)):
    copyreg.pickle(_kind, _reduce_class)

Tensor.__copy__ = _shallow  # type: ignore[attr-defined]  # methods, entered here
Tensor.__deepcopy__ = _deepcopy  # type: ignore[attr-defined]  # as above
Tensor.__reduce_ex__ = _reduce  # type: ignore[method-assign,assignment]  # as above

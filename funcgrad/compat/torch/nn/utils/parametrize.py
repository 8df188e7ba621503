"""`torch.nn.utils.parametrize`: parameters computed from others.

A parametrized tensor becomes a property of a class made for the module: reading it computes it from
the parameters that stand in `module.parametrizations`.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.grad_mode import no_grad
from funcgrad.compat.torch.nn.modules.container import ModuleDict, ModuleList
from funcgrad.compat.torch.nn.modules.conversion import take_values
from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.nn.parameter import Parameter
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import Tensor

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

NO_PICKLE = (
    "Serialization of parametrized modules is only supported through state_dict(). See:\n"
    "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
    "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
)


@contextmanager
def cached() -> Iterator[None]:
    """Compute every parametrized tensor once inside, at its first use."""
    outermost = STATE.parametrized is None
    if outermost:
        STATE.parametrized = {}
    try:
        yield
    finally:
        if outermost:
            STATE.parametrized = None


def _take(target: Any, source: Any) -> None:
    """Let an original tensor hold other values, in the memory and type of these."""
    with no_grad():
        take_values(target, source.detach().clone() if source.is_leaf else source.detach())


def _register(module: Module, name: str, value: Any) -> None:
    if isinstance(value, Parameter):
        module.register_parameter(name, value)
    else:
        module.register_buffer(name, value)


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, applied in turn to what stands for it.

    Args:
        modules: the parametrizations.
        original: the tensor.
        unsafe: whether they may change its shape or type.
    """

    def __init__(self, modules: Sequence[Any], original: Any, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, kind = original.shape, original.dtype
        new = _inverted(list(self), original)
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if isinstance(new, Tensor) else len(new)
        if isinstance(new, Tensor):
            if kind is not new.dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                    f"original.dtype: {kind}\nright_inverse(original).dtype: {new.dtype}"
                )
            if new is not original:
                _take(original, new)
            _register(self, "original", original)
        else:
            self._register_parts(new, original)
        if not unsafe:
            _check_result(self(), shape, kind)

    def _register_parts(self, parts: Sequence[Any], original: Any) -> None:
        """Enter several tensors that stand for the original one."""
        for i, one in enumerate(parts):
            if not isinstance(one, Tensor):
                raise ValueError(
                    "'right_inverse' must return a Tensor or a Sequence of tensors (list, "
                    f"tuple...). Got element {i} of the sequence with type {type(one).__name__}."
                )
            part: Any = one
            if isinstance(original, Parameter):
                part = Parameter(one, original.requires_grad)
            elif original.requires_grad:
                part = one.requires_grad_()
            _register(self, f"original{i}", part)

    def _originals(self) -> list[Any]:
        if self.is_tensor:
            return [self.original]
        return [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def right_inverse(self, value: Any) -> None:
        """Set the originals so that the parametrized tensor becomes `value`.

        Raises:
            RuntimeError: if a parametrization has no `right_inverse`.
        """
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                value = module.right_inverse(value)
            if self.is_tensor:
                if not isinstance(value, Tensor):
                    raise ValueError(
                        "`right_inverse` should return a tensor. Got " + type(value).__name__
                    )
                if value.dtype is not self.original.dtype:
                    raise ValueError(
                        "The tensor returned by `right_inverse` has dtype "
                        f"{value.dtype} while `original` has dtype {self.original.dtype}"
                    )
                _take(self.original, value)
                return
            if not isinstance(value, Sequence):
                raise ValueError(
                    "'right_inverse' must return a sequence of tensors. Got "
                    f"{type(value).__name__}."
                )
            if len(value) != self.ntensors:
                raise ValueError(
                    "'right_inverse' must return a sequence of tensors of length "
                    f"{self.ntensors}. Got a sequence of length {len(value)}."
                )
            for i, (original, one) in enumerate(zip(self._originals(), value, strict=True)):
                if not isinstance(one, Tensor):
                    raise ValueError(
                        f"`right_inverse` must return a sequence of tensors. Got element {i} of "
                        f"type {type(one).__name__}"
                    )
                if one.dtype is not original.dtype:
                    raise ValueError(
                        f"Tensor {i} returned by `right_inverse` has dtype {one.dtype} while "
                        f"`original{i}` has dtype {original.dtype}"
                    )
                _take(original, one)

    @override
    def forward(self) -> Any:
        """The parametrized tensor."""
        modules = list(self)
        x = modules[0](*self._originals())
        for module in modules[1:]:
            x = module(x)
        return x


def _inverted(modules: list[Any], original: Any) -> Any:
    """What stands for a tensor: the inverses of the parametrizations that have one, in turn."""
    new = original
    with no_grad():
        for module in reversed(modules):
            if hasattr(module, "right_inverse"):
                try:
                    new = module.right_inverse(new)
                except NotImplementedError:  # it has none after all
                    continue
    if not isinstance(new, Tensor | Sequence):
        raise ValueError(
            "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got "
            + type(new).__name__
        )
    return new


def _check_result(value: Any, shape: Any, kind: Any) -> None:
    """Refuse a first parametrization that changes shape or type."""
    if not isinstance(value, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(value).__name__}.")
    for what, before, after in (("dtype", kind, value.dtype), ("shape", shape, value.shape)):
        if before != after:
            raise ValueError(
                f"Registering a parametrization may not change the {what} of the tensor, unless "
                f"`unsafe` flag is enabled.\nunparametrized {what}: {before}\n"
                f"parametrized {what}: {after}"
            )


def _check_further(name: str, before: Any, after: Any, parametrization: Any) -> None:
    """Refuse a further parametrization that changes shape or type, forwards or backwards."""
    if not isinstance(after, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(after).__name__}.")
    for what in ("dtype", "shape"):
        if getattr(before, what) != getattr(after, what):
            raise ValueError(
                f"Registering a parametrization may not change the {what} of the tensor, unless "
                f"the `unsafe` flag is enabled.\nmodule.{name}.{what}: {getattr(before, what)}\n"
                f"parametrization(module.{name}).{what}: {getattr(after, what)}"
            )
    if not hasattr(parametrization, "right_inverse"):
        return
    try:
        inverse = parametrization.right_inverse(after)
    except NotImplementedError:
        return
    if not isinstance(inverse, Tensor):
        raise ValueError(
            f"parametrization.right_inverse must return a tensor. Got: {type(inverse).__name__}"
        )
    for what in ("dtype", "shape"):
        if getattr(before, what) != getattr(inverse, what):
            raise ValueError(
                "The tensor returned by parametrization.right_inverse must have the same "
                f"{what} as module.{name}, unless the `unsafe` flag is enabled.\n"
                f"module.{name}.{what}: {getattr(before, what)}\n"
                f"returned {what}: {getattr(inverse, what)}"
            )


def _give_class(module: Module) -> None:
    """Let a module have a class of its own, in which properties can be entered."""
    cls = type(module)

    def deepcopied(self: Any, memo: dict[int, Any]) -> Any:
        if id(self) in memo:
            return memo[id(self)]
        copied = object.__new__(type(self))
        memo[id(self)] = copied
        copied.__dict__ = copy.deepcopy(self.__dict__, memo)
        bare = cls.__new__(cls)
        bare.__dict__ = copied.__dict__
        _give_class(bare)
        own = type(bare)
        for name in copied.parametrizations:
            setattr(own, name, vars(type(self))[name])
        copied.__class__ = own
        return copied

    def refused(_self: Any) -> Any:
        raise RuntimeError(NO_PICKLE)

    named = {"__getstate__": refused, "__module__": __name__}
    if "__deepcopy__" not in cls.__dict__:
        named["__deepcopy__"] = deepcopied
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), named)


def _enter_property(module: Module, name: str) -> None:
    def read(self: Any) -> Any:
        kept = STATE.parametrized
        if kept is None:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in kept:
            kept[key] = self.parametrizations[name]()
        return kept[key]

    def write(self: Any, value: Any) -> None:
        self.parametrizations[name].right_inverse(value)

    setattr(type(module), name, property(read, write))


def register_parametrization(
    module: Any, tensor_name: str, parametrization: Any, *, unsafe: bool = False
) -> Any:
    """Let a parameter or buffer of a module be computed by a further module.

    Args:
        module: the owner.
        tensor_name: name of the tensor.
        parametrization: a module that computes it from what stands for it; with a method
            `right_inverse` the tensor can be assigned to. Several are applied in turn.
        unsafe: whether it may change shape or type.

    Returns:
        The module, whose class is a new one.

    Raises:
        ValueError: if there is no such tensor, or if shape or type would change.

    Example:
        >>> import funcgrad.compat.torch as torch
        >>> class Symmetric(torch.nn.Module):
        ...     def forward(self, x):
        ...         return x.triu() + x.triu(1).mT
        >>> layer = torch.nn.Linear(3, 3)
        >>> _ = torch.nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
        >>> bool((layer.weight == layer.weight.mT).all())
        True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            before = getattr(module, tensor_name)
            _check_further(tensor_name, before, parametrization(before), parametrization)
        module.parametrizations[tensor_name].append(parametrization)
        module.parametrizations[tensor_name].unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        made = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _give_class(module)
            module.parametrizations = ModuleDict()
        _enter_property(module, tensor_name)
        module.parametrizations[tensor_name] = made
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    return module


def is_parametrized(module: Any, tensor_name: str | None = None) -> bool:
    """Whether a module has parametrized tensors, or one of this name."""
    found = module._modules.get("parametrizations")
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def remove_parametrizations(module: Any, tensor_name: str, leave_parametrized: bool = True) -> Any:
    """Make an ordinary tensor of a parametrized one.

    Args:
        module: the owner.
        tensor_name: name of the tensor.
        leave_parametrized: whether it keeps the values it is computed to have; else it gets those
            of the original.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    listed = module.parametrizations[tensor_name]
    if listed.is_tensor:
        original = listed.original
        if leave_parametrized:
            with no_grad():
                value = getattr(module, tensor_name)
            _take(original, value)
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value.detach()) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
            "parametrized in terms of a sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Any) -> type:
    """The class that a module had before it was parametrized."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Any, to_module: Any, tensor_name: str | None = None
) -> Any:
    """Copy the parametrizations of a module, with their originals, to another one.

    Args:
        from_module: the module that has them.
        to_module: the module that gets them.
        tensor_name: of one tensor only.
    """
    if not is_parametrized(from_module):
        return to_module
    names = list(from_module.parametrizations) if tensor_name is None else [tensor_name]
    for name in names:
        listed = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            original = listed.original if listed.is_tensor else getattr(from_module, name)
            _register(to_module, name, copy.deepcopy(original.detach()))
            if isinstance(original, Parameter):
                delattr(to_module, name)
                values: Any = original.detach()
                to_module.register_parameter(name, Parameter(values.clone()))
        for one in listed:
            register_parametrization(to_module, name, one, unsafe=listed.unsafe)
        target = to_module.parametrizations[name]
        for source, own in zip(listed._originals(), target._originals(), strict=True):
            _take(own, source)
    return to_module

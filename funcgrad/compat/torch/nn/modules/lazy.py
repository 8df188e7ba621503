"""`torch.nn.modules.lazy`: modules whose parameters get their shape at the first call."""

from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.grad_mode import no_grad
from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.nn.parameter import is_lazy

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin(Module):
    """The part of a module that leaves shapes open until it sees its first input.

    A subclass stands before the class that it is to become, makes `UninitializedParameter`s, and
    gives them their shapes in `initialize_parameters`, which is called with the arguments of the
    first call. Then the class of the module is changed to `cls_to_become`.

    Example:
        >>> import funcgrad.compat.torch as torch
        >>> layer = torch.nn.LazyLinear(2)
        >>> layer.weight
        <UninitializedParameter>
        >>> y = layer(torch.ones(1, 3))
        >>> layer
        Linear(in_features=3, out_features=2, bias=True)
    """

    cls_to_become: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(
            self._infer_parameters, with_kwargs=True
        )

    @override
    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Enter parameters without a shape as they are: they cannot be detached."""
        persistent = {
            name: buffer
            for name, buffer in self._buffers.items()
            if name not in self._non_persistent_buffers_set
        }
        for name, tensor in (*self._parameters.items(), *persistent.items()):
            if tensor is not None:
                kept = keep_vars or is_lazy(tensor)
                destination[prefix + name] = tensor if kept else tensor.detach()

    def _lazy_load_hook(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Take shapes from a state that is loaded."""
        for name, own in (*self._parameters.items(), *self._buffers.items()):
            given = state_dict.get(prefix + name)
            if own is not None and given is not None and is_lazy(own) and not is_lazy(given):
                with no_grad():
                    own.materialize(given.shape)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give parameters their shapes, from the arguments of the first call."""
        raise NotImplementedError(
            f"initialize_parameters is not implemented for {type(self).__name__}"
        )

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer of this module itself has no shape yet."""
        return any(map(is_lazy, (*self._parameters.values(), *self._buffers.values())))

    def _infer_parameters(self, module: Any, args: Any, kwargs: Any = None) -> None:
        """Before the first call: shapes from its arguments; then the module is no longer lazy."""
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {self._get_name()} has not been fully initialized")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook
        del module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become

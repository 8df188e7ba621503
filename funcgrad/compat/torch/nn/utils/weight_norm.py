"""`torch.nn.utils.weight_norm`: a weight as a length and a direction, kept up by a hook."""

import warnings
from typing import Any

from funcgrad.compat.torch.nn.parameter import Parameter
from funcgrad.compat.torch.nn.weight_norms import norm_except_dim, weight_norm_of

__all__ = ["WeightNorm", "remove_weight_norm", "weight_norm"]


class WeightNorm:
    """Computes `name` from `name_g` and `name_v` before each call of a module.

    Attributes:
        name: of the weight.
        dim: the axis whose places have lengths of their own; -1 for one length.
    """

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = -1 if dim is None else dim

    def compute_weight(self, module: Any) -> Any:
        """g v / ‖v‖."""
        g, v = getattr(module, self.name + "_g"), getattr(module, self.name + "_v")
        return weight_norm_of(v, g, self.dim)

    def __call__(self, module: Any, inputs: Any) -> None:
        """The hook."""
        setattr(module, self.name, self.compute_weight(module))

    def remove(self, module: Any) -> None:
        """Make a parameter of the weight again."""
        weight = self.compute_weight(module)
        for name in (self.name, self.name + "_g", self.name + "_v"):
            delattr(module, name)
        setattr(module, self.name, Parameter(weight.data))


def _hooks(module: Any, name: str) -> list[int]:
    return [
        key
        for key, hook in module._forward_pre_hooks.items()
        if isinstance(hook, WeightNorm) and hook.name == name
    ]


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Replace a weight by g v / ‖v‖, with parameters `name_g` and `name_v`.

    Args:
        module: the owner.
        name: of the weight.
        dim: the axis whose places have lengths of their own; `None` for one length.

    Raises:
        RuntimeError: if it has been replaced already.
    """
    warnings.warn(
        "`torch.nn.utils.weight_norm` is deprecated in favor of "
        "`torch.nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
        stacklevel=2,
    )
    if _hooks(module, name):
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    hook = WeightNorm(name, dim)
    weight = getattr(module, name)
    del module._parameters[name]
    module.register_parameter(name + "_g", Parameter(norm_except_dim(weight, 2, hook.dim).data))
    module.register_parameter(name + "_v", Parameter(weight.data))
    setattr(module, name, hook.compute_weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Any, name: str = "weight") -> Any:
    """Make a parameter of the weight again.

    Raises:
        ValueError: if it was not replaced.
    """
    found = _hooks(module, name)
    if not found:
        raise ValueError(f"weight_norm of '{name}' not found in {module}")
    module._forward_pre_hooks.pop(found[0]).remove(module)
    return module

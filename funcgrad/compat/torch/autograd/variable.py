"""`torch.autograd.Variable`: the old name of a tensor."""

from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.tensor import Tensor

__all__ = ["Variable"]


class _VariableMeta(type):
    """Every tensor is a variable."""

    @override
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_VariableMeta):
    """The old way to make a tensor that requires grad; returns a tensor."""

    def __new__(cls, data: Any, requires_grad: bool = False) -> Any:
        """The data outside the graph."""
        result = data.detach()
        if requires_grad:
            result.requires_grad_()
        return result

"""`torch.nn.modules.linear`: affine and bilinear maps."""

import math
from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.constructors import empty
from funcgrad.compat.torch.grad_mode import no_grad
from funcgrad.compat.torch.nn import init
from funcgrad.compat.torch.nn.linear import bilinear, linear
from funcgrad.compat.torch.nn.modules.lazy import LazyModuleMixin
from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.nn.parameter import Parameter, UninitializedParameter

__all__ = ["Bilinear", "Identity", "LazyLinear", "Linear"]


class Identity(Module):
    """The identity, with any arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    @override
    def forward(self, input: Any) -> Any:
        """The input."""
        return input


class Linear(Module):
    """x Wᵀ + b, with W of shape (out_features, in_features).

    Args:
        in_features: length of the last axis of the input.
        out_features: length of that of the result.
        bias: whether there is b.
        device: where the parameters are.
        dtype: type of the parameters.
    """

    __constants__ = ["in_features", "out_features"]  # noqa: RUF012  # PyTorch's name and type

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(empty((out_features, in_features), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw both from the uniform distribution on ±1 / √in_features."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    @override
    def forward(self, input: Any) -> Any:
        """The affine map."""
        return linear(input, self.weight, self.bias)

    @override
    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class NonDynamicallyQuantizableLinear(Linear):
    """`Linear`; under this name in attention, whose saved modules have it."""


class Bilinear(Module):
    """xᵀ Wₖ y + bₖ for each k, with W of shape (out_features, in1_features, in2_features).

    Args:
        in1_features: length of the last axis of x.
        in2_features: length of that of y.
        out_features: length of that of the result.
        bias: whether there is b.
        device: where the parameters are.
        dtype: type of the parameters.
    """

    __constants__ = ["in1_features", "in2_features", "out_features"]  # noqa: RUF012  # as in PyTorch

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if in1_features == 0:
            raise ValueError(f"in1_features must be > 0, but got (in1_features={in1_features})")
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        shape = (out_features, in1_features, in2_features)
        self.weight = Parameter(empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw both from the uniform distribution on ±1 / √in1_features."""
        bound = 1 / math.sqrt(self.weight.size(1))
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    @override
    def forward(self, input1: Any, input2: Any) -> Any:
        """The bilinear map."""
        return bilinear(input1, input2, self.weight, self.bias)

    @override
    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class LazyLinear(LazyModuleMixin, Linear):
    """`Linear` that learns `in_features` from its first input.

    Args:
        out_features: length of the last axis of the result.
        bias: whether there is b.
        device: where the parameters are.
        dtype: type of the parameters.
    """

    cls_to_become = Linear

    def __init__(
        self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(0, 0, False)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_features = out_features
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    @override
    def reset_parameters(self) -> None:
        if self.in_features != 0 and not self.has_uninitialized_params():
            super().reset_parameters()

    @override
    def initialize_parameters(self, input: Any) -> None:
        """Shapes from the last axis of the input, and the first draw; after loading only shapes."""
        if self.has_uninitialized_params():
            with no_grad():
                self.in_features = input.shape[-1]
                self.weight.materialize((self.out_features, self.in_features))
                if self.bias is not None:
                    self.bias.materialize((self.out_features,))
                self.reset_parameters()
        if self.in_features == 0:
            self.in_features = self.weight.shape[-1]

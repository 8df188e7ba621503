"""`torch.nn.modules.activation`: activation functions as modules."""

import warnings
from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.constructors import empty
from funcgrad.compat.torch.nn import functional
from funcgrad.compat.torch.nn.init import constant_
from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.nn.modules.multihead import MultiheadAttention
from funcgrad.compat.torch.nn.parameter import Parameter

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "MultiheadAttention",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class _MaybeInPlace(Module):
    """A function of each element that may write its result over its operand.

    Args:
        inplace: whether it does.
    """

    __constants__: ClassVar = ["inplace"]

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    @override
    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""

    def _and_inplace(self, text: str) -> str:
        return f"{text}, inplace=True" if self.inplace else text


# --- straight pieces --------------------------------------------------------------------------


class Threshold(_MaybeInPlace):
    """x where x > threshold, else value."""

    __constants__: ClassVar = ["threshold", "value", "inplace"]

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        Module.__init__(self)
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    @override
    def forward(self, input: Any) -> Any:
        return functional.threshold(input, self.threshold, self.value, self.inplace)

    @override
    def extra_repr(self) -> str:
        return self._and_inplace(f"threshold={self.threshold}, value={self.value}")


class ReLU(_MaybeInPlace):
    """max(x, 0)."""

    @override
    def forward(self, input: Any) -> Any:
        return functional.relu(input, self.inplace)


class RReLU(_MaybeInPlace):
    """x where x > 0, else s x.

    While training each s is drawn from the uniform distribution on [lower, upper); else it is the
    mean of the two.
    """

    __constants__: ClassVar = ["lower", "upper", "inplace"]

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        Module.__init__(self)
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    @override
    def forward(self, input: Any) -> Any:
        return functional.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    @override
    def extra_repr(self) -> str:
        return self._and_inplace(f"lower={self.lower}, upper={self.upper}")


class Hardtanh(_MaybeInPlace):
    """min(max(x, min_val), max_val).

    Args:
        min_val: the lower bound.
        max_val: the upper bound.
        inplace: whether the result is written over the operand.
        min_value: deprecated name of `min_val`.
        max_value: deprecated name of `max_val`.
    """

    __constants__: ClassVar = ["min_val", "max_val", "inplace"]

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        Module.__init__(self)
        if min_value is not None:
            _warn_of_name("min_value", "min_val")
            min_val = min_value
        if max_value is not None:
            _warn_of_name("max_value", "max_val")
            max_val = max_value
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace
        if max_val <= min_val:
            raise AssertionError(f"max_val ({max_val}) must be greater than min_val ({min_val})")

    @override
    def forward(self, input: Any) -> Any:
        return functional.hardtanh(input, self.min_val, self.max_val, self.inplace)

    @override
    def extra_repr(self) -> str:
        return self._and_inplace(f"min_val={self.min_val}, max_val={self.max_val}")


def _warn_of_name(old: str, new: str) -> None:
    warnings.warn(
        f"keyword argument `{old}` is deprecated and renamed to `{new}`",
        FutureWarning,
        stacklevel=3,
    )


class ReLU6(Hardtanh):
    """min(max(x, 0), 6)."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    @override
    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Hardsigmoid(_MaybeInPlace):
    """min(max(x + 3, 0), 6) / 6."""

    @override
    def forward(self, input: Any) -> Any:
        return functional.hardsigmoid(input, self.inplace)

    @override
    def extra_repr(self) -> str:
        return ""


class Hardswish(_MaybeInPlace):
    """x min(max(x + 3, 0), 6) / 6."""

    @override
    def forward(self, input: Any) -> Any:
        return functional.hardswish(input, self.inplace)

    @override
    def extra_repr(self) -> str:
        return ""


class LeakyReLU(_MaybeInPlace):
    """x where x > 0, else negative_slope x."""

    __constants__: ClassVar = ["inplace", "negative_slope"]

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        Module.__init__(self)
        self.negative_slope = negative_slope
        self.inplace = inplace

    @override
    def forward(self, input: Any) -> Any:
        return functional.leaky_relu(input, self.negative_slope, self.inplace)

    @override
    def extra_repr(self) -> str:
        return self._and_inplace(f"negative_slope={self.negative_slope}")


class PReLU(Module):
    """x where x > 0, else a x with parameters a, one for all elements or one for each channel.

    Args:
        num_parameters: 1, or the number of channels (axis 1).
        init: what the parameters start from.
        device: where they are.
        dtype: their type.
    """

    __constants__: ClassVar = ["num_parameters"]

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        self.num_parameters = num_parameters  # first of all, as PyTorch's files have it
        super().__init__()
        self.init = init
        self.weight = Parameter(empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set every parameter to `init`."""
        constant_(self.weight, self.init)

    @override
    def forward(self, input: Any) -> Any:
        return functional.prelu(input, self.weight)

    @override
    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class _Shrink(Module):
    __constants__: ClassVar = ["lambd"]

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    @override
    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Hardshrink(_Shrink):
    """x where |x| > lambd, else 0."""

    @override
    def forward(self, input: Any) -> Any:
        return functional.hardshrink(input, self.lambd)


class Softshrink(_Shrink):
    """X moved towards 0 by lambd, and 0 where that would pass it."""

    @override
    def forward(self, input: Any) -> Any:
        return functional.softshrink(input, self.lambd)


# --- smooth -----------------------------------------------------------------------------------


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    @override
    def forward(self, input: Any) -> Any:
        return functional.sigmoid(input)


class Tanh(Module):
    """Hyperbolic tangent."""

    @override
    def forward(self, input: Any) -> Any:
        return functional.tanh(input)


class SiLU(_MaybeInPlace):
    """x σ(x)."""

    @override
    def forward(self, input: Any) -> Any:
        return functional.silu(input, self.inplace)


class Mish(_MaybeInPlace):
    """x tanh(log(1 + exp(x)))."""

    @override
    def forward(self, input: Any) -> Any:
        return functional.mish(input, self.inplace)


class _WithAlpha(_MaybeInPlace):
    __constants__: ClassVar = ["alpha", "inplace"]

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        Module.__init__(self)
        self.alpha = alpha
        self.inplace = inplace

    @override
    def extra_repr(self) -> str:
        return self._and_inplace(f"alpha={self.alpha}")


class ELU(_WithAlpha):
    """x where x > 0, else alpha (exp(x) - 1)."""

    @override
    def forward(self, input: Any) -> Any:
        return functional.elu(input, self.alpha, self.inplace)


class CELU(_WithAlpha):
    """x where x > 0, else alpha (exp(x / alpha) - 1)."""

    @override
    def forward(self, input: Any) -> Any:
        return functional.celu(input, self.alpha, self.inplace)


class SELU(_MaybeInPlace):
    """1.0507 elu(x, 1.6733): keeps mean 0 and variance 1 from layer to layer."""

    @override
    def forward(self, input: Any) -> Any:
        return functional.selu(input, self.inplace)


class GELU(Module):
    """x Φ(x), or (with "tanh") its approximation by the hyperbolic tangent."""

    __constants__: ClassVar = ["approximate"]

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    @override
    def forward(self, input: Any) -> Any:
        return functional.gelu(input, approximate=self.approximate)

    @override
    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class LogSigmoid(Module):
    """log σ(x)."""

    @override
    def forward(self, input: Any) -> Any:
        return functional.logsigmoid(input)


class Softplus(Module):
    """log(1 + exp(beta x)) / beta, and x where beta x > threshold."""

    __constants__: ClassVar = ["beta", "threshold"]

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    @override
    def forward(self, input: Any) -> Any:
        return functional.softplus(input, self.beta, self.threshold)

    @override
    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Softsign(Module):
    """x / (1 + |x|)."""

    @override
    def forward(self, input: Any) -> Any:
        return functional.softsign(input)


class Tanhshrink(Module):
    """x - tanh(x)."""

    @override
    def forward(self, input: Any) -> Any:
        return functional.tanhshrink(input)


# --- along an axis ----------------------------------------------------------------------------


class GLU(Module):
    """A σ(b), for the two halves (a, b) of x along an axis."""

    __constants__: ClassVar = ["dim"]

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    @override
    def forward(self, input: Any) -> Any:
        return functional.glu(input, self.dim)

    @override
    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class _Along(Module):
    """A function of the elements along an axis.

    Args:
        dim: the axis; without it, with a warning, 1, or 0 of one or three axes.
    """

    __constants__: ClassVar = ["dim"]

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    @override
    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmin(_Along):
    """exp(-x) / Σ exp(-x) along an axis."""

    @override
    def forward(self, input: Any) -> Any:
        return functional.softmin(input, self.dim)


class Softmax(_Along):
    """exp(x) / Σ exp(x) along an axis."""

    @override
    def forward(self, input: Any) -> Any:
        return functional.softmax(input, self.dim)


class Softmax2d(Module):
    """exp(x) / Σ exp(x) over the channels at each place of (N, C, H, W) or (C, H, W)."""

    @override
    def forward(self, input: Any) -> Any:
        if input.dim() not in (3, 4):
            raise ValueError(
                f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead"
            )
        return functional.softmax(input, -3)


class LogSoftmax(_Along):
    """log(exp(x) / Σ exp(x)) along an axis."""

    @override
    def forward(self, input: Any) -> Any:
        return functional.log_softmax(input, self.dim)

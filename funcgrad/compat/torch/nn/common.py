"""What the functions of `torch.nn.functional` share: values of options, reductions, entering."""

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

import funcgrad.numpy as fnp
from funcgrad import stop_gradient
from funcgrad.compat.torch.arguments import outside
from funcgrad.compat.torch.dtypes import Size, dtype, dtype_of_numpy
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.quick import LinearRule, is_quick, linear_result
from funcgrad.compat.torch.registry import MODULES, expose
from funcgrad.compat.torch.state import SETTINGS, STATE
from funcgrad.compat.torch.summation import sum_of
from funcgrad.compat.torch.tensor import Tensor

__all__ = [
    "ENUM",
    "add_scalar",
    "check_reduction",
    "div_scalar",
    "entered",
    "floats",
    "mul_scalar",
    "not_differentiable",
    "numbers",
    "reduced",
    "reduced_tensor",
    "reduction_of",
    "scalar_name",
    "sub_scalar",
    "total",
    "value_of",
    "warn_of_sizes",
    "widened",
]

F = TypeVar("F", bound=Callable[..., Any])


def _beside(x: Any, other: Any) -> Any:
    """Whole numbers beside a float, in the default type."""
    if x.dtype.kind in "biu" and isinstance(other, float):
        return x.astype(SETTINGS.default_dtype.numpy)
    return x


add_scalar = Op("AddBackward1", lambda x, *, other: _beside(x, other) + other)
sub_scalar = Op("SubBackward1", lambda x, *, other: _beside(x, other) - other)
_mul_op = Op("MulBackward1", lambda x, *, other: _beside(x, other) * other)
div_scalar = Op("DivBackward1", lambda x, *, other: _beside(x, other) / other)
"""Arithmetic with a number inside functions that PyTorch composes of others."""


def mul_scalar(x: Any, *, other: Any) -> Any:
    """x times a number."""
    if not is_quick(x) or type(other) is not float:
        return _mul_op(x, other=other)
    factor = x._value.dtype.type(other)
    rule = LinearRule(lambda ct, _residuals: ct * factor)
    return linear_result(_mul_op.cls, "Mul", x, x._value * factor, rule)


ENUM = ("none", "mean", "sum")
"""Reductions by the number that functions of `torch.` take."""


def entered(name: str, *, torch: bool = False, method: bool = False) -> Callable[[F], F]:
    """Enter a function into `torch.nn.functional`, and into `torch` if that has it too."""

    def enter(function: F) -> F:
        expose(name, function, method=False, module="nn.functional")
        if torch:
            MODULES["torch"].setdefault(name, function)
        if method and not hasattr(Tensor, name):
            setattr(Tensor, name, function)
        return function

    return enter


def scalar_name(kind: dtype) -> str:
    """A data type as PyTorch's messages call it: Float, Double, Long."""
    return str(kind.legacy).removeprefix("torch.").removesuffix("Tensor")


def value_of(tensor: Any) -> Any:
    """The values of a tensor that no derivative is asked for; `None` stays."""
    return tensor._value if isinstance(tensor, Tensor) else tensor


def numbers(value: Any, count: int) -> tuple[int, ...]:
    """One number for each of some axes, from one for all of them or from a sequence."""
    if isinstance(value, int | np.integer):
        return (int(value),) * count
    found = tuple(int(v) for v in value)
    return found * count if len(found) == 1 else found


def floats(kernel: str) -> Callable[..., None]:
    """A check of an operation: its first operand must be real numbers."""

    def check(value: Any, *_: Any, **__: Any) -> None:
        if value.dtype.kind != "f":
            kind = scalar_name(dtype_of_numpy(value.dtype))
            raise NotImplementedError(f"\"{kernel}\" not implemented for '{kind}'")

    return check


def widened(function: F) -> F:
    """The function computed in float32 for float16 operands, and rounded once."""

    @functools.wraps(function)
    def wide(*values: Any, **params: Any) -> Any:
        if values[0].dtype != np.float16:
            return function(*values, **params)
        operands = (
            v.astype(np.float32) if getattr(v, "dtype", None) == np.float16 else v for v in values
        )
        return function(*operands, **params).astype(np.float16)

    return wide  # type: ignore[return-value]  # it is called alike


def check_reduction(reduction: Any) -> None:
    """Refuse what is no reduction.

    Raises:
        ValueError: for an unknown word.
    """
    if reduction not in ENUM:
        raise ValueError(f"{reduction} is not a valid value for reduction")


_WAS = "size_average and reduce args will be deprecated, please use reduction='{}' instead."


def reduction_of(reduction: str, size_average: Any = None, reduce: Any = None) -> str:
    """The reduction, from the arguments that once stood for it where they are given."""
    if size_average is not None or reduce is not None:
        size_average = True if size_average is None else size_average
        reduce = True if reduce is None else reduce
        reduction = ("mean" if size_average else "sum") if reduce else "none"
        warnings.warn(_WAS.format(reduction), UserWarning, stacklevel=outside())
    check_reduction(reduction)
    return reduction


def total(losses: Any) -> Any:
    """Σ of values, in PyTorch's order also where they are recorded."""
    if type(losses) is np.ndarray:
        return sum_of(losses)
    found = fnp.sum(losses)
    plain = stop_gradient(losses)
    if type(plain) is np.ndarray and plain.size > 4:
        found = found + (sum_of(plain) - stop_gradient(found))
    return found


def reduced(losses: Any, reduction: str) -> Any:
    """Mean or sum of values, or the values themselves."""
    if reduction == "none":
        return losses
    if not losses.size:
        nothing = fnp.sum(losses)
        return nothing if reduction == "sum" else nothing * losses.dtype.type(np.nan)
    found = total(losses)
    return found / losses.dtype.type(losses.size) if reduction == "mean" else found


def reduced_tensor(losses: Any, reduction: str) -> Any:
    """Mean or sum of a tensor, or the tensor itself."""
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


def warn_of_sizes(input: Any, target: Any) -> None:
    """Warn where broadcasting pairs an input with a target of another size."""
    if input._value.shape != target._value.shape:
        warnings.warn(
            f"Using a target size ({Size(target._value.shape)!r}) that is different to the input "
            f"size ({Size(input._value.shape)!r}). This will likely lead to incorrect results due "
            "to broadcasting. Please ensure they have the same size.",
            UserWarning,
            stacklevel=outside(),
        )


def not_differentiable(function: str, argument: str, tensor: Any) -> None:
    """Refuse a tensor that requires grad where PyTorch has no derivative.

    Raises:
        RuntimeError: if it requires grad.
    """
    if isinstance(tensor, Tensor) and STATE.grad and tensor.requires_grad:
        raise RuntimeError(
            f"The function '{function}' is not differentiable with respect to argument "
            f"'{argument}'. This input cannot have requires_grad True."
        )

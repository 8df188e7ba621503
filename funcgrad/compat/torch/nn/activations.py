"""Activation functions, each one operation of the graph, and their in-place variants."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad import nn
from funcgrad.compat.torch.arguments import refuse
from funcgrad.compat.torch.compilation_breaks import as_one
from funcgrad.compat.torch.dtypes import finfo
from funcgrad.compat.torch.fast import fast_unary
from funcgrad.compat.torch.inplace import in_place
from funcgrad.compat.torch.nn.common import entered, floats, scalar_name, widened
from funcgrad.compat.torch.nn.short import are_plain, short_loss
from funcgrad.compat.torch.nn.short_activations import short_hardtanh, short_leaky
from funcgrad.compat.torch.nn.short_gelu import gelu_of
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.outputs import only
from funcgrad.compat.torch.recorded_relu import relu_of
from funcgrad.compat.torch.registry import MODULES
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.nn.activations import SELU_ALPHA, SELU_SCALE
from funcgrad.primitives.activations import CUBIC, SQRT_HALF, SQRT_TWO_OVER_PI, negative_part

__all__ = [
    "celu",
    "celu_",
    "elu",
    "elu_",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "leaky_relu",
    "leaky_relu_",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
]

# --- functions of values ----------------------------------------------------------------------
# At kinks the branch decides the derivative: `where` passes nothing to the other one.


def _clamp(x: Any, *, low: Any, high: Any) -> Any:
    """min(max(x, low), high), flat at both ends."""
    return fnp.where(x <= low, low, fnp.where(x >= high, high, x)).astype(x.dtype)


@widened
def _elu(x: Any, *, positive: float, negative: float, inner: float) -> Any:
    """positive · x where x > 0, else negative · (exp(inner · x) - 1)."""
    below = negative_part(x)
    above = nn.relu(x)
    return (above if positive == 1 else positive * above) + negative * fnp.expm1(
        below if inner == 1 else inner * below
    )


@widened
def _gelu(x: Any, *, approximate: bool) -> Any:
    """x (1 + erf(x / √2)) / 2, whose rounding errors are absolute, as PyTorch's are."""
    if approximate:
        return 0.5 * x * (1 + fnp.tanh(SQRT_TWO_OVER_PI * (x + CUBIC * x * x * x)))
    return 0.5 * x * (1 + nn.erf(x * SQRT_HALF))


@widened
def _mish(x: Any) -> Any:
    return x * fnp.tanh(nn.softplus(x))


@widened
def _hardswish(x: Any) -> Any:
    inner = fnp.where(abs(x) < 3, x, 0)
    return fnp.where(x <= -3, x * 0, fnp.where(x >= 3, x, inner * (x + 3) / 6))


@widened
def _hardsigmoid(x: Any) -> Any:
    inner = x + 3
    return _clamp(inner, low=0, high=6) / 6


def _softshrink(x: Any, *, width: float) -> Any:
    return fnp.where(x > width, x - width, fnp.where(x < -width, x + width, x * 0))


@widened
def _softplus(x: Any, *, beta: float, threshold: float) -> Any:
    scaled = x if beta == 1 else x * beta
    smooth = nn.softplus(scaled)
    return fnp.where(scaled > threshold, x, smooth if beta == 1 else smooth / beta)


@widened
def _glu(x: Any, *, dim: int) -> Any:
    first, second = fnp.split(x, 2, axis=dim)
    return first * nn.sigmoid(second)


def _pair(name: str, function: Callable[..., Any], kernel: str) -> tuple[Op, Op]:
    """The operation and its in-place variant, whose nodes end in 1."""
    check = floats(kernel)
    return tuple(Op(f"{name}Backward{i}", function, check=check) for i in (0, 1))  # type: ignore[return-value]  # two


def _clamped(words: str) -> Callable[..., None]:
    """A check: the operand must be neither truth values nor complex."""

    def check(x: Any, **_: Any) -> None:
        if x.dtype.kind == "b":
            raise RuntimeError(words)
        if x.dtype.kind == "c":
            raise NotImplementedError("clamp is not supported for complex types")

    return check


relu_op = Op("ReluBackward0", relu_of, check=_clamped("Boolean inputs not supported for relu"))
hardtanh_op = Op(
    "HardtanhBackward0", _clamp, check=_clamped("Bool inputs not supported for hardtanh")
)
elu_op, elu_in_place = _pair("Elu", _elu, "elu_cpu")
celu_op, celu_in_place = _pair("Celu", _elu, "elu_cpu")
gelu_op = Op("GeluBackward0", _gelu, check=floats("GeluKernelImpl"))
leaky_relu_op, leaky_relu_in_place = _pair(
    "LeakyRelu", lambda x, *, slope: fnp.where(x > 0, x, slope * x), "leaky_relu_cpu"
)
prelu_op = Op(
    "PreluKernelBackward0",
    lambda x, weight: fnp.where(x > 0, x, weight * x),
    check=floats("prelu_cpu"),
)
silu_op = Op("SiluBackward0", widened(nn.silu), check=floats("silu_cpu"))
mish_op = Op("MishBackward0", _mish, check=floats("mish_cpu"))
hardswish_op = Op("HardswishBackward0", _hardswish, check=floats("hardswish_cpu"))
hardsigmoid_op = Op("HardsigmoidBackward0", _hardsigmoid, check=floats("hardsigmoid_cpu"))
hardshrink_op = Op(
    "HardshrinkBackward0",
    lambda x, *, width: fnp.where((x >= -width) & (x <= width), x.dtype.type(0), x),
    check=floats("hardshrink_cpu"),
)
softshrink_op = Op("SoftshrinkBackward0", _softshrink, check=floats("softshrink_check"))
softplus_op = Op("SoftplusBackward0", _softplus, check=floats("softplus_cpu"))
logsigmoid_op = Op("LogSigmoidBackward0", widened(nn.log_sigmoid), check=floats("log_sigmoid_cpu"))
threshold_op, threshold_in_place = (
    Op(
        f"ThresholdBackward{i}",
        lambda x, *, bound, value: fnp.where(x <= bound, x.dtype.type(value), x),
        check=only("if", "threshold_cpu"),
    )
    for i in (0, 1)
)
glu_op = Op("GluBackward0", _glu, check=floats("glu_cpu"))
fast_relu = fast_unary(relu_op, "relu")
fast_silu = fast_unary(silu_op, "silu")


# --- the public functions ---------------------------------------------------------------------


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value


def _with_inplace(pure: Callable[..., Any], name: str, op: Op | None = None) -> Callable[..., Any]:
    """The in-place variant, by an operation of its own where its nodes have another name."""
    changing = in_place(pure if op is None else partial(pure, op=op), name)
    entered(f"{name}_")(changing)
    return changing


def _relu_pure(input: Any) -> Any:
    """max(x, 0)."""
    return fast_relu(input)


def _hardtanh_pure(input: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """min(max(x, min_val), max_val)."""
    low, high = _number(min_val), _number(max_val)
    if low > high:
        raise ValueError("min_val cannot be greater than max_val")
    return short_hardtanh(hardtanh_op, input, low, high)


def _elu_pure(input: Any, alpha: float = 1.0, op: Op = elu_op) -> Any:
    """x where x > 0, else alpha (exp(x) - 1)."""
    return op(input, positive=1, negative=_number(alpha), inner=1)


def _selu_pure(input: Any, op: Op = elu_op) -> Any:
    """1.0507 elu(x, 1.6733)."""
    return op(input, positive=SELU_SCALE, negative=SELU_ALPHA * SELU_SCALE, inner=1)


def _celu_pure(input: Any, alpha: float = 1.0, op: Op = celu_op) -> Any:
    """x where x > 0, else alpha (exp(x / alpha) - 1)."""
    alpha = _number(alpha)
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return op(input, positive=1, negative=alpha, inner=1.0 / alpha)


def _leaky_pure(input: Any, negative_slope: float = 0.01, op: Op = leaky_relu_op) -> Any:
    """x where x > 0, else negative_slope · x."""
    return short_leaky(op, input, _number(negative_slope))


def _threshold_pure(input: Any, threshold: float, value: float, op: Op = threshold_op) -> Any:
    """x where x > threshold, else value."""
    return op(input, bound=_number(threshold), value=_number(value))


relu_ = _with_inplace(_relu_pure, "relu")
hardtanh_ = _with_inplace(_hardtanh_pure, "hardtanh")
elu_ = _with_inplace(_elu_pure, "elu", elu_in_place)
selu_ = _with_inplace(_selu_pure, "selu", elu_in_place)
celu_ = _with_inplace(_celu_pure, "celu", celu_in_place)
leaky_relu_ = _with_inplace(_leaky_pure, "leaky_relu", leaky_relu_in_place)
threshold_ = _with_inplace(_threshold_pure, "threshold", threshold_in_place)
_silu_ = in_place(fast_silu, "silu")
entered("relu_", torch=True, method=True)(relu_)
for _name, _function in (("selu_", selu_), ("celu_", celu_), ("threshold_", threshold_)):
    entered(_name, torch=True)(_function)


@entered("relu")
def relu(input: Any, inplace: bool = False) -> Any:
    """max(x, 0); the derivative at 0 is 0."""
    return relu_(input) if inplace else fast_relu(input)


@entered("relu6")
def relu6(input: Any, inplace: bool = False) -> Any:
    """min(max(x, 0), 6)."""
    return hardtanh(input, 0.0, 6.0, inplace)


@entered("hardtanh")
def hardtanh(
    input: Any,
    min_val: float = -1.0,
    max_val: float = 1.0,
    inplace: bool = False,
) -> Any:
    """min(max(x, min_val), max_val); the derivative at both ends is 0."""
    return (hardtanh_ if inplace else _hardtanh_pure)(input, min_val, max_val)


@entered("elu")
def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """x where x > 0, else alpha (exp(x) - 1)."""
    return (elu_ if inplace else _elu_pure)(input, alpha)


@entered("selu")
def selu(input: Any, inplace: bool = False) -> Any:
    """1.0507 elu(x, 1.6733): keeps mean 0 and variance 1 from layer to layer."""
    return (selu_ if inplace else _selu_pure)(input)


@entered("celu")
def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """x where x > 0, else alpha (exp(x / alpha) - 1)."""
    return (celu_ if inplace else _celu_pure)(input, alpha)


@entered("leaky_relu")
def leaky_relu(
    input: Any,
    negative_slope: float = 0.01,
    inplace: bool = False,
) -> Any:
    """x where x > 0, else negative_slope · x; the derivative at 0 is the slope."""
    try:
        return (leaky_relu_ if inplace else _leaky_pure)(input, negative_slope)
    except AttributeError:
        refuse("nn.functional.leaky_relu", leaky_relu, input)
        raise


@entered("threshold")
def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """x where x > threshold, else value."""
    return (threshold_ if inplace else _threshold_pure)(input, threshold, value)


@entered("gelu")
@as_one
def gelu(input: Any, *, approximate: str = "none") -> Any:
    """x Φ(x), or its approximation by tanh."""
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    tanh = approximate == "tanh"
    if input._value.dtype == np.float32 and are_plain(input, input):
        function = partial(_gelu, approximate=tanh)
        value, slope = gelu_of(input._value, tanh, input._requires and STATE.grad)
        finite = value if slope is None else slope
        if math.isfinite(np.vdot(finite, finite)):
            return short_loss(gelu_op.cls, gelu_op.name, (input,), value, slope, function)
    return gelu_op(input, approximate=tanh)


@entered("prelu", torch=True, method=True)
def prelu(input: Any, weight: Any) -> Any:
    """x where x > 0, else weight · x, with one weight for all or for each channel (axis 1)."""
    count, rank = weight._value.size, input._value.ndim
    if input.dtype is not weight.dtype:
        raise RuntimeError(
            f"prelu: Type promoting not supported. Got {scalar_name(input.dtype)} and "
            f"{scalar_name(weight.dtype)}"
        )
    if weight._value.ndim > 1:
        raise RuntimeError(
            "prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = "
            f"{weight._value.ndim}"
        )
    if count != 1:
        if rank == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input._value.shape[1] if rank > 1 else 1
        if channels != count:
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{count} and channel size = {channels}."
            )
    if weight._value.ndim != rank:
        weight = weight.view(tuple(-1 if i == 1 and count != 1 else 1 for i in range(rank)))
    return prelu_op(input, weight)


@entered("silu")
def silu(input: Any, inplace: bool = False) -> Any:
    """x σ(x)."""
    return (_silu_ if inplace else fast_silu)(input)


_mish_, _hardswish_, _hardsigmoid_ = (
    in_place(op, name)
    for op, name in (
        (mish_op, "mish"), (hardswish_op, "hardswish"), (hardsigmoid_op, "hardsigmoid")
    )
)  # fmt: skip


@entered("mish")
def mish(input: Any, inplace: bool = False) -> Any:
    """x tanh(log(1 + exp(x)))."""
    return (_mish_ if inplace else mish_op)(input)


@entered("hardswish")
def hardswish(input: Any, inplace: bool = False) -> Any:
    """x min(max(x + 3, 0), 6) / 6."""
    return (_hardswish_ if inplace else hardswish_op)(input)


@entered("hardsigmoid")
def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """min(max(x + 3, 0), 6) / 6."""
    return (_hardsigmoid_ if inplace else hardsigmoid_op)(input)


@entered("hardshrink", torch=True, method=True)
def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    """x where |x| > lambd, else 0."""
    return hardshrink_op(input, width=_number(lambd))


@entered("softshrink")
def softshrink(input: Any, lambd: float = 0.5) -> Any:
    """X moved towards 0 by lambd, and 0 where that would pass it."""
    width = _number(lambd)
    kind = input.dtype
    if not width >= 0 and kind.category == 2:
        raise RuntimeError(
            f"lambda must be in range [0, {finfo(kind).max:g}] for input dtype "
            f"{scalar_name(kind)}, but found {width:g}"
        )
    return softshrink_op(input, width=width)


@entered("tanhshrink")
def tanhshrink(input: Any) -> Any:
    """x - tanh(x)."""
    return input - input.tanh()


@entered("softsign")
def softsign(input: Any) -> Any:
    """x / (1 + |x|)."""
    return input / (input.abs() + 1)


@entered("softplus")
def softplus(input: Any, beta: float = 1, threshold: float = 20) -> Any:
    """log(1 + exp(beta · x)) / beta, and x where beta · x > threshold."""
    return softplus_op(input, beta=_number(beta), threshold=_number(threshold))


@entered("logsigmoid")
def logsigmoid(input: Any) -> Any:
    """log σ(x)."""
    return logsigmoid_op(input)


@entered("glu")
def glu(input: Any, dim: int = -1) -> Any:
    """A σ(b), for the two halves (a, b) of x along an axis."""
    if input._value.ndim == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    length = input.size(dim)
    if length % 2:
        raise RuntimeError(
            f"Halving dimension must be even, but dimension {dim % input._value.ndim} is size "
            f"{length}"
        )
    return glu_op(input, dim=dim)


@entered("sigmoid")
def sigmoid(input: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return input.sigmoid()


@entered("tanh")
def tanh(input: Any) -> Any:
    """Hyperbolic tangent."""
    return input.tanh()


def _torch_relu(input: Any) -> Any:
    """max(x, 0)."""
    return fast_relu(input)


for _name, _function in (
    ("relu", _torch_relu), ("selu", _selu_pure), ("celu", _celu_pure),
    ("threshold", _threshold_pure),
):  # fmt: skip
    MODULES["torch"].setdefault(_name, _function)
if not hasattr(Tensor, "relu"):
    setattr(Tensor, "relu", _torch_relu)  # noqa: B010  # a method, entered here

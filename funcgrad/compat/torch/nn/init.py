"""`torch.nn.init`: values that parameters start from, drawn or set in place."""

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

from funcgrad.compat.torch.constructors import empty_like
from funcgrad.compat.torch.constructors import eye as identity
from funcgrad.compat.torch.grad_mode import no_grad
from funcgrad.compat.torch.linalg import qr
from funcgrad.compat.torch.randomness import randperm

__all__ = [
    "calculate_gain",
    "constant",
    "constant_",
    "dirac",
    "dirac_",
    "eye",
    "eye_",
    "kaiming_normal",
    "kaiming_normal_",
    "kaiming_uniform",
    "kaiming_uniform_",
    "normal",
    "normal_",
    "ones_",
    "orthogonal",
    "orthogonal_",
    "sparse",
    "sparse_",
    "trunc_normal_",
    "uniform",
    "uniform_",
    "xavier_normal",
    "xavier_normal_",
    "xavier_uniform",
    "xavier_uniform_",
    "zeros_",
]

ROOT2 = math.sqrt(2.0)
FREQUENT = 0.3
"""From so much probability on, an interval is hit by normal draws often enough."""

_GAINS = {
    "sigmoid": 1,
    "tanh": 5.0 / 3,
    "relu": ROOT2,
    "selu": 3.0 / 4,
    "linear": 1,
    **{f"{kind}{n}d": 1 for kind in ("conv", "conv_transpose") for n in (1, 2, 3)},
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much the standard deviation of weights makes up for what an activation takes off.

    Args:
        nonlinearity: name of the function in `torch.nn.functional`.
        param: the negative slope of "leaky_relu" (by default 0.01), for which it is
            √(2 / (1 + slope²)).

    Raises:
        ValueError: for a function without a known gain, and a slope that is no number.
    """
    if nonlinearity in _GAINS:
        return _GAINS[nonlinearity]
    if nonlinearity != "leaky_relu":
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    slope = 0.01 if param is None else param
    if isinstance(slope, bool) or not isinstance(slope, int | float):
        raise ValueError(f"negative_slope {slope} not a valid number")
    return math.sqrt(2.0 / (1 + slope**2))


# --- given values -----------------------------------------------------------------------------


def constant_(tensor: Any, val: float) -> Any:
    """Set every element to a number."""
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor: Any) -> Any:
    """Set every element to 1."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Any) -> Any:
    """Set every element to 0."""
    with no_grad():
        return tensor.zero_()


def eye_(tensor: Any) -> Any:
    """Set a matrix to the identity, cut or filled up with zeros to its shape."""
    if tensor.ndimension() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with no_grad():
        return tensor.copy_(identity(*tensor.shape, dtype=tensor.dtype))


def dirac_(tensor: Any, groups: int = 1) -> Any:
    """Set the kernel of a convolution to one that passes on as many channels as it can.

    Args:
        tensor: (out, in, ...) with one to three spatial axes.
        groups: the kernel of each group passes on its own channels.
    """
    rank = tensor.ndimension()
    if rank not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.size(0) % groups:
        raise ValueError("dim 0 must be divisible by groups")
    each = tensor.size(0) // groups
    middle = tuple(n // 2 for n in tensor.shape[2:])
    with no_grad():
        tensor.zero_()
        for group in range(groups):
            for channel in range(min(each, tensor.size(1))):
                tensor[(group * each + channel, channel, *middle)] = 1
    return tensor


# --- drawn values -----------------------------------------------------------------------------


def uniform_(tensor: Any, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Any:
    """Draw from the uniform distribution on [a, b)."""
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Any, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Any:
    """Draw from the normal distribution."""
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: Any,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Any:
    """Draw from the normal distribution restricted to [a, b].

    Draws are rejected and repeated: normal draws outside [a, b], or, where that would be most of
    them, uniform draws x with probability 1 - φ(x) / max φ (C. P. Robert, 1995).
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of "
            "values may be incorrect.",
            stacklevel=2,
        )
    low, high = (math.erf((x - mean) / std / ROOT2) / 2 for x in (a, b))
    with no_grad():
        if high - low > FREQUENT:
            tensor.normal_(mean, std, generator=generator)
            while True:
                outside = (tensor < a) | (tensor > b)
                if not outside.any():
                    return tensor
                drawn = empty_like(tensor).normal_(mean, std, generator=generator)
                tensor.copy_(drawn.where(outside, tensor))
        return _by_uniform_draws(tensor, mean, std, a, b, generator)


def _by_uniform_draws(
    tensor: Any, mean: float, std: float, a: float, b: float, generator: Any
) -> Any:
    peak = (min(max(mean, a), b) - mean) / std
    wanted: Any = None
    while wanted is None or wanted.any():
        drawn = empty_like(tensor).uniform_(a, b, generator=generator)
        distance = (drawn - mean) / std
        chance = empty_like(tensor).uniform_(generator=generator)
        refused = chance >= ((peak * peak - distance * distance) / 2).exp()
        tensor.copy_(drawn if wanted is None else drawn.where(wanted, tensor))
        wanted = refused if wanted is None else wanted & refused
    return tensor


def sparse_(tensor: Any, sparsity: float, std: float = 0.01, generator: Any = None) -> Any:
    """Draw a matrix from the normal distribution; a share of every column is set to 0."""
    if tensor.ndimension() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(columns):
            places: Any = randperm(rows)
            tensor[places[:zeros], column] = 0
    return tensor


# --- scaled by the number of connections ------------------------------------------------------


def _calculate_fan_in_and_fan_out(tensor: Any) -> tuple[int, int]:
    """How many inputs an output of weights (out, in, ...) has, and how many outputs an input."""
    if tensor.dim() < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )
    field = math.prod(tensor.shape[2:])
    return tensor.size(1) * field, tensor.size(0) * field


def _calculate_correct_fan(tensor: Any, mode: str) -> int:
    """The number of inputs for "fan_in", of outputs for "fan_out"."""
    modes = ["fan_in", "fan_out"]
    mode = mode.lower()
    if mode not in modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {modes}")
    return _calculate_fan_in_and_fan_out(tensor)[modes.index(mode)]


def _xavier_std(tensor: Any, gain: float) -> float:
    return gain * math.sqrt(2.0 / float(sum(_calculate_fan_in_and_fan_out(tensor))))


def xavier_uniform_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """Uniform draws with variance 2 gain² / (fan_in + fan_out) (X. Glorot, Y. Bengio, 2010)."""
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """Normal draws with variance 2 gain² / (fan_in + fan_out) (X. Glorot, Y. Bengio, 2010)."""
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def _kaiming_std(tensor: Any, a: float, mode: str, nonlinearity: str) -> float | None:
    """The standard deviation; `None`, with a warning, for a tensor without elements."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: Any,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Any:
    """Uniform draws with variance gain² / fan (K. He et al., 2015).

    Args:
        tensor: weights (out, in, ...).
        a: the negative slope of "leaky_relu".
        mode: "fan_in" keeps the variance of the results, "fan_out" that of the cotangents.
        nonlinearity: the function that follows.
        generator: draws the numbers.
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Any,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Any:
    """Normal draws with variance gain² / fan (K. He et al., 2015); as `kaiming_uniform_`."""
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: Any, gain: float = 1, generator: Any = None) -> Any:
    """Gain times a matrix with orthonormal rows or columns, whichever are fewer.

    It is the factor Q of normal draws, with signs such that R has a positive diagonal (F. Mezzadri,
    2007). The axes after the first count as one.
    """
    if tensor.ndimension() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.size(0)
    columns = tensor.numel() // rows
    drawn = tensor.new_empty((rows, columns)).normal_(0, 1, generator=generator)
    with no_grad():
        q, r = qr(drawn.t() if rows < columns else drawn)
        q *= r.diag().sign()
        if rows < columns:
            q = q.t()
        return tensor.copy_(q.reshape(tensor.shape)).mul_(gain)


# --- names without the underscore -------------------------------------------------------------


def _deprecated(function: Callable[..., Any]) -> Callable[..., Any]:
    new = function.__name__
    old = new[:-1]

    def alias(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(
            f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    functools.update_wrapper(alias, function)
    alias.__name__ = old
    alias.__doc__ = f"The old name of `{new}`."
    return alias


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)

"""Dropout: elements or channels are set to zero at random while training."""

import math
import warnings
from typing import Any, NoReturn

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch import draws as drawn_floats
from funcgrad.compat.torch.arguments import outside
from funcgrad.compat.torch.compilation_breaks import concrete
from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.inplace import check_writable, overwrite
from funcgrad.compat.torch.mapped_draws import PerExample, as_values
from funcgrad.compat.torch.mersenne import default_generator
from funcgrad.compat.torch.nn.common import entered, scalar_name
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.registry import MODULES
from funcgrad.compat.torch.state import SETTINGS

__all__ = [
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
    "rrelu",
    "rrelu_",
]

draws = PerExample(drawn_floats)
ALPHA = 1.7580993408473766
"""Minus the limit of selu at -inf."""


def _check(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _shape(x: Any, features: bool) -> tuple[int, ...]:
    shape: tuple[int, ...] = tuple(x._value.shape)
    if not features:
        return shape
    if len(shape) < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return (*shape[:2], *(1 for _ in shape[2:]))


def _finished(x: Any, result: Any, inplace: bool) -> Any:
    return overwrite(x, result) if inplace else result


def _dropped(x: Any, p: float, training: bool, inplace: bool, *, features: bool = False) -> Any:
    """x · mask / (1 - p)."""
    _check(p)
    if not x._value.size or p == 0 or not training:
        return x
    if inplace:
        check_writable(x)
    if p == 1:
        return _finished(x, x * x.new_zeros(()), inplace)
    kind = x.dtype
    if kind.category < 2:
        _refuse_whole(scalar_name(kind))
    order = () if features else _memory_order(x._value)
    if order:
        shape = tuple([x._value.shape[axis] for axis in order])
        values = draws.dropout_mask(default_generator(), shape, p, kind.name)
        values = np.transpose(as_values(values), np.argsort(order))
    else:
        values = draws.dropout_mask(default_generator(), _shape(x, features), p, kind.name)
    return _finished(x, x * made(as_values(values), kind), inplace)


def _refuse_whole(kind: str) -> NoReturn:
    """Refuse whole numbers, which the scale would make floating point."""
    default = scalar_name(SETTINGS.default_dtype)
    raise RuntimeError(f"result type {default} can't be cast to the desired output type {kind}")


def _memory_order(value: Any) -> tuple[int, ...]:
    """The axes of an array from the longest stride to the shortest; () where that is C order."""
    value = concrete(value)
    if type(value) is not np.ndarray or value.flags.c_contiguous:
        return ()
    strides = np.empty_like(value).strides
    return tuple(sorted(range(value.ndim), key=lambda axis: -strides[axis]))


def _alpha(x: Any, p: float, training: bool, inplace: bool, *, features: bool = False) -> Any:
    """A · (x where kept, else -α) + b, with a and b such that mean and variance stay."""
    _check(p)
    if not x._value.size or p == 0 or not training:
        return x
    if inplace:
        check_writable(x)
    if p == 1:
        return _finished(x, x * x.new_zeros(()), inplace)
    kind = x.dtype
    if kind.category < 2:
        _refuse_whole(scalar_name(kind) if kind.category else "Long")
    kept = draws.bernoulli(default_generator(), _shape(x, features), 1 - p, kind.name)
    a = 1.0 / math.sqrt((ALPHA * ALPHA * p + 1) * (1 - p))
    shift = (kept - 1) * (ALPHA * a) + ALPHA * a * p
    return _finished(x, x * made(kept * a, kind) + made(shift, kind), inplace)


@entered("dropout")
def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """x / (1 - p) with probability 1 - p, else 0, for each element; x itself unless training."""
    return _dropped(input, p, training, inplace)


@entered("alpha_dropout")
def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Dropout to the limit of selu, with mean and variance kept."""
    return _alpha(input, p, training, inplace)


@entered("feature_alpha_dropout")
def feature_alpha_dropout(
    input: Any,
    p: float = 0.5,
    training: bool = False,
    inplace: bool = False,
) -> Any:
    """Alpha dropout of whole channels."""
    return _alpha(input, p, training, inplace, features=True)


@entered("dropout1d")
def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Dropout of whole channels of (N, C, L) or (C, L)."""
    _check(p)
    rank = input._value.ndim
    if rank not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {rank}D input. Note that "
            "dropout1d exists to provide channel-wise dropout on inputs with 1 spatial dimension, "
            "a channel dimension, and an optional batch dimension (i.e. 2D or 3D inputs)."
        )
    if rank == 3:
        return _dropped(input, p, training, inplace, features=True)
    lone = input.unsqueeze_(0) if inplace else input.unsqueeze(0)
    result = _dropped(lone, p, training, inplace, features=True)
    return result.squeeze_(0) if inplace else result.squeeze(0)


def _several(name: str, axes: int) -> str:
    return (
        f"{name}: Received a {{}}-D input to {name}, which is deprecated and will result in an "
        "error in a future release. To retain the behavior and silence this warning, please use "
        f"dropout instead. Note that {name} exists to provide channel-wise dropout on inputs with "
        f"{axes} spatial dimensions, a channel dimension, and an optional batch dimension (i.e. "
        f"{axes + 1}D or {axes + 2}D inputs)."
    )


@entered("dropout2d")
def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Dropout of whole channels of (N, C, H, W)."""
    _check(p)
    rank = input._value.ndim
    if rank not in (3, 4):
        warnings.warn(_several("dropout2d", 2).format(rank), UserWarning, stacklevel=outside())
    if rank == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout "
            "behavior is desired - input is interpreted as shape (N, C, L), where C is the channel "
            "dim. This behavior will change in a future release to interpret the input as one "
            "without a batch dimension, i.e. shape (C, H, W). To maintain the 1D channel-wise "
            "dropout behavior, please switch to using dropout1d instead.",
            UserWarning,
            stacklevel=outside(),
        )
    return _dropped(input, p, training, inplace, features=True)


@entered("dropout3d")
def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Dropout of whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    _check(p)
    rank = input._value.ndim
    if rank not in (4, 5):
        warnings.warn(_several("dropout3d", 3).format(rank), UserWarning, stacklevel=outside())
    if rank != 4:
        return _dropped(input, p, training, inplace, features=True)
    lone = input.unsqueeze_(0) if inplace else input.unsqueeze(0)
    result = _dropped(lone, p, training, inplace, features=True)
    return result.squeeze_(0) if inplace else result.squeeze(0)


# --- rrelu ------------------------------------------------------------------------------------


def _rrelu(x: Any, *, slope: Any) -> Any:
    """x where x > 0, else slope · x."""
    return fnp.where(x > 0, x, slope * x)


rrelu_ops = [Op(f"RreluWithNoiseBackward{i}", _rrelu) for i in (0, 1)]


@entered("rrelu")
def rrelu(
    input: Any,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Any:
    """x where x > 0, else s · x: s uniform on [lower, upper) while training, else their mean."""
    if input.dtype.category < 2:
        kernel = "rrelu_with_noise_out_cpu" if training else "leaky_relu_cpu"
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_name(input.dtype)}'")
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if inplace:
        check_writable(input)
    if training:
        values = np.asarray(input.detach()._value)
        places = values <= 0
        count = int(np.count_nonzero(places))
        slope: Any = np.ones(values.shape, values.dtype)
        drawn = default_generator().doubles(count) * (upper - lower) + lower
        slope[places] = drawn
    else:
        slope = (lower + upper) / 2
    return _finished(input, rrelu_ops[inplace](input, slope=slope), inplace)


@entered("rrelu_", torch=True)
def rrelu_(
    input: Any,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
) -> Any:
    """In-place version of `rrelu`."""
    return rrelu(input, lower, upper, training, inplace=True)


def _torch_rrelu(
    input: Any,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    generator: Any = None,
) -> Any:
    """As `torch.nn.functional.rrelu`."""
    del generator
    return rrelu(input, lower, upper, training)


def _positional(function: Any, inplace: bool) -> Any:
    def variant(input: Any, p: float, train: bool) -> Any:
        return function(input, p, train, inplace)

    variant.__doc__ = function.__doc__
    return variant


def _feature_dropout(input: Any, p: float, train: bool, inplace: bool = False) -> Any:
    """Dropout of whole channels."""
    return _dropped(input, p, train, inplace, features=True)


MODULES["torch"].setdefault("rrelu", _torch_rrelu)
for _name, _function in (
    ("dropout", dropout), ("alpha_dropout", alpha_dropout), ("feature_dropout", _feature_dropout),
    ("feature_alpha_dropout", feature_alpha_dropout),
):  # fmt: skip
    MODULES["torch"].setdefault(_name, _positional(_function, False))
    MODULES["torch"].setdefault(f"{_name}_", _positional(_function, True))

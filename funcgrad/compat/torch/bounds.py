"""Bounds and choices of one element at a time: clamp, maximum, where, nan_to_num."""

from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.numbered import numbered
from funcgrad.compat.torch.op import Op, result_type
from funcgrad.compat.torch.outputs import given, of_two, only, require_tensor, with_out
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.core.tracer import Tracer

__all__ = ["clamp", "maximum", "minimum", "nan_to_num", "where"]


def _kind_of(*operands: Any) -> Any:
    """The common type as NumPy's, or `None` if the first operand has it."""
    kind = result_type(*(x for x in operands if x is not None))
    return None if operands[0].dtype is kind else kind.numpy


def _cast(x: Any, kind: Any) -> Any:
    return x if kind is None else x.astype(kind)


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor | np.generic) else value


# --- bounds -----------------------------------------------------------------------------------

NO_BOUND = "torch.clamp: At least one of 'min' or 'max' must not be None"
_real_only = only("bif", text="clamp is not supported for complex types", error=NotImplementedError)


def _clamp_numbers(x: Any, *, low: Any, high: Any, kind: Any) -> Any:
    return fnp.clip(_cast(x, kind), low, high)


clamp_number_op = Op("ClampBackward1", _clamp_numbers, check=_real_only)
clamp_min_number_op = Op("ClampMinBackward0", _clamp_numbers, check=_real_only)
clamp_max_number_op = Op("ClampMaxBackward0", _clamp_numbers, check=_real_only)


def _clamp_tensors(x: Any, low: Any, high: Any) -> Any:
    """The bounds have the derivative only where they are the result; low > high gives high."""
    inside = x if low is None else fnp.where(x < low, low, x)
    return inside if high is None else fnp.where(inside > high, high, inside)


def _nan_of(x: Any, low: Any, high: Any) -> Any:
    out = _clamp_tensors(x, low, high)
    for bound in (low, high):
        if bound is not None and bound.dtype.kind == "f":
            out = fnp.where(fnp.isnan(bound), bound, out)
    return out


clamp_op = Op("ClampBackward0", _nan_of, promote="same", check=_real_only)
clamp_min_op = Op(
    "ClampMinBackward1", lambda x, low: _nan_of(x, low, None), promote="same", check=_real_only
)
clamp_max_op = Op(
    "ClampMaxBackward1", lambda x, high: _nan_of(x, None, high), promote="same", check=_real_only
)


def _clamp_general(input: Any, low: Any, high: Any) -> Any:
    return clamp_number_op(input, low=low, high=high, kind=_kind_of(input, low, high))


def _clamp_pull(low: Any, high: Any) -> Any:
    if low is None:
        return lambda ct, x: np.where(x <= high, ct, 0)
    if high is None:
        return lambda ct, x: np.where(x >= low, ct, 0)
    return lambda ct, x: np.where((x >= low) & (x <= high), ct, 0)


def _clip(v: Any, low: Any, high: Any) -> Any:
    raised = v if low is None else np.maximum(v, low)
    return raised if high is None else np.minimum(raised, high)


_clamp_between = numbered(clamp_number_op, _clip, _clamp_pull, _clamp_general)


def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """min(max(input, min), max); the derivative is 1 at the bounds too."""
    require_tensor("clamp", input)
    if min is None and max is None:
        raise RuntimeError(NO_BOUND)
    tensors = [isinstance(bound, Tensor) for bound in (min, max) if bound is not None]
    if all(tensors):
        return clamp_op(input, min, max)
    if any(tensors):
        raise TypeError(
            "clamp() received an invalid combination of arguments - got (Tensor, "
            f"{type(min).__name__}, {type(max).__name__})"
        )
    low, high = (None if b is None else _number(b) for b in (min, max))
    return _clamp_between(input, low, high)


def clamp_min(input: Any, min: Any) -> Any:
    """max(input, min)."""
    require_tensor("clamp_min", input)
    if isinstance(min, Tensor):
        return clamp_min_op(input, min)
    return clamp_min_number_op(input, low=_number(min), high=None, kind=_kind_of(input, min))


def clamp_max(input: Any, max: Any) -> Any:
    """min(input, max)."""
    require_tensor("clamp_max", input)
    if isinstance(max, Tensor):
        return clamp_max_op(input, max)
    return clamp_max_number_op(input, low=None, high=_number(max), kind=_kind_of(input, max))


expose(("clamp", "clip"), with_out(clamp), inplace=True)
expose("clamp_min", with_out(clamp_min), inplace=True)
expose("clamp_max", with_out(clamp_max), inplace=True)


# --- the larger, the smaller ------------------------------------------------------------------


def _larger(name: str, node: str, function: Callable[..., Any]) -> Callable[..., Any]:
    text = f"{name} not implemented for complex tensors."
    op = Op(node, function, promote="same", check=only("bif", text=text))
    public = of_two(name, op)
    expose(name, public)
    return public


maximum = _larger("maximum", "MaximumBackward0", fnp.maximum)
minimum = _larger("minimum", "MinimumBackward0", fnp.minimum)
fmax = _larger("fmax", "FmaxBackward0", fnp.fmax)
fmin = _larger("fmin", "FminBackward0", fnp.fmin)


# --- where ------------------------------------------------------------------------------------


def _chosen(x: Any, y: Any, *, condition: Any) -> Any:
    return fnp.where(condition, x, y)


where_op = Op("WhereBackward0", _chosen, promote="same", linear=True)


def _condition(tensor: Tensor) -> Any:
    """The values of a mask as they are now: what is written later must not change derivatives."""
    value = tensor._value
    return value if isinstance(value, Tracer) else np.array(value)


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """input where the condition holds, else other; alone, the indices of what is not 0."""
    require_tensor("where", condition, "condition")
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    if condition.dtype.name not in ("bool", "uint8"):
        raise RuntimeError(
            "where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{condition.dtype.legacy}"
        )
    x, y = given(input), given(other)
    for operand, value, what, position in ((x, input, "input", 2), (y, other, "other", 3)):
        if operand is NotImplemented:
            require_tensor("where", value, what, position)
    mask = _condition(condition)
    if mask.dtype != np.bool_:
        mask = mask != 0
    if isinstance(x, Tensor) or isinstance(y, Tensor):
        return where_op(x, y, condition=mask)
    kind = result_type(x, y).numpy.type
    return where_op(kind(x), kind(y), condition=mask)


def _where_method(self: Any, condition: Any, other: Any) -> Any:
    """The tensor where the condition holds, else other."""
    return where(condition, self, other)


expose("where", with_out(where), method=False)
Tensor.where = _where_method  # type: ignore[attr-defined]  # entered here


# --- nan_to_num -------------------------------------------------------------------------------


def _finite(x: Any, *, nan: Any, posinf: Any, neginf: Any) -> Any:
    if x.dtype.kind == "c":
        parts = [
            _finite(p, nan=nan, posinf=posinf, neginf=neginf) for p in (fnp.real(x), fnp.imag(x))
        ]
        return parts[0] + 1j * parts[1]
    if x.dtype.kind != "f":
        return fnp.copy(x)
    limits = np.finfo(x.dtype)
    kind = x.dtype.type
    low = kind(limits.min if neginf is None else neginf)
    high = kind(limits.max if posinf is None else posinf)
    x = fnp.where(fnp.isnan(x), kind(0.0 if nan is None else nan), x)
    return fnp.where(x == np.inf, high, fnp.where(x == -np.inf, low, x))


_nan_to_num_op = Op("NanToNumBackward0", _finite)


def nan_to_num(
    input: Any, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """Numbers in place of NaN and infinities: 0 and the largest of the type by default."""
    require_tensor("nan_to_num", input)
    return _nan_to_num_op(input, nan=nan, posinf=posinf, neginf=neginf)


expose("nan_to_num", with_out(nan_to_num), inplace=True)

"""`torch.masked`: reductions and normalisations over those elements where a mask is True.

An element outside the mask is replaced by the identity of the operation (0 for a sum, −∞ for a
maximum), so that neither the result nor the gradient depends on it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.dims import check_dim, wrap_dims
from funcgrad.compat.torch.dtypes import DTYPES
from funcgrad.compat.torch.registry import MODULES, expose
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["mean", "norm", "sum_"]

TORCH = MODULES["torch"]
"""The functions of `torch`, by name; filled before any of them is called."""


def _enter(name: str, function: Callable[..., Any]) -> None:
    expose(name, function, method=False, module="masked")
    expose(name, function, method=False, module="masked._ops")


def _mask_of(input: Tensor, mask: Tensor) -> Tensor:
    if mask.dim() > input.dim():
        raise IndexError(
            "_input_mask expected broadcastable mask (got mask dimensionality higher than of the "
            "input)"
        )
    return TORCH["broadcast_to"](mask, tuple(input.shape)).to(DTYPES["bool"])  # type: ignore[no-any-return]  # a tensor


def _identity(least: bool, kind: Any) -> Any:
    """The least or the greatest value of a type."""
    if kind.category >= 2:
        return -np.inf if least else np.inf
    if kind.category == 0:
        return not least
    limits = np.iinfo(kind.numpy)
    return int(limits.min if least else limits.max)


def _filled(input: Tensor, mask: Tensor | None, identity: Any) -> Tensor:
    """The tensor with the identity outside the mask."""
    if mask is None:
        return input
    neutral = made(np.asarray(identity).astype(input.dtype.numpy), input.dtype)
    return TORCH["where"](_mask_of(input, mask), input, neutral)  # type: ignore[no-any-return]  # a tensor


def _axes(dim: Any, ndim: int) -> tuple[int, ...]:
    if dim is None or (isinstance(dim, tuple | list) and not dim):
        return tuple(range(ndim))
    return tuple(sorted(wrap_dims(dim, ndim))) if ndim else ()


# --- reductions ---------------------------------------------------------------------------------


def sum_(
    input: Tensor,
    dim: Any = None,
    *,
    keepdim: bool | None = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Σ of the elements in the mask."""
    if dtype is None and input.dtype.category < 2:
        dtype = DTYPES["int64"]
    return TORCH["sum"](  # type: ignore[no-any-return]  # a tensor
        _filled(input, mask, 0), _axes(dim, input.dim()), bool(keepdim), dtype=dtype
    )


def prod(
    input: Tensor,
    dim: Any = None,
    *,
    keepdim: bool | None = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Π of the elements in the mask."""
    if dtype is None and input.dtype.category < 2:
        dtype = DTYPES["int64"]
    result: Any = _filled(input, mask, 1)
    for axis in reversed(_axes(dim, input.dim())):
        result = TORCH["prod"](result, axis, bool(keepdim))
    return result if dtype is None else result.to(dtype)  # type: ignore[no-any-return]  # a tensor


def _extremum(name: str, least: bool) -> Callable[..., Any]:
    def function(
        input: Tensor,
        dim: Any = None,
        *,
        keepdim: bool | None = False,
        dtype: Any = None,
        mask: Tensor | None = None,
    ) -> Any:
        filled = _filled(input, mask, _identity(least, input.dtype))
        found = TORCH[name](filled, _axes(dim, input.dim()), bool(keepdim))
        return found.to(dtype or input.dtype)

    function.__name__ = name
    function.__doc__ = f"`torch.{name}` of the elements in the mask."
    return function


def _place(name: str, least: bool) -> Callable[..., Any]:
    def function(
        input: Tensor,
        dim: int | None = None,
        *,
        keepdim: bool | None = False,
        dtype: Any = None,
        mask: Tensor | None = None,
    ) -> Any:
        filled = _filled(input, mask, _identity(least, input.dtype))
        return TORCH[name](filled, dim, bool(keepdim)).to(dtype or input.dtype)

    function.__name__ = name
    function.__doc__ = f"`torch.{name}` of the elements in the mask, in the type of the tensor."
    return function


def _count(input: Tensor, axes: Any, keepdim: bool, mask: Tensor | None) -> Any:
    if mask is None:
        mask = TORCH["ones"](tuple(input.shape), dtype=DTYPES["bool"])
    return TORCH["sum"](_mask_of(input, mask), axes, keepdim)


def mean(
    input: Tensor,
    dim: Any = None,
    *,
    keepdim: bool | None = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """(Σ x) / n of the n elements in the mask; NaN where there is none."""
    kind = dtype or input.dtype
    if kind.category < 2:
        source = "Input" if dtype is None else "Optional"
        raise ValueError(
            f"mean(): Could not infer output dtype. {source} dtype must be either a floating point "
            f"or complex dtype. Got: {kind}"
        )
    axes, keep = _axes(dim, input.dim()), bool(keepdim)
    total = sum_(input, dim, keepdim=keep, dtype=kind, mask=mask)
    return total / _count(input, axes, keep, mask)  # type: ignore[no-any-return]  # a tensor


def median(
    input: Tensor,
    dim: int = -1,
    *,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The lower median of the elements in the mask; NaN where there is none."""
    kind = input.dtype
    x: Any = input if kind.category == 2 else TORCH["float"](input)
    found = TORCH["nanmedian"](_filled(x, mask, np.nan), check_dim(dim, input.dim()), keepdim)[0]
    if kind.category == 2:
        return found  # type: ignore[no-any-return]  # a tensor
    if bool(TORCH["isnan"](found).any()):
        raise ValueError(
            "masked median expects no fully masked out rows if dtype is not floating point"
        )
    return found.to(dtype or kind)  # type: ignore[no-any-return]  # a tensor


def norm(
    input: Tensor,
    ord: float | None = 2.0,
    dim: Any = None,
    *,
    keepdim: bool | None = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """(Σ |x|^ord)^(1/ord) of the elements in the mask."""
    filled = _filled(input, mask, np.inf if ord == -np.inf else 0)
    return MODULES["linalg"]["vector_norm"](  # type: ignore[no-any-return]  # a tensor
        filled, 2.0 if ord is None else ord, _axes(dim, input.dim()), bool(keepdim), dtype=dtype
    )


def _spread(name: str, root: bool) -> Callable[..., Any]:
    def function(
        input: Tensor,
        dim: Any = None,
        unbiased: bool | None = None,
        *,
        correction: float | None = None,
        keepdim: bool | None = False,
        dtype: Any = None,
        mask: Tensor | None = None,
    ) -> Any:
        if unbiased is not None and correction is not None:
            raise RuntimeError("Only one of unbiased and correction may be given")
        less = 1.0 if correction is None else float(correction)
        if unbiased is not None:
            less = float(unbiased)
        kind = dtype or (input.dtype if input.dtype.category >= 2 else DTYPES["float32"])
        axes = _axes(dim, input.dim())
        count = _count(input, axes, True, mask)
        centre = sum_(input, dim, keepdim=True, dtype=kind, mask=mask) / count
        off: Any = input - centre
        total = sum_(off * off.conj(), dim, keepdim=keepdim, dtype=kind, mask=mask)
        if not keepdim:
            count = count.reshape(tuple(total.shape))
        real = DTYPES["float32" if kind.name == "complex64" else "float64"]
        inexact = count.to(kind if kind.category == 2 else real)
        free = (inexact - less).clamp(min=0) if less else count
        found = (total / free).to(kind)
        return found.sqrt() if root else found

    function.__name__ = name
    function.__doc__ = f"`torch.{name}` of the elements in the mask."
    return function


def logsumexp(
    input: Tensor,
    dim: Any = None,
    *,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """log Σ exp x of the elements in the mask."""
    filled = _filled(input, mask, -np.inf)
    found = TORCH["logsumexp"](filled, _axes(dim, input.dim()), keepdim)
    return found.to(dtype or input.dtype)  # type: ignore[no-any-return]  # a tensor


# --- normalisations -----------------------------------------------------------------------------


def _along(name: str, inner: str, identity: float) -> Callable[..., Any]:
    def function(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Any:
        axis = check_dim(dim, input.dim())
        filled = _filled(input, mask, identity)
        if inner.startswith("cum"):
            return TORCH[inner](filled, axis, dtype=dtype or input.dtype)
        return MODULES["nn.functional"][inner](filled, axis, dtype=dtype or input.dtype)

    function.__name__ = name
    function.__doc__ = f"`{inner}` of the elements in the mask."
    return function


def normalize(
    input: Tensor,
    ord: float,
    dim: int,
    *,
    eps: float = 1e-12,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """X / max(‖x‖, eps) of the elements in the mask."""
    length = norm(input, ord, dim, keepdim=True, dtype=dtype or input.dtype, mask=mask)
    least = made(np.asarray(eps).astype(length.dtype.numpy), length.dtype)
    return TORCH["divide"](_filled(input, mask, 0), TORCH["maximum"](length, least))  # type: ignore[no-any-return]  # a tensor


def logaddexp(
    input: Tensor,
    other: Tensor,
    *,
    dtype: Any = None,
    input_mask: Tensor | None = None,
    other_mask: Tensor | None = None,
) -> Tensor:
    """Log(exp x + exp y), where an element outside its mask counts as −∞."""
    x, y = _filled(input, input_mask, -np.inf), _filled(other, other_mask, -np.inf)
    return TORCH["logaddexp"](x, y).to(dtype or input.dtype)  # type: ignore[no-any-return]  # a tensor


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sum": sum_,
    "prod": prod,
    "amax": _extremum("amax", True),
    "amin": _extremum("amin", False),
    "argmax": _place("argmax", True),
    "argmin": _place("argmin", False),
    "mean": mean,
    "median": median,
    "norm": norm,
    "var": _spread("var", False),
    "std": _spread("std", True),
    "logsumexp": logsumexp,
    "cumsum": _along("cumsum", "cumsum", 0),
    "cumprod": _along("cumprod", "cumprod", 1),
    "softmax": _along("softmax", "softmax", -np.inf),
    "log_softmax": _along("log_softmax", "log_softmax", -np.inf),
    "softmin": _along("softmin", "softmin", np.inf),
    "normalize": normalize,
    "logaddexp": logaddexp,
}

for _name, _function in _FUNCTIONS.items():
    _enter(_name, _function)

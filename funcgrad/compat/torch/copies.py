"""What the views show, as new memory: `expand_copy`, `permute_copy`, ...; `unsafe_` splits too."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from funcgrad.compat.torch import (  # noqa: F401  # they enter the views
    complexes,
    diagonals,
    shapes,
    splitting,
)
from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.dims import check_dim, integers
from funcgrad.compat.torch.dtypes import dtype
from funcgrad.compat.torch.entering import enter
from funcgrad.compat.torch.memory import as_strided
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.registry import MODULES, expose
from funcgrad.compat.torch.shapes import slice_of
from funcgrad.compat.torch.state import SETTINGS
from funcgrad.compat.torch.tensor import METHODS, Tensor, new_tensor

__all__ = ["empty_strided"]


def _shown(value: Any, *, path: tuple[Any, ...]) -> Any:
    """The part of an array that a chain of views shows."""
    for step, _, port in path:
        value = step.function(value)
        if port is not None:
            value = value[port]
    return value


def _shown_copy(value: Any, *, path: tuple[Any, ...]) -> Any:
    return _shown(value, path=path).copy()


def _shown_parts(value: Any, *, path: tuple[Any, ...]) -> Any:
    *before, (step, _, _) = path
    return tuple([part.copy() for part in step.function(_shown(value, path=tuple(before)))])


@cache
def _op(node: str, parts: bool) -> Op:
    return Op(node, _shown_parts if parts else _shown_copy, linear=True)


def _copying(name: str, view: Callable[..., Any], node: str) -> Callable[..., Any]:
    """The function that copies what a view shows; its node is named after that of the view."""

    def function(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        base = new_tensor(input._value, input)
        found = view(base, *args, **kwargs)
        parts = isinstance(found, tuple | list)
        if parts and not found:
            return found
        path = (found[0] if parts else found)._path
        named = node or f"{path[-1][0].op.cls.__name__}_copy"
        return _op(named, parts)(input, path=path)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The values of `{name.removesuffix('_copy')}`, in memory of their own."
    return function


def _alias(input: Tensor) -> Tensor:
    return input.view(tuple(input.shape))  # type: ignore[attr-defined,no-any-return]  # a tensor


_VIEWS = ("as_strided", "diagonal", "expand", "narrow", "permute", "select", "split",
          "split_with_sizes", "squeeze", "t", "transpose", "unbind", "unfold", "unsqueeze", "view",
          "view_as_real")  # fmt: skip
_NODES = {
    "narrow": "NarrowCopyBackward0",
    "split": "SplitBackward0_copy",
    "split_with_sizes": "SplitWithSizesBackward0_copy",
}

for _name in _VIEWS:
    _copy = f"{_name}_copy"
    _view = getattr(Tensor, _name, None) or MODULES["torch"][_name]
    enter(_copy, _copying(_copy, _view, _NODES.get(_name, "")), method=_name == "narrow")


def _slice(
    input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    return slice_of(input, check_dim(dim, input.dim()), start, end, step)


enter("slice_copy", _copying("slice_copy", _slice, "SliceBackward0_copy"), method=False)
enter("alias_copy", _copying("alias_copy", _alias, "AliasBackward0_copy"), method=False)


# --- splits whose parts may be written to -------------------------------------------------------


@expose("unsafe_split_with_sizes")
def unsafe_split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> Any:
    """Parts of the given sizes, as copies."""
    return _UNSAFE["unsafe_split_with_sizes"](input, split_sizes, dim)


@expose("unsafe_split")
def unsafe_split(tensor: Tensor, split_size: int, dim: int = 0) -> Any:
    """Parts of a size, as copies."""
    return _UNSAFE["unsafe_split"](tensor, split_size, dim)


@expose("unsafe_chunk")
def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> Any:
    """So many parts of about the same size, as copies."""
    length = input.shape[check_dim(dim, input.dim())]
    if chunks < 1:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    return unsafe_split(input, max(-(-length // chunks), 1), dim)


_UNSAFE = {
    "unsafe_split": _copying("unsafe_split", MODULES["torch"]["split"], "UnsafeSplitBackward0"),
    "unsafe_split_with_sizes": _copying(
        "unsafe_split_with_sizes",
        MODULES["torch"]["split_with_sizes"],
        "UnsafeSplitWithSizesBackward0",
    ),
}


# --- writing through strides, and adding up to a size -------------------------------------------


@expose("as_strided_scatter")
def as_strided_scatter(
    input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None
) -> Tensor:
    """A copy of a tensor, of which the part shown by strides is another tensor."""
    numbers = made(np.arange(input.numel()).reshape(tuple(input.shape)))
    places = as_strided(numbers, size, stride, storage_offset)._array()
    if tuple(src.shape) != places.shape:
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = "
            f"{list(src.shape)}, slice size = {list(places.shape)}"
        )
    if np.unique(places).size < places.size:
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a "
            "single memory location. Please clone() the tensor before performing the operation."
        )
    return _scatter_op(input, src, places=places)  # type: ignore[no-any-return]  # a tensor


def _scattered(x: Any, part: Any, *, places: Any) -> Any:
    """x with `part` at flat places, each written once."""
    chosen = np.full(int(np.prod(x.shape)), -1)
    chosen[places.reshape(-1)] = np.arange(places.size)
    if not places.size:
        return x.copy()
    spread = np.reshape(part, (-1,))[np.maximum(chosen, 0)]
    return np.reshape(np.where(chosen >= 0, spread, np.reshape(x, (-1,))), x.shape)


_scatter_op = Op("AsStridedScatterBackward0", _scattered, promote="same", linear=True)


@expose("sum_to_size")
def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """The sum over the axes that broadcasting a tensor of this size would have repeated."""
    wanted = integers(size)
    shape = tuple(self.shape)
    lead = len(shape) - len(wanted)
    fits = lead >= 0 and all(a in (1, b) for a, b in zip(wanted, shape[lead:], strict=True))
    if not fits:
        raise RuntimeError(f"size {{{list(wanted)}}} is not expandable to size {{{list(shape)}}}.")
    found: Any = self
    inner = tuple(i for i, n in enumerate(wanted, lead) if n == 1 and shape[i] != 1)
    if inner or lead:
        found = found.sum((*range(lead), *inner), keepdim=True)
    return found.reshape(wanted) if lead else found  # type: ignore[no-any-return]  # a tensor


# --- memory that is laid out by strides ---------------------------------------------------------


@expose("empty_strided", method=False)
def empty_strided(
    size: Any,
    stride: Any,
    *,
    dtype: dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of these sizes and strides (in elements), whose values are zeros."""
    shape, steps = integers((size,)), integers((stride,))
    if len(shape) != len(steps):
        raise RuntimeError(
            f"dimensionality of sizes ({len(shape)}) must match dimensionality of strides "
            f"({len(steps)})"
        )
    kind = dtype or SETTINGS.default_dtype
    length = 1 + sum((n - 1) * step for n, step in zip(shape, steps, strict=True))
    memory = np.zeros(0 if 0 in shape else length, kind.numpy)
    bytes_each = memory.itemsize
    array = np.lib.stride_tricks.as_strided(memory, shape, [step * bytes_each for step in steps])
    return made(array, kind, requires_grad, device)


@expose("empty_permuted", method=False)
def empty_permuted(size: Any, physical_layout: Any, **options: Any) -> Tensor:
    """A tensor whose axes lie in memory in the order given, the innermost last."""
    shape, order = integers((size,)), integers((physical_layout,))
    if sorted(order) != list(range(len(shape))):
        raise RuntimeError(
            f"Number of dimensions in size does not match the length of the physical_layout; or "
            f"it is no permutation: {list(order)}"
        )
    steps, step = [0] * len(shape), 1
    for axis in reversed(order):
        steps[axis] = step
        step *= max(shape[axis], 1)
    return empty_strided(shape, steps, **options)


def _new_empty_strided(self: Tensor, size: Any, stride: Any, **options: Any) -> Tensor:
    """`torch.empty_strided` of the same type."""
    if options.get("dtype") is None:
        options["dtype"] = self.dtype
    return empty_strided(size, stride, **options)


Tensor.new_empty_strided = _new_empty_strided  # type: ignore[attr-defined]  # a method, entered here


# --- membership ---------------------------------------------------------------------------------


@expose("isin", method=False)
def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False,
    out: Any = None,
) -> Tensor:  # fmt: skip
    """For each element whether it is among the test elements."""
    plain = METHODS["plain"]
    x, y = (
        plain(one._value, "isin") if isinstance(one, Tensor) else np.asarray(one)
        for one in (elements, test_elements)
    )
    found = made(np.asarray(np.isin(x, y, assume_unique=False, invert=invert)))
    return found if out is None else out.copy_(found)

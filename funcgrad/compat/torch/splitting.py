"""Tensors taken apart: views of their parts."""

from typing import Any

from funcgrad.compat.torch.dims import check_dim, integers
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.shapes import (
    FULL,
    slice_of,
)
from funcgrad.compat.torch.tensor import METHODS, Tensor
from funcgrad.compat.torch.views import View

__all__ = ["chunk", "split", "tensor_split", "unbind"]

# --- taken apart ------------------------------------------------------------------------------


def _parts(x: Any, *, dim: int, ends: tuple[int, ...]) -> tuple[Any, ...]:
    lead = (FULL,) * dim
    return tuple([x[(*lead, slice(a, b))] for a, b in zip((0, *ends), ends, strict=False)])


split_op = View("SplitBackward0", _parts)
split_with_sizes_op = View("SplitWithSizesBackward0", _parts)
unbind_op = View(
    "UnbindBackward0",
    lambda x, *, dim: tuple([x[(FULL,) * dim + (i, ...)] for i in range(x.shape[dim])]),
)


@expose("unbind")
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The parts at each index along an axis."""
    if not input.dim():
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    return unbind_op(input, dim=check_dim(dim, input.dim()))  # type: ignore[no-any-return]  # tensors


METHODS["unbind"] = unbind


@expose("split_with_sizes")
def split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of given lengths along an axis."""
    sizes = integers((split_sizes,))
    at = check_dim(dim, input.dim())
    if sum(sizes) != input.shape[at]:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {input.shape[at]} (input "
            f"tensor's size at dimension {at}), but got split_sizes={list(sizes)}"
        )
    ends = tuple([sum(sizes[: i + 1]) for i in range(len(sizes))])
    return split_with_sizes_op(input, dim=at, ends=ends)  # type: ignore[no-any-return]  # tensors


def _split(input: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of one length along an axis (the last may be shorter), or of given lengths."""
    if not isinstance(split_size, int):
        return split_with_sizes(input, split_size, dim)
    at = check_dim(dim, input.dim())
    if not input.dim():
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    length = input.shape[at]
    if split_size < 0:
        raise RuntimeError(
            f"split expects split_size be non-negative, but got split_size={split_size}"
        )
    if not split_size and length:
        raise RuntimeError(
            f"split_size can only be 0 if dimension size is 0, but got dimension size of {length}"
        )
    ends = tuple(range(split_size, length, split_size)) if split_size else ()
    return split_op(input, dim=at, ends=(*ends, length))  # type: ignore[no-any-return]  # tensors


def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of one length along an axis (the last may be shorter), or of given lengths."""
    return _split(tensor, split_size_or_sections, dim)


expose("split", split, method=False)
Tensor.split = _split  # type: ignore[attr-defined]  # a method, entered here


@expose("chunk")
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most so many parts of one length along an axis; the last may be shorter."""
    if not input.dim():
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    length = input.shape[check_dim(dim, input.dim())]
    size = -(-length // chunks)
    if not size:
        return split_with_sizes(input, (0,) * chunks, dim)
    return _split(input, size, dim)


def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts that begin at given indices, or a number of parts as equal as possible."""
    if not input.dim():
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    at = check_dim(dim, input.dim())
    length = input.shape[at]
    given = indices_or_sections
    if isinstance(given, Tensor):
        given = given.tolist()
    if isinstance(given, int):
        if given <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {given}")
        small, more = divmod(length, given)
        ends = [(i + 1) * small + min(i + 1, more) for i in range(given)]
        starts = [0, *ends[:-1]]
    else:
        starts, ends = [0, *given], [*given, length]
    return tuple([slice_of(input, at, a, b) for a, b in zip(starts, ends, strict=True)])


@expose("tensor_split")
def _tensor_split(
    input: Tensor,
    indices_or_sections: Any = None,
    dim: int = 0,
    *,
    indices: Any = None,
    sections: Any = None,
    tensor_indices_or_sections: Any = None,
) -> tuple[Tensor, ...]:
    """Parts that begin at given indices, or a number of parts as equal as possible."""
    for given in (indices_or_sections, indices, sections, tensor_indices_or_sections):
        if given is not None:
            return tensor_split(input, given, dim)
    raise TypeError("tensor_split() received an invalid combination of arguments")


def _splitter(name: str, least: int, axis: int) -> Any:
    def split_along(input: Tensor, *given: Any, **named: Any) -> tuple[Tensor, ...]:
        """Parts along a fixed axis: at given indices, or a number of equal parts."""
        if input.dim() < least:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor "
                f"with {input.dim()} dimensions!"
            )
        at = 0 if name == "hsplit" and input.dim() == 1 else axis
        values = given or tuple(named.values())
        sections = values[0] if len(values) == 1 else values
        if isinstance(sections, int) and (sections <= 0 or input.shape[at] % sections):
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {at}, but the size of the "
                f"dimension {input.shape[at]} is not divisible by the split_size {sections}!"
            )
        return tensor_split(input, sections, at)

    return split_along


for _name, _least, _axis in (("hsplit", 1, 1), ("vsplit", 2, 0), ("dsplit", 3, 2)):
    expose(_name, _splitter(_name, _least, _axis))

"""Diagonals and triangles of matrices, and tensors with a part replaced."""

from itertools import combinations as choices
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.dims import check_dim
from funcgrad.compat.torch.dtypes import DTYPES
from funcgrad.compat.torch.dtypes import dtype as data_type
from funcgrad.compat.torch.indexing import with_places
from funcgrad.compat.torch.joining import stack
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.outputs import with_out
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.repeating import meshgrid
from funcgrad.compat.torch.shapes import FULL, ravel
from funcgrad.compat.torch.static import Static
from funcgrad.compat.torch.taking import masked_select_op
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.compat.torch.views import View

__all__ = ["diag", "diag_embed", "diagonal", "tril", "triu"]


def _diagonal(x: Any, *, offset: int, dim1: int, dim2: int) -> Any:
    """Elements with two equal indices (or apart by `offset`), along a new last axis."""
    if type(x) is not np.ndarray:
        return np.diagonal(x, offset, dim1, dim2)
    found = np.diagonal(x, offset, dim1, dim2)
    if not found.flags.writeable and x.flags.writeable:
        found.flags.writeable = True
    return found


diagonal_op = View("DiagonalBackward0", _diagonal)
diagonal_copy_op = Static(
    "DiagonalBackward0_copy", lambda x, *, offset: np.diagonal(x, offset).copy()
)


def _axes(name: str, rank: int, dim1: int, dim2: int) -> tuple[int, int]:
    first, second = check_dim(dim1, rank), check_dim(dim2, rank)
    if first == second:
        raise RuntimeError(f"{name} dimensions cannot be identical {dim1}, {dim2}")
    return first, second


@expose("diagonal")
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A diagonal, as a view whose last axis runs along it."""
    first, second = _axes("diagonal", input.dim(), dim1, dim2)
    return diagonal_op(input, offset=offset, dim1=first, dim2=second)  # type: ignore[no-any-return]  # a tensor


def _diag_key(count: int, offset: int, first: int, second: int, rank: int) -> tuple[Any, ...]:
    along = np.arange(count)
    key: list[Any] = [FULL] * rank
    key[first] = along + max(-offset, 0)
    key[second] = along + max(offset, 0)
    return tuple(key)


def _laid_on(x: Any, part: Any, *, offset: int, first: int, second: int) -> Any:
    """x with the last axis of a part along a diagonal."""
    rank = len(x.shape)
    moved = np.moveaxis(x, (first, second), (-2, -1))
    key = _diag_key(part.shape[-1], offset, rank - 2, rank - 1, rank)
    return np.moveaxis(fnp.at(moved)[key].set(part), (-2, -1), (first, second))


def _embedded(x: Any, *, offset: int, first: int, second: int) -> Any:
    size = x.shape[-1] + abs(offset)
    zeros = np.zeros((*x.shape[:-1], size, size), x.dtype)
    rank = len(zeros.shape)
    key = _diag_key(x.shape[-1], offset, rank - 2, rank - 1, rank)
    return np.moveaxis(fnp.at(zeros)[key].set(x), (-2, -1), (first, second))


diag_embed_op = Static("DiagEmbedBackward0", _embedded)


@expose("diag_embed")
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the last axis along a diagonal, zeros elsewhere."""
    first, second = _axes("diag_embed", input.dim() + 1, dim1, dim2)
    return diag_embed_op(input, offset=offset, first=first, second=second)  # type: ignore[no-any-return]  # a tensor


@expose("diag")
@with_out
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The matrix with a vector on a diagonal, or a diagonal of a matrix as a copy."""
    if input.dim() == 1:
        return diag_embed(input, diagonal)
    if input.dim() != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.dim()}D")
    return diagonal_copy_op(input, offset=diagonal)  # type: ignore[no-any-return]  # a tensor


@expose("diagflat")
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The matrix with all elements on a diagonal."""
    return diag_embed(ravel(input), offset)


def _triangle(name: str, function: Any) -> Any:
    op = Op(
        f"{name.capitalize()}Backward0",
        lambda x, *, k: fnp.where(function(np.ones(x.shape[-2:], bool), k), x, x.dtype.type(0)),
        linear=True,
    )

    def triangle(input: Tensor, diagonal: int = 0) -> Tensor:
        """Zeros on one side of a diagonal of the last two axes."""
        if input.dim() < 2:
            raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
        return op(input, k=int(diagonal))  # type: ignore[no-any-return]  # a tensor

    triangle.__name__ = name
    expose(name, with_out(triangle), inplace=True)
    return triangle


tril, triu = _triangle("tril", np.tril), _triangle("triu", np.triu)


def _triangle_indices(name: str, function: Any) -> Any:
    def indices(
        row: int,
        col: int,
        offset: int = 0,
        *,
        dtype: data_type | None = None,
        device: Any = None,
        layout: Any = None,
    ) -> Tensor:
        """Rows and columns of a triangle, as the two rows of a matrix."""
        kind = dtype or DTYPES["int64"]
        found = np.stack(np.nonzero(function(np.ones((row, col), bool), offset)))
        return made(found.astype(kind.numpy), kind, False, device)

    expose(name, indices, method=False)
    return indices


tril_indices = _triangle_indices("tril_indices", np.tril)
triu_indices = _triangle_indices("triu_indices", np.triu)


# --- a part replaced --------------------------------------------------------------------------

diagonal_scatter_op = Static("DiagonalScatterBackward0", _laid_on)
select_scatter_op = Static(
    "SelectScatterBackward0",
    lambda x, part, *, dim, index: fnp.at(x)[(FULL,) * dim + (index,)].set(part),
)
slice_scatter_op = Op(
    "SliceScatterBackward0",
    lambda x, part, *, dim, part_of: fnp.at(x)[(FULL,) * dim + (part_of,)].set(part),
    linear=True,
)


def _same_shape(src: Tensor, part: Any) -> None:
    if src._value.shape != part.shape:
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. src size = "
            f"{list(src._value.shape)}, slice size = {list(part.shape)}"
        )


@expose("diagonal_scatter")
def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """The tensor with a diagonal replaced."""
    first, second = _axes("diagonal", input.dim(), dim1, dim2)
    _same_shape(src, np.diagonal(np.empty(tuple(input.shape), bool), offset, first, second))
    return diagonal_scatter_op(input, src, offset=offset, first=first, second=second)  # type: ignore[no-any-return]  # a tensor


@expose("select_scatter")
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """The tensor with the part at one index replaced."""
    at = check_dim(dim, input.dim())
    length = input.shape[at]
    if not -length <= index < length:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(input.shape)} at "
            f"dimension {at}"
        )
    _same_shape(src, np.empty((*input.shape[:at], *input.shape[at + 1 :]), bool))
    return select_scatter_op(input, src, dim=at, index=index % length)  # type: ignore[no-any-return]  # a tensor


@expose("slice_scatter")
def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """The tensor with a range along an axis replaced."""
    at = check_dim(dim, input.dim())
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    start, end, step = slice(start, end, step).indices(input.shape[at])
    part_of = slice(start, max(start, end), step)
    _same_shape(src, np.empty(tuple(input.shape), bool)[(FULL,) * at + (part_of,)])
    return slice_scatter_op(input, src, dim=at, part_of=part_of)  # type: ignore[no-any-return]  # a tensor


# --- subsets ----------------------------------------------------------------------------------


@expose("combinations", method=False)
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All subsets of r elements of a vector, as rows."""
    if input.dim() != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    count = input.numel()
    if r == 0:
        return made(np.empty(0, input.dtype.numpy), input.dtype)
    grids = meshgrid(*[input] * r, indexing="ij")
    chosen = np.zeros((count,) * r, bool)
    pick = combinations_with_replacement if with_replacement else choices
    rows = list(pick(range(count), r))
    if rows:
        chosen[tuple(np.array(rows).T)] = True
    return stack([with_places(masked_select_op, (grid,), (chosen,)) for grid in grids], 1)  # type: ignore[no-any-return]  # a tensor

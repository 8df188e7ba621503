"""The same elements in another shape or order of axes."""

import warnings
from typing import Any

import numpy as np

from funcgrad.compat.torch.arguments import no_sizes
from funcgrad.compat.torch.compilation_breaks import as_one, concrete
from funcgrad.compat.torch.dims import check_dim, integers, shape_after, wrap_dims
from funcgrad.compat.torch.dtypes import DTYPES, Size, dtype
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.static import Static
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.compat.torch.views import View, is_dense, native

__all__ = ["contiguous", "expand", "flatten", "permute", "reshape", "select", "slice_of",
           "squeeze", "transpose", "unsqueeze", "view"]  # fmt: skip

FULL = slice(None)


def _expanded(x: Any, *, shape: tuple[int, ...]) -> Any:
    """The array repeated along axes of length 1, without copies."""
    if type(x) is not np.ndarray:
        return np.broadcast_to(x, shape)
    lead = len(shape) - x.ndim
    steps = (0,) * lead + tuple(
        step if old == length else 0
        for step, old, length in zip(x.strides, x.shape, shape[lead:], strict=True)
    )
    return np.lib.stride_tricks.as_strided(x, shape, steps)


view_op = View("ViewBackward0", lambda x, *, shape: np.reshape(x, shape))
alias_op = View("AliasBackward0", lambda x: x[...])
unsafe_view_op = Static("UnsafeViewBackward0", lambda x, *, shape: np.reshape(x, shape))
clone_op = Static("CloneBackward0", lambda x: x.copy())
reshape_alias_op = View("ReshapeAliasBackward0", lambda x, *, shape: np.reshape(x, shape))
expand_op = View("ExpandBackward0", _expanded)
permute_op = View("PermuteBackward0", lambda x, *, dims: np.transpose(x, dims))
transpose_op = View(
    "TransposeBackward0", lambda x, *, a, b: np.swapaxes(x, a, b) if len(x.shape) else x[...]
)
t_op = View("TBackward0", lambda x: np.transpose(x))
unsqueeze_op = View("UnsqueezeBackward0", lambda x, *, dim: np.expand_dims(x, dim))
squeeze_ops = tuple(
    View(f"SqueezeBackward{i}", lambda x, *, shape: np.reshape(x, shape)) for i in range(3)
)
select_op = View("SelectBackward0", lambda x, *, dim, index: x[(FULL,) * dim + (index, ...)])
slice_op = View(
    "SliceBackward0",
    lambda x, *, dim, start, end, step: x[(FULL,) * dim + (slice(start, end, step),)],
)
conj_op = Op("ConjBackward0", np.conj, linear=True)


# --- other shapes -----------------------------------------------------------------------------


@expose("view")
def _view(self: Tensor, *shape: Any, dtype: dtype | None = None, size: Any = None) -> Tensor:
    """The same memory in another shape, or read as another type."""
    if shape and isinstance(shape[0], DTYPES["float32"].__class__):
        dtype = shape[0]
    if dtype is not None:
        return _reread(self, dtype)
    if size is not None:
        shape = (size,)
    if not shape:
        raise no_sizes("view")
    try:
        sizes = integers(shape)
    except TypeError:
        raise no_sizes("view", *shape) from None
    return view(self, sizes)


def view(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The same memory in another shape.

    Raises:
        RuntimeError: if the elements do not lie in memory as that asks for.
    """
    value = native(tensor)
    shape = shape_after(shape, int(value.size))
    if not _can_view(value, shape):
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one "
            "dimension spans across two contiguous subspaces). Use .reshape(...) instead."
        )
    return view_op(tensor, shape=shape)  # type: ignore[no-any-return]  # a tensor


def _can_view(value: Any, shape: tuple[int, ...]) -> bool:
    if type(v := concrete(value)) is not np.ndarray or v.flags.c_contiguous or not v.size:
        return True
    return bool(np.may_share_memory(v, v.reshape(shape)))


def _reread(tensor: Tensor, kind: dtype) -> Tensor:
    if kind is tensor.dtype:
        return tensor.detach()
    value = tensor.detach()._array()
    if kind.itemsize != tensor.dtype.itemsize and (
        not value.ndim or value.strides[-1] != value.itemsize
    ):
        raise RuntimeError(
            "self.stride(-1) must be 1 to view "
            f"{tensor.dtype.legacy} as {kind.legacy} (different element sizes), but got "
            f"{value.strides[-1] // value.itemsize if value.ndim else 0}"
        )
    ratio = kind.itemsize // tensor.dtype.itemsize
    if ratio > 1 and value.shape[-1] % ratio:
        raise RuntimeError(
            f"self.size(-1) must be divisible by {ratio} to view {tensor.dtype.legacy} as "
            f"{kind.legacy} (different element sizes), but got {value.shape[-1]}"
        )
    result = tensor.detach()
    result._value = value.view(kind.numpy)
    result._dtype = kind if kind.name == "bfloat16" else None
    return result


@expose("reshape")
def _reshape(input: Tensor, *shape: Any, **named: Any) -> Tensor:
    """The elements in another shape: a view if possible, else a copy."""
    try:
        return reshape(input, integers(shape or (named["shape"],)))
    except (TypeError, KeyError):
        raise no_sizes("reshape", *shape) from None


def reshape(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The elements in another shape: a view if possible, else a copy."""
    value = native(tensor)
    shape = shape_after(shape, int(value.size))
    if _can_view(value, shape):
        op = view_op if is_dense(tensor) else reshape_alias_op
        return op(tensor, shape=shape)  # type: ignore[no-any-return]  # a tensor
    return unsafe_view_op(_dense_copy(tensor), shape=shape)  # type: ignore[no-any-return]  # a tensor


@as_one
def _dense_copy(tensor: Tensor) -> Tensor:
    result: Tensor = clone_op(tensor)
    if type(result._value) is np.ndarray and not result._value.flags.c_contiguous:
        result._value = np.ascontiguousarray(result._value)
    return result


@expose("view_as")
def _view_as(self: Tensor, other: Tensor) -> Tensor:
    """The same memory in the shape of another tensor."""
    return view(self, other.shape)


@expose("reshape_as")
def _reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """The elements in the shape of another tensor."""
    return reshape(self, other.shape)


@expose("flatten")
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from one to another as a single axis."""
    shape = input.shape
    start, end = check_dim(start_dim, len(shape)), check_dim(end_dim, len(shape))
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if not shape:
        return reshape(input, (1,))
    if start == end:
        return input
    return reshape(input, (*shape[:start], Size(shape[start : end + 1]).numel(), *shape[end + 1 :]))


@expose("unflatten")
def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """One axis as several."""
    shape = input.shape
    at = check_dim(dim, len(shape))
    sizes = integers((sizes,))
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    known = 1
    for size in sizes:
        known *= abs(size)
    if (known != shape[at] and -1 not in sizes) or (-1 in sizes and known and shape[at] % known):
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {at} "
            f"({shape[at]}) in the input tensor"
        )
    return view(input, (*shape[:at], *shape_after(sizes, shape[at]), *shape[at + 1 :]))


@expose("ravel")
def ravel(input: Tensor) -> Tensor:
    """All axes as one."""
    return view(contiguous(input), (-1,))


@expose("contiguous", method=False)
def contiguous(input: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor itself if its elements lie in C order, else a copy in which they do."""
    return input if is_dense(input) else _dense_copy(input)


Tensor.contiguous = contiguous  # type: ignore[attr-defined]  # a method, entered here


@expose("squeeze")
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Without axes of length 1: all, or those named."""
    which, shape = squeezed_shape(input, dim)
    return squeeze_ops[which](input, shape=shape)  # type: ignore[no-any-return]  # a tensor


def squeezed_shape(tensor: Tensor, dim: Any) -> tuple[int, tuple[int, ...]]:
    """Which kind of squeeze it is (all axes, one, several), and the shape after it."""
    shape = tensor.shape
    if dim is None:
        return 0, tuple(n for n in shape if n != 1)
    gone = wrap_dims(dim, len(shape))
    kept = tuple(n for i, n in enumerate(shape) if n != 1 or i not in gone)
    return 2 if isinstance(dim, tuple | list) else 1, kept


@expose("unsqueeze")
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With one more axis, of length 1."""
    return unsqueeze_op(input, dim=check_dim(dim, input.dim() + 1))  # type: ignore[no-any-return]  # a tensor


# --- repeated without copies ------------------------------------------------------------------


def expand(tensor: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Repeated along axes of length 1 and new leading axes, without copies; -1 keeps a length."""
    shape = tuple(tensor._value.shape)
    lead = len(sizes) - len(shape)
    if lead < 0:
        raise RuntimeError(
            f"expand(torch.{tensor.dtype.legacy}Tensor{{{list(shape)}}}, size={list(sizes)}): the "
            f"number of sizes provided ({len(sizes)}) must be greater or equal to the number of "
            f"dimensions in the tensor ({len(shape)})"
        )
    target = []
    for i, size in enumerate(sizes):
        old = shape[i - lead] if i >= lead else 1
        if size == -1:
            if i < lead:
                raise RuntimeError(
                    f"The expanded size of the tensor (-1) isn't allowed in a leading, "
                    f"non-existing dimension {i}"
                )
            size = old  # -1 stands for the old length
        elif old not in (1, size):
            raise RuntimeError(
                f"The expanded size of the tensor ({size}) must match the existing size ({old}) at "
                f"non-singleton dimension {i}.  Target sizes: {list(sizes)}.  Tensor sizes: "
                f"{list(shape)}"
            )
        target.append(size)
    return expand_op(tensor, shape=tuple(target))  # type: ignore[no-any-return]  # a tensor


def _expand(self: Tensor, *sizes: Any, size: Any = (), implicit: bool = False) -> Tensor:
    """Repeated along axes of length 1 and new leading axes, without copies."""
    return expand(self, integers(sizes or (size,)))


Tensor.expand = _expand  # type: ignore[attr-defined]  # as above


def _expand_as(self: Tensor, other: Tensor) -> Tensor:
    """Repeated to the shape of another tensor, without copies."""
    return expand(self, other.shape)


Tensor.expand_as = _expand_as  # type: ignore[attr-defined]  # as above


@expose("broadcast_to")
def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """Repeated to a shape, without copies."""
    return expand(input, integers((size,)))


@expose("broadcast_shapes", method=False)
def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that all of these broadcast to."""
    result: list[int] = []
    for number, shape in enumerate(shapes):
        sizes = (shape,) if isinstance(shape, int) else tuple(shape)
        while len(result) < len(sizes):
            result.insert(0, 1)
        for i in range(1, len(sizes) + 1):
            if sizes[-i] in (1, result[-i]):
                continue
            if result[-i] != 1:
                raise RuntimeError(
                    f"Attempting to broadcast a dimension of length {sizes[-i]} at {-i}! "
                    f"Mismatching argument at index {number} had {shape}; but expected shape "
                    f"should be broadcastable to {result}"
                )
            result[-i] = sizes[-i]
    return Size(result)


@expose("broadcast_tensors", method=False)
def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """All of the same shape, without copies."""
    if len(tensors) == 1 and isinstance(tensors[0], tuple | list):
        tensors = tuple(tensors[0])
    rank = max((tensor.dim() for tensor in tensors), default=0)
    shape = [1] * rank
    for tensor in tensors:
        for i in range(1, tensor.dim() + 1):
            length = tensor.shape[-i]
            if length != 1 and shape[-i] not in (1, length):
                raise RuntimeError(
                    f"The size of tensor a ({shape[-i]}) must match the size of tensor b "
                    f"({length}) at non-singleton dimension {rank - i}"
                )
            if length != 1:
                shape[-i] = length
    target = tuple(shape)
    return tuple([t if tuple(t.shape) == target else expand(t, target) for t in tensors])


# --- order of the axes ------------------------------------------------------------------------


def permute(tensor: Tensor, dims: tuple[int, ...]) -> Tensor:
    """The axes in another order."""
    if len(dims) != tensor.dim():
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the "
            f"length of the desired ordering of dimensions i.e. input.dim() = {tensor.dim()} is "
            f"not equal to len(dims) = {len(dims)}"
        )
    order = tuple([check_dim(dim, len(dims)) for dim in dims])
    if len(set(order)) < len(order):
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return permute_op(tensor, dims=order)  # type: ignore[no-any-return]  # a tensor


@expose("permute")
def _permute(input: Tensor, *dims: Any, **named: Any) -> Tensor:
    """The axes in another order."""
    return permute(input, integers(dims or (named.get("dims", ()),)))


@expose(("transpose", "swapdims"))
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two axes interchanged."""
    rank = input.dim()
    a, b = check_dim(dim0, rank), check_dim(dim1, rank)
    return transpose_op(input, a=a, b=b)  # type: ignore[no-any-return]  # a tensor


@expose("swapaxes")
def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """Two axes interchanged."""
    return transpose(input, axis0, axis1)


@expose("t")
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; vectors and numbers as they are."""
    if input.dim() > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.dim()}D")
    return t_op(input)  # type: ignore[no-any-return]  # a tensor


def _reversed(self: Tensor) -> Tensor:
    """All axes in reversed order."""
    rank = self.dim()
    if rank == 0:
        warnings.warn(
            "Tensor.T is deprecated on 0-D tensors. This function is the identity in these cases.",
            UserWarning,
            stacklevel=2,
        )
    elif rank != 2:
        warnings.warn(
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is "
            "deprecated and it will throw an error in a future release. Consider `x.mT` to "
            "transpose batches of matrices or `x.permute(*torch.arange(x.ndim - 1, -1, -1))` to "
            "reverse the dimensions of a tensor.",
            UserWarning,
            stacklevel=2,
        )
    return permute_op(self, dims=tuple(range(rank))[::-1])  # type: ignore[no-any-return]  # a tensor


def _conjugated(tensor: Tensor) -> Tensor:
    return conj_op(tensor) if tensor.dtype.is_complex else tensor


def _matrix_transpose(name: str) -> Any:
    def transposed(self: Tensor) -> Tensor:
        """The last two axes interchanged (and conjugated)."""
        rank = self.dim()
        if rank < 2:
            raise RuntimeError(
                f"tensor.{name} is only supported on matrices or batches of matrices. Got "
                f"{rank}-D tensor."
            )
        result = transpose(self, -2, -1)
        return result if name == "mT" else _conjugated(result)

    return transposed


def _hermitian(self: Tensor) -> Tensor:
    """The conjugate transpose of a matrix."""
    if self.dim() != 2:
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {self.dim()}-D tensor."
            + (" For batches of matrices, consider using tensor.mH" if self.dim() > 2 else "")
        )
    return _conjugated(transpose(self, 0, 1))


expose("adjoint", _matrix_transpose("adjoint()"))
Tensor.T = property(_reversed)  # type: ignore[attr-defined]  # as above
Tensor.mT = property(_matrix_transpose("mT"))  # type: ignore[attr-defined]  # as above
Tensor.mH = property(_matrix_transpose("mH"))  # type: ignore[attr-defined]  # as above
Tensor.H = property(_hermitian)  # type: ignore[attr-defined]  # as above


@expose(("movedim", "moveaxis"))
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Some axes moved to other places."""
    rank = input.dim()
    given = [dim if isinstance(dim, tuple | list) else (dim,) for dim in (source, destination)]
    sources, places = (tuple([check_dim(one, rank) for one in dims]) for dims in given)
    for name, dims, own in (("source", sources, given[0]), ("destination", places, given[1])):
        if len(set(dims)) < len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(own)})")
    if len(sources) != len(places):
        raise RuntimeError(
            "movedim: Invalid source or destination dims: source "
            f"({list(sources)} dims) should contain the same number of dims as destination "
            f"({list(places)} dims)"
        )
    if not rank:
        return alias_op(input)  # type: ignore[no-any-return]  # a tensor
    rest = [dim for dim in range(rank) if dim not in sources]
    for place, dim in sorted(zip(places, sources, strict=True)):
        rest.insert(place, dim)
    return permute_op(input, dims=tuple(rest))  # type: ignore[no-any-return]  # a tensor


# --- parts ------------------------------------------------------------------------------------


@expose("select")
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The part at one index along an axis."""
    shape = input.shape
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    at = check_dim(dim, len(shape))
    index = int(index)
    if not -shape[at] <= index < shape[at]:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(shape)} at dimension "
            f"{at}"
        )
    return select_op(input, dim=at, index=index)  # type: ignore[no-any-return]  # a tensor


def slice_of(tensor: Tensor, dim: int, start: Any, end: Any, step: int = 1) -> Tensor:
    """The part from `start` to before `end` along an axis."""
    start, end, step = slice(start, end, step).indices(tensor._value.shape[dim])
    return slice_op(tensor, dim=dim, start=start, end=max(start, end), step=step)  # type: ignore[no-any-return]  # a tensor


@expose("narrow")
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`length` elements from `start` on along an axis."""
    if not input.dim():
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    at = check_dim(dim, input.dim())
    size = input.shape[at]
    start = int(start)
    if not -size <= start <= size:
        raise IndexError(
            f"start out of range (expected to be in range of [-{size}, {size}], but got {start})"
        )
    start += size if start < 0 else 0
    if start + length > size:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return slice_of(input, at, start, start + length)

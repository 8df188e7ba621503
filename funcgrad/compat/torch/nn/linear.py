"""Linear and bilinear maps, embeddings and one-hot vectors."""

from typing import Any, NoReturn

import numpy as np

import funcgrad.numpy as fnp
from funcgrad import stop_gradient
from funcgrad.compat.torch.added_products import addmm
from funcgrad.compat.torch.arguments import kind_of, refuse
from funcgrad.compat.torch.compilation_breaks import check_places, known
from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.dtypes import DTYPES
from funcgrad.compat.torch.grad_mode import no_grad
from funcgrad.compat.torch.indexing import elements
from funcgrad.compat.torch.inplace import overwrite
from funcgrad.compat.torch.nn.common import entered, scalar_name, value_of
from funcgrad.compat.torch.nn.gathering import rows_of
from funcgrad.compat.torch.nn.short import all_plain
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.registry import MODULES
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.core.tracer import Tracer

__all__ = ["bilinear", "embedding", "linear", "one_hot"]

UNKNOWN = (
    "When vmap-ing torch.nn.functional.one_hot, please provide an explicit positive num_classes "
    "argument."
)


def _trilinear(x: Any, weight: Any, y: Any) -> Any:
    return fnp.einsum("ni,oij,nj->no", x, weight, y)


def _embedding(
    weight: Any, indices: Any, *, padding: int | None, counts: Any, sparse: bool = False
) -> Any:
    """Rows of a matrix; no derivative for padding, a share of it for words used several times."""
    del sparse
    rows = elements(weight, indices if indices.shape else np.reshape(indices, (1,)))
    if not indices.shape:
        rows = rows[0]
    if padding is None and counts is None:
        return rows
    fixed = stop_gradient(rows)
    if counts is not None:
        rows = fixed + (rows - fixed) / elements(counts, indices)[..., None]
    if padding is not None:
        rows = fnp.where(np.expand_dims(indices == padding, -1), fixed, rows)
    return rows


trilinear_op = Op("TrilinearBackward0", _trilinear)
embedding_op = Op("EmbeddingBackward0", _embedding)


@entered("linear")
def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """x Wᵀ + b.

    Args:
        input: x, (..., n).
        weight: W, (m, n) or (n).
        bias: b, (m) or ().
    """
    try:
        shape, rank = input._value.shape, weight._value.ndim
    except AttributeError:
        _refuse("linear", ("input", input), ("weight", weight))
    if not shape or not rank:
        raise RuntimeError(
            f"both arguments to linear need to be at least 1D, but they are {len(shape)}D and "
            f"{rank}D"
        )
    if bias is None:
        return input.matmul(weight.t())
    try:
        if len(shape) == 2 and rank == 2:
            return addmm(bias, input, weight.t())
        if rank != 2:
            return input.matmul(weight.t()) + bias
        if not input.is_contiguous():
            return input.matmul(weight.t()) + bias
        flat = input.view(-1, shape[-1]) if input._value.size else input.reshape(-1, shape[-1])
        result = addmm(bias, flat, weight.t())
    except RuntimeError:
        _check_types(input, weight, bias)
        raise
    except (AttributeError, TypeError):
        refuse("nn.functional.linear", linear, input, weight, bias)
        raise
    return result.view(*shape[:-1], weight._value.shape[0])


def _refuse(function: str, *given: tuple[str, Any]) -> NoReturn:
    """Say which argument is no tensor.

    Raises:
        TypeError: always.
    """
    for place, (word, value) in enumerate(given, 1):
        if not isinstance(value, Tensor):
            raise TypeError(
                f"{function}(): argument '{word}' (position {place}) must be Tensor, not "
                f"{kind_of(value)}"
            )
    raise TypeError(f"{function}(): the arguments must be tensors")


def _check_types(x: Any, weight: Any, bias: Any) -> None:
    """Refuse parameters of other types than the input.

    Raises:
        RuntimeError: in PyTorch's words.
    """
    for word, one in (("mat1", x), ("self", bias)):
        if one.dtype is not weight.dtype:
            raise RuntimeError(
                f"{word} and mat2 must have the same dtype, but got {scalar_name(one.dtype)} and "
                f"{scalar_name(weight.dtype)}"
            ) from None


@entered("bilinear", torch=True)
def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """xᵀ Wₖ y + bₖ for each k.

    Args:
        input1: x, (..., n).
        input2: y, (..., m).
        weight: W, (k, n, m).
        bias: b, (k).
    """
    a, b, w = input1._value.shape, input2._value.shape, weight._value.shape
    if len(a) != len(b):
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {len(a)} and {len(b)}")
    if a[:-1] != b[:-1]:
        i = next(i for i in range(len(a)) if a[i] != b[i])
        raise RuntimeError(
            f"bilinear(): input batch dimensions do not match at dim {i}: got {a[i]} and {b[i]}"
        )
    for number, (found, wanted) in enumerate(((a[-1], w[1]), (b[-1], w[2])), 1):
        if found != wanted:
            raise RuntimeError(
                f"bilinear(): input{number} size does not match weight size: got {found} but "
                f"expected {wanted}"
            )
    if bias is not None and bias._value.shape != (w[0],):
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {bias.size(0)} but expected "
            f"{w[0]}"
        )
    named = {"input1": input1, "input2": input2, "weight": weight, "bias": bias}
    kinds = {word: one.dtype for word, one in named.items() if one is not None}
    if len(set(kinds.values())) > 1:
        shown = ", ".join(f"{word}: {kind.c_name}" for word, kind in kinds.items())
        raise RuntimeError(f"All tensors must have the same dtype, got {shown}")
    flat1, flat2 = (x.contiguous().view(-1, x._value.shape[-1]) for x in (input1, input2))
    result = trilinear_op(flat1, weight, flat2).view(*a[:-1], w[0])
    return result if bias is None else result + bias


def renormalise(weight: Any, indices: Any, max_norm: float, order: float) -> None:
    """Shrink the rows that are used, in place, to a norm of at most `max_norm`."""
    values = np.array(weight.detach()._value)
    rows = np.unique(indices)
    norms = np.linalg.norm(values[rows], order, -1)
    factors = np.where(norms > max_norm, max_norm / (norms + 1e-7), 1).astype(values.dtype)
    values[rows] *= factors[:, None]
    with no_grad():
        overwrite(weight, made(values, weight.dtype))


def _check_indices(input: Any, weight: Any) -> None:
    """Refuse what are no indices, and what is no matrix.

    Raises:
        RuntimeError: for another type or number of axes.
        TypeError: for what is no tensor.
    """
    if not isinstance(input, Tensor):
        raise TypeError(
            f"embedding(): argument 'indices' (position 2) must be Tensor, not {kind_of(input)}"
        )
    kind = input.dtype
    if kind.name not in ("int64", "int32"):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
            f"Long, Int; but got torch.{scalar_name(kind)}Tensor instead (while checking arguments "
            "for embedding)"
        )
    if weight._value.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")


def _frequencies(indices: Any, rows: int, kind: Any) -> Any:
    """How often each row is used."""
    line = np.reshape(indices, (-1,))
    if isinstance(indices, Tracer):
        return np.sum(np.expand_dims(line, -1) == np.arange(rows), axis=0).astype(kind)
    return np.bincount(line, minlength=rows).astype(kind)


@entered("embedding")
def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """Row i of the weight for each index i.

    Args:
        input: indices, int32 or int64, of any shape.
        weight: (n, d).
        padding_idx: row that gets no gradient.
        max_norm: rows that are used are shrunk to this norm, in place.
        norm_type: the p of that norm.
        scale_grad_by_freq: whether gradients are divided by how often an index occurs.
        sparse: no difference: gradients are dense.
    """
    _check_indices(input, weight)
    rows = weight._value.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx %= rows
    indices = value_of(input)
    traced = isinstance(indices, Tracer)
    check_places(indices, 0, rows)
    if not traced and indices.size and (np.min(indices) < 0 or np.max(indices) >= rows):
        if max_norm is None:
            raise IndexError("index out of range in self")
        first = indices[(indices < 0) | (indices >= rows)].flat[0]
        raise IndexError(
            f"select(): index {first} out of range for tensor of size {list(weight._value.shape)} "
            "at dimension 0"
        )
    if max_norm is not None:
        renormalise(weight, known(indices), max_norm, norm_type)
    counts = _frequencies(indices, rows, weight._value.dtype) if scale_grad_by_freq else None
    if traced:
        return embedding_op(weight, input, padding=padding_idx, counts=counts)
    if counts is None and type(indices) is np.ndarray and all_plain(weight):
        return rows_of(embedding_op, weight, indices, padding_idx)
    return embedding_op(weight, indices=indices, padding=padding_idx, counts=counts)


@entered("one_hot")
def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """1 at the class and 0 elsewhere, along a new last axis, as int64.

    Args:
        tensor: class numbers, int64, of any shape.
        num_classes: length of the new axis; by default what the largest number needs.
    """
    if tensor.dtype is not DTYPES["int64"]:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    labels = value_of(tensor)
    if isinstance(labels, Tracer):
        check_places(labels, 0, num_classes)
        if num_classes < 1:
            raise RuntimeError(UNKNOWN if num_classes == -1 else "num_classes should be positive")
        return one_hot_op(tensor, classes=num_classes)
    if not labels.size:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return made(np.zeros((*labels.shape, num_classes), np.int64))
    if np.any(labels < 0):
        raise RuntimeError("Class values must be non-negative.")
    if num_classes == -1:
        num_classes = int(np.max(labels)) + 1
    elif num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    elif np.any(labels >= num_classes):
        raise RuntimeError("Class values must be smaller than num_classes.")
    return one_hot_op(tensor, classes=num_classes)


def _one_hot(labels: Any, *, classes: int) -> Any:
    return (np.expand_dims(labels, -1) == np.arange(classes)).astype(np.int64)


one_hot_op = Op(None, _one_hot)


def _torch_embedding(
    weight: Any,
    indices: Any,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """Row i of the weight for each index i."""
    padding = None if padding_idx < 0 else padding_idx
    return embedding(indices, weight, padding, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)


MODULES["torch"].setdefault("embedding", _torch_embedding)

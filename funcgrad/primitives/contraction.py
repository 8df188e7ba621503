"""Products that sum: the primitives matmul and einsum, and the functions made of matmul."""

import math
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.core.foreign import duplicate
from funcgrad.core.protocols import DISPATCH, implements
from funcgrad.core.tracer import bind
from funcgrad.families.linear import multilinear
from funcgrad.families.shapes import (
    as_operand,
    dtype_of,
    is_complex,
    negative_axis,
    rank_of,
    shape_of,
    unbroadcast,
)
from funcgrad.primitives.plain import implements_traced, is_traced, refuse_out
from funcgrad.primitives.structural import astype, moveaxis, reshape, swapaxes, transpose

__all__ = ["dot", "einsum_p", "matmul", "matmul_p", "tensordot"]

MANY_PRODUCTS = 20_000
"""From so many multiplications on, an einsum of two operands goes through BLAS."""


# --- matmul -----------------------------------------------------------------------------------


def _matmul_value(a: Any, b: Any) -> Any:
    plain = type(a) is np.ndarray and type(b) is np.ndarray
    if plain and a.ndim <= 2 and b.ndim <= 2 and a.dtype == b.dtype:
        return np.dot(a, b)  # half the overhead of matmul on small matrices
    return np.matmul(a, b)


def _rows(x: Any) -> Any:
    """All but the last axis joined: shape (m, n)."""
    shape = shape_of(x)
    return reshape(x, (math.prod(shape[:-1]), shape[-1]))


def _matmul_transpose(ct: Any, position: int, a: Any, b: Any) -> Any:
    if position == 0:
        if b.ndim == 1:
            part = np.multiply(ct, b) if a.ndim == 1 else np.expand_dims(ct, -1) * b
        elif a.ndim == 1:
            part = matmul(np.expand_dims(ct, -2), swapaxes(b, -1, -2))[..., 0, :]
        else:
            part = matmul(ct, swapaxes(b, -1, -2))
        return unbroadcast(part, a.shape)
    if a.ndim == 1:
        part = np.multiply(ct, a) if b.ndim == 1 else np.expand_dims(a, -1) * np.expand_dims(ct, -2)
    elif b.ndim == 1:
        part = matmul(reshape(ct, (math.prod(shape_of(ct)),)), _rows(a))
    elif b.ndim == 2 and a.ndim > 2:  # one large product in place of many small ones
        part = matmul(swapaxes(_rows(a), -1, -2), _rows(ct))
    else:
        part = matmul(swapaxes(a, -1, -2), ct)
    return unbroadcast(part, b.shape)


def _matmul_batch(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    del size, params
    a, b = values
    ranks = rank_a, rank_b = rank_of(a) - batched[0], rank_of(b) - batched[1]
    if batched[0] and not batched[1]:
        if rank_b == 1 or ranks == (1, 2):
            return bind(matmul_p, a, b)
        if ranks == (2, 2):  # fold the batch into the rows: one product
            return reshape(bind(matmul_p, _rows(a), b), (*a.shape[:-1], b.shape[-1]))
    if batched[1] and not batched[0] and rank_b == 1 and rank_a <= 2:
        return bind(matmul_p, b, a if rank_a == 1 else swapaxes(a, -1, -2))
    if rank_a == 1:
        a = np.expand_dims(a, -2)
    if rank_b == 1:
        b = np.expand_dims(b, -1)
    inner = max(rank_a, rank_b, 2)
    operands = []
    for value, flag, rank in ((a, batched[0], max(rank_a, 2)), (b, batched[1], max(rank_b, 2))):
        if flag and rank != inner:
            shape = value.shape
            value = reshape(value, shape[:1] + (1,) * (inner - rank) + shape[1:])
        operands.append(value)
    out = bind(matmul_p, *operands)
    if rank_b == 1:
        out = out[..., 0]
    if rank_a == 1:
        out = out[..., 0] if rank_b == 1 else out[..., 0, :]
    return out


matmul_p = multilinear("matmul", _matmul_value, _matmul_transpose, _matmul_batch)


@implements(np.matmul, np.linalg.matmul)
def matmul(x1: Any, x2: Any, /, **options: Any) -> Any:
    """`numpy.matmul`."""
    x1, x2 = as_operand(x1), as_operand(x2)
    if type(x1) is np.ndarray and type(x2) is np.ndarray:
        refuse_out("matmul", options.get("out"))
        return np.matmul(x1, x2, **options)  # to the last bit, which np.dot may round differently
    if options:
        return _general_ufunc(matmul, (x1, x2), (2, 2, 2), options)
    if rank_of(x1) == 0 or rank_of(x2) == 0:
        raise ValueError(
            f"matmul: operands of shapes {shape_of(x1)} and {shape_of(x2)}. Each needs at least "
            "one axis. Use *."
        )
    return bind(matmul_p, x1, x2)


def _general_ufunc(
    function: Any, operands: Sequence[Any], core: tuple[int, ...], options: dict[str, Any]
) -> Any:
    """Options of NumPy's generalised ufuncs: `axes=`, `axis=`, `keepdims=`, `dtype=`.

    Args:
        function: the function on operands whose core axes are the last.
        operands: two of them.
        core: number of core axes of each operand and of the result.
        options: as given.
    """
    options = dict(options)
    refuse_out(function.__name__, options.pop("out", None))
    dtype, axes = options.pop("dtype", None), options.pop("axes", None)
    axis, keepdims = options.pop("axis", None), options.pop("keepdims", False)
    for harmless in ("casting", "order", "subok"):
        options.pop(harmless, None)
    if options or ((axis is not None or keepdims) and core != (1, 1, 0)):
        raise TypeError(f"{function.__name__}() got an unexpected keyword argument in {options}")
    if dtype is not None:
        operands = [astype(operand, dtype) for operand in operands]
    if axis is not None:
        axes = [axis, axis]
    if axes is None:
        out = function(*operands)
        return np.expand_dims(out, -1) if keepdims else out
    places = [one if isinstance(one, tuple | list) else (one,) for one in axes]
    moved = [
        moveaxis(operand, tuple(place), tuple(range(-count, 0)))
        for operand, place, count in zip(operands, places, core, strict=False)
    ]
    out = function(*moved)
    if keepdims:
        return np.expand_dims(out, places[0])
    if core[2] and len(places) > 2:
        out = moveaxis(out, tuple(range(-core[2], 0)), tuple(places[2]))
    return out


# --- einsum -----------------------------------------------------------------------------------


def _einsum_value(*operands: Any, spec: str) -> Any:
    if len(operands) < 2:
        return duplicate(np.einsum(spec, *operands))[()]  # np.einsum may give a view
    sizes: dict[str, int] = {}
    for term, operand in zip(spec.split("->")[0].split(","), operands, strict=True):
        sizes.update(zip(term, np.shape(operand), strict=True))
    many = math.prod(sizes.values()) >= MANY_PRODUCTS
    return np.einsum(spec, *operands, optimize=many or len(operands) > 2)


def _einsum_transpose(ct: Any, position: int, *operands: Any, spec: str) -> Any:
    """The cotangent of one operand: the einsum of all others, and of `ct` in place of the result.

    A letter that nothing else has is summed away, so it comes back by ones; a letter that the
    operand has twice is put on a diagonal.
    """
    left, out = spec.split("->")
    terms = left.split(",")
    mine = terms[position]
    others = [term for i, term in enumerate(terms) if i != position]
    values = [value for i, value in enumerate(operands) if i != position]
    shape = dict(zip(mine, operands[position].shape, strict=True))
    seen = set(out).union(*others)
    lost = "".join(letter for letter in shape if letter not in seen)
    if lost:
        others.append(lost)
        values.append(np.ones([shape[letter] for letter in lost], ct.dtype))
    once = "".join(shape)
    part = bind(einsum_p, ct, *values, spec=",".join([out, *others]) + "->" + once)
    while once != mine:
        part, once = _on_diagonal(part, once, mine, shape)
    return part


def _on_diagonal(part: Any, once: str, mine: str, shape: dict[str, int]) -> tuple[Any, str]:
    """Give an array with axes `once` the axes `mine`, where letters may be repeated."""
    fresh = iter(letter for letter in string.ascii_letters if letter not in mine)
    names, eyes, seen = "", [], set()
    for letter in mine:
        if letter in seen:
            twin = next(fresh)
            eyes.append(letter + twin)
            names += twin
        else:
            seen.add(letter)
            names += letter
    values = [np.eye(shape[eye[0]], dtype=part.dtype) for eye in eyes]
    return bind(einsum_p, part, *values, spec=",".join([once, *eyes]) + "->" + names), mine


def _einsum_batch(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    del size
    left, out = params["spec"].split("->")
    free = next(letter for letter in string.ascii_letters if letter not in params["spec"])
    terms = [free * flag + term for term, flag in zip(left.split(","), batched, strict=True)]
    return bind(einsum_p, *values, spec=",".join(terms) + f"->{free}{out}")


einsum_p = multilinear("einsum", _einsum_value, _einsum_transpose, _einsum_batch)


# --- functions made of matmul -----------------------------------------------------------------


@implements_traced(np.dot)
def dot(a: Any, b: Any, out: Any = None) -> Any:
    """`numpy.dot`, of operands of all ranks."""
    refuse_out("dot", out)
    a, b = as_operand(a), as_operand(b)
    ranks = rank_of(a), rank_of(b)
    if 0 in ranks:
        return np.multiply(_with_dtype(a), _with_dtype(b))
    if ranks[1] == 1 or max(ranks) <= 2:
        return DISPATCH[np.matmul](a, b)  # it has a fast path
    return tensordot(a, b, axes=(-1, -2))


def _with_dtype(x: Any) -> Any:
    """An operand that does not give way: of a Python number, products make an array."""
    if dtype_of(x) is not None:
        return x
    return astype(x, x.dtype) if is_traced(x) else np.asarray(x)[()]


@implements_traced(np.inner)
def inner(a: Any, b: Any, /) -> Any:
    """`numpy.inner`: the sum product over the last axes."""
    a, b = as_operand(a), as_operand(b)
    if rank_of(a) == 0 or rank_of(b) == 0:
        return np.multiply(_with_dtype(a), _with_dtype(b))
    if rank_of(b) == 1:
        return bind(matmul_p, a, b)
    return tensordot(a, b, axes=(-1, -1))


@implements_traced(np.vdot)
def vdot(a: Any, b: Any, /) -> Any:
    """`numpy.vdot`: Σ conj(aᵢ) bᵢ over all elements."""
    a, b = as_operand(a), as_operand(b)
    return bind(matmul_p, reshape(_conjugate(a), (-1,)), reshape(b, (-1,)))


def _conjugate(x: Any) -> Any:
    return np.conjugate(x) if is_complex(x) else x


@implements_traced(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> Any:
    """`numpy.outer`: aᵢ bⱼ of the flattened operands."""
    refuse_out("outer", out)
    a, b = as_operand(a), as_operand(b)
    return np.multiply(reshape(a, (-1, 1)), reshape(b, (1, -1)))


@implements_traced(np.linalg.outer)
def linalg_outer(x1: Any, x2: Any, /) -> Any:
    """`numpy.linalg.outer`: of vectors only."""
    x1, x2 = as_operand(x1), as_operand(x2)
    if rank_of(x1) != 1 or rank_of(x2) != 1:
        raise ValueError(
            "Input arrays must be one-dimensional, but they are "
            f"x1.ndim={rank_of(x1)} and x2.ndim={rank_of(x2)}."
        )
    return outer(x1, x2)


@implements_traced(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """`numpy.tensordot`, as one matrix product."""
    a, b = as_operand(a), as_operand(b)
    rank_a, rank_b = rank_of(a), rank_of(b)
    if hasattr(axes, "__index__"):
        number = int(axes)
        left, right = list(range(-number, 0)), list(range(number))
    else:
        left, right = ([one] if hasattr(one, "__index__") else list(one) for one in axes)
    left = [negative_axis(one, rank_a) for one in left]
    right = [negative_axis(one, rank_b) for one in right]
    shape_a, shape_b = shape_of(a), shape_of(b)
    lengths = [shape_a[one] for one in left]
    if lengths != [shape_b[one] for one in right]:
        raise ValueError("shape-mismatch for sum")
    kept_a = [one for one in range(-rank_a, 0) if one not in left]
    kept_b = [one for one in range(-rank_b, 0) if one not in right]
    free_a, free_b = [shape_a[one] for one in kept_a], [shape_b[one] for one in kept_b]
    summed = math.prod(lengths)
    rows = reshape(transpose(a, (*kept_a, *left)), (math.prod(free_a), summed))
    columns = reshape(transpose(b, (*right, *kept_b)), (summed, math.prod(free_b)))
    return reshape(bind(matmul_p, rows, columns), (*free_a, *free_b))


implements_traced(np.linalg.tensordot)(lambda x1, x2, /, *, axes=2: tensordot(x1, x2, axes))


@implements_traced(np.vecdot)
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1, **options: Any) -> Any:
    """`numpy.vecdot`: Σ conj(x1ᵢ) x2ᵢ over the last axes."""
    x1, x2 = as_operand(x1), as_operand(x2)
    if axis != -1:
        options["axis"] = axis
    if options:
        return _general_ufunc(vecdot, (x1, x2), (1, 1, 0), options)
    x1 = _conjugate(x1)
    if rank_of(x1) == rank_of(x2) == 1:
        return bind(matmul_p, x1, x2)
    if shape_of(x1)[-1:] != shape_of(x2)[-1:]:
        raise ValueError(
            f"vecdot: operands of shapes {shape_of(x1)} and {shape_of(x2)}. Their last axes differ."
        )
    return np.einsum("...i,...i->...", x1, x2)


@implements_traced(np.linalg.vecdot)
def linalg_vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """`numpy.linalg.vecdot`."""
    return vecdot(x1, x2) if axis == -1 else vecdot(x1, x2, axis=axis)


if hasattr(np, "matvec"):  # NumPy 2.2

    @implements_traced(np.matvec)
    def matvec(x1: Any, x2: Any, /, **options: Any) -> Any:
        """`numpy.matvec`: matrices times vectors."""
        x1, x2 = as_operand(x1), as_operand(x2)
        if options:
            return _general_ufunc(matvec, (x1, x2), (2, 1, 1), options)
        _check_ranks("matvec", x1, 2, x2, 1)
        return matmul(x1, np.expand_dims(x2, -1))[..., 0]

    @implements_traced(np.vecmat)
    def vecmat(x1: Any, x2: Any, /, **options: Any) -> Any:
        """`numpy.vecmat`: conjugated vectors times matrices."""
        x1, x2 = as_operand(x1), as_operand(x2)
        if options:
            return _general_ufunc(vecmat, (x1, x2), (1, 2, 1), options)
        _check_ranks("vecmat", x1, 1, x2, 2)
        return matmul(np.expand_dims(_conjugate(x1), -2), x2)[..., 0, :]


def _check_ranks(name: str, x1: Any, least1: int, x2: Any, least2: int) -> None:
    for number, x, least in ((0, x1, least1), (1, x2, least2)):
        if rank_of(x) < least:
            raise ValueError(
                f"{name}: operand {number} has the shape {shape_of(x)}, but needs {least} axes or "
                "more. A matrix has two, a vector one."
            )


@implements_traced(np.kron)
def kron(a: Any, b: Any) -> Any:
    """`numpy.kron`: all products of an element of `a` with one of `b`, in blocks."""
    a, b = as_operand(a), as_operand(b)
    rank = max(rank_of(a), rank_of(b))
    shape_a = (1,) * (rank - rank_of(a)) + shape_of(a)
    shape_b = (1,) * (rank - rank_of(b)) + shape_of(b)
    x = reshape(a, tuple(n for length in shape_a for n in (length, 1)))
    y = reshape(b, tuple(n for length in shape_b for n in (1, length)))
    return reshape(np.multiply(x, y), tuple(m * n for m, n in zip(shape_a, shape_b, strict=True)))


@implements_traced(np.cross)
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """`numpy.cross`, of vectors of 3 (or 2) components."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = as_operand(a), as_operand(b)
    a, b = moveaxis(a, axisa, -1), moveaxis(b, axisb, -1)
    lengths = shape_of(a)[-1], shape_of(b)[-1]
    if not {*lengths} <= {2, 3}:
        raise ValueError("Both input arrays must be (arrays of) 3-dimensional vectors")
    ax, ay, bx, by = a[..., 0], a[..., 1], b[..., 0], b[..., 1]
    z = ax * by - ay * bx
    if lengths == (2, 2):
        return z
    az = a[..., 2] if lengths[0] == 3 else None
    bz = b[..., 2] if lengths[1] == 3 else None
    if az is None:
        x, y = ay * bz, -(ax * bz)
    elif bz is None:
        x, y = -(az * by), az * bx
    else:
        x, y = ay * bz - az * by, az * bx - ax * bz
    return moveaxis(np.stack([x, y, z], axis=-1), -1, axisc)


@implements_traced(np.linalg.cross)
def linalg_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """`numpy.linalg.cross`: of vectors of 3 components only."""
    x1, x2 = as_operand(x1), as_operand(x2)
    if shape_of(x1)[axis] != 3 or shape_of(x2)[axis] != 3:
        raise ValueError("Both input arrays must be (arrays of) 3-dimensional vectors")
    return cross(x1, x2, axis=axis)

"""Products that sum: matmul and einsum, and the functions made of them."""

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.core.protocols import implements
from funcgrad.core.tracer import bind
from funcgrad.families.linear import multilinear
from funcgrad.families.shapes import as_operand, in_front, rank_of, unbroadcast
from funcgrad.primitives.structural import reshape, swapaxes

__all__ = ["matmul"]


def _matmul_value(a: Any, b: Any) -> Any:
    if type(a) is np.ndarray and type(b) is np.ndarray and a.ndim <= 2 and b.ndim <= 2:
        return np.dot(a, b)  # half the overhead of matmul on small matrices
    return np.matmul(a, b)


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
        part = matmul(ct, a) if a.ndim == 2 else (np.expand_dims(ct, -2) @ a)[..., 0, :]
    elif b.ndim == 2 and a.ndim > 2:  # one large product in place of many small ones
        part = matmul(reshape(a, (-1, a.shape[-1])).T, reshape(ct, (-1, ct.shape[-1])))
    else:
        part = matmul(swapaxes(a, -1, -2), ct)
    return unbroadcast(part, b.shape)


def _matmul_batch(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    a, b = values
    rank_a, rank_b = rank_of(a) - batched[0], rank_of(b) - batched[1]
    if batched[0] and not batched[1]:
        if rank_a == 1 and rank_b <= 2:
            return bind(matmul_p, a, b)
        if rank_a == 2 and rank_b == 2:  # fold the batch into the rows: one product
            flat = bind(matmul_p, reshape(a, (-1, a.shape[-1])), b)
            return reshape(flat, (*a.shape[:-1], b.shape[-1]))
        if rank_a == 2 and rank_b == 1:
            return bind(matmul_p, a, b)
    if batched[1] and not batched[0] and rank_b == 1 and rank_a == 2:
        return bind(matmul_p, b, swapaxes(a, -1, -2))
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


def _matmul_reads(position: int, active: tuple[bool, ...]) -> bool:
    return active[1 - position]


matmul_p = multilinear("matmul", _matmul_value, _matmul_transpose, _matmul_batch, _matmul_reads)


@implements(np.matmul, np.linalg.matmul)
def matmul(x1: Any, x2: Any, /, **options: Any) -> Any:
    """`numpy.matmul`."""
    if options:
        return np.matmul(x1, x2, **options)
    return bind(matmul_p, as_operand(x1), as_operand(x2))


def _einsum_transpose(ct: Any, position: int, *operands: Any, spec: str) -> Any:
    left, out = spec.split("->")
    terms = left.split(",")
    mine = terms[position]
    others = [term for i, term in enumerate(terms) if i != position]
    values = [value for i, value in enumerate(operands) if i != position]
    seen = set(out).union(*others)
    lost = [letter for letter in mine if letter not in seen]
    shape = operands[position].shape
    if lost:
        others.append("".join(lost))
        values.append(np.ones([shape[mine.index(letter)] for letter in lost], ct.dtype))
    part = bind(einsum_p, ct, *values, spec=",".join([out, *others]) + "->" + mine)
    return unbroadcast(part, shape)


def _einsum_batch(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    left, out = params["spec"].split("->")
    free = next(letter for letter in string.ascii_letters if letter not in params["spec"])
    terms = [free * flag + term for term, flag in zip(left.split(","), batched, strict=True)]
    return bind(einsum_p, *values, spec=",".join(terms) + f"->{free}{out}")


einsum_p = multilinear(
    "einsum",
    lambda *operands, spec: np.einsum(spec, *operands, optimize=len(operands) > 2),
    _einsum_transpose,
    _einsum_batch,
)
del in_front

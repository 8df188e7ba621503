"""The short way of embeddings: rows of a plain matrix, and cotangents added to them."""

from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.quick import LinearRule, linear_result

__all__ = ["rows_of"]

FEW = 1 << 20
"""Up to so many elements of a matrix of ones and zeros, its product is the fastest sum of rows."""

OFTEN = 64
"""Rows of an index that occurs more often are added one by one; as measured."""


def _rows_added(ct: Any, indices: Any, rows: int) -> Any:
    """Σ of the rows of ct with the same index."""
    count = len(indices)
    if rows * count <= FEW:
        chosen = np.zeros((rows, count), ct.dtype)
        chosen[indices, np.arange(count)] = 1
        return np.dot(chosen, ct)
    total = np.zeros((rows, ct.shape[1]), ct.dtype)
    order = np.argsort(indices, kind="stable")
    line = indices[order]
    starts = np.flatnonzero(np.concatenate([[True], line[1:] != line[:-1]]))
    counts = np.diff(starts, append=count)
    rank = np.arange(count) - np.repeat(starts, counts)
    most = int(np.max(counts))
    if most > OFTEN:
        np.add.at(total, indices, ct)
        return total
    for turn in range(most):  # the first row of each index, then the second, ...
        chosen = order[rank == turn]
        total[indices[chosen]] += ct[chosen]
    return total


def rows_of(op: Op, weight: Any, indices: Any, padding: int | None) -> Any:
    """The rows of a plain matrix with certain indices; that of padding has no derivative."""
    w = weight._value
    shape = w.shape
    indices = indices.copy()
    flat = indices.reshape(-1)

    def pull(ct: Any, _residuals: Any) -> Any:
        rows = ct.reshape(-1, shape[1])
        if type(ct) is np.ndarray and np.isfinite(np.vdot(ct, ct)):
            total = _rows_added(rows, flat, shape[0])
            if padding is not None:
                total[padding] = 0
            return total
        if padding is not None:
            rows = fnp.where((flat == padding)[:, None], 0, rows)
        return fnp.at(np.zeros(shape, w.dtype))[flat].add(rows)

    result = linear_result(op.cls, op.name, weight, np.take(w, indices, 0), LinearRule(pull))
    if result._node is not None:
        result._node.residuals = indices  # so that the graph counts as one with saved values
    return result

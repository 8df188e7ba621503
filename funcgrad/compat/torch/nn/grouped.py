"""Products of matrices in groups, whose sizes are told by where each ends."""

from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.nn.common import entered, scalar_name, value_of
from funcgrad.compat.torch.op import Op

__all__ = ["grouped_mm"]


def _grouped(a: Any, b: Any, *, ends: Any) -> Any:
    """Products of matching stretches; what no group holds is 0."""
    if ends is None:
        return fnp.matmul(a, b)
    stretches = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
    if a.ndim == b.ndim:
        return fnp.stack([fnp.matmul(a[:, one], b[one]) for one in stretches])
    rows = a.ndim == 2
    parts = [
        fnp.matmul(a[one], b[g]) if rows else fnp.matmul(a[g], b[:, one])
        for g, one in enumerate(stretches)
    ]
    whole = a.shape[0] if rows else b.shape[1]
    rest = whole - ends[-1]
    if rest:
        shape = (rest, b.shape[-1]) if rows else (a.shape[1], rest)
        parts.append(np.zeros(shape, a.dtype))
    return fnp.concatenate(parts, axis=0 if rows else 1)


grouped_op = Op("GroupedMmBackward0", _grouped)


@entered("grouped_mm")
def grouped_mm(
    mat_a: Any, mat_b: Any, *, offs: Any = None, bias: Any = None, out_dtype: Any = None
) -> Any:
    """Products of matrices in groups.

    Args:
        mat_a: (groups, m, k), or all groups below each other (m, k) or side by side (m, k).
        mat_b: (groups, k, n) or (k, n); two matrices of two axes are split along k.
        offs: where each group ends along the axis that is split.
        bias: not taken.
        out_dtype: that of `mat_a`.

    Raises:
        RuntimeError: for other types and numbers of axes, and for offsets that are missing.
    """
    for name, x in (("mat_a", mat_a), ("mat_b", mat_b)):
        if x.dtype.name not in ("float32", "bfloat16", "float16"):
            raise RuntimeError(
                f"Expected {name} to be Float32, BFloat16 or Float16 matrix, got "
                f"{scalar_name(x.dtype)}"
            )
        if x.dim() not in (2, 3):
            raise RuntimeError(f"{name} has to be 2 or 3d")
    flat = mat_a.dim() == 2 or mat_b.dim() == 2
    if flat != (offs is not None):
        raise RuntimeError(
            "Have to provide offsets if there is a 2d matrix, or no offset if both matrices are 3d"
        )
    if bias is not None:
        raise RuntimeError("Bias not supported yet")
    if out_dtype is not None and out_dtype is not mat_a.dtype:
        raise RuntimeError("Grouped gemm output dtype must match `mat_a` dtype")
    ends = None if offs is None else tuple(int(end) for end in value_of(offs))
    return grouped_op(mat_a, mat_b, ends=ends)

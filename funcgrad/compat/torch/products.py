"""Products of vectors and matrices: dot, mv, mm, bmm, and matmul, which is composed of them."""

from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.arguments import refuse
from funcgrad.compat.torch.compilation_breaks import concrete
from funcgrad.compat.torch.entering import enter, write_out
from funcgrad.compat.torch.node import node_class
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.quick import (
    OperandRule,
    linear_result,
    operand_result,
    reshape_rule,
)
from funcgrad.compat.torch.recorded_products import recorded_product
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.static import Static
from funcgrad.compat.torch.tensor import Tensor, holder
from funcgrad.core.tracer import Tracer
from funcgrad.primitives.hot import _PULLS

__all__ = ["bmm", "dot", "matmul", "mm", "mv", "outer", "wide"]


def wide(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compute products of float16 as float32, as PyTorch does, and round the result."""

    def widened(*values: Any, **params: Any) -> Any:
        if values[0].dtype != np.float16:
            return function(*values, **params)
        return function(*(x.astype(np.float32) for x in values), **params).astype(np.float16)

    return widened


def _rules(ranks: tuple[int, int], names: tuple[str, str]) -> dict[Any, OperandRule]:
    left, right, both = _PULLS[ranks]
    return {
        (True, False): OperandRule(left, (True, False), (1,), names),
        (False, True): OperandRule(right, (False, True), (0,), names),
        (True, True): OperandRule(both, (True, True), (0, 1), names),
    }


def _pull_right_turned(ct: Any, a: Any) -> Any:
    return np.dot(ct.T, a).T


def _pull_both_turned(ct: Any, residuals: Any) -> tuple[Any, Any]:
    a, b = residuals
    return np.dot(ct, b.T), np.dot(ct.T, a).T


_MM_RULES = _rules((2, 2), ("self", "mat2"))
_MM_TURNED: dict[Any, OperandRule] = _MM_RULES | {
    (False, True): OperandRule(_pull_right_turned, (False, True), (0,), ("self", "mat2")),
    (True, True): OperandRule(_pull_both_turned, (True, True), (0, 1), ("self", "mat2")),
}
"""The same, where the second operand is the transpose of rows: its cotangent is so too."""

_MV_RULES = _rules((2, 1), ("self", "vec"))
_DOT_RULES = _rules((1, 1), ("self", "tensor"))


def _turned(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def _pull_batch_both(ct: Any, residuals: Any) -> tuple[Any, Any]:
    a, b = residuals
    return np.matmul(ct, _turned(b)), np.matmul(_turned(a), ct)


_BMM_RULES: dict[Any, OperandRule] = {
    mask: OperandRule(pull, mask, kept, ("self", "mat2"))
    for mask, pull, kept in (
        ((True, False), lambda ct, b: np.matmul(ct, _turned(b)), (1,)),
        ((False, True), lambda ct, a: np.matmul(_turned(a), ct), (0,)),
        ((True, True), _pull_batch_both, (0, 1)),
    )
}
_BMM = node_class("BmmBackward0")
_MM, _MV, _DOT = node_class("MmBackward0"), node_class("MvBackward0"), node_class("DotBackward0")
_UNSQUEEZE, _SQUEEZE = node_class("UnsqueezeBackward0"), node_class("SqueezeBackward4")
_EXPAND, _VIEW = node_class("ExpandBackward0"), node_class("ViewBackward0")
_ALIAS, _UNSAFE_VIEW = node_class("ReshapeAliasBackward0"), node_class("UnsafeViewBackward0")

mm_op = Op("MmBackward0", wide(fnp.matmul))
mv_op = Op("MvBackward0", wide(fnp.matmul))
dot_op = Op("DotBackward0", wide(fnp.matmul))
vdot_op = Op("VdotBackward0", wide(fnp.vdot))
bmm_op = Op("BmmBackward0", wide(fnp.matmul))
unsafe_view_op = Static("UnsafeViewBackward0", lambda x, *, shape: fnp.reshape(x, shape))
squeeze_op = Op("SqueezeBackward4", lambda x, *, dim: fnp.squeeze(x, dim), linear=True)


def are_quick(v: Any, w: Any, x: Tensor, y: Tensor) -> bool:
    """Whether two operands are plain arrays of float32, or of float64."""
    return (
        type(v) is np.ndarray
        and type(w) is np.ndarray
        and v.dtype is w.dtype
        and v.dtype.char in "fd"
        and x._dtype is None
        and y._dtype is None
    )


def _texts(shape: Any) -> str:
    return "x".join(map(str, shape))


# --- checks -----------------------------------------------------------------------------------


def _check_supported(x: Tensor, what: str = "addmm_impl_cpu_") -> None:
    if x._value.dtype == np.bool_:
        raise NotImplementedError(f"\"{what}\" not implemented for 'Bool'")


def check_mm(x: Any, y: Any) -> None:
    if x.ndim != 2:
        raise RuntimeError("self must be a matrix")
    if y.ndim != 2:
        raise RuntimeError("mat2 must be a matrix")
    _check_inner(x, y)
    if x.dtype is not y.dtype:
        raise RuntimeError(
            "expected m1 and m2 to have the same dtype, but got: "
            f"{x.dtype.c_name} != {y.dtype.c_name}"
        )
    _check_supported(x)


def _check_inner(x: Any, y: Any) -> None:
    a, b = x._value.shape, y._value.shape
    if a[1] != b[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({_texts(a)} and {_texts(b)})"
        )


def check_mv(x: Any, y: Any) -> None:
    if x.ndim != 2 or y.ndim != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got 1, {x.ndim}, {y.ndim}")
    a, b = x._value.shape, y._value.shape
    if a[1] != b[0]:
        raise RuntimeError(f"size mismatch, got input ({a[0]}), mat ({_texts(a)}), vec ({b[0]})")
    if x.dtype is not y.dtype:
        raise RuntimeError(
            "addmv input tensors must have the same dtype, but got "
            f"{y.dtype.legacy}, {x.dtype.legacy}, and {y.dtype.legacy}"
        )


def _check_dot(x: Any, y: Any) -> None:
    if x.ndim != 1 or y.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {x.ndim}D and {y.ndim}D tensors")
    if x.dtype is not y.dtype:
        raise RuntimeError(
            "dot : expected both vectors to have same dtype, but found "
            f"{x.dtype.legacy} and {y.dtype.legacy}"
        )
    n, m = x.numel(), y.numel()
    if n != m:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{n}] and src [{m}] to have the same "
            f"number of elements, but got {n} and {m} elements respectively"
        )
    _check_supported(x, "dot")


def check_bmm(x: Any, y: Any) -> None:
    for place, one in ((1, x), (2, y)):
        if one.ndim != 3:
            raise RuntimeError(f"batch{place} must be a 3D tensor")
    a, b = x._value.shape, y._value.shape
    if (a[0], a[2]) != b[:2]:
        raise RuntimeError(
            "Expected size for first two dimensions of batch2 tensor to be: "
            f"{[a[0], a[2]]} but got: {list(b[:2])}."
        )
    if x.dtype is not y.dtype:
        raise RuntimeError(f"expected scalar type {x.dtype.legacy} but found {y.dtype.legacy}")
    _check_supported(x, "baddbmm")


# --- products of one kind ---------------------------------------------------------------------


def mm(input: Any, mat2: Any) -> Any:
    """The matrix product: Σₖ aᵢₖ bₖⱼ."""
    v, w = input._value, mat2._value
    if are_quick(v, w, input, mat2) and v.ndim == w.ndim == 2 and v.shape[1] == w.shape[0]:
        rules = _MM_TURNED if w.strides[0] < w.strides[1] else _MM_RULES
        return operand_result(_MM, "Mm", (input, mat2), np.dot(v, w), rules)
    if STATE.compiling is not None:
        found = recorded_product("MmBackward0", None, input, mat2)
        if found is not None:
            return found
    check_mm(input, mat2)
    return mm_op(input, mat2)


def mv(input: Any, vec: Any) -> Any:
    """A matrix times a vector: Σₖ aᵢₖ bₖ."""
    v, w = input._value, vec._value
    if are_quick(v, w, input, vec) and v.ndim == 2 and w.ndim == 1 and v.shape[1] == w.shape[0]:
        return operand_result(_MV, "Mv", (input, vec), np.dot(v, w), _MV_RULES)
    check_mv(input, vec)
    return mv_op(input, vec)


def dot(input: Any, tensor: Any) -> Any:
    """The product of two vectors: Σₖ aₖ bₖ."""
    v, w = input._value, tensor._value
    if are_quick(v, w, input, tensor) and v.ndim == w.ndim == 1 and v.shape == w.shape:
        return operand_result(_DOT, "Dot", (input, tensor), np.dot(v, w), _DOT_RULES)
    _check_dot(input, tensor)
    return dot_op(input, tensor)


def vdot(input: Any, other: Any) -> Any:
    """Σₖ conj(aₖ) bₖ."""
    _check_dot(input, other)
    return vdot_op(input, other)


def bmm(input: Any, mat2: Any) -> Any:
    """The product of each pair of matrices of two batches."""
    v, w = input._value, mat2._value
    if are_quick(v, w, input, mat2) and v.ndim == w.ndim == 3:
        a, b = v.shape, w.shape
        if a[0] == b[0] and a[2] == b[1]:
            return operand_result(_BMM, "Bmm", (input, mat2), np.matmul(v, w), _BMM_RULES)
    check_bmm(input, mat2)
    return bmm_op(input, mat2)


def _unsqueezed_mm(x: Any, y: Any) -> Any:
    """A vector times a matrix, by way of a matrix of one row."""
    v, w = x._value, y._value
    if not (are_quick(v, w, x, y) and v.shape[0] == w.shape[0]):
        row = x.unsqueeze(0)
        check_mm(row, y)
        return squeeze_op(mm_op(row, y), dim=0)
    if not ((x._requires or y._requires) and STATE.grad):
        return holder(np.dot(v, w))
    line = linear_result(_UNSQUEEZE, "Unsqueeze", x, v[None, :], reshape_rule(v.shape))
    line._cell = x._cell
    product = operand_result(_MM, "Mm", (line, y), np.dot(line._value, w), _MM_RULES)
    whole = product._value
    return linear_result(_SQUEEZE, "Squeeze", product, whole[0], reshape_rule(whole.shape))


# --- matmul -----------------------------------------------------------------------------------


def matmul(input: Any, other: Any, *, out: Any = None) -> Any:
    """The matrix product of vectors, matrices and batches of matrices.

    Two vectors give `dot`, a matrix and a vector `mv`, two matrices `mm`; a batch times a matrix is
    one `mm` of all rows, two batches one `bmm` over the broadcast batch axes.
    """
    if out is not None:
        return write_out("matmul", out, matmul(input, other))
    try:
        v, w = input._value, other._value
    except AttributeError:
        refuse("matmul", matmul, input, other)
        raise
    function = _BY_RANKS.get((v.ndim, w.ndim))
    if function is not None:
        return function(input, other)
    if not v.ndim or not w.ndim:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {v.ndim}D and {w.ndim}D"
        )
    return _folded(input, other) if _can_fold(input, other) else _batched(input, other)


_BY_RANKS: dict[tuple[int, int], Callable[[Any, Any], Any]] = {
    (2, 2): mm,
    (2, 1): mv,
    (1, 2): _unsqueezed_mm,
    (1, 1): dot,
}


def _can_fold(x: Any, y: Any) -> bool:
    """Whether a batch times one matrix or vector is computed as one product of all its rows."""
    larger = x.ndim >= y.ndim
    batch, single = (x, y) if larger else (y, x)
    if single.ndim > 2:
        return False
    if single.requires_grad:
        return True
    if x.ndim == 2:
        return False
    value = concrete(batch._value)
    if not batch.numel() or isinstance(value, Tracer) or not hasattr(value, "strides"):
        return True
    shape, steps = list(value.shape), list(value.strides)
    if not larger:
        shape[-2:], steps[-2:] = shape[:-3:-1], steps[:-3:-1]
    return all(steps[i] == steps[i + 1] * shape[i + 1] for i in range(len(shape) - 2))


def _folded(x: Any, y: Any) -> Any:
    turned = y.ndim > x.ndim
    batch = y.mT if turned else x
    single = (x.t() if x.ndim == 2 else x) if turned else y
    shape = tuple(batch._value.shape)
    rows = batch.reshape(int(np.prod(shape[:-1])), shape[-1])
    if single.ndim == 1:
        return unsafe_view_op(mv(rows, single), shape=shape[:-1])
    product = mm(rows, single)
    out = unsafe_view_op(product, shape=(*shape[:-1], single._value.shape[1]))
    return out.mT.contiguous() if turned else out


def _as_batch(x: Tensor, v: Any, shape: tuple[int, ...]) -> Tensor | None:
    """Plain values as a batch of matrices, with the nodes of `expand` and `reshape`.

    `None` if that needs a copy.
    """
    w = v.reshape(shape)
    if not np.may_share_memory(w, v):
        return None
    if not (x._requires and STATE.grad):
        batch = holder(w)
    else:
        dense = v.flags.c_contiguous
        same = linear_result(_EXPAND, "Expand", x, v, reshape_rule(v.shape))
        cls, name = (_VIEW, "View") if dense else (_ALIAS, "ReshapeAlias")
        batch = linear_result(cls, name, same, w, reshape_rule(v.shape))
    batch._cell = x._cell
    return batch


def _quick_batched(x: Tensor, y: Tensor) -> Tensor | None:
    """Two plain batches of the same size, without copies; `None` otherwise."""
    v, w = x._value, y._value
    if not (are_quick(v, w, x, y) and v.ndim == w.ndim >= 3 and v.size and w.size):
        return None
    a, b = v.shape, w.shape
    if a[:-2] != b[:-2] or a[-1] != b[-2]:
        return None
    left, right = _as_batch(x, v, (-1, *a[-2:])), _as_batch(y, w, (-1, *b[-2:]))
    if left is None or right is None:
        return None
    product = operand_result(
        _BMM, "Bmm", (left, right), np.matmul(left._value, right._value), _BMM_RULES
    )
    found = product._value
    value = found.reshape(*a[:-1], b[-1])
    return linear_result(_UNSAFE_VIEW, "UnsafeView", product, value, reshape_rule(found.shape))


def _batched(x: Any, y: Any) -> Any:
    quick = _quick_batched(x, y)
    if quick is not None:
        return quick
    a, b = tuple(x._value.shape), tuple(y._value.shape)
    if len(a) == len(b) == 3 and a[0] != b[0]:
        if a[0] == 1 and x.requires_grad:
            return matmul(x.squeeze(0), y)
        if b[0] == 1 and y.requires_grad:
            return matmul(x, y.squeeze(0))
    n = a[-2] if len(a) > 1 else 1
    inner, p = (b[-2], b[-1]) if len(b) > 1 else (b[0], 1)
    lead = _broadcast(a[:-2], b[:-2])
    count = int(np.prod(lead))
    left = x.expand(*lead, n, a[-1]).reshape(count, n, a[-1])
    if len(b) == 1:
        right = y.expand(*lead, inner).reshape(count, inner).unsqueeze(2)
    else:
        right = y.expand(*lead, inner, p).reshape(count, inner, p)
    out = bmm(left, right)
    if len(b) == 1:
        out = out.squeeze(-1)
    shape = (*lead, *((n,) if len(a) > 1 else ()), *((p,) if len(b) > 1 else ()))
    return unsafe_view_op(out, shape=shape)


def _broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    rank = max(len(a), len(b))
    for i in range(1, rank + 1):
        m, n = (shape[-i] if i <= len(shape) else 1 for shape in (a, b))
        if m != n and 1 not in (m, n):
            raise RuntimeError(
                f"The size of tensor a ({m}) must match the size of tensor b ({n}) at "
                f"non-singleton dimension {rank - i}"
            )
    return np.broadcast_shapes(a, b)


# --- products composed of others --------------------------------------------------------------


def outer(input: Any, vec2: Any) -> Any:
    """All products aᵢ bⱼ."""
    for name, x in (("self", input), ("vec2", vec2)):
        if x.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {x.ndim}-D")
    return input.reshape(-1, 1) * vec2


_TABLE: dict[str, Callable[..., Any]] = {
    "mm": mm,
    "mv": mv,
    "dot": dot,
    "vdot": vdot,
    "bmm": bmm,
    "outer": outer,
    "ger": outer,
}
for _name, _function in _TABLE.items():
    enter(_name, _function)
expose("matmul", matmul)
expose("matmul", matmul, module="linalg")


def _operator(self: Any, other: Any) -> Any:
    return matmul(self, other) if isinstance(other, Tensor) else NotImplemented


def _reflected(self: Any, other: Any) -> Any:
    return matmul(other, self) if isinstance(other, Tensor) else NotImplemented


setattr(Tensor, "__matmul__", _operator)  # noqa: B010  # a special method, set on the class
setattr(Tensor, "__rmatmul__", _reflected)  # noqa: B010  # as above

"""A product added to something else: addmm and its kin, β x + α a b."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.entering import enter
from funcgrad.compat.torch.node import node_class
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.products import are_quick, check_bmm, check_mm, check_mv
from funcgrad.compat.torch.quick import OperandRule, operand_result
from funcgrad.compat.torch.recorded_products import MANY, recorded_product
from funcgrad.compat.torch.state import STATE

__all__ = ["addbmm", "addmm", "addmv", "addr", "baddbmm"]


def _addmm_rule(mask: tuple[bool, bool, bool], turned: bool) -> OperandRule:
    """Rule of x + a b: ct, ct bᵀ and aᵀ ct; the last in columns if b is (the transpose of rows)."""
    kept = ((1,) if mask[2] else ()) + ((2,) if mask[1] else ())

    def pull(ct: Any, residuals: Any) -> Any:
        several = iter(residuals if len(kept) > 1 else (residuals,))
        a: Any = next(several) if mask[2] else None
        b: Any = next(several) if mask[1] else None
        parts = []
        if mask[0]:
            parts.append(ct)
        if mask[1]:
            parts.append(np.dot(ct, b.T))
        if mask[2]:
            parts.append(np.dot(ct.T, a).T if turned else np.dot(a.T, ct))
        return tuple(parts) if len(parts) > 1 else parts[0]

    return OperandRule(pull, mask, kept, ("self", "mat1", "mat2"))


_FLAGS = (False, True)
_MASKS = [mask for mask in itertools.product(_FLAGS, _FLAGS, _FLAGS) if any(mask)]
_ADDMM_RULES: dict[bool, dict[Any, OperandRule]] = {
    turned: {mask: _addmm_rule(mask, turned) for mask in _MASKS} for turned in _FLAGS
}
_ADDMM = node_class("AddmmBackward0")


def _scaled_sum(x: Any, product: Any, beta: Any, alpha: Any) -> Any:
    if x.dtype.kind in "biu":  # PyTorch cuts the factors off to the type of the tensors
        cut = bool if x.dtype.kind == "b" else int
        beta, alpha = cut(beta), cut(alpha)
    product = product if alpha == 1 else product * alpha
    if beta == 0:
        return product
    return (x if beta == 1 else x * beta) + product


def _with_product(function: Callable[..., Any], node: str, *, grow: bool = True) -> Op:
    def value(x: Any, a: Any, b: Any, *, beta: Any, alpha: Any) -> Any:
        if grow:
            _check_expands(x, a, b)
        if x.dtype == np.float16:
            wide32 = (one.astype(np.float32) for one in (x, a, b))
            return value(*wide32, beta=beta, alpha=alpha).astype(np.float16)
        return _scaled_sum(x, function(a, b), beta, alpha)

    return Op(node, value)


def _check_expands(x: Any, a: Any, b: Any) -> None:
    shape = (*a.shape[:-1], *b.shape[a.ndim - 1 :]) if b.ndim < 3 else (*a.shape[:2], b.shape[-1])
    check_expands(tuple(x.shape), tuple(shape))


def check_expands(shape: tuple[int, ...], target: tuple[int, ...]) -> None:
    """Refuse shapes that cannot be expanded to a target, in PyTorch's words."""
    lead = len(target) - len(shape)
    for i, n in enumerate(shape):
        if n not in (1, target[i + lead]):
            raise RuntimeError(
                f"The expanded size of the tensor ({target[i + lead]}) must match the existing "
                f"size ({n}) at non-singleton dimension {i + lead}.  Target sizes: "
                f"{list(target)}.  "
                f"Tensor sizes: {list(shape)}"
            )


def _summed(products: Any) -> Any:
    total = fnp.sum(products, axis=0)
    return total if total.dtype == products.dtype else total.astype(products.dtype)


addmm_op = _with_product(fnp.matmul, "AddmmBackward0")
addmv_op = _with_product(fnp.matmul, "AddmvBackward0")
baddbmm_op = _with_product(fnp.matmul, "BaddbmmBackward0")
addbmm_op = _with_product(lambda a, b: _summed(fnp.matmul(a, b)), "AddbmmBackward0", grow=False)
addr_op = _with_product(lambda a, b: a[:, None] * b[None, :], "AddrBackward0", grow=False)


def addmm(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Beta · input + alpha · mat1 mat2."""
    v, w, bias = mat1._value, mat2._value, input._value
    if (
        beta == alpha == 1
        and are_quick(v, w, mat1, mat2)
        and are_quick(bias, v, input, mat1)
        and v.ndim == w.ndim == 2
        and v.shape[1] == w.shape[0]
    ):
        shape = (v.shape[0], w.shape[1])
        if bias.shape == shape or bias.shape in (shape[1:], (1, shape[1])):
            value = np.dot(v, w)
            value += bias
            turned = w.strides[0] < w.strides[1]
            rules = _ADDMM_RULES[turned] if bias.shape == shape else _BIAS_RULES[bias.ndim, turned]
            return operand_result(_ADDMM, "Addmm", (input, mat1, mat2), value, rules)
    if STATE.compiling is not None and beta == alpha == 1:
        found = recorded_product("AddmmBackward0", input, mat1, mat2)
        if found is not None:
            return found
    check_mm(mat1, mat2)
    if input.dtype is not mat1.dtype:
        raise RuntimeError(
            "self and mat2 must have the same dtype, but got "
            f"{input.dtype.legacy} and {mat2.dtype.legacy}"
        )
    return addmm_op(input, mat1, mat2, beta=beta, alpha=alpha)


_add: Any = np.add.reduce  # its stubs know no variable keepdims


def _bias_rule(mask: tuple[bool, bool, bool], ndim: int, turned: bool) -> OperandRule:
    """As for a matrix; the cotangent of the bias is the sum over rows."""
    rule = _ADDMM_RULES[turned][mask]
    if not mask[0]:
        return rule
    inner = rule.pull

    def summed(ct: Any) -> Any:
        if type(ct) is np.ndarray:
            if ct.size < MANY:
                return _add(ct, axis=0, keepdims=ndim == 2)
            sums = np.dot(np.ones(len(ct), ct.dtype), ct)
            return sums[None] if ndim == 2 else sums
        return fnp.sum(ct, axis=0, keepdims=ndim == 2)

    def pull(ct: Any, residuals: Any) -> Any:
        parts = inner(ct, residuals)
        if type(parts) is tuple:
            return (summed(ct), *parts[1:])
        return summed(parts)

    return OperandRule(pull, mask, rule.kept, rule.names)


_BIAS_RULES: dict[tuple[int, bool], dict[Any, OperandRule]] = {
    (ndim, turned): {mask: _bias_rule(mask, ndim, turned) for mask in _MASKS}
    for ndim in (1, 2)
    for turned in _FLAGS
}


def addmv(input: Any, mat: Any, vec: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Beta · input + alpha · mat vec."""
    check_mv(mat, vec)
    return addmv_op(input, mat, vec, beta=beta, alpha=alpha)


def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Beta · input + alpha · batch1 batch2, for each pair of matrices."""
    check_bmm(batch1, batch2)
    return baddbmm_op(input, batch1, batch2, beta=beta, alpha=alpha)


def addbmm(input: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Beta · input + alpha · Σ batch1 batch2, summed over the batch."""
    check_bmm(batch1, batch2)
    return addbmm_op(input, batch1, batch2, beta=beta, alpha=alpha)


def addr(input: Any, vec1: Any, vec2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Beta · input + alpha · vec1 vec2ᵀ."""
    for place, vec in ((1, vec1), (2, vec2)):
        if vec.ndim != 1:
            raise RuntimeError(f"addr: Expected 1-D argument vec{place}, but got {vec.ndim}-D")
    return addr_op(input, vec1, vec2, beta=beta, alpha=alpha)


_IN_PLACE: dict[str, Callable[..., Any]] = {
    "addmm": addmm,
    "addmv": addmv,
    "baddbmm": baddbmm,
    "addbmm": addbmm,
    "addr": addr,
}
for _name, _function in _IN_PLACE.items():
    enter(_name, _function, inplace=True)

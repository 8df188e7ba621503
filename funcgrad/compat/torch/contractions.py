"""Products over chosen axes: einsum, tensordot, kron, inner, multi_dot.

Each is composed of permutations and one batched product for every two operands.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

from funcgrad.compat.torch.dims import check_dim
from funcgrad.compat.torch.entering import enter
from funcgrad.compat.torch.products import bmm, dot, mm, unsafe_view_op
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["einsum", "kron", "multi_dot", "tensordot"]

ELLIPSIS = "."


# --- einsum -----------------------------------------------------------------------------------


def _parse(equation: str, operands: Sequence[Any]) -> tuple[list[str], str | None]:
    """The labels of each operand and of the result; an ellipsis is one full stop."""
    text = equation.replace(" ", "").replace("...", ELLIPSIS)
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        fewer = "fewer" if len(operands) < len(terms) else "more"
        raise RuntimeError(
            f"einsum(): {fewer} operands were provided than specified in the equation"
        )
    for number, (term, operand) in enumerate(zip(terms, operands, strict=True)):
        count = len(term.replace(ELLIPSIS, ""))
        if count > operand.ndim or (count < operand.ndim and ELLIPSIS not in term):
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({count}) "
                f"{'is more than' if count > operand.ndim else 'does not match'} the number of "
                f"dimensions ({operand.ndim}) for operand {number}"
                + ("" if count > operand.ndim else " and no ellipsis was given")
            )
    return terms, right if arrow else None


def _order(terms: Sequence[str], right: str | None, covered: int) -> tuple[list[Any], int]:
    """All labels, those of the result first, and how many of them the result has.

    Axes under the ellipsis are labelled by their numbers.
    """
    seen = "".join(terms)
    letters = sorted(set(seen) - {ELLIPSIS})
    dots: list[Any] = list(range(covered))
    if right is None:
        kept = [*dots, *(letter for letter in letters if seen.count(letter) == 1)]
    else:
        kept = []
        for label in right:
            if label != ELLIPSIS and label not in letters:
                raise RuntimeError(
                    f"einsum(): output subscript {label} does not appear in the equation for any "
                    "input operand"
                )
            if label in kept:
                raise RuntimeError(
                    f"einsum(): output subscript {label} appears more than once in the output"
                )
            kept += dots if label == ELLIPSIS else [label]
    rest = [label for label in [*dots, *letters] if label not in kept]
    return [*kept, *rest], len(kept)


def _lined_up(operand: Any, term: str, labels: list[Any], covered: int) -> Any:
    """An operand with one axis for each label, of length 1 where it lacks the label."""
    places: dict[Any, int] = {}
    axis = 0
    for label in term:
        if label == ELLIPSIS:
            missing = covered - (operand.ndim - (len(term) - 1))
            for _ in range(missing):
                operand = operand.unsqueeze(axis)
            for number in range(covered):
                places[number] = axis
                axis += 1
        elif label in places:
            first = places[label]
            operand = operand.diagonal(0, first, axis).movedim(-1, first)
        else:
            places[label] = axis
            axis += 1
    for label in labels:
        if label not in places:
            operand = operand.unsqueeze(-1)
            places[label] = axis
            axis += 1
    return operand.permute([places[label] for label in labels])


def einsum(*args: Any) -> Any:
    """The sum of products that an equation such as "ij,jk->ik" describes."""
    equation, *operands = args
    if isinstance(equation, Tensor):
        equation, operands = _from_sublists(args)
    elif len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = list(operands[0])
    terms, right = _parse(equation, operands)
    covered = max(
        (x.ndim - len(term) + 1 for term, x in zip(terms, operands, strict=True) if "." in term),
        default=0,
    )
    labels, count = _order(terms, right, covered)
    parts = [_lined_up(x, term, labels, covered) for x, term in zip(operands, terms, strict=True)]
    _check_lengths(parts, labels, operands, terms)
    left = parts[0]
    summed = range(count, len(labels))
    if len(parts) == 1:
        return left.sum(list(summed)) if summed else left
    users = {axis: [i for i, x in enumerate(parts) if x._value.shape[axis] != 1] for axis in summed}
    for number in range(1, len(parts)):
        left = _contract(left, parts[number], number, users)
    return left.view(left._value.shape[:count]) if summed else left


def _check_lengths(
    parts: Sequence[Any], labels: Sequence[Any], operands: Sequence[Any], terms: Sequence[str]
) -> None:
    for axis, label in enumerate(labels):
        seen = 1
        for number, part in enumerate(parts):
            n = part._value.shape[axis]
            if n not in (1, seen) and seen != 1:
                raise RuntimeError(
                    f"einsum(): subscript {label} has size {n} for operand {number} which does not "
                    f"broadcast with previously seen size {seen}"
                )
            seen = max(seen, n) if n else 0


def _contract(left: Any, right: Any, number: int, users: dict[int, list[int]]) -> Any:
    """The product of two operands, summed over the axes that no later operand has."""
    summed, mine, other = [], [], []
    for axis, numbers in users.items():
        if not numbers or numbers[-1] > number:
            continue
        a, b = left._value.shape[axis] != 1, right._value.shape[axis] != 1
        if a and b:
            summed.append(axis)
        elif a:
            mine.append(axis)
        elif b:
            other.append(axis)
    if mine:
        left = left.sum(mine, keepdim=True)
    if other:
        right = right.sum(other, keepdim=True)
    return _pair(left, right, summed) if summed else left * right


def _pair(left: Any, right: Any, summed: list[int]) -> Any:
    """Σ left · right over axes that both have, as one batched matrix product."""
    rank = left.ndim
    a, b = tuple(left._value.shape), tuple(right._value.shape)
    rest = [i for i in range(rank) if i not in summed]
    both = [i for i in rest if a[i] != 1 and b[i] != 1]
    only_left = [i for i in rest if a[i] != 1 and b[i] == 1]
    only_right = [i for i in rest if a[i] == 1]
    batch, rows = math.prod(a[i] for i in both), math.prod(a[i] for i in only_left)
    inner, columns = math.prod(a[i] for i in summed), math.prod(b[i] for i in only_right)
    x = left.permute([*both, *only_left, *summed, *only_right]).reshape(batch, rows, inner)
    y = right.permute([*both, *summed, *only_right, *only_left]).reshape(batch, inner, columns)
    order = [*both, *only_left, *summed, *only_right]
    shape = [1 if i in summed else b[i] if i in only_right else a[i] for i in order]
    product = bmm(x, y).view(*shape)
    return product.permute([order.index(i) for i in range(rank)])


def _from_sublists(args: Sequence[Any]) -> tuple[str, list[Any]]:
    """The form einsum(x, [0, 1], y, [1, 2], [0, 2])."""

    def text(labels: Sequence[Any]) -> str:
        return "".join(
            "..." if label is Ellipsis else chr(65 + label if label < 26 else 71 + label)
            for label in labels
        )

    pairs = len(args) // 2
    terms = ",".join(text(args[2 * i + 1]) for i in range(pairs))
    arrow = "->" + text(args[-1]) if len(args) % 2 else ""
    return terms + arrow, [args[2 * i] for i in range(pairs)]


enter("einsum", einsum, method=False)


# --- tensordot and kin ------------------------------------------------------------------------


def tensordot(a: Any, b: Any, dims: Any = 2, out: Any = None) -> Any:
    """Σ over axes of `a` paired with axes of `b`."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        first, second = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        first, second = ([one] if isinstance(one, int) else list(one) for one in dims)
    first, second = [check_dim(i, a.ndim) for i in first], [check_dim(i, b.ndim) for i in second]
    for i, j in zip(first, second, strict=True):
        m, n = a._value.shape[i], b._value.shape[j]
        if m == 1 != n:
            b = b.sum(j, keepdim=True, dtype=b.dtype)
        elif n == 1 != m:
            a = a.sum(i, keepdim=True, dtype=a.dtype)
    shape_a, shape_b = tuple(a._value.shape), tuple(b._value.shape)
    for i, j in zip(first, second, strict=True):
        if shape_a[i] != shape_b[j]:
            raise RuntimeError(
                "contracted dimensions need to match, but first has size "
                f"{shape_a[i]} in dim {i - a.ndim if isinstance(dims, int) else i} and second has "
                f"size {shape_b[j]} in dim {j}"
            )
    kept_a = [i for i in range(a.ndim) if i not in first]
    kept_b = [j for j in range(b.ndim) if j not in second]
    inner = math.prod(shape_a[i] for i in first)
    if not kept_a and not kept_b and first:
        return dot(a.permute(first).reshape(-1), b.permute(second).reshape(-1)).view([])
    rows = a.permute([*kept_a, *first]).reshape(math.prod(shape_a[i] for i in kept_a), inner)
    columns = b.permute([*second, *kept_b]).reshape(inner, math.prod(shape_b[j] for j in kept_b))
    shape = [shape_a[i] for i in kept_a] + [shape_b[j] for j in kept_b]
    return mm(rows, columns).reshape(shape)


@enter("inner")
def inner(input: Any, other: Any) -> Any:
    """Σₖ a…ₖ b…ₖ over the last axes; with a number, the product."""
    if not input.ndim or not other.ndim:
        return input * other
    if input._value.shape[-1] != other._value.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input._value.shape)} and {list(other._value.shape)}"
        )
    if input.ndim == other.ndim == 1:
        return dot(input.permute([0]), other.permute([0])).view([])
    return tensordot(input, other, ([-1], [-1]))


@enter("kron")
def kron(input: Any, other: Any) -> Any:
    """All products of an element of one tensor with one of the other, in blocks."""
    rank = max(input.ndim, other.ndim)
    shapes = [(1,) * (rank - x.ndim) + tuple(x._value.shape) for x in (input, other)]
    left = unsafe_view_op(input, shape=tuple(m for n in shapes[0] for m in (n, 1)))
    right = unsafe_view_op(other, shape=tuple(m for n in shapes[1] for m in (1, n)))
    left._cell, right._cell = input._cell, other._cell  # NumPy shows the same memory
    shape = tuple(m * n for m, n in zip(*shapes, strict=True))
    return unsafe_view_op(left * right, shape=shape)


def vecdot(x: Any, y: Any, *, dim: int = -1) -> Any:
    """Σ conj(x) y along an axis."""
    if x.dtype.is_complex:
        x = x.conj()
    return (x * y).sum(dim)


enter("tensordot", tensordot, method=False)
enter("vecdot", vecdot, module="linalg")


# --- chains -----------------------------------------------------------------------------------


def multi_dot(tensors: Sequence[Any]) -> Any:
    """The product of several matrices in the cheapest order; vectors may stand at the ends."""
    parts = list(tensors)
    if len(parts) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(parts)}")
    shape = []
    if parts[0].ndim == 1:
        parts[0] = parts[0].unsqueeze(0)
    else:
        shape.append(parts[0]._value.shape[0])
    if parts[-1].ndim == 1:
        parts[-1] = parts[-1].unsqueeze(-1)
    else:
        shape.append(parts[-1]._value.shape[1])
    for number, part in enumerate(parts):
        if part.ndim != 2:
            raise RuntimeError(f"multi_dot(): tensor {number} must be 2D but got {part.ndim}D")
    for number, (left, right) in enumerate(itertools.pairwise(parts)):
        if left._value.shape[1] != right._value.shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {number} and {number + 1} with shapes "
                f"{list(left._value.shape)} and {list(right._value.shape)} cannot be multiplied"
            )
    return _chained(parts, _splits(parts), 0, len(parts) - 1).view(shape)


def _splits(parts: Sequence[Any]) -> dict[tuple[int, int], int]:
    """Where to split each run of matrices so that the fewest multiplications are needed."""
    sizes = [part._value.shape[0] for part in parts] + [parts[-1]._value.shape[1]]
    costs: dict[tuple[int, int], int] = {(i, i): 0 for i in range(len(parts))}
    splits: dict[tuple[int, int], int] = {}
    for length in range(1, len(parts)):
        for i in range(len(parts) - length):
            j = i + length
            found = [
                (costs[i, k] + costs[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            ]
            costs[i, j], splits[i, j] = min(found)
    return splits


def _chained(parts: Sequence[Any], splits: dict[tuple[int, int], int], i: int, j: int) -> Any:
    if i == j:
        return parts[i]
    k = splits[i, j]
    return mm(_chained(parts, splits, i, k), _chained(parts, splits, k + 1, j))


enter("multi_dot", multi_dot, module="linalg")


@enter("chain_matmul", method=False)
def chain_matmul(*matrices: Any) -> Any:
    """The older name."""
    return matrices[0] if len(matrices) == 1 else multi_dot(matrices)

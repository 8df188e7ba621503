"""`torch.func.jacrev`, `jacfwd`, `hessian`: one batched pass over the unit vectors."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.compat.torch.func import chosen, pulled, pushed
from funcgrad.compat.torch.levels import outgoing
from funcgrad.compat.torch.mapped import batched_call
from funcgrad.compat.torch.pytrees import flatten, unflatten
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.core.protocols import DISPATCH

__all__ = ["hessian", "jacfwd", "jacrev"]


def _refuse_complex(name: str, nest: Any, what: str) -> None:
    for number, leaf in enumerate(flatten(nest)[0]):
        if isinstance(leaf, Tensor) and leaf.is_complex():  # type: ignore[attr-defined]  # entered
            raise RuntimeError(
                f"{name}: Expected all {what}s to be real but received complex tensor at flattened "
                f"{what} idx: {number}"
            )


def _basis(shapes: Sequence[tuple[Any, Any]], start: int, stop: int) -> list[Any]:
    """Rows start ... stop of the identity on the flattened leaves together, split into leaves."""
    rows = []
    offset = 0
    for shape, dtype in shapes:
        size = int(np.prod(shape, dtype=int))
        block = np.zeros((stop - start, size), dtype)
        low, high = max(start, offset), min(stop, offset + size)
        if low < high:
            at = np.arange(low, high)
            block[at - start, at - offset] = 1
        rows.append(block.reshape(stop - start, *shape))
        offset += size
    return rows


def _total(shapes: Sequence[tuple[Any, Any]]) -> int:
    return sum(int(np.prod(shape, dtype=int)) for shape, _ in shapes)


def _in_passes(
    shapes: Sequence[tuple[Any, Any]],
    chunk_size: int | None,
    randomness: str,
    function: Callable[[list[Any]], list[Any]],
) -> list[Any]:
    total = _total(shapes)
    step = chunk_size or max(total, 1)
    passes = []
    for start in range(0, max(total, 1), step):
        stop = min(start + step, total)
        passes.append(batched_call(stop - start, randomness, function, _basis(shapes, start, stop)))
    if len(passes) == 1:
        return passes[0]
    return [DISPATCH[np.concatenate](column, axis=0) for column in zip(*passes, strict=True)]


def _shapes(tensors: Sequence[Tensor]) -> list[tuple[Any, Any]]:
    return [(tuple(t._value.shape), t._value.dtype) for t in tensors]


def _reshaped(value: Any, shape: tuple[int, ...]) -> Any:
    return DISPATCH[np.reshape](value, shape)


def _split(value: Any, shapes: Sequence[tuple[Any, Any]], axis: int) -> list[Any]:
    parts = []
    offset = 0
    for shape, _ in shapes:
        size = int(np.prod(shape, dtype=int))
        key = (slice(offset, offset + size),) if axis == 0 else (..., slice(offset, offset + size))
        parts.append(value[key])
        offset += size
    return parts


def _silently(pullback: Callable[[Any], Any], cts: Any) -> Any:
    """The cotangents of the leaves, without a word about inf and nan."""
    with np.errstate(all="ignore"):
        return pullback(cts)[0]


def jacrev(
    func: Callable[..., Any],
    argnums: Any = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:
    """Jacobian by reverse mode: Jᵢⱼ = ∂fᵢ/∂xⱼ, of shape (output, input).

    Args:
        func: function of tensors (or nests of them) with tensors as results.
        argnums: position or positions of the arguments to differentiate by.
        has_aux: whether `func` returns `(output, aux)`.
        chunk_size: how many rows to compute at once.
    """
    if chunk_size is not None and not chunk_size > 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def jacobian(*args: Any) -> Any:
        _refuse_complex("jacrev", args, "input")
        numbers = chosen(argnums, len(args))
        flat, out, pullback, aux = pulled(func, args, numbers, has_aux, "vjp(f, *primals)")
        _refuse_complex("jacrev", flat.out_likes, "output")
        out_shapes = [(tuple(value.shape), value.dtype) for value in out]
        in_shapes = _shapes(flat.likes)
        rows = _in_passes(out_shapes, chunk_size, "same", lambda cts: _silently(pullback, cts))
        columns = [_split(row, out_shapes, 0) for row in rows]
        blocks = []
        for i, (out_shape, _) in enumerate(out_shapes):
            parts = flat.arguments([
                _reshaped(column[i], out_shape + in_shape)
                for column, (in_shape, _) in zip(columns, in_shapes, strict=True)
            ])  # fmt: skip
            blocks.append(parts[0] if isinstance(argnums, int) else parts)
        result = unflatten(flat.out, blocks)
        return (result, flat.aux_of(aux)) if has_aux else result

    return jacobian


def jacfwd(
    func: Callable[..., Any],
    argnums: Any = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
) -> Callable[..., Any]:
    """Jacobian by forward mode: Jᵢⱼ = ∂fᵢ/∂xⱼ, of shape (output, input).

    Args:
        func: function of tensors (or nests of them) with tensors as results.
        argnums: position or positions of the arguments to differentiate by.
        has_aux: whether `func` returns `(output, aux)`.
        randomness: as for `vmap`.
    """

    @functools.wraps(func)
    def jacobian(*args: Any) -> Any:
        _refuse_complex("jacfwd", args, "input")
        numbers = chosen(argnums, len(args))
        likes, structure = flatten(tuple(args[number] for number in numbers))
        in_shapes = _shapes([like for like in likes if isinstance(like, Tensor)])
        found: dict[str, Any] = {}

        def push(dots: list[Any]) -> list[Any]:
            flat, out, out_dots, aux = pushed(func, args, numbers, dots, has_aux=has_aux)
            _refuse_complex("jacfwd", flat.out_likes, "output")
            found["flat"], found["out"], found["aux"] = flat, out, aux
            return [*out_dots, *aux]

        columns = _in_passes(in_shapes, None, randomness, push)
        flat = found["flat"]
        count = len(flat.out_likes)
        blocks = []
        for column, like in zip(columns[:count], flat.out_likes, strict=True):
            shape = tuple(column.shape[1:])
            last = DISPATCH[np.moveaxis](column, 0, -1)
            parts = [
                outgoing(_reshaped(part, shape + in_shape), like)
                for part, (in_shape, _) in zip(_split(last, in_shapes, -1), in_shapes, strict=True)
            ]
            nest = unflatten(structure, parts)
            blocks.append(nest[0] if isinstance(argnums, int) else nest)
        result = unflatten(flat.out, blocks)
        if not has_aux:
            return result
        return result, flat.aux_of([value[0] for value in columns[count:]])

    return jacobian


def hessian(func: Callable[..., Any], argnums: Any = 0) -> Callable[..., Any]:
    """Second derivatives by forward over reverse mode: Hᵢⱼ = ∂²f/∂xᵢ∂xⱼ."""
    return jacfwd(jacrev(func, argnums), argnums)


for _function in (jacrev, jacfwd, hessian):
    expose(_function.__name__, _function, method=False, module="func")

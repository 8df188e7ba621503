"""`torch.vmap`: a function of one example on all examples at once, by the core's batching."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from funcgrad.compat.torch.inplace import check_writable, overwrite
from funcgrad.compat.torch.levels import incoming, mapping, outgoing
from funcgrad.compat.torch.pytrees import Structure, flatten, matched, unflatten
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.tensor import Tensor, holder
from funcgrad.core.protocols import DISPATCH
from funcgrad.families.shapes import in_front
from funcgrad.interpreters.batch import Batch, BatchTracer
from funcgrad.transforms.vmap import lift, unlift

__all__ = ["batched_call", "front", "name_of", "vmap"]


def name_of(function: Any) -> str:
    """The name of a function for messages."""
    if isinstance(function, functools.partial):
        return f"functools.partial({name_of(function.func)}, ...)"
    return getattr(function, "__name__", None) or repr(function)


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Map over an axis: (x₁, …, xₙ) ↦ (f(x₁), …, f(xₙ)), with all examples in one call.

    Args:
        func: function of one example, of tensors and nests of tensors.
        in_dims: which axis of each positional argument is mapped: a number, `None`, or a tuple with
            an entry (or a nest of them) for each. Keyword arguments are the same for all.
        out_dims: where the mapped axis stands in the results.
        randomness: whether random functions inside raise ("error"), draw for each example
            ("different") or once for all ("same").
        chunk_size: how many examples to compute at once.
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            "Only allowed values for randomness are 'error', 'different', or 'same'. Got "
            f"{randomness}"
        )
    if chunk_size is not None and not chunk_size > 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        _check_out_dims(func, out_dims)
        leaves, structure, dims, size = _arguments(func, in_dims, args)
        values = [
            front(incoming(leaf), dim) if dim is not None else leaf
            for leaf, dim in zip(leaves, dims, strict=True)
        ]
        call = functools.partial(func, **kwargs)
        flags = [dim is not None for dim in dims]
        step = chunk_size or size
        parts = []
        for start in range(0, max(size, 1), max(step, 1)):
            stop = min(start + step, size)
            part, written = _run(call, values, flags, structure, start, stop, randomness)
            parts.append(part)
            for number, value in written:
                _write_back(leaves[number], dims[number], value, start, stop)
        return _joined(func, parts, out_dims)

    return mapped


def front(value: Any, dim: int) -> Any:
    """The value with an axis moved to the front."""
    return value if dim == 0 else DISPATCH[np.moveaxis](value, dim, 0)


def _run(
    func: Any,
    values: Sequence[Any],
    flags: Sequence[bool],
    arguments: Structure,
    start: int,
    stop: int,
    randomness: str,
) -> tuple[tuple[list[Any], Structure, int], list[tuple[int, Any]]]:
    """The results of some of the examples, and the arguments that were written to."""
    trace = Batch("vmap", stop - start)
    given = []
    for value, flag in zip(values, flags, strict=True):
        if flag:
            part = value if start == 0 and stop == value.shape[0] else value[start:stop]
            given.append(holder(lift(trace, part, True)))
        else:
            given.append(value)
    try:
        with mapping(trace, randomness):
            out = func(*unflatten(arguments, given))
    finally:
        trace.close()
    leaves, structure = flatten(out)
    found = [
        (*unlift(trace, leaf._value), leaf) if isinstance(leaf, Tensor) else (leaf, False, None)
        for leaf in leaves
    ]
    written = [
        (number, in_front(trace.size, *unlift(trace, x._value)))
        for number, (x, flag) in enumerate(zip(given, flags, strict=True))
        if flag and x._cell[0]
    ]
    return (found, structure, trace.size), written


def _write_back(outside: Any, dim: int | None, value: Any, start: int, stop: int) -> None:
    """What a function has written into its examples, written into the tensor that was given."""
    place = outside if dim == 0 else outside.movedim(dim, 0)
    if start or stop != place._value.shape[0]:
        place = place[start:stop]
    check_writable(place)
    overwrite(place, outgoing(value, outside))


def batched_call(
    size: int, randomness: str, function: Callable[..., Any], values: Sequence[Any]
) -> list[Any]:
    """A function of lists of values on a batch of them; all results get the axis in front."""
    trace = Batch("vmap", size)
    try:
        with mapping(trace, randomness):
            out = function([BatchTracer(value, True, trace) for value in values])
    finally:
        trace.close()
    return [in_front(size, *unlift(trace, value)) for value in out]


# --- arguments --------------------------------------------------------------------------------


def _arguments(
    func: Any, in_dims: Any, args: tuple[Any, ...]
) -> tuple[list[Any], Structure, list[int | None], int]:
    name = name_of(func)
    if not isinstance(in_dims, int | tuple):
        raise ValueError(
            f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): expected `in_dims` to be int or a "
            f"(potentially nested) tuple matching the structure of inputs, got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are "
            "trying to vmap over a function with no inputs. The latter is unsupported."
        )
    leaves, structure = flatten(args)
    dims = matched(in_dims, structure)
    prefix = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): "
    if dims is None:
        raise ValueError(
            f"{prefix}in_dims is not compatible with the structure of `inputs`. in_dims has "
            f"structure {flatten(in_dims)[1]} but inputs has structure {structure}."
        )
    sizes = []
    for i, (leaf, dim) in enumerate(zip(leaves, dims, strict=True)):
        if dim is None:
            continue
        if not isinstance(dim, int):
            raise ValueError(
                f"{prefix}Got in_dim={dim} for an input but in_dim must be either an integer "
                "dimension or None."
            )
        if not isinstance(leaf, Tensor):
            raise ValueError(
                f"{prefix}Got in_dim={dim} for an input but the input is of type {type(leaf)}. We "
                "cannot vmap over non-Tensor arguments, please use None as the respective in_dim"
            )
        rank = leaf.dim()
        if not -rank <= dim < rank:
            raise ValueError(
                f"{prefix}Got in_dim={dim} for some input, but that input is a Tensor of "
                f"dimensionality {rank} so expected in_dim to satisfy -{rank} <= in_dim < {rank}."
            )
        dims[i] = dim % rank
        sizes.append(int(leaf._value.shape[dim]))
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if any(size != sizes[0] for size in sizes):
        _refuse_sizes(sizes)
    return leaves, structure, dims, sizes[0]


def _refuse_sizes(sizes: Sequence[int]) -> NoReturn:
    raise ValueError(
        "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
        f"{list(sizes)} for the mapped dimension"
    )


# --- results ----------------------------------------------------------------------------------


def _check_out_dims(func: Any, out_dims: Any) -> None:
    for dim in flatten(out_dims)[0]:
        if dim is not None and not isinstance(dim, int):
            raise ValueError(
                f"vmap({name_of(func)}, ..., out_dims={out_dims}): `out_dims` must be an int, None "
                "or a python collection of ints representing where in the outputs the vmapped "
                "dimension should appear."
            )


def _joined(func: Any, parts: Sequence[Any], out_dims: Any) -> Any:
    structure: Structure = parts[0][1]
    if structure.kind is None and isinstance(out_dims, tuple) and len(out_dims) == 1:
        out_dims = out_dims[0]
    dims = matched(out_dims, structure)
    if dims is None:
        raise ValueError(
            f"vmap({name_of(func)}, ..., out_dims={out_dims})(<inputs>): out_dims is not "
            f"compatible with the structure of `outputs`. out_dims has structure "
            f"{flatten(out_dims)[1]} but outputs has structure {structure}."
        )
    results = [
        _result(func, [(part[0][i], part[2]) for part in parts], dim) for i, dim in enumerate(dims)
    ]
    return unflatten(structure, results)


def _result(func: Any, parts: Sequence[Any], dim: int | None) -> Any:
    (first, batched, like), _ = parts[0]
    name = name_of(func)
    if dim is None:
        if batched:
            raise ValueError(
                f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None"
            )
        return first if like is None else outgoing(first, like)
    if like is None:
        raise ValueError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(first)}. Did "
            "you mean to set out_dims= to None for output?"
        )
    fronts = [in_front(size, value, flag) for (value, flag, _), size in parts]
    whole = fronts[0] if len(fronts) == 1 else DISPATCH[np.concatenate](fronts, axis=0)
    rank = len(whole.shape)
    if not -rank <= dim < rank:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], but got "
            f"{dim})"
        )
    if type(whole) is np.ndarray and not whole.flags.writeable:
        whole = whole.copy()
    return outgoing(whole if dim == 0 else DISPATCH[np.moveaxis](whole, 0, dim), like)


expose("vmap", vmap, method=False)
expose("vmap", vmap, method=False, module="func")

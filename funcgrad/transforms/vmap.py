"""Mapping a function over an axis of its arguments, all examples at once: vmap."""

import functools
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from funcgrad import tree
from funcgrad.core.modes import named_axis
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import Tracer
from funcgrad.errors import (
    BatchedValueError,
    BatchSizeError,
    InputDtypeError,
    ObjectArrayError,
    OutputDtypeError,
    PytreeError,
)
from funcgrad.families.shapes import as_operand, in_front, shape_of
from funcgrad.interpreters.batch import Axis, Batch, BatchTracer
from funcgrad.transforms.arguments import (
    check_callable,
    check_output,
    dtype_name,
    float0,
    function_name,
    own,
    run,
)

__all__ = ["checked_chunk", "lift", "unlift", "vmap"]

Axes = Any
"""An axis, `None`, or a pytree of them that is a prefix of the arguments or results."""


def vmap(
    fun: Callable[..., Any],
    in_axes: Axes = 0,
    out_axes: Axes = 0,
    axis_name: Hashable = None,
    axis_size: int | None = None,
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Map over an axis: (x₁, …, xₙ) ↦ (f(x₁), …, f(xₙ)), with all examples in one call of `fun`.

    The function is called once, on values that stand for all examples, so that each of its NumPy
    operations runs on the whole batch. It cannot branch on a value that differs between examples.

    Args:
        fun: function of one example, with arrays or pytrees of arrays.
        in_axes: which axis of the arguments to map over: an int (negative ones count from the end),
            `None` for arguments that are the same for all examples, or a tuple with one entry for
            each positional argument, which may be a pytree of axes that is a prefix of it. Keyword
            arguments are mapped over their first axis.
        out_axes: where the mapped axis stands in the results: an int, `None` for a result that does
            not depend on the mapped arguments, or a pytree of them that is a prefix of the result.
        axis_name: what collectives (`psum`, `axis_index`, ...) inside `fun` call the mapped axis.
        axis_size: the number of examples n; needed only where no argument is mapped.
        chunk_size: how many examples to compute at once; all of them by default. It bounds the
            memory of intermediate values, not the result. It cannot be combined with `axis_name`.

    Returns:
        A function of the same arguments with the mapped axes, of shape `(n, …)`; its results are
        arrays of the same dtype with an axis of length n more.

    Raises:
        BatchSizeError: if the mapped axes have different lengths, an axis is out of range, or
            there is none.
        InputDtypeError: if a leaf that is to be mapped is no array.
        BatchedValueError: if the function asks for a plain value (`if`, `float()`) of something
            that differs between examples, or if such a result has the out axis `None`.
        PytreeError: if `in_axes` or `out_axes` is no prefix of the arguments or the result.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> fg.vmap(np.dot, in_axes=(0, None))(np.eye(2), np.array([3.0, 4.0]))
        array([3., 4.])
    """
    check_callable("vmap", fun)
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    _check_axes("in_axes", in_axes)
    _check_axes("out_axes", out_axes)
    chunk_size = checked_chunk("vmap", chunk_size)
    if axis_name is not None and chunk_size is not None:
        raise BatchSizeError(
            f"vmap: axis_name={axis_name!r} with chunk_size={chunk_size}. A collective needs all "
            "examples at once. Leave one of them away."
        )

    @functools.wraps(fun)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = tree.flatten((args, kwargs))
        if type(in_axes) is tuple and len(in_axes) != len(args):
            _refuse_count(in_axes, len(args))
        axes = tree.broadcast_to_structure(
            in_axes, tree.structure(args), _is_none, caller="vmap", name="in_axes"
        )
        axes += [0] * (len(leaves) - len(axes))
        size = _batch_size(args, kwargs, leaves, axes, axis_size)
        values = [
            leaf if axis is None else DISPATCH[np.moveaxis](_array(leaf), axis, 0)
            for leaf, axis in zip(leaves, axes, strict=True)
        ]
        flags = [axis is not None for axis in axes]
        run = _Run(fun, structure, values, flags, axis_name)
        parts = [run(start, stop) for start, stop in _chunks(size, chunk_size)]
        out_structure = parts[0][1]
        places = tree.broadcast_to_structure(
            out_axes, out_structure, _is_none, caller="vmap", name="out_axes"
        )
        forbidden = {id(leaf) for leaf in leaves}
        results = []
        for number, place in enumerate(places):
            part = _result([outs[number] for outs, _ in parts], place, size)
            results.append(own(part, forbidden))
        return tree.unflatten(out_structure, results)

    return mapped


def _is_none(x: Any) -> bool:
    return x is None


def _is_axis(x: Any) -> bool:
    return x is None or (hasattr(x, "__index__") and not isinstance(x, bool | np.ndarray))


def _check_axes(name: str, axes: Axes) -> None:
    if not all(map(_is_axis, tree.leaves(axes, _is_none))):
        raise BatchSizeError(
            f"vmap: {name}={axes!r}. An axis is an integer, or None for what is not mapped. Write "
            f"{name}=0, or a tuple with an axis for each argument, such as (0, None)."
        )


def _refuse_count(in_axes: tuple[Axes, ...], count: int) -> NoReturn:
    given = len(in_axes)
    raise PytreeError(
        f"vmap: in_axes has {given} entr{'y' if given == 1 else 'ies'} for {count} "
        f"argument{'s' * (count != 1)}: {in_axes!r}. A tuple says for each positional argument "
        "which axis to map. Give it an entry for each (None for what all examples share), or write "
        "in_axes=0, which is for all of them."
    )


def checked_chunk(transform: str, chunk_size: Any) -> int | None:
    """A `chunk_size` argument as a positive integer, or `None`.

    Raises:
        BatchSizeError: for anything else.
    """
    if chunk_size is None:
        return None
    if not hasattr(chunk_size, "__index__") or chunk_size.__index__() < 1:
        raise BatchSizeError(
            f"{transform}: chunk_size={chunk_size!r}. It says how many examples to compute at "
            "once. Pass a positive integer, or None for all of them."
        )
    return int(chunk_size.__index__())


# --- arguments --------------------------------------------------------------------------------


def _array(leaf: Any) -> Any:
    """A leaf without the habits of subclasses such as `np.matrix`."""
    return as_operand(leaf) if isinstance(leaf, np.ndarray) else leaf


def _batch_size(
    args: Sequence[Any],
    kwargs: dict[str, Any],
    leaves: Sequence[Any],
    axes: Sequence[Any],
    axis_size: int | None,
) -> int:
    """The one length of all mapped axes."""
    lengths: dict[int, int] = {}
    for number, (leaf, axis) in enumerate(zip(leaves, axes, strict=True)):
        if axis is None:
            continue
        shape = _shape_to_map(args, kwargs, number, leaf)
        if not -len(shape) <= axis < len(shape):
            _refuse_axis(_place(args, kwargs, number), shape, axis)
        lengths[number] = shape[axis]
    if axis_size is not None and (not hasattr(axis_size, "__index__") or axis_size < 0):
        raise BatchSizeError(
            f"vmap: axis_size={axis_size!r}. It is the number of examples. Pass an integer, or "
            "leave it away where an argument is mapped."
        )
    if not lengths and axis_size is None:
        raise BatchSizeError(
            "vmap: no argument has a mapped axis, and axis_size is not given. The number of "
            "examples is unknown. Map an argument, as in in_axes=0, or pass axis_size."
        )
    sizes = set(lengths.values()) | ({axis_size} if axis_size is not None else set())
    if len(sizes) > 1:
        listed = [
            f"{_place(args, kwargs, number)} has size {length} along axis {axes[number]}"
            for number, length in lengths.items()
        ]
        if axis_size is not None:
            listed.insert(0, f"axis_size is {axis_size}")
        first = [*dict.fromkeys(text.rsplit(" has ", 1)[-1] for text in listed)]
        shown = listed if len(listed) <= 8 else [*_one_a_size(listed, first), "and others"]
        raise BatchSizeError(
            f"vmap: the mapped axes have different sizes: {', '.join(shown)}. All examples are "
            "computed together. Pass axes of one size, or in_axes with None for an argument that "
            "all examples share."
        )
    return int(sizes.pop())


def _one_a_size(listed: list[str], sizes: list[str]) -> list[str]:
    return [next(text for text in listed if text.endswith(size)) for size in sizes[:8]]


def _shape_to_map(
    args: Sequence[Any], kwargs: dict[str, Any], number: int, leaf: Any
) -> tuple[int, ...]:
    kind = getattr(getattr(leaf, "dtype", None), "kind", None)
    if kind is not None and kind in "OSU":
        raise ObjectArrayError(
            f"vmap: {_place(args, kwargs, number)} is an array of dtype {leaf.dtype}. funcgrad "
            "computes with numbers only. Use a numeric array, or a list (a pytree) of arrays."
        )
    if kind is None and not isinstance(leaf, int | float | complex):
        raise InputDtypeError(
            f"vmap: {_place(args, kwargs, number)} has {dtype_name(leaf)}. Only arrays have an "
            "axis to map over. Pass an array, or in_axes with None for this argument."
        )
    return shape_of(leaf)


def _refuse_axis(place: str, shape: tuple[int, ...], axis: int) -> NoReturn:
    if not shape:
        raise BatchSizeError(
            f"vmap: {place} has shape (), and in_axes asks for its axis {axis}. A number has no "
            "axes. Pass an array, or in_axes with None for an argument that all examples share."
        )
    raise BatchSizeError(
        f"vmap: {place} has shape {shape}, and in_axes asks for its axis {axis}. There is no such "
        f"axis. Choose from {-len(shape)} to {len(shape) - 1}, or None."
    )


def _place(args: Sequence[Any], kwargs: dict[str, Any], number: int) -> str:
    """Key path of a leaf of the call, such as `args[0]['w']`."""
    path, _ = tree.leaves_with_path((args, kwargs))[number]
    return f"{'args' if path[0].idx == 0 else 'kwargs'}{tree.keystr(path[1:])}"


# --- one run ----------------------------------------------------------------------------------


def _chunks(size: int, chunk_size: int | None) -> Iterator[tuple[int, int]]:
    step = chunk_size or size
    if size == 0 or step >= size:
        yield 0, size
        return
    for start in range(0, size, step):
        yield start, min(start + step, size)


class _Run:
    """The function on a slice of the examples."""

    __slots__ = ("axis_name", "flags", "fun", "structure", "values")

    def __init__(
        self,
        fun: Callable[..., Any],
        structure: Any,
        values: list[Any],
        flags: list[bool],
        axis_name: Hashable,
    ) -> None:
        self.axis_name = axis_name
        self.fun = fun
        self.structure = structure
        self.values = values
        self.flags = flags

    def __call__(self, start: int, stop: int) -> tuple[list[tuple[Any, bool, int]], Any]:
        """Results as `(value, batched, number of examples)`, and their structure."""
        trace = Batch("vmap", stop - start, self.axis_name, None)
        traced = [
            lift(trace, _slice(value, start, stop) if flag else value, flag)
            for value, flag in zip(self.values, self.flags, strict=True)
        ]
        args, kwargs = tree.unflatten(self.structure, traced)
        try:
            with named_axis(self.axis_name, trace):
                out = run(self.fun, args, kwargs)
        finally:
            trace.close()
        leaves, structure = tree.flatten(out)
        found = []
        for leaf in leaves:
            _check_result(self.fun, leaf)
            found.append((*unlift(trace, leaf), trace.size))
        return found, structure


def _slice(value: Any, start: int, stop: int) -> Any:
    return value if start == 0 and stop == shape_of(value)[0] else value[start:stop]


def lift(trace: Batch, value: Any, batched: bool | None) -> Any:
    """A value of the transform around a batch as one inside of it; for `None`, the axis itself.

    An array that is the same for all examples becomes a tracer too, so that NumPy dispatches where
    it is indexed by one; other things need not.
    """
    if batched is None:
        return Axis(trace)
    if batched or (not isinstance(value, Tracer | np.generic) and shape_of(value)):
        return BatchTracer(_array(value), batched, trace)
    return value


def unlift(trace: Batch, x: Any) -> tuple[Any, bool]:
    """A value inside a (closed) batch as `(value, batched)` of the transform around it."""
    if isinstance(x, BatchTracer) and x.owner is trace:
        return x.value, x.batched
    if getattr(x, "dtype", None) != float0:
        check_output("vmap", trace, x)
    return x, False


def _check_result(fun: Callable[..., Any], leaf: Any) -> None:
    if not hasattr(leaf, "dtype") and not isinstance(leaf, int | float | complex):
        raise OutputDtypeError(
            f"vmap: {function_name(fun)} returned a {type(leaf).__name__}. Only arrays and numbers "
            "can be joined along the mapped axis. Return arrays, or None in place of it."
        )


def _result(parts: list[tuple[Any, bool, int]], place: int | None, size: int) -> Any:
    """One result of all chunks, with the mapped axis where `out_axes` says."""
    value, batched, _ = parts[0]
    if place is None:
        if batched:
            raise BatchedValueError(
                f"vmap: out_axes is None for a result of shape {shape_of(value)[1:]} that differs "
                f"along the mapped axis (size {size}). One value cannot stand for all examples. "
                "Pass an axis in out_axes, or reduce over the axis after vmap."
            )
        return value.copy() if type(value) is np.ndarray else value
    if getattr(value, "dtype", None) == float0:
        return np.zeros(_inserted(shape_of(value), place, size), float0)
    fronts = [in_front(count, value, batched) for value, batched, count in parts]
    whole = fronts[0] if len(fronts) == 1 else DISPATCH[np.concatenate](fronts, axis=0)
    rank = len(shape_of(whole))
    if not -rank <= place < rank:
        raise BatchSizeError(
            f"vmap: a result has shape {shape_of(whole)[1:]} for one example, and out_axes asks "
            f"for the mapped axis at {place}. There is no such place. Choose from {-rank} to "
            f"{rank - 1}."
        )
    return DISPATCH[np.moveaxis](whole, 0, place) if place not in (0, -rank) else whole


def _inserted(shape: tuple[int, ...], place: int, size: int) -> tuple[int, ...]:
    at = place if place >= 0 else place + len(shape) + 1
    return (*shape[:at], size, *shape[at:])

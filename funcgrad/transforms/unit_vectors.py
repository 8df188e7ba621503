"""Derivatives along all unit vectors at once: the rows or columns of a Jacobian.

They are `jvp`, or the pullback of `vjp`, mapped over the unit vectors, which are made a chunk at a
time, so that what is computed at once stays bounded.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.core.foreign import as_array
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import Tracer, unknown_likeness
from funcgrad.errors import InputDtypeError, OutputDtypeError
from funcgrad.families.shapes import is_complex, shape_of
from funcgrad.transforms.arguments import (
    check_primal,
    dtype_name,
    float0,
    function_name,
    is_differentiable,
    own,
    result_dtype,
)
from funcgrad.transforms.autodiff import vjp
from funcgrad.transforms.forward import jvp
from funcgrad.transforms.vmap import vmap

__all__ = ["CHUNK_ELEMENTS", "Problem", "Selected"]

CHUNK_ELEMENTS = 2**22
"""Without `chunk_size`, so many unit vectors at once that, times their length, they stay below."""


class Selected:
    """The function of the selected arguments alone."""

    __slots__ = ("__name__", "args", "fun", "kwargs", "positions")

    def __init__(
        self,
        fun: Callable[..., Any],
        args: Sequence[Any],
        kwargs: dict[str, Any],
        positions: Sequence[int],
    ) -> None:
        self.fun = fun
        self.args = args
        self.kwargs = kwargs
        self.positions = positions
        self.__name__ = function_name(fun)

    def __call__(self, *chosen: Any) -> Any:
        """Call the function with these in place of the selected arguments."""
        args = list(self.args)
        for position, value in zip(self.positions, chosen, strict=True):
            args[position] = value
        return self.fun(*args, **self.kwargs)


class Problem:
    """One call: a function of the selected arguments and where to differentiate it."""

    __slots__ = ("chunk", "fun", "has_aux", "holomorphic", "leaves", "single", "structure",
                 "transform")  # fmt: skip

    def __init__(
        self,
        transform: str,
        fun: Selected,
        primals: Sequence[Any],
        single: bool,
        has_aux: bool,
        holomorphic: bool,
        allow_int: bool,
        chunk: int | None,
    ) -> None:
        self.transform = transform
        self.fun = fun
        self.single = single
        self.has_aux = has_aux
        self.holomorphic = holomorphic
        self.chunk = chunk
        self.leaves, self.structure = tree.flatten(tuple(primals))
        for path, leaf in tree.leaves_with_path(tuple(primals)):
            place = f"argument {fun.positions[path[0].idx]}{tree.keystr(path[1:])}"
            check_primal(transform, leaf, place, allow_int=allow_int)
            if holomorphic and not is_complex(leaf):
                raise OutputDtypeError(
                    f"{transform}: holomorphic=True, but {place} has {dtype_name(leaf)}. A "
                    "holomorphic derivative is by a complex argument. Pass it as complex, or leave "
                    "holomorphic away."
                )

    @property
    def primals(self) -> tuple[Any, ...]:
        """The selected arguments."""
        primals: tuple[Any, ...] = tree.unflatten(self.structure, self.leaves)
        return primals

    def solve(self, mode: str) -> tuple[Any, Any]:
        """Jacobian and auxiliary result."""
        if mode == "forward":
            return self.forward()
        plain = all(is_differentiable(leaf) for leaf in self.leaves)
        may_go_forward = plain and (self.holomorphic or not any(map(is_complex, self.leaves)))
        size = sum(map(_size, self.leaves))
        if mode == "auto" and may_go_forward and size <= 1:
            return self.forward()
        out, pullback, *aux = vjp(self.fun, *self.primals, has_aux=self.has_aux)
        outs, out_structure = tree.flatten(out)
        if mode == "auto" and may_go_forward:
            may_go_back = all(self._is_reversible(leaf) for leaf in outs)
            if not may_go_back or sum(map(_size, outs)) > size:
                return self.forward()
        return self.reverse(outs, out_structure, pullback), (aux[0] if aux else None)

    def _is_reversible(self, out: Any) -> bool:
        return is_differentiable(out) and is_complex(out) == self.holomorphic

    # forward mode -----------------------------------------------------------------------------
    def forward(self) -> tuple[Any, Any]:
        """The columns: jvp over the unit vectors of the arguments."""
        for leaf in self.leaves:
            if is_complex(leaf) and not self.holomorphic:
                raise InputDtypeError(
                    f"{self.transform}: an argument has {dtype_name(leaf)}. Forward mode would "
                    "give the derivative along the real axis only. Pass holomorphic=True if the "
                    "function is complex differentiable, or use jvp or jacrev."
                )
        sizes = [_size(leaf) for leaf in self.leaves]
        total = sum(sizes)
        push = _Push(self)
        columns: list[list[Any]] = [
            push(basis) for basis in _unit_chunks(self.leaves, self._rows(total))
        ]
        outs, out_structure = push.outs, push.out_structure
        blocks = []
        for number, out in enumerate(outs):
            if self.holomorphic and not is_complex(out):
                self._refuse_output(out, "complex")
            parts = [chunk[number] for chunk in columns]
            whole = parts[0] if len(parts) == 1 else DISPATCH[np.concatenate](parts, axis=-1)
            ends = np.cumsum([0, *sizes]).tolist()
            blocks.append(
                [
                    _block(whole, (..., slice(a, b)), out, leaf, alone=len(sizes) == 1)
                    for leaf, a, b in zip(self.leaves, ends, ends[1:], strict=False)
                ]
            )
        return self._nested(out_structure, blocks), push.aux

    # reverse mode -----------------------------------------------------------------------------
    def reverse(self, outs: list[Any], out_structure: Any, pullback: Callable[..., Any]) -> Any:
        """The rows: the pullback over the unit vectors of the results."""
        for out in outs:
            if not is_differentiable(out) or is_complex(out) != self.holomorphic:
                self._refuse_output(out, "complex" if self.holomorphic else "real floating-point")
        sizes = [_size(out) for out in outs]
        total = sum(sizes)
        pull = _Pull(pullback, outs, out_structure)
        longest = max(total, sum(map(_size, self.leaves)))
        chunks = [pull(basis) for basis in _unit_chunks(outs, self._rows(longest))]
        ends = np.cumsum([0, *sizes]).tolist()
        blocks: list[list[Any]] = [[] for _ in outs]
        for number, leaf in enumerate(self.leaves):
            parts = [chunk[number] for chunk in chunks]
            if not is_differentiable(leaf):
                whole = np.zeros((total, *shape_of(leaf)), float0)
            else:
                whole = parts[0] if len(parts) == 1 else DISPATCH[np.concatenate](parts, axis=0)
            for row, out, a, b in zip(blocks, outs, ends, ends[1:], strict=False):
                row.append(_block(whole, (slice(a, b), ...), out, leaf, alone=len(sizes) == 1))
        return self._nested(out_structure, blocks)

    def _rows(self, length: int) -> int:
        return self.chunk or max(1, CHUNK_ELEMENTS // max(length, 1))

    def _nested(self, out_structure: Any, blocks: list[list[Any]]) -> Any:
        rows = []
        for block in blocks:
            row = tree.unflatten(self.structure, block)
            rows.append(row[0] if self.single else row)
        return tree.unflatten(out_structure, rows)

    def _refuse_output(self, out: Any, needed: str) -> None:
        fix = (
            "Leave holomorphic away"
            if self.holomorphic
            else "Differentiate its real and imaginary parts, or pass holomorphic=True"
            if is_differentiable(out)
            else "Return it as float, or pass it on with has_aux=True"
        )
        raise OutputDtypeError(
            f"{self.transform}: {function_name(self.fun)} returned {dtype_name(out)}. This needs "
            f"{needed} results. {fix}; jacfwd differentiates by real arguments whatever the result."
        )


def _size(x: Any) -> int:
    size = 1
    for length in shape_of(x):
        size *= length
    return size


def _block(whole: Any, key: tuple[Any, ...], out: Any, leaf: Any, alone: bool) -> Any:
    """The rows or columns of one result and one argument, in their shapes and own memory."""
    shape = shape_of(out) + shape_of(leaf)
    part = whole if shape_of(whole) == shape else whole[key]
    if type(part) is not np.ndarray:
        return DISPATCH[np.reshape](part, shape) if isinstance(part, Tracer) else part
    part = part.reshape(shape)
    if not shape and not isinstance(leaf, np.ndarray) and part.dtype != float0:
        return part[()]
    return part if alone else own(part, set())


# --- unit vectors, and the modes applied to them ----------------------------------------------


def _unit_chunks(leaves: Sequence[Any], rows: int) -> Iterator[list[Any]]:
    """Unit vectors of the space of all leaves together, so many at a time.

    Yields for each leaf an array of shape `(rows, *leaf.shape)`, or `None` where they are all zero.
    Leaves that are not floating-point have no unit vectors; if there are none at all, one chunk of
    `None` is made.
    """
    sizes = [_size(leaf) for leaf in leaves]
    total = sum(sizes)
    unknown = next((like for like in map(unknown_likeness, leaves) if like is not None), None)
    if unknown is not None and total:  # only shapes are computed
        yield [unknown.owner.zeros((total, *shape_of(x)), result_dtype(x)) for x in leaves]
        return
    if total == 0:
        yield [None] * len(leaves)
    for start in range(0, total, rows):
        stop = min(start + rows, total)
        chunk: list[Any] = []
        first = 0
        for leaf, size in zip(leaves, sizes, strict=True):
            low, high = max(start, first), min(stop, first + size)
            if low < high:
                units = np.zeros((stop - start, size), result_dtype(leaf))
                units[
                    np.arange(low - start, high - start), np.arange(low - first, high - first)
                ] = 1
                chunk.append(units.reshape(stop - start, *shape_of(leaf)))
            else:
                chunk.append(None)
            first += size
        yield chunk


class _Push:
    """`jvp` over unit vectors; keeps what it learns of the results on the way."""

    __slots__ = ("aux", "out_structure", "outs", "problem")

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.aux: Any = None
        self.outs: list[Any] = []
        self.out_structure: Any = None

    def __call__(self, units: list[Any]) -> list[Any]:
        """For each result the columns, of shape `(*result.shape, rows)`."""
        active = [i for i, unit in enumerate(units) if unit is not None]
        leaves, structure = list(self.problem.leaves), self.problem.structure

        def function(*chosen: Any) -> Any:
            for i, value in zip(active, chosen, strict=True):
                leaves[i] = value
            return self.problem.fun(*tree.unflatten(structure, leaves))

        primals = tuple(leaves[i] for i in active)

        def push(*dots: Any) -> list[Any]:
            out, out_dot, *aux = jvp(function, primals, dots, self.problem.has_aux)
            self.aux = aux[0] if aux else None
            self.outs, self.out_structure = tree.flatten(out)
            dots_out: list[Any] = tree.leaves(out_dot)
            return dots_out

        if not active:
            push()
            return [
                np.zeros(
                    (*shape_of(out), 0), result_dtype(out) if is_differentiable(out) else float0
                )
                for out in self.outs
            ]
        found: list[Any] = vmap(push, out_axes=-1)(*(units[i] for i in active))
        return found


class _Pull:
    """A pullback over unit vectors."""

    __slots__ = ("outs", "pullback", "structure")

    def __init__(self, pullback: Callable[..., Any], outs: list[Any], structure: Any) -> None:
        self.pullback = pullback
        self.outs = outs
        self.structure = structure

    def __call__(self, units: list[Any]) -> list[Any]:
        """For each argument the rows, of shape `(rows, *argument.shape)`."""
        active = [i for i, unit in enumerate(units) if unit is not None]
        nothing: list[Any] = [np.zeros(shape_of(out), float0) for out in self.outs]

        def pull(*cts: Any) -> list[Any]:
            all_cts = list(nothing)
            for i, ct in zip(active, cts, strict=True):
                all_cts[i] = ct
            parts: list[Any] = tree.leaves(self.pullback(tree.unflatten(self.structure, all_cts)))
            return parts

        if not active:
            return [part[None][:0] for part in map(_with_axis, pull())]
        if len(units[active[0]]) == 1:  # one row needs no batch
            return [_with_axis(part)[None] for part in pull(*(units[i][0] for i in active))]
        found: list[Any] = vmap(pull)(*(units[i] for i in active))
        return found


def _with_axis(x: Any) -> Any:
    return x if isinstance(x, Tracer) else as_array(x)

"""What a sparse derivative is asked of: a function and its arguments."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.core.tracer import Tracer
from funcgrad.errors import OutputDtypeError
from funcgrad.families.shapes import as_operand, is_complex, shape_of
from funcgrad.interpreters.batch import BatchTracer
from funcgrad.transforms.arguments import (
    Selection,
    check_primal,
    dtype_name,
    function_name,
    is_differentiable,
    result_dtype,
)
from funcgrad.transforms.autodiff import grad
from funcgrad.transforms.unit_vectors import Selected

__all__ = ["Call", "Problem", "argument", "example_of", "outline", "size_of"]


@dataclass(frozen=True, slots=True)
class Call:
    """Arguments of one call, taken apart.

    Attributes:
        leaves: of `(args, kwargs)`.
        structure: of these.
        positions: of the selected arguments.
        chosen: numbers of the leaves that are differentiated, argument by argument.
        primals_structure: of the tuple of selected arguments.
    """

    leaves: tuple[Any, ...]
    structure: tree.Structure
    positions: tuple[int, ...]
    chosen: tuple[int, ...]
    primals_structure: tree.Structure

    @property
    def primals(self) -> list[Any]:
        """The leaves that are differentiated."""
        return [self.leaves[i] for i in self.chosen]

    def at(self, leaves: Sequence[Any]) -> "Call":
        """The same call with other leaves."""
        return replace(self, leaves=tuple(leaves))

    def plain(self) -> "Call":
        """The same call with the values below all transforms."""
        return self.at(list(map(example_of, self.leaves)))

    def hollow(self) -> "Call":
        """The same call with zeros that take no memory in place of arrays."""
        return self.at([outline(x) if isinstance(x, np.ndarray) else x for x in self.leaves])

    def target(self, problem: "Problem", fun: Callable[..., Any], leaves: Sequence[Any]) -> Any:
        """The function (or gradient) of a flat list of the selected leaves, the others fixed."""
        args, kwargs = tree.unflatten(self.structure, leaves)
        chosen = Selected(fun, args, kwargs, self.positions)
        whole: Any = chosen
        if problem.is_hessian:
            numbers = tuple(range(len(self.positions)))
            whole = grad(chosen, numbers, problem.has_aux, problem.holomorphic)

        def target(*primals: Any) -> Any:
            return whole(*tree.unflatten(self.primals_structure, primals))

        target.__name__ = chosen.__name__
        return target


class Problem:
    """A sparse derivative of a function.

    Attributes:
        transform: name for messages.
        fun: the user's function.
        selection: which arguments.
        is_hessian: whether it is the derivative of the gradient.
        has_aux: whether the function returns a pair.
        holomorphic: whether it is complex differentiable.
    """

    __slots__ = ("fun", "has_aux", "holomorphic", "is_hessian", "selection", "transform")

    def __init__(
        self,
        transform: str,
        fun: Callable[..., Any],
        argnums: int | Sequence[int],
        has_aux: bool,
        holomorphic: bool,
    ) -> None:
        self.transform = transform
        self.fun = fun
        self.selection = Selection.of(transform, argnums, None)
        self.is_hessian = "hessian" in transform
        self.has_aux = has_aux
        self.holomorphic = holomorphic

    def of(self, fun: Callable[..., Any]) -> "Problem":
        """The same of another function."""
        if fun is self.fun:
            return self
        other = copy.copy(self)
        other.fun = fun
        return other

    @property
    def name(self) -> str:
        """Of the function."""
        return function_name(self.fun)

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """The arguments of a call, checked."""
        positions, _ = self.selection.positions(self.fun, args, kwargs)
        leaves, structure = tree.flatten((args, kwargs))
        leaves = [as_operand(leaf) if isinstance(leaf, np.ndarray) else leaf for leaf in leaves]
        numbers = iter(range(len(leaves)))
        by_argument = [[next(numbers) for _ in tree.leaves(arg)] for arg in args]
        primals_structure = tree.structure(tuple(args[i] for i in positions))
        chosen = tuple(number for i in positions for number in by_argument[i])
        for number in chosen:
            self._check(leaves[number], number, args)
        return Call(tuple(leaves), structure, tuple(positions), chosen, primals_structure)

    def _check(self, leaf: Any, number: int, args: Any) -> None:
        path, _ = tree.leaves_with_path((args, {}))[number]
        place = f"argument {argument(path)}"
        check_primal(self.transform, leaf, place)
        if is_complex(leaf) != self.holomorphic:
            fix = (
                "Pass it as complex, or leave holomorphic away"
                if self.holomorphic
                else "Pass holomorphic=True if the function is complex differentiable, or its real "
                "and imaginary parts as arguments"
            )
            raise OutputDtypeError(
                f"{self.transform}: {place} has {dtype_name(leaf)}, with holomorphic="
                f"{self.holomorphic}. An entry is one number, the derivative by one "
                f"{'complex' if self.holomorphic else 'real'} number. {fix}."
            )

    def check_output(self, out: Any) -> None:
        """Refuse a result that has no derivative."""
        if is_differentiable(out) and is_complex(out) == self.holomorphic:
            return
        needed = "complex" if self.holomorphic else "real floating-point"
        raise OutputDtypeError(
            f"{self.transform}: {self.name} returned {dtype_name(out)}. This needs {needed} "
            "results. Return it as such, or pass it on with has_aux=True."
        )


def example_of(x: Any) -> Any:
    """The value below all transforms, of one example where it belongs to a batch."""
    while isinstance(x, Tracer):
        value = x.value
        if isinstance(x, BatchTracer) and x.batched:
            value = value[0] if shape_of(value)[0] else np.ones(x.shape, x.dtype)
        x = value
    return x


def argument(path: tree.KeyPath) -> str:
    """How messages name a leaf of `(args, kwargs)`."""
    place: Any = path[1]
    return f"{place.idx if path[0].idx == 0 else repr(place.key)}{tree.keystr(path[2:])}"


def size_of(x: Any) -> int:
    """Number of elements."""
    size = 1
    for length in shape_of(x):
        size *= length
    return size


def outline(x: Any) -> Any:
    """Zeros of the same shape and dtype, which take no memory."""
    return np.broadcast_to(np.zeros((), result_dtype(x)), shape_of(x))

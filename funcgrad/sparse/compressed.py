"""Compressed derivatives: products with sums of unit vectors, all at once, compiled.

For a matrix A of the derivative and the matrix S of ones at (j, colour of j), A S is `jvp` mapped
over the columns of S; Aᵀ S, for colours of rows, is the pullback of `vjp` mapped over them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.core.protocols import DISPATCH
from funcgrad.errors import SparsityError
from funcgrad.families.shapes import shape_of
from funcgrad.sparse.finding import find, is_symmetric, outside
from funcgrad.sparse.pattern import Indices, Pattern
from funcgrad.sparse.problem import Call, Problem, argument, example_of, size_of
from funcgrad.transforms.arguments import result_dtype
from funcgrad.transforms.autodiff import vjp
from funcgrad.transforms.forward import jvp
from funcgrad.transforms.unit_vectors import CHUNK_ELEMENTS
from funcgrad.transforms.vmap import vmap

__all__ = ["Layout", "Seeding", "Seeds", "Watch", "compressed", "is_array"]


@dataclass(frozen=True, slots=True)
class Layout:
    """How the entries of a matrix are found in the compressed one.

    Attributes:
        mode: "forward" for A S, "reverse" for Aᵀ S.
        colouring: a colour for each column (forward), or for each row (reverse).
        lines: for each entry its row in the compressed matrix.
        colours: for each entry its column in the compressed matrix, which is a colour.
        length: number of rows of the compressed matrix.
        is_star: whether entries are taken from their mirror images, too.
    """

    mode: str
    colouring: Indices
    lines: Indices
    colours: Indices
    length: int
    is_star: bool = False

    @property
    def count(self) -> int:
        """Number of colours."""
        return int(self.colouring.max(initial=0)) + 1


@dataclass(frozen=True, slots=True)
class Seeds:
    """Some of the rows of Sᵀ.

    Attributes:
        arrays: for each leaf of the arguments (or of the results) an array (rows, *its shape).
        entries: numbers of the entries that are found with them.
        places: of these in the compressed matrix (rows, length), as if it were flat.
    """

    arrays: list[Any]
    entries: Indices
    places: Indices


class Seeding:
    """The rows of Sᵀ, as many at a time as stay below 2²² elements.

    Args:
        layout: the colours.
        leaves: selected arguments (forward) or results (reverse); their shapes and dtypes count.
    """

    __slots__ = ("layout", "leaves", "rows")

    def __init__(self, layout: Layout, leaves: Sequence[Any]) -> None:
        self.layout = layout
        self.leaves = leaves
        longest = max(layout.length, layout.colouring.size, 1)
        chunks = -(-layout.count * longest // CHUNK_ELEMENTS)
        self.rows = -(-layout.count // min(chunks, layout.count))

    @property
    def is_one(self) -> bool:
        """Whether one chunk is all."""
        return self.rows == self.layout.count

    def chunks(self) -> Iterator[Seeds]:
        """All rows; these arrays are made anew each time, for together they may be large."""
        layout = self.layout
        ends = np.cumsum(list(map(size_of, self.leaves)))[:-1].tolist()
        for low in range(0, layout.count, self.rows):
            high = low + self.rows
            units = np.zeros((self.rows, layout.colouring.size), bool)
            chosen = np.flatnonzero((layout.colouring >= low) & (layout.colouring < high))
            units[layout.colouring[chosen] - low, chosen] = True
            arrays = [
                part.astype(result_dtype(leaf)).reshape(self.rows, *shape_of(leaf))
                for part, leaf in zip(np.split(units, ends, axis=1), self.leaves, strict=True)
            ]
            entries = np.arange(layout.lines.size)
            if not self.is_one:
                entries = np.flatnonzero((layout.colours >= low) & (layout.colours < high))
            places = (layout.colours[entries] - low) * layout.length + layout.lines[entries]
            yield Seeds(arrays, entries, places)


class Watch:
    """What is to be so wherever the compressed derivative is recorded.

    Another way through the function (a branch on a value) is recorded when it is first taken. Its
    structure has to lie within the one that the colours were made for.

    Args:
        problem: the derivative.
        call: arguments that it was planned at.
        pattern: its structure.
        is_given: whether the structure is the user's, who vouches for it.
        leaves: of the arguments that the structure was found at.
        is_star: whether the matrix has to be symmetric.
    """

    __slots__ = ("call", "is_given", "is_star", "pattern", "problem", "trusted")

    def __init__(
        self,
        problem: Problem,
        call: Call,
        pattern: Pattern,
        is_given: bool,
        leaves: Sequence[Any],
        is_star: bool,
    ) -> None:
        self.problem = problem
        self.is_star = is_star
        self.call = call
        self.pattern = pattern
        self.is_given = is_given
        self.trusted: Sequence[Any] | None = leaves  # until they have been seen

    def look(self, leaves: Sequence[Any]) -> None:
        """Compare arguments and structure with those of the plan.

        Raises:
            SparsityError: if they do not fit.
        """
        planned = self.call
        for number in planned.chosen:
            old, new = planned.leaves[number], leaves[number]
            if shape_of(old) != shape_of(new) or result_dtype(old) != result_dtype(new):
                path, _ = tree.leaves_with_path(tree.unflatten(planned.structure, leaves))[number]
                raise SparsityError(
                    f"{self.problem.transform}: argument {argument(path)} of "
                    f"{self.problem.name} has dtype {result_dtype(new)} and shape {shape_of(new)}, "
                    f"but the plan was made for dtype {result_dtype(old)} and shape "
                    f"{shape_of(old)}. Colours belong to one size. Call prepare for this one, or "
                    "call the sparse derivative itself, which keeps a plan for each."
                )
        if self._is_trusted(leaves):
            return
        if self.is_star and not is_symmetric(self.problem, planned.at(leaves)):
            raise SparsityError(
                f"{self.problem.transform}: for these values {self.problem.name} takes a branch "
                "with a custom rule, so that its second derivatives may not be symmetric. The plan "
                "was made for symmetric ones. Call prepare for such values, or use "
                f"sparse_jacobian(grad({self.problem.name}))."
            )
        if self.is_given:
            return
        found = find(self.problem, planned.at(leaves), self.pattern).pattern
        assert found is not None  # it is asked for
        if found != self.pattern:
            raise outside(self.problem, found, self.pattern)

    def _is_trusted(self, leaves: Sequence[Any]) -> bool:
        """Whether the structure was found at these very arguments."""
        trusted, self.trusted = self.trusted, None
        return trusted is not None and all(
            example_of(new) is old for new, old in zip(leaves, trusted, strict=True)
        )


def compressed(
    problem: Problem, fun: Callable[..., Any], call: Call, seeding: Seeding, watch: Watch
) -> Callable[..., Any]:
    """The function that is compiled: from leaves to all entries and `aux`.

    If one chunk of seeds is all, they are constants of its program, which is simplified with them.
    Otherwise it is a function of places, seeds and leaves, for the entries of one chunk.
    """
    has_aux = problem.has_aux
    numbers = [i for i, leaf in enumerate(call.leaves) if is_array(leaf)]
    fixed = [None if is_array(leaf) else leaf for leaf in call.leaves]

    def entries(*given: Any) -> Any:
        arrays = given[len(given) - len(numbers) :]
        leaves = list(fixed)
        for number, array in zip(numbers, arrays, strict=True):
            leaves[number] = array
        if seeding.is_one:
            only = next(seeding.chunks())
            places, seeds = only.places, only.arrays
        else:
            places, *seeds = given[: len(given) - len(numbers)]
        watch.look(leaves)
        target = call.target(problem, fun, leaves)
        primals = tuple(leaves[i] for i in call.chosen)
        parts, aux = apply(target, primals, seeds)
        rows = shape_of(seeds[0])[0]
        flat = [DISPATCH[np.reshape](part, (rows, -1)) for part in parts]
        whole = flat[0] if len(flat) == 1 else DISPATCH[np.concatenate](flat, axis=1)
        values = DISPATCH[np.take](DISPATCH[np.reshape](whole, (-1,)), places)
        return values, aux

    def forward(target: Any, primals: Any, seeds: Any) -> Any:
        def push(*dots: Any) -> Any:
            _, out_dot, *aux = jvp(target, primals, dots, has_aux)
            return tree.leaves(out_dot), (aux[0] if aux else None)

        return vmap(push, out_axes=(0, None))(*seeds)

    def reverse(target: Any, primals: Any, seeds: Any) -> Any:
        out, pullback, *aux = vjp(target, *primals, has_aux=has_aux)
        structure = tree.structure(out)

        def pull(*cts: Any) -> Any:
            return list(pullback(tree.unflatten(structure, cts)))

        return vmap(pull)(*seeds), (aux[0] if aux else None)

    apply = forward if seeding.layout.mode == "forward" else reverse
    entries.__name__ = f"entries_of_{problem.name}"
    return entries


def is_array(leaf: Any) -> bool:
    """Whether a leaf is an argument of compiled functions."""
    return isinstance(leaf, int | float | complex) or hasattr(leaf, "dtype")

"""The table of passes, and how they are applied: together, in one walk over the program.

A pass is a list of rules. The rules of all passes are applied to one equation after the other, so
that each finds what the others have made simpler, and then the equations that nobody needs any more
are left out. `PASSES` says which there are; each can be run alone, too.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from funcgrad.compile.passes.algebra import ALGEBRA, SIGNS
from funcgrad.compile.passes.broadcasting import BROADCASTING
from funcgrad.compile.passes.dead import without_dead_code
from funcgrad.compile.passes.diagonals import DIAGONALS
from funcgrad.compile.passes.fast_math import FAST_MATH, ZEROS
from funcgrad.compile.passes.folding import FOLDING
from funcgrad.compile.passes.masks import MASKS
from funcgrad.compile.passes.merging import MERGING
from funcgrad.compile.passes.placing import PLACING
from funcgrad.compile.passes.sweep import Rules, Sweep
from funcgrad.compile.passes.views import VIEWS
from funcgrad.core.program import Program

__all__ = ["PASSES", "Pass", "Saving", "Savings", "forward", "optimised"]


@dataclass(frozen=True, slots=True)
class Pass:
    """A function from programs to programs that compute the same.

    Attributes:
        name: what it does.
        rules: for equations, in the order in which they are tried; `None` for a pass that looks at
            programs from their ends, which comes last.
        exact: whether results stay the same to the last bit.
        fast_math_only: whether it is left out unless it is asked for.
    """

    name: str
    rules: Rules | None
    exact: bool = True
    fast_math_only: bool = False

    def run(self, program: Program) -> Program:
        """The program after this pass alone."""
        if self.rules is None:
            return without_dead_code(program)
        return Sweep([self.rules]).over(program)


PASSES: tuple[Pass, ...] = (
    Pass("views of views", VIEWS),
    Pass("what broadcasts by itself", BROADCASTING),
    Pass("identities of arithmetic", ALGEBRA),
    Pass("signs", SIGNS),
    Pass("known masks", MASKS),
    Pass("sums of parts", PLACING),
    Pass("sums with zeros", ZEROS, exact=False),
    Pass("identities of real numbers", FAST_MATH, exact=False, fast_math_only=True),
    Pass("diagonal matrices", DIAGONALS, exact=False),
    Pass("constants", FOLDING),
    Pass("common subexpressions", MERGING),
    Pass("dead code", None),
)
"""All passes, in order."""


@dataclass(frozen=True, slots=True)
class Saving:
    """What a pass has saved, on top of those before it.

    Attributes:
        name: of the pass.
        equations_before: number of equations that are needed, before it.
        equations_after: the same, after it.
        elements_before: number of elements of their results, views not counted.
        elements_after: the same, after it.
        bytes_before: bytes of these results.
        bytes_after: the same, after it.
    """

    name: str
    equations_before: int
    equations_after: int
    elements_before: int
    elements_after: int
    bytes_before: int
    bytes_after: int

    def __str__(self) -> str:
        equations = f"{self.equations_before:6} → {self.equations_after:6} equations"
        elements = f"{self.elements_before:9} → {self.elements_after:9} elements"
        return f"{self.name:26} {equations}, {elements}"


class Savings(Sequence[Saving]):
    """What each pass has saved of a program: measured when somebody asks."""

    __slots__ = ("_all", "_passes", "_program")

    def __init__(self, program: Program, passes: Sequence[Pass]) -> None:
        self._program = program
        self._passes = passes
        self._all: tuple[Saving, ...] | None = None

    def _measured(self) -> tuple[Saving, ...]:
        if self._all is None:
            self._all = tuple(_savings(self._program, self._passes))
        return self._all

    @overload
    def __getitem__(self, index: int) -> Saving: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Saving]: ...
    def __getitem__(self, index: int | slice) -> Saving | Sequence[Saving]:
        return self._measured()[index]

    def __len__(self) -> int:
        return len(self._passes)

    def __str__(self) -> str:
        return "\n".join(map(str, self))


def forward(
    program: Program, *, exact: bool = False, fast_math: bool = False
) -> tuple[Program, Savings]:
    """The program after all passes that go forwards; what they save is measured when asked for.

    The first n items of the result depend on the first items of the program only, and variables
    keep their numbers: programs that begin alike do so afterwards. Equations that nobody needs any
    more are still there; see `optimised`.

    Args:
        program: any program.
        exact: leave out passes that change results in the last bits.
        fast_math: take those that are right for real numbers, but not for rounded ones, too.
    """
    passes = _chosen(exact, fast_math)
    rules = [one.rules for one in passes if one.rules is not None]
    return Sweep(rules).over(program), Savings(program, passes)


def optimised(
    program: Program, *, exact: bool = False, fast_math: bool = False
) -> tuple[Program, Savings]:
    """The program after all passes, and what each has saved.

    Args:
        program: any program.
        exact: leave out passes that change results in the last bits.
        fast_math: take those that are right for real numbers, but not for rounded ones, too.

    Example:
        >>> import numpy as np
        >>> import funcgrad as fg
        >>> program = fg.make_program(fg.grad(lambda x: np.sum(x * 1.0 - np.sin(x))))(np.zeros(3))
        >>> after, savings = optimised(program)
        >>> len(program.equations), len(after.equations), savings[0].name
        (7, 2, 'dead code')
        >>> print(after)
        <lambda>(x: float64[3]):
            d_x: float64[3] = cos(x)
            d_x_2: float64[3] = subtract(1.0, d_x)
            return d_x_2
    """
    simpler, savings = forward(program, exact=exact, fast_math=fast_math)
    return without_dead_code(simpler), savings


def _chosen(exact: bool, fast_math: bool) -> list[Pass]:
    return [
        one for one in PASSES if (one.exact or not exact) and (fast_math or not one.fast_math_only)
    ]


def _savings(program: Program, passes: Sequence[Pass]) -> Iterator[Saving]:
    """First the dead code that was recorded; then each pass by what is still needed after it."""
    before, after = _size(program), _size(without_dead_code(program))
    yield from (Saving(one.name, *_pairs(before, after)) for one in passes if one.rules is None)
    rules: list[Rules] = []
    for one in passes:
        if one.rules is None:
            continue
        before = after
        rules.append(one.rules)
        after = _size(without_dead_code(Sweep(rules).over(program)))
        yield Saving(one.name, *_pairs(before, after))


def _pairs(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for pair in zip(before, after, strict=True) for n in pair)


def _size(program: Program) -> tuple[int, int, int]:
    """Equations, elements and bytes."""
    own = [v for e in program.equations if not e.primitive.returns_view for v in e.results]
    return (
        len(program.equations),
        sum(math.prod(v.shape) for v in own),
        sum(math.prod(v.shape) * v.dtype.itemsize for v in own),
    )

"""Cotangents that fade away: in long chains of products the smallest numbers become zeros.

In a long loop cotangents are multiplied by one matrix again and again, and often shrink until they
are subnormal numbers, with which processors compute a hundred times more slowly. XLA rounds
subnormal numbers, and products that are subnormal, to zero. Here each fourth cotangent of such
a chain is looked at by one `np.vdot`; once it has faded (|ct|² < τ^0.8 with the smallest
normal number τ, so |ct| < 1e-15 in single precision) elements below 2¹² τ (5e-35) become zeros.
Chains that begin with small numbers, |ct|² ≤ τ^0.6 (5e-12), are left alone: what is made zero is
at most 1e-22 of what the chain began with. Values that are not cotangents are never changed.

This is inexact: a gradient that is a sum of only such elements is zero.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from funcgrad.compile.regions.cluster import SLOTS
from funcgrad.compile.regions.stacking_reading import Operand, Reading, size_of
from funcgrad.compile.regions.stacking_slots import INTO
from funcgrad.compile.structured import WRITERS
from funcgrad.core.primitive import Primitive
from funcgrad.core.program import Constant, Equation, Variable

__all__ = ["CHAIN", "FIRST", "begun", "faded", "is_looked_at", "watch", "watched", "with_fading"]

CHAIN = 24
"""Products that follow each other in a chain, at least."""

EVERY = 4
"""So many products apart cotangents are looked at."""

SMALL_PART, LARGE_PART = 64, 1 << 16
"""Elements of a cotangent: beyond these bounds looking costs too much beside the product."""

SUSPECT, FAINT, ALONE = 1, 2, 0
"""What is known of a chain: it may fade, it has faded, it is left alone."""

FIRST, FADED = 2 * EVERY, 4 * EVERY
"""For `watched`."""

_TINY = {np.dtype(kind): float(np.finfo(kind).tiny) for kind in (np.float32, np.float64)}
_LARGE = {dtype: tiny**0.6 for dtype, tiny in _TINY.items()}
_LOW = {dtype: tiny**0.8 for dtype, tiny in _TINY.items()}
_LEAST = {dtype: np.array(tiny * 2.0**12, dtype) for dtype, tiny in _TINY.items()}


def begun(x: Any) -> int:
    """What is to be done with a chain that begins with x."""
    return SUSPECT if np.vdot(x, x) > _LARGE[x.dtype] else ALONE


def faded(x: Any, state: int) -> int:
    """Look at a cotangent, and make its smallest elements zeros if it has faded."""
    if state == SUSPECT:
        if not np.vdot(x, x) < _LOW[x.dtype]:  # nan, too
            return SUSPECT
        state = FAINT
    if state == FAINT:
        np.copyto(x, 0, where=np.absolute(x) < _LEAST[x.dtype])
    return state


def watched(x: Any, state: int) -> int:
    """As `begun` and `faded`, for a loop: of so many calls one looks.

    Args:
        x: a cotangent.
        state: what the last call returned; `FIRST` for the first one. It counts down to the next
            look, from `EVERY` while the chain may fade, from `FADED + EVERY` once it has faded.
    """
    if state == FIRST:
        return EVERY if begun(x) else ALONE
    if state in (1, FADED + 1):
        found = faded(x, SUSPECT if state == 1 else FAINT)
        return EVERY if found == SUSPECT else FADED + EVERY
    return state and state - 1


def _begun_value(x: Any) -> tuple[Any, int]:
    return x, begun(x)


def _faded_value(x: Any, state: Any) -> tuple[Any, int]:
    return x, faded(x, int(state))


def _watched_value(x: Any, state: Any) -> tuple[Any, int]:
    return x, watched(x, int(state))


def _no_batch(*_args: Any) -> Any:
    raise AssertionError("chains are looked at when a program is written, after all transforms")


_begun_p = Primitive("begun", _begun_value, SLOTS, None, None, _no_batch, returns_view=True)
_faded_p = Primitive("faded", _faded_value, SLOTS, None, None, _no_batch, returns_view=True)
_watched_p = Primitive("watched", _watched_value, SLOTS, None, None, _no_batch, returns_view=True)


def watch(x: Variable, state: Variable, results: tuple[Variable, Variable]) -> Equation:
    """A cotangent of a loop that is watched: it, and the next state."""
    return Equation(_watched_p, (x, state), (), results)


def _write_begun(writer: Any, equation: Equation, operands: Sequence[str]) -> list[str]:
    state: str = writer.fresh("fading")
    helper = writer.scope.helper(begun, "begun")
    writer.line(f"{state} = {helper}({operands[0]})", equation.origin)
    return [operands[0], state]


def _write_faded(writer: Any, equation: Equation, operands: Sequence[str]) -> list[str]:
    x, state = operands
    function = watched if equation.primitive is _watched_p else faded
    helper = writer.scope.helper(function, function.__name__)
    after: str = writer.fresh("fading")
    writer.line(f"{after} = {helper}({x}, {state})", equation.origin)
    return [x, after]


WRITERS["begun"] = _write_begun
WRITERS["faded"] = WRITERS["watched"] = _write_faded


def with_fading(reading: Reading, equations: Sequence[Equation]) -> tuple[list[Equation], int]:
    """The equations in order, with long chains of cotangents looked at; and how many chains.

    A chain is made of values that are written into one stack and are multiplied by one transposed
    matrix, which values before the chain have been multiplied by as often, or by A from the right
    where those before have been multiplied by A from the left.
    """
    chains = [
        chain[1:]
        for key, chain in _chains(equations).items()
        if len(chain) > CHAIN and chain[0] >= CHAIN and key
    ]
    if not chains:
        return list(equations), 0
    extra: dict[int, list[Equation]] = {}
    for chain in chains:
        state: Variable | None = None
        for count, place in enumerate(chain):
            if count % EVERY:
                continue
            into = equations[place]
            (result,) = into.results
            before = reading.variable(result.shape, result.dtype)
            after = replace(reading.variable((), np.dtype(int)), weak=True)
            operands: tuple[Operand, ...] = (before,) if state is None else (before, state)
            kind = _begun_p if state is None else _faded_p
            extra[place] = [
                Equation(into.primitive, into.operands, into.params, (before,), None, into.origin),
                Equation(kind, operands, (), (result, after), None, into.origin),
            ]
            state = after
    out: list[Equation] = []
    for place, equation in enumerate(equations):
        out += extra.get(place, [equation])
    return out, len(chains)


def _chains(equations: Sequence[Equation]) -> dict[Any, list[int]]:
    """For stacks and matrices: how often the matrix was used before; then places of the chain."""
    stack_of: dict[int, int] = {}  # the stack of a slot
    written: dict[int, tuple[int, int]] = {}  # place and stack of a value that is written into one
    source: dict[int, Operand] = {}  # what a matrix is the transpose of
    uses: dict[Any, int] = {}  # of matrices, from the left and from the right
    chains: dict[Any, list[int]] = {}
    for place, equation in enumerate(equations):
        name, operands = equation.primitive.name, equation.operands
        if name == "rows" and isinstance(operands[0], Variable):
            for slot in equation.results:
                stack_of[slot.number] = operands[0].number
        elif equation.primitive is INTO:
            into = operands[0]
            if isinstance(into, Variable) and is_looked_at(equation.results[0]):
                written[equation.results[0].number] = place, stack_of.get(into.number, -1)
        elif name in ("transpose", "copy") and isinstance(operands[0], Variable):
            x = operands[0]
            source[equation.results[0].number] = source.get(x.number, x) if name == "copy" else x
        elif name == "reshape" and isinstance(operands[0], Variable):
            if operands[0].number in written:
                written[equation.results[0].number] = written[operands[0].number]
        elif name == "matmul":
            _follow(equation, place, (written, source, uses, chains))
    return chains


def _follow(equation: Equation, place: int, tables: Any) -> None:
    written, source, uses, chains = tables
    a, b = equation.operands
    for side, x in enumerate((a, b)):
        key = _key(x)
        if key is not None:
            uses[side, key] = uses.get((side, key), 0) + 1
    flipped = source.get(getattr(b, "number", None))
    found = written.get(getattr(a, "number", None))
    if found is None:
        return
    before = uses.get((0, _key(b)), 0) if flipped is None else uses.get((1, _key(flipped)), 0)
    chain = chains.setdefault((found[1], _key(b)), [before])
    if chain[-1] != found[0] or len(chain) == 1:
        chain.append(found[0])


def _key(x: Operand) -> Any:
    return x if isinstance(x, Constant) else x.number


def is_looked_at(x: Variable) -> bool:
    """Whether a cotangent has a size and a dtype for which looking pays."""
    return x.dtype in _TINY and SMALL_PART <= size_of(x.shape) <= LARGE_PART

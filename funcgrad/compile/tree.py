"""Paths through a function joined to a tree: common beginnings once, a fork at each guard.

A path is the straight-line program of one way through the guards. Passes that go forwards treat the
common beginning of two paths alike, so that it is recognised again by plain comparison.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from funcgrad.compile.narrowing import is_heard, narrowed
from funcgrad.core.program import Constant, Equation, Guard, Program, Variable

__all__ = ["Block", "End", "Fork", "PathsDifferError", "joined"]


class PathsDifferError(ValueError):
    """Two paths differ elsewhere than after different answers: the function is not pure."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of a path.

    Attributes:
        path: its number.
        outputs: of its program.
    """

    path: int
    outputs: tuple[Variable | Constant, ...]


@dataclass(frozen=True, slots=True)
class Fork:
    """A question that Python asked, and what came next for each answer that it has had.

    Attributes:
        guard: the question; the answer in it is that of the first path.
        arms: the answers, with the rest of the paths that had them.
    """

    guard: Guard
    arms: tuple[tuple[Any, "Block"], ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Equations and guards that have had one answer, and what comes then."""

    items: tuple[Equation | Guard, ...]
    end: End | Fork


def joined(paths: Sequence[Program]) -> Block:
    """The paths as a tree, without equations that nothing needs.

    Raises:
        PathsDifferError: if two paths differ elsewhere than after different answers.
    """
    return _pruned(_joined(list(enumerate(paths)), 0))[0]


def _joined(paths: list[tuple[int, Program]], start: int) -> Block:
    number, first = paths[0]
    if len(paths) == 1:
        return Block(first.items[start:], End(number, first.outputs))
    items: list[Equation | Guard] = []
    for position in range(start, len(first.items)):
        item = first.items[position]
        arms = _arms(item, position, paths)
        if len(arms) == 1:
            items.append(item)
        elif isinstance(item, Guard):
            after = tuple((answer, _joined(arm, position + 1)) for answer, arm in arms)
            return Block(tuple(items), Fork(item, after))
    raise PathsDifferError("two paths gave the same answers")


def _arms(
    item: Equation | Guard, position: int, paths: list[tuple[int, Program]]
) -> list[tuple[Any, list[tuple[int, Program]]]]:
    """The paths by their answers to a guard; an equation has one answer."""
    arms: list[tuple[Any, list[tuple[int, Program]]]] = []
    for path in paths:
        found = path[1].items[position] if position < len(path[1].items) else None
        answer = found.answer if isinstance(found, Guard) else None
        if isinstance(item, Guard) and isinstance(found, Guard):
            if (found.variable.number, found.kind) != (item.variable.number, item.kind):
                raise PathsDifferError("the paths differ before a guard")
        elif item != found and not _same_question(item, found):
            raise PathsDifferError("the paths differ before a guard")
        for known, arm in arms:
            if type(known) is type(answer) and _same(known, answer):
                arm.append(path)
                break
        else:
            arms.append((answer, [path]))
    return arms


def _same_question(a: Any, b: Any) -> bool:
    """Whether two equations are equal but for shapes of results, which guards behind them tell."""
    return (
        isinstance(a, Equation)
        and isinstance(b, Equation)
        and a.primitive.data_dependent
        and dataclasses.replace(b, results=a.results) == a
        and [v.number for v in a.results] == [v.number for v in b.results]
    )


def _same(a: Any, b: Any) -> bool:
    return repr(a) == repr(b) if isinstance(a, float | complex) else bool(a == b)


def _pruned(block: Block) -> tuple[Block, set[int]]:
    """Without equations that nothing needs; and the variables that the block reads."""
    if isinstance(block.end, End):
        needed = _numbers(block.end.outputs)
        end: End | Fork = block.end
    else:
        needed = {block.end.guard.variable.number}
        arms = []
        for answer, arm in block.end.arms:
            pruned, read = _pruned(arm)
            needed |= read
            arms.append((answer, pruned))
        end = Fork(block.end.guard, tuple(arms))
    kept: list[Equation | Guard] = []
    for item in reversed(block.items):
        if isinstance(item, Guard):
            needed.add(item.variable.number)
            kept.append(item)
        elif is_heard(item) or any(v.number in needed for v in item.results):
            item = narrowed(item, needed)
            kept.append(item)
            needed |= _numbers(item.operands)
    return Block(tuple(reversed(kept)), end), needed


def _numbers(operands: Iterable[Variable | Constant]) -> set[int]:
    return {operand.number for operand in operands if isinstance(operand, Variable)}

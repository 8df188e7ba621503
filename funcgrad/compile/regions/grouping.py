"""Equations that may be done together, without waiting for each other in a circle."""

import heapq
from collections.abc import Callable, Hashable, Mapping, Sequence

from funcgrad.core.program import Equation, Variable

__all__ = ["contracted", "grouped"]

CANDIDATES = 8
"""So many groups of one kind, the latest, are tried for an equation."""


def grouped(
    equations: Sequence[Equation], kind: Callable[[Equation], Hashable | None]
) -> list[list[int]]:
    """Groups of equations of one kind, each of which can be done as one step.

    No equation outside of a group needs a result of the group and is needed by it, not even by way
    of other groups: seen as single steps, the groups and the other equations have an order.

    Args:
        equations: in an order in which they can be done.
        kind: of an equation; `None` for those that stand alone.

    Returns:
        The positions of the members of each group, groups of one member included.
    """
    grouping = _Grouping()
    for position, equation in enumerate(equations):
        grouping.place(position, equation, kind(equation))
    return grouping.members


class _Grouping:
    """Groups so far; sets of groups are integers with a bit for each.

    Attributes:
        members: of each group.
    """

    def __init__(self) -> None:
        self.members: list[list[int]] = []
        self._before: list[int] = []  # the groups that each group waits for, directly
        self._by_kind: dict[Hashable, list[int]] = {}
        self._home: dict[int, int] = {}  # the group of a variable
        self._needs: dict[int, int] = {}  # the groups that a variable outside of groups waits for

    def place(self, position: int, equation: Equation, kind: Hashable | None) -> None:
        numbers = {o.number for o in equation.operands if isinstance(o, Variable)}
        if kind is None:
            needs = 0
            for number in numbers:
                needs |= self._waits(number)
            if needs:
                for variable in equation.results:
                    self._needs[variable.number] = needs
            return
        known = self._by_kind.setdefault(kind, [])
        for group in reversed(known[-CANDIDATES:]):
            needs = 0
            for number in numbers:
                if self._home.get(number) != group:
                    needs |= self._waits(number)
            if not (needs and self._reached(needs) >> group & 1):
                break
        else:
            group = len(self.members)
            needs = 0
            for number in numbers:
                needs |= self._waits(number)
            known.append(group)
            self.members.append([])
            self._before.append(0)
        self.members[group].append(position)
        self._before[group] |= needs
        for variable in equation.results:
            self._home[variable.number] = group

    def _waits(self, number: int) -> int:
        home = self._home.get(number)
        return self._needs.get(number, 0) if home is None else 1 << home

    def _reached(self, groups: int) -> int:
        """The groups, and all that they wait for."""
        found, fresh = groups, groups
        while fresh:
            group = fresh.bit_length() - 1
            fresh ^= 1 << group
            more = self._before[group] & ~found
            found |= more
            fresh |= more
        return found


def contracted(
    equations: Sequence[Equation],
    steps: Mapping[int, Sequence[Equation]],
    groups: Sequence[Sequence[int]],
) -> list[Equation]:
    """The equations with some groups replaced, in an order in which they can be done.

    Args:
        equations: in order.
        steps: `{number of a group: the equations that stand for it}`.
        groups: the positions of the members of each group, as `grouped` gives them.
    """
    nodes = _nodes(equations, steps, groups)
    waiting, followers = _dependencies(nodes)
    ready = [node for node, count in enumerate(waiting) if count == 0]
    out: list[Equation] = []
    done = 0
    while ready:
        node = heapq.heappop(ready)
        done += 1
        out += nodes[node]
        for follower in followers[node]:
            waiting[follower] -= 1
            if waiting[follower] == 0:
                heapq.heappush(ready, follower)
    assert done == len(nodes), "groups wait for each other"
    return out


def _nodes(
    equations: Sequence[Equation],
    steps: Mapping[int, Sequence[Equation]],
    groups: Sequence[Sequence[int]],
) -> list[Sequence[Equation]]:
    """What is done as one step, by the place of its first equation."""
    home = {position: group for group in steps for position in groups[group]}
    nodes: list[Sequence[Equation]] = []
    seen: set[int] = set()
    for position, equation in enumerate(equations):
        group = home.get(position)
        if group is None:
            nodes.append((equation,))
        elif group not in seen:
            seen.add(group)
            nodes.append(steps[group])
    return nodes


def _dependencies(nodes: Sequence[Sequence[Equation]]) -> tuple[list[int], list[set[int]]]:
    """For how many steps each one waits, and which ones wait for it."""
    made = {v.number: node for node, own in enumerate(nodes) for e in own for v in e.results}
    waiting = [0] * len(nodes)
    followers: list[set[int]] = [set() for _ in nodes]
    for node, own in enumerate(nodes):
        for equation in own:
            for operand in equation.operands:
                source = made.get(operand.number) if isinstance(operand, Variable) else None
                if source is not None and source != node and node not in followers[source]:
                    followers[source].add(node)
                    waiting[node] += 1
    return waiting, followers

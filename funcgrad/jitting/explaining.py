"""Why a jitted function was recorded, and what its passes saved."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from funcgrad import tree
from funcgrad.core.program import Guard
from funcgrad.jitting.closures import Closure
from funcgrad.jitting.staged import Unit, kind_of_leaf

__all__ = ["Explanation", "Log", "explain"]

KEPT = 64
"""So many recordings are remembered."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a function was recorded, and what became of its program; print it.

    Attributes:
        function: its name.
        recordings: a reason for each recording, the latest last.
        guards: the answers that the compiled paths depend on, with the user's lines.
        savings: a line for each pass.
        decisions: what is evaluated in tiles, as Python numbers and so on, and why.
    """

    function: str
    recordings: tuple[str, ...]
    guards: tuple[str, ...]
    savings: tuple[str, ...]
    decisions: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.function} was recorded {len(self.recordings)} times:"]
        if not self.recordings:
            lines = [f"{self.function} has not been recorded yet."]
        elif len(self.recordings) == 1:
            lines = [f"{self.function} was recorded once:"]
        lines += [f"  {number + 1}. {text}" for number, text in enumerate(self.recordings)]
        if self.guards:
            lines += ["it branches at:", *(f"  {text}" for text in self.guards)]
        if self.savings:
            lines += ["its passes:", *(f"  {text}" for text in self.savings)]
        if self.decisions:
            lines += ["its regions:", *(f"  {text}" for text in self.decisions)]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Recording:
    closure: Closure
    structure: Any
    statics: Any
    kinds: tuple[Any, ...]
    paths: int


class Log:
    """The recordings of a function."""

    __slots__ = ("_before", "reasons")

    def __init__(self) -> None:
        self.reasons: deque[str] = deque(maxlen=KEPT)
        self._before: deque[_Recording] = deque(maxlen=1)

    def recorded(
        self,
        closure: Closure,
        structure: tree.Structure,
        statics: Any,
        leaves: Sequence[Any],
        unit: Unit,
    ) -> None:
        """Note a recording, and why it was made."""
        kinds = tuple(map(kind_of_leaf, leaves))
        new = _Recording(closure, structure, statics, kinds, len(unit.paths))
        self.reasons.append(self._reason(new, unit))
        self._before.append(new)

    def _reason(self, new: _Recording, unit: Unit) -> str:
        if not self._before:
            return f"the first call, with {_described(new.structure, new.kinds)}"
        old = self._before[-1]
        if new.paths > 1:
            guard = _last_guard(unit)
            if guard is not None:
                return f"another way: {guard}"
        if old.closure is not new.closure:
            return new.closure.difference(old.closure)
        if old.statics != new.statics:
            was = ", ".join(repr(value) for _, _, value in old.statics)
            now = ", ".join(repr(value) for _, _, value in new.statics)
            return f"static arguments are {now}, they were {was}"
        if old.structure != new.structure:
            return f"another structure: {tree.difference(old.structure, new.structure)}"
        changed = [
            f"{_place(new.structure, i)} is {_kind(b)}, it was {_kind(a)}"
            for i, (a, b) in enumerate(zip(old.kinds, new.kinds, strict=True))
            if a != b
        ]
        return "; ".join(changed) or "the same arguments, after the cache was cleared"


def _place(structure: tree.Structure, number: int) -> str:
    path = [*structure.paths()][number]
    if path[0].idx == 1:
        return tree.keystr(path[1:])
    return f"argument {path[1].idx}{tree.keystr(path[2:])}"


def _kind(kind: Any) -> str:
    if isinstance(kind, tuple):
        shape, dtype = kind
        return f"{dtype}[{', '.join(map(str, shape))}]"
    return str(kind.__name__)


def _described(structure: tree.Structure, kinds: Sequence[Any]) -> str:
    parts = [f"{_place(structure, i)}: {_kind(kind)}" for i, kind in enumerate(kinds)]
    return ", ".join(parts) or "no arguments"


def _last_guard(unit: Unit) -> str | None:
    """The guard at which the latest path left the others."""
    latest = unit.paths[-1].raw.items
    best = -1
    for path in unit.paths[:-1]:
        pairs = zip(path.raw.items, latest, strict=False)
        for position, (a, b) in enumerate(pairs):
            if a != b:
                best = max(best, position)
                break
    if best < 0 or not isinstance(latest[best], Guard):
        return None
    return _asked(latest[best])


def _asked(guard: Any) -> str:
    text = f": {guard.origin.text}" if guard.origin.text else ""
    return f"{guard.kind} is {guard.answer!r} at {guard.origin}{text}"


def explain(function: str, log: Log, unit: Unit | None) -> Explanation:
    """What is known about a function, and about one kind of its arguments."""
    guards: list[str] = []
    savings: list[str] = []
    decisions: tuple[str, ...] = ()
    if unit is not None:
        for path in unit.paths:
            guards += [_asked(item) for item in path.raw.items if isinstance(item, Guard)]
        if unit.paths:
            savings = [str(saving) for saving in unit.paths[0].savings]
        if unit.emitted is not None:
            savings.append(f"memory: {unit.emitted.reused} results in that of earlier ones")
            if unit.emitted.scratch:
                mebibytes = unit.emitted.scratch / 2**20
                savings.append(f"memory: {mebibytes:.1f} MiB that are kept between calls")
            decisions = tuple(map(str, unit.emitted.decisions))
    reasons, branches = tuple(log.reasons), tuple(dict.fromkeys(guards))
    return Explanation(function, reasons, branches, tuple(savings), decisions)

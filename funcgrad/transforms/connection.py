"""Whether the arguments of a gradient influence its result: `disconnected="warn"` and `"error"`.

A derivative that is zero because nothing leads from the argument to the result is often a mistake:
the wrong argument, a value that was cut by an integer cast, a forgotten term. It can be seen on the
Wengert list, without numbers: the argument is not among the ancestors of the result.
"""

import warnings
from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any

from typing_extensions import override

from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import Tracer
from funcgrad.errors import (
    ArgumentSelectionError,
    DisconnectedError,
    DisconnectedWarning,
    user_line,
)
from funcgrad.interpreters.record import Recording

__all__ = ["ZERO", "WatchfulRecording", "check_connected", "check_mode"]

ZERO = "zero"
_MODES = ("error", "warn", ZERO)
_SHOWN = 5


def check_mode(transform: str, mode: str) -> None:
    """Refuse a `disconnected` that is none of the three modes."""
    if mode not in _MODES:
        raise ArgumentSelectionError(
            f"{transform}: disconnected={mode!r}. It says what to do about an argument that does "
            "not influence the result. Choose 'error', 'warn' or 'zero'."
        )


class WatchfulRecording(Recording):
    """Reverse mode that remembers where values lost their derivative."""

    __slots__ = ("casts", "flat")

    def __init__(self, transform: str) -> None:
        super().__init__(transform)
        self.casts: dict[str, None] = {}
        self.flat: dict[str, None] = {}

    @override
    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        if primitive.vjp is None:
            self.note_flat(primitive, params, user_line())
        return super().process(primitive, args, params)

    def note_flat(self, primitive: Primitive, params: Mapping[str, Any], line: str) -> None:
        """Remember that a function with derivative zero was applied."""
        if primitive.name == "truncate":
            self.casts[f"a cast to {params['dtype']} at {line}"] = None
        else:
            self.flat[f"{primitive.name} at {line}"] = None


def check_connected(
    trace: WatchfulRecording,
    mode: str,
    records: Sequence[Any],
    out: Any,
    names: Sequence[str],
) -> None:
    """Complain about inputs without a way to the result, and about casts to integers.

    Args:
        trace: the closed trace.
        mode: `"error"` or `"warn"`.
        records: its Wengert list, inputs first.
        out: what the function returned.
        names: of the inputs, in the order of the list.

    Raises:
        DisconnectedError: with `mode="error"`.
    """
    lost = []
    cut = [
        name
        for name, found in zip(names, _reached(trace, records, out, len(names)), strict=True)
        if not found
    ]
    if cut:
        many = len(cut) > 1
        what = ", ".join(cut[:_SHOWN]) + (f" and {len(cut) - _SHOWN} more" if cut[_SHOWN:] else "")
        lost.append(
            f"{what} {'do' if many else 'does'} not influence the result, so "
            f"{'their derivatives are' if many else 'its derivative is'} zero."
        )
    if trace.casts:
        lost.append(f"The derivative ends at {_listed(trace.casts)}.")
    if not lost:
        return
    if trace.flat and cut:
        lost.append(f"Functions with derivative zero were applied: {_listed(trace.flat)}.")
    message = (
        f"{trace.transform}: {' '.join(lost)} Differentiate by other arguments (argnums), keep "
        "floating-point values where the derivative is wanted, or pass disconnected='zero'."
    )
    if mode == "error":
        raise DisconnectedError(message)
    warnings.warn(message, DisconnectedWarning, stacklevel=4 if trace.transform == "grad" else 3)


def _listed(places: dict[str, None]) -> str:
    shown = list(places)[:_SHOWN]
    more = len(places) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")


def _reached(trace: Any, records: Sequence[Any], out: Any, count: int) -> list[bool]:
    """Which of the first `count` records, the inputs, are ancestors of the result."""
    marked = [False] * len(records)
    if isinstance(out, Tracer) and out.owner is trace:
        marked[out.index] = True  # type: ignore[attr-defined]  # a recording tracer
    wanted: dict[int, set[int]] = {}  # of records with several results, which of them
    for index in range(len(records) - 1, count - 1, -1):
        if marked[index]:
            _, parents, pull, _ = records[index]
            parents = (parents,) if isinstance(parents, int) else parents
            if hasattr(pull, "position"):  # it is one of several results
                wanted.setdefault(parents[0], set()).add(pull.position)
            reached = getattr(pull, "reached", None)  # a checkpoint knows more
            flags = repeat(True) if reached is None else reached(wanted[index])
            for parent, flag in zip(parents, flags, strict=False):
                marked[parent] = marked[parent] or flag
    return marked[:count]

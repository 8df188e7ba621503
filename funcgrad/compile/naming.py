"""Names in emitted code: the user's where they are known, each once."""

import builtins
import keyword

__all__ = ["Names"]

_TAKEN = frozenset({*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "np", "math"})
PLAIN = "t"
"""Stem of the names of values that the user has not named."""


class Names:
    """Gives out names that are free."""

    __slots__ = ("_counts", "_taken")

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._counts: dict[str, int] = {}

    def fresh(self, hint: str = "") -> str:
        """A new name: the hint, or the hint with a number."""
        stem = hint if hint.isidentifier() and hint.isascii() else PLAIN
        if stem in _TAKEN:
            stem += "_"
        if stem != PLAIN and stem not in self._taken:
            self._taken.add(stem)
            return stem
        count = self._counts.get(stem, 0 if stem == PLAIN else 1)
        while True:
            count += 1
            name = f"{stem}{count}" if stem == PLAIN else f"{stem}_{count}"
            if name not in self._taken:
                self._counts[stem] = count
                self._taken.add(name)
                return name

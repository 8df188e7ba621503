"""The steps of a recurrence over sequences of several lengths.

The rows of all steps stand below each other, earliest step first: n₀ rows of step 0, n₁ ≤ n₀ of
step 1, and so on, as in a packed sequence. A padded batch is the case of equal numbers. Row i of a
step belongs to sequence i; sequences are ordered by decreasing length.
"""

from functools import lru_cache
from typing import Any

import numpy as np

import funcgrad.numpy as fnp

__all__ = ["Steps", "steps_of"]


class Steps:
    """Which rows belong to which step, in the order in which a recurrence goes.

    Attributes:
        rows: `(start, stop)` of each step, the first to be computed first.
        batch: number of sequences.
        total: number of rows.
        uniform: whether all sequences have the same length.
        reverse: whether the recurrence goes from the last step to the first.
    """

    __slots__ = ("_before", "_last", "batch", "reverse", "rows", "total", "uniform")

    def __init__(self, sizes: tuple[int, ...], reverse: bool) -> None:
        ends = np.cumsum(sizes).tolist()
        rows = list(zip([0, *ends[:-1]], ends, strict=True))
        self.rows = rows[::-1] if reverse else rows
        self.batch = sizes[0]
        self.total = ends[-1]
        self.uniform = sizes[-1] == sizes[0]
        self.reverse = reverse
        self._before: Any = None
        self._last: Any = None

    def _index(self) -> tuple[Any, Any]:
        """Where the state before each row stands in [states at the start; rows], and the last."""
        if self._before is None:
            latest = np.arange(self.batch)
            before = np.empty(self.total, np.intp)
            for start, stop in self.rows:
                count = stop - start
                before[start:stop] = latest[:count]
                latest[:count] = np.arange(start, stop) + self.batch
            self._before, self._last = before, latest - self.batch
        return self._before, self._last

    def before(self, first: Any, rows: Any, start: int, stop: int) -> Any:
        """The states before some of the rows.

        Args:
            first: states before the first steps, (batch, n).
            rows: states after each step, (total, n).
            start: the first of these rows.
            stop: the end of these rows.
        """
        if not self.uniform:
            places = self._index()[0][start:stop]
            found = rows[places - self.batch]  # what is negative is replaced
            early = places < self.batch
            found[early] = first[places[early]]
            return found
        count = self.batch
        if self.reverse:
            after = rows[start + count : stop + count]
            return after if stop < self.total else np.concatenate((after, first))
        if start:
            return rows[start - count : stop - count]
        return np.concatenate((first, rows[: stop - count]))

    def chunks(self, most: int) -> list[tuple[int, int, list[tuple[int, int]]]]:
        """The steps in the order of computing, in groups of about so many rows.

        Returns:
            For each group the first of its rows, the end of its rows, and its steps.
        """
        groups: list[tuple[int, int, list[tuple[int, int]]]] = []
        steps: list[tuple[int, int]] = []
        held = 0
        for row in self.rows:
            steps.append(row)
            held += row[1] - row[0]
            if held >= most:
                groups.append(_bounded(steps))
                steps, held = [], 0
        if steps:
            groups.append(_bounded(steps))
        return groups

    def last(self, rows: Any) -> Any:
        """The state of each sequence after its last step, in memory of its own."""
        if not self.uniform:
            return rows[self._index()[1]]
        return np.array(rows[: self.batch] if self.reverse else rows[-self.batch :])

    def joined(self, parts: list[Any]) -> Any:
        """The rows of all steps, from those of each step in the order of computing."""
        ordered = parts[::-1] if self.reverse else parts
        return fnp.concatenate(ordered) if len(ordered) > 1 else ordered[0]


def _bounded(steps: list[tuple[int, int]]) -> tuple[int, int, list[tuple[int, int]]]:
    ends = (*steps[0], *steps[-1])
    return min(ends), max(ends), steps


@lru_cache(maxsize=256)
def steps_of(sizes: tuple[int, ...], reverse: bool) -> Steps:
    """The steps with these numbers of rows."""
    return Steps(sizes, reverse)

"""Tables of measurements."""

import enum
from collections import defaultdict
from collections.abc import Iterable, Sequence

from typing_extensions import override

from funcgrad.compat.torch.utils.benchmark.utils.common import (
    Measurement,
    leading_digits,
    ordered_unique,
    select_unit,
    trim_sigfig,
    unit_to_english,
)

__all__ = ["Colorize", "Compare"]

_PLAIN = "\033[0m\033[0m"
BEST = "\033[92m\033[1m"
GOOD = "\033[34m\033[1m"
BAD = "\033[2m\033[91m"
VERY_BAD = "\033[31m\033[1m"

_SAME = 100e-9
"""Seconds that are no difference."""

_GAP = "  |  "


class Colorize(enum.Enum):
    """With what a time is compared: nothing, its column, its row."""

    NONE = "none"
    COLUMNWISE = "columnwise"
    ROWWISE = "rowwise"


def _colored(text: str, time: float, others: Iterable[float]) -> str:
    """The text in a color that says how much longer a time is than the shortest."""
    best = min(others)
    if time <= best * 1.01 or time <= best + _SAME:
        color = BEST
    elif time <= best * 1.1:
        color = GOOD
    elif time >= best * 5:
        color = VERY_BAD
    elif time >= best * 2:
        color = BAD
    else:
        return text
    return f"{color}{text}{_PLAIN}"


_Key = tuple[int, str, str]
"""What names a row: threads, env, name."""


class _Column:
    """The measurements of one description, a line each."""

    def __init__(self, name: str, found: dict[_Key, Measurement], scale: float, trim: bool) -> None:
        self.name = name
        self.found = found
        self.scale = scale
        self.trim = trim
        digits = {row: leading_digits(one.median / scale) for row, one in found.items()}
        self.decimals = 1
        if trim:
            spare = [one.significant_figures - digits[row] for row, one in found.items()]
            self.decimals = max(min(spare), 0)
        self.width = max(digits.values()) + self.decimals + (self.decimals > 0)

    def cells(self, rows: Sequence[_Key], warns: bool) -> list[str]:
        """Title and numbers, all of one width."""
        noisy = warns and any(one.has_warnings for one in self.found.values())
        texts = [self.name, *(self._number(self.found.get(row), noisy) for row in rows)]
        width = max(map(len, texts))
        return [text.center(width) for text in texts]

    def _number(self, one: Measurement | None, noisy: bool) -> str:
        if one is None:
            return ""
        value = one.median / self.scale
        if self.trim:
            value = trim_sigfig(value, one.significant_figures)
        # Below a nanosecond the width counts digits after the point; PyTorch's tables do so, too.
        text = f"{value:.{self.decimals}f}".rjust(abs(self.width))
        if noisy:
            text += f" (! {one.iqr / one.median * 100:.0f}%)" if one.has_warnings else " " * 7
        return text


class Compare:
    """Measurements in tables: one for each label, rows by sub_label, columns by description.

    Args:
        results: the measurements; those of equal tasks are taken together.
    """

    def __init__(self, results: list[Measurement]) -> None:
        self._results: list[Measurement] = []
        self.extend_results(results)
        self._trims = False
        self._colorize = Colorize.NONE
        self._warns = False

    @override
    def __str__(self) -> str:
        return "\n".join(self._tables())

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """Add measurements.

        Raises:
            ValueError: something else is among them.
        """
        for one in results:
            if not isinstance(one, Measurement):
                raise ValueError(  # as in PyTorch
                    f"Expected an instance of `Measurement`, got {type(one)} instead."
                )
            self._results.append(one)

    def trim_significant_figures(self) -> None:
        """Show only digits that are to be believed."""
        self._trims = True

    def colorize(self, rowwise: bool = False) -> None:
        """Show in colors how much longer times are than the shortest of their column (or row)."""
        self._colorize = Colorize.ROWWISE if rowwise else Colorize.COLUMNWISE

    def highlight_warnings(self) -> None:
        """Show beside noisy times how noisy they are."""
        self._warns = True

    def print(self) -> None:
        """Print the tables."""
        print(str(self))

    def _tables(self) -> list[str]:
        groups: defaultdict[str, list[Measurement]] = defaultdict(list)
        for one in Measurement.merge(self._results):
            groups[one.task_spec.label or ""].append(one)
        return [self._table(label, group) for label, group in groups.items()]

    def _table(self, label: str, group: list[Measurement]) -> str:
        unit, scale = select_unit(min(one.median for one in group))
        rows = sorted(ordered_unique(map(_key, group)), key=lambda row: row[:2])
        columns = [
            _Column(
                name,
                {_key(one): one for one in group if (one.task_spec.description or "") == name},
                scale,
                self._trims,
            )
            for name in ordered_unique(one.task_spec.description or "" for one in group)
        ]
        texts = [_row_names(rows), *(column.cells(rows, self._warns) for column in columns)]
        width = sum(len(column[0]) for column in texts) + len(_GAP) * len(columns)
        lines = [f"[{f' {label} '.center(width - 2, '-')}]", _GAP.join(one[0] for one in texts)]
        threads = None
        for i, row in enumerate(rows):
            if row[0] != threads:
                threads = row[0]
                lines.append(f"{threads} threads: ".ljust(width, "-"))
            cells = [self._shown(column[i + 1], c, row, columns) for c, column in
                     enumerate(texts[1:])]  # fmt: skip
            lines.append(_GAP.join([texts[0][i + 1], *cells]))
        lines += ["", f"Times are in {unit_to_english(unit)}s ({unit}).", ""]
        if self._warns and any(one.has_warnings for one in group):
            lines[-1:] = [
                "(! XX%) Measurement has high variance, where XX is the IQR / median * 100.", ""
            ]  # fmt: skip
        return "\n".join(lines)

    def _shown(self, text: str, place: int, row: _Key, columns: list[_Column]) -> str:
        """A cell with its color."""
        one = columns[place].found.get(row)
        if one is None or self._colorize == Colorize.NONE:
            return text
        if self._colorize == Colorize.ROWWISE:
            group = [column.found[row] for column in columns if row in column.found]
        else:
            group = [other for key, other in columns[place].found.items() if key[0] == row[0]]
        return _colored(text, one.median, [other.median for other in group])


def _key(one: Measurement) -> _Key:
    return one.task_spec.num_threads, one.task_spec.env or "", one.as_row_name


def _row_names(rows: Sequence[_Key]) -> list[str]:
    """An empty title and the names, all of one width."""
    different = len({env for _, env, _ in rows}) > 1
    env_width = max(len(env) * different for _, env, _ in rows) + 4
    texts = [""]
    before = None
    for threads, env, name in rows:
        shown = f"({env})" if different and env and (threads, env) != before else ""
        before = (threads, env)
        texts.append(f"  {shown.ljust(env_width)}{name}")
    width = max(map(len, texts))
    return [text.ljust(width) for text in texts]

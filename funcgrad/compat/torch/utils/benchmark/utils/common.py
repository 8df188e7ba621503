"""Measured times, and what was measured."""

import math
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.compat.torch.settings import get_num_threads, set_num_threads

__all__ = ["Measurement", "TaskSpec", "ordered_unique", "select_unit", "trim_sigfig"]

MAX_SIGNIFICANT_FIGURES = 4
MIN_CONFIDENCE_INTERVAL = 25e-9
"""Seconds below which no clock is to be believed."""

IQR_WARN_THRESHOLD = 0.1
"""Interquartile range, relative to the median, from which on times are called noisy."""

IQR_GROSS_WARN_THRESHOLD = 0.25
"""From which on they are called very noisy."""

_UNITS = {"ns": ("nanosecond", 1e-9), "us": ("microsecond", 1e-6), "ms": ("millisecond", 1e-3),
          "s": ("second", 1)}  # fmt: skip


@dataclass(init=True, repr=False, eq=True, frozen=True)
class TaskSpec:
    """What is measured.

    Attributes:
        stmt: the statement.
        setup: what runs once before it.
        global_setup: always empty: for other languages.
        label: its name in tables.
        sub_label: names the row of a table.
        description: names the column of a table.
        env: names a second part of the row.
        num_threads: how many threads it may use.
    """

    stmt: str
    setup: str
    global_setup: str = ""
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    num_threads: int = 1

    @property
    def title(self) -> str:
        """The label, or else the statement, and the name of the row."""
        if self.label is not None:
            return self.label + (f": {self.sub_label}" if self.sub_label else "")
        if "\n" not in self.stmt:
            return self.stmt + (f": {self.sub_label}" if self.sub_label else "")
        row = f" ({self.sub_label})" if self.sub_label else ""
        return f"stmt:{row}\n{textwrap.indent(self.stmt, '  ')}"

    def setup_str(self) -> str:
        """The setup, if there is one."""
        if self.setup in ("", "pass"):
            return ""
        if "\n" in self.setup:
            return f"setup:\n{textwrap.indent(self.setup, '  ')}"
        return f"setup: {self.setup}"

    def summarize(self) -> str:
        """Title, description and setup in lines; after what spans several, an empty one."""
        parts = [self.title, self.description or "", self.setup_str()]
        return "\n".join(part + "\n" * ("\n" in part) for part in parts if part)


@dataclass(init=True, repr=False)
class Measurement:
    """Times of a task.

    Attributes:
        number_per_run: how often the statement ran for each time.
        raw_times: seconds of so many runs together.
        task_spec: what was measured.
        metadata: anything else.
    """

    number_per_run: int
    raw_times: list[float]
    task_spec: TaskSpec
    metadata: dict[Any, Any] | None = None

    @property
    def times(self) -> list[float]:
        """Seconds of one run."""
        return [time / self.number_per_run for time in self.raw_times]

    def _quantile(self, fraction: float) -> float:
        if not self.raw_times:
            raise ValueError("No times. A measurement needs at least one.")
        return float(np.quantile(self.times, fraction))

    @property
    def median(self) -> float:
        """Half of the times are below."""
        return self._quantile(0.5)

    @property
    def mean(self) -> float:
        """The sum of the times over their number."""
        if not self.raw_times:
            raise ValueError("No times. A measurement needs at least one.")
        return float(np.mean(sorted(self.times)))

    @property
    def iqr(self) -> float:
        """The interquartile range: the middle half of the times lies in it."""
        return self._quantile(0.75) - self._quantile(0.25)

    @property
    def significant_figures(self) -> int:
        """How many digits of the median are to be believed.

        The median over 1.645 standard errors of the times between the quartiles: about 90 % of
        normal errors are smaller.
        """
        total = len(self.raw_times)
        middle = sorted(self.times)[total // 4 : math.ceil(3 * total / 4)]
        interval = 1.645 * float(np.std(middle)) / math.sqrt(len(middle))
        digits = math.floor(math.log10(self.median / max(interval, MIN_CONFIDENCE_INTERVAL)))
        return min(max(digits, 1), MAX_SIGNIFICANT_FIGURES)

    @property
    def has_warnings(self) -> bool:
        """Whether the times are noisy."""
        return not self.meets_confidence()

    def meets_confidence(self, threshold: float = IQR_WARN_THRESHOLD) -> bool:
        """Whether the interquartile range is below that part of the median."""
        return self.iqr / self.median < threshold

    @property
    def title(self) -> str:
        """The title of the task."""
        return self.task_spec.title

    @property
    def env(self) -> str | None:
        """The second part of the row of a table."""
        return self.task_spec.env

    @property
    def as_row_name(self) -> str:
        """What names the row of a table."""
        return self.task_spec.sub_label or self.task_spec.stmt or "[Unknown]"

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in TaskSpec.__dataclass_fields__:
            return getattr(self.task_spec, name)
        raise AttributeError(f"'Measurement' object has no attribute '{name}'")

    @override
    def __repr__(self) -> str:
        kind = f"<torch.utils.benchmark.utils.common.{type(self).__name__} object at {id(self):#x}>"
        unit, scale = select_unit(self.median)
        count = len(self.raw_times)
        lines = [kind, self.task_spec.summarize()]
        if count > 1:
            lines.append(f"  Median: {self.median / scale:.2f} {unit}")
        else:
            lines.append(f"  {self.median / scale:.2f} {unit}")
        if count > 3:
            low, high = self._quantile(0.25) / scale, self._quantile(0.75) / scale
            lines.append(f"  IQR:    {self.iqr / scale:.2f} {unit} ({low:.2f} to {high:.2f})")
        plural = "s" * (count > 1)
        each = "per measurement, " if count > 1 else ", "
        threads = f"{self.num_threads} thread{'s' * (self.num_threads > 1)}"
        lines.append(f"  {count} measurement{plural}, {self.number_per_run} runs {each}{threads}")
        if self.has_warnings:
            share = self.iqr / self.median
            gross = share >= IQR_GROSS_WARN_THRESHOLD
            cause = (
                "suggests significant environmental influence"
                if gross
                else ("could indicate system fluctuation")
            )
            lines += [
                f"  WARNING: Interquartile range is {share * 100:.1f}% of the median measurement.",
                f"           This {cause}.",
            ]
        return "\n".join(lines)

    @staticmethod
    def merge(measurements: Iterable["Measurement"]) -> list["Measurement"]:
        """Measurements of equal tasks in one each, with all their times per run."""
        groups: defaultdict[TaskSpec, list[Measurement]] = defaultdict(list)
        for one in measurements:
            groups[one.task_spec].append(one)
        return [
            Measurement(1, [time for one in group for time in one.times], task)
            for task, group in groups.items()
        ]


def select_unit(t: float) -> tuple[str, float]:
    """The unit of time in which seconds have one to three digits before the point, and its size."""
    power = math.floor(_log10(t)) // 3
    name = {-3: "ns", -2: "us", -1: "ms"}.get(power, "s")
    return name, _UNITS[name][1]


def unit_to_english(u: str) -> str:
    """The unit in words."""
    return _UNITS[u][0]


def trim_sigfig(x: float, n: int) -> float:
    """The number rounded to n significant digits, in single precision."""
    value = np.float32(x)
    scale = np.float32(10.0 ** (leading_digits(x) - n))
    return float(np.round(value / scale) * scale)


def leading_digits(x: float) -> int:
    """How many digits stand before the point."""
    return math.ceil(_log10(abs(x))) if x else 1


def _log10(x: float) -> float:
    """log₁₀ x in single precision, in which powers of ten have whole logarithms."""
    return float(np.float32(math.log10(np.float32(x))))


def ordered_unique(elements: Iterable[Any]) -> list[Any]:
    """The elements, each once, in the order of their first appearance."""
    return list(dict.fromkeys(elements))


@contextmanager
def set_torch_threads(n: int) -> Iterator[None]:
    """Inside, so many threads may be used."""
    before = get_num_threads()
    try:
        set_num_threads(n)
        yield
    finally:
        set_num_threads(before)

"""Timing of statements."""

import enum
import math
import sys
import textwrap
import timeit
from collections.abc import Callable
from typing import Any, NoReturn

from funcgrad.compat.torch.utils.benchmark.utils.common import (
    Measurement,
    TaskSpec,
    set_torch_threads,
)

__all__ = ["Language", "Timer", "timer"]

_TORCH = __name__.partition(".utils.")[0]
"""The package, which is imported by the time that anything is measured."""

timer = timeit.default_timer
"""Seconds since some moment; nothing runs on another device, so nothing is to be waited for."""


class Language(enum.Enum):
    """In what statements are written."""

    PYTHON = 0
    CPP = 1


def _trimmed(text: str) -> str:
    """The lines without what they are all indented by."""
    return textwrap.dedent(text).removeprefix("\n").rstrip()


class Timer:
    """Measures how long a statement takes, with one thread unless told otherwise.

    Args:
        stmt: the statement.
        setup: runs once before each measurement.
        global_setup: not for Python.
        timer: gives seconds.
        globals: names that the statement sees; `torch` is always there.
        label: the title of a table.
        sub_label: the name of a row.
        description: the name of a column.
        env: the second part of the name of a row.
        num_threads: how many threads the statement may use.
        language: Python.
    """

    _timer_cls: type[timeit.Timer] = timeit.Timer

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Callable[[], float] = timer,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
        language: Language | str = Language.PYTHON,
    ) -> None:
        if not isinstance(stmt, str):
            raise ValueError("Currently only a `str` stmt is supported.")  # as in PyTorch
        if language in (Language.CPP, "cpp", "c++"):
            raise ValueError(
                "Timer: the language is C++. There is no compiled library here that a C++ "
                "statement could call. Time a Python statement, or use PyTorch itself."
            )
        if language not in (Language.PYTHON, "py", "python"):
            raise ValueError(f"Invalid language `{language}`.")
        if global_setup:
            raise ValueError(
                f"global_setup is C++ only, got `{global_setup}`. Most likely this code can simply "
                "be moved to `setup`."
            )
        self._globals = {"torch": sys.modules[_TORCH], **dict(globals or {})}
        stmt, setup = _trimmed(stmt), _trimmed(setup)
        self._timer = self._timer_cls(stmt=stmt, setup=setup, timer=timer, globals=self._globals)
        self._task_spec = TaskSpec(
            stmt=stmt,
            setup=setup,
            global_setup=global_setup,
            label=label,
            sub_label=sub_label,
            description=description,
            env=env,
            num_threads=num_threads,
        )

    def _timeit(self, number: int) -> float:
        """Seconds of so many runs; a clock too coarse to see them is not believed."""
        return max(self._timer.timeit(number), 1e-9)

    def timeit(self, number: int = 1000000) -> Measurement:
        """One time, of so many runs, after a few that do not count."""
        with set_torch_threads(self._task_spec.num_threads):
            self._timeit(max(number // 100, 2))
            return Measurement(number, [self._timeit(number)], self._task_spec)

    def repeat(self, repeat: int = -1, number: int = -1) -> NoReturn:
        """Not here: see `blocked_autorange`."""
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def autorange(self, callback: Callable[[int, float], Any] | None = None) -> NoReturn:
        """Not here: see `blocked_autorange`."""
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def _block_size(self, min_run_time: float) -> int:
        """How many runs take long enough for the clock, in powers of ten.

        The clock's own time must not matter, and a thousand blocks should suffice.
        """
        with set_torch_threads(self._task_spec.num_threads):
            overhead = sorted(self._timeit(0) for _ in range(5))[2]
            number = 1
            while True:
                spent = self._timeit(number)
                exact = overhead / spent <= 1e-4
                if (exact and spent >= min_run_time / 1000) or spent > min_run_time:
                    return number
                number *= 10

    def _measured(
        self,
        number: int,
        stops: Callable[[list[float]], bool],
        min_run_time: float,
        max_run_time: float,
        callback: Callable[[int, float], Any] | None,
    ) -> Measurement:
        """Times of blocks until there is enough."""
        total = 0.0
        times: list[float] = []
        with set_torch_threads(self._task_spec.num_threads):
            while total < max_run_time:
                spent = self._timeit(number)
                times.append(spent)
                total += spent
                if callback is not None:
                    callback(number, spent)
                if total >= min_run_time and stops(times):
                    break
        return Measurement(number, times, self._task_spec)

    def blocked_autorange(
        self,
        callback: Callable[[int, float], Any] | None = None,
        min_run_time: float = 0.2,
    ) -> Measurement:
        """Times of blocks of runs, so many that they take `min_run_time` seconds together."""
        number = self._block_size(min_run_time)
        return self._measured(number, lambda _: True, min_run_time, math.inf, callback)

    def adaptive_autorange(
        self,
        threshold: float = 0.1,
        *,
        min_run_time: float = 0.01,
        max_run_time: float = 10.0,
        callback: Callable[[int, float], Any] | None = None,
    ) -> Measurement:
        """Times of blocks of runs until their interquartile range is small.

        Args:
            threshold: what part of the median is small.
            min_run_time: seconds to go on for at least.
            max_run_time: seconds after which it stops in any case.
            callback: is told of each block: how many runs, how many seconds.
        """
        number = self._block_size(0.05)

        def stops(times: list[float]) -> bool:
            if len(times) <= 3:
                return False
            return Measurement(number, times, self._task_spec).meets_confidence(threshold)

        return self._measured(number, stops, min_run_time, max_run_time, callback)

    def collect_callgrind(self, *_args: Any, **_options: Any) -> NoReturn:
        """Not here.

        Raises:
            RuntimeError: always; it says what to use instead.
        """
        raise RuntimeError(
            "collect_callgrind: machine instructions are not counted here. That is done by "
            "Valgrind, a program of its own. Measure times with timeit or blocked_autorange, or "
            "run Python under Valgrind yourself."
        )

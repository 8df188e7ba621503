"""What operations take on a machine, in nanoseconds."""

import dataclasses
import json
import math
import os
import platform
import statistics
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from funcgrad.compile.regions.measuring import MEASUREMENTS, level_two

__all__ = ["DEFAULT", "SETTING", "Costs", "cache_file", "costs_here", "measured", "quantised"]

SETTING = "FUNCGRAD_COSTS"
"""Environment variable: `default` for the built-in figures, nothing for measured ones."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Times in nanoseconds.

    Attributes:
        ufunc: a call of a ufunc on arrays of one element, with `out`.
        number: an operation of two Python floats.
        function: a function of `math` of one Python float.
        to_list: `tolist` of an array, without its elements.
        from_list: an array made of a list, without its elements.
        per_item: one element in one of these.
        product: a call of `np.dot` on tiny matrices.
        add: a sum, one float64 element in the nearest caches.
        exp: an exponential, likewise.
        tanh: a hyperbolic tangent, likewise.
        cached: a byte of a result that is copied within the caches.
        streamed: a byte that is copied between arrays of 4 MiB.
        fresh: a byte that is written to memory that the process has just been given.
        level_two: bytes of the second-level cache of a core; not a time.
    """

    ufunc: float = 210.0
    number: float = 12.0
    function: float = 24.0
    to_list: float = 50.0
    from_list: float = 170.0
    per_item: float = 12.0
    product: float = 370.0
    add: float = 0.25
    exp: float = 1.0
    tanh: float = 1.6
    cached: float = 0.025
    streamed: float = 0.08
    fresh: float = 0.3
    level_two: int = 1 << 20


DEFAULT = Costs()
"""The built-in figures."""

_TIMES = tuple(field.name for field in dataclasses.fields(Costs) if field.name != "level_two")


def quantised(times: Mapping[str, float]) -> Costs:
    """Costs of a machine like the built-in one, where what was measured does not deny that.

    A machine is twice as fast or slow as the built-in figures, four times, and so on; and then
    each single operation is as slow as these say, or twice, or four times, and so on. What is
    decided by comparing two costs depends on the second step only, and differs between machines
    only where these differ by 40 % and more: noise does not change decisions.

    Args:
        times: `{name of a cost: nanoseconds}`; names that are missing keep the built-in figure.
    """
    ratios = {
        name: times[name] / getattr(DEFAULT, name)
        for name in _TIMES
        if math.isfinite(times.get(name, math.nan)) and times[name] > 0
    }
    if not ratios:
        return DEFAULT
    typical = statistics.median(ratios.values())
    speed = 2.0 ** round(math.log2(typical))
    single = {
        name: getattr(DEFAULT, name) * speed * 2.0 ** round(math.log2(ratio / typical))
        for name, ratio in ratios.items()
    }
    others = {name: getattr(DEFAULT, name) * speed for name in _TIMES if name not in ratios}
    return Costs(**single, **others)


def measured() -> Costs:
    """Costs of this machine, from a measurement of about ten milliseconds."""
    costs = quantised({name: measure() for name, measure in MEASUREMENTS.items()})
    return dataclasses.replace(costs, level_two=level_two() or DEFAULT.level_two)


def cache_file() -> Path | None:
    """Where the costs of this machine are kept; `None` without a home directory.

    In a directory `funcgrad` of the user's cache directory; the name holds what the costs depend
    on: the versions of NumPy and Python, and the processor.
    """
    place = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME", "")
    try:
        cache = Path(place) if place else Path.home() / ".cache"
    except RuntimeError:  # there is no home directory
        return None
    python = f"{sys.implementation.name}{platform.python_version()}"
    words = f"numpy{np.__version__} {python} {platform.machine()} {_processor()}"
    name = "-".join("".join(c if c.isalnum() or c in "._" else " " for c in words).split())
    return cache / "funcgrad" / f"costs-{name[:150]}.json"


def _processor() -> str:
    """Its name, where the system tells without another process."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n"):
            if line.startswith("model name"):
                return line.partition(":")[2]
    return os.environ.get("PROCESSOR_IDENTIFIER", "")


def _read(path: Path) -> Costs | None:
    """What was kept; `None` if that cannot be read or is nothing that this version has written."""
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    names = {field.name for field in dataclasses.fields(Costs)}
    if not isinstance(found, dict) or found.keys() != names:
        return None
    if not all(type(x) in {int, float} and 0 < x < 1e12 for x in found.values()):
        return None
    return Costs(**found)


def _write(path: Path, costs: Costs) -> None:
    """Keep costs for other processes, if that can be done: the whole file at once or nothing."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix="costs-", suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(dataclasses.asdict(costs), file, indent=1)
            os.replace(name, path)
        except OSError:
            Path(name).unlink()


class _Known:
    """The costs of this machine, found when somebody asks first."""

    def __init__(self, measure: Callable[[], Costs]) -> None:
        self._measure = measure
        self._costs: Costs | None = None
        self._lock = threading.Lock()

    def get(self) -> Costs:
        """Measured once in a process at most, whatever number of threads ask."""
        if self._costs is None:
            with self._lock:
                if self._costs is None:
                    self._costs = self._find()
        return self._costs

    def _find(self) -> Costs:
        path = cache_file()
        costs = _read(path) if path is not None else None
        if costs is None:
            costs = self._measure()
            if path is not None:
                _write(path, costs)
        return costs


_HERE = _Known(measured)


def costs_here() -> Costs:
    """What operations take on this machine.

    They are measured at the first call, and kept in a file for the processes to come. The
    environment variable `FUNCGRAD_COSTS=default` asks for the built-in figures instead.
    """
    return DEFAULT if os.environ.get(SETTING) == "default" else _HERE.get()

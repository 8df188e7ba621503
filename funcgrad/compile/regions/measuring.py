"""How long operations take here: each measured for less than a millisecond."""

import math
import mmap
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter_ns

import numpy as np

__all__ = ["MEASUREMENTS", "level_two"]

ROUNDS = 7
"""The fastest of so many rounds counts: others were interrupted, or started with cold caches."""

CALLS = 50
FEW, MANY = 1, 65  # elements of lists
CACHED = 1 << 13  # elements of arrays in the nearest caches
LARGE = 1 << 22  # bytes


def _least(work: Callable[[], object], calls: int = CALLS, rounds: int = ROUNDS) -> float:
    """Nanoseconds of a call, without those of calling."""
    repeat = range(calls)
    best = empty = math.inf
    for _ in range(rounds):
        start = perf_counter_ns()
        for _ in repeat:
            work()
        middle = perf_counter_ns()
        for _ in repeat:
            _nothing()
        end = perf_counter_ns()
        best, empty = min(best, middle - start), min(empty, end - middle)
    return max(best - empty, 1.0) / calls


def _nothing() -> None:
    pass


def _ufunc() -> float:
    x, out = np.ones(1), np.ones(1)
    multiply = np.multiply
    return _least(lambda: multiply(x, x, out))


def _numbers() -> float:
    def sixteen(x: float = 0.5, y: float = 0.75) -> float:
        a = x * y
        b = a + x
        c = b * y
        d = c - a
        e = d * b
        f = e + c
        g = f * d
        h = g - e
        a = h * f
        b = a + g
        c = b * h
        d = c - a
        e = d * b
        f = e + c
        g = f * d
        return g - e

    return _least(sixteen) / 16


def _function() -> float:
    def eight(x: float = 0.5) -> float:
        sin = math.sin
        a = sin(x)
        b = sin(a)
        c = sin(b)
        d = sin(c)
        e = sin(d)
        f = sin(e)
        g = sin(f)
        return sin(g)

    return _least(eight) / 8


def _to_list() -> float:
    x = np.ones(FEW)
    return _least(lambda: x.tolist())


def _from_list() -> float:
    x = [0.5] * FEW
    return _least(lambda: np.array(x))


def _per_item() -> float:
    """The mean of both ways."""
    array = np.ones(MANY)
    items = array.tolist()
    both = _least(lambda: array.tolist()) + _least(lambda: np.array(items))
    return max(both - _to_list() - _from_list(), 1.0) / (2 * (MANY - FEW))


def _product() -> float:
    x, out = np.ones((4, 4)), np.ones((4, 4))
    dot = np.dot
    return _least(lambda: dot(x, x, out))


def _elementwise(ufunc: Callable[..., object], operands: int) -> float:
    xs = [np.linspace(-1.0, 1.0, CACHED) for _ in range(operands)]
    out = np.empty(CACHED)
    return _least(lambda: ufunc(*xs, out), calls=3) / CACHED


def _cached() -> float:
    x, out = np.ones(CACHED), np.ones(CACHED)
    return _least(lambda: np.copyto(out, x), calls=10) / x.nbytes


def _streamed() -> float:
    x, out = np.zeros(LARGE, np.uint8), np.empty(LARGE, np.uint8)
    x[:] = 1  # or all of its pages are one
    return _least(lambda: np.copyto(out, x), calls=1, rounds=3) / LARGE


def _fresh() -> float:
    """Pages of a mapping: an allocator may give an array memory that the process had before."""

    def fill() -> None:
        with mmap.mmap(-1, size) as pages:
            array = np.frombuffer(pages, np.uint8)
            array[...] = 1
            del array  # a mapping cannot be closed while an array is in it

    size = LARGE // 4
    return _least(fill, calls=1, rounds=3) / size


MEASUREMENTS: Mapping[str, Callable[[], float]] = {
    "ufunc": _ufunc,
    "number": _numbers,
    "function": _function,
    "to_list": _to_list,
    "from_list": _from_list,
    "per_item": _per_item,
    "product": _product,
    "add": lambda: _elementwise(np.add, 2),
    "exp": lambda: _elementwise(np.exp, 1),
    "tanh": lambda: _elementwise(np.tanh, 1),
    "cached": _cached,
    "streamed": _streamed,
    "fresh": _fresh,
}
"""Nanoseconds of each cost of `funcgrad.compile.regions.costs.Costs`."""

SYSTEM = Path("/sys/devices/system/cpu/cpu0/cache")


def level_two(system: Path = SYSTEM) -> int | None:
    """Bytes of the second-level cache as Linux tells them, from 256 KiB to 4 MiB; or `None`."""
    try:
        for cache in sorted(system.glob("index*")):
            if (cache / "level").read_text().strip() == "2":
                kibibytes = int((cache / "size").read_text().strip().removesuffix("K"))
                return min(max(kibibytes << 10, 1 << 18), 1 << 22)
    except (OSError, ValueError):
        return None
    return None

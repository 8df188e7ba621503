"""What compiling costs by the length of programs: `python -m tests.benchmarks.scale`.

For each program the table shows, for each operation of the user's, the processor time of the first
call of its value and gradient (record, passes, write, compile), of a later call and of an eager
one, and the bytes that the compiled function keeps.
"""

import argparse
import gc
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad as fg
from tests.benchmarks.report import table

__all__ = ["PROGRAMS", "measured"]


def numbers(count: int) -> tuple[Callable[[Any], Any], Any]:
    """A chain of operations on one number."""

    def f(x: Any) -> Any:
        for _ in range(count // 3):
            x = np.sin(x) * 1.01 + 0.1
        return x

    return f, 0.3


def small(count: int) -> tuple[Callable[[Any], Any], Any]:
    """A chain on arrays of ten elements."""

    def f(x: Any) -> Any:
        for _ in range(count // 3):
            x = np.tanh(x * 1.01 + 0.1)
        return np.sum(x)

    return f, np.linspace(0.1, 0.9, 10)


def products(count: int) -> tuple[Callable[[Any], Any], Any]:
    """Products with a matrix, and values that are read late."""
    w = np.full((200, 200), 1e-3)

    def f(x: Any) -> Any:
        y = x
        for _ in range(count // 4):
            a = np.sin(x)
            b = w @ y
            x = a * b
            y = b + a
        return np.sum(x)

    return f, np.linspace(0.1, 0.9, 200)


PROGRAMS = {"numbers": numbers, "small arrays": small, "products": products}


def measured(name: str, count: int) -> tuple[float, float, float, float]:
    """Seconds of the first call, of a later and an eager one; bytes that are kept."""
    f, x = PROGRAMS[name](count)
    plain, compiled = fg.value_and_grad(f), fg.jit(fg.value_and_grad(f))
    gc.collect()
    first = _seconds(lambda: compiled(x), 1)
    later, eager = _seconds(lambda: compiled(x), 3), _seconds(lambda: plain(x), 3)
    again = fg.jit(fg.value_and_grad(f))
    gc.collect()
    tracemalloc.start()
    again(x)
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return first, later, eager, kept


def _seconds(run: Callable[[], Any], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scale", description=__doc__)
    add = parser.add_argument
    add("--counts", default="100,1000,10000,100000", help="operations")
    add("--only", default=",".join(PROGRAMS), help="programs")
    options = parser.parse_args()
    rows = []
    for name in options.only.split(","):
        for count in map(int, options.counts.split(",")):
            *seconds, kept = measured(name, count)
            times = [f"{s / count * 1e6:.2f}" for s in seconds]
            rows.append([name, str(count), *times, f"{kept / count:.0f}"])
    head = ["program", "operations", "first call, µs each", "later", "eager", "bytes kept each"]
    print(table(head, rows))


if __name__ == "__main__":
    main()

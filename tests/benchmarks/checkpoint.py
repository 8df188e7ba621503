"""Peak memory and time of gradients within budgets: `python -m tests.benchmarks.checkpoint`.

The peak is what `tracemalloc` sees of one call (NumPy reports its arrays to it), results included;
the time is the best of three calls without it. Every gradient is compared with the plain one.
"""

import argparse
import gc
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import funcgrad as fg
from funcgrad.errors import BudgetError
from funcgrad.transforms.checkpoint import checkpoint
from funcgrad.transforms.scan import scan
from tests.benchmarks import pinning
from tests.benchmarks.report import table

Budget = int | str | None
Loss = Callable[..., Any]


@dataclass(frozen=True)
class Problem:
    """A loss for each budget, and its arguments; the first argument is differentiated by."""

    title: str
    loss: Callable[[Budget], Loss]
    arguments: tuple[Any, ...]
    budgets: tuple[int | str, ...]


def chain(size: int) -> Problem:
    """Elementwise operations one after the other, as in W4."""

    def loss(x: Any) -> Any:
        for _ in range(100):
            x = np.sin(x) * 0.9 + 0.1 * x
        return np.sum(x)

    return Problem(
        f"chain of 400 elementwise operations on {size:,} numbers",
        lambda budget: loss if budget is None else checkpoint(loss, budget=budget),
        (np.random.default_rng(0).normal(size=size),),
        ("90MB", "60MB", "40MB", "20MB", "10MB", "6MB", "5MB"),
    )


def perceptron(layers: int, width: int, batch: int) -> Problem:
    """A deep network; the gradient is by the weights."""
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=(width, width)) / np.sqrt(width) for _ in range(layers)]
    x = rng.normal(size=(batch, width))

    def loss(weights: Any, x: Any) -> Any:
        for w in weights:
            x = np.tanh(x @ w)
        return np.mean(x * x)

    return Problem(
        f"tanh network, {layers} layers of {width}, batch {batch}",
        lambda budget: loss if budget is None else checkpoint(loss, budget=budget),
        (weights, x),
        ("60MB", "40MB", "20MB", "10MB", "6MB"),
    )


def recurrent(steps: int, hidden: int, batch: int) -> Problem:
    """W6 with a larger batch, as a scan."""
    rng = np.random.default_rng(2)
    xs = rng.normal(size=(steps, batch, hidden)).astype(np.float32)
    params = [(rng.normal(size=(hidden, hidden)) / 10).astype(np.float32) for _ in range(2)]

    def loss(budget: Budget) -> Loss:
        def value(params: Any, xs: Any) -> Any:
            def step(h: Any, x: Any) -> Any:
                return np.tanh(x @ params[0] + h @ params[1]), None

            h, _ = scan(step, np.zeros((batch, hidden), np.float32), xs, checkpoint=budget)
            return np.mean(h * h)

        return value

    return Problem(
        f"tanh RNN by scan, {steps} steps, {hidden} hidden, batch {batch}, float32",
        loss,
        (params, xs),
        ("20MB", "10MB", "5MB", "2MB", "1MB", 50, 10, 3, 1),
    )


def measured(run: Callable[[], Any]) -> tuple[Any, float, float]:
    """Result, peak in MB, and time in ms."""
    result = run()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    gc.collect()
    tracemalloc.start()
    try:
        run()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return result, peak / 1e6, min(times) * 1e3


def rows(problem: Problem) -> Iterator[list[str]]:
    """One row for each budget."""
    plain = fg.grad(problem.loss(None))
    expected, peak, slow = measured(lambda: plain(*problem.arguments))
    yield ["none", f"{peak:.1f}", f"{slow:.0f}", "1.0", ""]
    for budget in problem.budgets:
        gradient = fg.grad(problem.loss(budget))
        try:
            found, peak, milliseconds = measured(lambda run=gradient: run(*problem.arguments))
        except BudgetError as error:
            yield [str(budget), "-", "-", "-", str(error).split(", but ")[1].split(":")[0]]
            continue
        pairs = zip(fg.tree.leaves(found), fg.tree.leaves(expected), strict=True)
        same = all(np.array_equal(one, other) for one, other in pairs)
        name = budget if isinstance(budget, str) else f"{budget} carries"
        ratio = f"{milliseconds / slow:.1f}"
        yield [name, f"{peak:.1f}", f"{milliseconds:.0f}", ratio, "yes" if same else "NO"]


def main() -> None:
    """Print a table for each problem."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.checkpoint")
    parser.add_argument("--core", type=int, default=0, help="the core to run on (default 0)")
    pinning.run_pinned(parser.parse_args().core)
    for problem in (chain(100_000), perceptron(30, 128, 1000), recurrent(200, 64, 128)):
        head = ["budget", "peak MB", "ms", "× plain", "equal bits"]
        print(f"## {problem.title}\n\n{table(head, list(rows(problem)))}\n", flush=True)


if __name__ == "__main__":
    main()

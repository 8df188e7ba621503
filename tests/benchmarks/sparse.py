"""Sparse derivatives: `python -m tests.benchmarks.sparse [--size 100000] [--core 1]`.

First W7a, the Hessian of Rosenbrock's function of 200 variables: by a plan, by `jit(hessian)`, and
by other libraries, whose results are dense. Then derivatives with few entries of many variables:
how long a plan takes, by phases, and a call of it. Beside it the same products by other libraries,
to which the colours are given: none of them finds structure.
"""

import argparse
import gc
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from funcgrad.sparse.colouring import column_colours, star_colours
from funcgrad.sparse.derivatives import (
    hessian_sparsity,
    jacobian_sparsity,
    sparse_hessian,
    sparse_jacobian,
)
from funcgrad.sparse.pattern import Pattern
from funcgrad.sparse.planning import Plan
from tests.benchmarks import pinning, report
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.timing import Timing, interleave, measure
from tests.benchmarks.workload import Run
from tests.benchmarks.workloads import WORKLOADS
from tests.benchmarks.workloads.second_order import rosenbrock

__all__ = ["PROBLEMS", "Problem", "phases", "products"]

W7A = ("funcgrad sparse", "funcgrad.jit", "funcgrad", "hand", "torch eager", "autograd", "jax.jit")


@dataclass(frozen=True, slots=True)
class Problem:
    """A function of many variables whose derivative has few entries.

    Attributes:
        title: what it is.
        fun: of a namespace and the variables, an array (n,).
        is_hessian: whether the second derivative of its sum is asked for.
    """

    title: str
    fun: Callable[[Any, Any], Any]
    is_hessian: bool = True

    def total(self, xp: Any) -> Callable[[Any], Any]:
        """The function that is differentiated."""
        return lambda x: self.fun(xp, x)

    def prepare(self, x: Any) -> Plan:
        """A plan."""
        transform = sparse_hessian if self.is_hessian else sparse_jacobian
        return transform(self.total(np)).prepare(x)

    def sparsity(self, x: Any) -> Pattern:
        """The structure alone."""
        transform = hessian_sparsity if self.is_hessian else jacobian_sparsity
        return transform(self.total(np))(x)


def chain(xp: Any, x: Any) -> Any:
    """Three neighbours together: five bands."""
    return xp.sum(xp.sin(x[:-2] * x[1:-1]) * x[2:]) + xp.sum(x * x * x * x)


def grid(xp: Any, x: Any) -> Any:
    """A field on a square: differences to the neighbours, and a potential."""
    side = int(x.shape[0] ** 0.5)
    u = x[: side * side].reshape(side, side)
    across, along = u[1:] - u[:-1], u[:, 1:] - u[:, :-1]
    return xp.sum(across * across * u[1:]) + xp.sum(along * along) + xp.sum(xp.exp(-u * u))


def heat(xp: Any, x: Any) -> Any:
    """Residuals of one implicit step of a nonlinear heat equation: three bands."""
    middle = x[1:-1]
    flow = x[2:] - 2.0 * middle + x[:-2]
    return middle - 0.1 * flow * (1.0 + middle * middle)


PROBLEMS: dict[str, Problem] = {
    "rosenbrock": Problem("Hessian of Rosenbrock, three bands", rosenbrock),
    "chain": Problem("Hessian of a chain, five bands", chain),
    "grid": Problem("Hessian of a field on a square", grid),
    "heat": Problem("Jacobian of a heat equation, three bands", heat, is_hessian=False),
}


def phases(problem: Problem, x: Any) -> dict[str, float]:
    """Seconds of what a plan needs; "plan" is all, with the check and the compilation."""
    found: dict[str, float] = {}

    def timed(name: str, run: Callable[[], Any]) -> Any:
        gc.collect()
        start = time.perf_counter()
        result = run()
        found[name] = time.perf_counter() - start
        return result

    pattern = timed("structure", lambda: problem.sparsity(x))
    timed("colours", lambda: (star_colours if problem.is_hessian else column_colours)(pattern))
    plan = timed("plan", lambda: problem.prepare(x))
    timed("first call", lambda: plan(x))
    timed("call", lambda: plan(x))
    return found


def products(problem: Problem, x: Any, seeds: Any) -> dict[str, Run]:
    """The products with all seeds (colours, n) by libraries that are installed."""
    runs: dict[str, Run] = {}
    if find_spec("jax"):
        runs["jax.jit"] = _jax(problem, x, seeds)
    if find_spec("torch"):
        runs["torch eager"] = _torch(problem, x, seeds)
    if find_spec("autograd") and problem.is_hessian:
        autograd = import_module("autograd")
        hvp = autograd.differential_operators.make_hvp(
            problem.total(import_module("autograd.numpy"))
        )
        runs["autograd"] = lambda: list(map(hvp(x)[0], seeds))
    return runs


def _jax(problem: Problem, x: Any, seeds: Any) -> Run:
    jax = import_module("jax")
    fun = problem.total(jax.numpy)
    target = jax.grad(fun) if problem.is_hessian else fun
    all_products = jax.jit(
        lambda x, seeds: jax.vmap(lambda v: jax.jvp(target, (x,), (v,))[1])(seeds)
    )
    point, directions = jax.numpy.asarray(x), jax.numpy.asarray(seeds)
    return lambda: jax.block_until_ready(all_products(point, directions))


def _torch(problem: Problem, x: Any, seeds: Any) -> Run:
    torch = import_module("torch")
    torch.set_num_threads(1)
    fun = problem.total(torch)
    point, directions = torch.from_numpy(x.copy()), torch.from_numpy(seeds)
    target = torch.func.grad(fun) if problem.is_hessian else fun
    along_all = torch.func.vmap(lambda v: torch.func.jvp(target, (point,), (v,))[1])
    return lambda: along_all(directions)


def _memory(plan: Plan, x: Any) -> float:
    """Bytes that a call takes at its peak, per entry."""
    tracemalloc.start()
    plan(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / max(1, plan.pattern.nnz)


def _large(name: str, size: int, budget: float) -> list[str]:
    problem = PROBLEMS[name]
    x = np.random.default_rng(0).normal(size=size)
    taken = phases(problem, x)
    plan = problem.prepare(x)
    seeds = np.zeros((plan.colours, size))
    seeds[plan.colouring, np.arange(size)] = 1.0
    runs: Mapping[str, Run] = {"plan": lambda: plan(x), **products(problem, x, seeds)}
    samples = {key: Timing(samples=s) for key, s in interleave(runs, budget).items()}
    own = samples["plan"]
    cells = [f"{problem.title}, n = {size:,}", f"{plan.pattern.nnz:,}", str(plan.colours)]
    cells += [report.seconds(taken[phase]) for phase in ("structure", "colours", "plan")]
    cells += [report.seconds(own.median), f"{_memory(plan, x):.0f}"]
    for peer in ("jax.jit", "torch eager", "autograd"):
        cells.append(report.quotient(samples.get(peer, Timing()).over(own)))
    return cells


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sparse", description=__doc__)
    add = parser.add_argument
    add("--only", default=",".join(PROBLEMS), metavar="chain,grid", help="of the second table")
    add("--size", type=int, default=100_000, metavar="N", help="variables there")
    add("--budget", type=float, default=3.0, metavar="SECONDS", help="timed part of each row")
    add("--core", type=int, default=0, help="the core to run on (default 0)")
    arguments = parser.parse_args()
    pinning.run_pinned(arguments.core)
    print(", ".join(f"{key} {value}" for key, value in report.machine().items()) + "\n")
    known = {name: CONTENDERS[name] for name in W7A if CONTENDERS[name].is_installed}
    print("W7a …", file=sys.stderr, flush=True)
    timings = measure(WORKLOADS["W7a"], known, arguments.budget)
    own = timings[W7A[0]]
    rows = [
        [name, t.problem or report.seconds(t.median), report.quotient(t.over(own)),
         report.seconds(t.first)]
        for name, t in timings.items()
    ]  # fmt: skip
    print(f"## {WORKLOADS['W7a'].title}\n")
    print(report.table(["by", "a call", f"÷ {W7A[0]}", "first call"], rows), flush=True)
    rows = []
    for name in arguments.only.split(","):
        print(f"{name} …", file=sys.stderr, flush=True)
        rows.append(_large(name, arguments.size, arguments.budget))
    head = ["derivative", "entries", "colours", "structure", "colouring", "whole plan", "a call",
            "bytes an entry", "jax.jit ÷", "torch.func ÷", "autograd ÷"]  # fmt: skip
    print("\n## Many variables; peers are given the colours\n")
    print(report.table(head, rows))


if __name__ == "__main__":
    main()

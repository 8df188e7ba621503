"""The first call of a compiled function, whole and by phases."""

import gc
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import funcgrad
import funcgrad.numpy as fnp
from funcgrad.compile.emit import emit
from funcgrad.compile.load import load
from funcgrad.compile.naming import Names
from funcgrad.compile.passes import forward
from funcgrad.compile.regions.context import Context
from funcgrad.compile.regions.table import over_program
from funcgrad.compile.writer import Writer
from funcgrad.core.modes import MODES
from funcgrad.core.program import Program
from funcgrad.jitting.scopes import JitScope
from funcgrad.jitting.staging import JitStage
from tests.benchmarks.contenders import Contender
from tests.benchmarks.workload import Data, Workload

__all__ = ["PHASES", "Compilation", "first_call", "phases", "recorded", "written"]

PHASES = ("record", "passes", "regions", "emit", "compile")
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Compilation:
    """What one compilation took.

    Attributes:
        equations: number of recorded operations.
        statements: number of those that are written.
        seconds: by phase, the least of a few rounds.
    """

    equations: int
    statements: int
    seconds: dict[str, float]


def first_call(
    contender: Contender,
    workload: Workload,
    rounds: int,
    clock: Callable[[], float] = perf_counter,
) -> float:
    """Seconds of the first call less those of the next: record, simplify, write, compile.

    The library and its code are loaded by a small input before. The least of some rounds, each
    with a new compiled function.
    """
    contender.build(workload, workload.small())()
    data = workload.data()
    least = math.inf
    for _ in range(rounds):
        run = contender.build(workload, data)
        gc.collect()
        start = clock()
        run()
        middle = clock()
        run()
        least = min(least, 2 * middle - start - clock())
    return least


def derivative(workload: Workload, data: Data) -> Any:
    """The function that is compiled: the workload's derivative."""
    loss = partial(workload.loss, fnp)
    match workload.task:
        case "value and gradient":
            return funcgrad.value_and_grad(loss, argnums=data.argnums)
        case "hessian":
            return funcgrad.hessian(loss)
        case "jacobian":
            return funcgrad.jacobian(loss)
        case "hvp":
            gradient = funcgrad.grad(loss)
            return lambda x, v: funcgrad.jvp(gradient, (x,), (v,))[1]


def recorded(workload: Workload, data: Data) -> Program:
    """The program of a workload's derivative, before the passes."""
    stage = JitStage(workload.name)
    MODES.staging += 1
    try:
        inputs = [stage.input(x) for x in data.arguments]
        outs, _ = funcgrad.tree.flatten(derivative(workload, data)(*inputs))
    finally:
        MODES.staging -= 1
        stage.close()
    return stage.finish(workload.name, inputs, outs)


def written(program: Program, context: Context | None = None) -> tuple[str, JitScope, int]:
    """Source of a program, what its names mean, and the number of its statements.

    Passes over regions are made if there is a context.
    """
    names = Names()
    scope = JitScope(names)
    emitted = emit(
        names.fresh("compiled"),
        [program],
        Writer(scope, names, context=context),
        lambda _, texts: f"({', '.join(texts)},)",
        lambda guard: f"raise ValueError({guard.kind!r})",
    )
    return emitted.text, scope, emitted.statements


def phases(workload: Workload, clock: Callable[[], float] = perf_counter) -> Compilation:
    """The phases of one compilation, each with the seconds of its fastest round.

    Recording computes the values too; the time of the eager call is taken off.
    """
    data = workload.data()
    eager = derivative(workload, data)
    least = dict.fromkeys(PHASES, math.inf)
    for _ in range(ROUNDS):
        gc.collect()
        eager(*data.arguments)
        times = [clock()]
        raw = recorded(workload, data)
        times.append(clock())
        program, _ = forward(raw)
        times.append(clock())
        over_program(program, Context())
        times.append(clock())
        source, scope, statements = written(program, Context())
        times.append(clock())
        load(source, "compiled", scope.namespace)
        times.append(clock())
        eager(*data.arguments)
        computed = clock() - times[-1]
        for number, phase in enumerate(PHASES):
            spent = times[number + 1] - times[number]
            if phase == "record":
                spent = max(spent - computed, 0.0)
            if phase == "emit":  # passes over regions are made there
                spent = max(spent - times[number] + times[number - 1], 0.0)
            least[phase] = min(least[phase], spent)
    return Compilation(len(raw.equations), statements, least)

"""Sets through programs, and through equations that hold programs: loops, branches, own rules."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.program import Constant, Equation, Program, Reference, Variable
from funcgrad.core.wengert import Aval
from funcgrad.interpreters.dual import Dual, DualTracer
from funcgrad.interpreters.outline import is_plain
from funcgrad.primitives.python_numbers import FAMILY as PYTHON
from funcgrad.sparse import structure_places, structure_products, structure_rules
from funcgrad.sparse.structure_flow import Flow, Rule, constant
from funcgrad.sparse.structure_loops import through_loop, through_waiting
from funcgrad.sparse.structure_rules import dense, elementwise
from funcgrad.sparse.structure_sets import NOTHING
from funcgrad.sparse.structure_widening import either
from funcgrad.transforms.equations.branches import Branches
from funcgrad.transforms.equations.derivation import Derivation
from funcgrad.transforms.equations.loops import Loop
from funcgrad.transforms.equations.whiles import Waiting
from funcgrad.transforms.replayed import Replayed

__all__ = ["propagate"]

RULES: dict[str, Rule] = {
    **structure_rules.RULES,
    **structure_places.RULES,
    **structure_products.RULES,
}
"""By name of the primitive."""

CONSTANT = frozenset({"piecewise constant", "random"})
"""Families whose primitives have no derivative, if they have no rule for one."""

MAKES_ZEROS = frozenset({"unindex", "scatter_add", "add_along_axis"})
"""These have zeros among their results, whatever they are given."""

# --- a program ----------------------------------------------------------------------------------


def propagate(program: Program, flows: Sequence[Flow]) -> list[Flow]:
    """What is known of the results of a program, from what is known of its inputs."""
    last = _last_uses(program)
    found = {v.number: flow for v, flow in zip(program.inputs, flows, strict=True)}
    constants: dict[int, Flow] = {}

    def look_up(operand: Variable | Constant) -> Flow:
        if isinstance(operand, Variable):
            return found[operand.number]
        flow = constants.get(id(operand))
        if flow is None:
            value = operand.value
            fixed = not isinstance(operand, Reference)  # the contents of these may change
            flow = constant(value) if fixed and is_plain(value) else Flow(np.shape(value))
            constants[id(operand)] = flow
        return flow

    for place, item in enumerate(program.items):
        if isinstance(item, Equation):
            results = _through(item, [look_up(o) for o in item.operands])
            for variable, flow in zip(item.results, results, strict=True):
                found[variable.number] = flow
            for number in last.get(place, ()):
                found.pop(number, None)
    return [look_up(o) for o in program.outputs]


def _last_uses(program: Program) -> dict[int, list[int]]:
    """For each item the variables that nobody reads after it."""
    seen = {o.number for o in program.outputs if isinstance(o, Variable)}
    last: dict[int, list[int]] = {}
    for place in range(len(program.items) - 1, -1, -1):
        item = program.items[place]
        if isinstance(item, Equation):
            for o in (*item.operands, *item.results):
                if isinstance(o, Variable) and o.number not in seen:
                    seen.add(o.number)
                    last.setdefault(place, []).append(o.number)
    return last


def _through(item: Equation, operands: Sequence[Flow]) -> Sequence[Flow]:
    """What is known of the results of an equation."""
    primitive, params = item.primitive, dict(item.params)
    shapes = [v.shape for v in item.results]
    if all(x.value is not None for x in operands):
        computed = _computed(item, operands, params)
        if computed is not None:
            return computed
    plain = all(not x.sets and x.nonzero() is None for x in operands)
    if plain and primitive.name not in MAKES_ZEROS:
        return [Flow(shape) for shape in shapes]
    if primitive.jvp is None and primitive.vjp is None and primitive.family in CONSTANT:
        return [Flow(shape) for shape in shapes]
    rule = RULES.get(primitive.name) if primitive is PRIMITIVES.get(primitive.name) else None
    if rule is not None:
        results = rule(primitive, operands, params, shapes)
    elif primitive.family in ("elementwise", "identity"):
        results = elementwise(primitive, operands, params, shapes)
    else:
        results = _of_function(item, operands, params)
    for variable, flow in zip(item.results, results, strict=True):
        if variable.dtype.kind not in "fc":
            flow.sets = NOTHING
    return results


def _of_function(
    item: Equation, operands: Sequence[Flow], params: dict[str, Any]
) -> Sequence[Flow]:
    """What is known of the results of an equation that holds a function."""
    match params.get("fun"):
        case Loop() as fun:
            return through_loop(fun, operands, propagate)
        case Waiting() as fun:
            return through_waiting(fun, operands, propagate)
        case Branches() as fun:
            return _branches(fun, operands)
    program = params.get("program")
    if isinstance(program, Program):
        return propagate(program, operands)
    return _derived(item, operands, params)


def _computed(
    item: Equation, operands: Sequence[Flow], params: dict[str, Any]
) -> Sequence[Flow] | None:
    """Of constants, by computing them; `None` if that is not to be done."""
    primitive = item.primitive
    if PRIMITIVES.get(primitive.name) is not primitive and primitive.family != PYTHON:
        return None
    try:
        with np.errstate(all="ignore"):
            out = primitive.value(*(x.value for x in operands), **params)
    except Exception:  # noqa: BLE001  # it is raised when the program runs, if it does
        return None
    return [constant(x) for x in (out if isinstance(out, tuple) else (out,))]


# --- functions with rules of their own ------------------------------------------------------------


def _derived(item: Equation, operands: Sequence[Flow], params: dict[str, Any]) -> Sequence[Flow]:
    """By the program of a function, or that of its tangents; else all depends on all."""
    fun = params.get("fun")
    shapes = [v.shape for v in item.results]
    if isinstance(fun, Replayed):
        program = fun.as_program(item.operands)
        if program is not None:
            return propagate(program, operands)
    elif item.primitive.jvp is not None:
        pushed = _tangents(item, operands, params)
        if pushed is not None:
            program, mine = pushed
            still = [Flow(x.shape, NOTHING, x.zeros, x.value) for x in operands]
            dots = [Flow(x.shape, x.sets, x.known_zeros()) for x in operands if x.sets]
            found = iter(propagate(program, [*still, *dots]))
            return [
                Flow(shape, next(found).sets if flag else NOTHING)
                for shape, flag in zip(shapes, mine, strict=True)
            ]
    return dense(item.primitive, operands, params, shapes)


def _tangents(
    item: Equation, operands: Sequence[Flow], params: dict[str, Any]
) -> tuple[Program, list[bool]] | None:
    """(x, ẋ) ↦ tangents of the results that have one; `None` if that depends on values."""
    stage = Derivation()
    trace = Dual("jvp")
    try:
        values = [
            stage.start(o if isinstance(o, Variable) else Aval(np.shape(o.value), _dtype(o.value)))
            for o in item.operands
        ]
        dots = [
            stage.start(Aval(x.shape, x.dtype)) if flow.sets else None
            for x, flow in zip(values, operands, strict=True)
        ]
        leaves = [
            x if dot is None else DualTracer(x, dot, trace)
            for x, dot in zip(values, dots, strict=True)
        ]
        apply = item.primitive.apply
        out = (
            apply(leaves, params)
            if apply is not None
            else trace.process(item.primitive, leaves, params)
        )
        outs = out if isinstance(out, tuple) else (out,)
        mine = [isinstance(x, DualTracer) and x.owner is trace for x in outs]
        tangents = [x.tangent for x, flag in zip(outs, mine, strict=True) if flag]
        inputs = [x.variable for x in (*values, *dots) if x is not None]
        if len(mine) != len(item.results):
            return None
        program = stage.program(item.primitive.name, inputs, tangents)
    except Exception:  # noqa: BLE001  # on zeros: then nothing is known
        return None
    else:
        return program, mine
    finally:
        trace.close()
        stage.close()


def _dtype(value: Any) -> np.dtype[Any]:
    return np.asarray(value).dtype


# --- several ways -------------------------------------------------------------------------------


def _branches(fun: Branches, operands: Sequence[Flow]) -> list[Flow]:
    index, *rest = operands
    if index.value is not None and np.ndim(index.value) == 0:
        return propagate(fun.chosen(index.value).program, rest)
    found = propagate(fun.arms[0].program, rest)
    for arm in fun.arms[1:]:
        found = [either(*pair) for pair in zip(found, propagate(arm.program, rest), strict=True)]
    return found

"""Small arrays in machine code: `jit(f, backend="numba")`.

Equations of numbers and of arrays of at most a few hundred elements become kernels that Numba
compiles. NumPy's own functions of long arrays are faster than the C library's one by one, so these
stay with NumPy.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from funcgrad.compile.regions.cluster import cluster, kind_of_cluster, program_of
from funcgrad.compile.regions.context import Context, Segment
from funcgrad.compile.regions.costs import Costs
from funcgrad.compile.regions.grouping import contracted, grouped
from funcgrad.compile.regions.numba_backend import machine_code
from funcgrad.compile.regions.numba_kernels import Kernel
from funcgrad.compile.regions.numba_unrolled import UnrolledKernel, is_tiny
from funcgrad.compile.regions.scalars import small_rule, time_of
from funcgrad.compile.regions.scalars_plain import Plain
from funcgrad.compile.regions.scalars_values import Rule
from funcgrad.compile.regions.scalars_writing import references_of
from funcgrad.compile.structured import WRITERS
from funcgrad.core.program import Equation, Program, Variable

__all__ = ["KERNELS", "in_machine_code"]

LIMIT = 320
"""Elements of the largest array."""

OPERATIONS = 20_000
"""Equations of all kernels together: Numba takes about a millisecond for one."""

PRODUCTS = 20_000
"""Operations of one product of matrices."""

CALL = 300.0
ARRAY = 110.0
NUMBER = 0.7
FUNCTION = 5.0
"""Nanoseconds of a call, of an array in it, of an operation, and of each further one of a function.
"""

KIND = "machine code"
KERNELS = kind_of_cluster(KIND)


def in_machine_code(segment: Segment, context: Context) -> Sequence[Equation]:
    """The pass: equations with kernels in them."""
    equations = segment.equations
    if context.backend != "numba":
        return equations
    rules = [_rule(equation, context) for equation in equations]
    kinds = dict(zip(map(id, equations), rules, strict=True))
    groups = grouped(equations, lambda e: None if kinds[id(e)] is None else KIND)
    outside = set(segment.needed)
    home = {i: g for g, group in enumerate(groups) for i in group}
    made: dict[int, int] = {}
    for i, equation in enumerate(equations):
        for o in equation.operands:
            if isinstance(o, Variable) and o.number in made:
                here = home.get(i)
                if here is None or home.get(made[o.number]) != here:
                    outside.add(o.number)
        made.update((v.number, i) for v in equation.results)
    parts: list[list[int]] = []
    steps: dict[int, list[Equation]] = {}
    before = after = 0.0
    count = left = 0
    for part in groups:
        members = [equations[i] for i in part]
        one = _cluster(members, outside, context.exact)
        own = sum(_time(e, rules[i], context.costs) for i, e in zip(part, members, strict=True))
        new = _machine_time(one, rules, part)
        if len(members) < 2 or new >= own:
            continue
        if count + len(members) > OPERATIONS:
            left += 1
            continue
        count += len(members)
        before += own
        after += new
        steps[len(parts)] = [one]
        parts.append(part)
    if steps:
        kernels = "one kernel" if len(steps) == 1 else f"{len(steps)} kernels"
        context.decide(
            "numba",
            f"{count} equations of small arrays are {kernels} of machine code: {before / 1e3:.3g} "
            f"µs become about {after / 1e3:.3g}",
        )
    else:
        context.decide("numba", "nothing is compiled: there are too few equations of small arrays")
    if left:
        context.decide("numba", f"{left} more kernels are left to NumPy: they take too long")
    return contracted(equations, steps, parts) if steps else equations


def _cluster(members: Sequence[Equation], wanted: set[int], exact: bool) -> Equation:
    """One kernel; arrays of the user's, whose contents may change, are among its operands."""
    lifted: dict[Any, Variable] = {
        o: Variable(-2 - i, o.value.shape, o.value.dtype)
        for i, o in enumerate(references_of(Program(KIND, (), tuple(members), ())))
    }
    if lifted:
        members = [
            replace(e, operands=tuple(lifted.get(o, o) for o in e.operands)) for e in members
        ]
    one = cluster(KERNELS, members, wanted, [("exact", exact)], lifted=False)
    back = {v.number: o for o, v in lifted.items()}
    operands = tuple(back.get(o.number, o) if isinstance(o, Variable) else o for o in one.operands)
    return replace(one, operands=operands)


def _rule(equation: Equation, context: Context) -> Rule | None:
    """The rule of an equation that can be in a kernel."""
    if equation.primitive.family == "python" and "/" in equation.primitive.name:
        return None  # it raises an error at zero
    rule = small_rule(equation, context.exact, LIMIT)
    return None if rule is None or rule.work(equation) > PRODUCTS else rule


def _time(equation: Equation, rule: Rule | None, costs: Costs) -> float:
    assert rule is not None
    elements = math.prod(equation.results[0].shape)
    return time_of(equation, rule, costs) + elements * (
        costs.tanh if rule.work(equation) > elements else costs.add
    )


def _machine_time(kernel: Equation, rules: Sequence[Rule | None], part: Sequence[int]) -> float:
    time = CALL + ARRAY * sum(
        bool(v.shape) for v in (*kernel.operands, *kernel.results) if isinstance(v, Variable)
    )
    for i, equation in zip(part, program_of(kernel).equations, strict=True):
        rule = rules[i]
        assert rule is not None
        work, size = rule.work(equation), math.prod(equation.results[0].shape)
        time += NUMBER * work
        if work >= 2 * size and len(equation.operands) < 3:
            time += FUNCTION * size
    return time


def write_kernel(writer: Any, equation: Equation, operands: Sequence[str]) -> list[str]:
    """Write the call of a kernel, and what is done where a result is not finite."""
    program = program_of(equation)
    line, scope = writer.line, writer.scope
    exact = dict(equation.params)["exact"]
    kernel = (UnrolledKernel if is_tiny(program) else Kernel)(program, exact)
    plain = scope.helper(Plain(program, type(writer), type(writer.scope)), "plain")
    names = {v.number: writer.fresh(v.name) for v in equation.results}
    results = ", ".join(names.values()) + "," * (len(names) == 1)
    try:
        text = kernel.text()
        run = machine_code(text, kernel.name, kernel.namespace, program.inputs, kernel.filled)
    except Exception as error:  # noqa: BLE001  # Numba has many kinds
        if writer.context is not None:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
            writer.context.decide("numba", f"a kernel is left to NumPy: {reason}")
        line(f"{results} = {plain}({', '.join(operands)})", equation.origin)
        return list(names.values())
    called = scope.helper(run, "kernel")
    arguments = [
        _argument(operand, name) for operand, name in zip(program.inputs, operands, strict=True)
    ]
    for v in kernel.filled:
        line(f"{names[v.number]} = {writer.memory(v)}", equation.origin)
    finite = writer.fresh("finite")
    given = ", ".join([*arguments, *(names[v.number] for v in kernel.filled)])
    left = ", ".join([finite, *(names[v.number] for v in kernel.returned)])
    line(f"{left} = {called}({given})", equation.origin)
    for v in kernel.returned:
        if not v.weak:
            boxed = v.number in kernel.boxed
            kind = "np.array" if boxed else "np.bool_" if v.dtype.kind == "b" else "np.float64"
            line(f"{names[v.number]} = {kind}({names[v.number]})")
    line(f"if not {finite}:")
    with writer.indented():
        line(f"{results} = {plain}({', '.join(operands)})")
    return list(names.values())


def _argument(variable: Variable, name: str) -> str:
    if variable.shape or (variable.weak and variable.dtype.kind in "fb"):
        return name
    return f"bool({name})" if variable.dtype.kind == "b" else f"float({name})"


WRITERS[KIND] = write_kernel

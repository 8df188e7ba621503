"""Running a program again with some of its values known: what a checkpoint's policy is for.

An operation whose results are known is recorded, and not computed. Where nobody else reads what it
was computed from, that need not be computed either: only its record is made, with a value of zeros
in no memory.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.core.primitive import Primitive
from funcgrad.core.program import Equation, Guard, Program, Variable
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import bind
from funcgrad.core.wengert import Aval
from funcgrad.interpreters.record import Recording, RecordTracer
from funcgrad.primitives.contraction import matmul_p
from funcgrad.primitives.indexing import gather_p, index_p
from funcgrad.primitives.keys import decode

__all__ = ["SavedReplay", "Shortcut", "call", "hollow", "read_by_rule"]

_CALLS = ("checkpoint", "custom")
"""Families of functions, whose results come in a tuple even if there is one."""

_LAZY = ("elementwise", "linear", "multilinear")
"""Families whose rules compute nothing before the sweep; they only choose what is kept."""


def call(primitive: Primitive, operands: list[Any], params: dict[str, Any]) -> Any:
    """An operation of the program, to the last bit what the user's function would compute.

    Parts are taken as `x[key]` does, in linear time for many.
    """
    if primitive.apply is not None:
        return primitive.apply(operands, params)
    if primitive is matmul_p:
        a, b = operands
        if type(a) is np.ndarray and type(b) is np.ndarray:
            same = a.dtype == b.dtype and max(a.ndim, b.ndim) <= 2
            return np.dot(a, b) if same else bind(matmul_p, a, b)
        return DISPATCH[np.matmul](a, b)
    first = type(operands[0])
    if first is RecordTracer:
        if primitive is index_p:
            return operands[0][decode(params["key"])]
        if primitive is gather_p and params["lead"] == 0 and len(operands) == 2:
            return operands[0][operands[1]]
    if not params and (first is RecordTracer or type(operands[-1]) is RecordTracer):
        quick = _quick(primitive)
        if quick is not None:
            return quick(*operands)
    return bind(primitive, *operands, **params)


@functools.cache
def _quick(primitive: Primitive) -> Callable[..., Any] | None:
    """The function that records an elementwise primitive in the shortest way, as operators do."""
    ufunc = getattr(np, primitive.name, None)
    is_own = primitive.family == "elementwise" and isinstance(ufunc, np.ufunc)
    return DISPATCH.get(ufunc) if is_own else None


def hollow(aval: Any) -> Any:
    """Zeros in place of a value that nobody reads, in no memory."""
    zero: np.ndarray[Any, Any] = np.zeros((), aval.dtype)
    return np.broadcast_to(zero, aval.shape) if aval.shape else zero[()]


def read_by_rule(
    equation: Equation, values: Sequence[Any], params: dict[str, Any], out: Any
) -> frozenset[int] | None:
    """Numbers of the variables that the reverse rule of an operation keeps; `None`: unknown.

    It is known if all that the rule keeps are operands and results themselves, and shapes.
    """
    primitive = equation.primitive
    if primitive.vjp is None:
        return frozenset()
    pairs = list(zip(equation.operands, values, strict=True))
    variables: dict[int, set[int]] = {}  # one array may be the value of several
    constants = {id(x) for o, x in pairs if not isinstance(o, Variable)}
    results = out if type(out) is tuple else (out,)
    for o, x in (*pairs, *zip(equation.results, results, strict=True)):
        if isinstance(o, Variable):
            variables.setdefault(id(x), set()).add(o.number)
    active = tuple(isinstance(operand, Variable) for operand in equation.operands)
    found: set[int] = set()
    pending = [primitive.vjp(out, values, active, params)[1]]
    while pending:
        x = pending.pop()
        if isinstance(x, tuple | list):
            pending += x
        elif id(x) in variables:
            found |= variables[id(x)]
        elif x is not None and id(x) not in constants and type(x) not in (int, str, bool, Aval):
            return None
    return frozenset(found)


class SavedReplay:
    """Which values of a program are known, and which nobody needs then.

    Attributes:
        same: `{variable: the variable it is a copy of}`, for what is known by its name.
        unread: numbers of the first results of operations whose values nobody reads.
    """

    __slots__ = ("same", "unread")

    def __init__(
        self,
        program: Program,
        saves: Sequence[Variable],
        reads: dict[int, frozenset[int] | None],
    ) -> None:
        known = {variable.number for variable in saves}
        self.same: dict[int, int] = {}
        self.unread: set[int] = set()
        needed: set[int] = set()
        for item in reversed(program.items):
            if isinstance(item, Guard):
                continue
            operands = {o.number for o in item.operands if isinstance(o, Variable)}
            first = item.results[0].number
            read = reads.get(first)
            if all(v.number in known for v in item.results) and not _is_square(item):
                if item.primitive.family == "identity":
                    (number,) = operands
                    known.add(number)
                    self.same[number] = first
                needed |= operands if read is None else operands & read
            elif _is_light(item, read) and not needed.union(read or ()) & {
                v.number for v in item.results
            }:
                self.unread.add(first)
                needed |= operands & (read or frozenset())
            else:
                needed |= operands

    def with_values(
        self, trace: Recording, saves: Sequence[Variable], saved: Sequence[Any]
    ) -> "Shortcut":
        """For one run."""
        known = {variable.number: x for variable, x in zip(saves, saved, strict=True)}
        for number, name in self.same.items():
            known.setdefault(number, known[name])
        return Shortcut(trace, known, self.unread)


def _is_square(item: Equation) -> bool:
    """x * x and its like have records of their own, with sums in another order."""
    operands = item.operands
    return (
        item.primitive.family == "elementwise" and len(operands) > 1 and operands[0] is operands[1]
    )


def _is_light(item: Equation, read: frozenset[int] | None) -> bool:
    """Whether the record of an operation can be made without its value."""
    primitive = item.primitive
    if primitive.vjp is None:
        return True
    return primitive.family in _LAZY and read is not None and not _is_square(item)


class Shortcut:
    """Records operations without computing them, where that can be done."""

    __slots__ = ("known", "trace", "unread")

    def __init__(self, trace: Recording, known: dict[int, Any], unread: set[int]) -> None:
        self.trace = trace
        self.known = known
        self.unread = unread

    def __call__(self, item: Equation, operands: Sequence[Any]) -> Any:
        """The results of an operation; `None` if it has to be computed."""
        numbers = [v.number for v in item.results]
        if numbers[0] in self.unread:
            results = [hollow(variable) for variable in item.results]
        elif all(number in self.known for number in numbers) and not _is_square(item):
            results = [self.known[number] for number in numbers]
        else:
            return None
        many = len(results) > 1 or item.primitive.family in _CALLS
        out = tuple(results) if many else results[0]
        trace, rule = self.trace, item.primitive.vjp
        active = tuple(isinstance(x, RecordTracer) and x.owner is trace for x in operands)
        if rule is None or True not in active:
            return out
        values = [x.value if flag else x for x, flag in zip(operands, active, strict=True)]
        pull, residuals = rule(out, values, active, dict(item.params))
        parents = [x.index for x, flag in zip(operands, active, strict=True) if flag]
        return trace.push(item.primitive, parents, pull, residuals, out)

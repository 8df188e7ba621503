"""Structure of a derivative at a point, and what it depends on.

It is read off the program of (x, ẋ) ↦ ∂f(x) ẋ, so it is that of the derivative that is really
computed, with all rules of the user's: index sets are propagated from ẋ. Values of x are unknown to
it. What is not differentiated (other arguments, arrays of the closure) may decide where zeros are:
positions in an index, a matrix with zeros. As little of it as possible counts as known: nothing, or
integers and booleans only, if the structure is the same then. What does count is compared in each
call of a plan; inside of another staging a guard of that program does it.
"""

import copy
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad import tree
from funcgrad.compile.passes import optimised
from funcgrad.core.modes import MODES
from funcgrad.core.primitive import Primitive
from funcgrad.core.program import Constant, Program, Variable
from funcgrad.core.tracer import Tracer
from funcgrad.errors import NonScalarOutputError, SparsityError
from funcgrad.families.shapes import shape_of
from funcgrad.interpreters.batch import BatchTracer
from funcgrad.interpreters.stage import Stage, StageTracer
from funcgrad.jitting.closures import Closure
from funcgrad.primitives.structural import copy_p
from funcgrad.sparse.pattern import Pattern
from funcgrad.sparse.problem import Call, Problem, example_of, outline
from funcgrad.sparse.structure import jacobian_pattern
from funcgrad.sparse.symmetry import has_own_rules
from funcgrad.transforms.arguments import result_dtype
from funcgrad.transforms.forward import jvp

__all__ = ["Found", "Known", "find", "find_for_all", "is_symmetric", "outside"]

_ALL = "biufc"
_INTEGERS = "biu"
_KINDS = {float: "f", complex: "c", int: "i", bool: "b"}


@dataclass(frozen=True, slots=True)
class Known:
    """A value that the structure depends on.

    Attributes:
        leaf: its number among the leaves of the arguments; -1 for an array of the closure.
        array: the array of the closure, or the leaf.
        was: what it held.
    """

    leaf: int
    array: Any
    was: Any

    @classmethod
    def of(cls, leaf: int, array: Any) -> "Known":
        """With a copy of what it holds now."""
        return cls(leaf, array, np.array(array) if isinstance(array, np.ndarray) else array)

    def is_same(self, leaves: Sequence[Any]) -> bool:
        """Whether it holds the same now."""
        now = self.array if self.leaf < 0 else leaves[self.leaf]
        if isinstance(now, Tracer):
            return False
        if type(self.was) is not np.ndarray:
            return bool(now == self.was)
        return (
            np.shape(now) == self.was.shape
            and now.dtype == self.was.dtype
            and (bool(np.all(now == self.was)) or now.tobytes() == self.was.tobytes())
        )


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a derivative at some arguments.

    Attributes:
        pattern: its structure; `None` if nobody asked.
        known: what that depends on.
        outs: results of the function (of its gradient, for a Hessian): zeros of no memory.
        out_structure: of the results.
        eps: of the coarsest numbers on the way.
    """

    pattern: Pattern | None
    known: tuple[Known, ...]
    outs: tuple[Any, ...]
    out_structure: tree.Structure
    eps: float = 0.0


def find(
    problem: Problem, call: Call, besides: Pattern | None = None, *, pattern: bool = True
) -> Found:
    """Results and (unless that is known) structure at these arguments.

    Args:
        problem: the derivative.
        call: where.
        besides: entries that may be there besides those that are found.
        pattern: whether the structure is asked for.

    Raises:
        OutputDtypeError: for results that have no derivative.
        SparsityError: if there are too many entries.
    """
    recording = _Recording(problem, call, _ALL)
    program, tracked = recording.run()
    for out in recording.outs:
        problem.check_output(out)
    found: Pattern | None = None
    known: tuple[Known, ...] = ()
    if pattern:
        found = _pattern(problem, program, tracked)
        found = found if besides is None else found | besides
        known = _known(problem, call, found, recording)
    outs = tuple(map(outline, recording.outs))
    return Found(found, known, outs, recording.out_structure, _coarsest(program))


def find_for_all(problem: Problem, call: Call) -> Found:
    """Results and structure whatever the values are: nothing counts as known."""
    first = _Recording(problem, call, "")
    program, tracked = first.run()
    arrays = first.arrays()
    if arrays:  # which ones there are is only known afterwards
        second = _Recording(problem, call, "", arrays)
        program, tracked = second.run()
    for out in first.outs:
        problem.check_output(out)
    outs = tuple(map(outline, first.outs))
    return Found(_pattern(problem, program, tracked), (), outs, first.out_structure)


def _coarsest(program: Program) -> float:
    """The largest eps of the numbers that a program computes with."""
    dtypes = {v.dtype for item in program.equations for v in item.results}
    return max((float(np.finfo(d).eps) for d in dtypes if d.kind in "fc"), default=0.0)


def is_symmetric(problem: Problem, call: Call) -> bool:
    """Whether the matrix is symmetric for sure: a Hessian by no other rules than our own."""
    if not problem.is_hessian:
        return False
    try:
        return not has_own_rules(_Recording(problem, call, _ALL).values())
    except Exception:  # noqa: BLE001  # mistakes are named where derivatives are taken
        return False


def _pattern(problem: Problem, program: Program, tracked: Sequence[int]) -> Pattern:
    found = jacobian_pattern(optimised(program)[0], tracked)
    return found.symmetric if problem.is_hessian else found


# --- what the structure depends on ------------------------------------------------------------


def _known(
    problem: Problem, call: Call, pattern: Pattern, recording: "_Recording"
) -> tuple[Known, ...]:
    """What has to stay as it is, so that the structure lies within a pattern."""
    arrays = recording.arrays()
    fixed = [*_fixed(problem, call, arrays), *(Known.of(-1, value) for value in recording.met)]

    def suffices(kinds: str) -> bool:
        return _suffices(_Recording(problem, call, kinds, arrays), pattern)

    integers = [one for one in fixed if _kind(one.array) in _INTEGERS]
    if fixed and suffices(""):
        fixed = []
    elif 0 < len(integers) < len(fixed) and suffices(_INTEGERS):
        fixed = integers
    stage = next(filter(None, map(_stage_of, call.leaves)), None)
    if stage is None:
        return tuple(fixed)
    for one in fixed:
        _guard(stage, one.array)
    return ()


def _suffices(recording: "_Recording", pattern: Pattern) -> bool:
    """Whether the structure lies within a pattern if only what it says is known."""
    try:
        return _pattern(recording.problem, *recording.run()) <= pattern
    except Exception:  # noqa: BLE001  # whatever functions do that need to know their arrays
        return False


def _fixed(problem: Problem, call: Call, others: dict[int, Any]) -> Iterator[Known]:
    """Values that are not differentiated: other arguments, and arrays from outside."""
    chosen = set(call.chosen)
    for number, leaf in enumerate(call.leaves):
        value = _grounded(leaf)
        if number not in chosen and _kind(value) and not isinstance(value, Tracer):
            yield Known.of(number, value)
    arrays = {id(array): array for array, _ in Closure(problem.fun).arrays.values()} | others
    given = set(map(id, call.leaves))
    yield from (Known.of(-1, array) for key, array in arrays.items() if key not in given)


def _kind(x: Any) -> str:
    """Of the dtype of what can count as known; empty for what cannot."""
    if isinstance(x, Tracer) and not isinstance(x, StageTracer):
        return ""
    dtype = getattr(x, "dtype", None)
    kind: str = _KINDS.get(type(x), "") if dtype is None else dtype.kind
    return kind if kind in _ALL else ""


def _grounded(x: Any) -> Any:
    """A value of a program, below batches that do not touch it, if that is what it is."""
    value = x
    while isinstance(value, BatchTracer) and not value.batched:
        value = value.value
    if isinstance(value, StageTracer) and value.owner.open and not isinstance(value.value, Tracer):
        return value
    return x if isinstance(value, Tracer) else value


def _stage_of(x: Any) -> Stage | None:
    while isinstance(x, Tracer):
        if isinstance(x.owner, Stage):
            return x.owner
        x = x.value
    return None


def _guard(stage: Stage, value: Any) -> None:
    """Have a program ask in each call whether a value is the same.

    Integers are asked for a number first: where that is another one, another path begins.
    """
    if isinstance(value, np.ndarray):
        value = stage.process(copy_p, (value,), {})
    if not isinstance(value, StageTracer):
        return  # a number is a constant of the program
    now = np.array(value.value)
    if now.dtype.kind in _INTEGERS:
        weights = np.arange(1, 2 * now.size, 2).reshape(now.shape)
        int((value.astype(np.int64) * weights).sum())
    bool((value == now).all())


# --- recording --------------------------------------------------------------------------------


class _Stage(Stage):
    """A staging that has no part in what other transforms around it do."""

    __slots__ = ("exchange",)

    def __init__(self, transform: str, exchange: Callable[[Any], Any]) -> None:
        super().__init__(transform)
        self.exchange = exchange

    @override
    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        own = [x if type(x) is StageTracer and x.owner is self else self.exchange(x) for x in args]
        return super().process(primitive, own, params)


class _Recording:
    """One recording of (x, ẋ) ↦ ∂f(x) ẋ.

    Args:
        problem: the derivative.
        call: where.
        known: kinds of dtypes of the values that count as known.
        others: plain arrays from outside, by identity, that the function is known to read.

    Attributes:
        outs: results of the function.
        out_structure: of these.
        met: values of a program around it that counted as known.
    """

    def __init__(
        self, problem: Problem, call: Call, known: str, others: dict[int, Any] | None = None
    ) -> None:
        self.problem = problem
        self.call = call
        self.known = known
        self.others = others or {}
        self.stage = _Stage(problem.transform, self._operand)
        self.inputs: list[Variable] = []
        self.outs: list[Any] = []
        self.out_structure: Any = None
        self.met: list[StageTracer] = []
        self._values: dict[int, tuple[Any, Any]] = {}
        self._read: dict[int, weakref.ref[np.ndarray[Any, Any]]] = {}

    def arrays(self) -> dict[int, Any]:
        """Plain arrays from outside that were read, by identity: they outlive the function."""
        arrays = {key: read() for key, read in self._read.items()}
        return {key: array for key, array in arrays.items() if array is not None}

    def values(self) -> Program:
        """The program of the function itself, without derivatives."""
        problem = copy.copy(self.problem)
        problem.is_hessian = False
        self._staged(problem, lambda target, primals, _dots: target(*primals))
        return Program(problem.name, tuple(self.inputs), tuple(self.stage.items), ())

    def run(self) -> tuple[Program, list[int]]:
        """The program, and the numbers of its inputs that are tangents."""
        (out, out_dot, *_), tracked = self._staged(self.problem, self._push)
        self.outs, self.out_structure = tree.flatten(out)
        outputs = tuple(self._output(dot) for dot in tree.leaves(out_dot))
        inputs = tuple(self.inputs)
        return Program(self.problem.name, inputs, tuple(self.stage.items), outputs), tracked

    def _staged(self, problem: Problem, follow: Callable[..., Any]) -> tuple[Any, list[int]]:
        """What `follow(target, primals, tangents)` gives, and the numbers of the tangents."""
        call, stage = self.call, self.stage
        before, copies = MODES.staging, MODES.copies
        MODES.staging, MODES.copies = 1, {}  # loops and branches stay equations
        try:
            with np.errstate(all="ignore"):  # what it computes here is thrown away
                stage.errors = {**np.geterr()}
                leaves = list(self._leaves())
                primals = tuple(leaves[i] for i in call.chosen)
                first = len(self.inputs)
                dots = tuple(self._input(np.ones(shape_of(x), result_dtype(x))) for x in primals)
                tracked = list(range(first, len(self.inputs)))
                target = call.target(problem, self._function(), leaves)
                return follow(target, primals, dots), tracked
        finally:
            MODES.staging, MODES.copies = before, copies
            stage.close()

    def _push(self, target: Any, primals: Any, dots: Any) -> Any:
        try:
            return jvp(target, primals, dots, self.problem.has_aux)
        except NonScalarOutputError as error:
            if not self.problem.is_hessian:
                raise
            message = str(error).removeprefix("grad: ").partition(", but")[0]
            raise NonScalarOutputError(
                f"{self.problem.transform}: {message}, but a Hessian is that of a scalar. Reduce "
                "it, e.g. f(x).sum(), or use sparse_jacobian for a function of several results."
            ) from None

    def _operand(self, x: Any) -> Any:
        """What takes part in an operation in place of a value that is not of this staging."""
        if isinstance(x, Tracer):
            return self._value(x)
        if isinstance(x, np.ndarray) and x.size > 1:
            original = MODES.original(x)  # records keep copies
            if id(original) in self.others:
                return self._value(original)
            self._read.setdefault(id(original), weakref.ref(original))
        return x

    def _function(self) -> Callable[..., Any]:
        """The function with inputs in place of arrays of its closure that do not count as known."""
        if self.known == _ALL:
            return self.problem.fun
        return Closure(self.problem.fun).lifted(lambda array, _name: self._value(array))

    def _leaves(self) -> Iterator[Any]:
        chosen = set(self.call.chosen)
        for number, leaf in enumerate(self.call.leaves):
            yield self._input(example_of(leaf)) if number in chosen else self._value(leaf)

    def _value(self, x: Any) -> Any:
        """What is not differentiated: itself if it is known, or an input."""
        found = self._values.get(id(x))
        if found is None:
            found = self._values[id(x)] = x, self._new_value(x)
        return found[1]

    def _new_value(self, x: Any) -> Any:
        value = _grounded(x)
        kind = _kind(value)
        if not kind and not isinstance(value, Tracer):
            return x
        if not kind or kind not in self.known:
            return self._input(example_of(x))
        if not isinstance(value, StageTracer):
            return value
        self.met.append(value)
        return value.value

    def _input(self, value: Any) -> StageTracer:
        tracer = self.stage.input(value)
        self.inputs.append(tracer.variable)
        return tracer

    def _output(self, dot: Any) -> Variable | Constant:
        if type(dot) is StageTracer and dot.owner is self.stage:
            return dot.variable
        return Constant(np.zeros(shape_of(dot)))  # it does not depend on ẋ


def outside(problem: Problem, found: Pattern, planned: Pattern) -> SparsityError:
    """The error for a structure that has grown."""
    width = found.shape[1]
    keys = np.setdiff1d(found.rows * width + found.columns, planned.rows * width + planned.columns)
    place = divmod(int(keys[0]), width)
    count = f"{keys.size} entr{'ies' if keys.size > 1 else 'y'}"
    return SparsityError(
        f"{problem.transform}: for these values the derivative of {problem.name} has {count} "
        f"outside of the structure that it was planned with, such as {place}. The function takes "
        "another branch, or reads other arrays, than where it was planned. Call prepare for such "
        "values, or pass structure= with all entries that there can be."
    )

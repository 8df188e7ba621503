"""Batching: compute with one more axis, always in front.

A tracer is batched (its value has the axis) or not: arguments that `vmap` does not map are wrapped
all the same, so that NumPy dispatches on them. Its shape is that of one example.

An operation between the examples (`all_gather`) has the `Axis` of its trace among the operands: the
trace of that axis applies it, every other one passes it on.
"""

from collections.abc import Sequence
from typing import Any, NoReturn

from typing_extensions import override

from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import Trace, Tracer, bind
from funcgrad.errors import (
    BatchedValueError,
    CapturedTracerError,
    FuncgradError,
    UnboundAxisError,
    user_line,
)

__all__ = ["MINE", "UNKNOWN", "Axis", "Batch", "BatchTracer", "batches_of", "differs"]

_WAY = (
    "Python can go only one way for all examples. Use np.where(condition, a, b) or funcgrad.cond "
    "in place of an if, funcgrad.while_loop in place of a while, or map with a Python loop."
)
_NUMBER = (
    "One number cannot stand for all examples. Write o = funcgrad.numpy.at(o)[i].set(x) in place "
    "of o[i] = x (np.stack([...]) for a new array), the np.* function in place of math.*, "
    "np.where(condition, a, b) in place of an if, or map with a Python loop."
)
_POSITION = (
    "One position cannot stand for all examples. Write funcgrad.numpy.asarray(table)[i] in place "
    "of table[i], funcgrad.numpy.at(o)[i].set(x) in place of o[i] = x, or map with a Python loop."
)
_FIXES = {
    "float()": _NUMBER,
    "int()": _NUMBER,
    "complex()": _NUMBER,
    "use as an integer index": _POSITION,
}


class BatchTracer(Tracer):
    """A value for each example of a batch, or one value for all of them."""

    __slots__ = ("batched", "born", "made_by")
    batched: bool
    born: int
    made_by: Primitive | None
    owner: "Batch"

    def __init__(self, value: Any, batched: bool, owner: "Batch", made_by: Primitive | None = None):
        self.value = value
        self.batched = batched
        self.owner = owner
        self.made_by = made_by
        self.born = owner.clock

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes of one example."""
        shape: tuple[int, ...] = getattr(self.value, "shape", ())
        return shape[1:] if self.batched else shape

    @override
    def _check_plain(self, kind: str) -> None:
        super()._check_plain(kind)
        if self.batched:
            raise BatchedValueError(
                f"vmap: {kind} of a value that differs along the mapped axis (size "
                f"{self.owner.size}), at {user_line()}. {_FIXES.get(kind, _WAY)}"
            )

    def _number(self, kind: str, convert: Any) -> Any:
        self._check_plain(kind)
        return convert(self.value)

    def __float__(self) -> Any:
        return self._number("float()", float)

    def __complex__(self) -> Any:
        return self._number("complex()", complex)

    def __int__(self) -> Any:
        return self._number("int()", int)

    def __index__(self) -> Any:
        self._check_plain("use as an integer index")
        return self.value.__index__()

    def item(self) -> Any:
        """The one element as a Python number, where it is the same for all examples."""
        self._check_plain(".item()")
        return self.value.item()

    def tolist(self) -> Any:
        """The elements as Python numbers, where they are the same for all examples."""
        self._check_plain(".tolist()")
        return self.value.tolist()

    def __str__(self) -> str:
        return repr(self) if self.batched else str(self.value)

    def __format__(self, spec: str) -> str:
        return str(self) if self.batched else format(self.value, spec)

    def __repr__(self) -> str:
        kind = f"batched, size {self.owner.size}" if self.batched else "not batched"
        return f"BatchTracer({self.value!r}, {kind})"


class Axis(Tracer):
    """Stands for a mapped axis among the operands of an operation between its examples."""

    __slots__ = ()
    made_by = None
    owner: "Batch"

    def __init__(self, owner: "Batch") -> None:
        self.value = 0
        self.owner = owner


MINE: Any = object()
"""What the batch rule of an operation between examples gets in place of its own axis."""


UNKNOWN: Any = object()
"""Says nothing of what a batch stands for."""


def batches_of(x: Any) -> list["Batch"]:
    """The traces along whose axes a value differs between the examples."""
    found = []
    while isinstance(x, Tracer):
        if type(x) is BatchTracer and x.batched:
            found.append(x.owner)
        x = x.value
    return found


def differs(x: Any) -> bool:
    """Whether a value differs between the examples of any batch, at any depth of its tower."""
    while isinstance(x, Tracer):
        if type(x) is BatchTracer and x.batched:
            return True
        x = x.value
    return False


class Batch(Trace):
    """The trace of `vmap`.

    Attributes:
        size: number of examples.
        name: what collectives call its axis, `None` if it has no name.
        stands_for: the trace whose examples are computed again in this one, which therefore answers
            to its axis; `None` for one of its own. Where nothing is said, operations between
            examples are refused.
        clock: how many branches have begun that were chosen by some examples only; tracers note it
            when they are made.
        branch: what runs such a branch, while it runs, and the time at which it began. It may read
            values that were made since, which stand for those of examples that did choose it.
    """

    __slots__ = ("branch", "clock", "name", "size", "stands_for")

    def __init__(
        self, transform: str, size: int, name: Any = None, stands_for: Any = UNKNOWN
    ) -> None:
        super().__init__(transform)
        self.size = size
        self.name = name
        self.stands_for: Batch | None = stands_for
        self.clock = 0
        self.branch: tuple[str, int] | None = None

    @override
    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        values: list[Any] = []
        batched: list[bool] = []
        for arg in args:
            if type(arg) is BatchTracer and arg.owner is self:
                if self.branch is not None and arg.batched and arg.born < self.branch[1]:
                    _refuse_unchosen(*self.branch)
                values.append(arg.value)
                batched.append(arg.batched)
            elif type(arg) is Axis and self._answers_to(arg):
                return self._between_examples(primitive, args[0], params)
            else:
                values.append(arg)
                batched.append(False)
        if True in batched:
            if primitive.data_dependent:
                _refuse_shape(primitive)
            try:
                out = primitive.batch(self.size, batched, values, params)
            except (ValueError, IndexError, TypeError) as error:
                if not isinstance(error, FuncgradError):
                    error.add_note(_of_one_example(primitive, self.size, args))
                raise
            any_batched = True
        else:
            out = bind(primitive, *values, **params)
            any_batched = False
        if type(out) is tuple:
            return tuple(BatchTracer(item, any_batched, self, primitive) for item in out)
        return BatchTracer(out, any_batched, self, primitive)

    def flag(self, x: Any) -> bool | None:
        """Whether a value differs between the examples of this trace; `None` for its `Axis`."""
        if type(x) is Axis and x.owner is self:
            return None
        return type(x) is BatchTracer and x.owner is self and x.batched

    def _answers_to(self, axis: Axis) -> bool:
        if axis.owner is self or axis.owner is self.stands_for:
            return True
        if self.stands_for is UNKNOWN:
            raise UnboundAxisError(
                f"{self.transform}: an operation between the examples of {axis.owner.name!r} at "
                f"{user_line()}, in something that is computed again for all of them. Which of "
                "them belong together is not known there. Take the collective out of that function."
            )
        return False

    def _between_examples(self, primitive: Primitive, x: Any, params: dict[str, Any]) -> Any:
        """Apply an operation along the axis of this trace; its rule says what the result is."""
        mine = type(x) is BatchTracer and x.owner is self
        value, batched = (x.value, x.batched) if mine else (x, False)
        out, kind = primitive.batch(self.size, (batched, False), (value, MINE), params)
        return out if kind is None else BatchTracer(out, kind, self, primitive)


def _of_one_example(primitive: Primitive, size: int, args: Sequence[Any]) -> str:
    """What to say with an error of NumPy, which names the shapes of whole batches."""
    shapes = [shape for arg in args if (shape := getattr(arg, "shape", None)) is not None]
    return (
        f"vmap: in {primitive} at {user_line()} the values are batched over a mapped axis of size "
        f"{size}, which stands in front of the shapes in this error. In the function the operands "
        f"have the shape{'s' * (len(shapes) != 1)} {', '.join(map(str, shapes))}."
    )


def _refuse_unchosen(transform: str, _begin: int) -> NoReturn:
    raise CapturedTracerError(
        f"{transform}: a function that only some examples of the vmap chose read, at "
        f"{user_line()}, a value that differs between the examples, from a global variable or an "
        "attribute of an object. Values of the other examples would come in, for which it is not "
        "made, and with them warnings and derivatives that are not a number. Pass the value as an "
        f"operand, as in {_OPERANDS.get(transform, 'cond(p, f, g, x)')}, or read it into a local "
        "variable before, which the function then finds in its closure."
    )


_OPERANDS = {
    "switch": "switch(i, [f, g], x)",
    "while_loop": "while_loop(p, f, (state, x))",
    "fori_loop": "fori_loop(a, b, f, (state, x))",
}


def _refuse_shape(primitive: Primitive) -> NoReturn:
    raise BatchedValueError(
        f"vmap: {primitive} at {user_line()} has a result whose shape depends on values, which "
        "differ along the mapped axis. The examples would not fit into one array. Use np.where "
        "with a mask, or map with a Python loop."
    )

"""Programs: a closed Wengert list as an immutable, printable, hashable value."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from funcgrad.core.foreign import is_foreign
from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import bind
from funcgrad.core.wengert import aval_of
from funcgrad.errors import GuardError

__all__ = ["ASK", "Constant", "Equation", "Guard", "Program", "Variable"]


@dataclass(frozen=True, slots=True)
class Variable:
    """A name for one value of a program."""

    number: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    like: Any = field(default=None, compare=False)

    def __str__(self) -> str:
        letters, number = "", self.number
        while True:
            letters = chr(ord("a") + number % 26) + letters
            number = number // 26 - 1
            if number < 0:
                return letters

    @property
    def declaration(self) -> str:
        """Name with dtype and shape, such as `a: float64[3, 2]`."""
        return f"{self}: {self.dtype}[{', '.join(map(str, self.shape))}]"


class Constant:
    """A plain value in a program; equal to another constant of equal type and contents."""

    __slots__ = ("_key", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        if type(value) is np.ndarray:
            value.flags.writeable = False  # its own copy, made when it was recorded
            self._key: Any = (value.shape, value.dtype, value.tobytes())
        else:  # of an array of another library the elements are not looked at
            self._key = (type(value), id(value) if is_foreign(value) else repr(value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __str__(self) -> str:
        value = self.value
        if type(value) is np.ndarray and value.size > 4:  # a longer one would hide the equation
            return f"<{value.dtype}[{', '.join(map(str, value.shape))}]>"
        return " ".join(str(value.tolist() if isinstance(value, np.ndarray) else value).split())


@dataclass(frozen=True, slots=True)
class Equation:
    """One application of a primitive."""

    primitive: Primitive
    operands: tuple[Variable | Constant, ...]
    params: tuple[tuple[str, Any], ...]
    results: tuple[Variable, ...]

    def __str__(self) -> str:
        left = ", ".join(variable.declaration for variable in self.results)
        arguments = [str(operand) for operand in self.operands]
        arguments += [f"{name}={value!r}" for name, value in self.params]
        return f"{left} = {self.primitive}({', '.join(arguments)})"


@dataclass(frozen=True, slots=True)
class Guard:
    """A plain answer that Python was given: the program is right only where it is the same."""

    variable: Variable
    kind: str
    answer: Any

    def __str__(self) -> str:
        return f"guard {self.kind}({self.variable}) == {self.answer!r}"


def _over_examples(reduce: Callable[[Any], Any]) -> Callable[[Any], bool]:
    def ask(x: Any) -> bool:
        while hasattr(x, "batched"):  # it has one value for each example of a vmap
            x = x.value
        return bool(reduce(x))

    return ask


ASK: dict[str, Callable[[Any], Any]] = {
    "bool": bool,
    "int": int,
    "float": float,
    "complex": complex,
    "index": int,
    "shape": np.shape,
    "any": _over_examples(np.any),
    "all": _over_examples(np.all),
}
"""What the kinds of guards ask of a value; `any` and `all` ask over the examples of all batches."""


@dataclass(frozen=True, slots=True)
class Program:
    """`inputs`, then equations and guards in order, then `outputs`; immutable and hashable.

    Attributes:
        name: of the function it was recorded from.
        inputs: one variable for each array argument.
        items: the equations and guards.
        outputs: variables, or constants.
    """

    name: str
    inputs: tuple[Variable, ...]
    items: tuple[Equation | Guard, ...]
    outputs: tuple[Variable | Constant, ...]

    @property
    def equations(self) -> tuple[Equation, ...]:
        """The applications of primitives, without the guards."""
        return tuple(item for item in self.items if isinstance(item, Equation))

    def __str__(self) -> str:
        head = ", ".join(variable.declaration for variable in self.inputs)
        lines = [f"{self.name}({head}):", *(f"    {item}" for item in self.items)]
        lines.append(f"    return {', '.join(map(str, self.outputs))}")
        return "\n".join(lines)

    def evaluate(self, *args: Any) -> list[Any]:
        """Apply the equations in order to arrays or tracers, one for each input.

        Raises:
            GuardError: for values that would take another path through the recorded function, or
                of other shapes or dtypes than recorded.
        """
        values: dict[int, Any] = {}
        for variable, arg in zip(self.inputs, args, strict=True):
            aval = aval_of(arg)
            if aval.shape != variable.shape or not np.can_cast(
                aval.dtype, variable.dtype, "same_kind"
            ):
                raise GuardError(
                    f"{self.name}: its input {variable.declaration} was given dtype {aval.dtype} "
                    f"and shape {aval.shape}. The program is that of the recorded shapes and "
                    "dtypes. Record it again for these values."
                )
            values[variable.number] = arg
        for item in self.items:
            if isinstance(item, Guard):
                found = ASK[item.kind](values[item.variable.number])
                if found != item.answer:
                    raise GuardError(
                        f"{self.name}: {item}, but it is {found!r} for these values. The program "
                        "is one path through the function. Record it again for these values."
                    )
                continue
            operands, params = _look_up(item.operands, values), dict(item.params)
            apply = item.primitive.apply
            out = (
                bind(item.primitive, *operands, **params)
                if apply is None
                else apply(operands, params)
            )
            results = out if type(out) is tuple else (out,)
            for variable, result in zip(item.results, results, strict=True):
                values[variable.number] = result
        return _look_up(self.outputs, values)

    def pruned(self) -> "Program":
        """The same program without equations that no output or guard needs."""
        needed = {o.number for o in self.outputs if isinstance(o, Variable)}
        kept: list[Equation | Guard] = []
        for item in reversed(self.items):
            if isinstance(item, Guard):
                needed.add(item.variable.number)
            elif needed.isdisjoint(variable.number for variable in item.results):
                continue
            else:
                needed.update(o.number for o in item.operands if isinstance(o, Variable))
            kept.append(item)
        return Program(self.name, self.inputs, tuple(reversed(kept)), self.outputs)


def _look_up(operands: Sequence[Variable | Constant], values: dict[int, Any]) -> list[Any]:
    return [o.value if isinstance(o, Constant) else values[o.number] for o in operands]

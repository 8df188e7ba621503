"""Programs: a closed Wengert list as an immutable, printable, hashable value."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from funcgrad.core.foreign import is_foreign
from funcgrad.core.origins import UNKNOWN, Origin
from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import bind
from funcgrad.core.wengert import aval_of
from funcgrad.errors import GuardError

__all__ = ["ASK", "Constant", "Equation", "Guard", "Program", "Reference", "Variable", "names_of"]


@dataclass(frozen=True, slots=True)
class Variable:
    """One value of a program.

    Attributes:
        number: which one it is.
        shape: its shape.
        dtype: its dtype; that of a weak one is its default.
        like: as in `Aval`.
        name: of the user's variable that holds it, if there is one.
        weak: whether it is a Python number, whose dtype gives way to those of others.
    """

    number: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    like: Any = field(default=None, compare=False)
    name: str = field(default="", compare=False)
    weak: bool = False

    def __str__(self) -> str:
        letters, number = "", self.number
        while True:
            letters = chr(ord("a") + number % 26) + letters
            number = number // 26 - 1
            if number < 0:
                return letters

    @property
    def type(self) -> str:
        """Dtype and shape, such as `float64[3, 2]`."""
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"

    @property
    def declaration(self) -> str:
        """Name or letters, dtype and shape, such as `a: float64[3, 2]`."""
        return f"{self.name or self}: {self.type}"


class Constant:
    """A plain value in a program; equal to another constant of equal type and contents."""

    __slots__ = ("_key", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        if type(value) is np.ndarray:
            value.flags.writeable = False  # its own copy, made when it was recorded
            self._key: Any = (value.shape, value.dtype, _contents(value))
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


def _contents(array: np.ndarray[Any, Any]) -> Any:
    """The bytes of an array; of one number repeated without memory, that number's."""
    if array.size and not any(array.strides):
        return (array.shape, array[(slice(1),) * array.ndim].tobytes())
    return array.tobytes()


class Reference(Constant):
    """An array of the user's in a program: known by identity, for its contents may change.

    Attributes:
        name: of the variable that holds it.
    """

    __slots__ = ("name",)

    def __init__(self, value: Any, name: str = "") -> None:
        self.value = value
        self.name = name
        self._key = (Reference, id(value))

    def __str__(self) -> str:
        value = self.value
        return self.name or f"<{value.dtype}[{', '.join(map(str, value.shape))}]>"


@dataclass(frozen=True, slots=True)
class Equation:
    """One application of a primitive.

    Attributes:
        primitive: the operation.
        operands: its arrays, in order.
        params: its parameters, in order.
        results: one variable, or one for each result.
        errors: what NumPy does at floating-point errors, as sorted items of `np.geterr()`, where
            the user's function has set it; `None` if that is left to the caller.
        origin: the user's line that asked for it.
    """

    primitive: Primitive
    operands: tuple[Variable | Constant, ...]
    params: tuple[tuple[str, Any], ...]
    results: tuple[Variable, ...]
    errors: tuple[tuple[str, str], ...] | None = None
    origin: Origin = field(default=UNKNOWN, compare=False)

    def __str__(self) -> str:
        return self.written(str)

    def written(self, name: Callable[["Variable | Constant"], str]) -> str:
        """As text, with names of variables and constants as given."""
        left = ", ".join(f"{name(variable)}: {variable.type}" for variable in self.results)
        arguments = [name(operand) for operand in self.operands]
        arguments += [f"{key}={value!r}" for key, value in self.params]
        return f"{left} = {self.primitive}({', '.join(arguments)})"


@dataclass(frozen=True, slots=True)
class Guard:
    """A plain answer that Python was given: the program is right only where it is the same."""

    variable: Variable
    kind: str
    answer: Any
    origin: Origin = field(default=UNKNOWN, compare=False)

    def __str__(self) -> str:
        return self.written(str)

    def written(self, name: Callable[[Variable | Constant], str]) -> str:
        """As text, with names of variables as given."""
        return f"guard {self.kind}({name(self.variable)}) == {self.answer!r}"


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
        return "\n".join(line for line, _ in self._lines())

    def with_lines(self) -> str:
        """As text, with the user's line behind each operation, where another one begins."""
        rows, before = [], UNKNOWN
        written = self._lines()
        width = max(len(line) for line, _ in written)
        for line, origin in written:
            shown = origin.file and origin[:3] != before[:3]
            note = f"# {origin.line}: {origin.text}".rstrip(": ") if shown else ""
            rows.append(f"{line:{width}}  {note}".rstrip())
            before = origin
        return "\n".join(rows)

    def _lines(self) -> list[tuple[str, Origin]]:
        name = names_of(self)
        head = ", ".join(f"{name(variable)}: {variable.type}" for variable in self.inputs)
        return [
            (f"{self.name}({head}):", UNKNOWN),
            *((f"    {item.written(name)}", item.origin) for item in self.items),
            (f"    return {', '.join(map(name, self.outputs))}", UNKNOWN),
        ]

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
                        f"{self.name}: {item.written(names_of(self))}, but it is {found!r} for "
                        "these values. The program is one path through the function. Record it "
                        "again for these values."
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


def names_of(program: Program) -> Callable[[Variable | Constant], str]:
    """Names for all variables, each once: the user's, then numbered ones, else letters."""
    variables = [*program.inputs, *(v for equation in program.equations for v in equation.results)]
    reserved = {variable.name for variable in variables}
    names: dict[int, str] = {}
    counts: dict[str, int] = {}
    for variable in variables:
        name = variable.name
        if not name:
            name = str(variable)
            while name in reserved:
                name += "_"
        elif name in counts:
            stem = name
            while name in reserved:
                counts[stem] += 1
                name = f"{stem}_{counts[stem]}"
        counts.setdefault(name, 1)
        reserved.add(name)
        names[variable.number] = name
    return lambda x: str(x) if isinstance(x, Constant) else names.get(x.number, str(x))


def _look_up(operands: Sequence[Variable | Constant], values: dict[int, Any]) -> list[Any]:
    return [o.value if isinstance(o, Constant) else values[o.number] for o in operands]

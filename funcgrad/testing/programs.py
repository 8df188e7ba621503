"""Random differentiable programs: short Python functions of NumPy operations, printed as source.

A program is written once, as text, and what is printed is what runs. It reads `xp.sin(t1) @ t2`, so
it runs on anything that looks like NumPy: arrays, tracers, JAX (`xp=jax.numpy`).
"""

import linecache
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CHOICES", "OPERATIONS", "Choose", "GeneratedProgram", "Operand", "compose"]

Array = npt.NDArray[Any]

# Values beyond this are squashed: ten multiplications in a row would overflow.
LARGEST_VALUE = 8.0
MAX_SIZE = 64


# Choices that one step makes at most: the operation, two operands, parameters.
CHOICES = 4


class Choose:
    """Picks options by given numbers, 0 the first and simplest; any number is a valid choice."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self.numbers = iter(numbers)

    def __call__(self, options: Sequence[Any], /) -> Any:
        """The option that the next number stands for; the first when numbers run out."""
        return options[next(self.numbers, 0) % len(options)]


@dataclass(frozen=True)
class GeneratedProgram:
    r"""A smooth function of arrays, as source and as a callable.

    Attributes:
        source: the text of a Python function `program(xp, x0, x1, …)`.
        inputs: arrays to call it with.
        function: the compiled source.

    Example:
        >>> text = "def program(xp, x0):\n    return xp.sin(x0)\n"
        >>> program = GeneratedProgram(text, (np.array([0.0, 1.0]),))
        >>> program(*program.inputs)
        array([0.        , 0.84147098])
    """

    source: str
    inputs: tuple[Array, ...]
    function: Callable[..., Any] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        filename = f"<program {hash(self.source):x}>"
        # A debugger and a traceback find the lines here.
        lines = self.source.splitlines(keepends=True)
        linecache.cache[filename] = (len(self.source), None, lines, filename)
        names: dict[str, Any] = {}
        exec(compile(self.source, filename, "exec"), names)
        object.__setattr__(self, "function", names["program"])

    def __call__(self, *inputs: Any, xp: Any = np) -> Any:
        """The program's value.

        Args:
            inputs: one array for each of the program's own inputs, of the same shapes.
            xp: the namespace that its operations are taken from.

        Returns:
            What the last line says: a scalar, or a tuple of arrays.
        """
        return self.function(xp, *inputs)

    def __repr__(self) -> str:
        shown = ", ".join(f"{x!r}" for x in self.inputs)
        return f"{self.source}# called with {' '.join(shown.split())}"


@dataclass(frozen=True)
class Operand:
    """A variable of a program that is being written: its name and its value at the inputs."""

    name: str
    value: Array


# An operation takes a choice and the variables so far and writes an expression; None if it does
# not fit the variable it was given.
Operation = Callable[[Choose, Sequence[Operand]], str | None]


def compose(
    steps: Sequence[Sequence[int]], inputs: Sequence[Array], *, scalar: bool
) -> GeneratedProgram:
    """Write a program of one line a step.

    Args:
        steps: for each step the numbers of its choices; they alone determine the program. A step
            of zeros is left out, so that simplifying its numbers removes it in the end.
        inputs: arrays of float dtype.
        scalar: return one number that depends on every variable, instead of a tuple of arrays.

    Returns:
        The program. Its values at the inputs are finite and moderate.
    """
    variables = [Operand(f"x{i}", x) for i, x in enumerate(inputs)]
    lines: list[str] = []
    used: set[str] = set()
    for line, numbers in enumerate(step for step in steps if any(step)):
        choose = Choose(numbers)
        expression = choose(OPERATIONS)(choose, variables)
        if expression is None:
            expression = elementwise(choose, variables)
        value, names = evaluate(expression, variables)
        if value.size > MAX_SIZE:
            expression = f"xp.mean({expression}, axis=0)"
            value, names = evaluate(expression, variables)
        if np.max(np.abs(value), initial=0.0) > LARGEST_VALUE:
            expression = f"xp.tanh({expression} / {int(LARGEST_VALUE)})"
            value, names = evaluate(expression, variables)
        name = f"t{line}"
        used.update(names)
        variables.append(Operand(name, value))
        lines.append(f"    {name} = {expression}\n")
    results = [operand.name for operand in variables if operand.name not in used]
    last = " + ".join(f"xp.sum({name})" for name in results) if scalar else f"{', '.join(results)},"
    arguments = ", ".join(operand.name for operand in variables[: len(inputs)])
    source = f"def program(xp, {arguments}):\n{''.join(lines)}    return {last}\n"
    return GeneratedProgram(source, tuple(inputs))


def evaluate(expression: str, variables: Sequence[Operand]) -> tuple[Array, tuple[str, ...]]:
    """The value of an expression at the program's inputs, and the names that occur in it."""
    code = compile(expression, "<expression>", "eval")
    values = {operand.name: operand.value for operand in variables}
    return np.asarray(eval(code, {"xp": np}, values)), code.co_names


def elementwise(choose: Choose, variables: Sequence[Operand]) -> str:
    """A smooth function of one variable that is defined, and moderate, everywhere."""
    x = choose(variables).name
    return str(
        choose(
            (
                f"xp.sin({x})",
                f"{x} * {x}",
                f"-{x}",
                f"xp.tanh({x})",
                f"xp.cos({x})",
                f"xp.exp(xp.sin({x}))",
                f"xp.arctan({x})",
                f"xp.sqrt(1.0 + {x} * {x})",
                f"xp.log1p({x} ** 2)",
                f"0.5 * {x} ** 3",
                f"1.0 / (2.0 + xp.cos({x}))",
                f"xp.arcsinh({x})",
                f"xp.expm1(xp.tanh({x}))",
                f"(1.5 + xp.sin({x})) ** 1.5",
                f"xp.square({x}) - {x}",
                f"xp.sinh(xp.tanh({x}))",
            )
        )
    )


def broadcasting(choose: Choose, variables: Sequence[Operand]) -> str | None:
    """A smooth function of two variables whose shapes broadcast."""
    x = choose(variables)
    y = choose([other for other in variables if broadcast(x.value, other.value)])
    return str(
        choose(
            (
                f"{x.name} + {y.name}",
                f"{x.name} * {y.name}",
                f"{x.name} - {y.name}",
                f"{x.name} / (1.5 + {y.name} ** 2)",
                f"xp.logaddexp({x.name}, {y.name})",
                f"xp.arctan2({x.name}, 1.0 + {y.name} ** 2)",
                f"xp.hypot({x.name}, 1.0 + {y.name} ** 2)",
                f"(1.5 + xp.sin({x.name})) ** {y.name}",
            )
        )
    )


def broadcast(x: Array, y: Array) -> bool:
    """Whether the shapes of two arrays broadcast."""
    return all(m == n or 1 in (m, n) for m, n in zip(x.shape[::-1], y.shape[::-1], strict=False))


def reducing(choose: Choose, variables: Sequence[Operand]) -> str | None:
    """A sum, mean, variance, product or cumulative sum over an axis or over all."""
    x = choose(variables)
    every = (None, *range(-x.value.ndim, x.value.ndim))
    axis, keepdims = choose([(axis, text) for text in ("", ", keepdims=True") for axis in every])
    return str(
        choose(
            (
                f"xp.sum({x.name}, axis={axis}{keepdims})",
                f"xp.mean({x.name}, axis={axis}{keepdims})",
                f"xp.var({x.name}, axis={axis}{keepdims})",
                f"xp.prod(xp.cos({x.name}), axis={axis}{keepdims})",
                f"xp.cumsum({x.name}, axis={axis})",
                f"xp.sqrt(1.0 + xp.sum({x.name} ** 2, axis={axis}{keepdims}))",
            )
        )
    )


def indexing(choose: Choose, variables: Sequence[Operand]) -> str | None:
    """A basic, advanced or boolean index."""
    x = choose(variables)
    if not x.value.ndim or not x.value.shape[0]:
        return f"{x.name}[..., None]"
    last = x.value.shape[0] - 1
    keys = [
        "0",
        f"{min(1, last)}:",
        "::-1",
        "..., :1",
        "None",
        "..., -1",
        f"xp.array([{last}, 0, {last}])",
    ]
    keys.append(f"xp.arange({last + 1}) % 2 == 0")
    if x.value.ndim > 1:
        keys.extend((":, 0", ":, ::-1", "xp.array([0, 0]), :1"))
    return f"{x.name}[{choose(keys)}]"


def restructuring(choose: Choose, variables: Sequence[Operand]) -> str | None:
    """Another arrangement of the same numbers."""
    x = choose(variables)
    options = [f"xp.reshape({x.name}, -1)", f"xp.transpose({x.name})", f"{x.name}.T"]
    options += [f"xp.broadcast_to({x.name}, {(2, *x.value.shape)})", f"xp.stack([{x.name}] * 2)"]
    if x.value.ndim:
        options += [f"xp.concatenate([{x.name}, xp.cos({x.name})])"]
        options += [f"xp.roll({x.name}, 1, axis=0)"]
        options += [f"xp.flip({x.name}, axis=-1)", f"xp.squeeze({x.name}[:1], axis=0)"]
    if x.value.ndim > 1:
        options += [f"xp.swapaxes({x.name}, 0, -1)", f"xp.moveaxis({x.name}, 0, -1)"]
    return str(choose(options))


def contracting(choose: Choose, variables: Sequence[Operand]) -> str | None:
    """A product of matrices and vectors."""
    x = choose([operand for operand in variables if operand.value.ndim] or variables)
    if not x.value.ndim:
        return None
    partners = [operand for operand in variables if multiply(x.value, operand.value)]
    if not partners:
        return f"{x.name} @ {x.name}.T" if x.value.ndim == 2 else None
    y = choose(partners)
    options = [f"{x.name} @ {y.name}", f"xp.matmul({x.name}, {y.name})"]
    if x.value.ndim <= 2 and y.value.ndim <= 2:
        options.append(f"xp.dot({x.name}, {y.name})")
    if x.value.ndim == y.value.ndim == 1:
        options += [f"xp.outer({x.name}, {y.name})", f"xp.einsum('i,i->', {x.name}, {y.name})"]
    if x.value.ndim == y.value.ndim == 2:
        options.append(f"xp.einsum('ij,jk->ki', {x.name}, {y.name})")
    return str(choose(options))


def multiply(x: Array, y: Array) -> bool:
    """Whether x @ y exists."""
    if not x.ndim or not y.ndim:
        return False
    fits = x.shape[-1] == y.shape[max(0, y.ndim - 2)]
    return fits and broadcast(np.empty(x.shape[:-2]), np.empty(y.shape[:-2]))


OPERATIONS: tuple[Operation, ...] = (
    elementwise,
    broadcasting,
    reducing,
    indexing,
    restructuring,
    contracting,
)

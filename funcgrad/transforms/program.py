"""A function's Wengert list as a value: make_program."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.core.foreign import is_foreign
from funcgrad.core.program import Constant, Program, Variable
from funcgrad.core.tracer import Tracer
from funcgrad.errors import CapturedTracerError, OutputDtypeError, PytreeError
from funcgrad.families.shapes import as_operand
from funcgrad.interpreters.stage import Stage, StageTracer
from funcgrad.transforms.arguments import (
    Selection,
    check_output,
    check_primal,
    function_name,
    own,
    run,
)
from funcgrad.transforms.leaf_names import named_leaves, parameter_names

__all__ = ["FunctionProgram", "make_program"]


@dataclass(frozen=True, slots=True)
class FunctionProgram(Program):
    """A program that knows the pytrees of the function it was recorded from; call it like that.

    Attributes:
        in_structure: of `(args, kwargs)`, without static arguments.
        out_structure: of the result.
    """

    in_structure: tree.Structure
    out_structure: tree.Structure

    def __str__(self) -> str:
        return Program.__str__(self)

    def pruned(self) -> "FunctionProgram":
        """The same program without equations that no output or guard needs."""
        return dataclasses.replace(self, items=Program.pruned(self).items)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply it to arguments with the structure of those it was recorded with.

        Raises:
            PytreeError: for arguments of another structure.
            GuardError: for values that would take another path through the function.
        """
        leaves, structure = tree.flatten((args, kwargs))
        if structure != self.in_structure:
            raise PytreeError(
                f"{self.name}: a program was called with other arguments than it was recorded "
                f"with: {tree.difference(self.in_structure, structure)}. Its inputs are fixed. "
                "Pass arguments of the same structure, or record the function again."
            )
        forbidden = set(map(id, leaves))
        outs = [own(out, forbidden) for out in self.evaluate(*leaves)]
        return tree.unflatten(self.out_structure, outs)


def make_program(
    fun: Callable[..., Any], static_argnums: int | Sequence[int] = ()
) -> Callable[..., FunctionProgram]:
    """Record a function's operations: f ↦ (x ↦ the Wengert list of f at x, as a program).

    The program is immutable, can be printed, hashed and compared (equal recordings are equal), and
    evaluated, also inside other transforms. Where Python asks for a plain value (`if`, `float()`),
    it holds a guard, because it is the one path that was taken. Shapes and dtypes are those of the
    arguments it was recorded with. `make_program(grad(f))(x)` shows a gradient.

    Args:
        fun: function of arrays or pytrees of arrays.
        static_argnums: positions of arguments that are no inputs of the program: they are passed to
            `fun` as they are, and their values become part of the program.

    Returns:
        A function of the same arguments that returns the program. `program.evaluate(*leaves)`
        takes and returns lists of arrays, `program(*args, **kwargs)` pytrees.

    Raises:
        InputDtypeError: if a leaf of an argument is no number or array.
        OutputDtypeError: if the function returns something else than numbers and arrays.
        CapturedTracerError: if the function uses a traced value of a transform around it that is
            not among its arguments.

    Example:
        >>> import numpy as np
        >>> print(make_program(lambda x, y: np.sin(x) * y)(np.zeros(3), 2.0))
        <lambda>(x: float64[3], y: float64[]):
            c: float64[3] = sin(x)
            d: float64[3] = multiply(c, y)
            return d
    """
    selection = Selection.of("make_program", static_argnums, None)

    @functools.wraps(fun)
    def recorded(*args: Any, **kwargs: Any) -> FunctionProgram:
        static, _ = selection.positions(fun, args, kwargs)
        inputs = tuple(arg for i, arg in enumerate(args) if i not in static)
        leaves, structure = tree.flatten((inputs, kwargs))
        stage = Stage("make_program")
        names = named_leaves(parameter_names(fun), (inputs, kwargs), static)
        traced = [
            stage.input(_checked(leaf, inputs, kwargs, i), name)
            for i, (leaf, name) in enumerate(zip(leaves, names, strict=True))
        ]
        variables = tuple(x.variable for x in traced)
        given, call_kwargs = tree.unflatten(structure, traced)
        rest = iter(given)
        call_args = [args[i] if i in static else next(rest) for i in range(len(args))]
        try:
            out = run(fun, call_args, call_kwargs)
        finally:
            stage.close()
        outs, out_structure = tree.flatten(out)
        outputs = tuple(_output(stage, fun, leaf) for leaf in outs)
        for tracer, _ in stage.captured.values():
            _refuse_captured(fun, tracer)
        return FunctionProgram(
            function_name(fun), variables, tuple(stage.items), outputs, structure, out_structure
        )

    return recorded


def _checked(leaf: Any, args: Sequence[Any], kwargs: dict[str, Any], number: int) -> Any:
    if isinstance(leaf, np.ndarray):
        return as_operand(leaf)
    if not isinstance(leaf, Tracer | np.generic | int | float | complex):
        path, _ = tree.leaves_with_path((args, kwargs))[number]
        kind = "args" if path[0].idx == 0 else "kwargs"
        check_primal("make_program", leaf, f"{kind}{tree.keystr(path[1:])}", allow_int=True)
    return leaf


def _output(stage: Stage, fun: Callable[..., Any], leaf: Any) -> Variable | Constant:
    if type(leaf) is StageTracer and leaf.owner is stage:
        return leaf.variable
    check_output("make_program", stage, leaf)
    if isinstance(leaf, Tracer):
        _refuse_captured(fun, leaf)
    known = np.ndarray | np.generic | int | float | complex
    if not isinstance(leaf, known) and not is_foreign(leaf):
        raise OutputDtypeError(
            f"make_program: {function_name(fun)} returned a {type(leaf).__name__}. A program "
            "computes arrays and numbers. Return arrays, or None in place of it."
        )
    return Constant(leaf.copy() if isinstance(leaf, np.ndarray) else leaf)


def _refuse_captured(fun: Callable[..., Any], tracer: Tracer) -> None:
    raise CapturedTracerError(
        f"make_program: {function_name(fun)} uses a traced value of {tracer.owner.transform}, of "
        f"shape {tracer.shape}, that is not among its arguments. A program outlives that value. "
        "Pass it as an argument, or record outside of the other transform."
    )

"""Traced values of a closure as arguments: closure_convert."""

from collections.abc import Callable
from typing import Any

from funcgrad import tree
from funcgrad.core.program import Program
from funcgrad.core.tracer import Tracer
from funcgrad.errors import PytreeError
from funcgrad.interpreters.stage import Stage
from funcgrad.transforms.arguments import check_callable, check_output, function_name, run
from funcgrad.transforms.carry import array_leaf

__all__ = ["closure_convert"]


def closure_convert(
    fun: Callable[..., Any], *example_args: Any
) -> tuple[Callable[..., Any], list[Any]]:
    """Turn traced values in a function's closure into arguments: f ↦ (g, c), f(x) = g(x, *c).

    A function with a derivative rule of its own must be given all that it is differentiated by.
    Where a user's function comes in as an argument (the right-hand side of an ODE), this makes
    arguments of what it reads from the transforms around it.

    Args:
        fun: function of arrays or pytrees of arrays.
        *example_args: arguments to run it once with, to see what it reads.

    Returns:
        `(converted, consts)`: a function of the arguments and of the traced values, and those
        values. Without any, `converted` is `fun` itself. Otherwise it is the recorded program of
        `fun`, for arguments of the structures, shapes and dtypes of the example.

    Raises:
        GuardError: from `converted`, for values that take another way through an `if` of `fun`.
        PytreeError: from `converted`, for arguments of another structure.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> def slope(w):
        ...     converted, consts = closure_convert(lambda x: w * x, 1.0)
        ...     return converted(5.0, *consts), len(consts)
        >>> fg.grad(slope, has_aux=True)(2.0)
        (np.float64(5.0), 1)
    """
    check_callable("closure_convert", fun)
    stage = Stage("closure_convert")
    leaves, structure = tree.flatten(example_args)
    inputs = [
        stage.input(array_leaf("closure_convert", f"example_args{tree.keystr(path)}", leaf))
        for path, leaf in zip(structure.paths(), leaves, strict=True)
    ]
    try:
        out = run(fun, tree.unflatten(structure, inputs), {})
    finally:
        stage.close()
    outs, out_structure = tree.flatten(out)
    for path, leaf in zip(out_structure.paths(), outs, strict=True):
        array_leaf("closure_convert", f"the result{tree.keystr(path)}", leaf)
        if not (isinstance(leaf, Tracer) and leaf.owner is stage):
            check_output("closure_convert", stage, leaf)
    outputs = tuple(map(stage.operand, outs))
    if not stage.captured:
        return fun, []
    consts = [tracer for tracer, _ in stage.captured.values()]
    program = Program(
        function_name(fun),
        (*(x.variable for x in inputs), *(variable for _, variable in stage.captured.values())),
        tuple(stage.items),
        outputs,
    ).pruned()

    def converted(*args: Any) -> Any:
        split = len(args) - len(consts)
        given, captured = args[: max(split, 0)], args[max(split, 0) :]
        found, found_structure = tree.flatten(given)
        if found_structure != structure:
            raise PytreeError(
                f"{function_name(fun)}: the converted function was called with other arguments "
                f"than its example: {tree.difference(structure, found_structure)}. Its inputs are "
                f"fixed: those of the example, then the {len(consts)} captured values. Pass "
                "arguments of the same structure and then *consts, or convert it again."
            )
        return tree.unflatten(out_structure, program.evaluate(*found, *captured))

    return converted, consts

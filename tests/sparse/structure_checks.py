"""Structures beside the dense derivatives that they belong to."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import funcgrad as fg
from funcgrad import tree
from funcgrad.compile.passes import optimised
from funcgrad.core.program import Guard, Program
from funcgrad.sparse.structure import jacobian_pattern

__all__ = ["KINDS", "gradient_of_squares", "nonzero", "structure_of"]


def flat(fun: Callable[..., Any]) -> Callable[..., list[Any]]:
    return lambda *args: tree.leaves(fun(*args))


def as_recorded(fun: Callable[..., Any], args: Sequence[Any]) -> tuple[Program, None]:
    return fg.make_program(flat(fun))(*args), None


def simplified(fun: Callable[..., Any], args: Sequence[Any]) -> tuple[Program, None]:
    return optimised(fg.make_program(flat(fun))(*args))[0], None


def staged(fun: Callable[..., Any], args: Sequence[Any]) -> tuple[Program, None]:
    """As jit records it: loops and branches are equations."""
    return fg.jit(flat(fun)).program(*args), None


def of_tangents(fun: Callable[..., Any], args: Sequence[Any]) -> tuple[Program, range]:
    """(x, v) ↦ ∂f(x) v, in which v counts."""
    count = len(args)

    def pushed(*both: Any) -> list[Any]:
        return tree.leaves(fg.jvp(fun, both[:count], both[count:])[1])

    program = fg.make_program(pushed)(*args, *args)
    return optimised(program)[0], range(count, 2 * count)


KINDS: dict[str, Callable[..., tuple[Program, Any]]] = {
    "as recorded": as_recorded,
    "simplified": simplified,
    "staged": staged,
    "of tangents": of_tangents,
}


def structure_of(kind: str, fun: Callable[..., Any], args: Sequence[Any]) -> Any:
    """The structure as a matrix of booleans; `None` if it is that of one way of several."""
    program, tracked = KINDS[kind](fun, args)
    if any(isinstance(item, Guard) for item in program.items):
        return None
    return jacobian_pattern(program, tracked).todense()


def nonzero(fun: Callable[..., Any], args: Sequence[Any]) -> Any:
    """Where the dense Jacobian is not zero: a row for each result, a column for each argument."""
    columns = []
    zeros = [np.zeros_like(x) for x in args]
    for i, x in enumerate(args):
        for j in range(np.size(x)):
            found: Any = False
            for unit in (1, 1j) if np.iscomplexobj(x) else (1,):
                dot = np.zeros_like(x).reshape(-1)
                dot[j] = unit
                dots = [*zeros[:i], dot.reshape(np.shape(x))[()], *zeros[i + 1 :]]
                with np.errstate(all="ignore"):
                    out = fg.jvp(fun, tuple(args), tuple(dots))[1]
                found = found | np.concatenate([_changes(leaf) for leaf in tree.leaves(out)])
            columns.append(found)
    return np.stack(columns, axis=1)


def _changes(tangent: Any) -> Any:
    x = np.asarray(tangent)
    return (x != 0).reshape(-1) if x.dtype.kind in "fc" else np.zeros(x.size, bool)


def gradient_of_squares(fun: Callable[..., Any], count: int) -> Callable[..., Any]:
    """∇ Σ f², whose Jacobian is a Hessian."""

    def total(*args: Any) -> Any:
        return sum(np.sum(np.real(leaf * np.conj(leaf))) for leaf in tree.leaves(fun(*args)))

    return fg.grad(total, argnums=tuple(range(count)))

"""Functions that read one triangle of a matrix: is the rule wrong, or meant for Hermitian matrices?

NumPy's `eigh`, `eigvalsh` and `cholesky` take a Hermitian matrix and read one triangle of it. Their
derivatives are those of the function of (A + Aᴴ) / 2. A difference quotient in another direction
sees the triangle only, and disagrees.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.testing.diagnosis import Disagreement, Verdict
from funcgrad.testing.line import Line, is_differentiable

__all__ = ["explained"]


def explained(
    found: Disagreement,
    f: Callable[..., Any],
    args: Any,
    moving: Any,
    agrees: Callable[[Any], bool],
) -> Disagreement:
    """A disagreement, with the verdict mended where f reads one triangle and the rule is right.

    Args:
        found: the disagreement.
        f: the function that is checked.
        args: its arguments.
        moving: the direction in which it was found.
        agrees: whether rule and numerical derivative agree in another direction.
    """
    if found.verdict != Verdict.WRONG_RULE or not all(map(is_square, moved(args, moving))):
        return found
    if not agrees(tree.map(hermitian, moving)):
        return found
    symmetrized = "(a + a.T) / 2"
    if any(np.ndim(a) > 2 or np.iscomplexobj(a) for a in moved(args, moving)):
        symmetrized = "(a + np.conj(np.swapaxes(a, -1, -2))) / 2"
    if reads_one_triangle(f, args, moving):
        return replace(
            found,
            verdict=Verdict.ONE_TRIANGLE,
            why=(
                "the function does not read the other triangle of this matrix, and in Hermitian "
                "directions the rule agrees with the numerical derivative: it is right for "
                f"functions of Hermitian matrices. To check it, check `lambda a: f({symmetrized})`"
            ),
        )
    if all(np.allclose(hermitian(a), a) for a in moved(args, moving)):
        hint = (
            f"{found.why}. In Hermitian directions the rule agrees with it: if f is meant for "
            f"Hermitian matrices only, check `lambda a: f({symmetrized})`"
        )
        return replace(found, why=hint)
    return found


def moved(args: Any, moving: Any) -> list[Any]:
    """The leaves of the arguments that a direction changes."""
    pairs = zip(tree.leaves(args), tree.leaves(moving), strict=True)
    return [x for x, v in pairs if is_differentiable(x) and np.any(v != 0)]


def is_square(a: Any) -> bool:
    """Whether an array is a stack of square matrices larger than 1 × 1."""
    shape = np.shape(a)
    return len(shape) >= 2 and shape[-1] == shape[-2] > 1


def hermitian(a: Any) -> Any:
    """(A + Aᴴ) / 2 of a stack of square matrices; anything else as it is."""
    if not is_square(a) or not is_differentiable(a):
        return a
    return ((a + np.conj(np.swapaxes(a, -1, -2))) / 2).astype(a.dtype)


def reads_one_triangle(f: Callable[..., Any], args: Any, moving: Any) -> bool:
    """Whether f stays exactly the same if what is above, or below, the diagonals changes."""

    def part(of: Callable[..., Any], offset: int) -> Any:
        return tree.map(
            lambda v: of(v, offset) if is_square(v) and is_differentiable(v) else v, moving
        )

    for direction in (part(np.triu, 1), part(np.tril, -1)):
        line = Line(f, args, direction)
        if np.array_equal(line(1.0), line.origin):
            return True
    return False

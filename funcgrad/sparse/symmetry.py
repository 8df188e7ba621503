"""Whether second derivatives are symmetric: they are, unless a rule of the user's decides them.

∂²f is that of f if all rules are derivatives of what they belong to. A rule that clips a cotangent,
or lets it pass through a step, is no such derivative, and what is derived from it has no symmetry.
"""

from collections.abc import Iterator

from funcgrad.core.program import Equation, Program
from funcgrad.transforms.equations.branches import Branches
from funcgrad.transforms.equations.loops import Loop
from funcgrad.transforms.equations.whiles import Waiting
from funcgrad.transforms.replayed import Replayed

__all__ = ["has_own_rules"]


def has_own_rules(program: Program) -> bool:
    """Whether an equation has rules of the user's, also inside of loops, branches and the like."""
    return any(
        item.primitive.family == "custom"
        or any(inner is None or has_own_rules(inner) for inner in _inside(item))
        for item in program.equations
    )


def _inside(item: Equation) -> Iterator[Program | None]:
    """The programs of the functions that an equation holds; `None` for one that is not known."""
    params = dict(item.params)
    program, fun = params.get("program"), params.get("fun")
    if isinstance(program, Program):
        yield program
    match fun:
        case None:
            return
        case Loop():
            yield fun.body.program
        case Waiting():
            yield from (walk.step.program for walk in fun.walks)
        case Branches():
            yield from (arm.program for arm in fun.arms)
        case Replayed():
            yield fun.as_program(item.operands)
        case _:
            yield None

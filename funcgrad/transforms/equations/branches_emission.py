"""Functions that are computed again, and functions with rules of their own, as plain programs.

In compiled code there is nothing left to transform. So what such a function does is written where
it stands, if that does not depend on values.
"""

from collections.abc import Callable, Sequence
from typing import Any

from funcgrad.core.program import Constant, Program, Variable
from funcgrad.core.wengert import aval_of
from funcgrad.transforms.equations.derivation import Derivation

__all__ = ["program_of"]


def program_of(
    run: Callable[[list[Any]], Sequence[Any]], operands: Sequence[Variable | Constant], name: str
) -> Program | None:
    """What a function does with operands like these; `None` if that depends on their values.

    Args:
        run: the function of a list of values, to a list.
        operands: of the equation.
        name: of the program.
    """
    stage = Derivation()
    try:
        leaves = [
            stage.start(place if isinstance(place, Variable) else aval_of(place.value))
            for place in operands
        ]
        inputs = [leaf.variable for leaf in leaves]
        return stage.program(name, inputs, run(leaves))
    except Exception:  # noqa: BLE001  # on zeros: with values there may be none
        return None
    finally:
        stage.close()

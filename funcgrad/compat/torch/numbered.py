"""The short way of operations of one tensor and static numbers, in single and double precision."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from funcgrad.compat.torch.fast import LetterRule
from funcgrad.compat.torch.node import make_node
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import PLAIN, Tensor, holder

__all__ = ["numbered"]

_FAST = frozenset((np.dtype(np.float32), np.dtype(np.float64)))


def numbered(
    op: Op,
    value: Callable[..., Any],
    pull_of: Callable[..., Any],
    general: Callable[..., Any],
    letters: str = "x",
) -> Callable[..., Any]:
    """The function `(tensor, *numbers)`: short where it can be, else the general one.

    Args:
        op: the operation, for the name of its nodes.
        value: `(array, *numbers) -> result`.
        pull_of: `(*numbers) -> pull`, a function of the cotangent and the operand that passes
            traced values too.
        general: what takes everything else.
        letters: "x" if the pull reads the operand, else "".
    """
    cls: Any = op.cls

    @lru_cache(maxsize=256, typed=True)
    def rule_of(*numbers: Any) -> LetterRule:
        return LetterRule(letters, pull_of(*numbers), (True,))

    def function(x: Any, *numbers: Any) -> Any:
        if not isinstance(x, Tensor):
            return general(x, *numbers)
        v = x._value
        if type(v) not in PLAIN or x._dtype is not None or v.dtype not in _FAST:
            return general(x, *numbers)
        t = holder(value(v, *numbers))
        t._cell[1] = op.name
        if x._requires and STATE.grad:
            target, cell = x._node, x._cell
            t._node = make_node(
                cls,
                rule_of(*numbers),
                (x if target is None else target,),
                (x._port,) if x._port else None,
                v if letters else None,
                (cell, cell[0]) if letters else (),
            )
            t._requires = True
        return t

    return function

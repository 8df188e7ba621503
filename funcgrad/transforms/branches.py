"""Choices between functions: cond and switch."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.core.modes import MODES
from funcgrad.core.protocols import DISPATCH
from funcgrad.errors import ControlFlowError
from funcgrad.interpreters.batch import differs
from funcgrad.interpreters.shape import is_unknown
from funcgrad.transforms.arguments import check_callable
from funcgrad.transforms.choice import alike, predicate, select
from funcgrad.transforms.later import equations

__all__ = ["cond", "switch"]


def cond(
    pred: Any,
    true_fun: Callable[..., Any],
    false_fun: Callable[..., Any],
    *operands: Any,
) -> Any:
    """One of two functions: f(*operands) if pred, else g(*operands).

    Outside of `vmap`, and inside where `pred` is the same for all examples, only the chosen
    function runs. Where `pred` differs between examples, each function that any example chose runs
    for all of them, and results are selected. There the operands of examples that went the other
    way are replaced by those of an example that did not, and so are batched values in the closures
    of the functions: a branch never meets values that it was not chosen for, so it gives neither
    warnings nor derivatives that are not a number. Values that a branch reaches through a global
    variable or an attribute cannot be replaced; there they are refused.

    Compiled by `jit` it is an `if` with an `else`, recorded once for both ways: while it is
    recorded, the functions are called without values, nothing is computed in them, and the chosen
    one is computed after that. Where that cannot be (a function asks for values, calls itself, or
    returns something else than the other one), each way is recorded when it is first taken.

    Args:
        pred: a boolean or a number (true if not zero), of shape `()`.
        true_fun: what to call if it is true.
        false_fun: what to call otherwise.
        *operands: arguments of both, pytrees of arrays.

    Returns:
        What the chosen function returns. Where examples go both ways, both must return the same
        structure, shapes and dtypes.

    Raises:
        ControlFlowError: if `pred` is no scalar.
        BranchError: if the functions return different structures, shapes or dtypes.
        CapturedTracerError: where examples go both ways, if a function reads a value that differs
            between them from a global variable or an attribute.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> root = lambda x: fg.cond(x > 0, np.sqrt, lambda x: 0.0 * x, x)
        >>> fg.vmap(fg.grad(root))(np.array([0.0, 4.0]))
        array([0.  , 0.25])
    """
    check_callable("cond", true_fun, "true_fun")
    check_callable("cond", false_fun, "false_fun")
    pred = predicate("cond", "pred", pred, "biufc")
    if MODES.staging and equations("branches_stage").is_staged(pred):
        with suppress(equations("branches_stage").Misfit):
            both, chosen = (true_fun, false_fun), equations("branches").chosen_by_equation
            return chosen("cond", pred, both, operands, boolean=True)
    if differs(pred):
        masks = (pred, DISPATCH[np.logical_not](pred))
        return select("cond", masks, (true_fun, false_fun), operands)
    if is_unknown(pred):
        return _any_of("cond", (true_fun, false_fun), operands)
    return true_fun(*operands) if pred else false_fun(*operands)


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """One of several functions: `branches[index]` of the operands.

    Under `vmap` it behaves as `cond`: an index that is the same for all examples runs one function,
    one that differs runs those that any example chose, and selects. So it does when it is compiled.

    Args:
        index: an integer of shape `()`; one that is out of range counts as the nearest that is not.
        branches: functions of the operands.
        *operands: arguments of all of them, pytrees of arrays.

    Returns:
        What the chosen function returns.

    Raises:
        ControlFlowError: if `index` is no integer, or there is no function.
        BranchError: if the functions return different structures, shapes or dtypes.
        CapturedTracerError: as for `cond`.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> f = lambda i, x: fg.switch(i, [np.sin, np.exp, np.negative], x)
        >>> fg.vmap(f, in_axes=(0, None))(np.array([0, 1, 2]), 0.0)
        array([ 0.,  1., -0.])
    """
    branches = tuple(branches)
    if not branches:
        raise ControlFlowError(
            "switch: there are no branches. There is nothing to choose from. Pass a sequence of "
            "functions."
        )
    for number, branch in enumerate(branches):
        check_callable("switch", branch, f"branch {number}")
    index = predicate("switch", "index", index, "biu")
    if MODES.staging and equations("branches_stage").is_staged(index):
        with suppress(equations("branches_stage").Misfit):
            chosen = equations("branches").chosen_by_equation
            return chosen("switch", index, branches, operands, boolean=False)
    last = len(branches) - 1
    if differs(index):
        index = DISPATCH[np.clip](index, 0, last)
        masks = [DISPATCH[np.equal](index, number) for number in range(len(branches))]
        return select("switch", masks, branches, operands)
    if is_unknown(index):
        return _any_of("switch", branches, operands)
    return branches[min(max(int(index), 0), last)](*operands)


def _any_of(transform: str, branches: Sequence[Callable[..., Any]], operands: Sequence[Any]) -> Any:
    """Only shapes are computed: all branches, which must agree on them."""
    outs = [branch(*operands) for branch in branches]
    columns = alike(transform, branches, outs)
    return tree.unflatten(tree.structure(outs[0]), columns[0])

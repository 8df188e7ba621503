"""Conditions of loops and branches: one truth for all, or one for each example of a `vmap`.

Where examples go different ways, a branch is computed for all of them, and its result is used for
those that chose it. For the others its operands are replaced by those of an example that did choose
it, so that no branch meets values that it is not made for: no warnings, and no derivative that is
infinite or not a number where it is multiplied by zero.
"""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from funcgrad import tree
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import Tracer
from funcgrad.errors import BranchError, ControlFlowError
from funcgrad.families.shapes import dtype_of, shape_of
from funcgrad.interpreters.batch import BatchTracer, batches_of, differs
from funcgrad.interpreters.shape import is_unknown
from funcgrad.interpreters.stage import StageTracer
from funcgrad.primitives.rows import stand_in
from funcgrad.transforms.arguments import function_name, result_dtype
from funcgrad.transforms.captures import replaced
from funcgrad.transforms.carry import array_leaf, described

__all__ = ["Chosen", "every", "predicate", "select", "some"]


def predicate(transform: str, what: str, x: Any, kinds: str) -> Any:
    """A condition as a boolean of shape `()`, or an index, without derivative.

    Args:
        transform: name of the function, for messages.
        what: what the value is, for messages.
        x: the value.
        kinds: of dtypes that are allowed.

    Raises:
        ControlFlowError: if it is no scalar of such a dtype.
    """
    if x is True or x is False or type(x) is np.bool_:
        return x
    dtype = result_dtype(x) if hasattr(x, "dtype") or isinstance(x, int | float) else None
    if dtype is None or shape_of(x) != () or dtype.kind not in kinds:
        _refuse(transform, what, x, kinds)
    if dtype.kind == "b" or "f" not in kinds:
        return x
    return DISPATCH[np.not_equal](x, 0)


def _refuse(transform: str, what: str, x: Any, kinds: str) -> NoReturn:
    found = described(x) if hasattr(x, "dtype") else f"type {type(x).__name__}"
    if kinds == "iu":
        raise ControlFlowError(
            f"{transform}: {what} has {found}. It counts steps, so it is an integer of shape (). "
            "Pass an integer, e.g. 3 or len(x)."
        )
    needed = {"b": "a boolean", "biu": "an integer"}.get(kinds, "a boolean or number")
    fix = {
        "b": "Compare it, as in x > 0, and reduce it with np.any or np.all",
        "biu": "Pass an integer, e.g. x.astype(int) or np.argmax(x)",
    }.get(kinds, "Reduce it with np.any or np.all, or use np.where to choose elements")
    raise ControlFlowError(
        f"{transform}: {what} has {found}. It decides for one example which way to go, so it is "
        f"{needed} of shape (). {fix}."
    )


def some(mask: Any) -> bool | None:
    """Whether a condition holds for any example of all batches; `None` if that cannot be told."""
    return _over_examples(mask, "any", np.any)


def every(mask: Any) -> bool | None:
    """Whether a condition holds for all examples of all batches; `None` if that cannot be told."""
    return _over_examples(mask, "all", np.all)


def _over_examples(mask: Any, kind: str, reduce: Callable[..., Any]) -> bool | None:
    x = mask
    while type(x) is BatchTracer:
        x = x.value
    if is_unknown(x):
        return None
    if isinstance(x, StageTracer) and differs(x):
        answer = _over_examples(x.value, kind, reduce)
        return None if answer is None else bool(x.guarded(kind, answer))
    return bool(DISPATCH[reduce](x) if isinstance(x, Tracer) else reduce(x))


class Chosen:
    """A branch that some examples chose: what it is given is made first, then it runs.

    It stands between two times of the batches along which the condition differs. What it reads must
    have been made since the first one (`guarded`), else `CapturedTracerError` is raised.

    Args:
        transform: name of the function that chose it.
        mask: the examples that did.
        branch: the function.
    """

    __slots__ = ("_batches", "_branch", "_mask", "_transform")

    def __init__(self, transform: str, mask: Any, branch: Callable[..., Any]) -> None:
        self._transform = transform
        self._mask = mask
        self._branch = branch
        self._batches = batches_of(mask)
        for batch in self._batches:
            batch.clock += 1

    def given(self, x: Any) -> Any:
        """A pytree of operands for the branch."""
        return tree.map(lambda leaf: guarded(self._mask, leaf), x)

    def run(self, *operands: Any) -> Any:
        """What the branch returns for operands that it was `given`."""
        function = replaced(self._branch, lambda x: guarded(self._mask, x))
        before = [batch.branch for batch in self._batches]
        for batch in self._batches:
            batch.branch = self._transform, batch.clock
        try:
            return function(*operands)
        finally:
            for batch, outer in zip(self._batches, before, strict=True):
                batch.branch = outer


def guarded(mask: Any, x: Any) -> Any:
    """The value; for examples that are not chosen that of one that is, without a derivative."""
    if not isinstance(x, Tracer) or not differs(x):
        return x
    return DISPATCH[np.where](mask, x, stand_in(mask, x))


def select(
    transform: str,
    masks: Sequence[Any],
    branches: Sequence[Callable[..., Any]],
    operands: Sequence[Any],
) -> Any:
    """For each example the result of the branch whose mask it has; the masks are disjoint."""
    both = list(zip(masks, branches, strict=True))
    chosen = [(m, b) for m, b in both if some(m) is not False] or both  # there may be no examples
    if len(chosen) == 1:
        return chosen[0][1](*operands)
    outs: list[Any] = []
    for mask, branch in chosen:
        one = Chosen(transform, mask, branch)
        outs.append(one.run(*one.given(tuple(operands))))
    result = alike(transform, [b for _, b in chosen], outs)
    merged = result[-1]
    for (mask, _), parts in zip(reversed(chosen[:-1]), reversed(result[:-1]), strict=True):
        merged = [DISPATCH[np.where](mask, a, b) for a, b in zip(parts, merged, strict=True)]
    return tree.unflatten(tree.structure(outs[0]), merged)


def alike(
    transform: str, branches: Sequence[Callable[..., Any]], outs: Sequence[Any]
) -> list[list[Any]]:
    """The leaves of what branches returned, after a check that they are alike.

    Raises:
        BranchError: if they differ in structure, shape or dtype.
    """
    flat = [tree.flatten(out) for out in outs]
    first, structure = flat[0]
    paths = [tree.keystr(path) for path in structure.paths()]
    columns = [
        [array_leaf(transform, f"a result{p}", x)] for p, x in zip(paths, first, strict=True)
    ]
    names = [f"branch {i} ({function_name(branch)})" for i, branch in enumerate(branches)]
    for name, (leaves, found) in zip(names[1:], flat[1:], strict=True):
        if found != structure:
            raise BranchError(
                f"{transform}: {names[0]} and {name} returned different structures: "
                f"{tree.difference(structure, found)}. Examples go both ways, and their results "
                "are joined. Return the same structure from every branch."
            )
        for column, path, leaf in zip(columns, paths, leaves, strict=True):
            column.append(array_leaf(transform, f"a result{path}", leaf))
    for path, column in zip(paths, columns, strict=True):
        _unify(transform, names, path, column)
    return [list(row) for row in zip(*columns, strict=True)] or [[] for _ in outs]


def _unify(transform: str, names: Sequence[str], path: str, column: list[Any]) -> None:
    """Give Python numbers the dtype of the others, in place; refuse what differs."""
    strong = [x for x in column if dtype_of(x) is not None]
    dtype = result_dtype(strong[0]) if strong else np.result_type(*map(result_dtype, column))
    for number, x in enumerate(column):
        found = result_dtype(x)
        weak = dtype_of(x) is None and "biufc".index(found.kind) <= "biufc".index(dtype.kind)
        if shape_of(x) != shape_of(column[0]) or (found != dtype and not weak):
            fix = f"dtype from every branch, e.g. by .astype(np.{dtype})"
            if shape_of(x) != shape_of(column[0]):
                fix = "shape from every branch, e.g. by np.broadcast_to or np.full"
            raise BranchError(
                f"{transform}: the result{path} has {described(column[0])} in {names[0]}, but "
                f"{described(x)} in {names[number]}. Examples go both ways, and their results are "
                f"joined. Return the same {fix}."
            )
        if found != dtype and not isinstance(x, Tracer):
            column[number] = dtype.type(x)

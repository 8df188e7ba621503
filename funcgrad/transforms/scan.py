"""Loops over arrays: scan and associative_scan."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import repeat
from typing import Any, NoReturn

import numpy as np

from funcgrad import tree
from funcgrad.core.modes import MODES
from funcgrad.core.protocols import DISPATCH
from funcgrad.errors import BudgetError, ControlFlowError
from funcgrad.families.shapes import negative_axis, rank_of, shape_of
from funcgrad.interpreters.outline import zeros_of
from funcgrad.interpreters.shape import ShapeOnly, is_unknown
from funcgrad.primitives.rows import rows
from funcgrad.transforms.arguments import check_callable, function_name, own, result_dtype
from funcgrad.transforms.carry import Carry, Collected, array_leaf, read_only, sealed
from funcgrad.transforms.later import equations
from funcgrad.transforms.sizes import read_budget
from funcgrad.transforms.stepwise import checkpointed_scan

__all__ = ["associative_scan", "scan", "scan_as"]


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
    checkpoint: Any = None,
) -> tuple[Any, Any]:
    """A loop that carries a value along: cₖ₊₁, yₖ = f(cₖ, xₖ); the result is (cₙ, (y₀, …, yₙ₋₁)).

    It runs as a Python loop, so `f` may do what any function may: branch on values, call NumPy,
    contain loops. A gradient through it costs a constant number of operations for each operation of
    `f`, and its memory grows with n; `checkpoint` bounds that.

    In a function compiled by `jit` it is a loop of the compiled code, and `f` is called for one
    step only. Where `f` asks for a value (`if`, `int()`), all steps are recorded.

    Args:
        f: takes the carry and one slice of `xs`, and returns the next carry and a result (`None` if
            there is none). The carry keeps its structure, shapes and dtypes. Plain arrays come
            read-only.
        init: the first carry, a pytree of arrays and numbers. A Python number becomes a NumPy
            scalar: `0.0` has dtype float64, `0` int64.
        xs: arrays of shape `(n, …)` in a pytree, or `None`.
        length: n; needed only where there are no `xs`.
        reverse: whether to start with the last slice. Results stand where their slices stand.
        unroll: taken for compatibility: a Python loop has nothing to unroll.
        checkpoint: how much memory the backward pass may use, `"200MB"` or `"64KiB"`, or (an int)
            how many carries to keep besides the first. Steps are repeated in place of keeping what
            they computed, as few as possible. By default everything is kept.

    Returns:
        The last carry, and the results stacked along a new first axis, of shape `(n, …)`. With
        n = 0, `f` is evaluated on zeros, to find the shapes of the results.

    Raises:
        CarryError: if a step returns another structure, shape or dtype than `init` has, or results
            that cannot be stacked.
        ControlFlowError: if `f` returns no pair, the lengths do not fit, or an argument is none.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> total = lambda x: fg.scan(lambda c, x: (c + x * x, c), 0.0, x)
        >>> total(np.array([1.0, 2.0, 3.0]))
        (np.float64(14.0), array([0., 1., 5.]))
        >>> fg.grad(lambda x: total(x)[0])(np.array([1.0, 2.0, 3.0]))
        array([2., 4., 6.])
    """
    check_callable("scan", f, "f")
    _check_unroll(unroll)
    _check_checkpoint(checkpoint)
    return scan_as("scan", f, init, xs, length, reverse, checkpoint)


def scan_as(
    transform: str,
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any,
    length: int | None = None,
    reverse: bool = False,
    checkpoint: Any = None,
) -> tuple[Any, Any]:
    """`scan` under the name of the function that calls it, for messages."""
    carry = Carry(transform, init)
    slices, structure = tree.flatten(xs)
    slices = [
        array_leaf(transform, f"xs{tree.keystr(path)}", leaf)
        for path, leaf in zip(structure.paths(), slices, strict=True)
    ]
    count = _length(transform, slices, structure, length)
    if count == 0:
        return _never(f, carry, slices, structure)
    if any(map(is_unknown, (*carry.leaves(), *slices))):
        return _once(f, carry, slices, structure, count)
    if checkpoint is not None:
        return _checkpointed(f, carry, slices, structure, count, reverse, checkpoint)
    if MODES.staging and count > 1:
        staged = equations("loops_stage").staged_loop
        kept: tuple[Any, Any] | None = staged(f, _step, carry, (slices, structure), count, reverse)
        if kept is not None:
            return kept
    value = carry.start()
    results = Collected(transform)
    add, checked = results.add, carry.checked
    with read_only(carry):
        for step, x in enumerate(_steps(slices, structure, count, reverse)):
            out = f(value, x)
            if type(out) is not tuple or len(out) != 2:  # a pair
                _refuse_pair(f, out)
            value = checked(out[0], step)
            add(out[1])
    return carry.finished(value), results.stacked(reverse)


def _step(f: Callable[[Any, Any], Any], carry: Any, x: Any, _number: Any) -> tuple[Any, Any]:
    """One step, for `staged_loop`."""
    out = f(carry, x)
    if type(out) is not tuple or len(out) != 2:  # a pair
        _refuse_pair(f, out)
    return out


def _check_unroll(unroll: Any) -> None:
    if not isinstance(unroll, bool) and (not hasattr(unroll, "__index__") or int(unroll) < 1):
        raise ControlFlowError(
            f"scan: unroll={unroll!r}. It is a number of steps, and makes no difference here. Pass "
            "a positive integer or a bool, or leave it away."
        )


def _check_checkpoint(checkpoint: Any) -> None:
    """Refuse what is no budget, whether a gradient is taken or not."""
    if checkpoint is None:
        return
    usable = hasattr(checkpoint, "__index__") and not isinstance(checkpoint, bool)
    usable = usable and int(checkpoint) >= 0
    if isinstance(checkpoint, str) and not checkpoint.strip()[-1:].isdigit():  # it has a unit
        with suppress(BudgetError):
            usable = read_budget(checkpoint) > 0
    if not usable:
        raise BudgetError(
            f"scan: checkpoint={checkpoint!r}. It says how many carries to keep, or how much "
            "memory the reverse sweep may use, with a unit. Write checkpoint=10, or "
            "checkpoint='200MB', or leave it away to keep everything."
        )


def _length(transform: str, slices: list[Any], structure: tree.Structure, length: Any) -> int:
    """The number of steps that `xs` and `length` agree on."""
    if length is not None and (not hasattr(length, "__index__") or int(length) < 0):
        raise ControlFlowError(
            f"scan: length={length!r}. It is the number of steps. Pass an integer from 0 on, or "
            "leave it away where there are xs."
        )
    lengths: dict[str, int] = {} if length is None else {"length": int(length)}
    for path, leaf in zip(structure.paths(), slices, strict=True):
        place = f"xs{tree.keystr(path)}"
        shape = shape_of(leaf)
        if not shape:
            raise ControlFlowError(
                f"{transform}: {place} is a single number. A loop goes over the first axis of xs. "
                "Pass an array with one (a list of numbers is a pytree: write np.array([...])), or "
                "take the number from the closure of the function."
            )
        lengths[place] = shape[0]
    if not lengths:
        given, fix = ", and length is not given", "Pass length=n, or arrays to go over"
        if transform != "scan":
            given, fix = "", "Pass arrays"
        raise ControlFlowError(
            f"{transform}: there are no xs{given}. The number of steps is unknown. {fix}."
        )
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{n} by {place}" for place, n in lengths.items())
        raise ControlFlowError(
            f"{transform}: the number of steps is {listed}. All of xs are sliced together. Pass "
            "arrays with first axes of one length, and that length or none."
        )
    return next(iter(lengths.values()))


def _refuse_pair(f: Any, out: Any) -> NoReturn:
    what = f"a tuple of {len(out)}" if isinstance(out, tuple) else f"a {type(out).__name__}"
    raise ControlFlowError(
        f"scan: {function_name(f)} returned {what}. A step gives the next carry and a result. "
        "Return (carry, y), or (carry, None) if there is no result."
    )


def _steps(
    slices: list[Any], structure: tree.Structure, count: int, reverse: bool
) -> Iterable[Any]:
    """What each step is given of xs."""
    if not slices:
        return repeat(tree.unflatten(structure, []), count)
    parts = [_in_turn(x, reverse) for x in slices]
    if structure is tree.LEAF:
        return parts.pop()
    return (tree.unflatten(structure, row) for row in zip(*parts, strict=True))


def _in_turn(x: Any, reverse: bool) -> Iterable[Any]:
    parts: Sequence[Any] = rows(sealed(x))
    return parts[::-1] if reverse else parts


def _slice_like(x: Any) -> Any:
    return zeros_of(shape_of(x)[1:], result_dtype(x))


def _never(
    f: Callable[..., Any], carry: Carry, slices: list[Any], structure: tree.Structure
) -> tuple[Any, Any]:
    """No step at all: the carry as it is, and results of length 0."""
    trace = ShapeOnly(f"{carry.transform} of no steps", answers=True)
    try:
        first = [trace.input(leaf) for leaf in carry.leaves()]
        x = tree.unflatten(structure, [trace.input(_slice_like(leaf)) for leaf in slices])
        out = f(tree.unflatten(carry.structure, first), x)
    finally:
        trace.close()
    if type(out) is not tuple or len(out) != 2:  # a pair
        _refuse_pair(f, out)
    carry.checked(out[0], 0)

    def empty(y: Any) -> Any:
        y = array_leaf(carry.transform, "a result", y)
        return np.zeros((0, *shape_of(y)), result_dtype(y))

    ys = tree.map(empty, out[1])
    return carry.finished(carry.start()), ys


def _once(
    f: Callable[..., Any],
    carry: Carry,
    slices: list[Any],
    structure: tree.Structure,
    count: int,
) -> tuple[Any, Any]:
    """Only shapes are computed: one step shows those of all."""
    x = next(iter(_steps([leaf[:1] for leaf in slices], structure, 1, reverse=False)))
    with read_only(carry):
        out = f(carry.start(), x)
    if type(out) is not tuple or len(out) != 2:  # a pair
        _refuse_pair(f, out)
    last = carry.checked(out[0], 0)
    results = Collected(carry.transform)
    results.add(out[1])
    ys = tree.map(
        lambda y: DISPATCH[np.broadcast_to](y, (count, *shape_of(y)[1:])), results.stacked(False)
    )
    return carry.finished(last), ys


def associative_scan(
    fn: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0
) -> Any:
    """All prefixes under an associative operation: yₖ = x₀ ∘ x₁ ∘ … ∘ xₖ.

    It takes O(log n) calls of `fn` on long arrays, in place of n calls on short ones, and O(n)
    operations in all (G. E. Blelloch 1990, Prefix sums and their applications).

    Args:
        fn: the operation ∘ on pytrees like `elems`, of any length along `axis`: it combines slices
            that stand in the same place, as elementwise operations do.
        elems: arrays of one length along `axis`, in a pytree.
        reverse: whether to begin with the last one: yₖ = xₙ₋₁ ∘ … ∘ xₖ.
        axis: the axis to go along.

    Returns:
        A pytree like `elems`, of the same shapes.

    Raises:
        ControlFlowError: if the lengths differ, or `fn` returns another structure or length.

    Example:
        >>> import numpy as np
        >>> associative_scan(np.multiply, np.array([1.0, 2.0, 3.0, 4.0]))
        array([ 1.,  2.,  6., 24.])
    """
    check_callable("associative_scan", fn, "fn")
    leaves, structure = tree.flatten(elems)
    paths = [tree.keystr(path) for path in structure.paths()]
    leaves = [
        array_leaf("associative_scan", f"elems{path}", leaf)
        for path, leaf in zip(paths, leaves, strict=True)
    ]
    lengths = {}
    for path, leaf in zip(paths, leaves, strict=True):
        if not shape_of(leaf):
            raise ControlFlowError(
                f"associative_scan: elems{path} is a single number. There is no axis to go along. "
                "Pass arrays."
            )
        lengths[path] = shape_of(leaf)[negative_axis(axis, rank_of(leaf))]
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{n} in elems{path}" for path, n in lengths.items())
        raise ControlFlowError(
            f"associative_scan: lengths along axis {axis} are {listed}. All are combined together. "
            "Pass arrays of one length along it."
        )
    moved = [_flipped(DISPATCH[np.moveaxis](leaf, axis, 0), reverse) for leaf in leaves]

    def combine(a: list[Any], b: list[Any]) -> list[Any]:
        """`fn` on the leaves, with the axis where the user has it."""
        parts = (
            tree.unflatten(structure, [DISPATCH[np.moveaxis](x, 0, axis) for x in side])
            for side in (a, b)
        )
        outs, found = tree.flatten(fn(*parts))
        if found != structure:
            raise ControlFlowError(
                f"associative_scan: {function_name(fn)} returned another structure than its "
                f"operands have: {tree.difference(structure, found)}. Its results are combined "
                "again. Return the same structure."
            )
        for out, x in zip(outs, a, strict=True):
            shape = shape_of(DISPATCH[np.moveaxis](x, 0, axis))
            if shape_of(out) != shape:
                raise ControlFlowError(
                    f"associative_scan: {function_name(fn)} returned shape {shape_of(out)} for "
                    f"operands of shape {shape}. It combines slices one by one. Return the shape "
                    "of its operands."
                )
        return [DISPATCH[np.moveaxis](out, axis, 0) for out in outs]

    prefixes = _prefixes(combine, moved)
    outs = [DISPATCH[np.moveaxis](_flipped(x, reverse), 0, axis) for x in prefixes]
    forbidden = set(map(id, leaves))
    return tree.unflatten(structure, [own(out, forbidden) for out in outs])


def _flipped(x: Any, reverse: bool) -> Any:
    return x[::-1] if reverse else x


def _prefixes(combine: Callable[[list[Any], list[Any]], list[Any]], xs: list[Any]) -> list[Any]:
    """Prefixes along the first axes: those of pairs first, then what stands between."""
    length = shape_of(xs[0])[0] if xs else 0
    if length < 2:
        return xs
    pairs = combine([x[: length - 1 : 2] for x in xs], [x[1::2] for x in xs])
    odd = _prefixes(combine, pairs)
    if length == 2:
        return [_interleaved(x[:1], o) for x, o in zip(xs, odd, strict=True)]
    before = [o[: (length - 1) // 2] for o in odd]
    even = combine(before, [x[2::2] for x in xs])
    return [
        _interleaved(DISPATCH[np.concatenate]([x[:1], e]), o)
        for x, e, o in zip(xs, even, odd, strict=True)
    ]


def _interleaved(even: Any, odd: Any) -> Any:
    """`even[0], odd[0], even[1], odd[1], …`, where there may be one more of the first."""
    count = shape_of(odd)[0]
    shape = (2 * count, *shape_of(odd)[1:])
    pairs = DISPATCH[np.reshape](DISPATCH[np.stack]([even[:count], odd], axis=1), shape)
    if shape_of(even)[0] == count:
        return pairs
    return DISPATCH[np.concatenate]([pairs, even[count:]])


def _checkpointed(
    f: Callable[..., Any],
    carry: Carry,
    slices: list[Any],
    structure: tree.Structure,
    count: int,
    reverse: bool,
    budget: Any,
) -> tuple[Any, Any]:
    """The loop, with a reverse sweep that repeats steps to stay inside the budget."""

    def step(value: Any, x: Any) -> tuple[Any, Any]:
        carry.hand(tree.leaves(value))
        out = f(value, x)
        if type(out) is not tuple or len(out) != 2:  # a pair
            _refuse_pair(f, out)
        return carry.checked(out[0], 0), out[1]

    with read_only(carry):
        xs = list(_steps(slices, structure, count, reverse))
        last, ys = checkpointed_scan(step, carry.start(), xs, budget)
    results = Collected(carry.transform)
    for y in ys:
        results.add(y)
    return carry.finished(last), results.stacked(reverse)

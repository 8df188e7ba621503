"""What examples of a `vmap` tell each other: psum and its kin, by the name of the mapped axis.

All of them are `all_gather` and NumPy. Gathering costs nothing, because the values of all examples
stand in one array already.

Differentiated inside of the `vmap`, an example's gradient is that of the sum of all examples'
results, since what one example sends changes the results of the others.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.core.modes import MODES
from funcgrad.core.protocols import DISPATCH
from funcgrad.errors import ControlFlowError, UnboundAxisError, user_line
from funcgrad.families.shapes import negative_axis, rank_of, shape_of
from funcgrad.interpreters.batch import Axis, Batch, BatchTracer
from funcgrad.transforms.carry import array_leaf
from funcgrad.transforms.lanes import gather_examples

__all__ = [
    "all_gather",
    "all_to_all",
    "axis_index",
    "pmax",
    "pmean",
    "pmin",
    "ppermute",
    "psum",
]

AxisName = Hashable
"""A name given to `vmap`; several of them as a tuple, where a function says so."""


def psum(x: Any, axis_name: AxisName, *, axis_index_groups: Any = None) -> Any:
    """Sum over the examples: yᵢ = Σⱼ xⱼ.

    Args:
        x: an array or number for each example, in a pytree. A value that is the same for all of
            them counts once for each: `psum(1, "i")` is their number.
        axis_name: `axis_name` of a `vmap` around, or a tuple of such names.
        axis_index_groups: lists of the numbers of examples, each example in one and all lists of
            one length: then the examples of a list tell only each other.

    Returns:
        A pytree like `x`; without groups the same for all examples, so that `out_axes=None` takes
        it.

    Raises:
        UnboundAxisError: if no `vmap` around has an axis of that name.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> share = fg.vmap(lambda x: x / fg.psum(x, "i"), axis_name="i")
        >>> share(np.array([1.0, 3.0]))
        array([0.25, 0.75])
    """
    return _reduced("psum", np.sum, x, axis_name, axis_index_groups)


def pmean(x: Any, axis_name: AxisName, *, axis_index_groups: Any = None) -> Any:
    """Mean over the examples: yᵢ = (1/n) Σⱼ xⱼ.

    Args:
        x: an array or number for each example, in a pytree.
        axis_name: as in `psum`.
        axis_index_groups: as in `psum`.

    Returns:
        A pytree like `x`; without groups the same for all examples.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> fg.vmap(lambda x: x - fg.pmean(x, "i"), axis_name="i")(np.array([1.0, 3.0]))
        array([-1.,  1.])
    """
    return _reduced("pmean", np.mean, x, axis_name, axis_index_groups)


def pmax(x: Any, axis_name: AxisName, *, axis_index_groups: Any = None) -> Any:
    """Largest value over the examples: yᵢ = maxⱼ xⱼ.

    Its derivative is that of `np.max`: examples with equal values share it.

    Args:
        x: an array or number for each example, in a pytree.
        axis_name: as in `psum`.
        axis_index_groups: as in `psum`.

    Returns:
        A pytree like `x`; without groups the same for all examples.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> fg.vmap(lambda x: x / fg.pmax(x, "i"), axis_name="i")(np.array([1.0, 4.0]))
        array([0.25, 1.  ])
    """
    return _reduced("pmax", np.max, x, axis_name, axis_index_groups)


def pmin(x: Any, axis_name: AxisName, *, axis_index_groups: Any = None) -> Any:
    """Smallest value over the examples: yᵢ = minⱼ xⱼ.

    Its derivative is that of `np.min`: examples with equal values share it.

    Args:
        x: an array or number for each example, in a pytree.
        axis_name: as in `psum`.
        axis_index_groups: as in `psum`.

    Returns:
        A pytree like `x`; without groups the same for all examples.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> fg.vmap(lambda x: x / fg.pmin(x, "i"), axis_name="i")(np.array([1.0, 4.0]))
        array([1., 4.])
    """
    return _reduced("pmin", np.min, x, axis_name, axis_index_groups)


def axis_index(axis_name: AxisName) -> Any:
    """The number of the example: yᵢ = i.

    Args:
        axis_name: `axis_name` of a `vmap` around, or a tuple of such names, whose examples are
            counted with the last one changing fastest.

    Returns:
        An integer.

    Raises:
        UnboundAxisError: if no `vmap` around has an axis of that name.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> fg.vmap(lambda x: x * fg.axis_index("i"), axis_name="i")(np.ones(3))
        array([0., 1., 2.])
    """
    index: Any = 0
    for name in _names(axis_name):
        trace = _trace("axis_index", name)
        index = index * trace.size + _own_number(trace)
    return index


def all_gather(
    x: Any,
    axis_name: AxisName,
    *,
    axis_index_groups: Any = None,
    axis: int = 0,
    tiled: bool = False,
) -> Any:
    """The values of all examples, for each of them: yᵢ = (x₀, …, xₙ₋₁).

    Args:
        x: an array or number for each example, in a pytree.
        axis_name: `axis_name` of a `vmap` around.
        axis_index_groups: as for `psum`.
        axis: where the new axis stands in the result.
        tiled: whether to join the values along `axis` in place of a new one.

    Returns:
        A pytree like `x` of arrays with one axis more; as many as before, if `tiled`.

    Raises:
        UnboundAxisError: if no `vmap` around has an axis of that name.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> rank = lambda x: np.sum(fg.all_gather(x, "i") < x)
        >>> fg.vmap(rank, axis_name="i")(np.array([5.0, 1.0, 3.0]))
        array([2, 0, 1])
    """
    trace = _trace("all_gather", axis_name)
    groups = _groups("all_gather", axis_index_groups, trace)

    def gather(leaf: Any) -> Any:
        rank = rank_of(leaf)
        at = negative_axis(axis, rank if tiled else rank + 1)
        found = _gathered(leaf, trace, groups)
        if not tiled:
            return DISPATCH[np.moveaxis](found, 0, at)
        shape = shape_of(leaf)
        joined = (*shape[: rank + at], found.shape[0] * shape[at], *shape[rank + at + 1 :])
        return DISPATCH[np.reshape](DISPATCH[np.moveaxis](found, 0, rank + at), joined)

    return _mapped("all_gather", gather, x)


def ppermute(x: Any, axis_name: AxisName, perm: Sequence[tuple[int, int]]) -> Any:
    """Send values from example to example: yⱼ = xᵢ for each pair (i, j).

    Args:
        x: an array or number for each example, in a pytree.
        axis_name: `axis_name` of a `vmap` around.
        perm: pairs `(source, destination)`; no example occurs twice as either.

    Returns:
        A pytree like `x`; zeros for examples that are no destination.

    Raises:
        ControlFlowError: if `perm` names an example twice, or one that there is not.
        UnboundAxisError: if no `vmap` around has an axis of that name.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> shift = lambda x: fg.ppermute(x, "i", [(0, 1), (1, 2), (2, 0)])
        >>> fg.vmap(shift, axis_name="i")(np.array([1.0, 2.0, 3.0]))
        array([3., 1., 2.])
    """
    trace = _trace("ppermute", axis_name)
    pairs = [(int(source), int(destination)) for source, destination in perm]
    for side in zip(*pairs, strict=True):
        if len(set(side)) != len(side) or not set(side) <= set(range(trace.size)):
            raise ControlFlowError(
                f"ppermute: perm={pairs} for {trace.size} examples. Each example sends and "
                "receives at most once. Pass pairs (source, destination) of different numbers "
                f"from 0 to {trace.size - 1}."
            )
    sources = np.zeros(trace.size, np.int64)
    receives = np.zeros(trace.size, bool)
    for source, destination in pairs:
        sources[destination], receives[destination] = source, True
    own = _own_number(trace)

    def move(leaf: Any) -> Any:
        found = _gathered(leaf, trace, None)[_row(sources, own)]
        return found if receives.all() else DISPATCH[np.where](_row(receives, own), found, 0)

    return _mapped("ppermute", move, x)


def all_to_all(
    x: Any,
    axis_name: AxisName,
    split_axis: int,
    concat_axis: int,
    *,
    axis_index_groups: Any = None,
    tiled: bool = False,
) -> Any:
    """Exchange the mapped axis for one of the value's own: yᵢ[…, j, …] = xⱼ[…, i, …].

    Args:
        x: an array for each example, in a pytree.
        axis_name: `axis_name` of a `vmap` around, of n examples.
        split_axis: the axis of `x` whose parts go to the examples; of length n (a multiple of n, if
            `tiled`). It is left out in the result.
        concat_axis: where the axis of the senders stands in the result.
        axis_index_groups: as for `psum`; n is then the length of a group.
        tiled: whether to send n equal blocks of `split_axis`, and join what arrives along
            `concat_axis`.

    Returns:
        A pytree like `x`, of arrays with as many axes.

    Raises:
        ControlFlowError: if the length of `split_axis` does not fit.
        UnboundAxisError: if no `vmap` around has an axis of that name.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> fg.vmap(lambda x: fg.all_to_all(x, "i", 0, 0), axis_name="i")(
        ...     np.arange(4).reshape(2, 2)
        ... )
        array([[0, 2],
               [1, 3]])
    """
    trace = _trace("all_to_all", axis_name)
    groups = _groups("all_to_all", axis_index_groups, trace)
    count = trace.size if groups is None else groups.shape[1]
    place = _own_number(trace)
    if groups is not None:
        place = _row(np.argsort(groups, axis=None) % count, place)

    def exchange(leaf: Any) -> Any:
        rank = rank_of(leaf)
        split = negative_axis(split_axis, rank) + rank
        concat = negative_axis(concat_axis, rank) + rank
        shape = shape_of(leaf)
        if shape[split] % count or not (tiled or shape[split] == count):
            needed = f"a multiple of {count}" if tiled else str(count)
            raise ControlFlowError(
                f"all_to_all: axis {split_axis} has length {shape[split]}, but it is split among "
                f"{count} examples. Each gets a part. Split an axis of length {needed}."
            )
        blocks = (*shape[:split], count, shape[split] // count, *shape[split + 1 :])
        found = DISPATCH[np.moveaxis](
            DISPATCH[np.reshape](_gathered(leaf, trace, groups), (count, *blocks)), split + 1, 0
        )
        parts = found[place]  # (sender, …, block, …), with the block where the split axis was
        if not tiled:
            rest = (count, *shape[:split], *shape[split + 1 :])
            return DISPATCH[np.moveaxis](DISPATCH[np.reshape](parts, rest), 0, concat)
        parts = DISPATCH[np.moveaxis](parts, 0, concat)
        length = shape[concat] // count if concat == split else shape[concat]
        kept = [*shape]
        kept[split] //= count
        kept[concat] = count * length
        return DISPATCH[np.reshape](parts, tuple(kept))

    return _mapped("all_to_all", exchange, x)


# --- what they share --------------------------------------------------------------------------


def _names(axis_name: AxisName) -> tuple[AxisName, ...]:
    return axis_name if isinstance(axis_name, tuple) else (axis_name,)


def _trace(function: str, name: AxisName) -> Batch:
    """The innermost open `vmap` that has this name."""
    for known, trace in reversed(MODES.axes):
        if known == name:
            found: Batch = trace
            return found
    known = ", ".join(repr(known) for known, _ in MODES.axes) or "none"
    raise UnboundAxisError(
        f"{function}: the axis name {name!r} at {user_line()} is not bound; bound here: {known}. A "
        f"collective needs a vmap around it that has the name. Write vmap(f, axis_name={name!r}), "
        "or use the name of one that there is. (Names are known in the thread of the vmap only.)"
    )


def _own_number(trace: Batch) -> BatchTracer:
    return BatchTracer(np.arange(trace.size), batched=True, owner=trace)


def _row(table: Any, index: Any) -> Any:
    return DISPATCH[np.take](table, index, axis=0)


def _mapped(function: str, operation: Callable[[Any], Any], x: Any) -> Any:
    leaves, structure = tree.flatten(x)
    paths = structure.paths()
    return tree.unflatten(
        structure,
        [
            operation(array_leaf(function, f"x{tree.keystr(path)}", leaf))
            for path, leaf in zip(paths, leaves, strict=True)
        ],
    )


def _gathered(leaf: Any, trace: Batch, groups: Any) -> Any:
    """The values of all examples (of one's own group) along a new first axis."""
    found = gather_examples(leaf, Axis(trace), -1 - rank_of(leaf))
    if groups is None:
        return found
    members = groups[np.argsort(groups, axis=None) // groups.shape[1]]  # by example
    return found[_row(members, _own_number(trace))]


def _groups(function: str, groups: Any, trace: Batch) -> Any:
    """Groups as an integer array, one a row; `None` for one group of all."""
    if groups is None:
        return None
    lengths = {len(group) for group in groups}
    flat = sorted(int(number) for group in groups for number in group)
    if len(lengths) != 1 or flat != list(range(trace.size)):
        raise ControlFlowError(
            f"{function}: axis_index_groups={groups} for {trace.size} examples. Each example is in "
            "one group, and groups have one length. Pass lists that hold each number from 0 to "
            f"{trace.size - 1} once."
        )
    return np.array(groups, np.int64)


def _reduced(
    function: str, reduce: Callable[..., Any], x: Any, axis_name: AxisName, groups: Any
) -> Any:
    traces = [_trace(function, name) for name in _names(axis_name)]
    if groups is not None and len(traces) > 1:
        raise ControlFlowError(
            f"{function}: axis_index_groups with the axes {axis_name}. Groups are those of one "
            "axis. Name one axis."
        )

    def over_all(leaf: Any) -> Any:
        rank = rank_of(leaf)
        for trace in traces:
            leaf = _gathered(leaf, trace, _groups(function, groups, trace))
        leading = tuple(range(-rank - len(traces), -rank))
        return DISPATCH[reduce](leaf, axis=leading)

    return _mapped(function, over_all, x)

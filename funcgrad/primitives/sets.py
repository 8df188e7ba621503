"""Sets: unique elements, unions and their kin, and membership.

Which elements belong to a set is piecewise constant, and the shape of the result depends on values;
the elements themselves carry their derivatives. Where several are equal, the first one stands for
them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad.core.foreign import as_array
from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import bind
from funcgrad.families.elementwise import constant_call
from funcgrad.families.shapes import as_operand, in_front, negative_axis, rank_of, shape_of
from funcgrad.primitives.indexing import nonzero
from funcgrad.primitives.plain import implements_traced
from funcgrad.primitives.selecting import take
from funcgrad.primitives.sorting import argsort, search_rows, stable_order
from funcgrad.primitives.structural import concatenate, ravel, reshape

__all__ = ["intersect1d", "isin", "setdiff1d", "setxor1d", "union1d", "unique"]


_numpy_unique: Callable[..., Any] = np.unique  # its stubs know no variable flags


def _unique_value(
    x: Any, *, axis: int | None, inverse: bool, counts: bool, equal_nan: bool, sort: bool
) -> tuple[Any, ...]:
    """The place of each unique element, and NumPy's further results."""
    if axis is not None:
        return tuple(_numpy_unique(x, True, inverse, counts, axis, equal_nan=equal_nan)[1:])
    x = as_array(x)
    order = stable_order(x.reshape(-1))
    ordered = x.reshape(-1)[order]
    new = ordered[1:] != ordered[:-1]
    if equal_nan:
        new &= ~(np.isnan(ordered[1:]) & np.isnan(ordered[:-1]))
    new = np.concatenate([np.ones(min(x.size, 1), bool), new])
    first = order[new]
    found: list[Any] = [first]
    if inverse:
        groups = np.empty(x.size, np.intp)
        groups[order] = np.cumsum(new) - 1
        found.append(groups.reshape(x.shape))
    if counts:
        found.append(np.diff(np.append(np.flatnonzero(new), x.size)))
    if not sort:  # NumPy's order is that of a hash table
        values = _numpy_unique(x, equal_nan=equal_nan, sorted=False)
        if not np.array_equal(values, ordered[new]):
            found[0] = np.empty_like(first)
            found[0][stable_order(values)] = first
    return tuple(found)


unique_p: Primitive = constant_call(
    "unique",
    _unique_value,
    lambda _size, _batched, values, params: bind(unique_p, *values, **params),
    data_dependent=True,
)

_HASHES = np.lib.NumpyVersion(np.__version__) >= "2.3.0"
"""Whether NumPy knows `sorted=False`."""


@implements_traced(np.unique)
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """`numpy.unique`; of equal elements the first one gets the derivative."""
    ar = as_operand(ar)
    ar = ar if hasattr(ar, "dtype") else np.asarray(ar)
    alone = not (return_index or return_inverse or return_counts)
    hashed = _HASHES and alone and (axis is None or rank_of(ar) == 1)
    if axis is not None:
        negative_axis(axis, rank_of(ar))
        axis = None if rank_of(ar) == 1 else axis.__index__()
    places, *others = bind(
        unique_p,
        ar,
        axis=axis,
        inverse=bool(return_inverse),
        counts=bool(return_counts),
        equal_nan=bool(equal_nan),
        sort=bool(sorted) or not hashed,
    )
    values = take(ar, places, axis)
    if not (return_index or others):
        return values
    return (values, *([places] if return_index else []), *others)


_All, _Counts, _Inverse = (
    type(function(np.zeros(1))) for function in (np.unique_all, np.unique_counts, np.unique_inverse)
)


@implements_traced(np.unique_all)
def unique_all(x: Any, /) -> Any:
    """`numpy.unique_all`."""
    return _All(*unique(x, True, True, True, equal_nan=False))


@implements_traced(np.unique_counts)
def unique_counts(x: Any, /) -> Any:
    """`numpy.unique_counts`."""
    return _Counts(*unique(x, return_counts=True, equal_nan=False))


@implements_traced(np.unique_inverse)
def unique_inverse(x: Any, /) -> Any:
    """`numpy.unique_inverse`."""
    return _Inverse(*unique(x, return_inverse=True, equal_nan=False))


@implements_traced(np.unique_values)
def unique_values(x: Any, /) -> Any:
    """`numpy.unique_values`."""
    return unique(x, equal_nan=False, sorted=False)


# --- two sets ---------------------------------------------------------------------------------


def _flat(x: Any) -> Any:
    return ravel(as_operand(x))


def _lined_up(ar1: Any, ar2: Any) -> tuple[Any, Any]:
    """Both, sorted together, and the order that does it; of equal elements ar1's is the first."""
    both = concatenate([_flat(ar1), _flat(ar2)])
    order = argsort(both)
    return take(both, order), order


def _where(mask: Any) -> Any:
    return nonzero(mask)[0]


@implements_traced(np.union1d)
def union1d(ar1: Any, ar2: Any) -> Any:
    """`numpy.union1d`."""
    return unique(concatenate([_flat(ar1), _flat(ar2)]))


@implements_traced(np.intersect1d)
def intersect1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False
) -> Any:
    """`numpy.intersect1d`; the elements are those of `ar1`."""
    ar1, ar2 = _flat(ar1), _flat(ar2)
    places = []
    if not assume_unique:
        (ar1, first), (ar2, second) = unique(ar1, True), unique(ar2, True)
        places = [first, second]
    both, order = _lined_up(ar1, ar2)
    common = _where(both[1:] == both[:-1])
    found = take(both, common)
    if not return_indices:
        return found
    chosen = [take(order, common), take(order, common + 1) - shape_of(ar1)[0]]
    if places:
        chosen = [take(place, one) for place, one in zip(places, chosen, strict=True)]
    return (found, *chosen)


@implements_traced(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """`numpy.setxor1d`: what is in one of both only."""
    if not assume_unique:
        ar1, ar2 = unique(ar1), unique(ar2)
    both, _ = _lined_up(ar1, ar2)
    if not shape_of(both)[0]:
        return both
    end = np.array([True])
    differs = np.concatenate([end, both[1:] != both[:-1], end])
    return take(both, _where(differs[1:] & differs[:-1]))


@implements_traced(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """`numpy.setdiff1d`: what is in `ar1` only."""
    ar1 = _flat(ar1) if assume_unique else unique(ar1)
    return take(ar1, _where(isin(ar1, ar2, invert=True)))


# --- membership -------------------------------------------------------------------------------


def _isin_batch(size: int, batched: Any, values: Any, params: dict[str, Any]) -> Any:
    """NumPy's own for one set; a search in sorted rows for a set each."""
    elements, members = values
    if not batched[1]:
        return bind(isin_p, elements, members, **params)
    elements = in_front(size, elements, batched[0])
    shape = shape_of(elements)
    length = int(np.prod(shape_of(members)[1:], dtype=int))
    if not length:
        return np.full(shape, params["invert"])
    rows = np.sort(reshape(members, (size, length)))
    sought = reshape(elements, (size, int(np.prod(shape[1:], dtype=int))))
    place = np.minimum(search_rows(rows, sought), length - 1)
    found = reshape(np.take_along_axis(rows, place, -1) == sought, shape)
    return np.logical_not(found) if params["invert"] else found


isin_p: Primitive = constant_call(
    "isin",
    lambda elements, members, *, invert, kind: np.isin(elements, members, invert=invert, kind=kind),
    _isin_batch,
)


@implements_traced(np.isin)
def isin(
    element: Any,
    test_elements: Any,
    assume_unique: bool = False,
    invert: bool = False,
    *,
    kind: Any = None,
) -> Any:
    """`numpy.isin`."""
    del assume_unique
    return bind(
        isin_p, as_operand(element), as_operand(test_elements), invert=bool(invert), kind=kind
    )


def in1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, invert: bool = False, *, kind: Any = None
) -> Any:
    """`numpy.in1d`, which NumPy had up to 2.3: `isin` of flat arrays."""
    return isin(_flat(ar1), ar2, assume_unique, invert, kind=kind)


if hasattr(np, "in1d"):
    implements_traced(np.in1d)(in1d)  # noqa: NPY201  # for those who still have it

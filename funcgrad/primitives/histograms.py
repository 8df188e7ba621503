"""Counts: bincount, histograms of one and more dimensions, and their edges.

Which bin an element falls into is piecewise constant, so a count is linear in the weights and has
derivative zero by everything else. Edges between the smallest and the largest element move with
these, and so does a density, which is divided by the widths of the bins.
"""

import operator
from typing import Any

import numpy as np

from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import Tracer, bind, plain_value
from funcgrad.errors import BatchedValueError, InputDtypeError, user_line
from funcgrad.families.elementwise import constant_call
from funcgrad.families.shapes import as_operand, in_front, rank_of, shape_of
from funcgrad.interpreters.batch import BatchTracer
from funcgrad.primitives.indexing import scatter_add
from funcgrad.primitives.inspecting import result_type
from funcgrad.primitives.joining import stack
from funcgrad.primitives.plain import implements_traced, is_traced
from funcgrad.primitives.sequences import linspace
from funcgrad.primitives.sorting import of_all_examples, searchsorted
from funcgrad.primitives.structural import astype, ravel, reshape, transpose, where

__all__ = ["bincount", "histogram", "histogram2d", "histogram_bin_edges", "histogramdd"]


def _array(x: Any) -> Any:
    """An operand that has a dtype; a list of traced values is stacked."""
    x = stack(x) if type(x) in (list, tuple) and is_traced(x) else as_operand(x)
    return x if hasattr(x, "dtype") else np.asarray(x)


def _added(places: Any, weights: Any, length: int) -> Any:
    """The sum of the weights at each place; their number, if there are none."""
    if weights is None:
        if not isinstance(places, Tracer):
            return np.bincount(places, minlength=length)
        weights = np.ones(shape_of(places), np.intp)
    return scatter_add(weights, (places,), (length,), 0)


# --- bincount ---------------------------------------------------------------------------------


def _length(x: Any, least: int) -> int:
    """One more than the largest number in x, or more.

    Examples of a batch cannot have different lengths, so there `minlength` must hold for all.
    """
    every = of_all_examples(x)
    if bool(np.any(every < 0)):
        raise ValueError("'list' argument must have no negative elements")
    if bool(np.all(every < least)):
        return least
    if isinstance(x, BatchTracer) and x.batched:
        raise BatchedValueError(
            f"vmap: bincount at {user_line()} of numbers that differ along the mapped axis, the "
            f"largest of which is not below minlength={least}. The length of the result would "
            "depend on values. Give a minlength above all numbers, or map with a Python loop."
        )
    return int(np.max(every)) + 1


@implements_traced(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: Any = 0) -> Any:
    """`numpy.bincount`: Σ wᵢ over the i with xᵢ = 0, 1, 2, ...; linear in the weights."""
    x = _array(x)
    if rank_of(x) != 1:
        raise ValueError("object too deep for desired array" if rank_of(x) else "x has no axis")
    if x.dtype.kind not in "biu":
        raise InputDtypeError(
            f"bincount: x has dtype {x.dtype}. The numbers of the bins are integers, which have no "
            "derivative. Use x.astype(int), or pass the differentiated values as weights=."
        )
    least = operator.index(minlength)
    if least < 0:
        raise ValueError("'minlength' must not be negative")
    x = x if x.dtype == np.intp else astype(x, np.dtype(np.intp))
    if not shape_of(x)[0]:  # NumPy counts then, whatever the weights
        return np.zeros(least, np.intp)
    if weights is not None:
        weights = _array(weights)
        if not np.can_cast(weights.dtype, np.float64, "safe"):
            raise InputDtypeError(
                f"bincount: the weights have dtype {weights.dtype}, which does not go into "
                "float64. NumPy adds real weights only. Use np.bincount(x, np.real(w)) + 1j * "
                "np.bincount(x, np.imag(w)), or weights of float64."
            )
        if shape_of(weights) != shape_of(x):
            raise ValueError("The weights and list don't have the same length.")
        weights = astype(weights, np.dtype(np.float64))
    return _added(x, weights, _length(x, least))


# --- edges ------------------------------------------------------------------------------------


def _automatic_value(a: Any, *ends: Any, bins: str) -> Any:
    return np.histogram_bin_edges(a, bins, range=ends or None)


automatic_edges_p: Primitive = constant_call(
    "automatic_edges",
    _automatic_value,
    lambda size, batched, values, params: bind(
        automatic_edges_p,
        *(in_front(size, v, b) for v, b in zip(values, batched, strict=True)),
        **params,
    ),
    data_dependent=True,
)


def _outer_edges(a: Any, range: Any) -> tuple[Any, Any]:
    """The first and the last edge: the given ones, or the smallest and the largest element."""
    if range is not None:
        first, last = range
        if np.any(plain_value(first) > plain_value(last)):
            raise ValueError("max must be larger than min in range parameter.")
        kind = "supplied"
    elif a.size == 0:
        return 0, 1
    else:
        first, last = np.min(a), np.max(a)
        kind = "autodetected"
    if not np.all(np.isfinite(plain_value(first)) & np.isfinite(plain_value(last))):
        raise ValueError(f"{kind} range of [{first}, {last}] is not finite")
    if not is_traced((first, last)):
        return (first - 0.5, last + 0.5) if first == last else (first, last)
    same = first == last
    return where(same, first - 0.5, first), where(same, last + 0.5, last)


def _given_edges(bins: Any, message: str) -> Any:
    edges = _array(bins)
    if np.any(plain_value(edges)[..., :-1] > plain_value(edges)[..., 1:]):
        raise ValueError(message)
    return edges


def _edges(a: Any, bins: Any, range: Any, weights: Any) -> Any:
    if not isinstance(bins, str) and rank_of(_array(bins)) == 1:
        return _given_edges(bins, "`bins` must increase monotonically, when an array")
    if isinstance(bins, str):
        if weights is not None:
            raise TypeError(
                "Automated estimation of the number of bins is not supported for weighted data"
            )
        found = bind(automatic_edges_p, a, *(() if range is None else range), bins=bins)
        count = shape_of(found)[0] - 1
    elif rank_of(_array(bins)):
        raise ValueError("`bins` must be 1d, when an array")
    else:
        try:
            count = operator.index(bins)
        except TypeError as error:
            raise TypeError("`bins` must be an integer, a string, or an array") from error
        if count < 1:
            raise ValueError("`bins` must be positive, when an integer")
    first, last = _outer_edges(a, range)
    dtype = result_type(first, last, a)
    if dtype.kind in "iu":
        dtype = np.result_type(dtype, float)
    edges = linspace(first, last, count + 1, dtype=dtype)
    plain = plain_value(edges)
    if np.any(plain[..., :-1] >= plain[..., 1:]):
        raise ValueError(f"Too many bins for data range. Cannot create {count} finite-sized bins.")
    return edges


def _values(a: Any, weights: Any) -> tuple[Any, Any]:
    a = _array(a)
    if a.dtype == np.bool_:
        a = astype(a, np.dtype(np.uint8))
    if weights is not None:
        weights = _array(weights)
        if shape_of(weights) != shape_of(a):
            raise ValueError("weights should have the same shape as a.")
        weights = ravel(weights)
    return ravel(a), weights


@implements_traced(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """`numpy.histogram_bin_edges`; the edges move with the smallest and the largest element.

    How many edges an automatic method (`bins="auto"`) finds is piecewise constant.
    """
    a, weights = _values(a, weights)
    return _edges(a, bins, range, weights)


# --- histograms -------------------------------------------------------------------------------


def _bins_of(x: Any, edges: Any) -> Any:
    """The number of each element's bin, from 1; 0 and len(edges) are outside."""
    return searchsorted(edges, x, "right") - (x == edges[-1])


def _sums(places: Any, weights: Any, length: int) -> Any:
    """As `_added`, in double precision, and in the dtype of the weights."""
    if weights is None:
        return _added(places, None, length)
    wide = np.dtype(np.complex128 if weights.dtype.kind == "c" else np.float64)
    total = _added(places, astype(weights, wide), length)
    return astype(total, weights.dtype)


@implements_traced(np.histogram)
def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Any, Any]:
    """`numpy.histogram`: linear in the weights; edges and density move with the outer elements."""
    a, weights = _values(a, weights)
    edges = _edges(a, bins, range, weights)
    places = _bins_of(a, edges)
    counts = _sums(places, weights, shape_of(edges)[0] + 1)[1:-1]
    if density:
        widths = astype(edges[1:] - edges[:-1], np.dtype(float))
        counts = counts / widths / np.sum(counts)
    return counts, edges


def _sample(sample: Any) -> Any:
    """The sample as one row for each dimension."""
    if rank_of(sample) == 2:
        return transpose(sample)
    return np.atleast_2d(_array(sample))


def _edges_of(i: int, x: Any, bins: Any, range: Any) -> Any:
    if rank_of(_array(bins)) == 0:
        if bins < 1:
            raise ValueError(f"`bins[{i}]` must be positive, when an integer")
        ends = _outer_edges(x, range)
        try:
            count = operator.index(bins)
        except TypeError as error:
            raise TypeError(f"`bins[{i}]` must be an integer, when a scalar") from error
        return linspace(*ends, count + 1)
    if rank_of(_array(bins)) != 1:
        raise ValueError(f"`bins[{i}]` must be a scalar or 1d array")
    return _given_edges(bins, f"`bins[{i}]` must be monotonically increasing, when an array")


@implements_traced(np.histogramdd)
def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Any, list[Any]]:
    """`numpy.histogramdd`: linear in the weights, as `histogram` is."""
    rows = _sample(sample)
    rank, size = shape_of(rows)
    many = hasattr(bins, "__len__") and not (isinstance(bins, Tracer) and not bins.shape)
    if many and len(bins) != rank:
        raise ValueError("The dimension of bins must be equal to the dimension of the sample x.")
    if range is not None and len(range) != rank:
        raise ValueError("range argument must have one entry per dimension")
    edges: list[Any] = []
    place: Any = 0
    for i, x in enumerate(rows):
        own = _edges_of(i, x, bins[i] if many else bins, None if range is None else range[i])
        edges.append(own)
        place = place * (shape_of(own)[0] + 1) + _bins_of(x, own)
    if weights is not None:
        weights = _array(weights)
        if shape_of(weights) != (size,):
            raise ValueError("The weights and list don't have the same length.")
        if weights.dtype.kind == "c":
            raise TypeError("histogramdd: the weights are complex. NumPy adds real weights only.")
        weights = astype(weights, np.dtype(float))
    lengths = tuple(shape_of(one)[0] + 1 for one in edges)
    counts = reshape(_added(place, weights, int(np.prod(lengths))), lengths)
    counts = astype(counts, np.dtype(float))[(slice(1, -1),) * rank]
    if density:
        total = np.sum(counts)
        for i, one in enumerate(edges):
            widths = one[1:] - one[:-1]
            counts = counts / reshape(widths, (-1, *(1,) * (rank - 1 - i)))
        counts = counts / total
    return counts, edges


@implements_traced(np.histogram2d)
def histogram2d(
    x: Any,
    y: Any,
    bins: Any = 10,
    range: Any = None,
    density: Any = None,
    weights: Any = None,
) -> tuple[Any, Any, Any]:
    """`numpy.histogram2d`: linear in the weights, as `histogram` is."""
    x, y = _array(x), _array(y)
    if shape_of(x) != shape_of(y):
        raise ValueError("x and y must have the same length.")
    try:
        number = len(bins)
    except TypeError:
        number = 1
    both = bins if number in (1, 2) else [bins, bins]
    counts, edges = histogramdd(stack([x, y], axis=1), both, range, density, weights)
    return counts, edges[0], edges[1]

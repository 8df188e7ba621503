"""Order and counting: sort, topk, unique elements, bins, search in sorted tensors."""

import math
import re
from typing import Any, NoReturn

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.dims import check_dim
from funcgrad.compat.torch.entering import enter
from funcgrad.compat.torch.node import make_node, node_class
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.reductions import along, lined, negative_dim
from funcgrad.compat.torch.returns import return_type
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import Tensor, holder, plain_array
from funcgrad.core.tracer import Tracer

__all__ = ["argsort", "sort", "topk", "unique"]

# --- order ------------------------------------------------------------------------------------


def _descending(x: Any, axis: int) -> Any:
    """Places in descending order, NaN first, ties in their order."""
    back = (..., slice(None, None, -1), *(slice(None),) * (-axis - 1))
    return (x.shape[axis] - 1 - fnp.argsort(x[back], axis=axis, stable=True))[back]


def order_of(x: Any, axis: int, descending: bool) -> Any:
    """Places in order along an axis; NaN counts as the largest."""
    return _descending(x, axis) if descending else fnp.argsort(x, axis=axis, stable=True)


def _shaped(values: Any, places: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:
    return fnp.reshape(values, shape), fnp.reshape(places, shape)


def _sort(x: Any, *, dim: int, descending: bool) -> Any:
    line = lined(x)
    places = order_of(line, dim, descending)
    values = along(line, places, dim)
    return (values, places) if x.ndim else _shaped(values, places, ())


_sort_op = Op("SortBackward0", _sort, returns=return_type("sort", "values indices"))


_stable_sort_op = Op("SortBackward1", _sort, returns=_sort_op.returns)


def _check_order(input: Tensor) -> None:
    if input._value.dtype.kind == "c":
        raise RuntimeError(" Sort does not support complex dtypes on CPU")


@enter("sort")
def sort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool | None = None
) -> Any:
    """The elements in order along an axis, and their places; ties keep their order."""
    _check_order(input)
    op = _sort_op if stable is None else _stable_sort_op
    return op(input, dim=negative_dim(dim, input.ndim), descending=bool(descending))


@enter("msort")
def msort(input: Any) -> Any:
    """The elements in order along the first axis."""
    return sort(input, 0)[0]


@enter("argsort")
def argsort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """The places of the elements in order."""
    return sort(input.detach(), dim, descending)[1]


def _topk(x: Any, *, k: int, dim: int, largest: bool) -> Any:
    line = lined(x)
    first = (..., slice(0, k), *(slice(None),) * (-dim - 1))
    places = order_of(line, dim, largest)[first]
    values = along(line, places, dim)
    return (values, places) if x.ndim or not k else _shaped(values, places, ())


_topk_op = Op("TopkBackward0", _topk, returns=return_type("topk", "values indices"))


@enter("topk")
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The k largest (or smallest) elements along an axis, in order, and their places."""
    where = negative_dim(dim, input.ndim)
    n = input._value.shape[where] if input.ndim else 1
    k = int(k)
    if not 0 <= k <= n:
        raise RuntimeError("selected index k out of range")
    _check_order(input)
    return _topk_op(input, k=k, dim=where, largest=bool(largest))


# --- unique elements --------------------------------------------------------------------------


def _int64(array: Any) -> Tensor:
    return made(np.ascontiguousarray(array).astype(np.int64).reshape(np.shape(array)))


def _picked(results: list[Any]) -> Any:
    return results[0] if len(results) == 1 else tuple(results)


class _NoDerivative:
    """Rule of a node that nobody can pass."""

    mask = None

    def __init__(self, name: str) -> None:
        self.name = name

    def pull(self, _ct: Any, _residuals: Any) -> NoReturn:
        """Raise, as PyTorch does."""
        raise NotImplementedError(f"the derivative for '{self.name}' is not implemented.")

    def again(self, _node: Any, ct: Any) -> NoReturn:
        """Raise, as PyTorch does."""
        self.pull(ct, None)

    def saved_value(self, node: Any, name: str) -> NoReturn:
        """Nothing is saved."""
        raise AttributeError(f"'{node.name()}' object has no attribute '_saved_{name}'")


def _refuse_derivative(result: Tensor, x: Tensor, name: str) -> None:
    """Give a result a node through which no derivative passes, so that none is lost silently."""
    if not (x._requires and STATE.grad):
        return
    words = re.sub("([A-Z])", r"_\1", name).lower()
    ports = (x._port,) if x._port else None
    target = x if x._node is None else x._node
    rule = _NoDerivative(words)
    result._node = make_node(node_class(f"{name}Backward0"), rule, (target,), ports, None, ())
    result._requires = True


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements in order; on demand where each one went, and how often it occurs."""
    array = np.asarray(plain_array(input, "unique"))
    axis = None if dim is None else check_dim(dim, input.ndim)
    values, inverse, counts = np.unique(
        array, return_inverse=True, return_counts=True, axis=axis, equal_nan=False
    )
    results: list[Any] = [made(np.ascontiguousarray(values), input.dtype)]
    _refuse_derivative(results[0], input, "Unique2" if dim is None else "UniqueDim")
    if return_inverse:
        results.append(_int64(inverse.reshape(array.shape) if axis is None else inverse.ravel()))
    if return_counts:
        results.append(_int64(counts))
    return _picked(results)


enter("unique", unique)


@enter("unique_consecutive")
def unique_consecutive(
    input: Tensor,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The elements without repetitions of the one before."""
    array = np.asarray(plain_array(input, "unique_consecutive"))
    if dim is None:
        rows = array.reshape(-1, 1)
        whole = array.reshape(-1)
        axis = 0
    else:
        axis = check_dim(dim, input.ndim)
        whole = array
        rows = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
    starts = np.ones(len(rows), bool)
    if len(rows):
        starts[1:] = (rows[1:] != rows[:-1]).any(1)
    numbers = np.cumsum(starts) - 1
    results: list[Any] = [made(np.compress(starts, whole, axis), input.dtype)]
    _refuse_derivative(results[0], input, "UniqueConsecutive")
    if return_inverse:
        results.append(_int64(numbers.reshape(array.shape) if dim is None else numbers))
    if return_counts:
        results.append(_int64(np.diff(np.append(np.flatnonzero(starts), len(rows)))))
    return _picked(results)


# --- counting ---------------------------------------------------------------------------------


@enter("bincount")
def bincount(input: Tensor, weights: Any = None, minlength: int = 0) -> Tensor:
    """How often each number occurs, or the sum of its weights."""
    array = plain_array(input, "bincount")
    if array.dtype.kind not in "iu" or array.ndim != 1 or (array.size and array.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is None:
        return _int64(np.bincount(array, minlength=minlength))
    given = plain_array(weights, "bincount")
    kept_in = np.float32 if given.dtype == np.float32 else np.float64
    return made(np.bincount(array, given, minlength).astype(kept_in))


@enter("histc")
def histc(input: Tensor, bins: int = 100, min: Any = 0, max: Any = 0) -> Tensor:
    """How many elements lie in each of equal parts of an interval."""
    array = plain_array(input, "histc")
    low, high = float(min), float(max)
    if low == high and array.size:
        low, high = float(array.min()), float(array.max())
    if low == high:
        low, high = low - 1, high + 1
    inside = array[(array >= low) & (array <= high)].astype(np.float64)
    places = np.minimum(((inside - low) * bins / (high - low)).astype(np.int64), bins - 1)
    return made(np.bincount(places, minlength=bins).astype(array.dtype), input.dtype)


_histogram = return_type("histogram", "hist bin_edges")


@enter("histogram")
def histogram(
    input: Tensor, bins: Any, *, range: Any = None, weight: Any = None, density: bool = False
) -> Any:
    """Sums of weights between edges, and the edges."""
    array = plain_array(input, "histogram").ravel()
    edges = plain_array(bins, "histogram") if isinstance(bins, Tensor) else bins
    if range is None and not isinstance(bins, Tensor) and array.size and array.min() == array.max():
        range = (float(array.min()) - 0.5, float(array.max()) + 0.5)
    weights = None if weight is None else plain_array(weight, "histogram").ravel()
    sums, found = np.histogram(array, edges, range, density=density, weights=weights)
    kept_in = array.dtype
    return _histogram(made(sums.astype(kept_in)), made(found.astype(kept_in)))


# --- search -----------------------------------------------------------------------------------


def _rows_found(table: Any, sought: Any, *, side: Any) -> Any:
    if table.ndim <= 1:
        return fnp.searchsorted(fnp.reshape(table, (-1,)), sought, side)
    count = math.prod(table.shape[:-1])
    tables = fnp.reshape(table, (count, table.shape[-1]))
    rows = fnp.reshape(sought, (count, sought.shape[-1]))
    found = [fnp.searchsorted(tables[i], rows[i], side) for i in range(count)]
    return fnp.reshape(fnp.stack(found), sought.shape) if found else np.zeros(sought.shape, int)


search_op = Op(
    None,
    lambda table, sought, *, side, kind: _rows_found(table, sought, side=side).astype(kind),
)


def _search(table: Any, sought: Any, side: Any, narrow: bool) -> Any:
    kind = np.dtype(np.int32 if narrow else np.int64)
    if isinstance(table, Tracer) or isinstance(sought, Tracer):
        return search_op(holder(table), holder(sought), side=side, kind=kind)
    return holder(np.asarray(_rows_found(table, sought, side=side), kind)[()])


def _sought(values: Any) -> Any:
    return values._value if isinstance(values, Tensor) else np.asarray(values)


@enter("searchsorted", method=False)
def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Any = None,
) -> Any:
    """Where to insert values so that order is kept; along the last axis, row by row."""
    table = sorted_sequence._value
    if sorter is not None:
        table = fnp.take_along_axis(table, _sought(sorter), -1)
    sought = _sought(input)
    if table.ndim > 1 and table.shape[:-1] != sought.shape[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
            "dimensions of boundaries tensor and input value tensor must match, but we got "
            f"boundaries tensor {list(table.shape)} and input value tensor {list(sought.shape)}"
        )
    return _search(table, sought, "right" if right or side == "right" else "left", out_int32)


@enter("bucketize", method=False)
def bucketize(
    input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Any:
    """The number of the interval between boundaries that each value lies in."""
    table = boundaries._value
    if table.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({table.ndim})")
    return _search(table, _sought(input), "right" if right else "left", out_int32)

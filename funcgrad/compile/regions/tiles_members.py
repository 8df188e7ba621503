"""Which equations can be evaluated tile by tile, and over which shape.

A tile is a stretch along one axis of a shape, the iteration shape. An equation is a

* map:   each element of its result depends on the elements of its operands at the same place,
* fold:  a sum, mean or extremum over axes of the iteration shape,
* lay:   its operands are laid into zeros, shifted along the tiled axis.
"""

import math
from types import MappingProxyType
from typing import Any

import numpy as np

from funcgrad.compile.spelling import table as _table
from funcgrad.compile.spelling.elementwise import ufunc_of
from funcgrad.core.primitive import PRIMITIVES, Primitive
from funcgrad.core.program import Constant, Equation, Variable
from funcgrad.families.shapes import folded_axes

__all__ = [
    "FOLD",
    "LAY",
    "MAP",
    "Shape",
    "folded_places",
    "has_place",
    "iteration_shape",
    "offset_of",
    "place_in_result",
    "place_of_tiles",
    "role_of",
    "shape_of",
    "tiled_axis",
]

del _table  # imported so that the registry is full

Shape = tuple[int, ...]

MAP, FOLD, LAY = "map", "fold", "lay"

LARGE = 1 << 15
"""Smaller iterations, in elements, are left as they are: their arrays fit into caches."""

LONG_ROW = 1 << 14
"""A tile is a few rows of at most so many elements, or a part of all rows."""

PARTS = 16
"""A sum over the tiled axis is taken in parts if these are so many times smaller."""

_EXACT_NAMES = frozenset({"where", "astype", "truncate", "broadcast_to", "copy"})
_MORE_MAPS = _EXACT_NAMES | {
    "bounded", "clip", "complex_absolute", "complex_sign", "entr", "gelu_and_slope",
    "gelu_tanh_and_slope", "expit_and_slope", "log_expit_and_slope", "softplus_and_slope",
    "silu_and_slope", "sinc", "round", "stop_gradient", "zeta",
}  # fmt: skip
_UNLIKE_MAPS = frozenset({"exponent", "fraction", "mantissa"})
_FOLDS = MappingProxyType(
    {
        "sum": "add", "mean": "add", "unbroadcast": "add", "product_unbroadcast": "add",
        "max": "maximum", "min": "minimum",
    }
)  # fmt: skip


def _role(primitive: Primitive) -> str | None:
    name, family = primitive.name, primitive.family
    if name in _FOLDS:
        return FOLD
    if name == "unindex":
        return LAY
    if name in _MORE_MAPS or (family == "elementwise" and name not in _UNLIKE_MAPS):
        return MAP
    if family == "piecewise constant" and ufunc_of(primitive) is not None:
        return MAP
    return None


_ROLES: MappingProxyType[str, str] = MappingProxyType(
    {name: role for name, primitive in PRIMITIVES.items() if (role := _role(primitive))}
)
_EXACT: frozenset[str] = _EXACT_NAMES | {
    name for name in _ROLES if _ROLES[name] == MAP and ufunc_of(PRIMITIVES[name]) is not None
}


def role_of(equation: Equation) -> str:
    """Map, fold or lay; of an equation that has an iteration shape."""
    return _ROLES[equation.primitive.name]


def shape_of(operand: Variable | Constant) -> Shape:
    """The shape of an operand."""
    if isinstance(operand, Variable):
        return operand.shape
    shape: Shape = getattr(operand.value, "shape", ())
    return shape


def iteration_shape(equation: Equation, exact: bool) -> Shape | None:
    """The shape that an equation goes over; `None` if it cannot be done in tiles, or need not."""
    name = equation.primitive.name
    role = _ROLES.get(name)
    if role is None or equation.errors is not None:
        return None
    result = equation.results[0]
    shape = result.shape if role == MAP else shape_of(equation.operands[0])
    if not shape or math.prod(shape) < LARGE:
        return None
    if PRIMITIVES.get(name) is not equation.primitive or tiled_axis(shape) is None:
        return None
    if exact and (len(shape) > 1 or name not in _EXACT):
        return None
    if role == MAP:
        fits = all(v.shape == shape and v.dtype.kind in "fciub" for v in equation.results)
    elif role == FOLD:
        fits = _folds(equation, shape)
    else:
        fits = _lays(equation, shape)
    return shape if fits else None


def _folds(equation: Equation, shape: Shape) -> bool:
    """Whether sums of the parts of the operands give the result, in its dtype."""
    result = equation.results[0]
    if result.dtype.kind not in "fciu" or (result.dtype.kind == "f" and result.dtype.itemsize < 4):
        return False
    if any(not isinstance(o, Variable) or o.shape != shape for o in equation.operands):
        return False
    axis = tiled_axis(shape)
    if axis is None or _are_long(equation, shape, axis):
        return False
    dtypes = [o.dtype for o in equation.operands if isinstance(o, Variable)]  # all of them are
    if equation.primitive.name in ("mean", "unbroadcast", "product_unbroadcast", "max", "min"):
        return all(dtype == result.dtype for dtype in dtypes)
    return dtypes[0] == result.dtype or dtypes[0].kind in "iub"


def _are_long(equation: Equation, shape: Shape, axis: int) -> bool:
    """Whether the parts of a sum over the tiled axis are nearly as large as what is summed."""
    if place_in_result(equation, axis) is not None or not equation.results[0].shape:
        return False
    rows = LONG_ROW * shape[axis] // math.prod(shape)
    return rows < PARTS


def _lays(equation: Equation, shape: Shape) -> bool:
    """Whether all operands are shifted as wholes, along the tiled axis."""
    result = equation.results[0]
    if len(shape) != len(result.shape):
        return False
    for operand in equation.operands:
        if (
            not isinstance(operand, Variable)
            or operand.shape != shape
            or operand.dtype != result.dtype
        ):
            return False
    return tiled_axis(shape) == 0 and all(
        offset_of(key, shape, result.shape) is not None for key in dict(equation.params)["keys"]
    )


def offset_of(key: tuple[Any, ...], shape: Shape, full: Shape) -> int | None:
    """Where along the first axis something is laid by a key of slices without steps."""
    if not key or not all(type(part) is tuple and part[2] in (None, 1) for part in key):
        return None
    start, stop, _ = slice(*key[0]).indices(full[0])
    return start if stop - start == shape[0] else None


def tiled_axis(shape: Shape) -> int | None:
    """Along which axis a shape is cut into tiles; `None` if it cannot be."""
    size = math.prod(shape)
    if shape[0] >= 4 and size // shape[0] <= LONG_ROW:
        return 0
    longest = max(range(len(shape)), key=lambda axis: shape[axis])
    return longest if size // shape[longest] <= LONG_ROW else None


def place_of_tiles(shape: Shape, iteration: Shape, axis: int) -> int | None:
    """The tiled axis of an array that is broadcast to the iteration shape; `None`: it is whole."""
    place = len(shape) - (len(iteration) - axis)
    if place < 0 or shape[place] != iteration[axis]:
        return None
    return place


def folded_places(equation: Equation) -> Shape:
    """The axes of the iteration shape over which a fold goes."""
    params = dict(equation.params)
    full = shape_of(equation.operands[0])
    rank = len(full)
    if "axis" in params:
        return tuple(axis + rank for axis in params["axis"])
    axes, _ = folded_axes(full[rank - params["rank"] :], params["shape"])
    return tuple(axis + rank for axis in axes)


def place_in_result(equation: Equation, axis: int) -> int | None:
    """The tiled axis in the result of a fold; `None` if the fold goes over it."""
    places = folded_places(equation)
    if axis in places:
        return None
    result = equation.results[0].shape
    rank = len(shape_of(equation.operands[0]))
    if len(result) == rank:
        return axis
    if "axis" in dict(equation.params):
        return axis - sum(place < axis for place in places)
    return axis - (rank - len(result))


def has_place(equation: Equation, axis: int) -> bool:
    """Whether the tile of the result can be read beside tiles of the iteration shape."""
    role = role_of(equation)
    if role != FOLD:
        return role == MAP
    place = place_in_result(equation, axis)
    if place is None:
        return False
    rank = len(shape_of(equation.operands[0]))
    return len(equation.results[0].shape) - place == rank - axis


def function_of(equation: Equation) -> str:
    """The ufunc that a fold repeats."""
    return _FOLDS[equation.primitive.name]


def is_uniform(value: Any) -> bool:
    """Whether all elements of an array have the same bits."""
    if type(value) is not np.ndarray or not value.size or value.dtype.itemsize not in (4, 8):
        return False
    bits = np.uint32 if value.dtype.itemsize == 4 else np.uint64
    if not any(value.strides):
        return True
    flat = value.reshape(-1).view(bits)
    return bool(flat[0] == flat[-1] and (flat == flat[0]).all())

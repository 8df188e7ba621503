"""Abstract rules: the shape and the dtype of a primitive's result from those of its operands.

A rule gives the shape. The dtype is found by applying the primitive itself to operands of one
element (of none, along axes of length 0), so that NumPy decides on promotion; where a parameter
speaks of lengths, the rule names another value of it for that, or the dtype. Operands whose shapes
do not fit have no outline: computing with them raises NumPy's own error.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from funcgrad.core.primitive import Primitive

__all__ = ["OUTLINES", "REAL_OR_COMPLEX", "VIEWS", "Outline", "is_plain", "outlined", "zeros_of"]

Shape = tuple[int, ...]
ShapeRule = Callable[..., Any]
"""`(*shapes, **params) -> shape of the result`, or a list of shapes of several."""

INDEX = np.dtype(np.intp)
BOOL = np.dtype(bool)
KEY = np.dtype(np.uint64)


class MisfitError(Exception):
    """The operands do not fit together."""


@dataclass(frozen=True, slots=True)
class Outline:
    """How to tell what the result of a primitive is like.

    Attributes:
        shape: rule for the shape.
        dtype: of the result, or the number of the operand or the name of the parameter that has it;
            by default that of the primitive applied to operands of one element.
        params: what to apply it with then, in place of the parameters.
        number: the element of the operands then; of 1 nearly all have a finite result.
    """

    shape: ShapeRule
    dtype: np.dtype[Any] | int | str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    number: int = 1


def zeros_of(shape: Shape, dtype: Any) -> Any:
    """Zeros that take no memory."""
    zero = np.zeros((), dtype)
    return np.broadcast_to(zero, shape) if shape else zero[()]


def is_plain(x: Any) -> bool:
    """Whether a value is NumPy's or Python's own."""
    return isinstance(x, float | int | complex | np.generic | np.ndarray)


def outlined(primitive: Primitive, values: Sequence[Any], params: dict[str, Any]) -> Any:
    """Zeros like the result of a primitive; `None` if there is no rule, or the operands do not fit.

    Args:
        primitive: what is applied.
        values: its operands, of which only shapes and dtypes are read.
        params: its parameters.
    """
    rule = OUTLINES.get(primitive.name)
    if rule is None:
        return None
    shapes = [getattr(value, "shape", ()) for value in values]
    try:
        found = rule.shape(*shapes, **params)
    except MisfitError:
        return None
    if rule.dtype is not None:
        dtype: Any = rule.dtype
        if isinstance(dtype, int | str):
            dtype = params[dtype] if isinstance(dtype, str) else _dtype_of(values[dtype])
        if isinstance(found, list):
            return tuple(zeros_of(shape, dtype) for shape in found)
        return zeros_of(found, dtype)
    operands = [_of_one_element(value, rule.number) for value in values]
    out = primitive.value(*operands, **{**params, **rule.params})
    if isinstance(found, list):
        return tuple(_zeros_like(one, shape) for one, shape in zip(out, found, strict=True))
    return _zeros_like(out, found)


def _dtype_of(value: Any) -> np.dtype[Any]:
    """Dtype; of a Python number that of its type."""
    dtype: np.dtype[Any] | None = getattr(value, "dtype", None)
    return np.result_type(type(value)) if dtype is None else dtype


def _zeros_like(one: Any, shape: Shape) -> Any:
    if not hasattr(one, "dtype"):
        return type(one)(0)
    return zeros_of(shape, one.dtype)


def _of_one_element(value: Any, number: int) -> Any:
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", ())
    if dtype is None:
        return type(value)(number)
    return np.full(tuple(min(n, 1) for n in shape), number, dtype)[()]


# --- rules for shapes ---------------------------------------------------------------------------


def _fit(holds: bool) -> None:
    if not holds:
        raise MisfitError


def _joint(*shapes: Shape) -> Shape:
    """The shape that all are broadcast to."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise MisfitError from None


def _broadcast(*shapes: Shape, **_params: Any) -> Shape:
    return _joint(*shapes)


def _first(shape: Shape, *_others: Shape, **_params: Any) -> Shape:
    return shape


def _second(_shape: Shape, shape: Shape, *_others: Shape, **_params: Any) -> Shape:
    return shape


def _scattered(x: Shape, v: Shape, *idx: Shape) -> Shape:
    """Of a copy with other values in some places."""
    places = (*_joint(*idx), *x[len(idx) :])
    _fit(_joint(places, v) == places)
    return x


def _reduced(*shapes: Shape, axis: Any, keepdims: bool = False, **_params: Any) -> Shape:
    shape = _joint(*shapes)
    rank = len(shape)
    axes = {a % rank for a in (axis if isinstance(axis, tuple) else (axis,))} if rank else set()
    return tuple(_lengths(shape, axes, keepdims))


def _lengths(shape: Shape, axes: set[int], keepdims: bool) -> Iterator[int]:
    for i, n in enumerate(shape):
        if i not in axes:
            yield n
        elif keepdims:
            yield 1


def _first_twice(shape: Shape) -> list[Shape]:
    return [shape, shape]


def _folded(x: Shape, *_others: Shape, shape: Shape, rank: int) -> Shape:
    return (*x[: len(x) - rank], *shape)


def _reduced_kept(*shapes: Shape, axis: Any) -> Shape:
    return _reduced(*shapes, axis=axis, keepdims=True)


def _with_length(shape: Shape, axis: int, length: int) -> Shape:
    place = axis % len(shape)
    return (*shape[:place], length, *shape[place + 1 :])


def _concatenated(*shapes: Shape, axis: int) -> Shape:
    others = {_with_length(shape, axis, 0) for shape in shapes}
    _fit(len(others) == 1)
    return _with_length(shapes[0], axis, sum(shape[axis] for shape in shapes))


def _stacked(*shapes: Shape, axis: int) -> Shape:
    _fit(len(set(shapes)) == 1)
    place = axis % (len(shapes[0]) + 1)
    return (*shapes[0][:place], len(shapes), *shapes[0][place:])


def _matmul(a: Shape, b: Shape) -> Shape:
    _fit(bool(a and b) and a[-1] == (b[-2] if len(b) > 1 else b[-1]))
    return (*_joint(a[:-2], b[:-2]), *a[-2:-1], *(b[-1:] if len(b) > 1 else ()))


def _einsum(*shapes: Shape, spec: str) -> Shape:
    left, out = spec.split("->")
    lengths: dict[str, int] = {}
    for term, shape in zip(left.split(","), shapes, strict=True):
        _fit(len(term) == len(shape))
        for letter, n in zip(term, shape, strict=True):
            known = lengths.setdefault(letter, n)
            _fit(1 in (known, n) or known == n)
            lengths[letter] = n if known == 1 else known
    return tuple(lengths[letter] for letter in out)


def _convolved(a: Shape, v: Shape, *, mode: str) -> Shape:
    n, m = a[-1], v[-1]
    _fit(n > 0 and m > 0)
    lengths = {"full": n + m - 1, "same": max(n, m), "valid": max(n, m) - min(n, m) + 1}
    return (*_joint(a[:-1], v[:-1]), lengths[mode])


def _gathered(x: Shape, *idx: Shape, lead: int) -> Shape:
    return (*x[:lead], *_joint(*idx), *x[lead + len(idx) :])


def _of_parameter(*_shapes: Shape, shape: Shape, **_params: Any) -> Shape:
    return shape


def _along(x: Shape, indices: Shape, *, axis: int, unique: bool) -> Shape:
    del unique
    _fit(len(x) == len(indices))
    return _joint(_with_length(x, axis, 1), indices)


def _added_along(ct: Shape, _indices: Shape, *, length: int, axis: int, unique: bool) -> Shape:
    del unique
    return _with_length(ct, axis, length)


def _segments(x: Shape, indices: Shape, *, axis: int, **_params: Any) -> Shape:
    return _with_length(x, axis, indices[0])


def _sought(tables: Shape, sought: Shape, **_params: Any) -> Shape:
    return (*_joint(tables[:-1], sought[:-1]), *sought[-1:])


def _coordinates(indices: Shape, *, shape: Shape, order: str) -> list[Shape]:
    del order
    return [indices] * len(shape)


def _packed(x: Shape, *, axis: int, bitorder: str) -> Shape:
    del bitorder
    return _with_length(x, axis, -(-x[axis] // 8))


def _unpacked(x: Shape, *, axis: int, count: int | None, bitorder: str) -> Shape:
    del bitorder
    all_bits = 8 * x[axis]
    length = all_bits if count is None else count if count >= 0 else all_bits + count
    return _with_length(x, axis, length)


def _transformed(x: Shape, *, n: int, axis: int, norm: str) -> Shape:
    del norm
    return _with_length(x, axis, n)


def _half_transformed(x: Shape, *, n: int, axis: int, norm: str) -> Shape:
    del norm
    return _with_length(x, axis, n // 2 + 1)


def _powers(x: Shape, *, n: int, increasing: bool) -> Shape:
    del increasing
    return (*x, n)


def _quotient(u: Shape, v: Shape) -> Shape:
    return (*_joint(u[:-1], v[:-1]), u[-1])


def _roots(p: Shape) -> Shape:
    _fit(p[-1] > 0)
    return (*p[:-1], p[-1] - 1)


def _pairs(values: Shape, **_params: Any) -> Shape:
    return (*values, values[-1])


def _loss(z: Shape, y: Shape, *, reduction: str) -> Shape:
    shape = _joint(z, y)
    return shape if reduction == "none" else ()


def _class_loss(z: Shape, y: Shape, *, axis: int, reduction: str) -> Shape:
    shape = _joint(z, y) if len(y) == len(z) else z
    place = axis % len(shape)
    _fit(len(y) in (len(z), len(z) - 1))
    return (*shape[:place], *shape[place + 1 :]) if reduction == "none" else ()


# --- of keys ------------------------------------------------------------------------------------


def _new_key(seed: Shape) -> Shape:
    return (*seed, 2)


def _new_keys(key: Shape, *, shape: Shape) -> Shape:
    return (*key[:-1], *shape, 2)


def _drawn(key: Shape, *_parameters: Shape, shape: Shape, **_params: Any) -> Shape:
    return (*key[:-1], *shape)


def _permuted(key: Shape, *, n: int, shape: Shape) -> Shape:
    return (*key[:-1], *shape, n)


# --- of matrices --------------------------------------------------------------------------------


def _square(a: Shape) -> Shape:
    _fit(len(a) > 1 and a[-1] == a[-2])
    return a


def _same_square(a: Shape, *_others: Shape, **_params: Any) -> Shape:
    return _square(a)


def _number_of_each(a: Shape, **_params: Any) -> Shape:
    return _square(a)[:-2]


def _two_numbers(a: Shape) -> list[Shape]:
    return [_square(a)[:-2]] * 2


def _values(a: Shape, **_params: Any) -> Shape:
    return _square(a)[:-1]


def _values_and_vectors(a: Shape, **_params: Any) -> list[Shape]:
    return [_square(a)[:-1], a]


def _characteristic(a: Shape) -> Shape:
    return (*_square(a)[:-2], a[-1] + 1)


def _solved(a: Shape, b: Shape) -> Shape:
    _square(a)
    if len(b) == 1:
        _fit(a[-1] == b[0])
        return (*a[:-2], *b)
    _fit(len(b) > 1 and a[-1] == b[-2])
    return (*_joint(a[:-2], b[:-2]), *b[-2:])


def _singular_values(a: Shape, **_params: Any) -> Shape:
    return (*a[:-2], min(a[-2:]))


def _singular_vectors(a: Shape, *, full: bool, levels: int) -> list[Shape]:
    del levels
    (m, n), lead = a[-2:], a[:-2]
    k = min(m, n)
    return [(*lead, m, m if full else k), (*lead, k), (*lead, n if full else k, n)]


def _orthogonal(a: Shape, *, complete: bool, levels: int) -> list[Shape]:
    del levels
    (m, n), lead = a[-2:], a[:-2]
    k = m if complete else min(m, n)
    return [(*lead, m, k), (*lead, k, n)]


def _pseudo_inverse(a: Shape, limit: Shape, *, hermitian: bool) -> Shape:
    del hermitian
    return (*_joint(a[:-2], limit[:-2]), a[-1], a[-2])


def _rank(a: Shape, limit: Shape, **_params: Any) -> Shape:
    return _joint(a[:-2], limit[:-2])


def _leading(a: Shape, **_params: Any) -> Shape:
    return a[:-2]


# --- the table ----------------------------------------------------------------------------------

VIEWS = frozenset({"reshape", "transpose", "broadcast_to", "index", "rows"})
"""Of zeros without memory these have results without memory: they are computed."""

REAL_OR_COMPLEX = frozenset({"eig", "eigvals", "roots"})
"""Of a real operand these are real if no value has an imaginary part, so the dtype is unknown."""

_UFUNCS = """
    add subtract multiply divide power negative positive conjugate exp exp2 expm1 log log2 log10
    log1p sqrt cbrt square reciprocal sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh
    arccosh arctanh deg2rad radians rad2deg degrees absolute fabs maximum minimum fmax fmin
    logaddexp logaddexp2 hypot arctan2 remainder fmod copysign heaviside ldexp fraction mantissa
    float_power nextafter greater greater_equal less less_equal equal not_equal logical_and
    logical_or logical_xor logical_not isfinite isnan isinf signbit floor ceil trunc rint
    floor_divide bitwise_and bitwise_or bitwise_xor invert left_shift right_shift gcd lcm
    bitwise_count sign exponent spacing where clip isclose inverse_or_pole adjugate
    expit log_expit softplus erf erfc digamma lgamma relu relu6 hard_tanh negative_part leaky_relu
    silu gelu gelu_tanh erfcx erfinv ndtri log_ndtr zeta gamma_density gammainc gammaincc
    ndtri_exp gamma_tail
"""
_OF_FIRST = """
    astype truncate copy real imag cumsum cumprod maximum.accumulate minimum.accumulate
    fmax.accumulate fmin.accumulate accumulate ufunc.accumulate softmax log_softmax bounded
    polygamma entr bessel_i scaled_bessel_i sinc round complex_absolute complex_sign settle ground
    excess stop_gradient checkpoint_name
"""
_WITH_SLOPE = "expit log_expit softplus silu gelu gelu_tanh"
_REDUCTIONS = """
    sum mean prod max min masked_sum logsumexp norm all any logaddexp.reduce
    logaddexp2.reduce hypot.reduce reduce ufunc.reduce
"""

OUTLINES: dict[str, Outline] = {
    **{name: Outline(_broadcast) for name in _UFUNCS.split()},
    **{name: Outline(_first) for name in _OF_FIRST.split()},
    **{name: Outline(_reduced) for name in _REDUCTIONS.split()},
    **{name: Outline(_first, INDEX) for name in ("argsort", "argpartition", "partition_order")},
    **{name: Outline(_same_square) for name in ("inv", "cholesky")},
    **{name: Outline(_reduced, params={"ddof": 0}) for name in ("var", "std")},
    "moment_in_integers": Outline(_reduced, "dtype"),
    "shift": Outline(_reduced_kept),
    "all_equal": Outline(_reduced_kept, BOOL),
    "argmax": Outline(_reduced),
    "argmin": Outline(_reduced),
    "nanargmax": Outline(_reduced),
    "nanargmin": Outline(_reduced),
    "lexsort": Outline(_first, INDEX),
    "isin": Outline(_first, BOOL),
    "index_set": Outline(_first, 0),
    "scatter_set": Outline(_scattered, 0),
    "concatenate": Outline(_concatenated),
    "stack": Outline(_stacked),
    **{f"{name}_and_slope": Outline(_first_twice, 0) for name in _WITH_SLOPE.split()},
    "unbroadcast": Outline(_folded, 0),
    "product_unbroadcast": Outline(_folded, 0),
    "matmul": Outline(_matmul),
    "einsum": Outline(_einsum),
    "convolve": Outline(_convolved),
    "gather": Outline(_gathered, 0),
    "scatter_add": Outline(_of_parameter, 0),
    "unindex": Outline(_of_parameter, 0),
    "take_along_axis": Outline(_along, 0),
    "add_along_axis": Outline(_added_along, 0),
    "add.reduceat": Outline(_segments, number=0),
    "ufunc.reduceat": Outline(_segments, number=0),
    "searchsorted": Outline(_second, INDEX),
    "search_rows": Outline(_sought, INDEX),
    "unravel_index": Outline(_coordinates, INDEX),
    "ravel_multi_index": Outline(_broadcast, INDEX),
    "is_last": Outline(_broadcast, BOOL),
    "turn": Outline(_broadcast, INDEX),
    "packbits": Outline(_packed),
    "unpackbits": Outline(_unpacked, params={"count": None}),
    "fft": Outline(_transformed, params={"n": 1}),
    "ifft": Outline(_transformed, params={"n": 1}),
    "irfft": Outline(_transformed, params={"n": 1}),
    "rfft": Outline(_half_transformed, params={"n": 1}),
    "vander": Outline(_powers, params={"n": 1}),
    "quotient": Outline(_quotient),
    "quotient_rounding": Outline(_quotient),
    "roots": Outline(_roots, 0),
    "equal_values": Outline(_pairs, BOOL),
    "bce_with_logits": Outline(_loss),
    "softmax_cross_entropy": Outline(_class_loss),
    "softmax_cross_entropy_with_integer_labels": Outline(_class_loss, 0),
    "det": Outline(_number_of_each),
    "slogdet": Outline(_two_numbers),
    "eigh": Outline(_values_and_vectors),
    "eig": Outline(_values_and_vectors),
    "eigvalsh": Outline(_values),
    "eigvals": Outline(_values),
    "characteristic_polynomial": Outline(_characteristic),
    "solve": Outline(_solved),
    "svd": Outline(_singular_vectors),
    "svdvals": Outline(_singular_values),
    "qr": Outline(_orthogonal),
    "pinv": Outline(_pseudo_inverse),
    "matrix_rank": Outline(_rank),
    "infinite_cond": Outline(_leading, BOOL),
    "random_key": Outline(_new_key, KEY),
    "random_split": Outline(_new_keys, KEY),
    "random_fold_in": Outline(_first, KEY),
    "random_uniform": Outline(_drawn, "dtype"),
    "random_normal": Outline(_drawn, "dtype"),
    "random_integers": Outline(_drawn, "dtype"),
    "random_permutation": Outline(_permuted, np.dtype(np.int64)),
    "random_poisson": Outline(_second, "dtype"),
    "random_binomial": Outline(_second, "dtype"),
    "random_gamma": Outline(_second, 1),
}
"""By name of the primitive. One without a rule is computed, on zeros."""

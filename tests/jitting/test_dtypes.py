"""Compiled functions of integers, booleans, half precision and complex numbers do as NumPy does.

Value, dtype, shape, and the kind of error. Floating-point results may differ from NumPy's
by rounding, where it takes other steps; integers may not. Where there is no table entry, the
difference is meant: `np.array_equal` gives a traced value a NumPy bool, Python numbers have no `@`,
and of numbers without axes some errors are of another type.
"""

import operator
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from tests.jitting.alike import exact_jit
from tests.jitting.dtype_calls import FUNCTIONS, METHODS, NUMBERS, OWN

pytestmark = pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.4.0",
    reason="what NumPy returns for small integers differs in older versions",
)

DTYPES = ("int64", "uint8", "int8", "bool", "float16", "float32", "complex64")
SHAPES: tuple[tuple[int, ...], ...] = ((), (5,), (3, 3), (0,))
PARTS = 12


def _array(dtype: str, shape: tuple[int, ...], seed: int = 5) -> Any:
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype).kind
    low, high = {"b": (0, 2), "u": (0, 7)}.get(kind, (-4, 7))
    x: Any = rng.integers(low, high, shape)
    if kind in "fc":
        x = x / 2
    if kind == "c":
        x = x + 1j * rng.integers(-3, 3, shape) / 2
    return np.asarray(x, dtype)


def _outcome(f: Callable[..., Any], *args: Any) -> tuple[Any, Exception | None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return f(*args), None
        except Exception as error:  # noqa: BLE001  # of any kind: it is what is compared
            return None, error


def _kind(x: Any) -> type:
    return type(x[()]) if isinstance(x, np.ndarray) else type(x)


def _require_same(found: Any, wanted: Any) -> None:
    if isinstance(wanted, tuple | list):
        for a, b in zip(found, wanted, strict=True):
            _require_same(a, b)
        return
    if wanted is None or isinstance(wanted, str | np.dtype):
        assert found == wanted
        return
    x, y = np.asarray(found), np.asarray(wanted)
    assert (_kind(found), x.dtype, x.shape) == (_kind(wanted), y.dtype, y.shape)
    if y.dtype.kind in "fc" and y.size:
        sizes = np.abs(y[np.isfinite(y)])
        digits = 16 * float(np.finfo(y.dtype).eps)
        most = float(sizes.max()) if sizes.size else 0.0
        np.testing.assert_allclose(x, y, rtol=digits, atol=digits * most)
    else:
        np.testing.assert_array_equal(x, y)


def _require_alike(f: Callable[..., Any], args: Sequence[Any], own: bool = False) -> None:
    wanted, refused = _outcome(f, np, *args)
    compiled = exact_jit(lambda *xs: f(fnp if own else np, *xs))
    for call in (1, 2):
        found, error = _outcome(compiled, *args)
        try:
            if refused is None:
                assert error is None, f"raised {error!r}"
                _require_same(found, wanted)
            else:
                # of ValueErrors there are many kinds
                kind = ValueError if isinstance(refused, ValueError) else type(refused)
                assert isinstance(error, kind), f"{found!r} {error!r}, not {refused!r}"
        except Exception as failure:
            failure.add_note(f"call {call}: {args!r}")
            raise


def _function(call: str) -> Callable[..., Any]:
    function: Callable[..., Any] = eval(f"lambda np, x: {call}")
    return function


def _require_all(calls: Sequence[str], values: Sequence[Any], own: bool = False) -> None:
    for call in calls:
        try:
            for value in values:
                _require_alike(_function(call), (value,), own)
        except Exception as failure:
            failure.add_note(call)
            raise


ARRAYS = [_array(dtype, shape) for dtype in DTYPES for shape in SHAPES]


@pytest.mark.parametrize("part", range(PARTS))
def test_functions_of_arrays_of_any_dtype_compile_to_what_numpy_gives(part: int):
    _require_all(FUNCTIONS[part::PARTS], ARRAYS)


def test_methods_of_arrays_of_any_dtype_compile_to_what_numpy_gives():
    _require_all(METHODS, ARRAYS)


def test_functions_that_numpy_does_not_dispatch_compile_to_what_numpy_gives():
    _require_all(OWN, ARRAYS, own=True)


def test_functions_of_python_numbers_compile_to_what_numpy_gives():
    _require_all(NUMBERS, [2, 0, -3, True, False, 1.5, -2.0, 2 + 1j])


OPERATORS = (
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
    operator.pow, operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift,
    operator.lt, operator.eq,
)  # fmt: skip
OTHERS: tuple[Any, ...] = (
    2, 0, -1, 300, True, 0.5, 2.0, 1j, np.float32(1.5), np.int64(2), np.uint8(3), np.bool_(True),
    [1, 2, 3], np.array([1, 2, 3], np.int8),
)  # fmt: skip


@pytest.mark.parametrize("operate", OPERATORS, ids=lambda f: f.__name__)
def test_operators_between_arrays_and_numbers_compile_to_what_numpy_gives(
    operate: Callable[[Any, Any], Any],
):
    for dtype in DTYPES:
        x = _array(dtype, (3,))
        for other in OTHERS:  # as a constant, and as an argument
            _require_alike(lambda _np, x, y=other: operate(x, y), (x,))
            _require_alike(lambda _np, x, y=other: operate(y, x), (x,))
            if isinstance(other, list) or (operate is operator.pow and dtype == "bool"):
                continue  # NumPy's dtype of booleans ** n depends on the value of n
            _require_alike(lambda _np, x, y: operate(x, y), (x, other))
            _require_alike(lambda _np, x, y: operate(y, x), (x, other))


PAIRS = (
    ("int64", "int8"), ("int64", "float32"), ("int8", "uint8"), ("bool", "bool"), ("bool", "int8"),
    ("float16", "int8"), ("float32", "int32"), ("float32", "complex64"), ("uint8", "int64"),
)  # fmt: skip
BINARY = sorted(
    name
    for name in dir(np)
    if isinstance(getattr(np, name), np.ufunc) and getattr(np, name).nin == 2
)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_ufuncs_of_two_dtypes_compile_to_what_numpy_gives(first: str, second: str):
    for name in BINARY:
        for one, other in (((3,), (3,)), ((), ()), ((2, 3), (3,)), ((0,), (1,)), ((3, 3), (3, 3))):
            if name in ("matvec", "vecmat") and not (one and other):
                continue
            args = _array(first, one, 2), _array(second, other, 3)
            _require_alike(lambda np, x, y, name=name: getattr(np, name)(x, y), args)


OF_ROWS = (
    "np.sum(x, dtype=np.int8)", "np.cumsum(x, dtype=np.int8)", "np.nanmax(x)", "np.modf(x)",
    "np.nanstd(x, ddof=1)", "np.angle(x)", "np.dot(x, 2)", "np.convolve(x, x)",
    "np.pad(x, 1, 'mean')", "np.pad(x, 1, 'linear_ramp', end_values=5)", "np.insert(x, 1, 2)",
    "np.clip(x, None, 2)", "np.select([x > 0, x < 0], [x, 2.5])",
    "np.choose(x > 0, [x, 1], mode='clip')",
    "np.piecewise(x, [x > 1], [lambda v: v * 2.5, 0])",
)  # fmt: skip


def test_vmap_of_integers_is_a_loop():
    checked = 0
    for call in OF_ROWS:
        for dtype in ("int32", "uint8", "bool"):
            f, x = _function(call), _array(dtype, (3, 4))
            wanted = [f(np, row) for row in x]
            found = fg.vmap(lambda row, f=f: f(np, row))(x)
            _require_same(found, fg.tree.map(lambda *rows: np.stack(rows), *wanted))
            checked += 1
    assert checked == 45

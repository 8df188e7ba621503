"""funcgrad.special_values against recorded values of mpmath, against SciPy, and against laws.

Errors are counted in ulp: units in the last place of the exact value rounded to the dtype.
"""

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcgrad.special_values import digamma, erf, erfc, expit, lgamma, polygamma, trigamma

Function = Callable[[Any], Any]
Floats = npt.NDArray[np.float64]

DATA = Path(__file__).parent / "data" / "special_values.csv"

FUNCTIONS: dict[str, Function] = {
    "erf": erf,
    "erfc": erfc,
    "expit": expit,
    "lgamma": lgamma,
    "digamma": digamma,
    "trigamma": trigamma,
    "polygamma 2": partial(polygamma, 2),
}

# The lengths at which the evaluation changes: from gathering coefficients to gathering elements
# above 4096, and to several blocks above 32768 (2048 for polygamma).
LENGTHS = (1, 4096, 4097, 40000)

each_function = pytest.mark.parametrize("name", FUNCTIONS)


# ---------------------------------------------------------------------------------------------
# Recorded values


def read_recorded() -> dict[str, Floats]:
    """Recorded points by function name: columns x, value, rest (in ulp of value), scale."""
    with DATA.open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(line for line in file if not line.startswith("#"))
        rows: dict[str, list[tuple[float, ...]]] = {}
        for line in lines:
            columns = (line[column] or "0" for column in ("x", "value", "rest", "scale"))
            rows.setdefault(line["function"], []).append(tuple(map(float, columns)))
    return {name: np.array(points) for name, points in rows.items()}


RECORDED = read_recorded()


def recorded_function(name: str) -> Function:
    return FUNCTIONS.get(name) or partial(polygamma, int(name.removeprefix("polygamma ")))


def errors_in_ulp(result: Floats, points: Floats) -> Floats:
    """Distance from the recorded values, in ulp of the larger of value and scale."""
    _, value, rest, scale = points.T
    finite = np.isfinite(value)
    np.testing.assert_array_equal(result[~finite], value[~finite])
    result, value, rest, scale = (a[finite] for a in (result, value, rest, scale))
    unit = np.spacing(np.abs(value))
    error = np.abs((result - value) / unit - rest)
    return error * (unit / np.spacing(np.maximum(np.abs(value), scale)))


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_values_are_met_to_four_ulp(name: str) -> None:
    points = RECORDED[name]
    with np.errstate(all="raise"):
        result = recorded_function(name)(points[:, 0])
    errors = errors_in_ulp(result, points)
    worst = int(np.argmax(errors))
    assert errors[worst] <= 4.0, f"{errors[worst]:.2f} ulp at x = {points[worst, 0]!r}"


@pytest.mark.parametrize("name", RECORDED)
def test_no_value_is_forgiven_by_its_scale_except_on_the_negative_axis(name: str) -> None:
    points = RECORDED[name]
    forgiven = points[points[:, 3] > 0.0, 0]
    assert (forgiven < 0.0).all()
    assert name.startswith(("lgamma", "digamma", "trigamma", "polygamma")) or not forgiven.size


@each_function
def test_single_precision_is_rounded_once(name: str) -> None:
    x = RECORDED[name][:, 0].clip(-3e38, 3e38).astype(np.float32)
    wide = FUNCTIONS[name](x.astype(np.float64))
    with np.errstate(over="ignore", under="ignore"):
        expected = wide.astype(np.float32)
    np.testing.assert_array_equal(FUNCTIONS[name](x), expected)


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["erf", "erfc", "lgamma", "digamma", "trigamma"])
def test_recorded_values_are_those_of_mpmath(name: str) -> None:
    mpmath = pytest.importorskip("mpmath")
    exact = {
        "erf": mpmath.erf,
        "erfc": mpmath.erfc,
        "lgamma": lambda x: mpmath.log(abs(mpmath.gamma(x))),
        "digamma": mpmath.digamma,
        "trigamma": partial(mpmath.psi, 1),
    }[name]
    with mpmath.workdps(50):
        for x, value, rest, _ in RECORDED[name][::7].tolist():
            if 1e-10 < abs(x) < 1e4 and abs(value) > 1e-300:
                expected = mpmath.mpf(value) + mpmath.mpf(rest) * float(np.spacing(abs(value)))
                difference = abs(exact(mpmath.mpf(x)) - expected)
                assert difference <= 1e-3 * np.spacing(abs(value)), x


# ---------------------------------------------------------------------------------------------
# SciPy


# name: interval, tolerance in ulp. SciPy's own errors are most of it.
SCIPY_INTERVALS: dict[str, tuple[float, float, float]] = {
    "erf": (-7.0, 7.0, 6.0),
    "erfc": (-7.0, 4.0, 12.0),  # farther out SciPy's exp(−x²) has the rounding error of x²
    "expit": (-700.0, 700.0, 6.0),
    "lgamma": (3.0, 200.0, 12.0),
    "digamma": (2.0, 200.0, 12.0),
    "trigamma": (0.01, 200.0, 12.0),
    "polygamma 2": (0.01, 200.0, 24.0),
}


@pytest.mark.oracle
@each_function
def test_scipy_agrees_on_a_dense_random_grid(name: str) -> None:
    special = pytest.importorskip("scipy.special")
    reference = {
        "lgamma": special.gammaln,
        "trigamma": partial(special.polygamma, 1),
        "polygamma 2": partial(special.polygamma, 2),
    }.get(name) or getattr(special, name)
    low, high, tolerance = SCIPY_INTERVALS[name]
    x = np.random.default_rng(0).uniform(low, high, 20000)
    expected = reference(x)
    errors = np.abs(FUNCTIONS[name](x) - expected) / np.spacing(np.abs(expected))
    assert errors.max() <= tolerance, f"{errors.max():.1f} ulp at {x[errors.argmax()]!r}"


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["erf", "erfc", "expit", "lgamma", "digamma", "trigamma"])
@pytest.mark.parametrize("x", [0.0, -0.0, -1.0, -2.0, -1e300, np.inf, np.nan])
def test_special_points_are_those_of_scipy(name: str, x: float) -> None:
    special = pytest.importorskip("scipy.special")
    reference = {"lgamma": special.gammaln, "trigamma": partial(special.polygamma, 1)}
    expected = reference.get(name, getattr(special, name, None))(x)
    np.testing.assert_allclose(FUNCTIONS[name](x), expected, rtol=1e-15)


# ---------------------------------------------------------------------------------------------
# Special points


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("erf", 0.0, 0.0),
        ("erf", -0.0, -0.0),
        ("erf", np.inf, 1.0),
        ("erf", -np.inf, -1.0),
        ("erfc", 0.0, 1.0),
        ("erfc", np.inf, 0.0),
        ("erfc", -np.inf, 2.0),
        ("erfc", 27.3, 0.0),
        ("expit", 0.0, 0.5),
        ("expit", np.inf, 1.0),
        ("expit", -np.inf, 0.0),
        ("lgamma", 1.0, 0.0),
        ("lgamma", 2.0, 0.0),
        ("lgamma", 0.0, np.inf),
        ("lgamma", -0.0, np.inf),
        ("lgamma", -3.0, np.inf),
        ("lgamma", -1e300, np.inf),
        ("lgamma", np.inf, np.inf),
        ("lgamma", -np.inf, np.inf),  # as C and JAX have it; SciPy gives −inf
        ("digamma", 0.0, -np.inf),
        ("digamma", -0.0, np.inf),
        ("digamma", -3.0, np.nan),
        ("digamma", -1e300, np.nan),
        ("digamma", np.inf, np.inf),
        ("digamma", -np.inf, np.nan),
        ("trigamma", 0.0, np.inf),
        ("trigamma", -0.0, np.inf),
        ("trigamma", -3.0, np.inf),
        ("trigamma", np.inf, 0.0),
        ("trigamma", -np.inf, np.nan),
        ("polygamma 2", 0.0, -np.inf),
        ("polygamma 2", -0.0, np.inf),
        ("polygamma 2", -3.0, np.nan),
        ("polygamma 2", np.inf, -0.0),
        ("polygamma 2", -np.inf, np.nan),
    ],
)
def test_limits_and_poles_have_their_ieee_values(name: str, x: float, expected: float) -> None:
    result = FUNCTIONS[name](x)
    np.testing.assert_array_equal(result, expected)
    assert np.isnan(expected) or np.signbit(result) == np.signbit(expected)


@each_function
def test_nan_gives_nan_and_leaves_its_neighbours_alone(name: str) -> None:
    x = np.array([0.3, 2.5, 9.0, 30.0])
    with_nan = np.insert(x, 2, np.nan)
    result = FUNCTIONS[name](with_nan)
    assert np.isnan(result[2])
    np.testing.assert_array_equal(np.delete(result, 2), FUNCTIONS[name](x))


@each_function
def test_no_argument_raises_a_floating_point_warning(name: str) -> None:
    largest = np.finfo(np.float64).max
    magnitudes = np.array([0.0, 5e-324, 1e-300, 1e-9, 0.3, 1.0, 5.0, 27.0, 800.0, 1e16, largest])
    with np.errstate(all="raise"):
        for x in (magnitudes, -magnitudes, np.array([np.nan, np.inf, -np.inf])):
            FUNCTIONS[name](x)
            for item in x:
                FUNCTIONS[name](item)


@each_function
def test_overflow_of_a_narrow_dtype_gives_infinity_without_a_warning(name: str) -> None:
    x = np.array([1e-7, 1e-3, 3e4], dtype=np.float16)
    with np.errstate(all="raise"):
        result = FUNCTIONS[name](x)
    assert result.dtype == np.float16
    with np.errstate(all="ignore"):
        expected = FUNCTIONS[name](x.astype(np.float64)).astype(np.float16)
    np.testing.assert_array_equal(result, expected)


# ---------------------------------------------------------------------------------------------
# Shapes, dtypes, purity


@each_function
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
def test_shape_and_floating_dtype_are_kept(
    name: str, dtype: type[np.floating[Any]], shape: tuple[int, ...]
) -> None:
    x = np.full(shape, 0.7, dtype)
    result = FUNCTIONS[name](x)
    assert isinstance(result, np.ndarray)
    assert result.shape == shape
    assert result.dtype == dtype


@each_function
@pytest.mark.parametrize("scalar", [2, True, 0.7, np.float64(0.7), np.float32(0.7), np.int8(2)])
def test_scalars_give_numpy_scalars(name: str, scalar: float) -> None:
    result = FUNCTIONS[name](scalar)
    expected = np.float32 if isinstance(scalar, np.float32) else np.float64
    assert type(result) is expected
    assert result == FUNCTIONS[name](np.array([scalar]))[0]


@each_function
@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint64, np.int64])
def test_integers_and_booleans_give_float64(name: str, dtype: type[np.generic]) -> None:
    x = np.ones((2, 2), dtype)
    result = FUNCTIONS[name](x)
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, FUNCTIONS[name](np.ones((2, 2))))


@each_function
def test_foreign_byte_order_gives_native_values(name: str) -> None:
    x = np.linspace(0.1, 9.0, 5)
    swapped = x.astype(x.dtype.newbyteorder())
    result = FUNCTIONS[name](swapped)
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, FUNCTIONS[name](x))


@each_function
def test_strides_do_not_change_values(name: str) -> None:
    x = np.linspace(-3.3, 30.2, 240).reshape(4, 6, 10)
    expected = FUNCTIONS[name](x)
    for view in (np.s_[::2, ::-1, 3::2], np.s_[..., 0], np.s_[1:3]):
        np.testing.assert_array_equal(FUNCTIONS[name](x[view]), expected[view])
    np.testing.assert_array_equal(
        FUNCTIONS[name](x.transpose(2, 0, 1)), expected.transpose(2, 0, 1)
    )
    np.testing.assert_array_equal(
        FUNCTIONS[name](np.broadcast_to(x[0, 0], (3, 10))),
        np.broadcast_to(expected[0, 0], (3, 10)),
    )


@each_function
def test_fortran_order_is_kept(name: str) -> None:
    x = np.asfortranarray(np.linspace(0.1, 20.0, 12).reshape(3, 4))
    result = FUNCTIONS[name](x)
    assert result.flags.f_contiguous
    np.testing.assert_array_equal(result, FUNCTIONS[name](np.ascontiguousarray(x)))


@each_function
@pytest.mark.parametrize("length", LENGTHS)
def test_a_value_does_not_depend_on_the_length_of_the_array(name: str, length: int) -> None:
    points = np.concatenate([np.linspace(-6.3, 12.3, 50), [0.0, np.nan, np.inf, 30.0, 200.0]])
    x = np.resize(points, length)
    one_by_one = np.array([FUNCTIONS[name](item) for item in points])
    np.testing.assert_array_equal(FUNCTIONS[name](x), np.resize(one_by_one, length))


@each_function
@pytest.mark.parametrize("length", LENGTHS)
def test_the_input_is_never_modified(name: str, length: int) -> None:
    x = np.resize(np.linspace(-5.7, 30.0, 60), length)
    before = x.copy()
    x.flags.writeable = False
    FUNCTIONS[name](x)
    np.testing.assert_array_equal(x, before)


@each_function
@pytest.mark.parametrize("x", [np.array(0.5), np.array([0.5]), np.ones((3, 2)), np.ones(0)])
def test_the_result_is_fresh_and_writable(name: str, x: Floats) -> None:
    first, second = FUNCTIONS[name](x), FUNCTIONS[name](x)
    assert first.flags.writeable
    assert not np.shares_memory(first, x)
    assert not np.shares_memory(first, second)


@each_function
def test_an_array_of_one_branch_is_as_good_as_a_mixed_one(name: str) -> None:
    x = np.array([-2.5, -0.3, 0.2, 0.6, 1.5, 4.0, 9.0, 40.0])
    mixed = FUNCTIONS[name](x)
    for i, item in enumerate(x):
        np.testing.assert_array_equal(FUNCTIONS[name](np.full(5, item)), np.full(5, mixed[i]))


# ---------------------------------------------------------------------------------------------
# Errors


@each_function
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (1j, r"the argument has dtype complex128\. .*real numbers only\. Pass x\.real"),
        (np.array([], np.complex64), r"the argument has dtype complex64\. .* Pass x\.real"),
        ("a", r"the argument has dtype <U1\. .*real numbers only\. Pass an array of floats"),
        (np.array([None]), r"the argument has dtype object\. .* Pass an array of floats"),
        (np.datetime64("2020-01-01"), r"the argument has dtype datetime64\[D\]\."),
    ],
)
def test_what_is_no_real_number_is_refused(name: str, x: object, message: str) -> None:
    with pytest.raises(TypeError, match=rf"^{name.split()[0]}: {message}"):
        FUNCTIONS[name](x)


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize <= 8, reason="long double is float64 here")
def test_extended_precision_is_refused_instead_of_narrowed() -> None:
    with pytest.raises(TypeError, match=r"^erf: .* accurate to float64 only\. Pass x\.astype"):
        erf(np.longdouble(0.5))


@pytest.mark.parametrize("n", [1.0, 1.5, "2", None])
def test_an_order_that_is_no_integer_is_refused(n: Any) -> None:
    with pytest.raises(TypeError, match=r"^polygamma: the order n is .* Pass an int"):
        polygamma(n, 1.0)


@pytest.mark.parametrize("n", [-1, 101])
def test_an_order_out_of_range_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match=rf"^polygamma: the order n is {n}\. .* orders 0 to 100"):
        polygamma(n, 1.0)


# ---------------------------------------------------------------------------------------------
# Laws

EPS = float(np.finfo(np.float64).eps)

finite = st.floats(allow_nan=False, allow_infinity=False)
moderate = st.floats(-30.0, 30.0)
positive = st.floats(1e-3, 1e6)
orders = st.integers(1, 12)


def close(actual: float, expected: float, *terms: float) -> None:
    """Equal to 16 ulp of the largest number in play: four values of 4 ulp each."""
    scale = max(abs(float(term)) for term in (actual, expected, *terms))
    assert abs(actual - expected) <= 16 * EPS * scale


@given(finite)
def test_erf_is_odd(x: float) -> None:
    assert erf(-x) == -erf(x)


@given(finite)
def test_erf_and_erfc_add_up_to_one(x: float) -> None:
    close(erf(x) + erfc(x), 1.0)


@given(finite)
def test_erfc_of_both_signs_adds_up_to_two(x: float) -> None:
    close(erfc(x) + erfc(-x), 2.0)


@given(finite)
def test_expit_of_both_signs_adds_up_to_one(x: float) -> None:
    close(expit(x) + expit(-x), 1.0)


@given(moderate)
def test_expit_inverts_the_logit(x: float) -> None:
    close(expit(x) / expit(-x), np.exp(x))


@pytest.mark.parametrize("name", ["erf", "erfc", "expit", "trigamma"])
@given(st.lists(st.floats(1e-3, 40.0), min_size=2, max_size=20))
def test_monotone_functions_are_monotone_to_rounding(name: str, points: list[float]) -> None:
    values = FUNCTIONS[name](np.sort(points))
    slack = 8 * EPS * np.abs(values[:-1])
    steps = np.diff(values)
    assert ((steps >= -slack) if name in {"erf", "expit"} else (steps <= slack)).all()


@given(positive)
def test_lgamma_grows_by_log_x(x: float) -> None:
    # x + 1 is rounded, which changes lgamma by its derivative, digamma.
    step = abs(digamma(x + 1.0)) * (x + 1.0)
    close(lgamma(x + 1.0) - lgamma(x), np.log(x), lgamma(x + 1.0), lgamma(x), step)


@given(positive)
def test_lgamma_obeys_the_duplication_formula(x: float) -> None:
    # Γ(x) Γ(x + ½) = 2^(1 − 2x) √π Γ(2x)
    product = lgamma(x) + lgamma(x + 0.5)
    expected = (1.0 - 2.0 * x) * np.log(2.0) + 0.5 * np.log(np.pi) + lgamma(2.0 * x)
    step = abs(digamma(x + 0.5)) * (x + 0.5)
    close(product, expected, lgamma(x), lgamma(2.0 * x), 2.0 * x, step)


@given(st.integers(1, 170))
def test_lgamma_of_integers_is_the_logarithm_of_a_factorial(n: int) -> None:
    close(lgamma(n), np.sum(np.log(np.arange(1.0, n))))


@given(positive)
def test_digamma_grows_by_one_over_x(x: float) -> None:
    step = trigamma(x + 1.0) * (x + 1.0)
    close(digamma(x + 1.0) - digamma(x), 1.0 / x, digamma(x + 1.0), digamma(x), step)


@given(st.floats(0.01, 0.99), st.integers(0, 50))
def test_digamma_obeys_the_reflection_formula(fraction: float, whole: int) -> None:
    x = whole + fraction
    fraction = x - whole
    cotangent = np.pi / np.tan(np.pi * fraction)
    # 1 − x is rounded, which changes digamma by trigamma.
    step = trigamma(1.0 - x) * (1.0 + abs(1.0 - x))
    close(digamma(1.0 - x) - digamma(x), cotangent, digamma(x), step)


@given(orders, positive)
def test_polygamma_falls_by_a_power_of_x(n: int, x: float) -> None:
    sign = (-1.0) ** (n + 1)
    power = np.exp(lgamma(n + 1.0)) * x ** -(n + 1.0)
    difference = sign * (polygamma(n, x) - polygamma(n, x + 1.0))
    # n! by exp(lgamma) has the absolute error of lgamma as its relative error.
    close(difference, power, polygamma(n, x), (1.0 + lgamma(n + 1.0)) * power)


@given(orders, st.floats(0.5, 50.0))
def test_polygamma_is_the_derivative_of_the_order_below(n: int, x: float) -> None:
    # Central differences of h and 2h, extrapolated: an error of h⁴, 1e-8 relative at h = x/200.
    h = 0.005 * x
    slopes = [
        (polygamma(n - 1, x + k * h) - polygamma(n - 1, x - k * h)) / (2.0 * k * h) for k in (1, 2)
    ]
    expected = (4.0 * slopes[0] - slopes[1]) / 3.0
    assert abs(polygamma(n, x) - expected) <= 1e-4 * abs(expected)


@given(finite)
def test_polygamma_of_order_zero_is_digamma(x: float) -> None:
    np.testing.assert_array_equal(polygamma(0, x), digamma(x))


@given(finite)
def test_polygamma_of_order_one_is_trigamma(x: float) -> None:
    np.testing.assert_array_equal(polygamma(1, x), trigamma(x))

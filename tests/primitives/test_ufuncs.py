"""ufuncs: the declared rules, options, methods, several results and complex variants."""

import functools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import funcgrad.numpy as fnp
from funcgrad import grad, jvp, vjp
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.protocols import DISPATCH
from funcgrad.errors import TracerAssignmentError, UnsupportedFunctionError
from funcgrad.transforms.vmap import vmap

sys.path.insert(0, str(Path(__file__).parent))
from checking import check, normal  # test files are no package

# Elementwise ufuncs with a rule; ldexp has an integer operand and its own test.
UFUNCS = sorted(
    (
        key
        for key in DISPATCH
        if isinstance(key, np.ufunc)
        and key.__name__ in PRIMITIVES
        and PRIMITIVES[key.__name__].family == "elementwise"
        and key is not np.ldexp
    ),
    key=lambda ufunc: ufunc.__name__,
)
ANALYTIC = [ufunc for ufunc in UFUNCS if PRIMITIVES[ufunc.__name__].analytic]


def points(ufunc: Any, *shapes: tuple[int, ...]) -> list[Any]:
    """Operands from the domain of a ufunc."""
    rng = np.random.default_rng(0)
    domain = PRIMITIVES[ufunc.__name__].domain
    return [
        rng.uniform(*interval, size=shape)
        for interval, shape in zip(domain, shapes * 2, strict=False)
    ]


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda ufunc: ufunc.__name__)
def test_the_rule_of_a_ufunc_is_right(ufunc: Any) -> None:
    check(ufunc, *points(ufunc, (7,)))
    check(ufunc, *points(ufunc, ()))
    if ufunc.nin == 2:
        check(ufunc, *points(ufunc, (3, 1), (4,)))


@pytest.mark.parametrize("ufunc", ANALYTIC, ids=lambda ufunc: ufunc.__name__)
def test_the_rule_of_an_analytic_ufunc_is_right_for_complex_numbers(ufunc: Any) -> None:
    real = points(ufunc, (5,))
    complex_ = [x + 1j * normal(5, seed=i) / 3 for i, x in enumerate(real)]
    check(ufunc, *complex_)
    if ufunc.nin == 2:
        check(ufunc, complex_[0], real[1])
        check(ufunc, real[0], complex_[1])


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda ufunc: ufunc.__name__)
def test_the_rule_of_a_ufunc_keeps_dtypes(ufunc: Any, dtype: Any) -> None:
    args = [x.astype(dtype) for x in points(ufunc, (5,))]
    plain = ufunc(*args)
    out, pullback = vjp(ufunc, *args)
    np.testing.assert_array_equal(out, plain)
    assert out.dtype == plain.dtype
    exact = vjp(ufunc, *(x.astype(np.float64) for x in args))[1](np.ones(5))
    eps = np.finfo(dtype).eps
    for found, expected in zip(pullback(np.ones_like(out)), exact, strict=True):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected.astype(dtype), rtol=30 * eps, atol=30 * eps)


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e160])
def test_arctan2_is_right_for_small_and_large_operands(size: float) -> None:
    found = grad(np.arctan2, argnums=(0, 1))(size, size)
    np.testing.assert_allclose(found, (0.5 / size, -0.5 / size))


# --- complex variants ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [np.abs, abs, np.sign, np.angle, lambda z: np.angle(z, deg=True), np.sinc],
    ids=["np.abs", "abs", "sign", "angle", "angle in degrees", "sinc"],
)
def test_a_function_has_a_rule_for_complex_numbers(function: Any) -> None:
    check(function, normal(5, dtype=np.complex128))


def test_the_absolute_value_and_sign_of_complex_zero_have_derivative_zero() -> None:
    z = np.zeros(2, np.complex128)
    np.testing.assert_array_equal(grad(lambda z: np.sum(np.abs(z)))(z), z)
    np.testing.assert_array_equal(jvp(np.sign, (z,), (z + 1,))[1], z)


def test_the_complex_maximum_goes_by_the_order_of_numpy() -> None:
    check(np.maximum, normal(5, dtype=np.complex128), normal(5, seed=1, dtype=np.complex128))


@pytest.mark.parametrize("name", ["cbrt", "fabs", "hypot", "arctan2", "logaddexp", "floor"])
def test_what_numpy_refuses_for_complex_numbers_is_refused(name: str) -> None:
    ufunc = getattr(np, name)
    z = normal(3, dtype=np.complex128)
    with pytest.raises(TypeError, match="not supported for the input types"):
        vjp(ufunc, *[z] * ufunc.nin)


# --- options ------------------------------------------------------------------------------------

MASK = np.array([True, False, True, False])


@pytest.mark.parametrize(
    ("ufunc", "masked_out"),
    [(np.log, 0.0), (np.sqrt, -1.0), (np.reciprocal, 0.0), (np.arcsin, 2.0), (np.exp, 1e4)],
)
def test_masked_out_elements_do_not_reach_the_gradient(ufunc: Any, masked_out: float) -> None:
    x = np.where(MASK, 0.5, masked_out)
    out, pullback = vjp(lambda x: ufunc(x, where=MASK), x)
    np.testing.assert_array_equal(out, np.where(MASK, ufunc(0.5), 0))
    (found,) = pullback(np.ones(4))
    np.testing.assert_array_equal(found, np.where(MASK, grad(ufunc)(0.5), 0))


def test_a_masked_out_division_by_a_python_zero_is_harmless() -> None:
    nothing = np.zeros(4, bool)
    found = grad(lambda x: np.sum(np.divide(x, 0.0, where=nothing)))(np.ones(4))
    np.testing.assert_array_equal(found, np.zeros(4))


def test_where_takes_a_mask_that_broadcasts() -> None:
    def f(x: Any, y: Any) -> Any:
        return np.multiply(x, y, where=MASK)

    out, pullback = vjp(f, 2.0 * np.ones((3, 1)), np.ones(4))
    np.testing.assert_array_equal(out, np.broadcast_to(2.0 * MASK, (3, 4)))
    x_bar, y_bar = pullback(np.ones((3, 4)))
    np.testing.assert_array_equal(x_bar, np.full((3, 1), 2.0))
    np.testing.assert_array_equal(y_bar, 6.0 * MASK)


def test_where_and_dtype_keep_the_dtype() -> None:
    x = np.ones(4, np.float32)
    out, pullback = vjp(lambda x: np.multiply(x, 2.0, where=MASK), x)
    assert out.dtype == np.float32
    assert pullback(out)[0].dtype == np.float32
    out, pullback = vjp(lambda x: np.sin(x, dtype=np.float32), np.ones(4))
    assert out.dtype == np.float32
    assert pullback(out)[0].dtype == np.float64


def test_an_unsafe_cast_is_refused_as_numpy_does() -> None:
    with pytest.raises(TypeError, match="casting rule 'safe'"):
        vjp(lambda x: np.sin(x, dtype=np.float32, casting="safe"), np.ones(2))


def test_an_unknown_option_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedFunctionError, match="signature="):
        vjp(lambda x: np.sin(x, signature="d->d"), np.ones(2))


@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "power", "arctan2"])
def test_the_functions_of_funcgrad_numpy_take_the_options_of_ufuncs(name: str) -> None:
    x, y = np.float32([0.5, 1.5, 2.5, 3.5]), np.float32(2)
    function, ufunc = getattr(fnp, name), getattr(np, name)
    expected = np.where(MASK, ufunc(x, y, dtype=np.float64), 0)
    for found in (
        function(x, y, where=MASK, dtype=np.float64),
        vjp(lambda x: function(x, y, where=MASK, dtype=np.float64, order="F"), x)[0],
    ):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == np.float64
    with pytest.raises(TracerAssignmentError, match="out="):
        function(x, y, out=np.zeros(4))


def test_a_division_by_the_middle_of_the_domain_is_no_pole_where_masked_out() -> None:
    nothing = np.zeros(2, bool)
    with np.errstate(all="raise"):
        out, _ = vjp(lambda x: np.floor_divide(x, x, where=nothing) + x, np.ones(2))
    np.testing.assert_array_equal(out, np.ones(2))


def test_functions_of_funcgrad_numpy_describe_themselves_as_ufuncs_do() -> None:
    for name in ("add", "sin", "modf", "vecdot", "maximum"):
        for attribute in ("nin", "nout", "nargs", "identity", "signature", "types"):
            found = getattr(getattr(fnp, name), attribute)
            assert found == getattr(getattr(np, name), attribute)
    np.testing.assert_array_equal(grad(lambda x: fnp.add.reduce(x * x))(np.ones(2)), [2.0, 2.0])


def test_at_is_refused_with_the_functional_replacement() -> None:
    def f(x: Any) -> Any:
        np.add.at(x, [0], 1.0)

    with pytest.raises(TracerAssignmentError, match=r"funcgrad.numpy.at\(x\)\[indices\].add"):
        grad(f)(np.ones(2))


def test_out_is_refused() -> None:
    with pytest.raises(TracerAssignmentError, match="out="):
        vjp(lambda x: np.sin(x, out=np.ones(2)), np.ones(2))


# --- methods ------------------------------------------------------------------------------------

REDUCED = [
    np.add, np.multiply, np.maximum, np.minimum, np.fmax, np.fmin, np.logaddexp, np.logaddexp2,
    np.hypot, np.subtract, np.divide, np.float_power, np.copysign,
]  # fmt: skip
POSITIVE = np.abs(normal(3, 4)) + 0.5


@pytest.mark.parametrize("ufunc", REDUCED, ids=lambda ufunc: ufunc.__name__)
def test_reduce_accumulate_and_reduceat_are_right(ufunc: Any) -> None:
    for axis in (0, -1):
        check(lambda x, axis=axis: ufunc.reduce(x, axis=axis), POSITIVE)
        check(lambda x, axis=axis: ufunc.reduce(x, axis=axis, keepdims=True), POSITIVE)
        check(lambda x, axis=axis: ufunc.accumulate(x, axis=axis), POSITIVE)
        for indices in ([0, 2], [1, 2], [1, 0, 2]):
            check(
                lambda x, axis=axis, indices=indices: ufunc.reduceat(x, indices, axis=axis),
                POSITIVE,
            )


@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "logaddexp", "hypot"])
def test_reduce_takes_all_axes_and_an_initial_value(name: str) -> None:
    ufunc = getattr(np, name)
    # NumPy starts from `initial`; the last bit may differ
    check(lambda x: ufunc.reduce(x, axis=None), POSITIVE, exact=False)
    check(lambda x: ufunc.reduce(x, initial=2.0), POSITIVE, exact=False)


def test_reductions_of_power_and_arctan2_are_those_of_one_element_after_the_other() -> None:
    # NumPy's own reduce of contiguous elements forgets all but two on some processors
    x = np.array([0.7, 1.1, 1.3, 0.9, 1.2])
    for ufunc in (np.power, np.arctan2):
        expected = functools.reduce(ufunc, x)
        for function in (ufunc.reduce, lambda x, ufunc=ufunc: ufunc.reduceat(x, [0])[0]):
            value, pullback = vjp(function, x)
            np.testing.assert_allclose(value, expected, rtol=1e-14)
            slopes = vjp(lambda x, ufunc=ufunc: functools.reduce(ufunc, x), x)[1](1.0)
            np.testing.assert_allclose(pullback(1.0), slopes, rtol=1e-12)


def test_reduceat_of_products_and_extrema_is_right_with_zeros_and_ties() -> None:
    x = np.array([0.0, 2.0, 3.0, 0.0, 0.0, 5.0])
    (found,) = vjp(lambda x: np.multiply.reduceat(x, [0, 3, 1]), x)[1](np.ones(3))
    # 0·2·3, then 0·… from 3 on the element itself (1 < 3), and 2·3·0·0·5
    np.testing.assert_array_equal(found, [6.0, 0.0, 0.0, 1.0, 0.0, 0.0])
    y = np.array([1.0, 1.0, 2.0, 2.0, 0.0])
    (found,) = vjp(lambda y: np.maximum.reduceat(y, [0, 2]), y)[1](np.ones(2))
    np.testing.assert_array_equal(found, [0.5, 0.5, 0.5, 0.5, 0.0])


def test_reduce_with_a_mask_skips_elements_of_every_ufunc() -> None:
    x = np.array([1.3, 0.4, 1.7, 0.8])
    mask = np.array([True, False, True, True])
    for ufunc in (np.subtract, np.divide, np.arctan2, np.fmod, np.copysign, np.logaddexp):

        def chained(x: Any, ufunc: Any = ufunc) -> Any:
            return functools.reduce(ufunc, [x[0], x[2], x[3]], 2.5)

        value, pullback = vjp(lambda x, u=ufunc: u.reduce(x, initial=2.5, where=mask), x)
        expected, slopes = vjp(chained, x)
        np.testing.assert_allclose(value, expected, rtol=1e-14)
        np.testing.assert_allclose(pullback(1.0), slopes(1.0), rtol=1e-12)


def test_a_mask_without_an_initial_value_is_refused_where_there_is_no_identity() -> None:
    with pytest.raises(ValueError, match="does not have an identity"):
        vjp(lambda x: np.subtract.reduce(x, where=x > 0), POSITIVE)
    with pytest.raises(ValueError, match="zero-size array"):
        vjp(np.subtract.reduce, np.zeros(0))
    np.testing.assert_array_equal(vjp(np.hypot.reduce, np.zeros((0, 2)))[0], [0.0, 0.0])


def test_reduce_of_hypot_has_derivative_zero_at_the_origin() -> None:
    np.testing.assert_array_equal(grad(np.hypot.reduce)(np.zeros(3)), np.zeros(3))
    np.testing.assert_array_equal(grad(np.hypot.reduce)(np.array([3.0, -4.0])), [0.6, -0.8])


@pytest.mark.parametrize("value", [-np.inf, np.inf, 1e300])
def test_equal_elements_share_the_derivative_of_logaddexp_reduce(value: float) -> None:
    found = grad(np.logaddexp.reduce)(np.array([value, value, -np.inf]))
    expected = [1 / 3] * 3 if value == -np.inf else [0.5, 0.5, 0.0]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("n", [4097, 10000])
def test_long_axes_are_right_too(n: int) -> None:
    x = 1 + normal(n) / n
    weights = normal(n, seed=1)
    found = grad(lambda x: np.sum(np.multiply.accumulate(x) * weights))(x)
    running = np.cumprod(x) * weights
    np.testing.assert_allclose(found, np.cumsum(running[::-1])[::-1] / x, rtol=1e-9)
    found = grad(lambda x: np.sum(np.divide.accumulate(x) * weights))(x)
    running = np.divide.accumulate(x) * weights
    behind = -np.cumsum(running[::-1])[::-1] / x
    behind[0] = -behind[0]
    np.testing.assert_allclose(found, behind, rtol=1e-9)
    np.testing.assert_allclose(
        grad(np.divide.reduce)(x), np.divide.reduce(x) / x * ([1] + [-1] * (n - 1)), rtol=1e-9
    )


def test_subtract_reduces_over_one_axis_only() -> None:
    with pytest.raises(ValueError, match="not reorderable"):
        vjp(lambda x: np.subtract.reduce(x, axis=None), POSITIVE)


def test_ties_of_running_maxima_share_evenly() -> None:
    weights = np.arange(1.0, 6.0)
    x = np.array([1.0, 1.0, 0.0, 2.0, 2.0])
    found = grad(lambda x: np.sum(np.maximum.accumulate(x) * weights))(x)
    np.testing.assert_array_equal(found, [3.5, 2.5, 0.0, 6.5, 2.5])


def test_logaddexp_reduces_infinite_values() -> None:
    found = grad(np.logaddexp.reduce)(np.array([-np.inf, 0.0, 0.0]))
    np.testing.assert_allclose(found, [0.0, 0.5, 0.5])


@pytest.mark.parametrize(
    "ufunc", [np.add, np.subtract, np.divide, np.maximum, np.arctan2], ids=lambda u: u.__name__
)
def test_outer_takes_all_pairs(ufunc: Any) -> None:
    check(ufunc.outer, POSITIVE[:2, :2], POSITIVE[2])


def test_methods_of_comparisons_give_plain_values() -> None:
    seen: list[Any] = []

    def f(x: Any) -> Any:
        seen.append(np.logical_and.reduce(x > 0))
        seen.append(np.greater.outer(x, x))
        return np.sum(x)

    grad(f)(np.array([1.0, 2.0]))
    assert seen[0] is np.True_
    np.testing.assert_array_equal(seen[1], [[False, False], [True, False]])


def test_logical_reductions_can_be_mapped() -> None:
    x = np.arange(12).reshape(3, 4)
    found = vmap(lambda row: np.logical_or.reduce(row > 5))(x)
    np.testing.assert_array_equal(found, [False, True, True])


# --- several results, and further functions -------------------------------------------------------

PARTS: dict[str, Any] = {
    "modf": lambda x: np.modf(x)[0],
    "frexp": lambda x: np.frexp(x)[0],
    "ldexp": lambda x: np.ldexp(x, np.array([1, 2, -3, 0])),
    "divmod": lambda x: divmod(x, np.array([0.7, 0.8, 0.9, 1.1]))[1],
    "np.divmod by x": lambda x: np.divmod(3.1, x)[1],
    "real angle": np.angle,
}


@pytest.mark.parametrize("function", PARTS.values(), ids=PARTS.keys())
def test_a_function_with_jumps_is_right_between_them(function: Any) -> None:
    check(function, np.array([1.3, -2.3, 0.3, 3.6]))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.modf(x)[1],
        lambda x: np.divmod(x, 0.7)[0],
        lambda x: np.round(x, 1),
        np.around,
        np.fix,
        np.spacing,
        round,
    ],
)
def test_a_step_function_has_derivative_zero(function: Any) -> None:
    value, slope = jvp(function, (np.float64(1.37),), (np.float64(1.0),))
    assert value == function(np.float64(1.37))
    assert slope == 0


def test_nextafter_follows_its_first_operand() -> None:
    check(np.nextafter, normal(3), normal(3, seed=1))


def test_float_power_computes_in_double_precision() -> None:
    x = np.array([0.5, 2.0], np.float32)
    out, pullback = vjp(lambda x: np.float_power(x, 3), x)
    assert out.dtype == np.float64
    (found,) = pullback(np.ones(2))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.float32([0.75, 12.0]))


@pytest.mark.parametrize("x", [0.0, 1e-9, 1e-3, 0.3, 0.6, 0.7, 0.9, 1.5, 3.3])
def test_sinc_is_right_everywhere(x: float) -> None:
    check(np.sinc, np.array([x, -x]))


# n-th derivatives of sin(πx)/(πx), from its integral ∫₀¹ (πt)ⁿ cos(πxt + nπ/2) dt by 200-point
# Gauss-Legendre quadrature.
@pytest.mark.parametrize("order", range(1, 8))
def test_sinc_has_derivatives_of_all_orders(order: int) -> None:
    nodes, weights = np.polynomial.legendre.leggauss(200)
    t = (nodes + 1) / 2
    function = np.sinc
    for _ in range(order):
        function = (lambda f: lambda x: jvp(f, (x,), (np.ones_like(x),))[1])(function)
    x = np.array([0.0, 1e-6, 0.1, 0.5, 0.64, 0.7, 0.9, 1.0, 1.2, 2.0, 5.0])
    phase = np.pi * x[:, None] * t + order * np.pi / 2
    expected = ((np.pi * t) ** order * np.cos(phase)) @ weights / 2
    np.testing.assert_allclose(function(x), expected, rtol=1e-11, atol=1e-12 * np.pi**order)


NAN = np.nan
BESIDE_NAN = {
    "maximum": ((1.0, 0.0), (0.0, 1.0)),  # NaN is the result, so it has the derivative
    "minimum": ((1.0, 0.0), (0.0, 1.0)),
    "fmax": ((0.0, 1.0), (1.0, 0.0)),  # the number is the result
    "fmin": ((0.0, 1.0), (1.0, 0.0)),
}


@pytest.mark.parametrize("name", BESIDE_NAN)
@pytest.mark.parametrize("size", [None, 3, 2000])
def test_the_operand_that_is_the_result_has_the_derivative_beside_nan(name: str, size: Any) -> None:
    f = getattr(np, name)

    def like(x: float) -> Any:
        return x if size is None else np.full(size, x)

    expected = [((NAN, 1.0), BESIDE_NAN[name][0]), ((1.0, NAN), BESIDE_NAN[name][1])]
    expected.append(((NAN, NAN), (0.5, 0.5)))  # two alike share, as ties do
    for (x, y), parts in expected:
        found = grad(lambda x, y: np.sum(f(x, y)), (0, 1))(like(x), like(y))
        for ct, part in zip(found, parts, strict=True):
            np.testing.assert_array_equal(ct, like(part))
        for dots in ((1.0, 0.0), (0.0, 1.0)):
            out_dot = jvp(f, (like(x), like(y)), tuple(map(like, dots)))[1]
            np.testing.assert_array_equal(out_dot, like(parts[dots.index(1.0)]))


@pytest.mark.parametrize("name", BESIDE_NAN)
def test_one_nan_leaves_the_derivatives_of_its_neighbours_alone(name: str) -> None:
    x = np.array([1.0, NAN, 3.0, 2.0])
    y = np.array([2.0, 1.0, 3.0, 1.0])
    by_x, by_y = grad(lambda x, y: np.sum(getattr(np, name)(x, y)), (0, 1))(x, y)
    high = np.array([0.0, 0.0, 0.5, 1.0]) if "max" in name else np.array([1.0, 0.0, 0.5, 0.0])
    np.testing.assert_array_equal(by_x[[0, 2, 3]], high[[0, 2, 3]])
    np.testing.assert_array_equal(by_x + by_y, np.ones(4))
    mapped = vmap(grad(getattr(np, name)))(x, y)
    np.testing.assert_array_equal(mapped, by_x)

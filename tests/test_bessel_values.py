"""Bessel and Airy functions: values, ends, shapes and types of funcgrad.special_values."""

from typing import Any

import numpy as np
import pytest

from funcgrad import special_values

# Computed in 40 digits with mpmath 1.3.0, rounded to double precision.
REFERENCE: dict[str, list[tuple[float, float]]] = {
    "airy_ai": [
        (-30.0, -0.08796818845684216),
        (-12.6, -0.21808009991802657),
        (-12.4, -0.30029984453501424),
        (-7.5, 0.3217757163806479),
        (-2.3, 0.02670633305735697),
        (-0.3, 0.43090309528558085),
        (0.4, 0.2547423542956763),
        (1.45, 0.07675466712669955),
        (1.55, 0.06701337013006504),
        (6.0, 9.947694360252889e-06),
        (30.0, 3.2082175915504954e-49),
    ],
    "j0": [
        (-3.0, -0.26005195490193345),
        (1e-08, 1.0),
        (0.9, 0.8075237981225448),
        (1.1, 0.719622018527511),
        (2.404825557695773, -6.10876525973673e-17),
        (8.0, 0.1716508071375539),
        (24.9, 0.0832459683530155),
        (25.1, 0.10827567149994945),
        (60.0, -0.09147180408906187),
    ],
    "j1": [
        (-3.0, -0.3390589585259365),
        (1e-08, 5e-09),
        (0.9, 0.4059495460788057),
        (1.1, 0.470902394866293),
        (3.83, 0.000687248220597037),
        (8.0, 0.23463634685391463),
        (24.9, -0.13485569953140886),
        (25.1, -0.11463478413442257),
        (60.0, 0.046598383758166315),
    ],
    "y0": [
        (1e-08, -11.80077387717953),
        (0.9, 0.005628306635205559),
        (1.1, 0.1621632029268868),
        (3.0, 0.3768500100127904),
        (8.0, 0.22352148938756622),
        (24.9, -0.13649918399676522),
        (25.1, -0.11676770763803694),
        (60.0, 0.0473589522094494),
    ],
    "y1": [
        (1e-08, -63661977.236758195),
        (0.9, -0.8731265824563288),
        (1.1, -0.698119560067667),
        (3.0, 0.3246744247918),
        (8.0, -0.1580604617312475),
        (24.9, -0.08600255759555425),
        (25.1, -0.11062223322783099),
        (60.0, 0.09186960936986689),
    ],
    "k0": [
        (1e-08, 18.536612259610777),
        (0.9, 0.4867303081629005),
        (1.0, 0.42102443824070834),
        (1.1, 0.36560239154318586),
        (3.0, 0.03473950438627925),
        (60.0, 1.4138978405591078e-27),
        (600.0, 1.3558285309948523e-262),
    ],
    "k1": [
        (1e-08, 99999999.9999999),
        (0.9, 0.7165335787760191),
        (1.0, 0.6019072301972346),
        (1.1, 0.509760027167027),
        (3.0, 0.040156431128194184),
        (60.0, 1.4256320265171043e-27),
        (600.0, 1.356957918112806e-262),
    ],
    "k0e": [
        (1e-08, 18.536612444976903),
        (0.9, 1.1971633802518509),
        (1.0, 1.144463079806895),
        (1.1, 1.0983302829475998),
        (3.0, 0.6977615980438517),
        (60.0, 0.16146817823629392),
        (1000000.0, 0.0012533139806513213),
    ],
    "k1e": [
        (1e-08, 100000000.99999991),
        (0.9, 1.7623882196059197),
        (1.0, 1.6361534862632583),
        (1.1, 1.5314037539811933),
        (3.0, 0.8065634801287869),
        (60.0, 0.16280823094404426),
        (1000000.0, 0.0012533146073081549),
    ],
}
OSCILLATING = ("j0", "j1", "y0", "y1")
EPS = 2.0**-52


def size_of(name: str, x: Any, value: Any) -> Any:
    """What errors are relative to: the value, or the height of the waves it belongs to."""
    with np.errstate(divide="ignore"):
        if name in OSCILLATING:
            return np.maximum(np.abs(value), np.sqrt(2 / np.pi / np.abs(x)))
        if name == "airy_ai":
            waves = np.abs(x) ** -0.25 / np.sqrt(np.pi)
            return np.where(x < 0, np.maximum(np.abs(value), waves), np.abs(value))
    return np.abs(value)


@pytest.mark.parametrize("name", REFERENCE)
def test_recorded_values_are_met(name: str) -> None:
    x, expected = np.array(REFERENCE[name]).T
    with np.errstate(all="raise"):
        found = getattr(special_values, name)(x)
    # the phase of Ai is about 110 at x = ±30, so its rounding alone is 55 units
    bound = 64 * EPS if name == "airy_ai" else 8 * EPS
    assert np.max(np.abs(found - expected) / size_of(name, x, expected)) <= bound


ENDS: dict[str, tuple[list[float], list[float]]] = {
    "j0": ([0.0, np.inf, -np.inf, np.nan], [1.0, 0.0, 0.0, np.nan]),
    "j1": ([0.0, np.inf, -np.inf, np.nan], [0.0, 0.0, 0.0, np.nan]),
    "y0": ([0.0, np.inf, -1.0, np.nan], [-np.inf, 0.0, np.nan, np.nan]),
    "y1": ([0.0, np.inf, -1.0, np.nan], [-np.inf, 0.0, np.nan, np.nan]),
    "k0": ([0.0, np.inf, -1.0, np.nan], [np.inf, 0.0, np.nan, np.nan]),
    "k1": ([0.0, np.inf, -1.0, np.nan], [np.inf, 0.0, np.nan, np.nan]),
    "k0e": ([0.0, np.inf, -1.0, np.nan], [np.inf, 0.0, np.nan, np.nan]),
    "k1e": ([0.0, np.inf, -1.0, np.nan], [np.inf, 0.0, np.nan, np.nan]),
    "airy_ai": ([np.inf, -np.inf, np.nan], [0.0, 0.0, np.nan]),
}


@pytest.mark.parametrize("name", ENDS)
def test_ends_have_their_limits_without_warnings(name: str) -> None:
    x, expected = ENDS[name]
    with np.errstate(all="raise"):
        found = getattr(special_values, name)(np.array(x))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", REFERENCE)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_shapes_and_types_are_kept_and_values_rounded_once(name: str, dtype: Any) -> None:
    x = np.linspace(0.25, 8, 12, dtype=dtype).reshape(3, 4)
    function = getattr(special_values, name)
    found = function(x)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, function(x.astype(np.float64)).astype(dtype))
    assert function(np.zeros((0, 2), dtype)).shape == (0, 2)
    assert type(function(1.5)) is np.float64


@pytest.mark.oracle
@pytest.mark.parametrize("name", REFERENCE)
def test_scipy_agrees_on_a_dense_grid(name: str) -> None:
    special = pytest.importorskip("scipy.special")
    x = np.concatenate([np.geomspace(1e-12, 1, 500), np.linspace(1, 90, 5000)])
    if name in ("j0", "j1", "airy_ai"):
        x = np.concatenate([x, -x])
    exact = (lambda x: special.airy(x)[0]) if name == "airy_ai" else getattr(special, name)
    expected = exact(x)
    error = np.abs(getattr(special_values, name)(x) - expected) / size_of(name, x, expected)
    # both round phases and exponents, which are up to 570 for Ai
    assert np.nanmax(error) <= (1000 if name == "airy_ai" else 32) * EPS


@pytest.mark.parametrize("function", ["zeta", "gammainc", "gammaincc", "gamma_density"])
def test_functions_of_two_operands_broadcast_and_keep_types(function: str) -> None:
    value = getattr(special_values, function)
    a, x = np.array([[1.5], [2.5]], np.float32), np.array([0.5, 1.0, 2.0], np.float32)
    found = value(a, x)
    assert found.shape == (2, 3)
    assert found.dtype == np.float32
    assert value(2, x).dtype == np.float32
    assert type(value(2.0, 1.0)) is np.float64
    with pytest.raises(TypeError, match=f"{function}: the argument has dtype complex"):
        value(a, 1j)

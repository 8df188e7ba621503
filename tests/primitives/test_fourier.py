"""Discrete Fourier transforms: closed forms, lengths, factors, dtypes and mistakes."""

from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.errors import InputDtypeError, TracerAssignmentError
from tests.primitives.checking import check, normal

NAMES = sorted(set(np.fft.__all__) - {"fftfreq", "rfftfreq"})
TO_COMPLEX = ["fft", "ifft", "rfft", "ihfft", "fft2", "ifft2", "rfft2", "fftn", "ifftn", "rfftn"]
TO_REAL = ["irfft", "hfft", "irfft2", "irfftn"]


def energy(y: Any) -> Any:
    return np.sum(np.abs(y) ** 2)


def test_every_function_of_numpy_fft_is_in_funcgrad_numpy_fft() -> None:
    assert set(np.fft.__all__) == set(fnp.fft.__all__)
    assert all(hasattr(fnp.fft, name) for name in np.fft.__all__)


def test_frequencies_are_numpys_own() -> None:
    np.testing.assert_array_equal(fnp.fft.fftfreq(5, 0.1), np.fft.fftfreq(5, 0.1))
    np.testing.assert_array_equal(fnp.fft.rfftfreq(5, 0.1), np.fft.rfftfreq(5, 0.1))


@pytest.mark.parametrize("name", NAMES)
def test_the_traced_value_is_numpys_bit_for_bit(name: str) -> None:
    x = normal(3, 4)
    check(getattr(np.fft, name), x, second=False)


@pytest.mark.parametrize("name", TO_COMPLEX)
def test_float32_gives_complex64_and_a_gradient_in_float32(name: str) -> None:
    x = normal(3, 4, dtype=np.float32)
    y, pull = fg.vjp(getattr(np.fft, name), x)
    assert y.dtype == np.complex64
    assert pull(y)[0].dtype == np.float32


@pytest.mark.parametrize("name", TO_REAL)
def test_complex64_gives_float32_and_a_gradient_in_complex64(name: str) -> None:
    z = normal(3, 4, dtype=np.complex64)
    y, pull = fg.vjp(getattr(np.fft, name), z)
    assert y.dtype == np.float32
    assert pull(y)[0].dtype == np.complex64


@pytest.mark.parametrize(("norm", "factor"), [("backward", 5.0), ("ortho", 1.0), ("forward", 0.2)])
def test_the_gradient_of_the_energy_of_a_spectrum_is_parsevals(norm: Any, factor: float) -> None:
    x, z = normal(5), normal(5, dtype=complex)
    np.testing.assert_allclose(
        fg.grad(lambda x: energy(np.fft.fft(x, norm=norm)))(x), 2 * factor * x, atol=1e-14
    )
    np.testing.assert_allclose(
        fg.grad(lambda z: energy(np.fft.fft(z, norm=norm)))(z), 2 * factor * z.conj(), atol=1e-14
    )


@pytest.mark.parametrize("n", [4, 5])
def test_the_first_and_the_middle_coefficient_of_a_real_signal_count_once(n: int) -> None:
    x = normal(n)
    slopes = fg.grad(lambda x: energy(np.fft.rfft(x)))(x)
    whole = np.abs(np.fft.fft(x)) ** 2
    halves = np.abs(np.fft.rfft(x)) ** 2
    assert np.sum(halves) < np.sum(whole)
    k = np.arange(n // 2 + 1)
    cosines = np.cos(2 * np.pi * np.subtract.outer(np.arange(n), np.arange(n))[..., None] * k / n)
    np.testing.assert_allclose(slopes, 2 * np.sum(cosines, axis=-1) @ x, atol=1e-13)


@pytest.mark.parametrize(("n", "real_ones"), [(6, [0, 3]), (5, [0])])
def test_imaginary_parts_that_irfft_drops_have_derivative_zero(
    n: int, real_ones: list[int]
) -> None:
    z = normal(n // 2 + 1, dtype=complex)
    slopes = fg.grad(lambda z: np.sum(np.fft.irfft(z, n) ** 3))(z)
    assert np.all(slopes.imag[real_ones] == 0)
    others = np.delete(slopes.imag, real_ones)
    assert np.all(others != 0)


def test_elements_that_are_cut_off_have_derivative_zero() -> None:
    slopes = fg.grad(lambda x: energy(np.fft.fft(x, 3)))(np.arange(1.0, 6.0))
    np.testing.assert_allclose(slopes, [6.0, 12.0, 18.0, 0.0, 0.0], atol=1e-14)


def test_zeros_behind_a_signal_do_not_change_its_slope() -> None:
    slopes = fg.grad(lambda x: energy(np.fft.fft(x, 8)))(np.arange(1.0, 4.0))
    np.testing.assert_allclose(slopes, [16.0, 32.0, 48.0], atol=1e-13)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.fft.fftn(x, (-1, 6), (0, 1)),
        lambda x: np.fft.ifftn(x, (2, -1), (-1, 0), "ortho"),
        lambda x: np.fft.rfftn(x, (5, 3), (0, 0)),
        lambda x: np.fft.irfftn(x, (4, -1), (1, 0), "forward"),
        lambda x: np.fft.irfftn(x, axes=(0, 0)),
        lambda x: np.fft.fftn(x, axes=()),
        lambda x: np.fft.irfft2(x, (3, 5)),
    ],
)
def test_lengths_of_minus_one_and_repeated_axes_are_differentiated(call: Any) -> None:
    check(call, normal(3, 4, 2), second=False)


def test_a_transform_and_its_inverse_have_the_identity_as_jacobian() -> None:
    x = normal(7)
    there_and_back = lambda x: np.fft.irfft(np.fft.rfft(x), 7)  # used twice
    np.testing.assert_allclose(fg.jacrev(there_and_back)(x), np.eye(7), atol=1e-15)
    np.testing.assert_allclose(fg.jacfwd(there_and_back)(x), np.eye(7), atol=1e-15)


def test_the_transform_of_a_complex_signal_is_holomorphic() -> None:
    z = normal(4, dtype=complex)
    jacobian = fg.jacrev(np.fft.fft, holomorphic=True)(z)
    np.testing.assert_allclose(jacobian, np.fft.fft(np.eye(4)), atol=1e-15)


def test_the_second_derivative_of_a_spectrums_energy_is_constant() -> None:
    hessian = fg.hessian(lambda x: energy(np.fft.fft(x)))(normal(4))
    np.testing.assert_allclose(hessian, 8 * np.eye(4), atol=1e-14)


@pytest.mark.parametrize("axes", [None, 0, -1, (0, 1), (1, 1)])
def test_a_shift_is_undone_in_its_gradient(axes: Any) -> None:
    x, weights = normal(3, 4), normal(3, 4, seed=1)
    slopes = fg.grad(lambda x: np.sum(weights * np.fft.fftshift(x, axes)))(x)
    np.testing.assert_array_equal(slopes, np.fft.ifftshift(weights, axes))


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"fftshift", "ifftshift"}))
@pytest.mark.parametrize("xp", [np, fnp], ids=["np", "fnp"])
def test_an_out_array_is_refused(name: str, xp: Any) -> None:
    function = getattr(xp.fft, name)
    with pytest.raises(TracerAssignmentError, match=rf"{name}: out= .* Leave out= away"):
        fg.grad(lambda x: energy(function(x, out=np.zeros((3, 4), complex))))(normal(3, 4))


@pytest.mark.parametrize("name", ["rfft", "rfftn", "rfft2", "ihfft"])
def test_a_real_transform_of_complex_values_is_refused(name: str) -> None:
    with pytest.raises(InputDtypeError, match=r"a complex operand of shape \(2, 2\)"):
        fg.grad(lambda z: energy(getattr(np.fft, name)(z)))(np.ones((2, 2), complex))


def test_mistakes_in_the_arguments_raise_as_in_numpy() -> None:
    gradient = fg.grad(lambda x, **options: energy(np.fft.fft(x, **options)))
    with pytest.raises(ValueError, match="Invalid norm value"):
        gradient(normal(3), norm="both")
    with pytest.raises(ValueError, match="Invalid number of FFT data points"):
        gradient(normal(3), n=0)
    with pytest.raises(np.exceptions.AxisError):
        gradient(normal(3), axis=1)
    with pytest.raises(ValueError, match="different lengths"):
        fg.grad(lambda x: energy(np.fft.fftn(x, (2, 2), (0,))))(normal(3))


def test_vmap_computes_all_examples_with_one_transform() -> None:
    x = normal(50, 8)
    expected = np.fft.rfft(x)
    np.testing.assert_array_equal(fg.vmap(np.fft.rfft)(x), expected)
    program = fg.make_program(fg.vmap(np.fft.rfft))(x)
    assert [str(item.primitive) for item in program.items].count("rfft") == 1

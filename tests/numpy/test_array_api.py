"""funcgrad.numpy as a namespace of the array API standard 2024.12.

The standard's own test-suite is run by `python -m tests.array_api`; here is what it cannot see:
code that is written against the standard is differentiated unchanged.
"""

import inspect
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.errors import TracerArrayConversionError
from funcgrad.testing import check_grads


def _words(text: str) -> list[str]:
    return text.split()


NAMES = _words("""
    e inf nan newaxis pi
    bool complex64 complex128 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64
    arange asarray empty empty_like eye from_dlpack full full_like linspace meshgrid ones ones_like
    tril triu zeros zeros_like
    astype broadcast_arrays broadcast_to can_cast finfo iinfo isdtype result_type
    abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_invert
    bitwise_or bitwise_right_shift bitwise_xor ceil clip conj copysign cos cosh divide equal exp
    expm1 floor floor_divide greater greater_equal hypot imag isfinite isinf isnan less less_equal
    log log1p log2 log10 logaddexp logical_and logical_not logical_or logical_xor maximum minimum
    multiply negative nextafter not_equal positive pow real reciprocal remainder round sign signbit
    sin sinh square sqrt subtract tan tanh trunc
    take take_along_axis matmul matrix_transpose tensordot vecdot
    concat expand_dims flip moveaxis permute_dims repeat reshape roll squeeze stack tile unstack
    argmax argmin count_nonzero nonzero searchsorted where
    unique_all unique_counts unique_inverse unique_values argsort sort
    cumulative_prod cumulative_sum max mean min prod std sum var all any diff
    linalg.cholesky linalg.cross linalg.det linalg.diagonal linalg.eigh linalg.eigvalsh linalg.inv
    linalg.matmul linalg.matrix_norm linalg.matrix_power linalg.matrix_rank linalg.matrix_transpose
    linalg.outer linalg.pinv linalg.qr linalg.slogdet linalg.solve linalg.svd linalg.svdvals
    linalg.tensordot linalg.trace linalg.vecdot linalg.vector_norm
    fft.fft fft.ifft fft.fftn fft.ifftn fft.rfft fft.irfft fft.rfftn fft.irfftn fft.hfft fft.ihfft
    fft.fftfreq fft.rfftfreq fft.fftshift fft.ifftshift
    __array_namespace_info__
""")


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_the_standard_is_there(name: str):
    found: Any = fnp
    for part in name.split("."):
        found = getattr(found, part)


def namespace_of(x: Any) -> Any:
    found = []

    def ask(y):
        found.append(y.__array_namespace__())
        return y.sum()

    fg.grad(ask)(x)
    return found[0]


def test_traced_values_know_their_namespace():
    assert namespace_of(np.ones(3)) is fnp


@pytest.mark.parametrize("version", ["2021.12", "2022.12", "2023.12", "2024.12", None])
def test_versions_of_the_standard_may_be_asked_for(version):
    def ask(y):
        assert y.__array_namespace__(api_version=version) is fnp
        return y.sum()

    fg.grad(ask)(np.ones(3))


def test_an_unknown_version_is_refused():
    with pytest.raises(ValueError, match=r"2199\.01"):
        fg.grad(lambda y: y.__array_namespace__(api_version="2199.01").sum(y))(np.ones(3))


def test_the_questions_about_the_namespace_have_numpys_answers():
    info = fnp.__array_namespace_info__()
    assert info.default_device() == "cpu"
    assert info.default_dtypes()["real floating"] == np.float64
    assert fnp.isdtype(np.dtype(np.float32), "real floating")
    assert fnp.result_type(np.float32, np.complex64) == np.complex64


# --- code written against the standard --------------------------------------------------------


def attention(q, k, v):
    xp = q.__array_namespace__()
    scores = q @ k.mT / xp.sqrt(xp.asarray(q.shape[-1], dtype=q.dtype))
    scores = scores - xp.max(scores, axis=-1, keepdims=True)
    weights = xp.exp(scores)
    return (weights / xp.sum(weights, axis=-1, keepdims=True)) @ v


def normalised(x):
    xp = x.__array_namespace__()
    mean = xp.mean(x, axis=-1, keepdims=True)
    spread = xp.std(x, axis=-1, correction=1, keepdims=True)
    return xp.astype((x - mean) / spread, x.dtype)


def gaussian(x, a):
    xp = x.__array_namespace__()
    cov = a @ a.mT + 3 * xp.eye(a.shape[0], dtype=a.dtype)
    factor = xp.linalg.cholesky(cov)
    z = xp.linalg.solve(factor, x[:, xp.newaxis])
    return -0.5 * xp.vecdot(z[:, 0], z[:, 0]) - xp.sum(xp.log(xp.linalg.diagonal(factor)))


def filtered(x):
    xp = x.__array_namespace__()
    spectrum = xp.fft.rfft(x)
    damped = spectrum * xp.exp(-(xp.fft.rfftfreq(x.shape[0]) ** 2))
    return xp.fft.irfft(damped, n=x.shape[0])


def assembled(x):
    xp = x.__array_namespace__()
    parts = xp.unstack(xp.reshape(x, (3, -1)), axis=0)
    whole = xp.concat([xp.flip(parts[0]), xp.cumulative_sum(parts[1]), parts[2] ** 2])
    order = xp.argsort(whole)
    chosen = xp.where(xp.take(whole, order) > 0, xp.take(whole, order), xp.zeros_like(whole))
    return xp.stack([chosen, xp.roll(chosen, 1)]) if xp.isdtype(x.dtype, "real floating") else x


RNG = np.random.default_rng(0)
PROGRAMS = [
    (attention, [RNG.normal(size=(2, 3, 4)) for _ in range(3)]),
    (normalised, [RNG.normal(size=(3, 5))]),
    (gaussian, [RNG.normal(size=4), RNG.normal(size=(4, 4))]),
    (filtered, [RNG.normal(size=9)]),
    (assembled, [RNG.normal(size=12)]),
]


@pytest.mark.parametrize(("program", "args"), PROGRAMS, ids=lambda p: getattr(p, "__name__", ""))
def test_code_written_against_the_standard_is_differentiated_unchanged(program, args):
    def total(*xs):
        return (program(*xs) ** 2).sum()

    every = tuple(range(len(args)))
    value, gradient = fg.value_and_grad(total, every)(*args)
    np.testing.assert_allclose(value, total(*args))
    check_grads(total, args, order=2)
    single = [x.astype(np.float32) for x in args]
    for found, x in zip(fg.grad(total, every)(*single), single, strict=True):
        assert found.dtype == np.float32
        assert found.shape == x.shape
    stacked = [np.stack([x, x * 1.1]) for x in args]
    mapped = fg.vmap(fg.grad(total, every))(*stacked)
    for found, expected in zip(mapped, gradient, strict=True):
        np.testing.assert_allclose(found[0], expected, rtol=1e-9, atol=1e-12)


# --- the array object -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dtype", "device", "mT", "ndim", "shape", "size", "T"])
def test_traced_values_have_the_attributes_of_the_standard(name):
    x = np.arange(6.0).reshape(2, 3)

    def ask(y):
        found = getattr(y, name)
        expected = getattr(x, name)
        if isinstance(expected, np.ndarray):
            assert found.shape == expected.shape
        else:
            assert found == expected
        return y.sum()

    fg.grad(ask)(x)


def test_to_device_of_the_cpu_is_the_value_itself():
    def f(x):
        assert x.to_device("cpu") is x
        with pytest.raises(ValueError, match="gpu"):
            x.to_device("gpu")
        return x.sum()

    fg.grad(f)(np.ones(2))


def test_a_traced_value_is_not_exported_by_dlpack():
    def f(x):
        with pytest.raises(TracerArrayConversionError):
            np.from_dlpack(x)
        return x.sum()

    fg.grad(f)(np.ones(2))


@pytest.mark.parametrize("name", ["zeros", "ones", "eye", "full", "asarray", "zeros_like"])
def test_creation_functions_take_a_device(name):
    assert "device" in inspect.signature(getattr(fnp, name)).parameters or name in (
        "zeros",
        "ones",
        "eye",
    )
    args = {"eye": (2,), "full": ((2,), 1.0), "asarray": ([1.0],), "zeros_like": (np.ones(2),)}
    getattr(fnp, name)(*args.get(name, ((2,),)), device="cpu")

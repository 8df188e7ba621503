"""One check for a function of arrays: value, both modes, their second order, batching, dtypes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad import jvp, vjp
from funcgrad.testing import numerical_jvp
from funcgrad.transforms.vmap import vmap

Function = Callable[..., Any]

LARGEST_STEP = 0.01
"""Differences stay on one side of kinks that are farther away than that."""


def check(
    f: Function,
    *args: Any,
    second: bool = True,
    batch: bool = True,
    exact: bool = True,
    rtol: float = 1e-6,
    symmetric: bool = False,
) -> None:
    """Hold every interpretation of `f` at `args` against plain NumPy.

    Args:
        f: a function of arrays, written with plain `np.*`.
        args: floating-point arrays.
        second: whether second derivatives exist there.
        batch: whether to compare `vmap` with a loop.
        exact: whether the traced value has to be NumPy's own bit for bit.
        rtol: tolerance of derivatives, relative to the largest number in them.
        symmetric: whether tangents have to be Hermitian matrices.
    """
    rng = np.random.default_rng(7)
    tangents = tuple(_like(arg, rng, symmetric) for arg in args)
    plain = f(*args)
    out, pullback = vjp(f, *args)
    _same_value(out, plain, exact)
    jvp_out, out_dot = jvp(f, args, tangents)
    _same_value(jvp_out, plain, exact)
    assert np.shape(out_dot) == np.shape(plain)
    assert out_dot.dtype == np.asarray(plain).dtype
    _close(out_dot, numerical_jvp(f, args, tangents, largest_step=LARGEST_STEP).value, rtol)

    ct = _like(np.asarray(plain), rng)
    cts = pullback(ct)
    for part, arg in zip(cts, args, strict=True):
        assert part.shape == arg.shape
        assert part.dtype == arg.dtype
    _close(
        sum(np.sum(part * dot).real for part, dot in zip(cts, tangents, strict=True)),
        np.sum(ct * out_dot).real,
        rtol,
    )
    if second:
        _check_second(f, args, tangents, ct, rtol)
    if batch:
        _check_batch(f, args, tangents)


def _check_second(f: Function, args: Any, tangents: Any, ct: Any, rtol: float) -> None:
    """Forward over reverse, reverse over forward, and both against differences."""

    def slopes(*primals: Any) -> Any:
        return vjp(f, *primals)[1](ct)

    def tangent(*primals: Any) -> Any:
        return jvp(f, primals, tangents)[1]

    _, forward_over_reverse = jvp(slopes, args, tangents)
    reverse_over_forward = vjp(tangent, *args)[1](ct)
    numerical = numerical_jvp(slopes, args, tangents, largest_step=LARGEST_STEP).value
    scale = max(float(np.max(np.abs(part), initial=1)) for part in numerical)
    for one, other, expected in zip(
        forward_over_reverse, reverse_over_forward, numerical, strict=True
    ):
        np.testing.assert_allclose(one, expected, rtol=rtol, atol=rtol * scale)
        np.testing.assert_allclose(other, one, rtol=1e-8, atol=1e-8 * scale)


def _check_batch(f: Function, args: Any, tangents: Any) -> None:
    """Every choice of batched arguments, with batches as long as the first axis and not."""
    lead = args[0].shape[0] if args[0].ndim else 2
    for size in {2, max(lead, 1)}:
        for mask in range(1, 2 ** len(args)):
            flags = [bool(mask >> i & 1) for i in range(len(args))]
            stacks = [
                np.stack([arg + 0.01 * i * dot for i in range(size)]) if flag else arg
                for arg, dot, flag in zip(args, tangents, flags, strict=True)
            ]
            axes = tuple(0 if flag else None for flag in flags)
            mapped = vmap(f, in_axes=axes)(*stacks)
            looped = [
                f(*(s[i] if flag else s for s, flag in zip(stacks, flags, strict=True)))
                for i in range(size)
            ]
            expected = np.stack(looped)
            assert mapped.dtype == expected.dtype
            scale = float(np.max(np.abs(expected), initial=0))
            np.testing.assert_allclose(mapped, expected, rtol=1e-9, atol=1e-10 * scale)


def _like(x: Any, rng: np.random.Generator, symmetric: bool = False) -> Any:
    x = np.asarray(x)
    dot = rng.normal(size=x.shape)
    if x.dtype.kind == "c":
        dot = dot + 1j * rng.normal(size=x.shape)
    if symmetric:
        dot = dot + np.conjugate(np.swapaxes(dot, -1, -2))
    return np.asarray(dot, x.dtype)[()]


def _same_value(found: Any, plain: Any, exact: bool) -> None:
    assert type(found) is type(plain)
    assert found.dtype == plain.dtype
    assert np.shape(found) == np.shape(plain)
    if exact:
        np.testing.assert_array_equal(found, plain)
    else:
        scale = float(np.max(np.abs(plain), initial=0))
        eps = np.finfo(plain.dtype).eps
        np.testing.assert_allclose(found, plain, rtol=50 * eps, atol=50 * eps * scale)


def _close(found: Any, expected: Any, rtol: float) -> None:
    scale = float(np.max(np.abs(expected), initial=1))
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * scale)


def normal(*shape: int, seed: int = 0, dtype: Any = np.float64) -> Any:
    """Random numbers, complex where the dtype is."""
    rng = np.random.default_rng([seed, *shape])
    x = rng.normal(size=shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.normal(size=shape)
    return np.asarray(x, dtype)


def positive_definite(n: int, *lead: int, dtype: Any = np.float64) -> Any:
    """Hermitian matrices with eigenvalues of at least 1."""
    x = normal(*lead, n, n, dtype=dtype)
    return x @ np.conjugate(np.swapaxes(x, -1, -2)) + np.eye(n, dtype=dtype)

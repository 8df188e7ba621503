"""What holds for every sample of every function; each law raises AssertionError."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.testing import numerical_jvp
from tests.laws.laws import close, like, tolerance
from tests.surface.sample import Sample

__all__ = ["LAWS"]


def _tolerance(sample: Sample, *values: Any) -> float:
    found = [v for v in values if np.asarray(v).dtype.kind in "fc"]
    return sample.rounding * tolerance(*found) if found else 0.0


def funcgrad_numpy_is_numpy_on_plain_arrays(sample: Sample) -> None:
    expected = sample.results(np, *sample.args)
    found = sample.results(fnp, *sample.args)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert np.asarray(one).dtype == np.asarray(other).dtype
        assert np.shape(one) == np.shape(other)
        np.testing.assert_array_equal(one, other)


def traced_values_are_numpys(sample: Sample) -> None:
    """The value, shape and dtype of what plain `np.*` and `funcgrad.numpy.*` give when traced."""
    expected = sample.function(np)(*sample.differentiable)
    for xp in sample.namespaces:
        found, _ = fg.vjp(sample.function(xp), *sample.differentiable)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert np.asarray(one).dtype == np.asarray(other).dtype, xp.__name__
            close(one, other, _tolerance(sample, other), f"value of {xp.__name__}")


def jvp_is_the_difference_quotient(sample: Sample) -> None:
    if not sample.smooth:
        return
    args = _doubled(sample.differentiable)
    dots = _directions(2, args)
    f = sample.function(sample.namespaces[0])
    _, found = fg.jvp(f, args, dots)
    expected = numerical_jvp(f, args, dots, largest_step=1e-2)
    for one, value, error in zip(found, expected.value, expected.error, strict=True):
        bound = sample.rounding * 1e-7 * (1 + np.abs(value)) + 10 * error
        assert np.all(error < 1e-4 * (1 + np.abs(value))), f"no reliable quotient: {error}"
        assert np.all(np.abs(one - value) <= bound), f"jvp {one}, quotient {value} ± {error}"


def vjp_is_the_adjoint_of_jvp(sample: Sample) -> None:
    args = sample.differentiable
    dots = _directions(4, args)
    for xp in sample.namespaces:
        out, moved = fg.jvp(sample.function(xp), tuple(args), dots)
        cts = _directions(5, out)
        pulled = fg.vjp(sample.function(xp), *args)[1](list(cts))
        for part, x in zip(pulled, args, strict=True):
            assert np.shape(part) == np.shape(x)
            assert np.asarray(part).dtype == np.asarray(x).dtype
        for dot, o in zip(moved, out, strict=True):
            assert np.shape(dot) == np.shape(o)
            assert np.asarray(dot).dtype == np.asarray(o).dtype
        left = sum(np.sum(np.real(a * b)) for a, b in zip(cts, moved, strict=True))
        right = sum(np.sum(np.real(a * b)) for a, b in zip(pulled, dots, strict=True))
        size = sum(np.sum(np.abs(a * b)) for a, b in zip(cts, moved, strict=True))
        size += sum(np.sum(np.abs(a * b)) for a, b in zip(pulled, dots, strict=True))
        tol = _tolerance(sample, *args, *out)
        assert abs(left - right) <= tol * (1 + size), f"<ct, J t> = {left}, <Jᵀct, t> = {right}"


def second_derivatives_agree(sample: Sample) -> None:
    """Forward over reverse, reverse over forward, and the difference quotient of the gradient."""
    if not sample.second:
        return
    args = tuple(_doubled(sample.differentiable))
    dots = _directions(6, args)
    f = sample.function(sample.namespaces[0])
    weights = _directions(7, f(*args))

    def total(*xs: Any) -> Any:
        return sum(np.sum(np.real(w * o)) for w, o in zip(weights, f(*xs), strict=True))

    if not weights:
        return
    every = tuple(range(len(args)))
    gradient = fg.grad(total, every)
    _, forward = fg.jvp(gradient, args, dots)
    reverse = fg.grad(lambda *xs: fg.jvp(total, xs, dots)[1], every)(*args)
    for a, b in zip(forward, reverse, strict=True):
        close(a, b, 10 * _tolerance(sample, *args), "jvp of grad = grad of jvp")
    if not sample.smooth:
        return
    expected = numerical_jvp(
        lambda *xs: gradient(*xs), args, dots, method="differences", largest_step=1e-2
    )
    for one, value, error in zip(forward, expected.value, expected.error, strict=True):
        bound = sample.rounding * 1e-6 * (1 + np.abs(value)) + 10 * error
        assert np.all(np.abs(one - value) <= bound), f"second {one}, quotient {value} ± {error}"


def vmap_is_a_loop(sample: Sample) -> None:
    """Of the function and of its gradient, for each choice of mapped arguments."""
    if not sample.mapped:
        return
    f = sample.function(sample.namespaces[0])
    args = sample.differentiable
    count = len(args)
    choices = [flags for flags in itertools.product((True, False), repeat=count) if any(flags)]
    fixed = {sample.active.index(i) for i in sample.alike if i in sample.active}
    for flags in choices[:4]:
        if any(flags[i] for i in fixed):
            continue
        stacks = [_stack(x) if flag else x for x, flag in zip(args, flags, strict=True)]
        axes = tuple(0 if flag else None for flag in flags)
        _same_as_loop(sample, f, stacks, axes)
    axes = tuple(None if i in fixed else 0 for i in range(count))
    if all(axis is None for axis in axes):
        return
    weights = _directions(7, f(*args))
    if not weights:
        return

    def total(*xs: Any) -> Any:
        return sum(np.sum(np.real(w * o)) for w, o in zip(weights, f(*xs), strict=True))

    gradient = fg.grad(total, tuple(range(count)))
    stacks = [x if axis is None else _stack(x) for x, axis in zip(args, axes, strict=True)]
    _same_as_loop(sample, gradient, stacks, axes)


def _same_as_loop(sample: Sample, f: Any, stacks: Sequence[Any], axes: Any) -> None:
    found = fg.vmap(f, in_axes=axes)(*stacks)
    rows = [
        f(*(s if axis is None else s[i] for s, axis in zip(stacks, axes, strict=True)))
        for i in range(3)
    ]
    for position, one in enumerate(found):
        expected = np.stack([np.asarray(row[position]) for row in rows])
        assert np.asarray(one).dtype == expected.dtype
        close(one, expected, 10 * _tolerance(sample, expected), f"vmap in_axes={axes}")


def _stack(x: Any) -> Any:
    scales = np.array([1.0, 1.01, 0.98]).reshape((3,) + (1,) * np.ndim(x))
    return (np.asarray(x) * scales).astype(np.asarray(x).dtype)


def _doubled(args: Sequence[Any]) -> list[Any]:
    return [np.asarray(a, np.complex128 if np.iscomplexobj(a) else np.float64)[()] for a in args]


def _directions(seed: int, args: Sequence[Any]) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    return tuple(like(rng, x) for x in args)


LAWS = (
    funcgrad_numpy_is_numpy_on_plain_arrays,
    traced_values_are_numpys,
    vjp_is_the_adjoint_of_jvp,
    jvp_is_the_difference_quotient,
    second_derivatives_agree,
    vmap_is_a_loop,
)

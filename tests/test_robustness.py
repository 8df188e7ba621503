"""Gradients of many functions, at arrays of every layout, dtype and kind, against differences."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from tests.robustness.modes import central

BASE = np.random.default_rng(0).uniform(0.3, 1.7, (3, 4))

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sum of squares": lambda x: np.sum(x * x),
    "mean": lambda x: np.mean(x * x),
    "variance": lambda x: np.var(x, ddof=0),
    "product": lambda x: np.prod(x),
    "cumsum": lambda x: np.sum(np.cumsum(x) ** 2),
    "cumprod": lambda x: np.sum(np.cumprod(x)),
    "norm": lambda x: np.linalg.norm(x),
    "exp": lambda x: np.sum(np.exp(x)),
    "tanh": lambda x: np.sum(np.tanh(x) * 3),
    "power of a number": lambda x: np.sum(x**3),
    "number to a power": lambda x: np.sum(2**x),
    "itself as power": lambda x: np.sum(x**x),
    "reciprocal": lambda x: np.sum(1 / x),
    "where": lambda x: np.sum(np.where(x > 1, np.log(x), np.sqrt(x))),
    "clip": lambda x: np.sum(np.clip(x, 0.5, 1.2) * x),
    "floor": lambda x: np.sum(np.floor(x * 3) * x),
    "remainder": lambda x: np.sum(x % 0.25),
    "outer": lambda x: np.sum(np.outer(x, x)),
    "Python numbers": lambda x: np.sum((x * 3 + 2 - x / 4) * 0.5) ** 2.5,
    "float32 number": lambda x: np.sum(x * np.float32(2)),
    "uint8": lambda x: np.sum(x * np.uint8(3)),
    "int8 array": lambda x: np.sum(x * np.full(np.shape(x), 3, np.int8)),
    "bool array": lambda x: np.sum(x * (x > 1)),
    "complex square": lambda x: np.sum(np.abs(x + 1j * x**2) ** 2),
    "complex exp": lambda x: np.sum(np.abs(np.exp((1 + 2j) * x))),
    "angle": lambda x: np.sum(np.angle(x + 1j * x * x)),
    "imaginary part": lambda x: np.sum(np.imag((x + 1j) ** 3)),
    "conjugate": lambda x: np.real(np.sum(np.conj(x * 1j) * x * 1j)),
    "complex root": lambda x: np.sum(np.sqrt(-x + 0j).imag),
    "complex64": lambda x: np.sum(np.abs(x * np.complex64(1 + 1j))),
    "complex quotient": lambda x: np.sum((1 / (x + 2j)).imag),
    "complex power": lambda x: np.sum(np.real((x + 1j) ** 2.5)),
    "power of a complex number": lambda x: np.sum(np.real((2j) ** x)),
    "complex where": lambda x: np.sum(np.abs(np.where(x > 1, x * 1j, x)) ** 2),
    "complex product": lambda x: np.abs(np.prod(x + 1j)),
    "complex cumsum": lambda x: np.sum(np.abs(np.cumsum(x * 1j + x**2)) ** 2),
    "cast to complex": lambda x: np.sum((x + 0 * 1j) ** 2).real,
}
MATRICES: dict[str, Callable[[Any], Any]] = {
    "matmul": lambda x: np.sum((x @ x.T) ** 2),
    "einsum": lambda x: np.sum(np.einsum("ij,kj->ik", x, x) * np.arange(3.0)),
    "flip": lambda x: np.sum(x[::-1] * x),
    "transpose": lambda x: np.sum(x.T.reshape(-1) * np.arange(12.0)),
    "ravel in Fortran order": lambda x: np.sum(np.ravel(x, order="F") * np.arange(12.0)),
    "fancy index": lambda x: np.sum(x[[0, 0, -1]] ** 2),
    "mask": lambda x: np.sum(x[x > 0.8] ** 2),
    "roll": lambda x: np.sum(np.roll(x, 1) * x),
    "pad": lambda x: np.sum(np.pad(x, 1, mode="edge") ** 2),
    "repeat": lambda x: np.sum(np.repeat(x, 2, axis=0) ** 2),
    "diff": lambda x: np.sum(np.diff(x, axis=0) ** 2),
    "concatenate": lambda x: np.sum(np.concatenate([x, x * 2]) ** 2),
    "sort": lambda x: np.sum(np.sort(x, axis=None) * np.arange(12.0)),
    "largest": lambda x: np.max(x) * 2 + np.ptp(x),
    "softmax": lambda x: np.sum(fg.nn.softmax(x) * x),
    "integer array": lambda x: np.sum(x * np.arange(4)),
}
LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "C": lambda a: a,
    "Fortran": np.asfortranarray,
    "reversed": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "strided": lambda a: np.repeat(np.repeat(a, 2, 0), 3, 1)[::2, ::3],
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
    "read-only and unaligned": lambda a: np.frombuffer(b"\0" + a.tobytes(), float, 12, 1).reshape(
        3, 4
    ),
    "overlapping": lambda a: np.lib.stride_tricks.as_strided(a.ravel(), (3, 4), (16, 8)),
    "subclass": lambda a: a.view(type("Subclass", (np.ndarray,), {})),
    "swapped bytes": lambda a: a.astype(">f8"),
    "longdouble": lambda a: a.astype(np.longdouble),
}
ALL = {**FUNCTIONS, **MATRICES}
SCALARS: dict[str, Any] = {
    "float": 0.7, "float64": np.float64(0.7), "array": np.array(0.7), "float32": np.float32(0.7),
}  # fmt: skip


def like(x: Any) -> Any:
    """A direction of the shape, dtype and kind of x."""
    x_dot = np.random.default_rng(3).normal(size=np.shape(x)).astype(np.asarray(x).dtype)
    return x_dot if isinstance(x, np.ndarray) else x_dot[()]


def check(f: Callable[[Any], Any], x: Any, tol: float) -> None:
    """Reverse and forward mode, nested and mapped, have the value and the dtype they should."""
    expected = central(f, np.asarray(x, float))
    scale = 1 + np.max(np.abs(expected))
    found = fg.grad(f)(x)
    assert np.shape(found) == np.shape(x)
    assert found.dtype == np.asarray(x).dtype
    assert isinstance(found, np.ndarray) == isinstance(x, np.ndarray)
    np.testing.assert_allclose(found, expected, atol=tol * scale)
    x_dot = like(x)
    change = np.sum(np.asarray(x_dot, float) * expected)
    bound = tol * (1 + np.sum(np.abs(np.asarray(x_dot, float) * expected)))
    value, moved = fg.jvp(f, (x,), (x_dot,))
    assert value.dtype == np.asarray(f(x)).dtype
    assert abs(moved - change) <= bound
    assert abs(fg.linearize(f, x)[1](x_dot) - change) <= bound


TIED = {"sort", "largest"}
"""Overlapping arrays have equal elements, which are kinks of these."""


@pytest.mark.parametrize(
    ("name", "layout"),
    [(n, k) for n in ALL for k in LAYOUTS if k != "overlapping" or n not in TIED],
)
def test_arrays_of_every_layout(name: str, layout: str) -> None:
    check(ALL[name], LAYOUTS[layout](BASE.copy()), 1e-6)


@pytest.mark.parametrize("name", ALL)
def test_float32_stays_float32(name: str) -> None:
    check(ALL[name], BASE.astype(np.float32), 3e-5)


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n not in ("product", "cumprod")])
def test_float16_stays_float16(name: str) -> None:
    check(FUNCTIONS[name], BASE.astype(np.float16), 3e-2)


@pytest.mark.parametrize("kind", SCALARS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_scalars_of_every_kind(name: str, kind: str) -> None:
    check(FUNCTIONS[name], SCALARS[kind], 1e-5 if kind == "float32" else 1e-6)


@pytest.mark.parametrize("name", [n for n in ALL if n != "mask"])
def test_mapped_gradients_are_stacked_gradients(name: str) -> None:
    stack = np.stack([BASE, BASE[::-1], BASE * 1.01])
    expected = [fg.grad(ALL[name])(x) for x in stack]
    np.testing.assert_allclose(fg.vmap(fg.grad(ALL[name]))(stack), expected, atol=1e-10)


@pytest.mark.parametrize("name", ALL)
def test_a_gradient_through_another_transform(name: str) -> None:
    """grad of a derivative that is the function itself: d/ds (s f(x)) = f(x)."""
    f = ALL[name]
    found = fg.grad(lambda x: fg.grad(lambda s: f(x) * s)(1.0))(BASE)
    np.testing.assert_allclose(found, fg.grad(f)(BASE), atol=1e-10)
    found = fg.grad(lambda x: fg.jvp(lambda s: f(x) * s, (1.0,), (1.0,))[1])(BASE)
    np.testing.assert_allclose(found, fg.grad(f)(BASE), atol=1e-10)


REAL_ONLY = {
    "where", "clip", "floor", "remainder", "bool array", "complex where", "itself as power",
    "number to a power",
}  # fmt: skip
"""Complex numbers have no order, and NumPy no integer to a complex power."""


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n not in REAL_ONLY])
def test_complex_arguments_have_the_gradient_of_a_real_result(name: str) -> None:
    """∂u/∂x - i ∂u/∂y, by differences in both directions."""
    f = lambda z: np.real(FUNCTIONS[name](z))
    z = BASE[0] + 1j * BASE[1] * 0.3
    along = central(lambda x: f(x + 1j * z.imag), z.real)
    across = central(lambda y: f(z.real + 1j * y), z.imag)
    np.testing.assert_allclose(fg.grad(f)(z), along - 1j * across, atol=1e-6)
    found = fg.grad(f)(z.astype(np.complex64))
    assert found.dtype == np.complex64
    np.testing.assert_allclose(found, along - 1j * across, rtol=2e-4, atol=2e-4)


# --- broadcasting ---------------------------------------------------------------------------------

SHAPES = [(), (1,), (3,), (2, 3), (2, 1), (1, 1), (2, 1, 3), (0,), (1, 0)]
OPERATORS: dict[str, tuple[Any, Any, Any]] = {
    "+": (lambda p, q: p + q, lambda p, q: 1 + 0 * p * q, lambda p, q: 1 + 0 * p * q),
    "-": (lambda p, q: p - q, lambda p, q: 1 + 0 * p * q, lambda p, q: -1 + 0 * p * q),
    "*": (lambda p, q: p * q, lambda p, q: q + 0 * p, lambda p, q: p + 0 * q),
    "/": (lambda p, q: p / q, lambda p, q: 1 / q + 0 * p, lambda p, q: -p / q**2),
    "**": (lambda p, q: p**q, lambda p, q: q * p ** (q - 1), lambda p, q: p**q * np.log(p)),
    "maximum": (np.maximum, lambda p, q: (p > q) * 1.0, lambda p, q: (q > p) * 1.0),
    "arctan2": (
        np.arctan2,
        lambda p, q: q / (p * p + q * q),
        lambda p, q: -p / (p * p + q * q),
    ),
}


def fits(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        return False
    return True


PAIRS = [(a, b) for a in SHAPES for b in SHAPES if fits(a, b)]


def summed(full: Any, shape: tuple[int, ...], x: Any) -> Any:
    """Sum over the axes along which an operand of this shape was broadcast, one by one."""
    full = np.array(full)
    while full.ndim > len(shape):
        full = full.sum(0)
    for axis, length in enumerate(shape):
        if length == 1:
            full = full.sum(axis, keepdims=True)
    return np.broadcast_to(full, np.shape(x))


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize(("a", "b"), PAIRS, ids=str)
def test_broadcast_operands_get_sums(name: str, a: Any, b: Any) -> None:
    f, by_p, by_q = OPERATORS[name]
    rng = np.random.default_rng(1)
    p, q = rng.uniform(0.5, 1.5, a), rng.uniform(0.5, 1.5, b)
    expected = [summed(by_p(p, q), a, p), summed(by_q(p, q), b, q)]
    total = lambda p, q: np.sum(f(p, q))
    both = fg.grad(total, (0, 1))(p, q)
    single = [fg.grad(total, i)(p, q) for i in (0, 1)]
    forward = [fg.jacfwd(total, i)(p, q) for i in (0, 1)]
    for found in (both, single, forward):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-12)
            assert np.shape(one) == np.shape(other)

"""Compiled gradients are those of plain Python loops to the last bit: one order of every sum."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from tests.jitting.alike import exact_jit, require_same

RNG = np.random.default_rng(1)
W = RNG.normal(size=(3, 3))
X = RNG.normal(size=3)
XS = RNG.normal(size=(6, 3))
Function = Callable[..., Any]


def _several_reads(w: Any, x: Any) -> Any:
    """A constant is read several times in a step."""
    return np.sum(fg.scan(lambda c, s: (np.tanh(w @ c) * s + np.sin(w) @ c, c), x * 2, XS)[1])


def _parts(w: Any, x: Any) -> Any:
    """Parts of a constant are read, and nothing else of it."""

    def step(c: Any, s: Any) -> tuple[Any, None]:
        return w[0] * c + w[:, 1] * np.sin(c) * s + np.cos(w[0]), None

    return np.sum(fg.scan(step, x, XS.astype(x.dtype))[0])


def _parts_and_whole(w: Any, x: Any) -> Any:
    """Parts of a constant are read, and the constant itself, inside and outside."""

    def step(c: Any, s: Any) -> tuple[Any, None]:
        return np.tanh(w @ c) + w[0] * c * s + w[:, 1] * np.sin(c), None

    return np.sum(fg.scan(step, x, XS, reverse=True)[0]) + np.sum(w**2) * np.sum(w[2])


def _one_part_and_whole(w: Any, x: Any) -> Any:
    """The second part of a constant is taken in the second step."""
    return np.sum(fg.fori_loop(0, 4, lambda _, c: np.tanh(w @ c) * x + w[0], x))


def _parts_before(w: Any, x: Any) -> Any:
    """Parts are taken before the loop, too: one of them, and then some."""
    a = w[1] * x
    once = np.sum(fg.scan(lambda c, s: (w[0] * c + w[2] * s + w @ c, None), a, XS)[0])
    b = a + w[0]
    return once + np.sum(fg.scan(lambda c, s: (w[0] * c + w[:, 2] * s, None), b, XS)[0])


def _parts_in_an_inner_loop(w: Any, x: Any) -> Any:
    def inner(c: Any, s: Any) -> tuple[Any, None]:
        return np.tanh(w[0] * c) * s + w[1] * c, None

    def outer(c: Any, s: Any) -> tuple[Any, None]:
        return fg.scan(inner, c * 2, XS[:3] * s)[0] + w[2], None

    return np.sum(fg.scan(outer, x * 2, XS)[0])


def _parts_in_a_while_loop(w: Any, x: Any) -> Any:
    def step(state: Any) -> Any:
        k, c = state
        return k + 1, np.tanh(w[0] * c) * np.sin(w[1]) + w[2] * x

    return np.sum(fg.while_loop(lambda state: state[0] < 6, step, (0, x * 2))[1])


def _first_carry_is_a_constant(w: Any, x: Any) -> Any:
    return np.sum(fg.scan(lambda c, s: (np.tanh(w @ c) * x + np.sin(x) * c * s, None), x, XS)[0])


def _first_carry_times_itself(w: Any, x: Any) -> Any:
    """In the first step the product of carry and constant is a square."""
    return np.sum(fg.fori_loop(0, 4, lambda _, c: c * x + w @ c, x))


def _first_carries_are_one_value(w: Any, x: Any) -> Any:
    def step(_: Any, c: Any) -> Any:
        return c[0] * c[1] + w @ c[0], np.sin(c[0]) * c[1]

    return np.sum(fg.fori_loop(0, 4, step, (x, x))[0])


def _first_carry_is_used_elsewhere(w: Any, x: Any) -> Any:
    a = np.sin(x)
    before = np.sum(a * x + w @ a)
    last, ys = fg.scan(lambda c, s: ((d := np.tanh(w @ c) * a + c * s), d), a, XS)
    return before * np.sum(last) + np.sum(np.sin(ys)) + np.sum(a**2)


def _operand_of_a_branch_is_a_constant(w: Any, x: Any) -> Any:
    a = np.sin(x)
    chosen = fg.cond(np.sum(x) > -100, lambda c: c * a + np.sin(a) * c * x, lambda c: c, a)
    return np.sum(w @ chosen * a)


CASES = [
    _several_reads,
    _parts,
    _parts_and_whole,
    _one_part_and_whole,
    _parts_before,
    _parts_in_an_inner_loop,
    _parts_in_a_while_loop,
    _first_carry_is_a_constant,
    _first_carry_times_itself,
    _first_carries_are_one_value,
    _first_carry_is_used_elsewhere,
    _operand_of_a_branch_is_a_constant,
]


def _check(f: Function, *args: Any) -> None:
    """The recorded call and a later one."""
    compiled = exact_jit(f)
    wanted = f(*args)
    require_same(compiled(*args), wanted, "first call")
    require_same(compiled(*args), wanted, "later call")


@pytest.mark.parametrize("f", CASES, ids=lambda f: f.__name__[1:])
def test_gradients_through_control_flow_add_up_as_the_python_loop_does(f: Function) -> None:
    _check(fg.grad(f, (0, 1)), W, X)


@pytest.mark.parametrize("f", CASES, ids=lambda f: f.__name__[1:])
def test_mapped_gradients_through_control_flow_add_up_as_the_python_loop_does(f: Function) -> None:
    _check(fg.vmap(fg.grad(f, (0, 1)), (None, 0)), W, np.stack([X, X * 0.7, X * -0.4]))


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
def test_sums_of_parts_are_the_same_in_every_dtype(dtype: str) -> None:
    w = 0.2 * (W + 1j * W.T if dtype[0] == "c" else W)
    _check(fg.grad(lambda w, x: np.real(_parts(w, x))), w.astype(dtype), X.astype(dtype))


def test_parameters_of_a_differential_equation_add_up_in_the_same_order() -> None:
    def final(p: Any, y: Any) -> Any:
        def rate(y: Any) -> Any:
            return np.stack([p[0] * y[0] - p[1] * y[0] * y[1], p[3] * y[0] * y[1] - p[2] * y[1]])

        def step(y: Any, _: Any) -> tuple[Any, Any]:
            slope = rate(y + 0.005 * rate(y))
            return y + 0.01 * slope, y

        return np.sum(fg.scan(step, y, None, length=20)[1] ** 2) + 1e-3 * np.sum(p**2)

    _check(fg.grad(final, (0, 1)), np.array([1.0, 0.1, 1.5, 0.075]), np.array([10.0, 5.0]))


def test_hessians_through_a_loop_over_parts_are_the_same() -> None:
    _check(fg.hessian(lambda flat: _parts(flat.reshape(3, 3), X)), W.ravel())


@pytest.mark.parametrize("exponent", [2, -1, 0.5, 3])
def test_powers_of_complex_arrays_are_those_of_the_operator(exponent: float) -> None:
    z = RNG.normal(size=200) + 1j * RNG.normal(size=200)

    def f(z: Any) -> Any:
        return np.sum(np.abs(z**exponent + 1j * z) ** 2)

    _check(lambda z: z**exponent, z)
    _check(lambda z: np.power(z, exponent), z)
    _check(fg.grad(f), z)
    require_same(fg.vjp(lambda z: z**exponent, z)[0], z**exponent)
    require_same(fg.jvp(lambda z: z**exponent, (z,), (z,))[0], z**exponent)


def test_complex_products_keep_the_order_of_their_factors() -> None:
    a = RNG.normal(size=50) + 1j * RNG.normal(size=50)
    b = RNG.normal(size=50) + 1j * RNG.normal(size=50)
    _check(lambda a, b: (a * b, b * a), a, b)


def test_sums_over_windows_of_an_array_depend_on_its_strides_alike() -> None:
    image = RNG.normal(size=(8, 9))
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3))

    def f(kernel: Any, windows: Any) -> Any:
        return np.sum(np.sin(np.einsum("ijkl,kl->ij", windows, kernel)))

    gradient = exact_jit(fg.grad(f))
    for operand in (windows, windows.copy(), np.asfortranarray(windows), windows):
        require_same(gradient(W, operand), fg.grad(f)(W, operand))


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("layout", ["F", "every second", "backwards", "part of rows"])
def test_later_calls_with_arrays_laid_out_otherwise_are_the_same(layout: str, place: int) -> None:
    def f(a: Any, b: Any) -> Any:
        scores = np.tanh(a @ b.T) * np.sum(a, axis=0)[:40] + np.sum(a, axis=1)
        shares = np.exp(scores) / np.sum(np.exp(scores), axis=1, keepdims=True)
        return np.sum(shares * b[:, :40]) + np.sum(np.sin(a * b) / (1 + a * a))

    args = [RNG.normal(size=(40, 60)), RNG.normal(size=(40, 60))]
    gradient = exact_jit(fg.value_and_grad(f, (0, 1)))
    gradient(*args)
    args[place] = _laid_out(args[place], layout)
    require_same(gradient(*args), fg.value_and_grad(f, (0, 1))(*args))


def _laid_out(a: np.ndarray[Any, Any], layout: str) -> np.ndarray[Any, Any]:
    rows, columns = a.shape
    match layout:
        case "F":
            return np.asfortranarray(a)
        case "every second":
            found = np.empty((2 * rows, 2 * columns))[::2, ::2]
        case "backwards":
            found = np.empty(a.shape)[::-1]
        case _:
            found = np.empty((rows, columns + 3))[:, 1:-2]
    found[...] = a
    return found


@pytest.mark.parametrize("shape", [(30, 10), (300, 10), (64, 64)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("function", [fg.nn.softmax, fg.nn.log_softmax, fg.nn.logsumexp])
def test_softmax_and_its_kin_are_differentiated_alike(
    function: Function, dtype: Any, shape: tuple[int, ...]
) -> None:
    def f(x: Any) -> Any:
        y = function(x, axis=-1)
        return np.sum(y * y * 0.3)

    compiled = exact_jit(fg.value_and_grad(f))
    for scale in (1, 50):
        x = (RNG.normal(size=shape) * scale).astype(dtype)
        require_same(compiled(x), fg.value_and_grad(f)(x))


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_products_of_matrices_of_two_dtypes_are_the_same(dtype: Any) -> None:
    a, b = RNG.normal(size=(500, 20)), (RNG.normal(size=(20, 20)) * 3).astype(dtype)
    require_same(exact_jit(lambda a, b: a @ b.T)(a, b), a @ b.T)
    gradient = fg.value_and_grad(lambda a, b: np.sum(np.sin(a @ b) @ b.T))
    require_same(exact_jit(gradient)(a, b), gradient(a, b))

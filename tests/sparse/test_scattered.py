"""jacobian and hessian that are being compiled use structure where it pays."""

from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from tests.sparse.functions import chain, grid_energy, neighbours, rosenbrock

x = np.random.default_rng(0).normal(size=40)
RTOL = 1e-12


def products(fun: Any, *args: Any) -> int:
    """The largest number of directions that a compiled function goes along at once."""
    shapes = [v.shape for e in fun.program(*args).equations for v in e.results]
    return max((shape[0] for shape in shapes if len(shape) > 1), default=0)


@pytest.mark.parametrize("fun", [rosenbrock, chain])
def test_a_compiled_hessian_of_few_bands_is_the_plain_one(fun: Any) -> None:
    compiled = fg.jit(fg.hessian(fun))
    for point in (x, -x, 2.0 * x):
        np.testing.assert_allclose(compiled(point), fg.hessian(fun)(point), rtol=RTOL, atol=1e-13)
    assert "scatter_add" in compiled.source(x)


@pytest.mark.parametrize("derive", [fg.jacobian, fg.jacfwd, fg.jacrev])
def test_a_compiled_jacobian_of_few_bands_is_the_plain_one(derive: Any) -> None:
    compiled = fg.jit(derive(neighbours))
    for point in (x, -x):
        np.testing.assert_allclose(compiled(point), derive(neighbours)(point), rtol=RTOL)
    assert "scatter_add" in compiled.source(x)


def test_results_and_arguments_keep_their_shapes() -> None:
    u = x.reshape(8, 5)
    found = fg.jit(fg.hessian(grid_energy))(u)
    assert found.shape == (8, 5, 8, 5)
    np.testing.assert_allclose(found, fg.hessian(grid_energy)(u), rtol=RTOL, atol=1e-13)


def test_pytrees_and_auxiliary_results_keep_their_structure() -> None:
    def fun(params: Any, scale: Any) -> Any:
        out = {"bands": neighbours(params["a"]) * scale, "own": params["b"] ** 2}
        return out, scale * 2.0

    params = {"a": x, "b": x.reshape(4, 10)}
    dense, aux = fg.jacobian(fun, has_aux=True)(params, 3.0)
    compiled = fg.jit(fg.jacobian(fun, has_aux=True))
    for _ in range(2):
        found, other = compiled(params, 3.0)
        assert other == aux
        assert fg.tree.structure(found) == fg.tree.structure(dense)
        fg.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=RTOL), found, dense)
    assert "scatter_add" in compiled.source(params, 3.0)


@pytest.mark.parametrize(
    ("name", "fun", "point"),
    [
        ("full", lambda x: np.cumsum(x), x),
        ("small", neighbours, x[:8]),
        ("scalar", np.sum, x),
        ("dense Hessian", lambda x: np.sum(x) ** 3 * x[1:], x),
    ],
)
def test_structure_that_does_not_pay_is_not_used(name: str, fun: Any, point: Any) -> None:
    compiled = fg.jit(fg.jacobian(fun))
    np.testing.assert_allclose(compiled(point), fg.jacobian(fun)(point), rtol=RTOL)
    assert "scatter_add" not in compiled.source(point), name


def test_exact_functions_do_not_use_structure() -> None:
    compiled = fg.jit(fg.hessian(rosenbrock), exact=True)
    np.testing.assert_array_equal(compiled(x), fg.hessian(rosenbrock)(x))
    assert products(compiled, x) >= 39


def test_functions_that_are_not_compiled_do_not_look_for_structure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("funcgrad.transforms.jacobian.sparse", None)
    np.testing.assert_allclose(fg.hessian(rosenbrock)(x), fg.hessian(rosenbrock)(x))


def test_each_branch_has_its_own_structure() -> None:
    def branching(x: Any) -> Any:
        return neighbours(x) if x[0] > 0 else np.cumsum(x * x)

    compiled = fg.jit(fg.jacobian(branching))
    for point in (np.abs(x), -np.abs(x), np.abs(x)):
        np.testing.assert_allclose(compiled(point), fg.jacobian(branching)(point), rtol=RTOL)


def test_zeros_among_other_values_are_no_structure() -> None:
    mask = np.zeros((40, 40))

    def by_argument(x: Any, mask: Any) -> Any:
        return x**2 + mask @ x

    def by_closure(x: Any) -> Any:
        return x**2 + mask @ x

    first, second = fg.jit(fg.jacobian(by_argument)), fg.jit(fg.jacobian(by_closure))
    for entry in (0.0, 5.0):
        mask[3, 7] = entry
        expected = fg.jacobian(by_closure)(x)
        np.testing.assert_allclose(first(x, mask), expected, rtol=RTOL)
        np.testing.assert_allclose(second(x), expected, rtol=RTOL)
    assert first.cache_info().recordings == 1


def test_positions_are_no_structure() -> None:
    picked = fg.jit(lambda x, positions: fg.jacobian(lambda x: x[positions] ** 2)(x))
    for first in (3, 30):
        positions = np.arange(1, 31)
        positions[0] = first
        expected = fg.jacobian(lambda x, p=positions: x[p] ** 2)(x)
        np.testing.assert_allclose(picked(x, positions), expected, rtol=RTOL)


def test_positions_that_the_function_makes_itself_are_structure() -> None:
    compiled = fg.jit(fg.jacobian(lambda x: x[np.arange(0, 40, 2)] * x[1::2]))
    np.testing.assert_allclose(
        compiled(x), fg.jacobian(lambda x: x[np.arange(0, 40, 2)] * x[1::2])(x), rtol=RTOL
    )
    assert "scatter_add" in compiled.source(x)


@pytest.mark.parametrize("derive", [fg.grad, fg.jacrev, fg.jacfwd])
def test_derivatives_of_compiled_hessians_are_right(derive: Any) -> None:
    def total(x: Any) -> Any:
        return np.sum(np.sin(fg.hessian(rosenbrock)(x)))

    compiled = fg.jit(fg.hessian(rosenbrock))
    expected = derive(total)(x)
    np.testing.assert_allclose(fg.jit(derive(total))(x), expected, rtol=1e-10)
    np.testing.assert_allclose(derive(lambda x: np.sum(np.sin(compiled(x))))(x), expected, 1e-10)


def test_batches_of_compiled_hessians_are_right() -> None:
    points = np.stack([x, -x, 2.0 * x])
    expected = fg.vmap(fg.hessian(rosenbrock))(points)
    inside = fg.jit(fg.vmap(fg.hessian(rosenbrock)))
    outside = fg.vmap(fg.jit(fg.hessian(rosenbrock)))
    for found in (inside(points), outside(points)):
        np.testing.assert_allclose(found, expected, rtol=RTOL, atol=1e-13)


def test_a_compiled_loop_of_newton_steps_is_right() -> None:
    def newton(x: Any) -> Any:
        def step(x: Any, _: Any) -> Any:
            return x - np.linalg.solve(fg.hessian(rosenbrock)(x), fg.grad(rosenbrock)(x)), None

        return fg.scan(step, x, None, length=4)[0]

    start = np.linspace(0.8, 1.2, 20)
    np.testing.assert_allclose(fg.jit(newton)(start), newton(start), rtol=1e-8)


def test_mistakes_are_named_as_without_structure() -> None:
    with pytest.raises(fg.errors.InputDtypeError, match=r"^hessian: argument 0 has dtype int64"):
        fg.jit(fg.hessian(rosenbrock))(np.arange(20))
    with pytest.raises(fg.errors.OutputDtypeError, match=r"^jacrev: "):
        fg.jit(fg.jacrev(lambda x: x * 1j))(x)


def test_complex_functions_use_structure_too() -> None:
    compiled = fg.jit(fg.jacobian(neighbours, holomorphic=True))
    z = x + 1j * x[::-1]
    np.testing.assert_allclose(compiled(z), fg.jacobian(neighbours, holomorphic=True)(z), rtol=RTOL)
    assert "scatter_add" in compiled.source(z)


@pytest.mark.parametrize("derive", [fg.jacobian, fg.jacfwd, fg.jacrev])
@pytest.mark.parametrize(
    "fun",
    [
        lambda x: np.roll(x, 1) ** 2 * np.arange(40.0),
        lambda x: np.concatenate([x**2 * np.arange(40.0), np.roll(x, 1) ** 2]),
        lambda x: (x**2 * np.arange(40.0))[:30],
    ],
)
def test_dtypes_are_those_that_are_not_compiled(derive: Any, fun: Any) -> None:
    single = x.astype(np.float32)
    compiled = fg.jit(derive(fun))
    dense = derive(fun)(single)
    found = compiled(single)
    assert "scatter_add" in compiled.source(single)
    assert found.dtype == dense.dtype
    np.testing.assert_allclose(found, dense, rtol=1e-6)

"""Jacobians, Hessians and Hessian-vector products: closed forms, layout, chunks and errors."""

import gc
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import (
    ArgumentSelectionError,
    BatchSizeError,
    InputDtypeError,
    NonScalarOutputError,
    OutputDtypeError,
    TangentError,
)
from funcgrad.transforms import unit_vectors

MODES = [fg.jacfwd, fg.jacrev, fg.jacobian]
RNG = np.random.default_rng(0)
X = RNG.uniform(0.5, 2.0, size=3)
M = RNG.normal(size=(4, 3))
every_mode = pytest.mark.parametrize("jac", MODES)


def difference_quotients(f: Callable[[Any], Any], x: Any, step: float = 1e-6) -> Any:
    """Central differences, in the layout result + argument."""
    columns = []
    for index in np.ndindex(np.shape(x)):
        unit = np.zeros(np.shape(x))
        unit[index] = step
        columns.append((f(x + unit) - f(x - unit)) / (2 * step))
    return np.reshape(np.stack(columns, axis=-1), np.shape(f(x)) + np.shape(x))


CASES: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "vector to vector": (lambda x: np.sin(M @ x), X),
    "vector to scalar": (lambda x: np.sum(x**3) * x[0], X),
    "scalar to vector": (lambda x: np.exp(x * M[0]), np.float64(0.7)),
    "scalar to scalar": (lambda x: np.tanh(x) * x, np.float64(0.7)),
    "matrix to matrix": (lambda m: m @ m.T, M),
    "matrix to a longer one": (lambda m: np.concatenate([m * m, np.sin(m), m]), M),
    "a result that does not depend": (lambda x: np.stack([x[0], 1.0 + 0 * x[1]]), X),
    "an axis of length one": (lambda x: np.sum(x, keepdims=True) ** 2, X),
}


@every_mode
@pytest.mark.parametrize("name", CASES)
def test_jacobians_are_difference_quotients(jac: Any, name: str) -> None:
    f, x = CASES[name]
    found = jac(f)(x)
    expected = difference_quotients(f, x)
    assert type(found) is (np.ndarray if expected.shape else np.float64)
    assert found.shape == np.shape(f(x)) + np.shape(x)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-8)


@every_mode
def test_the_jacobian_of_a_linear_map_is_its_matrix(jac: Any) -> None:
    np.testing.assert_array_equal(jac(lambda x: M @ x)(X), M)


@every_mode
@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
def test_chunks_change_nothing(jac: Any, chunk: int) -> None:
    def f(p: Any) -> Any:
        return {"a": np.sin(p["w"] @ p["x"]), "b": p["x"] * p["s"]}

    p = {"w": M, "x": X, "s": 2.0}
    whole = jac(f)(p)
    parts = jac(f, chunk_size=chunk)(p)
    assert fg.tree.structure(whole) == fg.tree.structure(parts)
    for one, other in zip(fg.tree.leaves(whole), fg.tree.leaves(parts), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14)


@every_mode
def test_without_chunk_size_the_unit_vectors_stay_below_the_bound(
    jac: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit_vectors, "CHUNK_ELEMENTS", 20)
    sizes: list[int] = []
    real = unit_vectors.vmap

    def vmap(*args: Any, **kwargs: Any) -> Any:
        mapped = real(*args, **kwargs)

        def call(*units: Any) -> Any:
            sizes.extend(unit.size for unit in units)
            return mapped(*units)

        return call

    monkeypatch.setattr(unit_vectors, "vmap", vmap)
    x = np.linspace(0.1, 1.0, 8)
    np.testing.assert_allclose(jac(np.sin)(x), np.diag(np.cos(x)))
    assert len(sizes) == 4
    assert max(sizes) <= 20


@every_mode
def test_trees_give_trees_of_trees(jac: Any) -> None:
    def f(p: dict[str, Any], s: Any) -> tuple[Any, list[Any]]:
        return p["w"] @ p["x"] * s, [np.sum(p["x"])]

    p = {"w": M, "x": X}
    first, (second,) = jac(f)(p, 2.0)
    assert {key: value.shape for key, value in first.items()} == {"w": (4, 4, 3), "x": (4, 3)}
    np.testing.assert_allclose(first["x"], 2 * M)
    np.testing.assert_allclose(first["w"], 2 * np.einsum("ij,k->ijk", np.eye(4), X))
    np.testing.assert_array_equal(second["w"], np.zeros((4, 3)))
    np.testing.assert_array_equal(second["x"], np.ones(3))


@every_mode
def test_several_argnums_give_tuples_inside_the_result(jac: Any) -> None:
    found = jac(lambda x, y: {"z": x * y}, argnums=(1, 0))(X, 2.0)
    assert list(found) == ["z"]
    by_y, by_x = found["z"]
    np.testing.assert_allclose(by_y, X)
    np.testing.assert_allclose(by_x, 2.0 * np.eye(3))


@every_mode
def test_negative_argnums_and_keyword_arguments(jac: Any) -> None:
    found = jac(lambda x, y, s=1.0: x * y * s, argnums=-1)(3.0, X, s=2.0)
    np.testing.assert_allclose(found, 6.0 * np.eye(3))
    assert isinstance(jac(lambda x: x * x, argnums=(0,))(X), tuple)


@every_mode
def test_aux_is_passed_on_as_plain_values(jac: Any) -> None:
    found, aux = jac(lambda x: (x**2, {"name": x * 3}), has_aux=True)(X)
    np.testing.assert_allclose(found, np.diag(2 * X))
    np.testing.assert_allclose(aux["name"], 3 * X)
    assert type(aux["name"]) is np.ndarray


@every_mode
def test_float32_is_kept(jac: Any) -> None:
    found = jac(lambda x: np.sin(x) * 2.0)(X.astype(np.float32))
    assert found.dtype == np.float32


@every_mode
def test_no_elements_give_an_empty_jacobian(jac: Any) -> None:
    assert jac(lambda x: x[:0] * 2)(X).shape == (0, 3)
    assert jac(lambda x: np.ones(2) * np.sum(x))(np.zeros(0)).shape == (2, 0)
    assert jac(lambda p: np.ones(2))([]) == []


@every_mode
def test_results_own_their_memory(jac: Any) -> None:
    first, second = jac(lambda x, y: x * y, argnums=(0, 1))(X, X.copy())
    for one in (first, second):
        assert one.flags.writeable
        assert not np.shares_memory(one, X)
    assert not np.shares_memory(first, second)


@every_mode
def test_holomorphic_functions_have_a_complex_derivative(jac: Any) -> None:
    z = X + 0.5j
    found = jac(lambda z: np.sin(z) * z[0], holomorphic=True)(z)
    expected = np.diag(np.cos(z) * z[0])
    expected[:, 0] += np.sin(z)
    np.testing.assert_allclose(found, expected)


def test_complex_results_of_real_arguments_go_forward() -> None:
    for jac in (fg.jacfwd, fg.jacobian):
        np.testing.assert_allclose(jac(lambda x: np.exp(1j * x))(X), np.diag(1j * np.exp(1j * X)))


def test_complex_arguments_of_real_results_go_back() -> None:
    z = X + 0.5j
    for jac in (fg.jacrev, fg.jacobian):
        np.testing.assert_allclose(jac(lambda z: np.abs(z) ** 2)(z), np.diag(2 * np.conj(z)))


def test_integer_arguments_have_a_derivative_without_bytes() -> None:
    for jac in (fg.jacrev, fg.jacobian):
        by_n, by_x = jac(lambda n, x: x * n, argnums=(0, 1), allow_int=True)(np.arange(3), X)
        assert by_n.dtype == fg.float0
        assert by_n.shape == (3, 3)
        np.testing.assert_array_equal(by_x, np.diag([0.0, 1.0, 2.0]))


def test_the_derivative_by_one_integer_is_an_array_without_bytes() -> None:
    found = fg.jacobian(lambda n: n * 1.5, allow_int=True)(3)
    assert (type(found), found.dtype, found.shape) == (np.ndarray, fg.float0, ())


def test_integer_results_have_a_derivative_without_bytes_in_forward_mode() -> None:
    for jac in (fg.jacfwd, fg.jacobian):
        found, sign = jac(lambda x: (x * x, np.floor(x) > 1))(X)
        assert sign.dtype == fg.float0
        assert sign.shape == (3, 3)
        np.testing.assert_allclose(found, np.diag(2 * X))


def test_jacobian_takes_the_mode_with_fewer_unit_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    for name in ("forward", "reverse"):
        original = getattr(unit_vectors.Problem, name)

        def method(self: Any, *args: Any, name: str = name, original: Any = original) -> Any:
            taken.append(name)
            return original(self, *args)

        monkeypatch.setattr(unit_vectors.Problem, name, method)
    fg.jacobian(lambda x: M @ x)(X)
    fg.jacobian(lambda x: M[:2] @ x)(X)
    fg.jacobian(lambda x: x * X)(1.0)
    assert taken == ["forward", "reverse", "forward"]


# --- second derivatives -------------------------------------------------------------------------


def quartic(x: Any) -> Any:
    return np.sum(x**4) + x[0] * x[1] * x[2]


def quartic_hessian(x: Any) -> Any:
    hessian = np.diag(12 * x**2)
    hessian[[0, 1], [1, 0]] += x[2]
    hessian[[0, 2], [2, 0]] += x[1]
    hessian[[1, 2], [2, 1]] += x[0]
    return hessian


@pytest.mark.parametrize("chunk", [None, 1, 2])
def test_hessian_is_the_second_derivative(chunk: int | None) -> None:
    found = fg.hessian(quartic, chunk_size=chunk)(X)
    np.testing.assert_allclose(found, quartic_hessian(X), rtol=1e-13)


@pytest.mark.parametrize("outer", MODES)
@pytest.mark.parametrize("inner", MODES)
def test_every_pair_of_modes_gives_the_hessian(outer: Any, inner: Any) -> None:
    np.testing.assert_allclose(outer(inner(quartic))(X), quartic_hessian(X), rtol=1e-13)


def test_hessian_of_trees_is_nested() -> None:
    def f(p: dict[str, Any]) -> Any:
        return np.sum(p["w"] ** 2) * p["b"]

    found = fg.hessian(f)({"w": M, "b": 2.0})
    assert found["w"]["w"].shape == (4, 3, 4, 3)
    np.testing.assert_allclose(found["w"]["w"].reshape(12, 12), 4.0 * np.eye(12))
    np.testing.assert_allclose(found["w"]["b"], 2 * M)
    np.testing.assert_allclose(found["b"]["w"], 2 * M)
    assert found["b"]["b"] == 0.0


def test_hessian_of_several_arguments_is_a_tuple_of_tuples() -> None:
    (xx, xy), (yx, yy) = fg.hessian(lambda x, y: np.sum(x * x) * y, argnums=(0, 1))(X, 2.0)
    np.testing.assert_allclose(xx, 4.0 * np.eye(3))
    np.testing.assert_allclose(xy, 2 * X)
    np.testing.assert_allclose(yx, 2 * X)
    assert yy == 0.0


def test_hessian_of_a_vector_function_has_the_result_axes_first() -> None:
    found = fg.hessian(lambda x: M @ x**3)(X)
    assert found.shape == (4, 3, 3)
    np.testing.assert_allclose(found, np.einsum("ij,jk->ijk", 6 * M * X, np.eye(3)), rtol=1e-13)


def test_hessian_passes_aux_on() -> None:
    found, aux = fg.hessian(lambda x: (quartic(x), "aux"), has_aux=True)(X)
    np.testing.assert_allclose(found, quartic_hessian(X))
    assert aux == "aux"


def test_hvp_is_the_hessian_times_a_vector() -> None:
    v = np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(fg.hvp(quartic, (X,), (v,)), quartic_hessian(X) @ v)


def test_hvp_of_several_primals_couples_them() -> None:
    def f(p: dict[str, Any], y: Any) -> Any:
        return np.sum(p["x"] ** 2) * y**2

    by_p, by_y = fg.hvp(f, ({"x": X}, 3.0), ({"x": np.ones(3)}, 1.0))
    np.testing.assert_allclose(by_p["x"], 18.0 * np.ones(3) + 12 * X)
    np.testing.assert_allclose(by_y, 12 * np.sum(X) + 2 * np.sum(X**2))


def test_hvp_passes_aux_on() -> None:
    product, aux = fg.hvp(lambda x: (quartic(x), x), (X,), (X,), has_aux=True)
    np.testing.assert_allclose(product, quartic_hessian(X) @ X)
    np.testing.assert_array_equal(aux, X)


def test_nothing_is_left_for_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        for jac in (*MODES, fg.hessian):
            jac(lambda x: np.sin(x) @ X)(X)
        fg.hvp(quartic, (X,), (X,))
        assert gc.collect() == 0
    finally:
        gc.enable()


# --- what bad input gets ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fg.jacfwd(np.sin)(3), InputDtypeError, "jacfwd: argument 0 has type int"),
        (
            lambda: fg.jacrev(lambda p: p["a"][1])({"a": [1.0, 2]}),
            InputDtypeError,
            "jacrev: argument 0['a'][1] has type int",
        ),
        (lambda: fg.jacfwd(np.sin)(X + 0j), InputDtypeError, "Forward mode would give"),
        (
            lambda: fg.jacrev(lambda x: x * 1j)(X),
            OutputDtypeError,
            "returned dtype complex128. This needs real floating-point results",
        ),
        (lambda: fg.jacrev(lambda x: x > 1)(X), OutputDtypeError, "returned dtype bool"),
        (
            lambda: fg.jacrev(np.sin, holomorphic=True)(X),
            OutputDtypeError,
            "holomorphic=True, but argument 0 has dtype float64",
        ),
        (
            lambda: fg.jacfwd(np.abs, holomorphic=True)(X + 0j),
            OutputDtypeError,
            "This needs complex results",
        ),
        (lambda: fg.hessian(np.sin)(1), InputDtypeError, "hessian: argument 0 has type int"),
        (lambda: fg.jacobian(np.sin, argnums=1)(X), ArgumentSelectionError, "jacobian: argnums=1"),
        (lambda: fg.jacfwd(np.sin, chunk_size=0), BatchSizeError, "jacfwd: chunk_size=0"),
        (lambda: fg.hvp(np.sin, (X,), (X,)), NonScalarOutputError, "returned shape (3,)"),
        (lambda: fg.hvp(quartic, (X,), (X[:2],)), TangentError, "has shape (2,)"),
        (lambda: fg.hvp(quartic, X, X), TangentError, "Write jvp(f, (x,), (x_dot,))"),
    ],
)
def test_bad_arguments_are_refused(
    call: Callable[[], Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=re.escape(words)):
        call()

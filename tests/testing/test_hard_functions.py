"""Functions that are hard to check: of one triangle, with many kinks, with rounding inside."""

from functools import partial
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.testing import (
    DerivativeCheckError,
    check_adjoint,
    check_grads,
    check_jvp,
    check_linear,
    check_vjp,
)

SYMMETRIC = np.array([[2.0, 1.0], [1.0, 3.0]])
HERMITIAN = np.array([[2.0, 1.0 + 0.5j], [1.0 - 0.5j, 3.0]])


@pytest.mark.parametrize("modes", [("fwd",), ("rev",)])
@pytest.mark.parametrize("a", [SYMMETRIC, HERMITIAN, np.stack([SYMMETRIC, 2 * SYMMETRIC])])
@pytest.mark.parametrize(
    "f",
    [
        np.linalg.eigvalsh,
        lambda a: np.linalg.eigvalsh(a, UPLO="U"),
        lambda a: np.linalg.eigh(a).eigenvalues,
        np.linalg.cholesky,
        lambda a: np.linalg.pinv(a, hermitian=True),
    ],
)
def test_a_function_that_reads_one_triangle_is_not_called_a_wrong_rule(
    f: Any, a: Any, modes: Any
) -> None:
    with pytest.raises(DerivativeCheckError, match=r"check `lambda a: f\(\(a \+ ") as caught:
        check_grads(f, (a,), order=1, modes=modes)
    assert caught.value.verdict == "one triangle is read"
    check_grads(lambda a: f((a + np.conj(np.swapaxes(a, -1, -2))) / 2), (a,), order=1, modes=modes)


def test_the_named_tuple_that_numpy_returns_passes() -> None:
    check_grads(lambda a: np.linalg.eigh((a + a.T) / 2), (SYMMETRIC,))


def test_a_wrong_rule_of_a_function_of_one_triangle_is_called_wrong() -> None:
    def rule(primals: Any, tangents: Any) -> Any:
        out, out_dot = fg.jvp(np.linalg.eigvalsh, primals, tangents)
        return out, 1.001 * out_dot

    with pytest.raises(DerivativeCheckError, match="Wrong rule") as caught:
        check_jvp(np.linalg.eigvalsh, rule, (SYMMETRIC,))
    assert "Hermitian" not in str(caught.value)


def test_a_rule_that_is_right_in_hermitian_directions_only_is_called_wrong() -> None:
    def rule(primals: Any, tangents: Any) -> Any:
        (a,), (v,) = primals, tangents
        return a * a, a * (v + v.T)

    with pytest.raises(DerivativeCheckError, match=r"Wrong rule.*In Hermitian directions"):
        check_jvp(lambda a: a * a, rule, (SYMMETRIC,))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(np.sort(x) * np.arange(20.0)),
        lambda x: np.sum(np.maximum(x, 0)),
        lambda x: np.sum(np.abs(x)),
        lambda x: np.sum(np.clip(x, -1, 1) ** 2),
        np.median,
    ],
    ids=["sort", "relu", "abs", "clip", "median"],
)
def test_piecewise_linear_functions_pass_at_order_two(f: Any, seed: int) -> None:
    check_grads(f, (np.random.default_rng(seed).normal(size=20),))


def relu_sum(x: Any) -> Any:
    return np.sum(np.maximum(x, 0))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("slope", [1e-3, 1.0])
def test_a_slope_of_a_piecewise_constant_function_is_refused(seed: int, slope: float) -> None:
    x = np.random.default_rng(seed).normal(size=20)
    gradient = fg.grad(relu_sum)
    wrong = lambda p, t: (gradient(*p), slope * t[0])
    with pytest.raises(DerivativeCheckError):
        check_jvp(gradient, wrong, (x,))


def test_second_derivatives_at_a_kink_are_told_from_wrong_rules() -> None:
    x = np.random.default_rng(0).normal(size=20)
    x[3] = 0.0
    with pytest.raises(DerivativeCheckError, match="the function jumps") as caught:
        check_grads(lambda x: np.sum(np.maximum(x, 0) * x), (x,), order=3)
    assert caught.value.verdict == "kink here"


def in_float32(x: Any) -> Any:
    return np.sum(x.astype(np.float32) ** 2)


@pytest.mark.parametrize("seed", range(4))
def test_a_function_that_rounds_to_float32_inside_passes(seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=5)
    check_grads(in_float32, (x,))
    check_linear(lambda x: (x.astype(np.float32) * 3).astype(np.float64), (x,))


def test_a_wrong_rule_of_a_function_that_rounds_inside_is_found() -> None:
    x = np.random.default_rng(0).normal(size=5)
    for factor in (0.0, 1.001):
        f = fg.custom_rule(
            in_float32,
            jvp=lambda p, t: fg.jvp(in_float32, p, t),
            vjp=(
                lambda x: (in_float32(x), x),
                lambda x, ct, factor=factor: (factor * fg.vjp(in_float32, x)[1](ct)[0],),
            ),
        )
        with pytest.raises(DerivativeCheckError, match="wrong rule"):
            check_adjoint(f, (x,))
        with pytest.raises(DerivativeCheckError):
            check_vjp(f, partial(fg.vjp, f), (x,))


def test_a_function_that_rounds_to_float16_inside_is_told_from_a_wrong_rule() -> None:
    x = np.random.default_rng(0).normal(size=5)
    with pytest.raises(DerivativeCheckError, match=r"rounds to about .* inside.*pass rtol=0\.0"):
        check_grads(lambda x: np.sum(x.astype(np.float16) ** 2), (x,))

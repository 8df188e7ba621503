"""Checks pass what is right, and name what is wrong: the law, the place, the reason."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import funcgrad as fg
from funcgrad.testing import (
    DerivativeCheckError,
    LawError,
    StructureCheckError,
    check_adjoint,
    check_custom_rule,
    check_grads,
    check_jvp,
    check_linear,
    check_vjp,
    check_vmap,
)
from funcgrad.testing.programs import GeneratedProgram
from funcgrad.testing.strategies import programs

X = np.array([0.5, -1.0, 2.0])
PARAMS = {"w": np.array([[0.5, -1.0, 2.0], [0.1, 0.2, -0.3]]), "b": np.array([0.3, -0.7])}


def layer(params: Any, x: Any) -> Any:
    return np.tanh(params["w"] @ x + params["b"])


def layer_jvp(primals: Any, tangents: Any) -> Any:
    (params, x), (dot, x_dot) = primals, tangents
    out = layer(params, x)
    return out, (1 - out**2) * (dot["w"] @ x + params["w"] @ x_dot + dot["b"])


def layer_vjp(params: Any, x: Any) -> Any:
    out = layer(params, x)

    def pullback(ct: Any) -> Any:
        inner = ct * (1 - out**2)
        return {"w": np.outer(inner, x), "b": inner}, params["w"].T @ inner

    return out, pullback


# ---------------------------------------------------------------------------------------------
# What is right passes


@pytest.mark.parametrize("order", [1, 2, 3])
def test_funcgrads_own_derivatives_pass_at_any_order(order: int) -> None:
    check_grads(lambda x, y: np.sin(x) * y, (X, 2.0), order=order)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_every_precision_is_checked_by_its_own_measure(dtype: Any) -> None:
    check_grads(lambda x: np.exp(x) * x, (X.astype(dtype),))


@pytest.mark.parametrize("f", [np.conj, np.real, lambda z: np.sum(np.abs(z) ** 2), np.exp])
def test_complex_functions_follow_the_convention_without_conjugation(f: Any) -> None:
    check_grads(f, (X + 1j * X[::-1],))


def test_pytrees_with_integers_pass() -> None:
    args = ({"x": X, "n": 3}, [2.0, None])
    check_grads(lambda p, q: {"out": (p["x"] ** p["n"] * q[0], p["n"])}, args)


def test_rules_of_ones_own_pass() -> None:
    check_jvp(layer, layer_jvp, (PARAMS, X))
    check_vjp(layer, layer_vjp, (PARAMS, X))


def test_many_leaves_are_checked_together() -> None:
    check_grads(lambda xs: sum(np.sin(x) for x in xs), ([X + i for i in range(20)],), order=1)


@given(program=programs())
def test_random_programs_pass(program: GeneratedProgram) -> None:
    check_grads(program, program.inputs, order=1)


def test_linear_functions_pass() -> None:
    check_linear(lambda x, y: {"sum": np.cumsum(x) + y[::-1], "conj": np.conj(x)}, (X, 2 * X))
    check_linear(np.real, (X + 1j,))


def test_batched_functions_pass() -> None:
    batch = {"w": np.stack([PARAMS["w"]] * 3, axis=1), "b": PARAMS["b"]}
    check_vmap(layer, (batch, np.eye(3)), in_axes=({"w": 1, "b": None}, 0))
    check_vmap(lambda x: (x.sum(), x), (np.eye(3),), in_axes=1, out_axes=(0, 1))


def test_functions_with_custom_rules_pass() -> None:
    check_custom_rule(cube_with_vjp(3.0), (X,))
    check_custom_rule(cube_with_jvp(3.0), (X,), order=2)


def test_a_rule_that_is_right_to_a_given_tolerance_passes() -> None:
    rough = rule_of(np.sin, lambda x: np.cos(x) + 1e-4)
    check_jvp(np.sin, rough, (X,), atol=1e-3)
    with pytest.raises(DerivativeCheckError):
        check_jvp(np.sin, rough, (X,), atol=1e-5)


# ---------------------------------------------------------------------------------------------
# What is wrong is found


def rule_of(f: Callable[[Any], Any], slope: Callable[[Any], Any]) -> Callable[..., Any]:
    """A jvp rule of an elementwise f."""
    return lambda primals, tangents: (f(*primals), slope(*primals) * tangents[0])


@pytest.mark.parametrize(
    "slope",
    [
        lambda x: np.cos(x) * 1.001,
        lambda x: np.cos(x) + 1e-3,
        lambda x: np.cos(x) + 1e-7,
        lambda x: -np.cos(x),
        lambda x: np.sin(x),
        lambda x: np.cos(x) * np.array([1.0, 1.0, 0.0]),
        lambda x: np.cos(x) * np.nan,
    ],
    ids=["0.1%", "1e-3", "1e-7", "sign", "function", "one entry", "nan"],
)
def test_a_wrong_jvp_rule_is_called_wrong(slope: Any) -> None:
    with pytest.raises(DerivativeCheckError, match="Wrong rule") as caught:
        check_jvp(np.sin, rule_of(np.sin, slope), (X,))
    assert caught.value.verdict == "wrong rule"
    assert caught.value.law == "jvp = numerical derivative"


def test_a_wrong_float32_rule_is_found_too() -> None:
    rule = rule_of(np.sin, lambda x: np.cos(x) * np.float32(1.001))
    with pytest.raises(DerivativeCheckError, match="Wrong rule"):
        check_jvp(np.sin, rule, (X.astype(np.float32),))


def test_the_message_of_a_wrong_jvp_says_where_in_the_output_and_along_which_input() -> None:
    def missing_bias(primals: Any, tangents: Any) -> Any:
        out, out_dot = layer_jvp(primals, tangents)
        return out, out_dot - (1 - out**2) * tangents[0]["b"] * np.array([0.0, 1.0])

    with pytest.raises(DerivativeCheckError) as caught:
        check_jvp(layer, missing_bias, (PARAMS, X))
    assert caught.value.path == "output[1]"
    assert "fails at output[1] along args[0]['b']: the rule says 0" in str(caught.value)


@pytest.mark.parametrize(
    ("leaf", "path"), [("w", "args[0]['w'][1, 2]"), ("b", "args[0]['b'][1]"), ("x", "args[1][2]")]
)
def test_the_message_of_a_wrong_vjp_names_the_entry_of_the_input(leaf: str, path: str) -> None:
    def spoiled(params: Any, x: Any) -> Any:
        out, pullback = layer_vjp(params, x)

        def wrong(ct: Any) -> Any:
            of_params, of_x = pullback(ct)
            found = {**of_params, "x": of_x}
            found[leaf] = found[leaf].copy()
            found[leaf].flat[-1] += 1e-3
            return {"w": found["w"], "b": found["b"]}, found["x"]

        return out, wrong

    with pytest.raises(DerivativeCheckError, match="Wrong rule") as caught:
        check_vjp(layer, spoiled, (PARAMS, X))
    assert caught.value.path == path
    assert caught.value.mismatch == pytest.approx(1e-3, rel=1e-6)
    assert caught.value.error < 1e-9


def test_among_many_leaves_the_wrong_one_is_named() -> None:
    leaves = [X + i for i in range(20)]

    def rule(primals: Any, tangents: Any) -> Any:
        (xs,), (dots,) = primals, tangents
        return sum(xs), sum(dots) + 0.01 * dots[13]

    with pytest.raises(DerivativeCheckError, match=r"along args\[0\]\[13\]"):
        check_jvp(lambda xs: sum(xs), rule, (leaves,))


def test_a_conjugated_vjp_is_wrong() -> None:
    z = X + 1j * X[::-1]
    check_vjp(np.exp, lambda z: (np.exp(z), lambda ct: (ct * np.exp(z),)), (z,))
    with pytest.raises(DerivativeCheckError, match="Wrong rule"):
        check_vjp(np.exp, lambda z: (np.exp(z), lambda ct: (ct * np.conj(np.exp(z)),)), (z,))


@pytest.mark.parametrize(
    ("out_dot", "part"),
    [
        (lambda v: v[:2], r"output has shape \(2,\)"),
        (lambda v: v.astype(np.float32), "dtype float32, but it belongs to .* float64"),
        (lambda v: (v, v), "tuple"),
        (lambda v: v + 0j, "complex128"),
    ],
)
def test_a_tangent_of_wrong_shape_dtype_or_structure_is_refused(out_dot: Any, part: str) -> None:
    with pytest.raises(StructureCheckError, match=part):
        check_jvp(np.sin, lambda p, t: (np.sin(*p), out_dot(np.cos(*p) * t[0])), (X,))


@pytest.mark.parametrize(
    ("cotangents", "part"),
    [
        (lambda ct: ct, "tuple of 1 is expected"),
        (lambda ct: (np.sum(ct),), r"args\[0\] has shape \(\)"),
        (lambda ct: (ct.astype(np.float32),), "float32"),
        (lambda ct: (ct, ct), "tuple of 2"),
    ],
)
def test_a_cotangent_of_wrong_shape_dtype_or_structure_is_refused(
    cotangents: Any, part: str
) -> None:
    with pytest.raises(StructureCheckError, match=part):
        check_vjp(np.sin, lambda x: (np.sin(x), lambda ct: cotangents(ct * np.cos(x))), (X,))


def test_a_rule_with_another_value_is_found() -> None:
    rule = rule_of(lambda x: np.sin(x) + 1e-6, np.cos)
    with pytest.raises(DerivativeCheckError, match="value of the rule = value of the function"):
        check_jvp(np.sin, rule, (X,))


@pytest.mark.parametrize(
    ("f", "x", "verdict"),
    [
        (np.sqrt, np.array([0.0, 1.0]), "kink here"),
        (lambda x: np.where(x < 1, x, 2 * x - 1), np.array([1.0]), "kink here"),
        (lambda x: (x + 1e14) - 1e14, np.array([0.3]), "ill-conditioned here"),
    ],
)
def test_points_that_cannot_be_checked_are_told_from_wrong_rules(
    f: Any, x: Any, verdict: str
) -> None:
    with pytest.raises(DerivativeCheckError) as caught:
        check_grads(f, (x,), order=1, modes=("rev",))
    assert caught.value.verdict == verdict


def test_two_modes_that_disagree_are_found() -> None:
    f = fg.custom_rule(
        lambda x: x**3,
        jvp=lambda primals, tangents: (primals[0] ** 3, 3 * primals[0] ** 2 * tangents[0]),
        vjp=(lambda x: (x**3, x), lambda x, ct: (3.0003 * x**2 * ct,)),
    )
    with pytest.raises(DerivativeCheckError, match="⟨ct, J ẋ⟩ = ⟨Jᵀct, ẋ⟩ fails at args"):
        check_adjoint(f, (X,))


@pytest.mark.parametrize("f", [np.sin, lambda x: x + 1.0, lambda x: x * x, np.abs])
def test_a_function_that_is_not_linear_is_found(f: Any) -> None:
    with pytest.raises(DerivativeCheckError, match="f\\(αx \\+ βy\\)"):
        check_linear(f, (X,))


def test_a_function_that_does_not_batch_like_a_loop_is_found() -> None:
    def looks_at_the_rank(x: Any) -> Any:
        return np.sum(x) * (1.0 if np.ndim(x) == 1 else 2.0) + leaky.pop()

    leaky = [0.0, 0.0, 0.0, 1.0]
    with pytest.raises(DerivativeCheckError, match="vmap\\(f\\) = stacked f fails at output"):
        check_vmap(looks_at_the_rank, (np.eye(3),))


# ---------------------------------------------------------------------------------------------
# Custom rules


def cube_with_vjp(factor: float) -> Any:
    @fg.custom_vjp
    def cube(x: Any) -> Any:
        return x**3

    cube.defvjp(lambda x: (x**3, x), lambda x, ct: (factor * x**2 * ct,))
    return cube


def cube_with_jvp(factor: float) -> Any:
    @fg.custom_jvp
    def cube(x: Any) -> Any:
        return x**3

    @cube.defjvp
    def _rule(primals: Any, tangents: Any) -> Any:
        return primals[0] ** 3, factor * primals[0] ** 2 * tangents[0]

    return cube


@pytest.mark.parametrize("make", [cube_with_vjp, cube_with_jvp])
def test_a_wrong_factor_in_a_custom_rule_is_found(make: Any) -> None:
    with pytest.raises(DerivativeCheckError, match="Wrong rule"):
        check_custom_rule(make(3.003), (X,))


def test_a_custom_rule_with_another_value_is_found() -> None:
    @fg.custom_vjp
    def cube(x: Any) -> Any:
        return x**3

    cube.defvjp(lambda x: (x**3 + 1e-5, x), lambda x, ct: (3 * x**2 * ct,))
    with pytest.raises(DerivativeCheckError, match="value of the rule"):
        check_custom_rule(cube, (X,), modes=("rev",))


def test_a_pullback_that_clips_is_not_linear() -> None:
    @fg.custom_vjp
    def identity(x: Any) -> Any:
        return x * 1.0

    identity.defvjp(lambda x: (x * 1.0, None), lambda _, ct: (np.clip(ct, -1.6, 1.6),))
    with pytest.raises(DerivativeCheckError, match="Jᵀ\\(α a \\+ β b\\)"):
        check_custom_rule(identity, (X,), modes=("rev",))


def test_a_wrong_second_derivative_is_found_at_order_two_only() -> None:
    @fg.custom_jvp
    def cube(x: Any) -> Any:
        return x**3

    @cube.defjvp
    def _rule(primals: Any, tangents: Any) -> Any:
        (x,), (x_dot,) = primals, tangents
        return x**3, 3 * fg.stop_gradient(x) * x * x_dot

    check_custom_rule(cube, (X,), order=1)
    with pytest.raises(DerivativeCheckError, match="of jvp"):
        check_custom_rule(cube, (X,), order=2)


# ---------------------------------------------------------------------------------------------
# Use


@pytest.mark.parametrize(
    "check",
    [
        check_grads,
        check_adjoint,
        check_linear,
        check_vmap,
        check_custom_rule,
        lambda f, args: check_jvp(f, partial(fg.jvp, f), args),
        lambda f, args: check_vjp(f, partial(fg.vjp, f), args),
    ],
)
def test_arguments_that_are_no_tuple_are_refused(check: Any) -> None:
    with pytest.raises(TypeError, match=r"args of type ndarray.*Write \(x,\)"):
        check(np.sin, X)


def test_arguments_without_a_floating_point_number_are_refused() -> None:
    with pytest.raises(ValueError, match="none of the args is floating point"):
        check_grads(lambda n: n * 2, (3,))


def test_a_failed_check_is_a_failed_assertion() -> None:
    assert issubclass(LawError, AssertionError)
    assert issubclass(DerivativeCheckError, LawError)
    assert issubclass(StructureCheckError, LawError)


def test_arguments_are_not_modified() -> None:
    x = X.copy()
    check_grads(np.sin, (x,))
    assert x.tolist() == X.tolist()


def test_a_check_gives_the_same_answer_every_time() -> None:
    messages = set()
    for _ in range(2):
        with pytest.raises(DerivativeCheckError) as caught:
            check_jvp(np.sin, rule_of(np.sin, np.sin), (X,))
        messages.add(str(caught.value))
    assert len(messages) == 1


@pytest.mark.parametrize("make", [cube_with_vjp, cube_with_jvp])
def test_every_failure_of_a_custom_rule_is_headed_by_its_check(make: Any) -> None:
    with pytest.raises(DerivativeCheckError, match=r"^check_custom_rule: "):
        check_custom_rule(make(3.003), (X,))
    with pytest.raises(DerivativeCheckError, match=r"^check_grads: "):
        check_grads(make(3.003), (X,))

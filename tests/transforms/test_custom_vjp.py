"""custom_vjp: the rule is used in every transform, checked, and kept by programs."""

import functools
import gc
import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import CapturedTracerError, CustomRuleError, MutatedArrayError
from tests.transforms.contexts import CONTEXTS, ROWS, X, Y, plain, same


def make() -> Any:
    """`plain` with a rule that calls the function itself, as users write it."""

    @fg.custom_vjp
    def f(x: Any, y: Any) -> Any:
        return plain(x, y)

    def fwd(x: Any, y: Any) -> Any:
        return f(x, y), {"x": x, "y": y, "note": "a residual need not be an array"}

    def bwd(kept: Any, ct: Any) -> Any:
        x, y = kept["x"], kept["y"]
        return np.cos(x) * y * ct["a"] + 2 * x * ct["b"], np.sum(np.sin(x) * ct["a"])

    f.defvjp(fwd, bwd)
    return f


@pytest.mark.parametrize("name", CONTEXTS)
def test_a_right_rule_changes_no_result(name: str) -> None:
    same(CONTEXTS[name](make()), CONTEXTS[name](plain))


def doubled() -> Any:
    """The identity with twice its derivative, so that use of the rule shows."""
    f = fg.custom_vjp(lambda x: x * 1.0)
    f.defvjp(lambda x: (x * 1.0, None), lambda _kept, ct: (2.0 * ct,))
    return f


@pytest.mark.parametrize(
    ("derivative", "expected"),
    [
        (lambda f: fg.grad(lambda x: np.sum(f(x)))(X), np.full(3, 2.0)),
        (lambda f: fg.jvp(f, (X,), (X,))[1], 2 * X),
        (lambda f: fg.linearize(f, X)[1](X), 2 * X),
        (lambda f: fg.jacfwd(f)(X), 2 * np.eye(3)),
        (lambda f: fg.vmap(fg.grad(f))(X), np.full(3, 2.0)),
        (lambda f: fg.grad(lambda x: np.sum(fg.vmap(f)(x)))(X), np.full(3, 2.0)),
        (lambda f: fg.jvp(fg.vmap(f), (X,), (X,))[1], 2 * X),
        (lambda f: fg.grad(lambda x: np.sum(fg.make_program(f)(X)(x)))(X), np.full(3, 2.0)),
        (lambda f: fg.jvp(fg.make_program(f)(X), (X,), (X,))[1], 2 * X),
        (lambda f: fg.make_program(fg.grad(lambda x: np.sum(f(x))))(X)(X), np.full(3, 2.0)),
    ],
)
def test_the_rule_is_used_in_place_of_the_derivative(derivative: Any, expected: Any) -> None:
    np.testing.assert_allclose(derivative(doubled()), expected)


def test_a_cotangent_has_the_shape_and_dtype_of_its_result_and_zeros_where_none_arrived() -> None:
    seen: list[Any] = []

    @fg.custom_vjp
    def f(x: Any) -> Any:
        return {"a": x, "b": np.stack([x, x]).astype(np.float32), "n": np.array([1, 2])}

    def bwd(_kept: Any, ct: Any) -> Any:
        seen.append(ct)
        return (ct["a"],)

    f.defvjp(lambda x: (f(x), None), bwd)
    fg.grad(lambda x: np.sum(f(x)["a"]))(X)
    fg.grad(lambda x: np.sum(f(x)["b"]) + f(x)["n"][0])(X)
    first, second = seen
    assert (first["a"].shape, first["a"].dtype) == ((3,), np.float64)
    np.testing.assert_array_equal(first["a"], np.ones(3))
    assert (first["b"].shape, first["b"].dtype) == ((2, 3), np.float32)
    assert not np.any(first["b"])
    assert (first["n"].shape, first["n"].dtype) == ((2,), fg.float0)
    assert not np.any(second["a"])
    np.testing.assert_array_equal(second["b"], np.ones((2, 3)))


def test_none_stands_for_zero_at_any_depth() -> None:
    @fg.custom_vjp
    def f(p: Any, y: Any) -> Any:
        return p["w"] * y

    f.defvjp(lambda p, y: (p["w"] * y, y), lambda y, ct: ({"w": ct * y, "b": None}, None))
    by_p, by_y = fg.grad(lambda p, y: np.sum(f(p, y)), (0, 1))({"w": X, "b": (X, 1.0)}, 2.0)
    np.testing.assert_array_equal(by_p["w"], np.full(3, 2.0))
    np.testing.assert_array_equal(by_p["b"][0], np.zeros(3))
    assert by_p["b"][1] == by_y == 0.0


def test_only_none_gives_zeros() -> None:
    f = fg.custom_vjp(lambda x: x * 2)
    f.defvjp(lambda x: (x * 2, None), lambda _kept, _ct: (None,))
    np.testing.assert_array_equal(fg.grad(lambda x: np.sum(f(x)))(X), np.zeros(3))
    np.testing.assert_array_equal(fg.jvp(f, (X,), (X,))[1], np.zeros(3))
    np.testing.assert_array_equal(fg.grad(lambda x: np.sum(fg.vmap(f)(x) + x))(X), np.ones(3))


def test_integer_arguments_take_none_or_float0() -> None:
    @fg.custom_vjp
    def take(table: Any, i: Any) -> Any:
        return table[i]

    def bwd(kept: Any, ct: Any) -> Any:
        i, shape = kept
        return np.where(np.arange(shape[0]) == i, ct, 0.0), np.zeros((), fg.float0)

    take.defvjp(lambda table, i: (table[i], (i, table.shape)), bwd)
    np.testing.assert_array_equal(fg.grad(take)(X, 1), [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(
        fg.vmap(fg.grad(take), in_axes=(None, 0))(X, np.array([2, 0])),
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]],
    )


def test_nondiff_arguments_are_passed_by_value() -> None:
    @functools.partial(fg.custom_vjp, nondiff_argnums=(0, -1))
    def apply(f: Any, x: Any, power: int = 2) -> Any:
        return f(x) ** power

    def fwd(f: Any, x: Any, power: int) -> Any:
        return f(x) ** power, x

    def bwd(f: Any, power: int, x: Any, ct: Any) -> Any:
        return (ct * power * f(x) ** (power - 1) * 10,)

    apply.defvjp(fwd, bwd)
    np.testing.assert_allclose(fg.grad(lambda x: apply(np.sin, x))(1.0), 20 * np.sin(1.0))
    np.testing.assert_allclose(
        fg.grad(lambda x: apply(power=3, x=x, f=np.sin))(1.0), 30 * np.sin(1.0) ** 2
    )


def test_namedtuples_and_other_trees_are_put_together_for_the_rules() -> None:
    class Point(NamedTuple):
        x: Any
        y: Any

    @fg.custom_vjp
    def norm(p: Point) -> Any:
        return p.x**2 + p.y**2

    norm.defvjp(lambda p: (norm(p), p), lambda p, ct: (Point(2 * p.x * ct, 2 * p.y * ct),))
    assert fg.grad(norm)(Point(1.0, 2.0)) == Point(2.0, 4.0)


def test_complex_functions_follow_the_convention_without_conjugation() -> None:
    f = fg.custom_vjp(lambda z: z * z)
    f.defvjp(lambda z: (z * z, z), lambda z, ct: (2 * z * ct,))
    z = X + 1j
    same(
        fg.grad(lambda z: np.sum(np.real(f(z))))(z),
        fg.grad(lambda z: np.sum(np.real(z * z)))(z),
    )
    same(fg.jvp(f, (z,), (z,)), fg.jvp(lambda z: z * z, (z,), (z,)))


def test_an_opaque_bwd_works_in_reverse_mode() -> None:
    f = fg.custom_vjp(lambda x: x * 2)
    f.defvjp(lambda x: (x * 2, None), lambda _kept, ct: (np.array([2 * float(c) for c in ct]),))
    np.testing.assert_array_equal(fg.grad(lambda x: np.sum(f(x)))(X), np.full(3, 2.0))


def test_a_rule_may_use_plain_python_where_it_gets_plain_values() -> None:
    f = fg.custom_vjp(lambda x: math.sin(x))
    f.defvjp(lambda x: (math.sin(x), math.cos(x)), lambda c, ct: (c * ct,))
    np.testing.assert_allclose(fg.grad(f)(0.5), math.cos(0.5))
    np.testing.assert_allclose(fg.jvp(f, (0.5,), (2.0,))[1], 2 * math.cos(0.5))


def test_a_method_can_be_a_custom_function() -> None:
    class Model:
        scale = 3.0

        @functools.partial(fg.custom_vjp, nondiff_argnums=0)
        def f(self, x: Any) -> Any:
            return self.scale * x

        f.defvjp(lambda self, x: (self.scale * x, None), lambda _self, _kept, ct: (7 * ct,))

    assert fg.grad(Model().f)(1.0) == 7.0


def test_the_name_and_docstring_of_the_function_are_kept() -> None:
    @fg.custom_vjp
    def cube(x: Any) -> Any:
        """Third power."""
        return x**3

    assert (cube.__name__, cube.__doc__) == ("cube", "Third power.")
    assert repr(cube) == "<CustomVjp of cube>"


def test_a_program_shows_the_function_as_one_operation() -> None:
    f = make()
    program = fg.make_program(f)(X, Y)
    assert "f(x, y, call=" in str(program)
    assert program == fg.make_program(f)(X, Y)
    assert hash(program) == hash(fg.make_program(f)(X, Y))
    assert program != fg.make_program(make())(X, Y)


# --- protection ---------------------------------------------------------------------------------


def test_rules_cannot_change_what_belongs_to_the_transform() -> None:
    f = fg.custom_vjp(lambda x: x * 1)

    def bwd(_kept: Any, ct: Any) -> Any:
        ct *= 2
        return (ct,)

    f.defvjp(lambda x: (x * 1, None), bwd)
    with pytest.raises(ValueError, match="read-only"):
        fg.grad(lambda x: np.sum(f(x)))(X)


def test_a_small_residual_may_change_afterwards() -> None:
    buffer = np.ones(3)
    f = fg.custom_vjp(lambda x: x * buffer)
    f.defvjp(lambda x: (x * buffer, buffer), lambda kept, ct: (kept * ct,))
    _, pullback = fg.vjp(f, X)
    buffer *= 5
    np.testing.assert_array_equal(pullback(np.ones(3))[0], np.ones(3))


def test_a_large_residual_that_changes_is_refused() -> None:
    buffer = np.ones(10_000)
    f = fg.custom_vjp(lambda x: x * buffer)
    f.defvjp(lambda x: (x * buffer, buffer), lambda kept, ct: (kept * ct,))
    _, pullback = fg.vjp(f, np.ones(10_000))
    buffer *= 5
    with pytest.raises(MutatedArrayError):
        pullback(np.ones(10_000))


@pytest.mark.parametrize("name", ["grad", "jvp", "vmap", "hessian", "grad of vmap", "program"])
def test_nothing_is_left_for_the_garbage_collector(name: str) -> None:
    f = make()
    CONTEXTS[name](f)
    gc.collect()
    gc.disable()
    try:
        CONTEXTS[name](f)
        assert gc.collect() == 0
    finally:
        gc.enable()


# --- captured values ----------------------------------------------------------------------------


def scaled_by(w: Any) -> Any:
    """x ↦ w x with a rule for x; w is in the closure."""

    def multiply(x: Any) -> Any:
        return x * w

    f = fg.custom_vjp(multiply)
    f.defvjp(lambda x: (x * w, None), lambda _kept, ct: (ct * w,))
    return f


@pytest.mark.parametrize(
    "call",
    [
        lambda: fg.grad(lambda w: np.sum(scaled_by(w)(w)))(X),
        lambda: fg.jvp(lambda w: scaled_by(w)(w), (X,), (X,)),
        lambda: fg.vmap(lambda w: scaled_by(w)(w))(X),
        lambda: fg.make_program(lambda w: scaled_by(w)(w))(X),
        lambda: fg.grad(lambda x: fg.grad(lambda w: np.sum(scaled_by(w)(x)))(1.0))(X),
    ],
)
def test_captured_values_of_the_same_or_a_newer_transform_are_refused(call: Any) -> None:
    with pytest.raises(CapturedTracerError, match="multiply: it, or a rule of it, uses a traced"):
        call()


def test_a_captured_value_of_an_older_transform_is_differentiated() -> None:
    def f(w: Any) -> Any:
        return np.sum(fg.grad(lambda x: np.sum(scaled_by(w)(x) ** 2))(X))

    np.testing.assert_allclose(fg.grad(f)(3.0), np.sum(4 * 3.0 * X))
    np.testing.assert_allclose(fg.vmap(f)(np.array([3.0, 1.0])), [18 * np.sum(X), 2 * np.sum(X)])


def test_a_captured_value_without_a_traced_argument_is_differentiated_as_the_function_is() -> None:
    np.testing.assert_allclose(fg.grad(lambda w: np.sum(scaled_by(w)(X)))(3.0), np.sum(X))


# --- what bad input gets ------------------------------------------------------------------------


def product(x: Any, p: Any) -> Any:
    return x * p["w"]


def with_rule(bwd: Callable[..., Any], fwd: Callable[..., Any] | None = None) -> Any:
    f = fg.custom_vjp(product)
    f.defvjp(fwd or (lambda x, p: (product(x, p), None)), bwd)
    return f


def gradient(f: Any) -> Any:
    return fg.grad(lambda x, p: np.sum(f(x, p)), (0, 1))(X, {"w": X})


@pytest.mark.parametrize(
    ("bwd", "words"),
    [
        (lambda _k, ct: ct, "its bwd returned a ndarray, but product has 2 arguments"),
        (lambda _k, ct: (ct,), "its bwd returned a tuple of 1, but product has 2 arguments"),
        (
            lambda _k, ct: (ct, ct),
            "returned an array as cotangent of argument 1, where a dict with the keys 'w'",
        ),
        (lambda _k, ct: (ct, {"v": ct}), "a dict with the keys 'v' as cotangent of argument 1"),
        (
            lambda _k, ct: (ct, {"w": [ct]}),
            "returned a list of 1 as cotangent of argument 1['w'], where an array is needed",
        ),
        (
            lambda _k, ct: (ct[0], None),
            "returned shape () as cotangent of argument 0, which has shape (3,)",
        ),
        (
            lambda _k, ct: (ct, {"w": ct.astype(np.float32)}),
            "returned dtype float32 as cotangent of argument 1['w'], which has dtype float64",
        ),
        (lambda _k, ct: (ct * 1j, None), "returned dtype complex128 as cotangent of argument 0"),
        (lambda _k, _ct: ("text", None), "returned a str as cotangent of argument 0"),
    ],
)
def test_a_wrong_cotangent_is_refused_with_its_key_path(bwd: Any, words: str) -> None:
    with pytest.raises(CustomRuleError, match=re.escape(words)) as caught:
        gradient(with_rule(bwd))
    assert str(caught.value).startswith("product: ")


def test_a_wrong_cotangent_is_refused_under_vmap_too() -> None:
    f = with_rule(lambda _k, ct: (ct[0], None))
    with pytest.raises(CustomRuleError, match=re.escape("shape () as cotangent of argument 0")):
        fg.grad(lambda x: np.sum(fg.vmap(f, (0, None))(x, {"w": X})))(ROWS)


def test_a_cotangent_for_an_integer_is_refused() -> None:
    f = fg.custom_vjp(lambda x, n: x * n)
    f.defvjp(lambda x, n: (x * n, n), lambda n, ct: (ct * n, 1.0))
    with pytest.raises(CustomRuleError, match="as cotangent of argument 1, which is not float"):
        fg.grad(f)(2.0, 3)


def test_positions_in_messages_count_nondiff_arguments() -> None:
    f = fg.custom_vjp(lambda n, x: x * n, nondiff_argnums=0)
    f.defvjp(lambda n, x: (x * n, None), lambda n, _k, ct: (np.stack([ct, n]),))
    with pytest.raises(CustomRuleError, match="cotangent of argument 1,"):
        fg.grad(lambda x: f(2, x))(1.0)


def test_a_fwd_that_returns_no_pair_is_refused() -> None:
    f = with_rule(lambda _k, ct: (ct, None), fwd=product)
    with pytest.raises(CustomRuleError, match="its fwd returned a ndarray, but a pair"):
        gradient(f)


def test_a_missing_rule_is_missed_in_a_derivative_only() -> None:
    f = fg.custom_vjp(product)
    np.testing.assert_allclose(f(X, {"w": X}), X * X)
    np.testing.assert_allclose(fg.vmap(f, (0, None))(ROWS, {"w": X}), ROWS * X)
    with pytest.raises(CustomRuleError, match="product: it has no derivative rule yet"):
        gradient(f)
    with pytest.raises(CustomRuleError, match=re.escape("product.defvjp(fwd, bwd)")):
        fg.jvp(lambda x: f(x, {"w": X}), (X,), (X,))


@pytest.mark.parametrize(
    ("bwd", "reason"),
    [
        (lambda _k, ct: (np.asarray(ct) * 2, None), "was to become a plain array"),
        (lambda _k, ct: (np.array([float(c) for c in ct]), None), "asks for float()"),
        (lambda _k, ct: (ct if ct[0] > 0 else 2 * ct, None), "not linear because of greater"),
        (lambda _k, ct: (ct * ct, None), "not linear because of multiply"),
        (lambda _k, ct: (ct + 1, None), "not linear because of add"),
        (lambda _k, _ct: (X, None), "does not depend on the arguments and is not zero"),
    ],
)
def test_forward_mode_of_a_bwd_that_cannot_be_transposed_says_so(bwd: Any, reason: str) -> None:
    f = with_rule(bwd)
    with pytest.raises(CustomRuleError, match=re.escape(reason)) as caught:
        fg.jvp(lambda x: f(x, {"w": X}), (X,), (X,))
    text = str(caught.value)
    assert text.startswith("product: forward mode transposes its bwd, which cannot be transposed")
    assert "custom_rule(fun, jvp=jvp, vjp=(fwd, bwd))" in text


def test_a_traced_nondiff_argument_is_refused() -> None:
    f = fg.custom_vjp(lambda x, n: x * n, nondiff_argnums=1)
    f.defvjp(lambda x, n: (x * n, None), lambda n, _k, ct: (ct * n,))
    with pytest.raises(CustomRuleError, match="argument 1 is in nondiff_argnums, but holds"):
        fg.grad(lambda x: f(x, [x]))(2.0)


def test_arguments_by_keyword_only_are_refused() -> None:
    f = fg.custom_vjp(lambda x, *, n: x * n)
    with pytest.raises(CustomRuleError, match=re.escape("['n'] can be given by keyword only")):
        f(2.0, n=3)


def test_a_nondiff_position_out_of_range_is_refused() -> None:
    f = fg.custom_vjp(product, nondiff_argnums=(2,))
    with pytest.raises(CustomRuleError, match="There is no argument 2"):
        f(X, {"w": X})


def test_something_that_is_no_function_is_refused() -> None:
    with pytest.raises(CustomRuleError, match="custom_vjp: was given a int"):
        fg.custom_vjp(3)  # type: ignore[arg-type]  # that is the point

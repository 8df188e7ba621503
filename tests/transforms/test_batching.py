"""custom_vmap and sequential_vmap: when a rule runs, what it is given, derivatives through it."""

from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import CapturedTracerError, CustomRuleError
from funcgrad.transforms.batching import custom_vmap, sequential_vmap

XS = np.array([0.5, 1.0, 2.0])
CALLS: list[Any] = []


def made(rule: Any = None) -> Any:
    """x y + sin x for one example; a rule that says the same for all of them at once."""
    f = custom_vmap(lambda x, y: x * y + np.sin(x))

    @f.def_vmap
    def default(size: int, in_batched: Any, x: Any, y: Any) -> Any:
        CALLS.append((size, in_batched))
        return x * y + np.sin(x), True

    if rule is not None:
        f.def_vmap(rule)
    return f


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    CALLS.clear()


def plain(x: Any, y: Any) -> Any:
    return x * y + np.sin(x)


def test_outside_of_vmap_the_function_itself_runs() -> None:
    f = made()
    assert f(1.0, y=2.0) == plain(1.0, 2.0)
    assert fg.grad(f, (0, 1))(1.0, 2.0) == fg.grad(plain, (0, 1))(1.0, 2.0)
    assert CALLS == []


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)])
def test_the_rule_is_told_which_arguments_are_batched(axes: Any) -> None:
    f, args = made(), [XS if axis == 0 else 2.0 for axis in axes]
    np.testing.assert_allclose(fg.vmap(f, axes)(*args), fg.vmap(plain, axes)(*args))
    assert len(CALLS) == 1
    assert CALLS[0] == (3, [axis == 0 for axis in axes])


def test_an_argument_that_vmap_does_not_map_reaches_the_function() -> None:
    f = made()
    fg.vmap(lambda x: x * f(1.0, 2.0))(XS)
    fg.vmap(lambda w, x: x * f(w, 2.0), in_axes=(None, 0))(1.0, XS)
    assert CALLS == []


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)])
@pytest.mark.parametrize("by", [0, 1])
def test_derivatives_inside_and_outside_are_those_of_the_mathematics(axes: Any, by: int) -> None:
    f, args = made(), [XS if axis == 0 else 2.0 for axis in axes]
    for transform in (fg.grad, fg.jacfwd, fg.hessian):
        found = fg.vmap(transform(f, by), axes)(*args)
        np.testing.assert_allclose(found, fg.vmap(transform(plain, by), axes)(*args))
    for transform in (fg.jacfwd, fg.jacrev):
        found = transform(fg.vmap(f, axes), by)(*args)
        np.testing.assert_allclose(found, transform(fg.vmap(plain, axes), by)(*args))
    assert CALLS


def test_nested_vmaps_use_the_rule_for_the_inner_one() -> None:
    f = made()
    both = lambda g: fg.vmap(fg.vmap(g, (0, None)), (None, 0))  # a formula
    np.testing.assert_allclose(both(f)(XS, XS), both(plain)(XS, XS))
    assert CALLS == [(3, [True, False])]
    np.testing.assert_allclose(both(fg.grad(f))(XS, XS), both(fg.grad(plain))(XS, XS))


def test_a_rule_that_calls_the_function_again_serves_the_outer_vmap() -> None:
    f = custom_vmap(np.sin)
    levels = []

    @f.def_vmap
    def rule(size: int, in_batched: Any, x: Any) -> Any:
        levels.append(size)
        return f(x), True

    np.testing.assert_allclose(
        fg.vmap(fg.vmap(f))(np.outer(XS[:2], XS)), np.sin(np.outer(XS[:2], XS))
    )
    assert levels == [3, 2]


def test_trees_go_in_and_come_out() -> None:
    f = custom_vmap(lambda d: {"s": d["a"] + d["b"][0], "one": 1.0})

    @f.def_vmap
    def rule(size: int, in_batched: Any, d: Any) -> Any:
        assert in_batched == [{"a": True, "b": (False,)}]
        return {"s": d["a"] + d["b"][0], "one": 1.0}, {"s": True, "one": False}

    found = fg.vmap(lambda x, y: f({"a": x, "b": (y,)}), (0, None))(XS, 3.0)
    np.testing.assert_allclose(found["s"], XS + 3)
    np.testing.assert_array_equal(found["one"], np.ones(3))


def test_a_rule_may_change_what_the_function_means() -> None:
    f = made(lambda size, in_batched, x, y: (x * 0.0 + size, True))
    np.testing.assert_array_equal(fg.vmap(f, (0, None))(XS, 1.0), [3, 3, 3])


def test_methods_can_have_a_rule() -> None:
    class Model:
        scale = 2.0

        @custom_vmap
        def apply(self, x: Any) -> Any:
            return self.scale * x

    assert Model().apply(3.0) == 6.0


def test_the_rule_is_followed_by_programs() -> None:
    program = fg.make_program(fg.vmap(made(), (0, None)))(XS, 2.0)
    np.testing.assert_allclose(program(2 * XS, 3.0), plain(2 * XS, 3.0))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda n, b, x, y: x, "its batching rule returned a ndarray, but a pair"),
        (lambda n, b, x, y: (x[:2], True), r"returned shape \(2,\) as result"),
        (lambda n, b, x, y: (1.0, True), r"returned shape \(\) as result"),
    ],
)
def test_what_a_rule_returns_is_checked(rule: Any, message: str) -> None:
    with pytest.raises(CustomRuleError, match=message):
        fg.vmap(made(rule), (0, None))(XS, 1.0)


def test_a_missing_rule_is_named_with_the_fix() -> None:
    f = custom_vmap(np.sin)
    with pytest.raises(CustomRuleError, match=r"sin.def_vmap\(rule\)"):
        fg.vmap(f)(XS)
    with pytest.raises(CustomRuleError, match="was given a float"):
        custom_vmap(1.0)  # type: ignore[arg-type]  # the mistake


def test_a_batched_value_from_the_closure_of_a_rule_is_refused() -> None:
    def f(x: Any) -> Any:
        return made(lambda n, b, a, y: (a * x, True))(x, 1.0)

    with pytest.raises(CapturedTracerError, match="differs between the examples already"):
        fg.vmap(f)(XS)


# --- sequential_vmap --------------------------------------------------------------------------


def test_sequential_vmap_branches_for_each_example() -> None:
    f = sequential_vmap(lambda x, k: x**2 * k if x > 0.7 else -x)
    expected = np.array([-0.5, 3.0, 12.0])
    np.testing.assert_allclose(fg.vmap(f, (0, None))(XS, 3.0), expected)
    np.testing.assert_allclose(fg.vmap(fg.grad(f), (0, None))(XS, 3.0), [-1, 6, 12])
    np.testing.assert_allclose(fg.vmap(fg.grad(f, 1), (0, None))(XS, 3.0), [0, 1, 4])
    assert fg.grad(lambda k: np.sum(fg.vmap(f, (0, None))(XS, k)))(3.0) == 5.0
    both = fg.vmap(fg.vmap(f, (0, None)), (None, 0))(XS, np.array([1.0, 2.0]))
    np.testing.assert_allclose(both, [[-0.5, 1, 4], [-0.5, 2, 8]])


def test_sequential_vmap_keeps_trees_and_empty_batches() -> None:
    f = sequential_vmap(lambda x: {"a": x[0], "b": (x * 2,)})
    found = fg.vmap(f)(np.outer(XS, XS))
    np.testing.assert_allclose(found["b"][0], 2 * np.outer(XS, XS))
    assert fg.vmap(f)(np.zeros((0, 4)))["b"][0].shape == (0, 4)

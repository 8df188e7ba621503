"""cond and switch: which branch runs, what vmap selects, derivatives beside one not taken."""

import functools
import math
import sys
from types import MethodType
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import (
    BranchError,
    CallableError,
    CapturedTracerError,
    ControlFlowError,
    GuardError,
)
from funcgrad.transforms.branches import cond, switch
from funcgrad.transforms.loops import fori_loop
from funcgrad.transforms.scan import scan

XS = np.array([0.0, 4.0, -1.0, 9.0])


def root(x: Any) -> Any:
    """√x where x is positive, and 0 elsewhere; its derivative is infinite at 0."""
    return cond(x > 0, np.sqrt, lambda x: 0.0 * x, x)


SLOPES = np.array([0.0, 0.25, 0.0, 1 / 6])

# The same function, which reaches x in other ways.
WAYS: dict[str, Any] = {
    "operand": root,
    "closure": lambda x: cond(x > 0, lambda: np.sqrt(x), lambda: 0.0),
    "container in the closure": lambda x: (
        lambda box: cond(x > 0, lambda: np.sqrt(box["x"][0]), lambda: 0.0)
    )({"x": [x]}),
    "function in the closure": lambda x: (lambda inner: cond(x > 0, lambda: inner(), lambda: 0.0))(
        lambda: np.sqrt(x)
    ),
    "default argument": lambda x: cond(x > 0, lambda a=x: np.sqrt(a), lambda: 0.0),
    "keyword default": lambda x: cond(x > 0, lambda *, a=x: np.sqrt(a), lambda: 0.0),
    "partial": lambda x: cond(x > 0, functools.partial(np.sqrt, x), lambda: 0.0),
    "bound method": lambda x: cond(x > 0, MethodType(np.sqrt, x), lambda: 0.0),
    "switch": lambda x: switch(
        (x > 0) * 1 + (x > 5), [lambda: 0.0, lambda: np.sqrt(x), lambda: np.sqrt(x)]
    ),
    "nested": lambda x: cond(x > 0, lambda: cond(x > 5, np.sqrt, np.sqrt, x), lambda: 0.0),
}


# --- one way for all --------------------------------------------------------------------------


def never(*_args: Any) -> Any:
    raise AssertionError("this branch is not to run")


def test_outside_of_vmap_only_the_chosen_function_runs() -> None:
    assert cond(True, np.negative, never, 2.0) == -2.0
    assert cond(np.bool_(False), never, np.negative, 2.0) == -2.0
    assert fg.grad(lambda x: cond(x > 0, np.square, never, x))(3.0) == 6.0
    assert fg.jvp(lambda x: cond(x < 0, never, np.square, x), (3.0,), (1.0,))[1] == 6.0


@pytest.mark.parametrize(("pred", "taken"), [(2, True), (0, False), (-0.5, True), (0.0, False)])
def test_a_number_is_true_unless_it_is_zero(pred: Any, *, taken: bool) -> None:
    assert cond(pred, lambda: True, lambda: False) is taken
    assert fg.grad(lambda p: p * cond(p, lambda: 1.0, lambda: 2.0))(float(pred)) == 2 - taken


def test_the_branches_may_differ_where_one_way_is_taken_by_all() -> None:
    assert cond(True, lambda: {"a": 1}, lambda: 2.0) == {"a": 1}
    assert switch(1, [never, lambda: (1, 2)]) == (1, 2)


def test_an_index_out_of_range_counts_as_the_nearest() -> None:
    branches = [lambda: "first", lambda: "second", lambda: "third"]
    assert [switch(i, branches) for i in (-5, 0, 1, 2, 7)] == [
        "first", "first", "second", "third", "third",
    ]  # fmt: skip
    found = fg.vmap(lambda i: switch(i, [lambda: 0.0, lambda: 1.0, lambda: 2.0]))(
        np.array([-5, 0, 1, 2, 7])
    )
    np.testing.assert_array_equal(found, [0, 0, 1, 2, 2])


def test_under_vmap_a_condition_that_all_examples_share_runs_one_function() -> None:
    f = fg.vmap(lambda flag, x: cond(flag, np.sin, never, x), in_axes=(None, 0))
    np.testing.assert_allclose(f(True, XS), np.sin(XS))
    g = fg.vmap(lambda i, x: switch(i, [never, np.sin, never], x), in_axes=(None, 0))
    np.testing.assert_allclose(g(1, XS), np.sin(XS))


def test_under_vmap_a_function_that_no_example_chose_does_not_run() -> None:
    np.testing.assert_allclose(fg.vmap(lambda x: cond(x < 99, np.sin, never, x))(XS), np.sin(XS))
    found = fg.vmap(lambda x: switch((x > 0) * 2, [np.sin, never, np.cos], x))(XS)
    np.testing.assert_allclose(found, np.where(XS > 0, np.cos(XS), np.sin(XS)))


# --- examples that go different ways ----------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.filterwarnings("error")
def test_a_branch_that_an_example_did_not_take_leaves_no_trace_in_its_derivatives(way: str) -> None:
    """Where x = 0 or x < 0, neither warnings nor infinite or undefined derivatives come in."""
    f = WAYS[way]
    np.testing.assert_allclose(fg.vmap(f)(XS), [0, 2, 0, 3])
    np.testing.assert_allclose(fg.vmap(fg.grad(f))(XS), SLOPES)
    np.testing.assert_allclose(fg.grad(lambda xs: np.sum(fg.vmap(f)(xs)))(XS), SLOPES)
    np.testing.assert_allclose(fg.jvp(fg.vmap(f), (XS,), (np.ones(4),))[1], SLOPES)
    np.testing.assert_allclose(fg.vmap(fg.jacfwd(f))(XS), SLOPES)
    bends = [0, -1 / 32, 0, -1 / 108]
    np.testing.assert_allclose(fg.vmap(fg.hessian(f))(XS), bends, atol=1e-15)
    np.testing.assert_allclose(fg.vmap(fg.grad(fg.grad(f)))(XS), bends, atol=1e-15)
    np.testing.assert_allclose(
        np.diag(fg.hessian(lambda xs: np.sum(fg.vmap(f)(xs)))(XS)), bends, atol=1e-15
    )


def test_a_value_that_all_examples_share_has_a_derivative_without_those_not_taken() -> None:
    """Its cotangent is a sum over examples, which one undefined term would spoil."""
    f = lambda w, x: cond(x > 0, lambda: w * np.log(x), lambda: w)  # a formula
    total = lambda w: np.sum(fg.vmap(f, in_axes=(None, 0))(w, XS))
    assert fg.grad(total)(2.0) == pytest.approx(np.log(4) + np.log(9) + 2)


@pytest.mark.filterwarnings("error")
def test_two_levels_of_vmap_choose_for_each_pair_of_examples() -> None:
    f = lambda x, y: cond(x > y, lambda: np.sqrt(x - y), lambda: 0.0 * x)
    xs, ys = np.array([0.0, 1.0, 2.0]), np.array([1.0, 1.0, 5.0, 0.0])
    both = lambda g: fg.vmap(fg.vmap(g, (None, 0)), (0, None))
    above = xs[:, None] > ys
    distance = np.where(above, xs[:, None] - ys, 1.0)
    np.testing.assert_allclose(both(f)(xs, ys), np.where(above, np.sqrt(distance), 0))
    np.testing.assert_allclose(
        both(fg.grad(f))(xs, ys), np.where(above, 0.5 / np.sqrt(distance), 0)
    )


def test_results_of_any_tree_are_selected_leaf_by_leaf() -> None:
    def f(x: Any) -> Any:
        return cond(
            x > 0,
            lambda x: {"v": np.stack([x, x]), "n": 1, "b": True, "none": None},
            lambda x: {"v": np.zeros(2), "n": 2, "b": False, "none": None},
            x,
        )

    found = fg.vmap(f)(XS)
    np.testing.assert_array_equal(found["v"], np.maximum(XS, 0)[:, None] * np.ones(2))
    np.testing.assert_array_equal(found["n"], np.where(XS > 0, 1, 2))
    assert found["n"].dtype == np.int64
    np.testing.assert_array_equal(found["b"], XS > 0)
    assert found["none"] is None


def test_a_python_number_takes_the_dtype_of_the_other_branch() -> None:
    xs = XS.astype(np.float32)
    found = fg.vmap(lambda x: cond(x > 0, lambda: x, lambda: 0.0))(xs)
    assert found.dtype == np.float32


def test_a_shared_operand_is_passed_on_as_it_is() -> None:
    """Only what differs between examples is replaced, so that the rest stays unbatched."""
    seen: list[Any] = []

    def note(table: Any, x: Any) -> Any:
        seen.append(table.batched)
        return table[0] * x

    f = lambda table, x: cond(x > 0, note, lambda _, x: -x, table, x)
    fg.vmap(f, in_axes=(None, 0))(np.ones(2), XS)
    assert seen == [False]


def test_selection_works_inside_of_a_loop() -> None:
    def collatz(n: Any) -> Any:
        step = lambda _, n: cond(n % 2 == 0, lambda n: n // 2, lambda n: 3 * n + 1, n)
        return fori_loop(0, 5, step, n)

    np.testing.assert_array_equal(
        fg.vmap(collatz)(np.arange(1, 8)), [_collatz(n) for n in range(1, 8)]
    )


def _collatz(n: int) -> int:
    for _ in range(5):
        n = n // 2 if n % 2 == 0 else 3 * n + 1
    return n


def test_no_examples_have_results_of_the_right_shape() -> None:
    found = fg.vmap(lambda x: cond(x > 0, lambda: np.ones(2), lambda: np.zeros(2)))(XS[:0])
    assert found.shape == (0, 2)
    assert fg.vmap(lambda x: switch((x > 0) * 1, [np.sin, np.cos], x))(XS[:0]).shape == (0,)


def test_a_branch_that_contains_a_loop_stops_for_the_examples_that_took_it() -> None:
    def f(x: Any) -> Any:
        return cond(x > 0, lambda: scan(lambda c, _: (np.sqrt(c), None), x, length=3)[0], lambda: x)

    np.testing.assert_allclose(fg.vmap(f)(XS), np.where(XS > 0, np.abs(XS) ** 0.125, XS))
    slopes = np.where(XS > 0, 0.125 * np.where(XS > 0, XS, 1.0) ** -0.875, 1)
    np.testing.assert_allclose(fg.vmap(fg.grad(f))(XS), slopes)


def test_a_recursive_function_in_the_closure_is_followed_once() -> None:
    def f(x: Any) -> Any:
        def power(n: int) -> Any:
            return np.sqrt(x) if n == 0 else power(n - 1) * 2

        return cond(x > 0, lambda: power(3), lambda: 0.0)

    np.testing.assert_allclose(fg.vmap(fg.grad(f))(XS), 8 * SLOPES)


def test_functions_in_the_closure_keep_their_own_state() -> None:
    """A counter that a branch changes is the one of the user."""
    calls = []

    def f(x: Any) -> Any:
        def branch() -> Any:
            calls.append(1)
            return np.sqrt(x)

        return cond(x > 0, branch, lambda: 0.0)

    fg.vmap(f)(XS)
    assert calls == [1]


# --- values that cannot be replaced -----------------------------------------------------------

HELD: list[Any] = []


class Model:
    """It holds values that a branch reads without having been given them."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def root(self) -> Any:
        return np.sqrt(self.x)

    def zero(self) -> Any:
        return 0.0


def from_a_global(x: Any) -> Any:
    HELD[:] = [x]
    return cond(x > 0, _root_of_what_is_held, lambda: 0.0)


def _root_of_what_is_held() -> Any:
    return np.sqrt(HELD[0])


UNSEEN: dict[str, Any] = {
    "attribute of self": lambda x: cond(x > 0, Model(x).root, Model(x).zero),
    "attribute in the closure": lambda x: (
        lambda model: cond(x > 0, lambda: np.sqrt(model.x), lambda: 0.0)
    )(Model(x)),
    "global": from_a_global,
    "switch": lambda x: switch((x > 0) * 1, [Model(x).zero, Model(x).root]),
    "nested": lambda x: cond(
        x > 0, lambda: cond(x > 5, Model(4 + 0 * x).root, Model(x).root), lambda: 0.0
    ),
}


@pytest.mark.parametrize("way", sorted(UNSEEN.keys() - {"nested"}))
@pytest.mark.parametrize(
    "transform",
    [fg.vmap, lambda f: fg.vmap(fg.grad(f)), lambda f: fg.grad(lambda x: fg.vmap(f)(x).sum())],
    ids=["value", "vmap of grad", "grad of vmap"],
)
def test_a_value_that_a_branch_reads_from_elsewhere_is_refused(way: str, transform: Any) -> None:
    """Its examples that went another way would bring in an infinite derivative."""
    name = "switch" if way == "switch" else "cond"
    with pytest.raises(CapturedTracerError, match=rf"^{name}: .*test_branches.py:\d+.*operand"):
        transform(UNSEEN[way])(XS)
    assert fg.vmap(WAYS["operand"])(XS)[1] == 2  # nothing is left behind


def test_a_value_from_elsewhere_is_welcome_where_it_was_made_in_the_branch() -> None:
    f = UNSEEN["nested"]
    with pytest.raises(CapturedTracerError, match="cond: "):
        fg.vmap(f)(np.array([0.0, 4.0, 9.0, -1.0]))
    made = lambda x: cond(x > 0, lambda: Model(x).root(), lambda: 0.0)  # a formula
    np.testing.assert_allclose(fg.vmap(fg.grad(made))(XS), SLOPES)


@pytest.mark.parametrize("way", UNSEEN)
def test_a_value_from_elsewhere_is_welcome_where_all_examples_go_one_way(way: str) -> None:
    xs = np.array([6.0, 9.0])
    outer = fg.vmap(UNSEEN[way])(xs)
    np.testing.assert_allclose(outer, np.sqrt(4 + 0 * xs) if way == "nested" else np.sqrt(xs))
    assert UNSEEN[way](9.0) in (2.0, 3.0)


def test_a_value_that_all_examples_share_may_come_from_anywhere() -> None:
    f = lambda w, x: cond(x > 0, lambda: Model(w).x * x, Model(w).root)  # a formula
    found = fg.vmap(fg.grad(f), in_axes=(None, 0))(4.0, XS)
    np.testing.assert_allclose(found, [0.25, 4, 0.25, 9])


# --- programs ---------------------------------------------------------------------------------


def test_a_program_guards_the_way_that_was_taken() -> None:
    program = fg.make_program(lambda x: cond(x > 0, np.sin, np.cos, x))(1.0)
    assert program(2.0) == math.sin(2.0)
    with pytest.raises(GuardError, match="guard bool"):
        program(-2.0)


def test_a_program_of_a_batch_holds_for_batches_that_go_both_ways() -> None:
    program = fg.make_program(fg.vmap(root))(XS)
    np.testing.assert_allclose(program(XS[::-1].copy()), [3, 0, 2, 0])
    with pytest.raises(GuardError, match="guard bool"):
        program(np.abs(XS) + 1)


def test_a_program_recorded_inside_of_vmap_selects() -> None:
    f = fg.vmap(lambda x: fg.make_program(root)(x)(x))
    np.testing.assert_allclose(f(XS), [0, 2, 0, 3])


# --- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (lambda x: (x, x), lambda x: x, "branch 0 .<lambda>. and branch 1 .* different structures"),
        (lambda x: np.ones(2), lambda x: x, r"shape \(2,\) in branch 0 .*shape \(\) in branch 1"),
        (lambda x: x > 0, lambda x: x, r"dtype bool .*dtype float64"),
        (lambda x: np.float32(1), lambda x: x, r"by .astype\(np.float32\)"),
        (
            lambda x: np.ones(2),
            lambda x: x,
            r"same shape from every branch, e.g. by np.broadcast_to",
        ),
    ],
)
def test_branches_that_cannot_be_joined_are_named(one: Any, other: Any, message: str) -> None:
    with pytest.raises(BranchError, match=message):
        fg.vmap(lambda x: cond(x > 0, one, other, x))(XS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cond(XS > 0, never, never), r"pred has dtype bool and shape \(4,\)"),
        (lambda: cond(XS > 0, never, never), r"so it is a boolean or number of shape \(\)"),
        (lambda: cond("yes", never, never), "pred has type str"),
        (lambda: cond(1j, never, never), "pred has type complex"),
        (lambda: switch(1.0, [never, never]), "index has type float|dtype float64"),
        (lambda: switch(XS.astype(int), [never]), r"index has dtype int64 and shape \(4,\)"),
        (lambda: switch(0, []), "there are no branches"),
        (lambda: fg.vmap(lambda x: cond(x > 0, lambda: "a", lambda: "b"))(XS), "is a str"),
    ],
)
def test_what_cannot_decide_is_named(call: Any, message: str) -> None:
    with pytest.raises(ControlFlowError, match=message):
        call()


def test_values_in_place_of_functions_are_named() -> None:
    with pytest.raises(CallableError, match=r"cond: true_fun is float.*without calling it"):
        cond(True, 1.0, 2.0)  # type: ignore[arg-type]  # the mistake


def test_an_exception_in_a_branch_leaves_nothing_behind() -> None:
    def fails(x: Any) -> Any:
        raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        fg.vmap(fg.grad(lambda x: cond(x > 0, fails, np.sin, x)))(XS)
    np.testing.assert_allclose(fg.vmap(fg.grad(root))(XS), SLOPES)
    assert sys.exc_info() == (None, None, None)


# --- oracle -----------------------------------------------------------------------------------


@pytest.mark.oracle
def test_jax_selects_the_same() -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)

    def f(xp: Any, cond: Any, switch: Any, x: Any) -> Any:
        a = cond(x[0] > 0, xp.sin, lambda x: x**2, x)
        index = xp.floor(x[1] * 2).astype(int)
        return xp.sum(switch(index, [xp.cos, lambda x: x * a[0], xp.exp], a))

    x = np.random.default_rng(1).uniform(-1, 2, (6, 3))
    jnp = jax.numpy
    expected = jax.vmap(jax.grad(lambda x: f(jnp, jax.lax.cond, jax.lax.switch, x)))(x)
    np.testing.assert_allclose(
        fg.vmap(fg.grad(lambda x: f(np, cond, switch, x)))(x), expected, rtol=1e-9
    )

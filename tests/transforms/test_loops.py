"""while_loop and fori_loop: every derivative, and examples that stop at different times."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import (
    CapturedTracerError,
    CarryError,
    ControlFlowError,
    GuardError,
    TracerAssignmentError,
)
from funcgrad.transforms.loops import fori_loop, while_loop

AS = np.array([4.0, 2.0, 100.0, 1.0, 0.25])


def heron(a: Any) -> Any:
    """√a by Heron's iteration; a converged example divides nothing by zero, but stops early."""
    return while_loop(
        lambda x: np.abs(x * x - a) > 1e-13 * a, lambda x: (x + a / x) / 2, 0.3 + 0.0 * a
    )


def halvings(x: Any) -> Any:
    """How often x is halved until it is below 1, and what is left: steps that differ a lot."""
    return while_loop(lambda s: s[1] >= 1, lambda s: (s[0] + 1, s[1] / 2), (0, x))


# --- one example ------------------------------------------------------------------------------


def test_reverse_and_forward_mode_go_through_all_steps() -> None:
    value, gradient = fg.value_and_grad(heron)(4.0)
    assert value == pytest.approx(2.0)
    assert gradient == pytest.approx(0.25)
    assert fg.jvp(heron, (4.0,), (1.0,))[1] == pytest.approx(0.25)
    assert fg.linearize(heron, 4.0)[1](1.0) == pytest.approx(0.25)
    assert fg.hessian(heron)(4.0) == pytest.approx(-1 / 32)
    assert fg.grad(fg.grad(fg.grad(heron)))(4.0) == pytest.approx(3 / 8 * 4**-2.5)


def test_a_loop_that_does_not_start_is_the_identity() -> None:
    value, gradient = fg.value_and_grad(lambda x: while_loop(lambda x: x > 5, np.sin, x))(2.0)
    assert (value, gradient) == (2.0, 1.0)
    assert fori_loop(3, 3, lambda i, x: x * i, 2.0) == 2.0
    assert fori_loop(3, -3, lambda i, x: x * i, 2.0) == 2.0


def test_a_loop_of_100000_steps_is_differentiated() -> None:
    gradient = fg.grad(lambda x: fori_loop(0, 100_000, lambda _, y: y + x * 1e-5, 0.0))(2.0)
    assert gradient == pytest.approx(1.0)


def test_the_counter_of_fori_loop_is_a_python_integer() -> None:
    """So it is weak beside arrays, and indexes tuples and arrays."""
    names = ("a", "b", "c")
    seen = []

    def step(i: Any, x: Any) -> Any:
        seen.append(names[i])
        return x * i

    assert fori_loop(np.int64(1), np.array(3), step, np.float32(2)).dtype == np.float32
    assert seen == ["b", "c"]


@pytest.mark.parametrize("unroll", [None, 1, 4, True])
def test_unroll_makes_no_difference(unroll: Any) -> None:
    assert fori_loop(0, 3, lambda i, x: x + i, 0, unroll=unroll) == 3


def test_arrays_of_the_user_are_not_changed() -> None:
    start = np.zeros(2)

    def add(_: Any, x: Any) -> Any:
        x += 1
        return x

    with pytest.raises(TracerAssignmentError, match=r"fori_loop: .*test_loops.py.*read-only"):
        fori_loop(0, 2, add, start)
    with pytest.raises(TracerAssignmentError, match=r"fori_loop: x \+= y at .*test_loops.py"):
        fg.grad(lambda start: np.sum(fori_loop(0, 2, add, start)))(start)
    with pytest.raises(TracerAssignmentError, match=r"while_loop: x \+= y at .*test_loops.py"):
        fg.vmap(lambda x: while_loop(lambda x: x[0] < 3, lambda x: add(0, x), x))(np.eye(2))
    end = while_loop(lambda x: False, lambda x: x, start)
    end += 1
    np.testing.assert_array_equal(start, 0)


def test_a_loop_that_tests_its_step_has_a_derivative_at_the_solution() -> None:
    def root(a: Any, start: Any) -> Any:
        return while_loop(
            lambda pair: np.abs(pair[0] - pair[1]) > 1e-12,
            lambda pair: ((pair[0] + a / pair[0]) / 2, pair[0]),
            (start, np.inf + 0 * start),
        )[0]

    assert fg.grad(root)(4.0, 2.0) == 0.25
    np.testing.assert_allclose(fg.vmap(fg.grad(root))(AS, np.sqrt(AS)), 0.5 / np.sqrt(AS))


def test_a_body_that_reads_a_batched_value_from_elsewhere_is_refused() -> None:
    class Holder:
        pass

    def f(a: Any) -> Any:
        holder = Holder()
        holder.a = a  # type: ignore[attr-defined]  # any object
        return while_loop(lambda x: x * x > 2 * a, lambda x: np.sqrt(x * holder.a), 40.0 + 0 * a)  # type: ignore[attr-defined]  # any object

    with pytest.raises(
        CapturedTracerError, match=r"^while_loop: .*test_loops.py.*while_loop\(p, f"
    ):
        fg.vmap(fg.grad(f))(np.array([1.0, 800.0]))


# --- examples that stop at different times ----------------------------------------------------


@pytest.mark.filterwarnings("error")
def test_vmap_is_the_loop_over_examples_in_every_derivative() -> None:
    np.testing.assert_allclose(fg.vmap(heron)(AS), np.sqrt(AS))
    slopes, bends = 0.5 * AS**-0.5, -0.25 * AS**-1.5
    np.testing.assert_allclose(fg.vmap(fg.grad(heron))(AS), slopes)
    np.testing.assert_allclose(fg.grad(lambda a: np.sum(fg.vmap(heron)(a)))(AS), slopes)
    np.testing.assert_allclose(fg.jvp(fg.vmap(heron), (AS,), (np.ones(5),))[1], slopes)
    np.testing.assert_allclose(fg.vmap(fg.jacfwd(heron))(AS), slopes)
    np.testing.assert_allclose(fg.vmap(fg.hessian(heron))(AS), bends, rtol=1e-6)  # of an iteration
    both = fg.vmap(fg.vmap(lambda a, s: heron(a * s), (None, 0)), (0, None))(AS, AS[:2])
    np.testing.assert_allclose(both, np.sqrt(AS[:, None] * AS[:2]))


def test_finished_examples_keep_their_value_and_their_dtype() -> None:
    xs = np.array([0.5, 1.0, 7.0, 100.0], np.float32)
    count, rest = fg.vmap(halvings)(xs)
    np.testing.assert_array_equal(count, [0, 1, 3, 7])
    np.testing.assert_array_equal(rest, [0.5, 0.5, 0.875, 0.78125])
    assert (count.dtype, rest.dtype) == (np.int64, np.float32)
    gradient = fg.vmap(fg.grad(lambda x: halvings(x)[1]))(xs)
    np.testing.assert_array_equal(gradient, 0.5 ** np.array([0, 1, 3, 7]))


@pytest.mark.filterwarnings("error")
def test_finished_examples_meet_no_values_that_the_body_is_not_made_for() -> None:
    """Each step takes the logarithm of what is left; at the end of the short ones there is none."""

    def f(x: Any, n: Any) -> Any:
        return while_loop(
            lambda s: s[0] < n, lambda s: (s[0] + 1, s[1] - 1.0, s[2] + np.log(s[1])), (0, x, 0.0)
        )[2]

    xs, ns = np.array([1.0, 2.0, 3.5]), np.array([1, 2, 3])
    expected = [np.log(1.0), np.log(2.0), np.log([3.5, 2.5, 1.5]).sum()]
    np.testing.assert_allclose(fg.vmap(f)(xs, ns), expected)
    slopes = [1.0, 1.5, 1 / 3.5 + 1 / 2.5 + 1 / 1.5]
    np.testing.assert_allclose(fg.vmap(fg.grad(f))(xs, ns), slopes)
    np.testing.assert_allclose(fg.grad(lambda x: np.sum(fg.vmap(f)(x, ns)))(xs), slopes)


@pytest.mark.filterwarnings("error")
def test_finished_examples_meet_no_such_values_in_the_closure_either() -> None:
    """The body divides by x, which is zero for an example that never starts."""

    def f(x: Any, n: Any) -> Any:
        return while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, s[1] / x), (0, 1.0))[1]

    xs, ns = np.array([0.0, 2.0, 3.0]), np.array([0, 1, 2])
    np.testing.assert_allclose(fg.vmap(f)(xs, ns), [1, 1 / 2, 1 / 9])
    slopes = [0, -1 / 4, -2 / 27]
    np.testing.assert_allclose(fg.vmap(fg.grad(f))(xs, ns), slopes)
    np.testing.assert_allclose(fg.grad(lambda x: np.sum(fg.vmap(f)(x, ns)))(xs), slopes)


def test_an_example_whose_values_are_not_finite_spoils_no_other() -> None:
    def f(x: Any) -> Any:
        return while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * s[1]), (0, x))[1]

    xs = np.array([np.inf, 2.0, np.nan, 1.0])
    np.testing.assert_array_equal(fg.vmap(f)(xs), [np.inf, 256.0, np.nan, 1.0])
    found = fg.vmap(fg.grad(f))(xs)
    np.testing.assert_array_equal(found, [np.inf, 8 * 2.0**7, np.nan, 8.0])


def test_a_nan_in_a_finished_example_stays_there() -> None:
    f = lambda x: while_loop(lambda x: x > 1, lambda x: x / 2, x)  # a formula
    xs = np.array([np.nan, 8.0, 3.0])
    np.testing.assert_array_equal(fg.vmap(f)(xs), [np.nan, 1.0, 0.75])
    np.testing.assert_array_equal(fg.vmap(fg.grad(f))(xs), [1.0, 0.125, 0.25])


def test_a_shared_value_has_a_derivative_without_finished_examples() -> None:
    """w^k, where the examples take different numbers k of steps."""
    f = lambda w, k: while_loop(lambda s: s[0] < k, lambda s: (s[0] + 1, s[1] * w), (0, 1.0))[1]
    k = np.array([0, 1, 3])
    total = lambda w: np.sum(fg.vmap(f, (None, 0))(w, k))
    assert fg.grad(total)(2.0) == pytest.approx(0 + 1 + 3 * 4)
    np.testing.assert_allclose(fg.vmap(fg.grad(f), (None, 0))(2.0, k), [0, 1, 12])
    assert fg.hessian(total)(2.0) == pytest.approx(6 * 2)


def test_a_condition_that_all_examples_share_needs_no_mask() -> None:
    seen: list[bool] = []

    def body(s: Any) -> Any:
        seen.append(True)
        return s[0] + 1, np.sin(s[1])

    found = fg.vmap(lambda x: while_loop(lambda s: s[0] < 3, body, (0, x))[1])(AS)
    np.testing.assert_allclose(found, np.sin(np.sin(np.sin(AS))))
    assert len(seen) == 3


def test_bounds_that_differ_between_examples_count_for_each_of_them() -> None:
    f = lambda lower, upper, x: fori_loop(lower, upper, lambda i, y: y * x + i, 1.0)
    lower, upper = np.array([0, 2, 1]), np.array([3, 4, 1])
    xs = np.array([2.0, 3.0, 5.0])

    def plain(lower: int, upper: int, x: Any) -> Any:
        y: Any = 1.0 + 0 * x
        for i in range(lower, upper):
            y = y * x + i
        return y

    rows = list(zip(lower.tolist(), upper.tolist(), xs.tolist(), strict=True))
    np.testing.assert_allclose(fg.vmap(f)(lower, upper, xs), [plain(*row) for row in rows])
    gradient = fg.vmap(fg.grad(f, 2))(lower, upper, xs)
    np.testing.assert_allclose(gradient, [fg.grad(plain, 2)(*row) for row in rows])
    found = fg.vmap(lambda n, x: fori_loop(0, n, lambda i, y: y * i, x))(
        np.array([0, 2, 1]), np.ones(3, np.float32)
    )
    assert found.dtype == np.float32
    found = fg.vmap(lambda n: fori_loop(0, n, lambda i, y: y + i, 0))(np.array([0, 5, 2]))
    np.testing.assert_array_equal(found, [0, 10, 1])


def test_no_examples_take_no_steps() -> None:
    assert fg.vmap(heron)(AS[:0]).shape == (0,)


# --- programs, threads ------------------------------------------------------------------------


def test_a_program_guards_the_number_of_steps() -> None:
    program = fg.make_program(fg.grad(lambda x: halvings(x)[1]))(5.0)
    assert program(7.5) == 0.125
    with pytest.raises(GuardError, match="guard bool"):
        program(9.0)
    program = fg.make_program(lambda n, x: fori_loop(0, n, lambda i, y: y * x, 1.0))(3, 2.0)
    assert program(3, 5.0) == 125.0
    with pytest.raises(GuardError, match="guard int"):
        program(4, 5.0)


def test_a_program_of_a_batch_guards_how_many_steps_it_takes() -> None:
    program = fg.make_program(fg.vmap(lambda x: halvings(x)[1]))(np.array([0.5, 5.0, 2.0]))
    np.testing.assert_array_equal(program(np.array([7.0, 0.25, 2.0])), [0.875, 0.25, 0.5])
    with pytest.raises(GuardError, match="guard bool"):
        program(np.array([0.5, 50.0, 2.0]))


def test_a_program_inside_of_vmap_holds_for_all_examples() -> None:
    np.testing.assert_allclose(fg.vmap(lambda x: fg.make_program(heron)(x)(x))(AS), np.sqrt(AS))
    f = lambda x: fg.make_program(lambda x: halvings(x)[1])(x)(x * 1.25)
    np.testing.assert_array_equal(fg.vmap(f)(np.array([1.0, 3.0])), [0.625, 0.9375])
    with pytest.raises(GuardError, match="guard any"):
        fg.vmap(f)(np.array([1.0, 3.5]))


def test_many_threads_get_the_results_of_one() -> None:
    barrier = threading.Barrier(4)

    def work(k: int) -> Any:
        barrier.wait(10)
        return fg.vmap(fg.grad(heron))(AS + k)

    with ThreadPoolExecutor(4) as pool:
        for k, found in enumerate(pool.map(work, range(4))):
            np.testing.assert_allclose(found, 0.5 / np.sqrt(AS + k))


# --- errors -----------------------------------------------------------------------------------


def test_a_value_that_changes_its_kind_is_named() -> None:
    with pytest.raises(CarryError, match="while_loop: the carry has dtype int64 and shape"):
        while_loop(lambda x: x < 3, lambda x: x + 0.5, 0)
    with pytest.raises(CarryError, match=r"fori_loop: the carry\['a'\] has dtype float64 .*\(2,\)"):
        fori_loop(0, 2, lambda i, s: {"a": np.ones(2)}, {"a": 1.0})
    with pytest.raises(CarryError, match="another structure"):
        fg.vmap(lambda x: while_loop(lambda x: x < 3, lambda x: (x, x), x))(AS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: while_loop(lambda x: x, lambda x: x, 1.0), "has dtype float64 .*Compare it"),
        (lambda: while_loop(lambda x: x > 0, lambda x: x, AS), r"bool and shape \(5,\)"),
        (lambda: while_loop(lambda x: "no", lambda x: x, 1.0), "has type str"),
        (lambda: while_loop(lambda x: False, lambda x: x, "a"), "init_val is a str"),
        (lambda: fori_loop(0, 2.5, lambda i, x: x, 1.0), "upper has .*float"),
        (lambda: fori_loop(0, AS.astype(int), lambda i, x: x, 1.0), r"upper has .*\(5,\)"),
    ],
)
def test_what_is_of_no_use_is_named(call: Any, message: str) -> None:
    with pytest.raises(ControlFlowError, match=message):
        call()


def test_an_exception_in_the_body_leaves_nothing_behind() -> None:
    def body(x: Any) -> Any:
        raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        fg.vmap(fg.grad(lambda x: while_loop(lambda x: x > 1, body, x)))(AS)
    np.testing.assert_allclose(fg.vmap(heron)(AS), np.sqrt(AS))


# --- oracle -----------------------------------------------------------------------------------


@pytest.mark.oracle
def test_jax_computes_the_same_in_forward_mode() -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)

    def f(xp: Any, while_loop: Any, x: Any) -> Any:
        return while_loop(
            lambda s: xp.sum(s[0]) < 10, lambda s: (s[0] * 1.5 + xp.sin(x), s[1] + 1), (x, 0)
        )[0]

    x = np.random.default_rng(0).uniform(0.1, 1, (4, 3))
    expected = jax.vmap(jax.jacfwd(lambda x: f(jax.numpy, jax.lax.while_loop, x)))(x)
    for jacobian in (fg.jacfwd, fg.jacrev):
        found = fg.vmap(jacobian(lambda x: f(np, while_loop, x)))(x)
        np.testing.assert_allclose(found, expected, rtol=1e-9)

"""scan, map and associative_scan: values, derivatives, carries, results and errors."""

import functools
import gc
import time
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import (
    BudgetError,
    CarryError,
    ControlFlowError,
    TracerAssignmentError,
    UnknownValueError,
)
from funcgrad.transforms.loops import while_loop
from funcgrad.transforms.mapping import map as map_rows
from funcgrad.transforms.scan import associative_scan, scan

RNG = np.random.default_rng(0)
X = RNG.normal(size=5)
A = RNG.normal(size=(5, 2, 2))


def powers(x: Any, n: int) -> Any:
    """x, x², …, xⁿ."""
    return scan(lambda c, _: (c * x, c * x), 1.0, length=n)[1]


# --- values -----------------------------------------------------------------------------------


def test_the_carry_goes_through_all_slices_and_the_results_are_stacked() -> None:
    last, sums = scan(lambda c, x: (c + x, c + x), 0.0, X)
    np.testing.assert_allclose(sums, np.cumsum(X))
    assert last == sums[-1]
    assert type(last) is np.float64


def test_reverse_starts_with_the_last_slice_and_keeps_results_in_place() -> None:
    last, sums = scan(lambda c, x: (c + x, c + x), 0.0, X, reverse=True)
    np.testing.assert_allclose(sums, np.cumsum(X[::-1])[::-1])
    assert last == sums[0]


def test_trees_of_carries_slices_and_results_keep_their_structure() -> None:
    def step(carry: Any, x: Any) -> Any:
        new = {"p": x["a"] @ carry["p"], "n": carry["n"] + 1}
        return new, (new["p"][0], {"n": carry["n"], "none": None})

    xs = {"a": A, "b": [X]}
    last, (firsts, other) = scan(step, {"p": np.ones(2), "n": 0}, xs)
    p, expected = np.ones(2), []
    for a in A:
        p = a @ p
        expected.append(p[0])
    np.testing.assert_allclose(firsts, expected)
    np.testing.assert_allclose(last["p"], p)
    assert last["n"] == 5
    np.testing.assert_array_equal(other["n"], np.arange(5))
    assert other["none"] is None


def test_without_xs_the_length_says_how_often() -> None:
    np.testing.assert_allclose(powers(2.0, 4), [2.0, 4.0, 8.0, 16.0])


@pytest.mark.parametrize("unroll", [1, 3, True, False])
def test_unroll_makes_no_difference(unroll: Any) -> None:
    assert scan(lambda c, x: (c + x, None), 0.0, X, unroll=unroll)[0] == np.add.accumulate(X)[-1]


def test_a_body_may_branch_on_values() -> None:
    last, _ = scan(lambda c, x: (c + x if x > 0 else c, None), 0.0, X)
    np.testing.assert_allclose(last, X[X > 0].sum())


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.int32, np.bool_])
def test_dtypes_are_kept(dtype: Any) -> None:
    x = np.ones(3, dtype)
    last, ys = scan(lambda c, x: (c | x if dtype is np.bool_ else c * x, c), x[0], x)
    assert last.dtype == ys.dtype == dtype


def test_python_numbers_become_numpy_scalars_of_a_fixed_dtype() -> None:
    last, ys = scan(lambda c, x: (c + x, c), 0.0, np.ones(3, np.float32))
    assert last.dtype == ys.dtype == np.float64
    single = np.ones(3, np.float32)
    value, _ = fg.jvp(lambda c: scan(lambda c, x: (c + x, c), c, single)[0], (1.0,), (1.0,))
    assert value.dtype == np.float64


def test_a_number_that_a_step_returns_takes_the_dtype_of_the_carry() -> None:
    last, _ = scan(lambda c, _: (1, None), np.float32(0), length=2)
    assert last.dtype == np.float32
    assert last == 1


# --- no steps ---------------------------------------------------------------------------------


def test_no_steps_give_the_first_carry_and_empty_results_of_the_right_shape() -> None:
    def step(c: Any, x: Any) -> Any:
        return c, {"log": np.log(x), "division": np.float32(1) / np.sum(c), "n": 3}

    last, ys = scan(step, np.ones(2), np.zeros((0, 4)))
    np.testing.assert_array_equal(last, np.ones(2))
    assert ys["log"].shape == (0, 4)
    assert ys["division"].shape == (0,)
    assert ys["n"].dtype == np.int64


def test_no_steps_have_the_identity_as_derivative() -> None:
    value, gradient = fg.value_and_grad(lambda c: scan(lambda c, x: (c * x, c), c, X[:0])[0])(3.0)
    assert (value, gradient) == (3.0, 1.0)
    assert fg.grad(lambda x: np.sum(scan(lambda c, x: (c * x, c), 2.0, x)[1]))(X[:0]).shape == (0,)
    assert fg.vmap(lambda x: scan(lambda c, x: (c * x, c), 2.0, x)[1])(X[:0, None].T).shape == (
        1,
        0,
    )


def test_no_steps_of_a_body_that_branches_take_the_way_of_zeros() -> None:
    _, ys = scan(lambda c, x: (c, x if x > 0 else -x), 0.0, length=None, xs=X[:0])
    assert ys.shape == (0,)
    _, ys = scan(lambda c, x: (c, float(x) * np.ones(int(x) + 2)), 0.0, X[:0])
    assert ys.shape == (0, 2)


def test_no_steps_with_a_result_of_unknown_shape_say_so() -> None:
    with pytest.raises(
        UnknownValueError, match="scan of no steps: nonzero, whose result has a shape"
    ):
        scan(lambda c, x: (c, x[x > 0]), 0.0, np.zeros((0, 3)))


def test_no_steps_check_the_carry_too() -> None:
    with pytest.raises(CarryError, match="dtype int64 and shape"):
        scan(lambda c, x: (c + x, None), 0, X[:0])


# --- derivatives ------------------------------------------------------------------------------


def test_the_gradient_of_powers_is_the_closed_form() -> None:
    weights = np.arange(1.0, 5.0)
    gradient = fg.grad(lambda x: powers(x, 4) @ weights)(1.5)
    assert gradient == pytest.approx(sum(w * k * 1.5 ** (k - 1) for k, w in enumerate(weights, 1)))


def test_all_derivatives_of_a_linear_recurrence_are_the_closed_forms() -> None:
    """c₅ = a⁵ c₀ + Σ a⁴⁻ᵏ xₖ."""

    def last(a: Any, c: Any, x: Any) -> Any:
        return scan(lambda c, x: (a * c + x, None), c, x)[0]

    a, c = 0.7, 1.3
    k = np.arange(5)
    by_a, by_c, by_x = fg.grad(last, (0, 1, 2))(a, c, X)
    assert by_a == pytest.approx(5 * a**4 * c + np.sum((4 - k[:4]) * a ** (3 - k[:4]) * X[:4]))
    assert by_c == pytest.approx(a**5)
    np.testing.assert_allclose(by_x, a ** (4 - k))
    second = fg.hessian(last)(a, c, X)
    terms = (4 - k[:3]) * (3 - k[:3]) * a ** (2 - k[:3]) * X[:3]
    assert second == pytest.approx(20 * a**3 * c + np.sum(terms))
    assert fg.jvp(last, (a, c, X), (1.0, 0.0, 0 * X))[1] == pytest.approx(by_a)
    assert fg.linearize(lambda a: last(a, c, X), a)[1](1.0) == pytest.approx(by_a)
    np.testing.assert_allclose(fg.linear_transpose(lambda x: last(a, 0.0, x), X)(1.0)[0], by_x)


def test_integers_and_booleans_in_the_carry_have_no_derivative() -> None:
    def step(carry: Any, x: Any) -> Any:
        total, count, flag = carry
        return (total + x * count, count + 1, ~flag), flag

    gradient = fg.grad(lambda x: scan(step, (0.0, 0, True), x)[0][0])(X)
    np.testing.assert_array_equal(gradient, np.arange(5.0))


def test_closures_are_differentiated() -> None:
    gradient = fg.grad(lambda w: scan(lambda c, x: (c + w * x, None), 0.0, X)[0])(2.0)
    assert gradient == pytest.approx(X.sum())


def test_complex_carries_follow_the_convention_of_grad() -> None:
    def f(z: Any) -> Any:
        last, _ = scan(lambda c, x: (c * z + x, None), 0j, X)
        return np.real(last * np.conj(last))

    z = 0.3 + 0.4j
    step = 1e-6
    by_x = (f(z + step) - f(z - step)) / (2 * step)
    by_y = (f(z + 1j * step) - f(z - 1j * step)) / (2 * step)
    assert fg.grad(f)(z) == pytest.approx(by_x - 1j * by_y, rel=1e-7)  # central differences


def test_vmap_over_carry_slices_or_closure_is_the_loop_over_examples() -> None:
    def f(w: Any, c: Any, x: Any) -> Any:
        return scan(lambda c, x: (np.sin(c * w + x), c), c, x)

    c = np.array([0.1, 0.2, 0.3])
    for axes, args in [
        ((0, None, None), (c, 0.5, X)),
        ((None, 0, None), (2.0, c, X)),
        ((None, None, 1), (2.0, 0.5, np.stack([X, 2 * X], 1))),
    ]:
        found = fg.vmap(f, in_axes=axes)(*args)
        size = max(np.shape(a)[ax] for a, ax in zip(args, axes, strict=True) if ax is not None)
        for i in range(size):
            one = [a if ax is None else np.take(a, i, ax) for a, ax in zip(args, axes, strict=True)]
            last, ys = f(*one)
            np.testing.assert_allclose(found[0][i], last)
            np.testing.assert_allclose(found[1][i], ys)


def test_a_scan_in_a_scan_is_differentiated() -> None:
    def product(x: Any) -> Any:
        def outer(c: Any, a: Any) -> Any:
            inner, _ = scan(lambda d, b: (d + a * b, None), 0.0, x)
            return c * (1 + inner / 10), None

        return scan(outer, 1.0, x)[0]

    def plain(x: Any) -> Any:
        c: Any = 1.0
        for i in range(5):
            inner: Any = 0.0
            for j in range(5):
                inner = inner + x[i] * x[j]
            c = c * (1 + inner / 10)
        return c

    np.testing.assert_allclose(fg.grad(product)(X), fg.grad(plain)(X))
    np.testing.assert_allclose(fg.hessian(product)(X), fg.hessian(plain)(X), rtol=1e-9)


def test_a_loop_inside_of_vmap_inside_of_scan() -> None:
    def f(x: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            halves = while_loop(lambda v: v > 0.1, lambda v: v / 2, x * x + c)
            return c + halves, halves

        return np.sum(fg.vmap(lambda r: scan(step, 0.0, r)[0])(x))

    x = np.abs(RNG.normal(size=(3, 4))) + 0.5

    def plain(x: Any) -> Any:
        total: Any = 0.0
        for r in range(3):
            c: Any = 0.0
            for i in range(4):
                v = x[r, i] * x[r, i] + c
                while v > 0.1:
                    v = v / 2
                c = c + v
            total = total + c
        return total

    np.testing.assert_allclose(fg.grad(f)(x), fg.grad(plain)(x))


# --- cost -------------------------------------------------------------------------------------


def test_a_hundred_thousand_steps_are_differentiated() -> None:
    n = 100_000
    x = np.full(n, 1e-3)
    gradient = fg.grad(lambda x: scan(lambda c, x: (c + x * x, None), 0.0, x)[0])(x)
    np.testing.assert_allclose(gradient, 2e-3)


@pytest.mark.parametrize("nested", ["grad", "grad of grad", "grad of jvp", "vmap of grad"])
def test_the_time_of_a_gradient_grows_with_the_number_of_steps(nested: str) -> None:
    def f(x: Any) -> Any:
        last, ys = scan(lambda c, x: (np.sin(c + x), c), 0.0, x)
        return last + np.sum(ys)

    one = {
        "grad": fg.grad(f),
        "grad of grad": fg.grad(lambda x: np.sum(fg.grad(f)(x))),
        "grad of jvp": fg.grad(lambda x: fg.jvp(f, (x,), (np.ones_like(X[0]) * x,))[1]),
        "vmap of grad": lambda x: fg.vmap(fg.grad(f))(x[None]),
    }[nested]

    def seconds(n: int) -> float:
        x = np.ones(n)
        best = np.inf
        for _ in range(3):
            start = time.perf_counter()
            one(x)
            best = min(best, time.perf_counter() - start)
        return best

    # 8 times the steps take 8 times as long; 64 times if each step cost an array of all steps.
    assert seconds(3200) < 24 * seconds(400)


def test_no_array_waits_for_the_garbage_collector() -> None:
    f = fg.grad(lambda x: np.sum(scan(lambda c, x: (c * x, c), np.ones(3), x)[1]))
    x = np.ones((4, 3))
    f(x)
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        f(x)
        gc.collect()
        assert not [kept for kept in gc.garbage if isinstance(kept, np.ndarray)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


# --- purity -----------------------------------------------------------------------------------


def test_the_body_cannot_change_arrays_in_place() -> None:
    init, xs = np.zeros(2), np.ones((3, 2))

    def step(c: Any, x: Any) -> Any:
        c += x
        return c, c

    total = lambda c, x: np.sum(scan(step, c, x)[0])  # a formula
    with pytest.raises(TracerAssignmentError, match=r"scan: .*test_scan.py.*c = c \+ x in place"):
        scan(step, init, xs)
    for argnums in (0, 1, (0, 1)):
        with pytest.raises(TracerAssignmentError):
            fg.grad(total, argnums)(init, xs)
        with pytest.raises(TracerAssignmentError):
            fg.grad(lambda c, x: np.sum(scan(step, c, x, checkpoint=1)[0]), argnums)(init, xs)
    for transform in (fg.vmap, fg.jacfwd, fg.make_program):
        with pytest.raises(TracerAssignmentError):
            transform(lambda c: scan(lambda c, _: step(c, 1), c, length=2)[0])(xs)
    with pytest.raises(TracerAssignmentError, match="scan: x "):
        fg.eval_shape(lambda c: scan(step, c, xs), init)
    np.testing.assert_array_equal(init, 0)


def test_a_number_that_is_carried_may_be_added_to() -> None:
    def step(c: Any, x: Any) -> Any:
        c += x
        return c, c

    assert scan(step, 0.0, np.ones(3))[0] == 3
    np.testing.assert_array_equal(fg.grad(lambda x: scan(step, 0.0, x)[0])(np.ones(3)), np.ones(3))
    assert fg.grad(lambda c: scan(step, c, np.ones(3))[0])(1.0) == 1


def test_an_array_that_the_body_made_may_be_changed_in_place() -> None:
    def step(c: Any, x: Any) -> Any:
        d = c * 2
        d += x
        return d, None

    xs = np.ones((3, 2))
    np.testing.assert_array_equal(scan(step, np.zeros(2), xs)[0], [7, 7])
    found = fg.grad(lambda c: np.sum(scan(step, c, xs)[0]))(np.zeros(2))
    np.testing.assert_array_equal(found, [8, 8])


def test_an_error_of_the_user_that_speaks_of_reading_is_left_alone() -> None:
    def step(c: Any, x: Any) -> Any:
        raise ValueError("the configuration is read-only")

    with pytest.raises(ValueError, match=r"^the configuration is read-only$"):
        scan(step, 0.0, np.ones(3))


@pytest.mark.parametrize("checkpoint", [True, False, -1, 2.5, "3", "", "many", "5 parsecs", "-1kB"])
def test_what_is_no_budget_is_refused_without_a_gradient_too(checkpoint: Any) -> None:
    with pytest.raises(BudgetError, match=r"scan: checkpoint=.*with a unit"):
        scan(lambda c, x: (c + x, None), 0.0, np.ones(3), checkpoint=checkpoint)


def test_results_share_no_memory_with_the_arguments() -> None:
    init, xs = np.zeros(2), np.ones((1, 2))
    last, ys = scan(lambda c, x: (c, x), init, xs)
    last += 5
    ys += 5
    np.testing.assert_array_equal(init, 0)
    np.testing.assert_array_equal(xs, 1)


def test_a_carry_that_the_body_changes_as_a_container_leaves_init_alone() -> None:
    init = {"a": 1.0}

    def step(c: Any, _: Any) -> Any:
        c["a"] = c["a"] * 2
        return c, c

    last, ys = scan(step, init, length=3)
    assert init == {"a": 1.0}
    assert last == {"a": 8.0}
    np.testing.assert_array_equal(ys["a"], [2.0, 4.0, 8.0])


def test_an_exception_in_the_body_leaves_nothing_behind() -> None:
    def step(c: Any, x: Any) -> Any:
        if x > 2:
            raise KeyError("stop")
        return c * x, None

    x = np.array([1.0, 2.0, 3.0])
    with pytest.raises(KeyError, match="stop"):
        fg.grad(lambda x: scan(step, 1.0, x)[0])(x)
    assert fg.grad(lambda x: scan(step, 1.0, x)[0])(x[:2])[0] == 2.0


# --- errors -----------------------------------------------------------------------------------


def test_a_carry_of_another_dtype_is_named_with_the_fix() -> None:
    with pytest.raises(
        CarryError,
        match=r"scan: the carry\['n'\] has dtype int64 and shape \(\) in init, but step 0 returned "
        r"dtype float64 and shape \(\).*Start with an init of dtype float64",
    ):
        scan(lambda c, x: ({"n": c["n"] + x}, None), {"n": 0}, X)
    with pytest.raises(CarryError, match=r"Cast what the body returns with .astype\(np.float32\)"):
        scan(lambda c, x: (c + x, None), np.float32(0), X)


def test_a_carry_of_another_shape_is_named_with_the_step() -> None:
    def step(c: Any, k: Any) -> Any:
        return (c if k < 2 else np.ones(3)), None

    with pytest.raises(CarryError, match=r"step 2 returned dtype float64 and shape \(3,\)"):
        scan(step, np.ones(2), np.arange(4))


def test_a_carry_of_another_structure_is_named() -> None:
    with pytest.raises(CarryError, match="step 0 returned another structure than the carry"):
        scan(lambda c, x: ((c, x), None), 0.0, X)


def test_results_that_cannot_be_stacked_are_named() -> None:
    with pytest.raises(CarryError, match=r"dtype float64 and shape \(\) in step 0.*dtype int64"):
        scan(lambda c, x: (c, 1 if x > 0 else 1.0), 0.0, np.array([-1.0, 1.0]))
    with pytest.raises(CarryError, match="results of different structures"):
        scan(lambda c, x: (c, None if x > 0 else 1.0), 0.0, np.array([-1.0, 1.0]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scan(lambda c, x: c, 0.0, X), "<lambda> returned a float64. A step gives"),
        (lambda: scan(lambda c, x: (c, x, x), 0.0, X), "returned a tuple of 3"),
        (lambda: scan(lambda c, x: (c, x), 0.0), "there are no xs, and length is not given"),
        (lambda: scan(lambda c, x: (c, x), 0.0, X, 4), "4 by length, 5 by xs"),
        (lambda: scan(lambda c, x: (c, x), 0.0, (X, A[:3])), r"5 by xs\[0\], 3 by xs\[1\]"),
        (lambda: scan(lambda c, x: (c, x), 0.0, [1.0, 2.0]), r"xs\[0\] is a single number"),
        (lambda: scan(lambda c, x: (c, x), "a", X), "init is a str"),
        (lambda: scan(lambda c, x: (c, "a"), 0.0, X), "the result of a step is a str"),
        (lambda: scan(lambda c, x: (c, x), 0.0, X, length=-1), "length=-1"),
        (lambda: scan(lambda c, x: (c, x), 0.0, X, unroll=0), "unroll=0"),
        (lambda: scan(lambda c, x: (c, x), np.array(["a"]), X), "an array of dtype <U1"),
    ],
)
def test_what_is_of_no_use_is_named(call: Any, message: str) -> None:
    with pytest.raises(ControlFlowError, match=message):
        call()


# --- map --------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [None, 1, 2, 5, 9])
def test_map_is_vmap(batch_size: int | None) -> None:
    f = lambda x: {"a": x @ x, "b": np.sin(x[0])}  # a formula
    found = map_rows(f, A, batch_size=batch_size)
    for name, expected in fg.vmap(f)(A).items():
        np.testing.assert_allclose(found[name], expected)
    gradient = fg.grad(lambda A: np.sum(map_rows(f, A, batch_size=batch_size)["a"] ** 2))(A)
    np.testing.assert_allclose(gradient, fg.grad(lambda A: np.sum((A @ A) ** 2))(A))


def test_map_without_a_batch_size_may_branch() -> None:
    found = map_rows(lambda x: x if x > 0 else -x, X)
    np.testing.assert_array_equal(found, np.abs(X))


# --- associative_scan -------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 8, 13])
@pytest.mark.parametrize("reverse", [False, True])
def test_prefixes_of_sums_are_cumsum(n: int, *, reverse: bool) -> None:
    x = RNG.normal(size=(n, 2))
    found = associative_scan(np.add, x, reverse=reverse)
    np.testing.assert_allclose(found, x[::-1].cumsum(0)[::-1] if reverse else x.cumsum(0))
    assert found is not x


def test_prefixes_of_matrix_products_stand_in_order() -> None:
    found = associative_scan(lambda a, b: a @ b, A)
    expected = [functools.reduce(np.matmul, A[: k + 1]) for k in range(5)]
    np.testing.assert_allclose(found, expected)
    backwards = associative_scan(lambda a, b: b @ a, A, reverse=True)
    np.testing.assert_allclose(backwards[1], A[1] @ A[2] @ A[3] @ A[4])


def test_prefixes_along_another_axis_of_a_tree() -> None:
    """Affine maps under composition: (a, b) ∘ (c, d) = (ac, bc + d)."""
    a, b = RNG.normal(size=(2, 3, 6))

    def compose(one: Any, other: Any) -> Any:
        return one["a"] * other["a"], one["b"] * other["a"] + other["b"]

    def named(one: Any, other: Any) -> Any:
        return dict(zip("ab", compose(one, other), strict=True))

    found = associative_scan(named, {"a": a, "b": b}, axis=-1)["b"]
    state = np.zeros(3)
    for k in range(6):
        state = a[:, k] * state + b[:, k]
        np.testing.assert_allclose(found[:, k], state)


def test_the_gradient_of_prefix_products_is_that_of_cumprod() -> None:
    f = lambda x: np.sum(np.sin(associative_scan(np.multiply, x)))  # a formula
    g = lambda x: np.sum(np.sin(np.cumprod(x)))  # a formula
    np.testing.assert_allclose(fg.grad(f)(X), fg.grad(g)(X))
    np.testing.assert_allclose(fg.hessian(f)(X), fg.hessian(g)(X), atol=1e-12)
    np.testing.assert_allclose(fg.vmap(fg.grad(f))(A[:, 0]), fg.vmap(fg.grad(g))(A[:, 0]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: associative_scan(lambda a, b: (a, b), X), "another structure"),
        (lambda: associative_scan(lambda a, b: a[:1], X), r"shape \(1,\) for operands"),
        (lambda: associative_scan(np.add, 1.0), "a single number"),
        (lambda: associative_scan(lambda a, b: a, (X, A[:2])), r"5 in elems\[0\], 2 in elems\[1\]"),
    ],
)
def test_operations_that_do_not_combine_slices_are_refused(call: Any, message: str) -> None:
    with pytest.raises(ControlFlowError, match=message):
        call()


# --- oracle -----------------------------------------------------------------------------------


@pytest.mark.oracle
def test_jax_computes_the_same() -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def f(xp: Any, scan: Any, w: Any, x: Any) -> Any:
        step = lambda c, x: ((xp.tanh(w @ c[0] + x), c[1] + 1), c[0] * c[1])
        (last, _), ys = scan(step, (x[0], 1.0), x, reverse=True)
        return xp.sum(xp.sin(last)) + xp.sum(ys**2)

    w, x = RNG.normal(size=(2, 2)), RNG.normal(size=(6, 2))
    expected = jax.grad(lambda w: f(jnp, jax.lax.scan, w, x))(w)
    np.testing.assert_allclose(fg.grad(lambda w: f(np, scan, w, x))(w), expected, rtol=1e-9)
    for reverse in (False, True):
        found = associative_scan(lambda a, b: a @ b, A, reverse=reverse)
        oracle = jax.lax.associative_scan(lambda a, b: a @ b, A, reverse=reverse)
        np.testing.assert_allclose(found, oracle, rtol=1e-9)

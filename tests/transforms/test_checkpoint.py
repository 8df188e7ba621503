"""checkpoint: the same results and derivatives in every nesting, and less that is kept."""

import functools
import gc
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.core.tracer import Tracer
from funcgrad.errors import DroppedDerivativeError, LeakedTracerError
from funcgrad.interpreters.record import Recording
from funcgrad.testing.programs import GeneratedProgram
from funcgrad.testing.strategies import programs
from funcgrad.transforms import policies
from funcgrad.transforms.checkpoint import checkpoint, checkpoint_name, remat
from tests.laws.structured_cases import CALLS
from tests.transforms.contexts import CONTEXTS, ROWS, X, Y, plain, same

RNG = np.random.default_rng(7)
W = RNG.normal(size=(3, 3))
LARGE = RNG.normal(size=50_000)

POLICIES: dict[str, Any] = {
    "none": None,
    "everything": policies.everything_saveable,
    "nothing": policies.nothing_saveable,
    "sines": lambda primitive, *_avals, **_params: primitive.name == "sin",
    "all but names": policies.save_anything_except_these_names("b"),
}


def layered(x: Any) -> Any:
    """Uses of x inside and after each layer, so that sums depend on their order."""
    for _ in range(3):
        x = np.tanh(x @ W) * x + x[0] * x
    return np.sum(x * x)


def residual(block: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        y = x + block(x) * x
        return np.sum(np.sin(y) + x * block(y))

    return f


def bits(found: Any, expected: Any) -> None:
    """The same tree, types, dtypes and bits."""
    assert fg.tree.structure(found) == fg.tree.structure(expected)
    for one, other in zip(fg.tree.leaves(found), fg.tree.leaves(expected), strict=True):
        assert type(one) is type(other)
        assert np.asarray(one).dtype == np.asarray(other).dtype
        np.testing.assert_array_equal(one, other)


def peak(run: Callable[[], Any]) -> int:
    """Bytes that a call allocates at most."""
    run()
    gc.collect()
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def records_of(f: Callable[[Any], Any], x: Any) -> list[Any]:
    trace = Recording("grad")
    f(trace.input(x))
    return trace.close()[1:]


# --- the same results -------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("context", CONTEXTS)
def test_a_checkpoint_changes_no_result_in_any_nesting(context: str, policy: str) -> None:
    expected = CONTEXTS[context](plain)
    same(CONTEXTS[context](checkpoint(plain, policy=POLICIES[policy])), expected)
    inner = checkpoint(lambda x, y: checkpoint(plain)(x, y), policy=POLICIES[policy])
    same(CONTEXTS[context](inner), expected)


@pytest.mark.parametrize("policy", POLICIES)
def test_value_and_gradient_are_equal_to_the_last_bit(policy: str) -> None:
    for seed in range(20):
        x = np.random.default_rng(seed).normal(size=3)
        for f, g in (
            (layered, checkpoint(layered, policy=POLICIES[policy])),
            (residual(np.sin), residual(checkpoint(np.sin, policy=POLICIES[policy]))),
            (
                residual(lambda x: x * x @ W),
                residual(checkpoint(lambda x: x * x @ W, policy=POLICIES[policy])),
            ),
        ):
            bits(fg.value_and_grad(g)(x), fg.value_and_grad(f)(x))


def test_a_nested_checkpoint_is_equal_to_the_last_bit() -> None:
    inner = checkpoint(lambda x: np.tanh(x @ W) * x)
    outer = checkpoint(lambda x: inner(inner(x)) * x + inner(x))

    def f(x):
        return np.sum(outer(x) * x)

    def block(x):
        return np.tanh(x @ W) * x

    def g(x):
        return np.sum((block(block(x)) * x + block(x)) * x)

    bits(fg.value_and_grad(f)(X), fg.value_and_grad(g)(X))


@pytest.mark.parametrize("number", range(0, len(CALLS), 2))
def test_calls_of_numpy_have_the_same_value_and_derivative(number: int) -> None:
    f, args = CALLS[number]
    kinds = [np.asarray(x).dtype.kind for x in args]
    if not set(kinds) & set("fc"):
        pytest.skip("nothing to differentiate by")
    with np.errstate(all="ignore"):
        out, pullback = fg.vjp(f, *args)
        found, back = fg.vjp(checkpoint(f), *args)
        bits(found, out)
        ct = fg.tree.map(lambda x: np.ones_like(x) if np.asarray(x).dtype.kind in "fc" else x, out)
        # losses of funcgrad.nn add in another order where they are recorded on the shortest way
        for one, other in zip(back(ct), pullback(ct), strict=True):
            np.testing.assert_allclose(
                *(np.asarray(x) if np.asarray(x).dtype.kind in "fc" else 0 for x in (one, other)),
                rtol=1e-14,
                atol=1e-15,
            )


@given(program=programs())
def test_random_programs_have_the_same_value_and_gradient(program: GeneratedProgram) -> None:
    every = tuple(range(len(program.inputs)))
    for xp in (np, fnp):
        f = functools.partial(program, xp=xp)
        value, gradient = fg.value_and_grad(f, argnums=every)(*program.inputs)
        found, back = fg.value_and_grad(checkpoint(f), argnums=every)(*program.inputs)
        bits(found, value)
        scale = max(1.0, *(np.max(np.abs(x), initial=0.0) for x in gradient))
        for one, other in zip(back, gradient, strict=True):
            # cotangents of x and x.T are added in another order: a rounding of the largest
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-14 * scale)


def test_float32_and_complex_arguments_keep_their_dtypes() -> None:
    for x in (X.astype(np.float32), X * (1 + 2j), (X * 1j).astype(np.complex64)):

        def f(x):
            return np.sum(np.abs(np.sin(x) * x) ** 2)

        bits(fg.value_and_grad(checkpoint(f))(x), fg.value_and_grad(f)(x))


def test_python_numbers_stay_weak() -> None:
    def f(x, scale):
        return np.sum(x * scale)

    _, (by_x, by_scale) = fg.value_and_grad(checkpoint(f), (0, 1))(X.astype(np.float32), 2.0)
    assert by_x.dtype == np.float32
    bits(by_scale, fg.grad(f, 1)(X.astype(np.float32), 2.0))


# --- what is kept -----------------------------------------------------------------------------


def chain(x: Any) -> Any:
    for _ in range(40):
        x = np.sin(x) * 0.9
    return x


def blocks(block: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: np.sum(functools.reduce(lambda h, _: block(h), range(4), x))


def test_a_checkpoint_is_one_record_with_its_operand() -> None:
    trace = Recording("grad")
    x = trace.input(LARGE)
    y = checkpoint(chain)(x)
    checkpointed, item = trace.close()[1:]
    assert [checkpointed[0].name, item[0].name] == ["checkpoint", "checkpoint"]
    ((operand,), saved) = checkpointed[3]
    assert operand is LARGE
    assert saved == []
    assert isinstance(y, Tracer)


def test_the_peak_of_a_gradient_is_that_of_one_block() -> None:
    without = peak(lambda: fg.grad(blocks(chain))(LARGE))
    with_it = peak(lambda: fg.grad(blocks(checkpoint(chain)))(LARGE))
    assert without > 160 * LARGE.nbytes  # one array for each of 4 · 40 sines
    assert with_it < 55 * LARGE.nbytes  # 40 of one block, one a block, cotangents, a sine


def test_second_derivatives_keep_no_more_than_operands_either() -> None:
    def hvp(block: Callable[[Any], Any]) -> Callable[[], Any]:
        f = fg.grad(blocks(block))
        return lambda: fg.grad(lambda x: np.sum(f(x) * LARGE))(LARGE)

    assert peak(hvp(checkpoint(chain))) < peak(hvp(chain)) / 2


def test_values_that_only_the_closure_brings_in_are_computed_again_too() -> None:
    def loss(block: Callable[[Callable[[], Any]], Callable[[], Any]]) -> Callable[[Any], Any]:
        return lambda x: np.sum(block(lambda: chain(x))())

    records = records_of(loss(checkpoint), LARGE)
    assert [record[0].name for record in records] == ["checkpoint", "checkpoint", "sum"]
    bits(fg.grad(loss(checkpoint))(LARGE), fg.grad(loss(lambda f: f))(LARGE))


def test_results_of_a_program_keep_their_checkpoints() -> None:
    program = fg.make_program(checkpoint(chain))(LARGE)
    assert [equation.primitive.name for equation in program.equations] == ["checkpoint"]
    assert peak(lambda: fg.grad(blocks(program))(LARGE)) < 55 * LARGE.nbytes


def test_equal_recordings_of_a_checkpoint_are_equal_programs() -> None:
    one, other = (fg.make_program(checkpoint(layered))(X) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)


# --- arguments and closures -------------------------------------------------------------------


@dataclass
class Dense:
    w: Any
    b: Any

    def __call__(self, x: Any) -> Any:
        return np.tanh(x @ self.w + self.b)


fg.tree.register_dataclass(Dense)


def test_pytrees_go_in_and_come_out() -> None:
    def f(p: Any, *, scale: Any) -> Any:
        return {"y": p["layer"](p["x"]) * scale, "n": (3, None, "text"), "x": p["x"]}

    def loss(f: Any) -> Callable[[Any, Any], Any]:
        def value(p: Any, scale: Any) -> Any:
            out = f(p, scale=scale)
            assert out["n"] == (3, None, "text")
            return np.sum(out["y"] ** 2) + np.sum(out["x"])

        return value

    p = {"layer": Dense(W, X), "x": X}
    bits(fg.grad(loss(checkpoint(f)), (0, 1))(p, Y), fg.grad(loss(f), (0, 1))(p, Y))


def test_closed_over_values_of_all_transforms_have_derivatives() -> None:
    def f(w: Any, b: Any, x: Any, wrap: Any) -> Any:
        def inner(x, scale=b):
            return np.tanh(x @ w) * scale + np.sin(b)

        return np.sum(wrap(inner)(x) ** 2)

    for wrap in (checkpoint, lambda f: checkpoint(functools.partial(checkpoint(f)))):
        for transform in (
            lambda f: fg.grad(f, (0, 1, 2))(W, X, X),
            lambda f: fg.hessian(f, (0, 1))(W, X, X),
            lambda f: fg.jvp(f, (W, X, X), (W, X, X)),
            lambda f: fg.vmap(fg.grad(f, (0, 1)), (None, 0, None))(W, ROWS, X),
            lambda f: fg.vmap(fg.grad(f, (0, 1)), (None, 0, 0))(W, ROWS, ROWS),
            lambda f: fg.grad(lambda w: np.sum(fg.vmap(f, (None, 0, None))(w, ROWS, X)))(W),
            lambda f: fg.grad(
                lambda w: fg.grad(lambda b: fg.jvp(lambda x: f(w, b, x), (X,), (X,))[1])(X) @ X
            )(W),
        ):
            same(
                transform(functools.partial(f, wrap=wrap)),
                transform(functools.partial(f, wrap=lambda f: f)),
            )


def test_a_closed_over_object_that_is_no_pytree_is_followed_by_its_operations() -> None:
    class Model:
        pass

    def loss(w: Any, wrap: Any) -> Any:
        model = Model()
        model.w = w
        return np.sum(wrap(lambda x: np.tanh(x @ model.w))(X))

    bits(fg.grad(loss)(W, checkpoint), fg.grad(loss)(W, lambda f: f))


def test_one_value_given_twice_is_one_operand() -> None:
    def f(x, y):
        return np.sum(x * y + np.sin(x))

    bits(fg.grad(lambda x: checkpoint(f)(x, x))(X), fg.grad(lambda x: f(x, x))(X))


def test_results_that_are_arguments_or_constants_pass_through() -> None:
    constant = np.arange(3.0)

    def f(x, y):
        return (x, y, x, constant, 2.0, np.sin(x))

    def loss(f: Any) -> Callable[[Any], Any]:
        return lambda x: sum(np.sum(part * (i + 1)) for i, part in enumerate(f(x, X)))

    bits(fg.grad(loss(checkpoint(f)))(X), fg.grad(loss(f))(X))


def test_static_arguments_are_passed_on_as_they_are() -> None:
    def f(x: Any, kind: str, power: int, *, table: Any = None) -> Any:
        assert type(kind) is str
        assert type(power) is int
        assert type(table) is np.ndarray
        return np.sum(np.sin(x) ** power * np.asarray(table))

    args = (X, "sine", 3)
    expected = fg.grad(f)(*args, table=X)
    for options in (
        {"static_argnums": (1, 2), "static_argnames": "table"},
        {"static_argnames": ("kind", "power", "table", "absent")},
        {"static_argnums": (-1,), "static_argnames": ("table",)},
    ):
        bits(fg.grad(checkpoint(f, **options))(*args, table=X), expected)


def test_integers_and_integer_arrays_stay_plain() -> None:
    table = np.arange(12.0).reshape(4, 3)

    def f(x: Any, i: int, rows: Any, flag: bool) -> Any:
        picked = table[rows] if flag else table
        return np.sum(x * picked) + x[range(3)[i]]

    args = (X, 1, np.array([0, 2]), True)
    bits(fg.grad(checkpoint(f))(*args), fg.grad(f)(*args))


def test_prevent_cse_is_accepted_and_remat_is_checkpoint() -> None:
    assert remat is checkpoint
    bits(fg.grad(checkpoint(layered, prevent_cse=False))(X), fg.grad(layered)(X))


def test_a_checkpoint_keeps_name_and_text_of_the_function() -> None:
    assert checkpoint(layered).__name__ == "layered"
    assert checkpoint(layered).__doc__ == layered.__doc__


# --- Python in the function -------------------------------------------------------------------


def test_the_function_may_branch_on_values() -> None:
    def f(x: Any) -> Any:
        y = np.sin(x)
        if np.sum(y) > 0 and int(np.argmax(x)) == 2:
            y = y * x[np.argmax(x)]
        for _ in range(int(np.sum(x > 0.5))):
            y = y * x
        return np.sum(y[y > 0])

    bits(fg.grad(checkpoint(f))(X), fg.grad(f)(X))
    bits(fg.grad(checkpoint(f))(-X), fg.grad(f)(-X))
    same(fg.hessian(checkpoint(f))(X), fg.hessian(f)(X))


def test_nan_takes_the_same_way_again() -> None:
    def f(x):
        return np.sum(x * float(fg.stop_gradient(x[0])))

    x = np.array([np.nan, 1.0])
    bits(fg.grad(checkpoint(f))(x), fg.grad(f)(x))


def test_random_numbers_are_drawn_once() -> None:
    rng = np.random.default_rng(0)
    draws = []

    def dropped(x: Any) -> Any:
        mask = rng.random(3) < 0.5
        draws.append(mask)
        return np.sum(np.where(mask, np.sin(x), 0.0))

    gradient = fg.grad(checkpoint(dropped))(X)
    (mask,) = draws
    bits(gradient, np.where(mask, np.cos(X), 0.0))


def test_a_plain_number_is_refused_as_without_a_checkpoint() -> None:
    for convert in (float, complex, lambda x: x.item(), int):
        with pytest.raises(DroppedDerivativeError, match="silently wrong"):
            fg.grad(checkpoint(lambda x, c=convert: c(np.sum(x)) * x[0]))(X)


def test_a_value_that_leaks_out_says_so() -> None:
    kept: list[Any] = []
    fg.grad(checkpoint(lambda x: kept.append(np.sin(x)) or np.sum(x)))(X)
    with pytest.raises(LeakedTracerError, match="checkpoint: a traced value was used"):
        np.sin(kept[0])


def test_errors_of_the_function_arrive_as_they_are() -> None:
    def failing(x: Any) -> Any:
        if np.sum(x) > 0:
            raise KeyError("mine")
        return x

    with pytest.raises(KeyError, match="mine"):
        fg.grad(checkpoint(failing))(X)
    for wrap in (checkpoint, lambda f: f):
        with pytest.raises(ValueError, match="not aligned"):
            fg.grad(wrap(lambda x: np.sum(x @ np.ones((5, 2)))))(X)


def test_a_derivative_after_an_error_is_right() -> None:
    f = checkpoint(lambda x: np.sum(np.sin(x)) if x.shape else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fg.grad(f)(1.0)
    bits(fg.grad(f)(X), np.cos(X))


def test_an_array_changed_after_the_run_is_noticed() -> None:
    large = np.ones(5000)
    _, pullback = fg.vjp(checkpoint(lambda x: np.sin(x * large) * x), np.ones(5000))
    large += 1
    with pytest.raises(fg.errors.MutatedArrayError, match="changed in place"):
        pullback(np.ones(5000))


def test_small_arrays_may_change_after_the_run() -> None:
    small = np.ones(3)
    _, pullback = fg.vjp(checkpoint(lambda x: np.sin(x * small) * small), X)
    small += 1
    bits(pullback(np.ones(3))[0], np.cos(X))


def test_a_pullback_can_be_used_many_times() -> None:
    out, pullback = fg.vjp(checkpoint(lambda x: (np.tanh(x @ W), x * x)), X)
    expected = fg.vjp(lambda x: (np.tanh(x @ W), x * x), X)[1]
    for _ in range(2):
        bits(pullback(out), expected(out))
    same(fg.vmap(pullback)((ROWS, ROWS)), fg.vmap(expected)((ROWS, ROWS)))


def test_one_pullback_serves_several_threads() -> None:
    def f(x: Any) -> Any:
        return checkpoint(lambda x: np.tanh(x @ W) * x, policy=policies.dots_saveable)(x) * x

    limited = checkpoint(lambda x: chain(x) + x, budget="80kB")
    x = RNG.normal(size=1000)
    for pullback, ct in (
        (fg.vjp(f, X)[1], np.ones(3)),
        (fg.vjp(limited, x)[1], np.ones(1000)),
    ):
        expected = pullback(ct)
        with ThreadPoolExecutor(4) as pool:
            for found in pool.map(lambda _, p=pullback, ct=ct: p(ct), range(40)):
                bits(found, expected)


def test_nothing_waits_for_the_garbage_collector() -> None:
    f = fg.grad(lambda x: np.sum(checkpoint(chain)(x)))
    f(LARGE)
    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        f(LARGE)
        left = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        gc.enable()
    assert left < LARGE.nbytes


# --- policies ---------------------------------------------------------------------------------


def saved_shapes(f: Callable[[Any], Any], x: Any, policy: Any) -> list[tuple[int, ...]]:
    """Shapes of what a checkpoint keeps beside its operands."""
    records = records_of(checkpoint(f, policy=policy), x)
    return [np.shape(value) for value in records[0][3][1]]


def network(x: Any) -> Any:
    h = checkpoint_name(np.tanh(x @ np.ones((3, 4))), "hidden")
    scores = checkpoint_name(np.einsum("bi,bj->bij", h, h), "scores")
    return np.sum(np.exp(scores / 9))


def by_predicate(primitive: Any, *avals: Any, **params: Any) -> bool:
    return primitive.name == "tanh" and avals[0].shape == (3, 4) and not params


@pytest.mark.parametrize(
    ("policy", "shapes"),
    [
        (policies.nothing_saveable, []),
        (policies.dots_saveable, [(3, 4), (3, 4, 4)]),
        (policies.checkpoint_dots, [(3, 4), (3, 4, 4)]),
        (policies.dots_with_no_batch_dims_saveable, [(3, 4)]),
        (policies.checkpoint_dots_with_no_batch_dims, [(3, 4)]),
        (policies.save_only_these_names("hidden"), [(3, 4)]),
        (policies.save_only_these_names("hidden", "scores"), [(3, 4), (3, 4, 4)]),
        (policies.save_any_names_but_these("hidden"), [(3, 4, 4)]),
        (
            policies.save_from_both_policies(
                policies.save_only_these_names("scores"), policies.dots_with_no_batch_dims_saveable
            ),
            [(3, 4), (3, 4, 4)],
        ),
        (by_predicate, [(3, 4)]),
    ],
)
def test_a_policy_says_what_is_kept(policy: Any, shapes: list[tuple[int, ...]]) -> None:
    assert saved_shapes(network, W, policy) == shapes
    bits(fg.grad(checkpoint(network, policy=policy))(W), fg.grad(network)(W))
    same(fg.hessian(checkpoint(network, policy=policy))(W), fg.hessian(network)(W))


def test_anything_except_names_keeps_the_rest() -> None:
    policy = policies.save_anything_except_these_names("hidden")
    shapes = saved_shapes(network, W, policy)
    assert shapes.count((3, 4)) == 2  # the product and its tanh, not the name
    assert () in shapes


@pytest.mark.parametrize(
    ("policy", "again"),
    [
        (None, 1),
        (policies.dots_saveable, 0),
        (policies.save_only_these_names("product"), 0),
        (policies.save_only_these_names("other"), 1),
    ],
)
def test_a_saved_product_is_not_computed_again(
    policy: Any, again: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def f(x):
        return np.sum(np.exp(checkpoint_name(x @ W, "product")))

    products = 0
    dot = np.dot

    def counting(a: Any, b: Any) -> Any:
        nonlocal products
        products += np.array_equal(b, W)  # its derivative multiplies by the transpose
        return dot(a, b)

    monkeypatch.setattr(np, "dot", counting)
    fg.grad(checkpoint(f, policy=policy))(X)
    assert products == 1 + again


@pytest.mark.parametrize(
    ("function", "again"),
    [
        (lambda x: np.exp(checkpoint_name(np.tanh(x @ W), "name")), 0),  # tanh reads its result
        (lambda x: np.exp(checkpoint_name(np.sin(x @ W), "name")), 1),  # sin reads its operand
        (lambda x: np.exp(checkpoint_name((x @ W) * 2.0 + x, "name")), 0),
        (lambda x: np.exp(checkpoint_name((x @ W) * x, "name")), 1),
        (lambda x: np.exp(checkpoint_name(np.reshape(x @ W, (1, 3)).T, "name")), 0),
        (lambda x: (lambda y: np.exp(checkpoint_name(y + y, "name")))(x @ W), 1),
        (lambda x: np.exp(checkpoint_name(np.maximum(x @ W, 0.1), "name")), 1),
    ],
)
def test_what_only_leads_to_a_saved_value_is_computed_again_if_a_rule_reads_it(
    function: Any, again: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = policies.save_only_these_names("name")
    expected = [fg.grad(lambda x: np.sum(function(x)))(X), fg.jacrev(function)(X)]
    f = checkpoint(function, policy=policy)
    bits(fg.grad(lambda x: np.sum(f(x)))(X), expected[0])
    same(fg.jacrev(f)(X), expected[1])
    same(fg.hessian(f)(X), fg.hessian(function)(X))
    products = 0
    dot = np.dot

    def counting(a: Any, b: Any) -> Any:
        nonlocal products
        products += np.array_equal(b, W)
        return dot(a, b)

    monkeypatch.setattr(np, "dot", counting)
    fg.grad(lambda x: np.sum(f(x)))(X)
    assert products == 1 + again


def test_policies_hold_under_vmap() -> None:
    policy = policies.save_only_these_names("hidden")
    f = checkpoint(network, policy=policy)
    shapes = saved_shapes(lambda rows: np.sum(fg.vmap(network)(rows)), np.stack([W, W]), policy)
    assert shapes == [(2, 3, 4)]
    rows = np.stack([W, 2 * W])
    same(fg.vmap(fg.grad(f))(rows), fg.vmap(fg.grad(network))(rows))

    def batched(f):
        return fg.grad(lambda rows: np.sum(fg.vmap(f)(rows)))(rows)

    same(batched(f), batched(network))


def test_checkpoint_name_is_the_identity_everywhere() -> None:
    def f(x, y):
        return {"a": np.sin(checkpoint_name(x, "x")) * y, "b": checkpoint_name(x * x, "b")}

    for context in CONTEXTS.values():
        same(context(f), context(plain))
    tree = {"a": X, "b": [2, 3.0]}
    named = checkpoint_name(tree, "tree")
    bits(named, tree)
    assert named["a"] is not X


def test_a_named_value_can_be_updated_in_place_by_an_operator() -> None:
    def f(x: Any) -> Any:
        y = checkpoint_name(np.sin(x), "y")
        y += x
        return np.sum(y)

    bits(fg.grad(f)(X), np.cos(X) + 1)

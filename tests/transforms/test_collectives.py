"""Collectives: what examples of a vmap tell each other, and derivatives in and around it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.core.modes import MODES
from funcgrad.errors import (
    BatchedValueError,
    BatchSizeError,
    CapturedTracerError,
    ControlFlowError,
    LeakedTracerError,
    UnboundAxisError,
)
from funcgrad.interpreters.batch import Batch, BatchTracer
from funcgrad.transforms.collectives import (
    all_gather,
    all_to_all,
    axis_index,
    pmax,
    pmean,
    pmin,
    ppermute,
    psum,
)

XS = np.array([1.0, 2.0, 4.0])
M = np.random.default_rng(0).normal(size=(3, 3, 2))


def over(f: Any, *args: Any, **options: Any) -> Any:
    return fg.vmap(f, axis_name="i", **options)(*args)


# --- values -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("collective", "expected"), [(psum, 7), (pmean, 7 / 3), (pmax, 4), (pmin, 1)]
)
def test_reductions_over_the_examples(collective: Any, expected: float) -> None:
    np.testing.assert_allclose(over(lambda x: collective(x, "i"), XS), [expected] * 3)
    assert over(lambda x: collective(x, "i"), XS, out_axes=None) == pytest.approx(expected)
    found = over(lambda x: collective({"a": x, "b": (2 * x,)}, "i"), XS)
    np.testing.assert_allclose(found["b"][0], [2 * expected] * 3)


def test_what_all_examples_share_counts_once_for_each() -> None:
    np.testing.assert_array_equal(over(lambda x: psum(1, "i") * x, XS), 3 * XS)
    assert over(lambda x: psum(2.5, "i"), XS, out_axes=None) == 7.5
    assert over(lambda x: pmean(2.5, "i"), XS, out_axes=None) == 2.5
    found = fg.vmap(lambda w, x: x / psum(w, "i"), in_axes=(None, 0), axis_name="i")(XS, XS)
    np.testing.assert_allclose(found, XS[:, None] / (3 * XS))


def test_python_can_ask_for_a_sum_because_all_examples_share_it() -> None:
    f = lambda x: x if psum(x, "i") > 0 else -x  # a formula
    np.testing.assert_array_equal(over(f, XS), XS)
    with pytest.raises(BatchedValueError):
        over(lambda x: x if axis_index("i") > 0 else -x, XS)


def test_axis_index_is_the_number_of_the_example() -> None:
    np.testing.assert_array_equal(over(lambda x: axis_index("i"), XS), [0, 1, 2])
    np.testing.assert_array_equal(
        over(lambda x: x[axis_index("i")], M[:, :, 0]), np.diag(M[..., 0])
    )


def test_gathered_values_stand_where_axis_says() -> None:
    np.testing.assert_array_equal(over(lambda x: all_gather(x, "i"), M, out_axes=None), M)
    for axis in (0, 1, 2, -1):
        found = over(lambda x, axis=axis: all_gather(x, "i", axis=axis), M)
        np.testing.assert_array_equal(found[1], np.moveaxis(M, 0, axis))
    for axis in (0, 1, -2):
        found = over(lambda x, axis=axis: all_gather(x, "i", axis=axis, tiled=True), M)
        np.testing.assert_array_equal(found[2], np.concatenate(list(M), axis))


def test_permuted_values_and_zeros_where_nothing_arrives() -> None:
    cycle = [(0, 1), (1, 2), (2, 0)]
    np.testing.assert_array_equal(over(lambda x: ppermute(x, "i", cycle), XS), [4, 1, 2])
    np.testing.assert_array_equal(over(lambda x: ppermute(x, "i", [(2, 0)]), XS), [4, 0, 0])


def test_all_to_all_exchanges_the_axes() -> None:
    found = over(lambda x: all_to_all(x, "i", 0, 0), M)
    np.testing.assert_array_equal(found, np.swapaxes(M, 0, 1))
    found = over(lambda x: all_to_all(x, "i", 0, 1), M)
    np.testing.assert_array_equal(found, np.transpose(M, (1, 2, 0)))


def test_groups_keep_to_themselves() -> None:
    xs = np.arange(6.0)
    groups = [[0, 2, 4], [5, 3, 1]]
    found = over(lambda x: psum(x, "i", axis_index_groups=groups), xs)
    np.testing.assert_array_equal(found, [6, 9, 6, 9, 6, 9])
    found = over(lambda x: all_gather(x, "i", axis_index_groups=groups), xs)
    np.testing.assert_array_equal(found[2], [0, 2, 4])
    np.testing.assert_array_equal(found[3], [5, 3, 1])
    found = over(lambda x: pmax(x, "i", axis_index_groups=[[0, 1, 2], [3, 4, 5]]), xs)
    np.testing.assert_array_equal(found, [2, 2, 2, 5, 5, 5])


def test_nested_axes_are_told_apart_by_name() -> None:
    x = M[..., 0]

    def f(x: Any) -> Any:
        return {
            "i": psum(x, "i"),
            "j": psum(x, "j"),
            "both": psum(x, ("i", "j")),
            "index": axis_index(("i", "j")),
            "mean": pmean(x, ("j", "i")),
        }

    found = fg.vmap(fg.vmap(f, axis_name="j"), axis_name="i")(x)
    ones = np.ones((3, 3))
    np.testing.assert_allclose(found["i"], x.sum(0) * ones)
    np.testing.assert_allclose(found["j"], x.sum(1)[:, None] * ones)
    np.testing.assert_allclose(found["both"], x.sum() * ones)
    np.testing.assert_allclose(found["mean"], x.mean() * ones)
    np.testing.assert_array_equal(found["index"], np.arange(9).reshape(3, 3))


def test_the_innermost_axis_of_a_name_is_meant() -> None:
    f = fg.vmap(fg.vmap(lambda x: psum(x, "i"), axis_name="i"), axis_name="i")
    np.testing.assert_allclose(f(M[..., 0]), M[..., 0].sum(1)[:, None] * np.ones((3, 3)))


def test_a_vmap_without_a_name_between_changes_nothing() -> None:
    f = fg.vmap(fg.vmap(lambda x: psum(x, "i") - x), axis_name="i")
    np.testing.assert_allclose(f(M[..., 0]), M[..., 0].sum(0) - M[..., 0])
    g = fg.vmap(fg.vmap(lambda x: psum(x, "i") - x, axis_name="i"))
    np.testing.assert_allclose(g(M[..., 0]), M[..., 0].sum(1)[:, None] - M[..., 0])


def test_integers_and_booleans_stay_what_they_are() -> None:
    found = over(lambda x: psum(x, "i"), np.array([1, 2, 3], np.int32))
    assert found.dtype == np.sum(np.array([1], np.int32)).dtype
    assert over(lambda x: pmax(x, "i"), np.array([True, False])).dtype == bool
    assert over(lambda x: pmean(x, "i"), XS.astype(np.float32)).dtype == np.float32


# --- derivatives ------------------------------------------------------------------------------


def test_a_gradient_outside_of_vmap_is_that_of_the_whole_computation() -> None:
    f = lambda xs: np.sum(over(lambda x: np.sin(x) * psum(x**2, "i") / pmax(x, "i"), xs))
    plain = lambda xs: np.sum(np.sin(xs)) * np.sum(xs**2) / np.max(xs)
    np.testing.assert_allclose(fg.grad(f)(XS), fg.grad(plain)(XS))
    np.testing.assert_allclose(fg.hessian(f)(XS), fg.hessian(plain)(XS))
    np.testing.assert_allclose(fg.jvp(f, (XS,), (XS,))[1], fg.jvp(plain, (XS,), (XS,))[1])


def test_a_gradient_inside_of_vmap_is_that_of_the_sum_of_all_results() -> None:
    for f in (
        lambda x: np.sin(x) * psum(x**2, "i"),
        lambda x: pmean(np.exp(x), "i") / x,
        lambda x: pmax(x, "i") * x,
        lambda x: np.prod(all_gather(x, "i")) * axis_index("i"),
        lambda x: ppermute(x, "i", [(0, 2), (2, 1)]) * x,
        lambda x: psum(x, "i", axis_index_groups=[[0], [1], [2]]) ** 2,
        lambda x: np.sum(all_to_all(np.stack([x, x**2, x**3]), "i", 0, 0)) * x,
    ):
        inside = over(fg.grad(f), XS)
        outside = fg.grad(lambda xs, f=f: np.sum(over(f, xs)))(XS)
        np.testing.assert_allclose(inside, outside)


def test_a_shared_value_gets_the_gradient_of_all_examples_in_each() -> None:
    """As in JAX: what an example sends changes the results of the others."""
    found = over(fg.grad(lambda w, x: psum(w * x, "i") * x), 2.0, XS, in_axes=(None, 0))
    np.testing.assert_allclose(found, XS * XS.sum())
    found = over(fg.grad(lambda w, x: psum(w, "i") * x), 2.0, XS, in_axes=(None, 0))
    np.testing.assert_allclose(found, [XS.sum()] * 3)


def test_second_derivatives_inside_of_vmap() -> None:
    """y = Σ x³: reverse over reverse of the sum over all results, 3 · 3x², then 3 · 18x."""
    f = lambda x: psum(x**3, "i")  # a formula
    np.testing.assert_allclose(over(fg.grad(f), XS), 9 * XS**2)
    np.testing.assert_allclose(over(fg.grad(fg.grad(f)), XS), 18 * XS)


def test_forward_mode_moves_all_examples_together() -> None:
    found = over(lambda x: fg.jvp(lambda x: psum(x**2, "i"), (x,), (x,))[1], XS)
    np.testing.assert_allclose(found, [2 * np.sum(XS**2)] * 3)
    found = over(lambda x: fg.linearize(lambda x: psum(x**2, "i"), x)[1](x), XS)
    np.testing.assert_allclose(found, [2 * np.sum(XS**2)] * 3)


def test_normalising_a_batch_is_differentiated_like_the_formula() -> None:
    def normal(x: Any) -> Any:
        centred = x - pmean(x, "batch")
        return centred / np.sqrt(pmean(centred**2, "batch") + 1e-5)

    def plain(x: Any) -> Any:
        centred = x - x.mean(0)
        return centred / np.sqrt((centred**2).mean(0) + 1e-5)

    x, weights = M[:, 0], M[:, 1]
    mapped = fg.vmap(normal, axis_name="batch")
    np.testing.assert_allclose(mapped(x), plain(x))
    found, expected = (fg.grad(lambda x, f=f: np.sum(f(x) * weights))(x) for f in (mapped, plain))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_collectives_work_inside_of_functions_with_their_own_rules() -> None:
    @fg.custom_jvp
    def share(x: Any) -> Any:
        return x / psum(x, "i")

    @share.defjvp
    def share_jvp(primals: Any, tangents: Any) -> Any:
        (x,), (x_dot,) = primals, tangents
        total = psum(x, "i")
        return x / total, x_dot / total - x * psum(x_dot, "i") / total**2

    plain = lambda xs: xs / np.sum(xs)  # a formula
    np.testing.assert_allclose(over(share, XS), plain(XS))
    found = fg.jacrev(lambda xs: over(share, xs))(XS)
    np.testing.assert_allclose(found, fg.jacrev(plain)(XS), atol=1e-15)
    np.testing.assert_allclose(fg.jacfwd(lambda xs: over(share, xs))(XS), found, atol=1e-15)

    scaled = fg.custom_vjp(lambda x: x * psum(x, "i"))
    scaled.defvjp(
        lambda x: (x * psum(x, "i"), x), lambda x, ct: (ct * psum(x, "i") + psum(ct * x, "i"),)
    )
    f = lambda xs: np.sum(over(scaled, xs) * XS)  # a formula
    np.testing.assert_allclose(fg.grad(f)(XS), fg.grad(lambda xs: np.sum(xs * XS) * np.sum(xs))(XS))


@pytest.mark.parametrize("checkpoint", [None, 1])
def test_collectives_are_computed_again_for_the_same_examples(checkpoint: Any) -> None:
    def f(x: Any) -> Any:
        steps = x * np.arange(1.0, 5.0)
        last, _ = fg.scan(
            lambda c, x: (c * np.sin(pmean(x, "i")), c), x, steps, checkpoint=checkpoint
        )
        return last

    g = f if checkpoint else fg.checkpoint(f)

    def plain(xs: Any) -> Any:
        c = xs
        for k in range(1, 5):
            c = c * np.sin(k * np.mean(xs))
        return np.sum(c)

    expected = fg.grad(plain)(XS)
    np.testing.assert_allclose(over(fg.grad(g), XS), expected)
    np.testing.assert_allclose(fg.grad(lambda xs: np.sum(over(g, xs)))(XS), expected)
    np.testing.assert_allclose(
        fg.jvp(lambda xs: np.sum(over(g, xs)), (XS,), (XS,))[1], expected @ XS
    )


def test_a_batch_of_which_nothing_is_known_refuses_collectives() -> None:
    def f(x: Any) -> Any:
        trace = Batch("vmap", 3)
        inner = BatchTracer(np.ones(3), batched=True, owner=trace)
        return psum(inner, "i") + x

    with pytest.raises(UnboundAxisError, match="Take the collective out of that function"):
        over(f, XS)


# --- names ------------------------------------------------------------------------------------


def test_a_name_that_is_not_bound_is_refused_with_those_that_are() -> None:
    with pytest.raises(UnboundAxisError, match=r"'j' at .* is not bound; bound here: 'i'"):
        over(lambda x: psum(x, "j"), XS)
    with pytest.raises(UnboundAxisError, match="bound here: none"):
        axis_index("i")
    with pytest.raises(NameError):
        fg.vmap(lambda x: all_gather(x, "i"))(XS)


def test_names_end_with_their_vmap_even_if_it_raises() -> None:
    def fails(x: Any) -> Any:
        raise KeyError("stop")

    with pytest.raises(KeyError):
        over(fails, XS)
    assert MODES.axes == ()
    with pytest.raises(UnboundAxisError):
        psum(1.0, "i")


def test_names_belong_to_the_thread_of_their_vmap() -> None:
    barrier = threading.Barrier(2)

    def work(k: int) -> Any:
        def f(x: Any) -> Any:
            barrier.wait(10)
            return psum(x, "i")

        return over(f, XS * k)

    with ThreadPoolExecutor(2) as pool:
        for k, found in enumerate(pool.map(work, (1, 2)), 1):
            np.testing.assert_allclose(found, [7 * k] * 3)


def test_a_name_and_chunks_exclude_each_other() -> None:
    with pytest.raises(BatchSizeError, match="A collective needs all examples at once"):
        fg.vmap(np.sin, axis_name="i", chunk_size=2)


def test_a_leaked_value_cannot_be_told() -> None:
    kept: list[Any] = []
    over(lambda x: kept.append(x) or x, XS)
    with pytest.raises(LeakedTracerError):
        over(lambda x: psum(kept[0], "i"), XS)


def test_a_program_that_outlives_the_axis_is_refused() -> None:
    with pytest.raises(CapturedTracerError):
        over(lambda x: fg.make_program(lambda x: psum(x, "i"))(x)(x), XS)
    program = fg.make_program(lambda xs: over(lambda x: x / psum(x, "i"), xs))(XS)
    np.testing.assert_allclose(program(XS), XS / 7)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: ppermute(x, "i", [(0, 1), (0, 2)]), "sends and receives at most once"),
        (lambda x: ppermute(x, "i", [(0, 3)]), r"perm=\[\(0, 3\)\] for 3 examples"),
        (lambda x: psum(x, "i", axis_index_groups=[[0], [1, 2]]), "groups have one length"),
        (lambda x: psum(x, "i", axis_index_groups=[[0, 1]]), "hold each number from 0 to 2"),
        (
            lambda x: all_to_all(np.stack([x, x]), "i", 0, 0),
            "has length 2, but it is split among 3",
        ),
        (lambda x: psum("x", "i"), "x is a str"),
    ],
)
def test_what_is_of_no_use_is_named(f: Any, message: str) -> None:
    with pytest.raises(ControlFlowError, match=message):
        over(f, XS)


# --- oracle -----------------------------------------------------------------------------------


@pytest.mark.oracle
def test_jax_computes_the_same() -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    lax, jnp = jax.lax, jax.numpy
    weights = np.random.default_rng(1).normal(size=(3, 3, 6))
    tiles = np.random.default_rng(2).normal(size=(3, 6, 4))
    pairs: list[tuple[Any, Any, Any]] = [
        (lambda x: psum(x**2, "i"), lambda x: lax.psum(x**2, "i"), XS),
        (lambda x: pmean(x**2, "i") * x, lambda x: lax.pmean(x**2, "i") * x, XS),
        (
            lambda x: np.sum(
                all_gather(x, "i", axis=1) * weights[:, :, :2].transpose(0, 2, 1)[0, 0, 0]
            ),
            lambda x: jnp.sum(
                lax.all_gather(x, "i", axis=1) * weights[:, :, :2].transpose(0, 2, 1)[0, 0, 0]
            ),
            M,
        ),
        (
            lambda x: np.sum(all_gather(x, "i", axis=1, tiled=True) * weights[0]),
            lambda x: jnp.sum(lax.all_gather(x, "i", axis=1, tiled=True) * weights[0]),
            M,
        ),
        (
            lambda x: np.sum(ppermute(x, "i", [(0, 2), (2, 1), (1, 0)]) * x**2),
            lambda x: jnp.sum(lax.ppermute(x, "i", [(0, 2), (2, 1), (1, 0)]) * x**2),
            M,
        ),
        *(
            (
                lambda x, s=s, c=c: np.sum(np.sin(all_to_all(x, "i", s, c, tiled=True)) * x.size),
                lambda x, s=s, c=c: jnp.sum(
                    jnp.sin(lax.all_to_all(x, "i", s, c, tiled=True)) * x.size
                ),
                tiles,
            )
            for s, c in ((0, 0), (0, 1))
        ),
    ]
    for ours, theirs, x in pairs:
        expected = jax.vmap(jax.value_and_grad(theirs), axis_name="i")(x)
        found = fg.vmap(fg.value_and_grad(ours), axis_name="i")(x)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    for split, concat in ((0, 0), (0, 1), (1, 0)):
        x = M if split == 0 else np.swapaxes(M, 1, 2)
        for tiled in (False, True):
            expected = jax.vmap(
                lambda x, s=split, c=concat, t=tiled: lax.all_to_all(x, "i", s, c, tiled=t),
                axis_name="i",
            )(x)
            found = fg.vmap(
                lambda x, s=split, c=concat, t=tiled: all_to_all(x, "i", s, c, tiled=t),
                axis_name="i",
            )(x)
            np.testing.assert_array_equal(found, expected)

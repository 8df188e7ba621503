"""Collectives, mapped control flow and loops forward; see transform_cases.py."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.oracles.flow_cases import affine, kalman, recurrence
from tests.oracles.points import M, N, V, W, draw, drawz, well

__all__ = ["MAPPING_CASES"]

Make = Callable[[Any, Any], Any]
MAPPING_CASES: dict[str, Make] = {}

POSITIVE = draw(4, low=0.5, high=4)


def case(make: Make) -> Make:
    """Enter a case into the table, under its name."""
    MAPPING_CASES[make.__name__] = make
    return make


def derivatives(ad: Any, xp: Any, f: Callable[..., Any], *args: Any) -> Any:
    """Value, gradient of the sum of squares, and derivative along the arguments themselves."""

    def loss(*args: Any) -> Any:
        return sum(xp.sum(xp.abs(leaf) ** 2) for leaf in ad.tree.leaves(f(*args)))

    gradient = ad.grad(loss, argnums=tuple(range(len(args))))
    return f(*args), gradient(*args), ad.jvp(gradient, args, args)[1], ad.jvp(f, args, args)[1]


# --- collectives ------------------------------------------------------------------------------


@case
def psum_over_examples(ad: Any, xp: Any) -> Any:
    f = ad.vmap(lambda x: x**2 / ad.psum(xp.exp(x), "i"), axis_name="i")
    return derivatives(ad, xp, f, V)


@case
def psum_of_one(ad: Any, xp: Any) -> Any:
    return ad.vmap(lambda x: x * ad.psum(1, "i"), axis_name="i")(V)


@case
def pmean_over_examples(ad: Any, xp: Any) -> Any:
    def standardised(x: Any) -> Any:
        apart = x - ad.pmean(x, "i")
        return apart / xp.sqrt(ad.pmean(apart**2, "i") + 0.1)

    return derivatives(ad, xp, ad.vmap(standardised, axis_name="i"), M)


# JAX has no derivative of pmax and pmin: they are compared as constants.


@case
def pmax_and_pmin_over_examples(ad: Any, xp: Any) -> Any:
    f = ad.vmap(
        lambda x: (ad.pmax(ad.stop_gradient(x), "i") - ad.pmin(ad.stop_gradient(x), "i")) * x,
        axis_name="i",
    )
    return derivatives(ad, xp, f, M)


@case
def softmax_over_examples(ad: Any, xp: Any) -> Any:
    def share(x: Any) -> Any:
        e = xp.exp(x - ad.pmax(ad.stop_gradient(x), "i"))
        return e / ad.psum(e, "i")

    return derivatives(ad, xp, ad.vmap(share, in_axes=1, out_axes=1, axis_name="i"), M)


@case
def all_gather_of_examples(ad: Any, xp: Any) -> Any:
    f = ad.vmap(lambda x: xp.tanh(ad.all_gather(x, "i") @ x) * x[0], axis_name="i")
    return derivatives(ad, xp, f, M)


@case
def all_gather_along_an_axis(ad: Any, xp: Any) -> Any:
    f = ad.vmap(lambda x: ad.all_gather(x, "i", axis=1) * ad.axis_index("i"), axis_name="i")
    return derivatives(ad, xp, f, M)


@case
def all_gather_tiled(ad: Any, xp: Any) -> Any:
    f = ad.vmap(lambda x: ad.all_gather(x, "i", tiled=True) ** 2 * x[0], axis_name="i")
    return derivatives(ad, xp, f, M)


@case
def axis_index_of_examples(ad: Any, xp: Any) -> Any:
    f = ad.vmap(lambda x: x ** (1 + ad.axis_index("i")), axis_name="i")
    return derivatives(ad, xp, f, POSITIVE)


@case
def ppermute_of_examples(ad: Any, xp: Any) -> Any:
    pairs = [(0, 1), (1, 2), (2, 0)]
    f = ad.vmap(lambda x: ad.ppermute(xp.sin(x), "i", pairs) * x, axis_name="i")
    return derivatives(ad, xp, f, M)


@case
def all_to_all_of_examples(ad: Any, xp: Any) -> Any:
    f = ad.vmap(lambda x: ad.all_to_all(x**2, "i", 0, 0) * x, axis_name="i")
    return derivatives(ad, xp, f, draw(3, 3, 2))


@case
def collectives_of_two_axes(ad: Any, xp: Any) -> Any:
    def f(x: Any, y: Any) -> Any:
        return x * y / ad.psum(xp.exp(x * y), ("i", "j")) + ad.pmean(x**2 * y, "j")

    rows = ad.vmap(f, in_axes=(None, 0), axis_name="j")
    return derivatives(ad, xp, ad.vmap(rows, in_axes=(0, None), axis_name="i"), V, W)


@case
def gradient_inside_a_collective(ad: Any, xp: Any) -> Any:
    def f(x: Any, p: Any) -> Any:
        return ad.pmean(ad.grad(lambda p: xp.sum(xp.tanh(p * x) ** 2))(p), "i")

    return ad.vmap(f, in_axes=(0, None), axis_name="i")(M, draw(4))


@case
def collective_of_unmapped_values(ad: Any, xp: Any) -> Any:
    f = ad.vmap(lambda x, y: x * ad.psum(y, "i"), in_axes=(0, None), axis_name="i")
    return derivatives(ad, xp, f, V, draw())


@case
def collectives_of_trees(ad: Any, xp: Any) -> Any:
    def f(p: Any) -> Any:
        return ad.tree.map(lambda leaf, total: leaf * total, p, ad.psum(p, "i"))

    return derivatives(ad, xp, ad.vmap(f, axis_name="i"), {"a": V, "b": (draw(5, 2),)})


# --- mapped control flow ----------------------------------------------------------------------


@case
def map_of_a_scan(ad: Any, xp: Any) -> Any:
    f = ad.vmap(lambda w, h, xs: recurrence(xp, w, h, xs), in_axes=(None, 0, 1))
    return derivatives(ad, xp, f, draw(2, 2), draw(3, 2), draw(4, 3, 2))


@case
def map_of_a_filter(ad: Any, xp: Any) -> Any:
    gradient = ad.grad(lambda a, r, ys: kalman(xp, a, r, ys), argnums=(0, 1))
    return ad.vmap(gradient, in_axes=(None, 0, 0))(well(2, 2) / 4, draw(3), draw(3, 5))


@case
def map_of_a_cond(ad: Any, xp: Any) -> Any:
    f = ad.vmap(lambda x: ad.cond(x[0] > 0, lambda x: x * x[1], lambda x: xp.sin(x), x))
    return derivatives(ad, xp, f, draw(5, 3))


@case
def map_of_a_switch(ad: Any, xp: Any) -> Any:
    branches = [lambda x: x**2, lambda x: xp.exp(x), lambda x: 3 * x]
    places = np.array([0, 2, 1, 1, 7])
    f = ad.vmap(lambda i, x: ad.switch(i, branches, x))
    return derivatives(ad, xp, lambda x: f(places, x), V)


@case
def map_of_a_loop_of_fixed_length(ad: Any, xp: Any) -> Any:
    f = ad.vmap(lambda a: ad.fori_loop(0, 6, lambda i, y: 0.5 * (y + a / y), a))
    return derivatives(ad, xp, f, POSITIVE)


@case
def map_of_an_associative_scan(ad: Any, xp: Any) -> Any:
    f = ad.vmap(lambda a, b: ad.associative_scan(affine, (a, b)), in_axes=(0, 1))
    return derivatives(ad, xp, f, M, N.T)


@case
def map_of_a_checkpoint(ad: Any, xp: Any) -> Any:
    f = ad.vmap(ad.checkpoint(lambda x: xp.sin(x @ x) * x))
    return derivatives(ad, xp, f, M)


@case
def hessian_of_a_scan(ad: Any, xp: Any) -> Any:
    return ad.hessian(lambda w: xp.sum(recurrence(xp, w, draw(2), draw(4, 2))[1]))(draw(2, 2))


@case
def linearized_scan(ad: Any, xp: Any) -> Any:
    out, push = ad.linearize(lambda w: recurrence(xp, w, draw(2), draw(4, 2)), draw(2, 2))
    return out, push(draw(2, 2, seed=1))


@case
def gradient_in_a_scan(ad: Any, xp: Any) -> Any:
    def descent(rate: Any, x: Any) -> Any:
        def step(x: Any, _: Any) -> Any:
            value, slope = ad.value_and_grad(lambda x: xp.sum(xp.cosh(x) - x))(x)
            return x - rate * slope, value

        return ad.scan(step, x, None, length=5)

    return derivatives(ad, xp, descent, np.array(0.2), draw(3))


@case
def gradient_in_a_branch(ad: Any, xp: Any) -> Any:
    def f(x: Any) -> Any:
        return ad.cond(
            xp.sum(x) > 0, ad.grad(lambda x: xp.sum(x**4)), ad.grad(lambda x: xp.prod(x)), x
        )

    return derivatives(ad, xp, f, np.abs(V)), derivatives(ad, xp, f, -np.abs(V))


@case
def map_of_gradients_of_decompositions(ad: Any, xp: Any) -> Any:
    def f(a: Any) -> Any:
        s = a @ a.T + np.eye(3)
        w, v = xp.linalg.eigh(s)
        return {
            "eigh": xp.sum((v * xp.log(w)) @ v.T * s),
            "svd": xp.linalg.norm(a, "nuc") + xp.linalg.cond(s),
            "qr": xp.sum(xp.abs(xp.linalg.qr(a.T)[1]) ** 3),
            "pinv": xp.sum(xp.linalg.pinv(a) ** 2),
            "lstsq": xp.sum(xp.linalg.lstsq(a.T, a[0] + 1.0)[0] ** 2),
        }

    stack = draw(2, 3, 4)
    return ad.vmap(ad.jacrev(f))(stack), ad.vmap(ad.jacfwd(f))(stack)


@case
def map_of_gradients_of_signals(ad: Any, xp: Any) -> Any:
    def f(x: Any, k: Any) -> Any:
        spectrum = xp.fft.rfft(x, norm="ortho")
        return (
            xp.sum(xp.abs(spectrum) ** 3),
            xp.sum(xp.convolve(x, k, "same") ** 2 + xp.correlate(x, k, "same")),
            xp.sum(xp.interp(k, np.array([-2.0, -0.5, 0.3, 1.0, 2.0]), x) ** 2),
            xp.quantile(x, 0.4) * xp.median(x) + xp.polyval(k, x[0]),
            xp.sum(xp.cov(x, x[::-1]) ** 2) + xp.trapezoid(xp.gradient(x) ** 2),
        )

    args = draw(3, 5), draw(3, 3, seed=1)
    return ad.vmap(ad.jacrev(f, argnums=(0, 1)))(*args), ad.vmap(ad.hessian(f))(*args)


# --- loops of unknown length --------------------------------------------------------------------


def collatz_like(ad: Any, xp: Any, x: Any) -> Any:
    """Halved until small: the number of steps depends on x."""
    return ad.while_loop(lambda c: c[0] > 0.1, lambda c: (c[0] / 2, c[1] + xp.sin(c[0])), (x, x))


@case
def while_loop_forward(ad: Any, xp: Any) -> Any:
    def f(x: Any) -> Any:
        return collatz_like(ad, xp, x)

    return f(np.array(3.7)), ad.jvp(f, (np.array(3.7),), (np.array(1.0),)), ad.jacfwd(f)(2.2)


@case
def while_loop_forward_twice(ad: Any, xp: Any) -> Any:
    return ad.jacfwd(ad.jacfwd(lambda x: collatz_like(ad, xp, x)))(np.array(3.7))


@case
def map_of_a_while_loop(ad: Any, xp: Any) -> Any:
    f = ad.vmap(lambda x: collatz_like(ad, xp, x))
    return f(POSITIVE), ad.jvp(f, (POSITIVE,), (draw(4),))


@case
def map_of_a_loop_to_convergence(ad: Any, xp: Any) -> Any:
    def root(a: Any) -> Any:
        state = (a, 0.5 * (a + 1.0))
        return ad.while_loop(
            lambda c: xp.abs(c[0] - c[1]) > 1e-9, lambda c: (c[1], 0.5 * (c[1] + a / c[1])), state
        )[1]

    f = ad.vmap(root)
    return f(POSITIVE), ad.jvp(f, (POSITIVE,), (draw(4),))


# --- other ------------------------------------------------------------------------------------


@case
def custom_rule_of_a_map(ad: Any, xp: Any) -> Any:
    @ad.custom_vmap
    def f(x: Any, y: Any) -> Any:
        return xp.sin(x) * y

    @f.def_vmap
    def rule(axis_size: Any, in_batched: Any, x: Any, y: Any) -> Any:
        assert in_batched == [True, False]
        return 10 * xp.sin(x) * y + axis_size, True

    return f(V[0], V[1]), ad.vmap(f, in_axes=(0, None))(V, V[0])


@case
def shapes_without_values(ad: Any, xp: Any) -> Any:
    found = ad.eval_shape(lambda x, z: {"a": x @ x.T, "b": (z * 2,)}, M, drawz(2))
    return ad.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), found)


@case
def closure_with_its_constants(ad: Any, xp: Any) -> Any:
    def outer(x: Any) -> Any:
        closed, constants = ad.closure_convert(lambda y: xp.sum(xp.sin(x) * y), V)
        return closed(V, *constants)

    return ad.value_and_grad(outer)(W)


@case
def solution_by_a_custom_rule_of_a_while_loop(ad: Any, xp: Any) -> Any:
    @ad.custom_vjp
    def root(a: Any) -> Any:
        return ad.while_loop(
            lambda y: xp.max(xp.abs(y * y - a)) > 1e-12, lambda y: 0.5 * (y + a / y), a
        )

    root.defvjp(lambda a: (root(a),) * 2, lambda y, ct: (ct / (2 * y),))
    return ad.value_and_grad(lambda a: xp.sum(root(a) ** 3))(POSITIVE)

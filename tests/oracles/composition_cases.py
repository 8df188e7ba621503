"""Transforms inside transforms, on functions people differentiate; see transform_cases.py."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.oracles.cases import attention, kalman, layer_norm, mixture, resonances, runge_kutta
from tests.oracles.points import draw, drawz, well
from tests.oracles.transform_cases import PARAMS, A, X, Y, model, vector_function

__all__ = ["COMPOSITION_CASES"]

Make = Callable[[Any, Any], Any]
COMPOSITION_CASES: dict[str, Make] = {}

QUERIES, KEYS, VALUES = draw(4, 2), draw(4, 2, seed=1), draw(4, 3)
SERIES, MOTION = draw(3, 5), well(2, 2) / 4


def case(make: Make) -> Make:
    """Enter a case into the table, under its name."""
    COMPOSITION_CASES[make.__name__] = make
    return make


def energy(xp: Any, x: Any) -> Any:
    """A scalar function of three numbers whose Hessian is full."""
    return xp.sum(xp.sin(x) * x[::-1]) ** 2 + xp.nn.logsumexp(A @ x) + xp.prod(x)


def network(xp: Any, params: Any, x: Any) -> Any:
    """Two layers, normalised in between, and the cross-entropy of class 1."""
    hidden = layer_norm(xp, xp.nn.gelu(x @ params["w1"]), params["scale"], params["shift"])
    return -xp.nn.log_softmax(hidden @ params["w2"])[..., 1]


NETWORK = {
    "w1": draw(3, 4),
    "scale": draw(4, low=0.5, high=1.5),
    "shift": draw(4, seed=1),
    "w2": draw(4, 2),
}
EXAMPLES = draw(5, 3)


# --- Hessian-vector products ------------------------------------------------------------------


@case
def hvp_in_four_ways(ad: Any, xp: Any) -> Any:
    def f(x: Any) -> Any:
        return energy(xp, x)

    return (
        ad.jvp(ad.grad(f), (X,), (Y,))[1],
        ad.grad(lambda x: ad.jvp(f, (x,), (Y,))[1])(X),
        ad.grad(lambda x: xp.sum(ad.grad(f)(x) * Y))(X),
        ad.linearize(ad.grad(f), X)[1](Y),
    )


@case
def hvp_of_a_network(ad: Any, xp: Any) -> Any:
    gradient = ad.grad(lambda p: xp.mean(network(xp, p, EXAMPLES)))
    return ad.jvp(gradient, (NETWORK,), (ad.tree.map(lambda leaf: 0.5 - leaf, NETWORK),))


@case
def hvp_of_attention(ad: Any, xp: Any) -> Any:
    gradient = ad.grad(lambda *qkv: xp.sum(attention(xp, *qkv) ** 3), argnums=(0, 1, 2))
    args = (QUERIES, KEYS, VALUES)
    return ad.jvp(gradient, args, (KEYS, QUERIES, VALUES[::-1]))


@case
def hvp_of_a_filter(ad: Any, xp: Any) -> Any:
    gradient = ad.grad(lambda *args: kalman(xp, *args, SERIES[0]), argnums=(0, 1, 2))
    return ad.jvp(gradient, (MOTION, np.array(-1.0), np.array(-0.5)), (A[:2, :2], 1.0, -2.0))


@case
def hvps_of_many_directions(ad: Any, xp: Any) -> Any:
    gradient = ad.grad(lambda x: energy(xp, x))
    return ad.vmap(lambda t: ad.jvp(gradient, (X,), (t,))[1], in_axes=1, out_axes=1)(draw(3, 4))


@case
def gauss_newton_product(ad: Any, xp: Any) -> Any:
    def residuals(p: Any) -> Any:
        return model(xp, p, X) - np.array([0.5, -1.0])

    out, pull = ad.vjp(residuals, PARAMS)
    _, pushed = ad.jvp(residuals, (PARAMS,), (PARAMS,))
    return out, pull(pushed)


# --- examples of a batch ----------------------------------------------------------------------


@case
def gradients_of_a_network_of_examples(ad: Any, xp: Any) -> Any:
    value_and_grad = ad.value_and_grad(lambda p, x: network(xp, p, x))
    return ad.vmap(value_and_grad, in_axes=(None, 0))(NETWORK, EXAMPLES)


@case
def gradients_of_filters_of_series(ad: Any, xp: Any) -> Any:
    gradient = ad.grad(lambda a, q, ys: kalman(xp, a, q, -0.5, ys), argnums=(0, 1))
    return ad.vmap(gradient, in_axes=(None, 0, 0))(MOTION, X, SERIES)


@case
def gradients_of_mixtures(ad: Any, xp: Any) -> Any:
    gradient = ad.grad(lambda *args: mixture(xp, *args), argnums=(0, 1, 2, 3))
    mapped = ad.vmap(gradient, in_axes=(None, 1, 0, None), out_axes=(0, 1, -1, 0))
    return mapped(draw(5), draw(3, 2), draw(2, 3), draw(3, low=-0.5, high=0.5))


@case
def gradients_of_attention_of_examples(ad: Any, xp: Any) -> Any:
    gradient = ad.grad(lambda q, k, v: xp.sum(attention(xp, q, k, v) ** 2), argnums=(0, 2))
    return ad.vmap(gradient, in_axes=(0, None, -1))(draw(2, 4, 2), KEYS, draw(4, 3, 2))


@case
def gradients_of_complex_functions_of_examples(ad: Any, xp: Any) -> Any:
    gradient = ad.grad(lambda z, p: xp.sum(resonances(xp, z, p)), argnums=(0, 1))
    return ad.vmap(gradient, in_axes=(0, None))(draw(3, 4, low=0.5), -0.5 + drawz(2) / 5)


@case
def clipped_gradients_of_examples(ad: Any, xp: Any) -> Any:
    def clipped(p: Any, x: Any) -> Any:
        flat, unravel = ad.ravel_pytree(ad.grad(lambda p: network(xp, p, x))(p))
        return unravel(flat * xp.minimum(1.0, 0.7 / xp.linalg.norm(flat)))

    mapped = ad.vmap(clipped, in_axes=(None, 0))(NETWORK, EXAMPLES)
    return ad.tree.map(lambda leaf: xp.sum(leaf, axis=0), mapped)


@case
def pushforwards_of_examples(ad: Any, xp: Any) -> Any:
    def push(y: Any, t: Any) -> Any:
        return ad.jvp(lambda y: runge_kutta(xp, y, np.array([1.1, 0.7])), (y,), (t,))

    return ad.vmap(push, in_axes=(1, 0), out_axes=(0, 1))(draw(2, 4, low=0.5), draw(4, 2))


@case
def pullbacks_of_a_basis(ad: Any, xp: Any) -> Any:
    _, pull = ad.vjp(lambda p: model(xp, p, X), PARAMS)
    return ad.vmap(pull)(np.eye(2))


@case
def hessians_of_examples(ad: Any, xp: Any) -> Any:
    return ad.vmap(ad.hessian(lambda x: energy(xp, x)), in_axes=1)(draw(3, 2))


@case
def hessian_through_a_map(ad: Any, xp: Any) -> Any:
    def loss(x: Any) -> Any:
        return xp.sum(ad.vmap(lambda row: xp.nn.softmax(row * x) @ row)(A) ** 2)

    return ad.hessian(loss)(X)


@case
def pushforward_through_a_map_of_gradients(ad: Any, xp: Any) -> Any:
    mapped = ad.vmap(ad.grad(lambda x, s: xp.sum(xp.tanh(s * x) * x)), in_axes=(0, None))
    return ad.jvp(mapped, (A, 0.7), (A.T, 1.0))


@case
def maps_of_two_axes_of_a_gradient(ad: Any, xp: Any) -> Any:
    gradient = ad.grad(lambda x, y: xp.arctan2(x, y) * xp.hypot(x, y) ** 2, argnums=(0, 1))
    rows = ad.vmap(gradient, in_axes=(None, 0))
    return ad.vmap(rows, in_axes=(0, None))(X, draw(4))


@case
def map_of_updates_and_sorts_of_a_gradient(ad: Any, xp: Any) -> Any:
    def f(x: Any, i: Any) -> Any:
        ordered = xp.sort(x * x)
        return xp.sum(xp.at(ordered)[i].multiply(x[0]) * xp.cumsum(x)) + xp.max(x) * x[i]

    return ad.vmap(ad.grad(f))(draw(4, 3), np.array([2, 0, 1, 1]))


# --- deep and mixed nests ---------------------------------------------------------------------


@case
def derivatives_of_third_order(ad: Any, xp: Any) -> Any:
    def f(x: Any) -> Any:
        return energy(xp, x)

    return ad.jacfwd(ad.hessian(f))(X), ad.jacrev(ad.jacrev(ad.grad(f)))(X)


@case
def fifth_derivative_of_a_quotient(ad: Any, xp: Any) -> Any:
    def f(x: Any) -> Any:
        return xp.sin(x) / (1 + x**2)

    for transform in (ad.grad, ad.jacfwd, ad.grad, ad.jacfwd, ad.grad):
        f = transform(f)
    return f(0.7)


@case
def taylor_series_by_pushforwards(ad: Any, xp: Any) -> Any:
    def along(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda s: ad.jvp(f, (s,), (1.0,))[1]

    def f(s: Any) -> Any:
        return vector_function(xp, X + s * Y)

    return f(0.3), along(f)(0.3), along(along(f))(0.3), along(along(along(f)))(0.3)


@case
def perturbations_of_two_levels(ad: Any, xp: Any) -> Any:
    def outer(x: Any) -> Any:
        return x * ad.grad(lambda y: xp.sin(x * y) + x**2 * y)(2 * x)

    return ad.grad(outer)(0.6), ad.jvp(ad.grad(outer), (0.6,), (1.0,))


@case
def gradient_of_a_gradient_step(ad: Any, xp: Any) -> Any:
    def loss(p: Any, x: Any) -> Any:
        return xp.sum(xp.log1p(xp.exp(-x @ p)))

    def after_steps(p: Any, rate: Any) -> Any:
        for x in (A, A.T):
            p = p - rate * ad.grad(loss)(p, x)
        return loss(p, A + 0.5)

    return ad.value_and_grad(after_steps, argnums=(0, 1))(X, 0.1)


@case
def gradient_of_a_laplacian(ad: Any, xp: Any) -> Any:
    def laplacian(x: Any) -> Any:
        def second(t: Any) -> Any:
            return ad.jvp(lambda x: ad.jvp(lambda x: energy(xp, x), (x,), (t,))[1], (x,), (t,))[1]

        return xp.sum(ad.vmap(second)(np.eye(3)))

    return ad.value_and_grad(laplacian)(X)


@case
def gradient_of_a_divergence(ad: Any, xp: Any) -> Any:
    def divergence(y: Any, rates: Any) -> Any:
        return xp.trace(ad.jacfwd(lambda y: runge_kutta(xp, y, rates))(y))

    return ad.grad(divergence, argnums=(0, 1))(np.array([1.2, 0.8]), np.array([1.1, 0.7]))


@case
def gradient_of_a_force(ad: Any, xp: Any) -> Any:
    def potential(places: Any, charge: Any) -> Any:
        apart = places[:, None] - places[None]
        squares = xp.sum(apart**2, axis=-1) + np.eye(len(places))
        return charge * xp.sum(np.tril(np.ones((3, 3)), -1) / xp.sqrt(squares))

    def mismatch(places: Any, charge: Any) -> Any:
        return xp.sum((-ad.grad(potential)(places, charge) - A) ** 2)

    return ad.grad(mismatch, argnums=(0, 1))(A, 1.3)


@case
def implicit_derivative_by_a_custom_rule(ad: Any, xp: Any) -> Any:
    @ad.custom_vjp
    def root(a: Any) -> Any:
        y = 0.5 + a / 2
        for _ in range(6):
            y = 0.5 * (y + a / y)
        return y

    root.defvjp(lambda a: (root(a),) * 2, lambda y, ct: (ct / (2 * y),))
    gradient = ad.grad(lambda a: xp.sum(root(a) ** 3))
    return ad.vmap(gradient)(np.abs(A) + 0.5), ad.jacrev(gradient)(np.abs(X) + 0.5)


@case
def custom_pushforward_in_a_nest(ad: Any, xp: Any) -> Any:
    @ad.custom_jvp
    def softplus(x: Any) -> Any:
        return xp.logaddexp(x, 0.0)

    softplus.defjvps(lambda t, out, x: t * xp.exp(x - out))

    def f(x: Any) -> Any:
        return xp.sum(softplus(x) * x)

    tangents = ad.jvp(ad.vmap(ad.grad(f)), (A,), (A.T,))
    return ad.hessian(f)(X), tangents


@case
def linearized_and_transposed(ad: Any, xp: Any) -> Any:
    out, push = ad.linearize(lambda x: attention(xp, x, KEYS, VALUES), QUERIES)
    return out, ad.linear_transpose(push, QUERIES)(VALUES[::-1])


@case
def holomorphic_second_derivatives(ad: Any, xp: Any) -> Any:
    first = ad.grad(lambda z: z**3 * xp.sin(z) / (2 + z), holomorphic=True)
    return ad.vmap(ad.grad(first, holomorphic=True))(drawz(4))


@case
def complex_hvp(ad: Any, xp: Any) -> Any:
    def f(z: Any) -> Any:
        return xp.sum(xp.abs(z * xp.exp(z)) ** 2 + xp.real(z**3) * z.imag)

    return ad.jvp(ad.grad(f), (drawz(4),), (drawz(4, seed=1),))

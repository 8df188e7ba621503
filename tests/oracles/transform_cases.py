"""Uses of the transforms whose results must be JAX's, in structure and values.

Each is a function of a library `ad` and a namespace `xp`: JAX's transforms and funcgrad's have the
same names. What it returns is recorded.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tests.oracles.points import draw, drawz, well

__all__ = ["TRANSFORM_CASES"]

Make = Callable[[Any, Any], Any]
TRANSFORM_CASES: dict[str, Make] = {}


def case(make: Make) -> Make:
    """Enter a case into the table, under its name."""
    TRANSFORM_CASES[make.__name__] = make
    return make


class Point(NamedTuple):
    """A pytree with names."""

    x: Any
    y: Any


X, Y, A = draw(3), draw(3, seed=1), well(3, 3)
PARAMS = {"w": draw(3, 2), "layers": [(draw(2), draw(2, 2)), None], "scale": 1.5}


def model(xp: Any, params: Any, x: Any) -> Any:
    """A small network on a tree of parameters."""
    bias, matrix = params["layers"][0]
    hidden = xp.tanh(x @ params["w"] + bias)
    return params["scale"] * hidden @ matrix


# --- grad, value_and_grad, vjp, jvp -----------------------------------------------------------


@case
def gradient_of_a_tree(ad: Any, xp: Any) -> Any:
    return ad.grad(lambda p: xp.sum(model(xp, p, X) ** 2))(PARAMS)


@case
def gradient_of_a_named_tuple(ad: Any, xp: Any) -> Any:
    return ad.grad(lambda p: xp.sum(p.x * xp.sin(p.y)))(Point(X, Y))


@case
def gradient_by_a_tuple_of_arguments(ad: Any, xp: Any) -> Any:
    return ad.grad(lambda a, b, c: xp.sum(a * b**2) * c, argnums=(2, 0))(X, Y, 2.0)


@case
def gradient_by_a_tuple_of_one(ad: Any, xp: Any) -> Any:
    return ad.grad(lambda a, b: xp.sum(a * b**2), argnums=(1,))(X, Y)


@case
def gradient_by_negative_arguments(ad: Any, xp: Any) -> Any:
    return ad.grad(lambda a, b: xp.sum(a * b**2), argnums=(-1, 0))(X, Y)


@case
def gradient_with_aux(ad: Any, xp: Any) -> Any:
    def f(p: Any, x: Any) -> Any:
        out = model(xp, p, x)
        return xp.sum(out**2), {"out": out, "count": 3}

    return ad.grad(f, has_aux=True)(PARAMS, X)


@case
def value_and_gradient_with_aux(ad: Any, xp: Any) -> Any:
    def f(a: Any, b: Any) -> Any:
        return xp.sum(xp.exp(a) * b), (a * b, [b])

    return ad.value_and_grad(f, argnums=(0, 1), has_aux=True)(X, Y)


@case
def gradient_with_keywords(ad: Any, xp: Any) -> Any:
    return ad.value_and_grad(lambda a, *, b: xp.sum(a * b))(X, b=Y)


@case
def holomorphic_gradient(ad: Any, xp: Any) -> Any:
    f = ad.grad(lambda z: z**3 * xp.exp(z), holomorphic=True)
    return [f(z) for z in drawz(3)]


@case
def gradient_of_a_real_function_of_complex_numbers(ad: Any, xp: Any) -> Any:
    return ad.grad(lambda z: xp.sum(xp.abs(xp.exp(z)) * z.real + xp.real(z * z)))(drawz(4))


@case
def third_derivative(ad: Any, xp: Any) -> Any:
    return ad.grad(ad.grad(ad.grad(lambda x: xp.sin(x) * x**3)))(0.7)


@case
def pullback_of_a_tree(ad: Any, xp: Any) -> Any:
    out, pull = ad.vjp(lambda p, x: {"y": model(xp, p, x), "z": (x,)}, PARAMS, X)
    return out, pull({"y": np.array([1.0, -2.0]), "z": (np.array([0.5, 1.0, 2.0]),)})


@case
def pullback_with_aux(ad: Any, xp: Any) -> Any:
    out, pull, aux = ad.vjp(lambda x: (xp.sin(x), {"twice": 2 * x}), X, has_aux=True)
    return out, pull(Y), aux


@case
def pushforward_of_a_tree(ad: Any, xp: Any) -> Any:
    tangents = ad.tree.map(lambda leaf: 0.5 * leaf, PARAMS)
    return ad.jvp(lambda p, x: [model(xp, p, x), p["scale"]], (PARAMS, X), (tangents, Y))


@case
def pushforward_with_aux(ad: Any, xp: Any) -> Any:
    return ad.jvp(lambda x: (xp.sin(x), (x,)), (X,), (Y,), has_aux=True)


@case
def pullback_of_an_integer_result(ad: Any, xp: Any) -> Any:
    out, pull = ad.vjp(lambda x: (x * xp.floor(x), xp.argmax(x)), X)
    return out, pull((Y, np.zeros((), ad.float0)))


@case
def gradient_by_integers(ad: Any, xp: Any) -> Any:
    counts = np.array([2, 3, 1])
    gradient = ad.grad(lambda n, x: xp.sum(x**n), argnums=(0, 1), allow_int=True)
    return gradient(counts, X)


# --- Jacobians and Hessians -------------------------------------------------------------------


def vector_function(xp: Any, x: Any) -> Any:
    """A function from three numbers to a matrix."""
    return xp.outer(xp.sin(x), x**2)[:2]


@case
def forward_jacobian(ad: Any, xp: Any) -> Any:
    return ad.jacfwd(lambda x: vector_function(xp, x))(X)


@case
def reverse_jacobian(ad: Any, xp: Any) -> Any:
    return ad.jacrev(lambda x: vector_function(xp, x))(X)


@case
def forward_jacobian_of_trees(ad: Any, xp: Any) -> Any:
    return ad.jacfwd(lambda p: {"y": model(xp, p, X), "s": p["scale"] ** 2})(PARAMS)


@case
def reverse_jacobian_of_trees(ad: Any, xp: Any) -> Any:
    return ad.jacrev(lambda p: (model(xp, p, X), p["scale"] ** 2))(PARAMS)


@case
def jacobians_by_several_arguments(ad: Any, xp: Any) -> Any:
    def f(a: Any, b: Any) -> Any:
        return {"ab": a * b, "b": b**2}

    return ad.jacfwd(f, argnums=(0, 1))(X, Y), ad.jacrev(f, argnums=(1,))(X, Y)


@case
def jacobians_with_aux(ad: Any, xp: Any) -> Any:
    def f(a: Any) -> Any:
        return xp.cos(a), {"sum": xp.sum(a)}

    return ad.jacfwd(f, has_aux=True)(X), ad.jacrev(f, has_aux=True)(X)


@case
def holomorphic_jacobians(ad: Any, xp: Any) -> Any:
    z = drawz(3)

    def f(z: Any) -> Any:
        return z[:2] ** 2 * xp.exp(z[2])

    return ad.jacfwd(f, holomorphic=True)(z), ad.jacrev(f, holomorphic=True)(z)


@case
def jacobian_of_a_scalar(ad: Any, xp: Any) -> Any:
    return ad.jacfwd(lambda x: xp.stack([x, x**2]))(1.5), ad.jacrev(lambda x: x**2)(1.5)


@case
def hessian_of_a_function(ad: Any, xp: Any) -> Any:
    return ad.hessian(lambda x: xp.sum(xp.sin(x)) * x[0] + x @ A @ x)(X)


@case
def hessian_of_a_vector_function(ad: Any, xp: Any) -> Any:
    return ad.hessian(lambda x: vector_function(xp, x))(X)


@case
def hessian_of_a_tree(ad: Any, xp: Any) -> Any:
    return ad.hessian(lambda p: xp.exp(p["a"][0]) * p["b"] + xp.sum(p["a"] ** 3))(
        {"a": draw(2), "b": 0.5}
    )


@case
def hessian_by_two_arguments(ad: Any, xp: Any) -> Any:
    return ad.hessian(lambda a, b: xp.sum(a**2 * b) + a @ b, argnums=(0, 1))(X, Y)


@case
def jacobian_of_a_jacobian(ad: Any, xp: Any) -> Any:
    def f(x: Any) -> Any:
        return vector_function(xp, x)

    return ad.jacrev(ad.jacfwd(f))(X), ad.jacfwd(ad.jacrev(f))(X)


@case
def hessian_of_a_determinant(ad: Any, xp: Any) -> Any:
    return ad.hessian(lambda a: xp.linalg.slogdet(a)[1])(A)


# --- vmap -------------------------------------------------------------------------------------


@case
def map_over_the_first_axis(ad: Any, xp: Any) -> Any:
    return ad.vmap(lambda x: xp.sum(xp.sin(x)) * x)(A)


@case
def map_over_another_axis(ad: Any, xp: Any) -> Any:
    return ad.vmap(lambda x: x * x[0], in_axes=1, out_axes=-1)(draw(3, 4))


@case
def map_over_some_arguments(ad: Any, xp: Any) -> Any:
    return ad.vmap(lambda a, b: a @ b, in_axes=(None, 1), out_axes=1)(A, draw(3, 4))


@case
def map_over_leaves_of_a_tree(ad: Any, xp: Any) -> Any:
    axes = ({"a": 0, "b": None}, -1)
    args = {"a": draw(4, 3), "b": X}, draw(2, 4)
    mapped = ad.vmap(lambda p, y: {"out": p["a"] @ p["b"] * y, "b": p["b"]}, in_axes=axes)
    return mapped(*args)


@case
def map_to_several_axes(ad: Any, xp: Any) -> Any:
    return ad.vmap(lambda x: (x, {"s": x[0], "m": xp.outer(x, x)}), out_axes=(1, {"s": 0, "m": 2}))(
        draw(4, 3)
    )


@case
def map_with_an_unmapped_result(ad: Any, xp: Any) -> Any:
    return ad.vmap(lambda x, y: (x + y, y * 2), in_axes=(0, None), out_axes=(0, None))(
        draw(4, 3), X
    )


@case
def map_of_a_constant(ad: Any, xp: Any) -> Any:
    return ad.vmap(lambda x: xp.ones(2), axis_size=3)(X)


@case
def map_of_a_map(ad: Any, xp: Any) -> Any:
    inner = ad.vmap(lambda x, y: xp.sin(x) * y, in_axes=(None, 0))
    return ad.vmap(inner, in_axes=(0, None), out_axes=1)(X, draw(4))


@case
def gradients_of_examples(ad: Any, xp: Any) -> Any:
    gradient = ad.grad(lambda p, x: xp.sum(model(xp, p, x) ** 2))
    return ad.vmap(gradient, in_axes=(None, 0))(PARAMS, draw(4, 3))


@case
def gradient_through_a_map(ad: Any, xp: Any) -> Any:
    def loss(a: Any, xs: Any) -> Any:
        return xp.sum(ad.vmap(lambda x: xp.tanh(a @ x) @ x)(xs) ** 2)

    return ad.grad(loss, argnums=(0, 1))(A, draw(4, 3))


@case
def map_of_a_hessian(ad: Any, xp: Any) -> Any:
    return ad.vmap(ad.hessian(lambda x: xp.prod(x) + xp.sum(x**3)))(draw(4, 3))


@case
def map_of_indexing_and_sorting(ad: Any, xp: Any) -> Any:
    def f(x: Any, i: Any) -> Any:
        return x[i] * xp.sort(x), xp.at(x)[i].set(0.5), xp.cumsum(x[::-1])

    return ad.vmap(f)(draw(4, 3), np.array([2, 0, 1, 1]))


@case
def map_of_linear_algebra(ad: Any, xp: Any) -> Any:
    def f(a: Any, b: Any) -> Any:
        return xp.linalg.solve(a, b), xp.linalg.inv(a) @ b, xp.linalg.det(a)

    return ad.vmap(f)(well(3, 3, 3), draw(3, 3)), ad.vmap(f, in_axes=(None, 0))(A, draw(3, 3))


# --- rules of one's own -----------------------------------------------------------------------


def with_reverse_rule(ad: Any, xp: Any) -> Any:
    """A function of two arguments whose reverse rule is wrong by a factor, so that one sees it."""

    @ad.custom_vjp
    def f(x: Any, y: Any) -> Any:
        return xp.sin(x) * y

    def forward(x: Any, y: Any) -> Any:
        return f(x, y), (xp.cos(x), xp.sin(x), y)

    def backward(residuals: Any, ct: Any) -> Any:
        cos, sin, y = residuals
        return 10 * cos * ct * y, sin * ct

    f.defvjp(forward, backward)
    return f


def with_forward_rule(ad: Any, xp: Any) -> Any:
    """A function of two arguments whose forward rule is wrong by a factor, so that one sees it."""

    @ad.custom_jvp
    def f(x: Any, y: Any) -> Any:
        return xp.sin(x) * y

    @f.defjvp
    def push(primals: Any, tangents: Any) -> Any:
        (x, y), (x_dot, y_dot) = primals, tangents
        return f(x, y), 10 * xp.cos(x) * x_dot * y + xp.sin(x) * y_dot

    return f


@case
def custom_reverse_rule(ad: Any, xp: Any) -> Any:
    f = with_reverse_rule(ad, xp)
    gradient = ad.grad(lambda x, y: xp.sum(f(x, y) ** 2), argnums=(0, 1))
    return f(X, Y), gradient(X, Y)


@case
def custom_reverse_rule_mapped(ad: Any, xp: Any) -> Any:
    f = with_reverse_rule(ad, xp)
    return ad.vmap(ad.grad(f), in_axes=(0, None))(X, 2.0), ad.jacrev(f)(X, Y)


@case
def custom_reverse_rule_twice(ad: Any, xp: Any) -> Any:
    f = with_reverse_rule(ad, xp)
    return ad.grad(ad.grad(f))(0.7, 2.0), ad.jacrev(ad.jacrev(f, argnums=1))(X, Y)


@case
def custom_forward_rule(ad: Any, xp: Any) -> Any:
    f = with_forward_rule(ad, xp)
    gradient = ad.grad(lambda x, y: xp.sum(f(x, y) ** 2), argnums=(0, 1))
    return ad.jvp(f, (X, Y), (Y, X)), gradient(X, Y), ad.grad(ad.grad(f))(0.7, 2.0)


@case
def custom_forward_rule_mapped(ad: Any, xp: Any) -> Any:
    f = with_forward_rule(ad, xp)
    return ad.vmap(ad.grad(f), in_axes=(0, None))(X, 2.0), ad.hessian(f)(0.7, 2.0)


@case
def custom_forward_rules_of_each_argument(ad: Any, xp: Any) -> Any:
    @ad.custom_jvp
    def f(x: Any, y: Any) -> Any:
        return x**2 * y

    f.defjvps(lambda x_dot, out, x, y: 2 * x * y * x_dot, None)
    return ad.grad(lambda x, y: xp.sum(f(x, y)), argnums=(0, 1))(X, Y)


@case
def custom_rule_of_trees(ad: Any, xp: Any) -> Any:
    @ad.custom_vjp
    def f(p: Any) -> Any:
        return {"s": p["a"] * p["b"][0]}

    f.defvjp(
        lambda p: (f(p), p),
        lambda p, ct: ({"a": ct["s"] * p["b"][0], "b": [3 * ct["s"] * p["a"]]},),
    )
    return ad.grad(lambda p: xp.sum(f(p)["s"] ** 2))({"a": X, "b": [Y]})


@case
def clipped_gradient(ad: Any, xp: Any) -> Any:
    @ad.custom_vjp
    def f(limit: Any, x: Any) -> Any:
        return x

    f.defvjp(lambda limit, x: (x, limit), lambda limit, ct: (None, xp.clip(ct, -limit, limit)))
    return ad.grad(lambda x: xp.sum(f(0.3, x) ** 3))(X)


@case
def stopped_gradient(ad: Any, xp: Any) -> Any:
    return ad.grad(lambda x: xp.sum(x * ad.stop_gradient(x**2)))(X)


# --- linearize, linear_transpose, ravel_pytree --------------------------------------------------


@case
def linearized(ad: Any, xp: Any) -> Any:
    out, push = ad.linearize(lambda p, x: (model(xp, p, x), p["scale"]), PARAMS, X)
    return out, push(PARAMS, Y), push(ad.tree.map(lambda leaf: -leaf, PARAMS), X)


@case
def linearized_and_mapped(ad: Any, xp: Any) -> Any:
    _, push = ad.linearize(lambda x: vector_function(xp, x), X)
    return ad.vmap(push)(A)


@case
def linearized_gradient(ad: Any, xp: Any) -> Any:
    out, push = ad.linearize(ad.grad(lambda x: xp.sum(xp.sin(x)) * x[0]), X)
    return out, push(Y)


@case
def transposed(ad: Any, xp: Any) -> Any:
    pull = ad.linear_transpose(lambda x, y: {"out": A @ x - 2 * y[:3]}, X, draw(4))
    return pull({"out": Y})


@case
def raveled(ad: Any, xp: Any) -> Any:
    flat, unravel = ad.ravel_pytree(PARAMS)
    return flat, unravel(2 * flat)


@case
def raveled_gradient(ad: Any, xp: Any) -> Any:
    flat, unravel = ad.ravel_pytree(PARAMS)

    def loss(flat: Any) -> Any:
        return xp.sum(model(xp, unravel(flat), X) ** 2)

    return ad.grad(loss)(flat), ad.hessian(loss)(flat)


@case
def raveled_inside(ad: Any, xp: Any) -> Any:
    def loss(p: Any) -> Any:
        flat, _ = ad.ravel_pytree(p)
        return xp.sum(flat**3)

    return ad.grad(loss)(PARAMS)

"""jit with every other transform, inside and outside of it: the plain bits."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from tests.jitting.alike import exact_jit, outcome, require_alike, require_near, require_same

X = np.array([1.0, -2.0, 3.0])
M = np.random.default_rng(0).normal(size=(3, 3))
CALLS = ((X,), (X * 0.5,), (-X,), (X,))

Function = Callable[..., Any]
Made = Callable[[Function], Function]


def require_composed(made: Made, f: Function, calls: Sequence[Any] = CALLS) -> None:
    """`made(jit(f))`, `jit(made(f))` and `jit(made(jit(f)))` are `made(f)`."""
    plain = made(f)
    wanted = [outcome(plain, *args) for args in calls]
    assert wanted[0].error is None, wanted[0].error
    composed = {
        "inside": made(exact_jit(f)),
        "outside": exact_jit(made(f)),
        "both": exact_jit(made(exact_jit(f))),
    }
    for what, g in composed.items():
        for args, one in zip(calls, wanted, strict=True):
            require_alike(outcome(g, *args), one, what, dead=True)
    near = {
        "inside": made(fg.jit(f)),
        "outside": fg.jit(made(f)),
        "both": fg.jit(made(fg.jit(f))),
    }
    for what, g in near.items():
        for args, one in zip(calls, wanted, strict=True):
            require_near(outcome(g, *args), one, f"{what}, not exact")


def along(f: Function) -> Function:
    return lambda x: fg.jvp(f, (x,), (x,))


def mapped(f: Function) -> Function:
    return lambda x: fg.vmap(f)(np.stack([x, x * 0.5]))


def pulled(f: Function) -> Function:
    def value_and_cotangent(x: Any) -> Any:
        out, pull = fg.vjp(f, x)
        return out, pull(out)

    return value_and_cotangent


def of_gradient(f: Function) -> Function:
    return fg.grad(lambda x: np.sum(fg.grad(f)(x) ** 2))


SCALAR: dict[str, Made] = {
    "call": lambda f: f,
    "grad": fg.grad,
    "value_and_grad": fg.value_and_grad,
    "hessian": fg.hessian,
    "jacfwd": fg.jacfwd,
    "jacrev of jacrev": lambda f: fg.jacrev(fg.jacrev(f)),
    "jvp": along,
    "vjp": pulled,
    "vmap": mapped,
    "grad of grad": of_gradient,
    "vmap of grad": lambda f: mapped(fg.grad(f)),
    "grad of vmap": lambda f: fg.grad(lambda x: np.sum(mapped(f)(x))),
    "hvp": lambda f: lambda x: fg.hvp(f, (x,), (x,)),
}


@fg.custom_jvp
def tripled(x: Any) -> Any:
    return np.sin(x)


tripled.defjvp(lambda primals, dots: (np.sin(primals[0]), 3 * dots[0]))


@fg.custom_vjp
def scaled(x: Any, y: Any) -> Any:
    return np.sin(x) * y if np.sum(x) > 0 else np.cos(x) * y


scaled.defvjp(
    lambda x, y: (scaled(x, y), (x, y)),
    lambda kept, ct: (ct * 7 * kept[1] if np.sum(kept[0]) > 0 else ct * 5, ct * kept[0]),
)


def checkpointed(x: Any) -> Any:
    return np.sum(fg.checkpoint(lambda y: np.sin(np.cos(y) * y))(x) * x)


def converted(x: Any) -> Any:
    inner, constants = fg.closure_convert(lambda y: y * np.sin(x), x)
    return np.sum(inner(x, *constants))


SCALARS: dict[str, Function] = {
    "dense": lambda x: np.sum(np.sin(M @ x) ** 2 * x),
    "custom_jvp": lambda x: np.sum(tripled(x) * x),
    "checkpoint": checkpointed,
    "stop_gradient": lambda x: np.sum(fg.stop_gradient(np.sin(x)) * x),
    "closure_convert": converted,
    "scan": lambda x: fg.scan(lambda c, v: (c * np.cos(v) + 1, np.sin(c)), np.sum(x), x)[0],
    "fori_loop": lambda x: np.sum(fg.fori_loop(0, 3, lambda i, c: c * np.cos(c) + i, x)),
    "cond": lambda x: np.sum(fg.cond(np.sum(x) > 100, np.sin, lambda y: y * y, x)),
    "map": lambda x: np.sum(fg.map(lambda v: np.sin(v) * v, x)),
    "jit": lambda x: exact_jit(lambda y: np.sum(np.sin(y) * x))(x * 2),
}


@pytest.mark.parametrize("name", SCALARS)
@pytest.mark.parametrize("made", SCALAR)
def test_scalar_functions_under_every_transform(name: str, made: str):
    require_composed(SCALAR[made], SCALARS[name])


@pytest.mark.parametrize("made", ["call", "grad", "value_and_grad", "grad of grad"])
def test_custom_vjp_with_branches(made: str):
    require_composed(SCALAR[made], lambda x: np.sum(scaled(x, x * 2) * x))


@pytest.mark.parametrize("made", ["call", "grad", "hessian", "jvp", "vmap of grad"])
def test_while_loops(made: str):
    def f(x: Any) -> Any:
        out = fg.while_loop(lambda c: np.sum(c) < 50, lambda c: c * 1.5 + 5, x)
        return np.sum(out * x)

    require_composed(SCALAR[made], f)


@pytest.mark.parametrize("made", ["call", "grad", "jvp"])
def test_switch(made: str):
    branches = [np.sin, lambda y: y * 2, lambda y: y * y]
    require_composed(SCALAR[made], lambda x: np.sum(fg.switch(np.argmax(x), branches, x)))


def test_custom_vmap():
    @fg.custom_vmap
    def f(x: Any) -> Any:
        return np.sin(x)

    @f.def_vmap
    def rule(size: int, batched: Any, x: Any) -> Any:
        del size, batched
        return np.sin(x) * 2, True

    require_composed(fg.vmap, lambda x: f(x))


def test_custom_derivatives_of_jitted_functions():
    def build(j: Made) -> Function:
        f = fg.custom_jvp(j(np.sin))
        f.defjvp(j(lambda primals, dots: (np.sin(primals[0]), 3 * dots[0])))
        return lambda x: np.sum(f(x) * x)

    for made in (fg.grad, fg.hessian, lambda f: exact_jit(fg.grad(f))):
        found, wanted = made(build(fg.jit)), made(build(lambda f: f))
        for args in CALLS:
            require_same(found(*args), wanted(*args))


def test_linearize_and_its_transpose():
    def linearized(f: Function) -> Function:
        def g(x: Any) -> Any:
            out, push = fg.linearize(f, x)
            return out, push(x), fg.linear_transpose(push, x)(out)

        return g

    require_composed(linearized, lambda x: np.sin(M @ x) * x)
    require_composed(lambda f: fg.linear_transpose(f, X), lambda x: M @ x * 2)


def test_callbacks():
    require_composed(
        lambda f: f, lambda x: fg.pure_callback(lambda y: np.sin(y), np.zeros(3), x) * 2
    )


def test_collectives():
    def f(x: Any) -> Any:
        return x - fg.psum(x, "i") * x / fg.pmax(x * x, "i") + fg.axis_index("i")

    require_composed(lambda g: fg.vmap(g, axis_name="i"), f)
    require_composed(lambda g: fg.vmap(fg.grad(lambda x: np.sum(g(x))), axis_name="i"), f)


def test_values_beside_the_function_are_passed_on():
    def f(x: Any) -> Any:
        return np.sum(x * x), {"y": x * 2, "n": 3, "b": x > 1}

    require_composed(lambda g: fg.grad(g, has_aux=True), f)
    require_composed(lambda g: fg.value_and_grad(g, has_aux=True), f)


def test_gradients_of_complex_functions():
    calls = ((X + 1j * X,), (X * 0.5 - 1j,), (X + 1j * X,))
    require_composed(lambda f: fg.grad(f, holomorphic=True), lambda z: np.sum(np.sin(z) * z), calls)
    require_composed(fg.grad, lambda z: np.sum(np.abs(np.sin(z) * z) ** 2), calls)


def test_gradients_by_integers():
    calls = ((X, 2), (X, 3), (X, np.array([1, 2, 3])), (X, 2))
    require_composed(lambda f: fg.grad(f, (0, 1), allow_int=True), lambda x, n: np.sum(x**n), calls)


@pytest.mark.parametrize("argnums", [0, 1, (0, 1), (1, 0)])
def test_gradients_by_some_arguments(argnums: Any):
    require_composed(
        lambda f: fg.value_and_grad(f, argnums, has_aux=True),
        lambda x, y, n: (np.sum(x * y) ** n, y * 2),
        ((X, X * 2, 2), (X, -X, 3), (X, X * 2, 2)),
    )


@pytest.mark.parametrize("axes", [(0, None), (1, 0), (None, 1), (0, 1)])
def test_batches_along_some_axes(axes: Any):
    require_composed(
        lambda f: fg.vmap(f, in_axes=axes),
        lambda x, y: (x @ y, np.sum(x)),
        ((M, M), (M * 2, M), (M, M)),
    )


def test_batches_of_any_size():
    f = fg.vmap(fg.grad(exact_jit(lambda x: np.sum(np.sin(x) * x))))
    g = fg.vmap(fg.grad(lambda x: np.sum(np.sin(x) * x)))
    for size in (1, 2, 3, 2, 1, 0):
        require_same(f(np.ones((size, 3))), g(np.ones((size, 3))))


@pytest.mark.parametrize(
    "f", [lambda x: x, lambda x: (x, x), lambda x: (x, 3.0), lambda x: x[1], lambda x: x[None].T]
)
@pytest.mark.parametrize("made", [along, pulled, fg.jacrev, fg.jacfwd, mapped])
def test_results_that_are_arguments(made: Made, f: Function):
    if made is pulled and isinstance(f(X), tuple):
        f = lambda x: (x, x)
    require_composed(made, f)


def test_third_derivatives():
    require_composed(
        lambda f: fg.grad(fg.grad(fg.grad(f))),
        lambda x: np.sin(x) * x,
        ((1.3,), (0.2,), (-1.0,), (1.3,)),
    )


def test_jit_at_every_level():
    f = lambda x: np.sum(np.sin(x) * x)
    plain = of_gradient(f)
    compiled = exact_jit(
        fg.grad(exact_jit(lambda x: np.sum(exact_jit(fg.grad(exact_jit(f)))(x) ** 2)))
    )
    for args in CALLS:
        require_same(compiled(*args), plain(*args))


def test_a_pullback_is_used_many_times():
    def f(x: Any) -> Any:
        return np.sin(x) * x, np.sum(x), x > 1

    compiled = exact_jit(f)
    for scale in (1.0, 2.0):
        out, pull = fg.vjp(compiled, X)
        plain_out, plain_pull = fg.vjp(f, X)
        require_same(out, plain_out)
        ct = (X * scale, np.float64(scale), np.zeros(3, fg.float0))
        for _ in range(2):
            require_same(pull(ct), plain_pull(ct))


def test_programs_and_shapes_of_jitted_functions():
    f = lambda x: (np.sin(x)[:2], np.sum(x))
    compiled = exact_jit(f)
    assert repr(fg.eval_shape(compiled, X)) == repr(fg.eval_shape(f, X))
    assert compiled.cache_info().recordings == 0
    require_same(fg.make_program(compiled)(X)(X * 2), f(X * 2))
    assert "argument" in str(fg.memory_report(exact_jit(lambda x: np.sum(np.sin(x) * x)), X))


@pytest.mark.parametrize("mode", ["error", "warn", "zero"])
def test_arguments_without_influence(mode: Any):
    def f(x: Any, y: Any) -> Any:
        return np.sum(x * 2)

    made = lambda g: fg.grad(g, (0, 1), disconnected=mode)
    wanted = outcome(made(f), X, X)
    for g in (made(exact_jit(f)), exact_jit(made(f))):
        found = outcome(g, X, X)
        assert type(found.error) is type(wanted.error)
        require_same(found.value, wanted.value)


def test_steps_of_training():
    def loss(p: Any, x: Any) -> Any:
        return np.sum(np.tanh(p["w"] @ x + p["b"]) ** 2)

    def step(p: Any, x: Any) -> Any:
        return fg.tree.map(lambda a, b: a - 0.1 * b, p, fg.grad(loss)(p, x))

    compiled = exact_jit(step)
    found = wanted = {"w": M, "b": X}
    for _ in range(5):
        found, wanted = compiled(found, X), step(wanted, X)
        require_same(found, wanted)
    assert compiled.cache_info().recordings == 1


def test_compiled_code_that_raises_runs_once():
    calls = []

    def host(x: Any) -> Any:
        calls.append(float(x))
        if x > 2:
            raise ValueError("too large")
        return x

    f = fg.jit(lambda x: fg.pure_callback(host, np.zeros(()), x) + 1)
    f(1.0), f(1.0)
    calls.clear()
    with pytest.raises(ValueError, match="too large"):
        f(3.0)
    assert calls == [3.0, 3.0]  # the compiled function, and then the function itself, which tells
    assert f(1.0) == 2.0

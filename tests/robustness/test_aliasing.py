"""Results have memory of their own, and nothing that a transform is given is changed."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import funcgrad as fg

fnp = fg.numpy
SMALL = np.linspace(-1.0, 1.0, 12).reshape(3, 4)
LARGE = np.linspace(-1.0, 1.0, 2400).reshape(40, 60)
CONSTANT = np.arange(1.0, 13.0).reshape(3, 4)
LONG = np.ones(1000)
sizes = pytest.mark.parametrize("x", [SMALL, LARGE], ids=["small", "large"])

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "identity": lambda x: x,
    "transpose": lambda x: x.T,
    "row": lambda x: x[0],
    "all": lambda x: x[...],
    "reversed": lambda x: x[::-1],
    "reshape": lambda x: x.reshape(-1),
    "ravel": np.ravel,
    "broadcast": lambda x: np.broadcast_to(x, (2, *x.shape)),
    "expand": lambda x: x[None],
    "squeeze": np.squeeze,
    "diagonal": np.diagonal,
    "plus zero": lambda x: x + 0,
    "positive": lambda x: +x,
    "copy": np.copy,
    "real": np.real,
    "conjugate": np.conj,
    "asarray": fnp.asarray,
    "einsum": lambda x: np.einsum("ij->ji", x),
    "astype": lambda x: x.astype(float),
    "sum": np.sum,
    "pair": lambda x: (x, x),
    "views": lambda x: {"a": x, "b": [x.T, x[0]]},
    "split": lambda x: np.split(x, 1),
    "broadcast arrays": lambda x: np.broadcast_arrays(x, x),
    "where": lambda x: np.where(True, x, x),
    "constant": lambda _x: CONSTANT,
    "constant view": lambda _x: CONSTANT[0],
    "constant number": lambda _x: 1.0,
    "constants": lambda x: (CONSTANT, x, CONSTANT, LONG),
    "table": lambda x: (fnp.asarray(CONSTANT), x),
    "stopped": lambda x: (fg.stop_gradient(x), x),
    "rounded": lambda x: (np.round(x, 1), x),
}
functions = pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
SQUARE = ("identity", "transpose", "row", "reshape", "pair", "copy", "broadcast", "views")
linear_functions = pytest.mark.parametrize("f", [FUNCTIONS[n] for n in SQUARE], ids=SQUARE)


def arrays(tree: Any) -> Iterator[np.ndarray[Any, Any]]:
    """The arrays of a pytree; everything else in it has to be a NumPy scalar."""
    for leaf in fg.tree.leaves(tree):
        if isinstance(leaf, np.ndarray):
            if leaf.dtype != fg.float0:
                yield leaf
        else:
            assert isinstance(leaf, np.generic), type(leaf)


def separate(results: Any, *others: Any) -> None:
    """Results are writable ndarrays that share no memory with each other or anything else."""
    seen = [*arrays(others), CONSTANT, LONG]
    for result in arrays(results):
        assert type(result) is np.ndarray
        assert result.flags.writeable
        assert not any(np.shares_memory(result, other) for other in seen)
        seen.append(result)


def overwrite(*trees: Any) -> None:
    """What a user may do with results."""
    for array in arrays(trees):
        array[...] = 77.0


def ones_like(tree: Any) -> Any:
    def one(leaf: Any) -> Any:
        return np.ones_like(leaf) if leaf.dtype.kind in "fc" else np.zeros(leaf.shape, fg.float0)

    return fg.tree.map(one, tree)


def total(tree: Any) -> Any:
    return sum(np.sum(leaf) for leaf in fg.tree.leaves(tree))


@pytest.fixture(autouse=True)
def _nothing_given_is_changed() -> Iterator[None]:
    """No test changes the inputs or the arrays of a closure, nor their flags."""
    given = (SMALL, LARGE, CONSTANT, LONG)
    before = [(array.copy(), array.flags.writeable) for array in given]
    yield
    for array, (values, writeable) in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, values)
        assert array.flags.writeable is writeable


@sizes
@functions
def test_vjp_and_its_pullback(f: Any, x: Any) -> None:
    out, pull = fg.vjp(f, x)
    separate(out, x)
    ct = ones_like(out)
    (found,) = pull(ct)
    separate(found, x, ct, out)
    expected = found.copy()
    overwrite(out, found, ct)
    (again,) = pull(ones_like(out))
    separate(again, x, found)
    np.testing.assert_array_equal(again, expected)


@sizes
@functions
def test_linearize_and_its_map(f: Any, x: Any) -> None:
    out, push = fg.linearize(f, x)
    separate(out, x)
    x_dot = np.ones_like(x)
    found = push(x_dot)
    separate(found, x, x_dot, out)
    expected = [array.copy() for array in arrays(found)]
    overwrite(out, found)
    again = push(np.ones_like(x))
    separate(again, x, x_dot, found)
    for a, b in zip(arrays(again), expected, strict=True):
        np.testing.assert_array_equal(a, b)


@sizes
@functions
def test_jvp(f: Any, x: Any) -> None:
    x_dot = np.ones_like(x)
    separate(fg.jvp(f, (x,), (x_dot,)), x, x_dot)


@sizes
@functions
def test_grad_value_and_aux(f: Any, x: Any) -> None:
    separate(fg.grad(lambda x: total(f(x)))(x), x)
    separate(fg.value_and_grad(lambda x: (total(f(x)), (f(x), x)), has_aux=True)(x), x)
    separate(fg.grad(lambda a, b: total(f(a)) + total(f(b)), (0, 1))(x, x), x)
    separate(fg.hvp(lambda x: total(f(x)), (x,), (x,)), x)


@sizes
@functions
def test_aux_of_vjp_and_jvp(f: Any, x: Any) -> None:
    g = lambda x: (f(x), (x, f(x)))
    out, _, aux = fg.vjp(g, x, has_aux=True)
    separate((out, aux), x)
    x_dot = np.ones_like(x)
    separate(fg.jvp(g, (x,), (x_dot,), has_aux=True), x, x_dot)


@functions
def test_vmap(f: Any) -> None:
    stack = np.stack([SMALL, SMALL])
    separate(fg.vmap(f)(stack), stack)
    separate(fg.vmap(f, chunk_size=1)(stack), stack)
    separate(fg.vmap(f, in_axes=1)(stack.swapaxes(0, 1)), stack)
    separate(fg.vmap(f, in_axes=None, axis_size=2)(SMALL), SMALL)


@functions
def test_jacobians(f: Any) -> None:
    for transform in (fg.jacfwd, fg.jacrev, fg.jacobian):
        separate(transform(f)(SMALL), SMALL)
    separate(fg.hessian(lambda x: total(f(x)))(SMALL), SMALL)


@functions
def test_programs(f: Any) -> None:
    program = fg.make_program(f)(SMALL)
    found = program(SMALL)
    separate(found, SMALL)
    expected = [array.copy() for array in arrays(found)]
    overwrite(found)
    for a, b in zip(arrays(program(SMALL)), expected, strict=True):
        np.testing.assert_array_equal(a, b)


@sizes
@linear_functions
def test_linear_transpose(f: Any, x: Any) -> None:
    ct = ones_like(f(x))
    separate(fg.linear_transpose(f, x)(ct), x, ct)


@sizes
@linear_functions
def test_custom_rules(f: Any, x: Any) -> None:
    with_vjp = fg.custom_vjp(lambda x: f(x))
    with_vjp.defvjp(lambda x: (f(x), x), lambda residual, _ct: (residual,))
    out, pull = fg.vjp(with_vjp, x)
    ct = ones_like(out)
    separate((out, pull(ct)), x, ct)
    separate(pull(ct), x, ct, out)
    with_jvp = fg.custom_rule(lambda x: f(x), jvp=lambda x, x_dot: (f(*x), f(*x_dot)))
    x_dot = np.ones_like(x)
    separate(fg.jvp(with_jvp, (x,), (x_dot,)), x, x_dot)
    out, pull = fg.vjp(with_jvp, x)
    separate((out, pull(ct)), x, ct)


def test_a_rule_cannot_change_what_it_is_given() -> None:
    square = fg.custom_vjp(lambda x: x * x)

    def bwd(x: Any, ct: Any) -> Any:
        x *= 2
        return (x * ct,)

    square.defvjp(lambda x: (x * x, x), bwd)
    with pytest.raises(ValueError, match="read-only"):
        fg.grad(lambda x: np.sum(square(x)))(SMALL)


@sizes
def test_stop_gradient(x: Any) -> None:
    separate(fg.stop_gradient({"a": x, "b": (x, x.T)}), x)


@pytest.mark.parametrize("x", [2.0, np.float64(2), np.float32(2), 2j, np.complex64(2j)])
def test_scalars_give_numpy_scalars_and_arrays_without_axes_give_arrays(x: Any) -> None:
    kind = np.asarray(x).dtype.type
    holomorphic = np.iscomplexobj(x)
    assert type(fg.grad(lambda x: x * x, holomorphic=holomorphic)(x)) is kind
    assert [type(y) for y in fg.jvp(lambda x: x * x, (x,), (x,))] == [kind, kind]
    assert type(fg.vjp(lambda x: x * x, x)[1](x)[0]) is kind
    assert type(fg.linearize(lambda x: x * x, x)[1](x)) is kind
    array = np.asarray(x)
    found = fg.grad(lambda x: x * x, holomorphic=holomorphic)(array)
    assert type(found) is np.ndarray
    assert found.shape == ()
    assert fg.vjp(lambda x: x * x, array)[1](x)[0].flags.writeable


@pytest.mark.parametrize(
    "make",
    [
        lambda a: np.asfortranarray(a),
        lambda a: np.ascontiguousarray(a[::-1])[::-1],
        lambda a: np.repeat(a, 2, axis=0)[::2],
        lambda a: np.broadcast_to(a[0], a.shape),
        lambda a: np.frombuffer(a.tobytes()).reshape(a.shape),
        lambda a: a.view(type("Subclass", (np.ndarray,), {})),
    ],
    ids=["fortran", "reversed", "strided", "broadcast", "read-only", "subclass"],
)
def test_inputs_of_any_layout_give_fresh_plain_arrays(make: Any) -> None:
    x = make(SMALL.copy())
    before, flags = x.copy(), str(x.flags)
    f = lambda x: np.sum(np.sin(x) * x)
    expected = np.asarray(np.cos(x) * x + np.sin(x))
    for found in (
        fg.grad(f)(x),
        fg.vjp(f, x)[1](1.0)[0],
        fg.jacfwd(f)(x),
        fg.vmap(fg.grad(f))(x),
        fg.linearize(lambda x: np.sin(x) * x, x)[1](np.ones(x.shape)),
    ):
        separate(found, np.asarray(x))
        np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_array_equal(x, before)
    assert str(x.flags) == flags


def test_arguments_that_are_one_array_get_separate_gradients() -> None:
    found = fg.grad(lambda a, b: np.sum(a * b**2), (0, 1))(SMALL, SMALL)
    np.testing.assert_array_equal(found[0], SMALL**2)
    np.testing.assert_array_equal(found[1], 2 * SMALL * SMALL)
    separate(found, SMALL)


def test_leaves_that_are_one_array_get_separate_gradients() -> None:
    tree = {"a": SMALL, "b": [SMALL, SMALL.T]}
    found = fg.grad(lambda t: np.sum(t["a"] * t["b"][0]) + 2 * np.sum(t["b"][1]))(tree)
    np.testing.assert_array_equal(found["a"], SMALL)
    np.testing.assert_array_equal(found["b"][1], np.full((4, 3), 2.0))
    separate(found, SMALL)

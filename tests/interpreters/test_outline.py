"""Abstract rules: for every primitive the shape and the dtype that its value has."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.tracer import bind
from funcgrad.errors import UnknownValueError
from funcgrad.interpreters.outline import OUTLINES, REAL_OR_COMPLEX, VIEWS, outlined
from funcgrad.interpreters.shape import ShapeOnly
from tests.laws.case import Case
from tests.laws.test_laws import CASES


def outline(out: Any) -> Any:
    if isinstance(out, tuple):
        return tuple(map(outline, out))
    return np.shape(out), getattr(out, "dtype", type(out))


def test_every_primitive_has_a_rule_unless_its_shape_depends_on_values() -> None:
    free = {name for name, primitive in PRIMITIVES.items() if not primitive.data_dependent}
    assert free <= OUTLINES.keys() | VIEWS


def is_told(case: Case) -> bool:
    if case.name in REAL_OR_COMPLEX and not np.iscomplexobj(case.args[0]):
        return False
    return not case.primitive.data_dependent


@pytest.mark.parametrize("case", [c for c in CASES if is_told(c)], ids=str)
@pytest.mark.filterwarnings("error")
def test_the_outline_is_that_of_the_value(case: Case) -> None:
    with np.errstate(all="ignore"):
        expected = outline(case.primitive.value(*case.args, **case.params))
    trace = ShapeOnly("eval_shape", answers=False)
    out = bind(case.primitive, *map(trace.input, case.args), **case.params)
    assert outline(out) == expected
    if case.name not in VIEWS:  # and it is not computed
        with np.errstate(all="ignore"):
            assert outlined(case.primitive, case.args, case.params) is not None


@pytest.mark.parametrize("name", sorted(REAL_OR_COMPLEX))
def test_a_dtype_that_depends_on_values_is_not_guessed(name: str) -> None:
    function = np.roots if name == "roots" else getattr(np.linalg, name)
    x = np.eye(3)[0] if name == "roots" else np.eye(3)
    with pytest.raises(UnknownValueError, match=f"{name} of dtype float64.*real or complex"):
        fg.eval_shape(function, x)
    found = fg.tree.leaves(fg.eval_shape(function, x.astype(complex)))
    assert {struct.dtype for struct in found} == {np.dtype(complex)}


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x + x[:2],
        lambda x: x @ x[:2],
        lambda x: np.einsum("ij,jk", x, x[:2]),
        lambda x: np.concatenate([x, x[:, :2]]),
        lambda x: np.stack([x, x[0]]),
        lambda x: np.linalg.inv(x[:2]),
        lambda x: np.linalg.solve(x, x[:2]),
        lambda x: np.max(x[:0]),
        lambda x: x.reshape(2, 5),
        lambda x: x[7],
        lambda x: x[np.array([0, 7])],
        lambda x: fg.numpy.at(x)[0].set(x[:2, 0]),
        lambda x: fg.numpy.at(x)[[0, 1]].set(x),
        lambda x: np.sum(x, axis=2),
    ],
)
def test_operands_that_do_not_fit_raise_what_numpy_raises(call: Any) -> None:
    x = np.ones((3, 3))
    with pytest.raises((ValueError, IndexError)) as expected:
        call(x)
    with pytest.raises(expected.type):
        fg.eval_shape(call, x)


def chain(x: Any, w: Any) -> Any:
    h = np.tanh(x @ w + 1) * np.exp(-x)
    h = np.where(h > 0, h, np.sqrt(abs(h)))
    h = np.concatenate([h, x], axis=1).reshape(2, -1, 10**6).transpose(2, 0, 1)[::2, 1]
    p = fg.nn.softmax(h, axis=-1)
    p = p[np.arange(5)] - np.cumsum(p, axis=0)[[1, 2, 3, 4, 5]]
    return np.sum(p**2) + np.mean(np.linalg.norm(np.sort(h, axis=-1), axis=0))


HUGE = fg.ShapeDtypeStruct((10**6, 10**6), np.float32)
IN_HUGE: dict[str, Any] = {
    "value": (chain, ()),
    "gradient": (fg.grad(chain, argnums=(0, 1)), [HUGE.shape] * 2),
    "value and gradient": (fg.value_and_grad(chain), [(), HUGE.shape]),
    "tangent": (lambda x, w: fg.jvp(chain, (x, w), (w, x)), [(), ()]),
    "pullback": (lambda x, w: fg.vjp(chain, x, w)[1](np.float32(1)), [HUGE.shape] * 2),
    "vmap": (fg.vmap(lambda x, w: fg.nn.softmax(x * w) @ np.sin(x)), (10**6,)),
    "vmap of gradient": (fg.vmap(fg.grad(lambda x, w: np.sin(x) @ w[0]), (0, None)), HUGE.shape),
    "product": (lambda x, w: np.linalg.inv(x @ w.T) @ np.fft.rfft(x)[:, 1:], None),
    "product with itself": (lambda x, w: np.einsum("ij,kj->ik", x, w) @ x, HUGE.shape),
    "custom rule": (fg.grad(lambda x, w: np.sum(squared(x) @ w)), HUGE.shape),
    "checkpoint": (fg.grad(lambda x, w: np.sum(fg.checkpoint(np.sin)(x) @ w)), HUGE.shape),
    "scan": (fg.grad(lambda x, w: np.sum(fg.scan(lambda c, r: (c * r, c), w[0], x)[0])), None),
}


@fg.custom_jvp
def squared(x: Any) -> Any:
    return x * x


@squared.defjvp
def squared_jvp(primals: Any, tangents: Any) -> Any:
    return squared(*primals), 2 * primals[0] * tangents[0]


@pytest.mark.parametrize("name", IN_HUGE)
def test_shapes_of_huge_arrays_take_no_memory(name: str) -> None:
    f, expected = IN_HUGE[name]
    tracemalloc.start()
    try:
        found = fg.eval_shape(f, HUGE, HUGE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10e6
    if expected is not None:
        shapes = [struct.shape for struct in fg.tree.leaves(found)]
        assert shapes == (expected if isinstance(expected, list) else [expected])
        assert {struct.dtype for struct in fg.tree.leaves(found)} <= {np.dtype(np.float32)}

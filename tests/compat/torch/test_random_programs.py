"""Random programs: the layer beside `funcgrad.grad` of the NumPy program, and beside PyTorch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import funcgrad as fg
import funcgrad.compat.torch as layer
import funcgrad.numpy as fnp

Array = np.ndarray[Any, np.dtype[Any]]
Pair = tuple[Callable[..., Any], Callable[..., Any]]

EXAMPLES = 300
STEPS = 8

# float32 programs of eight steps: summations in another order differ by a few units in the last
# place, and a step may amplify them some thousand times.
TOLERANCE = {np.dtype("float32"): 2e-3, np.dtype("float64"): 1e-10}

# Each operation twice: of arrays, and of a module (the layer or PyTorch) and its tensors. All are
# smooth enough, or have their kinks where random values do not meet them.
UNARY: dict[str, Pair] = {
    "sin": (fnp.sin, lambda t, x: t.sin(x)),
    "cos": (fnp.cos, lambda _t, x: x.cos()),
    "tanh": (fnp.tanh, lambda t, x: t.tanh(x)),
    "sigmoid": (lambda x: 1 / (1 + fnp.exp(-x)), lambda _t, x: x.sigmoid()),
    "exp": (lambda x: fnp.exp(fnp.sin(x)), lambda t, x: t.exp(t.sin(x))),
    "log": (lambda x: fnp.log(x * x + 1), lambda _t, x: (x * x + 1).log()),
    "log1p": (lambda x: fnp.log1p(fnp.abs(x)), lambda _t, x: x.abs().log1p()),
    "sqrt": (lambda x: fnp.sqrt(x**2 + 1), lambda t, x: t.sqrt(x**2 + 1)),
    "atan": (fnp.arctan, lambda _t, x: x.atan()),
    "neg": (lambda x: -x, lambda _t, x: -x),
    "abs": (fnp.abs, lambda t, x: t.abs(x)),
    "square": (lambda x: fnp.square(fnp.tanh(x)), lambda t, x: x.tanh().square()),
    "relu": (lambda x: fnp.where(x > 0, x, 0), lambda _t, x: x.relu()),
    "clamp": (lambda x: fnp.clip(x, -0.7, 0.9), lambda _t, x: x.clamp(-0.7, 0.9)),
    "reciprocal": (lambda x: 2 / (x * x + 1), lambda _t, x: 2 / (x * x + 1)),
    "numbers": (lambda x: (3 - x) * 0.5 + 1, lambda _t, x: (3 - x) * 0.5 + 1),
    "detached": (lambda x: x * fg.stop_gradient(x), lambda _t, x: x * x.detach()),
    "clone": (lambda x: x * 1, lambda _t, x: x.clone()),
}  # fmt: skip

BINARY: dict[str, Pair] = {
    "add": (fnp.add, lambda _t, x, y: x + y),
    "sub": (fnp.subtract, lambda t, x, y: t.sub(x, y)),
    "mul": (fnp.multiply, lambda _t, x, y: x * y),
    "div": (lambda x, y: x / (y * y + 1), lambda _t, x, y: x / (y * y + 1)),
    "maximum": (fnp.maximum, lambda t, x, y: t.maximum(x, y)),
    "minimum": (fnp.minimum, lambda t, x, y: t.minimum(x, y)),
    "where": (lambda x, y: fnp.where(x > 0.1, x, y), lambda t, x, y: t.where(x > 0.1, x, y)),
    "pow": (
        lambda x, y: (x * x + 1) ** fnp.tanh(y),
        lambda t, x, y: (x * x + 1) ** t.tanh(y),
    ),
    "hypot": (
        lambda x, y: fnp.hypot(x, fnp.exp(fnp.tanh(y))),
        lambda t, x, y: t.hypot(x, y.tanh().exp()),
    ),
    "atan2": (
        lambda x, y: fnp.arctan2(x, y * y + 1),
        lambda t, x, y: t.atan2(x, y * y + 1),
    ),
}  # fmt: skip

REDUCTIONS: dict[str, Pair] = {
    "sum": (fnp.sum, lambda _t, x, **k: x.sum(**k)),
    "mean": (fnp.mean, lambda t, x, **k: t.mean(x, **k)),
    "amax": (fnp.max, lambda _t, x, **k: x.amax(**k)),
    "amin": (fnp.min, lambda _t, x, **k: x.amin(**k)),
    "logsumexp": (
        lambda x, axis, keepdims: fnp.log(fnp.sum(fnp.exp(fnp.tanh(x)), axis, keepdims=keepdims)),
        lambda _t, x, **k: x.tanh().logsumexp(**k),
    ),
    "norm": (
        lambda x, axis, keepdims: fnp.sqrt(fnp.sum((x + 9) ** 2, axis, keepdims=keepdims)),
        lambda t, x, **k: t.linalg.vector_norm(x + 9, **k),
    ),
}

PLACED: dict[str, Pair] = {  # with an axis
    "flip": (fnp.flip, lambda _t, x, d: x.flip(d)),
    "roll": (lambda x, d: fnp.roll(x, 1, d), lambda t, x, d: t.roll(x, 1, d)),
    "cumsum": (fnp.cumsum, lambda _t, x, d: x.cumsum(d)),
    "unsqueeze": (fnp.expand_dims, lambda _t, x, d: x.unsqueeze(d)),
    "first": (lambda x, d: fnp.take(x, 0, d), lambda _t, x, d: x.select(d, 0)),
    "taken": (
        lambda x, d: fnp.take(x, np.array([0, -1, 0]), d),
        lambda t, x, d: t.index_select(x, d, t.tensor([0, x.shape[d] - 1, 0])),
    ),
    "tail": (
        lambda x, d: fnp.flip(fnp.flip(x, d)[(slice(None),) * (d % x.ndim) + (slice(0, 2),)], d),
        lambda _t, x, d: x.narrow(d, max(x.shape[d] - 2, 0), min(x.shape[d], 2)),
    ),
    "swapped": (lambda x, d: fnp.swapaxes(x, d, 0), lambda _t, x, d: x.transpose(d, 0)),
    "moved": (lambda x, d: fnp.moveaxis(x, d, -1), lambda t, x, d: t.movedim(x, d, -1)),
    "softmax": (
        lambda x, d: fnp.exp(fnp.tanh(x)) / fnp.sum(fnp.exp(fnp.tanh(x)), d, keepdims=True),
        lambda _t, x, d: x.tanh().softmax(d),
    ),
    "log_softmax": (
        lambda x, d: fnp.tanh(x) - fnp.log(fnp.sum(fnp.exp(fnp.tanh(x)), d, keepdims=True)),
        lambda t, x, d: t.log_softmax(x.tanh(), d),
    ),
    "sorted": (fnp.sort, lambda _t, x, d: x.sort(d).values),
    "doubled": (lambda x, d: fnp.concatenate([x, x * 2], d), lambda t, x, d: t.cat([x, x * 2], d)),
    "stacked": (lambda x, d: fnp.stack([x, -x], d), lambda t, x, d: t.stack([x, -x], d)),
}

SHAPED: dict[str, Pair] = {
    "flat": (lambda x: fnp.reshape(x, -1), lambda _t, x: x.reshape(-1)),
    "column": (lambda x: fnp.reshape(x, (-1, 1)), lambda _t, x: x.reshape(-1, 1)),
    "reversed": (fnp.transpose, lambda _t, x: x.permute(*range(x.dim() - 1, -1, -1))),
    "steps": (lambda x: x[::2], lambda _t, x: x[::2]),
    "last": (lambda x: x[..., -1], lambda _t, x: x[..., -1]),
    "new axis": (lambda x: x[:, None], lambda _t, x: x[:, None]),
    "picked": (lambda x: x[[0, -1]], lambda _t, x: x[[0, -1]]),
    "repeated": (lambda x: fnp.tile(x, 2), lambda _t, x: x.tile(2)),
    "widened": (
        lambda x: fnp.broadcast_to(x, (2, *x.shape)),
        lambda _t, x: x.expand(2, *x.shape),
    ),
    "contiguous": (
        lambda x: fnp.transpose(x) * 1,
        lambda _t, x: x.permute(*range(x.dim() - 1, -1, -1)).contiguous() * 1,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One operation on earlier values, in both languages."""

    name: str
    pair: Pair
    operands: tuple[int, ...]
    positional: tuple[Any, ...] = ()
    reduced: tuple[int | None, bool] | None = None

    def on_arrays(self, values: list[Any]) -> Any:
        operands = [values[i] for i in self.operands]
        if self.reduced is None:
            return self.pair[0](*operands, *self.positional)
        axis, keep = self.reduced
        return self.pair[0](*operands, axis=axis, keepdims=keep)

    def on_tensors(self, module: Any, values: list[Any]) -> Any:
        operands = [values[i] for i in self.operands]
        if self.reduced is None:
            return self.pair[1](module, *operands, *self.positional)
        axis, keep = self.reduced
        dims = tuple(range(operands[0].dim())) if axis is None else axis
        return self.pair[1](module, *operands, dim=dims, keepdim=keep)

    def __repr__(self) -> str:
        return f"{self.name}{self.operands}{self.positional or self.reduced or ''}"


@dataclass(frozen=True)
class Example:
    """A program with its inputs and the weights of its result."""

    inputs: tuple[Array, ...]
    steps: tuple[Step, ...]
    weights: Array

    def array_loss(self, *inputs: Any) -> Any:
        values = list(inputs)
        for step in self.steps:
            values.append(step.on_arrays(values))
        return fnp.sum(values[-1] * self.weights)

    def tensors(self, module: Any) -> tuple[list[Any], Any]:
        """Leaves and result."""
        leaves = [module.from_numpy(x.copy()).requires_grad_() for x in self.inputs]
        values = list(leaves)
        for step in self.steps:
            values.append(step.on_tensors(module, values))
        return leaves, values[-1]

    def tensor_gradients(self, module: Any) -> tuple[Any, list[Any]]:
        """The result and the gradients of its weighted sum by `.backward()`."""
        leaves, out = self.tensors(module)
        (out * module.from_numpy(self.weights.astype(self.inputs[0].dtype))).sum().backward()
        return out, [
            np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.numpy() for leaf in leaves
        ]


SIZES = st.sampled_from([1, 2, 3])


@st.composite
def examples(draw: Any, *, mixed: bool = False) -> Example:
    """A program of up to eight steps on up to three arrays whose shapes fit."""
    shape = tuple(draw(st.lists(SIZES, max_size=3)))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    kinds = st.sampled_from([np.float64, np.float32])
    kind = draw(kinds)
    values = []
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(shape)))
        part = tuple(draw(st.sampled_from([n, 1])) for n in shape[start:])
        values.append(rng.normal(size=part).astype(draw(kinds) if mixed else kind))
    inputs = tuple(np.asarray(value) for value in values)
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, STEPS))):
        step = draw(steps_on(values))
        steps.append(step)
        values.append(step.on_arrays(values))
    return Example(inputs, tuple(steps), rng.normal(size=np.shape(values[-1])))


@st.composite
def steps_on(draw: Any, values: list[Any]) -> Step:
    """An operation that fits some of the values; the latest are taken most often."""
    newest = st.integers(0, len(values) - 1).map(lambda back: len(values) - 1 - back)
    at = draw(newest)
    x = values[at]
    families = ["unary", "binary"]
    if np.ndim(x) and np.size(x) <= 60:
        families += ["reduction", "placed", "shaped"]
    partners = [i for i, y in enumerate(values) if fits(x, y)]
    if partners:
        families.append("matmul")
    family = draw(st.sampled_from(families))
    if family == "unary":
        name = draw(st.sampled_from(sorted(UNARY)))
        return Step(name, UNARY[name], (at,))
    if family == "binary":
        others = [i for i, y in enumerate(values) if broadcast(x, y)]
        name = draw(st.sampled_from(sorted(BINARY)))
        return Step(name, BINARY[name], (at, draw(st.sampled_from(others))))
    if family == "matmul":
        pair: Pair = (fnp.matmul, lambda _t, x, y: x @ y.type_as(x))
        return Step("matmul", pair, (at, draw(st.sampled_from(partners))))
    if family == "shaped":
        name = draw(st.sampled_from(sorted(SHAPED)))
        return Step(name, SHAPED[name], (at,))
    axis = draw(st.integers(-x.ndim, x.ndim - 1))
    if family == "placed":
        name = draw(st.sampled_from(sorted(PLACED)))
        return Step(name, PLACED[name], (at,), (axis,))
    name = draw(st.sampled_from(sorted(REDUCTIONS)))
    reduced = (draw(st.sampled_from([axis, None])), draw(st.booleans()))
    return Step(name, REDUCTIONS[name], (at,), reduced=reduced)


def fits(x: Any, y: Any) -> bool:
    """Whether x @ y is a product."""
    if not np.ndim(x) or not np.ndim(y) or np.shape(x)[-1] != np.shape(y)[-2:][0]:
        return False
    return np.ndim(x) < 3 or np.ndim(y) < 3 or np.shape(x)[:-2] == np.shape(y)[:-2]


def broadcast(x: Any, y: Any) -> bool:
    """Whether two shapes fit each other and the result stays small."""
    try:
        return int(np.prod(np.broadcast_shapes(np.shape(x), np.shape(y)))) <= 200
    except ValueError:
        return False


def assert_close(found: Any, expected: Any, kind: np.dtype[Any]) -> None:
    scale = 1 + np.max(np.abs(expected), initial=0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=float(TOLERANCE[kind] * scale))


@settings(max_examples=EXAMPLES)
@given(examples())
def test_backward_gives_the_functional_gradient_of_the_numpy_program(example: Example) -> None:
    out, found = example.tensor_gradients(layer)
    positions = tuple(range(len(example.inputs)))
    value, expected = fg.value_and_grad(example.array_loss, argnums=positions)(*example.inputs)
    kind = example.inputs[0].dtype
    assert_close(np.sum(out.detach().numpy() * example.weights), value, kind)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert_close(a, b, kind)


@settings(max_examples=EXAMPLES)
@given(examples())
def test_second_derivatives_are_those_of_the_numpy_program(example: Example) -> None:
    x = example.inputs[0]

    def directional(*inputs: Any) -> Any:
        return fnp.sum(fnp.sin(fg.grad(example.array_loss)(*inputs)))

    expected = fg.grad(directional)(*example.inputs)
    leaves, out = example.tensors(layer)
    weights = layer.from_numpy(example.weights.astype(x.dtype))
    (first,) = layer.autograd.grad(
        (out * weights).sum(), leaves[:1], create_graph=True, materialize_grads=True
    )
    (second,) = layer.autograd.grad(
        first.sin().sum() + 0 * leaves[0].sum(), leaves[:1], materialize_grads=True
    )
    assert_close(second.numpy(), expected, x.dtype)


@pytest.mark.oracle
@settings(max_examples=EXAMPLES)
@given(examples(mixed=True))
def test_values_types_gradients_and_graphs_are_pytorchs(example: Example) -> None:
    torch = pytest.importorskip("torch")
    out, found = example.tensor_gradients(layer)
    expected_out, expected = example.tensor_gradients(torch)
    kind = np.dtype("float32" if any(x.dtype == np.float32 for x in example.inputs) else "float64")
    assert str(out.dtype) == str(expected_out.dtype)
    assert names(out.grad_fn) == names(expected_out.grad_fn)
    assert_close(out.detach().numpy(), expected_out.detach().numpy(), kind)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        assert_close(a, b, kind)


def names(node: Any) -> str:
    """The names of a node and of all behind it."""
    if node is None:
        return "None"
    inner = ", ".join(names(behind) for behind, _ in node.next_functions)
    return f"{type(node).__name__}({inner})"

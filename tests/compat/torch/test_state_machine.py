"""Random tensor programs against the same programs in immutable form, and against PyTorch.

A machine makes tensors, views of them, and writes into them, in the layer. Beside it runs a model:
every piece of memory is an immutable value of the functional engine, a view is a list of places in
it, and a write makes a new value. At the end the gradient of the layer is that of `funcgrad.grad`
over the model's program. Where PyTorch is installed the program runs there, too.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import funcgrad
import funcgrad.compat.torch as layer
import funcgrad.numpy as fnp

LEAVES = 2
SHAPE = (2, 3)

OPS: dict[str, Callable[..., Any]] = {
    "add": lambda m, x, y: x + y,
    "mul": lambda m, x, y: x * y,
    "sin": lambda m, x, y: m.sin(x),
    "neg": lambda m, x, y: -x,
    "tanh": lambda m, x, y: m.tanh(x) * 2.0,
    "square": lambda m, x, y: x * x * 0.5,
}
VIEWS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "first": (lambda x: x[0], lambda a: a[0, ...]),
    "last": (lambda x: x[-1], lambda a: a[-1, ...]),
    "tail": (lambda x: x[1:], lambda a: a[1:]),
    "even": (lambda x: x[..., ::2], lambda a: a[..., ::2]),
    "flat": (lambda x: x.reshape(-1), lambda a: a.reshape(-1)),
    "turned": (lambda x: x.permute(*range(x.ndim))[None], lambda a: a[None]),
    "transposed": (lambda x: x.transpose(0, -1), lambda a: a.swapaxes(0, -1)),
    "column": (lambda x: x[..., 0], lambda a: a[..., 0]),
    "detached": (lambda x: x.detach(), lambda a: a),
}


@dataclass
class Shown:
    """A tensor of the machine."""

    ours: Any
    theirs: Any
    memory: int
    places: Any
    connected: bool = True


class _Namespace:
    """sin and tanh on whatever the program runs on."""

    sin = staticmethod(fnp.sin)
    tanh = staticmethod(fnp.tanh)


def torch_or_none() -> Any:
    """PyTorch, if it is installed."""
    if importlib.util.find_spec("torch") is None:
        return None
    return importlib.import_module("torch")


class Programs(RuleBasedStateMachine):
    """Random operations, views, writes, `detach` and `no_grad`; then backward."""

    @initialize(values=st.lists(st.integers(-20, 20), min_size=12, max_size=12))
    def start(self, values: list[int]) -> None:
        self.torch = torch_or_none()
        self.data = [
            np.array(values[:6]).reshape(SHAPE) / 10,
            np.array(values[6:]).reshape(SHAPE) / 7,
        ]
        self.leaves = [
            layer.tensor(d.tolist(), dtype=layer.float64).requires_grad_() for d in self.data
        ]
        torch = self.torch
        self.torch_leaves = (
            [torch.tensor(d.tolist(), dtype=torch.float64, requires_grad=True) for d in self.data]
            if torch
            else [None] * LEAVES
        )
        self.steps: list[Callable[[list[Any], list[Any]], None]] = []
        self.memories: list[Any] = []
        self.shown: list[Shown] = []
        for i in range(LEAVES):
            self._add_result(
                self.leaves[i] * 1.0,
                self.torch_leaves[i] * 1.0 if torch else None,
                lambda leaves, _memories, i=i: leaves[i] * 1.0,
            )

    def _add_result(self, ours: Any, theirs: Any, compute: Callable[..., Any]) -> None:
        """A new tensor in memory of its own; the model computes it at its turn."""
        shape = tuple(ours.shape)
        number = len(self.memories)
        self.memories.append(shape)
        self.steps.append(
            lambda leaves, memories: memories.append(fnp.reshape(compute(leaves, memories), (-1,)))
        )
        places = np.arange(int(np.prod(shape))).reshape(shape)
        self.shown.append(Shown(ours, theirs, number, places))

    @staticmethod
    def _read(shown: Shown) -> Callable[[list[Any]], Any]:
        """What a tensor shows of the model's memories."""

        def read(memories: list[Any]) -> Any:
            part = fnp.reshape(memories[shown.memory][shown.places.reshape(-1)], shown.places.shape)
            return part if shown.connected else funcgrad.stop_gradient(part)

        return read

    def _pick(self, number: int) -> Shown:
        return self.shown[number % len(self.shown)]

    @rule(name=st.sampled_from(sorted(OPS)), a=st.integers(0, 99), b=st.integers(0, 99))
    def apply(self, name: str, a: int, b: int) -> None:
        x, y = self._pick(a), self._pick(b)
        if x.places.shape != y.places.shape:
            y = x
        op = OPS[name]
        read_x, read_y = self._read(x), self._read(y)
        # operands are copied, so that later writes do not change what backward needs
        self._add_result(
            op(layer, x.ours.clone(), y.ours.clone()),
            op(self.torch, x.theirs.clone(), y.theirs.clone()) if self.torch else None,
            lambda _leaves, memories: op(_Namespace, read_x(memories), read_y(memories)),
        )

    @rule(name=st.sampled_from(sorted(VIEWS)), a=st.integers(0, 99))
    def view(self, name: str, a: int) -> None:
        x = self._pick(a)
        if x.places.ndim == 0 or x.places.ndim > 3 or 0 in x.places[1:].shape:
            return
        function, of_places = VIEWS[name]
        if name == "flat" and not x.ours.is_contiguous():
            return
        places = of_places(x.places)
        if not places.size:
            return
        connected = x.connected and name != "detached"
        theirs = function(x.theirs) if self.torch else None
        self.shown.append(Shown(function(x.ours), theirs, x.memory, places, connected))

    def _write(
        self, target: Shown, change: Callable[..., Any], new: Callable[[list[Any]], Any]
    ) -> None:
        change(target.ours)
        if self.torch:
            change(target.theirs)
        places, number = target.places, target.memory

        def step(_leaves: list[Any], memories: list[Any]) -> None:
            values = fnp.reshape(new(memories), (-1,))
            memories[number] = fnp.at(memories[number])[places.reshape(-1)].set(values)

        self.steps.append(step)

    def _is_writable(self, shown: Shown) -> bool:
        return shown.connected

    @rule(a=st.integers(0, 99), factor=st.sampled_from([0.5, -1.25, 2.0]))
    def scale(self, a: int, factor: float) -> None:
        x = self._pick(a)
        if not self._is_writable(x):
            return
        read = self._read(x)
        self._write(x, lambda t: t.mul_(factor), lambda memories: read(memories) * factor)

    @rule(a=st.integers(0, 99), b=st.integers(0, 99), name=st.sampled_from(["mul", "add", "copy"]))
    def combine(self, a: int, b: int, name: str) -> None:
        x, y = self._pick(a), self._pick(b)
        if not self._is_writable(x) or x.places.shape != y.places.shape:
            return
        ours, theirs = y.ours.clone(), y.theirs.clone() if self.torch else None
        read_x, read_y = self._read(x), self._read(y)

        def change(t: Any) -> None:
            other = ours if isinstance(t, layer.Tensor) else theirs
            {"mul": t.mul_, "add": t.add_, "copy": t.copy_}[name](other)

        def new(memories: list[Any]) -> Any:
            old, other = read_x(memories), read_y(memories)
            return {"mul": old * other, "add": old + other, "copy": other * 1.0}[name]

        self._write(x, change, new)

    @rule(a=st.integers(0, 99))
    def sine(self, a: int) -> None:
        x = self._pick(a)
        if self._is_writable(x):
            read = self._read(x)
            self._write(x, lambda t: t.sin_(), lambda memories: fnp.sin(read(memories)))

    @rule(a=st.integers(0, 99), value=st.sampled_from([0.0, 1.5]))
    def assign_number(self, a: int, value: float) -> None:
        x = self._pick(a)
        if not self._is_writable(x) or x.places.ndim == 0:
            return
        part = Shown(None, None, x.memory, x.places[0], x.connected)

        def change(t: Any) -> None:
            t[0] = value

        part.ours, part.theirs = x.ours, x.theirs
        self._write(part, change, lambda _memories: np.full(part.places.shape, value))

    @rule(a=st.integers(0, 99), b=st.integers(0, 99))
    def assign_by_index(self, a: int, b: int) -> None:
        x, y = self._pick(a), self._pick(b)
        if not self._is_writable(x) or x.places.ndim == 0 or x.places[0].shape != y.places.shape:
            return
        ours, theirs = y.ours.clone(), y.theirs.clone() if self.torch else None
        read = self._read(y)

        def change(t: Any) -> None:
            t[[t.shape[0] - 1]] = ours if isinstance(t, layer.Tensor) else theirs

        self._write(
            Shown(x.ours, x.theirs, x.memory, x.places[-1], x.connected),
            change,
            lambda m: read(m) * 1.0,
        )

    @rule(a=st.integers(0, 99), factor=st.sampled_from([0.5, -1.0]))
    def write_through_detached(self, a: int, factor: float) -> None:
        """The values change, what they depend on does not: d new = d old."""
        x = self._pick(a)
        if x.connected:
            return
        places, number = x.places, x.memory
        for tensor in (x.ours, x.theirs):
            if tensor is not None:
                tensor.mul_(factor)

        def step(_leaves: list[Any], memories: list[Any]) -> None:
            old = memories[number][places.reshape(-1)]
            new = old + funcgrad.stop_gradient(old * factor - old)
            memories[number] = fnp.at(memories[number])[places.reshape(-1)].set(new)

        self.steps.append(step)

    @rule(a=st.integers(0, 99))
    def write_without_grad(self, a: int) -> None:
        """The values change, what they depend on does not: d new = d old."""
        x = self._pick(a)
        if not self._is_writable(x):
            return
        read = self._read(x)

        def change(t: Any) -> None:
            with (layer if isinstance(t, layer.Tensor) else self.torch).no_grad():
                t.add_(0.25)

        self._write(x, change, lambda memories: read(memories) + 0.25)

    @invariant()
    def values_agree(self) -> None:
        if not hasattr(self, "shown"):
            return
        memories = self._run([np.array(d) for d in self.data])
        for shown in self.shown:
            expected = memories[shown.memory][shown.places]
            np.testing.assert_allclose(
                shown.ours.detach().numpy(), expected, rtol=1e-12, atol=1e-12
            )

    def _run(self, leaves: list[Any]) -> list[Any]:
        memories: list[Any] = []
        for step in self.steps:
            step(leaves, memories)
        return memories

    @precondition(lambda self: len(self.steps) > LEAVES)
    @rule()
    def backward(self) -> None:
        """Gradients of a weighted sum of all that is shown."""

        def total(leaves: list[Any]) -> Any:
            memories = self._run(leaves)
            parts = [self._read(shown)(memories) for shown in self.shown]
            return sum(fnp.sum(p * (1.0 + i)) for i, p in enumerate(parts))

        expected = funcgrad.grad(total)([np.array(d) for d in self.data])
        self._check(self.leaves, [s.ours for s in self.shown], layer, expected)
        if self.torch:
            self._check(self.torch_leaves, [s.theirs for s in self.shown], self.torch, expected)

    @staticmethod
    def _check(leaves: list[Any], tensors: list[Any], module: Any, expected: list[Any]) -> None:
        loss = sum((t * (1.0 + i)).sum() for i, t in enumerate(tensors))
        found = module.autograd.grad(loss, leaves, retain_graph=True, allow_unused=True)
        for grad, wanted in zip(found, expected, strict=True):
            values = np.zeros(SHAPE) if grad is None else grad.numpy()
            np.testing.assert_allclose(values, wanted, rtol=1e-9, atol=1e-9)


Programs.TestCase.settings = settings(
    max_examples=40, stateful_step_count=20, deadline=None, derandomize=True
)
TestPrograms = Programs.TestCase

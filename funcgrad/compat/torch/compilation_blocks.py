"""Functions of the layer as single operations of a compiled program.

Convolutions, recurrent layers, losses and others have a short way for plain arrays, with a
derivative of its own, which a composed program would not reach. While a function is recorded they
are run on the plain values, and the program gets one equation that does the same again. Its last
result is the graph that the function has made; the backward program hands that cotangents.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.compat.torch.compilation_breaks import is_recorded, refuse
from funcgrad.compat.torch.levels import untracked
from funcgrad.compat.torch.pytrees import LEAF, Structure, flatten, nest_of, unflatten
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.sweeping import run_backward
from funcgrad.compat.torch.tensor import Tensor, holder
from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import Tracer, bind
from funcgrad.interpreters.record import RecordTracer

__all__ = ["block"]

_PLACE = object()


class _Graph:
    """The graph that a call has made: a value that stands in programs, though it is no array.

    Attributes:
        leaves: the active operands, as tensors.
        roots: for each result its node and which of its results it is, if it has one.
    """

    __slots__ = ("leaves", "roots")
    shape = ()
    ndim = 0
    size = 1
    dtype = np.dtype(object)

    def __init__(self, leaves: Sequence[Tensor], roots: Sequence[tuple[Any, int] | None]) -> None:
        self.leaves = leaves
        self.roots = roots

    def pulled(self, given: tuple[int, ...], cts: Sequence[Any]) -> tuple[Any, ...]:
        """The cotangents of the leaves; they may share memory with those of the results."""
        roots = [
            (*root, ct) for root, ct in zip(map(self.roots.__getitem__, given), cts, strict=True)
            if root is not None
        ]  # fmt: skip
        node = roots[0][0] if len(roots) == 1 else None
        leaves = self.leaves
        if (
            node is not None
            and node.outputs == 1
            and len(node.edges) == len(leaves)
            and all(a is b for a, b in zip(node.edges, leaves, strict=True))
        ):
            parts = node.rule.pull(roots[0][2], node.residuals)
            parts = parts if type(parts) is tuple else (parts,)
        else:
            parts = run_backward(
                roots,
                retain_graph=True,
                create_graph=False,
                wanted={id(leaf) for leaf in leaves},
                captures=[(leaf, 0) for leaf in leaves],
            )
        return tuple(
            np.zeros(leaf._value.shape, leaf._value.dtype) if part is None else part
            for part, leaf in zip(parts, leaves, strict=True)
        )


class _Call:
    """A function with everything but its tensors; equal if it is the same.

    Attributes:
        function: of the layer.
        args: leaves of its arguments, with a mark for each tensor.
        structure: of the arguments.
        mask: which tensors a derivative is asked for; `active`, whether one is.
        nest: makes the arguments of their leaves.
        result: structure of what it returns, and for each leaf whether it is a tensor.
    """

    __slots__ = ("active", "args", "function", "mask", "nest", "result", "structure")

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        structure: Structure,
        mask: tuple[bool, ...],
    ) -> None:
        self.function = function
        self.args = args
        self.structure = structure
        self.mask = mask
        self.active = any(mask)
        self.nest = nest_of(structure)
        self.result: tuple[Structure, list[Any]] | None = None

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Call)
            and self.function is other.function
            and self.mask == other.mask
            and self.structure == other.structure
            and all(
                a is b or (type(a) is type(b) and not isinstance(a, np.ndarray) and a == b)
                for a, b in zip(self.args, other.args, strict=True)
            )
        )

    def __hash__(self) -> int:
        return hash((self.function, self.mask))

    def __repr__(self) -> str:
        return getattr(self.function, "__name__", "function").strip("_")

    def __call__(self, *values: Any) -> tuple[Any, ...]:
        """The results' values, and the graph."""
        tensors = [holder(value) for value in values]
        for tensor, flag in zip(tensors, self.mask, strict=True):
            tensor._requires = flag
        rest = iter(tensors)
        leaves = [next(rest) if arg is _PLACE else arg for arg in self.args]
        args, kwargs = self.nest(leaves)
        before = STATE.compiling, STATE.grad
        STATE.compiling, STATE.grad = None, self.active
        try:
            out = self.function(*args, **kwargs)
        finally:
            STATE.compiling, STATE.grad = before
        if isinstance(out, Tensor):
            found, structure = [out], LEAF
        else:
            found, structure = flatten(out)
        if self.result is None:
            self.result = structure, [_PLACE if isinstance(x, Tensor) else x for x in found]
        results = [x for x in found if isinstance(x, Tensor)]
        roots = [
            ((x if x._node is None else x._node), x._port) if x._requires else None for x in results
        ]
        active = [x for x, flag in zip(tensors, self.mask, strict=True) if flag]
        given = set(map(id, values))
        return (
            *(np.array(x._value) if id(x._value) in given else x._value for x in results),
            _Graph(active, roots),
        )


def _value(*values: Any, call: _Call) -> tuple[Any, ...]:
    return call(*values)


def _vjp(out: Any, _values: Any, _active: Any, _params: Any) -> tuple[Any, Any]:
    return _pull, out[-1]


def _pull(ct: Any, graph: Any) -> Any:
    given = tuple(sorted(ct))
    return bind(pull_p, graph, *(ct[at] for at in given), given=given)


def _pulled(graph: Any, *cts: Any, given: tuple[int, ...]) -> Any:
    parts = graph.pulled(given, cts)
    return parts[0] if len(parts) == 1 else parts


def _refused(*_args: Any, **_params: Any) -> Any:
    raise AssertionError("operations of compiled functions have no such rule")


block_p = Primitive(
    name="layer",
    value=_value,
    family="layer",
    jvp=_refused,
    vjp=_vjp,
    batch=_refused,
    apply=lambda args, params: _value(*args, **params),
)
pull_p = Primitive(
    name="layer_pull",
    value=_pulled,
    family="layer",
    jvp=_refused,
    vjp=None,
    batch=_refused,
    apply=lambda args, params: _pulled(*args, **params),
)


def block(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The results of a function of the layer: by one equation, if it is given recorded tensors."""
    leaves, structure = flatten((args, kwargs))
    tensors = [x for x in leaves if isinstance(x, Tensor)]
    values = [x._value if STATE.grad else untracked(x._value) for x in tensors]
    if not any(map(is_recorded, values)):
        return function(*args, **kwargs)
    if any(map(_is_other, tensors)):
        refuse("it computes with a tensor that was not found, or is bfloat16")
    mask = tuple(isinstance(value, RecordTracer) for value in values)
    places = tuple(_PLACE if isinstance(x, Tensor) else x for x in leaves)
    call = _Call(function, places, structure, mask)
    *outs, _ = bind(block_p, *values, call=call)
    assert call.result is not None
    nest, marks = call.result
    rest = iter(outs)
    return unflatten(nest, [holder(next(rest)) if mark is _PLACE else mark for mark in marks])


def _is_other(tensor: Tensor) -> bool:
    return (
        tensor._dtype is not None
        or tensor._where is not None
        or (tensor._requires and not isinstance(tensor._value, Tracer))
    )

"""Operations whose result shows the memory of their operand."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.compat.torch.compilation_breaks import concrete
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.static import SignatureRule, Static
from funcgrad.compat.torch.tensor import Tensor, new_tensor, register_view
from funcgrad.core.tracer import Tracer
from funcgrad.core.wengert import Partials

__all__ = ["Step", "View", "is_dense", "native", "strides_of"]


class Step:
    """One step from a base to its view: the operation with its parameters."""

    __slots__ = ("op", "params")

    def __init__(self, op: "View", params: dict[str, Any]) -> None:
        self.op = op
        self.params = params

    def function(self, value: Any) -> Any:
        """The same part of an array that is laid out alike."""
        return self.op.function(value, **self.params)

    def __call__(self, tensor: Tensor) -> Any:
        """The operation on another tensor."""
        return self.op(tensor, **self.params)


class _PartsRule(SignatureRule):
    """Rule of an operation with several views that do not overlap: each cotangent into its part."""

    __slots__ = ("_function", "_shape")

    def __init__(self, function: Callable[..., Any], value: Any) -> None:
        super().__init__(function, (value,), (True,))
        self._function = function
        self._shape = value.shape

    @override
    def pull(self, ct: Any, _residuals: Any) -> Any:
        """Cotangents laid into zeros."""
        if not isinstance(ct, Partials) or any(isinstance(x, Tracer) for x in ct.values()):
            return super().pull(ct, None)
        full = np.zeros(self._shape, next(iter(ct.values())).dtype)
        parts = self._function(full)
        for port, part in ct.items():
            parts[port][...] = part
        return full


class View(Static):
    """An operation of one tensor whose result is a view of its memory.

    The function takes the array and static parameters by name, and returns a NumPy view (or a tuple
    of views that do not overlap) of a plain array; on traced values it may have to gather.
    """

    __slots__ = ()

    def __init__(self, node: str, function: Callable[..., Any]) -> None:
        super().__init__(node, function)

    @override
    def __call__(self, tensor: Tensor, **params: Any) -> Any:
        """The view of a tensor; of a 0-d NumPy scalar an array is made first."""
        value = tensor._value
        node = None
        if isinstance(value, Tracer):
            result = Op.__call__(self, tensor, **params)
            single = type(result) is not tuple
            results = (result,) if single else result
        else:
            value = tensor._array()
            out = self.function(value, **params)
            single = type(out) is not tuple
            outs = (out,) if single else out
            if tensor._requires and STATE.grad:
                node = self.node_of((tensor,), (value,), (True,), params)
                if not single:
                    node.outputs = len(outs)
            results = tuple(map(new_tensor, outs))
        leaf = tensor._requires and tensor._node is None
        base = tensor if tensor._base is None or leaf else tensor._base
        path = () if base is tensor else tensor._path
        step = Step(self, params)
        for port, one in enumerate(results):
            one._cell = tensor._cell
            if tensor._dtype is not None:
                one._dtype = tensor._dtype
            if node is not None:
                one._node, one._port, one._requires = node, port, True
            register_view(one, base, (*path, (step, (), None if single else port)))
        return results[0] if single else results

    @override
    def rule_of(self, values: Sequence[Any], mask: tuple[bool, ...], params: dict[str, Any]) -> Any:
        function = partial(self.function, **params)
        value = values[0]
        if type(function(value)) is tuple:
            return _PartsRule(function, value)
        return SignatureRule(function, values, mask)


def native(tensor: Tensor) -> Any:
    """The array of a tensor, or its traced value."""
    value = tensor._value
    return value if isinstance(value, Tracer) else tensor._array()


def strides_of(tensor: Tensor) -> tuple[int, ...]:
    """Elements from one index to the next along each axis; of C order for traced values."""
    value = concrete(tensor._value)
    if type(value) is np.ndarray and value.size:
        size = value.itemsize
        return tuple([step // size for step in value.strides])
    shape = tuple(value.shape)
    step = 1
    found: list[int] = []
    for length in reversed(shape):
        found.append(step)
        step *= max(length, 1)
    return tuple(found[::-1])


def is_dense(tensor: Tensor) -> bool:
    """Whether the elements lie in C order without gaps."""
    value = concrete(tensor._value)
    return bool(value.flags.c_contiguous) if type(value) is np.ndarray else True

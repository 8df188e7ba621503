"""The trace below every transform: primitives applied to what tensors hold become graph nodes.

Its identity is 0, so a functional transform inside a tensor program always stands above it. It is
used where cotangents must have a graph themselves (`create_graph=True`) and where a functional
transform meets a tensor that requires grad; ordinary operations make their node themselves.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.compat.torch.node import Node, make_node, node_class
from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import Trace, Tracer, bind
from funcgrad.core.wengert import Partials

__all__ = ["AMBIENT", "STEPWISE", "AmbientTracer", "connected", "is_saved"]

STEPWISE = frozenset(
    f"{name}Backward0"
    for name in (
        "Abs", "Relu", "LeakyRelu", "Hardtanh", "Threshold", "Softshrink", "Hardshrink",
        "PreluKernel", "RreluWithNoise", "MaxPool2DWithIndices", "MaxPool3DWithIndices",
    )
)  # fmt: skip
"""Nodes with slopes that are constant in pieces: PyTorch has zeros for their second derivatives."""


class AmbientTracer(Tracer):
    """The value of a tensor that requires grad, with its place in the graph."""

    __slots__ = ("cell", "port", "target")
    target: Any
    """The node that made it, or the leaf tensor."""

    port: int
    cell: list[Any]

    def __init__(self, value: Any, target: Any, port: int, cell: list[Any]) -> None:
        self.value = value
        self.owner = AMBIENT
        self.target = target
        self.port = port
        self.cell = cell

    @property
    @override
    def made_by(self) -> Primitive | None:
        rule = getattr(self.target, "rule", None)
        return rule.primitive if isinstance(rule, PrimitiveRule) else None


class _Ambient(Trace):
    """The one trace that is never closed."""

    __slots__ = ()

    @override
    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        values = [arg.value if type(arg) is AmbientTracer else arg for arg in args]
        active = tuple(type(arg) is AmbientTracer for arg in args)
        out = bind(primitive, *values, **params)
        if primitive.vjp is None:
            return out
        pull, residuals = primitive.vjp(out, values, active, params)
        if type(out) is tuple and len(out) == 1:
            pull = _of_first(pull)
        tracers = [arg for arg in args if type(arg) is AmbientTracer]
        rule = PrimitiveRule(primitive, params, list(args), active, pull, out)
        ports = tuple(t.port for t in tracers)
        saved = tuple(
            item for t in tracers if is_saved(t.value, residuals) for item in (t.cell, t.cell[0])
        )
        node = make_node(
            node_class(NAMES.get(primitive.name) or _default_name(primitive.name)),
            rule,
            tuple(t.target for t in tracers),
            ports if any(ports) else None,
            residuals,
            saved,
        )
        if type(out) is not tuple:
            return AmbientTracer(out, node, 0, [0, None])
        node.outputs = len(out)
        return tuple(
            AmbientTracer(item, node, port, [0, None])
            if getattr(item, "dtype", np.dtype(int)).kind in "fc"
            else item
            for port, item in enumerate(out)
        )


def connected(parts: Any, operands: Sequence[Any]) -> Any:
    """Cotangents that hang on the operands too, with zero derivatives."""
    several = parts if type(parts) is tuple else (parts,)
    found = tuple(
        part + np.where(np.zeros(x.shape, bool), x, 0)
        for part, x in zip(several, operands, strict=True)
    )
    return found if type(parts) is tuple else found[0]


def _ambient() -> _Ambient:
    trace = _Ambient("torch")
    trace.id = 0
    return trace


AMBIENT = _ambient()


class PrimitiveRule:
    """Rule of a node that is one primitive of the core."""

    __slots__ = ("args", "mask", "out", "params", "primitive", "pull")

    def __init__(
        self,
        primitive: Primitive,
        params: dict[str, Any],
        args: list[Any],
        mask: tuple[bool, ...],
        pull: Any,
        out: Any,
    ) -> None:
        self.primitive = primitive
        self.params = params
        self.args = args
        self.mask = mask
        self.pull = pull
        self.out = out

    def again(self, node: Node, ct: Any) -> Any:
        """The pull with residuals that are traced values."""
        if type(self.out) is tuple:
            out: Any = tuple(
                AmbientTracer(item, node, port, [0, None]) for port, item in enumerate(self.out)
            )
        else:
            out = AmbientTracer(self.out, node, 0, [0, None])
        pull, residuals = self.primitive.vjp(out, self.args, self.mask, self.params)  # type: ignore[misc]  # it has one
        if type(self.out) is tuple and len(self.out) == 1:
            pull = _of_first(pull)
        return ct if pull is None else pull(ct, residuals)

    def saved_value(self, node: Node, name: str) -> Any:
        """Saved operands are not shown under PyTorch's names here."""
        raise AttributeError(f"'{node.name()}' object has no attribute '_saved_{name}'")


def _of_first(pull: Any) -> Any:
    """The pull of a tuple of one result, for the cotangent that its node is given."""
    return lambda ct, kept: pull(ct if isinstance(ct, Partials) else Partials({0: ct}), kept)


def is_saved(value: Any, residuals: Any) -> bool:
    """Whether residuals hold this very array, or a view of its memory."""
    if type(residuals) is tuple or type(residuals) is list:
        return any(is_saved(value, residual) for residual in residuals)
    if residuals is value:
        return True
    if type(residuals) is np.ndarray and type(value) is np.ndarray:
        return np.may_share_memory(residuals, value)
    return False


def _default_name(primitive: str) -> str:
    return "".join(word.capitalize() for word in primitive.split("_")) + "Backward0"


NAMES = {
    "add": "AddBackward0",
    "subtract": "SubBackward0",
    "multiply": "MulBackward0",
    "divide": "DivBackward0",
    "true_divide": "DivBackward0",
    "negative": "NegBackward0",
    "power": "PowBackward0",
    "reshape": "ViewBackward0",
    "transpose": "PermuteBackward0",
    "broadcast_to": "ExpandBackward0",
    "expand_dims": "UnsqueezeBackward0",
    "squeeze": "SqueezeBackward1",
    "absolute": "AbsBackward0",
    "log1p": "Log1PBackward0",
    "conjugate": "ConjBackward0",
    "matmul": "MmBackward0",
    "concatenate": "CatBackward0",
    "astype": "ToCopyBackward0",
    "expit": "SigmoidBackward0",
    "maximum": "MaximumBackward0",
    "minimum": "MinimumBackward0",
    "arctan2": "Atan2Backward0",
    "arcsin": "AsinBackward0",
    "arccos": "AcosBackward0",
    "arctan": "AtanBackward0",
}
"""Names of nodes that are primitives; the others are called after NumPy."""

"""Forward mode: compute each value together with its tangent."""

from collections.abc import Sequence
from typing import Any

from typing_extensions import override

from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import Trace, Tracer, bind

__all__ = ["Dual", "DualTracer"]


class DualTracer(Tracer):
    """A value and its tangent, of the same shape."""

    __slots__ = ("made_by", "tangent")
    tangent: Any
    made_by: Primitive | None

    def __init__(self, value: Any, tangent: Any, owner: "Dual", made_by: Primitive | None = None):
        self.value = value
        self.tangent = tangent
        self.owner = owner
        self.made_by = made_by


class Dual(Trace):
    """The trace of forward mode."""

    __slots__ = ()

    @override
    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        values: list[Any] = []
        tangents: list[Any] = []
        for arg in args:
            if type(arg) is DualTracer and arg.owner is self:
                values.append(arg.value)
                tangents.append(arg.tangent)
            else:
                values.append(arg)
                tangents.append(None)
        out = bind(primitive, *values, **params)
        if primitive.jvp is None:
            return out
        tangent = primitive.jvp(out, values, tangents, params)
        if type(out) is tuple:
            return tuple(
                item if dot is None else DualTracer(item, dot, self, primitive)
                for item, dot in zip(out, tangent, strict=True)
            )
        return DualTracer(out, tangent, self, primitive)

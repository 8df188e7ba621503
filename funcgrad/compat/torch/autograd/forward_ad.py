"""`torch.autograd.forward_ad`: forward mode by dual tensors.

A dual tensor holds a core `DualTracer` of an open level, so every operation carries the tangent by
the core's own forward rules. A level that is over leaves the primal.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from typing_extensions import override

from funcgrad.compat.torch.levels import FINISHED, outgoing
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import holder, payload_of
from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import bind
from funcgrad.interpreters.dual import Dual, DualTracer

__all__ = [
    "ForwardLevel",
    "UnpackedDualTensor",
    "dual_level",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
]


class ForwardLevel(Dual):
    """The trace of one dual level; when it is over, its tracers stand for their primals."""

    __slots__ = ("finished",)

    def __init__(self) -> None:
        super().__init__("forward_ad")
        self.finished = False

    @override
    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        if not self.finished:
            return super().process(primitive, args, params)
        primals = [
            arg.value if type(arg) is DualTracer and arg.owner is self else arg for arg in args
        ]
        return bind(primitive, *primals, **params)


def _is_finished(value: Any) -> bool:
    owner = value.owner
    return type(owner) is ForwardLevel and owner.finished


FINISHED["is"] = _is_finished


class UnpackedDualTensor(NamedTuple):
    """What `unpack_dual` returns; `tangent` is `None` if there is none."""

    primal: Any
    tangent: Any


def enter_dual_level() -> int:
    """Open a level, and return its number."""
    if STATE.dual_levels:
        raise RuntimeError(
            "Nested forward mode AD is not supported at the moment. Use torch.func.jvp, which "
            "nests."
        )
    STATE.dual_levels = (*STATE.dual_levels, ForwardLevel())
    return len(STATE.dual_levels) - 1


def exit_dual_level(*, level: int | None = None) -> None:
    """Close the innermost level: its tangents are gone."""
    if not STATE.dual_levels or level not in (None, len(STATE.dual_levels) - 1):
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is "
            "not supported."
        )
    *rest, last = STATE.dual_levels
    STATE.dual_levels = tuple(rest)
    last.finished = True


class dual_level:  # the public name
    """A context in which dual tensors can be made."""

    def __enter__(self) -> int:
        self.level = enter_dual_level()
        return self.level

    def __exit__(self, *_: object) -> None:
        exit_dual_level(level=self.level)


def _open(level: int | None, what: str) -> ForwardLevel | None:
    levels = STATE.dual_levels
    if not levels:
        if what == "make_dual":
            raise RuntimeError(
                "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
                "enter_dual_level() first."
            )
        return None
    found: ForwardLevel = levels[-1 if level is None or level < 0 else level]
    return found


def make_dual(tensor: Any, tangent: Any, *, level: int | None = None) -> Any:
    """A tensor with a tangent: x + ẋ ε. A tangent of another type is converted to x's."""
    trace = _open(level, "make_dual")
    if not (tensor.dtype.is_floating_point or tensor.dtype.is_complex):
        raise ValueError(
            f"Expected primal to be floating point or complex, but got: {tensor.dtype}"
        )
    if not (tangent.dtype.is_floating_point or tangent.dtype.is_complex):
        raise ValueError(
            f"Expected tangent to be floating point or complex, but got: {tangent.dtype}"
        )
    if tangent.shape != tensor.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original "
            f"Tensor, this is not supported. Tensor is of size {list(tensor.shape)} while the "
            f"given forward gradient is of size {list(tangent.shape)}."
        )
    if tangent.dtype.is_complex and not tensor.dtype.is_complex:
        raise RuntimeError(
            "Expected tangent to be real as its primal is, but got "
            f"{tangent.dtype} and {tensor.dtype}."
        )
    value = payload_of(tensor)
    along = tangent if tangent.dtype is tensor.dtype else tangent.to(tensor.dtype)
    if _dual_of(value, trace) is not None:
        value = value.value
    result = holder(DualTracer(value, payload_of(along), trace), tensor)  # type: ignore[arg-type]  # a level is open
    result._cell = tensor._cell
    result._given_tangent = (result._value, tangent)
    return result


def _dual_of(value: Any, trace: Any) -> Any:
    """The dual value of this level, if it is one."""
    return value if type(value) is DualTracer and value.owner is trace else None


def unpack_dual(tensor: Any, *, level: int | None = None) -> UnpackedDualTensor:
    """Primal and tangent of a dual tensor."""
    trace = _open(level, "unpack_dual")
    dual = None if trace is None else _dual_of(tensor._value, trace)
    if dual is None:
        return UnpackedDualTensor(tensor, None)
    primal = outgoing(dual.value, tensor)
    primal._cell = tensor._cell
    given = tensor._given_tangent
    if given is not None and given[0] is dual:
        return UnpackedDualTensor(primal, given[1])
    return UnpackedDualTensor(primal, outgoing(dual.tangent, tensor))

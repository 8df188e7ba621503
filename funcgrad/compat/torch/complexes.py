"""Complex numbers: parts, conjugates, polar form, views as pairs of reals."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.outputs import require_tensor, unary, with_out
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.compat.torch.unlisted import unlisted
from funcgrad.core.tracer import Tracer
from funcgrad.transforms.stop_gradient import stop_gradient

__all__ = ["complex_", "imag", "polar", "real", "view_as_complex", "view_as_real"]

_COMPLEX = {4: np.complex64, 8: np.complex128, 2: np.complex64}


# --- values; each map is linear, so its own derivative -----------------------------------------


def _joined(x: Any, y: Any) -> Any:
    """X + iy, also of infinities."""
    out = np.empty(x.shape, _COMPLEX[x.dtype.itemsize])
    out.real, out.imag = x, y
    return out[()]


def _pairs(z: Any) -> Any:
    """A view of complex numbers as pairs along a new last axis.

    Raises:
        RuntimeError: for the element numbers by which an in-place write finds its places.
    """
    if z.dtype.kind != "c":
        raise RuntimeError(
            "view_as_real: a tensor was written in place through its view as pairs of reals. Such "
            "a write has first derivatives only, outside torch.func. Build the new tensor with "
            "torch.complex or torch.view_as_complex instead."
        )
    if not isinstance(z, np.ndarray):
        return np.array([z.real, z.imag])
    step = z.dtype.itemsize // 2
    return np.lib.stride_tricks.as_strided(
        z.real, (*z.shape, 2), (*z.strides, step), writeable=z.flags.writeable
    )


def _of_pairs(x: Any) -> Any:
    """A view of pairs along the last axis as complex numbers."""
    if x.dtype.kind != "f":
        raise RuntimeError(
            "view_as_complex: a tensor was written in place through its view as complex numbers. "
            "Such a write has first derivatives only, outside torch.func. Build the new tensor "
            "with torch.stack or torch.view_as_real instead."
        )
    if x.dtype == np.float16:
        return _joined(x[..., 0], x[..., 1])
    return x.view(_COMPLEX[x.dtype.itemsize])[..., 0]


joined: Callable[..., Any] = unlisted(
    "complex_of_parts",
    _joined,
    lambda _z, _x, _y, s, t: joined(s, t),
    transpose=lambda ct: (fnp.real(ct), -fnp.imag(ct)),
)
as_pairs: Callable[..., Any] = unlisted(
    "view_as_real",
    _pairs,
    lambda _x, _z, t: as_pairs(t),
    transpose=lambda ct: (joined(ct[..., 0], -ct[..., 1]),),
    leading=True,
)
from_pairs: Callable[..., Any] = unlisted(
    "view_as_complex",
    _of_pairs,
    lambda _z, _x, t: from_pairs(t),
    transpose=lambda ct: (fnp.stack((fnp.real(ct), -fnp.imag(ct)), -1),),
    leading=True,
)
# The pairing of a cotangent with a tangent is Re Σ ct · t: so i t has the transpose -Im ct.


def _complex(x: Any, y: Any) -> Any:
    """X + iy of operands that are broadcast first, as the map itself takes equal shapes."""
    return joined(*fnp.broadcast_arrays(x, y))


def _angle(x: Any) -> Any:
    if x.dtype.kind == "c":
        return fnp.angle(x)
    plain = stop_gradient(x)
    turned = fnp.where(plain < 0, plain.dtype.type(math.pi), plain.dtype.type(0))
    return fnp.where(fnp.isnan(plain), plain, turned)


# --- operations -------------------------------------------------------------------------------

pairs_op = Op("ViewAsRealBackward0", as_pairs, linear=True, view=True)
complexes_op = Op("ViewAsComplexBackward0", from_pairs, linear=True, view=True)
real_op = Op("SelectBackward0", lambda x: x[..., 0], linear=True, view=True)
imag_op = Op("SelectBackward0", lambda x: x[..., 1], linear=True, view=True)
conj_op = Op("ConjBackward0", fnp.conjugate, linear=True)
conj_physical_op = Op("ConjPhysicalBackward0", fnp.conjugate, linear=True)
complex_op = Op("ComplexBackward0", _complex, linear=True)
polar_op = Op(
    "PolarBackward0",
    lambda r, phi: _complex(r * fnp.cos(phi), r * fnp.sin(phi)),
    copies=True,
)
angle_op = Op("AngleBackward0", _angle, promote="float")


def view_as_real(input: Any) -> Any:
    """A view of a complex tensor as pairs (real part, imaginary part) along a new last axis."""
    require_tensor("view_as_real", input)
    if not input.dtype.is_complex:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    if not isinstance(input._value, Tracer):
        input._array()
    return pairs_op(input)


def view_as_complex(input: Any) -> Any:
    """A view of pairs along the last axis as complex numbers."""
    require_tensor("view_as_complex", input)
    if input.dtype.name not in ("float32", "float64", "float16"):
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors, but got a "
            f"tensor of scalar type: {input.dtype.legacy}"
        )
    if not input._value.ndim:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if input._value.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    if not isinstance(input._value, Tracer) and input._value.strides[-1] != input.itemsize:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    return complexes_op(input)


def real(input: Any) -> Any:
    """The real part, as a view; a real tensor itself."""
    require_tensor("real", input)
    return real_op(view_as_real(input)) if input.dtype.is_complex else input


def imag(input: Any) -> Any:
    """The imaginary part, as a view."""
    require_tensor("imag", input)
    if not input.dtype.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return imag_op(view_as_real(input))


def conj(input: Any) -> Any:
    """The complex conjugate; a real tensor itself."""
    require_tensor("conj", input)
    return conj_op(input) if input.dtype.is_complex else input


def conj_physical(input: Any) -> Any:
    """The complex conjugate in memory of its own; a real tensor itself."""
    require_tensor("conj_physical", input)
    return conj_physical_op(input) if input.dtype.is_complex else input


def _resolved(input: Any) -> Any:
    """The tensor itself: conjugates and negatives are always computed at once here."""
    return input


def is_conj(input: Any) -> bool:
    """Always false: conjugates are computed at once."""
    return False


def _check_parts(x: Any, y: Any) -> None:
    names = ("float16", "float32", "float64")
    if x.dtype.name not in names or y.dtype.name not in names:
        raise RuntimeError(
            "Expected both inputs to be Half, Float or Double tensors but got "
            f"{x.dtype.legacy} and {y.dtype.legacy}"
        )
    if x.dtype is not y.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {x.dtype.legacy} but got scalar type "
            f"{y.dtype.legacy} for second argument"
        )


def complex_(real: Any, imag: Any) -> Any:
    """real + i imag."""
    require_tensor("complex", real, "real")
    require_tensor("complex", imag, "imag", 2)
    _check_parts(real, imag)
    return complex_op(real, imag)


def polar(abs: Any, angle: Any) -> Any:
    """abs · (cos angle + i sin angle)."""
    require_tensor("polar", abs, "abs")
    require_tensor("polar", angle, "angle", 2)
    _check_parts(abs, angle)
    return polar_op(abs, angle)


def _set_part(number: int) -> Any:
    def write(self: Any, value: Any) -> None:
        part = (imag if number else real)(self)
        part[...] = value

    return write


expose("view_as_real", view_as_real, method=False)
expose("view_as_complex", view_as_complex, method=False)
expose("real", real, method=False)
expose("imag", imag, method=False)
Tensor.real = property(real, _set_part(0))  # type: ignore[attr-defined]  # entered here
Tensor.imag = property(imag, _set_part(1))  # type: ignore[attr-defined]  # as above
expose("conj", conj)
expose("conj_physical", with_out(conj_physical), inplace=True)
expose(("resolve_conj", "resolve_neg"), _resolved)
expose(("is_conj", "is_neg"), is_conj)
expose(
    "angle", unary("angle", angle_op, "The angle in the complex plane; 0 or π of a real number.")
)
expose("complex", with_out(complex_, "complex"), method=False)
expose("polar", with_out(polar), method=False)

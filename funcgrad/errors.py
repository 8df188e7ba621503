"""Every exception of funcgrad, one class per mistake.

Each docstring shows a failing program and the same program mended. Every class derives from
`FuncgradError` and from the built-in exception that Python users would expect.
"""

import sys
from types import FrameType

__all__ = [
    "ArgumentSelectionError",
    "BatchSizeError",
    "BatchedValueError",
    "CallableError",
    "CapturedTracerError",
    "CotangentError",
    "CustomRuleError",
    "DisconnectedError",
    "DisconnectedWarning",
    "DroppedDerivativeError",
    "FuncgradError",
    "InputDtypeError",
    "LeakedTracerError",
    "MutatedArrayError",
    "NonLinearError",
    "NonScalarOutputError",
    "ObjectArrayError",
    "OutputDtypeError",
    "PytreeError",
    "TangentError",
    "TracerArrayConversionError",
    "TracerAssignmentError",
    "UnsupportedFunctionError",
    "user_line",
]


class FuncgradError(Exception):
    """Base class of every error that funcgrad raises on purpose."""


class ArgumentSelectionError(FuncgradError, ValueError):
    """`argnums` or `argnames` select an argument that the call does not have.

    Fails: `grad(f, argnums=2)(x, y)`. Mended: `grad(f, argnums=1)(x, y)`.
    """


class BatchSizeError(FuncgradError, ValueError):
    """The mapped axes of a `vmap` have different sizes, or there is no axis to map.

    Fails: `vmap(f)(np.ones(3), np.ones(4))`.
    Mended: `vmap(f, in_axes=(0, None))(np.ones(3), np.ones(4))`.
    """


class BatchedValueError(FuncgradError, TypeError):
    """Python asked for one plain value of something that differs along a `vmap` axis.

    Fails: `vmap(lambda x: x if x > 0 else 0.0)(xs)`.
    Mended: `vmap(lambda x: np.where(x > 0, x, 0.0))(xs)`.
    """


class CapturedTracerError(FuncgradError, TypeError):
    """A function that must be given its traced values reached one through its closure.

    Fails: `f = custom_jvp(lambda x: x * w)` inside `grad(lambda w: f(w))`.
    Mended: `f = custom_jvp(lambda x, w: x * w)`, called as `f(w, w)`.
    """


class CallableError(FuncgradError, TypeError):
    """A transform was given a value in place of a function.

    Fails: `grad(f(x))`. Mended: `grad(f)(x)`.
    """


class CotangentError(FuncgradError, ValueError, TypeError):
    """A cotangent does not fit the output it belongs to (structure, shape or dtype).

    Fails: `vjp(np.sin, np.ones(3))[1](np.ones(4))`.
    Mended: `vjp(np.sin, np.ones(3))[1](np.ones(3))`.
    """


class CustomRuleError(FuncgradError, TypeError):
    """A user's derivative rule is missing, or returned something of the wrong structure.

    Fails: a `bwd` that returns one cotangent for a function of two arguments.
    Mended: `bwd` returns a tuple with one cotangent (or None, for zero) per argument.
    """


class DisconnectedError(FuncgradError, ValueError):
    """With `disconnected="error"`: an argument has no influence, or a cast to integers cut it off.

    Fails: `grad(lambda x: np.sum(table[x.astype(int)]), disconnected="error")(x)`.
    Mended: `grad(lambda x: np.interp(x, grid, table).sum(), disconnected="error")(x)`.
    """


class DisconnectedWarning(UserWarning):
    """With `disconnected="warn"`: what `DisconnectedError` says, as a warning."""


class DroppedDerivativeError(FuncgradError, TypeError):
    """A conversion to a plain Python number would lose the derivative without a word.

    Fails: `grad(lambda x: math.sin(x) * x)(1.0)`.
    Mended: `grad(lambda x: np.sin(x) * x)(1.0)`; or `float(stop_gradient(x))` where the
    derivative is not wanted.
    """


class InputDtypeError(FuncgradError, TypeError):
    """An argument to be differentiated is not a real or complex floating-point array.

    Fails: `grad(f)(3)`. Mended: `grad(f)(3.0)`.
    """


class LeakedTracerError(FuncgradError, RuntimeError):
    """A traced value was used after the transform that made it had returned.

    Fails: `kept = []; grad(lambda x: kept.append(x) or x * x)(1.0); kept[0] + 1`.
    Mended: return the value: `grad(lambda x: (x * x, x), has_aux=True)(1.0)`.
    """


class MutatedArrayError(FuncgradError, RuntimeError):
    """An array was changed in place between its use and the gradient that needs it.

    Fails: `y, pull = vjp(lambda x: x * big, x); big += 1; pull(ct)`.
    Mended: make a new array, `big = big + 1`, or pass `big.copy()`.
    """


class NonLinearError(FuncgradError, TypeError):
    """A function given to `linear_transpose` is not linear in its arguments.

    Fails: `linear_transpose(np.sin, x)`. Mended: `vjp(np.sin, x)`.
    """


class NonScalarOutputError(FuncgradError, TypeError):
    """`grad` was given a function whose result is not one scalar.

    Fails: `grad(np.sin)(np.ones(3))`.
    Mended: `grad(lambda x: np.sin(x).sum())(np.ones(3))`, or `jacrev(np.sin)(np.ones(3))`.
    """


class ObjectArrayError(FuncgradError, TypeError):
    """An array of dtype object, or a traced value about to be put into one.

    Fails: `np.add(np.array([None, 1.0]), x)` for a traced `x`.
    Mended: use numeric arrays; collect traced values with `np.stack([...])`.
    """


class OutputDtypeError(FuncgradError, TypeError):
    """The result of a function is not of a dtype that the transform can differentiate.

    Fails: `grad(lambda z: z * z)(1j)`. Mended: `grad(lambda z: z * z, holomorphic=True)(1j)`.
    """


class PytreeError(FuncgradError, ValueError):
    """Two pytrees that must fit together do not; the message names the key path."""


class TangentError(FuncgradError, ValueError, TypeError):
    """A tangent does not fit its primal (structure, shape or dtype).

    Fails: `jvp(np.sin, (np.ones(3),), (np.ones(4),))`.
    Mended: `jvp(np.sin, (np.ones(3),), (np.ones(3),))`.
    """


class TracerArrayConversionError(FuncgradError, TypeError):
    """NumPy tried to turn a traced value into a plain array.

    Fails: `np.array([x[0], x[1]])` or `np.asarray(x)` for a traced `x`.
    Mended: `np.stack([x[0], x[1]])`; `funcgrad.numpy.asarray(x)`.
    """


class TracerAssignmentError(FuncgradError, TypeError):
    """Something tried to change a traced value, or a view of one, in place.

    Fails: `x[0] = 1.0` for a traced `x`. Mended: `x = x.at[0].set(1.0)`.
    """


class UnsupportedFunctionError(FuncgradError, TypeError):
    """A NumPy function, or one of its options, that cannot be used on traced values.

    Fails: `np.fill_diagonal(x, 0.0)` for a traced `x`.
    Mended: the message names what to use instead.
    """


def _outside(frame: FrameType | None) -> FrameType | None:
    """First frame that belongs neither to funcgrad nor to NumPy."""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.split(".", 1)[0] not in ("funcgrad", "numpy"):
            return frame
        frame = frame.f_back
    return None


def user_line() -> str:
    """`file:line` of the innermost caller outside funcgrad and NumPy, for error messages.

    Returns:
        Text such as `model.py:12, in loss`, or `an unknown line`.
    """
    frame = _outside(sys._getframe(1))
    if frame is None:
        return "an unknown line"
    code = frame.f_code
    return f"{code.co_filename}:{frame.f_lineno}, in {code.co_name}"

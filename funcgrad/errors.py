"""Every exception of funcgrad, one class per mistake.

Each docstring shows a failing program and the same program mended. Every class derives from
`FuncgradError` and from the built-in exception that Python users would expect.
"""

import sys
import warnings
from types import FrameType

__all__ = [
    "ArgumentSelectionError",
    "BatchSizeError",
    "BatchedValueError",
    "BranchError",
    "BudgetError",
    "CallableError",
    "CallbackError",
    "CapturedTracerError",
    "CarryError",
    "ControlFlowError",
    "CotangentError",
    "CustomRuleError",
    "DefectiveMatrixError",
    "DisconnectedError",
    "DisconnectedWarning",
    "DrawError",
    "DroppedDerivativeError",
    "ExportError",
    "FuncgradError",
    "GaugeError",
    "GuardError",
    "InputDtypeError",
    "LeakedTracerError",
    "MultipleRootError",
    "MutatedArrayError",
    "NonLinearError",
    "NonScalarOutputError",
    "ObjectArrayError",
    "OutputDtypeError",
    "PathLimitWarning",
    "PytreeError",
    "RandomKeyError",
    "RandomnessError",
    "SideEffectWarning",
    "SparsityError",
    "StaticArgumentError",
    "TangentError",
    "TracerArrayConversionError",
    "TracerAssignmentError",
    "UnboundAxisError",
    "UnknownValueError",
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


class BranchError(FuncgradError, TypeError):
    """The branches of a `cond` or `switch` return different structures, shapes or dtypes.

    Fails: `vmap(lambda x: cond(x > 0, lambda: x, lambda: np.zeros(2)))(xs)`.
    Mended: `vmap(lambda x: cond(x > 0, lambda: x, lambda: np.zeros(())))(xs)`.
    """


class BudgetError(FuncgradError, ValueError):
    """No plan of recomputation stays inside the memory budget, or it is none.

    Fails: `checkpoint(f, budget="1kB")` in a gradient by a large array.
    Mended: the least possible budget, which the message names.
    """


class CapturedTracerError(FuncgradError, TypeError):
    """A function that must be given its traced values reached one through its closure.

    Fails: `f = custom_jvp(lambda x: x * w)` inside `grad(lambda w: f(w))`.
    Mended: `f = custom_jvp(lambda x, w: x * w)`, called as `f(w, w)`.

    A branch of a `cond` under `vmap` may have a closure, but must not read what differs between
    examples from a global variable or an attribute: `cond(p, f, g, x)` in place of
    `cond(p, model.f, model.g)`.
    """


class CallableError(FuncgradError, TypeError):
    """A transform was given a value in place of a function.

    Fails: `grad(f(x))`. Mended: `grad(f)(x)`.
    """


class CallbackError(FuncgradError, TypeError):
    """A `pure_callback` returned what was not announced, or is to be differentiated or mapped.

    Fails: `grad(lambda x: pure_callback(math.sin, x, x))(1.0)`.
    Mended: `grad(lambda x: pure_callback(math.sin, x, x, jvp=rule))(1.0)`, with
    `rule = lambda primals, tangents: (np.sin(primals[0]), np.cos(primals[0]) * tangents[0])`.
    """


class CarryError(FuncgradError, TypeError):
    """The body of a loop returned a carry of another structure, shape or dtype than it was given.

    Fails: `fori_loop(0, 3, lambda i, x: x / 2, 1)`: the integer becomes a float.
    Mended: `fori_loop(0, 3, lambda i, x: x / 2, 1.0)`.
    """


class ControlFlowError(FuncgradError, ValueError, TypeError):
    """An argument of a loop or branch, or what one of its functions returned, is of no use there.

    Fails: `scan(lambda carry, x: carry + x, 0.0, xs)`: the body must return a pair.
    Mended: `scan(lambda carry, x: (carry + x, None), 0.0, xs)`.
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


class DefectiveMatrixError(FuncgradError, ValueError):
    """A matrix without a basis of eigenvectors, whose eigenvalues have no derivative.

    Fails: `grad(lambda a: np.linalg.eigvals(a).real.max())(np.array([[1.0, 1.0], [0.0, 1.0]]))`.
    Mended: a smooth function of the matrix itself, such as `np.trace(a @ a)` for Σ λ².
    """


class DisconnectedError(FuncgradError, ValueError):
    """With `disconnected="error"`: an argument has no influence, or a cast to integers cut it off.

    Fails: `grad(lambda x: np.sum(table[x.astype(int)]), disconnected="error")(x)`.
    Mended: `grad(lambda x: np.interp(x, grid, table).sum(), disconnected="error")(x)`.
    """


class DisconnectedWarning(UserWarning):
    """With `disconnected="warn"`: what `DisconnectedError` says, as a warning."""


class DrawError(FuncgradError, ValueError):
    """A function of `funcgrad.random` was given parameters with which nothing can be drawn.

    Fails: `random.choice(key, 3, (5,), replace=False)`.
    Mended: `random.choice(key, 5, (3,), replace=False)`.
    """


class DroppedDerivativeError(FuncgradError, TypeError):
    """A conversion to a plain Python number would lose the derivative without a word.

    Fails: `grad(lambda x: math.sin(x) * x)(1.0)`.
    Mended: `grad(lambda x: np.sin(x) * x)(1.0)`; or `float(stop_gradient(x))` where the
    derivative is not wanted.
    """


class ExportError(FuncgradError, ValueError, TypeError):
    """A function cannot be written as a module of its own, which needs NumPy alone.

    Fails: `to_source(lambda x: pure_callback(np.sin, x, x), 1.0)`.
    Mended: `to_source(lambda x: np.sin(x), 1.0)`.
    """


class GaugeError(FuncgradError, ValueError):
    """A derivative that depends on an arbitrary choice of eigenvectors or singular vectors.

    Fails: `grad(lambda a: np.linalg.eigh(a)[1][1, 0])(np.eye(2))`.
    Mended: a function that is the same for each choice, such as a projector on all vectors of
    equal eigenvalues, or a matrix whose eigenvalues are distinct.
    """


class GuardError(FuncgradError, ValueError):
    """A program was given values for which the recorded function takes another path.

    Fails: `make_program(lambda x: x if x > 0 else -x)(1.0)(-1.0)`.
    Mended: `make_program(lambda x: np.where(x > 0, x, -x))(1.0)(-1.0)`.
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


class MultipleRootError(FuncgradError, ValueError):
    """The derivative of the roots of a polynomial was asked for where some of them are equal.

    Fails: `jacrev(lambda p: np.roots(p).real)(np.array([1.0, -2.0, 1.0]))`.
    Mended: `jacrev(lambda p: np.roots(p).real)(np.array([1.0, -2.0, 0.9]))`.
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


class SideEffectWarning(UserWarning):
    """A jitted function assigns to a name or attribute outside, which happens in recordings only.

    Warns: `fg.jit(f)` where f has `global count; count += 1`.
    Mended: `return y, count + 1`, with the count as an argument and a result.
    """


class PathLimitWarning(UserWarning):
    """A jitted function has taken too many paths, or reads names that are bound ever anew.

    After too many paths it runs without compilation. Names are compared at each call, and when one
    is bound to another object, the function is recorded again.

    Warns: `fg.jit(lambda x: x[: int(x[0])].sum())`, called with ever new values of `x[0]`.
    Mended: `fg.jit(f, static_argnums=1)` for a length that is an argument.
    """


class SparsityError(FuncgradError, ValueError):
    """A sparse derivative is asked for whose structure is not the one it was planned with.

    Failing: `sparse_jacobian(np.cumsum, structure=np.eye(3))(x)`
    Mended: `sparse_jacobian(np.cumsum)(x)`, which finds the structure by itself
    """


class StaticArgumentError(FuncgradError, TypeError, ValueError):
    """An argument of a jitted function is no array, number or static value that can be compared.

    Fails: `fg.jit(f)(x, "mean")`.
    Mended: `fg.jit(f, static_argnums=1)(x, "mean")`.
    """


class PytreeError(FuncgradError, ValueError):
    """Two pytrees that must fit together do not; the message names the key path."""


class RandomKeyError(FuncgradError, TypeError, ValueError):
    """Something else was passed where `funcgrad.random` takes a key.

    Fails: `random.normal(0, (3,))`. Mended: `random.normal(random.key(0), (3,))`.
    """


class RandomnessError(FuncgradError, ValueError):
    """A compiled function drew from a generator of NumPy's or Python's.

    Its program would repeat the numbers of the first call.

    Fails: `jit(lambda x: x + np.random.normal())(1.0)`.
    Mended: `jit(lambda key, x: x + random.normal(key))(random.key(0), 1.0)`.
    """


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


class UnboundAxisError(FuncgradError, NameError, ValueError):
    """A collective names an axis that no `vmap` around it has.

    Fails: `vmap(lambda x: psum(x, "i"))(xs)`. Mended: `vmap(lambda x: psum(x, "i"),
    axis_name="i")(xs)`.
    """


class UnknownValueError(FuncgradError, TypeError):
    """A value was asked for where only shapes and dtypes are computed.

    Fails: `eval_shape(lambda x: x[x > 0], x)`.
    Mended: `eval_shape(lambda x: np.where(x > 0, x, 0.0), x)`.
    """


class UnsupportedFunctionError(FuncgradError, TypeError):
    """A NumPy function, or one of its options, that cannot be used on traced values.

    Fails: `np.fill_diagonal(x, 0.0)` for a traced `x`.
    Mended: the message names what to use instead.
    """


def outside(frame: FrameType | None) -> FrameType | None:
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
    frame = outside(sys._getframe(1))
    if frame is None:
        return "an unknown line"
    code = frame.f_code
    return f"{code.co_filename}:{frame.f_lineno}, in {code.co_name}"


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn at the innermost line outside funcgrad and NumPy."""
    frame = outside(sys._getframe(1))
    if frame is None:
        warnings.warn(message, category, stacklevel=2)
        return
    place = frame.f_globals.setdefault("__warningregistry__", {})
    module = frame.f_globals.get("__name__", "<string>")
    name, line = frame.f_code.co_filename, frame.f_lineno
    warnings.warn_explicit(message, category, name, line, module, place)

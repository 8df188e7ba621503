"""Calls of code that funcgrad cannot look into: pure_callback."""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from funcgrad import tree
from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import bind
from funcgrad.errors import CallbackError
from funcgrad.families.shapes import in_front, shape_of
from funcgrad.interpreters.outline import zeros_of
from funcgrad.transforms.arguments import check_callable, function_name, result_dtype
from funcgrad.transforms.carry import array_leaf, sealed
from funcgrad.transforms.custom import custom_rule
from funcgrad.transforms.shapes import ShapeDtypeStruct

__all__ = ["pure_callback"]

METHODS = (None, "sequential", "expand_dims", "broadcast_all")


def pure_callback(
    callback: Callable[..., Any],
    result_shape_dtypes: Any,
    *args: Any,
    vmap_method: str | None = None,
    jvp: Callable[..., Any] | None = None,
    vjp: tuple[Callable[..., Any], Callable[..., Any]] | None = None,
    **kwargs: Any,
) -> Any:
    """Call code that is not made of NumPy functions: y = callback(x), on plain arrays.

    The function may be anything that returns the same for the same arguments: SciPy, Numba, C. It
    is given plain read-only arrays inside of every transform. What shapes its results have must be
    announced, and its derivative is what the caller says it is.

    Args:
        callback: function of plain arrays in pytrees.
        result_shape_dtypes: for each result something with a `shape` and a `dtype`, such as
            `ShapeDtypeStruct` or an array, in a pytree like the result; under `vmap`, of one
            example.
        *args: pytrees of arrays.
        vmap_method: how `vmap` calls it: `"sequential"`, once for each example; `"expand_dims"`,
            once, with the mapped axis in front of all arguments, of length 1 where they are the
            same for all examples; `"broadcast_all"`, once, with the mapped axis in front of all
            arguments, repeated where they are the same. `None` refuses.
        jvp: forward rule, as of `custom_rule`: `(primals, tangents) -> (result, its tangent)`, with
            tuples of the arguments; the tangent must be linear in the tangents.
        vjp: reverse rule, as of `custom_rule`: the pair `(fwd, bwd)`.
        **kwargs: passed on as they are.

    Returns:
        What the callback returns, as NumPy arrays and scalars.

    Raises:
        CallbackError: if the results are not what was announced, in a derivative without a rule, or
            under `vmap` without a method.

    Example:
        >>> import math
        >>> import funcgrad as fg, numpy as np
        >>> def sine(x):
        ...     return fg.pure_callback(
        ...         math.sin,
        ...         x,
        ...         x,
        ...         vmap_method="sequential",
        ...         jvp=lambda primals, dots: (sine(*primals), np.cos(primals[0]) * dots[0]),
        ...     )
        >>> fg.vmap(fg.grad(sine))(np.array([0.0, math.pi]))
        array([ 1., -1.])
    """
    check_callable("pure_callback", callback, "callback")
    if vmap_method not in METHODS:
        raise CallbackError(
            f"pure_callback: vmap_method={vmap_method!r}. It says how vmap calls "
            f"{function_name(callback)}. Choose one of {', '.join(map(repr, METHODS))}."
        )
    specs, out_structure = tree.flatten(result_shape_dtypes)
    outs = []
    for path, spec in zip(out_structure.paths(), specs, strict=True):
        if not (hasattr(spec, "shape") and hasattr(spec, "dtype")):
            place = f"result_shape_dtypes{tree.keystr(path)}"
            array_leaf("pure_callback", place, spec)
        outs.append(ShapeDtypeStruct(shape_of(spec), result_dtype(spec)))

    def called(*given: Any) -> Any:
        leaves, structure = tree.flatten(given)
        for path, leaf in zip(structure.paths(), leaves, strict=True):
            place = f"argument {path[0].idx}{tree.keystr(path[1:])}"
            array_leaf("pure_callback", place, leaf)
        call = CallbackCall(callback, kwargs, structure, (tuple(outs), out_structure), vmap_method)
        found = bind(callback_p, *leaves, call=call)
        return tree.unflatten(out_structure, found)

    if jvp is None and vjp is None:
        return called(*args)
    called.__name__ = function_name(callback)
    return custom_rule(called, jvp=jvp, vjp=vjp)(*args)


class CallbackCall:
    """One call: what to call, and what it returns; the parameter of the primitive.

    Attributes:
        outs: shapes and dtypes of the results for one example.
        sizes: of the batches around, the outermost first, and for each the arguments that have its
            axis in front.
    """

    __slots__ = ("callback", "kwargs", "method", "out_structure", "outs", "sizes", "structure")

    def __init__(
        self,
        callback: Callable[..., Any],
        kwargs: dict[str, Any],
        structure: tree.Structure,
        result: tuple[tuple[ShapeDtypeStruct, ...], tree.Structure],
        method: str | None,
        sizes: tuple[tuple[int, tuple[bool, ...]], ...] = (),
    ) -> None:
        self.callback = callback
        self.kwargs = kwargs
        self.structure = structure
        self.outs, self.out_structure = result
        self.method = method
        self.sizes = sizes

    def _identity(self) -> Any:
        return (self.callback, self.structure, self.out_structure, self.outs, self.method)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, CallbackCall)
            and self._identity() == other._identity()
            and self.sizes == other.sizes
            and (self.kwargs is other.kwargs or not (self.kwargs or other.kwargs))
        )

    def __hash__(self) -> int:
        return hash((*self._identity(), self.sizes))

    def __repr__(self) -> str:
        return f"<{function_name(self.callback)}>"

    def batched(self, size: int, flags: tuple[bool, ...]) -> "CallbackCall":
        """The call for all examples of a batch."""
        if self.method is None:
            raise CallbackError(
                f"vmap: {function_name(self.callback)} is called by pure_callback with an argument "
                "that differs between the examples. How to call it for all of them is not known. "
                'Pass vmap_method="sequential" (once an example), or "expand_dims" or '
                '"broadcast_all" if it computes many examples at once.'
            )
        return CallbackCall(
            self.callback,
            self.kwargs,
            self.structure,
            (self.outs, self.out_structure),
            self.method,
            ((size, flags), *self.sizes),
        )

    def zeros(self) -> tuple[Any, ...]:
        """What the results are like."""
        return tuple(zeros_of(shape, out.dtype) for shape, out in self._expected())

    def _expected(self) -> list[tuple[tuple[int, ...], ShapeDtypeStruct]]:
        lead = tuple(size for size, _ in self.sizes)
        return [((*lead, *out.shape), out) for out in self.outs]

    def __call__(self, *leaves: Any) -> tuple[Any, ...]:
        """Results for plain arrays."""
        if self.sizes and self.method == "sequential":
            (size, flags), rest = self.sizes[0], self.sizes[1:]
            inner = CallbackCall(
                self.callback,
                self.kwargs,
                self.structure,
                (self.outs, self.out_structure),
                self.method,
                rest,
            )
            rows = [
                inner(*(x[i] if flag else x for x, flag in zip(leaves, flags, strict=True)))
                for i in range(size)
            ]
            if not rows:
                return tuple(np.zeros(shape, out.dtype) for shape, out in self._expected())
            return tuple(np.stack(column) for column in zip(*rows, strict=True))
        given = tree.unflatten(self.structure, map(sealed, self._aligned(leaves)))
        return self._checked(self.callback(*given, **self.kwargs))

    def _aligned(self, leaves: Sequence[Any]) -> list[Any]:
        """Arguments with all batch axes in front, of length 1 or of the batch."""
        aligned = list(leaves)
        for depth, (size, flags) in enumerate(self.sizes):
            repeat = self.method == "broadcast_all"
            for number, flag in enumerate(flags):
                if not flag:
                    x = np.expand_dims(aligned[number], depth)
                    shape = x.shape
                    full = (*shape[:depth], size, *shape[depth + 1 :])
                    aligned[number] = np.broadcast_to(x, full) if repeat else x
        return aligned

    def _checked(self, found: Any) -> tuple[Any, ...]:
        leaves, structure = tree.flatten(found)
        name = function_name(self.callback)
        if structure != self.out_structure:
            raise CallbackError(
                f"pure_callback: {name} returned another structure than was announced: "
                f"{tree.difference(self.out_structure, structure)}. What follows is computed for "
                "what was announced. Mend result_shape_dtypes, or what it returns."
            )
        checked = []
        paths = structure.paths()
        for path, leaf, (shape, out) in zip(paths, leaves, self._expected(), strict=True):
            array = np.asarray(leaf)
            exact = hasattr(leaf, "dtype")
            fits = array.dtype == out.dtype or (
                not exact and np.can_cast(array.dtype, out.dtype, "same_kind")
            )
            if array.shape != shape or not fits:
                raise CallbackError(
                    f"pure_callback: {name} returned dtype {array.dtype} and shape {array.shape} "
                    f"as result{tree.keystr(path)}, but dtype {out.dtype} and shape {shape} were "
                    "announced. What follows is computed for what was announced. Mend "
                    "result_shape_dtypes, or what it returns."
                )
            array = array.astype(out.dtype, copy=False)
            checked.append(array if shape else array[()])
        return tuple(checked)


def _value(*leaves: Any, call: CallbackCall) -> tuple[Any, ...]:
    return call(*leaves)


def _refuse(call: CallbackCall) -> NoReturn:
    raise CallbackError(
        f"pure_callback: {function_name(call.callback)} is to be differentiated. Nothing is known "
        "of its derivative. Pass pure_callback(..., jvp=rule) or vjp=(fwd, bwd), call it inside of "
        "a custom_jvp function, or pass stop_gradient(x) if no derivative is wanted."
    )


def _jvp(_out: Any, _args: Any, _dots: Any, params: dict[str, Any]) -> Any:
    call = params["call"]
    if any(out.dtype.kind in "fc" for out in call.outs):
        _refuse(call)
    return tuple(None for _ in call.outs)


def _vjp(_out: Any, _args: Any, _active: Any, params: dict[str, Any]) -> tuple[Any, Any]:
    call = params["call"]
    if any(out.dtype.kind in "fc" for out in call.outs):
        _refuse(call)
    return None, None


def _batch(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    call = params["call"].batched(size, tuple(batched))
    found = bind(callback_p, *values, call=call)
    return tuple(in_front(size, out, batched=True) for out in found)


callback_p = Primitive(
    name="pure_callback",
    value=_value,
    family="callback",
    jvp=_jvp,
    vjp=_vjp,
    batch=_batch,
    analytic=False,
)

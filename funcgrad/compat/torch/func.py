"""`torch.func`: the functional transforms of the core, on what tensors hold.

A transform takes its arguments apart into values, runs the core's transform on a function of those,
and gives the results back as tensors of the level around it. So transforms nest in any order, and a
tensor from outside that requires grad keeps its graph.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.compat.torch.autograd_core import conjugated
from funcgrad.compat.torch.inplace import check_writable, overwrite
from funcgrad.compat.torch.levels import Watch, incoming, outgoing, recording, watching
from funcgrad.compat.torch.pytrees import flatten, unflatten
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.tensor import Tensor, holder
from funcgrad.core.tracer import Tracer
from funcgrad.interpreters.dual import DualTracer
from funcgrad.interpreters.record import RecordTracer
from funcgrad.transforms import autodiff, forward, linear

__all__ = ["Flat", "chosen", "grad", "grad_and_value", "jvp", "linearize", "vjp"]

FLOAT_ONLY = "only Tensors of floating point dtype can require gradients"


class Flat:
    """A function of tensors as one of the list of their values.

    Attributes:
        function: the user's.
        args: all its arguments; those that are differentiated are replaced.
        numbers: positions of these.
        structure: of the tuple of these.
        likes: their leaves, tensors.
        pair: whether it returns `(output, aux)`.
        check: what to do with the output before it is taken apart.
        out: structure of the output, once it has run.
        out_likes: leaves of the output.
        writes_back: whether writes into the arguments reach the tensors that were given.
        errors: of NumPy's arithmetic, as the user has set them; sweeps say nothing.
        aux: structure of aux, and its leaves, where a tensor's value comes back from the core.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: dict[str, Any],
        numbers: Sequence[int],
        *,
        pair: bool,
        check: Callable[[Any], None],
        pair_error: str,
        reverse: bool = True,
    ) -> None:
        self.function = function
        self.args = list(args)
        self.kwargs = kwargs
        self.numbers = numbers
        self.likes, self.structure = flatten(tuple(args[number] for number in numbers))
        self.pair = pair
        self.check = check
        self.pair_error = pair_error
        self.reverse = reverse
        self.out = self.structure
        self.out_likes: list[Any] = []
        self.aux: Any = None
        self.independent = False
        self.writes_back = False
        self.errors = np.geterr()

    def values(self) -> list[Any]:
        """The values of the differentiated leaves, in the transform around this one."""
        for leaf in self.likes:
            if not isinstance(leaf, Tensor):
                raise ValueError(f"Thing passed to transform API must be Tensor, got {type(leaf)}")
            if leaf.dtype.category < 2:
                if self.reverse:
                    raise RuntimeError(FLOAT_ONLY)
                raise ValueError(
                    f"Expected primal to be floating point or complex, but got: {leaf.dtype}"
                )
        return [incoming(leaf) for leaf in self.likes]

    def __call__(self, values: list[Any]) -> tuple[list[Any], list[Any]]:
        """Results and aux as lists of values."""
        tensors = [holder(value, like) for value, like in zip(values, self.likes, strict=True)]
        args = list(self.args)
        for number, arg in zip(self.numbers, unflatten(self.structure, tensors), strict=True):
            args[number] = arg
        trace = next((v.owner for v in values if isinstance(v, RecordTracer | DualTracer)), None)
        state = recording(trace if self.reverse else None)
        with state, watching(trace) as watch, np.errstate(**self.errors):
            out = self.function(*args, **self.kwargs)
        aux_values: list[Any] = []
        if self.pair:
            if not isinstance(out, tuple) or len(out) != 2:
                raise RuntimeError(self.pair_error)
            out, aux = out
            leaves, structure = flatten(aux)
            self.aux = (structure, leaves)
            aux_values = [leaf._value for leaf in leaves if isinstance(leaf, Tensor)]
        try:
            self.check(out)
        except Exception:
            watch.undo()
            raise
        self.out_likes, self.out = flatten(out)
        results = [leaf._value for leaf in self.out_likes]
        self.independent = not any(
            isinstance(value, Tracer) and value.owner is trace for value in results
        )
        self._settle(watch)
        if self.writes_back:
            for tensor, value, like in zip(tensors, values, self.likes, strict=True):
                changed = isinstance(value, DualTracer) and tensor._cell[0] > 0
                _write_back(tensor._value, like, watch.trace, changed)
        return results, aux_values

    def _settle(self, watch: Watch) -> None:
        """Take back writes of traced values into tensors from outside.

        Arguments that are not differentiated keep the new values.

        Raises:
            RuntimeError: if such a tensor is no argument.
        """
        if not watch.entries:
            return
        returned = [*self.out_likes, *(self.aux[1] if self.aux is not None else ())]
        own = {id(x) for x in returned}
        own |= {id(x._base) for x in returned if isinstance(x, Tensor) and x._base is not None}
        given = {id(x) for x in flatten((self.args, self.kwargs))[0]}
        captured = False
        for tensor, value in watch.undo():
            if id(tensor) in given:
                _write_back(value, tensor, watch.trace, True)
            elif id(tensor) not in own:
                captured = True
        if captured:
            raise RuntimeError(CAPTURED)

    def result(self, values: Sequence[Any]) -> Any:
        """The output of the function, of its values."""
        return unflatten(self.out, [
            outgoing(value, like) for value, like in zip(values, self.out_likes, strict=True)
        ])  # fmt: skip

    def aux_of(self, values: Sequence[Any]) -> Any:
        """Aux, of the values of its tensors."""
        structure, leaves = self.aux
        rest = iter(values)
        return unflatten(structure, [
            outgoing(next(rest), leaf) if isinstance(leaf, Tensor) else leaf for leaf in leaves
        ])  # fmt: skip

    def arguments(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """One value a differentiated leaf, as tensors in the arguments' structures."""
        tensors = [outgoing(value, like) for value, like in zip(values, self.likes, strict=True)]
        return unflatten(self.structure, tensors)  # type: ignore[no-any-return]  # a tuple


CAPTURED = (
    "During a grad (vjp, jvp, grad, etc) transform, the function provided attempted to call "
    "in-place operation that would mutate a captured Tensor. This is not supported; please rewrite "
    "the function being transformed to explicitly accept the mutated Tensor(s) as inputs."
)


def _write_back(value: Any, outside: Tensor, trace: Any, changed: bool) -> None:
    """What a function has written into an argument, written into the tensor that was given."""
    if changed:
        inner = value.value if isinstance(value, Tracer) and value.owner is trace else value
        check_writable(outside)
        overwrite(outside, outgoing(inner, outside))


def chosen(argnums: Any, count: int) -> list[int]:
    """Positions of the arguments to differentiate by."""
    if not isinstance(argnums, int | tuple):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    numbers = (argnums,) if isinstance(argnums, int) else argnums
    if not numbers:
        raise RuntimeError("argnums must be non-empty")
    found = []
    for number in numbers:
        if not isinstance(number, int):
            raise RuntimeError(f"argnum must be int, got: {type(number)}")
        if not -count <= number < count:
            raise RuntimeError(f"Got argnum={number}, but only {count} positional inputs")
        found.append(number % count)
    if len(set(found)) != len(found):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return found


def pair_error(what: str) -> str:
    """The message for a function with aux that returns no pair."""
    return f"{what}: output of function f should be a tuple: (output, aux) if has_aux is True"


# --- reverse mode -----------------------------------------------------------------------------


def _check_scalar(out: Any) -> None:
    if not isinstance(out, Tensor):
        raise RuntimeError(
            f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(out)}"
        )
    if out.dim() != 0:
        raise RuntimeError(
            "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor "
            f"with {out.dim()} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
        )
    if out.dtype.is_complex:
        raise RuntimeError(
            f"grad can be implicitly created only for real scalar outputs but got {out.dtype}"
        )


def grad_and_value(
    func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Gradient and value of a scalar function: x ↦ (∇f(x), f(x)).

    Args:
        func: function of tensors (or nests of them) with one element as its result.
        argnums: position or positions of the arguments to differentiate by.
        has_aux: whether `func` returns `(value, aux)`.
    """

    @functools.wraps(func)
    def both(*args: Any, **kwargs: Any) -> Any:
        flat = Flat(
            func, args, kwargs, chosen(argnums, len(args)), pair=has_aux, check=_check_scalar,
            pair_error=pair_error("grad_and_value(f)(*args)"),
        )  # fmt: skip
        values = flat.values()

        def scalar(values: list[Any]) -> tuple[Any, Any]:
            (value,), aux = flat(values)
            return value, (value, aux)

        one = autodiff.value_and_grad(scalar, has_aux=True)
        with np.errstate(all="ignore"):
            (_, (value, aux)), cts = one(values)
        gradients = flat.arguments([conjugated(ct) for ct in cts])
        result = gradients[0] if isinstance(argnums, int) else gradients
        out = flat.result([value])
        return (result, (out, flat.aux_of(aux))) if has_aux else (result, out)

    return both


def grad(func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Gradient of a scalar function: x ↦ ∇f(x); see `grad_and_value`."""
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        result, out = both(*args, **kwargs)
        return (result, out[1]) if has_aux else result

    return gradient


def _check_tensors(api: str, out: Any, *, inexact: bool) -> None:
    leaves = flatten(out)[0]
    if not leaves or (len(leaves) == 1 and leaves[0] is None):
        raise RuntimeError(
            f"{api}: Expected f to be a function that has non-empty output (got output = {leaves})"
        )
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise RuntimeError(
                f"{api}: expected f(*primals) to return only tensors, got unsupported type "
                f"{type(leaf)}"
            )
        if inexact and leaf.dtype.category < 2:
            raise RuntimeError(
                "vjp(f, ...): All outputs of f must be floating-point or complex Tensors, got "
                f"Tensor with dtype {leaf.dtype}"
            )


def pulled(
    func: Callable[..., Any], args: Sequence[Any], numbers: Sequence[int], has_aux: bool, api: str
) -> tuple[Flat, list[Any], Any, Any]:
    """The function at a point: its parts, values, pullback of lists of values, and aux."""
    flat = Flat(
        func, args, {}, numbers, pair=has_aux, pair_error=pair_error(api),
        check=lambda out: _check_tensors(api, out, inexact=True),
    )  # fmt: skip
    values = flat.values()
    out, pullback, aux = autodiff.vjp(flat, values, has_aux=True)
    return flat, out, pullback, aux


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Vector-Jacobian product: f(x), and the function v ↦ vᵀ ∂f(x).

    Args:
        func: function of tensors or nests of them.
        *primals: where to differentiate it.
        has_aux: whether `func` returns `(output, aux)`.

    Returns:
        `(output, vjp_fn)`, or `(output, vjp_fn, aux)`.
    """
    flat, out, pullback, aux = pulled(
        func, primals, range(len(primals)), has_aux, "vjp(f, *primals)"
    )

    def vjp_fn(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        del retain_graph, create_graph
        leaves, structure = flatten(cotangents)
        if structure != flat.out:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of "
                f"outputs to the function. cotangents: {structure}, primal output: {flat.out}"
            )
        given = []
        for number, (leaf, like) in enumerate(zip(leaves, flat.out_likes, strict=True)):
            if leaf.shape != like.shape:
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[{number}] has a shape of {leaf.shape} and "
                    f"output[{number}] has a shape of {like.shape}."
                )
            given.append(_typed(conjugated(incoming(leaf)), like))
        with np.errstate(all="ignore"):
            (cts,) = pullback(given)
        return flat.arguments([conjugated(ct) for ct in cts])

    result = flat.result(out)
    return (result, vjp_fn, flat.aux_of(aux)) if has_aux else (result, vjp_fn)


def _typed(value: Any, like: Tensor) -> Any:
    wanted = like._value.dtype
    return value if value.dtype == wanted else value.astype(wanted)


# --- forward mode -----------------------------------------------------------------------------

JVP = "jvp(f, primals, tangents)"


def pushed(
    func: Callable[..., Any],
    args: Sequence[Any],
    numbers: Sequence[int],
    tangents: Sequence[Any],
    *,
    has_aux: bool,
) -> tuple[Flat, list[Any], list[Any], Any]:
    """The function at a point along tangents: its parts, values, their tangents, and aux."""
    flat = Flat(
        func, args, {}, numbers, pair=has_aux, pair_error=pair_error(JVP), reverse=False,
        check=lambda out: _check_tensors(JVP, out, inexact=False),
    )  # fmt: skip
    flat.writes_back = True
    values = flat.values()
    dots = [_typed(dot, like) for dot, like in zip(tangents, flat.likes, strict=True)]
    out, out_dots, aux = forward.jvp(flat, (values,), (dots,), has_aux=True)
    return flat, out, out_dots, aux


def _checked_tangents(api: str, primals: Any, tangents: Any) -> list[Any]:
    leaves, structure = flatten(primals)
    dots, dots_structure = flatten(tangents)
    if structure != dots_structure:
        raise RuntimeError(
            f"{api}: Expected primals and tangents to have the same python structure. For example, "
            "if primals is a tuple of 3 tensors, tangents also must be. Got primals with structure "
            f"{structure} and tangents with structure {dots_structure}"
        )
    for what, items in (("primals", leaves), ("tangents", dots)):
        if not items:
            raise RuntimeError(f"{api}: Expected {what} to contain at least one Tensor.")
        for item in items:
            if not isinstance(item, Tensor):
                raise RuntimeError(
                    f"{api}: Expected {what} to only contain Tensors, got {type(item)}"
                )
    for leaf, dot in zip(leaves, dots, strict=True):
        if leaf.shape != dot.shape:
            raise RuntimeError(
                "Trying to set a forward gradient that has a different size than that of the "
                f"original Tensor, this is not supported. Tensor is of size {list(leaf.shape)} "
                f"while the given forward gradient is of size {list(dot.shape)}."
            )
    return dots


def jvp(
    func: Callable[..., Any],
    primals: Any,
    tangents: Any,
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> tuple[Any, ...]:
    """Jacobian-vector product: f(x), and ∂f(x) ẋ.

    Args:
        func: function of tensors or nests of them.
        primals: its arguments, a tuple.
        tangents: of the same structure.
        strict: whether an output without influence of the arguments is an error.
        has_aux: whether `func` returns `(output, aux)`.
    """
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"{JVP}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    dots = [incoming(dot) for dot in _checked_tangents(JVP, primals, tangents)]
    flat, out, out_dots, aux = pushed(func, primals, range(len(primals)), dots, has_aux=has_aux)
    if strict and flat.independent:
        raise RuntimeError(
            "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. "
            "This is not allowed with strict=True."
        )
    result, dot = flat.result(out), flat.result(_inexact(out_dots, out))
    return (result, dot, flat.aux_of(aux)) if has_aux else (result, dot)


def _inexact(dots: Sequence[Any], values: Sequence[Any]) -> list[Any]:
    """Tangents, with zeros of the value's type for integer results."""
    return [
        np.zeros(value.shape, value.dtype) if value.dtype.kind not in "fc" else dot
        for dot, value in zip(dots, values, strict=True)
    ]


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """The tangent map at a point: f(x), and ẋ ↦ ∂f(x) ẋ to be called many times."""
    flat = Flat(
        func, primals, {}, range(len(primals)), pair=False, pair_error="", reverse=False,
        check=lambda out: _check_tensors("linearize", out, inexact=False),
    )  # fmt: skip
    values = flat.values()
    out, tangent_map = linear.linearize(lambda values: flat(values)[0], values)

    def jvp_fn(*tangents: Any) -> Any:
        leaves, structure = flatten(tangents)
        if structure != flat.structure:
            raise RuntimeError(
                f"Expected the tangents {structure} to have the same argspec as the primals "
                f"{flat.structure}"
            )
        for number, (leaf, like) in enumerate(zip(leaves, flat.likes, strict=True)):
            for word, got, wanted in (("shape", leaf.shape, like.shape),
                                      ("dtype", leaf.dtype, like.dtype)):  # fmt: skip
                if got != wanted:
                    raise RuntimeError(
                        f"tangent:{number} with {word} {got} in flattened pytree doesn't match the "
                        f"{word} {wanted} of the corresponding primal."
                    )
        dots = tangent_map([incoming(leaf) for leaf in leaves])
        return flat.result(_inexact(dots, out))

    return flat.result(out), jvp_fn


def functionalize(func: Callable[..., Any], *, remove: str = "mutations") -> Callable[..., Any]:
    """The function itself: values inside of transforms are never changed in place."""
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove='mutations'): received invalid argument for remove={remove}. "
            "Valid options are: remove='mutations', remove='mutations_and_views'."
        )

    @functools.wraps(func)
    def function(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return function


for _function in (grad, grad_and_value, vjp, jvp, linearize, functionalize):
    expose(_function.__name__, _function, method=False, module="func")

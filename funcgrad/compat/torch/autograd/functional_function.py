"""`autograd.Function` inside torch.func and forward mode: the user's rules at every level.

The topmost level among the arguments decides. A recording level calls the operation on the values
of the level below, and keeps a record whose pull is the user's backward; a dual level calls the
user's jvp; a batch calls the user's `vmap`, or an operation that maps forward, backward and jvp
(`generate_vmap_rule`). So the levels below see the operation again, with its rules.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from funcgrad.compat.torch.ambient import AmbientTracer
from funcgrad.compat.torch.autograd.function import (
    IN_TRANSFORM,
    BackwardNode,
    Function,
    apply_plain,
    overrides_setup,
)
from funcgrad.compat.torch.autograd_core import as_gradient, conjugated
from funcgrad.compat.torch.grad_mode import no_grad
from funcgrad.compat.torch.levels import LEVELS, mapping
from funcgrad.compat.torch.mapped import front
from funcgrad.compat.torch.pytrees import flatten, matched, unflatten
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import Tensor, holder, payload_of
from funcgrad.core.primitive import Primitive
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import Tracer
from funcgrad.core.wengert import Partials
from funcgrad.families.shapes import in_front
from funcgrad.interpreters.batch import Batch, BatchTracer
from funcgrad.interpreters.dual import Dual, DualTracer
from funcgrad.interpreters.record import Recording, RecordTracer, item_pull
from funcgrad.transforms.vmap import unlift

__all__ = ["VmapInfo", "call"]

NO_SETUP = (
    "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, "
    "...), it must override the setup_context staticmethod. For more details, please see "
    "https://pytorch.org/docs/main/notes/extending.func.html"
)


class VmapInfo(NamedTuple):
    """What a `vmap` static method is told."""

    batch_size: int
    randomness: str


def _value(x: Any) -> Any:
    return payload_of(x) if isinstance(x, Tensor) and STATE.grad else getattr(x, "_value", x)


def call(cls: Any, args: Sequence[Any], kwargs: dict[str, Any] | None = None) -> Any:
    """An operation on tensors of any levels."""
    top: Any = None
    for x in args:
        value = x._value if isinstance(x, Tensor) else None
        if isinstance(value, Tracer) and (top is None or value.owner.id > top.id):
            top = value.owner
    if top is None or top.id == 0:
        return apply_plain(cls, args, kwargs or {})
    if not overrides_setup(cls) and (LEVELS.grads or LEVELS.maps):
        raise RuntimeError(NO_SETUP)
    if isinstance(top, Recording):
        return _recorded(cls, top, args)
    if isinstance(top, Batch):
        return _mapped(cls, top, args)
    if isinstance(top, Dual):
        return _pushed(cls, top, args, kwargs or {})
    return cls.forward(*args)  # a program is being staged: its operations are what is wanted


def _lowered(top: Any, args: Sequence[Any]) -> list[Any]:
    """The arguments as the level below sees them."""
    return [_below(x._value.value, x) if _is_of(top, x) else x for x in args]


def _below(value: Any, like: Tensor) -> Tensor:
    """A value as a tensor; that of a leaf is the leaf itself."""
    if type(value) is AmbientTracer and isinstance(value.target, Tensor):
        return value.target
    return holder(value, like)


def _is_of(top: Any, x: Any) -> bool:
    return isinstance(x, Tensor) and isinstance(x._value, Tracer) and x._value.owner is top


def _context(cls: Any, args: Sequence[Any], output: Any, needs: Sequence[bool]) -> BackwardNode:
    """A ctx that setup_context has filled."""
    ctx: BackwardNode = object.__new__(cls._node_class)
    ctx.residuals = ()
    ctx.needs_input_grad = tuple(needs)
    with no_grad():
        cls.setup_context(ctx, tuple(args), output)
    return ctx


def _outputs(output: Any) -> tuple[Any, ...]:
    return tuple(output) if isinstance(output, tuple | list) else (output,)


def _is_constant(ctx: BackwardNode, out: Any) -> bool:
    return (
        not isinstance(out, Tensor)
        or out._value.dtype.kind not in "fc"
        or any(out is item for item in ctx._non_differentiable)
    )


# --- reverse mode -----------------------------------------------------------------------------


def _recorded(cls: Any, trace: Recording, args: Sequence[Any]) -> Any:
    inner = _lowered(trace, args)
    needs = [_is_of(trace, x) and STATE.grad for x in args]
    output = call(cls, inner)
    outs = _outputs(output)
    if not any(needs):
        return output
    ctx = _context(cls, inner, output, needs)
    likes = [
        (tuple(x._value.shape), x._value.dtype) if isinstance(x, Tensor) else None for x in inner
    ]
    shapes = [
        (tuple(out._value.shape), out._value.dtype) if isinstance(out, Tensor) else None
        for out in outs
    ]
    pull = _UserPull(cls, ctx, needs, likes, shapes)
    parents = [x._value.index for x, need in zip(args, needs, strict=True) if need]
    primitive = _primitive(cls)
    at = trace.append((primitive, parents[0] if len(parents) == 1 else tuple(parents), pull, None))
    results = []
    for port, out in enumerate(outs):
        if _is_constant(ctx, out):
            results.append(out)
            continue
        index = at
        if len(outs) > 1:
            index = trace.append((primitive, at, item_pull(port), None))
        tracer: RecordTracer = object.__new__(RecordTracer)
        tracer.value, tracer.owner, tracer.index = _value(out), trace, index
        results.append(holder(tracer, out))
    return tuple(results) if isinstance(output, tuple | list) else results[0]


_PRIMITIVES: dict[Any, Primitive] = {}


def _primitive(cls: Any) -> Primitive:
    """Names the operation in records."""
    found = _PRIMITIVES.get(cls.__name__)
    if found is None:
        found = _PRIMITIVES[cls.__name__] = Primitive(
            cls.__name__, _refuse, "function", None, None, _refuse
        )
    return found


def _refuse(*_args: Any) -> Any:
    raise RuntimeError("the derivative of an autograd.Function cannot be evaluated as a primitive")


class _UserPull:
    """Pull of a record: the user's backward on tensors of the level below (or of any above)."""

    __slots__ = ("cls", "ctx", "likes", "needs", "shapes")

    def __init__(
        self, cls: Any, ctx: BackwardNode, needs: list[bool], likes: list[Any], shapes: list[Any]
    ) -> None:
        self.cls = cls
        self.ctx = ctx
        self.needs = needs
        self.likes = likes
        self.shapes = shapes

    def __call__(self, ct: Any, _residuals: Any) -> Any:
        parts = ct if isinstance(ct, Partials) else {0: ct}
        grads: list[Any] = []
        for port, shape in enumerate(self.shapes):
            part = parts.get(port)
            if part is not None:
                grads.append(as_gradient(part))
            elif shape is not None and self.ctx._materialize:
                grads.append(holder(np.zeros(*shape)))
            else:
                grads.append(None)
        found = _outputs(self.cls.backward(self.ctx, *grads))
        if len(found) != len(self.needs):
            raise RuntimeError(
                f"function {self.cls.__name__}Backward returned an incorrect number of gradients "
                f"(expected {len(self.needs)}, got {len(found)})"
            )
        results: list[Any] = []
        for gradient, need, like in zip(found, self.needs, self.likes, strict=True):
            if not need:
                continue
            if gradient is None:
                results.append(None)
                continue
            value = conjugated(_value(gradient))
            if value.dtype != like[1]:
                value = value.astype(like[1])
            results.append(_summed(value, like[0]))
        if len(results) > 1:
            return tuple(results)
        (one,) = results
        like = self.likes[self.needs.index(True)]
        return np.zeros(*like) if one is None else one


def _summed(value: Any, shape: tuple[int, ...]) -> Any:
    """A gradient, summed to the shape of its argument where that was broadcast."""
    if tuple(value.shape) == shape:
        return value
    lead = len(value.shape) - len(shape)
    value = np.sum(value, axis=tuple(range(lead)))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and value.shape[i] != 1)
    return np.sum(value, axis=stretched, keepdims=True) if stretched else value


# --- forward mode -----------------------------------------------------------------------------


def _pushed(cls: Any, trace: Dual, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    inner = _lowered(trace, args)
    needs = [_is_of(trace, x) for x in args]
    if overrides_setup(cls):
        output = call(cls, inner)
        ctx = _context(cls, inner, output, needs)
    else:
        contexts: list[Any] = []
        output = apply_plain(cls, inner, kwargs, contexts)
        ctx = contexts[0]
    outs = _outputs(output)
    tangents: list[Any] = []
    for x, need, like in zip(args, needs, inner, strict=True):
        if need:
            tangents.append(holder(x._value.tangent))
        elif isinstance(like, Tensor) and ctx._materialize and like._value.dtype.kind in "fc":
            tangents.append(holder(np.zeros(tuple(like._value.shape), like._value.dtype)))
        else:
            tangents.append(None)
    ctx._in_jvp = bool(ctx._forward_saved)
    try:
        dots = _outputs(cls.jvp(ctx, *tangents))
    finally:
        ctx._in_jvp = False
        ctx._forward_saved = ()
    if len(dots) != len(outs):
        raise RuntimeError(
            f"function {cls.__name__}: jvp returned {len(dots)} tangents for {len(outs)} results"
        )
    results = []
    for out, dot in zip(outs, dots, strict=True):
        if dot is None or _is_constant(ctx, out):
            results.append(out)
            continue
        if dot.shape != out.shape:
            raise RuntimeError(
                f"{cls.__name__}.jvp: Expected tangent to have the same size as its primal "
                f"{list(out.shape)}, but got {list(dot.shape)}"
            )
        value = DualTracer(_value(out), _value(dot), trace)
        results.append(holder(value, out))
    return tuple(results) if isinstance(output, tuple | list) else results[0]


# --- batches ----------------------------------------------------------------------------------


def _mapped(cls: Any, trace: Batch, args: Sequence[Any]) -> Any:
    own = cls.vmap is not Function.vmap
    if own and cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and "
            "an overridden vmap staticmethod. Please set generate_vmap_rule=False or delete the "
            "overridden vmap staticmethod to avoid ambiguity. For more details, please see "
            "https://pytorch.org/docs/main/notes/extending.func.html"
        )
    if not own and not cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please "
            "override and implement the vmap staticmethod or set generate_vmap_rule=True. For more "
            "details, please see https://pytorch.org/docs/main/notes/extending.func.html"
        )
    flags = [_is_of(trace, x) and x._value.batched for x in args]
    inner = _lowered(trace, args)
    if not any(flags):
        return call(cls, inner)
    randomness = next((m.randomness for m in LEVELS.maps if m.trace is trace), "error")
    if cls.generate_vmap_rule:
        output = call(_generated(cls, trace.size, tuple(flags), randomness), inner)
        return _wrapped(trace, output, 0)
    info = VmapInfo(trace.size, randomness)
    pair = cls.vmap(info, tuple(0 if flag else None for flag in flags), *inner)
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise RuntimeError(
            f"Expected the vmap staticmethod of {cls.__name__} to have two returns, an output and "
            f"out_dims with pytree structure compatible with the output. Got {type(pair)}."
        )
    return _wrapped(trace, *pair)


def _wrapped(trace: Batch, output: Any, out_dims: Any) -> Any:
    leaves, structure = flatten(output)
    dims = matched(out_dims, structure)
    if dims is None:
        raise RuntimeError("The out_dims of a vmap staticmethod do not fit its output.")
    results = []
    for leaf, dim in zip(leaves, dims, strict=True):
        if dim is None or not isinstance(leaf, Tensor):
            results.append(leaf)
        else:
            value = front(_value(leaf), dim % leaf.dim())
            results.append(holder(BatchTracer(value, True, trace), leaf))
    return unflatten(structure, results)


class _Batched:
    """Runs a static method of the operation on batches: lifts, calls, unlifts."""

    __slots__ = ("randomness", "size")

    def __init__(self, size: int, randomness: str) -> None:
        self.size = size
        self.randomness = randomness

    def run(self, function: Any, tensors: Sequence[Any], flags: Sequence[bool]) -> list[Any]:
        """Results of a function of tensors as `(tensor, batched)`; `None` stays."""
        trace = Batch("vmap", self.size)
        given = [
            holder(BatchTracer(_value(x), True, trace), x) if flag and isinstance(x, Tensor) else x
            for x, flag in zip(tensors, flags, strict=True)
        ]
        try:
            with mapping(trace, self.randomness):
                outs = function(*given)
        finally:
            trace.close()
        found = []
        for out in outs:
            if isinstance(out, Tensor):
                value, batched = unlift(trace, out._value)
                found.append((holder(value, out), batched))
            else:
                found.append((out, False))
        return found

    def whole(
        self, function: Any, tensors: Sequence[Any], flags: Sequence[bool]
    ) -> tuple[Any, ...]:
        """Results, each with the axis of the batch in front."""
        return tuple(
            holder(in_front(self.size, _value(out), batched), out)
            if isinstance(out, Tensor)
            else out
            for out, batched in self.run(function, tensors, flags)
        )


def _generated(cls: Any, size: int, flags: tuple[bool, ...], randomness: str) -> Any:
    """The operation on batches, with forward, backward and jvp of one example mapped."""
    batched = _Batched(size, randomness)

    class Mapped(Function):
        """The operation on a batch."""

        generate_vmap_rule = True

        @staticmethod
        def forward(*args: Any) -> Any:
            single = [True]

            def function(*args: Any) -> Any:
                out = cls.forward(*args)
                single[0] = not isinstance(out, tuple | list)
                return _outputs(out)

            outs = batched.whole(function, args, flags)
            return outs[0] if single[0] else outs

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            outs = _outputs(output)
            one: BackwardNode = object.__new__(cls._node_class)
            one.residuals = ()
            one.needs_input_grad = ctx.needs_input_grad

            def function(*parts: Any) -> Any:
                ins, found = parts[: len(inputs)], parts[len(inputs) :]
                cls.setup_context(one, ins, found[0] if not isinstance(output, tuple) else found)
                ctx.mark_non_differentiable(
                    *(out for out, part in zip(outs, found, strict=True)
                      if any(part is item for item in one._non_differentiable))
                )  # fmt: skip
                return (*one._to_save, *one._forward_saved)

            kept = batched.run(function, (*inputs, *outs), (*flags, *(True for _ in outs)))
            count = len(one._to_save)
            one._to_save = one._forward_saved = ()
            ctx.save_for_backward(*(x for x, _ in kept[:count]))
            ctx.save_for_forward(*(x for x, _ in kept[count:]))
            ctx.set_materialize_grads(one._materialize)
            ctx.one, ctx.kept_flags, ctx.count = one, [flag for _, flag in kept], count
            ctx.input_shapes = [
                tuple(x._value.shape) if isinstance(x, Tensor) else None for x in inputs
            ]

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            saved = ctx.saved_tensors

            def function(*parts: Any) -> Any:
                ctx.one._saved_tensors = tuple(
                    None if x is None else ("tensor", x) for x in parts[: len(saved)]
                )
                return _outputs(cls.backward(ctx.one, *parts[len(saved) :]))

            found = batched.run(
                function,
                (*saved, *grads),
                (*ctx.kept_flags[: len(saved)], *(True for _ in grads)),
            )
            ctx.one._saved_tensors = ()
            return tuple(
                _back(out, is_batched, flag, size)
                for (out, is_batched), flag in zip(found, flags, strict=True)
            )

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> Any:
            saved = ctx.saved_tensors
            single = [True]

            def function(*parts: Any) -> Any:
                kept = tuple(None if x is None else ("tensor", x) for x in parts[: len(saved)])
                ctx.one._saved_tensors = kept
                out = cls.jvp(ctx.one, *parts[len(saved) :])
                single[0] = not isinstance(out, tuple | list)
                return _outputs(out)

            start = ctx.count if ctx._in_jvp else 0
            outs = batched.whole(
                function,
                (*saved, *tangents),
                (*ctx.kept_flags[start : start + len(saved)], *flags),
            )
            ctx.one._saved_tensors = ()
            return outs[0] if single[0] else outs

    Mapped.__name__ = Mapped.__qualname__ = cls.__name__
    Mapped._node_class.__name__ = f"{cls.__name__}Backward"
    return Mapped


def _back(gradient: Any, is_batched: bool, was_batched: bool, size: int) -> Any:
    """A gradient in the form of its argument: with the batch's axis, or summed over it."""
    if not isinstance(gradient, Tensor):
        return None
    value = _value(gradient)
    if was_batched:
        return holder(in_front(size, value, is_batched), gradient)
    if is_batched:
        return holder(DISPATCH[np.sum](value, axis=0), gradient)
    return holder(value * size, gradient)


IN_TRANSFORM["apply"] = call

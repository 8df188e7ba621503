"""`torch.autograd.Function`: operations whose backward the user writes."""

import inspect
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from typing_extensions import override

from funcgrad.compat.torch.ambient import AmbientTracer
from funcgrad.compat.torch.autograd_core import as_gradient, conjugated
from funcgrad.compat.torch.grad_mode import no_grad, set_grad_enabled
from funcgrad.compat.torch.inplace import MULTIPLE, OF_FUNCTION, attach, check_writable
from funcgrad.compat.torch.node import FREED, SECOND_TIME, Node, make_node
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import Tensor, forget_view, holder, payload_of
from funcgrad.core.tracer import Tracer
from funcgrad.core.wengert import Partials

__all__ = ["BackwardNode", "Function", "FunctionCtx", "InplaceFunction", "apply_plain",
           "once_differentiable"]  # fmt: skip

LEGACY = (
    "Legacy autograd function with non-static forward method is deprecated. Please use new-style "
    "autograd function with static forward method. (Example: "
    "https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
)


class BackwardNode(Node):
    """The node of a user's operation; it is the `ctx` that forward and backward are given.

    Attributes:
        needs_input_grad: for each argument whether its gradient is asked for.
    """

    needs_input_grad: tuple[bool, ...]
    _function: Any
    _saved_tensors: tuple[Any, ...] = ()
    _forward_saved: tuple[Any, ...] = ()
    _to_save: tuple[Any, ...] = ()
    _dirty: tuple[Any, ...] = ()
    _non_differentiable: tuple[Any, ...] = ()
    _materialize: bool = True
    _in_jvp: bool = False
    frees_late = True
    _shapes: tuple[Any, ...] = ()
    _tensor_places: tuple[int, ...] = ()
    _inputs: tuple[Any, ...] = ()

    @override
    def __repr__(self) -> str:
        return f"<torch.autograd.function.{type(self).__name__} object at {id(self):#x}>"

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors that backward reads; they are checked for changes in place."""
        self._to_save = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Keep tensors that jvp reads."""
        for tensor in tensors:
            if not (isinstance(tensor, Tensor) or tensor is None):
                raise AssertionError("save_for_forward expects all arguments to be tensors; you "
                                     "should save non-tensors as attributes on ctx.")  # fmt: skip
        self._forward_saved = tensors

    def mark_dirty(self, *args: Any) -> None:
        """Say which arguments forward changes in place."""
        self._dirty = args

    def mark_non_differentiable(self, *args: Any) -> None:
        """Say which results have no derivative."""
        self._non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward is given zeros in place of `None`."""
        self._materialize = value

    def mark_shared_storage(self, *pairs: Any) -> None:
        """Has no effect any more."""

    @override
    def release(self) -> None:
        """Let go the saved tensors."""
        super().release()
        self._saved_tensors = self._to_save = ()

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `save_for_backward` kept."""
        if self.residuals is FREED:
            raise RuntimeError(SECOND_TIME)
        if self._in_jvp:
            return self._forward_saved
        if self._to_save and not self._saved_tensors:
            return tuple(self._to_save)
        return tuple(_unpacked(self, entry) for entry in self._saved_tensors)


def _packed(node: BackwardNode, tensor: Any, number: int) -> Any:
    """What stands for a saved tensor: itself, or its value if it is one of the node's results."""
    if tensor is None:
        return None
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"save_for_backward can only save variables, but argument {number} is of type "
            f"{type(tensor).__name__}"
        )
    pack = STATE.saved_hooks[-1] if STATE.saved_hooks else None
    if pack is not None:
        with no_grad():
            return ("packed", pack[0](tensor.detach() if tensor._node is node else tensor), pack[1])
    if tensor._node is node:
        return ("result", tensor._value, tensor._port, tensor._cell, tensor._dtype)
    return ("tensor", tensor)


def _unpacked(node: BackwardNode, entry: Any) -> Any:
    if entry is None:
        return None
    if entry[0] == "tensor":
        return entry[1]
    if entry[0] == "packed":
        return entry[2](entry[1])
    _, value, port, cell, dtype = entry
    tensor = holder(AmbientTracer(value, node, port, cell))
    tensor._dtype = dtype
    return tensor


class _UserRule:
    """Rule of a user's node: call backward with tensors."""

    __slots__ = ("mask",)

    def __init__(self, mask: tuple[bool, ...]) -> None:
        self.mask = mask

    def pull(self, ct: Any, node: Any) -> Any:
        """Backward without recording; the node itself stands for its residuals."""
        return self._call(node, ct, False)

    def again(self, node: Node, ct: Any) -> Any:
        """Backward, recorded."""
        return self._call(node, ct, True)

    def saved_value(self, node: Node, name: str) -> NoReturn:
        """A user's node has `saved_tensors`."""
        raise AttributeError(f"'{node.name()}' object has no attribute '_saved_{name}'")

    def _call(self, node: Any, ct: Any, recording: bool) -> Any:
        parts = ct if isinstance(ct, Partials) else {0: ct}
        grads: list[Any] = []
        for port, (shape, dtype, differentiable) in enumerate(node._shapes):
            part = parts.get(port)
            if part is not None:
                grads.append(as_gradient(part))
            elif node._materialize or not differentiable:
                grads.append(holder(np.zeros(shape, dtype)))
            else:
                grads.append(None)
        with set_grad_enabled(recording):
            result = node._function.backward(node, *grads)
        return self._checked(node, result, recording)

    def _checked(self, node: Any, result: Any, recording: bool) -> Any:
        name = type(node).__name__
        given = tuple(result) if isinstance(result, tuple | list) else (result,)
        wanted = len(node.needs_input_grad)
        if len(given) > wanted and all(extra is None for extra in given[wanted:]):
            given = given[:wanted]
        if len(given) != wanted:
            raise RuntimeError(
                f"function {name} returned an incorrect number of gradients (expected {wanted}, "
                f"got {len(given)})"
            )
        parts: list[Any] = []
        for number, (gradient, (needed, shape, dtype)) in enumerate(
            zip(given, node._inputs, strict=True)
        ):
            if not needed:
                if gradient is not None and shape is None:
                    raise RuntimeError(
                        f"function {name} returned a gradient different from None at position "
                        f"{number + 1}, but the corresponding forward input was not a Variable"
                    )
                continue
            if gradient is None:
                parts.append(None)
                continue
            if not isinstance(gradient, Tensor):
                raise RuntimeError(f"expected Variable or None (got {type(gradient).__name__})")
            value = payload_of(gradient) if recording else gradient._value
            if tuple(value.shape) != shape:
                value = _fitted(value, shape, name, number)
            if value.dtype != dtype:
                value = value.astype(dtype)
            parts.append(conjugated(value))
        return tuple(parts)


def _fitted(value: Any, shape: tuple[int, ...], name: str, number: int) -> Any:
    """A gradient summed to the shape of its input, where broadcasting explains the difference."""
    lead = len(value.shape) - len(shape)
    fits = lead >= 0 and all(
        have in (want, want if want != 1 else have)
        for have, want in zip(value.shape[lead:], shape, strict=True)
    )
    if not fits:
        raise RuntimeError(
            f"Function {name} returned an invalid gradient at index {number} - got "
            f"{list(value.shape)} but expected shape compatible with {list(shape)}"
        )
    value = np.sum(value, axis=tuple(range(lead)))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and value.shape[i] != 1)
    return np.sum(value, axis=stretched, keepdims=True) if stretched else value


class _FunctionMeta(type):
    """Makes the node class of each operation."""

    _node_class: Any

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> None:
        super().__init__(name, bases, namespace)
        cls._node_class = type(f"{name}Backward", (BackwardNode,), {"_function": cls})


class Function(metaclass=_FunctionMeta):
    """An operation with a backward (and jvp) of the user's own.

    Subclasses define static methods: `forward(ctx, *args)`, or `forward(*args)` with
    `setup_context(ctx, inputs, output)`; `backward(ctx, *grads)`, one gradient an argument; `jvp`
    for forward mode; `vmap` or `generate_vmap_rule = True` for batching. `apply` calls it.
    """

    generate_vmap_rule = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all "
            "static, so you should invoke them on the class itself. Instantiating an autograd "
            "function will raise an error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse the old way to call."""
        raise RuntimeError(LEGACY)

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the result."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Keep what backward needs."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Gradients of the arguments from those of the results."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD."
        )

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """Tangents of the results from those of the arguments."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with "
            "forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        """The operation on a batch."""
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap static method "
            "or set generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Call the operation, and record it if an argument requires grad."""
        if overrides_setup(cls):
            args, kwargs = _with_defaults(cls.forward, args, kwargs)
        elif kwargs:
            args, kwargs = _by_position(cls.forward, args, kwargs), {}
        if any(isinstance(x, Tensor) and _in_transform(x) for x in args):
            return IN_TRANSFORM["apply"](cls, args, kwargs)
        return apply_plain(cls, args, kwargs)


FunctionCtx = BackwardNode


class InplaceFunction(Function):
    """The old base class of operations that change their arguments."""


Function.vjp = Function.backward  # type: ignore[attr-defined]  # another name

IN_TRANSFORM: dict[str, Any] = {}
"""`{"apply": ...}` for arguments inside torch.func; entered by `functional_function`."""


def _in_transform(tensor: Tensor) -> bool:
    return isinstance(tensor._value, Tracer)


def _with_defaults(
    forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """All arguments by position, with the defaults of forward."""
    bound = inspect.signature(forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args, bound.kwargs


def _by_position(forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """The arguments after ctx by position; defaults stand only before the last that is given.

    Raises:
        TypeError: for names that no positional argument has.
    """
    signature = inspect.signature(forward)
    names = [p.name for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    for name in kwargs:
        if name not in names:
            raise TypeError(f"forward() got an unexpected keyword argument '{name}'")
        if names.index(name) <= len(args):
            raise TypeError(f"forward() got multiple values for argument '{name}'")
    bound = signature.bind_partial(None, *args, **kwargs)  # the call itself says what is missing
    last = max(names.index(name) for name in kwargs)
    for name in names[:last]:
        if name not in bound.arguments:  # a default before it
            if signature.parameters[name].default is inspect.Parameter.empty:
                raise TypeError(
                    f"{forward.__qualname__}() missing 1 required positional argument: '{name}'"
                )
            bound.arguments[name] = signature.parameters[name].default
    return bound.args[1:]


def overrides_setup(cls: Any) -> bool:
    """Whether forward takes no ctx."""
    return cls.setup_context is not Function.setup_context


def apply_plain(
    cls: Any, args: Sequence[Any], kwargs: dict[str, Any], contexts: list[Any] | None = None
) -> Any:
    """Call an operation on tensors of no transform; its node is put into `contexts`."""
    recording = STATE.grad
    needs = tuple(isinstance(x, Tensor) and x._requires for x in args)
    tensors = [x for x in args if isinstance(x, Tensor)]
    active = recording and any(needs)
    mask = tuple(x._requires for x in tensors)
    edges = [x for x in tensors if x._requires] if active else []
    ports = tuple(x._port for x in edges)
    node = make_node(
        cls._node_class,
        None,
        tuple(x if x._node is None else x._node for x in edges),
        ports if any(ports) else None,
        (),
        (),
    )
    assert isinstance(node, BackwardNode)
    node.rule = _UserRule(mask)
    node.needs_input_grad = needs
    node._inputs = tuple(
        (need and active, tuple(x._value.shape), x._value.dtype)
        if isinstance(x, Tensor)
        else (False, None, None)
        for x, need in zip(args, needs, strict=True)
    )
    if contexts is not None:
        contexts.append(node)
    with no_grad():
        if overrides_setup(cls):
            output = cls.forward(*args, **kwargs)
            cls.setup_context(node, tuple(args), output)
        else:
            output = cls.forward(node, *args, **kwargs)
    outputs = output if isinstance(output, tuple) else (output,)
    results = _results(node, outputs, tensors, active)
    for x in tensors:
        if any(x is dirty for dirty in node._dirty):
            x._cell[0] += 1
    if active:
        saved = [_packed(node, tensor, number) for number, tensor in enumerate(node._to_save)]
        node._saved_tensors = tuple(saved)
        if not STATE.saved_hooks:
            node.saved = tuple(
                item
                for tensor in node._to_save
                if isinstance(tensor, Tensor)
                for item in (tensor._cell, tensor._cell[0])
            )
        node.residuals = () if saved else None
    node._to_save = ()  # a saved result would keep the node alive
    return results if isinstance(output, tuple) else results[0]


def _results(
    node: BackwardNode, outputs: Sequence[Any], tensors: Sequence[Tensor], active: bool
) -> tuple[Any, ...]:
    """Attach the node; a tensor returned as it came gets a new holder. Views refuse writes."""
    results: list[Any] = []
    views: list[Tensor] = []
    shapes: list[Any] = []
    places = [number for number, out in enumerate(outputs) if isinstance(out, Tensor)]
    for out in outputs:
        if not isinstance(out, Tensor):
            results.append(out)
            shapes.append(((), np.dtype(np.float32), False))
            continue
        differentiable = out._value.dtype.kind in "fc" and not any(
            out is item for item in node._non_differentiable
        )
        shapes.append((tuple(out._value.shape), out._value.dtype, differentiable))
        dirty = any(out is item for item in node._dirty)
        same = not dirty and any(out is item for item in tensors)
        shared = same or not (dirty or out._base is None)
        if same:
            copied = holder(out._value if type(out._value) is not np.ndarray else out._array(), out)
            copied._cell = out._cell
            out = copied
        if active and differentiable:
            if dirty and out._requires and out._node is None:
                raise RuntimeError(
                    "a leaf Variable that requires grad has been used in an in-place operation."
                )
            if dirty:
                check_writable(out)
                made = holder(out._value)
                made._node, made._port, made._requires = node, len(results), True
                attach(out, made)
            else:
                out._node, out._port, out._requires = node, len(results), True
                if shared:
                    forget_view(out)
                    views.append(out)
        results.append(out)
    for view in views:
        view._sealed = MULTIPLE if sum(kind for *_, kind in shapes) > 1 else OF_FUNCTION
    node._shapes = tuple(shapes)
    node.outputs = len(outputs)
    if len(places) == 1 and len(outputs) == 1:
        node.outputs = 1
    return tuple(results)


def once_differentiable(function: Any) -> Any:
    """Decorator of a backward whose own derivative is not right: asking for it raises."""

    def wrapper(ctx: Any, *args: Any) -> Any:
        with no_grad():
            outputs = function(ctx, *args)
        if not STATE.grad or not any(isinstance(x, Tensor) and x.requires_grad for x in args):
            return outputs
        single = not isinstance(outputs, tuple)
        marked = [
            _refusing(x) if isinstance(x, Tensor) else x
            for x in ((outputs,) if single else outputs)
        ]
        return marked[0] if single else tuple(marked)

    return wrapper


class _Refusing:
    mask: Sequence[bool] = ()

    def pull(self, _ct: Any, _residuals: Any) -> NoReturn:
        """Refuse."""
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )

    again = pull


def _refusing(tensor: Tensor) -> Tensor:
    from_ = make_node(_ERROR, _Refusing(), (), None, None, ())
    result = tensor.detach()
    result._node, result._requires = from_, True
    return result


_ERROR: Any = type("DelayedErrorBackward", (Node,), {})

"""Hooks of modules: called before and after `forward`, and when gradients pass the module."""

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from funcgrad.compat.torch.autograd.function import Function
from funcgrad.compat.torch.node import RemovableHandle
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import Tensor

__all__ = [
    "GLOBAL",
    "Hooked",
    "hooked_call",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

BOTH_KINDS = (
    "Cannot use both regular backward hooks and full backward hooks on a single Module. Please use "
    "only one of them."
)
FIRED_BY_OUTPUTS = (
    "Full backward hook is firing when gradients are computed with respect to module outputs since "
    "no inputs require gradients. See https://docs.pytorch.org/docs/main/generated/torch.nn.Module."
    "html#torch.nn.Module.register_full_backward_hook for more details."
)


class _Global:
    """Hooks of all modules.

    Attributes:
        any: whether there are hooks around the call.
        parameters: called with every parameter that a module takes in, `hook(module, name, it)`.
        modules: the same for modules.
        buffers: the same for buffers.
    """

    def __init__(self) -> None:
        self.forward_pre: dict[int, Any] = OrderedDict()
        self.forward: dict[int, Any] = OrderedDict()
        self.forward_kwargs: dict[int, bool] = {}
        self.forward_always: dict[int, bool] = {}
        self.backward_pre: dict[int, Any] = OrderedDict()
        self.backward: dict[int, Any] = OrderedDict()
        self.full: bool | None = None
        self.parameters: dict[int, Any] = OrderedDict()
        self.modules: dict[int, Any] = OrderedDict()
        self.buffers: dict[int, Any] = OrderedDict()

    @property
    def any(self) -> bool:
        """Whether a call has more to do than `forward`."""
        return bool(self.forward_pre or self.forward or self.backward_pre or self.backward)

    @staticmethod
    def registered(hooks: dict[int, Any], module: Any, name: str, thing: Any) -> Any:
        """What a module takes in, as the registration hooks leave it."""
        for hook in list(hooks.values()) if hooks and thing is not None else ():
            result = hook(module, name, thing)
            if result is not None:
                thing = result
        return thing


GLOBAL = _Global()


def _enter(
    hooks: Any, hook: Callable[..., Any], prepend: bool = False, *marks: dict[int, bool]
) -> RemovableHandle:
    """Enter a hook, first if `prepend`, and note its number in the tables of marks."""
    handle = RemovableHandle(hooks, hook, marks)
    for table in marks:
        table[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


class Hooked:
    """The part of `Module` that registers hooks."""

    _forward_pre_hooks: dict[int, Any]
    _forward_pre_hooks_with_kwargs: dict[int, bool]
    _forward_hooks: dict[int, Any]
    _forward_hooks_with_kwargs: dict[int, bool]
    _forward_hooks_always_called: dict[int, bool]
    _backward_pre_hooks: dict[int, Any]
    _backward_hooks: dict[int, Any]
    _is_full_backward_hook: bool | None

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before `forward`; what it returns replaces the arguments.

        Args:
            hook: the function; with `with_kwargs` it is called with the named arguments too and
                returns both or `None`.
            prepend: whether it comes before the hooks that are there.
            with_kwargs: see `hook`.
        """
        marks = [self._forward_pre_hooks_with_kwargs] if with_kwargs else []
        return _enter(self._forward_pre_hooks, hook, prepend, *marks)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after `forward`; what it returns replaces the output.

        Args:
            hook: the function; with `with_kwargs` it is `hook(module, args, kwargs, output)`.
            prepend: whether it comes before the hooks that are there.
            with_kwargs: see `hook`.
            always_call: whether it is called even if `forward` raises an error.
        """
        marks = []
        if with_kwargs:
            marks.append(self._forward_hooks_with_kwargs)
        if always_call:
            marks.append(self._forward_hooks_always_called)
        return _enter(self._forward_hooks, hook, prepend, *marks)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_output)` before gradients pass; it may replace them."""
        return _enter(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` with the gradients of tensor arguments.

        What it returns replaces the gradients of the inputs.
        """
        if self._is_full_backward_hook is False:
            raise RuntimeError(BOTH_KINDS)
        self._is_full_backward_hook = True
        return _enter(self._backward_hooks, hook, prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """As `register_full_backward_hook`, with the gradients at the last operation only."""
        if self._is_full_backward_hook is True:
            raise RuntimeError(BOTH_KINDS)
        self._is_full_backward_hook = False
        return _enter(self._backward_hooks, hook)


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, args)` before `forward` of every module."""
    return _enter(GLOBAL.forward_pre, hook)


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call `hook(module, args, output)` after `forward` of every module."""
    marks = []
    if with_kwargs:
        marks.append(GLOBAL.forward_kwargs)
    if always_call:
        marks.append(GLOBAL.forward_always)
    return _enter(GLOBAL.forward, hook, False, *marks)


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, grad_output)` before gradients pass any module."""
    return _enter(GLOBAL.backward_pre, hook)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` when gradients have passed any module."""
    return _enter_global(hook, full=True)


def register_module_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """As `register_module_full_backward_hook`, with the gradients at the last operation only."""
    return _enter_global(hook, full=False)


def _enter_global(hook: Callable[..., Any], *, full: bool) -> RemovableHandle:
    if GLOBAL.full is not None and GLOBAL.full is not full:
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module "
            "hook. Please use only one of them."
        )
    GLOBAL.full = full
    return _enter(GLOBAL.backward, hook)


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, name, buffer)` when a module takes in a buffer; it may replace it."""
    return _enter(GLOBAL.buffers, hook)


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, name, submodule)` when a module takes one in; it may replace it."""
    return _enter(GLOBAL.modules, hook)


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, name, parameter)` when a module takes one in; it may replace it."""
    return _enter(GLOBAL.parameters, hook)


# --- the call with hooks ------------------------------------------------------------------


def hooked_call(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`forward` of a module with all hooks.

    Hooks that are to be called always are called with `None` if `forward` raises an error; an error
    of such a hook is then only a warning.
    """
    done: set[int] = set()
    try:
        return _called(module, args, kwargs, done)
    except Exception:
        for number, hook, named in _after(module, only_always=True):
            if number in done:
                continue
            try:
                result = hook(module, args, kwargs, None) if named else hook(module, args, None)
                del result  # there is no output that it could replace
            except Exception as error:  # noqa: BLE001  # the first error is the one to raise
                whose = "global module" if number in GLOBAL.forward else "module"
                warnings.warn(
                    f"{whose} forward hook with ``always_call=True`` raised an exception that was "
                    f"silenced as another error was raised in forward: {error}",
                    stacklevel=3,
                )
        raise


def _after(module: Any, *, only_always: bool = False) -> list[tuple[int, Any, bool]]:
    """Forward hooks in order: number, function, whether it takes the named arguments."""
    found = []
    own = module._forward_hooks_with_kwargs, module._forward_hooks_always_called
    for hooks, named, always in (
        (GLOBAL.forward, GLOBAL.forward_kwargs, GLOBAL.forward_always),
        (module._forward_hooks, *own),
    ):
        found += [
            (number, hook, number in named)
            for number, hook in hooks.items()
            if not only_always or number in always
        ]
    return found


def _called(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], done: set[int]) -> Any:
    forward = module.forward  # that of a lazy module is of another class after its first hook
    for number, hook in (*GLOBAL.forward_pre.items(), *module._forward_pre_hooks.items()):
        if number in module._forward_pre_hooks_with_kwargs:
            result = hook(module, args, kwargs)
            if result is not None:
                if not isinstance(result, tuple) or len(result) != 2:
                    raise RuntimeError(
                        "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                        f"but got {result}."
                    )
                args, kwargs = result
        else:
            result = hook(module, args)
            if result is not None:
                args = result if isinstance(result, tuple) else (result,)

    full, last = _backward_hooks(module)
    before = [*GLOBAL.backward_pre.values(), *module._backward_pre_hooks.values()]
    passage = _Passage(module, full, before) if full or before else None
    if passage is not None:
        args = passage.enter(args)
    output = forward(*args, **kwargs)
    for number, hook, named in _after(module):
        done.add(number)
        result = hook(module, args, kwargs, output) if named else hook(module, args, output)
        if result is not None:
            output = result
    if passage is not None:
        output = passage.leave(output)
    if last:
        _hook_last_node(module, last, args, output)
    return output


def _backward_hooks(module: Any) -> tuple[list[Any], list[Any]]:
    """Backward hooks of a module: full ones, and those of the old kind."""
    full: list[Any] = []
    last: list[Any] = []
    (full if GLOBAL.full else last).extend(GLOBAL.backward.values())
    (full if module._is_full_backward_hook else last).extend(module._backward_hooks.values())
    return full, last


class BackwardHookFunction(Function):
    """The identity: its nodes stand where gradients enter and leave a module."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        """The same tensors."""
        ctx.mark_non_differentiable(*[one for one in args if not one.requires_grad])
        return args

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """The same gradients."""
        return grads

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """The same tangents."""
        return tangents


class _Passage:
    """Gradients on their way through one call of a module.

    Attributes:
        hooks: called with the gradients of inputs and outputs.
        before: called with those of the outputs, which they may replace.
        places: where the tensors stand among the inputs; `None` if none requires grad.
        grads: gradients of the outputs, as soon as they are known.
    """

    def __init__(self, module: Any, hooks: list[Any], before: list[Any]) -> None:
        self.module = module
        self.hooks = hooks
        self.before = before
        self.grads: Any = None
        self.inputs = 0
        self.places: list[int] | None = None

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments behind a node whose hook knows their gradients."""
        self.inputs = len(args)

        def hook(grads: Any, _outputs: Any) -> Any:
            if self.grads is None:
                return None  # no gradient reached the outputs
            found = self._run(self._unpacked(grads, self.places, self.inputs))
            self.grads = None
            return tuple([found[i] for i in self.places or ()])

        result, self.places = self._passed(args, lambda node: node.register_hook(hook))
        return result

    def leave(self, output: Any) -> Any:
        """The output behind a node whose hook knows its gradient."""
        single = isinstance(output, Tensor)
        if not single and not isinstance(output, tuple):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of "
                f"Tensors but received {type(output)}",
                stacklevel=4,
            )
            return output
        outputs = (output,) if single else output
        count = len(outputs)
        places: list[int] | None = None

        def before(grads: Any) -> Any:
            given = self._unpacked(grads, places, count)
            for one in self.before:
                result = one(self.module, given)
                if result is not None:
                    found = result if isinstance(result, tuple) else (result,)
                    if len(found) != count:
                        raise RuntimeError(
                            "Backward pre hook returned an invalid number of grad_output, got "
                            f"{len(found)}, but expected {count}"
                        )
                    given = found
            self.grads = given
            if self.places is None and self.hooks:
                warnings.warn(FIRED_BY_OUTPUTS, stacklevel=5)
                found = self._run((None,) * self.inputs)
                if any(one is not None for one in found):
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should always "
                        "return None or None for all gradients."
                    )
                self.grads = None
            return tuple([given[i] for i in places or ()])

        result, places = self._passed(outputs, lambda node: node.register_prehook(before))
        return result[0] if single else result

    def _run(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self.hooks:
            result = hook(self.module, grads, self.grads)
            if result is None:
                continue
            found = result if isinstance(result, tuple) else (result,)
            if len(found) != len(grads):
                raise RuntimeError(
                    f"Backward hook returned an invalid number of grad_input, got {len(found)}, "
                    f"but expected {len(grads)}"
                )
            grads = found
        return grads

    @staticmethod
    def _unpacked(grads: Any, places: list[int] | None, count: int) -> tuple[Any, ...]:
        full: list[Any] = [None] * count
        for place, one in zip(places or (), grads, strict=True):
            full[place] = one
        return tuple(full)

    @staticmethod
    def _passed(
        things: tuple[Any, ...], register: Callable[[Any], Any]
    ) -> tuple[tuple[Any, ...], list[int] | None]:
        """The tensors among things behind one common node."""
        places = [i for i, one in enumerate(things) if isinstance(one, Tensor)]
        tensors = [things[i] for i in places]
        if not STATE.grad or not any(one.requires_grad for one in tensors):
            return things, None
        passed = BackwardHookFunction.apply(*tensors)
        nodes = [one.grad_fn for one in passed if one.grad_fn is not None]
        if nodes:
            register(nodes[0])
        result = list(things)
        for place, one in zip(places, passed, strict=True):
            result[place] = one
        return type(things)(result) if type(things) is tuple else type(things)(*result), places


def _hook_last_node(module: Any, hooks: list[Any], args: Any, output: Any) -> None:
    """Hooks of the old kind: on the node that made the output."""
    result = output
    while not isinstance(result, Tensor):
        values = list(result.values()) if isinstance(result, dict) else list(result)
        result = values[0]
    node = result.grad_fn
    if node is None:
        return
    reason = _blind_spot(args, output, node)
    if reason:
        warnings.warn(
            f"Using {reason} Please use register_full_backward_hook to get the documented "
            "behavior.",
            FutureWarning,
            stacklevel=5,
        )

    def call(hook: Callable[..., Any]) -> Callable[[Any, Any], Any]:
        def called(grad_inputs: Any, grad_outputs: Any) -> Any:
            return hook(module, grad_inputs, grad_outputs)

        return called

    for hook in hooks:
        node.register_hook(call(hook))


def _blind_spot(args: tuple[Any, ...], output: Any, node: Any) -> str:
    """Which gradients a hook of the old kind does not see."""
    outputs = output if isinstance(output, tuple) else (output,)
    if not all(isinstance(one, Tensor) for one in outputs):
        return (
            "non-full backward hooks on a Module that does not return a single Tensor or a tuple "
            "of Tensors is deprecated and will be removed in future versions. This hook will be "
            "missing some of the grad_output."
        )
    if not all(isinstance(one, Tensor) for one in args):
        return (
            "non-full backward hooks on a Module that does not take as input a single Tensor or a "
            "tuple of Tensors is deprecated and will be removed in future versions. This hook will "
            "be missing some of the grad_input."
        )
    if len({one.grad_fn for one in outputs if one.grad_fn is not None}) != 1:
        return (
            "a non-full backward hook when outputs are generated by different autograd Nodes is "
            "deprecated and will be removed in future versions. This hook will be missing some "
            "grad_output."
        )
    behind = {one for one, _ in node.next_functions}
    if {one.grad_fn for one in args if one.grad_fn is not None} != behind:
        return (
            "a non-full backward hook when the forward contains multiple autograd Nodes is "
            "deprecated and will be removed in future versions. This hook will be missing some "
            "grad_input."
        )
    return ""

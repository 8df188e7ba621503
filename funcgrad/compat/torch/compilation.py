"""`torch.compile`: functions and modules recorded, and run as straight-line NumPy.

A function is recorded when it is first called with arguments of a kind: shapes, types, which
tensors require grad, other arguments, and what it reads besides. Its program and that of its
derivative are compiled to NumPy source (`funcgrad.jitting`). What cannot be recorded runs eagerly.
"""

import copy
import functools
import inspect
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import MethodType
from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.compilation_breaks import MOST, refuse
from funcgrad.compat.torch.nn.modules.module import COMPILING, Module
from funcgrad.compat.torch.registry import MODULES, expose
from funcgrad.compat.torch.state import SETTINGS, STATE

__all__ = ["OptimizedModule", "compile"]

BACKENDS = ("aot_eager", "eager", "inductor")
MODES = ("default", "lite", "reduce-overhead", "max-autotune-no-cudagraphs", "max-autotune")
STANCES = ("default", "force_eager", "eager_on_recompile", "fail_on_recompile")

EVERY: "weakref.WeakSet[Any]" = weakref.WeakSet()
"""All compiled functions, to be reset."""


class TorchDynamoException(RuntimeError):  # noqa: N818  # PyTorch's name
    """What goes wrong while a function is compiled."""

    __module__ = "torch._dynamo.exc"


class InvalidBackend(TorchDynamoException):
    """There is no such backend."""

    __module__ = "torch._dynamo.exc"


class Unsupported(TorchDynamoException):
    """A function with `fullgraph=True` cannot be compiled."""

    __module__ = "torch._dynamo.exc"


class OptimizedModule(Module):
    """A module whose calls are compiled; `_orig_mod` is the module itself.

    Attributes are those of the module, also where they are set.
    """

    __module__ = "torch._dynamo.eval_frame"

    def __init__(self, mod: Module, compiled: Any) -> None:
        super().__init__()
        vars(self).pop("training")
        vars(self)["_compiled"] = compiled
        self._modules["_orig_mod"] = mod

    @override
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        hooked = vars(self)
        if hooked["_forward_hooks"] or hooked["_forward_pre_hooks"] or hooked["_backward_hooks"]:
            return super().__call__(*args, **kwargs)
        return hooked["_compiled"](*args, **kwargs)

    @override
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module, compiled."""
        return vars(self)["_compiled"](*args, **kwargs)

    @property
    def training(self) -> bool:
        """That of the module."""
        return bool(self._modules["_orig_mod"].training)

    @training.setter
    def training(self, mode: bool) -> None:
        self._modules["_orig_mod"].training = mode

    @override
    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod":
            return self._modules["_orig_mod"]
        return getattr(self._modules["_orig_mod"], name)

    @override
    def __setattr__(self, name: str, value: Any) -> None:
        if name == "training" or name in vars(self):
            object.__setattr__(self, name, value)
        else:
            setattr(self._modules["_orig_mod"], name, value)

    @override
    def __delattr__(self, name: str) -> None:
        delattr(self._modules["_orig_mod"], name)

    @override
    def __dir__(self) -> list[str]:
        return sorted({*dir(self._modules["_orig_mod"]), "_orig_mod"})

    @override
    def __reduce__(self) -> Any:
        compiled = vars(self)["_compiled"]
        return _rebuilt, (self._modules["_orig_mod"], compiled.limit, compiled.fullgraph)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        compiled = vars(self)["_compiled"]
        mod = copy.deepcopy(self._modules["_orig_mod"], memo)
        return _rebuilt(mod, compiled.limit, compiled.fullgraph)


def _rebuilt(mod: Module, limit: int, fullgraph: bool) -> OptimizedModule:
    return OptimizedModule(mod, _compiled(mod, limit, fullgraph))


def _compiled(fun: Callable[..., Any], limit: int, fullgraph: bool) -> Any:
    # Late, for the compiler takes half as long to import as the rest of the layer.
    from funcgrad.compat.torch.compilation_calls import Compiled  # noqa: PLC0415  # starts sooner without

    made = Compiled(fun, limit, Unsupported if fullgraph else None)
    EVERY.add(made)
    return made


def _check(backend: Any, mode: str | None, options: Any) -> None:
    """Refuse what PyTorch refuses.

    Raises:
        RuntimeError: for unknown names, and for a mode beside options.
    """
    if mode is not None and options is not None:
        raise RuntimeError(
            "Either mode or options can be specified, but both can't be specified at the same time."
        )
    if callable(backend):
        raise InvalidBackend(
            f"torch.compile: the backend {getattr(backend, '__name__', backend)!r} is a function. "
            "PyTorch gives it a graph of torch.fx, which this layer does not make. Leave backend "
            "out, or write a pass over Programs for funcgrad.jit."
        )
    if backend is not None and backend not in BACKENDS:
        raise InvalidBackend(
            f"Invalid backend: {backend!r}, see `torch._dynamo.list_backends()` for available "
            "backends."
        )
    if backend in (None, "inductor") and mode is not None and mode not in MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(MODES)}")


def compile(
    model: Any = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = None,
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    name: str | None = None,
    disable: bool = False,
    recompile_limit: int | None = None,
    isolate_recompiles: bool = False,
    shapes_spec: Any = None,
) -> Any:
    """A function or module that is recorded once for each kind of arguments, and then compiled.

    Args:
        model: a function, method or module; left out, `compile` is a decorator.
        fullgraph: whether a function that cannot be compiled raises; by default it runs eagerly.
        dynamic: makes no difference: there is a program for each shape.
        backend: "inductor", "eager" or "aot_eager"; all run the same programs.
        mode: "default", "reduce-overhead", "max-autotune", ...; makes no difference.
        options: make no difference.
        name: makes no difference.
        disable: whether to return the function as it is.
        recompile_limit: so many versions are compiled; others run eagerly. By default 8.
        isolate_recompiles: makes no difference: versions are counted for each call of `compile`.
        shapes_spec: makes no difference.

    Returns:
        A function, or for a module an `OptimizedModule` around it.

    Example:
        >>> import funcgrad.compat.torch as torch
        >>> @torch.compile
        ... def f(x):
        ...     return (x * x).sum()
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> f(x).backward()
        >>> x.grad
        tensor([2., 4.])
    """
    if model is None:
        return functools.partial(
            compile, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode,
            options=options, name=name, disable=disable, recompile_limit=recompile_limit,
            isolate_recompiles=isolate_recompiles, shapes_spec=shapes_spec,
        )  # fmt: skip
    _check(backend, mode, options)
    limit = MOST if recompile_limit is None else recompile_limit
    if disable:
        return model
    if isinstance(model, OptimizedModule):
        model = model._orig_mod
    if isinstance(model, Module):
        return OptimizedModule(model, _compiled(model, limit, fullgraph))
    if not callable(model):
        raise AssertionError(f"A callable function is expected, but {type(model)} is provided.")
    if inspect.isclass(model):
        return model
    model = _original(model)
    compiled = _compiled(model, limit, fullgraph)

    @functools.wraps(model)
    def compile_wrapper(*args: Any, **kwargs: Any) -> Any:
        return compiled(*args, **kwargs)

    compile_wrapper._torchdynamo_orig_callable = model  # type: ignore[attr-defined]  # PyTorch's name
    compile_wrapper._torchdynamo_inline = model  # type: ignore[attr-defined]  # likewise
    compile_wrapper._compiled = compiled  # type: ignore[attr-defined]  # what there is to be asked
    return compile_wrapper


def _original(fun: Any) -> Any:
    """The function that a compiled one was made of, or the function itself."""
    found = getattr(fun, "_torchdynamo_orig_callable", fun)
    if found is not fun and inspect.ismethod(fun):
        return MethodType(found, fun.__self__)
    return found


def _module_compile(self: Module, *args: Any, **kwargs: Any) -> None:
    """Compile the calls of this module, in place; arguments as of `torch.compile`."""
    vars(self)["_compiled_call_impl"] = compile(self._call_impl, *args, **kwargs)


COMPILING["compile"] = _module_compile


# --- torch.compiler ----------------------------------------------------------------------------


def reset() -> None:
    """Forget all compiled programs."""
    for one in list(EVERY):
        one.reset()


def is_compiling() -> bool:
    """Whether a function is being recorded."""
    return STATE.compiling is not None


def is_exporting() -> bool:
    """Always false."""
    return False


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """The function as one that is not compiled; whatever calls it runs eagerly."""
    if fn is None:
        return functools.partial(disable, recursive=recursive, reason=reason)
    if isinstance(fn, OptimizedModule):
        fn = fn._orig_mod
    fn = _original(fn)
    if inspect.isclass(fn):
        return fn
    if isinstance(fn, Module):
        vars(fn)["forward"] = disable(fn.forward)
        return fn

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        refuse("it calls a function that is not to be compiled")
        return fn(*args, **kwargs)

    return wrapper


def allow_in_graph(fn: Any) -> Any:
    """The function itself: all functions are recorded."""
    return fn


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """Names of the backends that are known."""
    return list(BACKENDS) if not exclude_tags else ["inductor"]


class ExplainOutput:
    """What `torch._dynamo.explain` says of a function.

    Attributes:
        graph_count: number of programs.
        graph_break_count: number of versions that run eagerly.
        break_reasons: why they do.
    """

    __module__ = "torch._dynamo.backends.debugging"

    def __init__(self, reasons: list[str]) -> None:
        self.break_reasons = [reason for reason in reasons if reason]
        self.graph_break_count = len(self.break_reasons)
        self.graph_count = len(reasons) - self.graph_break_count

    @override
    def __str__(self) -> str:
        lines = [f"Graph Count: {self.graph_count}", f"Graph Break Count: {self.graph_break_count}"]
        return "\n".join([*lines, *(f"  {reason}" for reason in self.break_reasons)])


def explain(f: Any) -> Callable[..., ExplainOutput]:
    """A function of arguments that says how `f` is compiled for them, or why it is not."""

    def explained(*args: Any, **kwargs: Any) -> ExplainOutput:
        made = _compiled(_original(f), MOST, False)
        made(*args, **kwargs)
        return ExplainOutput(made.reasons or made.refused)

    return explained


def mark_nothing(*_args: Any, **_options: Any) -> None:
    """Nothing: there is no graph of the device's."""


class set_stance(AbstractContextManager):  # type: ignore[type-arg]  # PyTorch's name
    """How compiled functions are called from now on, or inside of the `with` block.

    Args:
        stance: "default", "force_eager" (nothing is compiled, nor what is compiled run),
            "eager_on_recompile" (nothing new is compiled) or "fail_on_recompile".
        skip_guard_eval_unsafe: makes no difference.
        force_backend: makes no difference.
    """

    def __init__(
        self, stance: str = "default", *, skip_guard_eval_unsafe: bool = False,
        force_backend: Any = None,
    ) -> None:  # fmt: skip
        if stance not in STANCES:
            raise RuntimeError(f"invalid torch.compile stance '{stance}'")
        self.before = SETTINGS.stance
        self.stance = SETTINGS.stance = stance

    def __call__(self, function: Callable[..., Any]) -> Any:
        """Decorate a function; the stance is then not taken at once."""
        SETTINGS.stance = self.before

        @functools.wraps(function)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            with set_stance(self.stance):
                return function(*args, **kwargs)

        return decorated

    @override
    def __enter__(self) -> None:
        SETTINGS.stance = self.stance

    @override
    def __exit__(self, *_: object) -> None:
        SETTINGS.stance = self.before


expose("compile", compile, method=False)
MODULES["compiler"] = {
    "allow_in_graph": allow_in_graph,
    "assume_constant_result": allow_in_graph,
    "compile": compile,
    "cudagraph_mark_step_begin": mark_nothing,
    "disable": disable,
    "is_compiling": is_compiling,
    "is_dynamo_compiling": is_compiling,
    "is_exporting": is_exporting,
    "list_backends": list_backends,
    "reset": reset,
    "set_stance": set_stance,
}
MODULES["_dynamo"] = {
    "OptimizedModule": OptimizedModule,
    "allow_in_graph": allow_in_graph,
    "disable": disable,
    "explain": explain,
    "graph_break": functools.partial(refuse, "it asks for a graph break"),
    "is_compiling": is_compiling,
    "list_backends": list_backends,
    "mark_dynamic": mark_nothing,
    "mark_static": mark_nothing,
    "maybe_mark_dynamic": mark_nothing,
    "reset": reset,
}
MODULES["_dynamo.eval_frame"] = {"OptimizedModule": OptimizedModule}
MODULES["_dynamo.exc"] = {
    "InvalidBackend": InvalidBackend,
    "TorchDynamoException": TorchDynamoException,
    "Unsupported": Unsupported,
}

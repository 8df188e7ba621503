"""`torch.utils.checkpoint`: what backward needs is computed again instead of being kept."""

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from funcgrad.compat.torch.autograd.function import Function
from funcgrad.compat.torch.autograd.graph import saved_tensors_hooks
from funcgrad.compat.torch.autograd_core import backward
from funcgrad.compat.torch.grad_mode import enable_grad
from funcgrad.compat.torch.randomness import get_rng_state, set_rng_state
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import Tensor

__all__ = [
    "CheckpointError",
    "CheckpointFunction",
    "check_backward_validity",
    "checkpoint",
    "checkpoint_sequential",
    "detach_variable",
    "get_device_states",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
    "set_device_states",
]

Contexts = Callable[[], tuple[AbstractContextManager[Any], AbstractContextManager[Any]]]


class CheckpointError(RuntimeError):
    """The second computation did not save what the first did."""


class _Enough(BaseException):
    """Ends the second computation when all that was asked for is there.

    It is no `Exception`, so that a function which handles those does not swallow it.
    """


class _Settings:
    """What contexts set for all checkpoints inside them; `None`: as each call says."""

    early_stop: bool | None = None
    debug: bool | None = None


SETTINGS = _Settings()


def set_checkpoint_early_stop(enable: bool) -> AbstractContextManager[None]:
    """A context in which the second computation ends early, or does not."""
    return _set("early_stop", enable)


def set_checkpoint_debug_enabled(enabled: bool | None) -> AbstractContextManager[None]:
    """A context in which errors of checkpoints list all that was saved, or do not."""
    return _set("debug", enabled)


@contextmanager
def _set(name: str, value: bool | None) -> Iterator[None]:
    before = getattr(SETTINGS, name)
    setattr(SETTINGS, name, value)
    try:
        yield
    finally:
        setattr(SETTINGS, name, before)


def noop_context_fn() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """Two contexts that do nothing."""
    return contextlib.nullcontext(), contextlib.nullcontext()


def _metadata(tensor: Any) -> dict[str, Any]:
    """What must be the same the second time; values may differ by rounding."""
    return {"shape": tensor.shape, "dtype": tensor.dtype, "device": tensor.device}


class _Call:
    """A call that can be made once more, with the same draws of random numbers.

    Attributes:
        state: of the random numbers before it; `None` if they need not be the same.
    """

    def __init__(self, function: Callable[..., Any], keeps_state: bool, kwargs: Any) -> None:
        self.function = function
        self.kwargs = kwargs
        self.state = get_rng_state() if keeps_state else None

    def again(self, args: Sequence[Any]) -> Any:
        """The result of the same call, recorded."""
        before = None if self.state is None else get_rng_state()
        if self.state is not None:
            set_rng_state(self.state)
        try:
            with enable_grad():
                return self.function(*args, **self.kwargs)
        finally:
            if before is not None:
                set_rng_state(before)


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments, of which tensors are leaves now.

    Raises:
        RuntimeError: they are in no tuple.
    """
    if not isinstance(inputs, tuple):
        raise RuntimeError(  # as in PyTorch
            "Only tuple of tensors is supported. Got Unsupported input type: "
            f"{type(inputs).__name__}"
        )
    return tuple([
        one.detach().requires_grad_(one.requires_grad) if isinstance(one, Tensor) else one
        for one in inputs
    ])  # fmt: skip


def check_backward_validity(inputs: Iterable[Any]) -> None:
    """Warn if no tensor among the arguments requires grad."""
    _warn_without_gradients(inputs, 3)


def _warn_without_gradients(inputs: Iterable[Any], level: int) -> None:
    if not any(isinstance(one, Tensor) and one.requires_grad for one in inputs):
        warnings.warn(
            "None of the inputs have requires_grad=True. Gradients will be None",
            UserWarning,
            stacklevel=level,
        )


def get_device_states(*_args: Any) -> tuple[list[int], list[Tensor]]:
    """Numbers of other devices and the states of their random numbers: there are none."""
    return [], []


def set_device_states(devices: Sequence[int], states: Sequence[Tensor]) -> None:
    """Set what `get_device_states` gave: nothing."""


class _Again:
    """Hooks that keep the number of a saved tensor, and find it by computing all of them again.

    Attributes:
        call: what is called again,
        args: with these arguments,
        context: inside this context.
        checks: whether shapes and types are compared.
        stops: whether computing ends as soon as all is found.
        debug: whether errors list everything.
        saved: what is known of each tensor that was saved.
        found: tensors by their numbers, until they are taken.
    """

    def __init__(
        self,
        call: _Call,
        args: Sequence[Any],
        context: AbstractContextManager[Any],
        *,
        checks: bool,
        stops: bool,
        debug: bool,
    ) -> None:
        self.call = call
        self.args = tuple(args)
        self.context = context
        self.checks = checks
        self.stops = stops
        self.debug = debug
        self.saved: list[dict[str, Any]] = []
        self.found: dict[int, Tensor] = {}

    def pack(self, tensor: Any) -> int:
        """The number in order of saving."""
        self.saved.append(_metadata(tensor))
        return len(self.saved) - 1

    def unpack(self, number: int) -> Tensor:
        """The tensor of this number."""
        if number not in self.found:
            self.found = dict(enumerate(self._computed()))
        return self.found.pop(number)

    def _computed(self) -> list[Any]:
        again: list[Any] = []

        def keep(tensor: Any) -> Any:
            if len(again) == len(self.saved):
                raise self._error(
                    "trying to save more tensors during recomputation than during the original "
                    "forward pass.",
                    again,
                )
            again.append(tensor)
            if self.stops and len(again) == len(self.saved):
                raise _Enough
            return tensor

        with contextlib.suppress(_Enough), self.context, saved_tensors_hooks(keep, _nothing):
            self.call.again(detach_variable(self.args))
        if len(again) != len(self.saved):
            raise self._error(
                "A different number of tensors was saved during the original forward and "
                f"recomputation.\nNumber of tensors saved during forward: {len(self.saved)}\n"
                f"Number of tensors saved during recomputation: {len(again)}.",
                again,
            )
        if self.checks:
            self._check(again)
        return again

    def _check(self, again: list[Any]) -> None:
        lines = ""
        for i, (first, tensor) in enumerate(zip(self.saved, again, strict=True)):
            second = _metadata(tensor)
            if first != second:
                lines += (
                    f"tensor at position {i}:\nsaved metadata: {first}\n"
                    f"recomputed metadata: {second}\n"
                )
        if lines:
            raise self._error(
                "Recomputed values for the following tensors have different metadata than during "
                f"the forward pass.\n{lines}",
                again,
            )

    def _error(self, text: str, again: list[Any]) -> CheckpointError:
        if self.debug:
            rows = "\n".join(map(str, self.saved))
            others = "\n".join(str(_metadata(one)) for one in again)
            text += f"\n\nSaved in forward:\n{rows}\nSaved in recomputation:\n{others}"
        else:
            text += (
                "\n\nThe function did something else the second time. Pass debug=True to list what "
                "it saved, or make it depend on its arguments and the random numbers only."
            )
        return CheckpointError(f"torch.utils.checkpoint: {text}")


def _nothing(packed: Any) -> Any:
    return packed


class CheckpointFunction(Function):
    """One node for the whole call; its backward records the call again and sweeps that."""

    @staticmethod
    def forward(ctx: Any, call: _Call, *args: Any) -> Any:
        """The result, unrecorded."""
        ctx.call = call
        ctx.args = [None if isinstance(one, Tensor) else one for one in args]
        ctx.places = [i for i, one in enumerate(args) if isinstance(one, Tensor)]
        ctx.save_for_backward(*[args[i] for i in ctx.places])
        return call.function(*args, **call.kwargs)

    @staticmethod
    def backward(ctx: Any, *cts: Any) -> Any:
        """Gradients of the arguments; those of parameters are accumulated on the way."""
        if STATE.plan is not None and STATE.plan.partial:
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or "
                "passing an `inputs` parameter to .backward(). To resolve this error, you can "
                "either set use_reentrant=False, or call .backward() without passing the `inputs` "
                "argument."
            )
        given = list(ctx.args)
        for i, tensor in zip(ctx.places, ctx.saved_tensors, strict=True):
            given[i] = tensor
        args = detach_variable(tuple(given))
        results = ctx.call.again(args)
        pairs = [
            (one, ct)
            for one, ct in zip(
                results if isinstance(results, tuple) else (results,), cts, strict=True
            )
            if isinstance(one, Tensor) and one.requires_grad
        ]
        if not pairs:
            raise RuntimeError(
                "none of output has requires_grad=True, this checkpoint() is not necessary"
            )
        backward([one for one, _ in pairs], [ct for _, ct in pairs])
        return None, *[one.grad if isinstance(one, Tensor) else None for one in args]


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Contexts = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """function(*args), whose inner values are computed again in backward and not kept.

    Args:
        function: what to call.
        *args: of it.
        use_reentrant: whether the call is one node, whose backward is a backward of its own; else
            its nodes stay in the graph. `None` is `True`, with a warning.
        context_fn: gives two contexts: for the first computation and for the second.
        determinism_check: "default": shapes and types of what is computed again are compared;
            "none": they are not.
        debug: whether the error then lists everything.
        early_stop: whether the second computation ends as soon as all that backward needs is there.
        **kwargs: of the function; except `preserve_rng_state`: whether random draws are the same
            the second time (by default they are).
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. "
            "Starting in PyTorch 2.9, calling checkpoint without use_reentrant will raise an "
            "exception. use_reentrant=False is recommended, but if you need to preserve the "
            "current default behavior, you can pass use_reentrant=True. Refer to docs for more "
            "details on the differences between the two variants.",
            UserWarning,
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if not use_reentrant:
        if determinism_check not in ("default", "none"):
            raise ValueError(
                "determinism_check should be one of ['default', 'none'], but got "
                f"{determinism_check}"
            )
        first, second = context_fn()
        hooks = _Again(
            _Call(function, preserve, kwargs),
            args,
            second,
            checks=determinism_check == "default",
            stops=early_stop if SETTINGS.early_stop is None else SETTINGS.early_stop,
            debug=debug if SETTINGS.debug is None else SETTINGS.debug,
        )
        if not STATE.grad:  # there will be no backward
            return function(*args, **kwargs)
        with saved_tensors_hooks(hooks.pack, hooks.unpack), first:
            return function(*args, **kwargs)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if context_fn is not noop_context_fn or debug:
        raise ValueError(
            "Passing `context_fn` or `debug` is only supported when use_reentrant=False."
        )
    _warn_without_gradients(args, 3)
    return CheckpointFunction.apply(_Call(function, preserve, {}), *args)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Functions one after the other, in segments of which only the inputs are kept.

    Args:
        functions: to call in turn, in a list or an `nn.Sequential`.
        segments: how many; the last one is computed as usual.
        input: of the first function.
        use_reentrant: as in `checkpoint`.
        **kwargs: `preserve_rng_state`, as in `checkpoint`.
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be "
            "passed explicitly. In version 2.9 we will raise an exception if use_reentrant is not "
            "passed. use_reentrant=False is recommended, but if you need to preserve the current "
            "default behavior, you can pass use_reentrant=True. Refer to docs for more details on "
            "the differences between the two variants.",
            UserWarning,
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    steps = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = len(steps) // segments
    last = 0
    for start in range(0, size * (segments - 1), size):
        last = start + size
        input = checkpoint(
            _Chain(steps[start:last]),
            input,
            use_reentrant=use_reentrant,
            preserve_rng_state=preserve,
        )
    return _Chain(steps[last:])(input)


class _Chain:
    """Functions one after the other."""

    def __init__(self, functions: Sequence[Callable[[Any], Any]]) -> None:
        self.functions = functions

    def __call__(self, value: Any) -> Any:
        """The result of the last."""
        for function in self.functions:
            value = function(value)
        return value

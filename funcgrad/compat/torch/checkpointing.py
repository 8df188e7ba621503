"""`torch.utils.checkpoint`: what backward needs is computed again instead of being kept."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from funcgrad.compat.torch.autograd.function import Function
from funcgrad.compat.torch.autograd.graph import saved_tensors_hooks
from funcgrad.compat.torch.autograd_core import backward
from funcgrad.compat.torch.grad_mode import enable_grad
from funcgrad.compat.torch.randomness import get_rng_state, set_rng_state
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["checkpoint", "checkpoint_sequential"]


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


def _detached(args: Sequence[Any]) -> list[Any]:
    """The arguments as leaves."""
    return [
        one.detach().requires_grad_(one.requires_grad) if isinstance(one, Tensor) else one
        for one in args
    ]


class _Again:
    """Hooks that keep the number of a saved tensor, and find it by computing all of them again."""

    def __init__(self, call: _Call, args: Sequence[Any]) -> None:
        self.call = call
        self.args = args
        self.count = 0
        self.found: dict[int, Tensor] = {}

    def pack(self, _tensor: Tensor) -> int:
        """The number in order of saving."""
        self.count += 1
        return self.count - 1

    def unpack(self, number: int) -> Tensor:
        """The tensor of this number."""
        if number not in self.found:
            numbered: list[Tensor] = []
            with saved_tensors_hooks(numbered.append, _nothing):
                self.call.again(_detached(self.args))
            if len(numbered) != self.count:
                raise CheckpointError(
                    "torch.utils.checkpoint: A different number of tensors was saved during the "
                    f"original forward and recomputation.\nNumber of tensors saved during forward: "
                    f"{self.count}\nNumber of tensors saved during recomputation: {len(numbered)}."
                )
            self.found = dict(enumerate(numbered))
        return self.found.pop(number)


def _nothing(packed: Any) -> Any:
    return packed


class CheckpointError(RuntimeError):
    """The second computation did not save what the first did."""


class CheckpointFunction(Function):
    """One node for the whole call; its backward records the call again and sweeps that."""

    @staticmethod
    def forward(ctx: Any, call: _Call, *args: Any) -> Any:
        """The result, unrecorded."""
        ctx.call, ctx.args = call, args
        return call.function(*args, **call.kwargs)

    @staticmethod
    def backward(ctx: Any, *cts: Any) -> Any:
        """Gradients of the arguments; those of parameters are accumulated on the way."""
        args = _detached(ctx.args)
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
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """function(*args), whose inner values are computed again in backward and not kept.

    Args:
        function: what to call.
        *args: of it.
        use_reentrant: whether the call is one node, whose backward is a backward of its own; else
            its nodes stay in the graph. `None` is `True`, with a warning.
        preserve_rng_state: whether random draws are the same the second time.
        **kwargs: of the function.
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. "
            "use_reentrant=False is recommended.",
            UserWarning,
            stacklevel=2,
        )
        use_reentrant = True
    call = _Call(function, preserve_rng_state, kwargs)
    if not use_reentrant:
        hooks = _Again(call, args)
        with saved_tensors_hooks(hooks.pack, hooks.unpack):
            return function(*args, **kwargs)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if not any(isinstance(one, Tensor) and one.requires_grad for one in args):
        warnings.warn(
            "None of the inputs have requires_grad=True. Gradients will be None",
            UserWarning,
            stacklevel=2,
        )
    return CheckpointFunction.apply(call, *args)


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
) -> Any:
    """Functions one after the other, in segments of which only the inputs are kept.

    Args:
        functions: to call in turn.
        segments: how many; the last one is computed as usual.
        input: of the first function.
        use_reentrant: as in `checkpoint`.
        preserve_rng_state: as in `checkpoint`.
    """
    steps = list(functions)
    size = len(steps) // segments
    for i in range(segments - 1):
        part = _Chain(steps[i * size : (i + 1) * size])
        input = checkpoint(
            part, input, use_reentrant=use_reentrant, preserve_rng_state=preserve_rng_state
        )
    return _Chain(steps[(segments - 1) * size :])(input)


class _Chain:
    """Functions one after the other."""

    def __init__(self, functions: Sequence[Callable[[Any], Any]]) -> None:
        self.functions = functions

    def __call__(self, value: Any) -> Any:
        """The result of the last."""
        for function in self.functions:
            value = function(value)
        return value


for _function in (checkpoint, checkpoint_sequential):
    expose(_function.__name__, _function, method=False, module="utils.checkpoint")
expose("CheckpointError", CheckpointError, method=False, module="utils.checkpoint")
expose("CheckpointFunction", CheckpointFunction, method=False, module="utils.checkpoint")

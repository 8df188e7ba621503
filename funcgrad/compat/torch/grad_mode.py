"""Switches of recording: contexts and decorators."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from funcgrad.compat.torch.state import STATE

__all__ = ["enable_grad", "inference_mode", "is_grad_enabled", "no_grad", "set_grad_enabled"]


class _Switch:
    """A mode as a context manager and as a decorator, of functions and of generators."""

    def __call__(self, function: Callable[..., Any]) -> Any:
        """Decorate a function."""
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generate(*args: Any, **kwargs: Any) -> Any:
                generator = function(*args, **kwargs)
                step, given = generator.send, None
                try:
                    while True:
                        with self._again():
                            value = step(given)
                        try:
                            given = yield value
                            step = generator.send
                        except GeneratorExit:
                            with self._again():
                                generator.close()
                            raise
                        except BaseException as error:  # noqa: BLE001  # it is the generator's
                            step, given = generator.throw, error
                except StopIteration as end:
                    return end.value

            return generate

        @functools.wraps(function)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return decorated

    def _again(self) -> "_Switch":
        return type(self)()

    def __enter__(self) -> Any:
        raise NotImplementedError

    def __exit__(self, *_: object) -> None:
        raise NotImplementedError


class no_grad(_Switch):  # the public name
    """Operations inside are not recorded."""

    def __new__(cls, function: Any = None) -> Any:
        """The switch, or the function if it decorates one without brackets."""
        self = super().__new__(cls)
        return self if function is None else self(function)

    def __enter__(self) -> None:
        self.before = STATE.grad
        STATE.grad = False

    def __exit__(self, *_: object) -> None:
        STATE.grad = self.before


class enable_grad(_Switch):  # the public name
    """Operations inside are recorded."""

    def __new__(cls, function: Any = None) -> Any:
        """The switch, or the function if it decorates one without brackets."""
        self = super().__new__(cls)
        return self if function is None else self(function)

    def __enter__(self) -> None:
        self.before = STATE.grad
        STATE.grad = True

    def __exit__(self, *_: object) -> None:
        STATE.grad = self.before


class set_grad_enabled(_Switch):  # the public name
    """Switch recording on or off: at once, and back at the end of a `with` block."""

    def __init__(self, mode: bool) -> None:
        self.before = STATE.grad
        self.mode = bool(mode)
        STATE.grad = self.mode

    def __call__(self, function: Callable[..., Any]) -> Any:
        """Decorate a function; the switch is then not thrown at once."""
        STATE.grad = self.before
        return super().__call__(function)

    def _again(self) -> "_Switch":
        return set_grad_enabled(self.mode)

    def __enter__(self) -> None:
        STATE.grad = self.mode

    def __exit__(self, *_: object) -> None:
        STATE.grad = self.before


class inference_mode(_Switch):  # the public name
    """As `no_grad`. Tensors made inside are ordinary ones, without PyTorch's rules for them."""

    def __new__(cls, mode: Any = True) -> Any:
        """The switch, or the function if it decorates one without brackets."""
        self = super().__new__(cls)
        if callable(mode):
            self.mode = True
            return self(mode)
        return self

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode

    def _again(self) -> "_Switch":
        return inference_mode(self.mode)

    def __enter__(self) -> None:
        self.before = (STATE.grad, STATE.inference)
        STATE.grad = STATE.grad and not self.mode if self.mode else True
        STATE.inference = self.mode

    def __exit__(self, *_: object) -> None:
        STATE.grad, STATE.inference = self.before


def is_grad_enabled() -> bool:
    """Whether operations are recorded."""
    return STATE.grad


def is_inference_mode_enabled() -> bool:
    """Whether new tensors are inference tensors."""
    return STATE.inference


PUBLIC = (
    "enable_grad", "inference_mode", "is_grad_enabled", "is_inference_mode_enabled", "no_grad",
    "set_grad_enabled",
)  # fmt: skip
"""Names of `torch` that are defined here."""

"""`torch.amp`: mixed precision, as far as it means something without a GPU.

`autocast` that is switched off, or is for a GPU that is not there, changes nothing, as in PyTorch.
`GradScaler` scales losses and takes the factor out of gradients.
"""

import functools
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from funcgrad.compat.torch.dtypes import device
from funcgrad.compat.torch.registry import MODULES
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["GradScaler", "autocast", "is_autocast_available"]

NO_CUDA = "CUDA is not available or torch_xla is imported. Disabling autocast."
NO_CAST = (
    "autocast: this layer computes in the types of the tensors and has no mixed precision on the "
    "CPU. Pass enabled=False, or convert the module with .to(torch.bfloat16)."
)


class autocast:  # the public name
    """Mixed precision: none here, so it must be switched off, or be for a missing GPU.

    Args:
        device_type: "cpu", "cuda", ....
        dtype: accepted.
        enabled: whether it is switched on.
        cache_enabled: accepted.

    Raises:
        RuntimeError: if it is switched on for the CPU.
    """

    def __init__(
        self,
        device_type: str,
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        kind = device(device_type).type
        if enabled and kind == "cpu":
            raise RuntimeError(NO_CAST)
        if enabled:
            warnings.warn(NO_CUDA, UserWarning, stacklevel=2)

    def __enter__(self) -> "autocast":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a function."""

        @functools.wraps(function)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return decorated


def is_autocast_available(device_type: str) -> bool:
    """Never: see `autocast`."""
    return False


class GradScaler:
    """Multiplies losses by a factor, so that small gradients do not vanish in float16.

    The factor is taken out of the gradients before the step; a step whose gradients are not finite
    is left out and the factor made smaller; after `growth_interval` good steps it grows.
    Source: Micikevicius et al., "Mixed precision training", 2018.

    Args:
        device: "cpu"; for "cuda", which is missing, everything passes through unchanged.
        init_scale: the factor at the start.
        growth_factor: by which it grows.
        backoff_factor: by which it is made smaller.
        growth_interval: number of good steps.
        enabled: whether anything is done.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._enabled = enabled
        if enabled and device != "cpu":
            warnings.warn(
                f"torch.{device}.amp.GradScaler is enabled, but {device.upper()} is not available. "
                " Disabling.",
                UserWarning,
                stacklevel=2,
            )
            self._enabled = False
        if not growth_factor > 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if not backoff_factor < 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._scale = float(init_scale)
        self._growth = growth_factor
        self._backoff = backoff_factor
        self._interval = growth_interval
        self._good_steps = 0
        self._used = False
        self._stages: dict[int, str] = {}
        """"unscaled" or "stepped", by the identity of an optimiser."""

        self._infinite: dict[int, bool] = {}

    def is_enabled(self) -> bool:
        """Whether anything is done."""
        return self._enabled

    def scale(self, outputs: Any) -> Any:
        """A tensor, or several, times the factor."""
        if not self._enabled:
            return outputs
        self._used = True
        if isinstance(outputs, Tensor):
            return outputs * self._scale  # type: ignore[operator]  # entered
        if isinstance(outputs, Iterable):
            scaled = [self.scale(one) for one in outputs]
            return type(outputs)(scaled) if isinstance(outputs, list | tuple) else scaled
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def _check_used(self, what: str) -> None:
        if not self._used:
            raise AssertionError(
                f"Attempted {what} but _scale is None.  This may indicate your script did not use "
                "scaler.scale(loss or outputs) earlier in the iteration."
            )

    def unscale_(self, optimizer: Any) -> None:
        """Take the factor out of the gradients of an optimiser's parameters, in place."""
        if not self._enabled:
            return
        self._check_used("unscale_")
        stage = self._stages.get(id(optimizer))
        if stage == "unscaled":
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if stage == "stepped":
            raise RuntimeError("unscale_() is being called after step().")
        found = False
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                gradient = parameter._grad
                if gradient is not None:
                    gradient.mul_(1.0 / self._scale)
                    finite = bool(np.isfinite(gradient._value).all())
                    self._infinite[id(optimizer)] = found = found or not finite
        self._stages[id(optimizer)] = "unscaled"

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """`optimizer.step(...)`, unless a gradient is not finite; returns what that returns."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._check_used("step")
        if self._stages.get(id(optimizer)) == "stepped":
            raise RuntimeError("step() has already been called since the last update().")
        if id(optimizer) not in self._stages:
            self.unscale_(optimizer)
        if id(optimizer) not in self._infinite:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        result = None
        if not self._infinite[id(optimizer)]:
            result = optimizer.step(*args, **kwargs)
        self._stages[id(optimizer)] = "stepped"
        return result

    def update(self, new_scale: Any = None) -> None:
        """Adapt the factor to what the steps met, or set it."""
        if not self._enabled:
            return
        self._check_used("update")
        if new_scale is not None:
            self._scale = float(new_scale)
        else:
            if not self._infinite:
                raise AssertionError("No inf checks were recorded prior to update.")
            if any(self._infinite.values()):
                self._scale *= self._backoff
                self._good_steps = 0
            else:
                self._good_steps += 1
                if self._good_steps == self._interval:
                    self._scale *= self._growth
                    self._good_steps = 0
        self._stages.clear()
        self._infinite.clear()

    def get_scale(self) -> float:
        """The factor; 1 if nothing is done."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """By which the factor grows."""
        return self._growth

    def set_growth_factor(self, new_factor: float) -> None:
        """Set by which the factor grows."""
        self._growth = new_factor

    def get_backoff_factor(self) -> float:
        """By which the factor is made smaller."""
        return self._backoff

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set by which the factor is made smaller."""
        self._backoff = new_factor

    def get_growth_interval(self) -> int:
        """Good steps until the factor grows."""
        return self._interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set the number of good steps until the factor grows."""
        self._interval = new_interval

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes, for a checkpoint; empty if nothing is done."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth,
            "backoff_factor": self._backoff,
            "growth_interval": self._interval,
            "_growth_tracker": self._good_steps,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled "
                "instance of GradScaler."
            )
        self._scale = state_dict["scale"]
        self._growth = state_dict["growth_factor"]
        self._backoff = state_dict["backoff_factor"]
        self._interval = state_dict["growth_interval"]
        self._good_steps = state_dict["_growth_tracker"]


def _of_cuda(cls: type, name: str) -> Callable[..., Any]:
    """The deprecated form without the device."""

    def made(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(
            f"`torch.cuda.amp.{name}(args...)` is deprecated. Please use "
            f"`torch.amp.{name}('cuda', args...)` instead.",
            FutureWarning,
            stacklevel=2,
        )
        if cls is autocast:
            enabled = args[0] if args else kwargs.pop("enabled", True)
            return autocast("cuda", enabled=enabled)
        return cls("cuda", *args, **kwargs)

    return made


_NAMES = {
    "GradScaler": GradScaler,
    "autocast": autocast,
    "is_autocast_available": is_autocast_available,
}
MODULES["amp"] = dict(_NAMES)
MODULES["cuda.amp"] = {name: _of_cuda(cls, name) for name, cls in
                       (("GradScaler", GradScaler), ("autocast", autocast))}  # fmt: skip
MODULES["torch"]["autocast"] = autocast
MODULES["torch"]["is_autocast_enabled"] = lambda device_type="cuda": False

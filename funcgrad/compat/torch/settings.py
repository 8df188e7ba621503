"""Settings, types and facts about the machine: `set_default_dtype`, `cuda.is_available`, ..."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from funcgrad.compat.torch import dtypes, formatting
from funcgrad.compat.torch.dtypes import CPU, DTYPES, device, dtype
from funcgrad.compat.torch.op import result_type
from funcgrad.compat.torch.registry import MODULES, expose
from funcgrad.compat.torch.state import SETTINGS, STATE
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["get_default_dtype", "set_default_dtype"]

VERSION = "2.13.0+funcgrad"
"""The version of PyTorch whose behaviour is followed."""


def set_default_dtype(d: dtype) -> None:
    """The type of new floating-point tensors."""
    if type(d) is not dtype:
        raise TypeError(
            "invalid dtype object: only floating-point types are supported as the default type"
        )
    if d.category != 2:
        raise TypeError("only floating-point types are supported as the default type")
    SETTINGS.default_dtype = d


def get_default_dtype() -> dtype:
    """The type of new floating-point tensors."""
    return SETTINGS.default_dtype


def set_default_tensor_type(t: Any) -> None:
    """As `set_default_dtype`, by a type name."""
    word = (t if isinstance(t, str) else t.__name__).removeprefix("torch.").removesuffix("Tensor")
    for kind in DTYPES.values():
        if kind.legacy == word:
            set_default_dtype(kind)
            return
    raise TypeError(f"invalid type object: {t}")


def set_default_device(device: Any) -> None:
    """Where new tensors are made: on the CPU, or without values on `meta`."""
    STATE.device = None if device is None else dtypes.device(device)


def get_default_device() -> device:
    """Where new tensors are made."""
    return STATE.device or CPU


def _enter_device(self: device) -> device:
    """New tensors are made there within the block."""
    STATE.devices += (STATE.device,)
    STATE.device = self
    return self


def _leave_device(self: device, *_: object) -> None:
    """New tensors are made where they were before the block."""
    *rest, STATE.device = STATE.devices
    STATE.devices = tuple(rest)


device.__enter__ = _enter_device  # type: ignore[attr-defined]  # entered here: it needs the state
device.__exit__ = _leave_device  # type: ignore[attr-defined]  # as above


def is_tensor(obj: Any) -> bool:
    """Whether an object is a tensor."""
    return isinstance(obj, Tensor)


def set_num_threads(number: int) -> None:
    """Kept and told again; NumPy's threads are set by the environment."""
    if number <= 0:
        raise RuntimeError("set_num_threads expects a positive integer")
    SETTINGS.threads = number


def get_num_threads() -> int:
    """What `set_num_threads` was given."""
    return SETTINGS.threads


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Everything here is deterministic already."""
    SETTINGS.deterministic, SETTINGS.only_warns = mode, warn_only


def are_deterministic_algorithms_enabled() -> bool:
    """What `use_deterministic_algorithms` was given."""
    return SETTINGS.deterministic


def typename(obj: Any) -> str:
    """The name of a tensor's type, or of an object's class."""
    if isinstance(obj, Tensor):
        return obj.type()  # type: ignore[attr-defined,no-any-return]  # entered by conversion
    kind = obj if isinstance(obj, type) else type(obj)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}"


def compile(model: Any = None, **_options: Any) -> Any:  # the public name
    """The function itself: nothing is compiled in this layer."""
    return (lambda function: function) if model is None else model


def nothing(*_args: Any, **_kwargs: Any) -> None:
    """Accept anything, do nothing."""


def _never() -> bool:
    """False."""
    return False


def _zero() -> int:
    """0."""
    return 0


def _no_gpu(*_args: Any, **_kwargs: Any) -> Any:
    raise AssertionError("Torch not compiled with CUDA enabled")


def _constant(value: Any) -> Callable[..., Any]:
    def function(*_args: Any, **_kwargs: Any) -> Any:
        """A fixed answer."""
        return value

    return function


MODULES["cuda"] = {
    "is_available": _never,
    "is_initialized": _never,
    "device_count": _zero,
    "manual_seed": nothing,
    "manual_seed_all": nothing,
    "empty_cache": nothing,
    "synchronize": _no_gpu,
    "current_device": _no_gpu,
    "get_device_name": _no_gpu,
    "memory_allocated": _constant(0),
    "max_memory_allocated": _constant(0),
    "reset_peak_memory_stats": nothing,
    "is_bf16_supported": _never,
}
MODULES["accelerator"] = {
    "is_available": _never,
    "device_count": _zero,
    "current_accelerator": _constant(None),
}
MODULES["mps"] = {"is_available": _never, "device_count": _zero, "manual_seed": nothing}
MODULES["xpu"] = {"is_available": _never, "device_count": _zero, "manual_seed": nothing}
MODULES["version"] = {"__version__": VERSION, "cuda": None, "hip": None, "git_version": "none"}
for _backend in ("mps", "mkl", "mkldnn", "openmp", "cuda", "cudnn"):
    MODULES[f"backends.{_backend}"] = {
        "is_available": _never,
        "is_built": _never,
        "enabled": False,
        "benchmark": False,
        "deterministic": False,
        "version": _constant(None),
    }


@contextmanager
def _cudnn_flags(*_args: Any, **_options: Any) -> Iterator[None]:
    """Switches of CUDA's library, which is not there."""
    yield


MODULES["backends.cudnn"]["flags"] = _cudnn_flags


def _set_overwrite(value: bool) -> None:
    """Let conversions of a module make new parameters."""
    SETTINGS.overwrite_parameters = value


def _set_swap(value: bool) -> None:
    """Let conversions of a module keep its parameters the same objects, also on other devices."""
    SETTINGS.swap_parameters = value


MODULES["__future__"] = {
    "set_overwrite_module_params_on_conversion": _set_overwrite,
    "get_overwrite_module_params_on_conversion": lambda: SETTINGS.overwrite_parameters,
    "set_swap_module_params_on_conversion": _set_swap,
    "get_swap_module_params_on_conversion": lambda: SETTINGS.swap_parameters,
}


def get_deterministic_debug_mode() -> int:
    """0, or if only what is deterministic may run 2, or 1 if that only warns."""
    return (1 if SETTINGS.only_warns else 2) if SETTINGS.deterministic else 0


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """As `use_deterministic_algorithms`, by a number or by "default", "warn" or "error"."""
    names = {"default": 0, "warn": 1, "error": 2}
    mode = names.get(debug_mode) if isinstance(debug_mode, str) else debug_mode
    if mode is None:
        raise RuntimeError(
            "invalid value of debug_mode, expected one of `default`, `warn`, `error`, but got "
            f"{debug_mode}"
        )
    if mode not in (0, 1, 2):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, or 2, but got {mode}")
    SETTINGS.deterministic, SETTINGS.only_warns = mode > 0, mode == 1


expose(
    "is_deterministic_algorithms_warn_only_enabled",
    lambda: SETTINGS.deterministic and SETTINGS.only_warns,
    method=False,
)
expose("is_anomaly_enabled", lambda: STATE.detecting, method=False)
expose("is_anomaly_check_nan_enabled", lambda: STATE.check_nan, method=False)
for _name in ("is_autocast_enabled", "is_autocast_cpu_enabled", "is_warn_always_enabled"):
    expose(_name, _constant(False), method=False)
for _name in ("has_lapack", "has_openmp", "has_spectral", "has_mkl"):
    MODULES["torch"][_name] = True

for _function in (
    get_deterministic_debug_mode, set_deterministic_debug_mode,
    set_default_dtype, get_default_dtype, set_default_tensor_type, set_default_device,
    get_default_device, is_tensor, set_num_threads, get_num_threads, typename, compile,
    use_deterministic_algorithms, are_deterministic_algorithms_enabled,
):  # fmt: skip
    expose(_function.__name__, _function, method=False)
for _name in ("set_num_interop_threads", "set_float32_matmul_precision", "set_warn_always",
              "manual_seed_all"):  # fmt: skip
    expose(_name, nothing, method=False)
expose("get_num_interop_threads", _constant(1), method=False)
expose("get_float32_matmul_precision", _constant("highest"), method=False)
expose("is_storage", _constant(False), method=False)
for _name in ("set_printoptions",):
    expose(_name, getattr(formatting, _name), method=False)
expose("result_type", lambda tensor1, tensor2: result_type(tensor1, tensor2), method=False)
expose("can_cast", dtypes.can_cast, method=False)
expose("promote_types", dtypes.promote_types, method=False)
for _name in ("finfo", "iinfo", "Size", "device", "dtype", "layout", "memory_format", "strided",
              "sparse_coo", "contiguous_format", "preserve_format", "channels_last",
              "channels_last_3d"):  # fmt: skip
    expose(_name, getattr(dtypes, _name), method=False)
for _table in (dtypes.DTYPES, dtypes.ALIASES):
    for _name, _kind in _table.items():
        expose(_name, _kind, method=False)
expose("numel", lambda input: input.numel(), method=False)
for _name in ("pi", "e", "inf", "nan"):
    expose(_name, getattr(np, _name), method=False)
MODULES["torch"].update(newaxis=None)

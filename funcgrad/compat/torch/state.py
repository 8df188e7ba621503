"""The modes of the layer, a set for each thread, and the settings that all threads share."""

import itertools
import threading
from typing import Any

from funcgrad.compat.torch.dtypes import DTYPES, dtype

__all__ = ["SETTINGS", "STATE", "next_sequence_number"]

next_sequence_number = itertools.count().__next__
"""Numbers of graph nodes in the order of their making."""


class _State(threading.local):
    """Modes of the current thread.

    Attributes:
        grad: whether operations are recorded (`no_grad`, `enable_grad`).
        inference: whether new tensors are inference tensors.
        anomaly: whether every node is made by `make_node`, which then does more: the short ways
            are closed (anomaly detection, or hooks for saved tensors).
        detecting: whether nodes remember the lines that made them (`detect_anomaly`).
        check_nan: whether, with that, a NaN in a gradient raises.
        saving_forbidden: why hooks for saved tensors may not be set, if they may not.
        saved_hooks: (pack, unpack) pairs for saved tensors, the innermost last.
        task: number of the last backward that was started.
        plan: of the running backward; see `funcgrad.compat.torch.sweeping`.
        dual_levels: open levels of `autograd.forward_ad`.
        device: where new tensors are made if nothing else is said; `None`: on the CPU.
        devices: what `device` was outside of the open `with torch.device(...)` blocks.
        compiling: the recording of a function for `torch.compile` that is going on.
        parametrized: values kept by `nn.utils.parametrize.cached`; `None` outside of it.
    """

    grad = True
    inference = False
    anomaly = False
    detecting = False
    saving_forbidden: str | None = None
    check_nan = True
    saved_hooks: tuple[Any, ...] = ()
    dual_levels: tuple[Any, ...] = ()
    task = 0
    plan: Any = None
    device: Any = None
    devices: tuple[Any, ...] = ()
    compiling: Any = None
    parametrized: dict[Any, Any] | None = None

    def reached(self, node: Any) -> bool:
        """Whether the running backward computes the gradient of this node's result."""
        return self.plan is not None and bool(self.plan.reaches(node))


class _Settings:
    """What `set_default_dtype` and its like change, for all threads."""

    default_dtype: dtype = DTYPES["float32"]
    stance = "default"
    deterministic = False
    only_warns = False
    overwrite_parameters = False
    swap_parameters = False
    threads = 1


STATE = _State()
SETTINGS = _Settings()

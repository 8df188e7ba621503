"""Anomaly detection: nodes remember who made them, and a NaN in a gradient raises."""

import warnings
from typing import Any

from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.state import STATE

__all__ = ["detect_anomaly", "is_anomaly_check_nan_enabled", "is_anomaly_enabled",
           "set_detect_anomaly", "switch_careful"]  # fmt: skip

ENABLED = (
    "Anomaly Detection has been enabled. This mode will increase the runtime and should only be "
    "enabled for debugging."
)


def switch_careful() -> None:
    """Close the short ways as long as somebody needs to see each node made."""
    STATE.anomaly = STATE.detecting or bool(STATE.saved_hooks)


class set_detect_anomaly:  # the public name
    """Switch anomaly detection on or off, at once; as a context, back at its end.

    Args:
        mode: on or off.
        check_nan: whether a NaN in a gradient raises.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.before = (STATE.detecting, STATE.check_nan)
        STATE.detecting, STATE.check_nan = bool(mode), check_nan
        switch_careful()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        STATE.detecting, STATE.check_nan = self.before
        switch_careful()


class detect_anomaly:  # the public name
    """A context in which backward names the line of the forward pass that went wrong."""

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan
        warnings.warn(ENABLED, UserWarning, stacklevel=2)

    def __enter__(self) -> None:
        self.switch: Any = set_detect_anomaly(True, self.check_nan)

    def __exit__(self, *args: object) -> None:
        self.switch.__exit__(*args)


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on."""
    return STATE.detecting


def is_anomaly_check_nan_enabled() -> bool:
    """Whether it raises for a NaN."""
    return STATE.check_nan


expose("is_anomaly_enabled", is_anomaly_enabled, method=False)
expose("is_anomaly_check_nan_enabled", is_anomaly_check_nan_enabled, method=False)

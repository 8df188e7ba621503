"""`torch.utils.tensorboard` is not here: asking for its names says why, and what to do."""

from typing import NoReturn

from funcgrad.compat.torch.modules import ABSENT


def __getattr__(name: str) -> NoReturn:
    if name.startswith("__"):
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    raise ModuleNotFoundError(ABSENT["torch.utils.tensorboard"], name="torch.utils.tensorboard")

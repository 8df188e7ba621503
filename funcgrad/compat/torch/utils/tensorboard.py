"""`torch.utils.tensorboard` is not here: asking for its writers says why, and what to do."""

from typing import NoReturn

from funcgrad.compat.torch.modules import ABSENT


def __getattr__(name: str) -> NoReturn:
    if name not in ("FileWriter", "RecordWriter", "SummaryWriter"):
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    raise ModuleNotFoundError(ABSENT["torch.utils.tensorboard"], name="torch.utils.tensorboard")

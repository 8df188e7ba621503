"""`torch.nn`: layers, losses and the functions they are computed by."""

from funcgrad.compat.torch.nn import (
    functional,
    init,
    modules,
    natives,
    numbered,
    parallel,
    parameter,
    utils,
)
from funcgrad.compat.torch.nn.modules import *  # noqa: F403  # the same names, as in PyTorch
from funcgrad.compat.torch.nn.parallel import DataParallel
from funcgrad.compat.torch.nn.parameter import (
    Buffer,
    Parameter,
    UninitializedBuffer,
    UninitializedParameter,
)

__all__ = [
    "Buffer",
    "DataParallel",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "functional",
    "init",
    "modules",
    "natives",
    "numbered",
    "parallel",
    "parameter",
    "utils",
]

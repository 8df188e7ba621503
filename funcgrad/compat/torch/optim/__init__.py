"""`torch.optim`: optimisers, and schedules of their rates."""

from funcgrad.compat.torch.optim import lr_scheduler, swa_utils
from funcgrad.compat.torch.optim._adafactor import Adafactor
from funcgrad.compat.torch.optim._muon import Muon
from funcgrad.compat.torch.optim.adadelta import Adadelta
from funcgrad.compat.torch.optim.adagrad import Adagrad
from funcgrad.compat.torch.optim.adam import Adam
from funcgrad.compat.torch.optim.adamax import Adamax
from funcgrad.compat.torch.optim.adamw import AdamW
from funcgrad.compat.torch.optim.asgd import ASGD
from funcgrad.compat.torch.optim.lbfgs import LBFGS
from funcgrad.compat.torch.optim.nadam import NAdam
from funcgrad.compat.torch.optim.optimizer import Optimizer
from funcgrad.compat.torch.optim.radam import RAdam
from funcgrad.compat.torch.optim.rmsprop import RMSprop
from funcgrad.compat.torch.optim.rprop import Rprop
from funcgrad.compat.torch.optim.sgd import SGD
from funcgrad.compat.torch.optim.sparse_adam import SparseAdam

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "lr_scheduler",
    "swa_utils",
]

"""The PyTorch-style layer: `import funcgrad.compat.torch as torch`.

Tensors that remember how they were made, `.backward()`, `.grad`, `grad_fn`, `no_grad`: PyTorch's
autograd lessons on NumPy. There is no second derivative engine below: an operation is a function
that the core records, a node of the graph is its record, `backward` is the core's reverse sweep.

`python -m funcgrad.compat.torch script.py` runs a script whose `import torch` finds this layer;
`install()` does the same for the running program.
"""

import sys
import warnings
from typing import Any

from funcgrad.compat.torch import (  # most of them only enter their functions
    _tensor,
    _utils,
    added_products,
    amp,
    autograd,
    autograd_core,
    bounds,
    closeness,
    comparisons,
    compilation,
    complexes,
    constructors,
    contractions,
    conversion,
    copies,
    creation,
    cumulative,
    diagonals,
    distributions,
    dtypes,
    elementary,
    elimination,
    entering,
    exchange,
    fft,
    files,
    filling,
    func,
    functional_call,
    grad_mode,
    guarding,
    indexing,
    jacobians,
    joining,
    levels,
    linalg,
    lowrank,
    mapped,
    masked,
    masking,
    matrix_functions,
    memory,
    mersenne,
    modules,
    nn,
    norms,
    obsolete,
    optim,
    pointwise,
    pointwise_more,
    polynomials,
    products,
    randomness,
    reductions,
    registry,
    repeating,
    reshaping,
    scattering,
    serialization,
    settings,
    shapes,
    sorting,
    special,
    spectrograms,
    splitting,
    standard_gamma,
    storage,
    sums,
    symmetric_factors,
    tabulating,
    taking,
    tapers,
    texts,
    utils,
    viz,
    windows,
)
from funcgrad.compat.torch.tensor import Tensor

__version__ = settings.VERSION

# PyTorch gives inf and nan without a word. The general way asks NumPy to do so; for the short ways
# that would take as long as the operation.
warnings.filterwarnings(
    "ignore", ".* encountered in ", RuntimeWarning, module=r"funcgrad\.compat\.torch\."
)

for _module in (creation, grad_mode):
    globals().update({_name: getattr(_module, _name) for _name in _module.PUBLIC})
guarding.guard_all(registry.MODULES, vars(nn.functional))
globals().update(registry.MODULES["torch"])
_MODULES = modules.build(sys.modules[__name__])
__all__ = [_name for _name in registry.MODULES["torch"] if not _name.startswith("_")]


def install() -> None:
    """Let `import torch` find this layer in the running program.

    Raises:
        RuntimeError: if PyTorch itself has been imported already.
    """
    modules.enter(_MODULES)


def __getattr__(name: str) -> Any:
    if name == "default_generator":
        return mersenne.default_generator()
    return modules.missing("torch", name, globals())

"""funcgrad: derivatives of NumPy code, as transforms of functions.

A pure function of arrays goes in; `grad`, `jvp`, `hessian`, `vmap` and their like give functions
back, in any nesting. The functions are written with plain `import numpy as np`, or a little faster
with `funcgrad.numpy`.
"""

import importlib
from typing import TYPE_CHECKING, Any

from funcgrad import errors, nn, numpy, tree
from funcgrad.core.modes import debug_mutation
from funcgrad.core.program import Program
from funcgrad.flatten_util import ravel_pytree
from funcgrad.transforms import policies as checkpoint_policies
from funcgrad.transforms.arguments import float0
from funcgrad.transforms.autodiff import grad, value_and_grad, vjp
from funcgrad.transforms.batching import custom_vmap, sequential_vmap
from funcgrad.transforms.branches import cond, switch
from funcgrad.transforms.callback import pure_callback
from funcgrad.transforms.checkpoint import checkpoint, checkpoint_name, remat
from funcgrad.transforms.closure import closure_convert
from funcgrad.transforms.collectives import (
    all_gather,
    all_to_all,
    axis_index,
    pmax,
    pmean,
    pmin,
    ppermute,
    psum,
)
from funcgrad.transforms.custom import custom_jvp, custom_rule, custom_vjp
from funcgrad.transforms.forward import jvp
from funcgrad.transforms.jacobian import hessian, hvp, jacfwd, jacobian, jacrev
from funcgrad.transforms.linear import linear_transpose, linearize
from funcgrad.transforms.loops import fori_loop, while_loop
from funcgrad.transforms.mapping import map
from funcgrad.transforms.program import make_program
from funcgrad.transforms.scan import associative_scan, scan
from funcgrad.transforms.shapes import ShapeDtypeStruct, eval_shape
from funcgrad.transforms.stop_gradient import stop_gradient
from funcgrad.transforms.vmap import vmap

if TYPE_CHECKING:
    from funcgrad import random
    from funcgrad.drawing.programs import draw
    from funcgrad.jitting.export import to_source
    from funcgrad.jitting.jitted import jit
    from funcgrad.sparse.derivatives import (
        hessian_sparsity,
        jacobian_sparsity,
        sparse_hessian,
        sparse_jacobian,
    )
    from funcgrad.transforms.memory import memory_report, print_saved_residuals

__version__ = "0.1.0"

__all__ = [
    "Program",
    "ShapeDtypeStruct",
    "all_gather",
    "all_to_all",
    "associative_scan",
    "axis_index",
    "checkpoint",
    "checkpoint_name",
    "checkpoint_policies",
    "closure_convert",
    "cond",
    "custom_jvp",
    "custom_rule",
    "custom_vjp",
    "custom_vmap",
    "debug_mutation",
    "draw",
    "errors",
    "eval_shape",
    "float0",
    "fori_loop",
    "grad",
    "hessian",
    "hessian_sparsity",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacobian_sparsity",
    "jacrev",
    "jit",
    "jvp",
    "linear_transpose",
    "linearize",
    "make_program",
    "map",
    "memory_report",
    "nn",
    "numpy",
    "pmax",
    "pmean",
    "pmin",
    "ppermute",
    "print_saved_residuals",
    "psum",
    "pure_callback",
    "random",
    "ravel_pytree",
    "remat",
    "scan",
    "sequential_vmap",
    "sparse_hessian",
    "sparse_jacobian",
    "stop_gradient",
    "switch",
    "to_source",
    "tree",
    "value_and_grad",
    "vjp",
    "vmap",
    "while_loop",
]

_LATE = {
    "draw": "funcgrad.drawing.programs",
    "hessian_sparsity": "funcgrad.sparse.derivatives",
    "jacobian_sparsity": "funcgrad.sparse.derivatives",
    "jit": "funcgrad.jitting.jitted",
    "memory_report": "funcgrad.transforms.memory",
    "print_saved_residuals": "funcgrad.transforms.memory",
    "sparse_hessian": "funcgrad.sparse.derivatives",
    "sparse_jacobian": "funcgrad.sparse.derivatives",
    "to_source": "funcgrad.jitting.export",
}
"""What is imported when it is first asked for, so that programs without it start sooner."""


def __getattr__(name: str) -> Any:
    if name == "random":
        return importlib.import_module("funcgrad.random")
    if name not in _LATE:
        raise AttributeError(f"module 'funcgrad' has no attribute {name!r}", name=name)
    value = getattr(importlib.import_module(_LATE[name]), name)
    globals()[name] = value  # found without this function from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

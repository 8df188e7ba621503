"""funcgrad: derivatives of NumPy code, as transforms of functions.

A pure function of arrays goes in; `grad`, `jvp`, `hessian`, `vmap` and their like give functions
back, in any nesting. The functions are written with plain `import numpy as np`, or a little faster
with `funcgrad.numpy`.
"""

from funcgrad import errors, nn, numpy, tree
from funcgrad.core.modes import debug_mutation
from funcgrad.core.program import Program
from funcgrad.drawing.programs import draw
from funcgrad.flatten_util import ravel_pytree
from funcgrad.transforms.arguments import float0
from funcgrad.transforms.autodiff import grad, value_and_grad, vjp
from funcgrad.transforms.custom import custom_jvp, custom_rule, custom_vjp
from funcgrad.transforms.forward import jvp
from funcgrad.transforms.jacobian import hessian, hvp, jacfwd, jacobian, jacrev
from funcgrad.transforms.linear import linear_transpose, linearize
from funcgrad.transforms.program import make_program
from funcgrad.transforms.stop_gradient import stop_gradient
from funcgrad.transforms.vmap import vmap

__version__ = "0.1.0"

__all__ = [
    "Program",
    "custom_jvp",
    "custom_rule",
    "custom_vjp",
    "debug_mutation",
    "draw",
    "errors",
    "float0",
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "linear_transpose",
    "linearize",
    "make_program",
    "nn",
    "numpy",
    "ravel_pytree",
    "stop_gradient",
    "tree",
    "value_and_grad",
    "vjp",
    "vmap",
]

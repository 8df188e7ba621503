"""funcgrad."""

from funcgrad import primitives
from funcgrad.transforms.autodiff import grad, jvp, value_and_grad, vjp

__all__ = ["grad", "jvp", "primitives", "value_and_grad", "vjp"]

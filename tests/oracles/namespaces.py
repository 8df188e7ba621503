"""The same program on NumPy, on funcgrad.numpy and on JAX: what its parameter `xp` stands for."""

from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad as fg
import funcgrad.numpy as fnp

__all__ = ["NAMED", "PLAIN", "Namespace", "jax_namespace"]


class Namespace:
    """An array module with what its peers keep elsewhere.

    Attributes:
        module: NumPy, or what looks like it; every other attribute is taken from it.
        at: x ↦ the functional updates of x.
        nn: functions of neural networks, by funcgrad's names.
    """

    def __init__(self, module: Any, at: Callable[[Any], Any], nn: Any, **replaced: Any) -> None:
        self.module, self.at, self.nn = module, at, nn
        vars(self).update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)


PLAIN = Namespace(np, fnp.at, fg.nn)
NAMED = Namespace(fnp, fnp.at, fg.nn)


def jax_namespace() -> Namespace:
    """JAX's functions by NumPy's and funcgrad's names."""
    # Imported here because only the recording and the tests marked `oracle` need JAX.
    import jax  # noqa: PLC0415
    import jax.numpy as jnp  # noqa: PLC0415
    from jax.scipy import special  # noqa: PLC0415

    class Nn:
        """jax.nn, and jax.scipy.special by funcgrad's names."""

        erf, erfc, expit = special.erf, special.erfc, special.expit
        digamma, lgamma, polygamma = special.digamma, special.gammaln, special.polygamma

        def __getattr__(self, name: str) -> Any:
            return getattr(jax.nn, name)

    # Index arrays are made by NumPy: under jax.jit, JAX's own masks would have no values.
    return Namespace(jnp, lambda x: x.at, Nn(), arange=np.arange, array=np.array)

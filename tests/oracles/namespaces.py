"""The same program on NumPy, on funcgrad.numpy and on JAX: what its parameter `xp` stands for."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

import funcgrad as fg
import funcgrad.numpy as fnp

__all__ = ["NAMED", "PLAIN", "Namespace", "jax_namespace", "jax_transforms"]


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
    import jax  # noqa: PLC0415 - see above
    import jax.numpy as jnp  # noqa: PLC0415 - see above
    from jax.scipy import special  # noqa: PLC0415 - see above

    nn = SimpleNamespace(
        **{name: getattr(jax.nn, name) for name in fg.nn.__all__ if hasattr(jax.nn, name)},
        erf=special.erf,
        erfc=special.erfc,
        expit=special.expit,
        digamma=special.digamma,
        lgamma=special.gammaln,
        polygamma=special.polygamma,
    )
    # Index arrays are made by NumPy: under jax.jit, JAX's own masks would have no values.
    return Namespace(jnp, lambda x: jnp.asarray(x).at, nn, arange=np.arange, array=np.array)


def jax_transforms() -> Any:
    """JAX's transforms by funcgrad's names."""
    import jax  # noqa: PLC0415 - see jax_namespace
    from jax.flatten_util import ravel_pytree  # noqa: PLC0415 - see jax_namespace

    names = {name: getattr(jax, name) for name in fg.__all__ if hasattr(jax, name)}
    return SimpleNamespace(
        **names,
        ravel_pytree=ravel_pytree,
        stop_gradient=jax.lax.stop_gradient,
    )

"""The same program on NumPy, on funcgrad.numpy and on JAX: what its parameter `xp` stands for."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.primitives import special_functions

__all__ = ["NAMED", "PLAIN", "Namespace", "jax_namespace", "jax_transforms"]


class Namespace:
    """An array module with what its peers keep elsewhere.

    Attributes:
        module: NumPy, or what looks like it; every other attribute is taken from it.
        at: x ↦ the functional updates of x.
        nn: functions of neural networks, by funcgrad's names.
        control: loops, branches and recomputation, by funcgrad's names.
        special: functions of statistics and physics, by SciPy's names.
        ufunc: name ↦ the function of two operands with the methods of a ufunc.
    """

    def __init__(self, module: Any, at: Callable[[Any], Any], nn: Any, **replaced: Any) -> None:
        self.module, self.at, self.nn = module, at, nn
        vars(self).update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)


# The functional forms of what NumPy does in place.
PLACING = ("put", "place", "fill_diagonal", "put_along_axis")
SPECIAL = SimpleNamespace(
    **{name: getattr(special_functions, name) for name in special_functions.__all__},
    i0e=lambda x: special_functions.scaled_bessel_i(x, 0),
    i1e=lambda x: special_functions.scaled_bessel_i(x, 1),
)
PLAIN = Namespace(
    np,
    fnp.at,
    fg.nn,
    control=fg,
    special=SPECIAL,
    ufunc=lambda name: getattr(np, name),
    **{name: getattr(fnp, name) for name in PLACING},
)
NAMED = Namespace(
    fnp, fnp.at, fg.nn, control=fg, special=SPECIAL, ufunc=lambda name: getattr(fnp, name)
)


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
    return Namespace(
        jnp,
        lambda x: jnp.asarray(x).at,
        nn,
        control=jax_transforms(),
        special=special,
        ufunc=lambda name: jnp.frompyfunc(getattr(jnp, name), 2, 1),  # few of JAX's have methods
        # Index arrays are made by NumPy: under jax.jit, JAX's own masks would have no values.
        arange=np.arange,
        array=np.array,
        ix_=np.ix_,
        # Without a size, JAX's derivative is zero.
        unique=lambda x, **options: jnp.unique(x, size=x.size, **options),
    )


def jax_transforms() -> Any:
    """JAX's transforms by funcgrad's names."""
    import jax  # noqa: PLC0415 - see jax_namespace
    from jax.ad_checkpoint import checkpoint_name  # noqa: PLC0415 - see jax_namespace
    from jax.custom_batching import custom_vmap  # noqa: PLC0415 - see jax_namespace
    from jax.flatten_util import ravel_pytree  # noqa: PLC0415 - see jax_namespace

    names = {
        name: getattr(module, name)
        for module in (jax.lax, jax)  # of what both have, jax's
        for name in fg.__all__
        if hasattr(module, name)
    }
    return SimpleNamespace(
        **names,
        checkpoint_name=checkpoint_name,
        custom_vmap=custom_vmap,
        ravel_pytree=ravel_pytree,
    )

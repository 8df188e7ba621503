"""Random programs on funcgrad and on JAX, where it is installed."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import funcgrad as fg
from funcgrad.testing.programs import GeneratedProgram
from funcgrad.testing.strategies import programs
from tests.oracles.encoding import differences, encode
from tests.oracles.measure import direction
from tests.oracles.namespaces import NAMED, PLAIN, jax_namespace, jax_transforms

jax = pytest.importorskip("jax")
pytestmark = pytest.mark.oracle


@pytest.fixture(autouse=True, scope="module")
def _double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def derivatives(ad: Any, xp: Any, program: GeneratedProgram, args: Any, tangents: Any) -> Any:
    """Value, gradient, jvp, jvp of the gradient, and gradients of two examples."""

    def f(*xs: Any) -> Any:
        return program(*xs, xp=xp)

    gradient = ad.grad(f, argnums=tuple(range(len(args))))
    examples = tuple(xp.stack([x, 0.5 * x]) for x in args)
    return {
        "value": f(*args),
        "grad": gradient(*args),
        "jvp": ad.jvp(f, args, tangents),
        "jvp of grad": ad.jvp(gradient, args, tangents),
        "vmap of grad": ad.vmap(gradient)(*examples),
    }


def require_jax_s(found: Any, wanted: Any) -> None:
    wrong = list(differences(encode(found), encode(jax.tree.map(np.asarray, wanted)), 1e-9))
    assert not wrong, "\n".join(wrong)


@given(program=programs())
def test_random_programs_have_jax_s_derivatives(program: GeneratedProgram):
    tangents = tuple(direction(number, x) for number, x in enumerate(program.inputs))
    ad, xp = jax_transforms(), jax_namespace()
    compiled = jax.jit(lambda *args: derivatives(ad, xp, program, *args))
    wanted = compiled(program.inputs, tangents)
    require_jax_s(derivatives(fg, PLAIN, program, program.inputs, tangents), wanted)
    require_jax_s(derivatives(fg, NAMED, program, program.inputs, tangents), wanted)


@given(program=programs(operations=6, scalar=False))
def test_random_programs_have_jax_s_jacobians(program: GeneratedProgram):
    def jacobians(ad: Any, xp: Any, args: Any) -> Any:
        def f(*xs: Any) -> Any:
            return program(*xs, xp=xp)

        every = tuple(range(len(args)))
        return ad.jacrev(f, argnums=every)(*args), ad.jacfwd(f, argnums=every)(*args)

    ad, xp = jax_transforms(), jax_namespace()
    wanted = jax.jit(lambda args: jacobians(ad, xp, args))(program.inputs)
    require_jax_s(jacobians(fg, PLAIN, program.inputs), wanted)

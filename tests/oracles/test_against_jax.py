"""Random programs on funcgrad and on JAX, where it is installed.

JAX compiles every program anew, a third of a second each, whatever the shapes are: compiling each
operation by itself costs more until hundreds of programs have filled its caches. So all quantities
of a program are compiled in one piece, and even a deep run draws a limited number of programs.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import funcgrad as fg
from funcgrad.testing.programs import GeneratedProgram
from funcgrad.testing.strategies import programs
from tests.oracles.encoding import differences, encode
from tests.oracles.measure import direction
from tests.oracles.namespaces import NAMED, PLAIN, Namespace, jax_namespace, jax_transforms

jax = pytest.importorskip("jax")
pytestmark = pytest.mark.oracle
# Three tests of so many programs take a minute or so; the quick profile draws fewer.
FEW = settings(max_examples=min(settings().max_examples, 60))


@pytest.fixture(autouse=True, scope="module")
def _double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def smooth_namespace() -> Namespace:
    """JAX's functions, but for hypot.

    JAX scales hypot by the larger operand, and halves derivatives at |x| = |y|: there its second
    derivatives are wrong ((1, 1) gives 0 for ∂²/∂x², not 8^-½).
    """
    found = jax_namespace()
    return Namespace(found, found.at, found.nn, hypot=lambda x, y: found.sqrt(x * x + y * y))


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


@FEW
@given(program=programs())
def test_random_programs_have_jax_s_derivatives(program: GeneratedProgram):
    tangents = tuple(direction(number, x) for number, x in enumerate(program.inputs))
    ad, xp = jax_transforms(), smooth_namespace()
    compiled = jax.jit(lambda *args: derivatives(ad, xp, program, *args))
    wanted = compiled(program.inputs, tangents)
    require_jax_s(derivatives(fg, PLAIN, program, program.inputs, tangents), wanted)
    require_jax_s(derivatives(fg, NAMED, program, program.inputs, tangents), wanted)


@FEW
@given(program=programs(operations=6, scalar=False))
def test_random_programs_have_jax_s_jacobians(program: GeneratedProgram):
    def jacobians(ad: Any, xp: Any, args: Any) -> Any:
        def f(*xs: Any) -> Any:
            return program(*xs, xp=xp)

        every = tuple(range(len(args)))
        return ad.jacrev(f, argnums=every)(*args), ad.jacfwd(f, argnums=every)(*args)

    ad, xp = jax_transforms(), smooth_namespace()
    wanted = jax.jit(lambda args: jacobians(ad, xp, args))(program.inputs)
    require_jax_s(jacobians(fg, PLAIN, program.inputs), wanted)


@FEW
@given(program=programs(operations=8, scalar=False))
def test_random_programs_of_complex_numbers_have_jax_s_derivatives(program: GeneratedProgram):
    inputs = tuple(x + 1j * direction(3 + k, x) for k, x in enumerate(program.inputs))
    tangents = tuple(direction(10 + k, z) for k, z in enumerate(inputs))

    def derivatives(ad: Any, xp: Any, zs: Any, z_dots: Any) -> Any:
        def f(*zs: Any) -> Any:
            outs = program(*(xp.real(z * xp.exp(1j * z)) for z in zs), xp=xp)
            return tuple(xp.conj(zs[0].mean() * out) * xp.exp(1j * out) for out in outs)

        out, pull = ad.vjp(f, *zs)
        cts = tuple(direction(20 + k, leaf) for k, leaf in enumerate(out))
        return (
            pull(cts),
            ad.jvp(f, zs, z_dots),
            ad.jvp(lambda *zs: ad.vjp(f, *zs)[1](cts), zs, z_dots),
        )

    ad, xp = jax_transforms(), smooth_namespace()
    wanted = jax.jit(lambda *args: derivatives(ad, xp, *args))(inputs, tangents)
    require_jax_s(derivatives(fg, PLAIN, inputs, tangents), wanted)

"""The transforms against each other on random programs of ten operations."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.testing.programs import GeneratedProgram
from funcgrad.testing.strategies import programs

Arrays = tuple[Any, ...]
NAMESPACES = pytest.mark.parametrize("xp", [np, fnp], ids=["numpy", "funcgrad.numpy"])


def moved(arrays: Any, number: int) -> Arrays:
    """Fixed arrays of the same shapes; others for each number."""
    return tuple(
        np.asarray(np.cos(number + 3 * k + np.arange(np.size(x))).reshape(np.shape(x)), x.dtype)
        for k, x in enumerate(arrays)
    )


def gradient_of(program: Callable[..., Any], inputs: Arrays) -> Callable[..., Any]:
    return fg.grad(program, argnums=tuple(range(len(inputs))))


def require_close(found: Any, wanted: Any, rtol: float = 1e-9) -> None:
    """Require equal structures, shapes and dtypes, and numbers but for rounding.

    Second derivatives are sums of terms that cancel: numbers are measured by the largest in all
    leaves.
    """
    assert fg.tree.structure(found) == fg.tree.structure(wanted)
    scale = max([1.0, *(np.max(np.abs(x), initial=0.0) for x in fg.tree.leaves(wanted))])
    for x, y in zip(fg.tree.leaves(found), fg.tree.leaves(wanted), strict=True):
        assert np.shape(x) == np.shape(y)
        assert np.asarray(x).dtype == np.asarray(y).dtype
        np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-12 * scale)


def inner(xs: Arrays, ys: Arrays) -> Any:
    return sum(np.sum(x * y) for x, y in zip(xs, ys, strict=True))


@NAMESPACES
@given(program=programs())
def test_the_value_under_transforms_is_the_plain_value(xp: Any, program: GeneratedProgram):
    def f(*args: Any) -> Any:
        return program(*args, xp=xp)

    plain = program(*program.inputs)
    require_close(fg.value_and_grad(f)(*program.inputs)[0], plain)
    require_close(fg.jvp(f, program.inputs, moved(program.inputs, 0))[0], plain)


@NAMESPACES
@given(program=programs(scalar=False))
def test_reverse_mode_is_the_transpose_of_forward_mode(xp: Any, program: GeneratedProgram):
    def f(*args: Any) -> Any:
        return program(*args, xp=xp)

    tangents = moved(program.inputs, 0)
    out, pull = fg.vjp(f, *program.inputs)
    _, pushed = fg.jvp(f, program.inputs, tangents)
    cts = moved(out, 7)
    scale = sum(np.sum(np.abs(ct * dot)) for ct, dot in zip(cts, pushed, strict=True))
    assert abs(inner(cts, pushed) - inner(pull(cts), tangents)) <= 1e-12 * (1 + 100 * scale)


@given(program=programs(scalar=False, operations=6))
def test_forward_and_reverse_jacobians_are_equal(program: GeneratedProgram):
    every = tuple(range(len(program.inputs)))
    forward = fg.jacfwd(program, argnums=every)(*program.inputs)
    reverse = fg.jacrev(program, argnums=every)(*program.inputs)
    require_close(forward, reverse)


@given(program=programs())
def test_the_ways_to_a_hessian_vector_product_agree(program: GeneratedProgram):
    inputs, tangents = program.inputs, moved(program.inputs, 0)
    gradient = gradient_of(program, inputs)
    every = tuple(range(len(inputs)))
    forward_over_reverse = fg.jvp(gradient, inputs, tangents)[1]
    reverse_over_reverse = fg.grad(lambda *xs: inner(gradient(*xs), tangents), argnums=every)
    reverse_over_forward = fg.grad(lambda *xs: fg.jvp(program, xs, tangents)[1], argnums=every)
    _, linear = fg.linearize(gradient, *inputs)
    require_close(reverse_over_reverse(*inputs), forward_over_reverse)
    require_close(reverse_over_forward(*inputs), forward_over_reverse)
    require_close(linear(*tangents), forward_over_reverse)


@given(program=programs(operations=6))
def test_the_hessian_holds_the_hessian_vector_products(program: GeneratedProgram):
    inputs, tangents = program.inputs, moved(program.inputs, 0)
    every = tuple(range(len(inputs)))
    blocks = fg.hessian(program, argnums=every)(*inputs)
    product = fg.jvp(gradient_of(program, inputs), inputs, tangents)[1]
    by_blocks = tuple(
        sum(np.tensordot(block, t, np.ndim(t)) for block, t in zip(row, tangents, strict=True))
        for row in blocks
    )
    require_close(by_blocks, product)


@given(program=programs())
def test_forward_over_forward_is_symmetric(program: GeneratedProgram):
    inputs = program.inputs
    one, other = moved(inputs, 0), moved(inputs, 5)

    def second(first: Arrays, then: Arrays) -> Any:
        return fg.jvp(lambda *xs: fg.jvp(program, xs, first)[1], inputs, then)[1]

    require_close(second(one, other), second(other, one))


def stacked(inputs: Arrays) -> Arrays:
    """Three examples of the inputs."""
    return tuple(np.stack([x, x + 0.125, x - 0.25]) for x in inputs)


def example(batch: Any, number: int) -> Any:
    return fg.tree.map(lambda x: x[number], batch)


def require_loop(mapped: Callable[..., Any], f: Callable[..., Any], batch: Arrays) -> None:
    """Require of a mapped function what a loop over the examples gives."""
    found = mapped(*batch)
    for number in range(3):
        require_close(example(found, number), f(*example(batch, number)))


@NAMESPACES
@given(program=programs(scalar=False))
def test_a_mapped_program_is_a_loop(xp: Any, program: GeneratedProgram):
    def f(*args: Any) -> Any:
        return program(*args, xp=xp)

    require_loop(fg.vmap(f), f, stacked(program.inputs))


@given(program=programs())
def test_a_mapped_gradient_is_a_loop(program: GeneratedProgram):
    gradient = gradient_of(program, program.inputs)
    require_loop(fg.vmap(gradient), gradient, stacked(program.inputs))


@given(program=programs(operations=6))
def test_a_mapped_hessian_vector_product_is_a_loop(program: GeneratedProgram):
    gradient = gradient_of(program, program.inputs)

    def hvp(*xs: Any) -> Any:
        return fg.jvp(gradient, xs, moved(program.inputs, 0))[1]

    require_loop(fg.vmap(hvp), hvp, stacked(program.inputs))


@given(program=programs(), first=st.booleans())
def test_a_mapped_gradient_takes_shared_arguments(program: GeneratedProgram, first: bool):
    gradient = gradient_of(program, program.inputs)
    batch, shared = stacked(program.inputs), int(first)
    axes = tuple(None if k == shared else -1 for k in range(2))
    args = tuple(
        x if k == shared else np.moveaxis(xs, 0, -1)
        for k, (x, xs) in enumerate(zip(program.inputs, batch, strict=True))
    )
    found = fg.vmap(gradient, in_axes=axes)(*args)
    for number in range(3):
        point = [x if k == shared else batch[k][number] for k, x in enumerate(program.inputs)]
        require_close(example(found, number), gradient(*point))


@given(program=programs())
def test_the_gradient_of_a_mapped_program_is_a_loop(program: GeneratedProgram):
    batch = stacked(program.inputs)
    whole = gradient_of(lambda *xs: np.sum(fg.vmap(program)(*xs)), batch)(*batch)
    single = gradient_of(program, batch)
    for number in range(3):
        require_close(example(whole, number), single(*example(batch, number)))


@given(program=programs(scalar=False))
def test_a_linearized_program_is_the_jvp(program: GeneratedProgram):
    inputs = program.inputs
    out, push = fg.linearize(program, *inputs)
    for number in range(2):
        tangents = moved(inputs, number)
        require_close((out, push(*tangents)), fg.jvp(program, inputs, tangents))


@given(program=programs(scalar=False))
def test_the_transpose_of_a_linearized_program_is_the_vjp(program: GeneratedProgram):
    inputs = program.inputs
    _, push = fg.linearize(program, *inputs)
    out, pull = fg.vjp(program, *inputs)
    cts = moved(out, 7)
    require_close(fg.linear_transpose(push, *inputs)(cts), pull(cts))


@given(program=programs(scalar=False))
def test_a_recorded_program_computes_the_same_elsewhere(program: GeneratedProgram):
    inputs = program.inputs
    recorded = fg.make_program(program)(*inputs)
    other = tuple(x + 0.125 for x in inputs)
    require_close(recorded(*inputs), program(*inputs))
    require_close(recorded(*other), program(*other))
    require_close(tuple(recorded.evaluate(*other)), program(*other))


@given(program=programs())
def test_a_recorded_gradient_is_the_gradient_elsewhere(program: GeneratedProgram):
    gradient = gradient_of(program, program.inputs)
    recorded = fg.make_program(gradient)(*program.inputs)
    other = tuple(x + 0.125 for x in program.inputs)
    require_close(recorded(*other), gradient(*other))


@given(program=programs())
def test_a_recorded_program_can_be_differentiated(program: GeneratedProgram):
    inputs = program.inputs
    recorded = fg.make_program(program)(*inputs)
    require_close(gradient_of(recorded, inputs)(*inputs), gradient_of(program, inputs)(*inputs))


@given(program=programs(dtype=np.float32))
def test_gradients_keep_float32(program: GeneratedProgram):
    gradient = gradient_of(program, program.inputs)(*program.inputs)
    assert [g.dtype for g in gradient] == [np.float32] * len(gradient)


@given(program=programs(scalar=False))
def test_complex_reverse_mode_is_the_transpose_of_forward_mode(program: GeneratedProgram):
    def f(*zs: Any) -> Any:
        outs = program(*(np.real(z * np.exp(1j * z)) for z in zs))
        return tuple(out * np.exp(1j * out) for out in outs)

    inputs = tuple(
        x + 1j * y for x, y in zip(program.inputs, moved(program.inputs, 3), strict=True)
    )
    tangents = tuple(x - 1j * x**2 for x in moved(inputs, 0))
    out, pull = fg.vjp(f, *inputs)
    _, pushed = fg.jvp(f, inputs, tangents)
    cts = tuple(x + 1j * x**3 for x in moved(out, 7))
    scale = sum(np.sum(np.abs(ct * dot)) for ct, dot in zip(cts, pushed, strict=True))
    difference = np.real(inner(cts, pushed)) - np.real(inner(pull(cts), tangents))
    assert abs(difference) <= 1e-12 * (1 + 100 * scale)

"""Random programs: compiled as they are, or under transforms, they give the plain bits."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import funcgrad as fg
from funcgrad.testing.programs import GeneratedProgram
from funcgrad.testing.strategies import programs
from tests.jitting.alike import exact_jit, outcome, require_alike, require_near
from tests.jitting.wild import Wild, compose

Arrays = tuple[Any, ...]
Made = Callable[[Callable[..., Any], Arrays], Callable[..., Any]]


def every(xs: Sequence[Any]) -> tuple[int, ...]:
    return tuple(range(len(xs)))


def halved(xs: Arrays) -> Arrays:
    """Other numbers of the same dtypes."""
    return tuple(x * x.dtype.type(0.5) + x.dtype.type(0.25) for x in xs)


def stacked(xs: Arrays) -> Arrays:
    return tuple(np.stack([x, y]) for x, y in zip(xs, halved(xs), strict=True))


def laid_out(x: Any, how: int) -> Any:
    """The same numbers in another order of memory."""
    if not isinstance(x, np.ndarray) or not x.ndim:
        return x
    if how == 0:
        return np.asfortranarray(x)
    if how == 1:
        wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)[..., ::2]
        wide[...] = x
        return wide
    return np.ascontiguousarray(x[::-1])[::-1]


def gradient_squared(f: Any, xs: Arrays) -> Any:
    return lambda *args: sum(np.sum(g * g) for g in fg.grad(f, every(xs))(*args))


TRANSFORMS: dict[str, Made] = {
    "value": lambda f, _xs: f,
    "gradient": lambda f, xs: fg.value_and_grad(f, every(xs)),
    "jvp": lambda f, xs: lambda *args: fg.jvp(f, args, halved(xs)),
    "vmap": lambda f, xs: lambda *args: fg.vmap(f)(*stacked(args)),
    "vmap of grad": lambda f, xs: lambda *args: fg.vmap(fg.grad(f, every(xs)))(*stacked(args)),
    "jvp of grad": lambda f, xs: lambda *args: fg.jvp(fg.grad(f, every(xs)), args, halved(xs)),
    "grad of grad": lambda f, xs: fg.grad(gradient_squared(f, xs), every(xs)),
    "grad of vmap": lambda f, xs: (
        lambda *args: fg.grad(lambda *b: np.sum(fg.vmap(f)(*b)), every(xs))(*stacked(args))
    ),
}


ROUNDED = dict.fromkeys(["grad of grad", "grad of vmap", "jvp of grad", "vmap of grad"], 64)
"""Where last bits may differ: a sweep in another transform gets cotangents as views (of negative
strides, or one number repeated), with which NumPy multiplies matrices and adds up in another order
than with the dense arrays that a compiled function returns."""


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", TRANSFORMS)
@given(data=st.data())
@settings(max_examples=10, phases=[Phase.explicit, Phase.generate])  # to shrink takes minutes
def test_smooth_programs_are_compiled_to_the_last_bit(name: str, dtype: Any, data: Any):
    program: GeneratedProgram = data.draw(programs(dtype=dtype))
    inputs, made = program.inputs, TRANSFORMS[name]

    def f(*xs: Any) -> Any:
        return program.function(np, *xs)

    plain = made(f, inputs)
    fortran = tuple(laid_out(x, 0) for x in inputs)
    for what, g in (
        ("inside", made(exact_jit(f), inputs)),
        ("outside", exact_jit(plain)),
    ):
        for xs in (inputs, inputs, halved(inputs), fortran):
            require_alike(
                outcome(g, *xs), outcome(plain, *xs), what, dead=True, ulps=ROUNDED.get(name, 0)
            )
    for what, g in (("inside", made(fg.jit(f), inputs)), ("outside", fg.jit(plain))):
        for xs in (inputs, inputs, halved(inputs), fortran):
            require_near(outcome(g, *xs), outcome(plain, *xs), f"{what}, not exact")


@settings(max_examples=25, phases=[Phase.explicit, Phase.generate])
@given(program=programs(scalar=False), name=st.sampled_from(["value", "jvp", "vmap"]))
def test_smooth_programs_of_complex_numbers_are_compiled(program: GeneratedProgram, name: str):
    def f(*zs: Any) -> Any:
        outs = program.function(np, *(np.real(z * np.exp(1j * z)) for z in zs))
        return tuple(out * np.exp(1j * out) for out in outs)

    inputs = tuple(x + 1j * (x * 0.5 + 0.25) for x in program.inputs)
    plain, compiled = TRANSFORMS[name](f, inputs), exact_jit(TRANSFORMS[name](f, inputs))
    for xs in (inputs, inputs, halved(inputs)):
        found, wanted = (fg.tree.leaves(g(*xs)) for g in (compiled, plain))
        for a, b in zip(found, wanted, strict=True):
            # NumPy's operators of two complex scalars round otherwise than its ufuncs.
            np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13)
            assert a.dtype == b.dtype


# --- anything that NumPy does -----------------------------------------------------------------

SHAPES = ((), (3,), (2, 3), (1,), (3, 3), (0,), (2, 1), (2, 0), (1, 3, 2))
DTYPES = ("f8", "f4", "i8", "c16", "bool", "i4", "u1")
NUMBERS = (2.5, -1.5, 0.0)


@st.composite
def wild(draw: st.DrawFn) -> Wild:
    inputs: list[Any] = []
    for _ in range(2):
        if draw(st.integers(0, 9)) == 0:
            inputs.append(draw(st.sampled_from(NUMBERS)))
            continue
        shape, dtype = draw(st.sampled_from(SHAPES)), draw(st.sampled_from(DTYPES))
        rng = np.random.default_rng(draw(st.integers(0, 1000)))
        x = np.round(rng.normal(size=shape) * 16) / 8
        x = x + 1j * rng.normal(size=shape) if dtype == "c16" else x
        x = np.asarray(np.asarray(x).astype("i8") if dtype == "u1" else x).astype(dtype)
        inputs.append(x[()] if draw(st.integers(0, 9)) == 0 else x)
    number = st.integers(0, 9999)
    steps = draw(st.lists(st.tuples(number, number, number), min_size=1, max_size=12))
    return compose(steps, inputs, draw(st.lists(number, min_size=3, max_size=3)))


def require_memory_of_its_own(result: Any, args: Sequence[Any]) -> None:
    """Results can be written to, and share no memory with arguments or each other."""
    arrays = [x for x in fg.tree.leaves(result) if isinstance(x, np.ndarray)]
    before = [x for x in args if isinstance(x, np.ndarray)]
    for number, x in enumerate(arrays):
        assert x.flags.writeable, f"result {number} is read-only"
        for other in (*before, *arrays[:number]):
            assert not np.shares_memory(x, other), f"result {number} shares memory"


@given(program=wild())
@settings(max_examples=300)
def test_any_program_is_compiled_to_the_last_bit_in_memory_of_its_own(program: Wild):
    f = exact_jit(program.function)
    inputs = program.inputs
    calls = [inputs, inputs, *(tuple(laid_out(x, how) for x in inputs) for how in range(3))]
    for args in calls:
        found = outcome(f, *args)
        require_alike(found, outcome(program.function, *args), dead=True)
        require_memory_of_its_own(found.value, args)


@given(program=wild())
@settings(max_examples=50)
def test_writing_into_a_result_changes_no_later_one(program: Wild):
    f = exact_jit(program.function)
    wanted = outcome(program.function, *program.inputs)
    for _ in range(3):
        found = outcome(f, *program.inputs)
        require_alike(found, wanted, dead=True)
        for x in fg.tree.leaves(found.value):
            if isinstance(x, np.ndarray):
                x.fill(1)

"""Every law of the registry through jit: what is compiled is what the plain transforms give.

Values, derivatives and batches are equal to the last bit, with their types, dtypes, special values
and warnings: in the call that is recorded, in the next one, and in one with other numbers. Without
`exact=True` they are equal but for rounding.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.core.tracer import bind
from tests.jitting.alike import Outcome, exact_jit, outcome, require_alike, require_near
from tests.laws.case import Case
from tests.laws.elementwise_cases import elementwise_cases
from tests.laws.laws import close, float_results, like
from tests.laws.structured_cases import CALLS, structured_cases

CASES = [*elementwise_cases(), *structured_cases()]
SMOOTH = [case for case in CASES if case.primitive.vjp is not None and case.active]
HALVES = (np.float16, np.float32)
"""Higher derivatives and batches take the ways of double precision."""


def is_double(case: Case) -> bool:
    return not any(np.asarray(x).dtype in HALVES for x in case.args)


SHORT_WAYS = frozenset({"softmax", "svd"})
"""Rules that sum plain arrays by other means (softmax: np.vecdot) than the program that is written
down: their derivatives are equal but for rounding."""


def over(cases: list[Case]) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    return pytest.mark.parametrize("case", cases, ids=str)


def others(args: Sequence[Any]) -> list[Any]:
    """Arguments of the same kinds with other numbers."""
    return [
        (x * x.dtype.type(0.75)) if getattr(x, "dtype", np.dtype(int)).kind in "fc" else x
        for x in args
    ]


def dense(x: Any) -> Any:
    """Without gaps in memory: plain transforms copy their arguments, compiled functions do not."""
    return x.copy("K") if isinstance(x, np.ndarray) else x


def rearranged(args: Sequence[Any]) -> list[Any]:
    """The same numbers laid out otherwise in memory."""
    return [np.asfortranarray(x) if isinstance(x, np.ndarray) and x.ndim > 1 else x for x in args]


def compiled_is_plain(
    made: Callable[[Callable[..., Any]], Callable[..., Any]],
    f: Callable[..., Any],
    args: Sequence[Any],
    *,
    rounded: bool = False,
) -> None:
    """`made(jit(f))` and `jit(made(f))` are `made(f)`, at several arguments one after another."""
    args = [dense(x) for x in args]
    plain, outside, inside = made(f), exact_jit(made(f)), made(exact_jit(f))
    near = fg.jit(made(f))
    calls = [args, args, others(args), rearranged(args)]
    wanted: list[Outcome] = [outcome(plain, *call) for call in calls]
    for what, g in (("jit outside", outside), ("jit inside", inside)):
        for number, (call, one) in enumerate(zip(calls, wanted, strict=True)):
            found, where = outcome(g, *call), f"{what}, call {number + 1}"
            if rounded:
                require_close(found.value, one.value, where)
            else:
                require_alike(found, one, where)
    for number, (call, one) in enumerate(zip(calls, wanted, strict=True)):
        require_near(outcome(near, *call), one, f"not exact, call {number + 1}")


def require_close(found: Any, wanted: Any, what: str) -> None:
    assert fg.tree.structure(found) == fg.tree.structure(wanted), what
    for a, b in zip(fg.tree.leaves(found), fg.tree.leaves(wanted), strict=True):
        assert a.dtype == b.dtype, what
        close(a, b, 20 * np.finfo(b.dtype).eps, what)


def applied(case: Case) -> Callable[..., Any]:
    return lambda *args: bind(case.primitive, *args, **case.params)


@over(CASES)
def test_compiled_values_are_the_plain_ones(case: Case):
    compiled_is_plain(lambda f: f, applied(case), case.args)


@over(SMOOTH)
def test_compiled_first_derivatives_are_the_plain_ones(case: Case):
    f, args = case.function()
    f = float_results(f)
    rng = np.random.default_rng(11)
    cts = [like(rng, out) for out in f(*args)]
    dots = tuple(like(rng, x) for x in args)

    def reverse(g: Any) -> Any:
        def value_and_pulled(*xs: Any) -> Any:
            out, pull = fg.vjp(g, *xs)
            return out, pull(cts)

        return value_and_pulled

    compiled_is_plain(reverse, f, args, rounded=case.name in SHORT_WAYS)
    compiled_is_plain(lambda g: lambda *xs: fg.jvp(g, xs, dots), f, args)


@over([case for case in SMOOTH if case.second and is_double(case)])
def test_compiled_second_derivatives_are_the_plain_ones(case: Case):
    f, args = case.function()
    f = float_results(f)
    rng = np.random.default_rng(12)
    dots = tuple(like(rng, x) for x in args)
    weights = [like(rng, out) for out in f(*args)]

    def second(g: Any) -> Any:
        def total(*xs: Any) -> Any:
            return sum(np.sum(np.real(w * out)) for w, out in zip(weights, g(*xs), strict=True))

        return lambda *xs: fg.jvp(fg.grad(total, tuple(range(len(xs)))), xs, dots)

    compiled_is_plain(second, f, args, rounded=case.name in SHORT_WAYS)


@over([c for c in CASES if is_double(c) and not c.primitive.data_dependent and not c.alike])
def test_compiled_batches_are_the_plain_ones(case: Case):
    stacks = [np.stack([np.asarray(x)] * 3) for x in case.args]
    compiled_is_plain(lambda f: fg.vmap(f), applied(case), stacks)


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_compiled_functions_are_the_traced_ones(number: int):
    """NumPy's own functions differ from their traced forms in last bits and names of tuples."""
    f, args = CALLS[number]
    if any(np.asarray(x).dtype.kind in "fc" for x in args):
        compiled_is_plain(
            lambda g: lambda *xs: fg.jvp(g, xs, tuple(map(np.zeros_like, xs)))[0], f, args
        )

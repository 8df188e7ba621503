"""Every kind of draw, once in PyTorch's words and once in funcgrad's, and how far they agree.

``python -m tests.compat.torch.random_cases`` prints the counts; with ``--record`` it writes
``tests/data/torch_random.json``. Both need PyTorch.
"""

import json
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from funcgrad.compat.torch import count_draws, draws, integer_draws
from funcgrad.compat.torch.mersenne import Generator

__all__ = ["RECORDED", "RECORDED_SEED", "SEEDS", "SIZES", "Case", "agreement", "cases", "plain"]

RECORDED = Path(__file__).resolve().parents[2] / "data" / "torch_random.json"
RECORDED_SEED = 42
SEEDS = (0, 1, 42, 123, 1234, 2**31 - 1, 2**32 + 7, -1, 98765432109876)
SIZES = (0, 1, 2, 3, 7, 15, 16, 17, 20, 31, 32, 33, 100, 257, 1000, 4099)

FLOATS = ("float16", "bfloat16", "float32", "float64")
INTEGERS = ("bool", "uint8", "int8", "int16", "int32", "int64")
RANGES = {
    "bool": ((0, 2),),
    "uint8": ((0, 10), (3, 120), (0, None)),
    "int8": ((-5, 5), (-128, 127), (-7, None)),
    "int16": ((-100, 2049), (3, None)),
    "int32": ((-5, 10), (0, 2**28 - 1), (0, 2**28), (0, 2**31)),
    "int64": (
        *((0, 10), (0, 2**28 - 1), (-(2**27), 2**27 + 5), (0, 2**40)),
        *((-(2**63), 2**63 - 1), (-(2**63), None), (-7, None)),
    ),
    "uint16": ((0, 300),),
    "uint32": ((0, 2**31),),
    "uint64": ((0, 2**40),),
    "float16": ((0, 300), (0, 2049), (-2050, 7), (3, None)),
    "bfloat16": ((0, 300), (0, 2**24 + 3), (-(2**62) - 3, 2**62 + 11), (-7, None)),
    "float32": ((0, 10), (0, 2**24 + 3), (0, 2**31), (-(2**24) - 5, -(2**24) + 1), (-7, None)),
    "float64": ((0, 10), (0, 2**40), (2**53 + 1, 2**53 + 9), (3, None)),
}

Array = NDArray[Any]


@dataclass(frozen=True)
class Case:
    """One draw.

    Attributes:
        kind: what is drawn, by PyTorch's name and the type's.
        size: how many.
        theirs: from PyTorch's default generator, given the module `torch`.
        ours: from a generator.
    """

    kind: str
    size: int
    theirs: Callable[[Any], Any]
    ours: Callable[[Generator], Array]


def plain(tensor: Any) -> Array:
    """A tensor as an array, bfloat16 as float32."""
    array: Array = (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
    return array


def cases(n: int) -> Iterator[Case]:
    """All kinds of draws of n numbers."""
    for dtype in FLOATS:
        yield from float_cases(n, dtype)
        yield from choice_cases(n, dtype)
    for dtype in (*FLOATS, *INTEGERS):
        yield from any_cases(n, dtype)
    for dtype, ranges in RANGES.items():
        for low, high in ranges:
            yield Case(
                f"random_(a, b) {dtype}",
                n,
                lambda t, d=dtype, a=low, b=high: empty(t, n, d).random_(a, b),
                lambda g, d=dtype, a=low, b=high: integer_draws.randint(g, (n,), a, b, d),
            )
    for dtype in ("complex64", "complex128"):
        yield Case(
            f"randn {dtype}",
            n,
            lambda t, d=dtype: t.randn(n, dtype=getattr(t, d)),
            lambda g, d=dtype: draws.normal(g, (n,), d),
        )
        yield Case(
            f"rand {dtype}",
            n,
            lambda t, d=dtype: t.rand(n, dtype=getattr(t, d)),
            lambda g, d=dtype: draws.uniform(g, (n,), d),
        )
    for dtype in ("int32", "int64", "float32"):
        yield Case(
            f"randperm {dtype}",
            n,
            lambda t, d=dtype: t.randperm(n, dtype=getattr(t, d)),
            lambda g, d=dtype: integer_draws.randperm(g, n, d),
        )


def empty(torch: Any, n: int, dtype: str) -> Any:
    return torch.empty(n, dtype=getattr(torch, dtype))


def float_cases(n: int, dtype: str) -> Iterator[Case]:
    """Draws that only floating types have."""

    def case(
        kind: str, theirs: Callable[[Any, Any], Any], ours: Callable[[Generator], Array]
    ) -> Case:
        return Case(f"{kind} {dtype}", n, lambda t: theirs(t, empty(t, n, dtype)), ours)

    yield case("rand", lambda _, x: x.uniform_(), lambda g: draws.uniform(g, (n,), dtype))
    for low, high in ((-0.37, 2.1), (0, 1e-3), (5, 5.001), (-1e4, 3.3e4)):
        yield case(
            "uniform_",
            lambda _, x, a=low, b=high: x.uniform_(a, b),
            lambda g, a=low, b=high: draws.uniform(g, (n,), dtype, a, b),
        )
    yield case("randn", lambda _, x: x.normal_(), lambda g: draws.normal(g, (n,), dtype))
    for mean, std in ((2.5, 0.3), (0, 0.02), (-1e-3, 1), (1, 0)):
        yield case(
            "normal_",
            lambda _, x, m=mean, s=std: x.normal_(m, s),
            lambda g, m=mean, s=std: draws.normal(g, (n,), dtype, m, s),
        )
    yield case(
        "normal_ of a view",
        lambda t, _: t.empty(2 * n, dtype=getattr(t, dtype))[::2].normal_(0.5, 2),
        lambda g: draws.normal(g, (n,), dtype, 0.5, 2, contiguous=False),
    )
    yield case(
        "exponential_",
        lambda _, x: x.exponential_(1.7),
        lambda g: draws.exponential(g, (n,), dtype, 1.7),
    )
    yield case(
        "log_normal_",
        lambda _, x: x.log_normal_(0.3, 0.7),
        lambda g: draws.log_normal(g, (n,), dtype, 0.3, 0.7),
    )
    yield case(
        "cauchy_",
        lambda _, x: x.cauchy_(0.3, 0.7),
        lambda g: draws.cauchy(g, (n,), dtype, 0.3, 0.7),
    )
    for p in (0, 0.1, 0.4, 0.5, 1):
        yield case(
            "dropout",
            lambda t, x, p=p: t.nn.functional.dropout(t.ones_like(x), p),
            lambda g, p=p: draws.dropout_mask(g, (n,), p, dtype),
        )
    shape = (n, 3, 2, 2)
    yield case(
        "dropout2d",
        lambda t, x: t.nn.functional.dropout2d(t.ones(shape, dtype=x.dtype), 0.3),
        lambda g: np.broadcast_to(draws.feature_dropout_mask(g, shape, 0.3, dtype), shape),
    )
    for mean, std, a, b in ((0, 0.5, -1, 1), (0.1, 0.3, 0.7, 1)):
        yield case(
            "trunc_normal_",
            lambda t, x, v=(mean, std, a, b): t.nn.init.trunc_normal_(x, *v) if n else x,
            lambda g, v=(mean, std, a, b): draws.trunc_normal(g, (n,), dtype, *v),
        )


def choice_cases(n: int, dtype: str) -> Iterator[Case]:
    """Draws that are given an array: probabilities, weights or rates."""
    p = draws.rounded_to(spread((n,)), dtype)
    yield Case(
        f"bernoulli {dtype}",
        n,
        lambda t: t.bernoulli(tensor(t, p, dtype)),
        lambda g: draws.bernoulli_from(g, p, dtype),
    )
    if n <= 257:
        rates = draws.rounded_to(spread((n,)) * 40, dtype)
        yield Case(
            f"poisson {dtype}",
            n,
            lambda t: t.poisson(tensor(t, rates, dtype)),
            lambda g: count_draws.poisson(g, rates, dtype),
        )
    if n <= 257 and dtype in ("float32", "float64"):
        trials = draws.rounded_to(np.floor(spread((n,)) * 100)[::-1].copy(), dtype)
        yield Case(
            f"binomial {dtype}",
            n,
            lambda t: t.binomial(tensor(t, trials, dtype), tensor(t, p, dtype)),
            lambda g: count_draws.binomial(g, trials, p, dtype),
        )
    for shape in ((n,), (3, n)) if n else ():
        weights = draws.rounded_to(spread(shape) + 0.01, dtype)
        choices = [(1, False), (50, True)]
        if dtype in ("float32", "float64"):  # halves have ties, whose order PyTorch leaves open
            choices.append((min(n, 5), False))
        for count, replacement in choices:
            yield Case(
                f"multinomial {dtype}",
                n,
                lambda t, w=weights, c=(count, replacement): t.multinomial(tensor(t, w, dtype), *c),
                lambda g, w=weights, c=(count, replacement): integer_draws.multinomial(
                    g, w, *c, dtype=dtype
                ),
            )


def spread(shape: tuple[int, ...]) -> Array:
    """Numbers spread over (0, 1): multiples of the golden section, modulo 1."""
    steps = np.arange(1, np.prod(shape) + 1) * ((5**0.5 - 1) / 2)
    return (steps % 1).reshape(shape)


def tensor(torch: Any, array: Array, dtype: str) -> Any:
    return torch.from_numpy(array).to(getattr(torch, dtype))


def any_cases(n: int, dtype: str) -> Iterator[Case]:
    """Draws of all types."""
    yield Case(
        f"random_() {dtype}",
        n,
        lambda t: empty(t, n, dtype).random_(),
        lambda g: integer_draws.random_(g, (n,), dtype),
    )
    yield Case(
        f"bernoulli_(p) {dtype}",
        n,
        lambda t: empty(t, n, dtype).bernoulli_(0.3),
        lambda g: draws.bernoulli(g, (n,), 0.3, dtype),
    )
    if dtype != "bool":
        yield Case(
            f"geometric_ {dtype}",
            n,
            lambda t: empty(t, n, dtype).geometric_(0.2),
            lambda g: draws.geometric(g, (n,), 0.2, dtype),
        )


def differing(theirs: Array, ours: Array) -> int:
    """How many values are not the same bits."""
    if theirs.shape != ours.shape or theirs.dtype != ours.dtype:
        return max(theirs.size, 1)
    size = theirs.itemsize
    pair = (np.ascontiguousarray(x).view(f"V{size}").reshape(-1) for x in (theirs, ours))
    first, second = (x.view(np.uint8).reshape(-1, size) for x in pair)
    return int((first != second).any(axis=1).sum())


def agreement(torch: Any, seeds: tuple[int, ...], sizes: tuple[int, ...]) -> dict[str, Array]:
    """For each kind: cases, values, values that differ, generator states that differ after it."""
    rows: dict[str, Array] = {}
    generator = Generator()
    for case in (case for n in sizes for case in cases(n)):
        row = rows.setdefault(case.kind, np.zeros(4, np.int64))
        for seed in seeds:
            torch.manual_seed(seed)
            generator.manual_seed(seed)
            theirs, ours = plain(case.theirs(torch)), case.ours(generator)
            same_state = np.array_equal(torch.get_rng_state().numpy(), generator.get_state())
            row += (1, theirs.size, differing(theirs, ours), not same_state)
    return rows


def record(torch: Any) -> dict[str, Any]:
    """PyTorch's values of each kind, for three numbers and for twenty."""
    values = []
    for case in (case for n in (3, 20) for case in cases(n)):
        torch.manual_seed(RECORDED_SEED)
        drawn = plain(case.theirs(torch)).reshape(-1)
        parts = drawn.view(drawn.real.dtype) if drawn.dtype.kind == "c" else drawn
        values.append([case.kind, drawn.dtype.name, parts.tolist()])
    torch.manual_seed(RECORDED_SEED)
    torch.randn(3)
    state = torch.get_rng_state().numpy().tobytes().hex()
    after = torch.randn(20).tolist()
    return {"torch": torch.__version__, "values": values, "state": state, "after": after}


def main(arguments: list[str]) -> None:
    """Print the counts of agreement, or record."""
    import torch  # noqa: PLC0415 - only this program needs it, not the tests that import the table

    warnings.filterwarnings("ignore", ".*out of bounds", UserWarning)  # integers beyond a float's
    if "--record" in arguments:
        lines = json.dumps(record(torch)).replace('], ["', '],\n["')
        RECORDED.write_text(lines + "\n", encoding="utf-8")
        return
    rows = agreement(torch, SEEDS, SIZES)
    print(f"torch {torch.__version__}")
    print(f"{'draw':28}{'cases':>8}{'values':>10}{'differ':>8}{'states differ':>15}")
    for kind, row in [*rows.items(), ("all", np.sum(list(rows.values()), axis=0))]:
        print("{:28}{:8}{:10}{:8}{:15}".format(kind, *row.tolist()))


if __name__ == "__main__":
    main(sys.argv[1:])

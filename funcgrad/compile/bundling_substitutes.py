"""What stands in the place of functions that have no use, or no place, in a module of NumPy alone.

A bundled function is called with plain arrays only. So whether a value is traced, or belongs to
another library, is known to be false, and what depends on it is left out.
"""

import functools
import itertools
import operator
from types import MappingProxyType
from typing import Any

from funcgrad.core import foreign, tracer
from funcgrad.core.protocols import ArrayLike
from funcgrad.core.tracer import Tracer
from funcgrad.errors import user_line
from funcgrad.families import shapes
from funcgrad.interpreters import series
from funcgrad.primitives import plain, special

__all__ = [
    "EXPRESSIONS",
    "FALSE",
    "HERE",
    "IDENTITIES",
    "SKIPPED",
    "SUBSTITUTES",
    "is_traced_class",
]

FALSE = (foreign.is_foreign, foreign.is_chunked, plain.is_traced)
"""Questions whose answer is no."""

IDENTITIES = (tracer.plain_value, foreign.snapshot, shapes.as_operand)
"""What gives back its first argument."""

SKIPPED = (plain.refuse_out,)
"""What is only called to raise errors about traced values."""

HERE = (user_line,)
"""What tells the user's line."""

EXPRESSIONS: MappingProxyType[Any, str] = MappingProxyType({foreign.as_array: "np.asarray"})
"""NumPy's functions in place of others with the same arguments."""

SUBSTITUTES: MappingProxyType[Any, str] = MappingProxyType(
    {
        functools.reduce: """\
def reduce(function, items, *start):
    items = [*start, *items]
    total = items[0]
    for item in items[1:]:
        total = function(total, item)
    return total
""",
        functools.cache: """\
def cache(function):
    known = {}

    def cached(*args):
        if args not in known:
            known[args] = function(*args)
        return known[args]

    return cached
""",
        functools.partial: """\
def partial(function, *first, **params):
    return lambda *args: function(*first, *args, **params)
""",
        itertools.permutations: """\
def permutations(items):
    items = list(items)
    if not items:
        yield ()
    for place, item in enumerate(items):
        for rest in permutations(items[:place] + items[place + 1 :]):
            yield (item, *rest)
""",
        itertools.combinations: """\
def combinations(items, count):
    items = list(items)
    if not count:
        yield ()
        return
    for place, item in enumerate(items):
        for rest in combinations(items[place + 1 :], count - 1):
            yield (item, *rest)
""",
        itertools.pairwise: """\
def pairwise(items):
    items = list(items)
    return zip(items[:-1], items[1:])
""",
        operator.index: """\
def index(number):
    return number.__index__()
""",
        operator.mul: """\
def mul(a, b):
    return a * b
""",
        series.make_series: """\
def make_series(*_args, **_options):
    raise ValueError(
        "equal eigenvalues or singular values: their derivative depends on how they are told "
        "apart, which this module cannot do"
    )
""",
        foreign.cast: """\
def cast(x, dtype):
    return x.astype(dtype)
""",
        foreign.spread_like: """\
def spread_like(x, shape, _like):
    return np.broadcast_to(x, shape)
""",
        special.tabulated: """\
def tabulated(_name, function):
    return function
""",
        tracer.bind: """\
def bind(function, *args, **params):
    return function(*args, **params)
""",
    }
)
"""Source of functions in place of others."""


def is_traced_class(kind: Any) -> bool:
    """Whether no plain value is of a class."""
    return isinstance(kind, type) and issubclass(kind, ArrayLike | Tracer)

"""What it means that a compiled function does as the plain one: equal to the last bit.

Values are equal if they have one type, shape, dtype and the same bytes; any nan equals any other.
A call is alike if also the warnings are: their categories and texts.
"""

import functools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import funcgrad as fg

__all__ = [
    "ULPS",
    "Outcome",
    "exact_jit",
    "outcome",
    "require_alike",
    "require_jit_is_eager",
    "require_near",
    "require_same",
]

ULPS = 256
"""Passes that are not exact add up in another order, or take the C library's functions; a few
hundred roundings of the largest element are what chains of such operations make of that."""

exact_jit = functools.partial(fg.jit, exact=True)
"""Without the passes that may change last bits."""


@dataclass(frozen=True)
class Outcome:
    """What became of a call.

    Attributes:
        value: what it returned.
        error: what it raised.
        warned: categories and texts of its warnings.
    """

    value: Any
    error: BaseException | None
    warned: frozenset[tuple[type, str]]


def outcome(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Outcome:
    """Call the function."""
    value, error = None, None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            value = f(*args, **kwargs)
        except Exception as raised:  # noqa: BLE001  # whatever it is, both must raise it
            error = raised
    # NumPy says "in scalar divide" of its scalars' operators and "in divide" of its ufuncs.
    texts = ((w.category, str(w.message).replace(" in scalar ", " in ")) for w in caught)
    return Outcome(value, error, frozenset(texts))


def _equal(found: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> bool:
    if wanted.dtype.kind == "c":
        return _equal(found.real, wanted.real) and _equal(found.imag, wanted.imag)
    if wanted.dtype.kind != "f":
        return bool(np.array_equal(found, wanted))
    nan = np.isnan(wanted)
    return bool(
        np.array_equal(np.isnan(found), nan)
        and np.array_equal(np.signbit(found[~nan]), np.signbit(wanted[~nan]))
        and np.array_equal(found[~nan], wanted[~nan])
    )


def _kind(x: Any) -> type:
    """The type; arrays without axes count as NumPy scalars, as in the functions of funcgrad."""
    return type(x[()]) if isinstance(x, np.ndarray) else type(x)


def _close(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], ulps: int) -> bool:
    if y.dtype.kind not in "fc":
        return _equal(x, y)
    eps = float(np.finfo(y.dtype).eps)
    scale = float(np.max(np.abs(y), initial=0.0, where=np.isfinite(y)))
    return bool(np.allclose(x, y, rtol=ulps * eps, atol=ulps * eps * scale, equal_nan=True))


def require_same(found: Any, wanted: Any, what: str = "", ulps: int = 0) -> None:
    """Require the same structure, and in each leaf the same type, shape, dtype and bits.

    With `ulps`, elements may differ by so many roundings of the largest one.
    """
    assert fg.tree.structure(found) == fg.tree.structure(wanted), what
    pairs = zip(fg.tree.leaves(found), fg.tree.leaves(wanted), strict=True)
    for number, (a, b) in enumerate(pairs):
        where = f"{what} leaf {number}: {a!r}, not {b!r}"
        assert _kind(a) is _kind(b), f"{where}: {type(a)}, not {type(b)}"
        x, y = np.asarray(a), np.asarray(b)
        assert x.shape == y.shape, f"{where}: shape {x.shape}, not {y.shape}"
        assert x.dtype == y.dtype, f"{where}: dtype {x.dtype}, not {y.dtype}"
        same = _close(x, y, ulps) if ulps else _equal(x, y)
        assert same, f"{where}: {np.argwhere(x != y)[:3].tolist()}"


def _kinds(call: Outcome) -> set[tuple[type, str]]:
    """The "invalid value" of "invalid value encountered in add"."""
    return {(category, text.split(" encountered in ")[0]) for category, text in call.warned}


def require_alike(
    found: Outcome, wanted: Outcome, what: str = "", *, dead: bool = False, ulps: int = 0
) -> None:
    """Require the same results or the same error, and the same warnings.

    Args:
        found: of the compiled function.
        wanted: of the plain one.
        what: for messages.
        dead: whether the function computes what it does not use, or what is computed by another
            operation: then it may warn less, and the operation's name may be another.
        ulps: as in `require_same`.
    """
    if wanted.error is not None:
        if type(found.error) is not type(wanted.error):
            raise AssertionError(f"{what}: raised {found.error!r}, not {wanted.error!r}")
        return
    if found.error is not None:
        raise AssertionError(f"{what}: raised {found.error!r}") from found.error
    require_same(found.value, wanted.value, what, ulps)
    if dead:
        assert _kinds(found) <= _kinds(wanted), f"{what}: {found.warned}, not {wanted.warned}"
    else:
        assert found.warned == wanted.warned, f"{what}: {found.warned}, not {wanted.warned}"


def require_near(found: Outcome, wanted: Outcome, what: str = "") -> None:
    """Require the same results but for rounding, or the same error; warnings may be left out."""
    if wanted.error is not None:
        if type(found.error) is not type(wanted.error):
            raise AssertionError(f"{what}: raised {found.error!r}, not {wanted.error!r}")
        return
    if found.error is not None:
        raise AssertionError(f"{what}: raised {found.error!r}") from found.error
    require_same(found.value, wanted.value, what, ULPS)


def require_jit_is_eager(
    f: Callable[..., Any],
    *calls: Sequence[Any],
    compiled: Callable[..., Any] | None = None,
    dead: bool = False,
    **options: Any,
) -> None:
    """Require the calls to be alike: the first of each kind, which is recorded, and later ones.

    Args:
        f: the plain function.
        calls: arguments; the first ones are used three times.
        compiled: what is held against it; `jit(f, exact=True)` if left out. `jit(f)` is held
            against it, too, up to rounding.
        dead: as in `require_alike`.
        options: of `jit`.
    """
    g = exact_jit(f, **options) if compiled is None else compiled
    near = fg.jit(f, **options)
    for number, args in enumerate((*calls[:1], *calls, *calls[:1])):
        wanted = outcome(f, *args)
        require_alike(outcome(g, *args), wanted, f"call {number + 1}", dead=dead)
        require_near(outcome(near, *args), wanted, f"call {number + 1}, not exact")

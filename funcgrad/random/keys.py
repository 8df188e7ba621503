"""Keys: made of a seed, split into independent ones, and told apart by numbers."""

import operator
from typing import Any

import numpy as np

from funcgrad.core.tracer import Tracer, bind
from funcgrad.errors import RandomKeyError
from funcgrad.random.arguments import as_key, as_shape, refuse
from funcgrad.random.primitives import fold_in_p, key_p, split_p

__all__ = ["fold_in", "key", "split"]

WORD = 2**64 - 1


def key(seed: Any) -> Any:
    """The key of a seed, from which everything is drawn.

    Args:
        seed: a plain integer from -2⁶³ to 2¹²⁸ - 1, or a traced one.

    Returns:
        A uint64 array of shape (2,): the 128-bit key of a Philox generator.

    Raises:
        RandomKeyError: if the seed is no integer, or has axes.

    Example:
        >>> key(42)
        array([42,  0], dtype=uint64)
    """
    if isinstance(seed, Tracer | np.ndarray | np.integer):
        if seed.dtype.kind in "iu" and not seed.shape:
            return bind(key_p, seed)
        raise RandomKeyError(
            f"key: the seed is an array of dtype {seed.dtype} and shape {seed.shape}. One key is "
            "made of one integer. Pass a plain integer, make several keys with "
            "split(key(0), num), or with vmap(funcgrad.random.key)(seeds)."
        )
    try:
        if isinstance(seed, bool):
            raise TypeError
        number = operator.index(seed)
    except TypeError:
        raise RandomKeyError(
            f"key: the seed is a {type(seed).__name__}. A key is made of an integer, so that the "
            "same numbers come again. Pass one, such as key(0), or key(secrets.randbits(128)) for "
            "other numbers every time."
        ) from None
    if not -(2**63) <= number < 2**128:
        raise RandomKeyError(
            f"key: the seed {seed} has more than 128 bits. Two such seeds could give one key. Pass "
            "an integer from -2**63 to 2**128 - 1, or fold parts of it in one after the other "
            "with fold_in."
        )
    return np.array([number & WORD, number >> 64 & WORD], np.uint64)


def split(key: Any, num: Any = 2) -> Any:
    """Independent new keys; the one that is split should not be used any more.

    Args:
        key: a key.
        num: how many, or the shape of an array of keys.

    Returns:
        An array of shape (num, 2). Its first keys do not depend on `num`.

    Raises:
        RandomKeyError: if `key` is none.
        DrawError: for a negative number.

    Example:
        >>> from funcgrad import random
        >>> first, second = random.split(random.key(0))
    """
    key = as_key("split", key)
    return bind(split_p, key, shape=as_shape("split", num))


def fold_in(key: Any, data: Any) -> Any:
    """A new key of a key and a number, e.g. that of a step or of a layer.

    Args:
        key: a key.
        data: an integer from -2⁶³ to 2⁶⁴ - 1, plain or traced.

    Returns:
        A key, independent of those of other numbers, of the given one and of its `split`.

    Raises:
        RandomKeyError: if `key` is none.
        DrawError: if `data` is no such integer.

    Example:
        >>> from funcgrad import random
        >>> random.fold_in(random.key(0), 7).shape
        (2,)
    """
    key = as_key("fold_in", key)
    if isinstance(data, Tracer | np.ndarray | np.integer):
        if data.dtype.kind in "iu" and not data.shape:
            return bind(fold_in_p, key, data)
        refuse(
            "fold_in",
            f"the number is an array of dtype {data.dtype} and shape {data.shape}",
            "One key is made of one integer.",
            "Pass one, or use vmap(fold_in, in_axes=(None, 0))(key, numbers).",
        )
    try:
        number = operator.index(data)
    except TypeError:
        refuse(
            "fold_in",
            f"the number is {data!r}",
            "A key is made of an integer.",
            "Pass the number of a step, or zlib.crc32(name.encode()) of a name.",
        )
    if not -(2**63) <= number <= WORD:
        refuse(
            "fold_in",
            f"the number is {number}",
            "It has more than 64 bits.",
            "Fold parts of it in one after the other.",
        )
    return bind(fold_in_p, key, np.uint64(number & WORD))

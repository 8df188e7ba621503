"""Indexing: static keys (slices, integers) and gathers by index arrays, with their transposes."""

from typing import Any

import numpy as np

from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import bind
from funcgrad.families.linear import linear
from funcgrad.families.shapes import zeros_like


def _index_transpose_value(ct: Any, *, key: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    full = np.zeros_like(ct, shape=shape)
    full[key] = ct
    return full


index_p = linear(
    "index",
    lambda x, *, key: x[key],
    lambda ct, x, *, key: bind(unindex_p, ct, key=key, shape=x.shape),
    batch=lambda size, _b, values, params: bind(
        index_p, *values, key=(slice(None), *params["key"])
    ),
    view=True,
)
unindex_p = linear(
    "unindex",
    _index_transpose_value,
    lambda ct, _x, *, key, shape: bind(index_p, ct, key=key),
    batch=lambda size, _b, values, params: bind(
        unindex_p, *values, key=(slice(None), *params["key"]), shape=(size, *params["shape"])
    ),
)


def getitem(x: Any, key: Any) -> Any:
    key = key if isinstance(key, tuple) else (key,)
    taken = sum(k is not None and k is not Ellipsis for k in key)
    if any(k is Ellipsis for k in key):
        i = next(i for i, k in enumerate(key) if k is Ellipsis)
        key = (*key[:i], *(slice(None),) * (x.ndim - taken), *key[i + 1 :])
    return bind(index_p, x, key=key)


DISPATCH["getitem"] = getitem
del zeros_like

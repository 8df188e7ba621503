"""Samples of NumPy's functions: choosing, indexing, replacing elements."""

from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from tests.surface.calls import Rng, array, arrays, call, chosen, one_of, some
from tests.surface.sample import Generator, Sample, axis_of, broadcast_shape, draw, shape

__all__ = ["GENERATORS"]

MODES = ("wrap", "clip")

# --- choosing ---------------------------------------------------------------------------------


def _where(rng: Rng) -> Sample:
    whole = shape(rng)
    condition = rng.random(broadcast_shape(rng, whole)) < 0.5
    x, y = arrays(rng, [broadcast_shape(rng, whole) for _ in "xy"])
    if rng.random() < 0.3:
        number = one_of(rng, 2, 0.5)
        return Sample(
            f"where(c, x, {number})", lambda xp, c, x: xp.where(c, x, number), (condition, x)
        )
    return call("where", (condition, x, y))


def _select(rng: Rng) -> Sample:
    whole = shape(rng)
    count = int(rng.integers(1, 4))
    conditions = tuple(rng.random(broadcast_shape(rng, whole)) < 0.5 for _ in range(count))
    found = arrays(rng, [broadcast_shape(rng, whole) for _ in range(count + 1)])
    default = bool(rng.integers(2))

    def call(xp: Any, *args: Any) -> Any:
        chosen = list(args[count : 2 * count])
        rest = args[2 * count :]
        return xp.select(list(args[:count]), chosen, *rest[: 1 if default else 0])

    args = (*conditions, *found[: count + default])
    label = f"select({count} conditions, default={default})"
    return Sample(label, call, args, plain=not default)  # NumPy does not ask the default


def _choose(rng: Rng) -> Sample:
    whole = shape(rng)
    count = int(rng.integers(1, 4))
    mode = one_of(rng, "raise", *MODES)
    low, high = (0, count) if mode == "raise" else (-4, 7)
    numbers = rng.integers(low, high, broadcast_shape(rng, whole))
    found = arrays(rng, [broadcast_shape(rng, whole) for _ in range(count)])
    options = {} if mode == "raise" and rng.random() < 0.5 else {"mode": mode}
    if rng.random() < 0.3:
        (table,) = arrays(rng, [(count, *whole)])
        return call("choose", (numbers, table), **options)
    return Sample(
        f"choose(numbers, [...], {options})",
        lambda xp, i, *xs: xp.choose(i, list(xs), **options),
        (numbers, *found),
    )


def _piecewise(rng: Rng) -> Sample:
    x = draw(rng, shape(rng), one_of(rng, np.float64, np.float32, np.complex128))
    conditions = [rng.random(x.shape) < 0.5 for _ in range(int(rng.integers(1, 4)))]
    functions: list[Any] = [
        one_of(rng, 2.0, lambda v, k=1.0: v * v * k, lambda v, k=1.0: v[..., ::1] * k)
        for _ in conditions
    ]
    if rng.random() < 0.5:
        functions.append(one_of(rng, -1, lambda v, k=1.0: np.sin(v) * k))
    options = some(rng, k=lambda: 2.5)
    return call("piecewise", x, conditions, functions, **options)


def _piecewise_of_values(rng: Rng) -> Sample:
    x = draw(rng, shape(rng, 1), np.float64)
    x = np.where((np.abs(x) < 0.1) | (np.abs(x - 1) < 0.1), 0.5, x)
    return Sample(
        "piecewise(x, [x < 0, x > 1], [-x³, sqrt(x - 1), 2])",
        lambda xp, x: xp.piecewise(
            x, [x < 0, x > 1], [lambda v: -v * v * v, lambda v: np.sqrt(v - 1), 2]
        ),
        (x,),
    )


def _take(rng: Rng) -> Sample:
    x = array(rng, low=1)
    axis = axis_of(rng, x.ndim)
    length = x.size if axis is None else x.shape[axis]
    mode = one_of(rng, "raise", *MODES)
    low, high = (-length, length) if mode == "raise" else (-9, 10)
    own = one_of(rng, (), (3,), (2, 2), (0,))
    indices = rng.integers(low, high, own)
    if rng.random() < 0.3:
        indices = indices.tolist()
    options = {} if mode == "raise" and rng.random() < 0.5 else {"mode": mode}
    return call("take", x, indices, axis, **options)


def _take_along_axis(rng: Rng) -> Sample:
    x = array(rng, low=1)
    axis = axis_of(rng, x.ndim)
    if axis is None:
        return call("take_along_axis", x, rng.integers(-x.size, x.size, 3), axis=None)
    own = [1 if rng.random() < 0.3 else n for n in x.shape]
    own[axis] = int(rng.integers(0, 4))
    return call("take_along_axis", x, rng.integers(-x.shape[axis], x.shape[axis], own), axis)


def _compress(rng: Rng) -> Sample:
    x = array(rng, low=1)
    axis = axis_of(rng, x.ndim)
    length = x.size if axis is None else x.shape[axis]
    mask = rng.random(int(rng.integers(0, length + 1))) < 0.6
    chosen_mask = one_of(rng, mask, mask.tolist(), mask.astype(int))
    return Sample(
        f"compress({chosen_mask}, x, axis={axis})",
        lambda xp, x: xp.compress(chosen_mask, x, axis=axis),
        (x,),
    )


def _extract(rng: Rng) -> Sample:
    x = array(rng)
    mask = rng.random(x.shape) < 0.5
    return Sample(f"extract({mask.tolist()}, x)", lambda xp, x: xp.extract(mask, x), (x,))


def _trim_zeros(rng: Rng) -> Sample:
    many = tuple(map(int, np.__version__.split(".")[:2])) >= (2, 2)
    x = draw(rng, shape(rng, 1, 2 if many else 1, 6), one_of(rng, np.float64, np.float32))
    x = np.where(rng.random(x.shape) < 0.6, 0.0, x).astype(x.dtype)
    x.reshape(-1)[int(rng.integers(x.size))] = 1.5
    options = some(rng, trim=lambda: one_of(rng, "f", "b", "fb", "BF"))
    if many and rng.random() < 0.5:
        options["axis"] = axis_of(rng, x.ndim, many=True)
    # the shape depends on the values, so only zeros that stay zeros could be moved
    return call("trim_zeros", x, laws={"mapped": False, "smooth": False}, **options)


# --- x[key] -----------------------------------------------------------------------------------


def _slice(rng: Rng, length: int) -> slice:
    bounds = [one_of(rng, None, int(rng.integers(-length - 1, length + 2))) for _ in range(2)]
    return slice(*bounds, one_of(rng, None, 1, 2, -1, -2))


def _part(rng: Rng, length: int, common: tuple[int, ...]) -> Any:
    """A part of a key for an axis: an integer, a slice, an index array, a mask."""
    number = int(rng.integers(-length, length))
    numbers = rng.integers(-length, length, broadcast_shape(rng, common))
    return one_of(
        rng, number, np.int64(number), _slice(rng, length), slice(None), numbers,
        rng.integers(-length, length, common).tolist(),
    )  # fmt: skip


def _key(rng: Rng, own: tuple[int, ...]) -> Any:
    """A key of every kind that NumPy takes for an array of this shape."""
    if rng.random() < 0.15:
        return rng.random(own) < 0.5
    common = one_of(rng, (2,), (3,), (2, 1), (2, 2))
    parts: list[Any] = []
    for length in own[: int(rng.integers(0, len(own) + 1))]:
        if rng.random() < 0.15:
            parts.append(None)
        parts.append(_part(rng, length, common))
    if len(own) >= 2 and rng.random() < 0.15:
        parts[:2] = [rng.random(own[:2]) < 0.7]
        parts = [p for p in parts if isinstance(p, (slice, type(None))) or p is parts[0]][:2]
        return tuple(parts[:1])
    if rng.random() < 0.3:
        parts.insert(int(rng.integers(len(parts) + 1)), Ellipsis)
        skipped = parts.index(Ellipsis)
        if skipped < len(parts) - 1:  # the parts behind stand for the last axes
            taken = sum(p is not None for p in parts[skipped + 1 :])
            behind = own[len(own) - taken :]
            lengths = iter(behind)
            parts[skipped + 1 :] = [
                None if p is None else _part(rng, next(lengths), common)
                for p in parts[skipped + 1 :]
            ]
    return parts[0] if len(parts) == 1 and rng.random() < 0.5 else tuple(parts)


def _getitem(rng: Rng) -> Sample:
    x = array(rng, low=1)
    key = _key(rng, x.shape)
    return Sample(f"x[{key!r}]".replace("\n", " "), lambda _xp, x: x[key], (x,))


def _traced_index(rng: Rng) -> Sample:
    """Index arrays that differ between examples under vmap: they come from the values."""
    x = draw(rng, (4, 3), np.float64)
    form = int(rng.integers(4))

    def f(xp: Any, x: Any) -> Any:
        i, j = xp.argsort(x[:, 0]), xp.argmax(x, axis=1)
        return (x[i], x[i, j], x[1:, j % 3][0], x[..., None, j])[form]

    return Sample(f"x[traced indices], form {form}", f, (x,))


# --- replacing --------------------------------------------------------------------------------


def _replaced(name: str, f: Any) -> Any:
    """The array that NumPy's in-place function leaves, or the functional version's result."""

    def call(xp: Any, x: Any, *rest: Any) -> Any:
        if xp is np:
            x = x.copy()
            out = f(getattr(np, name), x, *rest, {})
            assert out is None
            return x
        return f(getattr(fnp, name), x, *rest, {"inplace": False})

    return call


def _put(rng: Rng) -> Sample:
    x = array(rng, low=1)
    mode = one_of(rng, "raise", *MODES)
    low, high = (-x.size, x.size) if mode == "raise" else (-9, 20)
    indices = rng.integers(low, high, one_of(rng, (), (3,), (2, 2)))
    (v,) = arrays(rng, [one_of(rng, (), (1,), (2,), indices.shape, (2, 3))])
    v = v if np.iscomplexobj(x) else np.real(v)
    given = one_of(rng, indices, indices.tolist())
    options = {} if mode == "raise" and rng.random() < 0.5 else {"mode": mode}
    f = _replaced("put", lambda put, x, v, more: put(x, given, v, **options, **more))
    return Sample(
        f"put(x, {given}, v, {options})".replace("\n", " "), f, (x, v.astype(x.dtype)), plain=False
    )


def _masked(name: str) -> Generator:
    def generator(rng: Rng) -> Sample:
        x = array(rng)
        mask = rng.random(x.shape) < 0.5
        v = draw(rng, one_of(rng, (1,), (2,), (7,), x.shape or (1,)), x.dtype)
        if name == "putmask" and rng.random() < 0.2:
            v = v.reshape(-1)[0].reshape(())
        f = _replaced(name, lambda put, x, v, more: put(x, mask, v, **more))
        return Sample(f"{name}(x, {mask.tolist()}, v)", f, (x, v), plain=False)

    return generator


def _copyto(rng: Rng) -> Sample:
    x = array(rng)
    v = draw(rng, broadcast_shape(rng, x.shape), x.dtype)
    options = some(
        rng,
        where=lambda: rng.random(broadcast_shape(rng, x.shape)) < 0.5,
        casting=lambda: one_of(rng, "no", "same_kind"),
    )
    f = _replaced("copyto", lambda put, x, v, more: put(x, v, **options, **more))
    return Sample(f"copyto(x, v, {options})".replace("\n", " "), f, (x, v), plain=False)


def _fill_diagonal(rng: Rng) -> Sample:
    n = int(rng.integers(2, 5))
    own = one_of(rng, (n, n), (n, n + 1), (n + 3, n), (n, 2), (2 * n + 1, 2), (2, 2, 2), (3, 3, 3))
    x = draw(rng, own, one_of(rng, np.float64, np.float32, np.complex128))
    v = draw(rng, one_of(rng, (), (1,), (2,), (n,), (9,), (2, 2)), x.dtype)
    options = some(rng, wrap=lambda: bool(rng.integers(2)))
    f = _replaced("fill_diagonal", lambda put, x, v, more: put(x, v, **options, **more))
    return Sample(f"fill_diagonal(x, v, {options})", f, (x, v), plain=False)


def _put_along_axis(rng: Rng) -> Sample:
    x = array(rng, low=1)
    axis = axis_of(rng, x.ndim)
    if axis is None:
        indices, own = rng.integers(-x.size, x.size, 3), (3,)
    else:
        lengths = [1 if rng.random() < 0.2 else n for n in x.shape]
        lengths[axis] = int(rng.integers(0, 4))
        indices = rng.integers(-x.shape[axis], x.shape[axis], lengths)
        full = list(x.shape)
        full[axis] = lengths[axis]
        own = one_of(rng, (), tuple(lengths), tuple(full))
        own = broadcast_shape(rng, own) if rng.random() < 0.3 else own
    v = draw(rng, own, x.dtype)
    f = _replaced("put_along_axis", lambda put, x, v, more: put(x, indices, v, axis, **more))
    return Sample(f"put_along_axis(x, {indices.tolist()}, v, {axis})", f, (x, v), plain=False)


GENERATORS: dict[str, Generator] = {
    "where": _where,
    "select": _select,
    "choose": _choose,
    "piecewise": chosen([_piecewise, _piecewise_of_values]),
    "take": _take,
    "take_along_axis": _take_along_axis,
    "compress": _compress,
    "extract": _extract,
    "trim_zeros": _trim_zeros,
    "ndarray.__getitem__": chosen([_getitem, _getitem, _getitem, _traced_index]),
    "put": _put,
    "putmask": _masked("putmask"),
    "place": _masked("place"),
    "copyto": _copyto,
    "fill_diagonal": _fill_diagonal,
    "put_along_axis": _put_along_axis,
}

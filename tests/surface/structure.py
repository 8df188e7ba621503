"""Samples of NumPy's functions: shape, order of axes, joining, splitting, repetition."""

import warnings
from typing import Any

import numpy as np

from tests.surface.calls import Rng, array, arrays, call, chosen, listed, one_of, some
from tests.surface.sample import Generator, Sample, axis_of, broadcast_shape, shape

__all__ = ["GENERATORS"]

# --- shape ------------------------------------------------------------------------------------


def _factored(rng: Rng, size: int) -> tuple[int, ...]:
    """A shape with this many elements, one length perhaps as -1."""
    target, rest = [], size
    while rest > 1 and len(target) < 3:
        divisors = [n for n in range(1, rest + 1) if rest % n == 0]
        target.append(int(one_of(rng, *divisors)))
        rest //= target[-1]
    target.append(rest)
    if rng.random() < 0.5:
        target[int(rng.integers(len(target)))] = -1
    return tuple(target)


def _placed(rng: Rng) -> Any:
    """An array in any order in memory."""
    x = array(rng)
    return np.transpose(x, rng.permutation(x.ndim))


def _reshape(rng: Rng) -> Sample:
    x = one_of(rng, array, _placed)(rng)
    target = one_of(rng, _factored(rng, x.size), -1, (x.size,))
    options = some(rng, order=lambda: one_of(rng, "C", "F", "A"))
    if "order" not in options and rng.random() < 0.3:
        options["copy"] = True
    return call("reshape", x, target, laws=_in_order(options), **options)


def _in_order(options: dict[str, Any]) -> dict[str, bool]:
    """A difference quotient is taken at arrays in C order, whatever the order of the sample."""
    return {"smooth": options.get("order", "C") in "CF"}


def _ravel(rng: Rng) -> Sample:
    options = some(rng, order=lambda: one_of(rng, *"CFAK"))
    return call("ravel", _placed(rng), laws=_in_order(options), **options)


def _expand_dims(rng: Rng) -> Sample:
    x = array(rng, high=2)
    return call("expand_dims", x, axis_of(rng, x.ndim + 1, none=False))


def _expand_many(rng: Rng) -> Sample:
    x = array(rng, high=2)
    places = rng.permutation(x.ndim + 2)[:2]
    rank = x.ndim + 2
    return call("expand_dims", x, tuple(int(i) - rank * int(rng.integers(2)) for i in places))


def _squeeze(rng: Rng) -> Sample:
    x = array(rng, longest=2)
    ones = [i for i, n in enumerate(x.shape) if n == 1]
    axis = one_of(rng, None, *ones, *([tuple(ones)] if ones else []), *[i - x.ndim for i in ones])
    return call("squeeze", x, axis)


def _broadcast_to(rng: Rng) -> Sample:
    whole = shape(rng)
    (x,) = arrays(rng, [broadcast_shape(rng, whole)])
    return call("broadcast_to", x, whole)


def _broadcast_arrays(rng: Rng) -> Sample:
    whole = shape(rng)
    return call("broadcast_arrays", arrays(rng, [broadcast_shape(rng, whole) for _ in range(2)]))


def _at_least(name: str) -> Generator:
    return lambda rng: call(name, tuple(array(rng) for _ in range(int(rng.integers(1, 3)))))


# --- order of axes ----------------------------------------------------------------------------


def _axes(rng: Rng, rank: int, count: int) -> tuple[int, ...]:
    """Different axes of either sign."""
    return tuple(int(a) - rank * int(rng.integers(2)) for a in rng.permutation(rank)[:count])


def _transpose(name: str) -> Generator:
    def generator(rng: Rng) -> Sample:
        x = array(rng)
        return call(name, x, one_of(rng, None, _axes(rng, x.ndim, x.ndim)))

    return generator


def _swapaxes(rng: Rng) -> Sample:
    x = array(rng, low=1)
    return call("swapaxes", x, axis_of(rng, x.ndim, none=False), axis_of(rng, x.ndim, none=False))


def _moveaxis(rng: Rng) -> Sample:
    x = array(rng, low=1)
    count = int(rng.integers(1, x.ndim + 1))
    source, target = _axes(rng, x.ndim, count), _axes(rng, x.ndim, count)
    return call("moveaxis", x, *((source[0], target[0]) if count == 1 else (source, target)))


def _rollaxis(rng: Rng) -> Sample:
    x = array(rng, low=1)
    start = int(rng.integers(-x.ndim, x.ndim + 1))
    return call("rollaxis", x, axis_of(rng, x.ndim, none=False), start)


def _roll(rng: Rng) -> Sample:
    x = array(rng)
    if x.ndim == 0 or rng.random() < 0.3:
        return call("roll", x, int(rng.integers(-9, 10)))
    axis = axis_of(rng, x.ndim, many=True, none=False)
    if isinstance(axis, tuple) and rng.random() < 0.7:
        return call("roll", x, tuple(int(rng.integers(-5, 6)) for _ in axis), axis)
    shift = one_of(rng, int(rng.integers(-5, 6)), (1, 2) if isinstance(axis, int) else (2,))
    return call("roll", x, shift, axis)


def _rot90(rng: Rng) -> Sample:
    x = array(rng, low=2)
    return call("rot90", x, **some(
        rng, k=lambda: int(rng.integers(-4, 6)), axes=lambda: _axes(rng, x.ndim, 2)
    ))  # fmt: skip


def _flip(rng: Rng) -> Sample:
    x = array(rng)
    return call("flip", x, axis_of(rng, x.ndim, many=True))


# --- joining ----------------------------------------------------------------------------------


def _parts(rng: Rng, axis: int, low: int = 1) -> list[tuple[int, ...]]:
    """Shapes that differ along one axis."""
    whole = list(shape(rng, low))
    axis %= len(whole)
    lengths = rng.integers(0, 4, int(rng.integers(1, 4))).tolist()
    return [(*whole[:axis], length, *whole[axis + 1 :]) for length in lengths]


def _casting(rng: Rng, found: tuple) -> dict:
    if rng.random() < 0.6:
        return {}
    real = not any(map(np.iscomplexobj, found))
    dtype = one_of(rng, np.complex64, np.complex128, *([np.float32] if real else []))
    return {"dtype": dtype} | some(rng, casting=lambda: one_of(rng, "same_kind", "unsafe"))


def _concatenate(name: str) -> Generator:
    def generator(rng: Rng) -> Sample:
        if rng.random() < 0.25:
            found = tuple(array(rng) for _ in range(2))
            return listed(name, found, axis=None, **_casting(rng, found))
        axis = int(rng.integers(2))
        shapes = _parts(rng, axis, 2)
        found = arrays(rng, shapes)
        signed = axis - len(shapes[0]) * int(rng.integers(2))
        return listed(name, found, axis=signed, **_casting(rng, found))

    return generator


def _stack(rng: Rng) -> Sample:
    found = arrays(rng, [shape(rng)] * int(rng.integers(1, 4)))
    rank = found[0].ndim + 1
    return listed("stack", found, axis=int(rng.integers(-rank, rank)), **_casting(rng, found))


def _vertical(name: str) -> Generator:
    def generator(rng: Rng) -> Sample:
        shapes = _parts(rng, 0, 2) if rng.random() < 0.6 else [(3,), (2, 3)]
        found = arrays(rng, shapes)
        return listed(name, found, **_casting(rng, found))

    return generator


def _row_stack(rng: Rng) -> Sample:
    def row_stack(xp: Any, *xs: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return xp.row_stack(list(xs))

    return Sample("row_stack([...])", row_stack, arrays(rng, _parts(rng, 0, 2)))


def _horizontal(rng: Rng) -> Sample:
    shapes = one_of(rng, _parts(rng, 1, 2), [(2,), (3,)], [(), (2,)])
    found = arrays(rng, shapes)
    return listed("hstack", found, **_casting(rng, found))


def _deep(rng: Rng) -> Sample:
    return listed("dstack", arrays(rng, one_of(rng, _parts(rng, 2, 3), [(2, 3)] * 2, [(3,)] * 2)))


def _column_stack(rng: Rng) -> Sample:
    return listed("column_stack", arrays(rng, one_of(rng, [(3,), (3, 2)], [(3, 1), (3, 0), (3,)])))


def _block(rng: Rng) -> Sample:
    if rng.random() < 0.3:
        return listed("block", arrays(rng, one_of(rng, [(2, 3), (2, 1)], [(3,), (2,)], [()])))
    n, m = (int(i) for i in rng.integers(1, 4, 2))
    found = arrays(rng, [(n, n), (n, m), (m, n), (m, m)])
    return Sample(
        "block([[_, _], [_, _]])", lambda xp, a, b, c, d: xp.block([[a, b], [c, d]]), found
    )


def _append(rng: Rng) -> Sample:
    if rng.random() < 0.4:
        return call("append", (array(rng), array(rng)))
    axis = int(rng.integers(2))
    shapes = _parts(rng, axis, 2)
    return call("append", arrays(rng, [shapes[0], shapes[-1]]), axis=axis)


# --- splitting --------------------------------------------------------------------------------


def _bounds(rng: Rng, length: int) -> list[int]:
    return sorted(int(i) for i in rng.integers(0, length + 2, int(rng.integers(0, 4))))


def _array_split(rng: Rng) -> Sample:
    x = array(rng, low=1, longest=6)
    axis = axis_of(rng, x.ndim, none=False)
    how = one_of(rng, int(rng.integers(1, 6)), _bounds(rng, x.shape[axis]))
    return call("array_split", x, how, axis)


def _split(name: str, along: int | None = None, low: int = 1) -> Generator:
    def generator(rng: Rng) -> Sample:
        x = array(rng, low=low, longest=6)
        axis = axis_of(rng, x.ndim, none=False) if along is None else min(along, x.ndim - 1)
        length = x.shape[axis]
        divisors = [n for n in range(1, length + 1) if length % n == 0]
        how = one_of(rng, int(one_of(rng, *divisors)), _bounds(rng, length))
        return call(name, x, how, **({} if along is not None else {"axis": axis}))

    return generator


def _unstack(rng: Rng) -> Sample:
    x = array(rng, low=1)
    return call("unstack", x, axis=axis_of(rng, x.ndim, none=False))


# --- repetition, insertion --------------------------------------------------------------------


def _repeat(rng: Rng) -> Sample:
    x = array(rng)
    axis = axis_of(rng, x.ndim)
    length = x.size if axis is None else x.shape[axis]
    counts = [int(n) for n in rng.integers(0, 4, length)]
    how = one_of(rng, int(rng.integers(0, 4)), counts, np.array(counts), [2])
    return call("repeat", x, how, **({} if axis is None and rng.random() < 0.5 else {"axis": axis}))


def _tile(rng: Rng) -> Sample:
    many = tuple(int(n) for n in rng.integers(0, 3, int(rng.integers(0, 4))))
    return call("tile", array(rng, high=2), one_of(rng, int(rng.integers(0, 4)), many, list(many)))


def _resize(rng: Rng) -> Sample:
    return call("resize", array(rng), one_of(rng, int(rng.integers(0, 20)), (2, 3), (3, 1, 4), ()))


def _places(rng: Rng, length: int) -> object:
    """What `delete` takes: an integer, a slice, a mask, a list, an empty list."""
    number = int(rng.integers(-length, length))
    step = one_of(rng, None, 2, -1, -2)
    return one_of(
        rng,
        number,
        np.int64(number),
        slice(*sorted(rng.integers(-length, length + 2, 2).tolist())),
        slice(None, None, step),
        rng.random(length) < 0.5,
        (rng.random(length) < 0.5).tolist(),
        rng.integers(-length, length, 3),
        rng.integers(-length, length, 2).tolist(),
        [number],
        [],
    )


def _delete(rng: Rng) -> Sample:
    x = array(rng, low=1, longest=5)
    axis = axis_of(rng, x.ndim)
    return call("delete", x, _places(rng, x.size if axis is None else x.shape[axis]), axis)


def _insert_one(rng: Rng) -> Sample:
    x = array(rng, low=1, longest=5)
    axis = axis_of(rng, x.ndim)
    length = x.size if axis is None else x.shape[axis]
    place = int(rng.integers(-length, length + 1))
    if axis is None:
        own = one_of(rng, (), (1,), (3,))
    else:
        behind = x.shape[: axis % x.ndim] + x.shape[axis % x.ndim + 1 :]
        own = one_of(rng, (), (1,), behind)
    (v,) = arrays(rng, [own])
    return _inserted(x, v, one_of(rng, place, np.int64(place)), axis)


def _insert_many(rng: Rng) -> Sample:
    x = array(rng, low=1, longest=5)
    axis = axis_of(rng, x.ndim)
    length = x.size if axis is None else x.shape[axis]
    lower, upper = sorted(rng.integers(0, length + 1, 2).tolist())
    obj = one_of(
        rng,
        rng.integers(-length, length + 1, 3),
        rng.integers(0, length + 1, 2).tolist(),
        slice(lower, upper),
        rng.random(length) < 0.5,
        [int(rng.integers(-length, length + 1))],
        [],
    )
    line = np.arange(length)
    number = len(np.insert(line, obj, 0)) - length
    if axis is None:
        own = one_of(rng, (), (number,))
    else:
        full = list(x.shape)
        full[axis] = number
        own = one_of(rng, (), tuple(full), tuple(1 if rng.random() < 0.3 else n for n in full))
    (v,) = arrays(rng, [own])
    return _inserted(x, v, obj, axis)


def _inserted(x: object, v: object, obj: object, axis: int | None) -> Sample:
    if np.iscomplexobj(v) and not np.iscomplexobj(x):
        v = np.real(v)
    return Sample(
        f"insert(x, {obj!r}, v, axis={axis})",
        lambda xp, x, v: xp.insert(x, obj, v, axis=axis),
        (x, v),
    )


GENERATORS: dict[str, Generator] = {
    # shape
    "reshape": _reshape,
    "ravel": _ravel,
    "expand_dims": chosen([_expand_dims, _expand_many]),
    "squeeze": _squeeze,
    "broadcast_to": _broadcast_to,
    "broadcast_arrays": _broadcast_arrays,
    "atleast_1d": _at_least("atleast_1d"),
    "atleast_2d": _at_least("atleast_2d"),
    "atleast_3d": _at_least("atleast_3d"),
    # order
    "transpose": _transpose("transpose"),
    "permute_dims": _transpose("permute_dims"),
    "matrix_transpose": lambda rng: call("matrix_transpose", array(rng, low=2)),
    "linalg.matrix_transpose": lambda rng: call("linalg.matrix_transpose", array(rng, low=2)),
    "swapaxes": _swapaxes,
    "moveaxis": _moveaxis,
    "rollaxis": _rollaxis,
    "roll": _roll,
    "rot90": _rot90,
    "flip": _flip,
    "flipud": lambda rng: call("flipud", array(rng, low=1)),
    "fliplr": lambda rng: call("fliplr", array(rng, low=2)),
    # joining
    "concatenate": _concatenate("concatenate"),
    "concat": _concatenate("concat"),
    "stack": _stack,
    "vstack": _vertical("vstack"),
    "hstack": _horizontal,
    "dstack": _deep,
    "column_stack": _column_stack,
    "block": _block,
    "append": _append,
    # splitting
    "array_split": _array_split,
    "split": _split("split"),
    "hsplit": _split("hsplit", 1),
    "vsplit": _split("vsplit", 0, 2),
    "dsplit": _split("dsplit", 2, 3),
    # repetition
    "repeat": _repeat,
    "tile": _tile,
    "resize": _resize,
    "delete": _delete,
    "insert": chosen([_insert_one, _insert_many]),
    "copy": lambda rng: call("copy", array(rng), **some(rng, order=lambda: one_of(rng, *"CFAK"))),
}
if hasattr(np, "unstack"):  # since NumPy 2.1
    GENERATORS["unstack"] = _unstack
if hasattr(np, "row_stack"):  # an alias that NumPy will drop, and warns of
    GENERATORS["row_stack"] = _row_stack

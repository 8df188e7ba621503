"""Samples of NumPy's functions: contraction."""

import numpy as np

from tests.surface.calls import Rng, arrays, call, chosen, one_of, some
from tests.surface.sample import Generator, Sample, broadcast_shape, shape

__all__ = ["GENERATORS"]

ROUNDING = {"rounding": 20.0}
"""Sums of products in another order."""


def _sizes(rng: Rng, count: int) -> list[int]:
    return [int(n) for n in rng.integers(0 if rng.random() < 0.1 else 1, 5, count)]


def _dot(rng: Rng) -> Sample:
    n, m, k, q = _sizes(rng, 4)
    shapes = one_of(
        rng,
        [(), (n, m)],
        [(n,), (n,)],
        [(n, m), (m,)],
        [(n, m), (m, k)],
        [(q, n, m), (m,)],
        [(q, n, m), (m, k)],
        [(q, n, m), (k, m, q)],
        [(m,), (q, m, k)],
    )
    return call("dot", arrays(rng, shapes), laws=ROUNDING)


def _inner(rng: Rng) -> Sample:
    n, m, k, q = _sizes(rng, 4)
    shapes = one_of(
        rng, [(), (n, m)], [(n,), (n,)], [(n, m), (m,)], [(n, m), (k, m)], [(q, n, m), (k, m)]
    )
    return call("inner", arrays(rng, shapes), laws=ROUNDING)


def _flat_pair(name: str, *, same: bool = False, vectors: bool = False) -> Generator:
    def generator(rng: Rng) -> Sample:
        n, m = _sizes(rng, 2)
        if vectors:
            shapes = [(n,), (m,)]
        elif same:
            shapes = one_of(rng, [(n,), (n,)], [(n, m), (n, m)], [(n, m), (n * m,)], [(), ()])
        else:
            shapes = [shape(rng, 0, 2), shape(rng, 0, 2)]
        return call(name, arrays(rng, shapes), laws=ROUNDING)

    return generator


def _stacks(rng: Rng, first: tuple[int, ...], second: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Core shapes behind batch axes that broadcast."""
    whole = shape(rng, 0, 2, 3)
    return [broadcast_shape(rng, whole) + first, broadcast_shape(rng, whole) + second]


def _matmul(name: str) -> Generator:
    def generator(rng: Rng) -> Sample:
        n, m, k = _sizes(rng, 3)
        shapes = one_of(
            rng,
            [(m,), (m,)],
            [(m,), (m, k)],
            [(n, m), (m,)],
            _stacks(rng, (n, m), (m, k)),
            [(m,), (2, m, k)],
            [(3, n, m), (m,)],
        )
        options = {}
        if min(map(len, shapes)) >= 2 and name == "matmul" and rng.random() < 0.4:
            options = _generalised(rng, [(-2, -1), (-1, -2), (-1, -2)])
            if "axes" in options:
                *front, rows, columns = shapes[1]
                shapes = [shapes[0], (*front, columns, rows)]
        return call(name, arrays(rng, shapes), laws=ROUNDING, **options)

    return generator


def _generalised(rng: Rng, axes: list) -> dict:
    """Options of generalised ufuncs."""
    return some(rng, axes=lambda: axes, dtype=lambda: np.complex128)


def _vecdot(name: str) -> Generator:
    def generator(rng: Rng) -> Sample:
        (n,) = _sizes(rng, 1)
        first, second = _stacks(rng, (n,), (n,))
        options = {}
        if name == "vecdot":
            options = one_of(
                rng, {}, {"keepdims": True}, {"dtype": np.complex128}, {"axes": [-1, -1, ()]}
            )
            if options.get("axes") and rng.random() < 0.5:
                options = {"axis": -1, "keepdims": bool(rng.integers(2))}
        if rng.random() < 0.3:
            first = second = (n, *first[:1])
            options = {"axis": 0}
            if name != "vecdot":
                options = {"axis": -len(first)}
        return call(name, arrays(rng, [first, second]), laws=ROUNDING, **options)

    return generator


def _matvec(rng: Rng) -> Sample:
    n, m = _sizes(rng, 2)
    options = one_of(rng, {}, {}, {"axes": [(-1, -2), -1, -1]}, {"dtype": np.complex128})
    core = (m, n) if "axes" in options else (n, m)
    return call("matvec", arrays(rng, _stacks(rng, core, (m,))), laws=ROUNDING, **options)


def _vecmat(rng: Rng) -> Sample:
    n, m = _sizes(rng, 2)
    options = one_of(rng, {}, {}, {"axes": [-1, (-1, -2), -1]}, {"dtype": np.complex128})
    core = (n, m) if "axes" in options else (m, n)
    return call("vecmat", arrays(rng, _stacks(rng, (m,), core)), laws=ROUNDING, **options)


def _tensordot(name: str) -> Generator:
    def generator(rng: Rng) -> Sample:
        n, m, k, q = _sizes(rng, 4)
        shapes, axes = one_of(
            rng,
            ([(n, m), (m, k)], 1),
            ([(n, m), (k, q)], 0),
            ([(q, n, m), (n, m, k)], 2),
            ([(n, m), (n, m)], 2),
            ([(n, m, k), (k, q)], (2, 0)),
            ([(n, m, k), (k, q)], (-1, -2)),
            ([(n, m, k), (k, n)], ([0, 2], [1, 0])),
            ([(n, m, k), (q, k, n)], ((-3, -1), (-1, 1))),
            ([(n,), (n,)], ([0], [0])),
        )
        return call(name, arrays(rng, shapes), axes=axes, laws=ROUNDING)

    return generator


def _kron(rng: Rng) -> Sample:
    return call("kron", arrays(rng, [shape(rng, 0, 3, 3), shape(rng, 0, 3, 3)]))


def _cross(rng: Rng) -> Sample:
    whole = shape(rng, 0, 2, 3)
    options: dict = {}
    kind = int(rng.integers(3))
    first, second = (*broadcast_shape(rng, whole), 3), (*broadcast_shape(rng, whole), 3)
    if kind == 1:
        first = second = (3, *whole)
        options = {"axis": 0}
    elif kind == 2:
        first, second = (3, *whole), (*whole, 3)
        options = {"axisa": 0, "axisb": -1, "axisc": int(rng.integers(-len(first), len(first)))}
    return call("cross", arrays(rng, [first, second]), laws=ROUNDING, **options)


def _linalg_cross(rng: Rng) -> Sample:
    whole = shape(rng, 0, 2, 3)
    if rng.random() < 0.4:
        return call("linalg.cross", arrays(rng, [(3, *whole)] * 2), axis=-len(whole) - 1)
    shapes = [(*broadcast_shape(rng, whole), 3), (*broadcast_shape(rng, whole), 3)]
    return call("linalg.cross", arrays(rng, shapes))


SPECS = [
    "i->", "i->i", "ij->ji", "ii->i", "ii", "ii->", "iij->j", "ijj->ij", "iii->i", "iijj->ij",
    "i,i", "i,i->i", "i,j", "i,j->ji", "ij,j", "ij,jk", "ij,jk->ki", "ij,ij->", "ij,kj->ik",
    "ii,i->i", "ii,ii->", "ij,i->j", "ij,k->k", ",ij", ",->", "bij,bjk->bik", "bij,jk", "ji",
    "ij,jk,kl", "ij,jk,kl->li", "i,i,i->i", "i,j,k->kji", "ij,ij,ij->i", "ii,ij,jk->k",
    "ij,jk,ik->",
    "...", "...->...", "...i->...", "i...->...", "i...,i...->...", "...i,...i", "...ij,...jk",
    "...ij,jk->...ik", "...i,ij,j...->...", "a...b,b...->a...", "i...,j->j...i", "...,...,...",
    "ba,cb,dc,ed->ea", "ab,ac->bc",
]  # fmt: skip


def _operands(rng: Rng, spec: str, *, mixed: bool = True) -> tuple:
    """Operands that fit a spec: lengths for letters, broadcasting axes for the ellipses."""
    lengths = {letter: int(rng.integers(1, 4)) for letter in "abcdeijkl"}
    whole = shape(rng, 0, 2, 3)
    shapes = []
    for word in spec.split("->")[0].split(","):
        before, dots, behind = word.partition("...")
        middle = broadcast_shape(rng, whole) if dots else ()
        shapes.append((*(lengths[c] for c in before), *middle, *(lengths[c] for c in behind)))
    if rng.random() < 0.1:  # an axis of length 1 stands for a longer one
        once = [(i, j) for i, one in enumerate(shapes) for j in range(len(one))]
        words = spec.split("->")[0].split(",")
        if once and "..." not in spec:
            i, j = one_of(rng, *once)
            if words[i].count(words[i][j]) == 1:
                shapes[i] = (*shapes[i][:j], 1, *shapes[i][j + 1 :])
    return arrays(rng, shapes, mixed=mixed)


def _einsum(rng: Rng) -> Sample:
    spec = one_of(rng, *SPECS)
    found = _operands(rng, spec, mixed=spec.count(",") < 2)
    real = [] if any(map(np.iscomplexobj, found)) else [np.float64]
    options = some(
        rng,
        optimize=lambda: one_of(rng, True, False, "greedy", "optimal"),
        dtype=lambda: one_of(rng, np.complex128, *real),
    )
    if "dtype" in options and rng.random() < 0.5:
        options["casting"] = "unsafe"
    if rng.random() < 0.2:
        options["order"] = one_of(rng, *"CFAK")
    return Sample(
        f"einsum({spec!r}, ..., {options})",
        lambda xp, *xs: xp.einsum(spec, *xs, **options),
        found,
        rounding=20.0,
    )


def _einsum_lists(rng: Rng) -> Sample:
    spec = one_of(rng, *SPECS)
    found = _operands(rng, spec, mixed=spec.count(",") < 2)
    left, arrow, right = spec.partition("->")

    def numbers(word: str) -> list:
        dotted = word.replace("...", ".")
        return [Ellipsis if c == "." else ord(c) - ord("a") for c in dotted]

    lists = [numbers(word) for word in left.split(",")]
    tail = [numbers(right)] if arrow else []
    return Sample(
        f"einsum(a, {lists[0]}, ..., {tail}) like {spec!r}",
        lambda xp, *xs: xp.einsum(
            *(part for pair in zip(xs, lists, strict=True) for part in pair), *tail
        ),
        found,
        rounding=20.0,
    )


def _einsum_by_path(rng: Rng) -> Sample:
    spec = "ij,jk,kl->il"
    path = one_of(rng, [(0, 1), (0, 1)], [(1, 2), (0, 1)])
    return Sample(
        f"einsum({spec!r}, ..., optimize={path})",
        lambda xp, *xs: xp.einsum(spec, *xs, optimize=["einsum_path", *path]),
        _operands(rng, spec, mixed=False),  # or the products in between have few digits
        rounding=20.0,
    )


GENERATORS: dict[str, Generator] = {
    "dot": _dot,
    "inner": _inner,
    "outer": _flat_pair("outer"),
    "linalg.outer": _flat_pair("linalg.outer", vectors=True),
    "vdot": _flat_pair("vdot", same=True),
    "matmul": _matmul("matmul"),
    "linalg.matmul": _matmul("linalg.matmul"),
    "vecdot": _vecdot("vecdot"),
    "linalg.vecdot": _vecdot("linalg.vecdot"),
    "tensordot": _tensordot("tensordot"),
    "linalg.tensordot": _tensordot("linalg.tensordot"),
    "kron": _kron,
    "cross": _cross,
    "linalg.cross": _linalg_cross,
    "einsum": chosen([_einsum, _einsum, _einsum_lists, _einsum_by_path]),
}
if hasattr(np, "matvec"):  # since NumPy 2.2
    GENERATORS |= {"matvec": _matvec, "vecmat": _vecmat}

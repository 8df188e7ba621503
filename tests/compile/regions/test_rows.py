"""Rows in blocks: one pass over a matrix gives what separate products give, but for rounding.

The limits are lowered here, so that small matrices are gone through in blocks of a few rows.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad import nn
from funcgrad.compile.passes import optimised
from funcgrad.compile.regions import rows
from funcgrad.compile.regions.cluster import program_of
from funcgrad.compile.regions.context import Context
from funcgrad.compile.regions.rows import one_pass_over_rows
from funcgrad.compile.regions.rows_writing import KIND
from funcgrad.compile.regions.table import Region, over_program
from funcgrad.core.program import Program
from tests.compile.regions.threads import require_same_in_threads
from tests.jitting.alike import outcome, require_near, require_same

REGION = Region("rows", one_pass_over_rows)
ULPS = 2048
"""Sums of some hundred terms in another order, of which the terms may cancel."""


@pytest.fixture(autouse=True)
def _low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LARGE", 64), ("FEWEST", 4), ("BLOCK", 512), ("MOST", 16), ("WORTH", 0)):
        monkeypatch.setattr(rows, name, value)


def data(n: int = 37, k: int = 5, m: int = 3, dtype: Any = np.float64) -> tuple[Any, ...]:
    rng = np.random.default_rng(n)
    sizes = ((n, k), (k,), (k, m), (n,), (n, m), (m,))
    return tuple(rng.normal(size=size).astype(dtype) for size in sizes)


def logistic(w: Any, X: Any, y: Any) -> Any:
    z = X @ w
    return fnp.mean(fnp.maximum(z, 0.0) + fnp.log1p(fnp.exp(-fnp.abs(z))) - y * z)


def squares(w: Any, X: Any, y: Any) -> Any:
    r = X @ w - y
    return fnp.sum(r * r) + fnp.sum(w * w)


def softmax(W: Any, X: Any, Y: Any) -> Any:
    z = X @ W
    top = fnp.max(z, axis=1, keepdims=True)
    return fnp.mean(top[:, 0] + fnp.log(fnp.sum(fnp.exp(z - top), axis=1)) - fnp.sum(z * Y, axis=1))


def layers(W: Any, b: Any, X: Any, y: Any) -> Any:
    h = fnp.tanh(X @ W + b)
    r = fnp.sum(h, axis=1) - y
    return fnp.mean(r * r)


def centred(w: Any, X: Any) -> Any:
    z = X @ w
    z = z - fnp.mean(z)
    return fnp.sum(z * z) / fnp.sum(fnp.abs(z))


def weighted(w: Any, X: Any, y: Any) -> Any:
    return fnp.sum(fnp.where(y > 0, y, 0.5) * fnp.square(X @ w)), X.T @ (X @ w)


def cross_entropy(W: Any, X: Any, Y: Any) -> Any:
    return nn.softmax_cross_entropy(X @ W, fnp.abs(Y))


def binary(w: Any, X: Any, y: Any) -> Any:
    z = X @ w
    total = nn.bce_with_logits(z, y, reduction="sum")
    return total + fnp.sum(nn.bce_with_logits(z, y, reduction="none")) + nn.bce_with_logits(z, y)


X, V, M, Y1, YM, B = data()
LOSSES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "logistic": (fg.value_and_grad(logistic), (V, X, Y1)),
    "squares": (fg.value_and_grad(squares, (0, 1)), (V, X, Y1)),
    "softmax": (fg.value_and_grad(softmax), (M, X, YM)),
    "layers": (fg.value_and_grad(layers, (0, 1)), (M, B, X, Y1)),
    "softmax cross-entropy": (fg.value_and_grad(cross_entropy), (M, X, YM)),
    "binary cross-entropy": (fg.value_and_grad(binary), (V, X, fnp.abs(Y1) % 1)),
    "mean taken off": (fg.value_and_grad(centred), (V, X)),
    "normal equations": (weighted, (V, X, Y1)),
    "two products": (lambda w, M, X: (X @ w, fnp.exp(X @ M)), (V, M, X)),
    "matrix products": (lambda M, X: (X.T @ fnp.sin(X @ M)).T, (M, X)),
    "hessian product": (lambda w, X, y: fg.jvp(fg.grad(lambda w: logistic(w, X, y)), (w,), (w,)),
                        (V, X, Y1)),
    "largest": (lambda w, X: (fnp.max(X @ w), fnp.min(X @ w), X.T @ fnp.tanh(X @ w)), (V, X)),
    "rows of integers": (lambda w, X: (fnp.sum(X @ w > 0), X.T @ fnp.sign(X @ w)), (V, X)),
}  # fmt: skip


APART = ("mean taken off",)
"""Where a sum over all rows stands between two products, they cannot share a pass."""


def kinds(program: Program) -> list[Any]:
    return [e.primitive for e in program.equations]


def recorded(f: Any, args: Sequence[Any]) -> Program:
    program: Program = fg.make_program(f)(*args)
    return optimised(program)[0]


@pytest.mark.parametrize("name", LOSSES)
def test_the_program_of_a_cluster_computes_the_same(name: str) -> None:
    f, args = LOSSES[name]
    program = recorded(f, args)
    after = over_program(program, Context(), [REGION])
    assert (KIND in kinds(after)) == (name not in APART)
    require_same(after.evaluate(*args), program.evaluate(*args), name)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
@pytest.mark.parametrize("name", LOSSES)
def test_blocks_give_what_whole_products_give(name: str, dtype: Any) -> None:
    f, args = LOSSES[name]
    if dtype is np.complex128 and name not in ("normal equations", "matrix products"):
        pytest.skip("has no complex derivative")
    args = tuple(np.asarray(a, dtype if a is not args[-1] else a.dtype) for a in args)
    if dtype is np.float32:
        args = tuple(a.astype(dtype) for a in args)
    compiled = fg.jit(f)
    wanted = f(*args)
    for _ in range(3):
        require_same(compiled(*args), wanted, name, ULPS)
    assert ("range(0, " in compiled.source(*args)) == (name not in APART)


@pytest.mark.parametrize("n", [8, 16, 32, 33, 37, 64, 97])
def test_numbers_of_rows_with_and_without_a_rest(n: int) -> None:
    own, w, _, y, _, _ = data(n)
    f = fg.value_and_grad(logistic)
    require_same(fg.jit(f)(w, own, y), f(w, own, y), ulps=ULPS)


def orders(x: Any) -> dict[str, Any]:
    wide = np.zeros((x.shape[0], 2 * x.shape[1]))[:, ::2]
    wide[...] = x
    frozen = x.copy()
    frozen.flags.writeable = False
    return {
        "C": x,
        "F": np.asfortranarray(x),
        "backwards": np.ascontiguousarray(x[::-1])[::-1],
        "every other": wide,
        "read only": frozen,
        "one row repeated": np.broadcast_to(x[0], x.shape),
    }


@pytest.mark.parametrize("order", orders(X))
@pytest.mark.parametrize("name", LOSSES)
def test_any_order_in_memory(name: str, order: str) -> None:
    f, args = LOSSES[name]
    args = tuple(orders(a)[order] if a is X else a for a in args)
    require_same(fg.jit(f)(*args), f(*args), ulps=ULPS)


def test_operands_that_are_one_array() -> None:
    square = np.random.default_rng(0).normal(size=(24, 24))

    def f(a: Any, b: Any) -> Any:
        return a.T @ fnp.sin(a @ b), a @ fnp.cos(b @ a)

    require_same(fg.jit(f)(square, square), f(square, square), ulps=ULPS)


@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan, 1e308, -1e200, 0.0])
@pytest.mark.parametrize("name", LOSSES)
def test_special_values_in_a_row(name: str, special: float) -> None:
    f, args = LOSSES[name]
    odd = X.copy()
    odd[5, 2] = special
    odd[20] = special
    args = tuple(odd if a is X else a for a in args)
    with np.errstate(all="ignore"):
        wanted, found = f(*args), fg.jit(f)(*args)
    for a, b in zip(fg.tree.leaves(found), fg.tree.leaves(wanted), strict=True):
        assert not np.any(np.isnan(a) & ~np.isnan(b))
        finite = np.isfinite(b)
        np.testing.assert_allclose(np.asarray(a)[finite], np.asarray(b)[finite], rtol=1e-9)


def test_a_matrix_that_the_function_reads_elsewhere() -> None:
    own = X.copy()

    def f(w: Any) -> Any:
        return own.T @ fnp.tanh(own @ w)

    compiled = fg.jit(f)
    require_same(compiled(V), f(V), ulps=ULPS)
    assert "range(0, " in compiled.source(V)


def test_exact_programs_stay_as_they_are() -> None:
    f, args = LOSSES["logistic"]
    program = recorded(f, args)
    after = over_program(program, Context(exact=True), [REGION])
    assert after.items == program.items
    require_same(fg.jit(f, exact=True)(*args), f(*args))


def test_operations_under_errstate_stay_outside() -> None:
    def f(w: Any, X: Any) -> Any:
        z = X @ w
        with np.errstate(all="ignore"):
            z = fnp.log(z)
        return fnp.sum(fnp.where(fnp.isfinite(z), z, 0)), X.T @ fnp.tanh(X @ w)

    program = recorded(f, (V, X))
    after = over_program(program, Context(), [REGION])
    clusters = [e for e in after.equations if e.primitive is KIND]
    assert all(e.errors is None for c in clusters for e in program_of(c).equations)
    require_near(outcome(fg.jit(f), V, X), outcome(f, V, X))


def test_warnings_of_numpy_come() -> None:
    def f(w: Any, X: Any) -> Any:
        return X.T @ fnp.exp(1000.0 * (X @ w))

    compiled = fg.jit(f)
    for g in (f, compiled, compiled):
        assert any("overflow" in text for _, text in outcome(g, V, X).warned)


def test_an_error_inside_leaves_the_function_usable() -> None:
    f, args = LOSSES["logistic"]
    compiled = fg.jit(f)
    wanted = compiled(*args)
    huge = (V * 1e308, *args[1:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            with pytest.raises(RuntimeWarning):
                compiled(*huge)
    require_same(compiled(*args), wanted, ulps=ULPS)


def test_results_share_no_memory() -> None:
    f, args = LOSSES["two products"]
    compiled = fg.jit(f)
    first, second = compiled(*args), compiled(*args)
    for a in fg.tree.leaves(first):
        assert not any(np.may_share_memory(a, b) for b in (*args, *fg.tree.leaves(second)))
        assert a.flags.c_contiguous


def test_many_threads_call_one_function() -> None:
    f, _ = LOSSES["logistic"]
    compiled = fg.jit(f)
    inputs = [(V * (1 + i), X, Y1) for i in range(6)]
    compiled(*inputs[0])  # records
    require_same_in_threads(compiled, inputs, [compiled(*args) for args in inputs], 0)


OPERATIONS: tuple[Callable[[Any, Any], Any], ...] = (
    lambda z, y: fnp.tanh(z),
    lambda z, y: z * y[:, None],
    lambda z, y: z - fnp.mean(z, axis=1, keepdims=True),
    lambda z, y: z / (1.0 + fnp.sum(z * z, axis=1))[:, None],
    lambda z, y: fnp.where(z > 0.1, z, 0.3 * y.reshape(-1, 1)),
    lambda z, y: z + fnp.max(z, axis=1, keepdims=True),
    lambda z, y: z - fnp.mean(z, axis=0),
    lambda z, y: (z.T * y).T,
    lambda z, y: z @ (z.T @ z) / z.size,
    lambda z, y: fnp.maximum(z, 0.0),
    lambda z, y: z[:, ::-1] + z[:, 0:1],
    lambda z, y: fnp.reshape(fnp.reshape(z, (-1, 1, z.shape[1])) * y[:, None, None], z.shape),
    lambda z, y: fnp.exp(z - fnp.max(z)),
    lambda z, y: fnp.concatenate([z[:, :1], z[:, 1:]], axis=1),
    lambda z, y: z * fnp.sum(y) / len(y),
)


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_of_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    chosen = [OPERATIONS[i] for i in rng.integers(len(OPERATIONS), size=rng.integers(1, 6))]
    n = int(rng.choice([24, 31, 40]))
    own, _, W, y, _, _ = data(n)

    def loss(W: Any, X: Any, y: Any) -> Any:
        z = X @ W
        for operation in chosen:
            z = operation(z, y)
        return fnp.sum(z * z) / n + fnp.mean(fnp.abs(z))

    f = fg.value_and_grad(loss, (0, 1, 2))
    compiled = fg.jit(f)
    wanted = f(W, own, y)
    for _ in range(2):
        require_same(compiled(W, own, y), wanted, f"seed {seed}", 1 << 16)


def test_a_large_matrix_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    rng = np.random.default_rng(0)
    big, w, y = rng.normal(size=(20_000, 60)), rng.normal(size=60), rng.normal(size=20_000)
    f = fg.value_and_grad(squares)
    compiled = fg.jit(f)
    require_same(compiled(w, big, y), f(w, big, y), ulps=ULPS)
    (told,) = [str(d) for d in compiled.explain(w, big, y).decisions if str(d).startswith("rows")]
    assert "20000 rows of X (9.6 MB) in one pass instead of 2" in told


def test_small_matrices_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    f, args = LOSSES["logistic"]
    program = recorded(f, args)
    assert over_program(program, Context(), [REGION]).items == program.items


def test_large_products_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    def f(W: Any, X: Any) -> Any:
        return X.T @ fnp.tanh(X @ W)

    program = recorded(f, (np.ones((600, 500)), np.ones((4000, 600))))
    context = Context()
    after = over_program(program, context, [REGION])
    assert KIND not in kinds(after)
    assert "stay 2 separate passes" in str(context.decisions[0])

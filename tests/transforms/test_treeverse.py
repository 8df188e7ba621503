"""Binomial checkpointing: the least number of repeated steps, inside the budget."""

import functools
import gc
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import funcgrad as fg
from funcgrad.errors import BudgetError
from funcgrad.transforms.body import Body
from funcgrad.transforms.checkpoint import checkpoint
from funcgrad.transforms.scan import scan
from funcgrad.transforms.sizes import read_budget, readable
from funcgrad.transforms.stepwise import checkpointed_scan
from funcgrad.transforms.treeverse import advances, split
from tests.transforms.test_checkpoint import bits

RNG = np.random.default_rng(3)
LARGE = RNG.normal(size=100_000)
MEGABYTE = 10**6


@functools.cache
def fewest(length: int, snapshots: int) -> int:
    """The least number of repeated steps, by trying every place for the next state."""
    if length == 1:
        return 0
    if snapshots == 0:
        return length - 1 + fewest(length - 1, 0)
    return min(
        k + fewest(length - k, snapshots - 1) + fewest(k, snapshots) for k in range(1, length)
    )


def peak(run: Callable[[], Any]) -> int:
    """Bytes that a call allocates at most."""
    run()
    gc.collect()
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@contextmanager
def counted() -> Iterator[dict[str, int]]:
    """Counts how often bodies are run (to advance) and recorded again (to be swept)."""
    counts = {"run": 0, "replay": 0}
    with pytest.MonkeyPatch.context() as patch:
        for name in counts:
            method = getattr(Body, name)

            def watching(self: Body, *args: Any, name: str = name, method: Any = method) -> Any:
                counts[name] += 1
                return method(self, *args)

            patch.setattr(Body, name, watching)
        yield counts


# --- the schedule -----------------------------------------------------------------------------


@pytest.mark.parametrize("snapshots", range(9))
def test_the_formula_is_the_optimum_over_all_schedules(snapshots: int) -> None:
    for length in range(1, 70):
        assert advances(length, snapshots) == fewest(length, snapshots)


@pytest.mark.parametrize("snapshots", range(9))
def test_every_split_is_part_of_an_optimal_schedule(snapshots: int) -> None:
    for length in range(2, 70):
        k = split(length, snapshots)
        assert 1 <= k < length
        rest = fewest(length - k, max(snapshots - 1, 0))
        assert k + rest + fewest(k, snapshots) == fewest(length, snapshots)


def test_known_values_of_the_binomial_schedule() -> None:
    assert advances(10, 2) == 2 * 10 - 5  # C(3 + 2, 3) = 10 steps are repeated at most twice
    assert advances(100, 99) == 99
    assert advances(100, 0) == 100 * 99 // 2
    assert advances(10**6, 20) == 7 * 10**6 - 376740  # C(21 + 6, 21) < 10⁶ ≤ C(21 + 7, 21)


# --- budgets ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "size"),
    [
        ("200MB", 200 * 10**6),
        ("64KiB", 65536),
        ("1.5 GB", 1_500_000_000),
        ("0.5MiB", 524288),
        ("100", 100),
        ("7 b", 7),
        (12345, 12345),
        (np.int64(5), 5),
    ],
)
def test_a_budget_is_read_with_its_unit(budget: Any, size: int) -> None:
    assert read_budget(budget) == size


@pytest.mark.parametrize("budget", ["MB", "", "5 apples", "-3MB", -3, 2.5, True, "nanMB", "infGB"])
def test_what_is_no_budget_is_refused(budget: Any) -> None:
    with pytest.raises(BudgetError, match="Write '200MB', '64KiB' or a number of bytes"):
        checkpoint(np.sin, budget=budget)


def test_sizes_are_written_for_people() -> None:
    assert [readable(n) for n in (0, 999, 1000, 1_234_567, 10**9, 5 * 10**15)] == [
        "0 B",
        "999 B",
        "1 kB",
        "1.23 MB",
        "1 GB",
        "5e+03 TB",
    ]


def test_policy_and_budget_together_are_refused() -> None:
    with pytest.raises(BudgetError, match="both policy and budget"):
        checkpoint(np.sin, policy=lambda *_args, **_params: True, budget="1MB")


# --- checkpoint with a budget -----------------------------------------------------------------


def chain(x: Any) -> Any:
    for _ in range(100):
        x = np.sin(x) * 0.9 + 0.1 * x
    return np.sum(x)


WITHOUT = 100 * LARGE.nbytes
"""What the chain keeps: the operand of each sine."""


@pytest.mark.parametrize("megabytes", [60, 30, 15, 10, 8, 6, 5])
def test_the_measured_peak_stays_inside_the_budget(megabytes: int) -> None:
    budget = megabytes * MEGABYTE
    gradient = fg.grad(checkpoint(chain, budget=budget))
    found = peak(lambda: gradient(LARGE))
    # The result is an array. The slack: the program of 400 operations, 2 kB for each.
    assert found <= budget + LARGE.nbytes + 800_000
    assert peak(lambda: fg.grad(chain)(LARGE)) > WITHOUT > budget
    bits(gradient(LARGE), fg.grad(chain)(LARGE))


def test_a_large_budget_is_used() -> None:
    found = peak(lambda: fg.grad(checkpoint(chain, budget=40 * MEGABYTE))(LARGE))
    assert found > 25 * MEGABYTE


def test_an_impossible_budget_names_the_least_one() -> None:
    with pytest.raises(BudgetError, match=r"budget=1 MB, but chain needs at least 4\.\d+ MB"):
        fg.grad(checkpoint(chain, budget="1MB"))(LARGE)
    try:
        fg.grad(checkpoint(chain, budget="1MB"))(LARGE)
    except BudgetError as error:
        least = str(error).split("at least ")[1].split(":")[0]
    size = int(read_budget(least) * 1.01)  # the message rounds to three digits
    bits(fg.grad(checkpoint(chain, budget=size))(LARGE), fg.grad(chain)(LARGE))


def test_without_a_derivative_no_budget_is_too_small() -> None:
    bits(checkpoint(chain, budget=1)(LARGE), chain(LARGE))
    bits(fg.jvp(checkpoint(chain, budget=1), (LARGE,), (LARGE,))[0], chain(LARGE))


SMALL = RNG.normal(size=30)
V = RNG.normal(size=(30, 30)) / 6


def network(x: Any, v: Any) -> Any:
    """A chain with weights of all steps, long connections, branches, and results on the way."""
    first = np.tanh(x @ v)
    h, early = first, None
    for i in range(12):
        h = np.tanh(h @ v) + h * 0.5
        if i == 4:
            early = np.sum(h**2)
        if np.sum(h) > 0:
            h = h * 1.01
    return {"h": h + first, "early": early, "index": np.argmax(h), "x": x}


def total(f: Callable[..., Any]) -> Callable[..., Any]:
    def value(x: Any, v: Any) -> Any:
        out = f(x, v)
        return np.sum(out["h"] ** 3) + out["early"] + out["index"] * np.sum(out["x"])

    return value


LIMITED = checkpoint(network, budget=17_000)
"""About a third of what the network keeps."""


def test_the_budget_of_the_network_makes_a_plan_of_several_segments() -> None:
    with counted() as counts:
        fg.grad(total(LIMITED), (0, 1))(SMALL, V)
    assert counts["replay"] > 2


ROWS = np.stack([SMALL, SMALL[::-1]])

NESTINGS: dict[str, Callable[[Any], Any]] = {
    "grad": lambda f: fg.value_and_grad(f, (0, 1))(SMALL, V),
    "grad by one": lambda f: fg.grad(f)(SMALL, V),
    "jvp": lambda f: fg.jvp(f, (SMALL, V), (SMALL, V)),
    "grad of grad": lambda f: fg.grad(lambda v: np.sum(fg.grad(f)(SMALL, v) ** 2))(V),
    "hvp": lambda f: fg.hvp(f, (SMALL, V), (SMALL, V)),
    "jvp of grad": lambda f: fg.jvp(fg.grad(f, (0, 1)), (SMALL, V), (SMALL, V)),
    "grad of jvp": lambda f: fg.grad(lambda x: fg.jvp(f, (x, V), (x, V))[1])(SMALL),
    "vmap of grad": lambda f: fg.vmap(fg.grad(f, (0, 1)), (0, None))(ROWS, V),
    "grad of vmap": lambda f: fg.grad(
        lambda v: np.sum(fg.vmap(f, (0, None))(ROWS, v)),
    )(V),
    "linearize": lambda f: fg.linearize(f, SMALL, V)[1](SMALL, V),
    "program of grad": lambda f: fg.make_program(fg.grad(f))(SMALL, V)(SMALL, V),
    "grad of program": lambda f: fg.grad(fg.make_program(f)(SMALL, V), (0, 1))(SMALL, V),
    "grad of vmap of grad": lambda f: fg.grad(
        lambda v: np.sum(fg.vmap(fg.grad(f), (0, None))(ROWS, v) ** 2)
    )(V),
}


def smooth(x: Any, v: Any) -> Any:
    """As `network`, without what `vmap` refuses."""
    first = np.tanh(x @ v)
    h, early = first, 0.0
    for i in range(12):
        h = np.tanh(h @ v) + h * 0.5
        early = np.sum(h**2) if i == 4 else early
    return {"h": h + first, "early": early, "index": np.argmax(h), "x": x}


@pytest.mark.parametrize("name", NESTINGS)
def test_a_budget_changes_no_result_in_any_nesting(name: str) -> None:
    function = smooth if "vmap" in name else network
    budget = 50_000 if "grad of vmap" in name else 17_000
    found = NESTINGS[name](total(checkpoint(function, budget=budget)))
    expected = NESTINGS[name](total(function))
    for one, other in zip(fg.tree.leaves(found), fg.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9 * np.max(np.abs(other)))


@given(budget=st.integers(9_000, 80_000))
def test_any_budget_gives_the_same_bits(budget: int) -> None:
    try:
        found = fg.value_and_grad(total(checkpoint(network, budget=budget)), (0, 1))(SMALL, V)
    except BudgetError:
        assert budget < 12_000
    else:
        bits(found, fg.value_and_grad(total(network), (0, 1))(SMALL, V))


def test_checkpoints_with_budgets_can_be_nested() -> None:
    def inner(x: Any) -> Any:
        for _ in range(10):
            x = np.sin(x) * 1.1
        return x

    def outer(inner: Any) -> Callable[[Any], Any]:
        return lambda x: np.sum(inner(inner(x) + x) * inner(x))

    x = RNG.normal(size=1000)
    for limited in (checkpoint(inner, budget="80kB"), checkpoint(inner)):
        f = checkpoint(outer(limited), budget="150kB")
        bits(fg.grad(f)(x), fg.grad(outer(inner))(x))
        with pytest.raises(BudgetError, match="needs at least 1"):  # the inner one is part of it
            fg.grad(checkpoint(outer(limited), budget="90kB"))(x)


# --- loops ------------------------------------------------------------------------------------

STEPS = 40
XS = RNG.normal(size=(STEPS, 5))
U = RNG.normal(size=(5, 5)) / 2


def recurrent(budget: Any, loop: Any = scan) -> Callable[..., Any]:
    def f(w: Any, xs: Any, scale: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            h, sums = carry["h"], carry["sum"]
            h = np.tanh(h @ w + x * scale)
            return {"h": h, "sum": sums + np.sum(h * h)}, h[0] * sums

        init = {"h": np.zeros(5), "sum": 0.0}
        last, ys = loop(step, init, xs, checkpoint=budget)
        return np.sum(last["h"] * xs[0]) + last["sum"] + np.sum(ys**2)

    return f


ARGUMENTS = (U, XS, np.ones(5))


@pytest.mark.parametrize("snapshots", [0, 1, 2, 3, 7, 38, 39, 100])
def test_a_loop_repeats_as_few_steps_as_possible(snapshots: int) -> None:
    with counted() as counts:
        fg.grad(recurrent(snapshots), (0, 1, 2))(*ARGUMENTS)
    # The first advance is the run itself, and the last step is recorded there. All others are
    # recorded once more.
    assert counts["run"] == advances(STEPS, snapshots) - (STEPS - 1)
    assert counts["replay"] == STEPS - 1


@pytest.mark.parametrize("budget", [0, 1, 5, 39, 1000, "20kB", "8kB", "100kB", "1GB"])
def test_a_budget_changes_no_bit_of_a_loop(budget: Any) -> None:
    expected = fg.value_and_grad(recurrent(None), (0, 1, 2))(*ARGUMENTS)
    bits(fg.value_and_grad(recurrent(budget), (0, 1, 2))(*ARGUMENTS), expected)
    bits(recurrent(budget)(*ARGUMENTS), recurrent(None)(*ARGUMENTS))


def test_a_loop_that_fits_is_recorded_as_it_is() -> None:
    with counted() as counts:
        fg.grad(recurrent("1GB"))(*ARGUMENTS)
    assert counts == {"run": 0, "replay": 0}


@pytest.mark.parametrize("name", ["jvp", "hvp", "vmap", "of vmap", "program", "linearize"])
@pytest.mark.parametrize("budget", [2, "8kB"])
def test_a_budgeted_loop_works_in_every_nesting(name: str, budget: Any) -> None:
    ways: dict[str, Callable[[Any], Any]] = {
        "jvp": lambda f: fg.jvp(fg.grad(f, (0, 1)), ARGUMENTS, ARGUMENTS),
        "hvp": lambda f: fg.grad(lambda w: np.sum(fg.grad(f, 1)(w, XS, X5) ** 2))(U),
        "vmap": lambda f: fg.vmap(fg.grad(f, (0, 1)), (0, None, None))(TWO, XS, X5),
        "of vmap": lambda f: fg.grad(
            lambda w, xs: np.sum(fg.vmap(f, (0, None, None))(w, xs, X5)), (0, 1)
        )(TWO, XS),
        "program": lambda f: fg.grad(fg.make_program(f)(*ARGUMENTS), (0, 1))(U * 0.9, XS, X5),
        "linearize": lambda f: fg.linearize(f, *ARGUMENTS)[1](*ARGUMENTS),
    }
    found, expected = ways[name](recurrent(budget)), ways[name](recurrent(None))
    for one, other in zip(fg.tree.leaves(found), fg.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10 * np.max(np.abs(other)))


X5 = np.ones(5)
TWO = np.stack([U, -U])


def test_the_peak_of_a_loop_stays_inside_its_budget() -> None:
    steps, w = 60, RNG.normal(size=(32, 32)) / 6
    xs = RNG.normal(size=(steps, 500, 32))

    def f(budget: Any) -> Callable[[Any], Any]:
        def step(h: Any, x: Any) -> Any:
            return np.tanh(h @ w_of[0] + x), None

        w_of = [w]

        def value(w: Any) -> Any:
            w_of[0] = w
            return np.sum(scan(step, np.zeros((500, 32)), xs, checkpoint=budget)[0])

        return value

    without = peak(lambda: fg.grad(f(None))(w))
    assert without > steps * 500 * 32 * 8
    for megabytes in (4, 2, 1):
        budget = megabytes * MEGABYTE
        found = peak(lambda b=f"{megabytes}MB": fg.grad(f(b))(w))
        assert found <= budget + 300_000  # records and programs of 60 steps
        bits(fg.grad(f(f"{megabytes}MB"))(w), fg.grad(f(None))(w))


def test_branches_integers_and_unused_carries_pass_through_a_loop() -> None:
    def f(x: Any, budget: Any) -> Any:
        def step(carry: Any, _: Any) -> Any:
            h, count, unused = carry
            h = np.sin(h) * x if np.sum(h) > 0.5 else h + x * count
            return (h, count + 1, unused), (count, np.argmax(h))

        init = (np.ones(3), 0, np.arange(2.0))
        (h, count, unused), (counts, places) = scan(step, init, None, 9, checkpoint=budget)
        assert count == 9
        np.testing.assert_array_equal(counts, np.arange(9))
        return np.sum(h * unused[1]) + np.sum(places * np.sum(x))

    x = np.array([0.3, 0.4, 0.2])
    for budget in (0, 2, 8):
        bits(fg.grad(f)(x, budget), fg.grad(f)(x, None))


def test_a_loop_backwards_and_with_pytree_slices() -> None:
    def f(w: Any, xs: Any, budget: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            return np.tanh(h @ w + x["a"]) * x["b"], h

        init = np.ones(5)
        last, ys = scan(step, init, xs, reverse=True, checkpoint=budget)
        return np.sum(last) + np.sum(ys * np.arange(5.0))

    xs = {"a": XS, "b": np.linspace(0.5, 1.5, STEPS)}
    bits(fg.grad(f, (0, 1))(U, xs, 4), fg.grad(f, (0, 1))(U, xs, None))


def test_a_step_that_does_not_fit_names_what_it_needs() -> None:
    with pytest.raises(BudgetError, match=r"scan: checkpoint=100 B, but one step needs \d"):
        fg.grad(recurrent("100B"))(*ARGUMENTS)


@pytest.mark.parametrize("budget", [-1, 2.5, True, (3,)])
def test_a_loop_refuses_what_is_no_budget(budget: Any) -> None:
    with pytest.raises(BudgetError, match="checkpoint=10, or checkpoint='200MB'"):
        fg.grad(recurrent(budget))(*ARGUMENTS)


def test_an_error_of_a_step_arrives_as_it_is() -> None:
    def step(h: Any, x: Any) -> Any:
        if x > 2:
            raise KeyError("third")
        return h * x, None

    with pytest.raises(KeyError, match="third"):
        fg.grad(lambda h: scan(step, h, np.arange(5.0), checkpoint=1)[0])(1.0)


def test_the_loop_itself_takes_any_pytrees() -> None:
    def step(carry: Any, x: Any) -> Any:
        return {"a": carry["a"] * x[0], "n": carry["n"] + 1}, [carry["a"]]

    def f(a: Any) -> Any:
        slices = [(np.sin(a) + i,) for i in range(6)]
        last, ys = checkpointed_scan(step, {"a": a, "n": 0}, slices, 2)
        assert last["n"] == 6
        return last["a"] + sum(y[0] for y in ys)

    def g(a: Any) -> Any:
        carry, sums = {"a": a, "n": 0}, 0.0
        for i in range(6):
            carry, (y,) = step(carry, (np.sin(a) + i,))
            sums = sums + y
        return carry["a"] + sums

    np.testing.assert_allclose(fg.grad(f)(0.7), fg.grad(g)(0.7), rtol=1e-14)
    np.testing.assert_allclose(fg.grad(fg.grad(f))(0.7), fg.grad(fg.grad(g))(0.7), rtol=1e-13)

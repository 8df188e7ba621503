"""What a jitted function reads beside its arguments: arrays by reference, names by identity."""

import dataclasses
import functools
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import funcgrad as fg
from funcgrad.errors import LeakedTracerError, PathLimitWarning, SideEffectWarning
from tests.jitting.alike import require_same

X = np.array([1.0, 2.0, 3.0])

Use = tuple[Callable[[Any], Any], Callable[[], None]]
"""A function, and a change of what it reads."""


def set_to(array: np.ndarray[Any, Any], value: Any) -> Callable[[], None]:
    def change() -> None:
        array[...] = value

    return change


def in_product() -> Use:
    w = np.ones(3)
    return lambda x: x * w, set_to(w, 2.0)


def computed_by_numpy() -> Use:
    w = np.ones(3)
    return lambda x: np.sum(np.sin(w) * np.cos(w)) * x, set_to(w, 0.3)


def indexed() -> Use:
    w = np.ones((3, 3))
    return lambda x: x * w[0] + w.T[2] @ x + w.sum() + len(w), set_to(w, np.arange(9).reshape(3, 3))


def branched_on() -> Use:
    w = np.ones(3)
    return lambda x: x * 2 if w.sum() > 5 else x, set_to(w, 2.0)


def as_index() -> Use:
    w = np.array([0, 1])
    return lambda x: x[w], set_to(w, 2)


def as_mask() -> Use:
    w = np.array([True, False, True])
    return lambda x: x[w], set_to(w, np.array([True, True, False]))


def as_integer() -> Use:
    w = np.array(2)
    return lambda x: x[: int(w)], set_to(w, 1)


def in_dict() -> Use:
    read = {"w": np.ones(3), "b": [np.ones(3), 2.0]}
    return lambda x: x * read["w"] + read["b"][0] * read["b"][1], set_to(read["w"], 4.0)


def in_default() -> Use:
    w = np.ones(3)

    def f(x: Any, w: Any = w, *, k: float = 2.0) -> Any:
        return x * np.sin(w) * k

    return f, set_to(w, 0.2)


def in_partial() -> Use:
    w = np.ones(3)
    return functools.partial(lambda w, x, k: x * np.sin(w) * k, w, k=2.0), set_to(w, 0.2)


def in_nested_function() -> Use:
    w = np.ones(3)

    def f(x: Any) -> Any:
        def inner(y: Any) -> Any:
            return y * np.cos(w)

        return inner(x) + sum(float(i) * inner(x) for i in range(3))

    return f, set_to(w, 0.2)


def in_comprehension() -> Use:
    w = [np.ones(3), np.full(3, 2.0)]
    return lambda x: sum([x * np.exp(part) for part in w]), set_to(w[1], 0.2)


def in_generator() -> Use:
    w = np.ones(3)

    def f(x: Any) -> Any:
        def parts() -> Iterator[Any]:
            for i in range(3):
                yield x[i] * np.sin(w)

        return sum(parts())

    return f, set_to(w, 0.2)


def in_gradient() -> Use:
    w = np.ones(3)
    return fg.grad(lambda x: np.sum(np.sin(x * w) * np.cos(w))), set_to(w, 0.2)


def in_inner_jit() -> Use:
    w = np.ones(3)
    inner = fg.jit(lambda x: x * np.cos(w))
    return lambda x: inner(x) + w, set_to(w, 0.2)


def in_object() -> Use:
    class Layer:
        def __init__(self) -> None:
            self.w = np.ones(3)

        def __call__(self, x: Any) -> Any:
            return x * self.w

    layer = Layer()
    return layer, set_to(layer.w, 2.0)


def in_method() -> Use:
    class Layer:
        def __init__(self) -> None:
            self.w = np.ones(3)

        def apply(self, x: Any) -> Any:
            return x * self.w

    layer = Layer()
    return layer.apply, set_to(layer.w, 2.0)


def large() -> Use:
    w = np.ones((400, 400))
    return lambda x: x * np.sum(w), set_to(w, 2.0)


def view() -> Use:
    whole = np.arange(6.0).reshape(2, 3)
    part = whole[1]
    return lambda x: x * part, set_to(whole, 1.0)


def two_names() -> Use:
    w = np.ones(3)
    v = w
    return lambda x: x * w + v, set_to(w, 3.0)


USES = [
    in_product,
    computed_by_numpy,
    indexed,
    branched_on,
    as_index,
    as_mask,
    as_integer,
    in_dict,
    in_default,
    in_partial,
    in_nested_function,
    in_comprehension,
    in_generator,
    in_gradient,
    in_inner_jit,
    in_object,
    in_method,
    large,
    view,
    two_names,
]


@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
def test_a_change_in_place_is_seen(use: Callable[[], Use]):
    f, change = use()
    compiled = fg.jit(f)
    for _ in range(2):
        require_same(compiled(X), f(X))
    change()
    for _ in range(2):
        require_same(compiled(X), f(X))


@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
def test_a_change_in_place_is_seen_under_transforms(use: Callable[[], Use]):
    f, change = use()

    def total(x: Any) -> Any:
        return np.sum(f(x) ** 2)

    compiled = fg.jit(f)
    made = [
        (fg.grad(lambda x: np.sum(compiled(x) ** 2)), fg.grad(total)),
        (fg.jit(fg.grad(total)), fg.grad(total)),
        (lambda x: fg.jvp(compiled, (x,), (x,)), lambda x: fg.jvp(f, (x,), (x,))),
    ]
    if use is not as_index and use is not as_mask and use is not as_integer:
        made.append((fg.vmap(fg.jit(lambda t: total(X * t))), fg.vmap(lambda t: total(X * t))))
    for found, wanted in made:
        require_same(found(X), wanted(X))
    change()
    for found, wanted in made:
        require_same(found(X), wanted(X))


def test_rebound_names_are_read_again():
    w, factor, mode, pair = np.ones(3), 2, "times", [1.0, 2.0]

    def f(x: Any) -> Any:
        return x * w * factor + sum(pair) if mode == "times" else x

    compiled = fg.jit(f)
    require_same(compiled(X), f(X))
    w = np.full(3, 3.0)
    require_same(compiled(X), f(X))
    factor = 5
    require_same(compiled(X), f(X))
    pair = [7.0]
    require_same(compiled(X), f(X))
    mode = "plain"
    require_same(compiled(X), f(X))


def test_a_number_rebound_many_times_is_always_the_new_one():
    rate = 0.0
    f = fg.jit(lambda x: x * rate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PathLimitWarning)
        for step in range(30):
            rate = float(step)
            require_same(f(X), X * rate)


def test_entries_of_containers_are_compared():
    read: dict[str, Any] = {"w": np.ones(3), "k": 1.0, "list": [1.0]}

    def f(x: Any) -> Any:
        return x * read["w"] * read["k"] + sum(read["list"]) + len(read) + read.get("z", 0.0)

    compiled = fg.jit(f)
    changes: list[Callable[[], Any]] = [
        lambda: read.update(k=3.0),
        lambda: read.update(w=np.full(3, 2.0)),
        lambda: read["list"].append(4.0),
        lambda: read["list"].pop(0),
        lambda: read.update(z=9.0),
        lambda: read.pop("z"),
        lambda: read.update(y=9.0),
        lambda: (read.pop("y"), read.update(z=1.0)),
    ]
    require_same(compiled(X), f(X))
    for change in changes:
        change()
        require_same(compiled(X), f(X))
        require_same(compiled(X), f(X))


def test_default_arguments_are_compared():
    def f(x: Any, w: Any = 2.0, *, k: Any = 3.0) -> Any:
        return x * w * k

    compiled = fg.jit(f)
    require_same(compiled(X), f(X))
    f.__defaults__ = (5.0,)
    require_same(compiled(X), f(X))
    f.__kwdefaults__ = {"k": 7.0}
    require_same(compiled(X), f(X))


def test_a_mutable_default_is_compared():
    def f(x: Any, seen: Any = []) -> Any:  # noqa: B006  # that is what is tested
        return x + len(seen)

    compiled = fg.jit(f)
    require_same(compiled(X), f(X))
    f.__defaults__[0].append(1)  # type: ignore[index]
    require_same(compiled(X), f(X))


WEIGHT, SCALE = np.ones(3), 2.0


def read_globals(x: Any) -> Any:
    return x * np.sin(WEIGHT) * SCALE


def test_its_own_globals_are_compared(monkeypatch: pytest.MonkeyPatch):
    compiled, module = fg.jit(read_globals), read_globals.__globals__
    for name, value in (("SCALE", 3.0), ("WEIGHT", np.full(3, 0.5)), ("SCALE", 2.0)):
        require_same(compiled(X), read_globals(X))
        monkeypatch.setitem(module, name, value)
        require_same(compiled(X), read_globals(X))
    module["WEIGHT"][:] = 0.1
    require_same(compiled(X), read_globals(X))


def test_globals_of_callees_are_baked(monkeypatch: pytest.MonkeyPatch):
    """As in JAX: what helpers read is read when the function is recorded."""
    compiled = fg.jit(lambda x: read_globals(x))
    before = compiled(X)
    monkeypatch.setitem(read_globals.__globals__, "SCALE", 11.0)
    require_same(compiled(X), before)


def test_writes_to_outer_names_happen_when_the_function_is_recorded():
    count = 0

    def f(x: Any) -> Any:
        nonlocal count
        count += 1
        return x * 2

    compiled = fg.jit(f)
    with pytest.warns(SideEffectWarning, match="f assigns to count outside of it"):
        require_same(compiled(X), X * 2)
    for _ in range(2):
        require_same(compiled(X), X * 2)
    assert count == 1
    assert compiled.cache_info().recordings == 1


def test_results_share_no_memory_with_what_is_read():
    w = np.ones((2, 3))
    f = fg.jit(lambda x: (w, w[1:], w.T, x))
    for _ in range(2):
        for out in f(X):
            assert not np.shares_memory(out, w)
            assert not np.shares_memory(out, X)


def test_an_argument_may_be_the_array_that_is_read():
    w = np.ones(3)
    f = fg.jit(lambda x: x * w)
    require_same(f(w), np.ones(3))
    w[:] = 2
    require_same(f(w), np.full(3, 4.0))
    require_same(fg.grad(lambda x: np.sum(f(x)))(w), np.full(3, 2.0))


def test_arrays_made_inside_are_made_anew():
    def f(x: Any) -> Any:
        w = np.arange(3.0)
        y = x * w
        w[1] = 7
        return y * w, w

    compiled = fg.jit(f)
    for _ in range(3):
        found = compiled(X)
        require_same(found, f(X))
        found[1].fill(9)


# --- functions of other kinds -----------------------------------------------------------------


def test_a_jitted_method_with_a_static_self():
    class Layer:
        def __init__(self, k: float) -> None:
            self.k = k

        @functools.partial(fg.jit, static_argnums=0)
        def apply(self, x: Any) -> Any:
            return x * self.k

    two, three = Layer(2.0), Layer(3.0)
    for _ in range(2):
        require_same(two.apply(X), X * 2)
        require_same(three.apply(X), X * 3)
    require_same(fg.grad(lambda x: np.sum(two.apply(x)))(X), np.full(3, 2.0))


def test_static_and_class_methods():
    class Layer:
        @staticmethod
        @fg.jit
        def double(x: Any) -> Any:
            return x * 2

        @classmethod
        def triple(cls, x: Any) -> Any:
            return x * 3

    require_same(Layer.double(X), X * 2)
    require_same(Layer().double(X), X * 2)
    require_same(fg.jit(Layer.triple)(X), X * 3)


def test_a_function_that_calls_its_own_jitted_self():
    @fg.jit
    def power(x: Any, n: Any) -> Any:
        return x if n <= 1 else x * power(x, n - 1)

    for n in (3, 1, 2, 5, 3):
        require_same(power(X, n), X**n)


def test_functions_that_call_each_other():
    even = fg.jit(lambda n: True if n == 0 else odd(n - 1))
    odd = fg.jit(lambda n: False if n == 0 else even(n - 1))
    assert [even(4), even(3), odd(3), odd(2), even(0)] == [True, False, True, False, True]


@pytest.mark.parametrize("f", [np.sin, np.sum, abs, np.linalg.norm])
def test_functions_that_are_not_written_in_python(f: Any):
    compiled = fg.jit(f)
    for _ in range(2):
        require_same(compiled(X), f(X))


# --- tracers of outer transforms --------------------------------------------------------------


def nested(j: Callable[..., Any]) -> Callable[[Any], Any]:
    def outer(w: Any) -> Any:
        def middle(v: Any) -> Any:
            f = j(lambda x: np.sum(np.sin(x * w) * v))
            return f(X) * f(v)

        return np.sum(fg.grad(middle)(w * 2))

    return outer


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: f,
        fg.grad,
        fg.hessian,
        lambda f: lambda x: fg.jvp(f, (x,), (x,)),
        lambda f: lambda x: fg.vmap(f)(np.stack([x, x * 0.5])),
        lambda f: lambda x: fg.vmap(fg.grad(f))(np.stack([x, x * 0.5])),
        lambda f: fg.jit(fg.grad(f)),
    ],
)
def test_tracers_that_are_captured_at_any_depth(transform: Any):
    found, wanted = transform(nested(fg.jit)), transform(nested(lambda f: f))
    for _ in range(2):
        for a, b in zip(fg.tree.leaves(found(X)), fg.tree.leaves(wanted(X)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-14, atol=1e-14)  # sums in another order


def test_what_is_compiled_does_not_keep_a_captured_tracer():
    holder: list[Any] = [X]
    f = fg.jit(lambda x: np.sum(x * holder[0]))

    def outer(w: Any) -> Any:
        holder[0] = w
        return f(X)

    for _ in range(2):
        require_same(fg.grad(outer)(X), X)
        require_same(fg.vmap(outer)(np.stack([X, X * 2])), np.array([14.0, 28.0]))
        holder[0] = X * 3
        require_same(f(X), np.float64(42.0))


def test_a_tracer_that_has_leaked_is_refused():
    holder: list[Any] = []
    fg.grad(lambda w: (holder.append(w), np.sum(w))[1])(X)
    f = fg.jit(lambda x: np.sum(x * holder[0]))
    with pytest.raises(LeakedTracerError):
        f(X)


def test_a_write_to_an_attribute_or_a_global_is_told():
    class Counter:
        def __init__(self) -> None:
            self.calls = 0

        def scaled(self, x: Any) -> Any:
            self.calls += 1
            return x * self.calls

    with pytest.warns(SideEffectWarning, match=r"scaled assigns to self\.calls outside of it"):
        fg.jit(Counter().scaled)(X)


class Gained:
    gain: Any = 2.0

    def scaled(self, x: Any) -> Any:
        return self.gain * x

    @classmethod
    def by_class(cls, x: Any) -> Any:
        return cls.gain * x

    @staticmethod
    def by_name(x: Any) -> Any:
        return Gained.gain * x


@dataclasses.dataclass(slots=True)
class Slotted:
    gain: Any

    def scaled(self, x: Any) -> Any:
        return self.gain * x


class Layered:
    def __init__(self, *parts: Any) -> None:
        self.first = parts[0]
        self.parts = list(parts)
        self.named = {"first": {"again": parts[0]}}

    def __call__(self, x: Any) -> Any:
        return self.first.scaled(x)

    def every(self, x: Any) -> Any:
        for part in self.parts:
            x = part.scaled(x)
        return x + self.named["first"]["again"].gain * 0


SETTINGS = types.ModuleType("settings")
SETTINGS.gain = 2.0  # type: ignore[attr-defined]  # as a program's own module of settings


def by_module(x: Any) -> Any:
    return SETTINGS.gain * x


@pytest.mark.parametrize("number", range(11))
def test_attributes_wherever_they_are_held_are_read_anew(number: int, monkeypatch: Any):
    held, slotted, inner = Gained(), Slotted(2.0), Gained()
    layered = Layered(inner, Slotted(1.0))
    pairs: list[tuple[Any, Any]] = [
        (held.scaled, held),
        (held.scaled, Gained),
        (lambda x: held.gain * x, held),
        (Gained.by_class, Gained),
        (Gained.by_name, Gained),
        (slotted.scaled, slotted),
        (lambda x: slotted.gain * x, slotted),
        (layered, inner),
        (layered.every, inner),
        (by_module, SETTINGS),
        (lambda x: layered.every(x), layered.parts[1]),
    ]
    f, owner = pairs[number]
    before = owner.gain
    compiled, gradient = fg.jit(f), fg.jit(fg.grad(lambda x: np.sum(f(x))))
    assert_array_equal(compiled(X), f(X))
    hits = compiled.cache_info().recordings
    compiled(X)
    assert compiled.cache_info().recordings == hits
    gradient(X)
    for value in (5.0, np.float64(3.0)):
        monkeypatch.setattr(owner, "gain", value)
        assert_array_equal(compiled(X), f(X))
        assert_array_equal(gradient(X), fg.grad(lambda x: np.sum(f(x)))(X))
    monkeypatch.setattr(owner, "gain", before)
    assert_array_equal(compiled(X), f(X))


def test_objects_that_hold_each_other_are_looked_into_once():
    a, b = Gained(), Gained()
    a.other, b.other = b, a  # type: ignore[attr-defined]
    f = fg.jit(lambda x: a.gain * x + a.other.gain)  # type: ignore[attr-defined]
    assert f(1.0) == 4.0
    b.gain = 7.0
    assert f(1.0) == 9.0


def test_a_name_that_changes_in_each_call_is_warned_of_once():
    rate = 0.5
    f = fg.jit(lambda x: x * rate, max_traces=4)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for step in range(10):
            rate = 1.0 / (step + 1)
            assert f(3.0) == 3.0 * rate
    (warning,) = caught
    assert warning.category is PathLimitWarning
    assert "rate of its closure or globals is bound to something else" in str(warning.message)

"""Draws from generators with a state, which a compiled function would repeat."""

import functools
import random as python_random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import RandomnessError
from funcgrad.jitting.randomness import MOST, snapshot

# ruff: noqa: NPY002  # the shared generator of NumPy is what is tested

GLOBAL = np.random.default_rng(0)
TABLE = {"a": [0, (1, GLOBAL)]}


def caught(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """What is said of a function that is called once; nothing if it drew nothing."""
    noted = snapshot(fun, args, kwargs)
    fun(*args, **kwargs)
    try:
        noted.check("jit")
    except RandomnessError as error:
        return str(error)
    return ""


SHARED: dict[str, tuple[Callable[[], Any], str]] = {
    "np.random.rand": (np.random.rand, "np.random"),
    "np.random.normal": (np.random.normal, "np.random"),
    "np.random.shuffle": (lambda: np.random.shuffle([1, 2, 3]), "np.random"),
    "np.random.seed": (lambda: np.random.seed(0), "np.random"),
    "np.random.set_state": (lambda: np.random.set_state(STATE), "np.random"),
    "random.random": (python_random.random, "Python's random"),
    "random.gauss": (lambda: python_random.gauss(0, 1), "Python's random"),
    "random.shuffle": (lambda: python_random.shuffle([1, 2, 3]), "Python's random"),
    "random.seed": (lambda: python_random.seed(1), "Python's random"),
}
STATE = np.random.RandomState(77).get_state()


@pytest.mark.parametrize("name", SHARED)
def test_a_draw_from_a_shared_generator_is_seen(name: str) -> None:
    draw, label = SHARED[name]
    np.random.rand()
    python_random.random()
    assert f"from the shared generator of {label} while" in caught(lambda: draw())


def test_the_second_number_of_a_pair_is_seen() -> None:
    """Some normal numbers are made in pairs: the second one moves no bits."""
    for draw in (np.random.randn, lambda: python_random.gauss(0, 1)):
        np.random.seed(0)
        python_random.seed(0)
        draw()
        assert "shared generator" in caught(lambda draw=draw: draw())


def test_a_whole_round_of_the_generator_is_seen() -> None:
    """After 624 words the place in the state is the same again."""
    np.random.seed(0)
    np.random.randint(0, 2**32, 1, dtype=np.uint32)
    assert "np.random" in caught(lambda: np.random.randint(0, 2**32, 624, dtype=np.uint32))


def test_the_message_names_function_generator_and_fix() -> None:
    def noisy(x: Any) -> Any:
        return x + np.random.normal()

    assert caught(noisy, 1.0) == (
        "jit: noisy drew random numbers from the shared generator of np.random while it was "
        "recorded. They would be constants of the program, the same on every call. Give it a key "
        "as an argument and draw with funcgrad.random, as in funcgrad.random.normal(key, shape), "
        "or draw outside and pass the numbers."
    )


@pytest.mark.parametrize(
    "kind",
    [np.random.MT19937, np.random.PCG64, np.random.PCG64DXSM, np.random.Philox, np.random.SFC64],
)
@pytest.mark.parametrize("make", [np.random.Generator, np.random.RandomState])
def test_a_generator_of_each_kind_is_compared(kind: Any, make: Any) -> None:
    rng = make(kind(5))
    for draw in (lambda: rng.normal(), lambda: rng.bytes(1), lambda: rng.shuffle([1, 2, 3])):
        assert "rng" in caught(draw)
    assert caught(lambda: rng) == ""


def test_a_bit_generator_is_compared() -> None:
    bits = np.random.PCG64(0)
    assert "from bits (PCG64) while" in caught(lambda: bits.random_raw())


def test_a_generator_of_python_is_compared() -> None:
    rng = python_random.Random(0)
    assert "from rng (Random) while" in caught(lambda: rng.random())


def test_the_generator_of_the_operating_system_has_no_state() -> None:
    rng = python_random.SystemRandom()
    assert caught(lambda: rng.random()) == ""


def draw_from_global() -> Any:
    return GLOBAL.normal()


def draw_from_table() -> Any:
    return TABLE["a"][1][1].normal()  # type: ignore[index]


def through_another() -> Any:
    return 1 + draw_from_global()


def inside_of_a_lambda() -> Any:
    return (lambda: [GLOBAL.normal() for _ in range(2)])()


class Model:
    """Draws in many ways."""

    shared = np.random.default_rng(1)

    def __init__(self) -> None:
        self.rng = np.random.default_rng(2)
        self.parts = [self.rng]

    def direct(self) -> Any:
        return self.rng.normal()

    def part(self) -> Any:
        return self.parts[0].normal()

    def through_method(self) -> Any:
        return self.direct()

    def of_class(self) -> Any:
        return self.shared.normal()

    def of_module(self) -> Any:
        return draw_from_global()

    @staticmethod
    def static() -> Any:
        return GLOBAL.normal()

    @property
    def number(self) -> Any:
        return GLOBAL.normal()

    def __call__(self) -> Any:
        return self.rng.normal()


@dataclass(slots=True)
class Slotted:
    """A generator in a slot."""

    rng: Any = field(default_factory=lambda: np.random.default_rng(3))

    def draw(self) -> Any:
        return self.rng.normal()


class Pair(NamedTuple):
    """A pytree of the user's."""

    x: Any
    rng: Any


MODEL, SLOTTED = Model(), Slotted()

REACHED: dict[str, tuple[Callable[[], Any], str]] = {
    "global": (draw_from_global, "GLOBAL (Generator)"),
    "container": (draw_from_table, "(Generator)"),
    "other function": (through_another, "GLOBAL (Generator)"),
    "inner function": (inside_of_a_lambda, "GLOBAL (Generator)"),
    "method": (MODEL.direct, "self.rng (Generator)"),
    "container of the object": (MODEL.part, "(Generator)"),
    "method of the object": (MODEL.through_method, "self.rng (Generator)"),
    "class": (MODEL.of_class, ".shared (Generator)"),
    "function of a method": (MODEL.of_module, "GLOBAL (Generator)"),
    "static method": (Model.static, "GLOBAL (Generator)"),
    "static method of a global": (lambda: MODEL.static(), "GLOBAL (Generator)"),
    "property of a global": (lambda: MODEL.number, "GLOBAL (Generator)"),
    "class of a global": (lambda: Model.shared.normal(), ".shared (Generator)"),
    "callable object": (MODEL, "rng (Generator)"),
    "object in a global": (lambda: MODEL.direct(), "MODEL.rng (Generator)"),
    "slot": (SLOTTED.draw, "self.rng (Generator)"),
    "partial": (functools.partial(lambda rng: rng.normal(), GLOBAL), "(Generator)"),
    "partial keyword": (functools.partial(lambda *, rng: rng.normal(), rng=GLOBAL), "(Generator)"),
    "wrapped": (functools.wraps(draw_from_global)(lambda: draw_from_global()), "GLOBAL"),
    "cached": (functools.lru_cache(draw_from_global), "GLOBAL"),
    "module": (lambda: sys.modules[__name__] and draw_from_global(), "GLOBAL"),
}


@pytest.mark.parametrize("name", REACHED)
def test_a_generator_is_found_by_the_way_that_the_function_takes(name: str) -> None:
    fun, label = REACHED[name]
    message = caught(fun)
    assert message.count("(Generator)") == 1
    assert label in message


def test_a_generator_in_a_default_argument_is_found() -> None:
    def positional(x: Any, rng: Any = GLOBAL) -> Any:
        return x + rng.normal()

    def keyword(x: Any, *, noise: Any = GLOBAL) -> Any:
        return x + noise.normal()

    assert "from rng (Generator)" in caught(positional, 1.0)
    assert "from noise (Generator)" in caught(keyword, 1.0)


def test_a_generator_among_the_arguments_is_found() -> None:
    rng = np.random.default_rng(0)
    assert "from argument 1 (Generator)" in caught(lambda x, rng: rng.normal(), 1.0, rng)
    assert "from argument 'rng' (Generator)" in caught(lambda *, rng: rng.normal(), rng=rng)
    assert "(Generator)" in caught(lambda tree: tree["a"].rng.normal(), {"a": Pair(1.0, rng)})


def test_a_generator_behind_a_transform_is_found() -> None:
    rng = np.random.default_rng(0)
    noisy = lambda x: np.sum(x * rng.normal())
    x = np.ones(3)
    for fun in (fg.grad(noisy), fg.vmap(fg.grad(noisy)), fg.checkpoint(noisy), fg.jacrev(noisy)):
        assert "rng (Generator)" in caught(fun, np.ones((2, 3)) if "vmap" in str(fun) else x * x)


def test_a_generator_of_a_module_of_the_users_is_found(tmp_path: Any) -> None:
    (tmp_path / "noise_module.py").write_text(
        "import numpy as np\nrng = np.random.default_rng(0)\ndef draw():\n    return rng.normal()\n"
    )
    program = (
        "import noise_module\nfrom funcgrad.jitting.randomness import MOST, snapshot\n"
        "for f in (lambda: noise_module.rng.normal(), lambda: noise_module.draw()):\n"
        "    noted = snapshot(f)\n    f()\n"
        "    try:\n        noted.check('jit')\n"
        "    except ValueError as error:\n        print(error)\n"
    )
    out = run(program, tmp_path)
    assert "from noise_module.rng (Generator) while" in out[0]
    assert "from rng (Generator) while" in out[1]


def run(program: str, folder: Any) -> list[str]:
    code = f"import sys; sys.path.insert(0, {str(folder)!r})\n{program}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("draw", "count"),
    [
        ("np.random.normal()", 1),
        ("np.random.rand()", 1),
        ("np.random.randint(5)", 1),
        ("np.random.default_rng(0).normal()", 0),
        ("fg.random.normal(fg.random.key(0))", 0),
    ],
)
def test_a_draw_is_seen_that_loads_numpys_random(draw: str, count: int, tmp_path: Any) -> None:
    program = (
        "import numpy as np, funcgrad as fg\nimport funcgrad.random\n"
        "from funcgrad.jitting.randomness import MOST, snapshot\n"
        f"f = lambda: {draw}\nnoted = snapshot(f)\nassert 'numpy.random' not in sys.modules\nf()\n"
        "try:\n    noted.check('jit')\nexcept ValueError as error:\n    print(error)\n"
    )
    out = run(program, tmp_path)
    assert len(out) == count
    assert all("from the shared generator of np.random while" in line for line in out)


def quiet(x: Any, *, scale: float = 2.0) -> Any:
    rng = np.random.default_rng(0)  # made anew, from a seed
    return fg.random.normal(fg.random.key(0)) + rng.normal() + x * scale + len(TABLE)


def test_what_draws_from_keys_and_seeds_is_allowed() -> None:
    assert caught(quiet, np.ones(3)) == ""
    assert caught(np.sin, 1.0) == ""
    assert caught(functools.partial(quiet, scale=3.0), 1.0) == ""


def test_what_was_drawn_before_does_not_count() -> None:
    GLOBAL.normal()
    np.random.normal()
    python_random.random()
    assert caught(lambda x: x + TABLE["a"][0], 1.0) == ""  # type: ignore[operator]


def test_several_generators_are_named_together() -> None:
    rng = np.random.default_rng(0)
    message = caught(lambda: rng.normal() + np.random.normal())
    assert "from the shared generator of np.random and rng (Generator) while" in message


def test_values_in_a_circle_are_looked_at_once() -> None:
    circle: list[Any] = []
    circle.append({"self": circle})
    assert caught(lambda x: None, circle) == ""


def test_an_empty_cell_is_passed_over() -> None:
    def outer() -> Any:
        def inner() -> Any:
            return later if False else None

        snapshot(inner).check("jit")
        later = 1
        return inner

    assert outer()() is None


def test_the_search_ends_in_large_arguments() -> None:
    seen = []

    class Counted(list[Any]):
        def __iter__(self) -> Any:
            for item in super().__iter__():
                seen.append(item)
                yield item

    large = Counted([i] for i in range(100_000))
    snapshot(lambda x: x, (large, large)).check("jit")
    assert 100 < len(seen) <= MOST


def test_objects_that_answer_to_every_name_do_no_harm() -> None:
    class Strange:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    strange = Strange()
    assert caught(lambda: strange is None) == ""

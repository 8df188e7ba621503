"""Keys: what they are, what is made of them, and what is said of what is no key."""

import concurrent.futures
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad import random
from funcgrad.errors import DrawError, RandomKeyError

KEY = random.key(0)


def same(x: Any, y: Any) -> None:
    assert x.dtype == y.dtype
    np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(
    ("seed", "words"),
    [
        (0, [0, 0]),
        (42, [42, 0]),
        (2**64 + 3, [3, 1]),
        (2**128 - 1, [2**64 - 1, 2**64 - 1]),
        (-1, [2**64 - 1, 2**64 - 1]),
        (np.int32(-2), [2**64 - 2, 2**64 - 1]),
        (np.uint64(2**64 - 1), [2**64 - 1, 0]),
        (np.array(7), [7, 0]),
    ],
)
def test_a_key_holds_the_words_of_its_seed(seed: Any, words: list[int]) -> None:
    same(random.key(seed), np.array(words, np.uint64))


def test_a_traced_seed_gives_the_key_of_its_value() -> None:
    seeds = np.array([-3, 0, 5])
    same(fg.vmap(random.key)(seeds), np.stack([random.key(int(seed)) for seed in seeds]))


def test_the_same_key_gives_the_same_numbers() -> None:
    same(random.normal(KEY, (3,)), random.normal(random.key(0), (3,)))


def test_other_keys_give_other_numbers() -> None:
    keys = [KEY, random.key(1), random.key(2**64), *random.split(KEY), random.fold_in(KEY, 0)]
    assert len({float(random.normal(key)) for key in keys}) == len(keys)


def test_the_first_keys_of_a_split_do_not_depend_on_their_number() -> None:
    same(random.split(KEY, 3), random.split(KEY, 8)[:3])
    same(random.split(KEY, (2, 3)).reshape(6, 2), random.split(KEY, 6))


def test_a_split_may_be_empty() -> None:
    assert random.split(KEY, 0).shape == (0, 2)


def test_children_are_all_different_over_generations() -> None:
    keys = random.split(KEY, 50)
    grandchildren = fg.vmap(lambda key: random.split(key, 50))(keys).reshape(-1, 2)
    folded = fg.vmap(random.fold_in, in_axes=(None, 0))(KEY, np.arange(2000))
    everyone = np.concatenate([KEY[None], keys, grandchildren, folded])
    assert len(np.unique(everyone, axis=0)) == len(everyone)


@pytest.mark.parametrize("number", [0, 1, 2**63 - 1, 2**64 - 1, -1])
def test_a_number_is_folded_in_by_its_64_bits(number: int) -> None:
    same(random.fold_in(KEY, number), random.fold_in(KEY, np.uint64(number % 2**64)))


def test_a_traced_number_is_folded_in_by_its_value() -> None:
    steps = np.array([-1, 0, 9])
    found = fg.vmap(random.fold_in, in_axes=(None, 0))(KEY, steps)
    same(found, np.stack([random.fold_in(KEY, int(step)) for step in steps]))


def test_key_and_draw_use_no_state_of_numpy() -> None:
    before = np.random.get_state(legacy=False)  # noqa: NPY002  # it is what is tested
    random.normal(random.split(random.fold_in(KEY, 3))[0], (10,))
    after = np.random.get_state(legacy=False)  # noqa: NPY002
    same(before["state"]["key"], after["state"]["key"])
    assert before["state"]["pos"] == after["state"]["pos"]


def test_threads_draw_what_one_thread_draws() -> None:
    keys = random.split(KEY, 64)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda key: random.normal(key, (100,)), keys))
    for key, numbers in zip(keys, found, strict=True):
        same(numbers, random.normal(key, (100,)))


def test_a_key_may_be_read_only_or_a_view_with_gaps() -> None:
    wide = np.zeros((2, 6), np.uint64)[:, ::3]
    wide[1] = random.key(5)
    view = wide[1]
    view.flags.writeable = False
    same(random.normal(view, (3,)), random.normal(random.key(5), (3,)))
    same(fg.vmap(random.normal)(wide), np.stack([random.normal(key) for key in wide]))


def test_importing_the_module_does_not_load_numpys_random() -> None:
    code = "import sys, funcgrad.random; print('numpy.random' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


NOT_KEYS: dict[str, tuple[Any, str]] = {
    "a seed": (3, "normal: the key is the int 3. A key is a uint64 array of shape (2,)"),
    "None": (None, "the key is None."),
    "a float": (0.5, "the key is the float 0.5."),
    "a list": ([0, 0], "the key is a list."),
    "signed": (np.array([0, 1]), "the key is an array of dtype int64 and shape (2,)."),
    "short": (KEY[:1], "the key is an array of dtype uint64 and shape (1,)."),
    "keys": (random.split(KEY, 3), "the key has shape (3, 2), which are 3 keys. A draw takes one."),
    "generator": (np.random.default_rng(0), "the key is a Generator."),
}


@pytest.mark.parametrize("kind", NOT_KEYS)
def test_what_is_no_key_is_refused(kind: str) -> None:
    given, message = NOT_KEYS[kind]
    with pytest.raises(RandomKeyError, match=re.escape(message)):
        random.normal(given)


def test_a_function_of_keys_says_how_to_make_one() -> None:
    with pytest.raises(RandomKeyError, match=r"split: .* Make one with funcgrad.random.key\(0\)"):
        random.split(0)


@pytest.mark.parametrize("seed", [0.5, True, "seed", None, 2**128, -(2**64), np.arange(2), 1.5j])
def test_what_is_no_seed_is_refused(seed: Any) -> None:
    with pytest.raises(RandomKeyError, match=r"^key: the seed"):
        random.key(seed)


@pytest.mark.parametrize("number", [0.5, "layer", 2**64, np.arange(2), np.float64(1)])
def test_what_is_no_number_is_not_folded_in(number: Any) -> None:
    with pytest.raises(DrawError, match=r"^fold_in: the number is"):
        random.fold_in(KEY, number)

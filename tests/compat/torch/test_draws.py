"""Random numbers beside PyTorch's: recorded in tests/data/torch_random.json, and live."""

import copy
import json
import math
import pickle
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcgrad.compat.torch import cephes32, count_draws, draws, integer_draws
from funcgrad.compat.torch.mersenne import DEFAULT_SEED, Generator, default_generator
from funcgrad.compat.torch.rounding import fma32, fma64, round_to_bfloat16
from tests.compat.torch.random_cases import (
    RECORDED,
    RECORDED_SEED,
    SEEDS,
    Case,
    agreement,
    cases,
    differing,
    plain,
)

TABLE: dict[str, Any] = json.loads(RECORDED.read_text("utf-8"))
# PyTorch warns where it is asked for integers that a floating type cannot hold.
quiet = pytest.mark.filterwarnings("ignore:.*out of bounds:UserWarning")
RECORDED_CASES = [case for n in (3, 20) for case in cases(n)]


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


# ---------------------------------------------------------------------------------------------
# Recorded values


@pytest.mark.parametrize(
    ("case", "recorded"),
    list(zip(RECORDED_CASES, TABLE["values"], strict=True)),
    ids=[f"{i}: {case.kind}" for i, case in enumerate(RECORDED_CASES)],
)
def test_a_draw_has_the_recorded_values_of_pytorch(case: Case, recorded: list[Any]) -> None:
    kind, dtype, numbers = recorded
    ours = case.ours(generator(RECORDED_SEED))
    assert (case.kind, ours.dtype.name) == (kind, dtype)
    parts = np.ascontiguousarray(ours).view(ours.real.dtype).reshape(-1)
    theirs = np.array(numbers, parts.dtype)
    if parts.dtype == np.float64:
        # log, sin and cos are the C library's, whose last bit another one may not share.
        np.testing.assert_allclose(parts, theirs, rtol=4e-16, atol=4e-16)
    else:
        assert differing(theirs, parts) == 0


def test_the_first_numbers_after_seed_0_are_those_of_every_tutorial() -> None:
    first = draws.normal(generator(0), (5,))
    assert first.tolist() == pytest.approx([1.5410, -0.2934, -2.1788, 0.5684, -1.0845], abs=5e-5)


def test_a_state_recorded_by_pytorch_is_gone_on_from() -> None:
    state = np.frombuffer(bytes.fromhex(TABLE["state"]), np.uint8)
    ours = draws.normal(Generator().set_state(state), (20,))
    assert ours.tolist() == TABLE["after"]


def test_the_state_after_a_draw_is_the_one_recorded() -> None:
    ours = generator(RECORDED_SEED)
    draws.normal(ours, (3,))
    assert ours.get_state().tobytes().hex() == TABLE["state"]


# ---------------------------------------------------------------------------------------------
# Beside PyTorch


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch")


@quiet
@pytest.mark.oracle
def test_every_kind_of_draw_agrees_with_pytorch_in_every_bit(torch: Any) -> None:
    sizes = (0, 1, 2, 15, 16, 17, 32, 257, 1000)
    rows = agreement(torch, SEEDS[1::3], sizes)
    assert {kind: row.tolist() for kind, row in rows.items() if row[2:].any()} == {}
    assert np.sum(list(rows.values()), axis=0)[0] > 4000


@quiet
@pytest.mark.oracle
@given(st.integers(-(2**63), 2**64 - 1), st.lists(st.integers(0, len(RECORDED_CASES) - 1)))
def test_a_sequence_of_mixed_draws_agrees_with_pytorch(seed: int, order: list[int]) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(seed)
    ours = generator(seed)
    for index in order:
        case = RECORDED_CASES[index]
        assert differing(plain(case.theirs(torch)), np.asarray(case.ours(ours))) == 0, case.kind
        assert torch.get_rng_state().numpy().tobytes() == ours.get_state().tobytes(), case.kind


@pytest.mark.oracle
@given(st.integers(0, 2**32), st.integers(0, 1300))
def test_states_pass_between_pytorch_and_here(seed: int, count: int) -> None:
    torch = pytest.importorskip("torch")
    ours = generator(seed)
    ours.words(count)
    draws.normal(ours, (count % 4,))
    torch.set_rng_state(torch.from_numpy(ours.get_state()))
    assert differing(torch.randn(700).numpy(), draws.normal(ours, (700,))) == 0
    torch.randn(3)
    again = Generator().set_state(torch.get_rng_state().numpy())
    assert differing(torch.randn(5).numpy(), draws.normal(again, (5,))) == 0
    assert again.get_state().tobytes() == torch.get_rng_state().numpy().tobytes()


def untempered(words: np.ndarray) -> np.ndarray:
    """The states of MT19937 that give these words."""
    y = words.astype(np.uint32)
    y ^= y >> np.uint32(18)
    y ^= (y << np.uint32(15)) & np.uint32(0xEFC60000)
    left = y.copy()
    for _ in range(5):
        left = y ^ ((left << np.uint32(7)) & np.uint32(0x9D2C5680))
    right = left.copy()
    for _ in range(3):
        right = left ^ (right >> np.uint32(11))
    return right


@pytest.mark.oracle
def test_the_normal_blocks_agree_for_every_uniform_number_there_is(torch: Any) -> None:
    """All 2²⁴ radii and all 2²⁴ angles, put into PyTorch's generator as chosen states.

    Run by one in sixteen, which takes half a second; change `step` to 1 for all.
    """
    step, blocks = 16, 38
    numbers = np.arange(0, 2**24, step, dtype=np.uint32)
    numbers = numbers[: len(numbers) // (8 * blocks) * 8 * blocks]
    order = np.random.default_rng(0).permutation(len(numbers))
    pairs = np.stack([numbers.reshape(-1, 8), numbers[order].reshape(-1, 8)], axis=1)
    saved = torch.get_rng_state()
    state = Generator().get_state()
    state[8:24] = np.frombuffer(np.array([624, 1, 1, 0], np.int32).tobytes(), np.uint8)
    found = []
    for words in pairs.reshape(-1, 16 * blocks):
        state[32 : 32 + 8 * words.size] = untempered(words).astype(np.uint64).view(np.uint8)
        torch.set_rng_state(torch.from_numpy(state))
        found.append(torch.randn(words.size).numpy())
    torch.set_rng_state(saved)
    uniform = pairs.astype(np.float32) * np.float32(2.0**-24)
    ours = cephes32.normal_blocks(uniform.reshape(-1, 16))
    assert differing(np.concatenate(found), ours.reshape(-1)) == 0


# ---------------------------------------------------------------------------------------------
# The generator


def test_a_new_generator_starts_from_the_fixed_seed() -> None:
    assert Generator().initial_seed() == DEFAULT_SEED
    assert (Generator().words(3) == generator(DEFAULT_SEED).words(3)).all()


def test_the_default_generator_starts_from_a_seed_of_the_system() -> None:
    assert default_generator() is default_generator()
    assert default_generator().initial_seed() != DEFAULT_SEED


def test_only_the_low_32_bits_of_a_seed_count_and_all_64_are_kept() -> None:
    assert (generator(2**40 + 7).words(3) == generator(7).words(3)).all()
    assert generator(2**40 + 7).initial_seed() == 2**40 + 7
    assert generator(-1).initial_seed() == 2**64 - 1


def test_seed_draws_another_seed_each_time() -> None:
    ours = Generator()
    first, second = ours.seed(), ours.seed()
    assert first != second
    assert ours.initial_seed() == second


def test_the_spare_normal_number_is_forgotten_with_a_new_seed() -> None:
    ours = generator(3)
    first = draws.normal(ours, (1,))
    assert draws.normal(ours.manual_seed(3), (1,)) == first


def test_the_spare_normal_number_survives_other_draws() -> None:
    both, ours = draws.normal(generator(3), (2,)), generator(3)
    first = draws.normal(ours, (1,))
    draws.uniform(ours, (40,))
    assert np.concatenate([first, draws.normal(ours, (1,))]).tolist() == both.tolist()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))])
def test_a_copied_generator_goes_on_by_itself(duplicate: Callable[[Generator], Generator]) -> None:
    ours = generator(5)
    draws.normal(ours, (3,))
    twin = duplicate(ours)
    assert draws.normal(twin, (3,)).tolist() == draws.normal(ours.clone_state(), (3,)).tolist()
    assert twin.initial_seed() == 5


@pytest.mark.parametrize(
    ("seed", "error", "message"),
    [
        (1.5, RuntimeError, "manual_seed expected a long, but got float"),
        ("a", RuntimeError, "manual_seed expected a long, but got str"),
        (True, RuntimeError, "manual_seed expected a long, but got bool"),
        (2**64, ValueError, "Overflow when unpacking long long"),
        (-(2**63) - 1, ValueError, "Overflow when unpacking long long"),
    ],
)
def test_a_seed_that_is_no_integer_of_64_bits_is_refused(
    seed: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("state", "error", "message"),
    [
        (np.zeros(5056), TypeError, "RNG state must be a torch.ByteTensor"),
        (np.zeros(5055, np.uint8), RuntimeError, "of size 5056 but found .* to be 5055"),
        (np.zeros(5056, np.uint8), RuntimeError, "Invalid mt19937 state"),
    ],
)
def test_a_state_that_is_none_is_refused(state: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Generator().set_state(state)


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cuda", "Cannot get CUDA generator without ATen_cuda library"),
        ("cuda:1", "Cannot get CUDA generator"),
        ("bogus", "Expected one of cpu, .* at start of device string: bogus"),
    ],
)
def test_a_generator_lives_on_the_cpu_only(device: str, message: str) -> None:
    assert str(Generator("cpu").device) == "cpu"
    with pytest.raises(RuntimeError, match=message):
        Generator(device)


# ---------------------------------------------------------------------------------------------
# Rounding


finite = st.floats(-1e100, 1e100).filter(lambda x: x == 0 or abs(x) > 1e-100)
single = st.floats(-(2.0**50), 2.0**50, width=32).filter(lambda x: x == 0 or abs(x) > 1e-15)


@given(finite, finite, finite)
def test_fma64_rounds_the_exact_value_once(a: float, b: float, c: float) -> None:
    exact = float(Fraction(a) * Fraction(b) + Fraction(c))
    assert fma64(np.array([a]), b, c).tolist() == [exact]
    assert fma64(np.full(100, a), b, c).tolist() == [exact] * 100


@given(single, single, single)
def test_fma32_rounds_the_exact_value_once(a: float, b: float, c: float) -> None:
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    [found] = fma32(np.array([a], np.float32), b, c)
    distance = abs(Fraction(float(found)) - exact)
    for end in (-math.inf, math.inf):
        neighbour = Fraction(float(np.nextafter(found, np.float32(end))))
        assert distance <= abs(neighbour - exact)


def test_fma64_keeps_to_one_rounding_where_a_sum_of_doubles_would_not() -> None:
    a = 1 + 2.0**-30
    assert fma64(np.array([a]), a, -(1 + 2.0**-29)).tolist() == [2.0**-60]


@pytest.mark.parametrize(
    ("x", "rounded"),
    [
        (1 + 2**-8, 1.0),
        (1 + 3 * 2**-8, 1 + 2**-6),
        (1 + 2**-8 + 2**-20, 1 + 2**-7),
        (-0.0, -0.0),
        (3.4e38, math.inf),
        (math.inf, math.inf),
        (1e300, math.inf),
        (1e-40, 1.0010e-40),
    ],
)
def test_bfloat16_keeps_eight_bits_and_rounds_ties_to_even(x: float, rounded: float) -> None:
    found = round_to_bfloat16([x])
    assert found.tolist() == pytest.approx([rounded], rel=1e-4)
    assert math.copysign(1, found[0]) == math.copysign(1, rounded)


@pytest.mark.parametrize("bits", [0x7FC00000, 0x7F800001, 0xFFFFFFFF])
def test_bfloat16_keeps_every_nan(bits: int) -> None:
    number = np.array(bits, np.uint32).view(np.float32)
    assert np.isnan(round_to_bfloat16(number))


# ---------------------------------------------------------------------------------------------
# Draws


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "complex64"])
def test_an_empty_draw_takes_nothing_from_the_generator(dtype: str) -> None:
    ours = generator()
    assert draws.normal(ours, (2, 0), dtype).shape == (2, 0)
    assert draws.uniform(ours, (0,), dtype).shape == (0,)
    assert ours.get_state().tobytes() == generator().get_state().tobytes()


def test_a_draw_of_no_axes_is_one_number() -> None:
    assert draws.normal(generator(), ()).shape == ()
    assert draws.uniform(generator(), ()).shape == ()
    assert integer_draws.randint(generator(), (), 0, 5).shape == ()


def test_an_infinite_mean_makes_all_infinite() -> None:
    for dtype in ("float32", "float64"):
        assert draws.normal(generator(), (3,), dtype, math.inf).tolist() == [math.inf] * 3


def test_uniform_halves_never_reach_the_upper_end() -> None:
    assert draws.uniform(generator(), (100_000,), "float16").max() < 1
    assert draws.uniform(generator(), (100_000,), "bfloat16", -1.0, 2.0).max() < 2


@pytest.mark.parametrize(("p", "value"), [(0.0, 1.0), (1.0, 0.0)])
def test_dropout_that_leaves_nothing_to_chance_draws_nothing(p: float, value: float) -> None:
    ours = generator()
    assert (draws.dropout_mask(ours, (4,), p) == value).all()
    assert ours.get_state().tobytes() == generator().get_state().tobytes()


def test_a_feature_mask_is_one_number_a_channel() -> None:
    assert draws.feature_dropout_mask(generator(), (2, 3, 4, 5), 0.5).shape == (2, 3, 1, 1)


def test_truncated_normal_numbers_stay_within_their_bounds() -> None:
    for bounds in ((-1.0, 1.0), (1.5, 2.5)):
        found = draws.trunc_normal(generator(), (5000,), "float32", 0.0, 1.0, *bounds)
        assert bounds[0] <= found.min() < found.max() <= bounds[1]


def test_choices_without_replacement_are_all_different() -> None:
    found = integer_draws.multinomial(generator(), np.ones((4, 9), np.float32), 9)
    assert np.sort(found, axis=1).tolist() == [list(range(9))] * 4


def test_a_weight_of_zero_is_never_chosen() -> None:
    weights = np.array([0.0, 1.0, 0.0, 2.0, 0.0])
    found = integer_draws.multinomial(generator(), weights, 1000, replacement=True)
    assert set(found.tolist()) == {1, 3}


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda g: draws.normal(g, (2,), std=-1), "normal expects std >= 0.0, but found std -1"),
        (lambda g: draws.log_normal(g, (2,), std=0), "log_normal_ expects std > 0.0, but found"),
        (lambda g: draws.uniform(g, (2,), low=2, high=1), r"\[from, to\) range, but found from=2"),
        (lambda g: draws.uniform(g, (2,), "float16", 0, 1e5), "to is out of bounds for c10::Half"),
        (lambda g: draws.uniform(g, (2,), low=-3e38, high=3e38), "which result in to-from to ex"),
        (lambda g: draws.bernoulli(g, (2,), 1.5), r"expects p to be in \[0, 1\], but got p=1.5"),
        (lambda g: draws.bernoulli_from(g, np.array([2.0]), "float64"), "Expected p_in >= 0 &&"),
        (lambda g: draws.exponential(g, (2,), lambd=0), "expects lambda > 0.0, but found lambda=0"),
        (lambda g: draws.geometric(g, (2,), 1.0), r"expects p to be in \(0, 1\), but got p=1"),
        (lambda g: draws.cauchy(g, (2,), sigma=-1), "expects sigma > 0.0, but found sigma=-1"),
        (lambda g: integer_draws.randint(g, (2,), 5, 5), "but got from=5 >= to=5"),
        (lambda g: integer_draws.randint(g, (2,), 0, 300, "uint8"), "to - 1 is out of bounds for"),
        (lambda g: integer_draws.randint(g, (2,), -1, 3, "bool"), "from is out of bounds for bool"),
        (lambda g: integer_draws.randperm(g, -1), "n must be non-negative, got -1"),
        (lambda g: integer_draws.multinomial(g, np.ones(3), 4), "without replacement"),
        (lambda g: integer_draws.multinomial(g, np.ones(3), 0), "cannot sample n_sample <= 0"),
        (lambda g: integer_draws.multinomial(g, np.ones((1, 1, 1)), 1), "must be 1 or 2 dim"),
        (lambda g: integer_draws.multinomial(g, np.ones(3, int), 1), "only supports floating"),
        (lambda g: integer_draws.multinomial(g, -np.ones(3), 1), "`inf`, `nan` or element < 0"),
        (lambda g: integer_draws.multinomial(g, np.zeros(3), 2), "sum of probabilities <= 0"),
        (lambda g: integer_draws.multinomial(g, np.zeros(3), 2, True), "sum of probabilities <= 0"),
        (lambda g: count_draws.poisson(g, np.array([-1.0])), "invalid Poisson rate"),
    ],
)
def test_an_impossible_draw_is_refused_in_pytorch_s_words(
    draw: Callable[[Generator], Any], message: str
) -> None:
    with pytest.raises(RuntimeError, match=message):
        draw(generator())

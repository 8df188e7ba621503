"""The generator of random numbers: MT19937, seeded, advanced and saved as PyTorch does on the CPU.

The Mersenne Twister is that of M. Matsumoto and T. Nishimura (ACM TOMACS 8, 1998). NumPy has the
same recurrence and the same seeding from 32 bits; the words come from there, at C speed.
"""

import os
import struct
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from funcgrad.compat.torch.dtypes import CPU, device

__all__ = ["DEFAULT_SEED", "STATE_BYTES", "Generator", "default_generator"]

DEFAULT_SEED = 67280421310721
"""The seed of a new `Generator`. The default generator starts from a seed of the system's."""

# The saved state, field by field: seed; words left before the next twist, whether it was seeded;
# place of the next word; 624 words of 64 bits; three doubles, of which the second is the cached
# normal number; whether that is valid; a cached float, whether that is valid (never on a CPU).
_HEAD, _WORDS, _TAIL = struct.Struct("<QiiQ"), 624, struct.Struct("<dddi4xfB3x")
STATE_BYTES = _HEAD.size + 8 * _WORDS + _TAIL.size

_HIGH, _MASK53, _TINY53 = np.uint64(32), np.uint64(2**53 - 1), 2.0**-53
_MASK24, _TINY24 = np.uint32(2**24 - 1), np.float32(2.0**-24)

_DEVICES = (
    "cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, xla, lazy, vulkan, "
    "mps, meta, hpu, mtia, privateuseone"
)


class Generator:
    """State of the random numbers: 624 words of MT19937 and the spare one of a pair of normals.

    Attributes:
        spare: the second normal number of the last pair drawn one by one, for the next such draw.

    Examples:
        >>> generator = Generator().manual_seed(0)
        >>> generator.words(2)
        array([2357136044, 2546248239], dtype=uint64)
        >>> saved = generator.get_state()
        >>> generator.words(1) == Generator().set_state(saved).words(1)
        array([ True])
    """

    __slots__ = ("__weakref__", "_bits", "_seed", "_seeder", "spare", "words")

    def __init__(self, device: Any = "cpu") -> None:
        _check_device(str(device))
        self._bits = np.random.MT19937(0)
        # Seeds the bits themselves, by the recurrence of 2002 that PyTorch uses too.
        self._seeder = np.random.RandomState(self._bits)
        # words(n): the next n words of 32 bits, as uint64.
        self.words = self._bits.random_raw
        self.spare: float | None = None
        self.manual_seed(DEFAULT_SEED)

    @property
    def device(self) -> device:
        """Where the numbers are made: always the CPU."""
        return CPU

    def manual_seed(self, seed: int) -> "Generator":
        """Start again from a seed, of which the low 32 bits count.

        Args:
            seed: from −2⁶³ to 2⁶⁴ − 1; a negative seed counts from 2⁶⁴.

        Raises:
            RuntimeError: it is no integer.
            ValueError: it has more than 64 bits.
        """
        if isinstance(seed, bool) or not hasattr(seed, "__index__"):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        seed = seed.__index__()
        if not -(2**63) <= seed < 2**64:
            raise ValueError("Overflow when unpacking long long")
        self._seed = seed % 2**64
        self._seeder.seed(self._seed & 0xFFFFFFFF)
        self.spare = None
        return self

    def seed(self) -> int:
        """Start again from a seed of the system's, and return it."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little"))
        return self._seed

    def initial_seed(self) -> int:
        """The seed this generator started from last."""
        return self._seed

    def get_state(self) -> NDArray[np.uint8]:
        """The state in PyTorch's format: 5056 bytes, as uint8 of shape (5056,)."""
        state: Any = self._bits.state["state"]
        place = int(state["pos"])
        # Words not yet twisted for the first time: PyTorch counts them as none left, none taken.
        if place == _WORDS and np.array_equal(state["key"], _seeded(self._seed)):
            head = _HEAD.pack(self._seed, 1, 1, 0)
        else:
            head = _HEAD.pack(self._seed, _WORDS + 1 - place, 1, place)
        spare = self.spare
        tail = _TAIL.pack(0.0, spare or 0.0, 0.0, spare is not None, 0.0, 0)
        key = state["key"].astype("<u8").tobytes()
        return np.frombuffer(head + key + tail, np.uint8).copy()

    def set_state(self, new_state: NDArray[np.uint8]) -> "Generator":
        """Go on from a state that `get_state`, or PyTorch's `get_rng_state`, gave.

        Raises:
            TypeError: the state is no array of uint8.
            RuntimeError: it has not 5056 bytes, or is no state of MT19937.
        """
        if getattr(new_state, "dtype", None) != np.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        if new_state.size != STATE_BYTES:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {STATE_BYTES} but found the input RNG "
                f"state size to be {new_state.size}"
            )
        data = new_state.tobytes()
        seed, left, seeded, place = _HEAD.unpack_from(data)
        if seeded != 1 or not 0 < left <= _WORDS or place > _WORDS:
            raise RuntimeError("Invalid mt19937 state")
        key = np.frombuffer(data, "<u8", _WORDS, _HEAD.size).astype(np.uint32)
        position = _WORDS if left == 1 else place
        self._bits.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": position}}
        self._seed = seed
        _, spare, _, has_spare, _, _ = _TAIL.unpack_from(data, STATE_BYTES - _TAIL.size)
        self.spare = spare if has_spare else None
        return self

    def clone_state(self) -> "Generator":
        """Another generator that goes on from the same state."""
        return Generator().set_state(self.get_state())

    def doubles(self, count: int) -> NDArray[np.float64]:
        """Uniform numbers on [0, 1): multiples of 2⁻⁵³, two words each."""
        values: NDArray[np.float64] = (self.longs(count) & _MASK53) * np.float64(_TINY53)
        return values

    def floats(self, count: int) -> NDArray[np.float32]:
        """Uniform numbers on [0, 1): multiples of 2⁻²⁴, one word each."""
        values = (self.words(count).astype(np.uint32) & _MASK24).astype(np.float32)
        values *= _TINY24
        return values

    def longs(self, count: int) -> NDArray[np.uint64]:
        """Integers of 64 bits, two words each, the high one first."""
        words = self.words(2 * count)
        return (words[0::2] << _HIGH) | words[1::2]

    def __setstate__(self, state: tuple[Any, Any, Any]) -> None:
        """Go on from what PyTorch pickles: seed, offset (of GPUs) and the state as a tensor."""
        self.set_state(np.asarray(state[2]))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.get_state())

    def __repr__(self) -> str:
        return f"<torch._C.Generator object at {id(self):#x}>"


@cache
def default_generator() -> Generator:
    """The generator that draws use when they are given none.

    It starts from a seed of the system's. It is made when it is first asked for: importing
    `numpy.random` takes longer than the rest of this package.
    """
    generator = Generator()
    generator.seed()
    return generator


def _check_device(device: str) -> None:
    kind = device.partition(":")[0]
    if kind == "cpu":
        return
    if kind not in _DEVICES.split(", "):
        raise RuntimeError(
            f"Expected one of {_DEVICES} device type at start of device string: {kind}"
        )
    raise RuntimeError(
        f"Cannot get {kind.upper()} generator without ATen_{kind} library. This package computes "
        "on the CPU; use torch.Generator() or torch.Generator(device='cpu')."
    )


def _seeded(seed: int) -> NDArray[np.uint32]:
    """The words of MT19937 right after it was seeded."""
    state: Any = np.random.RandomState(seed & 0xFFFFFFFF).get_state()
    return np.asarray(state[1], np.uint32)


def _restored(kind: type[Generator], state: NDArray[np.uint8]) -> Generator:
    return kind().set_state(state)

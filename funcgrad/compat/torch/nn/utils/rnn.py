"""`torch.nn.utils.rnn`: batches of sequences of several lengths, padded and packed."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.tensor import Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]

UNSORTED = (
    "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can "
    "pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this "
    "requirement if you do not need ONNX exportability."
)


class PackedSequence_(NamedTuple):
    """The fields of a packed sequence."""

    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


class PackedSequence(PackedSequence_):
    """Sequences of several lengths, one step below the other, without padding.

    Attributes:
        data: the elements: those of step 0 of all sequences, then those of step 1, ...
        batch_sizes: number of sequences that have each step, int64.
        sorted_indices: which of the user's sequences each one is, longest first; `None`: as given.
        unsorted_indices: the inverse permutation.
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Any,
        batch_sizes: Any = None,
        sorted_indices: Any = None,
        unsorted_indices: Any = None,
    ) -> "PackedSequence":
        """Put together, from the fields or from a pair (data, batch_sizes)."""
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            assert isinstance(data, list | tuple), "Expected data to be a list or tuple of length 2"
            assert len(data) == 2, "Expected data to be a list or tuple of length 2"
            data, batch_sizes = data
        elif batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be "
                "created manually. They should be instantiated by functions like pack_sequence and "
                "pack_padded_sequences in nn.utils.rnn. "
                "https://pytorch.org/docs/stable/nn.html#torch.nn.utils.rnn.pack_sequence"
            )
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> "PackedSequence":
        """With its data of another type, or on another device."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        places = {key: one for key, one in kwargs.items() if key not in ("device", "dtype")}
        indices = (
            None if one is None else one.to(data.device, **places)
            for one in (self.sorted_indices, self.unsorted_indices)
        )
        return type(self)(data, self.batch_sizes, *indices)

    def cuda(self, *args: Any, **kwargs: Any) -> "PackedSequence":
        """On a graphics processor: refused, as by tensors."""
        return self.to(*args, device=kwargs.pop("device", "cuda"), **kwargs)

    def cpu(self, *args: Any, **kwargs: Any) -> "PackedSequence":
        """On the processor: itself."""
        return self.to(*args, device="cpu", **kwargs)

    def pin_memory(self) -> "PackedSequence":
        """With its data in pinned memory, where there is an accelerator."""
        return type(self)(self.data.pin_memory(), *self[1:])

    def double(self) -> "PackedSequence":
        """With float64 data."""
        return _typed(self, "double")

    def float(self) -> "PackedSequence":
        """With float32 data."""
        return _typed(self, "float")

    def half(self) -> "PackedSequence":
        """With float16 data."""
        return _typed(self, "half")

    def long(self) -> "PackedSequence":
        """With int64 data."""
        return _typed(self, "long")

    def int(self) -> "PackedSequence":
        """With int32 data."""
        return _typed(self, "int")

    def short(self) -> "PackedSequence":
        """With int16 data."""
        return _typed(self, "short")

    def char(self) -> "PackedSequence":
        """With int8 data."""
        return _typed(self, "char")

    def byte(self) -> "PackedSequence":
        """With uint8 data."""
        return _typed(self, "byte")

    @property
    def is_cuda(self) -> bool:
        """Always false."""
        return bool(self.data.is_cuda)

    def is_pinned(self) -> bool:
        """Whether the data is in pinned memory."""
        return bool(self.data.is_pinned())


def _typed(packed: PackedSequence, name: str) -> PackedSequence:
    """With data of the type that a method of tensors gives."""
    return packed.to(dtype=getattr(packed.data, name)().dtype)


def invert_permutation(permutation: Any) -> Any:
    """The permutation that undoes another: q with q[p[i]] = i."""
    if permutation is None:
        return None
    inverse = np.empty_like(permutation._value)
    inverse[permutation._value] = np.arange(permutation._value.size)
    return made(inverse)


def _lengths_of(lengths: Any) -> Any:
    """Lengths as a vector of int64."""
    values = lengths._value if isinstance(lengths, Tensor) else np.asarray(lengths)
    values = values.astype(np.int64)
    if values.ndim != 1:
        raise RuntimeError(
            "'lengths' argument should be a 1D CPU int64 tensor, but got "
            f"{values.ndim}D cpu Long tensor"
        )
    return values


def _packed(x: Any, *, sizes: tuple[int, ...], batch_first: bool) -> Any:
    """The first rows of each step below each other."""
    if batch_first:
        x = fnp.swapaxes(x, 0, 1)
    return fnp.concatenate([x[step, :count] for step, count in enumerate(sizes)])


def _unpacked(x: Any, *, sizes: tuple[int, ...], length: int, fill: float) -> Any:
    """(steps, batch, ...) from the rows of the steps, `fill` elsewhere."""
    batch = sizes[0]
    within = np.arange(batch) < np.array([*sizes, *(0,) * (length - len(sizes))])[:, None]
    places = np.zeros((length, batch), np.intp)
    places[within] = np.arange(sum(sizes))
    shown = within.reshape(length, batch, *(1,) * (len(x.shape) - 1))
    return fnp.where(shown, x[places], np.asarray(fill, x.dtype))


pack_op = Op("PackPaddedSequenceBackward0", _packed)
unpack_op = Op("CopySlices", _unpacked)


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack a padded batch.

    Args:
        input: (steps, batch, ...), or with `batch_first` (batch, steps, ...).
        lengths: of the sequences.
        batch_first: which of the first two axes is that of the batch.
        enforce_sorted: whether the sequences have to be ordered by decreasing length; otherwise
            they are sorted here.
    """
    counts = _lengths_of(lengths)
    order = None
    if not enforce_sorted:
        ranked = np.argsort(-counts, kind="stable")
        order, counts = made(ranked), counts[ranked]
        input = input.index_select(0 if batch_first else 1, order)
    if not input._value.size:
        raise RuntimeError("Cannot pack empty tensors.")
    batch, steps = input.size(1 - batch_first), input.size(int(batch_first))
    if counts.size != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {counts.size} "
            f"(batch_size={batch})"
        )
    if np.any(counts <= 0):
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    if np.any(np.diff(counts) > 0):
        raise RuntimeError(UNSORTED)
    sizes = np.sum(np.arange(counts[0])[:, None] < counts, axis=1)
    if counts[0] > steps:
        raise RuntimeError(
            f"Expected lengths of at most {steps}, the number of steps, but got {counts[0]}"
        )
    data = pack_op(input, sizes=tuple(sizes.tolist()), batch_first=batch_first)
    return PackedSequence(data, made(sizes), order)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Any, Any]:
    """The padded batch of a packed sequence, and the lengths.

    Args:
        sequence: what to unpack.
        batch_first: whether the axis of the batch comes first.
        padding_value: what stands behind the end of a sequence.
        total_length: number of steps; by default that of the longest sequence.
    """
    sizes = tuple(sequence.batch_sizes.tolist())
    longest = len(sizes)
    if total_length is not None and total_length < longest:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but "
            f"got total_length={total_length} and max sequence length being {longest}"
        )
    length = longest if total_length is None else total_length
    padded = unpack_op(sequence.data, sizes=sizes, length=length, fill=padding_value)
    counts: Any = made(np.sum(np.array(sizes)[:, None] > np.arange(sizes[0]), axis=0))
    if batch_first:
        padded = padded.transpose(0, 1)
    order = sequence.unsorted_indices
    if order is not None:
        padded = padded.index_select(0 if batch_first else 1, order)
        counts = counts[order]
    return padded, counts


def _padded(*xs: Any, side: str, fill: float, batch_first: bool) -> Any:
    length = max(x.shape[0] for x in xs)
    parts = []
    for x in xs:
        missing = length - x.shape[0]
        if missing:
            rest = np.full((missing, *x.shape[1:]), fill, x.dtype)
            x = fnp.concatenate([x, rest] if side == "right" else [rest, x])
        parts.append(x)
    return fnp.stack(parts, axis=0 if batch_first else 1)


pad_op = Op("CopySlices", _padded)


def pad_sequence(
    sequences: Any,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Any:
    """Sequences of several lengths (nᵢ, ...) in one array, padded to the longest.

    Args:
        sequences: the tensors.
        batch_first: whether the axis of the batch comes first.
        padding_value: what is filled in.
        padding_side: where it stands: "right" or "left".
    """
    if isinstance(sequences, Tensor):
        sequences = tuple(sequences)
    elif not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    parts = tuple(sequences)
    if not parts:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("right", "left"):
        raise RuntimeError(
            f"Expected padding_side to be one of left or right, but got {padding_side}."
        )
    _check_rest(parts)
    first = parts[0].dtype
    parts = tuple(one if one.dtype is first else one.to(first) for one in parts)
    return pad_op(*parts, side=padding_side, fill=padding_value, batch_first=batch_first)


def _check_rest(parts: Sequence[Any]) -> None:
    """Refuse sequences whose elements have several shapes."""
    rest = parts[0]._value.shape[1:]
    for one in parts:
        if not one._value.ndim:
            raise RuntimeError("ArrayRef: invalid slice, N = 1; size = 0")
        for axis, (a, b) in enumerate(zip(rest, one._value.shape[1:], strict=False), 1):
            if b not in (a, 1):
                raise RuntimeError(
                    f"The size of tensor a ({a}) must match the size of tensor b ({b}) at "
                    f"non-singleton dimension {axis}"
                )


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Any]:
    """The sequences of a padded batch, without what was filled in at their right.

    Args:
        padded_sequences: (steps, batch, ...), or with `batch_first` (batch, steps, ...).
        lengths: of the sequences.
        batch_first: which of the first two axes is that of the batch.
    """
    counts = lengths.tolist() if isinstance(lengths, Tensor) else _refuse_list(lengths)
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    steps = np.arange(padded_sequences._value.shape[1])
    return [one[made(steps < count)] for one, count in zip(padded_sequences, counts, strict=False)]


def _refuse_list(lengths: Any) -> Any:
    raise AttributeError(f"'{type(lengths).__name__}' object has no attribute 'device'")


def pack_sequence(sequences: Any, enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences of several lengths.

    Args:
        sequences: tensors (nᵢ, ...), by decreasing length if `enforce_sorted`.
        enforce_sorted: whether they have to be ordered so; otherwise they are sorted here.
    """
    lengths = [one.size(0) for one in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Any]:
    """The sequences that were packed."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)

"""What does not fit in convolutions, pools and columns, refused in PyTorch's words."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NoReturn

from funcgrad.compat.torch.arguments import kind_of
from funcgrad.compat.torch.nn.common import scalar_name

__all__ = [
    "check_bias_type",
    "check_columns",
    "check_columns_of",
    "check_convolution_types",
    "convolved_sizes",
    "not_tensors",
    "pair_of",
    "sizes_given",
    "transposed_sizes",
]

Ints = tuple[int, ...]

NAMES = ("depth", "height", "width")


def _times(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))


# --- sizes as arguments -----------------------------------------------------------------------


def sizes_given(function: str, word: str, place: int, value: Any, axes: int) -> Ints:
    """Whole numbers for each axis, from one for all of them or from a sequence of any length.

    Raises:
        TypeError: for anything else.
    """
    if type(value) is int:
        return (value,) * axes
    if isinstance(value, tuple | list):
        for at, one in enumerate(value):
            if not hasattr(one, "__index__"):
                raise TypeError(
                    f"{function}(): argument '{word}' (position {place}) must be tuple of ints, "
                    f"but found element of type {type(one).__name__} at pos {at}"
                )
        found = tuple([int(one) for one in value])
        return found * axes if len(found) == 1 else found
    if not hasattr(value, "__index__"):
        raise TypeError(
            f"{function}(): argument '{word}' (position {place}) must be tuple of ints, not "
            f"{type(value).__name__}"
        )
    return (int(value),) * axes


def pair_of(function: str, word: str, place: int, value: Any) -> Ints:
    """Two numbers, for `fold` and `unfold`.

    Raises:
        RuntimeError: for another number of them.
    """
    if isinstance(value, tuple | list):
        if len(value) != 2:
            raise RuntimeError(f"It is expected {word} equals to 2, but got size {len(value)}")
    elif not hasattr(value, "__index__"):
        value = (value, value)
    return sizes_given(function, word, place, value, 2)


# --- convolutions -----------------------------------------------------------------------------


def _check_shapes(name: str, found: Ints, shape: Ints, options: dict[str, Ints]) -> None:
    """Refuse numbers of axes, and options, that no convolution has."""
    axes = int(name[-2])
    if len(found) not in (axes + 1, axes + 2):
        raise RuntimeError(
            f"Expected {axes + 1}D (unbatched) or {axes + 2}D (batched) input to {name}, but got "
            f"input of size: {list(found)}"
        )
    if len(shape) < 3:
        raise RuntimeError("weight should have at least three dimensions")
    count = len(shape) - 2
    for word, given in options.items():
        if len(given) not in (1, count):
            raise RuntimeError(
                f"expected {word} to be a single integer value or a list of {count} values to "
                f"match the convolution dimensions, but got {word}={list(given)}"
            )
    if count != axes:
        lead = [1, *found] if len(found) == axes + 1 else list(found)
        raise RuntimeError(
            f"Expected {count + 2}-dimensional input for {count + 2}-dimensional weight "
            f"{list(shape)}, but got {axes + 2}-dimensional input of size {lead} instead"
        )
    if min(options["padding"]) < 0:
        raise RuntimeError("negative padding is not supported")
    if min(options.get("output_padding", (0,))) < 0:
        raise RuntimeError("negative output_padding is not supported")
    if min(options["stride"]) <= 0:
        raise RuntimeError("non-positive stride is not supported")
    if min(options["dilation"]) < 0:
        raise RuntimeError("dilation should be greater than zero")


def _check_channels(
    found: Ints, shape: Ints, bias: Ints | None, groups: int, *, flipped: bool
) -> None:
    """Refuse channels that differ."""
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    if shape[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but "
            f"got weight of size {list(shape)} instead"
        )
    if shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size [{list(shape)}] instead"
        )
    wanted = shape[0] if flipped else shape[1] * groups
    if found[1] != wanted:
        given = "transposed=1" if flipped else f"groups={groups}"
        raise RuntimeError(
            f"Given {given}, weight of size {list(shape)}, expected input{list(found)} to have "
            f"{wanted} channels, but got {found[1]} channels instead"
        )
    channels = shape[1] * groups if flipped else shape[0]
    if bias is not None and bias != (channels,):
        raise RuntimeError(
            f"Given {'transposed=1, ' if flipped else ''}weight of size {list(shape)}, expected "
            f"bias to be 1-dimensional with {channels} elements, but got bias of size "
            f"{list(bias)} instead"
        )


def _check_kernel(kernel: Ints) -> None:
    if min(kernel) > 0:
        return
    if len(kernel) == 3:
        shown = f": {_times(kernel)} (TxHxW)"
    else:
        height, width = (1, *kernel)[-2:]
        shown = f" kernel_height: {height} kernel_width: {width}"
    raise RuntimeError(f"kernel size should be greater than zero, but got{shown}")


@lru_cache(maxsize=512)
def convolved_sizes(
    name: str,
    found: Ints,
    shape: Ints,
    bias: Ints | None,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    groups: int,
) -> Ints:
    """Sizes of the result of a convolution.

    Args:
        name: of the function.
        found: shape of the input.
        shape: of the weight.
        bias: its shape.
        stride: of the windows.
        padding: on both sides.
        dilation: of the windows.
        groups: of channels.

    Raises:
        RuntimeError: for what does not fit.
    """
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    _check_shapes(name, found, shape, options)
    if len(found) == len(shape) - 1:
        found = (1, *found)
    _check_channels(found, shape, bias, groups, flipped=False)
    kernel = shape[2:]
    sizes = [n + 2 * p for n, p in zip(found[2:], padding, strict=True)]
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    if any(n < r for n, r in zip(sizes, reach, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({_times(sizes)}). Kernel size: "
            f"({_times(reach)}). Kernel size can't be greater than actual input size"
        )
    _check_kernel(kernel)
    if min(dilation) <= 0:
        shown = [1, *dilation] if len(dilation) == 1 else list(dilation)
        raise RuntimeError(f"dilation should be greater than zero, but got {shown}")
    return tuple((n - r) // s + 1 for n, r, s in zip(sizes, reach, stride, strict=True))


@lru_cache(maxsize=512)
def transposed_sizes(
    name: str,
    found: Ints,
    shape: Ints,
    bias: Ints | None,
    stride: Ints,
    padding: Ints,
    extra: Ints,
    dilation: Ints,
    groups: int,
) -> Ints:
    """Sizes of the result of a transposed convolution.

    Args:
        name: of the function.
        found: shape of the input.
        shape: of the weight.
        bias: its shape.
        stride: of the convolution.
        padding: of the convolution.
        extra: added at the end.
        dilation: of the convolution.
        groups: of channels.

    Raises:
        RuntimeError: for what does not fit.
    """
    options = {"stride": stride, "padding": padding, "dilation": dilation, "output_padding": extra}
    _check_shapes(name, found, shape, options)
    if len(found) == len(shape) - 1:
        found = (1, *found)
    _check_channels(found, shape, bias, groups, flipped=True)
    kernel = shape[2:]
    _check_kernel(kernel)
    names = NAMES[-max(len(kernel), 2) :]
    if min(dilation) <= 0:
        given = zip(names, ((1,) * len(names) + dilation)[-len(names) :], strict=True)
        shown = ", ".join(f"dilation_{one}: {n}" for one, n in given)
        raise RuntimeError(f"dilation should be greater than zero, but got {shown}")
    rows = zip(found[2:], stride, padding, dilation, kernel, extra, strict=True)
    out = tuple((n - 1) * s - 2 * p + d * (k - 1) + e + 1 for n, s, p, d, k, e in rows)
    if not found[0]:
        return out
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        _refuse_extra(extra, stride, dilation)
    if 0 in found[2:]:
        lead = [*found[:2], 1, *found[2:]] if len(kernel) == 1 else list(found)
        raise RuntimeError(
            f"Only zero batch or zero channel inputs are supported, but got input shape: {lead}"
        )
    if min(out) < 1:
        one = () if len(kernel) > 1 else (1,)
        raise RuntimeError(
            f"Given input size per channel: ({_times(one + found[2:])}). Calculated output size "
            f"per channel: ({_times(one + out)}). Output size is too small"
        )
    return out


def _refuse_extra(extra: Ints, stride: Ints, dilation: Ints) -> NoReturn:
    words = (("output_padding", extra, 0), ("stride", stride, 1), ("dilation", dilation, 1))
    names = NAMES[-max(len(extra), 2) :]
    shown = " ".join(
        f"{word}_{one}: {n}"
        for word, given, usual in words
        for one, n in zip(names, (usual,) * (len(names) - len(given)) + given, strict=True)
    )
    raise RuntimeError(
        f"output padding must be smaller than either stride or dilation, but got {shown}"
    )


def check_bias_type(x: Any, bias: Any) -> None:
    """Refuse a bias of another type than the input."""
    if bias is not None and bias.dtype is not x.dtype:
        raise RuntimeError(
            f"Input type ({x.dtype.c_name}) and bias type ({bias.dtype.c_name}) should be the same"
        )


def check_convolution_types(x: Any, weight: Any, bias: Any, *, flipped: bool) -> None:
    """Refuse an input and parameters of different types."""
    if not flipped:
        check_bias_type(x, bias)
    if weight.dtype is not x.dtype:
        raise RuntimeError(
            f"expected scalar type {scalar_name(x.dtype)} but found {scalar_name(weight.dtype)}"
        )


def not_tensors(name: str, *given: Any) -> TypeError:
    """The error for arguments that are no tensors."""
    if "transpose" in name:
        place = 1 if not hasattr(given[0], "_value") else 2
        word = ("input", "weight")[place - 1]
        found = kind_of(given[place - 1])
        return TypeError(
            f"{name}(): argument '{word}' (position {place}) must be Tensor, not {found}"
        )
    shown = ", ".join(map(kind_of, given))
    return TypeError(
        f"{name}() received an invalid combination of arguments - got ({shown}), but expected one "
        "of:\n * (Tensor input, Tensor weight, Tensor bias = None, tuple of ints stride, tuple of "
        "ints padding, ...)"
    )


# --- columns ----------------------------------------------------------------------------------


def _check_options(kernel: Ints, dilation: Ints, padding: Ints, stride: Ints) -> None:
    """Refuse what no window has."""
    for what, word, given in (
        ("kernel size", "kernel", kernel), ("dilation", "dilation", dilation),
    ):  # fmt: skip
        if min(given) <= 0:
            raise _no_pair(what, word, given, "greater than zero")
    if min(padding) < 0:
        raise _no_pair("padding", "pad", padding, "non-negative")
    if min(stride) <= 0:
        raise _no_pair("stride", "stride", stride, "greater than zero")


def _no_pair(what: str, word: str, given: Ints, wanted: str) -> RuntimeError:
    return RuntimeError(
        f"{what} should be {wanted}, but got {word}_height: {given[0]} {word}_width: {given[1]}"
    )


def check_columns_of(
    shape: Ints, kernel: Ints, dilation: Ints, padding: Ints, stride: Ints
) -> None:
    """Refuse images that have no columns.

    Raises:
        IndexError: for fewer axes than an image has.
        RuntimeError: for sizes that fit no window.
    """
    rank = len(shape)
    if rank < 3:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], but got "
            f"{rank})"
        )
    _check_options(kernel, dilation, padding, stride)
    if rank > 4 or 0 in shape[rank - 3 :]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(shape)}"
        )
    rows = zip(shape[-2:], kernel, dilation, padding, stride, strict=True)
    counts = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, d, p, s in rows)
    if min(counts) < 1:
        raise RuntimeError(
            f"Given input with spatial size {shape[-2:]}, kernel_size={kernel}, "
            f"dilation={dilation}, padding={padding}, calculated shape of the array of sliding "
            f"blocks as {counts}, but its components must be at least one."
        )


def check_columns(shape: Ints, kernel: Ints, dilation: Ints, padding: Ints, stride: Ints) -> None:
    """Refuse what are no columns of windows.

    Raises:
        RuntimeError: for other numbers of axes, and of elements of a column.
    """
    _check_options(kernel, dilation, padding, stride)
    if len(shape) not in (2, 3) or 0 in shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and "
            f"non-zero dimensions for input, but got: {list(shape)}"
        )
    if shape[-2] % (kernel[0] * kernel[1]):
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
            f"but got input.size(1)={shape[-2]} and kernel_size={kernel}."
        )

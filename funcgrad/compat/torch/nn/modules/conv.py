"""`torch.nn.modules.conv`: convolutions and their transposes, in one to three dimensions."""

import math
from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.constructors import empty
from funcgrad.compat.torch.grad_mode import no_grad
from funcgrad.compat.torch.nn import init
from funcgrad.compat.torch.nn.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from funcgrad.compat.torch.nn.modules.families import of_family
from funcgrad.compat.torch.nn.modules.lazy import LazyModuleMixin
from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.nn.modules.utils import _ntuple, _reverse_repeat_tuple
from funcgrad.compat.torch.nn.padding import pad
from funcgrad.compat.torch.nn.parameter import Parameter, UninitializedParameter

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]

STRINGS = {"same", "valid"}
MODES = {"zeros", "reflect", "replicate", "circular"}


class _ConvNd(Module):
    """What all have: sizes, the kernel and the bias of each channel."""

    __constants__ = [  # noqa: RUF012  # PyTorch's name and type
        "stride", "padding", "dilation", "groups", "padding_mode", "output_padding", "in_channels",
        "out_channels", "kernel_size",
    ]  # fmt: skip

    _axes = 0
    _function: Any = None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: Any,
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ValueError(f"{name} must be divisible by groups")
        if isinstance(padding, str):
            if padding not in STRINGS:
                raise ValueError(
                    f"Invalid padding string {padding!r}, should be one of {{'same', 'valid'}}"
                )
            if padding == "same" and any(step != 1 for step in stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in MODES:
            raise ValueError(
                "padding_mode must be one of {'zeros', 'reflect', 'replicate', 'circular'}, but "
                f"got padding_mode='{padding_mode}'"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        self._reversed_padding_repeated_twice = self._border()
        first, second = (in_channels, out_channels) if transposed else (out_channels, in_channels)
        shape = (first, second // groups, *kernel_size)
        self.weight = Parameter(empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _border(self) -> Any:
        """The padding as `F.pad` takes it."""
        if not isinstance(self.padding, str):
            return _reverse_repeat_tuple(self.padding, 2)
        border = [0, 0] * len(self.kernel_size)
        if self.padding == "same":
            for i, (size, step) in enumerate(
                zip(reversed(self.kernel_size), reversed(self.dilation), strict=False)
            ):
                total = step * (size - 1)
                border[2 * i : 2 * i + 2] = total // 2, total - total // 2
        return border

    def reset_parameters(self) -> None:
        """Draw both from the uniform distribution on ±1 / √(elements of a window)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    @override
    def extra_repr(self) -> str:
        given = {
            "padding": self.padding != (0,) * len(self.padding),
            "dilation": self.dilation != (1,) * len(self.dilation),
            "output_padding": self.output_padding != (0,) * len(self.output_padding),
            "groups": self.groups != 1,
        }
        words = [
            f"{self.in_channels}, {self.out_channels}",
            f"kernel_size={self.kernel_size}",
            f"stride={self.stride}",
            *(f"{name}={getattr(self, name)}" for name, shown in given.items() if shown),
        ]
        if self.bias is None:
            words.append("bias=False")
        if self.padding_mode != "zeros":
            words.append(f"padding_mode={self.padding_mode}")
        return ", ".join(words)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("padding_mode", "zeros")


class _Conv(_ConvNd):
    """Σ over channels and places of the kernel of weight · window, plus bias.

    Args:
        in_channels: of the input, (N, C, ...) or (C, ...).
        out_channels: of the result.
        kernel_size: of the window.
        stride: of the windows.
        padding: on both sides, or "same" (the result as long as the input) or "valid" (none).
        dilation: distance of the elements of a window.
        groups: of channels, each of which is convolved by itself.
        bias: whether there is one.
        padding_mode: "zeros", "reflect", "replicate" or "circular".
        device: where the parameters are.
        dtype: type of the parameters.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        each = _ntuple(self._axes)
        super().__init__(
            in_channels, out_channels, each(kernel_size), each(stride),
            padding if isinstance(padding, str) else each(padding), each(dilation), False, each(0),
            groups, bias, padding_mode, device, dtype,
        )  # fmt: skip

    def _conv_forward(self, input: Any, weight: Any, bias: Any) -> Any:
        """The convolution with other parameters."""
        if self.padding_mode == "zeros":
            return self._function(
                input, weight, bias, self.stride, self.padding, self.dilation, self.groups
            )
        wide = pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
        return self._function(wide, weight, bias, self.stride, 0, self.dilation, self.groups)

    @override
    def forward(self, input: Any) -> Any:
        """The convolution."""
        return self._conv_forward(input, self.weight, self.bias)


@of_family
class Conv1d(_Conv):
    """Convolution of (N, C, L) or (C, L)."""

    _axes = 1
    _function = staticmethod(conv1d)


@of_family
class Conv2d(_Conv):
    """Convolution of (N, C, H, W) or (C, H, W)."""

    _axes = 2
    _function = staticmethod(conv2d)


@of_family
class Conv3d(_Conv):
    """Convolution of (N, C, D, H, W) or (C, D, H, W)."""

    _axes = 3
    _function = staticmethod(conv3d)


class _ConvTransposeNd(_ConvNd):
    """What transposed convolutions have: the length of the result may be chosen."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        mode = kwargs.get("padding_mode", args[10] if len(args) > 10 else "zeros")
        if mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(*args, **kwargs)

    def _output_padding(
        self,
        input: Any,
        output_size: Any,
        stride: tuple[int, ...],
        padding: tuple[int, ...],
        kernel_size: tuple[int, ...],
        num_spatial_dims: int,
        dilation: tuple[int, ...] | None = None,
    ) -> Any:
        """What is added at the end, so that the result has the size asked for.

        Raises:
            ValueError: for a size that no input of this length has.
        """
        if output_size is None:
            return tuple(self.output_padding)
        lead = 2 if input.dim() == num_spatial_dims + 2 else 1
        whole = lead + num_spatial_dims
        if len(output_size) == whole:
            output_size = output_size[lead:]
        if len(output_size) != num_spatial_dims:
            raise ValueError(
                f"ConvTranspose{num_spatial_dims}D: for {input.dim()}D input, output_size must "
                f"have {num_spatial_dims} or {whole} elements (got {len(output_size)})"
            )
        reach = (1,) * num_spatial_dims if dilation is None else dilation
        rows = zip(input.shape[lead:], stride, padding, reach, kernel_size, strict=False)
        least = [(n - 1) * s - 2 * p + d * (k - 1) + 1 for n, s, p, d, k in rows]
        most = [n + s - 1 for n, s in zip(least, stride, strict=False)]
        for size, low, high in zip(output_size, least, most, strict=False):
            if not low <= size <= high:
                raise ValueError(
                    f"requested an output size of {output_size}, but valid sizes range from "
                    f"{least} to {most} (for an input of {input.size()[2:]})"
                )
        return [size - low for size, low in zip(output_size, least, strict=False)]


class _ConvTranspose(_ConvTransposeNd):
    """The transpose of a convolution, plus bias.

    Args:
        in_channels: of the input, (N, C, ...) or (C, ...).
        out_channels: of the result.
        kernel_size: of the convolution.
        stride: of the convolution.
        padding: of the convolution.
        output_padding: how much longer the result is at its end.
        groups: of channels.
        bias: whether there is one.
        dilation: of the convolution.
        padding_mode: "zeros".
        device: where the parameters are.
        dtype: type of the parameters.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        each = _ntuple(self._axes)
        super().__init__(
            in_channels, out_channels, each(kernel_size), each(stride), each(padding),
            each(dilation), True, each(output_padding), groups, bias, padding_mode, device, dtype,
        )  # fmt: skip

    @override
    def forward(self, input: Any, output_size: Any = None) -> Any:
        """The transposed convolution.

        Args:
            input: (N, C, ...) or (C, ...).
            output_size: of the result: of several sizes that the convolution makes this input from.
        """
        added = self.output_padding
        if output_size is not None:
            added = self._output_padding(
                input, output_size, self.stride, self.padding, self.kernel_size, self._axes,
                self.dilation,
            )  # fmt: skip
        return self._function(
            input, self.weight, self.bias, self.stride, self.padding, added, self.groups,
            self.dilation,
        )  # fmt: skip


@of_family
class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution of (N, C, L) or (C, L)."""

    _axes = 1
    _function = staticmethod(conv_transpose1d)


@of_family
class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution of (N, C, H, W) or (C, H, W)."""

    _axes = 2
    _function = staticmethod(conv_transpose2d)


@of_family
class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution of (N, C, D, H, W)."""

    _axes = 3
    _function = staticmethod(conv_transpose3d)


# --- with channels that the first input tells -------------------------------------------------


class _LazyConvXdMixin(LazyModuleMixin):
    """The part of a convolution that learns `in_channels` from its first input."""

    in_channels: int
    out_channels: int
    groups: int
    transposed: bool
    kernel_size: tuple[int, ...]
    _axes: int

    def reset_parameters(self) -> None:
        """Draw, as soon as there are shapes."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()  # type: ignore[misc]  # of the convolution behind it

    def _leave_open(self, bias: bool, out_channels: int, device: Any, dtype: Any) -> None:
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    @override
    def initialize_parameters(self, input: Any, *args: Any, **kwargs: Any) -> None:
        """Shapes from the channels of the input, and the first draw; after loading only shapes."""
        if self.has_uninitialized_params():
            self.in_channels = self._get_in_channels(input)
            if self.in_channels % self.groups:
                raise ValueError("in_channels must be divisible by groups")
            if self.transposed:
                channels = self.in_channels, self.out_channels // self.groups
            else:
                channels = self.out_channels, self.in_channels // self.groups
            with no_grad():
                self.weight.materialize((*channels, *self.kernel_size))
                if self.bias is not None:
                    self.bias.materialize((self.out_channels,))
            self.reset_parameters()

    def _get_in_channels(self, input: Any) -> int:
        """How many channels an input has."""
        lead = self._axes + 1
        if input.dim() not in (lead, lead + 1):
            raise RuntimeError(
                f"Expected {lead}D (unbatched) or {lead + 1}D (batched) input to "
                f"{type(self).__name__}, but got input of size: {input.shape}"
            )
        return int(input.shape[input.dim() - lead])


class _LazyConv(_LazyConvXdMixin):
    """A convolution that learns `in_channels` from its first input; else the same arguments."""

    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode)
        self._leave_open(bias, out_channels, device, dtype)


@of_family
class LazyConv1d(_LazyConv, Conv1d):
    """`Conv1d` whose channels the first input tells."""

    cls_to_become = Conv1d


@of_family
class LazyConv2d(_LazyConv, Conv2d):
    """`Conv2d` whose channels the first input tells."""

    cls_to_become = Conv2d


@of_family
class LazyConv3d(_LazyConv, Conv3d):
    """`Conv3d` whose channels the first input tells."""

    cls_to_become = Conv3d


class _LazyConvTranspose(_LazyConvXdMixin):
    """A transposed convolution that learns `in_channels` from its first input."""

    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation,
            padding_mode,
        )  # fmt: skip
        self._leave_open(bias, out_channels, device, dtype)


@of_family
class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """`ConvTranspose1d` whose channels the first input tells."""

    cls_to_become = ConvTranspose1d


@of_family
class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """`ConvTranspose2d` whose channels the first input tells."""

    cls_to_become = ConvTranspose2d


@of_family
class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """`ConvTranspose3d` whose channels the first input tells."""

    cls_to_become = ConvTranspose3d

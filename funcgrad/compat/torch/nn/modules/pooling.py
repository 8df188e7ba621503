"""`torch.nn.modules.pooling`: maxima, means and norms of windows, and maxima put back."""

from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.nn import adaptive_pooling as adaptive
from funcgrad.compat.torch.nn import fractional, pooling, unpooling
from funcgrad.compat.torch.nn.modules.families import of_family
from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.nn.modules.utils import _ntuple

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class _MaxPoolNd(Module):
    """Largest elements of windows.

    Args:
        kernel_size: of the window.
        stride: between windows; by default the kernel's size.
        padding: with -inf on both sides.
        dilation: distance of the elements of a window.
        return_indices: whether to give the places of the maxima too.
        ceil_mode: whether a window may end outside.
    """

    __constants__ = [  # noqa: RUF012  # PyTorch's name and type
        "kernel_size", "stride", "padding", "dilation", "return_indices", "ceil_mode",
    ]  # fmt: skip

    _function: Any = None

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    @override
    def forward(self, input: Any) -> Any:
        """The maxima of (N, C, ...) or (C, ...)."""
        return self._function(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
            self.return_indices,
        )  # fmt: skip

    @override
    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


@of_family
class MaxPool1d(_MaxPoolNd):
    """Maxima of windows of (N, C, L) or (C, L)."""

    _function = staticmethod(pooling.max_pool1d)


@of_family
class MaxPool2d(_MaxPoolNd):
    """Maxima of windows of (N, C, H, W) or (C, H, W)."""

    _function = staticmethod(pooling.max_pool2d)


@of_family
class MaxPool3d(_MaxPoolNd):
    """Maxima of windows of (N, C, D, H, W) or (C, D, H, W)."""

    _function = staticmethod(pooling.max_pool3d)


class _MaxUnpoolNd(Module):
    """Zeros, but the maxima of a pool at the places that it found them in.

    Args:
        kernel_size: of the pool.
        stride: of the pool.
        padding: of the pool.
    """

    _axes = 0
    _function: Any = None

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        each = _ntuple(self._axes)
        self.kernel_size = each(kernel_size)
        self.stride = each(stride if stride is not None else kernel_size)
        self.padding = each(padding)

    @override
    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        """The pool's input, as far as it is known.

        Args:
            input: maxima.
            indices: their places.
            output_size: of the result: one of several that the pool makes this input from.
        """
        return self._function(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    @override
    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


@of_family
class MaxUnpool1d(_MaxUnpoolNd):
    """Maxima put back in place, as (N, C, L) or (C, L)."""

    _axes = 1
    _function = staticmethod(unpooling.max_unpool1d)


@of_family
class MaxUnpool2d(_MaxUnpoolNd):
    """Maxima put back in place, as (N, C, H, W) or (C, H, W)."""

    _axes = 2
    _function = staticmethod(unpooling.max_unpool2d)


@of_family
class MaxUnpool3d(_MaxUnpoolNd):
    """Maxima put back in place, as (N, C, D, H, W)."""

    _axes = 3
    _function = staticmethod(unpooling.max_unpool3d)


class _AvgPoolNd(Module):
    """What pools of means show of themselves."""

    __constants__ = [  # noqa: RUF012  # PyTorch's name and type
        "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad",
    ]  # fmt: skip

    @override
    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


@of_family
class AvgPool1d(_AvgPoolNd):
    """Means of windows of (N, C, L) or (C, L).

    Args:
        kernel_size: of the window.
        stride: between windows; by default the kernel's size.
        padding: with 0 on both sides.
        ceil_mode: whether a window may end outside.
        count_include_pad: whether the padding counts as elements.
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        each = _ntuple(1)
        self.kernel_size = each(kernel_size)
        self.stride = each(stride if stride is not None else kernel_size)
        self.padding = each(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    @override
    def forward(self, input: Any) -> Any:
        """The means."""
        return pooling.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad,
        )  # fmt: skip


class _AvgPool(_AvgPoolNd):
    """Means of windows of (N, C, ...) or (C, ...).

    Args:
        kernel_size: of the window.
        stride: between windows; by default the kernel's size.
        padding: with 0 on both sides.
        ceil_mode: whether a window may end outside.
        count_include_pad: whether the padding counts as elements.
        divisor_override: what sums are divided by instead of their numbers of elements.
    """

    __constants__ = [*_AvgPoolNd.__constants__, "divisor_override"]  # noqa: RUF012  # as above

    _function: Any = None

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    @override
    def forward(self, input: Any) -> Any:
        """The means."""
        return self._function(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad, self.divisor_override,
        )  # fmt: skip


@of_family
class AvgPool2d(_AvgPool):
    """Means of windows of (N, C, H, W) or (C, H, W)."""

    _function = staticmethod(pooling.avg_pool2d)


@of_family
class AvgPool3d(_AvgPool):
    """Means of windows of (N, C, D, H, W) or (C, D, H, W)."""

    _function = staticmethod(pooling.avg_pool3d)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for name, usual in (("padding", 0), ("ceil_mode", False), ("count_include_pad", True)):
            self.__dict__.setdefault(name, usual)


class _FractionalMaxPoolNd(Module):
    """Largest elements of windows at random places (B. Graham, 2014).

    Args:
        kernel_size: of the window.
        output_size: numbers of windows.
        output_ratio: the same as shares of the sizes, between 0 and 1.
        return_indices: whether to give the places of the maxima too.
        _random_samples: numbers on [0, 1) that the places depend on; by default drawn each time.
    """

    __constants__ = ["kernel_size", "return_indices", "output_size", "output_ratio"]  # noqa: RUF012  # as in PyTorch

    _axes = 0
    _function: Any = None

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:
        super().__init__()
        each = _ntuple(self._axes)
        self.kernel_size = each(kernel_size)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = each(output_size) if output_size is not None else None
        self.output_ratio = each(output_ratio) if output_ratio is not None else None
        if output_size is None and output_ratio is None:
            raise ValueError(
                f"{type(self).__name__} requires specifying either an output size, or a pooling "
                "ratio"
            )
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    @override
    def forward(self, input: Any) -> Any:
        """The maxima of (N, C, ...) or (C, ...)."""
        return self._function(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices,
            self._random_samples,
        )  # fmt: skip


@of_family
class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """Maxima of windows at random places of planes."""

    _axes = 2
    _function = staticmethod(fractional.fractional_max_pool2d)


@of_family
class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """Maxima of windows at random places of solids."""

    _axes = 3
    _function = staticmethod(fractional.fractional_max_pool3d)


class _LPPoolNd(Module):
    """(Σ x^p)^(1/p) of windows.

    Args:
        norm_type: p.
        kernel_size: of the window.
        stride: between windows; by default the kernel's size.
        ceil_mode: whether a window may end outside.
    """

    __constants__ = ["norm_type", "kernel_size", "stride", "ceil_mode"]  # noqa: RUF012  # as in PyTorch

    _function: Any = None

    def __init__(
        self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    @override
    def forward(self, input: Any) -> Any:
        """The norms of (N, C, ...) or (C, ...)."""
        return self._function(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )

    @override
    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


@of_family
class LPPool1d(_LPPoolNd):
    """Norms of windows of (N, C, L) or (C, L)."""

    _function = staticmethod(pooling.lp_pool1d)


@of_family
class LPPool2d(_LPPoolNd):
    """Norms of windows of (N, C, H, W) or (C, H, W)."""

    _function = staticmethod(pooling.lp_pool2d)


@of_family
class LPPool3d(_LPPoolNd):
    """Norms of windows of (N, C, D, H, W) or (C, D, H, W)."""

    _function = staticmethod(pooling.lp_pool3d)


class _AdaptiveMaxPoolNd(Module):
    """Largest elements of as many windows as asked for.

    Args:
        output_size: numbers of windows; `None` for as many as there are elements.
        return_indices: whether to give the places of the maxima too.
    """

    __constants__ = ["output_size", "return_indices"]  # noqa: RUF012  # PyTorch's name and type

    _function: Any = None

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    @override
    def forward(self, input: Any) -> Any:
        """The maxima of (N, C, ...) or (C, ...)."""
        return self._function(input, self.output_size, self.return_indices)

    @override
    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


@of_family
class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """Maxima of a number of windows of (N, C, L)."""

    _function = staticmethod(adaptive.adaptive_max_pool1d)


@of_family
class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """Maxima of a number of windows of (N, C, H, W)."""

    _function = staticmethod(adaptive.adaptive_max_pool2d)


@of_family
class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """Maxima of a number of windows of (N, C, D, H, W)."""

    _function = staticmethod(adaptive.adaptive_max_pool3d)


class _AdaptiveAvgPoolNd(Module):
    """Means of as many windows as asked for.

    Args:
        output_size: numbers of windows; `None` for as many as there are elements.
    """

    __constants__ = ["output_size"]  # noqa: RUF012  # PyTorch's name and type

    _function: Any = None

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    @override
    def forward(self, input: Any) -> Any:
        """The means of (N, C, ...) or (C, ...)."""
        return self._function(input, self.output_size)

    @override
    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


@of_family
class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """Means of a number of windows of (N, C, L) or (C, L)."""

    _function = staticmethod(adaptive.adaptive_avg_pool1d)


@of_family
class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """Means of a number of windows of (N, C, H, W)."""

    _function = staticmethod(adaptive.adaptive_avg_pool2d)


@of_family
class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """Means of a number of windows of (N, C, D, H, W)."""

    _function = staticmethod(adaptive.adaptive_avg_pool3d)

"""`torch.nn.modules.sparse`: rows of a matrix by their numbers."""

from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.constructors import empty
from funcgrad.compat.torch.nn import init
from funcgrad.compat.torch.nn.bags import embedding_bag
from funcgrad.compat.torch.nn.linear import embedding
from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.nn.parameter import Parameter

__all__ = ["Embedding", "EmbeddingBag"]


def _padding_within(padding_idx: int | None, rows: int, name: str) -> int | None:
    """The number of the row of padding, from the front."""
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise AssertionError(f"{name} must be within num_embeddings")
    return padding_idx % rows


class _Rows(Module):
    """The matrix that both classes look rows up in."""

    num_embeddings: int
    embedding_dim: int
    padding_idx: int | None

    def _enter_weight(
        self, given: Any, device: Any, dtype: Any, requires_grad: bool = True
    ) -> None:
        shape = (self.num_embeddings, self.embedding_dim)
        if given is None:
            self.weight = Parameter(empty(shape, device=device, dtype=dtype), requires_grad)
            self.reset_parameters()
            return
        if tuple(given.shape) != shape:
            raise AssertionError("Shape of weight does not match num_embeddings and embedding_dim")
        self.weight = Parameter(given, requires_grad)

    def reset_parameters(self) -> None:
        """Draw from the standard normal distribution; the row of padding is 0."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            init.zeros_(self.weight.data[self.padding_idx])

    def _options(self) -> str:
        return "".join(
            f", {name}={getattr(self, name)!r}"
            for name, usual in (("max_norm", None), ("norm_type", 2), ("scale_grad_by_freq", False))
            if getattr(self, name) != usual
        )


def _two_axes(embeddings: Any) -> tuple[int, int]:
    """Sizes of a matrix that was given."""
    if embeddings.dim() != 2:
        raise AssertionError("Embeddings parameter is expected to be 2-dimensional")
    rows, columns = embeddings.shape
    return rows, columns


class Embedding(_Rows):
    """Row i of a matrix for each index i.

    Args:
        num_embeddings: number of rows.
        embedding_dim: their length.
        padding_idx: a row that starts as 0 and gets no gradient.
        max_norm: rows that are looked up are shrunk to this norm, in place.
        norm_type: the p of that norm.
        scale_grad_by_freq: whether gradients are divided by how often an index occurs.
        sparse: no difference: gradients are dense.
        _weight: the matrix, whose memory is shared.
        _freeze: whether the matrix does not require grad.
        device: where the matrix is.
        dtype: type of its elements.
    """

    __constants__ = [  # noqa: RUF012  # PyTorch's name and type
        "num_embeddings", "embedding_dim", "padding_idx", "max_norm", "norm_type",
        "scale_grad_by_freq", "sparse",
    ]  # fmt: skip

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Any = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = _padding_within(padding_idx, num_embeddings, "Padding_idx")
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self._enter_weight(_weight, device, dtype, not _freeze)
        self.sparse = sparse

    @override
    def forward(self, input: Any) -> Any:
        """The rows, along a new last axis."""
        return embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type,
            self.scale_grad_by_freq, self.sparse,
        )  # fmt: skip

    @override
    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        sparse = ", sparse=True" if self.sparse else ""
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}{self._options()}{sparse}"

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Any:
        """An embedding with a given matrix, which by default is not trained."""
        rows, columns = _two_axes(embeddings)
        return cls(
            num_embeddings=rows, embedding_dim=columns, padding_idx=padding_idx, max_norm=max_norm,
            norm_type=norm_type, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse,
            _weight=embeddings, _freeze=freeze,
        )  # fmt: skip


class EmbeddingBag(_Rows):
    """Sum, mean or maximum of the rows of each bag of indices.

    Args:
        num_embeddings: number of rows.
        embedding_dim: their length.
        max_norm: rows that are looked up are shrunk to this norm, in place.
        norm_type: the p of that norm.
        scale_grad_by_freq: whether gradients are divided by how often an index occurs.
        mode: "sum", "mean" or "max".
        sparse: no difference: gradients are dense.
        _weight: the matrix, whose memory is shared.
        include_last_offset: whether the last offset is the end of the last bag.
        padding_idx: a row that starts as 0 and takes no part.
        device: where the matrix is.
        dtype: type of its elements.
    """

    __constants__ = [  # noqa: RUF012  # PyTorch's name and type
        "num_embeddings", "embedding_dim", "max_norm", "norm_type", "scale_grad_by_freq", "mode",
        "sparse", "include_last_offset", "padding_idx",
    ]  # fmt: skip

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Any = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.padding_idx = _padding_within(padding_idx, num_embeddings, "padding_idx")
        self._enter_weight(_weight, device, dtype)
        self.mode = mode
        self.sparse = sparse
        self.include_last_offset = include_last_offset

    @override
    def forward(self, input: Any, offsets: Any = None, per_sample_weights: Any = None) -> Any:
        """The bags.

        Args:
            input: (bags, words), or (words) of all bags in a row.
            offsets: where each bag starts, if the input has one axis.
            per_sample_weights: factor of each row, for sums.
        """
        return embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq,
            self.mode, self.sparse, per_sample_weights, self.include_last_offset,
            self.padding_idx,
        )  # fmt: skip

    @override
    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        first = f"{self.num_embeddings}, {self.embedding_dim}{self._options()}"
        return f"{first}, mode={self.mode!r}{padding}"

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> Any:
        """Bags over a given matrix, which by default is not trained."""
        rows, columns = _two_axes(embeddings)
        made = cls(
            num_embeddings=rows, embedding_dim=columns, _weight=embeddings, max_norm=max_norm,
            norm_type=norm_type, scale_grad_by_freq=scale_grad_by_freq, mode=mode, sparse=sparse,
            include_last_offset=include_last_offset, padding_idx=padding_idx,
        )  # fmt: skip
        made.weight.requires_grad = not freeze
        return made

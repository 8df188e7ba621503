"""Layers of attention and two linear maps; PyTorch has them in `torch.nn.modules.transformer`."""

from collections.abc import Callable
from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.grad_mode import is_grad_enabled
from funcgrad.compat.torch.nn.activations import gelu, relu
from funcgrad.compat.torch.nn.modules.activation import GELU, ReLU
from funcgrad.compat.torch.nn.modules.dropout import Dropout
from funcgrad.compat.torch.nn.modules.linear import Linear
from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.nn.modules.multihead import MultiheadAttention
from funcgrad.compat.torch.nn.modules.normalization import LayerNorm
from funcgrad.compat.torch.nn.multihead import as_float_mask

__all__ = ["Activation", "TransformerDecoderLayer", "TransformerEncoderLayer"]

HOME = "funcgrad.compat.torch.nn.modules.transformer"
"""Where PyTorch has these classes, and files look for them."""

Activation = str | Callable[[Any], Any]


def _function(activation: Activation) -> Any:
    """The activation by its name, or as it is given."""
    if not isinstance(activation, str):
        return activation
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {activation}")
    return relu if activation == "relu" else gelu


class _Feeding(Module):
    """What both kinds of layers have: two linear maps with an activation between."""

    __constants__ = ["norm_first"]  # noqa: RUF012  # PyTorch's name and type

    @override
    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if not hasattr(self, "activation"):
            self.activation = relu


class TransformerEncoderLayer(_Feeding):
    """x + attention(x), normalised, and then x + W₂ φ(W₁ x), normalised.

    Args:
        d_model: length of an element.
        nhead: number of heads.
        dim_feedforward: length between the two linear maps.
        dropout: probability of a zero in four places.
        activation: φ: "relu", "gelu" or a function.
        layer_norm_eps: ε of the normalisations.
        batch_first: whether the axis of the batch comes first.
        norm_first: whether normalisations come before attention and the linear maps.
        bias: whether there are biases.
        device: where the parameters are.
        dtype: type of the parameters.
    """

    __module__ = HOME

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        where = {"device": device, "dtype": dtype}
        super().__init__()
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout=dropout, bias=bias, batch_first=batch_first, **where
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **where)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **where)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **where)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **where)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        chosen = _function(activation)
        self.activation_relu_or_gelu = (
            1 if chosen is relu or isinstance(chosen, ReLU)
            else 2 if chosen is gelu or isinstance(chosen, GELU)
            else 0
        )  # fmt: skip
        self.activation = chosen

    @override
    def forward(
        self,
        src: Any,
        src_mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
    ) -> Any:
        """The layer.

        Args:
            src: (n, batch, d), with `batch_first` (batch, n, d), or (n, d).
            src_mask: (n, n) or (batch · heads, n, n): which pairs are left out, or numbers to add.
            src_key_padding_mask: (batch, n): which elements are left out, or numbers to add.
            is_causal: a hint that the mask is the causal one.
        """
        padding = as_float_mask(
            src_key_padding_mask, "src_key_padding_mask", src.dtype, src_mask, "src_mask"
        )
        mask = as_float_mask(src_mask, "src_mask", src.dtype)
        active = [] if self.training else [one for one in self.modules() if one.training]
        if not active or not self._is_fused(src):
            return self._layer(src, mask, padding, is_causal)
        try:
            for one in active:
                one.training = False
            return self._layer(src, mask, padding, is_causal)
        finally:
            for one in active:
                one.training = True

    def _layer(self, x: Any, mask: Any, padding: Any, is_causal: bool) -> Any:
        if self.norm_first:
            x = x + self._sa_block(self.norm1(x), mask, padding, is_causal)
            return x + self._ff_block(self.norm2(x))
        x = self.norm1(x + self._sa_block(x, mask, padding, is_causal))
        return self.norm2(x + self._ff_block(x))

    def _is_fused(self, src: Any) -> bool:
        """Whether PyTorch evaluates the layer in one piece, which leaves no dropout active."""
        attention = self.self_attn
        return (
            src.dim() == 3
            and attention.batch_first
            and attention.in_proj_bias is not None
            and attention.num_heads % 2 == 0
            and self.activation_relu_or_gelu != 0
            and self.norm1.eps == self.norm2.eps
            and not any(one._forward_hooks or one._forward_pre_hooks for one in self.modules())
            and not (is_grad_enabled() and any(p.requires_grad for p in (src, *self.parameters())))
        )

    def _sa_block(
        self, x: Any, attn_mask: Any, key_padding_mask: Any, is_causal: bool = False
    ) -> Any:
        found = self.self_attn(
            x,
            x,
            x,
            attn_mask=attn_mask,
            key_padding_mask=key_padding_mask,
            need_weights=False,
            is_causal=is_causal,
        )
        return self.dropout1(found[0])

    def _ff_block(self, x: Any) -> Any:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerDecoderLayer(_Feeding):
    """As an encoder's, with attention to the encoder's results between the two parts.

    Args:
        d_model: length of an element.
        nhead: number of heads.
        dim_feedforward: length between the two linear maps.
        dropout: probability of a zero in six places.
        activation: "relu", "gelu" or a function.
        layer_norm_eps: ε of the normalisations.
        batch_first: whether the axis of the batch comes first.
        norm_first: whether normalisations come before attention and the linear maps.
        bias: whether there are biases.
        device: where the parameters are.
        dtype: type of the parameters.
    """

    __module__ = HOME

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        where = {"device": device, "dtype": dtype}
        super().__init__()
        for name in ("self_attn", "multihead_attn"):
            attention = MultiheadAttention(
                d_model, nhead, dropout=dropout, batch_first=batch_first, bias=bias, **where
            )
            setattr(self, name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **where)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **where)
        self.norm_first = norm_first
        for number in (1, 2, 3):
            norm = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **where)
            setattr(self, f"norm{number}", norm)
        for number in (1, 2, 3):
            setattr(self, f"dropout{number}", Dropout(dropout))
        self.activation = _function(activation)

    @override
    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Any:
        """The layer.

        Args:
            tgt: (n, batch, d), with `batch_first` (batch, n, d), or (n, d).
            memory: results of the encoder, (m, batch, d).
            tgt_mask: (n, n): which pairs are left out, or numbers to add.
            memory_mask: (n, m), likewise.
            tgt_key_padding_mask: (batch, n): which elements are left out.
            memory_key_padding_mask: (batch, m), likewise.
            tgt_is_causal: a hint that `tgt_mask` is the causal one.
            memory_is_causal: likewise for `memory_mask`.
        """
        own = (tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        other = (memory_mask, memory_key_padding_mask, memory_is_causal)
        x = tgt
        if self.norm_first:
            x = x + self._sa_block(self.norm1(x), *own)
            x = x + self._mha_block(self.norm2(x), memory, *other)
            return x + self._ff_block(self.norm3(x))
        x = self.norm1(x + self._sa_block(x, *own))
        x = self.norm2(x + self._mha_block(x, memory, *other))
        return self.norm3(x + self._ff_block(x))

    def _sa_block(
        self, x: Any, attn_mask: Any, key_padding_mask: Any, is_causal: bool = False
    ) -> Any:
        masks = {"attn_mask": attn_mask, "key_padding_mask": key_padding_mask}
        found = self.self_attn(x, x, x, need_weights=False, is_causal=is_causal, **masks)
        return self.dropout1(found[0])

    def _mha_block(
        self, x: Any, mem: Any, attn_mask: Any, key_padding_mask: Any, is_causal: bool = False
    ) -> Any:
        masks = {"attn_mask": attn_mask, "key_padding_mask": key_padding_mask}
        found = self.multihead_attn(x, mem, mem, need_weights=False, is_causal=is_causal, **masks)
        return self.dropout2(found[0])

    def _ff_block(self, x: Any) -> Any:
        return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))

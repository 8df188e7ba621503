"""`torch.nn.modules.transformer`: stacks of attention and feed-forward layers."""

import copy
import math
import warnings
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.compat.torch.constructors import full
from funcgrad.compat.torch.nn.activations import relu
from funcgrad.compat.torch.nn.init import xavier_uniform_
from funcgrad.compat.torch.nn.modules.container import ModuleList
from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.nn.modules.normalization import LayerNorm
from funcgrad.compat.torch.nn.modules.transformer_layers import (
    Activation,
    TransformerDecoderLayer,
    TransformerEncoderLayer,
)
from funcgrad.compat.torch.nn.multihead import as_float_mask
from funcgrad.compat.torch.state import STATE
from funcgrad.core.tracer import Tracer

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]


def _subsequent_mask(size: int, device: Any = None, dtype: Any = None) -> Any:
    """0 on and below the diagonal, -inf above."""
    return full((size, size), -math.inf, dtype=dtype, device=device).triu(1)  # type: ignore[attr-defined]  # entered


def _is_causal(mask: Any, hint: bool | None, length: int | None) -> bool:
    """Whether a mask is the causal one, where no hint says it."""
    if hint is not None or mask is None:
        return hint is True
    value = mask._value
    if isinstance(value, Tracer) or value.shape != (length, length) or value.dtype.kind != "f":
        return False
    return bool(np.array_equal(value, np.triu(np.full(value.shape, -np.inf), 1)))


def _length(x: Any, batch_first: bool) -> int:
    """Number of steps."""
    return int(x._value.shape[1 if batch_first and x.dim() > 2 else 0])


def _copies(module: Any, count: int) -> ModuleList:
    return ModuleList([copy.deepcopy(module) for _ in range(count)])


def _why_not_nested(layer: Any) -> str:
    """Why an encoder of such layers leaves no padded elements out; "" if it does."""
    if not isinstance(layer, TransformerEncoderLayer):
        return "encoder_layer was not TransformerEncoderLayer"
    attention = layer.self_attn
    reasons = (
        (layer.norm_first, "encoder_layer.norm_first was True"),
        (
            not attention.batch_first,
            "encoder_layer.self_attn.batch_first was not True(use batch_first for better inference "
            "performance)",
        ),
        (
            not attention._qkv_same_embed_dim,
            "encoder_layer.self_attn._qkv_same_embed_dim was not True",
        ),
        (attention.in_proj_bias is None, "encoder_layer.self_attn was passed bias=False"),
        (
            not layer.activation_relu_or_gelu,
            "encoder_layer.activation_relu_or_gelu was not True",
        ),
        (
            layer.norm1.eps != layer.norm2.eps,
            "encoder_layer.norm1.eps was not equal to encoder_layer.norm2.eps",
        ),
        (attention.num_heads % 2 == 1, "encoder_layer.self_attn.num_heads is odd"),
    )
    return next((text for holds, text in reasons if holds), "")


class TransformerEncoder(Module):
    """A stack of encoder layers.

    Args:
        encoder_layer: the layer, of which copies are made.
        num_layers: number of copies.
        norm: what is applied at the end, or `None`.
        enable_nested_tensor: whether, outside of training, results at padded elements are 0 and
            not computed.
        mask_check: whether that happens only where padding stands at the end.
    """

    __constants__ = ["norm"]  # noqa: RUF012  # PyTorch's name and type

    def __init__(
        self,
        encoder_layer: Any,
        num_layers: int,
        norm: Any = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.use_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check
        why = _why_not_nested(encoder_layer)
        if enable_nested_tensor and why:
            warnings.warn(
                "enable_nested_tensor is True, but self.use_nested_tensor is False because " + why,
                UserWarning,
                stacklevel=2,
            )
            self.use_nested_tensor = False

    @override
    def forward(
        self,
        src: Any,
        mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool | None = None,
    ) -> Any:
        """The layers, one after the other.

        Args:
            src: (n, batch, d), with `batch_first` (batch, n, d), or (n, d).
            mask: (n, n) or (batch · heads, n, n): which pairs are left out, or numbers to add.
            src_key_padding_mask: (batch, n): which elements are left out, or numbers to add.
            is_causal: a hint that the mask is the causal one; by default this is looked up.
        """
        padding = as_float_mask(
            src_key_padding_mask, "src_key_padding_mask", src.dtype, mask, "mask"
        )
        mask = as_float_mask(mask, "mask", src.dtype)
        first = self.layers[0]
        batch_first = getattr(getattr(first, "self_attn", None), "batch_first", False)
        causal = _is_causal(mask, is_causal, _length(src, batch_first))
        x = src
        for layer in self.layers:
            x = layer(x, src_mask=mask, is_causal=causal, src_key_padding_mask=padding)
        if padding is not None and mask is None and self._is_nested(src, padding):
            x = x.masked_fill((padding != 0).unsqueeze(-1), 0.0)
        return x if self.norm is None else self.norm(x)

    def _is_nested(self, src: Any, padding: Any) -> bool:
        """Whether PyTorch would leave padded elements out: outside of training and gradients."""
        if self.training or not self.use_nested_tensor or src.dim() != 3:
            return False
        tensors = [src, *self.layers[0].parameters()]
        if STATE.grad and any(one.requires_grad for one in tensors):
            return False
        left_out = padding._value != 0
        if isinstance(left_out, Tracer) or not self.mask_check:
            return not isinstance(left_out, Tracer)
        return bool(np.all(left_out[:, 1:] >= left_out[:, :-1]))


class TransformerDecoder(Module):
    """A stack of decoder layers.

    Args:
        decoder_layer: the layer, of which copies are made.
        num_layers: number of copies.
        norm: what is applied at the end, or `None`.
    """

    __constants__ = ["norm"]  # noqa: RUF012  # PyTorch's name and type

    def __init__(self, decoder_layer: Any, num_layers: int, norm: Any = None) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    @override
    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        """The layers, one after the other; arguments as of `TransformerDecoderLayer`."""
        batch_first = getattr(getattr(self.layers[0], "self_attn", None), "batch_first", False)
        causal = _is_causal(tgt_mask, tgt_is_causal, _length(tgt, batch_first))
        x = tgt
        for layer in self.layers:
            x = layer(
                x,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=causal,
                memory_is_causal=memory_is_causal,
            )
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """An encoder, and a decoder that attends to its results.

    Args:
        d_model: length of an element.
        nhead: number of heads.
        num_encoder_layers: number of layers of the encoder.
        num_decoder_layers: number of layers of the decoder.
        dim_feedforward: length between the two linear maps of a layer.
        dropout: probability of a zero.
        activation: "relu", "gelu" or a function.
        custom_encoder: in place of the encoder.
        custom_decoder: in place of the decoder.
        layer_norm_eps: ε of the normalisations.
        batch_first: whether the axis of the batch comes first.
        norm_first: whether normalisations come before attention and the linear maps.
        bias: whether there are biases.
        device: where the parameters are.
        dtype: type of the parameters.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        where = {"device": device, "dtype": dtype}
        super().__init__()
        options = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps,
                   batch_first, norm_first, bias)  # fmt: skip
        if custom_encoder is not None:
            self.encoder = custom_encoder
        else:
            layer: Any = TransformerEncoderLayer(*options, **where)
            norm = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **where)
            self.encoder = TransformerEncoder(layer, num_encoder_layers, norm)
        if custom_decoder is not None:
            self.decoder = custom_decoder
        else:
            layer = TransformerDecoderLayer(*options, **where)
            norm = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **where)
            self.decoder = TransformerDecoder(layer, num_decoder_layers, norm)
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    @override
    def forward(
        self,
        src: Any,
        tgt: Any,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        """The decoder on `tgt` and on the encoder's results of `src`.

        Args:
            src: (m, batch, d), with `batch_first` (batch, m, d), or (m, d).
            tgt: (n, batch, d), likewise.
            src_mask: (m, m): which pairs are left out, or numbers to add.
            tgt_mask: (n, n), likewise.
            memory_mask: (n, m), likewise.
            src_key_padding_mask: (batch, m): which elements are left out.
            tgt_key_padding_mask: (batch, n), likewise.
            memory_key_padding_mask: (batch, m), likewise.
            src_is_causal: a hint that `src_mask` is the causal one.
            tgt_is_causal: likewise for `tgt_mask`.
            memory_is_causal: likewise for `memory_mask`.
        """
        axis = 0 if self.batch_first else 1
        if src.dim() == 3 and src.size(axis) != tgt.size(axis):
            raise RuntimeError("the batch number of src and tgt must be equal")
        if src.size(-1) != self.d_model or tgt.size(-1) != self.d_model:
            raise RuntimeError("the feature number of src and tgt must be equal to d_model")
        memory = self.encoder(
            src,
            mask=src_mask,
            src_key_padding_mask=src_key_padding_mask,
            is_causal=src_is_causal,
        )
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Any:
        """The mask with which element i sees those up to i only: -inf above the diagonal."""
        return _subsequent_mask(sz, device, dtype)

    def _reset_parameters(self) -> None:
        """Draw all matrices from Glorot's distribution."""
        for parameter in self.parameters():
            if parameter.dim() > 1:
                xavier_uniform_(parameter)

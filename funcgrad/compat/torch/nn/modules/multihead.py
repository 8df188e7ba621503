"""Attention with several heads as a module; PyTorch has it in `torch.nn.modules.activation`."""

from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.constructors import empty
from funcgrad.compat.torch.nn.init import constant_, xavier_normal_, xavier_uniform_
from funcgrad.compat.torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.nn.multihead import multi_head_attention_forward
from funcgrad.compat.torch.nn.parameter import Parameter

__all__ = ["MultiheadAttention"]

SEPARATE = ("q_proj_weight", "k_proj_weight", "v_proj_weight")


class MultiheadAttention(Module):
    """Projections of softmax(Q Kᵀ / √d) V of several heads, put together and projected.

    Args:
        embed_dim: e, length of queries and results.
        num_heads: number of heads, which divides e.
        dropout: probability of dropping a weight.
        bias: whether the projections have biases.
        add_bias_kv: whether there is one more key and value, which are parameters.
        add_zero_attn: whether there is one more key and value of zeros.
        kdim: length of keys; by default e.
        vdim: length of values; by default e.
        batch_first: whether the axis of the batch comes first.
        device: where the parameters are.
        dtype: type of the parameters.
    """

    __module__ = "funcgrad.compat.torch.nn.modules.activation"  # where files look for it
    __constants__ = ["batch_first"]  # noqa: RUF012  # PyTorch's name and type

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and "
                f"num_heads={num_heads} instead"
            )
        where = {"device": device, "dtype": dtype}
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        assert self.head_dim * num_heads == embed_dim, "embed_dim must be divisible by num_heads"
        if self._qkv_same_embed_dim:
            self.in_proj_weight = Parameter(empty((3 * embed_dim, embed_dim), **where))
            absent: tuple[str, ...] = SEPARATE
        else:
            for name, size in zip(SEPARATE, (embed_dim, self.kdim, self.vdim), strict=True):
                setattr(self, name, Parameter(empty((embed_dim, size), **where)))
            absent = ("in_proj_weight",)
        for name in absent:
            self.register_parameter(name, None)
        if bias:
            self.in_proj_bias = Parameter(empty(3 * embed_dim, **where))
        else:
            self.register_parameter("in_proj_bias", None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, **where)
        if add_bias_kv:
            self.bias_k = Parameter(empty((1, 1, embed_dim), **where))
            self.bias_v = Parameter(empty((1, 1, embed_dim), **where))
        else:
            self.bias_k = self.bias_v = None
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        """Draw the projections from Glorot's distribution; biases start with 0."""
        for name in ("in_proj_weight",) if self._qkv_same_embed_dim else SEPARATE:
            xavier_uniform_(getattr(self, name))
        if self.in_proj_bias is not None:
            constant_(self.in_proj_bias, 0.0)
            constant_(self.out_proj.bias, 0.0)
        for further in (self.bias_k, self.bias_v):
            if further is not None:
                xavier_normal_(further)

    @override
    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({"_qkv_same_embed_dim": True, **state})

    @override
    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        """The results, and the weights or `None`.

        Args:
            query: (n, batch, e), with `batch_first` (batch, n, e), or (n, e).
            key: (m, batch, ·), likewise.
            value: (m, batch, ·), likewise.
            key_padding_mask: (batch, m): which keys are left out, or numbers to add.
            need_weights: whether the weights are returned.
            attn_mask: (n, m) or (batch · heads, n, m): which pairs are left out, or numbers to add.
            average_attn_weights: whether the weights are averaged over the heads.
            is_causal: a hint that the mask is the causal one.
        """
        turned = self.batch_first and query.dim() == 3
        if turned:
            given = {id(x): x.transpose(1, 0) for x in (query, key, value)}  # one for each
            query, key, value = (given[id(x)] for x in (query, key, value))
        result, weights = multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return (result.transpose(1, 0) if turned else result), weights

    def merge_masks(
        self, attn_mask: Any, key_padding_mask: Any, query: Any
    ) -> tuple[Any, int | None]:
        """Both masks as one, and which kind it is: 0 of pairs, 1 of keys, 2 of both.

        Args:
            attn_mask: (n, m) or (batch · heads, n, m), or `None`.
            key_padding_mask: (batch, m), or `None`.
            query: (batch, n, e).
        """
        merged, kind = None, None
        if key_padding_mask is not None:
            merged, kind = key_padding_mask, 1
        if attn_mask is not None:
            batch, length, _ = query._value.shape
            kind = 2
            if attn_mask.dim() == 3:
                merged = attn_mask.view(batch, -1, length, length)
            else:
                merged = attn_mask.view(1, 1, length, length)
                merged = merged.expand(batch, self.num_heads, -1, -1)
            if key_padding_mask is not None:
                merged = merged + key_padding_mask.view(batch, 1, 1, length).expand(
                    -1, self.num_heads, -1, -1
                )
        return merged, kind

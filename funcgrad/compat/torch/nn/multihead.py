"""Attention with several heads: `torch.nn.functional.multi_head_attention_forward`."""

import math
import warnings
from typing import Any, NamedTuple

from funcgrad.compat.torch.arguments import outside
from funcgrad.compat.torch.constructors import zeros, zeros_like
from funcgrad.compat.torch.joining import cat
from funcgrad.compat.torch.nn.attention import scaled_dot_product_attention
from funcgrad.compat.torch.nn.common import entered
from funcgrad.compat.torch.nn.dropout import dropout
from funcgrad.compat.torch.nn.linear import linear
from funcgrad.compat.torch.nn.padding import pad
from funcgrad.compat.torch.nn.softmaxes import softmax

__all__ = ["as_float_mask", "multi_head_attention_forward"]


class Projections(NamedTuple):
    """The maps of queries, keys and values, either in one matrix or in three.

    Attributes:
        together: (3 e, e), or `None`.
        bias: (3 e), or `None`.
        each: the three matrices, where they are apart.
    """

    together: Any
    bias: Any
    each: tuple[Any, Any, Any]


def as_float_mask(
    mask: Any, name: str, target: Any, other: Any = None, other_name: str = ""
) -> Any:
    """A mask as numbers to add: where it is true, -inf.

    Args:
        mask: of truth values or numbers, or `None`.
        name: of the argument.
        target: the type of the result.
        other: another mask that is used with it, or `None`.
        other_name: the name of that argument; "": do not compare the types.
    """
    if mask is None:
        return None
    is_float = mask.dtype.is_floating_point
    if mask.dtype.name != "bool" and not is_float:
        raise AssertionError(f"only bool and floating types of {name} are supported")
    if other_name and other is not None and other.dtype is not mask.dtype:
        warnings.warn(
            f"Support for mismatched {name} and {other_name} is deprecated. Use same type for both "
            "instead.",
            UserWarning,
            stacklevel=outside(),
        )
    if is_float:
        return mask
    return zeros_like(mask, dtype=target).masked_fill_(mask, -math.inf)


def _check_ranks(query: Any, key: Any, value: Any, padding: Any, mask: Any, heads: int) -> bool:
    """Whether there is an axis for a batch; operands with other numbers of axes are refused."""
    rank = query.dim()
    if rank not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {rank}-D query tensor"
        )
    kind = "batched (3-D)" if rank == 3 else "unbatched (2-D)"
    if key.dim() != rank or value.dim() != rank:
        raise AssertionError(
            f"For {kind} `query`, expected `key` and `value` to be {rank}-D but found "
            f"{key.dim()}-D and {value.dim()}-D tensors respectively"
        )
    if padding is not None and padding.dim() != rank - 1:
        raise AssertionError(
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {rank - 1}-D but "
            f"found {padding.dim()}-D tensor instead"
        )
    if mask is not None and mask.dim() not in (2, 3):
        raise AssertionError(
            f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found "
            f"{mask.dim()}-D tensor instead"
        )
    if mask is not None and rank == 2 and mask.dim() == 3:
        wanted = (heads, query.size(0), key.size(0))
        if mask._value.shape != wanted:
            raise AssertionError(
                f"Expected `attn_mask` shape to be {wanted} but got {mask.shape!r}"
            )
    return bool(rank == 3)


def _check_padding(mask: Any, batch: int, sources: int) -> None:
    """Refuse a mask of keys of another shape."""
    if mask is None:
        return
    for axis, wanted in enumerate((batch, sources)):
        found = mask.size(axis)
        if found != wanted:
            raise AssertionError(
                f"Expected key_padded_mask.shape[{axis}] to be {wanted}, but got {found}"
            )


def _check_mask(mask: Any, batch_heads: int, targets: int, sources: int) -> Any:
    """The mask with three axes."""
    rank = mask.dim()
    wanted = (targets, sources) if rank == 2 else (batch_heads, targets, sources)
    if mask._value.shape != wanted:
        raise RuntimeError(
            f"The shape of the {rank}D attn_mask is {mask.shape!r}, but should be {wanted}."
        )
    return mask.unsqueeze(0) if rank == 2 else mask


def _projected(query: Any, key: Any, value: Any, maps: Projections) -> tuple[Any, Any, Any]:
    """W_q q + b_q, W_k k + b_k, W_v v + b_v."""
    if maps.together is None:
        biases = (None,) * 3 if maps.bias is None else maps.bias.chunk(3)
        q, k, v = (
            linear(x, w, b) for x, w, b in zip((query, key, value), maps.each, biases, strict=True)
        )
        return q, k, v
    width = query.size(-1)
    if key is value and query is key:
        q, k, v = linear(query, maps.together, maps.bias).split(width, -1)
        return q, k, v
    if key is value:
        w = maps.together.split([width, 2 * width])
        b = (None, None) if maps.bias is None else maps.bias.split([width, 2 * width])
        k, v = linear(key, w[1], b[1]).split(width, -1)
        return linear(query, w[0], b[0]), k, v
    apart = Projections(None, maps.bias, tuple(maps.together.chunk(3)))
    return _projected(query, key, value, apart)


def _check_widths(query: Any, key: Any, value: Any, width: int, apart: bool) -> None:
    if query.size(-1) != width:
        raise AssertionError(
            f"was expecting embedding dimension of {width}, but got {query.size(-1)}"
        )
    if apart:
        if key._value.shape[:2] != value._value.shape[:2]:
            raise AssertionError(
                f"key's sequence and batch dims {key.shape[:2]!r} do not match value's "
                f"{value.shape[:2]!r}"
            )
    elif key._value.shape != value._value.shape:
        raise AssertionError(f"key shape {key.shape!r} does not match value shape {value.shape!r}")


def _check_each(maps: Projections, width: int, key: Any, value: Any) -> None:
    """Refuse matrices that do not fit what they are applied to."""
    names = ("query", "key", "value")
    inputs = (width, key.size(-1), value.size(-1))
    for name, weight, size in zip(names, maps.each, inputs, strict=True):
        if weight is None:
            letter = name[0]
            raise AssertionError(
                f"use_separate_proj_weight is True but {letter}_proj_weight is None"
            )
        if weight._value.shape[1] != size:
            raise AssertionError(
                f"expecting {name} weights shape of {(weight.size(0), size)}, but got "
                f"{weight.shape!r}"
            )


def _maps(
    operands: tuple[Any, Any, Any],
    sizes: tuple[int, int],
    together: tuple[Any, Any],
    each: tuple[Any, Any, Any] | None,
) -> Projections:
    """The projections, checked against what they are applied to."""
    width, heads = sizes
    _check_widths(*operands, width, each is not None)
    if width % heads:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {heads}")
    weight, bias = together
    if each is not None:
        maps = Projections(None, bias, each)
        _check_each(maps, width, *operands[1:])
        return maps
    assert weight is not None, "use_separate_proj_weight is False but in_proj_weight is None"
    return Projections(weight, bias, (None, None, None))


class _Heads:
    """Projected queries, keys and values on the way to attention.

    Attributes:
        count: number of heads.
        q: (n, batch, e), divided (batch · heads, n, d).
        k: (m, batch, e), divided (batch · heads, m, d).
        v: likewise.
        mask: (1 or batch · heads, n, m), numbers to add, or `None`.
        padding: (batch, m), numbers to add, or `None`.
    """

    __slots__ = ("batch", "count", "k", "mask", "padding", "q", "targets", "v")

    def __init__(
        self, count: int, projected: tuple[Any, Any, Any], mask: Any, padding: Any
    ) -> None:
        self.count = count
        self.q, self.k, self.v = projected
        self.mask = mask
        self.padding = padding
        self.targets, self.batch = self.q._value.shape[:2]

    def add_pair(self, key: Any, value: Any) -> None:
        """Append a key and its value, the same for all."""
        if key is None or value is None:
            return
        self.k = cat([self.k, key.repeat(1, self.batch, 1)])
        self.v = cat([self.v, value.repeat(1, self.batch, 1)])
        self._grow()

    def _grow(self) -> None:
        """A column of zeros more for the masks."""
        self.mask = None if self.mask is None else pad(self.mask, (0, 1))
        self.padding = None if self.padding is None else pad(self.padding, (0, 1))

    def divide(self, key: Any, value: Any) -> None:
        """Give each head its part; keys and values may be given."""
        size = self.q._value.shape[-1] // self.count
        rows = self.batch * self.count
        self.q = _in_heads(self.q, rows, size)
        self.k = _in_heads(self.k, rows, size) if key is None else key
        self.v = _in_heads(self.v, rows, size) if value is None else value

    def add_zero(self) -> None:
        """Append a key and a value of zeros to those of each head."""
        rows, _, size = self.k._value.shape
        row = zeros((rows, 1, size), dtype=self.k.dtype)
        self.k, self.v = cat([self.k, row], 1), cat([self.v, row], 1)
        self._grow()

    def join_masks(self) -> None:
        """Both masks as one."""
        if self.padding is None:
            return
        sources = self.k._value.shape[1]
        _check_padding(self.padding, self.batch, sources)
        each = self.padding.view(self.batch, 1, 1, sources).expand(-1, self.count, -1, -1)
        each = each.reshape(self.batch * self.count, 1, sources)
        self.mask = each if self.mask is None else self.mask + each

    def attend(self, dropped: float, need_weights: bool, is_causal: bool) -> tuple[Any, Any]:
        """Results (n · batch, e) before the last projection, and the weights of each head."""
        rows, sources, size = self.k._value.shape
        shape = (self.batch, self.count)
        flat = (self.targets * self.batch, self.count * size)
        mask = self.mask
        if need_weights:
            weights = (self.q * math.sqrt(1.0 / size)).bmm(self.k.transpose(-2, -1))
            weights = softmax(weights if mask is None else weights + mask, -1)
            if dropped > 0.0:
                weights = dropout(weights, dropped)
            result = weights.bmm(self.v).transpose(0, 1).reshape(*flat)
            return result, weights.view(*shape, self.targets, sources)
        if mask is not None:
            alike = mask.size(0) == 1 and rows > 1
            mask = mask.unsqueeze(0) if alike else mask.view(*shape, -1, sources)
        result = scaled_dot_product_attention(
            self.q.view(*shape, self.targets, size),
            self.k.view(*shape, sources, size),
            self.v.view(*shape, sources, size),
            mask,
            dropped,
            is_causal,
        )
        return result.permute(2, 0, 1, 3).contiguous().view(*flat), None


@entered("multi_head_attention_forward")
def multi_head_attention_forward(  # PyTorch's arguments
    query: Any,
    key: Any,
    value: Any,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Any, Any]:
    """Projections of softmax(Q Kᵀ / √d + mask) V of several heads, put together and projected.

    Args:
        query: (n, batch, e) or (n, e).
        key: (m, batch, ·).
        value: (m, batch, ·).
        embed_dim_to_check: e.
        num_heads: number of heads.
        in_proj_weight: (3 e, e), the projections of queries, keys and values.
        in_proj_bias: (3 e) or `None`.
        bias_k: a further key, (1, 1, e), or `None`.
        bias_v: its value.
        add_zero_attn: whether there is a further key and value of zeros.
        dropout_p: probability of dropping a weight.
        out_proj_weight: (e, e).
        out_proj_bias: (e) or `None`.
        training: whether there is dropout.
        key_padding_mask: (batch, m): which keys are left out, or numbers to add.
        need_weights: whether the weights are returned.
        attn_mask: (n, m) or (batch · heads, n, m): which pairs are left out, or numbers to add.
        use_separate_proj_weight: whether the projections are given apart.
        q_proj_weight: (e, e).
        k_proj_weight: (e, length of a key).
        v_proj_weight: (e, length of a value).
        static_k: projected keys (batch · heads, m, d) in place of those computed.
        static_v: likewise for values.
        average_attn_weights: whether the weights are averaged over the heads.
        is_causal: a hint that the mask is the causal one.

    Returns:
        (n, batch, e), and the weights (batch, n, m) or (batch, heads, n, m), or `None`.
    """
    batched = _check_ranks(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        grown = {id(x): x.unsqueeze(1) for x in (query, key, value)}  # one for each
        query, key, value = (grown[id(x)] for x in (query, key, value))
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    padding = as_float_mask(
        key_padding_mask, "key_padding_mask", query.dtype, attn_mask, "attn_mask"
    )
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module "
            "method `generate_square_subsequent_mask` to create this mask."
        )
    if is_causal and key_padding_mask is None and not need_weights:
        mask = None
    else:
        mask = as_float_mask(attn_mask, "attn_mask", query.dtype)
        is_causal = False
    maps = _maps(
        (query, key, value),
        (embed_dim_to_check, num_heads),
        (in_proj_weight, in_proj_bias),
        (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None,
    )
    projected = _projected(query, key, value, maps)
    if mask is not None:
        sizes = query._value.shape[1] * num_heads, query._value.shape[0], key._value.shape[0]
        mask = _check_mask(mask, *sizes)
    heads = _Heads(num_heads, projected, mask, padding)
    heads.add_pair(bias_k, bias_v)
    heads.divide(static_k, static_v)
    if add_zero_attn:
        heads.add_zero()
    heads.join_masks()
    result, weights = heads.attend(dropout_p if training else 0.0, need_weights, is_causal)
    result = linear(result, out_proj_weight, out_proj_bias)
    result = result.view(*query._value.shape[:2], -1)
    if weights is not None and average_attn_weights:
        weights = weights.mean(dim=1)
    if batched:
        return result, weights
    return result.squeeze(1), None if weights is None else weights.squeeze(0)


def _in_heads(x: Any, count: int, size: int) -> Any:
    """(steps, batch, e) as (batch · heads, steps, d)."""
    return x.contiguous().view(x._value.shape[0], count, size).transpose(0, 1)

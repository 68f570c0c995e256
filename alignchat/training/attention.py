"""Attention over a packed row, block by block. Knows no model; transformers calls it by name.

In bf16 on a CPU three products and a softmax take a third of the time of torch's own kernel (forward and
backward of 384 positions, 9 heads: 2.7 ms against 7.9 ms on 2 cores).
"""

from typing import Any

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from alignchat.training.packing import Block, Packed

NAME = "packed"


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    packed: Packed | None = None,
    scaling: float,
    sliding_window: int | None = None,
    **rest: Any,
) -> tuple[torch.Tensor, None]:
    """Return attention's output (1, positions, heads, size); without `packed` it is transformers' own."""
    if packed is None:
        output, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, sliding_window=sliding_window, **rest
        )
        return output, None
    if torch.is_autocast_enabled(query.device.type):
        dtype = torch.get_autocast_dtype(query.device.type)
        query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    output = _BlockAttention.apply(  # type: ignore[no-untyped-call]  # torch's
        query[0], key[0], value[0], packed, scaling, sliding_window
    )
    return output[None], None


class _BlockAttention(torch.autograd.Function):
    """Softmax attention with a hand-written gradient, heads of one key in one product."""

    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any, packed: Packed, scale: float, window: Any) -> Any:
        heads, positions, size = query.shape
        output = query.new_empty(positions, heads, size)
        with torch.autocast(query.device.type, enabled=False):
            for block in packed.blocks:
                mask = _mask(packed, block, heads // key.shape[0], window, query)
                queries, keys, values = _gather(block, query, key, value)
                probabilities = _probabilities(queries, keys, mask, scale)
                output[block.start : block.stop] = _ungroup(probabilities @ values, heads).transpose(0, 1)
        ctx.save_for_backward(query, key, value)
        ctx.packed, ctx.scale, ctx.window = packed, scale, window
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        query, key, value = ctx.saved_tensors
        heads = query.shape[0]
        d_query, d_key, d_value = torch.empty_like(query), torch.zeros_like(key), torch.zeros_like(value)
        for block in ctx.packed.blocks:
            mask = _mask(ctx.packed, block, heads // key.shape[0], ctx.window, query)
            queries, keys, values = _gather(block, query, key, value)
            given = _group(gradient[block.start : block.stop].transpose(0, 1), key.shape[0])
            probabilities = _probabilities(queries, keys, mask, ctx.scale)
            _add(d_value, block, probabilities.transpose(1, 2) @ given)
            d_scores = torch._softmax_backward_data(
                given @ values.transpose(1, 2), probabilities, -1, probabilities.dtype
            ).mul_(ctx.scale)
            d_query[:, block.start : block.stop] = _ungroup(d_scores @ keys, heads)
            _add(d_key, block, d_scores.transpose(1, 2) @ queries)
        return d_query, d_key, d_value, None, None, None


def _probabilities(queries: Any, keys: Any, mask: Any, scale: float) -> Any:
    scores = torch.baddbmm(mask, queries, keys.transpose(1, 2), alpha=scale)
    return torch.softmax(scores, -1)


def _gather(block: Block, query: Any, key: Any, value: Any) -> Any:
    queries = _group(query[:, block.start : block.stop], key.shape[0])
    return queries, block.keys(key), block.keys(value)


def _group(heads: Any, keys: int) -> Any:
    """Return (heads, positions, size) as (key heads, heads of a key times positions, size)."""
    return heads.reshape(keys, -1, heads.shape[-1])


def _ungroup(grouped: Any, heads: int) -> Any:
    return grouped.reshape(heads, -1, grouped.shape[-1])


def _add(total: Any, block: Block, part: Any) -> None:
    first, last = block.before
    total[:, first:last] += part[:, : last - first]
    total[:, block.start : block.stop] += part[:, last - first :]


def _mask(packed: Packed, block: Block, repeats: int, window: int | None, like: torch.Tensor) -> torch.Tensor:
    """Return what is added to a block's scores, made once for all layers."""
    seen = block.before[1] - block.before[0]
    own = block.stop - block.start
    wanted = (seen, own, repeats, window)
    if wanted not in packed.masks:
        distance = (
            torch.arange(own, device=like.device)[:, None]
            + seen
            - torch.arange(seen + own, device=like.device)
        )
        hidden = distance < 0 if window is None else (distance < 0) | (distance >= window)
        mask = torch.zeros_like(distance, dtype=like.dtype).masked_fill_(hidden, -torch.inf)
        packed.masks[wanted] = mask.repeat(repeats, 1)
    return packed.masks[wanted]


AttentionInterface.register(NAME, packed_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)

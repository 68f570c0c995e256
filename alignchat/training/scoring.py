"""Scores completions in packed rows, in place of TRL's fused head. Knows no method and no loss."""

import functools
from types import MethodType
from typing import Any

import torch
from trl.trainer.utils import FusedCausalLMOutput

from alignchat.training import attention
from alignchat.training.packing import pack

# Rows of logits at once: 128 x 49,152 in fp32 are 25 MB, which the last cache of most machines holds.
_ROWS = 128


def score_packed(network: Any, dtype: torch.dtype) -> None:
    """Let a PEFT network called with TRL's `fused_lm_head=True` score its batch packed, in `dtype`.

    TRL pads and, on a CPU, computes logits for each position, twice.
    """
    base = network.get_base_model()
    if getattr(base.config, "final_logit_softcapping", None) is not None:
        return
    base.config._attn_implementation = attention.NAME
    plain = base.forward
    weight = base.get_output_embeddings().weight.detach().to(dtype)

    @functools.wraps(type(base).forward)
    def forward(self: Any, *arguments: Any, fused_lm_head: bool = False, **options: Any) -> Any:
        if not fused_lm_head:
            return plain(*arguments, **options)
        ids, labels = options["input_ids"], options["labels"]
        packed = pack(ids, options["attention_mask"], labels)
        hidden = self.base_model(
            input_ids=packed.ids,
            position_ids=packed.positions,
            attention_mask=ids.new_empty(
                1, 1, 1, 1
            ),  # one of four dimensions keeps transformers from its own
            use_cache=False,
            packed=packed,
        ).last_hidden_state[0]
        scores = _TokenScores.apply(  # type: ignore[no-untyped-call]  # torch's
            hidden[packed.scored], weight, packed.targets, torch.is_grad_enabled()
        )
        shape, places = (ids.shape[0], ids.shape[1] - 1), (packed.sequence, packed.place)
        log_probs, entropy, mean_logits, is_top1 = (
            score.new_zeros(shape).index_put(places, score) for score in scores
        )
        return FusedCausalLMOutput(
            log_probs=log_probs, entropy=entropy, mean_logits=mean_logits, is_top1=is_top1
        )

    base.forward = MethodType(forward, base)


class _TokenScores(torch.autograd.Function):
    """Log-probability, entropy, mean logit and whether likeliest, of one target a row.

    The gradient of log p(y) with respect to the hidden state is W[y] - sum_v p(v) W[v], whatever the loss
    makes of it, so it is found while the logits are there, and they are computed once.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Any, weight: Any, targets: Any, learning: bool) -> Any:
        scores = []
        slopes = torch.empty_like(hidden, dtype=weight.dtype) if learning else None
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, len(hidden), _ROWS):
                rows = slice(start, start + _ROWS)
                logits = (hidden[rows].to(weight.dtype) @ weight.t()).float()
                mean, top = logits.mean(-1), logits.amax(-1)
                own = logits.gather(1, targets[rows, None])[:, 0]
                masses = logits.sub_(top[:, None]).exp()
                total = masses.sum(-1)
                entropy = total.log() - torch.linalg.vecdot(masses, logits) / total
                if slopes is not None:
                    slopes[rows] = (masses.to(weight.dtype) @ weight).div_(total[:, None])
                scores.append((own - top - total.log(), entropy, mean, own >= top))
            if slopes is not None:
                slopes = weight[targets].sub_(slopes)
        ctx.save_for_backward(slopes)
        log_probability, entropy, mean, likeliest = (torch.cat(parts) for parts in zip(*scores, strict=True))
        ctx.mark_non_differentiable(entropy, mean, likeliest)
        return log_probability, entropy, mean, likeliest

    @staticmethod
    def backward(ctx: Any, gradient: Any, *_: Any) -> Any:
        (slopes,) = ctx.saved_tensors
        return gradient[:, None] * slopes, None, None, None

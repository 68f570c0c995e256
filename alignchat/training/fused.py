"""The parts of a network that LoRA training spends its time in, with gradients written by hand.

Frozen weights need no gradient, sums can be made in place, and what is cheap is computed again in the
backward pass instead of kept. Knows LoRA and the layers of a decoder; knows no rows and no loss.
"""

from typing import Any

import torch
from peft.tuners.lora import Linear as LoraLinear
from transformers.models.llama.modeling_llama import LlamaMLP, LlamaRMSNorm
from transformers.models.mistral.modeling_mistral import MistralMLP, MistralRMSNorm


def fuse(network: Any, dtype: torch.dtype) -> None:
    """Give a PEFT network's layers the classes below, and its frozen matrices the format `dtype`.

    Embeddings, norms and LoRA weights stay in fp32, and with them the sums from layer to layer.
    """
    embedded = network.get_input_embeddings().weight
    for part in network.modules():
        if type(part) is torch.nn.Linear and not part.weight.requires_grad and part.weight is not embedded:
            part.weight.data = part.weight.data.to(dtype)
        if type(part) in _FUSED:
            part.__class__ = _FUSED[type(part)]


class _LoraProduct(torch.autograd.Function):
    """x W' + scale x A' B', with W frozen; products in W's format."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, down: Any, up: Any, scale: float) -> Any:
        with torch.autocast(x.device.type, enabled=False):
            ctx.given = x.dtype
            x, a, b = x.to(weight.dtype), down.to(weight.dtype), up.to(weight.dtype)
            flat = x.reshape(-1, x.shape[-1])
            small = flat @ a.t()
            y = torch.nn.functional.linear(flat, weight)
            y.addmm_(small, b.t(), alpha=scale)
        ctx.save_for_backward(flat, weight, a, b, small)
        ctx.scale, ctx.trained = scale, down.dtype
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        x, weight, a, b, small = ctx.saved_tensors
        g = gradient.reshape(-1, gradient.shape[-1])
        d_small = (g @ b).mul_(ctx.scale)
        d_up = (g.t() @ small).to(ctx.trained).mul_(ctx.scale)
        d_down = (d_small.t() @ x).to(ctx.trained)
        d_x = None
        if ctx.needs_input_grad[0]:
            d_x = (g @ weight).addmm_(d_small, a)
            d_x = d_x.view(*gradient.shape[:-1], -1).to(ctx.given)
        return d_x, None, d_down, d_up, None


class FusedLora(LoraLinear):  # type: ignore[misc]  # PEFT is untyped
    """PEFT's LoRA of a linear layer without bias and dropout, in one function."""

    def forward(self, x: Any, *arguments: Any, **options: Any) -> Any:
        """Return the layer's output (..., out) of x (..., in)."""
        if self.disable_adapters or self.merged or self.get_base_layer().bias is not None:
            return super().forward(x, *arguments, **options)
        (name,) = self.active_adapters
        return _LoraProduct.apply(  # type: ignore[no-untyped-call]  # torch's
            x,
            self.get_base_layer().weight,
            self.lora_A[name].weight,
            self.lora_B[name].weight,
            self.scaling[name],
        )


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, eps: float, dtype: Any) -> Any:
        scale = torch.linalg.vecdot(x, x)[..., None].div_(x.shape[-1]).add_(eps).rsqrt_()
        ctx.save_for_backward(x, weight, scale)
        return (x * scale).mul_(weight).to(dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        x, weight, scale = ctx.saved_tensors
        g = gradient * weight
        along = torch.linalg.vecdot(g, x)[..., None].div_(x.shape[-1]).mul_(scale * scale)
        return g.addcmul_(x, along, value=-1).mul_(scale), None, None, None


class FusedNorm(LlamaRMSNorm):  # type: ignore[misc]  # transformers is untyped here
    """Root-mean-square norm of fp32 values, given out in the format of the products after it."""

    def forward(self, x: Any) -> Any:
        """Return x (..., size) divided by its root mean square, times the weights."""
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        with torch.autocast(kind, enabled=False):
            return _Norm.apply(  # type: ignore[no-untyped-call]  # torch's
                x, self.weight, self.variance_epsilon, dtype
            )


class _Gated(torch.autograd.Function):
    """silu(gate) up, with silu computed again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, gate: Any, up: Any) -> Any:
        ctx.save_for_backward(gate, up)
        return torch.nn.functional.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        gate, up = ctx.saved_tensors
        d_up = torch.nn.functional.silu(gate).mul_(gradient)
        return torch.ops.aten.silu_backward(gradient * up, gate), d_up


class FusedMLP(LlamaMLP):  # type: ignore[misc]  # transformers is untyped here
    """A decoder layer's gated two linear layers and the one after them."""

    def forward(self, x: Any) -> Any:
        """Return the layer's output (..., size) of x (..., size)."""
        gated = _Gated.apply(self.gate_proj(x), self.up_proj(x))  # type: ignore[no-untyped-call]  # torch's
        return self.down_proj(gated)


_FUSED: dict[type, type] = {
    LoraLinear: FusedLora,
    LlamaRMSNorm: FusedNorm,
    MistralRMSNorm: FusedNorm,
    LlamaMLP: FusedMLP,
    MistralMLP: FusedMLP,
}

"""The draft-and-check transformer: rows of text read causally, canvas rows read in both directions, one set of weights.

Knows embeddings, positions and which row may see which. Knows no text, no holes' meaning and no decoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction, FunctionCtx


@dataclass(frozen=True)
class NetworkConfig:
    vocabulary: int = 8192
    width: int = 256
    layers: int = 8
    heads: int = 4
    rope_base: float = 10_000.0
    window: int = 1024  # positions: a row sees itself and what stands less than so many before it

    @property
    def head_width(self) -> int:
        return self.width // self.heads


CAUSAL_GROUP = 256  # rows that are known to be causal attend in groups of this many


class Network(nn.Module):
    """Pre-norm transformer with rotary positions, QK-norm, squared ReLU, no biases, tied embeddings."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width, _weight=torch.empty(config.vocabulary, config.width))
        self.canvas = nn.Parameter(torch.zeros(config.width))  # added to every canvas row: "both directions from here"
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        if not self.embedding.weight.is_meta:  # there, torch imports its compiler to do nothing, for a second
            nn.init.normal_(self.embedding.weight, std=0.05)

    def embed(self, tokens: Tensor) -> Tensor:
        """Text rows: tokens (batch, rows) -> (batch, rows, width)."""
        return _norm(F.embedding(tokens, self.embedding.weight))

    def embed_slots(self, tokens: Tensor, marks: Tensor) -> Tensor:
        """Canvas rows: `tokens` are the mask or a committed token, `marks` the hole's own token; both (batch, rows)."""
        weight = self.embedding.weight
        return _norm(F.embedding(tokens, weight) + F.embedding(marks, weight) + self.canvas)

    def forward(
        self, x: Tensor, positions: Tensor, bias: Tensor, causal_rows: int = 0, rotation: tuple[Tensor, Tensor] | None = None
    ) -> Tensor:
        """Rows through all layers; returns the last hidden states (batch, rows, width).

        x: (batch, rows, width). positions: (batch, rows). bias: 0 where a row sees another and -inf where not,
        broadcastable to (batch, 1, rows, rows); what is outside its window, no row sees. `causal_rows` promises that of the
        first so many rows none sees a later one: what the bias hides there is not computed. `rotation` is that of the
        positions in the dtype of x, from who compiles this: a compiler computes what is made here anew for every layer.
        """
        cos, sin = (part[:, None] for part in rotation or self.rotation(positions, x.dtype))
        if x.shape[1] > self.config.window:
            far = positions[:, None, :, None] - positions[:, None, None, :] >= self.config.window
            bias = bias.masked_fill(far, float("-inf"))
        bias = bias.to(x.dtype)
        for block in self.blocks:
            x = block(x, cos, sin, bias, causal_rows)
        return _norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Unnormalised log probabilities over the vocabulary, in the dtype of `hidden`."""
        return F.linear(hidden, self.embedding.weight.to(hidden.dtype))

    def rotation(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosines and sines of rotary positions, (..., half a head's width) each."""
        half = self.config.head_width // 2
        exponent = torch.arange(half, device=positions.device, dtype=torch.float64) / half
        angles = positions[..., None].to(torch.float64) * self.config.rope_base**-exponent
        return angles.cos().to(dtype), angles.sin().to(dtype)

    @property
    def layers(self) -> list[Block]:
        return [block for block in self.blocks if isinstance(block, Block)]


class Block(nn.Module):
    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.heads, self.head_width = config.heads, config.head_width
        width = config.width
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)
        for layer in (self.qkv, self.up):
            nn.init.uniform_(layer.weight, -((3 / width) ** 0.5), (3 / width) ** 0.5)
        for layer in (self.out, self.down):
            nn.init.zeros_(layer.weight)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, bias: Tensor, causal_rows: int) -> Tensor:
        batch, rows, width = x.shape
        qkv = _linear(_norm(x), self.qkv).view(batch, rows, 3, self.heads, self.head_width).permute(2, 0, 3, 1, 4)
        q, k, v = _rotate(_norm(qkv[0]), cos, sin), _rotate(_norm(qkv[1]), cos, sin), qkv[2]
        x = x + _linear(_attend(q, k, v, bias, causal_rows).transpose(1, 2).reshape(batch, rows, width), self.out)
        return x + _linear(F.relu(_linear(_norm(x), self.up)).square(), self.down)


def _attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, causal_rows: int) -> Tensor:
    rows = q.shape[2]
    cuts = [0, rows]
    if causal_rows and not q.is_cuda:  # there, one kernel for all rows is faster than several that leave work out
        cuts = [*range(0, causal_rows, CAUSAL_GROUP), *([causal_rows] if causal_rows < rows else []), rows]
    # Only a compiler makes the products' way back the faster one: step by step it is slower than the kernel's.
    attention = _Attention.apply if q.device.type == "cpu" and torch.compiler.is_compiling() else F.scaled_dot_product_attention
    outputs = []
    for start, end in pairwise(cuts):
        seen = end if end <= causal_rows else rows
        outputs.append(attention(q[:, :, start:end], k[:, :, :seen], v[:, :, :seen], bias[..., start:end, :seen]))
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, 2)


class _Attention(torch.autograd.Function):
    """`F.scaled_dot_product_attention` on a CPU, whose own way back takes more than twice as long as matrix products do.

    The gradients are those of FlashAttention (Dao et al. 2022, appendix B.2), of all rows at once.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
        out, log_sums = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, attn_mask=bias)
        ctx.save_for_backward(q, k, v, bias, out, log_sums)
        found: Tensor = out
        return found

    @staticmethod
    def backward(ctx: BackwardCFunction, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        (gradient,) = gradients
        saved: tuple[Tensor, ...] = ctx.saved_tensors
        q, k, v, bias, out, log_sums = saved
        scale = q.shape[-1] ** -0.5
        weights = ((q @ k.mT).float() * scale + bias.float() - log_sums[..., None]).exp()
        shift = (gradient.float() * out.float()).sum(-1, keepdim=True)
        scores = (weights * ((gradient @ v.mT).float() - shift) * scale).to(q.dtype)
        return scores @ k, scores.mT @ q, weights.to(q.dtype).mT @ gradient, None


def _linear(x: Tensor, layer: nn.Linear) -> Tensor:
    return F.linear(x, layer.weight.to(x.dtype))


def _norm(x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), eps=1e-6)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding (Su et al. 2021): the two halves of each head are the real and imaginary parts."""
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)

"""Diffusion in the manner of Fast-dLLM (Wu et al. 2025, arXiv 2505.22618): one pass over everything makes a cache of what stands
on both sides of the hole; then only the canvas is read, and every slot above a threshold of certainty is committed at once.

Knows a request at a time. Keeps nothing from one to the next: where text sees a canvas, as in the models this was made for,
a key changes every row. The canvas is one block and the cache is never refreshed, which is the cheapest form of it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from model.architecture.rows import RowCache, causal_bias
from model.checkpoints.store import Model
from model.evaluation.rivals.canvas import embed_canvas, fill_canvas
from model.evaluation.rivals.rival import Prompt, Written

THRESHOLD = 0.9  # the paper's


class DualCache:
    name = "dual cache"

    def __init__(self, model: Model, threshold: float = THRESHOLD) -> None:
        self._network, self._tokenizer, self._threshold = model.network, model.tokenizer, threshold

    def prepare(self, prompt: Prompt) -> None:
        """Nothing is kept."""

    @torch.inference_mode()
    def write(self, prompt: Prompt, count: int) -> Written:
        network, seen = self._network, len(prompt.visible)
        cache = RowCache(network)
        cache.reserve(seen + count)
        positions = torch.arange(seen + count)[None]

        def read(canvas: list[int]) -> Tensor:
            slots = embed_canvas(network, self._tokenizer, canvas)
            if any(token != self._tokenizer.mask for token in canvas):
                bias = slots.new_zeros(1, 1, count, seen + count)
                return network.logits(network(slots, positions[:, seen:], bias, cache.layers, seen)[0])
            text = network.embed(torch.tensor([prompt.visible]))
            bias = text.new_zeros(1, 1, seen + count, seen + count)
            bias[:, :, :seen, :seen] = causal_bias(seen, 0, text)
            bias[:, :, :seen, seen:] = float("-inf")
            hidden = network(torch.cat([text, slots], 1), positions, bias, cache.layers, causal_rows=seen)
            return network.logits(hidden[0, seen:])

        tokens, passes = fill_canvas(read, self._tokenizer, count, self._threshold)
        return Written(self._tokenizer.decode(tokens), tokens, passes)

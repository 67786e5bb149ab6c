"""Diffusion in the manner of Fast-dLLM (Wu et al. 2025, arXiv 2505.22618): one pass over everything makes a cache of what stands
on both sides of the hole; then only the canvas is read, and every slot above a threshold of certainty is committed at once.

Knows a request at a time. Keeps nothing from one to the next: where text sees a canvas, as in the models this was made for,
a key changes every row. The canvas is one block and the cache is never refreshed, which is the cheapest form of it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from model.architecture.rows import RowCache
from model.checkpoints.store import Model
from model.engine.readers import reader_of
from model.evaluation.rivals.canvas import fill_canvas, read_canvas, read_text
from model.evaluation.rivals.rival import Prompt, Written

THRESHOLD = 0.9  # the paper's


class DualCache:
    name = "dual cache"

    def __init__(self, model: Model, threshold: float = THRESHOLD) -> None:
        self._network, self._tokenizer, self._threshold = reader_of(model.network), model.tokenizer, threshold

    def prepare(self, prompt: Prompt) -> None:
        """Nothing is kept."""

    @torch.inference_mode()
    def write(self, prompt: Prompt, count: int) -> Written:
        cache, seen = RowCache(self._network.network), len(prompt.visible)
        read_text(self._network, cache, prompt.visible)

        def read(canvas: list[int]) -> Tensor:
            return read_canvas(self._network, cache, self._tokenizer, canvas, seen)

        tokens, passes = fill_canvas(read, self._tokenizer, count, self._threshold)
        return Written(self._tokenizer.decode(tokens), tokens, passes)

"""Diffusion as reference implementations decode it: everything computed anew at every step, one token committed a step.

Knows the rows of a text and a canvas. Knows no cache. The text's rows are read with the network's own, faster, causal attention.
"""

from __future__ import annotations

import torch
from torch import Tensor

from model.architecture.rows import causal_bias
from model.checkpoints.store import Model
from model.evaluation.rivals.canvas import embed_canvas, fill_canvas
from model.evaluation.rivals.rival import Prompt, Written

ONE_AT_A_TIME = 1.1  # no certainty is above it


class Recompute:
    name = "recompute every step"

    def __init__(self, model: Model) -> None:
        self._network, self._tokenizer = model.network, model.tokenizer

    def prepare(self, prompt: Prompt) -> None:
        """Nothing is kept."""

    @torch.inference_mode()
    def write(self, prompt: Prompt, count: int) -> Written:
        text = self._network.embed(torch.tensor([prompt.visible]))
        seen = len(prompt.visible)
        bias = text.new_zeros(1, 1, seen + count, seen + count)
        bias[:, :, :seen, :seen] = causal_bias(seen, 0, text)
        bias[:, :, :seen, seen:] = float("-inf")
        positions = torch.arange(seen + count)[None]

        def read(canvas: list[int]) -> Tensor:
            rows = torch.cat([text, embed_canvas(self._network, self._tokenizer, canvas)], 1)
            hidden = self._network(rows, positions, bias, causal_rows=seen)
            return self._network.logits(hidden[0, seen:])

        tokens, passes = fill_canvas(read, self._tokenizer, count, ONE_AT_A_TIME)
        return Written(self._tokenizer.decode(tokens), tokens, passes)

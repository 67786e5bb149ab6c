"""Diffusion as reference implementations decode it: everything computed anew at every step, one token committed a step.

Knows a text and a canvas. Keeps nothing from step to step. What it reads, it reads as fast as the engine does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from model.architecture.rows import RowCache
from model.checkpoints.store import Model
from model.engine.readers import reader_of
from model.evaluation.rivals.canvas import fill_canvas, read_canvas, read_text
from model.evaluation.rivals.rival import Prompt, Written

ONE_AT_A_TIME = 1.1  # no certainty is above it


class Recompute:
    name = "recompute every step"

    def __init__(self, model: Model) -> None:
        self._network, self._tokenizer = reader_of(model.network), model.tokenizer

    def prepare(self, prompt: Prompt) -> None:
        """Nothing is kept."""

    @torch.inference_mode()
    def write(self, prompt: Prompt, count: int) -> Written:
        cache, seen = RowCache(self._network.network), len(prompt.visible)

        def read(canvas: list[int]) -> Tensor:
            read_text(self._network, cache, prompt.visible)
            return read_canvas(self._network, cache, self._tokenizer, canvas, seen)

        tokens, passes = fill_canvas(read, self._tokenizer, count, ONE_AT_A_TIME)
        return Written(self._tokenizer.decode(tokens), tokens, passes)

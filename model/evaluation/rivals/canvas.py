"""Plain masked diffusion: a canvas of as many slots as tokens are wanted, read again and again, the most certain slots committed.

Knows slots, certainty and how text and canvas are read. What is read again, and how often, is the callers' matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from model.architecture.inference import InferenceNetwork, Segment
from model.architecture.rows import RowCache
from model.engine.session import CHUNK
from model.infilling.passes import text_segment
from model.tokenization.tokenizer import Tokenizer


def fill_canvas(read: Callable[[list[int]], Tensor], tokenizer: Tokenizer, count: int, threshold: float) -> tuple[list[int], int]:
    """The tokens of all slots and the number of passes.

    `read` gives the logits (count, vocabulary) of a canvas. A pass commits every slot that is more certain than the threshold,
    and the most certain one at least; a threshold above 1 commits one slot at a time. The length is given, so no slot ends.
    """
    canvas = [tokenizer.mask] * count
    passes = 0
    while tokenizer.mask in canvas:
        values, tokens = torch.softmax(read(canvas)[:, : tokenizer.ordinary].double(), -1).max(-1)
        passes += 1
        values[torch.tensor([token != tokenizer.mask for token in canvas])] = -1.0
        for slot in {int(values.argmax()), *torch.nonzero(values > threshold).flatten().tolist()}:
            canvas[slot] = int(tokens[slot])
    return canvas, passes


def read_text(network: InferenceNetwork, cache: RowCache, visible: Sequence[int]) -> None:
    """Makes the cache hold the visible text, from nothing."""
    for start in range(0, len(visible), CHUNK):
        network.read([text_segment(visible[start : start + CHUNK], cache, start)])


def read_canvas(network: InferenceNetwork, cache: RowCache, tokenizer: Tokenizer, canvas: list[int], seen: int) -> Tensor:
    """Logits (slots, vocabulary) of a canvas behind `seen` cached rows, as the engine reads that of its first hole."""
    count = len(canvas)
    cache.reserve(seen + count)
    bias = torch.zeros(count, count, dtype=cache.dtype)
    marks = [tokenizer.holes[0]] * count
    [reading] = network.read([Segment(canvas, range(seen, seen + count), cache, seen, bias, marks, range(count))])
    return reading.logits

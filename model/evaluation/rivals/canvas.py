"""Plain masked diffusion: a canvas of as many slots as tokens are wanted, read again and again, the most certain slots committed.

Knows slots and certainty. Knows no cache: who reads the canvas, and at what cost, is the callers' matter.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from model.architecture.network import Network
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


def embed_canvas(network: Network, tokenizer: Tokenizer, canvas: list[int]) -> Tensor:
    """The canvas's rows (1, slots, width), as the engine embeds those of its first hole."""
    return network.embed_slots(torch.tensor([canvas]), torch.full((1, len(canvas)), tokenizer.holes[0]))

"""A session: the cached rows of one open file. Encodes only what changed since the last request.

Knows token ids and the longest common part of two texts. Knows no text and no decoding.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from model.architecture.network import Network
from model.architecture.rows import RowCache, causal_bias
from model.tokenization.tokenizer import common_length

CHUNK = 256  # rows encoded between two looks at whether the request is still wanted


class Session:
    """`tokens` are the ones whose rows are valid: always rows 0 to len(tokens) of the cache."""

    def __init__(self, network: Network) -> None:
        self.cache = RowCache(network)
        self.tokens: list[int] = []

    def encode(self, network: Network, tokens: list[int], going_on: Callable[[], None]) -> tuple[Tensor, int]:
        """Makes the session hold these tokens. Returns the last row's hidden state (width,) and how many were encoded.

        `going_on` is called before each chunk and may raise; what was encoded until then stays valid.
        """
        kept = min(common_length(self.tokens, tokens), len(tokens) - 1)
        del self.tokens[kept:]
        self.cache.reserve(len(tokens))
        hidden = torch.empty(0)
        for start in range(kept, len(tokens), CHUNK):
            going_on()
            chunk = tokens[start : start + CHUNK]
            device = network.embedding.weight.device
            x = network.embed(torch.tensor([chunk], device=device))
            positions = torch.arange(start, start + len(chunk), device=device)[None]
            hidden = network(x, positions, causal_bias(len(chunk), start, x), self.cache.layers, start)[0, -1]
            self.tokens += chunk
        return hidden, len(tokens) - kept

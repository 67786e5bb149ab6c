"""A session: the cached rows of one open file. Encodes only what changed since the last request.

Knows token ids and the longest common part of two texts. Knows no text and no decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from model.architecture.network import Network
from model.architecture.rows import RowCache, causal_bias
from model.tokenization.tokenizer import common_length

CHUNK = 256  # rows encoded between two looks at whether the request is still wanted


class Session:
    """`tokens` are the ones whose rows are valid: always rows 0 to len(tokens) of the cache."""

    def __init__(self, network: Network) -> None:
        self.cache = RowCache(network)
        self.tokens: list[int] = []

    def encode(self, network: Network, tokens: Sequence[int], going_on: Callable[[], None], leave: int = 0) -> int:
        """Makes the session hold these tokens. Returns how many were encoded.

        `going_on` is called before each chunk and may raise; what was encoded until then stays valid. With `leave`, the last
        token is left to the caller, and with it all others that are new if they are at most `leave`: the pass that
        continues the text can read them (`adopt` them then).
        """
        kept = min(common_length(self.tokens, tokens), len(tokens) - 1)
        del self.tokens[kept:]
        end = len(tokens) if not leave else kept if len(tokens) - kept <= leave else len(tokens) - 1
        self.cache.reserve(len(tokens))
        for start in range(kept, end, CHUNK):
            going_on()
            chunk = list(tokens[start : min(end, start + CHUNK)])
            device = network.embedding.weight.device
            x = network.embed(torch.tensor([chunk], device=device))
            positions = torch.arange(start, start + len(chunk), device=device)[None]
            network(x, positions, causal_bias(len(chunk), start, x), self.cache.layers, start)
            self.tokens += chunk
        return end - kept

    def adopt(self, tokens: Sequence[int]) -> None:
        """The rows behind the session's own have come to hold these tokens."""
        self.tokens += tokens

"""A static table: which tokens most often follow two others in the training text. The cheapest drafter there is.

Knows pairs of tokens and their followers. Knows no network and no text.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

VOCABULARY = 1 << 16  # a pair is first * VOCABULARY + second


class TrigramTable:
    """`pairs` ascend, (entries,) uint32; `tokens` (entries, 2) uint16; `shares` (entries, 2) uint8, in 255ths."""

    def __init__(self, pairs: NDArray[np.uint32], tokens: NDArray[np.uint16], shares: NDArray[np.uint8]) -> None:
        self.pairs, self.tokens, self.shares = pairs, tokens, shares

    def followers(self, first: int, second: int) -> list[tuple[int, float]]:
        """Up to two tokens that follow the pair, and how often each does (0 to 1)."""
        pair = np.uint32(first * VOCABULARY + second)
        at = int(self.pairs.searchsorted(pair))
        if at == len(self.pairs) or self.pairs[at] != pair:
            return []
        found = zip(self.tokens[at].tolist(), self.shares[at].tolist(), strict=True)
        return [(token, share / 255) for token, share in found if share]

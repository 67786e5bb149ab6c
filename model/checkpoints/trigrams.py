"""A static table: which tokens most often follow two others, or one, in the training text. The cheapest drafter there is.

Knows contexts of two tokens or one, and their followers. Knows no network and no text.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

VOCABULARY = 1 << 16  # a pair is first * VOCABULARY + second
NOTHING = VOCABULARY - 1  # stands first where the second token alone is the context


class TrigramTable:
    """`pairs` ascend, (entries,) uint32. `tokens`, uint16, and `shares`, uint8 in 255ths, hold the followers of one pair after
    the other's, (followers,), each pair's most frequent one first; `ends`, (entries,) uint32, say where each pair's end.

    Raises ValueError for arrays that do not belong together.
    """

    def __init__(
        self, pairs: NDArray[np.uint32], ends: NDArray[np.uint32], tokens: NDArray[np.uint16], shares: NDArray[np.uint8]
    ) -> None:
        last = int(ends[-1]) if len(ends) else 0
        if len(pairs) != len(ends) or not last == len(tokens) == len(shares):
            raise ValueError(f"{len(pairs)} pairs, {len(ends)} ends and {len(tokens)} followers do not belong together")
        self.pairs, self.ends, self.tokens, self.shares = pairs, ends, tokens, shares

    def followers(self, first: int, second: int) -> list[tuple[int, float]]:
        """Tokens that follow the pair, the most frequent first, and how often each does (0 to 1)."""
        pair = np.uint32(first * VOCABULARY + second)
        at = int(self.pairs.searchsorted(pair))
        if at == len(self.pairs) or self.pairs[at] != pair:
            return []
        own = slice(int(self.ends[at - 1]) if at else 0, int(self.ends[at]))
        return [(token, share / 255) for token, share in zip(self.tokens[own].tolist(), self.shares[own].tolist(), strict=True)]

    def followers_of_one(self, token: int) -> list[tuple[int, float]]:
        """The same, whatever stands before the token."""
        return self.followers(NOTHING, token)

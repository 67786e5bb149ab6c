"""Cuts inside a word, or between a word and the space that belongs to its token: takes back what is
cut and allows only tokens that spell it again.

Knows bytes of tokens. Knows no layout and no network.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from model.tokenization.tokenizer import Tokenizer

_PARTIAL_WORD = re.compile(r"[ ]?[A-Za-z_]+\Z|(?<=\S)[ ]\Z")  # a space between words belongs to the token of the next one
_LONGEST = 40  # characters; a longer word is not taken back


def split_partial_word(prefix: str) -> tuple[str, str]:
    """The prefix without the word or the lone space it ends in, and what was taken: a word with its space, or ""."""
    found = _PARTIAL_WORD.search(prefix, max(0, len(prefix) - _LONGEST))
    if found is None or found.start() == len(prefix) - _LONGEST:
        return prefix, ""
    return prefix[: found.start()], found.group()


class Healing:
    """Which tokens may stand where some bytes are still owed.

    `line_breaks` are those that spell a line break, `blanks` those that spell nothing but several blanks.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._spellings = [tokenizer.bytes_of(token) for token in range(tokenizer.size)]
        self.line_breaks = np.array([b"\n" in spelling for spelling in self._spellings])
        self.blanks = np.array([len(spelling) > 1 and spelling.isspace() for spelling in self._spellings])
        self._sorted = sorted((spelling, token) for token, spelling in enumerate(self._spellings) if spelling)
        self._token_of = dict(self._sorted)
        self.forbidden = lru_cache(maxsize=256)(self._forbidden)

    def _forbidden(self, owed: bytes) -> NDArray[np.bool_]:
        """For each token, whether it can not stand here: it neither spells the start of `owed` nor goes on behind it."""
        forbidden = np.ones(len(self._spellings), np.bool_)
        at = bisect_left(self._sorted, (owed, -1))
        while at < len(self._sorted) and self._sorted[at][0].startswith(owed):
            forbidden[self._sorted[at][1]] = False
            at += 1
        for length in range(1, len(owed)):
            token = self._token_of.get(owed[:length])
            if token is not None:
                forbidden[token] = False
        return forbidden

    def owed_after(self, owed: bytes, token: int) -> bytes:
        return owed[len(self._spellings[token]) :]

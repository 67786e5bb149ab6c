"""Drafts by copying: what followed the longest earlier occurrence of the last tokens (prompt look-up decoding).

Knows token ids. Knows no network; a wrong copy costs time, never quality, because the check reads it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

LONGEST_MATCH = 8  # tokens
SHORT_MATCH = 1  # a match this short says little: few tokens are drafted after it
DRAFT, SHORT_DRAFT = 8, 2  # tokens


class Copies:
    """The visible tokens, indexed, and those written since. `ordinary` ends the ids that may be copied."""

    def __init__(self, tokens: Sequence[int], ordinary: int, eos: int) -> None:
        self._tokens = list(tokens)
        self._copyable = (ordinary, eos)
        self._places: dict[int, list[int]] = defaultdict(list)
        for place, token in enumerate(self._tokens):
            self._places[token].append(place)

    def draft(self, written: Sequence[int]) -> tuple[list[int], int]:
        """Tokens that may follow `written` (which itself follows the visible tokens), and the length of the match."""
        recent = [*self._tokens[-LONGEST_MATCH:], *written][-LONGEST_MATCH:]
        best, where = 0, -1
        for place in reversed(self._places.get(recent[-1], ())):
            if place == len(self._tokens) - 1:
                continue
            length = 1
            while length < len(recent) and length <= place and self._tokens[place - length] == recent[-1 - length]:
                length += 1
            if length > best:
                best, where = length, place
            if best == len(recent):
                break
        drafted = []
        for token in self._tokens[where + 1 : where + 1 + (DRAFT if best > SHORT_MATCH else SHORT_DRAFT)] if best else ():
            if token >= self._copyable[0]:
                break
            drafted.append(token)
        return drafted, best

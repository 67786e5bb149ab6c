"""Best-first search: which beginnings of a text may still lead to one that is likelier as a whole than those that are written.

Knows places, tokens and log probabilities. Knows no network and no passes. At each token the likeliest one is written, and the
text is often not the likeliest as a whole; for code, the likeliest whole text is right more often (Stahlberg and Byrne 2019 have
the search, and why it should not be done for long texts).
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from model.infilling.copies import LONGEST_MATCH, Followers

ALTERNATIVES = 3  # tokens that are known of at each place, the one that was written included
AT_ONCE = 4  # branches that are written together: more would be begun that the first ones show to be hopeless
MISSED = 4  # how much a sibling counts, as the length of a match, where it has just been left

Way = TypeVar("Way")


class Frontier(Generic[Way]):
    """Beginnings that were not gone on from, the likeliest first, as long as they may lead among the `wanted` likeliest texts.

    A text is never likelier than its beginning. That the same is found however fast each text is written, it is taken in rounds:
    all that was taken is written to its end, or until it falls to the `bar` of the round's beginning, and is noted together.
    """

    def __init__(self, wanted: int, least: float, branches: int, rivals: int = 0, reach: float = 0.0) -> None:
        """Texts with a log probability of at most `least` are not wanted; `branches` beginnings are gone on from at most.

        So many `rivals` are looked for beyond the wanted ones, if they are not less likely than the best by `reach` nats.
        """
        self._wanted, self._least, self._left = wanted, least, branches
        self._rivals, self._reach = rivals, reach
        self._ways: list[tuple[float, int, Way]] = []
        self._texts: dict[bytes, float] = {}
        self._count = 0

    @property
    def bar(self) -> float:
        """Log probability that a text must have to be among the wanted ones or their rivals."""
        if len(self._texts) < self._wanted:
            return self._least
        best = sorted(self._texts.values(), reverse=True)
        most = self._wanted + self._rivals
        rival = max(best[0] - self._reach, best[most - 1] if len(best) >= most else self._least)
        return max(self._least, min(best[self._wanted - 1], rival))

    def note(self, text: bytes, score: float) -> None:
        """A text is whole. Of one that is spelled in two ways, the likelier way counts."""
        self._texts[text] = max(score, self._texts.get(text, float("-inf")))

    def add(self, bound: float, way: Way) -> None:
        """A beginning with this log probability."""
        self._count += 1
        heapq.heappush(self._ways, (-bound, self._count, way))

    def take(self) -> list[Way]:
        """The next round: nothing where the search is over."""
        taken: list[Way] = []
        while self._ways and self._left and len(taken) < AT_ONCE and -self._ways[0][0] > self.bar:
            taken.append(heapq.heappop(self._ways)[2])
            self._left -= 1
        return taken


@dataclass(frozen=True)
class Sibling:
    """A trail: what the text that a branch left has at the same places."""

    tokens: Sequence[int]
    place: int = 0
    match: int = 0

    def after(self, token: int) -> Sibling:
        kept = self.place < len(self.tokens) and self.tokens[self.place] == token
        return Sibling(self.tokens, self.place + 1, min(LONGEST_MATCH, self.match + 1) if kept else MISSED)

    def followers(self) -> Followers:
        if self.place >= len(self.tokens):
            return Followers(0, Counter())
        return Followers(self.match, Counter([self.tokens[self.place]]))


@dataclass(frozen=True)
class NoSibling:
    """Nothing was left yet: the text that siblings are seen from."""

    def trail(self, tokens: Sequence[int]) -> Sibling:
        return Sibling(())

"""What the text behind a hole says of the texts that were written into it: those from which it does not follow are less likely.

Knows texts and log probabilities. Knows no network and no tokens. The network hardly uses what it read of the suffix, far before
the cursor; read again behind a text, the suffix's beginning tells texts apart (Bayes' rule, as in noisy-channel translation).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Weighed:
    """A text, its log probability, and that of what stands behind it given that it is there; nats."""

    text: str
    score: float
    behind: float


class Hindsight:
    """Log probabilities given what stands behind. Of texts that were not weighed it is held to follow as from the mean one."""

    def __init__(self, weighed: Sequence[Weighed]) -> None:
        """At least one text, no two of them equal."""
        usual = _sum(one.score + one.behind for one in weighed) - _sum(one.score for one in weighed)
        self._before = {one.text: one.score for one in weighed}
        self._after = {one.text: one.score + one.behind - usual for one in weighed}

    def gain(self, text: str) -> float:
        """Nats by which a whole text is likelier than it was before; 0 if it was not weighed."""
        return self._after[text] - self._before[text] if text in self._after else 0.0

    def of_part(self, part: str, score: float) -> float:
        """Log probability of a leading part, which was `score`: the weighed texts that begin with it, and the others that may."""
        longer = [text for text in self._after if text.startswith(part)]
        others = math.exp(score) - math.exp(_sum(self._before[text] for text in longer))
        return min(0.0, _sum([*(self._after[text] for text in longer), *([math.log(others)] if others > 0 else [])]))


def _sum(logs: Iterable[float]) -> float:
    """Log of the sum of what these are the logs of."""
    values = list(logs)
    highest = max(values, default=float("-inf"))
    return highest if highest == float("-inf") else highest + math.log(sum(math.exp(value - highest) for value in values))

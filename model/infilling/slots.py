"""Whether a drafting canvas pays: from what its slots cost in a pass and from the tokens that they saved so far.

Knows costs, passes and how many tokens were kept. Knows no tokens, and nothing of the other sources but what they leave to save.
"""

from __future__ import annotations

from model.infilling.deadline import PassCosts

SLOTS = 3  # of a drafting canvas: the first repeats the check, the fourth is nearly never right at the bundled model's size
# What is assumed before anything was seen: what the bundled model's canvas adds to copies and trigrams, for so many passes.
_ASSUMED_KEPT, _ASSUMED_PASSES = 0.15, 20.0
_ASSUMED_TOKENS = 2.0  # of a pass
_MEMORY = 0.01  # weight of the newest pass in what is assumed of all
_TRIED_EVERY = 256  # passes, where it does not pay: it may come to
_FORGOTTEN = 500.0  # passes after which what was seen before them counts half


class Slots:
    """Decides before each pass whether slots are read behind the rows that say what comes next."""

    def __init__(self, costs: PassCosts) -> None:
        self._costs = costs
        self._kept, self._passes = _ASSUMED_KEPT * _ASSUMED_PASSES, _ASSUMED_PASSES
        self._tokens = _ASSUMED_TOKENS
        self._reading = 0.0  # seconds that it takes to read off what slots say, once the pass is over
        self._without = 0

    @property
    def kept(self) -> float:
        """Tokens that the slots of a pass are expected to save."""
        return self._kept / self._passes

    def pay(self, rows: int, asked: int, keys: int) -> bool:
        """Whether to read them in a pass over so many `rows` that see so many keys each, behind `asked` ones."""
        alone = self._costs.of(rows, keys)
        more = self._costs.of(rows + asked * SLOTS, keys) - alone + self._reading
        self._without += 1
        if self.kept * alone / self._tokens <= more and self._without < _TRIED_EVERY:
            return False
        self._without = 0
        return True

    def wrote(self, tokens: int) -> None:
        """A pass wrote so many tokens of a text."""
        self._tokens += _MEMORY * (tokens - self._tokens)

    def took(self, seconds: float) -> None:
        """So long it took to read off what slots say."""
        self._reading += _MEMORY * (seconds - self._reading)

    def learn(self, kept: int) -> None:
        """Of what the slots of a pass proposed so many tokens were kept in the next; none if there was no next."""
        fade = 0.5 ** (1 / _FORGOTTEN)
        self._kept, self._passes = fade * self._kept + kept, fade * self._passes + 1


class Always(Slots):
    """Whatever it costs, for measurements."""

    def pay(self, rows: int, asked: int, keys: int) -> bool:
        return True

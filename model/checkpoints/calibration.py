"""`calibration.json`: how often texts of a given log probability turned out to be right, on code held out for that.

Knows two tables, of whole texts and of leading parts of them, and how to read between their rows. Knows no model and not how the
tables were fitted.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from pydantic import BaseModel, ConfigDict, FiniteFloat, model_validator


class Table(BaseModel):
    """Monotone and piecewise linear: `confidences` (0 to 1, never falling) at `scores` (log probabilities in nats, rising)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scores: tuple[FiniteFloat, ...]
    confidences: tuple[FiniteFloat, ...]

    @model_validator(mode="after")
    def _rises(self) -> Table:
        if not self.scores or len(self.scores) != len(self.confidences):
            raise ValueError("it needs as many confidences as scores")
        if any(left >= right for left, right in pairwise(self.scores)):
            raise ValueError("its scores do not rise")
        if any(left > right for left, right in pairwise((0.0, *self.confidences, 1.0))):
            raise ValueError("its confidences fall or leave 0 to 1")
        return self

    def confidence(self, score: float) -> float:
        """The probability that a text of this log probability is right, from 0 to 1; beyond the table, its nearest row."""
        return float(np.interp(score, self.scores, self.confidences))

    def least_score(self, confidence: float) -> float:
        """The log probability from which on a text is at least this likely to be right: infinite if none or any is."""
        above = int(np.searchsorted(self.confidences, confidence))
        if above == 0:
            return float("-inf")
        if above == len(self.scores):
            return float("inf")
        return float(np.interp(confidence, self.confidences[above - 1 : above + 1], self.scores[above - 1 : above + 1]))


class Calibration(BaseModel):
    """A whole text was chosen among others, and often copied: it is right more often than a part that is as likely.

    `packages` are the ones it was fitted on, so that nobody measures it on the same; `cases` is how many places in them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    whole: Table
    parts: Table
    packages: tuple[str, ...]
    cases: int

    def least_score(self, confidence: float) -> float:
        """The log probability below which neither a whole text nor a part of one is as likely to be right."""
        return min(self.whole.least_score(confidence), self.parts.least_score(confidence))

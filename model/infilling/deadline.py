"""The deadline controller: from what a pass costs on this machine and the time that is left to how many passes still fit.

Knows clocks, rows and costs. Knows no tokens and no decoding.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

UNLIMITED = 1_000_000  # passes
_MEMORY = 0.1  # weight of the newest pass in the drift
_DRIFT = (0.25, 20.0)  # within what a busy machine is believed


class PassCosts:
    """Seconds of a pass: so much for itself, for each row, and for each pair of a row and a key it sees.

    Calibrated once, then corrected by a factor that follows the machine's load.
    """

    def __init__(self, fixed: float = 3e-3, row: float = 1e-4, pair: float = 1e-7) -> None:
        self.fixed, self.row, self.pair = fixed, row, pair
        self.drift = 1.0

    def of(self, rows: int, keys: int) -> float:
        """Expected seconds of a pass over so many rows that see so many keys each."""
        return self.drift * (self.fixed + self.row * rows + self.pair * rows * keys)

    def least_chance(self, keys: int) -> float:
        """How likely a drafted token must be to be kept for its row to cost less than the pass it may save."""
        row = self.row + self.pair * keys
        return row / (self.fixed + row)

    def calibrate(self, measured: Sequence[tuple[int, int, float]]) -> None:
        """Fits the three costs to (rows, keys, seconds) of at least three different passes."""
        terms = np.array([[1.0, rows, rows * keys] for rows, keys, _ in measured])
        seconds = np.array([taken for _, _, taken in measured])
        # Each pass counts by its relative error: the short ones are those that matter.
        found = np.linalg.lstsq(terms / seconds[:, None], np.ones(len(seconds)), rcond=None)[0]
        self.fixed, self.row, self.pair = (max(1e-9, float(cost)) for cost in found)
        self.drift = 1.0

    def observe(self, rows: int, keys: int, seconds: float) -> None:
        ratio = seconds / max(1e-9, self.of(rows, keys) / self.drift)
        self.drift = min(_DRIFT[1], max(_DRIFT[0], (1 - _MEMORY) * self.drift + _MEMORY * ratio))


class Deadline:
    """When an answer must leave (`at`, seconds of `time.perf_counter`; None: whenever), and after how many passes at most."""

    def __init__(self, costs: PassCosts | None = None, at: float | None = None, passes: int | None = None) -> None:
        self._costs, self._at, self._passes = costs or PassCosts(), at, passes

    @property
    def is_over(self) -> bool:
        return self._at is not None and time.perf_counter() >= self._at

    def passes_left(self, done: int, rows: int, keys: int) -> int:
        """How many more passes over so many rows that see so many keys end in time, `done` of the allowed ones being spent."""
        left = UNLIMITED if self._passes is None else self._passes - done
        if self._at is not None:
            seconds = self._at - time.perf_counter()
            left = min(left, int(seconds / self._costs.of(rows, keys)) if seconds > 0 else 0)
        return max(0, left)

    def in_seconds(self, seconds: float) -> Deadline:
        """The same, but no later than so many seconds from now."""
        return self.by(time.perf_counter() + seconds)

    def by(self, moment: float) -> Deadline:
        """The same, but no later than this moment (seconds of `time.perf_counter`)."""
        return Deadline(self._costs, moment if self._at is None else min(moment, self._at), self._passes)

    def within(self, passes: int) -> Deadline:
        """The same moment, and at most so many passes."""
        return Deadline(self._costs, self._at, passes)

"""95 % intervals of what is measured on a sample of cases: shares, means, and the difference of two on the same cases.

Knows numbers. Knows no benchmark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z = 1.959964  # the normal distribution's 97.5 % quantile
RESAMPLES = 2000


@dataclass(frozen=True)
class Estimate:
    """A figure and the ends of its 95 % interval; all NaN where there was nothing to measure."""

    value: float
    low: float
    high: float

    def rounded(self) -> list[float | None]:
        """[value, low, high] as a report has them: four places, None for NaN."""
        return [None if math.isnan(number) else round(number, 4) for number in (self.value, self.low, self.high)]


NOTHING = Estimate(math.nan, math.nan, math.nan)


def share(successes: Sequence[float]) -> Estimate:
    """The share of successes (1 or 0 each), with Wilson's (1927) score interval."""
    n = len(successes)
    if not n:
        return NOTHING
    p = sum(successes) / n
    middle = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return _around(p, max(0.0, middle - half), min(1.0, middle + half))


def mean(values: Sequence[float]) -> Estimate:
    """The mean, with the percentile bootstrap's interval (Efron 1979). The same values give the same interval."""
    if not len(values):
        return NOTHING
    sample = np.asarray(values, np.float64)
    low, high = np.percentile(_resampled_means(sample), (2.5, 97.5))
    return _around(float(sample.mean()), float(low), float(high))


def difference(ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    """Mean of ours minus theirs on the same cases, with the paired bootstrap's interval. Raises ValueError if not paired."""
    return mean([a - b for a, b in zip(ours, theirs, strict=True)])


def _around(value: float, low: float, high: float) -> Estimate:
    """Rounding never leaves the value a hair outside its own interval."""
    return Estimate(value, min(value, low), max(value, high))


def _resampled_means(sample: NDArray[np.float64]) -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(sample), size=(RESAMPLES, len(sample)), dtype=np.int32)
    means: NDArray[np.float64] = sample[drawn].mean(1)
    return means

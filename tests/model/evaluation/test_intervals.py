"""Intervals around what was measured."""

from __future__ import annotations

import math

import numpy as np
import pytest

from model.evaluation.intervals import Estimate, difference, mean, share


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # From the tables of Newcombe, Statistics in Medicine 17 (1998), method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_a_share_has_wilsons_interval(successes: int, n: int, low: float, high: float) -> None:
    found = share([True] * successes + [False] * (n - successes))
    assert found.value == successes / n
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_the_interval_of_a_mean_is_the_one_theory_gives_for_many_values() -> None:
    values = np.random.default_rng(1).normal(5, 2, 4000).tolist()
    found = mean(values)
    half = 1.96 * float(np.std(values)) / math.sqrt(len(values))
    assert found.low == pytest.approx(found.value - half, abs=0.15 * half)
    assert found.high == pytest.approx(found.value + half, abs=0.15 * half)
    assert mean(values) == found


def test_a_difference_on_the_same_cases_is_surer_than_the_cases_are() -> None:
    theirs = np.random.default_rng(2).normal(0, 10, 300)
    found = difference((theirs + 1).tolist(), theirs.tolist())
    assert found.low == pytest.approx(1)
    assert found.high == pytest.approx(1)
    with pytest.raises(ValueError, match="zip"):
        difference([1.0], [1.0, 2.0])


def test_nothing_measured_is_no_number() -> None:
    assert share([]).rounded() == mean([]).rounded() == [None, None, None]


@pytest.mark.parametrize("found", [share([False] * 3), share([True] * 3), mean([0.1] * 3), mean([1 / 3])])
def test_a_value_lies_in_its_own_interval(found: Estimate) -> None:
    assert found.low <= found.value <= found.high

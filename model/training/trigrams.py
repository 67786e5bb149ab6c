"""Counts which tokens follow which in the training windows: the table that drafts.

Knows windows. Knows no model; how drafts are used is `infilling`'s matter.
"""

from __future__ import annotations

import numpy as np

from model.checkpoints.trigrams import VOCABULARY, TrigramTable
from model.training.examples import Windows

MOST_WINDOWS = 120_000
MOST_PAIRS = 200_000  # the most frequent ones: 2 MB
LEAST_SHARE = 0.12  # of a pair's occurrences that its likeliest follower must have; a second one is kept from 0.05 on


def count_trigrams(windows: Windows, ordinary: int) -> TrigramTable:
    """The likeliest two followers of frequent pairs; ids from `ordinary` on are marks and are never proposed."""
    tokens = windows.tokens[:MOST_WINDOWS].astype(np.int64)
    segment = windows.segment[:MOST_WINDOWS]
    together = (segment[:, 2:] == segment[:, :-2]) & (segment[:, 2:] > 0)
    for start in range(3):
        together &= tokens[:, start : tokens.shape[1] - 2 + start] < ordinary
    runs = ((tokens[:, :-2] * VOCABULARY + tokens[:, 1:-1]) * VOCABULARY + tokens[:, 2:])[together]
    found, counts = np.unique(runs, return_counts=True)
    if not len(found):
        return TrigramTable(np.zeros(0, np.uint32), np.zeros((0, 2), np.uint16), np.zeros((0, 2), np.uint8))
    pairs = found // VOCABULARY
    order = np.lexsort((-counts, pairs))
    starts = np.flatnonzero(np.r_[True, pairs[1:] != pairs[:-1]])
    totals = np.add.reduceat(counts, starts)
    several = np.diff(np.r_[starts, len(found)]) > 1
    ranked = np.stack([order[starts], order[np.where(several, starts + 1, starts)]], 1)
    shares = counts[ranked] / totals[:, None]
    shares[:, 1] = np.where(several & (shares[:, 1] >= 0.05), shares[:, 1], 0)
    useful = np.flatnonzero(shares[:, 0] >= LEAST_SHARE)
    kept = np.sort(useful[np.argsort(-totals[useful], kind="stable")[:MOST_PAIRS]])
    return TrigramTable(
        pairs[starts][kept].astype(np.uint32),
        (found[ranked] % VOCABULARY)[kept].astype(np.uint16),
        np.round(shares[kept] * 255).astype(np.uint8),
    )

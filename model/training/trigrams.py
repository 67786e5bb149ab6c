"""Counts which tokens follow which in the training windows: the table that drafts.

Knows windows. Knows no model; how drafts are used is `infilling`'s matter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.checkpoints.trigrams import NOTHING, VOCABULARY, TrigramTable
from model.training.examples import Windows

MOST_WINDOWS = 120_000
MOST_PAIRS = 200_000  # the most frequent ones; with what stands behind one token alone 5 MB
MOST_FOLLOWERS = 6  # of a pair
LEAST_SHARE = 0.02  # of a pair's occurrences that a follower must have


def count_trigrams(windows: Windows, ordinary: int) -> TrigramTable:
    """The likeliest followers of frequent pairs and of all tokens; ids from `ordinary` on are marks and are never proposed."""
    tokens = windows.tokens[:MOST_WINDOWS].astype(np.int64)
    segment = windows.segment[:MOST_WINDOWS]
    together = (segment[:, 2:] == segment[:, :-2]) & (segment[:, 2:] > 0)
    for start in range(3):
        together &= tokens[:, start : tokens.shape[1] - 2 + start] < ordinary
    first, second, third = (tokens[:, start : tokens.shape[1] - 2 + start][together] for start in range(3))
    behind_two = _followers(first * VOCABULARY + second, third, MOST_PAIRS)
    behind_one = _followers(NOTHING * VOCABULARY + second, third, VOCABULARY)
    pairs, sizes, following, shares = (np.concatenate(both) for both in zip(behind_two, behind_one, strict=True))
    return TrigramTable(
        pairs.astype(np.uint32),
        sizes.cumsum().astype(np.uint32),
        following.astype(np.uint16),
        np.round(shares * 255).astype(np.uint8),
    )


def _followers(
    contexts: NDArray[np.int64], tokens: NDArray[np.int64], most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Of the `most` frequent contexts, ascending: the context, how many followers it has, and of all of those the token and its
    share.
    """
    found, counts = np.unique(contexts * VOCABULARY + tokens, return_counts=True)
    order = np.lexsort((-counts, found // VOCABULARY))
    owners, following, counts = found[order] // VOCABULARY, found[order] % VOCABULARY, counts[order]
    own, starts, number = np.unique(owners, return_index=True, return_inverse=True)
    totals = np.bincount(number, counts, len(own))
    frequent = np.zeros(len(own), bool)
    frequent[np.argsort(-totals, kind="stable")[:most]] = True
    shares = counts / totals[number]
    kept = frequent[number] & (np.arange(len(owners)) - starts[number] < MOST_FOLLOWERS) & (shares >= LEAST_SHARE)
    sizes = np.bincount(number[kept], minlength=len(own))
    return own[sizes > 0], sizes[sizes > 0], following[kept], shares[kept]

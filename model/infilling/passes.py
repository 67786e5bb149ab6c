"""What one pass reads behind a cached text: drafted tokens read causally, slots read in both directions.

Knows rows and who sees whom. Knows no strategy, which rows to read being the callers' matter, and runs nothing: a decoder is a
generator that yields what it wants read and is sent what was found, so that whoever runs it can read for several at once.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from model.architecture.inference import InferenceNetwork, Reading, Segment
from model.architecture.rows import RowCache, causal_bias

Result = TypeVar("Result")
Passes = Generator[Segment, Reading, Result]  # passes that lead to a result


@dataclass(frozen=True)
class Row:
    """A row to read. `sees` are numbers of continuation rows, earlier ones or of this pass, itself included."""

    token: int
    position: int
    sees: Sequence[int]
    mark: int | None = None  # the mark of its hole if the row is a slot


class Continuation:
    """Rows behind `base` rows of visible text. They are numbered from 0 as they are read and never enter the text's cache."""

    def __init__(self, network: InferenceNetwork, cache: RowCache, base: int) -> None:
        self.network, self.cache, self.base = network, cache, base
        self.rows = 0
        self.passes = 0
        self._positions: list[int] = []

    @property
    def keys(self) -> int:
        """How many rows of the visible text one here sees."""
        return min(self.base, self.cache.window)

    def read(self, rows: Sequence[Row], asked: Sequence[int]) -> Passes[Reading]:
        """One pass. The rows become the rows `self.rows`, ... of this continuation; logits are found for the `asked` ones."""
        count, past = len(rows), self.rows
        self.cache.reserve(self.base + past + count)
        self._positions += [row.position for row in rows]
        positions = np.array(self._positions)
        unseen = np.full((count, past + count), -np.inf, np.float32)
        for number, row in enumerate(rows):
            sees = np.asarray(row.sees, np.int64)
            unseen[number, sees[row.position - positions[sees] < self.cache.window]] = 0
        marks = None if all(row.mark is None for row in rows) else [-1 if row.mark is None else row.mark for row in rows]
        reading = yield Segment(
            [row.token for row in rows],
            [row.position for row in rows],
            self.cache,
            self.base + past,
            torch.from_numpy(unseen).to(self.cache.dtype),
            marks,
            asked,
        )
        self.rows += count
        self.passes += 1
        return reading


def text_segment(tokens: Sequence[int], cache: RowCache, at: int) -> Segment:
    """Visible text behind `at` rows of it; room for it is made."""
    cache.reserve(at + len(tokens))
    bias = causal_bias(len(tokens), torch.empty(0, dtype=cache.dtype), cache.window)
    return Segment(tokens, range(at, at + len(tokens)), cache, at, bias)


def run_alone(network: InferenceNetwork, passes: Passes[Result]) -> Result:
    """Runs the passes one after another, with no other work beside them."""
    try:
        segment = next(passes)
        while True:
            segment = passes.send(network.read([segment])[0])
    except StopIteration as end:
        result: Result = end.value
        return result

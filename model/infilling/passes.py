"""One forward pass over rows that continue a cached text: drafted tokens read causally, slots read in both directions.

Knows rows, who sees whom, and the cache behind the visible text. Knows no strategy: which rows to read is the callers' matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.architecture.network import Network
from model.architecture.rows import RowCache


@dataclass(frozen=True)
class Row:
    """A row to read. `sees` are numbers of continuation rows, earlier ones or of this pass, itself included."""

    token: int
    position: int
    sees: Sequence[int]
    mark: int | None = None  # the mark of its hole if the row is a slot


class Continuation:
    """Rows behind `base` rows of visible text. They are numbered from 0 as they are read and never enter the text's cache."""

    def __init__(self, network: Network, cache: RowCache, base: int) -> None:
        self.network, self.cache, self.base = network, cache, base
        self.rows = 0
        self.passes = 0

    def read(self, rows: Sequence[Row]) -> Tensor:
        """Hidden states of the rows, (rows, width). They become the rows `self.rows`, ... of this continuation."""
        device = self.network.embedding.weight.device
        count, past = len(rows), self.base + self.rows
        self.cache.reserve(past + count)
        tokens = torch.tensor([[row.token for row in rows]], device=device)
        if all(row.mark is None for row in rows):
            x = self.network.embed(tokens)
        else:
            marks = torch.tensor([[-1 if row.mark is None else row.mark for row in rows]], device=device)
            slots = self.network.embed_slots(tokens, marks.clamp(min=0))
            x = torch.where((marks >= 0)[:, :, None], slots, self.network.embed(tokens))
        positions = torch.tensor([[row.position for row in rows]], device=device)
        hidden_from = np.full((count, past + count), -np.inf, np.float32)
        hidden_from[:, : self.base] = 0
        for number, row in enumerate(rows):
            hidden_from[number, self.base + np.asarray(row.sees, np.int64)] = 0
        bias = torch.from_numpy(hidden_from).to(device, x.dtype)[None, None]
        hidden: Tensor = self.network(x, positions, bias, self.cache.layers, past)
        self.rows += count
        self.passes += 1
        return hidden[0]

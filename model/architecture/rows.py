"""Buffers for the keys and values of rows, one pair for each layer, that grow and are written in place.

Knows shapes and how far a row sees. Knows neither which rows are valid nor what they stand for: their owner does.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from model.architecture.network import Network

_GROWTH = 256  # rows
_GROUP = 64  # rows that are read together


class RowCache:
    """`layers[i]`, (2, heads, capacity, head width), holds the keys and values of layer i; keys are rotated already.

    Rows that nobody has written yet are zero. A row sees at most `window` of them.
    """

    def __init__(self, network: Network) -> None:
        config = network.config
        self.window = config.window
        empty = network.embedding.weight.new_empty(2, config.heads, 0, config.head_width)
        self.layers = [empty] * config.layers

    @property
    def device(self) -> torch.device:
        return self.layers[0].device

    @property
    def capacity(self) -> int:
        return self.layers[0].shape[2]

    def reserve(self, rows: int) -> None:
        """Room for this many rows; what is there stays."""
        if rows > self.capacity:
            capacity = -(-rows // _GROWTH) * _GROWTH
            self.layers = [F.pad(layer, (0, 0, 0, capacity - self.capacity)) for layer in self.layers]

    def copy(self, other: RowCache, start: int, end: int) -> None:
        """Rows `start` to `end` of another cache become the same ones of this; there must be room for them."""
        for mine, theirs in zip(self.layers, other.layers, strict=True):
            mine[:, :, start:end] = theirs[:, :, start:end]

    def whole(self, rows: int) -> int:
        """Of a number of rows that there is room for: the least one in whole groups that holds them."""
        return -(-rows // _GROUP) * _GROUP

    def whole_before(self, rows: int) -> int:
        """The most rows in whole groups that are no more than these."""
        return rows // _GROUP * _GROUP

    @property
    def nbytes(self) -> int:
        return sum(layer.nbytes for layer in self.layers)


def causal_bias(rows: int, like: Tensor, window: int | None = None) -> Tensor:
    """Rows that see themselves and what stands before them, at most `window` rows in all: (rows, rows), 0 where a row sees a key
    and -inf where not.
    """
    hidden = torch.full((rows, rows), float("-inf"), dtype=like.dtype, device=like.device)
    bias = hidden.triu(1)
    return bias if window is None or rows <= window else bias + hidden.tril(-window)

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
    """`stacked`, (layers, 2, heads, capacity, head width), holds the keys and values of all layers, `layers` those of each. Keys
    are rotated already.

    Rows that nobody has written yet are zero. A row sees at most `window` of them.
    """

    def __init__(self, network: Network) -> None:
        config = network.config
        self.window = config.window
        self._hold(network.embedding.weight.new_empty(config.layers, 2, config.heads, 0, config.head_width))

    def _hold(self, rows: Tensor) -> None:
        self.stacked = rows
        self.layers = rows.unbind()

    @property
    def device(self) -> torch.device:
        return self.stacked.device

    @property
    def dtype(self) -> torch.dtype:
        return self.stacked.dtype

    @property
    def capacity(self) -> int:
        return self.stacked.shape[3]

    def reserve(self, rows: int) -> None:
        """Room for this many rows; what is there stays."""
        if rows > self.capacity:
            capacity = -(-rows // _GROWTH) * _GROWTH
            self._hold(F.pad(self.stacked, (0, 0, 0, capacity - self.capacity)))

    def copy(self, other: RowCache, start: int, end: int) -> None:
        """Rows `start` to `end` of another cache become the same ones of this; there must be room for them."""
        self.stacked[..., start:end, :] = other.stacked[..., start:end, :]

    def whole(self, rows: int) -> int:
        """Of a number of rows that there is room for: the least one in whole groups that holds them."""
        return -(-rows // _GROUP) * _GROUP

    def whole_before(self, rows: int) -> int:
        """The most rows in whole groups that are no more than these."""
        return rows // _GROUP * _GROUP

    @property
    def nbytes(self) -> int:
        return self.stacked.nbytes


def causal_bias(rows: int, like: Tensor, window: int | None = None) -> Tensor:
    """Rows that see themselves and what stands before them, at most `window` rows in all: (rows, rows), 0 where a row sees a key
    and -inf where not.
    """
    hidden = torch.full((rows, rows), float("-inf"), dtype=like.dtype, device=like.device)
    bias = hidden.triu(1)
    return bias if window is None or rows <= window else bias + hidden.tril(-window)

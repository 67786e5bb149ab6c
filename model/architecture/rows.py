"""Buffers for the keys and values of rows, one pair for each layer, that grow and are written in place.

Knows shapes, how far a row sees and how its reader wants keys to lie. Knows neither which rows are valid nor what they stand for:
their owner does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from model.architecture.kernels import attention
from model.architecture.network import Network

_GROWTH = 256  # rows


class RowCache:
    """`keys` and `values` of all layers, (layers, heads, capacity, head width) each. Keys are rotated already, and lie in memory
    as `attention` wants them to.

    Rows that nobody has written yet are zero. A row sees at most `window` of them.
    """

    def __init__(self, network: Network) -> None:
        config, weight = network.config, network.embedding.weight
        self.window = config.window
        self.attention = attention(weight)
        self.keys = self.values = weight.new_empty(config.layers, config.heads, 0, config.head_width)

    @property
    def device(self) -> torch.device:
        return self.keys.device

    @property
    def dtype(self) -> torch.dtype:
        return self.keys.dtype

    @property
    def capacity(self) -> int:
        return self.keys.shape[2]

    def reserve(self, rows: int) -> None:
        """Room for this many rows; what is there stays."""
        if rows > self.capacity:
            capacity = -(-rows // _GROWTH) * _GROWTH
            self.keys, self.values = _grown(self.keys, capacity, self.attention.columns), _grown(self.values, capacity, False)

    def copy(self, other: RowCache, start: int, end: int) -> None:
        """Rows `start` to `end` of another cache become the same ones of this; there must be room for them."""
        for own, others in ((self.keys, other.keys), (self.values, other.values)):
            own[:, :, start:end] = others[:, :, start:end]

    def whole(self, rows: int) -> int:
        """Of a number of rows that there is room for: the least one in whole groups that holds them."""
        return -(-rows // self.attention.group) * self.attention.group

    def whole_before(self, rows: int) -> int:
        """The most rows that are no more than these and at which reading may begin."""
        return rows // self.attention.begins * self.attention.begins

    @property
    def nbytes(self) -> int:
        return self.keys.nbytes + self.values.nbytes


def _grown(rows: Tensor, capacity: int, columns: bool) -> Tensor:
    layers, heads, held, width = rows.shape
    grown = rows.new_zeros(layers, heads, width, capacity).mT if columns else rows.new_zeros(layers, heads, capacity, width)
    grown[:, :, :held] = rows
    return grown


def causal_bias(rows: int, like: Tensor, window: int | None = None) -> Tensor:
    """Rows that see themselves and what stands before them, at most `window` rows in all: (rows, rows), 0 where a row sees a key
    and -inf where not.
    """
    hidden = torch.full((rows, rows), float("-inf"), dtype=like.dtype, device=like.device)
    bias = hidden.triu(1)
    return bias if window is None or rows <= window else bias + hidden.tril(-window)

"""Buffers for the keys and values of rows, one pair for each layer, that grow and are written in place.

Knows shapes and how far a row sees. Knows neither which rows are valid nor what they stand for: their owner does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from model.architecture.network import Network

_GROWTH = 256  # rows
_GROUP = 64  # rows that are read together


class RowCache:
    """`keys[i]`, (heads, head width, capacity), and `values[i]`, (heads, capacity, head width), belong to layer i.

    Keys are rotated already, and stored so that the product with the first n of them reads contiguous memory for any n: a
    matrix product on a CPU copies them otherwise. Rows that nobody has written yet are zero. A row sees at most `window` of them.
    """

    def __init__(self, network: Network) -> None:
        weight, config = network.embedding.weight, network.config
        self.window = config.window
        self.keys = [weight.new_empty(config.heads, config.head_width, 0) for _ in range(config.layers)]
        self.values = [weight.new_empty(config.heads, 0, config.head_width) for _ in range(config.layers)]

    @property
    def device(self) -> torch.device:
        return self.values[0].device

    @property
    def capacity(self) -> int:
        return self.values[0].shape[1]

    def reserve(self, rows: int) -> None:
        """Room for this many rows; what is there stays."""
        if rows <= self.capacity:
            return
        capacity = -(-rows // _GROWTH) * _GROWTH
        self.keys = [_grown(keys, 2, capacity) for keys in self.keys]
        self.values = [_grown(values, 1, capacity) for values in self.values]

    def copy(self, other: RowCache, start: int, end: int) -> None:
        """Rows `start` to `end` of another cache become the same ones of this; there must be room for them."""
        for mine, theirs in zip(self.keys, other.keys, strict=True):
            mine[:, :, start:end] = theirs[:, :, start:end]
        for mine, theirs in zip(self.values, other.values, strict=True):
            mine[:, start:end] = theirs[:, start:end]

    def whole(self, rows: int) -> int:
        """Of a number of rows that there is room for: the least one in whole groups that holds them."""
        return -(-rows // _GROUP) * _GROUP

    def whole_before(self, rows: int) -> int:
        """The most rows in whole groups that are no more than these."""
        return rows // _GROUP * _GROUP

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for tensor in (*self.keys, *self.values))


def _grown(old: Tensor, dimension: int, capacity: int) -> Tensor:
    shape = list(old.shape)
    shape[dimension] = capacity
    new = old.new_zeros(shape)
    new.narrow(dimension, 0, old.shape[dimension]).copy_(old)
    return new


def causal_bias(rows: int, like: Tensor, window: int | None = None) -> Tensor:
    """Rows that see themselves and what stands before them, at most `window` rows in all: (rows, rows), 0 where a row sees a key
    and -inf where not.
    """
    hidden = torch.full((rows, rows), float("-inf"), dtype=like.dtype, device=like.device)
    bias = hidden.triu(1)
    return bias if window is None or rows <= window else bias + hidden.tril(-window)

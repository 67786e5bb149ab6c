"""Buffers for the keys and values of rows, one pair for each layer, that grow and are written in place.

Knows shapes. Knows neither which rows are valid nor what they stand for: their owner does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from model.architecture.network import Network

_GROWTH = 256  # rows


class RowCache:
    """`layers[i]` is (keys, values) of layer i, each (1, heads, capacity, head width)."""

    def __init__(self, network: Network) -> None:
        weight = network.embedding.weight
        config = network.config
        shape = (1, config.heads, 0, config.head_width)
        self.layers = [(weight.new_empty(shape), weight.new_empty(shape)) for _ in range(config.layers)]

    @property
    def capacity(self) -> int:
        return self.layers[0][0].shape[2]

    def reserve(self, rows: int) -> None:
        """Room for this many rows; what is there stays."""
        if rows <= self.capacity:
            return
        capacity = -(-rows // _GROWTH) * _GROWTH
        self.layers = [(_grown(keys, capacity), _grown(values, capacity)) for keys, values in self.layers]

    @property
    def nbytes(self) -> int:
        return sum(keys.nbytes + values.nbytes for keys, values in self.layers)


def _grown(old: Tensor, capacity: int) -> Tensor:
    new = old.new_empty(*old.shape[:2], capacity, old.shape[3])
    new[:, :, : old.shape[2]] = old
    return new


def causal_bias(rows: int, past: int, like: Tensor) -> Tensor:
    """Rows that follow `past` others and see those, themselves and what stands before them: (1, 1, rows, past + rows)."""
    bias = like.new_zeros(rows, past + rows)
    if rows > 1:
        bias[:, past:] = torch.full((rows, rows), float("-inf"), dtype=like.dtype, device=like.device).triu(1)
    return bias[None, None]

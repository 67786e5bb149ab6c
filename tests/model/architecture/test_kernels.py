"""What rows see of keys, by either way of computing it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from model.architecture import kernels
from model.architecture.kernels import Attention, attention
from model.engine.engine import fastest_dtype


def texts(rows: int, keys: int, attends: Attention, dtype: torch.dtype) -> list[torch.Tensor]:
    """Queries, keys and values as they lie in a cache with room for more."""
    draw = torch.Generator().manual_seed(rows)
    queries = torch.randn(1, 4, rows, 64, generator=draw) / 8
    held = torch.randn(2, 1, 4, 4096, 64, generator=torch.Generator().manual_seed(0)).to(dtype)
    own_keys = held[0].mT.contiguous().mT if attends.columns else held[0]
    return [queries.to(dtype), own_keys[:, :, :keys], held[1][:, :, :keys]]


@pytest.mark.parametrize("way", [kernels._IN_BLOCKS, kernels._BY_PRODUCTS], ids=["fused", "products"])
@given(rows=st.integers(1, 40), keys=st.integers(1, 3000), first=st.integers(0, 20))
@settings(max_examples=20, deadline=None)
def test_both_ways_see_what_attention_sees(way: Attention, rows: int, keys: int, first: int) -> None:
    queries, own_keys, values = texts(rows, keys, way, torch.float64)
    hidden = torch.rand(1, 1, rows, keys, generator=torch.Generator().manual_seed(keys)) < 0.5
    hidden[..., 0] = False
    bias = torch.zeros(hidden.shape, dtype=torch.float64).masked_fill(hidden, float("-inf"))
    expected = F.scaled_dot_product_attention(queries, own_keys, values, attn_mask=bias, scale=1.0)
    assert torch.allclose(way.see(queries, own_keys, values, bias, first * way.begins), expected, rtol=0, atol=1e-12)


@pytest.mark.skipif(fastest_dtype() != torch.bfloat16, reason="float32 rounds by how many rows there are")
@given(
    begins=st.integers(0, 1100),
    seen=st.integers(1, 1024),
    rows=st.integers(1, 8),
    more_rows=st.integers(0, 16),
    sooner=st.integers(0, 4),
    later=st.integers(0, 8),
)
@settings(max_examples=100, deadline=None)
def test_not_one_bit_of_it_depends_on_other_rows_and_on_keys_that_are_not_seen(
    begins: int, seen: int, rows: int, more_rows: int, sooner: int, later: int
) -> None:
    """Rows that see the same keys, alone, and beside others because of which more keys are read, on both sides."""
    attends = attention(torch.empty(0, dtype=torch.bfloat16))
    first, last = begins // attends.begins, -(-(begins + seen) // attends.group)
    found = []
    for count, start, end in ((rows, first, last), (rows + more_rows, max(0, first - sooner), last + later)):
        start, end = start * attends.begins, end * attends.group
        queries, own_keys, values = texts(4 * 24, end, attends, torch.bfloat16)
        bias = torch.full((1, 1, 4 * count, end - start), float("-inf"), dtype=torch.bfloat16)
        bias[..., begins - start : begins + seen - start] = 0
        found.append(attends.see(queries[:, :, : 4 * count], own_keys[:, :, start:], values[:, :, start:], bias, start))
    assert torch.equal(found[0], found[1][:, :, : 4 * rows])

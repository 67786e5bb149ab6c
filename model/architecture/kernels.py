"""The kernels that an inference network is made of: products with its weights, and what rows see of keys and values.

Knows matrices, and how this machine multiplies them fastest and still rounds each row alike, whatever is computed with it. Knows
no network and no texts. How a library cuts a product, and so in which order it adds, depends on the processor and on the shapes:
that is tried, rather than believed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

# Rows and keys come in whole groups. For a product of a shape that it has not met before, oneDNN compiles a kernel (bfloat16 on
# a CPU: half a millisecond and 0.6 MB each), so shapes must recur; and float32 products on a CPU round the rows that are left
# over from groups of four differently.
_ROWS, _MANY_ROWS = 4, 32  # the second for passes of more rows than it
_EXPECTED_ROWS = 16  # of a pass: what weights are laid out for
_TRIED = 256  # rows, or rows and width, of a product that shows how the processor rounds
# Least and most rows of a product, in the order in which they are tried.
_PIECES = ((_ROWS, None), (_ROWS, _MANY_ROWS), (16, None), (16, _MANY_ROWS))
_BLOCK = 512  # keys that libraries take at a time
_SUMMED = 2 * _BLOCK  # keys whose values are added up by one product

Product = Callable[[Tensor], Tensor]
# Queries (1, heads, rows, head width), already scaled; keys and values (1, heads, keys, head width); (1, 1, rows, keys), 0 where
# a row sees a key and -inf where not -> what rows see, (1, heads, rows, head width).
# The last is the number that the first of the keys has in its text.
See = Callable[[Tensor, Tensor, Tensor, Tensor, int], Tensor]


@dataclass(frozen=True)
class Attention:
    see: See
    group: int = 64  # keys come in whole groups of so many
    begins: int = 64  # and the first one that is read stands at a multiple of this
    columns: bool = False  # whether keys lie in memory as columns do: a key's numbers far from each other


def whole_rows(rows: int) -> int:
    group = _ROWS if rows <= _MANY_ROWS else _MANY_ROWS
    return -(-rows // group) * group


def _see(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor, first: int) -> Tensor:
    return F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias, scale=1.0)


def _see_fused(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor, first: int) -> Tensor:
    """What `F.scaled_dot_product_attention` calls on a CPU in the end."""
    seen: Tensor = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(queries, keys, values, attn_mask=bias, scale=1.0)[0]
    return seen


def _see_by_products(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor, first: int) -> Tensor:
    """oneDNN cuts a sum of at most `_SUMMED` values in its middle; more of them it would cut elsewhere."""
    weights = (queries[0] @ keys[0].mT).add_(bias[0]).softmax(-1)
    cut = _SUMMED - first % _SUMMED
    seen = weights[..., :cut] @ values[0, :, :cut]
    for start in range(cut, keys.shape[2], _SUMMED):
        seen += weights[..., start : start + _SUMMED] @ values[0, :, start : start + _SUMMED]
    return seen[None]


_FUSED, _IN_BLOCKS = Attention(_see_fused), Attention(_see_fused, begins=_BLOCK)
_BY_PRODUCTS = Attention(_see_by_products, group=128, begins=_BLOCK, columns=True)  # each size takes a megabyte of kernels


def attention(like: Tensor) -> Attention:
    """What a network with weights like these attends with."""
    if like.device.type != "cpu":
        return Attention(_see)
    ways = (_IN_BLOCKS, _BY_PRODUCTS) if like.dtype == torch.bfloat16 else ()
    return next((way for way in ways if _sees_alike(way)), _FUSED)


@cache
def _sees_alike(way: Attention) -> bool:
    """Whether what a row sees depends neither on how many rows there are, nor on how many keys are read that it does not see.

    Without AMX, the fused kernel's products of bfloat16 are cut by how many keys there are. As in `_rounds_alike`, the values sum
    to zero.
    """
    draw, heads, width, room = torch.Generator().manual_seed(0), 4, 64, 2048
    for begins, seen in ((0, 138), (0, 202), (0, 602), (0, 1026), (600, 402)):
        held = torch.zeros(2, 1, heads, room, width)
        some = torch.randn(2, 1, heads, seen // 2, width, generator=draw)
        held[..., begins : begins + seen, :] = torch.cat([some, some * torch.tensor([1.0, -1.0]).view(2, 1, 1, 1, 1)], 3)
        query = torch.randn(1, heads, 1, width, generator=draw).bfloat16() / 8
        keys, values = held.bfloat16()
        if way.columns:
            keys = keys.mT.contiguous().mT
        least = -(-(begins + seen) // way.group)
        found: list[Tensor] = []
        for sooner, later, rows in ((0, 0, 4), (0, 0, 32), (1, 1, 4), (1, 2, 32), (0, 3, 96), (0, 6, 4)):
            first = max(0, begins // way.begins - sooner) * way.begins
            last = (least + later) * way.group
            bias = torch.full((1, 1, rows, last - first), float("-inf"), dtype=torch.bfloat16)
            bias[..., begins - first : begins + seen - first] = 0
            queries = query.expand(1, heads, rows, width)
            found.append(way.see(queries, keys[:, :, first:last], values[:, :, first:last], bias, first))
        if not all(torch.equal(one, found[0][:, :, :1].expand(one.shape)) for one in found):
            return False
    return True


def steady(weight: Tensor, half: bool) -> Product:
    """`_product`, each row of which is rounded alike however many there are."""
    product = _product(weight, half)
    least, most = (_ROWS, None) if half or is_steady(weight) else _rounds_alike(weight.dtype, *weight.shape)

    def steady(x: Tensor) -> Tensor:
        rows = len(x)
        if rows < least:
            return product(F.pad(x, (0, 0, 0, least - rows)))[:rows]
        if most is not None and rows > most:
            return torch.cat([product(piece) for piece in torch.split(x, most)])
        return product(x)

    return product if (least, most) == (_ROWS, None) else steady


def is_steady(weight: Tensor) -> bool:
    """Whether a product with it rounds each row alike, however many there are, without being cut."""
    return weight.device.type != "cpu" or _rounds_alike(weight.dtype, *weight.shape) == (_ROWS, None)


@cache
def _rounds_alike(dtype: torch.dtype, out: int, width: int) -> tuple[int, int | None]:
    """The least and the most rows of a product of this shape whose rows are all rounded alike (None: any number).

    How a library cuts a product, and so in which order it adds, depends on the processor and on how many rows there are: Intel's
    float32 has another kernel for less than a dozen, oneDNN's bfloat16 with AMX another one from 33 on, where rows are long. That
    is tried, rather than believed: with sums that are zero, so that all that is left of them is how they were rounded.
    """
    draw = torch.Generator().manual_seed(0)
    half_weight, half_x = (torch.randn(size, width // 2, generator=draw).to(dtype) for size in (out, _TRIED))
    order = torch.randperm(width // 2 * 2, generator=draw)
    weight, x = torch.cat([half_weight, -half_weight], 1)[:, order], torch.cat([half_x, half_x], 1)[:, order]
    product = _product(weight, half=False)
    counts = [*range(_ROWS, _MANY_ROWS + 1, _ROWS), 2 * _MANY_ROWS, _TRIED // 2, _TRIED]
    found = {count: product(x[:count]) for count in counts}
    for least, most in _PIECES:
        expected = found[most or _TRIED]
        if all(torch.equal(own, expected[:count]) for count, own in found.items() if least <= count <= (most or _TRIED)):
            return least, most
    return _PIECES[-1]


def _product(weight: Tensor, half: bool) -> Product:
    """x -> x @ weight.T for rows in whole groups. On a CPU, weights are laid out once for the fastest kernel they have there:
    with `half`, that of float16.
    """
    weight = weight.detach()
    if half:
        packed = torch.ops.quantized.linear_prepack_fp16(weight, None)
        return lambda x: torch.ops.quantized.linear_dynamic_fp16(x, packed)
    packs = weight.device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    if packs and weight.dtype == torch.bfloat16:  # repacked at each call otherwise
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, _EXPECTED_ROWS)
        return lambda x: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")
    return lambda x: F.linear(x, weight)


def is_half(weight: Tensor) -> bool:
    """Whether a float32 weight can be kept as float16, and there is a kernel for it: half the bytes, and three to nine times as
    fast for few rows. It is but for what is next to nothing what it was, if it was stored as bfloat16.
    """
    if weight.device.type != "cpu" or weight.dtype != torch.float32 or half_padding() is None:
        return False
    return bool(((weight.half().float() - weight).abs() <= 2.0**-24).all())


def _pad_six(rows: int) -> int:
    return rows + (_ROWS if rows > 28 and rows % 6 in (1, 2) else 0)


def _pad_always(rows: int) -> int:
    return rows + _ROWS


@cache
def half_padding() -> Callable[[int], int] | None:
    """How many rows FBGEMM's float16 kernel needs to round those that count alike; None if it never does, or is not there.

    It takes rows in groups as large as the processor has registers for (six with AVX2), and rounds one or two that are left over
    differently. So what is left over must be more, or rows that nobody asked for. That is tried, rather than believed.
    """
    if torch.backends.quantized.engine not in ("x86", "fbgemm"):
        return None
    draw = torch.Generator().manual_seed(0)
    weight, x = (torch.randn(size, _TRIED, generator=draw) for size in (_TRIED, 2 * _TRIED))
    half = torch.ops.quantized.linear_prepack_fp16(weight, None)
    expected = torch.ops.quantized.linear_dynamic_fp16(x, half)
    for padding in (_pad_six, _pad_always):
        counts = range(_ROWS, _TRIED, _ROWS)
        found = (torch.ops.quantized.linear_dynamic_fp16(x[: padding(count)], half)[:count] for count in counts)
        if all(torch.equal(own, expected[:count]) for own, count in zip(found, counts, strict=True)):
            return padding
    return None

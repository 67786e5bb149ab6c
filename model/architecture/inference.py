"""The network as an engine runs it: rows of several texts in one pass, each text attending to its own cache. No gradients.

Knows weights, caches and who sees whom. Knows no text and no decoding. It computes what `Network` computes (tested); what it
returns for one text does not depend, bit for bit on a CPU, on the others in the pass: only matrix products whose rows are
independent of each other are shared, attention is not. Of a network on a GPU the logits come back to the CPU, where decoding is:
the one moment of a pass in which one waits for the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model.architecture.network import Network
from model.architecture.rows import RowCache

# Rows and keys come in whole groups. For a product of a shape that it has not met before, oneDNN compiles a kernel (bfloat16 on
# a CPU: half a millisecond and 0.6 MB each), so shapes must recur; and float32 products on a CPU round the rows that are left
# over from groups of four differently.
_ROWS, _MANY_ROWS = 4, 32  # the second for passes of more rows than it
_EXPECTED_ROWS = 16  # of a pass: what weights are laid out for
_TRIED = 256  # rows, or rows and width, of a product that shows how the processor rounds
# Least and most rows of a product, in the order in which they are tried.
_PIECES = ((_ROWS, None), (_ROWS, _MANY_ROWS), (16, None), (16, _MANY_ROWS))

Product = Callable[[Tensor], Tensor]
Attend = Callable[[int, Tensor], Tensor]  # a layer's number, its (rows, 3, heads, head width) -> what rows see, (rows, width)


@dataclass(frozen=True)
class Segment:
    """Rows of one text to read. They become the rows `at`, `at + 1`, ... of its cache, where room is reserved for them."""

    tokens: Sequence[int]
    positions: Sequence[int]
    cache: RowCache
    at: int
    # (rows, keys), on the CPU: 0 where a row sees one of the last so many keys and -inf where not. Of those before, whose
    # positions are their numbers, all see what is in the window.
    bias: Tensor
    marks: Sequence[int] | None = None  # of each row the mark of its hole if it is a slot, -1 otherwise; None: no slots
    asked: Sequence[int] = ()  # numbers of the rows whose logits are wanted


@dataclass(frozen=True)
class Reading:
    hidden: Tensor  # (rows, width), on the network's device
    logits: Tensor  # (asked rows, vocabulary), float32 or wider, on the CPU


class InferenceNetwork:
    def __init__(self, network: Network) -> None:
        self.network = network
        config = network.config
        self._heads, self._head_width = config.heads, config.head_width
        self._rotations = network.embedding.weight.new_empty(2, 0, 2, 1, self._head_width)
        half = all(_is_half(weight) for weight in network.parameters() if weight.dim() == 2)
        self._blocks = [
            [_steady(layer.weight, half) for layer in (block.qkv, block.out, block.up, block.down)] for block in network.layers
        ]
        self._head = _steady(network.embedding.weight, half)
        self._padding = _half_padding() if half else None

    @torch.no_grad()
    def read(self, segments: Sequence[Segment]) -> list[Reading]:
        """One pass over the rows of all segments, each of another cache."""
        places = _places(segments, self.network.embedding.weight.device)
        numbers = torch.tensor(
            numbers_of([(place.segment, place.start) for place in places], self._whole_pass(places[-1].end)),
            device=self.network.embedding.weight.device,
        )
        self._reserve_rotations(longest_position(segments))
        used = places[-1].end

        def attend(layer: int, qkv: Tensor) -> Tensor:
            seen = [_attend(place, layer, qkv[place.start : place.end]) for place in places]
            if used < len(qkv):
                seen.append(qkv.new_zeros(len(qkv) - used, seen[0].shape[1]))
            return seen[0] if len(seen) == 1 else torch.cat(seen)

        hidden = self._through(numbers, any(place.segment.marks is not None for place in places), attend)
        return self._readings([(place.segment, place.start) for place in places], hidden)

    def _reserve_rotations(self, longest: int) -> None:
        """Cosines and signed sines: (2, positions, 2, 1, head width) each, of queries, with attention's scale, and of keys."""
        if longest > self._rotations.shape[1]:
            every = torch.arange(-(-longest // 1024) * 1024, device=self._rotations.device)
            cos, sin = self.network.rotation(every, self._rotations.dtype)
            both = torch.stack([torch.cat([cos, cos], -1), torch.cat([-sin, sin], -1)])
            self._rotations = torch.stack([both * self._head_width**-0.5, both], 2)[:, :, :, None]

    def _through(self, numbers: Tensor, slots: bool, attend: Attend) -> Tensor:
        """Rows through all layers: (3, rows) numbers to (rows, width) hidden states. `slots`: some of them may be."""
        network, (tokens, positions, marks) = self.network, numbers
        x = network.embed(tokens)
        if slots:
            x = torch.where((marks >= 0)[:, None], network.embed_slots(tokens, marks.clamp(min=0)), x)
        cos, sin = self._rotations[:, positions]
        for layer, (to_qkv, to_out, to_up, to_down) in enumerate(self._blocks):
            qkv = to_qkv(_norm(x)).view(len(x), 3, self._heads, self._head_width)
            qk = _norm(qkv[:, :2])
            turned = qk.view(*qk.shape[:3], 2, -1).flip(3).view(qk.shape)
            torch.addcmul(qk * cos, turned, sin, out=qkv[:, :2])
            x = x + to_out(attend(layer, qkv))
            x = x + to_down(to_up(_norm(x)).relu_().square_())
        return _norm(x)

    def _readings(self, segments: Sequence[tuple[Segment, int]], hidden: Tensor) -> list[Reading]:
        """What was found for segments whose first row is the one of this number."""
        asked = [start + row for segment, start in segments for row in segment.asked]
        logits = self.logits(hidden[torch.tensor(asked, dtype=torch.long, device=hidden.device)])
        if not asked and hidden.device.type != "cpu":
            torch.accelerator.synchronize()  # a pass is over when it was computed, not when it was asked for
        readings, first = [], 0
        for segment, start in segments:
            own = logits[first : first + len(segment.asked)]
            readings.append(Reading(hidden[start : start + len(segment.tokens)], own))
            first += len(segment.asked)
        return readings

    def logits(self, hidden: Tensor) -> Tensor:
        """Unnormalised log probabilities (rows, vocabulary) in float32 or wider, on the CPU."""
        rows = len(hidden)
        if rows == 0:
            return hidden.new_empty(0, self.network.config.vocabulary, device="cpu")
        logits = self._head(F.pad(hidden, (0, 0, 0, self._whole_pass(rows) - rows)))[:rows]
        return (logits.float() if logits.dtype == torch.bfloat16 else logits).cpu()

    def _whole_pass(self, rows: int) -> int:
        """How many rows a product takes for so many that count."""
        return _whole(rows) if self._padding is None else self._padding(_whole(rows))


@dataclass(frozen=True)
class _Place:
    """A segment among the rows of a pass, and the keys `first` to `last` of its cache that it reads: both in whole groups."""

    segment: Segment
    start: int
    end: int
    first: int
    last: int
    bias: Tensor  # (1, 1, rows, keys): 0 where a row sees a key and -inf where not


def numbers_of(segments: Sequence[tuple[Segment, int]], rows: int) -> list[list[int]]:
    """Tokens, positions and marks of so many rows; each segment's begin at a row. What rows that nobody asked for hold does not
    matter.
    """
    tokens, positions, marks = [0] * rows, [0] * rows, [-1] * rows
    for segment, start in segments:
        own = slice(start, start + len(segment.tokens))
        tokens[own], positions[own] = segment.tokens, segment.positions
        if segment.marks is not None:
            marks[own] = segment.marks
    return [tokens, positions, marks]


def longest_position(segments: Sequence[Segment]) -> int:
    """All positions of these are less."""
    return max(max(segment.positions, default=0) for segment in segments) + 1


def _places(segments: Sequence[Segment], device: torch.device) -> list[_Place]:
    found: list[_Place] = []
    start = 0
    for segment in segments:
        rows, last = _whole(len(segment.tokens)), segment.cache.whole(segment.at + len(segment.tokens))
        bias = bias_of(segment, rows, last)[None, None].to(device)
        found.append(_Place(segment, start, start + rows, first_key(segment), last, bias))
        start += rows
    return found


def first_key(segment: Segment) -> int:
    """The first row of its cache that a segment reads: a whole group begins there."""
    behind = segment.at + len(segment.tokens) - segment.bias.shape[1]  # here the segment's own begins
    return segment.cache.whole_before(max(0, min(*_begins(segment), behind)))


def _begins(segment: Segment) -> list[int]:
    """Where each row's window begins."""
    return [position + 1 - segment.cache.window for position in segment.positions]


def bias_of(segment: Segment, rows: int, last: int) -> Tensor:
    """Which of the keys from the first one that is read to the last one each row sees, its window counted in: (rows, keys)."""
    count, first, begins = len(segment.tokens), first_key(segment), _begins(segment)
    end = segment.at + count
    behind = end - segment.bias.shape[1]
    bias = segment.bias.new_zeros(rows, last - first)
    bias[:, end - first :] = float("-inf")
    bias[:count, behind - first : end - first] = segment.bias
    far = np.arange(first, max(first, min(max(begins), behind))) < np.array(begins)[:, None]
    if far.any():
        bias[:count, : far.shape[1]].masked_fill_(torch.from_numpy(far), float("-inf"))
    return bias


def _whole(rows: int) -> int:
    group = _ROWS if rows <= _MANY_ROWS else _MANY_ROWS
    return -(-rows // group) * group


def _attend(place: _Place, layer: int, qkv: Tensor) -> Tensor:
    """What the rows of one text see, (rows, width); their keys and values enter its cache."""
    segment = place.segment
    cached, count = segment.cache.layers[layer], len(segment.tokens)
    cached[:, :, segment.at : segment.at + count] = qkv[:count, 1:].permute(1, 2, 0, 3)
    keys, values = cached[:, None, :, place.first : place.last]
    queries = qkv[:, 0].transpose(0, 1)[None]
    if qkv.device.type == "cpu":  # what `scaled_dot_product_attention` calls in the end
        fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        seen: Tensor = fused(queries, keys, values, attn_mask=place.bias, scale=1.0)[0]
    else:
        seen = F.scaled_dot_product_attention(queries, keys, values, attn_mask=place.bias, scale=1.0)
    return seen[0].transpose(0, 1).reshape(len(qkv), -1)


def _norm(x: Tensor) -> Tensor:
    """`F.rms_norm`, which a CPU makes of nine operations, in half the time. The sum of squares of bfloat16 is in float32, too."""
    width = x.shape[-1]
    length: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    if x.dtype == torch.bfloat16:
        return x / length.mul_(width**-0.5)
    return x * torch.addcmul(_epsilon(x.dtype, x.device), length, length, value=1 / width).rsqrt_()


@cache
def _epsilon(dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(1e-6, dtype=dtype, device=device)


def _steady(weight: Tensor, half: bool) -> Product:
    """`_product`, each row of which is rounded alike however many there are."""
    product = _product(weight, half)
    least, most = (_ROWS, None) if half or weight.device.type != "cpu" else _rounds_alike(weight.dtype, *weight.shape)

    def steady(x: Tensor) -> Tensor:
        rows = len(x)
        if rows < least:
            return product(F.pad(x, (0, 0, 0, least - rows)))[:rows]
        if most is not None and rows > most:
            return torch.cat([product(piece) for piece in torch.split(x, most)])
        return product(x)

    return product if (least, most) == (_ROWS, None) else steady


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


def _is_half(weight: Tensor) -> bool:
    """Whether a float32 weight can be kept as float16, and there is a kernel for it: half the bytes, and three to nine times as
    fast for few rows. It is but for what is next to nothing what it was, if it was stored as bfloat16.
    """
    if weight.device.type != "cpu" or weight.dtype != torch.float32 or _half_padding() is None:
        return False
    return bool(((weight.half().float() - weight).abs() <= 2.0**-24).all())


def _pad_six(rows: int) -> int:
    return rows + (_ROWS if rows > 28 and rows % 6 in (1, 2) else 0)


def _pad_always(rows: int) -> int:
    return rows + _ROWS


@cache
def _half_padding() -> Callable[[int], int] | None:
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

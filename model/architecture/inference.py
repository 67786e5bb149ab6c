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

from model.architecture.kernels import Product, half_padding, is_half, steady, whole_rows
from model.architecture.network import Network
from model.architecture.rows import RowCache

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
        self._head_width = config.head_width
        self._rotations = network.embedding.weight.new_empty(2, 0, 2, 1, self._head_width)
        self._half = all(is_half(weight) for weight in network.parameters() if weight.dim() == 2)
        self._blocks = self._laid_out()
        self._head = steady(network.embedding.weight, self._half)
        self._padding = half_padding() if self._half else None

    def _laid_out(self) -> list[list[Product]]:
        """The products of each layer."""
        return [[steady(weight, self._half) for weight in weights] for weights in weights_of(self.network)]

    def layers(self, x: Tensor, cos: Tensor, sin: Tensor, attend: Attend) -> Tensor:
        """Rows (rows, width), the cosines and the signed sines of their positions, (rows, 2, 1, head width) each, through all
        layers and the norm behind them.
        """
        return through(self._blocks, self._head_width, x, cos, sin, attend)

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
            if len(places) == 1 and used == len(qkv):
                return _attend(places[0], layer, qkv)
            seen = [_attend(place, layer, qkv[place.start : place.end]) for place in places]
            return torch.cat([*seen, qkv.new_zeros(len(qkv) - used, seen[0].shape[1])])

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
        return self.layers(x, cos, sin, attend)

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
        return whole_rows(rows) if self._padding is None else self._padding(whole_rows(rows))


def weights_of(network: Network) -> list[list[Tensor]]:
    """Of each layer those of its four products, in their order."""
    return [[part.weight for part in (block.qkv, block.out, block.up, block.down)] for block in network.layers]


def through(blocks: Sequence[Sequence[Product]], head_width: int, x: Tensor, cos: Tensor, sin: Tensor, attend: Attend) -> Tensor:
    """Rows through layers, of each of which these are the products, and the norm behind them."""
    for layer, (to_qkv, to_out, to_up, to_down) in enumerate(blocks):
        qkv = to_qkv(_norm(x)).view(-1, 3, x.shape[1] // head_width, head_width)
        qk = qkv[:, :2]
        along = _norm(qk)
        torch.addcmul(along * cos, along.roll(head_width // 2, -1), sin, out=qk)
        x = x + to_out(attend(layer, qkv))
        x = x + to_down(to_up(_norm(x)).relu_().square_())
    return _norm(x)


@dataclass(frozen=True)
class _Place:
    """A segment among the rows of a pass, and of each layer of its cache what it reads: both in whole groups."""

    segment: Segment
    start: int
    end: int
    bias: Tensor  # (1, 1, rows, keys): 0 where a row sees a key and -inf where not
    first: int  # the first key's number
    keys: Sequence[Tensor]  # (1, heads, keys, head width) each
    values: Sequence[Tensor]
    own_keys: Sequence[Tensor]  # where those of the segment's rows are kept: (heads, tokens, head width) each
    own_values: Sequence[Tensor]


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
        rows, last = whole_rows(len(segment.tokens)), segment.cache.whole(segment.at + len(segment.tokens))
        bias = bias_of(segment, rows, last)[None, None].to(device)
        cache, first, own = segment.cache, first_key(segment), slice(segment.at, segment.at + len(segment.tokens))
        held = (cache.keys, cache.values)
        read = [part[:, None, :, first:last].unbind() for part in held]
        found.append(_Place(segment, start, start + rows, bias, first, *read, *(part[:, :, own].unbind() for part in held)))
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


def _attend(place: _Place, layer: int, qkv: Tensor) -> Tensor:
    """What the rows of one text see, (rows, width); their keys and values enter its cache."""
    queries, keys, values = qkv.permute(1, 2, 0, 3).unbind()
    count = len(place.segment.tokens)
    place.own_keys[layer].copy_(keys[:, :count])
    place.own_values[layer].copy_(values[:, :count])
    see = place.segment.cache.attention.see
    seen = see(queries[None], place.keys[layer], place.values[layer], place.bias, place.first)
    return seen.transpose(1, 2).reshape(len(qkv), -1)


def _norm(x: Tensor) -> Tensor:
    """`F.rms_norm`, which a CPU makes of nine operations, in half the time. The sum of squares of bfloat16 is in float32, too."""
    width = x.shape[-1]
    if torch.compiler.is_compiling():
        return F.rms_norm(x, (width,), eps=1e-6)
    length: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    if x.dtype == torch.bfloat16:
        return x / length.mul_(width**-0.5)
    return x * torch.addcmul(_epsilon(x.dtype, x.device), length, length, value=1 / width).rsqrt_()


@cache
def _epsilon(dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(1e-6, dtype=dtype, device=device)

"""The network as an engine runs it: rows of several texts in one pass, each text attending to its own cache. No gradients.

Knows weights, caches and who sees whom. Knows no text and no decoding. It computes what `Network` computes (tested); what it
returns for one text does not depend, bit for bit on a CPU, on the others in the pass: only matrix products whose rows are
independent of each other are shared, attention is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model.architecture.network import Network
from model.architecture.rows import RowCache

_ROWS = 4  # float32 products on a CPU round the rows that are left over from groups of so many differently
_EXPECTED_ROWS = 16  # of a pass: what weights are laid out for

Product = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Segment:
    """Rows of one text to read. They become the rows `at`, `at + 1`, ... of its cache, where room is reserved for them."""

    tokens: Sequence[int]
    positions: Sequence[int]
    cache: RowCache
    at: int
    bias: Tensor  # (rows, keys): 0 where a row sees one of the last so many keys and -inf where not; all see those before
    marks: Sequence[int] | None = None  # of each row the mark of its hole if it is a slot, -1 otherwise; None: no slots
    asked: Sequence[int] = ()  # numbers of the rows whose logits are wanted


@dataclass(frozen=True)
class Reading:
    hidden: Tensor  # (rows, width)
    logits: Tensor  # (asked rows, vocabulary), float32 or wider


class InferenceNetwork:
    def __init__(self, network: Network) -> None:
        self.network = network
        config = network.config
        self._heads, self._head_width = config.heads, config.head_width
        self._rotations = network.embedding.weight.new_empty(2, 0, 2, 1, self._head_width)
        self._blocks = [
            (_product(block.qkv.weight), _product(block.out.weight), _product(block.up.weight), _product(block.down.weight))
            for block in network.layers
        ]
        self._head = _product(network.embedding.weight)
        self._group = 1 if network.embedding.weight.dtype == torch.bfloat16 else _ROWS

    def read(self, segments: Sequence[Segment]) -> list[Reading]:
        """One pass over the rows of all segments, each of another cache."""
        x, positions = self._embed(segments)
        cos, sin = self._rotation(positions)
        ends, rows = [], 0
        for segment in segments:
            rows += len(segment.tokens)
            ends.append(rows)
        for layer, (to_qkv, to_out, to_up, to_down) in enumerate(self._blocks):
            qkv = to_qkv(_norm(x)).view(len(x), 3, self._heads, self._head_width)
            qk = _norm(qkv[:, :2])
            turned = qk.view(*qk.shape[:3], 2, -1).flip(3).view(qk.shape)
            qk = torch.addcmul(qk * cos, turned, sin)
            seen = [
                _attend(segment, layer, qk[end - len(segment.tokens) : end], qkv[end - len(segment.tokens) : end, 2])
                for segment, end in zip(segments, ends, strict=True)
            ]
            if rows < len(x):
                seen.append(x.new_zeros(len(x) - rows, x.shape[1]))
            x = x + to_out(seen[0] if len(seen) == 1 else torch.cat(seen))
            x = x + to_down(to_up(_norm(x)).relu_().square_())
        hidden = _norm(x)
        wanted = [end - len(segment.tokens) + row for segment, end in zip(segments, ends, strict=True) for row in segment.asked]
        logits = self.logits(hidden[wanted])
        readings, first = [], 0
        for segment, end in zip(segments, ends, strict=True):
            own = logits[first : first + len(segment.asked)]
            readings.append(Reading(hidden[end - len(segment.tokens) : end], own))
            first += len(segment.asked)
        return readings

    def logits(self, hidden: Tensor) -> Tensor:
        """Unnormalised log probabilities (rows, vocabulary) in float32 or wider."""
        rows = len(hidden)
        if rows == 0:
            return hidden.new_empty(0, self.network.config.vocabulary)
        logits = self._head(self._padded(hidden))[:rows]
        return logits.float() if logits.dtype == torch.bfloat16 else logits

    def _embed(self, segments: Sequence[Segment]) -> tuple[Tensor, Tensor]:
        """Rows (rows, width), padded to whole groups, and their positions."""
        network = self.network
        device = network.embedding.weight.device
        tokens = torch.tensor([token for segment in segments for token in segment.tokens], device=device)
        positions = torch.tensor([position for segment in segments for position in segment.positions], device=device)
        x = network.embed(tokens)
        if any(segment.marks is not None for segment in segments):
            marks = torch.tensor([mark for s in segments for mark in (s.marks or [-1] * len(s.tokens))], device=device)
            x = torch.where((marks >= 0)[:, None], network.embed_slots(tokens, marks.clamp(min=0)), x)
        return self._padded(x), F.pad(positions, (0, -len(x) % self._group))

    def _padded(self, x: Tensor) -> Tensor:
        missing = -len(x) % self._group
        return F.pad(x, (0, 0, 0, missing)) if missing else x

    def _rotation(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and signed sines, (rows, 2, 1, head width) each: of queries, with attention's scale, and of keys."""
        longest = int(positions.max()) + 1
        if longest > self._rotations.shape[1]:
            every = torch.arange(-(-longest // 1024) * 1024, device=positions.device)
            cos, sin = self.network.rotation(every, self._rotations.dtype)
            both = torch.stack([torch.cat([cos, cos], -1), torch.cat([-sin, sin], -1)])
            self._rotations = torch.stack([both * self._head_width**-0.5, both], 2)[:, :, :, None]
        cos, sin = self._rotations[:, positions]
        return cos, sin


def _attend(segment: Segment, layer: int, qk: Tensor, v: Tensor) -> Tensor:
    """What the rows of one text see, (rows, width); their keys and values enter its cache."""
    keys, values, start, end = segment.cache.keys[layer], segment.cache.values[layer], segment.at, segment.at + len(qk)
    keys[:, :, start:end] = qk[:, 1].permute(1, 2, 0)
    values[:, start:end] = v.transpose(0, 1)
    # Two products and a softmax are two to three times faster on a CPU than the fused bfloat16 kernel.
    scores = torch.bmm(qk[:, 0].transpose(0, 1), keys[:, :, :end])
    scores[:, :, end - segment.bias.shape[1] :] += segment.bias
    seen = torch.bmm(torch.softmax(scores, -1), values[:, :end])
    return seen.transpose(0, 1).reshape(len(qk), -1)


def _norm(x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), eps=1e-6)


def _product(weight: Tensor) -> Product:
    """x -> x @ weight.T. On a CPU a bfloat16 weight is laid out once for its kernel, which repacks it at each call otherwise."""
    if weight.dtype == torch.bfloat16 and weight.device.type == "cpu":
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), _EXPECTED_ROWS)
        return lambda x: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")
    return lambda x: F.linear(x, weight)

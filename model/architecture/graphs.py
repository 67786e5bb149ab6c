"""The network on an NVIDIA GPU: a pass is one CUDA graph, captured once for each size of pass and replayed from then on.

Knows sizes, static buffers and graphs. What is computed is `InferenceNetwork`'s (tested). A pass of a small network is a few
hundred kernels, each of which takes the processor longer to start than the GPU to run; a graph is started as a whole. It reads
and writes the same memory each time: the rows that texts have cached are copied to where it looks for them, and what is new back.
Texts, rows and keys of a pass are rounded up, so that few sizes recur (Kwon et al. 2023, vLLM, does so with batches).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model.architecture.inference import InferenceNetwork, Reading, Segment, bias_of, first_key, longest_position, numbers_of
from model.architecture.network import Network

log = logging.getLogger(__name__)

LEAST_ROWS, GROUP_ROWS = 8, 128  # of a text: a power of two between them, or several groups
GROUP_KEYS = 256  # cached rows that are seen come in whole groups
POSITIONS = 4096  # are known from the start: a graph looks for their rotations where they were when it was captured

Repeat = Callable[[], None]
Capture = Callable[[Callable[[], None]], Repeat]  # a computation to what repeats it, on whatever its tensors hold then


@dataclass(frozen=True)
class Size:
    """Texts, rows of each and cached rows that they see: those of a graph."""

    texts: int
    rows: int
    keys: int

    @classmethod
    def of(cls, segments: Sequence[Segment]) -> Size:
        """The least one that holds a pass over these."""
        rows = max(len(segment.tokens) for segment in segments)
        keys = max(segment.at - first_key(segment) for segment in segments)
        whole = _power(max(rows, LEAST_ROWS)) if rows <= GROUP_ROWS else -(-rows // GROUP_ROWS) * GROUP_ROWS
        return cls(_power(len(segments)), whole, -(-keys // GROUP_KEYS) * GROUP_KEYS)


class GraphedNetwork(InferenceNetwork):
    """`capture` is CUDA's, but for tests. If it fails, passes are run one kernel at a time, as `InferenceNetwork` does."""

    def __init__(self, network: Network, capture: Capture | None = None) -> None:
        super().__init__(network)
        self._reserve_rotations(POSITIONS)
        self._capture = capture or _Cuda()
        self._fails = False
        self._graphs: dict[Size, _Graph] = {}
        self._room = network.embedding.weight.new_empty(0)  # of keys and values: of all graphs, only one of which runs at a time

    @torch.no_grad()
    def read(self, segments: Sequence[Segment]) -> list[Reading]:
        if self._fails:
            return super().read(segments)
        try:
            graph = self._graph(Size.of(segments), longest_position(segments))
        except RuntimeError:
            log.exception("no CUDA graph could be captured: passes take longer without")
            self._fails = True
            self._graphs.clear()
            return super().read(segments)
        graph.take(segments)
        graph.replay()
        graph.give(segments)
        starts = [(segment, number * graph.size.rows) for number, segment in enumerate(segments)]
        return self._readings(starts, graph.hidden.clone())

    def _graph(self, size: Size, positions: int) -> _Graph:
        rotations = self._rotations
        self._reserve_rotations(positions)
        config = self.network.config
        shape = (config.layers, 2, size.texts, config.heads, size.keys + size.rows, config.head_width)
        wanted = torch.Size(shape).numel()
        if self._rotations is not rotations or wanted > len(self._room):  # they look where nothing is any more
            self._graphs.clear()
            if wanted > len(self._room):
                self._room = self._room.new_zeros(wanted)  # what no one sees must not be NaN either
        if size not in self._graphs:
            self._graphs[size] = _Graph(size, self._room[:wanted].view(shape), self._through, self._capture)
        return self._graphs[size]


class _Graph:
    """One size of pass, its buffers and what repeats it."""

    def __init__(self, size: Size, cached: Tensor, through: Callable[..., Tensor], capture: Capture) -> None:
        texts, rows, keys = size.texts, size.rows, size.keys
        self.size = size
        self._cached = cached  # (layers, 2, texts, heads, keys + rows, head width): of each text what it holds, then what is new
        self._numbers = torch.zeros(3, texts * rows, dtype=torch.long, device=cached.device)
        self._bias = cached.new_zeros(texts, 1, rows, keys + rows)
        self.hidden = cached.new_empty(0)  # (texts * rows, width)

        def attend(layer: int, qkv: Tensor) -> Tensor:
            own = qkv.view(texts, rows, *qkv.shape[1:])
            there = cached[layer]
            there[:, :, :, keys:] = own[:, :, 1:].permute(2, 0, 3, 1, 4)
            queries = own[:, :, 0].transpose(1, 2)
            seen = F.scaled_dot_product_attention(queries, there[0], there[1], attn_mask=self._bias, scale=1.0)
            return seen.transpose(1, 2).reshape(texts * rows, -1)

        def compute() -> None:
            self.hidden = through(self._numbers, True, attend)

        self.replay = capture(compute)

    def take(self, segments: Sequence[Segment]) -> None:
        """What these read becomes what the graph reads. Rows that stand for nothing see something, too, or were NaN."""
        rows, keys = self.size.rows, self.size.keys
        starts = [(segment, number * rows) for number, segment in enumerate(segments)]
        self._numbers.copy_(torch.tensor(numbers_of(starts, self._numbers.shape[1])))
        bias = torch.zeros(self._bias.shape, dtype=self._bias.dtype)
        for number, segment in enumerate(segments):
            first, own = first_key(segment), bias_of(segment, rows, segment.at + len(segment.tokens))
            held = segment.at - first
            for part, rows_held in enumerate((segment.cache.keys, segment.cache.values)):
                self._cached[:, part, number, :, :held] = rows_held[:, :, first : segment.at]
            bias[number] = float("-inf")
            bias[number, 0, :, :held] = own[:, :held]
            bias[number, 0, :, keys : keys + len(segment.tokens)] = own[:, held:]
        self._bias.copy_(bias)

    def give(self, segments: Sequence[Segment]) -> None:
        """Keys and values of the rows that were read enter their caches."""
        for number, segment in enumerate(segments):
            count, keys = len(segment.tokens), self.size.keys
            for part, rows_held in enumerate((segment.cache.keys, segment.cache.values)):
                rows_held[:, :, segment.at : segment.at + count] = self._cached[:, part, number, :, keys : keys + count]


class _Cuda:
    """CUDA's graphs: all of them take their memory from one pool, as only one runs at a time."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, compute: Callable[[], None]) -> Repeat:
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # kernels are chosen and constants made before, which nothing may do meanwhile
            for _ in range(2):
                compute()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            compute()
        return graph.replay


def _power(number: int) -> int:
    return 1 << (number - 1).bit_length()

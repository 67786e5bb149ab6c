"""What a pass of the network costs on a device, beside the least it can cost there: bytes moved, operations done.

Knows shapes with random weights, clocks and the roofline (Williams et al. 2009). Knows no text and no decoding.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from model.architecture.graphs import GraphedNetwork
from model.architecture.inference import InferenceNetwork
from model.architecture.network import Network, NetworkConfig
from model.engine.engine import fastest_dtype
from model.engine.session import Session
from model.infilling.passes import text_segment

SHAPES = {
    "12M": NetworkConfig(layers=12),  # the bundled model's
    "30M": NetworkConfig(width=512, layers=8, heads=8),
    "0.5B": NetworkConfig(vocabulary=32_768, width=1536, layers=16, heads=24),
    "7B": NetworkConfig(vocabulary=32_768, width=4096, layers=32, heads=64),
}
KEYS = 1000  # rows of visible text that a pass sees
MOVED_BYTES, MULTIPLIED = 1 << 28, 2048  # of the trials that show how fast memory and multiplication are here


@dataclass(frozen=True)
class Step:
    """A pass of so many rows, each of which asks for logits. Milliseconds: the median, and the roofline's floor."""

    shape: str
    parameters: int
    way: str  # in which the device was told what to do: one kernel after another, or, where it can, a graph of them
    rows: int
    milliseconds: float
    floor: float

    def as_json(self) -> dict[str, object]:
        times = {"ms": round(self.milliseconds, 3), "floor_ms": round(self.floor, 3)}
        return {"shape": self.shape, "parameters": self.parameters, "way": self.way, "rows": self.rows, **times}


@dataclass(frozen=True)
class Machine:
    """What a device does in a second, measured by one large copy and one large product in the dtype of the passes."""

    bytes: float
    operations: float


def measure(device: str, shapes: Sequence[str], rows: Sequence[int], rounds: int) -> tuple[Machine, list[Step]]:
    """Shapes one after another, their passes interleaved. Raises ValueError for a shape that there is not."""
    unknown = [shape for shape in shapes if shape not in SHAPES]
    if unknown:
        raise ValueError(f"shapes are {', '.join(SHAPES)}; got {unknown[0]!r}")
    dtype = fastest_dtype() if device == "cpu" else torch.bfloat16
    with torch.inference_mode():
        machine = _machine(device, dtype)
        return machine, [step for shape in shapes for step in _steps(device, dtype, shape, rows, rounds, machine)]


def _machine(device: str, dtype: torch.dtype) -> Machine:
    source = torch.ones(MOVED_BYTES // dtype.itemsize, dtype=dtype, device=device)
    target = torch.empty_like(source)
    square = torch.ones(MULTIPLIED, MULTIPLIED, dtype=dtype, device=device)
    copying = min(_seconds(device, lambda: target.copy_(source)) for _ in range(5))
    multiplying = min(_seconds(device, lambda: torch.mm(square, square)) for _ in range(5))
    return Machine(2 * MOVED_BYTES / copying, 2 * MULTIPLIED**3 / multiplying)


def _steps(device: str, dtype: torch.dtype, shape: str, rows: Sequence[int], rounds: int, machine: Machine) -> list[Step]:
    config = SHAPES[shape]
    with torch.device(device):
        network = Network(config).to(dtype).requires_grad_(False)
    parameters = sum(weight.numel() for weight in network.parameters())
    readers = {"kernels": InferenceNetwork(network)}
    if network.embedding.weight.is_cuda:
        readers["graph"] = GraphedNetwork(network)
    session = Session(network)
    session.cache.reserve(KEYS + max(rows))
    times: dict[tuple[str, int], list[float]] = {(way, count): [] for way in readers for count in rows}
    for turn in range(rounds + 1):
        for (way, count), own in times.items():
            segment = replace(text_segment([0] * count, session.cache, KEYS), asked=range(count))
            seconds = _seconds(device, partial(readers[way].read, [segment]))
            if turn:  # the first one chooses kernels
                own.append(seconds * 1000)
    return [
        Step(shape, parameters, way, count, statistics.median(own), _floor(config, parameters, count, dtype, machine))
        for (way, count), own in times.items()
    ]


def _floor(config: NetworkConfig, parameters: int, rows: int, dtype: torch.dtype, machine: Machine) -> float:
    """Milliseconds in which weights, keys and values are read once, or all is multiplied: the longer of the two."""
    keys = KEYS + rows
    moved = dtype.itemsize * (parameters + 2 * config.layers * keys * config.width)
    operations = 2 * rows * (parameters + 2 * config.layers * keys * config.width)
    return max(moved / machine.bytes, operations / machine.operations) * 1000


def _seconds(device: str, work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    if device != "cpu":
        torch.accelerator.synchronize()
    return time.perf_counter() - began

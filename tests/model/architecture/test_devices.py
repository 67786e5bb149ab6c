"""The network on another device than the CPU. None is needed here: fake tensors know where they are, and refuse to be mixed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from model.architecture.graphs import GraphedNetwork, Repeat
from model.architecture.inference import InferenceNetwork, Reading, Segment
from model.architecture.network import Network, NetworkConfig
from model.engine.engine import Engine, NoDevice, devices
from model.engine.session import Session
from model.infilling.passes import Continuation, Passes, Row, text_segment
from model.infilling.request import InfillRequest

ELSEWHERE = torch.device("meta")
CONFIG = NetworkConfig(vocabulary=256, width=128, layers=2, heads=2, window=64)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    waited: list[bool] = []
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda: waited.append(True))
    with torch.device("meta"):
        network = Network(CONFIG)
    with FakeTensorMode(allow_non_fake_inputs=True):
        weights = {n: torch.empty(w.shape, dtype=torch.bfloat16, device=ELSEWHERE) for n, w in network.state_dict().items()}
        network.load_state_dict(weights, assign=True)
        yield network


def read(network: InferenceNetwork, passes: Passes[object]) -> tuple[Segment, Reading]:
    segment = next(passes)
    return segment, network.read([segment])[0]


def at_once(compute: Repeat) -> Repeat:
    compute()
    return compute


@pytest.mark.parametrize("reads", [InferenceNetwork, partial(GraphedNetwork, capture=at_once)], ids=["kernels", "graphs"])
def test_nothing_of_the_cpu_gets_into_a_pass_and_only_the_logits_come_back(
    network: Network, reads: Callable[[Network], InferenceNetwork]
) -> None:
    """Visible text, beyond the window, drafts in a tree and slots of a canvas, of two texts at once."""
    reader, session, other = reads(network), Session(network), Session(network)
    reader.read([text_segment(range(10), session.cache, 0), text_segment(range(100), other.cache, 0)])
    reader.read([text_segment(range(100), session.cache, 10)])
    rows = [Row(1, 110, [0]), Row(2, 111, [0, 1]), Row(3, 111, [0, 2]), Row(4, 112, [0, 3, 4], 7), Row(4, 113, [0, 3, 4], 7)]
    _, reading = read(reader, Continuation(reader, session.cache, 110).read(rows, [0, 2]))
    assert (reading.logits.device.type, reading.logits.shape, reading.logits.dtype) == ("cpu", (2, 256), torch.float32)
    assert (reading.hidden.device, reading.hidden.shape) == (ELSEWHERE, (5, 128))
    assert reader.logits(reading.hidden[3:]).device.type == "cpu"
    assert {tensor.device for tensor in (session.cache.keys, session.cache.values)} == {ELSEWHERE}
    other.cache.reserve(110)
    other.cache.copy(session.cache, 100, 110)


def test_tensors_of_two_devices_would_have_been_noticed(network: Network) -> None:
    with pytest.raises(Exception, match="device"):
        network.embedding.weight + torch.zeros(1)


def test_a_device_that_is_not_there_is_refused_in_one_sentence() -> None:
    missing = next(name for name in ("cuda", "mps", "xpu") if name not in devices())
    with pytest.raises(NoDevice, match=rf"device must be cpu.* on this machine, got '{missing}'"):
        Engine.load(device=missing)


@pytest.mark.skipif(len(devices()) == 1, reason="there is no GPU here")
def test_a_gpu_writes_what_the_cpu_writes() -> None:
    request = InfillRequest(("import os\n\n\ndef home(user):\n    return os.", "\n"), single_line=True, allow_empty=False)
    texts = [Engine.load(device=device).infill(request, "same").candidates[0].text for device in devices()]
    assert texts[0] == texts[1]

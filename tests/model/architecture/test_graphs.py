"""Passes as graphs that were captured once. No GPU is needed: operations are recorded here as CUDA's graphs record kernels, and
done again on the same tensors, whatever Python has come to know meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from model.architecture.graphs import GraphedNetwork, Size
from model.architecture.inference import InferenceNetwork, Reading, Segment
from model.architecture.network import Network, NetworkConfig
from model.checkpoints.store import Model, load_model
from model.engine import job
from model.engine.engine import Engine
from model.engine.session import Session
from model.infilling.passes import Continuation, Row, text_segment
from model.infilling.request import InfillRequest

CONFIG = NetworkConfig(vocabulary=256, width=128, layers=2, heads=2, window=300)
WAITING = {"aten._local_scalar_dense", "aten.nonzero", "aten.lift_fresh", "aten.equal"}  # a capture allows none


class Recorded(TorchDispatchMode):
    """What a computation did, to be done again."""

    def __init__(self, compute: Callable[[], None]) -> None:
        super().__init__()
        self.calls: list[tuple[Callable[..., object], Sequence[object], dict[str, object], object]] = []
        with self:
            compute()

    def __torch_dispatch__(
        self, func: OpOverload, types: object, args: Sequence[object] = (), kwargs: dict[str, object] | None = None
    ) -> object:
        assert str(func.overloadpacket) not in WAITING
        found: object = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, found))
        return found

    def __call__(self) -> None:
        for func, args, kwargs, before in self.calls:
            for old, new in zip(_tensors(before), _tensors(func(*args, **kwargs)), strict=True):
                if old.data_ptr() != new.data_ptr():
                    old.copy_(new)


def _tensors(found: object) -> list[torch.Tensor]:
    return [one for one in (found if isinstance(found, (tuple, list)) else [found]) if isinstance(one, torch.Tensor)]


def network(dtype: torch.dtype = torch.float64) -> Network:
    torch.manual_seed(0)
    made = Network(CONFIG)
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return made.to(dtype).requires_grad_(False)


class Pair:
    """The same texts, read by both."""

    def __init__(self) -> None:
        of = network()
        self.captured: list[Recorded] = []

        def capture(compute: Callable[[], None]) -> Recorded:
            self.captured.append(Recorded(compute))
            return self.captured[-1]

        self.readers = (InferenceNetwork(of), GraphedNetwork(of, capture))
        self.sessions = tuple([Session(of) for _ in range(3)] for _ in self.readers)
        self.rows = [0, 0, 0]

    def agree_on(self, sizes: Sequence[tuple[int, int, bool]]) -> bool:
        """Of each text (its number, rows, whether they are drafts and slots) some rows more: do both find and cache the same?"""
        found: list[list[Reading]] = []
        for reader, sessions in zip(self.readers, self.sessions, strict=True):
            found.append(reader.read([self.segment(reader, sessions[text], text, *rest) for text, *rest in sizes]))
        same = []
        for mine, theirs in zip(*found, strict=True):
            same += [(mine.hidden, theirs.hidden), (mine.logits, theirs.logits)]
        for text, rows, drafts in sizes:
            self.rows[text] += 0 if drafts else rows
            mine_cached, their_cached = (own[text].cache for own in self.sessions)
            same.append((mine_cached.keys[:, :, : self.rows[text]], their_cached.keys[:, :, : self.rows[text]]))
            same.append((mine_cached.values[:, :, : self.rows[text]], their_cached.values[:, :, : self.rows[text]]))
        return all(torch.allclose(one, other, rtol=1e-9, atol=1e-9) for one, other in same)

    def segment(self, reader: InferenceNetwork, session: Session, text: int, rows: int, drafts: bool) -> Segment:
        base = self.rows[text]
        tokens = [(7 * text + 3 * (base + row)) % 200 for row in range(rows)]
        if not drafts:
            return text_segment(tokens, session.cache, base)
        tree = [
            Row(token, base + row // 2, [*range(0, row, 2), row], 201 if row % 3 == 2 else None)
            for row, token in enumerate(tokens)
        ]
        return next(Continuation(reader, session.cache, base).read(tree, range(0, rows, 2)))


Sizes = st.lists(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 140), st.booleans()), min_size=1, max_size=3, unique_by=lambda one: one[0]
    ),
    min_size=1,
    max_size=6,
)


@given(Sizes)
def test_a_pass_finds_what_it_finds_without_a_graph(passes: list[list[tuple[int, int, bool]]]) -> None:
    pair = Pair()
    with torch.inference_mode():
        for sizes in passes:
            assert pair.agree_on(sizes)


def test_few_graphs_serve_a_text_that_is_typed_and_they_are_replayed() -> None:
    pair = Pair()
    with torch.inference_mode():
        assert pair.agree_on([(0, 128, False)])
        for _ in range(40):
            assert pair.agree_on([(0, 12, True)])
            assert pair.agree_on([(0, 1, False)])
        assert len(pair.captured) == 3  # the text, its drafts, a key
        assert pair.agree_on([(0, 12, True), (1, 100, False)])
        assert len(pair.captured) == 4


@pytest.mark.parametrize(
    ("rows", "keys", "texts", "expected"),
    [(1, 0, 1, Size(1, 8, 0)), (9, 1, 3, Size(4, 16, 256)), (128, 256, 2, Size(2, 128, 256)), (129, 300, 1, Size(1, 256, 512))],
)
def test_sizes_are_rounded_up(rows: int, keys: int, texts: int, expected: Size) -> None:
    sessions = [Session(network()) for _ in range(texts)]
    for session in sessions:
        session.cache.reserve(keys + rows)
    assert Size.of([text_segment([1] * rows, session.cache, keys) for session in sessions]) == expected


def test_positions_beyond_those_that_were_known_are_captured_anew() -> None:
    pair = Pair()
    for reader in pair.readers:
        reader._rotations = reader._rotations[:, :0]
    with torch.inference_mode():
        for _ in range(9):
            assert pair.agree_on([(0, 128, False)])
    assert len(pair.captured) == 3 + 1  # nothing cached, 256 rows, 512, and these again


def test_without_graphs_passes_are_read_as_they_always_were(caplog: pytest.LogCaptureFixture) -> None:
    def broken(compute: Callable[[], None]) -> Callable[[], None]:
        raise RuntimeError("operation not permitted when stream is capturing")

    pair = Pair()
    pair.readers = (pair.readers[0], GraphedNetwork(pair.readers[0].network, broken))
    with torch.inference_mode():
        assert pair.agree_on([(0, 20, False)])
        assert pair.agree_on([(0, 20, True), (1, 5, False)])
    assert caplog.text.count("no CUDA graph could be captured") == 1


def test_the_engine_answers_the_same_with_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    found: Model = load_model()
    requests = [
        InfillRequest(("import os\n\n\ndef home(user):\n    return os.", "\n"), single_line=True, allow_empty=False),
        InfillRequest(("def area(width, height):\n", "\n\nprint(area(2, 3))\n"), max_tokens=24, candidates=3),
        InfillRequest(("total = ", " + ", "\n"), max_tokens=8, checked=False),
    ]
    without = [Engine(found).infill(request, "file") for request in requests]
    monkeypatch.setattr(job, "reader_of", lambda of: GraphedNetwork(of, Recorded))
    within = [Engine(found).infill(request, "file") for request in requests]
    texts = [[[candidate.texts for candidate in one.candidates] for one in answers] for answers in (without, within)]
    assert texts[0] == texts[1]
    assert len(texts[0][1]) > 1

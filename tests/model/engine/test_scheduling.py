"""Requests share passes: who comes first, who takes whose place, and that neighbours change nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import pairwise

import pytest
import torch
from conftest import random_network
from torch.utils._python_dispatch import TorchDispatchMode

from model.architecture.inference import InferenceNetwork, Segment
from model.architecture.network import Network
from model.architecture.rows import RowCache, causal_bias
from model.checkpoints.store import BUNDLED, Model, load_model, read_card
from model.engine.engine import Engine
from model.engine.scheduler import ROWS, Scheduler, Task
from model.infilling.deadline import PassCosts
from model.infilling.passes import Passes, text_segment
from model.infilling.request import Cancelled, Infilling, InfillRequest
from model.tokenization.tokenizer import Tokenizer

TEXT = "def f(a, b):\n    return a + b\n\n\n" * 12
PLACES = [(TEXT[:cut] + "x", "\n" + TEXT[cut:]) for cut in range(60, 300, 40)]


@pytest.fixture
def engine(tokenizer: Tokenizer) -> Engine:
    return Engine(Model(read_card(BUNDLED), random_network(torch.float32), tokenizer))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("stored", [torch.float64, torch.bfloat16])
def test_the_inference_network_computes_what_the_network_computes(dtype: torch.dtype, stored: torch.dtype) -> None:
    network = random_network(torch.float64).to(stored).double()
    tokens = torch.arange(300)[None]  # far more than the window
    expected = network(network.embed(tokens), tokens, causal_bias(300, network.canvas))[0]
    lower = Network(network.config).to(dtype).requires_grad_(False)
    lower.load_state_dict(network.state_dict())
    reader, cache = InferenceNetwork(lower), RowCache(lower)
    with torch.inference_mode():
        cuts = pairwise((0, 17, 18, 140, 141, 300))
        found = [reader.read([text_segment(range(a, b), cache, a)])[0].hidden for a, b in cuts]
    worst = {torch.float64: 1e-9, torch.float32: 1e-4, torch.bfloat16: 0.2}[dtype]
    assert float((torch.cat(found).double() - expected).abs().max()) < worst


class Shapes(TorchDispatchMode):
    """Notes the shapes of matrix products: for each new one a CPU compiles, and keeps, a kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[object] = set()

    def __torch_dispatch__(self, function: object, _: object, arguments: tuple[object, ...] = (), named: object = None) -> object:
        if any(kind in str(function) for kind in ("bmm", "linear", "mm")):
            self.seen.add((str(function), *(tuple(one.shape) for one in arguments if isinstance(one, torch.Tensor))))
        return function(*arguments, **(named or {}))  # type: ignore[operator]


def test_a_text_that_grows_is_read_in_shapes_that_recur() -> None:
    network = random_network(torch.bfloat16)
    reader, cache = InferenceNetwork(network), RowCache(network)
    cache.reserve(300)
    with torch.inference_mode(), Shapes() as shapes:
        for at in range(130, 190):
            rows = 1 + at % 4
            text = text_segment(range(rows), cache, at)
            reader.read([Segment(text.tokens, text.positions, cache, at, text.bias, None, range(rows))])
    assert 0 < len(shapes.seen) < 10


def segments(network: Network, places: Sequence[tuple[int, int]]) -> list[Segment]:
    """Texts of so many rows behind so many, each in a cache of its own."""
    found = []
    for rows, at in places:
        cache = RowCache(network)
        cache.reserve(at + rows)
        generator = torch.Generator().manual_seed(at)
        for tensor in (cache.keys, cache.values):
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
        text = text_segment([7 * at % 97 + row for row in range(rows)], cache, at)
        found.append(Segment(text.tokens, text.positions, cache, at, text.bias, None, range(rows)))
    return found


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("weights", ["float32", "float32 from bfloat16", "the bundled model as it runs here"])
@pytest.mark.parametrize(
    "places",
    [
        pytest.param(((1, 0), (1, 30), (5, 70), (17, 33), (130, 0), (2, 257)), id="many"),
        pytest.param(((16, 40), (16, 3)), id="32 rows"),
        *(pytest.param(((3, 20), *[(1, 7)] * others), id=f"{others} others") for others in range(6, 13)),
    ],
)
def test_neighbours_change_no_bit(weights: str, places: Sequence[tuple[int, int]]) -> None:
    network = Engine.load().model.network if "bundled" in weights else random_network(torch.float32)
    if "from" in weights:
        network = network.bfloat16().float()
    reader = InferenceNetwork(network)

    with torch.inference_mode():
        alone = [reader.read([segment])[0] for segment in segments(network, places)]
        together = reader.read(segments(network, places))
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one.hidden, other.hidden)
        assert torch.equal(one.logits, other.logits)


def test_answers_do_not_depend_on_who_else_asks(engine: Engine) -> None:
    requests = [InfillRequest(parts, max_tokens=8 + n, checked=n % 3 > 0, candidates=1 + n % 2) for n, parts in enumerate(PLACES)]
    alone = [engine.infill(request).candidates for request in requests]
    before = engine.statistics().passes
    together = [engine.submit(request, f"file {n}") for n, request in enumerate(requests)]
    assert [future.result().candidates for future in together] == alone
    steps = sum(future.result().forward_passes for future in together)
    assert engine.statistics().passes - before < steps  # they did share passes


def test_callers_of_one_session_wait_for_nobody_and_the_newest_is_answered(engine: Engine) -> None:
    futures: list[Future[Infilling]] = [engine.submit(InfillRequest(parts, max_tokens=30), "file") for parts in PLACES]
    for older in futures[:-1]:
        with pytest.raises(Cancelled):
            older.result(20)
    assert futures[-1].result(20).candidates == engine.infill(InfillRequest(PLACES[-1], max_tokens=30)).candidates


def endless(cache: RowCache, seen: list[str], name: str, rows: int = 1, passes: int = 10_000) -> Passes[str]:
    """A task that says in `seen` when one of its passes was read."""
    for _ in range(passes):
        yield text_segment([1] * rows, cache, 0)
        seen.append(name)
    return name


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler(InferenceNetwork(NETWORK), PassCosts(), 1)


NETWORK = random_network(torch.float32)


def test_what_one_asker_breaks_is_only_his(scheduler: Scheduler) -> None:
    seen: list[str] = []

    def broken() -> bool:
        raise OSError("the pipe is gone")

    bad = scheduler.submit(Task(endless(RowCache(NETWORK), seen, "bad"), cancelled=broken))
    with pytest.raises(OSError, match="the pipe is gone"):
        bad.result(20)
    assert scheduler.submit(Task(endless(RowCache(NETWORK), seen, "good", passes=2))).result(20) == "good"


def test_a_future_that_its_asker_cancels_does_not_stop_the_engine(scheduler: Scheduler) -> None:
    seen: list[str] = []
    left = scheduler.submit(Task(endless(RowCache(NETWORK), seen, "left", passes=3)))
    left.cancel()
    assert scheduler.submit(Task(endless(RowCache(NETWORK), seen, "good", passes=2))).result(20) == "good"


def test_the_earliest_deadline_comes_first_where_not_all_fit(scheduler: Scheduler) -> None:
    seen: list[str] = []
    begun, gate = threading.Event(), threading.Event()

    def first() -> Passes[str]:
        begun.set()
        gate.wait()  # until all others have arrived
        return (yield from endless(RowCache(NETWORK), seen, "first", ROWS, 1))

    futures = [scheduler.submit(Task(first()))]
    assert begun.wait(20)  # or the others could be there already when the engine first looks who is to have a pass
    for name, deadline in (("late", 30.0), ("soon", 10.0), ("middle", 20.0)):
        futures.append(scheduler.submit(Task(endless(RowCache(NETWORK), seen, name, ROWS, 2), deadline=deadline)))
    gate.set()
    assert [future.result(20) for future in futures] == ["first", "late", "soon", "middle"]
    assert [name for name in seen if name != "first"] == ["soon", "soon", "middle", "middle", "late", "late"]
    scheduler.close()


def test_work_in_the_background_stands_still_while_a_request_is_there(scheduler: Scheduler) -> None:
    seen: list[str] = []
    background = scheduler.submit(Task(endless(RowCache(NETWORK), seen, "warm"), background=True))
    while len(seen) < 3:
        time.sleep(0.001)
    scheduler.submit(Task(endless(RowCache(NETWORK), seen, "asked", passes=50))).result(20)
    first = seen.index("asked")
    assert seen[first : first + 50] == ["asked"] * 50
    while seen.count("warm") < first + 3:
        time.sleep(0.001)
    scheduler.close()
    assert isinstance(background.exception(), Cancelled)


def test_cancelling_takes_effect_within_a_pass(scheduler: Scheduler) -> None:
    seen: list[str] = []
    future = scheduler.submit(Task(endless(RowCache(NETWORK), seen, "x"), cancelled=lambda: len(seen) >= 5))
    with pytest.raises(Cancelled):
        future.result(20)
    assert len(seen) == 5
    scheduler.close()


def test_a_task_that_fails_takes_nobody_with_it(scheduler: Scheduler) -> None:
    seen: list[str] = []

    def failing() -> Passes[str]:
        yield text_segment([1], RowCache(NETWORK), 0)
        raise ValueError("a bad request")

    other = scheduler.submit(Task(endless(RowCache(NETWORK), seen, "good", passes=20)))
    with pytest.raises(ValueError, match="a bad request"):
        scheduler.submit(Task(failing())).result(20)
    assert other.result(20) == "good"
    scheduler.close()


def test_a_closed_engine_says_so(engine: Engine) -> None:
    engine.close()
    with pytest.raises(RuntimeError, match="closed"):
        engine.infill(InfillRequest(("a", "b")))


def test_the_bundled_model_fills_for_many_at_once() -> None:
    engine = Engine(load_model())
    requests = [InfillRequest(parts, single_line=True, allow_empty=False, max_tokens=12) for parts in PLACES]
    alone = [engine.infill(request).candidates for request in requests]
    together = [engine.submit(request, f"file {n}") for n, request in enumerate(requests)]
    assert [future.result().candidates for future in together] == alone
    engine.close()

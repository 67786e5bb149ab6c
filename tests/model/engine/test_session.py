"""The cache of a session equals recomputation, whatever the user does."""

from __future__ import annotations

import threading

import pytest
import torch
from conftest import random_network
from hypothesis import given, settings
from hypothesis import strategies as st

from model.architecture.network import Network
from model.checkpoints.store import BUNDLED
from model.engine.engine import SESSIONS, Engine
from model.engine.session import Session
from model.infilling.layout import encode_visible
from model.infilling.passes import Continuation, Row
from model.infilling.reference import next_logits
from model.infilling.request import Cancelled, InfillRequest
from model.tokenization.tokenizer import Tokenizer

TOKENIZER = Tokenizer.load(BUNDLED / "tokenizer.json")
NETWORKS = {dtype: random_network(dtype) for dtype in (torch.float64, torch.float32)}
TEXT = "def f(a, b):\n    return a + b\n\n\n" * 12
ACTION = st.one_of(
    st.tuples(st.just("type"), st.text(alphabet="abc =(\n ", min_size=1, max_size=8)),
    st.tuples(st.just("delete"), st.integers(1, 12)),
    st.tuples(st.just("paste"), st.sampled_from(["\nimport os\n", "x = [1,\n     2]\n" * 5])),
    st.tuples(st.just("move"), st.integers(-200, 200)),
    st.tuples(st.just("undo"), st.just(0)),
)


def read_on(network: Network, session: Session, tokens: list[int], leave: int, slots: int) -> torch.Tensor:
    """Hidden state of the last token, read as a request reads it; the slots leave rows behind that no edit may see."""
    session.encode(network, tokens, lambda: None, leave)
    base = len(session.tokens)
    unread = tokens[base:]
    rows = [Row(token, base + number, range(number + 1)) for number, token in enumerate(unread)]
    everyone = range(len(rows) + slots)
    rows += [Row(TOKENIZER.mask, len(tokens) + number, everyone, TOKENIZER.holes[0]) for number in range(slots)]
    hidden = Continuation(network, session.cache, base).read(rows)[len(unread) - 1]
    session.adopt(unread)
    return hidden


@settings(deadline=None, max_examples=25)
@given(st.lists(ACTION, min_size=1, max_size=12), st.integers(1, 40))
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_after_any_edits_the_cache_gives_what_recomputation_gives(
    dtype: torch.dtype, tolerance: float, actions: list[tuple[str, int | str]], leave: int
) -> None:
    network = NETWORKS[dtype]
    session, text, cursor, history = Session(network), TEXT, len(TEXT) // 2, [(TEXT, len(TEXT) // 2)]
    for kind, value in actions:
        if isinstance(value, str):
            text, cursor = text[:cursor] + value + text[cursor:], cursor + len(value)
        elif kind == "delete":
            start = max(0, cursor - value)
            text, cursor = text[:start] + text[cursor:], start
        elif kind == "move":
            cursor = min(len(text), max(0, cursor + value))
        elif len(history) > 1:
            history.pop()
            text, cursor = history.pop()
        history.append((text, cursor))
        tokens = encode_visible(TOKENIZER, (text[:cursor], text[cursor:]), budget=300)
        with torch.inference_mode():
            hidden = read_on(network, session, tokens, leave, slots=3)
        difference = (network.logits(hidden).float() - next_logits(network, tokens)).abs().max()
        assert float(difference) < tolerance


def test_typing_and_deleting_encode_only_what_changed(random_engine: Engine) -> None:
    prefix, suffix = TEXT + "value = compute(", "\n" + TEXT
    first = random_engine.infill(InfillRequest((prefix, suffix), max_tokens=1), "file")
    typed = random_engine.infill(InfillRequest((prefix + "a, ", suffix), max_tokens=1), "file")
    deleted = random_engine.infill(InfillRequest((prefix, suffix), max_tokens=1), "file")
    assert first.encoded_tokens > 100
    assert typed.encoded_tokens <= 5
    assert deleted.encoded_tokens <= 2


def test_moving_inside_the_block_leaves_the_far_part_alone(random_engine: Engine) -> None:
    lines = TEXT.split("\n")
    here, below = "\n".join(lines[:24]), "\n".join(lines[:25])
    random_engine.infill(InfillRequest((here, TEXT[len(here) :]), max_tokens=1), "move")
    moved = random_engine.infill(InfillRequest((below, TEXT[len(below) :]), max_tokens=1), "move")
    everything = random_engine.infill(InfillRequest((below, TEXT[len(below) :]), max_tokens=1), "fresh")
    assert moved.encoded_tokens < everything.encoded_tokens


def test_poisoned_slots_leave_visible_rows_bit_for_bit_alone() -> None:
    network = NETWORKS[torch.float32]
    tokens = encode_visible(TOKENIZER, ("a = [1, 2, ", "]\n"))
    clean, poisoned = Session(network), Session(network)
    with torch.inference_mode():
        for session in (clean, poisoned):
            session.encode(network, tokens, lambda: None)
            session.cache.reserve(len(tokens) + 40)
        for keys, values in poisoned.cache.layers:
            keys[:, :, len(tokens) :] = float("nan")
            values[:, :, len(tokens) :] = float("nan")
        longer = [*tokens[:-1], 5, 6, 7, tokens[-1]]
        results = [read_on(network, session, longer, 1, slots=0) for session in (clean, poisoned)]
    assert torch.equal(*results)
    for (keys, values), (others, other_values) in zip(clean.cache.layers, poisoned.cache.layers, strict=True):
        assert torch.equal(keys[:, :, : len(longer)], others[:, :, : len(longer)])
        assert torch.equal(values[:, :, : len(longer)], other_values[:, :, : len(longer)])


def test_cancelled_work_stops_within_a_pass_and_the_session_stays_right(random_engine: Engine) -> None:
    request = InfillRequest((TEXT, "\n"), max_tokens=40)
    expected = random_engine.infill(request, "other")
    calls = iter(range(100))
    with pytest.raises(Cancelled):
        random_engine.infill(request, "cancelled", lambda: next(calls) >= 2)
    assert next(calls) == 3
    assert random_engine.infill(request, "cancelled").candidates == expected.candidates


def test_sessions_are_evicted_oldest_first(random_engine: Engine) -> None:
    request = InfillRequest(("abc = ", "\n"), max_tokens=1)
    for number in range(SESSIONS + 1):
        random_engine.infill(request, f"session {number}")
    assert random_engine.infill(request, f"session {SESSIONS}").encoded_tokens == 1
    assert random_engine.infill(request, "session 0").encoded_tokens > 1


def test_threads_share_the_engine(random_engine: Engine) -> None:
    expected = random_engine.infill(InfillRequest((TEXT, "\n"), max_tokens=8)).candidates
    found: list[object] = []

    def ask(number: int) -> None:
        found.append(random_engine.infill(InfillRequest((TEXT, "\n"), max_tokens=8), f"thread {number % 2}").candidates)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 6

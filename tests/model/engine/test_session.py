"""The cache of a session equals recomputation, whatever the user does."""

from __future__ import annotations

import pytest
import torch
from conftest import random_network
from hypothesis import given, settings
from hypothesis import strategies as st

from model.architecture.inference import InferenceNetwork
from model.checkpoints.store import BUNDLED, Model, read_card
from model.engine.engine import Engine
from model.engine.session import KEPT_UNNAMED, Session
from model.infilling.layout import encode_visible
from model.infilling.passes import Continuation, Row, run_alone
from model.infilling.reference import next_logits
from model.infilling.request import Cancelled, Infilling, InfillRequest
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


def read_on(network: InferenceNetwork, session: Session, tokens: list[int], leave: int, slots: int) -> torch.Tensor:
    """Hidden state of the last token, read as a request reads it; the slots leave rows behind that no edit may see."""
    run_alone(network, session.encode(tokens, leave))
    base = len(session.tokens)
    unread = tokens[base:]
    rows = [Row(token, base + number, range(number + 1)) for number, token in enumerate(unread)]
    everyone = range(len(rows) + slots)
    rows += [Row(TOKENIZER.mask, len(tokens) + number, everyone, TOKENIZER.holes[0]) for number in range(slots)]
    reading = run_alone(network, Continuation(network, session.cache, base).read(rows, ()))
    session.adopt(unread)
    return reading.hidden[len(unread) - 1]


@settings(deadline=None, max_examples=25)
@given(st.lists(ACTION, min_size=1, max_size=12), st.integers(1, 40))
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_after_any_edits_the_cache_gives_what_recomputation_gives(
    dtype: torch.dtype, tolerance: float, actions: list[tuple[str, int | str]], leave: int
) -> None:
    network = NETWORKS[dtype]
    reader = InferenceNetwork(network)
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
            hidden = read_on(reader, session, tokens, leave, slots=3)
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
        reader = InferenceNetwork(network)
        for session in (clean, poisoned):
            run_alone(reader, session.encode(tokens))
            session.cache.reserve(len(tokens) + 40)
        poisoned.cache.keys[:, :, len(tokens) :] = 1e4
        poisoned.cache.values[:, :, len(tokens) :] = -1e4
        longer = [*tokens[:-1], 5, 6, 7, tokens[-1]]
        results = [read_on(reader, session, longer, 1, slots=0) for session in (clean, poisoned)]
    assert torch.equal(*results)
    assert torch.equal(clean.cache.keys[:, :, : len(longer)], poisoned.cache.keys[:, :, : len(longer)])
    assert torch.equal(clean.cache.values[:, :, : len(longer)], poisoned.cache.values[:, :, : len(longer)])


def test_cancelled_work_stops_within_a_pass_and_the_session_stays_right(random_engine: Engine) -> None:
    request = InfillRequest((TEXT, "\n"), max_tokens=40)
    expected = random_engine.infill(request, "other")
    calls = iter(range(100))
    with pytest.raises(Cancelled):
        random_engine.infill(request, "cancelled", lambda: next(calls) >= 2)
    assert next(calls) == 3
    assert random_engine.infill(request, "cancelled").candidates == expected.candidates


def test_what_an_owner_s_texts_begin_with_is_read_once(random_engine: Engine) -> None:
    def asked(typed: str, session: str, owner: str) -> Infilling:
        request = InfillRequest((TEXT + "value = compute(" + typed, "\n" + TEXT), max_tokens=4)
        return random_engine.submit(request, session, owner=owner).result()

    cold = asked("a, ", "", "")
    assert asked("", "", "ann").encoded_tokens > 100
    for session in ("", "another window"):
        warm = asked("a, ", session, "ann")
        assert warm.encoded_tokens <= 5
        [(found, expected)] = zip(warm.candidates, cold.candidates, strict=True)
        assert found.texts == expected.texts
        assert found.score == pytest.approx(expected.score, abs=1e-9)  # what is read in other chunks is rounded otherwise
    assert asked("a, ", "", "bob").encoded_tokens == asked("a, ", "", "").encoded_tokens == cold.encoded_tokens


def test_of_requests_without_a_session_only_the_latest_are_remembered(random_engine: Engine) -> None:
    before = random_engine.statistics().sessions
    texts = [f"# {number}\n{TEXT}" for number in range(KEPT_UNNAMED + 2)]
    encoded = [
        random_engine.submit(InfillRequest((text, "\n"), max_tokens=1), owner="many").result().encoded_tokens
        for text in (*texts, texts[-1], texts[0])
    ]
    assert encoded[-2] == 1
    assert encoded[-1] > 100
    assert random_engine.statistics().sessions == before + KEPT_UNNAMED


def test_under_a_memory_limit_the_sessions_not_used_for_longest_go_first(tokenizer: Tokenizer) -> None:
    network = NETWORKS[torch.float32]
    one = Session(network)
    one.cache.reserve(1)
    engine = Engine(Model(read_card(BUNDLED), network, tokenizer), cache_bytes=3 * one.cache.nbytes)
    request = InfillRequest(("abc = ", "\n"), max_tokens=1)
    for name in ("a", "b", "c", "a", "d"):
        engine.infill(request, name)
    assert engine.statistics().sessions == 3
    assert engine.infill(request, "a").encoded_tokens == 1
    assert engine.infill(request, "b").encoded_tokens > 1
    engine.close()


def test_with_less_memory_than_a_session_needs_every_request_is_answered_cold(tokenizer: Tokenizer) -> None:
    engine = Engine(Model(read_card(BUNDLED), NETWORKS[torch.float32], tokenizer), cache_bytes=1)
    request = InfillRequest((TEXT, "\n"), max_tokens=4)
    first, second = engine.infill(request, "a"), engine.infill(request, "a")
    assert first.candidates == second.candidates
    assert first.encoded_tokens == second.encoded_tokens > 1
    assert engine.statistics().cache_bytes == 0
    engine.close()


def test_an_opened_file_is_read_ahead(random_engine: Engine) -> None:
    parts = (TEXT + "value = compute(", ")\n" + TEXT)
    random_engine.warm("opened", parts).result()
    assert random_engine.infill(InfillRequest(parts, max_tokens=1), "opened").encoded_tokens == 1

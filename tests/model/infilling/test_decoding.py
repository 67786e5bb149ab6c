"""Checked decoding writes what greedy decoding writes; unchecked decoding fills every slot."""

from __future__ import annotations

import inspect
import textwrap
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from model.engine.engine import Engine
from model.engine.job import WAYS_OUT
from model.engine.session import Session
from model.infilling.checked import CheckedDecoder, Limits
from model.infilling.layout import encode_visible
from model.infilling.passes import Continuation
from model.infilling.reference import greedy
from model.infilling.request import InfillRequest
from model.infilling.unchecked import fill_unchecked
from model.tokenization.healing import Healing

SOURCE = inspect.getsource(textwrap)


def checked_and_greedy(
    engine: Engine, parts: tuple[str, ...], limits: Limits, owed: bytes
) -> tuple[list[int], int, list[int], int]:
    network, tokenizer = engine.model.network, engine.model.tokenizer
    visible = encode_visible(tokenizer, parts, budget=400)
    session = Session(network)
    with torch.inference_mode():
        hidden, _ = session.encode(network, visible, lambda: None)
        rows = Continuation(network, session.cache, len(visible))
        decoder = CheckedDecoder(tokenizer, Healing(tokenizer), limits)
        chain = decoder.run(rows, visible, hidden, owed, 1, lambda: True)[0]
    expected, passes = greedy(network, tokenizer, visible, limits, owed)
    return chain.tokens, rows.passes + 1, expected, passes


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("drafts", [(True, True), (True, False), (False, True)], ids=["both", "canvas", "copies"])
def test_checked_is_greedy_token_for_token(random_engine: Engine, seed: int, drafts: tuple[bool, bool]) -> None:
    edges = [500 + 313 * seed + 200 * i for i in range(1 + seed % 3)]  # up to two more holes behind the one that is filled
    parts = (SOURCE[: edges[0]], *(SOURCE[a:b] for a, b in pairwise(edges)), SOURCE[edges[-1] : edges[-1] + 300])
    limits = Limits(20, seed % 2 == 0, canvas_drafts=drafts[0], copy_drafts=drafts[1])
    tokens, _, expected, _ = checked_and_greedy(random_engine, parts, limits, b"")
    assert tokens == expected


def test_the_bundled_model_is_greedy_too_and_needs_fewer_passes(bundled: Engine) -> None:
    total = reference = 0
    for start in range(600, 6600, 500):
        end = SOURCE.index("\n", start)
        prefix, owed = SOURCE[:start], ""
        limits = Limits(24, True, allow_empty=False)
        tokens, passes, expected, one_by_one = checked_and_greedy(bundled, (prefix, SOURCE[end:]), limits, owed.encode())
        assert tokens == expected
        total, reference = total + passes, reference + one_by_one
    assert total < 0.85 * reference


def test_a_line_that_would_not_end_gives_way_to_one_that_does(bundled: Engine) -> None:
    places = [("import os\n\n\ndef f(path):\n    return os.path.", "\n"), ("x = [", "]\n"), ("import os\n\npath = os.", "\n")]
    for parts in places:
        for max_tokens in (8, 16, 64):
            request = InfillRequest(parts, single_line=True, allow_empty=False, max_tokens=max_tokens)
            several = bundled.infill(replace(request, candidates=WAYS_OUT)).candidates
            assert bool(bundled.infill(request).candidates) == bool(several)


def test_several_holes_are_filled_in_turn_each_seeing_the_text_of_those_before(bundled: Engine) -> None:
    parts = ("def f(a, b):\n    total = ", "\n    rest = ", "\n    return ", "\n")
    options = {"single_line": True, "allow_empty": False}
    whole = bundled.infill(InfillRequest(parts, **options)).candidates[0]
    assert len(whole.texts) == 3
    rest = parts
    for text in whole.texts:
        assert bundled.infill(InfillRequest(rest, **options)).candidates[0].texts[0] == text != ""
        rest = (rest[0] + text + rest[1], *rest[2:])


def test_healing_writes_the_partial_word_again(bundled: Engine) -> None:
    limits = Limits(12, True)
    tokens, _, expected, _ = checked_and_greedy(bundled, ("import os\n\n\ndef f():\n   ", "\n"), limits, b" retu")
    assert tokens == expected
    assert bundled.model.tokenizer.decode_bytes(tokens).startswith(b" retu")


@pytest.mark.parametrize("gamma", [0.0, 0.3, 100.0])
def test_unchecked_fills_every_slot_with_at_least_one_commit_a_step(random_engine: Engine, gamma: float) -> None:
    network, tokenizer = random_engine.model.network, random_engine.model.tokenizer
    visible = encode_visible(tokenizer, ("a = ", "\nb = ", "\n"))
    session = Session(network)
    seen: list[list[list[int]]] = []
    with torch.inference_mode():
        session.encode(network, visible, lambda: None)
        rows = Continuation(network, session.cache, len(visible))
        filled = fill_unchecked(rows, tokenizer, 2, 20, gamma, lambda: True, seen.append, shortest=2)
    assert all(hole.complete and len(hole.tokens) >= 2 for hole in filled)
    open_slots = [sum(canvas.count(tokenizer.mask) for canvas in step) for step in seen]
    assert open_slots == sorted(set(open_slots), reverse=True)
    assert open_slots[-1] == 0
    if gamma == 100.0:
        assert rows.passes == 1


@pytest.mark.parametrize("checked", [True, False], ids=["checked", "unchecked"])
def test_a_hole_on_a_line_that_may_not_stay_empty_gets_text_of_that_line(random_engine: Engine, checked: bool) -> None:
    for seed in range(8):
        at = 400 + 97 * seed
        request = InfillRequest((SOURCE[:at], SOURCE[at:]), single_line=True, allow_empty=False, checked=checked, candidates=3)
        for candidate in random_engine.infill(request).candidates:
            assert candidate.text
            assert "\n" not in candidate.text


def test_a_deadline_shortens_the_answer_and_never_cuts_a_line(bundled: Engine) -> None:
    parts = (SOURCE[:3000], SOURCE[3600:])
    whole = bundled.infill(InfillRequest(parts, max_tokens=60)).candidates
    for deadline in (1, 30, 100):
        answer = bundled.infill(InfillRequest(parts, max_tokens=60, deadline_ms=deadline))
        for candidate in answer.candidates:
            assert whole[0].text.startswith(candidate.text)
            assert candidate.text == whole[0].text or candidate.text.endswith("\n")
        assert answer.candidates or answer.reason


def test_candidates_are_distinct_and_the_likeliest_one_is_first(bundled: Engine) -> None:
    parts = (SOURCE[:3000] + "    for ", "\n" + SOURCE[3600:])
    one = bundled.infill(InfillRequest(parts, single_line=True))
    four = bundled.infill(InfillRequest(parts, single_line=True, candidates=4))
    texts = [candidate.text for candidate in four.candidates]
    assert one.candidates[0].text in texts
    assert len(set(texts)) == len(texts) > 1
    scores = [candidate.score for candidate in four.candidates]
    assert scores == sorted(scores, reverse=True)

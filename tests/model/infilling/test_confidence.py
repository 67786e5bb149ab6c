"""How likely a suggestion is to be right, and what it can be cut to."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from model.architecture.inference import InferenceNetwork
from model.checkpoints.calibration import Calibration
from model.engine.engine import Engine
from model.engine.session import Session
from model.infilling.checked import CheckedDecoder, Limits, Sources
from model.infilling.confidence import leading_parts
from model.infilling.deadline import Deadline
from model.infilling.layout import encode_visible
from model.infilling.passes import Continuation, run_alone
from model.infilling.reference import next_logits
from model.infilling.request import InfillRequest
from model.tokenization.healing import Healing
from model.tokenization.tokenizer import Tokenizer

TABLE = Calibration(scores=(-20.0, 0.0), confidences=(0.0, 1.0), packages=(), cases=0)


def parts_of(tokenizer: Tokenizer, text: str, owed: str = "") -> list[str]:
    tokens = tokenizer.encode(owed + text)
    return [part for part, _ in leading_parts(tokenizer, tokens, [-1.0] * len(tokens), owed.encode())]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("x + 1", ["x", "x + 1"]),
        ("f(a, [b])", ["f", "f(a, [b])"]),
        ("a) + b", ["a", "a)", "a) + b"]),
        ('d["k"] = 1', ["d", 'd["k"]', 'd["k"] = 1']),
        ("x = 1\n    y = 2\n    return x", ["x", "x = 1", "x = 1\n    y = 2", "x = 1\n    y = 2\n    return x"]),
        ("   ", []),
    ],
)
def test_a_suggestion_is_cut_behind_words_with_nothing_left_open_and_later_only_at_ends_of_lines(
    tokenizer: Tokenizer, text: str, parts: list[str]
) -> None:
    assert parts_of(tokenizer, text) == parts


def test_what_the_person_has_typed_of_a_word_is_no_part(tokenizer: Tokenizer) -> None:
    assert parts_of(tokenizer, "rn x", " retu") == ["rn", "rn x"]


def test_a_longer_part_is_never_likelier(bundled: Engine) -> None:
    request = InfillRequest(("import os\n\n\ndef home(user):\n    return os.", "\n"), single_line=True)
    for candidate in bundled.infill(replace(request, candidates=4)).candidates:
        scores = [*(part.score for part in candidate.parts), candidate.score]
        assert scores == sorted(scores, reverse=True)
        assert all(candidate.text.startswith(part.text) for part in candidate.parts)


def test_letters_that_are_typed_already_count_for_nothing(random_engine: Engine) -> None:
    """Against the definition: at each token, only those that spell the typed letters are possible."""
    model, healing = random_engine.model, Healing(random_engine.model.tokenizer)
    visible = encode_visible(model.tokenizer, ("x =", "\n"))
    session = Session(model.network)
    with torch.inference_mode():
        reader = InferenceNetwork(model.network)
        run_alone(reader, session.encode(visible, leave=1))
        rows = Continuation(reader, session.cache, len(visible) - 1)
        decoder = CheckedDecoder(model.tokenizer, healing, Limits(8, False), visible, None, Sources())
        chain = run_alone(reader, decoder.run(rows, visible[-1:], b" qzfoo", 1, Deadline()))[0]
    left = b" qzfoo"
    for number, (token, score) in enumerate(zip(chain.tokens, chain.scores, strict=True)):
        logits = next_logits(model.network, [*visible, *chain.tokens[:number]])
        ends = float(logits[model.tokenizer.eos])
        logits[model.tokenizer.ordinary :] = float("-inf")
        logits[model.tokenizer.eos] = ends
        if left:
            logits[torch.from_numpy(healing.forbidden(left))] = float("-inf")
        assert score == pytest.approx(float(torch.log_softmax(logits, -1)[token]), abs=1e-4)
        left = healing.owed_after(left, token)
    assert model.tokenizer.decode_bytes(chain.tokens).startswith(b" qzfoo")


def test_below_the_threshold_a_suggestion_is_cut_to_what_holds_or_not_made(bundled: Engine) -> None:
    engine = Engine(replace(bundled.model, calibration=TABLE))
    request = InfillRequest(
        ("import os\n\n\ndef home(user):\n    return os.", "\n"), single_line=True, allow_empty=False, branches=0
    )
    whole = engine.infill(request).candidates[0]
    assert whole.confidence is not None
    assert whole.parts
    assert engine.infill(replace(request, min_confidence=whole.confidence)).candidates[0].text == whole.text
    for part in whole.parts:
        assert part.confidence is not None
        assert part.confidence >= whole.confidence
        cut = engine.infill(replace(request, min_confidence=part.confidence)).candidates[0]
        assert cut.confidence is not None
        assert cut.confidence >= part.confidence
        assert whole.text.startswith(cut.text)
    nothing = engine.infill(replace(request, min_confidence=1.0))
    assert nothing.candidates == ()
    assert re.fullmatch(r"below confidence: 0\.\d\d < 1\.00", nothing.reason or "")


def test_what_is_given_up_in_its_first_word_is_below_confidence_and_not_too_long(bundled: Engine) -> None:
    hopeless = Calibration(scores=(-1e-6, 0.0), confidences=(0.0, 1.0), packages=(), cases=0)
    engine = Engine(replace(bundled.model, calibration=hopeless))
    request = InfillRequest(("import os\n\n\nimport qz", "\n"), single_line=True, min_confidence=0.5)
    assert engine.infill(request).reason == "below confidence: 0.00 < 0.50"


def test_what_is_no_likelier_with_several_holes_is_held_back_as_well(bundled: Engine) -> None:
    engine = Engine(replace(bundled.model, calibration=TABLE))
    request = InfillRequest(("a = ", "\nb = ", "\n"), single_line=True, allow_empty=False)
    assert engine.infill(request).candidates
    assert "below confidence" in (engine.infill(replace(request, min_confidence=1.0)).reason or "")


def test_no_confidence_without_a_check_or_a_calibration(bundled: Engine) -> None:
    calibrated = Engine(replace(bundled.model, calibration=TABLE))
    bare = Engine(replace(bundled.model, calibration=None))
    request = InfillRequest(("x = [1, 2, ", "]\n"), single_line=True, allow_empty=False)
    for found in (bare.infill(request), calibrated.infill(replace(request, checked=False))):
        assert found.candidates
        for candidate in found.candidates:
            assert candidate.confidence is None
            assert candidate.held(1.0) == candidate

"""How likely a suggestion is to be right, and what it can be cut to."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from model.architecture.inference import InferenceNetwork
from model.checkpoints.calibration import Calibration, Table
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


def calibrated(engine: Engine, whole: Table, parts: Table) -> Engine:
    return Engine(replace(engine.model, calibration=Calibration(whole=whole, parts=parts, packages=(), cases=0)))


READS = "import json\n\n\ndef load(path):\n    with open(path) as file:\n        return "  # and the model writes `file.read()`
TABLE = Table(scores=(-20.0, 0.0), confidences=(0.0, 1.0))


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
    engine = calibrated(bundled, TABLE, TABLE)
    request = InfillRequest((READS, "\n"), single_line=True, allow_empty=False, branches=0)
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


def test_a_whole_text_can_be_surer_than_a_part_that_is_as_likely(bundled: Engine) -> None:
    """Each has its own table: the whole line is shown where its table says so, whatever the other one says of its parts."""
    doubtful = Table(scores=(-20.0, 0.0), confidences=(0.0, 0.2))
    request = InfillRequest((READS, "\n"), single_line=True, branches=0)
    whole = calibrated(bundled, TABLE, TABLE).infill(request).candidates[0]
    assert whole.parts
    assert whole.confidence is not None
    assert whole.confidence > 0.3
    shown = calibrated(bundled, TABLE, doubtful).infill(replace(request, min_confidence=0.3)).candidates[0]
    assert (shown.text, shown.whole) == (whole.text, True)
    cut = calibrated(bundled, doubtful, TABLE).infill(replace(request, min_confidence=0.3)).candidates[0]
    assert (cut.whole, whole.text.startswith(cut.text)) == (False, True)


def test_what_is_given_up_in_its_first_word_is_below_confidence_and_not_too_long(bundled: Engine) -> None:
    hopeless = Table(scores=(-1e-6, 0.0), confidences=(0.0, 1.0))
    engine = calibrated(bundled, hopeless, hopeless)
    request = InfillRequest(("import os\n\n\nimport qz", "\n"), single_line=True, min_confidence=0.5)
    assert engine.infill(request).reason == "below confidence: 0.00 < 0.50"


def test_what_is_no_likelier_with_several_holes_is_held_back_as_well(bundled: Engine) -> None:
    engine = calibrated(bundled, TABLE, TABLE)
    request = InfillRequest(("a = ", "\nb = ", "\n"), single_line=True, allow_empty=False)
    assert engine.infill(request).candidates
    assert "below confidence" in (engine.infill(replace(request, min_confidence=1.0)).reason or "")


def test_no_confidence_without_a_check_or_a_calibration(bundled: Engine) -> None:
    sure = calibrated(bundled, TABLE, TABLE)
    bare = Engine(replace(bundled.model, calibration=None))
    request = InfillRequest(("x = [1, 2, ", "]\n"), single_line=True, allow_empty=False)
    for found in (bare.infill(request), sure.infill(replace(request, checked=False))):
        assert found.candidates
        for candidate in found.candidates:
            assert candidate.confidence is None
            assert candidate.held(1.0) == candidate

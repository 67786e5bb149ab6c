"""Whatever is asked has a defined answer: one clear sentence, or as much as fits."""

from __future__ import annotations

import pytest

from model.engine.engine import Engine
from model.infilling.request import InfillRequest
from model.tokenization.tokenizer import HOLES

TEXT = "def f(a, b):\n    return a + b\n\n\n" * 200


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (InfillRequest(("a",)), "1 to 8 holes, got 0"),
        (InfillRequest(("a",) * (HOLES + 2)), "1 to 8 holes, got 9"),
        (InfillRequest(("a", "b"), candidates=0), "at least 1"),
        (InfillRequest(("a", "b"), max_tokens=0), "at least 1"),
        (InfillRequest(("a", "b"), passes=0), "passes must be at least 1"),
        (InfillRequest(("a", "b"), context_tokens=8), "context_tokens must be at least"),
        (InfillRequest(("a", "b"), context_tokens=1_000_000), "context_tokens must be at most"),
        (InfillRequest(("a", "b"), gamma=-1.0), "gamma"),
        (InfillRequest(("a", "b"), min_confidence=1.5), "min_confidence"),
    ],
)
def test_what_cannot_be_asked_gets_one_sentence(random_engine: Engine, request_: InfillRequest, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        random_engine.infill(request_)


@pytest.mark.parametrize("checked", [True, False], ids=["checked", "unchecked"])
def test_a_canvas_longer_than_the_model_draws_is_cut_to_what_it_does(random_engine: Engine, checked: bool) -> None:
    answer = random_engine.infill(InfillRequest(("a = ", "\n"), max_tokens=100_000 if not checked else 200, checked=checked))
    assert answer.candidates or answer.reason


def test_a_context_longer_than_the_window_is_cut_around_the_cursor(random_engine: Engine) -> None:
    answer = random_engine.infill(InfillRequest((TEXT, TEXT), max_tokens=2, context_tokens=300))
    assert answer.encoded_tokens <= 300


@pytest.mark.parametrize("deadline", [0.0, -5.0, 0.001])
@pytest.mark.parametrize("checked", [True, False], ids=["checked", "unchecked"])
def test_a_deadline_that_is_over_leaves_one_step(bundled: Engine, deadline: float, checked: bool) -> None:
    request = InfillRequest(("import os\n\n\ndef f(path):\n    return os.", "\n"), single_line=True, checked=checked)
    bundled.infill(request, "late")
    late = bundled.infill(InfillRequest(request.parts, single_line=True, checked=checked, deadline_ms=deadline), "late")
    assert late.steps == 1
    assert late.candidates or late.reason
    assert bundled.statistics().late > 0


def test_nothing_but_the_cursor_is_a_request_too(random_engine: Engine) -> None:
    answer = random_engine.infill(InfillRequest(("", ""), max_tokens=3))
    assert answer.candidates or answer.reason

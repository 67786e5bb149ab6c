"""What crosses the wire arrives as it was."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest

from lsp_server.gateway.mirror import changes, fingerprint
from lsp_server.gateway.wire import Asking, cuts_of, infillings, options_of, request_of, sections_of
from model.infilling.request import Candidate, Infilling, InfillRequest, Part

EVERYTHING = InfillRequest(
    ("a😀", "b", ""),
    ("other",),
    ("new", "old"),
    ("garden", "weeds.py"),
    3,
    12.5,
    7,
    True,
    True,
    0.25,
    False,
    False,
    3,
    5,
    False,
    0.1,
    99,
    False,
)


def crossed(request: InfillRequest) -> InfillRequest:
    sections = sections_of(request.parts, request.other_files)
    origins, edits = changes((), sections)
    turn = {"sha256": fingerprint(sections), "origins": origins, "edits": edits}
    message = json.dumps({"turn": turn, "cuts": cuts_of(request.parts), "options": options_of(request)})
    return request_of(Asking.model_validate_json(message), sections)


def test_every_option_of_a_request_arrives() -> None:
    usual = InfillRequest(())
    assert all(getattr(EVERYTHING, field.name) != getattr(usual, field.name) for field in fields(InfillRequest))
    assert crossed(EVERYTHING) == EVERYTHING
    assert crossed(InfillRequest(("x", ""))) == InfillRequest(("x", ""))


def test_every_field_of_an_answer_arrives() -> None:
    parts = (Part("a", -0.5, 0.9), Part("ab", -1.0))
    answer = Infilling((Candidate(("abc", "😀"), -1.5, 0.7, parts, False),), "why", 3, 4, {"total": 1.25}, "name", 12)
    assert infillings.validate_json(infillings.dump_json(answer)) == answer


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"candidates": 9}, "candidates must be 1 to 8, got 9"),
        ({"candidates": 0}, "candidates must be 1 to 8"),
        ({"branches": 65}, "branches must be 0 to 64, got 65"),
        ({"branches": -1}, "branches must be 0 to 64, got -1"),
        ({"max_tokens": 1025}, "max_tokens must be 1 to 1024"),
        ({"context_tokens": 10**6}, "context_tokens must be"),
        ({"deadline_ms": float("nan")}, "finite"),
        ({"given": ["x"] * 9}, "8 texts of 2,000 characters can be given at most"),
        ({"given": ["x" * 2001]}, "8 texts of 2,000 characters"),
        ({"max_tokens": "many"}, "max_tokens: Input should be a valid integer"),
        ({"colour": 1}, "no option 'colour'"),
    ],
)
def test_options_that_cannot_be_are_refused_in_a_sentence(options: dict[str, object], complaint: str) -> None:
    message = json.dumps({"turn": {"sha256": ""}, "cuts": [0], "options": options})
    with pytest.raises(ValueError, match=complaint):
        request_of(Asking.model_validate_json(message), ("text",))


@pytest.mark.parametrize(
    ("cuts", "complaint"), [([3, 1], "ascend"), ([99], "inside"), ([], "at least 1"), ([0] * 9, "at most 8")]
)
def test_holes_that_are_none_are_refused_in_a_sentence(cuts: list[int], complaint: str) -> None:
    message = json.dumps({"turn": {"sha256": ""}, "cuts": cuts})
    with pytest.raises(ValueError, match=complaint):
        request_of(Asking.model_validate_json(message), ("text",))

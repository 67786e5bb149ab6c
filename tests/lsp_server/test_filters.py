"""What a person is shown of what the model wrote."""

from __future__ import annotations

import pytest

from lsp_server.completion.filters import confident, suggestions, tidied
from model.infilling.request import Candidate, Part


@pytest.mark.parametrize(
    ("before", "text", "after", "shown"),
    [
        ("history.append(", "amount)", ")\n", "amount"),
        ("history.append(", "f(amount)", ")\n", "f(amount)"),
        ("x = [", "1, 2]", "]\n", "1, 2"),
        ("print(", ")", ")\n", ""),
        ("x = ", "1   ", "\ny = 2\n", "1"),
        ("def f():\n    ", "total = 0\n    return total + 1", "\n    return total + 1\n", "total = 0"),
        ("if a:\n    ", "return None", "\nreturn None\n", "return None"),
    ],
)
def test_what_stands_behind_or_below_the_cursor_is_not_suggested_again(before: str, text: str, after: str, shown: str) -> None:
    assert tidied(text, before, after) == shown


def test_a_candidate_that_breaks_the_syntax_comes_after_one_that_does_not() -> None:
    kept, reason = suggestions([Candidate(("(1",), -0.1), Candidate(("1",), -0.5)], ("x = ", "\n"))
    assert [candidate.text for candidate in kept] == ["1", "(1"]
    assert reason is None


def test_equal_suggestions_are_shown_once() -> None:
    kept, _ = suggestions([Candidate(("1 ",), -0.1), Candidate(("1",), -0.5)], ("x = ", "\n"))
    assert [candidate.text for candidate in kept] == ["1"]


@pytest.mark.parametrize(("text", "after", "reason"), [("  ", "\n", "white space"), (")", ")\n", "repeats what follows")])
def test_nothing_to_show_has_a_reason(text: str, after: str, reason: str) -> None:
    kept, why = suggestions([Candidate((text,), -0.1)], ("f(", after))
    assert kept == []
    assert reason in (why or "")


def test_what_is_shown_unasked_ends_where_the_model_is_no_longer_sure() -> None:
    part = Part("path", -0.2, 0.8)
    unsure = Candidate(("path.join(a, b)",), -3.0, 0.2, (part,))
    assert [candidate.text for candidate in confident([unsure], 0.1)[0]] == ["path.join(a, b)"]
    assert [candidate.text for candidate in confident([unsure], 0.5)[0]] == ["path"]
    assert confident([unsure], 0.9) == ([], "below confidence: 0.80 < 0.90")


def test_where_nothing_was_suggested_confidence_is_not_the_reason() -> None:
    assert confident([], 0.9) == ([], None)

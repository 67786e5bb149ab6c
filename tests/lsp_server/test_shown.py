"""Typing along with a suggestion, going back and taking a part of it: what is left is known; anything else is asked anew."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.completion.shown import KEPT, Rest, Shown, Suggestions
from model.infilling.request import Candidate

BEFORE, AFTER = "import os\n\nx = ", "\nprint(x)\n"
TEXT = st.text(alphabet="ab (),.\n'", min_size=1, max_size=12)


def shown(*texts: str, by_hand: bool = False, before: str = BEFORE, after: str = AFTER) -> Shown:
    return Shown(before, after, tuple(Candidate((text,), -float(n), 0.9) for n, text in enumerate(texts)), by_hand)


def left(suggestions: Suggestions, before: str, after: str = AFTER, by_hand: bool = False) -> list[str] | None:
    rest = suggestions.rest("a", before, after, by_hand)
    return None if rest is None else [candidate.text for candidate in rest.candidates]


@given(TEXT)
def test_whoever_types_along_gets_the_rest_and_whoever_has_typed_all_of_it_asks_anew(text: str) -> None:
    suggestions = Suggestions()
    suggestions.remember("a", shown(text))
    for typed in range(len(text)):
        assert left(suggestions, BEFORE + text[:typed]) == [text[typed:]]
    assert left(suggestions, BEFORE + text) is None


@given(TEXT, TEXT, st.integers(0, 12))
def test_whoever_types_something_else_is_not_answered_from_it(text: str, typed: str, common: int) -> None:
    suggestions = Suggestions()
    suggestions.remember("a", shown(text))
    typed = text[:common] + typed
    expected = [text[len(typed) :]] if text.startswith(typed) and len(typed) < len(text) else None
    assert left(suggestions, BEFORE + typed) == expected


@given(st.text(alphabet="xy\n", min_size=1, max_size=5), st.integers(0, len(BEFORE + AFTER)))
def test_any_other_edit_of_the_document_makes_it_useless(inserted: str, at: int) -> None:
    suggestions = Suggestions()
    suggestions.remember("a", shown("abc"))
    text, cursor = BEFORE + AFTER, len(BEFORE)
    if at < cursor:
        before, after = text[:at] + inserted + text[at:cursor], AFTER
        if before.startswith(BEFORE):  # the same as typing it at the cursor
            return
    else:
        before, after = BEFORE, text[cursor:at] + inserted + text[at:]
        if after.endswith(AFTER):
            return
    assert left(suggestions, before, after) is None


def test_going_back_behind_where_it_began_asks_anew_and_going_forth_again_is_known() -> None:
    suggestions = Suggestions()
    suggestions.remember("a", shown("os.path"))
    assert left(suggestions, BEFORE + "os") == [".path"]
    assert left(suggestions, BEFORE[:-1]) is None
    assert left(suggestions, BEFORE + "o") == ["s.path"]


def test_of_several_candidates_those_stay_that_begin_with_what_was_typed() -> None:
    suggestions = Suggestions()
    suggestions.remember("a", shown("os.path", "open(x)", "1", by_hand=True))
    assert left(suggestions, BEFORE + "o", by_hand=True) == ["s.path", "pen(x)"]
    assert left(suggestions, BEFORE + "o") == ["s.path"]
    assert left(suggestions, BEFORE + "op") == ["en(x)"]


def test_who_asks_by_hand_gets_more_than_what_was_shown_unasked() -> None:
    suggestions = Suggestions()
    suggestions.remember("a", shown("os.path"))
    assert left(suggestions, BEFORE, by_hand=True) is None
    suggestions.remember("a", shown("os.path", "1", by_hand=True))
    assert left(suggestions, BEFORE, by_hand=True) == ["os.path", "1"]
    assert left(suggestions, BEFORE + "o") == ["s.path"]


@pytest.mark.parametrize(
    ("typed", "closed", "expected"),
    [
        ("f(", ")", Rest((Candidate(("a, b",), 0.0),))),
        ("f(a", ")", Rest((Candidate((", b",), 0.0),))),
        ("f(a, b", ")", None),
        ("f(", "]", None),
        ("f(", "x", None),
    ],
)
def test_brackets_that_the_editor_closed_stand_once(typed: str, closed: str, expected: Rest | None) -> None:
    suggestions = Suggestions()
    suggestions.remember("a", Shown(BEFORE, AFTER, (Candidate(("f(a, b)",), 0.0),), False))
    assert suggestions.rest("a", BEFORE + typed, closed + AFTER, False) == expected


def test_a_suggestion_that_goes_on_behind_what_the_editor_closed_replaces_it() -> None:
    suggestions = Suggestions()
    suggestions.remember("a", Shown(BEFORE, AFTER, (Candidate(("f(a).b",), 0.0),), False))
    assert suggestions.rest("a", BEFORE + "f(", ")" + AFTER, False) == Rest((Candidate(("a).b",), 0.0),), 1)


def test_who_types_along_with_what_replaces_a_bracket_keeps_it_and_the_bracket_still_goes() -> None:
    suggestions = Suggestions()
    suggestions.remember("a", Shown(BEFORE + "f(a", ")" + AFTER, (Candidate(("() + 1)",), 0.0),), False, replaces=1))
    rest = suggestions.rest("a", BEFORE + "f(a(", ")" + AFTER, False)
    assert rest is not None
    assert [candidate.text for candidate in rest.candidates] == [") + 1)"]
    assert rest.replaces == 1
    assert suggestions.rest("a", BEFORE + "f(a(", "))" + AFTER, False) is None  # the editor has closed another one


def test_documents_do_not_share_and_only_the_newest_suggestions_are_kept() -> None:
    suggestions = Suggestions()
    suggestions.remember("b", shown("abc"))
    assert left(suggestions, BEFORE) is None
    for number in range(KEPT + 1):
        suggestions.remember("a", shown("abc", before=f"{number}"))
    assert suggestions.rest("a", "0", AFTER, False) is None
    assert suggestions.rest("a", "1", AFTER, False) is not None
    suggestions.forget("a")
    assert suggestions.rest("a", "1", AFTER, False) is None

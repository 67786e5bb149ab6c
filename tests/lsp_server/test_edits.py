"""Changes asked for by name: every hole of a document, a selection, the text under a diagnostic."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.completion.edits import Change, Edit, Request, _whole_words, fill_holes, marked_holes, repair, rewrite
from lsp_server.settings import Settings
from model.engine.engine import Engine

ACCOUNT = """class Account:
    def __init__(self, owner, balance):
        self.owner = ___
        self.balance = ___

    def deposit(self, amount):
        self.balance += ___
        return ___
"""


@pytest.fixture
def request_(bundled: Engine) -> Request:
    return Request(bundled, Settings(deadline_ms=60_000.0), "file:///edits.py")


def applied(text: str, edit: Edit) -> str:
    for change in reversed(edit.changes):
        text = text[: change.start] + change.text + text[change.end :]
    return text


@pytest.mark.parametrize(
    ("text", "holes"), [("a = ___\n", 1), ("my___name = ____\n", 0), ("f(___, ___)\n", 2), ("", 0), ("___", 1), ("x.___()", 1)]
)
def test_a_hole_is_three_underscores_that_are_no_part_of_a_name(text: str, holes: int) -> None:
    assert len(marked_holes(text)) == holes
    assert all(text[start:end] == "___" for start, end in marked_holes(text))


def test_all_holes_of_a_document_are_filled_and_nothing_else_changes(request_: Request) -> None:
    edit = fill_holes(request_, ACCOUNT, marked_holes(ACCOUNT))
    assert [ACCOUNT[change.start : change.end] for change in edit.changes] == ["___"] * 4
    assert all(change.text.strip() and "\n" not in change.text for change in edit.changes)
    filled = applied(ACCOUNT, edit)
    ast.parse(filled)
    assert [line.split("=")[0] for line in filled.split("\n")] == [line.split("=")[0] for line in ACCOUNT.split("\n")][
        : len(filled.split("\n"))
    ] or "return" in filled


def test_more_holes_than_fit_in_one_request_are_filled_in_groups(request_: Request) -> None:
    text = "".join(f"value_{n} = ___\n" for n in range(19))
    edit = fill_holes(request_, text, marked_holes(text))
    assert len(edit.changes) == 19
    assert [change.start for change in edit.changes] == [start for start, _ in marked_holes(text)]
    assert "___" not in applied(text, edit)


def test_a_document_without_holes_says_so(request_: Request) -> None:
    assert fill_holes(request_, "x = 1\n", []) == Edit((), "there is no ___ and nothing is selected")


def test_a_rewritten_selection_is_another_text_that_parses(request_: Request) -> None:
    text = "def area(width, height):\n    return width + height\n\n\nprint(area(2, 3))\n"
    start = text.index("width + height")
    edit = rewrite(request_, text, start - 1, start + len("width + height"))
    for change in edit.changes:
        assert change.start == start  # blanks at the selection's ends stay
        assert change.text.strip() != "width + height"
        ast.parse(applied(text, edit))
    assert edit.changes or edit.reason


def test_nothing_but_blanks_is_not_rewritten(request_: Request) -> None:
    assert rewrite(request_, "a = 1\n\n  \nb = 2\n", 6, 9).reason == "nothing but blanks is selected"


def test_a_repair_leaves_no_more_errors_than_there_were(request_: Request) -> None:
    text = "def area(width, height):\n    return width * * height\n"
    start = text.index("* *")
    edit = repair(request_, text, start, start + 3)
    if edit.changes:
        ast.parse(applied(text, edit))
    else:
        assert edit.reason


@given(st.text(alphabet="ab_ (\n", max_size=30), st.data())
def test_a_repair_takes_whole_words(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    left, right = _whole_words(text, start, end)
    assert 0 <= left <= start <= end <= right <= len(text)
    for edge in (left, right):
        inside = 0 < edge < len(text) and (text[edge - 1] + text[edge]).replace("_", "a").isalnum()
        assert not inside


def test_changes_name_the_places_of_the_document_as_it_was(request_: Request) -> None:
    text = "a = ___\nb = ___\n"
    first, second = fill_holes(request_, text, marked_holes(text)).changes
    assert (first.start, first.end, second.start, second.end) == (4, 7, 12, 15)
    assert isinstance(first, Change)

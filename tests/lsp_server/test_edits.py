"""Changes asked for by name: every hole of a document, a selection, the text under a diagnostic."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.completion.edits import Change, Edit, Request, _whole_words, fill_holes, marked_holes, repair, rewrite
from lsp_server.engine import Infiller
from lsp_server.settings import Settings
from model.engine.engine import Engine
from model.infilling.request import Candidate, Infilling, InfillRequest

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
    around = [re.escape(text) for text in ACCOUNT.split("___")]
    assert re.fullmatch("(.+)".join(around), filled)


def test_more_holes_than_fit_in_one_request_are_filled_in_groups(request_: Request) -> None:
    text = "".join(f"value_{n} = ___\n" for n in range(19))
    edit = fill_holes(request_, text, marked_holes(text))
    assert len(edit.changes) == 19
    assert [change.start for change in edit.changes] == [start for start, _ in marked_holes(text)]
    assert "___" not in applied(text, edit)


def test_a_document_without_holes_says_so(request_: Request) -> None:
    assert fill_holes(request_, "x = 1\n", []) == Edit((), "there is no ___ and nothing is selected")


@pytest.mark.parametrize("known_as", ["other file", "project"])
def test_holes_of_another_file_are_not_copied(bundled: Engine, known_as: str) -> None:
    text = AREA.replace("return width + height", "area = ___\n    return ___")
    settings = Settings(deadline_ms=60_000.0)
    request = Request(bundled, settings, "file:///edits.py", other_files=("# other.py\n" + text,))
    if known_as == "project":
        bundled.tell("marks", {"other.py": text}, whole=True).result()
        request = Request(bundled, settings, "file:///edits.py", project=("marks", "own.py"))
    edit = fill_holes(request, text, marked_holes(text))
    assert len(edit.changes) == 2
    assert "___" not in applied(text, edit)


def test_where_nothing_but_marks_is_found_the_document_stays() -> None:
    assert fill_holes(scripted("___"), "a = ___\n", [(4, 7)]) == Edit((), "the model would fill the holes with ___")


class Scripted:
    """An engine that knows what to write."""

    name = "scripted"

    def __init__(self, *texts: str) -> None:
        self.texts = texts

    def infill(self, request: InfillRequest, session: str = "", cancelled: Callable[[], bool] | None = None) -> Infilling:
        candidates = tuple(Candidate((text,), -float(number)) for number, text in enumerate(self.texts))
        return Infilling(candidates, None, 1, 1, {"context": 0.0, "filter": 0.0})


def scripted(*texts: str) -> Request:
    return Request(cast(Infiller, Scripted(*texts)), Settings(), "file:///edits.py")


AREA = "def area(width, height):\n    return width + height\n\n\nprint(area(2, 3))\n"


def test_a_selection_becomes_the_first_other_text_that_parses_and_the_blanks_around_it_stay() -> None:
    start = AREA.index(" width + height")
    request = scripted("width + height", "width * (", "width * height", "height * width")
    edit = rewrite(request, AREA, start, start + len(" width + height"))
    assert applied(AREA, edit) == AREA.replace("width + height", "width * height")


def test_a_selection_stays_where_nothing_else_that_parses_is_found() -> None:
    start = AREA.index("width + height")
    edit = rewrite(scripted("width + height", "width * ("), AREA, start, start + len("width + height"))
    assert edit == Edit((), "the model found nothing better than what stands here")


def test_the_model_rewrites_a_selection_too(request_: Request) -> None:
    start = AREA.index("width + height")
    edit = rewrite(request_, AREA, start, start + len("width + height"))
    assert [(change.start, change.end) for change in edit.changes] == [(start, start + len("width + height"))]
    ast.parse(applied(AREA, edit))


def test_nothing_but_blanks_is_not_rewritten(request_: Request) -> None:
    assert rewrite(request_, "a = 1\n\n  \nb = 2\n", 6, 9).reason == "nothing but blanks is selected"


BROKEN = AREA.replace("width + height", "width * = height")


def test_a_repair_replaces_whole_words_and_leaves_fewer_errors() -> None:
    start = BROKEN.index("dth * = he")
    request = scripted("width = * height", "width * height")
    assert applied(BROKEN, repair(request, BROKEN, start, start + 10)) == AREA.replace("+", "*")


def test_what_leaves_as_many_errors_is_no_repair_of_one() -> None:
    start = BROKEN.index("* =")
    edit = repair(scripted("/ =", "= *"), BROKEN, start, start + 3)
    assert edit == Edit((), "the model found nothing better than what stands here")


def test_a_name_that_is_wrong_though_it_parses_is_repaired_with_one_that_parses() -> None:
    text = AREA.replace("width + height", "widht + height")
    start = text.index("widht")
    assert applied(text, repair(scripted("widht", "width)", "width"), text, start, start)) == AREA


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

"""When a piece of another file is chosen, and how long it stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from lsp_server.context.neighbours import KEPT_FOR, Neighbours
from lsp_server.context.project import Project
from lsp_server.context.similar import Piece

STORE = "def insert_invoice(invoice, customer):\n    return table.insert(invoice.number, customer)\n"
MATHS = "def cosine_distance(left, right):\n    return dot_product(left, right)\n"
TEXT = "insert_invoice(invoice, customer)\n" + "\n" * (KEPT_FOR + 30) + "cosine_distance(left, right)\n"


@pytest.fixture
def neighbours(tmp_path: Path) -> Neighbours:
    (tmp_path / "store.py").write_text(STORE)
    (tmp_path / "maths.py").write_text(MATHS)
    neighbours = Neighbours()
    neighbours.serve(Project([tmp_path], ["python"]))
    return neighbours


def chosen(neighbours: Neighbours, cursor: int, opened: dict[Path, str] | None = None) -> Piece | None:
    """What stands chosen once all choices that were asked for are made."""
    neighbours.of("a", None, TEXT, cursor, lambda: opened or {})
    neighbours.wait()
    return neighbours.of("a", None, TEXT, cursor, lambda: opened or {})


def test_the_first_answer_does_not_wait_for_it(neighbours: Neighbours) -> None:
    told: list[bool] = []
    assert neighbours.of("a", None, TEXT, 0, dict, lambda: told.append(True)) is None
    neighbours.wait()
    assert told == [True]
    piece = neighbours.of("a", None, TEXT, 0, dict)
    assert piece is not None
    assert piece.file == "store.py"


def test_it_stays_while_the_cursor_is_near_and_is_chosen_anew_elsewhere(neighbours: Neighbours) -> None:
    first = chosen(neighbours, 0)
    assert first is not None
    near = TEXT.index("\n") + KEPT_FOR // 2
    assert chosen(neighbours, near, {Path("/other.py"): TEXT}) is first
    away = chosen(neighbours, len(TEXT) - 1)
    assert away is not None
    assert away.file == "maths.py"


def test_a_document_that_was_closed_and_a_project_that_was_replaced_are_forgotten(neighbours: Neighbours, tmp_path: Path) -> None:
    assert chosen(neighbours, 0) is not None
    neighbours.forget("a")
    assert neighbours.of("a", None, TEXT, 0, dict) is None
    neighbours.serve(None)
    neighbours.wait()
    assert not neighbours.serves
    assert chosen(neighbours, 0) is None

"""What a person reads in the report, as a document that an editor shows."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest

from lsp_server.acceptance import report
from lsp_server.acceptance.store import Store, StoreError
from lsp_server.acceptance.tracker import Fate, Outcome

NOW = time.time()
TAKEN = Outcome("a", NOW, "python", False, 10, 1, 0.8, Fate.WHOLE, 10, (1.0, 0.5))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "acceptance.sqlite3"
    store = Store(place)
    store.outcome(TAKEN)
    store.outcome(replace(TAKEN, key="b", fate=Fate.TYPED, taken=0, kept=(None, None)))
    store.outcome(replace(TAKEN, key="c", at=NOW - 40 * report.DAY, language="toml"))
    store.silence("below confidence | of 0.50")
    store.close(20)
    return place


def test_the_document_says_what_was_shown_taken_and_kept_by_language_and_day(place: Path) -> None:
    text = report.read(place, now=NOW).as_markdown()
    assert "the last 30 days" in text
    row = "| 2 | 50 % | 0 % | 50 % | 10 | 100 % | 50 % |"
    assert f"\n| python {row}\n" in text
    assert f"\n| {time.strftime('%Y-%m-%d', time.localtime(NOW))} {row}\n" in text
    assert "toml" not in text


def test_a_stroke_in_a_reason_does_not_end_its_cell(place: Path) -> None:
    assert "\n| below confidence \\| of 0.50 | 1 |\n" in report.read(place, now=NOW).as_markdown()


def test_every_row_of_a_table_has_as_many_cells(place: Path) -> None:
    lines = report.read(place, 60, NOW).as_markdown().replace("\\|", "").splitlines()
    tables = [[line.count("|") for line in table.splitlines()] for table in "\n".join(lines).split("\n\n") if table[0] == "|"]
    assert len(tables) == 3
    assert all(len(set(cells)) == 1 for cells in tables)


def test_without_a_file_it_says_that_there_is_nothing(tmp_path: Path) -> None:
    assert "Nothing was shown" in report.read(tmp_path / "none.sqlite3").as_markdown()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.sqlite3"
    broken.write_text("no database" * 100)
    with pytest.raises(StoreError, match=r"broken\.sqlite3"):
        report.read(broken)
    with sqlite3.connect(tmp_path / "other.sqlite3") as other:
        other.execute("CREATE TABLE other (x)")
    with pytest.raises(StoreError, match="no such table"):
        report.read(tmp_path / "other.sqlite3")

"""What becomes of suggestions is written down without code, and nobody waits for it."""

from __future__ import annotations

import json
import logging
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from lsp_server.acceptance.store import Store, StoreError, outcomes, silences
from lsp_server.acceptance.tracker import Fate, Outcome

TAKEN = Outcome("a", time.time(), "python", False, 10, 1, 0.8, Fate.WHOLE, 10)
REPORT = [sys.executable, "-m", "lsp_server", "report"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "state" / "acceptance.sqlite3"


def test_what_is_told_is_read_again_and_later_news_replace_earlier_ones(place: Path) -> None:
    store = Store(place)
    store.outcome(TAKEN)
    store.outcome(replace(TAKEN, kept=(0.9, None)))
    store.silence("comment")
    store.silence("comment")
    store.close()
    assert outcomes(place) == [replace(TAKEN, kept=(0.9, None))]
    assert [(reason, count) for _, reason, count in silences(place)] == [("comment", 2)]


def test_several_servers_write_into_one_file(place: Path) -> None:
    stores = [Store(place) for _ in range(8)]  # as many windows as an editor opens again when it starts
    for number in range(100):
        stores[number % 8].outcome(replace(TAKEN, key=str(number)))
        stores[number % 8].silence("comment")
    for store in stores:
        store.close(20)
    assert len(outcomes(place)) == 100
    assert silences(place)[0][2] == 100


def test_a_file_that_another_server_is_just_making_is_waited_for(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[str] = []

    class Busy(sqlite3.Connection):
        def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
            if len(refused) < 3:  # as SQLite does at once, whatever its timeout, where two turn to the write-ahead log
                refused.append(sql)
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                raise error
            return super().execute(sql, *parameters)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Busy))
        store = Store(place)
        store.silence("comment")
        store.close(20)
    assert len(refused) == 3
    assert silences(place)[0][2] == 1


@pytest.mark.parametrize("how", ["no database", "a folder"])
def test_a_file_that_cannot_be_written_is_said_once_and_done_without(
    place: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    place.parent.mkdir()
    place.mkdir() if how == "a folder" else place.write_bytes(b"no database at all" * 100)
    with caplog.at_level(logging.WARNING):
        store = Store(place)
        for _ in range(3):
            store.outcome(TAKEN)
        store.close()
    assert len(caplog.records) == 1
    with pytest.raises(StoreError):
        outcomes(place)


def test_a_file_that_somebody_holds_makes_nobody_wait(place: Path) -> None:
    Store(place).close()
    holder = sqlite3.connect(place, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    store = Store(place)
    began = time.monotonic()
    store.outcome(TAKEN)
    assert time.monotonic() - began < 1
    holder.execute("COMMIT")
    store.close(20)
    assert outcomes(place) == [TAKEN]


def test_the_report_says_what_became_of_them(place: Path, tmp_path: Path) -> None:
    store = Store(place)
    store.outcome(replace(TAKEN, kept=(1.0, 0.5)))
    store.outcome(replace(TAKEN, key="b", fate=Fate.LEFT, taken=0, language="lua"))
    store.outcome(replace(TAKEN, key="c", at=time.time() - 90 * 86_400))
    store.silence("comment")
    store.close()
    drawn = tmp_path / "days.svg"
    command = [*REPORT, "--file", str(place), "--plot", str(drawn), "--json"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert [(one["name"], one["shown"], one["taken"], one["kept_300s"]) for one in found["languages"]] == [
        ("lua", 1, 0, None),
        ("python", 1, 1, 0.5),
    ]
    assert found["silences"] == {"comment": 1}
    assert drawn.read_text().startswith("<?xml")
    table = subprocess.run([*REPORT, "--file", str(place)], capture_output=True, text=True, check=True).stdout
    assert "python" in table
    assert "comment" in table


def test_without_a_file_the_report_says_so_in_a_line(place: Path) -> None:
    done = subprocess.run([*REPORT, "--file", str(place)], capture_output=True, text=True, check=True)
    assert len(done.stdout.strip().splitlines()) == 1
    assert not place.exists()


def test_a_damaged_file_is_named_in_a_line(place: Path) -> None:
    place.parent.mkdir()
    place.write_bytes(b"no database at all" * 100)
    done = subprocess.run([*REPORT, "--file", str(place)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert str(place) in done.stderr.replace("\n", "")

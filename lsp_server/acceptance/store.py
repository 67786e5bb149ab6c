"""Where outcomes are written down: a small SQLite file of this user, counts and lengths alone.

Knows the database. Knows no editor and no text. Writing happens on a thread of its own and never makes anyone wait; that a
database cannot be written is said once, and then it is done without.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from platformdirs import user_state_path

from lsp_server.acceptance.tracker import Fate, Outcome

log = logging.getLogger(__name__)

BUSY_SECONDS = 5.0  # that a write waits for another server's
_SCHEMA = """
CREATE TABLE IF NOT EXISTS outcomes (
    key TEXT PRIMARY KEY, at REAL NOT NULL, language TEXT NOT NULL, by_hand INTEGER NOT NULL, characters INTEGER NOT NULL,
    lines INTEGER NOT NULL, confidence REAL, fate TEXT NOT NULL, taken INTEGER NOT NULL, kept_30s REAL, kept_300s REAL
) STRICT;
CREATE TABLE IF NOT EXISTS silences (
    day TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (day, reason)
) STRICT;
"""


def usual_place() -> Path:
    return user_state_path("quickfill") / "acceptance.sqlite3"


class StoreError(Exception):
    """The file cannot be read; the message says why in one line."""


@dataclass(frozen=True)
class _Silence:
    reason: str


class Store:
    """Takes down what it is told, later."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._told: SimpleQueue[Outcome | _Silence | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="acceptance", daemon=True)
        self._thread.start()

    def outcome(self, outcome: Outcome) -> None:
        self._told.put(outcome)

    def silence(self, reason: str) -> None:
        self._told.put(_Silence(reason))

    def close(self, seconds: float = 2.0) -> None:
        """Writes what is left, if it can be written in time."""
        self._told.put(None)
        self._thread.join(seconds)

    def _write(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)) as database:
                _prepare(database)
                while (told := self._told.get()) is not None:
                    _take_down(database, told)
        except (sqlite3.Error, OSError) as error:
            log.warning("what becomes of suggestions is not written down: %s: %s", self.path, error)
            while self._told.get() is not None:
                pass


def _prepare(database: sqlite3.Connection) -> None:
    """Makes the tables. SQLite does not wait where two windows that were opened at once both turn to the write-ahead log."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            database.execute("PRAGMA journal_mode=WAL")
            database.executescript(_SCHEMA)
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.02)


def _take_down(database: sqlite3.Connection, told: Outcome | _Silence) -> None:
    if isinstance(told, _Silence):
        database.execute(
            "INSERT INTO silences VALUES (date('now', 'localtime'), ?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
            (told.reason,),
        )
        return
    database.execute(
        "INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            told.key, told.at, told.language, told.by_hand, told.characters, told.lines, told.confidence, told.fate.value,
            told.taken, *told.kept,
        ),
    )  # fmt: skip


def outcomes(path: Path) -> list[Outcome]:
    """All that were written down, oldest first; none where there is no file. Raises StoreError."""
    rows = _read(path, "SELECT * FROM outcomes ORDER BY at")
    return [
        Outcome(key, at, language, bool(by_hand), characters, lines, confidence, Fate(fate), taken, (kept_30s, kept_300s))
        for key, at, language, by_hand, characters, lines, confidence, fate, taken, kept_30s, kept_300s in rows
    ]


def silences(path: Path) -> list[tuple[str, str, int]]:
    """Days, reasons and how often. Raises StoreError."""
    return [(day, reason, count) for day, reason, count in _read(path, "SELECT day, reason, count FROM silences ORDER BY day")]


def _read(path: Path, query: str) -> list[tuple[Any, ...]]:
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as database:
            return database.execute(query).fetchall()
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error

"""How many people one server serves: simulated typists, each in a file of their own, and how long they wait.

Knows how people type, and the client's side of the server. Knows nothing of what happens in it.

Each key sends a request and ends the one before it, as editors do. A request that was ended before it was answered has waited
until then at least, and that counts: else a server that answers nobody in time would look fast.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lsp_server.context.window import cut_window
from lsp_server.engine import ServerAway
from lsp_server.remote import RemoteEngine
from lsp_server.settings import Settings
from model.infilling.request import Cancelled, Infilling, InfillRequest

LIMIT_MS = 150.0  # what 95 % of the waits must not pass
KEY_SECONDS = 0.2  # between two keys, in the mean
PAUSES = 0.25  # share of the ends of lines behind which a typist thinks
PAUSE_SECONDS = (0.5, 2.0)
MOST_TYPISTS = 256
LINES = 40  # that a typist writes before starting anew
FILE_SIZES = range(6_000, 60_000)  # characters of the standard library's files that are typed
START_SECONDS = 90.0  # that the server gets to load its model


@dataclass(frozen=True)
class Level:
    """What so many typists met. Milliseconds of answered requests, and of all: a cancelled one until it was cancelled."""

    typists: int
    keys: int
    answered: int
    cancelled: int
    failed: int
    keys_per_second: float
    p50_ms: float
    p95_ms: float
    all_p95_ms: float

    @property
    def is_served(self) -> bool:
        return self.all_p95_ms <= LIMIT_MS and not self.failed


class Wait(NamedTuple):
    milliseconds: float
    outcome: str  # "answered", "cancelled" or "failed"


@contextmanager
def server_at(address: str | None, model: str | None, threads: int | None) -> Iterator[str]:
    """The address of a server: the given one, or that of one that is started, and ended afterwards."""
    if address is not None:
        yield address
        return
    with tempfile.TemporaryDirectory() as folder:
        options = [*(["--model", model] if model else []), *(["--threads", str(threads)] if threads else [])]
        command = [sys.executable, "-m", "lsp_server", "serve", "--socket", f"{folder}/socket"]
        process = subprocess.Popen(
            [*command, "--max-waiting", str(4 * MOST_TYPISTS), *options], stdout=subprocess.PIPE, text=True
        )
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise ServerAway("the server did not start; it has said why")
            yield line.removeprefix("listening on ").strip()
        finally:
            process.terminate()
            process.wait(60)


def measure(address: str, token: str | None, typists: int | None, seconds: float) -> list[Level]:
    """Levels in ascending order: the one that is asked for, or those that find the number from which on people wait."""
    first = RemoteEngine(address, token)
    first.infill(InfillRequest(("a = ", "\n"), max_tokens=1, deadline_ms=START_SECONDS * 1000))  # waits for the model
    first.close()
    if typists is not None:
        return [at_level(address, token, typists, seconds)]
    return search(lambda count: at_level(address, token, count, seconds))


def search(level_of: Callable[[int], Level]) -> list[Level]:
    """Doubles the number while it is served, then halves the distance between the last that was and the first that was not."""
    levels = [level_of(1)]
    while levels[-1].is_served and levels[-1].typists < MOST_TYPISTS:
        levels.append(level_of(2 * levels[-1].typists))
    good, bad = most_served(levels), levels[-1].typists
    while bad - good > max(1, good // 8):
        levels.append(level_of((good + bad) // 2))
        good, bad = (levels[-1].typists, bad) if levels[-1].is_served else (good, levels[-1].typists)
    return sorted(levels, key=lambda level: level.typists)


def most_served(levels: Sequence[Level]) -> int:
    return max((level.typists for level in levels if level.is_served), default=0)


def at_level(address: str, token: str | None, count: int, seconds: float) -> Level:
    typists = [Typist(number, RemoteEngine(address, token)) for number in range(count)]
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(Typist.open, typists))
        began = time.perf_counter()
        list(pool.map(lambda typist: typist.type_until(began + seconds), typists))
        lasted = time.perf_counter() - began
    waits = [wait for typist in typists for wait in typist.waits]
    return _level(count, waits, lasted)


def _level(count: int, waits: Sequence[Wait], seconds: float) -> Level:
    answered = [wait.milliseconds for wait in waits if wait.outcome == "answered"]
    cancelled = [wait.milliseconds for wait in waits if wait.outcome == "cancelled"]

    def percentile(values: Sequence[float], q: int) -> float:
        return round(float(np.percentile(values, q)), 1) if values else float("inf")

    return Level(
        count,
        len(waits),
        len(answered),
        len(cancelled),
        len(waits) - len(answered) - len(cancelled),
        round(len(waits) / seconds, 1),
        percentile(answered, 50),
        percentile(answered, 95),
        percentile([*answered, *cancelled], 95),
    )


@dataclass
class Typist:
    """Types a part of a real file that was cut out of it; the same one for the same number, with the same rhythm."""

    number: int
    engine: RemoteEngine
    waits: list[Wait] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.number)
        files = typed_files()
        lines = files[self.number % len(files)].read_text("utf-8").splitlines(keepends=True)
        start = self._random.randrange(len(lines) // 4, max(len(lines) // 4 + 1, len(lines) - LINES))
        self._before, self._typed, self._after = (
            "".join(part) for part in (lines[:start], lines[start : start + LINES], lines[start + LINES :])
        )

    def open(self) -> None:
        with suppress(ServerAway, Cancelled):
            self.engine.warm("file", self._request("").parts).result()
            self.engine.infill(self._request(""), "file")

    def type_until(self, end: float) -> None:
        asked: tuple[threading.Event, Future[Infilling]] | None = None
        at = 0
        while time.perf_counter() < end:
            key = self._typed[at]
            at = (at + 1) % len(self._typed)
            time.sleep(self._rhythm(key))
            if asked is not None:
                asked[0].set()
            asked = self._ask(self._typed[:at])
        if asked is not None:
            asked[0].set()
        self.engine.close()

    def _rhythm(self, key: str) -> float:
        """Seconds: keys come unevenly (a gamma distribution fits well enough), and some lines need a thought."""
        pause = self._random.uniform(*PAUSE_SECONDS) if key == "\n" and self._random.random() < PAUSES else 0.0
        return pause + self._random.gammavariate(4.0, KEY_SECONDS / 4.0)

    def _ask(self, typed: str) -> tuple[threading.Event, Future[Infilling]]:
        stop = threading.Event()
        began = time.perf_counter()

        def answered(answer: Future[Infilling]) -> None:
            waited = (time.perf_counter() - began) * 1000
            error = None if answer.cancelled() else answer.exception()
            ended = answer.cancelled() or isinstance(error, Cancelled)
            self.waits.append(Wait(waited, "cancelled" if ended else "failed" if error else "answered"))

        answer = self.engine.submit(self._request(typed), "file", stop.is_set)
        answer.add_done_callback(answered)
        return stop, answer

    def _request(self, typed: str) -> InfillRequest:
        """What the language server asks when nobody asked for it by hand."""
        cursor = len(self._before) + len(typed)
        window = cut_window(self._before + typed + self._after, [(cursor, cursor)])
        usual = Settings()
        return InfillRequest(
            window.parts,
            deadline_ms=usual.deadline_ms,
            max_tokens=usual.max_tokens,
            single_line=True,
            min_confidence=usual.min_confidence,
        )


def typed_files() -> list[Path]:
    return [path for path in sorted(Path(os.__file__).parent.glob("*.py")) if path.stat().st_size in FILE_SIZES]


def as_json(levels: Sequence[Level]) -> dict[str, object]:
    return {
        "benchmark": "load",
        "limit_ms": LIMIT_MS,
        "typists_served": most_served(levels),
        "levels": [asdict(level) for level in levels],
    }


def draw(levels: Sequence[Level], path: Path) -> None:
    """Waits against typists. Needs matplotlib, the `eval` extra."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    typists = [level.typists for level in levels]
    axes.plot(
        typists, [level.all_p95_ms for level in levels], color="#D55E00", marker="^", label="95th percentile, cancelled too"
    )
    axes.plot(typists, [level.p95_ms for level in levels], color="#E69F00", marker="s", label="95th percentile of answers")
    axes.plot(typists, [level.p50_ms for level in levels], color="#0072B2", marker="o", label="median of answers")
    axes.axhline(LIMIT_MS, color="#000000", linewidth=0.8, linestyle="--", label=f"{LIMIT_MS:.0f} ms")
    axes.set_xlabel("typists, five keys a second each")
    axes.set_ylabel("milliseconds from a key to its answer")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
